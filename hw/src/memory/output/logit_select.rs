//! One logit of a row.

use crate::leaf::{Drive, ports, verilog};
use rust_hdl_core::prelude::*;
use std::fmt::Write;

/// `logit = row[lane]`. Combinational.
#[derive(LogicBlock)]
pub struct LogitSelect {
    /// Which lane; below the number of lanes.
    pub lane: Signal<In, Bits<5>>,
    /// int16, one a lane.
    pub row: Vec<Signal<In, Bits<16>>>,
    /// int16.
    pub logit: Signal<Out, Bits<16>>,
}

impl LogitSelect {
    /// A multiplexer of so many lanes.
    pub fn new(lanes: usize) -> Self {
        Self { lane: Signal::default(), row: ports(lanes), logit: Signal::default() }
    }
}

impl Logic for LogitSelect {
    fn update(&mut self) {
        let lane = self.lane.val().index();
        self.logit.next = self.row.get(lane).map_or(Bits::default(), |value| value.val());
    }

    fn connect(&mut self) {
        self.logit.drive();
    }

    fn hdl(&self) -> Verilog {
        let lanes = self.row.len();
        // Writing to a String cannot fail.
        let mut body = String::from("always @(*) begin\n    case (lane)\n");
        for lane in 0..lanes {
            let _ = writeln!(body, "        5'd{lane}: logit = row_{lane};");
        }
        body.push_str("        default: logit = 16'dx;\n    endcase\nend\n");
        verilog("logit_select", "One logit of a row.", &body)
    }
}
