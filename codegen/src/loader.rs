//! How the loader packs the input into the words of bank 0: what it does with an image, the layouts there are, and which
//! of them serves the first layer best.

mod layouts;
mod pack;
mod packed;
mod runs;

pub(crate) use pack::{Faster, pack};
pub(crate) use packed::{Loader, PACK_LATENCY, View};

/// The output of a convolution before pooling, for the tests of this wing.
#[cfg(test)]
fn convolved(map: spec::Shape, conv: &spec::Conv) -> spec::Shape {
    let (channels, kernel_height, kernel_width, _) = conv.weight.dim();
    let [top, bottom, left, right] = conv.padding;
    spec::Shape {
        height: (map.height + top + bottom - kernel_height) / conv.stride[0] + 1,
        width: (map.width + left + right - kernel_width) / conv.stride[1] + 1,
        channels,
    }
}
