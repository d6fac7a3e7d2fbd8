//! Images of a run, preprocessed when they are asked for.

use std::path::Path;

use dataset::{Candidates, RunSet, Trained, TrainedImages, preprocess};
use ndarray::ArrayViewD;
use ndarray_npy::{ViewNpyError, ViewNpyExt};
use spec::files::{Limit, read_regular};
use spec::{Preprocess, QuantNetwork};

use crate::error::FlowError;
use crate::shown::shown_file;

/// A file of int8 images.
const INT8: Limit = Limit::new("a file of int8 images", 4 << 30);

/// How a NumPy array begins.
const NUMPY: &[u8] = b"\x93NUMPY";

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

    /// The first `n_images` images, or all, of a file of raw int8 bytes, or of a NumPy array of int8 or of real values.
    pub(crate) fn int8(
        network: &QuantNetwork,
        path: &Path,
        n_images: Option<usize>,
    ) -> Result<Self, FlowError> {
        let bytes = read_regular(path, INT8)
            .map_err(|reason| FlowError::Int8 { path: path.to_owned(), reason })?;
        let values = if bytes.starts_with(NUMPY) {
            array(network, path, &bytes)?
        } else {
            bytes.into_iter().map(u8::cast_signed).collect()
        };
        let n_bytes = network.input.n_bytes();
        if values.is_empty() || !values.len().is_multiple_of(n_bytes) {
            return Err(FlowError::Int8Size {
                path: path.to_owned(),
                n_bytes: values.len(),
                network: network.name.clone(),
                expected: n_bytes,
            });
        }
        let images = values.chunks_exact(n_bytes).take(n_images.unwrap_or(usize::MAX));
        let images = images.map(<[i8]>::to_vec).collect();
        Ok(Self::Int8 { images, description: shown_file(path) })
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

/// The values of an array in the order of its axes. Real ones are quantized by the input's scale and zero point, halves to even.
fn array(network: &QuantNetwork, path: &Path, bytes: &[u8]) -> Result<Vec<i8>, FlowError> {
    let refused = |reason| FlowError::Array { path: path.to_owned(), reason };
    match ArrayViewD::<i8>::view_npy(bytes) {
        Ok(values) => {
            check_shape(network, path, values.shape())?;
            Ok(values.iter().copied().collect())
        }
        Err(ViewNpyError::WrongDescriptor(_)) => {
            let values = ArrayViewD::<f32>::view_npy(bytes).map_err(refused)?;
            check_shape(network, path, values.shape())?;
            if values.iter().any(|value| value.is_nan()) {
                return Err(FlowError::NotANumber { path: path.to_owned() });
            }
            let (scale, zero_point) = (network.input.scale, f64::from(network.input.zero_point));
            let quantized = |value: &f32| {
                let value = (f64::from(*value) / scale).round_ties_even() + zero_point;
                value.clamp(-128.0, 127.0) as i8
            };
            Ok(values.iter().map(quantized).collect())
        }
        Err(error) => Err(refused(error)),
    }
}

/// `[n, height, width, channels]`, or one image without `n`; axes of one entry may be missing.
fn check_shape(network: &QuantNetwork, path: &Path, shape: &[usize]) -> Result<(), FlowError> {
    let input = &network.input;
    let expected = [input.height, input.width, input.channels];
    let long = |axes: &[usize]| axes.iter().copied().filter(|n| *n != 1).collect::<Vec<_>>();
    let fits =
        long(shape).ends_with(&long(&expected)) && long(shape).len() <= long(&expected).len() + 1;
    if fits {
        return Ok(());
    }
    Err(FlowError::ArrayShape { path: path.to_owned(), found: shape.to_vec(), expected })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, Array2, Dimension, ShapeBuilder};
    use ndarray_npy::{WritableElement, WriteNpyExt};

    use super::*;
    use crate::cases::Case;

    fn network() -> QuantNetwork {
        let json = r#"{"description": "", "network": "tiny", "sparsity": "dense", "seed": 1, "n_images": 1, "rows": 2, "cols": 2}"#;
        let case: Case = serde_json::from_str(json).unwrap();
        let mut network = case.build();
        (network.input.scale, network.input.zero_point) = (0.5, 3);
        network
    }

    fn npy<T: WritableElement, D: Dimension>(array: &Array<T, D>) -> Vec<u8> {
        let mut bytes = Vec::new();
        array.write_npy(&mut bytes).unwrap();
        bytes
    }

    /// One whose input has so many rows, columns and channels.
    fn taking([height, width, channels]: [usize; 3]) -> QuantNetwork {
        let mut network = network();
        (network.input.height, network.input.width, network.input.channels) =
            (height, width, channels);
        network
    }

    fn read(network: &QuantNetwork, bytes: &[u8]) -> Result<Vec<i8>, FlowError> {
        array(network, Path::new("images.npy"), bytes)
    }

    #[test]
    fn arrays_are_read_in_the_order_of_their_axes() {
        let int8 = Array2::from_shape_fn((2, 3), |(y, x)| (10 * y + x) as i8 - 5);
        let network = taking([1, 2, 3]);
        assert_eq!(read(&network, &npy(&int8)).unwrap(), [-5, -4, -3, 5, 6, 7]);
        let mut by_column = Array2::zeros((2, 3).f());
        by_column.assign(&int8);
        assert_eq!(read(&network, &npy(&by_column)).unwrap(), [-5, -4, -3, 5, 6, 7]);
        let real = Array::from_vec(vec![0.0f32, 0.5, 0.25, 0.75, -0.25, 1e9, f32::NEG_INFINITY]);
        let values = read(&taking([1, 1, 7]), &npy(&real)).unwrap();
        assert_eq!(values, [3, 4, 3, 5, 3, 127, -128]);
    }

    #[test]
    fn axes_are_those_of_images() {
        let network = taking([4, 4, 3]);
        for (fits, shape) in [
            (true, vec![4, 4, 3]),
            (true, vec![2, 4, 4, 3]),
            (true, vec![1, 4, 4, 3]),
            (false, vec![3, 4, 4]),
            (false, vec![2, 3, 4, 4]),
            (false, vec![48]),
            (false, vec![2, 48]),
            (false, vec![2, 2, 4, 4, 3]),
        ] {
            let zeros = npy(&Array::<i8, _>::zeros(shape.clone()));
            assert_eq!(read(&network, &zeros).is_ok(), fits, "{shape:?}");
        }
        assert!(read(&taking([1, 1, 5]), &npy(&Array::<i8, _>::zeros(vec![3, 5]))).is_ok());
    }

    #[test]
    fn other_arrays_are_refused() {
        let network = taking([1, 1, 2]);
        let bytes = npy(&Array::from_vec(vec![1i64, 2]));
        let reason = read(&network, &bytes).unwrap_err();
        assert!(matches!(
            reason,
            FlowError::Array { reason: ViewNpyError::WrongDescriptor(_), .. }
        ));
        let bytes = npy(&Array::from_vec(vec![1i8; 2]));
        assert!(read(&network, &bytes[..bytes.len() - 1]).is_err());
        let bytes = npy(&Array::from_vec(vec![1.0, f32::NAN]));
        assert!(matches!(read(&network, &bytes).unwrap_err(), FlowError::NotANumber { .. }));
    }
}
