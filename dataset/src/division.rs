//! How one set of images is divided into training, validation and test.
//!
//! Data that hold no test images of their own are divided file by file: where a file goes follows from its class, the
//! split seed and its [`Block`] alone, so that no other file that comes, goes or moves can change it (where there are too
//! few, see [`SplitOptions::divide`]). Views that are numbered one after another stay together, as far as their names say so: neighbors look alike, and one of them in
//! training would give away the other in the test.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::image_file::EXTENSIONS;
use crate::{DatasetError, Random, Result, Split};

/// Neighboring sequence numbers that stay together.
pub const BLOCK: u128 = 16;

/// What of a file's name decides its split: the files of a class that agree in it go together.
///
/// Of `SN_132/HB03787.015` that is `SN_132/HB`, 236 (3787 divided by 16) and `.015`; of `ship-7_vv.png` it is `ship-`, 0
/// and nothing; of `left/bow.png`, which has no digits, `left/bow`. An ending of [`EXTENSIONS`] does not count. The
/// sequence number is the last run of decimal digits before the last dot of what then is left, or behind it where there is
/// none before (`frame.0017.png`); text between number and dot is left out, so that two polarizations of one view stay
/// together. A run of more than 38 digits is no number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Block {
    /// Folders below the class folder and the name up to the number; the whole name where there is no number.
    before: String,
    /// Sequence number divided by [`BLOCK`].
    number: Option<u128>,
    /// The last dot and what follows it.
    ending: String,
}

impl Block {
    /// A block of one file.
    fn single(name: &str) -> Self {
        Self { before: name.to_owned(), number: None, ending: String::new() }
    }

    /// The block of a file: `name` is its path below the class folder, with `/`.
    pub fn of(name: &str) -> Self {
        let file = name.rfind('/').map_or(0, |slash| slash + 1);
        let dot =
            |name: &str| name[file..].rfind('.').map(|dot| file + dot).filter(|&dot| dot > file);
        let is_image = |dot: &usize| {
            EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(&name[dot + 1..]))
        };
        let name = dot(name).filter(is_image).map_or(name, |dot| &name[..dot]);
        let stem = dot(name).map_or(name, |dot| &name[..dot]);
        let numbered = |text: &str, ending: &str| {
            let end = file + text[file..].rfind(|c: char| c.is_ascii_digit())? + 1;
            let digits = text[file..end].trim_end_matches(|c: char| c.is_ascii_digit()).len();
            let number: u128 = text[file + digits..end].parse().ok()?;
            Some(Self {
                before: text[..file + digits].to_owned(),
                number: Some(number / BLOCK),
                ending: ending.to_owned(),
            })
        };
        numbered(stem, &name[stem.len()..])
            .or_else(|| numbered(name, ""))
            .unwrap_or_else(|| Self::single(name))
    }
}

/// Splits of images, and what the user has to know of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// In the order of the images.
    pub splits: Vec<Split>,
    /// A sentence each.
    pub notes: Vec<String>,
}

/// How images are divided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitOptions {
    /// Chooses the images of each split.
    pub seed: u64,
    /// Part of the training images held out for validation.
    pub validation: f64,
    /// Part of all images held out for the test, where the data set has no test images of its own.
    pub test: f64,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self { seed: 0, validation: 0.1, test: 0.2 }
    }
}

impl SplitOptions {
    /// Checks that every split gets a part.
    pub(crate) fn check(&self) -> Result<()> {
        let check = |field, value| {
            if value > 0.0 && value < 1.0 {
                Ok(())
            } else {
                Err(DatasetError::Fraction { field, value })
            }
        };
        check("validation", self.validation)?;
        check("test", self.test)
    }

    /// The split of every image, of which class and path below the class folder are given: training and validation, and
    /// test where `with_test` says that the data have no test images of their own.
    ///
    /// Parts are met on average over blocks: a class of few blocks may lack one. What is said of few images is the only thing
    /// that depends on others: a class of which nothing would be left to train on keeps all of its images for that, and of a
    /// part that would get no image at all, every class that can spare one gives one.
    pub fn divide(&self, images: &[(&str, &str)], with_test: bool) -> Division {
        let mut splits: Vec<Split> = images
            .iter()
            .map(|(class, name)| self.assign(class, &Block::of(name), with_test))
            .collect();
        let mut classes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (idx, (class, _)) in images.iter().enumerate() {
            classes.entry(class).or_default().push(idx);
        }
        let mut kept: Vec<&str> = Vec::new();
        for (class, members) in &classes {
            if members.iter().all(|&idx| splits[idx] != Split::Train) {
                members.iter().for_each(|&idx| splits[idx] = Split::Train);
                kept.push(class);
            }
        }
        let mut notes = Vec::new();
        let parts = [Split::Test, Split::Validation];
        for split in parts.into_iter().skip(usize::from(!with_test)) {
            if splits.contains(&split) {
                continue;
            }
            let mut n_given = 0;
            for (class, members) in &classes {
                let train = || members.iter().copied().filter(|&idx| splits[idx] == Split::Train);
                let draw = |idx: usize| self.draw("single", class, &Block::single(images[idx].1));
                let least = train().min_by(|&a, &b| draw(a).total_cmp(&draw(b)));
                if let Some(least) = least.filter(|_| train().count() > 1) {
                    splits[least] = split;
                    n_given += 1;
                }
            }
            if n_given > 0 {
                notes.push(format!(
                    "{n_given} {split} images, one of a class, have neighbors among the training images: there are too few \
                     blocks of {BLOCK} neighbors to hold out whole ones"
                ));
            }
        }
        for class in kept {
            let members = &classes[class];
            if members.iter().all(|&idx| splits[idx] == Split::Train) {
                notes.push(format!(
                    "class {class} keeps all of its {} images for training: their names make too few blocks of {BLOCK} neighbors \
                     to hold one out",
                    members.len()
                ));
            }
        }
        Division { splits, notes }
    }

    /// The split of a block.
    fn assign(&self, class: &str, block: &Block, with_test: bool) -> Split {
        if with_test && self.draw("test", class, block) < self.test {
            Split::Test
        } else if self.draw("validation", class, block) < self.validation {
            Split::Validation
        } else {
            Split::Train
        }
    }

    /// A number of 0.. 1 that follows from seed, class and block: the first 53 bits of a SHA-256.
    fn draw(&self, salt: &str, class: &str, block: &Block) -> f64 {
        let number = block.number.map_or(String::new(), |number| number.to_string());
        let parts = [
            salt.as_bytes(),
            &self.seed.to_le_bytes(),
            class.as_bytes(),
            block.before.as_bytes(),
            number.as_bytes(),
            block.ending.as_bytes(),
        ];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let bits = digest[..8].iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Shuffles the training records of a class, which have no names, and cuts them: validation first, then training.
    /// Each part is sorted again.
    ///
    /// With too few records for a part each, `Err` is the number needed.
    pub(crate) fn divide_records<T: Ord>(
        &self,
        mut records: Vec<T>,
        label: usize,
        split: Split,
    ) -> Result<Vec<T>, usize> {
        let n_records = records.len();
        let n_validation = ((n_records as f64 * self.validation).round() as usize).max(1);
        if n_records <= n_validation {
            return Err(n_validation + 1);
        }
        Random::new(&[self.seed, label as u64]).shuffle(&mut records);
        let train = records.split_off(n_validation);
        let mut picked = if split == Split::Train { train } else { records };
        picked.sort();
        Ok(picked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(before: &str, number: impl Into<Option<u128>>, ending: &str) -> Block {
        Block { before: before.to_owned(), number: number.into(), ending: ending.to_owned() }
    }

    #[test]
    fn blocks_are_folder_text_sequence_number_and_ending() {
        for (name, expected) in [
            ("SN_132/HB03787.015", block("SN_132/HB", 236, ".015")),
            ("SN_132/HB03791.015", block("SN_132/HB", 236, ".015")),
            ("SN_132/HB03792.015", block("SN_132/HB", 237, ".015")),
            ("HB03787.015.JPG", block("HB", 236, ".015")),
            ("hb19377.jpeg", block("hb", 1211, "")),
            ("hb19377.tif", block("hb", 1211, "")),
            ("7.png", block("", 0, "")),
            ("frame.0017.png", block("frame.", 1, "")),
            ("ship-7_vv.png", block("ship-", 0, "")),
            ("ship-7_vh.png", block("ship-", 0, "")),
            ("year 2024/bow.png", block("year 2024/bow", None, "")),
            ("left/bow", block("left/bow", None, "")),
            (".12", block(".", 0, "")),
            ("é٣.png", block("é٣", None, "")),
            (&format!("{}.png", "9".repeat(40)), block(&"9".repeat(40), None, "")),
        ] {
            assert_eq!(Block::of(name), expected, "{name}");
        }
    }

    #[test]
    fn a_split_is_the_same_on_every_machine() {
        let names =
            ["HB03787.015", "HB14931.JPG", "x/y.png", "Ship_C01S01N0001.tif", "0.png", "16.png"];
        let splits = |seed| {
            let options = SplitOptions { seed, ..SplitOptions::default() };
            names.map(|name| options.assign("T72", &Block::of(name), true) as u8)
        };
        assert_eq!([splits(0), splits(1)], [[0, 2, 0, 0, 0, 0], [0, 0, 0, 0, 1, 2]]);
    }

    #[test]
    fn parts_are_met_and_blocks_stay_whole() {
        let options = SplitOptions { seed: 3, ..SplitOptions::default() };
        let names: Vec<String> = (0..32_000).map(|view| format!("HB{view:05}.000")).collect();
        let images: Vec<_> = names.iter().map(|name| ("a", name.as_str())).collect();
        let Division { splits, notes } = options.divide(&images, true);
        let mut counts = [0_usize; 3];
        for (idx, block) in splits.chunks(16).enumerate() {
            assert!(block.iter().all(|split| *split == block[0]), "block {idx}");
            counts[block[0] as usize] += 1;
        }
        // 72, 8 and 20 percent, within four deviations.
        assert!(counts[0].abs_diff(1440) < 81 && counts[1].abs_diff(160) < 49, "{counts:?}");
        assert!(counts[2].abs_diff(400) < 72 && notes.is_empty(), "{counts:?} {notes:?}");
        let without_test = options.divide(&images, false).splits;
        assert!(splits.iter().zip(without_test).all(|(a, b)| *a == Split::Test || *a == b));
    }

    #[test]
    fn other_images_move_none() {
        let options = SplitOptions::default();
        let classes = ["a", "b", "c"];
        let names: Vec<String> = (0..40).map(|view| format!("{}.png", 16 * view)).collect();
        let all: Vec<(&str, &str)> = (classes.iter())
            .flat_map(|class| names.iter().map(move |name| (*class, name.as_str())))
            .collect();
        let splits = options.divide(&all, true).splits;
        let moved = |images: &[(&str, &str)]| {
            let splits_now = options.divide(images, true).splits;
            let before = |image: &(&str, &str)| {
                all.iter().position(|other| other == image).map(|idx| splits[idx])
            };
            images
                .iter()
                .zip(splits_now)
                .filter(|(i, now)| before(i).is_some_and(|b| b != *now))
                .count()
        };
        assert_eq!(moved(&[&all[..], &[("a", "new.png"), ("a", "5.png")]].concat()), 0);
        assert_eq!(moved(&all[40..]), 0);
        assert_eq!(moved(&all[1..]), 0);
        assert_eq!(moved(&all.iter().rev().copied().collect::<Vec<_>>()), 0);
    }

    #[test]
    fn of_few_images_what_can_be_spared_is_held_out() {
        for (seed, n_views, with_test) in few_images() {
            let options = SplitOptions { seed, ..SplitOptions::default() };
            let names: Vec<String> = (0..n_views).map(|view| format!("{view}.png")).collect();
            let images: Vec<_> =
                ["a", "b"].iter().flat_map(|c| names.iter().map(|n| (*c, n.as_str()))).collect();
            let Division { splits, notes } = options.divide(&images, with_test);
            let case = format!("{seed} {n_views} {with_test}: {splits:?} {notes:?}");
            for class in splits.chunks(n_views) {
                assert!(class.contains(&Split::Train), "{case}");
            }
            let least = if with_test { 3 } else { 2 };
            assert_eq!(splits.contains(&Split::Validation), n_views >= least, "{case}");
            assert_eq!(splits.contains(&Split::Test), with_test && n_views >= 2, "{case}");
            assert!(n_views == 1 || !notes.is_empty(), "{case}");
        }
    }

    /// Seeds, views of a class, and whether there is a test.
    fn few_images() -> impl Iterator<Item = (u64, usize, bool)> {
        (0..50 * 12 * 2).map(|idx| (idx / 24, (idx / 2 % 12) as usize + 1, idx % 2 == 0))
    }
}
