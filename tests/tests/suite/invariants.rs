//! What ARCHITECTURE.md says of the house is true of its files: who may name what, and that what it names is there.

use std::collections::BTreeSet;

use crate::support::root;
use crate::tidy::{read, rust_files, tracked, without_tests};

/// A phrase that only some files may hold, because it belongs to the one who owns it.
struct Owned {
    /// Any of these is the phrase.
    phrases: &'static [&'static str],
    /// Beginnings of the names of files that may hold it.
    owners: &'static [&'static str],
    /// Why, for the one who breaks the rule.
    rule: &'static str,
}

const OWNED: [Owned; 7] = [
    Owned { phrases: &["rust_hdl"], owners: &["hw/"], rule: "only `hw` names rust-hdl" },
    Owned {
        phrases: &["use tch::", " tch::", "(tch::", "<tch::"],
        owners: &["trainer/"],
        rule: "only `trainer` links libtorch",
    },
    Owned {
        phrases: &["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"],
        owners: &["sim/src/verilator/ffi"],
        rule: "only `sim::verilator` holds `unsafe`",
    },
    Owned {
        phrases: &["VERILATOR_ROOT", "verilator_bin", "\"--cc\"", "\"--lint-only\""],
        owners: &["sim/src/verilator/", "sim/src/tools.rs"],
        rule: "only `sim::verilator` runs Verilator",
    },
    Owned {
        phrases: &["\"iverilog\"", "\"vvp\"", ".iverilog", "tools.vvp"],
        owners: &["sim/src/icarus", "sim/src/tools.rs"],
        rule: "only `sim::icarus` runs Icarus",
    },
    Owned {
        phrases: &[
            "\"program.hex\"",
            "\"tile.hex\"",
            "\"weight.hex\"",
            "\"parameter.hex\"",
            "\"lane.hex\"",
            "\"program_memory\"",
            "\"tile_memory\"",
            "\"weight_memory\"",
            "\"parameter_memory\"",
            "\"lane_memory\"",
            "\"bank0\"",
            "\"bank1\"",
            "\"bank2\"",
            "\"bank3\"",
        ],
        owners: &["spec/src/machine/memories.rs"],
        rule: "memories are named in `spec::Memory`",
    },
    Owned {
        phrases: &[".cols() + 16", "cols + 16"],
        owners: &["spec/"],
        rule: "the length of reset is `ArrayConfig::reset_cycles`",
    },
];

/// Beginnings of an expression that a number must not follow: it is a name of `spec`.
const NUMBERED: [(&str, &str); 8] = [
    ("opcode.val() == ", "opcodes are those of `spec::isa`"),
    ("opcode == ", "opcodes are those of `spec::isa`"),
    ("status_address.val() == ", "addresses are those of `spec::status`"),
    ("status_address.next = ", "addresses are those of `spec::status`"),
    ("status_address = ", "addresses are those of `spec::status`"),
    ("read_register(model, ", "addresses are definitions that Rust generates"),
    (" read(", "addresses are local parameters that Rust generates"),
    ("registers[", "addresses are those of `spec::status`"),
];

/// The lines of a file that are code of a program: no comments and no tests at its foot.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    without_tests(text)
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Files of programs with their texts: Rust and what is compiled beside it.
fn programs() -> Vec<(String, String)> {
    let is_program = |name: &str| {
        let source = [".rs", ".cpp"].iter().any(|extension| name.ends_with(extension));
        let test = name.ends_with("tests.rs") || name.contains("/tests/");
        source && name.contains("src/") && !test && !name.starts_with("tests/")
    };
    let names = tracked().into_iter().map(|file| file.display().to_string());
    names.filter(|name| is_program(name)).map(|name| (name.clone(), read(&name))).collect()
}

#[test]
fn what_one_owns_no_other_names() {
    let programs = programs();
    for Owned { phrases, owners, rule } in OWNED {
        let mut n_owned = 0;
        for (name, text) in &programs {
            let owns = owners.iter().any(|owner| name.starts_with(owner));
            for (number, line) in code(text) {
                let Some(phrase) = phrases.iter().find(|phrase| line.contains(**phrase)) else {
                    continue;
                };
                assert!(owns, "{name}, line {number}: {phrase}, but {rule}: {line}");
                n_owned += 1;
            }
        }
        let is_value = rule.starts_with("the length");
        assert!(n_owned > 0 || is_value, "nobody holds {phrases:?} any more: mend this test");
    }
}

#[test]
fn no_program_but_spec_types_an_opcode_or_an_address() {
    for (name, text) in programs().iter().filter(|(name, _)| !name.starts_with("spec/")) {
        for (number, line) in code(text) {
            for (start, rule) in NUMBERED {
                let mut ends = line.match_indices(start).map(|(at, _)| &line[at + start.len()..]);
                let typed = ends.any(|end| end.starts_with(|c: char| c.is_ascii_digit()));
                assert!(!typed, "{name}, line {number}: {rule}: {line}");
            }
        }
    }
}

#[test]
fn dependencies_are_those_of_the_owners() {
    for (dependency, owner) in [("rust-hdl", "hw/Cargo.toml"), ("tch", "trainer/Cargo.toml")] {
        let manifests = tracked().into_iter().map(|file| file.display().to_string());
        for name in manifests.filter(|name| name.ends_with("/Cargo.toml")) {
            let names = read(&name).lines().any(|line| {
                line.strip_prefix(dependency).is_some_and(|rest| rest.starts_with(['.', ' ', '-']))
            });
            assert_eq!(names, name == owner, "{name}: {dependency}");
        }
    }
}

/// The wings of `spec` do not mix: each names itself and what both stand on.
#[test]
fn a_network_knows_no_machine_and_a_machine_no_network() {
    let shared = ["digest", "files", "shown", "process"];
    let mut n_files = 0;
    for (wing, other) in [("network", "machine"), ("machine", "network")] {
        let own = format!("spec/src/{wing}");
        for (name, text) in rust_files().iter().filter(|(name, _)| name.starts_with(&own)) {
            n_files += 1;
            for (number, line) in code(text) {
                for (at, start) in line.match_indices("crate::") {
                    let first: String = line[at + start.len()..]
                        .chars()
                        .take_while(|c| c.is_alphanumeric() || *c == '_')
                        .collect();
                    assert!(
                        first == wing || shared.contains(&first.as_str()),
                        "{name}, line {number}: `{wing}` and `{other}` do not mix, name things by their wing: {line}"
                    );
                }
            }
        }
    }
    assert!(n_files > 20, "only {n_files} files were looked at");
}

/// Words between backticks.
fn quoted(text: &str) -> BTreeSet<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn the_architecture_names_every_wing() {
    let architecture = read("ARCHITECTURE.md");
    let mut wings = BTreeSet::new();
    for (name, _) in rust_files() {
        if let [krate, "src", wing, _, ..] = name.split('/').collect::<Vec<_>>()[..] {
            // A module with parts of its own is a wing where its crate has several levels of them.
            if ["hw", "spec", "trainer"].contains(&krate) {
                wings.insert((krate.to_owned(), wing.to_owned()));
            }
        }
    }
    assert!(wings.len() > 10, "{wings:?}");
    let words: BTreeSet<&str> = quoted(&architecture)
        .into_iter()
        .flat_map(|word| word.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .collect();
    let missing: Vec<_> = wings.iter().filter(|(_, wing)| !words.contains(wing.as_str())).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md says nothing of {missing:?}");
}

#[test]
fn what_the_architecture_names_is_there() {
    let architecture = read("ARCHITECTURE.md");
    let files: Vec<String> = tracked().iter().map(|file| file.display().to_string()).collect();
    let sources = rust_files();
    let (mut n_paths, mut n_items) = (0, 0);
    for word in quoted(&architecture) {
        if word.contains("::") && !word.contains(' ') {
            let segments: Vec<&str> = word.trim_end_matches("()").split("::").collect();
            let start = format!("{}/src/", segments[0]);
            let own: Vec<_> = sources.iter().filter(|(name, _)| name.starts_with(&start)).collect();
            if own.is_empty() {
                continue;
            }
            n_items += 1;
            for segment in &segments[1..] {
                let is_there = own.iter().any(|(name, text)| {
                    let module = [format!("/{segment}.rs"), format!("/{segment}/")];
                    let defined = ["fn", "struct", "enum", "trait", "mod", "const", "type"]
                        .iter()
                        .any(|kind| text.contains(&format!("{kind} {segment}")));
                    defined || module.iter().any(|part| name.contains(part.as_str()))
                });
                assert!(is_there, "ARCHITECTURE.md: `{word}`, there is no {segment} in {start}");
            }
        } else if word.contains('/') && !word.contains([' ', '{', '*', '<']) {
            let path = word.trim_end_matches('/');
            // What is built is not committed.
            let is_built = path.starts_with("build") || path.starts_with('.');
            let is_file =
                files.iter().any(|file| file == path || file.ends_with(&format!("/{path}")));
            let is_folder = files.iter().any(|file| {
                file.starts_with(&format!("{path}/")) || file.contains(&format!("/{path}/"))
            });
            n_paths += 1;
            assert!(
                is_built || is_file || is_folder || root().join(path).exists(),
                "ARCHITECTURE.md: `{word}` is not there"
            );
        }
    }
    assert!(n_items > 5 && n_paths > 0, "{n_items} items and {n_paths} paths were looked up");
}
