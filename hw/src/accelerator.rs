//! The accelerator: image bytes in, logits and class out, everything between on chip.

use rust_hdl_core::prelude::*;
use spec::{Design, Memory, Parameter, Program};

use crate::comment;
use crate::context::{AccumulateControl, ParameterDecoder, State};
use crate::control::counters::Counters;
use crate::control::drain::Drain;
use crate::control::fetch::Fetch;
use crate::control::streamer::Streamer;
use crate::control::weight_loader::WeightLoader;
use crate::datapath::accumulator::Accumulator;
use crate::datapath::array::Array;
use crate::datapath::bounds::Bounds;
use crate::datapath::diagonal_mask::DiagonalMask;
use crate::datapath::lane_select::LaneSelect;
use crate::datapath::pool::Pool;
use crate::datapath::requantize::Requantize;
use crate::datapath::selector::Selector;
use crate::leaf::{Delay, EnabledRegister, Rom, ports};
use crate::memory::activation_memory::ActivationMemory;
use crate::memory::loader::Loader;
use crate::memory::output::Output;

/// The top module. ARCHITECTURE.md has the timing between its blocks.
///
/// Reset: hold it for at least [`spec::ArrayConfig::reset_cycles`], so that the lines of control to and behind the array are
/// flushed. Where flip-flops power up with the initial values of the Verilog, as in an FPGA, no reset is needed: they equal the
/// reset values.
#[derive(LogicBlock)]
pub struct Accelerator {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Synchronous, active high.
    pub reset: Signal<In, Bit>,
    /// The next bytes of an image, the first in the lowest bits; rows of interleaved channels.
    pub input_data: Vec<Signal<In, Bits<8>>>,
    /// Which of them are of the image; looked at where `input_last` is.
    pub input_keep: Vec<Signal<In, Bit>>,
    /// They are there.
    pub input_valid: Signal<In, Bit>,
    /// They are the last of their image.
    pub input_last: Signal<In, Bit>,
    /// They are taken.
    pub input_ready: Signal<Out, Bit>,
    /// A logit, or with `output_last` the class.
    pub output_data: Signal<Out, Bits<16>>,
    /// The beat is there.
    pub output_valid: Signal<Out, Bit>,
    /// The beat is the class, the last of an image.
    pub output_last: Signal<Out, Bit>,
    /// The beat is taken.
    pub output_ready: Signal<In, Bit>,
    /// Status register to read.
    pub status_address: Signal<In, Bits<5>>,
    /// Its value, in the same cycle.
    pub status_data: Signal<Out, Bits<32>>,
    /// An image is being computed or its logits are being sent.
    pub busy: Signal<Out, Bit>,
    /// An image has been computed and the next has not begun.
    pub done: Signal<Out, Bit>,
    /// The program has an unknown opcode; left by reset only.
    pub error: Signal<Out, Bit>,
    /// Layer that the current cycle is spent on.
    pub stream_layer: Signal<Out, Bits<8>>,
    /// Layers of this image that are completely written.
    pub drained_layers: Signal<Out, Bits<8>>,
    program_memory: Rom<16, 32>,
    tile_memory: Rom<16, 32>,
    weight_memory: Rom<16, 8>,
    parameter_memory: Rom<16, { Parameter::BITS }>,
    lane_memory: Rom<16, 32>,
    fetch: Fetch,
    weight_loader: WeightLoader,
    streamer: Streamer,
    loader: Loader,
    activation_memory: ActivationMemory,
    selector: Selector,
    swap_delay: Delay<Bit>,
    diagonal_mask: DiagonalMask,
    weight_delay: Vec<Delay<Bits<8>>>,
    crossing_delay: Vec<Delay<Bits<8>>>,
    load_delay: Delay<Bit>,
    array: Array,
    accumulate_delay: Delay<AccumulateControl>,
    /// The control of column c's four stages is at c, c + 1, c + 2 and c + 3.
    accumulate_line: Vec<Delay<AccumulateControl>>,
    accumulator: Vec<Accumulator>,
    drain: Drain,
    lane_select: LaneSelect,
    parameter_decoder: Vec<ParameterDecoder>,
    parameter_register: Vec<EnabledRegister<Bits<{ Parameter::BITS }>>>,
    bounds: Bounds,
    requantize: Vec<Requantize>,
    pool: Vec<Pool>,
    logit_output: Output,
    counters: Counters,
    last_control: Signal<Local, AccumulateControl>,
    state: Signal<Local, State>,
    _rows: usize,
    _cols: usize,
    _lanes: usize,
    _word_channels: usize,
    _port_bytes: usize,
    _crossing_bytes: usize,
    _others: usize,
}

impl Accelerator {
    /// The accelerator of a design.
    pub fn new(design: &Design) -> Self {
        let config = design.array();
        let (rows, cols, lanes) = (config.rows(), config.cols(), config.lanes());
        let (array, selector) = (Array::new(design), Selector::new(config));
        let (n_crossing_bytes, n_others) = (array.crossing.len(), array.other.len());
        Self {
            clock: Signal::default(),
            reset: Signal::default(),
            input_data: ports(config.port_bytes()),
            input_keep: ports(config.port_bytes()),
            input_valid: Signal::default(),
            input_last: Signal::default(),
            input_ready: Signal::default(),
            output_data: Signal::default(),
            output_valid: Signal::default(),
            output_last: Signal::default(),
            output_ready: Signal::default(),
            status_address: Signal::default(),
            status_data: Signal::default(),
            busy: Signal::default(),
            done: Signal::default(),
            error: Signal::default(),
            stream_layer: Signal::default(),
            drained_layers: Signal::default(),
            program_memory: Rom::of(Memory::Program, config),
            tile_memory: Rom::of(Memory::Tile, config),
            weight_memory: Rom::of(Memory::Weight, config),
            parameter_memory: Rom::of(Memory::Parameter, config),
            lane_memory: Rom::of(Memory::Lane, config),
            fetch: Fetch::default(),
            weight_loader: WeightLoader::new(config),
            streamer: Streamer::default(),
            loader: Loader::new(config),
            activation_memory: ActivationMemory::new(config),
            selector,
            swap_delay: Delay::new(2),
            diagonal_mask: DiagonalMask::new(config),
            weight_delay: (0..cols).map(|_| Delay::new(1)).collect(),
            crossing_delay: (0..n_crossing_bytes).map(|_| Delay::new(2)).collect(),
            load_delay: Delay::new(3),
            array,
            accumulate_delay: Delay::new(rows + 2),
            accumulate_line: (0..cols + 2).map(|_| Delay::new(1)).collect(),
            accumulator: (0..cols)
                .map(|_| Accumulator::new(config).made_of(design.accumulators()))
                .collect(),
            drain: Drain::new(config),
            lane_select: LaneSelect::new(config),
            parameter_decoder: (0..lanes).map(|_| ParameterDecoder::default()).collect(),
            parameter_register: (0..lanes).map(|_| EnabledRegister::default()).collect(),
            bounds: Bounds::default(),
            requantize: (0..lanes).map(|_| Requantize::new(design.technology())).collect(),
            pool: (0..lanes).map(|_| Pool::new()).collect(),
            logit_output: Output::new(config),
            counters: Counters::new(config),
            last_control: Signal::default(),
            state: Signal::default(),
            _rows: rows,
            _cols: cols,
            _lanes: lanes,
            _word_channels: config.word_channels(),
            _port_bytes: config.port_bytes(),
            _crossing_bytes: n_crossing_bytes,
            _others: n_others,
        }
    }
}

/// A memory that does not hold its part of a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{rows} rows do not fit {memory} of {depth}; help: compile for an array with a larger memory"
)]
pub struct TooManyRows {
    /// Instance of the memory.
    pub memory: &'static str,
    /// Rows of the program.
    pub rows: usize,
    /// Rows of the memory.
    pub depth: usize,
}

impl Accelerator {
    /// Puts a program into the ROMs of native simulation, as `$readmemh` does from its files in every other.
    ///
    /// # Errors
    /// A program with more rows than a memory.
    pub(crate) fn load(&mut self, program: &Program) -> Result<(), TooManyRows> {
        fn fill<const LANE: usize>(
            program: &Program,
            memory: Memory,
            rom: &mut Rom<16, LANE>,
        ) -> Result<(), TooManyRows> {
            let (rows, depth) = (program.rom(memory), rom.depth());
            if rows.len() > depth {
                let memory = memory.instances()[0];
                return Err(TooManyRows { memory, rows: rows.len(), depth });
            }
            rom.load(&rows);
            Ok(())
        }
        fill(program, Memory::Program, &mut self.program_memory)?;
        fill(program, Memory::Tile, &mut self.tile_memory)?;
        fill(program, Memory::Weight, &mut self.weight_memory)?;
        fill(program, Memory::Parameter, &mut self.parameter_memory)?;
        fill(program, Memory::Lane, &mut self.lane_memory)
    }

    /// A byte of an activation bank in native simulation.
    pub(crate) fn bank_byte(&self, bank: usize, word: usize, byte: usize) -> i8 {
        self.activation_memory.byte(bank, word, byte)
    }
}

impl Logic for Accelerator {
    #[hdl_gen]
    fn update(&mut self) {
        comment!("module accelerator: Image bytes in, logits and class out.");
        self.program_memory.clock.next = self.clock.val();
        self.tile_memory.clock.next = self.clock.val();
        self.weight_memory.clock.next = self.clock.val();
        self.parameter_memory.clock.next = self.clock.val();
        self.lane_memory.clock.next = self.clock.val();
        self.fetch.clock.next = self.clock.val();
        self.weight_loader.clock.next = self.clock.val();
        self.streamer.clock.next = self.clock.val();
        self.loader.clock.next = self.clock.val();
        self.activation_memory.clock.next = self.clock.val();
        self.selector.clock.next = self.clock.val();
        self.diagonal_mask.clock.next = self.clock.val();
        self.load_delay.clock.next = self.clock.val();
        self.swap_delay.clock.next = self.clock.val();
        self.array.clock.next = self.clock.val();
        self.accumulate_delay.clock.next = self.clock.val();
        self.drain.clock.next = self.clock.val();
        self.lane_select.clock.next = self.clock.val();
        self.logit_output.clock.next = self.clock.val();
        self.counters.clock.next = self.clock.val();
        self.fetch.reset.next = self.reset.val();
        self.weight_loader.reset.next = self.reset.val();
        self.streamer.reset.next = self.reset.val();
        self.loader.reset.next = self.reset.val();
        self.drain.reset.next = self.reset.val();
        self.logit_output.reset.next = self.reset.val();
        self.counters.reset.next = self.reset.val();

        // Program.
        self.program_memory.address.next = self.fetch.program_address.val();
        self.fetch.word_0.next = self.program_memory.data[0].val();
        self.fetch.word_1.next = self.program_memory.data[1].val();
        self.fetch.word_2.next = self.program_memory.data[2].val();
        self.fetch.word_3.next = self.program_memory.data[3].val();
        self.fetch.word_4.next = self.program_memory.data[4].val();
        self.fetch.image_ready.next = self.loader.full.val();
        self.fetch.block_taken.next = self.weight_loader.block_taken.val();
        self.fetch.idle.next =
            self.streamer.all_written.val() & !self.weight_loader.tile_valid.val();
        self.fetch.output_busy.next = self.logit_output.busy.val();

        // Image in.
        self.lane_memory.address.next = self.loader.lane_address.val();
        self.loader.lane_word_0.next = self.lane_memory.data[0].val();
        self.loader.lane_word_1.next = self.lane_memory.data[1].val();
        self.loader.configured.next = self.fetch.configured.val();
        self.loader.packing.next = self.fetch.load.val();
        self.loader.bank_free.next = self.drain.release_input.val();
        for i in 0..self._port_bytes {
            self.loader.input_data[i].next = self.input_data[i].val();
            self.loader.input_keep[i].next = self.input_keep[i].val();
        }
        self.loader.input_valid.next = self.input_valid.val();
        self.loader.input_last.next = self.input_last.val();
        self.input_ready.next = self.loader.input_ready.val();

        // Weights.
        self.tile_memory.address.next = self.weight_loader.tile_address.val();
        self.weight_loader.word_0.next = self.tile_memory.data[0].val();
        self.weight_loader.word_1.next = self.tile_memory.data[1].val();
        self.weight_loader.block_valid.next = self.fetch.block_valid.val();
        self.weight_loader.block.next = self.fetch.block.val();
        self.weight_loader.stream.next = self.fetch.stream.val();
        self.weight_loader.drain.next = self.fetch.drain.val();
        self.weight_loader.take.next = self.streamer.take.val();
        self.weight_memory.address.next = self.weight_loader.weight_address.val();
        self.diagonal_mask.diagonal.next = self.weight_loader.diagonal.val();
        self.diagonal_mask.position.next = self.weight_loader.position.val();
        self.diagonal_mask.odd.next = self.weight_loader.odd.val();
        for i in 0..self._cols {
            self.diagonal_mask.stored[i].next = self.weight_memory.data[i].val();
            self.weight_delay[i].clock.next = self.clock.val();
            self.weight_delay[i].d.next = self.diagonal_mask.weight[i].val();
            self.array.weight[i].next = self.weight_delay[i].q.val();
        }
        for n in self._cols..(self._cols + 1) {
            for i in 0..self._crossing_bytes {
                self.crossing_delay[i].clock.next = self.clock.val();
                self.crossing_delay[i].d.next = self.weight_memory.data[n + i].val();
                self.array.crossing[i].next = self.crossing_delay[i].q.val();
            }
        }
        self.load_delay.d.next = self.weight_loader.load.val();
        self.array.load.next = self.load_delay.q.val();

        // Activations.
        self.streamer.image_start.next = self.fetch.image_start.val();
        self.streamer.unit_written.next = self.drain.unit_written.val();
        self.streamer.bank_released.next = self.drain.bank_released.val();
        self.streamer.tile_valid.next = self.weight_loader.tile_valid.val();
        self.streamer.tile_ready.next = self.weight_loader.tile_ready.val();
        self.streamer.tile.next = self.weight_loader.tile.val();
        self.streamer.unit_first.next = self.weight_loader.unit_first.val();
        self.streamer.group_last.next = self.weight_loader.group_last.val();
        self.streamer.block.next = self.weight_loader.tile_block.val();
        self.streamer.stream.next = self.weight_loader.tile_stream.val();
        self.activation_memory.stream_bank.next = self.streamer.bank.val();
        self.activation_memory.stream_address.next = self.streamer.address.val();
        self.activation_memory.load_enable.next = self.loader.load_enable.val();
        self.activation_memory.load_address.next = self.loader.load_address.val();
        self.selector.mask.next = self.streamer.mask.val();
        self.selector.outside.next = self.streamer.outside.val();
        self.selector.fill.next = self.streamer.fill.val();
        for i in 0..self._word_channels {
            self.activation_memory.load_word[i].next = self.loader.load_word[i].val();
            self.selector.word[i].next = self.activation_memory.word[i].val();
        }
        for i in 0..self._rows {
            self.array.activation[i].next = self.selector.activation[i].val();
        }
        for i in 0..self._others {
            self.array.other[i].next = self.selector.other[i].val();
        }
        self.swap_delay.d.next = self.streamer.swap.val();
        self.array.swap.next = self.swap_delay.q.val();

        // Sums.
        self.accumulate_delay.d.next = self.streamer.accumulate.val();
        for i in 0..(self._cols + 2) {
            self.accumulate_line[i].clock.next = self.clock.val();
            if i == 0 {
                self.accumulate_line[i].d.next = self.accumulate_delay.q.val();
            } else {
                self.accumulate_line[i].d.next = self.accumulate_line[i - 1].q.val();
            }
        }
        for i in 0..self._cols {
            self.accumulator[i].clock.next = self.clock.val();
            if i == 0 {
                self.accumulator[i].read.next = self.accumulate_delay.q.val();
            } else {
                self.accumulator[i].read.next = self.accumulate_line[i - 1].q.val();
            }
            self.accumulator[i].start.next = self.accumulate_line[i].q.val();
            self.accumulator[i].add.next = self.accumulate_line[i + 1].q.val();
            self.accumulator[i].write.next = self.accumulate_line[i + 2].q.val();
            self.accumulator[i].psum.next = self.array.psum[i].val();
            self.accumulator[i].drain_active.next = self.drain.drain_active.val();
            self.accumulator[i].drain_bank.next = self.drain.drain_bank.val();
            self.accumulator[i].drain_address.next = self.drain.accumulator_address.val();
            self.lane_select.sum[i].next = self.accumulator[i].sum.val();
        }

        // Drain.
        self.drain.image_start.next = self.fetch.image_start.val();
        self.drain.unit_start.next = self.streamer.unit_start.val();
        self.drain.unit_bank.next = self.streamer.unit_bank.val();
        self.drain.block.next = self.weight_loader.tile_block.val();
        self.drain.tile_drain.next = self.weight_loader.tile_drain.val();
        self.drain.sum.next = self.weight_loader.tile_stream.val().sum;
        self.drain.group_first.next = self.weight_loader.group_first.val();
        self.drain.group_last.next = self.weight_loader.group_last.val();
        for n in self._cols..(self._cols + 1) {
            self.last_control.next = self.accumulate_line[n - 1].q.val();
        }
        self.drain.unit_accumulated.next = self.last_control.val().last;
        self.drain.accumulated_bank.next = self.last_control.val().bank;
        self.drain.accumulated_address.next = self.last_control.val().address;
        self.lane_select.enable.next = self.drain.drain_active.val();
        self.lane_select.step.next = self.drain.step.val();
        self.parameter_memory.address.next = self.drain.parameter_address.val();
        self.activation_memory.residual_bank.next = self.drain.residual_bank.val();
        self.activation_memory.residual_address.next = self.drain.residual_address.val();
        self.activation_memory.residual_granule.next = self.drain.residual_granule.val();
        self.bounds.low.next = self.drain.clamp_context.val().low;
        self.bounds.high.next = self.drain.clamp_context.val().high;
        self.bounds.wide.next = self.drain.clamp_context.val().wide;
        for i in 0..self._lanes {
            self.parameter_register[i].clock.next = self.clock.val();
            self.parameter_register[i].enable.next = self.drain.drain_active.val();
            self.parameter_register[i].d.next = self.parameter_memory.data[i].val();
            self.parameter_decoder[i].channel.next = self.parameter_register[i].q.val();
            self.requantize[i].clock.next = self.clock.val();
            self.requantize[i].enable.next = self.drain.drain_active.val();
            self.requantize[i].residual_mode.next = self.drain.operand_context.val().residual;
            self.requantize[i].residual_zero_point.next =
                self.drain.operand_context.val().residual_zero_point;
            self.requantize[i].half_away.next = self.drain.round_context.val().half_away;
            self.requantize[i].zero_point.next = self.drain.round_context.val().zero_point;
            self.requantize[i].low.next = self.bounds.smallest.val();
            self.requantize[i].high.next = self.bounds.largest.val();
            self.requantize[i].accumulator.next = self.lane_select.value[i].val();
            self.requantize[i].bias.next = self.parameter_decoder[i].bias.val();
            self.requantize[i].multiplier.next = self.parameter_decoder[i].multiplier.val();
            self.requantize[i].shift.next = self.parameter_decoder[i].shift.val();
            self.requantize[i].residual_multiplier.next =
                self.parameter_decoder[i].residual_multiplier.val();
            self.requantize[i].residual.next = self.activation_memory.residual[i].val();
            self.pool[i].clock.next = self.clock.val();
            self.pool[i].enable.next = self.drain.drain_active.val();
            self.pool[i].first.next = self.drain.pool_first.val();
            self.pool[i].value.next = self.requantize[i].value.val();
            self.activation_memory.write_data[i].next = self.pool[i].maximum.val().get_bits::<8>(0);
            self.logit_output.write_data[i].next = self.pool[i].maximum.val();
        }
        self.activation_memory.write_banks.next = self.drain.write_banks.val();
        self.activation_memory.write_enable.next = self.drain.write_enable.val();
        self.activation_memory.write_address.next = self.drain.write_address.val();
        self.activation_memory.write_granule.next = self.drain.write_granule.val();

        // Logits out.
        self.logit_output.start.next = self.fetch.image_end.val();
        self.logit_output.logits_minus_1.next = self.fetch.end_context.val().logits_minus_1;
        self.logit_output.write_enable.next = self.drain.logit_enable.val();
        self.logit_output.write_row.next = self.drain.write_address.val();
        self.logit_output.output_ready.next = self.output_ready.val();
        self.output_data.next = self.logit_output.output_data.val();
        self.output_valid.next = self.logit_output.output_valid.val();
        self.output_last.next = self.logit_output.output_last.val();

        // Status.
        self.state.next.busy = self.fetch.running.val() | self.logit_output.busy.val();
        self.state.next.done = self.fetch.done.val();
        self.state.next.error = self.fetch.error.val();
        self.state.next.bad_image = self.loader.bad_image.val();
        self.busy.next = self.fetch.running.val() | self.logit_output.busy.val();
        self.done.next = self.fetch.done.val();
        self.error.next = self.fetch.error.val();
        self.stream_layer.next = self.streamer.layer.val();
        self.drained_layers.next = self.drain.written_layers.val();
        self.counters.clear.next = self.fetch.image_start.val();
        self.counters.running.next = self.fetch.running.val();
        self.counters.streaming.next = self.streamer.streaming.val();
        self.counters.active.next = self.streamer.active.val();
        self.counters.dependency.next = self.streamer.dependency.val();
        self.counters.accumulator.next = self.streamer.accumulators_busy.val();
        self.counters.weight_load.next = self.streamer.weight_load.val();
        self.counters.draining.next =
            self.fetch.draining.val() & !self.weight_loader.tile_valid.val();
        self.counters.image_end.next = self.fetch.image_end.val();
        self.counters.sending.next = self.logit_output.busy.val();
        self.counters.status_address.next = self.status_address.val();
        self.counters.state.next = self.state.val().into();
        self.counters.bad_images.next = self.loader.bad_images.val();
        self.counters.load_cycles.next = self.loader.load_cycles.val();
        self.counters.program_counter.next = self.fetch.program_address.val();
        self.status_data.next = self.counters.status_data.val();
    }
}
