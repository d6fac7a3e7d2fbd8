//! From a graph to a network.
//!
//! A node becomes a layer, but for what only names a map anew: a reshape that keeps the order of values, a pad that the next
//! convolution does itself, a ReLU whose bounds the layer before it takes. What a graph computes after its last layer, such as a
//! softmax, stays on the host.

mod constants;
mod emit;
mod layers;
mod maps;
mod names;
mod prune;
mod windows;

use spec::{FoundSparsity, QuantNetwork};

pub use constants::Comparison;

use crate::error::Error;
use crate::graph::{Graph, HostOp, Runtime};
use crate::preprocess::Preset;

/// What the user adds to the file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The name of the network; that of the graph by default.
    pub name: Option<String>,
    /// Names of the classes, one a channel of the single output; none if the outputs are no classes.
    pub classes: Vec<String>,
    /// How images become the input; none if it is brought as int8.
    pub preprocess: Option<Preset>,
}

/// A network, and what was decided on the way to it.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The network, validated.
    pub network: QuantNetwork,
    /// What stays on the host.
    pub host: Vec<HostStep>,
    /// What the zeros of the weights promise, for each layer that has weights, by its index.
    pub sparsity: Vec<(usize, FoundSparsity)>,
    /// How additions and requantizations compare with the runtime's over all inputs, by the index of the layer.
    pub comparisons: Vec<(usize, Comparison)>,
    /// Whose arithmetic it has.
    pub runtime: Runtime,
    /// Of each layer, the map of the file that it computes; `None` where the file has none.
    pub maps: Vec<Option<MapSource>>,
    /// What the user is told besides, one line each.
    pub notes: Vec<String>,
}

/// A map of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapSource {
    /// The position among the nodes of the file, from 0, of the one that computes it.
    pub node: usize,
    /// Its name, which need not be unique.
    pub tensor: String,
}

/// A step that the host does with an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostStep {
    /// As the file has it; may be empty.
    pub name: String,
    /// What it is.
    pub op: HostOp,
    /// The layer whose output it takes, itself or after other steps.
    pub layer: String,
}

/// Makes a network of a graph.
///
/// # Errors
/// Every part that has no counterpart in the network format, or every rule of it that is broken.
pub fn lower(graph: Graph, options: &Options) -> Result<Imported, Error> {
    let graph = prune::without_unused(graph);
    emit::Lowering::new(&graph)?.run(options)
}
