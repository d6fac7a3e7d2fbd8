//! Training, validation and test.

use std::fmt;

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Weights are fitted to it.
    Train = 0,
    /// Choices are made on it.
    Validation = 1,
    /// Read once, at the end.
    Test = 2,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}
