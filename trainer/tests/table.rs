//! Tables of runs: what is started, skipped, resumed and told, with a stand-in for the trainer; and what is printed.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml spares only the bodies of tests, not their helpers"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};
use tempfile::TempDir;
use trainer::table::definition::{Kind, Table};
use trainer::table::hardware::{self, Hardware};
use trainer::table::summary::{self, gather};
use trainer::table::{self, Printed, TableOptions, render};

const SMALL: &str = r#"
name = "small"
[options]
batch = 32
[[teacher]]
name = "big"
options = { teacher = "a-convnet", teacher-epochs = 2 }
[[group]]
name = "g"
title = "A group"
teacher = "big"
variants = ["alone", "taught"]
options = { student = "s2d_s", epochs = 3 }
[[group.row]]
name = "dense"
options = { sparsity = "dense" }
[[group.row]]
name = "half"
options = { sparsity = "uhp-fixed", learning-rate = 0.1 }
"#;

/// Notes how it is called, then does as the files beside it say: fails, hangs after a checkpoint, or leaves a result.
const STAND_IN: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/calls.txt"
out=; student=; previous=
for word in "$@"; do
    [ "$previous" = --output ] && out=$word
    case $word in --student=*) student=${word#*=} ;; esac
    previous=$word
done
row=$(basename "$(dirname "$out")")
mkdir -p "$out"
echo "training $row" >&2
if [ -e "$here/fail-$row" ]; then echo "error: the disk is on fire" >&2; exit 1; fi
if [ -e "$here/hang-$row" ]; then
    trap 'echo interrupted >&2; exit 130' INT
    touch "$out/student.safetensors"
    while :; do sleep 0.05; done
fi
if [ "$student" = none ]; then cp "$here/teacher.json" "$out/result.json"; else cp "$here/student.json" "$out/result.json"; fi
"#;

/// A folder with a small table, a stand-in for the trainer, and results for it to leave.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        bench.write("small.toml", SMALL);
        bench.write("trainer", STAND_IN);
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(bench.path("trainer"), executable).unwrap();
        bench.write("teacher.json", &teacher_result(0.99).to_string());
        bench.write("student.json", &student_result("s2d_s", 1000, 500, 0.97, 0.96).to_string());
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let path = |name: &str| self.path(name).display().to_string();
        let mut arguments = vec![path("small.toml"), "--output".to_owned(), path("runs")];
        arguments.extend(["--trainer".to_owned(), path("trainer"), "--no-hardware".to_owned()]);
        arguments.extend(["--data", "some/chips"].map(str::to_owned));
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        arguments
    }

    fn run(&self, more: &[&str]) -> anyhow::Result<Printed> {
        table::run(&options(&self.arguments(more)))
    }

    /// Command lines of the runs since the last question, in order.
    fn calls(&self) -> Vec<String> {
        let path = self.path("calls.txt");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        let runs = self.path("runs").display().to_string();
        text.lines().map(|line| line.replace(&runs, "RUNS")).collect()
    }
}

fn options(arguments: &[String]) -> TableOptions {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: TableOptions,
    }
    let words = std::iter::once("table").chain(arguments.iter().map(String::as_str));
    Line::try_parse_from(words).unwrap().options
}

fn scores(validation: f64, test: f64) -> Value {
    let score = |accuracy: f64| json!({ "accuracy": accuracy, "cross_entropy": 0.1 });
    json!({ "validation": score(validation), "test": score(test) })
}

/// A `result.json` but for the networks.
fn outcome(seconds: f64, teacher: Value, student: Value) -> Value {
    json!({
        "format_version": 1,
        "command": "trainer train",
        "git_revision": "fedcba9876543210+",
        "options": {},
        "versions": {},
        "data": {
            "name": "chips", "kind": "folder", "description": "hand-made",
            "n_train": 2472, "n_validation": 274, "n_test": 2425,
            "sha256_train": "aa", "sha256_validation": "bb", "sha256_test": "0123456789abcdef0123",
        },
        "classes": [],
        "teacher": teacher,
        "student": student,
        "seconds": seconds,
        "note": "",
    })
}

fn teacher_result(test: f64) -> Value {
    let mut teacher = scores(0.99, test);
    teacher["name"] = json!("a-convnet");
    teacher["n_parameters"] = json!(303_498);
    teacher["n_macs"] = json!(15_100_000);
    outcome(1800.0, teacher, Value::Null)
}

fn student_result(name: &str, n_weights: u64, n_kept: u64, float: f64, int8: f64) -> Value {
    let student = json!({
        "name": name, "n_parameters": n_weights + 100, "n_macs": 1, "n_weights": n_weights, "n_kept": n_kept,
        "float": scores(float, float), "int8": scores(int8, int8),
        "calibration": "maximum", "confusion": [], "per_class": [],
    });
    outcome(900.0, Value::Null, student)
}

#[test]
fn every_row_and_seed_is_run_once_after_its_teacher() {
    let bench = Bench::new();
    let printed = bench.run(&["--seeds", "2", "--jobs", "1"]).unwrap();
    assert_eq!(printed.failure, None);
    let calls = bench.calls();
    assert_eq!(calls.len(), 2 + 2 * 4, "{calls:#?}");
    assert_eq!(
        calls[0],
        "train --data some/chips --batch=32 --student=none --teacher=a-convnet --teacher-epochs=2 --seed 1 \
         --output RUNS/teacher-big/seed-1"
    );
    let taught = "train --data some/chips --batch=32 --epochs=3 --learning-rate=0.1 --sparsity=uhp-fixed \
         --student=s2d_s --teacher RUNS/teacher-big/seed-2 --seed 2 --output RUNS/g-half-taught/seed-2";
    assert!(calls.contains(&taught.to_owned()), "{calls:#?}");
    let alone = "--student=s2d_s --teacher=none --seed 1 --output RUNS/g-dense-alone/seed-1";
    assert!(calls.iter().any(|call| call.ends_with(alone)), "{calls:#?}");
    assert!(
        printed
            .text
            .contains("| half | s2d_s | uhp-fixed | big | 500 (50.0 %) | - | - | 97.00 ± 0.00 |")
    );
    let stored = fs::read_to_string(bench.path("runs/table.md")).unwrap();
    assert_eq!(stored, printed.text);

    // Again: nothing to do. One seed more: that seed alone. From elsewhere: the same data.
    bench.run(&["--seeds", "2"]).unwrap();
    assert_eq!(bench.calls(), [""; 0]);
    let elsewhere = TableOptions {
        data: Some("else/where/chips".to_owned()),
        ..options(&bench.arguments(&["--seeds", "3"]))
    };
    table::run(&elsewhere).unwrap();
    let calls = bench.calls();
    assert!(calls.len() == 5 && calls.iter().all(|call| call.contains("--seed 3")), "{calls:#?}");
}

#[test]
fn rows_can_be_chosen_and_options_changed() {
    let bench = Bench::new();
    bench.run(&["--seeds", "1", "--rows", "g-dense-alone"]).unwrap();
    let calls = bench.calls();
    assert!(calls.len() == 1 && calls[0].ends_with("g-dense-alone/seed-1"), "{calls:#?}");
    bench.run(&["--seeds", "1", "--rows", "dense"]).unwrap();
    assert_eq!(bench.calls().len(), 2, "the taught variant and its teacher");
    let error = bench.run(&["--rows", "dence"]).unwrap_err().to_string();
    assert!(error.contains("has no row `dence`") && error.contains("g-half-taught"), "{error}");

    // Other options start over: the teacher and with it who was taught.
    fs::write(bench.path("runs/teacher-big/seed-1/left-over"), "").unwrap();
    let printed =
        bench.run(&["--seeds", "1", "--rows", "dense", "--set", "teacher-epochs=7"]).unwrap();
    let calls = bench.calls();
    assert_eq!(calls.len(), 3, "{calls:#?}");
    assert!(calls.iter().all(|call| call.contains("--teacher-epochs=7")), "{calls:#?}");
    assert!(!calls.iter().any(|call| call.contains("--resume")), "{calls:#?}");
    assert!(!bench.path("runs/teacher-big/seed-1/left-over").exists());
    assert!(printed.text.contains("--rows dense --set teacher-epochs=7`"), "{}", printed.text);
}

#[test]
fn one_teacher_serves_all_seeds_if_the_table_says_so() {
    let bench = Bench::new();
    bench.write("small.toml", &SMALL.replace("[options]", "one_teacher = true\n[options]"));
    bench.run(&["--seeds", "2", "--rows", "half"]).unwrap();
    let calls = bench.calls();
    let n = |part: &str| calls.iter().filter(|call| call.contains(part)).count();
    assert_eq!((n("--student=none"), n("--teacher RUNS/teacher-big/seed-1 --seed 2")), (1, 1));
    assert_eq!(calls.len(), 5, "{calls:#?}");
}

#[test]
fn a_run_that_was_cut_off_is_resumed() {
    let bench = Bench::new();
    bench.write("hang-g-half-taught", "");
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.arg("table").args(bench.arguments(&["--seeds", "1", "--jobs", "2"]));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while !bench.path("runs/g-half-taught/seed-1/student.safetensors").exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "the run does not start");
        std::thread::sleep(Duration::from_millis(10));
    }

    // Meanwhile nobody else trains there.
    let busy = bench.run(&["--seeds", "1"]).unwrap();
    assert!(busy.failure.unwrap().contains("g-half-taught seed 1"));
    assert!(
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success()
    );
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(message.contains("the same command goes on from there"), "{message}");
    let log = fs::read_to_string(bench.path("runs/g-half-taught/seed-1/log.txt")).unwrap();
    assert_eq!(log, "training g-half-taught\ninterrupted\n");

    bench.calls();
    fs::remove_file(bench.path("hang-g-half-taught")).unwrap();
    assert_eq!(bench.run(&["--seeds", "1"]).unwrap().failure, None);
    let calls = bench.calls();
    let half: Vec<_> = calls.iter().filter(|call| call.contains("g-half-taught")).collect();
    assert!(half.len() == 1 && half[0].ends_with(" --resume"), "{calls:#?}");
}

#[test]
fn a_run_that_fails_is_told_and_the_others_go_on() {
    let bench = Bench::new();
    bench.write("fail-g-dense-alone", "");
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    let output = command.arg("table").args(bench.arguments(&["--seeds", "1"])).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("g-dense-alone seed 1: failed: exit status: 1"), "{message}");
    assert!(message.contains("training g-dense-alone\nerror: the disk is on fire"), "{message}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("- not done yet: 1 of the runs") && text.contains("| half |"), "{text}");

    // Who needs a teacher that failed is not started.
    let bench = Bench::new();
    bench.write("fail-teacher-big", "");
    let printed = bench.run(&["--seeds", "1"]).unwrap();
    let failure = printed.failure.unwrap();
    assert!(failure.starts_with("3 of the runs failed: teacher-big seed 1"), "{failure}");
    assert_eq!(bench.calls().len(), 3);
    bench.write("trainer", "#!/bin/sh\nexit 0\n");
    let failure = bench.run(&["--seeds", "1", "--rows", "g-half-taught"]).unwrap().failure;
    assert!(failure.unwrap().contains("g-half-taught"), "without result.json nothing is done");
}

#[test]
fn folders_of_others_are_left_alone() {
    let bench = Bench::new();
    bench.write("runs/g-half-alone/seed-1/thesis.tex", "precious");
    let printed = bench.run(&["--seeds", "1", "--rows", "g-half-alone"]).unwrap();
    assert!(printed.failure.unwrap().contains("g-half-alone seed 1"));
    assert!(bench.path("runs/g-half-alone/seed-1/thesis.tex").exists());
    assert_eq!(bench.calls(), [""; 0]);
    let empty = TableOptions {
        output: Some("no/such/runs".into()),
        ..options(&bench.arguments(&["--no-train"]))
    };
    let error = table::run(&empty).unwrap_err();
    assert!(error.to_string().contains("no run is done"), "{error}");
    assert!(!Path::new("no").exists());
}

#[test]
fn results_on_other_test_images_are_not_compared() {
    let bench = Bench::new();
    bench.run(&["--seeds", "1", "--rows", "dense"]).unwrap();
    let mut other = student_result("s2d_s", 1000, 500, 0.9, 0.9);
    other["data"]["sha256_test"] = json!("ffff");
    bench.write("runs/g-dense-taught/seed-1/result.json", &other.to_string());
    let error = bench.run(&["--seeds", "1", "--rows", "dense"]).unwrap_err().to_string();
    assert!(error.contains("g-dense-taught/seed-1: its test images are not those"), "{error}");
    bench.write("runs/g-dense-taught/seed-1/result.json", "{}");
    let error = format!("{:#}", bench.run(&["--no-train"]).unwrap_err());
    assert!(
        error.contains("not the result of a run") && error.contains("format_version"),
        "{error}"
    );
}

#[test]
fn mistakes_in_a_table_name_file_and_row() {
    let bench = Bench::new();
    let cases = [
        ("title = \"A group\"\n", "", "missing field `title`"),
        (
            "batch = 32",
            "batsh = 32",
            "teacher `big`: trainer train refuses it: unexpected argument '--batsh'",
        ),
        (
            "epochs = 3",
            "epochs = \"many\"",
            "row `dense`: trainer train refuses it: invalid value 'many'",
        ),
        ("\"uhp-fixed\"", "\"uhp\"", "row `half`: trainer train refuses it: invalid value 'uhp'"),
        ("sparsity = \"dense\"", "batch = 16", "row `dense`: `sparsity` is missing"),
        ("teacher = \"big\"", "teacher = \"huge\"", "group `g`: no [[teacher]] is called `huge`"),
        ("teacher = \"big\"\n", "", "variant `taught` needs `teacher`"),
        ("epochs = 3", "seed = 3", "row `dense`: `seed` is no option of a row"),
        ("epochs = 3", "teacher = \"s2d\"", "row `dense`: `teacher` is no option of a row"),
        ("epochs = 3", "epochs = [3]", "row `dense`: `epochs` is of type array"),
        ("name = \"half\"", "name = \"dense\"", "two rows come to the run folder `g-dense-alone`"),
        ("name = \"half\"", "name = \"../half\"", "name `../half` becomes a folder"),
        (
            "name = \"half\"",
            "name = \"half\"\nnarrow = true",
            "row `half`: a `narrow` row has to be dense",
        ),
        ("\"taught\"", "\"thought\"", "unknown variant `thought`"),
        ("name = \"half\"", "name = \"half\"\nnote = 1", "unknown field `note`"),
    ];
    for (from, to, expected) in cases {
        assert!(SMALL.contains(from), "{from}");
        bench.write("small.toml", &SMALL.replacen(from, to, 1));
        let message = format!("{:#}", bench.run(&[]).unwrap_err());
        assert!(message.contains("small.toml"), "{message}");
        assert!(message.contains(expected), "{message} lacks {expected}");
    }
    let error = |name: &str| format!("{:#}", Table::named(name, &[]).unwrap_err());
    assert!(error("imagenet").contains("there are mstar, cifar100, sar-sim"));
    assert!(error("no/such.toml").contains("no/such.toml: cannot be read"));
    let error = Table::named("mstar", &["epochs".to_owned()]).unwrap_err();
    assert!(format!("{error:#}").contains("--set epochs: not of the form KEY=VALUE"));
    let words = ["mstar", "--no-hardware", "--no-train"].map(str::to_owned);
    let error = table::run(&options(&words)).unwrap_err().to_string();
    assert!(error.contains("names no data; give --data"), "{error}");
}

#[test]
fn built_in_tables_compare_every_kind() {
    for (name, n_teachers, n_groups, n_rows) in
        [("mstar", 2, 3, 36), ("sar-sim", 1, 2, 24), ("cifar100", 1, 1, 6)]
    {
        let table = Table::named(name, &[]).unwrap();
        let counts = (table.teachers.len(), table.groups.len(), table.rows().count() - n_teachers);
        assert_eq!((table.name.as_str(), counts), (name, (n_teachers, n_groups, n_rows)));
        for group in &table.groups {
            for kind in [Kind::Dense, Kind::Narrow, Kind::Unstructured, Kind::Uhp] {
                assert!(group.rows.iter().any(|row| row.kind == kind), "{name}: {kind:?}");
            }
        }
    }
}

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
    let mut table = Table::named(&bench.path("small.toml").display().to_string(), &[]).unwrap();
    let output = bench.path("runs");
    let command = "trainer table small.toml --data chips --seeds 3";
    let context = summary::Context { output: &output, n_seeds, date: "2026-11-24", command };
    let hardware = |folder: &Path| {
        let is_half = folder.display().to_string().contains("half");
        assert!(folder.ends_with("seed-1"));
        is_half.then(|| Hardware {
            format_version: 1,
            tensors_sha256: String::new(),
            rom_bytes: 70_000,
            n_cycles_per_image: 30_265,
            fitted_memories: false,
        })
    };
    table.select(&["g".to_owned()]).unwrap();
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
        "| half | s2d_s | uhp-fixed | big | 500 (50.0 %) | 68.4 | 30,265 | 97.90 | 97.80 | 1 |"
    ));
    assert!(!text.replace("not resolved", "").contains("(resolved)"), "{text}");
}

#[test]
fn hardware_figures_are_asked_for_once() {
    let bench = Bench::new();
    let network = Path::new(env!("CARGO_MANIFEST_DIR")).join("../networks/sar-sim-s2d");
    for name in ["network.json", "weights.safetensors"] {
        bench.write(&format!("run/{name}"), "");
        fs::copy(network.join(name), bench.path("run").join(name)).unwrap();
    }
    let trainer = bench.path("trainer");
    let error = hardware::find_twofold(&trainer).unwrap_err().to_string();
    assert!(error.contains("twofold is not there") && error.contains("cargo build"), "{error}");
    bench.write(
        "twofold",
        r#"#!/bin/sh
here=$(dirname "$0"); echo "$*" >> "$here/calls.txt"
case "$*" in
    *--fit*) ;;
    *) echo "compiling" >&2; echo "error: memory weight is full" >&2; exit 1 ;;
esac
[ "$1" = sim ] && echo '{ "n_cycles_per_image": 123456 }'
for word in "$@"; do [ "$previous" = --out ] && { mkdir -p "$word"; printf '01ff\na0b1\n' > "$word/weight.hex"; echo '{}' > "$word/program.json"; }; previous=$word; done
exit 0
"#,
    );
    fs::set_permissions(bench.path("twofold"), fs::Permissions::from_mode(0o755)).unwrap();
    let twofold = hardware::find_twofold(&trainer).unwrap();
    let measured = hardware::measure(&twofold, &bench.path("run")).unwrap();
    assert_eq!((measured.n_cycles_per_image, measured.rom_bytes), (123_456, 4));
    assert!(measured.fitted_memories);
    let calls = bench.calls();
    let starts: Vec<_> = calls.iter().map(|call| call.split(' ').next().unwrap()).collect();
    assert_eq!(starts, ["sim", "sim", "compile"], "{calls:#?}");
    assert_eq!(hardware::measure(&twofold, &bench.path("run")).unwrap(), measured);
    assert_eq!(bench.calls(), [""; 0], "the figures lie in the run folder");

    bench.write("twofold", "#!/bin/sh\necho 'error: no compiler' >&2\nexit 1\n");
    fs::remove_file(bench.path("run/hardware.json")).unwrap();
    let error = hardware::measure(&twofold, &bench.path("run")).unwrap_err().to_string();
    assert!(error.contains("twofold sim: error: no compiler"), "{error}");
}
