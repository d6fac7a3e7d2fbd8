//! From Verilog text to a shared library, once: the result is cached by the hash of everything that it depends on.
//!
//! A library appears in the cache whole or not at all, and two processes that want the same one build it once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, SystemTime};

use base16ct::lower::encode_string;
use sha2::{Digest, Sha256};
use spec::files::{self, Limit};
use spec::process;
use tempfile::TempDir;

use super::TraceMode;
use super::cache::{self, cache_error};
use super::definitions::definitions;
use super::ffi::ABI;
use super::unity::{PREFIX, SHIM, unity_source};
use crate::SimError;
use crate::tools::{Compiler, Tools, VERILATOR_VERSION, Verilator};

/// Headers that Verilator's FST writer includes, see the files themselves.
const FST_HEADERS: [(&str, &str); 2] =
    [("lz4.h", include_str!("fst/lz4.h")), ("zlib.h", include_str!("fst/zlib.h"))];
const TOP: &str = "accelerator";
const VERILATOR_FLAGS: [&str; 11] = [
    "--cc",
    "-O3",
    "--x-assign",
    "fast",
    "--x-initial",
    "fast",
    "--noassert",
    "--flatten",
    "-Wno-fatal",
    "--prefix",
    PREFIX,
];
const COMPILER_FLAGS: [&str; 8] = [
    "-std=gnu++17",
    "-O3",
    "-march=native",
    "-fPIC",
    "-fvisibility=hidden",
    "-w",
    "-DVL_USER_FATAL",
    "-DVL_USER_WARN",
];
const CLANG_FLAGS: [&str; 2] = ["-fbracket-depth=4096", "-Qunused-arguments"];
/// Models live side by side in one process; unique symbols would merge their static data.
const GCC_FLAGS: [&str; 1] = ["-fno-gnu-unique"];
/// Temporary folders of an interrupted build are removed after this time.
const STALE: Duration = Duration::from_secs(3600);
/// A file that Verilator wrote.
const GENERATED: Limit = Limit::new("a generated file", 1 << 30);
/// How tools tell that a disk is full, or a quota used up.
const NO_ROOM: [&str; 3] = ["No space left on device", "File too large", "quota exceeded"];
const PARTIAL: &str = ".partial-";

/// Writes the source that holds the whole model from the names of the generated files and the root's header.
type Unity<'a> = &'a dyn Fn(&[String], &str) -> Result<String, SimError>;

/// Everything that a build needs, found and identified.
pub(super) struct Toolchain {
    pub(super) verilator: Verilator,
    compiler: Compiler,
    flags: Vec<String>,
    /// Hash of the tools, their flags and the processor.
    identity: Sha256,
    trace: TraceMode,
}

/// The library of `verilog`, built if the cache has none. One that it has needs no tool.
pub(crate) fn library(
    tools: &Tools,
    cache: &Path,
    verilog: &str,
    trace: TraceMode,
) -> Result<PathBuf, SimError> {
    let key = key(verilog, trace);
    let compiler = tools.compiler();
    let compiler_key = compiler.as_ref().ok().map(compiler_key);
    if let Some(path) = cache::find(cache, &key, compiler_key.as_deref()) {
        return Ok(path);
    }
    let toolchain = Toolchain::find(tools.verilator()?, compiler?, trace)?;
    let path = cache::library(cache, &key, &self::compiler_key(&toolchain.compiler));
    let _lock = cache::lock(cache, &key)?;
    // Somebody else may have built it meanwhile.
    if !cache::is_whole(&path) {
        remove_stale(cache);
        toolchain.build(cache, verilog, &path)?;
    }
    Ok(path)
}

/// What a model's bits and its processor depend on.
fn key(verilog: &str, trace: TraceMode) -> String {
    let mut key = Sha256::new();
    key.update(ABI.to_le_bytes());
    let traced = if trace == TraceMode::Fst { "fst" } else { "" };
    let texts = [VERILATOR_VERSION, traced, &processor(), &definitions(), SHIM, verilog];
    let headers = FST_HEADERS.iter().map(|(_, text)| *text);
    for text in VERILATOR_FLAGS.into_iter().chain(COMPILER_FLAGS).chain(texts).chain(headers) {
        key.update((text.len() as u64).to_le_bytes());
        key.update(text);
    }
    encode_string(&key.finalize()[..16])
}

/// Who compiles, without asking for a version: no program has to run for that.
fn compiler_key(compiler: &Compiler) -> String {
    let mut key = Sha256::new();
    let program = compiler.program.as_os_str().as_encoded_bytes();
    for word in [program].into_iter().chain(compiler.args.iter().map(String::as_bytes)) {
        key.update((word.len() as u64).to_le_bytes());
        key.update(word);
    }
    encode_string(&key.finalize()[..4])
}

fn remove_stale(cache: &Path) {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PARTIAL)) {
        let age = entry
            .metadata()
            .and_then(|file| file.modified())
            .map(|time| SystemTime::now().duration_since(time));
        if age.is_ok_and(|age| age.is_ok_and(|age| age > STALE)) {
            // Another process may be faster, and a leftover harms nobody.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Toolchain {
    pub(super) fn find(
        verilator: Verilator,
        compiler: Compiler,
        trace: TraceMode,
    ) -> Result<Self, SimError> {
        let own: &[&str] = if compiler.is_clang() { &CLANG_FLAGS } else { &GCC_FLAGS };
        let mut flags: Vec<String> =
            COMPILER_FLAGS.iter().chain(own).map(|flag| (*flag).to_owned()).collect();
        let traced = u8::from(trace == TraceMode::Fst);
        for name in ["VM_COVERAGE", "VM_SC", "VM_TIMING", "VM_TRACE_VCD", "VM_TRACE_SAIF"] {
            flags.push(format!("-D{name}=0"));
        }
        flags.extend([format!("-DVM_TRACE={traced}"), format!("-DVM_TRACE_FST={traced}")]);

        let mut identity = Sha256::new();
        identity.update(ABI.to_le_bytes());
        identity.update(run(verilator.command().arg("--version"))?.stdout);
        identity.update(compiler.program.as_os_str().as_encoded_bytes());
        identity.update(run(compiler.command().arg("--version"))?.stdout);
        identity.update(processor());
        for flag in VERILATOR_FLAGS.iter().copied().chain(flags.iter().map(String::as_str)) {
            identity.update(flag);
            identity.update([0]);
        }
        for (_, text) in FST_HEADERS {
            identity.update(text);
        }
        Ok(Self { verilator, compiler, flags, identity, trace })
    }

    fn build(&self, cache: &Path, verilog: &str, path: &Path) -> Result<(), SimError> {
        let folder = partial_folder(cache)?;
        let (model, runtime) = thread::scope(|scope| {
            let runtime = scope.spawn(|| self.runtime(cache));
            let unity = |names: &[String], header: &str| unity_source(names, header, self.trace);
            let model = self.model(folder.path(), verilog, TOP, &unity);
            (model, runtime.join().expect("the thread does not panic"))
        });
        let (model, runtime) = (model?, runtime?);
        let library = folder.path().join("model.so");
        self.link(&model, &runtime, &["-shared"], &library)?;
        cache::add(&library, path)
    }

    /// Links a model with Verilator's run time.
    pub(super) fn link(
        &self,
        model: &Path,
        runtime: &[PathBuf],
        flags: &[&str],
        out: &Path,
    ) -> Result<(), SimError> {
        let mut link = self.compiler.command();
        link.args(&self.flags).args(flags).arg(model).args(runtime);
        self.compile(link.arg("-lpthread").arg("-o").arg(out))
    }

    /// Verilates and compiles the model of the module `top`.
    pub(super) fn model(
        &self,
        folder: &Path,
        verilog: &str,
        top: &str,
        unity: Unity,
    ) -> Result<PathBuf, SimError> {
        let source = folder.join("accelerator.v");
        let sources = folder.join("cpp");
        files::write_atomically(&source, verilog.as_bytes())?;
        let mut verilate = self.verilator.command();
        verilate.args(VERILATOR_FLAGS).args(["--top-module", top]).arg("--Mdir").arg(&sources);
        if self.trace == TraceMode::Fst {
            verilate.args(["--trace-fst", "--trace-structs"]);
        }
        self::verilate(verilate.arg(&source))?;

        let generated = generated_files(&sources)?;
        let header = sources.join(format!("{PREFIX}___024root.h"));
        let header = files::read_text(&header, GENERATED).map_err(cache_error(&header))?;
        let names: Vec<_> = generated.into_iter().filter(|name| name.ends_with(".cpp")).collect();
        let source = unity(&names, &header)?;
        let unity = folder.join("model.cpp");
        files::write_atomically(&unity, source.as_bytes())?;
        let object = folder.join("model.o");
        let mut compile = self.compile_command(&folder.join("headers"))?;
        compile.arg("-I").arg(&sources).arg("-c").arg(&unity).arg("-o").arg(&object);
        self.compile(&compile)?;
        Ok(object)
    }

    /// Objects of Verilator's run time: the same for every model, so cached apart.
    pub(super) fn runtime(&self, cache: &Path) -> Result<Vec<PathBuf>, SimError> {
        let key = encode_string(&self.identity.clone().finalize()[..16]);
        let folder = cache.join(format!("runtime-{key}"));
        let mut sources = vec!["verilated", "verilated_threads"];
        if self.trace == TraceMode::Fst {
            sources.push("verilated_fst_c");
        }
        let objects: Vec<_> = sources.iter().map(|name| folder.join(format!("{name}.o"))).collect();
        if cache::has_objects(&folder, &objects) {
            return Ok(objects);
        }
        let partial = partial_folder(cache)?;
        let mut built = Vec::new();
        for name in sources {
            let mut compile = self.compile_command(&partial.path().join("headers"))?;
            // Nothing in it runs every cycle.
            compile
                .arg("-O1")
                .arg("-c")
                .arg(self.verilator.include_dir().join(format!("{name}.cpp")));
            let object = partial.path().join(format!("{name}.o"));
            compile.arg("-o").arg(&object);
            self.compile(&compile)?;
            built.push(object);
        }
        cache::record_objects(partial.path(), &built)?;
        if folder.is_dir() && !cache::has_objects(&folder, &objects) {
            // Whatever is left of it makes the renaming fail.
            let _ = fs::remove_dir_all(&folder);
        }
        match fs::rename(partial.path(), &folder) {
            // Somebody else was faster.
            Err(_) if cache::has_objects(&folder, &objects) => {}
            result => result.map_err(cache_error(&folder))?,
        }
        Ok(objects)
    }

    /// The compiler with its flags and Verilator's headers, and with those of `fst/` first, written to `headers`.
    pub(super) fn compile_command(&self, headers: &Path) -> Result<Command, SimError> {
        let mut command = self.compiler.command();
        command.args(&self.flags);
        if self.trace == TraceMode::Fst {
            for (name, text) in FST_HEADERS {
                files::write_atomically(&headers.join(name), text.as_bytes())?;
            }
            command.arg("-I").arg(headers);
        }
        let include = self.verilator.include_dir();
        command.arg("-I").arg(&include).arg("-I").arg(include.join("vltstd"));
        Ok(command)
    }

    pub(super) fn compile(&self, command: &Command) -> Result<(), SimError> {
        let output = run(command)?;
        if output.status.success() {
            return Ok(());
        }
        let log = first_errors(&output, "error");
        let compiler = self.compiler.program.clone();
        Err(no_room(&compiler.display().to_string(), &output)
            .unwrap_or(SimError::Compile { compiler, log }))
    }
}

/// Runs Verilator to a success.
pub(super) fn verilate(command: &Command) -> Result<(), SimError> {
    let output = run(command)?;
    if output.status.success() {
        return Ok(());
    }
    let log = first_errors(&output, "%Error");
    Err(no_room("Verilator", &output).unwrap_or(SimError::Verilate { log }))
}

/// The error of a tool that says that the disk is full.
fn no_room(tool: &str, output: &Output) -> Option<SimError> {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| NO_ROOM.iter().any(|reason| line.contains(reason)))?;
    Some(SimError::NoRoom { tool: tool.to_owned(), said: line.trim().to_owned() })
}

/// The names of what Verilator wrote, sorted, once every file is known to have its end: Verilator itself does not notice
/// that a disk is full.
pub(super) fn generated_files(folder: &Path) -> Result<Vec<String>, SimError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(cache_error(folder))? {
        let path = entry.map_err(cache_error(folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let bytes = files::read_regular(&path, GENERATED).map_err(cache_error(&path))?;
        let ends: &[&str] = match path.extension().and_then(|extension| extension.to_str()) {
            Some("h") => &["#endif  // guard\n"],
            Some("cpp") => &["}\n", "}};\n", "#endif  // VL_DEBUG\n", "\n\n"],
            _ => &["\n"],
        };
        if !ends.iter().any(|end| bytes.ends_with(end.as_bytes())) {
            return Err(SimError::CutOff { path });
        }
        names.push(name.to_owned());
    }
    names.sort();
    Ok(names)
}

pub(super) fn partial_folder(cache: &Path) -> Result<TempDir, SimError> {
    tempfile::Builder::new().prefix(PARTIAL).tempdir_in(cache).map_err(cache_error(cache))
}

pub(super) fn run(command: &Command) -> Result<Output, SimError> {
    process::output(command)
        .map_err(|source| SimError::Start { program: command.get_program().into(), source })
}

/// At most ten lines that hold `mark`, or the last ten if none does.
fn first_errors(output: &Output, mark: &str) -> String {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    );
    let lines: Vec<_> = text.lines().collect();
    if lines.is_empty() {
        return format!("it ended without a word: {}", output.status);
    }
    let marked: Vec<_> =
        lines.iter().filter(|line| line.contains(mark)).take(10).copied().collect();
    if marked.is_empty() {
        lines[lines.len().saturating_sub(10)..].join("\n")
    } else {
        marked.join("\n")
    }
}

/// What `-march=native` depends on.
fn processor() -> String {
    let keys = [
        "vendor_id",
        "cpu family",
        "model",
        "stepping",
        "flags",
        "Features",
        "CPU implementer",
        "CPU part",
    ];
    let text = files::read_text(Path::new("/proc/cpuinfo"), GENERATED).unwrap_or_default();
    let first = text.lines().take_while(|line| !line.trim().is_empty());
    let kept =
        first.filter(|line| line.split(':').next().is_some_and(|key| keys.contains(&key.trim())));
    kept.fold(std::env::consts::ARCH.to_owned(), |all, line| all + "\n" + line)
}
