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
        let table = self.lane_table()?;
        let mut address = 0;
        for packed_y in 0..=fields.grid_height_minus_1 {
            for packed_x in 0..=fields.grid_width_minus_1 {
                let mut byte = 0;
                for lane in &table {
                    let row = (packed_y * block) as i64 + lane.dy;
                    let column = (packed_x * block) as i64 + lane.dx;
                    let inside = (0..fields.image_height as i64).contains(&row)
                        && (0..fields.image_width as i64).contains(&column);
                    let value = if inside && lane.valid {
                        let base =
                            (packed_y * fields.row_step + packed_x * fields.pixel_step) as i64;
                        let index = (base + lane.offset).rem_euclid(1 << 16) as usize;
                        *image.get(index).ok_or(Problem::Address {
                            memory: "image",
                            address: index,
                            depth: image.len(),
                        })?
                    } else {
                        0
                    };
                    if byte >= program.config.word_channels() {
                        return Err(Problem::Value {
                            field: "LANE",
                            value: byte,
                            why: "a word has 2 R bytes",
                        });
                    }
                    if !self.banks[0].write(address, byte, value, Writer::Loader) {
                        return Err(Problem::Address {
                            memory: "bank 0",
                            address,
                            depth: self.banks[0].depth(),
                        });
                    }
                    byte += 1;
                    if lane.word_end {
                        address += 1;
                        byte = 0;
                    }
                }
            }
        }
        Ok(())
    }

    /// The entries up to `pixel_end`.
    fn lane_table(&self) -> Result<Vec<Lane>, Problem> {
        let lanes: Vec<Lane> =
            self.program.lanes.iter().map(|word| Lane::of(std::slice::from_ref(word))).collect();
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
}
