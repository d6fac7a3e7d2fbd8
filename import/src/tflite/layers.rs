//! One operator: what it reads, what it computes.

use ndarray::Array4;
use spec::{Bounds, Rounding, Shape};

use super::buffer::Table;
use super::operators::{Call, Fault, Reader, UNKNOWN_HELP};
use super::tensors::TensorInfo;
use crate::error::Error;
use crate::graph::{AveragePool, Conv, FullyConnected, HostOp, Op, Pool, same_padding};

/// What an operator becomes.
pub(super) struct Read {
    /// Tensors.
    pub(super) inputs: Vec<usize>,
    pub(super) op: Op,
    pub(super) bounds: Bounds,
}

/// A window or kernel as the options give it.
struct Sweep {
    stride: [usize; 2],
    dilation: [usize; 2],
    is_same: bool,
}

impl Sweep {
    /// `[stride_w, stride_h]` begin at field 1, dilations at `dilation`, which is `None` for pools.
    fn read(options: &Table, dilation: Option<usize>) -> Result<Self, Fault> {
        let size = |index: usize, default: i32| -> Result<usize, Fault> {
            let value = options.number(index, default)?;
            usize::try_from(value).ok().filter(|value| *value > 0).ok_or_else(|| {
                Error::damaged("options", format!("a stride or dilation of {value}")).into()
            })
        };
        let stride = [size(2, 0)?, size(1, 0)?];
        let dilation = match dilation {
            Some(at) => [size(at + 1, 1)?, size(at, 1)?],
            None => [1; 2],
        };
        let is_same = match options.number(0, 0i8)? {
            0 => true,
            1 => false,
            other => {
                return Err(Error::damaged("options", format!("padding scheme {other}")).into());
            }
        };
        Ok(Self { stride, dilation, is_same })
    }

    /// Top, bottom, left, right.
    fn padding(&self, map: Shape, kernel: [usize; 2]) -> [usize; 4] {
        if !self.is_same {
            return [0; 4];
        }
        let extent = [0, 1].map(|axis| {
            (kernel[axis].max(1) - 1).saturating_mul(self.dilation[axis]).saturating_add(1)
        });
        let [top, bottom] = same_padding(map.height, extent[0], self.stride[0]);
        let [left, right] = same_padding(map.width, extent[1], self.stride[1]);
        [top, bottom, left, right]
    }
}

impl<'a> Reader<'a> {
    /// Reads an operator that the accelerator runs.
    pub(super) fn read_op(&mut self, call: &Call<'_, 'a>) -> Result<Read, Fault> {
        let one = |op, bounds| Ok(Read { inputs: vec![call.input(0)?], op, bounds });
        match call.operator.kind.as_str() {
            "CONV_2D" => self.conv(call, false),
            "DEPTHWISE_CONV_2D" => self.conv(call, true),
            "FULLY_CONNECTED" => self.fully_connected(call),
            "ADD" => {
                let inputs = vec![call.input(0)?, call.input(1)?];
                for input in &inputs {
                    self.map(*input)?;
                }
                Ok(Read { inputs, op: Op::Add, bounds: self.fused(call, 0)? })
            }
            "MAX_POOL_2D" => {
                let (pool, bounds) = self.pool(call)?;
                one(Op::MaxPool(pool), bounds)
            }
            "AVERAGE_POOL_2D" => {
                let (pool, bounds) = self.pool(call)?;
                let rounding = Rounding::HalfAway;
                one(Op::AveragePool(AveragePool { pool, counts_padding: false, rounding }), bounds)
            }
            "MEAN" => self.mean(call),
            "CONCATENATION" => self.concat(call),
            "QUANTIZE" => {
                self.map(call.input(0)?)?;
                one(Op::Requantize, Bounds::INT8)
            }
            "RELU" => one(Op::Requantize, self.bounds(call, 1)?),
            "RELU_N1_TO_1" => one(Op::Requantize, self.bounds(call, 2)?),
            "RELU6" => one(Op::Requantize, self.bounds(call, 3)?),
            "RELU_0_TO_1" => one(Op::Requantize, self.between(call, 0.0, 1.0)?),
            "PAD" | "PADV2" => self.pad(call),
            "RESHAPE" | "SQUEEZE" | "EXPAND_DIMS" => {
                self.map(call.input(0)?)?;
                one(Op::Reshape, Bounds::INT8)
            }
            "TRANSPOSE" => self.transpose(call),
            "SPACE_TO_BATCH_ND" | "BATCH_TO_SPACE_ND" => Err(Fault::problem(
                "a dilated convolution written as batches",
                "convert the model with a current converter, which writes the dilation into the convolution",
            )),
            kind => Err(Fault::problem(format!("there is no {kind}"), UNKNOWN_HELP)),
        }
    }

    /// The table of options.
    fn options(&self, call: &Call<'_, 'a>) -> Result<Table<'a>, Fault> {
        let missing =
            || Error::damaged("operator", format!("{} has no options", call.operator.kind));
        Ok(call.operator.options.ok_or_else(missing)?)
    }

    /// Bounds of the fused activation function in field `index` of the options, which may be missing.
    fn fused(&self, call: &Call<'_, 'a>, index: usize) -> Result<Bounds, Fault> {
        let code = call.operator.options.map_or(Ok(0), |options| options.number(index, 0i8))?;
        self.bounds(call, code)
    }

    /// Bounds of an activation function, by its number in the schema.
    fn bounds(&self, call: &Call, function: i8) -> Result<Bounds, Fault> {
        match function {
            0 => Ok(Bounds::INT8),
            1 => self.between(call, 0.0, f32::INFINITY),
            2 => self.between(call, -1.0, 1.0),
            3 => self.between(call, 0.0, 6.0),
            other => Err(Fault::problem(
                format!("a fused activation function of number {other}, such as tanh"),
                "use ReLU, ReLU6 or none",
            )),
        }
    }

    /// Bounds of real values, quantized as XNNPACK does: `x / scale + zero_point`, half to even.
    fn between(&self, call: &Call, low: f32, high: f32) -> Result<Bounds, Fault> {
        let (_, scale, zero_point) = self.map(call.output)?;
        let quantized = |value: f32| {
            let value = value / scale + f32::from(zero_point);
            value.clamp(-128.0, 127.0).round_ties_even() as i16
        };
        Ok(Bounds { low: quantized(low), high: quantized(high) })
    }

    fn conv(&mut self, call: &Call<'_, 'a>, is_depthwise: bool) -> Result<Read, Fault> {
        let (input, options) = (call.input(0)?, self.options(call)?);
        let (map, ..) = self.map(input)?;
        let info = constant(&self.infos, call.input(1)?)?;
        let stored = info.weight(&mut self.budget)?;
        let (axis, function, dilation) = if is_depthwise { (3, 4, 5) } else { (0, 3, 4) };
        let weight = if is_depthwise { by_channel(stored)? } else { stored };
        let (channels, height, width, n_inputs) = weight.dim();
        if n_inputs == 0 || channels == 0 || height == 0 || width == 0 {
            return Err(Error::damaged("weights", "they are empty").into());
        }
        let weight_scales = info.weight_scales(axis, channels, &mut self.budget)?;
        if !map.channels.is_multiple_of(n_inputs) {
            let fault =
                format!("weights for {n_inputs} channels do not fit a map of {}", map.channels);
            return Err(Error::damaged("weights", fault).into());
        }
        let bias = self.bias(call, channels)?;
        let sweep = Sweep::read(&options, Some(dilation))?;
        let padding = sweep.padding(map, [height, width]);
        let groups = map.channels / n_inputs;
        let (stride, dilation) = (sweep.stride, sweep.dilation);
        let bounds = self.fused(call, function)?;
        let op = Op::Conv(Conv { weight, weight_scales, bias, groups, stride, dilation, padding });
        Ok(Read { inputs: vec![input], op, bounds })
    }

    /// The third input, or zeros.
    fn bias(&mut self, call: &Call, channels: usize) -> Result<Vec<i32>, Fault> {
        match call.inputs.get(2).copied().flatten() {
            Some(bias) => constant(&self.infos, bias)?.bias(channels, &mut self.budget),
            None => Ok(vec![0; channels]),
        }
    }

    fn fully_connected(&mut self, call: &Call<'_, 'a>) -> Result<Read, Fault> {
        let input = call.input(0)?;
        let (map, ..) = self.map(input)?;
        let info = constant(&self.infos, call.input(1)?)?;
        let weight = info.weight(&mut self.budget)?;
        let (channels, height, width, n_inputs) = weight.dim();
        if (height, width) != (1, 1) || n_inputs == 0 || channels == 0 {
            return Err(Error::damaged(
                "weights",
                "those of a fully connected operator have two axes",
            )
            .into());
        }
        let format = call.operator.options.map_or(Ok(0), |options| options.number(1, 0i8))?;
        if format != 0 {
            return Err(Fault::problem(
                "its weights are shuffled",
                "convert the model without shuffled weights",
            ));
        }
        let weight_scales = info.weight_scales(0, channels, &mut self.budget)?;
        let bias = self.bias(call, channels)?;
        let bounds = self.fused(call, 0)?;
        let op = if map.n_values() == n_inputs {
            Op::FullyConnected(FullyConnected { weight, weight_scales, bias })
        } else if map.channels == n_inputs {
            // The same product at every pixel.
            let (stride, dilation) = ([1; 2], [1; 2]);
            Op::Conv(Conv {
                weight,
                weight_scales,
                bias,
                groups: 1,
                stride,
                dilation,
                padding: [0; 4],
            })
        } else {
            let fault =
                format!("weights for {n_inputs} values do not fit a map of {}", map.n_values());
            return Err(Error::damaged("weights", fault).into());
        };
        Ok(Read { inputs: vec![input], op, bounds })
    }

    fn pool(&mut self, call: &Call<'_, 'a>) -> Result<(Pool, Bounds), Fault> {
        let (map, ..) = self.map(call.input(0)?)?;
        let options = self.options(call)?;
        let sweep = Sweep::read(&options, None)?;
        let sizes = [options.number(4, 0i32)?, options.number(3, 0i32)?];
        let kernel = sizes.map(|size| usize::try_from(size).unwrap_or(0));
        if kernel.contains(&0) {
            return Err(Error::damaged(
                "options",
                format!("a window of {}x{}", sizes[0], sizes[1]),
            )
            .into());
        }
        let padding = sweep.padding(map, kernel);
        Ok((Pool { kernel, stride: sweep.stride, padding }, self.fused(call, 5)?))
    }

    /// The mean over rows and columns.
    fn mean(&mut self, call: &Call<'_, 'a>) -> Result<Read, Fault> {
        let input = call.input(0)?;
        self.map(input)?;
        let axes = constant(&self.infos, call.input(1)?)?.integers(&mut self.budget)?;
        let shape = &self.infos[input].shape;
        let n_axes = shape.len() as i64;
        let is_meant =
            |axis: usize| axes.iter().any(|one| one.rem_euclid(n_axes.max(1)) == axis as i64);
        // What is meant over must be rows and columns, but that an axis of 1 may be either.
        let last = shape.len().saturating_sub(1);
        let right = (0..shape.len())
            .all(|axis| shape[axis] == 1 || is_meant(axis) == (axis != 0 && axis != last));
        if !right || shape.len() < 3 {
            let fault = format!("a mean over axes {axes:?} of {}", self.infos[input].description());
            return Err(Fault::problem(fault, "take the mean over height and width together"));
        }
        let op = Op::GlobalAveragePool;
        Ok(Read { inputs: vec![input], op, bounds: Bounds::INT8 })
    }

    fn concat(&mut self, call: &Call<'_, 'a>) -> Result<Read, Fault> {
        let inputs: Vec<usize> =
            (0..call.inputs.len()).map(|index| call.input(index)).collect::<Result<_, _>>()?;
        for input in &inputs {
            self.map(*input)?;
        }
        let axis = call.operator.options.map_or(Ok(0), |options| options.number(0, 0i32))?;
        let n_axes = self.infos[call.output].shape.len() as i32;
        if axis != -1 && axis != n_axes - 1 {
            let fault = format!(
                "a concatenation along axis {axis} of {}",
                self.infos[call.output].description()
            );
            return Err(Fault::problem(fault, "concatenate along the channels, the last axis"));
        }
        Ok(Read { inputs, op: Op::Concat, bounds: self.fused(call, 1)? })
    }

    fn pad(&mut self, call: &Call<'_, 'a>) -> Result<Read, Fault> {
        let input = call.input(0)?;
        let (_, _, zero_point) = self.map(input)?;
        let sizes = constant(&self.infos, call.input(1)?)?.integers(&mut self.budget)?;
        if let Some(value) = call.inputs.get(2).copied().flatten() {
            let value = constant(&self.infos, value)?.values(&mut self.budget)?;
            if value != [zero_point] {
                let fault = format!("it pads with {value:?}, the input's zero is {zero_point}");
                return Err(Fault::problem(fault, "pad with zeros"));
            }
        }
        let shape = &self.infos[input].shape;
        let sizes: Vec<usize> =
            sizes.iter().map(|size| usize::try_from(*size).unwrap_or(usize::MAX)).collect();
        let ([0, 0, top, bottom, left, right, 0, 0], 4) = (&sizes[..], shape.len()) else {
            let fault = format!("it pads {} by {sizes:?}", self.infos[input].description());
            return Err(Fault::problem(fault, "pad rows and columns of maps of four axes"));
        };
        Ok(Read {
            inputs: vec![input],
            op: Op::Pad([*top, *bottom, *left, *right]),
            bounds: Bounds::INT8,
        })
    }

    /// Axes of 1 may go anywhere; another order than that of the file is made on the host.
    fn transpose(&mut self, call: &Call<'_, 'a>) -> Result<Read, Fault> {
        let input = call.input(0)?;
        self.map(input)?;
        let order = constant(&self.infos, call.input(1)?)?.integers(&mut self.budget)?;
        let shape = &self.infos[input].shape;
        let long = |axis: &&i64| {
            usize::try_from(**axis)
                .ok()
                .and_then(|axis| shape.get(axis))
                .is_some_and(|size| *size != 1)
        };
        let moved: Vec<_> = order.iter().filter(long).collect();
        let keeps = moved.is_sorted() && order.len() == shape.len();
        let op = if keeps { Op::Reshape } else { Op::Host(HostOp::Transpose) };
        Ok(Read { inputs: vec![input], op, bounds: Bounds::INT8 })
    }
}

/// A tensor that has to be a constant.
pub(super) fn constant<'r, 'a>(
    infos: &'r [TensorInfo<'a>],
    index: usize,
) -> Result<&'r TensorInfo<'a>, Fault> {
    let info = &infos[index];
    if info.is_constant() {
        return Ok(info);
    }
    let fault = format!("{:?} is computed, not a constant", info.name);
    Err(Fault::problem(fault, "make weights and sizes constants of the model"))
}

/// `[1, height, width, channels]` of a depthwise convolution to `[channels, height, width, 1]`.
fn by_channel(stored: Array4<i8>) -> Result<Array4<i8>, Fault> {
    if stored.dim().0 != 1 {
        return Err(Error::damaged(
            "weights",
            "those of a depthwise convolution begin with an axis of 1",
        )
        .into());
    }
    Ok(stored.permuted_axes([3, 1, 2, 0]).as_standard_layout().into_owned())
}
