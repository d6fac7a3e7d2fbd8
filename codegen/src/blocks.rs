//! Decomposition of an output map into pixel blocks, each accumulated and drained as a whole.

mod windows;

use spec::Shape;

pub(crate) use windows::{most_pixels, windows};

/// What the drain makes one output of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pooling {
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Rows and columns.
    pub(crate) stride: [usize; 2],
}

impl Pooling {
    /// An accumulator.
    pub(crate) const NONE: Self = Self { height: 1, width: 1, stride: [1; 2] };
    /// What a convolution can have behind it.
    pub(crate) const SQUARE: Self = Self { height: 2, width: 2, stride: [2; 2] };
}

/// A rectangle of output pixels before pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) y: usize,
    pub(crate) x: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Row and column of the first output.
    pub(crate) out: (usize, usize),
    pub(crate) pooling: Pooling,
    /// Which of the step's sets of parameters.
    pub(crate) parameters: usize,
}

impl Block {
    /// Rows and columns of outputs.
    pub(crate) fn n_outputs(&self) -> (usize, usize) {
        let Pooling { height, width, stride } = self.pooling;
        ((self.height - height) / stride[0] + 1, (self.width - width) / stride[1] + 1)
    }

    /// Accumulators that the drain reads for a channel, some of them several times.
    pub(crate) fn n_reads(&self) -> usize {
        let (n_rows, n_columns) = self.n_outputs();
        n_rows * n_columns * self.pooling.height * self.pooling.width
    }

    pub(crate) fn n_pixels(&self) -> usize {
        self.height * self.width
    }
}

/// What a block may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Accumulators of a column.
    pub(crate) accumulators: usize,
    /// Pixels that a block should have.
    pub(crate) target: usize,
}

/// Blocks that a map is split into at least, if they can have `tile_rows` pixels: the next layer then starts while the
/// last one is drained.
const MIN_BLOCKS: usize = 4;

/// Splits `map` (before pooling, its odd last row and column already left out if pooled) into blocks in raster order.
///
/// Full rows where the accumulators hold one; as few `cycles` as possible; then as close to `target` pixels a block as
/// possible. Sides are even if `pool`. The caller makes sure that the accumulators hold one pooled pixel.
pub(crate) fn split(
    map: Shape,
    pool: bool,
    limits: Limits,
    cycles: impl Fn(&[Block]) -> u64,
) -> Vec<Block> {
    let unit = if pool { 2 } else { 1 };
    let (n_rows, n_columns) = (map.height / unit, map.width / unit);
    let widest = (limits.accumulators / (unit * unit)).clamp(1, 256 / unit);
    let columns = parts(n_columns, n_columns.div_ceil(widest));
    let width = columns.iter().max().map_or(unit, |columns| columns * unit);
    let wanted = MIN_BLOCKS.max(map.n_pixels().div_ceil(limits.target)).div_ceil(columns.len());
    let fits = |rows: &[usize]| {
        rows.iter().all(|rows| rows * unit * width <= limits.accumulators && rows * unit <= 256)
    };
    let blocks = |rows: &[usize]| {
        let mut blocks = Vec::new();
        let mut y = 0;
        for height in rows {
            let mut x = 0;
            for columns in &columns {
                blocks.push(Block {
                    y,
                    x,
                    height: height * unit,
                    width: columns * unit,
                    out: (y / unit, x / unit),
                    pooling: if pool { Pooling::SQUARE } else { Pooling::NONE },
                    parameters: 0,
                });
                x += columns * unit;
            }
            y += height * unit;
        }
        blocks
    };
    (1..=n_rows)
        .map(|n| parts(n_rows, n))
        .filter(|rows| fits(rows))
        .map(|rows| (rows.len().abs_diff(wanted), blocks(&rows)))
        .min_by_key(|(distance, blocks)| (cycles(blocks), *distance))
        .map_or_else(|| blocks(&vec![1; n_rows]), |(_, blocks)| blocks)
}

/// `total` in `n` parts that differ by one at most.
fn parts(total: usize, n: usize) -> Vec<usize> {
    (0..n).map(|part| total * (part + 1) / n - total * part / n).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if a block took a cycle a pixel, and eight at least.
    fn split(map: Shape, pool: bool, accumulators: usize) -> Vec<Block> {
        super::split(map, pool, Limits { accumulators, target: 64 }, |blocks| {
            blocks.iter().map(|block| block.n_pixels().max(8) as u64).sum()
        })
    }

    fn shape(height: usize, width: usize) -> Shape {
        Shape { height, width, channels: 1 }
    }

    #[test]
    fn blocks_tile_every_map_exactly() {
        for (height, width, accumulators) in
            itertools::iproduct!(1..=19, [1, 2, 3, 7, 16, 33, 300], [4, 5, 16, 256])
        {
            for pool in [false, true] {
                let unit = if pool { 2 } else { 1 };
                let (height, width) = (height * unit, width * unit);
                let mut seen = vec![0; height * width];
                for block in split(shape(height, width), pool, accumulators) {
                    assert!(block.n_pixels() <= accumulators, "{block:?}");
                    assert!(block.height <= 256 && block.width <= 256, "{block:?}");
                    assert!(
                        block.y % unit + block.x % unit + block.height % unit + block.width % unit
                            == 0,
                        "{block:?}"
                    );
                    for (y, x) in itertools::iproduct!(0..block.height, 0..block.width) {
                        seen[(block.y + y) * width + block.x + x] += 1;
                    }
                }
                assert!(
                    seen.iter().all(|n| *n == 1),
                    "{height}x{width} in {accumulators}, pool {pool}"
                );
            }
        }
    }

    #[test]
    fn blocks_are_as_large_as_the_policy_says() {
        let sizes = |height, width, pool| {
            let blocks = split(shape(height, width), pool, 256);
            (blocks.len(), blocks.iter().map(Block::n_pixels).max().unwrap())
        };
        assert_eq!(sizes(32, 32, false), (16, 64));
        assert_eq!(sizes(16, 16, true), (4, 64));
        assert_eq!(sizes(8, 8, false), (4, 16));
        assert_eq!(sizes(4, 4, false), (2, 8));
        assert_eq!(sizes(1, 1, false), (1, 1));
        assert_eq!(sizes(2, 3, false), (1, 6));
    }
}
