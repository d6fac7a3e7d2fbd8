//! The records of docs/isa.md, read from the page itself.
//!
//! The tables of the page are parsed and decoded by code of this file alone, so that the interpreter checks what the
//! page says: an encoder that does not follow it is found out. A field that a table has and a struct here lacks, or the
//! other way round, stops the first program that runs.

use std::sync::LazyLock;

use super::Problem;

const PAGE: &str = include_str!("../../../docs/isa.md");

/// A row of a table: `| word | bits | field | meaning |`.
struct Row {
    name: &'static str,
    word: usize,
    high: u32,
    low: u32,
    signed: bool,
}

/// The table of a record.
struct Layout {
    opcode: Option<u32>,
    /// Without the opcode.
    rows: Vec<Row>,
}

impl Layout {
    /// The table under `heading`, whose fields are to be `names`.
    fn read(heading: &str, names: &[&str]) -> Self {
        let lines = PAGE.lines().skip_while(|line| *line != heading);
        let lines = lines.skip_while(|line| !line.starts_with("| word |")).skip(2);
        let (mut opcode, mut rows) = (None, Vec::new());
        for line in lines.take_while(|line| line.starts_with('|')) {
            let cells: Vec<&'static str> =
                line.trim_matches('|').split('|').map(str::trim).collect();
            let [word, bits, name, meaning] = cells[..] else { panic!("four cells: {line}") };
            let number = |cell: &str| cell.parse().unwrap_or_else(|_| panic!("{cell}: {line}"));
            let (high, low) = bits.split_once("..").unwrap_or((bits, bits));
            let name = name.trim_matches('`');
            if name == "opcode" {
                opcode = Some(number(meaning));
                continue;
            }
            rows.push(Row {
                name,
                word: number(word) as usize,
                high: number(high),
                low: number(low),
                signed: meaning.ends_with(", signed"),
            });
        }
        let in_page: Vec<&str> = rows.iter().map(|row| row.name).collect();
        assert_eq!(in_page, names, "the fields under {heading} of docs/isa.md");
        Self { opcode, rows }
    }

    /// Whether all bits outside the fields are 0.
    fn covers(&self, words: &[u32]) -> bool {
        let is_field = |word: usize, bit: u32| {
            let has = |row: &Row| row.word == word && (row.low..=row.high).contains(&bit);
            (self.opcode.is_some() && word == 0 && bit < 4) || self.rows.iter().any(has)
        };
        let bits = (0..words.len()).flat_map(|word| (0..32).map(move |bit| (word, bit)));
        bits.filter(|(word, bit)| words[*word] >> bit & 1 == 1)
            .all(|(word, bit)| is_field(word, bit))
    }
}

impl Row {
    fn value(&self, words: &[u32]) -> i64 {
        let bits = self.low..=self.high;
        let value =
            bits.rev().fold(0, |value, bit| 2 * value + i64::from(words[self.word] >> bit & 1));
        let negative = self.signed && words[self.word] >> self.high & 1 == 1;
        if negative { value - (1 << (self.high - self.low + 1)) } else { value }
    }
}

/// The type of a field in a struct.
trait Value {
    fn of(value: i64) -> Self;
}

impl Value for bool {
    fn of(value: i64) -> Self {
        value == 1
    }
}

impl Value for usize {
    fn of(value: i64) -> Self {
        Self::try_from(value).expect("the field is unsigned")
    }
}

impl Value for i64 {
    fn of(value: i64) -> Self {
        value
    }
}

macro_rules! record {
    ($Name:ident, $heading:literal, { $($field:ident: $kind:ty),+ $(,)? }) => {
        #[derive(Clone, Copy)]
        pub(super) struct $Name {
            $(pub(super) $field: $kind,)+
        }

        impl $Name {
            fn layout() -> &'static Layout {
                static LAYOUT: LazyLock<Layout> =
                    LazyLock::new(|| Layout::read($heading, &[$(stringify!($field)),+]));
                &LAYOUT
            }

            pub(super) fn of(words: &[u32]) -> Self {
                let mut values = Self::layout().rows.iter().map(|row| row.value(words));
                Self { $($field: Value::of(values.next().expect("a row a field")),)+ }
            }
        }
    };
}

record!(Stream, "### STREAM", {
    in_bank: usize, stride_x: usize, groups_minus_1: usize, sum: bool, stride_y: usize, layer: usize, pixel_step: usize,
    row_step: usize, tile_base: usize, weight_base: usize, in_width: usize, in_height: usize,
    fill: i64,
});
record!(Drain, "### DRAIN", {
    out_banks: usize, logits: bool, half_away: bool, residual_bank: usize, steps_minus_1: usize,
    last_steps_minus_1: usize, residual: usize, wide: bool, out_pixel_step: usize, out_row_step: usize,
    residual_pixel_step: usize, residual_row_step: usize, parameter_base: usize, out_granule: usize, zero_point: i64,
    low: i64, high: i64, residual_zero_point: i64,
});
record!(Block, "### BLOCK", {
    wait_late: bool, wait_all: bool, release_input: bool, layer_end: bool, height_minus_1: usize,
    width_minus_1: usize, in_address: usize, out_address: usize, residual_address: usize, y0: i64, x0: i64,
    window_height_minus_1: usize, window_width_minus_1: usize, pool_stride_y_minus_1: usize,
    pool_stride_x_minus_1: usize,
});
record!(End, "### END", { logits_minus_1: usize });
record!(Load, "### LOAD", {
    block: usize, bytes_minus_1: usize, grid_width_minus_1: usize, grid_height_minus_1: usize,
    pixel_step: usize, row_step: usize, row_bytes: usize, image_height: usize, fill: i64, reach: usize,
});
record!(Tile, "## Tile record", {
    mask: usize, offset: usize, ky: usize, kx: usize, last: bool, after: usize, active: usize,
    diagonal: bool, diagonal_column: i64, keep_row: bool,
});
record!(Lane, "## Lane record", {
    offset: i64, column: i64, dy: i64, first_lane: usize, last_lane: usize, alternate: bool, word_end: bool,
    pixel_end: bool,
});

/// An instruction, by the opcodes of the page.
pub(super) enum Instruction {
    Stream(Stream),
    Drain(Drain),
    Block(Block),
    End(End),
    Load(Load),
}

impl Instruction {
    /// The instruction in these words, all of whose other bits are 0.
    pub(super) fn of(words: &[u32]) -> Result<Self, Problem> {
        let layouts =
            [Stream::layout(), Drain::layout(), Block::layout(), End::layout(), Load::layout()];
        let index = layouts.iter().position(|layout| layout.opcode == Some(words[0] & 0xf));
        let index = index.ok_or(Problem::Opcode { word: words[0] })?;
        if !layouts[index].covers(words) {
            return Err(Problem::UnusedBits);
        }
        Ok(match index {
            0 => Self::Stream(Stream::of(words)),
            1 => Self::Drain(Drain::of(words)),
            2 => Self::Block(Block::of(words)),
            3 => Self::End(End::of(words)),
            _ => Self::Load(Load::of(words)),
        })
    }

    /// Its name in the page.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Stream(_) => "STREAM",
            Self::Drain(_) => "DRAIN",
            Self::Block(_) => "BLOCK",
            Self::End(_) => "END",
            Self::Load(_) => "LOAD",
        }
    }
}
