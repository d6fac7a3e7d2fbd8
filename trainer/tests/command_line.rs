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
fn another_libtorch_on_the_library_path_is_not_loaded() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["libtorch_cpu.so", "libtorch.so", "libc10.so", "libgomp.so.1"] {
        std::fs::write(folder.path().join(name), "not the libtorch of this program").unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_trainer"))
        .arg("--help")
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{message}");
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
    assert!(!log.contains(" of 2 epochs"), "nothing is trained again: {log}");
}

/// Class folders of 64 x 64 pixels or so: the number and the side of the images of each class.
fn write_chips(folder: &Path, classes: &[(&str, usize, u32)], pixel: impl Fn(u32, u32) -> u8) {
    for (class, n, side) in classes {
        let class = folder.join(class);
        std::fs::create_dir_all(&class).unwrap();
        for idx in 0..*n {
            let image = image::GrayImage::from_fn(*side, *side, |x, y| image::Luma([pixel(x, y)]));
            image.save(class.join(format!("{idx}.png"))).unwrap();
        }
    }
}

/// stdout and stderr of a small run on `chips`, which has to succeed.
fn train_on_chips(folder: &Path, flags: &[&str]) -> (String, String) {
    let small = [
        "train",
        "--data",
        "chips",
        "--output",
        "run",
        "--teacher",
        "linear",
        "--teacher-epochs",
        "1",
    ];
    let student = [
        "--student",
        "s2d_s",
        "--sparsity",
        "uhp-fixed",
        "--epochs",
        "1",
        "--batch",
        "8",
        "--views",
        "1",
    ];
    let output = Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args([&small[..], &student, flags].concat())
        .current_dir(folder)
        .output()
        .unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{stderr}");
    (stdout, stderr)
}

#[test]
fn what_is_decided_is_told_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let chips = [("large", 40, 200), ("small", 60, 40)];
    write_chips(&folder.path().join("chips"), &chips, |x, y| (x * 7 + y * 3) as u8);
    let (_, log) = train_on_chips(folder.path(), &[]);
    let (told, _) = log.split_once("teacher: 1 of 1 epochs").unwrap();
    for line in [
        "data      chips: 2 classes, gray, radar chips (since no training image has color; --dataset says otherwise)",
        "input     64x64 pixels about the center; square roots of magnitudes, each chip by its own mean and deviation",
        "views     1 of each image, moved by up to 2 pixels, not mirrored",
        "teacher   linear, 1 epochs",
        "student   s2d_s, uhp-fixed, 1 epochs, pruned from the start",
        "array     the student fits the default array of 8x16",
        "folder    run",
    ] {
        assert!(told.lines().any(|there| there == line), "{line}\n{told}");
    }
    let row = |name: &str| {
        let row = told.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap();
        let numbers = row.split_whitespace().skip(1).take(3).map(|n| n.parse::<usize>().unwrap());
        (numbers.sum::<usize>(), row.to_owned())
    };
    assert!(row("large").0 == 40 && row("large").1.ends_with(" 200x200"), "{told}");
    assert!(row("small").0 == 60 && row("small").1.ends_with(" 40x40"), "{told}");
    assert_eq!(row("all").0, 100, "{told}");
    for part in [
        "chips     40x40 to 200x200 pixels, median 40x40; the size differs by class (small 40x40 to large 200x200); ",
        " are cropped by more than a quarter of their area; --downsample 3 averages blocks of 3x3 pixels first",
        "warning: the size of a chip may tell its class (small 40x40 against large 200x200), and ",
        "; a --size of 40 or less hides it",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let (_, log) = train_on_chips(
        folder.path(),
        &["--replace", "--downsample", "3", "--dataset", "opensarship"],
    );
    assert!(log.contains(", gray, radar chips (by --dataset opensarship)\n"), "{log}");
    assert!(
        log.contains("input     blocks of 3x3 pixels averaged, then 64x64 pixels about the center"),
        "{log}"
    );
    assert!(!log.contains("cropped by more than a quarter"), "{log}");
    let network = std::fs::read_to_string(folder.path().join("run/network.json")).unwrap();
    assert!(network.contains("\"downsample\": 3"), "{network}");
}

#[test]
fn names_from_the_data_reach_no_terminal_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let evil = "ev\u{1b}[31mil|\n\u{202e}";
    let chips = folder.path().join("chips");
    write_chips(&chips.join("train"), &[(evil, 12, 64), ("plain", 12, 40)], |x, y| (x * y) as u8);
    write_chips(&chips.join("val"), &[(evil, 1, 64), ("plain", 1, 40)], |x, y| (x * y) as u8);
    write_chips(&chips.join("test"), &[(evil, 1, 64), ("plain", 1, 40)], |x, y| (x * y) as u8);
    for part in ["train", "test"] {
        let color = image::RgbImage::from_pixel(64, 64, image::Rgb([9; 3]));
        color.save(chips.join(part).join("plain/color.png")).unwrap();
    }
    let (summary, log) = train_on_chips(folder.path(), &[]);
    for text in [&summary, &log] {
        let is_plain = |c: char| c == '\n' || c != '\u{202e}' && !c.is_control();
        assert!(text.chars().all(is_plain), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with(r"\u{202e}")), "{text}");
    }
    assert!(log.contains("\n          ev\\u{1b}[31mil|\\n\\u{202e}  "), "{log}");
    // What is the same in two splits is told once.
    assert_eq!(log.matches("saved as color").count(), 1, "{log}");
    assert!(
        log.contains("note: 2 images are gray saved as color; they are read as gray\n"),
        "{log}"
    );
    let too_few = "warning: 2 validation images are too few to tell whether the int8 student";
    assert!(summary.contains(too_few), "{summary}");
    assert!(!summary.contains("learned nothing"), "{summary}");
}

#[test]
fn a_run_that_learned_nothing_says_so_and_ends_with_a_summary() {
    let folder = tempfile::tempdir().unwrap();
    // All images are the same.
    for (part, many, few) in [("train", 48, 32), ("val", 6, 4), ("test", 6, 4)] {
        let part = folder.path().join("chips").join(part);
        write_chips(&part, &[("many", many, 64), ("few", few, 64)], |x, y| (x * y) as u8);
    }
    let (summary, _) = train_on_chips(folder.path(), &[]);
    assert!(
        summary.starts_with("s2d_s, uhp-fixed, taught by linear, on chips: 2 classes, trained in "),
        "{summary}"
    );
    for start in
        ["accuracy ", "teacher ", "student, float ", "student, int8 ", "images ", "kept weights: "]
    {
        assert_eq!(
            summary.lines().filter(|line| line.starts_with(start)).count(),
            1,
            "{start}: {summary}"
        );
    }
    for part in [
        "array: the student fits the default array of 8x16\n",
        "warning: by the validation images the teacher learned nothing: ",
        "warning: by the validation images the int8 student learned nothing: ",
        "warning: the int8 student never predicts ",
        "files in run: network.json and weights.safetensors (the int8 student), result.json, metrics.jsonl, curves.svg, ",
        "next: make sim NETWORK=run DATA=chips\n",
    ] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    let (json, log) = train_on_chips(folder.path(), &["--resume", "--format", "json"]);
    let result: serde_json::Value = serde_json::from_str(&json).unwrap();
    let stored = std::fs::read_to_string(folder.path().join("run/result.json")).unwrap();
    assert_eq!(json, stored);
    assert!(result["warnings"].as_array().unwrap().len() >= 4, "{json}");
    assert!(log.ends_with("run written to run\n"), "{log}");
    assert!(log.contains("\nwarning: the int8 student never predicts "), "{log}");
}

fn interrupt(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn no_run_waits_for_a_file_or_reads_one_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["network.json", "run.toml", "table.toml"] {
        assert!(Command::new("mkfifo").arg(path(name)).status().unwrap().success());
    }
    std::os::unix::fs::symlink("/dev/zero", path("zero.toml")).unwrap();
    for (flags, kind, name) in [
        (["--expect", "network.json"], "a FIFO", "network.json"),
        (["--config", "run.toml"], "a FIFO", "run.toml"),
        (["--config", "zero.toml"], "a device", "zero.toml"),
        (["--student", "zero.toml"], "a device", "zero.toml"),
    ] {
        let mut child = start(folder.path(), &flags);
        wait_for(name, || child.try_wait().unwrap().is_some());
        let message = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
        assert!(message.contains(name), "{message}");
        assert!(message.contains(&format!("it is {kind}, not a regular file")), "{message}");
        assert!(!path("run").exists());
    }
}

#[test]
fn a_run_writes_neither_over_its_inputs_nor_among_its_images() {
    let folder = tempfile::tempdir().unwrap();
    write_chips(&folder.path().join("chips"), &[("many", 20, 64), ("few", 20, 64)], |x, y| {
        (x + y) as u8
    });
    std::fs::create_dir(folder.path().join("run")).unwrap();
    let options = "epochs = 6\n";
    std::fs::write(folder.path().join("run/config.toml"), options).unwrap();
    for flags in [
        &["--replace", "--config", "run/config.toml"][..],
        &["--data", "chips", "--output", "chips/run", "--config", "run/config.toml"],
    ] {
        let command = Command::new(env!("CARGO_BIN_EXE_trainer"))
            .args(["train", "--teacher", "none"])
            .args(if flags.contains(&"--output") { &[][..] } else { &["--output", "run"] })
            .args(flags)
            .current_dir(folder.path())
            .output();
        let message = String::from_utf8(command.unwrap().stderr).unwrap();
        assert!(message.contains("the command also reads "), "{message}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("run/config.toml")).unwrap(), options);
    assert!(!folder.path().join("chips/run").exists());
}

#[test]
fn a_run_stops_when_its_table_has_been_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(["train", "--output", "run", "--teacher", "none", "--train-images", "100"])
        .env("TWOFOLD_STOPS_WITH_STDIN", "1")
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("the run starts", || folder.path().join("run/student.safetensors").exists());
    assert_eq!(child.try_wait().unwrap(), None);
    drop(child.stdin.take());
    wait_for("the run stops", || child.try_wait().unwrap().is_some());
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(message.contains("--resume continues from there"), "{message}");
}

#[test]
fn a_second_signal_ends_a_run_in_the_middle_of_a_batch() {
    let one_batch = ["--train-images", "600", "--batch", "600", "--views", "1"];
    let large = ["--teacher", "none", "--student", "vgg13"];
    // The first signal may come just before a batch ends: then it has done its work, and the next run is interrupted.
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start(folder.path(), &[large.as_slice(), &one_batch].concat());
        wait_for("the run starts", || folder.path().join("run/student.toml").exists());
        std::thread::sleep(Duration::from_secs(2));
        interrupt(&child, "-INT");
        std::thread::sleep(Duration::from_millis(100));
        if child.try_wait().unwrap().is_none() {
            interrupt(&child, "-INT");
            expect_end(child);
            return;
        }
    }
    panic!("the first signal never found a batch to wait for");
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
