//! What ARCHITECTURE.md and the style of this workspace promise of every file.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::root;

/// Lines of a hand-written Rust file.
const MOST_LINES: usize = 600;
/// Folders of a machine that no committed file may name. Split, so that this file does not.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/tm", "p/")];

fn tracked() -> Vec<PathBuf> {
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

fn rust_files() -> Vec<(String, String)> {
    let is_rust = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "rs");
    tracked()
        .into_iter()
        .filter(is_rust)
        .map(|file| (file.display().to_string(), read(&file.display().to_string())))
        .collect()
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
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
