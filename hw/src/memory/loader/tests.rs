//! The loader against plain loops: what lies in bank 0, and when.

use super::*;
use crate::leaf::{settle, tick};
use crate::random::Random;
use crate::verilog::emit;
use proptest::prelude::*;
use spec::Memories;
use spec::isa::Lane;

/// An entry of the lane table: lanes `first`, `first + step` up to `last`, and where their bytes are.
#[derive(Clone, Copy, Debug)]
struct Entry {
    dy: i64,
    column: i64,
    first: usize,
    last: usize,
    step: usize,
    word_end: bool,
}

impl Entry {
    /// The lanes that it fills.
    fn lanes(&self) -> Vec<usize> {
        (self.first..=self.last).step_by(self.step).collect()
    }
}

#[derive(Clone, Debug)]
struct Case {
    rows: usize,
    port_bytes: usize,
    channels: i64,
    width: i64,
    height: i64,
    block: i64,
    /// Rows of packed pixels beyond those of the image.
    more_rows: i64,
    fill: i8,
    entries: Vec<Entry>,
}

impl Case {
    fn config(&self) -> ArrayConfig {
        let memories = Memories { image: 150, input: 512, ..Memories::default() };
        ArrayConfig::new(self.rows, 4, memories).unwrap().with_port_bytes(self.port_bytes).unwrap()
    }

    fn grid(&self) -> (i64, i64) {
        let of = |size: i64| (size + self.block - 1) / self.block;
        (of(self.width), of(self.height) + self.more_rows)
    }

    fn row_bytes(&self) -> i64 {
        self.width * self.channels
    }

    fn n_bytes(&self) -> usize {
        (self.height * self.row_bytes()) as usize
    }

    /// The last byte that the first row of packed pixels may read.
    fn reach(&self) -> usize {
        let last = self.entries.iter().map(|entry| entry.dy).max().unwrap();
        ((last + 1) * self.row_bytes()).clamp(1, self.n_bytes() as i64) as usize - 1
    }

    fn context(&self) -> LoadContext {
        let (grid_width, grid_height) = self.grid();
        LoadContext {
            block: bits(self.block as u64),
            bytes_minus_1: bits(self.n_bytes() as u64 - 1),
            grid_width_minus_1: bits(grid_width as u64 - 1),
            grid_height_minus_1: bits(grid_height as u64 - 1),
            pixel_step: bits((self.block * self.channels) as u64),
            row_step: bits((self.block * self.row_bytes()) as u64),
            row_bytes: bits(self.row_bytes() as u64),
            image_height: bits(self.height as u64),
            fill: bits((self.fill as u8).into()),
            reach: bits(self.reach() as u64),
        }
    }

    fn table(&self) -> Vec<[u32; 2]> {
        let encoded = self.entries.iter().enumerate().map(|(i, entry)| {
            let lane = Lane {
                offset: entry.dy * self.row_bytes() + entry.column,
                column: entry.column,
                dy: entry.dy,
                first_lane: entry.first,
                last_lane: entry.last,
                alternate: entry.step == 2,
                word_end: entry.word_end,
                pixel_end: i + 1 == self.entries.len(),
            };
            lane.encode().unwrap()
        });
        encoded.collect()
    }

    /// The words of an image.
    fn pack(&self, image: &[u8]) -> Vec<Vec<u8>> {
        let (grid_width, grid_height) = self.grid();
        let mut words = Vec::new();
        for pixel in 0..grid_width * grid_height {
            let mut word = vec![0; 2 * self.rows];
            for entry in &self.entries {
                for (index, lane) in (0..).zip(entry.lanes()) {
                    let y = pixel / grid_width * self.block + entry.dy;
                    let x = pixel % grid_width * self.block * self.channels + entry.column + index;
                    let inside =
                        (0..self.height).contains(&y) && (0..self.row_bytes()).contains(&x);
                    word[lane] = if inside {
                        image[(y * self.row_bytes() + x) as usize]
                    } else {
                        self.fill as u8
                    };
                }
                if entry.word_end {
                    words.push(std::mem::replace(&mut word, vec![0; 2 * self.rows]));
                }
            }
        }
        words
    }

    /// The cycle in which `full` goes up, from those in which the beats were taken and the first in which bank 0 is free:
    /// an entry a cycle, rows as their bytes come, and what the entries take to get through.
    fn full_at(&self, taken: &[usize], bank_free: usize) -> usize {
        let (grid_width, grid_height) = self.grid();
        let mut visit = bank_free;
        for row in 0..grid_height as usize {
            let reach = self.reach() + row * (self.block * self.row_bytes()) as usize;
            let beat = (reach / self.port_bytes).min(taken.len() - 1);
            visit = visit.max(taken[beat] + 1) + grid_width as usize * self.entries.len();
        }
        (visit - 1 + 4).max(taken[taken.len() - 1] + 1) + 1
    }
}

fn entry(lanes: usize, port_bytes: usize, channels: i64) -> impl Strategy<Value = Entry> {
    let place = (-9i64..9, -5 * channels..5 * channels);
    (place, 0..lanes, 1..3usize, 0..=port_bytes, prop::bool::weighted(0.3)).prop_map(
        move |((dy, column), first, step, n, word_end)| {
            let n = n.min((lanes - first).div_ceil(step));
            let (first, last) =
                if n == 0 { (first + 1, first) } else { (first, first + (n - 1) * step) };
            Entry { dy, column, first: first.min(31), last, step, word_end }
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let sizes = (prop::sample::select(vec![2usize, 3, 8, 16]), 0..5usize);
    let image = (1i64..4, 1i64..8, 1i64..8, 1i64..5, 0i64..3);
    (sizes, image, any::<i8>()).prop_flat_map(|((rows, port), image, fill)| {
        let (channels, width, height, block, more_rows) = image;
        let port_bytes = ArrayConfig::PORT_BYTES[port];
        prop::collection::vec(entry(2 * rows, port_bytes, channels), 1..9).prop_map(
            move |mut entries| {
                entries.last_mut().expect("there is one").word_end = true;
                let entries = std::mem::take(&mut entries);
                Case { rows, port_bytes, channels, width, height, block, more_rows, fill, entries }
            },
        )
    })
}

/// Pixels of 2 channels, blocks of 2 x 2, two words of four and eight bytes.
fn blocks(port_bytes: usize) -> Case {
    let run = |dy, column, first, word_end| Entry {
        dy,
        column,
        first,
        last: first + port_bytes.min(4) - 1,
        step: 1,
        word_end,
    };
    let entries = if port_bytes < 4 {
        let runs = (0..8 / port_bytes).map(|i| {
            let at = i * port_bytes;
            run(at as i64 / 4, at as i64 % 4, at, at + port_bytes == 8)
        });
        runs.collect()
    } else {
        vec![run(0, 0, 0, true), run(1, 0, 0, false), run(-1, -2, 4, true)]
    };
    let (channels, width, height, block) = (2, 5, 4, 2);
    let (rows, more_rows, fill) = (4, 0, -7);
    Case { rows, port_bytes, channels, width, height, block, more_rows, fill, entries }
}

/// A beat of the input port.
#[derive(Clone, Debug)]
struct Beat {
    bytes: Vec<u8>,
    keep: u32,
    last: bool,
}

/// The beats of a frame.
fn beats(frame: &[u8], port_bytes: usize) -> Vec<Beat> {
    let n = frame.len().div_ceil(port_bytes);
    let chunks = frame.chunks(port_bytes).enumerate();
    let beat = |(index, bytes): (usize, &[u8])| Beat {
        bytes: bytes.to_vec(),
        keep: (1 << bytes.len()) - 1,
        last: index + 1 == n,
    };
    chunks.map(beat).collect()
}

/// A loader with its lane memory, and bank 0.
struct Bench {
    loader: Loader,
    table: Vec<[u32; 2]>,
    bank: Vec<Vec<u8>>,
    cycle: usize,
}

impl Bench {
    fn new(case: &Case) -> Self {
        let config = case.config();
        let loader = Loader::new(&config);
        let bank = vec![vec![0x5a; config.word_channels()]; config.memories().input];
        let mut bench = Self { loader, table: case.table(), bank, cycle: 0 };
        bench.reset();
        bench.loader.input_valid.next = true;
        bench.tick();
        assert!(!bench.loader.input_ready.val(), "ready without a configuration");
        bench.loader.input_valid.next = false;
        bench.loader.packing.next = case.context();
        bench.loader.configured.next = true;
        bench
    }

    fn reset(&mut self) {
        self.loader.reset.next = true;
        self.tick();
        self.loader.reset.next = false;
    }

    fn tick(&mut self) {
        settle(&mut self.loader).unwrap();
        let read = self.table.get(self.loader.lane_address.val().index()).copied();
        if self.loader.load_enable.val() {
            assert!(!self.loader.full.val(), "bank 0 is overwritten before its release");
            let word = self.loader.load_word.iter().map(|byte| byte.val().to_u8()).collect();
            self.bank[self.loader.load_address.val().index()] = word;
        }
        tick(&mut self.loader, |loader| &mut loader.clock).unwrap();
        // What lies beyond the table is anything.
        let [low, high] = read.unwrap_or([u32::MAX; 2]);
        self.loader.lane_word_0.next = bits(low.into());
        self.loader.lane_word_1.next = bits(high.into());
        self.cycle += 1;
    }

    /// Offers a beat after some idle cycles and gives the cycle in which it is taken.
    fn offer(&mut self, beat: &Beat, idle: usize) -> usize {
        for _ in 0..idle {
            self.tick();
        }
        for (index, port) in self.loader.input_data.iter_mut().enumerate() {
            port.next = bits(beat.bytes.get(index).copied().unwrap_or(0xa5).into());
            self.loader.input_keep[index].next = beat.keep >> index & 1 == 1;
        }
        self.loader.input_valid.next = true;
        self.loader.input_last.next = beat.last;
        settle(&mut self.loader).unwrap();
        while !self.loader.input_ready.val() {
            self.tick();
        }
        let taken = self.cycle;
        self.tick();
        self.loader.input_valid.next = false;
        self.loader.input_last.next = false;
        taken
    }

    fn send(&mut self, beats: &[Beat], mut idle: impl FnMut() -> usize) -> Vec<usize> {
        beats.iter().map(|beat| self.offer(beat, idle())).collect()
    }

    fn wait_full(&mut self) {
        for _ in 0..10_000 {
            if self.loader.full.val() {
                return;
            }
            self.tick();
        }
        panic!("no image was packed");
    }

    fn release(&mut self) {
        self.loader.bank_free.next = true;
        self.tick();
        self.loader.bank_free.next = false;
        settle(&mut self.loader).unwrap();
        assert!(!self.loader.full.val());
    }

    fn check_words(&self, expected: &[Vec<u8>]) {
        for (i, (word, expected)) in self.bank.iter().zip(expected).enumerate() {
            assert_eq!(word, expected, "word {i}");
        }
    }
}

fn image(case: &Case, seed: usize) -> Vec<u8> {
    (0..case.n_bytes()).map(|i| (i * 37 * (seed + 1) + 0x80 + seed) as u8).collect()
}

/// Images one after the other, the bank released at once or some time after the next image has begun.
fn check(case: &Case, most_idle: u64, seed: u64) {
    let mut random = Random::new(seed);
    let mut bench = Bench::new(case);
    let mut free = 0;
    for number in 0..3 {
        let image = image(case, number);
        let beats = beats(&image, case.port_bytes);
        let n_early = if number == 0 { 0 } else { random.below(beats.len() as u64 + 1) as usize };
        let (early, late) = beats.split_at(n_early);
        let mut taken = bench.send(early, || random.below(most_idle + 1) as usize);
        if number > 0 {
            for _ in 0..random.below(30) {
                bench.tick();
            }
            assert!(bench.loader.full.val());
            bench.release();
            free = bench.cycle;
        }
        let waited = if late.is_empty() { free - (taken[beats.len() - 1] + 1) } else { 0 };
        taken.extend(bench.send(late, || random.below(most_idle + 1) as usize));
        bench.wait_full();
        assert_eq!(bench.cycle, case.full_at(&taken, free), "{case:?}");
        let load_cycles = bench.cycle - taken[0] - waited;
        assert_eq!(bench.loader.load_cycles.val().index(), load_cycles, "image {number}, {case:?}");
        bench.check_words(&case.pack(&image));
    }
    emit(&mut bench.loader, "loader", "").unwrap();
}

#[test]
fn blocks_of_every_width() {
    for port_bytes in ArrayConfig::PORT_BYTES {
        check(&blocks(port_bytes), 0, 1);
        check(&blocks(port_bytes), 3, 2);
    }
}

#[test]
fn one_byte() {
    for port_bytes in ArrayConfig::PORT_BYTES {
        let entries = vec![Entry { dy: 0, column: 0, first: 0, last: 0, step: 1, word_end: true }];
        let (channels, width, height, block, fill) = (1, 1, 1, 1, 3);
        let (rows, more_rows) = (2, 0);
        check(
            &Case { rows, port_bytes, channels, width, height, block, more_rows, fill, entries },
            0,
            1,
        );
    }
}

/// Frames that are no image, by where `input_last` comes and what it keeps, before and between images: none is packed,
/// each is counted, and every image is right.
#[test]
fn what_is_no_image_is_dropped_and_the_next_one_is_right() {
    for port_bytes in ArrayConfig::PORT_BYTES {
        let case = blocks(port_bytes);
        let n = case.n_bytes();
        let whole = image(&case, 1);
        let mut bad: Vec<Vec<Beat>> = (1..2 * n + 3)
            .filter(|length| *length != n)
            .map(|length| beats(&image(&case, length).repeat(3)[..length], port_bytes))
            .collect();
        let rest = (1u32 << ((n - 1) % port_bytes + 1)) - 1;
        bad.extend((0..1u32 << port_bytes.min(8)).filter(|keep| *keep != rest).map(|keep| {
            let mut beats = beats(&whole, port_bytes);
            beats.last_mut().expect("an image has beats").keep = keep;
            beats
        }));
        let mut bench = Bench::new(&case);
        let mut n_bad = 0;
        for (number, frame) in bad.iter().enumerate() {
            bench.send(frame, || number % 2);
            n_bad += 1;
            settle(&mut bench.loader).unwrap();
            assert!(bench.loader.bad_image.val(), "{frame:?}");
            assert_eq!(bench.loader.bad_images.val().index(), n_bad);
            for _ in 0..[0, 40][number % 2] {
                bench.tick();
                assert!(!bench.loader.full.val());
            }
            if number % 3 != 1 {
                let image = image(&case, number);
                let taken = bench.send(&beats(&image, port_bytes), || 0);
                bench.wait_full();
                assert_eq!(bench.cycle, case.full_at(&taken, 0));
                assert_eq!(bench.loader.load_cycles.val().index(), bench.cycle - taken[0]);
                assert!(!bench.loader.bad_image.val());
                bench.check_words(&case.pack(&image));
                bench.release();
            }
        }
    }
}

#[test]
fn a_reset_forgets_a_half_packed_image() {
    for port_bytes in ArrayConfig::PORT_BYTES {
        let case = blocks(port_bytes);
        let first = beats(&[0x55; 40], port_bytes);
        for n_cycles in 1..first.len() + 20 {
            let mut bench = Bench::new(&case);
            let n_beats = n_cycles.min(first.len());
            bench.send(&first[..n_beats], || 0);
            for _ in n_beats..n_cycles {
                bench.tick();
            }
            bench.reset();
            let image = image(&case, 5);
            let taken = bench.send(&beats(&image, port_bytes), || 0);
            bench.wait_full();
            assert_eq!(bench.cycle, case.full_at(&taken, 0));
            bench.check_words(&case.pack(&image));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn random_tables(case in case(), idle in 0u64..4, seed: u64) {
        check(&case, idle, seed);
    }
}
