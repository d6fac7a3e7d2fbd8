//! Single blocks under Verilator, for tests: a program that reads inputs and prints outputs, a line a cycle.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use num_bigint::BigUint;
use spec::{files, hex_digest};
use tempfile::TempDir;

use super::TraceMode;
use super::build::{Toolchain, generated_files, partial_folder, run, verilate};
use super::cache::cache_error;
use crate::SimError;
use crate::tools::{Tools, VERILATOR_VERSION};

/// Ports of up to 256 bits, as the program reads and prints them.
const PORTS: &str = include_str!("blocks.cpp");
/// The program in its folder.
const PROGRAM: &str = "blocks";

/// Verilog with the name of its top module, which may have no port but scalars of up to 256 bits.
#[derive(Clone, Copy, Debug)]
pub struct BlockSource<'a> {
    /// The top module.
    pub name: &'a str,
    /// The text of all modules; ports are declared a line each.
    pub verilog: &'a str,
}

/// Outputs of one cycle, in the order of the ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockOutputs {
    /// With the inputs of the cycle, before the clock's edge.
    pub before: Vec<BigUint>,
    /// After it; the same again of a block without a port `clock`.
    pub after: Vec<BigUint>,
}

/// A program that runs one of several blocks.
#[derive(Clone, Debug)]
pub struct BlockModel {
    program: PathBuf,
    /// Where the folders of runs are.
    cache: PathBuf,
}

impl BlockModel {
    /// Compiles blocks together, as parsing Verilator's headers is most of the work, or takes what was compiled from the
    /// same texts before.
    ///
    /// # Errors
    /// A missing tool, Verilog that Verilator or the compiler refuses, a cache that cannot be written.
    pub fn build(tools: &Tools, blocks: &[BlockSource]) -> Result<Self, SimError> {
        let cache = tools.root().join("build/model");
        files::make_folder(&cache)?;
        let main = main_source(blocks);
        let texts: Vec<&str> = blocks.iter().map(|block| block.verilog).collect();
        let key = format!("{VERILATOR_VERSION}\n{main}\n{}", texts.join("\n"));
        let folder = cache.join(format!("blocks-{}", &hex_digest(key.as_bytes())[..32]));
        if !folder.join(PROGRAM).is_file() {
            let toolchain = Toolchain::find(tools.verilator()?, tools.compiler()?, TraceMode::Off)?;
            let partial = partial_folder(&cache)?;
            compile(&toolchain, &cache, partial.path(), blocks, main)?;
            match fs::rename(partial.path(), &folder) {
                // Somebody else was faster.
                Err(_) if folder.join(PROGRAM).is_file() => {}
                result => result.map_err(cache_error(&folder))?,
            }
        }
        Ok(Self { program: folder.join(PROGRAM), cache })
    }

    /// Runs a block on rows of inputs, in the order of the ports without the clock, one cycle a row. `contents` are names
    /// and texts of the files that `$readmemh` opens.
    ///
    /// # Errors
    /// A program that fails, or files that cannot be written.
    pub fn run(
        &self,
        block: &str,
        contents: &[(&str, String)],
        rows: &[Vec<BigUint>],
    ) -> Result<Vec<BlockOutputs>, SimError> {
        let folder = TempDir::new_in(&self.cache).map_err(cache_error(&self.cache))?;
        for (name, text) in contents {
            files::write_atomically(&folder.path().join(name), text.as_bytes())?;
        }
        let mut text = String::new();
        for row in rows {
            row.iter().for_each(|value| text += &format!("{value:x} "));
            text.push('\n');
        }
        let inputs = folder.path().join("inputs.txt");
        files::write_atomically(&inputs, text.as_bytes())?;
        let mut command = Command::new(&self.program);
        let output = run(command.current_dir(folder.path()).arg(block).arg(&inputs))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let outputs: Option<Vec<BlockOutputs>> = text.lines().map(parse).collect();
        match outputs {
            Some(outputs) if output.status.success() && outputs.len() == rows.len() => Ok(outputs),
            _ => {
                let said = String::from_utf8_lossy(&output.stderr);
                let message = format!("block {block}: {}, {}", output.status, said.trim());
                Err(SimError::Fatal { message })
            }
        }
    }
}

fn parse(line: &str) -> Option<BlockOutputs> {
    let numbers = |text: &str| -> Option<Vec<BigUint>> {
        let digits = text.split_whitespace().map(str::as_bytes);
        digits.map(|digits| BigUint::parse_bytes(digits, 16)).collect()
    };
    let (before, after) = line.split_once('|')?;
    Some(BlockOutputs { before: numbers(before)?, after: numbers(after)? })
}

/// The ports of a block's top module: whether each is an input, and its name.
fn ports<'a>(block: &BlockSource<'a>) -> Vec<(bool, &'a str)> {
    let start = format!("module {} (", block.name);
    let list = block.verilog.split_once(&start).map_or("", |(_, rest)| rest);
    let list = list.split_once("\n);").map_or("", |(list, _)| list);
    let declarations = list.lines().filter_map(|line| line.split("//").next()).map(str::trim);
    declarations
        .filter(|line| line.starts_with("input ") || line.starts_with("output "))
        .filter_map(|line| {
            let name = line.trim_end_matches(',').split(' ').next_back()?;
            Some((line.starts_with("input "), name))
        })
        .collect()
}

/// The program: for each block the loop over its cycles, and the choice between them.
fn main_source(blocks: &[BlockSource]) -> String {
    let mut text = String::new();
    let mut choice = String::new();
    for BlockSource { name, .. } in blocks {
        text += &format!("#include \"V{name}.h\"\n");
        choice += &format!("    if (!std::strcmp(arguments[1], \"{name}\")) run_{name}();\n");
    }
    text += PORTS;
    for block in blocks {
        loop_source(&mut text, block.name, &ports(block));
    }
    text += "int main(int, char** arguments) {\n";
    text += "    if (std::freopen(arguments[2], \"r\", stdin) == nullptr) return 1;\n";
    text + &choice + "}\n"
}

fn loop_source(text: &mut String, name: &str, ports: &[(bool, &str)]) {
    let outputs = ports.iter().filter(|(is_input, _)| !is_input);
    let print: String = outputs.map(|(_, port)| format!("        print(top.{port});\n")).collect();
    *text += &format!(
        "void run_{name}() {{\n    V{name} top;\n    uint32_t x[N_WORDS];\n    for (;;) {{\n"
    );
    for (_, port) in ports.iter().filter(|(is_input, name)| *is_input && *name != "clock") {
        *text += &format!("        if (!read(x)) return;\n        set(top.{port}, x);\n");
    }
    let edge = if ports.iter().any(|(_, name)| *name == "clock") {
        "        top.clock = 1; top.eval(); top.clock = 0; top.eval();\n"
    } else {
        ""
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "        top.eval();\n{print}        printf(\"|\");\n{edge}{print}        printf(\"\\n\");\n    }}\n}}"
    );
}

/// Verilates every block and compiles one translation unit.
fn compile(
    toolchain: &Toolchain,
    cache: &Path,
    folder: &Path,
    blocks: &[BlockSource],
    main: String,
) -> Result<(), SimError> {
    let mut text = main;
    let mut compiler = toolchain.compile_command(&folder.join("headers"))?;
    for BlockSource { name, verilog } in blocks {
        let source = folder.join(format!("{name}.v"));
        let objects = folder.join(format!("obj_{name}"));
        files::write_atomically(&source, verilog.as_bytes())?;
        let mut command = toolchain.verilator.command();
        command.args(["--cc", "-Wno-fatal", "--prefix", &format!("V{name}"), "--top-module", name]);
        verilate(command.arg("--Mdir").arg(&objects).arg(&source))?;
        // Each block brings a header that wants to be the only one of its kind.
        text += "#undef VL_PCH_INCLUDED\n";
        let generated = generated_files(&objects)?;
        for file in generated.iter().filter(|file| file.ends_with(".cpp")) {
            text += &format!("#include \"{file}\"\n");
        }
        compiler.arg("-I").arg(&objects);
    }
    let unity = folder.join("blocks.cpp");
    files::write_atomically(&unity, text.as_bytes())?;
    // A test runs a few thousand cycles: compiling is what takes time.
    compiler.arg("-O0").arg(&unity).args(toolchain.runtime(cache)?);
    compiler.arg("-lpthread").arg("-o").arg(folder.join(PROGRAM));
    toolchain.compile(&compiler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_those_of_the_top_module() {
        let verilog = "module inner (\n    input wire x\n);\nendmodule\nmodule outer (\n    input wire clock,\n    \
                       input wire [3:0] a, // four bits\n    output reg b\n);\nendmodule\n";
        let block = BlockSource { name: "outer", verilog };
        assert_eq!(ports(&block), [(true, "clock"), (true, "a"), (false, "b")]);
    }
}
