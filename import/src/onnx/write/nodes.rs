//! Nodes and constants of a model that is written.

use std::collections::HashSet;

use spec::Shape;

use super::super::proto::{
    self, Attribute, Dimension, Node, Tensor, TensorShape, TensorType, Type, ValueInfo,
    attribute_type, data_type,
};

/// A graph on its way.
pub(super) struct Graph {
    graph: proto::Graph,
    names: HashSet<String>,
}

/// The name of the input, which no layer has.
const INPUT: &str = "input";

impl Graph {
    /// Without nodes; `outputs` are names that are not to be given to anything else.
    pub(super) fn new<'a>(name: &str, outputs: impl Iterator<Item = &'a str>) -> Self {
        let names = outputs.chain([INPUT]).map(str::to_owned).collect();
        // A graph without a name is none.
        let name = if name.is_empty() { "network" } else { name }.to_owned();
        Self { graph: proto::Graph { name, ..proto::Graph::default() }, names }
    }

    pub(super) fn finish(self) -> proto::Graph {
        self.graph
    }

    /// A node of a layer, with one output, whose name it gives.
    pub(super) fn node(
        &mut self,
        of: &str,
        operator: &str,
        inputs: &[&str],
        attribute: Vec<Attribute>,
    ) -> String {
        let name = self.unused(format!("{of}/{operator}"));
        self.graph.node.push(Node {
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: operator.to_owned(),
            attribute,
            domain: String::new(),
        });
        name
    }

    pub(super) fn transposed(&mut self, of: &str, map: &str, order: &[i64]) -> String {
        self.node(of, "Transpose", &[map], vec![ints("perm", order)])
    }

    pub(super) fn reshaped(&mut self, of: &str, map: &str, dims: &[i64]) -> String {
        let dims = self.int64(of, dims);
        self.node(of, "Reshape", &[map, &dims], Vec::new())
    }

    pub(super) fn cast(&mut self, of: &str, map: &str, to: i32) -> String {
        self.node(of, "Cast", &[map], vec![int("to", to.into())])
    }

    pub(super) fn int8(&mut self, of: &str, dims: &[usize], values: &[i8]) -> String {
        let raw = values.iter().map(|value| *value as u8).collect();
        self.constant(of, data_type::INT8, dims, raw)
    }

    pub(super) fn int32(&mut self, of: &str, dims: &[usize], values: &[i32]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(of, data_type::INT32, dims, raw)
    }

    pub(super) fn int64(&mut self, of: &str, values: &[i64]) -> String {
        self.int64_of(of, &[values.len()], values)
    }

    pub(super) fn int64_of(&mut self, of: &str, dims: &[usize], values: &[i64]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(of, data_type::INT64, dims, raw)
    }

    pub(super) fn double(&mut self, of: &str, dims: &[usize], values: &[f64]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(of, data_type::DOUBLE, dims, raw)
    }

    fn constant(&mut self, of: &str, data_type: i32, dims: &[usize], raw_data: Vec<u8>) -> String {
        let name = self.unused(format!("{of}/constant"));
        let dims = dims.iter().map(|dim| *dim as i64).collect();
        let tensor = Tensor { name: name.clone(), dims, data_type, raw_data, ..Tensor::default() };
        self.graph.initializer.push(tensor);
        name
    }

    /// The input, `[N, ..]`.
    pub(super) fn input(&mut self, data_type: i32, dims: &[i64]) -> String {
        self.graph.input.push(value_info(INPUT, data_type, dims));
        INPUT.to_owned()
    }

    /// An output of this name, `[N, height, width, channels]`, of a map whose channels come first.
    pub(super) fn output(&mut self, name: &str, map: &str, data_type: i32, shape: Shape) {
        let node = self.unused(format!("{name}/output"));
        self.graph.node.push(Node {
            input: vec![map.to_owned()],
            output: vec![name.to_owned()],
            name: node,
            op_type: "Transpose".to_owned(),
            attribute: vec![ints("perm", &[0, 2, 3, 1])],
            domain: String::new(),
        });
        let dims = [shape.height, shape.width, shape.channels].map(|dim| dim as i64);
        self.graph.output.push(value_info(name, data_type, &dims));
    }

    fn unused(&mut self, name: String) -> String {
        let mut unused = name.clone();
        let mut n = 1;
        while !self.names.insert(unused.clone()) {
            n += 1;
            unused = format!("{name} {n}");
        }
        unused
    }
}

pub(super) fn int(name: &str, i: i64) -> Attribute {
    Attribute { name: name.to_owned(), i, r#type: attribute_type::INT, ..Attribute::default() }
}

pub(super) fn ints(name: &str, ints: &[i64]) -> Attribute {
    let (name, ints) = (name.to_owned(), ints.to_vec());
    Attribute { name, ints, r#type: attribute_type::INTS, ..Attribute::default() }
}

/// As many images as are brought, of these dimensions.
fn value_info(name: &str, elem_type: i32, dims: &[i64]) -> ValueInfo {
    let images = Dimension { dim_param: Some("N".to_owned()), ..Dimension::default() };
    let sizes = dims.iter().map(|size| Dimension { dim_value: Some(*size), dim_param: None });
    let dim = std::iter::once(images).chain(sizes).collect();
    let shape = Some(TensorShape { dim });
    let r#type = Some(Type { tensor_type: Some(TensorType { elem_type, shape }) });
    ValueInfo { name: name.to_owned(), r#type }
}
