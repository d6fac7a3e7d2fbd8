//! The cycle report: what the hardware's own counters say about a run.
//!
//! Table and JSON print the same [`Report`]. Accuracies and the comparison with the reference are counted by a
//! [`Tally`]; everything about cycles and MACs comes from the counters of the first image, which all images share.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spec::Program;
use spec::files::{Limit, read_text};

use crate::{Divergence, ImageResult, LostCycles, RunOutput, SimError};

/// Version of the report's JSON.
pub const FORMAT_VERSION: u32 = 1;
/// A saved report.
const REPORT: Limit = Limit::new("a report", 64 << 20);

/// The report of a run.
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
    /// Images run.
    pub n_images: usize,
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
    /// Cycles from a packed image to its last logit in the accelerator, without loading and sending.
    pub n_cycles_per_image: u64,
    /// Whether every image took exactly as many cycles, layer by layer and cause by cause.
    pub same_cycles_for_all_images: bool,
    /// Cycles to receive and pack an image; they overlap with the image before.
    pub n_load_cycles_per_image: u64,
    /// Cycles from one image's end to the next one's when images are streamed back to back.
    pub n_cycles_between_images: u64,
    /// Multiplications by kept weights.
    pub n_useful_macs_per_image: u64,
    /// Multiplications of the same network without pruning.
    pub n_dense_macs_per_image: u64,
    /// Useful MACs over PEs times cycles.
    pub utilization: f64,
    /// MACs of the network without pruning, over PEs times cycles.
    pub dense_equivalent_macs_per_pe_per_cycle: f64,
    /// Cycles without useful work, by cause.
    pub lost_cycles: LostCycles,
    /// Cycles of the same network on the same RTL with every tile in two passes.
    pub n_cycles_per_image_dense: Option<u64>,
    /// Those cycles over `n_cycles_per_image`.
    pub speedup_vs_dense: Option<f64>,
    /// The clock that `images_per_second` assumes.
    pub clock_mhz: f64,
    /// Images a second at that clock, streamed back to back.
    pub images_per_second: f64,
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
}

/// A layer's part of the counters, from its first fetch to the next layer's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerReport {
    /// Name in the network.
    pub name: String,
    /// All cycles.
    pub n_cycles: u64,
    /// Multiplications by kept weights.
    pub n_useful_macs: u64,
    /// Useful MACs over PEs times cycles.
    pub utilization: f64,
    /// Cycles without useful work, by cause.
    pub lost_cycles: LostCycles,
    /// Cycles of the same layer with every tile in two passes.
    pub n_cycles_dense: Option<u64>,
    /// Those cycles over `n_cycles`.
    pub speedup_vs_dense: Option<f64>,
}

/// What is counted over all images of a run, perhaps on several threads.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    first: Option<ImageResult>,
    varying: bool,
    n_images: usize,
    n_labeled: usize,
    n_correct_rtl: usize,
    n_correct_reference: usize,
    n_mismatched: usize,
    first_divergence: Option<(usize, Divergence)>,
    n_cycles_between: Option<u64>,
    n_cycles: u64,
    cpu_time: Duration,
}

/// What a report says beside the counters.
#[derive(Clone, Debug)]
pub struct ReportInput<'a> {
    /// The program that ran.
    pub program: &'a Program,
    /// What the images are.
    pub data: String,
    /// The clock for `images_per_second`.
    pub clock_mhz: f64,
    /// One image of the dense schedule, layers in the same order.
    pub dense: Option<&'a ImageResult>,
}

impl Tally {
    /// Counts the cycles and the time of a run, whose images then follow one by one.
    pub fn add_run(&mut self, run: &RunOutput) {
        self.n_cycles += run.n_cycles;
        self.cpu_time += run.cpu_time;
        if let [.., before, last] = &run.images[..] {
            self.n_cycles_between = Some(last.done_at - before.done_at);
        }
    }

    /// Counts an image: what the RTL gave, the reference's class, the right class if it is known, and the first
    /// difference. `index` orders the images of all threads.
    pub fn add_image(
        &mut self,
        index: usize,
        result: &ImageResult,
        reference_class: usize,
        label: Option<usize>,
        divergence: Option<Divergence>,
    ) {
        self.n_images += 1;
        if let Some(label) = label {
            self.n_labeled += 1;
            self.n_correct_rtl += usize::from(result.logits.class == label);
            self.n_correct_reference += usize::from(reference_class == label);
        }
        if let Some(divergence) = divergence {
            self.n_mismatched += 1;
            if self.first_divergence.as_ref().is_none_or(|(first, _)| index < *first) {
                self.first_divergence = Some((index, divergence));
            }
        }
        match &self.first {
            None => self.first = Some(result.clone()),
            Some(first) => self.varying |= !same_cycles(first, result),
        }
    }

    /// Adds what another thread counted.
    pub fn merge(mut self, other: Self) -> Self {
        self.varying |= other.varying;
        match (&self.first, other.first) {
            (Some(ours), Some(theirs)) => self.varying |= !same_cycles(ours, &theirs),
            (None, theirs) => self.first = theirs,
            (Some(_), None) => {}
        }
        self.n_images += other.n_images;
        self.n_labeled += other.n_labeled;
        self.n_correct_rtl += other.n_correct_rtl;
        self.n_correct_reference += other.n_correct_reference;
        self.n_mismatched += other.n_mismatched;
        let divergences = [self.first_divergence.take(), other.first_divergence];
        self.first_divergence = divergences.into_iter().flatten().min_by_key(|(index, _)| *index);
        self.n_cycles_between = self.n_cycles_between.or(other.n_cycles_between);
        self.n_cycles += other.n_cycles;
        self.cpu_time += other.cpu_time;
        self
    }

    /// Images counted.
    pub fn n_images(&self) -> usize {
        self.n_images
    }

    /// The report, `None` if no image was counted.
    pub fn report(&self, input: &ReportInput) -> Option<Report> {
        let first = self.first.as_ref()?;
        let config = &input.program.config;
        let infos = &input.program.layers;
        let total = &first.counters;
        let pe_cycles = total.n_cycles as f64 * config.n_pes() as f64;
        let n_dense_macs: u64 = infos.iter().map(|info| info.n_dense_macs).sum();
        let n_dense_cycles = input.dense.map(|dense| dense.counters.n_cycles);
        let accuracy =
            |n_correct| (self.n_labeled > 0).then(|| n_correct as f64 / self.n_labeled as f64);
        let between = self.n_cycles_between.unwrap_or(total.n_cycles + first.n_load_cycles);
        let dense_layers = input.dense.map(|dense| &dense.layers);
        let layers = infos.iter().zip(&first.layers).enumerate().map(|(index, (info, layer))| {
            let counters = &layer.counters;
            let n_cycles_dense = dense_layers
                .and_then(|layers| layers.get(index))
                .map(|dense| dense.counters.n_cycles);
            LayerReport {
                name: info.name.clone(),
                n_cycles: counters.n_cycles,
                n_useful_macs: counters.n_useful_macs,
                utilization: ratio(
                    counters.n_useful_macs,
                    counters.n_cycles * config.n_pes() as u64,
                ),
                lost_cycles: counters.lost,
                n_cycles_dense,
                speedup_vs_dense: n_cycles_dense.map(|dense| ratio(dense, counters.n_cycles)),
            }
        });
        Some(Report {
            format_version: FORMAT_VERSION,
            network: input.program.network.clone(),
            data: input.data.clone(),
            array: ArrayReport { rows: config.rows(), cols: config.cols(), lanes: config.lanes() },
            n_images: self.n_images,
            accuracy_rtl: accuracy(self.n_correct_rtl),
            accuracy_reference: accuracy(self.n_correct_reference),
            bit_exact: self.n_mismatched == 0,
            n_mismatched_images: self.n_mismatched,
            first_divergence: self
                .first_divergence
                .as_ref()
                .map(|(_, divergence)| divergence.clone()),
            n_cycles_per_image: total.n_cycles,
            same_cycles_for_all_images: !self.varying,
            n_load_cycles_per_image: first.n_load_cycles,
            n_cycles_between_images: between,
            n_useful_macs_per_image: total.n_useful_macs,
            n_dense_macs_per_image: n_dense_macs,
            utilization: total.n_useful_macs as f64 / pe_cycles,
            dense_equivalent_macs_per_pe_per_cycle: n_dense_macs as f64 / pe_cycles,
            lost_cycles: total.lost,
            n_cycles_per_image_dense: n_dense_cycles,
            speedup_vs_dense: n_dense_cycles.map(|dense| ratio(dense, total.n_cycles)),
            clock_mhz: input.clock_mhz,
            images_per_second: input.clock_mhz * 1e6 / between as f64,
            n_simulated_cycles: self.n_cycles,
            simulated_cycles_per_second: self.n_cycles as f64 / self.cpu_time.as_secs_f64(),
            layers: layers.collect(),
        })
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

fn ratio(numerator: u64, denominator: u64) -> f64 {
    if denominator == 0 { 0.0 } else { numerator as f64 / denominator as f64 }
}

fn same_cycles(left: &ImageResult, right: &ImageResult) -> bool {
    left.layers
        .iter()
        .map(|layer| &layer.counters)
        .eq(right.layers.iter().map(|layer| &layer.counters))
}
