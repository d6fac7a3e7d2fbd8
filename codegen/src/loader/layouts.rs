//! The layouts of a packed input: which kernel tap each lane of a word serves, and where.
//!
//! The taps of a half-pruned layer are packed in their pairs, whose survivor the tile's mask picks: one pass a word,
//! however the weights lie. Those of any other layer fill even and odd lanes alike, a pass each.

mod blocks;

use std::collections::{BTreeSet, HashMap};

use itertools::iproduct;
use spec::{ArrayConfig, Conv, InputSpec, Pattern, Shape};

use super::packed::{Loader, Source, View};
use crate::options::Schedule;
use crate::tiling::{Anchor, Tap, natural_anchors};

/// What the loader does, how the layer walks the result, and what its lanes serve.
pub(super) type Layout = (Loader, View, Vec<Anchor>);

type Word = Vec<Option<Tap>>;

/// Every layout that computes `conv`; the natural one is first. `output` is what is computed, before pooling.
pub(super) fn layouts(
    input: &InputSpec,
    conv: &Conv,
    output: Shape,
    config: &ArrayConfig,
    schedule: Schedule,
) -> Vec<Layout> {
    let layouter = Layouter::new(input, conv, output, config, schedule);
    layouter.all().into_iter().flatten().collect()
}

struct Layouter<'a> {
    input: Shape,
    space_to_depth: usize,
    conv: &'a Conv,
    output: Shape,
    config: &'a ArrayConfig,
    /// The taps come in pairs, and a pass serves one of each.
    paired: bool,
    /// All taps of a half-pruned layer, so that the layout does not depend on its weights; else those that some output
    /// channel uses.
    taps: Vec<Tap>,
}

impl<'a> Layouter<'a> {
    fn new(
        input: &InputSpec,
        conv: &'a Conv,
        output: Shape,
        config: &'a ArrayConfig,
        schedule: Schedule,
    ) -> Self {
        let paired = schedule == Schedule::Sparse
            && matches!(conv.sparsity.pattern, Pattern::UhpFixed | Pattern::UhpShared);
        let (n_outputs, height, width, channels) = conv.weight.dim();
        let used = |tap: &Tap| {
            paired
                || schedule == Schedule::Dense
                || (0..n_outputs)
                    .any(|output| conv.weight[[output, tap.ky, tap.kx, tap.channel]] != 0)
        };
        let taps = iproduct!(0..height, 0..width, 0..channels)
            .map(|(ky, kx, channel)| Tap { ky, kx, channel })
            .filter(used)
            .collect();
        Self {
            input: input.shape(),
            space_to_depth: input.space_to_depth,
            conv,
            output,
            config,
            paired,
            taps,
        }
    }

    fn all(&self) -> [Option<Layout>; 5] {
        [Some(self.natural()), self.spread(), self.rows(), self.patches(), self.blocks()]
    }

    fn view(&self, words: usize) -> View {
        let [pad_top, _, pad_left, _] = self.conv.padding;
        let Shape { height, width, .. } = self.input;
        View { height, width, words, stride: self.conv.stride, pad_top, pad_left }
    }

    fn natural(&self) -> Layout {
        let loader = Loader::natural(self.input, self.config);
        let view = self.view(loader.words.len());
        (loader, view, natural_anchors(&self.conv.weight, self.conv.dilation, self.config))
    }

    fn spread(&self) -> Option<Layout> {
        let channels = self.input.channels;
        if channels > self.config.rows() {
            return None;
        }
        let spread =
            |lane: usize| (lane.is_multiple_of(2) && lane / 2 < channels).then_some(lane / 2);
        let lanes = || (0..self.config.word_channels()).map(spread);
        let word =
            lanes().map(|lane| lane.map(|channel| Source { dy: 0, dx: 0, channel })).collect();
        let (_, height, width, _) = self.conv.weight.dim();
        let [dilation_y, dilation_x] = self.conv.dilation;
        let anchors = iproduct!(0..height, 0..width)
            .map(|(ky, kx)| {
                let lanes =
                    lanes().map(|lane| lane.map(|channel| Tap { ky, kx, channel })).collect();
                Anchor { word: 0, ky: ky * dilation_y, kx: kx * dilation_x, lanes }
            })
            .collect();
        let grid = (self.input.height, self.input.width);
        Some((Loader { grid, step: 1, words: vec![word] }, self.view(1), anchors))
    }

    /// The first word serves each kernel row in turn; what does not fit there is read once, at the kernel's center. Taps are
    /// neighbors.
    fn rows(&self) -> Option<Layout> {
        if self.conv.dilation != [1; 2] {
            return None;
        }
        let (_, kernel_height, _, _) = self.conv.weight.dim();
        let row = self.row_lanes();
        let rest: Vec<Tap> = self
            .taps
            .iter()
            .copied()
            .filter(|tap| !row.contains(&Some((tap.kx, tap.channel))))
            .collect();
        let Shape { height, width, .. } = self.input;
        let [pad_top, _, pad_left, _] = self.conv.padding;
        let [stride_y, stride_x] = self.conv.stride;
        let across =
            Axis { size: width, outputs: self.output.width, stride: stride_x, padding: pad_left };
        let center_x = across.center(&self.taps.iter().map(|tap| tap.kx).collect())?;
        let down =
            Axis { size: height, outputs: self.output.height, stride: stride_y, padding: pad_top };
        let center_y = down.center(&rest.iter().map(|tap| tap.ky).collect())?;

        let extra = self.rest_words(&rest);
        let mut words: Vec<Vec<Option<Source>>> =
            extra.iter().map(|word| sources(word, center_y, center_x)).collect();
        let row_at = |ky: usize| {
            row.iter().map(move |lane| lane.map(|(kx, channel)| Tap { ky, kx, channel }))
        };
        let merge = |word: &Word, ky: usize| -> Word {
            word.iter().zip(row_at(ky)).map(|(extra, row)| extra.or(row)).collect()
        };
        words[0] = sources(&merge(&extra[0], center_y), center_y, center_x);
        let no_extra = vec![None; self.config.word_channels()];
        let mut anchors: Vec<Anchor> = (0..kernel_height)
            .map(|ky| {
                let extra = if ky == center_y { &extra[0] } else { &no_extra };
                Anchor { word: 0, ky, kx: center_x, lanes: merge(extra, ky) }
            })
            .collect();
        let further = extra.into_iter().enumerate().skip(1);
        anchors.extend(further.map(|(word, lanes)| Anchor {
            word,
            ky: center_y,
            kx: center_x,
            lanes,
        }));
        let n_words = words.len();
        Some((Loader { grid: (height, width), step: 1, words }, self.view(n_words), anchors))
    }

    /// Column and channel that each lane of the first word serves in every kernel row: even lanes, or pairs.
    fn row_lanes(&self) -> Vec<Option<(usize, usize)>> {
        let mut lanes = vec![None; self.config.word_channels()];
        let mut columns: Vec<(usize, usize)> =
            self.taps.iter().map(|tap| (tap.kx, tap.channel)).collect();
        columns.sort_unstable();
        columns.dedup();
        if self.paired {
            let columns = columns.into_iter();
            for (lane, column) in
                pair_lanes(columns, |(kx, channel)| (kx, channel / 2), |(_, channel)| channel % 2)
            {
                if let Some(lane) = lanes.get_mut(lane) {
                    *lane = Some(column);
                }
            }
        } else {
            for (lane, column) in lanes.iter_mut().step_by(2).zip(columns) {
                *lane = Some(column);
            }
        }
        lanes
    }

    /// Taps that the first word's rows leave over: in its odd lanes, then in further words; pairs in further words only.
    fn rest_words(&self, rest: &[Tap]) -> Vec<Word> {
        let (rows, n_lanes) = (self.config.rows(), self.config.word_channels());
        let mut words: Vec<Word> = vec![vec![None; n_lanes]];
        let mut set = |position: usize, tap: Tap| {
            let word = position / n_lanes;
            if word >= words.len() {
                words.resize(word + 1, vec![None; n_lanes]);
            }
            words[word][position % n_lanes] = Some(tap);
        };
        if self.paired {
            tap_pair_lanes(rest).for_each(|(lane, tap)| set(n_lanes + lane, tap));
        } else {
            for (index, tap) in rest.iter().enumerate() {
                let (word, odd) = ((index / rows).div_ceil(2), (index / rows + 1) % 2);
                set(word * n_lanes + 2 * (index % rows) + odd, *tap);
            }
        }
        words
    }

    fn patches(&self) -> Option<Layout> {
        // The loader has one step for rows and columns.
        let [stride, stride_x] = self.conv.stride;
        let is_square = stride == stride_x && self.conv.dilation == [1; 2];
        if !is_square || stride * self.space_to_depth > 8 {
            return None;
        }
        let (rows, n_lanes) = (self.config.rows(), self.config.word_channels());
        let lanes: Vec<(usize, Tap)> = if self.paired {
            tap_pair_lanes(&self.taps).collect()
        } else {
            let taps = self.taps.iter().enumerate();
            taps.map(|(index, tap)| (spread_lane(index, rows), *tap)).collect()
        };
        let n_words = lanes.iter().map(|(lane, _)| lane / n_lanes + 1).max().unwrap_or(1);
        let mut taps: Vec<Word> = vec![vec![None; n_lanes]; n_words];
        for (lane, tap) in lanes {
            taps[lane / n_lanes][lane % n_lanes] = Some(tap);
        }
        let [pad_top, _, pad_left, _] = self.conv.padding;
        let words = taps.iter().map(|word| sources(word, pad_top, pad_left)).collect();
        let anchors = taps
            .into_iter()
            .enumerate()
            .map(|(word, lanes)| Anchor { word, ky: 0, kx: 0, lanes })
            .collect();
        let (height, width) = (self.output.height, self.output.width);
        let view = View { height, width, words: n_words, stride: [1; 2], pad_top: 0, pad_left: 0 };
        Some((Loader { grid: (height, width), step: stride, words }, view, anchors))
    }
}

/// The lane of an item that no other is a pair with: even lanes of a word before odd ones, since each parity takes a pass.
fn spread_lane(index: usize, rows: usize) -> usize {
    index / (2 * rows) * 2 * rows + 2 * (index % rows) + index / rows % 2
}

/// The bytes that serve `word`, relative to the kernel position (`ky`, `kx`).
fn sources(word: &Word, ky: usize, kx: usize) -> Vec<Option<Source>> {
    let source = |tap: &Tap| Source {
        dy: tap.ky as isize - ky as isize,
        dx: tap.kx as isize - kx as isize,
        channel: tap.channel,
    };
    word.iter().map(|tap| tap.as_ref().map(source)).collect()
}

fn tap_pair_lanes(taps: &[Tap]) -> impl Iterator<Item = (usize, Tap)> {
    pair_lanes(taps.iter().copied(), |tap| (tap.ky, tap.kx, tap.channel / 2), |tap| tap.channel % 2)
}

/// Gives the members of a pair neighboring lanes, pairs in the order of their first member.
fn pair_lanes<T: Copy, K: std::hash::Hash + Eq>(
    items: impl Iterator<Item = T>,
    pair: impl Fn(T) -> K,
    side: impl Fn(T) -> usize,
) -> impl Iterator<Item = (usize, T)> {
    let mut pairs: HashMap<K, usize> = HashMap::new();
    items.map(move |item| {
        let n_pairs = pairs.len();
        (2 * *pairs.entry(pair(item)).or_insert(n_pairs) + side(item), item)
    })
}

/// One direction of a convolution.
struct Axis {
    size: usize,
    outputs: usize,
    stride: usize,
    padding: usize,
}

impl Axis {
    /// A kernel position that lies inside the map whenever any of `positions` does: a word outside reads as zero, so the
    /// word that carries its neighbors must be inside.
    fn center(&self, positions: &BTreeSet<usize>) -> Option<usize> {
        let Some(last) = positions.last() else { return Some(0) };
        let inside = |output: usize, position: usize| {
            (self.padding..self.padding + self.size).contains(&(output * self.stride + position))
        };
        let holds = |center: usize| {
            (0..self.outputs).all(|output| {
                inside(output, center)
                    || !positions.iter().any(|position| inside(output, *position))
            })
        };
        [self.padding.min(*last)].into_iter().chain(0..=*last).find(|center| holds(*center))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loader::convolved;
    use crate::tiling::tile_groups;
    use ndarray::{Array3, Array4};
    use spec::{Memories, Sparsity, fixed_channel, kept_positions};

    fn conv(
        pattern: Pattern,
        kernel: [usize; 2],
        channels: usize,
        stride: usize,
        padding: [usize; 4],
    ) -> Conv {
        let mut next = 0u8;
        let weight =
            Array4::from_shape_fn([5, kernel[0], kernel[1], channels], |(_, ky, kx, channel)| {
                next = next.wrapping_add(91);
                let kept = fixed_channel(channel / 2, ky * kernel[1] + kx) == channel;
                if kept || pattern == Pattern::Dense { next as i8 } else { 0 }
            });
        let sparsity = Sparsity { pattern, group: 0 };
        Conv { stride: [stride; 2], padding, sparsity, ..Conv::new(weight) }
    }

    /// What the accelerator sums up from the packed words.
    fn packed_sums(
        map: &Array3<i8>,
        layout: &Layout,
        conv: &Conv,
        output: Shape,
        config: &ArrayConfig,
    ) -> Array3<i32> {
        let (loader, view, anchors) = layout;
        let at = |y: isize, x: isize, channel: usize| {
            let inside = y >= 0 && x >= 0 && y < map.dim().0 as isize && x < map.dim().1 as isize;
            if inside { map[[y as usize, x as usize, channel]] } else { 0 }
        };
        let byte = |y: usize, x: usize, word: usize, lane: usize| {
            loader.words[word][lane].map_or(99, |source| {
                let (y, x) = ((y * loader.step) as isize, (x * loader.step) as isize);
                at(y + source.dy, x + source.dx, source.channel)
            })
        };
        assert_eq!(loader.grid, (view.height, view.width));
        assert_eq!(loader.words.len(), view.words);
        let kept = kept_positions(&conv.weight, conv.sparsity);
        let groups = tile_groups(&conv.weight, &kept, anchors, config, Schedule::Sparse);
        Array3::from_shape_fn((output.height, output.width, output.channels), |(oy, ox, k)| {
            let (group, col) = (k / config.group_channels(), k % config.group_channels());
            let mut sum = 0;
            for tile in &groups[group] {
                let y = (oy * view.stride[0] + tile.ky).wrapping_sub(view.pad_top);
                let x = (ox * view.stride[1] + tile.kx).wrapping_sub(view.pad_left);
                if y >= view.height || x >= view.width {
                    continue;
                }
                for row in 0..config.rows() {
                    let lane = 2 * row + usize::from(tile.mask >> row & 1);
                    sum +=
                        i32::from(byte(y, x, tile.word, lane)) * i32::from(tile.weight(row, col));
                }
            }
            sum
        })
    }

    fn plain_sums(map: &Array3<i8>, conv: &Conv, output: Shape) -> Array3<i32> {
        let (_, kernel_height, kernel_width, channels) = conv.weight.dim();
        let [top, _, left, _] = conv.padding;
        Array3::from_shape_fn((output.height, output.width, output.channels), |(oy, ox, k)| {
            iproduct!(0..kernel_height, 0..kernel_width, 0..channels)
                .map(|(ky, kx, channel)| {
                    let y = (oy * conv.stride[0] + ky).wrapping_sub(top);
                    let x = (ox * conv.stride[1] + kx).wrapping_sub(left);
                    let value = map.get([y, x, channel]).copied().unwrap_or(0);
                    i32::from(value) * i32::from(conv.weight[[k, ky, kx, channel]])
                })
                .sum()
        })
    }

    #[test]
    fn every_layout_computes_the_convolution() {
        let mut n_layouts = [0; 5];
        let sizes = [(8, 16), (2, 2), (3, 6), (16, 8)];
        let kernels = [[3, 3], [1, 1], [7, 7], [1, 5], [4, 2]];
        let paddings = [[0; 4], [1; 4], [3, 3, 3, 3], [0, 2, 5, 0], [6, 0, 0, 6]];
        let patterns = [Pattern::Dense, Pattern::UhpFixed];
        for ((rows, cols), kernel, padding, stride, channels, pattern) in
            iproduct!(sizes, kernels, paddings, 1..=4, [1, 3, 4], patterns)
        {
            let config = ArrayConfig::new(rows, cols, Memories::default()).unwrap();
            let input = InputSpec {
                height: 9,
                width: 7,
                channels,
                space_to_depth: 1,
                scale: 1.0,
                zero_point: 0,
                preprocess: None,
            };
            let conv = conv(pattern, kernel, channels, stride, padding);
            let output = convolved(input.shape(), &conv);
            let mut next = 0u8;
            let map = Array3::from_shape_simple_fn((9, 7, channels), || {
                next = next.wrapping_add(57);
                next as i8
            });
            let layouter = Layouter::new(&input, &conv, output, &config, Schedule::Sparse);
            let layouts = layouter.all();
            let expected = plain_sums(&map, &conv, output);
            for (index, layout) in layouts.iter().enumerate() {
                let Some(layout) = layout else { continue };
                n_layouts[index] += 1;
                let sums = packed_sums(&map, layout, &conv, output, &config);
                assert_eq!(
                    sums, expected,
                    "layout {index}, {kernel:?}, {padding:?}, stride {stride}, {rows}x{cols}"
                );
            }
        }
        assert!(n_layouts.iter().all(|n| *n > 200), "{n_layouts:?}");
    }

    #[test]
    fn pairs_take_one_pass_a_word_wherever_the_weights_lie() {
        let config = ArrayConfig::default();
        let input = InputSpec {
            height: 8,
            width: 8,
            channels: 4,
            space_to_depth: 1,
            scale: 1.0,
            zero_point: 0,
            preprocess: None,
        };
        let conv = conv(Pattern::UhpFixed, [3, 3], 4, 1, [1; 4]);
        let output = convolved(input.shape(), &conv);
        let layouter = Layouter::new(&input, &conv, output, &config, Schedule::Sparse);
        let kept = kept_positions(&conv.weight, conv.sparsity);
        for (layout, n_words, n_passes) in
            [(layouter.rows().unwrap(), 1, 3), (layouter.patches().unwrap(), 3, 3)]
        {
            let groups = tile_groups(&conv.weight, &kept, &layout.2, &config, Schedule::Sparse);
            assert_eq!((layout.0.words.len(), groups[0].len()), (n_words, n_passes));
        }
    }
}
