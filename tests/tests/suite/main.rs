//! The end-to-end tests, one module a subject.

mod bad_input;
mod ci;
mod circles;
mod compiled;
mod divergence;
mod executors;
mod fit;
mod icarus;
mod images;
mod invariants;
mod killed;
mod listing;
mod macs;
mod mutants;
mod native;
mod operators;
mod overlap;
mod properties;
mod rates;
mod reports;
mod rtl;
mod stream;
mod support;
mod throughput;
mod tidy;
mod yosys;
