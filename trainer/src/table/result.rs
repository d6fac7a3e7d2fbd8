//! The result that a run left in its folder, if it is finished.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::training::outcome::{FILE, Outcome};

/// Reads the result of a run; `None` where there is none yet.
///
/// # Errors
/// A file that cannot be read or is no result of this version; the message names it.
pub fn read(folder: &Path) -> Result<Option<Outcome>> {
    if !folder.join(FILE).exists() {
        return Ok(None);
    }
    let outcome = Outcome::read(folder)?;
    ensure!(
        outcome.format_version == Outcome::format_version(),
        "{}: format version {}, and this program reads {}; remove it to train again",
        folder.join(FILE).display(),
        outcome.format_version,
        Outcome::format_version()
    );
    Ok(Some(outcome))
}
