//! What can be wrong with images on disk; every message names the file or folder.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::{Band, DatasetKind, Foreign, Split, UnknownBand, UnknownKind};

mod image;
mod layout;
mod phoenix;
mod records;

pub use image::ImageError;
pub use layout::LayoutError;
pub use phoenix::PhoenixError;
pub use records::RecordsError;

/// Why images could not be read.
#[derive(Debug, Error)]
pub enum DatasetError {
    /// The folder is missing, or is a file.
    #[error(
        "{}: not a folder; give a folder of class folders of images, CIFAR binary files or their .tar.gz, \
         or `sar-sim` for simulated chips",
        path.display()
    )]
    NotAFolder {
        /// What was given.
        path: PathBuf,
    },
    /// Where a single image may be, too.
    #[error(
        "{}: neither a folder nor an image; give an image, a folder of images or of class folders, CIFAR binary files \
         or their .tar.gz, or `sar-sim` for simulated chips",
        path.display()
    )]
    NeitherFolderNorImage {
        /// What was given.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: cannot be read: {reason}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// No class folder inside.
    #[error("{}: holds no class folders; expected one folder of images a class", path.display())]
    NoClasses {
        /// The data folder.
        path: PathBuf,
    },
    /// A class folder whose name is no text.
    #[error("{}: the name of a class has to be UTF-8; rename the folder", path.display())]
    ClassName {
        /// The class folder.
        path: PathBuf,
    },
    /// A single class cannot be told from anything.
    #[error(
        "{}: holds the single class `{class}`; at least two are needed (if the classes lie in `{class}`, name that folder)",
        path.display()
    )]
    OneClass {
        /// The data folder.
        path: PathBuf,
        /// Its only class.
        class: String,
    },
    /// A class folder without images.
    #[error("{}: class folder without images; add PNG, JPEG, TIFF or BMP files or remove it", path.display())]
    EmptyClass {
        /// The class folder.
        path: PathBuf,
    },
    /// `train` without `test`, or the other way round.
    #[error("{}: has a `{present}` folder but no `{missing}` folder; give both, or class folders alone", path.display())]
    MissingSplit {
        /// The data folder.
        path: PathBuf,
        /// The folder that exists.
        present: &'static str,
        /// The one that does not.
        missing: &'static str,
    },
    /// Train and test have different classes.
    #[error(
        "{}: class `{class}` is there, but {} has no such folder; both need the same classes",
        path.display(),
        other.display()
    )]
    ClassMismatch {
        /// Folder that has the class.
        path: PathBuf,
        /// Folder that lacks it.
        other: PathBuf,
        /// The class.
        class: String,
    },
    /// Too few images for a part.
    #[error(
        "{}: {n_images} images of {n_classes} classes are too few to hold some out for {split}; add images, or divide them \
         into folders yourself: `train`, `test` and, if you like, `val`",
        path.display()
    )]
    TooFewImages {
        /// The data folder.
        path: PathBuf,
        /// The part that gets none.
        split: Split,
        /// Images of all classes.
        n_images: usize,
        /// Classes.
        n_classes: usize,
    },
    /// A network that was trained on class folders of which nothing is left for the test.
    #[error(
        "{data}: the network was trained on some of its {n_images} images, and by their names and the split seed {seed} none \
         of them is a test image; help: put the images to run into class folders of their own, below `test`"
    )]
    EmptyTestShare {
        /// The data set.
        data: String,
        /// Images of all classes.
        n_images: usize,
        /// The split seed.
        seed: u64,
    },
    /// A record of training images that is none.
    #[error("{}: no record of training images: line {line} is not `{expected}`", path.display())]
    TrainedImages {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What it has to be.
        expected: &'static str,
    },
    /// The record of other training images than the network's.
    #[error(
        "{}: not the record of training images that the network beside it names by its SHA-256; help: copy a network with all \
         of its files, or remove this one, and what was trained on cannot be told",
        path.display()
    )]
    OtherTrainedImages {
        /// The file.
        path: PathBuf,
    },
    /// A format that is not read.
    #[error("{}: cannot read {format}; help: {}", path.display(), format.help())]
    Foreign {
        /// File or folder.
        path: PathBuf,
        /// What it is.
        format: Foreign,
    },
    /// A file among images that is no image by its name, nor an MSTAR original by its content.
    #[error(
        "{}: not an image file; class folders hold .png, .jpg, .jpeg, .tif, .tiff, .bmp or MSTAR original files only",
        path.display()
    )]
    NotAnImage {
        /// The file.
        path: PathBuf,
    },
    /// Several such files, or files of formats that are not read.
    #[error("{}: {n_files} files among the images are none: {files}; the first of them: {first}", path.display())]
    NoImages {
        /// The data folder.
        path: PathBuf,
        /// How many.
        n_files: usize,
        /// Names of some of them.
        files: String,
        /// What is wrong with the first.
        first: Box<DatasetError>,
    },
    /// A pipe, a device or a socket in a class folder.
    #[error("{}: not a regular file; class folders hold image files only, remove it", path.display())]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// MSTAR original files and image copies in one class.
    #[error(
        "{}: image copy beside MSTAR original files such as {}; keep one of the two, or chips count twice",
        path.display(),
        original.display()
    )]
    MixedOriginals {
        /// The copy.
        path: PathBuf,
        /// An original of the same class.
        original: PathBuf,
    },
    /// The network knows other classes than the data.
    #[error("{data}: class `{class}` is not among the network's classes ({})", known.join(", "))]
    UnknownClass {
        /// The data set.
        data: String,
        /// The class that the network does not know.
        class: String,
        /// The network's classes.
        known: Vec<String>,
    },
    /// A band of images that are stored without any.
    #[error(
        "{data}: band {band} was asked for, and {kind} images have none to choose from; help: leave --band out"
    )]
    NoBands {
        /// The data set.
        data: String,
        /// Its kind.
        kind: DatasetKind,
        /// What was asked for.
        band: Band,
    },
    /// The data are not of the data set that the user said.
    #[error("{}: holds {}, not {}", path.display(), described(*found), described(*kind))]
    WrongKind {
        /// Folder, archive or simulator.
        path: PathBuf,
        /// What the user said.
        kind: DatasetKind,
        /// What is there.
        found: DatasetKind,
    },
    /// A split fraction that leaves nothing.
    #[error("{field} is {value}; it has to be above 0 and below 1")]
    Fraction {
        /// Which fraction.
        field: &'static str,
        /// Its value.
        value: f64,
    },
    /// A data folder that cannot be understood.
    #[error("{}: {problem}", path.display())]
    Layout {
        /// Where.
        path: PathBuf,
        /// Why.
        problem: LayoutError,
    },
    /// An image that cannot be read, or not as it was asked for.
    #[error("{}: {problem}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: ImageError,
    },
    /// An MSTAR original that cannot be read.
    #[error("{}: {problem}", path.display())]
    Phoenix {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: PhoenixError,
    },
    /// Binary files of a CIFAR that cannot be read.
    #[error("{}: {problem}", path.display())]
    Records {
        /// File, folder or archive.
        path: PathBuf,
        /// Why.
        problem: RecordsError,
    },
    /// No data set of this name.
    #[error(transparent)]
    UnknownKind(#[from] UnknownKind),
    /// No band of this name.
    #[error(transparent)]
    UnknownBand(#[from] UnknownBand),
}

impl DatasetError {
    pub(crate) fn image(path: &Path, problem: ImageError) -> Self {
        Self::Image { path: path.to_owned(), problem }
    }

    pub(crate) fn phoenix(path: &Path, problem: PhoenixError) -> Self {
        Self::Phoenix { path: path.to_owned(), problem }
    }

    pub(crate) fn records(path: &Path, problem: RecordsError) -> Self {
        Self::Records { path: path.to_owned(), problem }
    }
}

/// What files of a data set are, in messages.
fn described(kind: DatasetKind) -> String {
    match kind {
        DatasetKind::Cifar100 => "CIFAR-100 binary files (cifar100)".to_owned(),
        DatasetKind::Cifar10 => "CIFAR-10 binary files (cifar10)".to_owned(),
        DatasetKind::SarSim => "simulated chips (sar-sim)".to_owned(),
        DatasetKind::Folder => "class folders of images (folder)".to_owned(),
        named => format!("class folders of images ({named})"),
    }
}
