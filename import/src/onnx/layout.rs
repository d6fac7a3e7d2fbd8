//! What changes no value: shapes, orders of axes, maps side by side; and constants that are worked out of shapes.

use std::rc::Rc;

use spec::Shape;

use super::call::Call;
use super::emit::ALL;
use super::fault::{Fault, Outcome};
use super::linear::{bounded, layout_fault};
use super::proto::data_type;
use super::reader::Reader;
use super::tensor::{Data, Tensor};
use super::value::{Expr, ExprOp, Input, Map, RealConst, Value};
use super::view::{Axis, View, shown_dims};

impl Reader<'_> {
    pub(super) fn constant(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let node = call.node;
        let tensor = if let Some(tensor) = node.tensor("value")? {
            self.load(tensor)?
        } else if let Some(value) = node.float("value_float")? {
            Tensor { dims: Vec::new(), data: Data::F32([value].into()) }
        } else if let Some(value) = node.int("value_int")? {
            Tensor { dims: Vec::new(), data: Data::I64([value].into()) }
        } else if let Some(values) = node.ints("value_ints")? {
            Tensor::of_ints(values.to_vec())
        } else if let Some(values) =
            node.attribute.iter().find(|found| found.name == "value_floats")
        {
            let floats = values.floats.as_slice();
            Tensor { dims: vec![floats.len()], data: Data::F32(floats.into()) }
        } else {
            return Err(Fault::new("it is a constant of no kind that is read", "make it a tensor"));
        };
        Ok(Value::Const(tensor))
    }

    pub(super) fn identity(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let value = call.needed(0)?.clone();
        match call.node.op_type.as_str() {
            "Dropout" => {
                let trains = call.constant_ints(2)?.is_some_and(|trains| trains.contains(&1));
                if trains {
                    return Err(Fault::new("it drops values", "export the model for inference"));
                }
            }
            "Cast" => return self.cast(call, value),
            _ => {}
        }
        Ok(value)
    }

    fn cast(&mut self, call: &Call<'_>, value: Value) -> Outcome<Value> {
        let to = call.node.int("to")?.unwrap_or(0) as i32;
        match value {
            Value::Real(_) | Value::Pending(..) | Value::RealConst(_) if to == data_type::FLOAT => {
                Ok(value)
            }
            Value::Input(input) => {
                let steps = input.steps.iter().copied().chain([call.site.index]).collect();
                Ok(Value::Input(Input { data_type: to, steps, ..input }))
            }
            Value::Const(tensor) => {
                let data = match (&tensor.data, to, tensor.ints()) {
                    (_, data_type::INT64, Some(ints)) => Data::I64(ints.into()),
                    (_, data_type::FLOAT, Some(ints)) => {
                        Data::F32(ints.iter().map(|value| *value as f32).collect())
                    }
                    (_, data_type::INT32, Some(ints)) => {
                        Data::I32(ints.iter().map(|value| *value as i32).collect())
                    }
                    (_, data_type::INT8, Some(ints)) => {
                        Data::I8(ints.iter().map(|value| *value as i8).collect())
                    }
                    (_, data_type::UINT8, Some(ints)) => {
                        Data::U8(ints.iter().map(|value| *value as u8).collect())
                    }
                    (Data::F32(floats), data_type::FLOAT, _) => Data::F32(Rc::clone(floats)),
                    (Data::F32(floats), data_type::INT64, _) => {
                        Data::I64(floats.iter().map(|value| *value as i64).collect())
                    }
                    _ => return Err(cast_fault(to)),
                };
                self.folded(Tensor { dims: tensor.dims, data })
            }
            _ => Err(cast_fault(to)),
        }
    }

    /// Flatten, Reshape, Squeeze and Unsqueeze.
    pub(super) fn reshape(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let value = call.needed(0)?.clone();
        let dims = value.dims().ok_or(Fault::Follows)?;
        let new = call.new_dims(&dims)?;
        let as_many = |dims: &[usize]| super::view::n_values(dims);
        if as_many(&new).is_none() || as_many(&new) != as_many(&dims) {
            let (dims, new) = (shown_dims(&dims), shown_dims(&new));
            return Err(Fault::new(format!("it makes {new} of {dims}"), "export the model again"));
        }
        let reshaped = |view: &View| {
            view.reshaped(&new).ok_or_else(|| {
                let shape = view.shape();
                Fault::new(
                    format!(
                        "it makes {} of {}, where the map of {} rows, {} columns and {} channels is taken apart",
                        shown_dims(&new),
                        shown_dims(&dims),
                        shape.height,
                        shape.width,
                        shape.channels
                    ),
                    "rows, columns and channels may be joined and separated again, and not divided",
                )
            })
        };
        Ok(match value {
            Value::Const(tensor) => Value::Const(tensor.reshaped(new)),
            Value::RealConst(real) => {
                let is_one = real.scales.len() == 1 && real.zero_points.len() == 1;
                let without = |dims: &[usize]| {
                    dims.iter().copied().filter(|dim| *dim != 1).collect::<Vec<_>>()
                };
                let axis = if is_one {
                    0
                } else if without(&new) == without(&real.ints.dims) {
                    // The axis is the one before which as many others are larger than 1.
                    let before = without(&real.ints.dims[..real.axis]).len();
                    let larger = new.iter().enumerate().filter(|(_, dim)| **dim != 1);
                    larger.map(|(axis, _)| axis).nth(before).unwrap_or(0)
                } else {
                    return Err(Fault::new(
                        "it changes the shape of constants with a scale for each channel",
                        "fold constants: onnxsim, or onnxruntime's basic optimizations",
                    ));
                };
                Value::RealConst(RealConst { ints: real.ints.reshaped(new), axis, ..real })
            }
            Value::Input(input) => Value::Input(Input { view: reshaped(&input.view)?, ..input }),
            Value::Int(map) => Value::Int(Map { view: reshaped(&map.view)?, ..map }),
            Value::Real(map) => Value::Real(Map { view: reshaped(&map.view)?, ..map }),
            Value::Pending(expr, view) => Value::Pending(expr, reshaped(&view)?),
            Value::Host(_) | Value::Gone => return Err(Fault::Follows),
        })
    }

    pub(super) fn transpose(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let value = call.needed(0)?.clone();
        let rank = value.dims().ok_or(Fault::Follows)?.len();
        let order = match call.node.ints("perm")? {
            Some(order) => {
                order.iter().map(|axis| call.axis(*axis, rank)).collect::<Outcome<Vec<_>>>()?
            }
            None => (0..rank).rev().collect(),
        };
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..rank) {
            return Err(Fault::attribute("perm", &format!("{order:?}")));
        }
        Ok(match value {
            Value::Const(tensor) => self.folded(tensor.transposed(&order))?,
            Value::RealConst(real) => {
                let ints = match self.folded(real.ints.transposed(&order))? {
                    Value::Const(ints) => ints,
                    _ => return Err(Fault::Follows),
                };
                let axis = order.iter().position(|axis| *axis == real.axis).unwrap_or(0);
                Value::RealConst(RealConst { ints, axis, ..real })
            }
            Value::Input(input) => {
                Value::Input(Input { view: input.view.transposed(&order), ..input })
            }
            Value::Int(map) => Value::Int(Map { view: map.view.transposed(&order), ..map }),
            Value::Real(map) => Value::Real(Map { view: map.view.transposed(&order), ..map }),
            Value::Pending(expr, view) => Value::Pending(expr, view.transposed(&order)),
            Value::Host(_) | Value::Gone => return Err(Fault::Follows),
        })
    }

    pub(super) fn concat(&mut self, call: &Call<'_>) -> Outcome<Value> {
        if call.inputs.iter().flatten().all(|value| matches!(value, Value::Const(_))) {
            return self.joined_constants(call);
        }
        if let Some(Value::Int(first)) = call.input(0)? {
            let first = first.clone();
            return self.joined_integers(call, &first);
        }
        let parts = (0..call.inputs.len()).map(|index| self.expr(call, index));
        let parts = parts.collect::<Outcome<Vec<_>>>()?;
        self.joined(call, parts)
    }

    /// Integers side by side, which have to mean the same.
    fn joined_integers(&mut self, call: &Call<'_>, first: &Map) -> Outcome<Value> {
        let quant = self.quant_of(first);
        let mut parts = Vec::new();
        for index in 0..call.inputs.len() {
            match call.needed(index)? {
                Value::Int(map) if self.quant_of(map) == quant => {
                    let expr = Expr::new(&call.site, map.view.shape(), ExprOp::Map(map.id))?;
                    parts.push((expr, map.view.clone()));
                }
                _ => {
                    return Err(Fault::new(
                        "it joins integers of different scales",
                        "quantize its inputs alike, or use com.microsoft.QLinearConcat",
                    ));
                }
            }
        }
        let Value::Pending(expr, view) = self.joined(call, parts)? else {
            return Err(Fault::Follows);
        };
        let name = call.node.output.first().map_or("", String::as_str);
        let id = self.emitter.quantized(&expr, quant, ALL, name)?;
        Ok(Value::Int(Map { id, view, is_unsigned: first.is_unsigned, range: ALL }))
    }

    /// Maps side by side along their channels.
    pub(super) fn joined(
        &mut self,
        call: &Call<'_>,
        parts: Vec<(Rc<Expr>, View)>,
    ) -> Outcome<Value> {
        let Some((_, first)) = parts.first().cloned() else {
            return Err(Fault::new("it joins nothing", "export the model again"));
        };
        let rank = first.rank();
        let Some(axis) = call.node.int("axis")? else {
            return Err(Fault::attribute("axis", "missing"));
        };
        let axis = call.axis(axis, rank)?;
        let Shape { height, width, .. } = first.shape();
        let is_channel = |view: &View| {
            view.rank() == rank
                && axis > 0
                && view.is_alone(Axis::Channel, axis)
                && (view.shape().height, view.shape().width) == (height, width)
                && (view.shape().channels > 1
                    || view.is_channels_first() && axis == 1
                    || axis + 1 == rank)
                && (0..rank).all(|other| other == axis || view.axis(other) == first.axis(other))
        };
        if let Some((_, view)) = parts.iter().find(|(_, view)| !is_channel(view)) {
            let maps = parts.iter().map(|(_, view)| shown_dims(&view.dims())).collect::<Vec<_>>();
            return Err(if view.rank() == rank {
                Fault::new(
                    format!("it joins {} along axis {axis}", maps.join(" and ")),
                    "only channels of maps of the same rows and columns are joined; of flattened maps join the maps before",
                )
            } else {
                layout_fault(view)
            });
        }
        let channels = parts.iter().map(|(_, view)| view.shape().channels).sum();
        let shape = bounded(Shape { height, width, channels })?;
        let view = first.with_channels(axis, channels);
        let parts: Vec<_> = parts.into_iter().map(|(expr, _)| expr).collect();
        if let [part] = &parts[..] {
            return Ok(Value::Pending(Rc::clone(part), view));
        }
        let expr = Expr::new(&call.site, shape, ExprOp::Concat(parts))?;
        Ok(Value::Pending(expr, view))
    }

    /// A step before the input is quantized, with a constant of these dimensions.
    pub(super) fn host_step(
        &mut self,
        call: &Call<'_>,
        input: &Input,
        constant: &[usize],
    ) -> Outcome<Value> {
        let dims = input.view.dims();
        let start = dims.len().checked_sub(constant.len());
        let fits = start.is_some_and(|start| {
            constant
                .iter()
                .zip(&dims[start..])
                .all(|(constant, dim)| *constant == 1 || constant == dim)
        });
        if !fits {
            return Err(Fault::new(
                "it changes the shape of the input",
                "do this before the model",
            ));
        }
        let steps = input.steps.iter().copied().chain([call.site.index]).collect();
        Ok(Value::Input(Input { steps, ..input.clone() }))
    }
}

fn cast_fault(to: i32) -> Fault {
    Fault::new(
        format!("it converts values to {}", data_type::name(to)),
        "leave it out: between QuantizeLinear and DequantizeLinear all is float32",
    )
}
