//! Executes a program one instruction after the other, as docs/isa.md says, and refuses what the hardware would get
//! wrong in silence: bytes that were never written or may not be written yet, two readers of one bank, addresses and
//! accumulators out of range.
//!
//! It is written from that page, whose tables of fields it reads, shares no code with `codegen`, the integer reference or
//! `spec::isa`, and knows no cycles.

use spec::Program;

mod document;
mod error;
mod layer;
mod load;
mod memory;
mod unit;

#[cfg(test)]
mod tests;

use document::{Block, Drain, Instruction, Stream};
pub use error::{InterpreterError, Place, Problem};
use layer::{BlockState, LayerState};
use memory::Bank;
use unit::Next;

/// What a program computes from one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// One a layer of the program.
    pub layers: Vec<LayerResult>,
    /// The values of all outputs, in order.
    pub logits: Vec<i16>,
    /// Index of the largest logit, the lowest of equal ones.
    pub class: usize,
}

/// What a layer of a program computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerResult {
    /// `[height, width, channels]` of the output region when the layer is written, `None` for logits.
    pub output: Option<Vec<i8>>,
    /// Active PEs of its tiles times the pixels streamed.
    pub n_useful_macs: u64,
    /// Units: groups times blocks.
    pub n_units: u64,
}

/// Runs a program on one image of int8 bytes, `[height, width, channels]`.
///
/// # Errors
/// The first thing that breaks a rule of docs/isa.md, and where.
pub fn interpret(program: &Program, image: &[i8]) -> Result<Execution, InterpreterError> {
    let mut machine = Machine::new(program);
    machine.run(image).map_err(|problem| InterpreterError { place: machine.place, problem })
}

/// Units before one that starts to stream that may be unwritten.
const UNWRITTEN: u64 = 3;

/// All state of the accelerator that a program can see.
struct Machine<'program> {
    program: &'program Program,
    banks: [Bank; 4],
    logits: Vec<Option<i16>>,
    loaded: bool,
    stream: Option<Stream>,
    drain: Option<Drain>,
    /// Units so far; the number of the unit in progress.
    n_units: u64,
    /// Number of the first unit of the layer in progress.
    first_unit: u64,
    /// The banks that the last two units read their residuals from, the last one first; `None` if they need none.
    previous_residuals: [Option<usize>; 2],
    /// Units that are written for certain since something waited for them: what is written stays so.
    n_written: u64,
    bank0_released: bool,
    n_useful_macs: u64,
    layers: Vec<LayerResult>,
    place: Place,
}

impl<'program> Machine<'program> {
    fn new(program: &'program Program) -> Self {
        let config = &program.config;
        let memories = config.memories();
        let [bank1, bank2, bank3] = memories.banks();
        let depths = [memories.input, bank1, bank2, bank3];
        Self {
            program,
            banks: depths.map(|depth| Bank::new(depth, config.word_channels())),
            logits: vec![None; memories.logit],
            loaded: false,
            stream: None,
            drain: None,
            n_units: 0,
            first_unit: 1,
            previous_residuals: [None; 2],
            n_written: 0,
            bank0_released: false,
            n_useful_macs: 0,
            layers: Vec::new(),
            place: Place::default(),
        }
    }

    fn run(&mut self, image: &[i8]) -> Result<Execution, Problem> {
        for (pc, words) in self.program.instructions.iter().enumerate() {
            self.place = Place { instruction: pc, layer: self.layers.len(), ..Place::default() };
            let instruction = Instruction::of(words)?;
            match instruction {
                Instruction::Load(load) => {
                    self.load(&load, image)?;
                    self.loaded = true;
                }
                _ if !self.loaded => {
                    return Err(Problem::Order {
                        instruction: instruction.name(),
                        missing: "LOAD",
                    });
                }
                Instruction::Stream(stream) => {
                    let (layer, expected) = (stream.layer, self.layers.len());
                    if layer != expected {
                        return Err(Problem::LayerIndex { found: layer, expected });
                    }
                    self.stream = Some(stream);
                    self.drain = None;
                }
                Instruction::Drain(drain) => self.drain = Some(drain),
                Instruction::Block(block) => self.block(&block)?,
                Instruction::End(end) => {
                    if pc + 1 != self.program.instructions.len() {
                        return Err(Problem::AfterEnd {
                            n: self.program.instructions.len() - pc - 1,
                        });
                    }
                    return self.end(end.logits_minus_1 + 1);
                }
            }
        }
        Err(Problem::NoEnd)
    }

    fn block(&mut self, instruction: &Block) -> Result<(), Problem> {
        let missing = |missing| Problem::Order { instruction: "BLOCK", missing };
        let stream = self.stream.ok_or(missing("STREAM"))?;
        let drain = self.drain.ok_or(missing("DRAIN"))?;
        let layer = LayerState::new(&self.program.config, &stream, &drain)?;
        let block = BlockState::new(&self.program.config, &layer, instruction)?;
        let mut next = Next { tile: layer.tile_base, weight_row: layer.weight_base };
        for group in 0..layer.n_groups {
            self.n_units += 1;
            self.place.group = Some(group);
            let accumulators = self.stream_unit(&layer, &block, &mut next)?;
            self.drain_unit(&layer, &block, group, &accumulators)?;
        }
        self.place.group = None;
        self.bank0_released |= instruction.release_input;
        if instruction.layer_end {
            self.finish_layer(layer.logits)?;
        }
        Ok(())
    }

    /// Takes the layer's output as it is now.
    fn finish_layer(&mut self, is_logits: bool) -> Result<(), Problem> {
        let index = self.layers.len();
        let info = self
            .program
            .layers
            .get(index)
            .ok_or(Problem::LayerCount { n: self.program.layers.len() })?;
        if info.output.is_none() != is_logits {
            return Err(Problem::LogitsFlag);
        }
        let output = info.output.map(|region| self.read_region(region)).transpose()?;
        let n_units = self.n_units + 1 - self.first_unit;
        self.layers.push(LayerResult { output, n_useful_macs: self.n_useful_macs, n_units });
        self.n_useful_macs = 0;
        self.first_unit = self.n_units + 1;
        self.stream = None;
        self.drain = None;
        Ok(())
    }

    fn end(&mut self, n_logits: usize) -> Result<Execution, Problem> {
        let expected = self.program.layers.len();
        if self.layers.len() != expected {
            return Err(Problem::LayerCount { n: expected });
        }
        let lanes = self.program.config.lanes();
        let mut logits = Vec::new();
        let mut n_sent = 0;
        for output in &self.program.outputs {
            for pixel in 0..output.height * output.width {
                let granule = output.address + pixel * output.channels.div_ceil(lanes);
                for index in (0..output.channels).map(|channel| granule * lanes + channel) {
                    let logit = self.logits.get(index).copied().flatten();
                    logits.push(logit.ok_or(Problem::LogitMissing { index })?);
                    n_sent = n_sent.max(index + 1);
                }
            }
        }
        if n_logits != n_sent {
            return Err(Problem::LogitCount { found: n_logits, expected: n_sent });
        }
        let mut class = 0;
        for (index, logit) in logits.iter().enumerate() {
            if *logit > logits[class] {
                class = index;
            }
        }
        Ok(Execution { layers: std::mem::take(&mut self.layers), logits, class })
    }
}
