//! How an imported network compares with the runtime of its model.

use std::path::Path;

use import::MapSource;
use ndarray::ArrayView1;
use serde::Serialize;
use sim::Report;

use super::table::new_table;

/// What `verify` found. Table and JSON print the same.
#[derive(Clone, Debug, Serialize)]
pub struct VerifyReport {
    /// Version of this structure.
    pub format_version: u32,
    /// The file's name.
    pub model: String,
    /// The runtime and its version.
    pub runtime: String,
    /// Inputs that were compared.
    pub n_inputs: usize,
    /// Those of them that were images.
    pub n_images: usize,
    /// Each map of the network that the runtime computes too, in order.
    pub maps: Vec<MapAgreement>,
    /// The same inputs in the RTL.
    pub rtl: Report,
}

/// A map in the runtime and in the network, over all inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MapAgreement {
    /// The layer that computes it.
    pub layer: String,
    /// The node of the model's file, from 0.
    pub node: usize,
    /// The map's name there.
    pub tensor: String,
    /// Values compared.
    pub n_values: u64,
    /// Those that differ.
    pub n_differ: u64,
    /// Inputs whose map differs though every map that it is computed from is equal.
    pub n_first: u64,
    /// The largest difference on those.
    pub largest_first: u32,
    /// The largest difference.
    pub largest: u32,
}

impl MapAgreement {
    pub(crate) fn new(layer: &str, source: &MapSource) -> Self {
        Self {
            layer: layer.to_owned(),
            node: source.node,
            tensor: source.tensor.clone(),
            n_values: 0,
            n_differ: 0,
            n_first: 0,
            largest_first: 0,
            largest: 0,
        }
    }

    /// Counts one input's map; its largest difference.
    pub(crate) fn add(&mut self, ours: Vec<i16>, theirs: ArrayView1<'_, i8>) -> u32 {
        let mut largest = 0;
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            let difference = i32::from(ours).abs_diff(i32::from(*theirs));
            self.n_values += 1;
            self.n_differ += u64::from(difference > 0);
            largest = largest.max(difference);
        }
        self.largest = self.largest.max(largest);
        largest
    }

    /// Counts the largest difference of an input on which nothing differs that the map is computed from.
    pub(crate) fn begin(&mut self, difference: u32) {
        self.n_first += u64::from(difference > 0);
        self.largest_first = self.largest_first.max(difference);
    }
}

impl VerifyReport {
    pub(crate) fn new(
        model: &Path,
        runtime: String,
        n_images: usize,
        maps: Vec<MapAgreement>,
        rtl: Report,
    ) -> Self {
        let model = model.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { format_version: 1, model, runtime, n_inputs: rtl.n_images, n_images, maps, rtl }
    }

    /// Values that differ from the runtime's.
    pub fn n_differ(&self) -> u64 {
        self.maps.iter().map(|map| map.n_differ).sum()
    }

    /// Why it is a failure, if it is one: values that differ from the runtime's by more than one, which no rounding explains, or
    /// an RTL that is not the reference.
    pub fn failure(&self) -> Option<String> {
        if let Some(divergence) = &self.rtl.first_divergence {
            return Some(format!(
                "{} of {} inputs differ between RTL and reference; first: {divergence}",
                self.rtl.n_mismatched_images, self.n_inputs
            ));
        }
        let first = self.maps.iter().find(|map| map.largest_first > 1)?;
        Some(format!(
            "layer {:?} (node {} of {}) differs from {} by up to {} where all that it reads is equal",
            first.layer, first.node, self.model, self.runtime, first.largest_first
        ))
    }

    /// The same for people.
    pub fn table(&self) -> String {
        let mut table = new_table(&[
            "layer",
            "node",
            "values",
            "differ",
            "inputs where it begins",
            "largest there",
            "largest",
        ]);
        for map in &self.maps {
            table.add_row([
                map.layer.clone(),
                map.node.to_string(),
                map.n_values.to_string(),
                map.n_differ.to_string(),
                map.n_first.to_string(),
                map.largest_first.to_string(),
                map.largest.to_string(),
            ]);
        }
        let n_values: u64 = self.maps.iter().map(|map| map.n_values).sum();
        let rtl = match self.rtl.n_mismatched_images {
            0 => "the RTL equals the reference on every bit of them".to_owned(),
            n => format!("the RTL differs from the reference on {n} of them"),
        };
        let why = match self.n_differ() {
            n if n > 0 && self.failure().is_none() => {
                "where a map begins to differ, by one, binary32 rounded to a half in the runtime: docs/import.md\n"
            }
            _ => "",
        };
        format!(
            "{table}\n\n{}: {} inputs, {} of them images; {} of {n_values} values differ from {}; {rtl}\n{why}",
            self.model,
            self.n_inputs,
            self.n_images,
            self.n_differ(),
            self.runtime
        )
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::*;

    fn agreement() -> MapAgreement {
        MapAgreement::new("conv", &MapSource { node: 3, tensor: "relu".into() })
    }

    #[test]
    fn values_that_differ_are_counted() {
        let mut agreement = agreement();
        assert_eq!(agreement.add(vec![1, -128, 127], arr1(&[1, -128, 127]).view()), 0);
        assert_eq!(agreement.add(vec![1, -128, 127], arr1(&[2, 127, 127]).view()), 255);
        agreement.begin(0);
        agreement.begin(1);
        assert_eq!((agreement.n_values, agreement.n_differ, agreement.largest), (6, 2, 255));
        assert_eq!((agreement.n_first, agreement.largest_first), (1, 1));
    }
}
