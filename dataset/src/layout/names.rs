//! What a folder or file is, by its name and by what it holds.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use spec::files::open_regular;

use super::MAX_DEPTH;
use crate::image_file::{EXTENSIONS, IMAGE};
use crate::litter::{Skipped, is_litter};
use crate::{DatasetError, LayoutError, Result, phoenix};

/// Versions of the same chips in OpenSARShip.
const PATCHES: [&str; 4] = ["patch", "patch_cal", "patch_rgb", "patch_uint8"];

/// A split, as a folder's name says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Train,
    Validation,
    Test,
}

/// The split that a folder is named as, and whether by a word rather than an angle.
pub(super) fn split_name(path: &Path) -> Option<(Name, bool)> {
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
pub(super) fn is_image(path: &Path) -> bool {
    let extension = path.extension().map(|ext| ext.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|ext| EXTENSIONS.contains(&ext.as_str()))
}

/// The type of a ship by the name of its chip: `Cargo` of `Cargo_x1456_y5194.tif`.
pub(super) fn ship_type(path: &Path) -> Option<String> {
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
pub(super) struct Listing {
    pub(super) folders: Vec<PathBuf>,
    pub(super) files: Vec<PathBuf>,
}

/// Lists a folder without litter, which is counted.
pub(super) fn list(path: &Path, mut skipped: Option<&mut Skipped>) -> Result<Listing> {
    let io = |reason| DatasetError::Io { path: path.to_owned(), reason };
    let mut listing = Listing { folders: Vec::new(), files: Vec::new() };
    for entry in std::fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name();
        let (kind, path) = (entry.file_type().map_err(io)?, entry.path());
        let is_folder = kind.is_dir() || kind.is_symlink() && path.is_dir();
        if is_litter(&name, is_folder) {
            skipped.iter_mut().for_each(|skipped| skipped.count(&name));
            continue;
        }
        if is_folder { &mut listing.folders } else { &mut listing.files }.push(path);
    }
    listing.folders.sort();
    listing.files.sort();
    Ok(listing)
}

/// Whether a folder only wraps class folders, by its name or by what it holds.
pub(super) fn is_wrapper(path: &Path, depth: usize) -> Result<bool> {
    let Listing { folders, files } = list(path, None)?;
    if folders.is_empty() {
        return Ok(is_patch(path) && holds_ships(&files));
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

/// Whether a folder is named as one of the versions of OpenSARShip's chips.
pub(super) fn is_patch(path: &Path) -> bool {
    PATCHES.contains(&lower_name(path).as_str())
}

/// Whether all images of a folder, one at least, are named like those of OpenSARShip.
pub(super) fn holds_ships(files: &[PathBuf]) -> bool {
    let mut images = files.iter().filter(|file| is_image(file)).peekable();
    images.peek().is_some() && images.all(|file| ship_type(file).is_some())
}

/// Whether there is any image below a folder.
pub(super) fn holds_images(folder: &Path, depth: usize) -> Result<bool> {
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
pub(super) fn is_document(path: &Path) -> bool {
    let name = lower_name(path);
    name.starts_with("readme") || name.ends_with(".htm") || name.ends_with(".html")
}

/// A pipe, a device or a socket is an error: reading may wait for ever. What a link lacks is told when it is read.
pub(super) fn regular(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err(DatasetError::NotAFile { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(reason) => Err(DatasetError::Io { path: path.to_owned(), reason }),
    }
}

/// Whether a file is an MSTAR original, by its content.
pub(super) fn is_original(path: &Path) -> Result<bool> {
    regular(path)?;
    Ok(phoenix::is_phoenix(&first_bytes(path)?))
}

/// The bytes that tell the format of a file.
pub(super) fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let io = |reason| DatasetError::Io { path: path.to_owned(), reason };
    let mut start = Vec::new();
    let file = open_regular(path, IMAGE).map_err(io)?;
    file.take(phoenix::START as u64).read_to_end(&mut start).map_err(io)?;
    Ok(start)
}

/// The splits among the folders of a folder; see the module's documentation.
pub(super) fn splits_among(
    folders: &[PathBuf],
    within: Option<(Name, bool)>,
) -> Result<Vec<(PathBuf, (Name, bool))>> {
    let named = folders.iter().filter_map(|path| Some((path, split_name(path)?)));
    let mut splits = Vec::new();
    let mut bare = Vec::new();
    for (path, name) in named {
        let has_folders = !list(path, None)?.folders.is_empty();
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
