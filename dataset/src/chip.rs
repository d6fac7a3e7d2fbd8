//! Images as read: a chip, a labeled sample, a set of them.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::{DatasetError, Result};

/// Samples of a chip at their native depth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Samples {
    /// 8 bits, 0..=255.
    Eight(Vec<u8>),
    /// 16 bits, 0..=65535.
    Sixteen(Vec<u16>),
}

/// One image: `height` x `width` x `channels` samples, row-major, channels innermost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chip {
    width: usize,
    height: usize,
    channels: usize,
    samples: Samples,
}

impl Chip {
    /// An image of 1 (gray) or 3 (red, green, blue) channels.
    ///
    /// # Panics
    /// When the number of samples is not `height * width * channels`, when a side is zero, or when there are
    /// neither 1 nor 3 channels: the caller made the samples.
    pub fn new(height: usize, width: usize, channels: usize, samples: Samples) -> Self {
        let n_samples = match &samples {
            Samples::Eight(samples) => samples.len(),
            Samples::Sixteen(samples) => samples.len(),
        };
        assert!(n_samples > 0 && n_samples == height * width * channels, "samples fill the chip");
        assert!(channels == 1 || channels == 3, "gray or color");
        Self { width, height, channels, samples }
    }

    /// One channel when all of each pixel's samples are the same.
    pub(crate) fn into_gray_if_it_is(self) -> Self {
        fn is_gray<T: PartialEq>(samples: &[T], channels: usize) -> bool {
            samples.chunks_exact(channels).all(|pixel| pixel.iter().all(|s| *s == pixel[0]))
        }
        let is_gray = match &self.samples {
            Samples::Eight(samples) => is_gray(samples, self.channels),
            Samples::Sixteen(samples) => is_gray(samples, self.channels),
        };
        if is_gray { self.into_channel(0) } else { self }
    }

    /// One of the channels alone.
    pub(crate) fn into_channel(self, channel: usize) -> Self {
        fn pick<T: Copy>(samples: &[T], channel: usize, channels: usize) -> Vec<T> {
            samples.iter().skip(channel).step_by(channels).copied().collect()
        }
        if self.channels == 1 {
            return self;
        }
        let samples = match &self.samples {
            Samples::Eight(samples) => Samples::Eight(pick(samples, channel, self.channels)),
            Samples::Sixteen(samples) => Samples::Sixteen(pick(samples, channel, self.channels)),
        };
        Self { channels: 1, samples, ..self }
    }

    /// Takes a single channel three times.
    pub(crate) fn make_color(&mut self) {
        fn repeat<T: Copy>(samples: &[T]) -> Vec<T> {
            samples.iter().flat_map(|&sample| [sample; 3]).collect()
        }
        if self.channels == 1 {
            self.channels = 3;
            self.samples = match &self.samples {
                Samples::Eight(samples) => Samples::Eight(repeat(samples)),
                Samples::Sixteen(samples) => Samples::Sixteen(repeat(samples)),
            };
        }
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// 1 or 3.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Samples at their native depth.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Sample as 16 bits: 8-bit samples are multiplied by 257, so that 255 becomes 65535.
    pub fn sample(&self, row: usize, column: usize, channel: usize) -> u16 {
        let idx = (row * self.width + column) * self.channels + channel;
        match &self.samples {
            Samples::Eight(samples) => u16::from(samples[idx]) * 257,
            Samples::Sixteen(samples) => samples[idx],
        }
    }

    /// First 64 bits of the SHA-256 over height, width and channels, 32 bits each, and every sample of [`Self::sample`], 16
    /// bits each, all little-endian. Of a color image whose pixels are all gray it is that of the gray image.
    pub fn digest(&self) -> u64 {
        let mut samples: Vec<u16> = match &self.samples {
            Samples::Eight(samples) => {
                samples.iter().map(|&sample| u16::from(sample) * 257).collect()
            }
            Samples::Sixteen(samples) => samples.clone(),
        };
        let mut channels = self.channels;
        if samples.chunks(channels).all(|pixel| pixel.iter().all(|sample| *sample == pixel[0])) {
            samples = samples.into_iter().step_by(channels).collect();
            channels = 1;
        }
        let mut hash = Sha256::new();
        for size in [self.height, self.width, channels] {
            hash.update((size as u32).to_le_bytes());
        }
        hash.update(samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<_>>());
        hash.finalize()[..8].iter().fold(0, |digest, &byte| digest << 8 | u64::from(byte))
    }
}

/// A chip, its class and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Path below the data folder, with `/`, or the simulator's `split/index`.
    pub name: String,
    /// Position in [`ImageSet::classes`]; 0 in a set without classes.
    pub label: usize,
    /// The image.
    pub chip: Chip,
}

/// One split of a data set, or images without labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSet {
    /// Class names, in the order of the labels; none where images have no labels.
    pub classes: Vec<String>,
    /// Images, in a fixed order.
    pub samples: Vec<Sample>,
    /// What was decided or left out while reading, a sentence each, for the user. Splits of one data set share some.
    pub notes: Vec<String>,
}

impl ImageSet {
    /// The class of an image, if it has one.
    pub fn label(&self, idx: usize) -> Option<usize> {
        (!self.classes.is_empty()).then(|| self.samples[idx].label)
    }

    /// At most `n` samples, spread evenly over the set, in its order.
    pub fn spread(mut self, n: usize) -> Self {
        let len = self.samples.len();
        if n < len {
            let mut idx = 0;
            // Sample `i` starts a new bucket of `n` when floor(i n / len) steps.
            self.samples.retain(|_| {
                let keep = idx == 0 || idx * n / len != (idx - 1) * n / len;
                idx += 1;
                keep && n > 0
            });
        }
        self
    }

    /// Renumbers the labels to the order of `classes`, by name: a network file lists its own. Images without labels stay
    /// without.
    ///
    /// # Errors
    /// [`DatasetError::UnknownClass`] when the data has a class that is not in `classes`. `data` names the data
    /// set in the message.
    pub fn relabel(mut self, classes: &[String], data: &str) -> Result<Self> {
        let indices: HashMap<&String, usize> =
            classes.iter().enumerate().map(|(index, class)| (class, index)).collect();
        let position = |class: &String| {
            indices.get(class).copied().ok_or_else(|| DatasetError::UnknownClass {
                data: data.to_owned(),
                class: class.clone(),
                known: classes.to_vec(),
            })
        };
        if self.classes.is_empty() {
            return Ok(self);
        }
        let map = self.classes.iter().map(position).collect::<Result<Vec<_>>>()?;
        for sample in &mut self.samples {
            sample.label = map[sample.label];
        }
        self.classes = classes.to_vec();
        Ok(self)
    }

    /// SHA-256, in hexadecimal, over class names and every sample's name, label, shape and samples, in order.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        let text = |hash: &mut Sha256, text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        hash.update((self.classes.len() as u64).to_le_bytes());
        for class in &self.classes {
            text(&mut hash, class);
        }
        for Sample { name, label, chip } in &self.samples {
            text(&mut hash, name);
            for size in [*label, chip.height, chip.width, chip.channels] {
                hash.update((size as u64).to_le_bytes());
            }
            match &chip.samples {
                Samples::Eight(samples) => hash.update(samples),
                Samples::Sixteen(samples) => {
                    samples.iter().for_each(|s| hash.update(s.to_le_bytes()))
                }
            }
        }
        base16ct::lower::encode_string(&hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(n: usize) -> ImageSet {
        let sample = |idx: usize| Sample {
            name: idx.to_string(),
            label: idx % 2,
            chip: Chip::new(1, 1, 1, Samples::Eight(vec![idx as u8])),
        };
        ImageSet {
            classes: vec!["a".into(), "b".into()],
            samples: (0..n).map(sample).collect(),
            notes: Vec::new(),
        }
    }

    fn names(set: &ImageSet) -> Vec<&str> {
        set.samples.iter().map(|sample| sample.name.as_str()).collect()
    }

    #[test]
    fn spread_keeps_exactly_n_in_order() {
        for (len, n) in [(10, 3), (7, 7), (5, 9), (2425, 200), (10, 1), (3, 0)] {
            let picked = set(len).spread(n);
            assert_eq!(picked.samples.len(), n.min(len), "{n} of {len}");
        }
        assert_eq!(names(&set(10).spread(5)), ["0", "2", "4", "6", "8"]);
    }

    #[test]
    fn relabel_goes_by_name() {
        let classes = ["z".to_owned(), "b".to_owned(), "a".to_owned()];
        let relabeled = set(4).relabel(&classes, "data").unwrap();
        assert_eq!(relabeled.samples.iter().map(|s| s.label).collect::<Vec<_>>(), [2, 1, 2, 1]);
        let error = set(4).relabel(&classes[..2], "chips").unwrap_err().to_string();
        assert_eq!(error, "chips: class `a` is not among the network's classes (z, b)");
    }

    #[test]
    fn relabeling_very_many_classes_takes_no_time() {
        // Minutes, if each class were looked for in a list.
        let classes: Vec<String> = (0..400_000).map(|class| format!("class {class}")).collect();
        let reversed: Vec<String> = classes.iter().rev().cloned().collect();
        let set = ImageSet { classes, ..set(2) };
        assert_eq!(set.relabel(&reversed, "data").unwrap().samples[0].label, 400_000 - 1);
    }

    #[test]
    fn hash_sees_labels_names_and_samples() {
        let hash = set(3).sha256();
        assert_eq!(hash, set(3).sha256());
        let mut changed = set(3);
        changed.samples[1].label = 0;
        assert_ne!(hash, changed.sha256());
        let mut changed = set(3);
        changed.samples[2].name.push('x');
        assert_ne!(hash, changed.sha256());
        let mut changed = set(3);
        changed.samples[0].chip = Chip::new(1, 1, 1, Samples::Eight(vec![9]));
        assert_ne!(hash, changed.sha256());
    }
}
