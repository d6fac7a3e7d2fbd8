//! How the loader packs the input into the words of bank 0: what it does with an image, the layouts there are, and which
//! of them serves the first layer best.

mod layouts;
mod pack;
mod packed;

pub(crate) use pack::pack;
pub(crate) use packed::{Loader, View};
