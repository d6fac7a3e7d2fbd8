//! The Verilated RTL against the integer reference, on random networks of random layers.
//!
//! Each array runs `N_NETWORKS` networks, or as many as `PROPTEST_CASES` says, of at least two layers each. A failure
//! names array and network seed; `PROPTEST_RNG_SEED` makes a whole run repeat.

use std::cell::{Cell, RefCell};

use codegen::{Options, Schedule, check, compile};
use flow::cases::{Size, random_image, random_network};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sim::{RunOptions, run_and_compare};

use spec::ArrayConfig;

use crate::support::{array, machine};

/// Ten arrays of so many networks of at least two layers: 600 layers or more.
const N_NETWORKS: u32 = 50;
const N_IMAGES: u64 = 3;

/// Maps of a few pixels: units so short that as many as can be are in flight, and wait for each other.
fn tiny() -> impl Strategy<Value = Size> {
    (4usize..=12, 1usize..=4, 1usize..=24).prop_map(|(n_layers, side, channels)| Size {
        n_layers,
        side,
        channels,
    })
}

fn size() -> impl Strategy<Value = Size> {
    (1usize..=6, 1usize..=20, 1usize..=40).prop_map(|(n_layers, side, channels)| Size {
        n_layers,
        side,
        channels,
    })
}

/// 0 for none; pauses of both ports otherwise.
fn stall_seed() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..=u64::MAX]
}

fn differential(rows: usize, cols: usize) {
    differential_with(array(rows, cols), size());
}

/// The same with so many lanes, on maps that keep them busy and on tiny ones.
fn differential_with_lanes(rows: usize, cols: usize, lanes: usize) {
    let config = array(rows, cols).with_lanes(lanes).expect("the array can have these lanes");
    differential_with(config, prop_oneof![size(), tiny()]);
}

fn differential_with(config: ArrayConfig, size: impl Strategy<Value = Size>) {
    let machine = RefCell::new(machine(&config));
    let (n_layers, n_networks, n_cycles) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let cases =
        std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(N_NETWORKS);
    let settings = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let inputs = (any::<u64>(), size, any::<bool>(), stall_seed());
    let result = TestRunner::new(settings).run(&inputs, |(seed, size, dense, stall_seed)| {
        let network = random_network(seed, size, &config);
        let dense = Options { schedule: if dense { Schedule::Dense } else { Schedule::Sparse } };
        // Two passes may need more memory than the network was made for.
        let fits = check(&network, &config, &dense).problems.is_empty();
        let program = compile(&network, &config, &if fits { dense } else { Options::default() });
        let program = program.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let images: Vec<_> =
            (0..N_IMAGES).map(|image| random_image(&network, seed.wrapping_add(image))).collect();
        let images: Vec<_> = images.iter().map(Vec::as_slice).collect();
        let machine = &mut *machine.borrow_mut();
        machine.load(&program).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let options = RunOptions { stall_seed, ..RunOptions::default() };
        let checked = run_and_compare(machine, &network, &images, &options)
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        for (image, divergence) in checked.divergences.iter().enumerate() {
            if let Some(divergence) = divergence {
                return Err(TestCaseError::fail(format!(
                    "image {image}: first divergence: {divergence}"
                )));
            }
        }
        n_networks.set(n_networks.get() + 1);
        n_layers.set(n_layers.get() + network.layers.len());
        n_cycles.set(n_cycles.get() + checked.run.n_cycles);
        Ok(())
    });
    if let Err(error) = result {
        panic!("array {config:?}, (network seed, size, dense schedule, stall seed): {error}");
    }
    eprintln!(
        "{}x{}, {} lanes: {} layers in {} networks, {} cycles, no difference",
        config.rows(),
        config.cols(),
        config.lanes(),
        n_layers.get(),
        n_networks.get(),
        n_cycles.get()
    );
    assert!(n_layers.get() >= 2 * cases as usize, "only {} layers", n_layers.get());
}

#[test]
fn the_smallest_array_computes_what_the_reference_says() {
    differential(2, 2);
}

#[test]
fn an_array_with_odd_rows_computes_what_the_reference_says() {
    differential(3, 6);
}

#[test]
fn an_array_whose_words_and_groups_do_not_divide_computes_what_the_reference_says() {
    differential(5, 7);
}

#[test]
fn the_default_array_computes_what_the_reference_says() {
    differential(8, 16);
}

#[test]
fn the_largest_array_computes_what_the_reference_says() {
    differential(16, 32);
}

#[test]
fn the_flattest_array_computes_what_the_reference_says() {
    differential(2, 32);
}

#[test]
fn an_array_of_single_pixels_a_step_computes_what_the_reference_says() {
    differential_with_lanes(2, 4, 4);
}

#[test]
fn an_array_whose_words_are_one_drain_step_computes_what_the_reference_says() {
    differential_with_lanes(3, 8, 6);
}

#[test]
fn the_default_array_with_all_its_lanes_computes_what_the_reference_says() {
    differential_with_lanes(8, 16, 16);
}

#[test]
fn the_largest_array_with_all_its_lanes_computes_what_the_reference_says() {
    differential_with_lanes(16, 32, 32);
}
