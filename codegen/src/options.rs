//! Choices of the caller.

use serde::{Deserialize, Serialize};

/// Which passes of a tile are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// One pass where no pair of a tile has two survivors, none where all weights are zero.
    #[default]
    Sparse,
    /// Both passes of every pair, zeros included: the baseline of a speed-up.
    Dense,
}

/// Choices of the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Which passes are run.
    pub schedule: Schedule,
}
