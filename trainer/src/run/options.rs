//! What a training run can be told; every default gives a good student.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::{ArgAction, Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::printing::Format;
use crate::training::schedule::{Schedule, Score};

mod kinds;
mod parts;

pub use kinds::{DeviceKind, Precision, SparsityKind};

const MAX_EPOCHS: usize = 1_000_000;
/// Largest side of an input, see docs/network.md.
const MAX_SIZE: usize = 2047;

/// Options of one training run. The keys of a run's TOML file are the names of these flags.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TrainOptions {
    /// A TOML file whose keys are the flags below; flags on the command line win
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// `sar-sim` for simulated chips, a folder of class folders of images, or a CIFAR folder or archive
    #[arg(long, default_value = dataset::Source::SAR_SIM)]
    pub data: String,
    /// What the data is [default: told by its content]
    #[arg(long, value_name = "KIND")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// The band to read of images that have several: `vh`, `vv` or a number from 1
    #[arg(long, value_name = "BAND", value_parser = band)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<String>,
    /// Teacher: a built-in network, a .toml file, the folder of a finished run, or `none`
    #[arg(long, default_value = "a-convnet")]
    pub teacher: String,
    /// Student: a built-in network, a .toml file, or `none` to train a teacher alone
    #[arg(long, default_value = "s2d")]
    pub student: String,
    /// Which weights the student keeps
    #[arg(long, value_enum, default_value = "uhp-shared")]
    pub sparsity: SparsityKind,
    /// Output channels that share a choice under uhp-shared: the columns of the array
    #[arg(long, default_value_t = 16)]
    pub group: usize,
    /// Epochs of the student
    #[arg(long, default_value_t = 30)]
    pub epochs: usize,
    /// Epochs of the teacher
    #[arg(long, default_value_t = 20)]
    pub teacher_epochs: usize,
    /// Epochs of quantization-aware fine-tuning after that
    #[arg(long, default_value_t = 0)]
    pub qat_epochs: usize,
    /// Seed of weights, order and views
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Seed that divides images into training, validation and test, where the data does not
    #[arg(long, default_value_t = 0)]
    pub split_seed: u64,
    /// Seed of the cached views, so that runs of several seeds can share what a teacher says of them [default: SEED]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view_seed: Option<u64>,
    /// Run folder, which gets checkpoints, metrics and the network [default: runs/DATA-STUDENT-SPARSITY]
    #[arg(long)]
    #[serde(skip)]
    pub output: Option<PathBuf>,
    /// Go on where a run of the same options was cut off; start it where there is none
    #[arg(long)]
    #[serde(skip)]
    pub resume: bool,
    /// Remove the run that lies in the run folder, and start over
    #[arg(long, conflicts_with = "resume")]
    #[serde(skip)]
    pub replace: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    #[serde(skip)]
    pub format: Format,
    /// Fail unless the result equals this network file, bit for bit
    #[arg(long, value_name = "NETWORK")]
    #[serde(skip)]
    pub expect: Option<PathBuf>,
    /// Side that images are cropped or padded to, about the center
    #[arg(long, default_value_t = 64)]
    pub size: usize,
    /// Side of the blocks of pixels that are averaged before that, so that the window shows more of a large image
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub downsample: usize,
    /// Images of a batch
    #[arg(long, default_value_t = 64)]
    pub batch: usize,
    /// Peak of the learning rate
    #[arg(long, default_value_t = 0.05)]
    pub learning_rate: f64,
    /// Peak of the learning rate of fine-tuning
    #[arg(long, default_value_t = 0.002)]
    pub qat_learning_rate: f64,
    /// Decay of weights
    #[arg(long, default_value_t = 5e-4)]
    pub weight_decay: f64,
    /// When masks that depend on weights are chosen
    #[arg(long, value_enum, default_value = "once")]
    pub masks: Schedule,
    /// What makes a weight worth keeping
    #[arg(long, value_enum, default_value = "magnitude")]
    pub score: Score,
    /// Part of the student's epochs before masks are chosen
    #[arg(long, default_value_t = 1.0 / 3.0)]
    pub dense_part: f64,
    /// Decay of masked weights while masks are chosen again and again
    #[arg(long, default_value_t = 2e-2)]
    pub masked_decay: f64,
    /// Pair and group channels anew, where the network allows, so that pruning costs less
    #[arg(long, num_args = 0..=1, default_missing_value = "true", default_value_t = false, action = ArgAction::Set)]
    pub permute: bool,
    /// Temperature of distillation
    #[arg(long, default_value_t = 4.0)]
    pub temperature: f64,
    /// Weight of the teacher in the loss, 0 to 1
    #[arg(long, default_value_t = 0.9)]
    pub distill: f64,
    /// Weight of feature distillation (similarity within the batch), beside the logits
    #[arg(long, default_value_t = 0.0)]
    pub features: f64,
    /// Random views of each image that student and teacher share
    #[arg(long, default_value_t = 16)]
    pub views: usize,
    /// Largest random translation, in pixels
    #[arg(long, default_value_t = 2)]
    pub shift: usize,
    /// Whether views are mirrored left to right at random
    #[arg(long, num_args = 0..=1, default_missing_value = "true", default_value_t = false, action = ArgAction::Set)]
    pub mirror: bool,
    /// Spread of the teacher's random exponent (natural logarithm)
    #[arg(long, default_value_t = 0.3)]
    pub teacher_gamma: f64,
    /// Part of the training images held out for validation, where the data has no such split
    #[arg(long, default_value_t = 0.1)]
    pub validation: f64,
    /// Use at most this many training images, spread evenly
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_images: Option<usize>,
    /// Where libtorch computes
    #[arg(long, value_enum, default_value = "auto")]
    pub device: DeviceKind,
    /// Numbers that the maps consist of while training
    #[arg(long, value_enum, default_value = "float32")]
    pub precision: Precision,
    /// Processor threads; results are the same bit for bit only with the same number
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
}

/// The name of a band, checked.
fn band(text: &str) -> Result<String, dataset::DatasetError> {
    Ok(text.parse::<dataset::Band>()?.to_string())
}

fn one() -> usize {
    1
}

fn is_one(factor: &usize) -> bool {
    *factor == 1
}

impl TrainOptions {
    /// Name of the sparsity on the command line.
    pub fn sparsity_name(&self) -> String {
        self.sparsity.to_possible_value().expect("no variant is skipped").get_name().to_owned()
    }

    /// Checks numbers that no run can have.
    ///
    /// # Errors
    /// The first flag that is out of range.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("epochs", self.epochs, 1..=MAX_EPOCHS),
            ("teacher-epochs", self.teacher_epochs, 1..=MAX_EPOCHS),
            ("qat-epochs", self.qat_epochs, 0..=MAX_EPOCHS),
            ("views", self.views, 1..=10_000),
            ("shift", self.shift, 0..=MAX_SIZE),
            ("size", self.size, 1..=MAX_SIZE),
            ("downsample", self.downsample, 1..=spec::Preprocess::MAX_DOWNSAMPLE),
            ("batch", self.batch, 2..=65_536),
            ("group", self.group, 1..=65_535),
            ("threads", self.threads, 1..=1024),
            ("train-images", self.train_images.unwrap_or(1), 1..=usize::MAX),
        ];
        for (flag, value, range) in counts {
            let (least, most) = (range.start(), range.end());
            ensure!(value >= *least, "--{flag} is {value}; it has to be at least {least}");
            ensure!(value <= *most, "--{flag} is {value}; it has to be at most {most}");
        }
        let parts = [
            ("distill", self.distill, 1.0),
            ("dense-part", self.dense_part, 1.0),
            ("weight-decay", self.weight_decay, 1.0),
            ("masked-decay", self.masked_decay, 1.0),
            ("teacher-gamma", self.teacher_gamma, 10.0),
            ("features", self.features, 1e6),
        ];
        for (flag, value, most) in parts {
            ensure!(
                (0.0..=most).contains(&value),
                "--{flag} is {value}; it has to be within 0 and {most}"
            );
        }
        let above_zero = [
            ("learning-rate", self.learning_rate, 10.0),
            ("qat-learning-rate", self.qat_learning_rate, 10.0),
            ("temperature", self.temperature, 1000.0),
        ];
        for (flag, value, most) in above_zero {
            ensure!(
                value > 0.0 && value <= most,
                "--{flag} is {value}; it has to be above 0 and at most {most}"
            );
        }
        ensure!(
            self.validation > 0.0 && self.validation < 1.0,
            "--validation is {}; it has to be above 0 and below 1",
            self.validation
        );
        if self.student == "none" && self.teacher == "none" {
            bail!("--teacher and --student are both `none`: there is nothing to train");
        }
        ensure!(
            self.expect.is_none() || self.student != "none",
            "--expect compares a student, and --student is `none`"
        );
        if self.student != "none" {
            self.pruning().check(self.epochs)?;
        }
        Ok(())
    }

    /// Flags and values, as a run's TOML file has them, with a name in place of the data's path.
    ///
    /// # Errors
    /// None that an option can cause.
    pub fn to_json(&self, data: &str) -> Result<serde_json::Map<String, serde_json::Value>> {
        let named = Self { data: data.to_owned(), ..self.clone() };
        match serde_json::to_value(named).context("options as JSON")? {
            serde_json::Value::Object(map) => Ok(map),
            _ => unreachable!("a structure is an object"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::config;

    #[test]
    fn a_band_is_checked_and_told() {
        let parse = |text: &str| config::parse(["--band".into(), text.into()].into_iter());
        let told = parse("VV").unwrap().to_json("chips").unwrap();
        assert_eq!(told.get("band"), Some(&"vv".into()));
        assert_eq!(config::defaults().to_json("chips").unwrap().get("band"), None);
        let message = parse("hh").unwrap_err().to_string();
        assert!(
            message.contains("unknown band `hh`; known are vh, vv and numbers from 1"),
            "{message}"
        );
    }

    #[test]
    fn every_number_out_of_range_is_named() {
        let check = |change: fn(&mut TrainOptions)| {
            let mut options = config::defaults();
            change(&mut options);
            options.check().map_err(|error| error.to_string())
        };
        assert_eq!(check(|_| ()), Ok(()));
        let error = |change| check(change).unwrap_err();
        assert!(error(|o| o.views = 0).starts_with("--views is 0"));
        assert!(error(|o| o.masked_decay = -1.0).starts_with("--masked-decay is -1"));
        assert!(error(|o| o.features = f64::INFINITY).starts_with("--features is inf"));
        assert!(error(|o| o.views = usize::MAX).ends_with("it has to be at most 10000"));
        assert!(error(|o| o.shift = usize::MAX).ends_with("it has to be at most 2047"));
        assert!(error(|o| o.size = 0).starts_with("--size is 0"));
        assert!(error(|o| o.downsample = 0).starts_with("--downsample is 0"));
        assert!(error(|o| o.downsample = 65).ends_with("it has to be at most 64"));
        assert!(error(|o| o.threads = i32::MAX as usize).ends_with("it has to be at most 1024"));
        for rate in [1e300, f64::NAN, -0.1] {
            let options = TrainOptions { learning_rate: rate, ..config::defaults() };
            let message = options.check().unwrap_err().to_string();
            assert!(message.starts_with("--learning-rate is "), "{message}");
        }
        for part in [0.0, 1.0, f64::NAN] {
            let options = TrainOptions { validation: part, ..config::defaults() };
            let message = options.check().unwrap_err().to_string();
            assert!(message.starts_with("--validation is "), "{message}");
        }
        assert!(error(|o| o.dense_part = 1.1).starts_with("--dense-part is 1.1"));
        assert!(error(|o| o.qat_learning_rate = 0.0).starts_with("--qat-learning-rate is 0"));
        let nothing = error(|o| (o.teacher, o.student) = ("none".to_owned(), "none".to_owned()));
        assert!(nothing.contains("nothing to train"));
    }
}
