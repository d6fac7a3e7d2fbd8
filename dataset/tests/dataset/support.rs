//! Data folders, and files of each format built byte by byte from what the formats say.

use std::fs;
use std::path::{Path, PathBuf};

use image::{GrayImage, Luma};
use twofold_dataset::{
    Chip, DatasetError, ImageSet, ReadOptions, Source, Split, SplitOptions, image_file,
};

mod archives;
mod phoenix;
mod pictures;
mod tiff;

pub(crate) use archives::{cifar10, cifar100, gzip, names, record, tar};
pub(crate) use phoenix::Phoenix;
pub(crate) use pictures::{bmp, jpeg, png};
pub(crate) use tiff::{Tiff, tiff, tiff_file};

/// A data folder that is removed at the end.
pub(crate) struct Data(pub(crate) tempfile::TempDir);

impl Data {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Path of a file whose folder is there.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub(crate) fn text(&self, name: &str) -> String {
        let path = self.0.path();
        let path = if name.is_empty() { path.to_owned() } else { path.join(name) };
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path(name), bytes).unwrap();
        self
    }

    /// Makes a pipe that nobody writes to.
    pub(crate) fn pipe(&self, name: &str) {
        let status = std::process::Command::new("mkfifo").arg(self.path(name)).status();
        assert!(status.unwrap().success());
    }

    /// Writes gray images of the given brightness.
    pub(crate) fn gray(&self, names: &[(&str, u8)]) -> &Self {
        for (name, value) in names {
            gray(*value).save(self.path(name)).unwrap();
        }
        self
    }

    pub(crate) fn load(&self, split: Split) -> Result<ImageSet, DatasetError> {
        self.load_at("", split)
    }

    pub(crate) fn load_at(&self, name: &str, split: Split) -> Result<ImageSet, DatasetError> {
        Source::parse(&self.text(name)).load(split, &SplitOptions::default())
    }

    /// The message of an error, with the folder's path taken out.
    pub(crate) fn error(&self, split: Split) -> String {
        self.shown(&self.load(split).unwrap_err())
    }

    pub(crate) fn shown(&self, error: &DatasetError) -> String {
        error.to_string().replace(self.0.path().to_str().unwrap(), "DATA")
    }
}

/// Reads a file without any option.
pub(crate) fn read_image(path: &Path) -> Result<Chip, DatasetError> {
    image_file::read_image(path, ReadOptions::default())
}

/// 4 columns and 3 rows.
pub(crate) fn gray(value: u8) -> GrayImage {
    GrayImage::from_fn(4, 3, |x, y| Luma([value + x as u8 + 10 * y as u8]))
}

pub(crate) fn expected(value: u8) -> Vec<u8> {
    (0..3).flat_map(|y| (0..4).map(move |x| value + x + 10 * y)).collect()
}
