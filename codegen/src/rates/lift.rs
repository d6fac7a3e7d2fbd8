//! Which other array a layer would not be bound on.

use serde::Serialize;
use spec::{ArrayConfig, QuantNetwork};

use super::losses::{Bound, Losses};
use super::{Rates, losses_of};
use crate::options::Options;
use crate::plan::plan;

/// Rows and columns that are tried.
const ROWS: [usize; 3] = [4, 8, 16];
const COLS: [usize; 3] = [8, 16, 32];
/// Another array that does not lift the bound is worth a word if it takes less than this share of the cycles.
const FASTER: f64 = 0.9;

/// Another array, and what a layer takes there by the same rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lift {
    /// Rows of that array.
    pub rows: usize,
    /// Its columns.
    pub cols: usize,
    /// Its lanes.
    pub lanes: usize,
    /// Cycles there, without what layers wait for each other.
    pub n_cycles: u64,
    /// The part of the cycles of all PEs that is useful work there.
    pub useful_share: f64,
}

impl Lift {
    /// Whether hardly anything binds the layer there.
    pub fn is_full(&self) -> bool {
        self.useful_share >= Losses::FULL
    }

    /// The flags of `twofold` that ask for it instead of `config`.
    pub fn flags(&self, config: &ArrayConfig) -> String {
        let Self { rows, cols, lanes, .. } = *self;
        if (rows, cols) == (config.rows(), config.cols()) {
            return format!("--lanes {lanes}");
        }
        let flag = |name: &str, value: usize, own: usize| {
            if value == own { String::new() } else { format!("--{name} {value} ") }
        };
        let flags = flag("rows", rows, config.rows()) + &flag("cols", cols, config.cols());
        format!("{flags}--lanes {lanes}")
    }
}

/// For each layer of `rates` that is bound by more than the layer before: the first array on which it is not, more lanes before
/// other columns before other rows; else the one with the fewest cycles, if they are clearly fewer.
pub fn lifts(
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
    rates: &Rates,
) -> Vec<Option<Lift>> {
    let is_bound = |bound| ![Bound::Array, Bound::Dependency].contains(&bound);
    if !rates.layers.iter().any(|layer| is_bound(layer.bound)) {
        return vec![None; rates.layers.len()];
    }
    let others: Vec<(ArrayConfig, Vec<Losses>)> = others(config)
        .map(|other| {
            let steps = plan(network, &other, options).steps;
            let losses = steps.iter().map(|step| losses_of(step, &other)).collect();
            (other, losses)
        })
        .collect();
    let of_layer = |index: usize, n_cycles: u64| {
        let lifts = others.iter().filter_map(|(other, losses)| {
            let losses = losses.get(index)?;
            Some(Lift {
                rows: other.rows(),
                cols: other.cols(),
                lanes: other.lanes(),
                n_cycles: losses.n_cycles(),
                useful_share: losses.useful_share(),
            })
        });
        let most = FASTER * n_cycles as f64;
        let is_faster = |lift: &Lift| (lift.n_cycles as f64) < most;
        let fastest = || lifts.clone().filter(is_faster).min_by_key(|lift| lift.n_cycles);
        lifts.clone().find(Lift::is_full).or_else(fastest)
    };
    let layers = rates.layers.iter().enumerate();
    layers
        .map(|(index, layer)| is_bound(layer.bound).then(|| of_layer(index, layer.n_cycles))?)
        .collect()
}

/// More lanes, then other columns, then other rows; each with its memories and port, and lanes of its own.
fn others(config: &ArrayConfig) -> impl Iterator<Item = ArrayConfig> + '_ {
    let lanes = config.possible_lanes().filter(|lanes| *lanes > config.lanes());
    let lanes = lanes.filter_map(|lanes| config.clone().with_lanes(lanes).ok());
    let other_cols = COLS.into_iter().filter(|cols| *cols != config.cols());
    let other_rows = ROWS.into_iter().filter(|rows| *rows != config.rows());
    let sizes = other_cols
        .map(|cols| (config.rows(), cols))
        .chain(other_rows.map(|rows| (rows, config.cols())));
    let arrays = sizes.filter_map(|(rows, cols)| {
        let other = ArrayConfig::new(rows, cols, config.memories().clone()).ok()?;
        let other = other.with_port_bytes(config.port_bytes()).ok()?;
        let other = match config.n_sections() {
            1 => other,
            _ => other.with_mask_columns(config.mask_columns().min(cols)).ok()?,
        };
        let lanes = other.possible_lanes().filter(|lanes| *lanes <= config.lanes()).max()?;
        other.with_lanes(lanes).ok()
    });
    lanes.chain(arrays)
}
