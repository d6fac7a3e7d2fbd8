//! Whether a network fits an array, and what sets its rate there.

use crate::cases::Case;
use codegen::{Options, Problem};
use spec::files::FileError;
use spec::{AccumulatorMemory, ArrayConfig, ConfigError};

use crate::block_rams::block_rams;
use crate::choice::{ArraySizes, Chosen, NetworkChoice};
use crate::error::FlowError;
use crate::report::{BlockRams, CheckReport, LayerLift};
use crate::workload::{fitted, fitted_with_dense};

const FORMAT_VERSION: u32 = 1;

/// What is checked.
#[derive(Clone, Debug, Default)]
pub struct CheckOptions {
    /// The network.
    pub network: NetworkChoice,
    /// The array.
    pub array: ArraySizes,
    /// Make every memory just as deep as the network needs, in the dense schedule too where that fits.
    pub fit: bool,
    /// What the accumulators are made of, where block RAMs are counted.
    pub accumulators: AccumulatorMemory,
}

/// Says whether the network fits, with every problem at once.
///
/// # Errors
/// A network that cannot be read; one that does not fit is a report.
pub fn check(options: &CheckOptions) -> Result<CheckReport, FlowError> {
    let Chosen { network, config, case, .. } = options.network.read(None)?;
    let compile_options = case.as_ref().map_or(Options::default(), Case::options);
    let mut config = options.array.config(&config)?;
    if options.fit
        && let Ok(fitted) = fitted_with_dense(&network, &config, &compile_options)
    {
        config = fitted;
    }
    let mut found = codegen::check(&network, &config, &compile_options);
    if options.fit {
        // Where the memories could not be sized, only what no depth of a memory cures is a problem.
        found.problems.retain(|problem| !problem.is_curable());
    }
    let program = codegen::compile(&network, &config, &compile_options).ok();
    let rates = program
        .as_ref()
        .map(|program| codegen::rates(&network, &config, &compile_options).with_waits(program));
    let findings = rates.as_ref().map_or(Vec::new(), |rates| rates.findings(&config));
    let lifts = rates.as_ref().map_or(Vec::new(), |rates| {
        let lifts = codegen::lifts(&network, &config, &compile_options, rates);
        let named = rates.layers.iter().zip(lifts);
        named
            .filter_map(|(layer, lift)| {
                let lift = lift?;
                let flags = lift.flags(&config);
                Some(LayerLift { layer: layer.name.clone(), flags, lift })
            })
            .collect()
    });
    let block_ram = fitted(&network, &config, &compile_options).ok().and_then(|fitted| {
        let own = codegen::compile(&network, &fitted, &compile_options).ok()?;
        let contents = program.as_ref().unwrap_or(&own);
        Some(block_rams(&own, &config, contents, options.accumulators))
    });
    let short = block_ram.as_ref().and_then(BlockRams::shortage);
    Ok(CheckReport {
        format_version: FORMAT_VERSION,
        network: network.name,
        rows: config.rows(),
        cols: config.cols(),
        fit: options.fit,
        fits: found.problems.is_empty(),
        n_tile_cycles: rates
            .as_ref()
            .map(|rates| rates.layers.iter().map(|layer| layer.n_tile_cycles).sum()),
        rates,
        lifts,
        memories: found.requirements,
        block_ram,
        problems: found.problems.iter().map(Problem::to_string).collect(),
        notes: found.notes.into_iter().chain(findings).chain(short).collect(),
    })
}

impl CheckReport {
    /// The report of a network that cannot be read, each of its problems by itself.
    ///
    /// # Errors
    /// An array that there cannot be.
    pub fn unreadable(options: &CheckOptions, error: &FlowError) -> Result<Self, ConfigError> {
        let problems = match error {
            FlowError::File(FileError::Network { errors, .. }) => {
                errors.iter().map(ToString::to_string).collect()
            }
            FlowError::Import { reason, .. } => reason.problems(),
            error => vec![error.to_string()],
        };
        let config = options.array.config(&ArrayConfig::default())?;
        Ok(Self {
            format_version: FORMAT_VERSION,
            network: options.network.name(),
            rows: config.rows(),
            cols: config.cols(),
            fit: options.fit,
            fits: false,
            n_tile_cycles: None,
            rates: None,
            lifts: Vec::new(),
            memories: Vec::new(),
            block_ram: None,
            problems,
            notes: Vec::new(),
        })
    }
}
