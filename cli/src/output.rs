//! What a subcommand gives back: text for stdout, and whether that text tells of a failure.

use serde::Serialize;
use spec::files::{FileError, Target};

use crate::args::Format;

/// The result of a subcommand.
#[derive(Debug)]
pub(crate) struct Output {
    /// For stdout.
    pub(crate) text: String,
    /// The step did its work, but what it found is a failure: why, for stderr.
    pub(crate) failure: Option<String>,
    /// Written once the text is out, so that no file that cannot be written costs a result.
    pub(crate) files: Vec<(Target, Vec<u8>)>,
}

impl Output {
    /// A text that tells of a failure, perhaps.
    pub(crate) fn new(text: String, failure: Option<String>) -> Self {
        Self { text, failure, files: Vec::new() }
    }

    /// Writes its files, all that can be written.
    ///
    /// # Errors
    /// The first that cannot.
    pub(crate) fn write_files(&self) -> Result<(), FileError> {
        let written: Vec<_> =
            self.files.iter().map(|(target, bytes)| target.write(bytes)).collect();
        written.into_iter().collect()
    }
}

impl From<String> for Output {
    fn from(text: String) -> Self {
        Self::new(text, None)
    }
}

/// The same value as JSON or as the text that `table` makes of it.
pub(crate) fn formatted<T: Serialize>(
    format: Format,
    value: &T,
    table: impl Fn(&T) -> String,
) -> String {
    match format {
        Format::Table => table(value),
        Format::Json => flow::report::to_json(value),
    }
}
