//! What `codegen::rates` says of each layer, where its cycles go and what binds it, against the counters of the RTL.

use codegen::{Bound, LayerRate, Losses, Options, Rates, lifts, rates};
use flow::cases::{Builder, ConvSpec, random_image};
use sim::{Counters, RunOptions};
use spec::{ArrayConfig, Pattern, QuantNetwork, Sparsity, TensorRef};

use crate::support::{array, case, load, machine};

/// Rates with waits, and what the counters show layer by layer.
fn predicted_and_measured(
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
) -> (Rates, Vec<Counters>) {
    let program = codegen::compile(network, config, options).expect("the network fits");
    let rates = rates(network, config, options).with_waits(&program);
    let mut machine = machine(config);
    load(&mut machine, network, config, options);
    let image = random_image(network, 1);
    let run = machine.run(&[&image], &RunOptions::default()).expect("the accelerator runs");
    (rates, run.images[0].layers.iter().map(|layer| layer.counters).collect())
}

/// The lost cycles of a layer as the rules count them; those of fetching are in none.
fn losses(counters: &Counters) -> [(Bound, u64); 4] {
    let lost = counters.lost;
    // PEs that add up a pool have no weight to keep.
    let idle_pes = if counters.n_useful_macs > 0 { lost.idle_pes } else { 0 };
    [
        (Bound::Channels, idle_pes),
        (Bound::WeightLoad, lost.weight_load),
        (Bound::Drain, lost.accumulator),
        (Bound::Dependency, lost.dependency),
    ]
}

/// The counters know no difference between a bank that is not free because of the drain and any other.
fn of_counters(bound: Bound) -> Bound {
    if bound == Bound::Banks { Bound::Drain } else { bound }
}

/// Layers of every bound, one network each so that nothing but the layer before comes in between.
fn layers_of_every_bound() -> QuantNetwork {
    let sparsity = Sparsity { pattern: Pattern::UhpShared, group: 16 };
    let dense = Sparsity::default();
    let mut builder = Builder::new([24, 24, 16], 1, 1);
    let map = builder.conv("full", TensorRef::Input, &ConvSpec::same(32, 3, sparsity));
    let map = builder.conv("drained", map, &ConvSpec::same(16, 1, sparsity));
    let wide = ConvSpec::same(32, 3, dense);
    let map = builder.conv("grouped", map, &ConvSpec { groups: 4, ..wide.clone() });
    let depthwise = ConvSpec { groups: 32, ..ConvSpec::same(32, 3, dense) };
    let map = builder.conv("depthwise", map, &depthwise);
    let twice = ConvSpec { groups: 32, stride: [2; 2], ..ConvSpec::same(64, 3, dense) };
    let map = builder.conv("multiplied", map, &twice);
    let map = builder.conv("seventeen", map, &ConvSpec::same(17, 3, dense));
    let map = builder.conv("few", map, &ConvSpec::same(16, 1, dense));
    builder.fully_connected("classes", map, 10, dense, false);
    builder.finish("bounds")
}

#[test]
fn what_binds_each_layer_is_what_the_counters_show() {
    let of_case = |name: &str| {
        let case = case(name);
        (case.build(), case.config().expect("a case has an array"), case.options())
    };
    let own = (layers_of_every_bound(), array(8, 16), Options::default());
    let cases = ["resnet20-uhp", "s2d-uhp", "s2d-s-uhp", "toy-dense"].map(of_case);
    for (network, config, options) in cases.into_iter().chain([own]) {
        let (rates, measured) = predicted_and_measured(&network, &config, &options);
        for (layer, counters) in rates.layers.iter().zip(&measured) {
            let Losses { n_useful_cycles, n_wait_cycles, .. } = layer.losses;
            let place = format!(
                "{} of {}: {:?} beside {counters:?}",
                layer.name, network.name, layer.losses
            );
            println!("{place}");
            let n_cycles = layer.losses.n_cycles();
            // The program starts with the first layer, and ends with the last write of the last one.
            let margin = 60;
            assert!(n_cycles.abs_diff(counters.n_cycles) <= margin, "{place}");
            let (map, bank) = (counters.lost.dependency, counters.lost.accumulator);
            assert!(n_wait_cycles + 40 >= map && n_wait_cycles <= map + bank + 40, "{place}");
            if counters.n_useful_macs > 0 {
                assert!(n_useful_cycles.abs_diff(counters.useful) <= 1, "{place}");
            }
            let all = losses(counters);
            let most = all.iter().map(|(_, n_cycles)| *n_cycles).max().unwrap_or(0);
            let of = |bound: Bound| all.iter().filter(move |(known, _)| *known == bound);
            let lost: u64 = match layer.bound {
                // Its sums may still be in the accumulators, or not yet in the bank.
                Bound::Dependency => map + bank,
                bound => of(of_counters(bound)).map(|(_, n_cycles)| n_cycles).sum(),
            };
            match layer.bound {
                Bound::Array => assert!(most <= margin + counters.n_cycles / 20, "{place}"),
                _ => assert!(lost + 40 >= most, "{place}"),
            }
        }
        let n_cycles: u64 = rates.layers.iter().map(|layer| layer.losses.n_cycles()).sum();
        let n_measured: u64 = measured.iter().map(|counters| counters.n_cycles).sum();
        println!("{}: {n_cycles} cycles by the rules, {n_measured} measured", network.name);
        assert!(n_cycles.abs_diff(n_measured) <= 100, "{n_cycles} beside {n_measured}");
    }
}

#[test]
fn slow_layers_are_named_and_so_is_what_helps() {
    let config = array(8, 16);
    let network = layers_of_every_bound();
    let program = codegen::compile(&network, &config, &Options::default()).unwrap();
    let rates = rates(&network, &config, &Options::default()).with_waits(&program);
    let layer = |name: &str| -> &LayerRate {
        rates.layers.iter().find(|layer| layer.name == name).unwrap()
    };
    for (name, bound) in [
        ("full", Bound::Array),
        ("drained", Bound::Drain),
        ("grouped", Bound::Channels),
        ("depthwise", Bound::Channels),
        ("multiplied", Bound::Channels),
        ("seventeen", Bound::Channels),
        ("classes", Bound::WeightLoad),
    ] {
        assert_eq!(layer(name).bound, bound, "{:?}", layer(name));
    }
    let findings = rates.findings(&config);
    for text in [
        "layer \"drained\" is bound by the drain, ",
        "--lanes 8 is enough",
        "layer \"grouped\" is bound by its channels: groups of 4 input and 8 output channels",
        "help: groups of 16 input and 16 output channels, or multiples, fill it",
        "layer \"depthwise\" is bound by its channels: a depthwise layer multiplies 8 of 128 weights a cycle",
        "layer \"multiplied\" is bound by its channels: a depth multiplier of 2 keeps ",
        "layer \"classes\" is bound by weight load, ",
    ] {
        assert!(
            findings.iter().any(|line| line.contains(text)),
            "{text}\nis not in\n{findings:#?}"
        );
    }
    let lifts = lifts(&network, &config, &Options::default(), &rates);
    let lift = |name: &str| {
        let index = rates.layers.iter().position(|layer| layer.name == name).unwrap();
        lifts[index].clone()
    };
    assert_eq!(lift("full"), None);
    let drained = lift("drained").unwrap();
    assert_eq!((drained.lanes, drained.is_full()), (8, true), "{drained:?}");
    assert_eq!(drained.flags(&config), "--lanes 8");
    // What is said of another array is what it says of itself.
    let other = config.clone().with_lanes(8).unwrap();
    let there = codegen::rates(&network, &other, &Options::default());
    let there = there.layers.iter().find(|layer| layer.name == "drained").unwrap();
    assert_eq!(drained.n_cycles, there.n_cycles);
    let seventeen = lift("seventeen").unwrap();
    assert!(seventeen.n_cycles < layer("seventeen").n_cycles, "{seventeen:?}");
}
