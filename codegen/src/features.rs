//! What network format 2 can say beyond format 1, and how much of it is lowered.

use std::fmt;

use serde::Serialize;
use spec::{
    Conv, FORMAT_1_MAX_MULTIPLIER, FORMAT_1_MAX_SHIFT, Layer, Op, QuantNetwork, Rounding, TensorRef,
};

/// Something that network format 1 cannot say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// A zero point other than 0.
    ZeroPoint,
    /// Bounds other than those of ReLU or of the whole type.
    Bounds,
    /// Bounds beyond int8 that are no whole steps of 256.
    UnevenBounds,
    /// A multiplier of more than 15 bits, or a shift of more than 47.
    LongMultiplier,
    /// Halves rounded away from zero.
    HalfAway,
    /// A residual that is added after the scaling.
    ResidualAfter,
    /// Strides that differ between rows and columns.
    StridePerAxis,
    /// Taps that are not neighbors.
    Dilation,
    /// A convolution in groups of several input channels.
    Grouped,
    /// A convolution in groups of one input channel.
    Depthwise,
    /// A kernel of more than 7 rows or columns.
    LargeKernel,
    /// An average pool over windows.
    AveragePool,
    /// A max-pool that is a layer of its own.
    MaxPool,
    /// A layer that adds two maps.
    Add,
    /// A layer that brings a map to another scale.
    Requantize,
    /// Maps put side by side.
    Concat,
    /// More than one output.
    SeveralOutputs,
    /// An output of more than one pixel.
    SpatialOutput,
    /// An output that a layer reads.
    ReadOutput,
    /// Outputs that are no classes.
    NoClasses,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::ZeroPoint,
        Self::Bounds,
        Self::UnevenBounds,
        Self::LongMultiplier,
        Self::HalfAway,
        Self::ResidualAfter,
        Self::StridePerAxis,
        Self::Dilation,
        Self::Grouped,
        Self::Depthwise,
        Self::LargeKernel,
        Self::AveragePool,
        Self::MaxPool,
        Self::Add,
        Self::Requantize,
        Self::Concat,
        Self::SeveralOutputs,
        Self::SpatialOutput,
        Self::ReadOutput,
        Self::NoClasses,
    ];

    /// Those that [`compile`](crate::compile) does not lower yet.
    const NOT_LOWERED: &[Self] = &[Self::UnevenBounds];

    /// Whether [`compile`](crate::compile) lowers it; a network with another one is refused by its name.
    pub fn is_lowered(self) -> bool {
        !Self::NOT_LOWERED.contains(&self)
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroPoint => "a zero point other than 0",
            Self::Bounds => "low..high other than that of ReLU or of the whole type",
            Self::UnevenBounds => {
                "low..high beyond int8 other than a multiple of 256 to one less than another"
            }
            Self::LongMultiplier => "a multiplier above 32767 or a shift above 47",
            Self::HalfAway => "rounding half away from zero",
            Self::ResidualAfter => "a residual after the scaling",
            Self::StridePerAxis => "a stride that differs between rows and columns",
            Self::Dilation => "dilation",
            Self::Grouped => "a grouped convolution",
            Self::Depthwise => "a depthwise convolution",
            Self::LargeKernel => "a kernel of more than 7 rows or columns",
            Self::AveragePool => "average_pool",
            Self::MaxPool => "max_pool as a layer of its own",
            Self::Add => "add",
            Self::Requantize => "requantize",
            Self::Concat => "concat",
            Self::SeveralOutputs => "more than one output",
            Self::SpatialOutput => "an output of more than one pixel",
            Self::ReadOutput => "an output that a layer reads",
            Self::NoClasses => "outputs that are no classes",
        })
    }
}

/// Every feature that a validated network uses, each once, with the first place that does: `input`, `network` or a layer.
pub fn features(network: &QuantNetwork) -> Vec<(String, Feature)> {
    let mut found: Vec<(String, Feature)> = Vec::new();
    let mut add = |place: &str, feature: Feature, is_used: bool| {
        if is_used && !found.iter().any(|(_, known)| *known == feature) {
            found.push((place.to_owned(), feature));
        }
    };
    add("input", Feature::ZeroPoint, network.input.zero_point != 0);
    let (shapes, n_reads) = (network.shapes(), network.n_reads());
    for (index, layer) in network.layers.iter().enumerate() {
        let place = format!("layer {:?}", layer.name);
        let is_read = n_reads.contains_key(&TensorRef::Layer(index));
        for feature in of_layer(layer, network.is_output(index) && !is_read) {
            add(&place, feature, true);
        }
        if network.is_output(index) {
            add(&place, Feature::SpatialOutput, shapes[index].n_pixels() > 1);
            add(&place, Feature::ReadOutput, is_read);
        }
    }
    add("network", Feature::SeveralOutputs, network.outputs.len() > 1);
    add("network", Feature::NoClasses, network.classes.is_empty());
    found
}

/// The features of one layer by itself.
pub(crate) fn of_layer(layer: &Layer, is_output: bool) -> impl Iterator<Item = Feature> {
    let constants = &layer.requantize;
    let bounds = [false, true].map(|relu| spec::Bounds::format_1(relu, is_output));
    let is_long = constants.multiplier.iter().any(|value| *value > FORMAT_1_MAX_MULTIPLIER)
        || constants.shift.iter().any(|value| *value > FORMAT_1_MAX_SHIFT as i32);
    let spec::Bounds { low, high } = layer.bounds;
    let is_uneven = !layer.bounds.is_int8() && (low & 255 != 0 || high & 255 != 255);
    let mut used = vec![
        (Feature::ZeroPoint, layer.zero_point != 0),
        // What has no bounds of its own keeps those of what it reads.
        (Feature::Bounds, !matches!(layer.op, Op::Concat(_)) && !bounds.contains(&layer.bounds)),
        (Feature::UnevenBounds, is_uneven),
        (Feature::LongMultiplier, is_long),
        (Feature::HalfAway, constants.rounding == Rounding::HalfAway),
        (Feature::AveragePool, matches!(layer.op, Op::AveragePool(_))),
        (Feature::MaxPool, matches!(layer.op, Op::MaxPool(_))),
        (Feature::Add, matches!(layer.op, Op::Add(_))),
        (Feature::Requantize, matches!(layer.op, Op::Requantize)),
        (Feature::Concat, matches!(layer.op, Op::Concat(_))),
    ];
    if let Op::Conv(conv) = &layer.op {
        let Conv { weight, groups, stride, dilation, residual, .. } = conv;
        let (_, height, width, n_inputs) = weight.dim();
        used.extend([
            (Feature::ResidualAfter, residual.as_ref().is_some_and(|residual| residual.after)),
            (Feature::StridePerAxis, stride[0] != stride[1]),
            (Feature::Dilation, *dilation != [1; 2]),
            (Feature::Grouped, *groups > 1 && n_inputs > 1),
            (Feature::Depthwise, *groups > 1 && n_inputs == 1),
            (Feature::LargeKernel, height.max(width) > 7),
        ]);
    }
    used.into_iter().filter(|(_, is_used)| *is_used).map(|(feature, _)| feature)
}
