//! Where images come from: a simulator, or files in one of the layouts that people hold.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::cifar;
use crate::folder;
use crate::image_file;
use crate::layout::{self, Layout, Part};
use crate::run_set::Origin;
use crate::{
    Candidates, DatasetError, DatasetKind, Division, ImageSet, ReadOptions, Result, SarSim, Split,
    SplitOptions,
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
            image_file::read_image(file, self.options).is_ok_and(|chip| chip.channels() == 3)
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

    /// Reads one split.
    ///
    /// # Errors
    /// See [`DatasetError`]; each names the file or folder.
    pub fn load(&self, split: Split, options: &SplitOptions) -> Result<ImageSet> {
        self.check_band()?;
        if self.kind == DatasetKind::SarSim {
            return Ok(SarSim::default().load(split));
        }
        if self.kind.is_cifar() {
            return cifar::load(&self.path, self.kind, split, options);
        }
        self.read(list_split(&self.path, split, options)?)
    }

    /// Class names of what [`Source::candidates`] reads, in the order of the labels; none where images have no labels.
    ///
    /// # Errors
    /// As [`Source::candidates`].
    pub fn classes(&self) -> Result<Vec<String>> {
        if self.kind == DatasetKind::SarSim || self.kind.is_cifar() {
            return Ok(self.candidates()?.classes().to_vec());
        }
        Ok(list_candidates(&self.path)?.0.classes)
    }

    /// Reads the images that a trained network may be run on.
    ///
    /// Those are the test images of data that hold some, with or without training images beside them; else all images of
    /// the class folders, of which there may be one; else images without labels: those of a folder without class folders,
    /// or a single file.
    ///
    /// # Errors
    /// See [`DatasetError`]; each names the file or folder.
    pub fn candidates(&self) -> Result<Candidates> {
        self.check_band()?;
        let name = self.name();
        if self.kind == DatasetKind::SarSim {
            return Ok(Candidates::simulated(SarSim::default().n_chips(Split::Test)));
        }
        if self.kind.is_cifar() {
            let set = cifar::load(&self.path, self.kind, Split::Test, &SplitOptions::default())?;
            return Ok(Candidates::new(name, set, Origin::Test));
        }
        let (listed, origin) = list_candidates(&self.path)?;
        Ok(Candidates::new(name, self.read(listed)?, origin))
    }

    /// Refuses a band of simulated chips or of CIFAR, whose files have no bands.
    ///
    /// # Errors
    /// [`DatasetError::NoBands`].
    pub fn check_band(&self) -> Result<()> {
        match self.options.band {
            Some(band) if self.kind == DatasetKind::SarSim || self.kind.is_cifar() => {
                Err(DatasetError::NoBands { data: self.name(), kind: self.kind, band })
            }
            _ => Ok(()),
        }
    }

    /// Reads files, of which names are given below the data folder.
    fn read(&self, listed: Listed) -> Result<ImageSet> {
        let Listed { classes, files, mut notes } = listed;
        let folder = self.path.parent().filter(|_| self.path.is_file());
        let mut set = folder::read(folder.unwrap_or(&self.path), classes, &files, self.options)?;
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

/// Files with their labels, and what the user has to know of them.
struct Listed {
    classes: Vec<String>,
    files: Vec<(usize, PathBuf)>,
    notes: Vec<String>,
}

impl Listed {
    /// All images of a part.
    fn all(part: &Part, notes: Vec<String>) -> Self {
        let files = |(label, class): (usize, &layout::ClassFolder)| {
            class.files.iter().map(|file| (label, file.path.clone())).collect::<Vec<_>>()
        };
        Self {
            classes: part.classes.iter().map(|class| class.class.clone()).collect(),
            files: part.classes.iter().enumerate().flat_map(files).collect(),
            notes,
        }
    }

    /// Images without labels.
    fn unlabeled(files: Vec<PathBuf>, notes: Vec<String>) -> Self {
        let files = files.into_iter().map(|file| (0, file)).collect();
        Self { classes: Vec::new(), files, notes }
    }
}

/// Paths of all images of a part below their class folders, in the order of [`Listed::all`].
fn names_in_classes(part: &Part) -> Vec<&str> {
    let files = part.classes.iter().flat_map(|class| &class.files);
    files.map(|file| file.name.as_str()).collect()
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
    let own = match split {
        Split::Train => validation.as_ref().and(train.as_ref()),
        Split::Validation => validation.as_ref(),
        Split::Test => test.as_ref(),
    };
    if let Some(own) = own {
        return Ok(Listed::all(own, notes));
    }
    let mut listed = Listed::all(all, notes);
    let images: Vec<_> = (listed.files.iter().zip(names_in_classes(all)))
        .map(|((label, _), name)| (listed.classes[*label].as_str(), name))
        .collect();
    let (n_images, n_classes) = (images.len(), listed.classes.len());
    let Division { splits, notes } = options.divide(&images, test.is_none());
    let mut splits = splits.into_iter();
    listed.files.retain(|_| splits.next() == Some(split));
    if listed.files.is_empty() {
        let path = root.to_owned();
        return Err(DatasetError::TooFewImages { path, split, n_images, n_classes });
    }
    listed.notes.extend(notes);
    Ok(listed)
}

/// Files that a trained network may be run on.
fn list_candidates(root: &Path) -> Result<(Listed, Origin)> {
    if root.exists() && !root.is_dir() {
        layout::check_single_image(root)?;
        return Ok((Listed::unlabeled(vec![root.to_owned()], Vec::new()), Origin::Unlabeled));
    }
    let Layout { train, test, undivided, notes, .. } = Layout::read(root)?;
    let (part, is_test) = match (test, undivided, train) {
        (Some(test), ..) => (test, true),
        (None, Some(undivided), _) => (undivided, false),
        (None, None, Some(train)) => return Err(missing_split(root, &train)),
        (None, None, None) => return Err(DatasetError::NoClasses { path: root.to_owned() }),
    };
    let origin = |otherwise: &dyn Fn() -> Origin| if is_test { Origin::Test } else { otherwise() };
    if part.classes.is_empty() {
        if part.unlabeled.is_empty() {
            return Err(layout::no_classes(&part.path));
        }
        return Ok((Listed::unlabeled(part.unlabeled, notes), origin(&|| Origin::Unlabeled)));
    }
    let names = || names_in_classes(&part).into_iter().map(str::to_owned).collect();
    Ok((Listed::all(&part, notes), origin(&|| Origin::Undivided(names()))))
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
