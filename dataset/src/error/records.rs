//! What can be wrong with the binary files of a CIFAR.

use thiserror::Error;

use crate::DatasetKind;

/// Why records cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordsError {
    /// A file of a CIFAR is not there.
    #[error(
        "holds no `{member}`, which {kind} needs; give the whole binary version of the data set ({folder})"
    )]
    MissingMember {
        /// The missing file.
        member: String,
        /// The data set.
        kind: DatasetKind,
        /// Official name of the folder with the files.
        folder: &'static str,
    },
    /// Compressed data or archive structure that cannot be followed.
    #[error("damaged archive: {reason}; fetch it again")]
    Archive {
        /// The decoder's reason.
        reason: String,
    },
    /// A record file without records.
    #[error("empty; expected records of {record} bytes")]
    NoRecords {
        /// Bytes of a record.
        record: usize,
    },
    /// The file ends within a record.
    #[error(
        "ends within record {idx} (byte {offset}), after {n_bytes} of its {expected} bytes; fetch it again"
    )]
    TruncatedRecord {
        /// Position of the record, from 0.
        idx: usize,
        /// Where the record starts.
        offset: u64,
        /// Bytes that are there.
        n_bytes: usize,
        /// Bytes of a record.
        expected: usize,
    },
    /// More records than are read.
    #[error("more than {max} records")]
    TooManyRecords {
        /// Most records.
        max: usize,
    },
    /// A label that no class has.
    #[error(
        "record {idx} (byte {offset}) has {what} {label}; 0 to {max} are possible, so the file is damaged \
         or of another data set"
    )]
    LabelRange {
        /// Position of the record, from 0.
        idx: usize,
        /// Where the record starts.
        offset: u64,
        /// Which of the labels.
        what: &'static str,
        /// Its value.
        label: u8,
        /// Largest possible value.
        max: usize,
    },
    /// A list of class names that does not fit the data set.
    #[error("{n_names} class names; {kind} has {n_classes}, one a line")]
    ClassNames {
        /// Names in it.
        n_names: usize,
        /// The data set.
        kind: DatasetKind,
        /// Names needed.
        n_classes: usize,
    },
    /// Two classes of the same name.
    #[error("class name `{class}` is there twice")]
    RepeatedName {
        /// The name.
        class: String,
    },
    /// Too few records of a class for training and validation to get one.
    #[error(
        "too few training images of class `{class}` for training and validation: {n_images}; at least {min} \
         are needed"
    )]
    TooFewRecords {
        /// The class.
        class: String,
        /// Images of it.
        n_images: usize,
        /// Images needed.
        min: usize,
    },
}
