//! The nodes of a file, one after the other, each name a [`Value`].

use std::collections::{HashMap, HashSet};

use spec::shown;

use super::call::Call;
use super::emit::{ALL, Emitter, Range};
use super::fault::{Fault, Outcome};
use super::proto;
use super::tensor::{External, Tensor};
use super::value::{Input, Map, Quant, Site, Value};
use super::view::shown_dims;
use crate::error::{Error, Problem};
use crate::graph::{Graph, HostOp, Runtime};

/// The most values of constants that are worked out, all together.
const MOST_FOLDED: usize = 1 << 26;

/// A file that is read.
pub(super) struct Reader<'a> {
    pub(super) model: &'a proto::Model,
    pub(super) emitter: Emitter,
    /// Version of the operators of `ai.onnx`.
    pub(super) opset: i64,
    external: &'a External<'a>,
    initializers: HashMap<&'a str, &'a proto::Tensor>,
    values: HashMap<&'a str, Value>,
    /// The nodes that read a name.
    readers: HashMap<&'a str, Vec<&'a proto::Node>>,
    outputs: HashSet<&'a str>,
    /// The quantized input: as which steps make it, with its quantization.
    pub(super) input: Option<(Vec<usize>, Quant, Map)>,
    /// Values of constants that may still be worked out.
    left: usize,
}

/// Reads a decoded model whose single input lies on a map like this.
pub(super) fn read(
    model: &proto::Model,
    external: &External<'_>,
    name: &str,
    input: &Input,
) -> Result<Graph, Error> {
    let empty = proto::Graph::default();
    let graph = model.graph.as_ref().unwrap_or(&empty);
    let mut reader = Reader::new(model, graph, external)?;
    reader.values.insert(name, Value::Input(input.clone()));
    for (index, node) in graph.node.iter().enumerate() {
        reader.node(index, node)?;
    }
    reader.finish(graph)
}

impl<'a> Reader<'a> {
    fn new(
        model: &'a proto::Model,
        graph: &'a proto::Graph,
        external: &'a External<'a>,
    ) -> Result<Self, Error> {
        let mut readers: HashMap<&str, Vec<&proto::Node>> = HashMap::new();
        for node in &graph.node {
            for name in &node.input {
                readers.entry(name).or_default().push(node);
            }
        }
        let name = graph.name.clone();
        let emitter = Emitter::new(Graph { name, runtime: runtime(graph), ..Graph::default() });
        Ok(Self {
            model,
            emitter,
            opset: opset(model)?,
            external,
            initializers: graph
                .initializer
                .iter()
                .map(|tensor| (&tensor.name[..], tensor))
                .collect(),
            values: HashMap::new(),
            readers,
            outputs: graph.output.iter().map(|output| &output.name[..]).collect(),
            input: None,
            left: MOST_FOLDED,
        })
    }

    fn node(&mut self, index: usize, node: &'a proto::Node) -> Result<(), Error> {
        let output = node.output.first().map_or("", String::as_str);
        let name = if node.name.is_empty() { output } else { &node.name };
        let site = Site { index, name: name.to_owned(), kind: kind(node) };
        let inputs = node.input.iter().map(|name| self.value(index, name));
        let call = Call { node, site, inputs: inputs.collect::<Result<_, _>>()? };
        let values = match self.call(&call) {
            Ok(values) => values,
            Err(Fault::File(error)) => return Err(error),
            Err(Fault::Follows) => Vec::new(),
            Err(Fault::Unsupported(fault, help)) => {
                self.report(&call, fault, help);
                Vec::new()
            }
        };
        let mut values = values.into_iter();
        for name in &node.output {
            let value = values.next().unwrap_or(Value::Gone);
            if !name.is_empty() && self.values.insert(name, value).is_some() {
                let fault = format!("node {index} gives {:?} for the second time", shown(name));
                return Err(Error::damaged("the graph", fault));
            }
        }
        Ok(())
    }

    /// What a name stands for; `None` for an input that is left out.
    pub(super) fn value(&mut self, index: usize, name: &'a str) -> Result<Option<Value>, Error> {
        if name.is_empty() {
            return Ok(None);
        }
        if let Some(value) = self.values.get(name) {
            return Ok(Some(value.clone()));
        }
        let Some(tensor) = self.initializers.get(name) else {
            let fault =
                format!("node {index} reads {:?}, which nothing before it gives", shown(name));
            return Err(Error::damaged("the graph", fault));
        };
        let value = Value::Const(Tensor::load(tensor, self.external)?);
        self.values.insert(name, value.clone());
        Ok(Some(value))
    }

    fn report(&mut self, call: &Call<'_>, fault: String, help: String) {
        let dims = |value: &Option<Value>| {
            let dims = value.as_ref().and_then(Value::dims);
            dims.map_or_else(|| "?".to_owned(), |dims| shown_dims(&dims))
        };
        let is_map = |value: &&Option<Value>| {
            !matches!(value, None | Some(Value::Const(_))) || call.inputs.len() < 4
        };
        let shapes: Vec<String> =
            call.inputs.iter().filter(is_map).filter(|value| value.is_some()).map(dims).collect();
        let Site { index, name, kind } = call.site.clone();
        let shapes = shapes.join(", ");
        self.emitter.graph.problems.push(Problem { node: index, name, kind, shapes, fault, help });
    }

    /// Decodes the tensor of an attribute.
    pub(super) fn load(&self, tensor: &proto::Tensor) -> Outcome<Tensor> {
        Ok(Tensor::load(tensor, self.external)?)
    }

    /// A constant that is worked out, of which there are not to be too many.
    pub(super) fn folded(&mut self, tensor: Tensor) -> Outcome<Value> {
        let left = self.left.checked_sub(tensor.n_values());
        self.left = left.ok_or_else(|| {
            Fault::new(
                "its constants are too many",
                "simplify the model before it is imported: onnxsim, or onnxruntime's basic optimizations",
            )
        })?;
        Ok(Value::Const(tensor))
    }

    /// The bounds of a Clip or Relu on integers that is all that reads this output, as int8: the map is limited at once.
    pub(super) fn range_after(&mut self, output: &str, is_unsigned: bool) -> Range {
        let next = match self.readers.get(output).map(Vec::as_slice) {
            Some(&[next]) if !self.outputs.contains(output) => next,
            _ => return ALL,
        };
        let bound = |index: usize| {
            let name = next.input.get(index).filter(|name| !name.is_empty())?;
            let loaded = || {
                let tensor = self.initializers.get(name.as_str())?;
                Tensor::load(tensor, self.external).ok()
            };
            let constant = match self.values.get(name.as_str()) {
                Some(Value::Const(tensor)) => Some(tensor.clone()),
                Some(_) => None,
                None => loaded(),
            };
            constant
                .and_then(|tensor| tensor.ints())
                .filter(|ints| ints.len() == 1)
                .map(|ints| ints[0])
        };
        match next.op_type.as_str() {
            "Clip" if next.input.first().is_some_and(|name| name == output) => {
                int_range(bound(1), bound(2), is_unsigned).unwrap_or(ALL)
            }
            "Relu" => int_range(Some(0), None, is_unsigned).unwrap_or(ALL),
            _ => ALL,
        }
    }

    /// The map of the network's input, quantized like this.
    pub(super) fn quantized_input(&mut self, input: &Input, quant: Quant) -> Outcome<Map> {
        if let Some((steps, known, map)) = &self.input {
            if *known == quant && *steps == input.steps {
                return Ok(Map { view: input.view.clone(), ..map.clone() });
            }
            return Err(Fault::new(
                "it quantizes the input for the second time, in another way",
                "quantize the input once",
            ));
        }
        let name = self.input_name();
        let id = self.emitter.tensor(&name, input.view.shape(), quant);
        self.emitter.graph.inputs.push(id);
        let view = input.view.clone();
        let map = Map { id, view, is_unsigned: quant.is_unsigned, range: ALL };
        self.input = Some((input.steps.clone(), quant, map.clone()));
        Ok(map)
    }

    fn input_name(&self) -> String {
        let found = self.values.iter().find_map(|(name, value)| {
            matches!(value, Value::Input(input) if input.steps.is_empty())
                .then(|| (*name).to_owned())
        });
        found.unwrap_or_else(|| "input".to_owned())
    }
}

/// Operations that the host does with outputs.
pub(super) fn host_op(call: &Call<'_>) -> Option<HostOp> {
    Some(match call.node.op_type.as_str() {
        "Softmax" | "QLinearSoftmax" => HostOp::Softmax,
        "LogSoftmax" => HostOp::LogSoftmax,
        "Sigmoid" | "QLinearSigmoid" => HostOp::Sigmoid,
        "Tanh" => HostOp::Tanh,
        "ArgMax" => HostOp::ArgMax,
        _ => return None,
    })
}

/// Bounds of integers as those of int8; `None` where they leave nothing.
pub(super) fn int_range(low: Option<i64>, high: Option<i64>, is_unsigned: bool) -> Option<Range> {
    let offset = if is_unsigned { 128 } else { 0 };
    let low = low.map_or(i64::from(i8::MIN), |low| low.saturating_sub(offset)).max(i8::MIN.into());
    let high =
        high.map_or(i64::from(i8::MAX), |high| high.saturating_sub(offset)).min(i8::MAX.into());
    (low <= high).then_some([i8::try_from(low).ok()?, i8::try_from(high).ok()?])
}

/// Whose arithmetic a model follows: that of quantized operators, or that of operators on real values.
fn runtime(graph: &proto::Graph) -> Runtime {
    let is_quantized = |node: &proto::Node| node.op_type.starts_with("QLinear");
    if graph.node.iter().any(is_quantized) { Runtime::OnnxRuntime } else { Runtime::Onnx }
}

/// The type of a node, with its domain where that is not ONNX's own.
fn kind(node: &proto::Node) -> String {
    match node.domain.as_str() {
        "" | "ai.onnx" => node.op_type.clone(),
        domain => format!("{domain}.{}", node.op_type),
    }
}

/// The version of ONNX's own operators.
fn opset(model: &proto::Model) -> Result<i64, Error> {
    let own = |set: &&proto::OperatorSet| matches!(set.domain.as_str(), "" | "ai.onnx");
    let version = model.opset_import.iter().find(own).map_or(1, |set| set.version);
    if !(7..=30).contains(&version) {
        return Err(Error::refused(
            format!("the model is of version {version} of ONNX's operators"),
            "convert it to version 21: onnx.version_converter.convert_version",
        ));
    }
    Ok(version)
}
