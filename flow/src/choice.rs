//! What a caller chooses: a network, an array, images.

use std::path::PathBuf;

use crate::cases::Case;
use dataset::{Band, Source, TrainedImages};
use spec::files::network_files;
use spec::{ArrayConfig, ConfigError, Memories, QuantNetwork};

use crate::committed;
use crate::error::FlowError;

/// Which network.
#[derive(Clone, Debug, Default)]
pub enum NetworkChoice {
    /// The committed one: of the images' classes where a run has images, else [`crate::DEFAULT_NETWORK`].
    #[default]
    Committed,
    /// A case of `tests/cases`: a topology with seeded random weights, which brings its own array.
    Case(String),
    /// A network folder, its JSON file, or a model of another format.
    Path(PathBuf),
    /// This one.
    Given(Box<QuantNetwork>),
}

/// A network and where it came from.
pub(crate) struct Chosen {
    /// The network.
    pub(crate) network: QuantNetwork,
    /// The array that it asks for.
    pub(crate) config: ArrayConfig,
    /// The case that it is of.
    pub(crate) case: Option<Case>,
    /// The images that it was trained on, where that is recorded.
    pub(crate) trained_images: Option<TrainedImages>,
}

impl NetworkChoice {
    /// Reads it; `classes` are those of the images that are brought, if any are.
    pub(crate) fn read(&self, classes: Option<&[String]>) -> Result<Chosen, FlowError> {
        let (network, trained_images) = match (self, classes) {
            (Self::Case(name), _) => {
                let case = committed::case(name)?;
                let mut network = case.build();
                network.name = name.clone();
                let config = case.config()?;
                return Ok(Chosen { network, config, case: Some(case), trained_images: None });
            }
            (Self::Path(path), _) => committed::read(path)?,
            (Self::Given(network), _) => ((**network).clone(), None),
            (Self::Committed, None) => committed::default_network()?,
            (Self::Committed, Some(classes)) => committed::network_for(classes)?,
        };
        Ok(Chosen { network, config: ArrayConfig::default(), case: None, trained_images })
    }

    /// The files that it is read from: no result goes there.
    ///
    /// # Errors
    /// `TWOFOLD_ROOT` names no checkout.
    pub fn inputs(&self) -> Result<Vec<PathBuf>, FlowError> {
        Ok(match self {
            Self::Case(name) => committed::case_file(name)?.into_iter().collect(),
            Self::Path(path) => network_files(path),
            Self::Committed | Self::Given(_) => Vec::new(),
        })
    }

    /// What to call it where it cannot be read.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Committed => String::new(),
            Self::Case(name) => name.clone(),
            Self::Path(path) => path.display().to_string(),
            Self::Given(network) => network.name.clone(),
        }
    }
}

/// Sizes of the array, where they are not those of the network's case or else of the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArraySizes {
    /// Rows of the array, its reduction lanes.
    pub rows: Option<usize>,
    /// Columns of the array, its output channels.
    pub cols: Option<usize>,
    /// Output channels drained a cycle. Of other rows or columns than the default's, they are what suits these.
    pub lanes: Option<usize>,
    /// Bytes that its input port takes a cycle.
    pub port_bytes: Option<usize>,
    /// Columns that share a mask. Of other columns than the default's, all do.
    pub mask_columns: Option<usize>,
}

impl ArraySizes {
    /// `default` with what is given here.
    ///
    /// # Errors
    /// Sizes outside the limits.
    pub fn config(&self, default: &ArrayConfig) -> Result<ArrayConfig, ConfigError> {
        let rows = self.rows.unwrap_or(default.rows());
        let cols = self.cols.unwrap_or(default.cols());
        let port_bytes = self.port_bytes.unwrap_or(default.port_bytes());
        let config = ArrayConfig::new(rows, cols, default.memories().clone())?
            .with_port_bytes(port_bytes)?;
        let same = (rows, cols) == (default.rows(), default.cols());
        let same_cols = cols == default.cols();
        let mask_columns = self.mask_columns.or(same_cols.then_some(default.mask_columns()));
        let config = config.with_mask_columns(mask_columns.unwrap_or(cols))?;
        match self.lanes.or(same.then_some(default.lanes())) {
            Some(lanes) => config.with_lanes(lanes),
            None => Ok(config),
        }
    }

    /// The default array with what is given here, and other memories.
    ///
    /// # Errors
    /// Sizes outside the limits.
    pub fn config_with(&self, memories: Memories) -> Result<ArrayConfig, ConfigError> {
        self.config(&ArrayConfig::default())?.with_memories(memories)
    }
}

/// Which images.
#[derive(Clone, Debug, Default)]
pub enum ImageChoice {
    /// What suits the network: simulated chips where it has their classes, a case's random images, else random ones.
    #[default]
    Suitable,
    /// Data that the network's own pre-processing makes int8.
    Data {
        /// `sar-sim`, a folder of class folders (its `test`, if it has one), CIFAR files, images without labels.
        source: String,
        /// The band of images that have several; by default the one that the network was trained on.
        band: Option<Band>,
    },
    /// A file of raw int8 bytes, one image after another, rows of interleaved channels.
    Int8(PathBuf),
    /// int8 images, rows of interleaved channels.
    Given(Vec<Vec<i8>>),
}

/// What is run on what.
#[derive(Clone, Debug, Default)]
pub struct WorkloadOptions {
    /// The network.
    pub network: NetworkChoice,
    /// What it is run on.
    pub images: ImageChoice,
    /// The array.
    pub array: ArraySizes,
    /// Make every memory just as deep as the network needs, in the dense schedule too where that fits.
    pub fit: bool,
}

impl WorkloadOptions {
    /// What a run reads: none of its results goes there.
    ///
    /// # Errors
    /// `TWOFOLD_ROOT` names no checkout.
    pub fn inputs(&self) -> Result<Vec<PathBuf>, FlowError> {
        let mut inputs = self.network.inputs()?;
        if let NetworkChoice::Path(path) = &self.network {
            inputs.push(TrainedImages::path(path));
        }
        match &self.images {
            ImageChoice::Int8(path) => inputs.push(path.clone()),
            ImageChoice::Data { source, .. } if source != Source::SAR_SIM => {
                inputs.push(PathBuf::from(source));
            }
            _ => {}
        }
        Ok(inputs)
    }
}
