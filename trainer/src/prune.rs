//! Which weights a student keeps: masks by magnitude, chosen once and then frozen.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use spec::{Pattern, Sparsity, fixed_channel};
use tch::{Kind, Tensor};

use crate::architecture::LayerSpec;
use crate::model::Model;

/// One mask of zeros and ones a layer, of the weight's shape; a layer without one is dense.
pub type Masks = BTreeMap<String, Tensor>;

/// How much of the weights of each layer survives, and in which pattern.
///
/// Layers that read an odd number of channels have no pairs and stay dense under the half-pruning patterns.
///
/// # Errors
/// [`Pattern::UhpFree`], which the array does not run yet.
pub fn choose_masks(model: &Model, sparsity: Sparsity) -> Result<Masks> {
    let mut masks = Masks::new();
    for (layer, input) in model.architecture.layers.iter().zip(&model.shapes) {
        let n_taps = match layer {
            LayerSpec::Conv { kernel, .. } => kernel * kernel,
            LayerSpec::FullyConnected { .. } => input.n_pixels(),
            LayerSpec::GlobalAveragePool { .. } | LayerSpec::Dropout { .. } => continue,
        };
        if sparsity.pattern.is_half() && input.channels % 2 == 1 {
            continue;
        }
        let weight = model.tensor(&format!("{}.weight", layer.name())).detach();
        let n_outputs = weight.size()[0] as usize;
        let magnitude = Vec::<f32>::try_from(weight.abs().flatten(0, -1))?;
        let dims = Dims { n_outputs, n_channels: input.channels, n_taps };
        let keep = match sparsity.pattern {
            Pattern::Dense => continue,
            Pattern::Unstructured => keep_largest_half(&magnitude),
            Pattern::UhpFixed => {
                dims.fill(|_, channel, tap| fixed_channel(channel / 2, tap) == channel)
            }
            Pattern::UhpShared => keep_shared(&magnitude, &dims, sparsity.group),
            Pattern::UhpFree => bail!(
                "sparsity `uhp-free` is not there yet: the array's selector is shared by all columns; \
                 use `uhp-shared` or `uhp-fixed`"
            ),
        };
        let mask = Tensor::from_slice(&keep).view(&weight.size()[..]).to_kind(Kind::Float);
        masks.insert(layer.name().to_owned(), mask);
    }
    Ok(masks)
}

/// Whether masks are there from the first epoch (positions that depend on no weight), or chosen after a dense phase.
pub fn is_known_in_advance(pattern: Pattern) -> bool {
    matches!(pattern, Pattern::Dense | Pattern::UhpFixed)
}

/// Index arithmetic of `[output, channel, tap]`, the order of both kinds of weight.
struct Dims {
    n_outputs: usize,
    n_channels: usize,
    n_taps: usize,
}

impl Dims {
    fn idx(&self, output: usize, channel: usize, tap: usize) -> usize {
        (output * self.n_channels + channel) * self.n_taps + tap
    }

    fn fill(&self, keep: impl Fn(usize, usize, usize) -> bool) -> Vec<bool> {
        let mut mask = Vec::with_capacity(self.n_outputs * self.n_channels * self.n_taps);
        for output in 0..self.n_outputs {
            for channel in 0..self.n_channels {
                mask.extend((0..self.n_taps).map(|tap| keep(output, channel, tap)));
            }
        }
        mask
    }
}

/// Of each pair, tap and group of outputs, the channel with the larger sum of magnitudes; the first in a tie.
fn keep_shared(magnitude: &[f32], dims: &Dims, group: usize) -> Vec<bool> {
    let group_sum = |output: usize, channel: usize, tap: usize| -> f64 {
        let first = output / group * group;
        let outputs = first..(first + group).min(dims.n_outputs);
        outputs.map(|output| f64::from(magnitude[dims.idx(output, channel, tap)])).sum()
    };
    dims.fill(|output, channel, tap| {
        let (even, odd) = (channel & !1, channel | 1);
        let odd_wins = group_sum(output, odd, tap) > group_sum(output, even, tap);
        (channel == odd) == odd_wins
    })
}

/// The larger half of all weights of the layer; of equals, the earlier.
fn keep_largest_half(magnitude: &[f32]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..magnitude.len()).collect();
    order.sort_by(|&a, &b| magnitude[b].total_cmp(&magnitude[a]).then(a.cmp(&b)));
    let mut keep = vec![false; magnitude.len()];
    order[..magnitude.len().div_ceil(2)].iter().for_each(|&idx| keep[idx] = true);
    keep
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_masks_keep_one_of_each_pair_for_a_whole_group() {
        let dims = Dims { n_outputs: 5, n_channels: 4, n_taps: 3 };
        let magnitude: Vec<f32> = (0..60).map(|i| (i * 17 % 23) as f32).collect();
        let keep = keep_shared(&magnitude, &dims, 2);
        for output in 0..5 {
            for (pair, tap) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
                let at = |output: usize, channel: usize| keep[dims.idx(output, channel, tap)];
                assert_ne!(at(output, 2 * pair), at(output, 2 * pair + 1));
                assert_eq!(at(output, 2 * pair), at(output / 2 * 2, 2 * pair), "the group agrees");
            }
        }
        // The last group has one output, so its choice is that output's larger weight.
        for tap in 0..3 {
            let (even, odd) = (magnitude[dims.idx(4, 0, tap)], magnitude[dims.idx(4, 1, tap)]);
            assert_eq!(keep[dims.idx(4, 1, tap)], odd > even);
        }
    }

    #[test]
    fn ties_keep_the_even_channel() {
        let dims = Dims { n_outputs: 1, n_channels: 2, n_taps: 1 };
        assert_eq!(keep_shared(&[0.0, 0.0], &dims, 16), [true, false]);
    }

    #[test]
    fn unstructured_keeps_the_larger_half() {
        assert_eq!(keep_largest_half(&[3.0, 1.0, 2.0, 5.0, 2.0]), [true, false, true, true, false]);
    }
}
