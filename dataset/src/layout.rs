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
//! leave, and every name that starts with a dot, is skipped and counted. In a class folder, web pages and READMEs are
//! skipped, too, and so are image copies beside the MSTAR originals of the same name that they show; anything else that
//! is no image is an error that names it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use spec::files::open_regular;

use crate::folder::{EXTENSIONS, IMAGE};
use crate::litter::{Skipped, is_litter};
use crate::{DatasetError, Foreign, Result, phoenix};

/// Most folders below a class folder, and above one.
pub const MAX_DEPTH: usize = 8;

/// Versions of the same chips in OpenSARShip.
const PATCHES: [&str; 4] = ["patch", "patch_cal", "patch_rgb", "patch_uint8"];

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

/// Why a data folder cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A split within another.
    #[error(
        "a folder named as a split lies within another split; help: move it beside that one, or rename it"
    )]
    SplitInSplit,
    /// A split within a class folder.
    #[error(
        "a folder named as a split lies within a class folder; help: put class folders into splits, not splits into classes"
    )]
    SplitInClass,
    /// Class folders beside wrappers.
    #[error("holds images and lies beside {}, which only wraps class folders; help: name the folder that holds all classes, or rename one of the two", other.display())]
    ClassBesideWrapper {
        /// The wrapper.
        other: PathBuf,
    },
    /// Class folders in no split, where there are splits.
    #[error("holds class folders that lie in no split, while {} is one; help: name the folder of one of the two", other.display())]
    ClassBesideSplit {
        /// The split.
        other: PathBuf,
    },
    /// A link to a folder that it lies in.
    #[error("a link to a folder that it lies in; help: remove it")]
    Cycle,
    /// Folders within folders without end.
    #[error("more than {MAX_DEPTH} folders deep")]
    TooDeep,
    /// Several versions of the same chips.
    #[error(
        "holds {versions}, which are versions of the same chips; help: keep one of them in the folder, such as Patch for the amplitudes as measured"
    )]
    Versions {
        /// Their names.
        versions: String,
    },
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
        let mut walk = Walk { root: root.to_owned(), ..Walk::default() };
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

/// The folders that lie directly in another, sorted, without what is skipped.
pub(crate) fn sub_folders(path: &Path) -> Result<Vec<PathBuf>> {
    Ok(list(path, None)?.folders)
}

/// A split, as a folder's name says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Train,
    Validation,
    Test,
}

/// The split that a folder is named as, and whether by a word rather than an angle.
fn split_name(path: &Path) -> Option<(Name, bool)> {
    match lower_name(path).as_str() {
        "train" => Some((Name::Train, true)),
        "val" | "valid" | "validation" => Some((Name::Validation, true)),
        "test" => Some((Name::Test, true)),
        "17_deg" => Some((Name::Train, false)),
        "15_deg" => Some((Name::Test, false)),
        _ => None,
    }
}

/// Whether a folder with folders inside is a wrapper by its name.
fn is_wrapper_name(path: &Path) -> bool {
    let name = lower_name(path);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_numbered = |prefix| name.strip_prefix(prefix).is_some_and(is_number);
    name == "targets"
        || is_numbered("col")
        || is_numbered("scene")
        || name.strip_suffix("_deg").is_some_and(is_number)
}

fn lower_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// Whether a file is an image by its name.
fn is_image(path: &Path) -> bool {
    let extension = path.extension().map(|ext| ext.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|ext| EXTENSIONS.contains(&ext.as_str()))
}

/// The type of a ship by the name of its chip: `Cargo` of `Cargo_x1456_y5194.tif`.
fn ship_type(path: &Path) -> Option<String> {
    let numbered = |text: &str, mark: &str| {
        let (before, digits) = text.rsplit_once(mark)?;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| before.to_owned())
    };
    let stem = path.file_stem()?.to_str()?;
    let class = numbered(&numbered(stem, "_y")?, "_x")?;
    (is_image(path) && !class.is_empty()).then_some(class)
}

/// Folders and files that lie directly in a folder, sorted by bytes.
struct Listing {
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

/// Lists a folder without litter, which is counted.
fn list(path: &Path, mut skipped: Option<&mut Skipped>) -> Result<Listing> {
    let io = |reason| DatasetError::Io { path: path.to_owned(), reason };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        if !is_litter(&name) {
            names.push(name);
        } else if let Some(skipped) = &mut skipped {
            skipped.count(&name);
        }
    }
    names.sort();
    let entries = names.into_iter().map(|name| path.join(name));
    let (folders, files) = entries.partition(|entry| entry.is_dir());
    Ok(Listing { folders, files })
}

/// Whether a folder only wraps class folders, by its name or by what it holds.
fn is_wrapper(path: &Path, depth: usize) -> Result<bool> {
    let Listing { folders, files } = list(path, None)?;
    if folders.is_empty() {
        let is_patch = PATCHES.contains(&lower_name(path).as_str());
        return Ok(is_patch && holds_ships(&files));
    }
    if is_wrapper_name(path) || split_name(path).is_some() {
        return Ok(true);
    }
    for folder in folders.iter().filter(|folder| depth < MAX_DEPTH && !is_link(folder)) {
        if is_wrapper(folder, depth + 1)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a folder is a link, which may lead round in a circle.
fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink())
}

/// Whether all images of a folder, one at least, are named like those of OpenSARShip.
fn holds_ships(files: &[PathBuf]) -> bool {
    let mut images = files.iter().filter(|file| is_image(file)).peekable();
    images.peek().is_some() && images.all(|file| ship_type(file).is_some())
}

/// What has been found of a part.
#[derive(Default)]
struct Found {
    /// The folder that is the split.
    path: PathBuf,
    /// Folders that hold class folders.
    holders: Vec<PathBuf>,
    classes: BTreeMap<String, FoundClass>,
    unlabeled: Vec<PathBuf>,
}

/// What has been found of a class.
#[derive(Default)]
struct FoundClass {
    path: PathBuf,
    /// Images by their names.
    copies: Vec<ClassFile>,
    /// MSTAR originals by their content.
    originals: Vec<ClassFile>,
}

#[derive(Default)]
struct Walk {
    root: PathBuf,
    parts: BTreeMap<Option<Name>, Found>,
    skipped: Skipped,
    /// Web pages and READMEs in class folders.
    n_documents: usize,
    /// Images beside class folders.
    n_loose: usize,
    /// Copies of originals.
    n_copies: usize,
    /// Folders beside splits.
    ignored: Vec<PathBuf>,
    versions: BTreeSet<String>,
}

impl Walk {
    /// Visits a folder that is no class folder; `above` holds the folders above it, links followed.
    fn visit(
        &mut self,
        folder: &Path,
        within: Option<(Name, bool)>,
        above: &mut Vec<PathBuf>,
    ) -> Result<()> {
        enter(folder, above, above.len())?;
        let Listing { folders, files } = list(folder, Some(&mut self.skipped))?;
        let splits = splits_among(&folders, within)?;
        if !splits.is_empty() {
            let is_split = |path: &&PathBuf| splits.iter().any(|(split, _)| split == *path);
            self.ignored.extend(folders.iter().filter(|path| !is_split(path)).cloned());
            for (split, name) in &splits {
                self.visit(split, Some(*name), above)?;
            }
            above.pop();
            return Ok(());
        }
        let part = self.parts.entry(within.map(|(name, _)| name)).or_default();
        if part.path.as_os_str().is_empty() {
            part.path = folder.to_owned();
        }
        if folders.is_empty() {
            self.add_files(folder, files, within)?;
        } else {
            self.n_loose += files.iter().filter(|file| is_image(file)).count();
            self.add_folders(folder, folders, within, above)?;
        }
        above.pop();
        Ok(())
    }

    /// Files of a folder that has no folders: ships, or images without labels.
    fn add_files(
        &mut self,
        folder: &Path,
        files: Vec<PathBuf>,
        within: Option<(Name, bool)>,
    ) -> Result<()> {
        if PATCHES.contains(&lower_name(folder).as_str()) {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.versions.insert(name);
        }
        let part = self.parts.entry(within.map(|(name, _)| name)).or_default();
        if !holds_ships(&files) {
            for file in files {
                if is_image(&file) || is_original(&file)? {
                    part.unlabeled.push(file);
                }
            }
            return Ok(());
        }
        part.holders.push(folder.to_owned());
        for path in files {
            let Some(class) = ship_type(&path) else { continue };
            regular(&path)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let found = part.classes.entry(class.clone()).or_default();
            found.path = folder.join(format!("{class}_x*"));
            found.copies.push(ClassFile { path, name });
        }
        Ok(())
    }

    /// Wrappers or class folders.
    fn add_folders(
        &mut self,
        folder: &Path,
        folders: Vec<PathBuf>,
        within: Option<(Name, bool)>,
        above: &mut Vec<PathBuf>,
    ) -> Result<()> {
        let mut wrappers = Vec::new();
        let mut classes = Vec::new();
        for folder in folders {
            let list = if is_wrapper(&folder, 0)? { &mut wrappers } else { &mut classes };
            list.push(folder);
        }
        if let Some(wrapper) = wrappers.first() {
            for class in classes.drain(..) {
                if holds_images(&class, 0)? {
                    let problem = LayoutError::ClassBesideWrapper { other: wrapper.clone() };
                    return Err(DatasetError::Layout { path: class, problem });
                }
                self.ignored.push(class);
            }
        }
        for wrapper in wrappers {
            self.visit(&wrapper, within, above)?;
        }
        if classes.is_empty() {
            return Ok(());
        }
        let name = within.map(|(name, _)| name);
        self.parts.entry(name).or_default().holders.push(folder.to_owned());
        for path in classes {
            let Some(class) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned)
            else {
                return Err(DatasetError::ClassName { path });
            };
            let mut found = FoundClass { path: path.clone(), ..FoundClass::default() };
            self.collect(&path, &path, above, &mut found)?;
            self.n_copies += found.drop_copies()?;
            let merged = self.parts.entry(name).or_default().classes.entry(class).or_default();
            if merged.path.as_os_str().is_empty() {
                merged.path = path;
            }
            merged.copies.append(&mut found.copies);
            merged.originals.append(&mut found.originals);
        }
        Ok(())
    }

    /// Files of a class folder, at any depth.
    fn collect(
        &mut self,
        class: &Path,
        folder: &Path,
        above: &mut Vec<PathBuf>,
        found: &mut FoundClass,
    ) -> Result<()> {
        let depth = folder.strip_prefix(class).map_or(0, |below| below.components().count());
        enter(folder, above, depth)?;
        let Listing { folders, files } = list(folder, Some(&mut self.skipped))?;
        for path in files {
            regular(&path)?;
            let name = path.strip_prefix(class).unwrap_or(&path).to_string_lossy();
            let name = name.replace('\\', "/");
            if is_image(&path) {
                found.copies.push(ClassFile { path, name });
            } else if is_original(&path)? {
                found.originals.push(ClassFile { path, name });
            } else if is_document(&path) {
                self.n_documents += 1;
            } else {
                let start = first_bytes(&path)?;
                return Err(match Foreign::of(&path, &start) {
                    Some(format) => DatasetError::Foreign { path, format },
                    None => DatasetError::NotAnImage { path },
                });
            }
        }
        for path in folders {
            if is_image(&path) {
                return Err(DatasetError::NotAnImage { path });
            }
            if split_name(&path).is_some() {
                return Err(DatasetError::Layout { path, problem: LayoutError::SplitInClass });
            }
            self.collect(class, &path, above, found)?;
        }
        above.pop();
        Ok(())
    }

    fn finish(mut self) -> Result<Layout> {
        if self.versions.len() > 1 {
            let versions = Vec::from_iter(self.versions).join(", ");
            let problem = LayoutError::Versions { versions };
            return Err(DatasetError::Layout { path: self.root, problem });
        }
        let notes = self.notes();
        let mut layout = Layout { notes, ..Layout::default() };
        let has_splits = self.parts.keys().any(Option::is_some);
        for (name, found) in std::mem::take(&mut self.parts) {
            let place = match name {
                Some(Name::Train) => &mut layout.train,
                Some(Name::Validation) => &mut layout.validation,
                Some(Name::Test) => &mut layout.test,
                None if has_splits && found.classes.is_empty() => continue,
                None => &mut layout.undivided,
            };
            *place = Some(found.finish()?);
        }
        let splits = [&layout.train, &layout.test, &layout.validation];
        if let (Some(undivided), Some(split)) =
            (&layout.undivided, splits.into_iter().flatten().next())
        {
            let path = undivided.classes.first().map_or(&undivided.path, |class| &class.path);
            let path = path.parent().unwrap_or(path).to_owned();
            let problem = LayoutError::ClassBesideSplit { other: split.path.clone() };
            return Err(DatasetError::Layout { path, problem });
        }
        Ok(layout)
    }

    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.skipped.note().into_iter().collect();
        let counts = [
            (self.n_documents, "web pages and READMEs in class folders"),
            (self.n_copies, "image copies of the MSTAR original files beside them"),
            (self.n_loose, "images beside class folders, in none of them"),
        ];
        for (n, what) in counts.into_iter().filter(|(n, _)| *n > 0) {
            notes.push(format!("not read: {n} {what}"));
        }
        if !self.ignored.is_empty() {
            let ignored = shown(&self.root, &self.ignored);
            notes.push(format!("not read, since neither split nor class: {ignored}"));
        }
        for holders in self.parts.values().map(|found| &found.holders).filter(|h| h.len() > 1) {
            notes.push(format!("classes are taken together from {}", shown(&self.root, holders)));
        }
        notes
    }
}

impl Found {
    fn finish(self) -> Result<Part> {
        let class = |(class, mut found): (String, FoundClass)| {
            if let ([copy, ..], [original, ..]) = (&found.copies[..], &found.originals[..]) {
                let (path, original) = (copy.path.clone(), original.path.clone());
                return Err(DatasetError::MixedOriginals { path, original });
            }
            let mut files = found.copies;
            files.append(&mut found.originals);
            files.sort();
            if files.is_empty() {
                return Err(DatasetError::EmptyClass { path: found.path });
            }
            Ok(ClassFolder { class, path: found.path, files })
        };
        let classes = self.classes.into_iter().map(class).collect::<Result<_>>()?;
        Ok(Part { path: self.path, classes, unlabeled: self.unlabeled })
    }
}

impl FoundClass {
    /// Drops image copies whose names are those of originals beside them: `HB03787.JPG` or `HB03787.015.jpg` beside
    /// `HB03787.015`. Gives their number.
    ///
    /// # Errors
    /// A copy of another name beside originals.
    fn drop_copies(&mut self) -> Result<usize> {
        if self.originals.is_empty() {
            return Ok(0);
        }
        let key = |path: &Path| path.to_string_lossy().to_lowercase();
        let names = |original: &ClassFile| {
            let path = &original.path;
            [key(path), key(&path.with_extension(""))]
        };
        let shown: BTreeSet<String> = self.originals.iter().flat_map(names).collect();
        let n_copies = self.copies.len();
        self.copies.retain(|copy| !shown.contains(&key(&copy.path.with_extension(""))));
        Ok(n_copies - self.copies.len())
    }
}

/// The splits among the folders of a folder; see the module's documentation.
fn splits_among(
    folders: &[PathBuf],
    within: Option<(Name, bool)>,
) -> Result<Vec<(PathBuf, (Name, bool))>> {
    let named = folders.iter().filter_map(|path| Some((path, split_name(path)?)));
    let mut splits = Vec::new();
    let mut bare = Vec::new();
    for (path, name) in named {
        let has_folders = !sub_folders(path)?.is_empty();
        match within {
            // An angle below a word is a wrapper, as is a word that says the same again.
            Some((outer, _)) if has_folders && name.1 && name.0 != outer => {
                let problem = LayoutError::SplitInSplit;
                return Err(DatasetError::Layout { path: path.clone(), problem });
            }
            Some(_) => {}
            None if has_folders => splits.push((path.clone(), name)),
            None => bare.push((path.clone(), name)),
        }
    }
    let is_alone = folders.len() == 1;
    if !splits.is_empty() || bare.len() > 1 || is_alone {
        splits.append(&mut bare);
    }
    splits.sort();
    Ok(splits)
}

/// Notes a folder that is entered, so many below the first.
fn enter(folder: &Path, above: &mut Vec<PathBuf>, depth: usize) -> Result<()> {
    let fail = |problem| Err(DatasetError::Layout { path: folder.to_owned(), problem });
    let real = folder
        .canonicalize()
        .map_err(|reason| DatasetError::Io { path: folder.to_owned(), reason })?;
    if above.contains(&real) {
        return fail(LayoutError::Cycle);
    }
    if depth > MAX_DEPTH {
        return fail(LayoutError::TooDeep);
    }
    above.push(real);
    Ok(())
}

/// Whether there is any image below a folder.
fn holds_images(folder: &Path, depth: usize) -> Result<bool> {
    let Listing { folders, files } = list(folder, None)?;
    for file in files {
        if is_image(&file) || is_original(&file)? {
            return Ok(true);
        }
    }
    for folder in folders.iter().filter(|folder| depth < MAX_DEPTH && !is_link(folder)) {
        if holds_images(folder, depth + 1)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Web pages and READMEs, which come with images.
fn is_document(path: &Path) -> bool {
    let name = lower_name(path);
    name.starts_with("readme") || name.ends_with(".htm") || name.ends_with(".html")
}

/// A pipe, a device or a socket is an error: reading may wait for ever. What a link lacks is told when it is read.
fn regular(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err(DatasetError::NotAFile { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(reason) => Err(DatasetError::Io { path: path.to_owned(), reason }),
    }
}

/// Whether a file is an MSTAR original, by its content.
fn is_original(path: &Path) -> Result<bool> {
    regular(path)?;
    Ok(phoenix::is_phoenix(&first_bytes(path)?))
}

/// The bytes that tell the format of a file.
fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let io = |reason| DatasetError::Io { path: path.to_owned(), reason };
    let mut start = Vec::new();
    let file = open_regular(path, IMAGE).map_err(io)?;
    file.take(phoenix::START as u64).read_to_end(&mut start).map_err(io)?;
    Ok(start)
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

/// A few paths below the root, for a sentence.
fn shown(root: &Path, paths: &[PathBuf]) -> String {
    const MOST: usize = 4;
    let below = |path: &PathBuf| {
        let path = path.strip_prefix(root).unwrap_or(path);
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        path.display().to_string().replace(char::is_control, "?")
    };
    let mut shown: Vec<_> = paths.iter().take(MOST).map(below).collect();
    if paths.len() > MOST {
        shown.push(format!("{} more", paths.len() - MOST));
    }
    shown.join(", ")
}
