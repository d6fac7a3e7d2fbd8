//! Lowers a quantized network to the accelerator's program and ROM images.
//!
//! A [`spec::QuantNetwork`] and a [`spec::ArrayConfig`] go in; a [`spec::Program`], or every reason why there is none, comes
//! out. Layers become steps (`plan`), their weights tiles (`tiling`), their outputs pixel blocks (`blocks`) at addresses
//! in banks (`place`); the first layer's input is packed to its kernel (`loader`); `lower` writes the records.
//! Nothing here reads a file, knows the hardware's timing, or computes an activation.

mod blocks;
mod cycles;
mod features;
mod limits;
mod listing;
mod loader;
mod lower;
mod options;
mod place;
mod plan;
mod rates;
mod report;
mod tiling;
mod unit;

use spec::isa::Stream;
use spec::{ArrayConfig, Memories, Memory, Program, QuantNetwork};

pub use cycles::{layer_tile_cycles, tile_cycles};
pub use features::{Feature, features};
pub use listing::disassemble;
pub use options::{Options, Schedule};
pub use rates::{
    Bound, DenseRate, LayerChannels, LayerRate, Lift, Losses, Rates, Waits, layer_waits, lifts,
    rates,
};
pub use report::{CompileErrors, Cures, Problem, Report, Requirement};

/// Compiles `network` for the array `config`.
///
/// # Errors
/// Every reason why the network does not run on this array.
pub fn compile(
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
) -> Result<Program, CompileErrors> {
    let (program, report) = analyze(network, config, options, Sizes::OfProblems);
    match program {
        Some(program) if report.problems.is_empty() => Ok(program),
        _ => Err(CompileErrors { problems: report.problems }),
    }
}

/// Says what `network` needs on the array `config`, and everything that keeps it from running there.
pub fn check(network: &QuantNetwork, config: &ArrayConfig, options: &Options) -> Report {
    analyze(network, config, options, Sizes::All).1
}

/// Depths of memories that just hold `network`, as it would be packed and split with the memories of `config`.
///
/// # Errors
/// Reasons that no depth of a memory can mend.
pub fn requirements(
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
) -> Result<Memories, CompileErrors> {
    let report = check(network, config, options);
    let problems: Vec<Problem> =
        report.problems.into_iter().filter(|problem| !problem.is_curable()).collect();
    if !problems.is_empty() {
        return Err(CompileErrors { problems });
    }
    Ok(Memories::from_depths(|memory| {
        let requirement =
            report.requirements.iter().find(|requirement| requirement.memory == memory);
        requirement.map_or(2, |requirement| requirement.needed.max(2))
    }))
}

/// [`requirements`] of memories that hold the dense schedule of `network` too, so that both can be run and compared;
/// those of `options` alone where no depth of a memory holds the dense schedule.
///
/// # Errors
/// Reasons that no depth of a memory can mend, in the schedule of `options`.
pub fn requirements_with_dense(
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
) -> Result<Memories, CompileErrors> {
    let own = requirements(network, config, options)?;
    let dense = requirements(network, config, &Options { schedule: Schedule::Dense });
    Ok(dense.map_or_else(|_| own.clone(), |dense| own.max(&dense)))
}

/// What keeps a validated network from being lowered at all.
fn not_lowered(network: &QuantNetwork) -> Vec<Problem> {
    let found = features(network).into_iter().filter(|(_, feature)| !feature.is_lowered());
    found.map(|(place, feature)| Problem::NotLowered { place, feature }).collect()
}

/// Whether it is worked out how deep the banks must be at least, which is a search.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sizes {
    All,
    /// Only where they are too small.
    OfProblems,
}

fn analyze(
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
    sizes: Sizes,
) -> (Option<Program>, Report) {
    let without_program =
        |problems, notes| (None, Report { requirements: Vec::new(), problems, notes });
    if let Err(errors) = network.validate() {
        return without_program(errors.into_iter().map(Problem::Network).collect(), Vec::new());
    }
    let problems = not_lowered(network);
    if !problems.is_empty() {
        return without_program(problems, Vec::new());
    }
    let mut plan = plan::plan(network, config, options);
    let (n_layers, most) = (plan.steps.len(), 1 << Stream::LAYOUT.layer.width);
    if n_layers > most {
        // Placing so many maps would take long, and its result is of no use.
        plan.problems.insert(0, Problem::TooManyLayers { n_layers, most });
        return without_program(plan.problems, plan.notes);
    }
    let requests: Vec<place::Request> =
        plan.steps.iter().enumerate().map(|(index, step)| step.request(index, config)).collect();
    let available = config.memories().banks();
    let mut problems = Vec::new();
    let (placement, depths_needed) = match place::place(&requests, available) {
        Ok(placement) => {
            let least = (sizes == Sizes::All).then(|| place::min_depths(&requests));
            // Other depths than those that would do best may hold the maps, too.
            let holds = |depths: &place::Depths| (0..3).all(|bank| depths[bank] <= available[bank]);
            let depths = least.filter(holds).unwrap_or_else(|| placement.depths());
            (placement, depths)
        }
        Err(full) => {
            let needed = place::min_depths(&requests);
            problems.push(Problem::Activation {
                layer: plan.steps[full.step].name.clone(),
                n_maps: full.n_maps,
                n_words: full.words,
                word_channels: config.word_channels(),
                needed,
                available,
                largest: Memory::Bank1.largest(),
                fit_helps: true,
            });
            let endless = place::place(&requests, [usize::MAX; 3]);
            (endless.expect("endless banks hold every map"), needed)
        }
    };
    let (program, too_large) = lower::lower(network, config, &plan, &placement);
    let requirements = requirements_of(&plan, &program, depths_needed);
    let is_bank = |memory: Memory| place::BANKS.contains(&memory);
    let short = requirements.iter().filter(|r| r.needed > r.available && !is_bank(r.memory));
    problems.splice(
        0..0,
        short.map(|r| Problem::Memory {
            memory: r.memory,
            unit: r.unit,
            needed: r.needed,
            available: r.available,
            largest: r.memory.largest(),
            fit_helps: true,
            cures: (r.needed > r.memory.largest())
                .then(|| cures(r.memory, network, config, options, &plan)),
        }),
    );
    // An address that overflows says no more than the memory that is too small.
    let full = !problems.is_empty();
    problems.extend(plan.problems);
    let of_network = too_large.into_iter().filter(|found| !(full && found.is_address()));
    problems.extend(of_network.map(|found| found.problem(config)));
    let fit_helps = problems.iter().all(Problem::is_curable);
    problems.iter_mut().for_each(|problem| problem.set_fit_helps(fit_helps));
    let notes = plan.notes;
    (Some(program), Report { requirements, problems, notes })
}

/// What brings the tiles of a network, of which even the largest tile or weight memory holds too few, down to that.
fn cures(
    memory: Memory,
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
    plan: &plan::Plan,
) -> Cures {
    let (rows, cols) = (ArrayConfig::ROWS.1, ArrayConfig::COLS.1);
    let largest = ArrayConfig::new(rows, cols, config.memories().clone())
        .expect("memories of one array are possible on any");
    let on_largest = plan::plan(network, &largest, options);
    let fits = |plan: &plan::Plan, config: &ArrayConfig, pruned: bool| {
        let n_entries = |groups: &[Vec<tiling::Tile>]| {
            let (n_words, n_two_pass) = rates::words(groups);
            match (tiling::n_stored_rows(groups), memory) {
                (Some(n_rows), Memory::Weight) => n_rows,
                (Some(_), _) => n_words + n_two_pass,
                (None, _) => {
                    let n_tiles = n_words + if pruned { 0 } else { n_two_pass };
                    n_tiles * if memory == Memory::Weight { config.tile_rows() } else { 1 }
                }
            }
        };
        plan.steps.iter().map(|step| n_entries(&step.groups)).sum::<usize>() <= memory.largest()
    };
    let may_prune = options.schedule == Schedule::Sparse;
    Cures {
        pruning: (may_prune && fits(plan, config, true)).then(|| config.group_channels()),
        array: fits(&on_largest, &largest, false),
        both: may_prune && fits(&on_largest, &largest, true),
    }
}

fn requirements_of(
    plan: &plan::Plan,
    program: &Program,
    [bank1, bank2, bank3]: place::Depths,
) -> Vec<Requirement> {
    let steps = &plan.steps;
    let blocks = steps.iter().filter(|step| !step.sum).flat_map(|step| &step.blocks);
    // A pixel takes whole granules.
    let lanes = program.config.lanes();
    let n_granules: usize = plan.outputs.iter().map(|output| output.n_granules(lanes)).sum();
    let need = |memory| match memory {
        Memory::Program => ("instructions", program.instructions.len()),
        Memory::Tile => ("tile records", program.tiles.len()),
        Memory::Weight => ("weight rows", program.weights.len()),
        Memory::Parameter => ("parameter rows", program.parameters.len()),
        Memory::Lane => ("lane records", program.lanes.len()),
        Memory::Image => ("bytes", program.n_input_bytes),
        Memory::Input => ("words", plan.loader.n_words()),
        Memory::Bank1 => ("words", bank1),
        Memory::Bank2 => ("words", bank2),
        Memory::Bank3 => ("words", bank3),
        Memory::Accumulator => {
            let largest = blocks.clone().map(blocks::Block::n_pixels).max();
            ("accumulators a column", largest.unwrap_or(1))
        }
        Memory::Logit => ("logits", n_granules * lanes),
    };
    let requirement = |memory: Memory| {
        let (unit, needed) = need(memory);
        let available = memory.depth(program.config.memories());
        Requirement { memory, unit, needed, available }
    };
    Memory::ALL.map(requirement).into()
}
