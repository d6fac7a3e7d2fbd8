//! Reads what a network file says, version 1 or 2, into a draft.

use std::collections::HashMap;

use super::draft::{Draft, DraftAddend, DraftInput, DraftLayer, FORMAT, INPUT, layer_name};
use super::error::NetworkError;
use super::json::{Fields, INT8, Tree, parse};
use super::key_fault::KeyFault;
use super::layers::TensorRef;
use super::quant::{Bounds, Rounding};
use super::read_input::read_input;
use super::sparsity::{Pattern, Sparsity};
use super::version::Version;
use super::view::OpKind;

const NETWORK_KEYS_1: &[&str] = &[
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
const NETWORK_KEYS: &[&str] = &[
    "format",
    "format_version",
    "name",
    "tensors",
    "tensors_sha256",
    "input",
    "classes",
    "layers",
    "outputs",
    "provenance",
];
const CONV_KEYS_1: &[&str] = &[
    "op", "name", "input", "stride", "padding", "relu", "max_pool", "residual", "sparsity", "scale",
];
const SUM_KEYS_1: &[&str] = &["op", "name", "input", "relu", "scale"];
const FULLY_CONNECTED_KEYS_1: &[&str] = &["op", "name", "input", "relu", "sparsity", "scale"];
#[rustfmt::skip] // a line of what it is, one of its parts, one of its output
const CONV_KEYS: &[&str] = &[
    "op", "name", "input",
    "stride", "dilation", "padding", "groups", "max_pool", "residual", "sparsity",
    "rounding", "zero_point", "low", "high", "scale",
];
#[rustfmt::skip] // as above
const FULLY_CONNECTED_KEYS: &[&str] =
    &["op", "name", "input", "sparsity", "rounding", "zero_point", "low", "high", "scale"];
const SUM_KEYS: &[&str] =
    &["op", "name", "input", "rounding", "zero_point", "low", "high", "scale"];
const WINDOW_KEYS: &[&str] =
    &["op", "name", "input", "kernel", "stride", "padding", "zero_point", "low", "high", "scale"];
const ADD_KEYS: &[&str] =
    &["op", "name", "input", "other", "rounding", "zero_point", "low", "high", "scale"];
const CONCAT_KEYS: &[&str] = &["op", "name", "inputs", "zero_point", "scale"];
#[rustfmt::skip] // as above
const ANY_KEYS: &[&str] = &[
    "op", "name", "input", "inputs", "other",
    "kernel", "stride", "dilation", "padding", "groups", "max_pool", "residual", "sparsity",
    "rounding", "zero_point", "low", "high", "scale",
];

const OPS_1: &[OpKind] = &[OpKind::Conv, OpKind::GlobalAveragePool, OpKind::FullyConnected];
const OPS: &[OpKind] = &[
    OpKind::Conv,
    OpKind::GlobalAveragePool,
    OpKind::FullyConnected,
    OpKind::AveragePool,
    OpKind::MaxPool,
    OpKind::Add,
    OpKind::Requantize,
    OpKind::Concat,
];

impl Draft {
    /// Reads a text; with the draft comes what is wrong with its keys.
    ///
    /// # Errors
    /// A text of which nothing can be said: no JSON, another format or another version.
    pub(super) fn read(json: &str) -> Result<(Self, Vec<NetworkError>), NetworkError> {
        let tree = parse(json)?;
        let version = read_version(&tree)?;
        let mut errors = Vec::new();
        let draft = read_network(&tree, version, &mut errors);
        Ok((draft, errors))
    }
}

/// The version of a file of this format.
///
/// # Errors
/// Another format, or a version that is not known.
fn read_version(tree: &Tree) -> Result<Version, NetworkError> {
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
    let number = tree.get("format_version").and_then(Tree::size).map(|version| version as u64);
    let Some(found) = number else { return Ok(guessed_version(tree)) };
    let supported = Version::NEWEST.number();
    Version::of_number(found).ok_or(NetworkError::FormatVersion { found, supported })
}

/// The version of a file that does not tell, which is reported: what else is wrong with it is said in its own keys.
fn guessed_version(tree: &Tree) -> Version {
    let mut layers = tree.get("layers").and_then(Tree::list).into_iter().flatten();
    if layers.any(|layer| layer.get("relu").is_some()) { Version::One } else { Version::NEWEST }
}

/// The draft; what is wrong is pushed to `errors`.
fn read_network(tree: &Tree, version: Version, errors: &mut Vec<NetworkError>) -> Draft {
    let keys = match version {
        Version::One => NETWORK_KEYS_1,
        Version::Two => NETWORK_KEYS,
    };
    let mut fields = Fields::new(tree, "network file", "", keys, errors);
    fields.size("format_version");
    let name = fields.text("name");
    let tensors = fields.text("tensors");
    let tensors_sha256 = fields.text("tensors_sha256");
    let classes = match version {
        Version::One => fields.take("classes", "a list of strings", Tree::texts).map(Some),
        Version::Two => {
            let read =
                |tree: &Tree| if *tree == Tree::Null { Some(None) } else { tree.texts().map(Some) };
            fields.take_or("classes", None, "a list of strings or null", read)
        }
    };
    let outputs = match version {
        Version::One => Some(None),
        Version::Two => {
            let read = |tree: &Tree| tree.texts().map(Some);
            fields.take_or("outputs", None, "a list of strings", read)
        }
    };
    let provenance = fields.take("provenance", "anything", |tree| Some(tree.clone().into_value()));
    let input = fields.take("input", "an object", Tree::object);
    let layers = fields.take("layers", "a list of objects", Tree::list);
    let input = input.map_or_else(DraftInput::default, |tree| read_input(tree, version, errors));
    let has_layers = layers.is_some();
    let layers = layers.unwrap_or_default();
    let mut known = HashMap::new();
    let mut drafts = Vec::with_capacity(layers.len());
    for (index, tree) in layers.iter().enumerate() {
        if tree.object().is_none() {
            let key = format!("layers[{index}]");
            let fault = KeyFault::Value { found: tree.describe(), expected: "an object" };
            errors.push(NetworkError::Key { place: "network file".to_owned(), key, fault });
            drafts.push(DraftLayer::default());
            continue;
        }
        let is_last = index + 1 == layers.len();
        drafts.push(LayerReader::new(index, tree, version, &known, errors).read(is_last));
        if let Some(name) = tree.get("name").and_then(Tree::text) {
            known.entry(name).or_insert(index);
        }
    }
    let mut resolve = |name: String| {
        let found = known.get(name.as_str()).copied();
        if found.is_none() && has_layers {
            errors.push(NetworkError::OutputName { found: name });
        }
        found
    };
    let outputs = match outputs {
        Some(Some(names)) => Some(names.into_iter().map(&mut resolve).collect()),
        Some(None) => Some(drafts.len().checked_sub(1).into_iter().map(Some).collect()),
        None => None,
    };
    Draft {
        version,
        name,
        tensors,
        tensors_sha256,
        input,
        classes,
        has_layers,
        layers: drafts,
        outputs,
        provenance: provenance.unwrap_or_default(),
    }
}

/// One layer that is read.
struct LayerReader<'t, 'e> {
    tree: &'t Tree,
    version: Version,
    /// How the layer is called in messages.
    name: String,
    place: String,
    /// Layers before it, by name.
    known: &'e HashMap<&'t str, usize>,
    errors: &'e mut Vec<NetworkError>,
}

impl<'t, 'e> LayerReader<'t, 'e> {
    fn new(
        index: usize,
        tree: &'t Tree,
        version: Version,
        known: &'e HashMap<&'t str, usize>,
        errors: &'e mut Vec<NetworkError>,
    ) -> Self {
        let name = layer_name(index, tree.get("name").and_then(Tree::text));
        let place = format!("layer {name:?}");
        Self { tree, version, name, place, known, errors }
    }

    fn read(&mut self, is_last: bool) -> DraftLayer {
        let named = self.tree.get("op").and_then(Tree::text);
        let ops = if self.version == Version::One { OPS_1 } else { OPS };
        let op = ops.iter().copied().find(|op| Some(op.name()) == named);
        let keys = self.keys(op);
        let mut fields = Fields::new(self.tree, &self.place, "", keys, self.errors);
        let expected = match self.version {
            Version::One => "\"conv\", \"global_average_pool\" or \"fully_connected\"",
            Version::Two => {
                "\"conv\", \"global_average_pool\", \"fully_connected\", \"average_pool\", \"max_pool\", \"add\", \
                 \"requantize\" or \"concat\""
            }
        };
        let mut layer = DraftLayer {
            op: fields.take("op", expected, |_| op),
            name: fields.text("name"),
            scale: fields.number("scale"),
            ..DraftLayer::default()
        };
        match self.version {
            Version::One => {
                let relu = fields.flag("relu");
                layer.bounds = relu.map(|relu| Bounds::format_1(relu, is_last));
                layer.zero_point = Some(0);
                layer.rounding = Some(Rounding::HalfEven);
            }
            Version::Two => self.output_keys(&mut layer),
        }
        match op {
            Some(OpKind::Conv) => self.conv(&mut layer),
            Some(OpKind::AveragePool | OpKind::MaxPool) => self.window(&mut layer),
            Some(OpKind::Add) => {
                let other = self.fields().text("other");
                let from = self.refer("other", other);
                layer.addend = Some(DraftAddend {
                    from,
                    stride: Some(1),
                    after: Some(true),
                    multiplier: None,
                });
            }
            _ => {}
        }
        if op.is_some_and(OpKind::has_weight) {
            let tree = self.fields().take("sparsity", "an object", Tree::object);
            layer.sparsity = tree.and_then(|tree| self.sparsity(tree));
        }
        if op == Some(OpKind::Concat) {
            let expected = "a list of at least 2 strings";
            let read = |tree: &Tree| tree.texts().filter(|names| names.len() > 1);
            if let Some(names) = self.fields().take("inputs", expected, read) {
                let mut maps: Vec<_> =
                    names.into_iter().map(|name| self.refer("inputs", Some(name))).collect();
                layer.input = maps.remove(0);
                layer.others = Some(maps);
            }
        } else if self.version == Version::One || op.is_some() {
            let input = self.fields().text("input");
            layer.input = self.refer("input", input);
        }
        layer
    }

    /// The keys that an operation has; of an unknown one, those that any operation has.
    fn keys(&self, op: Option<OpKind>) -> &'static [&'static str] {
        match (self.version, op) {
            (Version::One, Some(OpKind::GlobalAveragePool)) => SUM_KEYS_1,
            (Version::One, Some(OpKind::FullyConnected)) => FULLY_CONNECTED_KEYS_1,
            (Version::One, _) => CONV_KEYS_1,
            (Version::Two, Some(OpKind::Conv)) => CONV_KEYS,
            (Version::Two, Some(OpKind::FullyConnected)) => FULLY_CONNECTED_KEYS,
            (Version::Two, Some(OpKind::GlobalAveragePool | OpKind::Requantize)) => SUM_KEYS,
            (Version::Two, Some(OpKind::AveragePool | OpKind::MaxPool)) => WINDOW_KEYS,
            (Version::Two, Some(OpKind::Add)) => ADD_KEYS,
            (Version::Two, Some(OpKind::Concat)) => CONCAT_KEYS,
            (Version::Two, None) => ANY_KEYS,
        }
    }

    /// The layer's keys once more; unknown ones were reported.
    fn fields(&mut self) -> Fields<'t, '_> {
        Fields::again(self.tree, &self.place, self.errors)
    }

    /// Of format 2: what the output's numbers are.
    fn output_keys(&mut self, layer: &mut DraftLayer) {
        let op = layer.op;
        let mut fields = self.fields();
        layer.zero_point = fields.take_or("zero_point", 0, INT8, Tree::integer);
        layer.bounds = Some(Bounds::INT8);
        if op.is_none_or(|op| op != OpKind::Concat) {
            let expected = "a whole number, -32768 to 32767";
            let Bounds { low, high } = Bounds::INT8;
            let low = fields.take_or("low", low, expected, Tree::integer);
            let high = fields.take_or("high", high, expected, Tree::integer);
            layer.bounds = low.zip(high).map(|(low, high)| Bounds { low, high });
        }
        if op.is_none_or(OpKind::has_constants) {
            let expected = "\"half_even\" or \"half_away\"";
            layer.rounding = fields.take_or("rounding", Rounding::HalfEven, expected, |tree| {
                match tree.text()? {
                    "half_even" => Some(Rounding::HalfEven),
                    "half_away" => Some(Rounding::HalfAway),
                    _ => None,
                }
            });
        }
    }

    fn conv(&mut self, layer: &mut DraftLayer) {
        let version = self.version;
        let mut fields = self.fields();
        (layer.stride, layer.dilation, layer.groups, layer.max_pool) = match version {
            Version::One => {
                let stride = fields.size("stride").map(|stride| [stride; 2]);
                (stride, Some([1; 2]), Some(1), fields.flag("max_pool"))
            }
            Version::Two => (
                fields.pair("stride"),
                fields.pair_or("dilation", [1; 2]),
                fields.size_or("groups", 1),
                fields.flag_or_false("max_pool"),
            ),
        };
        layer.padding = fields.take("padding", "a list of 4 whole numbers", Tree::sizes);
        let residual = fields.optional("residual").filter(|tree| **tree != Tree::Null);
        layer.addend = residual.map(|tree| self.residual(tree));
    }

    fn residual(&mut self, tree: &'t Tree) -> DraftAddend {
        let known: &[&str] = match self.version {
            Version::One => &["from", "stride"],
            Version::Two => &["from", "stride", "after"],
        };
        let mut fields = Fields::new(tree, &self.place, "residual.", known, self.errors);
        let (from, stride) = (fields.text("from"), fields.size("stride"));
        let after = match self.version {
            Version::One => Some(false),
            Version::Two => fields.flag_or_false("after"),
        };
        let from = self.refer("residual.from", from);
        DraftAddend { from, stride, after, multiplier: None }
    }

    fn window(&mut self, layer: &mut DraftLayer) {
        let mut fields = self.fields();
        layer.kernel = fields.pair("kernel");
        layer.stride = fields.pair("stride");
        layer.padding = fields.take("padding", "a list of 4 whole numbers", Tree::sizes);
    }

    fn refer(&mut self, field: &'static str, map: Option<String>) -> Option<TensorRef> {
        let map = map?;
        let index = self.known.get(map.as_str()).copied().map(TensorRef::Layer);
        let found = if map == INPUT { Some(TensorRef::Input) } else { index };
        if found.is_none() {
            let layer = self.name.clone();
            self.errors.push(NetworkError::Reference { layer, field, found: map });
        }
        found
    }

    fn sparsity(&mut self, tree: &'t Tree) -> Option<Sparsity> {
        let known = &["pattern", "group"];
        let mut fields = Fields::new(tree, &self.place, "sparsity.", known, self.errors);
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
}
