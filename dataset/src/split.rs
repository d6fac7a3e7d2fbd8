//! Training, validation and test: how one set of images is divided into them.

use std::fmt;

use crate::{DatasetError, Random, Result};

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Weights are fitted to it.
    Train = 0,
    /// Choices are made on it.
    Validation = 1,
    /// Read once, at the end.
    Test = 2,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

/// How images are divided; every class is divided in the same proportion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitOptions {
    /// Chooses the images of each split.
    pub seed: u64,
    /// Part of the training images held out for validation.
    pub validation: f64,
    /// Part of all images held out for the test, where the data set has no test images of its own.
    pub test: f64,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self { seed: 0, validation: 0.1, test: 0.2 }
    }
}

impl SplitOptions {
    /// Checks that every split gets a part.
    pub(crate) fn check(&self) -> Result<()> {
        let check = |field, value| {
            if value > 0.0 && value < 1.0 {
                Ok(())
            } else {
                Err(DatasetError::Fraction { field, value })
            }
        };
        check("validation", self.validation)?;
        check("test", self.test)
    }

    /// Shuffles the images of a class and cuts them: `test` of them first, then validation, then training.
    /// Each part is sorted again.
    ///
    /// With too few images for a part each, `Err` is the number needed.
    pub(crate) fn divide<T: Ord>(
        &self,
        mut images: Vec<T>,
        label: usize,
        split: Split,
        test: f64,
    ) -> Result<Vec<T>, usize> {
        let n_images = images.len();
        let part = |n: usize, fraction: f64| {
            if fraction > 0.0 { ((n as f64 * fraction).round() as usize).max(1) } else { 0 }
        };
        let n_test = part(n_images, test);
        let n_validation = part(n_images - n_test.min(n_images), self.validation);
        if n_images <= n_test + n_validation {
            return Err(n_test + n_validation + 1);
        }
        Random::new(&[self.seed, label as u64]).shuffle(&mut images);
        let train = images.split_off(n_test + n_validation);
        let validation = images.split_off(n_test);
        let mut picked = match split {
            Split::Train => train,
            Split::Validation => validation,
            Split::Test => images,
        };
        picked.sort();
        Ok(picked)
    }
}
