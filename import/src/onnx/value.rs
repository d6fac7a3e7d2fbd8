//! What a name of the file stands for.

use std::rc::Rc;

use ndarray::Array4;
use spec::Shape;

use super::emit::Range;
use super::fault::{Fault, Outcome};
use super::proto::data_type;
use super::tensor::{Data, Tensor};
use super::view::View;
use crate::formula::Quantization;
use crate::graph::{AveragePool, HostOp, Pool, TensorId};

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// The input of the network before it is quantized, or an integer one whose scale is not known yet.
    Input(Input),
    /// A constant.
    Const(Tensor),
    /// The real values of an integer constant.
    RealConst(RealConst),
    /// The integers of a map.
    Int(Map),
    /// The real values of a map.
    Real(Map),
    /// Real values that are computed of maps and not quantized yet.
    Pending(Rc<Expr>, View),
    /// What the host computes of an output.
    Host(Host),
    /// What a node gives that is reported, or an output that nothing may read.
    Gone,
}

/// The input, perhaps after steps of the host.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) view: View,
    /// A `TensorProto.DataType`.
    pub(super) data_type: i32,
    /// Nodes that compute it, by their index.
    pub(super) steps: Vec<usize>,
}

/// Integers that mean `scale * (value - zero point)`, the constants along `axis` where they have more than one.
#[derive(Clone, Debug)]
pub(super) struct RealConst {
    pub(super) ints: Tensor,
    pub(super) scales: Rc<[f32]>,
    pub(super) zero_points: Rc<[i64]>,
    pub(super) axis: usize,
}

/// A map of the graph as a tensor of the file has it.
#[derive(Clone, Debug)]
pub(super) struct Map {
    pub(super) id: TensorId,
    pub(super) view: View,
    /// Whether the file has it as uint8: 128 more than the map.
    pub(super) is_unsigned: bool,
    /// Smallest and largest value that the int8 map can have.
    pub(super) range: Range,
}

/// What the host computes of an output.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// Where it starts.
    pub(super) map: Map,
    pub(super) dims: Option<Vec<usize>>,
    /// The nodes so far: index, name, type, what it is.
    pub(super) steps: Rc<[(Site, HostOp)]>,
}

/// Scale and zero point of int8 values, which are 128 less than the file's where that has uint8.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quant {
    pub(super) scale: f32,
    pub(super) zero_point: i8,
    pub(super) is_unsigned: bool,
}

/// A node of the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Site {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) kind: String,
}

/// Real values, one for each of a map of this shape.
#[derive(Debug)]
pub(super) struct Expr {
    pub(super) site: Site,
    pub(super) shape: Shape,
    /// How many are within each other.
    pub(super) depth: usize,
    pub(super) op: ExprOp,
}

/// How they are computed.
#[derive(Debug)]
pub(super) enum ExprOp {
    Map(TensorId),
    /// Smallest and largest value.
    Clamp(Rc<Expr>, f64, f64),
    MaxPool(Rc<Expr>, Pool),
    Pad(Rc<Expr>, [usize; 4]),
    Concat(Vec<Rc<Expr>>),
    Add(TensorId, TensorId),
    /// `factor * value + addend` of each channel.
    Affine(TensorId, Vec<Affine>),
    AveragePool(TensorId, AveragePool),
    GlobalAveragePool(TensorId),
    Conv(TensorId, Linear, Geometry),
    FullyConnected(TensorId, Linear),
}

/// Weights and biases of a convolution or a fully connected layer.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    /// As [`crate::graph`] has them.
    pub(super) weight: Rc<Array4<i8>>,
    /// One, or one an output channel.
    pub(super) scales: Vec<f32>,
    /// One an output channel, of the scale of the products.
    pub(super) bias: Vec<i64>,
    /// One an output channel, to be added to the bias.
    pub(super) real_bias: Vec<f64>,
}

/// What is done with a channel: `factor * value + offset`, as real values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Affine {
    pub(super) factor: f32,
    pub(super) offset: f32,
    /// What the offset is quantized as, where it is: runtimes add integers in another order.
    pub(super) quantized: Option<(i8, Quantization)>,
}

/// How a convolution moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) groups: usize,
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    pub(super) padding: [usize; 4],
}

/// As many operations may follow each other in floating point.
const MOST_DEPTH: usize = 64;

impl Value {
    /// The dimensions in the file, as far as they are known.
    pub(super) fn dims(&self) -> Option<Vec<usize>> {
        match self {
            Self::Input(input) => Some(input.view.dims()),
            Self::Const(tensor) => Some(tensor.dims.clone()),
            Self::RealConst(real) => Some(real.ints.dims.clone()),
            Self::Int(map) | Self::Real(map) => Some(map.view.dims()),
            Self::Pending(_, view) => Some(view.dims()),
            Self::Host(host) => host.dims.clone(),
            Self::Gone => None,
        }
    }
}

impl RealConst {
    /// In floating point, as the runtime has it.
    pub(super) fn floats(&self) -> Vec<f32> {
        let ints = self.ints.ints().unwrap_or_default();
        let inner: usize = self.ints.dims.iter().skip(self.axis + 1).product();
        let at = |index: usize, n: usize| if n == 1 { 0 } else { index / inner.max(1) % n };
        let value = |(index, value): (usize, &i64)| {
            let zero_point = self.zero_points[at(index, self.zero_points.len())];
            (value - zero_point) as f32 * self.scales[at(index, self.scales.len())]
        };
        ints.iter().enumerate().map(value).collect()
    }

    /// The integers less their zero points, if all are int8; with their scales along the axis `output` or one for all.
    pub(super) fn weights(&self, output: usize) -> Outcome<(Vec<i8>, Vec<f32>)> {
        if !matches!(self.ints.data, Data::I8(_) | Data::U8(_)) {
            let found = data_type::name(self.ints.data.data_type());
            return Err(Fault::new(
                format!("its weights are {found}"),
                "quantize them to int8, symmetric: weight_type=QuantType.QInt8 of onnxruntime.quantization",
            ));
        }
        if (self.scales.len() > 1 || self.zero_points.len() > 1) && self.axis != output {
            return Err(Fault::new(
                format!("its weights have a scale for each element of axis {}", self.axis),
                "quantize them per tensor, or per output channel",
            ));
        }
        let ints = self.ints.ints().unwrap_or_default();
        let inner: usize = self.ints.dims.iter().skip(self.axis + 1).product();
        let n = self.zero_points.len();
        let zero_point =
            |index: usize| self.zero_points[if n == 1 { 0 } else { index / inner.max(1) % n }];
        let weights: Option<Vec<i8>> = ints
            .iter()
            .enumerate()
            .map(|(index, weight)| i8::try_from(weight - zero_point(index)).ok())
            .collect();
        let weights = weights.ok_or_else(|| {
            Fault::new(
                "its weights are asymmetric: less their zero point they are no int8",
                "quantize them symmetrically: weight_type=QuantType.QInt8 and extra_options={'WeightSymmetric': True} of onnxruntime.quantization",
            )
        })?;
        Ok((weights, self.scales.to_vec()))
    }
}

impl Expr {
    /// Real values that a node computes.
    pub(super) fn new(site: &Site, shape: Shape, op: ExprOp) -> Outcome<Rc<Self>> {
        let depth = 1 + match &op {
            ExprOp::Clamp(inner, ..) | ExprOp::MaxPool(inner, _) | ExprOp::Pad(inner, _) => {
                inner.depth
            }
            ExprOp::Concat(parts) => parts.iter().map(|part| part.depth).max().unwrap_or(0),
            _ => 0,
        };
        if depth > MOST_DEPTH {
            return Err(Fault::float("a long row of operations"));
        }
        Ok(Rc::new(Self { site: site.clone(), shape, depth, op }))
    }
}

impl Quant {
    /// As int8, that is.
    pub(super) fn meaning(self) -> Quantization {
        Quantization { scale: self.scale, zero_point: self.zero_point }
    }

    /// Whether a real value is one that an int8 value means, or beyond all of them.
    pub(super) fn means(self, real: f64) -> bool {
        let value = f64::from(self.quantize(real)) - f64::from(self.zero_point);
        real.is_infinite() || (value * f64::from(self.scale)) as f32 == real as f32
    }

    /// The int8 value nearest to a real one, halves to even.
    pub(super) fn quantize(self, real: f64) -> i8 {
        let steps = (real / f64::from(self.scale)).round_ties_even() + f64::from(self.zero_point);
        steps.clamp(-128.0, 127.0) as i8
    }
}
