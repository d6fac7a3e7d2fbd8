//! The end of a graph: what leaves the network, what the host does before and after it.

use spec::shown;

use super::proto;
use super::reader::Reader;
use super::value::{Map, Quant, Site, Value};
use super::view::shown_dims;
use crate::error::{Error, Problem};
use crate::graph::{self, Graph, Node, Op};

impl<'a> Reader<'a> {
    /// The graph, once all nodes are read.
    pub(super) fn finish(mut self, graph: &'a proto::Graph) -> Result<Graph, Error> {
        for output in &graph.output {
            let value = self.value(graph.node.len(), &output.name)?;
            self.output(&output.name, value.unwrap_or(Value::Gone));
        }
        if let Some((steps, quant, map)) = self.input.take() {
            self.tell_input(graph, &steps, quant, &map);
        }
        Ok(self.emitter.graph)
    }

    fn output(&mut self, name: &str, value: Value) {
        let (map, steps) = match value {
            Value::Int(map) | Value::Real(map) => (map, None),
            Value::Host(host) => (host.map, Some(host.steps)),
            // What hides it is reported.
            Value::Gone if !self.emitter.graph.problems.is_empty() => return,
            Value::Pending(expr, view) => {
                let Site { index, name, kind } = expr.site.clone();
                let shapes = shown_dims(&view.dims());
                self.emitter.graph.problems.push(Problem {
                    node: index,
                    name,
                    kind,
                    shapes,
                    fault: "what it computes leaves the network and is not quantized".to_owned(),
                    help: "quantize the outputs too, with a QuantizeLinear behind it".to_owned(),
                });
                return;
            }
            Value::Input(_) | Value::Const(_) | Value::RealConst(_) | Value::Gone => {
                self.emitter.graph.problems.push(Problem {
                    node: self.model.graph.as_ref().map_or(0, |graph| graph.node.len()),
                    name: name.to_owned(),
                    kind: "output".to_owned(),
                    shapes: String::new(),
                    fault: "no map of the network is computed for it".to_owned(),
                    help: "remove the output".to_owned(),
                });
                return;
            }
        };
        let mut id = map.id;
        for (site, op) in steps.iter().flat_map(|steps| steps.iter()) {
            let tensor = self.emitter.graph.tensor(map.id).clone();
            self.emitter.graph.tensors.push(graph::Tensor { name: String::new(), ..tensor });
            let output = graph::TensorId(self.emitter.graph.tensors.len() - 1);
            let Site { index, name, kind } = site.clone();
            let (inputs, op, bounds) = (vec![id], Op::Host(*op), spec::Bounds::INT8);
            self.emitter.graph.nodes.push(Node { index, name, kind, inputs, output, op, bounds });
            id = output;
        }
        let notes = &mut self.emitter.graph.notes;
        if map.is_unsigned {
            notes
                .push(format!("output {:?} is uint8 in the file: 128 more than here", shown(name)));
        }
        if steps.is_none() && map.view.shape().n_pixels() > 1 && !map.view.is_channels_last() {
            let shape = map.view.shape();
            notes.push(format!(
                "output {:?} is {} in the file, and here {}x{}x{} with the channels innermost",
                shown(name),
                shown_dims(&map.view.dims()),
                shape.height,
                shape.width,
                shape.channels
            ));
        }
        if !self.emitter.graph.outputs.contains(&id) {
            self.emitter.graph.outputs.push(id);
        }
    }

    fn tell_input(&mut self, graph: &proto::Graph, steps: &[usize], quant: Quant, map: &Map) {
        let mut tell = |note: String| self.emitter.graph.notes.push(note);
        for node in steps.iter().filter_map(|index| graph.node.get(*index)) {
            tell(format!(
                "{} {:?} stays on the host, before the input is quantized",
                shown(&node.op_type),
                shown(&node.name)
            ));
        }
        if quant.is_unsigned {
            tell("the input is uint8 in the file: 128 more than here".to_owned());
        }
        let shape = map.view.shape();
        if shape.n_pixels() > 1 && shape.channels > 1 && !map.view.is_channels_last() {
            tell(format!(
                "the input is {} in the file, and here {}x{}x{} with the channels innermost",
                shown_dims(&map.view.dims()),
                shape.height,
                shape.width,
                shape.channels
            ));
        }
    }
}
