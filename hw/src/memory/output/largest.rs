//! The class: where the largest logit is.

use crate::leaf::{Drive, verilog};
use rust_hdl_core::prelude::*;

/// Index of the largest signed value since `first`, the lowest of equal ones. Latency 1 cycle, no reset.
#[derive(LogicBlock, Default)]
pub struct Largest {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Takes `value`.
    pub enable: Signal<In, Bit>,
    /// Position of `value`; 0 starts anew.
    pub index: Signal<In, Bits<16>>,
    /// int16.
    pub value: Signal<In, Bits<16>>,
    /// Position of the largest value.
    pub winner: Signal<Out, Bits<16>>,
    _largest: i16,
}

impl Logic for Largest {
    fn update(&mut self) {
        if self.clock.pos_edge() && self.enable.val() {
            let (index, value) = (self.index.val(), self.value.val().to_u16() as i16);
            if index.index() == 0 || value > self._largest {
                self.winner.next = index;
                self._largest = value;
            }
        }
    }

    fn connect(&mut self) {
        self.winner.drive();
    }

    fn hdl(&self) -> Verilog {
        verilog(
            "largest",
            "Where the largest signed value is.",
            "\
reg [15:0] best;
wire larger = index == 16'd0 | $signed(value) > $signed(best);
initial begin
    best = 16'd0;
    winner = 16'd0;
end
always @(posedge clock) if (enable) begin
    best <= larger ? value : best;
    winner <= larger ? index : winner;
end
",
        )
    }
}
