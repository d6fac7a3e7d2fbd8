//! The layout of the packed input that saves the first layer most.
//!
//! | layout | a word holds |
//! |---|---|
//! | natural | the channels of a pixel |
//! | spread | the channels of a pixel, one a pair |
//! | rows | taps of one kernel row, used by every kernel row; odd lanes and further words: what is left of all rows |
//! | patches | every tap of an output pixel; the map has one packed pixel an output pixel |
//! | blocks | pixels side by side, as many as a stride is long; no pixel twice, but more passes than patches |
//!
//! All but the natural one fit only the kernel that they were made for, so they need an input that one convolution
//! alone reads. The layout with the fewest passes wins.

use spec::{ArrayConfig, Conv, InputSpec, Shape, kept_positions};

use super::layouts::layouts;
use super::packed::{Loader, View};
use crate::blocks::Block;
use crate::options::Schedule;
use crate::tiling::{Tile, tile_groups};
use crate::unit::units;

/// From the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Now,
    InDeeperMemories,
    Never,
}

/// A packed input and the layer that reads it.
#[derive(Clone, Debug)]
pub(crate) struct Packing {
    pub(crate) loader: Loader,
    pub(crate) view: View,
    pub(crate) groups: Vec<Vec<Tile>>,
    /// Another packing of fewer passes, for which the memories are too small.
    pub(crate) faster: Option<Faster>,
}

/// What a packing would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Faster {
    /// Of bank 0.
    pub(crate) n_words: usize,
    /// Tiles.
    pub(crate) n_passes: usize,
}

/// Whether the memories hold a packed input; where the answer is no, deeper memories may or can never.
fn fit(loader: &Loader, input: &InputSpec, config: &ArrayConfig) -> Fit {
    let memories = config.memories();
    match loader.lane_table(input, config.port_bytes()) {
        Err(_) => Fit::Never,
        Ok(table) if loader.n_words() > memories.input || table.len() > memories.lane => {
            Fit::InDeeperMemories
        }
        Ok(_) => Fit::Now,
    }
}

/// The packing with the fewest passes that fits, else the one with the fewest words, for an input that `conv` alone
/// reads. `output` is what is computed, before pooling.
///
/// A half-pruned layer's taps are packed in their pairs, which serves one of each a pass. Where the masks do not match
/// the array's columns such a word takes two passes, and the packing of the dense schedule may take fewer in all: then
/// that one is used. Fewer passes may be more cycles where some groups take more of them and the others wait for drains:
/// `splits` are the pixel blocks that a layer of such tiles may be cut into, and with none of them is a half-pruned layer
/// slower.
pub(crate) fn pack(
    input: &InputSpec,
    conv: &Conv,
    output: Shape,
    splits: impl Fn(&[Vec<Tile>]) -> Vec<Vec<Block>>,
    config: &ArrayConfig,
    schedule: Schedule,
) -> Packing {
    let kept = kept_positions(&conv.weight, conv.sparsity);
    let best = |schedule: Schedule| {
        let packings = layouts(input, conv, output, config, schedule).into_iter().map(|layout| {
            let (loader, view, anchors) = layout;
            let groups = tile_groups(&conv.weight, &kept, &anchors, config, schedule);
            let n_words = loader.n_words();
            let n_passes: usize = groups.iter().map(Vec::len).sum();
            let fits = fit(&loader, input, config);
            let (first, second) =
                if fits == Fit::Now { (n_passes, n_words) } else { (n_words, n_passes) };
            let cost = (fits, first, second);
            (cost, Packing { loader, view, groups, faster: None }, anchors)
        });
        let packings: Vec<_> = packings.collect();
        let n_passes = |packing: &Packing| packing.groups.iter().map(Vec::len).sum();
        let possible = packings.iter().filter(|((fits, ..), ..)| *fits != Fit::Never);
        let fewest = possible
            .map(|(_, packing, _)| Faster {
                n_words: packing.loader.n_words(),
                n_passes: n_passes(packing),
            })
            .min_by_key(|faster| (faster.n_passes, faster.n_words));
        let best = packings.into_iter().min_by_key(|(cost, ..)| *cost);
        let mut best = best.expect("the natural layout always exists");
        best.1.faster = fewest.filter(|fewest| fewest.n_passes < n_passes(&best.1));
        best
    };
    let (cost, packing, _) = best(schedule);
    if schedule == Schedule::Dense {
        return packing;
    }
    let (dense_cost, dense, anchors) = best(Schedule::Dense);
    let cycles = |groups: &[Vec<Tile>]| -> Vec<u64> {
        let of_split = |blocks: &Vec<Block>| {
            let units = units(blocks, groups, output.channels, false, config);
            units.iter().map(|unit| unit.cycles(config)).sum()
        };
        splits(groups).iter().map(of_split).collect()
    };
    let is_slower = || {
        cycles(&packing.groups).iter().zip(cycles(&dense.groups)).any(|(own, dense)| *own > dense)
    };
    let fits_alone = cost.0 < dense_cost.0;
    if cost <= dense_cost && (fits_alone || !is_slower()) {
        return packing;
    }
    // Passes without a survivor are left out of this packing too.
    let groups = tile_groups(&conv.weight, &kept, &anchors, config, schedule);
    Packing { groups, ..dense }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loader::convolved;
    use ndarray::Array4;
    use spec::{Memories, Pattern, Sparsity};

    fn input(height: usize, width: usize, channels: usize, space_to_depth: usize) -> InputSpec {
        InputSpec {
            height,
            width,
            channels,
            space_to_depth,
            scale: 1.0,
            zero_point: 0,
            preprocess: None,
        }
    }

    fn conv(
        out: usize,
        kernel: [usize; 2],
        channels: usize,
        stride: usize,
        padding: [usize; 4],
    ) -> Conv {
        let mut next = 0u8;
        let weight = Array4::from_shape_simple_fn([out, kernel[0], kernel[1], channels], || {
            next = next.wrapping_add(91);
            next as i8
        });
        let sparsity = Sparsity { pattern: Pattern::Dense, group: 0 };
        Conv { stride: [stride; 2], padding, sparsity, ..Conv::new(weight) }
    }

    #[test]
    fn a_first_layer_takes_as_few_passes_as_its_taps_allow() {
        let config = ArrayConfig::default();
        for (kernel, stride, channels, words, passes) in
            [(3, 1, 3, 1, 4), (7, 1, 3, 7, 19), (5, 1, 1, 2, 4), (1, 1, 3, 1, 1), (3, 1, 16, 1, 18)]
        {
            let input = input(16, 16, channels, 1);
            let padding = kernel / 2;
            let conv = conv(16, [kernel; 2], channels, stride, [padding; 4]);
            let packing = pack(
                &input,
                &conv,
                convolved(input.shape(), &conv),
                |_| Vec::new(),
                &config,
                Schedule::Sparse,
            );
            assert_eq!(
                (packing.view.words, packing.groups[0].len()),
                (words, passes),
                "{kernel}x{kernel}x{channels}"
            );
        }
    }

    #[test]
    fn falls_back_where_memories_are_short() {
        let with = |input, lane| {
            let memories = Memories { input, lane, ..Memories::default() };
            ArrayConfig::new(8, 16, memories).unwrap()
        };
        let input = input(16, 16, 3, 1);
        let conv = conv(16, [7, 7], 3, 1, [3; 4]);
        let passes = |config| {
            pack(
                &input,
                &conv,
                convolved(input.shape(), &conv),
                |_| Vec::new(),
                &config,
                Schedule::Sparse,
            )
            .groups[0]
                .len()
        };
        assert_eq!(passes(with(2048, 512)), 19);
        assert_eq!(passes(with(2048, 8)), 49);
        assert_eq!(passes(with(256, 512)), 49);
    }
}
