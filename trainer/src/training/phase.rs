//! Phases of a run: each trains one network.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A network's training. Its checkpoint, its metrics and its progress bear the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Of the teacher.
    Teacher,
    /// Of the student.
    Student,
    /// Quantization-aware fine-tuning of the student.
    #[serde(rename = "qat")]
    FineTuning,
}

impl Phase {
    /// In their order.
    pub const ALL: [Self; 3] = [Self::Teacher, Self::Student, Self::FineTuning];

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Teacher => "teacher",
            Self::Student => "student",
            Self::FineTuning => "qat",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_and_files_bear_the_same_name() {
        for phase in Phase::ALL {
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.name());
        }
    }
}
