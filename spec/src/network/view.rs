//! What is known of a network that is to be checked: all of one in memory, what could be read of a file.

use ndarray::{Array1, Array4};

use super::layers::{Conv, Layer, Op, QuantNetwork, Residual, TensorRef};
use super::preprocess::Preprocess;
use super::sparsity::Sparsity;

/// The kind of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpKind {
    Conv,
    GlobalAveragePool,
    FullyConnected,
}

/// A network to check. `None` is what is not known because of a problem that was reported.
pub(super) struct View<'a> {
    pub(super) input: InputView<'a>,
    pub(super) layers: Option<Vec<LayerView<'a>>>,
    pub(super) classes: Option<&'a [String]>,
}

pub(super) struct InputView<'a> {
    pub(super) height: Option<usize>,
    pub(super) width: Option<usize>,
    pub(super) channels: Option<usize>,
    pub(super) space_to_depth: Option<usize>,
    pub(super) scale: Option<f64>,
    /// `None` also where there is none.
    pub(super) preprocess: Option<&'a Preprocess>,
}

pub(super) struct LayerView<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) op: Option<OpKind>,
    pub(super) input: Option<TensorRef>,
    pub(super) weight: Option<&'a Array4<i8>>,
    pub(super) stride: Option<usize>,
    pub(super) padding: Option<[usize; 4]>,
    pub(super) sparsity: Option<Sparsity>,
    pub(super) max_pool: Option<bool>,
    /// `None` where there is none.
    pub(super) residual: Option<ResidualView<'a>>,
    pub(super) bias: Option<&'a Array1<i32>>,
    pub(super) multiplier: Option<&'a Array1<i32>>,
    pub(super) shift: Option<&'a Array1<i32>>,
    pub(super) scale: Option<f64>,
}

pub(super) struct ResidualView<'a> {
    pub(super) from: Option<TensorRef>,
    pub(super) stride: Option<usize>,
    pub(super) multiplier: Option<&'a Array1<i32>>,
}

impl QuantNetwork {
    pub(super) fn view(&self) -> View<'_> {
        let input = &self.input;
        View {
            input: InputView {
                height: Some(input.height),
                width: Some(input.width),
                channels: Some(input.channels),
                space_to_depth: Some(input.space_to_depth),
                scale: Some(input.scale),
                preprocess: input.preprocess.as_ref(),
            },
            layers: Some(self.layers.iter().map(Layer::view).collect()),
            classes: Some(&self.classes),
        }
    }
}

impl Layer {
    /// What is added to the accumulators before requantization.
    pub fn residual(&self) -> Option<&Residual> {
        match &self.op {
            Op::Conv(Conv { residual, .. }) => residual.as_ref(),
            _ => None,
        }
    }

    fn view(&self) -> LayerView<'_> {
        let conv = match &self.op {
            Op::Conv(conv) => Some(conv),
            _ => None,
        };
        let residual = self.residual().map(|residual| ResidualView {
            from: Some(residual.from),
            stride: Some(residual.stride),
            multiplier: Some(&residual.multiplier),
        });
        LayerView {
            name: Some(&self.name),
            op: Some(self.op.kind()),
            input: Some(self.input),
            weight: self.op.weight(),
            stride: conv.map(|conv| conv.stride),
            padding: conv.map(|conv| conv.padding),
            sparsity: self.op.sparsity(),
            max_pool: conv.map(|conv| conv.max_pool),
            residual,
            bias: Some(&self.requantize.bias),
            multiplier: Some(&self.requantize.multiplier),
            shift: Some(&self.requantize.shift),
            scale: Some(self.scale),
        }
    }
}

impl Op {
    fn kind(&self) -> OpKind {
        match self {
            Self::Conv(_) => OpKind::Conv,
            Self::GlobalAveragePool => OpKind::GlobalAveragePool,
            Self::FullyConnected(_) => OpKind::FullyConnected,
        }
    }
}
