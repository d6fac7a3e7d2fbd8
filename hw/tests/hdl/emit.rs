//! What the emitter writes, and what it refuses.

use crate::constructs::Constructs;
use crate::example::Column;
use std::path::{Path, PathBuf};
use twofold_hw::verilog::{RUST_HDL_VERSION, emit};

#[test]
fn equal_blocks_give_equal_bytes() {
    let text = || {
        emit(&mut Column::new(3, 10, false, &[]), "column", "Column of 3 lanes.").unwrap().text()
    };
    assert_eq!(text(), text());
}

#[test]
fn every_construct_is_written() {
    insta::assert_snapshot!(emit(&mut Constructs::new(3), "constructs", "").unwrap().text());
}

#[test]
fn a_composed_example_reads_well() {
    insta::assert_snapshot!(
        emit(&mut Column::new(3, 10, false, &[]), "column", "Column of 3 lanes.").unwrap().text()
    );
}

/// The workspace's folder.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rust_files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn the_header_names_the_pinned_version() {
    let manifest = std::fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let pin = format!("rust-hdl-core = \"={RUST_HDL_VERSION}\"");
    assert!(manifest.lines().any(|line| line == pin), "no line {pin}");
}

#[test]
fn one_folder_of_the_emitter_knows_rust_hdl() {
    let mut files =
        vec![workspace().join("hw/src/verilog.rs"), workspace().join("hw/src/design.rs")];
    rust_files(&workspace().join("hw/src/verilog"), &mut files);
    let knows = |path: &PathBuf| std::fs::read_to_string(path).unwrap().contains("rust_hdl_core");
    let (front, others): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|path| path.to_string_lossy().contains("from_rust_hdl"));
    assert!(front.iter().filter(|path| knows(path)).count() > 3, "{front:?}");
    let found: Vec<_> = others.iter().filter(|path| knows(path)).collect();
    assert!(others.len() > 10 && found.is_empty(), "{found:?} know rust-hdl");
    for folder in ["spec", "codegen", "sim", "flow", "cli", "dataset", "trainer"] {
        let mut files = vec![];
        rust_files(&workspace().join(folder).join("src"), &mut files);
        let found: Vec<_> = files.iter().filter(|path| knows(path)).collect();
        assert!(!files.is_empty() && found.is_empty(), "{found:?} know rust-hdl");
    }
}
