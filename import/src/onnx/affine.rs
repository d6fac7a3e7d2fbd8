//! Add, and what scales products or adds constants to them: it becomes other weights, scales and biases.

use std::rc::Rc;

use super::call::Call;
use super::emit::ALL;
use super::fault::{Fault, Outcome};
use super::reader::Reader;
use super::tensor::{Data, Tensor};
use super::value::{Affine, Expr, ExprOp, Map, RealConst, Value};
use super::view::{Axis, View, shown_dims};
use crate::formula::Quantization;

impl Reader<'_> {
    /// Add: of two maps, or of a constant to products.
    pub(super) fn add(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let is_constant = |index| -> Outcome<bool> {
            Ok(matches!(call.needed(index)?, Value::Const(_) | Value::RealConst(_)))
        };
        if is_constant(0)? || is_constant(1)? {
            return self.arithmetic(call);
        }
        let (left, right) = (self.real_map(call, 0)?, self.real_map(call, 1)?);
        Self::sum(call, &left, &right)
    }

    /// The sum of two maps.
    pub(super) fn sum(call: &Call<'_>, left: &Map, right: &Map) -> Outcome<Value> {
        if left.view != right.view {
            return Err(Fault::new(
                "what it adds is of different shapes",
                "add maps of one shape; rows, columns and channels are not repeated",
            ));
        }
        let op = ExprOp::Add(left.id, right.id);
        let expr = Expr::new(&call.site, left.view.shape(), op)?;
        Ok(Value::Pending(expr, left.view.clone()))
    }

    /// A map and a quantized constant of one number for each channel.
    pub(super) fn map_plus(
        &mut self,
        call: &Call<'_>,
        map: &Map,
        constant: &RealConst,
    ) -> Outcome<Value> {
        let n = map.view.shape().channels;
        let constants = channels_of(&constant.floats(), &constant.ints.dims, &map.view)?;
        let quantized = quantized_channels(constant, n);
        let channels = (0..n).map(|k| Affine {
            factor: 1.0,
            offset: constants[k] as f32,
            quantized: quantized.as_ref().map(|quantized| quantized[k]),
        });
        let op = ExprOp::Affine(map.id, channels.collect());
        let expr = Expr::new(&call.site, map.view.shape(), op)?;
        Ok(Value::Pending(expr, map.view.clone()))
    }

    /// Add, Sub, Mul and Div with a constant: of products, of the input before it is quantized, or of constants.
    pub(super) fn arithmetic(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let operator = call.node.op_type.as_str();
        let (left, right) = (call.needed(0)?, call.needed(1)?);
        if let (Value::Const(left), Value::Const(right)) = (left, right) {
            return self.constant_arithmetic(call, left, right);
        }
        let (value, index, constant) = match (left, right) {
            (value, constant @ (Value::Const(_) | Value::RealConst(_))) => (value, 0, constant),
            (constant @ (Value::Const(_) | Value::RealConst(_)), value)
                if matches!(operator, "Add" | "Mul") =>
            {
                (value, 1, constant)
            }
            _ => {
                return Err(Fault::new(
                    format!("it is a {operator} of maps"),
                    "maps are only added to each other; replace it, train and quantize again",
                ));
            }
        };
        if let Value::Input(input) = value {
            return self.host_step(call, input, &constant.dims().unwrap_or_default());
        }
        let (expr, view) = self.expr(call, index)?;
        let (constants, dims) = match constant {
            Value::RealConst(real) => (real.floats(), real.ints.dims.clone()),
            Value::Const(tensor) => {
                (tensor.floats().unwrap_or_default().to_vec(), tensor.dims.clone())
            }
            _ => unreachable!("a constant was matched"),
        };
        if let (Value::RealConst(constant), "Add", Some(_)) =
            (constant, operator, self.emitter.natural(&expr))
        {
            let map = self.real_map(call, index)?;
            return self.map_plus(call, &map, constant);
        }
        let constants = channels_of(&constants, &dims, &view)?;
        let none = vec![0.0; constants.len()];
        let ones = vec![1.0; constants.len()];
        let (factors, offsets) = match operator {
            "Add" => (ones, constants),
            "Sub" => (ones, constants.iter().map(|constant| -constant).collect()),
            "Mul" => (constants, none),
            _ => (constants.iter().map(|constant| 1.0 / constant).collect(), none),
        };
        let expr = self.affine(call, &expr, &factors, &offsets)?;
        Ok(Value::Pending(expr, view))
    }

    pub(super) fn batch_normalization(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let (expr, view) = self.expr(call, 0)?;
        let n = expr.shape.channels;
        let mut parameters = Vec::with_capacity(4);
        for index in 1..5 {
            let floats = call.constant(index)?.and_then(Tensor::floats);
            let floats = floats.filter(|floats| floats.len() == n);
            let floats = floats.ok_or_else(|| {
                Fault::new(
                    format!("its input {index} is no float32 number a channel"),
                    "export the model for inference",
                )
            })?;
            parameters.push(floats.iter().map(|value| f64::from(*value)).collect::<Vec<_>>());
        }
        let [gain, offset, mean, variance] = &parameters[..] else {
            unreachable!("four were pushed")
        };
        let epsilon = f64::from(call.node.float("epsilon")?.unwrap_or(1e-5));
        let factors: Vec<f64> = (0..n).map(|k| gain[k] / (variance[k] + epsilon).sqrt()).collect();
        let offsets: Vec<f64> = (0..n).map(|k| offset[k] - mean[k] * factors[k]).collect();
        let expr = self.affine(call, &expr, &factors, &offsets)?;
        Ok(Value::Pending(expr, view))
    }

    /// `factor * products + offset`, a factor and an offset for each channel, as other weights, scales and biases.
    fn affine(
        &mut self,
        call: &Call<'_>,
        expr: &Rc<Expr>,
        factors: &[f64],
        offsets: &[f64],
    ) -> Outcome<Rc<Expr>> {
        if factors.iter().chain(offsets).any(|number| !number.is_finite()) {
            return Err(Fault::new("it has a constant that is no finite number", "train it again"));
        }
        let (ExprOp::Conv(map, linear, _) | ExprOp::FullyConnected(map, linear)) = &expr.op else {
            let quant = self.emitter.natural(expr).ok_or_else(|| {
                Fault::new(
                    format!("it is no {} right behind a convolution, a product or a map", call.node.op_type),
                    "quantize what it reads, or fold it into the convolution or product before it, then quantize: onnxruntime.quantization.shape_inference.quant_pre_process",
                )
            })?;
            let map = self.emitter.quantized(expr, quant, ALL, "")?;
            let channel = |(factor, offset): (&f64, &f64)| Affine {
                factor: *factor as f32,
                offset: *offset as f32,
                quantized: None,
            };
            let channels = factors.iter().zip(offsets).map(channel).collect();
            return Expr::new(&call.site, expr.shape, ExprOp::Affine(map, channels));
        };
        let mut linear = linear.clone();
        let input_scale = f64::from(self.emitter.graph.tensor(*map).scale);
        if factors.iter().any(|factor| *factor != 1.0) {
            let n_out = linear.weight.dim().0;
            if linear.scales.len() == 1 {
                linear.scales = vec![linear.scales[0]; n_out];
            }
            for (k, factor) in factors.iter().enumerate() {
                let scale = f64::from(linear.scales[k]);
                let bias = linear.bias[k] as f64 * input_scale * scale + linear.real_bias[k];
                linear.bias[k] = 0;
                linear.real_bias[k] = bias * factor;
                if *factor != 0.0 {
                    linear.scales[k] = (scale * factor.abs()) as f32;
                }
                if *factor > 0.0 {
                    continue;
                }
                let mut weights =
                    Rc::make_mut(&mut linear.weight).index_axis_mut(ndarray::Axis(0), k);
                if *factor == 0.0 {
                    weights.fill(0);
                } else if weights.iter().any(|weight| *weight == i8::MIN) {
                    return Err(Fault::new(
                        format!(
                            "its factor of channel {k} is negative, and a weight there is -128"
                        ),
                        "fold it into the convolution or product before it, then quantize",
                    ));
                } else {
                    weights.mapv_inplace(|weight| -weight);
                }
            }
            if linear.scales.iter().any(|scale| !scale.is_normal()) {
                return Err(Fault::new("its factors are out of range", "train it again"));
            }
        }
        for (bias, offset) in linear.real_bias.iter_mut().zip(offsets) {
            *bias += offset;
        }
        let op = match &expr.op {
            ExprOp::Conv(map, _, geometry) => ExprOp::Conv(*map, linear, *geometry),
            _ => ExprOp::FullyConnected(*map, linear),
        };
        Expr::new(&expr.site, expr.shape, op)
    }
}

/// One number for each channel.
fn channels_of(constants: &[f32], dims: &[usize], view: &View) -> Outcome<Vec<f64>> {
    per_channel(constants, dims, view).ok_or_else(|| {
        Fault::new(
            format!("its constant of {} is not one number a channel", shown_dims(dims)),
            "replace it, train and quantize again",
        )
    })
}

/// A constant as int8 with one scale and zero point for all channels, if it is that.
fn quantized_channels(constant: &RealConst, n_channels: usize) -> Option<Vec<(i8, Quantization)>> {
    let (&[scale], &[zero_point]) = (&constant.scales[..], &constant.zero_points[..]) else {
        return None;
    };
    let offset = match constant.ints.data {
        Data::I8(_) => 0,
        Data::U8(_) => 128,
        _ => return None,
    };
    let int8 = |value: i64| i8::try_from(value - offset).ok();
    let meaning = Quantization { scale, zero_point: int8(zero_point)? };
    let ints = constant.ints.ints()?;
    let value = |k: usize| Some((int8(ints[if ints.len() == 1 { 0 } else { k }])?, meaning));
    (0..n_channels).map(value).collect()
}

/// One number for each channel of a constant that is repeated over a tensor.
fn per_channel(constants: &[f32], dims: &[usize], view: &View) -> Option<Vec<f64>> {
    let n_channels = view.shape().channels;
    let value = |value: &f32| f64::from(*value);
    if let [constant] = constants {
        let fits = dims.len() <= view.rank();
        return fits.then(|| vec![value(constant); n_channels]);
    }
    let start = view.rank().checked_sub(dims.len())?;
    let has_channels = |(index, dim): (usize, &usize)| {
        *dim == 1 || (*dim == n_channels && view.is_alone(Axis::Channel, start + index))
    };
    let fits = constants.len() == n_channels && dims.iter().enumerate().all(has_channels);
    fits.then(|| constants.iter().map(value).collect())
}
