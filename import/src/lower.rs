//! From a graph to a network.

use spec::QuantNetwork;

use crate::error::Error;
use crate::graph::{Graph, HostOp};

/// What the user adds to the file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The name of the network; that of the graph by default.
    pub name: Option<String>,
    /// Names of the classes, one a channel of the single output; none if the outputs are no classes.
    pub classes: Vec<String>,
}

/// A network, and what was decided on the way to it.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The network, validated.
    pub network: QuantNetwork,
    /// What stays on the host.
    pub host: Vec<HostStep>,
    /// What the user is told, one line each.
    pub notes: Vec<String>,
}

/// A step that the host does with an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostStep {
    /// As the file has it.
    pub name: String,
    /// What it is.
    pub op: HostOp,
    /// The layer whose output it takes.
    pub layer: String,
}

/// Makes a network of a graph.
///
/// # Errors
/// Every part that has no counterpart in the network format, or every rule of it that is broken.
pub fn lower(graph: Graph, options: &Options) -> Result<Imported, Error> {
    let _ = options;
    Err(Error::Unsupported(graph.problems))
}
