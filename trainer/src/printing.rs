//! How results are printed.

use clap::ValueEnum;

/// What is printed, and why it is a failure, if it is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Printed {
    /// The result.
    pub text: String,
    /// What is wrong, to be said after it.
    pub failure: Option<String>,
}

/// How the result of a run is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person.
    #[default]
    Text,
    /// All of `result.json`.
    Json,
}

/// Digits in groups of three.
pub(crate) fn grouped(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
