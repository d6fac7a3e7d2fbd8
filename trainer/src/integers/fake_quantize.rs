//! A layer in floating point as its integers will compute it, for fine-tuning (Jacob et al., CVPR 2018).
//!
//! Batch-norm is folded with its running statistics; weights, biases and maps are rounded to the steps that
//! [`quantize`](crate::integers::quantize::quantize) would give them, and sums are scaled by the multipliers that it would choose.
//! Gradients pass through the rounding as if it were not there (Bengio et al., 2013), and stop where a map is clipped.

use spec::TensorRef;
use tch::{Kind, Tensor};

use crate::integers::fold::Folded;
use crate::integers::quantize::rows::{WEIGHT_RANGE, multiplier, row_scales};
use crate::integers::quantize::{Ranges, Scales};
use crate::network::architecture::{LayerSpec, OpSpec};
use crate::network::forward::{LayerArithmetic, convolve, rectify};
use crate::network::maps::Maps;
use crate::network::masks::Masks;
use crate::network::model::Model;

/// Weights and biases of a layer after rounding, in single precision.
struct Rounded {
    /// Of the layer's weight tensor.
    weight: Tensor,
    /// `[out]`.
    bias: Tensor,
    /// What a residual is multiplied by, `[out, 1, 1]`.
    residual: Tensor,
}

/// Layers that are rounded to the steps of some ranges; logits keep every digit.
#[derive(Debug)]
pub struct FakeQuantized {
    scales: Scales,
}

impl FakeQuantized {
    /// With the scales that [`quantize`] derives from these ranges for networks of the model's shapes.
    ///
    /// [`quantize`]: crate::integers::quantize::quantize
    pub fn new(model: &Model, ranges: &Ranges) -> Self {
        Self { scales: Scales::new(model, ranges) }
    }
}

impl LayerArithmetic for FakeQuantized {
    fn layer(&self, model: &Model, idx: usize, maps: &Maps, masks: &Masks) -> Tensor {
        let Self { scales } = self;
        let layer = &model.architecture.layers[idx];
        let input = maps.get(layer.input);
        let output_scale = scales.of(TensorRef::Layer(idx));
        let rounded = || {
            let folded = model.folded(layer, masks).expect("the layer has weights");
            Rounded::new(&folded, layer, scales, output_scale)
        };
        let (output, low) = match &layer.op {
            OpSpec::Conv(conv) => {
                let Rounded { weight, bias, residual } = rounded();
                let sums = convolve(conv, input, &weight, Some(&bias));
                let sums = match model.residual(idx, conv, maps) {
                    Some(map) => sums + map * residual,
                    None => sums,
                };
                (rectify(conv.relu, sums), lowest(conv.relu))
            }
            OpSpec::BatchNorm { relu } => {
                let Rounded { weight, bias, .. } = rounded();
                let sums = input * weight.view([-1, 1, 1]) + bias.view([-1, 1, 1]);
                (rectify(*relu, sums), lowest(*relu))
            }
            OpSpec::GlobalAveragePool => {
                let ratio = scales.of(layer.input) / model.flow.inputs[idx].n_pixels() as f64;
                let correction = correction(ratio / output_scale);
                (input.mean_dim(&[2_i64, 3][..], true, Kind::Float) * correction, lowest(false))
            }
            OpSpec::Dropout { .. } => return input.shallow_clone(),
            OpSpec::FullyConnected => {
                let Rounded { weight, bias, .. } = rounded();
                return input.flatten(1, -1).linear(&weight, Some(&bias));
            }
        };
        output.fake_quantize_per_tensor_affine(output_scale, 0, low, 127)
    }
}

/// The smallest integer that the layer gives.
fn lowest(relu: bool) -> i64 {
    if relu { 0 } else { -128 }
}

/// What rounding a ratio to a multiplier and a shift multiplies it by.
fn correction(ratio: f64) -> f64 {
    multiplier(ratio)
        .map_or(1.0, |(multiplier, shift)| f64::from(multiplier) / f64::from(shift).exp2() / ratio)
}

impl Rounded {
    fn new(folded: &Folded, layer: &LayerSpec, scales: &Scales, output_scale: f64) -> Self {
        let input_scale = scales.of(layer.input);
        let residual_scale = layer.residual().map(|from| scales.of(from));
        let rows = row_scales(folded, input_scale, residual_scale);
        let corrections: Vec<f64> =
            rows.iter().map(|scale| correction(input_scale * scale / output_scale)).collect();
        let column = |values: &[f64]| Tensor::from_slice(values).to_device(folded.bias.device());
        let (rows, corrections) = (column(&rows), column(&corrections));
        let mut shape = vec![1; folded.weight.dim()];
        shape[0] = -1;
        let weight = round(&folded.weight, &rows.view(&shape[..]), WEIGHT_RANGE);
        let bias = round(&folded.bias, &(rows * input_scale), f64::INFINITY);
        let single = |tensor: Tensor| tensor.to_kind(Kind::Float);
        Self {
            weight: single(weight * corrections.view(&shape[..])),
            bias: single(bias * &corrections),
            residual: single(corrections.view([-1, 1, 1])),
        }
    }
}

/// The nearest multiples of `step`, at most `range` of them.
fn round(values: &Tensor, step: &Tensor, range: f64) -> Tensor {
    let steps = values / step;
    let rounded = steps.detach().round().clamp(-range, range);
    (&steps + (rounded - steps.detach())) * step
}
