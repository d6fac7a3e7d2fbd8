//! Networks against memories: what `codegen` needs, refuses and says.

use codegen::{
    DenseRate, Options, Problem, Schedule, check, compile, requirements, requirements_with_dense,
};
use flow::cases::{
    Builder, Case, ConvSpec, Shortcut, Size, Topology, random_config, random_image, random_network,
};
use flow::{CheckOptions, NetworkChoice};
use proptest::prelude::*;
use spec::{
    AccumulatorMemory, ArrayConfig, Memories, Memory, Pattern, QuantNetwork, Sparsity, TensorRef,
};
use twofold_tests::differential::compare;

fn resnet20(pattern: Pattern) -> QuantNetwork {
    Topology::Resnet20.network(pattern, 16, Shortcut::Identity, 1)
}

fn with(memories: Memories) -> ArrayConfig {
    ArrayConfig::new(8, 16, memories).expect("the depths are within the limits")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_network_runs_in_memories_fitted_to_it(seed: u64, array: u64, accumulator in 9usize..=64) {
        let config = random_config(array);
        let network = random_network(seed, Size::default(), &config);
        let memories = Memories { accumulator, ..config.memories().clone() };
        let small = config.clone().with_memories(memories).unwrap();
        let fitted = requirements(&network, &small, &Options::default()).unwrap();
        prop_assert!(fitted.accumulator <= accumulator);
        let fitted = config.clone().with_memories(fitted).unwrap();
        if let Err(difference) = compare(&network, &fitted, &Options::default(), &random_image(&network, seed)) {
            prop_assert!(false, "{difference}\non {fitted:?}");
        }
    }
}

#[test]
fn each_fitted_memory_is_needed_to_its_last_entry() {
    let network = resnet20(Pattern::UhpShared);
    let fitted = requirements(&network, &ArrayConfig::default(), &Options::default()).unwrap();
    assert!(compile(&network, &with(fitted.clone()), &Options::default()).is_ok());
    type Shrink = fn(&mut Memories);
    let shrinks: [(&str, Shrink); 6] = [
        ("tile", |memories| memories.tile -= 1),
        ("weight", |memories| memories.weight -= 1),
        ("parameter", |memories| memories.parameter -= 1),
        ("image", |memories| memories.image -= 1),
        ("input", |memories| memories.input -= 1),
        ("logit", |memories| memories.logit -= 1),
    ];
    for (name, shrink) in shrinks {
        let mut memories = fitted.clone();
        shrink(&mut memories);
        let problems = check(&network, &with(memories), &Options::default()).problems;
        assert!(
            matches!(problems[..], [Problem::Memory { memory, needed, available, .. }] if memory.key() == name && needed == available + 1),
            "{name}: {problems:?}"
        );
    }
    for bank in 0..3 {
        let mut banks = fitted.banks();
        banks[bank] -= 1;
        let memories = fitted.clone().with_banks(banks);
        let problems = check(&network, &with(memories), &Options::default()).problems;
        assert!(matches!(problems[..], [Problem::Activation { .. }]), "bank {bank}: {problems:?}");
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    let memories = Memories {
        program: 20,
        tile: 100,
        weight: 1000,
        parameter: 10,
        lane: 2,
        image: 3000,
        input: 512,
        bank1: 700,
        bank2: 700,
        bank3: 700,
        accumulator: 16,
        logit: 50,
    };
    let errors =
        compile(&resnet20(Pattern::Dense), &with(memories), &Options::default()).unwrap_err();
    let text = errors.to_string();
    for line in [
        "tile memory: 2156 tile records are needed, it has 100; help: ",
        "image memory: 3072 bytes are needed, it has 3000; help: ",
        "logit memory: 100 logits are needed, it has 50; help: ",
        "layer \"conv1\": activation memory: 1 map(s) of 1024 words of 16 channels in all are alive, which takes banks of ",
    ] {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
    for memory in
        ["program", "tile", "weight", "parameter", "lane", "image", "input", "activation", "logit"]
    {
        assert!(text.contains(&format!("{memory} memory: ")), "{memory} is not in\n{text}");
    }
    assert_eq!(text.lines().count(), errors.problems.len());
    assert!(text.lines().all(|line| line.contains("; help: ")), "{text}");
}

#[test]
fn no_hint_is_given_that_does_not_help() {
    let classes = |n_classes| {
        let mut builder = Builder::new([2, 2, 2], 1, 1);
        builder.fully_connected("classes", TensorRef::Input, n_classes, Sparsity::default(), false);
        let network = builder.finish("classes");
        let problems = check(&network, &ArrayConfig::default(), &Options::default()).problems;
        let texts: Vec<_> = problems.iter().map(Problem::to_string).collect();
        texts.into_iter().find(|text| text.contains("groups of output channels")).unwrap()
    };
    // 32 columns make 256 groups of 8,192 channels, and no more.
    assert!(classes(65_535).ends_with("; help: use fewer output channels or classes"));
    assert!(classes(8_193).ends_with("; help: use fewer output channels or classes"));
    assert!(classes(8_192).contains("or more columns"));

    let weights = |network: &QuantNetwork, rows, cols| {
        let config = ArrayConfig::new(rows, cols, Memories::default()).unwrap();
        let problems = check(network, &config, &Options::default()).problems;
        let is_weight =
            |problem: &&Problem| matches!(problem, Problem::Memory { memory: Memory::Weight, .. });
        let text = problems.iter().find(is_weight).unwrap().to_string();
        text.split_once("use fewer channels or layers").unwrap().1.to_owned()
    };
    // 274,496 rows, of which half-pruning leaves about half.
    let dense = resnet20(Pattern::Dense);
    assert_eq!(weights(&dense, 2, 2), ", or a larger array, of up to 16 rows and 32 columns");
    // 96,976 rows.
    let either = ", half-pruned weights (uhp-shared with group = 4), or a larger array, of up to 16 rows and 32 columns";
    assert_eq!(weights(&dense, 3, 5), either);
    // Pruned already, but with masks that more channels of a tile do not share.
    let groups = Topology::Resnet20.network(Pattern::UhpShared, 2, Shortcut::Identity, 1);
    assert_eq!(weights(&groups, 3, 5), either);
    // On the largest array 1,800 channels take 57 * 57 tiles of 16 rows, or twice as many; 2,200 take 69 * 69.
    let wide = |n_channels| {
        let mut builder = Builder::new([1, 1, 2], 1, 1);
        let sparsity = Sparsity::default();
        let first =
            builder.conv("first", TensorRef::Input, &ConvSpec::same(n_channels, 1, sparsity));
        let second = builder.conv("second", first, &ConvSpec::same(n_channels, 1, sparsity));
        builder.fully_connected("classes", second, 2, sparsity, false);
        builder.finish("wide")
    };
    let together = ", or half-pruned weights (uhp-shared with group = 32) and an array of 16 rows and 32 columns together";
    assert_eq!(weights(&wide(1_800), 4, 4), together);
    assert_eq!(weights(&wide(2_200), 16, 32), "");
}

#[test]
fn an_invalid_network_is_refused_with_its_own_errors() {
    let mut network = resnet20(Pattern::Dense);
    network.layers[0].requantize.multiplier[3] = -1;
    network.classes.pop();
    let report = check(&network, &ArrayConfig::default(), &Options::default());
    assert!(report.requirements.is_empty());
    assert_eq!(report.problems.len(), 2, "{:?}", report.problems);
    assert!(report.problems.iter().all(|problem| matches!(problem, Problem::Network(_))));
}

#[test]
fn a_network_of_too_many_layers_is_told_so_once() {
    let mut network = Topology::Tiny.network(Pattern::Dense, 0, Shortcut::Identity, 1);
    let fc = network.layers[1].clone();
    for index in 0..300 {
        let mut layer = network.layers[0].clone();
        let spec::Op::Conv(conv) = &mut layer.op else {
            panic!("the first layer is a convolution")
        };
        conv.max_pool = false;
        if index > 0 {
            let weight = ndarray::Array4::zeros([4, 1, 1, 4]);
            *conv = spec::Conv { weight, padding: [0; 4], ..conv.clone() };
            layer.input = spec::TensorRef::Layer(index - 1);
        }
        layer.name = format!("conv{index}");
        network.layers.insert(index, layer);
    }
    network.layers.truncate(300);
    network.layers.push(spec::Layer { input: spec::TensorRef::Layer(299), ..fc });
    network.outputs = vec![300];
    let spec::Op::FullyConnected(fc) = &mut network.layers[300].op else {
        panic!("the last layer is fully connected")
    };
    fc.weight = ndarray::Array4::zeros([3, 4, 4, 4]);
    let errors = compile(&network, &ArrayConfig::default(), &Options::default()).unwrap_err();
    let text = errors.to_string();
    assert!(text.contains("network: 301 layers, ") && text.contains("at most 256"), "{text}");
    assert_eq!(errors.problems.len(), 1, "{text}");
}

#[test]
fn what_no_memory_cures_says_its_limit_and_does_not_send_the_user_to_fit() {
    let sparsity = Sparsity { pattern: Pattern::UhpShared, group: 16 };
    let mut builder = Builder::new([8, 8, 16], 1, 1);
    let mut map = TensorRef::Input;
    for layer in 0..3 {
        map = builder.conv(&format!("conv{layer}"), map, &ConvSpec::same(512, 3, sparsity));
    }
    builder.fully_connected("classes", map, 10, sparsity, false);
    let network = builder.finish("large");
    let config = ArrayConfig::default();
    let report = check(&network, &config, &Options::default());
    let needed =
        report.requirements.iter().find(|found| found.memory == Memory::Weight).unwrap().needed;
    assert!(needed > 65536, "{needed}");
    let find = |problems: &[Problem], what: &str| -> String {
        let mut texts = problems.iter().map(ToString::to_string);
        texts.find(|text| text.starts_with(what)).unwrap_or_else(|| panic!("{what}: {problems:?}"))
    };
    let text = find(&report.problems, "weight memory: ");
    assert!(
        text.contains(&format!("{needed} weight rows are needed, at most 65536 can be addressed")),
        "{text}"
    );
    assert!(text.contains("--fit does not cure this; use fewer channels"), "{text}");
    let text = find(&report.problems, "tile memory: ");
    assert!(
        text.contains("it has 4096; help: make the network smaller; --fit cures this, but not"),
        "{text}"
    );
    let errors = requirements(&network, &config, &Options::default()).unwrap_err();
    assert!(errors.to_string().contains("at most 65536"), "{errors}");
    assert!(!errors.to_string().contains("size the memories with --fit"), "{errors}");
}

#[test]
fn fitted_memories_hold_the_dense_schedule_too() {
    let network = resnet20(Pattern::UhpShared);
    let own = requirements(&network, &ArrayConfig::default(), &Options::default()).unwrap();
    let dense = Options { schedule: Schedule::Dense };
    assert!(compile(&network, &with(own.clone()), &dense).is_err());
    let both =
        requirements_with_dense(&network, &ArrayConfig::default(), &Options::default()).unwrap();
    assert!(compile(&network, &with(both.clone()), &Options::default()).is_ok());
    assert!(compile(&network, &with(both.clone()), &dense).is_ok());
    assert!(both.weight > own.weight && both.banks() == own.banks(), "{both:?}");
}

#[test]
fn visual_wake_words_fits_an_ecp5_if_its_accumulators_lie_in_look_up_tables() {
    let checked = |accumulators| {
        let network = NetworkChoice::Case("vww".to_owned());
        let options = CheckOptions { network, accumulators, ..CheckOptions::default() };
        let report = flow::check(&options).unwrap();
        let n_block_rams = report.block_ram.as_ref().unwrap().n_block_rams;
        let short = report.notes.iter().find(|note| note.contains("block RAMs, ")).cloned();
        (n_block_rams, short)
    };
    // What Yosys makes of it.
    let (n_block_rams, short) = checked(AccumulatorMemory::Automatic);
    assert_eq!(n_block_rams, 219);
    let short = short.unwrap();
    assert!(
        short.contains("219 block RAMs, 11 more than the 208 of an LFE5U-85F: weight 93, bank1 36, accumulator 32, input 19, "),
        "{short}"
    );
    assert!(short.ends_with("; help: --lut-accumulators is enough"), "{short}");
    assert_eq!(checked(AccumulatorMemory::LookUpTables), (187, None));
}

#[test]
fn what_costs_cycles_is_noted() {
    let reasons = |pattern, cols: usize| {
        let config = ArrayConfig::new(8, cols, Memories::default()).unwrap();
        let rates = codegen::rates(&resnet20(pattern), &config, &Options::default());
        let reasons = rates.layers.into_iter().filter_map(|layer| layer.dense_rate);
        reasons.filter(|reason| *reason != DenseRate::NotPruned).collect::<Vec<_>>()
    };
    assert_eq!(reasons(Pattern::UhpShared, 16), []);
    assert_eq!(reasons(Pattern::UhpFixed, 32), []);
    assert_eq!(
        reasons(Pattern::UhpFree, 16),
        vec![DenseRate::FreePositions { tile_channels: 16 }; 19]
    );
    let wide = reasons(Pattern::UhpShared, 32);
    assert_eq!(wide[0], DenseRate::Groups { group: 16, tile_channels: 32, mask_columns: 16 });
    let case = Case::read(
        std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/cases")),
        "toy-small-array",
    )
    .unwrap();
    assert_eq!(check(&case.build(), &case.config().unwrap(), &case.options()).problems, []);
}
