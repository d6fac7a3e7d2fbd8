//! From steps and addresses to instructions, tile records and ROM rows.

use std::ops::RangeInclusive;

use spec::isa::{Drain, End, FieldError, INSTRUCTION_WORDS, Instruction, Stream, TILE_WORDS};
use spec::{ArrayConfig, LayerInfo, Program, QuantNetwork, Region, Rounding, WeightRow, isa};

use crate::blocks::{Block, Pooling};
use crate::limits::TooLarge;
use crate::loader::View;
use crate::place::{MapId, Place, Placement, Reads};
use crate::plan::{Plan, Step, Target};
use crate::tiling::{Tile, Weights};

/// Units before one that starts to stream that may be unwritten.
const UNWRITTEN: usize = 3;

/// Writes the program; what does not fit a field is returned beside it, and its record is left empty.
pub(crate) fn lower(
    network: &QuantNetwork,
    config: &ArrayConfig,
    plan: &Plan,
    placement: &Placement,
) -> (Program, Vec<TooLarge>) {
    let program = Program {
        config: config.clone(),
        network: network.name.clone(),
        classes: network.classes.clone(),
        outputs: plan.outputs.clone(),
        n_input_bytes: network.input.n_bytes(),
        instructions: Vec::new(),
        tiles: Vec::new(),
        weights: Vec::new(),
        parameters: Vec::new(),
        lanes: Vec::new(),
        layers: Vec::new(),
    };
    let mut writer = Writer {
        config,
        plan,
        placement,
        program,
        last_input_reader: plan.steps.iter().rposition(Step::reads_input),
        place: "input".to_owned(),
        too_large: Vec::new(),
    };
    writer.load(network);
    for index in 0..plan.steps.len() {
        writer.step(index);
    }
    let n_sent = writer.program.n_sent();
    writer.instruction(End { logits_minus_1: n_sent - 1 });
    (writer.program, writer.too_large)
}

/// An address as its field of 16 bits holds it: it wraps.
fn wrapped(address: i64) -> usize {
    usize::from(address as u16)
}

fn number(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

struct Writer<'a> {
    config: &'a ArrayConfig,
    plan: &'a Plan,
    placement: &'a Placement,
    program: Program,
    /// The step after which bank 0 may be overwritten.
    last_input_reader: Option<usize>,
    place: String,
    too_large: Vec<TooLarge>,
}

impl Writer<'_> {
    fn load(&mut self, network: &QuantNetwork) {
        let (input, loader) = (&network.input, &self.plan.loader);
        match loader.lane_table(input, self.config.port_bytes()) {
            Ok(table) => self.program.lanes = table,
            Err(error) => self.too_large(error),
        }
        self.instruction(loader.load(input));
    }

    fn step(&mut self, index: usize) {
        let step = &self.plan.steps[index];
        self.place = format!("layer {:?}", step.name);
        self.stream(index, step);
        let first_parameter = self.program.parameters.len();
        let n_rows = step.output.channels.div_ceil(self.config.lanes());
        let mut parameters = None;
        let needs = self.needs(index);
        self.tiles(step, &needs);
        for (number, block) in step.blocks.iter().enumerate() {
            let is_last = number + 1 == step.blocks.len();
            if parameters.replace(block.parameters) != Some(block.parameters) {
                self.drain(index, step, first_parameter + block.parameters * n_rows);
            }
            self.instruction(isa::Block {
                wait_late: needs
                    .get(number)
                    .is_some_and(|block| block.iter().flatten().any(|n| *n > 0)),
                wait_all: number == 0 && self.placement.reads[index].wait_all,
                release_input: is_last && self.last_input_reader == Some(index),
                layer_end: is_last,
                ..self.block(index, step, block)
            });
        }
        self.program.parameters.extend(step.parameters.iter().cloned());
        let place = self.placement.places[index];
        self.program.layers.push(LayerInfo {
            name: step.name.clone(),
            network_layer: step.network_layer,
            output: (!step.is_output()).then_some(Region {
                banks: place.banks,
                address: place.address,
                height: step.output.height,
                width: step.output.width,
                channels: step.output.channels,
                first_channel: step.slice().first_channel,
                map_channels: step.slice().n_channels,
            }),
            n_useful_macs: step.n_useful_macs,
            n_dense_macs: step.n_dense_macs,
            n_tiles: step.n_tiles(),
            n_blocks: step.blocks.len(),
        });
    }

    fn stream(&mut self, index: usize, step: &Step) {
        let View { height, width, words, stride, .. } = step.view;
        self.instruction(Stream {
            in_bank: self.placement.reads[index].in_bank,
            stride_x: stride[1],
            stride_y: stride[0],
            groups_minus_1: step.groups.len() - 1,
            sum: step.sum,
            layer: index,
            pixel_step: stride[1] * words,
            row_step: wrapped(number(stride[0] * width * words)),
            tile_base: self.program.tiles.len(),
            weight_base: self.program.weights.len(),
            in_width: width,
            in_height: height,
            fill: step.fill.into(),
        });
    }

    fn drain(&mut self, index: usize, step: &Step, parameter_base: usize) {
        let Reads { residual_bank, .. } = self.placement.reads[index];
        let pixel_step = self.out_pixel_step(step);
        let n_last = step.output.channels - (step.groups.len() - 1) * self.config.group_channels();
        let last_steps = n_last.div_ceil(self.config.lanes());
        let (residual_pixel_step, residual_row_step) = step.residual.map_or((0, 0), |residual| {
            let words = residual.shape.channels.div_ceil(self.config.word_channels());
            (residual.stride * words, residual.stride * residual.shape.width * words)
        });
        let is_wide = !step.bounds.is_int8();
        // Bounds of 16 bits are whole steps of 256, which `features` ensures.
        let bound = |bound: i16| i64::from(if is_wide { bound >> 8 } else { bound });
        self.instruction(Drain {
            out_banks: usize::from(self.placement.places[index].banks),
            logits: step.is_output(),
            half_away: step.rounding == Rounding::HalfAway,
            residual_bank,
            steps_minus_1: self.config.group_steps() - 1,
            last_steps_minus_1: last_steps - 1,
            residual: step.residual.map_or(0, |residual| match residual.after {
                true => isa::RESIDUAL_AFTER,
                false => isa::RESIDUAL_BEFORE,
            }),
            wide: is_wide,
            out_pixel_step: pixel_step,
            out_row_step: wrapped(number(pixel_step * step.output.width)),
            residual_pixel_step,
            residual_row_step: wrapped(number(residual_row_step)),
            parameter_base,
            out_granule: step.slice().first_channel % self.config.word_channels()
                / self.config.lanes(),
            zero_point: step.zero_point.into(),
            low: bound(step.bounds.low),
            high: bound(step.bounds.high),
            residual_zero_point: step.residual.map_or(0, |residual| residual.zero_point.into()),
        });
    }

    /// Where the block lies; its flags are clear.
    fn block(&self, index: usize, step: &Step, block: &Block) -> isa::Block {
        let place = |map: MapId| match map {
            MapId::Input => Place::default(),
            MapId::Step(map) => self.placement.places[map],
        };
        let (y0, x0) = origin(&step.view, block);
        let View { width, words, .. } = step.view;
        let in_address =
            number(place(step.input).address) + (y0 * number(width) + x0) * number(words);
        let (out_y, out_x) = block.out;
        let Pooling { height: window_height, width: window_width, stride: pool_stride } =
            block.pooling;
        let first = match step.target {
            Target::Output { address } => address,
            Target::Map | Target::Part { .. } => {
                let first_word = step.slice().first_channel / self.config.word_channels();
                self.placement.places[index].address + first_word
            }
        };
        let out_address = first + (out_y * step.output.width + out_x) * self.out_pixel_step(step);
        let residual_address = step.residual.map_or(0, |residual| {
            let words = residual.shape.channels.div_ceil(self.config.word_channels());
            let pixel =
                block.y * residual.stride * residual.shape.width + block.x * residual.stride;
            place(residual.map).address + residual.first_word + pixel * words
        });
        isa::Block {
            height_minus_1: block.height - 1,
            width_minus_1: block.width - 1,
            in_address: wrapped(in_address),
            out_address,
            residual_address,
            y0,
            x0,
            window_height_minus_1: window_height - 1,
            window_width_minus_1: window_width - 1,
            pool_stride_y_minus_1: pool_stride[0] - 1,
            pool_stride_x_minus_1: pool_stride[1] - 1,
            ..isa::Block::default()
        }
    }

    fn tiles(&mut self, step: &Step, needs: &[Vec<UnitNeeds>]) {
        // The tile after each, also of the next group.
        let mut following = step.groups.iter().flatten().skip(1);
        for (number_in_layer, group) in step.groups.iter().enumerate() {
            for (position, tile) in group.iter().enumerate() {
                let View { width, words, .. } = step.view;
                let offset = (tile.ky * width + tile.kx) * words + tile.word;
                let keep_row = tile.keeps_row(following.next());
                let record = isa::Tile {
                    mask: tile.mask.into(),
                    offset: wrapped(number(offset)),
                    ky: tile.ky,
                    kx: tile.kx,
                    last: position + 1 == group.len(),
                    after: after(needs, number_in_layer, position),
                    active: tile.active,
                    diagonal: tile.is_diagonal(),
                    diagonal_column: match tile.weights {
                        Weights::Diagonal { column, .. } => column,
                        Weights::Rows(_) => 0,
                    },
                    keep_row,
                };
                let words = self.fitting(record.encode(), [0; TILE_WORDS]);
                self.program.tiles.push(words);
                match &tile.weights {
                    Weights::Rows(rows) => {
                        let padding = self.config.tile_rows() - self.config.rows();
                        self.program.weights.extend(rows.iter().cloned());
                        let empty = WeightRow::from(vec![0; self.config.cols()]);
                        self.program.weights.extend(vec![empty; padding]);
                    }
                    Weights::Diagonal { row, .. } if !keep_row => {
                        self.program.weights.push(row.clone().into());
                    }
                    Weights::Diagonal { .. } => {}
                }
            }
        }
    }

    /// What the tiles of a step's first units read of the units just before the step, block by block and group by group.
    fn needs(&self, index: usize) -> Vec<Vec<UnitNeeds>> {
        let step = &self.plan.steps[index];
        let older: Vec<Written<'_>> = self.units_before(index).take(UNWRITTEN).collect();
        let n_groups = step.groups.len();
        let n_blocks = UNWRITTEN.div_ceil(n_groups).min(step.blocks.len());
        let of_unit = |block: usize, group: usize| {
            // The units that may be unwritten when this one starts: it is itself so far from the first of the layer.
            let unwritten = UNWRITTEN.saturating_sub(block * n_groups + group);
            let older = &older[..unwritten.min(older.len())];
            let tile = |tile: &Tile| {
                let reads = |unit: &Written<'_>| unit.is_read(step, &step.blocks[block], tile);
                older.iter().position(reads).map_or(0, |back| back + 1)
            };
            step.groups[group].iter().map(tile).collect()
        };
        (0..n_blocks)
            .map(|block| (0..n_groups).map(|group| of_unit(block, group)).collect())
            .collect()
    }

    /// The units before a step, the last one first.
    fn units_before(&self, index: usize) -> impl Iterator<Item = Written<'_>> {
        let steps = self.plan.steps[..index].iter().enumerate().rev();
        steps.flat_map(move |(step_index, step)| {
            let blocks = step.blocks.iter().rev();
            blocks.flat_map(move |block| {
                let groups = (0..step.groups.len()).rev();
                groups.map(move |group| {
                    let words = self.written_words(step, group);
                    Written { map: step.owner(step_index), block: *block, of: step, words }
                })
            })
        })
    }

    /// Words of an output pixel that a group writes to.
    fn written_words(&self, step: &Step, group: usize) -> RangeInclusive<usize> {
        let (steps, lanes) = (self.config.group_steps(), self.config.lanes());
        let before = step.slice().first_channel / lanes;
        let n_granules = step.output.channels.div_ceil(lanes);
        let (first, end) = (group * steps, ((group + 1) * steps).min(n_granules));
        let word = |granule: usize| (before + granule) / self.config.granules();
        word(first)..=word(end - 1)
    }

    /// From an output pixel to its right neighbor: words, or granules of the logit memory.
    fn out_pixel_step(&self, step: &Step) -> usize {
        let a_piece =
            if step.is_output() { self.config.lanes() } else { self.config.word_channels() };
        step.slice().n_channels.div_ceil(a_piece)
    }

    fn instruction(&mut self, instruction: impl Into<Instruction>) {
        let words = self.fitting(instruction.into().encode(), [0; INSTRUCTION_WORDS]);
        self.program.instructions.push(words);
    }

    /// The record, or the empty one where a value does not fit.
    fn fitting<W>(&mut self, record: Result<W, FieldError>, empty: W) -> W {
        record.unwrap_or_else(|error| {
            self.too_large(error);
            empty
        })
    }

    /// Keeps the largest value of each field of a layer.
    fn too_large(&mut self, error: FieldError) {
        let found = TooLarge { place: self.place.clone(), error };
        match self.too_large.iter_mut().rev().find(|known| known.is_like(&found)) {
            Some(known) => known.error.value = known.error.value.max(found.error.value),
            None => self.too_large.push(found),
        }
    }
}

/// For each tile of a unit: 0, or n where it reads what the n-th unit before the layer writes, counted backwards.
type UnitNeeds = Vec<usize>;

/// `TILE.after` of a tile: a record serves every block.
fn after(needs: &[Vec<UnitNeeds>], group: usize, position: usize) -> usize {
    needs.iter().map(|block| block[group][position]).filter(|n| *n > 0).min().unwrap_or(0)
}

/// A unit before a layer.
struct Written<'a> {
    map: usize,
    of: &'a Step,
    block: Block,
    words: RangeInclusive<usize>,
}

impl Written<'_> {
    /// Whether a tile of a block of `step` reads what this unit writes.
    fn is_read(&self, step: &Step, block: &Block, tile: &Tile) -> bool {
        let ((y, x), (height, width)) = match self.of.sum {
            true => ((0, 0), (1, 1)),
            false => (self.block.out, self.block.n_outputs()),
        };
        let (y0, x0) = origin(&step.view, block);
        let reads = |start: i64, stride: usize, n: usize, first: usize, size: usize| {
            (0..n).any(|pixel| {
                (number(first)..number(first + size)).contains(&(start + number(pixel * stride)))
            })
        };
        let [stride_y, stride_x] = step.view.stride;
        step.input == MapId::Step(self.map)
            && !self.of.is_output()
            && self.words.contains(&tile.word)
            && reads(y0 + number(tile.ky), stride_y, block.height, y, height)
            && reads(x0 + number(tile.kx), stride_x, block.width, x, width)
    }
}

/// Input pixel of tap 0 of a block's first output pixel.
fn origin(view: &View, block: &Block) -> (i64, i64) {
    let start =
        |output: usize, stride: usize, padding: usize| number(output * stride) - number(padding);
    let [stride_y, stride_x] = view.stride;
    (start(block.y, stride_y, view.pad_top), start(block.x, stride_x, view.pad_left))
}
