//! The Verilog of a design.

use spec::Design;

use crate::accelerator::Accelerator;
use crate::datapath::bare_array::BareArray;
use crate::verilog::{Error, Verilog, emit as emit_block};

/// Name of the top module.
pub const TOP: &str = "accelerator";

/// The accelerator of a design, its header saying which.
///
/// # Errors
/// A block that the emitter refuses.
pub fn emit(design: &Design) -> Result<Verilog, Error> {
    emit_block(&mut Accelerator::new(design), TOP, &header(design))
}

/// Name of the top module of [`emit_bare_array`].
pub const BARE_TOP: &str = "bare_array";

/// The array of a design with its selector alone, to compare simulated speeds.
///
/// # Errors
/// A block that the emitter refuses.
pub fn emit_bare_array(design: &Design) -> Result<Verilog, Error> {
    emit_block(&mut BareArray::new(design), BARE_TOP, &header(design))
}

/// What the first lines of the Verilog say: the sizes, and all of them as JSON.
fn header(design: &Design) -> String {
    let array = design.array();
    format!(
        "Twofold accelerator, {} rows x {} columns\n{}",
        array.rows(),
        array.cols(),
        serde_json::to_string(array).expect("keys are strings")
    )
}
