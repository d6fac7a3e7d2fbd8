//! From layers to steps: what the accelerator executes, before anything has an address.
//!
//! Every operation becomes a convolution: a fully connected layer has a kernel as large as its map, a global average
//! pool and a copy have identity weights.

use std::collections::HashMap;

use itertools::Itertools;
use ndarray::{Array4, Axis};
use spec::{
    ArrayConfig, Bounds, Conv, Layer, Op, Parameter, QuantNetwork, Residual, Rounding, Shape,
    TensorRef, kept_positions,
};

use crate::blocks::{Block, Limits, split};
use crate::loader::{Loader, View, pack};
use crate::options::Options;
use crate::place::{MapId, Request};
use crate::report::Problem;
use crate::tiling::{Tile, diagonal_groups, identity_groups, natural_anchors, tile_groups};
use crate::unit::units;

/// A layer of the program.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) network_layer: Option<usize>,
    pub(crate) input: MapId,
    pub(crate) view: View,
    pub(crate) residual: Option<StepResidual>,
    /// After pooling.
    pub(crate) output: Shape,
    pub(crate) pool: bool,
    /// What the input has outside: its zero point.
    pub(crate) fill: i8,
    pub(crate) rounding: Rounding,
    pub(crate) zero_point: i8,
    pub(crate) bounds: Bounds,
    pub(crate) logits: bool,
    /// Every pixel adds to accumulator 0.
    pub(crate) sum: bool,
    pub(crate) groups: Vec<Vec<Tile>>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) parameters: Vec<Vec<Parameter>>,
    pub(crate) n_useful_macs: u64,
    pub(crate) n_dense_macs: u64,
}

/// A map that a step adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepResidual {
    pub(crate) map: MapId,
    pub(crate) stride: usize,
    pub(crate) shape: Shape,
    /// It is added after the scaling.
    pub(crate) after: bool,
    pub(crate) zero_point: i8,
}

/// All steps, and what the loader prepares for them.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) loader: Loader,
    pub(crate) steps: Vec<Step>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) notes: Vec<String>,
}

/// Pixels that a block should have; larger ones only where the program memory is short.
const TARGETS: [usize; 3] = [64, 128, 256];

/// Plans a validated network.
pub(crate) fn plan(network: &QuantNetwork, config: &ArrayConfig, options: &Options) -> Plan {
    let mut planner = Planner {
        network,
        config,
        options,
        shapes: network.shapes(),
        n_input_reads: n_input_reads(network),
        loader: None,
        steps: Vec::new(),
        notes: Vec::new(),
    };
    let mut maps: HashMap<TensorRef, MapId> = HashMap::from([(TensorRef::Input, MapId::Input)]);
    let mut problems = Vec::new();
    let mut copy = None;
    for (index, layer) in network.layers.iter().enumerate() {
        let pooled = matches!(&layer.op, Op::Conv(conv) if conv.max_pool);
        let accumulators = config.memories().accumulator;
        if pooled && accumulators < 4 {
            problems.push(Problem::PoolAccumulators { layer: layer.name.clone(), accumulators });
        }
        let mut residual = layer.residual().map(|residual| StepResidual {
            map: maps[&residual.from],
            stride: residual.stride,
            shape: planner.shape(residual.from),
            after: residual.after,
            zero_point: network.zero_point(residual.from),
        });
        let reads_input_twice = layer.input == TensorRef::Input;
        if let Some(residual) =
            residual.as_mut().filter(|r| reads_input_twice && r.map == MapId::Input)
        {
            residual.map = *copy.get_or_insert_with(|| planner.copy_input(&layer.name));
        }
        let map = planner.layer(index, maps[&layer.input], residual);
        maps.insert(TensorRef::Layer(index), map);
    }
    let loader = planner.loader.unwrap_or_else(|| Loader::natural(network.input.shape(), config));
    let (mut steps, notes) = (planner.steps, planner.notes);
    for target in TARGETS {
        steps.iter_mut().for_each(|step| step.split(config, target));
        if n_instructions(&steps) <= config.memories().program {
            break;
        }
    }
    Plan { loader, steps, problems, notes }
}

fn n_input_reads(network: &QuantNetwork) -> usize {
    network.layers.iter().flat_map(Layer::reads).filter(|map| *map == TensorRef::Input).count()
}

/// Instructions of the whole program.
pub(crate) fn n_instructions(steps: &[Step]) -> usize {
    2 + steps.iter().map(|step| 2 + step.blocks.len()).sum::<usize>()
}

impl Step {
    /// What is computed, before pooling.
    pub(crate) fn computed(&self) -> Shape {
        let side = if self.pool { 2 } else { 1 };
        let Shape { height, width, channels } = self.output;
        Shape { height: height * side, width: width * side, channels }
    }

    /// What the placement must know.
    pub(crate) fn request(&self, config: &ArrayConfig) -> Request {
        let words = self.output.n_pixels() * self.output.channels.div_ceil(config.word_channels());
        let residual = self.residual.map(|residual| residual.map);
        let one_unit = self.blocks.len() * self.groups.len() == 1;
        Request {
            input: self.input,
            residual,
            words: if self.logits { 0 } else { words },
            one_unit,
        }
    }

    /// Whether it reads the network's input from bank 0.
    pub(crate) fn reads_input(&self) -> bool {
        let residual = self.residual.map(|residual| residual.map);
        [Some(self.input), residual].contains(&Some(MapId::Input))
    }

    pub(crate) fn n_tiles(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    fn split(&mut self, config: &ArrayConfig, target: usize) {
        self.blocks = self.blocks_of(&self.groups, config, target);
    }

    /// The blocks of the step if its tiles were those of `groups`.
    fn blocks_of(&self, groups: &[Vec<Tile>], config: &ArrayConfig, target: usize) -> Vec<Block> {
        let View { height, width, .. } = self.view;
        if self.sum {
            vec![Block { y: 0, x: 0, height, width }]
        } else {
            let limits = Limits { accumulators: config.memories().accumulator, target };
            split(self.computed(), self.pool, limits, |blocks| {
                let kind = (self.sum, self.pool);
                let units = units(blocks, groups, self.output.channels, kind, config);
                units.iter().map(|unit| unit.cycles(config)).sum()
            })
        }
    }
}

struct Planner<'a> {
    network: &'a QuantNetwork,
    config: &'a ArrayConfig,
    options: &'a Options,
    shapes: Vec<Shape>,
    /// Layers that read the network's input, and residuals that are taken from it.
    n_input_reads: usize,
    loader: Option<Loader>,
    steps: Vec<Step>,
    notes: Vec<String>,
}

impl Planner<'_> {
    fn shape(&self, map: TensorRef) -> Shape {
        match map {
            TensorRef::Input => self.network.input.shape(),
            TensorRef::Layer(index) => self.shapes[index],
        }
    }

    fn layer(&mut self, index: usize, input: MapId, residual: Option<StepResidual>) -> MapId {
        let layer = &self.network.layers[index];
        let shape = self.shape(layer.input);
        let output = self.shapes[index];
        let pool = matches!(&layer.op, Op::Conv(conv) if conv.max_pool);
        let mut step = Step {
            name: layer.name.clone(),
            network_layer: Some(index),
            input,
            view: self.view(shape),
            residual,
            output,
            pool,
            fill: self.network.zero_point(layer.input),
            rounding: layer.requantize.rounding,
            zero_point: layer.zero_point,
            bounds: layer.bounds,
            logits: self.network.is_output(index),
            sum: false,
            groups: Vec::new(),
            blocks: Vec::new(),
            parameters: self
                .parameters(layer, residual.map_or(0, |residual| residual.shape.channels)),
            n_useful_macs: 0,
            n_dense_macs: 0,
        };
        match &layer.op {
            Op::GlobalAveragePool => {
                step.sum = true;
                step.groups = identity_groups(shape.channels, self.config);
            }
            Op::Conv(conv) => {
                let [pad_top, _, pad_left, _] = conv.padding;
                step.view = View { stride: conv.stride, pad_top, pad_left, ..step.view };
                self.convolution(&mut step, conv, shape.channels);
                // What lies outside the image is packed as 0.
                let packs_as_zero = self.network.input.zero_point == 0 || conv.padding == [0; 4];
                let reads_alone = input == MapId::Input && self.n_input_reads == 1;
                if reads_alone && conv.groups == 1 && packs_as_zero {
                    let computed = step.computed();
                    let packing = pack(
                        &self.network.input,
                        conv,
                        computed,
                        |groups| {
                            let blocks = |target| step.blocks_of(groups, self.config, target);
                            TARGETS.map(blocks).into()
                        },
                        self.config,
                        self.options.schedule,
                    );
                    step.view = packing.view;
                    step.groups = packing.groups;
                    self.loader = Some(packing.loader);
                }
            }
            Op::FullyConnected(fc) => {
                let kept = kept_positions(&fc.weight, fc.sparsity);
                self.weights(&mut step, &fc.weight, &kept, [1; 2]);
                self.count(&mut step, &kept);
            }
            _ => unreachable!("an operation that is not lowered was refused"),
        }
        self.steps.push(step);
        MapId::Step(self.steps.len() - 1)
    }

    /// A step that copies the input map to a bank of its own, because `reader` needs it twice at a time.
    fn copy_input(&mut self, reader: &str) -> MapId {
        let shape = self.network.input.shape();
        let unit = Parameter { bias: 0, multiplier: 1 << 14, shift: 14, residual_multiplier: 0 };
        self.notes.push(format!(
            "layer {reader:?} reads the input and adds it: a copy of the input is made first; \
             help: take the residual from a layer to save it"
        ));
        self.steps.push(Step {
            name: format!("{reader} (copy of the input)"),
            network_layer: None,
            input: MapId::Input,
            view: self.view(shape),
            residual: None,
            output: shape,
            pool: false,
            fill: 0,
            rounding: Rounding::default(),
            zero_point: 0,
            bounds: Bounds::INT8,
            logits: false,
            sum: false,
            groups: identity_groups(shape.channels, self.config),
            blocks: Vec::new(),
            parameters: self.parameter_rows(vec![unit; shape.channels]),
            n_useful_macs: 0,
            n_dense_macs: 0,
        });
        MapId::Step(self.steps.len() - 1)
    }

    fn view(&self, map: Shape) -> View {
        let words = map.channels.div_ceil(self.config.word_channels());
        View {
            height: map.height,
            width: map.width,
            words,
            stride: [1; 2],
            pad_top: 0,
            pad_left: 0,
        }
    }

    /// A depthwise convolution takes diagonal tiles; any other one in groups is one of all channels, with zeros.
    fn convolution(&self, step: &mut Step, conv: &Conv, n_channels: usize) {
        let Conv { weight, groups, dilation, .. } = conv;
        let (n_outputs, _, _, n_inputs) = weight.dim();
        let kept = kept_positions(weight, conv.sparsity);
        if *groups == 1 {
            self.weights(step, weight, &kept, *dilation);
        } else if n_inputs == 1 && n_outputs == n_channels {
            let kernel = weight.index_axis(Axis(3), 0);
            step.groups = diagonal_groups(kernel, *dilation, self.config, self.options.schedule);
        } else {
            let weight = spread_over_groups(weight, *groups, 0);
            let kept = spread_over_groups(&kept, *groups, false);
            self.weights(step, &weight, &kept, *dilation);
        }
        self.count(step, &kept);
    }

    fn weights(
        &self,
        step: &mut Step,
        weight: &Array4<i8>,
        kept: &Array4<bool>,
        dilation: [usize; 2],
    ) {
        let anchors = natural_anchors(weight, dilation, self.config);
        step.groups = tile_groups(weight, kept, &anchors, self.config, self.options.schedule);
    }

    /// Counts the MACs of a layer with these weights.
    fn count(&self, step: &mut Step, kept: &Array4<bool>) {
        let n_pixels = step.computed().n_pixels() as u64;
        step.n_useful_macs = kept.iter().filter(|kept| **kept).count() as u64 * n_pixels;
        step.n_dense_macs = kept.len() as u64 * n_pixels;
    }

    /// One row a drain step: full groups of `group_steps` rows, the last as many as it needs.
    fn parameters(&self, layer: &Layer, n_residual_channels: usize) -> Vec<Vec<Parameter>> {
        let constants = &layer.requantize;
        let residual = match &layer.op {
            Op::Conv(Conv { residual: Some(Residual { multiplier, .. }), .. }) => Some(multiplier),
            _ => None,
        };
        let zero_point = i64::from(self.network.zero_point(layer.input));
        let parameters = (0..constants.bias.len()).map(|channel| Parameter {
            // The hardware sums products of the input as it is.
            bias: (i64::from(constants.bias[channel])
                - zero_point * self.weight_sum(layer, channel)) as i32,
            multiplier: constants.multiplier[channel] as u32,
            shift: constants.shift[channel] as u8,
            residual_multiplier: residual
                .filter(|_| channel < n_residual_channels)
                .map_or(0, |multiplier| multiplier[channel] as u32),
        });
        self.parameter_rows(parameters.collect())
    }

    /// Sum of the weights of an output channel; the pixels that a pool adds up have weights of one.
    fn weight_sum(&self, layer: &Layer, channel: usize) -> i64 {
        match layer.op.weight() {
            Some(weight) => {
                let weights = weight.index_axis(Axis(0), channel);
                weights.iter().map(|weight| i64::from(*weight)).sum()
            }
            None => self.shape(layer.input).n_pixels() as i64,
        }
    }

    fn parameter_rows(&self, mut parameters: Vec<Parameter>) -> Vec<Vec<Parameter>> {
        let lanes = self.config.lanes();
        parameters.resize(parameters.len().next_multiple_of(lanes), Parameter::default());
        parameters.into_iter().chunks(lanes).into_iter().map(Iterator::collect).collect()
    }
}

/// The kernel of a convolution without groups that computes the same: `[out_channels, height, width, in_channels]`, `absent` where
/// an output does not read an input.
fn spread_over_groups<T: Copy>(grouped: &Array4<T>, groups: usize, absent: T) -> Array4<T> {
    let (n_outputs, height, width, n_inputs) = grouped.dim();
    let n_of_group = n_outputs / groups;
    let mut spread = Array4::from_elem((n_outputs, height, width, groups * n_inputs), absent);
    for ((output, ky, kx, input), value) in grouped.indexed_iter() {
        spread[[output, ky, kx, output / n_of_group * n_inputs + input]] = *value;
    }
    spread
}
