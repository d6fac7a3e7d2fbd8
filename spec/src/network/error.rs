//! What can be wrong with a network file.

use super::foreign::Foreign;
use super::key_fault::KeyFault;
use super::preprocess::PreprocessError;

/// A problem of a network, one variant a kind. Several may hold at once: functions that check return all of them.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NetworkError {
    /// The JSON is not JSON.
    #[error(
        "network file: {message}; help: the file is damaged or no JSON, copy it or export the network again"
    )]
    Json {
        /// What the parser says, with line and column.
        message: String,
    },
    /// A key that the format does not have, that is missing, or that holds something else.
    #[error("{place}: key {key:?} {fault}")]
    Key {
        /// `network file`, `input` or the layer.
        place: String,
        /// The key, with those that lead to it: `residual.from`.
        key: String,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// A file whose first bytes say what it is instead.
    #[error("network file: this is {kind}, not a network of Twofold; help: {remedy}", kind = .0.kind, remedy = .0.remedy)]
    Foreign(Foreign),
    /// JSON of something else.
    #[error(
        "network file: no key \"format\", so this is no network of Twofold; its keys are {keys:?}; help: give the `network.json` that `trainer train` wrote"
    )]
    NoFormat {
        /// The first of its keys.
        keys: Vec<String>,
    },
    /// The tensor file cannot be read.
    #[error("tensor file: {message}")]
    TensorFile {
        /// Why, and what to do.
        message: String,
    },
    /// Another kind of file.
    #[error(
        "network file: format is {found:?}, not \"twofold-network\"; help: give the `network.json` that `trainer train` wrote"
    )]
    Format {
        /// The value of `format`.
        found: String,
    },
    /// A version that this program does not read.
    #[error(
        "network file: format version {found} is none of 1 to {supported}; help: use the release that wrote the file, or export again"
    )]
    FormatVersion {
        /// The value of `format_version`.
        found: u64,
        /// The newest version of this program.
        supported: u64,
    },
    /// `tensors` names something else than a file beside the JSON.
    #[error(
        "network file: tensors = {found:?} is not a plain file name; help: put the tensor file beside the JSON file"
    )]
    TensorFileName {
        /// The value of `tensors`.
        found: String,
    },
    /// The tensor file is not the one that the JSON was written with.
    #[error(
        "tensor file: SHA-256 is {found}, the network file expects {expected}; help: the file is damaged or belongs to another export, copy both again"
    )]
    Checksum {
        /// The value of `tensors_sha256`.
        expected: String,
        /// That of the bytes.
        found: String,
    },
    /// The container cannot be read.
    #[error(
        "tensor file: {message}; help: the file is truncated or not safetensors, copy or export it again"
    )]
    Container {
        /// What the parser says.
        message: String,
    },
    /// A tensor that a layer needs is absent.
    #[error(
        "tensor {tensor:?} is missing; help: export it with the network, see the tensor table in docs/network.md"
    )]
    MissingTensor {
        /// Its name.
        tensor: String,
    },
    /// A tensor that no layer needs.
    #[error(
        "tensor {tensor:?} belongs to no layer; help: remove it, or add the layer that uses it"
    )]
    ExtraTensor {
        /// Its name.
        tensor: String,
    },
    /// A tensor of the wrong element type.
    #[error("tensor {tensor:?} holds {found}, not {expected}; help: export it as {expected}")]
    TensorType {
        /// Its name.
        tensor: String,
        /// Element type of the format.
        expected: &'static str,
        /// Element type in the file.
        found: String,
    },
    /// A tensor of the wrong rank.
    #[error(
        "tensor {tensor:?} has shape {found:?}, not {expected}; help: export it with {expected} axes in this order"
    )]
    TensorRank {
        /// Its name.
        tensor: String,
        /// Axes of the format.
        expected: &'static str,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A tensor whose sizes do not fit the layer.
    #[error(
        "tensor {tensor:?} has shape {found:?}, the layer needs {expected:?}; help: make the tensor fit the layer's input and output channels"
    )]
    TensorShape {
        /// Its name.
        tensor: String,
        /// What the layer needs.
        expected: Vec<usize>,
        /// What there is.
        found: Vec<usize>,
    },
    /// A size of the input outside its limits.
    #[error(
        "input: {field} = {value} is outside {min}..={max}; help: choose it within these limits"
    )]
    InputSize {
        /// `height`, `width`, `channels` or `space_to_depth`.
        field: &'static str,
        /// Its value.
        value: usize,
        /// Smallest.
        min: usize,
        /// Largest.
        max: usize,
    },
    /// The block does not divide the image.
    #[error(
        "input: space_to_depth = {block} does not divide {height}x{width}; help: pad or crop the image to a multiple of {block}"
    )]
    SpaceToDepth {
        /// The block.
        block: usize,
        /// Rows of the image.
        height: usize,
        /// Pixels in a row.
        width: usize,
    },
    /// The pre-processing cannot be applied.
    #[error("input: {error}; help: correct `preprocess`, or set it to null and bring int8 images")]
    Preprocess {
        /// The broken rule.
        error: PreprocessError,
    },
    /// The pre-processing gives another shape than the network takes.
    #[error(
        "input: preprocess gives {found:?} (height, width, channels), the network takes {expected:?}; help: give both the same shape"
    )]
    PreprocessShape {
        /// Shape of the input.
        expected: [usize; 3],
        /// Shape of the pre-processing.
        found: [usize; 3],
    },
    /// A label that is not a positive number.
    #[error(
        "{place}: scale = {value} is not a finite number above zero; help: export the real value of one quantization step"
    )]
    Scale {
        /// `input` or the layer.
        place: String,
        /// Its value.
        value: f64,
    },
    /// Nothing to compute.
    #[error("network: no layer; help: a network needs at least the layer that gives the logits")]
    NoLayer,
    /// A layer without a name.
    #[error("layer number {index}: the name is empty; help: give every layer a name of its own")]
    EmptyName {
        /// Its position, from 0.
        index: usize,
    },
    /// A name that means the network's input.
    #[error(
        "layer number {index}: the name \"input\" means the network's input; help: choose another name"
    )]
    ReservedName {
        /// Its position, from 0.
        index: usize,
    },
    /// Two layers of one name.
    #[error(
        "layer {name:?}: the name is used twice, by layers number {first} and {second}; help: rename one of them"
    )]
    DuplicateName {
        /// The name.
        name: String,
        /// Position of the first.
        first: usize,
        /// Position of the second.
        second: usize,
    },
    /// A reference to a layer that does not exist or comes later.
    #[error(
        "layer {layer:?}: {field} = {found:?} is no earlier layer; help: use \"input\" or the name of a layer above this one"
    )]
    Reference {
        /// The layer that refers.
        layer: String,
        /// `input`, `inputs`, `residual.from` or `other`.
        field: &'static str,
        /// What it refers to.
        found: String,
    },
    /// A layer whose output nobody reads.
    #[error(
        "layer {layer:?}: no later layer reads its output; help: remove it, only outputs may be unread: the last layer, or those that format 2 names"
    )]
    Unused {
        /// The layer.
        layer: String,
    },
    /// A size of a layer outside its limits.
    #[error(
        "layer {layer:?}: {field} = {value} is outside {min}..={max}; help: choose it within these limits"
    )]
    LayerSize {
        /// The layer.
        layer: String,
        /// Which size.
        field: &'static str,
        /// Its value.
        value: usize,
        /// Smallest.
        min: usize,
        /// Largest.
        max: usize,
    },
    /// The kernel is larger than the padded input.
    #[error(
        "layer {layer:?}: a {kernel_height}x{kernel_width} kernel does not fit the padded input of {height}x{width}; help: pad more, or use a smaller kernel"
    )]
    KernelTooLarge {
        /// The layer.
        layer: String,
        /// Rows from the kernel's first to its last.
        kernel_height: usize,
        /// Columns from the kernel's first to its last.
        kernel_width: usize,
        /// Rows of the padded input.
        height: usize,
        /// Pixels of a padded row.
        width: usize,
    },
    /// Nothing left after pooling.
    #[error(
        "layer {layer:?}: max_pool needs a map of at least 2x2, this one is {height}x{width}; help: set max_pool to false"
    )]
    PoolTooSmall {
        /// The layer.
        layer: String,
        /// Rows before pooling.
        height: usize,
        /// Pixels of a row before pooling.
        width: usize,
    },
    /// The residual map ends before the output does.
    #[error(
        "layer {layer:?}: the residual from {from:?} is {height}x{width}, at least {needed_height}x{needed_width} are needed with its stride; help: correct residual.stride, or take the residual elsewhere"
    )]
    ResidualShape {
        /// The layer.
        layer: String,
        /// Where the residual comes from.
        from: String,
        /// Rows of the map.
        height: usize,
        /// Pixels of a row of the map.
        width: usize,
        /// Rows that the output reaches.
        needed_height: usize,
        /// Pixels of a row that the output reaches.
        needed_width: usize,
    },
    /// A constant of the requantization outside its field.
    #[error(
        "tensor {tensor:?}: channel {channel} is {value}, outside 0..={max}; help: scale the layer so that it fits"
    )]
    Constant {
        /// Its name.
        tensor: String,
        /// First channel that is wrong.
        channel: usize,
        /// Its value.
        value: i32,
        /// Largest.
        max: i32,
    },
    /// A sum that 32 bits may not hold.
    #[error(
        "layer {layer:?}: channel {channel} may reach {worst} in the accumulator, beyond {max}; help: use smaller weights, bias or residual multiplier, or fewer inputs"
    )]
    Accumulator {
        /// The layer.
        layer: String,
        /// First channel that is too large.
        channel: usize,
        /// Largest magnitude for any input.
        worst: u64,
        /// Largest magnitude that fits.
        max: u64,
    },
    /// The pattern shares positions among no channels.
    #[error(
        "layer {layer:?}: uhp-shared with group = 0; help: set sparsity.group to the output channels that share a position, such as the array's columns"
    )]
    PatternGroup {
        /// The layer.
        layer: String,
    },
    /// Both weights of a pair are kept.
    #[error("layer {layer:?}: output channel {channel}, tap ({ky}, {kx}) keeps both inputs {even} and {odd} of a pair under {pattern}; help: prune one of them, or declare the layer unstructured", odd = even + 1)]
    PairKept {
        /// The layer.
        layer: String,
        /// Output channel.
        channel: usize,
        /// Tap row.
        ky: usize,
        /// Tap column.
        kx: usize,
        /// Even channel of the pair.
        even: usize,
        /// Name of the pattern.
        pattern: &'static str,
    },
    /// A weight that the fixed pattern has pruned.
    #[error(
        "layer {layer:?}: output channel {channel}, tap ({ky}, {kx}) keeps input {input}, which uhp-fixed prunes; help: keep input 2i + ((i + tap) mod 2) of pair i, or use uhp-shared or uhp-free"
    )]
    FixedPosition {
        /// The layer.
        layer: String,
        /// Output channel.
        channel: usize,
        /// Tap row.
        ky: usize,
        /// Tap column.
        kx: usize,
        /// Input channel that should be zero.
        input: usize,
    },
    /// Channels of a group keep different positions.
    #[error("layer {layer:?}: output channels {first}..={last} keep both inputs {even} and {odd} at tap ({ky}, {kx}), a uhp-shared group keeps one; help: prune the group alike, use a smaller group, or uhp-free", odd = even + 1)]
    SharedPosition {
        /// The layer.
        layer: String,
        /// First channel of the group.
        first: usize,
        /// Last channel of the group.
        last: usize,
        /// Tap row.
        ky: usize,
        /// Tap column.
        kx: usize,
        /// Even channel of the pair.
        even: usize,
    },
    /// An output of classes that is no vector.
    #[error(
        "layer {layer:?}: its output of {height}x{width} is no list of logits, which takes 1x1; help: end with global_average_pool or fully_connected, or in format 2 set classes to null"
    )]
    LogitShape {
        /// The layer.
        layer: String,
        /// Rows of its output.
        height: usize,
        /// Pixels of an output row.
        width: usize,
    },
    /// Outputs of the network are not pooled on their way.
    #[error("layer {layer:?}: an output has max_pool; help: set max_pool to false, or add a layer")]
    OutputPool {
        /// The layer.
        layer: String,
    },
    /// A name among the outputs that no layer has.
    #[error("outputs: {found:?} is no layer; help: name layers of this network")]
    OutputName {
        /// The name.
        found: String,
    },
    /// A layer that is named twice.
    #[error("outputs: {name:?} is named twice; help: name it once")]
    OutputTwice {
        /// The name.
        name: String,
    },
    /// Nothing leaves the accelerator, or too many maps.
    #[error(
        "outputs: {n_outputs} names, 1 to {max} are possible; help: leave the key out for the last layer, or name fewer"
    )]
    OutputCount {
        /// Names given.
        n_outputs: usize,
        /// Most that there can be.
        max: usize,
    },
    /// Classes of several outputs.
    #[error(
        "classes: given for {n_outputs} outputs, they name the entries of a single one; help: set classes to null"
    )]
    ClassOutputs {
        /// Outputs of the network.
        n_outputs: usize,
    },
    /// No range, or one that int8 cannot hold of a map that others read.
    #[error(
        "layer {layer:?}: low..high = {low}..{high} is no range within {min}..={max}; help: give low <= high; only an output that no layer reads may leave -128..=127"
    )]
    Bounds {
        /// The layer.
        layer: String,
        /// Its smallest value.
        low: i16,
        /// Its largest value.
        high: i16,
        /// Smallest value possible.
        min: i16,
        /// Largest value possible.
        max: i16,
    },
    /// Bounds of what keeps every value.
    #[error(
        "layer {layer:?}: low..high = {low}..{high}, but a concatenation keeps all of int8; help: give -128..127"
    )]
    ConcatBounds {
        /// The layer.
        layer: String,
        /// Its smallest value.
        low: i16,
        /// Its largest value.
        high: i16,
    },
    /// Groups that do not divide the channels.
    #[error(
        "layer {layer:?}: groups = {groups} does not divide {n_inputs} input and {n_outputs} output channels; help: correct groups"
    )]
    Groups {
        /// The layer.
        layer: String,
        /// Their number.
        groups: usize,
        /// Channels of its input.
        n_inputs: usize,
        /// Channels of its output.
        n_outputs: usize,
    },
    /// A half-pruned grouped convolution.
    #[error(
        "layer {layer:?}: a half-pruned pattern with groups = {groups}; help: declare a grouped convolution dense or unstructured"
    )]
    GroupedPattern {
        /// The layer.
        layer: String,
        /// Its groups.
        groups: usize,
    },
    /// Maps that are added or put side by side have different shapes.
    #[error(
        "layer {layer:?}: {from:?} is {found:?} (height, width, channels), {needed:?} is needed beside the first map; help: bring both to one shape"
    )]
    MapShape {
        /// The layer.
        layer: String,
        /// The map that does not fit.
        from: String,
        /// Its shape.
        found: [usize; 3],
        /// The shape that fits.
        needed: [usize; 3],
    },
    /// A layer that moves values as they are would change what they mean.
    #[error(
        "layer {layer:?}: zero_point {zero_point} and scale {scale}, but {from:?}, whose values it keeps, has {from_zero_point} and {from_scale}; help: give both the same, with a requantize layer before this one if need be"
    )]
    Quantization {
        /// The layer.
        layer: String,
        /// A map that it reads.
        from: String,
        /// Zero point of the layer.
        zero_point: i8,
        /// Scale of the layer.
        scale: f64,
        /// Zero point of the map.
        from_zero_point: i8,
        /// Scale of the map.
        from_scale: f64,
    },
    /// As many classes as logits are needed.
    #[error("classes: {n_classes} names for {n_logits} logits; help: name every logit")]
    ClassCount {
        /// Names given.
        n_classes: usize,
        /// Output channels of the last layer.
        n_logits: usize,
    },
    /// A class without a name of its own.
    #[error(
        "classes: number {index} is {name:?}, empty or used before; help: give every class a name of its own"
    )]
    ClassName {
        /// Its position, from 0.
        index: usize,
        /// The name.
        name: String,
    },
    /// An image of the wrong size.
    #[error(
        "image: {found} bytes, the network takes {expected}; help: bring height * width * channels bytes, channels innermost"
    )]
    ImageLength {
        /// Bytes of the network's input.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
}
