//! How fast layers run: never slower than their dense schedule, and as fast as `codegen::rates` says.

use codegen::{Bound, DenseRate, Options, Rates, Schedule, rates, requirements_with_dense};
use flow::cases::{Builder, ConvSpec, Size, random_config, random_image, random_network};
use proptest::prelude::*;
use sim::RunOptions;
use spec::{ArrayConfig, Memories, Pattern, QuantNetwork, Sparsity, TensorRef};
use twofold_tests::differential::compare;

use crate::support::{Checkout, array, case, load, machine};

const DENSE: Options = Options { schedule: Schedule::Dense };

/// A network of few input channels whose masks are shared by `group` output channels.
fn photographs(group: usize, seed: u64) -> QuantNetwork {
    let sparsity = Sparsity { pattern: Pattern::UhpShared, group };
    let mut builder = Builder::new([16, 16, 3], 1, seed);
    let first = builder.conv("first", TensorRef::Input, &ConvSpec::same(16, 3, sparsity));
    let second = ConvSpec { max_pool: true, ..ConvSpec::same(32, 3, sparsity) };
    let second = builder.conv("second", first, &second);
    let pool = builder.global_average_pool("pool", second);
    builder.fully_connected("classes", pool, 10, sparsity, false);
    builder.finish("photographs")
}

fn layer_cycles(network: &QuantNetwork, config: &ArrayConfig, options: &Options) -> Vec<u64> {
    let program = codegen::compile(network, config, options).expect("the memories are fitted");
    codegen::layer_tile_cycles(&program)
}

/// Cycles of each layer in the RTL.
fn measured(network: &QuantNetwork, config: &ArrayConfig, options: &Options) -> Vec<u64> {
    let mut machine = machine(config);
    load(&mut machine, network, config, options);
    let image = random_image(network, 1);
    let run = machine.run(&[&image], &RunOptions::default()).expect("the accelerator runs");
    run.images[0].layers.iter().map(|layer| layer.counters.n_cycles).collect()
}

/// What the estimates say of a random network, its memories fitted: no layer is slower than dense, by tiles or in all.
fn expect_no_slower_layer(seed: u64, number: u64, narrow: bool) -> Result<(), TestCaseError> {
    let config = random_config(number);
    let size = if narrow { Size { n_layers: 1, side: 12, channels: 5 } } else { Size::default() };
    let network = random_network(seed, size, &config);
    let memories = requirements_with_dense(&network, &config, &Options::default())
        .expect("the requirements of any network are known");
    let config = config.clone().with_memories(memories).expect("fitted memories are valid");
    let rates = rates(&network, &config, &Options::default());
    for layer in &rates.layers {
        // Where the drain is all that counts, blocks are as small as the layer after it likes.
        let is_drained = layer.n_cycles > layer.n_tile_cycles.max(layer.n_tile_cycles_dense);
        let is_no_slower = layer.n_tile_cycles <= layer.n_tile_cycles_dense || is_drained;
        prop_assert!(is_no_slower, "{layer:?} on {config:?}");
        prop_assert!(layer.n_cycles <= layer.n_cycles_dense, "{layer:?} on {config:?}");
    }
    let of_rates = |cycles: fn(&codegen::LayerRate) -> u64| {
        rates.layers.iter().map(cycles).collect::<Vec<_>>()
    };
    prop_assert_eq!(
        of_rates(|layer| layer.n_tile_cycles),
        layer_cycles(&network, &config, &Options::default())
    );
    // Some are beyond what any memory holds.
    if codegen::check(&network, &config, &DENSE).problems.is_empty() {
        prop_assert_eq!(
            of_rates(|layer| layer.n_tile_cycles_dense),
            layer_cycles(&network, &config, &DENSE)
        );
    }
    Ok(())
}

/// Its first layer took fewer passes packed in pairs, but more of them in one group, while the others waited for drains.
#[test]
fn fewer_passes_that_are_more_cycles_are_not_taken() {
    expect_no_slower_layer(15851544004725654002, 4053473987522761119, false).unwrap();
}

/// Its pool's windows are larger than its map: the accumulators that fit it are fewer than a window's pixels.
#[test]
fn a_window_larger_than_its_map_is_fitted() {
    expect_no_slower_layer(5565649959355313143, 0, true).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_layer_of_a_random_network_is_slower_than_dense(seed: u64, number: u64, narrow: bool) {
        expect_no_slower_layer(seed, number, narrow)?;
    }
}

#[test]
fn masks_narrower_than_the_columns_cost_no_more_than_dense() {
    let config = array(8, 16);
    for (group, seed) in [(8, 1), (8, 2), (4, 3), (5, 4), (12, 5)] {
        let network = photographs(group, seed);
        let image = random_image(&network, seed);
        if let Err(difference) = compare(&network, &config, &Options::default(), &image) {
            panic!("group {group}: {difference}");
        }
        let sparse = layer_cycles(&network, &config, &Options::default());
        let dense = layer_cycles(&network, &config, &DENSE);
        assert!(sparse.iter().zip(&dense).all(|(a, b)| a <= b), "{group}: {sparse:?}, {dense:?}");
        let sparse = measured(&network, &config, &Options::default());
        let dense = measured(&network, &config, &DENSE);
        assert!(sparse.iter().zip(&dense).all(|(a, b)| a <= b), "{group}: {sparse:?}, {dense:?}");
    }
}

#[test]
fn no_layer_of_a_case_is_slower_than_dense_in_the_rtl() {
    for name in
        ["toy-uhp", "toy-uhp-free", "toy-unstructured", "s2d-uhp", "resnet20-uhp-conv-shortcut"]
    {
        let case = case(name);
        let (network, config) = (case.build(), case.config().unwrap());
        let sparse = measured(&network, &config, &Options::default());
        let dense = measured(&network, &config, &DENSE);
        for (layer, (sparse, dense)) in network.layers.iter().zip(sparse.iter().zip(&dense)) {
            assert!(sparse <= dense, "{name}, {}: {sparse} cycles, dense {dense}", layer.name);
        }
    }
}

#[test]
fn the_rules_give_the_cycles_of_the_rtl() {
    for (name, most_percent) in
        [("resnet20-uhp-conv-shortcut", 1), ("resnet20-dense", 1), ("s2d-uhp", 2), ("toy-uhp", 25)]
    {
        let case = case(name);
        let (network, config) = (case.build(), case.config().unwrap());
        let rates = rates(&network, &config, &case.options());
        let measured: u64 = measured(&network, &config, &case.options()).iter().sum();
        println!("{name}: {} cycles by the rules, {measured} in the RTL", rates.n_cycles);
        assert!(
            100 * measured.abs_diff(rates.n_cycles) <= most_percent * measured,
            "{name}: {} cycles by the rules, {measured} in the RTL",
            rates.n_cycles
        );
        let mut machine = machine(&config);
        load(&mut machine, &network, &config, &case.options());
        let images =
            [random_image(&network, 1), random_image(&network, 2), random_image(&network, 3)];
        let images: Vec<_> = images.iter().map(Vec::as_slice).collect();
        let run = machine.run(&images, &RunOptions::default()).expect("the accelerator runs");
        let alone = machine.run(&images[..1], &RunOptions::default()).expect("it runs");
        assert_eq!(alone.images[0].n_load_cycles, rates.n_load_cycles, "{name}");
        let between = run.images[2].done_at - run.images[1].done_at;
        println!(
            "{name}: {} cycles between images, {between} in the RTL",
            rates.n_cycles_between_images
        );
        assert!(
            100 * between.abs_diff(rates.n_cycles_between_images) <= most_percent * between,
            "{name}: {} cycles between images by the rules, {between} in the RTL",
            rates.n_cycles_between_images
        );
    }
}

fn rates_of(network: &QuantNetwork, config: &ArrayConfig) -> Rates {
    rates(network, config, &Options::default())
}

/// A 3x3 layer over whole words behind a dense one, its masks shared by `group` output channels.
fn grouped(pattern: Pattern, group: usize) -> QuantNetwork {
    let mut builder = Builder::new([8, 8, 3], 1, 5);
    let dense = ConvSpec::same(16, 1, Sparsity::default());
    let first = builder.conv("first", TensorRef::Input, &dense);
    let pruned = ConvSpec::same(16, 3, Sparsity { pattern, group });
    let map = builder.conv("pruned", first, &pruned);
    builder.fully_connected("logits", map, 4, Sparsity::default(), false);
    builder.finish("grouped")
}

#[test]
fn masks_narrower_than_the_columns_take_the_cycles_of_wide_ones() {
    let whole = array(4, 8);
    let wide = measured(&grouped(Pattern::UhpShared, 8), &whole, &Options::default());
    for (pattern, group, mask_columns) in
        [(Pattern::UhpShared, 4, 4), (Pattern::UhpShared, 4, 2), (Pattern::UhpFree, 0, 1)]
    {
        let network = grouped(pattern, group);
        let halved = measured(&network, &whole, &Options::default())[1];
        assert!(halved > wide[1] * 3 / 2, "{pattern:?}: one mask for all columns");
        let sections = whole.clone().with_mask_columns(mask_columns).unwrap();
        let narrow = measured(&network, &sections, &Options::default());
        assert_eq!(narrow, wide, "{pattern:?} in groups of {group} by {mask_columns}");
        let image = random_image(&network, 2);
        compare(&network, &sections, &Options::default(), &image).unwrap();
        assert_eq!(rates_of(&network, &sections).layers[1].dense_rate, None);
    }
}

#[test]
fn memories_made_to_fit_leave_the_speed_up_to_be_measured() {
    let args = ["sim", "--case", "tiny-uhp", "--images", "1", "--fit", "--format", "json"];
    let report: serde_json::Value = serde_json::from_str(&Checkout::new().run(&args)).unwrap();
    assert!(report["dense_schedule"].is_object(), "{report:#}");
    let layers = report["layers"].as_array().unwrap();
    assert!(layers[0]["speedup_vs_dense"].as_f64().unwrap() > 1.0, "{report:#}");
}

#[test]
fn every_reason_for_the_dense_rate_is_told() {
    let config = array(8, 16);
    let network = |pattern, group, channels| {
        let sparsity = Sparsity { pattern, group };
        let mut builder = Builder::new([8, 8, channels], 1, 1);
        let map = builder.conv("conv", TensorRef::Input, &ConvSpec::same(16, 3, sparsity));
        builder.fully_connected("classes", map, 10, Sparsity::default(), false);
        builder.finish("reasons")
    };
    let reason = |pattern, group, channels| {
        rates_of(&network(pattern, group, channels), &config).layers[0].dense_rate.clone()
    };
    assert_eq!(reason(Pattern::UhpShared, 16, 16), None);
    assert_eq!(reason(Pattern::UhpFixed, 0, 16), None);
    assert_eq!(reason(Pattern::Dense, 0, 16), Some(DenseRate::NotPruned));
    let tile_channels = 16;
    assert_eq!(
        reason(Pattern::Unstructured, 0, 16),
        Some(DenseRate::Unstructured { tile_channels })
    );
    assert_eq!(reason(Pattern::UhpFree, 0, 16), Some(DenseRate::FreePositions { tile_channels }));
    let groups = DenseRate::Groups { group: 8, tile_channels, mask_columns: 8 };
    assert_eq!(reason(Pattern::UhpShared, 8, 16), Some(groups));
    assert_eq!(reason(Pattern::UhpShared, 16, 1), Some(DenseRate::FewChannels { channels: 1 }));

    let free = network(Pattern::UhpFree, 0, 16);
    let findings = rates_of(&free, &config).findings(&config);
    assert!(
        findings[0].contains("\"conv\" runs at the dense rate")
            && findings[0].contains("uhp-shared with group = 16"),
        "{findings:?}"
    );
    assert!(
        findings.iter().any(|line| line.contains("\"classes\" is bound by weight load")),
        "{findings:?}"
    );
    assert!(findings[0].contains("--mask-columns 1"), "{findings:?}");
    let help = |config: &ArrayConfig| {
        let rates = rates_of(&photographs(16, 1), config);
        rates.findings(config).into_iter().find(|line| line.contains("--cols 16"))
    };
    let wide = help(&array(8, 32)).unwrap();
    assert!(wide.contains("--mask-columns 16"), "{wide}");
    // Sections that straddle groups do not help, and what is said is what does.
    let straddling = help(&array(8, 32).with_mask_columns(12).unwrap()).unwrap();
    assert!(straddling.contains("--mask-columns 16"), "{straddling}");
    assert_eq!(help(&array(8, 32).with_mask_columns(16).unwrap()), None);
    assert_eq!(help(&array(8, 32).with_mask_columns(4).unwrap()), None);
}

#[test]
fn what_bounds_a_layer_is_told() {
    let config = ArrayConfig::new(8, 16, Memories::default()).unwrap();
    let sparsity = Sparsity { pattern: Pattern::UhpShared, group: 16 };
    let mut builder = Builder::new([32, 32, 16], 1, 1);
    let wide = builder.conv("wide", TensorRef::Input, &ConvSpec::same(16, 3, sparsity));
    let pointwise = ConvSpec { stride: [2; 2], ..ConvSpec::same(16, 1, sparsity) };
    let pointwise = builder.conv("pointwise", wide, &pointwise);
    builder.fully_connected("classes", pointwise, 10, sparsity, false);
    let rates = rates_of(&builder.finish("bounds"), &config);
    let bounds: Vec<_> = rates.layers.iter().map(|layer| layer.bound).collect();
    assert_eq!(bounds, [Bound::Array, Bound::Drain, Bound::WeightLoad]);
    assert_eq!(rates.layers[1].n_tile_cycles, 256);
    assert_eq!(rates.layers[1].n_drain_cycles, 4 * 64 * 4);
    assert_eq!(rates.layers[2].losses.n_weight_load_cycles, 16 * 16 * 7);
    assert!(rates.is_bound_by_load());
    let findings = rates.findings(&config);
    assert!(findings.iter().any(|line| line.contains("--lanes 16 is enough")), "{findings:?}");
    let load = findings.last().unwrap();
    assert!(load.contains("bound by image load") && load.contains("4096"), "{load}");
    assert!(!rates_of(&case("resnet20-uhp").build(), &config).is_bound_by_load());
}
