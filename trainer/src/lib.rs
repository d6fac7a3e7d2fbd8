//! Trains a teacher, distills it into a half-pruned student, quantizes that to integers and exports it.
//!
//! In: images of `dataset`. Out: a run folder with a network file that `codegen` lowers, and [`report`]s. [`config`]
//! says where [`options`] come from. The steps are [`run`] (the whole of it) over [`teacher`] and [`student`], [`fit`] (one network),
//! [`prune`] (masks), [`distill`] (the loss), [`quantize`] (float to [`spec::QuantNetwork`]) and [`integer`] (that
//! network's exact forward pass, written independently of the reference in `spec`).

pub mod architecture;
pub mod bench;
pub mod checkpoint;
pub mod closing;
pub mod config;
pub mod data;
mod difference;
pub mod distill;
pub mod evaluate;
mod fake_quantize;
pub mod fit;
mod fits;
mod fold;
mod folder;
pub mod forward;
pub mod integer;
mod limits;
mod maps;
pub mod memory;
pub mod metrics;
pub mod model;
mod opening;
mod optimize;
pub mod options;
pub mod permute;
pub mod plots;
pub mod prune;
pub mod quantize;
pub mod report;
pub mod run;
pub mod student;
pub mod table;
pub mod teacher;
pub mod verify;
