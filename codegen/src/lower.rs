//! From steps and addresses to instructions, tile records and ROM rows.

use spec::isa::{FieldError, INSTRUCTION_WORDS, Record, TILE_WORDS, encode};
use spec::{ArrayConfig, LayerInfo, Program, QuantNetwork, Region};

use crate::blocks::Block;
use crate::limits::TooLarge;
use crate::pack::View;
use crate::place::{MapId, Place, Placement, Reads};
use crate::plan::{Plan, Step};
use crate::tiling::Tile;

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
    let n_logits = plan.steps.last().map_or(1, |step| step.output.channels);
    writer.instruction(Record::End, &[("logits_minus_1", number(n_logits) - 1)]);
    (writer.program, writer.too_large)
}

/// The largest modulus of an address: its field has 16 bits and wraps.
fn wrapped(address: i64) -> i64 {
    address.rem_euclid(1 << 16)
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
        match loader.lane_table(input) {
            Ok(table) => self.program.lanes = table,
            Err(error) => self.too_large(error),
        }
        let block = loader.block(input);
        self.instruction(
            Record::Load,
            &[
                ("block", number(block)),
                ("bytes_minus_1", number(input.n_bytes()) - 1),
                ("grid_width_minus_1", number(loader.grid.1) - 1),
                ("grid_height_minus_1", number(loader.grid.0) - 1),
                ("pixel_step", number(block * input.channels)),
                ("row_step", number(block * input.width * input.channels)),
                ("image_width", number(input.width)),
                ("image_height", number(input.height)),
            ],
        );
    }

    fn step(&mut self, index: usize) {
        let step = &self.plan.steps[index];
        self.place = format!("layer {:?}", step.name);
        self.stream(index, step);
        self.drain(index, step);
        let late = self.late_tiles(index);
        self.tiles(step, &late);
        let wait_late = late.contains(&true);
        for (number, block) in step.blocks.iter().enumerate() {
            let is_last = number + 1 == step.blocks.len();
            let flags = [
                ("wait_late", i64::from(number == 0 && wait_late)),
                ("wait_all", i64::from(number == 0 && self.placement.reads[index].wait_all)),
                ("release_input", i64::from(is_last && self.last_input_reader == Some(index))),
                ("layer_end", i64::from(is_last)),
            ];
            self.block(index, step, block, flags);
        }
        self.program.parameters.extend(step.parameters.iter().cloned());
        let place = self.placement.places[index];
        self.program.layers.push(LayerInfo {
            name: step.name.clone(),
            network_layer: step.network_layer,
            output: (!step.logits).then_some(Region {
                banks: place.banks,
                address: place.address,
                height: step.output.height,
                width: step.output.width,
                channels: step.output.channels,
            }),
            n_useful_macs: step.n_useful_macs,
            n_dense_macs: step.n_dense_macs,
            n_tiles: step.n_tiles(),
            n_blocks: step.blocks.len(),
        });
    }

    fn stream(&mut self, index: usize, step: &Step) {
        let View { height, width, words, stride, .. } = step.view;
        self.instruction(
            Record::Stream,
            &[
                ("in_bank", number(self.placement.reads[index].in_bank)),
                ("stride", number(stride)),
                ("groups_minus_1", number(step.groups.len()) - 1),
                ("sum", i64::from(step.sum)),
                ("layer", number(index)),
                ("pixel_step", number(stride * words)),
                ("row_step", wrapped(number(stride * width * words))),
                ("tile_base", number(self.program.tiles.len())),
                ("weight_base", number(self.program.weights.len())),
                ("in_width", number(width)),
                ("in_height", number(height)),
            ],
        );
    }

    fn drain(&mut self, index: usize, step: &Step) {
        let Reads { residual_bank, .. } = self.placement.reads[index];
        let words = step.output.channels.div_ceil(self.config.word_channels());
        let n_last = step.output.channels - (step.groups.len() - 1) * self.config.group_channels();
        let last_steps = n_last.div_ceil(self.config.lanes());
        let (pixel_step, row_step) = step.residual.map_or((0, 0), |residual| {
            let words = residual.shape.channels.div_ceil(self.config.word_channels());
            (residual.stride * words, residual.stride * residual.shape.width * words)
        });
        self.instruction(
            Record::Drain,
            &[
                ("out_banks", i64::from(self.placement.places[index].banks)),
                ("logits", i64::from(step.logits)),
                ("pool", i64::from(step.pool)),
                ("relu", i64::from(step.relu)),
                ("residual_bank", number(residual_bank)),
                ("steps_minus_1", number(self.config.group_steps()) - 1),
                ("last_steps_minus_1", number(last_steps) - 1),
                ("out_pixel_step", number(words)),
                ("out_row_step", number(words * step.output.width)),
                ("residual_pixel_step", number(pixel_step)),
                ("residual_row_step", wrapped(number(row_step))),
                ("parameter_base", number(self.program.parameters.len())),
            ],
        );
    }

    fn block(&mut self, index: usize, step: &Step, block: &Block, flags: [(&'static str, i64); 4]) {
        let place = |map: MapId| match map {
            MapId::Input => Place::default(),
            MapId::Step(map) => self.placement.places[map],
        };
        let (y0, x0) = origin(&step.view, block);
        let View { width, words, .. } = step.view;
        let in_address =
            number(place(step.input).address) + (y0 * number(width) + x0) * number(words);
        let side = if step.pool { 2 } else { 1 };
        let (out_y, out_x) = if step.sum { (0, 0) } else { (block.y / side, block.x / side) };
        let out_words = step.output.channels.div_ceil(self.config.word_channels());
        let out_address =
            self.placement.places[index].address + (out_y * step.output.width + out_x) * out_words;
        let residual_address = step.residual.map_or(0, |residual| {
            let words = residual.shape.channels.div_ceil(self.config.word_channels());
            let pixel =
                block.y * residual.stride * residual.shape.width + block.x * residual.stride;
            place(residual.map).address + pixel * words
        });
        let mut fields = vec![
            ("height_minus_1", number(block.height) - 1),
            ("width_minus_1", number(block.width) - 1),
            ("in_address", wrapped(in_address)),
            ("out_address", number(out_address)),
            ("residual_address", number(residual_address)),
            ("y0", y0),
            ("x0", x0),
        ];
        fields.extend(flags);
        self.instruction(Record::Block, &fields);
    }

    fn tiles(&mut self, step: &Step, late: &[bool]) {
        for (number_in_layer, group) in step.groups.iter().enumerate() {
            for (position, tile) in group.iter().enumerate() {
                let View { width, words, .. } = step.view;
                let offset = (tile.ky * width + tile.kx) * words + tile.word;
                let fields = [
                    ("mask", i64::from(tile.mask)),
                    ("offset", wrapped(number(offset))),
                    ("ky", number(tile.ky)),
                    ("kx", number(tile.kx)),
                    ("last", i64::from(position + 1 == group.len())),
                    ("late", i64::from(number_in_layer == 0 && late[position])),
                    ("active", number(tile.active)),
                ];
                let words = self.encode(Record::Tile, &fields);
                self.program
                    .tiles
                    .push(words[..TILE_WORDS].try_into().expect("a tile record has two words"));
                let padding = self.config.tile_rows() - self.config.rows();
                self.program.weights.extend(tile.weights.iter().cloned());
                self.program.weights.extend(vec![vec![0; self.config.cols()]; padding]);
            }
        }
    }

    /// For each tile of the first group: whether the first block reads what the unit just before the step writes.
    fn late_tiles(&self, index: usize) -> Vec<bool> {
        let step = &self.plan.steps[index];
        let (tiles, block) = (&step.groups[0], &step.blocks[0]);
        let before = index.checked_sub(1).filter(|before| step.input == MapId::Step(*before));
        let Some(before) = before.map(|before| &self.plan.steps[before]) else {
            return vec![false; tiles.len()];
        };
        let written = before.blocks.last().expect("a step has a block");
        let first_granule = (before.groups.len() - 1) * self.config.group_steps();
        let first_word = first_granule / self.config.granules();
        let side = if before.pool { 2 } else { 1 };
        let (y, x, height, width) = if before.sum {
            (0, 0, 1, 1)
        } else {
            (written.y / side, written.x / side, written.height / side, written.width / side)
        };
        let (y0, x0) = origin(&step.view, block);
        let reads = |start: i64, n: usize, first: usize, size: usize| {
            (0..n).any(|pixel| {
                (number(first)..number(first + size))
                    .contains(&(start + number(pixel * step.view.stride)))
            })
        };
        let is_late = |tile: &Tile| {
            tile.word >= first_word
                && reads(y0 + number(tile.ky), block.height, y, height)
                && reads(x0 + number(tile.kx), block.width, x, width)
        };
        tiles.iter().map(is_late).collect()
    }

    fn instruction(&mut self, record: Record, fields: &[(&str, i64)]) {
        let words = self.encode(record, fields);
        self.program.instructions.push(words);
    }

    fn encode(&mut self, record: Record, fields: &[(&str, i64)]) -> [u32; INSTRUCTION_WORDS] {
        encode(record, fields).unwrap_or_else(|error| {
            self.too_large(error);
            [0; INSTRUCTION_WORDS]
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

/// Input pixel of tap 0 of a block's first output pixel.
fn origin(view: &View, block: &Block) -> (i64, i64) {
    let start = |output: usize, padding: usize| number(output * view.stride) - number(padding);
    (start(block.y, view.pad_top), start(block.x, view.pad_left))
}
