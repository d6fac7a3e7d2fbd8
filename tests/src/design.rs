//! The accelerator's Verilog as the tests run it.

use spec::{ArrayConfig, Design, Memories, Technology};

/// An array with the default memories.
///
/// # Panics
/// If an array cannot have the size.
pub fn array(rows: usize, cols: usize) -> ArrayConfig {
    ArrayConfig::new(rows, cols, Memories::default()).expect("the sizes are within the limits")
}

/// The accelerator's Verilog.
///
/// # Panics
/// If it cannot be emitted.
pub fn verilog(config: &ArrayConfig) -> String {
    verilog_with(config, Technology::Generic)
}

/// The same for another technology.
///
/// # Panics
/// If it cannot be emitted.
pub fn verilog_with(config: &ArrayConfig, technology: Technology) -> String {
    let design = Design::of(config.clone()).with_technology(technology);
    hw::design::emit(&design).expect("the accelerator is emitted").text()
}
