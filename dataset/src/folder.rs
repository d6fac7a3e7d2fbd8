//! Class folders of images: one folder a class, PNG, JPEG, TIFF or BMP, gray or color, or MSTAR original files ([`phoenix`]).
//!
//! [`layout`](crate::layout) says how the folders are laid out. PNG, JPEG, BMP and plain TIFF have 8 or 16 bits; TIFF files
//! of several bands, of other integers and of floating-point numbers are read as magnitudes, see
//! [`ReadOptions::band`] and docs/network.md.
//!
//! Gray saved as color, red, green and blue of which are the same in every pixel, is gray, whatever the format. Where some
//! images of a split have color and some do not, the gray ones are taken three times.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat, ImageReader};
use rayon::prelude::*;
use spec::files::{Limit, read_regular};

use crate::{
    Band, Chip, DatasetError, Foreign, ImageSet, ReadOptions, Result, Sample, Samples, notes,
    phoenix, tiff_image,
};

/// Endings of image files, compared without case.
pub const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "tif", "tiff", "bmp"];

/// Largest side of an image.
pub const MAX_SIDE: usize = 4096;

/// Largest image file: 4096x4096 pixels of 16 bands, 16 bits each.
pub const IMAGE: Limit = Limit::new("an image file", 512 << 20);

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
        let Picture { chip, kind, .. } = read_picture(path, options)?;
        Ok((Sample { name, label: *label, chip }, kind))
    };
    // Collected one by one, so that of several bad files the first is named, whichever thread sees one first.
    let results: Vec<Result<(Sample, Kind)>> = files.par_iter().map(read_one).collect();
    let read = results.into_iter().collect::<Result<Vec<_>>>()?;
    let (mut samples, kinds): (Vec<Sample>, Vec<Kind>) = read.into_iter().unzip();
    let mut notes = Vec::new();
    match options.band {
        Some(Band::Vh) => notes.push("band vh, the first of two, is read".to_owned()),
        Some(Band::Vv) => notes.push("band vv, the second of two, is read".to_owned()),
        Some(Band::Number(number)) => notes.push(format!("band {number} is read")),
        None => {}
    }
    if kinds.contains(&Kind::Magnitude) {
        notes.push(
            "integers and floating-point numbers are read as magnitudes, scaled to the largest of each image"
                .to_owned(),
        );
    }
    let n_saved_as_color = kinds.iter().filter(|kind| **kind == Kind::GrayAsColor).count();
    if n_saved_as_color > 0 {
        notes.push(notes::gray_as_color(n_saved_as_color));
    }
    let n_gray = samples.iter().filter(|sample| sample.chip.channels() == 1).count();
    if n_gray > 0 && n_gray < samples.len() {
        samples.iter_mut().for_each(|sample| sample.chip.make_color());
        let n_images = samples.len();
        notes.push(notes::gray_among_color([n_gray, n_images]));
    }
    Ok(ImageSet { classes, samples, notes })
}

/// What is to be told of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// One channel of three that are the same.
    GrayAsColor,
    /// Samples are magnitudes that were scaled.
    Magnitude,
}

/// An image as read.
pub(crate) struct Picture {
    chip: Chip,
    /// Whether [`ReadOptions::band`] has been followed.
    is_band: bool,
    kind: Kind,
}

impl Picture {
    /// All channels of a picture.
    pub(crate) fn of(chip: Chip) -> Self {
        Self { chip, is_band: false, kind: Kind::Plain }
    }

    /// The band that was asked for, or the only one.
    pub(crate) fn band(chip: Chip, is_magnitude: bool) -> Self {
        let kind = if is_magnitude { Kind::Magnitude } else { Kind::Plain };
        Self { chip, is_band: true, kind }
    }
}

/// Reads one image, by its content; an alpha channel is dropped. Color of which red, green and blue are the same in every
/// pixel is gray.
///
/// # Errors
/// What the file is not, or does not have; for MSTAR original files see [`phoenix::read`].
pub fn read_image(path: &Path, options: ReadOptions) -> Result<Chip> {
    Ok(read_picture(path, options)?.chip)
}

fn read_picture(path: &Path, options: ReadOptions) -> Result<Picture> {
    let io = |reason| DatasetError::Io { path: path.to_owned(), reason };
    let bytes = read_regular(path, IMAGE).map_err(io)?;
    let picture = decode(path, &bytes, options)?;
    let n_bands = picture.chip.channels();
    match options.band {
        _ if picture.is_band => Ok(picture),
        None => {
            let chip = picture.chip.into_gray_if_it_is();
            let kind = if chip.channels() < n_bands { Kind::GrayAsColor } else { picture.kind };
            Ok(Picture { chip, kind, ..picture })
        }
        Some(band) => {
            let position = band.position(n_bands);
            let no_band = || DatasetError::NoBand { path: path.to_owned(), band, n_bands };
            let chip = picture.chip.into_channel(position.ok_or_else(no_band)?);
            Ok(Picture { chip, ..picture })
        }
    }
}

pub(crate) fn unreadable(path: &Path, reason: String) -> DatasetError {
    let reason = reason.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    DatasetError::Unreadable { path: path.to_owned(), reason: reason.trim_end().to_owned() }
}

pub(crate) fn check_size(path: &Path, width: usize, height: usize) -> Result<()> {
    let side = 1..=MAX_SIDE;
    if side.contains(&width) && side.contains(&height) {
        return Ok(());
    }
    Err(DatasetError::ImageSize { path: path.to_owned(), width, height, max: MAX_SIDE })
}

fn decode(path: &Path, bytes: &[u8], options: ReadOptions) -> Result<Picture> {
    if phoenix::is_phoenix(bytes) {
        return phoenix::read(path, bytes).map(Picture::of);
    }
    // The guess does not know files of more than 4 GiB, which small ones may be written as.
    let is_big_tiff = bytes.starts_with(b"II+\0") || bytes.starts_with(b"MM\0+");
    let guessed = || image::guess_format(bytes).ok();
    let format = if is_big_tiff { Some(ImageFormat::Tiff) } else { guessed() };
    let format = match format {
        Some(ImageFormat::Tiff) => {
            if let Some(picture) = tiff_image::read(path, bytes, options)? {
                return Ok(picture);
            }
            ImageFormat::Tiff
        }
        Some(format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Bmp)) => format,
        _ => {
            return Err(match Foreign::of(path, bytes) {
                Some(format) => DatasetError::Foreign { path: path.to_owned(), format },
                None => unreadable(path, "the content is of no known image format".to_owned()),
            });
        }
    };
    let reader = || ImageReader::with_format(Cursor::new(bytes), format);
    // The header alone, before anything of the size that it claims is allocated.
    let size = reader().into_dimensions().map_err(|error| unreadable(path, error.to_string()))?;
    check_size(path, size.0 as usize, size.1 as usize)?;
    let decoded = reader().decode().map_err(|error| unreadable(path, error.to_string()))?;
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
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
    let chip = Chip::new(height, width, channels, samples);
    // BMP has no gray but that of a table of colors, of up to 8 bits a pixel: there it is not worth a word.
    let has_table = format == ImageFormat::Bmp && bytes.get(28).is_some_and(|bits| *bits <= 8);
    Ok(Picture::of(if has_table { chip.into_gray_if_it_is() } else { chip }))
}
