//! What random networks found.

use std::collections::BTreeMap;

use codegen::{Feature, Schedule};
use serde::Serialize;

/// What `fuzz` found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FuzzReport {
    /// Version of this structure.
    pub format_version: u32,
    /// Where the random networks began.
    pub seed: u64,
    /// The arrays: rows by columns, and bytes that the input port takes a cycle.
    pub arrays: Vec<String>,
    /// Networks run.
    pub n_networks: usize,
    /// Layers of their programs.
    pub n_layers: usize,
    /// Of the networks run, those with a feature of network format 2, for each that the compiler lowers.
    pub n_networks_with: BTreeMap<Feature, usize>,
    /// Features of network format 2 that no network has, because the compiler does not lower them.
    pub not_lowered: Vec<Feature>,
    /// Images run.
    pub n_images: usize,
    /// Cycles of all runs that came to their end.
    pub n_simulated_cycles: u64,
    /// What went wrong.
    pub mismatches: Vec<Mismatch>,
}

/// A network on which RTL and reference differ, or whose run failed.
#[derive(Clone, Debug, Serialize)]
pub struct Mismatch {
    /// Rows by columns.
    pub array: String,
    /// For `cases::random_network`, with the default size.
    pub network_seed: u64,
    /// The schedule that was run.
    pub schedule: Schedule,
    /// The first difference, or why the run failed.
    pub what: String,
}

impl FuzzReport {
    pub(crate) fn add(&mut self, other: Self) {
        self.n_networks += other.n_networks;
        self.n_layers += other.n_layers;
        for (feature, n) in other.n_networks_with {
            *self.n_networks_with.entry(feature).or_default() += n;
        }
        self.n_images += other.n_images;
        self.n_simulated_cycles += other.n_simulated_cycles;
        self.mismatches.extend(other.mismatches);
    }

    /// The same for people.
    pub fn table(&self) -> String {
        let FuzzReport { seed, arrays, n_networks, n_layers, n_images, n_simulated_cycles, .. } =
            self;
        let mut text = format!(
            "seed {seed}: {n_layers} layers in {n_networks} networks, {n_images} images, {n_simulated_cycles} cycles, \
         arrays {}: {} mismatches\n",
            arrays.join("; "),
            self.mismatches.len()
        );
        if !self.n_networks_with.is_empty() {
            let with: Vec<String> =
                self.n_networks_with.iter().map(|(what, n)| format!("{n} with {what}")).collect();
            text += &format!("networks: {}\n", with.join(", "));
        }
        if !self.not_lowered.is_empty() {
            let without: Vec<String> = self.not_lowered.iter().map(Feature::to_string).collect();
            text += &format!("not compiled yet, so not drawn: {}\n", without.join(", "));
        }
        for Mismatch { array, network_seed, schedule, what } in &self.mismatches {
            text +=
                &format!("- array {array}, network seed {network_seed}, {schedule:?}: {what}\n");
        }
        text
    }
}
