//! Images of a run, preprocessed when they are asked for.

use anyhow::{Result, bail};
use dataset::{ImageSet, preprocess};
use spec::{Preprocess, QuantNetwork};

/// Images with or without labels.
pub(crate) enum Images {
    /// Labeled chips and how they become int8.
    Chips {
        /// Labels are the network's classes.
        set: ImageSet,
        /// From the network.
        preprocess: Preprocess,
        /// For the report.
        name: String,
    },
    /// int8 values without meaning.
    Noise(Vec<Vec<i8>>),
}

impl Images {
    /// At most `n_images` chips, spread over the set.
    pub(crate) fn chips(
        network: &QuantNetwork,
        set: ImageSet,
        name: &str,
        n_images: Option<usize>,
    ) -> Result<Self> {
        let Some(preprocess) = network.input.preprocess.clone() else {
            bail!(
                "network {:?} does not say how images are preprocessed; help: choose a network with `preprocess`, \
                 or run it on random images without --data",
                network.name
            );
        };
        let set = set.relabel(&network.classes, name)?;
        let set = n_images.map_or(set.clone(), |n_images| set.spread(n_images));
        if set.samples.is_empty() {
            bail!("{name}: no test images; help: choose a folder with images");
        }
        Ok(Self::Chips { set, preprocess, name: name.to_owned() })
    }

    /// Unlabeled images.
    pub(crate) fn noise(images: Vec<Vec<i8>>) -> Self {
        Self::Noise(images)
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Chips { set, .. } => set.samples.len(),
            Self::Noise(images) => images.len(),
        }
    }

    /// The int8 input of one image.
    pub(crate) fn get(&self, index: usize) -> Vec<i8> {
        match self {
            Self::Chips { set, preprocess, .. } => {
                preprocess::apply(preprocess, &set.samples[index].chip)
            }
            Self::Noise(images) => images[index].clone(),
        }
    }

    /// Its class, if it is known.
    pub(crate) fn label(&self, index: usize) -> Option<usize> {
        match self {
            Self::Chips { set, .. } => Some(set.samples[index].label),
            Self::Noise(_) => None,
        }
    }

    /// What they are, for the report.
    pub(crate) fn description(&self) -> String {
        match self {
            Self::Chips { name, .. } => format!("{name}, test"),
            Self::Noise(_) => "random int8 images".to_owned(),
        }
    }
}
