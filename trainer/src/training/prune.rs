//! Which weights a student keeps: masks from the importance of each weight.

use std::collections::BTreeMap;

use anyhow::Result;
use spec::{Pattern, Sparsity, fixed_channel};
use tch::{Kind, Tensor};

use crate::network::masks::Masks;
use crate::network::model::Model;
use crate::training::schedule::Score;

/// Mean squared gradient of each layer's weight, for [`Score::SecondOrder`].
pub type SquaredGradients = BTreeMap<String, Tensor>;

/// What to choose masks from.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// Pattern and group.
    pub sparsity: Sparsity,
    /// What is worth keeping.
    pub score: Score,
    /// Part of the pruning that is done, above 0 to 1: below 1 only the surest units are pruned.
    pub part: f64,
    /// For [`Score::SecondOrder`]; without it weights count by their square.
    pub gradients: Option<&'a SquaredGradients>,
    /// Masks of an earlier choice, whose pruned weights count nothing any more.
    pub pruned: Option<&'a Masks>,
}

/// Masks of every layer that is pruned.
///
/// Layers that say `prune = false` stay dense; under the half-pruning patterns so do those that read an odd number of
/// channels and have no pairs.
///
/// # Errors
/// What libtorch says of a tensor that cannot be read.
pub fn choose_masks(model: &Model, choice: Choice) -> Result<Masks> {
    let mut masks = BTreeMap::new();
    if choice.sparsity.pattern == Pattern::Dense {
        return Ok(Masks::new());
    }
    for (layer, input) in model.architecture.layers.iter().zip(&model.flow.inputs) {
        let Some(n_taps) = layer.n_weight_taps(*input) else { continue };
        let has_pairs = input.channels.is_multiple_of(2);
        if !layer.prune || choice.sparsity.pattern.is_half() && !has_pairs {
            continue;
        }
        let weight = model.tensor(&format!("{}.weight", layer.name)).detach();
        let n_outputs = weight.size()[0] as usize;
        let importance = importance(&layer.name, &weight, choice)?;
        let dims = Dims { n_outputs, n_channels: input.channels, n_taps };
        let keep = match choice.sparsity.pattern {
            Pattern::Unstructured => keep_largest(&importance, choice.part),
            _ => keep_pairs(&importance, &dims, choice.sparsity, choice.part),
        };
        let mask = Tensor::from_slice(&keep)
            .view(&weight.size()[..])
            .to_kind(Kind::Float)
            .to_device(weight.device());
        masks.insert(layer.name.clone(), mask);
    }
    Ok(Masks::from_tensors(masks))
}

fn importance(layer: &str, weight: &Tensor, choice: Choice) -> Result<Vec<f32>> {
    let _guard = tch::no_grad_guard();
    let mut importance = match choice.score {
        Score::Magnitude => weight.abs(),
        Score::SecondOrder => match choice.gradients.and_then(|gradients| gradients.get(layer)) {
            Some(squares) => weight.square() * squares,
            None => weight.square(),
        },
    };
    if let Some(mask) = choice.pruned.and_then(|masks| masks.get(layer)) {
        importance *= mask;
    }
    Ok(Vec::<f32>::try_from(importance.flatten(0, -1))?)
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
}

/// The weights of one pair of channels at one tap, over the outputs that share the choice.
struct Unit {
    outputs: std::ops::Range<usize>,
    tap: usize,
    dropped: usize,
    /// How sure the choice is, relative to what the unit is worth.
    gap: f64,
}

/// Keeps, in each unit, the channel that is worth more (the even one in a tie) or that its position says; units whose
/// choice is least sure stay whole while `part` is below one.
fn keep_pairs(importance: &[f32], dims: &Dims, sparsity: Sparsity, part: f64) -> Vec<bool> {
    let group = match sparsity.pattern {
        Pattern::UhpFree => 1,
        Pattern::UhpShared => sparsity.group,
        _ => dims.n_outputs,
    };
    let mut units = Vec::new();
    for first in (0..dims.n_outputs).step_by(group) {
        let outputs = first..(first + group).min(dims.n_outputs);
        for pair in 0..dims.n_channels / 2 {
            for tap in 0..dims.n_taps {
                let sum = |channel: usize| -> f64 {
                    let weights = outputs.clone().map(|output| dims.idx(output, channel, tap));
                    weights.map(|idx| f64::from(importance[idx])).sum()
                };
                let worth = [sum(2 * pair), sum(2 * pair + 1)];
                let kept = match sparsity.pattern {
                    Pattern::UhpFixed => fixed_channel(pair, tap) % 2,
                    _ => usize::from(worth[1] > worth[0]),
                };
                let total = (worth[0] + worth[1]).max(f64::MIN_POSITIVE);
                units.push(Unit {
                    outputs: outputs.clone(),
                    tap,
                    dropped: 2 * pair + 1 - kept,
                    gap: (worth[kept] - worth[1 - kept]) / total,
                });
            }
        }
    }
    if part < 1.0 {
        units.sort_by(|a, b| b.gap.total_cmp(&a.gap));
        let n_pruned = (units.len() as f64 * part).round() as usize;
        units.truncate(n_pruned);
    }
    let mut keep = vec![true; importance.len()];
    for unit in units {
        for output in unit.outputs {
            keep[dims.idx(output, unit.dropped, unit.tap)] = false;
        }
    }
    keep
}

/// The larger half of all weights of the layer (more while `part` is below one); of equals, the earlier.
fn keep_largest(importance: &[f32], part: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..importance.len()).collect();
    order.sort_by(|&a, &b| importance[b].total_cmp(&importance[a]).then(a.cmp(&b)));
    let n_pruned = ((importance.len() / 2) as f64 * part).round() as usize;
    let mut keep = vec![false; importance.len()];
    order[..importance.len() - n_pruned].iter().for_each(|&idx| keep[idx] = true);
    keep
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED_BY_2: Sparsity = Sparsity { pattern: Pattern::UhpShared, group: 2 };

    fn dims() -> Dims {
        Dims { n_outputs: 5, n_channels: 4, n_taps: 3 }
    }

    fn magnitude() -> Vec<f32> {
        (0..60).map(|i| (i * 17 % 23) as f32).collect()
    }

    #[test]
    fn shared_masks_keep_one_of_each_pair_for_a_whole_group() {
        let (dims, magnitude) = (dims(), magnitude());
        let keep = keep_pairs(&magnitude, &dims, SHARED_BY_2, 1.0);
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
    fn free_masks_keep_the_larger_of_each_pair() {
        let (dims, magnitude) = (dims(), magnitude());
        let free = Sparsity { pattern: Pattern::UhpFree, group: 0 };
        let keep = keep_pairs(&magnitude, &dims, free, 1.0);
        for output in 0..5 {
            for (pair, tap) in [(0, 0), (1, 2)] {
                let at = |odd: usize| dims.idx(output, 2 * pair + odd, tap);
                assert_eq!(keep[at(1)], magnitude[at(1)] > magnitude[at(0)]);
                assert_ne!(keep[at(0)], keep[at(1)]);
            }
        }
    }

    #[test]
    fn gradual_pruning_takes_the_surest_units_first_and_never_gives_back() {
        let dims = Dims { n_outputs: 1, n_channels: 8, n_taps: 1 };
        let importance = [4.0, 4.1, 9.0, 1.0, 2.0, 3.0, 0.5, 8.0];
        let shared = Sparsity { pattern: Pattern::UhpShared, group: 16 };
        let half = keep_pairs(&importance, &dims, shared, 0.5);
        assert_eq!(half, [true, true, true, false, true, true, false, true]);
        let left: Vec<f32> =
            importance.iter().zip(&half).map(|(w, keep)| if *keep { *w } else { 0.0 }).collect();
        let all = keep_pairs(&left, &dims, shared, 1.0);
        assert_eq!(all, [false, true, true, false, false, true, false, true]);
        let quarter = keep_largest(&[3.0, 1.0, 2.0, 5.0], 0.5);
        assert_eq!(quarter, [true, false, true, true]);
    }

    #[test]
    fn ties_keep_the_even_channel() {
        let dims = Dims { n_outputs: 1, n_channels: 2, n_taps: 1 };
        assert_eq!(keep_pairs(&[0.0, 0.0], &dims, SHARED_BY_2, 1.0), [true, false]);
    }

    #[test]
    fn unstructured_keeps_the_larger_half() {
        assert_eq!(keep_largest(&[3.0, 1.0, 2.0, 5.0, 2.0], 1.0), [true, false, true, true, false]);
    }
}
