//! A sample of the mutants that `make mutants` runs: small mistakes in the accelerator's Verilog, which the kill suite finds.

use std::time::Instant;

use sim::tools::Tools;
use sim::{Machine, Model, TraceMode};
use spec::ArrayConfig;
use twofold_tests::mutants::{
    Campaign, Explanations, HANDOVERS, KillSuite, Mutant, Proof, SIZE, Schemata, Tally, Wing,
    prove, sample, survivors,
};

use twofold_tests::design::verilog;

use crate::support::{array, root};

const N_SAMPLE: usize = 30;
const SEED: u64 = 1;
/// Of a hundred: one of the sample may survive, as it is too small to tell one percent from another.
const LEAST_OF_SAMPLE: f64 = 95.0;

fn mutated_array() -> ArrayConfig {
    let [rows, cols] = SIZE;
    array(rows, cols)
}

fn schemata(verilog: &str) -> Schemata<'_> {
    let schemata = Schemata::new(verilog, "accelerator", &HANDOVERS).expect("the Verilog is read");
    schemata.assume(explanations().assumptions())
}

fn explanations() -> Explanations {
    Explanations::read(root()).expect("the committed explanations are read")
}

#[test]
fn a_sample_of_mistakes_is_found() {
    let start = Instant::now();
    let config = mutated_array();
    let right = verilog(&config);
    let schemata = schemata(&right);
    let tools = Tools::find().unwrap();
    let model = Model::build(&tools, &schemata.verilog(&[]), TraceMode::Off).unwrap();
    let suite = KillSuite::new(&config, &mut Machine::new(&model, &config).unwrap());
    let chosen = sample(&schemata.mutants, N_SAMPLE, SEED);
    let model = Model::build(&tools, &schemata.verilog(&chosen), TraceMode::Off).unwrap();
    // Nothing is remembered from one run of the tests to the next.
    let folder = tempfile::tempdir_in(root().join("build")).unwrap();
    let campaign = Campaign::new(&schemata, model, &suite, folder.path()).unwrap();
    let verdicts = campaign.run(&chosen, 2, |_| {}).unwrap();
    let survivors = survivors(&chosen, &verdicts);
    let proofs = folder.path().join("proofs");
    let proofs = prove(&tools, &schemata, &survivors, &proofs, |_| {}).unwrap();
    let is_equivalent = |mutant: &Mutant| proofs.get(&mutant.number) == Some(&Proof::Equivalent);
    let tally = Tally::new(&chosen, &verdicts, is_equivalent, &explanations());
    eprintln!("{tally}\n{N_SAMPLE} mutants: {:.0} s", start.elapsed().as_secs_f64());
    assert!(tally.share() >= LEAST_OF_SAMPLE, "{tally}");
}

/// The array whose mutants `make mutants` runs has one section.
#[test]
fn every_mistake_in_the_crossings_of_sections_is_found() {
    let start = Instant::now();
    let config = mutated_array().with_mask_columns(1).unwrap();
    let right = verilog(&config);
    let schemata = Schemata::new(&right, "accelerator", &HANDOVERS).unwrap();
    let is_of_sections = |mutant: &&Mutant| {
        mutant.module.starts_with("crossing")
            || ["crossing", "other", "entered_at"]
                .iter()
                .any(|name| mutant.statement.contains(name))
    };
    let chosen: Vec<&Mutant> = schemata.mutants.iter().filter(is_of_sections).collect();
    assert!(chosen.len() > 20, "{} mutants", chosen.len());
    let tools = Tools::find().unwrap();
    let model = Model::build(&tools, &schemata.verilog(&chosen), TraceMode::Off).unwrap();
    let suite = KillSuite::new(&config, &mut Machine::new(&model, &config).unwrap());
    let folder = tempfile::tempdir_in(root().join("build")).unwrap();
    let campaign = Campaign::new(&schemata, model, &suite, folder.path()).unwrap();
    let verdicts = campaign.run(&chosen, 2, |_| {}).unwrap();
    let survivors = survivors(&chosen, &verdicts);
    eprintln!("{} mutants: {:.0} s", chosen.len(), start.elapsed().as_secs_f64());
    assert!(survivors.is_empty(), "{survivors:#?}");
}

#[test]
fn there_are_mutants_of_every_module_and_half_of_a_sample_is_in_control() {
    let right = verilog(&mutated_array());
    let schemata = schemata(&right);
    let of =
        |module: &str| schemata.mutants.iter().filter(|mutant| mutant.module == module).count();
    for module in [
        "fetch",
        "weight_loader",
        "streamer",
        "loader",
        "counters",
        "pe",
        "accumulator",
        "requantize",
    ] {
        assert!(of(module) >= 5, "{module}: {} mutants", of(module));
    }
    assert!(schemata.mutants.len() >= 300, "{} mutants", schemata.mutants.len());
    let chosen = sample(&schemata.mutants, 300, SEED);
    let n_control = chosen.iter().filter(|mutant| mutant.wing() == Wing::Control).count();
    assert_eq!((chosen.len(), n_control), (300, 150));
}

#[test]
fn explanations_are_about_mutants_that_there_are() {
    let right = verilog(&mutated_array());
    let schemata = schemata(&right);
    for explanation in explanations().all {
        let is_of = |mutant: &Mutant| explanation.is_of(mutant);
        assert!(schemata.mutants.iter().any(is_of), "{explanation:?} is about no mutant");
        assert!(explanation.reason.len() > 20, "{explanation:?} gives no reason");
    }
}
