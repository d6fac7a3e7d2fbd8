//! Random programs: layers, blocks and tiles as plain numbers, and as what the blocks take.

use super::isa::{INSTRUCTION_WORDS, encode};
use proptest::prelude::*;
use rust_hdl_core::prelude::bits;
use std::collections::BTreeMap;
use twofold_hw::context::{BlockContext, DrainContext, StreamContext, TileContext};

/// How a layer reads.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) in_bank: u64,
    pub(super) stride_x: u64,
    pub(super) groups: u64,
    pub(super) sum: bool,
    pub(super) stride_y: u64,
    pub(super) layer: u64,
    pub(super) pixel_step: u64,
    pub(super) row_step: u64,
    pub(super) tile_base: u64,
    pub(super) weight_base: u64,
    pub(super) in_width: u64,
    pub(super) in_height: u64,
    /// Signed, modulo 2^8.
    pub(super) fill: u64,
}

impl Stream {
    pub(super) fn words(&self) -> [u32; INSTRUCTION_WORDS] {
        encode(
            "STREAM",
            &[
                ("in_bank", self.in_bank),
                ("stride_x", self.stride_x),
                ("groups_minus_1", self.groups - 1),
                ("sum", self.sum.into()),
                ("stride_y", self.stride_y),
                ("layer", self.layer),
                ("pixel_step", self.pixel_step),
                ("row_step", self.row_step),
                ("tile_base", self.tile_base),
                ("weight_base", self.weight_base),
                ("in_width", self.in_width),
                ("in_height", self.in_height),
                ("fill", self.fill),
            ],
        )
    }

    pub(super) fn context(&self) -> StreamContext {
        StreamContext {
            in_bank: bits(self.in_bank),
            stride_x: bits(self.stride_x),
            groups_minus_1: bits(self.groups - 1),
            sum: self.sum,
            stride_y: bits(self.stride_y),
            layer: bits(self.layer),
            pixel_step: bits(self.pixel_step),
            row_step: bits(self.row_step),
            tile_base: bits(self.tile_base),
            weight_base: bits(self.weight_base),
            in_width: bits(self.in_width),
            in_height: bits(self.in_height),
            fill: bits(self.fill),
        }
    }
}

/// How a layer writes.
#[derive(Clone, Debug)]
pub(super) struct Drain {
    pub(super) out_banks: u64,
    pub(super) logits: bool,
    pub(super) half_away: bool,
    /// 0, 1 before or 2 after the scaling.
    pub(super) residual: u64,
    pub(super) wide: bool,
    pub(super) residual_bank: u64,
    pub(super) steps: u64,
    pub(super) last_steps: u64,
    pub(super) out_pixel_step: u64,
    pub(super) out_row_step: u64,
    pub(super) residual_pixel_step: u64,
    pub(super) residual_row_step: u64,
    pub(super) parameter_base: u64,
    pub(super) out_granule: u64,
    /// Signed, modulo 2^8, as the three that follow.
    pub(super) zero_point: u64,
    pub(super) low: u64,
    pub(super) high: u64,
    pub(super) residual_zero_point: u64,
}

impl Drain {
    pub(super) fn words(&self) -> [u32; INSTRUCTION_WORDS] {
        encode(
            "DRAIN",
            &[
                ("out_banks", self.out_banks),
                ("logits", self.logits.into()),
                ("half_away", self.half_away.into()),
                ("residual", self.residual),
                ("wide", self.wide.into()),
                ("residual_bank", self.residual_bank),
                ("steps_minus_1", self.steps - 1),
                ("last_steps_minus_1", self.last_steps - 1),
                ("out_pixel_step", self.out_pixel_step),
                ("out_row_step", self.out_row_step),
                ("residual_pixel_step", self.residual_pixel_step),
                ("residual_row_step", self.residual_row_step),
                ("parameter_base", self.parameter_base),
                ("out_granule", self.out_granule),
                ("zero_point", self.zero_point),
                ("low", self.low),
                ("high", self.high),
                ("residual_zero_point", self.residual_zero_point),
            ],
        )
    }

    pub(super) fn context(&self) -> DrainContext {
        DrainContext {
            out_banks: bits(self.out_banks),
            logits: self.logits,
            half_away: self.half_away,
            residual: bits(self.residual),
            wide: self.wide,
            residual_bank: bits(self.residual_bank),
            steps_minus_1: bits(self.steps - 1),
            last_steps_minus_1: bits(self.last_steps - 1),
            out_pixel_step: bits(self.out_pixel_step),
            out_row_step: bits(self.out_row_step),
            residual_pixel_step: bits(self.residual_pixel_step),
            residual_row_step: bits(self.residual_row_step),
            parameter_base: bits(self.parameter_base),
            out_granule: bits(self.out_granule),
            zero_point: bits(self.zero_point),
            low: bits(self.low),
            high: bits(self.high),
            residual_zero_point: bits(self.residual_zero_point),
        }
    }
}

/// A block of pixels.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) wait_late: bool,
    pub(super) wait_all: bool,
    pub(super) release_input: bool,
    pub(super) layer_end: bool,
    pub(super) height: u64,
    pub(super) width: u64,
    pub(super) in_address: u64,
    pub(super) out_address: u64,
    pub(super) residual_address: u64,
    /// Signed, modulo 2^12.
    pub(super) y0: u64,
    pub(super) x0: u64,
    /// Pooling: rows and columns of the window, and between windows.
    pub(super) window: (u64, u64),
    pub(super) pool_stride: (u64, u64),
}

impl Block {
    pub(super) fn words(&self) -> [u32; INSTRUCTION_WORDS] {
        encode(
            "BLOCK",
            &[
                ("wait_late", self.wait_late.into()),
                ("wait_all", self.wait_all.into()),
                ("release_input", self.release_input.into()),
                ("layer_end", self.layer_end.into()),
                ("height_minus_1", self.height - 1),
                ("width_minus_1", self.width - 1),
                ("in_address", self.in_address),
                ("out_address", self.out_address),
                ("residual_address", self.residual_address),
                ("y0", self.y0),
                ("x0", self.x0),
                ("window_height_minus_1", self.window.0 - 1),
                ("window_width_minus_1", self.window.1 - 1),
                ("pool_stride_y_minus_1", self.pool_stride.0 - 1),
                ("pool_stride_x_minus_1", self.pool_stride.1 - 1),
            ],
        )
    }

    pub(super) fn context(&self) -> BlockContext {
        BlockContext {
            wait_late: self.wait_late,
            wait_all: self.wait_all,
            release_input: self.release_input,
            layer_end: self.layer_end,
            height_minus_1: bits(self.height - 1),
            width_minus_1: bits(self.width - 1),
            in_address: bits(self.in_address),
            out_address: bits(self.out_address),
            residual_address: bits(self.residual_address),
            y0: bits(self.y0),
            x0: bits(self.x0),
            window_height_minus_1: bits(self.window.0 - 1),
            window_width_minus_1: bits(self.window.1 - 1),
            pool_stride_y_minus_1: bits(self.pool_stride.0 - 1),
            pool_stride_x_minus_1: bits(self.pool_stride.1 - 1),
        }
    }
}

/// A tile; `last` follows from where it is.
#[derive(Clone, Debug)]
pub(super) struct Tile {
    pub(super) mask: u64,
    pub(super) offset: u64,
    pub(super) ky: u64,
    pub(super) kx: u64,
    pub(super) after: u64,
    pub(super) active: u64,
    pub(super) diagonal: bool,
    /// Signed, modulo 2^5.
    pub(super) diagonal_column: u64,
    pub(super) keep_row: bool,
}

impl Tile {
    fn words(&self, last: bool) -> [u32; 2] {
        let [word_0, word_1, ..] = encode(
            "Tile record",
            &[
                ("mask", self.mask),
                ("offset", self.offset),
                ("ky", self.ky),
                ("kx", self.kx),
                ("last", last.into()),
                ("after", self.after),
                ("active", self.active),
                ("diagonal", self.diagonal.into()),
                ("diagonal_column", self.diagonal_column),
                ("keep_row", self.keep_row.into()),
            ],
        );
        [word_0, word_1]
    }

    pub(super) fn context(&self, last: bool) -> TileContext {
        TileContext {
            mask: bits(self.mask),
            offset: bits(self.offset),
            ky: bits(self.ky),
            kx: bits(self.kx),
            last,
            after: bits(self.after),
            active: bits(self.active),
            diagonal: self.diagonal,
            diagonal_column: bits(self.diagonal_column),
            keep_row: self.keep_row,
        }
    }
}

/// A layer.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) stream: Stream,
    pub(super) drain: Drain,
    pub(super) blocks: Vec<Block>,
    /// A group's tiles.
    pub(super) tiles: Vec<Vec<Tile>>,
}

/// The layers of an image.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) layers: Vec<Layer>,
}

/// A tile of a unit, and where it is.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) layer: &'a Layer,
    pub(super) block: &'a Block,
    pub(super) group: usize,
    pub(super) tile: &'a Tile,
    /// Of its group.
    pub(super) first: bool,
    pub(super) last: bool,
}

impl Program {
    /// The tile memory: records of a layer are consecutive, the layers do not overlap.
    pub(super) fn tile_memory(&self) -> BTreeMap<u64, [u32; 2]> {
        let mut memory = BTreeMap::new();
        for layer in &self.layers {
            let records = layer.tiles.iter().flat_map(|group| {
                let last = group.len() - 1;
                group.iter().enumerate().map(move |(i, tile)| tile.words(i == last))
            });
            for (n, words) in records.enumerate() {
                memory.insert((layer.stream.tile_base + n as u64) % (1 << 16), words);
            }
        }
        memory
    }

    /// What the array does, tile after tile, by docs/isa.md: layers, blocks, groups, tiles.
    pub(super) fn passes(&self) -> Vec<Pass<'_>> {
        let mut passes = Vec::new();
        for layer in &self.layers {
            for block in &layer.blocks {
                for (group, tiles) in layer.tiles.iter().enumerate() {
                    for (i, tile) in tiles.iter().enumerate() {
                        let (first, last) = (i == 0, i + 1 == tiles.len());
                        passes.push(Pass { layer, block, group, tile, first, last });
                    }
                }
            }
        }
        passes
    }
}

fn address() -> impl Strategy<Value = u64> {
    // Sums of addresses wrap.
    prop_oneof![0..64u64, 0xffc0..0x1_0000u64, 0..0x1_0000u64]
}

fn stream() -> impl Strategy<Value = Stream> {
    let size = || prop_oneof![1..9u64, 0..4096u64];
    let steps = (address(), address(), address());
    ((0..4u64, (1..5u64, 1..5u64), any::<bool>(), 0..256u64), steps, (size(), size(), 0..256u64))
        .prop_map(|((in_bank, stride, sum, layer), (pixel_step, row_step, weight_base), size)| {
            Stream {
                in_bank,
                stride_x: stride.0,
                groups: 1,
                sum,
                stride_y: stride.1,
                layer,
                pixel_step,
                row_step,
                tile_base: 0,
                weight_base,
                in_width: size.0,
                in_height: size.1,
                fill: size.2,
            }
        })
}

fn drain() -> impl Strategy<Value = Drain> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let steps = (1..8u64, 1..8u64);
    let addresses = (address(), address(), address(), address(), address());
    let bytes = (0..256u64, 0..256u64, 0..256u64, 0..256u64);
    (flags, 0..8u64, (0..3u64, 0..4u64), steps, addresses, (bytes, 0..5u64)).prop_map(
        |(flags, banks, (residual, residual_bank), steps, a, (bytes, out_granule))| {
            let (logits, half_away, wide) = flags;
            Drain {
                out_banks: if logits { 0 } else { banks << 1 },
                logits,
                half_away,
                residual,
                wide,
                residual_bank,
                steps: steps.0.max(steps.1),
                last_steps: steps.0,
                out_pixel_step: a.0,
                out_row_step: a.1,
                residual_pixel_step: a.2,
                residual_row_step: a.3,
                parameter_base: a.4,
                out_granule,
                zero_point: bytes.0,
                low: bytes.1,
                high: bytes.2,
                residual_zero_point: bytes.3,
            }
        },
    )
}

fn block() -> impl Strategy<Value = Block> {
    let flag = || prop::bool::weighted(0.3);
    let flags = (flag(), flag(), flag());
    let size = || prop_oneof![4 => 1..5u64, 1 => 5..12u64];
    let start = || prop_oneof![4088..4096u64, 0..8u64, 0..4096u64];
    let side = || (1..4u64, 1..4u64, 0..3u64);
    let pool = prop::option::weighted(0.4, (side(), side()));
    let places = ((address(), address(), address()), (start(), start()));
    (flags, (size(), size()), pool, places).prop_map(|(flags, size, pool, (addresses, start))| {
        // A side is a window and some strides.
        let [y, x] = match pool {
            Some((y, x)) => [y, x],
            None => [(1, 1, size.0 - 1), (1, 1, size.1 - 1)],
        };
        Block {
            wait_late: flags.0,
            wait_all: flags.1,
            release_input: flags.2,
            layer_end: false,
            height: y.0 + y.1 * y.2,
            width: x.0 + x.1 * x.2,
            in_address: addresses.0,
            out_address: addresses.1,
            residual_address: addresses.2,
            y0: start.0,
            x0: start.1,
            window: (y.0, x.0),
            pool_stride: (y.1, x.1),
        }
    })
}

fn tile() -> impl Strategy<Value = Tile> {
    let tap = || prop_oneof![0..4u64, 0..64u64];
    let diagonal = prop::option::weighted(0.5, (0..32u64, any::<bool>()));
    let flags = (0..4u64, diagonal);
    (0..0x1_0000u64, address(), tap(), tap(), flags, 0..1024u64).prop_map(
        |(mask, offset, ky, kx, (after, diagonal), active)| {
            let (diagonal_column, keep_row) = diagonal.unwrap_or_default();
            let diagonal = diagonal.is_some();
            Tile { mask, offset, ky, kx, after, active, diagonal, diagonal_column, keep_row }
        },
    )
}

fn layer() -> impl Strategy<Value = Layer> {
    let tiles = prop::collection::vec(prop::collection::vec(tile(), 1..4), 1..4);
    (stream(), drain(), prop::collection::vec(block(), 1..4), tiles).prop_map(
        |(mut stream, drain, mut blocks, tiles)| {
            stream.groups = tiles.len() as u64;
            for block in blocks.iter_mut().filter(|_| stream.sum) {
                (block.window, block.pool_stride) = ((1, 1), (1, 1));
            }
            blocks.last_mut().unwrap().layer_end = true;
            Layer { stream, drain, blocks, tiles }
        },
    )
}

/// A few layers, their tile records somewhere in the tile memory, one layer's after the other's.
pub(super) fn program() -> impl Strategy<Value = Program> {
    (prop::collection::vec(layer(), 1..4), address()).prop_map(|(mut layers, mut base)| {
        for layer in &mut layers {
            layer.stream.tile_base = base % (1 << 16);
            base += layer.tiles.iter().map(Vec::len).sum::<usize>() as u64 + 1;
        }
        Program { layers }
    })
}
