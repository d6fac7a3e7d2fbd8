//! Numbers at the ends of their ranges, and those that format 1 does not have.

use codegen::Feature;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spec::{
    Bounds, Conv, FORMAT_1_MAX_MULTIPLIER, FORMAT_1_MAX_SHIFT, Layer, MAX_MULTIPLIER,
    MAX_RESIDUAL_MULTIPLIER, MAX_SHIFT, Op, Residual, Rounding,
};

use super::Random;

/// Bits by which a multiplier of 15 bits becomes one of 24.
const LONGER: i32 = 9;

impl Random<'_> {
    /// Moves some weights and constants of the last layer to the ends of their ranges.
    pub(super) fn corners(&mut self) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.builder.rng().random());
        let Some(layer) = self.builder.last_mut() else { return };
        if rng.random_ratio(1, 4) {
            corner_weights(layer, &mut rng);
        }
        if rng.random_ratio(1, 3) {
            corner_constants(layer, &mut rng);
        }
        numbers_of_format_2(layer, &mut rng, self.has);
    }
}

/// A zero point, an end of its range often.
pub(super) fn zero_point(rng: &mut ChaCha8Rng) -> i8 {
    match rng.random_range(0..4) {
        0 => *[-128, 127].choose(rng).unwrap_or(&0),
        _ => rng.random(),
    }
}

/// Two bytes in order.
fn two_bytes(rng: &mut ChaCha8Rng) -> [i16; 2] {
    let (a, b): (i8, i8) = (rng.random(), rng.random());
    [a.min(b).into(), a.max(b).into()]
}

/// Bounds of an output of 16 bits: as the accelerator has them, of whole steps of 256, or any.
pub(super) fn wide_bounds(rng: &mut ChaCha8Rng, has: &dyn Fn(Feature) -> bool) -> Bounds {
    if has(Feature::UnevenBounds) && rng.random() {
        let (a, b): (i16, i16) = (rng.random(), rng.random());
        return Bounds { low: a.min(b), high: a.max(b) };
    }
    let [low, high] = two_bytes(rng);
    Bounds { low: low * 256, high: high * 256 + 255 }
}

/// Zero point, bounds, rounding and multipliers that only format 2 has.
fn numbers_of_format_2(layer: &mut Layer, rng: &mut ChaCha8Rng, has: &dyn Fn(Feature) -> bool) {
    let has_constants = layer.op.has_constants();
    if has_constants && has(Feature::ZeroPoint) && rng.random_ratio(1, 2) {
        layer.zero_point = zero_point(rng);
        if layer.bounds.low == 0 {
            layer.bounds.low = layer.zero_point.into();
        }
        if !has(Feature::Bounds) {
            layer.bounds = Bounds::INT8;
        }
    }
    if has(Feature::Bounds) && !matches!(layer.op, Op::Concat(_)) && rng.random_ratio(1, 5) {
        let [low, high] = two_bytes(rng);
        layer.bounds = Bounds { low, high };
    }
    let constants = &mut layer.requantize;
    if has_constants && has(Feature::HalfAway) && rng.random_ratio(1, 4) {
        constants.rounding = Rounding::HalfAway;
    }
    if !(has(Feature::LongMultiplier) && rng.random_ratio(1, 3)) {
        return;
    }
    let after = match &mut layer.op {
        Op::Conv(Conv { residual: Some(residual), .. }) if residual.after => {
            Some(&mut residual.multiplier)
        }
        Op::Add(add) => Some(&mut add.multiplier),
        _ => None,
    };
    let mut lengthen =
        |value: i32| ((value << LONGER) + rng.random_range(0..1 << LONGER)).min(MAX_MULTIPLIER);
    if let Some(multiplier) = after {
        // Both products are in the same unit: only where both have room for more bits.
        if multiplier.iter().all(|value| *value < 1 << (24 - LONGER)) {
            multiplier.mapv_inplace(&mut lengthen);
        } else {
            return;
        }
    }
    constants.multiplier.mapv_inplace(&mut lengthen);
    constants.shift.mapv_inplace(|shift| (shift + LONGER).min(MAX_SHIFT as i32));
}

/// Kept weights become one extreme, extremes of both signs, or mostly zero.
fn corner_weights(layer: &mut Layer, rng: &mut ChaCha8Rng) {
    let Some(weight) = layer.op.weight_mut() else { return };
    let kind = rng.random_range(0..5);
    for value in weight.iter_mut().filter(|value| **value != 0) {
        *value = match kind {
            0 => -128,
            1 => 127,
            2 => *[-128, 127].choose(rng).unwrap_or(&127),
            3 => 0,
            _ if rng.random_ratio(9, 10) => 0,
            _ => *value,
        };
    }
}

/// Channels here and there get a constant that saturates, vanishes or lies at the end of its field, as far as the
/// accumulator allows.
fn corner_constants(layer: &mut Layer, rng: &mut ChaCha8Rng) {
    let corners = &mut layer.requantize;
    for channel in 0..corners.bias.len() {
        match rng.random_range(0..10) {
            0 => corners.multiplier[channel] = 0,
            1 => corners.multiplier[channel] = FORMAT_1_MAX_MULTIPLIER,
            2 => corners.shift[channel] = 0,
            3 => corners.shift[channel] = FORMAT_1_MAX_SHIFT as i32,
            4 => {
                corners.bias[channel] =
                    *[-1 << 30, 1 << 30, (1 << 30) + 1].choose(rng).unwrap_or(&0)
            }
            5 => (corners.multiplier[channel], corners.shift[channel]) = (1, 1),
            6 => corners.shift[channel] = rng.random_range(0..=FORMAT_1_MAX_SHIFT as i32),
            _ => {}
        }
        let added = match &mut layer.op {
            Op::Conv(Conv { residual: Some(Residual { multiplier, after, .. }), .. }) => {
                Some((multiplier, if *after { MAX_MULTIPLIER } else { MAX_RESIDUAL_MULTIPLIER }))
            }
            Op::Add(add) => Some((&mut add.multiplier, MAX_MULTIPLIER)),
            _ => None,
        };
        if let Some((multiplier, most)) = added {
            match rng.random_range(0..8) {
                0 => multiplier[channel] = 0,
                1 => multiplier[channel] = most,
                2 => multiplier[channel] = 1,
                _ => {}
            }
        }
    }
}
