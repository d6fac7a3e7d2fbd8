//! A factor and an offset for each channel of a map, as a depthwise convolution of one tap.
//!
//! With weight `w`, bias `b` and multiplier `m` a channel becomes `round(m (w (x - zero) + b))`. An offset that is no multiple of the
//! map's scale asks for a weight that makes its steps finer; of all weights the first is taken with which all 256 values are
//! right.

use ndarray::Array4;
use spec::{Bounds, shown};

use super::emit::{Emitter, Range};
use super::fault::{Fault, Outcome};
use super::value::{Affine, Quant, Site};
use crate::formula::{self, Quantization};
use crate::graph::{self, Runtime, TensorId};

/// What a channel is computed with.
#[derive(Clone, Copy)]
struct Channel {
    weight: i8,
    scale: f32,
    bias: i32,
    n_differ: usize,
}

impl Emitter {
    /// The convolution, and a note of what values differ if any do.
    pub(super) fn affine(
        &mut self,
        map: TensorId,
        channels: &[Affine],
        quant: Quant,
        range: Range,
        site: &Site,
    ) -> Outcome<graph::Conv> {
        let tensor = self.graph.tensor(map);
        let input = Quantization { scale: tensor.scale, zero_point: tensor.zero_point };
        let bounds = Bounds { low: range[0].into(), high: range[1].into() };
        let mut found: Vec<(Affine, Channel)> = Vec::with_capacity(channels.len());
        for affine in channels {
            let known = found.iter().rev().take(1).find(|(known, _)| known == affine);
            let channel = match known {
                Some((_, channel)) => *channel,
                None => channel(self.graph.runtime, *affine, input, quant.meaning(), bounds)?,
            };
            found.push((*affine, channel));
        }
        let n_differ: usize = found.iter().map(|(_, channel)| channel.n_differ).sum();
        if n_differ > 0 {
            self.graph.notes.push(format!(
                "{} {:?}: {n_differ} of {} values, over all inputs and channels, differ from what the model says",
                shown(&site.kind),
                shown(&site.name),
                256 * found.len()
            ));
        }
        let of = |(_, channel): &(Affine, Channel)| *channel;
        let weights = found.iter().map(|found| of(found).weight).collect();
        let weight = Array4::from_shape_vec((found.len(), 1, 1, 1), weights);
        Ok(graph::Conv {
            weight: weight.expect("there is a weight a channel"),
            weight_scales: found.iter().map(|found| of(found).scale).collect(),
            bias: found.iter().map(|found| of(found).bias).collect(),
            groups: found.len(),
            stride: [1; 2],
            dilation: [1; 2],
            padding: [0; 4],
        })
    }
}

/// The weight, scale and bias with which the fewest values differ.
fn channel(
    runtime: Runtime,
    affine: Affine,
    input: Quantization,
    output: Quantization,
    bounds: Bounds,
) -> Outcome<Channel> {
    let expected: Vec<i8> = (i8::MIN..=i8::MAX)
        .map(|value| expected(runtime, affine, input, output, bounds, value))
        .collect();
    let mut best: Option<Channel> = None;
    for weight in 1..=i8::MAX {
        let scale = affine.factor.abs() / f32::from(weight);
        let multiplier = f64::from(input.scale * scale / output.scale);
        let exact = f64::from(affine.offset) / (f64::from(input.scale) * f64::from(scale));
        if !multiplier.is_normal() || exact.is_nan() || exact.abs() > 1e9 {
            continue;
        }
        let signed = if affine.factor < 0.0 { -weight } else { weight };
        let bias = exact.round_ties_even() as i32;
        for bias in [bias, bias + 1, bias - 1] {
            let value = |value: i8| {
                let product = i32::from(signed) * (i32::from(value) - i32::from(input.zero_point));
                let scaled = (f64::from(product + bias) * multiplier).round_ties_even();
                let sum = scaled + f64::from(output.zero_point);
                sum.clamp(bounds.low.into(), bounds.high.into()) as i8
            };
            let n_differ = (i8::MIN..=i8::MAX)
                .zip(&expected)
                .filter(|(input, expected)| value(*input) != **expected)
                .count();
            if best.is_none_or(|best| n_differ < best.n_differ) {
                best = Some(Channel { weight: signed, scale, bias, n_differ });
            }
            if n_differ == 0 {
                return Ok(best.expect("it was just set"));
            }
        }
    }
    best.ok_or_else(|| {
        Fault::new(
            format!("it scales by {} and adds {}", affine.factor, affine.offset),
            "quantize again with representative data",
        )
    })
}

/// What the runtime computes.
fn expected(
    runtime: Runtime,
    affine: Affine,
    input: Quantization,
    output: Quantization,
    bounds: Bounds,
    value: i8,
) -> i8 {
    if let Some((constant, meaning)) = affine.quantized {
        let inputs = [input, meaning];
        return formula::add(runtime, inputs, output, bounds, [value, constant]);
    }
    let real = input.scale * f32::from(i16::from(value) - i16::from(input.zero_point));
    let steps = (real * affine.factor + affine.offset) / output.scale;
    let steps = steps.round_ties_even() + f32::from(output.zero_point);
    steps.clamp(bounds.low.into(), bounds.high.into()) as i8
}
