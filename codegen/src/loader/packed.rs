//! Packed words: what the loader does with an image, and how a layer walks the result.

use spec::isa::{FieldError, LANE_WORDS, Lane, Load};
use spec::{ArrayConfig, InputSpec, Shape};

use super::runs::{Byte, Run, runs};

/// Cycles from the visit of the last entry of the lane table to the packed image, that visit's own among them.
pub(crate) const PACK_LATENCY: u64 = 4;

/// How a layer walks a map: pixels and words of the map, and where the kernel's tap 0 falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) words: usize,
    /// Rows and columns.
    pub(crate) stride: [usize; 2],
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

    /// Image bytes between neighboring packed pixels.
    pub(crate) fn pixel_step(&self, input: &InputSpec) -> usize {
        self.block(input) * input.channels
    }

    /// The instruction that sets it up.
    pub(crate) fn load(&self, input: &InputSpec) -> Load {
        let row_bytes = input.width * input.channels;
        Load {
            block: self.block(input),
            bytes_minus_1: input.n_bytes() - 1,
            grid_width_minus_1: self.grid.1 - 1,
            grid_height_minus_1: self.grid.0 - 1,
            pixel_step: self.pixel_step(input),
            row_step: self.block(input) * row_bytes,
            row_bytes,
            image_height: input.height,
            fill: input.zero_point.into(),
            reach: self.reach(input),
        }
    }

    /// The lane table, of entries of up to `port_bytes` bytes.
    ///
    /// # Errors
    /// A byte too far away for its field, or packed pixels too far right.
    pub(crate) fn lane_table(
        &self,
        input: &InputSpec,
        port_bytes: usize,
    ) -> Result<Vec<[u32; LANE_WORDS]>, FieldError> {
        let right = ((self.grid.1 - 1) * self.pixel_step(input)) as i64;
        let field = Load::LAYOUT.row_bytes;
        if right > field.range().1 {
            return Err(FieldError { field, value: right });
        }
        let row_bytes = (input.width * input.channels) as i64;
        let mut table = Vec::new();
        for (index, word) in self.words.iter().enumerate() {
            let bytes: Vec<Option<Byte>> =
                word.iter().map(|source| source.map(|source| byte(source, input))).collect();
            let entries = runs(&bytes, port_bytes);
            let n_entries = entries.len();
            for (number, run) in entries.into_iter().enumerate() {
                let Run { first, last, step, byte } = run;
                let word_end = number + 1 == n_entries;
                let record = Lane {
                    offset: byte.dy * row_bytes + byte.column,
                    column: byte.column,
                    dy: byte.dy,
                    first_lane: first,
                    last_lane: last,
                    alternate: step == 2,
                    word_end,
                    pixel_end: word_end && index + 1 == self.words.len(),
                };
                table.push(record.encode()?);
            }
        }
        Ok(table)
    }

    /// The last image byte that the first row of packed pixels reads; the first, if it reads none.
    fn reach(&self, input: &InputSpec) -> usize {
        let rows = self.words.iter().flatten().flatten().map(|source| byte(*source, input).dy);
        let n_rows = rows.max().map_or(0, |last| usize::try_from(last + 1).unwrap_or(0));
        (n_rows * input.width * input.channels).clamp(1, input.n_bytes()) - 1
    }

    /// Cycles from an image's first beat to its last packed word, if a beat comes in every cycle and bank 0 is free from
    /// the cycle `bank_free` on.
    pub(crate) fn load_cycles(
        &self,
        input: &InputSpec,
        n_entries: usize,
        port_bytes: usize,
        bank_free: u64,
    ) -> u64 {
        let n_beats = |n_bytes: usize| n_bytes.min(input.n_bytes()).div_ceil(port_bytes) as u64;
        let Load { row_step, reach, .. } = self.load(input);
        let n_row_entries = (self.grid.1 * n_entries) as u64;
        let rows = (0..self.grid.0).map(|row| n_beats(reach + 1 + row * row_step));
        let packed = rows.fold(bank_free, |cycle, reached| cycle.max(reached) + n_row_entries);
        (packed + PACK_LATENCY).max(n_beats(input.n_bytes()) + 1)
    }
}

/// Where a source lies in the image, beside the packed pixel.
fn byte(source: Source, input: &InputSpec) -> Byte {
    let (block, channels) = (input.space_to_depth as i64, input.channels as i64);
    let (position, channel) = (source.channel as i64 / channels, source.channel as i64 % channels);
    let dx = source.dx as i64 * block + position % block;
    Byte { dy: source.dy as i64 * block + position / block, column: dx * channels + channel }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(height: usize, width: usize, channels: usize, space_to_depth: usize) -> InputSpec {
        InputSpec {
            height,
            width,
            channels,
            space_to_depth,
            scale: 1.0,
            zero_point: 0,
            preprocess: None,
        }
    }

    fn table(loader: &Loader, input: &InputSpec, port_bytes: usize) -> Vec<Lane> {
        let table = loader.lane_table(input, port_bytes).unwrap();
        table.iter().map(Lane::decode).collect()
    }

    #[test]
    fn space_to_depth_reads_the_right_bytes() {
        let input = input(8, 8, 2, 4);
        let config = ArrayConfig::default();
        let loader = Loader::natural(input.shape(), &config);
        // A block's row of 8 bytes after the other, two a word.
        let lane = |dy, column, offset, first_lane, ends: [bool; 2]| Lane {
            offset,
            column,
            dy,
            first_lane,
            last_lane: first_lane + 3,
            alternate: false,
            word_end: ends[0],
            pixel_end: ends[1],
        };
        let entries = table(&loader, &input, 4);
        assert_eq!(entries.len(), 8);
        assert_eq!(entries[0], lane(0, 0, 0, 0, [false; 2]));
        assert_eq!(entries[3], lane(1, 4, 16 + 4, 12, [true, false]));
        assert_eq!(entries[7], lane(3, 4, 3 * 16 + 4, 12, [true, true]));
        assert_eq!(table(&loader, &input, 1).len(), 32);
        assert_eq!(table(&loader, &input, 16).len(), 4);
        assert_eq!(loader.load(&input).reach, 4 * 16 - 1);
    }

    #[test]
    fn loading_takes_as_long_as_its_slower_half_and_a_row() {
        // A gray image of 64 x 64 in blocks of 4 x 4: 16 rows of 16 words of 4 entries, 16 beats an image row.
        let input = input(64, 64, 1, 4);
        let loader = Loader::natural(input.shape(), &ArrayConfig::default());
        let n_entries = table(&loader, &input, 4).len();
        assert_eq!(n_entries, 4);
        assert_eq!(loader.load_cycles(&input, n_entries, 4, 0), 1024 + 64 + PACK_LATENCY);
        assert_eq!(loader.load_cycles(&input, n_entries, 4, 5000), 5000 + 1024 + PACK_LATENCY);
        assert_eq!(loader.load_cycles(&input, 16, 1, 0), 4096 + 256 + PACK_LATENCY);
    }
}
