//! `BLOCK`: streaming and draining one unit.

use spec::{Parameter, Program};

use super::document::Tile;
use super::layer::{BlockState, LayerState, Residual};
use super::memory::Writer;
use super::{Machine, Problem, UNWRITTEN};

const ADDRESSES: usize = 1 << 16;
const COORDINATES: usize = 1 << 12;

/// Accumulators of a unit: `[accumulator][column]`.
type Accumulators = Vec<Vec<i32>>;

/// What the next tile of a block begins with.
pub(super) struct Next {
    /// Its record.
    pub(super) tile: usize,
    /// Its first weight row.
    pub(super) weight_row: usize,
}

impl Machine<'_> {
    /// Streams all tiles of the group that begins at `next`, which goes on to the next group.
    pub(super) fn stream_unit(
        &mut self,
        layer: &LayerState,
        block: &BlockState,
        next: &mut Next,
    ) -> Result<Accumulators, Problem> {
        let program = self.program;
        let n_accumulators = if layer.sum { 1 } else { block.height * block.width };
        let mut accumulators = vec![vec![0i32; program.config.cols()]; n_accumulators];
        if block.waits.all {
            self.n_written = self.first_unit - 1;
        }
        for (back, bank) in (1..).zip(self.previous_residuals) {
            if bank == Some(layer.in_bank) && !self.is_written(self.n_units - back) {
                return Err(Problem::PortConflict { bank: layer.in_bank });
            }
        }
        if layer.in_bank == 0 && self.bank0_released {
            return Err(Problem::Released);
        }
        loop {
            let address = next.tile;
            self.place.tile = Some(address);
            let record = program.tiles.get(address);
            let depth = program.tiles.len();
            let record =
                record.ok_or(Problem::Address { memory: "tile memory", address, depth })?;
            let record = Tile::of(record);
            let rows = tile_rows(program, &record, &mut next.weight_row)?;
            if block.waits.late && record.after > 0 {
                let n_written = self.first_unit.saturating_sub(record.after as u64);
                self.n_written = self.n_written.max(n_written);
            }
            self.stream_tile(layer, block, &record, &rows, &mut accumulators)?;
            let n_pixels = (block.height * block.width) as u64;
            self.n_useful_macs += record.active as u64 * n_pixels;
            next.tile += 1;
            if record.last {
                self.place.tile = None;
                return Ok(accumulators);
            }
        }
    }

    fn stream_tile(
        &mut self,
        layer: &LayerState,
        block: &BlockState,
        record: &Tile,
        rows: &[Row],
        accumulators: &mut Accumulators,
    ) -> Result<(), Problem> {
        let Tile { mask, offset, ky, kx, .. } = *record;
        if mask >> rows.len() != 0 {
            return Err(Problem::Value {
                field: "TILE.mask",
                value: mask,
                why: "bits beyond R are 0",
            });
        }
        for (py, px) in (0..block.height).flat_map(|py| (0..block.width).map(move |px| (py, px))) {
            self.place.pixel = Some((py, px));
            let coordinate = |start: i64, tap, steps| {
                (start + (tap + steps) as i64).rem_euclid(COORDINATES as i64) as usize
            };
            let inside = coordinate(block.y0, ky, py * layer.stride_y) < layer.in_height
                && coordinate(block.x0, kx, px * layer.stride_x) < layer.in_width;
            let address = (block.in_address + offset + py * layer.row_step + px * layer.pixel_step)
                % ADDRESSES;
            let bank = &self.banks[layer.in_bank];
            let depth = bank.depth();
            let word = match (inside, bank.word(address)) {
                (false, _) => None,
                (true, Some(word)) => Some(word),
                (true, None) => {
                    return Err(Problem::Address { memory: "input map", address, depth });
                }
            };
            let index = if layer.sum { 0 } else { py * block.width + px };
            let read = |byte: usize| match word {
                None => Ok(i32::from(layer.fill)),
                Some((bytes, writers)) => {
                    let (bank, word) = (layer.in_bank, address);
                    match writers[byte] {
                        Writer::Nobody => Err(Problem::Unwritten { bank, word, byte }),
                        Writer::Unit(unit) | Writer::Cleared(unit) if !self.is_written(unit) => {
                            Err(Problem::NotYetWritten { bank, word, byte })
                        }
                        _ => Ok(i32::from(bytes[byte])),
                    }
                }
            };
            for (r, row) in rows.iter().enumerate() {
                // What no weight is multiplied with may be anything.
                for (c, &weight) in row.weights.iter().enumerate().filter(|(_, w)| **w != 0) {
                    let activation = read(2 * r + row.odd[c])?;
                    let sum = &mut accumulators[index][c];
                    *sum = sum
                        .checked_add(activation * i32::from(weight))
                        .ok_or(Problem::Overflow { accumulator: index, column: c })?;
                }
            }
        }
        self.place.pixel = None;
        Ok(())
    }

    /// Whether this earlier unit is written for certain when the unit in progress streams a tile.
    fn is_written(&self, unit: u64) -> bool {
        unit + UNWRITTEN < self.n_units || unit <= self.n_written
    }

    pub(super) fn drain_unit(
        &mut self,
        layer: &LayerState,
        block: &BlockState,
        group: usize,
        accumulators: &Accumulators,
    ) -> Result<(), Problem> {
        let config = &self.program.config;
        let n_steps = if group + 1 == layer.n_groups { layer.n_last_steps } else { layer.n_steps };
        let (window, stride) = (block.window, block.pool_stride);
        let (height, width) = match layer.sum {
            true => (1, 1),
            false => {
                ((block.height - window.0) / stride.0 + 1, (block.width - window.1) / stride.1 + 1)
            }
        };
        let mut needs_residual = false;
        for (oy, ox) in (0..height).flat_map(|oy| (0..width).map(move |ox| (oy, ox))) {
            self.place.pixel = Some((oy, ox));
            for step in 0..n_steps {
                let granule = group * config.group_steps() + step;
                let address = layer.parameter_base + granule;
                let depth = self.program.parameters.len();
                let row = self.program.parameters.get(address);
                let row =
                    row.ok_or(Problem::Address { memory: "parameter memory", address, depth })?;
                needs_residual |= layer.residual != Residual::Nothing
                    && row.iter().any(|parameter| parameter.residual_multiplier > 0);
                let results = row.iter().enumerate().map(|(lane, parameter)| {
                    self.result(
                        layer,
                        block,
                        (oy, ox),
                        (granule, step, lane),
                        parameter,
                        accumulators,
                    )
                });
                let results = results.collect::<Result<Vec<i64>, Problem>>()?;
                for (lane, result) in results.into_iter().enumerate() {
                    self.write(layer, block, (oy, ox), (granule, lane), result)?;
                }
            }
        }
        self.place.pixel = None;
        self.previous_residuals =
            [needs_residual.then_some(layer.residual_bank), self.previous_residuals[0]];
        Ok(())
    }

    /// The value of one output channel of one output pixel.
    fn result(
        &self,
        layer: &LayerState,
        block: &BlockState,
        (oy, ox): (usize, usize),
        (granule, step, lane): (usize, usize, usize),
        parameter: &Parameter,
        accumulators: &Accumulators,
    ) -> Result<i64, Problem> {
        let config = &self.program.config;
        let column = step * config.lanes() + lane;
        let place = layer.out_granule + granule;
        let byte = place % config.granules() * config.lanes() + lane;
        let (window, stride) = (block.window, block.pool_stride);
        let pixels = (0..window.0)
            .flat_map(|wy| (0..window.1).map(move |wx| (stride.0 * oy + wy, stride.1 * ox + wx)));
        let mut largest = i64::MIN;
        for (y, x) in pixels {
            let mut added = 0;
            if layer.residual != Residual::Nothing && parameter.residual_multiplier > 0 {
                let word = (block.residual_address
                    + y * layer.residual_row_step
                    + x * layer.residual_pixel_step
                    + place / config.granules())
                    % ADDRESSES;
                let residual = i64::from(self.residual(layer.residual_bank, word, byte)?);
                added = (residual - layer.residual_zero_point)
                    * i64::from(parameter.residual_multiplier);
            }
            let of = |place| if layer.residual == place { added } else { 0 };
            let total = i64::from(accumulators[y * block.width + x][column])
                + i64::from(parameter.bias)
                + of(Residual::BeforeScaling);
            if i32::try_from(total).is_err() {
                return Err(Problem::Overflow { accumulator: y * block.width + x, column });
            }
            let scaled = total * i64::from(parameter.multiplier) + of(Residual::AfterScaling);
            let rounded = round(scaled, parameter.shift, layer.half_away);
            let (low, high) = layer.bounds;
            largest = largest.max((rounded + layer.zero_point).clamp(low, high));
        }
        Ok(largest)
    }

    fn residual(&self, bank: usize, word: usize, byte: usize) -> Result<i8, Problem> {
        if bank == 0 && self.bank0_released {
            return Err(Problem::Released);
        }
        let depth = self.banks[bank].depth();
        let found = self.banks[bank].word(word);
        let (bytes, writers) =
            found.ok_or(Problem::Address { memory: "residual map", address: word, depth })?;
        match writers[byte] {
            Writer::Nobody => Err(Problem::Unwritten { bank, word, byte }),
            Writer::Unit(unit) | Writer::Cleared(unit) if unit >= self.first_unit => {
                Err(Problem::ResidualOverwritten { bank, word, byte })
            }
            _ => Ok(bytes[byte]),
        }
    }

    fn write(
        &mut self,
        layer: &LayerState,
        block: &BlockState,
        (oy, ox): (usize, usize),
        (granule, lane): (usize, usize),
        result: i64,
    ) -> Result<(), Problem> {
        let config = &self.program.config;
        let pixel = block.out_address + oy * layer.out_row_step + ox * layer.out_pixel_step;
        if layer.logits {
            let row = (pixel + granule) % ADDRESSES;
            let (index, depth) = (row * config.lanes() + lane, self.logits.len());
            let logit = self.logits.get_mut(index);
            let logit =
                logit.ok_or(Problem::Address { memory: "logit memory", address: index, depth })?;
            *logit = Some(i16::try_from(result).expect("logits are clamped"));
            return Ok(());
        }
        let place = layer.out_granule + granule;
        let address = (pixel + place / config.granules()) % ADDRESSES;
        let byte = place % config.granules() * config.lanes() + lane;
        let value = i8::try_from(result).expect("map values are clamped");
        for bank in (1..4).filter(|bank| layer.out_banks >> bank & 1 == 1) {
            let depth = self.banks[bank].depth();
            if place.is_multiple_of(config.granules()) && lane == 0 {
                self.banks[bank].clear(address, self.n_units);
            }
            if !self.banks[bank].write(address, byte, value, Writer::Unit(self.n_units)) {
                return Err(Problem::Address { memory: "output map", address, depth });
            }
        }
        Ok(())
    }
}

/// What a row of the array does in a tile.
struct Row {
    /// Of each column.
    weights: Vec<i8>,
    /// Which channel of the pair each column takes.
    odd: Vec<usize>,
}

/// Row `r` of the tile for array row `r`. The pointer then goes on to the next tile's.
fn tile_rows(program: &Program, tile: &Tile, pointer: &mut usize) -> Result<Vec<Row>, Problem> {
    let (config, depth) = (&program.config, program.weights.len());
    let first = *pointer;
    let (n_rows, step) = match (tile.diagonal, tile.keep_row) {
        (false, false) => (config.tile_rows(), config.tile_rows()),
        (false, true) => {
            return Err(Problem::Value {
                field: "TILE.keep_row",
                value: 1,
                why: "only a diagonal tile has it",
            });
        }
        (true, keep_row) => (1, usize::from(!keep_row)),
    };
    *pointer += step;
    let last = first + n_rows - 1;
    if last >= depth {
        return Err(Problem::Address { memory: "weight memory", address: last, depth });
    }
    let row = |r: usize| {
        let stored = &program.weights[if tile.diagonal { first } else { first + r }];
        let mask_bit = tile.mask >> r & 1;
        let kept = 2 * (tile.diagonal_column + r as i64) + mask_bit as i64;
        let weight = |(c, weight): (usize, &i8)| {
            if tile.diagonal && c as i64 != kept { 0 } else { *weight }
        };
        let odd = |c: usize| {
            let section = c / config.mask_columns();
            // Bit s - 1 is the crossing between sections s - 1 and s.
            (1..=section).fold(mask_bit, |odd, s| odd ^ (stored.crossings >> (s - 1) & 1) as usize)
        };
        Row {
            weights: stored.weights.iter().enumerate().map(weight).collect(),
            odd: (0..config.cols()).map(odd).collect(),
        }
    };
    Ok((0..config.rows()).map(row).collect())
}

/// A value over a power of two, to the nearest integer, halves to the even one or to the one farther from zero.
fn round(value: i64, shift: u8, half_away: bool) -> i64 {
    let unit = 1i64 << shift;
    let (quotient, rest) = (value.div_euclid(unit), value.rem_euclid(unit));
    let is_half = shift > 0 && rest == unit / 2;
    let half_goes_up = if half_away { value > 0 } else { quotient.rem_euclid(2) == 1 };
    quotient + i64::from(if is_half { half_goes_up } else { rest > unit / 2 })
}
