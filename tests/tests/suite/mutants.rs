//! Whether the comparison of RTL and reference finds what it is for: accelerators with one small mistake each.

use cases::{Size, random_image, random_network};
use codegen::Options;
use sim::tools::Tools;
use sim::{Machine, Model, RunOptions, TraceMode, run_and_compare};
use spec::ArrayConfig;

use crate::support::{array, load, verilog};

/// A mistake: what it is, a line of the Verilog, and what it becomes.
const MUTANTS: [(&str, &str, &str); 8] = [
    ("a PE subtracts", "psum_out <= psum + product;", "psum_out <= psum - product;"),
    ("the other channel of a pair", "mask_1[0] ? word_1 : word_0;", "mask_1[0] ? word_0 : word_1;"),
    ("padding is not zero", "activation_1 <= zero_1 ? 8'd0 : ", "activation_1 <= "),
    ("a sum does not begin at zero", "base <= start[10] ? 32'd0 : word;", "base <= word;"),
    (
        "the smallest of four",
        "$signed(value) > $signed(maximum)",
        "$signed(value) < $signed(maximum)",
    ),
    ("halves are rounded up", "fine_7[0] & (sticky_7 | fine_7[1])", "fine_7[0]"),
    (
        "a residual without its sign",
        "residual_1 <= {{24{residual[7]}}, residual};",
        "residual_1 <= {24'd0, residual};",
    ),
    ("-127 is the least value", "16'h8000 : 16'hff80", "16'h8000 : 16'hff81"),
];
/// Networks after which a mistake counts as overlooked; `make test` runs several times as many layers.
const MOST_NETWORKS: u64 = 60;

/// How many random networks it takes to see the mistake.
fn n_networks_until_found(machine: &mut Machine, config: &ArrayConfig) -> Option<u64> {
    let size = Size { n_layers: 4, side: 12, channels: 16 };
    (0..MOST_NETWORKS).find(|&seed| {
        let network = random_network(seed, size, config);
        load(machine, &network, config, &Options::default());
        let images = [random_image(&network, seed), random_image(&network, !seed)];
        let images: Vec<_> = images.iter().map(Vec::as_slice).collect();
        match run_and_compare(machine, &network, &images, &RunOptions::default()) {
            Ok(checked) => checked.divergences.iter().any(Option::is_some),
            // An accelerator that comes to no end is found out as well.
            Err(_) => true,
        }
    })
}

#[test]
fn every_mistake_is_found() {
    let config = array(2, 2);
    let right = verilog(&config);
    let tools = Tools::find().unwrap();
    for (what, line, wrong_line) in MUTANTS {
        assert!(right.contains(line), "{what}: the Verilog holds no {line:?}");
        let wrong = right.replace(line, wrong_line);
        let model = Model::build(&tools, &wrong, TraceMode::Off).unwrap();
        let mut machine = Machine::new(&model, &config).unwrap();
        let found = n_networks_until_found(&mut machine, &config);
        eprintln!("{what}: {found:?} networks passed before it was found");
        assert!(found.is_some(), "{what}: {MOST_NETWORKS} networks did not show it");
    }
}
