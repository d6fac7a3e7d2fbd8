//! MSTAR original files: a text header, named Phoenix by those who made it, then big-endian magnitudes and phases.
//!
//! ```text
//!
//! [PhoenixHeaderVer01.04]
//! PhoenixHeaderLength= 01973
//! PhoenixSigSize= 00133045
//! PhoenixSigNum= 0001
//! ...
//! native_header_length= 0
//! ...
//! NumberOfColumns= 128
//! NumberOfRows= 128
//! ...
//! [EndofPhoenixHeader]
//! ```
//!
//! The files of the public distribution start with a line feed; white space before the header is allowed. All offsets
//! count from the first byte of the file. Files are recognized by their first bytes, whatever their names end in.
//!
//! Magnitudes start at byte `PhoenixHeaderLength + native_header_length`, row by row, and as many phases of the same size
//! follow, which are not read. How many bytes a number has, the header says, not the size of the file alone:
//!
//! | bytes a pixel | header | numbers |
//! |---|---|---|
//! | 8 | anything but the next | 32-bit floats: chips of vehicles |
//! | 4, or `PhoenixSigSize` says so | `native_header_length` above 0 | unsigned 16 bits: full scenes and clutter |
//! | 4 | `PhoenixSigSize` of 8 a pixel | 32-bit floats whose phases were cut off |
//! | 4 | `native_header_length` of 0, or none | refused: it may be either |
//!
//! The second row is the rule of the distribution's own conversion programs. A magnitude becomes a 16-bit sample as
//! `magnitude` says.

use std::path::Path;

use crate::picture::MAX_SIDE;
use crate::{Chip, DatasetError, PhoenixError, Result, magnitude};

/// What every file starts with, behind white space.
pub const MAGIC: &[u8] = b"[PhoenixHeaderVer";

/// Most bytes of white space before that.
const MAX_SPACE: usize = 64;

/// Bytes that tell whether a file is an MSTAR original.
pub const START: usize = MAX_SPACE + MAGIC.len();

/// Ends the text header.
const END: &[u8] = b"[EndofPhoenixHeader]";

/// Longest text header, in bytes.
pub const MAX_HEADER: usize = 1 << 16;

/// Whether a file is an MSTAR original, by its first [`START`] bytes.
pub fn is_phoenix(bytes: &[u8]) -> bool {
    let n_space = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    n_space <= MAX_SPACE && bytes[n_space..].starts_with(MAGIC)
}

/// Reads the magnitudes of a file; `path` is for messages.
///
/// # Shapes
/// `NumberOfRows` x `NumberOfColumns`, one channel of 16 bits.
///
/// # Errors
/// A header without its end or a key, or with two values of one, a value out of range, a file that ends too early or goes
/// on behind its phases, numbers whose size nothing proves,
/// or a magnitude that is negative or not finite.
pub fn read(path: &Path, bytes: &[u8]) -> Result<Chip> {
    let header = Header::read(path, bytes)?;
    let data = &bytes[header.offset..];
    let number = header.number(path, data.len())?;
    let n_pixels = header.rows * header.columns;
    let n_bytes = n_pixels * number.size();
    let truncated = |what, n_bytes, expected| {
        DatasetError::phoenix(path, PhoenixError::TruncatedMagnitude { what, n_bytes, expected })
    };
    let Some((magnitudes, phases)) = data.split_at_checked(n_bytes) else {
        return Err(truncated("magnitude", data.len(), n_bytes));
    };
    if !phases.is_empty() && phases.len() < n_bytes {
        return Err(truncated("phase", phases.len(), n_bytes));
    }
    if phases.len() > n_bytes {
        let n_surplus = phases.len() - n_bytes;
        let problem = PhoenixError::SurplusBytes { n_surplus, expected: 2 * n_bytes };
        return Err(DatasetError::phoenix(path, problem));
    }
    let magnitudes: Vec<f64> = match number {
        Number::Float => magnitudes
            .as_chunks()
            .0
            .iter()
            .map(|&word| f64::from(f32::from_be_bytes(word)))
            .collect(),
        Number::Sixteen => magnitudes
            .as_chunks()
            .0
            .iter()
            .map(|&word| f64::from(u16::from_be_bytes(word)))
            .collect(),
    };
    let samples = magnitude::to_samples(path, &magnitudes, header.columns, "fetch the file again")?;
    Ok(Chip::new(header.rows, header.columns, 1, samples))
}

/// How magnitudes and phases are stored.
#[derive(Clone, Copy)]
enum Number {
    /// 32-bit floats.
    Float,
    /// Unsigned 16 bits.
    Sixteen,
}

impl Number {
    const fn size(self) -> usize {
        match self {
            Self::Float => 4,
            Self::Sixteen => 2,
        }
    }
}

/// What is read of the text header.
struct Header {
    rows: usize,
    columns: usize,
    /// Where the magnitudes start, within the file.
    offset: usize,
    /// Bytes of the header before the magnitudes that is not text.
    native: usize,
    /// Bytes of the whole file, as the header says.
    size: Option<usize>,
}

impl Header {
    fn read(path: &Path, bytes: &[u8]) -> Result<Self> {
        let start = &bytes[..bytes.len().min(MAX_HEADER)];
        let Some(end) = start.windows(END.len()).position(|window| window == END) else {
            return Err(DatasetError::phoenix(path, PhoenixError::HeaderEnd { max: MAX_HEADER }));
        };
        let text = String::from_utf8_lossy(&start[..end]);
        let keys = Keys { path, text: &text };
        let end = end + END.len();
        let length = keys.number("PhoenixHeaderLength", end, bytes.len())?;
        let length = length.ok_or_else(|| keys.missing("PhoenixHeaderLength"))?;
        let native = keys.number("native_header_length", 0, bytes.len() - length)?.unwrap_or(0);
        let side = |key| keys.number(key, 1, MAX_SIDE)?.ok_or_else(|| keys.missing(key));
        let (columns, rows) = (side("NumberOfColumns")?, side("NumberOfRows")?);
        let size = keys.number("PhoenixSigSize", 0, u32::MAX as usize)?;
        Ok(Self { rows, columns, offset: length + native, native, size })
    }

    /// How the numbers are stored of which the file has `n_bytes`; see the table above.
    fn number(&self, path: &Path, n_bytes: usize) -> Result<Number> {
        let n_pixels = self.rows * self.columns;
        let promised = self.size.map(|size| size.saturating_sub(self.offset));
        let is_four = |n_bytes| n_bytes == 4 * n_pixels;
        let is_native = self.native > 0;
        match promised {
            Some(promised) if is_four(promised) && is_native => Ok(Number::Sixteen),
            None if is_four(n_bytes) && is_native => Ok(Number::Sixteen),
            Some(promised) if promised == 8 * n_pixels => Ok(Number::Float),
            // A file of any other size ends too early or has phases, which is seen later.
            promised if !is_four(n_bytes) && !promised.is_some_and(is_four) => Ok(Number::Float),
            _ => Err(DatasetError::phoenix(path, PhoenixError::NumberSize { size: self.size })),
        }
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
        let mut values = lines.filter(|(k, _)| k.trim() == key).map(|(_, value)| value.trim());
        let Some(value) = values.next() else { return Ok(None) };
        // A damaged header may run on without a line break.
        let short = |value: &str| value.chars().take(40).collect();
        if let Some(other) = values.find(|other| *other != value) {
            let (first, second) = (short(value), short(other));
            return Err(self.problem(PhoenixError::HeaderTwice { key, first, second }));
        }
        match value.parse() {
            Ok(number) if (min..=max).contains(&number) => Ok(Some(number)),
            _ => {
                let value = short(value);
                Err(self.problem(PhoenixError::HeaderValue { key, value, min, max }))
            }
        }
    }

    fn missing(&self, key: &'static str) -> DatasetError {
        self.problem(PhoenixError::HeaderKey { key })
    }

    fn problem(&self, problem: PhoenixError) -> DatasetError {
        DatasetError::phoenix(self.path, problem)
    }
}
