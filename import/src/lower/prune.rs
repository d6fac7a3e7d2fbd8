//! Nodes whose outputs nobody reads.

use crate::graph::{Graph, TensorId};

/// The graph without nodes that no output depends on; where something is not supported, nobody knows what depends on it, and all stay.
pub(super) fn without_unused(mut graph: Graph) -> Graph {
    if !graph.problems.is_empty() {
        return graph;
    }
    let mut used = vec![false; graph.tensors.len()];
    let mark = |used: &mut Vec<bool>, id: &TensorId| {
        if let Some(used) = used.get_mut(id.0) {
            *used = true;
        }
    };
    graph.outputs.iter().for_each(|id| mark(&mut used, id));
    let mut kept = vec![false; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        if used.get(node.output.0).copied().unwrap_or(false) {
            kept[index] = true;
            node.inputs.iter().for_each(|id| mark(&mut used, id));
        }
    }
    let n_unused = kept.iter().filter(|kept| !**kept).count();
    if n_unused > 0 {
        graph.notes.push(format!("{n_unused} nodes that no output depends on are left out"));
    }
    let mut keep = kept.into_iter();
    graph.nodes.retain(|_| keep.next().unwrap_or(false));
    graph
}
