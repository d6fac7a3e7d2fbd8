//! What a granule's write does to the word that it belongs to.

use crate::leaf::{Drive, ports, verilog};
use rust_hdl_core::prelude::*;
use spec::ArrayConfig;
use std::fmt::Write;

/// Spreads a granule over its word: granule 0, which is the first of every word, clears the others, so that bytes beyond
/// the last channel are 0. Combinational.
#[derive(LogicBlock)]
pub struct GranuleWrite {
    /// Which granule.
    pub granule: Signal<In, Bits<4>>,
    /// The granule, int8, one a lane.
    pub data: Vec<Signal<In, Bits<8>>>,
    /// Granules of the word to write, before any write enable.
    pub select: Vec<Signal<Out, Bit>>,
    /// The word to write there, int8.
    pub word: Vec<Signal<Out, Bits<8>>>,
}

impl GranuleWrite {
    /// For words of `granules` granules of `lanes` bytes.
    pub fn new(config: &ArrayConfig) -> Self {
        Self {
            granule: Signal::default(),
            data: ports(config.lanes()),
            select: ports(config.granules()),
            word: ports(config.word_channels()),
        }
    }
}

impl Logic for GranuleWrite {
    fn update(&mut self) {
        let granule = self.granule.val().index();
        let lanes = self.data.len();
        for (i, select) in self.select.iter_mut().enumerate() {
            select.next = granule == 0 || granule == i;
        }
        for (i, byte) in self.word.iter_mut().enumerate() {
            let cleared = granule == 0 && i >= lanes;
            byte.next = if cleared { Bits::default() } else { self.data[i % lanes].val() };
        }
    }

    fn connect(&mut self) {
        self.select.drive();
        self.word.drive();
    }

    fn hdl(&self) -> Verilog {
        let lanes = self.data.len();
        let mut body = String::from("wire first = granule == 4'd0;\n");
        // Writing to a String cannot fail.
        let _ = writeln!(body, "assign select_0 = first;");
        for i in 1..self.select.len() {
            let _ = writeln!(body, "assign select_{i} = first | granule == 4'd{i};");
        }
        let later = if self.word.len() > lanes { lanes } else { 0 };
        for lane in 0..later {
            let _ = writeln!(body, "wire [7:0] later_{lane} = first ? 8'd0 : data_{lane};");
        }
        for i in 0..self.word.len() {
            let source = if i < lanes { "data" } else { "later" };
            let _ = writeln!(body, "assign word_{i} = {source}_{};", i % lanes);
        }
        verilog("granule_write", "A granule in its word; granule 0 clears the others.", &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::settle;
    use spec::Memories;

    #[test]
    fn the_first_granule_clears_the_others() {
        let config = ArrayConfig::new(6, 4, Memories::default()).unwrap();
        let mut write = GranuleWrite::new(&config);
        let lanes = config.lanes();
        for granule in 0..config.granules() {
            write.granule.next = bits(granule as u64);
            for (lane, byte) in write.data.iter_mut().enumerate() {
                byte.next = bits(0x80 + lane as u64);
            }
            settle(&mut write).unwrap();
            for (i, select) in write.select.iter().enumerate() {
                assert_eq!(select.val(), granule == 0 || i == granule, "{granule}, {i}");
            }
            for (i, byte) in
                write.word.iter().enumerate().filter(|(i, _)| write.select[i / lanes].val())
            {
                let expected = if i / lanes == granule { 0x80 + i % lanes } else { 0 };
                assert_eq!(byte.val().index(), expected, "granule {granule}, byte {i}");
            }
        }
    }
}
