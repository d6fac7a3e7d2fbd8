//! Everything that can go wrong between Verilog text and a report.

use std::io;
use std::path::PathBuf;

use spec::files::FileError;
use thiserror::Error;

use crate::tools::ToolError;

/// A simulation that could not be built or run, with what to do about it.
#[derive(Debug, Error)]
pub enum SimError {
    /// A tool is missing.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A file of the model cache cannot be read or written.
    #[error("model cache: {path}: {source}; help: check that the folder is writable and the disk has room", path = path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that cannot be read, written or replaced.
    #[error(transparent)]
    File(#[from] FileError),
    /// A tool says that the disk is full.
    #[error(
        "{tool} has no room for the model: {said}; help: free space on the disk of build/model, or of TMPDIR"
    )]
    NoRoom {
        /// The tool.
        tool: String,
        /// The line in which it says so.
        said: String,
    },
    /// A file of Verilator's that ends too early.
    #[error("{path} was cut off when Verilator wrote it; help: free space on the disk of build/model", path = path.display())]
    CutOff {
        /// The file.
        path: PathBuf,
    },
    /// A tool could not be started.
    #[error("cannot start {program}: {source}; help: run `make tools`, or name another compiler with CXX", program = program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Verilator refuses the Verilog.
    #[error("Verilator refuses the Verilog:\n{log}\nhelp: `twofold lint` shows every message")]
    Verilate {
        /// Its first lines of errors.
        log: String,
    },
    /// The C++ compiler refuses the model.
    #[error("{compiler} cannot compile the model:\n{log}\nhelp: Verilator needs a compiler with C++17; name another with CXX", compiler = compiler.display())]
    Compile {
        /// The program.
        compiler: PathBuf,
        /// Its first lines of errors.
        log: String,
    },
    /// Icarus refuses the Verilog, or stops.
    #[error("{program} fails:\n{log}\nhelp: `twofold lint` shows what Verilator says of the Verilog", program = program.display())]
    Icarus {
        /// The program.
        program: PathBuf,
        /// Its first lines.
        log: String,
    },
    /// Icarus printed something that the test bench does not print, or stopped in the middle.
    #[error("Icarus: unexpected output {line:?}; help: try another version of iverilog")]
    IcarusOutput {
        /// The line.
        line: String,
    },
    /// An output is neither 0 nor 1.
    #[error(
        "unknown bits in {what}; help: something depends on what a register or memory holds at power-up"
    )]
    Unknown {
        /// Where, and what was seen.
        what: String,
    },
    /// A folder for a run cannot be made or written.
    #[error("{path}: {source}; help: check that the folder is writable and the disk has room", path = path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The Verilog is not an accelerator: a memory is missing, or there are several of its name.
    #[error(
        "the Verilog has {n} memories named {name}, the simulator needs one; help: keep the instance names of docs/memory_map.md"
    )]
    Memory {
        /// Instance name.
        name: &'static str,
        /// How many there are.
        n: usize,
    },
    /// The shared library cannot be loaded.
    #[error("cannot load the compiled model {path}: {reason}; help: delete it, it is built again", path = path.display())]
    Load {
        /// The library.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A trace was asked of a model without tracing, or its file cannot be written.
    #[error("cannot write the trace {path}: {reason}; help: check the folder, and build the model with tracing", path = path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The contents of a memory have the wrong size.
    #[error(
        "{name}: {n_rows} rows of {row_bytes} bytes do not fit a memory of {depth} rows of {stride} bytes; help: compile the program for this array"
    )]
    MemorySize {
        /// Instance name.
        name: String,
        /// Rows given.
        n_rows: usize,
        /// Bytes of a row given.
        row_bytes: usize,
        /// Rows that it has.
        depth: usize,
        /// Bytes of a row that it has, with padding.
        stride: usize,
    },
    /// A program for another accelerator.
    #[error(
        "the program is for {program_rows}x{program_cols} with other memories or sizes than the accelerator's {rows}x{cols}; help: compile it for this array"
    )]
    Config {
        /// Rows that the program was compiled for.
        program_rows: usize,
        /// Columns that the program was compiled for.
        program_cols: usize,
        /// Rows of the accelerator.
        rows: usize,
        /// Columns of the accelerator.
        cols: usize,
    },
    /// Nothing was loaded yet.
    #[error("no program is loaded; help: load one before running images")]
    NoProgram,
    /// An image of the wrong size.
    #[error(
        "image {image}: {found} bytes, the network takes {expected}; help: preprocess the images for this network"
    )]
    ImageSize {
        /// Index of the image in this run.
        image: usize,
        /// Bytes that the program expects.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// The accelerator came to no end.
    #[error(
        "image {image}: no result within {cycle_limit} cycles, in layer {layer} with {drained} layers written, instruction {instruction}; help: `twofold disassemble` shows the program, `twofold wave` the signals"
    )]
    Timeout {
        /// Index of the image in this run.
        image: usize,
        /// Cycles waited.
        cycle_limit: u64,
        /// Layer that was streaming.
        layer: u32,
        /// Layers completely written.
        drained: u32,
        /// Program counter.
        instruction: u32,
    },
    /// The accelerator raised its error port.
    #[error(
        "image {image}: the accelerator reports an error at instruction {instruction}, in layer {layer}; help: `twofold disassemble` shows the program"
    )]
    Hardware {
        /// Index of the image in this run.
        image: usize,
        /// Layer that was streaming.
        layer: u32,
        /// Program counter.
        instruction: u32,
    },
    /// More or fewer logits than the program has classes.
    #[error(
        "image {image}: the output port did not send {n_logits} logits and a class; help: the program and the Verilog do not belong together"
    )]
    Protocol {
        /// Index of the image in this run.
        image: usize,
        /// Logits expected.
        n_logits: usize,
    },
    /// Verilator's run time gave up.
    #[error("the model stopped: {message}; help: `twofold lint` may name the cause")]
    Fatal {
        /// What it says.
        message: String,
    },
    /// The counters of the hardware contradict each other.
    #[error(
        "image {image}, layer {layer}: {n_cycles} cycles, but {sum} by cause; help: this is a bug of the accelerator's counters"
    )]
    Counters {
        /// Index of the image in this run.
        image: usize,
        /// Name of the layer.
        layer: String,
        /// The cycle counter.
        n_cycles: u64,
        /// Sum of the counters by cause.
        sum: u64,
    },
    /// A report that is not one, or not of this version.
    #[error("{path}: {message}; help: run `twofold sim` again", path = path.display())]
    Report {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}
