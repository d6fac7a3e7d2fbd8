//! Where images come from: a simulator, or files in one of the layouts that people hold.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::cifar;
use crate::folder;
use crate::layout::{Layout, Part};
use crate::{
    DatasetError, DatasetKind, ImageSet, ReadOptions, Result, SarSim, Split, SplitOptions,
};

/// Where images come from: a data set and, unless it is simulated, the folder or archive that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    kind: DatasetKind,
    path: PathBuf,
    options: ReadOptions,
}

impl Source {
    /// Name of the simulator on the command line.
    pub const SAR_SIM: &str = DatasetKind::SarSim.name();

    /// `sar-sim`, or else a path, whose content decides: CIFAR binary files or their `.tar.gz`, or class folders.
    ///
    /// What cannot be read is an error of [`Source::load`].
    pub fn parse(text: &str) -> Self {
        let path = PathBuf::from(text);
        let kind = if text == Self::SAR_SIM {
            DatasetKind::SarSim
        } else if let Some(kind) = cifar::detect(&path) {
            kind
        } else if cifar::is_archive(&path) {
            cifar_by_name(&path)
        } else {
            DatasetKind::Folder
        };
        Self { kind, path, options: ReadOptions::default() }
    }

    /// As [`Source::parse`], but of the data set that the user says it is, if any.
    ///
    /// # Errors
    /// [`DatasetError::WrongKind`] when the content is something else.
    pub fn with_kind(text: &str, kind: Option<DatasetKind>) -> Result<Self> {
        let found = Self::parse(text);
        let Some(kind) = kind else { return Ok(found) };
        let fits = match (kind, found.kind) {
            (DatasetKind::SarSim, found) => found == DatasetKind::SarSim,
            (_, DatasetKind::SarSim) => false,
            (DatasetKind::Cifar10 | DatasetKind::Cifar100, _) if cifar::is_archive(&found.path) => {
                cifar::detect(&found.path).is_none_or(|found| found == kind)
            }
            (DatasetKind::Cifar10 | DatasetKind::Cifar100, found) => found == kind,
            (_, found) => !found.is_cifar(),
        };
        if !fits {
            return Err(DatasetError::WrongKind { path: found.path, kind, found: found.kind });
        }
        Ok(Self { kind, ..found })
    }

    /// The same images, read as the user says.
    pub fn reading(self, options: ReadOptions) -> Self {
        Self { options, ..self }
    }

    /// The data set.
    pub fn kind(&self) -> DatasetKind {
        self.kind
    }

    /// Whether the images are color photographs: by the kind, or where that says nothing, if any training image has color.
    ///
    /// What cannot be read is none; [`Source::load`] tells why.
    pub fn is_photo(&self) -> bool {
        if self.kind != DatasetKind::Folder {
            return self.kind.is_photo();
        }
        let listed = list_split(&self.path, Split::Train, &SplitOptions::default());
        let has_color = |(_, file): &(usize, PathBuf)| {
            folder::read_image(file, self.options).is_ok_and(|chip| chip.channels() == 3)
        };
        listed.is_ok_and(|listed| listed.files.par_iter().any(has_color))
    }

    /// A name for reports: `sar-sim`, or the folder's or archive's own name, without the path to it.
    pub fn name(&self) -> String {
        if self.kind == DatasetKind::SarSim {
            return Self::SAR_SIM.to_owned();
        }
        let full = self.path.canonicalize();
        let path = full.as_deref().unwrap_or(&self.path);
        path.file_name()
            .map_or_else(|| "data".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// Class names, in the order of the labels; images are not read.
    ///
    /// # Errors
    /// As [`Source::load`].
    pub fn classes(&self) -> Result<Vec<String>> {
        if self.kind == DatasetKind::SarSim || self.kind.is_cifar() {
            return Ok(self.load(Split::Test, &SplitOptions::default())?.classes);
        }
        Ok(list_split(&self.path, Split::Test, &SplitOptions::default())?.classes)
    }

    /// Reads one split.
    ///
    /// # Errors
    /// See [`DatasetError`]; each names the file or folder.
    pub fn load(&self, split: Split, options: &SplitOptions) -> Result<ImageSet> {
        if self.kind == DatasetKind::SarSim {
            return Ok(SarSim::default().load(split));
        }
        if self.kind.is_cifar() {
            return cifar::load(&self.path, self.kind, split, options);
        }
        let Listed { classes, files, mut notes } = list_split(&self.path, split, options)?;
        let mut set = folder::read(&self.path, classes, &files, self.options)?;
        notes.append(&mut set.notes);
        set.notes = notes;
        Ok(set)
    }
}

/// The data set of an archive that cannot be looked into: its name is all there is.
fn cifar_by_name(path: &Path) -> DatasetKind {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let is_ten =
        ["cifar-10-", "cifar-10.", "cifar10-", "cifar10."].iter().any(|ten| name.contains(ten));
    if is_ten { DatasetKind::Cifar10 } else { DatasetKind::Cifar100 }
}

/// Files of a split, with their labels.
#[derive(Default)]
struct Listed {
    classes: Vec<String>,
    files: Vec<(usize, PathBuf)>,
    notes: Vec<String>,
}

/// Files of a split, and the class names.
fn list_split(root: &Path, split: Split, options: &SplitOptions) -> Result<Listed> {
    options.check()?;
    let Layout { train, validation, test, undivided, notes } = Layout::read(root)?;
    let all = match (&train, &test) {
        (Some(train), Some(_)) => train,
        (Some(train), None) => return Err(missing_split(root, train)),
        (None, Some(test)) => return Err(missing_split(root, test)),
        (None, None) => match &undivided {
            Some(undivided) => undivided,
            None => return Err(DatasetError::NoClasses { path: root.to_owned() }),
        },
    };
    all.check_several()?;
    for held_out in [&validation, &test].into_iter().flatten() {
        held_out.check_several()?;
        all.check_same_classes(held_out)?;
    }
    let mut listed = Listed { notes, ..Listed::default() };
    for (label, class) in all.classes.iter().enumerate() {
        let files_of = |part: &Part| part.classes[label].files.clone();
        let n_images = class.files.len();
        let picked = match (split, &validation, &test) {
            (Split::Test, _, Some(test)) => Ok(files_of(test)),
            (Split::Validation, Some(validation), _) => Ok(files_of(validation)),
            (Split::Train, Some(_), _) => Ok(class.files.clone()),
            (_, _, Some(_)) => options.divide(class.files.clone(), label, split, 0.0),
            (_, _, None) => options.divide(class.files.clone(), label, split, options.test),
        };
        let path = class.path.clone();
        let picked = picked.map_err(|min| DatasetError::TooFewImages { path, n_images, min })?;
        listed.files.extend(picked.into_iter().map(|file| (label, file.path)));
        listed.classes.push(class.class.clone());
    }
    Ok(listed)
}

fn missing_split(root: &Path, present: &Part) -> DatasetError {
    let (train, test) = (["train", "17_DEG"], ["test", "15_DEG"]);
    let name = present.path.file_name().unwrap_or_default().to_string_lossy();
    let pairs =
        [(train[0], test[0]), (train[1], test[1]), (test[0], train[0]), (test[1], train[1])];
    let pair = pairs.into_iter().find(|(present, _)| present.eq_ignore_ascii_case(&name));
    let (present, missing) = pair.unwrap_or(pairs[0]);
    DatasetError::MissingSplit { path: root.to_owned(), present, missing }
}
