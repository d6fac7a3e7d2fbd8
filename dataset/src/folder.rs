//! Class folders of images: one folder a class, PNG, JPEG, TIFF or BMP, 8 or 16 bits, gray or RGB.
//!
//! Either `train/` and `test/` hold the class folders, or the data folder itself does. Names are sorted by
//! bytes, so that labels and order do not depend on the file system. Names that start with a dot are skipped;
//! anything else that is no image is an error that names it.

use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageReader};
use rayon::prelude::*;

use crate::{Chip, DatasetError, ImageSet, Result, Sample, Samples};

/// Endings of image files, compared without case.
pub const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "tif", "tiff", "bmp"];

/// Largest side of an image.
pub const MAX_SIDE: usize = 4096;

/// Files of one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassFolder {
    /// Folder name, which is the class name.
    pub class: String,
    /// The folder.
    pub path: PathBuf,
    /// Image files, sorted.
    pub files: Vec<PathBuf>,
}

/// The `train` and `test` folders of a data folder, or `None` when it has neither.
///
/// # Errors
/// [`DatasetError::NotAFolder`]; [`DatasetError::MissingSplit`] when just one is there.
pub fn split_folders(root: &Path) -> Result<Option<(PathBuf, PathBuf)>> {
    let folders = sub_folders(root)?;
    let find = |wanted: &str| {
        let matches = |path: &&PathBuf| {
            path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(wanted))
        };
        folders.iter().find(matches).cloned()
    };
    let missing =
        |present, missing| DatasetError::MissingSplit { path: root.to_owned(), present, missing };
    match (find("train"), find("test")) {
        (Some(train), Some(test)) => Ok(Some((train, test))),
        (Some(_), None) => Err(missing("train", "test")),
        (None, Some(_)) => Err(missing("test", "train")),
        (None, None) => Ok(None),
    }
}

/// Lists the class folders of a folder, without reading any image.
///
/// # Errors
/// No or one class, an empty class, a file that is no image by its name, or what the system says.
pub fn list_classes(root: &Path) -> Result<Vec<ClassFolder>> {
    let folders = sub_folders(root)?;
    if folders.is_empty() {
        return Err(DatasetError::NoClasses { path: root.to_owned() });
    }
    let classes = folders.into_iter().map(list_class).collect::<Result<Vec<_>>>()?;
    if let [only] = &classes[..] {
        return Err(DatasetError::OneClass { path: root.to_owned(), class: only.class.clone() });
    }
    Ok(classes)
}

/// Checks that two listings have the same classes.
///
/// # Errors
/// [`DatasetError::ClassMismatch`].
pub fn check_same_classes(
    train: &Path,
    test: &Path,
    a: &[ClassFolder],
    b: &[ClassFolder],
) -> Result<()> {
    let lacking = |from: &[ClassFolder], other: &[ClassFolder]| {
        from.iter()
            .find(|one| other.iter().all(|two| two.class != one.class))
            .map(|one| one.class.clone())
    };
    let mismatch = |path: &Path, other: &Path, class| {
        Err(DatasetError::ClassMismatch { path: path.to_owned(), other: other.to_owned(), class })
    };
    match (lacking(a, b), lacking(b, a)) {
        (Some(class), _) => mismatch(train, test, class),
        (None, Some(class)) => mismatch(test, train, class),
        (None, None) => Ok(()),
    }
}

/// Reads files, on all cores, as one set: `(label, file)` in the order given.
///
/// Names in the set are paths below `root`.
///
/// # Errors
/// The first file that cannot be read, or that has other channels than the first image.
pub fn read(root: &Path, classes: Vec<String>, files: &[(usize, PathBuf)]) -> Result<ImageSet> {
    let read_one = |(label, path): &(usize, PathBuf)| {
        let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
        Ok(Sample { name, label: *label, chip: read_image(path)? })
    };
    // Collected one by one, so that of several bad files the first is named, whichever thread sees one first.
    let results: Vec<Result<Sample>> = files.par_iter().map(read_one).collect();
    let samples = results.into_iter().collect::<Result<Vec<_>>>()?;
    if let Some(first) = samples.first() {
        let expected = first.chip.channels();
        if let Some(idx) = samples.iter().position(|sample| sample.chip.channels() != expected) {
            return Err(DatasetError::MixedChannels {
                path: files[idx].1.clone(),
                channels: samples[idx].chip.channels(),
                first: files[0].1.clone(),
                expected,
            });
        }
    }
    Ok(ImageSet { classes, samples })
}

/// Reads one image; an alpha channel is dropped.
///
/// # Errors
/// [`DatasetError::Io`], [`DatasetError::Unreadable`], [`DatasetError::SampleFormat`] or
/// [`DatasetError::ImageSize`].
pub fn read_image(path: &Path) -> Result<Chip> {
    let unreadable = |reason: String| DatasetError::Unreadable { path: path.to_owned(), reason };
    let bytes =
        std::fs::read(path).map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
    let reader = ImageReader::new(std::io::Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| unreadable(error.to_string()))?;
    if reader.format().is_none() {
        return Err(unreadable("the content is of no known image format".to_owned()));
    }
    let decoded = reader.decode().map_err(|error| unreadable(error.to_string()))?;
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let side = 1..=MAX_SIDE;
    if !side.contains(&width) || !side.contains(&height) {
        return Err(DatasetError::ImageSize {
            path: path.to_owned(),
            width,
            height,
            max: MAX_SIDE,
        });
    }
    let (channels, samples) = match decoded {
        DynamicImage::ImageLuma8(pixels) => (1, Samples::Eight(pixels.into_raw())),
        DynamicImage::ImageRgb8(pixels) => (3, Samples::Eight(pixels.into_raw())),
        DynamicImage::ImageLuma16(pixels) => (1, Samples::Sixteen(pixels.into_raw())),
        DynamicImage::ImageRgb16(pixels) => (3, Samples::Sixteen(pixels.into_raw())),
        DynamicImage::ImageLumaA8(_) => (1, Samples::Eight(decoded.into_luma8().into_raw())),
        DynamicImage::ImageRgba8(_) => (3, Samples::Eight(decoded.into_rgb8().into_raw())),
        DynamicImage::ImageLumaA16(_) => (1, Samples::Sixteen(decoded.into_luma16().into_raw())),
        DynamicImage::ImageRgba16(_) => (3, Samples::Sixteen(decoded.into_rgb16().into_raw())),
        other => {
            return Err(DatasetError::SampleFormat {
                path: path.to_owned(),
                format: format!("{:?}", other.color()),
            });
        }
    };
    Ok(Chip::new(height, width, channels, samples))
}

fn list_class(path: PathBuf) -> Result<ClassFolder> {
    let mut files = Vec::new();
    for file in entries(&path)? {
        let extension = file.extension().map(|ext| ext.to_string_lossy().to_ascii_lowercase());
        let known = extension.is_some_and(|ext| EXTENSIONS.contains(&ext.as_str()));
        if !known || file.is_dir() {
            return Err(DatasetError::NotAnImage { path: file });
        }
        files.push(file);
    }
    if files.is_empty() {
        return Err(DatasetError::EmptyClass { path });
    }
    let class =
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(ClassFolder { class, path, files })
}

fn sub_folders(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Err(DatasetError::NotAFolder { path: path.to_owned() });
    }
    Ok(entries(path)?.into_iter().filter(|entry| entry.is_dir()).collect())
}

/// Entries of a folder, sorted by bytes, without names that start with a dot.
fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| DatasetError::Io { path: path.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        if !name.as_encoded_bytes().starts_with(b".") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names.into_iter().map(|name| path.join(name)).collect())
}
