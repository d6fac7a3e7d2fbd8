//! Why a file, a network or a program cannot be read or written.

use std::io;
use std::mem::{self, Discriminant};
use std::path::PathBuf;

use super::ours::Kind;
use crate::{NetworkError, ProgramError, shown_path};

/// Why a file is not replaced.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A device, a FIFO, a socket, a folder.
    #[error("it is {kind}; help: name a new file, or a regular one")]
    NotRegular {
        /// What it is, with its article.
        kind: &'static str,
    },
    /// A symbolic link to a file that is not there.
    #[error("it is a link that leads nowhere; help: name the file itself, or remove the link")]
    DanglingLink,
    /// A symbolic link where this program keeps a file of its own.
    #[error(
        "it is a link, whose file is somebody else's perhaps; help: move it, Twofold writes a file of its own there"
    )]
    Link,
    /// The same file, or a file of the folder, is read by the command.
    #[error("the command also reads {input}; help: name a file elsewhere", input = input.display())]
    Input {
        /// The input as it was named.
        input: PathBuf,
    },
    /// A file of somebody else.
    #[error("it is no {kind} that Twofold wrote; help: {help}, or replace it with --force", help = kind.instead(), kind = kind.name())]
    NotOurs {
        /// What would have been replaced.
        kind: Kind,
    },
}

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

/// What helps against an error of `read_regular`.
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
