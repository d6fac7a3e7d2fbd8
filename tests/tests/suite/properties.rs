//! What the cycles of the RTL may depend on, and how many there may be.

use codegen::Options;
use flow::cases::{Case, Size, random_image, random_network};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use sim::{Counters, ImageResult, LayerResult, LostCycles, Machine, RunOptions};
use spec::{ArrayConfig, Layer, Op, Program, QuantNetwork};

use crate::support::{array, case, load, machine};

/// ResNet-20 for CIFAR on 8x16, input load and logits out excluded: the limits that the project set itself.
const MOST_CYCLES: [(&str, u64); 6] = [
    ("resnet20-uhp", 168_000),
    ("resnet20-uhp-fixed", 168_000),
    ("resnet20-dense", 335_000),
    ("resnet20-uhp-conv-shortcut", 169_500),
    ("resnet20-dense-conv-shortcut", 337_500),
    ("s2d-uhp", 31_000),
];
/// Half-pruned over dense, in layers whose channels fill words and groups.
const LEAST_SPEEDUP: f64 = 1.95;
const RANDOM_NETWORKS: u64 = 12;

fn run_case(name: &str) -> (Case, Program, Vec<ImageResult>) {
    let case = case(name);
    let (network, config) = (case.build(), case.config().expect("the case has an array"));
    let mut machine = machine(&config);
    let program = load(&mut machine, &network, &config, &case.options());
    let images = run(&mut machine, &case.images(&network)[..1], &RunOptions::default());
    (case, program, images)
}

fn run(machine: &mut Machine, images: &[Vec<i8>], options: &RunOptions) -> Vec<ImageResult> {
    let images: Vec<_> = images.iter().map(Vec::as_slice).collect();
    machine.run(&images, options).expect("the accelerator runs").images
}

/// Everything that an image's cycles are made of: counters and the time of the last byte, layer by layer.
fn cycles(result: &ImageResult) -> Vec<(Counters, u64)> {
    result.layers.iter().map(|layer| (layer.counters, layer.written_at)).collect()
}

/// The same without the times, which the output port may move: only the last unit's drain can wait for it.
fn bits(result: &ImageResult) -> (&spec::Logits, Vec<&LayerResult>) {
    (&result.logits, result.layers.iter().collect())
}

/// A random network that sends few values: an image waits until those of the image before are sent, which other tests are about.
fn brief(seed: u64, size: Size, config: &ArrayConfig) -> QuantNetwork {
    let networks = (0..).map(|other| random_network(seed + other * RANDOM_NETWORKS, size, config));
    let n_values = |network: &QuantNetwork| -> usize {
        let shapes = network.shapes();
        network.outputs.iter().map(|output| shapes[*output].n_values()).sum()
    };
    networks
        .into_iter()
        .find(|network| n_values(network) <= 24)
        .expect("there is no end of networks")
}

/// Any int8 but zero.
fn nonzero(random: &mut SplitMix64) -> i8 {
    let value = (random.next_u64() % 255) as i16 - 128;
    if value < 0 { value as i8 } else { value as i8 + 1 }
}

fn weights(layer: &mut Layer) -> Vec<&mut i8> {
    match &mut layer.op {
        Op::Conv(conv) => conv.weight.iter_mut().collect(),
        Op::FullyConnected(fc) => fc.weight.iter_mut().collect(),
        _ => Vec::new(),
    }
}

/// The network with other values wherever a weight is not zero, and other biases.
fn with_other_values(network: &QuantNetwork, random: &mut SplitMix64) -> QuantNetwork {
    let mut other = network.clone();
    for layer in &mut other.layers {
        for weight in weights(layer).into_iter().filter(|weight| **weight != 0) {
            *weight = nonzero(random);
        }
        let bias = layer.requantize.bias.iter_mut();
        bias.for_each(|bias| *bias = (random.next_u64() % 4001) as i32 - 2000);
    }
    assert_eq!(other.validate(), Ok(()), "{}", network.name);
    other
}

fn corner_images(network: &QuantNetwork) -> Vec<Vec<i8>> {
    let flat = |value| vec![value; network.input.n_bytes()];
    vec![flat(0), flat(-128), flat(127), random_image(network, 1)]
}

fn cycles_depend_on_neither(
    network: &QuantNetwork,
    config: &ArrayConfig,
    machine: &mut Machine,
    seed: u64,
) {
    load(machine, network, config, &Options::default());
    let results = run(machine, &corner_images(network), &RunOptions::default());
    let expected = cycles(&results[0]);
    for result in &results {
        assert_eq!(cycles(result), expected, "{}: another image, other cycles", network.name);
    }
    let mut random = SplitMix64::seed_from_u64(seed);
    for _ in 0..2 {
        let other = with_other_values(network, &mut random);
        load(machine, &other, config, &Options::default());
        let result = &run(machine, &corner_images(network)[3..], &RunOptions::default())[0];
        assert_eq!(cycles(result), expected, "{}: other weights, other cycles", network.name);
        if network.name.starts_with("toy") {
            assert_ne!(result.logits, results[3].logits, "the weights are in use");
        }
    }
}

#[test]
fn cycles_depend_on_neither_weights_nor_images() {
    for name in ["toy-uhp", "toy-dense", "toy-unstructured", "toy-uhp-free", "s2d-uhp"] {
        let case = case(name);
        let mut network = case.build();
        network.name = name.to_owned();
        let config = case.config().unwrap();
        cycles_depend_on_neither(&network, &config, &mut machine(&config), 1);
    }
}

#[test]
fn cycles_of_random_networks_depend_on_neither_weights_nor_images() {
    let size = Size { n_layers: 4, side: 10, channels: 24 };
    for (rows, cols) in [(3, 6), (8, 16)] {
        let config = array(rows, cols);
        let mut machine = machine(&config);
        for seed in 0..RANDOM_NETWORKS {
            let network = brief(seed, size, &config);
            cycles_depend_on_neither(&network, &config, &mut machine, seed);
        }
    }
}

#[test]
fn images_back_to_back_give_the_bits_and_cycles_of_each_alone() {
    let size = Size { n_layers: 4, side: 12, channels: 24 };
    for (rows, cols) in [(2, 2), (5, 7), (8, 16)] {
        let config = array(rows, cols);
        let mut machine = machine(&config);
        for seed in 0..RANDOM_NETWORKS {
            let network = brief(seed, size, &config);
            load(&mut machine, &network, &config, &Options::default());
            let images: Vec<_> =
                (0..4).map(|image| random_image(&network, seed ^ image << 32)).collect();
            let alone: Vec<_> = images
                .iter()
                .flat_map(|image| {
                    run(&mut machine, std::slice::from_ref(image), &RunOptions::default())
                })
                .collect();
            let pauses = RunOptions { stall_seed: seed + 1, ..RunOptions::default() };
            let one_by_one = RunOptions { back_to_back: false, ..RunOptions::default() };
            for (what, options) in [
                ("streamed", RunOptions::default()),
                ("with pauses", pauses),
                ("one by one", one_by_one),
            ] {
                let together = run(&mut machine, &images, &options);
                assert_eq!(together.len(), alone.len());
                for (image, (together, alone)) in together.iter().zip(&alone).enumerate() {
                    let place = format!("{rows}x{cols}, {}, {what}, image {image}", network.name);
                    if options.stall_seed == 0 {
                        assert_eq!(bits(together), bits(alone), "{place}");
                        assert_eq!(cycles(together), cycles(alone), "{place}");
                        continue;
                    }
                    // Logits wait for the port to take those of the image before, and other waits end meanwhile.
                    assert_eq!(together.logits, alone.logits, "{place}");
                    for (together, alone) in together.layers.iter().zip(&alone.layers) {
                        assert_eq!(together.maps, alone.maps, "{place}");
                        assert!(together.counters.n_cycles >= alone.counters.n_cycles, "{place}");
                        let useful = |layer: &LayerResult| layer.counters.n_useful_macs;
                        assert_eq!(useful(together), useful(alone), "{place}");
                    }
                }
            }
        }
    }
}

/// Sums of the causes, of layers and of images, against each other and against what the compiler promised.
fn check_sums(name: &str, program: &Program, result: &ImageResult) {
    let n_pes = program.config.n_pes() as u64;
    let mut sum = Counters::default();
    for (info, layer) in program.layers.iter().zip(&result.layers) {
        let Counters {
            n_cycles,
            useful,
            lost: LostCycles { idle_pes, fetch, weight_load, dependency, accumulator, drain },
            n_useful_macs,
        } = layer.counters;
        let causes = useful + idle_pes + fetch + weight_load + dependency + accumulator + drain;
        assert_eq!(causes, n_cycles, "{name}, {}", info.name);
        assert!(n_useful_macs <= n_cycles * n_pes, "{name}, {}: utilization above 1", info.name);
        assert_eq!(n_useful_macs, info.n_useful_macs, "{name}, {}: useful MACs", info.name);
        sum.n_cycles += n_cycles;
        sum.useful += useful;
        sum.lost.idle_pes += idle_pes;
        sum.lost.fetch += fetch;
        sum.lost.weight_load += weight_load;
        sum.lost.dependency += dependency;
        sum.lost.accumulator += accumulator;
        sum.lost.drain += drain;
        sum.n_useful_macs += n_useful_macs;
    }
    assert_eq!(sum, result.counters, "{name}: layers and image");
    assert!(sum.n_useful_macs.div_ceil(n_pes) == sum.useful, "{name}: {sum:?}");
}

#[test]
fn counters_of_causes_layers_and_images_add_up() {
    for name in [
        "tiny-uhp",
        "toy-uhp",
        "toy-dense",
        "toy-uhp-free",
        "toy-unstructured",
        "toy-small-array",
        "s2d-dense",
    ] {
        let (_, program, results) = run_case(name);
        check_sums(name, &program, &results[0]);
    }
}

#[test]
fn networks_stay_within_their_cycles() {
    for (name, most) in MOST_CYCLES {
        let (_, program, results) = run_case(name);
        let n_cycles = results[0].counters.n_cycles;
        println!(
            "{name}: {n_cycles} cycles of at most {most}, {} to load",
            results[0].n_load_cycles
        );
        assert!(n_cycles <= most, "{name}: {n_cycles} cycles, {most} are allowed");
        check_sums(name, &program, &results[0]);
    }
}

#[test]
fn half_pruning_doubles_the_speed_of_layers_that_fill_words() {
    let (case, program, pruned) = run_case("resnet20-uhp");
    let (_, _, dense) = run_case("resnet20-dense");
    let (network, config) = (case.build(), &program.config);
    let layers = network
        .layers
        .iter()
        .zip(&program.layers)
        .zip(pruned[0].layers.iter().zip(&dense[0].layers));
    let mut n_full = 0;
    for ((layer, info), (pruned, dense)) in layers {
        let Op::Conv(conv) = &layer.op else { continue };
        let (n_out, _, _, n_in) = conv.weight.dim();
        let is_full = n_in % config.word_channels() == 0 && n_out % config.group_channels() == 0;
        let speedup = dense.counters.n_cycles as f64 / pruned.counters.n_cycles as f64;
        println!("{}: {speedup:.3}", info.name);
        if is_full {
            n_full += 1;
            assert!(speedup >= LEAST_SPEEDUP, "{}: {speedup:.3}", info.name);
        }
    }
    assert_eq!(n_full, 18, "all convolutions but the first");
}

#[test]
fn zeros_without_a_pattern_gain_nothing_and_two_passes_cost_what_dense_costs() {
    let n_cycles = |name: &str| run_case(name).2[0].counters.n_cycles;
    assert_eq!(n_cycles("resnet20-unstructured"), n_cycles("resnet20-dense"));
    assert_eq!(n_cycles("resnet20-uhp-as-dense"), n_cycles("resnet20-dense"));
}
