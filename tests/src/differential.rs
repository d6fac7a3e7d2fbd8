//! Compares what a compiled program computes with the integer reference, layer by layer.

use codegen::{CompileErrors, Options};
use spec::{ArrayConfig, LayerOutput, Program, QuantNetwork, run_reference};

use crate::interpreter::{InterpreterError, interpret};

/// The first difference between a program and the reference.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Difference {
    /// The network does not compile.
    #[error("{0}")]
    Compile(CompileErrors),
    /// The program breaks a rule of the instruction set.
    #[error("{0}")]
    Rule(InterpreterError),
    /// A byte of a feature map.
    #[error(
        "layer {layer:?}, pixel ({y}, {x}), channel {channel}: {found}, the reference says {expected}"
    )]
    Map {
        /// The layer.
        layer: String,
        /// Row.
        y: usize,
        /// Column.
        x: usize,
        /// Channel.
        channel: usize,
        /// The reference's value.
        expected: i16,
        /// The program's value.
        found: i8,
    },
    /// The logits or the class.
    #[error("logits {found:?}, the reference says {expected:?}")]
    Logits {
        /// The reference's values and class.
        expected: (Vec<i16>, usize),
        /// The program's values and class.
        found: (Vec<i16>, usize),
    },
    /// MACs that the hardware's counter would not show.
    #[error("layer {layer:?}: {found} useful MACs, the pattern keeps {expected}")]
    UsefulMacs {
        /// The layer.
        layer: String,
        /// What the pattern keeps.
        expected: u64,
        /// What the tiles say.
        found: u64,
    },
}

/// Compiles `network`, interprets the program on `image` and compares every layer output and logit with the reference.
///
/// Useful MACs may be fewer than the pattern keeps, where tiles of zeros were dropped.
///
/// # Errors
/// The first difference.
pub fn compare(
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
    image: &[i8],
) -> Result<Program, Difference> {
    let program = codegen::compile(network, config, options).map_err(Difference::Compile)?;
    let execution = interpret(&program, image).map_err(Difference::Rule)?;
    let inference =
        run_reference(network, image).expect("the image has the size of the network's input");
    for (info, result) in program.layers.iter().zip(&execution.layers) {
        if result.n_useful_macs > info.n_useful_macs {
            let (expected, found) = (info.n_useful_macs, result.n_useful_macs);
            return Err(Difference::UsefulMacs { layer: info.name.clone(), expected, found });
        }
        let Some(bytes) = result.output.as_deref() else { continue };
        let map = match info.network_layer.map(|layer| &inference.layers[layer]) {
            None => continue,
            Some(LayerOutput::Map(map)) => map.mapv(i16::from),
            Some(LayerOutput::Output(map)) => map.clone(),
        };
        assert_eq!(bytes.len(), map.len(), "layer {:?} has another shape", info.name);
        for (((y, x, channel), &expected), &found) in map.indexed_iter().zip(bytes) {
            if expected != i16::from(found) {
                return Err(Difference::Map {
                    layer: info.name.clone(),
                    y,
                    x,
                    channel,
                    expected,
                    found,
                });
            }
        }
    }
    let expected = (inference.logits.values, inference.logits.class);
    let found = (execution.logits, execution.class);
    if expected == found { Ok(program) } else { Err(Difference::Logits { expected, found }) }
}
