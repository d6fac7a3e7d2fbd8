//! What can go wrong between a network and a report.

use std::io;
use std::path::PathBuf;

use crate::cases::CaseError;
use codegen::CompileErrors;
use dataset::DatasetError;
use sim::SimError;
use sim::tools::ToolError;
use spec::files::FileError;
use spec::{ConfigError, NetworkError};

use crate::fpga::FpgaError;

/// Why a step could not be done. The message is one line, but of a network with many problems, and says what helps.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// A file that cannot be read, written or understood.
    #[error(transparent)]
    File(#[from] FileError),
    /// A tool or the checkout cannot be found.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// An array that there cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A case that cannot be read.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// Images that cannot be read.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// A simulation that failed.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// Synthesis, placement or routing that failed.
    #[error(transparent)]
    Fpga(#[from] FpgaError),
    /// A model of another format that does not become a network.
    #[error("{path}: {reason}", path = spec::shown_path(path))]
    Import {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: import::Error,
    },
    /// A network that the reference refuses.
    #[error(transparent)]
    Reference(#[from] NetworkError),
    /// A network that does not fit its array.
    #[error("network {network:?} does not run on the {rows}x{cols} array: {reason}")]
    DoesNotRun {
        /// Its name.
        network: String,
        /// Rows of the array.
        rows: usize,
        /// Columns of the array.
        cols: usize,
        /// Every reason.
        reason: CompileErrors,
    },
    /// A design that the emitter refuses: a bug.
    #[error("{rows}x{cols}: {reason}")]
    Emit {
        /// Rows of the array.
        rows: usize,
        /// Columns of the array.
        cols: usize,
        /// What it says.
        reason: Box<hw::verilog::Error>,
    },
    /// Images without labels fit any network.
    #[error(
        "images without labels do not tell which network to run; help: name one with --network"
    )]
    NoClasses,
    /// No committed network has the classes of the images.
    #[error(
        "no network of {networks} has the classes {classes}; help: name a network trained on this data with --network"
    )]
    NoNetwork {
        /// Where networks were looked for.
        networks: String,
        /// The classes.
        classes: String,
    },
    /// A folder that cannot be read.
    #[error("cannot read {path}: {reason}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// A network that chips cannot be given to.
    #[error(
        "network {network:?} does not say how images are preprocessed; help: choose a network with `preprocess`, \
         bring int8 images with --int8, or run it on random ones"
    )]
    NoPreprocess {
        /// Its name.
        network: String,
    },
    /// A file of int8 images that cannot be read.
    #[error("cannot read {path}: {reason}; help: name a file of raw int8 bytes, or a NumPy array", path = path.display())]
    Int8 {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// A NumPy array that is not one of the network's input.
    #[error("cannot read {path}: {reason}; help: save an array of int8 or float32, as `numpy.save` does", path = spec::shown_path(path))]
    Array {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: ndarray_npy::ViewNpyError,
    },
    /// A list of classes with a line that names none.
    #[error("{path}: a line is empty, or all are; help: write a class name a line, or leave --classes out", path = path.display())]
    EmptyClass {
        /// The file.
        path: PathBuf,
    },
    /// A NumPy array whose axes are others.
    #[error(
        "{path}: an array of {found:?}; help: save images as [n, {}, {}, {}]: rows, columns, channels, transposed where channels come first",
        expected[0], expected[1], expected[2], path = spec::shown_path(path)
    )]
    ArrayShape {
        /// The file.
        path: PathBuf,
        /// Its axes.
        found: Vec<usize>,
        /// Rows, columns and channels of an image.
        expected: [usize; 3],
    },
    /// A NumPy array of real values with one that is none.
    #[error("{path}: there are values that are no number; help: replace them", path = spec::shown_path(path))]
    NotANumber {
        /// The file.
        path: PathBuf,
    },
    /// int8 images of another network.
    #[error(
        "{path}: {n_bytes} bytes are no whole number of images; help: network {network:?} takes {expected} bytes an image",
        path = path.display()
    )]
    Int8Size {
        /// The file.
        path: PathBuf,
        /// Its size.
        n_bytes: usize,
        /// The network's name.
        network: String,
        /// Bytes of one of its images.
        expected: usize,
    },
    /// An image that is not there.
    #[error("there are only {n_images} images; help: lower --image")]
    NoImage {
        /// Images that are there.
        n_images: usize,
    },
    /// Nothing to run.
    #[error("there is no image to run")]
    NoImages,
    /// A wave that cannot be finished.
    #[error("cannot write {path}: {reason}", path = path.display())]
    Wave {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// A model's runtime that fails.
    #[error("the runtime of {path} failed: {reason}", path = path.display())]
    Runtime {
        /// The model.
        path: PathBuf,
        /// The last that it said.
        reason: String,
    },
    /// A published model that is not there.
    #[error(
        "{folder} lacks {file}; help: copy it from github.com/mlcommons/tiny, benchmark/training/*/trained_models",
        folder = folder.display()
    )]
    NoModel {
        /// Where it was looked for.
        folder: PathBuf,
        /// Its name.
        file: String,
    },
    /// The accelerator gives other bits than the reference.
    #[error("network {network:?}: {divergence}")]
    Diverges {
        /// The network's name.
        network: String,
        /// Where.
        divergence: Box<sim::Divergence>,
    },
    /// The dense schedule gives other bits than the reference.
    #[error("{0}")]
    Dense(Box<sim::Divergence>),
}
