//! A TFLite interpreter for what the tests write, from the published int8 specification and XNNPACK's rounding, sharing nothing with
//! the crate: plain loops over tensors in the order batch, height, width, channels.

use std::collections::HashMap;

use crate::builder::{Field, Model, Operator, Tensor, code};

/// A computed tensor: `[height, width, channels]` with a batch of 1.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    pub(crate) shape: [usize; 3],
    pub(crate) values: Vec<i32>,
}

impl Map {
    fn at(&self, y: i64, x: i64, c: usize) -> Option<i32> {
        let [height, width, channels] = self.shape;
        let inside = (0..height as i64).contains(&y) && (0..width as i64).contains(&x);
        inside.then(|| self.values[(y as usize * width + x as usize) * channels + c])
    }
}

fn sizes(tensor: &Tensor) -> [usize; 3] {
    let axes: Vec<usize> = tensor.shape[1..].iter().map(|axis| *axis as usize).collect();
    match axes[..] {
        [channels] => [1, 1, channels],
        [height, width, channels] => [height, width, channels],
        _ => panic!("tests write tensors of two or four axes, not {:?}", tensor.shape),
    }
}

fn signed(data: &[u8]) -> Vec<i32> {
    data.iter().map(|byte| i32::from(byte.cast_signed())).collect()
}

fn integers(data: &[u8]) -> Vec<i32> {
    data.chunks_exact(4).map(|bytes| i32::from_le_bytes(bytes.try_into().expect("four"))).collect()
}

/// The field of an operator's options.
fn option(operator: &Operator, field: usize, default: i32) -> i32 {
    let found = operator.options.iter().find(|(number, _)| *number == field);
    found.map_or(default, |(_, value)| match value {
        Field::Byte(value) => i32::from(*value),
        Field::Int(value) => *value,
    })
}

/// Runs one image; every computed tensor by its index.
pub(crate) fn run(model: &Model, image: &[i8]) -> HashMap<i32, Map> {
    let input = model.inputs[0];
    let values = image.iter().map(|value| i32::from(*value)).collect();
    let map = Map { shape: sizes(&model.tensors[input as usize]), values };
    let mut maps = HashMap::from([(input, map)]);
    for operator in &model.operators {
        let output = operator.outputs[0];
        let map = Call { model, operator, maps: &maps }.run();
        maps.insert(output, map);
    }
    maps
}

struct Call<'a> {
    model: &'a Model,
    operator: &'a Operator,
    maps: &'a HashMap<i32, Map>,
}

impl Call<'_> {
    fn tensor(&self, input: usize) -> &Tensor {
        &self.model.tensors[self.operator.inputs[input] as usize]
    }

    fn output(&self) -> &Tensor {
        &self.model.tensors[self.operator.outputs[0] as usize]
    }

    fn map(&self, input: usize) -> &Map {
        &self.maps[&self.operator.inputs[input]]
    }

    fn clamped(&self, value: f64, activation: i32) -> i32 {
        let output = self.output();
        let (scale, zero_point) = (f64::from(output.scales[0]), output.zero_points[0] as f64);
        let (low, high) = match activation {
            0 => (-128.0, 127.0),
            1 => (zero_point, 127.0),
            3 => (zero_point, (6.0 / scale + zero_point).round_ties_even().min(127.0)),
            other => panic!("activation {other}"),
        };
        (value + zero_point).clamp(low, high) as i32
    }

    fn run(&self) -> Map {
        let operator = self.operator;
        match operator.code {
            code::CONV_2D => self.conv(false),
            code::DEPTHWISE_CONV_2D => self.conv(true),
            code::FULLY_CONNECTED => self.fully_connected(),
            code::ADD => self.add(),
            code::MAX_POOL_2D | code::AVERAGE_POOL_2D => self.pool(),
            code::CONCATENATION => self.concat(),
            code::QUANTIZE | code::RELU => self.quantize(i32::from(operator.code == code::RELU)),
            code::PAD => self.pad(),
            code::MEAN => self.mean(),
            code::RESHAPE => Map { shape: sizes(self.output()), ..self.map(0).clone() },
            other => panic!("operation {other}"),
        }
    }

    /// Stride, dilation and what comes before the map of rows and columns.
    fn sweep(&self, kernel: [usize; 2], dilation_field: Option<usize>) -> [[i64; 3]; 2] {
        let [height, width, _] = self.map(0).shape;
        let [rows, columns, _] = sizes(self.output());
        let axis = |stride: usize, dilation: usize, size: usize, n: usize, taps: usize| {
            let stride = i64::from(option(self.operator, stride, 0));
            let dilation = match dilation_field {
                Some(_) => i64::from(option(self.operator, dilation, 1)),
                None => 1,
            };
            let reach = (n as i64 - 1) * stride + (taps as i64 - 1) * dilation + 1;
            let is_same = option(self.operator, 0, 0) == 0;
            let before = if is_same { (reach - size as i64).max(0) / 2 } else { 0 };
            [stride, dilation, before]
        };
        let field = dilation_field.unwrap_or(0);
        [axis(2, field + 1, height, rows, kernel[0]), axis(1, field, width, columns, kernel[1])]
    }

    /// A scale of one, or of each channel.
    fn scaled(&self, sum: i32, weight: &Tensor, channel: usize, activation: i32) -> i32 {
        let scale = weight.scales[channel % weight.scales.len()];
        let multiplier = self.tensor(0).scales[0] * scale / self.output().scales[0];
        let value = (f64::from(sum as f32) * f64::from(multiplier)).round_ties_even();
        self.clamped(value, activation)
    }

    fn conv(&self, is_depthwise: bool) -> Map {
        let (input, weight) = (self.map(0), self.tensor(1));
        let zero_point = self.tensor(0).zero_points[0] as i32;
        let (weights, bias) = (signed(&weight.data), integers(&self.tensor(2).data));
        let axes: Vec<usize> = weight.shape.iter().map(|axis| *axis as usize).collect();
        let (activation, dilation) = if is_depthwise { (4, 5) } else { (3, 4) };
        let activation = option(self.operator, activation, 0);
        let [[stride_y, dilation_y, top], [stride_x, dilation_x, left]] =
            self.sweep([axes[1], axes[2]], Some(dilation));
        let [rows, columns, channels] = sizes(self.output());
        let mut values = Vec::new();
        for (y, x, k) in positions(rows, columns, channels) {
            let mut sum = bias[k];
            for (ky, kx, c) in positions(axes[1], axes[2], axes[3]) {
                if is_depthwise && c != k {
                    continue;
                }
                let row = y as i64 * stride_y + ky as i64 * dilation_y - top;
                let column = x as i64 * stride_x + kx as i64 * dilation_x - left;
                let multiplier = channels / input.shape[2];
                let (from, at) = if is_depthwise {
                    (k / multiplier, (ky * axes[2] + kx) * axes[3] + k)
                } else {
                    let group = k / (channels / (input.shape[2] / axes[3]));
                    (group * axes[3] + c, ((k * axes[1] + ky) * axes[2] + kx) * axes[3] + c)
                };
                if let Some(value) = input.at(row, column, from) {
                    sum += (value - zero_point) * weights[at];
                }
            }
            values.push(self.scaled(sum, weight, k, activation));
        }
        Map { shape: [rows, columns, channels], values }
    }

    fn fully_connected(&self) -> Map {
        let (input, weight) = (self.map(0), self.tensor(1));
        let zero_point = self.tensor(0).zero_points[0] as i32;
        let bias = integers(&self.tensor(2).data);
        let weights = signed(&weight.data);
        let rows = weights.chunks_exact(input.values.len()).enumerate();
        let values = rows.map(|(k, row)| {
            let products = row.iter().zip(&input.values).map(|(w, x)| w * (x - zero_point));
            self.scaled(bias[k] + products.sum::<i32>(), weight, k, option(self.operator, 0, 0))
        });
        let values: Vec<i32> = values.collect();
        Map { shape: [1, 1, values.len()], values }
    }

    /// XNNPACK's: ratios of 21 bits at a common shift, halves up.
    fn add(&self) -> Map {
        let output = self.output().scales[0];
        let ratios = [0, 1].map(|input| self.tensor(input).scales[0] / output);
        let shift = 20 - f64::from(ratios[0].max(ratios[1])).log2().floor() as i32;
        let multipliers =
            ratios.map(|ratio| (f64::from(ratio) * 2f64.powi(shift)).round_ties_even());
        let zero_points = [0, 1].map(|input| self.tensor(input).zero_points[0] as i32);
        let (first, second) = (self.map(0), self.map(1));
        let pairs = first.values.iter().zip(&second.values);
        let values = pairs.map(|(a, b)| {
            let sum = f64::from(a - zero_points[0]) * multipliers[0]
                + f64::from(b - zero_points[1]) * multipliers[1];
            let value = (sum / 2f64.powi(shift) + 0.5).floor();
            self.clamped(value, option(self.operator, 0, 0))
        });
        Map { shape: first.shape, values: values.collect() }
    }

    fn pool(&self) -> Map {
        let input = self.map(0);
        let kernel = [option(self.operator, 4, 0) as usize, option(self.operator, 3, 0) as usize];
        let [[stride_y, _, top], [stride_x, _, left]] = self.sweep(kernel, None);
        let [rows, columns, channels] = sizes(self.output());
        let mut values = Vec::new();
        for (y, x, c) in positions(rows, columns, channels) {
            let window = positions(kernel[0], kernel[1], 1).filter_map(|(ky, kx, _)| {
                let row = y as i64 * stride_y + ky as i64 - top;
                input.at(row, x as i64 * stride_x + kx as i64 - left, c)
            });
            let pixels: Vec<i32> = window.collect();
            let value = if self.operator.code == code::MAX_POOL_2D {
                pixels.iter().copied().max().expect("a pixel")
            } else {
                (f64::from(pixels.iter().sum::<i32>()) / pixels.len() as f64).round() as i32
            };
            let zero_point = self.output().zero_points[0] as i32;
            values.push(self.clamped(f64::from(value - zero_point), option(self.operator, 5, 0)));
        }
        Map { shape: [rows, columns, channels], values }
    }

    fn concat(&self) -> Map {
        let parts: Vec<&Map> =
            (0..self.operator.inputs.len()).map(|input| self.map(input)).collect();
        let [rows, columns, channels] = sizes(self.output());
        let mut values = Vec::new();
        for pixel in 0..rows * columns {
            for part in &parts {
                let n = part.shape[2];
                values.extend(&part.values[pixel * n..(pixel + 1) * n]);
            }
        }
        Map { shape: [rows, columns, channels], values }
    }

    /// XNNPACK's conversion: a ratio with eight bits after the point, halves up.
    fn quantize(&self, activation: i32) -> Map {
        let ratio = self.tensor(0).scales[0] / self.output().scales[0];
        let multiplier = f64::from((256.0 * ratio).round_ties_even());
        let zero_point = self.tensor(0).zero_points[0] as i32;
        let input = self.map(0);
        let values = input.values.iter().map(|value| {
            let scaled = (f64::from(value - zero_point) * multiplier / 256.0 + 0.5).floor();
            self.clamped(scaled, activation)
        });
        Map { shape: input.shape, values: values.collect() }
    }

    fn pad(&self) -> Map {
        let input = self.map(0);
        let sizes_before = integers(&self.tensor(1).data);
        let [rows, columns, channels] = sizes(self.output());
        let zero_point = self.tensor(0).zero_points[0] as i32;
        let values = positions(rows, columns, channels).map(|(y, x, c)| {
            let (row, column) =
                (y as i64 - i64::from(sizes_before[2]), x as i64 - i64::from(sizes_before[4]));
            input.at(row, column, c).unwrap_or(zero_point)
        });
        Map { shape: [rows, columns, channels], values: values.collect() }
    }

    fn mean(&self) -> Map {
        let input = self.map(0);
        let [height, width, channels] = input.shape;
        let n = height * width;
        let zero_point = self.tensor(0).zero_points[0] as i32;
        let multiplier = self.tensor(0).scales[0] / self.output().scales[0] * (1.0 / n as f32);
        let values = (0..channels).map(|c| {
            let sum: i32 =
                (0..n).map(|pixel| input.values[pixel * channels + c] - zero_point).sum();
            self.clamped((f64::from(sum) * f64::from(multiplier)).round_ties_even(), 0)
        });
        Map { shape: [1, 1, channels], values: values.collect() }
    }
}

fn positions(n: usize, m: usize, o: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..n).flat_map(move |a| (0..m).flat_map(move |b| (0..o).map(move |c| (a, b, c))))
}
