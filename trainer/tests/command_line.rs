//! The program as it is called: exit codes, messages, signals.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml spares only the bodies of tests, not their helpers"
)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn misuse_ends_with_2_and_failure_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.toml");
    std::fs::write(&file, "epoch = 3\n").unwrap();
    let (file, missing) = (file.display().to_string(), "no/such/run.toml".to_owned());
    let cases: [(&[&str], i32, &str); 11] = [
        (&["--epochs", "0"], 2, "--epochs is 0"),
        (&["--validation", "0"], 2, "--validation is 0"),
        (&["--size", "0"], 2, "--size is 0"),
        (&["--student", "none", "--expect", "x"], 2, "--expect compares a student"),
        (&["--threads", "99999999999"], 2, "--threads is 99999999999"),
        (&["--epoch", "3"], 2, "unexpected argument '--epoch'"),
        (&["--config", &file], 2, "run.toml: not the options of a run"),
        (&["--config", &missing], 2, "no/such/run.toml: cannot be read"),
        (&["--dataset", "mnist"], 2, "mnist"),
        (&["--data", "no/such/data"], 1, "no/such/data: not a folder"),
        (&["--teacher", "resnet18"], 2, "no network is called `resnet18`"),
    ];
    for (flags, code, expected) in cases {
        let output = Command::new(env!("CARGO_BIN_EXE_trainer"))
            .arg("train")
            .args(flags)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {message}");
        assert!(
            message.starts_with("error: ") && message.contains(expected),
            "{flags:?}: {message}"
        );
        assert!(!folder.path().join("runs").exists(), "{flags:?} leaves something behind");
    }
}

#[test]
fn verifying_no_image_is_misuse() {
    let output = Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(["verify", "--network", "no/such/network", "--images", "0"])
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("0 is not in 1.."), "{message}");
}

#[test]
fn a_table_that_cannot_be_is_misuse() {
    let cases: [(&[&str], &str); 3] = [
        (&["mnist"], "mnist"),
        (&["mstar", "--set", "epoch=3"], "epoch"),
        (&["mstar", "--rows", "dence"], "has no row `dence`"),
    ];
    for (arguments, expected) in cases {
        let output = Command::new(env!("CARGO_BIN_EXE_trainer"))
            .arg("table")
            .args(arguments)
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
}

#[test]
fn a_loop_of_resume_starts_and_progress_is_plain_lines() {
    let folder = tempfile::tempdir().unwrap();
    let run = |flags: &[&str]| {
        let small = ["train", "--output", "run", "--teacher", "linear", "--teacher-epochs", "2"];
        let student = ["--student", "s2d_s", "--sparsity", "uhp-fixed", "--epochs", "1"];
        let images = ["--train-images", "40", "--batch", "20", "--views", "1"];
        let output = Command::new(env!("CARGO_BIN_EXE_trainer"))
            .args([&small[..], &student, &images, flags].concat())
            .current_dir(folder.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, log) = run(&["--resume"]);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("run: holds no run to resume; starting one\n"), "{log}");
    assert!(log.chars().all(|c| c == '\n' || !c.is_control()), "{log:?}");
    for start in [
        "teacher: 1 of 2 epochs, loss ",
        "teacher: 2 of 2 epochs, loss ",
        "student: 1 of 1 epochs, loss ",
    ] {
        assert_eq!(log.lines().filter(|line| line.starts_with(start)).count(), 1, "{log}");
    }
    let first = log.lines().find(|line| line.starts_with("teacher: 1")).unwrap();
    assert!(first.contains(", validation ") && first.ends_with(" left"), "{first}");

    let (code, log) = run(&[]);
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("holds this run, finished; give --resume"), "{log}");
    let (code, log) = run(&["--resume", "--replace"]);
    assert_eq!(code, Some(2), "{log}");
    let (code, log) = run(&["--resume"]);
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("epochs"), "nothing is trained again: {log}");
}

fn interrupt(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_second_signal_ends_a_run_that_waits_for_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("network.json");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut child = start(folder.path(), &["--expect", "network.json"]);
    wait_for("signals are caught", || catches_interruptions(&child));
    std::thread::sleep(Duration::from_secs(1));
    interrupt(&child, "-INT");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(child.try_wait().unwrap(), None, "the first signal only asks");
    interrupt(&child, "-TERM");
    expect_end(child);
}

#[test]
fn a_second_signal_ends_a_run_in_the_middle_of_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    let one_batch = ["--train-images", "600", "--batch", "600", "--views", "1"];
    let large = ["--teacher", "none", "--student", "vgg13"];
    let mut child = start(folder.path(), &[large.as_slice(), &one_batch].concat());
    wait_for("the run starts", || folder.path().join("run/student.toml").exists());
    std::thread::sleep(Duration::from_secs(3));
    interrupt(&child, "-INT");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(child.try_wait().unwrap(), None, "the first signal waits for the batch");
    interrupt(&child, "-INT");
    expect_end(child);
}

/// A run in `run`, below the folder.
fn start(folder: &Path, flags: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(["train", "--output", "run"])
        .args(flags)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What Linux says of the child's SIGINT, number 2.
fn catches_interruptions(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & 0b10 != 0
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}: not in a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A child that was interrupted twice ends, with the code and the words for that and no others.
fn expect_end(mut child: Child) {
    wait_for("the second signal ends the run", || child.try_wait().unwrap().is_some());
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(message.contains("Ctrl-C again ends it at once"), "{message}");
    assert!(!message.contains("panicked"), "{message}");
}
