//! The simulator against a toy accelerator whose results are a line of Rust: build, cache, FFI, counters, errors.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml spares only the bodies of tests, not their helpers"
)]

mod failures;
mod models;
mod runs;
mod support;
