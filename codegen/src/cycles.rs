//! The tile rule: cycles that the array cannot avoid.

use spec::Program;
use spec::isa::{Record, decode, opcode};

/// Cycles of one image by the tile rule, one entry a layer: each tile of each block takes `max(pixels, tile_rows)`.
pub fn layer_tile_cycles(program: &Program) -> Vec<u64> {
    let mut cycles = vec![0; program.layers.len()];
    let (mut layer, mut n_tiles) = (0, 0);
    for instruction in &program.instructions {
        match opcode(instruction) {
            Some(Record::Stream) => {
                let field = |name| decode(Record::Stream, instruction, name) as usize;
                layer = field("layer");
                n_tiles = n_tiles_of(program, field("tile_base"), field("groups_minus_1") + 1);
            }
            Some(Record::Block) => {
                let field = |name| decode(Record::Block, instruction, name) as usize;
                let n_pixels = (field("height_minus_1") + 1) * (field("width_minus_1") + 1);
                cycles[layer] += (n_tiles * n_pixels.max(program.config.tile_rows())) as u64;
            }
            _ => {}
        }
    }
    cycles
}

/// Cycles of one image by the tile rule.
pub fn tile_cycles(program: &Program) -> u64 {
    layer_tile_cycles(program).iter().sum()
}

fn n_tiles_of(program: &Program, base: usize, n_groups: usize) -> usize {
    let is_last = |tile: &[u32; 2]| decode(Record::Tile, tile, "last") == 1;
    let ends = program.tiles[base..].iter().enumerate().filter(|(_, tile)| is_last(tile));
    ends.map(|(index, _)| index + 1).nth(n_groups - 1).unwrap_or(0)
}
