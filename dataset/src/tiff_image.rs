//! TIFF files of more kinds than pictures: several bands, integers of up to 64 bits, floating-point numbers, palettes.
//!
//! A band is a sample of each pixel (interleaved or in planes of their own), or an image of the file where it holds several
//! of the same size, as array libraries write them; reduced copies and masks are none. Of several bands one is chosen with
//! [`ReadOptions::band`]; nothing is chosen without it. Red, green and blue, with or without alpha, are color, of which a
//! band may be chosen, too.
//!
//! | samples | read as |
//! |---|---|
//! | unsigned, 8 or 16 bits | they are |
//! | unsigned of 32 or 64 bits, signed, floating-point of 16, 32 or 64 bits | magnitudes, see `magnitude` |
//! | complex | refused: the phase is to be taken off first |
//!
//! A magnitude is an amplitude: intensities and decibels are to be converted first, and a value for "no data" be replaced by
//! 0; negative values and NaN are refused.

use std::io::Cursor;
use std::path::Path;

use tiff::TiffError;
use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::Tag;

use crate::picture::{Picture, check_size, unreadable};
use crate::{Chip, DatasetError, ImageError, ReadOptions, Result, Samples, magnitude};

/// Most images of a file that are looked at.
const MAX_IMAGES: usize = 1024;

/// Values of tags that are told apart here; see the TIFF 6.0 specification.
const WHITE_IS_ZERO: u16 = 0;
const BLACK_IS_ZERO: u16 = 1;
const RGB: u16 = 2;
const PALETTE: u16 = 3;
const PLANES: u16 = 2;
const UNSIGNED: u16 = 1;
const SIGNED: u16 = 2;
const FLOAT: u16 = 3;
const COMPLEX: [u16; 2] = [5, 6];
/// Bits of `NewSubfileType`: a reduced copy of another image, a mask of one.
const NO_IMAGE: u32 = 1 | 4;

/// What a reader of pictures does not need to know of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    width: usize,
    height: usize,
    photometric: u16,
    /// Samples of a pixel, alpha included.
    n_samples: usize,
    /// Samples that are alpha.
    n_alpha: usize,
    bits: u16,
    format: u16,
    is_planar: bool,
}

/// An image of the file, which is a TIFF; `None` leaves it to the reader of pictures.
///
/// # Errors
/// See [`crate::image_file::read_image`].
pub(crate) fn read(path: &Path, bytes: &[u8], options: ReadOptions) -> Result<Option<Picture>> {
    let failed = |error: TiffError| unreadable(path, error.to_string());
    let failed_with = |problem| Err(DatasetError::image(path, problem));
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(failed)?;
    let shape = Shape::read(&mut decoder).map_err(failed)?;
    check_size(path, shape.width, shape.height)?;
    let images = images_like(&mut decoder, shape).map_err(failed)?;
    let n_bands = match images.len() {
        ..=1 => shape.n_samples - shape.n_alpha,
        n_images if shape.n_samples == 1 && shape.photometric != PALETTE => n_images,
        n_images => return failed_with(ImageError::SeveralImages { n_images }),
    };
    match shape.photometric {
        PALETTE => return palette(path, bytes, shape).map(Some),
        WHITE_IS_ZERO | BLACK_IS_ZERO | RGB => {}
        _ => return Ok(None),
    }
    let is_one = n_bands == 1 && shape.n_samples == 1;
    let is_color = shape.photometric == RGB && n_bands == 3 && images.len() == 1;
    let is_picture =
        shape.format == UNSIGNED && matches!(shape.bits, 1 | 8 | 16) && (is_one || is_color);
    let band = match options.band {
        Some(band) => match band.position(n_bands) {
            Some(position) => position,
            None => return failed_with(ImageError::NoBand { band, n_bands }),
        },
        None if n_bands == 1 || is_picture => 0,
        None => {
            let format = shape.described();
            return failed_with(ImageError::SeveralBands { n_bands, format });
        }
    };
    if is_picture && (is_one || options.band.is_none()) {
        return Ok(None);
    }
    let is_whole = matches!(shape.bits, 8 | 16 | 32 | 64);
    let is_number = [UNSIGNED, SIGNED, FLOAT].contains(&shape.format);
    if !is_whole || !is_number || shape.photometric == WHITE_IS_ZERO {
        return failed_with(ImageError::SampleFormat { format: shape.described() });
    }
    let (image, sample) = if images.len() > 1 { (images[band], 0) } else { (0, band) };
    let values = samples(path, bytes, image, shape)?;
    let n_pixels = shape.width * shape.height;
    let (first, step) =
        if shape.is_planar { (sample * n_pixels, 1) } else { (sample, shape.n_samples) };
    picture(path, &values, shape, first, step).map(Some)
}

impl Shape {
    /// Of the image that the decoder stands at.
    fn read(decoder: &mut Decoder<Cursor<&[u8]>>) -> Result<Self, TiffError> {
        let (width, height) = decoder.dimensions()?;
        let first = |decoder: &mut Decoder<_>, tag, default: u16| {
            let values = decoder.find_tag_unsigned_vec::<u16>(tag)?.unwrap_or_default();
            Ok::<_, TiffError>(values.first().copied().unwrap_or(default))
        };
        let n_samples = usize::from(first(decoder, Tag::SamplesPerPixel, 1)?).max(1);
        let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples)?.unwrap_or_default();
        let photometric = first(decoder, Tag::PhotometricInterpretation, BLACK_IS_ZERO)?;
        // Four samples of which one should be extra are taken for color with alpha, as readers of pictures do.
        let is_rgba = photometric == RGB && extra.is_empty() && n_samples == 4;
        let n_alpha = extra.iter().filter(|kind| matches!(kind, 1 | 2)).count();
        Ok(Self {
            width: width as usize,
            height: height as usize,
            photometric,
            n_samples,
            n_alpha: if is_rgba { 1 } else { n_alpha.min(n_samples - 1) },
            bits: first(decoder, Tag::BitsPerSample, 1)?,
            format: first(decoder, Tag::SampleFormat, 1)?,
            is_planar: first(decoder, Tag::PlanarConfiguration, 1)? == PLANES && n_samples > 1,
        })
    }

    /// The samples, for messages.
    fn described(&self) -> String {
        let kind = match self.format {
            SIGNED => "signed",
            FLOAT => "floating-point",
            complex if COMPLEX.contains(&complex) => "complex",
            _ => "unsigned",
        };
        let inverted = if self.photometric == 0 { " white-is-zero" } else { "" };
        format!("{}-bit {kind}{inverted}", self.bits)
    }
}

/// Positions of the images of the file that are like the first.
fn images_like(
    decoder: &mut Decoder<Cursor<&[u8]>>,
    shape: Shape,
) -> Result<Vec<usize>, TiffError> {
    let mut images = Vec::new();
    for idx in 0..MAX_IMAGES {
        let kind = decoder.find_tag_unsigned::<u32>(Tag::NewSubfileType)?.unwrap_or(0);
        if Shape::read(decoder)? == shape && (kind & NO_IMAGE == 0 || idx == 0) {
            images.push(idx);
        }
        if !decoder.more_images() {
            break;
        }
        decoder.next_image()?;
    }
    Ok(images)
}

/// All samples of an image, as they lie in the file.
fn samples(path: &Path, bytes: &[u8], image: usize, shape: Shape) -> Result<DecodingResult> {
    let failed = |error: TiffError| unreadable(path, error.to_string());
    let bytes = as_bands(bytes, image)
        .ok_or_else(|| unreadable(path, "its directory is damaged".to_owned()))?;
    let mut decoder = Decoder::new(Cursor::new(&bytes[..])).map_err(failed)?;
    for _ in 0..image {
        decoder.next_image().map_err(failed)?;
    }
    let mut values = DecodingResult::U8(Vec::new());
    let layout = decoder.read_image_to_buffer(&mut values).map_err(failed)?;
    let n_bytes = values.as_buffer(0).byte_len();
    let expected = shape.width * shape.height * shape.n_samples * usize::from(shape.bits / 8);
    if n_bytes < layout.complete_len || n_bytes < expected {
        return Err(unreadable(path, format!("{expected} bytes of samples are too many")));
    }
    Ok(values)
}

/// One band: every `step`-th value from the `first` on.
fn picture(
    path: &Path,
    values: &DecodingResult,
    shape: Shape,
    first: usize,
    step: usize,
) -> Result<Picture> {
    const HELP: &str = "write amplitudes, not decibels, and 0 where there is no data";
    let n_pixels = shape.width * shape.height;
    macro_rules! pick {
        ($values:expr) => {
            $values.iter().skip(first).step_by(step).take(n_pixels).copied()
        };
    }
    let magnitudes: Vec<f64> = match values {
        DecodingResult::U8(values) => {
            let samples = Samples::Eight(pick!(values).collect());
            return Ok(Picture::band(Chip::new(shape.height, shape.width, 1, samples), false));
        }
        DecodingResult::U16(values) => {
            let samples = Samples::Sixteen(pick!(values).collect());
            return Ok(Picture::band(Chip::new(shape.height, shape.width, 1, samples), false));
        }
        DecodingResult::U32(values) => pick!(values).map(f64::from).collect(),
        DecodingResult::U64(values) => pick!(values).map(|value| value as f64).collect(),
        DecodingResult::I8(values) => pick!(values).map(f64::from).collect(),
        DecodingResult::I16(values) => pick!(values).map(f64::from).collect(),
        DecodingResult::I32(values) => pick!(values).map(f64::from).collect(),
        DecodingResult::I64(values) => pick!(values).map(|value| value as f64).collect(),
        DecodingResult::F16(values) => pick!(values).map(|value| value.to_f64()).collect(),
        DecodingResult::F32(values) => pick!(values).map(f64::from).collect(),
        DecodingResult::F64(values) => pick!(values).collect(),
    };
    let samples = magnitude::to_samples(path, &magnitudes, shape.width, HELP)?;
    Ok(Picture::band(Chip::new(shape.height, shape.width, 1, samples), true))
}

/// An image whose samples point into a table of colors, which have 16 bits.
fn palette(path: &Path, bytes: &[u8], shape: Shape) -> Result<Picture> {
    if shape.bits != 8 || shape.n_samples != 1 || shape.format != 1 {
        let format = format!("{} palette", shape.described());
        return Err(DatasetError::image(path, ImageError::SampleFormat { format }));
    }
    let failed = |error: TiffError| unreadable(path, error.to_string());
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(failed)?;
    let map = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(failed)?;
    if map.len() != 3 * 256 {
        return Err(unreadable(path, format!("a palette of {} values; 768 are needed", map.len())));
    }
    let DecodingResult::U8(values) = samples(path, bytes, 0, shape)? else {
        unreachable!("unsigned samples of 8 bits are bytes");
    };
    let color = |value: &u8| [0, 256, 512].map(|channel| map[channel + usize::from(*value)]);
    let colors: Vec<u16> = values.iter().flat_map(color).collect();
    // Most writers double the bytes of a color; then eight bits hold all there is.
    let is_doubled = colors.iter().all(|color| color >> 8 == color & 0xff);
    let samples = if is_doubled {
        Samples::Eight(colors.iter().map(|color| *color as u8).collect())
    } else {
        Samples::Sixteen(colors)
    };
    Ok(Picture::of(Chip::new(shape.height, shape.width, 3, samples)))
}

/// The file with one of its images declared as gray, so that the decoder gives its samples as they are, whatever they mean.
fn as_bands(bytes: &[u8], image: usize) -> Option<Vec<u8>> {
    const PHOTOMETRIC: u64 = 262;
    let mut bytes = bytes.to_vec();
    let is_little = bytes.starts_with(b"II");
    let number = |bytes: &[u8], at: usize, n: usize| -> Option<u64> {
        let field = bytes.get(at..at.checked_add(n)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if is_little { field.iter().rev().fold(0, add) } else { field.iter().fold(0, add) })
    };
    let is_big = number(&bytes, 2, 2)? == 43;
    // Bytes of an offset, of a count of entries, and of an entry.
    let (n_offset, n_count, n_entry) = if is_big { (8, 8, 20) } else { (4, 2, 12) };
    let mut at = number(&bytes, if is_big { 8 } else { 4 }, n_offset)?;
    for idx in 0..=image {
        let start = usize::try_from(at).ok()?;
        let n_entries = usize::try_from(number(&bytes, start, n_count)?).ok()?;
        let entries = start.checked_add(n_count)?;
        if idx == image {
            for entry in (0..n_entries.min(1 << 16)).map(|entry| entries + entry * n_entry) {
                if number(&bytes, entry, 2)? == PHOTOMETRIC {
                    let value = entry + if is_big { 12 } else { 8 };
                    let gray = if is_little {
                        BLACK_IS_ZERO.to_le_bytes()
                    } else {
                        BLACK_IS_ZERO.to_be_bytes()
                    };
                    bytes.get_mut(value..value + 2)?.copy_from_slice(&gray);
                    return Some(bytes);
                }
            }
            return Some(bytes);
        }
        at = number(&bytes, entries.checked_add(n_entries.checked_mul(n_entry)?)?, n_offset)?;
    }
    None
}
