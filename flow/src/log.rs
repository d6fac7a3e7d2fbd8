//! What a step says while it works.

use crate::progress::Progress;
use spec::shown_lines;

/// Where a step says how far it is, and what it decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Log {
    /// To stderr, as the program does.
    #[default]
    Stderr,
    /// Nowhere.
    Silent,
}

impl Log {
    pub(crate) fn say(self, line: &str) {
        if self == Self::Stderr {
            eprintln!("{}", shown_lines(line));
        }
    }

    pub(crate) fn progress(self, name: &str, n: u64, unit: &'static str) -> Progress {
        match self {
            Self::Stderr => Progress::new(name, n, unit),
            Self::Silent => Progress::lines_to(std::io::sink(), name, n, unit),
        }
    }
}
