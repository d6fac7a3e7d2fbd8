//! End-to-end cases, random differential tests and snapshots.

pub mod differential;
pub mod interpreter;
