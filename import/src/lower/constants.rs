//! Multipliers, shifts and how many of all inputs a scaling gives other values for than the runtime that the model comes from.

use spec::{Bounds, MAX_MULTIPLIER, MAX_SHIFT, Rounding, round_shift};

use crate::formula::{self, AddIntegers, Quantization, exponent};
use crate::graph::Runtime;

/// `multiplier / 2^shift`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scaling {
    pub(super) multiplier: i32,
    pub(super) shift: i32,
}

impl Scaling {
    /// A binary32 number, exactly: its significand has 24 bits. Below 2^-32 it loses bits, `None` from 2^24 on.
    pub(super) fn of(value: f32) -> Option<Self> {
        let bits = value.to_bits();
        // Numbers below 2^-126 have no leading one; they scale every sum to 0.
        if value < f32::MIN_POSITIVE {
            return Some(Self { multiplier: 0, shift: 0 });
        }
        let significand = (bits & 0x7f_ffff) | 0x80_0000;
        let shift = 23 - exponent(value);
        if shift < 0 || !value.is_finite() {
            return None;
        }
        let excess = shift.saturating_sub(MAX_SHIFT as i32).clamp(0, MAX_SHIFT as i32) as u32;
        let multiplier = round_shift(i64::from(significand), excess, Rounding::HalfEven) as i32;
        Some(Self { multiplier, shift: shift.min(MAX_SHIFT as i32) })
    }
}

/// How a scaling compares with the runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// All inputs: 65,536 of an addition, 256 of a requantization.
    pub n_inputs: usize,
    /// Those whose value differs.
    pub n_differ: usize,
    /// The largest difference.
    pub largest: u32,
}

impl Comparison {
    fn add(&mut self, ours: i64, theirs: i8) {
        self.n_inputs += 1;
        let difference = ours.abs_diff(theirs.into());
        self.n_differ += usize::from(difference > 0);
        self.largest = self.largest.max(u32::try_from(difference).unwrap_or(u32::MAX));
    }
}

/// The constants of an addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AddScaling {
    pub(super) multipliers: [i32; 2],
    pub(super) shift: i32,
    pub(super) rounding: Rounding,
}

/// Constants of an addition that give what the runtime gives for all pairs of inputs, or for as many as are found.
pub(super) fn add_scaling(
    runtime: Runtime,
    inputs: [Quantization; 2],
    output: Quantization,
    bounds: Bounds,
) -> Option<(AddScaling, Comparison)> {
    let ratios = inputs.map(|input| input.scale / output.scale);
    let integers = AddIntegers::of(inputs, output).filter(|_| runtime == Runtime::LiteRt);
    let (base, shift) = match integers {
        // Three more bits than XNNPACK has leave room to move a half to the other side.
        Some(AddIntegers { multipliers, shift }) => (multipliers.map(|m| m << 3), shift as i32 + 3),
        None => {
            let shift = 22 - exponent(ratios[0].max(ratios[1]).max(f32::MIN_POSITIVE));
            let multiplier =
                |ratio: f32| (f64::from(ratio) * 2f64.powi(shift)).round_ties_even() as i32;
            (ratios.map(multiplier), shift)
        }
    };
    if !(0..=MAX_SHIFT as i32).contains(&shift) {
        return None;
    }
    let mut best: Option<(AddScaling, Comparison)> = None;
    for moved in MOVED {
        for rounding in [Rounding::HalfEven, Rounding::HalfAway] {
            let multipliers = [base[0] + moved[0], base[1] + moved[1]];
            if multipliers.iter().any(|m| !(0..=MAX_MULTIPLIER).contains(m)) {
                continue;
            }
            let scaling = AddScaling { multipliers, shift, rounding };
            let comparison = compare_add(runtime, inputs, output, bounds, scaling);
            if comparison.n_differ == 0 {
                return Some((scaling, comparison));
            }
            if best.is_none_or(|(_, known)| comparison.n_differ < known.n_differ) {
                best = Some((scaling, comparison));
            }
        }
    }
    best
}

/// What is added to the multipliers, the least first.
const MOVED: [[i32; 2]; 9] =
    [[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1], [1, 1], [-1, -1], [1, -1], [-1, 1]];

fn compare_add(
    runtime: Runtime,
    inputs: [Quantization; 2],
    output: Quantization,
    bounds: Bounds,
    scaling: AddScaling,
) -> Comparison {
    let mut comparison = Comparison::default();
    let value = |index: usize, value: i8| {
        (i64::from(value) - i64::from(inputs[index].zero_point))
            * i64::from(scaling.multipliers[index])
    };
    for first in i8::MIN..=i8::MAX {
        for second in i8::MIN..=i8::MAX {
            let sum = value(0, first) + value(1, second);
            let rounded = round_shift(sum, scaling.shift as u32, scaling.rounding);
            let ours = bounds.clamp(rounded + i64::from(output.zero_point));
            comparison
                .add(ours.into(), formula::add(runtime, inputs, output, bounds, [first, second]));
        }
    }
    comparison
}

/// The constants of a requantization: `round(((difference + bias) * multiplier + difference * added) / 2^shift)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rescaling {
    pub(super) bias: i32,
    pub(super) scaling: Scaling,
    /// What the map itself is multiplied by and added: only where halves have to go up on both sides of zero.
    pub(super) added: Option<i32>,
    pub(super) rounding: Rounding,
}

/// Constants of a requantization that give what the runtime gives for all inputs, or for as many as are found.
pub(super) fn requantize_scaling(
    runtime: Runtime,
    input: Quantization,
    output: Quantization,
    bounds: Bounds,
) -> Option<(Rescaling, Comparison)> {
    let ratio = input.scale / output.scale;
    let plain = |scaling| {
        let of = |rounding| Rescaling { bias: 0, scaling, added: None, rounding };
        [Rounding::HalfEven, Rounding::HalfAway].map(of)
    };
    let mut candidates = plain(Scaling::of(ratio)?).to_vec();
    let coarse = (256.0 * ratio).round_ties_even();
    if runtime == Runtime::LiteRt && (1.0..=32_768.0).contains(&coarse) {
        // XNNPACK's own eight bits after the point; the same with halves moved to either side, or all of them moved up.
        let (fine, shift) = (coarse as i32 * 128, 15);
        let moved = |moved| plain(Scaling { multiplier: fine + moved, shift });
        candidates = [0, 1, -1].map(moved).concat();
        let (scaling, rounding) = (Scaling { multiplier: 1, shift }, Rounding::HalfEven);
        candidates.push(Rescaling { bias: 1, scaling, added: Some(fine - 1), rounding });
    }
    let mut best: Option<(Rescaling, Comparison)> = None;
    for rescaling in candidates {
        let comparison = compare_requantize(runtime, [input, output], bounds, rescaling);
        if best.is_none_or(|(_, known)| comparison.n_differ < known.n_differ) {
            best = Some((rescaling, comparison));
        }
    }
    best
}

fn compare_requantize(
    runtime: Runtime,
    [input, output]: [Quantization; 2],
    bounds: Bounds,
    rescaling: Rescaling,
) -> Comparison {
    let Rescaling { bias, scaling, added, rounding } = rescaling;
    let mut comparison = Comparison::default();
    for value in i8::MIN..=i8::MAX {
        let difference = i64::from(value) - i64::from(input.zero_point);
        let product = (difference + i64::from(bias)) * i64::from(scaling.multiplier)
            + difference * i64::from(added.unwrap_or(0));
        let rounded = round_shift(product, scaling.shift as u32, rounding);
        let ours = bounds.clamp(rounded + i64::from(output.zero_point));
        comparison.add(ours.into(), formula::requantize(runtime, input, output, bounds, value));
    }
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary32_number_is_kept_to_the_last_bit() {
        for value in [1.0f32, 0.5, 0.333_333_34, 1.5e-9, 0.004_321, 255.99, 16_777_215.0] {
            let scaling = Scaling::of(value).unwrap();
            let found = f64::from(scaling.multiplier) / 2f64.powi(scaling.shift);
            assert_eq!(found, f64::from(value), "{value}");
            assert!((1 << 23..1 << 24).contains(&scaling.multiplier));
        }
        assert_eq!(Scaling::of(0.0).unwrap().multiplier, 0);
        assert_eq!(Scaling::of(1e-40).unwrap().multiplier, 0);
        assert_eq!(Scaling::of(1e-30).unwrap().multiplier, 0);
        assert_eq!(
            Scaling::of(2f32.powi(-40)).unwrap(),
            Scaling { multiplier: 1 << 15, shift: 55 }
        );
        assert_eq!(Scaling::of(16_777_216.0), None);
        assert_eq!(Scaling::of(f32::INFINITY), None);
    }

    #[test]
    fn additions_equal_the_runtime_over_all_pairs() {
        let of = |scale, zero_point| Quantization { scale, zero_point };
        let cases = [
            ([of(0.023_174_9, -128), of(0.061_733_1, 5)], of(0.058_117_7, -128)),
            ([of(0.101_39, 3), of(0.101_41, -7)], of(0.173_33, 9)),
            ([of(0.004_117, 3), of(0.913_7, -7)], of(0.303_7, 127)),
            ([of(1.713_1, 0), of(0.021_37, -1)], of(0.011_73, 0)),
        ];
        for (inputs, output) in cases {
            for runtime in [Runtime::LiteRt, Runtime::OnnxRuntime, Runtime::Onnx] {
                let found = add_scaling(runtime, inputs, output, Bounds::INT8);
                let (_, comparison) = found.expect("these scales are near each other");
                let expected = Comparison { n_inputs: 65_536, n_differ: 0, largest: 0 };
                assert_eq!(comparison, expected, "{runtime:?} {inputs:?} -> {output:?}");
            }
        }
    }

    #[test]
    fn what_differs_is_counted() {
        // Every other sum is halved to a half, which XNNPACK rounds up: no rounding of the format does, for either sign.
        let of = |scale| Quantization { scale, zero_point: 0 };
        let halved = |runtime| {
            add_scaling(runtime, [of(0.5); 2], of(1.0), Bounds::INT8).map(|(_, found)| found)
        };
        let found = halved(Runtime::LiteRt).expect("these scales are near each other");
        assert!(found.n_differ > 16_000 && found.largest == 1, "{found:?}");
        let found = halved(Runtime::OnnxRuntime).expect("these scales are near each other");
        assert_eq!(found.n_differ, 0);
    }

    #[test]
    fn requantizations_equal_the_runtime_over_all_values() {
        let of = |scale, zero_point| Quantization { scale, zero_point };
        for (input, output) in [
            (of(0.023_174_9, -128), of(0.058_117_7, -128)),
            (of(0.101_39, 3), of(0.031_77, -7)),
            (of(0.004_117, 3), of(0.913_7, 11)),
            // Halves on both sides of zero, which XNNPACK rounds up.
            (of(0.5, 0), of(1.0, 0)),
            (of(0.75, -3), of(1.0, 5)),
        ] {
            for runtime in [Runtime::LiteRt, Runtime::OnnxRuntime] {
                let found = requantize_scaling(runtime, input, output, Bounds::INT8);
                let (_, comparison) = found.expect("these scales are near each other");
                let expected = Comparison { n_inputs: 256, n_differ: 0, largest: 0 };
                assert_eq!(comparison, expected, "{runtime:?} {input:?} -> {output:?}");
            }
        }
    }
}
