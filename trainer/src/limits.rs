//! How large the files of a run can be: a larger one is something else, and is not read.

use spec::files::Limit;

/// Options, networks and tables that somebody wrote.
pub(crate) const TOML: Limit = Limit::new("a TOML file", 1 << 20);
/// Results, records and figures of runs.
pub(crate) const JSON: Limit = Limit::new("the record of a run", 256 << 20);
/// A line an epoch.
pub(crate) const METRICS: Limit = Limit::new("a run's metrics", 256 << 20);
/// Weights, momentum and masks.
pub(crate) const CHECKPOINT: Limit = Limit::new("a checkpoint", 16 << 30);
/// What a teacher says of every view.
pub(crate) const LESSONS: Limit = Limit::new("a teacher's lessons", 256 << 30);
/// What a run printed.
pub(crate) const LOG: Limit = Limit::new("a run's log", 16 << 30);
