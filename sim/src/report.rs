//! The cycle report: what the hardware's own counters say about a run. docs/report.md defines every figure.

use std::path::Path;

use serde::{Deserialize, Serialize};
use spec::files::{Limit, read_text};

use crate::{Divergence, ImageResult, LostCycles, RunOutput, SimError};

/// Version of the report's JSON.
pub const FORMAT_VERSION: u32 = 3;
/// A saved report.
const REPORT: Limit = Limit::new("a report", 64 << 20);
/// Cycles between the last beat of an image's output and the first cycle of the next image's computation, if that
/// image is packed by then: `LOAD` is read and executed.
const RESTART_CYCLES: u64 = 2;

/// The report of a run. Table and JSON print the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Name of the network.
    pub network: String,
    /// What the images are.
    pub data: String,
    /// The array.
    pub array: ArrayReport,
    /// Cycles of the network as it was compiled.
    pub schedule: ScheduleReport,
    /// Cycles of the same network on the same RTL with every tile in two passes, if that fits.
    pub dense_schedule: Option<ScheduleReport>,
    /// Cycles between images of the dense schedule over those of this one, in the steady state of both.
    pub speedup_vs_dense: Option<f64>,
    /// The same of the cycles that computing takes, as if images came and logits went in no time.
    pub compute_speedup_vs_dense: Option<f64>,
    /// The clock that `images_per_second` assumes.
    pub clock_mhz: f64,
    /// Images a second at that clock, in the steady state; `None` where that was not measured.
    pub images_per_second: Option<f64>,
    /// Multiplications of kept weights, padding and kept zeros included.
    pub n_useful_macs_per_image: u64,
    /// Part of them whose activation is a pixel of the map, not of the padding around it; `None` without MACs.
    pub real_pixel_share: Option<f64>,
    /// Multiplications of the same network without pruning.
    pub n_dense_macs_per_image: u64,
    /// Useful MACs over PEs times the cycles between images; `None` where those were not measured.
    pub steady_state_utilization: Option<f64>,
    /// Useful MACs over PEs times the cycles of computing.
    pub compute_utilization: f64,
    /// MACs of the network without pruning, over PEs times the cycles of computing.
    pub dense_equivalent_macs_per_pe_per_cycle: f64,
    /// Cycles of computing without useful work, by cause.
    pub lost_cycles: LostCycles,
    /// Images run.
    pub n_images: usize,
    /// How many of them the network was trained or validated on; `None` where that is not recorded. With any, no accuracy here
    /// is a test accuracy.
    pub n_trained_images: Option<usize>,
    /// Whether every image took exactly as many cycles, layer by layer and cause by cause.
    pub same_cycles_for_all_images: bool,
    /// Part of the labeled images that the RTL classified correctly, `None` without labels.
    pub accuracy_rtl: Option<f64>,
    /// The same for the integer reference.
    pub accuracy_reference: Option<f64>,
    /// Whether every logit, every class and every layer output of every image equals the reference.
    pub bit_exact: bool,
    /// Images with any difference.
    pub n_mismatched_images: usize,
    /// The first difference.
    pub first_divergence: Option<Divergence>,
    /// Cycles that were simulated for this report.
    pub n_simulated_cycles: u64,
    /// Simulated cycles a second of processor time, that is on one core.
    pub simulated_cycles_per_second: f64,
    /// Layer by layer, in the order of execution.
    pub layers: Vec<LayerReport>,
}

/// The array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrayReport {
    /// Reduction lanes.
    pub rows: usize,
    /// Output channels at once.
    pub cols: usize,
    /// Channels requantized a cycle.
    pub lanes: usize,
    /// Bytes that the input port takes a cycle.
    pub port_bytes: usize,
    /// Columns that share a mask, where not all do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_columns: Option<usize>,
}

/// The cycles of an image under one schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleReport {
    /// From one image's end to the next one's, of images that are streamed back to back: loading, computing and sending
    /// are in it. `None` where a single image was run, which is not the steady state.
    pub n_cycles_between_images: Option<u64>,
    /// What those cycles are spent on; `None` with them.
    pub bound_by: Option<Bound>,
    /// From a packed image to its last result, without loading and sending.
    pub n_compute_cycles_per_image: u64,
    /// To receive and pack an image; the image before is computed and sent meanwhile, and it is packed as its rows come
    /// where bank 0 is free by then.
    pub n_load_cycles_per_image: u64,
    /// To send logits and class; the next image is computed meanwhile.
    pub n_output_cycles_per_image: u64,
}

/// What the cycles between images are spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Computing an image: the next one is loaded by then, and the logits of the one before are sent.
    Compute,
    /// Sending: the logits of an image wait until those of the one before are sent.
    Output,
    /// Loading: the array waits for the next image.
    Load,
    /// Packing, which waits until the image before has left bank 0, so that loading alone would take less.
    Pack,
}

/// A layer's part of the counters, from its first fetch to the next layer's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerReport {
    /// Name in the network.
    pub name: String,
    /// All cycles.
    pub n_cycles: u64,
    /// Multiplications of kept weights, padding and kept zeros included.
    pub n_useful_macs: u64,
    /// Part of them whose activation is a pixel of the map; `None` in a layer without MACs.
    pub real_pixel_share: Option<f64>,
    /// Useful MACs over PEs times cycles.
    pub utilization: f64,
    /// Cycles without useful work, by cause.
    pub lost_cycles: LostCycles,
    /// Cycles of the same layer with every tile in two passes.
    pub n_cycles_dense: Option<u64>,
    /// Those cycles over `n_cycles`.
    pub speedup_vs_dense: Option<f64>,
}

impl ScheduleReport {
    /// Of the first image, the cycles between images that were measured, and those of sending.
    pub(crate) fn new(image: &ImageResult, between: Option<u64>, n_output_cycles: u64) -> Self {
        let n_compute_cycles = image.counters.n_cycles;
        let busy = n_compute_cycles + RESTART_CYCLES;
        Self {
            n_cycles_between_images: between,
            bound_by: between.map(|n| match n {
                n if n <= busy => Bound::Compute,
                n if n <= image.n_load_cycles + RESTART_CYCLES => Bound::Load,
                _ if n_output_cycles > n_compute_cycles.max(image.n_load_cycles) => Bound::Output,
                _ => Bound::Pack,
            }),
            n_compute_cycles_per_image: n_compute_cycles,
            n_load_cycles_per_image: image.n_load_cycles,
            n_output_cycles_per_image: n_output_cycles,
        }
    }

    /// Of a run, by its first image; `None` of no image.
    pub(crate) fn of_run(run: &RunOutput) -> Option<Self> {
        let first = run.images.first()?;
        Some(Self::new(first, run.n_cycles_between_images(), run.n_output_cycles))
    }
}

impl Report {
    /// Reads a report that `twofold sim` saved.
    ///
    /// # Errors
    /// A file that cannot be read, or is no report of this version.
    pub fn read(path: &Path) -> Result<Self, SimError> {
        #[derive(Deserialize)]
        struct Header {
            format_version: u32,
        }
        let error = |message: String| SimError::Report { path: path.to_owned(), message };
        let text = read_text(path, REPORT).map_err(|source| error(source.to_string()))?;
        let header: Header =
            serde_json::from_str(&text).map_err(|source| error(source.to_string()))?;
        if header.format_version != FORMAT_VERSION {
            let message =
                format!("report version {} is not {FORMAT_VERSION}", header.format_version);
            return Err(error(message));
        }
        serde_json::from_str(&text).map_err(|source| error(source.to_string()))
    }

    /// The report as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("keys are strings")
    }
}
