//! Integers of one layer: weights with a scale a row, multipliers and shifts.

use anyhow::{Result, bail};
use ndarray::{Array1, Array4};
use spec::{Requantize, Rounding};
use tch::{Kind, Tensor};

use crate::integers::fold::Folded;

/// Largest magnitude of a weight.
pub(crate) const WEIGHT_RANGE: f64 = 127.0;
/// Largest bias in units of the accumulator; the rest of its 31 bits is for the sum.
const MAX_BIAS: f64 = (1 << 29) as f64;

/// Weights of a layer, one row an output, each with its scale.
pub(crate) struct Rows {
    values: Vec<i8>,
    scales: Vec<f64>,
}

/// The scale of each row of a folded layer: its largest weight becomes 127.
///
/// It is raised where the bias would not fit otherwise, and, with a residual of `residual_scale`, to the next value that makes
/// the residual's multiplier a whole number, so that the residual is added exactly.
pub(crate) fn row_scales(
    folded: &Folded,
    input_scale: f64,
    residual_scale: Option<f64>,
) -> Vec<f64> {
    let largest = folded.weight.detach().abs().flatten(1, -1).amax(&[1_i64][..], false);
    let (largest, bias) = (to_doubles(&largest), to_doubles(&folded.bias));
    let row = |(largest, bias): (f64, f64)| {
        let scale = positive(largest / WEIGHT_RANGE).max(bias.abs() / (input_scale * MAX_BIAS));
        let Some(residual) = residual_scale else { return scale };
        let unit = residual / input_scale;
        let scale = scale.max(unit / f64::from(spec::MAX_RESIDUAL_MULTIPLIER));
        let multiplier = (unit / scale).floor();
        if multiplier >= 1.0 { unit / multiplier } else { scale }
    };
    largest.into_iter().zip(bias).map(row).collect()
}

impl Rows {
    /// Rounds weights to their scales, half to even.
    pub(crate) fn quantize(folded: &Folded, scales: Vec<f64>) -> Self {
        let weight = to_doubles(&folded.weight);
        let length = weight.len() / scales.len();
        let round = |w: f64, scale: f64| {
            (w / scale).round_ties_even().clamp(-WEIGHT_RANGE, WEIGHT_RANGE) as i8
        };
        let rows = weight.chunks_exact(length).zip(&scales);
        let values = rows.flat_map(|(row, &scale)| row.iter().map(move |&w| round(w, scale)));
        Self { values: values.collect(), scales }
    }

    /// `[output, channel, tap]` to `[output, height, width, channel]`.
    pub(crate) fn weight(&self, channels: usize, kernel: (usize, usize)) -> Result<Array4<i8>> {
        let (outputs, taps) = (self.scales.len(), kernel.0 * kernel.1);
        let channels_last = (0..outputs)
            .flat_map(|o| {
                (0..taps)
                    .flat_map(move |t| (0..channels).map(move |c| (o * channels + c) * taps + t))
            })
            .map(|idx| self.values[idx])
            .collect();
        Ok(Array4::from_shape_vec((outputs, kernel.0, kernel.1, channels), channels_last)?)
    }

    /// Rows of one weight as a 1x1 convolution: each output reads the channel of its own number.
    pub(crate) fn diagonal(&self) -> Array4<i8> {
        let n = self.values.len();
        Array4::from_shape_fn(
            (n, 1, 1, n),
            |(output, _, _, channel)| {
                if output == channel { self.values[output] } else { 0 }
            },
        )
    }

    /// What one step of a residual is in units of each row's accumulator.
    pub(crate) fn residual_multiplier(&self, input_scale: f64, residual_scale: f64) -> Array1<i32> {
        let round = |&scale: &f64| (residual_scale / (input_scale * scale)).round() as i32;
        self.scales.iter().map(round).collect()
    }
}

/// Constants from the accumulators of rows with these scales to outputs.
pub(crate) fn requantize(
    bias: &Tensor,
    scales: &[f64],
    input_scale: f64,
    output_scale: f64,
) -> Result<Requantize> {
    let mut parts = (Vec::new(), Vec::new(), Vec::new());
    for (bias, &scale) in to_doubles(bias).into_iter().zip(scales) {
        let accumulator_scale = input_scale * scale;
        let (multiplier, shift) = multiplier(accumulator_scale / output_scale)?;
        parts.0.push((bias / accumulator_scale).round_ties_even() as i32);
        parts.1.push(multiplier);
        parts.2.push(shift);
    }
    Ok(Requantize {
        bias: parts.0.into(),
        multiplier: parts.1.into(),
        shift: parts.2.into(),
        rounding: Rounding::HalfEven,
    })
}

/// `multiplier / 2^shift` nearest to a ratio, with as many bits as fit.
pub(crate) fn multiplier(ratio: f64) -> Result<(i32, i32)> {
    let max = f64::from(spec::FORMAT_1_MAX_MULTIPLIER);
    if !(ratio.is_finite() && ratio > 0.0 && ratio <= max) {
        bail!("a factor of {ratio} is not within what {} allows", spec::FORMAT_1_MAX_MULTIPLIER);
    }
    let mut shift =
        (max / ratio).log2().floor().clamp(0.0, f64::from(spec::FORMAT_1_MAX_SHIFT)) as i32;
    while shift > 0 && (ratio * f64::from(shift).exp2()).round_ties_even() > max {
        shift -= 1;
    }
    Ok(((ratio * f64::from(shift).exp2()).round_ties_even() as i32, shift))
}

/// A scale of zero would come from weights or maps that are zero throughout; any scale represents those.
pub(crate) fn positive(scale: f64) -> f64 {
    if scale > 0.0 { scale } else { 1.0 / 127.0 }
}

fn to_doubles(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.detach().to_kind(Kind::Double).flatten(0, -1);
    Vec::<f64>::try_from(flat).expect("a flat tensor of binary64 is a vector")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(weight: &[f64], bias: &[f64]) -> Folded {
        let weight = Tensor::from_slice(weight).view([bias.len() as i64, -1]);
        Folded { weight, bias: Tensor::from_slice(bias) }
    }

    #[test]
    fn multipliers_use_all_their_bits() {
        for ratio in [1.0, 0.5, 0.003_7, 1.0 / 3.0, 1e-9, 0.999_99, 40.0, 32_767.0] {
            let (multiplier, shift) = multiplier(ratio).unwrap();
            assert!((0..=spec::FORMAT_1_MAX_MULTIPLIER).contains(&multiplier));
            assert!((0..=spec::FORMAT_1_MAX_SHIFT as i32).contains(&shift));
            let value = f64::from(multiplier) / f64::from(shift).exp2();
            assert!((value / ratio - 1.0).abs() < 4e-5, "{ratio}: {multiplier} >> {shift}");
        }
        assert!(multiplier(0.0).is_err());
        assert!(multiplier(40_000.0).is_err());
    }

    #[test]
    fn rows_have_their_own_scale_and_channels_go_last() {
        // Two outputs, two channels, two taps.
        let folded = folded(&[1.27, 0.1, -0.5, 0.0, 0.0, -12.7, 0.0, 6.35], &[0.0, 0.0]);
        let rows = Rows::quantize(&folded, row_scales(&folded, 0.01, None));
        let weight = rows.weight(2, (1, 2)).unwrap();
        assert_eq!(weight.iter().copied().collect::<Vec<_>>(), [127, -50, 10, 0, 0, 0, -127, 64]);
        assert!((rows.scales[0] - 0.01).abs() < 1e-12 && (rows.scales[1] - 0.1).abs() < 1e-12);
    }

    #[test]
    fn a_diagonal_is_exact_and_zero_gains_are_zero() {
        let folded = folded(&[0.37, -2.9, 0.0], &[0.1, 0.2, 0.3]);
        let scales = row_scales(&folded, 0.01, None);
        let rows = Rows::quantize(&folded, scales);
        assert_eq!(
            rows.diagonal().iter().copied().collect::<Vec<_>>(),
            [127, 0, 0, 0, -127, 0, 0, 0, 0]
        );
        assert!((127.0 * rows.scales[0] - 0.37).abs() < 1e-12);
    }

    #[test]
    fn residuals_are_added_exactly() {
        let (input, residual) = (0.013, 0.021);
        // Weights of a usual size, near zero, and far above the residual.
        let folded = folded(&[0.5, -0.3, 1e-9, 0.0, 900.0, 1.0], &[0.0, 0.0, 0.0]);
        let scales = row_scales(&folded, input, Some(residual));
        let rows = Rows::quantize(&folded, scales);
        let multiplier = rows.residual_multiplier(input, residual);
        for row in 0..2 {
            let exact = residual / (input * rows.scales[row]);
            assert!((exact - f64::from(multiplier[row])).abs() < 1e-6, "{row}: {exact}");
        }
        // 0.021 / (0.013 * 0.5 / 127) is 410.3.
        assert_eq!(multiplier[0], 410);
        assert_eq!(multiplier[1], spec::MAX_RESIDUAL_MULTIPLIER);
        assert_eq!(rows.values, [127, -76, 0, 0, 127, 0]);
    }

    #[test]
    fn a_bias_beside_weights_near_zero_fits_the_accumulator() {
        let folded = folded(&[1e-14, 0.0], &[0.25]);
        let rows = Rows::quantize(&folded, row_scales(&folded, 0.01, None));
        let constants = requantize(&folded.bias, &rows.scales, 0.01, 0.02).unwrap();
        assert_eq!(constants.bias[0], 1 << 29);
        let output = spec::scale_round(
            constants.bias[0],
            constants.multiplier[0],
            constants.shift[0] as u32,
        );
        assert_eq!(output, 12, "0.25 / 0.02, half to even");
    }
}
