//! What can be wrong with images on disk; every message names the file or folder.

use std::path::PathBuf;

use thiserror::Error;

use crate::layout::LayoutError;
use crate::{Band, DatasetKind, Foreign, Split};

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
    /// The text header of an MSTAR original does not end.
    #[error("{}: MSTAR header without `[EndofPhoenixHeader]` in its first {max} bytes", path.display())]
    HeaderEnd {
        /// The file.
        path: PathBuf,
        /// Bytes that were searched.
        max: usize,
    },
    /// The header of an MSTAR original lacks a key.
    #[error("{}: MSTAR header without `{key}`", path.display())]
    HeaderKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
    },
    /// A number in the header of an MSTAR original is none, or cannot be.
    #[error("{}: MSTAR header with `{key}= {value}`; a number from {min} to {max} is possible", path.display())]
    HeaderValue {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What it says.
        value: String,
        /// Smallest possible number.
        min: usize,
        /// Largest possible number.
        max: usize,
    },
    /// An MSTAR original ends within its magnitudes or phases.
    #[error("{}: ends within the {what} data, after {n_bytes} of {expected} bytes", path.display())]
    TruncatedMagnitude {
        /// The file.
        path: PathBuf,
        /// `magnitude` or `phase`.
        what: &'static str,
        /// Bytes that are there.
        n_bytes: usize,
        /// Bytes that the header promises.
        expected: usize,
    },
    /// An MSTAR original with more bytes than magnitudes and phases take.
    #[error(
        "{}: {n_surplus} bytes behind the {expected} of its magnitudes and phases, which nothing explains; help: fetch the \
         file again",
        path.display()
    )]
    SurplusBytes {
        /// The file.
        path: PathBuf,
        /// Bytes that are too many.
        n_surplus: usize,
        /// Bytes of magnitudes and phases as the header promises.
        expected: usize,
    },
    /// The header of an MSTAR original says two things.
    #[error(
        "{}: MSTAR header with `{key}= {first}` and `{key}= {second}`; help: fetch the file again",
        path.display()
    )]
    HeaderTwice {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What it says first.
        first: String,
        /// What it says then.
        second: String,
    },
    /// An MSTAR original that may hold one or the other kind of numbers.
    #[error(
        "{}: 4 bytes a pixel are 32-bit magnitudes without phases, or magnitudes and phases of 16 bits, and the header \
         does not tell: `native_header_length` is 0 and {}; help: give the file as it was distributed, or write its \
         magnitudes as TIFF",
        path.display(),
        size.map_or_else(|| "there is no `PhoenixSigSize`".to_owned(), |size| format!("`PhoenixSigSize` is {size}"))
    )]
    NumberSize {
        /// The file.
        path: PathBuf,
        /// Its size as the header says.
        size: Option<usize>,
    },
    /// A magnitude that is none.
    #[error(
        "{}: magnitude {value} at row {row}, column {column}; finite numbers from 0 are possible; help: {help}",
        path.display()
    )]
    Magnitude {
        /// The file.
        path: PathBuf,
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
        "{}: {n_bands} bands of {format} samples; help: choose one with --band, {}",
        path.display(),
        if *n_bands == 2 {
            "vh (the first) or vv (the second) as OpenSARShip has them, or 1 or 2".to_owned()
        } else {
            format!("a number from 1 to {n_bands}")
        }
    )]
    SeveralBands {
        /// The file.
        path: PathBuf,
        /// How many.
        n_bands: usize,
        /// What a band consists of.
        format: String,
    },
    /// Several images of several bands each.
    #[error("{}: holds {n_images} images; help: write each as a file of its own", path.display())]
    SeveralImages {
        /// The file.
        path: PathBuf,
        /// How many.
        n_images: usize,
    },
    /// A data folder that cannot be understood.
    #[error("{}: {problem}", path.display())]
    Layout {
        /// Where.
        path: PathBuf,
        /// Why.
        problem: LayoutError,
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
    #[error(
        "{}: {format} samples are not read; help: write 8 or 16 bits, gray or RGB, or the magnitude alone as \
         floating-point numbers",
        path.display()
    )]
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
    /// A band that an image does not have.
    #[error(
        "{}: band {band} was asked for, and there {}; help: {}",
        path.display(),
        if *n_bands == 1 { "is one band".to_owned() } else { format!("are {n_bands}") },
        if *n_bands == 1 { "leave --band out, or give --band 1".to_owned() } else { format!("give a number from 1 to {n_bands}") }
    )]
    NoBand {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        band: Band,
        /// Bands of the image.
        n_bands: usize,
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
    /// No data set of this name.
    #[error("unknown data set `{name}`; known are {}", DatasetKind::ALL.map(DatasetKind::name).join(", "))]
    UnknownKind {
        /// What was asked for.
        name: String,
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
    /// No band of this name.
    #[error("unknown band `{name}`; known are vh, vv and numbers from 1 to 65535")]
    UnknownBand {
        /// What was asked for.
        name: String,
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
    /// A file of a CIFAR is not there.
    #[error(
        "{}: holds no `{member}`, which {kind} needs; give the whole binary version of the data set ({folder})",
        path.display()
    )]
    MissingMember {
        /// Folder or archive.
        path: PathBuf,
        /// The missing file.
        member: String,
        /// The data set.
        kind: DatasetKind,
        /// Official name of the folder with the files.
        folder: &'static str,
    },
    /// Compressed data or archive structure that cannot be followed.
    #[error("{}: damaged archive: {reason}; fetch it again", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// The decoder's reason.
        reason: String,
    },
    /// A record file without records.
    #[error("{}: empty; expected records of {record} bytes", path.display())]
    NoRecords {
        /// The file.
        path: PathBuf,
        /// Bytes of a record.
        record: usize,
    },
    /// The file ends within a record.
    #[error(
        "{}: ends within record {idx} (byte {offset}), after {n_bytes} of its {expected} bytes; fetch it again",
        path.display()
    )]
    TruncatedRecord {
        /// The file.
        path: PathBuf,
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
    #[error("{}: more than {max} records", path.display())]
    TooManyRecords {
        /// The file.
        path: PathBuf,
        /// Most records.
        max: usize,
    },
    /// A label that no class has.
    #[error(
        "{}: record {idx} (byte {offset}) has {what} {label}; 0 to {max} are possible, so the file is damaged \
         or of another data set",
        path.display()
    )]
    LabelRange {
        /// The file.
        path: PathBuf,
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
    #[error("{}: {n_names} class names; {kind} has {n_classes}, one a line", path.display())]
    ClassNames {
        /// The text file.
        path: PathBuf,
        /// Names in it.
        n_names: usize,
        /// The data set.
        kind: DatasetKind,
        /// Names needed.
        n_classes: usize,
    },
    /// Two classes of the same name.
    #[error("{}: class name `{class}` is there twice", path.display())]
    RepeatedName {
        /// The text file.
        path: PathBuf,
        /// The name.
        class: String,
    },
    /// Too few records of a class for training and validation to get one.
    #[error(
        "{}: too few training images of class `{class}` for training and validation: {n_images}; at least {min} \
         are needed",
        path.display()
    )]
    TooFewRecords {
        /// Folder or archive.
        path: PathBuf,
        /// The class.
        class: String,
        /// Images of it.
        n_images: usize,
        /// Images needed.
        min: usize,
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
