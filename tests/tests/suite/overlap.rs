//! Layers of which the array, the drain and their dependencies leave nothing to spare: at the full rate.
//!
//! A chain is eight equal convolutions; what counts is a layer of its middle, between changes of `stream_layer`.

use codegen::Options;
use flow::cases::{Builder, ConvSpec, random_image};
use sim::RunOptions;
use spec::{ArrayConfig, Pattern, QuantNetwork, Sparsity, TensorRef};

use crate::support::{array, load, machine};

const N_LAYERS: usize = 8;

fn chain(side: usize, channels: usize, kernel: usize) -> QuantNetwork {
    let sparsity = Sparsity { pattern: Pattern::UhpShared, group: 16 };
    let mut builder = Builder::new([side, side, channels], 1, 1);
    let mut map = TensorRef::Input;
    for layer in 0..N_LAYERS {
        let spec = ConvSpec::same(channels, kernel, sparsity);
        map = builder.conv(&format!("layer{layer}"), map, &spec);
    }
    let pool = builder.global_average_pool("pool", map);
    builder.fully_connected("classes", pool, 10, Sparsity::default(), false);
    builder.finish("chain")
}

/// Useful MACs a PE and cycle of the slowest layer of the middle, in percent.
fn utilization(config: &ArrayConfig, side: usize, channels: usize, kernel: usize) -> f64 {
    let network = chain(side, channels, kernel);
    let mut machine = machine(config);
    load(&mut machine, &network, config, &Options::default());
    let image = random_image(&network, 1);
    let run = machine.run(&[&image], &RunOptions::default()).expect("the accelerator runs");
    let layers = &run.images[0].layers[3..N_LAYERS - 1];
    let percent = layers.iter().map(|layer| {
        let counters = &layer.counters;
        let n_macs = 100 * counters.n_useful_macs;
        eprintln!("{side}x{side}x{channels}, kernel {kernel}: {counters:?}");
        n_macs as f64 / (config.n_pes() as u64 * counters.n_cycles) as f64
    });
    percent.fold(f64::INFINITY, f64::min)
}

#[test]
fn equal_layers_run_at_the_full_rate() {
    for (lanes, side, channels, kernel, least) in [
        (8, 16, 32, 1, 95.0),
        (8, 8, 64, 1, 95.0),
        (8, 16, 64, 1, 95.0),
        (16, 16, 16, 1, 90.0),
        (8, 16, 16, 3, 95.0),
        (8, 8, 64, 3, 97.0),
    ] {
        let config = array(8, 16).with_lanes(lanes).expect("the array can have these lanes");
        let seen = utilization(&config, side, channels, kernel);
        eprintln!("{lanes} lanes, {side}x{side}x{channels}, kernel {kernel}: {seen:.1} %");
        assert!(
            seen >= least,
            "{lanes} lanes, {side}x{side}x{channels}, kernel {kernel}: {seen:.1} %"
        );
    }
}
