//! What can be wrong with the folders of a data set.

use std::path::PathBuf;

use thiserror::Error;

/// Why a data folder cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// A split within another.
    #[error(
        "a folder named as a split lies within another split; help: move it beside that one, or rename it"
    )]
    SplitInSplit,
    /// A split within a class folder.
    #[error(
        "a folder named as a split lies within a class folder; help: put class folders into splits, not splits into classes"
    )]
    SplitInClass,
    /// Class folders beside wrappers.
    #[error("holds images and lies beside {}, which only wraps class folders; help: name the folder that holds all classes, or rename one of the two", other.display())]
    ClassBesideWrapper {
        /// The wrapper.
        other: PathBuf,
    },
    /// Class folders in no split, where there are splits.
    #[error("holds class folders that lie in no split, while {} is one; help: name the folder of one of the two", other.display())]
    ClassBesideSplit {
        /// The split.
        other: PathBuf,
    },
    /// A link to a folder that it lies in.
    #[error("a link to a folder that it lies in; help: remove it")]
    Cycle,
    /// Folders within folders without end.
    #[error("more than {max} folders deep")]
    TooDeep {
        /// Most folders.
        max: usize,
    },
    /// Several versions of the same chips.
    #[error(
        "holds {versions}, which are versions of the same chips; help: keep one of them in the folder, such as Patch for the amplitudes as measured"
    )]
    Versions {
        /// Their names.
        versions: String,
    },
}
