//! What is run on what: a network, the array it is compiled for, and images.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cases::Case;
use codegen::{Options, Schedule};
use dataset::{Band, ImageSet, ReadOptions, SarSim, Source, Split, SplitOptions};
use sim::tools::checkout_root;
use spec::files::{network_files, read_network};
use spec::{ArrayConfig, Program, QuantNetwork, shown_lines, shown_path};

use crate::args::{NetworkArgs, WorkloadArgs};
use crate::images::Images;

/// Network that is run when nothing else is asked for, a folder of `networks`.
pub(crate) const DEFAULT_NETWORK: &str = "sar-sim-s2d";
/// Simulated chips that are run when no number is given.
const N_SIMULATED: usize = 200;
/// Random images that are run for a network without images.
const N_NOISE: usize = 16;

/// A network and where it came from.
pub(crate) struct Chosen {
    /// The network.
    pub(crate) network: QuantNetwork,
    /// The array that it asks for.
    pub(crate) config: ArrayConfig,
    /// The case that it is of.
    pub(crate) case: Option<Case>,
}

/// A folder of the checkout.
pub(crate) fn checkout_path(path: &str) -> Result<PathBuf> {
    Ok(checkout_root()?.join(path))
}

/// The network that the arguments name; with `data` but no network, the committed one that has its classes.
pub(crate) fn choose_network(args: &NetworkArgs, data: Option<&[String]>) -> Result<Chosen> {
    if let Some(name) = &args.case {
        let case = Case::read(&checkout_path("tests/cases")?, name)?;
        let mut network = case.build();
        network.name = name.clone();
        return Ok(Chosen { network, config: case.config()?, case: Some(case) });
    }
    let network = match (&args.network, data) {
        (Some(path), _) => read_network(path)?,
        (None, None) => read_network(&checkout_path("networks")?.join(DEFAULT_NETWORK))?,
        (None, Some(classes)) => network_for(classes)?,
    };
    Ok(Chosen { network, config: ArrayConfig::default(), case: None })
}

fn network_for(classes: &[String]) -> Result<QuantNetwork> {
    let folder = checkout_path("networks")?;
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("network.json").is_file())
        .collect();
    paths.sort();
    let sorted = |classes: &[String]| {
        let mut classes = classes.to_vec();
        classes.sort();
        classes
    };
    for path in &paths {
        let network = read_network(path)?;
        if sorted(&network.classes) == sorted(classes) {
            return Ok(network);
        }
    }
    bail!(
        "no network of {} has the classes {}; help: name a network trained on this data with --network",
        folder.display(),
        classes.join(", ")
    )
}

/// The array with memories that just hold the network's program.
pub(crate) fn fitted(
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
) -> Result<ArrayConfig> {
    let memories = codegen::requirements(network, config, options)
        .with_context(|| does_not_run(network, config))?;
    Ok(ArrayConfig::new(config.rows(), config.cols(), memories)?)
}

/// The array with memories that just hold the network's program, and that of the dense schedule where any memories do.
pub(crate) fn fitted_with_dense(
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
) -> Result<ArrayConfig> {
    let memories = codegen::requirements_with_dense(network, config, options)
        .with_context(|| does_not_run(network, config))?;
    Ok(ArrayConfig::new(config.rows(), config.cols(), memories)?)
}

fn does_not_run(network: &QuantNetwork, config: &ArrayConfig) -> String {
    let (rows, cols) = (config.rows(), config.cols());
    format!("network {:?} does not run on the {rows}x{cols} array", network.name)
}

/// Compiles, and says which network did not fit.
pub(crate) fn compile(
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
) -> Result<Program> {
    codegen::compile(network, config, options).with_context(|| does_not_run(network, config))
}

/// Everything that a run needs.
pub(crate) struct Workload {
    /// The network.
    pub(crate) network: QuantNetwork,
    /// Compiled for the array.
    pub(crate) program: Program,
    /// What it is run on.
    pub(crate) images: Images,
}

impl Workload {
    /// Reads network and images, and compiles.
    pub(crate) fn read(args: &WorkloadArgs, n_images: Option<usize>) -> Result<Self> {
        let folder = args.data.as_ref().filter(|data| *data != Source::SAR_SIM);
        let source = folder.map(|data| Source::parse(data));
        let classes = source.as_ref().map(Source::classes).transpose()?;
        let Chosen { network, config, case } = choose_network(&args.network, classes.as_deref())?;
        // The classes chose the network; which images are its test images, and which band of them, the network says.
        let set = source.map(|source| load(source, &network, args.band)).transpose()?;
        let options = case.as_ref().map_or(Options::default(), Case::options);
        let mut config = args.array.config(&config)?;
        if args.fit {
            config = fitted_with_dense(&network, &config, &options)?;
        }
        let program = compile(&network, &config, &options)?;
        if let Some(path) = &args.int8 {
            let images = Images::int8(&network, path, n_images)?;
            return Ok(Self { network, program, images });
        }
        let images = match (&case, set) {
            (Some(case), _) => {
                let case = Case { n_images: n_images.unwrap_or(case.n_images), ..case.clone() };
                Images::noise(case.images(&network))
            }
            (None, Some((name, set))) => Images::chips(&network, set, &name, n_images)?,
            (None, None) if args.data.is_some() || uses_sar_sim(&network) => {
                let n_images = n_images.unwrap_or(N_SIMULATED);
                let set = SarSim::default().load_first(Split::Test, n_images);
                Images::chips(&network, set, Source::SAR_SIM, None)?
            }
            (None, None) => {
                let seeds = 0..n_images.unwrap_or(N_NOISE) as u64;
                Images::noise(seeds.map(|seed| cases::random_image(&network, seed)).collect())
            }
        };
        Ok(Self { network, program, images })
    }

    /// The same network in two passes everywhere, or why it does not fit.
    pub(crate) fn compile_dense(&self) -> Result<Program> {
        compile(&self.network, &self.program.config, &Options { schedule: Schedule::Dense })
    }
}

/// The test images of a network, and the name of the data.
fn load(source: Source, network: &QuantNetwork, band: Option<Band>) -> Result<(String, ImageSet)> {
    let recorded = network.band().map(str::parse).transpose()?;
    let source = source.reading(ReadOptions { band: band.or(recorded) });
    let split = SplitOptions { seed: network.split_seed(), ..SplitOptions::default() };
    let set = source.load(Split::Test, &split)?;
    for note in &set.notes {
        eprintln!("note: {}", shown_lines(note));
    }
    Ok((source.name(), set))
}

/// Whether a network was trained on the simulator's chips: it has their classes.
fn uses_sar_sim(network: &QuantNetwork) -> bool {
    network.input.preprocess.is_some()
        && SarSim::default().load_first(Split::Test, 1).classes == network.classes
}

/// What a run reads: none of its results goes there.
pub(crate) fn inputs(args: &WorkloadArgs) -> Result<Vec<PathBuf>> {
    let mut inputs = network_inputs(&args.network)?;
    inputs.extend(args.int8.clone());
    inputs.extend(args.data.as_ref().filter(|data| *data != Source::SAR_SIM).map(PathBuf::from));
    Ok(inputs)
}

/// The files of the network or the case that the arguments name.
pub(crate) fn network_inputs(args: &NetworkArgs) -> Result<Vec<PathBuf>> {
    if let Some(name) = &args.case {
        return Ok(vec![checkout_path("tests/cases")?.join(format!("{name}.json"))]);
    }
    Ok(args.network.as_ref().map_or(Vec::new(), |path| network_files(path)))
}

/// Where `sim` saves its report.
pub(crate) fn report_path() -> Result<PathBuf> {
    checkout_path("build/report.json")
}

/// The name of a file in messages: relative to the current folder where possible.
pub(crate) fn shown(path: &Path) -> String {
    let current = std::env::current_dir().unwrap_or_default();
    shown_path(path.strip_prefix(&current).unwrap_or(path)).to_string()
}
