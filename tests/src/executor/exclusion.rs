//! Which executor does not run which case, and why.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use spec::files::{Limit, read_text};

use super::Executor;
use crate::subject::Subject;

/// The file, in the folder of this crate.
const FILE: &str = "exclusions.json";
const LIMIT: Limit = Limit::new("exclusions", 1 << 20);
/// A case that takes an executor longer is excluded.
pub const MOST_TIME: Duration = Duration::from_secs(2);

/// Why an executor does not run a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It would take more than [`MOST_TIME`].
    Slow,
    /// It fails, or says something else than the reference.
    Fails,
}

/// A case that an executor does not run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    /// Name of the executor.
    pub executor: String,
    /// Name of the case; `*` at its end stands for any further text.
    pub case: String,
    /// Which kind of reason it is, so that a test can tell when it no longer holds.
    pub kind: Kind,
    /// The reason, in words.
    pub reason: String,
}

impl Exclusion {
    /// Whether it is about this executor and case.
    pub fn is_of(&self, executor: &dyn Executor, case: &str) -> bool {
        let is_case = match self.case.strip_suffix('*') {
            Some(start) => case.starts_with(start),
            None => case == self.case,
        };
        self.executor == executor.name() && is_case
    }

    /// Whether the reason no longer holds for a case that it is about.
    pub fn is_stale(
        &self,
        executor: &dyn Executor,
        subject: &Subject,
        passes: impl FnOnce() -> bool,
    ) -> bool {
        match self.kind {
            Kind::Slow => executor.time(subject) <= MOST_TIME,
            Kind::Fails => passes(),
        }
    }
}

/// All exclusions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclusions {
    /// In the order of the file.
    pub all: Vec<Exclusion>,
}

/// Exclusions that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}; help: each entry has executor, case, kind (slow, fails) and reason", path = path.display())]
pub struct ExclusionsError {
    path: PathBuf,
    reason: String,
}

impl Exclusions {
    /// Reads `tests/exclusions.json`.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else.
    pub fn read() -> Result<Self, ExclusionsError> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        let error = |reason: String| ExclusionsError { path: path.clone(), reason };
        let text = read_text(&path, LIMIT).map_err(|source| error(source.to_string()))?;
        let all = serde_json::from_str(&text).map_err(|source| error(source.to_string()))?;
        Ok(Self { all })
    }

    /// That of an executor and a case.
    pub fn of(&self, executor: &dyn Executor, case: &str) -> Option<&Exclusion> {
        self.all.iter().find(|exclusion| exclusion.is_of(executor, case))
    }
}
