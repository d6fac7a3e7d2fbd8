//! Emitted Verilog under the project's Verilator: lint, and blocks cycle by cycle.

use num_bigint::BigUint;
use sim::tools::Tools;
use sim::{BlockModel, BlockSource};
use twofold_hw::verilog::Verilog;

pub(crate) use sim::BlockOutputs as Outputs;

fn tools() -> Tools {
    Tools::find().unwrap()
}

/// Lints a design with every warning on and the project's waivers.
pub(crate) fn lint(design: &Verilog) {
    let folder = tempfile::tempdir().unwrap();
    let (text, waivers) = (design.text(), include_str!("../../lint.vlt"));
    let linted = sim::lint(&tools(), &text, &design.top().name, waivers, folder.path()).unwrap();
    assert!(linted.accepted, "{}", linted.log);
}

/// A program that runs one of several designs, each known by the name of its top module.
pub(crate) struct Verilated(BlockModel);

impl Verilated {
    /// Compiles the designs together.
    pub(crate) fn build(designs: &[&Verilog]) -> Self {
        let texts: Vec<String> = designs.iter().map(|design| design.text()).collect();
        let blocks = designs.iter().zip(&texts);
        let blocks: Vec<BlockSource> = blocks
            .map(|(design, text)| BlockSource { name: &design.top().name, verilog: text })
            .collect();
        Self(BlockModel::build(&tools(), &blocks).unwrap())
    }

    /// Runs a design on rows of inputs in port order without the clock, one cycle a row.
    pub(crate) fn run(
        &self,
        design: &str,
        files: &[(&str, String)],
        rows: &[Vec<BigUint>],
    ) -> Vec<Outputs> {
        self.0.run(design, files, rows).unwrap()
    }
}

/// Outputs after each row of inputs, in port order without the clock. A design with a `clock` gets one cycle a row.
pub(crate) fn simulate(
    design: &Verilog,
    files: &[(&str, String)],
    rows: &[Vec<u64>],
) -> Vec<Vec<u64>> {
    let rows: Vec<Vec<BigUint>> =
        rows.iter().map(|row| row.iter().map(|x| BigUint::from(*x)).collect()).collect();
    let outputs = Verilated::build(&[design]).run(&design.top().name, files, &rows);
    let narrow = |x: &BigUint| u64::try_from(x).unwrap();
    outputs.iter().map(|row| row.after.iter().map(narrow).collect()).collect()
}
