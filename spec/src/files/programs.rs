//! Programs on disk: a folder of ROM files and a manifest.

use std::path::Path;

use super::error::FileError;
use super::ours::Kind;
use super::read::{Limit, read_text};
use super::write::{Outputs, Target, write_all};
use crate::Program;

/// The manifest or a ROM of a program.
const PROGRAM: Limit = Limit::new("a program's file", 1 << 30);

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
