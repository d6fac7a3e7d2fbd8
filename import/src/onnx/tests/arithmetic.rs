//! Random networks in both forms, executed as the operators' definition says: loops over channels, rows and columns in
//! floating point, which share nothing with the reference.
//!
//! Scales have few bits and those of outputs are powers of two, so that binary32 is exact and halves occur.

use proptest::prelude::*;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use spec::run_reference;

use super::super::proto::{Attribute, data_type};
use super::build::{Builder, Quantized, int, ints};
use crate::graph::Graph;
use crate::{Options, lower};

/// A map in the order of the file.
#[derive(Clone, Debug)]
struct Map {
    dims: [usize; 3],
    values: Vec<i32>,
    meaning: Quantized,
    /// Its names in the QOperator and in the QDQ model.
    names: [String; 2],
}

impl Map {
    fn at(&self, c: usize, y: isize, x: isize) -> Option<i32> {
        let [_, height, width] = self.dims;
        let (y, x) = (usize::try_from(y).ok()?, usize::try_from(x).ok()?);
        (y < height && x < width).then(|| self.values[(c * height + y) * width + x])
    }

    fn real(&self, c: usize, y: isize, x: isize) -> f64 {
        let zero_point = self.meaning.zero_point;
        self.at(c, y, x)
            .map_or(0.0, |value| f64::from(value - zero_point) * f64::from(self.meaning.scale))
    }
}

/// The same network in both forms, and what it computes of one image.
struct Fixture {
    random: SplitMix64,
    qop: Builder,
    qdq: Builder,
    image: Vec<i8>,
    is_unsigned: bool,
}

impl Fixture {
    fn below(&mut self, n: usize) -> usize {
        (self.random.next_u64() % n as u64) as usize
    }

    fn new(seed: u64, is_unsigned: bool) -> (Self, Map) {
        let mut random = SplitMix64::seed_from_u64(seed);
        let mut size = |from: u64, to: u64| (from + random.next_u64() % (to + 1 - from)) as usize;
        let dims = [size(1, 5), size(4, 9), size(4, 9)];
        let input = [1, dims[0] as i64, dims[1] as i64, dims[2] as i64];
        let qop = Builder::new(data_type::FLOAT, &input);
        let image =
            (0..dims.iter().product()).map(|_| size(0, 255) as u8 as i8).collect::<Vec<_>>();
        let mut fixture = Self { random, qdq: qop.clone(), qop, image: image.clone(), is_unsigned };
        let meaning = fixture.meaning();
        let first = fixture.qop.quantize("x", meaning);
        let second = fixture.qdq.qdq("x", meaning);
        let values = image.into_iter().map(i32::from).collect();
        (fixture, Map { dims, values, meaning, names: [first, second] })
    }

    fn meaning(&mut self) -> Quantized {
        let scale = [0.015_625, 0.031_25, 0.062_5][self.below(3)];
        let zero_point = self.below(256) as i32 - 128;
        Quantized { scale, zero_point, is_unsigned: self.is_unsigned }
    }

    /// A map of real values that was computed of others under a new scale, if `is_new`, or that of `of`.
    fn quantized(
        &mut self,
        of: &[f64],
        dims: [usize; 3],
        meaning: Quantized,
        names: [String; 2],
    ) -> Map {
        let quantize = |real: &f64| {
            let steps = (real / f64::from(meaning.scale)).round_ties_even();
            (steps + f64::from(meaning.zero_point)).clamp(-128.0, 127.0) as i32
        };
        let [first, second] = names;
        let second = self.qdq.qdq(&second, meaning);
        Map { dims, values: of.iter().map(quantize).collect(), meaning, names: [first, second] }
    }

    fn conv(&mut self, map: &Map) -> Map {
        let [channels, height, width] = map.dims;
        let groups = if self.below(2) == 0 { 1 } else { channels };
        let n_out = groups * (1 + self.below(3));
        let n_in = channels / groups;
        let kernel = [1 + self.below(3), 1 + self.below(3)];
        let stride = [1 + self.below(2), 1 + self.below(2)];
        let dilation = [1 + self.below(2), 1 + self.below(2)];
        let pads = [self.below(2), self.below(3), self.below(2), self.below(2)];
        let extent = [0, 1].map(|axis| (kernel[axis] - 1) * dilation[axis] + 1);
        let padded = [height + pads[0] + pads[2], width + pads[1] + pads[3]];
        if extent[0] > padded[0] || extent[1] > padded[1] {
            return map.clone();
        }
        let out = [0, 1].map(|axis| (padded[axis] - extent[axis]) / stride[axis] + 1);
        let n = n_out * n_in * kernel[0] * kernel[1];
        let weights: Vec<i8> = (0..n).map(|_| self.below(256) as u8 as i8).collect();
        let n_scales = if self.below(2) == 0 { 1 } else { n_out };
        let scales: Vec<f32> =
            (0..n_scales).map(|_| (1 + self.below(15)) as f32 / 4096.0).collect();
        let bias: Vec<i32> = (0..n_out).map(|_| self.below(8192) as i32 - 4096).collect();
        let scale = |k: usize| scales[if n_scales == 1 { 0 } else { k }];
        let product = |k: usize| map.meaning.scale * scale(k);
        let mut reals = Vec::new();
        for (k, bias) in bias.iter().enumerate() {
            for y in 0..out[0] {
                for x in 0..out[1] {
                    let mut sum = f64::from(*bias) * f64::from(product(k));
                    for c in 0..n_in {
                        for ky in 0..kernel[0] {
                            for kx in 0..kernel[1] {
                                let row =
                                    (y * stride[0] + ky * dilation[0]) as isize - pads[0] as isize;
                                let column =
                                    (x * stride[1] + kx * dilation[1]) as isize - pads[1] as isize;
                                let at = ((k * n_in + c) * kernel[0] + ky) * kernel[1] + kx;
                                let channel = k / (n_out / groups) * n_in + c;
                                sum += f64::from(weights[at])
                                    * f64::from(scale(k))
                                    * map.real(channel, row, column);
                            }
                        }
                    }
                    reals.push(sum);
                }
            }
        }
        let list = |name: &str, values: &[usize]| {
            ints(name, &values.iter().map(|value| *value as i64).collect::<Vec<_>>())
        };
        let attributes = vec![
            list("pads", &pads),
            list("strides", &stride),
            list("dilations", &dilation),
            list("kernel_shape", &kernel),
            int("group", groups as i64),
        ];
        let dims = [n_out, n_in, kernel[0], kernel[1]].map(|dim| dim as i64);
        let meaning = self.meaning();
        let [x_scale, x_zero] = self.qop.quantization(map.meaning);
        let w = self.qop.int8(&dims, &weights);
        let w_scale = self.qop.floats(&[n_scales as i64], &scales);
        let w_zero = self.qop.int8(&[n_scales as i64], &vec![0; n_scales]);
        let [y_scale, y_zero] = self.qop.quantization(meaning);
        let b = self.qop.int32(&[n_out as i64], &bias);
        let inputs =
            [&map.names[0][..], &x_scale, &x_zero, &w, &w_scale, &w_zero, &y_scale, &y_zero, &b];
        let first = self.qop.node("QLinearConv", &inputs, attributes.clone());
        let w = self.qdq.weight(&dims, &weights, &scales, 0);
        let products: Vec<f32> = (0..n_scales).map(product).collect();
        let b = self.qdq.bias(&bias, &products);
        let second = self.qdq.node("Conv", &[&map.names[1], &w, &b], attributes);
        self.quantized(&reals, [n_out, out[0], out[1]], meaning, [first, second])
    }

    fn pool(&mut self, map: &Map, is_mean: bool) -> Map {
        let [channels, height, width] = map.dims;
        let kernel = [1 + self.below(2), 2];
        let stride = [1 + self.below(2), 1 + self.below(2)];
        let pads = if is_mean { [0; 4] } else { [kernel[0] - 1, 0, 0, 1] };
        let padded = [height + pads[0] + pads[2], width + pads[1] + pads[3]];
        if kernel[0] > padded[0] || kernel[1] > padded[1] {
            return map.clone();
        }
        let out = [0, 1].map(|axis| (padded[axis] - kernel[axis]) / stride[axis] + 1);
        let mut values = Vec::new();
        let mut reals = Vec::new();
        for c in 0..channels {
            for y in 0..out[0] {
                for x in 0..out[1] {
                    let window =
                        (0..kernel[0]).flat_map(|ky| (0..kernel[1]).map(move |kx| (ky, kx)));
                    let at: Vec<(isize, isize)> = window
                        .map(|(ky, kx)| {
                            let row = (y * stride[0] + ky) as isize - pads[0] as isize;
                            (row, (x * stride[1] + kx) as isize - pads[1] as isize)
                        })
                        .collect();
                    let inside = at.iter().filter_map(|(y, x)| map.at(c, *y, *x));
                    values.push(inside.max().expect("a window has a pixel"));
                    let sum: f64 = at.iter().map(|(y, x)| map.real(c, *y, *x)).sum();
                    reals.push(sum / at.len() as f64);
                }
            }
        }
        let list = |name: &str, values: &[usize]| {
            ints(name, &values.iter().map(|value| *value as i64).collect::<Vec<_>>())
        };
        let attributes: Vec<Attribute> =
            vec![list("kernel_shape", &kernel), list("strides", &stride), list("pads", &pads)];
        let dims = [channels, out[0], out[1]];
        if !is_mean {
            let first = self.qop.node("MaxPool", &[&map.names[0]], attributes.clone());
            let second = self.qdq.node("MaxPool", &[&map.names[1]], attributes);
            let second = self.qdq.qdq(&second, map.meaning);
            return Map { dims, values, meaning: map.meaning, names: [first, second] };
        }
        let meaning = self.meaning();
        let first =
            self.microsoft("com.microsoft.QLinearAveragePool", &[map], meaning, attributes.clone());
        let second = self.qdq.node("AveragePool", &[&map.names[1]], attributes);
        self.quantized(&reals, dims, meaning, [first, second])
    }

    /// A node whose inputs are maps with scale and zero point each, then those of the output.
    fn microsoft(
        &mut self,
        kind: &str,
        maps: &[&Map],
        meaning: Quantized,
        attributes: Vec<Attribute>,
    ) -> String {
        let mut inputs = Vec::new();
        for map in maps {
            inputs.push(map.names[0].clone());
            inputs.extend(self.qop.quantization(map.meaning));
        }
        let output = self.qop.quantization(meaning);
        if kind.ends_with("Concat") {
            inputs.splice(0..0, output);
        } else {
            inputs.extend(output);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.qop.node(kind, &inputs, attributes)
    }

    fn add(&mut self, left: &Map, right: &Map) -> Map {
        let [channels, height, width] = left.dims;
        let mut reals = Vec::new();
        for c in 0..channels {
            for y in 0..height as isize {
                for x in 0..width as isize {
                    reals.push(left.real(c, y, x) + right.real(c, y, x));
                }
            }
        }
        // onnxruntime's QLinearAdd rounds after the zero point is added: halves are the same where it is even.
        let mut meaning = self.meaning();
        meaning.zero_point &= !1;
        let first = self.microsoft("com.microsoft.QLinearAdd", &[left, right], meaning, Vec::new());
        let second = self.qdq.node("Add", &[&left.names[1], &right.names[1]], Vec::new());
        self.quantized(&reals, left.dims, meaning, [first, second])
    }

    fn concat(&mut self, left: &Map, right: &Map) -> Map {
        let mut reals = Vec::new();
        for map in [left, right] {
            for c in 0..map.dims[0] {
                for y in 0..map.dims[1] as isize {
                    for x in 0..map.dims[2] as isize {
                        reals.push(map.real(c, y, x));
                    }
                }
            }
        }
        let meaning = self.meaning();
        let axis = vec![int("axis", 1)];
        let maps = [left, right];
        let first = self.microsoft("com.microsoft.QLinearConcat", &maps, meaning, axis.clone());
        let second = self.qdq.node("Concat", &[&left.names[1], &right.names[1]], axis);
        let dims = [left.dims[0] + right.dims[0], left.dims[1], left.dims[2]];
        self.quantized(&reals, dims, meaning, [first, second])
    }

    /// Flattened, channels first, and multiplied by a matrix of `[outputs, inputs]`.
    fn gemm(&mut self, map: &Map) -> Map {
        let n_in: usize = map.dims.iter().product();
        let n_out = 1 + self.below(6);
        let weights: Vec<i8> = (0..n_out * n_in).map(|_| self.below(256) as u8 as i8).collect();
        let scale = 1.0 / 4096.0f32;
        let bias: Vec<i32> = (0..n_out).map(|_| self.below(8192) as i32 - 4096).collect();
        let zero_point = map.meaning.zero_point;
        let real = |k: usize| {
            let products = map.values.iter().zip(&weights[k * n_in..]);
            let sum: i32 = products.map(|(x, w)| (x - zero_point) * i32::from(*w)).sum();
            f64::from(sum + bias[k]) * f64::from(map.meaning.scale * scale)
        };
        let reals: Vec<f64> = (0..n_out).map(real).collect();
        let meaning = self.meaning();
        let dims = [n_out as i64, n_in as i64];
        let transposed = vec![int("transB", 1)];
        let flat = self.qop.node("Flatten", &[&map.names[0]], Vec::new());
        let [x_scale, x_zero] = self.qop.quantization(map.meaning);
        let w = self.qop.int8(&dims, &weights);
        let w_scale = self.qop.floats(&[], &[scale]);
        let w_zero = self.qop.int8(&[], &[0]);
        let b = self.qop.int32(&[n_out as i64], &bias);
        let [y_scale, y_zero] = self.qop.quantization(meaning);
        let inputs = [&flat[..], &x_scale, &x_zero, &w, &w_scale, &w_zero, &b, &y_scale, &y_zero];
        let first = self.qop.node("com.microsoft.QGemm", &inputs, transposed.clone());
        let flat = self.qdq.node("Flatten", &[&map.names[1]], Vec::new());
        let w = self.qdq.weight(&dims, &weights, &[scale], 0);
        let b = self.qdq.bias(&bias, &[map.meaning.scale * scale]);
        let second = self.qdq.node("Gemm", &[&flat, &w, &b], transposed);
        self.quantized(&reals, [n_out, 1, 1], meaning, [first, second])
    }

    /// A few layers, and the maps that leave.
    fn network(&mut self, input: &Map) -> Vec<Map> {
        let first = self.conv(input);
        let mut map = self.conv(&first);
        for _ in 0..self.below(3) {
            map = match self.below(4) {
                0 => self.pool(&map, false),
                1 => self.pool(&map, true),
                _ => self.conv(&map),
            };
        }
        if self.below(2) == 0 {
            let other = self.conv(&map);
            map = if other.dims == map.dims && other.names != map.names {
                self.add(&map, &other)
            } else if other.dims[1..] == map.dims[1..] && other.names != map.names {
                self.concat(&map, &other)
            } else {
                other
            };
        }
        let logits = self.gemm(&map);
        if map.names == input.names { vec![logits] } else { vec![logits, map] }
    }
}

/// The values of one image, in the order of the reference: the first output, then the second.
fn reference(graph: Graph, image: &[i8], dims: [usize; 3]) -> Vec<i16> {
    let network = lower(graph, &Options::default()).expect("the network is supported").network;
    let [channels, height, width] = dims;
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            pixels.extend((0..channels).map(|c| image[(c * height + y) * width + x]));
        }
    }
    run_reference(&network, &pixels).expect("the image has the input's size").logits.values
}

fn channels_last(map: &Map) -> Vec<i16> {
    let [channels, height, width] = map.dims;
    let mut values = Vec::new();
    for y in 0..height {
        for x in 0..width {
            values.extend((0..channels).map(|c| map.values[(c * height + y) * width + x] as i16));
        }
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn both_forms_are_what_the_operators_say(seed: u64, is_unsigned: bool) {
        let (mut fixture, input) = Fixture::new(seed, is_unsigned);
        let outputs = fixture.network(&input);
        for map in &outputs {
            fixture.qop.output(&map.names[0]);
            fixture.qdq.output(&map.names[1]);
        }
        let expected: Vec<i16> = outputs.iter().flat_map(channels_last).collect();
        for builder in [&fixture.qop, &fixture.qdq] {
            let graph = super::super::read(&builder.bytes(), None).expect("the model is well formed");
            prop_assert_eq!(&graph.problems, &Vec::new());
            let found = reference(graph, &fixture.image, input.dims);
            prop_assert_eq!(&found, &expected);
        }
    }
}
