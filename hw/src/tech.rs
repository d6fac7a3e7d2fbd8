//! What depends on the technology: how products are made. Bits and cycles are the same in each, and so is the Rust of the
//! leaves; the Verilog differs.
//!
//! Another FPGA family is a file here, a variant of [`spec::Technology`] and, where its multipliers have registers of their
//! own, a simulation model of them.

mod ecp5;
mod generic;

use spec::Technology;

pub use ecp5::MULT18X18D_MODEL;

/// The text that a technology gives to the leaves with products.
pub(crate) trait Tech {
    /// What the names of the leaves end with.
    fn suffix(&self) -> &'static str;

    /// A PE between its ports: `product` of `activation_out` and the weight in use, the weight that waits, the sum.
    fn pe(&self) -> String;

    /// Stages 1 to 6 of a requantizer: from the residual's `difference` to its zero point, `residual_multiplier`, `before_2`,
    /// `after_2`, `biased_2` and `multiplier_2` to `scaled_6`, 57 bits.
    fn requantizer(&self) -> String;
}

/// The text of a technology.
pub(crate) fn of(technology: Technology) -> &'static dyn Tech {
    match technology {
        Technology::Generic => &generic::Generic,
        Technology::Ecp5 => &ecp5::Ecp5,
    }
}
