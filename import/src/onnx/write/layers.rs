//! The nodes of a layer.

use spec::{
    Addend, Bounds, Conv, FullyConnected, Layer, Op, QuantNetwork, Rounding, Shape, TensorRef,
    Window,
};

use super::super::proto::data_type;
use super::nodes::{Graph, int, ints};
use super::{channel_axis, position};

/// A layer with what it reads.
pub(super) struct Writer<'a> {
    pub(super) network: &'a QuantNetwork,
    pub(super) shapes: &'a [Shape],
    /// The names of the input and of the layers so far, channels first.
    pub(super) maps: &'a [String],
    pub(super) index: usize,
    pub(super) layer: &'a Layer,
}

/// What a layer computes with.
enum Number {
    Int32,
    Int64,
    /// In these steps, one for each channel.
    Double(Vec<f64>),
}

impl Number {
    fn data_type(&self) -> i32 {
        match self {
            Self::Int32 => data_type::INT32,
            Self::Int64 => data_type::INT64,
            Self::Double(_) => data_type::DOUBLE,
        }
    }

    /// Multipliers, one for each channel.
    fn constants<'a>(
        &self,
        graph: &mut Graph,
        name: &str,
        dims: &[usize],
        values: impl Iterator<Item = &'a i32>,
    ) -> String {
        match self {
            Self::Int32 => graph.int32(name, dims, &values.copied().collect::<Vec<_>>()),
            Self::Int64 => {
                let values: Vec<i64> = values.map(|value| i64::from(*value)).collect();
                graph.int64_of(name, dims, &values)
            }
            Self::Double(steps) => {
                let values = values.zip(steps).map(|(value, step)| f64::from(*value) * step);
                graph.double(name, dims, &values.collect::<Vec<_>>())
            }
        }
    }

    /// One number, not in steps.
    fn constant(&self, graph: &mut Graph, name: &str, value: i16) -> String {
        match self {
            Self::Int32 => graph.int32(name, &[], &[value.into()]),
            Self::Int64 => graph.int64_of(name, &[], &[value.into()]),
            Self::Double(_) => graph.double(name, &[], &[value.into()]),
        }
    }
}

/// Integers whose magnitude is below this, and their sums with a half, are binary64 numbers.
const EXACT: u64 = 1 << 52;

/// The type that holds all values within these bounds.
pub(super) fn data_type_of(bounds: Bounds) -> i32 {
    if bounds.is_int8() { data_type::INT8 } else { data_type::INT16 }
}

impl Writer<'_> {
    /// Writes it; the name of its output, channels first.
    pub(super) fn layer(&self, graph: &mut Graph) -> String {
        let of = &self.layer.name;
        match &self.layer.op {
            Op::Conv(conv) => {
                let sums = self.convolved(graph, conv);
                let map = self.scaled(graph, &sums, 3);
                if !conv.max_pool {
                    return map;
                }
                let sides = || vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
                graph.node(of, "MaxPool", &[&map], sides())
            }
            Op::FullyConnected(fc) => {
                let sums = self.multiplied(graph, fc);
                let map = self.scaled(graph, &sums, 1);
                let axes = graph.int64(of, &[2, 3]);
                graph.node(of, "Unsqueeze", &[&map, &axes], Vec::new())
            }
            Op::GlobalAveragePool => {
                let map = self.less_zero(graph, self.layer.input, self.map(self.layer.input));
                let axes = graph.int64(of, &[2, 3]);
                let sums = graph.node(of, "ReduceSum", &[&map, &axes], vec![int("keepdims", 1)]);
                self.scaled(graph, &sums, 3)
            }
            Op::Add(_) | Op::Requantize => {
                let map = self.less_zero(graph, self.layer.input, self.map(self.layer.input));
                self.scaled(graph, &map, 3)
            }
            Op::AveragePool(window) => self.averaged(graph, window),
            Op::MaxPool(window) => {
                let map = self.map(self.layer.input);
                let largest = graph.node(of, "MaxPool", &[map], moves(window));
                self.limited(graph, &largest)
            }
            Op::Concat(_) => {
                let maps: Vec<&str> = self.layer.reads().map(|map| self.map(map)).collect();
                graph.node(of, "Concat", &maps, vec![channel_axis()])
            }
        }
    }

    /// Whether binary64 holds every value on the way.
    fn fits_binary64(&self) -> bool {
        let constants = &self.layer.requantize;
        let addend = self.layer.addend();
        let largest = |k: usize| {
            let mut sum = self.largest_sum(k) + u64::from(constants.bias[k].unsigned_abs());
            let mut added = 0;
            if let Some(Addend { from, multiplier, after, .. }) = addend {
                let product = self.largest_value(from) * u64::from(multiplier[k].unsigned_abs());
                *(if after { &mut added } else { &mut sum }) += product;
            }
            sum * u64::from(constants.multiplier[k].unsigned_abs()) + added
        };
        (0..constants.multiplier.len()).all(|k| largest(k) < EXACT)
    }

    /// The largest magnitude of a sum of channel `k`, without bias.
    fn largest_sum(&self, k: usize) -> u64 {
        let value = self.largest_value(self.layer.input);
        let weights = match &self.layer.op {
            Op::GlobalAveragePool => self.shape(self.layer.input).n_pixels() as u64,
            op => op.weight().map_or(1, |weight| {
                let weights = weight.index_axis(ndarray::Axis(0), k);
                weights.iter().map(|weight| u64::from(weight.unsigned_abs())).sum()
            }),
        };
        weights * value
    }

    /// The largest magnitude of a value less its zero point.
    fn largest_value(&self, map: TensorRef) -> u64 {
        128 + u64::from(self.network.zero_point(map).unsigned_abs())
    }

    fn map(&self, map: TensorRef) -> &str {
        &self.maps[position(map)]
    }

    fn shape(&self, map: TensorRef) -> Shape {
        match map {
            TensorRef::Input => self.network.input.shape(),
            TensorRef::Layer(index) => self.shapes[index],
        }
    }

    /// int32, less the zero point.
    fn less_zero(&self, graph: &mut Graph, of: TensorRef, map: &str) -> String {
        let name = &self.layer.name;
        let wide = graph.cast(name, map, data_type::INT32);
        match self.network.zero_point(of) {
            0 => wide,
            zero_point => {
                let zero_point = graph.int32(name, &[], &[zero_point.into()]);
                graph.node(name, "Sub", &[&wide, &zero_point], Vec::new())
            }
        }
    }

    fn convolved(&self, graph: &mut Graph, conv: &Conv) -> String {
        let name = &self.layer.name;
        let weight = conv.weight.view().permuted_axes([0, 3, 1, 2]);
        let (n_out, n_in, height, width) = weight.dim();
        let values: Vec<i8> = weight.iter().copied().collect();
        let weight = graph.int8(name, &[n_out, n_in, height, width], &values);
        let zero_point = graph.int8(name, &[], &[self.network.zero_point(self.layer.input)]);
        let [top, bottom, left, right] = conv.padding;
        let attributes = vec![
            sizes("kernel_shape", &[height, width]),
            sizes("strides", &conv.stride),
            sizes("dilations", &conv.dilation),
            sizes("pads", &[top, left, bottom, right]),
            int("group", conv.groups as i64),
        ];
        let inputs = [self.map(self.layer.input), &weight, &zero_point];
        graph.node(name, "ConvInteger", &inputs, attributes)
    }

    fn multiplied(&self, graph: &mut Graph, fc: &FullyConnected) -> String {
        let name = &self.layer.name;
        // Rows are values in the order channel, row, column.
        let weight = fc.weight.view().permuted_axes([3, 1, 2, 0]);
        let (channels, height, width, n_out) = weight.dim();
        let values: Vec<i8> = weight.iter().copied().collect();
        let weight = graph.int8(name, &[channels * height * width, n_out], &values);
        let zero_point = graph.int8(name, &[], &[self.network.zero_point(self.layer.input)]);
        let flat = graph.node(name, "Flatten", &[self.map(self.layer.input)], vec![channel_axis()]);
        graph.node(name, "MatMulInteger", &[&flat, &weight, &zero_point], Vec::new())
    }

    /// From sums to values: `rank` axes of a constant go with the channels and what follows them.
    fn scaled(&self, graph: &mut Graph, sums: &str, rank: usize) -> String {
        let (name, constants) = (&self.layer.name, &self.layer.requantize);
        let dims = &[constants.bias.len(), 1, 1][..rank];
        let mut sums = sums.to_owned();
        if constants.bias.iter().any(|bias| *bias != 0) {
            let bias = graph.int32(name, dims, &constants.bias.to_vec());
            sums = graph.node(name, "Add", &[&sums, &bias], Vec::new());
        }
        if let Some(addend) = self.layer.addend().filter(|addend| !addend.after) {
            let product = self.added(graph, addend, &Number::Int32);
            sums = graph.node(name, "Add", &[&sums, &product], Vec::new());
        }
        let step = |shift: &i32| 0.5f64.powi(*shift);
        let number = if self.fits_binary64() {
            Number::Double(constants.shift.iter().map(step).collect())
        } else {
            Number::Int64
        };
        let wide = graph.cast(name, &sums, number.data_type());
        let multipliers = number.constants(graph, name, dims, constants.multiplier.iter());
        let mut scaled = graph.node(name, "Mul", &[&wide, &multipliers], Vec::new());
        if let Some(addend) = self.layer.addend().filter(|addend| addend.after) {
            let product = self.added(graph, addend, &number);
            scaled = graph.node(name, "Add", &[&scaled, &product], Vec::new());
        }
        let mut rounded = match (&number, constants.rounding) {
            (Number::Double(_), Rounding::HalfEven) => {
                graph.node(name, "Round", &[&scaled], Vec::new())
            }
            (Number::Double(_), Rounding::HalfAway) => half_away(graph, name, &scaled),
            _ => self.divided(graph, &scaled, dims),
        };
        if self.layer.zero_point != 0 {
            let zero_point = number.constant(graph, name, self.layer.zero_point.into());
            rounded = graph.node(name, "Add", &[&rounded, &zero_point], Vec::new());
        }
        let Bounds { low, high } = self.layer.bounds;
        let [low, high] = [low, high].map(|bound| number.constant(graph, name, bound));
        let limited = graph.node(name, "Clip", &[&rounded, &low, &high], Vec::new());
        graph.cast(name, &limited, data_type_of(self.layer.bounds))
    }

    /// int64 over powers of two, rounded: the floor, and 1 more where the remainder is above a half or a half that goes up.
    fn divided(&self, graph: &mut Graph, values: &str, dims: &[usize]) -> String {
        let (name, constants) = (&self.layer.name, &self.layer.requantize);
        let powers: Vec<i64> = constants.shift.iter().map(|shift| 1 << shift).collect();
        let powers = graph.int64_of(name, dims, &powers);
        let [zero, two] = [0, 2].map(|value| graph.int64_of(name, &[], &[value]));
        let remainders = graph.node(name, "Mod", &[values, &powers], Vec::new());
        let multiples = graph.node(name, "Sub", &[values, &remainders], Vec::new());
        let floors = graph.node(name, "Div", &[&multiples, &powers], Vec::new());
        let doubled = graph.node(name, "Mul", &[&remainders, &two], Vec::new());
        let above = graph.node(name, "Greater", &[&doubled, &powers], Vec::new());
        let halves = graph.node(name, "Equal", &[&doubled, &powers], Vec::new());
        let goes_up = match constants.rounding {
            Rounding::HalfEven => graph.node(name, "Mod", &[&floors, &two], Vec::new()),
            Rounding::HalfAway => {
                let positive = graph.node(name, "Greater", &[values, &zero], Vec::new());
                graph.cast(name, &positive, data_type::INT64)
            }
        };
        let [above, halves] =
            [above, halves].map(|flags| graph.cast(name, &flags, data_type::INT64));
        let halves = graph.node(name, "Mul", &[&halves, &goes_up], Vec::new());
        let more = graph.node(name, "Add", &[&above, &halves], Vec::new());
        graph.node(name, "Add", &[&floors, &more], Vec::new())
    }

    /// The products of what a residual or a second map adds.
    fn added(&self, graph: &mut Graph, addend: Addend<'_>, number: &Number) -> String {
        let name = &self.layer.name;
        let Addend { from, stride, multiplier, .. } = addend;
        let n_out = multiplier.len();
        let shape = self.layer.computed_shape(|map| self.shape(map));
        let source = self.shape(from);
        let n = n_out.min(source.channels);
        let ends = [n, (shape.height - 1) * stride + 1, (shape.width - 1) * stride + 1];
        let mut map = self.map(from).to_owned();
        if ends != [source.channels, source.height, source.width] || stride != 1 {
            let starts = graph.int64(name, &[0, 0, 0]);
            let ends = graph.int64(name, &ends.map(|end| end as i64));
            let axes = graph.int64(name, &[1, 2, 3]);
            let steps = graph.int64(name, &[1, stride as i64, stride as i64]);
            map = graph.node(name, "Slice", &[&map, &starts, &ends, &axes, &steps], Vec::new());
        }
        let mut values = self.less_zero(graph, from, &map);
        if !matches!(number, Number::Int32) {
            values = graph.cast(name, &values, number.data_type());
        }
        let multipliers = number.constants(graph, name, &[n, 1, 1], multiplier.iter().take(n));
        let product = graph.node(name, "Mul", &[&values, &multipliers], Vec::new());
        if n == n_out {
            return product;
        }
        // Channels that the map has not add nothing.
        let pads = graph.int64(name, &[0, 0, 0, 0, 0, (n_out - n) as i64, 0, 0]);
        let zero = number.constant(graph, name, 0);
        graph.node(name, "Pad", &[&product, &pads, &zero], Vec::new())
    }

    /// Means of the values themselves, halves away from zero: `sign(S) * floor((2 |S| + n) / 2 n)`.
    fn averaged(&self, graph: &mut Graph, window: &Window) -> String {
        let name = &self.layer.name;
        let source = self.shape(self.layer.input);
        let Shape { height, width, channels } = self.shapes[self.index];
        let [rows, columns] = window.kernel;
        let ones =
            graph.int8(name, &[channels, 1, rows, columns], &vec![1; channels * rows * columns]);
        let mut attributes = moves(window);
        attributes.push(int("group", channels as i64));
        let inputs = [self.map(self.layer.input), &ones];
        let sums = graph.node(name, "ConvInteger", &inputs, attributes);
        let inside = |at: usize, axis: usize, size: usize| {
            let first = at * window.stride[axis];
            let before = window.padding[2 * axis];
            (first..first + window.kernel[axis])
                .filter(|tap| (before..before + size).contains(tap))
                .count() as i32
        };
        let counts: Vec<i32> = (0..height * width)
            .map(|pixel| {
                inside(pixel / width, 0, source.height) * inside(pixel % width, 1, source.width)
            })
            .collect();
        let twice: Vec<i32> = counts.iter().map(|count| 2 * count).collect();
        let counts = graph.int32(name, &[height, width], &counts);
        let twice = graph.int32(name, &[height, width], &twice);
        let two = graph.int32(name, &[], &[2]);
        let magnitudes = graph.node(name, "Abs", &[&sums], Vec::new());
        let doubled = graph.node(name, "Mul", &[&magnitudes, &two], Vec::new());
        let moved = graph.node(name, "Add", &[&doubled, &counts], Vec::new());
        let quotients = graph.node(name, "Div", &[&moved, &twice], Vec::new());
        let signs = graph.node(name, "Sign", &[&sums], Vec::new());
        let means = graph.node(name, "Mul", &[&quotients, &signs], Vec::new());
        self.limited(graph, &means)
    }

    /// Integers within the bounds of the layer, in its type.
    fn limited(&self, graph: &mut Graph, map: &str) -> String {
        let (name, Bounds { low, high }) = (&self.layer.name, self.layer.bounds);
        let mut map = graph.cast(name, map, data_type::INT32);
        if low > Bounds::INT8.low || high < Bounds::INT8.high {
            let [low, high] = [low, high].map(|bound| graph.int32(name, &[], &[bound.into()]));
            map = graph.node(name, "Clip", &[&map, &low, &high], Vec::new());
        }
        graph.cast(name, &map, data_type_of(self.layer.bounds))
    }
}

/// `sign(v) * floor(|v| + 1/2)`.
fn half_away(graph: &mut Graph, name: &str, values: &str) -> String {
    let half = graph.double(name, &[], &[0.5]);
    let magnitudes = graph.node(name, "Abs", &[values], Vec::new());
    let moved = graph.node(name, "Add", &[&magnitudes, &half], Vec::new());
    let floors = graph.node(name, "Floor", &[&moved], Vec::new());
    let signs = graph.node(name, "Sign", &[values], Vec::new());
    graph.node(name, "Mul", &[&floors, &signs], Vec::new())
}

fn moves(window: &Window) -> Vec<super::super::proto::Attribute> {
    let [top, bottom, left, right] = window.padding;
    vec![
        sizes("kernel_shape", &window.kernel),
        sizes("strides", &window.stride),
        sizes("pads", &[top, left, bottom, right]),
    ]
}

fn sizes(name: &str, sizes: &[usize]) -> super::super::proto::Attribute {
    ints(name, &sizes.iter().map(|size| *size as i64).collect::<Vec<_>>())
}
