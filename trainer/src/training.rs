//! Teacher and student: their epochs, pruning, distillation and fine-tuning, with a checkpoint each epoch.

pub mod checkpoint;
pub mod distill;
pub mod fit;
pub mod images;
pub mod metrics;
mod optimize;
pub mod options;
pub mod outcome;
pub mod permute;
pub mod phase;
pub mod prune;
pub mod run_folder;
pub mod schedule;
mod seeds;
pub mod student;
pub mod teacher;
