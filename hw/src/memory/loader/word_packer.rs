//! The word that the loader fills.

use crate::leaf::{Drive, ports, verilog};
use rust_hdl_core::prelude::*;
use spec::ArrayConfig;
use std::fmt::Write;

/// A word that is written up to `port_bytes` lanes a cycle; `first` clears the others. Latency 1 cycle, no reset.
#[derive(LogicBlock)]
pub struct WordPacker {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Write lanes.
    pub enable: Signal<In, Bit>,
    /// They are the first of a word.
    pub first: Signal<In, Bit>,
    /// From this lane on.
    pub first_lane: Signal<In, Bits<5>>,
    /// Up to this one; none where it is less.
    pub last_lane: Signal<In, Bits<5>>,
    /// Every other lane.
    pub alternate: Signal<In, Bit>,
    /// Lane `i` takes byte `i` modulo `port_bytes`, with `alternate` byte `i / 2` modulo `port_bytes`, int8.
    pub data: Vec<Signal<In, Bits<8>>>,
    /// The word, int8.
    pub word: Vec<Signal<Out, Bits<8>>>,
}

impl WordPacker {
    /// A word of `word_channels` bytes.
    pub fn new(config: &ArrayConfig) -> Self {
        Self {
            clock: Signal::default(),
            enable: Signal::default(),
            first: Signal::default(),
            first_lane: Signal::default(),
            last_lane: Signal::default(),
            alternate: Signal::default(),
            data: ports(config.port_bytes()),
            word: ports(config.word_channels()),
        }
    }
}

impl Logic for WordPacker {
    fn update(&mut self) {
        if self.clock.pos_edge() && self.enable.val() {
            let (first, last) = (self.first_lane.val().index(), self.last_lane.val().index());
            let alternate = self.alternate.val();
            for (lane, byte) in self.word.iter_mut().enumerate() {
                if (first..=last).contains(&lane) && !(alternate && (lane ^ first) & 1 == 1) {
                    let index = if alternate { lane / 2 } else { lane };
                    byte.next = self.data[index % self.data.len()].val();
                } else if self.first.val() {
                    byte.next = Bits::default();
                }
            }
        }
    }

    fn connect(&mut self) {
        self.word.drive();
    }

    fn hdl(&self) -> Verilog {
        let (n_lanes, n) = (self.word.len(), self.data.len());
        let mut body = String::from("initial begin\n");
        // Writing to a String cannot fail.
        for lane in 0..n_lanes {
            let _ = writeln!(body, "    word_{lane} = 8'd0;");
        }
        body.push_str(
            "end\nwire even = !alternate | !first_lane[0];\nwire odd = !alternate | first_lane[0];\n",
        );
        for lane in 0..n_lanes {
            let parity = if lane % 2 == 0 { "even" } else { "odd" };
            let from =
                if lane < 31 { format!(" & first_lane <= 5'd{lane}") } else { String::new() };
            let to = if lane > 0 { format!(" & last_lane >= 5'd{lane}") } else { String::new() };
            let _ = writeln!(body, "wire take_{lane} = {parity}{from}{to};");
        }
        body.push_str("always @(posedge clock) if (enable) begin\n");
        for lane in 0..n_lanes {
            let (every, other) = (lane % n, lane / 2 % n);
            let data = if every == other {
                format!("data_{every}")
            } else {
                format!("(alternate ? data_{other} : data_{every})")
            };
            let _ = writeln!(
                body,
                "    word_{lane} <= take_{lane} ? {data} : first ? 8'd0 : word_{lane};"
            );
        }
        body.push_str("end\n");
        if n > n_lanes {
            let unused: Vec<String> = (n_lanes..n).map(|byte| format!("data_{byte}")).collect();
            let _ = writeln!(body, "wire unused = &{{1'b0, {}}};", unused.join(", "));
        }
        // The module is of one number of lanes and bytes, which its ports show.
        verilog("word_packer", "A word that is written some lanes a cycle.", &body)
    }
}
