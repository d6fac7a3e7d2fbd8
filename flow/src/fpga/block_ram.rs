//! How many block RAMs of an ECP5 a memory takes, by the rules by which Yosys maps it.
//!
//! A block RAM is 36 bits wide and 512 words deep, or half as wide and twice as deep, down to 1 bit and 16,384 words. A
//! memory is cut into parts of that depth; the bits of all parts share block RAMs, in bytes of 9 bits if they are
//! written. Of the shapes the cheapest is taken: block RAMs, and multiplexers behind parts. A small memory that is written
//! goes into distributed RAM.

/// Block RAMs of the devices, by the name that nextpnr has for them.
pub const DEVICES: [(&str, u64); 3] = [("LFE5U-25F", 56), ("LFE5U-45F", 108), ("LFE5U-85F", 208)];

/// Depth and width of a block RAM that is 9 bits wide or more; the first one is written by one port and read by the other.
const SHAPES: [(usize, usize); 3] = [(512, 36), (1024, 18), (2048, 9)];
/// The same of narrower ones, whose ninth bits are lost.
const NARROW: [(usize, usize); 3] = [(4096, 4), (8192, 2), (16384, 1)];
/// What a block RAM costs beside a bit of a multiplexer of two, in the units of Yosys.
const COST: f64 = 128.0;
const MULTIPLEXER_COST: f64 = 0.5;
/// A distributed RAM: words, bits, cost.
const DISTRIBUTED: (usize, usize, f64) = (16, 4, 4.0);

/// A memory as synthesis sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryShape {
    /// Words.
    pub depth: usize,
    /// Bits of a word; of a ROM those that are not the same in all words.
    pub width: usize,
    /// How it is written: parts of a word that have an enable each; 0 of a ROM.
    pub n_enables: usize,
    /// Read ports, each of which takes a copy.
    pub n_readers: usize,
}

impl MemoryShape {
    /// Block RAMs that it takes, 0 of one in distributed RAM.
    pub fn n_block_rams(&self) -> u64 {
        let Self { depth, width, n_enables, n_readers } = *self;
        if width == 0 {
            return 0;
        }
        let multiplexers = |n_parts: usize| MULTIPLEXER_COST * (width * (n_parts - 1)) as f64;
        let shapes = SHAPES.into_iter().chain(NARROW).map(|(words, bits)| {
            let n_parts = depth.div_ceil(words);
            // A byte is written as a whole, so that parts of a word with other enables do not share one.
            let byte = if n_enables == 0 { 1 } else { bits.min(9) };
            let n_bytes = match n_enables {
                0 => width,
                _ => n_enables * (width / n_enables).div_ceil(byte),
            };
            let n = (n_parts * n_bytes).div_ceil(bits / byte);
            (n, COST * n as f64 + multiplexers(n_parts))
        });
        let (n, cost) = shapes
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .expect("there are several shapes of block RAM");
        let (words, bits, cost_of_distributed) = DISTRIBUTED;
        let n_parts = depth.div_ceil(words);
        let distributed =
            cost_of_distributed * (n_parts * width.div_ceil(bits)) as f64 + multiplexers(n_parts);
        if n_enables > 0 && distributed < cost { 0 } else { (n * n_readers) as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words, bits, enables, and what Yosys 0.70 made of it.
    #[rustfmt::skip]
    const MAPPED: [(usize, usize, usize, u64); 39] = [
        (5, 27, 0, 1), (5, 63, 0, 2), (5, 128, 0, 4), (300, 27, 0, 1), (300, 63, 0, 2), (300, 128, 0, 4), (1084, 27, 0, 3),
        (1084, 63, 0, 6), (1084, 128, 0, 11), (2049, 27, 0, 4), (2049, 63, 0, 9), (2049, 128, 0, 18), (3000, 27, 0, 5),
        (3000, 63, 0, 11), (3000, 128, 0, 22), (8609, 128, 0, 64),
        (16, 128, 4, 0), (32, 64, 1, 0), (48, 64, 1, 2), (32, 128, 8, 0), (48, 128, 1, 4), (100, 8, 1, 0), (100, 64, 1, 2),
        (256, 8, 1, 1), (256, 128, 8, 4), (600, 8, 1, 1), (600, 64, 1, 4), (600, 128, 1, 8), (1500, 8, 1, 1), (1500, 64, 1, 6),
        (1500, 128, 1, 12), (1500, 128, 8, 12), (2304, 8, 1, 2), (2304, 64, 1, 10), (2304, 128, 1, 19), (2304, 128, 2, 20),
        (2304, 128, 8, 20), (4608, 128, 1, 34), (4608, 128, 4, 36),
    ];

    #[test]
    fn memories_take_the_block_rams_that_yosys_gives_them() {
        for (depth, width, n_enables, n) in MAPPED {
            let shape = MemoryShape { depth, width, n_enables, n_readers: 1 };
            assert_eq!(shape.n_block_rams(), n, "{shape:?}");
        }
        for (depth, n) in [(16, 0), (32, 0), (64, 2), (128, 2), (512, 2)] {
            let accumulators = MemoryShape { depth, width: 32, n_enables: 1, n_readers: 2 };
            assert_eq!(accumulators.n_block_rams(), n, "{depth} accumulators");
        }
        let empty = MemoryShape { depth: 9, width: 0, n_enables: 0, n_readers: 1 };
        assert_eq!(empty.n_block_rams(), 0);
    }
}
