//! What runs the RTL: Verilator, or Icarus.

use anyhow::Result;
use sim::tools::Tools;
use sim::{
    Executor, Icarus, IcarusOptions, Machine, Model, PowerUp, SimError, TraceMode, icarus_time,
};
use spec::{ArrayConfig, Design, LayerInfo, Program};

use crate::args::SimulatorArg;
use crate::hardware;

/// Images that an executor streams back to back before its results are compared.
const BATCH: usize = 8;
/// The same for Icarus: the fewest that show the cycles between two.
const ICARUS_BATCH: usize = 2;

/// A simulator with the Verilog of an array.
pub(crate) enum Simulator {
    /// A compiled model.
    Verilator(Model),
    /// The tools, and the Verilog.
    Icarus(Tools, String),
}

impl Simulator {
    /// Finds the tools and builds the model.
    pub(crate) fn build(choice: SimulatorArg, config: &ArrayConfig) -> Result<Self> {
        let tools = Tools::find()?;
        let verilog = hardware::verilog(&Design::of(config.clone()))?;
        Ok(match choice {
            SimulatorArg::Verilator => {
                Self::Verilator(Model::build(&tools, &verilog, TraceMode::Off)?)
            }
            SimulatorArg::Icarus => {
                tools.icarus().map_err(SimError::from)?;
                Self::Icarus(tools, verilog)
            }
        })
    }

    /// An accelerator with a program in its ROMs.
    pub(crate) fn executor(&self, program: &Program) -> Result<Box<dyn Executor>, SimError> {
        Ok(match self {
            Self::Verilator(model) => {
                let mut machine = Machine::new(model, &program.config)?;
                machine.load(program)?;
                Box::new(machine)
            }
            Self::Icarus(tools, verilog) => {
                let options = IcarusOptions { power_up: PowerUp::Unknown, reset: true };
                let mut icarus = Icarus::new(tools, verilog, &program.config, options)?;
                icarus.load(program)?;
                Box::new(icarus)
            }
        })
    }

    /// Images that an executor takes at once.
    pub(crate) fn batch(&self) -> usize {
        match self {
            Self::Verilator(_) => BATCH,
            Self::Icarus(..) => ICARUS_BATCH,
        }
    }

    /// Says on stderr how long a slow simulator will take for images of a program, and for some of its dense schedule.
    pub(crate) fn announce(
        &self,
        program: &Program,
        n_images: usize,
        n_dense: usize,
        n_threads: usize,
    ) {
        if let Self::Icarus(..) = self {
            let n_at_once = n_threads.min(n_images.div_ceil(ICARUS_BATCH)).max(1);
            let sum = |macs: fn(&LayerInfo) -> u64| program.layers.iter().map(macs).sum::<u64>();
            let n_macs = sum(|layer| layer.n_useful_macs) * n_images.div_ceil(n_at_once) as u64
                + sum(|layer| layer.n_dense_macs) * n_dense as u64;
            let seconds = icarus_time(n_macs, &program.config).as_secs_f64();
            eprintln!(
                "note: Icarus starts with every register and memory unknown and takes about {}; fewer images take less \
                 (--images), Verilator takes seconds",
                duration(seconds)
            );
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
