//! One logit of a row.

use crate::leaf::{Drive, ports, verilog};
use rust_hdl_core::prelude::*;

/// `logit = row[lane]`. Combinational.
#[derive(LogicBlock)]
pub struct LogitSelect {
    /// Which lane; below the number of lanes.
    pub lane: Signal<In, Bits<2>>,
    /// int16, one a lane.
    pub row: Vec<Signal<In, Bits<16>>>,
    /// int16.
    pub logit: Signal<Out, Bits<16>>,
}

impl LogitSelect {
    /// A multiplexer of 2 to 4 lanes.
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
        let row = |lane: usize| {
            if lane < lanes { format!("row_{lane}") } else { "16'd0".to_string() }
        };
        let body = format!(
            "assign logit = lane[1] ? (lane[0] ? {} : {}) : lane[0] ? {} : {};\n",
            row(3),
            row(2),
            row(1),
            row(0)
        );
        verilog("logit_select", "One logit of a row.", &body)
    }
}
