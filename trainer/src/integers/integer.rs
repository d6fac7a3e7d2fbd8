//! The exact integer forward pass of a quantized network, on many images at once.
//!
//! Written from docs/network.md and independent of the reference in `spec`: sums of products run as convolutions of
//! floating-point numbers, which are exact in whatever order libtorch adds them as long as no sum can leave the range
//! of exact integers: 2^24 in binary32, 2^53 in binary64. Requantization is exact in binary64. Both implementations must
//! agree on every logit.

use anyhow::Result;
use spec::{Conv, Op, QuantNetwork, Requantize};
use tch::{Kind, Tensor};

use crate::network::forward::space_to_depth;
use crate::network::maps::Maps;

/// Images of a batch.
const BATCH: i64 = 128;
/// Largest magnitude up to which every integer is a binary32 number.
const EXACT_IN_BINARY32: i64 = 1 << 24;

/// Logits, int64 `[n, classes]`, of int8 images `[n, height, width, channels]`.
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
    let reads = network.layers.iter().map(|layer| {
        let residual = layer.residual().map(|residual| residual.from);
        [Some(layer.input), residual].into_iter().flatten()
    });
    let mut maps = Maps::new(input, reads);
    for (idx, layer) in network.layers.iter().enumerate() {
        let source = maps.get(layer.input);
        let sums = match &layer.op {
            Op::Conv(conv) => {
                let sums = convolve(conv, source)?;
                match &conv.residual {
                    Some(residual) => {
                        sums + shortcut(
                            maps.get(residual.from),
                            residual.stride,
                            &residual.multiplier,
                            conv,
                        )
                    }
                    None => sums,
                }
            }
            Op::GlobalAveragePool => source.sum_dim_intlist(&[2_i64, 3][..], true, Kind::Double),
            Op::FullyConnected(fc) => {
                let (outputs, height, width, channels) = fc.weight.dim();
                let weight = weight_tensor(fc.weight.iter(), [outputs, height, width, channels])?;
                let source = source.to_kind(weight.kind());
                let sums = source.f_conv2d(&weight, None::<&Tensor>, [1, 1], [0, 0], [1, 1], 1)?;
                sums.to_kind(Kind::Double)
            }
        };
        let is_last = idx + 1 == network.layers.len();
        let (low, high) = if is_last { (-32768, 32767) } else { (-128, 127) };
        let low = if layer.relu { 0 } else { low };
        let mut output = requantize(&sums, &layer.requantize).clamp(low, high);
        if matches!(&layer.op, Op::Conv(conv) if conv.max_pool) {
            output = output.max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false);
        }
        maps.push(output);
    }
    Ok(maps.into_last().flatten(1, -1).to_kind(Kind::Int64))
}

/// Sums as binary64.
fn convolve(conv: &Conv, source: &Tensor) -> Result<Tensor> {
    let (outputs, height, width, channels) = conv.weight.dim();
    let weight = weight_tensor(conv.weight.iter(), [outputs, height, width, channels])?;
    let [top, bottom, left, right] = conv.padding.map(|n| n as i64);
    let padded = source.to_kind(weight.kind()).f_constant_pad_nd([left, right, top, bottom])?;
    let stride = conv.stride as i64;
    let sums = padded.f_conv2d(&weight, None::<&Tensor>, [stride, stride], [0, 0], [1, 1], 1)?;
    Ok(sums.to_kind(Kind::Double))
}

/// `[out, height, width, in]` in the file to `[out, in, height, width]`, in the smaller kind that keeps sums exact.
fn weight_tensor<'a>(values: impl Iterator<Item = &'a i8>, shape: [usize; 4]) -> Result<Tensor> {
    let values: Vec<i8> = values.copied().collect();
    let largest_sum =
        |row: &[i8]| 128 * row.iter().map(|w| i64::from(w.unsigned_abs())).sum::<i64>();
    let largest = values.chunks(values.len() / shape[0]).map(largest_sum).max().unwrap_or(0);
    let kind = if largest < EXACT_IN_BINARY32 { Kind::Float } else { Kind::Double };
    let weight = Tensor::from_slice(&values).f_view(shape.map(|side| side as i64))?;
    Ok(weight.permute([0, 3, 1, 2]).to_kind(kind))
}

/// Every `stride`-th pixel times its channel's multiplier; channels that the map lacks are zero.
fn shortcut(map: &Tensor, stride: usize, multiplier: &ndarray::Array1<i32>, conv: &Conv) -> Tensor {
    let stride = stride as i64;
    let picked = map.slice(2, None, None, stride).slice(3, None, None, stride);
    let (n_outputs, n_channels) = (conv.weight.dim().0 as i64, picked.size()[1]);
    let widened = if n_channels < n_outputs {
        picked.constant_pad_nd([0, 0, 0, 0, 0, n_outputs - n_channels])
    } else {
        picked.narrow(1, 0, n_outputs)
    };
    widened * channel_tensor(multiplier)
}

/// `(sums + bias) * multiplier / 2^shift`, rounded half to even. The product stays below 2^53, and a power of two only
/// moves its exponent.
fn requantize(sums: &Tensor, requantize: &Requantize) -> Tensor {
    let factor: Vec<f64> =
        requantize.shift.iter().map(|&shift| (-f64::from(shift)).exp2()).collect();
    let factor = Tensor::from_slice(&factor).view([1, -1, 1, 1]);
    let product =
        (sums + channel_tensor(&requantize.bias)) * channel_tensor(&requantize.multiplier);
    (product * factor).round()
}

fn channel_tensor(values: &ndarray::Array1<i32>) -> Tensor {
    let values: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
    Tensor::from_slice(&values).view([1, -1, 1, 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array1;

    #[test]
    fn requantization_rounds_half_to_even_on_both_sides_of_zero() {
        let sums =
            Tensor::from_slice(&[1.0_f64, 3.0, 5.0, -1.0, -3.0, -5.0, 7.0, 4.0]).view([8, 1, 1, 1]);
        let half = Requantize {
            bias: Array1::from(vec![0]),
            multiplier: Array1::from(vec![1]),
            shift: Array1::from(vec![1]),
        };
        let rounded = Vec::<f64>::try_from(requantize(&sums, &half).flatten(0, -1)).unwrap();
        assert_eq!(rounded, [0.0, 2.0, 2.0, 0.0, -2.0, -2.0, 4.0, 2.0]);
        let plain =
            Requantize { shift: Array1::from(vec![0]), bias: Array1::from(vec![10]), ..half };
        let rounded = Vec::<f64>::try_from(requantize(&sums, &plain).flatten(0, -1)).unwrap();
        assert_eq!(rounded, [11.0, 13.0, 15.0, 9.0, 7.0, 5.0, 17.0, 14.0]);
    }
}
