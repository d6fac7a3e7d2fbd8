//! What the instruction set has no room for, in words of the network: no name of a field reaches a user.

use spec::ArrayConfig;
use spec::isa::{FieldError, Record, field};

use crate::Problem;

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
        let name = self.error.field;
        name.ends_with("_base") || name.ends_with("_address") || name == "bytes_minus_1"
    }

    /// Whether both are of one field of one layer.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let same_field =
            self.error.record == other.error.record && self.error.field == other.error.field;
        same_field && self.place == other.place
    }

    /// In words, for an array of this size.
    pub(crate) fn problem(self, config: &ArrayConfig) -> Problem {
        let FieldError { record, field: name, value, width } = self.error;
        let signed = Record::ALL
            .into_iter()
            .find(|kind| kind.name() == record)
            .is_some_and(|kind| field(kind, name).signed);
        let most = if signed { (1 << (width - 1)) - 1 } else { (1 << width) - 1 };
        // Fields that count from 0, or hold the number less one.
        let less_one = i64::from(name.ends_with("_minus_1") || matches!(name, "ky" | "kx"));
        let (quantity, mut help) = words(record, name);
        let n_channels = value.saturating_add(1).saturating_mul(config.group_channels() as i64);
        if name == "groups_minus_1" && n_channels > (most + 1) * ArrayConfig::COLS.1 as i64 {
            // Not even the most columns make groups large enough.
            help = "use fewer output channels or classes";
        }
        Problem::TooLarge {
            place: self.place,
            quantity,
            value: value.saturating_add(less_one),
            most: most + less_one,
            help,
        }
    }
}

/// What a field counts, in the plural, and what makes it smaller.
fn words(record: &str, name: &str) -> (&'static str, &'static str) {
    const SMALLER_MAPS: &str = "use a larger stride or a max-pool earlier, or smaller images";
    const NARROWER_INPUT: &str =
        "use fewer channels or a smaller stride, or more rows, which make words wider";
    const SMALLER_IMAGES: &str = "use smaller images or a smaller space-to-depth block";
    match (record, name) {
        ("STREAM", "groups_minus_1") => (
            "groups of output channels",
            "use fewer output channels or classes, or more columns, which make groups larger",
        ),
        ("STREAM", "layer") => ("layers before it", "use fewer layers"),
        ("STREAM", "stride") => ("pixels of stride", "use a smaller stride"),
        ("STREAM", "pixel_step") => {
            ("words between the inputs of neighboring output pixels", NARROWER_INPUT)
        }
        ("STREAM", "row_step") => ("words between the inputs of output rows", NARROWER_INPUT),
        ("STREAM", "tile_base") => ("tiles in the layers before it", "use fewer layers"),
        ("STREAM", "weight_base") => ("weight rows in the layers before it", "use fewer layers"),
        ("STREAM", "in_width") => ("pixels in a row of its input", SMALLER_MAPS),
        ("STREAM", "in_height") => ("rows of its input", SMALLER_MAPS),
        ("DRAIN", "parameter_base") => {
            ("parameter rows in the layers before it", "use fewer output channels")
        }
        ("DRAIN", "out_pixel_step") => ("words of an output pixel", NARROWER_INPUT),
        ("DRAIN", "out_row_step") => ("words of an output row", SMALLER_MAPS),
        ("DRAIN", "residual_pixel_step") => {
            ("words between neighboring pixels of its residual", NARROWER_INPUT)
        }
        ("DRAIN", "residual_row_step") => ("words between rows of its residual", SMALLER_MAPS),
        ("DRAIN", _) => ("drain steps", "use an array of fewer columns"),
        ("BLOCK", "height_minus_1") => ("rows computed at a time", SMALLER_MAPS),
        ("BLOCK", "width_minus_1") => ("pixels of a row computed at a time", SMALLER_MAPS),
        ("BLOCK", "out_address") => ("words before its output", SMALLER_MAPS),
        ("BLOCK", "residual_address") => ("words before its residual", SMALLER_MAPS),
        ("BLOCK", _) => ("rows or pixels of its input before a block", SMALLER_MAPS),
        ("END", _) => ("logits", "use fewer classes"),
        ("LOAD", "bytes_minus_1") => ("bytes of an image", SMALLER_IMAGES),
        ("LOAD", "block") => ("image pixels between packed pixels", SMALLER_IMAGES),
        ("LOAD", "pixel_step") => ("bytes between packed pixels", SMALLER_IMAGES),
        ("LOAD", "row_step") => ("bytes between rows of packed pixels", SMALLER_IMAGES),
        ("LOAD", "grid_width_minus_1" | "image_width") => ("pixels in a row", SMALLER_IMAGES),
        ("LOAD", _) => ("rows of an image", SMALLER_IMAGES),
        ("TILE", "ky") => ("rows of its kernel or map", SMALLER_MAPS),
        ("TILE", "kx") => ("columns of its kernel or map", SMALLER_MAPS),
        ("TILE", _) => ("weights of a tile", "use an array of fewer rows and columns"),
        ("LANE", "offset") => {
            ("bytes from a packed pixel's first byte to its last", SMALLER_IMAGES)
        }
        ("LANE", _) => ("image rows or columns in a packed pixel", SMALLER_IMAGES),
        _ => ("units of a quantity", "make the layer smaller"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::isa::FIELDS;

    #[test]
    fn no_field_is_named_to_a_user() {
        for field in FIELDS.iter().filter(|field| field.name != "opcode") {
            let error = FieldError {
                record: field.record.name(),
                field: field.name,
                value: 1 << 40,
                width: field.width,
            };
            let text = TooLarge { place: "layer \"a\"".to_owned(), error };
            let text = text.problem(&ArrayConfig::default()).to_string();
            assert!(!text.contains(field.record.name()), "{text}");
            assert!(!text.contains('_') && !text.contains("bits"), "{text}");
            let most = (1i64 << (field.width - usize::from(field.signed))) - 1;
            assert!(
                text.contains(&format!("at most {most} "))
                    || text.contains(&format!("at most {} ", most + 1)),
                "{text}"
            );
            assert!(text.contains("; help: "), "{text}");
            // Narrower ones are flags and numbers of banks.
            assert!(field.width < 4 || !text.contains("units of"), "{field:?}: {text}");
        }
    }
}
