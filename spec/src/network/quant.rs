//! The accelerator's requantization arithmetic, integers only.
//!
//! With `acc` the sum of int8 products, the value that leaves a layer is
//! `clamp(scale_round(acc + bias + residual * residual_multiplier, multiplier, shift))`: real = scale * quantized with
//! zero point 0 throughout (gemmlowp, "Quantization", eq. 3 and 7), rounding half to even.

/// Largest requantization multiplier: 15 bits, unsigned.
pub const MAX_MULTIPLIER: i32 = (1 << 15) - 1;
/// Largest requantization shift.
pub const MAX_SHIFT: u32 = 47;
/// Largest residual multiplier: 16 bits, unsigned.
pub const MAX_RESIDUAL_MULTIPLIER: i32 = (1 << 16) - 1;

/// `value * multiplier / 2^shift`, rounded half to even.
///
/// `multiplier` is in `0..=MAX_MULTIPLIER` and `shift` in `0..=MAX_SHIFT`, so the product fits 47 bits and a sign.
pub fn scale_round(value: i32, multiplier: i32, shift: u32) -> i64 {
    let product = i64::from(value) * i64::from(multiplier);
    let floor = product >> shift;
    let remainder = product - (floor << shift);
    let twice = remainder << 1;
    let unit = 1i64 << shift;
    let up = twice > unit || (twice == unit && floor & 1 == 1);
    floor + i64::from(up)
}

/// Saturates to int8; ReLU raises the lower bound to 0.
pub fn clamp_i8(value: i64, relu: bool) -> i8 {
    value.clamp(if relu { 0 } else { -128 }, 127) as i8
}

/// Saturates to the 16 bits of a logit; ReLU raises the lower bound to 0.
pub fn clamp_i16(value: i64, relu: bool) -> i16 {
    value.clamp(if relu { 0 } else { -32768 }, 32767) as i16
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
        assert_eq!(scale_round(i32::MIN, MAX_MULTIPLIER, 0), i64::from(i32::MIN) * 32767);
        assert_eq!(scale_round(i32::MIN, MAX_MULTIPLIER, 47), 0);
    }

    #[test]
    fn saturates() {
        assert_eq!(
            (clamp_i8(128, false), clamp_i8(-129, false), clamp_i8(-5, true)),
            (127, -128, 0)
        );
        assert_eq!(
            (clamp_i16(40_000, false), clamp_i16(-40_000, false), clamp_i16(-1, true)),
            (32767, -32768, 0)
        );
    }
}
