//! One node to one layer, or to two: sums of products, and of maps.

use ndarray::Array1;
use spec::{
    Add, Conv, FullyConnected, Layer, Op, Requantize, Rounding, Shape, Sparsity, TensorRef,
};

use super::constants::{Scaling, add_scaling};
use super::emit::{Fault, Lowering, Source, inputs_fault, meaning, shape_text};
use super::windows::{Swept, swept};
use crate::formula::Quantization;
use crate::graph::{self, Node};

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

    pub(super) fn output(&self, node: &Node) -> Quantization {
        meaning(self.graph.tensor(node.output))
    }

    /// A layer of this node whose output means what the graph says.
    pub(super) fn layer(
        &mut self,
        node: &Node,
        input: TensorRef,
        op: Op,
        requantize: Requantize,
    ) -> Layer {
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
}

pub(super) fn scaling(value: f32) -> Result<Scaling, Fault> {
    Scaling::of(value).ok_or_else(|| scale_fault(value))
}

pub(super) fn scale_fault(value: f32) -> Fault {
    Fault::new(
        format!("it scales by {value}"),
        "scales of neighboring maps are too far apart: quantize the model again with representative data",
    )
}

/// The same constants for all channels, no bias.
pub(super) fn uniform(channels: usize, scaling: Scaling, rounding: Rounding) -> Requantize {
    Requantize {
        bias: Array1::zeros(channels),
        multiplier: Array1::from_elem(channels, scaling.multiplier),
        shift: Array1::from_elem(channels, scaling.shift),
        rounding,
    }
}
