//! Networks in floating point: layers, weights and masks, the forward pass, and images as tensors.

pub mod architecture;
pub mod data;
pub mod evaluate;
pub mod forward;
pub mod maps;
pub mod masks;
pub mod model;
