//! Reads what a network file says of its input.

use super::draft::{DraftInput, INPUT};
use super::error::NetworkError;
use super::json::{Fields, INT8, Tree};
use super::preprocess::{Normalize, Preprocess, Transfer};
use super::version::Version;

const INPUT_KEYS_1: &[&str] =
    &["height", "width", "channels", "space_to_depth", "scale", "preprocess"];
const INPUT_KEYS: &[&str] =
    &["height", "width", "channels", "space_to_depth", "scale", "zero_point", "preprocess"];
const PREPROCESS_KEYS_1: &[&str] =
    &["height", "width", "channels", "downsample", "transfer", "normalize", "scale", "clip"];
#[rustfmt::skip] // one key more than before
const PREPROCESS_KEYS: &[&str] =
    &["height", "width", "channels", "downsample", "transfer", "normalize", "scale", "clip", "zero_point"];

/// The input; what is wrong with it is pushed to `errors`.
pub(super) fn read_input(
    tree: &Tree,
    version: Version,
    errors: &mut Vec<NetworkError>,
) -> DraftInput {
    let keys = match version {
        Version::One => INPUT_KEYS_1,
        Version::Two => INPUT_KEYS,
    };
    let mut fields = Fields::new(tree, INPUT, "", keys, errors);
    let [height, width, channels, space_to_depth] =
        ["height", "width", "channels", "space_to_depth"].map(|key| fields.size(key));
    let scale = fields.number("scale");
    let zero_point = match version {
        Version::One => Some(0),
        Version::Two => fields.take_or("zero_point", 0, INT8, Tree::integer),
    };
    let preprocess = fields.optional("preprocess").filter(|tree| **tree != Tree::Null);
    let preprocess =
        preprocess.map(|tree| read_preprocess(tree, version, [height, width, channels], errors));
    DraftInput { height, width, channels, space_to_depth, scale, zero_point, preprocess }
}

/// The definition; in place of what is not known, which is among the errors, stands what breaks no rule of an image of this
/// shape, so that the rest is checked all the same.
fn read_preprocess(
    tree: &Tree,
    version: Version,
    shape: [Option<usize>; 3],
    errors: &mut Vec<NetworkError>,
) -> Preprocess {
    let keys = match version {
        Version::One => PREPROCESS_KEYS_1,
        Version::Two => PREPROCESS_KEYS,
    };
    let mut fields = Fields::new(tree, INPUT, "preprocess.", keys, errors);
    let [height, width, channels] = ["height", "width", "channels"].map(|key| fields.size(key));
    let downsample = fields.size_or("downsample", 1);
    let transfer =
        fields.take("transfer", "\"linear\" or \"square_root\"", |tree| match tree.text()? {
            "linear" => Some(Transfer::Linear),
            "square_root" => Some(Transfer::SquareRoot),
            _ => None,
        });
    let [scale, clip] = ["scale", "clip"].map(|key| fields.number(key));
    let zero_point = match fields.optional("zero_point") {
        Some(Tree::Null) | None => None,
        Some(_) => fields.take("zero_point", INT8, Tree::integer),
    };
    let normalize = fields.take("normalize", "an object", Tree::object);
    let normalize = normalize.and_then(|tree| read_normalize(tree, errors));
    Preprocess {
        height: height.or(shape[0]).unwrap_or(1),
        width: width.or(shape[1]).unwrap_or(1),
        channels: channels.or(shape[2]).unwrap_or(1),
        downsample: downsample.unwrap_or(1),
        transfer: transfer.unwrap_or(Transfer::Linear),
        normalize: normalize.unwrap_or(Normalize::PerChip),
        scale: scale.unwrap_or(1.0),
        clip: clip.unwrap_or(1.0),
        zero_point,
    }
}

fn read_normalize(tree: &Tree, errors: &mut Vec<NetworkError>) -> Option<Normalize> {
    let kind = tree.get("kind").and_then(Tree::text);
    let known: &[&str] =
        if kind == Some("per_chip") { &["kind"] } else { &["kind", "mean", "std"] };
    let mut fields = Fields::new(tree, INPUT, "preprocess.normalize.", known, errors);
    let is_fixed = fields.take("kind", "\"per_chip\" or \"fixed\"", |tree| match tree.text()? {
        "per_chip" => Some(false),
        "fixed" => Some(true),
        _ => None,
    });
    // Of an unknown kind, the numbers that are there are read.
    if is_fixed == Some(false) || is_fixed.is_none() && fields.optional("mean").is_none() {
        return Some(Normalize::PerChip);
    }
    let [mean, std] = ["mean", "std"].map(|key| {
        fields.take(key, "a list of numbers", |tree| {
            tree.list()?.iter().map(Tree::number).collect::<Option<Vec<_>>>()
        })
    });
    Some(Normalize::Fixed { mean: mean?, std: std? })
}
