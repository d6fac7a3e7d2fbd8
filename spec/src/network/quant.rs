//! The arithmetic from an accumulator to an output, integers only.
//!
//! With `acc` the sum of products, `r` a residual less its zero point, the value that leaves a layer is
//!
//! ```text
//! t = acc + bias + r * residual_multiplier            a residual before the scaling: the trainer's own
//! v = t * multiplier + r * residual_multiplier        a residual after the scaling: an add of two scales
//! q = clamp(round(v / 2^shift) + zero_point, low, high)
//! ```
//!
//! Real = scale * (quantized - zero point) is gemmlowp's ("Quantization", eq. 3 and 7) and the TFLite int8 specification's.
//! A multiplier of 24 bits and halves to even give what XNNPACK computes in binary32, but where binary32 rounds the product to
//! a half first, which two values in a million do; TFLite's average pool rounds halves away from zero.

use serde::{Deserialize, Serialize};

/// Largest requantization multiplier: 24 bits, unsigned, as the significand of a binary32 number. It is also the largest
/// residual multiplier after the scaling.
pub const MAX_MULTIPLIER: i32 = (1 << 24) - 1;
/// Largest requantization shift.
pub const MAX_SHIFT: u32 = 55;
/// Largest residual multiplier before the scaling: 16 bits, unsigned.
pub const MAX_RESIDUAL_MULTIPLIER: i32 = (1 << 16) - 1;
/// Largest requantization multiplier of network format 1, and of the networks of this repository: 15 bits, unsigned.
pub const FORMAT_1_MAX_MULTIPLIER: i32 = (1 << 15) - 1;
/// Largest requantization shift of network format 1, and of the networks of this repository.
pub const FORMAT_1_MAX_SHIFT: u32 = 47;

/// Which of two equally near integers is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// The even one, as IEEE 754 and XNNPACK do.
    #[default]
    HalfEven,
    /// The one farther from zero, as TFLite's average pool does.
    HalfAway,
}

/// The smallest and the largest value of a layer's output. One that int8 cannot hold makes the output one of int16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Smallest value.
    pub low: i16,
    /// Largest value, at least `low`.
    pub high: i16,
}

impl Bounds {
    /// All of int8.
    pub const INT8: Self = Self { low: i8::MIN as i16, high: i8::MAX as i16 };
    /// All of int16.
    pub const INT16: Self = Self { low: i16::MIN, high: i16::MAX };

    /// Those of network format 1: int8, in the last layer int16, with ReLU from 0.
    pub const fn format_1(relu: bool, is_last: bool) -> Self {
        let all = if is_last { Self::INT16 } else { Self::INT8 };
        if relu { Self { low: 0, ..all } } else { all }
    }

    /// Whether every value is one of int8.
    pub const fn is_int8(self) -> bool {
        self.low >= Self::INT8.low && self.high <= Self::INT8.high
    }

    /// The nearest value within the bounds.
    ///
    /// # Panics
    /// If `low` is above `high`, which a validated network has nowhere.
    pub fn clamp(self, value: i64) -> i16 {
        value.clamp(self.low.into(), self.high.into()) as i16
    }
}

/// `value / 2^shift` to the nearest integer.
///
/// `shift` is in `0..=MAX_SHIFT` and the magnitude of `value` at most 2^62.
pub fn round_shift(value: i64, shift: u32, rounding: Rounding) -> i64 {
    let floor = value >> shift;
    let remainder = value - (floor << shift);
    let twice = remainder << 1;
    let unit = 1i64 << shift;
    let half_goes_up = match rounding {
        Rounding::HalfEven => floor & 1 == 1,
        Rounding::HalfAway => value > 0,
    };
    floor + i64::from(twice > unit || (twice == unit && half_goes_up))
}

/// `value * multiplier / 2^shift`, rounded half to even.
///
/// `multiplier` is in `0..=MAX_MULTIPLIER` and `shift` in `0..=MAX_SHIFT`, so the product fits 56 bits.
pub fn scale_round(value: i32, multiplier: i32, shift: u32) -> i64 {
    round_shift(i64::from(value) * i64::from(multiplier), shift, Rounding::HalfEven)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_to_even() {
        let halves = [(1, 0), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2), (-5, -2)];
        for (value, expected) in halves {
            assert_eq!(scale_round(value, 1, 1), expected, "{value} / 2");
        }
        assert_eq!(scale_round(7, 1, 0), 7);
        assert_eq!(
            scale_round(i32::MIN, MAX_MULTIPLIER, 0),
            i64::from(i32::MIN) * i64::from(MAX_MULTIPLIER)
        );
        assert_eq!(scale_round(i32::MIN, 1, MAX_SHIFT), 0);
        // -2^31 (2^24 - 1) / 2^55 is just above -1.
        assert_eq!(scale_round(i32::MIN, MAX_MULTIPLIER, MAX_SHIFT), -1);
    }

    #[test]
    fn rounds_half_away_from_zero() {
        let halves = [(1, 1), (3, 2), (5, 3), (7, 4), (-1, -1), (-3, -2), (-5, -3), (0, 0), (2, 1)];
        for (value, expected) in halves {
            assert_eq!(round_shift(value, 1, Rounding::HalfAway), expected, "{value} / 2");
        }
        for (value, expected) in [(5, 1), (6, 2), (-5, -1), (-6, -2), (-7, -2)] {
            assert_eq!(round_shift(value, 2, Rounding::HalfAway), expected, "{value} / 4");
        }
        assert_eq!(round_shift(-7, 0, Rounding::HalfAway), -7);
    }

    #[test]
    fn saturates() {
        let relu = Bounds::format_1(true, false);
        assert_eq!(
            (Bounds::INT8.clamp(128), Bounds::INT8.clamp(-129), relu.clamp(-5)),
            (127, -128, 0)
        );
        let relu = Bounds::format_1(true, true);
        assert_eq!(
            (Bounds::INT16.clamp(40_000), Bounds::INT16.clamp(-40_000), relu.clamp(-1)),
            (32767, -32768, 0)
        );
        assert!(Bounds::INT8.is_int8() && !Bounds::INT16.is_int8());
        assert!(!Bounds { low: 0, high: 128 }.is_int8());
    }
}
