//! A running accelerator: a program in its ROMs, images in, bits and counters out.

use std::path::Path;
use std::time::Duration;

use ndarray::Array3;
use spec::{ArrayConfig, Logits, Program, Region};

use crate::SimError;
use crate::counters::Counters;
use crate::verilator::{
    Copy, Ending, Instance, Job, MemoryShape, Model, N_REGISTERS, RunResult, Watch,
};

const BANKS: [&str; 4] = ["bank0", "bank1", "bank2", "bank3"];
/// File of a program and the memory that holds it.
const ROMS: [(&str, &str); 5] = [
    ("program.hex", "program_memory"),
    ("tile.hex", "tile_memory"),
    ("weight.hex", "weight_memory"),
    ("parameter.hex", "parameter_memory"),
    ("lane.hex", "lane_memory"),
];

/// What the accelerator gave for a layer of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerResult {
    /// Its own part of the image's counters.
    pub counters: Counters,
    /// The image's cycle counter when its last byte had been written.
    pub written_at: u64,
    /// The map in every bank that holds it, `[height, width, channels]`; none for logits.
    pub maps: Vec<(usize, Array3<i8>)>,
}

/// What the accelerator gave for one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageResult {
    /// Logits, and the class that the hardware chose.
    pub logits: Logits,
    /// One a layer of the program.
    pub layers: Vec<LayerResult>,
    /// The whole image.
    pub counters: Counters,
    /// Cycles from an image's first byte to its last packed word; of the image that was loaded last.
    pub n_load_cycles: u64,
    /// Cycle of the run at which the last layer had been written.
    pub done_at: u64,
}

/// How to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// Offer an image while the one before is computed.
    pub back_to_back: bool,
    /// Nonzero: the input pauses and the output is held, at random from this seed.
    pub stall_seed: u64,
    /// Give up after so many cycles without a result; `None` derives a limit from the program.
    pub cycle_limit: Option<u64>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { back_to_back: true, stall_seed: 0, cycle_limit: None }
    }
}

/// The results of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOutput {
    /// One an image.
    pub images: Vec<ImageResult>,
    /// Cycles of sending the logits and the class of the image that was sent last.
    pub n_output_cycles: u64,
    /// Cycles simulated, reset not counted.
    pub n_cycles: u64,
    /// Processor time that the simulation took.
    pub cpu_time: Duration,
}

impl RunOutput {
    /// Cycles from the end of the last image but one to the end of the last; `None` of one image alone.
    ///
    /// Of images that were offered back to back, that is the steady state: the accelerator takes as many cycles from the
    /// first image to the second as from any other to the next.
    pub fn n_cycles_between_images(&self) -> Option<u64> {
        let [.., before, last] = &self.images[..] else { return None };
        Some(last.done_at - before.done_at)
    }
}

struct Loaded {
    program: Program,
    copies: Vec<Copy>,
    cycle_limit: u64,
}

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
        let depths = [config.memories().input, config.memories().activation];
        for (index, name) in BANKS.into_iter().enumerate() {
            let (n_rows, row_bytes) = (depths[index.min(1)], config.word_channels());
            let shape = instance.memory_shape(name);
            check_size(name, shape, n_rows, row_bytes)?;
        }
        Ok(Self { instance, config: config.clone(), loaded: None })
    }

    /// Writes a program into the ROMs.
    ///
    /// # Errors
    /// A program for another configuration, or one that a memory cannot hold.
    pub fn load(&mut self, program: &Program) -> Result<(), SimError> {
        if program.config != self.config {
            return Err(SimError::Config {
                program_rows: program.config.rows(),
                program_cols: program.config.cols(),
                rows: self.config.rows(),
                cols: self.config.cols(),
            });
        }
        let files = program.to_files();
        for (file, memory) in ROMS {
            let (_, text) =
                files.iter().find(|(name, _)| *name == file).expect("a program has every file");
            let (bytes, row_bytes) = rom_bytes(text);
            check_size(
                memory,
                self.instance.memory_shape(memory),
                bytes.len() / row_bytes,
                row_bytes,
            )?;
            self.instance.poke(memory, &bytes, row_bytes).expect("the size was checked");
        }
        let copies = program
            .layers
            .iter()
            .enumerate()
            .filter_map(|(layer, info)| Some((layer, info.output?)));
        let copies: Vec<_> =
            copies.flat_map(|(layer, region)| self.copies(layer, region)).collect();
        for Copy { memory, address, n_words, .. } in &copies {
            let row_bytes = self.config.word_channels();
            check_size(memory, self.instance.memory_shape(memory), address + n_words, row_bytes)?;
        }
        self.loaded =
            Some(Loaded { cycle_limit: cycle_limit(program), program: program.clone(), copies });
        Ok(())
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
        let result = self.run_raw(images, options, None)?;
        let loaded = self.loaded.as_ref().ok_or(SimError::NoProgram)?;
        let images =
            (0..images.len()).map(|image| loaded.image_result(&self.config, &result, image));
        Ok(RunOutput {
            images: images.collect::<Result<_, _>>()?,
            n_output_cycles: u64::from(result.output_cycles),
            n_cycles: result.n_cycles,
            cpu_time: result.cpu_time,
        })
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

    /// The image's cycle counter when a byte of a layer's map was last changed while the layer was written, `None` if
    /// the layer left it as it was.
    pub(crate) fn time_byte(
        &mut self,
        image: &[i8],
        layer: usize,
        bank: usize,
        [word, byte]: [usize; 2],
    ) -> Result<Option<u64>, SimError> {
        let watch = Watch { image: 0, layer, memory: BANKS[bank], address: word, byte };
        let result = self.run_raw(&[image], &RunOptions::default(), Some(watch))?;
        Ok(Some(result.watch_cycle).filter(|cycle| *cycle != 0))
    }

    fn run_raw(
        &mut self,
        images: &[&[i8]],
        options: &RunOptions,
        watch: Option<Watch>,
    ) -> Result<RunResult, SimError> {
        let loaded = self.loaded.as_ref().ok_or(SimError::NoProgram)?;
        let expected = loaded.program.n_input_bytes;
        if let Some((image, found)) =
            images.iter().map(|image| image.len()).enumerate().find(|(_, n)| *n != expected)
        {
            return Err(SimError::ImageSize { image, expected, found });
        }
        let bytes: Vec<u8> =
            images.iter().flat_map(|image| image.iter().map(|value| *value as u8)).collect();
        let n_logits = loaded.program.classes.len();
        let cycle_limit = options.cycle_limit.unwrap_or(loaded.cycle_limit);
        let job = Job {
            images: &bytes,
            image_bytes: expected,
            n_logits,
            n_layers: loaded.program.layers.len(),
            copies: if watch.is_some() { &[] } else { &loaded.copies },
            word_bytes: self.config.word_channels(),
            // The control delay lines of the array have no reset: they are flushed.
            reset_cycles: (self.config.rows() + self.config.cols() + 16) as u64,
            cycle_limit,
            back_to_back: options.back_to_back,
            stall_seed: options.stall_seed,
            watch,
        };
        let result =
            self.instance.run(&job).expect("sizes were checked when the program was loaded");
        let RunResult {
            image,
            stream_layer: layer,
            drained_layers: drained,
            program_counter: instruction,
            ..
        } = result;
        match result.ending {
            Ending::Finished => Ok(result),
            Ending::Timeout => {
                Err(SimError::Timeout { image, cycle_limit, layer, drained, instruction })
            }
            Ending::HardwareError => Err(SimError::Hardware { image, layer, instruction }),
            Ending::ProtocolError => Err(SimError::Protocol { image, n_logits }),
            Ending::Fatal => Err(SimError::Fatal { message: self.instance.message() }),
        }
    }

    fn copies(&self, layer: usize, region: Region) -> impl Iterator<Item = Copy> + use<> {
        let n_words =
            region.height * region.width * region.channels.div_ceil(self.config.word_channels());
        let banks = (0..BANKS.len()).filter(move |bank| region.banks >> bank & 1 == 1);
        banks.map(move |bank| Copy { layer, memory: BANKS[bank], address: region.address, n_words })
    }
}

impl Loaded {
    fn image_result(
        &self,
        config: &ArrayConfig,
        result: &RunResult,
        image: usize,
    ) -> Result<ImageResult, SimError> {
        let n_layers = self.program.layers.len();
        let n_logits = self.program.classes.len();
        let word_bytes = config.word_channels();
        let image_words: usize = self.copies.iter().map(|copy| copy.n_words).sum();
        let mut bytes =
            &result.outputs[image * image_words * word_bytes..][..image_words * word_bytes];
        let mut layers: Vec<LayerResult> = Vec::with_capacity(n_layers);
        let mut before = Counters::default();
        for (index, info) in self.program.layers.iter().enumerate() {
            let entry = image * n_layers + index;
            let total =
                Counters::from_registers(&result.registers[entry * N_REGISTERS..], config.n_pes());
            let sum = total.sum();
            if sum != total.n_cycles {
                let layer = info.name.clone();
                return Err(SimError::Counters { image, layer, n_cycles: total.n_cycles, sum });
            }
            let mut maps = Vec::new();
            for copy in self.copies.iter().filter(|copy| copy.layer == index) {
                let (own, rest) = bytes.split_at(copy.n_words * word_bytes);
                bytes = rest;
                let bank = BANKS
                    .iter()
                    .position(|bank| *bank == copy.memory)
                    .expect("copies are of banks");
                maps.push((
                    bank,
                    region_map(info.output.expect("only maps are copied"), word_bytes, own),
                ));
            }
            let written_at = u64::from(result.drained_cycles[entry]);
            layers.push(LayerResult { counters: total.since(&before), written_at, maps });
            before = total;
        }
        let registers = &result.registers[(image + 1) * n_layers * N_REGISTERS - N_REGISTERS..];
        let values = result.logits[image * n_logits..][..n_logits].to_vec();
        Ok(ImageResult {
            logits: Logits { values, class: result.classes[image] as usize },
            layers,
            counters: before,
            n_load_cycles: u64::from(registers[11]),
            done_at: result.done_cycles[image],
        })
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

/// The rows of a ROM file, least significant byte first, and their width.
fn rom_bytes(text: &str) -> (Vec<u8>, usize) {
    let digit = |digit: u8| {
        (digit as char).to_digit(16).expect("a ROM file holds hexadecimal digits") as u8
    };
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for line in text.lines() {
        let (pairs, _) = line.as_bytes().as_chunks::<2>();
        bytes.extend(pairs.iter().rev().map(|[high, low]| digit(*high) << 4 | digit(*low)));
    }
    (bytes, text.lines().next().map_or(1, |line| line.len() / 2))
}

fn region_map(region: Region, word_bytes: usize, bytes: &[u8]) -> Array3<i8> {
    let Region { height, width, channels, .. } = region;
    let pixel_bytes = channels.div_ceil(word_bytes) * word_bytes;
    Array3::from_shape_fn((height, width, channels), |(y, x, k)| {
        bytes[(y * width + x) * pixel_bytes + k] as i8
    })
}

/// Far more cycles than an image can take: every block as large as the accumulators allow, four times over, and the
/// packing of a full bank.
fn cycle_limit(program: &Program) -> u64 {
    let memories = program.config.memories();
    let blocks: usize =
        program.layers.iter().map(|layer| (layer.n_tiles + 64) * layer.n_blocks).sum();
    let packing = memories.input * program.config.word_channels() + 8 * program.n_input_bytes;
    (4 * blocks * memories.accumulator + 2 * packing + 100_000) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rom_rows_are_reversed_into_memory_order() {
        assert_eq!(rom_bytes("0102\na0ff\n"), (vec![2, 1, 0xff, 0xa0], 2));
        assert_eq!(rom_bytes(""), (vec![], 1));
    }

    #[test]
    fn regions_skip_the_unused_bytes_of_a_pixel() {
        let region = Region { banks: 2, address: 0, height: 1, width: 2, channels: 5 };
        let bytes: Vec<u8> = (0..16).collect();
        let map = region_map(region, 4, &bytes);
        assert_eq!(map.iter().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 8, 9, 10, 11, 12]);
    }
}
