//! Which weights a layer keeps.

use serde::{Deserialize, Serialize};

/// How a layer was pruned. A pair is two neighboring input channels `(2i, 2i + 1)` at one kernel tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// Every weight is kept.
    Dense,
    /// Any weight may be zero; the array runs it like a dense layer.
    Unstructured,
    /// Half-pruned at fixed positions: pair `i` at tap `t = ky * kernel_width + kx` keeps channel `2i + ((i + t) & 1)`.
    UhpFixed,
    /// Half-pruned: the output channels of a group share the kept position of each pair and tap.
    UhpShared,
    /// Half-pruned: every output channel keeps a position of its own. The array runs it in two passes.
    UhpFree,
}

impl Pattern {
    /// Whether one weight of every pair is kept.
    pub fn is_half(self) -> bool {
        matches!(self, Self::UhpFixed | Self::UhpShared | Self::UhpFree)
    }
}

/// A pattern and the number of output channels that share a kept position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sparsity {
    /// The pattern.
    pub pattern: Pattern,
    /// Consecutive output channels that share a position, for [`Pattern::UhpShared`]; ignored by the other patterns.
    #[serde(default)]
    pub group: usize,
}

impl Default for Sparsity {
    fn default() -> Self {
        Self { pattern: Pattern::Dense, group: 0 }
    }
}

/// The kept channel of the pair with index `pair` at tap `tap` under [`Pattern::UhpFixed`].
pub fn fixed_channel(pair: usize, tap: usize) -> usize {
    2 * pair + ((pair + tap) & 1)
}
