//! The command line.

mod import;
mod verify;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use dataset::Band;
use flow::{ArraySizes, ImageChoice, NetworkChoice, Schedule, SimulatorKind, WorkloadOptions};
use spec::{AccumulatorMemory, ArrayConfig};

pub(crate) use self::import::{ExportArgs, ImportArgs};
pub(crate) use self::verify::{MlperfArgs, VerifyArgs};

/// A sparse CNN accelerator: from a quantized network to Verilog, checked bit by bit.
#[derive(Debug, Parser)]
#[command(name = "twofold", version, about, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The steps.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a network of a model that others made: full-integer TFLite or ONNX.
    Import(ImportArgs),
    /// Write a network as an ONNX model that computes the same bits.
    Export(ExportArgs),
    /// Compare every map of a model with the runtime that it is made for, and run it in the RTL.
    Verify(VerifyArgs),
    /// Do that with the published networks of MLPerf Tiny, and measure them.
    Mlperf(MlperfArgs),
    /// Say whether a network fits an array: every memory, every problem, each with a hint.
    Check(CheckArgs),
    /// Compile a network into the accelerator's program and ROM files.
    Compile(CompileArgs),
    /// Write the accelerator's Verilog.
    Verilog(VerilogArgs),
    /// Lint the Verilog with Verilator -Wall and the waivers of hw/lint.vlt.
    Lint(LintArgs),
    /// Run a network on images through the RTL, check every bit, report the cycles.
    Sim(SimArgs),
    /// Print the report of the last run again.
    Report(ReportArgs),
    /// Write every signal of one image's run to an FST file.
    Wave(WaveArgs),
    /// Measure simulated cycles a second on one core.
    Bench(BenchArgs),
    /// Measure how busy the array is with layers of many shapes, beside what bounds them.
    Shapes(ShapesArgs),
    /// Compare RTL and reference on random networks and arrays.
    Fuzz(FuzzArgs),
    /// Print a program's instructions and records.
    Disassemble(DisassembleArgs),
    /// Synthesize the accelerator for ECP5 with Yosys.
    Synth(SynthArgs),
    /// Place and route the synthesized accelerator with nextpnr.
    Pnr(PnrArgs),
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON object.
    Json,
}

/// Which passes of a tile are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScheduleArg {
    /// One pass where the pattern allows it.
    #[default]
    Sparse,
    /// Both passes everywhere: the baseline of a speed-up.
    Dense,
}

impl From<ScheduleArg> for Schedule {
    fn from(schedule: ScheduleArg) -> Self {
        match schedule {
            ScheduleArg::Sparse => Self::Sparse,
            ScheduleArg::Dense => Self::Dense,
        }
    }
}

fn dimension((low, high): (usize, usize)) -> impl clap::builder::TypedValueParser<Value = usize> {
    use clap::builder::TypedValueParser;
    clap::value_parser!(u64).range(low as u64..=high as u64).map(|value| value as usize)
}

fn port_bytes() -> impl clap::builder::TypedValueParser<Value = usize> {
    use clap::builder::TypedValueParser;
    clap::value_parser!(u64).try_map(|value| {
        let config = ArrayConfig::default().with_port_bytes(value as usize);
        config.map(|config| config.port_bytes())
    })
}

/// What runs the Verilog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SimulatorArg {
    /// The pinned Verilator: millions of cycles a second.
    #[default]
    Verilator,
    /// The machine's Icarus, for small networks: unknown values stay unknown.
    Icarus,
}

impl From<SimulatorArg> for SimulatorKind {
    fn from(simulator: SimulatorArg) -> Self {
        match simulator {
            SimulatorArg::Verilator => Self::Verilator,
            SimulatorArg::Icarus => Self::Icarus,
        }
    }
}

/// The array; a case brings its own, everything else defaults to 8 x 16.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct ArrayArgs {
    /// Rows of the array, its reduction lanes: 2 to 16.
    #[arg(long, value_name = "R", value_parser = dimension(ArrayConfig::ROWS))]
    pub(crate) rows: Option<usize>,
    /// Columns of the array, its output channels: 2 to 32.
    #[arg(long, value_name = "C", value_parser = dimension(ArrayConfig::COLS))]
    pub(crate) cols: Option<usize>,
    /// Output channels drained a cycle: 2 to 32, an even divisor of twice the rows, at most the columns.
    #[arg(long, value_name = "L", value_parser = dimension(ArrayConfig::LANES))]
    pub(crate) lanes: Option<usize>,
    /// Bytes that the input port takes a cycle: 1, 2, 4, 8 or 16; 4 by default.
    #[arg(long, value_name = "B", value_parser = port_bytes())]
    pub(crate) port_bytes: Option<usize>,
    /// Columns that share a mask, 1 to all of them, which is the default: masks of fewer output channels run at full rate.
    #[arg(long, value_name = "N", value_parser = dimension((1, ArrayConfig::COLS.1)))]
    pub(crate) mask_columns: Option<usize>,
}

impl From<ArrayArgs> for ArraySizes {
    fn from(ArrayArgs { rows, cols, lanes, port_bytes, mask_columns }: ArrayArgs) -> Self {
        Self { rows, cols, lanes, port_bytes, mask_columns }
    }
}

/// Which network; the embedded one if nothing is given.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct NetworkArgs {
    /// A case of tests/cases: a topology with seeded random weights.
    #[arg(long, value_name = "NAME", conflicts_with = "network")]
    pub(crate) case: Option<String>,
    /// A network: a folder, its JSON file, or a .tflite or .onnx model.
    #[arg(long, value_name = "PATH")]
    pub(crate) network: Option<PathBuf>,
}

/// The same with the network as an operand.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct NetworkOperand {
    /// A network: a folder, its JSON file, or a .tflite or .onnx model; the embedded one if neither this nor a case is given.
    #[arg(value_name = "NETWORK", conflicts_with = "case")]
    pub(crate) network: Option<PathBuf>,
    /// A case of tests/cases: a topology with seeded random weights.
    #[arg(long, value_name = "NAME")]
    pub(crate) case: Option<String>,
}

impl From<&NetworkArgs> for NetworkChoice {
    fn from(NetworkArgs { case, network }: &NetworkArgs) -> Self {
        choice(case.as_ref(), network.as_ref())
    }
}

impl From<&NetworkOperand> for NetworkChoice {
    fn from(NetworkOperand { network, case }: &NetworkOperand) -> Self {
        choice(case.as_ref(), network.as_ref())
    }
}

fn choice(case: Option<&String>, network: Option<&PathBuf>) -> NetworkChoice {
    match (case, network) {
        (Some(case), _) => NetworkChoice::Case(case.clone()),
        (None, Some(path)) => NetworkChoice::Path(path.clone()),
        (None, None) => NetworkChoice::Committed,
    }
}

/// `--lut-accumulators`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct AccumulatorArgs {
    /// Keep the accumulators in look-up tables, where block RAMs are short: one to two thousand of them a column.
    #[arg(long)]
    pub(crate) lut_accumulators: bool,
}

impl From<AccumulatorArgs> for AccumulatorMemory {
    fn from(args: AccumulatorArgs) -> Self {
        if args.lut_accumulators { Self::LookUpTables } else { Self::Automatic }
    }
}

/// `--force`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct ForceArgs {
    /// Replace files that Twofold did not write.
    #[arg(long)]
    pub(crate) force: bool,
}

/// `--format`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct FormatArgs {
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) network: NetworkOperand,
    #[command(flatten)]
    pub(crate) array: ArrayArgs,
    /// Make every memory just as deep as the network needs, in the dense schedule too where that fits.
    #[arg(long)]
    pub(crate) fit: bool,
    #[command(flatten)]
    pub(crate) accumulators: AccumulatorArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// Arguments of `compile`.
#[derive(Debug, Args)]
pub(crate) struct CompileArgs {
    #[command(flatten)]
    pub(crate) network: NetworkOperand,
    #[command(flatten)]
    pub(crate) array: ArrayArgs,
    /// Which passes of a tile are run.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) schedule: ScheduleArg,
    /// Make every memory just as deep as this program needs, as `verilog --fit` does for the same schedule.
    #[arg(long)]
    pub(crate) fit: bool,
    /// Folder for the program and its ROM files.
    #[arg(short, long, value_name = "DIR", default_value = "build/program")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) force: ForceArgs,
}

/// Arguments of `verilog`.
#[derive(Debug, Args)]
pub(crate) struct VerilogArgs {
    #[command(flatten)]
    pub(crate) array: ArrayArgs,
    /// Make every memory just as deep as this network's program needs, as `compile --fit` does.
    #[arg(long, value_name = "NETWORK")]
    pub(crate) fit: Option<PathBuf>,
    /// Which passes of a tile that program runs.
    #[arg(long, value_enum, default_value_t, requires = "fit")]
    pub(crate) schedule: ScheduleArg,
    /// Instantiate the ECP5's multipliers instead of leaving them to the tools.
    #[arg(long)]
    pub(crate) ecp5: bool,
    #[command(flatten)]
    pub(crate) accumulators: AccumulatorArgs,
    /// Folder for accelerator.v.
    #[arg(short, long, value_name = "DIR", default_value = "build/verilog")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) force: ForceArgs,
}

/// Arguments of `lint`.
#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    #[command(flatten)]
    pub(crate) array: ArrayArgs,
}

/// What is run on what.
#[derive(Clone, Debug, Args)]
pub(crate) struct WorkloadArgs {
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// int8 images: a file of raw bytes, one image after another, rows of interleaved channels, without pre-processing; or a NumPy
    /// array (.npy) of int8, or of float32, which the input's scale and zero point quantize.
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub(crate) int8: Option<PathBuf>,
    /// Images: `sar-sim`, a folder of class folders of PNG, JPEG, TIFF, BMP or MSTAR original files (its `test`, if it has
    /// one), CIFAR binary files or their .tar.gz, or images without labels: a folder of them, or a single file.
    #[arg(long, value_name = "DIR|FILE|sar-sim", conflicts_with = "case")]
    pub(crate) data: Option<String>,
    /// The band to read of images that have several: `vh`, `vv` or a number from 1; by default the one that the network
    /// was trained on.
    #[arg(long, value_name = "BAND", requires = "data")]
    pub(crate) band: Option<Band>,
    #[command(flatten)]
    pub(crate) array: ArrayArgs,
    /// Make every memory just as deep as the network needs, in the dense schedule too where that fits.
    #[arg(long)]
    pub(crate) fit: bool,
}

impl From<&WorkloadArgs> for WorkloadOptions {
    fn from(args: &WorkloadArgs) -> Self {
        let images = match (&args.int8, &args.data) {
            (Some(path), _) => ImageChoice::Int8(path.clone()),
            (None, Some(source)) => ImageChoice::Data { source: source.clone(), band: args.band },
            (None, None) => ImageChoice::Suitable,
        };
        Self { network: (&args.network).into(), images, array: args.array.into(), fit: args.fit }
    }
}

/// Arguments of `sim`.
#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    #[command(flatten)]
    pub(crate) workload: WorkloadArgs,
    /// How many images; 200 simulated chips, all images of a folder or case by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) images: Option<u32>,
    /// Also write name, label, class and logits of every image, as the RTL gave them, to this JSON file.
    #[arg(long, value_name = "FILE")]
    pub(crate) logits: Option<PathBuf>,
    /// What runs the Verilog.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) simulator: SimulatorArg,
    #[command(flatten)]
    pub(crate) force: ForceArgs,
    /// The clock for images a second.
    #[arg(long, value_name = "MHZ", default_value_t = 50.0, value_parser = positive)]
    pub(crate) clock_mhz: f64,
    /// Threads; one a core by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// Beyond any clock of today's silicon, and any patience.
const LARGEST: f64 = 10_000.0;

fn positive(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().map_err(|error| error.to_string())?;
    if value > 0.0 && value <= LARGEST {
        Ok(value)
    } else {
        Err(format!("not above 0 and at most {LARGEST}"))
    }
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// A report that `sim` saved; the last one by default.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// Arguments of `wave`.
#[derive(Debug, Args)]
pub(crate) struct WaveArgs {
    #[command(flatten)]
    pub(crate) workload: WorkloadArgs,
    /// Which image of the data.
    #[arg(long, value_name = "INDEX", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=9_999))]
    pub(crate) image: u32,
    /// The FST file.
    #[arg(short, long, value_name = "FILE", default_value = "build/wave.fst")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) force: ForceArgs,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) array: ArrayArgs,
    /// A case of tests/cases to run.
    #[arg(long, value_name = "NAME", default_value = "resnet20-uhp")]
    pub(crate) case: String,
    /// Least time to measure, in seconds.
    #[arg(long, value_name = "S", default_value_t = 3.0, value_parser = positive)]
    pub(crate) seconds: f64,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// Arguments of `shapes`.
#[derive(Debug, Args)]
pub(crate) struct ShapesArgs {
    #[command(flatten)]
    pub(crate) array: ArrayArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// Arguments of `fuzz`.
#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    /// At least so many random layers.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) n: u32,
    /// Where the random networks begin; the same seed gives the same run.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many arrays of random size; each is compiled once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) arrays: u16,
    #[command(flatten)]
    pub(crate) array: ArrayArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// Arguments of `disassemble`.
#[derive(Debug, Args)]
pub(crate) struct DisassembleArgs {
    #[command(flatten)]
    pub(crate) network: NetworkOperand,
    #[command(flatten)]
    pub(crate) array: ArrayArgs,
    /// Which passes of a tile are run.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) schedule: ScheduleArg,
}

/// Arguments of `synth`.
#[derive(Debug, Args)]
pub(crate) struct SynthArgs {
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) array: ArrayArgs,
    /// Keep the memories' default depths instead of making them as deep as the network needs.
    #[arg(long)]
    pub(crate) full_memories: bool,
    #[command(flatten)]
    pub(crate) accumulators: AccumulatorArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// Arguments of `pnr`.
#[derive(Debug, Args)]
pub(crate) struct PnrArgs {
    #[command(flatten)]
    pub(crate) synth: SynthArgs,
    /// The clock to reach.
    #[arg(long, value_name = "MHZ", default_value_t = 100.0, value_parser = positive)]
    pub(crate) clock_mhz: f64,
    /// Where the placer's random numbers begin.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) seed: u64,
}
