//! Networks and programs on disk. What is written appears whole or not at all: written aside, then renamed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::{NetworkError, Program, ProgramError, QuantNetwork};

/// A file that cannot be read, written or understood.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Reading failed.
    #[error("cannot read {path}: {reason}; help: check the path and its permissions", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// Writing failed.
    #[error("cannot write {path}: {reason}; help: check that the folder is writable and the disk has room", path = path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The network is wrong; one line a problem.
    #[error("{path}: {n} problem{s}\n{lines}", path = path.display(), n = errors.len(), s = if errors.len() == 1 { "" } else { "s" }, lines = lines(errors))]
    Network {
        /// The JSON file.
        path: PathBuf,
        /// All of them.
        errors: Vec<NetworkError>,
    },
    /// The program is wrong.
    #[error("{folder}: {reason}", folder = folder.display())]
    Program {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        reason: ProgramError,
    },
}

fn lines(errors: &[NetworkError]) -> String {
    errors.iter().map(|error| format!("  {error}")).collect::<Vec<_>>().join("\n")
}

/// Reads and validates a network: `path` is its JSON file, or a folder that holds it as `network.json`.
///
/// # Errors
/// A file that cannot be read, or every problem of the network.
pub fn read_network(path: &Path) -> Result<QuantNetwork, FileError> {
    let path = if path.is_dir() { path.join("network.json") } else { path.to_owned() };
    let wrong = |errors| FileError::Network { path: path.clone(), errors };
    let read = |path: &Path| {
        fs::read(path).map_err(|reason| FileError::Read { path: path.to_owned(), reason })
    };
    let json = String::from_utf8(read(&path)?)
        .map_err(|error| wrong(vec![NetworkError::Json { message: error.to_string() }]))?;
    let tensors = crate::network::tensor_file_name(&json).map_err(|error| wrong(vec![error]))?;
    QuantNetwork::from_parts(&json, &read(&path.with_file_name(tensors))?).map_err(wrong)
}

/// Writes a network: `path` is a JSON file, whose tensors go to the file of the same stem beside it, or a folder, which
/// gets `network.json` and `weights.safetensors`.
///
/// # Errors
/// A folder or file that cannot be written. The JSON file is renamed into place last, and holds the tensors' digest.
pub fn write_network(network: &QuantNetwork, path: &Path) -> Result<(), FileError> {
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let (json_path, tensors_path) = if is_json {
        (path.to_owned(), path.with_extension("safetensors"))
    } else {
        (path.join("network.json"), path.join("weights.safetensors"))
    };
    let name = tensors_path.file_name().expect("a name was just set").to_string_lossy();
    let (json, tensors) = network.to_named_parts(&name);
    write_atomically(&tensors_path, &tensors)?;
    write_atomically(&json_path, json.as_bytes())
}

/// Reads a program from its folder.
///
/// # Errors
/// A file that cannot be read or is not of the format.
pub fn read_program(folder: &Path) -> Result<Program, FileError> {
    Program::from_files(|name| fs::read_to_string(folder.join(name)))
        .map_err(|reason| FileError::Program { folder: folder.to_owned(), reason })
}

/// Writes all files of a program to a folder, or none: all are written aside before the first is renamed. The manifest,
/// without which nothing reads the ROMs, comes last.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn write_program(program: &Program, folder: &Path) -> Result<(), FileError> {
    let files = program.to_files();
    let paths: Vec<PathBuf> = files.iter().rev().map(|(name, _)| folder.join(name)).collect();
    let aside: Vec<NamedTempFile> = files
        .iter()
        .rev()
        .zip(&paths)
        .map(|((_, text), path)| write_aside(path, text.as_bytes()))
        .collect::<Result<_, _>>()?;
    aside.into_iter().zip(&paths).try_for_each(|(file, path)| rename(file, path))
}

/// Writes a file aside, then renames it into place; missing folders are made.
///
/// # Errors
/// Whatever the file system says. The old file, if there was one, is then still whole.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    rename(write_aside(path, bytes)?, path)
}

/// A file beside `path` that is removed unless it is renamed.
fn write_aside(path: &Path, bytes: &[u8]) -> Result<NamedTempFile, FileError> {
    let write = || -> io::Result<NamedTempFile> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        fs::create_dir_all(folder)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".twofold-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        // The file itself: errors of the wrapper name the path aside.
        file.as_file_mut().write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|reason| FileError::Write { path: path.to_owned(), reason })
}

fn rename(file: NamedTempFile, path: &Path) -> Result<(), FileError> {
    file.persist(path)
        .map(drop)
        .map_err(|error| FileError::Write { path: path.to_owned(), reason: error.error })
}
