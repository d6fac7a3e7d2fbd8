//! A network compiled for an array, and the images that it is run on.

use crate::cases::Case;
use codegen::{Options, Schedule};
use dataset::{Band, Candidates, DatasetError, ReadOptions, SarSim, Source, Split};
use spec::{ArrayConfig, Program, QuantNetwork};

use crate::choice::{Chosen, ImageChoice, WorkloadOptions};
use crate::error::FlowError;
use crate::images::Images;

/// Simulated chips that are run when no number is given.
const N_SIMULATED: usize = 200;
/// Random images that are run for a network without images.
const N_NOISE: usize = 16;

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
    pub(crate) fn read(
        options: &WorkloadOptions,
        n_images: Option<usize>,
    ) -> Result<Self, FlowError> {
        let (source, band) = match &options.images {
            ImageChoice::Data { source, band } => {
                Source::parse(source).reading(ReadOptions { band: *band }).check_band()?;
                (Some(source).filter(|source| *source != Source::SAR_SIM), *band)
            }
            _ => (None, None),
        };
        let source = source.map(|source| Source::parse(source));
        let classes = source.as_ref().map(Source::classes).transpose()?;
        let Chosen { network, config, case, trained_images } =
            options.network.read(classes.as_deref())?;
        let candidates = source.map(|source| candidates(source, &network, band)).transpose()?;
        let compile_options = case.as_ref().map_or(Options::default(), Case::options);
        let mut config = options.array.config(&config)?;
        if options.fit {
            config = fitted_with_dense(&network, &config, &compile_options)?;
        }
        let program = compiled(&network, &config, &compile_options)?;
        let chips = |candidates, n_images| {
            Images::chips(&network, trained_images.as_ref(), candidates, n_images)
        };
        let images = match (&options.images, &case, candidates) {
            (ImageChoice::Int8(path), ..) => Images::int8(&network, path, n_images)?,
            (ImageChoice::Given(images), ..) => {
                let n_images = n_images.unwrap_or(images.len()).min(images.len());
                Images::given(images[..n_images].to_vec())
            }
            (_, Some(case), _) => {
                let case = Case { n_images: n_images.unwrap_or(case.n_images), ..case.clone() };
                Images::noise(case.images(&network))
            }
            (_, None, Some(candidates)) => chips(candidates, n_images)?,
            (choice, None, None)
                if matches!(choice, ImageChoice::Data { .. }) || uses_sar_sim(&network) =>
            {
                chips(Candidates::simulated(n_images.unwrap_or(N_SIMULATED)), None)?
            }
            (_, None, None) => {
                let seeds = 0..n_images.unwrap_or(N_NOISE) as u64;
                Images::noise(
                    seeds.map(|seed| crate::cases::random_image(&network, seed)).collect(),
                )
            }
        };
        Ok(Self { network, program, images })
    }

    /// The same network in two passes everywhere, or why it does not fit.
    pub(crate) fn compile_dense(&self) -> Result<Program, FlowError> {
        compiled(&self.network, &self.program.config, &Options { schedule: Schedule::Dense })
    }
}

/// The first `n` images of `source` as the network takes them, or all if there are fewer.
pub(crate) fn read_images(
    network: &QuantNetwork,
    source: &str,
    band: Option<Band>,
    n: usize,
) -> Result<Vec<Vec<i8>>, FlowError> {
    let candidates = candidates(Source::parse(source), network, band)?;
    let images = Images::chips(network, None, candidates, Some(n))?;
    Ok((0..images.len()).map(|index| images.get(index)).collect())
}

/// What a network may be run on; which band of it, the network says where the user does not.
fn candidates(
    source: Source,
    network: &QuantNetwork,
    band: Option<Band>,
) -> Result<Candidates, FlowError> {
    let recorded = network.band().map(str::parse).transpose().map_err(DatasetError::from)?;
    Ok(source.reading(ReadOptions { band: band.or(recorded) }).candidates()?)
}

/// Whether a network was trained on the simulator's chips: it has their classes.
fn uses_sar_sim(network: &QuantNetwork) -> bool {
    network.input.preprocess.is_some()
        && SarSim::default().load_first(Split::Test, 1).classes == network.classes
}

/// The array with memories that just hold the network's program.
pub(crate) fn fitted(
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
) -> Result<ArrayConfig, FlowError> {
    let memories = codegen::requirements(network, config, options)
        .map_err(|reason| does_not_run(network, config, reason))?;
    Ok(config.clone().with_memories(memories)?)
}

/// The array with memories that just hold the network's program, and that of the dense schedule where any memories do.
pub(crate) fn fitted_with_dense(
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
) -> Result<ArrayConfig, FlowError> {
    let memories = codegen::requirements_with_dense(network, config, options)
        .map_err(|reason| does_not_run(network, config, reason))?;
    Ok(config.clone().with_memories(memories)?)
}

/// Compiles, and says which network did not fit.
pub(crate) fn compiled(
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
) -> Result<Program, FlowError> {
    codegen::compile(network, config, options)
        .map_err(|reason| does_not_run(network, config, reason))
}

pub(crate) fn does_not_run(
    network: &QuantNetwork,
    config: &ArrayConfig,
    reason: codegen::CompileErrors,
) -> FlowError {
    let (rows, cols) = (config.rows(), config.cols());
    FlowError::DoesNotRun { network: network.name.clone(), rows, cols, reason }
}
