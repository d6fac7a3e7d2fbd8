//! What is started, skipped, resumed and told.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use trainer::table::{self, TableOptions};

use crate::support::{Bench, DATA, SMALL, options, student_result};

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
        printed.text.contains(
            "| half | s2d_s | uhp-fixed | big | 500 (50.0 %) | - | - | - | 97.00 ± 0.00 |"
        )
    );
    let stored = fs::read_to_string(bench.path("runs/table.md")).unwrap();
    assert_eq!(stored, printed.text);

    // Again: nothing to do. One seed more: that seed alone. From elsewhere: the same data.
    bench.run(&["--seeds", "2"]).unwrap();
    assert_eq!(bench.calls(), [""; 0]);
    bench.write_images("else/where/chips", 0);
    let elsewhere = TableOptions {
        data: Some(bench.path("else/where/chips").display().to_string()),
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

    // Other options start over, if that is asked for: the teacher and with it who was taught.
    bench.write("runs/teacher-big/seed-1/metrics.jsonl", "");
    let changed = ["--seeds", "1", "--rows", "dense", "--set", "teacher-epochs=7"];
    let error = bench.run(&changed).unwrap_err().to_string();
    let error = error.replace(&bench.path("runs").display().to_string(), "RUNS");
    assert!(
        error
            .contains("3 of the table's runs lie there as others, such as RUNS/teacher-big/seed-1"),
        "{error}"
    );
    assert!(error.contains("(options.teacher-epochs is 2 there and 7 here)"), "{error}");
    assert!(bench.path("runs/teacher-big/seed-1/metrics.jsonl").exists());
    assert_eq!(bench.calls(), [""; 0]);
    let printed = bench.run(&[&changed[..], &["--replace"]].concat()).unwrap();
    let calls = bench.calls();
    assert_eq!(calls.len(), 3, "{calls:#?}");
    assert!(calls.iter().all(|call| call.contains("--teacher-epochs=7")), "{calls:#?}");
    assert!(!calls.iter().any(|call| call.contains("--resume")), "{calls:#?}");
    assert!(!bench.path("runs/teacher-big/seed-1/metrics.jsonl").exists());
    assert!(printed.text.contains("--rows dense --set teacher-epochs=7`"), "{}", printed.text);
}

#[test]
fn a_network_that_changed_starts_over() {
    let bench = Bench::new();
    let network = bench.path("mine.toml");
    let definition = |channels: usize| {
        format!(
            "name = \"mine\"
            layers = [
                {{ op = \"conv\", name = \"conv\", channels = {channels}, kernel = 3 }},
                {{ op = \"fully_connected\", name = \"fc\" }},
            ]"
        )
    };
    let student = format!("student={}", network.display());
    let run = |text: &str| {
        bench.write("mine.toml", text);
        let rows = ["--seeds", "1", "--rows", "g-dense-alone", "--set", &student, "--replace"];
        bench.run(&rows).unwrap();
        bench.calls().len()
    };
    assert_eq!(run(&definition(8)), 1);
    assert_eq!(run(&format!("# A remark changes nothing.\n{}", definition(8))), 0);
    assert_eq!(run(&definition(16)), 1);
}

#[test]
fn other_images_of_the_same_name_start_over() {
    let bench = Bench::new();
    let rows = ["--seeds", "1", "--rows", "g-dense-alone"];
    bench.run(&rows).unwrap();
    bench.write_images(DATA, 100);
    let error = bench.run(&rows).unwrap_err().to_string();
    assert!(error.contains("(images.sha256_train is "), "{error}");
    let error = bench.run(&[&rows[..], &["--no-train"]].concat()).unwrap_err().to_string();
    assert!(error.contains("no run is done with these options on this data"), "{error}");
    bench.run(&[&rows[..], &["--replace"]].concat()).unwrap();
    assert_eq!(bench.calls().len(), 2);
    fs::remove_dir_all(bench.path(DATA)).unwrap();
    let error = format!("{:#}", bench.run(&rows).unwrap_err());
    assert!(error.contains("some/chips: not a folder"), "{error}");
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
fn a_run_is_told_when_its_table_is_killed() {
    let bench = Bench::new();
    let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho $TWOFOLD_STOPS_WITH_STDIN > started\ncat\necho > ended\n";
    bench.write("trainer", script);
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.arg("table").args(bench.arguments(&["--seeds", "1", "--jobs", "1"]));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let wait_for = |name: &str| {
        let since = Instant::now();
        while !fs::read_to_string(bench.path(name)).is_ok_and(|text| text.ends_with('\n')) {
            assert!(since.elapsed() < Duration::from_secs(60), "no {name}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    wait_for("started");
    assert_eq!(fs::read_to_string(bench.path("started")).unwrap(), "1\n");
    assert!(!bench.path("ended").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("ended");
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
fn results_of_other_options_count_as_missing() {
    let bench = Bench::new();
    bench.run(&["--seeds", "1"]).unwrap();
    let finished = bench.run(&["--seeds", "1", "--no-train"]).unwrap();
    assert!(!finished.text.contains("not done yet"), "{}", finished.text);

    let stored = || fs::read_to_string(bench.path("runs/table.md")).unwrap();
    let longer = ["--seeds", "1", "--no-train", "--set", "epochs=500"];
    let error = bench.run(&longer).unwrap_err();
    assert!(error.to_string().contains("no run is done with these options"), "{error}");
    assert_eq!(stored(), finished.text);
    bench.write("small.toml", &SMALL.replace("learning-rate = 0.1", "learning-rate = 0.2"));
    let printed = bench.run(&["--seeds", "1", "--no-train"]).unwrap();
    assert!(printed.text.contains("- not done yet: 2 of the runs"), "{}", printed.text);
    assert!(!printed.text.contains("| half |"), "{}", printed.text);

    // A teacher that failed leaves nobody whom the one before it taught.
    bench.write("fail-teacher-big", "");
    let printed = bench.run(&["--seeds", "1", "--set", "teacher-gamma=0.4", "--replace"]).unwrap();
    assert!(printed.text.contains("| half | s2d_s | uhp-fixed | - |"), "{}", printed.text);
    assert!(!printed.text.contains("| big |"), "{}", printed.text);
}

#[test]
fn folders_of_others_are_left_alone() {
    let bench = Bench::new();
    bench.write("runs/g-half-alone/seed-1/thesis.tex", "precious");
    let printed = bench.run(&["--seeds", "1", "--rows", "g-half-alone"]).unwrap();
    assert!(printed.failure.unwrap().contains("g-half-alone seed 1"));
    assert!(bench.path("runs/g-half-alone/seed-1/thesis.tex").exists());
    assert_eq!(bench.calls(), [""; 0]);

    // Who trains again loses what a run left there, and nothing else.
    bench.run(&["--seeds", "1", "--rows", "g-dense-alone"]).unwrap();
    bench.write("runs/g-dense-alone/seed-1/thesis.tex", "precious");
    bench.write("runs/g-dense-alone/seed-1/figures/1.svg", "precious");
    bench.write("runs/g-dense-alone/seed-1/student.safetensors", "of the old run");
    let again = ["--seeds", "1", "--rows", "g-dense-alone", "--set", "epochs=500", "--replace"];
    assert_eq!(bench.run(&again).unwrap().failure, None);
    for name in ["thesis.tex", "figures/1.svg"] {
        assert!(bench.path("runs/g-dense-alone/seed-1").join(name).exists(), "{name}");
    }
    assert!(!bench.path("runs/g-dense-alone/seed-1/student.safetensors").exists());
    assert_eq!(bench.calls().len(), 2);
    let other = Bench::new();
    other.write("runs/table.md", "precious");
    let error = other.run(&["--seeds", "1"]).unwrap_err().to_string();
    assert!(error.contains("table.md: is there, and no table that this program wrote"), "{error}");
    assert_eq!(fs::read_to_string(other.path("runs/table.md")).unwrap(), "precious");
    assert_eq!(other.calls(), [""; 0]);
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
