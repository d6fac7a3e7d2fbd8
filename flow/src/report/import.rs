//! What importing a model found.

use import::{Comparison, Imported};
use serde::Serialize;
use spec::{FoundSparsity, Op, Pattern, QuantNetwork, shown};

use super::table::{grouped, new_table};

const FORMAT_VERSION: u32 = 1;

/// A network that was made of a model.
#[derive(Clone, Debug, Serialize)]
pub struct ImportReport {
    /// Version of this structure.
    pub format_version: u32,
    /// The network's name.
    pub network: String,
    /// What it takes.
    pub input: MapReport,
    /// What it gives.
    pub outputs: Vec<MapReport>,
    /// Its layers, in the order of execution.
    pub layers: Vec<ImportedLayer>,
    /// Multiply-accumulates of an image.
    pub n_macs: u64,
    /// What stays on the host, in its order.
    pub host: Vec<HostReport>,
    /// What the user is told besides.
    pub notes: Vec<String>,
}

/// A map that enters or leaves: real value = `scale * (value - zero_point)`.
#[derive(Clone, Debug, Serialize)]
pub struct MapReport {
    /// `input`, or the layer.
    pub name: String,
    /// Rows, columns, channels.
    pub shape: [usize; 3],
    /// Real value of one step.
    pub scale: f64,
    /// The value that means 0.
    pub zero_point: i8,
}

/// A layer and what was found of it.
#[derive(Clone, Debug, Serialize)]
pub struct ImportedLayer {
    /// Its name.
    pub name: String,
    /// What it computes.
    pub op: String,
    /// Rows, columns, channels of its output.
    pub shape: [usize; 3],
    /// What the zeros of its weights promise, and why no more.
    pub sparsity: Option<String>,
    /// Of an addition or a requantization, how many of all inputs give another value than the runtime that the model is of.
    pub comparison: Option<ComparisonReport>,
}

/// A layer's values over all of its inputs, beside the runtime's.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ComparisonReport {
    /// All inputs.
    pub n_inputs: usize,
    /// Those whose value differs.
    pub n_differ: usize,
    /// The largest difference.
    pub largest: u32,
}

/// A step that the host does.
#[derive(Clone, Debug, Serialize)]
pub struct HostReport {
    /// What it is.
    pub op: String,
    /// As the model calls it.
    pub name: String,
    /// The layer whose output it takes.
    pub layer: String,
}

impl ImportReport {
    pub(crate) fn new(imported: &Imported) -> Self {
        let Imported { network, host, sparsity, comparisons, notes, maps: _, runtime: _ } =
            imported;
        let shapes = network.shapes();
        let shape = |layer: usize| {
            let shape = shapes[layer];
            [shape.height, shape.width, shape.channels]
        };
        let layers = network.layers.iter().enumerate().map(|(index, layer)| ImportedLayer {
            name: layer.name.clone(),
            op: op_name(&layer.op),
            shape: shape(index),
            sparsity: sparsity
                .iter()
                .find(|(layer, _)| *layer == index)
                .map(|(_, found)| sparsity_text(found, &layer.op)),
            comparison: comparisons.iter().find(|(layer, _)| *layer == index).map(|(_, found)| {
                let Comparison { n_inputs, n_differ, largest } = *found;
                ComparisonReport { n_inputs, n_differ, largest }
            }),
        });
        let input = &network.input;
        Self {
            format_version: FORMAT_VERSION,
            network: network.name.clone(),
            input: MapReport {
                name: "input".to_owned(),
                shape: [input.height, input.width, input.channels],
                scale: input.scale,
                zero_point: input.zero_point,
            },
            outputs: outputs(network, shape),
            layers: layers.collect(),
            n_macs: (0..shapes.len()).map(|layer| network.macs(layer).n_useful).sum(),
            host: host
                .iter()
                .map(|step| HostReport {
                    op: format!("{:?}", step.op).to_lowercase(),
                    name: step.name.clone(),
                    layer: step.layer.clone(),
                })
                .collect(),
            notes: notes.clone(),
        }
    }

    /// The same for people.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{}: {} layers, {} multiply-accumulates an image\n",
            shown(&self.network),
            self.layers.len(),
            grouped(self.n_macs)
        );
        for (what, maps) in [("takes", std::slice::from_ref(&self.input)), ("gives", &self.outputs)]
        {
            for MapReport { name, shape: [height, width, channels], scale, zero_point } in maps {
                text += &format!(
                    "{what} {} of {height}x{width}x{channels}, scale {scale}, zero point {zero_point}\n",
                    shown(name)
                );
            }
        }
        for HostReport { op, layer, .. } in &self.host {
            text += &format!("{op} of {} stays on the host\n", shown(layer));
        }
        let mut table = new_table(&["layer", "operation", "output", "pattern", "as the runtime"]);
        for layer in &self.layers {
            let [height, width, channels] = layer.shape;
            let comparison = layer.comparison.map_or(String::new(), |found| match found.n_differ {
                0 => format!("all {} inputs", grouped(found.n_inputs as u64)),
                n => format!(
                    "{n} of {} differ, by at most {}",
                    grouped(found.n_inputs as u64),
                    found.largest
                ),
            });
            table.add_row([
                shown(&layer.name).into_owned(),
                layer.op.clone(),
                format!("{height}x{width}x{channels}"),
                layer.sparsity.clone().unwrap_or_default(),
                comparison,
            ]);
        }
        text += &format!("\n{table}\n");
        if !self.notes.is_empty() {
            text += "\nnotes:\n";
            text.extend(self.notes.iter().map(|note| format!("- {}\n", shown(note))));
        }
        text
    }
}

fn outputs(network: &QuantNetwork, shape: impl Fn(usize) -> [usize; 3]) -> Vec<MapReport> {
    let output = |index: &usize| {
        let layer = &network.layers[*index];
        let (name, scale, zero_point) = (layer.name.clone(), layer.scale, layer.zero_point);
        MapReport { name, shape: shape(*index), scale, zero_point }
    };
    network.outputs.iter().map(output).collect()
}

fn op_name(op: &Op) -> String {
    match op {
        Op::Conv(conv) => {
            let (outputs, height, width, inputs) = conv.weight.dim();
            let kind = match (conv.groups, inputs) {
                (1, _) => "conv",
                (_, 1) if outputs == conv.groups => "depthwise conv",
                _ => "grouped conv",
            };
            format!("{kind} {height}x{width}")
        }
        Op::FullyConnected(_) => "fully connected".to_owned(),
        Op::GlobalAveragePool => "global average pool".to_owned(),
        Op::AveragePool(window) => {
            format!("average pool {}x{}", window.kernel[0], window.kernel[1])
        }
        Op::MaxPool(window) => format!("max pool {}x{}", window.kernel[0], window.kernel[1]),
        Op::Add(_) => "add".to_owned(),
        Op::Requantize => "requantize".to_owned(),
        Op::Concat(_) => "concat".to_owned(),
    }
}

/// The pattern, and why it is no more than that.
fn sparsity_text(found: &FoundSparsity, op: &Op) -> String {
    let groups = match op {
        Op::Conv(conv) => conv.groups,
        _ => 1,
    };
    match found.sparsity.pattern {
        Pattern::UhpFixed => "half-pruned, fixed".to_owned(),
        Pattern::UhpShared => format!("half-pruned, shared by {}", found.sparsity.group),
        Pattern::UhpFree => "half-pruned, free: two passes".to_owned(),
        Pattern::Dense | Pattern::Unstructured if groups > 1 => "dense: grouped".to_owned(),
        Pattern::Dense | Pattern::Unstructured if found.n_pairs == 0 => {
            "dense: one input channel".to_owned()
        }
        Pattern::Dense | Pattern::Unstructured => {
            let share = 100.0 * found.n_both_kept as f64 / found.n_pairs as f64;
            format!("dense: {share:.1} % of pairs keep both")
        }
    }
}
