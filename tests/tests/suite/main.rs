//! The end-to-end tests, one module a subject.

mod compiled;
mod fit;
mod listing;
