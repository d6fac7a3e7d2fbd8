//! From an image to the network's int8 input: the definition that a network file carries.
//!
//! Only the definition lives here; `dataset::preprocess` is the one implementation, used by training,
//! reference and RTL runs alike. [`Preprocess`] documents the arithmetic bit for bit, so that another
//! implementation can be written from this page alone.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Curve applied to each sample `u` (0..=65535) before anything else; the result is 0..=65535 too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transfer {
    /// `y = u`.
    Linear,
    /// `y = floor(sqrt(u * 65535))`, the integer square root: evens out the long tail of radar magnitude.
    SquareRoot,
}

/// How a sample is brought to zero mean and unit spread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Normalize {
    /// By the chip's own mean and standard deviation, over all its channels together.
    PerChip,
    /// By fixed numbers for each channel, in units of full scale (1.0 = 65535).
    Fixed {
        /// Mean of each channel.
        mean: Vec<f64>,
        /// Standard deviation of each channel, above zero.
        std: Vec<f64>,
    },
}

/// Image to int8 tensor of `[height, width, channels]`.
///
/// # Arithmetic
/// All steps are integers but the last two; those are IEEE 754 binary64, round to nearest even, in
/// the order written and without fused operations.
///
/// 1. **Samples.** 8-bit samples are multiplied by 257, 16-bit ones are taken as they are: `u`, 0..=65535.
///    Floating-point magnitudes `m` (MSTAR original files) become `u = round_half_even((m / largest) * 65535)` in
///    binary64, with the largest of the same chip; a chip of zeros stays zero.
/// 2. **Channels.** One to three: repeat. Three to one: `u = (299 r + 587 g + 114 b + 500) / 1000`, floor.
/// 3. **Downsample.** With `N` above 1, each channel is averaged over blocks of `N` x `N` pixels, a box filter. An axis of
///    `s` pixels has `floor(s / N)` blocks, the first of which begins at pixel `floor((s mod N) / 2)`; what is left on
///    both sides is dropped. With `S` the sum of a block's samples, its sample is `u = floor((2 S + N^2) / (2 N^2))`, the
///    mean rounded half up. An image with a side below `N` has no block: all of the input is padding.
/// 4. **Transfer.** `y` from `u`, see [`Transfer`].
/// 5. **Window.** About the center, for each axis: with image size `s` (of blocks, after step 3) and input size `t`,
///    input index `i` reads image index `i + o` with `o = (s - t) / 2`, rounded toward zero. Indices outside
///    the image are padding: they count in no statistic, and their output is 0, or the `zero_point`.
/// 6. **Normalize.** [`Normalize::PerChip`]: over the `n` values inside the window, with exact integers
///    `S = sum y`, `Q = sum y^2`, `V = n Q - S^2`: `z = (n y - S) / sqrt(V)`, where `n y - S` and `V` are
///    converted to binary64 first; `V = 0` gives `z = 0`. (That is `(y - mean) / standard deviation`.)
///    [`Normalize::Fixed`]: `z = (y / 65535 - mean) / std`.
/// 7. **Quantize.** `q = round_half_even(((z * scale) / clip) * 127)`, limited to -127..=127. With a `zero_point` it is
///    added to the rounded number, and the sum is limited to -128..=127.
///
/// The real value of `q` is `q * clip / 127`, with a `zero_point` `(q - zero_point) * clip / 127`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// Output rows.
    pub height: usize,
    /// Output columns.
    pub width: usize,
    /// Output channels: 1 (gray) or 3 (red, green, blue).
    pub channels: usize,
    /// Side of the blocks that are averaged to a pixel each, 1 for none.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub downsample: usize,
    /// Curve applied to each sample.
    pub transfer: Transfer,
    /// Zero mean and unit spread.
    pub normalize: Normalize,
    /// Factor after normalizing, above zero.
    pub scale: f64,
    /// Largest magnitude kept after scaling, above zero; it becomes 127.
    pub clip: f64,
    /// The int8 value that means 0, of an input that may take all values; without it, 0 means 0 and -128 does not occur.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero_point: Option<i8>,
}

/// What makes a [`Preprocess`] impossible to apply.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PreprocessError {
    /// A side of zero, or beyond what any chip has.
    #[error("pre-processing: size {height}x{width} is not within 1x1 to {max}x{max}")]
    Size {
        /// Rows asked for.
        height: usize,
        /// Columns asked for.
        width: usize,
        /// Largest side.
        max: usize,
    },
    /// Neither gray nor color.
    #[error("pre-processing: {channels} channels; images have 1 (gray) or 3 (color)")]
    Channels {
        /// Channels asked for.
        channels: usize,
    },
    /// Blocks without pixels, or larger than any image.
    #[error("pre-processing: `downsample` is {factor}; it has to be within 1 and {max}")]
    Downsample {
        /// Side of the blocks asked for.
        factor: usize,
        /// Largest side.
        max: usize,
    },
    /// A factor that is not a positive, finite number.
    #[error("pre-processing: `{field}` is {value}; it has to be a finite number above zero")]
    Factor {
        /// Field of the network file.
        field: &'static str,
        /// Its value.
        value: f64,
    },
    /// Fixed statistics that do not cover the channels, or whose mean is not finite.
    #[error(
        "pre-processing: `normalize` has {n_means} means and {n_stds} deviations for {channels} channels; \
         give one finite number of each a channel"
    )]
    Statistics {
        /// Means given.
        n_means: usize,
        /// Deviations given.
        n_stds: usize,
        /// Channels of the image.
        channels: usize,
    },
}

impl Preprocess {
    /// Largest side of an input.
    pub const MAX_SIDE: usize = 4096;
    /// Largest side of the blocks of step 3.
    pub const MAX_DOWNSAMPLE: usize = 64;

    /// SAR magnitude chips: gray, `side` x `side`, square root, per-chip statistics, a quarter, limited to ±1.
    pub fn sar(side: usize) -> Self {
        Self {
            height: side,
            width: side,
            channels: 1,
            downsample: 1,
            transfer: Transfer::SquareRoot,
            normalize: Normalize::PerChip,
            scale: 0.25,
            clip: 1.0,
            zero_point: None,
        }
    }

    /// Color photographs: `side` x `side`, the samples as they are, the fixed `mean` and `std` of each channel, half
    /// of it limited to ±1: values within two deviations of the mean are kept.
    ///
    /// `mean` and `std` are of red, green and blue in units of full scale, taken over the training images.
    pub fn photo(side: usize, mean: Vec<f64>, std: Vec<f64>) -> Self {
        Self {
            height: side,
            width: side,
            channels: 3,
            downsample: 1,
            transfer: Transfer::Linear,
            normalize: Normalize::Fixed { mean, std },
            scale: 0.5,
            clip: 1.0,
            zero_point: None,
        }
    }

    /// Number of int8 values of one input.
    pub fn n_values(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Real value of one step of the int8 input.
    pub fn step(&self) -> f64 {
        self.clip / 127.0
    }

    /// Checks every rule of the definition.
    ///
    /// # Errors
    /// All rules that are broken, see [`PreprocessError`].
    pub fn validate(&self) -> Result<(), Vec<PreprocessError>> {
        let Self { height, width, channels, .. } = *self;
        let mut errors = Vec::new();
        let side = 1..=Self::MAX_SIDE;
        if !side.contains(&height) || !side.contains(&width) {
            errors.push(PreprocessError::Size { height, width, max: Self::MAX_SIDE });
        }
        if channels != 1 && channels != 3 {
            errors.push(PreprocessError::Channels { channels });
        }
        if !(1..=Self::MAX_DOWNSAMPLE).contains(&self.downsample) {
            let (factor, max) = (self.downsample, Self::MAX_DOWNSAMPLE);
            errors.push(PreprocessError::Downsample { factor, max });
        }
        let mut check_factor = |field, value: f64| {
            if !(value.is_finite() && value > 0.0) {
                errors.push(PreprocessError::Factor { field, value });
            }
        };
        check_factor("scale", self.scale);
        check_factor("clip", self.clip);
        if let Normalize::Fixed { mean, std } = &self.normalize {
            std.iter().for_each(|&std| check_factor("normalize.std", std));
            let finite = mean.iter().all(|mean| mean.is_finite());
            if mean.len() != channels || std.len() != channels || !finite {
                let (n_means, n_stds) = (mean.len(), std.len());
                errors.push(PreprocessError::Statistics { n_means, n_stds, channels });
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

fn one() -> usize {
    1
}

fn is_one(factor: &usize) -> bool {
    *factor == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_readable_and_round_trips() {
        let sar = Preprocess::sar(64);
        let text = serde_json::to_string(&sar).unwrap();
        assert_eq!(
            text,
            r#"{"height":64,"width":64,"channels":1,"transfer":"square_root","normalize":{"kind":"per_chip"},"scale":0.25,"clip":1.0}"#
        );
        assert_eq!(serde_json::from_str::<Preprocess>(&text).unwrap(), sar);
        // A file without the key has it by default; one that downsamples says so.
        let halved = Preprocess { downsample: 2, ..sar };
        let text = serde_json::to_string(&halved).unwrap();
        assert!(text.contains(r#""channels":1,"downsample":2,"transfer""#), "{text}");
        assert_eq!(serde_json::from_str::<Preprocess>(&text).unwrap(), halved);
    }

    #[test]
    fn a_photo_has_a_mean_and_a_deviation_for_each_color() {
        let photo = Preprocess::photo(32, vec![0.5, 0.25, 0.125], vec![0.25; 3]);
        assert_eq!(
            serde_json::to_string(&photo).unwrap(),
            r#"{"height":32,"width":32,"channels":3,"transfer":"linear","normalize":{"kind":"fixed","mean":[0.5,0.25,0.125],"std":[0.25,0.25,0.25]},"scale":0.5,"clip":1.0}"#
        );
        assert_eq!(photo.validate(), Ok(()));
        assert!(Preprocess::photo(32, vec![0.5], vec![0.25]).validate().is_err());
    }

    #[test]
    fn each_broken_rule_is_named() {
        let with = |change: fn(&mut Preprocess)| {
            let mut preprocess = Preprocess::sar(64);
            change(&mut preprocess);
            let errors = preprocess.validate().unwrap_err();
            assert_eq!(errors.len(), 1, "{errors:?}");
            errors[0].to_string()
        };
        assert!(with(|p| p.height = 0).contains("0x64"));
        assert!(with(|p| p.channels = 2).contains("2 channels"));
        assert!(
            with(|p| p.downsample = 0).contains("`downsample` is 0; it has to be within 1 and 64")
        );
        assert!(with(|p| p.downsample = 65).contains("`downsample` is 65"));
        assert!(with(|p| p.scale = f64::NAN).contains("`scale` is NaN"));
        assert!(with(|p| p.clip = 0.0).contains("`clip` is 0"));
        let fixed = |p: &mut Preprocess| {
            p.normalize = Normalize::Fixed { mean: vec![0.5], std: vec![-1.0] };
        };
        assert!(with(fixed).contains("`normalize.std` is -1"));
        let short = |p: &mut Preprocess| {
            p.channels = 3;
            p.normalize = Normalize::Fixed { mean: vec![0.5], std: vec![0.2; 3] };
        };
        assert!(with(short).contains("1 means and 3 deviations for 3 channels"));
        assert_eq!(Preprocess::sar(64).validate(), Ok(()));
    }

    #[test]
    fn no_broken_rule_hides_another() {
        let preprocess = Preprocess {
            height: 0,
            channels: 2,
            downsample: 0,
            scale: 0.0,
            clip: -1.0,
            normalize: Normalize::Fixed { mean: vec![1.0, 2.0], std: vec![0.0] },
            ..Preprocess::sar(64)
        };
        let errors = preprocess.validate().unwrap_err();
        let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
        for (told, part) in told.iter().zip([
            "size 0x64",
            "2 channels",
            "`downsample` is 0",
            "`scale` is 0",
            "`clip` is -1",
            "`normalize.std` is 0",
            "2 means and 1 deviations for 2 channels",
        ]) {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert_eq!(told.len(), 7, "{told:?}");
    }
}
