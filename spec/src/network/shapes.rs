//! Shapes of feature maps.

use ndarray::Array4;

use super::layers::{Conv, InputSpec, Layer, Op, QuantNetwork, TensorRef, Window};

/// Rows, columns and channels of a feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

/// How far a kernel reaches and moves: what the shape of an output depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweep {
    /// Rows and columns between the first and the last tap, both included.
    pub(super) extent: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) padding: [usize; 4],
}

impl Sweep {
    pub(super) fn of_kernel(
        kernel: [usize; 2],
        dilation: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 4],
    ) -> Self {
        let extent = [0, 1].map(|axis| (kernel[axis].max(1) - 1) * dilation[axis] + 1);
        Self { extent, stride, padding }
    }
}

impl InputSpec {
    /// The map that the first layer sees, after space-to-depth.
    pub fn shape(&self) -> Shape {
        let block = self.space_to_depth;
        Shape {
            height: self.height / block,
            width: self.width / block,
            channels: self.channels * block * block,
        }
    }

    /// Bytes of one image at the input port, `[height, width, channels]`.
    pub fn n_bytes(&self) -> usize {
        self.height * self.width * self.channels
    }
}

impl Shape {
    /// Pixels of the map.
    pub fn n_pixels(&self) -> usize {
        self.height * self.width
    }

    /// Values of the map.
    pub fn n_values(&self) -> usize {
        self.n_pixels() * self.channels
    }

    /// The output of a 2x2 max-pool: an odd last row or column is dropped.
    pub(super) fn pooled(self) -> Self {
        Self { height: self.height / 2, width: self.width / 2, ..self }
    }

    /// Rows and columns with the padding.
    pub(super) fn padded(&self, [top, bottom, left, right]: [usize; 4]) -> [usize; 2] {
        [self.height + top + bottom, self.width + left + right]
    }

    /// The pixels at which a kernel that fits the padded map stops.
    pub(super) fn swept(self, sweep: Sweep) -> Self {
        let [height, width] = self.padded(sweep.padding);
        let Sweep { extent, stride, .. } = sweep;
        Self {
            height: (height - extent[0]) / stride[0] + 1,
            width: (width - extent[1]) / stride[1] + 1,
            ..self
        }
    }
}

impl Conv {
    pub(super) fn sweep(&self) -> Sweep {
        Sweep::of_kernel(kernel_of(&self.weight), self.dilation, self.stride, self.padding)
    }
}

impl Window {
    pub(super) fn sweep(&self) -> Sweep {
        Sweep::of_kernel(self.kernel, [1; 2], self.stride, self.padding)
    }
}

/// Rows and columns of a kernel.
pub(super) fn kernel_of(weight: &Array4<i8>) -> [usize; 2] {
    let (_, height, width, _) = weight.dim();
    [height, width]
}

impl Layer {
    /// The shape of what it computes before a convolution's max-pool, from the shapes of the maps that it reads.
    pub fn computed_shape(&self, shape_of: impl Fn(TensorRef) -> Shape) -> Shape {
        let input = shape_of(self.input);
        match &self.op {
            Op::Conv(conv) => Shape { channels: conv.weight.dim().0, ..input.swept(conv.sweep()) },
            Op::AveragePool(window) | Op::MaxPool(window) => input.swept(window.sweep()),
            Op::GlobalAveragePool => Shape { height: 1, width: 1, ..input },
            Op::FullyConnected(fc) => Shape { height: 1, width: 1, channels: fc.weight.dim().0 },
            Op::Add(_) | Op::Requantize => input,
            Op::Concat(others) => {
                let others: usize = others.iter().map(|map| shape_of(*map).channels).sum();
                Shape { channels: input.channels + others, ..input }
            }
        }
    }

    /// The shape of its output, from the shapes of the maps that it reads.
    pub fn output_shape(&self, shape_of: impl Fn(TensorRef) -> Shape) -> Shape {
        let shape = self.computed_shape(shape_of);
        match &self.op {
            Op::Conv(conv) if conv.max_pool => shape.pooled(),
            _ => shape,
        }
    }
}

impl QuantNetwork {
    /// The output shape of every layer of a validated network.
    pub fn shapes(&self) -> Vec<Shape> {
        self.shapes_before(self.layers.len())
    }

    /// The shape of a feature map of a validated network. Walks the layers before it: [`Self::shapes`] gives those of all.
    pub fn shape(&self, map: TensorRef) -> Shape {
        match map {
            TensorRef::Input => self.input.shape(),
            TensorRef::Layer(index) => self.shapes_before(index + 1)[index],
        }
    }

    fn shapes_before(&self, end: usize) -> Vec<Shape> {
        let mut shapes: Vec<Shape> = Vec::with_capacity(end);
        let input = self.input.shape();
        for layer in &self.layers[..end] {
            let shape = layer.output_shape(|map| match map {
                TensorRef::Input => input,
                TensorRef::Layer(index) => shapes[index],
            });
            shapes.push(shape);
        }
        shapes
    }
}
