//! What can be wrong with images on disk; every message names the file or folder.

use std::path::PathBuf;

use thiserror::Error;

/// Why images could not be read.
#[derive(Debug, Error)]
pub enum DatasetError {
    /// The folder is missing, or is a file.
    #[error(
        "{}: not a folder; give a folder of class folders of images, or `sar-sim` for simulated chips",
        path.display()
    )]
    NotAFolder {
        /// What was given.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: cannot be read: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// No class folder inside.
    #[error("{}: holds no class folders; expected one folder of images a class", path.display())]
    NoClasses {
        /// The data folder.
        path: PathBuf,
    },
    /// A single class cannot be told from anything.
    #[error("{}: holds the single class `{class}`; at least two are needed", path.display())]
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
    /// Too few images of a class for every split to get one.
    #[error(
        "{}: {n_images} images are too few to split into training, validation and test; \
         at least {min} are needed",
        path.display()
    )]
    TooFewImages {
        /// The class folder.
        path: PathBuf,
        /// Images in it.
        n_images: usize,
        /// Images needed.
        min: usize,
    },
    /// A file in a class folder that is no image by its name.
    #[error("{}: not an image file; class folders hold .png, .jpg, .jpeg, .tif, .tiff or .bmp only", path.display())]
    NotAnImage {
        /// The file.
        path: PathBuf,
    },
    /// Damaged, truncated, or of another format than its name says.
    #[error("{}: unreadable image: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The decoder's reason.
        reason: String,
    },
    /// Floating-point or other samples.
    #[error("{}: {format} samples; 8-bit and 16-bit gray or RGB are supported", path.display())]
    SampleFormat {
        /// The file.
        path: PathBuf,
        /// What it holds.
        format: String,
    },
    /// Side of the image out of range.
    #[error("{}: {width}x{height} pixels; sides of 1 to {max} are supported", path.display())]
    ImageSize {
        /// The file.
        path: PathBuf,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// Largest side.
        max: usize,
    },
    /// Gray and color images in one data set.
    #[error(
        "{}: {channels} channels, but {} has {expected}; all images of a data set need the same",
        path.display(),
        first.display()
    )]
    MixedChannels {
        /// The odd one.
        path: PathBuf,
        /// Its channels.
        channels: usize,
        /// The image that it is compared with.
        first: PathBuf,
        /// The channels of that one.
        expected: usize,
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
    /// A split fraction that leaves nothing.
    #[error("{field} is {value}; it has to be above 0 and below 1")]
    Fraction {
        /// Which fraction.
        field: &'static str,
        /// Its value.
        value: f64,
    },
}
