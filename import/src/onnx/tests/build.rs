//! Builds models.

use prost::Message;

use super::super::proto::{
    Attribute, Dimension, Entry, Graph, Model, Node, OperatorSet, Tensor, TensorShape, TensorType,
    Type, ValueInfo, attribute_type, data_type,
};

/// A model on its way.
#[derive(Clone, Debug, Default)]
pub(super) struct Builder {
    pub(super) graph: Graph,
    pub(super) opset: i64,
}

/// Scale, zero point and whether it is uint8; the zero point is that of int8.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantized {
    pub(super) scale: f32,
    pub(super) zero_point: i32,
    pub(super) is_unsigned: bool,
}

impl Builder {
    /// With an input `x` of these dimensions; 0 for one that is open.
    pub(super) fn new(data_type: i32, dims: &[i64]) -> Self {
        let graph = Graph { input: vec![value_info("x", data_type, dims)], ..Graph::default() };
        Self { graph, opset: 17 }
    }

    /// A node with one output, named after its position.
    pub(super) fn node(
        &mut self,
        kind: &str,
        inputs: &[&str],
        attributes: Vec<Attribute>,
    ) -> String {
        let output = format!("{}{}", kind.to_lowercase(), self.graph.node.len());
        self.graph.node.push(Node {
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.clone()],
            name: format!("{output} node"),
            op_type: kind.rsplit('.').next().unwrap_or(kind).to_owned(),
            attribute: attributes,
            domain: kind.rsplit_once('.').map_or("", |(domain, _)| domain).to_owned(),
        });
        output
    }

    fn constant(&mut self, tensor: Tensor) -> String {
        let name = format!("c{}", self.graph.initializer.len());
        self.graph.initializer.push(Tensor { name: name.clone(), ..tensor });
        name
    }

    pub(super) fn floats(&mut self, dims: &[i64], values: &[f32]) -> String {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let (dims, data_type) = (dims.to_vec(), data_type::FLOAT);
        self.constant(Tensor { dims, data_type, raw_data, ..Tensor::default() })
    }

    pub(super) fn int8(&mut self, dims: &[i64], values: &[i8]) -> String {
        let raw_data = values.iter().map(|value| *value as u8).collect();
        let (dims, data_type) = (dims.to_vec(), data_type::INT8);
        self.constant(Tensor { dims, data_type, raw_data, ..Tensor::default() })
    }

    pub(super) fn int32(&mut self, dims: &[i64], values: &[i32]) -> String {
        let (dims, data_type, int32_data) = (dims.to_vec(), data_type::INT32, values.to_vec());
        self.constant(Tensor { dims, data_type, int32_data, ..Tensor::default() })
    }

    pub(super) fn int64(&mut self, values: &[i64]) -> String {
        let (dims, data_type, int64_data) =
            (vec![values.len() as i64], data_type::INT64, values.to_vec());
        self.constant(Tensor { dims, data_type, int64_data, ..Tensor::default() })
    }

    /// Scale and zero point of a map.
    pub(super) fn quantization(&mut self, of: Quantized) -> [String; 2] {
        let scale = self.floats(&[], &[of.scale]);
        let (data_type, offset) =
            if of.is_unsigned { (data_type::UINT8, 128) } else { (data_type::INT8, 0) };
        let int32_data = vec![of.zero_point + offset];
        let zero = self.constant(Tensor { data_type, int32_data, ..Tensor::default() });
        [scale, zero]
    }

    /// QuantizeLinear and DequantizeLinear.
    pub(super) fn qdq(&mut self, x: &str, of: Quantized) -> String {
        let quantized = self.quantize(x, of);
        self.dequantize(&quantized, of)
    }

    pub(super) fn quantize(&mut self, x: &str, of: Quantized) -> String {
        let [scale, zero] = self.quantization(of);
        self.node("QuantizeLinear", &[x, &scale, &zero], Vec::new())
    }

    pub(super) fn dequantize(&mut self, x: &str, of: Quantized) -> String {
        let [scale, zero] = self.quantization(of);
        self.node("DequantizeLinear", &[x, &scale, &zero], Vec::new())
    }

    /// Dequantized weights, with a scale for each of `axis`.
    pub(super) fn weight(
        &mut self,
        dims: &[i64],
        values: &[i8],
        scales: &[f32],
        axis: i64,
    ) -> String {
        let ints = self.int8(dims, values);
        let scale = self.floats(&[scales.len() as i64], scales);
        let zero = self.int8(&[scales.len() as i64], &vec![0; scales.len()]);
        self.node("DequantizeLinear", &[&ints, &scale, &zero], vec![int("axis", axis)])
    }

    /// Dequantized biases.
    pub(super) fn bias(&mut self, values: &[i32], scales: &[f32]) -> String {
        let ints = self.int32(&[values.len() as i64], values);
        let scale = self.floats(&[scales.len() as i64], scales);
        self.node("DequantizeLinear", &[&ints, &scale], vec![int("axis", 0)])
    }

    pub(super) fn output(&mut self, name: &str) {
        self.graph.output.push(value_info(name, data_type::FLOAT, &[]));
    }

    pub(super) fn model(&self) -> Model {
        let set = |domain: &str, version| OperatorSet { domain: domain.to_owned(), version };
        Model {
            ir_version: 8,
            producer_name: "test".to_owned(),
            graph: Some(self.graph.clone()),
            opset_import: vec![set("", self.opset), set("com.microsoft", 1)],
            ..Model::default()
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.model().encode_to_vec()
    }
}

/// A tensor whose data lies in a file.
pub(super) fn external(
    name: &str,
    dims: &[i64],
    data_type: i32,
    entries: &[(&str, &str)],
) -> Tensor {
    let entry =
        |(key, value): &(&str, &str)| Entry { key: (*key).to_owned(), value: (*value).to_owned() };
    Tensor {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type,
        data_location: 1,
        external_data: entries.iter().map(entry).collect(),
        ..Tensor::default()
    }
}

pub(super) fn value_info(name: &str, elem_type: i32, dims: &[i64]) -> ValueInfo {
    let dimension = |size: &i64| match size {
        0 => Dimension { dim_param: Some("N".to_owned()), ..Dimension::default() },
        size => Dimension { dim_value: Some(*size), ..Dimension::default() },
    };
    let shape = Some(TensorShape { dim: dims.iter().map(dimension).collect() });
    let r#type = Some(Type { tensor_type: Some(TensorType { elem_type, shape }) });
    ValueInfo { name: name.to_owned(), r#type }
}

pub(super) fn int(name: &str, i: i64) -> Attribute {
    Attribute { name: name.to_owned(), i, r#type: attribute_type::INT, ..Attribute::default() }
}

pub(super) fn ints(name: &str, ints: &[i64]) -> Attribute {
    let (name, ints) = (name.to_owned(), ints.to_vec());
    Attribute { name, ints, r#type: attribute_type::INTS, ..Attribute::default() }
}

pub(super) fn text(name: &str, s: &str) -> Attribute {
    let (name, s) = (name.to_owned(), s.as_bytes().to_vec());
    Attribute { name, s, r#type: attribute_type::STRING, ..Attribute::default() }
}
