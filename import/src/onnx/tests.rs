//! The reader on models that are built here: what it gives for both forms, what it refuses, and that no file makes it panic.

mod arithmetic;
mod build;
mod evaluate;
mod hostile;
mod patterns;
mod published;
mod refusals;
mod written;
