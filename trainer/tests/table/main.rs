//! Tables of runs: what is started, skipped, resumed and told, with a stand-in for the trainer; and what is printed.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml spares only the bodies of tests, not their helpers"
)]

mod definition;
mod printing;
mod scheduling;
mod support;
