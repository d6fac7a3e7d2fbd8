//! The bounds of a layer's results as 16 bits.

use crate::leaf::{Drive, verilog};
use rust_hdl_core::prelude::*;

/// `smallest = low` and `largest = high`, or with `wide` `low * 256` and `high * 256 + 255`. Combinational.
#[derive(LogicBlock, Default)]
pub struct Bounds {
    /// int8.
    pub low: Signal<In, Bits<8>>,
    /// int8.
    pub high: Signal<In, Bits<8>>,
    /// They are the upper halves of 16 bits.
    pub wide: Signal<In, Bit>,
    /// int16.
    pub smallest: Signal<Out, Bits<16>>,
    /// int16.
    pub largest: Signal<Out, Bits<16>>,
}

impl Logic for Bounds {
    fn update(&mut self) {
        let (low, high) = (self.low.val().to_u8() as i8, self.high.val().to_u8() as i8);
        let (low, high) = (i16::from(low), i16::from(high));
        let wide = self.wide.val();
        let (smallest, largest) = if wide { (low << 8, high << 8 | 255) } else { (low, high) };
        self.smallest.next = u64::from(smallest as u16).into();
        self.largest.next = u64::from(largest as u16).into();
    }

    fn connect(&mut self) {
        self.smallest.drive();
        self.largest.drive();
    }

    fn hdl(&self) -> Verilog {
        verilog(
            "bounds",
            "The bounds of a layer's results as 16 bits.",
            "\
assign smallest = wide ? {low, 8'd0} : {{8{low[7]}}, low};
assign largest = wide ? {high, 8'd255} : {{8{high[7]}}, high};
",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::settle;

    #[test]
    fn holds_every_bound_of_8_bits_and_whole_steps_of_256() {
        let mut bounds = Bounds::default();
        for bound in i8::MIN..=i8::MAX {
            for wide in [false, true] {
                bounds.low.next = u64::from(bound as u8).into();
                bounds.high.next = u64::from(bound as u8).into();
                bounds.wide.next = wide;
                settle(&mut bounds).unwrap();
                let seen = [&bounds.smallest, &bounds.largest];
                let seen = seen.map(|port| i32::from(port.val().to_u16() as i16));
                let bound = i32::from(bound);
                let expected = if wide { [bound * 256, bound * 256 + 255] } else { [bound; 2] };
                assert_eq!(seen, expected);
            }
        }
    }
}
