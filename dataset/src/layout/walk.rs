//! The walk through a data folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::names::{
    Listing, Name, first_bytes, holds_images, holds_ships, is_document, is_image, is_original,
    is_patch, is_wrapper, list, regular, ship_type, split_name, splits_among,
};
use super::{ClassFile, ClassFolder, Layout, MAX_DEPTH, Part};
use crate::litter::Skipped;
use crate::{DatasetError, Foreign, LayoutError, Result};

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

/// What has been found of a data folder.
#[derive(Default)]
pub(super) struct Walk {
    root: PathBuf,
    parts: BTreeMap<Option<Name>, Found>,
    skipped: Skipped,
    /// Web pages and READMEs beside images.
    n_documents: usize,
    /// Files among images that are none.
    strangers: Vec<PathBuf>,
    /// Images beside class folders.
    n_loose: usize,
    /// Copies of originals.
    n_copies: usize,
    /// Folders beside splits.
    ignored: Vec<PathBuf>,
    versions: BTreeSet<String>,
}

impl Walk {
    /// That has not begun.
    pub(super) fn of(root: &Path) -> Self {
        Self { root: root.to_owned(), ..Self::default() }
    }

    /// Visits a folder that is no class folder; `above` holds the folders above it, links followed.
    pub(super) fn visit(
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
        self.count_version(folder);
        let part = self.parts.entry(within.map(|(name, _)| name)).or_default();
        let mut others = Vec::new();
        if !holds_ships(&files) {
            let n_before = part.unlabeled.len();
            for file in files {
                let is_ours = is_image(&file) || is_original(&file)?;
                if is_ours { &mut part.unlabeled } else { &mut others }.push(file);
            }
            // Of a folder without any image, whoever needs one says what it holds instead.
            if part.unlabeled.len() > n_before {
                others.into_iter().for_each(|file| self.add_other(file));
            }
            return Ok(());
        }
        part.holders.push(folder.to_owned());
        for path in files {
            regular(&path)?;
            let Some(class) = ship_type(&path) else {
                others.push(path);
                continue;
            };
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let found = part.classes.entry(class.clone()).or_default();
            found.path = folder.join(format!("{class}_x*"));
            found.copies.push(ClassFile { path, name });
        }
        others.into_iter().for_each(|file| self.add_other(file));
        Ok(())
    }

    /// Notes a file among images that is none: a web page or a README is passed over, any other refused at the end.
    fn add_other(&mut self, path: PathBuf) {
        if is_document(&path) {
            self.n_documents += 1;
        } else {
            self.strangers.push(path);
        }
    }

    /// Refuses the files among images that are none, all together.
    fn check_strangers(&mut self) -> Result<()> {
        let mut strangers = std::mem::take(&mut self.strangers);
        strangers.sort();
        let Some(first) = strangers.first() else { return Ok(()) };
        let path = first.clone();
        let first = match Foreign::of(first, &first_bytes(first)?) {
            Some(format) => DatasetError::Foreign { path, format },
            None => DatasetError::NotAnImage { path },
        };
        let has_any = |class: &FoundClass| !class.copies.is_empty() || !class.originals.is_empty();
        let has_images =
            |found: &Found| !found.unlabeled.is_empty() || found.classes.values().any(has_any);
        Err(match strangers.len() {
            n_files if n_files > 1 && self.parts.values().any(has_images) => {
                let (path, files) = (self.root.clone(), shown(&self.root, &strangers));
                DatasetError::NoImages { path, n_files, files, first: Box::new(first) }
            }
            _ => first,
        })
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
        if wrappers.iter().any(|wrapper| is_patch(wrapper)) {
            wrappers.iter().chain(&classes).for_each(|folder| self.count_version(folder));
            self.check_versions()?;
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
            } else {
                self.add_other(path);
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

    /// What has been found, if it makes sense.
    pub(super) fn finish(mut self) -> Result<Layout> {
        self.check_versions()?;
        self.check_strangers()?;
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

    /// Notes a folder that is one of the versions of OpenSARShip's chips.
    fn count_version(&mut self, folder: &Path) {
        if is_patch(folder) {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            self.versions.insert(name.into_owned());
        }
    }

    fn check_versions(&self) -> Result<()> {
        if self.versions.len() < 2 {
            return Ok(());
        }
        let versions = Vec::from_iter(self.versions.iter().map(String::as_str)).join(", ");
        let problem = LayoutError::Versions { versions };
        Err(DatasetError::Layout { path: self.root.clone(), problem })
    }

    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.skipped.note().into_iter().collect();
        let counts = [
            (self.n_documents, "web pages and READMEs beside images"),
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
        return fail(LayoutError::TooDeep { max: MAX_DEPTH });
    }
    above.push(real);
    Ok(())
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
