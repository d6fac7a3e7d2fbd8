//! The tile rule: cycles that the array cannot avoid.

use spec::Program;
use spec::isa::{Instruction, Tile};

/// Cycles of one image by the tile rule, one entry a layer: each tile of each block takes `max(pixels, tile_rows)`.
pub fn layer_tile_cycles(program: &Program) -> Vec<u64> {
    let mut cycles = vec![0; program.layers.len()];
    let (mut layer, mut n_tiles) = (0, 0);
    for instruction in &program.instructions {
        match Instruction::decode(instruction) {
            Some(Instruction::Stream(stream)) => {
                layer = stream.layer;
                n_tiles = n_tiles_of(program, stream.tile_base, stream.groups_minus_1 + 1);
            }
            Some(Instruction::Block(block)) => {
                let n_pixels = (block.height_minus_1 + 1) * (block.width_minus_1 + 1);
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
    let tiles = program.tiles[base..].iter().enumerate();
    let ends = tiles.filter(|(_, tile)| Tile::decode(tile).last);
    ends.map(|(index, _)| index + 1).nth(n_groups - 1).unwrap_or(0)
}
