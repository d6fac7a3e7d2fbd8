//! Why a file of another format does not become a network.

use std::fmt;

use spec::{NetworkError, shown};

/// A file that is not imported.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The bytes are not what the format says.
    #[error("{place}: {fault}; help: the file is damaged or truncated, copy or export it again")]
    Damaged {
        /// Which part of the file.
        place: String,
        /// What is wrong with it.
        fault: String,
    },
    /// The file says something that is understood and not imported as a whole: another version, no graph, floating point.
    #[error("{what}; help: {help}")]
    Refused {
        /// What it says.
        what: String,
        /// What to do.
        help: String,
    },
    /// Parts that have no counterpart in the network format; one line each.
    #[error("{n} part{s} of the model {are} not supported\n{lines}", n = .0.len(), s = if .0.len() == 1 { "" } else { "s" }, are = if .0.len() == 1 { "is" } else { "are" }, lines = lines(.0))]
    Unsupported(Vec<Problem>),
    /// The lowered network breaks rules of its format; one line each.
    #[error("the model breaks {n} rule{s} of the network format\n{lines}", n = .0.len(), s = if .0.len() == 1 { "" } else { "s" }, lines = lines(.0))]
    Network(Vec<NetworkError>),
}

/// A part of the model that is not supported.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The position among the nodes of the file, from 0.
    pub node: usize,
    /// The name of the node or of what it computes; may be empty.
    pub name: String,
    /// The type of the operation, as the format writes it.
    pub kind: String,
    /// The shapes of what it reads and writes, as the file has them: `1x32x32x16, 16x3x3x16 -> 1x32x32x16`.
    pub shapes: String,
    /// What is not supported about it.
    pub fault: String,
    /// What to do.
    pub help: String,
}

impl Error {
    /// Something wrong with the bytes.
    pub fn damaged(place: impl Into<String>, fault: impl Into<String>) -> Self {
        Self::Damaged { place: place.into(), fault: fault.into() }
    }

    /// Each problem by itself.
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Unsupported(problems) => problems.iter().map(ToString::to_string).collect(),
            Self::Network(errors) => errors.iter().map(ToString::to_string).collect(),
            _ => vec![self.to_string()],
        }
    }

    /// Something that is understood and refused.
    pub fn refused(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), help: help.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { node, name, kind, shapes, fault, help } = self;
        write!(f, "node {node} {}", shown(kind))?;
        if !name.is_empty() {
            write!(f, " {:?}", shown(name))?;
        }
        if !shapes.is_empty() {
            write!(f, " [{shapes}]")?;
        }
        write!(f, ": {fault}; help: {help}")
    }
}

fn lines<T: ToString>(problems: &[T]) -> String {
    problems
        .iter()
        .map(|problem| format!("  {}", problem.to_string()))
        .collect::<Vec<_>>()
        .join("\n")
}
