//! The RTL under Icarus, with unknown values: any contents of registers and memories at power-up give the same logits, maps,
//! counters and cycles as Verilator, cycle by cycle.

use std::fs;
use std::io::Write;
use std::sync::LazyLock;

use codegen::Options;
use hw::tech::MULT18X18D_MODEL;
use serde_json::Value;
use sim::tools::Tools;
use sim::{
    Icarus, IcarusOptions, Machine, PowerUp, RtlExecutor, RunOptions, RunOutput, run_and_compare,
};
use spec::{ArrayConfig, Program, QuantNetwork, Technology};

use crate::support::{Checkout, case, machine, verilog_with};

/// Whether this machine has Icarus. Where `TWOFOLD_REQUIRE_ICARUS` is set, as in continuous integration, it must.
fn has_icarus() -> bool {
    static FOUND: LazyLock<bool> = LazyLock::new(|| {
        let missing = Tools::find().expect("the tests run in a checkout").icarus().err();
        let required = std::env::var_os("TWOFOLD_REQUIRE_ICARUS").is_some_and(|value| value != "0");
        if let Some(error) = &missing {
            assert!(!required, "{error}");
            // Not `eprintln`, which the test harness hides where a test passes.
            let _ = writeln!(std::io::stderr(), "LEFT OUT: the RTL under Icarus; {error}");
        }
        missing.is_none()
    });
    *FOUND
}

/// A case, its program, and two of its images.
struct Subject {
    network: QuantNetwork,
    config: ArrayConfig,
    program: Program,
    images: Vec<Vec<i8>>,
}

impl Subject {
    fn of(name: &str) -> Self {
        let case = case(name);
        let network = case.build();
        let config = case.config().expect("the case has an array");
        let program = codegen::compile(&network, &config, &Options::default()).expect("it fits");
        let images = case.images(&network).into_iter().take(2).collect();
        Self { network, config, program, images }
    }

    fn images(&self) -> Vec<&[i8]> {
        self.images.iter().map(Vec::as_slice).collect()
    }

    fn verilator(&self) -> Machine {
        let mut machine = machine(&self.config);
        machine.load(&self.program).expect("the program fits the machine");
        machine
    }

    fn icarus(&self, technology: Technology, options: IcarusOptions) -> Icarus {
        let mut verilog = verilog_with(&self.config, technology);
        if technology == Technology::Ecp5 {
            verilog += MULT18X18D_MODEL;
        }
        let tools = Tools::find().expect("the tests run in a checkout");
        let mut icarus =
            Icarus::new(&tools, &verilog, &self.config, options).expect("Icarus is there");
        icarus.load(&self.program).expect("the program is for this array");
        icarus
    }

    /// Runs both and compares every logit, map, counter and cycle; Icarus with the reference, too.
    fn check(&self, technology: Technology, icarus: IcarusOptions, run: RunOptions) {
        let expected = self.verilator().run(&self.images(), &run).expect("Verilator runs");
        let mut icarus_machine = self.icarus(technology, icarus);
        let checked = run_and_compare(&mut icarus_machine, &self.network, &self.images(), &run)
            .unwrap_or_else(|error| panic!("{technology:?}, {icarus:?}, {run:?}: {error}"));
        assert_eq!(checked.divergences, [None, None], "{technology:?}, {icarus:?}, {run:?}");
        let RunOutput { images, n_cycles, bad_images, .. } = checked.run;
        assert_eq!(
            (&images, n_cycles, bad_images),
            (&expected.images, expected.n_cycles, expected.bad_images),
            "{technology:?}, {icarus:?}, {run:?}"
        );
    }
}

fn gaps(stall_seed: u64) -> RunOptions {
    RunOptions { stall_seed, ..RunOptions::default() }
}

fn reset(power_up: PowerUp) -> IcarusOptions {
    IcarusOptions { power_up, reset: true }
}

#[test]
fn the_smallest_array_runs_from_any_power_up() {
    if !has_icarus() {
        return;
    }
    for case in ["tiny-uhp", "tiny-dense"] {
        let tiny = Subject::of(case);
        for technology in [Technology::Generic, Technology::Ecp5] {
            for run in [gaps(0), gaps(7), RunOptions { back_to_back: false, ..gaps(5) }] {
                tiny.check(technology, reset(PowerUp::Unknown), run);
                tiny.check(technology, reset(PowerUp::Initial), run);
            }
            for seed in 1..4 {
                tiny.check(technology, reset(PowerUp::Random(seed)), gaps(seed));
            }
        }
    }
}

#[test]
fn initial_values_need_no_reset() {
    if !has_icarus() {
        return;
    }
    let tiny = Subject::of("tiny-uhp");
    let options = IcarusOptions { power_up: PowerUp::Initial, reset: false };
    for technology in [Technology::Generic, Technology::Ecp5] {
        tiny.check(technology, options, gaps(0));
        tiny.check(technology, options, gaps(3));
    }
}

#[test]
fn every_kind_of_layer_runs_from_unknown_contents() {
    if !has_icarus() {
        return;
    }
    let toy = Subject::of("toy-small-array");
    toy.check(Technology::Generic, reset(PowerUp::Unknown), gaps(0));
}

#[test]
fn the_program_reports_the_same_from_either_simulator() {
    if !has_icarus() {
        return;
    }
    let checkout = Checkout::new();
    let report = |simulator: &str| {
        let args = ["sim", "--case", "tiny-uhp", "--format", "json", "--simulator", simulator];
        let text = checkout.run(&args);
        let mut report: Value = serde_json::from_str(&text).expect("a report is JSON");
        let measured = report.as_object_mut().expect("a report is an object");
        let speed = measured.remove("simulated_cycles_per_second");
        assert!(speed.is_some_and(|speed| speed.as_f64() > Some(0.0)));
        (report, fs::read_dir(checkout.path("build/icarus")).map_or(0, Iterator::count))
    };
    let (verilator, _) = report("verilator");
    let (icarus, n_left) = report("icarus");
    assert_eq!(icarus["bit_exact"], true);
    // Batches are smaller, and so are the cycles that were simulated.
    let without = |mut report: Value| {
        report["n_simulated_cycles"] = Value::Null;
        report
    };
    assert_eq!(without(icarus), without(verilator));
    assert_eq!(n_left, 0, "a run leaves nothing behind");
}

/// A design that hides nothing: what is unknown ends the run and is named.
#[test]
fn an_unknown_value_is_an_error_that_names_it() {
    if !has_icarus() {
        return;
    }
    let run = |case: &str, changes: &[(&str, &str)]| {
        let subject = Subject::of(case);
        let verilog = verilog_with(&subject.config, Technology::Generic);
        let tools = Tools::find().expect("the tests run in a checkout");
        let options = reset(PowerUp::Unknown);
        let changed = changes.iter().fold(verilog, |verilog, (from, to)| {
            assert!(verilog.contains(from), "{from}");
            verilog.replace(from, to)
        });
        let mut icarus =
            Icarus::new(&tools, &changed, &subject.config, options).expect("Icarus is there");
        icarus.load(&subject.program).expect("the program is for this array");
        let result = RtlExecutor::run(&mut icarus, &subject.images()[..1], &RunOptions::default());
        result.map(|_| ()).unwrap_err().to_string()
    };
    let looks_at_the_residual = [
        ("residual_multiplier == 24'd0 ? 9'd0\n        : ", ""),
        ("before_2 ? residual_product_2[31:0] : 32'd0", "residual_product_2[31:0]"),
    ];
    let error = run("tiny-uhp", &looks_at_the_residual);
    assert!(
        error.starts_with("unknown bits in a word of the map of layer 0, image 0, "),
        "{error}"
    );
    let error = run("toy-small-array", &[("select_2 = first | (granule", "select_2 = (granule")]);
    assert!(
        error.starts_with("unknown bits in a word of the map of layer 0, image 0, "),
        "{error}"
    );
    let error = run("tiny-uhp", &[("endmodule", "endmodul")]);
    assert!(error.contains("iverilog fails:\n"), "{error}");
}
