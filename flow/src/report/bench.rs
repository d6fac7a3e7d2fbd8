//! How fast the simulation was.

use serde::Serialize;

use super::table::{grouped, new_table};

/// What `bench` measured.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    /// Version of this structure.
    pub format_version: u32,
    /// The case that was run.
    pub case: String,
    /// Rows of the array.
    pub rows: usize,
    /// Columns of the array.
    pub cols: usize,
    /// Of the RTL, without tracing, a second of processor time.
    pub simulated_cycles_per_second: f64,
    /// Of the array and its selector alone, other inputs in every cycle, built with the same flags and measured in the same
    /// run.
    pub bare_array_cycles_per_second: f64,
    /// The first over the second: what the rest of the accelerator leaves of the array's speed.
    pub whole_over_bare: f64,
    /// What computed the network.
    pub executors: Vec<ExecutorSpeed>,
}

/// Something that computes the network.
#[derive(Clone, Debug, Serialize)]
pub struct ExecutorSpeed {
    /// What it is.
    pub name: &'static str,
    /// Images a second on one core.
    pub images_per_second: f64,
    /// Images a second over those of the first executor, in the same run.
    pub ratio: f64,
}

impl BenchReport {
    /// The same for people.
    pub fn table(&self) -> String {
        let Self { case, rows, cols, simulated_cycles_per_second: speed, .. } = self;
        let mut executors = new_table(&["executor, one core", "images / s", "ratio"]);
        for ExecutorSpeed { name, images_per_second, ratio } in &self.executors {
            executors.add_row([name, &*format!("{images_per_second:.2}"), &*format!("{ratio:.2}")]);
        }
        let [speed, bare] =
            [*speed, self.bare_array_cycles_per_second].map(|speed| grouped(speed.round() as u64));
        format!(
            "{case} on {rows}x{cols}: {speed} simulated cycles / s on one core\n\
             the bare array with its selector: {bare} cycles / s, whole / bare {:.2}\n\n{executors}\n",
            self.whole_over_bare
        )
    }
}
