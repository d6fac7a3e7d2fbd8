//! Whether a network fits the accelerator's default array, as the compiler says.

use std::fmt;

use anyhow::Result;
use codegen::{Options, Problem};
use spec::{ArrayConfig, QuantNetwork, Sparsity};

use crate::integers::quantize::{self, Calibration, Ranges};
use crate::network::architecture::Architecture;
use crate::training::images::Images;
use crate::training::prune::{self, Choice};
use crate::training::schedule::Score;

/// Images from which the scales of a network without trained weights are derived.
const N_IMAGES: usize = 2;

/// What the compiler says of a network on the array of 8 rows and 16 columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fit {
    /// It fits.
    Whole,
    /// Memories that are too small, each with what it lacks; others would do.
    Short(Vec<String>),
    /// Reasons that no memory cures.
    Never(Vec<String>),
    /// It cannot be told.
    Unknown(String),
}

impl Fit {
    /// Of a network that is there.
    pub(crate) fn of(network: &QuantNetwork) -> Self {
        let config = ArrayConfig::default();
        let report = codegen::check(network, &config, &Options::default());
        if report.problems.is_empty() {
            return Self::Whole;
        }
        if report.problems.iter().all(Problem::is_curable) {
            let short = report.requirements.iter().filter(|r| r.needed > r.available);
            let lacks = short.map(|r| {
                let (lack, unit) = (r.needed - r.available, r.unit);
                format!("{} memory lacks {lack} of {} {unit}", r.memory, r.needed)
            });
            return Self::Short(lacks.collect());
        }
        let incurable = report.problems.iter().filter(|problem| !problem.is_curable());
        Self::Never(incurable.map(ToString::to_string).collect())
    }

    /// Of a student before it is trained: by its shapes and where its pattern keeps weights.
    pub(crate) fn expected(
        student: &Architecture,
        sparsity: Sparsity,
        seed: u64,
        images: &Images,
    ) -> Self {
        match untrained(student, sparsity, seed, images) {
            Ok(network) => Self::of(&network),
            Err(error) => Self::Unknown(format!("{error:#}")),
        }
    }
}

fn untrained(
    student: &Architecture,
    sparsity: Sparsity,
    seed: u64,
    images: &Images,
) -> Result<QuantNetwork> {
    let model = images.new_model(student.clone(), seed)?;
    let choice =
        Choice { sparsity, score: Score::Magnitude, part: 1.0, gradients: None, pruned: None };
    let masks = prune::choose_masks(&model, choice)?;
    let n = images.plain_validation.len().min(N_IMAGES);
    let shown = images.plain_validation.select(&(0..n).collect::<Vec<_>>());
    let ranges = Ranges::measure(&model, &masks, &shown, Calibration::Maximum);
    let classes = images.train.classes.clone();
    quantize::quantize(&model, &masks, &ranges, &images.preprocess, classes, sparsity)
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = ArrayConfig::default();
        let array = format!("the default array of {}x{}", config.rows(), config.cols());
        match self {
            Self::Whole => write!(f, "the student fits {array}"),
            Self::Short(lacks) => write!(
                f,
                "the student does not fit {array}: {}; with --fit, twofold makes memories as deep as it needs",
                lacks.join(", ")
            ),
            Self::Never(problems) => {
                write!(f, "the student does not fit {array}: {}", problems.join("; "))
            }
            Self::Unknown(why) => {
                write!(f, "whether the student fits {array} shows when it is trained: {why}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::config;
    use crate::run::options::TrainOptions;

    fn expected(student: &str, classes: usize) -> Fit {
        let folder = tempfile::tempdir().unwrap();
        for class in 0..classes {
            let class = folder.path().join(format!("class {class:03}"));
            std::fs::create_dir(&class).unwrap();
            for idx in 0..8 {
                let image =
                    image::GrayImage::from_fn(32, 32, |x, y| image::Luma([(x * y + idx) as u8]));
                image.save(class.join(format!("{idx}.png"))).unwrap();
            }
        }
        let options = TrainOptions {
            data: folder.path().display().to_string(),
            student: student.to_owned(),
            size: 32,
            ..config::defaults()
        };
        let data = options.data_options().unwrap();
        let images = Images::load(&data, &options.input_options().unwrap()).unwrap();
        let student = Architecture::named(student).unwrap();
        Fit::expected(&student, options.sparsity(), options.seed, &images)
    }

    #[test]
    fn a_student_that_fits_and_one_that_does_not_are_told_before_they_are_trained() {
        assert_eq!(expected("s2d_s", 2), Fit::Whole);
        let large = expected("wrn-40-2", 2);
        let told = large.to_string();
        assert!(told.starts_with("the student does not fit the default array of 8x16: "), "{told}");
        assert!(told.contains("weight memory: 71329 weight rows are needed"), "{told}");
    }
}
