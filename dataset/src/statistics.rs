//! Mean and deviation of each channel over a whole set: the fixed numbers of color pre-processing.

use std::borrow::Cow;

use crate::preprocess::downsample;
use crate::{Chip, ImageSet, Samples};

/// Mean and standard deviation of each channel over all samples of a set, of which blocks of `side` x `side` pixels are averaged
/// first ([`downsample`]; 1 for none), in units of full scale (1.0 = 65535, or
/// 255 of 8 bits), rounded to 4 decimals; a deviation is at least 0.0001. For a set without images both are empty.
///
/// They are what [`spec::Preprocess::photo`] takes, and are taken over the training split.
///
/// # Shapes
/// One number of each a channel.
pub fn channel_statistics(set: &ImageSet, side: usize) -> (Vec<f64>, Vec<f64>) {
    let channels = set.samples.first().map_or(0, |sample| sample.chip.channels());
    let mut sums = vec![(0_u128, 0_u128, 0_u128); channels];
    let shrink = |chip| match side {
        1 => Some(Cow::Borrowed(chip)),
        _ => downsample(chip, side, channels).map(Cow::<Chip>::Owned),
    };
    for chip in set.samples.iter().filter_map(|sample| shrink(&sample.chip)) {
        for (channel, (n, sum, squares)) in sums.iter_mut().enumerate() {
            let (s, q) = match chip.samples() {
                Samples::Eight(bytes) => {
                    let (s, q) = sum_and_squares(bytes, channel, channels);
                    (s * 257, q * 257 * 257)
                }
                Samples::Sixteen(words) => sum_and_squares(words, channel, channels),
            };
            *n += (chip.width() * chip.height()) as u128;
            *sum += u128::from(s);
            *squares += u128::from(q);
        }
    }
    let round = |x: f64| (x * 1e4).round() / 1e4;
    let of_channel = |&(n, sum, squares): &(u128, u128, u128)| {
        let full_scale = n.max(1) as f64 * 65535.0;
        let spread = (n * squares - sum * sum) as f64;
        (round(sum as f64 / full_scale), round(spread.sqrt() / full_scale).max(1e-4))
    };
    sums.iter().map(of_channel).unzip()
}

/// Exact for any chip within the largest size: 2^24 pixels of squares below 2^32.
fn sum_and_squares<T: Copy + Into<u64>>(
    samples: &[T],
    channel: usize,
    channels: usize,
) -> (u64, u64) {
    let values = samples.iter().skip(channel).step_by(channels);
    values.fold((0, 0), |(sum, squares), &value| {
        let value = value.into();
        (sum + value, squares + value * value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chip, Sample};

    fn set(chips: Vec<Chip>) -> ImageSet {
        let sample = |chip| Sample { name: String::new(), label: 0, chip };
        ImageSet {
            classes: vec!["a".into()],
            samples: chips.into_iter().map(sample).collect(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn each_channel_has_its_own_numbers() {
        // Red 0 and 255, green 51 everywhere, blue 0, 0, 255 and 255 over two chips.
        let a = Chip::new(1, 2, 3, Samples::Eight(vec![0, 51, 0, 255, 51, 0]));
        let b = Chip::new(2, 1, 3, Samples::Eight(vec![0, 51, 255, 255, 51, 255]));
        let (mean, std) = channel_statistics(&set(vec![a, b]), 1);
        assert_eq!(mean, [0.5, 0.2, 0.5]);
        assert_eq!(std, [0.5, 0.0001, 0.5]);
    }

    #[test]
    fn blocks_are_averaged_first() {
        // Means of 0.5 and 0.25; what varies within a block counts no more. The last chip holds no block.
        let chip = |bytes: [u8; 4]| {
            let samples = bytes.iter().flat_map(|&byte| [byte; 3]).collect();
            Chip::new(2, 2, 3, Samples::Eight(samples))
        };
        let small = Chip::new(1, 1, 3, Samples::Eight(vec![255; 3]));
        let chips = vec![chip([255, 0, 255, 0]), chip([0, 0, 255, 0]), small];
        let (mean, std) = channel_statistics(&set(chips), 2);
        assert_eq!((mean, std), (vec![0.375; 3], vec![0.125; 3]));
    }

    #[test]
    fn depth_does_not_matter_and_numbers_are_rounded() {
        let bytes: Vec<u8> = (0..64).map(|i| (i * 73 % 256) as u8).collect();
        let words = bytes.iter().map(|&byte| u16::from(byte) * 257).collect();
        let eight =
            channel_statistics(&set(vec![Chip::new(8, 8, 1, Samples::Eight(bytes.clone()))]), 1);
        let sixteen =
            channel_statistics(&set(vec![Chip::new(8, 8, 1, Samples::Sixteen(words))]), 1);
        assert_eq!(eight, sixteen);
        let scaled: Vec<f64> = bytes.iter().map(|&byte| f64::from(byte) / 255.0).collect();
        let mean = scaled.iter().sum::<f64>() / 64.0;
        let std = (scaled.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 64.0).sqrt();
        assert!((eight.0[0] - mean).abs() <= 0.5e-4 && (eight.1[0] - std).abs() <= 0.5e-4);
        assert_eq!(eight.0[0], (mean * 1e4).round() / 1e4);
    }

    #[test]
    fn no_images_have_no_numbers() {
        assert_eq!(channel_statistics(&set(Vec::new()), 1), (vec![], vec![]));
    }
}
