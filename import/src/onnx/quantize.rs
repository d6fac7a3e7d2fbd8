//! QuantizeLinear, DequantizeLinear and limits.

use std::rc::Rc;

use spec::shown;

use super::call::Call;
use super::emit::ALL;
use super::fault::{Fault, Outcome};
use super::proto::data_type;
use super::reader::{Reader, int_range};
use super::tensor::{Data, Tensor};
use super::value::{Expr, ExprOp, Map, Quant, RealConst, Site, Value};
use super::view::View;

impl Reader<'_> {
    pub(super) fn quantize_linear(&mut self, call: &Call<'_>) -> Outcome<Value> {
        if let Value::Const(_) | Value::RealConst(_) = call.needed(0)? {
            return self.quantized_constant(call);
        }
        let output = call.node.int("output_dtype")?.unwrap_or(0);
        let default = if output == 0 { data_type::UINT8 } else { output as i32 };
        let quant = quant(call, 1, 2, default)?;
        let name = call.node.output.first().map_or("", String::as_str);
        match call.needed(0)? {
            Value::Input(input) if input.data_type == data_type::FLOAT => {
                Ok(Value::Int(self.quantized_input(input, quant)?))
            }
            Value::Real(_) | Value::Pending(..) => {
                let (expr, view) = self.expr(call, 0)?;
                Ok(Value::Int(self.quantized(&expr, &view, quant, name)?))
            }
            _ => Err(Fault::new("it quantizes what is quantized", "leave it out")),
        }
    }

    /// The integers of an expression under a name of the file.
    pub(super) fn quantized(
        &mut self,
        expr: &Rc<Expr>,
        view: &View,
        quant: Quant,
        name: &str,
    ) -> Outcome<Map> {
        let range = self.range_after(name, quant.is_unsigned);
        let id = self.emitter.quantized(expr, quant, range, name)?;
        Ok(Map { id, view: view.clone(), is_unsigned: quant.is_unsigned, range })
    }

    pub(super) fn dequantize_linear(&mut self, call: &Call<'_>) -> Outcome<Value> {
        match call.needed(0)? {
            Value::Const(ints) => self.dequantized_constant(call, ints),
            Value::Int(_) | Value::Input(_) => Ok(Value::Real(self.map(call, 0, 1, 2)?)),
            _ => Err(Fault::new("what it reads is not quantized", "leave it out")),
        }
    }

    /// The map that a quantized operator reads, whose scale and zero point are other inputs.
    pub(super) fn map(
        &mut self,
        call: &Call<'_>,
        index: usize,
        scale: usize,
        zero: usize,
    ) -> Outcome<Map> {
        match call.needed(index)? {
            Value::Int(map) => {
                let default = if map.is_unsigned { data_type::UINT8 } else { data_type::INT8 };
                let quant = quant(call, scale, zero, default)?;
                if !self.emitter.has(map.id, quant) || map.is_unsigned != quant.is_unsigned {
                    let tensor = self.emitter.graph.tensor(map.id);
                    return Err(Fault::new(
                        format!(
                            "it reads {} of scale {} as if its scale was {}, with zero point {} (int8) as {}",
                            shown(&call.node.input[index]),
                            tensor.scale,
                            quant.scale,
                            tensor.zero_point,
                            quant.zero_point
                        ),
                        "give it the scale and the zero point that its input was quantized with",
                    ));
                }
                Ok(map.clone())
            }
            Value::Input(input)
                if matches!(input.data_type, data_type::INT8 | data_type::UINT8) =>
            {
                let quant = quant(call, scale, zero, input.data_type)?;
                self.quantized_input(&input.clone(), quant)
            }
            Value::Const(_) => Err(Fault::new(
                "it reads a constant where a map is needed",
                "fold constants: onnxsim, or onnxruntime's basic optimizations",
            )),
            _ => Err(Fault::float("what it reads")),
        }
    }

    /// The real values of an input.
    pub(super) fn expr(&mut self, call: &Call<'_>, index: usize) -> Outcome<(Rc<Expr>, View)> {
        match call.needed(index)? {
            Value::Pending(expr, view) => Ok((Rc::clone(expr), view.clone())),
            Value::Real(map) => {
                let shape = map.view.shape();
                Ok((Expr::new(&call.site, shape, ExprOp::Map(map.id))?, map.view.clone()))
            }
            Value::Input(_) => Err(Fault::new(
                "it computes in floating point what the network begins with",
                "quantize the input first, or do this before the model",
            )),
            Value::Int(_) => Err(Fault::new(
                "it computes with integers as if they were real values",
                "put a DequantizeLinear before it and a QuantizeLinear behind it",
            )),
            _ => Err(Fault::new(
                "it computes with constants alone",
                "fold constants: onnxsim, or onnxruntime's basic optimizations",
            )),
        }
    }

    /// The map whose real values an input is.
    pub(super) fn real_map(&mut self, call: &Call<'_>, index: usize) -> Outcome<Map> {
        match call.needed(index)? {
            Value::Real(map) => Ok(map.clone()),
            _ => {
                let (expr, view) = self.expr(call, index)?;
                let fault = || {
                    let Site { kind, name, .. } = &expr.site;
                    let what = format!("what {} {:?} gives it", shown(kind), shown(name));
                    Fault::float(&what)
                };
                let quant = self.emitter.natural(&expr).ok_or_else(fault)?;
                let id = self.emitter.quantized(&expr, quant, ALL, "")?;
                Ok(Map { id, view, is_unsigned: false, range: ALL })
            }
        }
    }

    /// Relu and Clip.
    pub(super) fn limit(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let (low, high) = if call.node.op_type == "Relu" {
            (Some(0.0), None)
        } else if self.opset < 11 {
            let bound = |name| -> Outcome<_> { Ok(call.node.float(name)?.map(f64::from)) };
            (bound("min")?, bound("max")?)
        } else {
            (call.constant_float(1)?, call.constant_float(2)?)
        };
        if let Value::Const(tensor) = call.needed(0)? {
            return self.limited_constant(tensor, low, high);
        }
        if let Value::Int(map) = call.needed(0)? {
            let [low, high] = [low, high].map(|bound| bound.map(|bound| bound as i64));
            let range = int_range(low, high, map.is_unsigned)
                .ok_or_else(|| Fault::new("it leaves no value of int8", "correct its bounds"))?;
            if range[0] <= map.range[0] && map.range[1] <= range[1] {
                return Ok(Value::Int(map.clone()));
            }
            let tensor = self.emitter.graph.tensor(map.id);
            let (scale, zero_point) = (tensor.scale, tensor.zero_point);
            let quant = Quant { scale, zero_point, is_unsigned: map.is_unsigned };
            let expr = Expr::new(&call.site, map.view.shape(), ExprOp::Map(map.id))?;
            let id = self.emitter.quantized(&expr, quant, range, &call.site.name)?;
            return Ok(Value::Int(Map { id, range, ..map.clone() }));
        }
        let (expr, view) = self.expr(call, 0)?;
        let low = low.unwrap_or(f64::NEG_INFINITY);
        let high = high.unwrap_or(f64::INFINITY);
        if low.partial_cmp(&high).is_none_or(|order| order.is_gt()) {
            return Err(Fault::new(format!("its bounds are {low} and {high}"), "correct them"));
        }
        let shape = expr.shape;
        Ok(Value::Pending(Expr::new(&call.site, shape, ExprOp::Clamp(expr, low, high))?, view))
    }

    fn limited_constant(
        &mut self,
        tensor: &Tensor,
        low: Option<f64>,
        high: Option<f64>,
    ) -> Outcome<Value> {
        let (low, high) = (low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY));
        let limited = |value: f64| value.max(low).min(high);
        let data = match &tensor.data {
            Data::F32(values) => {
                Data::F32(values.iter().map(|value| limited((*value).into()) as f32).collect())
            }
            Data::I8(values) => {
                Data::I8(values.iter().map(|value| limited((*value).into()) as i8).collect())
            }
            Data::U8(values) => {
                Data::U8(values.iter().map(|value| limited((*value).into()) as u8).collect())
            }
            other => return Err(type_fault(other.data_type())),
        };
        self.folded(Tensor { dims: tensor.dims.clone(), data })
    }

    fn quantized_constant(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let (floats, dims): (Rc<[f32]>, _) = match call.needed(0)? {
            Value::RealConst(real) => (real.floats().into(), real.ints.dims.clone()),
            Value::Const(Tensor { dims, data: Data::F32(values) }) => {
                (Rc::clone(values), dims.clone())
            }
            _ => return Err(Fault::new("it quantizes no floating-point constant", "leave it out")),
        };
        let (scales, zeros, zero_type) = constants(call, 1, 2)?;
        let axis = axis(call, &dims, scales.len())?;
        let output = call.node.int("output_dtype")?.unwrap_or(0) as i32;
        let data_type = zero_type.unwrap_or(if output == 0 { data_type::UINT8 } else { output });
        let inner: usize = dims.iter().skip(axis + 1).product();
        let at = |index: usize, n: usize| if n == 1 { 0 } else { index / inner.max(1) % n };
        let quantized = |(index, value): (usize, &f32)| {
            let steps = (value / scales[at(index, scales.len())]).round_ties_even();
            i64::from(steps as i32).saturating_add(zeros[at(index, zeros.len())])
        };
        let quantized = floats.iter().enumerate().map(quantized);
        let data = match data_type {
            data_type::INT8 => {
                Data::I8(quantized.map(|value| value.clamp(-128, 127) as i8).collect())
            }
            data_type::UINT8 => {
                Data::U8(quantized.map(|value| value.clamp(0, 255) as u8).collect())
            }
            data_type::INT32 => {
                let limited = |value: i64| value.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
                Data::I32(quantized.map(limited).collect())
            }
            other => return Err(type_fault(other)),
        };
        self.folded(Tensor { dims, data })
    }

    fn dequantized_constant(&mut self, call: &Call<'_>, ints: &Tensor) -> Outcome<Value> {
        match ints.data {
            Data::I8(_) | Data::U8(_) | Data::I32(_) => {}
            _ => return Err(type_fault(ints.data.data_type())),
        }
        let (scales, zeros, _) = constants(call, 1, 2)?;
        let axis = axis(call, &ints.dims, scales.len())?;
        if call.node.int("block_size")?.unwrap_or(0) != 0 {
            return Err(Fault::new(
                "its constants are quantized in blocks",
                "quantize weights per tensor, or per output channel",
            ));
        }
        let (scales, zero_points) = (scales.into(), zeros.into());
        Ok(Value::RealConst(RealConst { ints: ints.clone(), scales, zero_points, axis }))
    }
}

/// Scale and zero point of a map, which are one each.
pub(super) fn quant(
    call: &Call<'_>,
    scale: usize,
    zero: usize,
    default_type: i32,
) -> Outcome<Quant> {
    let (scales, zeros, zero_type) = constants(call, scale, zero)?;
    let (&[scale], &[zero_point]) = (&scales[..], &zeros[..]) else {
        return Err(Fault::new(
            "it has a scale for each channel of a map",
            "quantize maps per tensor; weights alone may have a scale for each channel",
        ));
    };
    let offset = match zero_type.unwrap_or(default_type) {
        data_type::INT8 => 0,
        data_type::UINT8 => 128,
        other => return Err(type_fault(other)),
    };
    let zero_point = i8::try_from(zero_point - offset).map_err(|_| type_fault(default_type))?;
    Ok(Quant { scale, zero_point, is_unsigned: offset != 0 })
}

/// Scales, zero points, and the type of these if they are there.
pub(super) fn constants(
    call: &Call<'_>,
    scale: usize,
    zero: usize,
) -> Outcome<(Vec<f32>, Vec<i64>, Option<i32>)> {
    let tensor = call.constant(scale)?;
    let scales = tensor.and_then(Tensor::floats).unwrap_or_default().to_vec();
    if scales.is_empty() {
        return Err(Fault::new(
            format!("its scale (input {scale}) is no float32 number"),
            "quantize a float32 model",
        ));
    }
    if let Some(scale) = scales.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
        return Err(Fault::new(format!("its scale is {scale}"), "quantize the model again"));
    }
    let zero_type = call.constant(zero)?.map(|tensor| tensor.data.data_type());
    if let Some(other) = zero_type.filter(|found| !is_read(*found)) {
        return Err(type_fault(other));
    }
    let zeros = call.constant_ints(zero)?.unwrap_or_else(|| vec![0; scales.len()]);
    if zeros.len() != scales.len() && zeros.len() != 1 {
        return Err(Fault::new(
            format!("it has {} scales and {} zero points", scales.len(), zeros.len()),
            "quantize the model again",
        ));
    }
    Ok((scales, zeros, zero_type))
}

fn is_read(data_type: i32) -> bool {
    matches!(data_type, data_type::INT8 | data_type::UINT8 | data_type::INT32)
}

/// The axis along which constants have scales of their own.
fn axis(call: &Call<'_>, dims: &[usize], n_scales: usize) -> Outcome<usize> {
    if n_scales == 1 {
        return Ok(0);
    }
    let rank = dims.len() as i64;
    let axis = call.node.int("axis")?.unwrap_or(1);
    let axis = if axis < 0 { axis + rank } else { axis };
    let axis = usize::try_from(axis).ok().filter(|axis| dims.get(*axis) == Some(&n_scales));
    axis.ok_or_else(|| {
        Fault::new(
            format!("it has {n_scales} scales for {}", super::view::shown_dims(dims)),
            "quantize weights per tensor, or per output channel",
        )
    })
}

fn type_fault(found: i32) -> Fault {
    Fault::new(
        format!("it quantizes to {}", data_type::name(found)),
        "quantize to int8: activation_type and weight_type=QuantType.QInt8 of onnxruntime.quantization",
    )
}
