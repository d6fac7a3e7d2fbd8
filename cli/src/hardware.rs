//! The Verilog of a design.

use anyhow::{Context, Result};
pub(crate) use hw::design::TOP;
use spec::Design;

/// The accelerator's Verilog, as one text.
pub(crate) fn verilog(design: &Design) -> Result<String> {
    let (rows, cols) = (design.array().rows(), design.array().cols());
    Ok(hw::design::emit(design).with_context(|| format!("{rows}x{cols}"))?.text())
}
