//! The blocks of pools: where the map's edge cuts a window, the outputs have blocks of their own.

use spec::{Shape, Window};

use super::{Block, Limits, Pooling, parts};

/// Neighboring outputs along one axis whose windows see equally many pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: usize,
    n: usize,
    /// First pixel that the first window sees.
    start: usize,
    /// Pixels that each window sees.
    seen: usize,
}

/// One axis of a window's walk over a map.
#[derive(Clone, Copy, Debug)]
struct Walk {
    size: usize,
    n_outputs: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Walk {
    /// The outputs in order: whole windows together, each cut one by itself.
    fn runs(self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for output in 0..self.n_outputs {
            let begin = output * self.stride;
            let start = begin.max(self.padding) - self.padding;
            let end = (begin + self.kernel - self.padding).min(self.size);
            let seen = end - start;
            match runs.last_mut() {
                Some(run) if run.seen == self.kernel && seen == self.kernel => run.n += 1,
                _ => runs.push(Run { first: output, n: 1, start, seen }),
            }
        }
        runs
    }
}

impl Run {
    /// Pixels that `n` of its windows span.
    fn span(self, n: usize, stride: usize) -> usize {
        (n - 1) * stride + self.seen
    }

    /// In parts of at most `most` outputs.
    fn split(self, most: usize, stride: usize) -> impl Iterator<Item = Run> {
        let mut done = 0;
        parts(self.n, self.n.div_ceil(most.max(1))).into_iter().map(move |n| {
            let part =
                Run { first: self.first + done, n, start: self.start + done * stride, ..self };
            done += n;
            part
        })
    }
}

/// Rows and columns of outputs.
fn runs(map: Shape, output: Shape, window: &Window) -> [Vec<Run>; 2] {
    let axis = |axis: usize, size: usize, n_outputs: usize| Walk {
        size,
        n_outputs,
        kernel: window.kernel[axis],
        stride: window.stride[axis],
        padding: window.padding[2 * axis],
    };
    [axis(0, map.height, output.height).runs(), axis(1, map.width, output.width).runs()]
}

/// Most pixels of `map` that a window of a pool to `output` sees.
pub(crate) fn most_pixels(map: Shape, output: Shape, window: &Window) -> usize {
    let most = |runs: Vec<Run>| runs.into_iter().map(|run| run.seen).max().unwrap_or(1);
    runs(map, output, window).map(most).iter().product()
}

/// The blocks of a pool of `map` to `output`. If `by_drain`, a block computes the pixels themselves and the drain walks over them;
/// else it computes outputs, and those that see equally many pixels have the same [`Block::parameters`], which index the second
/// result: those numbers of pixels.
pub(crate) fn windows(
    map: Shape,
    output: Shape,
    window: &Window,
    by_drain: bool,
    limits: Limits,
) -> (Vec<Block>, Vec<usize>) {
    let [rows, columns] = runs(map, output, window);
    let [stride_y, stride_x] = window.stride;
    let mut counts: Vec<usize> = Vec::new();
    let mut blocks = Vec::new();
    for (row_run, column_run) in itertools::iproduct!(&rows, &columns) {
        let count = row_run.seen * column_run.seen;
        // Maxima have the same constants everywhere.
        let count = if by_drain { 0 } else { count };
        let parameters = counts.iter().position(|known| *known == count).unwrap_or_else(|| {
            counts.push(count);
            counts.len() - 1
        });
        // Accumulators of n outputs, along each axis.
        let height = |n: usize| if by_drain { row_run.span(n, stride_y) } else { n };
        let width = |n: usize| if by_drain { column_run.span(n, stride_x) } else { n };
        let fits = |n: usize, size: &dyn Fn(usize) -> usize, most: usize| size(n) <= most;
        let widest = (limits.accumulators / height(1)).clamp(1, 256);
        let most_x = (1..=column_run.n).rev().find(|n| fits(*n, &width, widest)).unwrap_or(1);
        let tallest = (limits.accumulators.min(limits.target.max(height(1) * width(most_x)))
            / width(most_x))
        .clamp(1, 256);
        let most_y = (1..=row_run.n).rev().find(|n| fits(*n, &height, tallest)).unwrap_or(1);
        for (rows, columns) in itertools::iproduct!(
            row_run.split(most_y, stride_y),
            column_run.split(most_x, stride_x).collect::<Vec<_>>()
        ) {
            let (y, x) =
                if by_drain { (rows.start, columns.start) } else { (rows.first, columns.first) };
            let pooling = if by_drain {
                Pooling { height: rows.seen, width: columns.seen, stride: window.stride }
            } else {
                Pooling::NONE
            };
            blocks.push(Block {
                y,
                x,
                height: height(rows.n),
                width: width(columns.n),
                out: (rows.first, columns.first),
                pooling,
                parameters,
            });
        }
    }
    // Changes of parameters take an instruction.
    blocks.sort_by_key(|block| block.parameters);
    (blocks, counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use itertools::iproduct;

    #[test]
    fn every_output_has_one_block_that_sees_its_pixels() {
        let limits = Limits { accumulators: 20, target: 16 };
        for (height, width, kernel, stride, pad) in iproduct!(
            [1, 2, 5, 9, 24],
            [1, 3, 7, 40],
            [1, 2, 3],
            [1, 2, 3],
            [[0, 0], [1, 0], [0, 1], [1, 1]]
        ) {
            let pads = pad.map(|pad: usize| pad.min(kernel - 1));
            if height + pads[0] + pads[1] < kernel || width + pads[0] + pads[1] < kernel {
                continue;
            }
            let window = Window {
                kernel: [kernel; 2],
                stride: [stride; 2],
                padding: [pads[0], pads[1], pads[0], pads[1]],
            };
            let swept = |size: usize| (size + pads[0] + pads[1] - kernel) / stride + 1;
            let map = Shape { height, width, channels: 1 };
            let output = Shape { height: swept(height), width: swept(width), channels: 1 };
            let seen = |output: usize, size: usize| {
                let begin = (output * stride) as i64 - pads[0] as i64;
                (begin..begin + kernel as i64).filter(|at| (0..size as i64).contains(at)).count()
            };
            for by_drain in [false, true] {
                let (blocks, counts) = windows(map, output, &window, by_drain, limits);
                let mut n_blocks = ndarray::Array2::<usize>::zeros((output.height, output.width));
                for block in &blocks {
                    assert!(block.n_pixels() <= limits.accumulators, "{block:?}");
                    let (n_rows, n_columns) = block.n_outputs();
                    for (y, x) in iproduct!(0..n_rows, 0..n_columns) {
                        let (oy, ox) = (block.out.0 + y, block.out.1 + x);
                        n_blocks[(oy, ox)] += 1;
                        let count = seen(oy, height) * seen(ox, width);
                        if !by_drain {
                            assert_eq!(counts[block.parameters], count, "{block:?}");
                        } else {
                            let Pooling { height, width, .. } = block.pooling;
                            assert_eq!(height * width, count);
                            let first = ((oy * stride) as i64 - pads[0] as i64).max(0) as usize;
                            assert_eq!(block.y + y * stride, first);
                        }
                    }
                }
                assert!(n_blocks.iter().all(|n| *n == 1), "{map:?} {window:?}: {n_blocks:?}");
            }
        }
    }
}
