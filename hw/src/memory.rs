//! What holds an image and its results, and what fills and empties it: the activation banks, the loader in front of bank
//! 0, the output behind the logits.

pub mod activation_memory;
pub mod loader;
pub mod output;
