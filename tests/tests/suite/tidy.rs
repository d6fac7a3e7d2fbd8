//! What ARCHITECTURE.md and the style of this workspace promise of every file.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::root;

/// Lines of a hand-written Rust file.
const MOST_LINES: usize = 600;
/// Folders of a machine that no committed file may name. Split, so that this file does not.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/tm", "p/")];

pub(crate) fn tracked() -> Vec<PathBuf> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root())
        .args(["ls-files", "-z"])
        .output()
        .expect("git starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("names are UTF-8");
    let files: Vec<_> = names
        .split_terminator('\0')
        .map(PathBuf::from)
        .filter(|file| root().join(file).is_file())
        .collect();
    assert!(files.len() > 100, "only {} files are tracked", files.len());
    files
}

pub(crate) fn rust_files() -> Vec<(String, String)> {
    let is_rust = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "rs");
    tracked()
        .into_iter()
        .filter(is_rust)
        .map(|file| (file.display().to_string(), read(&file.display().to_string())))
        .collect()
}

pub(crate) fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A file up to the module of tests at its foot, whoever may see that.
pub(crate) fn without_tests(text: &str) -> &str {
    let starts = ["mod ", "pub(super) mod ", "pub(crate) mod "];
    let ends = starts.iter().filter_map(|start| text.find(&format!("#[cfg(test)]\n{start}")));
    &text[..ends.min().unwrap_or(text.len())]
}

#[test]
fn every_module_says_what_it_is_for() {
    let without: Vec<_> = rust_files()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(name, _)| name)
        .collect();
    assert!(without.is_empty(), "files that do not begin with `//! `: {without:#?}");
}

#[test]
fn no_file_is_too_long() {
    for (name, text) in rust_files() {
        let n = text.lines().count();
        assert!(n <= MOST_LINES, "{name} has {n} lines, {MOST_LINES} are allowed: split it");
    }
}

#[test]
fn no_test_is_switched_off_or_meant_to_panic() {
    for attribute in [concat!("#[ign", "ore"), concat!("#[should", "_panic")] {
        let found: Vec<_> = rust_files()
            .into_iter()
            .filter(|(_, text)| text.contains(attribute))
            .map(|(name, _)| name)
            .collect();
        assert!(found.is_empty(), "{attribute}] is in {found:?}");
    }
}

#[test]
fn every_waiver_has_its_reason() {
    for (name, text) in rust_files() {
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        for (index, line) in lines.iter().enumerate() {
            let is_waiver = ["#[allow(", "#![allow(", "#[expect(", "#![expect("]
                .iter()
                .any(|start| line.starts_with(start));
            let end = lines[index..]
                .iter()
                .position(|line| line.ends_with(")]"))
                .map_or(lines.len(), |n| index + n + 1);
            let has_reason = lines[index..end].iter().any(|line| line.contains("reason = "));
            assert!(
                !is_waiver || has_reason,
                "{name}, line {}: {line} without a reason",
                index + 1
            );
        }
    }
    let waivers = read("hw/lint.vlt");
    let lines: Vec<_> = waivers.lines().collect();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("lint_off")) {
        let has_reason = lines[..index]
            .iter()
            .rev()
            .find(|line| !line.starts_with("lint_off"))
            .is_some_and(|line| line.starts_with("//"));
        assert!(has_reason, "hw/lint.vlt, line {}: {line} without a reason", index + 1);
    }
}

#[test]
fn the_architecture_names_every_crate() {
    let (manifest, architecture) = (read("Cargo.toml"), read("ARCHITECTURE.md"));
    let members = manifest.split_once("members = [").unwrap().1.split_once(']').unwrap().0;
    let members: Vec<_> = members.split('"').skip(1).step_by(2).collect();
    assert!(members.len() >= 9, "{members:?}");
    for member in members {
        assert!(
            architecture.contains(&format!("| `{member}`")),
            "crate {member} is not in ARCHITECTURE.md's table"
        );
    }
}

#[test]
fn the_readme_names_every_make_target() {
    let (makefile, readme) = (read("Makefile"), read("README.md"));
    let targets: Vec<_> = makefile
        .lines()
        .filter(|line| line.contains(": ") && line.contains(" ## ") && !line.starts_with('\t'))
        .filter_map(|line| line.split_once(':'))
        .map(|(target, _)| target)
        .filter(|target| *target != "help")
        .collect();
    assert!(targets.len() > 10, "{targets:?}");
    let missing: Vec<_> =
        targets.iter().filter(|target| !readme.contains(&format!("make {target}"))).collect();
    assert!(missing.is_empty(), "README.md says nothing of make {missing:?}");
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    for file in tracked() {
        // Binary files are not text; what is not text names nothing.
        let Ok(text) = fs::read_to_string(root().join(&file)) else { continue };
        for (index, line) in text.lines().enumerate() {
            let found = MACHINE_PATHS.iter().find(|path| line.contains(**path));
            assert!(found.is_none(), "{}, line {}: {line}", file.display(), index + 1);
        }
    }
}

/// Calls that read, write, remove or start something by its path, and by which others could.
const BY_PATH: [&str; 24] = [
    "fs::read(",
    "fs::read_to_string(",
    "fs::write(",
    "fs::rename(",
    "fs::copy(",
    "fs::hard_link(",
    "fs::set_permissions(",
    "fs::create_dir",
    "fs::remove_",
    "File::open(",
    "File::create",
    "File::options(",
    "OpenOptions",
    ".persist(",
    "NamedTempFile",
    "tempfile::",
    ".save(",
    "image::open(",
    "read_safetensors(",
    "write_safetensors(",
    "Command::new(",
    ".spawn()",
    ".output()",
    ".status()",
];

/// Where such calls are, beside `spec::files` and `spec::process`, which all others go through.
const WITH_A_REASON: [(&str, &str, &str); 31] = [
    ("flow/src/tools.rs", "Command::new(", "makes commands that others run"),
    ("flow/src/verify.rs", "tempfile::", "inputs and maps on their way to a runtime and back"),
    ("flow/src/verify.rs", ".spawn()", "a runtime, which ends with its input"),
    ("sim/src/icarus.rs", "Command::new(", "makes commands for spec::process"),
    ("sim/src/icarus.rs", "tempfile::", "the folder of a run"),
    ("sim/src/tools.rs", "Command::new(", "makes commands that others run"),
    ("sim/src/verilator/bare.rs", "tempfile::", "the folder of a build, in the cache"),
    ("sim/src/verilator/bare.rs", "Command::new(", "makes commands for spec::process"),
    ("sim/src/verilator/blocks.rs", "tempfile::", "the folder of a run, in the cache"),
    ("sim/src/verilator/blocks.rs", "Command::new(", "makes commands for spec::process"),
    (
        "sim/src/verilator/blocks.rs",
        "fs::rename(",
        "a program, from one folder of the cache to another",
    ),
    ("sim/src/verilator/build.rs", "tempfile::", "the folder of a build, in the cache"),
    ("sim/src/verilator/build.rs", "fs::remove_", "folders of builds, in the cache"),
    ("sim/src/verilator/build.rs", "fs::rename(", "a folder of objects, in the cache"),
    (
        "sim/src/verilator/cache.rs",
        "fs::rename(",
        "a library, from one folder of the cache to another",
    ),
    ("trainer/src/bench.rs", "Command::new(", "Python, which ends with its input"),
    ("trainer/src/bench.rs", ".spawn()", "Python, which ends with its input"),
    (
        "trainer/src/training/checkpoint.rs",
        "read_safetensors(",
        "libtorch opens the file once it was checked",
    ),
    (
        "trainer/src/training/checkpoint.rs",
        "write_safetensors(",
        "libtorch writes beside the target",
    ),
    ("trainer/src/run/config.rs", "Command::new(", "a command line, no program"),
    ("trainer/src/run/folder.rs", "File::open(", "a folder, to lock it"),
    ("trainer/src/memory.rs", "Command::new(", "this program itself, in the same process"),
    ("trainer/src/run/report.rs", "Command::new(", "git, for a moment"),
    ("trainer/src/run/report.rs", ".output()", "git, for a moment"),
    ("trainer/src/table/schedule.rs", "Command::new(", "a run, which stops with its input"),
    ("trainer/src/table/schedule.rs", ".spawn()", "a run, which stops with its input"),
    ("spec/src/process.rs", "Command::new(", "is the function"),
    ("spec/src/process.rs", ".spawn()", "is the function"),
    ("spec/src/files/read.rs", "", "is the function"),
    ("spec/src/files/write.rs", "", "is the function"),
    ("spec/src/files/ours.rs", "File::options(", "signs a wave beside its target"),
];

#[test]
fn files_and_programs_go_through_one_function() {
    let is_program = |name: &str| name.contains("src/") && !name.starts_with("tests/");
    let mut used = BTreeSet::<&(&str, &str, &str)>::new();
    for (name, text) in rust_files() {
        if !is_program(&name) || name.ends_with("tests.rs") || name.contains("/tests/") {
            continue;
        }
        let code = without_tests(&text);
        for (index, line) in code.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for call in BY_PATH.iter().filter(|call| line.contains(**call)) {
                let allowed = WITH_A_REASON
                    .iter()
                    .find(|(file, what, _)| *file == name && (what.is_empty() || what == call));
                assert!(
                    allowed.is_some(),
                    "{name}, line {}: {call} bypasses spec::files and spec::process: {line}",
                    index + 1
                );
                used.extend(allowed);
            }
        }
    }
    let unused: Vec<_> = WITH_A_REASON.iter().filter(|entry| !used.contains(entry)).collect();
    assert!(unused.is_empty(), "no longer needed: {unused:#?}");
}
