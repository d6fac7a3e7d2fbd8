//! Accelerators with one small mistake each, all in one design: every mistake is chosen by a number at run time.
//!
//! [`Schemata`] takes the Verilog of an accelerator and puts `number == N ? mistaken : right` around expressions, so that one
//! model runs all mutants. [`KillSuite`] is what has to tell each of them from the accelerator without a mistake, and
//! [`Campaign`] runs it over many mutants and remembers what came of each. It knows the text alone, not how it was generated.

mod campaign;
mod equivalence;
mod handover;
mod kill_suite;
mod lexer;
mod networks;
mod operators;
mod schemata;
mod syntax;
mod tally;

/// Rows and columns of the array whose mutants are run: small, with several granules in a word, several steps to drain the
/// columns, and a number of rows that is no power of two.
pub const SIZE: [usize; 2] = [3, 4];

pub use campaign::{Campaign, CampaignError, Verdict, survivors};
pub use equivalence::{Proof, ProofError, prove};
pub use handover::{HANDOVERS, Handover};
pub use kill_suite::KillSuite;
pub use operators::Mistake;
pub use schemata::{DIGEST_MEMORY, Mutant, NUMBER_MEMORY, Schemata, Wing};
pub use syntax::SyntaxError;
pub use tally::{Explanation, Explanations, ExplanationsError, LEAST_KILLED, Tally, sample};
