//! The layout of a layer with a stride that holds each pixel once.

use itertools::iproduct;
use spec::Shape;

use super::{Layout, Layouter, pair_lanes, spread_lane};
use crate::loader::packed::{Loader, Source, View};
use crate::tiling::{Anchor, Tap};

impl Layouter<'_> {
    /// As many pixels side by side as the stride is long: the fewest words, each read at few kernel positions.
    pub(super) fn blocks(&self) -> Option<Layout> {
        let [stride, stride_x] = self.conv.stride;
        let is_square = stride == stride_x && self.conv.dilation == [1; 2];
        if !is_square || stride < 2 || stride * self.space_to_depth > 8 {
            return None;
        }
        let Shape { height, width, channels } = self.input;
        let (rows, n_lanes) = (self.config.rows(), self.config.word_channels());
        let pixels = iproduct!(0..stride, 0..stride, 0..channels);
        let lanes: Vec<(usize, (usize, usize, usize))> = if self.paired {
            let pair = |(y, x, channel): (usize, usize, usize)| (y, x, channel / 2);
            pair_lanes(pixels, pair, |(_, _, channel)| channel % 2).collect()
        } else {
            pixels.enumerate().map(|(index, pixel)| (spread_lane(index, rows), pixel)).collect()
        };
        let n_words = lanes.iter().map(|(lane, _)| lane / n_lanes + 1).max().unwrap_or(1);
        let mut words = vec![vec![None; n_lanes]; n_words];
        for &(lane, (y, x, channel)) in &lanes {
            let source = Source { dy: y as isize, dx: x as isize, channel };
            words[lane / n_lanes][lane % n_lanes] = Some(source);
        }
        let (_, kernel_height, kernel_width, _) = self.conv.weight.dim();
        let [pad_top, _, pad_left, _] = self.conv.padding;
        // Blocks above and left of an output's own, and those that its kernel reaches.
        let (above, left) = (pad_top.div_ceil(stride), pad_left.div_ceil(stride));
        let n_down = (above * stride - pad_top + kernel_height).div_ceil(stride);
        let n_across = (left * stride - pad_left + kernel_width).div_ceil(stride);
        let tap = |block: usize, inner: usize, before: usize, padding: usize, size: usize| {
            (block * stride + inner + padding)
                .checked_sub(before * stride)
                .filter(|tap| *tap < size)
        };
        let anchors = iproduct!(0..n_words, 0..n_down, 0..n_across).map(|(word, ky, kx)| {
            let mut taps = vec![None; n_lanes];
            for &(lane, (y, x, channel)) in lanes.iter().filter(|(lane, _)| lane / n_lanes == word)
            {
                let ky = tap(ky, y, above, pad_top, kernel_height);
                let kx = tap(kx, x, left, pad_left, kernel_width);
                taps[lane % n_lanes] = ky.zip(kx).map(|(ky, kx)| Tap { ky, kx, channel });
            }
            Anchor { word, ky, kx, lanes: taps }
        });
        let grid = (height.div_ceil(stride), width.div_ceil(stride));
        let view = View {
            height: grid.0,
            width: grid.1,
            words: n_words,
            stride: [1; 2],
            pad_top: above,
            pad_left: left,
        };
        Some((Loader { grid, step: stride, words }, view, anchors.collect()))
    }
}
