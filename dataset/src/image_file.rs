//! One image file: PNG, JPEG, TIFF or BMP, gray or color, or an MSTAR original ([`phoenix`]).
//!
//! PNG, JPEG, BMP and plain TIFF have 8 or 16 bits; TIFF files of several bands, of other integers and of floating-point
//! numbers are read as magnitudes, see [`ReadOptions::band`] and docs/network.md.
//!
//! Gray saved as color, red, green and blue of which are the same in every pixel, is gray, whatever the format.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, ImageReader};
use spec::files::{Limit, read_regular};

use crate::picture::{Kind, Picture, check_size, unreadable};
use crate::{
    Chip, DatasetError, Foreign, ImageError, ReadOptions, Result, Samples, phoenix, tiff_image,
};

pub use crate::picture::MAX_SIDE;

/// Endings of image files, compared without case.
pub const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "tif", "tiff", "bmp"];

/// Largest image file: 4096x4096 pixels of 16 bands, 16 bits each.
pub const IMAGE: Limit = Limit::new("an image file", 512 << 20);

/// Reads one image, by its content; an alpha channel is dropped. Color of which red, green and blue are the same in every
/// pixel is gray.
///
/// # Errors
/// What the file is not, or does not have; for MSTAR original files see [`phoenix::read`].
pub fn read_image(path: &Path, options: ReadOptions) -> Result<Chip> {
    Ok(read_picture(path, options)?.chip)
}

/// As [`read_image`], with what is to be told of the image.
pub(crate) fn read_picture(path: &Path, options: ReadOptions) -> Result<Picture> {
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
            let no_band = || DatasetError::image(path, ImageError::NoBand { band, n_bands });
            let chip = picture.chip.into_channel(position.ok_or_else(no_band)?);
            Ok(Picture { chip, ..picture })
        }
    }
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
            let format = format!("{:?}", other.color());
            return Err(DatasetError::image(path, ImageError::SampleFormat { format }));
        }
    };
    let chip = Chip::new(height, width, channels, samples);
    // BMP has no gray but that of a table of colors, of up to 8 bits a pixel: there it is not worth a word.
    let has_table = format == ImageFormat::Bmp && bytes.get(28).is_some_and(|bits| *bits <= 8);
    Ok(Picture::of(if has_table { chip.into_gray_if_it_is() } else { chip }))
}
