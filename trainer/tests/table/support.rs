//! A small table, a stand-in for the trainer, and results for it to leave.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use clap::Parser;
use serde_json::{Value, json};
use tempfile::TempDir;
use trainer::printing::Printed;
use trainer::table::{self, TableOptions};

pub(crate) const SMALL: &str = r#"
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

/// Where the images of [`Bench`] lie.
pub(crate) const DATA: &str = "some/chips";

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
pub(crate) struct Bench {
    folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        bench.write("small.toml", SMALL);
        bench.write("trainer", STAND_IN);
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(bench.path("trainer"), executable).unwrap();
        bench.write("teacher.json", &teacher_result(0.99).to_string());
        bench.write_images(DATA, 0);
        bench.write("student.json", &student_result("s2d_s", 1000, 500, 0.97, 0.96).to_string());
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Two classes of small images, the brightness of which is `value` and more.
    pub(crate) fn write_images(&self, data: &str, value: u8) {
        for class in ["a", "b"] {
            let folder = self.path(data).join(class);
            fs::create_dir_all(&folder).unwrap();
            for n in 0..5 {
                let image = image::GrayImage::from_pixel(4, 4, image::Luma([value + n]));
                image.save(folder.join(format!("{n}.png"))).unwrap();
            }
        }
    }

    pub(crate) fn arguments(&self, more: &[&str]) -> Vec<String> {
        let path = |name: &str| self.path(name).display().to_string();
        let mut arguments = vec![path("small.toml"), "--output".to_owned(), path("runs")];
        arguments.extend(["--trainer".to_owned(), path("trainer"), "--no-hardware".to_owned()]);
        arguments.extend(["--data".to_owned(), path(DATA)]);
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        arguments
    }

    pub(crate) fn run(&self, more: &[&str]) -> anyhow::Result<Printed> {
        table::run(&options(&self.arguments(more)))
    }

    /// Command lines of the runs since the last question, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        let path = self.path("calls.txt");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        let runs = self.path("runs").display().to_string();
        let data = self.path(DATA).display().to_string();
        text.lines().map(|line| line.replace(&runs, "RUNS").replace(&data, DATA)).collect()
    }
}

pub(crate) fn options(arguments: &[String]) -> TableOptions {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: TableOptions,
    }
    let words = std::iter::once("table").chain(arguments.iter().map(String::as_str));
    Line::try_parse_from(words).unwrap().options
}

pub(crate) fn scores(validation: f64, test: f64) -> Value {
    let score = |accuracy: f64| json!({ "accuracy": accuracy, "cross_entropy": 0.1 });
    json!({ "validation": score(validation), "test": score(test) })
}

/// A `result.json` but for the networks.
pub(crate) fn outcome(seconds: f64, teacher: Value, student: Value) -> Value {
    json!({
        "format_version": 1,
        "command": "trainer train",
        "git_revision": "fedcba9876543210+",
        "options": { "precision": "float32" },
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

pub(crate) fn teacher_result(test: f64) -> Value {
    let mut teacher = scores(0.99, test);
    teacher["name"] = json!("a-convnet");
    teacher["n_parameters"] = json!(303_498);
    teacher["n_macs"] = json!(15_100_000);
    outcome(1800.0, teacher, Value::Null)
}

pub(crate) fn student_result(
    name: &str,
    n_weights: u64,
    n_kept: u64,
    float: f64,
    int8: f64,
) -> Value {
    let student = json!({
        "name": name, "n_parameters": n_weights + 100, "n_macs": 1, "n_weights": n_weights, "n_kept": n_kept,
        "float": scores(float, float), "int8": scores(int8, int8),
        "calibration": "maximum", "confusion": [], "per_class": [],
    });
    outcome(900.0, Value::Null, student)
}
