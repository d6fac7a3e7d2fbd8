//! Images of a run, preprocessed when they are asked for.

use std::path::Path;

use dataset::{Candidates, RunSet, Trained, TrainedImages, preprocess};
use spec::files::{Limit, read_regular};
use spec::{Preprocess, QuantNetwork};

use crate::error::FlowError;
use crate::shown::shown_file;

/// A file of int8 images.
const INT8: Limit = Limit::new("a file of int8 images", 4 << 30);

/// Images with or without labels.
#[derive(Debug)]
pub(crate) enum Images {
    /// Chips and how they become int8.
    Chips {
        /// Labels, if there are any, are the network's classes.
        run: RunSet,
        /// From the network.
        preprocess: Preprocess,
    },
    /// int8 values without labels.
    Int8 {
        /// One a network input.
        images: Vec<Vec<i8>>,
        /// For the report.
        description: String,
    },
}

impl Images {
    /// What a network is run on of some chips: at most `n_images`, spread evenly.
    pub(crate) fn chips(
        network: &QuantNetwork,
        trained_images: Option<&TrainedImages>,
        candidates: Candidates,
        n_images: Option<usize>,
    ) -> Result<Self, FlowError> {
        let Some(preprocess) = network.input.preprocess.clone() else {
            return Err(FlowError::NoPreprocess { network: network.name.clone() });
        };
        let trained = Trained {
            classes: &network.classes,
            split_seed: network.split_seed(),
            images: trained_images,
        };
        Ok(Self::Chips { run: candidates.choose(&trained, n_images)?, preprocess })
    }

    /// Random images.
    pub(crate) fn noise(images: Vec<Vec<i8>>) -> Self {
        Self::Int8 { images, description: "random int8 images".to_owned() }
    }

    /// int8 images that the caller brings.
    pub(crate) fn given(images: Vec<Vec<i8>>) -> Self {
        Self::Int8 { images, description: "int8 images".to_owned() }
    }

    /// The first `n_images` images, or all, of a file of raw int8 bytes.
    pub(crate) fn int8(
        network: &QuantNetwork,
        path: &Path,
        n_images: Option<usize>,
    ) -> Result<Self, FlowError> {
        let bytes = read_regular(path, INT8)
            .map_err(|reason| FlowError::Int8 { path: path.to_owned(), reason })?;
        let n_bytes = network.input.n_bytes();
        if bytes.is_empty() || !bytes.len().is_multiple_of(n_bytes) {
            return Err(FlowError::Int8Size {
                path: path.to_owned(),
                n_bytes: bytes.len(),
                network: network.name.clone(),
                expected: n_bytes,
            });
        }
        let images = bytes.chunks_exact(n_bytes).take(n_images.unwrap_or(usize::MAX));
        let images = images.map(|image| image.iter().map(|byte| byte.cast_signed()).collect());
        Ok(Self::Int8 { images: images.collect(), description: shown_file(path) })
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Chips { run, .. } => run.set.samples.len(),
            Self::Int8 { images, .. } => images.len(),
        }
    }

    /// The int8 input of one image.
    pub(crate) fn get(&self, index: usize) -> Vec<i8> {
        match self {
            Self::Chips { run, preprocess } => {
                preprocess::apply(preprocess, &run.set.samples[index].chip)
            }
            Self::Int8 { images, .. } => images[index].clone(),
        }
    }

    /// Its name.
    pub(crate) fn name(&self, index: usize) -> String {
        match self {
            Self::Chips { run, .. } => run.set.samples[index].name.clone(),
            Self::Int8 { description, .. } => format!("{description}, {index}"),
        }
    }

    /// Its class, if it is known.
    pub(crate) fn label(&self, index: usize) -> Option<usize> {
        match self {
            Self::Chips { run, .. } => run.set.label(index),
            Self::Int8 { .. } => None,
        }
    }

    /// How many of them the network was trained on, where that is known.
    pub(crate) fn n_trained(&self) -> Option<usize> {
        match self {
            Self::Chips { run, .. } => run.n_trained,
            Self::Int8 { .. } => None,
        }
    }

    /// What they are, for the report.
    pub(crate) fn description(&self) -> String {
        match self {
            Self::Chips { run, .. } => run.label(),
            Self::Int8 { description, .. } => description.clone(),
        }
    }

    /// What the user is told before a run.
    pub(crate) fn announcement(&self) -> Option<String> {
        match self {
            Self::Chips { run, .. } => Some(run.to_string()),
            Self::Int8 { .. } => None,
        }
    }
}
