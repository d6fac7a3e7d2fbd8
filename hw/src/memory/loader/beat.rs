//! A beat of the input port among those of an image.

use crate::leaf::{Drive, ports, verilog};
use rust_hdl_core::prelude::*;
use std::fmt::Write;

/// Where a beat belongs, and whether it is the last that it may be. Combinational.
#[derive(LogicBlock)]
pub struct Beat {
    /// Bytes received before it, whole beats.
    pub received: Signal<In, Bits<16>>,
    /// Bytes of an image, less one.
    pub bytes_minus_1: Signal<In, Bits<16>>,
    /// Bytes of the beat that are of the image.
    pub keep: Vec<Signal<In, Bit>>,
    /// Row of the image memory: beats received before it.
    pub row: Signal<Out, Bits<16>>,
    /// It holds the last byte of an image.
    pub is_last: Signal<Out, Bit>,
    /// `keep` names the first bytes, as many as the last beat of an image has.
    pub keeps_rest: Signal<Out, Bit>,
}

impl Beat {
    /// A beat of `port_bytes` bytes, a power of two.
    pub fn new(port_bytes: usize) -> Self {
        Self {
            received: Signal::default(),
            bytes_minus_1: Signal::default(),
            keep: ports(port_bytes),
            row: Signal::default(),
            is_last: Signal::default(),
            keeps_rest: Signal::default(),
        }
    }
}

impl Logic for Beat {
    fn update(&mut self) {
        let n = self.keep.len();
        let (received, last) = (self.received.val().index(), self.bytes_minus_1.val().index());
        self.row.next = bits((received / n) as u64);
        self.is_last.next = received / n == last / n;
        self.keeps_rest.next =
            self.keep.iter().enumerate().all(|(byte, keep)| keep.val() == (byte <= last % n));
    }

    fn connect(&mut self) {
        self.row.drive();
        self.is_last.drive();
        self.keeps_rest.drive();
    }

    fn hdl(&self) -> Verilog {
        let n = self.keep.len();
        let low = n.trailing_zeros();
        let rows = |name: &str| match low {
            0 => String::from(name),
            _ => format!("{{{low}'d0, {name}[15:{low}]}}"),
        };
        let keep = |byte: usize| match byte {
            0 => String::from("keep_0"),
            _ => format!("keep_{byte} == (bytes_minus_1[{}:0] >= {low}'d{byte})", low - 1),
        };
        let keeps: Vec<String> = (0..n).map(|byte| format!("({})", keep(byte))).collect();
        let mut body = format!("assign row = {};\n", rows("received"));
        // Writing to a String cannot fail.
        let _ = writeln!(body, "assign is_last = row == {};", rows("bytes_minus_1"));
        let _ = writeln!(body, "assign keeps_rest = {};", keeps.join(" & "));
        if low > 0 {
            let _ = writeln!(body, "wire unused = &{{1'b0, received[{}:0]}};", low - 1);
        }
        verilog(&format!("beat_{n}"), "A beat of the input port among those of an image.", &body)
    }
}
