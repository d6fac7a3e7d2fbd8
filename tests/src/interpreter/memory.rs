//! Activation banks that remember who wrote each byte.

use spec::Region;

use super::{Machine, Problem};

/// Who wrote a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// Nobody: the byte holds garbage.
    Nobody,
    /// The loader.
    Loader,
    /// The unit of this number, counted from 1.
    Unit(u64),
    /// That unit made it 0 when it wrote another byte of the word.
    Cleared(u64),
}

/// A memory of words of int8 channels.
pub(super) struct Bank {
    word_bytes: usize,
    bytes: Vec<i8>,
    writers: Vec<Writer>,
}

impl Bank {
    pub(super) fn new(depth: usize, word_bytes: usize) -> Self {
        let n_bytes = depth * word_bytes;
        let garbage =
            (0..n_bytes).map(|index| (index.wrapping_mul(0x9e37_79b1) >> 13) as i8).collect();
        Self { word_bytes, bytes: garbage, writers: vec![Writer::Nobody; n_bytes] }
    }

    pub(super) fn depth(&self) -> usize {
        self.bytes.len() / self.word_bytes
    }

    pub(super) fn word(&self, address: usize) -> Option<(&[i8], &[Writer])> {
        let range = address * self.word_bytes..(address + 1) * self.word_bytes;
        Some((self.bytes.get(range.clone())?, self.writers.get(range)?))
    }

    /// Makes all bytes of a word 0.
    pub(super) fn clear(&mut self, address: usize, unit: u64) {
        let range = address * self.word_bytes..(address + 1) * self.word_bytes;
        if let (Some(bytes), Some(writers)) =
            (self.bytes.get_mut(range.clone()), self.writers.get_mut(range))
        {
            bytes.fill(0);
            writers.fill(Writer::Cleared(unit));
        }
    }

    /// Whether the word exists; if so the byte now holds `value`.
    #[must_use]
    pub(super) fn write(&mut self, address: usize, byte: usize, value: i8, writer: Writer) -> bool {
        let index = address * self.word_bytes + byte;
        let exists = index < self.bytes.len();
        if exists {
            self.bytes[index] = value;
            self.writers[index] = writer;
        }
        exists
    }
}

impl Machine<'_> {
    /// A feature map, `[height, width, channels]`, which every bank of the region must hold, written by the layer in progress.
    pub(super) fn read_region(&self, region: Region) -> Result<Vec<i8>, Problem> {
        let word_channels = self.program.config.word_channels();
        let n_words = region.map_channels.div_ceil(word_channels);
        if region.banks == 0 || region.banks & 0b1_0001 != 0 || region.banks > 0b1111 {
            return Err(Problem::Value {
                field: "output.banks",
                value: usize::from(region.banks),
                why: "1, 2 and 3 are written",
            });
        }
        let mut map = Vec::with_capacity(region.height * region.width * region.channels);
        for (y, x) in (0..region.height).flat_map(|y| (0..region.width).map(move |x| (y, x))) {
            for channel in 0..region.channels {
                let at = region.first_channel + channel;
                let address =
                    region.address + (y * region.width + x) * n_words + at / word_channels;
                let mut value = None;
                for bank in (1..4).filter(|bank| region.banks >> bank & 1 == 1) {
                    let Some((bytes, writers)) = self.banks[bank].word(address) else {
                        let depth = self.banks[bank].depth();
                        return Err(Problem::Address { memory: "output region", address, depth });
                    };
                    let byte = at % word_channels;
                    if !matches!(writers[byte], Writer::Unit(unit) if unit >= self.first_unit) {
                        return Err(Problem::OutputMissing { bank, y, x, channel });
                    }
                    if value.is_some_and(|value| value != bytes[byte]) {
                        return Err(Problem::CopiesDiffer { y, x, channel });
                    }
                    value = Some(bytes[byte]);
                }
                map.push(value.expect("the region has a bank"));
            }
        }
        Ok(map)
    }
}
