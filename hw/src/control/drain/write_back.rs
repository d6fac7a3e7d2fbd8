//! The writes, when the results are there.

use rust_hdl_core::prelude::*;
use spec::ArrayConfig;

use crate::context::{ResultContext, WriteControl};
use crate::datapath::requantize::Requantize;
use crate::leaf::{ControlDelay, EnabledRegister, Register};
use crate::{comment, dff_setup};

/// Carries the control of each write beside the requantizer and the pooling register, shows what belongs to the results
/// where it is needed, and tells when a unit is written.
///
/// Two units may be on their way, told apart by their accumulator bank. Latency: [`WriteBack::LATENCY`] cycles from
/// `write` to the write, one less to `pool_first`, two less to `clamp`, three less to `round`, one more to `unit_written`, 3 to
/// `operands`. Reset: nothing on its way, no layer written.
#[derive(LogicBlock, Default)]
pub(super) struct WriteBack {
    pub(super) clock: Signal<In, Clock>,
    pub(super) reset: Signal<In, Bit>,
    /// An image starts: pulse.
    pub(super) image_start: Signal<In, Bit>,
    /// A unit begins to be read: pulse. The last but one is written.
    pub(super) start: Signal<In, Bit>,
    /// Its accumulator bank.
    pub(super) start_bank: Signal<In, Bit>,
    /// What becomes of its results.
    pub(super) start_context: Signal<In, ResultContext>,
    /// What is to be written, at d.
    pub(super) write: Signal<In, WriteControl>,
    /// Of the operands at the requantizer, at d + 3.
    pub(super) operands: Signal<Out, ResultContext>,
    /// Of the result that is being rounded, at d + 11.
    pub(super) round: Signal<Out, ResultContext>,
    /// Of the result that is being clamped, at d + 12.
    pub(super) clamp: Signal<Out, ResultContext>,
    /// At d + 13.
    pub(super) pool_first: Signal<Out, Bit>,
    pub(super) write_banks: Signal<Out, Bits<4>>,
    /// At d + 14.
    pub(super) write_enable: Signal<Out, Bit>,
    /// At d + 14.
    pub(super) logit_enable: Signal<Out, Bit>,
    pub(super) write_address: Signal<Out, Bits<16>>,
    pub(super) write_granule: Signal<Out, Bits<4>>,
    /// Pulse, the cycle after the last write.
    pub(super) unit_written: Signal<Out, Bit>,
    pub(super) written_layers: Signal<Out, Bits<8>>,
    /// Pulse, with `unit_written`.
    pub(super) release_input: Signal<Out, Bit>,
    context_0: EnabledRegister<ResultContext>,
    context_1: EnabledRegister<ResultContext>,
    operand_delay: ControlDelay<WriteControl>,
    round_delay: ControlDelay<WriteControl>,
    clamp_delay: ControlDelay<WriteControl>,
    pool_delay: ControlDelay<WriteControl>,
    write_delay: ControlDelay<WriteControl>,
    written: Register<Bit>,
    releases: Register<Bit>,
    ends_layer: Register<Bit>,
    layers: Register<Bits<8>>,
    here: Signal<Local, ResultContext>,
}

impl WriteBack {
    /// Cycles from the addressing of an accumulator to the pooled result's write.
    pub(super) const LATENCY: usize = Self::OPERANDS + Requantize::LATENCY + 1;
    /// Cycles from the addressing of an accumulator to the operands at the requantizer.
    const OPERANDS: usize = 3;

    pub(super) fn new() -> Self {
        Self {
            operand_delay: ControlDelay::new(Self::OPERANDS),
            round_delay: ControlDelay::new(Requantize::ROUND_STAGE),
            clamp_delay: ControlDelay::new(Requantize::CLAMP_STAGE - Requantize::ROUND_STAGE),
            pool_delay: ControlDelay::new(1),
            write_delay: ControlDelay::new(1),
            ..Self::default()
        }
    }
}

const _: () = assert!(
    WriteBack::LATENCY + 1 == ArrayConfig::WRITE_LATENCY,
    "the compiler counts with another latency of the drain"
);

impl Logic for WriteBack {
    #[hdl_gen]
    fn update(&mut self) {
        comment!("module drain_write_back: Writes when the results are there.");
        dff_setup!(self, clock, written, releases, ends_layer, layers);
        clock!(
            self,
            clock,
            context_0,
            context_1,
            operand_delay,
            round_delay,
            clamp_delay,
            pool_delay,
            write_delay
        );
        self.context_0.enable.next = self.start.val() & !self.start_bank.val();
        self.context_0.d.next = self.start_context.val();
        self.context_1.enable.next = self.start.val() & self.start_bank.val();
        self.context_1.d.next = self.start_context.val();
        self.operand_delay.reset.next = self.reset.val();
        self.operand_delay.d.next = self.write.val();
        self.round_delay.reset.next = self.reset.val();
        self.round_delay.d.next = self.operand_delay.q.val();
        self.clamp_delay.reset.next = self.reset.val();
        self.clamp_delay.d.next = self.round_delay.q.val();
        self.pool_delay.reset.next = self.reset.val();
        self.pool_delay.d.next = self.clamp_delay.q.val();
        self.write_delay.reset.next = self.reset.val();
        self.write_delay.d.next = self.pool_delay.q.val();

        self.operands.next = self.context_0.q.val();
        if self.operand_delay.q.val().bank {
            self.operands.next = self.context_1.q.val();
        }
        self.round.next = self.context_0.q.val();
        if self.round_delay.q.val().bank {
            self.round.next = self.context_1.q.val();
        }
        self.clamp.next = self.context_0.q.val();
        if self.clamp_delay.q.val().bank {
            self.clamp.next = self.context_1.q.val();
        }
        self.pool_first.next = self.pool_delay.q.val().first;
        self.here.next = self.context_0.q.val();
        if self.write_delay.q.val().bank {
            self.here.next = self.context_1.q.val();
        }
        self.write_banks.next = self.here.val().out_banks;
        self.write_enable.next = self.write_delay.q.val().valid & !self.here.val().logits;
        self.logit_enable.next = self.write_delay.q.val().valid & self.here.val().logits;
        self.write_address.next = self.write_delay.q.val().address;
        self.write_granule.next = self.write_delay.q.val().granule;

        self.written.d.next = self.write_delay.q.val().last;
        self.releases.d.next = self.here.val().release_input;
        self.ends_layer.d.next = self.here.val().layer_end;
        self.unit_written.next = self.written.q.val();
        self.release_input.next = self.written.q.val() & self.releases.q.val();
        self.written_layers.next = self.layers.q.val();
        if self.written.q.val() & self.ends_layer.q.val() {
            self.layers.d.next = self.layers.q.val() + 1;
        }

        if self.image_start.val() {
            self.layers.d.next = 0.into();
        }
        if self.reset.val() {
            self.written.d.next = false;
            self.layers.d.next = 0.into();
        }
    }
}
