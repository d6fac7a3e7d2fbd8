//! Convolutions in groups: ordinary tiles, of the words that a channel group reads.

use ndarray::Array4;
use spec::ArrayConfig;

use super::{Tile, natural_anchors, tile_groups};
use crate::options::Schedule;

/// The tiles of every channel group of a convolution in `groups`: `weight` and `kept` are `[out_channels, height, width,
/// in_channels / groups]`. The weights of one channel group are spread over its words at a time: all of them would be as many as
/// the square of the channels.
pub(crate) fn grouped_groups(
    weight: &Array4<i8>,
    kept: &Array4<bool>,
    groups: usize,
    dilation: [usize; 2],
    config: &ArrayConfig,
    schedule: Schedule,
) -> Vec<Vec<Tile>> {
    let (n_outputs, height, width, n_inputs) = weight.dim();
    let (n_of_group, n_lanes) = (n_outputs / groups, config.word_channels());
    let first_input = |output: usize| output / n_of_group * n_inputs;
    let group = |first: usize| {
        let end = (first + config.group_channels()).min(n_outputs);
        let first_word = first_input(first) / n_lanes;
        let base = first_word * n_lanes;
        let last = first_input(end - 1) + n_inputs;
        let n_read = last.next_multiple_of(n_lanes).min(groups * n_inputs) - base;
        let shape = (end - first, height, width, n_read);
        let own = |output: usize, input: usize| {
            (base + input).checked_sub(first_input(first + output)).filter(|own| *own < n_inputs)
        };
        let spread = Array4::from_shape_fn(shape, |(output, ky, kx, input)| {
            own(output, input).map_or(0, |input| weight[[first + output, ky, kx, input]])
        });
        let kept = Array4::from_shape_fn(shape, |(output, ky, kx, input)| {
            own(output, input).is_some_and(|input| kept[[first + output, ky, kx, input]])
        });
        let anchors = natural_anchors(&spread, dilation, config);
        let tiles = tile_groups(&spread, &kept, &anchors, config, schedule);
        let moved = |tile: Tile| Tile { word: tile.word + first_word, ..tile };
        tiles.into_iter().flatten().map(moved).collect()
    };
    (0..n_outputs).step_by(config.group_channels()).map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_groups_do_not_cost_the_square_of_their_channels() {
        let config = ArrayConfig::default();
        let weight = Array4::ones((65_534, 1, 1, 1));
        let kept = weight.mapv(|_| true);
        let groups = grouped_groups(&weight, &kept, 32_767, [1; 2], &config, Schedule::Sparse);
        assert_eq!(groups.len(), 65_534_usize.div_ceil(16));
        // Outputs 16 g to 16 g + 15 read inputs 8 g to 8 g + 7, half of a word.
        assert!(groups.iter().enumerate().all(|(g, tiles)| tiles.iter().all(|t| t.word == g / 2)));
        assert_eq!(groups.iter().flatten().map(|tile| tile.active).sum::<usize>(), 65_534);
    }
}
