//! The text of a network: what a `.toml` file may say, before names are looked up and blocks are expanded.

use serde::Deserialize;

/// A whole file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definition {
    /// Name on the command line and in reports.
    pub(super) name: String,
    /// Block of the space-to-depth step in front of the first layer, 1 for none.
    #[serde(default = "one")]
    pub(super) space_to_depth: usize,
    /// Layers and blocks, in the order of execution.
    pub(super) layers: Vec<Entry>,
}

/// One line of `layers`: a layer, or a block that stands for several.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(super) enum Entry {
    Conv(Conv),
    BatchNorm(BatchNorm),
    GlobalAveragePool(Plain),
    Dropout(Dropout),
    FullyConnected(FullyConnected),
    BasicBlocks(BasicBlocks),
    PreactivationBlocks(PreactivationBlocks),
}

/// Convolution; then batch-norm (or a bias), residual, ReLU and 2x2 max-pool, as far as they are asked for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Conv {
    pub(super) name: String,
    pub(super) input: Option<String>,
    pub(super) channels: usize,
    pub(super) kernel: usize,
    #[serde(default = "one")]
    pub(super) stride: usize,
    #[serde(default)]
    pub(super) padding: usize,
    pub(super) residual: Option<String>,
    #[serde(default = "yes")]
    pub(super) norm: bool,
    #[serde(default = "yes")]
    pub(super) relu: bool,
    #[serde(default)]
    pub(super) max_pool: bool,
    #[serde(default = "yes")]
    pub(super) prune: bool,
}

/// Product with the whole map.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FullyConnected {
    pub(super) name: String,
    pub(super) input: Option<String>,
    #[serde(default = "yes")]
    pub(super) prune: bool,
}

/// Batch-norm that no convolution precedes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchNorm {
    pub(super) name: String,
    pub(super) input: Option<String>,
    #[serde(default = "yes")]
    pub(super) relu: bool,
}

/// A layer without options.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plain {
    pub(super) name: String,
    pub(super) input: Option<String>,
}

/// Drops values while training.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dropout {
    pub(super) name: String,
    pub(super) input: Option<String>,
    pub(super) rate: f64,
}

/// Residual blocks of two 3x3 convolutions, ReLU after the addition (He et al., CVPR 2016).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BasicBlocks {
    pub(super) name: String,
    pub(super) input: Option<String>,
    pub(super) blocks: usize,
    pub(super) channels: usize,
    /// Of the first block.
    #[serde(default = "one")]
    pub(super) stride: usize,
    /// Where the shape changes: a 1x1 convolution, or else every `stride`-th pixel and zeros for new channels.
    #[serde(default)]
    pub(super) projection: bool,
}

/// Residual blocks with batch-norm and ReLU in front of each convolution (He et al., ECCV 2016), as wide residual
/// networks use them; a 1x1 convolution where the shape changes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PreactivationBlocks {
    pub(super) name: String,
    pub(super) input: Option<String>,
    pub(super) blocks: usize,
    pub(super) channels: usize,
    /// Of the first block.
    #[serde(default = "one")]
    pub(super) stride: usize,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

impl Entry {
    pub(super) fn name(&self) -> &str {
        self.name_and_input().0
    }

    pub(super) fn input(&self) -> Option<&str> {
        self.name_and_input().1.as_deref()
    }

    fn name_and_input(&self) -> (&str, &Option<String>) {
        match self {
            Self::Conv(Conv { name, input, .. })
            | Self::BatchNorm(BatchNorm { name, input, .. })
            | Self::GlobalAveragePool(Plain { name, input })
            | Self::Dropout(Dropout { name, input, .. })
            | Self::FullyConnected(FullyConnected { name, input, .. })
            | Self::BasicBlocks(BasicBlocks { name, input, .. })
            | Self::PreactivationBlocks(PreactivationBlocks { name, input, .. }) => (name, input),
        }
    }
}
