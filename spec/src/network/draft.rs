//! A network file as far as it can be understood: what is wrong with one key hides nothing of the others.

use ndarray::{Array1, Array4};
use serde_json::Value;

use super::layers::{
    Add, Conv, FullyConnected, InputSpec, Layer, Op, QuantNetwork, Requantize, Residual, TensorRef,
    Window,
};
use super::preprocess::Preprocess;
use super::quant::{Bounds, Rounding};
use super::sparsity::Sparsity;
use super::version::Version;
use super::view::{AddendView, InputView, LayerView, OpKind, View};

pub(super) const FORMAT: &str = "twofold-network";
pub(super) const INPUT: &str = "input";

/// `None` is what is not known, because it is missing or wrong.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) version: Version,
    pub(super) name: Option<String>,
    pub(super) tensors: Option<String>,
    pub(super) tensors_sha256: Option<String>,
    pub(super) input: DraftInput,
    /// `Some(None)` of outputs that are no classes.
    pub(super) classes: Option<Option<Vec<String>>>,
    /// Whether the list of layers is there; else there is nothing to say of layers and their tensors.
    pub(super) has_layers: bool,
    pub(super) layers: Vec<DraftLayer>,
    /// `None` for the list, or for a name in it that no layer has.
    pub(super) outputs: Option<Vec<Option<usize>>>,
    pub(super) provenance: Value,
}

#[derive(Debug, Default)]
pub(super) struct DraftInput {
    pub(super) height: Option<usize>,
    pub(super) width: Option<usize>,
    pub(super) channels: Option<usize>,
    pub(super) space_to_depth: Option<usize>,
    pub(super) scale: Option<f64>,
    pub(super) zero_point: Option<i8>,
    pub(super) preprocess: Option<Preprocess>,
}

#[derive(Debug, Default)]
pub(super) struct DraftLayer {
    pub(super) name: Option<String>,
    pub(super) op: Option<OpKind>,
    pub(super) input: Option<TensorRef>,
    pub(super) others: Option<Vec<Option<TensorRef>>>,
    pub(super) groups: Option<usize>,
    pub(super) kernel: Option<[usize; 2]>,
    pub(super) stride: Option<[usize; 2]>,
    pub(super) dilation: Option<[usize; 2]>,
    pub(super) padding: Option<[usize; 4]>,
    pub(super) max_pool: Option<bool>,
    /// The residual of a convolution, or the second map of an add.
    pub(super) addend: Option<DraftAddend>,
    pub(super) sparsity: Option<Sparsity>,
    pub(super) rounding: Option<Rounding>,
    pub(super) bounds: Option<Bounds>,
    pub(super) zero_point: Option<i8>,
    pub(super) scale: Option<f64>,
    pub(super) weight: Option<Array4<i8>>,
    pub(super) bias: Option<Array1<i32>>,
    pub(super) multiplier: Option<Array1<i32>>,
    pub(super) shift: Option<Array1<i32>>,
}

#[derive(Debug)]
pub(super) struct DraftAddend {
    pub(super) from: Option<TensorRef>,
    pub(super) stride: Option<usize>,
    pub(super) after: Option<bool>,
    pub(super) multiplier: Option<Array1<i32>>,
}

impl Draft {
    /// The network, if everything is known.
    pub(super) fn into_network(self) -> Option<QuantNetwork> {
        let DraftInput { height, width, channels, space_to_depth, scale, zero_point, preprocess } =
            self.input;
        Some(QuantNetwork {
            name: self.name?,
            input: InputSpec {
                height: height?,
                width: width?,
                channels: channels?,
                space_to_depth: space_to_depth?,
                scale: scale?,
                zero_point: zero_point?,
                preprocess,
            },
            classes: self.classes?.unwrap_or_default(),
            layers: self.layers.into_iter().map(DraftLayer::into_layer).collect::<Option<_>>()?,
            outputs: self.outputs?.into_iter().collect::<Option<_>>()?,
            provenance: self.provenance,
        })
    }

    pub(super) fn view(&self) -> View<'_> {
        let DraftInput { height, width, channels, space_to_depth, scale, zero_point, preprocess } =
            &self.input;
        View {
            version: self.version,
            input: InputView {
                height: *height,
                width: *width,
                channels: *channels,
                space_to_depth: *space_to_depth,
                scale: *scale,
                zero_point: *zero_point,
                preprocess: preprocess.as_ref(),
            },
            layers: self.has_layers.then(|| self.layers.iter().map(DraftLayer::view).collect()),
            outputs: self.outputs.clone(),
            classes: self.classes.as_ref().map(Option::as_deref),
        }
    }
}

impl DraftLayer {
    fn into_layer(self) -> Option<Layer> {
        let op = self.op?;
        let requantize = if op.has_constants() {
            Requantize {
                bias: self.bias?,
                multiplier: self.multiplier?,
                shift: self.shift?,
                rounding: self.rounding?,
            }
        } else {
            Requantize::none()
        };
        let window =
            || Some(Window { kernel: self.kernel?, stride: self.stride?, padding: self.padding? });
        let op = match op {
            OpKind::Conv => Op::Conv(Conv {
                weight: self.weight?,
                groups: self.groups?,
                stride: self.stride?,
                dilation: self.dilation?,
                padding: self.padding?,
                sparsity: self.sparsity?,
                residual: match self.addend.map(DraftAddend::into_residual) {
                    None => None,
                    Some(residual) => Some(residual?),
                },
                max_pool: self.max_pool?,
            }),
            OpKind::FullyConnected => Op::FullyConnected(FullyConnected {
                weight: self.weight?,
                sparsity: self.sparsity?,
            }),
            OpKind::Add => {
                let Residual { from, multiplier, .. } = self.addend?.into_residual()?;
                Op::Add(Add { other: from, multiplier })
            }
            OpKind::Concat => Op::Concat(self.others?.into_iter().collect::<Option<_>>()?),
            OpKind::GlobalAveragePool => Op::GlobalAveragePool,
            OpKind::AveragePool => Op::AveragePool(window()?),
            OpKind::MaxPool => Op::MaxPool(window()?),
            OpKind::Requantize => Op::Requantize,
        };
        Some(Layer {
            name: self.name?,
            input: self.input?,
            op,
            requantize,
            bounds: self.bounds?,
            zero_point: self.zero_point?,
            scale: self.scale?,
        })
    }

    fn view(&self) -> LayerView<'_> {
        LayerView {
            name: self.name.as_deref(),
            op: self.op,
            input: self.input,
            others: self.others.clone(),
            weight: self.weight.as_ref(),
            groups: self.groups,
            kernel: self.kernel,
            stride: self.stride,
            dilation: self.dilation,
            padding: self.padding,
            sparsity: self.sparsity,
            max_pool: self.max_pool,
            addend: self.addend.as_ref().map(|addend| AddendView {
                from: addend.from,
                stride: addend.stride,
                after: addend.after,
                multiplier: addend.multiplier.as_ref(),
            }),
            bias: self.bias.as_ref(),
            multiplier: self.multiplier.as_ref(),
            shift: self.shift.as_ref(),
            bounds: self.bounds,
            zero_point: self.zero_point,
            scale: self.scale,
        }
    }
}

impl DraftAddend {
    fn into_residual(self) -> Option<Residual> {
        Some(Residual {
            from: self.from?,
            stride: self.stride?,
            multiplier: self.multiplier?,
            after: self.after?,
        })
    }
}

/// How a layer is called in messages.
pub(super) fn layer_name(index: usize, name: Option<&str>) -> String {
    match name {
        None | Some("") => format!("number {index}"),
        Some(name) => name.to_owned(),
    }
}
