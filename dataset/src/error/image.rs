//! What can be wrong with an image.

use thiserror::Error;

use crate::Band;

/// Why an image cannot be read.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ImageError {
    /// Damaged, truncated, or of another format than its name says.
    #[error("unreadable image: {reason}")]
    Unreadable {
        /// The decoder's reason.
        reason: String,
    },
    /// Side of the image out of range.
    #[error("{width}x{height} pixels; sides of 1 to {max} are supported")]
    ImageSize {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// Largest side.
        max: usize,
    },
    /// Floating-point or other samples.
    #[error(
        "{format} samples are not read; help: write 8 or 16 bits, gray or RGB, or the magnitude alone as \
         floating-point numbers"
    )]
    SampleFormat {
        /// What it holds.
        format: String,
    },
    /// A magnitude that is none.
    #[error(
        "magnitude {value} at row {row}, column {column}; finite numbers from 0 are possible; help: {help}"
    )]
    Magnitude {
        /// The value.
        value: f64,
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
        /// What to do.
        help: &'static str,
    },
    /// Several bands, and none was chosen.
    #[error(
        "{n_bands} bands of {format} samples; help: choose one with --band, {}",
        if *n_bands == 2 {
            "vh (the first) or vv (the second) as OpenSARShip has them, or 1 or 2".to_owned()
        } else {
            format!("a number from 1 to {n_bands}")
        }
    )]
    SeveralBands {
        /// How many.
        n_bands: usize,
        /// What a band consists of.
        format: String,
    },
    /// Several images of several bands each.
    #[error("holds {n_images} images; help: write each as a file of its own")]
    SeveralImages {
        /// How many.
        n_images: usize,
    },
    /// A band that an image does not have.
    #[error(
        "band {band} was asked for, and there {}; help: {}",
        if *n_bands == 1 { "is one band".to_owned() } else { format!("are {n_bands}") },
        if *n_bands == 1 { "leave --band out, or give --band 1".to_owned() } else { format!("give a number from 1 to {n_bands}") }
    )]
    NoBand {
        /// What was asked for.
        band: Band,
        /// Bands of the image.
        n_bands: usize,
    },
}
