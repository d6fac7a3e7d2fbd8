//! One run: its options, its folder, what is told when it starts and when it ends, and `trainer verify` of its network.

pub mod closing;
pub mod config;
pub(crate) mod difference;
mod fits;
pub(crate) mod folder;
mod opening;
pub mod options;
pub mod plots;
pub mod report;
pub mod train;
pub mod verify;

pub use train::{networks, train};
