//! The instruction set: bit fields of instructions, tile records and lane records.
//!
//! One table, [`FIELDS`], holds every field; encoding, decoding, the hardware's wiring and the documentation test all
//! read it. Values are stored modulo `2^width`; a negative number is its two's complement.

/// Words of 32 bits in an instruction.
pub const INSTRUCTION_WORDS: usize = 4;
/// Words of 32 bits in a tile record.
pub const TILE_WORDS: usize = 2;

/// What a record describes; the number is the opcode of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// Sets how the layer's input is streamed.
    Stream = 1,
    /// Sets how the layer's output is drained.
    Drain = 2,
    /// Computes one block of output pixels, all channel groups.
    Block = 3,
    /// Waits for all drains, sends the logits and restarts the program.
    End = 4,
    /// Sets how an image is packed, then waits until one is in bank 0.
    Load = 5,
    /// An entry of the tile memory (no opcode).
    Tile = 16,
    /// An entry of the loader's lane table (no opcode).
    Lane = 17,
}

impl Record {
    /// All kinds of instruction, in the order of their opcodes.
    pub const INSTRUCTIONS: [Self; 5] =
        [Self::Stream, Self::Drain, Self::Block, Self::End, Self::Load];
    /// All kinds of record.
    pub const ALL: [Self; 7] =
        [Self::Stream, Self::Drain, Self::Block, Self::End, Self::Load, Self::Tile, Self::Lane];

    /// The name used in documentation and disassembly.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "STREAM",
            Self::Drain => "DRAIN",
            Self::Block => "BLOCK",
            Self::End => "END",
            Self::Load => "LOAD",
            Self::Tile => "TILE",
            Self::Lane => "LANE",
        }
    }
}

/// A bit field of a record. No field straddles two 32-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The record it belongs to.
    pub record: Record,
    /// Its name, as in [`encode`] and in the documentation.
    pub name: &'static str,
    /// 32-bit word of the record, 0 the least significant.
    pub word: usize,
    /// Lowest bit in the word.
    pub lsb: usize,
    /// Number of bits.
    pub width: usize,
    /// Whether the value is two's complement.
    pub signed: bool,
    /// What it means.
    pub meaning: &'static str,
}

const fn unsigned(
    record: Record,
    name: &'static str,
    word: usize,
    lsb: usize,
    width: usize,
    meaning: &'static str,
) -> Field {
    Field { record, name, word, lsb, width, signed: false, meaning }
}

const fn signed(
    record: Record,
    name: &'static str,
    word: usize,
    lsb: usize,
    width: usize,
    meaning: &'static str,
) -> Field {
    Field { record, name, word, lsb, width, signed: true, meaning }
}

/// Every field of every record.
pub const FIELDS: &[Field] = &[
    unsigned(Record::Stream, "opcode", 0, 0, 4, "1"),
    unsigned(Record::Stream, "in_bank", 0, 4, 2, "bank that holds the input"),
    unsigned(
        Record::Stream,
        "stride",
        0,
        6,
        3,
        "input pixels between neighboring output pixels, 1..4",
    ),
    unsigned(
        Record::Stream,
        "groups_minus_1",
        0,
        9,
        8,
        "output channel groups of the layer, less one",
    ),
    unsigned(Record::Stream, "sum", 0, 17, 1, "all pixels of a block add into accumulator 0"),
    unsigned(Record::Stream, "layer", 0, 24, 8, "index of the layer, for the status registers"),
    unsigned(
        Record::Stream,
        "pixel_step",
        1,
        0,
        16,
        "words from an output pixel's input to its right neighbor's",
    ),
    unsigned(
        Record::Stream,
        "row_step",
        1,
        16,
        16,
        "words from an output row's input to the next row's",
    ),
    unsigned(Record::Stream, "tile_base", 2, 0, 16, "first tile record of the layer"),
    unsigned(Record::Stream, "weight_base", 2, 16, 16, "first weight row of the layer"),
    unsigned(
        Record::Stream,
        "in_width",
        3,
        0,
        12,
        "input pixels in a row; a pixel outside reads as zero",
    ),
    unsigned(Record::Stream, "in_height", 3, 16, 12, "input rows; a row outside reads as zero"),
    unsigned(Record::Drain, "opcode", 0, 0, 4, "2"),
    unsigned(Record::Drain, "out_banks", 0, 4, 4, "bit b: write bank b (1..3)"),
    unsigned(
        Record::Drain,
        "logits",
        0,
        8,
        1,
        "results are 16-bit logits and go to the output port, not to a bank",
    ),
    unsigned(Record::Drain, "pool", 0, 9, 1, "2x2 max-pool, stride 2"),
    unsigned(Record::Drain, "relu", 0, 10, 1, "negative results become 0"),
    unsigned(Record::Drain, "residual_bank", 0, 11, 2, "bank that holds the residual"),
    unsigned(Record::Drain, "steps_minus_1", 0, 13, 4, "drain steps of a group, less one"),
    unsigned(
        Record::Drain,
        "last_steps_minus_1",
        0,
        17,
        4,
        "drain steps of the last group, less one",
    ),
    unsigned(
        Record::Drain,
        "out_pixel_step",
        1,
        0,
        16,
        "words from an output pixel to its right neighbor",
    ),
    unsigned(Record::Drain, "out_row_step", 1, 16, 16, "words from an output row to the next"),
    unsigned(
        Record::Drain,
        "residual_pixel_step",
        2,
        0,
        16,
        "the same for the residual, per pixel before pooling",
    ),
    unsigned(
        Record::Drain,
        "residual_row_step",
        2,
        16,
        16,
        "the same for the residual, per row before pooling",
    ),
    unsigned(Record::Drain, "parameter_base", 3, 0, 16, "first parameter row of the layer"),
    unsigned(Record::Block, "opcode", 0, 0, 4, "3"),
    unsigned(
        Record::Block,
        "wait_late",
        0,
        4,
        1,
        "tiles marked late wait until every earlier unit is written",
    ),
    unsigned(
        Record::Block,
        "wait_all",
        0,
        5,
        1,
        "the block waits until every earlier unit is written",
    ),
    unsigned(
        Record::Block,
        "release_input",
        0,
        6,
        1,
        "bank 0 may be overwritten once this block is written",
    ),
    unsigned(Record::Block, "layer_end", 0, 7, 1, "last block of its layer"),
    unsigned(
        Record::Block,
        "height_minus_1",
        0,
        8,
        8,
        "rows of the block before pooling, less one",
    ),
    unsigned(
        Record::Block,
        "width_minus_1",
        0,
        16,
        8,
        "pixels of a block row before pooling, less one",
    ),
    unsigned(
        Record::Block,
        "in_address",
        1,
        0,
        16,
        "word of the input pixel (y0, x0), modulo 2^16",
    ),
    unsigned(Record::Block, "out_address", 1, 16, 16, "word of the block's first output pixel"),
    unsigned(
        Record::Block,
        "residual_address",
        2,
        0,
        16,
        "word of the block's first residual pixel",
    ),
    signed(Record::Block, "y0", 3, 0, 12, "input row of tap 0 of the first output row"),
    signed(Record::Block, "x0", 3, 16, 12, "input pixel of tap 0 of the first output pixel"),
    unsigned(Record::End, "opcode", 0, 0, 4, "4"),
    unsigned(Record::End, "logits_minus_1", 0, 8, 16, "logits to send, less one"),
    unsigned(Record::Load, "opcode", 0, 0, 4, "5"),
    unsigned(
        Record::Load,
        "block",
        0,
        4,
        4,
        "image pixels between neighboring packed pixels, 1..8",
    ),
    unsigned(Record::Load, "bytes_minus_1", 0, 8, 16, "bytes of an image, less one"),
    unsigned(Record::Load, "grid_width_minus_1", 1, 0, 12, "packed pixels in a row, less one"),
    unsigned(Record::Load, "grid_height_minus_1", 1, 16, 12, "rows of packed pixels, less one"),
    unsigned(Record::Load, "pixel_step", 2, 0, 16, "image bytes between neighboring packed pixels"),
    unsigned(Record::Load, "row_step", 2, 16, 16, "image bytes between rows of packed pixels"),
    unsigned(
        Record::Load,
        "image_width",
        3,
        0,
        12,
        "image pixels in a row; a pixel outside packs as zero",
    ),
    unsigned(Record::Load, "image_height", 3, 16, 12, "image rows; a row outside packs as zero"),
    unsigned(
        Record::Tile,
        "mask",
        0,
        0,
        16,
        "bit r: row r takes the odd channel 2r+1 of its pair, else the even one",
    ),
    unsigned(Record::Tile, "offset", 0, 16, 16, "words added to the block's input address"),
    unsigned(Record::Tile, "ky", 1, 0, 6, "tap row, added to y0"),
    unsigned(Record::Tile, "kx", 1, 6, 6, "tap column, added to x0"),
    unsigned(Record::Tile, "last", 1, 12, 1, "last tile of its channel group"),
    unsigned(Record::Tile, "late", 1, 13, 1, "reads what the unit just before the layer writes"),
    unsigned(Record::Tile, "active", 1, 14, 10, "PEs that hold a kept weight: useful MACs a pixel"),
    signed(Record::Lane, "offset", 0, 0, 16, "image bytes added to the packed pixel's address"),
    signed(Record::Lane, "dy", 0, 16, 5, "image rows added to the packed pixel's row"),
    signed(Record::Lane, "dx", 0, 21, 5, "image pixels added to the packed pixel's column"),
    unsigned(Record::Lane, "valid", 0, 26, 1, "the lane takes an image byte; else it is zero"),
    unsigned(Record::Lane, "word_end", 0, 27, 1, "last lane of a word"),
    unsigned(Record::Lane, "pixel_end", 0, 28, 1, "last lane of a packed pixel"),
];

/// The field `name` of `record`.
///
/// # Panics
/// If there is none: field names are literals in the code, never input.
pub fn field(record: Record, name: &str) -> Field {
    *FIELDS
        .iter()
        .find(|field| field.record == record && field.name == name)
        .unwrap_or_else(|| panic!("{} has no field {name}", record.name()))
}

/// A value that does not fit its field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{record}.{field} = {value} does not fit {width} bits; help: a map, channel count or memory is too large for the ISA"
)]
pub struct FieldError {
    /// Name of the record.
    pub record: &'static str,
    /// Name of the field.
    pub field: &'static str,
    /// The value.
    pub value: i64,
    /// Bits of the field.
    pub width: usize,
}

/// Encodes a record into 32-bit words (least significant first, unused words zero); the opcode is added.
///
/// A signed field takes `-2^(w-1)..2^(w-1)`, an unsigned one `0..2^w`.
///
/// # Errors
/// A value outside its field.
pub fn encode(
    record: Record,
    values: &[(&str, i64)],
) -> Result<[u32; INSTRUCTION_WORDS], FieldError> {
    let mut words = [0u32; INSTRUCTION_WORDS];
    if Record::INSTRUCTIONS.contains(&record) {
        words[0] = record as u32;
    }
    for (name, value) in values {
        let Field { name, word, lsb, width, signed, .. } = field(record, name);
        let (low, high) =
            if signed { (-(1i64 << (width - 1)), 1i64 << (width - 1)) } else { (0, 1i64 << width) };
        if !(low..high).contains(value) {
            return Err(FieldError { record: record.name(), field: name, value: *value, width });
        }
        words[word] |= ((*value as u64 & ((1u64 << width) - 1)) << lsb) as u32;
    }
    Ok(words)
}

/// The value of the field `name` in an encoded record.
pub fn decode(record: Record, words: &[u32], name: &str) -> i64 {
    let Field { word, lsb, width, signed, .. } = field(record, name);
    let raw = i64::from(words[word] >> lsb) & ((1 << width) - 1);
    if signed && raw >> (width - 1) & 1 == 1 { raw - (1 << width) } else { raw }
}

/// The instruction kind of an encoded instruction, `None` if the opcode is unknown.
pub fn opcode(words: &[u32; INSTRUCTION_WORDS]) -> Option<Record> {
    Record::INSTRUCTIONS.into_iter().find(|record| *record as u32 == words[0] & 0xf)
}

/// One line of disassembly: the name, then every field but the opcode as `name=value`.
pub fn disassemble(record: Record, words: &[u32]) -> String {
    let fields = FIELDS.iter().filter(|field| field.record == record && field.name != "opcode");
    fields.fold(format!("{:<6}", record.name()), |line, field| {
        format!("{line} {}={}", field.name, decode(record, words, field.name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn fields_do_not_overlap() {
        let mut used: HashMap<(u32, usize), u32> = HashMap::new();
        for field in FIELDS {
            let mask = (((1u64 << field.width) - 1) << field.lsb) as u32;
            assert!(field.lsb + field.width <= 32, "{field:?}");
            let bits = used.entry((field.record as u32, field.word)).or_default();
            assert_eq!(*bits & mask, 0, "{field:?}");
            *bits |= mask;
        }
    }

    #[test]
    fn every_field_holds_its_extremes() {
        for f in FIELDS.iter().filter(|f| f.name != "opcode") {
            let (low, high) = if f.signed {
                (-(1i64 << (f.width - 1)), (1i64 << (f.width - 1)) - 1)
            } else {
                (0, (1i64 << f.width) - 1)
            };
            for value in [low, high] {
                let words = encode(f.record, &[(f.name, value)]).unwrap();
                assert_eq!(decode(f.record, &words, f.name), value, "{f:?}");
            }
            assert!(encode(f.record, &[(f.name, high + 1)]).is_err());
            assert!(encode(f.record, &[(f.name, low - 1)]).is_err());
        }
    }

    #[test]
    fn opcodes_decode() {
        for record in Record::INSTRUCTIONS {
            assert_eq!(opcode(&encode(record, &[]).unwrap()), Some(record));
        }
        assert_eq!(opcode(&[0; 4]), None);
    }
}
