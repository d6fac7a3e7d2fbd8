//! Writing files without losing any that somebody else put there.
//!
//! A [`Target`] is checked before the work whose result it takes: it is a regular file or a new one, no input of the
//! same command, and, unless `force` is given, one of its kind that this program wrote (see [`Kind`]) or
//! that is empty. A
//! symbolic link is followed, and what it leads to is the target. What is written appears whole or not at all: written
//! aside, then renamed; a file that is replaced keeps its permissions.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::{FileError, Refusal};
use super::ours::Kind;
use super::read::kind as name;

/// How the name of a file begins that is still written.
const ASIDE: &str = ".twofold-";

/// The rules that all results of one command follow.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    inputs: Vec<PathBuf>,
    force: bool,
}

impl Outputs {
    /// Rules without inputs. `force` replaces regular files that somebody else wrote.
    pub fn new(force: bool) -> Self {
        Self { inputs: Vec::new(), force }
    }

    /// The same for a command that also reads this file, or files of this folder.
    pub fn reading(mut self, inputs: impl IntoIterator<Item = PathBuf>) -> Self {
        self.inputs.extend(inputs);
        self
    }

    /// Checks where a result is to go, before the work begins.
    ///
    /// # Errors
    /// A file that is not to be replaced; a folder that cannot be written.
    pub fn target(&self, path: &Path, kind: Kind) -> Result<Target, FileError> {
        let target = self.unprobed(path, kind)?;
        target.probe()?;
        Ok(target)
    }

    /// The same, but whether the folder can be written is not asked: see [`Target::probe`].
    ///
    /// # Errors
    /// A file that is not to be replaced.
    pub fn unprobed(&self, path: &Path, kind: Kind) -> Result<Target, FileError> {
        self.any(path, Some(kind))
    }

    /// Checks a file of the program's own folder, such as `build`: not asked who wrote it, nor whether the folder can be
    /// written. A link is not followed, for nobody named it.
    ///
    /// # Errors
    /// A link, something that is no regular file, or an input.
    pub fn own(&self, path: &Path) -> Result<Target, FileError> {
        self.any(path, None)
    }

    fn any(&self, path: &Path, kind: Option<Kind>) -> Result<Target, FileError> {
        let file = self.resolve(path, kind)?;
        Ok(Target { path: path.to_owned(), file, kind, rules: self.clone() })
    }

    /// The file that `path` leads to, if it may be written.
    fn resolve(&self, path: &Path, kind: Option<Kind>) -> Result<PathBuf, FileError> {
        let refused = |why| FileError::Refused { path: path.to_owned(), why };
        let error = |reason| FileError::Write { path: path.to_owned(), reason };
        let mut file = path.to_owned();
        let metadata = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Ok(metadata) if metadata.is_symlink() => {
                file = fs::canonicalize(path).map_err(|_| refused(Refusal::DanglingLink))?;
                let metadata = fs::metadata(&file).map_err(error)?;
                if kind.is_none() && metadata.is_file() {
                    return Err(refused(Refusal::Link));
                }
                Some(metadata)
            }
            metadata => Some(metadata.map_err(error)?),
        };
        if let Some(metadata) = &metadata
            && !metadata.is_file()
        {
            return Err(refused(Refusal::NotRegular { kind: name(metadata.file_type()) }));
        }
        if let Some(input) =
            self.inputs.iter().find(|input| is_input(&file, metadata.as_ref(), input))
        {
            return Err(refused(Refusal::Input { input: input.clone() }));
        }
        if let (Some(metadata), Some(kind)) = (&metadata, kind)
            && !self.force
            && metadata.len() > 0
            && !kind.is_of(&file).map_err(error)?
        {
            return Err(refused(Refusal::NotOurs { kind }));
        }
        Ok(file)
    }
}

/// Whether a target is an input, by another name perhaps, or lies in an input that is a folder.
fn is_input(file: &Path, metadata: Option<&Metadata>, input: &Path) -> bool {
    let Ok(read) = fs::metadata(input) else { return false };
    if read.is_dir() {
        // A new file has no path of its own yet, but its folder may have one.
        let lies_in = file.ancestors().find_map(|folder| canonical(folder).ok());
        let folder = fs::canonicalize(input);
        return matches!((lies_in, folder), (Some(file), Ok(folder)) if file.starts_with(&folder));
    }
    #[cfg(unix)]
    if let Some(metadata) = metadata {
        use std::os::unix::fs::MetadataExt;
        return (metadata.dev(), metadata.ino()) == (read.dev(), read.ino());
    }
    matches!((canonical(file), fs::canonicalize(input)), (Ok(file), Ok(input)) if file == input)
}

/// The same with the empty path as the current folder.
fn canonical(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(if path.as_os_str().is_empty() { Path::new(".") } else { path })
}

/// A file that may be written, checked once more when it is.
#[derive(Debug, Clone)]
pub struct Target {
    path: PathBuf,
    /// What `path` leads to.
    file: PathBuf,
    /// `None` where nobody asks who wrote it.
    kind: Option<Kind>,
    rules: Outputs,
}

impl Target {
    /// The path as it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tries whether a file can be made in its folder, or in the first folder above it that is there.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn probe(&self) -> Result<(), FileError> {
        let mut folder = folder_of(&self.file);
        while !folder.exists() {
            folder = folder_of(folder);
        }
        let file = tempfile::Builder::new().prefix(ASIDE).tempfile_in(folder);
        file.map(drop).map_err(|error| self.error(without_path(error)))
    }

    /// Writes the file; missing folders are made.
    ///
    /// # Errors
    /// Whatever the file system says, or a file that has appeared there meanwhile. The old file, if there was one, is
    /// then still whole.
    pub fn write(&self, bytes: &[u8]) -> Result<(), FileError> {
        self.aside(bytes)?.place()
    }

    /// Has `fill` write the file at the path that it is given, beside the target.
    ///
    /// # Errors
    /// As [`Self::write`], and what `fill` returns.
    pub fn write_with<E: From<FileError>>(
        &self,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        let aside = self.aside(&[])?;
        fill(aside.file.path())?;
        // The library may have made another file of that name.
        let synced = File::open(aside.file.path()).and_then(|file| file.sync_all());
        synced.map_err(|reason| self.error(reason))?;
        Ok(aside.place()?)
    }

    /// Writes beside the target, in a file that is removed unless it is placed.
    pub(super) fn aside(&self, bytes: &[u8]) -> Result<Aside<'_>, FileError> {
        let write = || -> io::Result<NamedTempFile> {
            let folder = folder_of(&self.file);
            fs::create_dir_all(folder)?;
            let mut builder = tempfile::Builder::new();
            builder.prefix(ASIDE);
            #[cfg(unix)]
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
            let mut file = builder.tempfile_in(folder).map_err(without_path)?;
            // The file itself: errors of the wrapper name the path aside.
            file.as_file_mut().write_all(bytes)?;
            file.as_file().sync_all()?;
            Ok(file)
        };
        let file = write().map_err(|reason| self.error(reason))?;
        Ok(Aside { file, target: self })
    }

    fn error(&self, reason: io::Error) -> FileError {
        FileError::Write { path: self.path.clone(), reason }
    }
}

/// A whole file beside its target.
pub(super) struct Aside<'a> {
    file: NamedTempFile,
    target: &'a Target,
}

impl Aside<'_> {
    /// Renames it into place.
    pub(super) fn place(self) -> Result<(), FileError> {
        let Target { path, kind, rules, .. } = self.target;
        let file = rules.resolve(path, *kind)?;
        let place = || -> io::Result<()> {
            if let Ok(old) = fs::metadata(&file) {
                fs::set_permissions(self.file.path(), old.permissions())?;
            }
            self.file.persist(&file).map(drop).map_err(|error| error.error)
        };
        place().map_err(|reason| self.target.error(reason))
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The same error without the name of the file aside, which nobody knows.
fn without_path(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.split_once(" at path ") {
        Some((reason, _)) => io::Error::new(error.kind(), reason),
        None => error,
    }
}

/// Writes a file whose folder is the program's own, such as `build` or the folder of a run: written aside, then renamed.
/// Missing folders are made.
///
/// # Errors
/// Whatever the file system says, or something at `path` that is no regular file. The old file, if there was one, is
/// then still whole.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    own(path)?.write(bytes)
}

/// The same for a file that `fill` writes at the path that it is given.
///
/// # Errors
/// As [`write_atomically`], and what `fill` returns.
pub fn write_with<E: From<FileError>>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    own(path)?.write_with(fill)
}

/// Opens a file of the program's own folder to add lines to it, without waiting for who reads them.
///
/// # Errors
/// Whatever the file system says, or something at `path` that is no regular file.
pub fn open_append(path: &Path) -> Result<File, FileError> {
    open(path, File::options().create(true).append(true))
}

/// Opens an empty file in the program's own folder, for what a tool prints.
///
/// # Errors
/// As [`open_append`].
pub fn open_new_log(path: &Path) -> Result<File, FileError> {
    let file = open(path, File::options().create(true).append(true))?;
    file.set_len(0).map_err(|reason| FileError::Write { path: path.to_owned(), reason })?;
    Ok(file)
}

fn open(path: &Path, options: &mut fs::OpenOptions) -> Result<File, FileError> {
    let target = own(path)?;
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NONBLOCK);
    let opened = options.open(&target.file).map_err(|reason| target.error(reason))?;
    let metadata = opened.metadata().map_err(|reason| target.error(reason))?;
    if !metadata.is_file() {
        let why = Refusal::NotRegular { kind: name(metadata.file_type()) };
        return Err(FileError::Refused { path: path.to_owned(), why });
    }
    Ok(opened)
}

/// A file of the program's own: not asked who wrote it.
fn own(path: &Path) -> Result<Target, FileError> {
    Outputs::new(false).own(path)
}

/// Makes a folder and those above it.
///
/// # Errors
/// Whatever the file system says.
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(|reason| FileError::Write { path: path.to_owned(), reason })
}

/// Removes a file of the program's own folder; one that is not there is no error.
///
/// # Errors
/// Whatever the file system says, or something at `path` that is no regular file.
pub fn remove(path: &Path) -> Result<(), FileError> {
    let error = |reason| FileError::Remove { path: path.to_owned(), reason };
    match fs::symlink_metadata(path) {
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(metadata) if !metadata.is_file() => {
            let why = Refusal::NotRegular { kind: name(metadata.file_type()) };
            Err(FileError::Refused { path: path.to_owned(), why })
        }
        metadata => metadata.and_then(|_| fs::remove_file(path)).map_err(error),
    }
}

/// Writes all files aside, then renames one after the other.
pub(super) fn write_all(targets: &[Target], contents: &[&[u8]]) -> Result<(), FileError> {
    let aside = targets.iter().zip(contents).map(|(target, bytes)| target.aside(bytes));
    let aside = aside.collect::<Result<Vec<_>, _>>()?;
    aside.into_iter().try_for_each(Aside::place)
}
