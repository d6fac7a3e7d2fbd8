//! Reads a TensorFlow Lite model: a flatbuffer of the schema that LiteRT publishes (`tflite/converter/schema/schema.fbs`, version 3).
//!
//! Full-integer int8 models become a [`Graph`]; floating-point, uint8 and int16 ones are refused with what to do. Every offset, length
//! and index of the file is checked where it is followed, no table is followed deeper than the schema goes, and what is copied is
//! bounded by the size of the file.

mod buffer;
mod layers;
mod metadata;
mod model;
mod operators;
mod ops;
mod tensors;

use crate::error::Error;
use crate::graph::Graph;

/// The bytes by which a file is known, at byte 4.
pub const IDENTIFIER: &[u8; 4] = b"TFL3";

/// Reads a model. `name` is for reports.
///
/// # Errors
/// Bytes that are no model, or a model whose arithmetic is not int8. Operations without a counterpart are in [`Graph::problems`].
pub fn read(bytes: &[u8], name: &str) -> Result<Graph, Error> {
    let model = model::Model::read(bytes)?;
    let mut graph = operators::graph(&model, name)?;
    match metadata::normalization(&model) {
        Ok(normalization) => graph.normalization = normalization,
        // The network does not depend on it.
        Err(error) => {
            graph.notes.push(format!("what the model says of its images is left out: {error}"))
        }
    }
    Ok(graph)
}
