//! What the instruction set has no room for, in words of the network: no name of a field reaches a user.

use spec::ArrayConfig;
use spec::isa::{Block, Drain, End, Field, FieldError, Lane, Load, Stream, Tile};

use crate::report::Problem;

/// A value beyond its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    /// The layer, or `input`.
    pub(crate) place: String,
    pub(crate) error: FieldError,
}

impl TooLarge {
    /// Whether it is an address in a memory that is too small.
    pub(crate) fn is_address(&self) -> bool {
        ADDRESSES.contains(&self.error.field)
    }

    /// Whether both are of one field of one layer.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.error.field == other.error.field && self.place == other.place
    }

    /// In words, for an array of this size.
    pub(crate) fn problem(self, config: &ArrayConfig) -> Problem {
        let FieldError { field, value } = self.error;
        let (_, most) = field.range();
        let Words { quantity, less_one, mut help, .. } = words(&field);
        let n_channels = value.saturating_add(1).saturating_mul(config.group_channels() as i64);
        if field == Stream::LAYOUT.groups_minus_1
            && n_channels > (most + 1) * ArrayConfig::COLS.1 as i64
        {
            // Not even the most columns make groups large enough.
            help = "use fewer output channels or classes";
        }
        let offset = i64::from(less_one);
        Problem::TooLarge {
            place: self.place,
            quantity,
            value: value.saturating_add(offset),
            most: most + offset,
            help,
        }
    }
}

/// Fields that overflow where a memory would have to be larger than any.
const ADDRESSES: [Field; 7] = [
    Stream::LAYOUT.tile_base,
    Stream::LAYOUT.weight_base,
    Drain::LAYOUT.parameter_base,
    Block::LAYOUT.in_address,
    Block::LAYOUT.out_address,
    Block::LAYOUT.residual_address,
    Load::LAYOUT.bytes_minus_1,
];

/// What a field counts.
#[derive(Clone, Copy, Debug)]
struct Words {
    field: Field,
    /// Whether it holds the quantity less one, or counts it from 0.
    less_one: bool,
    /// In the plural.
    quantity: &'static str,
    /// What makes it smaller.
    help: &'static str,
}

const fn plain(field: Field, quantity: &'static str, help: &'static str) -> Words {
    Words { field, less_one: false, quantity, help }
}

const fn less_one(field: Field, quantity: &'static str, help: &'static str) -> Words {
    Words { field, less_one: true, quantity, help }
}

const SMALLER_MAPS: &str = "use a larger stride or a max-pool earlier, or smaller images";
const NARROWER_INPUT: &str =
    "use fewer channels or a smaller stride, or more rows, which make words wider";
const SMALLER_IMAGES: &str = "use smaller images or a smaller space-to-depth block";
const FEWER_LAYERS: &str = "use fewer layers";
const FEWER_COLUMNS: &str = "use an array of fewer columns";
const SMALLER_WINDOWS: &str = "use smaller pooling windows";
const BYTES: &str = "use an int8 value";
const SMALLER_ARRAY: &str = "use an array of fewer rows and columns";

/// Every field that can overflow. Flags and numbers of banks cannot.
#[rustfmt::skip] // one line a field
const WORDS: [Words; 57] = [
    less_one(Stream::LAYOUT.groups_minus_1, "groups of output channels", "use fewer output channels or classes, or more columns, which make groups larger"),
    plain(Stream::LAYOUT.layer, "layers before it", FEWER_LAYERS),
    plain(Stream::LAYOUT.stride_x, "pixels of stride", "use a smaller stride"),
    plain(Stream::LAYOUT.stride_y, "rows of stride", "use a smaller stride"),
    plain(Stream::LAYOUT.pixel_step, "words between the inputs of neighboring output pixels", NARROWER_INPUT),
    plain(Stream::LAYOUT.row_step, "words between the inputs of output rows", NARROWER_INPUT),
    plain(Stream::LAYOUT.tile_base, "tiles in the layers before it", FEWER_LAYERS),
    plain(Stream::LAYOUT.weight_base, "weight rows in the layers before it", FEWER_LAYERS),
    plain(Stream::LAYOUT.in_width, "pixels in a row of its input", SMALLER_MAPS),
    plain(Stream::LAYOUT.in_height, "rows of its input", SMALLER_MAPS),
    plain(Drain::LAYOUT.parameter_base, "parameter rows in the layers before it", "use fewer output channels"),
    plain(Drain::LAYOUT.out_granule, "granules before its first channel", NARROWER_INPUT),
    plain(Drain::LAYOUT.out_pixel_step, "words of an output pixel", NARROWER_INPUT),
    plain(Drain::LAYOUT.out_row_step, "words of an output row", SMALLER_MAPS),
    plain(Drain::LAYOUT.residual_pixel_step, "words between neighboring pixels of its residual", NARROWER_INPUT),
    plain(Drain::LAYOUT.residual_row_step, "words between rows of its residual", SMALLER_MAPS),
    less_one(Drain::LAYOUT.steps_minus_1, "drain steps", FEWER_COLUMNS),
    less_one(Drain::LAYOUT.last_steps_minus_1, "drain steps", FEWER_COLUMNS),
    plain(Drain::LAYOUT.out_banks, "banks", SMALLER_MAPS),
    less_one(Block::LAYOUT.height_minus_1, "rows computed at a time", SMALLER_MAPS),
    less_one(Block::LAYOUT.width_minus_1, "pixels of a row computed at a time", SMALLER_MAPS),
    plain(Block::LAYOUT.out_address, "words before its output", SMALLER_MAPS),
    plain(Block::LAYOUT.residual_address, "words before its residual", SMALLER_MAPS),
    plain(Block::LAYOUT.in_address, "rows or pixels of its input before a block", SMALLER_MAPS),
    plain(Block::LAYOUT.y0, "rows or pixels of its input before a block", SMALLER_MAPS),
    plain(Block::LAYOUT.x0, "rows or pixels of its input before a block", SMALLER_MAPS),
    less_one(Block::LAYOUT.window_height_minus_1, "rows of a pooling window", SMALLER_WINDOWS),
    less_one(Block::LAYOUT.window_width_minus_1, "pixels in a row of a pooling window", SMALLER_WINDOWS),
    less_one(Block::LAYOUT.pool_stride_y_minus_1, "rows between pooling windows", SMALLER_WINDOWS),
    less_one(Block::LAYOUT.pool_stride_x_minus_1, "pixels between pooling windows", SMALLER_WINDOWS),
    plain(Drain::LAYOUT.zero_point, "as zero point", BYTES),
    plain(Drain::LAYOUT.low, "as lower bound", BYTES),
    plain(Drain::LAYOUT.high, "as upper bound", BYTES),
    plain(Drain::LAYOUT.residual_zero_point, "as zero point of its residual", BYTES),
    less_one(End::LAYOUT.logits_minus_1, "logits", "use fewer classes or smaller outputs"),
    less_one(Load::LAYOUT.bytes_minus_1, "bytes of an image", SMALLER_IMAGES),
    plain(Load::LAYOUT.block, "image pixels between packed pixels", SMALLER_IMAGES),
    plain(Load::LAYOUT.pixel_step, "bytes between packed pixels", SMALLER_IMAGES),
    plain(Load::LAYOUT.row_step, "bytes between rows of packed pixels", SMALLER_IMAGES),
    less_one(Load::LAYOUT.grid_width_minus_1, "pixels in a row", SMALLER_IMAGES),
    plain(Load::LAYOUT.row_bytes, "bytes in a row", SMALLER_IMAGES),
    less_one(Load::LAYOUT.grid_height_minus_1, "rows of an image", SMALLER_IMAGES),
    plain(Load::LAYOUT.image_height, "rows of an image", SMALLER_IMAGES),
    less_one(Tile::LAYOUT.ky, "rows of its kernel or map", SMALLER_MAPS),
    less_one(Tile::LAYOUT.kx, "columns of its kernel or map", SMALLER_MAPS),
    plain(Tile::LAYOUT.mask, "weights of a tile", SMALLER_ARRAY),
    plain(Tile::LAYOUT.offset, "weights of a tile", SMALLER_ARRAY),
    plain(Tile::LAYOUT.diagonal_column, "weights of a tile", SMALLER_ARRAY),
    plain(Tile::LAYOUT.active, "weights of a tile", SMALLER_ARRAY),
    plain(Lane::LAYOUT.offset, "bytes from a packed pixel's first byte to its last", SMALLER_IMAGES),
    plain(Stream::LAYOUT.fill, "as the zero point of its input", "use a zero point from -128 to 127"),
    plain(Load::LAYOUT.fill, "as the zero point of the input", "use a zero point from -128 to 127"),
    plain(Load::LAYOUT.reach, "bytes of an image", SMALLER_IMAGES),
    plain(Lane::LAYOUT.column, "bytes from a packed pixel's first byte to its last", SMALLER_IMAGES),
    plain(Lane::LAYOUT.dy, "image rows in a packed pixel", SMALLER_IMAGES),
    plain(Lane::LAYOUT.first_lane, "channels of a word", SMALLER_ARRAY),
    plain(Lane::LAYOUT.last_lane, "channels of a word", SMALLER_ARRAY),
];

fn words(field: &Field) -> Words {
    let known = WORDS.into_iter().find(|words| words.field == *field);
    known.unwrap_or(plain(*field, "units of a quantity", "make the layer smaller"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::isa::TABLES;

    #[test]
    fn no_field_is_named_to_a_user() {
        for field in TABLES.iter().flat_map(|table| table.fields) {
            let error = FieldError { field: *field, value: 1 << 40 };
            let text = TooLarge { place: "layer \"a\"".to_owned(), error };
            let text = text.problem(&ArrayConfig::default()).to_string();
            assert!(!text.contains(field.record), "{text}");
            assert!(!text.contains('_') && !text.contains("bits"), "{text}");
            let less_one = field.name.ends_with("_minus_1") || ["ky", "kx"].contains(&field.name);
            let most = field.range().1 + i64::from(less_one);
            assert!(text.contains(&format!("at most {most} ")), "{text}");
            assert!(text.contains("; help: "), "{text}");
            // Narrower ones are flags and numbers of banks.
            assert!(field.width < 4 || !text.contains("units of"), "{field:?}: {text}");
        }
    }
}
