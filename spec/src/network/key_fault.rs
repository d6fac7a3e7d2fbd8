//! What can be wrong with one key of a network file.

use std::fmt;

/// What is wrong with a key of a network file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// The format has no such key here.
    Unknown {
        /// Those that it has.
        known: &'static [&'static str],
    },
    /// It is not there.
    Missing,
    /// It is there more than once.
    Repeated,
    /// It holds something else than it should.
    Value {
        /// What it holds.
        found: String,
        /// What it should.
        expected: &'static str,
    },
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { known } => {
                write!(f, "is unknown; help: remove it, the keys here are {}", known.join(", "))
            }
            Self::Missing => write!(f, "is missing; help: add it as docs/network.md says"),
            Self::Repeated => write!(f, "is given more than once; help: keep one"),
            Self::Value { found, expected } => {
                write!(f, "is {found}; help: give {expected}, as docs/network.md says")
            }
        }
    }
}
