//! The whole accelerator in rust-hdl's own simulator: a program and images in, bits and cycles out, no Verilog.
//!
//! It is the executor between the Rust of the blocks and the text that the emitter makes of them: where it is right and
//! the Verilated model is not, the emitter is wrong. Ports are driven as in docs/memory_map.md, one clock cycle a step:
//! what is seen after an edge is what the next one acts on.

use spec::{Design, Logits, Program, Region, status};
use thiserror::Error;

use crate::accelerator::{Accelerator, TooManyRows};
use crate::leaf::{Unsettled, settle, tick};

/// How to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeOptions {
    /// Offer an image while the one before is computed.
    pub back_to_back: bool,
    /// Nonzero: the input pauses and the output is held, at random from this seed.
    pub stall_seed: u64,
    /// Give up after so many cycles without a result.
    pub cycle_limit: u64,
}

impl Default for NativeOptions {
    fn default() -> Self {
        Self { back_to_back: true, stall_seed: 0, cycle_limit: 1_000_000 }
    }
}

/// Status registers by address.
pub type Registers = [u32; status::REGISTERS.len()];

/// What the accelerator gave for a layer of one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NativeLayer {
    /// When the array turned from this layer to the next, or the image was done; counters are sums since the image's
    /// start.
    pub registers: Registers,
    /// Register `cycles` when its last byte had been written.
    pub written_at: u32,
    /// The map in every bank that holds it: bank and bytes, `[height, width, channels]`. None for logits.
    pub maps: Vec<(usize, Vec<i8>)>,
}

/// What the accelerator gave for one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeImage {
    /// Logits, and the class that the hardware chose.
    pub logits: Logits,
    /// One a layer of the program.
    pub layers: Vec<NativeLayer>,
    /// Cycle of the run at which the last layer had been written.
    pub done_at: u64,
}

/// The results of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeOutput {
    /// One an image.
    pub images: Vec<NativeImage>,
    /// At the end of the run.
    pub registers: Registers,
    /// Cycles simulated, reset not counted.
    pub n_cycles: u64,
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NativeError {
    /// A memory that does not hold its part of the program.
    #[error(transparent)]
    Memory(#[from] TooManyRows),
    /// An image that is not one of the program's.
    #[error("image {image} has {found} bytes, not {expected}; help: give one int8 byte a value")]
    ImageSize {
        /// Which image.
        image: usize,
        /// Bytes of an image.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// No result in time.
    #[error(
        "image {image}: no result within {cycle_limit} cycles, at instruction {instruction}; help: raise the limit, or \
         look for what the instruction waits for"
    )]
    Timeout {
        /// Which image.
        image: usize,
        /// The limit.
        cycle_limit: u64,
        /// Program counter.
        instruction: u32,
    },
    /// The accelerator signals an error.
    #[error("image {image}: instruction {instruction} has an unknown opcode; help: compile again")]
    Hardware {
        /// Which image.
        image: usize,
        /// Program counter.
        instruction: u32,
    },
    /// More or fewer logits than the outputs have.
    #[error(
        "image {image}: the class came after {found} logits, not {expected}; help: the program and its manifest are of \
         two networks, compile again"
    )]
    Protocol {
        /// Which image.
        image: usize,
        /// Classes of the program.
        expected: usize,
        /// Logits before the class.
        found: usize,
    },
    /// A combinational loop.
    #[error(transparent)]
    Unsettled(#[from] Unsettled),
}

/// An accelerator with a program in its ROMs.
///
/// Affordable at toy sizes: every cycle walks all blocks several times, some thousand cycles a second at 2x2 and 3x5 with
/// this crate at its test profile. Its test prints the figures: `cargo test -p twofold-tests --test suite native -- --nocapture`.
pub struct Native {
    accelerator: Box<Accelerator>,
    program: Program,
}

impl Native {
    /// An accelerator of the program's array, for any technology.
    ///
    /// # Errors
    /// A program that is larger than the memories it names.
    pub fn new(program: &Program) -> Result<Self, NativeError> {
        let mut accelerator = Box::new(Accelerator::new(&Design::of(program.config.clone())));
        accelerator.load(program)?;
        Ok(Self { accelerator, program: program.clone() })
    }

    /// The program in the ROMs.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Resets the accelerator and runs images of int8 bytes, `[height, width, channels]` each.
    ///
    /// # Errors
    /// An image of another size, no result in time, an error of the accelerator, another number of logits.
    pub fn run(
        &mut self,
        images: &[&[i8]],
        options: &NativeOptions,
    ) -> Result<NativeOutput, NativeError> {
        let expected = self.program.n_input_bytes;
        let sizes = images.iter().map(|image| image.len()).enumerate();
        if let Some((image, found)) = sizes.into_iter().find(|(_, found)| *found != expected) {
            return Err(NativeError::ImageSize { image, expected, found });
        }
        self.reset()?;
        Run::new(self, images, *options).finish()
    }

    fn reset(&mut self) -> Result<(), NativeError> {
        let top = &mut self.accelerator;
        top.reset.next = true;
        top.input_valid.next = false;
        top.input_last.next = false;
        top.output_ready.next = false;
        for _ in 0..self.program.config.reset_cycles() {
            self.tick()?;
        }
        self.accelerator.reset.next = false;
        Ok(())
    }

    fn tick(&mut self) -> Result<(), NativeError> {
        Ok(tick(&mut *self.accelerator, |top| &mut top.clock)?)
    }

    fn register(&mut self, address: usize) -> Result<u32, NativeError> {
        self.accelerator.status_address.next = (address as u64).into();
        settle(&mut *self.accelerator)?;
        Ok(self.accelerator.status_data.val().to_u32())
    }

    fn registers(&mut self) -> Result<Registers, NativeError> {
        let mut registers = Registers::default();
        for (address, value) in registers.iter_mut().enumerate() {
            *value = self.register(address)?;
        }
        Ok(registers)
    }

    /// What the banks of a region hold.
    fn maps(&self, region: Region) -> Vec<(usize, Vec<i8>)> {
        let Region { banks, address, height, width, channels, first_channel, .. } = region;
        let word_channels = self.program.config.word_channels();
        let words = region.pixel_words(word_channels);
        let map = |bank: usize| {
            let bytes = (0..height * width).flat_map(|pixel| {
                (first_channel..first_channel + channels).map(move |channel| {
                    let word = address + pixel * words + channel / word_channels;
                    (word, channel % word_channels)
                })
            });
            let bytes = bytes.map(|(word, byte)| self.accelerator.bank_byte(bank, word, byte));
            (bank, bytes.collect())
        };
        (0..4).filter(|bank| banks >> bank & 1 == 1).map(map).collect()
    }
}

/// A run on its way.
struct Run<'a> {
    native: &'a mut Native,
    images: &'a [&'a [i8]],
    options: NativeOptions,
    results: Vec<NativeImage>,
    /// Bytes that the input port has accepted.
    sent: usize,
    /// Images that are done, and those whose class has come.
    computed: usize,
    answered: usize,
    logits: Vec<i16>,
    n_cycles: u64,
    random: u64,
}

impl<'a> Run<'a> {
    fn new(native: &'a mut Native, images: &'a [&'a [i8]], options: NativeOptions) -> Self {
        let layers = vec![NativeLayer::default(); native.program.layers.len()];
        let logits = Logits { values: Vec::new(), class: 0 };
        let image = NativeImage { logits, layers, done_at: 0 };
        Self {
            results: vec![image; images.len()],
            native,
            images,
            options,
            sent: 0,
            computed: 0,
            answered: 0,
            logits: Vec::new(),
            n_cycles: 0,
            random: options.stall_seed,
        }
    }

    fn finish(mut self) -> Result<NativeOutput, NativeError> {
        let top = &self.native.accelerator;
        let (mut done, mut layer) = (top.done.val(), top.stream_layer.val().index());
        let mut drained = top.drained_layers.val().index();
        let mut idle = 0;
        while self.answered < self.images.len() || self.computed < self.images.len() {
            let before = (self.answered, self.computed);
            self.step()?;
            let top = &self.native.accelerator;
            let now = (top.done.val(), top.stream_layer.val().index());
            let (drained_now, error) = (top.drained_layers.val().index(), top.error.val());
            if drained_now != drained {
                let first = if drained_now < drained { 0 } else { drained };
                for written in first..drained_now {
                    self.written(written)?;
                }
                drained = drained_now;
            }
            if now.1 != layer {
                if !done {
                    self.streamed(layer)?;
                }
                layer = now.1;
            }
            if now.0 != done {
                done = now.0;
                if done {
                    self.done()?;
                }
            }
            idle = if before == (self.answered, self.computed) { idle + 1 } else { 0 };
            if error || idle > self.options.cycle_limit {
                let instruction = self.native.register(status::PROGRAM_COUNTER)?;
                let (image, cycle_limit) = (self.answered, self.options.cycle_limit);
                return Err(if error {
                    NativeError::Hardware { image: self.computed, instruction }
                } else {
                    NativeError::Timeout { image, cycle_limit, instruction }
                });
            }
        }
        Ok(NativeOutput {
            images: self.results,
            registers: self.native.registers()?,
            n_cycles: self.n_cycles,
        })
    }

    /// A clock cycle: bytes are offered, a beat is accepted.
    fn step(&mut self) -> Result<(), NativeError> {
        let n_bytes = self.native.program.n_input_bytes;
        let sent_images = self.sent / n_bytes;
        let more = sent_images < self.images.len();
        let mut offer = more && (self.options.back_to_back || self.answered >= sent_images);
        let mut accept = true;
        if self.options.stall_seed != 0 {
            let stall = self.next_random();
            offer &= stall & 3 != 0;
            accept = stall & 0x30 != 0;
        }
        let at = self.sent % n_bytes;
        let top = &mut self.native.accelerator;
        let left = if offer { &self.images[sent_images][at..] } else { &[] };
        let n_ports = top.input_data.len();
        let ports = top.input_data.iter_mut().zip(&mut top.input_keep);
        for (index, (data, keep)) in ports.enumerate() {
            let byte = left.get(index);
            data.next = byte.map_or(0, |byte| u64::from(*byte as u8)).into();
            keep.next = byte.is_some();
        }
        top.input_valid.next = offer;
        top.input_last.next = offer && left.len() <= n_ports;
        top.output_ready.next = accept;
        if offer && top.input_ready.val() {
            self.sent += left.len().min(n_ports);
        }
        let beat = (accept && top.output_valid.val())
            .then(|| (top.output_data.val().to_u16(), top.output_last.val()));
        self.native.tick()?;
        self.n_cycles += 1;
        match beat {
            Some((value, last)) => self.receive(value, last),
            None => Ok(()),
        }
    }

    fn receive(&mut self, value: u16, last: bool) -> Result<(), NativeError> {
        if !last {
            self.logits.push(value as i16);
            return Ok(());
        }
        let (image, found) = (self.answered, self.logits.len());
        let program = &self.native.program;
        let expected = program.n_sent();
        let sent = std::mem::take(&mut self.logits);
        match self.results.get_mut(image).filter(|_| found == expected) {
            Some(result) => {
                let values = program.output_values(&sent);
                result.logits = if program.sends_outputs_alone() {
                    Logits { values, class: value.into() }
                } else {
                    Logits::new(values)
                };
            }
            None => return Err(NativeError::Protocol { image, expected, found }),
        }
        self.answered += 1;
        Ok(())
    }

    /// A layer is completely written.
    fn written(&mut self, layer: usize) -> Result<(), NativeError> {
        let written_at = self.native.register(status::CYCLES)?;
        let region = self.native.program.layers.get(layer).and_then(|info| info.output);
        let maps = region.map_or_else(Vec::new, |region| self.native.maps(region));
        if let Some(result) = self.layer(layer) {
            (result.written_at, result.maps) = (written_at, maps);
        }
        Ok(())
    }

    /// The array turns to another layer.
    fn streamed(&mut self, layer: usize) -> Result<(), NativeError> {
        let registers = self.native.registers()?;
        if let Some(result) = self.layer(layer) {
            result.registers = registers;
        }
        Ok(())
    }

    /// An image is computed.
    fn done(&mut self) -> Result<(), NativeError> {
        self.streamed(self.native.program.layers.len() - 1)?;
        if let Some(result) = self.results.get_mut(self.computed) {
            result.done_at = self.n_cycles;
        }
        self.computed += 1;
        Ok(())
    }

    fn layer(&mut self, layer: usize) -> Option<&mut NativeLayer> {
        self.results.get_mut(self.computed)?.layers.get_mut(layer)
    }

    /// Xorshift, as the loop of the Verilated model has it: the same seed stalls in the same cycles.
    fn next_random(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 32) as u32
    }
}
