//! What is printed of finished runs.

use std::fs;
use std::path::Path;

use serde_json::Value;
use trainer::run::options::TrainOptions;
use trainer::table::definition::Table;
use trainer::table::hardware::{self, Hardware};
use trainer::table::render;
use trainer::table::summary::{self, gather};
use trainer::table::{self};

use crate::support::{Bench, SMALL, student_result, teacher_result};

/// Results of a small table, as if they had been trained.
fn results(bench: &Bench) {
    let put = |row: &str, seed: usize, result: Value| {
        bench.write(&format!("runs/{row}/seed-{seed}/result.json"), &result.to_string());
    };
    for (seed, test) in [(1, 0.990), (2, 0.992), (3, 0.988)] {
        put("teacher-big", seed, teacher_result(test));
    }
    let rows = [
        ("g-dense-alone", "s2d_s", 1000, [0.975, 0.978, 0.981]),
        ("g-half-alone", "s2d_s", 500, [0.940, 0.943, 0.946]),
        ("g-dense-taught", "s2d_s", 1000, [0.980, 0.983, 0.986]),
        ("g-half-taught", "s2d_s", 500, [0.978, 0.981, 0.984]),
    ];
    for (row, network, n_kept, accuracies) in rows {
        for (seed, accuracy) in (1..).zip(accuracies) {
            put(row, seed, student_result(network, 1000, n_kept, accuracy + 0.001, accuracy));
        }
    }
}

fn printed(bench: &Bench, n_seeds: usize) -> summary::Summary {
    printed_with(bench, n_seeds, |folder| folder.contains("half").then_some(30_265))
}

fn printed_with(
    bench: &Bench,
    n_seeds: usize,
    cycles: fn(&str) -> Option<u64>,
) -> summary::Summary {
    let mut table = Table::named(&bench.path("small.toml").display().to_string(), &[]).unwrap();
    let output = bench.path("runs");
    let command = "trainer table small.toml --data chips --seeds 3";
    table.select(&["g".to_owned()]).unwrap();
    let images = |_: &TrainOptions| Ok(Value::Null);
    let jobs = table::jobs(&table, &[0], "chips", &output, n_seeds, images).unwrap();
    for job in &jobs {
        let record = job.folder.join("table-run.json");
        fs::write(record, job.record.to_string()).unwrap();
    }
    let context =
        summary::Context { output: &output, jobs: &jobs, n_seeds, date: "2026-11-24", command };
    let hardware = |folder: &Path| {
        assert!(folder.ends_with("seed-1"));
        cycles(&folder.display().to_string()).map(|n_compute_cycles_per_image| Hardware {
            format_version: 2,
            tensors_sha256: String::new(),
            rom_bytes: 70_000,
            n_cycles_between_images: n_compute_cycles_per_image + 13,
            n_compute_cycles_per_image,
            fitted_memories: false,
        })
    };
    gather(&table, &[0], context, hardware).unwrap()
}

#[test]
fn the_table_says_who_wins_and_what_is_not_resolved() {
    let bench = Bench::new();
    results(&bench);
    let summary = printed(&bench, 3);
    insta::assert_snapshot!("table", render::markdown(&summary));
    insta::assert_json_snapshot!("table_json", summary);

    // Every row deviates by 0.3 points, so that means of three differ visibly from 2 * 0.3 * sqrt(2/3) points on.
    let resolution = summary.groups[0].resolution_percent.unwrap();
    assert!((resolution - 0.489_897_948_556).abs() < 1e-9, "{resolution}");

    let one = printed(&bench, 1);
    let text = render::markdown(&one);
    assert!(text.contains("No difference is resolved: no row has two seeds."), "{text}");
    assert!(text.contains(
        "| half | s2d_s | uhp-fixed | big | 500 (50.0 %) | 68.4 | 30,278 | 30,265 | 97.90 | 97.80 | 1 |"
    ));
    assert!(!text.replace("not resolved", "").contains("(resolved)"), "{text}");
}

#[test]
fn all_rows_of_the_highest_mean_are_named() {
    let bench = Bench::new();
    results(&bench);
    for (seed, accuracy) in (1..).zip([0.981, 0.975, 0.978]) {
        let result = student_result("s2d_s", 1000, 500, accuracy, accuracy);
        bench.write(&format!("runs/g-half-alone/seed-{seed}/result.json"), &result.to_string());
    }
    let statements = printed(&bench, 3).groups.remove(0).statements;
    assert_eq!(
        statements[0],
        "Alone, the highest mean is dense's and half's, 97.80 %. half has 97.80 %: level with dense."
    );
}

#[test]
fn nothing_is_said_of_hardware_that_nobody_asked() {
    let bench = Bench::new();
    results(&bench);
    let mut summary = printed(&bench, 3);
    assert!(render::markdown(&summary).contains("cycles of the simulated RTL"));
    summary.groups[0].rows.iter_mut().for_each(|row| row.hardware = None);
    assert!(!render::markdown(&summary).contains("cycles of the simulated RTL"));
}

#[test]
fn a_narrow_rival_is_named_with_its_own_cycles() {
    let bench = Bench::new();
    let dense = "options = { sparsity = \"dense\" }";
    bench.write("small.toml", &SMALL.replace(dense, &format!("narrow = true\n{dense}")));
    results(&bench);
    let statement = |cycles| printed_with(&bench, 3, cycles).groups.remove(0).statements.remove(0);
    let text = statement(|folder| Some(if folder.contains("half") { 30_265 } else { 32_565 }));
    assert!(
        text.ends_with("below dense, the narrow dense network of 32,578 cycles between images."),
        "{text}"
    );
    let text = statement(|folder| folder.contains("half").then_some(30_265));
    assert!(text.ends_with("below dense, the narrow dense rival."), "{text}");
}

#[test]
fn one_teacher_for_all_seeds_is_told_beside_the_spread() {
    let bench = Bench::new();
    results(&bench);
    bench.write("small.toml", &SMALL.replace("[options]", "one_teacher = true\n[options]"));
    let text = render::markdown(&printed(&bench, 3));
    let spread =
        "over seeds 1 to 3 (one teacher for all seeds, whose own variation is not in it)\n";
    assert!(text.contains(spread), "{text}");
}

#[test]
fn hardware_figures_are_asked_for_once() {
    let bench = Bench::new();
    let network = Path::new(env!("CARGO_MANIFEST_DIR")).join("../networks/sar-sim-s2d");
    for name in ["network.json", "weights.safetensors"] {
        bench.write(&format!("run/{name}"), "");
        fs::copy(network.join(name), bench.path("run").join(name)).unwrap();
    }
    let measured = hardware::measure(&bench.path("run")).unwrap();
    // As the README has them, of any half-pruned network of these shapes.
    let cycles = (measured.n_cycles_between_images, measured.n_compute_cycles_per_image);
    assert_eq!(cycles, (30_205, 30_203));
    assert!(!measured.fitted_memories);
    let network = spec::files::read_network(&network).unwrap();
    let config = spec::ArrayConfig::default();
    let program = codegen::compile(&network, &config, &codegen::Options::default()).unwrap();
    spec::files::write_program(&program, &bench.path("program")).unwrap();
    let roms = fs::read_dir(bench.path("program")).unwrap().map(|entry| entry.unwrap().path());
    let roms = roms.filter(|path| path.extension().is_some_and(|extension| extension == "hex"));
    let n_digits = |path| fs::read(path).unwrap().iter().filter(|b| b.is_ascii_hexdigit()).count();
    assert_eq!(2 * measured.rom_bytes as usize, roms.map(n_digits).sum::<usize>());

    let path = bench.path("run/hardware.json");
    let stored = fs::read_to_string(&path).unwrap();
    fs::write(&path, stored.replace("30205", "7")).unwrap();
    let again = hardware::measure(&bench.path("run")).unwrap();
    assert_eq!(again.n_cycles_between_images, 7, "the figures lie in the run folder");
    fs::write(&path, stored.replace(&measured.tensors_sha256, "of other weights")).unwrap();
    assert_eq!(hardware::measure(&bench.path("run")).unwrap(), measured);
}
