//! The word that the loader fills.

use crate::leaf::{Drive, ports, verilog};
use rust_hdl_core::prelude::*;
use spec::ArrayConfig;
use std::fmt::Write;

/// A word that is written one byte a cycle, from byte 0 on; byte 0 clears the others. Latency 1 cycle, no reset.
#[derive(LogicBlock)]
pub struct WordPacker {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Write a byte.
    pub enable: Signal<In, Bit>,
    /// Which byte.
    pub position: Signal<In, Bits<5>>,
    /// The byte is of the image; 0 is written otherwise.
    pub in_image: Signal<In, Bit>,
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
            in_image: Signal::default(),
            data: Signal::default(),
            word: ports(config.word_channels()),
        }
    }
}

impl Logic for WordPacker {
    fn update(&mut self) {
        if self.clock.pos_edge() && self.enable.val() {
            let position = self.position.val().index();
            let data = if self.in_image.val() { self.data.val() } else { Bits::default() };
            for (i, byte) in self.word.iter_mut().enumerate() {
                if i == position {
                    byte.next = data;
                } else if position == 0 {
                    byte.next = Bits::default();
                }
            }
        }
    }

    fn connect(&mut self) {
        self.word.drive();
    }

    fn hdl(&self) -> Verilog {
        let mut body = String::from(
            "wire first = position == 5'd0;\nwire [7:0] byte_in = in_image ? data : 8'd0;\ninitial begin\n",
        );
        // Writing to a String cannot fail.
        for i in 0..self.word.len() {
            let _ = writeln!(body, "    word_{i} = 8'd0;");
        }
        body.push_str("end\nalways @(posedge clock) if (enable) begin\n");
        body.push_str("    word_0 <= first ? byte_in : word_0;\n");
        for i in 1..self.word.len() {
            let _ = writeln!(
                body,
                "    word_{i} <= position == 5'd{i} ? byte_in : first ? 8'd0 : word_{i};"
            );
        }
        body.push_str("end\n");
        verilog("word_packer", "A word that is written one byte a cycle.", &body)
    }
}
