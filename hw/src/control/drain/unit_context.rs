//! What the drain knows of the units in flight.

use rust_hdl_core::prelude::*;

use crate::comment;
use crate::context::{BlockContext, DrainContext};
use crate::leaf::EnabledRegister;

/// Keeps a unit's context from its start to its first read, one set an accumulator bank, and shows the one of `bank`.
///
/// A set is visible from the cycle after the unit's start, `here_last` from the cycle after its last sum. No reset.
#[derive(LogicBlock, Default)]
pub(super) struct UnitContext {
    pub(super) clock: Signal<In, Clock>,
    /// A unit starts streaming: pulse.
    pub(super) unit_start: Signal<In, Bit>,
    /// Its accumulator bank.
    pub(super) unit_bank: Signal<In, Bit>,
    pub(super) block: Signal<In, BlockContext>,
    pub(super) tile_drain: Signal<In, DrainContext>,
    pub(super) sum: Signal<In, Bit>,
    pub(super) group_first: Signal<In, Bit>,
    pub(super) group_last: Signal<In, Bit>,
    /// The last sum of a unit is there: pulse.
    pub(super) unit_accumulated: Signal<In, Bit>,
    /// Its accumulator bank.
    pub(super) accumulated_bank: Signal<In, Bit>,
    /// Its last accumulator.
    pub(super) accumulated_address: Signal<In, Bits<8>>,
    /// Accumulator bank that is drained next.
    pub(super) bank: Signal<In, Bit>,
    pub(super) here: Signal<Out, BlockContext>,
    pub(super) layer: Signal<Out, DrainContext>,
    pub(super) here_sum: Signal<Out, Bit>,
    pub(super) here_group_first: Signal<Out, Bit>,
    pub(super) here_group_last: Signal<Out, Bit>,
    pub(super) here_last: Signal<Out, Bits<8>>,
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
    last_0: EnabledRegister<Bits<8>>,
    last_1: EnabledRegister<Bits<8>>,
    keep_0: Signal<Local, Bit>,
    keep_1: Signal<Local, Bit>,
}

impl Logic for UnitContext {
    #[hdl_gen]
    fn update(&mut self) {
        comment!(
            "module drain_unit_context: Keeps a unit's context from its start to its first read."
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
            group_last_1,
            last_0,
            last_1
        );
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
        self.last_0.enable.next = self.unit_accumulated.val() & !self.accumulated_bank.val();
        self.last_0.d.next = self.accumulated_address.val();
        self.last_1.enable.next = self.unit_accumulated.val() & self.accumulated_bank.val();
        self.last_1.d.next = self.accumulated_address.val();

        self.here.next = self.block_0.q.val();
        self.layer.next = self.context_0.q.val();
        self.here_sum.next = self.sum_0.q.val();
        self.here_group_first.next = self.group_first_0.q.val();
        self.here_group_last.next = self.group_last_0.q.val();
        self.here_last.next = self.last_0.q.val();
        if self.bank.val() {
            self.here.next = self.block_1.q.val();
            self.layer.next = self.context_1.q.val();
            self.here_sum.next = self.sum_1.q.val();
            self.here_group_first.next = self.group_first_1.q.val();
            self.here_group_last.next = self.group_last_1.q.val();
            self.here_last.next = self.last_1.q.val();
        }
    }
}
