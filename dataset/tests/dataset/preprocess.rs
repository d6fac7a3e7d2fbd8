//! The prepared, table-driven pre-processing against the documented formulas, written out value by value.

use proptest::prelude::*;
use spec::{Normalize, Preprocess, Transfer};
use twofold_dataset::preprocess::{Preprocessor, View, apply, apply_view, downsample};
use twofold_dataset::{Chip, Samples};

/// The steps of `spec::Preprocess`, one after another; the views as `View` documents them.
fn plain(definition: &Preprocess, chip: &Chip, view: View) -> Vec<i8> {
    let transfer = |u: u32| match (view.exponent, definition.transfer) {
        (Some(exponent), _) => {
            (libm::pow(f64::from(u) / 65535.0, exponent) * 65535.0).round() as u32
        }
        (None, Transfer::Linear) => u,
        (None, Transfer::SquareRoot) => (u * 65535).isqrt(),
    };
    let pixel = |row: usize, column: usize, channel: usize| {
        let at = |channel| u32::from(chip.sample(row, column, channel));
        match (chip.channels(), definition.channels) {
            (3, 1) => (299 * at(0) + 587 * at(1) + 114 * at(2) + 500) / 1000,
            (1, _) => at(0),
            _ => at(channel),
        }
    };
    let side = definition.downsample;
    let (height, width) = (chip.height() / side, chip.width() / side);
    let sample = |row: i64, column: i64, channel: usize| {
        let row = usize::try_from(row).ok().filter(|&row| row < height)?;
        let column = usize::try_from(column).ok().filter(|&column| column < width)?;
        let (top, left) = ((chip.height() - height * side) / 2, (chip.width() - width * side) / 2);
        let mut sum = 0;
        for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
            sum += pixel(top + row * side + y, left + column * side + x, channel);
        }
        // Half up, in numbers that hold it exactly.
        Some((f64::from(sum) / f64::from((side * side) as u32) + 0.5).floor() as u32)
    };
    let (top, left) = (
        (height as i64 - definition.height as i64) / 2 + view.down as i64,
        (width as i64 - definition.width as i64) / 2 + view.right as i64,
    );
    let mut values = Vec::new();
    for row in 0..definition.height {
        for column in 0..definition.width {
            let column = if view.mirror { definition.width - 1 - column } else { column };
            for channel in 0..definition.channels {
                let u = sample(top + row as i64, left + column as i64, channel);
                values.push(u.map(transfer));
            }
        }
    }
    let inside: Vec<i128> = values.iter().flatten().map(|&y| i128::from(y)).collect();
    let (n, sum) = (inside.len() as i128, inside.iter().sum::<i128>());
    let spread = n * inside.iter().map(|y| y * y).sum::<i128>() - sum * sum;
    let z = |y: u32, channel: usize| match &definition.normalize {
        Normalize::PerChip if spread == 0 => 0.0,
        Normalize::PerChip => (n * i128::from(y) - sum) as f64 / (spread as f64).sqrt(),
        Normalize::Fixed { mean, std } => (f64::from(y) / 65535.0 - mean[channel]) / std[channel],
    };
    let quantize = |(idx, y): (usize, &Option<u32>)| {
        let outside = definition.zero_point.unwrap_or(0);
        y.map_or(outside, |y| {
            let z = z(y, idx % definition.channels);
            let q = (((z * definition.scale) / definition.clip) * 127.0).round_ties_even();
            let lowest = if definition.zero_point.is_some() { -128.0 } else { -127.0 };
            (q + f64::from(outside)).clamp(lowest, 127.0) as i8
        })
    };
    values.iter().enumerate().map(quantize).collect()
}

fn chips() -> impl Strategy<Value = Chip> {
    (1..12_usize, 1..12_usize, prop_oneof![Just(1_usize), Just(3)], any::<bool>(), 1..=65535_u32)
        .prop_flat_map(|(height, width, channels, deep, max)| {
            let n = height * width * channels;
            proptest::collection::vec(0..=max as u16, n).prop_map(move |words| {
                let samples = if deep {
                    Samples::Sixteen(words)
                } else {
                    Samples::Eight(words.into_iter().map(|word| word as u8).collect())
                };
                Chip::new(height, width, channels, samples)
            })
        })
}

fn definitions() -> impl Strategy<Value = Preprocess> {
    let downsample = prop_oneof![2 => Just(1_usize), 1 => 2..5_usize];
    let numbers = proptest::collection::vec((0.0..1.0_f64, 0.01..0.6_f64), 3);
    let transfer = prop_oneof![Just(Transfer::Linear), Just(Transfer::SquareRoot)];
    (
        (1..12_usize, 1..12_usize, downsample),
        any::<bool>(),
        transfer,
        any::<bool>(),
        numbers,
        (0.1..2.0_f64, 0.5..2.0_f64),
        any::<Option<i8>>(),
    )
        .prop_map(
            |(
                (height, width, downsample),
                color,
                transfer,
                fixed,
                numbers,
                factors,
                zero_point,
            )| {
                let (scale, clip) = factors;
                let channels = if color { 3 } else { 1 };
                let normalize = if fixed {
                    let (mean, std) = numbers.into_iter().take(channels).unzip();
                    Normalize::Fixed { mean, std }
                } else {
                    Normalize::PerChip
                };
                let base = Preprocess::sar(1);
                let base = Preprocess { downsample, transfer, normalize, zero_point, ..base };
                Preprocess { height, width, channels, scale, clip, ..base }
            },
        )
}

fn views() -> impl Strategy<Value = View> {
    let exponent = proptest::option::of(0.2..1.5_f64);
    (-14..=14_isize, -14..=14_isize, any::<bool>(), exponent)
        .prop_map(|(down, right, mirror, exponent)| View { down, right, mirror, exponent })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn tables_change_no_bit(definition in definitions(), chips in [chips(), chips()], view in views()) {
        let prepared = Preprocessor::new(&definition);
        for chip in &chips {
            prop_assert_eq!(prepared.apply_view(chip, view), plain(&definition, chip, view));
            prop_assert_eq!(apply_view(&definition, chip, view), plain(&definition, chip, view));
            prop_assert_eq!(prepared.apply(chip), plain(&definition, chip, View::PLAIN));
            prop_assert_eq!(apply(&definition, chip), plain(&definition, chip, View::PLAIN));
        }
        let mut input = vec![55; definition.n_values()];
        prepared.apply_view_into(&chips[0], view, &mut input);
        prop_assert_eq!(input, plain(&definition, &chips[0], view));
    }
}

#[test]
fn the_square_root_is_the_integer_one_for_every_sample() {
    // A window of one pixel is its own mean, so the curve is seen through fixed numbers: 1 of 65535 is one step.
    let all: Vec<u16> = (0..=u16::MAX).collect();
    let chip = Chip::new(256, 256, 1, Samples::Sixteen(all));
    for low in (0..65536).step_by(200) {
        let definition = Preprocess {
            normalize: Normalize::Fixed { mean: vec![f64::from(low) / 65535.0], std: vec![1.0] },
            scale: 1.0,
            clip: 127.0 / 65535.0,
            ..Preprocess::sar(256)
        };
        let input = apply(&definition, &chip);
        for (u, &q) in input.iter().enumerate() {
            let y = i64::from((u as u32 * 65535).isqrt());
            assert_eq!(i64::from(q), (y - i64::from(low)).clamp(-127, 127), "sample {u}");
        }
    }
}

#[test]
fn blocks_are_about_the_center_and_their_means_are_rounded_half_up() {
    // Of seven columns in blocks of two the last is dropped.
    let samples = |height: usize, width: usize, words: &[u16]| {
        Chip::new(height, width, 1, Samples::Sixteen(words.to_vec()))
    };
    let definition = |side, downsample| Preprocess { downsample, ..Preprocess::sar(side) };
    let row = samples(2, 7, &[9, 1, 0, 5, 5, 0, 0, 9, 0, 1, 6, 5, 0, 0]);
    let blocks = downsample(&row, 2, 1).unwrap();
    assert_eq!((blocks.height(), blocks.width()), (1, 3));
    // (9 + 1 + 9 + 0) / 4 = 4.75; (0 + 5 + 1 + 6) / 4 = 3; (5 + 0 + 5 + 0) / 4 = 2.5.
    assert_eq!(*blocks.samples(), Samples::Sixteen(vec![5, 3, 3]));
    // Of five columns in blocks of three the first and the last are dropped.
    let row = samples(3, 5, &[99, 1, 2, 3, 99, 99, 4, 5, 6, 99, 99, 7, 8, 9, 99]);
    let blocks = downsample(&row, 3, 1).unwrap();
    assert_eq!(*blocks.samples(), Samples::Sixteen(vec![5]));
    // 8 bits are spread to 16 before they are averaged, and color becomes gray before.
    let color = Chip::new(2, 2, 3, Samples::Eight(vec![255, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0]));
    let blocks = downsample(&color, 2, 1).unwrap();
    assert_eq!(*blocks.samples(), Samples::Sixteen(vec![(19_595 + 38_469) / 4]));
    // The largest samples of the largest blocks.
    let white = Chip::new(64, 64, 1, Samples::Eight(vec![255; 64 * 64]));
    let blocks = downsample(&white, 64, 1).unwrap();
    assert_eq!(*blocks.samples(), Samples::Sixteen(vec![65_535]));
    // No block, no pixel.
    assert_eq!(downsample(&samples(3, 8, &[7; 24]), 4, 1), None);
    assert_eq!(apply(&definition(2, 4), &samples(3, 8, &[7; 24])), [0; 4]);
}

#[test]
fn a_photo_keeps_two_deviations() {
    let photo = Preprocess::photo(1, vec![0.2, 0.4, 0.6], vec![0.1, 0.2, 0.1]);
    let pixel =
        |samples: [u8; 3]| apply(&photo, &Chip::new(1, 1, 3, Samples::Eight(samples.to_vec())));
    // 51, 102 and 153 of 255 are the means; 0.1 is 25.5 of 255.
    assert_eq!(pixel([51, 102, 153]), [0, 0, 0]);
    assert_eq!(pixel([102, 204, 204]), [127, 127, 127]);
    assert_eq!(pixel([0, 0, 102]), [-127, -127, -127]);
    assert_eq!(pixel([255, 255, 255]), [127, 127, 127]);
    // One deviation above the mean, at 76.5, 153 and 178.5, is half of 127.
    assert_eq!(pixel([76, 152, 178]), [62, 62, 62]);
}

#[test]
fn mirrored_windows_read_from_right_to_left() {
    let samples: Vec<u8> = (0..20).map(|i| i * 12).collect();
    let gray = |height, width, samples: &[u8]| {
        Chip::new(height, width, 1, Samples::Eight(samples.to_vec()))
    };
    let wide = gray(4, 5, &samples);
    let mirrored: Vec<u8> = samples.chunks(5).flat_map(|row| row.iter().rev().copied()).collect();
    let definition = Preprocess { width: 5, ..Preprocess::sar(4) };
    let view = View { mirror: true, ..View::PLAIN };
    assert_eq!(apply_view(&definition, &wide, view), apply(&definition, &gray(4, 5, &mirrored)));
    // The window moves first: of 3 columns at 2, 3, 4, the first one read is 4.
    let three = Preprocess { width: 3, ..Preprocess::sar(4) };
    let moved = View { right: 1, ..view };
    let by_hand: Vec<u8> = samples.chunks(5).flat_map(|row| [row[4], row[3], row[2]]).collect();
    assert_eq!(apply_view(&three, &wide, moved), apply(&three, &gray(4, 3, &by_hand)));
}
