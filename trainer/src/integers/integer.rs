//! The exact integer forward pass of a quantized network, on many images at once.
//!
//! Written from docs/network.md and independent of the reference in `spec`: sums of products run as convolutions of
//! floating-point numbers, which are exact in whatever order libtorch adds them as long as no sum can leave the range
//! of exact integers: 2^24 in binary32, 2^53 in binary64. Requantization is in 64-bit integers. Both implementations must
//! agree on every value that leaves the network.

use anyhow::Result;
use ndarray::{Array1, Array4};
use spec::{Addend, Bounds, Layer, Op, QuantNetwork, Requantize, Rounding, TensorRef, Window};
use tch::{Kind, Tensor};

use crate::network::forward::space_to_depth;
use crate::network::maps::Maps;

/// Images of a batch.
const BATCH: i64 = 128;
/// Largest magnitude up to which every integer is a binary32 number.
const EXACT_IN_BINARY32: i64 = 1 << 24;

/// What leaves the network, int64 `[n, values]`, of int8 images `[n, height, width, channels]`: the logits of a classifier,
/// of several outputs one after the other, channels innermost.
///
/// # Errors
/// What libtorch says of a tensor that does not fit: not for a network that passes its validation.
pub fn logits(network: &QuantNetwork, images: &Tensor) -> Result<Tensor> {
    let _guard = tch::no_grad_guard();
    let batches = images.split(BATCH, 0);
    let logits = batches.iter().map(|batch| forward(network, batch)).collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&logits, 0))
}

/// Position of the largest of each row of `[n, classes]`; of equal ones, the first.
///
/// # Errors
/// What libtorch says of logits that are no matrix.
pub fn first_largest(logits: &Tensor) -> Result<Vec<usize>> {
    let rows = Vec::<Vec<i64>>::try_from(logits)?;
    let first_largest =
        |row: &Vec<i64>| (0..row.len()).rev().max_by_key(|&class| row[class]).unwrap_or(0);
    Ok(rows.iter().map(first_largest).collect())
}

fn forward(network: &QuantNetwork, images: &Tensor) -> Result<Tensor> {
    let input = space_to_depth(images, network.input.space_to_depth).to_kind(Kind::Double);
    let mut maps = Maps::new(input, network.layers.iter().map(Layer::reads));
    let mut outputs: Vec<Option<Tensor>> = network.outputs.iter().map(|_| None).collect();
    for (idx, layer) in network.layers.iter().enumerate() {
        let output = run_layer(network, layer, &maps)?;
        if let Some(place) = network.outputs.iter().position(|output| *output == idx) {
            let values = output.permute([0, 2, 3, 1]).flatten(1, -1);
            outputs[place] = Some(values.to_kind(Kind::Int64));
        }
        maps.push(output);
    }
    let outputs: Vec<Tensor> = outputs.into_iter().flatten().collect();
    Ok(Tensor::cat(&outputs, 1))
}

/// The layer's output, whole numbers in binary64.
fn run_layer(network: &QuantNetwork, layer: &Layer, maps: &Maps) -> Result<Tensor> {
    let source = maps.get(layer.input);
    let Bounds { low, high } = layer.bounds;
    let clamp =
        |values: Tensor| values.clamp(i64::from(low), i64::from(high)).to_kind(Kind::Double);
    match &layer.op {
        Op::AveragePool(window) => return Ok(clamp(means(source, window)?)),
        Op::MaxPool(window) => return Ok(clamp(largest(source, window)?)),
        Op::Concat(_) => {
            let parts: Vec<&Tensor> = layer.reads().map(|map| maps.get(map)).collect();
            return Ok(Tensor::cat(&parts, 1));
        }
        _ => {}
    }
    let sums = sums(layer, &centered(network, maps, layer.input), network.zero_point(layer.input))?;
    let added = layer.addend().map(|addend| {
        let map = centered(network, maps, addend.from);
        (addend.after, product(&map, &addend, layer.requantize.bias.len()))
    });
    let rounded = requantize(&sums, &layer.requantize, added.as_ref());
    let output = clamp(rounded + i64::from(layer.zero_point));
    if matches!(&layer.op, Op::Conv(conv) if conv.max_pool) {
        return Ok(output.max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false));
    }
    Ok(output)
}

/// A map less its zero point, so that what lies outside of it is 0.
fn centered(network: &QuantNetwork, maps: &Maps, map: TensorRef) -> Tensor {
    maps.get(map) - f64::from(network.zero_point(map))
}

/// Sums in binary64, of a map less this zero point.
fn sums(layer: &Layer, source: &Tensor, zero_point: i8) -> Result<Tensor> {
    let largest = 128 + i64::from(zero_point.unsigned_abs());
    match &layer.op {
        Op::Conv(conv) => {
            let weight = weight_tensor(&conv.weight, largest)?;
            let [top, bottom, left, right] = conv.padding.map(|n| n as i64);
            let padded = source.to_kind(weight.kind());
            let padded = padded.f_constant_pad_nd([left, right, top, bottom])?;
            let (stride, dilation) =
                (conv.stride.map(|n| n as i64), conv.dilation.map(|n| n as i64));
            let groups = conv.groups as i64;
            let sums =
                padded.f_conv2d(&weight, None::<&Tensor>, stride, [0, 0], dilation, groups)?;
            Ok(sums.to_kind(Kind::Double))
        }
        Op::FullyConnected(fc) => {
            let weight = weight_tensor(&fc.weight, largest)?;
            let source = source.to_kind(weight.kind());
            let sums = source.f_conv2d(&weight, None::<&Tensor>, [1, 1], [0, 0], [1, 1], 1)?;
            Ok(sums.to_kind(Kind::Double))
        }
        Op::GlobalAveragePool => {
            Ok(source.f_sum_dim_intlist(&[2_i64, 3][..], true, Kind::Double)?)
        }
        _ => Ok(source.shallow_clone()),
    }
}

/// `[out, height, width, in]` in the file to `[out, in, height, width]`, in the smaller kind that keeps sums of activations
/// up to `largest` exact.
fn weight_tensor(weight: &Array4<i8>, largest: i64) -> Result<Tensor> {
    let (outputs, height, width, channels) = weight.dim();
    let values: Vec<i8> = weight.iter().copied().collect();
    let sum_of =
        |row: &[i8]| largest * row.iter().map(|w| i64::from(w.unsigned_abs())).sum::<i64>();
    let largest_sum = values.chunks(values.len() / outputs).map(sum_of).max().unwrap_or(0);
    let kind = if largest_sum < EXACT_IN_BINARY32 { Kind::Float } else { Kind::Double };
    let shape = [outputs, height, width, channels].map(|side| side as i64);
    let weight = Tensor::from_slice(&values).f_view(shape)?;
    Ok(weight.permute([0, 3, 1, 2]).to_kind(kind))
}

/// Every `stride`-th pixel times its channel's multiplier, int64; channels that the map lacks are zero.
fn product(map: &Tensor, addend: &Addend, n_outputs: usize) -> Tensor {
    let (stride, n_outputs) = (addend.stride as i64, n_outputs as i64);
    let picked = map.slice(2, None, None, stride).slice(3, None, None, stride);
    let n_channels = picked.size()[1];
    let widened = if n_channels < n_outputs {
        picked.constant_pad_nd([0, 0, 0, 0, 0, n_outputs - n_channels])
    } else {
        picked.narrow(1, 0, n_outputs)
    };
    widened.to_kind(Kind::Int64) * channel_tensor(addend.multiplier)
}

/// `round(((sums + bias + before) * multiplier + after) / 2^shift)`, int64; what is added says whether it comes after. The
/// numerator stays below 2^56.
fn requantize(sums: &Tensor, constants: &Requantize, added: Option<&(bool, Tensor)>) -> Tensor {
    let mut value = sums.to_kind(Kind::Int64) + channel_tensor(&constants.bias);
    let (height, width) = (value.size()[2], value.size()[3]);
    let cut = |map: &Tensor| map.narrow(2, 0, height).narrow(3, 0, width);
    if let Some((false, map)) = added {
        value += cut(map);
    }
    value *= channel_tensor(&constants.multiplier);
    if let Some((true, map)) = added {
        value += cut(map);
    }
    let shift = channel_tensor(&constants.shift);
    let unit = Tensor::ones_like(&shift).bitwise_left_shift(&shift);
    let floor = value.bitwise_right_shift(&shift);
    let twice = (&value - &floor * &unit) * 2;
    let half_goes_up = match constants.rounding {
        Rounding::HalfEven => floor.remainder(2).eq(1),
        Rounding::HalfAway => value.gt(0),
    };
    let is_half = twice.eq_tensor(&unit);
    let goes_up = twice.gt_tensor(&unit).logical_or(&is_half.logical_and(&half_goes_up));
    floor + goes_up.to_kind(Kind::Int64)
}

/// Means of the pixels in each window, halves away from zero, int64.
fn means(source: &Tensor, window: &Window) -> Result<Tensor> {
    let sum = |map: &Tensor| -> Result<Tensor> {
        let [top, bottom, left, right] = window.padding.map(|n| n as i64);
        let padded = map.f_constant_pad_nd([left, right, top, bottom])?;
        let (kernel, stride) = (window.kernel.map(|n| n as i64), window.stride.map(|n| n as i64));
        let sums = padded.f_avg_pool2d(kernel, stride, [0, 0], false, true, 1)?;
        Ok(sums.round().to_kind(Kind::Int64))
    };
    let (sums, counts) = (sum(source)?, sum(&Tensor::ones_like(source))?);
    let doubled = sums.abs() * 2 + &counts;
    Ok(sums.sign() * doubled.f_floor_divide(&(counts * 2))?)
}

/// The largest of the pixels in each window.
fn largest(source: &Tensor, window: &Window) -> Result<Tensor> {
    let [top, bottom, left, right] = window.padding.map(|n| n as i64);
    let padded = source.f_pad([left, right, top, bottom], "constant", f64::NEG_INFINITY)?;
    let (kernel, stride) = (window.kernel.map(|n| n as i64), window.stride.map(|n| n as i64));
    Ok(padded.f_max_pool2d(kernel, stride, [0, 0], [1, 1], false)?)
}

/// int64 `[1, channels, 1, 1]`.
fn channel_tensor(values: &Array1<i32>) -> Tensor {
    let values: Vec<i64> = values.iter().map(|&value| i64::from(value)).collect();
    Tensor::from_slice(&values).view([1, -1, 1, 1])
}

#[cfg(test)]
mod tests {
    use flow::cases::random_image;
    use ndarray::Array1;

    use super::*;
    use crate::integers::compare;

    #[test]
    fn requantization_rounds_half_to_even_on_both_sides_of_zero() {
        let sums =
            Tensor::from_slice(&[1.0_f64, 3.0, 5.0, -1.0, -3.0, -5.0, 7.0, 4.0]).view([8, 1, 1, 1]);
        let half = Requantize {
            bias: Array1::from(vec![0]),
            multiplier: Array1::from(vec![1]),
            shift: Array1::from(vec![1]),
            rounding: Rounding::HalfEven,
        };
        let rounded = Vec::<i64>::try_from(requantize(&sums, &half, None).flatten(0, -1)).unwrap();
        assert_eq!(rounded, [0, 2, 2, 0, -2, -2, 4, 2]);
        let plain =
            Requantize { shift: Array1::from(vec![0]), bias: Array1::from(vec![10]), ..half };
        let rounded = Vec::<i64>::try_from(requantize(&sums, &plain, None).flatten(0, -1)).unwrap();
        assert_eq!(rounded, [11, 13, 15, 9, 7, 5, 17, 14]);
    }

    #[test]
    fn networks_of_everything_that_the_format_says_agree_with_the_reference() {
        let mut n_values = 0;
        for seed in 0..60 {
            let network = flow::cases::random_network_of_all(seed, flow::cases::Size::default());
            let [height, width, channels] =
                [network.input.height, network.input.width, network.input.channels];
            let images: Vec<i8> =
                (0..2).flat_map(|image| random_image(&network, 2 * seed + image)).collect();
            let shape = [2, height, width, channels].map(|side| side as i64);
            let images = Tensor::from_slice(&images).view(shape);
            n_values += compare::check(&network, &images)
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        assert!(n_values > 1500, "{n_values}");
    }
}
