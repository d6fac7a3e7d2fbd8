//! Native requantizer against the arithmetic of docs/isa.md in wide integers.

use super::*;
use crate::leaf::tick;
use crate::random::Random;
use spec::{MAX_MULTIPLIER, MAX_SHIFT};

#[derive(Clone, Copy, Debug, Default)]
struct Input {
    accumulator: i32,
    bias: i32,
    residual: i8,
    residual_multiplier: u32,
    multiplier: i32,
    shift: u32,
}

/// What is the same for many values.
#[derive(Clone, Copy, Debug)]
struct Context {
    mode: u64,
    residual_zero_point: i8,
    half_away: bool,
    zero_point: i8,
    low: i16,
    high: i16,
}

/// As docs/isa.md has it, in integers that hold everything.
fn expected(input: Input, context: Context) -> i16 {
    let Input { accumulator, bias, residual, residual_multiplier, multiplier, shift } = input;
    let r = i128::from(residual) - i128::from(context.residual_zero_point);
    let added = r * i128::from(residual_multiplier);
    let of = |mode| if context.mode == mode { added } else { 0 };
    let t = i128::from(accumulator) + i128::from(bias) + of(1);
    let t = (t + (1 << 31)).rem_euclid(1 << 32) - (1 << 31);
    let v = t * i128::from(multiplier) + of(2);
    let (unit, magnitude) = (1i128 << shift, v.abs());
    // Halves away from zero first; to the even one where that is odd.
    let away = (2 * magnitude + unit) / (2 * unit);
    let is_half = 2 * magnitude % (2 * unit) == unit;
    let rounded = away - i128::from(is_half && !context.half_away && away % 2 == 1);
    let q = v.signum() * rounded + i128::from(context.zero_point);
    q.clamp(context.low.into(), context.high.into()) as i16
}

fn inputs(mode: u64) -> Vec<Input> {
    let mut random = Random::new(1);
    let mut inputs = vec![];
    let largest = if mode == 2 { MAX_MULTIPLIER as u32 } else { 0xffff };
    for shift in 0..=MAX_SHIFT {
        for accumulator in [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX - 1, i32::MAX] {
            for multiplier in [0, 1, 2, 1 << 14, 1 << 18, 1 << 23, MAX_MULTIPLIER] {
                inputs.push(Input { accumulator, multiplier, shift, ..Input::default() });
                let residual = [i8::MIN, i8::MAX][random.below(2) as usize];
                let residual_multiplier = largest;
                inputs.push(Input { residual, residual_multiplier, ..inputs[inputs.len() - 1] });
            }
        }
        for _ in 0..60 {
            let (size, bits) = (random.below(33), 1 + random.below(24));
            let accumulator = random.below(1 << size) as i64 - (1 << size >> 1);
            inputs.push(Input {
                accumulator: accumulator as i32,
                bias: [0, i32::MAX, i32::MIN, random.below(1 << 20) as i32 - (1 << 19)]
                    [random.below(4) as usize],
                residual: [-128, 127, 0, random.below(256) as u8 as i8][random.below(4) as usize],
                residual_multiplier: [0, largest, random.below(u64::from(largest) + 1) as u32]
                    [random.below(3) as usize],
                multiplier: random.below(1 << bits) as i32,
                shift,
            });
        }
        // Exact halves on both sides of zero, to even and to odd floors, and their neighbors.
        for half in [-5i64, -3, -1, 1, 3, 5] {
            let power = shift.saturating_sub(1);
            let (left, right) = (power.min(28), power - power.min(28));
            if shift > 0 && right < 24 {
                let accumulator = (half << left) as i32;
                let multiplier = 1 << right;
                let exact = Input { accumulator, multiplier, shift, ..Input::default() };
                let near = |by: i32| Input { accumulator: accumulator + by, ..exact };
                inputs.extend([exact, near(1), near(-1)]);
                let residual = Input { residual: 1, residual_multiplier: 1, ..exact };
                inputs.extend([residual, Input { residual: -1, ..residual }]);
            }
        }
    }
    inputs
}

fn run(context: Context) {
    let inputs = inputs(context.mode);
    let mut lane = Requantize::new(Technology::Generic);
    lane.enable.next = true;
    lane.residual_mode.next = context.mode.into();
    lane.residual_zero_point.next = u64::from(context.residual_zero_point as u8).into();
    lane.half_away.next = context.half_away;
    lane.zero_point.next = u64::from(context.zero_point as u8).into();
    lane.low.next = u64::from(context.low as u16).into();
    lane.high.next = u64::from(context.high as u16).into();
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
        let entered = (t + 1).checked_sub(Requantize::LATENCY);
        if let Some(&input) = entered.and_then(|entered| inputs.get(entered)) {
            let seen = lane.value.val().to_u16() as i16;
            assert_eq!(seen, expected(input, context), "{input:?}, {context:?}");
        }
    }
}

#[test]
fn rounds_and_saturates_one_value_a_cycle() {
    let bounds = [(-128, 127), (0, 127), (-32768, 32767), (0, 32767), (-20, 90), (-256, 511)];
    for mode in 0..3 {
        for half_away in [false, true] {
            for (index, (low, high)) in bounds.into_iter().enumerate() {
                let zero_point = [0, -128, 127, 5, -5, 1][index];
                let residual_zero_point = [0, 127, -128, -3, 3, 0][index];
                run(Context { mode, residual_zero_point, half_away, zero_point, low, high });
            }
        }
    }
}

#[test]
fn each_stage_takes_what_belongs_to_its_value() {
    // Values with contexts of their own follow each other.
    let mut random = Random::new(3);
    let context = |random: &mut Random| Context {
        mode: random.below(3),
        residual_zero_point: random.below(256) as u8 as i8,
        half_away: random.below(2) == 1,
        zero_point: random.below(256) as u8 as i8,
        low: -(random.below(1000) as i16),
        high: random.below(1000) as i16,
    };
    let values: Vec<(Input, Context)> = (0..2000)
        .map(|_| {
            let input = Input {
                accumulator: random.below(1 << 16) as i32 - (1 << 15),
                residual: random.below(256) as u8 as i8,
                residual_multiplier: random.below(1 << 8) as u32,
                multiplier: random.below(64) as i32,
                shift: random.below(12) as u32,
                ..Input::default()
            };
            (input, context(&mut random))
        })
        .collect();
    let mut lane = Requantize::new(Technology::Generic);
    lane.enable.next = true;
    for t in 0..values.len() {
        let (input, now) = values[t];
        lane.accumulator.next = u64::from(input.accumulator as u32).into();
        lane.residual.next = u64::from(input.residual as u8).into();
        lane.residual_multiplier.next = u64::from(input.residual_multiplier).into();
        lane.multiplier.next = (input.multiplier as u64).into();
        lane.shift.next = u64::from(input.shift).into();
        lane.residual_mode.next = now.mode.into();
        lane.residual_zero_point.next = u64::from(now.residual_zero_point as u8).into();
        if let Some((_, rounded)) = t.checked_sub(Requantize::ROUND_STAGE).map(|t| values[t]) {
            lane.half_away.next = rounded.half_away;
            lane.zero_point.next = u64::from(rounded.zero_point as u8).into();
        }
        if let Some((_, clamped)) = t.checked_sub(Requantize::CLAMP_STAGE).map(|t| values[t]) {
            lane.low.next = u64::from(clamped.low as u16).into();
            lane.high.next = u64::from(clamped.high as u16).into();
        }
        tick(&mut lane, |lane| &mut lane.clock).unwrap();
        if let Some((input, context)) = (t + 1).checked_sub(Requantize::LATENCY).map(|t| values[t])
        {
            let seen = lane.value.val().to_u16() as i16;
            assert_eq!(seen, expected(input, context), "{input:?}, {context:?}");
        }
    }
}
