//! What layers wait for each other: the units of a program one after the other, by the rules of order and the latencies of
//! `spec::ArrayConfig`, without a single activation.

use spec::isa::{Block, Drain, Instruction, Stream, Tile};
use spec::{ArrayConfig, Program};

use crate::unit::Unit;

/// Cycles of one image in which a layer waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// For accumulators that units of its own kind keep busy.
    pub n_own_cycles: u64,
    /// For what earlier layers have not written yet, or for the accumulators in which it still lies.
    pub n_other_cycles: u64,
}

/// What each layer of a program waits for.
pub fn layer_waits(program: &Program) -> Vec<Waits> {
    let config = &program.config;
    let mut clock = Clock {
        config,
        now: 0,
        units: Vec::new(),
        first_of_layer: 0,
        waits: vec![Waits::default(); program.layers.len()],
    };
    let (mut stream, mut drain) = (Stream::default(), Drain::default());
    let mut groups = Vec::new();
    for instruction in &program.instructions {
        match Instruction::decode(instruction) {
            Some(Instruction::Stream(next)) => {
                groups = groups_of(program, &next);
                stream = next;
                clock.first_of_layer = clock.units.len();
            }
            Some(Instruction::Drain(next)) => drain = next,
            Some(Instruction::Block(block)) => {
                for (index, tiles) in groups.iter().enumerate() {
                    let is_last = index + 1 == groups.len();
                    let steps =
                        if is_last { drain.last_steps_minus_1 } else { drain.steps_minus_1 } + 1;
                    clock.unit(&stream, &block, tiles, steps, drain.residual != 0);
                }
            }
            _ => {}
        }
    }
    clock.waits
}

fn groups_of(program: &Program, stream: &Stream) -> Vec<Vec<Tile>> {
    let mut tiles = program.tiles[stream.tile_base..].iter().map(Tile::decode);
    let mut group = || {
        let mut tiles_of_group = Vec::new();
        for tile in tiles.by_ref() {
            let is_last = tile.last;
            tiles_of_group.push(tile);
            if is_last {
                break;
            }
        }
        tiles_of_group
    };
    (0..=stream.groups_minus_1).map(|_| group()).collect()
}

/// When a unit's accumulators are read, and its results are written.
struct Drained {
    /// Cycle of the first read.
    first: u64,
    /// Cycle of the last one.
    last: u64,
    written: u64,
    /// A new unit in its bank may start when so many reads are left.
    spare: u64,
}

struct Clock<'a> {
    config: &'a ArrayConfig,
    /// Cycle in which the next word may be addressed.
    now: u64,
    units: Vec<Drained>,
    /// Units before the layer.
    first_of_layer: usize,
    waits: Vec<Waits>,
}

impl Clock<'_> {
    fn unit(&mut self, stream: &Stream, block: &Block, tiles: &[Tile], steps: usize, adds: bool) {
        let (height, width) = (block.height_minus_1 + 1, block.width_minus_1 + 1);
        let n_pixels = (height * width) as u64;
        let window = [block.window_height_minus_1 + 1, block.window_width_minus_1 + 1];
        let outputs = if stream.sum {
            1
        } else {
            let rows = (height - window[0]) / (block.pool_stride_y_minus_1 + 1) + 1;
            rows * ((width - window[1]) / (block.pool_stride_x_minus_1 + 1) + 1)
        };
        let n_reads = (outputs * window[0] * window[1] * steps) as u64;
        let own = Unit {
            n_tiles: tiles.len() as u64,
            n_pixels,
            n_accumulators: if stream.sum { 1 } else { n_pixels },
            n_drain_cycles: n_reads,
            windowed: window != [1, 1],
        };

        let index = self.units.len();
        if let Some(same_bank) = index.checked_sub(2).map(|before| &self.units[before]) {
            let free = same_bank.last.saturating_sub(same_bank.spare).max(same_bank.first);
            let waited = free.saturating_sub(self.now);
            // Units of its own layer would make the first ones of a layer wait, too.
            let of_own = match index - 2 < self.first_of_layer {
                true => waited.min(own.cycles(self.config) - own.tile_cycles(self.config)),
                false => waited,
            };
            self.waits[stream.layer].n_own_cycles += of_own;
            self.waits[stream.layer].n_other_cycles += waited - of_own;
            self.now += waited;
        }
        for tile in tiles {
            let after = match (block.wait_all, block.wait_late) {
                (true, _) => 1,
                (false, true) => tile.after,
                (false, false) => 0,
            };
            if let Some(needed) = self.first_of_layer.checked_sub(after).filter(|_| after > 0) {
                let written = self.units.get(needed).map_or(0, |unit| unit.written);
                let waited = written.saturating_sub(self.now);
                self.waits[stream.layer].n_other_cycles += waited;
                self.now += waited;
            }
            self.now += n_pixels.max(self.config.tile_rows() as u64);
        }
        let streamed = self.now + self.config.drain_latency() as u64 - 1;
        let after_last = self.units.last().map_or(0, |unit| unit.last + 1);
        let one_on_its_way = index.checked_sub(2).map_or(0, |before| self.units[before].written);
        let residual = match self.first_of_layer.checked_sub(1) {
            Some(before) if adds => self.units[before].written,
            _ => 0,
        };
        let first = streamed.max(after_last).max(one_on_its_way).max(residual);
        let last = first + n_reads - 1;
        let overlap = own.n_accumulators + self.config.overlapping_reads() as u64;
        self.units.push(Drained {
            first,
            last,
            written: last + ArrayConfig::WRITE_LATENCY as u64,
            spare: if own.windowed { 0 } else { overlap },
        });
    }
}
