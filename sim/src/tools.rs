//! Finds the tools that `scripts/setup.sh` puts inside the checkout, and the C++ compiler of the machine.
//!
//! Nothing is installed or run here: a tool that is missing is one error that names the command that installs it. A
//! `verilator` or `yosys` of the machine is deliberately not used: versions are pinned, results depend on them. Icarus is
//! the machine's own: what it computes must not depend on its version.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

/// The version of Verilator that `scripts/requirements-verilator.txt` pins.
pub const VERILATOR_VERSION: &str = "5.48.0";

/// C++ compilers, best first: models that clang built run up to twice as fast.
const COMPILERS: [&str; 3] = ["clang++-19", "clang++", "g++"];

/// A tool that cannot be found, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ToolError {
    /// Neither the environment, nor the current folder, nor the build says where the checkout is.
    #[error(
        "no Twofold checkout at or above {from}, which holds the pinned tools and takes what is built; help: run inside \
         one, or set TWOFOLD_ROOT to its folder"
    )]
    NoCheckout {
        /// Where the search began.
        from: PathBuf,
    },
    /// `TWOFOLD_ROOT` names something else than a checkout.
    #[error(
        "TWOFOLD_ROOT={root} is not a Twofold checkout (no scripts/setup.sh); help: correct or unset it"
    )]
    NotACheckout {
        /// What `TWOFOLD_ROOT` names.
        root: PathBuf,
    },
    /// A pinned tool has not been set up, or not to its end.
    #[error("{tool} is not set up in {venv}; help: run `make {step}`")]
    NotSetUp {
        /// The tool.
        tool: &'static str,
        /// The virtual environment that should hold it.
        venv: PathBuf,
        /// What sets it up.
        step: &'static str,
    },
    /// The machine has no C++ compiler.
    #[error(
        "no C++ compiler: {tried} are not on PATH; help: install g++, or clang-19 for faster simulation \
         (Debian/Ubuntu: apt install g++), or name one with CXX"
    )]
    NoCompiler {
        /// The programs that were looked for.
        tried: String,
    },
    /// The machine has no Icarus.
    #[error(
        "Icarus: {program} is not on PATH; help: install it (Debian/Ubuntu: apt install iverilog), or run with Verilator"
    )]
    NoIcarus {
        /// The program.
        program: &'static str,
    },
    /// `CXX` names no program.
    #[error("CXX={cxx} is not a program; help: unset CXX or name a C++ compiler")]
    BadCxx {
        /// What `CXX` holds.
        cxx: String,
    },
}

/// Verilator, called without its launcher: that prefers a Verilator of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verilator {
    /// The program itself.
    pub binary: PathBuf,
    /// The folder that holds `include/verilated.h`; `VERILATOR_ROOT` when the program runs.
    pub root: PathBuf,
}

impl Verilator {
    /// A command without arguments, `VERILATOR_ROOT` set.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.env("VERILATOR_ROOT", &self.root);
        command
    }

    /// The folder of `verilated.h` and the run-time sources.
    pub fn include_dir(&self) -> PathBuf {
        self.root.join("include")
    }
}

/// A C++ compiler with the arguments that `CXX` gives it, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    /// The program.
    pub program: PathBuf,
    /// Arguments that go before all others.
    pub args: Vec<String>,
}

impl Compiler {
    /// A command that holds only the arguments of `CXX`.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        command
    }

    /// Whether its name says clang, in `CXX="ccache clang++"` too.
    pub fn is_clang(&self) -> bool {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy();
        name.contains("clang") || self.args.iter().any(|arg| arg.contains("clang"))
    }
}

/// Icarus: a compiler and the program that runs what it makes. The machine's own, of any version from 10 on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IcarusTools {
    /// The compiler.
    pub iverilog: PathBuf,
    /// The simulator.
    pub vvp: PathBuf,
}

/// Where tools are looked for.
#[derive(Debug, Clone)]
pub struct Tools {
    root: PathBuf,
    search_path: OsString,
    cxx: Option<String>,
}

impl Tools {
    /// Looks in this checkout (see [`checkout_root`]), on `PATH` and at `CXX`.
    ///
    /// # Errors
    /// If the checkout cannot be found. Missing tools are reported when they are asked for.
    pub fn find() -> Result<Self, ToolError> {
        let cxx = env::var("CXX").ok().filter(|cxx| !cxx.trim().is_empty());
        Ok(Self::at(checkout_root()?, env::var_os("PATH").unwrap_or_default(), cxx))
    }

    /// Looks in the checkout `root`, in the folders of `search_path` (written as `PATH` is) and at `cxx`.
    pub fn at(
        root: impl Into<PathBuf>,
        search_path: impl Into<OsString>,
        cxx: Option<String>,
    ) -> Self {
        Self { root: root.into(), search_path: search_path.into(), cxx }
    }

    /// The checkout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The virtual environment that `scripts/setup.sh` puts the pinned tools into.
    pub fn venv(&self) -> PathBuf {
        self.root.join(".tools/venv")
    }

    /// The pinned Verilator.
    ///
    /// # Errors
    /// [`ToolError::NotSetUp`].
    pub fn verilator(&self) -> Result<Verilator, ToolError> {
        let venv = self.venv();
        let missing =
            || ToolError::NotSetUp { tool: "Verilator", venv: venv.clone(), step: "tools" };
        if !venv.join("verilator.stamp").is_file() {
            return Err(missing());
        }
        let folders = std::fs::read_dir(venv.join("lib")).map_err(|_| missing())?;
        folders
            .flatten()
            .map(|folder| folder.path().join("site-packages/verilator"))
            .map(|root| Verilator { binary: root.join("bin/verilator_bin"), root })
            .find(|verilator| verilator.binary.is_file())
            .ok_or_else(missing)
    }

    /// The C++ compiler: `CXX` if it is set, else the first of `clang++-19`, `clang++`, `g++` on `PATH`.
    ///
    /// # Errors
    /// [`ToolError::BadCxx`] if `CXX` names no program, [`ToolError::NoCompiler`] if there is none.
    pub fn compiler(&self) -> Result<Compiler, ToolError> {
        if let Some(cxx) = &self.cxx {
            let mut words = cxx.split_whitespace();
            let program = words.next().and_then(|program| self.on_path(program));
            let program = program.ok_or_else(|| ToolError::BadCxx { cxx: cxx.clone() })?;
            return Ok(Compiler { program, args: words.map(str::to_owned).collect() });
        }
        COMPILERS
            .iter()
            .find_map(|name| self.on_path(name))
            .map(|program| Compiler { program, args: Vec::new() })
            .ok_or_else(|| ToolError::NoCompiler { tried: COMPILERS.join(", ") })
    }

    /// Icarus, from `PATH`.
    ///
    /// # Errors
    /// [`ToolError::NoIcarus`].
    pub fn icarus(&self) -> Result<IcarusTools, ToolError> {
        let find = |program| self.on_path(program).ok_or(ToolError::NoIcarus { program });
        Ok(IcarusTools { iverilog: find("iverilog")?, vvp: find("vvp")? })
    }

    fn on_path(&self, program: &str) -> Option<PathBuf> {
        if program.contains('/') {
            return Some(PathBuf::from(program)).filter(|path| is_executable(path));
        }
        env::split_paths(&self.search_path)
            .map(|folder| folder.join(program))
            .find(|path| is_executable(path))
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// The checkout that one works in: `TWOFOLD_ROOT` if it is set, else the first folder at or above the current one that
/// holds `scripts/setup.sh` and `constraints`; `None` outside of any.
///
/// # Errors
/// [`ToolError::NotACheckout`].
pub fn surrounding_checkout() -> Result<Option<PathBuf>, ToolError> {
    if let Some(root) = env::var_os("TWOFOLD_ROOT").filter(|root| !root.is_empty()) {
        let root = PathBuf::from(root);
        return if is_checkout(&root) {
            Ok(Some(root))
        } else {
            Err(ToolError::NotACheckout { root })
        };
    }
    Ok(checkout_above(&env::current_dir().unwrap_or_default()))
}

/// The checkout that holds the tools: [`surrounding_checkout`], else the one that this program was built in.
///
/// # Errors
/// [`ToolError::NotACheckout`] or [`ToolError::NoCheckout`].
pub fn checkout_root() -> Result<PathBuf, ToolError> {
    root_of(surrounding_checkout()?, Path::new(env!("CARGO_MANIFEST_DIR")))
}

fn root_of(surrounding: Option<PathBuf>, built_in: &Path) -> Result<PathBuf, ToolError> {
    surrounding
        .or_else(|| checkout_above(built_in))
        .ok_or_else(|| ToolError::NoCheckout { from: env::current_dir().unwrap_or_default() })
}

fn checkout_above(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|folder| is_checkout(folder)).map(Path::to_owned)
}

fn is_checkout(folder: &Path) -> bool {
    folder.join("scripts/setup.sh").is_file() && folder.join("constraints").is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;

    fn write(root: &Path, path: &str, mode: u32) -> PathBuf {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn tools(root: &Path, cxx: Option<&str>) -> Tools {
        Tools::at(root, root.join("bin"), cxx.map(str::to_owned))
    }

    #[test]
    fn an_empty_checkout_says_what_to_install() {
        let root = TempDir::new().unwrap();
        let tools = tools(root.path(), None);
        let venv = root.path().join(".tools/venv").display().to_string();
        assert_eq!(
            tools.verilator().unwrap_err().to_string(),
            format!("Verilator is not set up in {venv}; help: run `make tools`")
        );
        let error = tools.compiler().unwrap_err().to_string();
        assert!(
            error.starts_with("no C++ compiler: clang++-19, clang++, g++ are not on PATH; help:"),
            "{error}"
        );
        assert!(error.contains("apt install g++"), "{error}");
    }

    #[test]
    fn a_half_installed_verilator_does_not_count() {
        let root = TempDir::new().unwrap();
        let package = ".tools/venv/lib/python3.11/site-packages/verilator";
        let binary = write(root.path(), &format!("{package}/bin/verilator_bin"), 0o755);
        assert!(matches!(tools(root.path(), None).verilator(), Err(ToolError::NotSetUp { .. })));

        write(root.path(), ".tools/venv/verilator.stamp", 0o644);
        let verilator = tools(root.path(), None).verilator().unwrap();
        assert_eq!(verilator, Verilator { binary, root: root.path().join(package) });
        let command = verilator.command();
        let variables: Vec<_> = command.get_envs().collect();
        assert_eq!(
            variables,
            [("VERILATOR_ROOT".as_ref(), Some(root.path().join(package).as_os_str()))]
        );
    }

    #[test]
    fn clang_comes_before_gcc_and_cxx_before_both() {
        let root = TempDir::new().unwrap();
        write(root.path(), "bin/g++", 0o755);
        assert!(!tools(root.path(), None).compiler().unwrap().is_clang());
        write(root.path(), "bin/clang++", 0o755);
        assert_eq!(
            tools(root.path(), None).compiler().unwrap().program,
            root.path().join("bin/clang++")
        );
        write(root.path(), "bin/clang++-19", 0o644);
        assert_eq!(
            tools(root.path(), None).compiler().unwrap().program,
            root.path().join("bin/clang++")
        );

        write(root.path(), "bin/ccache", 0o755);
        let compiler = tools(root.path(), Some("ccache clang++ -v")).compiler().unwrap();
        assert_eq!(compiler.program, root.path().join("bin/ccache"));
        assert_eq!(compiler.args, ["clang++", "-v"]);
        assert!(compiler.is_clang());

        let error = tools(root.path(), Some("no-such-c++")).compiler().unwrap_err();
        assert_eq!(
            error.to_string(),
            "CXX=no-such-c++ is not a program; help: unset CXX or name a C++ compiler"
        );
    }

    #[test]
    fn icarus_is_the_machines_own_and_whole() {
        let root = TempDir::new().unwrap();
        let error = tools(root.path(), None).icarus().unwrap_err().to_string();
        assert!(error.starts_with("Icarus: iverilog is not on PATH; help: install it"), "{error}");
        let iverilog = write(root.path(), "bin/iverilog", 0o755);
        let error = tools(root.path(), None).icarus().unwrap_err();
        assert_eq!(error, ToolError::NoIcarus { program: "vvp" });
        let vvp = write(root.path(), "bin/vvp", 0o755);
        assert_eq!(tools(root.path(), None).icarus().unwrap(), IcarusTools { iverilog, vvp });
    }

    #[test]
    fn the_checkout_of_this_crate_is_found_from_below() {
        let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(checkout_above(&crate_dir.join("src")).as_deref(), crate_dir.parent());
        assert_eq!(checkout_above(Path::new("/")), None);
    }

    #[test]
    fn a_program_whose_checkout_is_gone_says_in_one_line_what_it_needs() {
        let gone = TempDir::new().unwrap();
        let error = root_of(None, gone.path()).unwrap_err().to_string();
        assert!(error.starts_with("no Twofold checkout at or above "), "{error}");
        assert!(error.ends_with("; help: run inside one, or set TWOFOLD_ROOT to its folder"));
        assert_eq!(error.lines().count(), 1, "{error}");
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(root_of(None, here).unwrap(), here.parent().unwrap());
        let other = gone.path().to_owned();
        assert_eq!(root_of(Some(other.clone()), here).unwrap(), other);
    }

    #[test]
    fn the_pinned_version_is_the_one_that_is_set_up() {
        let root = checkout_root().unwrap();
        let requirements =
            fs::read_to_string(root.join("scripts/requirements-verilator.txt")).unwrap();
        assert!(
            requirements.contains(&format!("verilator=={VERILATOR_VERSION} ")),
            "{requirements}"
        );
    }
}
