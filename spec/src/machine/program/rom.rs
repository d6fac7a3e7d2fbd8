//! The files of a program: `program.json` and one `$readmemh` text a ROM. See docs/isa.md.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::contents::{LayerInfo, OutputInfo, Program, WeightRow};
use crate::digest::hex_digest;
use crate::machine::config::ArrayConfig;
use crate::machine::memories::Memory;
use crate::machine::parameter::Parameter;

const FORMAT: &str = "twofold-program";
const FORMAT_VERSION: u64 = 2;
const MANIFEST: &str = "program.json";

/// What can be wrong with the files of a program.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// A file that is not there or cannot be read.
    #[error("{file}: {source}; help: compile the network again, a program needs all of its files")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A manifest that is not JSON, or has other keys.
    #[error("{file}: {message}; help: compile the network again")]
    Manifest {
        /// The file.
        file: String,
        /// What the parser says.
        message: String,
    },
    /// Another kind of file, or a version that this program does not read.
    #[error(
        "{file}: {format:?} version {version} is not {FORMAT:?} version {FORMAT_VERSION}; help: compile the network again with this release"
    )]
    Version {
        /// The file.
        file: String,
        /// The value of `format`.
        format: String,
        /// The value of `format_version`.
        version: u64,
    },
    /// A ROM that is shorter or longer than the manifest says.
    #[error(
        "{file}: {found} rows, {MANIFEST} says {expected}; help: the file is truncated or of another program, compile again"
    )]
    RowCount {
        /// The file.
        file: String,
        /// Rows in the manifest.
        expected: usize,
        /// Rows in the file.
        found: usize,
    },
    /// A row of another width.
    #[error(
        "{file}, line {line}: {found} digits, a row has {expected}; help: the file is damaged or for another array, compile again"
    )]
    RowWidth {
        /// The file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// Digits of a row.
        expected: usize,
        /// Digits found.
        found: usize,
    },
    /// A character that is not a hexadecimal digit.
    #[error(
        "{file}, line {line}: {found:?} is no lower-case hexadecimal digit; help: the file is damaged, compile again"
    )]
    Digit {
        /// The file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// The first such character.
        found: char,
    },
    /// Bits that are always zero.
    #[error("{file}, line {line}: an unused bit is set; help: the file is damaged, compile again")]
    UnusedBit {
        /// The file.
        file: String,
        /// Counted from 1.
        line: usize,
    },
    /// A ROM with more rows than its memory.
    #[error(
        "{file}: {rows} rows do not fit the {memory} memory of {depth}; help: use a larger {memory} memory"
    )]
    Memory {
        /// The file.
        file: String,
        /// Rows in the manifest.
        rows: usize,
        /// Name of the memory.
        memory: &'static str,
        /// Its depth.
        depth: usize,
    },
}

#[derive(Deserialize)]
struct Header {
    format: String,
    format_version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: String,
    format_version: u64,
    network: String,
    config: ArrayConfig,
    classes: Vec<String>,
    outputs: Vec<OutputInfo>,
    n_input_bytes: usize,
    rows: Rows,
    layers: Vec<LayerInfo>,
    /// Of each ROM's text, by file name: it tells who wrote the file, and is not asked for to read it.
    #[serde(default)]
    sha256: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    program: usize,
    tile: usize,
    weight: usize,
    parameter: usize,
    lane: usize,
}

impl Program {
    /// The names of its files, the manifest first.
    pub const FILE_NAMES: [&'static str; 1 + Memory::ROMS.len()] = {
        let mut names = [MANIFEST; 1 + Memory::ROMS.len()];
        let mut index = 0;
        while index < Memory::ROMS.len() {
            names[1 + index] = match Memory::ROMS[index].file() {
                Some(file) => file,
                None => panic!("a ROM has a file"),
            };
            index += 1;
        }
        names
    };

    /// Every file of the program, in the order of [`Self::FILE_NAMES`]: name and text.
    pub fn to_files(&self) -> Vec<(&'static str, String)> {
        let roms: Vec<_> = Memory::ROMS
            .into_iter()
            .map(|memory| (rom_file(memory), rom_text(&self.rom(memory))))
            .collect();
        let digest =
            |(name, text): &(&str, String)| (String::from(*name), hex_digest(text.as_bytes()));
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            format_version: FORMAT_VERSION,
            network: self.network.clone(),
            config: self.config.clone(),
            classes: self.classes.clone(),
            outputs: self.outputs.clone(),
            n_input_bytes: self.n_input_bytes,
            rows: Rows {
                program: self.instructions.len(),
                tile: self.tiles.len(),
                weight: self.weights.len(),
                parameter: self.parameters.len(),
                lane: self.lanes.len(),
            },
            layers: self.layers.clone(),
            sha256: roms.iter().map(digest).collect(),
        };
        let json = serde_json::to_string_pretty(&manifest).expect("keys are strings");
        [(MANIFEST, json + "\n")].into_iter().chain(roms).collect()
    }

    /// The rows of a ROM as bytes, the least significant of each first; none of a memory that is no ROM.
    pub fn rom(&self, memory: Memory) -> Vec<Vec<u8>> {
        match memory {
            Memory::Program => self.instructions.iter().map(|words| word_bytes(words)).collect(),
            Memory::Tile => self.tiles.iter().map(|words| word_bytes(words)).collect(),
            Memory::Weight => {
                let n_bytes = memory.bits(&self.config) / 8;
                self.weights.iter().map(|row| weight_bytes(row, n_bytes)).collect()
            }
            Memory::Parameter => self.parameters.iter().map(|row| parameter_bytes(row)).collect(),
            Memory::Lane => self.lanes.iter().map(|words| word_bytes(words)).collect(),
            Memory::Image
            | Memory::Input
            | Memory::Bank1
            | Memory::Bank2
            | Memory::Bank3
            | Memory::Accumulator
            | Memory::Logit => Vec::new(),
        }
    }

    /// Reads a program from its files; `read` gives the text of the file of a name.
    ///
    /// # Errors
    /// A file that cannot be read, a manifest of another format, a ROM with a wrong number of rows or a bad row. The
    /// message names the file and the line.
    pub fn from_files(read: impl Fn(&str) -> io::Result<String>) -> Result<Self, ProgramError> {
        let text = |file: &str| {
            read(file).map_err(|source| ProgramError::Read { file: file.to_owned(), source })
        };
        let manifest = parse_manifest(&text(MANIFEST)?)?;
        let Manifest { config, rows, .. } = manifest;
        let rom = |memory: Memory, rows| -> Result<Vec<Vec<u8>>, ProgramError> {
            let (file, depth) = (rom_file(memory), memory.depth(config.memories()));
            if rows > depth {
                let memory = memory.key();
                return Err(ProgramError::Memory { file: String::from(file), rows, memory, depth });
            }
            parse_rom(file, &text(file)?, rows, memory.bits(&config) / 8)
        };
        let instructions = rom(Memory::Program, rows.program)?;
        let tiles = rom(Memory::Tile, rows.tile)?;
        let weights = rom(Memory::Weight, rows.weight)?;
        let parameters = rom(Memory::Parameter, rows.parameter)?;
        let lanes = rom(Memory::Lane, rows.lane)?;
        Ok(Self {
            network: manifest.network,
            classes: manifest.classes,
            outputs: manifest.outputs,
            n_input_bytes: manifest.n_input_bytes,
            instructions: instructions.iter().map(|row| bytes_words(row)).collect(),
            tiles: tiles.iter().map(|row| bytes_words(row)).collect(),
            weights: bytes_weights(&weights, &config)?,
            parameters: bytes_parameters(&parameters)?,
            lanes: lanes.iter().map(|row| bytes_words(row)).collect(),
            layers: manifest.layers,
            config,
        })
    }
}

fn rom_file(memory: Memory) -> &'static str {
    memory.file().expect("a ROM has a file")
}

fn parse_manifest(text: &str) -> Result<Manifest, ProgramError> {
    let file = MANIFEST.to_owned();
    let message = |error: serde_json::Error| ProgramError::Manifest {
        file: file.clone(),
        message: error.to_string(),
    };
    let Header { format, format_version: version } = serde_json::from_str(text).map_err(message)?;
    if format != FORMAT || version != FORMAT_VERSION {
        return Err(ProgramError::Version { file, format, version });
    }
    serde_json::from_str(text).map_err(message)
}

/// Rows as bytes, least significant first, become one line of digits each, most significant first.
fn rom_text(rows: &[Vec<u8>]) -> String {
    let mut text = String::new();
    for row in rows {
        text.extend(row.iter().rev().map(|byte| format!("{byte:02x}")));
        text.push('\n');
    }
    text
}

fn parse_rom(
    file: &str,
    text: &str,
    expected: usize,
    n_bytes: usize,
) -> Result<Vec<Vec<u8>>, ProgramError> {
    let rows =
        text.lines().enumerate().map(|(index, row)| parse_row(file, index + 1, row, n_bytes));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    if rows.len() != expected {
        return Err(ProgramError::RowCount { file: file.to_owned(), expected, found: rows.len() });
    }
    Ok(rows)
}

fn parse_row(file: &str, line: usize, row: &str, n_bytes: usize) -> Result<Vec<u8>, ProgramError> {
    let file = file.to_owned();
    if let Some(found) = row.chars().find(|c| !matches!(c, '0'..='9' | 'a'..='f')) {
        return Err(ProgramError::Digit { file, line, found });
    }
    if row.len() != 2 * n_bytes {
        return Err(ProgramError::RowWidth { file, line, expected: 2 * n_bytes, found: row.len() });
    }
    let digit = |digit: u8| if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 };
    let (pairs, _) = row.as_bytes().as_chunks::<2>();
    Ok(pairs.iter().rev().map(|[high, low]| digit(*high) << 4 | digit(*low)).collect())
}

fn word_bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn bytes_words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let (words, _) = bytes.as_chunks::<4>();
    std::array::from_fn(|index| u32::from_le_bytes(words[index]))
}

fn weight_bytes(WeightRow { weights, crossings }: &WeightRow, n_bytes: usize) -> Vec<u8> {
    let weights = weights.iter().map(|weight| *weight as u8);
    weights.chain(crossings.to_le_bytes()).take(n_bytes).collect()
}

fn bytes_weights(rows: &[Vec<u8>], config: &ArrayConfig) -> Result<Vec<WeightRow>, ProgramError> {
    let row_weights = |(index, row): (usize, &Vec<u8>)| {
        let (weights, crossings) = row.split_at(config.cols());
        let crossings = crossings.iter().rev().fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        if u64::from(crossings) >> config.n_crossings() != 0 {
            return Err(unused_bit(Memory::Weight, index));
        }
        Ok(WeightRow { weights: weights.iter().map(|byte| *byte as i8).collect(), crossings })
    };
    rows.iter().enumerate().map(row_weights).collect()
}

fn unused_bit(memory: Memory, row: usize) -> ProgramError {
    ProgramError::UnusedBit { file: rom_file(memory).to_owned(), line: row + 1 }
}

fn parameter_bytes(row: &[Parameter]) -> Vec<u8> {
    let channel = |parameter: &Parameter| {
        parameter.to_bits().to_le_bytes().into_iter().take(Parameter::BYTES)
    };
    row.iter().flat_map(channel).collect()
}

fn bytes_parameters(rows: &[Vec<u8>]) -> Result<Vec<Vec<Parameter>>, ProgramError> {
    let channel = |bytes: &[u8; Parameter::BYTES]| {
        Parameter::from_bits(bytes.iter().rev().fold(0, |bits, byte| bits << 8 | u128::from(*byte)))
    };
    let row_parameters = |(index, row): (usize, &Vec<u8>)| {
        let (channels, _) = row.as_chunks();
        let row: Option<Vec<Parameter>> = channels.iter().map(channel).collect();
        row.ok_or_else(|| unused_bit(Memory::Parameter, index))
    };
    rows.iter().enumerate().map(row_parameters).collect()
}
