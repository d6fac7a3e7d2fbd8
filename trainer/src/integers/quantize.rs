//! From floating point to the integers of [`spec::QuantNetwork`]: the last place where there is a real number.
//!
//! Batch-norm is folded into each convolution, or becomes a 1x1 convolution with one weight a channel; weights get one
//! symmetric scale an output channel, feature maps one scale each (zero point 0), from their range on training images.
//! [`FakeQuantized`](crate::integers::fake_quantize::FakeQuantized) trains weights with the same [`Ranges`] before.

use anyhow::{Context, Result, bail};
use ndarray::Array1;
use spec::{
    Bounds, Conv, FullyConnected, InputSpec, Layer, Op, Preprocess, QuantNetwork, Requantize,
    Residual, Rounding, Sparsity, TensorRef,
};

use crate::network::architecture::{ConvSpec, OpSpec};
use crate::network::data::Labeled;
use crate::network::forward::Mode;
use crate::network::masks::Masks;
use crate::network::model::Model;

pub(crate) mod rows;

use rows::{Rows, multiplier, positive, requantize, row_scales};

/// Largest logit on the calibration images; 16 bits leave a factor of four for other images.
const LOGIT_RANGE: f64 = 8191.0;
/// Largest value of a feature map.
const MAP_RANGE: f64 = 127.0;

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
        let _ = model.forward_watched(&labeled.images, masks, Mode::Evaluation, |idx, output| {
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

/// Real value of one step of each map.
#[derive(Debug)]
pub(crate) struct Scales {
    input: f64,
    layers: Vec<f64>,
}

impl Scales {
    pub(crate) fn new(model: &Model, ranges: &Ranges) -> Self {
        let mut scales = Self { input: model.input_step, layers: Vec::new() };
        for (idx, layer) in model.architecture.layers.iter().enumerate() {
            let is_last = idx + 1 == model.architecture.layers.len();
            let scale = match layer.op {
                OpSpec::Dropout { .. } => scales.of(layer.input),
                _ if is_last => positive(ranges.0[idx] / LOGIT_RANGE),
                _ => positive(ranges.0[idx] / MAP_RANGE),
            };
            scales.layers.push(scale);
        }
        scales
    }

    pub(crate) fn of(&self, map: TensorRef) -> f64 {
        match map {
            TensorRef::Input => self.input,
            TensorRef::Layer(idx) => self.layers[idx],
        }
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
    let scales = Scales::new(model, ranges);
    let mut layers: Vec<Layer> = Vec::new();
    // Where the output of each layer of the model is in the integer network.
    let mut places: Vec<TensorRef> = Vec::new();
    for (idx, layer) in model.architecture.layers.iter().enumerate() {
        let place = |map: TensorRef| match map {
            TensorRef::Input => TensorRef::Input,
            TensorRef::Layer(idx) => places[idx],
        };
        if let OpSpec::Dropout { .. } = layer.op {
            let input = place(layer.input);
            places.push(input);
            continue;
        }
        let (op, requantize) = quantize_layer(model, idx, masks, sparsity, &scales, place)
            .with_context(|| format!("layer `{}` cannot be quantized", layer.name))?;
        let relu = match &layer.op {
            OpSpec::Conv(ConvSpec { relu, .. }) | OpSpec::BatchNorm { relu } => *relu,
            _ => false,
        };
        let quantized = Layer {
            name: layer.name.clone(),
            input: place(layer.input),
            op,
            requantize,
            bounds: Bounds::format_1(relu, idx + 1 == model.architecture.layers.len()),
            zero_point: 0,
            scale: scales.of(TensorRef::Layer(idx)),
        };
        places.push(TensorRef::Layer(layers.len()));
        layers.push(quantized);
    }
    let network = QuantNetwork {
        name: model.architecture.name.clone(),
        input: InputSpec {
            height: preprocess.height,
            width: preprocess.width,
            channels: preprocess.channels,
            space_to_depth: model.architecture.space_to_depth,
            scale: model.input_step,
            zero_point: 0,
            preprocess: Some(preprocess.clone()),
        },
        classes,
        outputs: vec![layers.len().saturating_sub(1)],
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
    idx: usize,
    masks: &Masks,
    sparsity: Sparsity,
    scales: &Scales,
    place: impl Fn(TensorRef) -> TensorRef,
) -> Result<(Op, Requantize)> {
    let layer = &model.architecture.layers[idx];
    let input = model.flow.inputs[idx];
    let (input_scale, output_scale) = (scales.of(layer.input), scales.of(TensorRef::Layer(idx)));
    let Some(folded) = model.folded(layer, masks) else {
        // A global average pool: its sum has a weight of 1 and the division is here.
        let (multiplier, shift) = multiplier(input_scale / input.n_pixels() as f64 / output_scale)?;
        let constant = |value: i32| Array1::from_elem(input.channels, value);
        let requantize = Requantize {
            bias: constant(0),
            multiplier: constant(multiplier),
            shift: constant(shift),
            rounding: Rounding::HalfEven,
        };
        return Ok((Op::GlobalAveragePool, requantize));
    };
    let residual_scale = layer.residual().map(|from| scales.of(from));
    let row_scales = row_scales(&folded, input_scale, residual_scale);
    let requantize = requantize(&folded.bias, &row_scales, input_scale, output_scale)?;
    let rows = Rows::quantize(&folded, row_scales);
    let sparsity = if masks.contains_key(&layer.name) { sparsity } else { Sparsity::default() };
    let op = match &layer.op {
        OpSpec::Conv(conv) => {
            let residual = conv.residual.zip(residual_scale).map(|(from, scale)| Residual {
                from: place(from),
                stride: model.flow.residual_strides[idx],
                multiplier: rows.residual_multiplier(input_scale, scale),
                after: false,
            });
            let weight = rows.weight(input.channels, (conv.kernel, conv.kernel))?;
            Op::Conv(Conv {
                stride: [conv.stride; 2],
                padding: [conv.padding; 4],
                sparsity,
                residual,
                max_pool: conv.max_pool,
                ..Conv::new(weight)
            })
        }
        OpSpec::BatchNorm { .. } => Op::Conv(Conv { sparsity, ..Conv::new(rows.diagonal()) }),
        OpSpec::FullyConnected => {
            let weight = rows.weight(input.channels, (input.height, input.width))?;
            Op::FullyConnected(FullyConnected { weight, sparsity })
        }
        OpSpec::GlobalAveragePool | OpSpec::Dropout { .. } => {
            unreachable!("a layer without weights has nothing to fold")
        }
    };
    Ok((op, requantize))
}

#[cfg(test)]
mod tests;
