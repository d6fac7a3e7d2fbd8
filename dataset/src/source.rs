//! Where images come from, and how they are divided into training, validation and test.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::folder::{self, ClassFolder};
use crate::{DatasetError, ImageSet, Random, Result, SarSim};

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

/// How class folders are divided; every class is divided in the same proportion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitOptions {
    /// Chooses the files of each split.
    pub seed: u64,
    /// Part of the training files held out for validation.
    pub validation: f64,
    /// Part of all files held out for the test, where there are no `train` and `test` folders.
    pub test: f64,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self { seed: 0, validation: 0.1, test: 0.2 }
    }
}

/// Where images come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Simulated chips.
    SarSim(SarSim),
    /// A folder of class folders, see [`folder`].
    Folder(PathBuf),
}

impl Source {
    /// Name of the simulator on the command line.
    pub const SAR_SIM: &str = "sar-sim";

    /// `sar-sim`, or else a path.
    pub fn parse(text: &str) -> Self {
        if text == Self::SAR_SIM {
            Self::SarSim(SarSim::default())
        } else {
            Self::Folder(PathBuf::from(text))
        }
    }

    /// A name for reports: `sar-sim` or the folder's own name, without the path to it.
    pub fn name(&self) -> String {
        match self {
            Self::SarSim(_) => Self::SAR_SIM.to_owned(),
            Self::Folder(path) => {
                let full = path.canonicalize();
                let path = full.as_deref().unwrap_or(path);
                path.file_name()
                    .map_or_else(|| "data".to_owned(), |name| name.to_string_lossy().into_owned())
            }
        }
    }

    /// Reads one split.
    ///
    /// # Errors
    /// See [`DatasetError`]; each names the file or folder.
    pub fn load(&self, split: Split, options: &SplitOptions) -> Result<ImageSet> {
        match self {
            Self::SarSim(sim) => Ok(sim.load(split)),
            Self::Folder(root) => {
                let (classes, files) = list_split(root, split, options)?;
                folder::read(root, classes, &files)
            }
        }
    }
}

/// Files with their labels.
type Labeled = Vec<(usize, PathBuf)>;

/// Files of a split, and the class names.
fn list_split(root: &Path, split: Split, options: &SplitOptions) -> Result<(Vec<String>, Labeled)> {
    check_fraction("validation", options.validation)?;
    check_fraction("test", options.test)?;
    let (classes, held_out) = match folder::split_folders(root)? {
        Some((train, test)) => {
            let (train_classes, test_classes) =
                (folder::list_classes(&train)?, folder::list_classes(&test)?);
            folder::check_same_classes(&train, &test, &train_classes, &test_classes)?;
            (train_classes, Some(test_classes))
        }
        None => (folder::list_classes(root)?, None),
    };
    let names = classes.iter().map(|class| class.class.clone()).collect();
    let mut files = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        let picked = match (&held_out, split) {
            (Some(test), Split::Test) => test[label].files.clone(),
            (Some(_), _) => divide(class, label, split, options, 0.0)?,
            (None, _) => divide(class, label, split, options, options.test)?,
        };
        files.extend(picked.into_iter().map(|file| (label, file)));
    }
    Ok((names, files))
}

/// Shuffles a class and cuts it: test first, then validation, then training. Each part is sorted again.
fn divide(
    class: &ClassFolder,
    label: usize,
    split: Split,
    options: &SplitOptions,
    test: f64,
) -> Result<Vec<PathBuf>> {
    let n_images = class.files.len();
    let part = |n: usize, fraction: f64| {
        if fraction > 0.0 { ((n as f64 * fraction).round() as usize).max(1) } else { 0 }
    };
    let n_test = part(n_images, test);
    let n_validation = part(n_images - n_test.min(n_images), options.validation);
    if n_images <= n_test + n_validation {
        return Err(DatasetError::TooFewImages {
            path: class.path.clone(),
            n_images,
            min: n_test + n_validation + 1,
        });
    }
    let mut files = class.files.clone();
    Random::new(&[options.seed, label as u64]).shuffle(&mut files);
    let train = files.split_off(n_test + n_validation);
    let validation = files.split_off(n_test);
    let mut picked = match split {
        Split::Train => train,
        Split::Validation => validation,
        Split::Test => files,
    };
    picked.sort();
    Ok(picked)
}

fn check_fraction(field: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value < 1.0 { Ok(()) } else { Err(DatasetError::Fraction { field, value }) }
}
