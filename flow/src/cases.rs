//! Networks with seeded random weights, for tests, benchmarks and comparisons of cycles.
//!
//! A [`Case`] is a JSON file of `tests/cases`: a topology, how it is pruned, a seed, an array. [`random_network`] makes
//! networks of random topology instead. Weights and requantization constants keep activations between vanishing and
//! saturating; nothing here is trained. The same seed gives the same bits everywhere.

mod arithmetic;
mod builder;
mod case;
mod random;
mod topology;
mod weights;

pub use arithmetic::with_random_arithmetic;
pub use builder::{Builder, ConvSpec};
pub use case::{Case, CaseError};
pub use random::{Size, random_config, random_image, random_network, random_network_of_all};
pub use topology::{Shortcut, Topology};
pub use weights::random_weights;
