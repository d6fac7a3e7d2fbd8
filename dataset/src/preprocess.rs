//! The one implementation of [`spec::Preprocess`]: chip to int8 input.
//!
//! A [`Preprocessor`] is prepared once and used for many chips; it follows the steps documented at [`Preprocess`]
//! to the bit. 8-bit chips go through tables of 256 entries, which changes the time and no result. [`View`] moves
//! and mirrors the window and changes the exponent of the curve, for training only.

mod downsample;
mod window;

use spec::{Normalize, Preprocess, Transfer};

use self::window::Window;
use crate::{Chip, Samples};

/// How a training view differs from the plain one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Rows that the window moves down by, after downsampling.
    pub down: isize,
    /// Columns that the window moves right by, after downsampling.
    pub right: isize,
    /// Whether the window, after it was moved, is read from right to left.
    pub mirror: bool,
    /// Exponent in place of the transfer curve: `y = 65535 (u / 65535)^exponent`.
    pub exponent: Option<f64>,
}

impl View {
    /// The view that deployment uses.
    pub const PLAIN: Self = Self { down: 0, right: 0, mirror: false, exponent: None };
}

/// The network's input: `height * width * channels` values, row-major, channels innermost.
///
/// The definition must be valid ([`Preprocess::validate`]). For many chips, prepare a [`Preprocessor`].
pub fn apply(preprocess: &Preprocess, chip: &Chip) -> Vec<i8> {
    Preprocessor::new(preprocess).apply(chip)
}

/// As [`apply`], through a moved, mirrored or bent view.
pub fn apply_view(preprocess: &Preprocess, chip: &Chip, view: View) -> Vec<i8> {
    Preprocessor::new(preprocess).apply_view(chip, view)
}

/// int8 of each 8-bit sample.
type Table = [i8; 256];

/// A definition with its tables, ready for any number of chips.
#[derive(Debug, Clone)]
pub struct Preprocessor {
    definition: Preprocess,
    /// For each 8-bit sample, its value after the transfer curve.
    curve: Box<[u16; 256]>,
    /// With fixed numbers: the table of each channel.
    fixed: Vec<Table>,
}

impl Preprocessor {
    /// Prepares the tables of a definition, which must be valid ([`Preprocess::validate`]).
    pub fn new(definition: &Preprocess) -> Self {
        let curve = Curve::of(definition, View::PLAIN);
        let curve = Box::new(std::array::from_fn(|byte| curve.at(wide(byte))));
        let fixed = fixed_tables(definition, &curve);
        Self { definition: definition.clone(), curve, fixed }
    }

    /// The definition.
    pub fn definition(&self) -> &Preprocess {
        &self.definition
    }

    /// The input of a chip: `height * width * channels` values, row-major, channels innermost.
    pub fn apply(&self, chip: &Chip) -> Vec<i8> {
        self.apply_view(chip, View::PLAIN)
    }

    /// As [`Preprocessor::apply`], through a moved, mirrored or bent view.
    pub fn apply_view(&self, chip: &Chip, view: View) -> Vec<i8> {
        let mut input = vec![0; self.definition.n_values()];
        self.apply_view_into(chip, view, &mut input);
        input
    }

    /// As [`Preprocessor::apply_view`], into memory that is there already.
    ///
    /// # Panics
    /// When `input` is not of `height * width * channels` values.
    pub fn apply_view_into(&self, chip: &Chip, view: View, input: &mut [i8]) {
        assert_eq!(input.len(), self.definition.n_values(), "the input has the definition's shape");
        input.fill(self.definition.zero_point.unwrap_or(0));
        if self.definition.downsample == 1 {
            self.apply_blocks_into(chip, view, input);
        } else if let Some(blocks) =
            downsample(chip, self.definition.downsample, self.definition.channels)
        {
            self.apply_blocks_into(&blocks, view, input);
        }
    }

    /// The steps after downsampling.
    fn apply_blocks_into(&self, chip: &Chip, view: View, input: &mut [i8]) {
        let window = Window::new(&self.definition, chip, view);
        match (chip.samples(), chip.channels(), self.definition.channels) {
            (Samples::Eight(bytes), 1, 1) => self.bytes::<1, 1>(bytes, &window, view, input),
            (Samples::Eight(bytes), 1, 3) => self.bytes::<1, 3>(bytes, &window, view, input),
            (Samples::Eight(bytes), 3, 3) => self.bytes::<3, 3>(bytes, &window, view, input),
            _ => self.words(chip, &window, view, input),
        }
    }

    /// 8-bit samples of `I` channels to an input of `O`, through tables.
    fn bytes<const I: usize, const O: usize>(
        &self,
        bytes: &[u8],
        window: &Window,
        view: View,
        input: &mut [i8],
    ) {
        let made;
        let tables: &[Table] = match (&self.definition.normalize, view.exponent) {
            (Normalize::Fixed { .. }, None) => &self.fixed,
            (Normalize::Fixed { .. }, Some(_)) => {
                let curve = Curve::of(&self.definition, view);
                made = fixed_tables(
                    &self.definition,
                    &std::array::from_fn(|byte| curve.at(wide(byte))),
                );
                &made
            }
            (Normalize::PerChip, _) => {
                made = vec![self.chip_table(&window.histogram::<I>(bytes), O / I, view); O];
                &made
            }
        };
        let map = |(to, from): (&mut [i8], &[u8])| {
            for channel in 0..O {
                to[channel] = tables[channel][usize::from(from[channel.min(I - 1)])];
            }
        };
        for (source, target) in window.rows() {
            let from = bytes[source * I..][..window.n_columns * I].chunks_exact(I);
            let to = input[target * O..][..window.n_columns * O].chunks_exact_mut(O);
            if view.mirror {
                to.zip(from.rev()).for_each(map);
            } else {
                to.zip(from).for_each(map);
            }
        }
    }

    /// The table of a chip that is normalized by its own statistics: only samples that occur are worked out.
    fn chip_table(&self, histogram: &[u32; 256], repeat: usize, view: View) -> Table {
        let bent = view.exponent.map(|_| Curve::of(&self.definition, view));
        let mut statistics = Sums::default();
        let mut values = [0; 256];
        for (byte, &count) in histogram.iter().enumerate().filter(|&(_, &count)| count > 0) {
            let y = bent.as_ref().map_or_else(|| self.curve[byte], |curve| curve.at(wide(byte)));
            values[byte] = y;
            statistics.add(y, count as usize * repeat);
        }
        let statistics = statistics.finish();
        let mut table = [0; 256];
        for (byte, _) in histogram.iter().enumerate().filter(|&(_, &count)| count > 0) {
            table[byte] = quantize(&self.definition, statistics.standardize(values[byte]));
        }
        table
    }

    /// Any samples to any input, one by one.
    fn words(&self, chip: &Chip, window: &Window, view: View, input: &mut [i8]) {
        let channels = self.definition.channels;
        let curve = Curve::of(&self.definition, view);
        let n_row = window.n_columns * channels;
        let mut values = Vec::with_capacity(window.n_rows * n_row);
        for (source, _) in window.rows() {
            for column in 0..window.n_columns {
                let column = if view.mirror { window.n_columns - 1 - column } else { column };
                let sample =
                    |channel| curve.at(channel_sample(chip, source + column, channel, channels));
                values.extend((0..channels).map(sample));
            }
        }
        let mut sums = Sums::default();
        values.iter().for_each(|&y| sums.add(y, 1));
        let statistics = sums.finish();
        for ((_, target), values) in window.rows().zip(values.chunks_exact(n_row.max(1))) {
            let to = &mut input[target * channels..][..n_row];
            for (idx, (q, &y)) in to.iter_mut().zip(values).enumerate() {
                let z = match &self.definition.normalize {
                    Normalize::PerChip => statistics.standardize(y),
                    Normalize::Fixed { mean, std } => {
                        let channel = idx % channels;
                        standardize_fixed(y, mean[channel], std[channel])
                    }
                };
                *q = quantize(&self.definition, z);
            }
        }
    }
}

/// The first three steps of [`Preprocess`]: a chip of 16 bits and so many channels, each pixel of which is the mean of a block
/// of `side` x `side` pixels; `None` when no block fits.
pub fn downsample(chip: &Chip, side: usize, channels: usize) -> Option<Chip> {
    downsample::blocks(chip, side, channels, |pixel, channel| {
        channel_sample(chip, pixel, channel, channels)
    })
}

/// 8-bit sample as 16 bits.
fn wide(byte: usize) -> u16 {
    byte as u16 * 257
}

fn fixed_tables(definition: &Preprocess, curve: &[u16; 256]) -> Vec<Table> {
    let Normalize::Fixed { mean, std } = &definition.normalize else { return Vec::new() };
    let table = |(&mean, &std): (&f64, &f64)| {
        std::array::from_fn(|byte| quantize(definition, standardize_fixed(curve[byte], mean, std)))
    };
    mean.iter().zip(std).map(table).collect()
}

fn standardize_fixed(y: u16, mean: f64, std: f64) -> f64 {
    (f64::from(y) / 65535.0 - mean) / std
}

fn quantize(definition: &Preprocess, z: f64) -> i8 {
    let q = (((z * definition.scale) / definition.clip) * 127.0).round_ties_even();
    match definition.zero_point {
        Some(zero_point) => (q + f64::from(zero_point)).clamp(-128.0, 127.0) as i8,
        None => q.clamp(-127.0, 127.0) as i8,
    }
}

/// Transfer curve.
enum Curve {
    Exact(Transfer),
    Power(f64),
}

impl Curve {
    fn of(definition: &Preprocess, view: View) -> Self {
        view.exponent.map_or(Self::Exact(definition.transfer), Self::Power)
    }

    fn at(&self, u: u16) -> u16 {
        match self {
            Self::Exact(Transfer::Linear) => u,
            // Below 2^32, the correctly rounded root never reaches the next integer: its floor is exact.
            Self::Exact(Transfer::SquareRoot) => (f64::from(u) * 65535.0).sqrt() as u16,
            Self::Power(exponent) => {
                (libm::pow(f64::from(u) / 65535.0, *exponent) * 65535.0).round() as u16
            }
        }
    }
}

/// Sample at a pixel, of an image seen as having `channels`.
fn channel_sample(chip: &Chip, pixel: usize, channel: usize, channels: usize) -> u16 {
    let sample = |channel| match chip.samples() {
        Samples::Eight(bytes) => u16::from(bytes[pixel * chip.channels() + channel]) * 257,
        Samples::Sixteen(words) => words[pixel * chip.channels() + channel],
    };
    match (chip.channels(), channels) {
        (1, _) => sample(0),
        (_, 1) => {
            let [red, green, blue] = [0, 1, 2].map(|channel| u32::from(sample(channel)));
            ((299 * red + 587 * green + 114 * blue + 500) / 1000) as u16
        }
        _ => sample(channel),
    }
}

/// Exact integer sums over the window.
#[derive(Default)]
struct Sums {
    n: i64,
    sum: i64,
    sum_of_squares: i64,
}

impl Sums {
    /// Counts a value a number of times. A window of 2^24 pixels stays within 64 bits.
    fn add(&mut self, y: u16, times: usize) {
        let (y, times) = (i64::from(y), times as i64);
        self.n += times;
        self.sum += times * y;
        self.sum_of_squares += times * y * y;
    }

    fn finish(&self) -> Statistics {
        let square = i128::from(self.sum) * i128::from(self.sum);
        let spread = i128::from(self.n) * i128::from(self.sum_of_squares) - square;
        Statistics { n: self.n, sum: self.sum, root: (spread as f64).sqrt() }
    }
}

/// Exact integer statistics of the window.
struct Statistics {
    n: i64,
    sum: i64,
    root: f64,
}

impl Statistics {
    fn standardize(&self, y: u16) -> f64 {
        if self.root == 0.0 {
            return 0.0;
        }
        (self.n * i64::from(y) - self.sum) as f64 / self.root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gray(height: usize, width: usize, samples: &[u8]) -> Chip {
        Chip::new(height, width, 1, Samples::Eight(samples.to_vec()))
    }

    fn definition(side: usize, transfer: Transfer, scale: f64) -> Preprocess {
        Preprocess { transfer, scale, ..Preprocess::sar(side) }
    }

    #[test]
    fn a_zero_point_is_added_and_is_what_lies_outside() {
        let bytes = Preprocess {
            zero_point: Some(-128),
            normalize: Normalize::Fixed { mean: vec![0.0], std: vec![1.0 / 255.0] },
            scale: 1.0,
            clip: 127.0,
            ..definition(4, Transfer::Linear, 1.0)
        };
        let input = apply(&bytes, &gray(2, 2, &[0, 1, 254, 255]));
        let mut expected = [-128; 16];
        expected[5..7].copy_from_slice(&[-128, -127]);
        expected[9..11].copy_from_slice(&[126, 127]);
        assert_eq!(input, expected);
        let all: Vec<u8> = (0..=255).collect();
        let expected: Vec<i8> = all.iter().map(|byte| (i16::from(*byte) - 128) as i8).collect();
        let bytes = Preprocess { height: 16, width: 16, ..bytes };
        assert_eq!(apply(&bytes, &gray(16, 16, &all)), expected);
    }

    #[test]
    fn two_values_stand_one_deviation_apart_from_their_mean() {
        let chip = gray(2, 2, &[10, 30, 30, 10]);
        let input = apply(&definition(2, Transfer::Linear, 0.25), &chip);
        // z = ±1, times 0.25, times 127 = 31.75.
        assert_eq!(input, [-32, 32, 32, -32]);
        let input = apply(&definition(2, Transfer::Linear, 1.5), &chip);
        assert_eq!(input, [-127, 127, 127, -127]);
    }

    #[test]
    fn square_root_matches_a_plain_computation() {
        let samples = [0, 1, 4, 9, 16, 100, 200, 255, 3];
        let input = apply(&definition(3, Transfer::SquareRoot, 0.25), &gray(3, 3, &samples));
        let roots: Vec<f64> = samples.iter().map(|&u| (f64::from(u) / 255.0).sqrt()).collect();
        let mean = roots.iter().sum::<f64>() / 9.0;
        let sd = (roots.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / 9.0).sqrt();
        let expected: Vec<i8> =
            roots.iter().map(|y| ((y - mean) / sd * 0.25 * 127.0).round() as i8).collect();
        assert_eq!(input, expected);
    }

    #[test]
    fn crop_and_padding_are_about_the_center() {
        let samples: Vec<u8> = (0..25).collect();
        let crop = apply(&definition(3, Transfer::Linear, 0.25), &gray(5, 5, &samples));
        let center = apply(
            &definition(3, Transfer::Linear, 0.25),
            &gray(3, 3, &[6, 7, 8, 11, 12, 13, 16, 17, 18]),
        );
        assert_eq!(crop, center);
        let padded = apply(
            &definition(5, Transfer::Linear, 0.25),
            &gray(3, 3, &[6, 7, 8, 11, 12, 13, 16, 17, 18]),
        );
        for (idx, &q) in padded.iter().enumerate() {
            let (row, column) = (idx / 5, idx % 5);
            let inside = (1..4).contains(&row) && (1..4).contains(&column);
            let expected = if inside { center[(row - 1) * 3 + column - 1] } else { 0 };
            assert_eq!(q, expected, "row {row} column {column}");
        }
    }

    #[test]
    fn a_flat_chip_is_zero() {
        assert_eq!(apply(&Preprocess::sar(4), &gray(4, 4, &[77; 16])), [0; 16]);
    }

    #[test]
    fn eight_bits_and_their_sixteen_bit_copy_agree() {
        let bytes: Vec<u8> = (0..64 * 64).map(|i| (i * 37 % 251) as u8).collect();
        let words = bytes.iter().map(|&b| u16::from(b) * 257).collect();
        let wide = Chip::new(64, 64, 1, Samples::Sixteen(words));
        let sar = Preprocess::sar(64);
        assert_eq!(apply(&sar, &gray(64, 64, &bytes)), apply(&sar, &wide));
    }

    #[test]
    fn color_becomes_luma_and_gray_is_repeated() {
        let color = Chip::new(1, 2, 3, Samples::Sixteen(vec![65535, 0, 0, 0, 65535, 0]));
        assert_eq!(channel_sample(&color, 0, 0, 1), 19595);
        assert_eq!(channel_sample(&color, 1, 0, 1), 38469);
        let three = Preprocess {
            channels: 3,
            normalize: Normalize::Fixed { mean: vec![0.5, 0.0, 0.0], std: vec![1.0, 1.0, 2.0] },
            scale: 1.0,
            transfer: Transfer::Linear,
            ..Preprocess::sar(1)
        };
        assert_eq!(apply(&three, &gray(1, 1, &[255])), [64, 127, 64]);
    }

    #[test]
    fn a_view_moves_the_window_and_bends_the_curve() {
        let samples: Vec<u8> = (0..100).map(|i| (i * i % 256) as u8).collect();
        let sar = Preprocess::sar(4);
        let chip = gray(10, 10, &samples);
        let moved = apply_view(&sar, &chip, View { down: 1, right: -2, ..View::PLAIN });
        let by_hand: Vec<u8> = (4..8)
            .flat_map(|r| (1..5).map(move |c| (r, c)))
            .map(|(r, c)| samples[r * 10 + c])
            .collect();
        assert_eq!(moved, apply(&sar, &gray(4, 4, &by_hand)));
        let bent = apply_view(&sar, &chip, View { exponent: Some(1.0), ..View::PLAIN });
        assert_eq!(bent, apply(&definition(4, Transfer::Linear, 0.25), &chip));
    }
}
