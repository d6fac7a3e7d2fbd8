//! What the steps found: structures that serialize to the JSON of the documentation, and the tables that say the same to
//! people.

mod bench;
mod check;
mod fuzz;
mod import;
mod logits;
mod mlperf;
mod shapes;
mod table;
mod verify;

pub use self::import::{ComparisonReport, HostReport, ImportReport, ImportedLayer, MapReport};
pub use bench::{BenchReport, ExecutorSpeed};
pub use check::{BlockRams, CheckReport, Device, LayerLift, MemoryUse};
pub use fuzz::{FuzzReport, Mismatch};
pub use mlperf::{MlperfReport, MlperfRow, Published};
pub use shapes::{ShapeRate, ShapeReport, ShapeRow};
pub use sim::{
    ArrayReport, Bound, Divergence, FORMAT_VERSION, LayerReport, LostCycles, Report, ScheduleReport,
};
pub use table::{grouped, report_table};
pub use verify::{MapAgreement, VerifyReport};

pub(crate) use logits::to_json as logits_json;

use std::path::PathBuf;

use serde::Serialize;
use spec::shown_json;

use crate::error::FlowError;
use crate::tools::checkout_root;

/// A report as JSON, no character of which a terminal would obey.
pub fn to_json<T: Serialize>(report: &T) -> String {
    let json = serde_json::to_string_pretty(report).expect("keys are strings");
    shown_json(&json).into_owned()
}

/// Where the program saves the report of a run.
///
/// # Errors
/// No checkout can be found.
pub fn report_path() -> Result<PathBuf, FlowError> {
    Ok(checkout_root()?.join("build/report.json"))
}
