//! The networks of MLPerf Tiny on an array, beside what others published.

use serde::Serialize;

use super::table::new_table;
use super::verify::VerifyReport;

/// What `mlperf` measured. Table and JSON print the same.
#[derive(Clone, Debug, Serialize)]
pub struct MlperfReport {
    /// Version of this structure.
    pub format_version: u32,
    /// The clock that inferences a second assume.
    pub clock_mhz: f64,
    /// One a network.
    pub networks: Vec<MlperfRow>,
    /// What others published of the same networks.
    pub published: Vec<Published>,
}

/// A network on the array.
#[derive(Clone, Debug, Serialize)]
pub struct MlperfRow {
    /// The network.
    pub name: String,
    /// Multipliers that the array has: a PE takes one, a lane three at most.
    pub n_multipliers: usize,
    /// How it compares with its runtime, and its cycles.
    pub verified: VerifyReport,
}

/// A published accelerator.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Published {
    /// The network.
    pub name: &'static str,
    /// Device and generator.
    pub accelerator: &'static str,
    /// Inferences a second.
    pub inferences_per_second: f64,
    /// Its DSP blocks, where they were published.
    pub n_dsp: Option<usize>,
    /// Its clock, where it was published.
    pub clock_mhz: Option<f64>,
}

/// int8 designs of fpgaConvNet as its authors submitted them to MLPerf Tiny.
const PUBLISHED: [Published; 4] = [
    published("ResNet-8", "fpgaConvNet, ZedBoard", 2431.0, Some(211), Some(143.0)),
    published("ResNet-8", "fpgaConvNet, ZC706", 6790.0, None, None),
    published("DS-CNN (keyword spotting)", "fpgaConvNet, ZedBoard", 3088.0, None, None),
    published("MobileNetV1 0.25 (visual wake words)", "fpgaConvNet, ZedBoard", 105.0, None, None),
];

const fn published(
    name: &'static str,
    accelerator: &'static str,
    inferences_per_second: f64,
    n_dsp: Option<usize>,
    clock_mhz: Option<f64>,
) -> Published {
    Published { name, accelerator, inferences_per_second, n_dsp, clock_mhz }
}

impl MlperfRow {
    pub(crate) fn new(name: &str, verified: VerifyReport) -> Self {
        let array = &verified.rtl.array;
        let n_multipliers = array.rows * array.cols + 3 * array.lanes;
        Self { name: name.to_owned(), n_multipliers, verified }
    }
}

impl MlperfReport {
    pub(crate) fn new(clock_mhz: f64, networks: Vec<MlperfRow>) -> Self {
        Self { format_version: 1, clock_mhz, networks, published: PUBLISHED.to_vec() }
    }

    /// Why it is a failure, if it is one.
    pub fn failure(&self) -> Option<String> {
        self.networks
            .iter()
            .find_map(|row| Some(format!("{}: {}", row.name, row.verified.failure()?)))
    }

    /// The same for people.
    pub fn table(&self) -> String {
        let mut table = new_table(&[
            "network",
            "on",
            "MMAC",
            "inputs",
            "values that differ",
            "cycles between inputs",
            "useful MACs / PE / cycle",
            "inferences / s",
            "DSP",
            "inferences / s / DSP / MHz",
        ]);
        for MlperfRow { name, n_multipliers, verified } in &self.networks {
            let rtl = &verified.rtl;
            let n_values: u64 = verified.maps.iter().map(|map| map.n_values).sum();
            let unknown = || "-".to_owned();
            let each = |rate: f64| rate / *n_multipliers as f64 / self.clock_mhz;
            table.add_row([
                name.clone(),
                format!("{}x{}, {} lanes", rtl.array.rows, rtl.array.cols, rtl.array.lanes),
                format!("{:.2}", rtl.n_dense_macs_per_image as f64 / 1e6),
                format!("{} ({} images)", verified.n_inputs, verified.n_images),
                format!("{} of {n_values}", verified.n_differ()),
                rtl.schedule.n_cycles_between_images.map_or_else(unknown, |n| n.to_string()),
                rtl.steady_state_utilization
                    .map_or_else(unknown, |share| format!("{:.1} %", share * 100.0)),
                rtl.images_per_second.map_or_else(unknown, |rate| format!("{rate:.0}")),
                n_multipliers.to_string(),
                rtl.images_per_second.map_or_else(unknown, |rate| format!("{:.3}", each(rate))),
            ]);
        }
        for other in &self.published {
            let each = other.n_dsp.zip(other.clock_mhz).map(|(n_dsp, clock_mhz)| {
                format!("{:.3}", other.inferences_per_second / n_dsp as f64 / clock_mhz)
            });
            let mut row = vec![other.name.to_owned(), other.accelerator.to_owned()];
            row.extend(std::iter::repeat_n("-".to_owned(), 5));
            row.push(format!("{:.0}", other.inferences_per_second));
            row.push(other.n_dsp.map_or_else(|| "-".to_owned(), |n| n.to_string()));
            row.push(each.unwrap_or_else(|| "-".to_owned()));
            table.add_row(row);
        }
        let exact = |row: &MlperfRow| row.verified.rtl.bit_exact;
        let rtl = if self.networks.iter().all(exact) {
            "equals the reference on every bit"
        } else {
            "differs from the reference"
        };
        format!(
            "{table}\n\nat {} MHz; values are those of all maps of all inputs, against {}; the RTL {rtl}; a published clock is the design's own\n",
            self.clock_mhz,
            self.networks.first().map_or("no runtime", |row| &row.verified.runtime)
        )
    }
}
