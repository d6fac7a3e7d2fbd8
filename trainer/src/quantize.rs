//! From floating point to the integers of [`spec::QuantNetwork`]: the last place where there is a real number.
//!
//! Batch-norm is folded into each convolution; weights get one symmetric scale an output channel, feature maps one
//! scale each (zero point 0), from their range on training images. Nothing is trained afterwards.

use anyhow::{Context, Result, bail};
use ndarray::{Array1, Array4};
use spec::{
    Conv, FullyConnected, InputSpec, Layer, Op, Preprocess, QuantNetwork, Requantize, Sparsity,
    TensorRef,
};
use tch::{Kind, Tensor};

use crate::architecture::LayerSpec;
use crate::data::Labeled;
use crate::model::{BATCH_NORM_EPSILON, Model};
use crate::prune::Masks;

/// Largest logit on the calibration images; 16 bits leave a factor of four for other images.
const LOGIT_RANGE: f64 = 8191.0;

/// What a scale is derived from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calibration {
    /// The largest magnitude seen.
    Maximum,
    /// The magnitude that one value in ten thousand exceeds.
    Percentile,
}

/// Largest magnitude of each layer's output under a calibration.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranges(Vec<f64>);

impl Ranges {
    /// Runs the network on calibration images.
    pub fn measure(
        model: &Model,
        masks: &Masks,
        labeled: &Labeled,
        calibration: Calibration,
    ) -> Self {
        let _guard = tch::no_grad_guard();
        let mut ranges = vec![0.0; model.architecture.layers.len()];
        let _ = model.forward_watched(&labeled.images, masks, false, |idx, output| {
            let is_last = idx + 1 == ranges.len();
            let magnitude = output.abs().flatten(0, -1);
            let n_above = match calibration {
                Calibration::Maximum => 1,
                // Logits keep their order: they never saturate on calibration images.
                Calibration::Percentile if is_last => 1,
                Calibration::Percentile => magnitude.size()[0] / 10_000 + 1,
            };
            let (largest, _) = magnitude.topk(n_above, 0, true, true);
            ranges[idx] = largest.double_value(&[n_above - 1]);
        });
        Self(ranges)
    }
}

/// Builds the integer network.
///
/// # Errors
/// A layer whose numbers do not fit the accelerator's constants; the message names it.
pub fn quantize(
    model: &Model,
    masks: &Masks,
    ranges: &Ranges,
    preprocess: &Preprocess,
    classes: Vec<String>,
    sparsity: Sparsity,
) -> Result<QuantNetwork> {
    let mut layers: Vec<Layer> = Vec::new();
    let mut scale = model.input_step;
    for (idx, layer) in model.architecture.layers.iter().enumerate() {
        if matches!(layer, LayerSpec::Dropout { .. }) {
            continue;
        }
        let is_last = idx + 1 == model.architecture.layers.len();
        let full_range = if is_last { LOGIT_RANGE } else { 127.0 };
        let output_scale = positive(ranges.0[idx] / full_range);
        let name = layer.name();
        let sparsity = if masks.contains_key(name) { sparsity } else { Sparsity::default() };
        let quantized = quantize_layer(model, layer, idx, masks, sparsity, scale, output_scale)
            .with_context(|| format!("layer `{name}` cannot be quantized"))?;
        let input = layers.len().checked_sub(1).map_or(TensorRef::Input, TensorRef::Layer);
        layers.push(Layer { input, ..quantized });
        scale = output_scale;
    }
    let network = QuantNetwork {
        name: model.architecture.name.clone(),
        input: InputSpec {
            height: preprocess.height,
            width: preprocess.width,
            channels: preprocess.channels,
            space_to_depth: model.architecture.space_to_depth,
            scale: model.input_step,
            preprocess: Some(preprocess.clone()),
        },
        classes,
        layers,
        provenance: serde_json::Value::Null,
    };
    if let Err(errors) = network.validate() {
        bail!("the quantized network breaks its own rules: {errors:?}");
    }
    Ok(network)
}

fn quantize_layer(
    model: &Model,
    layer: &LayerSpec,
    idx: usize,
    masks: &Masks,
    sparsity: Sparsity,
    input_scale: f64,
    output_scale: f64,
) -> Result<Layer> {
    let input = model.shapes[idx];
    let (op, requantize) = match layer {
        LayerSpec::Conv { name, channels, kernel, stride, padding, max_pool } => {
            let (weight, bias) = fold_batch_norm(model, name, masks)?;
            let rows = Rows::quantize(&weight, *channels);
            let shape = (*channels, input.channels, kernel * kernel);
            let conv = Conv {
                weight: rows.weight(shape, (*kernel, *kernel))?,
                stride: *stride,
                padding: [*padding; 4],
                sparsity,
                residual: None,
                max_pool: *max_pool,
            };
            (Op::Conv(conv), rows.requantize(&bias, input_scale, output_scale)?)
        }
        LayerSpec::FullyConnected { name } => {
            let weight = to_doubles(&model.masked(name, masks))?;
            let bias = to_doubles(model.tensor(&format!("{name}.bias")))?;
            let rows = Rows::quantize(&weight, bias.len());
            let shape = (bias.len(), input.channels, input.n_pixels());
            let weight = rows.weight(shape, (input.height, input.width))?;
            let fc = FullyConnected { weight, sparsity };
            (Op::FullyConnected(fc), rows.requantize(&bias, input_scale, output_scale)?)
        }
        LayerSpec::GlobalAveragePool { .. } => {
            let (multiplier, shift) =
                multiplier(input_scale / input.n_pixels() as f64 / output_scale)?;
            let constant = |value: i32| Array1::from_elem(input.channels, value);
            let requantize = Requantize {
                bias: constant(0),
                multiplier: constant(multiplier),
                shift: constant(shift),
            };
            (Op::GlobalAveragePool, requantize)
        }
        LayerSpec::Dropout { .. } => unreachable!("dropout is no layer of a quantized network"),
    };
    let relu = matches!(layer, LayerSpec::Conv { .. });
    Ok(Layer {
        name: layer.name().to_owned(),
        input: TensorRef::Input,
        op,
        requantize,
        relu,
        scale: output_scale,
    })
}

/// `w g / sqrt(v + e)` and `b - m g / sqrt(v + e)`.
fn fold_batch_norm(model: &Model, layer: &str, masks: &Masks) -> Result<(Vec<f64>, Vec<f64>)> {
    let part = |part: &str| to_doubles(model.tensor(&format!("{layer}.norm.{part}")));
    let (gain, bias, mean, variance) =
        (part("gain")?, part("bias")?, part("mean")?, part("variance")?);
    let weight = to_doubles(&model.masked(layer, masks))?;
    let factor: Vec<f64> =
        gain.iter().zip(&variance).map(|(g, v)| g / (v + BATCH_NORM_EPSILON).sqrt()).collect();
    let row = weight.len() / factor.len();
    let weight = weight.iter().enumerate().map(|(idx, w)| w * factor[idx / row]).collect();
    let bias = bias.iter().zip(&mean).zip(&factor).map(|((b, m), f)| b - m * f).collect();
    Ok((weight, bias))
}

/// Weights of a layer, one row an output, each with its scale.
struct Rows {
    values: Vec<i8>,
    scales: Vec<f64>,
}

impl Rows {
    fn quantize(weight: &[f64], n_outputs: usize) -> Self {
        let (mut values, mut scales) =
            (Vec::with_capacity(weight.len()), Vec::with_capacity(n_outputs));
        for row in weight.chunks_exact(weight.len() / n_outputs) {
            let largest = row.iter().fold(0.0_f64, |largest, w| largest.max(w.abs()));
            let scale = positive(largest / 127.0);
            values.extend(
                row.iter().map(|w| (w / scale).round_ties_even().clamp(-127.0, 127.0) as i8),
            );
            scales.push(scale);
        }
        Self { values, scales }
    }

    /// `[output, channel, tap]` to `[output, height, width, channel]`.
    fn weight(
        &self,
        (outputs, channels, taps): (usize, usize, usize),
        kernel: (usize, usize),
    ) -> Result<Array4<i8>> {
        let channels_last = (0..outputs)
            .flat_map(|o| {
                (0..taps)
                    .flat_map(move |t| (0..channels).map(move |c| (o * channels + c) * taps + t))
            })
            .map(|idx| self.values[idx])
            .collect();
        Ok(Array4::from_shape_vec((outputs, kernel.0, kernel.1, channels), channels_last)?)
    }

    fn requantize(&self, bias: &[f64], input_scale: f64, output_scale: f64) -> Result<Requantize> {
        let mut parts = (Vec::new(), Vec::new(), Vec::new());
        for (channel, (&bias, &scale)) in bias.iter().zip(&self.scales).enumerate() {
            let accumulator_scale = input_scale * scale;
            let (multiplier, shift) = multiplier(accumulator_scale / output_scale)?;
            let bias = (bias / accumulator_scale).round_ties_even();
            if bias.abs() > f64::from(i32::MAX / 2) {
                bail!(
                    "channel {channel}: its bias is {bias} in units of the accumulator; its weights are near zero"
                );
            }
            parts.0.push(bias as i32);
            parts.1.push(multiplier);
            parts.2.push(shift);
        }
        Ok(Requantize { bias: parts.0.into(), multiplier: parts.1.into(), shift: parts.2.into() })
    }
}

/// `multiplier / 2^shift` nearest to a ratio, with as many bits as fit.
fn multiplier(ratio: f64) -> Result<(i32, i32)> {
    let max = f64::from(spec::MAX_MULTIPLIER);
    if !(ratio.is_finite() && ratio > 0.0 && ratio <= max) {
        bail!("a factor of {ratio} is not within what {} allows", spec::MAX_MULTIPLIER);
    }
    let mut shift = (max / ratio).log2().floor().clamp(0.0, f64::from(spec::MAX_SHIFT)) as i32;
    while shift > 0 && (ratio * f64::from(shift).exp2()).round_ties_even() > max {
        shift -= 1;
    }
    Ok(((ratio * f64::from(shift).exp2()).round_ties_even() as i32, shift))
}

/// A scale of zero would come from weights or maps that are zero throughout; any scale represents those.
fn positive(scale: f64) -> f64 {
    if scale > 0.0 { scale } else { 1.0 / 127.0 }
}

fn to_doubles(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(Vec::<f64>::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1))?)
}

/// Part of the weights that are not zero, over all layers.
pub fn kept_part(network: &QuantNetwork) -> f64 {
    let weights = || network.layers.iter().filter_map(|layer| layer.op.weight());
    let n_kept: usize = weights().map(|weight| weight.iter().filter(|&&w| w != 0).count()).sum();
    n_kept as f64 / weights().map(Array4::len).sum::<usize>() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipliers_use_all_their_bits() {
        for ratio in [1.0, 0.5, 0.003_7, 1.0 / 3.0, 1e-9, 0.999_99, 40.0, 32_767.0] {
            let (multiplier, shift) = multiplier(ratio).unwrap();
            assert!((0..=spec::MAX_MULTIPLIER).contains(&multiplier));
            assert!((0..=spec::MAX_SHIFT as i32).contains(&shift));
            let value = f64::from(multiplier) / f64::from(shift).exp2();
            assert!((value / ratio - 1.0).abs() < 4e-5, "{ratio}: {multiplier} >> {shift}");
        }
        assert!(multiplier(0.0).is_err());
        assert!(multiplier(40_000.0).is_err());
    }

    #[test]
    fn rows_have_their_own_scale_and_channels_go_last() {
        // Two outputs, two channels, two taps.
        let rows = Rows::quantize(&[1.27, 0.1, -0.5, 0.0, 0.0, -12.7, 0.0, 6.35], 2);
        let weight = rows.weight((2, 2, 2), (1, 2)).unwrap();
        assert_eq!(weight.iter().copied().collect::<Vec<_>>(), [127, -50, 10, 0, 0, 0, -127, 64]);
        assert!((rows.scales[0] - 0.01).abs() < 1e-12 && (rows.scales[1] - 0.1).abs() < 1e-12);
    }
}
