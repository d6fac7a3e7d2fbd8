//! The record of the images that a network was trained or validated on, kept beside it: a digest an image.
//!
//! A digest is over shape and pixels alone, so that an image is found again under another name, label or lossless format.
//! docs/network.md defines the file.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use spec::files::Limit;

use crate::{Chip, DatasetError, ImageSet, Result};

/// First line of the file.
const HEADER: &str = "twofold training images 1";

/// A file of some four million images.
const RECORD: Limit = Limit::new("a record of training images", 64 << 20);

/// Digests of the images that a network was trained or validated on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrainedImages(BTreeSet<u64>);

impl TrainedImages {
    /// Name of the file, in the folder of the network.
    pub const FILE: &str = "training_images.txt";

    /// Where the record of a network is, which is a folder or a JSON file.
    pub fn path(network: &Path) -> PathBuf {
        let folder = if network.is_dir() { Some(network) } else { network.parent() };
        folder.unwrap_or(Path::new("")).join(Self::FILE)
    }

    /// The record beside a network, which is a folder or a JSON file; `sha256` is what the network says of it. `None` when
    /// the network names no record, or none is there.
    ///
    /// # Errors
    /// A file that cannot be read, or is not the network's.
    pub fn beside(network: &Path, sha256: Option<&str>) -> Result<Option<Self>> {
        let Some(expected) = sha256 else { return Ok(None) };
        let path = Self::path(network);
        match read_text(&path)? {
            Some(text) if Self::sha256(&text) == expected => Self::parse(&path, &text).map(Some),
            Some(_) => Err(DatasetError::OtherTrainedImages { path }),
            None => Ok(None),
        }
    }

    /// The record in a file; `None` when there is none.
    ///
    /// # Errors
    /// A file that cannot be read, or is no record.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        read_text(path)?.map(|text| Self::parse(path, &text)).transpose()
    }

    /// The record of all images of some sets.
    pub fn of<'a>(sets: impl IntoIterator<Item = &'a ImageSet>) -> Self {
        let samples = sets.into_iter().flat_map(|set| &set.samples);
        Self(samples.map(|sample| sample.chip.digest()).collect())
    }

    /// Whether a network of this record was trained or validated on an image of these pixels.
    pub fn contains(&self, chip: &Chip) -> bool {
        self.0.contains(&chip.digest())
    }

    /// How many images of a set it was trained or validated on.
    pub fn count(&self, set: &ImageSet) -> usize {
        set.samples.iter().filter(|sample| self.contains(&sample.chip)).count()
    }

    /// Digests in the record; images of equal pixels have one.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the images of another record.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// The file: a line that says what it is, then 16 hexadecimal digits a line, sorted.
    pub fn to_text(&self) -> String {
        let lines = self.0.iter().map(|digest| format!("{digest:016x}\n"));
        format!("{HEADER}\n{}", lines.collect::<String>())
    }

    /// Reads the content of a file; `path` is for messages.
    ///
    /// # Errors
    /// [`DatasetError::TrainedImages`], with the first line that is not as it has to be.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let mut lines = text.lines().enumerate();
        let wrong = |idx: usize, expected| DatasetError::TrainedImages {
            path: path.to_owned(),
            line: idx + 1,
            expected,
        };
        if lines.next().is_none_or(|(_, line)| line != HEADER) {
            return Err(wrong(0, HEADER));
        }
        let digests = lines.map(|(idx, line)| {
            let is_digest = line.len() == 16 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
            let digest = u64::from_str_radix(line, 16).ok().filter(|_| is_digest);
            digest.ok_or_else(|| wrong(idx, "16 hexadecimal digits"))
        });
        digests.collect::<Result<_>>().map(Self)
    }

    /// SHA-256 of a file's content, as a network's provenance holds it.
    pub fn sha256(text: &str) -> String {
        spec::hex_digest(text.as_bytes())
    }
}

/// The text of a file that may be missing.
fn read_text(path: &Path) -> Result<Option<String>> {
    match spec::files::read_text(path, RECORD) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(DatasetError::Io { path: path.to_owned(), reason }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Sample, Samples};

    fn set(chips: impl IntoIterator<Item = Chip>) -> ImageSet {
        let samples =
            chips.into_iter().map(|chip| Sample { name: "x".to_owned(), label: 0, chip }).collect();
        ImageSet { classes: vec!["a".to_owned()], samples, notes: Vec::new() }
    }

    fn gray(width: usize, values: &[u8]) -> Chip {
        Chip::new(values.len() / width, width, 1, Samples::Eight(values.to_vec()))
    }

    #[test]
    fn images_are_found_by_pixels_and_shape() {
        let record = TrainedImages::of([&set([gray(2, &[1, 2, 3, 4]), gray(1, &[9])])]);
        assert_eq!(record.len(), 2);
        let deep = Chip::new(2, 2, 1, Samples::Sixteen([1, 2, 3, 4].map(|v| v * 257).to_vec()));
        let color = |samples: [u8; 12]| Chip::new(2, 2, 3, Samples::Eight(samples.to_vec()));
        for same in [gray(2, &[1, 2, 3, 4]), deep, color([1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4])] {
            assert!(record.contains(&same), "{same:?}");
        }
        assert!(!record.contains(&color([1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5])));
        for other in [gray(1, &[1, 2, 3, 4]), gray(4, &[1, 2, 3, 4]), gray(2, &[1, 2, 3, 5])] {
            assert!(!record.contains(&other), "{other:?}");
        }
        assert_eq!(record.count(&set([gray(1, &[8]), gray(1, &[9]), gray(1, &[9])])), 2);
    }

    #[test]
    fn a_digest_is_the_same_on_every_machine() {
        assert_eq!(
            TrainedImages::of([&set([gray(2, &[1, 2, 3, 4])])]).to_text(),
            "twofold training images 1\n4b42c40b856bcc0d\n"
        );
    }

    #[test]
    fn a_file_is_read_as_it_was_written_or_its_line_is_named() {
        let record = TrainedImages::of([&set((0..20).map(|value| gray(1, &[value])))]);
        let text = record.to_text();
        let parse = |text: &str| TrainedImages::parse(Path::new("x/training_images.txt"), text);
        assert_eq!(parse(&text).unwrap(), record);
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert!(lines.is_sorted());
        let error = |text: &str| parse(text).unwrap_err().to_string();
        let refused = "x/training_images.txt: no record of training images: line";
        assert_eq!(error(""), format!("{refused} 1 is not `twofold training images 1`"));
        let digits = format!("{HEADER}\n0123456789abcdef\n");
        assert_eq!(parse(&digits).unwrap().len(), 1);
        for bad in ["0123456789abcde", "+123456789abcdef", "0123456789abcdeg", ""] {
            let message = error(&format!("{digits}{bad}\n"));
            assert_eq!(message, format!("{refused} 3 is not `16 hexadecimal digits`"));
        }
    }

    #[test]
    fn the_file_beside_a_network_is_the_one_that_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let record = TrainedImages::of([&set([gray(1, &[1])])]);
        let text = record.to_text();
        let digest = TrainedImages::sha256(&text);
        let json = folder.path().join("network.json");
        fs::write(&json, "{}").unwrap();
        let read =
            |path: &Path, digest| TrainedImages::beside(path, digest).map_err(|e| e.to_string());
        assert_eq!(read(&json, Some(&digest)), Ok(None));
        fs::write(folder.path().join(TrainedImages::FILE), &text).unwrap();
        assert_eq!(read(&json, None), Ok(None));
        assert_eq!(read(&json, Some(&digest)), Ok(Some(record.clone())));
        assert_eq!(read(folder.path(), Some(&digest)), Ok(Some(record)));
        let message = read(&json, Some("00")).unwrap_err();
        assert!(message.contains("training_images.txt: not the record"), "{message}");
    }
}
