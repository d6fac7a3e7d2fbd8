//! The end-to-end tests, one module a subject.

mod bad_input;
mod compiled;
mod divergence;
mod fit;
mod killed;
mod listing;
mod macs;
mod mutants;
mod properties;
mod rates;
mod reports;
mod rtl;
mod support;
mod throughput;
mod tidy;
mod yosys;
