//! The files of `tests/cases`: what to build and on which array to run it.

use std::io;
use std::path::{Path, PathBuf};

use codegen::{Options, Schedule};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use spec::files::{Limit, read_text};
use spec::{ArrayConfig, ConfigError, Memories, Pattern, QuantNetwork};

use super::{Shortcut, Topology};

/// A case.
const CASE: Limit = Limit::new("a case", 1 << 20);

/// A network with random weights, images and an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the case is for.
    pub description: String,
    /// Which network.
    pub network: Topology,
    /// How it is pruned.
    pub sparsity: Pattern,
    /// Output channels that share a position under `uhp-shared`.
    #[serde(default = "sixteen")]
    pub group: usize,
    /// How residual blocks change size.
    #[serde(default)]
    pub shortcut: Shortcut,
    /// Which passes are run.
    #[serde(default)]
    pub schedule: Schedule,
    /// Of weights and images.
    pub seed: u64,
    /// Images to run.
    pub n_images: usize,
    /// Rows of the array.
    #[serde(default = "eight")]
    pub rows: usize,
    /// Columns of the array.
    #[serde(default = "sixteen")]
    pub cols: usize,
    /// Output channels drained a cycle; what suits rows and columns by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lanes: Option<usize>,
    /// Bytes that its input port takes a cycle.
    #[serde(default = "default_port_bytes")]
    pub port_bytes: usize,
    /// Columns that share a mask; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_columns: Option<usize>,
    /// Depths of its memories.
    #[serde(default)]
    pub memories: Memories,
}

fn eight() -> usize {
    8
}

fn sixteen() -> usize {
    16
}

fn default_port_bytes() -> usize {
    ArrayConfig::DEFAULT_PORT_BYTES
}

/// A case that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// No such file.
    #[error("case {name:?}: {path} does not exist; help: choose one of {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// Where it should be.
        path: String,
        /// The names there are.
        known: String,
    },
    /// A file that cannot be read.
    #[error("{path}: {source}; help: check that the file exists and may be read")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Not a case.
    #[error("{path}: {source}; help: compare with the other files of tests/cases")]
    Format {
        /// The file.
        path: String,
        /// What the parser says.
        source: serde_json::Error,
    },
}

impl Case {
    /// Reads `folder/name.json`.
    ///
    /// # Errors
    /// A file that is not there, cannot be read, or holds something else.
    pub fn read(folder: &Path, name: &str) -> Result<Self, CaseError> {
        let path = folder.join(format!("{name}.json"));
        let known = Self::names(folder)?;
        if !known.iter().any(|known| known == name) {
            let path = path.display().to_string();
            return Err(CaseError::Unknown {
                name: name.to_owned(),
                path,
                known: known.join(", "),
            });
        }
        let path_name = || path.display().to_string();
        let text = read_text(&path, CASE)
            .map_err(|source| CaseError::Read { path: path_name(), source })?;
        serde_json::from_str(&text)
            .map_err(|source| CaseError::Format { path: path_name(), source })
    }

    /// The names of the cases of a folder, sorted.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn names(folder: &Path) -> Result<Vec<String>, CaseError> {
        let read = || -> io::Result<Vec<PathBuf>> {
            std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
        };
        let paths = read()
            .map_err(|source| CaseError::Read { path: folder.display().to_string(), source })?;
        let files = paths
            .iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let mut names: Vec<String> =
            files.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
        names.sort();
        Ok(names)
    }

    /// The network.
    pub fn build(&self) -> QuantNetwork {
        self.network.network(self.sparsity, self.group, self.shortcut, self.seed)
    }

    /// The array.
    ///
    /// # Errors
    /// A size that the accelerator cannot have.
    pub fn config(&self) -> Result<ArrayConfig, ConfigError> {
        let config = ArrayConfig::new(self.rows, self.cols, self.memories.clone())?
            .with_port_bytes(self.port_bytes)?
            .with_mask_columns(self.mask_columns.unwrap_or(self.cols))?;
        match self.lanes {
            Some(lanes) => config.with_lanes(lanes),
            None => Ok(config),
        }
    }

    /// Options for codegen.
    pub fn options(&self) -> Options {
        Options { schedule: self.schedule }
    }

    /// Images of uniform int8 noise, each `[height, width, channels]` of the network's input.
    pub fn images(&self, network: &QuantNetwork) -> Vec<Vec<i8>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0x6d_61_67_65);
        let n_bytes = network.input.n_bytes();
        (0..self.n_images).map(|_| (0..n_bytes).map(|_| rng.random()).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::run_reference;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases")
    }

    #[test]
    fn every_case_is_a_valid_network_that_fits_its_array() {
        let names = Case::names(&folder()).unwrap();
        assert!(names.len() >= 8, "{names:?}");
        for name in names {
            let case = Case::read(&folder(), &name).unwrap();
            let network = case.build();
            assert_eq!(network.validate(), Ok(()), "{name}");
            let report = codegen::check(&network, &case.config().unwrap(), &case.options());
            assert_eq!(report.problems, [], "{name}");
        }
    }

    #[test]
    fn activations_neither_vanish_nor_saturate() {
        for name in ["resnet20-uhp", "resnet20-dense-conv-shortcut", "s2d-uhp", "toy-uhp"] {
            let case = Case::read(&folder(), name).unwrap();
            let network = case.build();
            let inference = run_reference(&network, &case.images(&network)[0]).unwrap();
            for (layer, output) in network.layers.iter().zip(&inference.layers) {
                let Some(map) = output.map() else { continue };
                let n = map.len() as f64;
                let saturated =
                    map.iter().filter(|value| **value == 127 || **value == -128).count() as f64;
                let large = map.iter().filter(|value| value.unsigned_abs() > 10).count() as f64;
                assert!(saturated < 0.1 * n, "{name}, {}: {saturated} of {n} saturate", layer.name);
                assert!(large > 0.2 * n, "{name}, {}: {large} of {n} are above 10", layer.name);
            }
        }
    }

    #[test]
    fn an_unknown_case_names_the_known_ones() {
        let error = Case::read(&folder(), "resnet21").unwrap_err().to_string();
        assert!(error.contains("resnet21") && error.contains("resnet20-uhp, "), "{error}");
    }
}
