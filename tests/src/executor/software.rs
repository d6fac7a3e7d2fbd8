//! Executors that know no hardware: the integer reference, and the interpreter of programs.

use std::time::Duration;

use ndarray::Array3;
use spec::{Inference, Logits, run_reference};

use super::{Answer, Executor};
use crate::interpreter::interpret;
use crate::subject::Subject;

/// [`spec::run_reference`], which looks at the network alone.
pub struct Reference;

impl Executor for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn time(&self, _subject: &Subject) -> Duration {
        Duration::ZERO
    }

    fn run(&self, subject: &Subject) -> Result<Vec<Answer>, String> {
        let answer = |image: &Vec<i8>| {
            let Inference { layers, logits } =
                run_reference(&subject.network, image).map_err(|error| error.to_string())?;
            Ok(Answer { logits, maps: layers.iter().map(|layer| layer.map().cloned()).collect() })
        };
        subject.images.iter().map(answer).collect()
    }
}

/// [`interpret`], which looks at the program alone.
pub struct Interpreter;

impl Executor for Interpreter {
    fn name(&self) -> &'static str {
        "interpreter"
    }

    fn time(&self, _subject: &Subject) -> Duration {
        Duration::ZERO
    }

    fn run(&self, subject: &Subject) -> Result<Vec<Answer>, String> {
        let answer = |image: &Vec<i8>| {
            let execution =
                interpret(&subject.program, image).map_err(|error| error.to_string())?;
            let mut maps = vec![None; subject.network.layers.len()];
            for (info, result) in subject.program.layers.iter().zip(execution.layers) {
                // Tiles of zeros may be dropped, none may be added.
                if result.n_useful_macs > info.n_useful_macs {
                    return Err(format!(
                        "layer {:?}: {} useful MACs, the pattern keeps {}",
                        info.name, result.n_useful_macs, info.n_useful_macs
                    ));
                }
                let (Some(layer), Some(region), Some(bytes)) =
                    (info.network_layer, info.output, result.output)
                else {
                    continue;
                };
                let shape = (region.height, region.width, region.channels);
                let map =
                    Array3::from_shape_vec(shape, bytes).map_err(|error| error.to_string())?;
                maps[layer] = Some(map);
            }
            let (values, class) = (execution.logits, execution.class);
            Ok(Answer { logits: Logits { values, class }, maps })
        };
        subject.images.iter().map(answer).collect()
    }
}
