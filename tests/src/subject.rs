//! What executors run: a network, its program for an array, and images.
//!
//! A [`Subject`] is a file. Those of `tests/cases` name a topology, see [`flow::cases::Case`]; those of `tests/cases/layers` say
//! every layer, and are as small as what they show allows. A folder of `tests/cases/answered` is a network with the answers of an
//! executor from outside.

mod answered;

use std::path::{Path, PathBuf};

use codegen::{Options, Schedule};
use flow::cases::{Builder, Case, ConvSpec, random_image};
use serde::Deserialize;
use spec::files::{Limit, read_text};
use spec::{ArrayConfig, Layer, Memories, Op, Program, QuantNetwork, Sparsity, TensorRef};

const LIMIT: Limit = Limit::new("a case", 1 << 20);
/// The folder of cases below this crate's.
const CASES: &str = "cases";
/// The folder of cases that say every layer, below that.
const LAYERS: &str = "layers";

/// A case, ready to run.
pub struct Subject {
    /// `toy-uhp`, or `layers/pool`.
    pub name: String,
    /// The network.
    pub network: QuantNetwork,
    /// The network for its array.
    pub program: Program,
    /// `[height, width, channels]` of the network's input each.
    pub images: Vec<Vec<i8>>,
    /// For each image the values of the outputs as an executor from outside computes them, `None` where none did.
    pub values: Option<Vec<Vec<i16>>>,
}

/// A case that cannot be read or does not fit.
#[derive(Debug, thiserror::Error)]
#[error("case {name}: {reason}; help: compare with the other files of tests/cases")]
pub struct SubjectError {
    name: String,
    reason: String,
}

/// The file of a case that says every layer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerCase {
    /// What the case shows.
    description: String,
    rows: usize,
    cols: usize,
    /// What suits rows and columns by default.
    lanes: Option<usize>,
    /// Bytes that the input port takes a cycle.
    port_bytes: Option<usize>,
    /// Columns that share a mask; all by default.
    mask_columns: Option<usize>,
    #[serde(default)]
    schedule: Schedule,
    seed: u64,
    /// Height, width, channels.
    input: [usize; 3],
    #[serde(default = "one")]
    space_to_depth: usize,
    layers: Vec<LayerOfCase>,
    images: Vec<Image>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerOfCase {
    op: OpOfCase,
    /// Index of the layer that it reads; the one before by default, `-1` for the input.
    input: Option<i64>,
    #[serde(default)]
    relu: bool,
    #[serde(default)]
    weights: Weights,
    /// Of every channel, instead of what keeps outputs between vanishing and saturating.
    bias: Option<i32>,
    multiplier: Option<i32>,
    shift: Option<i32>,
    residual_multiplier: Option<i32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum OpOfCase {
    Conv {
        channels: usize,
        kernel: [usize; 2],
        #[serde(default = "one")]
        stride: usize,
        #[serde(default)]
        padding: [usize; 4],
        #[serde(default)]
        sparsity: Sparsity,
        /// Index of the layer that is added, `-1` for the input, and its stride.
        residual: Option<(i64, usize)>,
        #[serde(default)]
        max_pool: bool,
    },
    FullyConnected {
        channels: usize,
        #[serde(default)]
        sparsity: Sparsity,
    },
    GlobalAveragePool,
}

/// What becomes of the weights that the pattern keeps.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Weights {
    #[default]
    Random,
    /// All -128.
    Least,
    /// All 127.
    Most,
    /// -128 and 127 in turn.
    Extremes,
    /// All 0, although the pattern keeps them.
    Zero,
    /// All but those of the first input channel are 0.
    OneRow,
}

/// The values of an image.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Image {
    /// Noise, every eighth value a corner.
    Random,
    Least,
    Most,
    Zero,
}

fn one() -> usize {
    1
}

impl Subject {
    /// The names of all cases, those of topologies first.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn names() -> Result<Vec<String>, SubjectError> {
        let of = |folder: &Path| Case::names(folder).map_err(|error| failed("", error));
        let mut names = of(&folder())?;
        names.extend(of(&folder().join(LAYERS))?.iter().map(|name| format!("{LAYERS}/{name}")));
        names.extend(answered::names()?);
        Ok(names)
    }

    /// The case of this name.
    ///
    /// # Errors
    /// A case that cannot be read, is not valid, or does not fit its array.
    pub fn read(name: &str) -> Result<Self, SubjectError> {
        match name.split_once('/') {
            Some((LAYERS, _)) => Self::of_layers(name),
            Some((answered::ANSWERED, _)) => answered::read(name),
            _ => Self::of_topology(name),
        }
    }

    fn of_topology(name: &str) -> Result<Self, SubjectError> {
        let case = Case::read(&folder(), name).map_err(|error| failed(name, error))?;
        let network = case.build();
        let config = case.config().map_err(|error| failed(name, error))?;
        let images = case.images(&network);
        Self::new(name, network, &config, &case.options(), images)
    }

    fn of_layers(name: &str) -> Result<Self, SubjectError> {
        let path = folder().join(format!("{name}.json"));
        let text = read_text(&path, LIMIT).map_err(|error| failed(name, error))?;
        let case: LayerCase = serde_json::from_str(&text).map_err(|error| failed(name, error))?;
        if case.description.is_empty() {
            return Err(failed(name, "it does not say what it shows"));
        }
        let network = case.network(name).map_err(|reason| failed(name, reason))?;
        let port_bytes = case.port_bytes.unwrap_or(ArrayConfig::DEFAULT_PORT_BYTES);
        let config = ArrayConfig::new(case.rows, case.cols, Memories::default())
            .and_then(|config| config.with_port_bytes(port_bytes))
            .and_then(|config| config.with_mask_columns(case.mask_columns.unwrap_or(case.cols)));
        let config = config.and_then(|config| match case.lanes {
            Some(lanes) => config.with_lanes(lanes),
            None => Ok(config),
        });
        let config = config.map_err(|error| failed(name, error))?;
        let n_bytes = network.input.n_bytes();
        let images = case.images.iter().enumerate().map(|(index, image)| match image {
            Image::Random => random_image(&network, case.seed + index as u64),
            Image::Least => vec![-128; n_bytes],
            Image::Most => vec![127; n_bytes],
            Image::Zero => vec![0; n_bytes],
        });
        let images = images.collect();
        Self::new(name, network, &config, &Options { schedule: case.schedule }, images)
    }

    /// A network, compiled.
    ///
    /// # Errors
    /// A network that breaks a rule or does not fit.
    pub fn new(
        name: &str,
        network: QuantNetwork,
        config: &ArrayConfig,
        options: &Options,
        images: Vec<Vec<i8>>,
    ) -> Result<Self, SubjectError> {
        network.validate().map_err(|errors| failed(name, format!("{errors:?}")))?;
        let program =
            codegen::compile(&network, config, options).map_err(|error| failed(name, error))?;
        Ok(Self { name: name.to_owned(), network, program, images, values: None })
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(CASES)
}

fn failed(name: &str, reason: impl ToString) -> SubjectError {
    SubjectError { name: name.to_owned(), reason: reason.to_string() }
}

fn map(index: i64) -> TensorRef {
    usize::try_from(index).map_or(TensorRef::Input, TensorRef::Layer)
}

impl LayerCase {
    fn network(&self, name: &str) -> Result<QuantNetwork, String> {
        let mut builder = Builder::new(self.input, self.space_to_depth, self.seed);
        let mut last = TensorRef::Input;
        for (index, layer) in self.layers.iter().enumerate() {
            let input = layer.input.map_or(last, map);
            let label = format!("layer{index}");
            last = match &layer.op {
                OpOfCase::GlobalAveragePool => builder.global_average_pool(&label, input),
                OpOfCase::FullyConnected { channels, sparsity } => {
                    builder.fully_connected(&label, input, *channels, *sparsity, layer.relu)
                }
                OpOfCase::Conv {
                    channels,
                    kernel,
                    stride,
                    padding,
                    sparsity,
                    residual,
                    max_pool,
                } => {
                    let spec = ConvSpec {
                        channels: *channels,
                        kernel: *kernel,
                        stride: [*stride; 2],
                        dilation: [1; 2],
                        groups: 1,
                        padding: *padding,
                        sparsity: *sparsity,
                        residual: residual.map(|(from, stride)| (map(from), stride)),
                        after: false,
                        max_pool: *max_pool,
                        relu: layer.relu,
                    };
                    builder.conv(&label, input, &spec)
                }
            };
            layer.change(builder.last_mut().ok_or("there is no layer")?);
        }
        let mut network = builder.finish(name);
        // The builder scales the last layer's constants to logits.
        if let (Some(layer), Some(of)) = (network.layers.last_mut(), self.layers.last()) {
            of.change(layer);
        }
        Ok(network)
    }
}

impl LayerOfCase {
    fn change(&self, layer: &mut Layer) {
        let set = |to: &mut ndarray::Array1<i32>, value: Option<i32>| {
            value.into_iter().for_each(|value| to.fill(value));
        };
        set(&mut layer.requantize.bias, self.bias);
        set(&mut layer.requantize.multiplier, self.multiplier);
        set(&mut layer.requantize.shift, self.shift);
        let weight = match &mut layer.op {
            Op::Conv(conv) => {
                if let Some(residual) = &mut conv.residual {
                    set(&mut residual.multiplier, self.residual_multiplier);
                }
                &mut conv.weight
            }
            Op::FullyConnected(fc) => &mut fc.weight,
            _ => return,
        };
        for (index, ((.., input), weight)) in weight.indexed_iter_mut().enumerate() {
            if *weight == 0 {
                continue;
            }
            *weight = match self.weights {
                Weights::Random => *weight,
                Weights::Least => -128,
                Weights::Most => 127,
                Weights::Extremes => [-128, 127][index % 2],
                Weights::Zero => 0,
                Weights::OneRow => *weight * i8::from(input == 0),
            };
        }
    }
}
