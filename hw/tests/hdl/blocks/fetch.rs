//! Fetch: an instruction every two cycles, in order, each when what it waits for is there.

use super::Bench;
use super::isa::{INSTRUCTION_WORDS, encode, unknown_opcodes};
use super::program::{Program, program};
use proptest::prelude::*;
use rust_hdl_core::prelude::*;
use twofold_hw::context::{BlockContext, DrainContext, LoadContext, StreamContext};
use twofold_hw::control::fetch::Fetch;

/// Cycles of an instruction that waits for nothing.
const INSTRUCTION: usize = 2;

/// How images are packed.
#[derive(Clone, Debug)]
struct Load {
    block: u64,
    bytes: u64,
    grid: (u64, u64),
    steps: (u64, u64),
    image: (u64, u64),
    outside: (u64, u64),
}

impl Load {
    fn words(&self) -> [u32; INSTRUCTION_WORDS] {
        encode(
            "LOAD",
            &[
                ("block", self.block),
                ("bytes_minus_1", self.bytes - 1),
                ("grid_width_minus_1", self.grid.0 - 1),
                ("grid_height_minus_1", self.grid.1 - 1),
                ("pixel_step", self.steps.0),
                ("row_step", self.steps.1),
                ("row_bytes", self.image.0),
                ("image_height", self.image.1),
                ("fill", self.outside.0),
                ("reach", self.outside.1),
            ],
        )
    }

    fn context(&self) -> LoadContext {
        LoadContext {
            block: bits(self.block),
            bytes_minus_1: bits(self.bytes - 1),
            grid_width_minus_1: bits(self.grid.0 - 1),
            grid_height_minus_1: bits(self.grid.1 - 1),
            pixel_step: bits(self.steps.0),
            row_step: bits(self.steps.1),
            row_bytes: bits(self.image.0),
            image_height: bits(self.image.1),
            fill: bits(self.outside.0),
            reach: bits(self.outside.1),
        }
    }
}

fn load() -> impl Strategy<Value = Load> {
    let pair = |end: u64| (1..end, 1..end);
    let outside = (0..256u64, 0..0x1_0000u64);
    let sizes = (1..9u64, 1..0x1_0001u64, pair(4097), pair(1 << 16));
    (sizes, (1..0x1_0000u64, 1..4096u64), outside).prop_map(
        |((block, bytes, grid, steps), image, outside)| Load {
            block,
            bytes,
            grid,
            steps,
            image,
            outside,
        },
    )
}

/// An instruction, as the model knows it.
#[derive(Clone, Debug, PartialEq)]
enum Instruction {
    Load(LoadContext),
    Stream(StreamContext),
    Drain(DrainContext),
    Block(BlockContext),
    /// Logits, less one.
    End(u64),
    Unknown,
}

/// A program with its bits.
fn instructions(
    load: &Load,
    program: &Program,
    logits: u64,
) -> Vec<(Instruction, [u32; INSTRUCTION_WORDS])> {
    let mut list = vec![(Instruction::Load(load.context()), load.words())];
    for layer in &program.layers {
        list.push((Instruction::Stream(layer.stream.context()), layer.stream.words()));
        list.push((Instruction::Drain(layer.drain.context()), layer.drain.words()));
        for block in &layer.blocks {
            list.push((Instruction::Block(block.context()), block.words()));
        }
    }
    list.push((Instruction::End(logits - 1), encode("END", &[("logits_minus_1", logits - 1)])));
    list
}

/// What the surroundings do in a cycle.
#[derive(Clone, Copy, Debug, Default)]
struct Surroundings {
    image_ready: bool,
    block_taken: bool,
    idle: bool,
    output_busy: bool,
}

/// What has to be seen in a cycle.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    /// Block, and the layer it belongs to.
    block: Option<(BlockContext, StreamContext, DrainContext)>,
    load: Option<LoadContext>,
    /// Logits to send, less one, from when the image is done on.
    logits: Option<u64>,
    image_start: bool,
    running: bool,
    draining: bool,
    image_end: bool,
    done: bool,
    error: bool,
}

/// Lists what has to be seen, from when what the surroundings did.
fn model(program: &[Instruction], cycles: &[Surroundings]) -> Vec<Seen> {
    let n = cycles.len();
    let mut seen = vec![Seen::default(); n];
    let mut fill = |from: usize, to: usize, f: &dyn Fn(&mut Seen)| {
        seen[from.min(n)..to.min(n)].iter_mut().for_each(f);
    };
    let first = |from: usize, condition: &dyn Fn(usize) -> bool| {
        (from..n).find(|t| condition(*t)).unwrap_or(n)
    };
    let (mut stream, mut drain) = (StreamContext::default(), DrainContext::default());
    // From when on the weight loader has the block before; the cycle in which an instruction may act.
    let (mut free, mut t) = (0, INSTRUCTION - 1);
    for instruction in program.iter().cycle() {
        if t >= n {
            break;
        }
        match instruction {
            Instruction::Load(load) => {
                fill(t + 1, n, &|seen| seen.load = Some(*load));
                t = first(t, &|t| cycles[t].image_ready);
                fill(t, t + 1, &|seen| seen.image_start = true);
                fill(t + 1, n, &|seen| (seen.running, seen.done) = (true, false));
            }
            Instruction::End(logits) => {
                let begin = t.max(free);
                t = first(begin, &|t| cycles[t].idle);
                fill(begin, t + 1, &|seen| seen.draining = true);
                fill(t, t + 1, &|seen| seen.image_end = true);
                fill(t + 1, n, &|seen| (seen.running, seen.done) = (false, true));
                fill(t + 1, n, &|seen| seen.logits = Some(*logits));
            }
            Instruction::Stream(context) => {
                t = t.max(free);
                stream = *context;
            }
            Instruction::Drain(context) => {
                // The logits of the image before are still being sent.
                t = first(t.max(free), &|t| !(context.logits && cycles[t].output_busy));
                drain = *context;
            }
            Instruction::Block(block) => {
                t = t.max(free);
                let taken = first(t + 1, &|t| cycles[t].block_taken);
                fill(t + 1, taken + 1, &|seen| seen.block = Some((*block, stream, drain)));
                free = taken + 1;
            }
            Instruction::Unknown => {
                fill(t + 1, n, &|seen| seen.error = true);
                break;
            }
        }
        t += INSTRUCTION;
    }
    seen
}

fn seen(block: &Fetch) -> Seen {
    let up = block.block_valid.val();
    Seen {
        block: up.then(|| (block.block.val(), block.stream.val(), block.drain.val())),
        load: block.configured.val().then(|| block.load.val()),
        logits: Some(block.end_context.val().logits_minus_1.to_u64()),
        image_start: block.image_start.val(),
        running: block.running.val(),
        draining: block.draining.val(),
        image_end: block.image_end.val(),
        done: block.done.val(),
        error: block.error.val(),
    }
}

/// Runs a program from reset on, and compares every cycle with the model.
fn check(
    bench: &mut Bench<Fetch>,
    program: &[(Instruction, [u32; INSTRUCTION_WORDS])],
    surroundings: &[Surroundings],
) -> Result<(), TestCaseError> {
    // What follows the program in its memory must not be executed.
    let word = |address: usize| {
        program.get(address).map_or([u32::MAX; INSTRUCTION_WORDS], |(_, words)| *words)
    };
    let mut read = [u32::MAX; INSTRUCTION_WORDS];
    let mut drive = |bench: &mut Bench<Fetch>, reset: bool, now: Surroundings| {
        let mut now = now;
        bench.set(|fetch| {
            fetch.reset.next = reset;
            fetch.image_ready.next = now.image_ready;
            fetch.idle.next = now.idle;
            fetch.output_busy.next = now.output_busy;
            fetch.word_0.next = bits(read[0].into());
            fetch.word_1.next = bits(read[1].into());
            fetch.word_2.next = bits(read[2].into());
            fetch.word_3.next = bits(read[3].into());
            fetch.word_4.next = bits(read[4].into());
        });
        // Nothing is taken where nothing is offered.
        now.block_taken &= bench.block.block_valid.val();
        bench.set(|fetch| fetch.block_taken.next = now.block_taken);
        let seen = seen(&bench.block);
        read = word(bench.block.program_address.val().index());
        bench.edge();
        (now, seen)
    };
    drive(bench, true, Surroundings::default());
    let (done, seen): (Vec<_>, Vec<_>) =
        surroundings.iter().map(|now| drive(bench, false, *now)).unzip();
    let list: Vec<Instruction> = program.iter().map(|(i, _)| i.clone()).collect();
    for (t, (expected, mut seen)) in model(&list, &done).iter().zip(seen).enumerate() {
        seen.logits = expected.logits.and(seen.logits);
        prop_assert_eq!(&seen, expected, "cycle {} of {:?}", t, list);
    }
    Ok(())
}

/// Cycles in which something happens seldom, or nearly always.
fn surroundings() -> impl Strategy<Value = Vec<Surroundings>> {
    let rate = || prop_oneof![Just(1.0), 0.05..1.0];
    (rate(), rate(), rate(), rate()).prop_flat_map(|(ready, taken, idle, busy)| {
        let flag = prop::bool::weighted;
        let cycle = (flag(ready), flag(taken), flag(idle), flag(1.0 - busy));
        let cycle = cycle.prop_map(|(image_ready, block_taken, idle, output_busy)| Surroundings {
            image_ready,
            block_taken,
            idle,
            output_busy,
        });
        prop::collection::vec(cycle, 50..300)
    })
}

fn bench() -> Bench<Fetch> {
    Bench::new(Fetch::default(), |fetch| &mut fetch.clock)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn runs_instructions_in_order_each_when_it_may(
        load in load(), program in program(), logits in 1..0x1_0001u64,
        before in surroundings(), cycles in surroundings(),
    ) {
        let program = instructions(&load, &program, logits);
        let mut bench = bench();
        // A reset begins anew, wherever it comes.
        check(&mut bench, &program, &before)?;
        check(&mut bench, &program, &cycles)?;
        bench.check_verilog("fetch");
    }

    #[test]
    fn an_unknown_opcode_stops_it_until_reset(
        load in load(), program in program(), cycles in surroundings(),
        at in any::<prop::sample::Index>(), opcode in any::<prop::sample::Index>(),
    ) {
        let program = instructions(&load, &program, 1);
        let mut damaged = program.clone();
        let opcodes: Vec<u32> = unknown_opcodes().collect();
        let at = at.index(damaged.len());
        let (instruction, words) = &mut damaged[at];
        *instruction = Instruction::Unknown;
        words[0] = words[0] & !0xf | opcode.get(&opcodes);
        let mut bench = bench();
        check(&mut bench, &damaged, &cycles)?;
        check(&mut bench, &program, &cycles)?;
        bench.check_verilog("fetch");
    }
}

/// The stimulus reaches every instruction: at full speed a program of this length ends several times.
#[test]
fn the_programs_come_to_their_ends() {
    let always =
        Surroundings { image_ready: true, block_taken: true, idle: true, output_busy: false };
    let load =
        Load { block: 1, bytes: 5, grid: (2, 3), steps: (4, 5), image: (6, 7), outside: (8, 9) };
    let program = instructions(&load, &Program { layers: vec![] }, 3);
    let list: Vec<Instruction> = program.iter().map(|(i, _)| i.clone()).collect();
    let seen = model(&list, &[always; 20]);
    let ends: Vec<usize> = (0..20).filter(|t| seen[*t].image_end).collect();
    assert_eq!(ends, [3, 7, 11, 15, 19]);
}
