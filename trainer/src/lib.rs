//! Trains a teacher, distills it into a half-pruned student, quantizes that to integers and exports it.
//!
//! In: images of `dataset`. Out: a run folder with a network file that `codegen` lowers, and its
//! [result](training::outcome). Each wing uses those above it alone:
//!
//! | wing | what it holds |
//! |---|---|
//! | [`network`] | architectures, models, masks, the forward pass |
//! | [`integers`] | quantization, and the exact integer forward pass, written independently of the reference in `spec` |
//! | [`training`] | teacher and student: epochs, pruning, distillation, checkpoints |
//! | [`run`] | one run: options, folder, reports |
//! | [`table`] | many runs and what they say together |
//! | [`mod@bench`] | training beside Python PyTorch |
//!
//! Beside them stand what all may use: limits of files, interruptions, printing, and the memory of the process.

pub mod bench;
pub mod integers;
pub mod interruption;
mod limits;
pub mod memory;
pub mod network;
pub mod printing;
pub mod run;
pub mod table;
pub mod training;
