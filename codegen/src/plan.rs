//! From layers to steps: what the accelerator executes, before anything has an address.
//!
//! Every operation becomes a convolution: a fully connected layer has a kernel as large as its map, a global average
//! pool and a copy have identity weights. A concatenation takes no step where its parts are written side by side.

mod copy;
mod join;
mod planner;
mod pool;

use std::collections::HashMap;

use spec::{ArrayConfig, Bounds, Op, Parameter, QuantNetwork, Rounding, Shape, TensorRef, Window};

use crate::blocks::{Block, Limits, Pooling, most_pixels, split, windows};
use crate::loader::{Loader, View};
use crate::options::Options;
use crate::place::{MapId, Request};
use crate::report::Problem;
use crate::tiling::Tile;
use crate::unit::units;
pub(crate) use join::Slice;
use planner::Planner;
pub(crate) use pool::StepWindow;

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
    pub(crate) target: Target,
    /// 2x2 max-pool behind a convolution.
    pub(crate) pool: bool,
    /// Of a pool that is a layer.
    pub(crate) window: Option<StepWindow>,
    /// What the input has outside: its zero point.
    pub(crate) fill: i8,
    pub(crate) rounding: Rounding,
    pub(crate) zero_point: i8,
    pub(crate) bounds: Bounds,
    /// Every pixel adds to accumulator 0.
    pub(crate) sum: bool,
    pub(crate) groups: Vec<Vec<Tile>>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) parameters: Vec<Vec<Parameter>>,
    pub(crate) n_useful_macs: u64,
    pub(crate) n_dense_macs: u64,
}

/// Where a step writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A map of its own.
    Map,
    /// Channels of a map that the step `owner` writes to first, which may be this one.
    Part { owner: usize, slice: Slice },
    /// The logit memory, from this granule on.
    Output { address: usize },
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
    /// Word of a pixel where the step's channels begin.
    pub(crate) first_word: usize,
}

/// All steps, and what the loader prepares for them.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) loader: Loader,
    pub(crate) steps: Vec<Step>,
    /// What leaves the accelerator, in that order.
    pub(crate) outputs: Vec<spec::OutputInfo>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) notes: Vec<String>,
}

/// Pixels that a block should have; larger ones only where the program memory is short.
const TARGETS: [usize; 3] = [64, 128, 256];

/// Plans a validated network.
pub(crate) fn plan(network: &QuantNetwork, config: &ArrayConfig, options: &Options) -> Plan {
    let mut planner = Planner::new(network, config, options);
    let mut maps: HashMap<TensorRef, MapId> = HashMap::from([(TensorRef::Input, MapId::Input)]);
    let mut problems = Vec::new();
    let mut copy = None;
    for (index, layer) in network.layers.iter().enumerate() {
        let needed = match &layer.op {
            Op::Conv(conv) if conv.max_pool => 4,
            Op::MaxPool(window) => {
                let [map, output] =
                    [layer.input, TensorRef::Layer(index)].map(|map| planner.shape(map));
                most_pixels(map, output, window)
            }
            _ => 1,
        };
        let accumulators = config.memories().accumulator;
        if accumulators < needed {
            let layer = layer.name.clone();
            problems.push(Problem::PoolAccumulators { layer, needed, accumulators });
        }
        if let Op::AveragePool(Window { kernel: [height, width], .. }) = layer.op {
            let (n_pixels, most) = (height * width, pool::MOST_MEAN_PIXELS);
            if n_pixels > most {
                let layer = layer.name.clone();
                problems.push(Problem::MeanPixels { layer, n_pixels, most });
            }
        }
        if matches!(layer.op, Op::Concat(_)) {
            maps.insert(TensorRef::Layer(index), planner.concat(index, &maps));
        } else {
            let mut residual = layer.addend().map(|addend| StepResidual {
                map: maps[&addend.from],
                stride: addend.stride,
                shape: planner.shape(addend.from),
                after: addend.after,
                zero_point: network.zero_point(addend.from),
                first_word: 0,
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
        if planner.is_read_output(index) {
            planner.copy_to_output(index, maps[&TensorRef::Layer(index)]);
        }
    }
    let mut plan = planner.finish();
    plan.problems = problems;
    for target in TARGETS {
        plan.steps.iter_mut().for_each(|step| step.split(config, target));
        if n_instructions(&plan.steps) <= config.memories().program {
            break;
        }
    }
    plan
}

/// Instructions of the whole program.
pub(crate) fn n_instructions(steps: &[Step]) -> usize {
    // Each set of parameters takes a `DRAIN`.
    let n_sets = |step: &Step| step.blocks.chunk_by(|a, b| a.parameters == b.parameters).count();
    2 + steps.iter().map(|step| 1 + n_sets(step) + step.blocks.len()).sum::<usize>()
}

impl Step {
    /// What is computed, before pooling.
    pub(crate) fn computed(&self) -> Shape {
        let side = if self.pool { 2 } else { 1 };
        let Shape { height, width, channels } = self.output;
        Shape { height: height * side, width: width * side, channels }
    }

    /// Whether it writes logits.
    pub(crate) fn is_output(&self) -> bool {
        matches!(self.target, Target::Output { .. })
    }

    /// The channels of the map that it writes.
    pub(crate) fn slice(&self) -> Slice {
        match self.target {
            Target::Part { slice, .. } => slice,
            Target::Map | Target::Output { .. } => {
                Slice { first_channel: 0, n_channels: self.output.channels }
            }
        }
    }

    /// The step that first writes to its map, if it is the step `index`.
    pub(crate) fn owner(&self, index: usize) -> usize {
        match self.target {
            Target::Part { owner, .. } => owner,
            Target::Map | Target::Output { .. } => index,
        }
    }

    /// What the placement must know, if it is the step `index`.
    pub(crate) fn request(&self, index: usize, config: &ArrayConfig) -> Request {
        let words =
            self.output.n_pixels() * self.slice().n_channels.div_ceil(config.word_channels());
        let residual = self.residual.map(|residual| residual.map);
        let owner = self.owner(index);
        Request {
            input: self.input,
            residual,
            words: if self.is_output() { 0 } else { words },
            shares: (owner != index).then_some(owner),
            one_unit: self.blocks.len() * self.groups.len() == 1,
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
            vec![Block {
                y: 0,
                x: 0,
                height,
                width,
                out: (0, 0),
                pooling: Pooling::NONE,
                parameters: 0,
            }]
        } else {
            let limits = Limits { accumulators: config.memories().accumulator, target };
            if let Some(StepWindow { window, by_drain }) = &self.window {
                let map = Shape { height, width, ..self.output };
                return windows(map, self.output, window, *by_drain, limits).0;
            }
            split(self.computed(), self.pool, limits, |blocks| {
                let units = units(blocks, groups, self.output.channels, self.sum, config);
                units.iter().map(|unit| unit.cycles(config)).sum()
            })
        }
    }
}
