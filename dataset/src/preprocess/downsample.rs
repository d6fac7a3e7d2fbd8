//! Step 3 of [`spec::Preprocess`]: blocks of pixels to their means.

use crate::{Chip, Samples};

/// A chip of `channels` each pixel of which is the mean of a block of `side` x `side` pixels; `None` when no block fits.
pub(super) fn blocks(
    chip: &Chip,
    side: usize,
    channels: usize,
    sample: impl Fn(usize, usize) -> u16,
) -> Option<Chip> {
    let (height, width) = (chip.height() / side, chip.width() / side);
    let (top, left) = (chip.height() % side / 2, chip.width() % side / 2);
    if height == 0 || width == 0 {
        return None;
    }
    let n = (side * side) as u64;
    let mut sums = vec![0_u64; width * channels];
    let mut samples = Vec::with_capacity(height * width * channels);
    for row in 0..height {
        sums.fill(0);
        for y in 0..side {
            let first = (top + row * side + y) * chip.width() + left;
            for (x, pixel) in (first..first + width * side).enumerate() {
                for channel in 0..channels {
                    sums[x / side * channels + channel] += u64::from(sample(pixel, channel));
                }
            }
        }
        samples.extend(sums.iter().map(|sum| ((2 * sum + n) / (2 * n)) as u16));
    }
    Some(Chip::new(height, width, channels, Samples::Sixteen(samples)))
}
