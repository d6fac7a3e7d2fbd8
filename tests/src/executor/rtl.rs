//! Executors that run the accelerator's Verilog.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use sim::tools::Tools;
use sim::{
    Icarus, IcarusOptions, Machine, Model, PowerUp, RtlExecutor, RunOptions, TraceMode, icarus_time,
};
use spec::ArrayConfig;

use super::{Answer, Executor};
use crate::design::verilog;
use crate::subject::Subject;

/// A machine of this configuration; its model is built once a process, and kept in `build/model`.
///
/// # Panics
/// If the model cannot be built.
pub fn machine(config: &ArrayConfig) -> Machine {
    static MODELS: LazyLock<Mutex<HashMap<String, Model>>> = LazyLock::new(Mutex::default);
    let verilog = verilog(config);
    let cached =
        MODELS.lock().expect("no thread panics while it holds the lock").get(&verilog).cloned();
    let model = cached.unwrap_or_else(|| {
        // Not under the lock: two sizes are built at once, and the cache on disk takes care of the same one twice.
        let tools = Tools::find().expect("the tests run in a checkout");
        let model = Model::build(&tools, &verilog, TraceMode::Off)
            .unwrap_or_else(|error| panic!("the model of the RTL cannot be built: {error}"));
        MODELS
            .lock()
            .expect("no thread panics while it holds the lock")
            .insert(verilog, model.clone());
        model
    });
    Machine::new(&model, config).expect("model and configuration belong together")
}

/// The Verilog under Verilator.
pub struct VerilatedRtl;

impl Executor for VerilatedRtl {
    fn name(&self) -> &'static str {
        "verilator"
    }

    fn time(&self, _subject: &Subject) -> Duration {
        Duration::ZERO
    }

    fn run(&self, subject: &Subject) -> Result<Vec<Answer>, String> {
        let mut machine = machine(&subject.program.config);
        machine.load(&subject.program).map_err(|error| error.to_string())?;
        answers(&mut machine, subject)
    }
}

/// The Verilog under Icarus, from unknown contents.
pub struct IcarusRtl;

impl Executor for IcarusRtl {
    fn name(&self) -> &'static str {
        "icarus"
    }

    fn missing(&self) -> Option<String> {
        let tools = Tools::find().map_err(|error| error.to_string());
        match tools {
            Ok(tools) => tools.icarus().err().map(|error| error.to_string()),
            Err(error) => Some(error),
        }
    }

    fn time(&self, subject: &Subject) -> Duration {
        let config = &subject.program.config;
        let n_cycles = codegen::tile_cycles(&subject.program) * subject.images.len() as u64;
        // `icarus_time` counts multiplications of PEs that never idle.
        icarus_time(n_cycles * config.n_pes() as u64, config)
    }

    fn run(&self, subject: &Subject) -> Result<Vec<Answer>, String> {
        let config = &subject.program.config;
        let tools = Tools::find().map_err(|error| error.to_string())?;
        let options = IcarusOptions { power_up: PowerUp::Unknown, reset: true };
        let mut icarus = Icarus::new(&tools, &verilog(config), config, options)
            .map_err(|error| error.to_string())?;
        icarus.load(&subject.program).map_err(|error| error.to_string())?;
        answers(&mut icarus, subject)
    }
}

/// What a simulator tells, without the cycles. Every bank that holds a map must hold the same.
fn answers(rtl: &mut dyn RtlExecutor, subject: &Subject) -> Result<Vec<Answer>, String> {
    let images: Vec<&[i8]> = subject.images.iter().map(Vec::as_slice).collect();
    let run = rtl.run(&images, &RunOptions::default()).map_err(|error| error.to_string())?;
    let answer = |result: sim::ImageResult| {
        let mut maps = vec![None; subject.network.layers.len()];
        for (info, layer) in subject.program.layers.iter().zip(result.layers) {
            let Some(index) = info.network_layer else { continue };
            for (bank, map) in layer.maps {
                if maps[index].as_ref().is_some_and(|other| *other != map) {
                    return Err(format!("layer {:?}: bank {bank} holds another map", info.name));
                }
                maps[index] = Some(map);
            }
        }
        Ok(Answer { logits: result.logits, maps })
    };
    run.images.into_iter().map(answer).collect()
}
