//! Lists what is embedded, so that an installed program needs no checkout for it: the cases, the committed networks, the
//! lint waivers and the boards' constraints. A new case or network is a new file, and nothing else.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let checkout = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .parent()
        .expect("the crate is in a folder of the checkout")
        .to_owned();
    let mut text = String::from("const CASES: &[(&str, &str)] = &[\n");
    for path in entries(&checkout.join("tests/cases")) {
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_stem().expect("a file has a name").to_string_lossy();
            let _ = writeln!(text, "({name:?}, include_str!({path:?})),");
        }
    }
    text += "];\nconst NETWORKS: &[EmbeddedNetwork] = &[\n";
    for folder in entries(&checkout.join("networks")) {
        let files = ["network.json", "weights.safetensors", "training_images.txt"]
            .map(|name| folder.join(name));
        if files[0].is_file() {
            let name = folder.file_name().expect("a folder has a name").to_string_lossy();
            let [json, tensors, trained] = files;
            let trained = if trained.is_file() {
                format!("Some(include_str!({trained:?}))")
            } else {
                String::from("None")
            };
            let _ = writeln!(
                text,
                "EmbeddedNetwork {{ name: {name:?}, json: include_str!({json:?}), \
                 tensors: include_bytes!({tensors:?}), trained_images: {trained} }},"
            );
        }
    }
    text += "];\n";
    for (name, path) in [("WAIVERS", "hw/lint.vlt"), ("CONSTRAINTS", "constraints/ulx3s.lpf")] {
        let path = checkout.join(path);
        println!("cargo::rerun-if-changed={}", path.display());
        let _ = writeln!(text, "const {name}: &str = include_str!({path:?});");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("embedded.rs"), text).expect("cargo's folder is writable");
}

/// What a folder holds, sorted by name without extension; a change of it runs this again.
fn entries(folder: &Path) -> Vec<PathBuf> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let read = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}; build in a checkout", folder.display()));
    let mut paths: Vec<_> = read.flatten().map(|entry| entry.path()).collect();
    paths.sort_by_key(|path| path.with_extension(""));
    paths
}
