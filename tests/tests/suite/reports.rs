//! The cycle reports that people and programs read, as `twofold sim` prints them.

use serde_json::Value;

use crate::support::Checkout;

/// Keys that readers of the JSON rely on.
const KEYS: [&str; 11] = [
    "format_version",
    "network",
    "array",
    "n_images",
    "accuracy_rtl",
    "accuracy_reference",
    "bit_exact",
    "schedule",
    "dense_schedule",
    "lost_cycles",
    "speedup_vs_dense",
];
const LAYER_KEYS: [&str; 5] = ["name", "n_cycles", "n_useful_macs", "utilization", "lost_cycles"];
const CAUSES: [&str; 6] =
    ["idle_pes", "fetch", "weight_load", "dependency", "accumulator", "drain"];

/// The table of a case; its one value that the computer's speed decides is replaced.
fn report(name: &str) -> String {
    let text = Checkout::new().run(&["sim", "--case", name]);
    let lines = text.lines().map(|line| {
        if line.contains("simulated cycles / s") {
            "| simulated cycles / s, one core | [speed] |"
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_toy_dense() {
    insta::assert_snapshot!(report("toy-dense"));
}

#[test]
fn a_toy_with_unstructured_zeros() {
    insta::assert_snapshot!(report("toy-unstructured"));
}

#[test]
fn a_half_pruned_toy() {
    insta::assert_snapshot!(report("toy-uhp"));
}

#[test]
fn a_small_network() {
    insta::assert_snapshot!(report("s2d-s-uhp"));
}

#[test]
fn resnet20_dense() {
    insta::assert_snapshot!(report("resnet20-dense"));
}

#[test]
fn resnet20_with_unstructured_zeros() {
    insta::assert_snapshot!(report("resnet20-unstructured"));
}

#[test]
fn resnet20_half_pruned() {
    insta::assert_snapshot!(report("resnet20-uhp"));
}

fn whole(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no whole number"))
}

fn sum_of_causes(lost: &Value) -> u64 {
    assert_eq!(lost.as_object().expect("causes are keys").len(), CAUSES.len());
    CAUSES.iter().map(|cause| whole(&lost[*cause])).sum()
}

#[test]
fn the_json_holds_what_programs_rely_on() {
    let checkout = Checkout::new();
    let text = checkout.run(&["sim", "--case", "toy-uhp", "--images", "2", "--format", "json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    let keys = report.as_object().unwrap();
    for key in KEYS.iter().chain(&["simulated_cycles_per_second", "layers"]) {
        assert!(keys.contains_key(*key), "{key} is not in {text}");
    }
    assert_eq!(report["format_version"], 3);
    assert_eq!(report["network"], "toy-uhp");
    assert_eq!((&report["array"]["rows"], &report["array"]["cols"]), (&8.into(), &16.into()));
    assert_eq!(report["n_images"], 2);
    assert_eq!(report["bit_exact"], true);
    assert_eq!(report["accuracy_rtl"], Value::Null, "random images have no labels");
    assert!(report["speedup_vs_dense"].as_f64().unwrap() > 1.0);
    assert!(report["simulated_cycles_per_second"].as_f64().unwrap() > 0.0);
    let layers = report["layers"].as_array().unwrap();
    let mut n_cycles = 0;
    let mut n_lost = 0;
    for layer in layers {
        assert!(LAYER_KEYS.iter().all(|key| layer.get(key).is_some()), "{layer}");
        assert!((0.0..=1.0).contains(&layer["utilization"].as_f64().unwrap()), "{layer}");
        n_cycles += whole(&layer["n_cycles"]);
        n_lost += sum_of_causes(&layer["lost_cycles"]);
    }
    assert_eq!(n_cycles, whole(&report["schedule"]["n_compute_cycles_per_image"]));
    assert_eq!(n_lost, sum_of_causes(&report["lost_cycles"]));

    let saved = checkout.run(&["report", "--format", "json"]);
    assert_eq!(saved, text, "the saved report is the printed one");
    assert!(checkout.run(&["report"]).contains("| bit-exact "), "it prints as a table too");
}
