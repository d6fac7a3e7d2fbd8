//! The walk over the nodes: where each map comes from, which layers there are so far.

use std::collections::HashMap;

use serde_json::json;
use spec::{Bounds, FoundSparsity, InputSpec, Layer, NetworkError, QuantNetwork, Shape, TensorRef};

use super::constants::Comparison;
use super::names::Names;
use super::{HostStep, Imported, MapSource, Options};
use crate::error::{Error, Problem};
use crate::formula::Quantization;
use crate::graph::{Graph, Node, Normalization, Op, Runtime, Tensor, TensorId};

/// Where the values of a map are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) map: TensorRef,
    /// The shape of that map, which a reshape does not change.
    pub(super) shape: Shape,
    /// Rows and columns of zero point that are still to be put around it: top, bottom, left, right.
    pub(super) padding: [usize; 4],
    /// What its values mean.
    pub(super) meaning: Quantization,
    /// The scale that its layer is labeled with.
    pub(super) label: f64,
}

/// Why a node becomes no layer.
pub(super) enum Fault {
    /// What it reads is not there, which was said.
    Missing,
    /// What, and what to do.
    Problem(String, String),
}

impl Fault {
    pub(super) fn new(fault: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Problem(fault.into(), help.into())
    }
}

/// What to do where a rule does not say it.
const CHANGE: &str = "change it in the original model";

/// A graph on its way to a network.
pub(super) struct Lowering<'g> {
    pub(super) graph: &'g Graph,
    pub(super) layers: Vec<Layer>,
    /// Of each layer, the node that it came from, by its position in the graph.
    origins: Vec<usize>,
    pub(super) sparsity: Vec<(usize, FoundSparsity)>,
    pub(super) comparisons: Vec<(usize, Comparison)>,
    /// How many layers read each map.
    n_layer_readers: HashMap<TensorRef, usize>,
    input: Shape,
    sources: HashMap<TensorId, Source>,
    /// What the host computes: the map that this comes from, and the last of the node that computes it.
    on_host: HashMap<TensorId, (TensorId, String)>,
    host: Vec<(String, crate::graph::HostOp, TensorId)>,
    /// How many nodes and outputs read each map.
    n_readers: HashMap<TensorId, usize>,
    names: Names,
    problems: Vec<Problem>,
}

impl<'g> Lowering<'g> {
    pub(super) fn new(graph: &'g Graph) -> Result<Self, Error> {
        let &[input] = &graph.inputs[..] else {
            if !graph.problems.is_empty() {
                return Err(Error::Unsupported(graph.problems.clone()));
            }
            return Err(Error::refused(
                format!("the model has {} inputs", graph.inputs.len()),
                "export it with a single input image",
            ));
        };
        let tensor = graph.tensor(input);
        let source = Source {
            map: TensorRef::Input,
            shape: tensor.shape,
            padding: [0; 4],
            meaning: meaning(tensor),
            label: tensor.scale.into(),
        };
        let mut n_readers = HashMap::new();
        let read = graph.nodes.iter().flat_map(|node| &node.inputs).chain(&graph.outputs);
        read.for_each(|id| *n_readers.entry(*id).or_default() += 1);
        Ok(Self {
            graph,
            layers: Vec::new(),
            origins: Vec::new(),
            sparsity: Vec::new(),
            comparisons: Vec::new(),
            n_layer_readers: HashMap::new(),
            input: tensor.shape,
            sources: HashMap::from([(input, source)]),
            on_host: HashMap::new(),
            host: Vec::new(),
            n_readers,
            names: Names::default(),
            problems: graph.problems.clone(),
        })
    }

    pub(super) fn run(mut self, options: &Options) -> Result<Imported, Error> {
        for (position, node) in self.graph.nodes.iter().enumerate() {
            match self.node(node) {
                Ok(source) => {
                    self.origins.resize(self.layers.len(), position);
                    if let Some(source) = source {
                        self.sources.insert(node.output, source);
                    }
                }
                Err(Fault::Missing) => self.origins.resize(self.layers.len(), position),
                Err(Fault::Problem(fault, help)) => {
                    self.origins.resize(self.layers.len(), position);
                    let problem = self.problem(node, fault, help);
                    self.problems.push(problem);
                }
            }
        }
        let outputs = self.outputs()?;
        let graph = self.graph;
        let input = graph.tensor(graph.inputs[0]);
        let name = options.name.clone().unwrap_or_else(|| graph.name.clone());
        let mut input = InputSpec {
            height: self.input.height,
            width: self.input.width,
            channels: self.input.channels,
            space_to_depth: 1,
            scale: input.scale.into(),
            zero_point: input.zero_point,
            preprocess: None,
        };
        let mut notes = graph.notes.clone();
        match (options.preprocess, &graph.normalization) {
            (Some(preset), _) => {
                input.preprocess = preset.of(&input);
                if input.preprocess.is_none() {
                    let shape = shape_text(self.input);
                    return Err(Error::refused(
                        format!(
                            "an input of {shape} takes no images of preset {:?}",
                            preset.name()
                        ),
                        "leave --preprocess out and bring int8 data",
                    ));
                }
            }
            (None, Some(normalization)) => {
                input.preprocess = normalization.of(&input);
                let Normalization { mean, std } = normalization;
                notes.push(format!(
                    "images are normalized as the model says: mean {mean:?}, deviation {std:?}"
                ));
            }
            (None, None) => {}
        }
        let network = QuantNetwork {
            name,
            input,
            classes: options.classes.clone(),
            layers: std::mem::take(&mut self.layers),
            outputs,
            provenance: json!({"imported": {"name": graph.name, "runtime": format!("{:?}", graph.runtime)}}),
        };
        let errors = network.validate().err().unwrap_or_default();
        self.finish(network, errors, notes)
    }

    fn finish(
        mut self,
        network: QuantNetwork,
        errors: Vec<NetworkError>,
        notes: Vec<String>,
    ) -> Result<Imported, Error> {
        if !self.problems.is_empty() {
            // Rules that a layer breaks by itself are told as well; what is missing breaks others.
            let broken = self.broken(&network, &errors);
            self.problems.extend(broken);
            self.problems.sort_by_key(|problem| problem.node);
            return Err(Error::Unsupported(self.problems));
        }
        if !errors.is_empty() {
            return Err(Error::Network(errors));
        }
        let host = self.host.iter().filter_map(|(name, op, from)| {
            let TensorRef::Layer(layer) = self.sources.get(from)?.map else { return None };
            Some(HostStep {
                name: name.clone(),
                op: *op,
                layer: network.layers[layer].name.clone(),
            })
        });
        let maps = self.maps();
        Ok(Imported {
            host: host.collect(),
            sparsity: self.sparsity,
            comparisons: self.comparisons,
            maps,
            runtime: self.graph.runtime,
            notes,
            network,
        })
    }

    /// Of each layer, the last map of the file that is its output: that of a ReLU whose bounds it took, not the one before.
    fn maps(&self) -> Vec<Option<MapSource>> {
        let mut maps = vec![None; self.origins.len()];
        let nodes = &self.graph.nodes;
        // Of several that a reader made of one, the last computes its output.
        let last: HashMap<usize, usize> =
            nodes.iter().enumerate().map(|(position, node)| (node.index, position)).collect();
        for (position, node) in nodes.iter().enumerate() {
            let has_name = self.graph.runtime == Runtime::LiteRt
                || !self.graph.tensor(node.output).name.is_empty();
            if matches!(node.op, Op::Reshape) || last[&node.index] != position || !has_name {
                continue;
            }
            if let Some(Source { map: TensorRef::Layer(layer), padding: [0, 0, 0, 0], .. }) =
                self.sources.get(&node.output)
            {
                let tensor = self.graph.tensor(node.output).name.clone();
                maps[*layer] = Some(MapSource { node: node.index, tensor });
            }
        }
        maps
    }

    /// Rules that layers break by themselves, as problems of their nodes.
    fn broken(&self, network: &QuantNetwork, errors: &[NetworkError]) -> Vec<Problem> {
        let layers = network.layers.iter().enumerate();
        let origins: HashMap<String, usize> = layers
            .map(|(index, layer)| (format!("{:?}", layer.name), self.origins[index]))
            .collect();
        let of_layers = errors.iter().filter(|error| !matches!(error, NetworkError::Unused { .. }));
        let problem = |error: &NetworkError| {
            let text = error.to_string();
            let (name, fault) = text.strip_prefix("layer ")?.split_once(": ")?;
            let (fault, help) = fault.split_once("; help: ").unwrap_or((fault, CHANGE));
            let node = &self.graph.nodes[*origins.get(name)?];
            Some(self.problem(node, fault.to_owned(), help.to_owned()))
        };
        of_layers.filter_map(problem).collect()
    }

    fn problem(&self, node: &Node, fault: String, help: String) -> Problem {
        let shape = |id: &TensorId| shape_text(self.graph.tensor(*id).shape);
        let inputs: Vec<_> = node.inputs.iter().map(shape).collect();
        Problem {
            node: node.index,
            name: node.name.clone(),
            kind: node.kind.clone(),
            shapes: format!("{} -> {}", inputs.join(", "), shape(&node.output)),
            fault,
            help,
        }
    }

    /// The layers whose outputs leave the network.
    fn outputs(&mut self) -> Result<Vec<usize>, Error> {
        let mut outputs = Vec::new();
        for id in &self.graph.outputs {
            let id = self.on_host.get(id).map_or(*id, |(from, _)| *from);
            match self.sources.get(&id).copied() {
                Some(source) => {
                    let source = match source.map {
                        TensorRef::Layer(_) if source.padding == [0; 4] => source,
                        _ => self.padded(source, "output"),
                    };
                    let TensorRef::Layer(layer) = source.map else { continue };
                    self.origins
                        .resize(self.layers.len(), self.graph.nodes.len().saturating_sub(1));
                    if !outputs.contains(&layer) {
                        outputs.push(layer);
                    }
                }
                None if self.problems.is_empty() => {
                    let name = &self.graph.tensor(id).name;
                    return Err(Error::damaged(
                        "outputs",
                        format!("nothing computes output {name:?}"),
                    ));
                }
                None => {}
            }
        }
        Ok(outputs)
    }

    /// Lowers a node; `None` where the host computes it.
    fn node(&mut self, node: &Node) -> Result<Option<Source>, Fault> {
        let from_host = node.inputs.iter().find_map(|id| self.on_host.get(id)).cloned();
        if let Op::Host(op) = node.op {
            let &[input] = &node.inputs[..] else { return Err(inputs_fault(node)) };
            let from = from_host.map_or(input, |(from, _)| from);
            self.on_host.insert(node.output, (from, node.kind.clone()));
            self.host.push((node.name.clone(), op, from));
            return Ok(None);
        }
        if let Some((_, kind)) = from_host {
            return Err(Fault::new(
                format!("it reads what the host computes by {kind}"),
                "end the model before the operation that stays on the host, or leave that out",
            ));
        }
        let sources =
            node.inputs.iter().map(|id| self.source(*id)).collect::<Result<Vec<_>, _>>()?;
        let output = self.graph.tensor(node.output);
        let source = self.lowered(node, &sources)?;
        let padded = [
            source.shape.height + source.padding[0] + source.padding[1],
            source.shape.width + source.padding[2] + source.padding[3],
        ];
        let computed = Shape { height: padded[0], width: padded[1], ..source.shape };
        let same = match node.op {
            Op::Reshape => computed.n_values() == output.shape.n_values(),
            _ => {
                computed == output.shape
                    || (computed.n_pixels() == 1 && computed.n_values() == output.shape.n_values())
            }
        };
        if !same {
            return Err(Fault::new(
                format!(
                    "its output is {}, the file says {}",
                    shape_text(computed),
                    shape_text(output.shape)
                ),
                "the file is damaged, or its shapes are not fixed: convert it again",
            ));
        }
        Ok(Some(source))
    }

    fn source(&self, id: TensorId) -> Result<Source, Fault> {
        match self.sources.get(&id) {
            Some(source) => Ok(*source),
            // Said where it would have been computed.
            None if !self.problems.is_empty() => Err(Fault::Missing),
            None => Err(Fault::new(
                format!("nothing computes {:?} before it", self.graph.tensor(id).name),
                "the file is damaged, or a second input: convert it again",
            )),
        }
    }

    /// The map of an input with the shape that the graph gives it and nothing left to pad.
    pub(super) fn shaped(
        &mut self,
        node: &Node,
        input: usize,
        sources: &[Source],
    ) -> Result<Source, Fault> {
        let source = self.reshaped(node, input, sources)?;
        Ok(if source.padding == [0; 4] { source } else { self.padded(source, &node.name) })
    }

    /// The same with what is left to pad.
    pub(super) fn reshaped(
        &mut self,
        node: &Node,
        input: usize,
        sources: &[Source],
    ) -> Result<Source, Fault> {
        let mut source = sources[input];
        let [top, bottom, left, right] = source.padding;
        let mut shape = self.graph.tensor(node.inputs[input]).shape;
        shape.height = shape.height.saturating_sub(top + bottom);
        shape.width = shape.width.saturating_sub(left + right);
        if source.shape == shape {
            return Ok(source);
        }
        if source.map == TensorRef::Input && !self.is_read(source.map) {
            // The image is sent in the same order whatever its rows are called.
            self.input = shape;
            self.sources
                .values_mut()
                .filter(|other| other.map == TensorRef::Input)
                .for_each(|other| other.shape = shape);
            source.shape = shape;
            return Ok(source);
        }
        Err(Fault::new(
            format!("it reads {} as {}", shape_text(source.shape), shape_text(shape)),
            "reshape only before a fully connected layer or an output",
        ))
    }

    /// Whether a layer reads the map.
    pub(super) fn is_read(&self, map: TensorRef) -> bool {
        self.n_layer_readers.contains_key(&map)
    }

    /// How many nodes and outputs read the output of a node.
    pub(super) fn n_readers(&self, id: TensorId) -> usize {
        self.n_readers.get(&id).copied().unwrap_or(0)
    }

    /// A name for a layer of a node.
    pub(super) fn name(&mut self, node: &Node) -> String {
        self.names.layer(&node.name, &node.kind, node.index)
    }

    /// A name for a layer that no node asks for.
    pub(super) fn extra_name(&mut self, of: &str, what: &str) -> String {
        let of = of.split(';').next().unwrap_or_default();
        self.names.layer(&format!("{of} {what}"), what, self.layers.len())
    }

    /// Adds a layer; `shape` is that of its output.
    pub(super) fn push(&mut self, mut layer: Layer, shape: Shape, meaning: Quantization) -> Source {
        let (index, label) = (self.layers.len(), layer.scale);
        let found = match &mut layer.op {
            spec::Op::Conv(conv) => {
                let found = FoundSparsity::of(&conv.weight, conv.groups);
                conv.sparsity = found.sparsity;
                Some(found)
            }
            spec::Op::FullyConnected(fc) => {
                let found = FoundSparsity::of(&fc.weight, 1);
                fc.sparsity = found.sparsity;
                Some(found)
            }
            _ => None,
        };
        self.sparsity.extend(found.map(|found| (index, found)));
        for map in layer.reads() {
            *self.n_layer_readers.entry(map).or_default() += 1;
        }
        self.layers.push(layer);
        Source { map: TensorRef::Layer(index), shape, padding: [0; 4], meaning, label }
    }
}

/// What the values of a map mean.
pub(super) fn meaning(tensor: &Tensor) -> Quantization {
    Quantization { scale: tensor.scale, zero_point: tensor.zero_point }
}

/// `32x32x3`.
pub(super) fn shape_text(shape: Shape) -> String {
    format!("{}x{}x{}", shape.height, shape.width, shape.channels)
}

/// A node of another number of inputs than its operation has.
pub(super) fn inputs_fault(node: &Node) -> Fault {
    Fault::new(
        format!("it has {} inputs", node.inputs.len()),
        "the file is damaged: convert it again",
    )
}

/// Bounds that both hold.
pub(super) fn intersected(a: Bounds, b: Bounds) -> Bounds {
    let low = a.low.max(b.low);
    Bounds { low, high: a.high.min(b.high).max(low) }
}
