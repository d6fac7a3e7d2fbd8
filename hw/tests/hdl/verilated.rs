//! Runs emitted Verilog under Verilator: lint, then a small C++ program that reads inputs and prints outputs.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
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

/// What was compiled from equal sources by the same Verilator before, in Cargo's folder for tests; else what `build`
/// leaves in a folder of its own.
fn kept(kind: &str, sources: &[&str], build: impl FnOnce(&Path)) -> PathBuf {
    let root = verilator_root();
    // The version of Verilator is in there.
    let config = std::fs::read_to_string(root.join("include/verilated_config.h")).unwrap();
    let mut hasher = DefaultHasher::new();
    (&root, config, sources).hash(&mut hasher);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{kind}-{:016x}", hasher.finish()));
    if !path.is_dir() {
        std::fs::create_dir_all(folder).unwrap();
        let dir = tempfile::tempdir_in(folder).unwrap();
        build(dir.path());
        // Another process may have been faster with the same files.
        if std::fs::rename(dir.path(), &path).is_err() {
            assert!(path.is_dir(), "{} cannot be made", path.display());
        }
    }
    path
}

/// Verilator's runtime.
fn runtime() -> &'static Path {
    static OBJECTS: OnceLock<PathBuf> = OnceLock::new();
    OBJECTS.get_or_init(|| {
        kept("runtime", &[], |dir| {
            let include = verilator_root().join("include");
            run(compiler(dir)
                .arg("-c")
                .args(["verilated.cpp", "verilated_threads.cpp"].map(|f| include.join(f))));
        })
    })
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
    let declarations = list.lines().map(|line| line.split("//").next().unwrap().trim());
    declarations
        .filter(|line| line.starts_with("input") || line.starts_with("output"))
        .map(|line| {
            let words: Vec<&str> = line.trim_end_matches(',').split(' ').collect();
            (words[0] == "input", words.last().unwrap().to_string())
        })
        .collect()
}

/// Ports of up to 128 bits, as the program sees them: four words of a hexadecimal number.
const PORTS: &str = r#"
#include <cstdint>
#include <cstdio>
#include <cstring>
namespace {
bool read(uint32_t* words) {
    char text[64];
    if (scanf("%63s", text) != 1) return false;
    std::memset(words, 0, 4 * sizeof *words);
    for (size_t n = std::strlen(text), i = 0; i < n; ++i) {
        const char c = text[n - 1 - i];
        words[i / 8] |= static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10) << i % 8 * 4;
    }
    return true;
}
template <class T> void set(T& port, const uint32_t* words) {
    port = static_cast<T>(static_cast<uint64_t>(words[1]) << 32 | words[0]);
}
template <std::size_t N> void set(VlWide<N>& port, const uint32_t* words) {
    for (std::size_t i = 0; i < N; ++i) port[i] = words[i];
}
template <class T> void print(const T& port) { printf("%llx ", static_cast<unsigned long long>(port)); }
template <std::size_t N> void print(const VlWide<N>& port) {
    for (std::size_t i = N; i-- > 0;) printf("%08x", port[i]);
    printf(" ");
}
}
"#;

/// A program that runs one of several designs, each known by the name of its top module.
pub(crate) struct Verilated {
    program: PathBuf,
}

/// Outputs in port order, before and after a cycle's clock edge; the same twice without a clock.
pub(crate) struct Outputs {
    pub(crate) before: Vec<u128>,
    pub(crate) after: Vec<u128>,
}

impl Verilated {
    /// Compiles the designs together: parsing Verilator's headers is most of the work.
    pub(crate) fn build(designs: &[&Verilog]) -> Self {
        let mut cpp = String::new();
        for design in designs {
            writeln!(cpp, "#include \"V{}.h\"", design.top().name).unwrap();
        }
        cpp.push_str(PORTS);
        for design in designs {
            function(&mut cpp, &design.top().name, &ports(design));
        }
        cpp.push_str("int main(int, char** arguments) {\n");
        for design in designs {
            let name = &design.top().name;
            writeln!(cpp, "    if (!std::strcmp(arguments[1], \"{name}\")) run_{name}();").unwrap();
        }
        cpp.push_str("}\n");
        let texts: Vec<String> = designs.iter().map(|design| design.text()).collect();
        let sources: Vec<&str> = texts.iter().chain([&cpp]).map(String::as_str).collect();
        let dir = kept("model", &sources, |dir| compile(dir, designs, &cpp));
        Self { program: dir.join("sim") }
    }

    /// Runs a design on rows of inputs in port order without the clock, one cycle a row.
    pub(crate) fn run(
        &self,
        design: &str,
        files: &[(&str, String)],
        rows: &[Vec<u128>],
    ) -> Vec<Outputs> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let mut child = Command::new(&self.program)
            .arg(design)
            .current_dir(dir.path())
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
        assert!(output.status.success(), "{design}: the simulation ended by {}", output.status);
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers = |text: &str| {
            text.split_whitespace().map(|x| u128::from_str_radix(x, 16).unwrap()).collect()
        };
        text.lines()
            .map(|line| {
                let (before, after) = line.split_once('|').unwrap();
                Outputs { before: numbers(before), after: numbers(after) }
            })
            .collect()
    }
}

/// The loop over a design's cycles.
fn function(cpp: &mut String, name: &str, ports: &[(bool, String)]) {
    let print: String = (ports.iter().filter(|(input, _)| !input))
        .map(|(_, port)| format!("        print(top.{port});\n"))
        .collect();
    writeln!(cpp, "void run_{name}() {{\n    V{name} top;\n    uint32_t x[4];\n    for (;;) {{")
        .unwrap();
    for (_, port) in ports.iter().filter(|(input, name)| *input && name != "clock") {
        writeln!(cpp, "        if (!read(x)) return;\n        set(top.{port}, x);").unwrap();
    }
    writeln!(cpp, "        top.eval();\n{print}        printf(\"|\");").unwrap();
    if ports.iter().any(|(_, name)| name == "clock") {
        cpp.push_str("        top.clock = 1; top.eval(); top.clock = 0; top.eval();\n");
    }
    writeln!(cpp, "{print}        printf(\"\\n\");\n    }}\n}}").unwrap();
}

/// Verilates every design and compiles one translation unit.
fn compile(dir: &Path, designs: &[&Verilog], cpp: &str) {
    let mut cpp = String::from(cpp);
    for design in designs {
        let name = &design.top().name;
        let (source, objects) = (format!("{name}.v"), format!("obj_{name}"));
        std::fs::write(dir.join(&source), design.text()).unwrap();
        let prefix = format!("V{name}");
        run(verilator(dir)
            .args(["--cc", "-Wno-fatal", "--prefix", &prefix, "--Mdir", &objects])
            .args(["--top-module", name, &source]));
        let mut sources: Vec<PathBuf> = std::fs::read_dir(dir.join(&objects))
            .unwrap()
            .flatten()
            .map(|e| e.path())
            .filter(|source| source.extension().is_some_and(|e| e == "cpp"))
            .collect();
        sources.sort();
        // Each design brings a header that wants to be the only one of its kind.
        cpp.push_str("#undef VL_PCH_INCLUDED\n");
        for source in sources {
            let source = source.file_name().unwrap().to_str().unwrap().to_owned();
            writeln!(cpp, "#include \"{source}\"").unwrap();
        }
    }
    std::fs::write(dir.join("main.cpp"), cpp).unwrap();
    let folders = designs.iter().map(|design| format!("-Iobj_{}", design.top().name));
    run(compiler(dir)
        .args(folders)
        .args(["-o", "sim", "main.cpp"])
        .args(["verilated.o", "verilated_threads.o"].map(|f| runtime().join(f))));
}

/// Outputs after each row of inputs, in port order without the clock. A design with a `clock` gets one cycle a row.
pub(crate) fn simulate(
    design: &Verilog,
    files: &[(&str, String)],
    rows: &[Vec<u64>],
) -> Vec<Vec<u64>> {
    let rows: Vec<Vec<u128>> =
        rows.iter().map(|row| row.iter().map(|x| u128::from(*x)).collect()).collect();
    let outputs = Verilated::build(&[design]).run(&design.top().name, files, &rows);
    let narrow = |x: &u128| u64::try_from(*x).unwrap();
    outputs.iter().map(|row| row.after.iter().map(narrow).collect()).collect()
}
