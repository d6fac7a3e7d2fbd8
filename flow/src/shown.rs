//! Names of files in messages.

use std::path::Path;

use spec::shown_path;

/// The name of a file in messages: relative to the current folder where possible.
pub fn shown_file(path: &Path) -> String {
    let current = std::env::current_dir().unwrap_or_default();
    shown_path(path.strip_prefix(&current).unwrap_or(path)).to_string()
}
