//! How the loader packs the input into the words of bank 0, and what that saves the first layer.
//!
//! | layout | a word holds |
//! |---|---|
//! | natural | the channels of a pixel |
//! | spread | the channels of a pixel, one a pair |
//! | rows | even lanes: taps of one kernel row, used by every kernel row; odd lanes and further words: what is left of all rows |
//! | patches | every tap of an output pixel; the map has one packed pixel an output pixel |
//!
//! All but the natural one fit only the kernel that they were made for, so they need an input that one convolution
//! alone reads. The layout with the fewest passes wins.

use itertools::iproduct;
use spec::isa::{FieldError, Record, encode};
use spec::{ArrayConfig, Conv, InputSpec, Shape};

use crate::Schedule;
use crate::tiling::{Anchor, Tap, Tile, kept_positions, natural_anchors, tile_groups};

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
                let mut fields =
                    vec![("word_end", i64::from(word_end)), ("pixel_end", i64::from(pixel_end))];
                if let Some(source) = source {
                    let block = input.space_to_depth;
                    let (position, channel) =
                        (source.channel / input.channels, source.channel % input.channels);
                    let dy = source.dy as i64 * block as i64 + (position / block) as i64;
                    let dx = source.dx as i64 * block as i64 + (position % block) as i64;
                    let offset =
                        (dy * input.width as i64 + dx) * input.channels as i64 + channel as i64;
                    fields.extend([("dy", dy), ("dx", dx), ("offset", offset), ("valid", 1)]);
                }
                table.push(encode(Record::Lane, &fields)?[0]);
            }
        }
        Ok(table)
    }

    fn fits(&self, input: &InputSpec, config: &ArrayConfig) -> bool {
        let memories = config.memories();
        let table = self.lane_table(input);
        self.n_words() <= memories.input && table.is_ok_and(|table| table.len() <= memories.lane)
    }
}

/// The packing with the fewest passes that fits, else the one with the fewest words, for an input that `conv` alone
/// reads. `output` is what is computed, before pooling.
pub(crate) fn pack(
    input: &InputSpec,
    conv: &Conv,
    output: Shape,
    config: &ArrayConfig,
    schedule: Schedule,
) -> Packing {
    let packer =
        Packer { input: input.shape(), conv, output, config, taps: used_taps(conv, schedule) };
    let layouts = [Some(packer.natural()), packer.spread(), packer.rows(), packer.patches(input)];
    let kept = kept_positions(&conv.weight, conv.sparsity);
    let packings = layouts.into_iter().flatten().map(|(loader, view, anchors)| {
        let groups = tile_groups(&conv.weight, &kept, &anchors, config, schedule);
        Packing { loader, view, groups }
    });
    let cost = |packing: &Packing| {
        let n_words = packing.loader.n_words();
        let fits = packing.loader.fits(input, config);
        let n_passes = packing.groups.iter().map(Vec::len).sum();
        if fits { (0, n_passes, n_words) } else { (1, n_words, n_passes) }
    };
    packings.min_by_key(cost).expect("the natural layout always exists")
}

type Layout = (Loader, View, Vec<Anchor>);

struct Packer<'a> {
    input: Shape,
    conv: &'a Conv,
    output: Shape,
    config: &'a ArrayConfig,
    taps: Vec<Tap>,
}

fn used_taps(conv: &Conv, schedule: Schedule) -> Vec<Tap> {
    let (n_outputs, height, width, channels) = conv.weight.dim();
    let used = |tap: &Tap| {
        schedule == Schedule::Dense
            || (0..n_outputs).any(|output| conv.weight[[output, tap.ky, tap.kx, tap.channel]] != 0)
    };
    iproduct!(0..height, 0..width, 0..channels)
        .map(|(ky, kx, channel)| Tap { ky, kx, channel })
        .filter(used)
        .collect()
}

impl Packer<'_> {
    fn view(&self, words: usize) -> View {
        let [pad_top, _, pad_left, _] = self.conv.padding;
        let Shape { height, width, .. } = self.input;
        View { height, width, words, stride: self.conv.stride, pad_top, pad_left }
    }

    fn natural(&self) -> Layout {
        let loader = Loader::natural(self.input, self.config);
        let view = self.view(loader.words.len());
        (loader, view, natural_anchors(&self.conv.weight, self.config))
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
        let anchors = iproduct!(0..height, 0..width)
            .map(|(ky, kx)| {
                let lanes =
                    lanes().map(|lane| lane.map(|channel| Tap { ky, kx, channel })).collect();
                Anchor { word: 0, ky, kx, lanes }
            })
            .collect();
        let grid = (self.input.height, self.input.width);
        Some((Loader { grid, step: 1, words: vec![word] }, self.view(1), anchors))
    }

    fn rows(&self) -> Option<Layout> {
        let (rows, n_lanes) = (self.config.rows(), self.config.word_channels());
        let (_, kernel_height, _, _) = self.conv.weight.dim();
        let mut columns: Vec<(usize, usize)> =
            self.taps.iter().map(|tap| (tap.kx, tap.channel)).collect();
        columns.sort_unstable();
        columns.dedup();
        columns.truncate(rows);
        let rest: Vec<Tap> = self
            .taps
            .iter()
            .copied()
            .filter(|tap| !columns.contains(&(tap.kx, tap.channel)))
            .collect();
        let Shape { height, width, .. } = self.input;
        let [pad_top, _, pad_left, _] = self.conv.padding;
        let stride = self.conv.stride;
        let across = Axis { size: width, outputs: self.output.width, stride, padding: pad_left };
        let kx = across.center(&self.taps.iter().map(|tap| tap.kx).collect::<Vec<_>>())?;
        let down = Axis { size: height, outputs: self.output.height, stride, padding: pad_top };
        let center_y = down.center(&rest.iter().map(|tap| tap.ky).collect::<Vec<_>>())?;
        let source = |tap: &Tap| Source {
            dy: tap.ky as isize - center_y as isize,
            dx: tap.kx as isize - kx as isize,
            channel: tap.channel,
        };

        let mut first = vec![None; n_lanes];
        for (row, &(tap_kx, channel)) in columns.iter().enumerate() {
            first[2 * row] = Some(Source { dy: 0, dx: tap_kx as isize - kx as isize, channel });
        }
        let mut extra: Vec<Vec<Option<Tap>>> = vec![vec![None; n_lanes]];
        for (index, tap) in rest.iter().enumerate() {
            // The odd lanes of the first word, then of each further word the even and the odd lanes.
            let (word, parity) = ((index / rows).div_ceil(2), (index / rows + 1) % 2);
            extra.resize(word + 1, vec![None; n_lanes]);
            extra[word][2 * (index % rows) + parity] = Some(*tap);
        }
        let mut words: Vec<Vec<Option<Source>>> = extra
            .iter()
            .map(|word| word.iter().map(|tap| tap.as_ref().map(source)).collect())
            .collect();
        for (lane, source) in first.iter().enumerate().filter(|(_, source)| source.is_some()) {
            words[0][lane] = *source;
        }

        let mut anchors = Vec::new();
        for ky in 0..kernel_height {
            let mut lanes = if ky == center_y { extra[0].clone() } else { vec![None; n_lanes] };
            for (row, &(kx, channel)) in columns.iter().enumerate() {
                lanes[2 * row] = Some(Tap { ky, kx, channel });
            }
            anchors.push(Anchor { word: 0, ky, kx, lanes });
        }
        let further = extra.into_iter().enumerate().skip(1);
        anchors.extend(further.map(|(word, lanes)| Anchor { word, ky: center_y, kx, lanes }));
        let n_words = words.len();
        Some((Loader { grid: (height, width), step: 1, words }, self.view(n_words), anchors))
    }

    fn patches(&self, input: &InputSpec) -> Option<Layout> {
        let stride = self.conv.stride;
        if stride * input.space_to_depth > 8 {
            return None;
        }
        let (rows, n_lanes) = (self.config.rows(), self.config.word_channels());
        let [pad_top, _, pad_left, _] = self.conv.padding;
        let mut taps: Vec<Vec<Option<Tap>>> = vec![vec![None; n_lanes]];
        for (index, tap) in self.taps.iter().enumerate() {
            let word = index / n_lanes;
            taps.resize(word + 1, vec![None; n_lanes]);
            taps[word][2 * (index % rows) + index / rows % 2] = Some(*tap);
        }
        let source = |tap: &Tap| Source {
            dy: tap.ky as isize - pad_top as isize,
            dx: tap.kx as isize - pad_left as isize,
            channel: tap.channel,
        };
        let words: Vec<Vec<Option<Source>>> = taps
            .iter()
            .map(|word| word.iter().map(|tap| tap.as_ref().map(source)).collect())
            .collect();
        let anchors = taps
            .into_iter()
            .enumerate()
            .map(|(word, lanes)| Anchor { word, ky: 0, kx: 0, lanes })
            .collect();
        let (height, width) = (self.output.height, self.output.width);
        let view = View { height, width, words: words.len(), stride: 1, pad_top: 0, pad_left: 0 };
        Some((Loader { grid: (height, width), step: stride, words }, view, anchors))
    }
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
    fn center(&self, positions: &[usize]) -> Option<usize> {
        let Some(last) = positions.iter().max() else { return Some(0) };
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
    use ndarray::{Array3, Array4};
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
                let y = (oy * view.stride + tile.ky).wrapping_sub(view.pad_top);
                let x = (ox * view.stride + tile.kx).wrapping_sub(view.pad_left);
                if y >= view.height || x >= view.width {
                    continue;
                }
                for row in 0..config.rows() {
                    let lane = 2 * row + usize::from(tile.mask >> row & 1);
                    sum +=
                        i32::from(byte(y, x, tile.word, lane)) * i32::from(tile.weights[row][col]);
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
                    let y = (oy * conv.stride + ky).wrapping_sub(top);
                    let x = (ox * conv.stride + kx).wrapping_sub(left);
                    let value = map.get([y, x, channel]).copied().unwrap_or(0);
                    i32::from(value) * i32::from(conv.weight[[k, ky, kx, channel]])
                })
                .sum()
        })
    }

    #[test]
    fn every_layout_computes_the_convolution() {
        let mut n_layouts = [0; 4];
        let sizes = [(8, 16), (2, 2), (3, 6), (16, 8)];
        let kernels = [[3, 3], [1, 1], [7, 7], [1, 5], [4, 2]];
        let paddings = [[0; 4], [1; 4], [3, 3, 3, 3], [0, 2, 5, 0], [6, 0, 0, 6]];
        for ((rows, cols), kernel, padding, stride, channels) in
            iproduct!(sizes, kernels, paddings, 1..=4, [1, 3])
        {
            let config = ArrayConfig::new(rows, cols, Memories::default()).unwrap();
            let input = input(9, 7, channels, 1);
            let conv = conv(5, kernel, channels, stride, padding);
            let output = output(input.shape(), &conv);
            let mut next = 0u8;
            let map = Array3::from_shape_simple_fn((9, 7, channels), || {
                next = next.wrapping_add(57);
                next as i8
            });
            let taps = used_taps(&conv, Schedule::Sparse);
            let packer =
                Packer { input: input.shape(), conv: &conv, output, config: &config, taps };
            let layouts =
                [Some(packer.natural()), packer.spread(), packer.rows(), packer.patches(&input)];
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
        assert!(n_layouts.iter().all(|n| *n > 100), "{n_layouts:?}");
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
        let fields = |index: usize| {
            ["dy", "dx", "offset", "word_end", "pixel_end"]
                .map(|name| spec::isa::decode(Record::Lane, &table[index..], name))
        };
        assert_eq!(table.len(), 32);
        assert_eq!(fields(0), [0, 0, 0, 0, 0]);
        assert_eq!(fields(15), [1, 3, 8 * 2 + 3 * 2 + 1, 1, 0]);
        assert_eq!(fields(31), [3, 3, 3 * 16 + 3 * 2 + 1, 1, 1]);
    }
}
