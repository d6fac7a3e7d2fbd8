//! How images become the input of an imported network: named presets, of which the input's scale and zero point make integers.

use spec::{InputSpec, Normalize, Preprocess, Transfer};

use crate::graph::Normalization;

/// What a network was trained on, of 8-bit samples `b` of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// The int8 input is `b - 128`, whatever its scale.
    Bytes,
    /// Real values 0 to 255: `b`.
    Raw,
    /// Real values 0 to 1: `b / 255`.
    Unit,
    /// Real values -1 to 1: `b / 127.5 - 1`.
    Signed,
    /// `(b / 255 - mean) / deviation` with the means and deviations of ImageNet's red, green and blue.
    ImageNet,
}

/// Means and deviations of ImageNet's channels, as torchvision has them.
const IMAGENET: [[f64; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

impl Preset {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Bytes, Self::Raw, Self::Unit, Self::Signed, Self::ImageNet];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Raw => "raw",
            Self::Unit => "unit",
            Self::Signed => "signed",
            Self::ImageNet => "imagenet",
        }
    }

    /// The definition for an input; `None` where it is no image of this kind.
    pub fn of(self, input: &InputSpec) -> Option<Preprocess> {
        let same = |mean: f64, std: f64| (vec![mean; input.channels], vec![std; input.channels]);
        let (mean, std) = match self {
            Self::Bytes | Self::Raw => same(0.0, 1.0 / 255.0),
            Self::Unit => same(0.0, 1.0),
            Self::Signed => same(0.5, 0.5),
            Self::ImageNet if input.channels == 3 => (IMAGENET[0].to_vec(), IMAGENET[1].to_vec()),
            Self::ImageNet => return None,
        };
        let (step, zero_point) = match self {
            Self::Bytes => (1.0, i8::MIN),
            _ => (input.scale, input.zero_point),
        };
        definition(input, mean, std, step, zero_point)
    }
}

impl Normalization {
    /// The definition for an input; `None` where it is no image, or the numbers are not its channels'.
    pub(crate) fn of(&self, input: &InputSpec) -> Option<Preprocess> {
        let each = |numbers: &[f32]| {
            let one = numbers.len() == 1;
            let numbers = numbers.iter().map(|number| f64::from(*number) / 255.0);
            let numbers: Vec<f64> = numbers.collect();
            if one { vec![numbers[0]; input.channels] } else { numbers }
        };
        definition(input, each(&self.mean), each(&self.std), input.scale, input.zero_point)
    }
}

/// In units of full scale, as the definition has them.
fn definition(
    input: &InputSpec,
    mean: Vec<f64>,
    std: Vec<f64>,
    step: f64,
    zero_point: i8,
) -> Option<Preprocess> {
    let InputSpec { height, width, channels, .. } = *input;
    let preprocess = Preprocess {
        height,
        width,
        channels,
        downsample: 1,
        transfer: Transfer::Linear,
        normalize: Normalize::Fixed { mean, std },
        scale: 1.0,
        clip: 127.0 * step,
        zero_point: Some(zero_point),
    };
    preprocess.validate().is_ok().then_some(preprocess)
}
