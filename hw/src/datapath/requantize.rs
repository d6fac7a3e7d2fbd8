//! Requantization of one lane: from an int32 accumulator to int8, or to the 16 bits of a logit.
//!
//! The arithmetic is that of `spec::network` (gemmlowp, "Quantization", eq. 3 and 7, with the constants of TFLite and
//! XNNPACK), cut into stages that are each short.

use crate::leaf::{Drive, verilog};
use crate::tech;
use rust_hdl_core::prelude::*;
use spec::isa::{RESIDUAL_AFTER, RESIDUAL_BEFORE};
use spec::{Rounding, Technology, round_shift};
use std::fmt::Write;

/// `value = clamp(round(v / 2^shift) + zero_point, low, high)`, where with `r = residual - residual_zero_point`
///
/// ```text
/// t = accumulator + bias + r * residual_multiplier      if added before, else accumulator + bias; 32 bits, wraps
/// v = t * multiplier + r * residual_multiplier          if added after, else t * multiplier; exact
/// ```
///
/// `residual_mode` is `residual` of `DRAIN`. A residual whose multiplier is 0 may be anything, also unknown, and so may any
/// where none is added. Latency [`Requantize::LATENCY`] cycles, one value a cycle. Operands, `residual_mode` and
/// `residual_zero_point` come together; `half_away` and `zero_point` are of the value [`Requantize::ROUND_STAGE`] cycles after
/// its operands, `low` and `high` of the one [`Requantize::CLAMP_STAGE`] cycles after. No reset: what comes out belongs to what went in.
#[derive(LogicBlock, Default)]
pub struct Requantize {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Advances the pipeline.
    pub enable: Signal<In, Bit>,
    /// 0 for no residual, 1 before and 2 after the scaling.
    pub residual_mode: Signal<In, Bits<2>>,
    /// int8.
    pub residual_zero_point: Signal<In, Bits<8>>,
    /// Halves away from zero instead of to the even integer.
    pub half_away: Signal<In, Bit>,
    /// int8.
    pub zero_point: Signal<In, Bits<8>>,
    /// int16, smallest value.
    pub low: Signal<In, Bits<16>>,
    /// int16, largest value.
    pub high: Signal<In, Bits<16>>,
    /// int32.
    pub accumulator: Signal<In, Bits<32>>,
    /// int32.
    pub bias: Signal<In, Bits<32>>,
    /// int8.
    pub residual: Signal<In, Bits<8>>,
    /// Unsigned; before the scaling at most 16 bits.
    pub residual_multiplier: Signal<In, Bits<24>>,
    /// Unsigned.
    pub multiplier: Signal<In, Bits<24>>,
    /// 0 to 55.
    pub shift: Signal<In, Bits<6>>,
    /// int16; an int8 is sign-extended.
    pub value: Signal<Out, Bits<16>>,
    _technology: Technology,
    /// What is in the stages before rounding, the youngest first.
    _scaled: [Scaled; Requantize::ROUND_STAGE],
    _rounded: i64,
}

/// A value that is to be divided by a power of two.
#[derive(Clone, Copy, Default)]
struct Scaled {
    value: i64,
    shift: u32,
}

impl Requantize {
    /// Cycles from the operands to `value`.
    pub const LATENCY: usize = 10;
    /// Cycles from the operands to `half_away` and `zero_point`.
    pub const ROUND_STAGE: usize = Self::LATENCY - 2;
    /// Cycles from the operands to `low` and `high`.
    pub const CLAMP_STAGE: usize = Self::LATENCY - 1;

    /// A lane with the multipliers of a technology.
    pub fn new(technology: Technology) -> Self {
        Self { _technology: technology, ..Self::default() }
    }

    fn scaled(&self) -> Scaled {
        let residual = i64::from(self.residual.val().to_u8() as i8)
            - i64::from(self.residual_zero_point.val().to_u8() as i8);
        let product = residual * self.residual_multiplier.val().to_u64() as i64;
        let mode = self.residual_mode.val().to_u64() as usize;
        let before = if mode == RESIDUAL_BEFORE { product as u32 } else { 0 };
        let biased = self.accumulator.val().to_u32().wrapping_add(self.bias.val().to_u32());
        let total = i64::from(biased.wrapping_add(before) as i32);
        let after = if mode == RESIDUAL_AFTER { product } else { 0 };
        let value = total * self.multiplier.val().to_u64() as i64 + after;
        Scaled { value, shift: self.shift.val().to_u32() }
    }
}

impl Logic for Requantize {
    fn update(&mut self) {
        if !self.clock.pos_edge() || !self.enable.val() {
            return;
        }
        let bound = |bits: Bits<16>| i64::from(bits.to_u16() as i16);
        let (low, high) = (bound(self.low.val()), bound(self.high.val()));
        // As the hardware decides, also where the bounds cross.
        let clamped = match self._rounded {
            below if below < low => low,
            above if above > high => high,
            value => value,
        };
        self.value.next = u64::from(clamped as u16).into();
        let rounding = if self.half_away.val() { Rounding::HalfAway } else { Rounding::HalfEven };
        let Scaled { value, shift } = self._scaled[Self::ROUND_STAGE - 1];
        self._rounded =
            round_shift(value, shift, rounding) + i64::from(self.zero_point.val().to_u8() as i8);
        self._scaled.rotate_right(1);
        self._scaled[0] = self.scaled();
    }

    fn connect(&mut self) {
        self.value.drive();
    }

    fn hdl(&self) -> Verilog {
        let tech = tech::of(self._technology);
        let (name, products) = (format!("requantize{}", tech.suffix()), tech.requantizer());
        let body = format!(
            "{HEAD}{}{OPERANDS}{products}{MIDDLE}    case (shift_6[5:3])\n{}    endcase\n    case (shift_7)\n{}    endcase\n{TAIL}",
            modes(),
            coarse(),
            fine()
        );
        verilog(&name, "Bias, residual, scale, round, zero point and bounds, in 10 stages.", &body)
    }
}

/// What a residual is added to, beside the operands.
fn modes() -> String {
    format!(
        "    before_1 <= residual_mode == 2'd{RESIDUAL_BEFORE};\n    before_2 <= before_1;\n    \
         after_1 <= residual_mode == 2'd{RESIDUAL_AFTER};\n    after_2 <= after_1;\n"
    )
}

/// Bits of twice the scaled value: `{scaled_6, 1'b0}`, whose lowest is the half of a shift by nothing.
const DOUBLED: usize = 58;
/// Those that are kept of it after the coarse shift: enough for bounds of 16 bits, a zero point, the fine shift and the half.
const KEPT: usize = 26;

/// Bits `high..low` of twice the scaled value, below its sign as often as it takes.
fn doubled(high: usize, low: usize) -> String {
    let top = DOUBLED - 1;
    let sign = high.saturating_sub(top);
    let (high, zero) = (high.min(top), low == 0);
    let slice = format!("scaled_6[{}:{}]", high - 1, low.max(1) - 1);
    let mut parts = vec![slice];
    if sign > 0 {
        parts.insert(0, format!("{{{sign}{{scaled_6[{}]}}}}", top - 1));
    }
    if zero {
        parts.push("1'b0".into());
    }
    if parts.len() == 1 { parts.swap_remove(0) } else { format!("{{{}}}", parts.join(", ")) }
}

/// Shifts by multiples of 8: what is kept, whether something lies below it, whether the value goes beyond it.
fn coarse() -> String {
    let mut arms = String::new();
    for step in 0..8 {
        let shift = 8 * step;
        let kept = doubled(shift + KEPT - 1, shift);
        let below = match shift {
            0 => "1'b0".to_string(),
            _ => format!("|scaled_6[{}:0]", shift - 2),
        };
        let sign = shift + KEPT - 1;
        let beyond = match DOUBLED - 1 {
            top if top > sign => {
                let (slice, n) = (format!("scaled_6[{}:{}]", top - 1, sign - 1), top - sign + 1);
                format!("{slice} != {{{n}{{scaled_6[{}]}}}}", top - 1)
            }
            _ => "1'b0".to_string(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            arms,
            "        3'd{step}: begin\n            coarse_7 <= {kept};\n            sticky_7 <= {below};\n            beyond_7 <= {beyond};\n        end"
        );
    }
    let _ = writeln!(
        arms,
        "        default: begin\n            coarse_7 <= {KEPT}'dx;\n            sticky_7 <= 1'bx;\n            beyond_7 <= 1'bx;\n        end"
    );
    arms
}

/// Shifts by 0 to 7.
fn fine() -> String {
    let top = KEPT - 1;
    let mut arms = String::new();
    for shift in 0..8 {
        let (kept, below) = match shift {
            0 => ("coarse_7".to_string(), "sticky_7".to_string()),
            _ => (
                format!("{{{{{shift}{{coarse_7[{top}]}}}}, coarse_7[{top}:{shift}]}}"),
                match shift {
                    1 => "sticky_7 | coarse_7[0]".to_string(),
                    _ => format!("sticky_7 | (|coarse_7[{}:0])", shift - 1),
                },
            ),
        };
        let _ = writeln!(
            arms,
            "        3'd{shift}: begin\n            fine_8 <= {kept};\n            sticky_8 <= {below};\n        end"
        );
    }
    let _ = writeln!(
        arms,
        "        default: begin\n            fine_8 <= {KEPT}'dx;\n            sticky_8 <= 1'bx;\n        end"
    );
    arms
}

/// `difference` is the residual less its zero point; `total_2` is for stage 3, `scaled_6` what the technology makes of it.
const HEAD: &str = "\
wire [8:0] difference = residual_multiplier == 24'd0 ? 9'd0
    : {residual[7], residual} - {residual_zero_point[7], residual_zero_point};
reg before_1;
reg before_2;
reg after_1;
reg after_2;
reg [31:0] biased_1;
reg [31:0] biased_2;
reg [23:0] multiplier_1;
reg [23:0] multiplier_2;
reg [5:0] shift_1;
reg [5:0] shift_2;
reg [5:0] shift_3;
reg [5:0] shift_4;
reg [5:0] shift_5;
reg [5:0] shift_6;
reg [2:0] shift_7;
reg [25:0] coarse_7;
reg sticky_7;
reg beyond_7;
reg negative_7;
reg [25:0] fine_8;
reg sticky_8;
reg beyond_8;
reg negative_8;
reg [18:0] rounded_9;
reg beyond_9;
reg negative_9;
wire up_8 = fine_8[0] & (sticky_8 | (half_away ? ~negative_8 : fine_8[1]));
wire below_9 = beyond_9 ? negative_9 : $signed(rounded_9) < $signed({{3{low[15]}}, low});
wire above_9 = beyond_9 ? ~negative_9 : $signed(rounded_9) > $signed({{3{high[15]}}, high});
initial begin
    before_1 = 1'b0;
    before_2 = 1'b0;
    after_1 = 1'b0;
    after_2 = 1'b0;
    biased_1 = 32'd0;
    biased_2 = 32'd0;
    multiplier_1 = 24'd0;
    multiplier_2 = 24'd0;
    shift_1 = 6'd0;
    shift_2 = 6'd0;
    shift_3 = 6'd0;
    shift_4 = 6'd0;
    shift_5 = 6'd0;
    shift_6 = 6'd0;
    shift_7 = 3'd0;
    coarse_7 = 26'd0;
    sticky_7 = 1'b0;
    beyond_7 = 1'b0;
    negative_7 = 1'b0;
    fine_8 = 26'd0;
    sticky_8 = 1'b0;
    beyond_8 = 1'b0;
    negative_8 = 1'b0;
    rounded_9 = 19'd0;
    beyond_9 = 1'b0;
    negative_9 = 1'b0;
    value = 16'd0;
end
always @(posedge clock) if (enable) begin
";

/// What follows [`modes`], up to the products.
const OPERANDS: &str = "    biased_1 <= accumulator + bias;
    biased_2 <= biased_1;
    multiplier_1 <= multiplier;
    multiplier_2 <= multiplier_1;
    shift_1 <= shift;
    shift_2 <= shift_1;
    shift_3 <= shift_2;
    shift_4 <= shift_3;
    shift_5 <= shift_4;
    shift_6 <= shift_5;
end
";

const MIDDLE: &str = "\
always @(posedge clock) if (enable) begin
    shift_7 <= shift_6[2:0];
    negative_7 <= scaled_6[56];
    negative_8 <= negative_7;
    beyond_8 <= beyond_7;
";

const TAIL: &str = "    rounded_9 <= {fine_8[18], fine_8[18:1]} + {{11{zero_point[7]}}, zero_point} + {18'd0, up_8};
    beyond_9 <= beyond_8 | fine_8[25:18] != {8{fine_8[25]}};
    negative_9 <= negative_8;
    value <= below_9 ? low : above_9 ? high : rounded_9[15:0];
end
";

#[cfg(test)]
mod tests;
