//! MSTAR original files: a text header, named Phoenix by those who made it, then big-endian 32-bit floats.
//!
//! ```text
//! [PhoenixHeaderVer01.04]
//! PhoenixHeaderLength= 01792
//! native_header_length= 0
//! NumberOfColumns= 128
//! NumberOfRows= 129
//! TargetType= t72_tank
//! [EndofPhoenixHeader]
//! ```
//!
//! Magnitudes start at byte `PhoenixHeaderLength + native_header_length`, row by row, and as many phases follow.
//! Phases are not read; they may be left out, but not in part. Files are recognized by their first bytes, whatever
//! their names end in.
//!
//! A magnitude `m` becomes the 16-bit sample `round_half_even((m / largest) * 65535)`, in binary64, where `largest` is
//! the chip's own largest magnitude; a chip of zeros stays zero. Pre-processing by each chip's own statistics takes
//! the unknown factor out again.

use std::path::Path;

use crate::folder::MAX_SIDE;
use crate::{Chip, DatasetError, Result, Samples};

/// What every file starts with.
pub const MAGIC: &[u8] = b"[PhoenixHeaderVer";

/// Ends the text header.
const END: &[u8] = b"[EndofPhoenixHeader]";

/// Longest text header, in bytes.
pub const MAX_HEADER: usize = 1 << 16;

/// Whether a file is an MSTAR original, by its first bytes.
pub fn is_phoenix(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Reads the magnitudes of a file; `path` is for messages.
///
/// # Shapes
/// `NumberOfRows` x `NumberOfColumns`, one channel of 16 bits.
///
/// # Errors
/// A header without its end or a key, a value out of range, a file that ends too early, or a magnitude that is
/// negative or not finite.
pub fn read(path: &Path, bytes: &[u8]) -> Result<Chip> {
    let header = Header::read(path, bytes)?;
    let data = &bytes[header.offset..];
    let n_bytes = header.rows * header.columns * 4;
    let truncated = |what, n_bytes, expected| DatasetError::TruncatedMagnitude {
        path: path.to_owned(),
        what,
        n_bytes,
        expected,
    };
    let Some((magnitudes, phases)) = data.split_at_checked(n_bytes) else {
        return Err(truncated("magnitude", data.len(), n_bytes));
    };
    if !phases.is_empty() && phases.len() < n_bytes {
        return Err(truncated("phase", phases.len(), n_bytes));
    }
    let (words, _) = magnitudes.as_chunks::<4>();
    let magnitudes: Vec<f32> = words.iter().map(|&word| f32::from_be_bytes(word)).collect();
    if let Some(idx) = magnitudes.iter().position(|m| !m.is_finite() || *m < 0.0) {
        return Err(DatasetError::Magnitude {
            path: path.to_owned(),
            value: magnitudes[idx],
            row: idx / header.columns,
            column: idx % header.columns,
        });
    }
    let largest = f64::from(magnitudes.iter().copied().fold(0.0, f32::max));
    let sample = |m: f32| {
        if largest == 0.0 { 0 } else { (f64::from(m) / largest * 65535.0).round_ties_even() as u16 }
    };
    let samples = magnitudes.into_iter().map(sample).collect();
    Ok(Chip::new(header.rows, header.columns, 1, Samples::Sixteen(samples)))
}

/// What is read of the text header.
struct Header {
    rows: usize,
    columns: usize,
    /// Where the magnitudes start, within the file.
    offset: usize,
}

impl Header {
    fn read(path: &Path, bytes: &[u8]) -> Result<Self> {
        let start = &bytes[..bytes.len().min(MAX_HEADER)];
        let Some(end) = start.windows(END.len()).position(|window| window == END) else {
            return Err(DatasetError::HeaderEnd { path: path.to_owned(), max: MAX_HEADER });
        };
        let text = String::from_utf8_lossy(&start[..end]);
        let keys = Keys { path, text: &text };
        let end = end + END.len();
        let length = keys.number("PhoenixHeaderLength", end, bytes.len())?;
        let length = length.ok_or_else(|| keys.missing("PhoenixHeaderLength"))?;
        let native = keys.number("native_header_length", 0, bytes.len() - length)?.unwrap_or(0);
        let side = |key| keys.number(key, 1, MAX_SIDE)?.ok_or_else(|| keys.missing(key));
        let (columns, rows) = (side("NumberOfColumns")?, side("NumberOfRows")?);
        Ok(Self { rows, columns, offset: length + native })
    }
}

/// The lines `key= value` of a header.
struct Keys<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Keys<'_> {
    /// The number of a key, or `None` when the header does not have it.
    fn number(&self, key: &'static str, min: usize, max: usize) -> Result<Option<usize>> {
        let lines = self.text.lines().filter_map(|line| line.split_once('='));
        let Some(value) = lines.map(|(k, v)| (k.trim(), v.trim())).find(|(k, _)| *k == key) else {
            return Ok(None);
        };
        match value.1.parse() {
            Ok(number) if (min..=max).contains(&number) => Ok(Some(number)),
            _ => Err(DatasetError::HeaderValue {
                path: self.path.to_owned(),
                key,
                // A damaged header may run on without a line break.
                value: value.1.chars().take(40).collect(),
                min,
                max,
            }),
        }
    }

    fn missing(&self, key: &'static str) -> DatasetError {
        DatasetError::HeaderKey { path: self.path.to_owned(), key }
    }
}
