//! What `twofold` says to wrong input: one clear message on stderr, the right exit code, nothing on stdout, nothing
//! half-written. Each group of cases is one snapshot of its messages.

mod bands;
mod data;
mod network;
mod output;
mod program;
mod targets;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{Checkout, root};

const FAILURE: i32 = 1;
const USAGE: i32 = 2;

/// Refusals of one checkout, for a snapshot.
struct Refusals {
    checkout: Checkout,
    text: String,
    n: usize,
}

impl Refusals {
    fn of(checkout: Checkout) -> Self {
        Self { checkout, text: String::new(), n: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.checkout.path(name)
    }

    /// Runs `twofold`, which has to refuse with `code`.
    fn refuses(&mut self, what: &str, code: i32, args: &[&str]) {
        let command = self.checkout.command(args);
        self.refuses_command(what, code, args, command);
    }

    fn refuses_command(&mut self, what: &str, code: i32, args: &[&str], mut command: Command) {
        let before = files(&self.path(""));
        let Output { status, stdout, stderr } = command.output().expect("twofold starts");
        let message = String::from_utf8(stderr).expect("messages are UTF-8");
        assert_eq!(status.code(), Some(code), "{what}: {status}\n{message}");
        assert_eq!(String::from_utf8_lossy(&stdout), "", "{what}: stdout is for results");
        let n_errors = message.lines().filter(|line| line.starts_with("error")).count();
        assert_eq!(n_errors, 1, "{what}: one message\n{message}");
        assert!(!message.contains("panicked"), "{what}: {message}");
        let after = files(&self.path(""));
        assert!(before == after, "{what}: left {:?}", differing(&before, &after));
        let message = message.replace(&self.path("").display().to_string(), "[checkout]/");
        let args = args.join(" ").replace(&self.path("").display().to_string(), "");
        // Writing to a String cannot fail.
        let _ = write!(self.text, "# {what}\n$ twofold {args}\n{}\n\n", message.trim_end());
        self.n += 1;
    }
}

/// Every file below a folder, with its content; what links lead to is not part of it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let kind = entry.file_type().expect("a listed file has a type");
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.insert(entry.path(), fs::read(entry.path()).expect("the file is readable"));
        }
    }
    found
}

fn differing(
    before: &BTreeMap<PathBuf, Vec<u8>>,
    after: &BTreeMap<PathBuf, Vec<u8>>,
) -> Vec<PathBuf> {
    let names =
        before.keys().chain(after.keys()).filter(|name| before.get(*name) != after.get(*name));
    names.cloned().collect()
}

#[test]
fn a_wrong_command_line() {
    let mut refusals = Refusals::of(Checkout::without_tools());
    for (what, args) in [
        ("unknown flag", &["sim", "--imges", "3"][..]),
        ("unknown subcommand", &["simulate"]),
        ("too few rows", &["check", "--rows", "1"]),
        ("too many columns", &["verilog", "--cols", "33"]),
        ("rows that are no number", &["check", "--rows", "eight"]),
        ("no images", &["sim", "--images", "0"]),
        ("no clock", &["sim", "--clock-mhz", "0"]),
        ("two networks", &["sim", "--case", "toy-uhp", "--network", "net"]),
        ("images for a case", &["sim", "--case", "toy-uhp", "--data", "chips"]),
        ("unknown format", &["report", "--format", "yaml"]),
    ] {
        refusals.refuses(what, USAGE, args);
    }
    assert_eq!(refusals.n, 10);
    insta::assert_snapshot!(refusals.text);
}

#[test]
fn a_wrong_case() {
    let mut refusals = Refusals::of(Checkout::without_tools());
    fs::remove_file(refusals.path("tests/cases")).unwrap();
    fs::create_dir(refusals.path("tests/cases")).unwrap();
    let case = fs::read_to_string(root().join("tests/cases/toy-uhp.json")).unwrap();
    let write =
        |name: &str, text: &str| fs::write(refusals.path("tests/cases").join(name), text).unwrap();
    write("toy.json", &case);
    write("truncated.json", &case[..case.len() / 2]);
    write("unknown-key.json", &case.replace("\"group\"", "\"groups\""));
    write("wide.json", &case.replace("\"cols\": 16", "\"cols\": 40"));
    for (what, name) in [
        ("unknown case", "toi"),
        ("truncated case", "truncated"),
        ("unknown key", "unknown-key"),
        ("array out of range", "wide"),
    ] {
        refusals.refuses(what, FAILURE, &["check", "--case", name]);
    }
    assert_eq!(refusals.n, 4);
    insta::assert_snapshot!(refusals.text);
}

#[test]
fn a_missing_tool() {
    let mut refusals = Refusals::of(Checkout::without_tools());
    refusals.refuses("no Verilator", FAILURE, &["sim", "--case", "tiny-uhp"]);
    refusals.refuses("no Verilator to lint with", FAILURE, &["lint", "--rows", "2", "--cols", "2"]);
    refusals.refuses("no Yosys", FAILURE, &["synth", "--case", "tiny-uhp"]);
    refusals.refuses("no nextpnr", FAILURE, &["pnr", "--case", "tiny-uhp"]);
    symlink(root().join(".tools"), refusals.path(".tools")).unwrap();
    let args = ["sim", "--case", "tiny-uhp"];
    let mut command = refusals.checkout.command(&args);
    command.env_remove("CXX").env("PATH", "");
    refusals.refuses_command("no compiler", FAILURE, &args, command);
    let args = ["sim", "--case", "tiny-uhp", "--simulator", "icarus"];
    let mut command = refusals.checkout.command(&args);
    command.env("PATH", "");
    refusals.refuses_command("no Icarus", FAILURE, &args, command);
    let args = ["sim", "--case", "tiny-uhp"];
    let mut command = refusals.checkout.command(&args);
    command.env("CXX", "no-such-compiler");
    refusals.refuses_command("a compiler that is none", FAILURE, &args, command);
    let mut command = refusals.checkout.command(&args);
    command.env("TWOFOLD_ROOT", refusals.path("scripts"));
    refusals.refuses_command("no checkout", FAILURE, &args, command);
    assert_eq!(refusals.n, 8);
    insta::assert_snapshot!(refusals.text);
}
