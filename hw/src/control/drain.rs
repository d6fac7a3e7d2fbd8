//! Drain: walks a finished unit's accumulators and says where each requantized granule goes.

use rust_hdl_core::prelude::*;
use spec::ArrayConfig;

use crate::control::context::{BlockContext, DrainContext, WriteControl};
use crate::datapath::requantize::Requantize;
use crate::leaf::{ControlDelay, EnabledRegister, Register};
use crate::{comment, dff_setup};

/// Drains units in the order in which they started, `lanes` channels of one pixel a cycle.
///
/// A unit's context is kept from its start, one set an accumulator bank. With "at d" the cycle in which an accumulator
/// is addressed: parameters and residual are addressed at d + 1, all operands reach the requantizer at d + 3, its result
/// leaves at d + 12, passes the pooling register and is written at d + 13. The next unit begins after the last write.
/// Reset: no unit known.
#[derive(LogicBlock)]
pub struct Drain {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Synchronous, active high.
    pub reset: Signal<In, Bit>,
    /// An image starts: pulse.
    pub image_start: Signal<In, Bit>,
    /// A unit starts streaming: pulse.
    pub unit_start: Signal<In, Bit>,
    /// Its accumulator bank.
    pub unit_bank: Signal<In, Bit>,
    /// Its pixels.
    pub block: Signal<In, BlockContext>,
    /// Output side of its layer.
    pub tile_drain: Signal<In, DrainContext>,
    /// All its pixels add into one accumulator.
    pub sum: Signal<In, Bit>,
    /// It is the first channel group of its block.
    pub group_first: Signal<In, Bit>,
    /// It is the last channel group of its block.
    pub group_last: Signal<In, Bit>,
    /// The last sum of a unit has passed the last column: pulse.
    pub unit_accumulated: Signal<In, Bit>,
    /// The accumulators of `drain_bank` are being read.
    pub drain_active: Signal<Out, Bit>,
    /// Accumulator bank that is read.
    pub drain_bank: Signal<Out, Bit>,
    /// Accumulator to read, at d.
    pub accumulator_address: Signal<Out, Bits<8>>,
    /// Which `lanes` columns, at d.
    pub step: Signal<Out, Bits<4>>,
    /// Parameter row, at d + 1.
    pub parameter_address: Signal<Out, Bits<16>>,
    /// Bank of the residual.
    pub residual_bank: Signal<Out, Bits<2>>,
    /// Word of the residual, at d + 1.
    pub residual_address: Signal<Out, Bits<16>>,
    /// Part of that word, at d + 1.
    pub residual_granule: Signal<Out, Bits<4>>,
    /// Negative results become 0.
    pub relu: Signal<Out, Bit>,
    /// Results are 16-bit logits.
    pub logits: Signal<Out, Bit>,
    /// First value of a pooling window, at d + 12.
    pub pool_first: Signal<Out, Bit>,
    /// Banks to write.
    pub write_banks: Signal<Out, Bits<4>>,
    /// Write the granule, at d + 13.
    pub write_enable: Signal<Out, Bit>,
    /// Write the logits, at d + 13.
    pub logit_enable: Signal<Out, Bit>,
    /// Word to write.
    pub write_address: Signal<Out, Bits<16>>,
    /// Part of that word.
    pub write_granule: Signal<Out, Bits<4>>,
    /// Row of logits to write.
    pub write_row: Signal<Out, Bits<16>>,
    /// A unit is completely written: pulse.
    pub unit_written: Signal<Out, Bit>,
    /// Layers of this image that are completely written.
    pub written_layers: Signal<Out, Bits<8>>,
    /// Bank 0 may be overwritten: pulse.
    pub release_input: Signal<Out, Bit>,
    block_0: EnabledRegister<BlockContext>,
    block_1: EnabledRegister<BlockContext>,
    context_0: EnabledRegister<DrainContext>,
    context_1: EnabledRegister<DrainContext>,
    sum_0: EnabledRegister<Bit>,
    sum_1: EnabledRegister<Bit>,
    group_first_0: EnabledRegister<Bit>,
    group_first_1: EnabledRegister<Bit>,
    group_last_0: EnabledRegister<Bit>,
    group_last_1: EnabledRegister<Bit>,
    accumulated: Register<Bits<2>>,
    bank: Register<Bit>,
    busy: Register<Bit>,
    flushing: Register<Bit>,
    sub_pixel: Register<Bits<2>>,
    step_register: Register<Bits<4>>,
    pixel_x: Register<Bits<8>>,
    pixel_y: Register<Bits<8>>,
    index: Register<Bits<8>>,
    out_row: Register<Bits<16>>,
    out_pixel: Register<Bits<16>>,
    residual_row: Register<Bits<16>>,
    residual_pixel: Register<Bits<16>>,
    word: Register<Bits<16>>,
    start_word: Register<Bits<16>>,
    granule: Register<Bits<4>>,
    start_granule: Register<Bits<4>>,
    row: Register<Bits<16>>,
    start_row: Register<Bits<16>>,
    address_out: Register<Bits<8>>,
    step_out: Register<Bits<4>>,
    row_out: Register<Bits<16>>,
    parameter_out: Register<Bits<16>>,
    residual_base_out: Register<Bits<16>>,
    residual_offset_out: Register<Bits<16>>,
    residual_out: Register<Bits<16>>,
    granule_out: Register<Bits<4>>,
    residual_granule_out: Register<Bits<4>>,
    first_out: Register<Bit>,
    write_out: Register<WriteControl>,
    first_delay: ControlDelay<Bit>,
    write_delay: ControlDelay<WriteControl>,
    written: Register<Bit>,
    layers: Register<Bits<8>>,
    last_granule: Constant<Bits<4>>,
    keep_0: Signal<Local, Bit>,
    keep_1: Signal<Local, Bit>,
    here: Signal<Local, BlockContext>,
    layer: Signal<Local, DrainContext>,
    here_sum: Signal<Local, Bit>,
    here_group_first: Signal<Local, Bit>,
    here_group_last: Signal<Local, Bit>,
    start: Signal<Local, Bit>,
    last_step: Signal<Local, Bits<4>>,
    last_x: Signal<Local, Bits<8>>,
    last_y: Signal<Local, Bits<8>>,
    block_width: Signal<Local, Bits<8>>,
    granule_end: Signal<Local, Bit>,
    pixel_end: Signal<Local, Bit>,
    row_end: Signal<Local, Bit>,
    unit_end: Signal<Local, Bit>,
    residual_pixel_step: Signal<Local, Bits<16>>,
    residual_row_step: Signal<Local, Bits<16>>,
    next_out_row: Signal<Local, Bits<16>>,
    next_residual_row: Signal<Local, Bits<16>>,
    right: Signal<Local, Bits<8>>,
    below: Signal<Local, Bits<8>>,
    residual_right: Signal<Local, Bits<16>>,
    residual_below: Signal<Local, Bits<16>>,
}

impl Drain {
    /// Cycles from the addressing of an accumulator to the pooled result's write.
    pub const LATENCY: usize = Requantize::LATENCY + 4;

    /// A drain for words and lanes of this configuration.
    pub fn new(config: &ArrayConfig) -> Self {
        Self {
            clock: Signal::default(),
            reset: Signal::default(),
            image_start: Signal::default(),
            unit_start: Signal::default(),
            unit_bank: Signal::default(),
            block: Signal::default(),
            tile_drain: Signal::default(),
            sum: Signal::default(),
            group_first: Signal::default(),
            group_last: Signal::default(),
            unit_accumulated: Signal::default(),
            drain_active: Signal::default(),
            drain_bank: Signal::default(),
            accumulator_address: Signal::default(),
            step: Signal::default(),
            parameter_address: Signal::default(),
            residual_bank: Signal::default(),
            residual_address: Signal::default(),
            residual_granule: Signal::default(),
            relu: Signal::default(),
            logits: Signal::default(),
            pool_first: Signal::default(),
            write_banks: Signal::default(),
            write_enable: Signal::default(),
            logit_enable: Signal::default(),
            write_address: Signal::default(),
            write_granule: Signal::default(),
            write_row: Signal::default(),
            unit_written: Signal::default(),
            written_layers: Signal::default(),
            release_input: Signal::default(),
            block_0: EnabledRegister::default(),
            block_1: EnabledRegister::default(),
            context_0: EnabledRegister::default(),
            context_1: EnabledRegister::default(),
            sum_0: EnabledRegister::default(),
            sum_1: EnabledRegister::default(),
            group_first_0: EnabledRegister::default(),
            group_first_1: EnabledRegister::default(),
            group_last_0: EnabledRegister::default(),
            group_last_1: EnabledRegister::default(),
            accumulated: Register::default(),
            bank: Register::starting_at(true),
            busy: Register::default(),
            flushing: Register::default(),
            sub_pixel: Register::default(),
            step_register: Register::default(),
            pixel_x: Register::default(),
            pixel_y: Register::default(),
            index: Register::default(),
            out_row: Register::default(),
            out_pixel: Register::default(),
            residual_row: Register::default(),
            residual_pixel: Register::default(),
            word: Register::default(),
            start_word: Register::default(),
            granule: Register::default(),
            start_granule: Register::default(),
            row: Register::default(),
            start_row: Register::default(),
            address_out: Register::default(),
            step_out: Register::default(),
            row_out: Register::default(),
            parameter_out: Register::default(),
            residual_base_out: Register::default(),
            residual_offset_out: Register::default(),
            residual_out: Register::default(),
            granule_out: Register::default(),
            residual_granule_out: Register::default(),
            first_out: Register::default(),
            write_out: Register::default(),
            first_delay: ControlDelay::new(Self::LATENCY - 1),
            write_delay: ControlDelay::new(Self::LATENCY),
            written: Register::default(),
            layers: Register::default(),
            last_granule: Constant::new((config.granules() as u64 - 1).into()),
            keep_0: Signal::default(),
            keep_1: Signal::default(),
            here: Signal::default(),
            layer: Signal::default(),
            here_sum: Signal::default(),
            here_group_first: Signal::default(),
            here_group_last: Signal::default(),
            start: Signal::default(),
            last_step: Signal::default(),
            last_x: Signal::default(),
            last_y: Signal::default(),
            block_width: Signal::default(),
            granule_end: Signal::default(),
            pixel_end: Signal::default(),
            row_end: Signal::default(),
            unit_end: Signal::default(),
            residual_pixel_step: Signal::default(),
            residual_row_step: Signal::default(),
            next_out_row: Signal::default(),
            next_residual_row: Signal::default(),
            right: Signal::default(),
            below: Signal::default(),
            residual_right: Signal::default(),
            residual_below: Signal::default(),
        }
    }
}

impl Logic for Drain {
    #[hdl_gen]
    fn update(&mut self) {
        comment!(
            "module drain: Walks a finished unit's accumulators and says where each granule goes."
        );
        dff_setup!(
            self,
            clock,
            accumulated,
            bank,
            busy,
            flushing,
            sub_pixel,
            step_register,
            pixel_x,
            pixel_y,
            index,
            out_row,
            out_pixel,
            residual_row,
            residual_pixel,
            word,
            start_word,
            granule,
            start_granule,
            row,
            start_row,
            address_out,
            step_out,
            row_out,
            parameter_out,
            residual_base_out,
            residual_offset_out,
            residual_out,
            granule_out,
            residual_granule_out,
            first_out,
            write_out,
            written,
            layers
        );
        clock!(
            self,
            clock,
            block_0,
            context_0,
            sum_0,
            group_first_0,
            group_last_0,
            block_1,
            context_1,
            sum_1,
            group_first_1,
            group_last_1
        );
        self.first_delay.clock.next = self.clock.val();
        self.first_delay.reset.next = self.reset.val();
        self.write_delay.clock.next = self.clock.val();
        self.write_delay.reset.next = self.reset.val();

        // The context of a unit, kept from its start to its last write.
        self.keep_0.next = self.unit_start.val() & !self.unit_bank.val();
        self.block_0.enable.next = self.keep_0.val();
        self.block_0.d.next = self.block.val();
        self.context_0.enable.next = self.keep_0.val();
        self.context_0.d.next = self.tile_drain.val();
        self.sum_0.enable.next = self.keep_0.val();
        self.sum_0.d.next = self.sum.val();
        self.group_first_0.enable.next = self.keep_0.val();
        self.group_first_0.d.next = self.group_first.val();
        self.group_last_0.enable.next = self.keep_0.val();
        self.group_last_0.d.next = self.group_last.val();
        self.keep_1.next = self.unit_start.val() & self.unit_bank.val();
        self.block_1.enable.next = self.keep_1.val();
        self.block_1.d.next = self.block.val();
        self.context_1.enable.next = self.keep_1.val();
        self.context_1.d.next = self.tile_drain.val();
        self.sum_1.enable.next = self.keep_1.val();
        self.sum_1.d.next = self.sum.val();
        self.group_first_1.enable.next = self.keep_1.val();
        self.group_first_1.d.next = self.group_first.val();
        self.group_last_1.enable.next = self.keep_1.val();
        self.group_last_1.d.next = self.group_last.val();
        self.here.next = self.block_0.q.val();
        self.layer.next = self.context_0.q.val();
        self.here_sum.next = self.sum_0.q.val();
        self.here_group_first.next = self.group_first_0.q.val();
        self.here_group_last.next = self.group_last_0.q.val();
        if self.bank.q.val() {
            self.here.next = self.block_1.q.val();
            self.layer.next = self.context_1.q.val();
            self.here_sum.next = self.sum_1.q.val();
            self.here_group_first.next = self.group_first_1.q.val();
            self.here_group_last.next = self.group_last_1.q.val();
        }
        self.drain_active.next = self.busy.q.val() | self.flushing.q.val();
        self.drain_bank.next = self.bank.q.val();
        self.residual_bank.next = self.layer.val().residual_bank;
        self.relu.next = self.layer.val().relu;
        self.logits.next = self.layer.val().logits;
        self.write_banks.next = self.layer.val().out_banks;

        // Limits and steps of this unit.
        self.last_step.next = self.layer.val().steps_minus_1;
        if self.here_group_last.val() {
            self.last_step.next = self.layer.val().last_steps_minus_1;
        }
        self.block_width.next = self.here.val().width_minus_1 + 1;
        self.last_x.next = self.here.val().width_minus_1;
        self.last_y.next = self.here.val().height_minus_1;
        self.residual_pixel_step.next = self.layer.val().residual_pixel_step;
        self.residual_row_step.next = self.layer.val().residual_row_step;
        if self.layer.val().pool {
            self.last_x.next = self.here.val().width_minus_1 >> 1;
            self.last_y.next = self.here.val().height_minus_1 >> 1;
            self.residual_pixel_step.next = self.layer.val().residual_pixel_step << 1;
            self.residual_row_step.next = self.layer.val().residual_row_step << 1;
        }
        if self.here_sum.val() {
            self.last_x.next = 0.into();
            self.last_y.next = 0.into();
        }
        self.granule_end.next = !self.layer.val().pool | (self.sub_pixel.q.val() == 3);
        self.pixel_end.next =
            self.granule_end.val() & (self.step_register.q.val() == self.last_step.val());
        self.row_end.next = self.pixel_end.val() & (self.pixel_x.q.val() == self.last_x.val());
        self.unit_end.next = self.row_end.val() & (self.pixel_y.q.val() == self.last_y.val());
        self.next_out_row.next = self.out_row.q.val() + self.layer.val().out_row_step;
        self.next_residual_row.next = self.residual_row.q.val() + self.residual_row_step.val();
        self.start.next =
            self.accumulated.q.val().any() & !self.busy.q.val() & !self.flushing.q.val();

        // One accumulator a cycle.
        if self.busy.q.val() {
            if self.layer.val().pool {
                self.sub_pixel.d.next = self.sub_pixel.q.val() + 1;
            }
            if self.granule_end.val() {
                self.step_register.d.next = self.step_register.q.val() + 1;
                self.row.d.next = self.row.q.val() + 1;
                self.granule.d.next = self.granule.q.val() + 1;
                if self.granule.q.val() == self.last_granule.val() {
                    self.granule.d.next = 0.into();
                    self.word.d.next = self.word.q.val() + 1;
                }
            }
            if self.pixel_end.val() {
                self.step_register.d.next = 0.into();
                self.pixel_x.d.next = self.pixel_x.q.val() + 1;
                self.index.d.next = self.index.q.val() + 1;
                self.out_pixel.d.next = self.out_pixel.q.val() + self.layer.val().out_pixel_step;
                self.residual_pixel.d.next =
                    self.residual_pixel.q.val() + self.residual_pixel_step.val();
                if self.layer.val().pool {
                    self.index.d.next = self.index.q.val() + 2;
                }
                if !self.unit_end.val() {
                    self.word.d.next = self.start_word.q.val();
                    self.granule.d.next = self.start_granule.q.val();
                    self.row.d.next = self.start_row.q.val();
                }
            }
            if self.row_end.val() {
                self.pixel_x.d.next = 0.into();
                self.pixel_y.d.next = self.pixel_y.q.val() + 1;
                self.out_row.d.next = self.next_out_row.val();
                self.out_pixel.d.next = self.next_out_row.val();
                self.residual_row.d.next = self.next_residual_row.val();
                self.residual_pixel.d.next = self.next_residual_row.val();
                if self.layer.val().pool {
                    self.index.d.next = self.index.q.val() + self.block_width.val() + 2;
                }
            }
            if self.unit_end.val() {
                self.busy.d.next = false;
                self.flushing.d.next = true;
            }
        }
        if self.start.val() {
            self.busy.d.next = true;
            self.sub_pixel.d.next = 0.into();
            self.step_register.d.next = 0.into();
            self.pixel_x.d.next = 0.into();
            self.pixel_y.d.next = 0.into();
            self.index.d.next = 0.into();
            self.out_row.d.next = self.here.val().out_address;
            self.out_pixel.d.next = self.here.val().out_address;
            self.residual_row.d.next = self.here.val().residual_address;
            self.residual_pixel.d.next = self.here.val().residual_address;
            self.start_word.d.next = self.word.q.val();
            self.start_granule.d.next = self.granule.q.val();
            self.start_row.d.next = self.row.q.val();
            if self.here_group_first.val() {
                self.word.d.next = 0.into();
                self.granule.d.next = 0.into();
                self.row.d.next = 0.into();
                self.start_word.d.next = 0.into();
                self.start_granule.d.next = 0.into();
                self.start_row.d.next = 0.into();
            }
        }
        if self.unit_accumulated.val() & !self.start.val() {
            self.accumulated.d.next = self.accumulated.q.val() + 1;
        }
        if !self.unit_accumulated.val() & self.start.val() {
            self.accumulated.d.next = self.accumulated.q.val() - 1;
        }

        // At d: the accumulator; at d + 1: parameters and residual.
        self.right.next = 0.into();
        self.residual_right.next = 0.into();
        if self.sub_pixel.q.val().get_bit(0) {
            self.right.next = 1.into();
            self.residual_right.next = self.layer.val().residual_pixel_step;
        }
        self.below.next = 0.into();
        self.residual_below.next = 0.into();
        if self.sub_pixel.q.val().get_bit(1) {
            self.below.next = self.block_width.val();
            self.residual_below.next = self.layer.val().residual_row_step;
        }
        self.address_out.d.next = self.index.q.val() + self.right.val() + self.below.val();
        self.step_out.d.next = self.step_register.q.val();
        self.row_out.d.next = self.row.q.val();
        self.residual_base_out.d.next = self.residual_pixel.q.val() + self.word.q.val();
        self.residual_offset_out.d.next = self.residual_right.val() + self.residual_below.val();
        self.granule_out.d.next = self.granule.q.val();
        self.first_out.d.next = self.busy.q.val() & (self.sub_pixel.q.val() == 0);
        self.write_out.d.next.valid = self.busy.q.val() & self.granule_end.val();
        self.write_out.d.next.address = self.out_pixel.q.val() + self.word.q.val();
        self.write_out.d.next.granule = self.granule.q.val();
        self.write_out.d.next.row = self.row.q.val();
        self.write_out.d.next.last = self.busy.q.val() & self.unit_end.val();
        self.accumulator_address.next = self.address_out.q.val();
        self.step.next = self.step_out.q.val();
        self.parameter_out.d.next = self.layer.val().parameter_base + self.row_out.q.val();
        self.residual_out.d.next =
            self.residual_base_out.q.val() + self.residual_offset_out.q.val();
        self.residual_granule_out.d.next = self.granule_out.q.val();
        self.parameter_address.next = self.parameter_out.q.val();
        self.residual_address.next = self.residual_out.q.val();
        self.residual_granule.next = self.residual_granule_out.q.val();

        // The write, when the result is there.
        self.first_delay.d.next = self.first_out.q.val();
        self.pool_first.next = self.first_delay.q.val();
        self.write_delay.d.next = self.write_out.q.val();
        self.write_enable.next = self.write_delay.q.val().valid & !self.layer.val().logits;
        self.logit_enable.next = self.write_delay.q.val().valid & self.layer.val().logits;
        self.write_address.next = self.write_delay.q.val().address;
        self.write_granule.next = self.write_delay.q.val().granule;
        self.write_row.next = self.write_delay.q.val().row;
        self.written.d.next = self.write_delay.q.val().last;
        self.unit_written.next = self.written.q.val();
        self.release_input.next =
            self.written.q.val() & self.here_group_last.val() & self.here.val().release_input;
        self.written_layers.next = self.layers.q.val();
        if self.written.q.val() {
            self.flushing.d.next = false;
            self.bank.d.next = !self.bank.q.val();
            if self.here_group_last.val() & self.here.val().layer_end {
                self.layers.d.next = self.layers.q.val() + 1;
            }
        }

        if self.image_start.val() {
            self.layers.d.next = 0.into();
        }
        if self.reset.val() {
            self.accumulated.d.next = 0.into();
            self.bank.d.next = true;
            self.busy.d.next = false;
            self.flushing.d.next = false;
            self.first_out.d.next = false;
            self.write_out.d.next.valid = false;
            self.write_out.d.next.last = false;
            self.written.d.next = false;
            self.layers.d.next = 0.into();
        }
    }
}
