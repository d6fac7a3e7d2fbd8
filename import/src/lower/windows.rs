//! Nodes that move a window over a map: pools, and where any window stops.

use ndarray::Array4;
use spec::{Bounds, Conv, Layer, Op, Requantize, Rounding, Shape, Window};

use super::emit::{Fault, Lowering, Source};
use super::layers::{scaling, uniform};
use crate::formula::Quantization;
use crate::graph::{self, Node, Pool};

/// Largest side of a window of pixels that has an operation of its own.
const MAX_WINDOW: usize = 3;
/// Largest kernel of a convolution.
const MAX_KERNEL: usize = 16;
/// Scales that differ by less are taken as the same, as TFLite does.
const SAME_SCALE: f32 = 1e-6;

impl Lowering<'_> {
    pub(super) fn max_pool(
        &mut self,
        node: &Node,
        pool: Pool,
        sources: &[Source],
    ) -> Result<Source, Fault> {
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

    pub(super) fn average_pool(
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
    pub(super) fn global_average_pool(
        &mut self,
        node: &Node,
        sources: &[Source],
    ) -> Result<Source, Fault> {
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
}

/// Where a window stops.
pub(super) struct Swept {
    /// The pixels at which it does, with the channels of the map.
    pub(super) shape: Shape,
    /// The smallest strides that it stops there with.
    pub(super) stride: [usize; 2],
}

/// Where a window stops on a padded map.
pub(super) fn swept(
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

fn is_same(a: Quantization, b: Quantization) -> bool {
    a.zero_point == b.zero_point && (a.scale - b.scale).abs() <= SAME_SCALE * b.scale
}
