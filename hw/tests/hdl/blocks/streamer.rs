//! Streamer: the pixels of every tile at their addresses, and no tile before what it needs is free and written.

use super::program::{Pass, Program, program};
use super::{Bench, Stalls, stalls};
use proptest::prelude::*;
use twofold_hw::control::streamer::Streamer;

/// Cycles from the taking of a tile to the address of its first pixel.
const ADDRESS: usize = 2;

/// A pixel on its way into the array.
#[derive(Clone, Debug, Default, PartialEq)]
struct Pixel {
    bank: u64,
    address: u64,
    /// `None` within the map.
    fill: Option<u64>,
    mask: u64,
    accumulator_bank: bool,
    accumulator: u64,
    first: bool,
    chain: bool,
    last: bool,
}

/// What the cycles are counted as if no pixel is streamed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    Dependency,
    Accumulator,
    WeightLoad,
}

/// What has to be seen in a cycle.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    take: bool,
    /// Accumulator bank of the unit that starts.
    unit_start: Option<bool>,
    /// PEs with a kept weight, while a pixel is streamed.
    streaming: Option<u64>,
    pixel: Option<Pixel>,
    swap: bool,
    /// Of cycles without a pixel.
    cause: Option<Cause>,
    all_written: bool,
    layer: u64,
}

/// What the surroundings do in a cycle: the weight loader's offer, the drain's answer.
#[derive(Clone, Copy, Debug, Default)]
struct Surroundings {
    valid: bool,
    ready: bool,
    bank_released: bool,
    unit_written: bool,
    image_start: bool,
}

/// The pixels of a tile, by docs/isa.md.
fn pixels(pass: Pass<'_>, accumulator_bank: bool) -> Vec<Pixel> {
    let (block, stream, tile) = (pass.block, &pass.layer.stream, pass.tile);
    let mut pixels = Vec::new();
    for py in 0..block.height {
        for px in 0..block.width {
            let y = (block.y0 + tile.ky + py * stream.stride_y) % 4096;
            let x = (block.x0 + tile.kx + px * stream.stride_x) % 4096;
            let at = block.in_address + tile.offset + py * stream.row_step + px * stream.pixel_step;
            // The first visit to an accumulator in a unit starts from 0; `sum` has one accumulator.
            let first = pass.first && (!stream.sum || pixels.is_empty());
            pixels.push(Pixel {
                bank: stream.in_bank,
                address: at % (1 << 16),
                fill: (y >= stream.in_height || x >= stream.in_width).then_some(stream.fill),
                mask: tile.mask,
                accumulator_bank,
                accumulator: if stream.sum { 0 } else { py * block.width + px },
                first,
                chain: stream.sum && !first,
                last: false,
            });
        }
    }
    pixels.last_mut().unwrap().last = pass.last;
    pixels
}

/// Lists what has to be seen, from when tiles were offered and units written.
fn model(program: &Program, cycles: &[Surroundings]) -> Vec<Seen> {
    let n = cycles.len();
    let written_before = |t: usize| cycles[..t].iter().filter(|cycle| cycle.unit_written).count();
    let released_before = |t: usize| cycles[..t].iter().filter(|cycle| cycle.bank_released).count();
    let mut seen: Vec<Seen> = vec![Seen::default(); n];
    // Units that have started; the cycle of the last pixel of the tile before.
    let (mut started, mut busy_until) = (0, 0);
    // Layer of the pass, and units of the layers before it.
    let (mut layer, mut older) = (&program.layers[0], 0);
    let mut offered_from = 0;
    let passes = program.passes();
    let mut starts = Vec::new();
    for pass in &passes {
        if !std::ptr::eq(layer, pass.layer) {
            (layer, older) = (pass.layer, started);
        }
        let after = match pass.block {
            block if block.wait_all => 1,
            block if block.wait_late => pass.tile.after as usize,
            _ => 0,
        };
        let waits = |t: usize| after > 0 && older >= written_before(t) + after;
        let unit_blocked = |t: usize| pass.first && started - released_before(t) > 1;
        let blocked = |t: usize| waits(t) || unit_blocked(t);
        let may = |t: usize| t >= busy_until && cycles[t].ready && !blocked(t);
        let taken = (offered_from..n).find(|t| may(*t)).unwrap_or(n);
        for t in offered_from..(taken + 1).min(n) {
            // The unit that streams counts as not written, too.
            if t > busy_until || busy_until == 0 {
                seen[t].cause = match cycles[t] {
                    Surroundings { valid: false, .. } => None,
                    Surroundings { ready: true, .. } if waits(t) => Some(Cause::Dependency),
                    Surroundings { ready: true, .. } if unit_blocked(t) => Some(Cause::Accumulator),
                    _ => Some(Cause::WeightLoad),
                };
            }
        }
        if taken >= n {
            break;
        }
        seen[taken].take = true;
        if pass.first {
            started += 1;
            // Units take turns, the first of all takes bank 1.
            seen[taken].unit_start = Some(started % 2 == 1);
            starts.push(taken);
        }
        for (i, pixel) in pixels(*pass, started % 2 == 1).into_iter().enumerate() {
            if let Some(seen) = seen.get_mut(taken + ADDRESS + i) {
                seen.swap = i == 0;
                seen.pixel = Some(pixel);
            }
            busy_until = taken + 1 + i;
            if let Some(seen) = seen.get_mut(busy_until) {
                seen.streaming = Some(pass.tile.active);
                seen.layer = pass.layer.stream.layer;
            }
        }
        offered_from = taken + 1;
    }
    layers(&mut seen, &passes, cycles);
    for (t, seen) in seen.iter_mut().enumerate() {
        seen.all_written = starts.iter().filter(|start| **start < t).count() == written_before(t);
    }
    seen
}

/// The layer of cycles without a pixel: that of the offered tile, else the one before; 0 when an image starts.
fn layers(seen: &mut [Seen], passes: &[Pass<'_>], cycles: &[Surroundings]) {
    let (mut layer, mut n_taken) = (0, 0);
    for (seen, cycle) in seen.iter_mut().zip(cycles) {
        if seen.streaming.is_none() {
            seen.layer = layer;
            if cycle.valid {
                seen.layer = passes[n_taken].layer.stream.layer;
            }
        }
        n_taken += usize::from(seen.take);
        layer = if cycle.image_start { 0 } else { seen.layer };
    }
}

fn seen(block: &Streamer) -> Seen {
    let control = block.accumulate.val();
    let streaming = block.streaming.val();
    let pixel = control.valid.then(|| Pixel {
        bank: block.bank.val().to_u64(),
        address: block.address.val().to_u64(),
        fill: block.outside.val().then(|| block.fill.val().to_u64()),
        mask: block.mask.val().to_u64(),
        accumulator_bank: control.bank,
        accumulator: control.address.to_u64(),
        first: control.first,
        chain: control.chain,
        last: control.last,
    });
    let causes = [
        (block.dependency.val(), Cause::Dependency),
        (block.accumulators_busy.val(), Cause::Accumulator),
        (block.weight_load.val(), Cause::WeightLoad),
    ];
    let mut causes = causes.into_iter().filter_map(|(up, cause)| up.then_some(cause));
    let cause = causes.next();
    assert!(causes.next().is_none(), "a cycle has one cause");
    // Without a sum there is no last one, which would start a drain.
    assert!(control.valid || !control.last);
    Seen {
        take: block.take.val(),
        unit_start: block.unit_start.val().then(|| block.unit_bank.val()),
        streaming: streaming.then(|| block.active.val().to_u64()),
        pixel,
        swap: block.swap.val(),
        cause: cause.filter(|_| !streaming),
        all_written: block.all_written.val(),
        layer: block.layer.val().to_u64(),
    }
}

/// Streams a program from reset on, for so many cycles, and compares every cycle with the model. `loads` are cycles from
/// the taking of a tile to the offer of the next and from there until it can be taken, `drains` those from the last sum
/// of a unit, or from the unit before, until its bank is free, and from there, or from the unit before, to its last write.
fn check(
    bench: &mut Bench<Streamer>,
    program: &Program,
    (loads, drains): (&mut Stalls, &mut Stalls),
    image_starts: &mut Stalls,
    n: usize,
) -> Result<(), TestCaseError> {
    let passes = program.passes();
    let mut tiles = passes.iter();
    bench.set(|streamer| {
        streamer.reset.next = true;
        streamer.tile_valid.next = false;
        streamer.tile_ready.next = false;
        streamer.bank_released.next = false;
        streamer.unit_written.next = false;
        streamer.image_start.next = false;
    });
    bench.edge();
    let mut tile = tiles.next();
    let (mut valid_in, mut ready_in) = (loads.next(), loads.next());
    let (mut to_release, mut release_in) = (0, drains.next());
    let (mut to_write, mut write_in) = (0, drains.next());
    let mut start_in = image_starts.next();
    let (mut cycles, mut states) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let mut now = Surroundings { valid: tile.is_some() && valid_in == 0, ..Default::default() };
        now.ready = now.valid && ready_in == 0;
        // Two units at most are on their way to the banks.
        now.bank_released = to_release > 0 && to_write < 2 && release_in == 0;
        now.unit_written = to_write > 0 && write_in == 0;
        now.image_start = start_in == 40;
        bench.set(|streamer| {
            streamer.reset.next = false;
            streamer.tile_valid.next = now.valid;
            streamer.tile_ready.next = now.ready;
            streamer.bank_released.next = now.bank_released;
            streamer.unit_written.next = now.unit_written;
            streamer.image_start.next = now.image_start;
            if let Some(pass) = tile {
                streamer.tile.next = pass.tile.context(pass.last);
                streamer.unit_first.next = pass.first;
                streamer.group_last.next = pass.group + 1 == pass.layer.tiles.len();
                streamer.block.next = pass.block.context();
                streamer.stream.next = pass.layer.stream.context();
            }
        });
        states.push(seen(&bench.block));
        cycles.push(now);
        if bench.block.take.val() {
            tile = tiles.next();
            (valid_in, ready_in) = (loads.next(), loads.next());
        } else if now.valid {
            ready_in = ready_in.saturating_sub(1);
        } else {
            valid_in = valid_in.saturating_sub(1);
        }
        if now.unit_written {
            to_write -= 1;
            write_in = drains.next();
        } else if to_write > 0 {
            write_in -= 1;
        }
        if now.bank_released {
            to_release -= 1;
            to_write += 1;
            release_in = drains.next();
        } else if to_release > 0 {
            release_in = release_in.saturating_sub(1);
        }
        to_release += usize::from(bench.block.accumulate.val().last);
        start_in = if start_in == 0 { 41 + image_starts.next() } else { start_in - 1 };
        bench.edge();
    }
    for (t, (expected, seen)) in model(program, &cycles).iter().zip(states).enumerate() {
        prop_assert_eq!(&seen, expected, "cycle {}", t);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn streams_pixels_in_order_and_keeps_the_interlocks(
        program in program(), mut loads in stalls(), mut drains in stalls(),
        mut image_starts in stalls(), before in 1..300usize,
    ) {
        let mut bench = Bench::new(Streamer::default(), |streamer| &mut streamer.clock);
        // A reset begins anew, wherever it comes.
        check(&mut bench, &program, (&mut loads, &mut drains), &mut image_starts, before)?;
        check(&mut bench, &program, (&mut loads, &mut drains), &mut image_starts, 700)?;
        bench.check_verilog("streamer");
    }
}
