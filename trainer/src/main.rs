//! Trains teacher and student, half-prunes, quantizes and exports.

fn main() {}
