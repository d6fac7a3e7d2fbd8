//! What the test bench printed, line by line: nothing is skipped but Icarus' own warnings of ROMs that are not full.

use std::time::Duration;

use super::bench::MARK;
use crate::SimError;
use crate::loaded::Loaded;
use crate::verilator::{Ending, N_REGISTERS, RunResult};

/// The raw results of a run.
///
/// # Errors
/// An output that is unknown, and lines that are not the bench's.
pub(super) fn result(
    text: &str,
    loaded: &Loaded,
    frames: &[&[i8]],
    cpu_time: Duration,
) -> Result<RunResult, SimError> {
    let program = &loaded.program;
    let n_images = frames.iter().filter(|frame| frame.len() == program.n_input_bytes).count();
    let (n_layers, n_logits) = (program.layers.len(), program.n_sent());
    let n_words: usize = loaded.copies.iter().map(|copy| copy.n_words).sum();
    let n_bytes = n_words * program.config.word_channels();
    let mut parser = Parser {
        result: RunResult {
            outputs: Vec::with_capacity(n_images * n_bytes),
            logits: Vec::with_capacity(n_images * n_logits),
            classes: Vec::with_capacity(n_images),
            registers: vec![0; n_images * n_layers * N_REGISTERS],
            drained_cycles: vec![0; n_images * n_layers],
            done_cycles: vec![0; n_images],
            n_cycles: 0,
            cpu_time,
            watch_cycle: 0,
            ending: Ending::Fatal,
            image: 0,
            stream_layer: 0,
            drained_layers: 0,
            output_cycles: 0,
            program_counter: 0,
            state: 0,
            n_bad_images: 0,
        },
        n_layers,
        unknown_port: None,
        written: (0, 0),
    };
    let mut ended = false;
    for line in text.lines().filter(|line| !is_warning(line)) {
        let end = parser.line(line).ok_or_else(|| unexpected(line))??;
        if std::mem::replace(&mut ended, end) {
            return Err(unexpected(line));
        }
    }
    let last = text.lines().last().unwrap_or_default();
    let result = parser.result;
    let complete = result.outputs.len() == n_images * n_bytes
        && result.logits.len() == n_images * n_logits
        && result.classes.len() == n_images;
    if !ended || (result.ending == Ending::Finished && !complete) {
        return Err(unexpected(last));
    }
    Ok(result)
}

/// The ROMs are deeper than the program is long.
fn is_warning(line: &str) -> bool {
    line.starts_with("WARNING: ") && line.contains("$readmemh") && line.contains("Not enough words")
}

fn unexpected(line: &str) -> SimError {
    SimError::IcarusOutput { line: line.to_owned() }
}

struct Parser {
    result: RunResult,
    n_layers: usize,
    unknown_port: Option<String>,
    /// Image and layer whose words follow.
    written: (usize, usize),
}

impl Parser {
    /// Takes a line: whether it is the last, or what is unknown; `None` if it is no line of the bench.
    fn line(&mut self, line: &str) -> Option<Result<bool, SimError>> {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        if words.next()? != MARK {
            return None;
        }
        let kind = words.next()?;
        let words: Vec<&str> = words.collect();
        let result = &mut self.result;
        match (kind, &words[..]) {
            ("logit", [_, value]) => result.logits.push(hex(value)? as u16 as i16),
            ("class", [_, value]) => result.classes.push(hex(value)? as u32),
            ("registers", [image, layer, values @ ..]) if values.len() == N_REGISTERS => {
                let entry = index(image)? * self.n_layers + index(layer)?;
                let to = result.registers.chunks_mut(N_REGISTERS).nth(entry)?;
                for (register, value) in to.iter_mut().zip(values) {
                    let Some(value) = hex(value) else {
                        return Some(Err(unknown(format!("a status register, {value}"))));
                    };
                    *register = value as u32;
                }
            }
            ("written", [image, layer, cycle]) => {
                self.written = (index(image)?, index(layer)?);
                let entry = self.written.0 * self.n_layers + self.written.1;
                *result.drained_cycles.get_mut(entry)? = hex(cycle)? as u32;
            }
            ("word", [value]) => {
                let Some(bytes) = bytes(value) else {
                    let (image, layer) = self.written;
                    let what =
                        format!("a word of the map of layer {layer}, image {image}, {value}");
                    return Some(Err(unknown(what)));
                };
                result.outputs.extend(bytes);
            }
            ("done", [image, cycle]) => {
                *result.done_cycles.get_mut(index(image)?)? = cycle.parse().ok()?;
            }
            ("ending", ["unknown", port]) => self.unknown_port = Some((*port).to_owned()),
            ("ending", [why]) => {
                result.ending = match *why {
                    "finished" => Ending::Finished,
                    "timeout" => Ending::Timeout,
                    "error" => Ending::HardwareError,
                    "protocol" => Ending::ProtocolError,
                    _ => return None,
                };
            }
            (
                "end",
                [cycles, computed, answered, streamed, drained, output, counter, state, bad],
            ) => {
                result.n_cycles = cycles.parse().ok()?;
                if let Some(port) = self.unknown_port.take() {
                    return Some(Err(unknown(format!("port {port}, cycle {}", result.n_cycles))));
                }
                let error = result.ending == Ending::HardwareError;
                result.image = index(if error { computed } else { answered })?;
                result.stream_layer = index(streamed)? as u32;
                result.drained_layers = index(drained)? as u32;
                result.output_cycles = hex(output)? as u32;
                result.program_counter = hex(counter)? as u32;
                result.state = hex(state)? as u32;
                result.n_bad_images = hex(bad)? as u32;
                return Some(Ok(true));
            }
            _ => return None,
        }
        Some(Ok(false))
    }
}

fn unknown(what: String) -> SimError {
    SimError::Unknown { what }
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

fn index(text: &str) -> Option<usize> {
    text.parse().ok()
}

/// The bytes of a word, the least significant first.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| (digit as char).to_digit(16).map(|digit| digit as u8);
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    rest.is_empty().then(|| pairs.iter().rev().map(byte).collect())?
}
