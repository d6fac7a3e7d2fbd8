//! What is run on what: a network, the array it is compiled for, and images.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cases::Case;
use codegen::{Options, Schedule};
use dataset::{Band, Candidates, ReadOptions, SarSim, Source, Split, TrainedImages};
use sim::tools::checkout_root;
use spec::files::{network_files, read_network};
use spec::{ArrayConfig, Program, QuantNetwork, shown_path};

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
    /// The images that it was trained on, where that is recorded.
    pub(crate) trained_images: Option<TrainedImages>,
}

impl Chosen {
    fn read(path: &Path) -> Result<Self> {
        let network = read_network(path)?;
        let trained_images = TrainedImages::beside(path, network.training_images_sha256())?;
        Ok(Self { network, config: ArrayConfig::default(), case: None, trained_images })
    }
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
        return Ok(Chosen {
            network,
            config: case.config()?,
            case: Some(case),
            trained_images: None,
        });
    }
    match (&args.network, data) {
        (Some(path), _) => Chosen::read(path),
        (None, None) => Chosen::read(&checkout_path("networks")?.join(DEFAULT_NETWORK)),
        (None, Some(classes)) => Chosen::read(&network_for(classes)?),
    }
}

/// The committed network of these classes, or else the first that has others besides.
fn network_for(classes: &[String]) -> Result<PathBuf> {
    if classes.is_empty() {
        bail!(
            "images without labels do not tell which network to run; help: name one with --network"
        );
    }
    let folder = checkout_path("networks")?;
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("network.json").is_file())
        .collect();
    paths.sort();
    let mut found = None;
    for path in paths {
        let known = read_network(&path)?.classes;
        if classes.iter().all(|class| known.contains(class)) {
            if known.len() == classes.len() {
                return Ok(path);
            }
            found = found.or(Some(path));
        }
    }
    found.with_context(|| {
        format!(
            "no network of {} has the classes {}; help: name a network trained on this data with --network",
            folder.display(),
            classes.join(", ")
        )
    })
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
        if let Some(data) = &args.data {
            Source::parse(data).reading(ReadOptions { band: args.band }).check_band()?;
        }
        let data = args.data.as_ref().filter(|data| *data != Source::SAR_SIM);
        let source = data.map(|data| Source::parse(data));
        let classes = source.as_ref().map(Source::classes).transpose()?;
        let Chosen { network, config, case, trained_images } =
            choose_network(&args.network, classes.as_deref())?;
        let candidates =
            source.map(|source| read_candidates(source, &network, args.band)).transpose()?;
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
        let chips = |candidates, n_images| {
            Images::chips(&network, trained_images.as_ref(), candidates, n_images)
        };
        let images = match (&case, candidates) {
            (Some(case), _) => {
                let case = Case { n_images: n_images.unwrap_or(case.n_images), ..case.clone() };
                Images::noise(case.images(&network))
            }
            (None, Some(candidates)) => chips(candidates, n_images)?,
            (None, None) if args.data.is_some() || uses_sar_sim(&network) => {
                chips(Candidates::simulated(n_images.unwrap_or(N_SIMULATED)), None)?
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

/// What a network may be run on; which band of it, the network says where the user does not.
fn read_candidates(
    source: Source,
    network: &QuantNetwork,
    band: Option<Band>,
) -> Result<Candidates> {
    let recorded = network.band().map(str::parse).transpose()?;
    Ok(source.reading(ReadOptions { band: band.or(recorded) }).candidates()?)
}

/// Whether a network was trained on the simulator's chips: it has their classes.
fn uses_sar_sim(network: &QuantNetwork) -> bool {
    network.input.preprocess.is_some()
        && SarSim::default().load_first(Split::Test, 1).classes == network.classes
}

/// What a run reads: none of its results goes there.
pub(crate) fn inputs(args: &WorkloadArgs) -> Result<Vec<PathBuf>> {
    let mut inputs = network_inputs(&args.network)?;
    inputs.extend(args.network.network.as_deref().map(TrainedImages::path));
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
