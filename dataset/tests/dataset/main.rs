//! Files made by hand, byte by byte: every layout is read, and everything malformed is an error that names its file.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml spares only the bodies of tests, not their helpers"
)]

mod cifar;
mod folder;
mod foreign;
mod images;
mod malformed;
mod mutated;
mod phoenix;
mod preprocess;
mod ships;
mod split;
mod support;
mod tiff;
