//! Nodes that take maps as they are: beside each other, at another scale, with rows and columns around them.

use ndarray::{Array1, Array4};
use spec::{Add, Bounds, Conv, Layer, Op, Requantize, Rounding, Shape, TensorRef};

use super::constants::{Rescaling, Scaling, requantize_scaling};
use super::emit::{Fault, Lowering, Source, intersected, shape_text};
use super::layers::{scale_fault, uniform};
use crate::formula::Quantization;
use crate::graph::Node;

impl Lowering<'_> {
    pub(super) fn concat(&mut self, node: &Node, sources: &[Source]) -> Result<Source, Fault> {
        let output = self.output(node);
        let mut parts: Vec<Source> = Vec::new();
        for input in 0..sources.len() {
            // A map that stands there twice is requantized once.
            if let Some(known) =
                node.inputs[..input].iter().position(|id| *id == node.inputs[input])
            {
                parts.push(parts[known]);
                continue;
            }
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

    pub(super) fn requantize(&mut self, node: &Node, sources: &[Source]) -> Result<Source, Fault> {
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
    pub(super) fn scaled(&mut self, node: &Node, source: Source) -> Result<Source, Fault> {
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

    pub(super) fn pad(
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

    pub(super) fn reshape(&mut self, node: &Node, sources: &[Source]) -> Result<Source, Fault> {
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
