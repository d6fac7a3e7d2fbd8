//! Shapes of the maps of a network, for images of one size.

use anyhow::{Context, Result, bail, ensure};
use spec::{Shape, TensorRef};

use super::{Architecture, ConvSpec, LayerSpec, OpSpec};

/// Largest step of a residual.
const MAX_RESIDUAL_STRIDE: usize = 4;

/// The shapes that flow through a network, one entry a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    /// What the layer reads.
    pub inputs: Vec<Shape>,
    /// What it computes, before max-pool.
    pub sums: Vec<Shape>,
    /// What it gives, after max-pool.
    pub outputs: Vec<Shape>,
    /// Step of the residual in both directions; 1 where there is none.
    pub residual_strides: Vec<usize>,
}

impl Architecture {
    /// Shapes for images of `height` x `width` x `channels`; the output of the last layer has `n_classes` channels.
    ///
    /// # Errors
    /// An image that the space-to-depth block does not divide, a layer that its input is too small for, or a residual
    /// that does not fit; the message names the layer.
    pub fn flow(&self, image: Shape, n_classes: usize) -> Result<Flow> {
        let block = self.space_to_depth;
        ensure!(
            image.height.is_multiple_of(block) && image.width.is_multiple_of(block),
            "images of {}x{} do not divide into blocks of {block}x{block}, the space-to-depth of network `{}`; give \
             a --size that is a multiple of {block}",
            image.height,
            image.width,
            self.name
        );
        let first = Shape {
            height: image.height / block,
            width: image.width / block,
            channels: image.channels * block * block,
        };
        let n_layers = self.layers.len();
        let mut flow = Flow {
            inputs: Vec::with_capacity(n_layers),
            sums: Vec::with_capacity(n_layers),
            outputs: Vec::with_capacity(n_layers),
            residual_strides: Vec::with_capacity(n_layers),
        };
        for layer in &self.layers {
            let shape = |map: TensorRef| match map {
                TensorRef::Input => first,
                TensorRef::Layer(idx) => flow.outputs[idx],
            };
            let input = shape(layer.input);
            let context = || format!("network `{}`: layer `{}`", self.name, layer.name);
            let sums = layer.sums(input, n_classes).with_context(|| {
                let Shape { height, width, .. } = input;
                format!(
                    "{} is too large for its input of {height}x{width}; give a larger --size",
                    context()
                )
            })?;
            let residual_stride = match layer.residual() {
                Some(from) => residual_stride(shape(from), sums).with_context(context)?,
                None => 1,
            };
            let output = layer.pooled(sums).with_context(|| {
                let Shape { height, width, .. } = sums;
                format!(
                    "{}: {height}x{width} is too small for a 2x2 max-pool; give a larger --size",
                    context()
                )
            })?;
            flow.inputs.push(input);
            flow.sums.push(sums);
            flow.outputs.push(output);
            flow.residual_strides.push(residual_stride);
        }
        Ok(flow)
    }
}

impl LayerSpec {
    /// Shape before max-pool.
    fn sums(&self, input: Shape, n_classes: usize) -> Option<Shape> {
        match &self.op {
            OpSpec::Conv(ConvSpec { channels, kernel, stride, padding, .. }) => {
                let side =
                    |side: usize| Some((side + 2 * padding).checked_sub(*kernel)? / stride + 1);
                let (height, width) = side(input.height).zip(side(input.width))?;
                Some(Shape { height, width, channels: *channels })
            }
            OpSpec::GlobalAveragePool => Some(Shape { height: 1, width: 1, ..input }),
            OpSpec::BatchNorm { .. } | OpSpec::Dropout { .. } => Some(input),
            OpSpec::FullyConnected => Some(Shape { height: 1, width: 1, channels: n_classes }),
        }
    }

    fn pooled(&self, sums: Shape) -> Option<Shape> {
        match &self.op {
            OpSpec::Conv(ConvSpec { max_pool: true, .. }) => {
                let (height, width) = (sums.height / 2, sums.width / 2);
                (height > 0 && width > 0).then_some(Shape { height, width, ..sums })
            }
            _ => Some(sums),
        }
    }
}

/// The step at which the pixels of `from` are as many as those of `to`.
fn residual_stride(from: Shape, to: Shape) -> Result<usize> {
    ensure!(
        from.channels <= to.channels,
        "its residual has {} channels, more than its own {}; a 1x1 convolution can project it",
        from.channels,
        to.channels
    );
    let fits = |stride: &usize| {
        from.height.div_ceil(*stride) == to.height && from.width.div_ceil(*stride) == to.width
    };
    let Some(stride) = (1..=MAX_RESIDUAL_STRIDE).find(fits) else {
        bail!(
            "its residual of {}x{} does not become {}x{} at any step from 1 to {MAX_RESIDUAL_STRIDE}",
            from.height,
            from.width,
            to.height,
            to.width
        );
    };
    Ok(stride)
}
