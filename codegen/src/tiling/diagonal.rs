//! Diagonal tiles: output channel `k` is made of input channel `k` alone, as depthwise convolutions, pools and copies want.
//!
//! One stored weight row serves a kernel position of a channel group, whatever the words and parities are that it takes.

use ndarray::{Array3, ArrayView3, s};
use spec::ArrayConfig;

use super::{Tile, Weights};
use crate::options::Schedule;

/// The tiles of every channel group of a depthwise kernel, `[channels, height, width]`, whose taps are `dilation` rows and
/// columns apart. Those that are `kept` count as useful.
pub(crate) fn diagonal_groups(
    weight: ArrayView3<'_, i8>,
    kept: ArrayView3<'_, bool>,
    dilation: [usize; 2],
    config: &ArrayConfig,
    schedule: Schedule,
) -> Vec<Vec<Tile>> {
    let channels = weight.dim().0;
    (0..channels)
        .step_by(config.group_channels())
        .map(|first| {
            let end = (first + config.group_channels()).min(channels);
            let group = Group {
                weight: weight.slice(s![first..end, .., ..]),
                kept: kept.slice(s![first..end, .., ..]),
                first,
                config,
            };
            let apart =
                |tile: Tile| Tile { ky: tile.ky * dilation[0], kx: tile.kx * dilation[1], ..tile };
            group.tiles(schedule).into_iter().map(apart).collect()
        })
        .collect()
}

/// The tiles that copy each of `channels` channels into a channel of its own; none of their weights is useful.
pub(crate) fn identity_groups(channels: usize, config: &ArrayConfig) -> Vec<Vec<Tile>> {
    window_groups(channels, [1; 2], config)
}

/// The tiles that add up the pixels in a window, each of `channels` channels by itself; none of their weights is useful.
pub(crate) fn window_groups(
    channels: usize,
    [height, width]: [usize; 2],
    config: &ArrayConfig,
) -> Vec<Vec<Tile>> {
    let ones = Array3::ones((channels, height, width));
    let kept = ones.mapv(|_| false);
    diagonal_groups(ones.view(), kept.view(), [1; 2], config, Schedule::Sparse)
}

/// Weight rows that the tiles of a layer store if they are diagonal.
pub(crate) fn n_stored_rows(groups: &[Vec<Tile>]) -> Option<usize> {
    let mut tiles = groups.iter().flatten().peekable();
    let mut n_rows = 0;
    while let Some(tile) = tiles.next() {
        if !tile.is_diagonal() {
            return None;
        }
        n_rows += usize::from(!tile.keeps_row(tiles.peek().copied()));
    }
    Some(n_rows)
}

impl Tile {
    pub(crate) fn is_diagonal(&self) -> bool {
        matches!(self.weights, Weights::Diagonal { .. })
    }

    /// Whether the next tile of the layer multiplies with the stored row of this one.
    pub(crate) fn keeps_row(&self, next: Option<&Self>) -> bool {
        match (&self.weights, next.map(|next| &next.weights)) {
            (Weights::Diagonal { row, .. }, Some(Weights::Diagonal { row: next, .. })) => {
                row == next
            }
            _ => false,
        }
    }
}

struct Group<'a> {
    /// Of the group's channels alone.
    weight: ArrayView3<'a, i8>,
    kept: ArrayView3<'a, bool>,
    first: usize,
    config: &'a ArrayConfig,
}

impl Group<'_> {
    fn tiles(&self, schedule: Schedule) -> Vec<Tile> {
        let (n_channels, height, width) = self.weight.dim();
        let n_lanes = self.config.word_channels();
        let words = self.first / n_lanes..(self.first + n_channels).div_ceil(n_lanes);
        let mut tiles = Vec::new();
        for (ky, kx) in itertools::iproduct!(0..height, 0..width) {
            for word in words.clone() {
                tiles.extend(self.masks(word, (ky, kx), schedule).map(|mask| {
                    let (weights, active) = self.row((ky, kx), word, mask);
                    Tile { word, ky, kx, mask, active, weights }
                }));
            }
        }
        if tiles.is_empty() {
            let (weights, active) = self.row((0, 0), words.start, 0);
            tiles.push(Tile { word: words.start, ky: 0, kx: 0, mask: 0, active, weights });
        }
        tiles
    }

    /// The masks of a word's passes: one where no pair of channels has two weights to multiply, else the even and the odd.
    fn masks(
        &self,
        word: usize,
        (ky, kx): (usize, usize),
        schedule: Schedule,
    ) -> impl Iterator<Item = u16> {
        let rows = self.config.rows();
        let column = self.column(word);
        let multiplied = |row: usize, odd: usize| {
            let channel = usize::try_from(2 * (column + row as i64) + odd as i64);
            let weight = channel.ok().and_then(|channel| self.weight.get((channel, ky, kx)));
            weight.is_some_and(|weight| schedule == Schedule::Dense || *weight != 0)
        };
        let parity = |odd: usize| (0..rows).any(|row| multiplied(row, odd));
        let odd_rows =
            (0..rows).filter(|row| multiplied(*row, 1)).fold(0, |mask, row| mask | 1 << row);
        let is_one = (0..rows).all(|row| !(multiplied(row, 0) && multiplied(row, 1)));
        let (even, odd) = (parity(0), parity(1));
        let all_odd = u16::MAX >> (16 - rows);
        let masks = match (even || odd, is_one) {
            (false, _) => [None, None],
            (true, true) => [Some(odd_rows), None],
            (true, false) => [even.then_some(0), odd.then_some(all_odd)],
        };
        masks.into_iter().flatten()
    }

    /// The stored row of a kernel position, and how many of its weights the pass multiplies.
    fn row(&self, (ky, kx): (usize, usize), word: usize, mask: u16) -> (Weights, usize) {
        let mut row = vec![0; self.config.cols()];
        for (weight, kernel) in row.iter_mut().zip(self.weight.outer_iter()) {
            *weight = kernel[(ky, kx)];
        }
        let column = self.column(word);
        let channel = |r: usize| 2 * (column + r as i64) + i64::from(mask >> r & 1);
        let is_kept = |r: &usize| {
            let channel = usize::try_from(channel(*r)).ok();
            channel.and_then(|channel| self.kept.get((channel, ky, kx))).is_some_and(|kept| *kept)
        };
        let rows = (0..self.config.rows()).filter(is_kept);
        (Weights::Diagonal { column, row }, rows.count())
    }

    /// Half of the column that belongs to channel 0 of the word.
    fn column(&self, word: usize) -> i64 {
        let first_of_word = (word * self.config.word_channels()) as i64;
        let distance = first_of_word - self.first as i64;
        assert!(distance % 2 == 0, "groups have an even number of channels");
        distance / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use itertools::iproduct;
    use spec::Memories;

    fn config(rows: usize, cols: usize) -> ArrayConfig {
        ArrayConfig::new(rows, cols, Memories::default()).unwrap()
    }

    fn all_kept(weight: &Array3<i8>, config: &ArrayConfig, schedule: Schedule) -> Vec<Vec<Tile>> {
        let kept = weight.mapv(|_| true);
        diagonal_groups(weight.view(), kept.view(), [1; 2], config, schedule)
    }

    /// Adds what every tile multiplies to the positions that it belongs to.
    fn rebuild(weight: &Array3<i8>, groups: &[Vec<Tile>], config: &ArrayConfig) -> Array3<i32> {
        let mut sum = Array3::zeros(weight.dim());
        for (group, tile) in groups
            .iter()
            .enumerate()
            .flat_map(|(group, tiles)| tiles.iter().map(move |t| (group, t)))
        {
            for (row, col) in iproduct!(0..config.rows(), 0..config.cols()) {
                let value = tile.weight(row, col);
                let output = group * config.group_channels() + col;
                let odd = usize::from(tile.mask >> row & 1);
                let input = tile.word * config.word_channels() + 2 * row + odd;
                if value != 0 {
                    assert_eq!(output, input, "a channel is made of another");
                    sum[[input, tile.ky, tile.kx]] += i32::from(value);
                }
            }
        }
        sum
    }

    #[test]
    fn every_weight_is_multiplied_once() {
        for (rows, cols) in [(2, 2), (3, 5), (4, 4), (8, 16), (16, 8), (16, 32), (5, 7)] {
            let config = config(rows, cols);
            for (channels, (height, width), zeros) in
                iproduct!([1, 2, 3, 16, 17, 40], [(1, 1), (3, 3), (2, 5)], [1, 3, 1000])
            {
                let weight = Array3::from_shape_fn((channels, height, width), |(c, y, x)| {
                    let n = (c * 7 + y * 3 + x) % 251;
                    if n % zeros == 0 { 0 } else { (n as i64 - 125) as i8 }
                });
                for schedule in [Schedule::Sparse, Schedule::Dense] {
                    let groups = all_kept(&weight, &config, schedule);
                    assert_eq!(groups.len(), channels.div_ceil(config.group_channels()));
                    assert_eq!(rebuild(&weight, &groups, &config), weight.mapv(i32::from));
                    assert!(groups.iter().all(|tiles| !tiles.is_empty()));
                    let active: usize = groups.iter().flatten().map(|tile| tile.active).sum();
                    assert!(active <= weight.len(), "{active} of {}", weight.len());
                    assert!(schedule == Schedule::Sparse || active == weight.len());
                }
            }
        }
    }

    #[test]
    fn both_parities_store_one_row() {
        let config = config(8, 16);
        let groups = all_kept(&Array3::ones((40, 3, 3)), &config, Schedule::Sparse);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [18, 18, 18]);
        assert_eq!(groups[0][0].weights, groups[0][1].weights);
        assert_eq!((groups[0][0].mask, groups[0][1].mask), (0, 0xff));
        assert_eq!((groups[0][0].active, groups[2][0].active), (8, 4));
    }

    #[test]
    fn a_pair_with_one_weight_takes_one_pass() {
        let config = config(8, 16);
        let weight =
            Array3::from_shape_fn((16, 1, 1), |(c, ..)| i8::from(c % 4 == 1 || c % 4 == 2));
        let groups = all_kept(&weight, &config, Schedule::Sparse);
        assert_eq!(groups[0].len(), 1);
        assert_eq!(groups[0][0].mask, 0b0101_0101);
    }

    #[test]
    fn wide_maps_do_not_cost_the_square_of_their_channels() {
        let config = config(8, 16);
        let groups = identity_groups(131_008, &config);
        assert_eq!(groups.len(), 131_008 / 16);
        let tile = &groups[8187][1];
        assert_eq!((tile.word, tile.mask, tile.active), (8187, 0xff, 0));
        assert_eq!(tile.weights, Weights::Diagonal { column: 0, row: vec![1; 16] });
    }
}
