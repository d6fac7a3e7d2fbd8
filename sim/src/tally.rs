//! Counting a run: images one by one, perhaps on several threads, until there is a [`Report`].
//!
//! Accuracies and the comparison with the reference are counted here; everything about cycles and MACs comes from the
//! counters of the first image, which all images share.

use std::time::Duration;

use spec::{Macs, Program, QuantNetwork};

use crate::report::{ArrayReport, FORMAT_VERSION, LayerReport, Report, ScheduleReport};
use crate::{Divergence, ImageResult, RunOutput};

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
    /// Images of the longest run, and its cycles between images.
    between: Option<(usize, u64)>,
    n_output_cycles: u64,
    n_cycles: u64,
    cpu_time: Duration,
}

/// What a report says beside the counters.
#[derive(Clone, Debug)]
pub struct ReportInput<'a> {
    /// The network that ran.
    pub network: &'a QuantNetwork,
    /// The program that it was compiled to.
    pub program: &'a Program,
    /// What the images are.
    pub data: String,
    /// How many of them the network was trained or validated on, where that is recorded.
    pub n_trained_images: Option<usize>,
    /// The clock for `images_per_second`.
    pub clock_mhz: f64,
    /// Images of the dense schedule, layers in the same order; at least two, back to back, for its steady state.
    pub dense: Option<&'a RunOutput>,
}

impl Tally {
    /// Counts the cycles and the time of a run, whose images then follow one by one.
    pub fn add_run(&mut self, run: &RunOutput) {
        self.n_cycles += run.n_cycles;
        self.cpu_time += run.cpu_time;
        self.n_output_cycles = self.n_output_cycles.max(run.n_output_cycles);
        let between = run.n_cycles_between_images().map(|n_cycles| (run.images.len(), n_cycles));
        self.between = self.between.max(between);
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
        self.between = self.between.max(other.between);
        self.n_output_cycles = self.n_output_cycles.max(other.n_output_cycles);
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
        let n_pes = config.n_pes() as u64;
        let total = &first.counters;
        let n_useful_macs = total.n_useful_macs;
        let n_dense_macs: u64 = infos.iter().map(|info| info.n_dense_macs).sum();
        let between = self.between.map(|(_, n_cycles)| n_cycles);
        let schedule = ScheduleReport::new(first, between, self.n_output_cycles);
        let dense_schedule = input.dense.and_then(ScheduleReport::of_run);
        let dense_between = dense_schedule.and_then(|dense| dense.n_cycles_between_images);
        let accuracy =
            |n_correct| (self.n_labeled > 0).then(|| n_correct as f64 / self.n_labeled as f64);
        let macs: Vec<Macs> = infos
            .iter()
            .map(|info| info.network_layer.map_or(Macs::default(), |at| input.network.macs(at)))
            .collect();
        Some(Report {
            format_version: FORMAT_VERSION,
            network: input.program.network.clone(),
            data: input.data.clone(),
            array: ArrayReport {
                rows: config.rows(),
                cols: config.cols(),
                lanes: config.lanes(),
                port_bytes: config.port_bytes(),
                mask_columns: (config.n_sections() > 1).then_some(config.mask_columns()),
            },
            schedule,
            dense_schedule,
            speedup_vs_dense: dense_between.zip(between).map(|(dense, own)| ratio(dense, own)),
            compute_speedup_vs_dense: dense_schedule
                .map(|dense| ratio(dense.n_compute_cycles_per_image, total.n_cycles)),
            clock_mhz: input.clock_mhz,
            images_per_second: between.map(|n_cycles| input.clock_mhz * 1e6 / n_cycles as f64),
            n_useful_macs_per_image: n_useful_macs,
            real_pixel_share: real_pixel_share(&macs),
            n_dense_macs_per_image: n_dense_macs,
            steady_state_utilization: between
                .map(|n_cycles| ratio(n_useful_macs, n_cycles * n_pes)),
            compute_utilization: ratio(n_useful_macs, total.n_cycles * n_pes),
            dense_equivalent_macs_per_pe_per_cycle: ratio(n_dense_macs, total.n_cycles * n_pes),
            lost_cycles: total.lost,
            n_images: self.n_images,
            n_trained_images: input.n_trained_images,
            same_cycles_for_all_images: !self.varying,
            accuracy_rtl: accuracy(self.n_correct_rtl),
            accuracy_reference: accuracy(self.n_correct_reference),
            bit_exact: self.n_mismatched == 0,
            n_mismatched_images: self.n_mismatched,
            first_divergence: self
                .first_divergence
                .as_ref()
                .map(|(_, divergence)| divergence.clone()),
            n_simulated_cycles: self.n_cycles,
            simulated_cycles_per_second: self.n_cycles as f64 / self.cpu_time.as_secs_f64(),
            layers: layers(input, first, &macs),
        })
    }
}

fn layers(input: &ReportInput, image: &ImageResult, macs: &[Macs]) -> Vec<LayerReport> {
    let n_pes = input.program.config.n_pes() as u64;
    let dense = input.dense.and_then(|run| run.images.first()).map(|image| &image.layers);
    let layers = input.program.layers.iter().zip(&image.layers).zip(macs).enumerate();
    layers
        .map(|(index, ((info, layer), macs))| {
            let counters = &layer.counters;
            let n_cycles_dense =
                dense.and_then(|layers| layers.get(index)).map(|dense| dense.counters.n_cycles);
            LayerReport {
                name: info.name.clone(),
                n_cycles: counters.n_cycles,
                n_useful_macs: counters.n_useful_macs,
                real_pixel_share: real_pixel_share(std::slice::from_ref(macs)),
                utilization: ratio(counters.n_useful_macs, counters.n_cycles * n_pes),
                lost_cycles: counters.lost,
                n_cycles_dense,
                speedup_vs_dense: n_cycles_dense.map(|dense| ratio(dense, counters.n_cycles)),
            }
        })
        .collect()
}

/// Part of the useful MACs that meets a pixel of the map, `None` where there are no MACs.
fn real_pixel_share(macs: &[Macs]) -> Option<f64> {
    let n_useful: u64 = macs.iter().map(|macs| macs.n_useful).sum();
    let n_real_pixel: u64 = macs.iter().map(|macs| macs.n_real_pixel).sum();
    (n_useful > 0).then(|| ratio(n_real_pixel, n_useful))
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
