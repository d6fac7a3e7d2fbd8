//! Which weights a layer keeps.

use ndarray::Array4;
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

/// The positions of a weight `[out_channels, kernel_height, kernel_width, in_channels]` that a pattern keeps: every
/// position of a dense layer, the non-zeros of an unstructured one, one of each existing pair of a half-pruned one, be
/// its weight zero or not.
pub fn kept_positions(weight: &Array4<i8>, sparsity: Sparsity) -> Array4<bool> {
    let (n_outputs, height, width, n_inputs) = weight.dim();
    let sharing = match sparsity.pattern {
        Pattern::Dense => return weight.mapv(|_| true),
        Pattern::Unstructured => return weight.mapv(|value| value != 0),
        Pattern::UhpFixed => {
            return Array4::from_shape_fn(weight.dim(), |(_, ky, kx, input)| {
                fixed_channel(input / 2, ky * width + kx) == input
            });
        }
        Pattern::UhpShared => sparsity.group.clamp(1, n_outputs.max(1)),
        Pattern::UhpFree => 1,
    };
    let shape = (n_outputs.div_ceil(sharing), height, width, n_inputs.div_ceil(2));
    let mut takes_odd = Array4::from_elem(shape, false);
    for ((output, ky, kx, input), value) in weight.indexed_iter() {
        if input % 2 == 1 && *value != 0 {
            takes_odd[[output / sharing, ky, kx, input / 2]] = true;
        }
    }
    Array4::from_shape_fn(weight.dim(), |(output, ky, kx, input)| {
        takes_odd[[output / sharing, ky, kx, input / 2]] == (input % 2 == 1)
    })
}

/// The kept channel of the pair with index `pair` at tap `tap` under [`Pattern::UhpFixed`].
pub fn fixed_channel(pair: usize, tap: usize) -> usize {
    2 * pair + ((pair + tap) & 1)
}
