//! The writes, when the results are there.

use rust_hdl_core::prelude::*;

use crate::context::WriteControl;
use crate::datapath::requantize::Requantize;
use crate::leaf::{ControlDelay, Register};
use crate::{comment, dff_setup};

/// Carries the control of each write beside the requantizer and the pooling register, and tells when a unit is written.
///
/// Latency: [`WriteBack::LATENCY`] cycles from `write` to the write, one less to `pool_first`, one more to
/// `unit_written`. Reset: nothing on its way, no layer written.
#[derive(LogicBlock, Default)]
pub(super) struct WriteBack {
    pub(super) clock: Signal<In, Clock>,
    pub(super) reset: Signal<In, Bit>,
    /// An image starts: pulse.
    pub(super) image_start: Signal<In, Bit>,
    /// First visit of a pooling window, at d.
    pub(super) first: Signal<In, Bit>,
    /// What is to be written, at d.
    pub(super) write: Signal<In, WriteControl>,
    /// The unit's results are logits.
    pub(super) to_logits: Signal<In, Bit>,
    /// Bank 0 may be overwritten once the unit is written.
    pub(super) releases: Signal<In, Bit>,
    /// The layer is complete once the unit is written.
    pub(super) layer_end: Signal<In, Bit>,
    /// At d + 12.
    pub(super) pool_first: Signal<Out, Bit>,
    /// At d + 13.
    pub(super) write_enable: Signal<Out, Bit>,
    /// At d + 13.
    pub(super) logit_enable: Signal<Out, Bit>,
    pub(super) write_address: Signal<Out, Bits<16>>,
    pub(super) write_granule: Signal<Out, Bits<4>>,
    pub(super) write_row: Signal<Out, Bits<16>>,
    /// Pulse, the cycle after the last write.
    pub(super) unit_written: Signal<Out, Bit>,
    pub(super) written_layers: Signal<Out, Bits<8>>,
    /// Pulse, with `unit_written`.
    pub(super) release_input: Signal<Out, Bit>,
    first_delay: ControlDelay<Bit>,
    write_delay: ControlDelay<WriteControl>,
    written: Register<Bit>,
    layers: Register<Bits<8>>,
}

impl WriteBack {
    /// Cycles from the addressing of an accumulator to the pooled result's write.
    pub(super) const LATENCY: usize = Requantize::LATENCY + 4;

    pub(super) fn new() -> Self {
        Self {
            first_delay: ControlDelay::new(Self::LATENCY - 1),
            write_delay: ControlDelay::new(Self::LATENCY),
            ..Self::default()
        }
    }
}

impl Logic for WriteBack {
    #[hdl_gen]
    fn update(&mut self) {
        comment!("module drain_write_back: Writes when the results are there.");
        dff_setup!(self, clock, written, layers);
        clock!(self, clock, first_delay, write_delay);
        self.first_delay.reset.next = self.reset.val();
        self.write_delay.reset.next = self.reset.val();
        self.first_delay.d.next = self.first.val();
        self.pool_first.next = self.first_delay.q.val();
        self.write_delay.d.next = self.write.val();
        self.write_enable.next = self.write_delay.q.val().valid & !self.to_logits.val();
        self.logit_enable.next = self.write_delay.q.val().valid & self.to_logits.val();
        self.write_address.next = self.write_delay.q.val().address;
        self.write_granule.next = self.write_delay.q.val().granule;
        self.write_row.next = self.write_delay.q.val().row;
        self.written.d.next = self.write_delay.q.val().last;
        self.unit_written.next = self.written.q.val();
        self.release_input.next = self.written.q.val() & self.releases.val();
        self.written_layers.next = self.layers.q.val();
        if self.written.q.val() & self.layer_end.val() {
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
