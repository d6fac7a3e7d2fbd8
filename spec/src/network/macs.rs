//! How many multiplications of a layer are useful, and how many of those meet a pixel.

use ndarray::Axis;

use super::layers::{Conv, Op, QuantNetwork};
use super::shapes::Shape;
use super::sparsity::kept_positions;

/// Multiplications of a layer, of one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Macs {
    /// One for each kept weight position and each pixel that is computed for it: what the hardware counts as useful.
    /// Zero padding around the map and kept weights that happen to be zero are in it.
    pub n_useful: u64,
    /// Those of them whose activation is a pixel of the map, not of the padding around it.
    pub n_real_pixel: u64,
}

impl QuantNetwork {
    /// The multiplications of the layer with index `layer` of a validated network. Additions, as those of pools, of residuals and of
    /// maps, are none.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn macs(&self, layer: usize) -> Macs {
        let layer = &self.layers[layer];
        let input = self.shape(layer.input);
        match &layer.op {
            Op::Conv(conv) => conv_macs(conv, input, layer.output_shape(|_| input)),
            Op::FullyConnected(fc) => {
                let kept = kept_positions(&fc.weight, fc.sparsity);
                let n_kept = kept.iter().filter(|kept| **kept).count() as u64;
                Macs { n_useful: n_kept, n_real_pixel: n_kept }
            }
            _ => Macs::default(),
        }
    }
}

fn conv_macs(conv: &Conv, input: Shape, output: Shape) -> Macs {
    // What an odd last row or column would give to a max-pool is not computed.
    let side = if conv.max_pool { 2 } else { 1 };
    let (n_rows, n_cols) = (side * output.height, side * output.width);
    let [top, _, left, _] = conv.padding;
    let n_inside = |axis: usize, n_outputs: usize, tap: usize, padding: usize, n_inputs: usize| {
        let tap = tap * conv.dilation[axis];
        let positions = (0..n_outputs).map(|output| output * conv.stride[axis] + tap);
        positions.filter(|at| (padding..padding + n_inputs).contains(at)).count()
    };
    let kept = kept_positions(&conv.weight, conv.sparsity);
    let mut macs = Macs::default();
    for (ky, kept) in kept.axis_iter(Axis(1)).enumerate() {
        let n_rows_inside = n_inside(0, n_rows, ky, top, input.height);
        for (kx, kept) in kept.axis_iter(Axis(1)).enumerate() {
            let n_kept = kept.iter().filter(|kept| **kept).count();
            let n_cols_inside = n_inside(1, n_cols, kx, left, input.width);
            macs.n_useful += (n_kept * n_rows * n_cols) as u64;
            macs.n_real_pixel += (n_kept * n_rows_inside * n_cols_inside) as u64;
        }
    }
    macs
}
