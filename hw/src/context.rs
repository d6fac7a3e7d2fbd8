//! Bundles of control that travel between the blocks, and the decoders that make them from ROM words.
//!
//! A decoder takes its fields and their bit positions from [`spec::isa`]: one more or one less does not compile. A field
//! wider here than there is zero- or sign-extended, so that it adds to coordinates and addresses without a cast.

#![allow(
    missing_docs,
    reason = "the fields are those of docs/isa.md, and rust-hdl's derive adds accessors without documentation"
)]

use rust_hdl_core::prelude::*;
use spec::isa::{self, Field};
use spec::{Parameter, ParameterField};

use crate::leaf::{Drive, verilog};

/// How a layer's input is streamed: instruction `STREAM`.
#[derive(LogicStruct, Clone, Copy, Debug, Default, PartialEq)]
pub struct StreamContext {
    pub in_bank: Bits<2>,
    pub stride_x: Bits<12>,
    pub groups_minus_1: Bits<8>,
    pub sum: Bit,
    pub stride_y: Bits<12>,
    pub layer: Bits<8>,
    pub pixel_step: Bits<16>,
    pub row_step: Bits<16>,
    pub tile_base: Bits<16>,
    pub weight_base: Bits<16>,
    pub in_width: Bits<12>,
    pub in_height: Bits<12>,
    pub fill: Bits<8>,
}

/// How a layer's output is drained: instruction `DRAIN`.
#[derive(LogicStruct, Clone, Copy, Debug, Default, PartialEq)]
pub struct DrainContext {
    pub out_banks: Bits<4>,
    pub logits: Bit,
    pub half_away: Bit,
    pub residual_bank: Bits<2>,
    pub steps_minus_1: Bits<4>,
    pub last_steps_minus_1: Bits<4>,
    pub residual: Bits<2>,
    pub wide: Bit,
    pub out_pixel_step: Bits<16>,
    pub out_row_step: Bits<16>,
    pub residual_pixel_step: Bits<16>,
    pub residual_row_step: Bits<16>,
    pub parameter_base: Bits<16>,
    pub out_granule: Bits<4>,
    pub zero_point: Bits<8>,
    pub low: Bits<8>,
    pub high: Bits<8>,
    pub residual_zero_point: Bits<8>,
}

/// One block of pixels: instruction `BLOCK`.
#[derive(LogicStruct, Clone, Copy, Debug, Default, PartialEq)]
pub struct BlockContext {
    pub wait_late: Bit,
    pub wait_all: Bit,
    pub release_input: Bit,
    pub layer_end: Bit,
    pub height_minus_1: Bits<8>,
    pub width_minus_1: Bits<8>,
    pub in_address: Bits<16>,
    pub out_address: Bits<16>,
    pub residual_address: Bits<16>,
    pub y0: Bits<12>,
    pub x0: Bits<12>,
    pub window_height_minus_1: Bits<2>,
    pub window_width_minus_1: Bits<2>,
    pub pool_stride_y_minus_1: Bits<2>,
    pub pool_stride_x_minus_1: Bits<2>,
}

/// How images are packed: instruction `LOAD`.
#[derive(LogicStruct, Clone, Copy, Debug, Default, PartialEq)]
pub struct LoadContext {
    pub block: Bits<4>,
    pub bytes_minus_1: Bits<16>,
    pub grid_width_minus_1: Bits<12>,
    pub grid_height_minus_1: Bits<12>,
    pub pixel_step: Bits<16>,
    pub row_step: Bits<16>,
    pub row_bytes: Bits<16>,
    pub image_height: Bits<12>,
    pub fill: Bits<8>,
    pub reach: Bits<16>,
}

/// The end of the program: instruction `END`.
#[derive(LogicStruct, Clone, Copy, Debug, Default, PartialEq)]
pub struct EndContext {
    pub logits_minus_1: Bits<16>,
}

/// A tile record.
#[derive(LogicStruct, Clone, Copy, Debug, Default, PartialEq)]
pub struct TileContext {
    pub mask: Bits<16>,
    pub offset: Bits<16>,
    pub ky: Bits<12>,
    pub kx: Bits<12>,
    pub last: Bit,
    pub after: Bits<2>,
    pub active: Bits<10>,
    pub diagonal: Bit,
    pub diagonal_column: Bits<5>,
    pub keep_row: Bit,
}

/// An entry of the loader's lane table.
#[derive(LogicStruct, Clone, Copy, Debug, Default, PartialEq)]
pub struct LaneContext {
    pub offset: Bits<16>,
    pub column: Bits<17>,
    pub dy: Bits<13>,
    pub first_lane: Bits<5>,
    pub last_lane: Bits<5>,
    pub alternate: Bit,
    pub word_end: Bit,
    pub pixel_end: Bit,
}

/// Where bytes of the image go; travels beside them through the loader.
#[derive(LogicStruct, Clone, Copy, Debug, Default, PartialEq)]
pub struct PackControl {
    pub first_lane: Bits<5>,
    pub last_lane: Bits<5>,
    pub alternate: Bit,
    pub word_end: Bit,
    /// The last bytes of the image's last word.
    pub last: Bit,
}

/// What a column does with the partial sum that belongs to it; travels beside the activations.
#[derive(LogicStruct, Clone, Copy, Debug, Default, PartialEq)]
pub struct AccumulateControl {
    pub valid: Bit,
    /// Which of the two accumulator banks.
    pub bank: Bit,
    pub address: Bits<8>,
    /// Start from zero.
    pub first: Bit,
    /// Add to the column's previous sum instead of the memory; never together with `first`.
    pub chain: Bit,
    /// Last sum of its unit.
    pub last: Bit,
}

/// Where a drained granule goes; travels beside the requantizer.
#[derive(LogicStruct, Clone, Copy, Debug, Default, PartialEq)]
pub struct WriteControl {
    /// First value of a pooling window.
    pub first: Bit,
    /// Last value of a pooling window: the result is written.
    pub valid: Bit,
    /// Word, or row of the logit memory.
    pub address: Bits<16>,
    pub granule: Bits<4>,
    /// Last granule of its unit.
    pub last: Bit,
    /// Accumulator bank of its unit, which chooses the unit's [`ResultContext`].
    pub bank: Bit,
}

/// What becomes of a unit's results. It is kept from the unit's first read to its last write, and shown to each stage
/// beside the results of the unit.
#[derive(LogicStruct, Clone, Copy, Debug, Default, PartialEq)]
pub struct ResultContext {
    /// 0 no residual, 1 one before the scaling, 2 one after it.
    pub residual: Bits<2>,
    pub residual_zero_point: Bits<8>,
    pub half_away: Bit,
    pub zero_point: Bits<8>,
    /// Bounds are those of 16 bits.
    pub wide: Bit,
    pub low: Bits<8>,
    pub high: Bits<8>,
    pub logits: Bit,
    pub out_banks: Bits<4>,
    /// Bank 0 may be overwritten once the unit is written.
    pub release_input: Bit,
    /// The layer is complete once the unit is written.
    pub layer_end: Bit,
}

/// State bits of status register 0.
#[derive(LogicStruct, Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    /// An image is being computed or its logits are being sent.
    pub busy: Bit,
    /// An image has been computed and the next has not begun.
    pub done: Bit,
    /// The program has an unknown opcode.
    pub error: Bit,
    /// The newest image was bad: its last byte came early or late.
    pub bad_image: Bit,
}

/// Conversion of an ISA field's value to the type of a bundle's field.
trait FromField<V> {
    fn from_field(value: V) -> Self;
}

impl FromField<bool> for Bit {
    fn from_field(value: bool) -> Self {
        value
    }
}

impl<const N: usize> FromField<usize> for Bits<N> {
    fn from_field(value: usize) -> Self {
        bits(value as u64)
    }
}

impl<const N: usize> FromField<i64> for Bits<N> {
    fn from_field(value: i64) -> Self {
        bits(value as u64 & ((1 << N) - 1))
    }
}

/// Verilog concatenation that makes a bundle, its fields with their bits there, out of `word_0`, `word_1`, ...
fn concatenation(fields: &[(Field, usize)]) -> String {
    let parts = fields.iter().rev().map(|&(field, bits)| {
        let Field { record, name, word, lsb, width, signed, .. } = field;
        let source = if width == 1 {
            format!("word_{word}[{lsb}]")
        } else {
            format!("word_{word}[{}:{lsb}]", lsb + width - 1)
        };
        assert!(bits >= width, "{record}.{name} has {width} bits, its bundle {bits}");
        let extension = match (bits - width, signed) {
            (0, _) => return source,
            (extra, true) => format!("{{{extra}{{word_{word}[{}]}}}}", lsb + width - 1),
            (extra, false) => format!("{extra}'d0"),
        };
        format!("{{{extension}, {source}}}")
    });
    parts.collect::<Vec<_>>().join(", ")
}

pub(crate) fn widths(descriptor: TypeDescriptor) -> Vec<(String, usize)> {
    fn bits(kind: &TypeKind) -> usize {
        match kind {
            TypeKind::Bits(bits) | TypeKind::Signed(bits) => *bits,
            TypeKind::Enum(names) => clog2(names.len()),
            TypeKind::Composite(fields) => fields.iter().map(|field| bits(&field.kind.kind)).sum(),
        }
    }
    match descriptor.kind {
        TypeKind::Composite(fields) => fields
            .into_iter()
            .map(|field| (field.fieldname.clone(), bits(&field.kind.kind)))
            .collect(),
        _ => Vec::new(),
    }
}

macro_rules! decoder {
    ($Name:ident, $module:literal, $Context:ident, $Record:ident, [$($word:ident),*], { $($field:ident),* $(,)? }) => {
        #[doc = concat!("Combinational decoder of [`", stringify!($Context), "`].")]
        #[derive(LogicBlock, Default)]
        pub struct $Name {
            $(
                #[doc = "A 32-bit word of the record."]
                pub $word: Signal<In, Bits<32>>,
            )*
            /// The fields.
            pub fields: Signal<Out, $Context>,
        }

        impl $Name {
            /// Every field of the record, with its bits in the bundle.
            fn layout() -> Vec<(Field, usize)> {
                // The patterns name every field: a list that lacks one does not compile.
                let isa::$Record { $($field: _),* } = isa::$Record::default();
                let $Context { $($field: _),* } = $Context::default();
                let widths = widths($Context::descriptor());
                let width = |name| widths.iter().find(|(field, _)| field == name).map(|(_, bits)| *bits);
                let mut layout = vec![$((
                    isa::$Record::LAYOUT.$field,
                    width(stringify!($field)).expect("the bundle has the field"),
                )),*];
                layout.sort_by_key(|(field, _)| widths.iter().position(|(name, _)| name == field.name));
                layout
            }
        }

        const _: () = {
            // Later words of an instruction, which hold no field, have no port.
            const N_PORTS: usize = [$(stringify!($word)),*].len();
            $(assert!(isa::$Record::LAYOUT.$field.word < N_PORTS, "a field lies in a word without a port");)*
        };

        impl Logic for $Name {
            fn update(&mut self) {
                let words = [$(self.$word.val().to_u64() as u32),*];
                let mut record = [0; isa::$Record::TABLE.n_words];
                record[..words.len()].copy_from_slice(&words);
                let isa::$Record { $($field),* } = isa::$Record::decode(&record);
                self.fields.next = $Context { $($field: FromField::from_field($field)),* };
            }

            fn connect(&mut self) {
                self.fields.drive();
            }

            fn hdl(&self) -> Verilog {
                let sentence = concat!("The fields of a record as ", stringify!($Context), ".");
                verilog($module, sentence, &format!("assign fields = {{{}}};\n", concatenation(&Self::layout())))
            }
        }
    };
}

decoder!(StreamDecoder, "stream_decoder", StreamContext, Stream, [word_0, word_1, word_2, word_3, word_4], {
    in_bank, stride_x, groups_minus_1, sum, stride_y, layer, pixel_step, row_step, tile_base, weight_base, in_width, in_height,
    fill,
});
decoder!(DrainDecoder, "drain_decoder", DrainContext, Drain, [word_0, word_1, word_2, word_3, word_4], {
    out_banks, logits, half_away, residual_bank, steps_minus_1, last_steps_minus_1, residual, wide,
    out_pixel_step, out_row_step, residual_pixel_step, residual_row_step, parameter_base, out_granule, zero_point, low,
    high, residual_zero_point,
});
decoder!(BlockDecoder, "block_decoder", BlockContext, Block, [word_0, word_1, word_2, word_3, word_4], {
    wait_late, wait_all, release_input, layer_end, height_minus_1, width_minus_1, in_address, out_address,
    residual_address, y0, x0, window_height_minus_1, window_width_minus_1, pool_stride_y_minus_1, pool_stride_x_minus_1,
});
decoder!(LoadDecoder, "load_decoder", LoadContext, Load, [word_0, word_1, word_2, word_3, word_4], {
    block, bytes_minus_1, grid_width_minus_1, grid_height_minus_1, pixel_step, row_step, row_bytes, image_height, fill,
    reach,
});
decoder!(EndDecoder, "end_decoder", EndContext, End, [word_0], { logits_minus_1 });
decoder!(TileDecoder, "tile_decoder", TileContext, Tile, [word_0, word_1], {
    mask, offset, ky, kx, last, after, active, diagonal, diagonal_column, keep_row,
});
decoder!(LaneDecoder, "lane_decoder", LaneContext, Lane, [word_0, word_1], {
    offset, column, dy, first_lane, last_lane, alternate, word_end, pixel_end,
});

macro_rules! parameter_decoder {
    ($($field:ident: $part:ident),+) => {
        /// Combinational decoder of a channel's part of a parameter row, see [`spec::Parameter`].
        #[derive(LogicBlock, Default)]
        pub struct ParameterDecoder {
            /// The channel's bits of the row.
            pub channel: Signal<In, Bits<{ Parameter::BITS }>>,
            $(
                #[doc = concat!("`", stringify!($field), "`, as [`spec::Parameter`] has it.")]
                pub $field: Signal<Out, Bits<{ Parameter::$part.width }>>,
            )+
        }

        impl Logic for ParameterDecoder {
            fn update(&mut self) {
                let channel = self.channel.val();
                $(self.$field.next = channel.get_bits(Parameter::$part.lsb.into());)+
            }

            fn connect(&mut self) {
                $(self.$field.drive();)+
            }

            fn hdl(&self) -> Verilog {
                let assign = |ParameterField { name, lsb, width, .. }| {
                    format!("assign {name} = channel[{}:{lsb}];\n", lsb + width - 1)
                };
                let body: String = Parameter::FIELDS.into_iter().map(assign).collect();
                verilog("parameter_decoder", "The constants of a channel, from a parameter row.", &body)
            }
        }
    };
}

parameter_decoder!(
    bias: BIAS,
    multiplier: MULTIPLIER,
    shift: SHIFT,
    residual_multiplier: RESIDUAL_MULTIPLIER
);

#[cfg(test)]
mod tests;
