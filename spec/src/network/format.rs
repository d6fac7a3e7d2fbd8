//! The two files of a network: JSON for the structure, safetensors for the tensors. See docs/network.md.

use std::collections::BTreeMap;

use ndarray::{Array1, Array4};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    Conv, FullyConnected, InputSpec, Layer, NetworkError, Op, QuantNetwork, Requantize, Residual,
    TensorRef,
};
use crate::{Preprocess, Sparsity};

const FORMAT: &str = "twofold-network";
const FORMAT_VERSION: u64 = 1;
const INPUT: &str = "input";

#[derive(Deserialize)]
struct Header {
    format: String,
    format_version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputFile {
    height: usize,
    width: usize,
    channels: usize,
    space_to_depth: usize,
    scale: f64,
    preprocess: Option<Preprocess>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResidualFile {
    from: String,
    stride: usize,
}

impl QuantNetwork {
    /// Reads a network from the text of its JSON file and the bytes of its tensor file, and validates it.
    ///
    /// # Errors
    /// Every problem that can be seen at once: a file that cannot be read hides those behind it.
    pub fn from_parts(json: &str, tensors: &[u8]) -> Result<Self, Vec<NetworkError>> {
        let file = parse_json(json).map_err(|error| vec![error])?;
        let found = hex_digest(tensors);
        if found != file.tensors_sha256 {
            return Err(vec![NetworkError::Checksum { expected: file.tensors_sha256, found }]);
        }
        let mut reader = Reader::open(tensors).map_err(|error| vec![error])?;
        let names: Vec<String> = file.layers.iter().map(|layer| layer.name().to_owned()).collect();
        let layers: Vec<Option<Layer>> = file
            .layers
            .into_iter()
            .enumerate()
            .map(|(index, layer)| reader.layer(layer, &names[..index]))
            .collect();
        let mut errors = reader.finish();
        let InputFile { height, width, channels, space_to_depth, scale, preprocess } = file.input;
        let network = Self {
            name: file.name,
            input: InputSpec { height, width, channels, space_to_depth, scale, preprocess },
            classes: file.classes,
            layers: layers.iter().flatten().cloned().collect(),
            provenance: file.provenance,
        };
        if network.layers.len() == layers.len() {
            errors.extend(network.validate().err().into_iter().flatten());
        }
        if errors.is_empty() { Ok(network) } else { Err(errors) }
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
/// A text that is not of the format, or a name that is not that of a file beside it.
pub(crate) fn tensor_file_name(json: &str) -> Result<String, NetworkError> {
    let name = parse_json(json)?.tensors;
    let plain =
        !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', ':', '\0']);
    if plain { Ok(name) } else { Err(NetworkError::TensorFileName { found: name }) }
}

fn parse_json(json: &str) -> Result<NetworkFile, NetworkError> {
    let message = |error: serde_json::Error| NetworkError::Json { message: error.to_string() };
    let header: Header = serde_json::from_str(json).map_err(message)?;
    if header.format != FORMAT {
        return Err(NetworkError::Format { found: header.format });
    }
    if header.format_version != FORMAT_VERSION {
        return Err(NetworkError::FormatVersion {
            found: header.format_version,
            supported: FORMAT_VERSION,
        });
    }
    serde_json::from_str(json).map_err(message)
}

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl LayerFile {
    fn name(&self) -> &str {
        match self {
            Self::Conv { name, .. }
            | Self::GlobalAveragePool { name, .. }
            | Self::FullyConnected { name, .. } => name,
        }
    }
}

/// Takes tensors out of a container and collects what is wrong with them.
struct Reader<'data> {
    tensors: BTreeMap<String, TensorView<'data>>,
    errors: Vec<NetworkError>,
}

impl<'data> Reader<'data> {
    fn open(bytes: &'data [u8]) -> Result<Self, NetworkError> {
        let container = SafeTensors::deserialize(bytes)
            .map_err(|error| NetworkError::Container { message: error.to_string() })?;
        Ok(Self { tensors: container.tensors().into_iter().collect(), errors: Vec::new() })
    }

    fn finish(mut self) -> Vec<NetworkError> {
        self.errors
            .extend(self.tensors.into_keys().map(|tensor| NetworkError::ExtraTensor { tensor }));
        self.errors
    }

    fn take(
        &mut self,
        tensor: String,
        dtype: Dtype,
        axes: &'static str,
    ) -> Option<TensorView<'data>> {
        let Some(view) = self.tensors.remove(&tensor) else {
            self.errors.push(NetworkError::MissingTensor { tensor });
            return None;
        };
        if view.dtype() != dtype {
            let expected = if dtype == Dtype::I8 { "I8" } else { "I32" };
            self.errors.push(NetworkError::TensorType {
                tensor,
                expected,
                found: format!("{:?}", view.dtype()),
            });
            return None;
        }
        if view.shape().len() != axes.split(", ").count() {
            self.errors.push(NetworkError::TensorRank {
                tensor,
                expected: axes,
                found: view.shape().to_vec(),
            });
            return None;
        }
        Some(view)
    }

    fn vector(&mut self, layer: &str, suffix: &str) -> Option<Array1<i32>> {
        let view = self.take(format!("{layer}.{suffix}"), Dtype::I32, "[out_channels]")?;
        let (words, _) = view.data().as_chunks::<4>();
        Some(words.iter().map(|word| i32::from_le_bytes(*word)).collect())
    }

    fn weight(&mut self, layer: &str) -> Option<Array4<i8>> {
        let view = self.take(
            format!("{layer}.weight"),
            Dtype::I8,
            "[out_channels, kernel_height, kernel_width, in_channels]",
        )?;
        let &[n, height, width, channels] = view.shape() else {
            unreachable!("the rank was checked")
        };
        let values = view.data().iter().map(|byte| *byte as i8).collect();
        Some(
            Array4::from_shape_vec((n, height, width, channels), values)
                .expect("the container checked the length"),
        )
    }

    fn reference(
        &mut self,
        layer: &str,
        field: &'static str,
        found: &str,
        earlier: &[String],
    ) -> Option<TensorRef> {
        if found == INPUT {
            return Some(TensorRef::Input);
        }
        let index = earlier.iter().position(|name| name == found);
        if index.is_none() {
            self.errors.push(NetworkError::Reference {
                layer: layer.to_owned(),
                field,
                found: found.to_owned(),
            });
        }
        index.map(TensorRef::Layer)
    }

    /// A layer whose references and tensors are all there; takes all its tensors either way.
    fn layer(&mut self, file: LayerFile, earlier: &[String]) -> Option<Layer> {
        let name = file.name().to_owned();
        let bias = self.vector(&name, "bias");
        let multiplier = self.vector(&name, "multiplier");
        let shift = self.vector(&name, "shift");
        let (input, relu, scale, op) = match file {
            LayerFile::Conv {
                input,
                stride,
                padding,
                relu,
                max_pool,
                residual,
                sparsity,
                scale,
                ..
            } => {
                let weight = self.weight(&name);
                let residual = match residual {
                    None => Some(None),
                    Some(ResidualFile { from, stride }) => {
                        let multiplier = self.vector(&name, "residual_multiplier");
                        let from = self.reference(&name, "residual.from", &from, earlier);
                        from.zip(multiplier)
                            .map(|(from, multiplier)| Some(Residual { from, stride, multiplier }))
                    }
                };
                let op = weight.zip(residual).map(|(weight, residual)| {
                    Op::Conv(Conv { weight, stride, padding, sparsity, residual, max_pool })
                });
                (input, relu, scale, op)
            }
            LayerFile::GlobalAveragePool { input, relu, scale, .. } => {
                (input, relu, scale, Some(Op::GlobalAveragePool))
            }
            LayerFile::FullyConnected { input, relu, sparsity, scale, .. } => {
                let op = self
                    .weight(&name)
                    .map(|weight| Op::FullyConnected(FullyConnected { weight, sparsity }));
                (input, relu, scale, op)
            }
        };
        let input = self.reference(&name, "input", &input, earlier);
        let requantize = Requantize { bias: bias?, multiplier: multiplier?, shift: shift? };
        Some(Layer { name, input: input?, op: op?, requantize, relu, scale })
    }
}
