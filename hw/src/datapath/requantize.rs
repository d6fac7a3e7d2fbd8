//! Requantization of one lane: from an int32 accumulator to int8, or to the 16 bits of a logit.
//!
//! The arithmetic is [`spec::scale_round`]'s (gemmlowp, "Quantization", eq. 3 and 7), cut into stages that are each short.

use crate::leaf::{Drive, verilog};
use crate::tech;
use rust_hdl_core::prelude::*;
use spec::Technology;
use std::fmt::Write;

/// `value = clamp(round_half_even((accumulator + bias + residual * residual_multiplier) * multiplier / 2^shift))`.
///
/// The sum wraps at 32 bits. A residual whose multiplier is 0 may be anything, also unknown. Latency [`Requantize::LATENCY`] cycles, one value a cycle. No reset: what comes out belongs
/// to what went in. `relu` and `logits` are those of the value in the last stage.
#[derive(LogicBlock, Default)]
pub struct Requantize {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Advances the pipeline.
    pub enable: Signal<In, Bit>,
    /// The lower bound is 0; of the value in the last stage.
    pub relu: Signal<In, Bit>,
    /// Saturate to 16 bits instead of 8; of the value in the last stage.
    pub logits: Signal<In, Bit>,
    /// int32.
    pub accumulator: Signal<In, Bits<32>>,
    /// int32.
    pub bias: Signal<In, Bits<32>>,
    /// int8.
    pub residual: Signal<In, Bits<8>>,
    /// Unsigned.
    pub residual_multiplier: Signal<In, Bits<16>>,
    /// Unsigned.
    pub multiplier: Signal<In, Bits<15>>,
    /// 0 to 47.
    pub shift: Signal<In, Bits<6>>,
    /// int16; an int8 is sign-extended.
    pub value: Signal<Out, Bits<16>>,
    _technology: Technology,
    _scale: [Scale; 6],
    _biased: [i32; 2],
    _residual: (i32, i32),
    _residual_product: i32,
    _total: i32,
    _low: i64,
    _high: i64,
    _product: i64,
    _coarse: Shifted,
    _fine: Shifted,
    _rounded: i64,
}

/// Multiplier and shift, on their way to the stage that uses them.
#[derive(Clone, Copy, Default)]
struct Scale {
    multiplier: u32,
    shift: u32,
}

/// Twice a value, divided by a power of two: bit 0 is the half, `sticky` says that something is below it.
#[derive(Clone, Copy, Default)]
struct Shifted {
    doubled: i64,
    sticky: bool,
}

impl Shifted {
    fn right(self, shift: u32) -> Self {
        let doubled = self.doubled >> shift;
        Self { doubled, sticky: self.sticky || doubled << shift != self.doubled }
    }
}

impl Requantize {
    /// Cycles from the inputs to `value`.
    pub const LATENCY: usize = 9;

    /// A lane with the multipliers of a technology.
    pub fn new(technology: Technology) -> Self {
        Self { _technology: technology, ..Self::default() }
    }
}

impl Logic for Requantize {
    fn update(&mut self) {
        if !self.clock.pos_edge() || !self.enable.val() {
            return;
        }
        let (low, high) = if self.logits.val() { (-32768, 32767) } else { (-128, 127) };
        let clamped = self._rounded.clamp(if self.relu.val() { 0 } else { low }, high);
        self.value.next = u64::from(clamped as u16).into();
        let floor = self._fine.doubled >> 1;
        let half = self._fine.doubled & 1 == 1;
        self._rounded = floor + i64::from(half && (self._fine.sticky || floor & 1 == 1));
        self._fine = self._coarse.right(self._scale[5].shift % 8);
        self._coarse = Shifted { doubled: self._product << 1, sticky: false }
            .right(self._scale[4].shift / 8 * 8);
        self._product = (self._high << 16) + self._low;
        let multiplier = i64::from(self._scale[2].multiplier);
        self._low = i64::from(self._total as u16) * multiplier;
        self._high = i64::from(self._total >> 16) * multiplier;
        self._total = self._biased[1].wrapping_add(self._residual_product);
        self._residual_product = self._residual.0 * self._residual.1;
        self._biased[1] = self._biased[0];
        self._biased[0] =
            (self.accumulator.val().to_u32()).wrapping_add(self.bias.val().to_u32()) as i32;
        self._residual = (
            i32::from(self.residual.val().to_u8() as i8),
            i32::from(self.residual_multiplier.val().to_u16()),
        );
        self._scale.rotate_right(1);
        self._scale[0] =
            Scale { multiplier: self.multiplier.val().to_u32(), shift: self.shift.val().to_u32() };
    }

    fn connect(&mut self) {
        self.value.drive();
    }

    fn hdl(&self) -> Verilog {
        let tech = tech::of(self._technology);
        let (name, products) = (format!("requantize{}", tech.suffix()), tech.requantizer());
        let coarse = shifter("{product_5, 1'b0}", "coarse_6", "sticky_6", "", 8);
        let fine = shifter("coarse_6", "fine_7", "sticky_7", "sticky_6", 1);
        let body = format!(
            "{HEAD}{products}{MIDDLE}{coarse}    endcase\n    case (shift_6)\n{fine}    endcase\n{TAIL}"
        );
        verilog(
            &name,
            "Bias, residual, scale, round half to even and saturate, in 9 stages.",
            &body,
        )
    }
}

/// The arms of a `case` over the eight shifts of `value` (49 bits) by multiples of `unit`.
fn shifter(value: &str, shifted: &str, sticky: &str, sticky_in: &str, unit: usize) -> String {
    // The coarse stage shifts a concatenation, which cannot be sliced: its bit i is bit i - 1 of the product.
    let slice = |high: usize, low: usize| match (unit, high == low) {
        (1, true) => format!("{value}[{high}]"),
        (1, false) => format!("{value}[{high}:{low}]"),
        _ => format!("product_5[{}:{}]", high - 1, low.saturating_sub(1)),
    };
    let or = if sticky_in.is_empty() { String::new() } else { format!("{sticky_in} | ") };
    let mut arms = String::new();
    for step in 0..8 {
        let shift = step * unit;
        let (result, dropped) = match shift {
            0 => (
                value.to_string(),
                if sticky_in.is_empty() { "1'b0".into() } else { sticky_in.to_string() },
            ),
            1..48 => {
                let result =
                    format!("{{{{{shift}{{{sign}}}}}, {}}}", slice(48, shift), sign = sign(unit));
                (result, format!("{or}(|{})", slice(shift - 1, 0)))
            }
            _ => (format!("{{49{{{}}}}}", sign(unit)), "|product_5".to_string()),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            arms,
            "        3'd{step}: begin\n            {shifted} <= {result};\n            {sticky} <= {dropped};\n        end"
        );
    }
    let _ = writeln!(
        arms,
        "        default: begin\n            {shifted} <= 49'dx;\n            {sticky} <= 1'bx;\n        end"
    );
    arms
}

fn sign(unit: usize) -> &'static str {
    if unit == 1 { "coarse_6[48]" } else { "product_5[47]" }
}

const HEAD: &str = "\
reg [31:0] biased_1;
reg [31:0] biased_2;
reg [14:0] multiplier_1;
reg [14:0] multiplier_2;
reg [5:0] shift_1;
reg [5:0] shift_2;
reg [5:0] shift_3;
reg [5:0] shift_4;
reg [5:0] shift_5;
reg [2:0] shift_6;
reg [47:0] product_5;
reg [48:0] coarse_6;
reg sticky_6;
reg [48:0] fine_7;
reg sticky_7;
reg [17:0] rounded_8;
reg overflow_8;
reg negative_8;
wire up_7 = fine_7[0] & (sticky_7 | fine_7[1]);
wire fits_8 = ~overflow_8 & (logits ? rounded_8[17:15] == 3'd0 | rounded_8[17:15] == 3'd7
    : rounded_8[17:7] == 11'd0 | rounded_8[17:7] == 11'd2047);
initial begin
    biased_1 = 32'd0;
    biased_2 = 32'd0;
    multiplier_1 = 15'd0;
    multiplier_2 = 15'd0;
    shift_1 = 6'd0;
    shift_2 = 6'd0;
    shift_3 = 6'd0;
    shift_4 = 6'd0;
    shift_5 = 6'd0;
    shift_6 = 3'd0;
    product_5 = 48'd0;
    coarse_6 = 49'd0;
    sticky_6 = 1'b0;
    fine_7 = 49'd0;
    sticky_7 = 1'b0;
    rounded_8 = 18'd0;
    overflow_8 = 1'b0;
    negative_8 = 1'b0;
    value = 16'd0;
end
";

const MIDDLE: &str = "\
always @(posedge clock) if (enable) begin
    biased_1 <= accumulator + bias;
    biased_2 <= biased_1;
    multiplier_1 <= multiplier;
    multiplier_2 <= multiplier_1;
    shift_1 <= shift;
    shift_2 <= shift_1;
    shift_3 <= shift_2;
    shift_4 <= shift_3;
    shift_5 <= shift_4;
    shift_6 <= shift_5[2:0];
    product_5 <= {high_4 + {16'd0, low_4[31:16]}, low_4[15:0]};
    case (shift_5[5:3])
";

const TAIL: &str = "    rounded_8 <= {fine_7[17], fine_7[17:1]} + {17'd0, up_7};
    overflow_8 <= fine_7[48:17] != {32{fine_7[48]}};
    negative_8 <= fine_7[48];
    value <= (negative_8 & relu) ? 16'd0
        : fits_8 ? rounded_8[15:0]
        : negative_8 ? (logits ? 16'h8000 : 16'hff80)
        : logits ? 16'h7fff : 16'h007f;
end
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::tick;
    use crate::random::Random;
    use spec::{
        FORMAT_1_MAX_MULTIPLIER as MAX_MULTIPLIER, FORMAT_1_MAX_SHIFT as MAX_SHIFT, scale_round,
    };

    #[derive(Clone, Copy)]
    struct Input {
        accumulator: i32,
        bias: i32,
        residual: i8,
        residual_multiplier: u16,
        multiplier: i32,
        shift: u32,
    }

    fn expected(input: Input, relu: bool, logits: bool) -> i16 {
        let residual = i32::from(input.residual) * i32::from(input.residual_multiplier);
        let total = input.accumulator.wrapping_add(input.bias).wrapping_add(residual);
        let (low, high) = if logits { (-32768, 32767) } else { (-128, 127) };
        scale_round(total, input.multiplier, input.shift).clamp(if relu { 0 } else { low }, high)
            as i16
    }

    fn inputs() -> Vec<Input> {
        let mut random = Random::new(1);
        let mut inputs = vec![];
        for shift in 0..=MAX_SHIFT {
            for accumulator in [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX - 1, i32::MAX] {
                for multiplier in [0, 1, 2, 1 << 14, MAX_MULTIPLIER] {
                    let (bias, residual, residual_multiplier) = (0, 0, 0);
                    inputs.push(Input {
                        accumulator,
                        bias,
                        residual,
                        residual_multiplier,
                        multiplier,
                        shift,
                    });
                }
            }
            for _ in 0..60 {
                let size = random.below(33);
                let accumulator = random.below(1 << size) as i64 - (1 << size >> 1);
                inputs.push(Input {
                    accumulator: accumulator as i32,
                    bias: [0, i32::MAX, i32::MIN, random.below(1 << 20) as i32 - (1 << 19)]
                        [random.below(4) as usize],
                    residual: [-128, 127, 0, random.below(256) as u8 as i8]
                        [random.below(4) as usize],
                    residual_multiplier: [0, u16::MAX, random.below(1 << 16) as u16]
                        [random.below(3) as usize],
                    multiplier: random.below(1 << 15) as i32,
                    shift,
                });
            }
            // Exact halves on both sides of zero, to even and to odd floors.
            for half in [-3_i64, -1, 1, 3, 5] {
                if (1..32).contains(&shift) {
                    let accumulator = (half << (shift - 1)) as i32;
                    let (bias, residual, residual_multiplier) = (0, 0, 0);
                    inputs.push(Input {
                        accumulator,
                        bias,
                        residual,
                        residual_multiplier,
                        multiplier: 1,
                        shift,
                    });
                }
            }
        }
        inputs
    }

    #[test]
    fn rounds_half_to_even_and_saturates_one_value_a_cycle() {
        let inputs = inputs();
        for (relu, logits) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut lane = Requantize::new(Technology::Generic);
            lane.enable.next = true;
            lane.relu.next = relu;
            lane.logits.next = logits;
            for t in 0..inputs.len() + Requantize::LATENCY {
                if let Some(input) = inputs.get(t) {
                    lane.accumulator.next = u64::from(input.accumulator as u32).into();
                    lane.bias.next = u64::from(input.bias as u32).into();
                    lane.residual.next = u64::from(input.residual as u8).into();
                    lane.residual_multiplier.next = u64::from(input.residual_multiplier).into();
                    lane.multiplier.next = (input.multiplier as u64).into();
                    lane.shift.next = u64::from(input.shift).into();
                }
                tick(&mut lane, |lane| &mut lane.clock).unwrap();
                let Some(&input) =
                    (t + 1).checked_sub(Requantize::LATENCY).and_then(|e| inputs.get(e))
                else {
                    continue;
                };
                let Input { accumulator, multiplier, shift, .. } = input;
                assert_eq!(
                    lane.value.val().to_u16() as i16,
                    expected(input, relu, logits),
                    "{accumulator} * {multiplier} >> {shift}, relu {relu}, logits {logits}"
                );
            }
        }
    }
}
