//! Drain: every output of a unit once and in order, each at its cycle, and no unit before what it depends on is written.

use super::program::{Block, Layer, Program, program};
use super::{ARRAYS, Bench, Stalls, config, sized, stalls};
use proptest::prelude::*;
use rust_hdl_core::prelude::bits;
use spec::ArrayConfig;
use twofold_hw::control::drain::Drain;

/// Cycles from the last sum of a unit to d of its first accumulator, and from the report of a write that it waits for.
const BEGIN: usize = 3;
/// From d to the write.
const WRITE: usize = 14;
/// From d to what belongs to the operands, to the rounding and to the clamp.
const STAGES: [usize; 3] = [3, 11, 12];
/// From d to the control of the pooling register.
const POOL: usize = 13;

/// One channel group of one block.
#[derive(Clone, Copy)]
struct Unit<'a> {
    layer: &'a Layer,
    block: &'a Block,
    group: usize,
}

impl Unit<'_> {
    fn group_last(&self) -> bool {
        self.group + 1 == self.layer.tiles.len()
    }
}

fn units(program: &Program) -> Vec<Unit<'_>> {
    let passes = program.passes();
    let firsts = passes.iter().filter(|pass| pass.first);
    firsts.map(|pass| Unit { layer: pass.layer, block: pass.block, group: pass.group }).collect()
}

/// One accumulator of `lanes` columns that is read.
struct Visit {
    accumulator: u64,
    step: u64,
    parameter: u64,
    residual: u64,
    granule: u64,
    /// First value of a pooling window.
    first: bool,
    /// The result that is complete with it: word, and row of the logits.
    write: Option<(u64, u64)>,
}

/// The visits of a unit, by docs/isa.md.
fn visits(unit: Unit<'_>, granules: u64) -> Vec<Visit> {
    let Unit { layer: Layer { drain, stream, .. }, block, group } = unit;
    let steps = if unit.group_last() { drain.last_steps } else { drain.steps };
    let (window, stride) = (block.window, block.pool_stride);
    let (height, width) = match stream.sum {
        true => (1, 1),
        false => {
            ((block.height - window.0) / stride.0 + 1, (block.width - window.1) / stride.1 + 1)
        }
    };
    let n_window = window.0 * window.1;
    let mut visits = Vec::new();
    for oy in 0..height {
        for ox in 0..width {
            for step in 0..steps {
                let n = group as u64 * drain.steps + step;
                let m = drain.out_granule + n;
                for visit in 0..n_window {
                    let (y, x) =
                        (stride.0 * oy + visit / window.1, stride.1 * ox + visit % window.1);
                    let residual = block.residual_address
                        + y * drain.residual_row_step
                        + x * drain.residual_pixel_step
                        + m / granules;
                    let pixel =
                        block.out_address + oy * drain.out_row_step + ox * drain.out_pixel_step;
                    let (word, row) = (pixel + m / granules, pixel + n);
                    visits.push(Visit {
                        accumulator: y * block.width + x,
                        step,
                        parameter: (drain.parameter_base + n) % (1 << 16),
                        residual: residual % (1 << 16),
                        granule: m % granules,
                        first: visit == 0,
                        write: (visit + 1 == n_window)
                            .then_some((word % (1 << 16), row % (1 << 16))),
                    });
                }
            }
        }
    }
    visits
}

/// The arithmetic of a layer's results: rounding and kind of bounds; residual, zero points and bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Arithmetic {
    flags: [bool; 2],
    values: [u64; 5],
}

/// A write: to banks or to the logits, address and granule or row.
#[derive(Clone, Debug, PartialEq)]
enum Write {
    Granule { banks: u64, word: u64, granule: u64 },
    Logits(u64),
}

/// What has to be seen in a cycle; a port that does not matter in it is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    active: bool,
    /// Bank, accumulator and step.
    accumulator: Option<(bool, u64, u64)>,
    /// Parameter row; bank, word and granule of the residual.
    operands: Option<(u64, u64, u64, u64)>,
    /// What belongs to operands, rounding and clamp.
    stages: [Option<Arithmetic>; 3],
    pool_first: bool,
    write: Option<Write>,
    bank_released: bool,
    unit_written: bool,
    release_input: bool,
    written_layers: u64,
}

/// Lists what has to be seen, from when the last sums of units came and images started.
fn model(units: &[Unit<'_>], config: &ArrayConfig, cycles: &[Surroundings]) -> Vec<Seen> {
    let (granules, rows) = (config.granules() as u64, config.rows());
    let n = cycles.len();
    let mut seen = vec![Seen::default(); n];
    let mut layer_ends = vec![false; n];
    let summed = (0..n).filter(|t| cycles[*t].unit_accumulated);
    // Cycle after the reads of the unit before; cycles in which units were reported as written.
    let (mut read, mut written): (usize, Vec<usize>) = (0, Vec::new());
    for (index, (unit, summed)) in units.iter().zip(summed).enumerate() {
        let drain = &unit.layer.drain;
        // One unit may be on its way to the banks; not one of an earlier layer, where the residual may come from.
        let is_older =
            |before: usize| drain.residual != 0 && !std::ptr::eq(units[before].layer, unit.layer);
        let waits_for = (0..index).filter(|before| before + 1 < index || is_older(*before));
        let written_before = waits_for.map(|before| written[before] + BEGIN).max();
        let begin = (summed + BEGIN).max(read).max(written_before.unwrap_or(0));
        let visits = visits(*unit, granules);
        let mut at = |t: usize, f: &dyn Fn(&mut Seen)| {
            if let Some(seen) = seen.get_mut(t) {
                f(seen);
            }
        };
        for (i, visit) in visits.iter().enumerate() {
            let d = begin + i;
            // Units take turns, the first of all takes bank 1.
            let accumulator = (index % 2 == 0, visit.accumulator, visit.step);
            at(d, &|seen| seen.accumulator = Some(accumulator));
            let operands = (visit.parameter, drain.residual_bank, visit.residual, visit.granule);
            at(d + 1, &|seen| seen.operands = Some(operands));
            let arithmetic = Arithmetic {
                flags: [drain.half_away, drain.wide],
                values: [
                    drain.residual,
                    drain.residual_zero_point,
                    drain.zero_point,
                    drain.low,
                    drain.high,
                ],
            };
            for (stage, delay) in STAGES.into_iter().enumerate() {
                at(d + delay, &|seen| seen.stages[stage] = Some(arithmetic));
            }
            at(d + POOL, &|seen| seen.pool_first = visit.first);
            let write = visit.write.map(|(word, row)| match drain.logits {
                true => Write::Logits(row),
                false => Write::Granule { banks: drain.out_banks, word, granule: visit.granule },
            });
            at(d + WRITE, &|seen| seen.write = write.clone());
        }
        // A unit that starts at t writes accumulator a at the end of cycle t + rows + 7 + a; a read at d must be over
        // then. It starts in the cycle after the release, which needs a cycle to be worked out.
        let starts = visits
            .iter()
            .zip(begin..)
            .map(|(visit, d)| (d + 1).saturating_sub(rows + 7 + visit.accumulator as usize));
        let last_choice = begin + visits.len() - 2;
        let is_pooled = (unit.block.window, unit.block.pool_stride) != ((1, 1), (1, 1));
        let released = match is_pooled {
            true => last_choice,
            false => starts.max().unwrap_or(0).saturating_sub(1).max(begin).min(last_choice),
        };
        at(released, &|seen| seen.bank_released = true);
        read = begin + visits.len();
        let end = read + WRITE;
        written.push(end);
        (begin - 1..=end).for_each(|t| at(t, &|seen| seen.active = true));
        at(end, &|seen| {
            seen.unit_written = true;
            seen.release_input = unit.group_last() && unit.block.release_input;
        });
        if let Some(ends) = layer_ends.get_mut(end) {
            *ends = unit.group_last() && unit.block.layer_end;
        }
    }
    let mut layers = 0;
    for ((seen, cycle), layer_end) in seen.iter_mut().zip(cycles).zip(layer_ends) {
        seen.written_layers = layers;
        layers = if cycle.image_start { 0 } else { (layers + u64::from(layer_end)) % 256 };
    }
    seen
}

fn seen(block: &Drain) -> Seen {
    let granule = block.write_enable.val().then(|| Write::Granule {
        banks: block.write_banks.val().to_u64(),
        word: block.write_address.val().to_u64(),
        granule: block.write_granule.val().to_u64(),
    });
    let logits =
        block.logit_enable.val().then(|| Write::Logits(block.write_address.val().to_u64()));
    assert!(granule.is_none() || logits.is_none());
    Seen {
        active: block.drain_active.val(),
        accumulator: Some((
            block.drain_bank.val(),
            block.accumulator_address.val().to_u64(),
            block.step.val().to_u64(),
        )),
        operands: Some((
            block.parameter_address.val().to_u64(),
            block.residual_bank.val().to_u64(),
            block.residual_address.val().to_u64(),
            block.residual_granule.val().to_u64(),
        )),
        stages: [&block.operand_context, &block.round_context, &block.clamp_context].map(|port| {
            let context = port.val();
            Some(Arithmetic {
                flags: [context.half_away, context.wide],
                values: [
                    context.residual.to_u64(),
                    context.residual_zero_point.to_u64(),
                    context.zero_point.to_u64(),
                    context.low.to_u64(),
                    context.high.to_u64(),
                ],
            })
        }),
        pool_first: block.pool_first.val(),
        write: granule.or(logits),
        bank_released: block.bank_released.val(),
        unit_written: block.unit_written.val(),
        release_input: block.release_input.val(),
        written_layers: block.written_layers.val().to_u64(),
    }
}

/// What the surroundings do in a cycle.
#[derive(Clone, Copy, Debug, Default)]
struct Surroundings {
    unit_start: bool,
    unit_accumulated: bool,
    image_start: bool,
}

/// Drains a program from reset on, for so many cycles, and compares every cycle with the model. `starts` are cycles until
/// the next unit starts although it may, `sums` those from its start, or from the unit before, to its last sum.
fn check(
    bench: &mut Bench<Drain>,
    config: &ArrayConfig,
    program: &Program,
    (starts, sums): (&mut Stalls, &mut Stalls),
    n: usize,
) -> Result<(), TestCaseError> {
    let units = units(program);
    bench.set(|drain| {
        drain.reset.next = true;
        drain.unit_start.next = false;
        drain.unit_accumulated.next = false;
        drain.image_start.next = false;
    });
    bench.edge();
    let (mut started, mut summed, mut released) = (0, 0, 0);
    let (mut start_in, mut sum_in) = (starts.next(), sums.next());
    let (mut cycles, mut states) = (Vec::new(), Vec::new());
    for t in 0..n {
        // The streamer's rule: a unit starts when one of the accumulator banks is free.
        let may_start = started < units.len() && started < released + 2;
        let now = Surroundings {
            unit_start: may_start && start_in == 0,
            unit_accumulated: summed < started && sum_in == 0,
            image_start: t % 97 == 96,
        };
        bench.set(|drain| {
            drain.reset.next = false;
            drain.unit_start.next = now.unit_start;
            drain.unit_accumulated.next = now.unit_accumulated;
            drain.image_start.next = now.image_start;
            if let Some(unit) = units.get(summed) {
                let Block { height, width, .. } = unit.block;
                let n_accumulators = if unit.layer.stream.sum { 1 } else { height * width };
                drain.accumulated_bank.next = summed.is_multiple_of(2);
                drain.accumulated_address.next = bits(n_accumulators - 1);
            }
            // What is offered when no unit starts is anything.
            if let Some(unit) = units.get(started) {
                drain.unit_bank.next = started.is_multiple_of(2);
                drain.block.next = unit.block.context();
                drain.tile_drain.next = unit.layer.drain.context();
                drain.sum.next = unit.layer.stream.sum;
                drain.group_first.next = unit.group == 0;
                drain.group_last.next = unit.group_last();
            }
        });
        states.push(seen(&bench.block));
        cycles.push(now);
        if now.unit_start {
            started += 1;
            start_in = starts.next();
        } else if may_start {
            start_in -= 1;
        }
        if now.unit_accumulated {
            summed += 1;
            sum_in = sums.next();
        } else if summed < started - usize::from(now.unit_start) {
            sum_in -= 1;
        }
        released += usize::from(bench.block.bank_released.val());
        bench.edge();
    }
    for (t, (expected, mut seen)) in model(&units, config, &cycles).iter().zip(states).enumerate() {
        seen.accumulator = expected.accumulator.and(seen.accumulator);
        seen.operands = expected.operands.and(seen.operands);
        for (seen, expected) in seen.stages.iter_mut().zip(expected.stages) {
            *seen = expected.and(*seen);
        }
        prop_assert_eq!(&seen, expected, "cycle {}", t);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn drains_units_in_order_one_after_the_other(
        array in prop::sample::select(&ARRAYS[..]), mut program in program(),
        mut starts in stalls(), mut sums in stalls(), before in 1..300usize,
    ) {
        let (config, name) = (config(array), sized("drain", array));
        for layer in &mut program.layers {
            layer.drain.out_granule %= config.granules() as u64;
        }
        let mut bench = Bench::new(Drain::new(&config), |drain| &mut drain.clock);
        // A reset begins anew, wherever it comes.
        check(&mut bench, &config, &program, (&mut starts, &mut sums), before)?;
        check(&mut bench, &config, &program, (&mut starts, &mut sums), 900)?;
        bench.check_verilog(&name);
    }
}
