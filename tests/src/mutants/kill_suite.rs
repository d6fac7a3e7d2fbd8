//! What has to tell a mutant from the right accelerator: programs, images and disturbances, with all that came of them.

use std::time::Duration;

use codegen::{Options, Schedule};
use flow::cases::{Size, random_image};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use sim::{Machine, RunOptions, RunOutput, SimError};
use spec::isa::INSTRUCTION_WORDS;
use spec::{ArrayConfig, Memory, Program, QuantNetwork, run_reference};

use super::networks;
use super::schemata::DIGEST_MEMORY;

/// Sizes that random networks take in turn, the quickest first.
const SIZES: [Size; 4] = [
    Size { n_layers: 2, side: 5, channels: 6 },
    Size { n_layers: 6, side: 4, channels: 7 },
    Size { n_layers: 8, side: 5, channels: 13 },
    Size { n_layers: 5, side: 11, channels: 14 },
];
/// Networks, of which the last ones run only against mutants that all others overlook.
const N_NETWORKS: u64 = 40;
/// Every so many networks are disturbed: frames that are no images, a run that is cut off, an unknown instruction.
const DISTURB_EVERY: u64 = 6;
/// Cycles after which a run is cut off.
const CUT_OFF: [u64; 4] = [3, 90, 310, 720];

/// In the error of a run that an assumption which does not hold stopped.
const STOPPED: &str = "$stop";

/// One run: what goes in and what the right accelerator gives.
struct Step {
    frames: Vec<Vec<i8>>,
    options: RunOptions,
    /// After so many cycles the next run's reset comes, whatever has come of this one.
    cut_off: Option<u64>,
    expected: Outcome,
}

/// What there is to see of a run.
#[derive(PartialEq, Eq, Debug)]
struct Outcome {
    /// Everything that the run tells but the time that the simulator took; of one that is cut off, nothing but an error.
    result: Result<Option<RunOutput>, String>,
    /// Of every output in every cycle.
    outputs: Vec<u8>,
    /// Of what the blocks handed to each other.
    handovers: Vec<u8>,
    /// Of bank 0 and the activation banks at the end.
    banks: [u8; 8],
}

/// Runs of one program.
struct Trial {
    name: String,
    program: Program,
    steps: Vec<Step>,
}

/// All trials of one array.
pub struct KillSuite {
    config: ArrayConfig,
    trials: Vec<Trial>,
}

impl KillSuite {
    /// The suite for `config`, with the results of `machine`, an accelerator of [`super::Schemata::verilog`] without a mistake. Each bit of them is held
    /// against the integer reference.
    ///
    /// # Panics
    /// If the accelerator is not right.
    pub fn new(config: &ArrayConfig, machine: &mut Machine) -> Self {
        let mut suite = Self { config: config.clone(), trials: Vec::new() };
        for seed in 0..N_NETWORKS {
            let size = SIZES[(seed * SIZES.len() as u64 / N_NETWORKS) as usize];
            let network = networks::short(seed, size, config);
            let dense = Options { schedule: Schedule::Dense };
            let fits = codegen::check(&network, config, &dense).problems.is_empty();
            let options = if seed % 3 == 2 && fits { dense } else { Options::default() };
            let program = codegen::compile(&network, config, &options).expect("it was made to fit");
            let images: Vec<_> =
                (0..3).map(|image| random_image(&network, seed << 8 | image)).collect();
            let mut trial = Trial { name: format!("network {seed}"), program, steps: Vec::new() };
            machine.load(&trial.program).expect("the program is for this array");
            trial.step(machine, &images[..1], RunOptions::default());
            trial.step(machine, &images, stalls(seed + 1));
            trial.step(
                machine,
                &images[1..],
                RunOptions { back_to_back: false, ..stalls(seed % 2) },
            );
            for step in &trial.steps {
                step.check(&network);
            }
            trial.cut_off(machine, &images, seed);
            if seed % DISTURB_EVERY == 0 {
                trial.disturb(machine, &images, seed);
            }
            suite.trials.push(trial);
            if seed % DISTURB_EVERY == 1 {
                suite.trials.push(unknown_instruction(machine, &network, &options, config, seed));
            }
        }
        for (seed, network) in (0..).zip(networks::directed(config)) {
            let program = codegen::compile(&network, config, &Options::default()).expect("it fits");
            let name = format!("{} {seed}", network.name);
            let mut trial = Trial { name, program, steps: Vec::new() };
            machine.load(&trial.program).expect("the program is for this array");
            let images: Vec<_> =
                (0..3).map(|image| random_image(&network, seed << 8 | image)).collect();
            trial.step(machine, &images[..2], stalls(seed));
            trial.step(machine, &images[..1], RunOptions::default());
            trial.steps.iter().for_each(|step| step.check(&network));
            trial.cut_off(machine, &images, seed);
            suite.trials.push(trial);
        }
        for Trial { name, steps, .. } in &suite.trials {
            for Step { expected, .. } in steps {
                let error = expected.result.as_ref().err();
                assert!(error.is_none_or(|error| !error.contains(STOPPED)), "{name}: {error:?}");
            }
        }
        suite
    }

    /// The array.
    pub fn config(&self) -> &ArrayConfig {
        &self.config
    }

    /// Cycles that the right accelerator takes for all of it.
    pub fn n_cycles(&self) -> u64 {
        let steps = self.trials.iter().flat_map(|trial| &trial.steps);
        let n_cycles = |step: &Step| match &step.expected.result {
            Ok(Some(run)) => run.n_cycles,
            Ok(None) => step.cut_off.unwrap_or_default(),
            Err(_) => step.options.cycle_limit.unwrap_or_default(),
        };
        steps.map(n_cycles).sum()
    }

    /// What tells this suite from another.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for Trial { name, steps, .. } in &self.trials {
            digest.update(name);
            for step in steps {
                digest.update(format!("{:?}", step.expected));
            }
        }
        digest.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The first trial whose results differ on `machine`, and how; `None` if there is none.
    pub fn first_difference(&self, machine: &mut Machine) -> Option<String> {
        self.trials.iter().find_map(|trial| {
            if let Err(error) = machine.load(&trial.program) {
                return Some(format!("{}: {error}", trial.name));
            }
            let differs = |(index, step): (usize, &Step)| {
                let found = outcome(machine, &step.frames, &step.options, step.cut_off);
                let what = difference(&step.expected, &found)?;
                Some(format!("{}, run {}: {what}", trial.name, index + 1))
            };
            trial.steps.iter().enumerate().find_map(differs)
        })
    }
}

impl Trial {
    /// A run to its end.
    fn step(&mut self, machine: &mut Machine, frames: &[Vec<i8>], options: RunOptions) {
        let expected = outcome(machine, frames, &options, None);
        // A mutant that takes four times as long does not come to an end.
        let cycle_limit = match (options.cycle_limit, &expected.result) {
            (None, Ok(Some(run))) => Some(4 * run.n_cycles + 1000),
            (limit, _) => limit,
        };
        let options = RunOptions { cycle_limit, ..options };
        self.steps.push(Step { frames: frames.to_vec(), options, cut_off: None, expected });
    }

    /// Runs that a reset ends: while an image is loaded, while it is computed and while its logits are sent, each followed
    /// by one of another image, which must not show it.
    fn cut_off(&mut self, machine: &mut Machine, images: &[Vec<i8>], seed: u64) {
        let [a, b, c] = images else { return };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let options = RunOptions { back_to_back: true, ..stalls(seed + 5) };
        let frames = [a.clone(), b.clone()];
        self.step(machine, &frames, options);
        let last = self.steps.last().and_then(|step| step.expected.result.as_ref().ok()?.as_ref());
        let last = last.expect("two images are run to their end");
        let (n_cycles, n_logits) = (last.n_cycles, last.images[0].logits.values.len());
        let loading = rng.random_range(1..=a.len() as u64 + 8);
        let computing = rng.random_range(1..=n_cycles);
        let sending = n_cycles - rng.random_range(1..=n_logits as u64);
        for cut_off in [loading, computing, sending] {
            let expected = outcome(machine, &frames, &options, Some(cut_off));
            let frames = frames.to_vec();
            self.steps.push(Step { frames, options, cut_off: Some(cut_off), expected });
            self.step(machine, std::slice::from_ref(c), stalls(rng.random_range(0..3)));
        }
    }

    /// Runs that end early and images that are none, each followed by runs that must not show it.
    fn disturb(&mut self, machine: &mut Machine, images: &[Vec<i8>], seed: u64) {
        let [a, b, c] = images else { return };
        let long = [&a[..], &[55]].concat();
        let far_too_long = vec![-1; 20_000];
        let merged = [&a[..a.len() - 1], &b[..]].concat();
        let short = if a.len() > 1 { a[1..].to_vec() } else { long.clone() };
        for frames in [
            vec![b.clone(), short.clone(), c.clone(), a.clone()],
            vec![long, vec![1], b.clone(), c.clone()],
            vec![merged, c.clone(), short],
            vec![far_too_long, b.clone()],
        ] {
            self.step(machine, &frames, stalls(0));
            self.step(machine, &frames, RunOptions { back_to_back: false, ..stalls(seed + 3) });
        }
        for cycle_limit in CUT_OFF {
            let cut_off = RunOptions { cycle_limit: Some(cycle_limit), ..stalls(seed & 1) };
            self.step(machine, images, cut_off);
            self.step(machine, &images[..2], stalls(0));
        }
    }
}

impl Step {
    fn check(&self, network: &QuantNetwork) {
        let run = match &self.expected.result {
            Ok(Some(run)) => run,
            other => panic!("{}: {other:?}", network.name),
        };
        assert_eq!(run.images.len(), self.frames.len(), "{}", network.name);
        for (image, result) in self.frames.iter().zip(&run.images) {
            let reference =
                run_reference(network, image).expect("the image has the network's size");
            assert_eq!(result.logits, reference.logits, "{}", network.name);
        }
    }
}

/// A program whose opcodes are wrong from somewhere on: an error, and the end of it by reset.
fn unknown_instruction(
    machine: &mut Machine,
    network: &QuantNetwork,
    options: &Options,
    config: &ArrayConfig,
    seed: u64,
) -> Trial {
    let mut program = codegen::compile(network, config, options).expect("it was made to fit");
    let at = seed as usize % program.instructions.len();
    let unknown: [u32; INSTRUCTION_WORDS] = [[0, 6, 7, 15][seed as usize / 6 % 4], 0, 0, 0, 0];
    program.instructions[at] = unknown;
    let mut trial = Trial { name: format!("unknown instruction {at}"), program, steps: Vec::new() };
    machine.load(&trial.program).expect("the program is for this array");
    let images = [random_image(network, seed), random_image(network, !seed)];
    trial.step(machine, &images, RunOptions { cycle_limit: Some(50_000), ..stalls(0) });
    trial.step(machine, &images[..1], RunOptions { cycle_limit: Some(50_000), ..stalls(seed) });
    trial
}

fn stalls(stall_seed: u64) -> RunOptions {
    RunOptions { stall_seed, ..RunOptions::default() }
}

fn outcome(
    machine: &mut Machine,
    frames: &[Vec<i8>],
    options: &RunOptions,
    cut_off: Option<u64>,
) -> Outcome {
    machine.write_memory(DIGEST_MEMORY, &[0; 16], 8).expect("the design has a digest");
    let frames: Vec<&[i8]> = frames.iter().map(Vec::as_slice).collect();
    let result = match cut_off {
        Some(n_cycles) => machine.run_cycles(&frames, options, n_cycles).map(|()| None),
        None => machine
            .run_frames(&frames, options)
            .map(|run| Some(RunOutput { cpu_time: Duration::ZERO, ..run })),
    };
    let mut outputs = machine.read_memory(DIGEST_MEMORY, 2, 8).expect("the design has a digest");
    let handovers = outputs.split_off(8);
    Outcome {
        result: result.map_err(|error: SimError| error.to_string()),
        outputs,
        handovers,
        banks: banks(machine),
    }
}

fn banks(machine: &Machine) -> [u8; 8] {
    let mut digest = Sha256::new();
    for memory in Memory::ACTIVATION {
        let n_rows = memory.depth(machine.config().memories());
        for name in memory.instances() {
            let rows = machine.read_memory(name, n_rows, machine.config().word_channels());
            digest.update(rows.expect("every accelerator has the banks"));
        }
    }
    digest.finalize()[..8].try_into().expect("a digest has 32 bytes")
}

/// What differs first, `None` if nothing does.
fn difference(expected: &Outcome, found: &Outcome) -> Option<String> {
    if expected == found {
        return None;
    }
    if expected.result == found.result {
        let what = if expected.outputs != found.outputs {
            "an output"
        } else if expected.banks != found.banks {
            "a bank"
        } else {
            "what a block hands over"
        };
        return Some(what.to_owned());
    }
    let (expected, found) = match (&expected.result, &found.result) {
        (Ok(Some(expected)), Ok(Some(found))) => (expected, found),
        (Ok(_), Ok(_)) => return Some("an end".to_owned()),
        (_, Err(error)) => return Some(error.lines().next().unwrap_or_default().to_owned()),
        (Err(error), Ok(_)) => return Some(format!("it runs, where {error} should be")),
    };
    for (index, (expected, found)) in expected.images.iter().zip(&found.images).enumerate() {
        let what = if expected.logits != found.logits {
            "logits"
        } else if expected.counters != found.counters {
            "counters"
        } else if expected.layers != found.layers {
            "layers"
        } else if expected != found {
            "cycles"
        } else {
            continue;
        };
        return Some(format!("{what} of image {index}"));
    }
    Some(if expected.bad_images == found.bad_images { "cycles" } else { "bad images" }.to_owned())
}
