//! Runs emitted Verilog under Verilator: lint, then a small C++ program that reads inputs and prints outputs.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use twofold_hw::verilog::Verilog;

/// The Verilator that `make setup` puts into the checkout, or the one that VERILATOR_ROOT names.
fn verilator_root() -> PathBuf {
    if let Some(root) = std::env::var_os("VERILATOR_ROOT") {
        return root.into();
    }
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/venv/lib");
    let found = std::fs::read_dir(&lib).ok().and_then(|entries| {
        entries
            .flatten()
            .map(|e| e.path().join("site-packages/verilator"))
            .find(|p| p.join("bin").is_dir())
    });
    found.unwrap_or_else(|| {
        panic!(
            "no Verilator in {}: install the project's tools, or set VERILATOR_ROOT",
            lib.display()
        )
    })
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn verilator(dir: &Path) -> Command {
    let root = verilator_root();
    let mut command = Command::new(root.join("bin/verilator_bin"));
    command.env("VERILATOR_ROOT", &root).current_dir(dir);
    command
}

/// Verilator's runtime, compiled once a test run.
fn runtime() -> &'static Path {
    static OBJECTS: OnceLock<tempfile::TempDir> = OnceLock::new();
    OBJECTS
        .get_or_init(|| {
            let dir = tempfile::tempdir().unwrap();
            let include = verilator_root().join("include");
            run(compiler(dir.path())
                .arg("-c")
                .args(["verilated.cpp", "verilated_threads.cpp"].map(|f| include.join(f))));
            dir
        })
        .path()
}

fn compiler(dir: &Path) -> Command {
    let include = verilator_root().join("include");
    let mut command = Command::new("g++");
    command.current_dir(dir).args(["-std=c++20", "-O0", "-pthread"]);
    command.arg("-I").arg(&include).arg("-I").arg(include.join("vltstd"));
    command
}

/// Lints a design with every warning on and the project's waivers.
pub(crate) fn lint(design: &Verilog) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("top.v"), design.text()).unwrap();
    let waivers = Path::new(env!("CARGO_MANIFEST_DIR")).join("lint.vlt");
    run(verilator(dir.path())
        .args(["--lint-only", "-Wall", "--top-module", &design.top().name])
        .arg(waivers)
        .arg("top.v"));
}

/// The ports of the top module, (is input, name).
fn ports(design: &Verilog) -> Vec<(bool, String)> {
    let text = &design.top().text;
    let list = text.split_once("(\n").unwrap().1.split_once("\n);").unwrap().0;
    list.lines()
        .map(|line| {
            let words: Vec<&str> = line.trim().trim_end_matches(',').split(' ').collect();
            (words[0] == "input", words.last().unwrap().to_string())
        })
        .collect()
}

/// Outputs after each row of inputs, in port order without the clock. A design with a `clock` gets one cycle a row.
pub(crate) fn simulate(
    design: &Verilog,
    files: &[(&str, String)],
    rows: &[Vec<u64>],
) -> Vec<Vec<u64>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    std::fs::write(path.join("top.v"), design.text()).unwrap();
    for (name, text) in files {
        std::fs::write(path.join(name), text).unwrap();
    }
    let ports = ports(design);
    let clocked = ports.iter().any(|(_, name)| name == "clock");
    let mut cpp = String::from(
        "#include \"Vtop.h\"\n#include <cstdio>\nint main() {\n  Vtop top;\n  unsigned long long x;\n  for (;;) {\n",
    );
    for (_, name) in ports.iter().filter(|(input, name)| *input && name != "clock") {
        writeln!(cpp, "    if (scanf(\"%llx\", &x) != 1) return 0;\n    top.{name} = x;").unwrap();
    }
    cpp.push_str("    top.eval();\n");
    if clocked {
        cpp.push_str("    top.clock = 1; top.eval(); top.clock = 0; top.eval();\n");
    }
    for (_, name) in ports.iter().filter(|(input, _)| !input) {
        writeln!(cpp, "    printf(\"%llx \", (unsigned long long)top.{name});").unwrap();
    }
    cpp.push_str("    printf(\"\\n\");\n  }\n}\n");
    run(verilator(path)
        .args([
            "--cc",
            "-Wno-fatal",
            "--prefix",
            "Vtop",
            "--Mdir",
            "obj",
            "--top-module",
            &design.top().name,
        ])
        .arg("top.v"));
    // One translation unit, because parsing Verilator's headers is most of the work.
    let mut sources: Vec<PathBuf> =
        std::fs::read_dir(path.join("obj")).unwrap().flatten().map(|e| e.path()).collect();
    sources.retain(|source| source.extension().is_some_and(|e| e == "cpp"));
    sources.sort();
    for source in sources {
        writeln!(cpp, "#include \"{}\"", source.file_name().unwrap().to_str().unwrap()).unwrap();
    }
    std::fs::write(path.join("main.cpp"), cpp).unwrap();
    run(compiler(path)
        .args(["-Iobj", "-o", "sim", "main.cpp"])
        .args(["verilated.o", "verilated_threads.o"].map(|f| runtime().join(f))));

    let mut child = Command::new(path.join("sim"))
        .current_dir(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input: String = rows
        .iter()
        .map(|row| row.iter().map(|x| format!("{x:x} ")).collect::<String>() + "\n")
        .collect();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.split_whitespace().map(|x| u64::from_str_radix(x, 16).unwrap()).collect())
        .collect()
}
