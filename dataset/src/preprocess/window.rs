//! Where the window of a view meets the image.

use spec::Preprocess;

use super::View;
use crate::Chip;

/// The part of the window that is inside the image; the rest is padding.
pub(super) struct Window {
    /// First row and column in the image.
    top: usize,
    left: usize,
    /// Row and column of the input that they go to, after mirroring.
    to_row: usize,
    to_column: usize,
    pub(super) n_rows: usize,
    pub(super) n_columns: usize,
    /// Columns of the image and of the input.
    width: usize,
    to_width: usize,
}

impl Window {
    pub(super) fn new(definition: &Preprocess, chip: &Chip, view: View) -> Self {
        let (top, to_row, n_rows) = overlap(chip.height(), definition.height, view.down);
        let (left, to_left, n_columns) = overlap(chip.width(), definition.width, view.right);
        let to_column = if view.mirror { definition.width - to_left - n_columns } else { to_left };
        let (width, to_width) = (chip.width(), definition.width);
        Self { top, left, to_row, to_column, n_rows, n_columns, width, to_width }
    }

    /// Positions of the first pixel of each row, in the image and in the input.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.n_rows).map(|row| {
            (
                (self.top + row) * self.width + self.left,
                (self.to_row + row) * self.to_width + self.to_column,
            )
        })
    }

    /// How often each sample of `I` channels occurs.
    pub(super) fn histogram<const I: usize>(&self, bytes: &[u8]) -> [u32; 256] {
        // Equal neighbors would wait for each other's count; two rows of counters take turns.
        let (mut even, mut odd) = ([0; 256], [0; 256]);
        for (source, _) in self.rows() {
            let mut pairs = bytes[source * I..][..self.n_columns * I].chunks_exact(2);
            for pair in &mut pairs {
                even[usize::from(pair[0])] += 1;
                odd[usize::from(pair[1])] += 1;
            }
            pairs.remainder().iter().for_each(|&byte| even[usize::from(byte)] += 1);
        }
        even.iter_mut().zip(&odd).for_each(|(count, more)| *count += more);
        even
    }
}

/// Along one axis: first position in the image, first position in the window, and how many they share.
fn overlap(input: usize, output: usize, shift: isize) -> (usize, usize, usize) {
    let start = offset(input, output) + shift;
    let (from, to) = (start.max(0) as usize, (-start).max(0) as usize);
    let (from, to) = (from.min(input), to.min(output));
    (from, to, (input - from).min(output - to))
}

fn offset(input: usize, output: usize) -> isize {
    (input as isize - output as isize) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_difference_rounds_toward_zero_whichever_way_it_goes() {
        assert_eq!((offset(6, 3), offset(3, 6)), (1, -1));
    }

    #[test]
    fn windows_beyond_the_image_share_what_is_there_or_nothing() {
        assert_eq!(overlap(10, 4, 0), (3, 0, 4));
        assert_eq!(overlap(4, 10, 0), (0, 3, 4));
        assert_eq!(overlap(10, 4, 5), (8, 0, 2));
        assert_eq!(overlap(10, 4, -5), (0, 2, 2));
        assert_eq!(overlap(10, 4, 100).2, 0);
        assert_eq!(overlap(10, 4, -100).2, 0);
    }
}
