//! Notes on what was read: those with numbers of images in them, and those of several splits as one list.

use std::collections::BTreeSet;

use crate::ImageSet;

/// Of `n` images, one at least, that red, green and blue are the same.
pub(crate) fn gray_as_color(n: usize) -> String {
    match n {
        1 => "1 image is gray saved as color; it is read as gray".to_owned(),
        n => format!("{n} images are gray saved as color; they are read as gray"),
    }
}

/// Of `n` gray images among `all`, that the others have color.
pub(crate) fn gray_among_color([n, all]: [usize; 2]) -> String {
    let are = if n == 1 { "is" } else { "are" };
    format!("{n} of {all} images {are} gray; the channel is taken three times")
}

/// Notes of the splits of one data set, each once: what was counted in several is summed.
pub fn joined_notes(sets: &[ImageSet]) -> Vec<String> {
    let mut n_as_color = 0;
    let mut among_color = [0; 2];
    let mut others = BTreeSet::new();
    for note in sets.iter().flat_map(|set| &set.notes) {
        let mut numbers = note.split(' ').filter_map(|word| word.parse().ok());
        let (n, all) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if *note == gray_as_color(n) {
            n_as_color += n;
        } else if *note == gray_among_color([n, all]) {
            among_color = [among_color[0] + n, among_color[1] + all];
        } else {
            others.insert(note.clone());
        }
    }
    let as_color = (n_as_color > 0).then(|| gray_as_color(n_as_color));
    let among_color = (among_color[0] > 0).then(|| gray_among_color(among_color));
    others.into_iter().chain(as_color).chain(among_color).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_in_several_splits_is_told_once() {
        let set = |notes: [String; 3]| ImageSet {
            classes: Vec::new(),
            samples: Vec::new(),
            notes: notes.to_vec(),
        };
        let band = || "band 2 is read".to_owned();
        let sets = [
            set([band(), gray_as_color(1), gray_among_color([1, 4])]),
            set([band(), gray_as_color(7), gray_among_color([2, 5])]),
        ];
        let expected = [band(), gray_as_color(8), gray_among_color([3, 9])];
        assert_eq!(joined_notes(&sets), expected);
        assert_eq!(joined_notes(&sets[..1]), sets[0].notes);
    }
}
