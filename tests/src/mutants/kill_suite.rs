//! What has to tell a mutant from the right accelerator: programs, images and disturbances, with all that came of them.

use std::time::Duration;

use codegen::{Options, Schedule};
use flow::cases::{Builder, ConvSpec, Size, random_image, random_network};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use sim::{Machine, RunOptions, RunOutput, SimError};
use spec::isa::INSTRUCTION_WORDS;
use spec::{
    ArrayConfig, Conv, FullyConnected, Layer, MAX_MULTIPLIER, MAX_SHIFT, Op, Program, QuantNetwork,
    Sparsity, TensorRef, run_reference,
};

/// Sizes that random networks take in turn, the quickest first.
const SIZES: [Size; 4] = [
    Size { n_layers: 2, side: 5, channels: 6 },
    Size { n_layers: 6, side: 4, channels: 7 },
    Size { n_layers: 8, side: 5, channels: 13 },
    Size { n_layers: 5, side: 11, channels: 14 },
];
/// Networks, of which the last ones run only against mutants that all others overlook.
const N_NETWORKS: u64 = 40;
/// The longest program, in cycles of its tiles an image.
const MOST_CYCLES: u64 = 5_000;
/// Layers of the networks that take every shift.
const N_SCALES: u64 = 8;
/// Every so many networks are disturbed: frames that are no images, a run that is cut off, an unknown instruction.
const DISTURB_EVERY: u64 = 6;
/// Cycles after which a run is cut off.
const CUT_OFF: [u64; 4] = [3, 90, 310, 720];

/// One run: what goes in and what the right accelerator gives.
struct Step {
    frames: Vec<Vec<i8>>,
    options: RunOptions,
    expected: Result<RunOutput, String>,
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
    /// The suite for `config`, with the results of `machine`, an accelerator without a mistake. Each bit of them is held
    /// against the integer reference.
    ///
    /// # Panics
    /// If the accelerator is not right.
    pub fn new(config: &ArrayConfig, machine: &mut Machine) -> Self {
        let mut suite = Self { config: config.clone(), trials: Vec::new() };
        for seed in 0..N_NETWORKS {
            let size = SIZES[(seed * SIZES.len() as u64 / N_NETWORKS) as usize];
            let network = short_network(seed, size, config);
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
            if seed % DISTURB_EVERY == 0 {
                trial.disturb(machine, &images, seed);
            }
            suite.trials.push(trial);
            if seed % DISTURB_EVERY == 1 {
                suite.trials.push(unknown_instruction(machine, &network, &options, config, seed));
            }
        }
        for seed in 0..N_SCALES {
            let network = scales(seed);
            let program = codegen::compile(&network, config, &Options::default()).expect("it fits");
            let mut trial = Trial { name: format!("scales {seed}"), program, steps: Vec::new() };
            machine.load(&trial.program).expect("the program is for this array");
            let images: Vec<_> =
                (0..2).map(|image| random_image(&network, seed << 8 | image)).collect();
            trial.step(machine, &images, stalls(seed));
            trial.steps.iter().for_each(|step| step.check(&network));
            suite.trials.push(trial);
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
        steps.filter_map(|step| Some(step.expected.as_ref().ok()?.n_cycles)).sum()
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
                let found = outcome(machine, &step.frames, &step.options);
                let what = difference(&step.expected, &found)?;
                Some(format!("{}, run {}: {what}", trial.name, index + 1))
            };
            trial.steps.iter().enumerate().find_map(differs)
        })
    }
}

impl Trial {
    fn step(&mut self, machine: &mut Machine, frames: &[Vec<i8>], options: RunOptions) {
        let expected = outcome(machine, frames, &options);
        // A mutant that takes four times as long does not come to an end.
        let cycle_limit = match (options.cycle_limit, &expected) {
            (None, Ok(run)) => Some(4 * run.n_cycles + 1000),
            (limit, _) => limit,
        };
        let options = RunOptions { cycle_limit, ..options };
        self.steps.push(Step { frames: frames.to_vec(), options, expected });
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
        let run =
            self.expected.as_ref().unwrap_or_else(|error| panic!("{}: {error}", network.name));
        assert_eq!(run.images.len(), self.frames.len(), "{}", network.name);
        for (image, result) in self.frames.iter().zip(&run.images) {
            let reference =
                run_reference(network, image).expect("the image has the network's size");
            assert_eq!(result.logits, reference.logits, "{}", network.name);
        }
    }
}

/// Two layers whose channels take every shift, so that what is left of 8 and of 16 bits is shown from every stage of the
/// shifters; biases and multipliers are large and of both signs.
fn scales(seed: u64) -> QuantNetwork {
    let mut builder = Builder::new([1, 1, 4], 1, seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut change = |layer: Option<&mut Layer>, bits: i32| {
        let constants = &mut layer.expect("a layer was added").requantize;
        for channel in 0..constants.bias.len() {
            let shift = channel as i32 % (MAX_SHIFT as i32 + 1);
            // A sum that this shift and a large multiplier bring to about so many bits.
            let n_bits = (bits + shift - 15).clamp(1, 30);
            let bias = rng.random_range(0..1i64 << n_bits) as i32;
            constants.bias[channel] = if rng.random() { bias } else { -bias };
            constants.multiplier[channel] = rng.random_range(MAX_MULTIPLIER / 2..=MAX_MULTIPLIER);
            constants.shift[channel] = shift;
        }
    };
    let map = builder.conv(
        "conv",
        TensorRef::Input,
        &ConvSpec { relu: false, ..ConvSpec::same(48, 1, Sparsity::default()) },
    );
    change(builder.last_mut(), 8);
    builder.fully_connected("logits", map, 96, Sparsity::default(), false);
    let mut network = builder.finish("scales");
    change(network.layers.last_mut(), 16);
    // Small weights leave the sums to the biases; the first half of the logits are biases alone.
    for layer in &mut network.layers {
        let (Op::Conv(Conv { weight, .. }) | Op::FullyConnected(FullyConnected { weight, .. })) =
            &mut layer.op
        else {
            continue;
        };
        let n_alone = if weight.dim().0 > 48 { 48 } else { 0 };
        for ((channel, ..), weight) in weight.indexed_iter_mut() {
            *weight = if channel < n_alone { 0 } else { (*weight).clamp(-1, 1) };
        }
    }
    network
}

/// The first random network from `seed` on that takes few cycles.
fn short_network(seed: u64, size: Size, config: &ArrayConfig) -> QuantNetwork {
    let networks = (0..).map(|other| random_network(seed + other * 1000, size, config));
    let is_short = |network: &QuantNetwork| {
        let program = codegen::compile(network, config, &Options::default());
        program.is_ok_and(|program| codegen::tile_cycles(&program) <= MOST_CYCLES)
    };
    networks.into_iter().find(is_short).expect("there is no end of networks")
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
    let unknown: [u32; INSTRUCTION_WORDS] = [[0, 6, 7, 15][seed as usize / 6 % 4], 0, 0, 0];
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

/// Everything that a run tells but the time that the simulator took.
fn outcome(
    machine: &mut Machine,
    frames: &[Vec<i8>],
    options: &RunOptions,
) -> Result<RunOutput, String> {
    let frames: Vec<&[i8]> = frames.iter().map(Vec::as_slice).collect();
    let run = machine.run_frames(&frames, options).map_err(|error: SimError| error.to_string())?;
    Ok(RunOutput { cpu_time: Duration::ZERO, ..run })
}

/// What differs first, `None` if nothing does.
fn difference(
    expected: &Result<RunOutput, String>,
    found: &Result<RunOutput, String>,
) -> Option<String> {
    if expected == found {
        return None;
    }
    let (expected, found) = match (expected, found) {
        (Ok(expected), Ok(found)) => (expected, found),
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
