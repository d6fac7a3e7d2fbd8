//! The arithmetic of network format 2, given to a network of format 1: the same layers, with other constants.

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spec::{Bounds, Layer, MAX_MULTIPLIER, MAX_SHIFT, Op, QuantNetwork, Rounding};

/// A valid network with random zero points, bounds, multipliers of 24 bits, roundings, and residuals after the scaling,
/// where the rules of the format allow them.
///
/// # Panics
/// If `network` is not valid.
pub fn with_random_arithmetic(network: &QuantNetwork, seed: u64) -> QuantNetwork {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x61_72_69_74_68);
    let mut changed = network.clone();
    change(&mut changed, |changed, rng| changed.input.zero_point = byte(rng), &mut rng);
    for index in 0..network.layers.len() {
        let is_output = network.is_output(index);
        let kinds: [fn(&mut Layer, bool, &mut ChaCha8Rng); 5] =
            [zero_point, bounds, long_multipliers, rounding, residual_after];
        for kind in kinds {
            let of_layer = |changed: &mut QuantNetwork, rng: &mut ChaCha8Rng| {
                kind(&mut changed.layers[index], is_output, rng);
            };
            change(&mut changed, of_layer, &mut rng);
        }
    }
    changed.validate().expect("each change keeps the network valid");
    changed
}

/// Makes a change three times of four, unless it breaks a rule.
fn change(
    network: &mut QuantNetwork,
    how: impl FnOnce(&mut QuantNetwork, &mut ChaCha8Rng),
    rng: &mut ChaCha8Rng,
) {
    let mut changed = network.clone();
    how(&mut changed, rng);
    if rng.random_ratio(3, 4) && changed.validate().is_ok() {
        *network = changed;
    }
}

/// An int8 value, often one of the ends.
fn byte(rng: &mut ChaCha8Rng) -> i8 {
    if rng.random() { rng.random() } else { *[-128, -1, 1, 127].choose(rng).unwrap_or(&0) }
}

fn zero_point(layer: &mut Layer, _: bool, rng: &mut ChaCha8Rng) {
    layer.zero_point = byte(rng);
}

fn bounds(layer: &mut Layer, is_output: bool, rng: &mut ChaCha8Rng) {
    let (one, other) = (i16::from(byte(rng)), i16::from(byte(rng)));
    let (low, high) = (one.min(other), one.max(other));
    let zero_point = layer.zero_point.into();
    let kinds = [
        Bounds::INT8,
        Bounds { low: zero_point, ..Bounds::INT8 },
        Bounds { low: zero_point, high: 127.min(zero_point + 60) },
        Bounds { low, high },
    ];
    let wide = [Bounds::INT16, Bounds { low: low << 8, high: high << 8 | 255 }];
    let choices = if is_output && rng.random_ratio(3, 4) { &wide[..] } else { &kinds[..] };
    layer.bounds = *choices.choose(rng).unwrap_or(&Bounds::INT8);
}

/// The same factors in more bits, and some that none of fewer bits has.
fn long_multipliers(layer: &mut Layer, _: bool, rng: &mut ChaCha8Rng) {
    let constants = &mut layer.requantize;
    for (multiplier, shift) in constants.multiplier.iter_mut().zip(&mut constants.shift) {
        if rng.random_ratio(1, 16) {
            *multiplier = rng.random_range(0..=MAX_MULTIPLIER);
            *shift = rng.random_range(0..=MAX_SHIFT as i32);
            continue;
        }
        let room = (MAX_MULTIPLIER / (*multiplier).max(1)).ilog2();
        let bits = rng.random_range(0..=room.min(MAX_SHIFT - *shift as u32));
        let below = rng.random_range(0..1 << bits);
        *multiplier = *multiplier << bits | below;
        *shift += bits as i32;
    }
}

fn rounding(layer: &mut Layer, _: bool, rng: &mut ChaCha8Rng) {
    let constants = &mut layer.requantize;
    constants.rounding = Rounding::HalfAway;
    // Halves are frequent where few bits are dropped.
    for (multiplier, shift) in constants.multiplier.iter_mut().zip(&mut constants.shift) {
        if rng.random_ratio(1, 4) && *shift > 8 {
            let kept = rng.random_range(0..3);
            let dropped = (*multiplier).max(1).ilog2().saturating_sub(kept).min(*shift as u32);
            *multiplier >>= dropped;
            *shift -= dropped as i32;
        }
    }
}

/// The residual counts as much as before.
fn residual_after(layer: &mut Layer, _: bool, rng: &mut ChaCha8Rng) {
    let constants = &layer.requantize;
    let Op::Conv(conv) = &mut layer.op else { return };
    let Some(residual) = &mut conv.residual else { return };
    residual.after = true;
    for (multiplier, scale) in residual.multiplier.iter_mut().zip(&constants.multiplier) {
        let scaled = i64::from(*multiplier) * i64::from(*scale);
        *multiplier = match rng.random_range(0..8) {
            0 => rng.random_range(0..=MAX_MULTIPLIER),
            1 => MAX_MULTIPLIER,
            _ => scaled.min(MAX_MULTIPLIER.into()) as i32,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{Size, random_network};
    use codegen::{Feature, features};
    use spec::{ArrayConfig, Memories};

    #[test]
    fn every_kind_of_arithmetic_occurs() {
        let config = ArrayConfig::new(4, 8, Memories::default()).unwrap();
        let size = Size { n_layers: 4, side: 6, channels: 12 };
        let mut seen = Vec::new();
        for seed in 0..40 {
            let network = with_random_arithmetic(&random_network(seed, size, &config), seed);
            seen.extend(features(&network).into_iter().map(|(_, feature)| feature));
        }
        for feature in [
            Feature::ZeroPoint,
            Feature::Bounds,
            Feature::LongMultiplier,
            Feature::HalfAway,
            Feature::ResidualAfter,
        ] {
            let n = seen.iter().filter(|found| **found == feature).count();
            assert!(n >= 10, "{feature}: {n} networks of 40");
        }
        assert!(seen.iter().all(|feature| feature.is_lowered()));
    }
}
