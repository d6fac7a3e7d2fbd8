//! Real values that are quantized become nodes of the graph.

use std::collections::HashMap;
use std::rc::Rc;

use ndarray::Array4;
use spec::{Bounds, Rounding};

use super::fault::{Fault, Outcome};
use super::value::{Expr, ExprOp, Linear, Quant, Site};
use super::view::MOST_VALUES;
use crate::graph::{self, Graph, Node, Op, Tensor, TensorId};

/// The graph so far.
#[derive(Debug, Default)]
pub(super) struct Emitter {
    pub(super) graph: Graph,
    /// What was quantized before, which lives as long so that no other takes its address.
    done: HashMap<Key, (Rc<Expr>, TensorId)>,
    /// Weights so far.
    n_weights: usize,
}

/// The address of an expression; zero point, smallest and largest value; the bits of the scale.
type Key = (*const Expr, [i32; 3], u32);

/// Smallest and largest value of int8.
pub(super) type Range = [i8; 2];

/// All of int8.
pub(super) const ALL: Range = [i8::MIN, i8::MAX];

impl Emitter {
    /// Nothing so far.
    pub(super) fn new(graph: Graph) -> Self {
        Self { graph, ..Self::default() }
    }

    /// A new map.
    pub(super) fn tensor(&mut self, name: &str, shape: spec::Shape, quant: Quant) -> TensorId {
        let Quant { scale, zero_point, .. } = quant;
        self.graph.tensors.push(Tensor { name: name.to_owned(), shape, scale, zero_point });
        TensorId(self.graph.tensors.len() - 1)
    }

    /// Whether a map is quantized like this; as int8, that is.
    pub(super) fn has(&self, id: TensorId, quant: Quant) -> bool {
        let tensor = self.graph.tensor(id);
        tensor.scale == quant.scale && tensor.zero_point == quant.zero_point
    }

    /// The map of an expression, quantized and within `range`. `name` is the file's for it.
    pub(super) fn quantized(
        &mut self,
        expr: &Rc<Expr>,
        quant: Quant,
        range: Range,
        name: &str,
    ) -> Outcome<TensorId> {
        let integers = [quant.zero_point.into(), range[0].into(), range[1].into()];
        let key = (Rc::as_ptr(expr), integers, quant.scale.to_bits());
        if let Some((_, id)) = self.done.get(&key) {
            return Ok(*id);
        }
        let id = self.emit(expr, quant, range, name)?;
        self.done.insert(key, (Rc::clone(expr), id));
        Ok(id)
    }

    fn emit(
        &mut self,
        expr: &Rc<Expr>,
        quant: Quant,
        range: Range,
        name: &str,
    ) -> Outcome<TensorId> {
        let (inputs, op) = match &expr.op {
            ExprOp::Map(id) if range == ALL && self.has(*id, quant) => return Ok(*id),
            ExprOp::Map(id) => (vec![*id], Op::Requantize),
            ExprOp::Clamp(inner, low, high) => {
                let [low, high] = [low, high].map(|bound| quant.quantize(*bound));
                let low = range[0].max(low).min(range[1]);
                let range = [low, range[1].min(high).max(low)];
                return self.quantized(inner, quant, range, name);
            }
            ExprOp::MaxPool(inner, pool) => {
                let map = self.quantized(inner, quant, range, "")?;
                (vec![map], Op::MaxPool(*pool))
            }
            ExprOp::Pad(inner, padding) => {
                let zero = quant.zero_point;
                if !(range[0]..=range[1]).contains(&zero) {
                    return Err(Fault::new(
                        "its zeros are limited to another value",
                        "limit before padding, not after it",
                    ));
                }
                let map = self.quantized(inner, quant, range, "")?;
                (vec![map], Op::Pad(*padding))
            }
            ExprOp::Concat(parts) => {
                let maps = parts.iter().map(|part| self.quantized(part, quant, range, ""));
                (maps.collect::<Outcome<_>>()?, Op::Concat)
            }
            ExprOp::Add(left, right) => (vec![*left, *right], Op::Add),
            ExprOp::Affine(map, channels) => {
                let op = self.affine(*map, channels, quant, range, &expr.site)?;
                (vec![*map], Op::Conv(op))
            }
            ExprOp::AveragePool(map, pool) => (vec![*map], Op::AveragePool(*pool)),
            ExprOp::GlobalAveragePool(map) => (vec![*map], Op::GlobalAveragePool),
            ExprOp::Conv(map, linear, geometry) => {
                let bias = self.bias(*map, linear, &expr.site)?;
                let op = graph::Conv {
                    weight: self.weight(linear)?,
                    weight_scales: linear.scales.clone(),
                    bias,
                    groups: geometry.groups,
                    stride: geometry.stride,
                    dilation: geometry.dilation,
                    padding: geometry.padding,
                };
                (vec![*map], Op::Conv(op))
            }
            ExprOp::FullyConnected(map, linear) => {
                let bias = self.bias(*map, linear, &expr.site)?;
                let (weight, weight_scales) = (self.weight(linear)?, linear.scales.clone());
                (
                    vec![*map],
                    Op::FullyConnected(graph::FullyConnected { weight, weight_scales, bias }),
                )
            }
        };
        let limits = !matches!(op, Op::MaxPool(_) | Op::Pad(_) | Op::Concat);
        let range = if limits { range } else { ALL };
        let output = self.tensor(name, expr.shape, quant);
        let Site { index, name, kind } = expr.site.clone();
        let bounds = Bounds { low: range[0].into(), high: range[1].into() };
        self.graph.nodes.push(Node { index, name, kind, inputs, output, op, bounds });
        Ok(output)
    }

    /// The weights, again for each way in which their products are quantized.
    fn weight(&mut self, linear: &Linear) -> Outcome<Array4<i8>> {
        self.n_weights += linear.weight.len();
        if self.n_weights > MOST_VALUES {
            return Err(Fault::new(
                "there are more weights than an accelerator holds",
                "quantize a smaller network",
            ));
        }
        Ok((*linear.weight).clone())
    }

    /// Integer biases; real ones are rounded, and it is said where that changes them.
    fn bias(&mut self, map: TensorId, linear: &Linear, site: &Site) -> Outcome<Vec<i32>> {
        let input_scale = self.graph.tensor(map).scale;
        let mut most = 0.0f64;
        let bias = linear.bias.iter().zip(&linear.real_bias).enumerate().map(|(k, (int, real))| {
            let weight_scale = linear.scales[if linear.scales.len() == 1 { 0 } else { k }];
            let exact = real / (f64::from(input_scale) * f64::from(weight_scale));
            let rounded = exact.round_ties_even();
            // What is as near as binary32 can say was meant to be the integer.
            let off = (exact - rounded).abs();
            if off > exact.abs() * 1e-6 {
                most = most.max(off);
            }
            let sum = (rounded.abs() < 2e9).then(|| int + rounded as i64);
            sum.and_then(|sum| i32::try_from(sum).ok()).ok_or_else(|| {
                Fault::new(
                    format!("its bias {k} is beyond 32 bits at the scale of the products"),
                    "quantize the network again with data that uses the whole range of each map",
                )
            })
        });
        let bias = bias.collect::<Outcome<Vec<_>>>()?;
        if most > 0.0 {
            self.graph.notes.push(format!(
                "{} {:?}: its bias is real in the file and was rounded to a step of the products, by up to {most:.3}",
                spec::shown(&site.kind),
                spec::shown(&site.name)
            ));
        }
        Ok(bias)
    }

    /// The quantization in which an expression is one map exactly: what moves, compares or limits the values of maps alone.
    pub(super) fn natural(&self, expr: &Expr) -> Option<Quant> {
        match &expr.op {
            ExprOp::Map(id) => {
                let tensor = self.graph.tensor(*id);
                let (scale, zero_point) = (tensor.scale, tensor.zero_point);
                Some(Quant { scale, zero_point, is_unsigned: false })
            }
            ExprOp::Clamp(inner, low, high) => {
                self.natural(inner).filter(|quant| quant.means(*low) && quant.means(*high))
            }
            ExprOp::MaxPool(inner, _) | ExprOp::Pad(inner, _) => self.natural(inner),
            ExprOp::Concat(parts) => {
                let mut quants = parts.iter().map(|part| self.natural(part));
                let first = quants.next()??;
                quants.all(|quant| quant == Some(first)).then_some(first)
            }
            _ => None,
        }
    }
}

/// The mean of a window, as onnxruntime rounds it.
pub(super) fn average(pool: graph::Pool, counts_padding: bool) -> graph::AveragePool {
    graph::AveragePool { pool, counts_padding, rounding: Rounding::HalfEven }
}
