//! One node to one layer, or to two.

use ndarray::{Array1, Array4};
use spec::{
    Add, Bounds, Conv, FullyConnected, Layer, Op, Requantize, Rounding, Shape, Sparsity, TensorRef,
    Window,
};

use super::constants::{Rescaling, Scaling, add_scaling, requantize_scaling};
use super::emit::{Fault, Lowering, Source, inputs_fault, intersected, meaning, shape_text};
use crate::formula::Quantization;
use crate::graph::{self, Node, Pool};

/// Largest side of a window of pixels that has an operation of its own.
const MAX_WINDOW: usize = 3;
/// Largest kernel of a convolution.
const MAX_KERNEL: usize = 16;
/// Scales that differ by less are taken as the same, as TFLite does.
const SAME_SCALE: f32 = 1e-6;

impl Lowering<'_> {
    /// Lowers a node that reads these maps.
    pub(super) fn lowered(&mut self, node: &Node, sources: &[Source]) -> Result<Source, Fault> {
        let n_inputs = match &node.op {
            graph::Op::Add => 2,
            graph::Op::Concat => sources.len().max(1),
            _ => 1,
        };
        if sources.len() != n_inputs {
            return Err(inputs_fault(node));
        }
        match &node.op {
            graph::Op::Conv(conv) => self.conv(node, conv, sources),
            graph::Op::FullyConnected(fc) => self.fully_connected(node, fc, sources),
            graph::Op::Add => self.add(node, sources),
            graph::Op::MaxPool(pool) => self.max_pool(node, *pool, sources),
            graph::Op::AveragePool(pool) => self.average_pool(node, *pool, sources),
            graph::Op::GlobalAveragePool => self.global_average_pool(node, sources),
            graph::Op::Concat => self.concat(node, sources),
            graph::Op::Requantize => self.requantize(node, sources),
            graph::Op::Pad(padding) => self.pad(node, *padding, sources),
            graph::Op::Reshape => self.reshape(node, sources),
            graph::Op::Host(_) => unreachable!("the walk takes what stays on the host"),
        }
    }

    fn output(&self, node: &Node) -> Quantization {
        meaning(self.graph.tensor(node.output))
    }

    /// A layer of this node whose output means what the graph says.
    fn layer(&mut self, node: &Node, input: TensorRef, op: Op, requantize: Requantize) -> Layer {
        let output = self.output(node);
        Layer {
            name: self.name(node),
            input,
            op,
            requantize,
            bounds: node.bounds,
            zero_point: output.zero_point,
            scale: output.scale.into(),
        }
    }

    fn conv(
        &mut self,
        node: &Node,
        conv: &graph::Conv,
        sources: &[Source],
    ) -> Result<Source, Fault> {
        let source = self.reshaped(node, 0, sources)?;
        let mut padding = conv.padding;
        for (side, pending) in padding.iter_mut().zip(source.padding) {
            *side += pending;
        }
        let (channels, height, width, n_inputs) = conv.weight.dim();
        if n_inputs.checked_mul(conv.groups) != Some(source.shape.channels) {
            return Err(Fault::new(
                format!(
                    "weights for {n_inputs} channels in {} groups read {}",
                    conv.groups,
                    shape_text(source.shape)
                ),
                "the file is damaged: convert it again",
            ));
        }
        let extent =
            [0, 1].map(|axis| ([height, width][axis].max(1) - 1) * conv.dilation[axis] + 1);
        let Swept { shape, stride } = swept(source.shape, extent, conv.stride, padding)?;
        let shape = Shape { channels, ..shape };
        let requantize = self.constants(node, source, &conv.weight_scales, &conv.bias, channels)?;
        let sparsity = Sparsity::default();
        let op = Conv {
            groups: conv.groups,
            stride,
            dilation: conv.dilation,
            padding,
            sparsity,
            ..Conv::new(conv.weight.clone())
        };
        let layer = self.layer(node, source.map, Op::Conv(op), requantize);
        Ok(self.push(layer, shape, self.output(node)))
    }

    fn fully_connected(
        &mut self,
        node: &Node,
        fc: &graph::FullyConnected,
        sources: &[Source],
    ) -> Result<Source, Fault> {
        let mut source = sources[0];
        if source.padding != [0; 4] {
            source = self.padded(source, &node.name);
        }
        let Shape { height, width, channels: n_inputs } = source.shape;
        let channels = fc.weight.dim().0;
        let weight = fc.weight.clone().into_shape_with_order((channels, height, width, n_inputs));
        let Ok(weight) = weight else {
            return Err(Fault::new(
                format!("weights of {:?} read {}", fc.weight.shape(), shape_text(source.shape)),
                "the file is damaged: convert it again",
            ));
        };
        let requantize = self.constants(node, source, &fc.weight_scales, &fc.bias, channels)?;
        let op = Op::FullyConnected(FullyConnected { weight, sparsity: Sparsity::default() });
        let layer = self.layer(node, source.map, op, requantize);
        Ok(self.push(layer, Shape { height: 1, width: 1, channels }, self.output(node)))
    }

    /// Multipliers `input scale * weight scale / output scale`, each product in binary32 as XNNPACK and onnxruntime compute it.
    fn constants(
        &self,
        node: &Node,
        source: Source,
        weight_scales: &[f32],
        bias: &[i32],
        channels: usize,
    ) -> Result<Requantize, Fault> {
        let output = self.output(node);
        if ![1, channels].contains(&weight_scales.len()) || bias.len() != channels {
            return Err(Fault::new(
                format!(
                    "{} scales and {} biases for {channels} output channels",
                    weight_scales.len(),
                    bias.len()
                ),
                "the file is damaged: convert it again",
            ));
        }
        let scalings = (0..channels).map(|channel| {
            let weight_scale = weight_scales[if weight_scales.len() == 1 { 0 } else { channel }];
            scaling(source.meaning.scale * weight_scale / output.scale)
        });
        let scalings = scalings.collect::<Result<Vec<_>, _>>()?;
        Ok(Requantize {
            bias: bias.iter().copied().collect(),
            multiplier: scalings.iter().map(|scaling| scaling.multiplier).collect(),
            shift: scalings.iter().map(|scaling| scaling.shift).collect(),
            rounding: Rounding::HalfEven,
        })
    }

    fn add(&mut self, node: &Node, sources: &[Source]) -> Result<Source, Fault> {
        let (first, second) = (self.shaped(node, 0, sources)?, self.shaped(node, 1, sources)?);
        if first.shape != second.shape {
            return Err(Fault::new(
                format!("it adds {} and {}", shape_text(first.shape), shape_text(second.shape)),
                "add maps of one shape",
            ));
        }
        let (runtime, output) = (self.graph.runtime, self.output(node));
        let inputs = [first.meaning, second.meaning];
        let Some((found, comparison)) = add_scaling(runtime, inputs, output, node.bounds) else {
            return Err(scale_fault(first.meaning.scale / output.scale));
        };
        let channels = first.shape.channels;
        let requantize = Requantize {
            bias: Array1::zeros(channels),
            multiplier: Array1::from_elem(channels, found.multipliers[0]),
            shift: Array1::from_elem(channels, found.shift),
            rounding: found.rounding,
        };
        let multiplier = Array1::from_elem(channels, found.multipliers[1]);
        let op = Op::Add(Add { other: second.map, multiplier });
        self.comparisons.push((self.layers.len(), comparison));
        let layer = self.layer(node, first.map, op, requantize);
        Ok(self.push(layer, first.shape, output))
    }

    fn max_pool(&mut self, node: &Node, pool: Pool, sources: &[Source]) -> Result<Source, Fault> {
        let source = self.shaped(node, 0, sources)?;
        let Swept { shape, stride } = swept(source.shape, pool.kernel, pool.stride, pool.padding)?;
        self.window(node, source, Pool { stride, ..pool }, shape, Op::MaxPool)
    }

    /// A window that keeps the meaning of values, and a requantization where the graph changes it.
    fn window(
        &mut self,
        node: &Node,
        source: Source,
        pool: Pool,
        shape: Shape,
        op: impl Fn(Window) -> Op,
    ) -> Result<Source, Fault> {
        let Pool { kernel, stride, padding } = pool;
        let op = op(Window { kernel, stride, padding });
        let output = self.output(node);
        let keeps = is_same(source.meaning, output);
        let layer = Layer {
            name: self.name(node),
            input: source.map,
            op,
            requantize: Requantize::none(),
            bounds: if keeps { node.bounds } else { Bounds::INT8 },
            zero_point: source.meaning.zero_point,
            scale: source.label,
        };
        let pooled = self.push(layer, shape, if keeps { output } else { source.meaning });
        if keeps { Ok(pooled) } else { self.scaled(node, pooled) }
    }

    fn average_pool(
        &mut self,
        node: &Node,
        pool: graph::AveragePool,
        sources: &[Source],
    ) -> Result<Source, Fault> {
        let source = self.shaped(node, 0, sources)?;
        let graph::AveragePool { pool, counts_padding, rounding } = pool;
        let map = source.shape;
        let Swept { shape, stride } = swept(map, pool.kernel, pool.stride, pool.padding)?;
        let pool = Pool { stride, ..pool };
        let n_pixels = pool.kernel[0] * pool.kernel[1];
        let is_padded = pool.padding != [0; 4];
        let is_whole = pool.kernel == [map.height, map.width] && !is_padded;
        let is_small = pool.kernel.iter().all(|side| *side <= MAX_WINDOW)
            && stride.iter().all(|stride| *stride <= MAX_WINDOW);
        if rounding == Rounding::HalfAway
            && !(is_padded && counts_padding)
            && (is_whole || is_small)
        {
            return self.window(node, source, pool, shape, Op::AveragePool);
        }
        if is_padded && !counts_padding {
            return Err(Fault::new(
                format!(
                    "a mean over {}x{} pixels, of which those at the edge are fewer",
                    pool.kernel[0], pool.kernel[1]
                ),
                "use windows of at most 3x3 with strides of at most 3, and no padding or padding that counts (count_include_pad=1)",
            ));
        }
        // TFLite rounds the mean of values, a convolution that of values less the zero point: halves may go to different sides.
        let differs = rounding == Rounding::HalfAway
            && source.meaning.zero_point != 0
            && n_pixels.is_multiple_of(2);
        if differs || pool.kernel.iter().any(|side| *side > MAX_KERNEL) {
            return Err(Fault::new(
                format!("a mean over {}x{} pixels", pool.kernel[0], pool.kernel[1]),
                "use windows of at most 3x3, or the mean over the whole map",
            ));
        }
        let output = self.output(node);
        let n = n_pixels as f32;
        // Halves away from zero stay so if the multiplier is no smaller than the quotient.
        let ratio = source.meaning.scale / (output.scale * n);
        let mut scaling = scaling(ratio)?;
        if rounding == Rounding::HalfAway {
            scaling.multiplier += 1;
        }
        let weight = Array4::ones((map.channels, pool.kernel[0], pool.kernel[1], 1));
        let op = Conv { groups: map.channels, stride, padding: pool.padding, ..Conv::new(weight) };
        let requantize = uniform(map.channels, scaling, rounding);
        let layer = self.layer(node, source.map, Op::Conv(op), requantize);
        Ok(self.push(layer, shape, output))
    }

    /// The division by the number of pixels is part of the multiplier, its products in binary32.
    fn global_average_pool(&mut self, node: &Node, sources: &[Source]) -> Result<Source, Fault> {
        let source = self.shaped(node, 0, sources)?;
        let output = self.output(node);
        let n = source.shape.n_pixels() as f32;
        let ratio = match self.graph.runtime {
            graph::Runtime::LiteRt => source.meaning.scale / output.scale * (1.0 / n),
            _ => source.meaning.scale / (output.scale * n),
        };
        let requantize = uniform(source.shape.channels, scaling(ratio)?, Rounding::HalfEven);
        let layer = self.layer(node, source.map, Op::GlobalAveragePool, requantize);
        let shape = Shape { height: 1, width: 1, ..source.shape };
        Ok(self.push(layer, shape, output))
    }

    fn concat(&mut self, node: &Node, sources: &[Source]) -> Result<Source, Fault> {
        let output = self.output(node);
        let mut parts = Vec::new();
        for input in 0..sources.len() {
            let mut part = self.shaped(node, input, sources)?;
            // Labels must be equal to the last bit.
            if part.meaning.zero_point != output.zero_point || part.label != f64::from(output.scale)
            {
                part = self.rescaled(part, output, Bounds::INT8, &node.name)?;
            }
            parts.push(part);
        }
        let (first, others) = parts.split_first().expect("the inputs were counted");
        if others.iter().any(|part| {
            [part.shape.height, part.shape.width] != [first.shape.height, first.shape.width]
        }) {
            let shapes: Vec<_> = parts.iter().map(|part| shape_text(part.shape)).collect();
            return Err(Fault::new(
                format!("it puts maps of {} beside each other", shapes.join(", ")),
                "concatenate maps of one height and width along the channels",
            ));
        }
        if others.is_empty() {
            return self.rescaled(*first, output, node.bounds, &node.name);
        }
        let channels = parts.iter().map(|part| part.shape.channels).sum();
        let op = Op::Concat(others.iter().map(|part| part.map).collect());
        let layer =
            Layer { bounds: Bounds::INT8, ..self.layer(node, first.map, op, Requantize::none()) };
        let joined = self.push(layer, Shape { channels, ..first.shape }, output);
        if node.bounds == Bounds::INT8 {
            Ok(joined)
        } else {
            self.rescaled(joined, output, node.bounds, &node.name)
        }
    }

    fn requantize(&mut self, node: &Node, sources: &[Source]) -> Result<Source, Fault> {
        let source = self.shaped(node, 0, sources)?;
        let output = self.output(node);
        if source.meaning == output {
            if node.bounds == Bounds::INT8 {
                return Ok(source);
            }
            // Bounds alone: the layer before takes them, if nobody else reads it.
            if let TensorRef::Layer(layer) = source.map
                && self.n_readers(node.inputs[0]) == 1
                && !matches!(self.layers[layer].op, Op::Concat(_))
                && !self.is_read(source.map)
            {
                let layer = &mut self.layers[layer];
                layer.bounds = intersected(layer.bounds, node.bounds);
                return Ok(source);
            }
        }
        self.scaled(node, source)
    }

    /// A requantization under the name of the node.
    fn scaled(&mut self, node: &Node, source: Source) -> Result<Source, Fault> {
        let output = self.output(node);
        self.rescaled(source, output, node.bounds, &node.name)
    }

    /// A requantization of a map.
    fn rescaled(
        &mut self,
        source: Source,
        output: Quantization,
        bounds: Bounds,
        of: &str,
    ) -> Result<Source, Fault> {
        let runtime = self.graph.runtime;
        let found = requantize_scaling(runtime, source.meaning, output, bounds);
        let Some((Rescaling { bias, scaling, added, rounding }, comparison)) = found else {
            return Err(scale_fault(source.meaning.scale / output.scale));
        };
        self.comparisons.push((self.layers.len(), comparison));
        let channels = source.shape.channels;
        let same = |value: i32| Array1::from_elem(channels, value);
        let op = added.map_or(Op::Requantize, |added| {
            Op::Add(Add { other: source.map, multiplier: same(added) })
        });
        let layer = Layer {
            name: self.extra_name(of, "requantized"),
            input: source.map,
            op,
            requantize: Requantize { bias: same(bias), ..uniform(channels, scaling, rounding) },
            bounds,
            zero_point: output.zero_point,
            scale: output.scale.into(),
        };
        Ok(self.push(layer, source.shape, output))
    }

    fn pad(
        &mut self,
        node: &Node,
        padding: [usize; 4],
        sources: &[Source],
    ) -> Result<Source, Fault> {
        let mut source = self.reshaped(node, 0, sources)?;
        if source.meaning != self.output(node) {
            return Err(Fault::new(
                "its output has another scale than its input",
                "pad without requantizing",
            ));
        }
        for (side, added) in source.padding.iter_mut().zip(padding) {
            *side = side.checked_add(added).filter(|side| *side <= u16::MAX.into()).ok_or_else(
                || Fault::new(format!("it pads by {added}"), "pad by at most 15 rows and columns"),
            )?;
        }
        Ok(source)
    }

    /// The same map with its rows and columns of zero point: a convolution with 1 alone reads the zero point outside, as others do.
    pub(super) fn padded(&mut self, source: Source, of: &str) -> Source {
        let Shape { height, width, channels } = source.shape;
        let [top, bottom, left, right] = source.padding;
        let weight = Array4::ones((channels, 1, 1, 1));
        let op = Conv { groups: channels, padding: source.padding, ..Conv::new(weight) };
        let layer = Layer {
            name: self.extra_name(of, "padded"),
            input: source.map,
            op: Op::Conv(op),
            requantize: uniform(channels, Scaling { multiplier: 1, shift: 0 }, Rounding::HalfEven),
            bounds: Bounds::INT8,
            zero_point: source.meaning.zero_point,
            scale: source.label,
        };
        let shape = Shape { height: height + top + bottom, width: width + left + right, channels };
        self.push(layer, shape, source.meaning)
    }

    fn reshape(&mut self, node: &Node, sources: &[Source]) -> Result<Source, Fault> {
        let mut source = sources[0];
        if source.padding != [0; 4] {
            source = self.padded(source, &node.name);
        }
        if source.meaning != self.output(node) {
            return self.scaled(node, source);
        }
        Ok(source)
    }
}

/// Where a window stops.
struct Swept {
    /// The pixels at which it does, with the channels of the map.
    shape: Shape,
    /// The smallest strides that it stops there with.
    stride: [usize; 2],
}

/// Where a window stops on a padded map.
fn swept(
    map: Shape,
    extent: [usize; 2],
    stride: [usize; 2],
    [top, bottom, left, right]: [usize; 4],
) -> Result<Swept, Fault> {
    let padded = [
        map.height.saturating_add(top).saturating_add(bottom),
        map.width.saturating_add(left).saturating_add(right),
    ];
    if (0..2).any(|axis| extent[axis] > padded[axis] || stride[axis] == 0) {
        return Err(Fault::new(
            format!(
                "a window of {}x{} on a map of {}x{} with padding",
                extent[0], extent[1], padded[0], padded[1]
            ),
            "make the map larger or the window smaller",
        ));
    }
    let reach = [0, 1].map(|axis| padded[axis] - extent[axis]);
    let size = |axis: usize| reach[axis] / stride[axis] + 1;
    let shape = Shape { height: size(0), width: size(1), ..map };
    // A stride beyond the map is as good as one that just leaves it.
    Ok(Swept { shape, stride: [0, 1].map(|axis| stride[axis].min(reach[axis] + 1)) })
}

fn scaling(value: f32) -> Result<Scaling, Fault> {
    Scaling::of(value).ok_or_else(|| scale_fault(value))
}

fn scale_fault(value: f32) -> Fault {
    Fault::new(
        format!("it scales by {value}"),
        "scales of neighboring maps are too far apart: quantize the model again with representative data",
    )
}

/// The same constants for all channels, no bias.
fn uniform(channels: usize, scaling: Scaling, rounding: Rounding) -> Requantize {
    Requantize {
        bias: Array1::zeros(channels),
        multiplier: Array1::from_elem(channels, scaling.multiplier),
        shift: Array1::from_elem(channels, scaling.shift),
        rounding,
    }
}

fn is_same(a: Quantization, b: Quantization) -> bool {
    a.zero_point == b.zero_point && (a.scale - b.scale).abs() <= SAME_SCALE * b.scale
}
