//! Random small models of every operation.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::builder::{Field, Model, Tensor, code};

/// Random numbers of a seed.
pub(crate) struct Random(SplitMix64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed))
    }

    /// One of `low..=high`.
    pub(crate) fn size(&mut self, low: usize, high: usize) -> usize {
        low + (self.0.next_u64() % (high - low + 1) as u64) as usize
    }

    pub(crate) fn int8(&mut self) -> i8 {
        self.0.next_u64() as i8
    }

    /// From `low` to `high`, evenly in the logarithm, so that significands have all their bits.
    fn scale(&mut self, low: f64, high: f64) -> f32 {
        let part = (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        (low * (high / low).powf(part)) as f32
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.size(1, 100) <= percent
    }

    pub(crate) fn image(&mut self, n: usize) -> Vec<i8> {
        (0..n).map(|_| self.int8()).collect()
    }
}

/// A model on its way: the last map, and all of them.
pub(crate) struct Growing {
    pub(crate) model: Model,
    random: Random,
    last: i32,
    maps: Vec<i32>,
}

/// A model of `n` layers on an image, then one of several ends.
pub(crate) fn model(seed: u64) -> Model {
    let mut random = Random::new(seed);
    let shape = [1, random.size(3, 9) as i32, random.size(3, 9) as i32, random.size(1, 5) as i32];
    let mut model = Model::default();
    let input = Tensor::map(&shape, random.scale(0.003, 1.0), random.int8());
    let input = model.tensor(input);
    model.inputs = vec![input];
    let mut growing = Growing { model, random, last: input, maps: vec![input] };
    let n_layers = growing.random.size(1, 6);
    for _ in 0..n_layers {
        growing.layer();
    }
    growing.end();
    growing.model
}

impl Growing {
    fn shape(&self) -> [usize; 3] {
        let shape = &self.model.tensors[self.last as usize].shape;
        [1, 2, 3].map(|axis| shape[axis] as usize)
    }

    fn push(
        &mut self,
        code: i32,
        inputs: &[i32],
        options: &[(usize, Field)],
        shape: [usize; 3],
        scale: f32,
    ) {
        let [height, width, channels] = shape.map(|axis| axis as i32);
        let zero_point = self.random.int8();
        let output = Tensor::map(&[1, height, width, channels], scale, zero_point);
        self.last = self.model.operator(code, inputs, options, output);
        self.maps.push(self.last);
    }

    /// The same with the meaning of the last map.
    fn push_same(
        &mut self,
        code: i32,
        inputs: &[i32],
        options: &[(usize, Field)],
        shape: [usize; 3],
    ) {
        let Tensor { scales, zero_points, .. } = self.model.tensors[inputs[0] as usize].clone();
        self.push(code, inputs, options, shape, scales[0]);
        self.model.tensors[self.last as usize].zero_points = zero_points;
    }

    fn activation(&mut self) -> Field {
        Field::Byte([0, 0, 1, 3][self.random.size(0, 3)])
    }

    fn layer(&mut self) {
        match self.random.size(0, 9) {
            0..=2 => self.conv(false),
            3 => self.conv(true),
            4 => self.add(),
            5 => self.pool(code::MAX_POOL_2D),
            6 => self.pool(code::AVERAGE_POOL_2D),
            7 => self.concat(),
            8 => self.rescale(),
            _ => self.pad(),
        }
    }

    /// Rows or columns of the output; whether the scheme is SAME.
    fn swept(
        &self,
        size: usize,
        taps: usize,
        stride: usize,
        dilation: usize,
        is_same: bool,
    ) -> Option<usize> {
        let extent = (taps - 1) * dilation + 1;
        if is_same {
            Some(size.div_ceil(stride))
        } else {
            Some((size.checked_sub(extent)?) / stride + 1)
        }
    }

    fn conv(&mut self, is_depthwise: bool) {
        let [height, width, channels] = self.shape();
        let kernel = [self.random.size(1, 4), self.random.size(1, 4)];
        let is_dilated = self.random.chance(20);
        let dilation =
            if is_dilated { [self.random.size(1, 3), self.random.size(1, 3)] } else { [1, 1] };
        let stride =
            if is_dilated { [1, 1] } else { [self.random.size(1, 3), self.random.size(1, 3)] };
        let is_same = self.random.chance(60);
        let rows = self.swept(height, kernel[0], stride[0], dilation[0], is_same);
        let columns = self.swept(width, kernel[1], stride[1], dilation[1], is_same);
        let (Some(rows), Some(columns)) = (rows, columns) else { return };
        let outputs =
            if is_depthwise { channels * self.random.size(1, 2) } else { self.random.size(1, 9) };
        let fan_in = kernel[0] * kernel[1] * if is_depthwise { 1 } else { channels };
        let weights: Vec<i8> =
            (0..outputs * fan_in).map(|_| self.random.int8().max(-127)).collect();
        let (shape, axis) = if is_depthwise {
            ([1, kernel[0], kernel[1], outputs], 3)
        } else {
            ([outputs, kernel[0], kernel[1], channels], 0)
        };
        let weight = self.weight(shape.map(|axis| axis as i32), &weights, outputs, axis);
        let (inputs, scale) = self.with_bias(weight, outputs, fan_in);
        let padding = (0, Field::Byte(i8::from(!is_same)));
        let strides = [(1, Field::Int(stride[1] as i32)), (2, Field::Int(stride[0] as i32))];
        let first = if is_depthwise { 4 } else { 3 };
        let mut options = vec![padding, strides[0], strides[1], (first, self.activation())];
        options.push((first + 1, Field::Int(dilation[1] as i32)));
        options.push((first + 2, Field::Int(dilation[0] as i32)));
        if is_depthwise {
            options.push((3, Field::Int((outputs / channels) as i32)));
        }
        let code = if is_depthwise { code::DEPTHWISE_CONV_2D } else { code::CONV_2D };
        self.push(code, &inputs, &options, [rows, columns, outputs], scale);
    }

    fn weight(&mut self, shape: [i32; 4], weights: &[i8], outputs: usize, axis: i32) -> i32 {
        let n_scales = if self.random.chance(70) { outputs } else { 1 };
        let scales = (0..n_scales).map(|_| self.random.scale(0.002, 0.02)).collect();
        let shape = if axis == 4 { vec![shape[0], shape[3]] } else { shape.to_vec() };
        let axis = if axis == 4 { 0 } else { axis };
        self.model.tensor(Tensor::weight(&shape, weights, scales, axis))
    }

    /// The inputs of a layer with weights, and a scale that its sums fill int8 with.
    fn with_bias(&mut self, weight: i32, outputs: usize, fan_in: usize) -> (Vec<i32>, f32) {
        let spread = 70.0 * (fan_in as f64).sqrt();
        let bias: Vec<i32> =
            (0..outputs).map(|_| (f64::from(self.random.int8()) * spread) as i32).collect();
        let bias = Tensor::int32(&[outputs as i32], &bias);
        let scale = self.model.tensors[self.last as usize].scales[0];
        let weight_scales = &self.model.tensors[weight as usize].scales;
        // LiteRT leaves a layer whose biases have other scales to a slower kernel.
        let scales: Vec<f32> = weight_scales.iter().map(|weight| scale * weight).collect();
        let zero_points = vec![0; scales.len()];
        let bias = self.model.tensor(Tensor { scales, zero_points, ..bias });
        let tensors = &self.model.tensors;
        let product = f64::from(tensors[self.last as usize].scales[0])
            * f64::from(tensors[weight as usize].scales[0]);
        let scale = (product * spread) as f32 * self.random.scale(0.5, 4.0);
        (vec![self.last, weight, bias], scale)
    }

    fn add(&mut self) {
        let shape = self.shape();
        let others: Vec<i32> = self
            .maps
            .iter()
            .copied()
            .filter(|map| {
                let other = &self.model.tensors[*map as usize];
                *map != self.last && other.shape == self.model.tensors[self.last as usize].shape
            })
            .collect();
        let Some(other) = others.last().copied() else { return self.rescale() };
        let scale_of = |map: i32| f64::from(self.model.tensors[map as usize].scales[0]);
        // Beyond these XNNPACK leaves an addition to another kernel.
        let (a, b) = (scale_of(self.last), scale_of(other));
        if a.max(b) / a.min(b) > 200.0 {
            return self.rescale();
        }
        let scale = a.max(b) as f32 * self.random.scale(0.5, 3.0);
        let options = [(0, self.activation())];
        self.push(code::ADD, &[self.last, other], &options, shape, scale);
    }

    fn pool(&mut self, code: i32) {
        let [height, width, channels] = self.shape();
        let is_whole = code == code::AVERAGE_POOL_2D && self.random.chance(30);
        let kernel = if is_whole {
            [height, width]
        } else {
            [self.random.size(1, 3), self.random.size(1, 3)]
        };
        let stride = [self.random.size(1, 3), self.random.size(1, 3)];
        let is_same = !is_whole && self.random.chance(50);
        let rows = self.swept(height, kernel[0], stride[0], 1, is_same);
        let columns = self.swept(width, kernel[1], stride[1], 1, is_same);
        let (Some(rows), Some(columns)) = (rows, columns) else { return };
        let int = |value: usize| Field::Int(value as i32);
        let options = [
            (0, Field::Byte(i8::from(!is_same))),
            (1, int(stride[1])),
            (2, int(stride[0])),
            (3, int(kernel[1])),
            (4, int(kernel[0])),
            (5, self.activation()),
        ];
        self.push_same(code, &[self.last], &options, [rows, columns, channels]);
    }

    fn concat(&mut self) {
        let [height, width, channels] = self.shape();
        let last = self.model.tensors[self.last as usize].clone();
        let others: Vec<i32> = self
            .maps
            .iter()
            .copied()
            .filter(|map| {
                let other = &self.model.tensors[*map as usize];
                *map != self.last && other.shape[1..3] == last.shape[1..3]
            })
            .collect();
        let Some(other) = others.first().copied() else { return self.rescale() };
        let of_other = self.model.tensors[other as usize].clone();
        if !(1.0 / 200.0..100.0).contains(&(of_other.scales[0] / last.scales[0])) {
            return self.rescale();
        }
        // TFLite asks for one scale: what another layer made is requantized first.
        let same = Tensor { shape: of_other.shape.clone(), ..last.clone() };
        let other = self.model.operator(code::QUANTIZE, &[other], &[], same);
        let channels = channels + of_other.shape[3] as usize;
        let options = [(0, Field::Int(3)), (1, Field::Byte(0))];
        let first = self.last;
        self.push_same(code::CONCATENATION, &[first, other], &options, [height, width, channels]);
    }

    fn rescale(&mut self) {
        let scale = self.model.tensors[self.last as usize].scales[0];
        let shape = self.shape();
        let scale = scale * self.random.scale(0.3, 3.0);
        if self.random.chance(50) {
            self.push(code::QUANTIZE, &[self.last], &[], shape, scale);
        } else {
            self.push_same(code::RELU, &[self.last], &[], shape);
        }
    }

    fn pad(&mut self) {
        let [height, width, channels] = self.shape();
        let sizes: Vec<usize> = (0..4).map(|_| self.random.size(0, 2)).collect();
        let int = |at: usize| sizes[at] as i32;
        let paddings = [0, 0, int(0), int(1), int(2), int(3), 0, 0];
        let paddings = self.model.tensor(Tensor::int32(&[4, 2], &paddings));
        let shape = [height + sizes[0] + sizes[1], width + sizes[2] + sizes[3], channels];
        self.push_same(code::PAD, &[self.last, paddings], &[], shape);
    }

    /// A fully connected layer, a mean, or nothing more; sometimes a softmax.
    fn end(&mut self) {
        let shape = self.shape();
        let [height, width, channels] = shape;
        match self.random.size(0, 2) {
            0 => {
                let n = height * width * channels;
                let Tensor { scales, zero_points, .. } =
                    self.model.tensors[self.last as usize].clone();
                let flat = Tensor { zero_points, ..Tensor::map(&[1, n as i32], scales[0], 0) };
                let target = self.model.tensor(Tensor::int32(&[2], &[1, n as i32]));
                self.last = self.model.operator(code::RESHAPE, &[self.last, target], &[], flat);
                let outputs = self.random.size(2, 12);
                let weights: Vec<i8> =
                    (0..outputs * n).map(|_| self.random.int8().max(-127)).collect();
                let weight = self.weight([outputs as i32, 1, 1, n as i32], &weights, outputs, 4);
                let (inputs, scale) = self.with_bias(weight, outputs, n);
                let zero_point = self.random.int8();
                let output = Tensor::map(&[1, outputs as i32], scale, zero_point);
                let options = [(0, self.activation())];
                self.last = self.model.operator(code::FULLY_CONNECTED, &inputs, &options, output);
            }
            1 => {
                let axes = self.model.tensor(Tensor::int32(&[2], &[1, 2]));
                let scale =
                    self.model.tensors[self.last as usize].scales[0] * self.random.scale(0.3, 1.5);
                self.push(
                    code::MEAN,
                    &[self.last, axes],
                    &[(0, Field::Byte(1))],
                    [1, 1, channels],
                    scale,
                );
            }
            _ => self.rescale(),
        }
        self.model.outputs = vec![self.last];
    }
}
