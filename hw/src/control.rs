//! The control core: what happens when. Nothing here sees an activation, a weight or a sum.
//!
//! The instruction's way is `fetch`, `weight_loader`, `streamer`, `drain`; [`context`](crate::context) holds the bundles that they hand on,
//! `counters` watches where the cycles go.

pub mod counters;
pub mod drain;
pub mod fetch;
pub mod status_select;
pub mod streamer;
pub mod weight_loader;
