//! The accelerator in Yosys: nothing that an ECP5 cannot do well, multipliers and memories in their blocks.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::support::Checkout;

/// Cells that a mapped design may hold: anything else is a latch, a division or something that no cell was found for.
const KINDS: [&str; 10] = [
    "CCU2C",
    "DP16KD",
    "GSR",
    "L6MUX21",
    "LUT4",
    "MULT18X18D",
    "PFUMX",
    "TRELLIS_DPR16X4",
    "TRELLIS_FF",
    "VLO",
];
const ROWS: u64 = 2;
const COLS: u64 = 4;
/// Of that array.
const LANES: u64 = 4;
/// Multipliers of a lane: two halves of the scale's product. The residual's is trimmed: no layer of the program in the ROMs
/// has one.
const MULTIPLIERS_A_LANE: u64 = 2;

/// An array small enough for minutes of Yosys, with memories just deep enough that block RAM is the place for them.
fn small_case() -> Value {
    json!({
        "description": "For synthesis",
        "network": "tiny",
        "sparsity": "uhp-shared",
        "group": 4,
        "seed": 1,
        "n_images": 1,
        "rows": ROWS,
        "cols": COLS,
        "memories": {
            "program": 512, "tile": 512, "weight": 1024, "parameter": 512, "lane": 512, "image": 2048, "input": 1024,
            "bank1": 1024, "bank2": 600, "bank3": 1500, "accumulator": 64, "logit": 64
        }
    })
}

#[test]
fn the_accelerator_maps_to_multipliers_block_ram_and_logic() {
    let checkout = Checkout::new();
    fs::remove_file(checkout.path("tests/cases")).unwrap();
    fs::create_dir(checkout.path("tests/cases")).unwrap();
    fs::write(checkout.path("tests/cases/small.json"), small_case().to_string()).unwrap();
    let text = checkout.run(&["synth", "--case", "small", "--full-memories", "--format", "json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    let cells: BTreeMap<String, u64> = serde_json::from_value(report["cells"].clone()).unwrap();
    println!("{cells:?}");

    let unknown: Vec<_> = cells.keys().filter(|kind| !KINDS.contains(&kind.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?} are in the mapped design");
    assert_eq!(cells["MULT18X18D"], ROWS * COLS + MULTIPLIERS_A_LANE * LANES);
    let blocks: BTreeMap<String, BTreeMap<String, u64>> =
        serde_json::from_value(report["blocks"].clone()).unwrap();
    let used = |block: &str, kind: &str| {
        blocks.get(block).and_then(|cells| cells.get(kind)).copied().unwrap_or(0)
    };
    assert_eq!(used("array", "MULT18X18D"), ROWS * COLS, "one a PE");
    for memory in [
        "program_memory",
        "tile_memory",
        "weight_memory",
        "parameter_memory",
        "lane_memory",
        "activation_memory",
    ] {
        assert!(
            used(memory, "DP16KD") > 0,
            "{memory} is not in block RAM: {:?}",
            blocks.get(memory)
        );
        assert_eq!(used(memory, "TRELLIS_DPR16X4"), 0, "{memory} is in distributed RAM");
    }

    // What `check` says before anything is synthesized.
    let text = checkout.run(&["check", "--case", "small", "--format", "json"]);
    let check: Value = serde_json::from_str(&text).unwrap();
    let block_ram = &check["block_ram"];
    let estimate = |keys: &[&str]| -> u64 {
        let memories = block_ram["memories"].as_array().unwrap().iter();
        let of_keys = memories.filter(|memory| keys.iter().any(|key| memory["memory"] == *key));
        of_keys.map(|memory| memory["n_block_rams_available"].as_u64().unwrap()).sum()
    };
    for (block, keys) in [
        ("program_memory", &["program"] as &[&str]),
        ("tile_memory", &["tile"]),
        ("weight_memory", &["weight"]),
        ("parameter_memory", &["parameter"]),
        ("lane_memory", &["lane"]),
        ("loader", &["image"]),
        ("activation_memory", &["input", "bank1", "bank2", "bank3"]),
        ("logit_output", &["logit"]),
    ] {
        assert_eq!(estimate(keys), used(block, "DP16KD"), "{block}");
    }
    let accumulators = (0..COLS).map(|column| used(&format!("accumulator_{column}"), "DP16KD"));
    assert_eq!(estimate(&["accumulator"]), accumulators.sum::<u64>());
    assert_eq!(block_ram["n_block_rams_available"].as_u64(), Some(cells["DP16KD"]));

    // What Yosys listed before mapping, when latches, divisions and loose nets still have names.
    let yosys = checkout.path("build/synth").join(format!("{ROWS}x{COLS}/yosys"));
    assert_eq!(fs::read_to_string(yosys.join("forbidden.txt")).unwrap().trim(), "");
    let check = fs::read_to_string(yosys.join("check.txt")).unwrap();
    assert!(check.contains("Found and reported 0 problems."), "{check}");
}
