//! The loader against plain loops.

use super::*;
use crate::leaf::tick;
use crate::verilog::emit;
use proptest::prelude::*;
use spec::Memories;
use spec::isa::Lane;

/// An entry of the lane table.
#[derive(Clone, Debug)]
struct Entry {
    source: Option<(i64, i64, i64)>,
    word_end: bool,
}

#[derive(Clone, Debug)]
struct Case {
    channels: i64,
    width: i64,
    height: i64,
    block: i64,
    entries: Vec<Entry>,
}

impl Case {
    fn grid(&self) -> (i64, i64) {
        ((self.width + self.block - 1) / self.block, (self.height + self.block - 1) / self.block)
    }

    fn n_bytes(&self) -> usize {
        (self.width * self.height * self.channels) as usize
    }

    fn context(&self) -> LoadContext {
        let (grid_width, grid_height) = self.grid();
        LoadContext {
            block: bits(self.block as u64),
            bytes_minus_1: bits(self.n_bytes() as u64 - 1),
            grid_width_minus_1: bits(grid_width as u64 - 1),
            grid_height_minus_1: bits(grid_height as u64 - 1),
            pixel_step: bits((self.block * self.channels) as u64),
            row_step: bits((self.block * self.width * self.channels) as u64),
            image_width: bits(self.width as u64),
            image_height: bits(self.height as u64),
        }
    }

    fn table(&self) -> Vec<u32> {
        let encoded = self.entries.iter().enumerate().map(|(i, entry)| {
            let (dy, dx, channel) = entry.source.unwrap_or((-1, 3, 0));
            let lane = Lane {
                offset: (dy * self.width + dx) * self.channels + channel,
                dy,
                dx,
                valid: entry.source.is_some(),
                word_end: entry.word_end,
                pixel_end: i + 1 == self.entries.len(),
            };
            lane.encode().unwrap()[0]
        });
        encoded.collect()
    }

    /// The words of an image; only the bytes that an entry names.
    fn pack(&self, image: &[u8]) -> Vec<Vec<u8>> {
        let (grid_width, grid_height) = self.grid();
        let mut words = Vec::new();
        for pixel in 0..grid_width * grid_height {
            let mut word = Vec::new();
            for entry in &self.entries {
                let (dy, dx, channel) = entry.source.unwrap_or((i64::MIN / 2, 0, 0));
                let (y, x) =
                    (pixel / grid_width * self.block + dy, pixel % grid_width * self.block + dx);
                let inside = (0..self.height).contains(&y) && (0..self.width).contains(&x);
                word.push(if inside {
                    image[((y * self.width + x) * self.channels + channel) as usize]
                } else {
                    0
                });
                if entry.word_end {
                    words.push(std::mem::take(&mut word));
                }
            }
        }
        words
    }
}

fn entry(channels: i64) -> impl Strategy<Value = Entry> {
    let source = prop::option::weighted(0.9, (-16i64..16, -16i64..16, 0..channels));
    (source, prop::bool::weighted(0.2)).prop_map(|(source, word_end)| Entry { source, word_end })
}

fn case(word: usize) -> impl Strategy<Value = Case> {
    (1i64..4, 1i64..8, 1i64..8, 1i64..5).prop_flat_map(move |(channels, width, height, block)| {
        let entries = prop::collection::vec(entry(channels), 1..3 * word);
        entries.prop_map(move |mut entries| {
            // A word ends with the pixel, and where it is full.
            let mut length = 0;
            let last = entries.len() - 1;
            for (i, entry) in entries.iter_mut().enumerate() {
                length += 1;
                entry.word_end |= i == last || length == word;
                length = if entry.word_end { 0 } else { length };
            }
            Case { channels, width, height, block, entries }
        })
    })
}

/// A loader with its lane memory and the words it wrote.
struct Bench {
    loader: Loader,
    table: Vec<u32>,
    written: Vec<(usize, Vec<u8>)>,
}

impl Bench {
    fn new(config: &ArrayConfig, case: &Case) -> Self {
        let mut bench =
            Self { loader: Loader::new(config), table: case.table(), written: Vec::new() };
        bench.loader.reset.next = true;
        bench.tick();
        bench.loader.reset.next = false;
        bench.loader.input_valid.next = true;
        bench.tick();
        assert!(!bench.loader.input_ready.val(), "ready without a configuration");
        bench.loader.input_valid.next = false;
        bench.loader.packing.next = case.context();
        bench.loader.configured.next = true;
        bench
    }

    fn tick(&mut self) {
        crate::leaf::settle(&mut self.loader).unwrap();
        let read = self.table.get(self.loader.lane_address.val().index()).copied();
        if self.loader.load_enable.val() {
            let word = self.loader.load_word.iter().map(|byte| byte.val().to_u8()).collect();
            self.written.push((self.loader.load_address.val().index(), word));
        }
        tick(&mut self.loader, |loader| &mut loader.clock).unwrap();
        // What lies beyond the table is anything.
        self.loader.lane_word.next = bits(read.unwrap_or(u32::MAX).into());
    }

    /// Offers an image, one byte every `every` cycles.
    fn offer(&mut self, image: &[u8], every: usize) {
        for (i, byte) in image.iter().enumerate() {
            for _ in 1..every {
                self.tick();
            }
            self.loader.input_data.next = bits((*byte).into());
            self.loader.input_valid.next = true;
            self.loader.input_last.next = i + 1 == image.len();
            crate::leaf::settle(&mut self.loader).unwrap();
            assert!(self.loader.input_ready.val());
            self.tick();
            self.loader.input_valid.next = false;
            self.loader.input_last.next = false;
        }
    }

    fn check_words(&mut self, expected: &[Vec<u8>]) {
        assert_eq!(self.written.len(), expected.len());
        for (i, ((address, word), expected)) in self.written.drain(..).zip(expected).enumerate() {
            assert_eq!(address, i);
            assert_eq!(word[..expected.len()], expected[..], "word {i}");
            assert!(
                word[expected.len()..].iter().all(|byte| *byte == 0),
                "unused bytes of word {i}"
            );
        }
    }
}

fn check(case: &Case, rows: usize, every: usize) {
    let memories = Memories { image: 147, input: 512, ..Memories::default() };
    let config = ArrayConfig::new(rows, 4, memories).unwrap();
    let mut bench = Bench::new(&config, case);
    let (grid_width, grid_height) = case.grid();
    let pack_cycles = 1 + (grid_width * grid_height) as usize * (case.entries.len() + 1) + 2;
    let load_cycles = 1 + (case.n_bytes() - 1) * every + pack_cycles;
    let images: Vec<Vec<u8>> = (1..4)
        .map(|k| (0..case.n_bytes()).map(|i| (i * 37 * k + 0x7f + k) as u8).collect())
        .collect();
    for (i, image) in images.iter().enumerate() {
        bench.offer(image, every);
        if i > 0 {
            for _ in 0..20 {
                bench.tick();
            }
            assert!(
                bench.loader.full.val() && bench.written.is_empty(),
                "bank 0 was overwritten before its release"
            );
            bench.loader.bank_free.next = true;
            bench.tick();
            bench.loader.bank_free.next = false;
            assert!(!bench.loader.full.val());
        }
        for cycle in 0..pack_cycles {
            assert!(!bench.loader.full.val() && !bench.loader.input_ready.val(), "cycle {cycle}");
            bench.tick();
        }
        assert!(bench.loader.full.val() && bench.loader.input_ready.val());
        assert_eq!(bench.loader.load_cycles.val().index(), load_cycles, "image {i}");
        bench.check_words(&case.pack(image));
    }
    emit(&mut bench.loader, "loader", "").unwrap();
}

#[test]
fn a_dense_word_a_pixel() {
    let entries = (0..12).map(|k| Entry {
        source: Some((k / 4 - 1, k / 2 % 2, k % 2)),
        word_end: k == 3 || k == 11,
    });
    let case = Case { channels: 2, width: 5, height: 4, block: 2, entries: entries.collect() };
    check(&case, 8, 1);
    check(&case, 4, 3);
}

#[test]
fn one_byte() {
    let entries = vec![Entry { source: Some((0, 0, 0)), word_end: true }];
    check(&Case { channels: 1, width: 1, height: 1, block: 1, entries }, 2, 1);
}

/// An image between images of other lengths: nothing of those is packed, and each is counted.
#[test]
fn an_image_of_another_length_is_dropped_and_the_next_one_is_right() {
    let entries: Vec<Entry> =
        (0..4).map(|k| Entry { source: Some((0, k, 0)), word_end: k == 3 }).collect();
    let case = Case { channels: 1, width: 4, height: 3, block: 1, entries };
    let n = case.n_bytes();
    for lengths in [vec![n - 1], vec![n + 1], vec![1], vec![2 * n - 1], vec![n + 3, 2, n - 1]] {
        let mut bench = Bench::new(&ArrayConfig::default(), &case);
        for (i, length) in lengths.iter().enumerate() {
            let bytes: Vec<u8> = (0..*length).map(|k| 0x80 + k as u8).collect();
            bench.offer(&bytes, 1 + i);
            assert!(bench.loader.bad_image.val());
            assert_eq!(bench.loader.bad_images.val().index(), i + 1, "{lengths:?}");
            for _ in 0..40 {
                bench.tick();
            }
            assert!(!bench.loader.full.val() && bench.written.is_empty(), "{lengths:?}");
        }
        let image: Vec<u8> = (0..n as u8).collect();
        bench.offer(&image, 1);
        while !bench.loader.full.val() {
            bench.tick();
        }
        assert!(!bench.loader.bad_image.val());
        assert_eq!(bench.loader.bad_images.val().index(), lengths.len());
        let pack_cycles = 1 + 12 * (case.entries.len() + 1) + 2;
        assert_eq!(bench.loader.load_cycles.val().index(), n + pack_cycles, "{lengths:?}");
        bench.check_words(&case.pack(&image));
    }
}

#[test]
fn a_reset_forgets_a_half_packed_image() {
    let entries: Vec<Entry> =
        (0..6).map(|k| Entry { source: Some((0, k, 0)), word_end: k == 5 }).collect();
    let case = Case { channels: 1, width: 6, height: 3, block: 1, entries };
    let config = ArrayConfig::default();
    for cycles in 1..30 {
        let mut bench = Bench::new(&config, &case);
        bench.offer(&[0x55; 18], 1);
        for _ in 0..cycles {
            bench.tick();
        }
        bench.loader.reset.next = true;
        bench.tick();
        bench.loader.reset.next = false;
        bench.written.clear();
        let image: Vec<u8> = (100..118).collect();
        bench.offer(&image, 1);
        while !bench.loader.full.val() {
            bench.tick();
        }
        bench.check_words(&case.pack(&image));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn random_tables((rows, case) in prop::sample::select(vec![2usize, 3, 8, 16]).prop_flat_map(|rows| (Just(rows), case(2 * rows)))) {
        check(&case, rows, 1 + case.entries.len() % 2);
    }
}
