//! The arithmetic of network format 2: reference, interpreter and Verilated RTL on random networks.
//!
//! Each array runs `N_NETWORKS` networks, or as many as `PROPTEST_CASES` says. A failure names array and seed.

use codegen::Options;
use flow::cases::{Size, random_image, random_network, with_random_arithmetic};
use sim::{RunOptions, run_and_compare};
use twofold_tests::differential::compare;

use crate::support::{array, machine};

const N_NETWORKS: u64 = 25;
const N_IMAGES: u64 = 2;

fn differential(rows: usize, cols: usize, lanes: usize) {
    let config = array(rows, cols).with_lanes(lanes).expect("the array can have these lanes");
    let mut machine = machine(&config);
    let n_networks =
        std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(N_NETWORKS);
    let (mut n_layers, mut n_values) = (0, 0);
    for seed in 0..n_networks {
        let size = Size { n_layers: 5, side: 12, channels: 28 };
        let network = random_network(seed, size, &config);
        let network = with_random_arithmetic(&network, seed);
        let place = format!("{rows}x{cols}, {lanes} lanes, seed {seed}");
        let images: Vec<_> =
            (0..N_IMAGES).map(|image| random_image(&network, seed.wrapping_add(image))).collect();
        let program = match compare(&network, &config, &Options::default(), &images[0]) {
            Ok(program) => program,
            Err(difference) => panic!("{place}: interpreter: {difference}"),
        };
        machine.load(&program).expect("the program is for this array");
        let images: Vec<_> = images.iter().map(Vec::as_slice).collect();
        let options = RunOptions { stall_seed: seed / 2, ..RunOptions::default() };
        let checked = run_and_compare(&mut machine, &network, &images, &options)
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        for (image, divergence) in checked.divergences.iter().enumerate() {
            assert!(divergence.is_none(), "{place}, image {image}: RTL: {divergence:?}");
        }
        n_layers += network.layers.len();
        n_values += network.shapes().iter().map(|shape| shape.n_values()).sum::<usize>();
    }
    eprintln!(
        "{rows}x{cols}, {lanes} lanes, seeds 0..{n_networks}: {n_layers} layers, {n_values} values, no difference"
    );
    assert!(n_layers as u64 > 2 * n_networks, "only {n_layers} layers");
}

#[test]
fn an_array_with_odd_rows_computes_the_arithmetic_of_others() {
    differential(3, 6, 2);
}

#[test]
fn a_small_array_computes_the_arithmetic_of_others() {
    differential(4, 8, 8);
}

#[test]
fn the_default_array_computes_the_arithmetic_of_others() {
    differential(8, 16, 4);
}
