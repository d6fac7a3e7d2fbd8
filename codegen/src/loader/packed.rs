//! Packed words: what the loader does with an image, and how a layer walks the result.

use spec::isa::{FieldError, Lane};
use spec::{ArrayConfig, InputSpec, Shape};

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
