//! Where the accelerator first left the reference.

use std::fmt;

use ndarray::Array3;
use serde::{Deserialize, Serialize};
use spec::isa::{Instruction, Stream, Tile};
use spec::{Inference, LayerInfo, LayerOutput, NetworkError, Program, QuantNetwork, run_reference};

use crate::{ImageResult, RtlExecutor, RunOptions, RunOutput, SimError};

/// A unit of work: one pixel block of one channel group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Index of the block in its layer.
    pub block: usize,
    /// Index of the channel group.
    pub group: usize,
    /// First tile record of the unit.
    pub first_tile: usize,
    /// Its last tile record.
    pub last_tile: usize,
}

/// The first value that is not what the reference says: layers in program order, pixels in raster order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// Name of the layer, or `class` if the logits agree and the choice of the class does not.
    pub layer: String,
    /// Channel, or index of the logit.
    pub channel: usize,
    /// Row and column of the pixel.
    pub pixel: [usize; 2],
    /// Bank that holds the value, `None` for a logit.
    pub bank: Option<usize>,
    /// Unit that computed it.
    pub unit: Option<Unit>,
    /// The image's cycle counter when the value was written, or when the layer was if the value was there before.
    pub cycle: u64,
    /// What the reference says.
    pub expected: i64,
    /// What the accelerator gave.
    pub seen: i64,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, channel, pixel: [y, x], bank, unit, cycle, expected, seen } = self;
        write!(f, "layer {layer:?}, channel {channel}, pixel ({y}, {x})")?;
        if let Some(bank) = bank {
            write!(f, ", bank {bank}")?;
        }
        if let Some(Unit { block, group, first_tile, last_tile }) = unit {
            write!(f, ", block {block}, group {group}, tiles {first_tile} to {last_tile}")?;
        }
        write!(f, ", cycle {cycle}: expected {expected}, seen {seen}")
    }
}

/// A run and what the reference says of it.
#[derive(Clone, Debug)]
pub struct CheckedRun {
    /// What the accelerator gave.
    pub run: RunOutput,
    /// One an image.
    pub references: Vec<Inference>,
    /// The first difference of each image.
    pub divergences: Vec<Option<Divergence>>,
}

/// Runs images on `machine`, whose program was compiled from `network`, and compares every bit with the reference.
///
/// # Errors
/// If the run fails or an image has the wrong size. A difference is no error.
pub fn run_and_compare(
    machine: &mut dyn RtlExecutor,
    network: &QuantNetwork,
    images: &[&[i8]],
    options: &RunOptions,
) -> Result<CheckedRun, SimError> {
    let run = machine.run(images, options)?;
    let mut references = Vec::with_capacity(images.len());
    let mut divergences = Vec::with_capacity(images.len());
    for (index, (image, result)) in images.iter().zip(&run.images).enumerate() {
        let reference = run_reference(network, image).map_err(|error| match error {
            NetworkError::ImageLength { expected, found } => {
                SimError::ImageSize { image: index, expected, found }
            }
            error => SimError::Fatal { message: error.to_string() },
        })?;
        divergences.push(first_divergence(machine, image, result, &reference)?);
        references.push(reference);
    }
    Ok(CheckedRun { run, references, divergences })
}

/// Compares all layer outputs, logits and the class of one image with the reference.
///
/// The image is run once more on `machine` to find the cycle, if there is something to find.
///
/// # Errors
/// If that run fails.
///
/// # Panics
/// If the machine holds no program, or one of another network than the reference ran.
pub fn first_divergence(
    machine: &mut dyn RtlExecutor,
    image: &[i8],
    result: &ImageResult,
    reference: &Inference,
) -> Result<Option<Divergence>, SimError> {
    let program = machine.program().ok_or(SimError::NoProgram)?;
    let Some((layer, mut divergence)) = find(program, result, reference) else { return Ok(None) };
    let Some(region) = program.layers[layer].output else { return Ok(Some(divergence)) };
    let word_bytes = program.config.word_channels();
    let pixel = divergence.pixel[0] * region.width + divergence.pixel[1];
    let pixel_word = region.address + pixel * region.pixel_words(word_bytes);
    let first = pixel_word + region.first_channel / word_bytes;
    divergence.unit = unit(program, layer, first, divergence.channel);
    let at = region.first_channel + divergence.channel;
    if let Some(bank) = divergence.bank {
        let [word, byte] = [pixel_word + at / word_bytes, at % word_bytes];
        if let Some(cycle) = machine.time_byte(image, layer, bank, [word, byte])? {
            divergence.cycle = cycle;
        }
    }
    Ok(Some(divergence))
}

/// The first wrong value, with the cycle in which its layer was written: the maps of all layers, then what was sent, then the class.
fn find(
    program: &Program,
    result: &ImageResult,
    reference: &Inference,
) -> Option<(usize, Divergence)> {
    for (index, (info, seen)) in program.layers.iter().zip(&result.layers).enumerate() {
        let Some(expected) = info.network_layer.map(|layer| &reference.layers[layer]) else {
            continue;
        };
        for (bank, map) in &seen.maps {
            let wrong = match expected {
                LayerOutput::Map(expected) => first_wrong(expected, map),
                LayerOutput::Output(expected) => first_wrong(expected, map),
            };
            if let Some(((y, x, channel), expected, found)) = wrong {
                let divergence = Divergence {
                    layer: info.name.clone(),
                    channel,
                    pixel: [y, x],
                    bank: Some(*bank),
                    unit: None,
                    cycle: seen.written_at,
                    expected,
                    seen: found,
                };
                return Some((index, divergence));
            }
        }
    }
    wrong_logit(program, result, reference)
}

/// Position, what is expected and what is there.
type Wrong = ((usize, usize, usize), i64, i64);

fn first_wrong<T: Copy + Into<i64>>(expected: &Array3<T>, map: &Array3<i8>) -> Option<Wrong> {
    assert_eq!(map.dim(), expected.dim(), "program and reference are of one network");
    let pairs = expected.indexed_iter().zip(map);
    pairs
        .map(|((position, expected), found)| (position, (*expected).into(), i64::from(*found)))
        .find(|(_, expected, found)| expected != found)
}

/// The first wrong value of the outputs, which some step sends whatever layer they are of, or the wrong class.
fn wrong_logit(
    program: &Program,
    result: &ImageResult,
    reference: &Inference,
) -> Option<(usize, Divergence)> {
    let (expected, found) = (&reference.logits, &result.logits);
    assert_eq!(
        expected.values.len(),
        found.values.len(),
        "program and reference are of one network"
    );
    let last = program.layers.iter().rposition(|info| info.output.is_none())?;
    let cycle = |layer: usize| result.layers.get(layer).map_or(0, |layer| layer.written_at);
    let wrong = expected.values.iter().zip(&found.values).position(|(value, found)| value != found);
    if let Some(index) = wrong {
        let mut at = index;
        for output in &program.outputs {
            let n_values = output.height * output.width * output.channels;
            if at >= n_values {
                at -= n_values;
                continue;
            }
            let is_sender = |info: &LayerInfo| info.output.is_none() && info.name == output.layer;
            let layer = program.layers.iter().position(is_sender).unwrap_or(last);
            let pixel = at / output.channels;
            let divergence = Divergence {
                layer: output.layer.clone(),
                channel: at % output.channels,
                pixel: [pixel / output.width, pixel % output.width],
                bank: None,
                unit: None,
                cycle: cycle(layer),
                expected: expected.values[index].into(),
                seen: found.values[index].into(),
            };
            return Some((layer, divergence));
        }
    }
    (expected.class != found.class).then(|| {
        let divergence = Divergence {
            layer: "class".to_owned(),
            channel: 0,
            pixel: [0, 0],
            bank: None,
            unit: None,
            cycle: cycle(last),
            expected: expected.class as i64,
            seen: found.class as i64,
        };
        (last, divergence)
    })
}

/// The unit that writes the pixel whose first word is at `word`.
fn unit(program: &Program, layer: usize, word: usize, channel: usize) -> Option<Unit> {
    let mut instructions = program.instructions.iter().filter_map(Instruction::decode);
    let is_layer = |stream: &Stream| stream.layer == layer;
    let stream = instructions.find_map(|instruction| match instruction {
        Instruction::Stream(stream) => Some(stream).filter(is_layer),
        _ => None,
    })?;
    let own: Vec<_> = instructions
        .take_while(|instruction| !matches!(instruction, Instruction::Stream(_)))
        .collect();
    let drain = own.iter().find_map(|instruction| match instruction {
        Instruction::Drain(drain) => Some(drain),
        _ => None,
    })?;
    let mut blocks = own.iter().filter_map(|instruction| match instruction {
        Instruction::Block(block) => Some(block),
        _ => None,
    });
    let block = blocks.position(|block| {
        let windows = |side_minus_1: usize, window_minus_1: usize, stride_minus_1: usize| {
            0..=(side_minus_1 - window_minus_1) / (stride_minus_1 + 1)
        };
        let rows =
            windows(block.height_minus_1, block.window_height_minus_1, block.pool_stride_y_minus_1);
        let columns =
            windows(block.width_minus_1, block.window_width_minus_1, block.pool_stride_x_minus_1);
        rows.into_iter().any(|y| {
            columns.clone().any(|x| {
                block.out_address + y * drain.out_row_step + x * drain.out_pixel_step == word
            })
        })
    })?;
    let group = channel / program.config.group_channels();
    let mut first_tile = stream.tile_base;
    for _ in 0..group {
        first_tile = last_tile(program, first_tile)? + 1;
    }
    Some(Unit { block, group, first_tile, last_tile: last_tile(program, first_tile)? })
}

fn last_tile(program: &Program, first: usize) -> Option<usize> {
    (first..program.tiles.len()).find(|tile| Tile::decode(&program.tiles[*tile]).last)
}
