//! How a data folder is laid out: its splits, its classes, and the folders that only wrap them.
//!
//! A folder is one of these, by name without case and by what it holds:
//!
//! - a **split**: `train`, `test`, `val`, `valid` or `validation`, or the depression angles of MSTAR, `17_DEG` for training
//!   and `15_DEG` for the test. It has folders inside, or another split beside it; a class may still be called `train`.
//!   Folders beside splits are not read, which is told;
//! - a **wrapper**: `COL1`, `SCENE2` (any number), `TARGETS`, another angle, or a folder that holds a split or a wrapper, such
//!   as that of a whole CD. Wrappers lie at any depth and beside each other; classes of one name below them are one class;
//! - a **folder of ships**: `Patch`, `Patch_Cal`, `Patch_RGB` or `Patch_Uint8` of OpenSARShip, or any folder without folders
//!   all images of which are named like its chips, `Cargo_x1456_y5194.tif`. The type before the place is the class;
//! - a **class folder**: any other. All files below it are its images, however deep (`T72/SN_132/HB03787.015`).
//!
//! Names are sorted by bytes, so that labels and order do not depend on the file system. What operating systems and tools
//! leave, and every name that starts with a dot, is skipped and counted. Among images, with labels or without, web pages
//! and READMEs are skipped, too, and so are image copies beside the MSTAR originals of the same name that they show;
//! anything else that is no image is an error that names it.

mod names;
mod walk;

use std::path::{Path, PathBuf};

use self::names::{first_bytes, is_image, list};
use self::walk::Walk;
use crate::litter::Skipped;
use crate::{DatasetError, Foreign, Result, phoenix};

/// Most folders below a class folder, and above one.
pub const MAX_DEPTH: usize = 8;

/// An image of a class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClassFile {
    /// The file.
    pub path: PathBuf,
    /// The same below its class folder, with `/`.
    pub name: String,
}

/// Files of one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassFolder {
    /// Folder name, which is the class name.
    pub class: String,
    /// The folder, for messages; the first of several that are taken together.
    pub path: PathBuf,
    /// Image files at any depth below it, sorted.
    pub files: Vec<ClassFile>,
}

/// Images that lie together: those of a split, or all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// The folder, for messages; the first of several that are taken together.
    pub path: PathBuf,
    /// The classes, sorted by name.
    pub classes: Vec<ClassFolder>,
    /// Image files of a folder without class folders, sorted.
    pub unlabeled: Vec<PathBuf>,
}

/// What a data folder holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// Training images.
    pub train: Option<Part>,
    /// Validation images.
    pub validation: Option<Part>,
    /// Test images.
    pub test: Option<Part>,
    /// Images that lie in no split; there are none where there are splits.
    pub undivided: Option<Part>,
    /// What was left out or taken together, a sentence each.
    pub notes: Vec<String>,
}

impl Layout {
    /// Looks through a data folder, without reading any image.
    ///
    /// # Errors
    /// A folder that cannot be read or understood, an empty class, or a file that is no image.
    pub fn read(root: &Path) -> Result<Self> {
        if !root.is_dir() {
            return Err(not_a_folder(root));
        }
        let mut walk = Walk::of(root);
        walk.visit(root, None, &mut Vec::new())?;
        walk.finish()
    }
}

impl Part {
    /// Checks that there is more than one class.
    ///
    /// # Errors
    /// [`DatasetError::NoClasses`], or the format of a file that is there instead; [`DatasetError::OneClass`].
    pub(crate) fn check_several(&self) -> Result<()> {
        match &self.classes[..] {
            [] => Err(no_classes(&self.path)),
            [only] => {
                let (path, class) = (self.path.clone(), only.class.clone());
                Err(DatasetError::OneClass { path, class })
            }
            _ => Ok(()),
        }
    }

    /// Checks that another part has the same classes.
    ///
    /// # Errors
    /// [`DatasetError::ClassMismatch`].
    pub(crate) fn check_same_classes(&self, other: &Self) -> Result<()> {
        for (one, two) in [(self, other), (other, self)] {
            let lacks = |class: &&ClassFolder| two.classes.iter().all(|c| c.class != class.class);
            if let Some(class) = one.classes.iter().find(lacks) {
                return Err(DatasetError::ClassMismatch {
                    path: one.path.clone(),
                    other: two.path.clone(),
                    class: class.class.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Why a path is no data folder: by its format, if that is known.
fn not_a_folder(path: &Path) -> DatasetError {
    let start = first_bytes(path).unwrap_or_default();
    let format = if is_image(path) || phoenix::is_phoenix(&start) {
        Some(Foreign::SingleImage)
    } else {
        Foreign::of(path, &start)
    };
    match format.filter(|_| path.is_file()) {
        Some(format) => DatasetError::Foreign { path: path.to_owned(), format },
        None => DatasetError::NotAFolder { path: path.to_owned() },
    }
}

/// Checks that a file is an image, by its name or its content.
///
/// # Errors
/// [`DatasetError::Foreign`] of a format that is not read, or else [`DatasetError::NeitherFolderNorImage`].
pub(crate) fn check_single_image(path: &Path) -> Result<()> {
    match not_a_folder(path) {
        DatasetError::Foreign { format: Foreign::SingleImage, .. } => Ok(()),
        DatasetError::NotAFolder { path } => Err(DatasetError::NeitherFolderNorImage { path }),
        error => Err(error),
    }
}

/// What a folder holds that a system or tool left, in a sentence, if there is anything.
///
/// # Errors
/// A folder that cannot be read.
pub(crate) fn skipped_in(folder: &Path) -> Result<Option<String>> {
    let mut skipped = Skipped::default();
    list(folder, Some(&mut skipped))?;
    Ok(skipped.note())
}

/// Why a folder has no classes: by the format of a file in it, if that is known.
pub(crate) fn no_classes(path: &Path) -> DatasetError {
    let files = list(path, None).map_or(Vec::new(), |listing| listing.files);
    let format = |file: &PathBuf| Foreign::of(file, &first_bytes(file).unwrap_or_default());
    let found = files.iter().find_map(|file| Some((file, format(file)?)));
    match found {
        Some((file, format)) => DatasetError::Foreign { path: file.clone(), format },
        None => DatasetError::NoClasses { path: path.to_owned() },
    }
}
