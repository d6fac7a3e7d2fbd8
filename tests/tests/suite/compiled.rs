//! Programs that `codegen` writes, interpreted by the rules of docs/isa.md, against the integer reference.

use std::path::{Path, PathBuf};

use codegen::{Options, Schedule};
use flow::cases::{Case, Shortcut, Size, Topology, random_config, random_image, random_network};
use proptest::prelude::*;
use spec::{ArrayConfig, Memories, Pattern};
use twofold_tests::differential::compare;
use twofold_tests::interpreter::interpret;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

fn size() -> impl Strategy<Value = Size> {
    (1usize..=6, 1usize..=20, 1usize..=40).prop_map(|(n_layers, side, channels)| Size {
        n_layers,
        side,
        channels,
    })
}

/// 300 cases, or as many as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_networks_compute_what_the_reference_says(seed: u64, array: u64, size in size(), dense: bool) {
        let config = random_config(array);
        let network = random_network(seed, size, &config);
        let options = Options { schedule: if dense { Schedule::Dense } else { Schedule::Sparse } };
        let fits = codegen::check(&network, &config, &options).problems.is_empty();
        let options = if fits { options } else { Options::default() };
        if let Err(difference) = compare(&network, &config, &options, &random_image(&network, seed)) {
            prop_assert!(false, "{difference}\non {config:?}");
        }
    }
}

#[test]
fn tiles_hold_every_kept_mac_of_a_case() {
    for name in Case::names(&folder()).unwrap() {
        let case = Case::read(&folder(), &name).unwrap();
        let (network, config) = (case.build(), case.config().unwrap());
        let program = codegen::compile(&network, &config, &case.options()).unwrap();
        let execution = interpret(&program, &case.images(&network)[0]).unwrap();
        for (info, result) in program.layers.iter().zip(execution.layers) {
            assert_eq!(result.n_useful_macs, info.n_useful_macs, "{name}, {}", info.name);
        }
    }
}

#[test]
fn cycles_by_the_tile_rule_are_those_of_the_design() {
    let compiled = |name: &str| {
        let case = Case::read(&folder(), name).unwrap();
        codegen::compile(&case.build(), &case.config().unwrap(), &case.options()).unwrap()
    };
    let cycles = |name: &str| codegen::tile_cycles(&compiled(name));
    for (name, least, most) in [
        ("resnet20-uhp", 158_425, 162_000),
        ("resnet20-uhp-fixed", 158_425, 162_000),
        ("resnet20-dense", 316_850, 325_000),
        ("resnet20-unstructured", 316_850, 325_000),
        ("resnet20-uhp-conv-shortcut", 158_425, 163_000),
        ("resnet20-dense-conv-shortcut", 316_850, 328_000),
        ("s2d-uhp", 29_952, 30_200),
        ("s2d-dense", 59_904, 60_200),
    ] {
        let cycles = cycles(name);
        println!("{name}: {cycles} cycles by the tile rule");
        assert!((least..=most).contains(&cycles), "{name}: {cycles}");
    }
    assert_eq!(cycles("resnet20-uhp-as-dense"), cycles("resnet20-dense"));
    let n_macs: u64 =
        compiled("resnet20-dense").layers.iter().map(|layer| layer.n_dense_macs).sum();
    assert_eq!(n_macs, 40_556_800);
}

#[test]
fn cycles_depend_on_the_pattern_and_not_on_the_weights() {
    let config = ArrayConfig::new(4, 8, Memories::default()).unwrap();
    for topology in [Topology::S2d, Topology::Toy, Topology::Tiny] {
        for pattern in [Pattern::Dense, Pattern::UhpFixed, Pattern::UhpShared] {
            let cycles = |seed| {
                let network = topology.network(pattern, 8, Shortcut::Conv, seed);
                let network = codegen::compile(&network, &config, &Options::default()).unwrap();
                codegen::layer_tile_cycles(&network)
            };
            let first = cycles(0);
            assert!((1..8).all(|seed| cycles(seed) == first), "{topology:?}, {pattern:?}");
        }
    }
}
