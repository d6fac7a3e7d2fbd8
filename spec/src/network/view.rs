//! What is known of a network that is to be checked: all of one in memory, what could be read of a file.

use ndarray::{Array1, Array4};

use super::layers::{Layer, Op, QuantNetwork, TensorRef};
use super::preprocess::Preprocess;
use super::quant::Bounds;
use super::sparsity::Sparsity;
use super::version::Version;

/// The kind of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpKind {
    Conv,
    GlobalAveragePool,
    FullyConnected,
    AveragePool,
    MaxPool,
    Add,
    Requantize,
    Concat,
}

/// A network to check. `None` is what is not known because of a problem that was reported.
pub(super) struct View<'a> {
    pub(super) version: Version,
    pub(super) input: InputView<'a>,
    pub(super) layers: Option<Vec<LayerView<'a>>>,
    /// `None` for the list, or for a name in it that no layer has.
    pub(super) outputs: Option<Vec<Option<usize>>>,
    /// `Some(None)` of outputs that are no classes.
    pub(super) classes: Option<Option<&'a [String]>>,
}

pub(super) struct InputView<'a> {
    pub(super) height: Option<usize>,
    pub(super) width: Option<usize>,
    pub(super) channels: Option<usize>,
    pub(super) space_to_depth: Option<usize>,
    pub(super) scale: Option<f64>,
    pub(super) zero_point: Option<i8>,
    /// `None` also where there is none.
    pub(super) preprocess: Option<&'a Preprocess>,
}

/// Parts that an operation does not have are `None`.
#[derive(Default)]
pub(super) struct LayerView<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) op: Option<OpKind>,
    pub(super) input: Option<TensorRef>,
    /// What a concatenation puts behind its input.
    pub(super) others: Option<Vec<Option<TensorRef>>>,
    pub(super) weight: Option<&'a Array4<i8>>,
    pub(super) groups: Option<usize>,
    /// Of a pool; that of a convolution is the weight's.
    pub(super) kernel: Option<[usize; 2]>,
    pub(super) stride: Option<[usize; 2]>,
    pub(super) dilation: Option<[usize; 2]>,
    pub(super) padding: Option<[usize; 4]>,
    pub(super) sparsity: Option<Sparsity>,
    pub(super) max_pool: Option<bool>,
    pub(super) addend: Option<AddendView<'a>>,
    pub(super) bias: Option<&'a Array1<i32>>,
    pub(super) multiplier: Option<&'a Array1<i32>>,
    pub(super) shift: Option<&'a Array1<i32>>,
    pub(super) bounds: Option<Bounds>,
    pub(super) zero_point: Option<i8>,
    pub(super) scale: Option<f64>,
}

/// The residual of a convolution, or the second map of an add.
pub(super) struct AddendView<'a> {
    pub(super) from: Option<TensorRef>,
    pub(super) stride: Option<usize>,
    pub(super) after: Option<bool>,
    pub(super) multiplier: Option<&'a Array1<i32>>,
}

impl OpKind {
    /// Its name in a file.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Conv => "conv",
            Self::GlobalAveragePool => "global_average_pool",
            Self::FullyConnected => "fully_connected",
            Self::AveragePool => "average_pool",
            Self::MaxPool => "max_pool",
            Self::Add => "add",
            Self::Requantize => "requantize",
            Self::Concat => "concat",
        }
    }

    pub(super) fn has_weight(self) -> bool {
        matches!(self, Self::Conv | Self::FullyConnected)
    }

    pub(super) fn has_constants(self) -> bool {
        !matches!(self, Self::AveragePool | Self::MaxPool | Self::Concat)
    }
}

impl LayerView<'_> {
    /// The maps that it reads, by the keys that name them; those of a wrong name are `None`.
    pub(super) fn reads(&self) -> impl Iterator<Item = (&'static str, Option<TensorRef>)> {
        let is_concat = self.op == Some(OpKind::Concat);
        let input = (if is_concat { "inputs" } else { "input" }, self.input);
        let added = self.addend.as_ref().map(|addend| {
            (if self.op == Some(OpKind::Add) { "other" } else { "residual.from" }, addend.from)
        });
        let others = self.others.iter().flatten().map(|map| ("inputs", *map));
        std::iter::once(input).chain(added).chain(others)
    }
}

impl QuantNetwork {
    pub(super) fn view(&self) -> View<'_> {
        let input = &self.input;
        View {
            version: Version::NEWEST,
            input: InputView {
                height: Some(input.height),
                width: Some(input.width),
                channels: Some(input.channels),
                space_to_depth: Some(input.space_to_depth),
                scale: Some(input.scale),
                zero_point: Some(input.zero_point),
                preprocess: input.preprocess.as_ref(),
            },
            layers: Some(self.layers.iter().map(Layer::view).collect()),
            outputs: Some(self.outputs.iter().map(|index| Some(*index)).collect()),
            classes: Some((!self.classes.is_empty()).then_some(&self.classes[..])),
        }
    }
}

impl Layer {
    fn view(&self) -> LayerView<'_> {
        let mut view = LayerView {
            name: Some(&self.name),
            op: Some(self.op.kind()),
            input: Some(self.input),
            weight: self.op.weight(),
            sparsity: self.op.sparsity(),
            addend: self.addend().map(|addend| AddendView {
                from: Some(addend.from),
                stride: Some(addend.stride),
                after: Some(addend.after),
                multiplier: Some(addend.multiplier),
            }),
            bias: Some(&self.requantize.bias),
            multiplier: Some(&self.requantize.multiplier),
            shift: Some(&self.requantize.shift),
            bounds: Some(self.bounds),
            zero_point: Some(self.zero_point),
            scale: Some(self.scale),
            ..LayerView::default()
        };
        match &self.op {
            Op::Conv(conv) => {
                view.groups = Some(conv.groups);
                view.stride = Some(conv.stride);
                view.dilation = Some(conv.dilation);
                view.padding = Some(conv.padding);
                view.max_pool = Some(conv.max_pool);
            }
            Op::AveragePool(window) | Op::MaxPool(window) => {
                view.kernel = Some(window.kernel);
                view.stride = Some(window.stride);
                view.padding = Some(window.padding);
            }
            Op::Concat(others) => {
                view.others = Some(others.iter().map(|map| Some(*map)).collect());
            }
            Op::GlobalAveragePool | Op::FullyConnected(_) | Op::Add(_) | Op::Requantize => {}
        }
        view
    }
}

impl Op {
    pub(super) fn kind(&self) -> OpKind {
        match self {
            Self::Conv(_) => OpKind::Conv,
            Self::GlobalAveragePool => OpKind::GlobalAveragePool,
            Self::FullyConnected(_) => OpKind::FullyConnected,
            Self::AveragePool(_) => OpKind::AveragePool,
            Self::MaxPool(_) => OpKind::MaxPool,
            Self::Add(_) => OpKind::Add,
            Self::Requantize => OpKind::Requantize,
            Self::Concat(_) => OpKind::Concat,
        }
    }
}
