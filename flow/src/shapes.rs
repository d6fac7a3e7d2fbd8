//! How busy the array is with layers of many shapes, in the simulator.

use codegen::{LayerRate, Options, Rates, rates};
use sim::{CheckedRun, Counters, run_and_compare};
use spec::{ArrayConfig, Design, Pattern, QuantNetwork, Sparsity, TensorRef};

use crate::cases::{Builder, ConvSpec, Shortcut, Topology, random_image};
use crate::choice::ArraySizes;
use crate::error::FlowError;
use crate::log::Log;
use crate::report::{ShapeRate, ShapeReport, ShapeRow};
use crate::simulator::{Simulator, SimulatorKind};
use crate::workload::{compiled, does_not_run};

/// Layers of one shape in a network; the first and the last of them do not count.
const N_LAYERS: usize = 8;
/// Of weights and images.
const SEED: u64 = 1;
/// The whole networks, rows and columns of the array of each, and its masks where they are not those of all columns.
const NETWORKS: [(Topology, (usize, usize), Option<Masks>); 9] = [
    (Topology::Resnet20, (8, 16), None),
    (Topology::Resnet20, (8, 16), Some(Masks { group: 1, columns: 1 })),
    (Topology::Resnet20, (8, 32), None),
    (Topology::Resnet20, (8, 32), Some(Masks { group: 16, columns: 32 })),
    (Topology::Resnet20, (8, 32), Some(Masks { group: 16, columns: 16 })),
    (Topology::Resnet20, (16, 16), None),
    (Topology::Resnet20, (16, 32), None),
    (Topology::Resnet20, (16, 32), Some(Masks { group: 16, columns: 16 })),
    (Topology::Resnet20Wide, (16, 32), None),
];

/// What is measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShapesOptions {
    /// The array of the single layers. Its lanes are also those of the arrays that run whole networks, where these can have
    /// so many.
    pub array: ArraySizes,
    /// Where it is said how far it is.
    pub log: Log,
}

/// How layers of one shape follow each other.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// Each reads what the one before writes.
    Chain,
    /// All read the same map, as a map cannot be halved eight times.
    Fork,
    /// A 1x1 layer between two of them brings the channels back to those of the input.
    Alternate,
}

/// How many share a mask.
#[derive(Clone, Copy, Debug)]
struct Masks {
    /// Output channels of a half-pruned network.
    group: usize,
    /// Columns of the array.
    columns: usize,
}

/// What is measured: layers, or a whole network.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Conv {
        kernel: usize,
        stride: usize,
        /// Input and output.
        channels: [usize; 2],
        /// Rows and columns of the input.
        side: usize,
        order: Order,
    },
    Depthwise {
        channels: usize,
        side: usize,
    },
    FullyConnected {
        channels: usize,
    },
    Network {
        topology: Topology,
        array: (usize, usize),
        masks: Option<Masks>,
    },
}

const fn conv(
    kernel: usize,
    stride: usize,
    channels: [usize; 2],
    side: usize,
    order: Order,
) -> Shape {
    Shape::Conv { kernel, stride, channels, side, order }
}

/// The layers, in the order of the table.
const LAYERS: [Shape; 10] = [
    conv(1, 1, [16, 16], 16, Order::Chain),
    conv(1, 1, [32, 32], 16, Order::Chain),
    conv(1, 1, [64, 64], 8, Order::Chain),
    conv(1, 2, [32, 32], 16, Order::Fork),
    conv(3, 1, [32, 32], 16, Order::Chain),
    conv(3, 2, [32, 32], 16, Order::Fork),
    conv(3, 1, [3, 32], 16, Order::Alternate),
    conv(3, 1, [17, 32], 16, Order::Alternate),
    Shape::Depthwise { channels: 32, side: 16 },
    Shape::FullyConnected { channels: 128 },
];

/// Runs networks of eight equal layers each, and ResNet-20 on several arrays, dense and half-pruned; every bit is compared
/// with the reference. docs/report.md says what the figures count.
///
/// # Errors
/// An array that cannot be, a missing tool, a simulation that fails or differs from the reference.
pub fn shapes(options: &ShapesOptions) -> Result<ShapeReport, FlowError> {
    let config = options.array.config(&ArrayConfig::default())?;
    let networks =
        NETWORKS.map(|(topology, array, masks)| Shape::Network { topology, array, masks });
    let all: Vec<Shape> = LAYERS.into_iter().chain(networks).collect();
    let progress = options.log.progress("shapes", all.len() as u64, "shapes");
    let mut built: Option<(ArrayConfig, Simulator)> = None;
    let mut rows = Vec::new();
    for shape in all {
        let config = shape.config(&config)?;
        let simulator = match built.take() {
            Some((of, simulator)) if of == config => simulator,
            _ => Simulator::build(SimulatorKind::Verilator, &Design::of(config.clone()))?,
        };
        let measured = |pattern: Pattern| measure(shape, pattern, &config, &simulator);
        rows.push(ShapeRow {
            shape: shape.name(),
            rows: config.rows(),
            cols: config.cols(),
            lanes: config.lanes(),
            dense: measured(Pattern::Dense)?,
            half_pruned: shape.has_pairs().then(|| measured(Pattern::UhpShared)).transpose()?,
        });
        progress.step(&shape.name());
        built = Some((config, simulator));
    }
    progress.clear();
    Ok(ShapeReport { format_version: 1, shapes: rows })
}

fn measure(
    shape: Shape,
    pattern: Pattern,
    config: &ArrayConfig,
    simulator: &Simulator,
) -> Result<ShapeRate, FlowError> {
    let network = shape.network(pattern, shape.group(config));
    let options = Options::default();
    let program = compiled(&network, config, &options)?;
    let image = random_image(&network, SEED);
    let mut executor = simulator.executor(&program)?;
    let CheckedRun { run, divergences, .. } =
        run_and_compare(&mut *executor, &network, &[&image], &sim::RunOptions::default())?;
    if let Some(divergence) = divergences.into_iter().flatten().next() {
        return Err(FlowError::Diverges {
            network: network.name,
            divergence: Box::new(divergence),
        });
    }
    let Rates { layers, .. } = rates(&network, config, &options);
    let measured = shape.measured();
    let counts = |name: &str| measured.as_ref().is_none_or(|names| names.iter().any(|n| n == name));
    let layers: Vec<LayerRate> = layers.into_iter().filter(|layer| counts(&layer.name)).collect();
    let results = program.layers.iter().zip(run.images.iter().flat_map(|image| &image.layers));
    let counters: Vec<&Counters> = results
        .filter(|(layer, _)| counts(&layer.name))
        .map(|(_, result)| &result.counters)
        .collect();
    let n_layers = if measured.is_some() { counters.len() } else { 1 };
    let n_pes = config.rows() * config.cols();
    Ok(ShapeRate::new(
        n_layers,
        n_pes,
        counters.iter().map(|counters| counters.n_cycles).sum(),
        counters.iter().map(|counters| counters.n_useful_macs).sum(),
        &layers,
    ))
}

impl Shape {
    fn name(self) -> String {
        match self {
            Self::Conv { kernel, stride, channels: [input, output], side, .. } => {
                let stride = if stride > 1 { format!(", stride {stride}") } else { String::new() };
                format!("{kernel}x{kernel}{stride}, {input} -> {output} at {side}x{side}")
            }
            Self::Depthwise { channels, side } => {
                format!("depthwise 3x3, {channels} at {side}x{side}")
            }
            Self::FullyConnected { channels } => {
                format!("fully connected, {channels} -> {channels}")
            }
            Self::Network { topology, array: (rows, cols), masks } => {
                let twice = if topology == Topology::Resnet20Wide { " twice as wide" } else { "" };
                let masks = masks.map_or_else(String::new, |Masks { group, columns }| {
                    let option = if columns < cols {
                        format!(", --mask-columns {columns}")
                    } else {
                        String::new()
                    };
                    format!(", masks of {group}{option}")
                });
                format!("ResNet-20{twice} on {rows}x{cols}{masks}")
            }
        }
    }

    /// The array that it runs on, where single layers run on `config`.
    fn config(self, config: &ArrayConfig) -> Result<ArrayConfig, FlowError> {
        let Self::Network { array: (rows, cols), masks, .. } = self else {
            return Ok(config.clone());
        };
        let own = ArrayConfig::new(rows, cols, config.memories().clone())?
            .with_mask_columns(masks.map_or(cols, |masks| masks.columns))?;
        let lanes = own.possible_lanes().find(|lanes| *lanes == config.lanes());
        let own = match lanes {
            Some(lanes) => own.with_lanes(lanes)?,
            None => own,
        };
        let dense = self.network(Pattern::Dense, 0);
        let fitted = codegen::requirements(&dense, &own, &Options::default())
            .map_err(|reason| does_not_run(&dense, &own, reason))?;
        Ok(own.clone().with_memories(own.memories().clone().max(&fitted))?)
    }

    /// Output channels that share a mask.
    fn group(self, config: &ArrayConfig) -> usize {
        match self {
            Self::Network { masks: Some(masks), .. } => masks.group,
            _ => config.group_channels(),
        }
    }

    /// Whether a weight has a neighbor that it can be kept instead of.
    fn has_pairs(self) -> bool {
        !matches!(self, Self::Depthwise { .. })
    }

    /// Names of the layers that count; `None` for all.
    fn measured(self) -> Option<Vec<String>> {
        let is_network = matches!(self, Self::Network { .. });
        (!is_network).then(|| (2..N_LAYERS).map(layer_name).collect())
    }

    /// Layers of this shape behind one that brings the image to their input, and a classifier.
    fn network(self, pattern: Pattern, group: usize) -> QuantNetwork {
        let sparsity =
            Sparsity { pattern, group: if pattern == Pattern::UhpShared { group } else { 0 } };
        let dense = |channels| ConvSpec::same(channels, 1, Sparsity::default());
        let (channels, side) = match self {
            Self::Conv { channels: [input, _], side, .. } => (input, side),
            Self::Depthwise { channels, side } => (channels, side),
            Self::FullyConnected { channels } => (channels, 1),
            Self::Network { topology, .. } => {
                return topology.network(pattern, group, Shortcut::Identity, SEED);
            }
        };
        let mut builder = Builder::new([side, side, 3], 1, SEED);
        let first = builder.conv("first", TensorRef::Input, &dense(channels));
        let mut maps = Vec::new();
        let mut map = first;
        for index in 1..=N_LAYERS {
            let name = layer_name(index);
            map = match self {
                Self::Conv { kernel, stride, channels: [_, output], order, .. } => {
                    let from = if matches!(order, Order::Fork) { first } else { map };
                    let spec = ConvSpec {
                        stride: [stride; 2],
                        ..ConvSpec::same(output, kernel, sparsity)
                    };
                    builder.conv(&name, from, &spec)
                }
                Self::Depthwise { .. } => {
                    let spec = ConvSpec::same(channels, 3, Sparsity::default());
                    builder.conv(&name, map, &ConvSpec { groups: channels, ..spec })
                }
                _ => builder.fully_connected(&name, map, channels, sparsity, true),
            };
            maps.push(map);
            if let Self::Conv { order: Order::Alternate, .. } = self {
                map = builder.conv(&format!("back{index}"), map, &dense(channels));
            }
        }
        if let Self::Conv { order: Order::Fork, channels: [_, output], .. } = self {
            // Every map is read: each is added to those before.
            map = maps[0];
            for (index, other) in maps.iter().enumerate().skip(1) {
                let spec = ConvSpec { residual: Some((map, 1)), ..dense(output) };
                map = builder.conv(&format!("gather{index}"), *other, &spec);
            }
        }
        let map = builder.global_average_pool("pool", map);
        builder.fully_connected("logits", map, 2, Sparsity::default(), false);
        builder.finish(&self.name())
    }
}

fn layer_name(index: usize) -> String {
    format!("layer{index}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_run_near_their_bound_and_no_faster_than_the_array() {
        let config = ArrayConfig::default();
        let design = Design::of(config.clone());
        let simulator = Simulator::build(SimulatorKind::Verilator, &design).unwrap();
        for shape in LAYERS {
            for pattern in [Pattern::Dense, Pattern::UhpShared] {
                let rate = measure(shape, pattern, &config, &simulator).unwrap();
                let share = rate.macs_per_pe_per_cycle;
                assert!(share <= 1.0 && share > 0.9 * rate.bound, "{}: {rate:?}", shape.name());
            }
        }
    }

    #[test]
    fn every_shape_is_a_network_whose_layers_are_equal() {
        for shape in LAYERS {
            for pattern in [Pattern::Dense, Pattern::UhpShared] {
                let network = shape.network(pattern, 16);
                let rates = rates(&network, &ArrayConfig::default(), &Options::default());
                let measured = shape.measured().unwrap();
                let of = |name: &String| rates.layers.iter().find(|layer| layer.name == *name);
                let cycles: Vec<u64> =
                    measured.iter().map(|name| of(name).unwrap().n_cycles).collect();
                assert_eq!(cycles.len(), N_LAYERS - 2, "{}", network.name);
                assert!(cycles.iter().all(|n| *n == cycles[0]), "{}: {cycles:?}", network.name);
            }
        }
    }
}
