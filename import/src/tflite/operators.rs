//! Operators to nodes.

use std::collections::{HashMap, HashSet};

use spec::{Bounds, Shape};

use super::layers::constant;
use super::model::{Model, Operator};
use super::tensors::{Budget, FLOAT16, FLOAT32, INT8, MapScale, TensorInfo, UINT8, type_name};
use crate::error::{Error, Problem};
use crate::graph::{Graph, HostOp, Node, Op, Runtime, Tensor, TensorId};

/// Tensors that are shown of an operator.
const MAX_SHOWN: usize = 6;

/// Why an operator is no node.
pub(super) enum Fault {
    /// The file is damaged, or refused as a whole.
    File(Error),
    /// Something that has no counterpart.
    Problem {
        /// What.
        fault: String,
        /// What to do.
        help: String,
    },
    /// Another type than int8.
    Type {
        /// Its number.
        kind: i8,
        /// What is of that type.
        what: &'static str,
    },
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::File(error)
    }
}

impl Fault {
    pub(super) fn problem(fault: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Problem { fault: fault.into(), help: help.into() }
    }
}

/// The reading of one model.
pub(super) struct Reader<'a> {
    pub(super) infos: Vec<TensorInfo<'a>>,
    pub(super) budget: Budget,
    graph: Graph,
    ids: HashMap<usize, TensorId>,
    /// Tensors that are computed on the host.
    on_host: HashSet<usize>,
    /// Tensors that the model takes.
    inputs: HashSet<usize>,
    /// Those of them that are taken in another order of axes.
    turned: HashSet<usize>,
}

/// An operator whose tensors are there.
pub(super) struct Call<'o, 'a> {
    pub(super) index: usize,
    pub(super) operator: &'o Operator<'a>,
    /// Indices of tensors, `None` for one that is left out.
    pub(super) inputs: Vec<Option<usize>>,
    pub(super) output: usize,
}

/// The graph of a model.
pub(super) fn graph(model: &Model, name: &str) -> Result<Graph, Error> {
    let infos = (0..model.tensors.len()).map(|index| TensorInfo::read(model, index));
    let graph = Graph { name: name.to_owned(), runtime: Runtime::LiteRt, ..Graph::default() };
    let mut reader = Reader {
        infos: infos.collect::<Result<_, _>>()?,
        budget: Budget::of_file(model.n_bytes()),
        graph,
        ids: HashMap::new(),
        on_host: HashSet::new(),
        inputs: HashSet::new(),
        turned: HashSet::new(),
    };
    let inputs = reader.indices("model", &model.inputs)?;
    reader.inputs = inputs.iter().copied().flatten().collect();
    let mut types = Vec::new();
    for index in 0..model.operators.len() {
        let operator = model.operator(index)?;
        let (inputs, outputs) = (
            reader.indices("operator", &operator.inputs)?,
            reader.indices("operator", &operator.outputs)?,
        );
        let (fault, help) = match reader.node(index, &operator, inputs.clone(), &outputs) {
            Ok(()) => continue,
            Err(Fault::File(error)) => return Err(error),
            Err(Fault::Problem { fault, help }) => (fault, help),
            Err(Fault::Type { kind, what }) => {
                types.push(kind);
                (format!("its {what} are {}", type_name(kind)), type_help(kind).to_owned())
            }
        };
        let problem = reader.problem(index, &operator, [&inputs, &outputs], fault, help);
        reader.graph.problems.push(problem);
    }
    let computes = |node: &Node| matches!(node.op, Op::Conv(_) | Op::FullyConnected(_));
    if let Some(kind) = types.first()
        && !reader.graph.nodes.iter().any(computes)
    {
        let what = format!("this model computes with {}, not with int8", type_name(*kind));
        return Err(Error::refused(what, type_help(*kind)));
    }
    let outputs = reader.indices("model", &model.outputs)?;
    for input in inputs.into_iter().flatten() {
        // The host quantizes what is not int8: what that gives is the input.
        if reader.infos[input].kind == INT8 && !reader.turned.contains(&input) {
            let id = reader.tensor(input);
            reader.graph.inputs.push(id);
        }
    }
    for output in outputs.into_iter().flatten() {
        let id = reader.tensor(output);
        reader.graph.outputs.push(id);
    }
    Ok(reader.graph)
}

/// What to do with a model of another type.
fn type_help(kind: i8) -> &'static str {
    match kind {
        FLOAT32 | FLOAT16 => {
            "quantize it: converter.optimizations = [tf.lite.Optimize.DEFAULT], a representative_dataset, and \
             target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]"
        }
        UINT8 => {
            "legacy uint8 models have asymmetric weights: convert the original again with the converter of TensorFlow 2, with \
             inference_input_type = inference_output_type = tf.int8"
        }
        _ => {
            "convert it with int8 activations and weights: supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]"
        }
    }
}

impl<'a> Reader<'a> {
    /// Indices of tensors that there are.
    fn indices(&self, place: &str, numbers: &[i32]) -> Result<Vec<Option<usize>>, Error> {
        let n_tensors = self.infos.len();
        let index = |number: &i32| match usize::try_from(*number) {
            Ok(index) if index < n_tensors => Ok(Some(index)),
            Err(_) if *number == -1 => Ok(None),
            _ => Err(Error::damaged(place, format!("tensor {number}, but there are {n_tensors}"))),
        };
        numbers.iter().map(index).collect()
    }

    fn problem(
        &self,
        node: usize,
        operator: &Operator,
        [inputs, outputs]: [&[Option<usize>]; 2],
        fault: String,
        help: String,
    ) -> Problem {
        let shapes = |tensors: &[Option<usize>]| {
            let shown = tensors.iter().flatten().take(MAX_SHOWN);
            let mut shapes: Vec<_> = shown.map(|index| self.infos[*index].description()).collect();
            if tensors.len() > MAX_SHOWN {
                shapes.push("..".to_owned());
            }
            shapes.join(", ")
        };
        let name = outputs.iter().flatten().next().map(|index| self.infos[*index].name.clone());
        let shapes = format!("{} -> {}", shapes(inputs), shapes(outputs));
        Problem {
            node,
            name: name.unwrap_or_default(),
            kind: operator.kind.clone(),
            shapes,
            fault,
            help,
        }
    }

    /// The map of a tensor, with what is known of it.
    fn tensor(&mut self, index: usize) -> TensorId {
        if let Some(id) = self.ids.get(&index) {
            return *id;
        }
        let info = &self.infos[index];
        let shape = info.map_shape().unwrap_or(Shape { height: 1, width: 1, channels: 1 });
        let scale = info.map_scale().ok().filter(|_| info.kind == INT8);
        let MapScale { scale, zero_point } =
            scale.unwrap_or(MapScale { scale: 1.0, zero_point: 0 });
        let id = TensorId(self.graph.tensors.len());
        let zero_point = i8::try_from(zero_point).unwrap_or(0);
        self.graph.tensors.push(Tensor { name: info.name.clone(), shape, scale, zero_point });
        self.ids.insert(index, id);
        id
    }

    /// An int8 map, checked.
    pub(super) fn map(&self, index: usize) -> Result<(Shape, f32, i8), Fault> {
        let info = &self.infos[index];
        if info.is_constant() {
            let fault = format!("it reads the constant {:?} where a map is expected", info.name);
            return Err(Fault::problem(
                fault,
                "fold the constant into the layer before it, in the original model",
            ));
        }
        if info.kind != INT8 {
            return Err(Fault::Type { kind: info.kind, what: "activations" });
        }
        let MapScale { scale, zero_point } = info.map_scale()?;
        let Ok(zero_point) = i8::try_from(zero_point) else {
            let fault = format!("map {:?} has the zero point {zero_point}", info.name);
            return Err(Fault::problem(
                fault,
                "zero points of int8 maps are -128..127: convert the model again",
            ));
        };
        Ok((info.map_shape()?, scale, zero_point))
    }

    /// Reads an operator into a node.
    fn node(
        &mut self,
        index: usize,
        operator: &Operator<'a>,
        inputs: Vec<Option<usize>>,
        outputs: &[Option<usize>],
    ) -> Result<(), Fault> {
        let &[Some(output)] = outputs else {
            let fault = format!("it has {} outputs", outputs.len());
            return Err(Fault::problem(fault, UNKNOWN_HELP));
        };
        let call = Call { index, operator, inputs, output };
        if let Some(op) = host_op(&operator.kind, &call, self) {
            let input = call.input(0)?;
            self.on_host.insert(output);
            self.push(&call, vec![input], Op::Host(op), Bounds::INT8);
            return Ok(());
        }
        if operator.kind == "QUANTIZE" && self.quantizes_input(&call)? {
            return Ok(());
        }
        if operator.kind == "TRANSPOSE" && self.transposes_input(&call)? {
            return Ok(());
        }
        let read = self.read_op(&call)?;
        if matches!(read.op, Op::Host(_)) {
            self.on_host.insert(output);
        }
        self.map(output)?;
        self.push(&call, read.inputs, read.op, read.bounds);
        Ok(())
    }

    fn push(&mut self, call: &Call, inputs: Vec<usize>, op: Op, bounds: Bounds) {
        let inputs = inputs.into_iter().map(|index| self.tensor(index)).collect();
        let output = self.tensor(call.output);
        let (name, kind) = (self.infos[call.output].name.clone(), call.operator.kind.clone());
        self.graph.nodes.push(Node { index: call.index, name, kind, inputs, output, op, bounds });
    }

    /// A quantization of what the model takes is the host's, and what it gives is what the network takes.
    fn quantizes_input(&mut self, call: &Call) -> Result<bool, Fault> {
        let input = call.input(0)?;
        let (from, to) = (self.infos[input].kind, self.infos[call.output].kind);
        if !self.inputs.contains(&input) || to != INT8 || ![FLOAT32, UINT8].contains(&from) {
            return Ok(false);
        }
        let (_, scale, zero_point) = self.map(call.output)?;
        let note = if from == FLOAT32 {
            format!(
                "the model takes float32: the host gives round(x / {scale}) + {zero_point}, within -128..127"
            )
        } else {
            let of_input = self.infos[input].map_scale()?;
            if of_input != (MapScale { scale, zero_point: i64::from(zero_point) + 128 }) {
                let fault = "uint8 images are scaled to int8 ones of another meaning";
                return Err(Fault::problem(
                    fault,
                    "convert the model with inference_input_type = tf.int8",
                ));
            }
            "the model takes uint8: the host gives x - 128".to_owned()
        };
        self.graph.notes.push(note);
        let id = self.tensor(call.output);
        self.graph.inputs.push(id);
        Ok(true)
    }

    /// An image that the model takes channels first, and turns around, is taken channels last.
    fn transposes_input(&mut self, call: &Call) -> Result<bool, Fault> {
        let input = call.input(0)?;
        if !self.inputs.contains(&input) {
            return Ok(false);
        }
        let order = constant(&self.infos, call.input(1)?)?.integers(&mut self.budget)?;
        if order != [0, 2, 3, 1] {
            return Ok(false);
        }
        self.map(call.output)?;
        // What else reads the image as it is will not find it.
        self.turned.insert(input);
        self.graph
            .notes
            .push("the model takes channels first, the network channels last".to_owned());
        let id = self.tensor(call.output);
        self.graph.inputs.push(id);
        Ok(true)
    }

    /// Whether the tensor is computed on the host.
    pub(super) fn is_on_host(&self, index: usize) -> bool {
        self.on_host.contains(&index)
    }
}

/// What to do with an operation that is not known.
pub(super) const UNKNOWN_HELP: &str = "replace it in the original model by operations that docs/import.md names, or end the model before it";

/// What stays on the host: functions at the end, and all that reads what the host computes.
fn host_op(kind: &str, call: &Call, reader: &Reader) -> Option<HostOp> {
    let input = call.input(0).ok()?;
    let op = match kind {
        "SOFTMAX" => HostOp::Softmax,
        "LOG_SOFTMAX" => HostOp::LogSoftmax,
        "LOGISTIC" => HostOp::Sigmoid,
        "TANH" => HostOp::Tanh,
        "ARG_MAX" => HostOp::ArgMax,
        "DEQUANTIZE" => HostOp::Dequantize,
        "QUANTIZE" if reader.infos[call.output].kind != INT8 || reader.is_on_host(input) => {
            HostOp::Convert
        }
        "RESHAPE" | "SQUEEZE" | "EXPAND_DIMS" if reader.is_on_host(input) => HostOp::Reshape,
        _ => return None,
    };
    let from_float = reader.infos[input].kind != INT8 && !reader.is_on_host(input);
    (!from_float).then_some(op)
}

impl Call<'_, '_> {
    /// The tensor of an input that has to be there.
    pub(super) fn input(&self, index: usize) -> Result<usize, Fault> {
        let input = self.inputs.get(index).copied().flatten();
        input.ok_or_else(|| {
            Error::damaged("operator", format!("{} has no input {index}", self.operator.kind))
                .into()
        })
    }
}
