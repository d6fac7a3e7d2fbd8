//! Sign extension, which rust-hdl's own cast gets wrong for the most negative value.

use super::{Drive, verilog};
use rust_hdl_core::prelude::*;

/// Widens a signed value from `FROM` to `TO` bits. Combinational.
#[derive(LogicBlock, Default)]
pub struct SignExtend<const FROM: usize, const TO: usize> {
    /// The narrow value.
    pub d: Signal<In, Signed<FROM>>,
    /// The same value, wider.
    pub q: Signal<Out, Signed<TO>>,
}

impl<const FROM: usize, const TO: usize> Logic for SignExtend<FROM, TO> {
    fn update(&mut self) {
        let narrow = self.d.val();
        let ones =
            if narrow.sign_bit() { Bits::<TO>::mask() << FROM as u64 } else { Bits::default() };
        self.q.next = signed_cast(bit_cast::<TO, FROM>(narrow.inner()) | ones);
    }

    fn connect(&mut self) {
        self.q.drive();
    }

    fn hdl(&self) -> Verilog {
        let body = format!("assign q = $signed({{{{{}{{d[{}]}}}}, d}});\n", TO - FROM, FROM - 1);
        verilog(&format!("sign_extend_{FROM}_to_{TO}"), "Repeats the sign bit.", &body)
    }
}
