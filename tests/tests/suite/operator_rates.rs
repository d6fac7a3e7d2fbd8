//! How fast layers of each kind run in the RTL: of a chain of equal layers those in the middle.

use codegen::Options;
use flow::cases::random_image;
use sim::{LayerResult, RunOptions};
use spec::{QuantNetwork, TensorRef};
use twofold_tests::sketch::Sketch;

use crate::support::{array, load, machine};

/// Eight layers of one kind on a map, and the logits.
fn chain(map: [usize; 3], layer: impl Fn(&mut Sketch, TensorRef) -> TensorRef) -> QuantNetwork {
    let mut sketch = Sketch::new("chain", map, 1);
    let mut map = TensorRef::Input;
    for _ in 0..8 {
        map = layer(&mut sketch, map);
    }
    sketch.fully_connected(map, 2);
    sketch.finish()
}

/// What the counters of each layer show at 8x16.
fn layers(network: &QuantNetwork) -> Vec<LayerResult> {
    let config = array(8, 16);
    let mut machine = machine(&config);
    load(&mut machine, network, &config, &Options::default());
    let image = random_image(network, 1);
    let run = machine.run(&[&image], &RunOptions::default()).expect("the accelerator runs");
    run.images.into_iter().next().expect("an image was computed").layers
}

/// Useful MACs a cycle of the slowest layer in the middle.
fn rate(network: &QuantNetwork) -> f64 {
    let layers = layers(network);
    let rates = layers[2..7]
        .iter()
        .map(|layer| layer.counters.n_useful_macs as f64 / layer.counters.n_cycles as f64);
    rates.fold(f64::INFINITY, f64::min)
}

#[test]
fn depthwise_runs_at_a_mac_a_row() {
    for (map, least) in [([16, 16, 16], 7.6), ([16, 16, 32], 7.6), ([32, 32, 16], 7.6)] {
        let network = chain(map, |sketch, map| {
            sketch.depthwise(map, 1, [3; 2], |conv| conv.padding = [1; 4])
        });
        let rate = rate(&network);
        println!("depthwise 3x3 on {map:?}: {rate:.2} MACs a cycle");
        assert!(rate >= least, "{map:?}: {rate:.2} of 8");
    }
}

#[test]
fn strides_cost_nothing() {
    // A layer of stride 2 between others.
    let mut sketch = Sketch::new("stride", [32, 32, 16], 1);
    let mut map = TensorRef::Input;
    for stride in [1, 2, 1, 1] {
        map = sketch.conv(map, 32, [3; 2], |conv| {
            conv.stride = [stride; 2];
            conv.padding = [1; 4];
        });
    }
    sketch.fully_connected(map, 2);
    let layers = layers(&sketch.finish());
    let counters = layers[1].counters;
    let share = counters.n_useful_macs as f64 / (128 * counters.n_cycles) as f64;
    println!("3x3 of stride 2: {:.1} %", 100.0 * share);
    assert!(share >= 0.97, "{share:.3}");
}
