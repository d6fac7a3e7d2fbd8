//! Tests of `spec` through its public interface.

extern crate twofold_spec as spec;

mod docs;
mod reference;
mod stranger;
mod support;
