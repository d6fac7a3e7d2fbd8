//! Tests of `spec` through its public interface.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml spares only the bodies of tests, not their helpers"
)]

extern crate twofold_spec as spec;

mod docs;
mod files;
mod format;
mod program;
mod reference;
mod rules;
mod rules_2;
mod stranger;
mod support;
