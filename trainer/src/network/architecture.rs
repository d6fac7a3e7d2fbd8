//! Networks as data: a few lines of TOML each.
//!
//! A definition lists layers in the order of execution; each reads the one before unless it says `input = "name"`.
//!
//! | `op` | options (default) |
//! |---|---|
//! | `conv` | `channels`, `kernel`, `stride` (1), `padding` (0), `residual = "name"`, `norm` (true; else a bias), `relu` (true), `max_pool` (false), `prune` (true) |
//! | `batch_norm` | `relu` (true) |
//! | `global_average_pool` | |
//! | `dropout` | `rate` |
//! | `fully_connected` | `prune` (true) |
//! | `basic_blocks` | `blocks`, `channels`, `stride` (1), `projection` (false) |
//! | `preactivation_blocks` | `blocks`, `channels`, `stride` (1) |
//!
//! A convolution computes sums, batch-norm, `+ residual`, ReLU and max-pool in this order. A residual may have fewer
//! channels than the layer (the new ones get nothing) and more pixels (its step follows from the shapes). Blocks stand for
//! the layers `<name>.<block>.conv1` and so on; the block's name is its last layer. Every such network is exportable:
//! batch-norm on its own is a 1x1 convolution with one weight a channel. A layer with `prune = false` stays dense under every
//! sparsity.

use std::path::Path;

use anyhow::{Context, Result, bail};
use spec::{Shape, TensorRef};

use crate::limits::TOML;

mod definition;
mod expand;
mod flow;

use definition::Definition;
pub use flow::Flow;

/// A network before it has weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// Name on the command line and in reports.
    pub name: String,
    /// Block of the space-to-depth step in front of the first layer, 1 for none.
    pub space_to_depth: usize,
    /// In the order of execution; a layer reads only earlier ones.
    pub layers: Vec<LayerSpec>,
    /// The text that it was read from.
    pub definition: String,
}

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSpec {
    /// Unique in the network.
    pub name: String,
    /// What it reads.
    pub input: TensorRef,
    /// What it computes.
    pub op: OpSpec,
    /// Whether its weights may be pruned.
    pub prune: bool,
}

/// What a layer computes.
#[derive(Debug, Clone, PartialEq)]
pub enum OpSpec {
    /// Convolution, batch-norm or bias, perhaps residual, ReLU and 2x2 max-pool.
    Conv(ConvSpec),
    /// Batch-norm on its own, a gain and a bias a channel.
    BatchNorm {
        /// Negative results become 0.
        relu: bool,
    },
    /// Mean of each channel.
    GlobalAveragePool,
    /// Drops values while training.
    Dropout {
        /// Part of the values that is dropped.
        rate: f64,
    },
    /// Product with the whole feature map; one output a class.
    FullyConnected,
}

/// A convolution.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvSpec {
    /// Output channels.
    pub channels: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Step of the kernel.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
    /// Added before ReLU.
    pub residual: Option<TensorRef>,
    /// Batch-norm; otherwise a bias.
    pub norm: bool,
    /// Negative results become 0.
    pub relu: bool,
    /// 2x2 max-pool after ReLU.
    pub max_pool: bool,
}

/// Defines the table of built-in networks from the names of their files.
macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../architectures/", $name, ".toml")))),+]
    };
}

/// Definitions that come with the program.
const BUILT_IN: [(&str, &str); 16] = built_in![
    "s2d",
    "s2d_narrow",
    "s2d_s",
    "s2d_s_narrow",
    "a-convnet",
    "linear",
    "wide",
    "narrow",
    "wide2x",
    "resnet20",
    "resnet32",
    "resnet56",
    "wrn-16-2",
    "wrn-40-2",
    "vgg8",
    "vgg13",
];

impl ConvSpec {
    /// 3x3 with batch-norm and ReLU, one output pixel an input pixel.
    fn same(channels: usize) -> Self {
        Self {
            channels,
            kernel: 3,
            stride: 1,
            padding: 1,
            residual: None,
            norm: true,
            relu: true,
            max_pool: false,
        }
    }

    /// 1x1, for a shortcut.
    fn projection(channels: usize, stride: usize) -> Self {
        Self { kernel: 1, stride, padding: 0, ..Self::same(channels) }
    }
}

impl LayerSpec {
    /// The maps that the layer needs: its input, then its residual.
    pub fn reads(&self) -> impl Iterator<Item = TensorRef> {
        [Some(self.input), self.residual()].into_iter().flatten()
    }

    /// The map that is added before ReLU.
    pub fn residual(&self) -> Option<TensorRef> {
        match &self.op {
            OpSpec::Conv(conv) => conv.residual,
            _ => None,
        }
    }

    /// Weights of one output for one channel of an `input` map, `None` for a layer that has no weights to prune.
    ///
    /// Batch-norm has none, though it is exported as a convolution: it needs its one weight a channel.
    pub fn n_weight_taps(&self, input: Shape) -> Option<usize> {
        match &self.op {
            OpSpec::Conv(conv) => Some(conv.kernel * conv.kernel),
            OpSpec::FullyConnected => Some(input.n_pixels()),
            OpSpec::BatchNorm { .. } | OpSpec::GlobalAveragePool | OpSpec::Dropout { .. } => None,
        }
    }
}

impl Architecture {
    /// A built-in network by name, or one from a `.toml` file.
    ///
    /// # Errors
    /// An unknown name, an unreadable file, or a definition that breaks a rule; the message names the layer.
    pub fn named(name: &str) -> Result<Self> {
        if name.ends_with(".toml") {
            let text = spec::files::read_text(Path::new(name), TOML)
                .with_context(|| format!("{name}: cannot be read"))?;
            return Self::parse(&text).with_context(|| format!("{name}: not a network definition"));
        }
        let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) else {
            bail!(
                "no network is called `{name}`; there are {}, or give a .toml file",
                Self::names().join(", ")
            );
        };
        Self::parse(text).with_context(|| format!("built-in network `{name}`"))
    }

    /// A network from the text of its definition.
    ///
    /// # Errors
    /// Text that is no definition, or one that breaks a rule; the message names the layer.
    pub fn parse(text: &str) -> Result<Self> {
        let definition: Definition = toml::from_str(text)?;
        let layers = expand::expand(&definition)
            .with_context(|| format!("network `{}`", definition.name))?;
        let Definition { name, space_to_depth, .. } = definition;
        Ok(Self { name, space_to_depth, layers, definition: text.to_owned() })
    }

    /// Names of the built-in networks.
    pub fn names() -> Vec<&'static str> {
        BUILT_IN.iter().map(|(name, _)| *name).collect()
    }

    /// Dense multiply-accumulates of convolutions and fully connected layers for one image of a [`Flow`] of this network.
    pub fn n_macs(&self, flow: &Flow) -> usize {
        let shapes = flow.inputs.iter().zip(&flow.sums);
        let macs = self.layers.iter().zip(shapes).map(|(layer, (input, sums))| {
            let n_taps = layer.n_weight_taps(*input).unwrap_or(0);
            n_taps * input.channels * sums.channels * sums.n_pixels()
        });
        macs.sum()
    }

    /// The convolution whose channels a layer reads, if nothing else reads them and no residual fixes their order.
    pub fn only_producer(&self, idx: usize) -> Option<&LayerSpec> {
        let TensorRef::Layer(from) = self.layers[idx].input else { return None };
        let is_shared = self.layers.iter().enumerate().any(|(other, layer)| {
            let mut reads = layer.reads().skip(usize::from(other == idx));
            reads.any(|read| read == TensorRef::Layer(from))
        });
        let producer = &self.layers[from];
        match &producer.op {
            _ if is_shared => None,
            OpSpec::Conv(ConvSpec { residual: None, .. }) => Some(producer),
            OpSpec::GlobalAveragePool | OpSpec::Dropout { .. } => self.only_producer(from),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
