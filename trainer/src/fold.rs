//! A layer as the integers see it: one weight matrix and one bias, batch-norm folded in.

use tch::{Kind, Tensor};

use crate::architecture::{ConvSpec, LayerSpec, OpSpec};
use crate::model::{BATCH_NORM_EPSILON, Model};
use crate::prune::Masks;

/// A layer's product, in binary64; gradients reach the model's tensors through both.
pub(crate) struct Folded {
    /// Of the layer's weight tensor, `[out, ..]`; one weight a channel, `[channels, 1]`, of a batch-norm.
    pub(crate) weight: Tensor,
    /// `[out]`.
    pub(crate) bias: Tensor,
}

impl Model {
    /// Masks the weights of a layer and folds its batch-norm with the running statistics: `w g / sqrt(v + e)` and
    /// `b - m g / sqrt(v + e)`. `None` for a layer without weights.
    pub(crate) fn folded(&self, layer: &LayerSpec, masks: &Masks) -> Option<Folded> {
        let name = &layer.name;
        let double = |part: &str| self.tensor(&format!("{name}.{part}")).to_kind(Kind::Double);
        let masked = || self.masked(name, masks).to_kind(Kind::Double);
        let normed = |weight: Option<Tensor>| {
            let factor =
                double("norm.gain") / (double("norm.variance") + BATCH_NORM_EPSILON).sqrt();
            let bias = double("norm.bias") - double("norm.mean") * &factor;
            let weight = match weight {
                Some(weight) => weight * factor.view([-1, 1, 1, 1]),
                None => factor.view([-1, 1]),
            };
            Folded { weight, bias }
        };
        match &layer.op {
            OpSpec::Conv(ConvSpec { norm: true, .. }) => Some(normed(Some(masked()))),
            OpSpec::BatchNorm { .. } => Some(normed(None)),
            OpSpec::Conv(_) | OpSpec::FullyConnected => {
                Some(Folded { weight: masked(), bias: double("bias") })
            }
            OpSpec::GlobalAveragePool | OpSpec::Dropout { .. } => None,
        }
    }
}
