//! The word that the loader fills.

use crate::leaf::{Drive, ports, verilog};
use rust_hdl_core::prelude::*;
use spec::ArrayConfig;
use std::fmt::Write;

/// A word that is written one byte a cycle. Bytes that are not written keep their last value. Latency 1 cycle, no reset.
#[derive(LogicBlock)]
pub struct WordPacker {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Write a byte.
    pub enable: Signal<In, Bit>,
    /// Which byte.
    pub position: Signal<In, Bits<5>>,
    /// The byte, int8.
    pub data: Signal<In, Bits<8>>,
    /// The word, int8.
    pub word: Vec<Signal<Out, Bits<8>>>,
}

impl WordPacker {
    /// A word of `word_channels` bytes.
    pub fn new(config: &ArrayConfig) -> Self {
        Self {
            clock: Signal::default(),
            enable: Signal::default(),
            position: Signal::default(),
            data: Signal::default(),
            word: ports(config.word_channels()),
        }
    }
}

impl Logic for WordPacker {
    fn update(&mut self) {
        if self.clock.pos_edge()
            && self.enable.val()
            && let Some(byte) = self.word.get_mut(self.position.val().index())
        {
            byte.next = self.data.val();
        }
    }

    fn connect(&mut self) {
        self.word.drive();
    }

    fn hdl(&self) -> Verilog {
        let mut body = String::from("initial begin\n");
        // Writing to a String cannot fail.
        for i in 0..self.word.len() {
            let _ = writeln!(body, "    word_{i} = 8'd0;");
        }
        body.push_str("end\nalways @(posedge clock) if (enable) begin\n    case (position)\n");
        for i in 0..self.word.len() {
            let _ = writeln!(body, "        5'd{i}: word_{i} <= data;");
        }
        if self.word.len() < 32 {
            body.push_str("        default: ;\n");
        }
        body.push_str("    endcase\nend\n");
        verilog("word_packer", "A word that is written one byte a cycle.", &body)
    }
}
