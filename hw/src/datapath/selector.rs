//! The selector at the array's edge: one channel of each pair of a word goes to the rows.
//!
//! This is all that the hardware has of sparsity, where all columns share a mask; else see [`super::crossing`].

use crate::leaf::{Drive, ports, verilog};
use rust_hdl_core::prelude::*;
use spec::ArrayConfig;
use std::fmt::Write;

/// `activation[r] = outside ? fill : word[2r + mask[r]]`; `other[r]` is the other channel of the pair.
///
/// Latency: 2 cycles from `mask`, `outside` and `fill`, 1 cycle from `word`, which comes out of a memory and therefore a cycle
/// after its control. No reset.
#[derive(LogicBlock)]
pub struct Selector {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Bit `r` picks the odd channel of pair `r`.
    pub mask: Signal<In, Bits<16>>,
    /// The pixel lies outside the map.
    pub outside: Signal<In, Bit>,
    /// int8, all channels of a pixel outside.
    pub fill: Signal<In, Bits<8>>,
    /// int8, one a channel.
    pub word: Vec<Signal<In, Bits<8>>>,
    /// int8, one a row.
    pub activation: Vec<Signal<Out, Bits<8>>>,
    /// int8, one a row if the array has several sections, else none.
    pub other: Vec<Signal<Out, Bits<8>>>,
    _mask: u64,
    _outside: bool,
    _fill: Bits<8>,
}

impl Selector {
    /// A selector for words of `2 * rows` channels.
    pub fn new(config: &ArrayConfig) -> Self {
        Self {
            clock: Signal::default(),
            mask: Signal::default(),
            outside: Signal::default(),
            fill: Signal::default(),
            word: ports(config.word_channels()),
            activation: ports(config.rows()),
            other: ports(if config.n_sections() > 1 { config.rows() } else { 0 }),
            _mask: 0,
            _outside: false,
            _fill: Bits::default(),
        }
    }
}

impl Logic for Selector {
    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        let (mask, outside, fill, word) = (self._mask, self._outside, self._fill, &self.word);
        let channel = |r: usize, odd: usize| if outside { fill } else { word[2 * r + odd].val() };
        for (r, activation) in self.activation.iter_mut().enumerate() {
            activation.next = channel(r, (mask >> r & 1) as usize);
        }
        for (r, other) in self.other.iter_mut().enumerate() {
            other.next = channel(r, 1 - (mask >> r & 1) as usize);
        }
        self._mask = self.mask.val().to_u64();
        self._outside = self.outside.val();
        self._fill = self.fill.val();
    }

    fn connect(&mut self) {
        self.activation.drive();
        self.other.drive();
    }

    fn hdl(&self) -> Verilog {
        let rows = self.activation.len();
        let (mut initial, mut clocked) = (String::new(), String::new());
        for r in 0..rows {
            // Writing to a String cannot fail.
            let _ = writeln!(initial, "    activation_{r} = 8'd0;");
            let (even, odd) = (2 * r, 2 * r + 1);
            let _ = writeln!(
                clocked,
                "    activation_{r} <= outside_1 ? fill_1 : mask_1[{r}] ? word_{odd} : word_{even};"
            );
        }
        for r in 0..self.other.len() {
            let _ = writeln!(initial, "    other_{r} = 8'd0;");
            let (even, odd) = (2 * r, 2 * r + 1);
            let _ = writeln!(
                clocked,
                "    other_{r} <= outside_1 ? fill_1 : mask_1[{r}] ? word_{even} : word_{odd};"
            );
        }
        let range = format!("[{}:0]", rows - 1);
        let mask = if rows == 16 { "mask".into() } else { format!("mask{range}") };
        let body = format!(
            "reg {range} mask_1;\nreg outside_1;\nreg [7:0] fill_1;\ninitial begin\n    mask_1 = {rows}'d0;\n    outside_1 = 1'b0;\n    fill_1 = 8'd0;\n{initial}end\n\
             always @(posedge clock) begin\n    mask_1 <= {mask};\n    outside_1 <= outside;\n    fill_1 <= fill;\n{clocked}end\n"
        );
        verilog("selector", "One channel of each pair, or the fill of a pixel outside.", &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::tick;
    use crate::random::Random;
    use spec::Memories;

    #[test]
    fn picks_one_channel_of_each_pair() {
        let config = ArrayConfig::new(5, 4, Memories::default()).unwrap();
        assert!(Selector::new(&config).other.is_empty());
        let mut selector = Selector::new(&config.with_mask_columns(2).unwrap());
        let mut random = Random::new(1);
        let mut before = (0, false, 0);
        for _ in 0..200 {
            let (mask, outside) = (random.below(1 << 16), random.below(4) == 0);
            let fill = random.below(256) as u8;
            let word: Vec<u8> = (0..10).map(|_| random.below(256) as u8).collect();
            selector.mask.next = mask.into();
            selector.outside.next = outside;
            selector.fill.next = u64::from(fill).into();
            for (port, &byte) in selector.word.iter_mut().zip(&word) {
                port.next = u64::from(byte).into();
            }
            // The word belongs to the control of the cycle before.
            let (mask_before, outside_before, fill_before) =
                std::mem::replace(&mut before, (mask, outside, fill));
            tick(&mut selector, |selector| &mut selector.clock).unwrap();
            for (r, pair) in word.chunks(2).enumerate() {
                let chosen = if mask_before & 1 << r != 0 { pair[1] } else { pair[0] };
                let expected = if outside_before { fill_before } else { chosen };
                assert_eq!(selector.activation[r].val().to_u8(), expected);
                let left = if mask_before & 1 << r != 0 { pair[0] } else { pair[1] };
                let expected = if outside_before { fill_before } else { left };
                assert_eq!(selector.other[r].val().to_u8(), expected);
            }
        }
    }
}
