//! Class folders of images: one folder a class, PNG, JPEG, TIFF or BMP, 8 or 16 bits, gray or RGB, or MSTAR original
//! files ([`phoenix`]).
//!
//! Either `train`, `test` and perhaps `val` hold the class folders, or the data folder itself does. `17_DEG` and `15_DEG`,
//! the depression angles of MSTAR, stand for `train` and `test`; case does not matter. All files below a class folder are
//! its images, however deep (`T72/SN_132/HB03787.015`).
//!
//! Names are sorted by bytes, so that labels and order do not depend on the file system. Names that start with a
//! dot are skipped, and so are files beside the class folders; anything else that is no image is an error that
//! names it.

use std::fs::File;
use std::io::{Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageReader};
use rayon::prelude::*;

use crate::{Chip, DatasetError, ImageSet, ReadOptions, Result, Sample, Samples, phoenix};

/// Endings of image files, compared without case.
pub const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "tif", "tiff", "bmp"];

/// Largest side of an image.
pub const MAX_SIDE: usize = 4096;

/// Most folders below a class folder.
pub const MAX_DEPTH: usize = 8;

/// Folders that MSTAR's distribution puts between the split and the classes.
const WRAPPERS: [&str; 4] = ["17_DEG", "15_DEG", "COL1", "SCENE1"];

/// Files of one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassFolder {
    /// Folder name, which is the class name.
    pub class: String,
    /// The folder.
    pub path: PathBuf,
    /// Image files at any depth below it, sorted.
    pub files: Vec<PathBuf>,
}

/// Folders that hold the class folders of each split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitFolders {
    /// Training classes.
    pub train: PathBuf,
    /// Validation classes; without it, a part of the training images validates.
    pub validation: Option<PathBuf>,
    /// Test classes.
    pub test: PathBuf,
}

/// The folders of the splits in a data folder, or `None` when it has neither training nor test.
///
/// They are named `train` and `test`, or `17_DEG` and `15_DEG`; beside them `val`, `valid` or `validation`.
///
/// # Errors
/// [`DatasetError::NotAFolder`]; [`DatasetError::MissingSplit`] when just one is there.
pub fn split_folders(root: &Path) -> Result<Option<SplitFolders>> {
    let folders = sub_folders(root)?;
    let find = |wanted: &[&'static str]| {
        wanted.iter().enumerate().find_map(|(idx, wanted)| {
            let found = folders.iter().find(|path| is_named(path, wanted))?;
            Some((idx, found))
        })
    };
    let (train, test) = (["train", "17_DEG"], ["test", "15_DEG"]);
    let missing =
        |present, missing| DatasetError::MissingSplit { path: root.to_owned(), present, missing };
    match (find(&train), find(&test)) {
        (Some((_, train)), Some((_, test))) => {
            let validation = find(&["val", "valid", "validation"]);
            Ok(Some(SplitFolders {
                train: unwrapped(train)?,
                validation: validation.map(|(_, folder)| unwrapped(folder)).transpose()?,
                test: unwrapped(test)?,
            }))
        }
        (Some((idx, _)), None) => Err(missing(train[idx], test[idx])),
        (None, Some((idx, _))) => Err(missing(test[idx], train[idx])),
        (None, None) => Ok(None),
    }
}

/// The folder that holds the classes: below the folders of MSTAR's distribution that hold a single other.
fn unwrapped(folder: &Path) -> Result<PathBuf> {
    match &sub_folders(folder)?[..] {
        [only] if WRAPPERS.iter().any(|wrapper| is_named(only, wrapper)) => unwrapped(only),
        _ => Ok(folder.to_owned()),
    }
}

fn is_named(path: &Path, wanted: &str) -> bool {
    path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(wanted))
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
/// Names in the set are paths below `root`. All images have the channels of the richest: gray ones are repeated to three
/// channels where others have color, which a note tells.
///
/// # Errors
/// The first file that cannot be read.
pub fn read(
    root: &Path,
    classes: Vec<String>,
    files: &[(usize, PathBuf)],
    options: ReadOptions,
) -> Result<ImageSet> {
    let read_one = |(label, path): &(usize, PathBuf)| {
        let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
        Ok(Sample { name, label: *label, chip: read_image(path, options)? })
    };
    // Collected one by one, so that of several bad files the first is named, whichever thread sees one first.
    let results: Vec<Result<Sample>> = files.par_iter().map(read_one).collect();
    let mut samples = results.into_iter().collect::<Result<Vec<_>>>()?;
    let mut notes = Vec::new();
    let n_gray = samples.iter().filter(|sample| sample.chip.channels() == 1).count();
    if n_gray > 0 && n_gray < samples.len() {
        samples.iter_mut().for_each(|sample| sample.chip.make_color());
        let n_images = samples.len();
        notes.push(format!(
            "{n_gray} of {n_images} images are gray; their channel is taken three times"
        ));
    }
    Ok(ImageSet { classes, samples, notes })
}

/// Reads one image, by its content; an alpha channel is dropped. Color of which red, green and blue are the same in every
/// pixel is gray.
///
/// # Errors
/// [`DatasetError::Io`], [`DatasetError::Unreadable`], [`DatasetError::SampleFormat`], [`DatasetError::NoBand`] or
/// [`DatasetError::ImageSize`]; for MSTAR original files see [`phoenix::read`].
pub fn read_image(path: &Path, options: ReadOptions) -> Result<Chip> {
    let chip = read_chip(path)?;
    let Some(band) = options.band else { return Ok(chip.into_gray_if_it_is()) };
    let n_bands = chip.channels();
    let position = band.position(n_bands);
    let position =
        position.ok_or_else(|| DatasetError::NoBand { path: path.to_owned(), band, n_bands })?;
    Ok(chip.into_channel(position))
}

fn read_chip(path: &Path) -> Result<Chip> {
    let unreadable = |reason: String| {
        let reason = reason.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        DatasetError::Unreadable { path: path.to_owned(), reason: reason.trim_end().to_owned() }
    };
    let bytes =
        std::fs::read(path).map_err(|reason| DatasetError::Io { path: path.to_owned(), reason })?;
    if phoenix::is_phoenix(&bytes) {
        return phoenix::read(path, &bytes);
    }
    let reader = || {
        ImageReader::new(Cursor::new(&bytes))
            .with_guessed_format()
            .map_err(|error| unreadable(error.to_string()))
    };
    if reader()?.format().is_none() {
        return Err(unreadable("the content is of no known image format".to_owned()));
    }
    // The header alone, before anything of the size that it claims is allocated.
    let size = reader()?.into_dimensions().map_err(|error| unreadable(error.to_string()))?;
    let (width, height) = (size.0 as usize, size.1 as usize);
    let side = 1..=MAX_SIDE;
    if !side.contains(&width) || !side.contains(&height) {
        return Err(DatasetError::ImageSize {
            path: path.to_owned(),
            width,
            height,
            max: MAX_SIDE,
        });
    }
    let decoded = reader()?.decode().map_err(|error| unreadable(error.to_string()))?;
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
    let mut found = Found::default();
    found.collect(&path, 0)?;
    let Found { copies, originals } = found;
    if let ([copy, ..], [original, ..]) = (&copies[..], &originals[..]) {
        return Err(DatasetError::MixedOriginals {
            path: copy.clone(),
            original: original.clone(),
        });
    }
    let mut files = [copies, originals].concat();
    if files.is_empty() {
        return Err(DatasetError::EmptyClass { path });
    }
    files.sort();
    let Some(class) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
        return Err(DatasetError::ClassName { path });
    };
    Ok(ClassFolder { class, path, files })
}

/// Files below a class folder.
#[derive(Default)]
struct Found {
    /// Images by their names.
    copies: Vec<PathBuf>,
    /// MSTAR originals by their content.
    originals: Vec<PathBuf>,
}

impl Found {
    fn collect(&mut self, folder: &Path, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(DatasetError::TooDeep { path: folder.to_owned(), max: MAX_DEPTH });
        }
        for entry in entries(folder)? {
            let extension = entry.extension().map(|ext| ext.to_string_lossy().to_ascii_lowercase());
            let is_image = extension.is_some_and(|ext| EXTENSIONS.contains(&ext.as_str()));
            match (entry.is_dir(), is_image) {
                (true, false) => self.collect(&entry, depth + 1)?,
                (false, _) if is_special(&entry)? => {
                    return Err(DatasetError::NotAFile { path: entry });
                }
                (false, true) => self.copies.push(entry),
                (false, false) if starts_as_phoenix(&entry)? => self.originals.push(entry),
                _ => return Err(DatasetError::NotAnImage { path: entry }),
            }
        }
        Ok(())
    }
}

/// Whether reading may wait for ever, as a named pipe lets it.
fn is_special(path: &Path) -> Result<bool> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(!metadata.is_file()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(reason) => Err(DatasetError::Io { path: path.to_owned(), reason }),
    }
}

fn starts_as_phoenix(path: &Path) -> Result<bool> {
    let io = |reason| DatasetError::Io { path: path.to_owned(), reason };
    let mut start = Vec::new();
    let file = File::open(path).map_err(io)?;
    file.take(phoenix::MAGIC.len() as u64).read_to_end(&mut start).map_err(io)?;
    Ok(phoenix::is_phoenix(&start))
}

fn sub_folders(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Err(DatasetError::NotAFolder { path: path.to_owned() });
    }
    Ok(entries(path)?.into_iter().filter(|entry| entry.is_dir()).collect())
}

/// Entries of a folder, sorted by bytes, without names that start with a dot.
fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let io = |reason| DatasetError::Io { path: path.to_owned(), reason };
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
