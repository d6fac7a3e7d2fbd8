//! A layer as the integers see it: one weight matrix and one bias, batch-norm folded in.

use tch::{Kind, Tensor};

use crate::network::architecture::{ConvSpec, LayerSpec, OpSpec};
use crate::network::masks::Masks;
use crate::network::model::{BATCH_NORM_EPSILON, Model};

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

#[cfg(test)]
mod tests {
    use dataset::Random;
    use spec::Shape;
    use tch::Device;

    use super::*;
    use crate::network::architecture::Architecture;

    #[test]
    fn folding_is_the_formula_to_the_last_bit() {
        let image = Shape { height: 32, width: 32, channels: 1 };
        let architecture = Architecture::named("s2d_s").unwrap();
        let model = Model::new(architecture, image, 1.0 / 127.0, 10, 2, Device::Cpu).unwrap();
        let mut random = Random::new(&[6]);
        let _guard = tch::no_grad_guard();
        let [gain, bias, mean, variance] = ["gain", "bias", "mean", "variance"].map(|part| {
            let values: Vec<f32> = (0..16).map(|_| random.unit() as f32 + 0.1).collect();
            let tensor = model.tensor(&format!("conv1.norm.{part}"));
            tensor.shallow_clone().copy_(&Tensor::from_slice(&values));
            values
        });
        let mask = Tensor::arange(16 * 16 * 9, (Kind::Int64, Device::Cpu)).remainder(3).ne(0);
        let mask = mask.to_kind(Kind::Float).view([16, 16, 3, 3]);
        let masks = Masks::from_tensors([("conv1".to_owned(), mask)].into());
        let weight = Vec::<f32>::try_from(model.tensor("conv1.weight").flatten(0, -1)).unwrap();
        let folded = model.folded(&model.architecture.layers[0], &masks).unwrap();
        let found = Vec::<f64>::try_from(folded.weight.flatten(0, -1)).unwrap();
        let found_bias = Vec::<f64>::try_from(folded.bias).unwrap();
        for output in 0..16 {
            let at = |values: &[f32]| f64::from(values[output]);
            let factor = at(&gain) / (at(&variance) + BATCH_NORM_EPSILON).sqrt();
            assert_eq!(found_bias[output], at(&bias) - at(&mean) * factor);
            for idx in output * 144..(output + 1) * 144 {
                let expected = if idx % 3 == 0 { 0.0 } else { f64::from(weight[idx]) * factor };
                assert_eq!(found[idx], expected, "weight {idx}");
            }
        }
    }
}
