//! Drain: walks a finished unit's accumulators and says where each requantized granule goes.

mod bank_release;
mod unit_context;
mod walker;
mod write_back;

use rust_hdl_core::prelude::*;
use spec::ArrayConfig;

use crate::context::{BlockContext, DrainContext, ResultContext};
use crate::leaf::Register;
use crate::{comment, dff_setup};

use bank_release::BankRelease;
use unit_context::UnitContext;
use walker::Walker;
use write_back::WriteBack;

/// Drains units in the order in which they started, `lanes` channels of one pixel a cycle.
///
/// A unit's context is kept from its start, one set an accumulator bank. With "at d" the cycle in which an accumulator
/// is addressed: parameters and residual are addressed at d + 1, all operands reach the requantizer at d + 3, its result
/// is rounded at d + 11, clamped at d + 12, leaves at d + 13, passes the pooling register and is written at d + 14. The next
/// unit begins after the last read of this one, without a gap if its sums are there, but no earlier than the unit before this
/// one is written, nor, if it reads a residual, than every unit of an earlier layer is. Reset: no unit known.
#[derive(LogicBlock, Default)]
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
    /// Its accumulator bank.
    pub accumulated_bank: Signal<In, Bit>,
    /// Its last accumulator.
    pub accumulated_address: Signal<In, Bits<8>>,
    /// A unit is being read, or its results are on their way.
    pub drain_active: Signal<Out, Bit>,
    /// Accumulator bank to read, at d.
    pub drain_bank: Signal<Out, Bit>,
    /// Accumulator to read, at d.
    pub accumulator_address: Signal<Out, Bits<8>>,
    /// Which `lanes` columns, at d.
    pub step: Signal<Out, Bits<4>>,
    /// Parameter row, at d + 1.
    pub parameter_address: Signal<Out, Bits<16>>,
    /// Bank of the residual, at d + 1.
    pub residual_bank: Signal<Out, Bits<2>>,
    /// Word of the residual, at d + 1.
    pub residual_address: Signal<Out, Bits<16>>,
    /// Part of that word, at d + 1.
    pub residual_granule: Signal<Out, Bits<4>>,
    /// Of the operands that reach the requantizer, at d + 3.
    pub operand_context: Signal<Out, ResultContext>,
    /// Of the results that are rounded, at d + 11.
    pub round_context: Signal<Out, ResultContext>,
    /// Of the results that are clamped, at d + 12.
    pub clamp_context: Signal<Out, ResultContext>,
    /// First value of a pooling window, at d + 13.
    pub pool_first: Signal<Out, Bit>,
    /// Banks to write, at d + 14.
    pub write_banks: Signal<Out, Bits<4>>,
    /// Write the granule, at d + 14.
    pub write_enable: Signal<Out, Bit>,
    /// Write the logits, at d + 14.
    pub logit_enable: Signal<Out, Bit>,
    /// Word, or row of logits, to write.
    pub write_address: Signal<Out, Bits<16>>,
    /// Part of that word.
    pub write_granule: Signal<Out, Bits<4>>,
    /// An accumulator bank is free for another unit: pulse, once a unit.
    pub bank_released: Signal<Out, Bit>,
    /// A unit is completely written: pulse.
    pub unit_written: Signal<Out, Bit>,
    /// Layers of this image that are completely written.
    pub written_layers: Signal<Out, Bits<8>>,
    /// Bank 0 may be overwritten: pulse.
    pub release_input: Signal<Out, Bit>,
    unit_context: UnitContext,
    walker: Walker,
    bank_release: BankRelease,
    write_back: WriteBack,
    accumulated: Register<Bits<2>>,
    bank: Register<Bit>,
    in_write: Register<Bits<2>>,
    older: Register<Bits<2>>,
    layer_closed: Register<Bit>,
    start: Signal<Local, Bit>,
    older_now: Signal<Local, Bits<2>>,
    older_then: Signal<Local, Bits<2>>,
    unit_last: Signal<Local, Bit>,
    results: Signal<Local, ResultContext>,
}

impl Drain {
    /// A drain for words and lanes of this configuration.
    pub fn new(config: &ArrayConfig) -> Self {
        Self {
            walker: Walker::new(config),
            bank_release: BankRelease::new(config),
            write_back: WriteBack::new(),
            bank: Register::starting_at(true),
            ..Self::default()
        }
    }
}

impl Logic for Drain {
    #[hdl_gen]
    fn update(&mut self) {
        comment!(
            "module drain: Walks a finished unit's accumulators and says where each granule goes."
        );
        dff_setup!(self, clock, accumulated, bank, in_write, older, layer_closed);
        clock!(self, clock, unit_context, walker, bank_release, write_back);
        self.walker.reset.next = self.reset.val();
        self.bank_release.reset.next = self.reset.val();
        self.write_back.reset.next = self.reset.val();

        // The context of a unit, kept from its start to its first read; that of the unit that is drained next is shown.
        self.unit_context.unit_start.next = self.unit_start.val();
        self.unit_context.unit_bank.next = self.unit_bank.val();
        self.unit_context.block.next = self.block.val();
        self.unit_context.tile_drain.next = self.tile_drain.val();
        self.unit_context.sum.next = self.sum.val();
        self.unit_context.group_first.next = self.group_first.val();
        self.unit_context.group_last.next = self.group_last.val();
        self.unit_context.unit_accumulated.next = self.unit_accumulated.val();
        self.unit_context.accumulated_bank.next = self.accumulated_bank.val();
        self.unit_context.accumulated_address.next = self.accumulated_address.val();
        self.unit_context.bank.next = self.bank.q.val();
        self.unit_last.next =
            self.unit_context.here_group_last.val() & self.unit_context.here.val().layer_end;
        self.results.next.residual = self.unit_context.layer.val().residual;
        self.results.next.residual_zero_point = self.unit_context.layer.val().residual_zero_point;
        self.results.next.half_away = self.unit_context.layer.val().half_away;
        self.results.next.zero_point = self.unit_context.layer.val().zero_point;
        self.results.next.wide = self.unit_context.layer.val().wide;
        self.results.next.low = self.unit_context.layer.val().low;
        self.results.next.high = self.unit_context.layer.val().high;
        self.results.next.logits = self.unit_context.layer.val().logits;
        self.results.next.out_banks = self.unit_context.layer.val().out_banks;
        self.results.next.release_input =
            self.unit_context.here_group_last.val() & self.unit_context.here.val().release_input;
        self.results.next.layer_end = self.unit_last.val();

        // A unit begins when all of its sums are there, the reads of the one before are chosen, the one before that is
        // written, and so are, if it reads a residual, all of earlier layers.
        self.older_now.next = self.older.q.val();
        if self.layer_closed.q.val() {
            self.older_now.next = self.in_write.q.val();
        }
        self.start.next = self.accumulated.q.val().any()
            & (!self.walker.busy.val() | self.walker.unit_end.val())
            & !self.in_write.q.val().get_bit(1)
            & !(self.unit_context.layer.val().residual.any() & self.older_now.val().any());
        if self.unit_accumulated.val() & !self.start.val() {
            self.accumulated.d.next = self.accumulated.q.val() + 1;
        }
        if !self.unit_accumulated.val() & self.start.val() {
            self.accumulated.d.next = self.accumulated.q.val() - 1;
        }
        if self.start.val() & !self.write_back.unit_written.val() {
            self.in_write.d.next = self.in_write.q.val() + 1;
        }
        if !self.start.val() & self.write_back.unit_written.val() {
            self.in_write.d.next = self.in_write.q.val() - 1;
        }
        self.older_then.next = self.older.q.val();
        if self.start.val() {
            self.older_then.next = self.older_now.val();
        }
        if self.start.val() {
            self.layer_closed.d.next = self.unit_last.val();
            self.bank.d.next = !self.bank.q.val();
        }
        self.older.d.next = self.older_then.val();
        if self.write_back.unit_written.val() & self.older_then.val().any() {
            self.older.d.next = self.older_then.val() - 1;
        }
        self.drain_active.next = self.in_write.q.val().any();

        self.walker.start.next = self.start.val();
        self.walker.start_bank.next = self.bank.q.val();
        self.walker.start_block.next = self.unit_context.here.val();
        self.walker.start_layer.next = self.unit_context.layer.val();
        self.walker.start_sum.next = self.unit_context.here_sum.val();
        self.walker.start_group_first.next = self.unit_context.here_group_first.val();
        self.walker.start_group_last.next = self.unit_context.here_group_last.val();
        self.drain_bank.next = self.walker.bank.val();
        self.accumulator_address.next = self.walker.accumulator_address.val();
        self.step.next = self.walker.step.val();
        self.parameter_address.next = self.walker.parameter_address.val();
        self.residual_bank.next = self.walker.residual_bank.val();
        self.residual_address.next = self.walker.residual_address.val();
        self.residual_granule.next = self.walker.residual_granule.val();

        self.bank_release.start.next = self.start.val();
        self.bank_release.start_last.next = self.unit_context.here_last.val();
        self.bank_release.start_steps_minus_1.next = self.unit_context.layer.val().steps_minus_1;
        if self.unit_context.here_group_last.val() {
            self.bank_release.start_steps_minus_1.next =
                self.unit_context.layer.val().last_steps_minus_1;
        }
        self.bank_release.start_windowed.next =
            self.unit_context.here.val().window_height_minus_1.any()
                | self.unit_context.here.val().window_width_minus_1.any()
                | self.unit_context.here.val().pool_stride_y_minus_1.any()
                | self.unit_context.here.val().pool_stride_x_minus_1.any();
        self.bank_release.unit_end.next = self.walker.unit_end.val();
        self.bank_released.next = self.bank_release.released.val();

        self.write_back.image_start.next = self.image_start.val();
        self.write_back.start.next = self.start.val();
        self.write_back.start_bank.next = self.bank.q.val();
        self.write_back.start_context.next = self.results.val();
        self.write_back.write.next = self.walker.write.val();
        self.operand_context.next = self.write_back.operands.val();
        self.round_context.next = self.write_back.round.val();
        self.clamp_context.next = self.write_back.clamp.val();
        self.pool_first.next = self.write_back.pool_first.val();
        self.write_banks.next = self.write_back.write_banks.val();
        self.write_enable.next = self.write_back.write_enable.val();
        self.logit_enable.next = self.write_back.logit_enable.val();
        self.write_address.next = self.write_back.write_address.val();
        self.write_granule.next = self.write_back.write_granule.val();
        self.unit_written.next = self.write_back.unit_written.val();
        self.written_layers.next = self.write_back.written_layers.val();
        self.release_input.next = self.write_back.release_input.val();

        if self.reset.val() {
            self.accumulated.d.next = 0.into();
            self.bank.d.next = true;
            self.in_write.d.next = 0.into();
            self.older.d.next = 0.into();
            self.layer_closed.d.next = false;
        }
    }
}
