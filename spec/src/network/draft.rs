//! A network file as far as it can be understood: what is wrong with one key hides nothing of the others.

use std::collections::HashMap;

use ndarray::{Array1, Array4};
use serde_json::Value;

use super::error::{KeyFault, NetworkError};
use super::json::{Fields, Tree, parse};
use super::layers::{
    Conv, FullyConnected, InputSpec, Layer, Op, QuantNetwork, Requantize, Residual, TensorRef,
};
use super::preprocess::{Normalize, Preprocess, Transfer};
use super::sparsity::{Pattern, Sparsity};
use super::view::{InputView, LayerView, OpKind, ResidualView, View};

pub(super) const FORMAT: &str = "twofold-network";
pub(super) const FORMAT_VERSION: u64 = 1;
pub(super) const INPUT: &str = "input";

/// `None` is what is not known, because it is missing or wrong.
#[derive(Debug)]
pub(super) struct Draft {
    name: Option<String>,
    pub(super) tensors: Option<String>,
    pub(super) tensors_sha256: Option<String>,
    input: DraftInput,
    classes: Option<Vec<String>>,
    /// Whether the list of layers is there; else there is nothing to say of layers and their tensors.
    pub(super) has_layers: bool,
    pub(super) layers: Vec<DraftLayer>,
    provenance: Value,
}

#[derive(Debug, Default)]
struct DraftInput {
    height: Option<usize>,
    width: Option<usize>,
    channels: Option<usize>,
    space_to_depth: Option<usize>,
    scale: Option<f64>,
    preprocess: Option<Preprocess>,
}

#[derive(Debug, Default)]
pub(super) struct DraftLayer {
    pub(super) name: Option<String>,
    pub(super) op: Option<OpKind>,
    input: Option<TensorRef>,
    stride: Option<usize>,
    padding: Option<[usize; 4]>,
    relu: Option<bool>,
    max_pool: Option<bool>,
    pub(super) residual: Option<DraftResidual>,
    sparsity: Option<Sparsity>,
    scale: Option<f64>,
    pub(super) weight: Option<Array4<i8>>,
    pub(super) bias: Option<Array1<i32>>,
    pub(super) multiplier: Option<Array1<i32>>,
    pub(super) shift: Option<Array1<i32>>,
}

#[derive(Debug)]
pub(super) struct DraftResidual {
    from: Option<TensorRef>,
    stride: Option<usize>,
    pub(super) multiplier: Option<Array1<i32>>,
}

const NETWORK_KEYS: &[&str] = &[
    "format",
    "format_version",
    "name",
    "tensors",
    "tensors_sha256",
    "input",
    "classes",
    "layers",
    "provenance",
];
const INPUT_KEYS: &[&str] =
    &["height", "width", "channels", "space_to_depth", "scale", "preprocess"];
const PREPROCESS_KEYS: &[&str] =
    &["height", "width", "channels", "downsample", "transfer", "normalize", "scale", "clip"];
const CONV_KEYS: &[&str] = &[
    "op", "name", "input", "stride", "padding", "relu", "max_pool", "residual", "sparsity", "scale",
];
const POOL_KEYS: &[&str] = &["op", "name", "input", "relu", "scale"];
const FULLY_CONNECTED_KEYS: &[&str] = &["op", "name", "input", "relu", "sparsity", "scale"];

impl Draft {
    /// Reads a text; with the draft comes what is wrong with its keys.
    ///
    /// # Errors
    /// A text of which nothing can be said: no JSON, another format or another version.
    pub(super) fn read(json: &str) -> Result<(Self, Vec<NetworkError>), NetworkError> {
        let tree = parse(json)?;
        check_format(&tree)?;
        let mut errors = Vec::new();
        let draft = network(&tree, &mut errors);
        Ok((draft, errors))
    }

    /// The network, if everything is known.
    pub(super) fn into_network(self) -> Option<QuantNetwork> {
        let DraftInput { height, width, channels, space_to_depth, scale, preprocess } = self.input;
        Some(QuantNetwork {
            name: self.name?,
            input: InputSpec {
                height: height?,
                width: width?,
                channels: channels?,
                space_to_depth: space_to_depth?,
                scale: scale?,
                preprocess,
            },
            classes: self.classes?,
            layers: self.layers.into_iter().map(DraftLayer::into_layer).collect::<Option<_>>()?,
            provenance: self.provenance,
        })
    }

    pub(super) fn view(&self) -> View<'_> {
        let DraftInput { height, width, channels, space_to_depth, scale, preprocess } = &self.input;
        View {
            input: InputView {
                height: *height,
                width: *width,
                channels: *channels,
                space_to_depth: *space_to_depth,
                scale: *scale,
                preprocess: preprocess.as_ref(),
            },
            layers: self.has_layers.then(|| self.layers.iter().map(DraftLayer::view).collect()),
            classes: self.classes.as_deref(),
        }
    }
}

impl DraftLayer {
    fn into_layer(self) -> Option<Layer> {
        let op = match self.op? {
            OpKind::Conv => {
                let residual = self.residual.map(DraftResidual::into_residual);
                Op::Conv(Conv {
                    weight: self.weight?,
                    stride: self.stride?,
                    padding: self.padding?,
                    sparsity: self.sparsity?,
                    residual: match residual {
                        None => None,
                        Some(residual) => Some(residual?),
                    },
                    max_pool: self.max_pool?,
                })
            }
            OpKind::GlobalAveragePool => Op::GlobalAveragePool,
            OpKind::FullyConnected => Op::FullyConnected(FullyConnected {
                weight: self.weight?,
                sparsity: self.sparsity?,
            }),
        };
        let requantize =
            Requantize { bias: self.bias?, multiplier: self.multiplier?, shift: self.shift? };
        let (name, input) = (self.name?, self.input?);
        Some(Layer { name, input, op, requantize, relu: self.relu?, scale: self.scale? })
    }

    fn view(&self) -> LayerView<'_> {
        LayerView {
            name: self.name.as_deref(),
            op: self.op,
            input: self.input,
            weight: self.weight.as_ref(),
            stride: self.stride,
            padding: self.padding,
            sparsity: self.sparsity,
            max_pool: self.max_pool,
            residual: self.residual.as_ref().map(|residual| ResidualView {
                from: residual.from,
                stride: residual.stride,
                multiplier: residual.multiplier.as_ref(),
            }),
            bias: self.bias.as_ref(),
            multiplier: self.multiplier.as_ref(),
            shift: self.shift.as_ref(),
            scale: self.scale,
        }
    }
}

impl DraftResidual {
    fn into_residual(self) -> Option<Residual> {
        Some(Residual { from: self.from?, stride: self.stride?, multiplier: self.multiplier? })
    }
}

fn check_format(tree: &Tree) -> Result<(), NetworkError> {
    let Tree::Object(entries) = tree else {
        return Err(NetworkError::Json { message: "its JSON is no object".to_owned() });
    };
    let Some(format) = tree.get("format") else {
        let keys = entries.iter().take(5).map(|(key, _)| key.clone()).collect();
        return Err(NetworkError::NoFormat { keys });
    };
    if format.text() != Some(FORMAT) {
        let found =
            format.text().map_or_else(|| format.clone().into_value().to_string(), String::from);
        return Err(NetworkError::Format { found });
    }
    let version = tree.get("format_version").and_then(Tree::size).map(|version| version as u64);
    match version {
        Some(found) if found != FORMAT_VERSION => {
            Err(NetworkError::FormatVersion { found, supported: FORMAT_VERSION })
        }
        _ => Ok(()),
    }
}

fn network(tree: &Tree, errors: &mut Vec<NetworkError>) -> Draft {
    let mut fields = Fields::new(tree, "network file", "", NETWORK_KEYS, errors);
    fields.size("format_version");
    let name = fields.text("name");
    let tensors = fields.text("tensors");
    let tensors_sha256 = fields.text("tensors_sha256");
    let classes = fields.take("classes", "a list of strings", |tree| {
        tree.list()?.iter().map(|class| class.text().map(str::to_owned)).collect()
    });
    let provenance = fields.take("provenance", "anything", |tree| Some(tree.clone().into_value()));
    let input = fields.take("input", "an object", Tree::object);
    let layers = fields.take("layers", "a list of objects", Tree::list);
    let input = input.map_or_else(DraftInput::default, |tree| read_input(tree, errors));
    let mut known = HashMap::new();
    let drafts = layers.unwrap_or_default().iter().enumerate().map(|(index, tree)| {
        if tree.object().is_none() {
            let key = format!("layers[{index}]");
            let fault = KeyFault::Value { found: tree.describe(), expected: "an object" };
            errors.push(NetworkError::Key { place: "network file".to_owned(), key, fault });
            return DraftLayer::default();
        }
        let layer = read_layer(index, tree, &known, errors);
        if let Some(name) = tree.get("name").and_then(Tree::text) {
            known.entry(name).or_insert(index);
        }
        layer
    });
    Draft {
        name,
        tensors,
        tensors_sha256,
        input,
        classes,
        has_layers: layers.is_some(),
        layers: drafts.collect(),
        provenance: provenance.unwrap_or_default(),
    }
}

fn read_input(tree: &Tree, errors: &mut Vec<NetworkError>) -> DraftInput {
    let mut fields = Fields::new(tree, INPUT, "", INPUT_KEYS, errors);
    let [height, width, channels, space_to_depth] =
        ["height", "width", "channels", "space_to_depth"].map(|key| fields.size(key));
    let scale = fields.number("scale");
    let preprocess = fields.optional("preprocess").filter(|tree| **tree != Tree::Null);
    let preprocess =
        preprocess.map(|tree| read_preprocess(tree, [height, width, channels], errors));
    DraftInput { height, width, channels, space_to_depth, scale, preprocess }
}

/// The definition; in place of what is not known, which is among the errors, stands what breaks no rule of an image of this
/// shape, so that the rest is checked all the same.
fn read_preprocess(
    tree: &Tree,
    shape: [Option<usize>; 3],
    errors: &mut Vec<NetworkError>,
) -> Preprocess {
    let mut fields = Fields::new(tree, INPUT, "preprocess.", PREPROCESS_KEYS, errors);
    let [height, width, channels] = ["height", "width", "channels"].map(|key| fields.size(key));
    let downsample = fields.size_or("downsample", 1);
    let transfer =
        fields.take("transfer", "\"linear\" or \"square_root\"", |tree| match tree.text()? {
            "linear" => Some(Transfer::Linear),
            "square_root" => Some(Transfer::SquareRoot),
            _ => None,
        });
    let [scale, clip] = ["scale", "clip"].map(|key| fields.number(key));
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

/// How a layer is called in messages.
pub(super) fn layer_name(index: usize, name: Option<&str>) -> String {
    match name {
        None | Some("") => format!("number {index}"),
        Some(name) => name.to_owned(),
    }
}

fn read_layer(
    index: usize,
    tree: &Tree,
    known: &HashMap<&str, usize>,
    errors: &mut Vec<NetworkError>,
) -> DraftLayer {
    let name = layer_name(index, tree.get("name").and_then(Tree::text));
    let place = format!("layer {name:?}");
    // Of an unknown operation, the keys that any operation has are known.
    let keys = match tree.get("op").and_then(Tree::text) {
        Some("global_average_pool") => POOL_KEYS,
        Some("fully_connected") => FULLY_CONNECTED_KEYS,
        _ => CONV_KEYS,
    };
    let mut fields = Fields::new(tree, &place, "", keys, errors);
    let op =
        fields.take("op", "\"conv\", \"global_average_pool\" or \"fully_connected\"", |tree| {
            match tree.text()? {
                "conv" => Some(OpKind::Conv),
                "global_average_pool" => Some(OpKind::GlobalAveragePool),
                "fully_connected" => Some(OpKind::FullyConnected),
                _ => None,
            }
        });
    let mut layer = DraftLayer {
        name: fields.text("name"),
        op,
        relu: fields.flag("relu"),
        scale: fields.number("scale"),
        ..DraftLayer::default()
    };
    let input = fields.text("input");
    let (mut residual, mut sparsity) = (None, None);
    if op == Some(OpKind::Conv) {
        layer.stride = fields.size("stride");
        layer.max_pool = fields.flag("max_pool");
        layer.padding = fields.take("padding", "a list of 4 whole numbers", |tree| {
            let sides: Vec<usize> = tree.list()?.iter().map(Tree::size).collect::<Option<_>>()?;
            sides.try_into().ok()
        });
        residual = fields.optional("residual").filter(|tree| **tree != Tree::Null);
    }
    if matches!(op, Some(OpKind::Conv | OpKind::FullyConnected)) {
        sparsity = fields.take("sparsity", "an object", Tree::object);
    }
    let refer = |field, map: Option<String>, errors: &mut Vec<NetworkError>| {
        let map = map?;
        let index = known.get(map.as_str()).copied().map(TensorRef::Layer);
        let found = if map == INPUT { Some(TensorRef::Input) } else { index };
        if found.is_none() {
            errors.push(NetworkError::Reference { layer: name.clone(), field, found: map });
        }
        found
    };
    layer.input = refer("input", input, errors);
    layer.residual = residual.map(|tree| {
        let mut fields = Fields::new(tree, &place, "residual.", &["from", "stride"], errors);
        let (from, stride) = (fields.text("from"), fields.size("stride"));
        let from = refer("residual.from", from, errors);
        DraftResidual { from, stride, multiplier: None }
    });
    layer.sparsity = sparsity.and_then(|tree| read_sparsity(&place, tree, errors));
    layer
}

fn read_sparsity(place: &str, tree: &Tree, errors: &mut Vec<NetworkError>) -> Option<Sparsity> {
    let mut fields = Fields::new(tree, place, "sparsity.", &["pattern", "group"], errors);
    let expected = "\"dense\", \"unstructured\", \"uhp-fixed\", \"uhp-shared\" or \"uhp-free\"";
    let pattern = fields.take("pattern", expected, |tree| match tree.text()? {
        "dense" => Some(Pattern::Dense),
        "unstructured" => Some(Pattern::Unstructured),
        "uhp-fixed" => Some(Pattern::UhpFixed),
        "uhp-shared" => Some(Pattern::UhpShared),
        "uhp-free" => Some(Pattern::UhpFree),
        _ => None,
    });
    let group = fields.size_or("group", 0);
    Some(Sparsity { pattern: pattern?, group: group? })
}
