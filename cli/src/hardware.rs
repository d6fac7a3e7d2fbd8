//! The Verilog of an array.

use anyhow::{Context, Result};
use hw::accelerator::Accelerator;
use hw::datapath::pe::Multiplier;
use spec::ArrayConfig;

/// Name of the top module.
pub(crate) const TOP: &str = "accelerator";

/// The accelerator's Verilog, as one text.
pub(crate) fn verilog(config: &ArrayConfig, multiplier: Multiplier) -> Result<String> {
    let header = format!(
        "Twofold accelerator, {} rows x {} columns\n{}",
        config.rows(),
        config.cols(),
        serde_json::to_string(config).expect("keys are strings")
    );
    let mut top = Accelerator::new(config, multiplier);
    let verilog = hw::verilog::emit(&mut top, TOP, &header);
    Ok(verilog.with_context(|| format!("{}x{}", config.rows(), config.cols()))?.text())
}
