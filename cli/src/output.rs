//! What a subcommand gives back: text for stdout, and whether that text tells of a failure.

use serde::Serialize;

use crate::args::Format;

/// The result of a subcommand.
#[derive(Debug)]
pub(crate) struct Output {
    /// For stdout.
    pub(crate) text: String,
    /// The step did its work, but what it found is a failure: why, for stderr.
    pub(crate) failure: Option<String>,
}

impl From<String> for Output {
    fn from(text: String) -> Self {
        Self { text, failure: None }
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
        Format::Json => serde_json::to_string_pretty(value).expect("keys are strings"),
    }
}
