//! An image as it was read, whatever its format, and the limits of all.

use std::path::Path;

use crate::{Chip, DatasetError, ImageError, Result};

/// Largest side of an image.
pub const MAX_SIDE: usize = 4096;

/// What is to be told of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    /// One channel of three that are the same.
    GrayAsColor,
    /// Samples are magnitudes that were scaled.
    Magnitude,
}

/// An image as read.
pub(crate) struct Picture {
    pub(crate) chip: Chip,
    /// Whether [`ReadOptions::band`] has been followed.
    pub(crate) is_band: bool,
    pub(crate) kind: Kind,
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

/// What a decoder says, on one line.
pub(crate) fn unreadable(path: &Path, reason: String) -> DatasetError {
    let reason = reason.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    DatasetError::image(path, ImageError::Unreadable { reason: reason.trim_end().to_owned() })
}

/// Checks the sides of an image before memory is taken for it.
pub(crate) fn check_size(path: &Path, width: usize, height: usize) -> Result<()> {
    let side = 1..=MAX_SIDE;
    if side.contains(&width) && side.contains(&height) {
        return Ok(());
    }
    Err(DatasetError::image(path, ImageError::ImageSize { width, height, max: MAX_SIDE }))
}
