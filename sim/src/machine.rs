//! A running accelerator: a program in its ROMs, images in, bits and counters out.

use std::path::Path;

use spec::{ArrayConfig, Memory, Program};

use crate::SimError;
use crate::loaded::{Loaded, RtlExecutor, RunOptions, RunOutput};
use crate::verilator::{Copy, Instance, Job, MemoryShape, Model, RunResult, Watch};

/// One accelerator. Many can run at once, each on a thread of its own.
pub struct Machine {
    instance: Instance,
    config: ArrayConfig,
    loaded: Option<Loaded>,
}

impl Machine {
    /// A new accelerator of `model`, whose Verilog was made for `config`.
    ///
    /// # Errors
    /// If the model cannot be set up, or its banks are not those of `config`.
    pub fn new(model: &Model, config: &ArrayConfig) -> Result<Self, SimError> {
        let instance = model.instance()?;
        for memory in Memory::ACTIVATION {
            let (n_rows, row_bytes) = (memory.depth(config.memories()), memory.bits(config) / 8);
            for name in memory.instances() {
                check_size(name, instance.memory_shape(name), n_rows, row_bytes)?;
            }
        }
        Ok(Self { instance, config: config.clone(), loaded: None })
    }

    /// The array that its Verilog was made for.
    pub fn config(&self) -> &ArrayConfig {
        &self.config
    }

    /// Writes a program into the ROMs.
    ///
    /// # Errors
    /// A program for another configuration, or one that a memory cannot hold.
    pub fn load(&mut self, program: &Program) -> Result<(), SimError> {
        let loaded = Loaded::new(program, &self.config)?;
        for memory in Memory::ROMS {
            let (rows, row_bytes) = (program.rom(memory), memory.bits(&self.config) / 8);
            for name in memory.instances() {
                check_size(name, self.instance.memory_shape(name), rows.len(), row_bytes)?;
                let poked = self.instance.poke(name, &rows.concat(), row_bytes);
                poked.expect("the size was checked");
            }
        }
        for Copy { memory, address, n_words, .. } in &loaded.copies {
            let row_bytes = self.config.word_channels();
            check_size(memory, self.instance.memory_shape(memory), address + n_words, row_bytes)?;
        }
        self.loaded = Some(loaded);
        Ok(())
    }

    /// Writes the first rows, of `row_bytes` bytes each, of a memory that the design has besides those of a program: an
    /// instance of this name with a `mem`.
    ///
    /// # Errors
    /// A memory that is missing or too small.
    pub fn write_memory(
        &mut self,
        name: &str,
        bytes: &[u8],
        row_bytes: usize,
    ) -> Result<(), SimError> {
        check_size(name, self.instance.memory_shape(name), bytes.len() / row_bytes, row_bytes)?;
        self.instance.poke(name, bytes, row_bytes).expect("the size was checked");
        Ok(())
    }

    /// Reads the first rows, `row_bytes` bytes of each, of a memory.
    ///
    /// # Errors
    /// A memory that is missing or too small.
    pub fn read_memory(
        &self,
        name: &str,
        n_rows: usize,
        row_bytes: usize,
    ) -> Result<Vec<u8>, SimError> {
        check_size(name, self.instance.memory_shape(name), n_rows, row_bytes)?;
        Ok(self.instance.peek(name, n_rows, row_bytes).expect("the size was checked"))
    }

    /// The program in the ROMs.
    pub fn program(&self) -> Option<&Program> {
        self.loaded.as_ref().map(|loaded| &loaded.program)
    }

    /// Resets the accelerator and runs images of int8 bytes, `[height, width, channels]` each.
    ///
    /// # Errors
    /// No program, an image of another size, no result in time, an error of the accelerator, counters that do not add
    /// up.
    pub fn run(&mut self, images: &[&[i8]], options: &RunOptions) -> Result<RunOutput, SimError> {
        self.loaded.as_ref().ok_or(SimError::NoProgram)?.check_images(images)?;
        self.run_frames(images, options)
    }

    /// The same with frames of any length but none in place of images: what the input port gets up to each byte with
    /// `input_last`. Results are those of the frames that are images.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_frames(
        &mut self,
        frames: &[&[i8]],
        options: &RunOptions,
    ) -> Result<RunOutput, SimError> {
        let result = self.run_raw(frames, options, u64::MAX, None)?;
        let loaded = self.loaded.as_ref().ok_or(SimError::NoProgram)?;
        let cycle_limit = options.cycle_limit.unwrap_or(loaded.cycle_limit);
        loaded.output(&result, cycle_limit, || self.instance.message())
    }

    /// Resets the accelerator and runs `n_cycles` cycles, at least one, of what [`Self::run_frames`] would run, so that the
    /// next run begins with a reset in the midst of something.
    ///
    /// # Errors
    /// No program, or an end by an error before.
    pub fn run_cycles(
        &mut self,
        frames: &[&[i8]],
        options: &RunOptions,
        n_cycles: u64,
    ) -> Result<(), SimError> {
        let result = self.run_raw(frames, options, n_cycles, None)?;
        let loaded = self.loaded.as_ref().ok_or(SimError::NoProgram)?;
        let cycle_limit = options.cycle_limit.unwrap_or(loaded.cycle_limit);
        loaded.check_ending(&result, cycle_limit, || self.instance.message())
    }

    /// Runs one image and writes every signal to an FST file; the model must have been built with tracing.
    ///
    /// # Errors
    /// As [`Self::run`], and a file that cannot be written. What was traced up to an error is kept: it is what one
    /// wants to see.
    pub fn trace(
        &mut self,
        image: &[i8],
        path: &Path,
        options: &RunOptions,
    ) -> Result<RunOutput, SimError> {
        let error = |reason: String| SimError::Trace { path: path.to_owned(), reason };
        spec::files::open_new_log(path).map_err(|source| error(source.to_string()))?;
        if !self.instance.begin_trace(path) {
            let message = self.instance.message();
            return Err(error(if message.is_empty() {
                "the model has no tracing".to_owned()
            } else {
                message
            }));
        }
        let output = self.run(&[image], options);
        self.instance.end_trace();
        output
    }

    fn run_raw(
        &mut self,
        frames: &[&[i8]],
        options: &RunOptions,
        most_cycles: u64,
        watch: Option<Watch>,
    ) -> Result<RunResult, SimError> {
        let loaded = self.loaded.as_ref().ok_or(SimError::NoProgram)?;
        let bytes: Vec<u8> =
            frames.iter().flat_map(|frame| frame.iter().map(|value| *value as u8)).collect();
        let lengths: Vec<u64> = frames.iter().map(|frame| frame.len() as u64).collect();
        let job = Job {
            bytes: &bytes,
            frames: &lengths,
            image_bytes: loaded.program.n_input_bytes,
            n_logits: loaded.program.n_sent(),
            n_layers: loaded.program.layers.len(),
            copies: if watch.is_some() { &[] } else { &loaded.copies },
            word_bytes: self.config.word_channels(),
            reset_cycles: self.config.reset_cycles() as u64,
            cycle_limit: options.cycle_limit.unwrap_or(loaded.cycle_limit),
            most_cycles,
            back_to_back: options.back_to_back,
            stall_seed: options.stall_seed,
            watch,
        };
        Ok(self.instance.run(&job).expect("sizes were checked when the program was loaded"))
    }
}

impl RtlExecutor for Machine {
    fn program(&self) -> Option<&Program> {
        Machine::program(self)
    }

    fn run(&mut self, images: &[&[i8]], options: &RunOptions) -> Result<RunOutput, SimError> {
        Machine::run(self, images, options)
    }

    fn time_byte(
        &mut self,
        image: &[i8],
        layer: usize,
        bank: usize,
        [word, byte]: [usize; 2],
    ) -> Result<Option<u64>, SimError> {
        let watch = Watch { image: 0, layer, memory: Memory::BANKS[bank], address: word, byte };
        let options = RunOptions::default();
        let result = self.run_raw(&[image], &options, u64::MAX, Some(watch))?;
        let loaded = self.loaded.as_ref().ok_or(SimError::NoProgram)?;
        loaded.check_ending(&result, loaded.cycle_limit, || self.instance.message())?;
        Ok(Some(result.watch_cycle).filter(|cycle| *cycle != 0))
    }
}

fn check_size(
    name: &str,
    shape: Option<MemoryShape>,
    n_rows: usize,
    row_bytes: usize,
) -> Result<(), SimError> {
    let MemoryShape { depth, stride } = shape.unwrap_or(MemoryShape { depth: 0, stride: 0 });
    if n_rows > depth || row_bytes > stride {
        return Err(SimError::MemorySize {
            name: name.to_owned(),
            n_rows,
            row_bytes,
            depth,
            stride,
        });
    }
    Ok(())
}
