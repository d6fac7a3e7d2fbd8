//! How the loader packs the input into the words of bank 0, and what that saves the first layer.
//!
//! | layout | a word holds |
//! |---|---|
//! | natural | the channels of a pixel |
//! | spread | the channels of a pixel, one a pair |
//! | rows | taps of one kernel row, used by every kernel row; odd lanes and further words: what is left of all rows |
//! | patches | every tap of an output pixel; the map has one packed pixel an output pixel |
//!
//! All but the natural one fit only the kernel that they were made for, so they need an input that one convolution
//! alone reads. The layout with the fewest passes wins.

use spec::isa::{FieldError, Lane};
use spec::{ArrayConfig, Conv, InputSpec, Shape, kept_positions};

use crate::Schedule;
use crate::layouts::layouts;
use crate::tiling::{Tile, tile_groups};

/// How a layer walks a map: pixels and words of the map, and where the kernel's tap 0 falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) words: usize,
    pub(crate) stride: usize,
    pub(crate) pad_top: usize,
    pub(crate) pad_left: usize,
}

/// A byte of a packed pixel: a channel of the input map, some pixels away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) dy: isize,
    pub(crate) dx: isize,
    pub(crate) channel: usize,
}

/// What the loader does with an image.
#[derive(Clone, Debug)]
pub(crate) struct Loader {
    /// Rows and columns of packed pixels.
    pub(crate) grid: (usize, usize),
    /// Pixels of the input map between neighboring packed pixels.
    pub(crate) step: usize,
    /// For each word of a packed pixel, its bytes.
    pub(crate) words: Vec<Vec<Option<Source>>>,
}

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
}

impl Loader {
    /// Pixels in natural order.
    pub(crate) fn natural(map: Shape, config: &ArrayConfig) -> Self {
        let n_lanes = config.word_channels();
        let lane = |channel| (channel < map.channels).then_some(Source { dy: 0, dx: 0, channel });
        let words = (0..map.channels.div_ceil(n_lanes))
            .map(|word| (word * n_lanes..(word + 1) * n_lanes).map(lane).collect())
            .collect();
        Self { grid: (map.height, map.width), step: 1, words }
    }

    /// Words of bank 0.
    pub(crate) fn n_words(&self) -> usize {
        self.grid.0 * self.grid.1 * self.words.len()
    }

    /// Image pixels between neighboring packed pixels.
    pub(crate) fn block(&self, input: &InputSpec) -> usize {
        self.step * input.space_to_depth
    }

    /// The lane table. A word ends with its last used lane.
    ///
    /// # Errors
    /// A byte too far away for its field.
    pub(crate) fn lane_table(&self, input: &InputSpec) -> Result<Vec<u32>, FieldError> {
        let mut table = Vec::new();
        for (index, word) in self.words.iter().enumerate() {
            let length = word.iter().rposition(Option::is_some).map_or(1, |last| last + 1);
            for (lane, source) in word[..length].iter().enumerate() {
                let word_end = lane + 1 == length;
                let pixel_end = word_end && index + 1 == self.words.len();
                let mut record = Lane { word_end, pixel_end, ..Lane::default() };
                if let Some(source) = source {
                    let block = input.space_to_depth;
                    let (position, channel) =
                        (source.channel / input.channels, source.channel % input.channels);
                    let dy = source.dy as i64 * block as i64 + (position / block) as i64;
                    let dx = source.dx as i64 * block as i64 + (position % block) as i64;
                    let offset =
                        (dy * input.width as i64 + dx) * input.channels as i64 + channel as i64;
                    record = Lane { dy, dx, offset, valid: true, ..record };
                }
                table.extend(record.encode()?);
            }
        }
        Ok(table)
    }

    /// Whether the memories hold it; where the answer is no, deeper memories may or can never.
    fn fits(&self, input: &InputSpec, config: &ArrayConfig) -> Fit {
        let memories = config.memories();
        match self.lane_table(input) {
            Err(_) => Fit::Never,
            Ok(table) if self.n_words() > memories.input || table.len() > memories.lane => {
                Fit::InDeeperMemories
            }
            Ok(_) => Fit::Now,
        }
    }
}

/// The packing with the fewest passes that fits, else the one with the fewest words, for an input that `conv` alone
/// reads. `output` is what is computed, before pooling.
///
/// A half-pruned layer's taps are packed in their pairs, which serves one of each a pass. Where the masks do not match
/// the array's columns such a word takes two passes, and the packing of the dense schedule may take fewer in all: then
/// that one is used. Pixel blocks are the same whatever the packing, so the fewest passes are the fewest cycles.
pub(crate) fn pack(
    input: &InputSpec,
    conv: &Conv,
    output: Shape,
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
            let fits = loader.fits(input, config);
            let (first, second) =
                if fits == Fit::Now { (n_passes, n_words) } else { (n_words, n_passes) };
            let cost = (fits, first, second);
            (cost, Packing { loader, view, groups }, anchors)
        });
        packings.min_by_key(|(cost, ..)| *cost).expect("the natural layout always exists")
    };
    let (cost, packing, _) = best(schedule);
    if schedule == Schedule::Dense {
        return packing;
    }
    let (dense_cost, dense, anchors) = best(Schedule::Dense);
    if cost <= dense_cost {
        return packing;
    }
    // Passes without a survivor are left out of this packing too.
    let groups = tile_groups(&conv.weight, &kept, &anchors, config, schedule);
    Packing { groups, ..dense }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;
    use spec::{Memories, Pattern, Sparsity};

    fn input(height: usize, width: usize, channels: usize, space_to_depth: usize) -> InputSpec {
        InputSpec { height, width, channels, space_to_depth, scale: 1.0, preprocess: None }
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
        Conv { weight, stride, padding, sparsity, residual: None, max_pool: false }
    }

    fn output(map: Shape, conv: &Conv) -> Shape {
        let (channels, kernel_height, kernel_width, _) = conv.weight.dim();
        let [top, bottom, left, right] = conv.padding;
        Shape {
            height: (map.height + top + bottom - kernel_height) / conv.stride + 1,
            width: (map.width + left + right - kernel_width) / conv.stride + 1,
            channels,
        }
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
            let packing =
                pack(&input, &conv, output(input.shape(), &conv), &config, Schedule::Sparse);
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
            pack(&input, &conv, output(input.shape(), &conv), &config, Schedule::Sparse).groups[0]
                .len()
        };
        assert_eq!(passes(with(2048, 512)), 19);
        assert_eq!(passes(with(2048, 8)), 49);
        assert_eq!(passes(with(256, 512)), 49);
    }

    #[test]
    fn space_to_depth_reads_the_right_bytes() {
        let input = input(8, 8, 2, 4);
        let config = ArrayConfig::default();
        let loader = Loader::natural(input.shape(), &config);
        let table = loader.lane_table(&input).unwrap();
        assert_eq!(table.len(), 32);
        let lane = |dy, dx, offset, word_end, pixel_end| Lane {
            offset,
            dy,
            dx,
            valid: true,
            word_end,
            pixel_end,
        };
        assert_eq!(Lane::decode(&[table[0]]), lane(0, 0, 0, false, false));
        let end_of_word = lane(1, 3, 8 * 2 + 3 * 2 + 1, true, false);
        assert_eq!(Lane::decode(&[table[15]]), end_of_word);
        assert_eq!(Lane::decode(&[table[31]]), lane(3, 3, 3 * 16 + 3 * 2 + 1, true, true));
    }
}
