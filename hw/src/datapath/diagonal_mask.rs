//! The mask of diagonal tiles: of a stored weight row, each row of the array keeps one column's weight.

use crate::leaf::{Drive, ports, verilog};
use rust_hdl_core::prelude::*;
use spec::ArrayConfig;
use std::fmt::Write;

/// `weight[c] = diagonal && c != 2 * position + odd ? 0 : stored[c]`.
///
/// Latency: 2 cycles from `diagonal`, `position` and `odd`, 1 cycle from `stored`, which comes out of a memory and
/// therefore a cycle after its control. No reset.
#[derive(LogicBlock)]
pub struct DiagonalMask {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// One column keeps its weight; else all do.
    pub diagonal: Signal<In, Bit>,
    /// Which pair of columns, modulo 2^5.
    pub position: Signal<In, Bits<5>>,
    /// Which of the pair.
    pub odd: Signal<In, Bit>,
    /// int8, one a column.
    pub stored: Vec<Signal<In, Bits<8>>>,
    /// int8, one a column.
    pub weight: Vec<Signal<Out, Bits<8>>>,
    _keep: Vec<bool>,
}

impl DiagonalMask {
    /// The mask of weight rows of this array.
    pub fn new(config: &ArrayConfig) -> Self {
        Self {
            clock: Signal::default(),
            diagonal: Signal::default(),
            position: Signal::default(),
            odd: Signal::default(),
            stored: ports(config.cols()),
            weight: ports(config.cols()),
            _keep: vec![false; config.cols()],
        }
    }
}

impl Logic for DiagonalMask {
    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        for ((weight, stored), keep) in self.weight.iter_mut().zip(&self.stored).zip(&self._keep) {
            weight.next = if *keep { stored.val() } else { Bits::default() };
        }
        let column = 2 * self.position.val().index() + usize::from(self.odd.val());
        for (c, keep) in self._keep.iter_mut().enumerate() {
            *keep = !self.diagonal.val() || c == column;
        }
    }

    fn connect(&mut self) {
        self.weight.drive();
    }

    fn hdl(&self) -> Verilog {
        let cols = self.stored.len();
        let (mut initial, mut keeps, mut weights) = (String::new(), String::new(), String::new());
        // Writing to a String cannot fail.
        for c in 0..cols {
            let _ = writeln!(initial, "    weight_{c} = 8'd0;");
            let _ = writeln!(keeps, "    keep[{c}] <= !diagonal || column == 6'd{c};");
            let _ = writeln!(weights, "    weight_{c} <= keep[{c}] ? stored_{c} : 8'd0;");
        }
        let body = format!(
            "reg [{}:0] keep;\nwire [5:0] column = {{position, odd}};\ninitial begin\n    keep = {cols}'d0;\n{initial}end\n\
             always @(posedge clock) begin\n{keeps}{weights}end\n",
            cols - 1
        );
        verilog("diagonal_mask", "One weight of a stored row, or all.", &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::tick;
    use crate::random::Random;
    use spec::Memories;

    #[test]
    fn keeps_one_column_of_a_diagonal_tile() {
        let mut random = Random::new(1);
        for (rows, cols) in [(8, 16), (2, 2), (3, 5), (16, 32)] {
            let config = ArrayConfig::new(rows, cols, Memories::default()).unwrap();
            let mut block = DiagonalMask::new(&config);
            let mut before = vec![false; cols];
            for _ in 0..200 {
                let (diagonal, position, odd) =
                    (random.below(3) > 0, random.below(32), random.below(2));
                let stored: Vec<u8> = (0..cols).map(|_| random.below(256) as u8).collect();
                block.diagonal.next = diagonal;
                block.position.next = position.into();
                block.odd.next = odd == 1;
                for (port, &byte) in block.stored.iter_mut().zip(&stored) {
                    port.next = u64::from(byte).into();
                }
                let keeps = (0..cols).map(|c| !diagonal || c as u64 == 2 * position + odd);
                // The row belongs to the control of the cycle before.
                let keep_before = std::mem::replace(&mut before, keeps.collect());
                tick(&mut block, |block| &mut block.clock).unwrap();
                for c in 0..cols {
                    let expected = if keep_before[c] { stored[c] } else { 0 };
                    assert_eq!(block.weight[c].val().to_u8(), expected, "column {c}");
                }
            }
        }
    }
}
