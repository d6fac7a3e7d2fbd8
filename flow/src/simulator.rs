//! What runs the RTL: Verilator, or Icarus.

use sim::{
    Icarus, IcarusOptions, Machine, Model, PowerUp, RtlExecutor, SimError, TraceMode, icarus_time,
};
use spec::{Design, LayerInfo, Program};

use crate::build::emit;
use crate::error::FlowError;
use crate::log::Log;
use crate::tools::Tools;

/// What runs the Verilog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SimulatorKind {
    /// The pinned Verilator: millions of cycles a second.
    #[default]
    Verilator,
    /// The machine's Icarus, for small networks: unknown values stay unknown.
    Icarus,
}

/// Images that an executor streams back to back before its results are compared.
const BATCH: usize = 8;
/// The same for Icarus: the fewest that show the cycles between two.
const ICARUS_BATCH: usize = 2;

/// A simulator with the Verilog of a design. Any number of accelerators can run on it, each on a thread of its own.
pub struct Simulator(Kind);

enum Kind {
    /// A compiled model.
    Verilator(Model),
    /// The tools, and the Verilog.
    Icarus(Tools, String),
}

impl Simulator {
    /// Finds the tools, emits the Verilog and builds the model, or takes it from the cache.
    ///
    /// # Errors
    /// A missing tool, or one that refuses the Verilog.
    pub fn build(kind: SimulatorKind, design: &Design) -> Result<Self, FlowError> {
        let tools = Tools::find()?;
        let verilog = emit(design)?;
        Ok(Self(match kind {
            SimulatorKind::Verilator => {
                Kind::Verilator(Model::build(&tools, &verilog, TraceMode::Off)?)
            }
            SimulatorKind::Icarus => {
                tools.icarus()?;
                Kind::Icarus(tools, verilog)
            }
        }))
    }

    /// An accelerator with a program in its ROMs.
    ///
    /// # Errors
    /// A program of another array.
    pub fn executor(&self, program: &Program) -> Result<Box<dyn RtlExecutor>, SimError> {
        Ok(match &self.0 {
            Kind::Verilator(model) => {
                let mut machine = Machine::new(model, &program.config)?;
                machine.load(program)?;
                Box::new(machine)
            }
            Kind::Icarus(tools, verilog) => {
                let options = IcarusOptions { power_up: PowerUp::Unknown, reset: true };
                let mut icarus = Icarus::new(tools, verilog, &program.config, options)?;
                icarus.load(program)?;
                Box::new(icarus)
            }
        })
    }

    /// Images that an executor takes at once.
    pub(crate) fn batch(&self) -> usize {
        match self.0 {
            Kind::Verilator(_) => BATCH,
            Kind::Icarus(..) => ICARUS_BATCH,
        }
    }

    /// Says how long a slow simulator will take for images of a program, and for some of its dense schedule.
    pub(crate) fn announce(
        &self,
        program: &Program,
        n_images: usize,
        n_dense: usize,
        n_threads: usize,
        log: Log,
    ) {
        if let Kind::Icarus(..) = self.0 {
            let n_at_once = n_threads.min(n_images.div_ceil(ICARUS_BATCH)).max(1);
            let sum = |macs: fn(&LayerInfo) -> u64| program.layers.iter().map(macs).sum::<u64>();
            let n_macs = sum(|layer| layer.n_useful_macs) * n_images.div_ceil(n_at_once) as u64
                + sum(|layer| layer.n_dense_macs) * n_dense as u64;
            let seconds = icarus_time(n_macs, &program.config).as_secs_f64();
            log.say(&format!(
                "note: Icarus starts with every register and memory unknown and takes about {}; fewer images take less \
                 (--images), Verilator takes seconds",
                duration(seconds)
            ));
        }
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{:.0} s", s.ceil()),
        s if s < 5400.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{:.0} hours", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_that_suits_them() {
        assert_eq!(
            [0.1, 80.0, 600.0, 20_000.0].map(duration),
            ["1 s", "80 s", "10 minutes", "6 hours"]
        );
    }
}
