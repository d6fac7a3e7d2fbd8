//! The multiplexers behind the banks.

use crate::leaf::{Drive, ports, verilog};
use rust_hdl_core::prelude::*;
use spec::ArrayConfig;
use std::fmt::Write;

/// The word of one of four banks. Combinational.
#[derive(LogicBlock)]
pub struct BankSelect {
    /// Which bank.
    pub bank: Signal<In, Bits<2>>,
    /// Word of bank 0, int8.
    pub bank0: Vec<Signal<In, Bits<8>>>,
    /// Word of bank 1.
    pub bank1: Vec<Signal<In, Bits<8>>>,
    /// Word of bank 2.
    pub bank2: Vec<Signal<In, Bits<8>>>,
    /// Word of bank 3.
    pub bank3: Vec<Signal<In, Bits<8>>>,
    /// Word of `bank`.
    pub word: Vec<Signal<Out, Bits<8>>>,
}

impl BankSelect {
    /// A multiplexer for words of `word_channels` bytes.
    pub fn new(config: &ArrayConfig) -> Self {
        let n = config.word_channels();
        Self {
            bank: Signal::default(),
            bank0: ports(n),
            bank1: ports(n),
            bank2: ports(n),
            bank3: ports(n),
            word: ports(n),
        }
    }
}

impl Logic for BankSelect {
    fn update(&mut self) {
        let banks = [&self.bank0, &self.bank1, &self.bank2, &self.bank3];
        let bank = banks[self.bank.val().index()];
        for (byte, out) in bank.iter().zip(&mut self.word) {
            out.next = byte.val();
        }
    }

    fn connect(&mut self) {
        self.word.drive();
    }

    fn hdl(&self) -> Verilog {
        let mut body = String::from("always @(*) begin\n    case (bank)\n");
        // Writing to a String cannot fail.
        for bank in 0..4 {
            let _ = writeln!(body, "        2'd{bank}: begin");
            for i in 0..self.word.len() {
                let _ = writeln!(body, "            word_{i} = bank{bank}_{i};");
            }
            body.push_str("        end\n");
        }
        body.push_str("        default: begin\n");
        for i in 0..self.word.len() {
            let _ = writeln!(body, "            word_{i} = 8'dx;");
        }
        body.push_str("        end\n    endcase\nend\n");
        verilog("bank_select", "The word of one of four banks.", &body)
    }
}

/// A granule of the word of one of four banks.
///
/// `bank` and `granule` belong to the address. Latency: 1 cycle from the words, 2 from `bank` and `granule`. No reset.
#[derive(LogicBlock)]
pub struct ResidualSelect {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Which bank has the word that comes a cycle later.
    pub bank: Signal<In, Bits<2>>,
    /// Which granule of the word that comes a cycle later.
    pub granule: Signal<In, Bits<4>>,
    /// Word of bank 0, int8.
    pub bank0: Vec<Signal<In, Bits<8>>>,
    /// Word of bank 1.
    pub bank1: Vec<Signal<In, Bits<8>>>,
    /// Word of bank 2.
    pub bank2: Vec<Signal<In, Bits<8>>>,
    /// Word of bank 3.
    pub bank3: Vec<Signal<In, Bits<8>>>,
    /// The granule, int8, one a lane.
    pub residual: Vec<Signal<Out, Bits<8>>>,
    _bank: usize,
    _granule: usize,
}

impl ResidualSelect {
    /// A multiplexer from words of `word_channels` bytes to granules of `lanes`.
    pub fn new(config: &ArrayConfig) -> Self {
        let n = config.word_channels();
        Self {
            clock: Signal::default(),
            bank: Signal::default(),
            granule: Signal::default(),
            bank0: ports(n),
            bank1: ports(n),
            bank2: ports(n),
            bank3: ports(n),
            residual: ports(config.lanes()),
            _bank: 0,
            _granule: 0,
        }
    }
}

impl Logic for ResidualSelect {
    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        let lanes = self.residual.len();
        let banks = [&self.bank0, &self.bank1, &self.bank2, &self.bank3];
        let bank = banks[self._bank];
        let granule = self._granule.min(bank.len() / lanes - 1);
        for (byte, out) in bank[granule * lanes..].iter().zip(&mut self.residual) {
            out.next = byte.val();
        }
        self._bank = self.bank.val().index();
        self._granule = self.granule.val().index();
    }

    fn connect(&mut self) {
        self.residual.drive();
    }

    fn hdl(&self) -> Verilog {
        let lanes = self.residual.len();
        let granules = self.bank0.len() / lanes;
        let mut body = String::from(
            "reg [1:0] bank_1;\nreg [3:0] granule_1;\ninitial begin\n    bank_1 = 2'd0;\n    granule_1 = 4'd0;\n",
        );
        // Writing to a String cannot fail.
        for lane in 0..lanes {
            let _ = writeln!(body, "    residual_{lane} = 8'd0;");
        }
        body.push_str(
            "end\nalways @(posedge clock) begin\n    bank_1 <= bank;\n    granule_1 <= granule;\n    case (bank_1)\n",
        );
        let arm = |body: &mut String, label: &str, byte: &dyn Fn(usize) -> String| {
            let _ = writeln!(body, "            {label}: begin");
            for lane in 0..lanes {
                let _ = writeln!(body, "                residual_{lane} <= {};", byte(lane));
            }
            body.push_str("            end\n");
        };
        let unknown = |_: usize| "8'dx".to_string();
        for bank in 0..4 {
            let _ = writeln!(body, "        2'd{bank}: case (granule_1)");
            for granule in 0..granules {
                let byte = |lane| format!("bank{bank}_{}", granule * lanes + lane);
                arm(&mut body, &format!("4'd{granule}"), &byte);
            }
            arm(&mut body, "default", &unknown);
            body.push_str("        endcase\n");
        }
        body.push_str("        default: begin\n");
        for lane in 0..lanes {
            let _ = writeln!(body, "            residual_{lane} <= 8'dx;");
        }
        body.push_str("        end\n    endcase\nend\n");
        verilog("residual_select", "A granule of the word of one of four banks, registered.", &body)
    }
}
