//! Max-pooling of one lane.

use crate::leaf::{Drive, verilog};
use rust_hdl_core::prelude::*;

/// Running maximum of signed values; `first` starts a new one. Latency 1 cycle, one value a cycle, no reset.
#[derive(LogicBlock, Default)]
pub struct Pool {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Takes `value`.
    pub enable: Signal<In, Bit>,
    /// `value` starts a new maximum.
    pub first: Signal<In, Bit>,
    /// int16.
    pub value: Signal<In, Bits<16>>,
    /// int16, largest value since `first`.
    pub maximum: Signal<Out, Bits<16>>,
}

impl Pool {
    /// The pool of one lane.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Logic for Pool {
    fn update(&mut self) {
        if self.clock.pos_edge() && self.enable.val() {
            let (value, maximum) = (self.value.val(), self.maximum.val());
            if self.first.val() || value.to_u16() as i16 > maximum.to_u16() as i16 {
                self.maximum.next = value;
            }
        }
    }

    fn connect(&mut self) {
        self.maximum.drive();
    }

    fn hdl(&self) -> Verilog {
        verilog(
            "pool",
            "Running signed maximum.",
            "\
initial maximum = 16'd0;
always @(posedge clock) begin
    if (enable) maximum <= (first | $signed(value) > $signed(maximum)) ? value : maximum;
end
",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::tick;

    #[test]
    fn keeps_the_largest_since_first() {
        let groups: [&[i16]; 6] = [
            &[-128, -128, -127, -128],
            &[127, -128, 0, 126],
            &[-1, 0],
            &[5],
            &[-32768, 32767, -1],
            &[-32768],
        ];
        let mut pool = Pool::new();
        pool.enable.next = true;
        for group in groups {
            for (i, &value) in group.iter().enumerate() {
                pool.first.next = i == 0;
                pool.value.next = u64::from(value as u16).into();
                tick(&mut pool, |pool| &mut pool.clock).unwrap();
                assert_eq!(
                    Some(pool.maximum.val().to_u16() as i16),
                    group[..=i].iter().copied().max()
                );
            }
        }
    }
}
