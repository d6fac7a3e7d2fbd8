//! Writes the two files of a network, in the oldest version of the format that can say it.

use std::collections::BTreeMap;

use ndarray::Array1;
use safetensors::tensor::{Dtype, TensorView};
use serde::Serialize;
use serde_json::Value;

use super::draft::{FORMAT, INPUT};
use super::layers::{InputSpec, Layer, Op, QuantNetwork, Requantize, TensorRef};
use super::preprocess::Preprocess;
use super::quant::{Bounds, Rounding};
use super::shapes::kernel_of;
use super::sparsity::Sparsity;
use super::version::Version;
use crate::digest::hex_digest;

/// Keys in their order; those that a version or an operation does not have are left out.
#[derive(Serialize)]
struct NetworkFile<'a> {
    format: &'static str,
    format_version: u64,
    name: &'a str,
    tensors: &'a str,
    tensors_sha256: String,
    input: InputFile<'a>,
    classes: Option<&'a [String]>,
    layers: Vec<LayerFile<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outputs: Option<Vec<&'a str>>,
    provenance: &'a Value,
}

#[derive(Serialize)]
struct InputFile<'a> {
    height: usize,
    width: usize,
    channels: usize,
    space_to_depth: usize,
    scale: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    zero_point: Option<i8>,
    preprocess: &'a Option<Preprocess>,
}

#[derive(Serialize)]
struct LayerFile<'a> {
    op: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<[usize; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stride: Option<Stride>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dilation: Option<[usize; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    padding: Option<[usize; 4]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relu: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_pool: Option<bool>,
    /// `Some(None)` of a convolution without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    residual: Option<Option<ResidualFile<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sparsity: Option<Sparsity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rounding: Option<Rounding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zero_point: Option<i8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<i16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<i16>,
    scale: f64,
}

#[derive(Serialize)]
struct ResidualFile<'a> {
    from: &'a str,
    stride: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<bool>,
}

/// Of both directions in version 1, of each in version 2.
#[derive(Serialize)]
#[serde(untagged)]
enum Stride {
    Both(usize),
    Each([usize; 2]),
}

impl QuantNetwork {
    /// The text of the JSON file and the bytes of the tensor file, which the JSON calls `weights.safetensors`.
    ///
    /// The version is the oldest that can say it: a network that uses nothing of format 2 is written in format 1.
    pub fn to_parts(&self) -> (String, Vec<u8>) {
        self.to_named_parts("weights.safetensors")
    }

    /// [`Self::to_parts`] with another name for the tensor file.
    pub fn to_named_parts(&self, tensor_file: &str) -> (String, Vec<u8>) {
        let bytes = self.tensor_bytes();
        let version = if self.is_format_1() { Version::One } else { Version::Two };
        let is_2 = version == Version::Two;
        let layers = self.layers.iter();
        let file = NetworkFile {
            format: FORMAT,
            format_version: version.number(),
            name: &self.name,
            tensors: tensor_file,
            tensors_sha256: hex_digest(&bytes),
            input: self.input.file(is_2),
            classes: (!self.classes.is_empty()).then_some(&self.classes[..]),
            layers: layers
                .map(|layer| if is_2 { self.layer_file(layer) } else { self.layer_file_1(layer) })
                .collect(),
            outputs: is_2.then(|| {
                let outputs = self.outputs.iter();
                outputs.map(|index| self.tensor_name(TensorRef::Layer(*index))).collect()
            }),
            provenance: &self.provenance,
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

    /// Whether format 1 can say it.
    fn is_format_1(&self) -> bool {
        let n_layers = self.layers.len();
        let layers = self.layers.iter().enumerate();
        let of_images = self.input.preprocess.as_ref().and_then(|images| images.zero_point);
        self.input.zero_point == 0
            && of_images.is_none()
            && !self.classes.is_empty()
            && n_layers.checked_sub(1).is_none_or(|last| self.outputs == [last])
            && layers.into_iter().all(|(index, layer)| is_format_1(layer, index + 1 == n_layers))
    }

    fn layer_file_1<'a>(&'a self, layer: &'a Layer) -> LayerFile<'a> {
        let file = LayerFile {
            relu: Some(layer.bounds.low == 0),
            rounding: None,
            zero_point: None,
            low: None,
            high: None,
            ..self.layer_file(layer)
        };
        match &layer.op {
            Op::Conv(conv) => LayerFile {
                stride: Some(Stride::Both(conv.stride[0])),
                dilation: None,
                groups: None,
                residual: Some(conv.residual.as_ref().map(|residual| ResidualFile {
                    from: self.tensor_name(residual.from),
                    stride: residual.stride,
                    after: None,
                })),
                ..file
            },
            _ => file,
        }
    }

    fn layer_file<'a>(&'a self, layer: &'a Layer) -> LayerFile<'a> {
        let (op, Bounds { low, high }) = (&layer.op, layer.bounds);
        let is_concat = matches!(op, Op::Concat(_));
        let mut file = LayerFile {
            op: op.kind().name(),
            name: &layer.name,
            input: (!is_concat).then(|| self.tensor_name(layer.input)),
            inputs: is_concat.then(|| layer.reads().map(|map| self.tensor_name(map)).collect()),
            other: None,
            kernel: None,
            stride: None,
            dilation: None,
            padding: None,
            groups: None,
            relu: None,
            max_pool: None,
            residual: None,
            sparsity: op.sparsity(),
            rounding: op.has_constants().then_some(layer.requantize.rounding),
            zero_point: Some(layer.zero_point),
            low: (!is_concat).then_some(low),
            high: (!is_concat).then_some(high),
            scale: layer.scale,
        };
        match op {
            Op::Conv(conv) => {
                file.stride = Some(Stride::Each(conv.stride));
                file.dilation = Some(conv.dilation);
                file.padding = Some(conv.padding);
                file.groups = Some(conv.groups);
                file.max_pool = Some(conv.max_pool);
                file.residual = Some(conv.residual.as_ref().map(|residual| ResidualFile {
                    from: self.tensor_name(residual.from),
                    stride: residual.stride,
                    after: Some(residual.after),
                }));
            }
            Op::AveragePool(window) | Op::MaxPool(window) => {
                file.kernel = Some(window.kernel);
                file.stride = Some(Stride::Each(window.stride));
                file.padding = Some(window.padding);
            }
            Op::Add(add) => file.other = Some(self.tensor_name(add.other)),
            Op::GlobalAveragePool | Op::FullyConnected(_) | Op::Requantize | Op::Concat(_) => {}
        }
        file
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
            if layer.op.has_constants() {
                vector("bias", &layer.requantize.bias);
                vector("multiplier", &layer.requantize.multiplier);
                vector("shift", &layer.requantize.shift);
            }
            if let Some(addend) = layer.addend() {
                vector("residual_multiplier", addend.multiplier);
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

impl InputSpec {
    fn file(&self, is_2: bool) -> InputFile<'_> {
        let Self { height, width, channels, space_to_depth, scale, zero_point, preprocess } = self;
        InputFile {
            height: *height,
            width: *width,
            channels: *channels,
            space_to_depth: *space_to_depth,
            scale: *scale,
            zero_point: is_2.then_some(*zero_point),
            preprocess,
        }
    }
}

/// Whether format 1 can say what the layer is.
fn is_format_1(layer: &Layer, is_last: bool) -> bool {
    let op = match &layer.op {
        Op::Conv(conv) => {
            conv.groups == 1
                && conv.dilation == [1; 2]
                && conv.stride[0] == conv.stride[1]
                && conv.residual.as_ref().is_none_or(|residual| !residual.after)
                && kernel_of(&conv.weight).iter().all(|side| *side <= Version::One.max_kernel())
        }
        Op::GlobalAveragePool | Op::FullyConnected(_) => true,
        _ => false,
    };
    let Requantize { multiplier, shift, rounding, .. } = &layer.requantize;
    let within = |values: &Array1<i32>, max: i32| values.iter().all(|value| *value <= max);
    let is_bounds = |relu| layer.bounds == Bounds::format_1(relu, is_last);
    op && *rounding == Rounding::HalfEven
        && within(multiplier, Version::One.max_multiplier())
        && within(shift, Version::One.max_shift() as i32)
        && layer.zero_point == 0
        && (is_bounds(false) || is_bounds(true))
}
