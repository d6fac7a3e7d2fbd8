//! Executors that run the accelerator, cycle by cycle: its Verilog, or its Rust in rust-hdl's simulator.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use codegen::tile_cycles;
use hw::native::{Native, NativeImage, NativeOptions};
use ndarray::Array3;
use sim::tools::Tools;
use sim::{
    Icarus, IcarusOptions, Machine, Model, PowerUp, RtlExecutor, RunOptions, TraceMode, icarus_time,
};
use spec::{ArrayConfig, LayerInfo, Region};

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
        let n_cycles = tile_cycles(&subject.program) * subject.images.len() as u64;
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

/// The accelerator's own Rust, in rust-hdl's simulator: no Verilog is involved.
pub struct NativeRtl;

impl Executor for NativeRtl {
    fn name(&self) -> &'static str {
        "native"
    }

    fn time(&self, subject: &Subject) -> Duration {
        let n_pes = subject.program.config.n_pes() as u64;
        let n_cycles = tile_cycles(&subject.program) * subject.images.len() as u64;
        Duration::from_nanos(n_cycles * (NATIVE_NS_A_CYCLE + NATIVE_NS_A_PE_CYCLE * n_pes))
    }

    fn run(&self, subject: &Subject) -> Result<Vec<Answer>, String> {
        let images: Vec<&[i8]> = subject.images.iter().map(Vec::as_slice).collect();
        let mut native = Native::new(&subject.program).map_err(|error| error.to_string())?;
        let run =
            native.run(&images, &NativeOptions::default()).map_err(|error| error.to_string())?;
        let answer = |image: NativeImage| {
            let layers = subject.program.layers.iter().zip(image.layers);
            let maps = layers.flat_map(|(info, layer)| {
                let region = info.output;
                layer.maps.into_iter().filter_map(move |(bank, bytes)| {
                    let Region { height, width, channels, .. } = region?;
                    let shape = (height, width, channels);
                    Some((info, bank, Array3::from_shape_vec(shape, bytes).ok()?))
                })
            });
            Ok(Answer { logits: image.logits, maps: merged(subject, maps)? })
        };
        run.images.into_iter().map(answer).collect()
    }
}

/// Measured with the development profile on a common machine of 2026.
const NATIVE_NS_A_CYCLE: u64 = 60_000;
const NATIVE_NS_A_PE_CYCLE: u64 = 2_000;

/// What a simulator tells, without the cycles. Every bank that holds a map must hold the same.
fn answers(rtl: &mut dyn RtlExecutor, subject: &Subject) -> Result<Vec<Answer>, String> {
    let images: Vec<&[i8]> = subject.images.iter().map(Vec::as_slice).collect();
    let run = rtl.run(&images, &RunOptions::default()).map_err(|error| error.to_string())?;
    let answer = |result: sim::ImageResult| {
        let layers = subject.program.layers.iter().zip(result.layers);
        let maps = layers.flat_map(|(info, layer)| {
            layer.maps.into_iter().map(move |(bank, map)| (info, bank, map))
        });
        Ok(Answer { logits: result.logits, maps: merged(subject, maps)? })
    };
    run.images.into_iter().map(answer).collect()
}

/// One map a layer of the network, of the maps in the banks.
fn merged<'a>(
    subject: &Subject,
    of_banks: impl Iterator<Item = (&'a LayerInfo, usize, Array3<i8>)>,
) -> Result<Vec<Option<Array3<i8>>>, String> {
    let mut maps = vec![None; subject.network.layers.len()];
    for (info, bank, map) in of_banks {
        let Some(index) = info.network_layer else { continue };
        if maps[index].as_ref().is_some_and(|other| *other != map) {
            return Err(format!("layer {:?}: bank {bank} holds another map", info.name));
        }
        maps[index] = Some(map);
    }
    Ok(maps)
}
