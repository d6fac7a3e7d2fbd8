//! The `twofold` program.

fn main() {}
