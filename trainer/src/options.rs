//! What a training run can be told; every default gives a good student.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use spec::{Pattern, Sparsity};

/// Which weights the student keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SparsityKind {
    /// All weights.
    Dense,
    /// The larger half of each layer, anywhere.
    Unstructured,
    /// One of each pair of channels, by position alone.
    UhpFixed,
    /// One of each pair of channels, chosen for each group of output channels.
    UhpShared,
    /// One of each pair of channels, chosen for each output channel; the array does not run it yet.
    UhpFree,
}

/// Options of one training run.
#[derive(Debug, Clone, Args, Serialize)]
pub struct TrainOptions {
    /// `sar-sim` for simulated chips, or a folder of class folders of images, with or without `train` and `test`
    #[arg(long, default_value = dataset::Source::SAR_SIM)]
    pub data: String,
    /// Teacher: a built-in network, a .toml file, or `none`
    #[arg(long, default_value = "a-convnet")]
    pub teacher: String,
    /// Student: a built-in network or a .toml file
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
    /// Seed of weights, order, views and of the validation split
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Run folder, which gets checkpoints, metrics and the network [default: runs/DATA-STUDENT-SPARSITY]
    #[arg(long)]
    #[serde(skip)]
    pub output: Option<PathBuf>,
    /// Continue an interrupted run of the same options
    #[arg(long)]
    #[serde(skip)]
    pub resume: bool,
    /// Side that chips are cropped or padded to, about the center
    #[arg(long, default_value_t = 64)]
    pub size: usize,
    /// Images of a batch
    #[arg(long, default_value_t = 64)]
    pub batch: usize,
    /// Peak of the learning rate
    #[arg(long, default_value_t = 0.05)]
    pub learning_rate: f64,
    /// Decay of weights
    #[arg(long, default_value_t = 5e-4)]
    pub weight_decay: f64,
    /// Part of the student's epochs before masks are chosen
    #[arg(long, default_value_t = 1.0 / 3.0)]
    pub dense_part: f64,
    /// Temperature of distillation
    #[arg(long, default_value_t = 4.0)]
    pub temperature: f64,
    /// Weight of the teacher in the loss, 0 to 1
    #[arg(long, default_value_t = 0.9)]
    pub distill: f64,
    /// Cached random views of each chip that student and teacher share
    #[arg(long, default_value_t = 16)]
    pub views: usize,
    /// Largest random translation, in pixels
    #[arg(long, default_value_t = 2)]
    pub shift: usize,
    /// Spread of the teacher's random exponent (natural logarithm)
    #[arg(long, default_value_t = 0.3)]
    pub teacher_gamma: f64,
    /// Part of the training images held out for validation, where the data has no such split
    #[arg(long, default_value_t = 0.1)]
    pub validation: f64,
    /// Use at most this many training images, spread evenly
    #[arg(long)]
    pub train_images: Option<usize>,
    /// Processor threads; results are the same bit for bit only with the same number
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
}

impl TrainOptions {
    /// Pattern and group of the student.
    pub fn sparsity(&self) -> Sparsity {
        let pattern = match self.sparsity {
            SparsityKind::Dense => Pattern::Dense,
            SparsityKind::Unstructured => Pattern::Unstructured,
            SparsityKind::UhpFixed => Pattern::UhpFixed,
            SparsityKind::UhpShared => Pattern::UhpShared,
            SparsityKind::UhpFree => Pattern::UhpFree,
        };
        Sparsity { pattern, group: if pattern == Pattern::UhpShared { self.group } else { 0 } }
    }

    /// Name of the sparsity on the command line.
    pub fn sparsity_name(&self) -> String {
        self.sparsity.to_possible_value().expect("no variant is skipped").get_name().to_owned()
    }

    /// The command that repeats the run, with a name in place of the data's path.
    pub fn command(&self, data: &str) -> String {
        let Self { teacher, student, epochs, teacher_epochs, seed, .. } = self;
        let sparsity = self.sparsity_name();
        let mut command = format!(
            "trainer train --data {data} --teacher {teacher} --student {student} --sparsity {sparsity} \
             --epochs {epochs} --teacher-epochs {teacher_epochs} --seed {seed}"
        );
        let defaults = Self::defaults();
        let mut differs = |flag: &str, value: String, default: String| {
            if value != default {
                command.push_str(&format!(" --{flag} {value}"));
            }
        };
        differs("group", self.group.to_string(), defaults.group.to_string());
        differs("size", self.size.to_string(), defaults.size.to_string());
        differs("batch", self.batch.to_string(), defaults.batch.to_string());
        differs(
            "learning-rate",
            self.learning_rate.to_string(),
            defaults.learning_rate.to_string(),
        );
        differs("weight-decay", self.weight_decay.to_string(), defaults.weight_decay.to_string());
        differs("dense-part", self.dense_part.to_string(), defaults.dense_part.to_string());
        differs("temperature", self.temperature.to_string(), defaults.temperature.to_string());
        differs("distill", self.distill.to_string(), defaults.distill.to_string());
        differs("views", self.views.to_string(), defaults.views.to_string());
        differs("shift", self.shift.to_string(), defaults.shift.to_string());
        differs(
            "teacher-gamma",
            self.teacher_gamma.to_string(),
            defaults.teacher_gamma.to_string(),
        );
        differs("validation", self.validation.to_string(), defaults.validation.to_string());
        differs("threads", self.threads.to_string(), defaults.threads.to_string());
        if let Some(n) = self.train_images {
            command.push_str(&format!(" --train-images {n}"));
        }
        command
    }

    /// What a run without any option does.
    pub fn defaults() -> Self {
        use clap::FromArgMatches;
        let matches =
            Self::augment_args(clap::Command::new("trainer")).get_matches_from(["trainer"]);
        Self::from_arg_matches(&matches).expect("every option has a default")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_what_differs_from_the_defaults() {
        let options = TrainOptions { shift: 3, train_images: Some(50), ..TrainOptions::defaults() };
        assert_eq!(
            options.command("chips"),
            "trainer train --data chips --teacher a-convnet --student s2d --sparsity uhp-shared --epochs 30 \
             --teacher-epochs 20 --seed 1 --shift 3 --train-images 50"
        );
    }
}
