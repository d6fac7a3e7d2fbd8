//! A program that an executor has loaded: what is run, and how an executor's raw results become an [`ImageResult`].

use std::time::Duration;

use ndarray::Array3;
use spec::{ArrayConfig, Logits, Memory, Program, Region, status};

use crate::SimError;
use crate::counters::Counters;
use crate::verilator::{Copy, Ending, N_REGISTERS, RunResult};

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
    /// The status registers as they were when each layer's last word had been streamed, all of one layer after the other.
    pub status: Vec<u32>,
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
    /// Bad images that the accelerator counted, and whether the newest image was one.
    pub bad_images: BadImages,
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

/// Images that ended early or late and were dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BadImages {
    /// Status register `bad_images`.
    pub n: u32,
    /// The bit of status register `state`.
    pub newest: bool,
}

/// Something that runs a compiled program on images.
pub trait RtlExecutor {
    /// The program that it runs.
    fn program(&self) -> Option<&Program>;

    /// Starts the accelerator anew and runs images of int8 bytes, `[height, width, channels]` each.
    ///
    /// # Errors
    /// No program, an image of another size, no result in time, an error of the accelerator, counters that do not add
    /// up.
    fn run(&mut self, images: &[&[i8]], options: &RunOptions) -> Result<RunOutput, SimError>;

    /// The image's cycle counter when a byte of a layer's map (bank, word and byte) was last changed while the layer was
    /// written, `None` if the layer left it as it was or the executor cannot tell.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn time_byte(
        &mut self,
        image: &[i8],
        layer: usize,
        bank: usize,
        word_and_byte: [usize; 2],
    ) -> Result<Option<u64>, SimError>;
}

/// A program and what follows from it.
pub(crate) struct Loaded {
    pub(crate) program: Program,
    /// Words to copy when a layer has been written, layer by layer.
    pub(crate) copies: Vec<Copy>,
    pub(crate) cycle_limit: u64,
}

impl Loaded {
    /// # Errors
    /// A program for another configuration.
    pub(crate) fn new(program: &Program, config: &ArrayConfig) -> Result<Self, SimError> {
        if program.config != *config {
            return Err(SimError::Config {
                program_rows: program.config.rows(),
                program_cols: program.config.cols(),
                rows: config.rows(),
                cols: config.cols(),
            });
        }
        let outputs = program
            .layers
            .iter()
            .enumerate()
            .filter_map(|(layer, info)| Some((layer, info.output?)));
        let copies =
            outputs.flat_map(|(layer, region)| copies(config, layer, region)).collect::<Vec<_>>();
        Ok(Self { cycle_limit: cycle_limit(program), program: program.clone(), copies })
    }

    /// # Errors
    /// An image of another size than the program's.
    pub(crate) fn check_images(&self, images: &[&[i8]]) -> Result<(), SimError> {
        let expected = self.program.n_input_bytes;
        match images.iter().map(|image| image.len()).enumerate().find(|(_, n)| *n != expected) {
            Some((image, found)) => Err(SimError::ImageSize { image, expected, found }),
            None => Ok(()),
        }
    }

    /// The results of the images, if the run came to its end.
    ///
    /// # Errors
    /// What ended it otherwise (`message` is what the model said last), or counters that do not add up.
    pub(crate) fn output(
        &self,
        result: &RunResult,
        cycle_limit: u64,
        message: impl FnOnce() -> String,
    ) -> Result<RunOutput, SimError> {
        self.check_ending(result, cycle_limit, message)?;
        let images = (0..result.classes.len()).map(|image| self.image_result(result, image));
        Ok(RunOutput {
            images: images.collect::<Result<_, _>>()?,
            n_output_cycles: u64::from(result.output_cycles),
            n_cycles: result.n_cycles,
            cpu_time: result.cpu_time,
            bad_images: BadImages {
                n: result.n_bad_images,
                newest: result.state >> status::BAD_IMAGE_BIT & 1 == 1,
            },
        })
    }

    /// # Errors
    /// What ended a run before its end.
    pub(crate) fn check_ending(
        &self,
        result: &RunResult,
        cycle_limit: u64,
        message: impl FnOnce() -> String,
    ) -> Result<(), SimError> {
        let RunResult { image, stream_layer: layer, drained_layers: drained, .. } = *result;
        let instruction = result.program_counter;
        Err(match result.ending {
            Ending::Finished => return Ok(()),
            Ending::Timeout => {
                SimError::Timeout { image, cycle_limit, layer, drained, instruction }
            }
            Ending::HardwareError => SimError::Hardware { image, layer, instruction },
            Ending::ProtocolError => SimError::Protocol { image, n_logits: self.program.n_sent() },
            Ending::Fatal => SimError::Fatal { message: message() },
        })
    }

    fn image_result(&self, result: &RunResult, image: usize) -> Result<ImageResult, SimError> {
        let config = &self.program.config;
        let n_layers = self.program.layers.len();
        let n_sent = self.program.n_sent();
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
                let bank = Memory::BANKS
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
        let status = &result.registers[image * n_layers * N_REGISTERS..][..n_layers * N_REGISTERS];
        let registers = &result.registers[(image + 1) * n_layers * N_REGISTERS - N_REGISTERS..];
        let values = self.program.output_values(&result.logits[image * n_sent..][..n_sent]);
        let logits = if self.program.sends_outputs_alone() {
            Logits { values, class: result.classes[image] as usize }
        } else {
            Logits::new(values)
        };
        Ok(ImageResult {
            logits,
            layers,
            counters: before,
            n_load_cycles: u64::from(registers[status::LOAD_CYCLES]),
            done_at: result.done_cycles[image],
            status: status.to_vec(),
        })
    }
}

/// The words that hold a map, once a bank.
fn copies(
    config: &ArrayConfig,
    layer: usize,
    region: Region,
) -> impl Iterator<Item = Copy> + use<> {
    let n_words = region.height * region.width * region.pixel_words(config.word_channels());
    let banks = (0..Memory::BANKS.len()).filter(move |bank| region.banks >> bank & 1 == 1);
    banks.map(move |bank| Copy {
        layer,
        memory: Memory::BANKS[bank],
        address: region.address,
        n_words,
    })
}

fn region_map(region: Region, word_bytes: usize, bytes: &[u8]) -> Array3<i8> {
    let Region { height, width, channels, first_channel, .. } = region;
    let pixel_bytes = region.pixel_words(word_bytes) * word_bytes;
    Array3::from_shape_fn((height, width, channels), |(y, x, k)| {
        bytes[(y * width + x) * pixel_bytes + first_channel + k] as i8
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
    fn regions_skip_the_unused_bytes_of_a_pixel() {
        let region = Region::new(2, 0, [1, 2, 5]);
        let bytes: Vec<u8> = (0..16).collect();
        let map = region_map(region, 4, &bytes);
        assert_eq!(map.iter().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 8, 9, 10, 11, 12]);
    }
}
