//! What can be wrong with an MSTAR original file.

use thiserror::Error;

/// Why an MSTAR original cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PhoenixError {
    /// The text header of an MSTAR original does not end.
    #[error("MSTAR header without `[EndofPhoenixHeader]` in its first {max} bytes")]
    HeaderEnd {
        /// Bytes that were searched.
        max: usize,
    },
    /// The header of an MSTAR original lacks a key.
    #[error("MSTAR header without `{key}`")]
    HeaderKey {
        /// The key.
        key: &'static str,
    },
    /// A number in the header of an MSTAR original is none, or cannot be.
    #[error("MSTAR header with `{key}= {value}`; a number from {min} to {max} is possible")]
    HeaderValue {
        /// The key.
        key: &'static str,
        /// What it says.
        value: String,
        /// Smallest possible number.
        min: usize,
        /// Largest possible number.
        max: usize,
    },
    /// The header of an MSTAR original says two things.
    #[error("MSTAR header with `{key}= {first}` and `{key}= {second}`; help: fetch the file again")]
    HeaderTwice {
        /// The key.
        key: &'static str,
        /// What it says first.
        first: String,
        /// What it says then.
        second: String,
    },
    /// An MSTAR original ends within its magnitudes or phases.
    #[error("ends within the {what} data, after {n_bytes} of {expected} bytes")]
    TruncatedMagnitude {
        /// `magnitude` or `phase`.
        what: &'static str,
        /// Bytes that are there.
        n_bytes: usize,
        /// Bytes that the header promises.
        expected: usize,
    },
    /// An MSTAR original with more bytes than magnitudes and phases take.
    #[error(
        "{n_surplus} bytes behind the {expected} of its magnitudes and phases, which nothing explains; help: fetch the \
         file again"
    )]
    SurplusBytes {
        /// Bytes that are too many.
        n_surplus: usize,
        /// Bytes of magnitudes and phases as the header promises.
        expected: usize,
    },
    /// An MSTAR original that may hold one or the other kind of numbers.
    #[error(
        "4 bytes a pixel are 32-bit magnitudes without phases, or magnitudes and phases of 16 bits, and the header \
         does not tell: `native_header_length` is 0 and {}; help: give the file as it was distributed, or write its \
         magnitudes as TIFF",
        size.map_or_else(|| "there is no `PhoenixSigSize`".to_owned(), |size| format!("`PhoenixSigSize` is {size}"))
    )]
    NumberSize {
        /// Its size as the header says.
        size: Option<usize>,
    },
}
