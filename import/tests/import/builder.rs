//! Writes TFLite files: a model as lists of tensors and operators, laid out by the `flatbuffers` crate.

use flatbuffers::{FlatBufferBuilder, TableFinishedWIPOffset, VOffsetT, WIPOffset};

pub(crate) const FLOAT32: i8 = 0;
pub(crate) const INT32: i8 = 2;
pub(crate) const UINT8: i8 = 3;
pub(crate) const INT8: i8 = 9;

/// Numbers of operations that the tests write.
pub(crate) mod code {
    pub(crate) const ADD: i32 = 0;
    pub(crate) const AVERAGE_POOL_2D: i32 = 1;
    pub(crate) const CONCATENATION: i32 = 2;
    pub(crate) const CONV_2D: i32 = 3;
    pub(crate) const DEPTHWISE_CONV_2D: i32 = 4;
    pub(crate) const DEQUANTIZE: i32 = 6;
    pub(crate) const FULLY_CONNECTED: i32 = 9;
    pub(crate) const MAX_POOL_2D: i32 = 17;
    pub(crate) const RELU: i32 = 19;
    pub(crate) const RESHAPE: i32 = 22;
    pub(crate) const SOFTMAX: i32 = 25;
    pub(crate) const PAD: i32 = 34;
    pub(crate) const MEAN: i32 = 40;
    pub(crate) const QUANTIZE: i32 = 114;
    pub(crate) const GELU: i32 = 150;
}

/// A tensor; one without data is computed.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<i32>,
    pub(crate) kind: i8,
    pub(crate) data: Vec<u8>,
    pub(crate) scales: Vec<f32>,
    pub(crate) zero_points: Vec<i64>,
    pub(crate) axis: i32,
}

impl Tensor {
    pub(crate) fn map(shape: &[i32], scale: f32, zero_point: i8) -> Self {
        Self {
            shape: shape.to_vec(),
            kind: INT8,
            data: Vec::new(),
            scales: vec![scale],
            zero_points: vec![zero_point.into()],
            axis: 0,
        }
    }

    pub(crate) fn weight(shape: &[i32], data: &[i8], scales: Vec<f32>, axis: i32) -> Self {
        let zero_points = vec![0; scales.len()];
        let data = data.iter().map(|value| value.cast_unsigned()).collect();
        Self { shape: shape.to_vec(), kind: INT8, data, scales, zero_points, axis }
    }

    pub(crate) fn int32(shape: &[i32], values: &[i32]) -> Self {
        let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self {
            shape: shape.to_vec(),
            kind: INT32,
            data,
            scales: Vec::new(),
            zero_points: Vec::new(),
            axis: 0,
        }
    }
}

/// A field of an options table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field {
    Byte(i8),
    Int(i32),
}

/// An operator.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    pub(crate) code: i32,
    pub(crate) inputs: Vec<i32>,
    pub(crate) outputs: Vec<i32>,
    /// Fields of its options, by number.
    pub(crate) options: Vec<(usize, Field)>,
}

/// A model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) operators: Vec<Operator>,
    pub(crate) inputs: Vec<i32>,
    pub(crate) outputs: Vec<i32>,
    /// TFLite metadata, a file of its own; none if empty.
    pub(crate) metadata: Vec<u8>,
}

type Table = WIPOffset<TableFinishedWIPOffset>;

fn slot(field: usize) -> VOffsetT {
    (4 + 2 * field) as VOffsetT
}

impl Model {
    /// Adds a tensor, and says its index.
    pub(crate) fn tensor(&mut self, tensor: Tensor) -> i32 {
        self.tensors.push(tensor);
        self.tensors.len() as i32 - 1
    }

    /// Adds an operator with one output, and says that tensor's index.
    pub(crate) fn operator(
        &mut self,
        code: i32,
        inputs: &[i32],
        options: &[(usize, Field)],
        output: Tensor,
    ) -> i32 {
        let output = self.tensor(output);
        self.operators.push(Operator {
            code,
            inputs: inputs.to_vec(),
            outputs: vec![output],
            options: options.to_vec(),
        });
        output
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut builder = FlatBufferBuilder::new();
        let buffers: Vec<Table> = std::iter::once(&[][..])
            .chain(self.tensors.iter().map(|tensor| &tensor.data[..]))
            .chain([&self.metadata[..]])
            .map(|data| {
                let data = (!data.is_empty()).then(|| builder.create_vector(data));
                let table = builder.start_table();
                if let Some(data) = data {
                    builder.push_slot_always(slot(0), data);
                }
                builder.end_table(table)
            })
            .collect();
        let buffers = builder.create_vector(&buffers);
        let name = builder.create_string("TFLITE_METADATA");
        let table = builder.start_table();
        builder.push_slot_always(slot(0), name);
        builder.push_slot_always(slot(1), self.tensors.len() as u32 + 1);
        let metadata = builder.end_table(table);
        let metadata = builder.create_vector(&[metadata]);
        let tensors: Vec<Table> = self
            .tensors
            .iter()
            .enumerate()
            .map(|(index, tensor)| tensor_table(&mut builder, index, tensor))
            .collect();
        let tensors = builder.create_vector(&tensors);
        let operators: Vec<Table> = self
            .operators
            .iter()
            .enumerate()
            .map(|(index, operator)| operator_table(&mut builder, index, operator))
            .collect();
        let operators = builder.create_vector(&operators);
        let (inputs, outputs) =
            (builder.create_vector(&self.inputs), builder.create_vector(&self.outputs));
        let table = builder.start_table();
        builder.push_slot_always(slot(0), tensors);
        builder.push_slot_always(slot(1), inputs);
        builder.push_slot_always(slot(2), outputs);
        builder.push_slot_always(slot(3), operators);
        let subgraph = builder.end_table(table);
        let subgraphs = builder.create_vector(&[subgraph]);
        let codes: Vec<Table> = self
            .operators
            .iter()
            .map(|operator| {
                let table = builder.start_table();
                builder.push_slot_always(slot(0), operator.code.min(127) as i8);
                builder.push_slot_always(slot(2), 1i32);
                builder.push_slot_always(slot(3), operator.code);
                builder.end_table(table)
            })
            .collect();
        let codes = builder.create_vector(&codes);
        let table = builder.start_table();
        builder.push_slot_always(slot(0), 3u32);
        builder.push_slot_always(slot(1), codes);
        builder.push_slot_always(slot(2), subgraphs);
        builder.push_slot_always(slot(4), buffers);
        if !self.metadata.is_empty() {
            builder.push_slot_always(slot(6), metadata);
        }
        let model = builder.end_table(table);
        builder.finish(model, Some("TFL3"));
        builder.finished_data().to_vec()
    }
}

/// Metadata that say how the input is normalized.
pub(crate) fn normalization(mean: &[f32], std: &[f32]) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let (mean, std) = (builder.create_vector(mean), builder.create_vector(std));
    let table = builder.start_table();
    builder.push_slot_always(slot(0), mean);
    builder.push_slot_always(slot(1), std);
    let mut last = builder.end_table(table);
    // Process unit, input, subgraph, model: the field in which each holds a list of the one before.
    for (field, kind) in [(1, Some(1u8)), (4, None), (2, None), (3, None)] {
        let table = match kind {
            Some(kind) => {
                let table = builder.start_table();
                builder.push_slot_always(slot(0), kind);
                builder.push_slot_always(slot(field), last);
                table
            }
            None => {
                let list = builder.create_vector(&[last]);
                let table = builder.start_table();
                builder.push_slot_always(slot(field), list);
                table
            }
        };
        last = builder.end_table(table);
    }
    builder.finish(last, Some("M001"));
    builder.finished_data().to_vec()
}

fn tensor_table(builder: &mut FlatBufferBuilder, index: usize, tensor: &Tensor) -> Table {
    let (scales, zero_points) =
        (builder.create_vector(&tensor.scales), builder.create_vector(&tensor.zero_points));
    let table = builder.start_table();
    builder.push_slot_always(slot(2), scales);
    builder.push_slot_always(slot(3), zero_points);
    builder.push_slot_always(slot(6), tensor.axis);
    let quantization = builder.end_table(table);
    let shape = builder.create_vector(&tensor.shape);
    let name = builder.create_string(&format!("tensor {index}"));
    let table = builder.start_table();
    builder.push_slot_always(slot(0), shape);
    builder.push_slot_always(slot(1), tensor.kind);
    builder.push_slot_always(slot(2), index as u32 + 1);
    builder.push_slot_always(slot(3), name);
    if !tensor.scales.is_empty() {
        builder.push_slot_always(slot(4), quantization);
    }
    builder.end_table(table)
}

/// Its code is that of the same index.
fn operator_table(builder: &mut FlatBufferBuilder, index: usize, operator: &Operator) -> Table {
    let (inputs, outputs) =
        (builder.create_vector(&operator.inputs), builder.create_vector(&operator.outputs));
    let table = builder.start_table();
    for (field, value) in &operator.options {
        match value {
            Field::Byte(value) => builder.push_slot_always(slot(*field), *value),
            Field::Int(value) => builder.push_slot_always(slot(*field), *value),
        }
    }
    let options = builder.end_table(table);
    let table = builder.start_table();
    builder.push_slot_always(slot(0), index as u32);
    builder.push_slot_always(slot(1), inputs);
    builder.push_slot_always(slot(2), outputs);
    // LiteRT asks which table of options it is; this reader knows it from the operation.
    builder.push_slot_always(slot(3), options_kind(operator.code));
    builder.push_slot_always(slot(4), options);
    builder.end_table(table)
}

/// The number of an operation's options in the schema's union.
fn options_kind(code: i32) -> u8 {
    match code {
        code::ADD => 11,
        code::AVERAGE_POOL_2D | code::MAX_POOL_2D => 5,
        code::CONCATENATION => 10,
        code::CONV_2D => 1,
        code::DEPTHWISE_CONV_2D => 2,
        code::DEQUANTIZE => 38,
        code::FULLY_CONNECTED => 8,
        code::RESHAPE => 17,
        code::SOFTMAX => 9,
        code::PAD => 22,
        code::MEAN => 27,
        code::QUANTIZE => 89,
        _ => 0,
    }
}
