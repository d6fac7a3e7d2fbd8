//! Ctrl-C, and the end of who started a run.

use std::sync::atomic::AtomicBool;

/// Set by Ctrl-C; training stops at the next batch.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A variable of the environment with which a run stops as by Ctrl-C where its standard input ends: who started it has
/// ended then, by whatever signal.
pub const STOPS_WITH_STDIN: &str = "TWOFOLD_STOPS_WITH_STDIN";
