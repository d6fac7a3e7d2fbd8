//! A better pairing of channels before masks are chosen: neighbors share a pair, so who is whose neighbor decides
//! what half-pruning costs.
//!
//! The output channels of a convolution may be numbered in any order, if the one layer that reads them is renumbered
//! alike; the network computes the same. The search for the order is the matching step of Pool and Yu (2021), with
//! exchanges between two pairs until none helps.

use std::collections::BTreeMap;

use anyhow::Result;
use spec::{Pattern, Sparsity};
use tch::Tensor;

use crate::network::architecture::OpSpec;
use crate::network::model::Model;

/// Renumbers the channels between layers that allow it, so that the smaller weights of all pairs sum to as little as
/// the search finds; weights and their `momentum` move together.
///
/// # Errors
/// What libtorch says of a tensor that cannot be read.
pub fn permute_channels(
    model: &Model,
    momentum: &mut BTreeMap<String, Tensor>,
    sparsity: Sparsity,
) -> Result<()> {
    let group = match sparsity.pattern {
        Pattern::UhpShared => sparsity.group,
        Pattern::UhpFree => 1,
        Pattern::UhpFixed | Pattern::Dense | Pattern::Unstructured => return Ok(()),
    };
    for (idx, layer) in model.architecture.layers.iter().enumerate() {
        let Some(producer) = model.architecture.only_producer(idx) else { continue };
        if !layer.prune || !matches!(layer.op, OpSpec::Conv(_) | OpSpec::FullyConnected) {
            continue;
        }
        let n_channels = model.flow.inputs[idx].channels;
        let weight = model.tensor(&format!("{}.weight", layer.name)).detach();
        if n_channels % 2 == 1 {
            continue;
        }
        let n_outputs = weight.size()[0] as usize;
        let magnitude = Vec::<f32>::try_from(weight.abs().flatten(0, -1))?;
        let worth = Worth::new(&magnitude, n_outputs, n_channels, group);
        let order = Tensor::from_slice(&worth.order()).to_device(model.device);
        renumber(model, momentum, &producer.name, &layer.name, n_channels, &order);
    }
    Ok(())
}

fn renumber(
    model: &Model,
    momentum: &mut BTreeMap<String, Tensor>,
    producer: &str,
    reader: &str,
    n_channels: usize,
    order: &Tensor,
) {
    let _guard = tch::no_grad_guard();
    let rows = |tensor: &Tensor| {
        let moved = tensor.index_select(0, order);
        tensor.shallow_clone().copy_(&moved);
    };
    let columns = |tensor: &Tensor| {
        let size = tensor.size();
        let by_channel = tensor.view([size[0], n_channels as i64, -1]);
        let moved = by_channel.index_select(1, order).view(&size[..]);
        tensor.shallow_clone().copy_(&moved);
    };
    let prefix = format!("{producer}.");
    model
        .tensors()
        .filter(|(name, _)| name.starts_with(&prefix))
        .for_each(|(_, tensor)| rows(tensor));
    momentum
        .iter()
        .filter(|(name, _)| name.starts_with(&prefix))
        .for_each(|(_, tensor)| rows(tensor));
    let name = format!("{reader}.weight");
    columns(model.tensor(&name));
    momentum.get(&name).into_iter().for_each(columns);
}

/// What each channel is worth in each unit of outputs and tap.
struct Worth {
    n_channels: usize,
    /// `[channel][unit]`.
    sums: Vec<Vec<f64>>,
}

impl Worth {
    fn new(magnitude: &[f32], n_outputs: usize, n_channels: usize, group: usize) -> Self {
        let n_taps = magnitude.len() / n_outputs / n_channels;
        let n_groups = n_outputs.div_ceil(group);
        let mut sums = vec![vec![0.0; n_groups * n_taps]; n_channels];
        for (idx, &magnitude) in magnitude.iter().enumerate() {
            let (tap, channel) = (idx % n_taps, idx / n_taps % n_channels);
            let output = idx / n_taps / n_channels;
            sums[channel][output / group * n_taps + tap] += f64::from(magnitude);
        }
        Self { n_channels, sums }
    }

    /// What a pair keeps.
    fn kept(&self, a: usize, b: usize) -> f64 {
        self.sums[a].iter().zip(&self.sums[b]).map(|(x, y)| x.max(*y)).sum()
    }

    /// Channels in their new order: neighbors are pairs.
    fn order(&self) -> Vec<i64> {
        let n = self.n_channels;
        let kept: Vec<f64> = (0..n * n).map(|idx| self.kept(idx / n, idx % n)).collect();
        let mut order: Vec<usize> = (0..n).collect();
        loop {
            let mut improved = false;
            for first in (0..n).step_by(2) {
                for second in (first + 2..n).step_by(2) {
                    let [a, b, c, d] =
                        [order[first], order[first + 1], order[second], order[second + 1]];
                    let now = kept[a * n + b] + kept[c * n + d];
                    let [crossed, straight] =
                        [kept[a * n + c] + kept[b * n + d], kept[a * n + d] + kept[b * n + c]];
                    if crossed.max(straight) > now * (1.0 + 1e-9) {
                        let (partner, other) =
                            if crossed > straight { (c, [b, d]) } else { (d, [b, c]) };
                        order[first + 1] = partner;
                        [order[second], order[second + 1]] = other;
                        improved = true;
                    }
                }
            }
            if !improved {
                return order.into_iter().map(|channel| channel as i64).collect();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::architecture::Architecture;
    use crate::network::forward::Mode;
    use crate::network::masks::Masks;
    use dataset::Random;
    use spec::Shape;
    use tch::Kind;

    #[test]
    fn strong_channels_are_paired_with_weak_ones() {
        let worth = Worth::new(&[9.0, 8.0, 1.0, 2.0], 1, 4, 16);
        let order = worth.order();
        for pair in order.chunks(2) {
            assert_eq!(pair.iter().filter(|&&channel| channel < 2).count(), 1, "{order:?}");
        }
    }

    #[test]
    fn the_search_finds_the_best_of_all_pairings_of_six() {
        let mut random = Random::new(&[3]);
        for _ in 0..20 {
            let magnitude: Vec<f32> = (0..2 * 6 * 3).map(|_| random.unit() as f32).collect();
            let worth = Worth::new(&magnitude, 2, 6, 1);
            let total = |order: &[usize]| -> f64 {
                order.chunks(2).map(|pair| worth.kept(pair[0], pair[1])).sum()
            };
            let best = itertools::Itertools::permutations(0..6, 6)
                .map(|order| total(&order))
                .fold(0.0, f64::max);
            let found: Vec<usize> = worth.order().iter().map(|&channel| channel as usize).collect();
            assert!(total(&found) > 0.97 * best, "{} of {best}", total(&found));
        }
    }

    #[test]
    fn a_renumbered_network_computes_the_same() {
        let image = Shape { height: 64, width: 64, channels: 1 };
        let model = Model::new(
            Architecture::named("s2d_s").unwrap(),
            image,
            1.0 / 127.0,
            10,
            4,
            tch::Device::Cpu,
        )
        .unwrap();
        let mut random = Random::new(&[8]);
        let images: Vec<i8> = (0..2 * 64 * 64).map(|_| random.bits() as i8).collect();
        let images = Tensor::from_slice(&images).view([2, 64, 64, 1]);
        // Running statistics that differ by channel.
        let _ = model.forward(&images, &Masks::new(), Mode::Training);
        let before = model.forward(&images, &Masks::new(), Mode::Evaluation);
        let first = model.tensor("conv1.weight").copy();
        let mut momentum = BTreeMap::from([("conv1.weight".to_owned(), first.detach().copy())]);
        let shared = Sparsity { pattern: Pattern::UhpShared, group: 16 };
        permute_channels(&model, &mut momentum, shared).unwrap();
        let after = model.forward(&images, &Masks::new(), Mode::Evaluation);
        assert!((before - after).abs().max().double_value(&[]) < 1e-4);
        let moved = model.tensor("conv1.weight");
        assert!((moved - first).abs().sum(Kind::Float).double_value(&[]) > 0.1, "nothing moved");
        assert_eq!(momentum["conv1.weight"], moved.detach());
    }
}
