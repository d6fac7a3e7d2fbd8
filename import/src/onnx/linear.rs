//! Convolutions, products with matrices, and what is added to them or scales them.

use std::rc::Rc;

use ndarray::Array4;
use spec::Shape;

use super::call::Call;
use super::fault::{Fault, Outcome};
use super::proto::data_type;
use super::reader::Reader;
use super::tensor::{Data, Tensor};
use super::value::{Expr, ExprOp, Geometry, Linear, Map, RealConst, Value};
use super::view::{Axis, View, n_values, shown_dims};

impl Reader<'_> {
    pub(super) fn conv(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let map = self.real_map(call, 0)?;
        let weight = real_const(call, 1)?;
        let bias = call.input(2)?.cloned();
        self.convolution(call, &map, &weight, bias.as_ref())
    }

    /// A convolution of a map whose channels come first.
    pub(super) fn convolution(
        &mut self,
        call: &Call<'_>,
        map: &Map,
        weight: &RealConst,
        bias: Option<&Value>,
    ) -> Outcome<Value> {
        let shape = map.view.shape();
        let rank = map.view.rank();
        if !map.view.is_channels_first() || rank < 3 {
            return Err(layout_fault(&map.view));
        }
        let dims = &weight.ints.dims;
        let (n_out, n_in, kernel) = match (rank, &dims[..]) {
            (4, &[n_out, n_in, rows, columns]) => (n_out, n_in, [rows, columns]),
            (3, &[n_out, n_in, columns]) => (n_out, n_in, [1, columns]),
            _ => return Err(weight_fault(dims, &map.view)),
        };
        let groups = call.node.int("group")?.unwrap_or(1);
        let groups = usize::try_from(groups).ok().filter(|groups| {
            *groups > 0 && n_in.checked_mul(*groups) == Some(shape.channels) && n_out % groups == 0
        });
        let groups = groups.ok_or_else(|| weight_fault(dims, &map.view))?;
        if n_out == 0 || kernel.contains(&0) {
            return Err(weight_fault(dims, &map.view));
        }
        let sweep = call.sweep(rank - 2, [shape.height, shape.width], kernel)?;
        let (ints, scales) = weight.weights(0)?;
        let [rows, columns] = kernel;
        let array = Array4::from_shape_fn((n_out, rows, columns, n_in), |(k, y, x, c)| {
            ints[((k * n_in + c) * rows + y) * columns + x]
        });
        let linear = self.linear(map, array, scales, bias)?;
        let geometry = Geometry {
            groups,
            stride: sweep.stride,
            dilation: sweep.dilation,
            padding: sweep.padding,
        };
        let [height, width] = sweep.pixels;
        let shape = bounded(Shape { height, width, channels: n_out })?;
        let expr = Expr::new(&call.site, shape, ExprOp::Conv(map.id, linear, geometry))?;
        Ok(Value::Pending(expr, View::channels_first(shape, rank)))
    }

    pub(super) fn gemm(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let map = self.real_map(call, 0)?;
        let weight = real_const(call, 1)?;
        let bias = call.input(2)?.cloned();
        let is_transposed = gemm_weight_is_transposed(call)?;
        for (name, needed) in [("alpha", true), ("beta", bias.is_some())] {
            let factor = call.node.float(name)?.unwrap_or(1.0);
            if needed && factor != 1.0 {
                return Err(Fault::attribute(name, &factor.to_string()));
            }
        }
        self.product(call, &map, &weight, is_transposed, bias.as_ref())
    }

    pub(super) fn mat_mul(&mut self, call: &Call<'_>) -> Outcome<Value> {
        if let Value::Const(_) | Value::RealConst(_) = call.needed(0)? {
            return Err(Fault::new(
                "its first operand is a constant",
                "export the product with the weights as its second operand",
            ));
        }
        let map = self.real_map(call, 0)?;
        let weight = real_const(call, 1)?;
        self.product(call, &map, &weight, false, None)
    }

    /// The product of the last axis with a matrix: of all values of a map, or of the channels of each pixel.
    pub(super) fn product(
        &mut self,
        call: &Call<'_>,
        map: &Map,
        weight: &RealConst,
        is_transposed: bool,
        bias: Option<&Value>,
    ) -> Outcome<Value> {
        let view = &map.view;
        let dims = weight.ints.dims.clone();
        let ones = dims.len().saturating_sub(2);
        let &[first, second] = &dims[ones..] else { return Err(weight_fault(&dims, view)) };
        let (n_in, n_out) = if is_transposed { (second, first) } else { (first, second) };
        let last = view.rank().saturating_sub(1);
        if dims[..ones].iter().any(|dim| *dim != 1)
            || view.dims().last() != Some(&n_in)
            || n_in * n_out == 0
        {
            return Err(weight_fault(&dims, view));
        }
        let (ints, scales) = weight.weights(ones + usize::from(!is_transposed))?;
        let at = |k: usize, index: usize| {
            ints[if is_transposed { k * n_in + index } else { index * n_out + k }]
        };
        let shape = view.shape();
        if view.is_flat() {
            let (height, width, channels) = (shape.height, shape.width, shape.channels);
            let mut array = Array4::zeros((n_out, height, width, channels));
            for index in 0..n_in {
                let [y, x, c] = view.position(index);
                for k in 0..n_out {
                    array[[k, y, x, c]] = at(k, index);
                }
            }
            let linear = self.linear(map, array, scales, bias)?;
            let shape = bounded(Shape { height: 1, width: 1, channels: n_out })?;
            let axes = (0..=last).map(|axis| (axis == last).then_some(Axis::Channel));
            let view = View::new(shape, &axes.collect::<Vec<_>>());
            let expr = Expr::new(&call.site, shape, ExprOp::FullyConnected(map.id, linear))?;
            return Ok(Value::Pending(expr, view));
        }
        if !view.is_channels_last() {
            return Err(layout_fault(view));
        }
        let array = Array4::from_shape_fn((n_out, 1, 1, n_in), |(k, _, _, c)| at(k, c));
        let linear = self.linear(map, array, scales, bias)?;
        let geometry = Geometry { groups: 1, stride: [1; 2], dilation: [1; 2], padding: [0; 4] };
        let shape = bounded(Shape { channels: n_out, ..shape })?;
        let expr = Expr::new(&call.site, shape, ExprOp::Conv(map.id, linear, geometry))?;
        Ok(Value::Pending(expr, view.with_channels(last, n_out)))
    }

    fn linear(
        &self,
        map: &Map,
        weight: Array4<i8>,
        scales: Vec<f32>,
        bias: Option<&Value>,
    ) -> Outcome<Linear> {
        let n_out = weight.dim().0;
        if scales.len() != 1 && scales.len() != n_out {
            return Err(Fault::new(
                format!("its weights have {} scales for {n_out} output channels", scales.len()),
                "quantize them per tensor, or per output channel",
            ));
        }
        let weight = Rc::new(weight);
        let mut linear =
            Linear { weight, scales, bias: vec![0; n_out], real_bias: vec![0.0; n_out] };
        let Some(bias) = bias else { return Ok(linear) };
        let dims = bias.dims().unwrap_or_default();
        let n: usize = dims.iter().product();
        if dims.last().is_some_and(|last| *last != n) || (n != n_out && n != 1) {
            return Err(Fault::new(
                format!("its bias is {} for {n_out} output channels", shown_dims(&dims)),
                "give one bias an output channel",
            ));
        }
        let input_scale = self.emitter.graph.tensor(map.id).scale;
        let one = |index: usize, n: usize| if n == 1 { 0 } else { index };
        match bias {
            Value::Const(tensor) => match (&tensor.data, tensor.floats()) {
                (Data::I32(ints), _) => {
                    for (k, bias) in linear.bias.iter_mut().enumerate() {
                        *bias = ints[one(k, n)].into();
                    }
                }
                (_, Some(floats)) => {
                    for (k, bias) in linear.real_bias.iter_mut().enumerate() {
                        *bias = finite(floats[one(k, n)])?;
                    }
                }
                _ => return Err(bias_type_fault(tensor)),
            },
            Value::RealConst(real) => {
                let ints = real.ints.ints().unwrap_or_default();
                for k in 0..n_out {
                    let zero_point = real.zero_points[one(k, real.zero_points.len())];
                    let scale = f64::from(real.scales[one(k, real.scales.len())]);
                    let products =
                        f64::from(input_scale * linear.scales[one(k, linear.scales.len())]);
                    let bias = ints[one(k, n)] - zero_point;
                    if ((scale - products) / products).abs() < 1e-6 {
                        linear.bias[k] = bias;
                    } else {
                        linear.real_bias[k] = bias as f64 * scale;
                    }
                }
            }
            _ => {
                return Err(Fault::new(
                    "its bias is computed",
                    "fold constants: onnxsim, or onnxruntime's basic optimizations",
                ));
            }
        }
        Ok(linear)
    }
}

/// The dequantized weights of an input.
fn real_const<'a>(call: &'a Call<'_>, index: usize) -> Outcome<std::borrow::Cow<'a, RealConst>> {
    match call.needed(index)? {
        Value::RealConst(real) => Ok(std::borrow::Cow::Borrowed(real)),
        Value::Const(tensor) => Err(Fault::new(
            format!("its weights are {}", data_type::name(tensor.data.data_type())),
            "quantize them: a DequantizeLinear of int8 constants before it, as onnxruntime.quantization.quantize_static writes",
        )),
        _ => Err(Fault::new(
            "its weights are computed",
            "fold constants: onnxsim, or onnxruntime's basic optimizations; products of maps are not supported",
        )),
    }
}

/// Whether the second operand of a Gemm is `[outputs, inputs]`.
pub(super) fn gemm_weight_is_transposed(call: &Call<'_>) -> Outcome<bool> {
    if call.node.flag("transA", false)? {
        return Err(Fault::attribute("transA", "1"));
    }
    call.node.flag("transB", false)
}

fn finite(value: f32) -> Outcome<f64> {
    let fault = || Fault::new(format!("it has a bias of {value}"), "train the model again");
    value.is_finite().then_some(value.into()).ok_or_else(fault)
}

/// A map that no accelerator holds is not worked with.
pub(super) fn bounded(shape: Shape) -> Outcome<Shape> {
    let dims = [shape.height, shape.width, shape.channels];
    n_values(&dims).filter(|n| *n > 0).map(|_| shape).ok_or_else(|| {
        Fault::new(format!("its output of {} is none", shown_dims(&dims)), "correct its shape")
    })
}

fn weight_fault(dims: &[usize], view: &View) -> Fault {
    Fault::new(
        format!(
            "its weights of {} do not fit its input of {}",
            shown_dims(dims),
            shown_dims(&view.dims())
        ),
        "export the model again, and run `onnx.checker.check_model` on it",
    )
}

/// A tensor whose axes are not those that an operation needs.
pub(super) fn layout_fault(view: &View) -> Fault {
    let shape = view.shape();
    Fault::new(
        format!(
            "its input of {} is a map of {} rows, {} columns and {} channels in another order",
            shown_dims(&view.dims()),
            shape.height,
            shape.width,
            shape.channels
        ),
        "rows, columns and channels keep their roles from the first layer to the last: leave out the Transpose or Reshape that exchanges them",
    )
}

fn bias_type_fault(tensor: &Tensor) -> Fault {
    let found = data_type::name(tensor.data.data_type());
    Fault::new(format!("its bias is {found}"), "quantize the bias to int32, or leave it float32")
}
