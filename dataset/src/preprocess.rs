//! The one implementation of [`spec::Preprocess`]: chip to int8 input.
//!
//! [`apply`] follows the steps documented at [`Preprocess`] to the bit. [`View`] moves the window and changes
//! the exponent of the curve, for training only.

use spec::{Normalize, Preprocess, Transfer};

use crate::Chip;

/// How a training view differs from the plain one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Rows that the window moves down by.
    pub down: isize,
    /// Columns that the window moves right by.
    pub right: isize,
    /// Exponent in place of the transfer curve: `y = 65535 (u / 65535)^exponent`.
    pub exponent: Option<f64>,
}

impl View {
    /// The view that deployment uses.
    pub const PLAIN: Self = Self { down: 0, right: 0, exponent: None };
}

/// The network's input: `height * width * channels` values, row-major, channels innermost.
///
/// The definition must be valid ([`Preprocess::validate`]).
pub fn apply(preprocess: &Preprocess, chip: &Chip) -> Vec<i8> {
    apply_view(preprocess, chip, View::PLAIN)
}

/// As [`apply`], through a moved or bent view.
pub fn apply_view(preprocess: &Preprocess, chip: &Chip, view: View) -> Vec<i8> {
    let curve = Curve::new(preprocess.transfer, view.exponent, chip);
    let window = Window {
        top: offset(chip.height(), preprocess.height) + view.down,
        left: offset(chip.width(), preprocess.width) + view.right,
    };
    let values = read_window(preprocess, chip, &window, &curve);
    let quantize = |z: f64| {
        (((z * preprocess.scale) / preprocess.clip) * 127.0).round_ties_even().clamp(-127.0, 127.0)
            as i8
    };
    match &preprocess.normalize {
        Normalize::PerChip => {
            let statistics = Statistics::of(values.iter().flatten().copied());
            values.iter().map(|y| y.map_or(0, |y| quantize(statistics.standardize(y)))).collect()
        }
        Normalize::Fixed { mean, std } => {
            let channels = (0..preprocess.channels).cycle();
            let fixed = |(y, c): (&Option<u16>, usize)| {
                y.map_or(0, |y| quantize((f64::from(y) / 65535.0 - mean[c]) / std[c]))
            };
            values.iter().zip(channels).map(fixed).collect()
        }
    }
}

/// Where the window starts in the image; negative where it reaches beyond.
struct Window {
    top: isize,
    left: isize,
}

fn offset(input: usize, output: usize) -> isize {
    (input as isize - output as isize) / 2
}

/// Transfer curve; 8-bit samples go through a table.
enum Curve {
    Exact(Transfer),
    Table(Vec<u16>),
    Power(f64),
}

impl Curve {
    fn new(transfer: Transfer, exponent: Option<f64>, chip: &Chip) -> Self {
        let exact = match exponent {
            Some(exponent) => Self::Power(exponent),
            None => Self::Exact(transfer),
        };
        let gray_bytes = matches!(chip.samples(), crate::Samples::Eight(_)) && chip.channels() == 1;
        let large = chip.width() * chip.height() > 1024;
        if gray_bytes && large {
            Self::Table((0..=255_u16).map(|byte| exact.at(byte * 257)).collect())
        } else {
            exact
        }
    }

    fn at(&self, u: u16) -> u16 {
        match self {
            Self::Exact(Transfer::Linear) => u,
            Self::Exact(Transfer::SquareRoot) => (u32::from(u) * 65535).isqrt() as u16,
            Self::Power(exponent) => {
                (libm::pow(f64::from(u) / 65535.0, *exponent) * 65535.0).round() as u16
            }
            Self::Table(table) => table[usize::from(u / 257)],
        }
    }
}

/// Curve values inside the window; `None` is padding.
fn read_window(
    preprocess: &Preprocess,
    chip: &Chip,
    window: &Window,
    curve: &Curve,
) -> Vec<Option<u16>> {
    let inside = |start: isize, idx: usize, size: usize| {
        usize::try_from(start + idx as isize).ok().filter(|&position| position < size)
    };
    let mut values = Vec::with_capacity(preprocess.n_values());
    for row in 0..preprocess.height {
        let row = inside(window.top, row, chip.height());
        for column in 0..preprocess.width {
            let column = inside(window.left, column, chip.width());
            for channel in 0..preprocess.channels {
                let position = row.zip(column);
                values.push(position.map(|(row, column)| {
                    curve.at(channel_sample(chip, row, column, channel, preprocess.channels))
                }));
            }
        }
    }
    values
}

fn channel_sample(chip: &Chip, row: usize, column: usize, channel: usize, channels: usize) -> u16 {
    match (chip.channels(), channels) {
        (1, _) => chip.sample(row, column, 0),
        (_, 1) => {
            let [red, green, blue] = [0, 1, 2].map(|c| u32::from(chip.sample(row, column, c)));
            ((299 * red + 587 * green + 114 * blue + 500) / 1000) as u16
        }
        _ => chip.sample(row, column, channel),
    }
}

/// Exact integer statistics of the window.
struct Statistics {
    n: i64,
    sum: i64,
    root: f64,
}

impl Statistics {
    fn of(values: impl Iterator<Item = u16>) -> Self {
        let (mut n, mut sum, mut sum_of_squares) = (0_i64, 0_i64, 0_i128);
        for y in values {
            n += 1;
            sum += i64::from(y);
            sum_of_squares += i128::from(y) * i128::from(y);
        }
        let spread = i128::from(n) * sum_of_squares - i128::from(sum) * i128::from(sum);
        Self { n, sum, root: (spread as f64).sqrt() }
    }

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
    use crate::Samples;

    fn gray(height: usize, width: usize, samples: &[u8]) -> Chip {
        Chip::new(height, width, 1, Samples::Eight(samples.to_vec()))
    }

    fn definition(side: usize, transfer: Transfer, scale: f64) -> Preprocess {
        Preprocess { transfer, scale, ..Preprocess::sar(side) }
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
        // An odd difference rounds toward zero, whichever way it goes.
        assert_eq!((offset(6, 3), offset(3, 6)), (1, -1));
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
        assert_eq!(channel_sample(&color, 0, 0, 0, 1), 19595);
        assert_eq!(channel_sample(&color, 0, 1, 0, 1), 38469);
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
        let moved = apply_view(&sar, &chip, View { down: 1, right: -2, exponent: None });
        let by_hand: Vec<u8> = (4..8)
            .flat_map(|r| (1..5).map(move |c| (r, c)))
            .map(|(r, c)| samples[r * 10 + c])
            .collect();
        assert_eq!(moved, apply(&sar, &gray(4, 4, &by_hand)));
        let bent = apply_view(&sar, &chip, View { exponent: Some(1.0), ..View::PLAIN });
        assert_eq!(bent, apply(&definition(4, Transfer::Linear, 0.25), &chip));
    }
}
