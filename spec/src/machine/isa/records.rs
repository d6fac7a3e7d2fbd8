//! The table of records, which makes their structs.
//!
//! A line reads as one of docs/isa.md: word, bits, name, then the type and the meaning. A `bool` is one bit, a `usize`
//! unsigned, an `i64` two's complement.

use std::fmt;

use super::field::{Field, FieldError, Table, Value};
use super::{INSTRUCTION_WORDS, LANE_WORDS, TILE_WORDS};

/// Lowest bit and number of bits of `[high:low]` or `[bit]`.
macro_rules! bits {
    ($high:literal : $low:literal) => {
        ($low, $high - $low + 1)
    };
    ($bit:literal) => {
        ($bit, 1)
    };
}

macro_rules! opcode {
    () => {
        None
    };
    ($opcode:literal) => {
        Some($opcode)
    };
}

macro_rules! records {
    ($(
        $(#[doc = $doc:literal])+
        $Name:ident $(= $opcode:literal)?, $name:literal, $Layout:ident, $n_words:ident {
            $($word:literal [$($bits:tt)+] $field:ident: $kind:ty, $meaning:literal;)+
        }
    )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub struct $Name {
                $(
                    #[doc = concat!("Word ", $word, ", bits `", stringify!($($bits)+), "`: ", $meaning, ".")]
                    pub $field: $kind,
                )+
            }

            #[doc = concat!("Where the fields of [`", stringify!($Name), "`] lie.")]
            #[derive(Clone, Copy, Debug)]
            pub struct $Layout {
                $(
                    #[doc = concat!("Where to find: ", $meaning, ".")]
                    pub $field: Field,
                )+
            }

            impl $Name {
                $(
                    /// Its opcode.
                    pub const OPCODE: u32 = $opcode;
                )?

                /// Where each field lies.
                pub const LAYOUT: $Layout = $Layout {
                    $($field: Field {
                        record: $name,
                        name: stringify!($field),
                        word: $word,
                        lsb: bits!($($bits)+).0,
                        width: bits!($($bits)+).1,
                        signed: <$kind as Value>::SIGNED,
                        meaning: $meaning,
                    },)+
                };

                /// Its name, opcode and fields.
                pub const TABLE: Table = Table {
                    name: $name,
                    opcode: opcode!($($opcode)?),
                    n_words: $n_words,
                    fields: &[$(Self::LAYOUT.$field),+],
                };

                /// The words, least significant first; bits outside all fields are zero.
                ///
                /// # Errors
                /// The first value that does not fit its field.
                pub fn encode(&self) -> Result<[u32; $n_words], FieldError> {
                    let mut words = [0; $n_words];
                    $(super::OPCODE.put(&mut words, $opcode)?;)?
                    $(Self::LAYOUT.$field.put(&mut words, self.$field.number())?;)+
                    Ok(words)
                }

                /// The fields of these words, whatever the opcode.
                pub fn decode(words: &[u32; $n_words]) -> Self {
                    Self { $($field: Value::of(Self::LAYOUT.$field.get(words)),)+ }
                }
            }

            /// A line of disassembly: the name, then every field as `name=value`.
            impl fmt::Display for $Name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "{:<6}", $name)?;
                    $(write!(f, " {}={}", stringify!($field), self.$field.number())?;)+
                    Ok(())
                }
            }

            const _: () = {
                $Name::TABLE.check();
                $(assert!($Name::LAYOUT.$field.width <= <$kind as Value>::MOST_BITS);)+
            };
        )+
    };
}

records! {
    /// Sets how the layer's input is streamed.
    Stream = 1, "STREAM", StreamLayout, INSTRUCTION_WORDS {
        0 [5:4] in_bank: usize, "bank that holds the input";
        0 [8:6] stride_x: usize, "input pixels between neighboring output pixels of a row, 1..4";
        0 [16:9] groups_minus_1: usize, "output channel groups of the layer, less one";
        0 [17] sum: bool, "all pixels of a block add into accumulator 0";
        0 [20:18] stride_y: usize, "input rows between neighboring output rows, 1..4";
        0 [31:24] layer: usize, "index of the layer, for the status registers";
        1 [15:0] pixel_step: usize, "words from an output pixel's input to its right neighbor's";
        1 [31:16] row_step: usize, "words from an output row's input to the next row's";
        2 [15:0] tile_base: usize, "first tile record of the layer";
        2 [31:16] weight_base: usize, "first weight row of the layer";
        3 [11:0] in_width: usize, "input pixels in a row; a pixel outside reads as `fill`";
        3 [27:16] in_height: usize, "input rows; a row outside reads as `fill`";
        4 [7:0] fill: i64, "each byte of a word outside the map";
    }

    /// Sets how the layer's output is drained.
    Drain = 2, "DRAIN", DrainLayout, INSTRUCTION_WORDS {
        0 [7:4] out_banks: usize, "bit b: write bank b (1..3)";
        0 [8] logits: bool, "results go to the output port, not to a bank";
        0 [10] half_away: bool, "halves are rounded away from zero, else to the even integer";
        0 [12:11] residual_bank: usize, "bank that holds the residual";
        0 [16:13] steps_minus_1: usize, "drain steps of a group, less one";
        0 [20:17] last_steps_minus_1: usize, "drain steps of the last group, less one";
        0 [22:21] residual: usize, "0 none, 1 a residual before the scaling, 2 one after it";
        0 [23] wide: bool, "bounds are those of 16 bits: low * 256 and high * 256 + 255";
        1 [15:0] out_pixel_step: usize, "words from an output pixel to its right neighbor";
        1 [31:16] out_row_step: usize, "words from an output row to the next";
        2 [15:0] residual_pixel_step: usize, "the same for the residual, per pixel before pooling";
        2 [31:16] residual_row_step: usize, "the same for the residual, per row before pooling";
        3 [15:0] parameter_base: usize, "first parameter row of the layer";
        3 [19:16] out_granule: usize, "granule of the word at `out_address` that the first output channels go to";
        4 [7:0] zero_point: i64, "added to what was rounded";
        4 [15:8] low: i64, "smallest result";
        4 [23:16] high: i64, "largest result";
        4 [31:24] residual_zero_point: i64, "subtracted from the residual";
    }

    /// Computes one block of output pixels, all channel groups.
    Block = 3, "BLOCK", BlockLayout, INSTRUCTION_WORDS {
        0 [4] wait_late: bool, "the block's tiles wait as their `after` says";
        0 [5] wait_all: bool, "the block's tiles wait until every unit of an earlier layer is written";
        0 [6] release_input: bool, "bank 0 may be overwritten once this block is written";
        0 [7] layer_end: bool, "last block of its layer";
        0 [15:8] height_minus_1: usize, "rows of the block before pooling, less one";
        0 [23:16] width_minus_1: usize, "pixels of a block row before pooling, less one";
        1 [15:0] in_address: usize, "word of the input pixel (y0, x0), modulo 2^16";
        1 [31:16] out_address: usize, "word of the block's first output pixel";
        2 [15:0] residual_address: usize, "word of the block's first residual pixel";
        3 [11:0] y0: i64, "input row of tap 0 of the first output row";
        3 [27:16] x0: i64, "input pixel of tap 0 of the first output pixel";
        4 [1:0] window_height_minus_1: usize, "rows of the pooling window, less one, 0..2";
        4 [3:2] window_width_minus_1: usize, "pixels of a row of the pooling window, less one, 0..2";
        4 [5:4] pool_stride_y_minus_1: usize, "rows between neighboring windows, less one, 0..2";
        4 [7:6] pool_stride_x_minus_1: usize, "pixels between neighboring windows, less one, 0..2";
    }

    /// Waits for all drains, has the logits sent and restarts the program.
    End = 4, "END", EndLayout, INSTRUCTION_WORDS {
        0 [23:8] logits_minus_1: usize, "logits to send, less one";
    }

    /// Sets how an image is packed, then waits until one is in bank 0.
    Load = 5, "LOAD", LoadLayout, INSTRUCTION_WORDS {
        0 [7:4] block: usize, "image rows between rows of packed pixels, 1..8";
        0 [23:8] bytes_minus_1: usize, "bytes of an image, less one";
        1 [11:0] grid_width_minus_1: usize, "packed pixels in a row, less one";
        1 [27:16] grid_height_minus_1: usize, "rows of packed pixels, less one";
        2 [15:0] pixel_step: usize, "image bytes between neighboring packed pixels";
        2 [31:16] row_step: usize, "image bytes between rows of packed pixels";
        3 [15:0] row_bytes: usize, "bytes of an image row; one beside it packs as `fill`";
        3 [27:16] image_height: usize, "image rows; one outside packs as `fill`";
        4 [7:0] fill: i64, "what a byte outside the image packs as";
        4 [31:16] reach: usize, "last image byte that the first row of packed pixels waits for";
    }

    /// An entry of the tile memory.
    Tile, "TILE", TileLayout, TILE_WORDS {
        0 [15:0] mask: usize, "bit r: the first section of row r takes the odd channel 2r+1 of its pair, else the even one";
        0 [31:16] offset: usize, "words added to the block's input address";
        1 [5:0] ky: usize, "tap row, added to y0";
        1 [11:6] kx: usize, "tap column, added to x0";
        1 [12] last: bool, "last tile of its channel group";
        1 [14:13] after: usize, "n > 0: waits, if the block says so, until fewer than n units of earlier layers are unwritten";
        1 [24:15] active: usize, "PEs that hold a kept weight: useful MACs a pixel";
        1 [25] diagonal: bool, "every row takes one weight row, masked to a diagonal";
        1 [30:26] diagonal_column: i64, "half of row 0's column in the mask of a diagonal tile";
        1 [31] keep_row: bool, "the tile after a diagonal one takes the same weight row";
    }

    /// An entry of the loader's lane table.
    Lane, "LANE", LaneLayout, LANE_WORDS {
        0 [15:0] offset: i64, "image bytes added to the packed pixel's address";
        0 [31:16] column: i64, "image bytes added to the packed pixel's place in its image row";
        1 [7:0] dy: i64, "image rows added to the packed pixel's row";
        1 [12:8] first_lane: usize, "first lane that takes a byte";
        1 [17:13] last_lane: usize, "last lane that may take one; none does where it is less than the first";
        1 [18] alternate: bool, "every other lane of them takes a byte, else every lane";
        1 [19] word_end: bool, "last entry of a word";
        1 [20] pixel_end: bool, "last entry of a packed pixel";
    }
}
