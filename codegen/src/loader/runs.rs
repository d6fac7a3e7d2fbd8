//! The entries of a word: runs of lanes that take neighboring bytes of an image row.

/// A byte of the image, beside a packed pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Byte {
    /// Rows below.
    pub(super) dy: i64,
    /// Bytes to the right.
    pub(super) column: i64,
}

/// Lanes `first`, `first + step` and so on up to `last` take `byte` and those behind it; none if `last` is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) step: usize,
    pub(super) byte: Byte,
}

impl Run {
    /// For a word without bytes: there is no word without an entry.
    const NONE: Self = Self { first: 1, last: 0, step: 1, byte: Byte { dy: 0, column: 0 } };

    fn lanes(&self) -> impl Iterator<Item = usize> + use<> {
        (self.first..=self.last).step_by(self.step)
    }
}

/// Runs of at most `most` lanes that make up a word, each lane in one of them: the longest first, of equal ones the first.
pub(super) fn runs(word: &[Option<Byte>], most: usize) -> Vec<Run> {
    let mut left = word.to_vec();
    let mut runs = Vec::new();
    while left.iter().any(Option::is_some) {
        let run = (0..left.len())
            .flat_map(|first| [1, 2].map(|step| run(&left, first, step, most)))
            .flatten()
            .rev()
            .max_by_key(|run| run.lanes().count())
            .expect("a byte is a run");
        run.lanes().for_each(|lane| left[lane] = None);
        runs.push(run);
    }
    if runs.is_empty() { vec![Run::NONE] } else { runs }
}

fn run(word: &[Option<Byte>], first: usize, step: usize, most: usize) -> Option<Run> {
    let byte = word[first]?;
    let follows = |(index, lane): &(usize, usize)| {
        word[*lane] == Some(Byte { column: byte.column + *index as i64, ..byte })
    };
    let lanes = (first..word.len()).step_by(step).take(most).enumerate();
    let (_, last) = lanes.take_while(follows).last()?;
    Some(Run { first, last, step, byte })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Lanes of bytes of row 0, `None` where there is none.
    fn word(columns: &[i64]) -> Vec<Option<Byte>> {
        columns
            .iter()
            .map(|column| (*column >= 0).then_some(Byte { dy: 0, column: *column }))
            .collect()
    }

    fn counts(columns: &[i64], most: usize) -> Vec<(usize, usize)> {
        runs(&word(columns), most).iter().map(|run| (run.first, run.lanes().count())).collect()
    }

    #[test]
    fn neighbors_are_one_entry() {
        let whole: Vec<i64> = (0..16).collect();
        assert_eq!(counts(&whole, 4), [(0, 4), (4, 4), (8, 4), (12, 4)]);
        assert_eq!(counts(&whole, 16), [(0, 16)]);
        assert_eq!(counts(&whole, 1).len(), 16);
        // Even lanes of one run, odd lanes of another.
        let paired: Vec<i64> = (0..16).map(|lane| lane / 2 + 40 * (lane % 2)).collect();
        assert_eq!(counts(&paired, 8), [(0, 8), (1, 8)]);
        assert_eq!(counts(&paired, 4).len(), 4);
        assert_eq!(counts(&[5, 6, -1, 7, 9, 8], 4), [(1, 3), (0, 1), (4, 1)]);
        assert_eq!(runs(&word(&[-1, -1]), 4), [Run::NONE]);
    }

    #[test]
    fn another_image_row_is_another_entry() {
        let word: Vec<_> = (0..8).map(|lane| Some(Byte { dy: lane / 4, column: lane })).collect();
        assert_eq!(runs(&word, 8).len(), 2);
    }

    proptest! {
        #[test]
        fn every_lane_takes_its_byte_once(
            lanes in prop::collection::vec(prop::option::of((0i64..2, 0i64..6)), 1..32),
            most in prop::sample::select(vec![1usize, 2, 4, 8, 16]),
        ) {
            let word: Vec<_> =
                lanes.into_iter().map(|lane| lane.map(|(dy, column)| Byte { dy, column })).collect();
            let mut taken = vec![None; word.len()];
            for run in runs(&word, most) {
                prop_assert!(run.lanes().count() <= most);
                for (index, lane) in run.lanes().enumerate() {
                    prop_assert_eq!(taken[lane], None);
                    taken[lane] = Some(Byte { column: run.byte.column + index as i64, ..run.byte });
                }
            }
            prop_assert_eq!(taken, word);
        }
    }
}
