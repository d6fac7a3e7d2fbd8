//! From weights to tiles: which weights one pass of the array holds, and with which mask.
//!
//! A tile is one pass over a pixel block with `rows x cols` weights: `rows` channel pairs of one word, the channels of
//! one group in the columns. What the lanes of a word hold is the caller's business: an [`Anchor`] names the kernel tap
//! behind every lane, so that packed first layers and plain ones are tiled alike.

use std::ops::Range;

mod diagonal;
mod grouped;

pub(crate) use diagonal::{diagonal_groups, identity_groups, n_stored_rows, window_groups};
pub(crate) use grouped::grouped_groups;

use ndarray::Array4;
use spec::{ArrayConfig, WeightRow};

use crate::options::Schedule;

/// One weight of a kernel, without its output channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Tap {
    pub(crate) ky: usize,
    pub(crate) kx: usize,
    pub(crate) channel: usize,
}

/// A word that is streamed at a kernel position, and the kernel tap that each of its `2 * rows` lanes serves there.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    pub(crate) word: usize,
    pub(crate) ky: usize,
    pub(crate) kx: usize,
    pub(crate) lanes: Vec<Option<Tap>>,
}

/// One pass: weights, and the lane that each row takes in the first section of columns.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    pub(crate) word: usize,
    pub(crate) ky: usize,
    pub(crate) kx: usize,
    pub(crate) mask: u16,
    pub(crate) active: usize,
    pub(crate) weights: Weights,
}

/// What a pass multiplies with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Weights {
    /// One of `cols` weights a row, with the crossings that its sections want.
    Rows(Vec<WeightRow>),
    /// One weight a row: that of column `2 * (column + row)`, or of the next where the mask says odd.
    Diagonal { column: i64, row: Vec<i8> },
}

/// The anchors of a map in natural order (channel `k` in byte `k % word_channels` of word `k / word_channels`): words
/// outer, taps inner, so that what the previous layer writes last is read last. Taps are `dilation` rows and columns apart.
pub(crate) fn natural_anchors(
    weight: &Array4<i8>,
    dilation: [usize; 2],
    config: &ArrayConfig,
) -> Vec<Anchor> {
    let (_, height, width, channels) = weight.dim();
    let n_lanes = config.word_channels();
    let mut anchors = Vec::new();
    for word in 0..channels.div_ceil(n_lanes) {
        for (ky, kx) in itertools::iproduct!(0..height, 0..width) {
            let lanes = (word * n_lanes..(word + 1) * n_lanes)
                .map(|channel| (channel < channels).then_some(Tap { ky, kx, channel }))
                .collect();
            let (ky, kx) = (ky * dilation[0], kx * dilation[1]);
            anchors.push(Anchor { word, ky, kx, lanes });
        }
    }
    anchors
}

/// The tiles of every channel group: `weight` and `kept` are `[out_channels, height, width, in_channels]`.
pub(crate) fn tile_groups(
    weight: &Array4<i8>,
    kept: &Array4<bool>,
    anchors: &[Anchor],
    config: &ArrayConfig,
    schedule: Schedule,
) -> Vec<Vec<Tile>> {
    let n_channels = weight.dim().0;
    (0..n_channels)
        .step_by(config.group_channels())
        .map(|first| {
            let end = (first + config.group_channels()).min(n_channels);
            let group = Group { weight, kept, first, end, config };
            let mut tiles: Vec<Tile> =
                anchors.iter().flat_map(|anchor| group.tiles(anchor, schedule)).collect();
            if tiles.is_empty() {
                tiles.push(group.even(&anchors[0]));
            }
            tiles
        })
        .collect()
}

/// The tiles that move each of `channels` channels up by `lead`; one group's weights are made at a time, as all of them
/// would be as many as the square of the channels.
pub(crate) fn shifted_groups(channels: usize, lead: usize, config: &ArrayConfig) -> Vec<Vec<Tile>> {
    let n_lanes = config.word_channels();
    let group = |first: usize| {
        let end = (first + config.group_channels()).min(lead + channels);
        let first_word = first.saturating_sub(lead) / n_lanes;
        let base = first_word * n_lanes;
        let n_inputs = (end - lead).next_multiple_of(n_lanes).min(channels) - base;
        let weight =
            Array4::from_shape_fn((end - first, 1, 1, n_inputs), |(output, _, _, input)| {
                i8::from(first + output == lead + base + input)
            });
        let kept = weight.mapv(|_| false);
        let anchors = natural_anchors(&weight, [1; 2], config);
        let tiles = tile_groups(&weight, &kept, &anchors, config, Schedule::Sparse);
        let shifted = |tile: Tile| Tile { word: tile.word + first_word, ..tile };
        tiles.into_iter().flatten().map(shifted).collect()
    };
    (0..lead + channels).step_by(config.group_channels()).map(group).collect()
}

struct Group<'a> {
    weight: &'a Array4<i8>,
    kept: &'a Array4<bool>,
    first: usize,
    end: usize,
    config: &'a ArrayConfig,
}

impl Group<'_> {
    fn tiles(&self, anchor: &Anchor, schedule: Schedule) -> Vec<Tile> {
        let lanes = &anchor.lanes;
        let parity = |tested: &dyn Fn(Tap) -> bool, parity: usize| {
            lanes.iter().skip(parity).step_by(2).flatten().any(|tap| tested(*tap))
        };
        let both = |tested: &dyn Fn(Tap) -> bool| {
            let even = parity(tested, 0).then(|| self.even(anchor));
            even.into_iter().chain(parity(tested, 1).then(|| self.odd(anchor))).collect()
        };
        if schedule == Schedule::Dense {
            return both(&|_| true);
        }
        let survives =
            |tap: Tap| self.any(self.first..self.end, tap, |index| self.weight[index] != 0);
        if !lanes.iter().flatten().any(|tap| survives(*tap)) {
            return Vec::new();
        }
        match self.half_pruned(anchor) {
            Some(tile) => vec![tile],
            None => both(&survives),
        }
    }

    /// The only pass of an anchor, if no section of columns has two survivors in a pair.
    fn half_pruned(&self, anchor: &Anchor) -> Option<Tile> {
        let sections: Vec<Range<usize>> = self.sections().collect();
        let takes_odd = |pair: &[Option<Tap>], outputs: &Range<usize>| {
            let any = |lane: usize, test: &dyn Fn([usize; 4]) -> bool| {
                pair[lane].is_some_and(|tap| self.any(outputs.clone(), tap, test))
            };
            let survives = [0, 1].map(|lane| any(lane, &|index| self.weight[index] != 0));
            let keeps = |lane: usize| any(lane, &|index| self.kept[index]);
            match survives {
                [true, true] => None,
                [false, false] => Some(keeps(1) && !keeps(0)),
                [_, odd] => Some(odd),
            }
        };
        let rows: Option<Vec<Vec<bool>>> = anchor
            .lanes
            .chunks(2)
            .map(|pair| sections.iter().map(|outputs| takes_odd(pair, outputs)).collect())
            .collect();
        rows.map(|rows| self.pass(anchor, |row, section| usize::from(rows[row][section])))
    }

    fn even(&self, anchor: &Anchor) -> Tile {
        self.pass(anchor, |_, _| 0)
    }

    fn odd(&self, anchor: &Anchor) -> Tile {
        self.pass(anchor, |_, _| 1)
    }

    /// The output channels of each section of columns that has any.
    fn sections(&self) -> impl Iterator<Item = Range<usize>> {
        let n = self.config.mask_columns();
        (self.first..self.end).step_by(n).map(move |first| first..(first + n).min(self.end))
    }

    fn any(&self, outputs: Range<usize>, tap: Tap, test: impl Fn([usize; 4]) -> bool) -> bool {
        outputs.into_iter().any(|output| test([output, tap.ky, tap.kx, tap.channel]))
    }

    /// The pass in which a row and section take this channel of their pair.
    fn pass(&self, anchor: &Anchor, odd: impl Fn(usize, usize) -> usize) -> Tile {
        let (mut mask, mut active) = (0, 0);
        let mut rows = Vec::with_capacity(self.config.rows());
        for (row, pair) in anchor.lanes.chunks(2).enumerate() {
            let mut stored = WeightRow::from(vec![0; self.config.cols()]);
            for (section, outputs) in self.sections().enumerate() {
                let taken = odd(row, section);
                match section {
                    0 => mask |= (taken as u16) << row,
                    _ => {
                        let crossing = taken ^ odd(row, section - 1);
                        stored.crossings |= (crossing as u32) << (section - 1);
                    }
                }
                let Some(tap) = pair[taken] else { continue };
                for output in outputs {
                    let index = [output, tap.ky, tap.kx, tap.channel];
                    stored.weights[output - self.first] = self.weight[index];
                    active += usize::from(self.kept[index]);
                }
            }
            rows.push(stored);
        }
        let weights = Weights::Rows(rows);
        Tile { word: anchor.word, ky: anchor.ky, kx: anchor.kx, mask, active, weights }
    }
}

#[cfg(test)]
impl Tile {
    /// Which channel of its pair array row `row` takes in a section of columns.
    pub(crate) fn takes_odd(&self, row: usize, section: usize) -> usize {
        let crossings = match &self.weights {
            Weights::Rows(rows) => rows[row].crossings & ((1 << section) - 1),
            Weights::Diagonal { .. } => 0,
        };
        (usize::from(self.mask >> row & 1) + crossings.count_ones() as usize) % 2
    }

    /// What array row `row` multiplies with for column `col`.
    pub(crate) fn weight(&self, row: usize, col: usize) -> i8 {
        match &self.weights {
            Weights::Rows(rows) => rows[row].weights[col],
            Weights::Diagonal { column, row: stored } => {
                let kept = 2 * (column + row as i64) + i64::from(self.mask >> row & 1);
                if kept == col as i64 { stored[col] } else { 0 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use itertools::iproduct;
    use spec::{Memories, Pattern, Sparsity, kept_positions};

    fn config(rows: usize, cols: usize) -> ArrayConfig {
        ArrayConfig::new(rows, cols, Memories::default()).unwrap()
    }

    /// Non-zero everywhere, different for neighbors.
    fn dense(shape: [usize; 4]) -> Array4<i8> {
        let mut next = 0u8;
        Array4::from_shape_simple_fn(shape, || {
            next = next.wrapping_add(37);
            if next == 0 { -128 } else { next as i8 }
        })
    }

    fn prune(weight: &Array4<i8>, keeps_odd: impl Fn([usize; 4]) -> bool) -> Array4<i8> {
        let mut pruned = weight.clone();
        for ((output, ky, kx, channel), value) in pruned.indexed_iter_mut() {
            if keeps_odd([output, ky, kx, channel / 2]) != (channel % 2 == 1) {
                *value = 0;
            }
        }
        pruned
    }

    fn tiles_of(
        weight: &Array4<i8>,
        pattern: Pattern,
        config: &ArrayConfig,
        schedule: Schedule,
    ) -> Vec<Vec<Tile>> {
        let kept = kept_positions(weight, Sparsity { pattern, group: config.group_channels() });
        tile_groups(weight, &kept, &natural_anchors(weight, [1; 2], config), config, schedule)
    }

    /// Adds every tile's weights back to the positions that its mask selects.
    fn rebuild(weight: &Array4<i8>, groups: &[Vec<Tile>], config: &ArrayConfig) -> Array4<i32> {
        let mut sum = Array4::zeros(weight.dim());
        let (n_outputs, _, _, n_inputs) = weight.dim();
        for (group, tiles) in groups.iter().enumerate() {
            for tile in tiles {
                for (row, col) in iproduct!(0..config.rows(), 0..config.cols()) {
                    let output = group * config.group_channels() + col;
                    let input = tile.word * config.word_channels()
                        + 2 * row
                        + tile.takes_odd(row, col / config.mask_columns());
                    let value = i32::from(tile.weight(row, col));
                    if col < config.group_channels() && output < n_outputs && input < n_inputs {
                        sum[[output, tile.ky, tile.kx, input]] += value;
                    } else {
                        assert_eq!(value, 0, "a weight without a position");
                    }
                }
            }
        }
        sum
    }

    #[test]
    fn every_weight_is_in_exactly_one_tile() {
        for (rows, cols) in [(2, 2), (3, 5), (8, 16), (16, 32), (5, 7)] {
            let config = config(rows, cols);
            for (n_outputs, n_inputs, kernel) in
                iproduct!([1, 3, 17, 40], [1, 2, 7, 16, 33], [1, 3])
            {
                let weight = dense([n_outputs, kernel, kernel, n_inputs]);
                let fixed = prune(&weight, |[_, ky, kx, pair]| (pair + ky * kernel + kx) % 2 == 1);
                let shared = prune(&weight, |[output, ky, kx, pair]| {
                    (output / config.group_channels() * 5 + ky * 3 + kx * 7 + pair) % 3 == 1
                });
                let free = prune(&weight, |[output, ky, kx, pair]| {
                    (output * 5 + ky * 3 + kx * 7 + pair) % 3 == 1
                });
                let cases = [
                    (&weight, Pattern::Dense, 2),
                    (&fixed, Pattern::UhpFixed, 1),
                    (&shared, Pattern::UhpShared, 1),
                    (&free, Pattern::UhpFree, 2),
                    (&free, Pattern::Unstructured, 2),
                ];
                for ((weight, pattern, most), schedule) in
                    iproduct!(cases, [Schedule::Sparse, Schedule::Dense])
                {
                    let groups = tiles_of(weight, pattern, &config, schedule);
                    assert_eq!(
                        rebuild(weight, &groups, &config),
                        weight.mapv(i32::from),
                        "{pattern:?}"
                    );
                    let n_anchors = natural_anchors(weight, [1; 2], &config).len();
                    assert_eq!(groups.len(), n_outputs.div_ceil(config.group_channels()));
                    for tiles in &groups {
                        assert!(
                            schedule == Schedule::Dense || tiles.len() <= most * n_anchors,
                            "{pattern:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn masks_of_a_section_take_one_pass_and_no_wider_ones() {
        for (rows, cols, lanes, mask_columns) in
            [(8, 16, 4, 8), (8, 16, 8, 1), (4, 32, 8, 16), (3, 5, 2, 2), (2, 9, 4, 3)]
        {
            let config = config(rows, cols).with_lanes(lanes).unwrap();
            let sectioned = config.clone().with_mask_columns(mask_columns).unwrap();
            let weight = dense([40, 3, 3, 19]);
            // Channels of a section keep the same of each pair; sections begin at each channel group.
            let section = |output: usize| {
                let tile = config.group_channels();
                output / tile * cols + output % tile / mask_columns
            };
            let pruned = prune(&weight, |[output, ky, kx, pair]| {
                (section(output) * 5 + ky * 3 + kx * 7 + pair * 2) % 3 == 1
            });
            let kept = pruned.mapv(|weight| weight != 0);
            let anchors = natural_anchors(&pruned, [1; 2], &config);
            let n_tiles = |config: &ArrayConfig| -> usize {
                let groups = tile_groups(&pruned, &kept, &anchors, config, Schedule::Sparse);
                let rebuilt = rebuild(&pruned, &groups, config);
                assert_eq!(rebuilt, pruned.mapv(i32::from), "{config:?}");
                let active: usize = groups.iter().flatten().map(|tile| tile.active).sum();
                assert_eq!(active, kept.iter().filter(|kept| **kept).count());
                groups.iter().map(Vec::len).sum()
            };
            let n_words = anchors.len() * 40_usize.div_ceil(config.group_channels());
            assert_eq!(n_tiles(&sectioned), n_words, "{rows} x {cols} by {mask_columns}");
            assert!(n_tiles(&config) > n_words * 5 / 4, "{rows} x {cols}");
            let groups = tile_groups(&pruned, &kept, &anchors, &sectioned, Schedule::Dense);
            let mut tiles = groups.iter().flatten();
            let is_plain = |tile: &Tile| match &tile.weights {
                Weights::Rows(rows) => rows.iter().all(|row| row.crossings == 0),
                Weights::Diagonal { .. } => false,
            };
            assert!(tiles.all(is_plain), "the dense schedule crosses nothing");
        }
    }

    #[test]
    fn active_positions_are_those_of_the_pattern() {
        let config = config(8, 16);
        let weight = dense([20, 3, 3, 24]);
        let shared =
            prune(&weight, |[output, ky, kx, pair]| (output / 16 + ky + kx + pair) % 3 == 1);
        for (weight, pattern) in [
            (&weight, Pattern::Dense),
            (&shared, Pattern::UhpShared),
            (&shared, Pattern::Unstructured),
        ] {
            let kept = kept_positions(weight, Sparsity { pattern, group: 16 });
            let n_kept = kept.iter().filter(|kept| **kept).count();
            let groups = tiles_of(weight, pattern, &config, Schedule::Sparse);
            assert_eq!(
                groups.iter().flatten().map(|tile| tile.active).sum::<usize>(),
                n_kept,
                "{pattern:?}"
            );
        }
        let free =
            kept_positions(&weight.mapv(|_| 0), Sparsity { pattern: Pattern::UhpFree, group: 0 });
        assert!(free[[0, 0, 0, 0]], "a pair of zeros keeps one position");
    }

    #[test]
    fn wide_layers_do_not_cost_the_square_of_their_channels() {
        let sparsity = Sparsity { pattern: Pattern::UhpShared, group: 65_535 };
        let kept = kept_positions(&Array4::zeros([65_535, 1, 1, 64]), sparsity);
        assert_eq!(kept.iter().filter(|kept| **kept).count(), 65_535 * 32);
    }

    #[test]
    fn empty_passes_are_dropped_but_one_a_group() {
        let config = config(8, 16);
        let mut weight = Array4::zeros([32, 3, 3, 16]);
        weight[[20, 1, 2, 5]] = -128;
        let groups = tiles_of(&weight, Pattern::Dense, &config, Schedule::Sparse);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
        let tile = &groups[1][0];
        assert_eq!((tile.ky, tile.kx, tile.mask), (1, 2, 1 << 2));
        assert_eq!(tile.weight(2, 4), -128);
        assert_eq!(tiles_of(&weight, Pattern::Dense, &config, Schedule::Dense)[0].len(), 18);
    }
}
