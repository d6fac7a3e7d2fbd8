//! Cycles between images: measured in the steady state, of both schedules, and reported first.

use codegen::{Options, Schedule};
use flow::cases::{Size, random_image, random_network};
use serde_json::Value;
use sim::RunOptions;
use spec::files::read_network;

use crate::support::{Checkout, array, case, load, machine, root};

const RANDOM_NETWORKS: u64 = 8;

fn sim(args: &[&str]) -> Value {
    let args = [&["sim", "--format", "json"], args].concat();
    serde_json::from_str(&Checkout::new().run(&args)).expect("the report is JSON")
}

fn whole(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no whole number"))
}

/// Cycles from each image's end to the next one's of `n_images` images, and those that the report would show.
fn between(
    name: &str,
    schedule: Schedule,
    n_images: usize,
    port_bytes: usize,
) -> (Vec<u64>, Option<u64>) {
    let case = case(name);
    let (network, config) = (case.build(), case.config().expect("the case has an array"));
    let config = config.with_port_bytes(port_bytes).expect("there is such a port");
    let mut machine = machine(&config);
    load(&mut machine, &network, &config, &Options { schedule });
    let images: Vec<_> = (0..n_images).map(|seed| random_image(&network, seed as u64)).collect();
    let images: Vec<_> = images.iter().map(Vec::as_slice).collect();
    let run = machine.run(&images, &RunOptions::default()).expect("the accelerator runs");
    let ends: Vec<_> = run.images.iter().map(|image| image.done_at).collect();
    (ends.windows(2).map(|ends| ends[1] - ends[0]).collect(), run.n_cycles_between_images())
}

#[test]
fn the_steady_state_begins_with_the_second_image() {
    for name in
        ["s2d-s-uhp", "s2d-s-dense", "toy-uhp", "toy-unstructured", "tiny-uhp", "tiny-dense"]
    {
        for schedule in [Schedule::Sparse, Schedule::Dense] {
            let (differences, shown) = between(name, schedule, 7, 4);
            let first = differences[0];
            assert_eq!(differences, [first; 6], "{name}, {schedule:?}");
            assert_eq!(shown, Some(first), "{name}, {schedule:?}");
        }
    }
    let size = Size { n_layers: 3, side: 16, channels: 16 };
    let config = array(5, 7);
    let mut machine = machine(&config);
    for seed in 0..RANDOM_NETWORKS {
        let network = random_network(seed, size, &config);
        load(&mut machine, &network, &config, &Options::default());
        let image = random_image(&network, seed);
        let run = machine.run(&[image.as_slice(); 6], &RunOptions::default()).unwrap();
        let ends: Vec<_> = run.images.iter().map(|image| image.done_at).collect();
        assert!(
            ends.windows(3).all(|ends| ends[2] - ends[1] == ends[1] - ends[0]),
            "{seed}: {ends:?}"
        );
    }
}

#[test]
fn a_network_that_packs_longer_than_it_computes_is_as_fast_as_its_loader() {
    let report = sim(&["--case", "s2d-s-uhp", "--port-bytes", "1"]);
    let (own, dense) = (&report["schedule"], &report["dense_schedule"]);
    let kinds = [(own, Schedule::Sparse, "pack"), (dense, Schedule::Dense, "pack")];
    for (schedule, kind, bound) in kinds {
        let (_, measured) = between("s2d-s-uhp", kind, 4, 1);
        assert_eq!(schedule["n_cycles_between_images"].as_u64(), measured, "{schedule}");
        assert_eq!(schedule["bound_by"], bound, "{schedule}");
        let n_cycles = whole(&schedule["n_cycles_between_images"]);
        let n_load = whole(&schedule["n_load_cycles_per_image"]);
        let n_compute = whole(&schedule["n_compute_cycles_per_image"]);
        assert!(n_cycles > n_load && n_cycles > n_compute + n_compute / 20, "{schedule}");
        // Ten logits and a class, the first two cycles after the start.
        assert_eq!(schedule["n_output_cycles_per_image"], 12, "{schedule}");
    }
    let ratio = |a: &Value, b: &Value, key: &str| whole(&a[key]) as f64 / whole(&b[key]) as f64;
    let speedup = ratio(dense, own, "n_cycles_between_images");
    assert_eq!(report["speedup_vs_dense"].as_f64(), Some(speedup));
    let computing = ratio(dense, own, "n_compute_cycles_per_image");
    assert_eq!(report["compute_speedup_vs_dense"].as_f64(), Some(computing));
    assert!(
        speedup < 1.4 && computing > 1.8,
        "{speedup} in the steady state, {computing} computing"
    );
    let rate = 50e6 / whole(&own["n_cycles_between_images"]) as f64;
    assert_eq!(report["images_per_second"].as_f64(), Some(rate));

    let share = |key: &str| report[key].as_f64().unwrap();
    let pes = 8.0 * 16.0;
    let n_macs = whole(&report["n_useful_macs_per_image"]) as f64;
    let steady = n_macs / (pes * whole(&own["n_cycles_between_images"]) as f64);
    assert!((share("steady_state_utilization") - steady).abs() < 1e-12);
    let computing = n_macs / (pes * whole(&own["n_compute_cycles_per_image"]) as f64);
    assert!((share("compute_utilization") - computing).abs() < 1e-12);
    assert!(steady < computing && computing <= 1.0);
}

/// At the default width of the input: every case of this array but the smallest, and the committed networks.
#[test]
fn loading_takes_less_than_half_of_the_half_pruned_computation() {
    let cases = ["s2d-s-uhp", "s2d-uhp", "resnet20-uhp", "resnet20-uhp-conv-shortcut"];
    let networks = ["networks/mstar-s2d", "networks/sar-sim-s2d"];
    let read = |path: &&str| read_network(&root().join(path)).expect("it is committed");
    let networks =
        cases.map(|name| case(name).build()).into_iter().chain(networks.iter().map(read));
    let config = array(8, 16);
    let mut machine = machine(&config);
    for network in networks {
        let name = &network.name;
        load(&mut machine, &network, &config, &Options::default());
        let image = random_image(&network, 1);
        let run = machine.run(&[image.as_slice(); 3], &RunOptions::default()).unwrap();
        let [_, image, _] = &run.images[..] else { panic!("three images") };
        let (n_load, n_compute) = (image.n_load_cycles, image.counters.n_cycles);
        let between = run.n_cycles_between_images().expect("there are three");
        println!("{name}: loading {n_load}, computing {n_compute}, between images {between}");
        assert!(2 * n_load <= n_compute, "{name}: loading {n_load}, computing {n_compute}");
        assert!(100 * between <= 101 * n_compute, "{name}: {between} between, {n_compute}");
    }
}

#[test]
fn a_network_that_computes_longer_than_it_loads_hides_loading_and_output() {
    let report = sim(&["--case", "toy-dense"]);
    let schedule = &report["schedule"];
    assert_eq!(schedule["bound_by"], "compute");
    let n_busy = whole(&schedule["n_compute_cycles_per_image"]);
    // The next image's `LOAD` is read and executed.
    assert_eq!(whole(&schedule["n_cycles_between_images"]), n_busy + 2);
    assert_eq!(&report["dense_schedule"], schedule);
    assert_eq!(report["speedup_vs_dense"], 1.0);
}

#[test]
fn a_tiny_network_is_bound_by_packing_which_waits_for_bank_0() {
    let report = sim(&["--case", "tiny-uhp"]);
    let schedule = &report["schedule"];
    assert_eq!(schedule["bound_by"], "pack", "{schedule}");
    let n_load = whole(&schedule["n_load_cycles_per_image"]);
    assert!(n_load < whole(&schedule["n_compute_cycles_per_image"]), "{schedule}");
    // What `check` says beforehand is an estimate, and called one.
    let checked = Checkout::new().run(&["check", "--case", "tiny-uhp"]);
    let line = checked.lines().find(|line| line.contains("between images")).unwrap();
    assert!(line.starts_with("estimated cycles an image"), "{line}");
}

#[test]
fn one_image_is_not_called_the_steady_state() {
    let checkout = Checkout::new();
    let text = checkout.run(&["sim", "--case", "tiny-uhp", "--images", "1"]);
    assert!(text.contains("one image is not the steady state"), "{text}");
    let row = text.lines().find(|line| line.contains("between images")).unwrap();
    assert!(!row.contains(|c: char| c.is_ascii_digit()), "{row}");
    let json = checkout.run(&["report", "--format", "json"]);
    let report: Value = serde_json::from_str(&json).unwrap();
    for schedule in ["schedule", "dense_schedule"] {
        assert_eq!(report[schedule]["n_cycles_between_images"], Value::Null);
        assert_eq!(report[schedule]["bound_by"], Value::Null);
        assert!(whole(&report[schedule]["n_compute_cycles_per_image"]) > 0);
    }
    for key in ["speedup_vs_dense", "images_per_second", "steady_state_utilization"] {
        assert_eq!(report[key], Value::Null, "{key}");
    }
    assert!(report["compute_speedup_vs_dense"].as_f64().unwrap() > 1.0);

    let text = checkout.run(&["sim", "--case", "tiny-uhp", "--images", "2"]);
    assert!(!text.contains("not the steady state"), "{text}");
}

#[test]
fn the_first_figure_of_the_table_is_the_cycles_between_images() {
    let text = Checkout::new().run(&["sim", "--case", "tiny-uhp"]);
    let first = text
        .lines()
        .find(|line| line.contains(|c: char| c.is_ascii_digit()) && line.starts_with('|'));
    assert!(first.unwrap().starts_with("| between images, steady state"), "{text}");
}

#[test]
fn the_document_of_the_report_names_every_key() {
    let document = std::fs::read_to_string(root().join("docs/report.md")).unwrap();
    let report = sim(&["--case", "tiny-uhp"]);
    let mut keys: Vec<String> = Vec::new();
    let mut values = vec![&report];
    while let Some(value) = values.pop() {
        match value {
            Value::Object(entries) => {
                keys.extend(entries.keys().cloned());
                values.extend(entries.values());
            }
            Value::Array(items) => values.extend(items),
            _ => {}
        }
    }
    keys.sort();
    keys.dedup();
    assert!(keys.len() > 40, "{keys:?}");
    let causes = ["fetch", "weight_load", "dependency", "accumulator", "drain"];
    for key in keys.iter().filter(|key| !causes.contains(&key.as_str())) {
        assert!(
            document.contains(&format!("`{key}`")),
            "docs/report.md does not say what {key} is"
        );
    }
    assert!(document.contains("Version 3."));
}
