//! The two files of a network: JSON for the structure, safetensors for the tensors. See docs/network.md.

use std::collections::BTreeMap;

use ndarray::{Array1, Array4};
use safetensors::tensor::{Dtype, TensorView};
use serde::Serialize;
use serde_json::Value;

use super::draft::{Draft, FORMAT, FORMAT_VERSION, INPUT};
use super::error::NetworkError;
use super::layers::{Conv, InputSpec, Layer, Op, QuantNetwork, TensorRef};
use super::preprocess::Preprocess;
use super::rules::check;
use super::sparsity::Sparsity;
use super::tensors::attach;
use crate::digest::hex_digest;

#[derive(Serialize)]
struct NetworkFile {
    format: String,
    format_version: u64,
    name: String,
    tensors: String,
    tensors_sha256: String,
    input: InputFile,
    classes: Vec<String>,
    layers: Vec<LayerFile>,
    provenance: Value,
}

#[derive(Serialize)]
struct InputFile {
    height: usize,
    width: usize,
    channels: usize,
    space_to_depth: usize,
    scale: f64,
    preprocess: Option<Preprocess>,
}

#[derive(Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum LayerFile {
    Conv {
        name: String,
        input: String,
        stride: usize,
        padding: [usize; 4],
        relu: bool,
        max_pool: bool,
        residual: Option<ResidualFile>,
        sparsity: Sparsity,
        scale: f64,
    },
    GlobalAveragePool {
        name: String,
        input: String,
        relu: bool,
        scale: f64,
    },
    FullyConnected {
        name: String,
        input: String,
        relu: bool,
        sparsity: Sparsity,
        scale: f64,
    },
}

#[derive(Serialize)]
struct ResidualFile {
    from: String,
    stride: usize,
}

impl QuantNetwork {
    /// Reads a network from the text of its JSON file and the bytes of its tensor file, and validates it.
    ///
    /// # Errors
    /// Every problem at once. Only what cannot be understood hides what is behind it: text that is no JSON, another
    /// format, and a tensor file that is damaged or of another export, whose tensors are then left out.
    pub fn from_parts(json: &str, tensors: &[u8]) -> Result<Self, Vec<NetworkError>> {
        let (mut draft, mut errors) = Draft::read(json).map_err(|error| vec![error])?;
        let found = hex_digest(tensors);
        match draft.tensors_sha256.clone() {
            Some(expected) if found != expected => {
                errors.push(NetworkError::Checksum { expected, found });
            }
            _ => errors.extend(attach(&mut draft, tensors)),
        }
        errors.extend(check(&draft.view()));
        match draft.into_network() {
            Some(network) if errors.is_empty() => Ok(network),
            // Each part that is not known was reported.
            _ => Err(errors),
        }
    }

    /// The text of the JSON file and the bytes of the tensor file, which the JSON calls `weights.safetensors`.
    pub fn to_parts(&self) -> (String, Vec<u8>) {
        self.to_named_parts("weights.safetensors")
    }

    /// [`Self::to_parts`] with another name for the tensor file.
    pub fn to_named_parts(&self, tensor_file: &str) -> (String, Vec<u8>) {
        let bytes = self.tensor_bytes();
        let InputSpec { height, width, channels, space_to_depth, scale, ref preprocess } =
            self.input;
        let file = NetworkFile {
            format: FORMAT.to_owned(),
            format_version: FORMAT_VERSION,
            name: self.name.clone(),
            tensors: tensor_file.to_owned(),
            tensors_sha256: hex_digest(&bytes),
            input: InputFile {
                height,
                width,
                channels,
                space_to_depth,
                scale,
                preprocess: preprocess.clone(),
            },
            classes: self.classes.clone(),
            layers: self.layers.iter().map(|layer| self.layer_file(layer)).collect(),
            provenance: self.provenance.clone(),
        };
        let mut json = serde_json::to_string_pretty(&file).expect("keys are strings");
        json.push('\n');
        (json, bytes)
    }

    /// The name of a map in the network file: `input` or that of a layer.
    pub fn tensor_name(&self, tensor: TensorRef) -> &str {
        match tensor {
            TensorRef::Input => INPUT,
            TensorRef::Layer(index) => self.layers.get(index).map_or("?", |layer| &layer.name),
        }
    }

    fn layer_file(&self, layer: &Layer) -> LayerFile {
        let (name, input) = (layer.name.clone(), self.tensor_name(layer.input).to_owned());
        let (relu, scale) = (layer.relu, layer.scale);
        match &layer.op {
            Op::Conv(conv) => LayerFile::Conv {
                name,
                input,
                stride: conv.stride,
                padding: conv.padding,
                relu,
                max_pool: conv.max_pool,
                residual: conv.residual.as_ref().map(|residual| ResidualFile {
                    from: self.tensor_name(residual.from).to_owned(),
                    stride: residual.stride,
                }),
                sparsity: conv.sparsity,
                scale,
            },
            Op::GlobalAveragePool => LayerFile::GlobalAveragePool { name, input, relu, scale },
            Op::FullyConnected(fc) => {
                LayerFile::FullyConnected { name, input, relu, sparsity: fc.sparsity, scale }
            }
        }
    }

    fn tensor_bytes(&self) -> Vec<u8> {
        let mut tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)> = BTreeMap::new();
        for layer in &self.layers {
            let mut vector = |suffix: &str, values: &Array1<i32>| {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                tensors.insert(
                    format!("{}.{suffix}", layer.name),
                    (Dtype::I32, vec![values.len()], bytes),
                );
            };
            vector("bias", &layer.requantize.bias);
            vector("multiplier", &layer.requantize.multiplier);
            vector("shift", &layer.requantize.shift);
            if let Op::Conv(Conv { residual: Some(residual), .. }) = &layer.op {
                vector("residual_multiplier", &residual.multiplier);
            }
            if let Some(weight) = layer.op.weight() {
                let bytes = weight.iter().map(|weight| *weight as u8).collect();
                tensors.insert(
                    format!("{}.weight", layer.name),
                    (Dtype::I8, weight.shape().to_vec(), bytes),
                );
            }
        }
        let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
            (
                name,
                TensorView::new(*dtype, shape.clone(), bytes)
                    .expect("shape and bytes come from one array"),
            )
        });
        safetensors::serialize(views, None).expect("views are consistent")
    }
}

impl Op {
    /// `[out_channels, kernel_height, kernel_width, in_channels]`, `None` for a pool.
    pub fn weight(&self) -> Option<&Array4<i8>> {
        match self {
            Self::Conv(conv) => Some(&conv.weight),
            Self::FullyConnected(fc) => Some(&fc.weight),
            Self::GlobalAveragePool => None,
        }
    }

    /// How its weights were pruned, `None` for a pool.
    pub fn sparsity(&self) -> Option<Sparsity> {
        match self {
            Self::Conv(conv) => Some(conv.sparsity),
            Self::FullyConnected(fc) => Some(fc.sparsity),
            Self::GlobalAveragePool => None,
        }
    }
}

/// The name of the tensor file in the text of a JSON file.
///
/// # Errors
/// Every problem that can be seen without the tensors, if there is no name of a file beside it.
pub(crate) fn tensor_file_name(json: &str) -> Result<String, Vec<NetworkError>> {
    let (draft, mut errors) = Draft::read(json).map_err(|error| vec![error])?;
    if let Some(name) = &draft.tensors {
        let plain = !name.is_empty()
            && name != "."
            && name != ".."
            && !name.contains(['/', '\\', ':', '\0']);
        if plain {
            return Ok(name.clone());
        }
        errors.push(NetworkError::TensorFileName { found: name.clone() });
    }
    errors.extend(check(&draft.view()));
    Err(errors)
}

/// Every problem of a JSON file that can be seen without its tensors.
pub(crate) fn structure_errors(json: &str) -> Vec<NetworkError> {
    match Draft::read(json) {
        Ok((draft, mut errors)) => {
            errors.extend(check(&draft.view()));
            errors
        }
        Err(error) => vec![error],
    }
}
