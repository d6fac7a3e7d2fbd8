//! `LOAD`: image bytes to packed words.

use super::document::{Lane, Load};
use super::memory::Writer;
use super::{Machine, Problem};

impl Machine<'_> {
    pub(super) fn load(&mut self, fields: &Load, image: &[i8]) -> Result<(), Problem> {
        let program = self.program;
        let (load, manifest) = (fields.bytes_minus_1 + 1, program.n_input_bytes);
        if image.len() != load || load != manifest {
            return Err(Problem::ImageLength { found: image.len(), load, manifest });
        }
        let depth = program.config.memories().image;
        if load > depth {
            return Err(Problem::Address { memory: "image", address: load - 1, depth });
        }
        let block = fields.block;
        if !(1..=8).contains(&block) {
            return Err(Problem::Value { field: "LOAD.block", value: block, why: "1..8" });
        }
        let right = fields.grid_width_minus_1 * fields.pixel_step;
        if right > 0xffff {
            return Err(Problem::Value {
                field: "LOAD.pixel_step",
                value: right,
                why: "a row of 2^16",
            });
        }
        let table = self.lane_table()?;
        let mut address = 0;
        for packed_y in 0..=fields.grid_height_minus_1 {
            for packed_x in 0..=fields.grid_width_minus_1 {
                for entry in &table {
                    for (index, lane) in self.lanes(entry)?.into_iter().enumerate() {
                        let value = packed_byte(fields, image, entry, [packed_y, packed_x, index])?;
                        if !self.banks[0].write(address, lane, value, Writer::Loader) {
                            let depth = self.banks[0].depth();
                            return Err(Problem::Address { memory: "bank 0", address, depth });
                        }
                    }
                    address += usize::from(entry.word_end);
                }
            }
        }
        Ok(())
    }

    /// The entries up to `pixel_end`.
    fn lane_table(&self) -> Result<Vec<Lane>, Problem> {
        let lanes: Vec<Lane> = self.program.lanes.iter().map(|words| Lane::of(words)).collect();
        let missing =
            Problem::Address { memory: "lane table", address: lanes.len(), depth: lanes.len() };
        let last = lanes.iter().position(|lane| lane.pixel_end).ok_or(missing)?;
        if !lanes[last].word_end {
            return Err(Problem::Value {
                field: "LANE.word_end",
                value: 0,
                why: "a pixel ends with a word",
            });
        }
        Ok(lanes[..=last].to_vec())
    }

    /// The lanes that an entry fills.
    fn lanes(&self, entry: &Lane) -> Result<Vec<usize>, Problem> {
        let config = &self.program.config;
        let step = if entry.alternate { 2 } else { 1 };
        let lanes: Vec<usize> = (entry.first_lane..=entry.last_lane).step_by(step).collect();
        if lanes.len() > config.port_bytes() {
            return Err(Problem::Value {
                field: "LANE",
                value: lanes.len(),
                why: "an entry takes at most B bytes",
            });
        }
        match lanes.last() {
            Some(last) if *last >= config.word_channels() => Err(Problem::Value {
                field: "LANE.last_lane",
                value: *last,
                why: "a word has 2 R bytes",
            }),
            _ => Ok(lanes),
        }
    }
}

/// The byte that an entry gives to the `index`-th of its lanes.
fn packed_byte(
    fields: &Load,
    image: &[i8],
    entry: &Lane,
    [packed_y, packed_x, index]: [usize; 3],
) -> Result<i8, Problem> {
    let row = (packed_y * fields.block) as i64 + entry.dy;
    let place = (packed_x * fields.pixel_step + index) as i64 + entry.column;
    let inside = (0..fields.image_height as i64).contains(&row)
        && (0..fields.row_bytes as i64).contains(&place);
    if !inside {
        return Ok(fields.fill as i8);
    }
    let base = (packed_y * fields.row_step + packed_x * fields.pixel_step + index) as i64;
    let address = (base + entry.offset).rem_euclid(1 << 16) as usize;
    if address > fields.reach + packed_y * fields.row_step {
        return Err(Problem::Value {
            field: "LOAD.reach",
            value: address,
            why: "no row reads a byte that it does not wait for",
        });
    }
    let beyond = Problem::Address { memory: "image", address, depth: image.len() };
    image.get(address).copied().ok_or(beyond)
}
