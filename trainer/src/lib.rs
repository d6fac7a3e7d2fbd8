//! Trains a teacher, distills it into a half-pruned student, quantizes that to integers and exports it.
//!
//! In: images of `dataset`. Out: a run folder with a network file that `codegen` lowers. The steps are
//! [`run`] (the whole of it) over [`fit`] (one network), [`prune`] (masks), [`distill`] (the loss),
//! [`quantize`] (float to [`spec::QuantNetwork`]) and [`integer`] (that network's exact forward pass, written
//! independently of the reference in `spec`).

pub mod architecture;
pub mod checkpoint;
pub mod data;
pub mod distill;
pub mod fit;
pub mod integer;
pub mod model;
pub mod options;
pub mod prune;
pub mod quantize;
pub mod run;
pub mod verify;
