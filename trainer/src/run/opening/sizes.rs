//! Native sizes of the training images against the window of the network.

use std::fmt;

use dataset::ImageSet;
use spec::Preprocess;

/// Part of a chip's area that may be cut off unsaid.
const CUT: f64 = 0.25;
/// Part of the chips for which more is cut off before there is a warning.
const NOTICEABLE: f64 = 0.05;
/// Ratio of the largest to the smallest median side of a class above which sizes differ by class.
const DIFFERENT: f64 = 1.1;

/// Rows and columns.
type Size = (usize, usize);

/// Sizes of the training images.
pub(super) struct Sizes {
    /// Of each image.
    all: Vec<Size>,
    /// Medians of the rows and columns of each class that has images.
    classes: Vec<Option<Size>>,
    names: Vec<String>,
    window: Size,
    downsample: usize,
}

impl Sizes {
    pub(super) fn new(set: &ImageSet, preprocess: &Preprocess) -> Self {
        let mut by_class = vec![Vec::new(); set.classes.len()];
        for sample in &set.samples {
            by_class[sample.label].push((sample.chip.height(), sample.chip.width()));
        }
        Self {
            all: by_class.concat(),
            classes: by_class.iter().map(|sizes| median(sizes)).collect(),
            names: set.classes.clone(),
            window: (preprocess.height, preprocess.width),
            downsample: preprocess.downsample,
        }
    }

    /// Median size of a class.
    pub(super) fn of_class(&self, class: usize) -> String {
        self.classes[class].map_or(String::new(), shown)
    }

    /// What a person has to know of the crop, the padding and what sizes tell.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        warnings.extend(self.cut_warning());
        warnings.extend(self.leak_warning());
        let n = self.downsample;
        let n_nothing = self.all.iter().filter(|(height, width)| height.min(width) < &n).count();
        if n_nothing > 0 {
            warnings.push(format!(
                "{} smaller than a block of {n}x{n} pixels, so that the network sees nothing of them; use a smaller \
                 --downsample",
                self.chips(n_nothing)
            ));
        }
        warnings
    }

    fn cut_warning(&self) -> Option<String> {
        let n_cut = self.n_cut(self.downsample);
        if !self.is_noticeable(n_cut) {
            return None;
        }
        let offered = (self.downsample + 1..=Preprocess::MAX_DOWNSAMPLE)
            .find(|&side| !self.is_noticeable(self.n_cut(side)));
        let offer = offered.map_or(String::new(), |side| {
            format!(
                "--downsample {side} averages blocks of {side}x{side} pixels first and shows them; "
            )
        });
        Some(format!(
            "{} cropped by more than a quarter of their area; {offer}leave it where what counts lies in the middle, or \
             give a larger --size",
            self.chips(n_cut)
        ))
    }

    /// Small chips are padded, and the padding tells their size.
    fn leak_warning(&self) -> Option<String> {
        let (smallest, largest) = self.differing()?;
        let n_padded = self.n_padded();
        if !self.is_noticeable(n_padded) {
            return None;
        }
        let shorter = |(height, width): &Size| height.min(width) / self.downsample;
        let mut sides: Vec<_> = self.all.iter().map(shorter).collect();
        sides.sort_unstable();
        // So few are smaller that they are not noticeable.
        let hide = match sides[(NOTICEABLE * sides.len() as f64) as usize] {
            0..8 => "no --size hides that".to_owned(),
            side => format!("a --size of {side} or less hides it"),
        };
        Some(format!(
            "the size of a chip may tell its class ({smallest} against {largest}), and {} padded with zeros, which shows it \
             to the network; {hide}",
            self.chips(n_padded)
        ))
    }

    /// The class of the smallest and of the largest chips, where they differ.
    fn differing(&self) -> Option<(String, String)> {
        let side = |size: Size| size.0 + size.1;
        let known = || {
            self.names.iter().zip(&self.classes).filter_map(|(name, size)| Some((name, (*size)?)))
        };
        let smallest = known().min_by_key(|(_, size)| side(*size))?;
        let largest = known().max_by_key(|(_, size)| side(*size))?;
        let differ = side(largest.1) as f64 > DIFFERENT * side(smallest.1) as f64;
        let named = |(name, size): (&String, Size)| format!("{name} {}", shown(size));
        differ.then(|| (named(smallest), named(largest)))
    }

    /// Chips of which more than a quarter is cut off after blocks of `side` pixels are averaged.
    fn n_cut(&self, side: usize) -> usize {
        let is_cut = |(height, width): &&Size| {
            let (height, width) = (height / side, width / side);
            let kept = height.min(self.window.0) * width.min(self.window.1);
            (kept as f64) < (1.0 - CUT) * (height * width) as f64
        };
        self.all.iter().filter(is_cut).count()
    }

    fn n_padded(&self) -> usize {
        let n = self.downsample;
        let is_padded =
            |(height, width): &&Size| height / n < self.window.0 || width / n < self.window.1;
        self.all.iter().filter(is_padded).count()
    }

    fn is_noticeable(&self, n: usize) -> bool {
        n as f64 > NOTICEABLE * self.all.len() as f64
    }

    /// So many of the chips, as the start of a sentence about them.
    fn chips(&self, n: usize) -> String {
        let all = self.all.len();
        let percent = 100.0 * n as f64 / all.max(1) as f64;
        let are = if n == 1 { "is" } else { "are" };
        format!("{n} of {all} training chips ({percent:.0} %) {are}")
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sides = |side: fn(&Size) -> usize| self.all.iter().map(side);
        let least = (sides(|size| size.0).min(), sides(|size| size.1).min());
        let most = (sides(|size| size.0).max(), sides(|size| size.1).max());
        let ((Some(h), Some(w)), (Some(height), Some(width))) = (least, most) else {
            return f.write_str("none");
        };
        if (h, w) == (height, width) {
            write!(f, "{} pixels, all of them", shown((h, w)))?;
        } else {
            let middle = median(&self.all).map_or(String::new(), shown);
            write!(f, "{} to {} pixels, median {middle}", shown((h, w)), shown((height, width)))?;
        }
        if let Some((smallest, largest)) = self.differing() {
            write!(f, "; the size differs by class ({smallest} to {largest})")?;
        }
        let n_padded = self.n_padded();
        if n_padded > 0 {
            let all = self.all.len();
            write!(f, "; {n_padded} of {all} are smaller than the input and padded with zeros")?;
        }
        Ok(())
    }
}

/// Medians of rows and of columns.
fn median(sizes: &[Size]) -> Option<Size> {
    let middle = |side: fn(&Size) -> usize| {
        let mut sides: Vec<_> = sizes.iter().map(side).collect();
        sides.sort_unstable();
        sides.get(sides.len() / 2).copied()
    };
    Some((middle(|size| size.0)?, middle(|size| size.1)?))
}

fn shown((height, width): Size) -> String {
    format!("{height}x{width}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataset::{Chip, Sample, Samples};

    /// Chips of each class.
    fn sizes(classes: &[(&str, &[Size])], window: usize, downsample: usize) -> Sizes {
        let sample = |label: usize, &(height, width): &Size| Sample {
            name: String::new(),
            label,
            chip: Chip::new(height, width, 1, Samples::Eight(vec![0; height * width])),
        };
        let samples = classes.iter().enumerate();
        let set = ImageSet {
            classes: classes.iter().map(|(name, _)| (*name).to_owned()).collect(),
            samples: samples
                .flat_map(|(label, (_, sizes))| sizes.iter().map(move |size| sample(label, size)))
                .collect(),
            notes: Vec::new(),
        };
        Sizes::new(&set, &Preprocess { downsample, ..Preprocess::sar(window) })
    }

    #[test]
    fn chips_of_the_size_of_the_input_need_no_word() {
        let equal = sizes(&[("a", &[(64, 64); 3]), ("b", &[(64, 64); 2])], 64, 1);
        assert_eq!(equal.to_string(), "64x64 pixels, all of them");
        assert_eq!(equal.warnings(), [""; 0]);
        assert_eq!(equal.of_class(1), "64x64");
    }

    #[test]
    fn a_crop_of_more_than_a_quarter_is_told_with_the_block_that_mends_it() {
        // 64 of 73 squared is 0.769 of the area, 64 of 74 squared 0.748.
        assert_eq!(sizes(&[("a", &[(73, 73)])], 64, 1).warnings(), [""; 0]);
        let cut = sizes(&[("a", &[(74, 74)])], 64, 1).warnings();
        assert!(
            cut[0].starts_with("1 of 1 training chips (100 %) is cropped by more than a quarter"),
            "{cut:?}"
        );
        assert!(cut[0].contains("--downsample 2 averages blocks of 2x2 pixels first"), "{cut:?}");
        // Ship chips of 512 x 512 pixels in a window of 128: 170 of them in blocks of three, 128 in blocks of four.
        let ships = sizes(&[("a", &[(512, 512); 4])], 128, 1).warnings();
        assert!(ships.len() == 1 && ships[0].contains("--downsample 4 "), "{ships:?}");
        assert_eq!(sizes(&[("a", &[(512, 512); 4])], 128, 4).warnings(), [""; 0]);
        // What holds for one chip of twenty is not worth a word.
        let few = [[(64, 64); 19].to_vec(), vec![(512, 512)]].concat();
        assert_eq!(sizes(&[("a", &few)], 64, 1).warnings(), [""; 0]);
        // A strip that is wide enough in one direction only.
        let strip = sizes(&[("a", &[(64, 200)])], 64, 1).warnings();
        assert!(strip[0].contains("is cropped by more than a quarter"), "{strip:?}");
    }

    #[test]
    fn sizes_that_tell_the_class_are_told_where_padding_shows_them() {
        let classes: [(&str, &[Size]); 2] =
            [("boat", &[(20, 20), (24, 22), (30, 30)]), ("tanker", &[(90, 80); 3])];
        let sizes = sizes(&classes, 64, 1);
        assert_eq!(
            sizes.to_string(),
            "20x20 to 90x80 pixels, median 90x80; the size differs by class (boat 24x22 to tanker 90x80); 3 of 6 are \
             smaller than the input and padded with zeros"
        );
        let warnings = sizes.warnings();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert_eq!(
            warnings[1],
            "the size of a chip may tell its class (boat 24x22 against tanker 90x80), and 3 of 6 training chips (50 %) \
             are padded with zeros, which shows it to the network; a --size of 20 or less hides it"
        );
        // Cropped, they show nothing of it.
        let hidden = self::sizes(&classes, 20, 1);
        assert!(hidden.to_string().contains("the size differs by class"));
        assert!(hidden.warnings().iter().all(|warning| !warning.contains("may tell")));
    }

    #[test]
    fn chips_that_hold_no_block_are_told() {
        let warnings = sizes(&[("a", &[(3, 9), (8, 8)])], 4, 4).warnings();
        assert!(
            warnings
                .iter()
                .any(|w| w
                    .starts_with("1 of 2 training chips (50 %) is smaller than a block of 4x4")),
            "{warnings:?}"
        );
    }
}
