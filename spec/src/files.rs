//! Every file that is read or written: regular ones alone, and none of somebody else's replaced. With them networks and
//! programs on disk.
//!
//! Who reads goes through [`read_regular`] and its kin; who writes a file that the user named, through [`Outputs`]; who
//! writes in a folder that is the program's own, through [`write_atomically`] and its kin.

use std::io::{self, Read};
use std::mem::{self, Discriminant};
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;

use crate::network::N_FIRST_BYTES;
use crate::{NetworkError, Program, ProgramError, QuantNetwork, shown_path};

mod ours;
mod read;
mod write;

pub use ours::{Kind, finish_wave};
pub use read::{Limit, check_readable, open_regular, read_regular, read_text};
pub use write::{
    Outputs, Refusal, Target, make_folder, open_append, open_new_log, remove, write_atomically,
    write_with,
};

/// The JSON file of a network.
const NETWORK: Limit = Limit::new("a network", 64 << 20);
/// The tensors of a network.
const TENSORS: Limit = Limit::new("a network's tensors", 1 << 30);
/// The manifest or a ROM of a program.
const PROGRAM: Limit = Limit::new("a program's file", 1 << 30);

/// A file that cannot be read, written or understood.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Reading failed.
    #[error("cannot read {path}: {reason}; help: {help}", path = shown_path(path), help = read_help(reason))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// Writing failed.
    #[error("cannot write {path}: {reason}; help: {help}", path = shown_path(path), help = write_help(reason))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The file that a result would go to is not to be replaced.
    #[error("cannot write {path}: {why}", path = shown_path(path))]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        why: Refusal,
    },
    /// Removing failed.
    #[error("cannot remove {path}: {reason}; help: check that the folder is writable", path = shown_path(path))]
    Remove {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The network is wrong; one line a problem.
    #[error("{path}: {n} problem{s}\n{lines}", path = shown_path(path), n = errors.len(), s = if errors.len() == 1 { "" } else { "s" }, lines = lines(errors))]
    Network {
        /// The JSON file.
        path: PathBuf,
        /// All of them.
        errors: Vec<NetworkError>,
    },
    /// The program is wrong.
    #[error("{folder}: {reason}", folder = shown_path(folder))]
    Program {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        reason: ProgramError,
    },
}

/// What helps against an error of [`read_regular`].
fn read_help(reason: &io::Error) -> &'static str {
    match reason.kind() {
        io::ErrorKind::InvalidInput => "give a regular file",
        _ => "check the path and its permissions",
    }
}

fn write_help(reason: &io::Error) -> &'static str {
    match reason.kind() {
        io::ErrorKind::AlreadyExists => "it is a file; give a folder",
        io::ErrorKind::NotADirectory => "a part of the path is a file; give a folder",
        _ => "check that the folder is writable and the disk has room",
    }
}

/// Problems of a kind that are told one by one.
const N_TOLD: usize = 20;

/// A line a problem; of more than [`N_TOLD`] of a kind, how many more there are.
fn lines(errors: &[NetworkError]) -> String {
    let mut kinds: Vec<(Discriminant<NetworkError>, usize)> = Vec::new();
    let mut lines = Vec::new();
    for error in errors {
        let kind = mem::discriminant(error);
        let known = match kinds.iter().position(|(known, _)| *known == kind) {
            Some(known) => known,
            None => {
                kinds.push((kind, 0));
                kinds.len() - 1
            }
        };
        kinds[known].1 += 1;
        if kinds[known].1 <= N_TOLD {
            lines.push(format!("  {error}"));
        }
    }
    let n_more: usize = kinds.iter().map(|(_, n)| n.saturating_sub(N_TOLD)).sum();
    if n_more > 0 {
        lines.push(format!("  and {n_more} more of the kinds above"));
    }
    lines.join("\n")
}

/// Reads and validates a network: `path` is its JSON file, or a folder that holds it as `network.json`.
///
/// # Errors
/// A file that cannot be read, or every problem of the network.
pub fn read_network(path: &Path) -> Result<QuantNetwork, FileError> {
    let path = if path.is_dir() { path.join("network.json") } else { path.to_owned() };
    let wrong = |errors| FileError::Network { path: path.clone(), errors };
    let read = |path: &Path, limit| {
        let error = |reason| FileError::Read { path: path.to_owned(), reason };
        read_regular(path, limit).map_err(error)
    };
    if let Some(foreign) = first_bytes(&path).and_then(|bytes| crate::network::foreign(&bytes)) {
        return Err(wrong(vec![NetworkError::Foreign(foreign)]));
    }
    let json =
        String::from_utf8(read(&path, NETWORK)?).map_err(|error| wrong(vec![no_text(&error)]))?;
    let tensors = crate::network::tensor_file_name(&json).map_err(wrong)?;
    match read(&path.with_file_name(tensors), TENSORS) {
        Ok(tensors) => QuantNetwork::from_parts(&json, &tensors).map_err(wrong),
        Err(unreadable) => {
            // What is wrong with the structure is not to be hidden by tensors that are not there.
            let mut errors = crate::network::structure_errors(&json);
            if errors.is_empty() {
                return Err(unreadable);
            }
            errors.push(NetworkError::TensorFile { message: unreadable.to_string() });
            Err(wrong(errors))
        }
    }
}

/// The beginning of a regular file of any size, `None` if it cannot be read.
fn first_bytes(path: &Path) -> Option<Vec<u8>> {
    let file = open_regular(path, Limit::new("any file", u64::MAX)).ok()?;
    let mut bytes = Vec::new();
    file.take(N_FIRST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn no_text(error: &FromUtf8Error) -> NetworkError {
    let bytes = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = 1 + bytes.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + bytes.iter().rev().take_while(|byte| **byte != b'\n').count();
    NetworkError::Json { message: format!("it is no UTF-8 text at line {line} column {column}") }
}

/// Writes a network: `path` is a JSON file, whose tensors go to the file of the same stem beside it, or a folder, which
/// gets `network.json` and `weights.safetensors`.
///
/// # Errors
/// A folder or file that cannot be written, or a file that somebody else wrote. The JSON file is renamed into place last,
/// and holds the tensors' digest.
pub fn write_network(network: &QuantNetwork, path: &Path) -> Result<(), FileError> {
    write_network_to(&Outputs::new(false), network, path)
}

/// [`write_network`] to a folder that is this program's own: half of a network that an interrupted writer left there is
/// replaced.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn write_own_network(network: &QuantNetwork, folder: &Path) -> Result<(), FileError> {
    write_network_to(&Outputs::new(true), network, folder)
}

fn write_network_to(
    outputs: &Outputs,
    network: &QuantNetwork,
    path: &Path,
) -> Result<(), FileError> {
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let (json_path, tensors_path) = if is_json {
        (path.to_owned(), path.with_extension("safetensors"))
    } else {
        (path.join("network.json"), path.join("weights.safetensors"))
    };
    let name = tensors_path.file_name().expect("a name was just set").to_string_lossy();
    let (json, tensors) = network.to_named_parts(&name);
    let targets = [&tensors_path, &json_path].map(|path| outputs.target(path, Kind::Network));
    let targets = targets.into_iter().collect::<Result<Vec<_>, _>>()?;
    write_all(&targets, &[&tensors, json.as_bytes()])
}

/// The files that [`read_network`] reads: the JSON file, and its tensors if it can say which.
pub fn network_files(path: &Path) -> Vec<PathBuf> {
    let json = if path.is_dir() { path.join("network.json") } else { path.to_owned() };
    let text = read_text(&json, NETWORK).ok();
    let tensors = text.and_then(|text| crate::network::tensor_file_name(&text).ok());
    let tensors = tensors.map(|name| json.with_file_name(name));
    [json].into_iter().chain(tensors).collect()
}

/// Reads a program from its folder.
///
/// # Errors
/// A file that cannot be read or is not of the format.
pub fn read_program(folder: &Path) -> Result<Program, FileError> {
    Program::from_files(|name| read_text(&folder.join(name), PROGRAM))
        .map_err(|reason| FileError::Program { folder: folder.to_owned(), reason })
}

/// Where the files of a program may be written.
#[derive(Debug)]
pub struct ProgramTarget {
    /// In the order of [`Program::FILE_NAMES`].
    files: Vec<Target>,
}

impl Outputs {
    /// Checks a folder that is to take a program: each of its files follows the rules, and no other is touched.
    ///
    /// # Errors
    /// As [`Outputs::target`].
    pub fn program(&self, folder: &Path) -> Result<ProgramTarget, FileError> {
        let files =
            Program::FILE_NAMES.iter().map(|name| self.target(&folder.join(name), Kind::Program));
        Ok(ProgramTarget { files: files.collect::<Result<_, _>>()? })
    }
}

impl ProgramTarget {
    /// Writes all files of a program, or none: all are written aside before the first is renamed. The manifest, without
    /// which nothing reads the ROMs, comes last.
    ///
    /// # Errors
    /// A folder or file that cannot be written, or that somebody else has put there meanwhile.
    pub fn write(&self, program: &Program) -> Result<(), FileError> {
        let texts = program.to_files();
        let texts: Vec<_> = texts.iter().rev().map(|(_, text)| text.as_bytes()).collect();
        let files: Vec<_> = self.files.iter().rev().cloned().collect();
        write_all(&files, &texts)
    }
}

/// Writes a program to a folder that is this program's own.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn write_program(program: &Program, folder: &Path) -> Result<(), FileError> {
    Outputs::new(true).program(folder)?.write(program)
}

/// Writes all files aside, then renames one after the other.
fn write_all(targets: &[Target], contents: &[&[u8]]) -> Result<(), FileError> {
    let aside = targets.iter().zip(contents).map(|(target, bytes)| target.aside(bytes));
    let aside = aside.collect::<Result<Vec<_>, _>>()?;
    aside.into_iter().try_for_each(write::Aside::place)
}
