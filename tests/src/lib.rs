//! End-to-end cases, random differential tests and snapshots.

pub mod design;
pub mod differential;
pub mod executor;
pub mod interpreter;
pub mod mutants;
pub mod sketch;
pub mod subject;
