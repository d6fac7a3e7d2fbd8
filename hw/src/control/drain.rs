//! Drain: walks a finished unit's accumulators and says where each requantized granule goes.

mod unit_context;
mod walker;
mod write_back;

use rust_hdl_core::prelude::*;
use spec::ArrayConfig;

use crate::context::{BlockContext, DrainContext};
use crate::leaf::Register;
use crate::{comment, dff_setup};

use unit_context::UnitContext;
use walker::Walker;
use write_back::WriteBack;

/// Drains units in the order in which they started, `lanes` channels of one pixel a cycle.
///
/// A unit's context is kept from its start, one set an accumulator bank. With "at d" the cycle in which an accumulator
/// is addressed: parameters and residual are addressed at d + 1, all operands reach the requantizer at d + 3, its result
/// leaves at d + 12, passes the pooling register and is written at d + 13. The next unit begins after the last write.
/// Reset: no unit known.
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
    unit_context: UnitContext,
    walker: Walker,
    write_back: WriteBack,
    accumulated: Register<Bits<2>>,
    bank: Register<Bit>,
    flushing: Register<Bit>,
    start: Signal<Local, Bit>,
}

impl Drain {
    /// Cycles from the addressing of an accumulator to the pooled result's write.
    pub const LATENCY: usize = WriteBack::LATENCY;

    /// A drain for words and lanes of this configuration.
    pub fn new(config: &ArrayConfig) -> Self {
        Self {
            walker: Walker::new(config),
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
        dff_setup!(self, clock, accumulated, bank, flushing);
        clock!(self, clock, unit_context, walker, write_back);
        self.walker.reset.next = self.reset.val();
        self.write_back.reset.next = self.reset.val();

        // The context of a unit, kept from its start to its last write.
        self.unit_context.unit_start.next = self.unit_start.val();
        self.unit_context.unit_bank.next = self.unit_bank.val();
        self.unit_context.block.next = self.block.val();
        self.unit_context.tile_drain.next = self.tile_drain.val();
        self.unit_context.sum.next = self.sum.val();
        self.unit_context.group_first.next = self.group_first.val();
        self.unit_context.group_last.next = self.group_last.val();
        self.unit_context.bank.next = self.bank.q.val();
        self.drain_bank.next = self.bank.q.val();
        self.residual_bank.next = self.unit_context.layer.val().residual_bank;
        self.relu.next = self.unit_context.layer.val().relu;
        self.logits.next = self.unit_context.layer.val().logits;
        self.write_banks.next = self.unit_context.layer.val().out_banks;

        // A unit begins when all of its sums are there and the one before is written.
        self.drain_active.next = self.walker.busy.val() | self.flushing.q.val();
        self.start.next =
            self.accumulated.q.val().any() & !self.walker.busy.val() & !self.flushing.q.val();
        if self.unit_accumulated.val() & !self.start.val() {
            self.accumulated.d.next = self.accumulated.q.val() + 1;
        }
        if !self.unit_accumulated.val() & self.start.val() {
            self.accumulated.d.next = self.accumulated.q.val() - 1;
        }
        if self.walker.unit_end.val() {
            self.flushing.d.next = true;
        }
        if self.write_back.unit_written.val() {
            self.flushing.d.next = false;
            self.bank.d.next = !self.bank.q.val();
        }

        self.walker.start.next = self.start.val();
        self.walker.here.next = self.unit_context.here.val();
        self.walker.layer.next = self.unit_context.layer.val();
        self.walker.sum.next = self.unit_context.here_sum.val();
        self.walker.group_first.next = self.unit_context.here_group_first.val();
        self.walker.group_last.next = self.unit_context.here_group_last.val();
        self.accumulator_address.next = self.walker.accumulator_address.val();
        self.step.next = self.walker.step.val();
        self.parameter_address.next = self.walker.parameter_address.val();
        self.residual_address.next = self.walker.residual_address.val();
        self.residual_granule.next = self.walker.residual_granule.val();

        self.write_back.image_start.next = self.image_start.val();
        self.write_back.first.next = self.walker.first.val();
        self.write_back.write.next = self.walker.write.val();
        self.write_back.to_logits.next = self.unit_context.layer.val().logits;
        self.write_back.releases.next =
            self.unit_context.here_group_last.val() & self.unit_context.here.val().release_input;
        self.write_back.layer_end.next =
            self.unit_context.here_group_last.val() & self.unit_context.here.val().layer_end;
        self.pool_first.next = self.write_back.pool_first.val();
        self.write_enable.next = self.write_back.write_enable.val();
        self.logit_enable.next = self.write_back.logit_enable.val();
        self.write_address.next = self.write_back.write_address.val();
        self.write_granule.next = self.write_back.write_granule.val();
        self.write_row.next = self.write_back.write_row.val();
        self.unit_written.next = self.write_back.unit_written.val();
        self.written_layers.next = self.write_back.written_layers.val();
        self.release_input.next = self.write_back.release_input.val();

        if self.reset.val() {
            self.accumulated.d.next = 0.into();
            self.bank.d.next = true;
            self.flushing.d.next = false;
        }
    }
}
