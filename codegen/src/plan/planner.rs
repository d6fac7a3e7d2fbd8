//! From a layer to its step.

use std::collections::HashMap;

use itertools::Itertools;
use ndarray::{Array4, Axis};
use spec::{
    ArrayConfig, Conv, Layer, Op, Parameter, QuantNetwork, Shape, TensorRef, kept_positions,
};

use super::join::{Join, joins};
use super::{Plan, Step, StepResidual, TARGETS, Target};
use crate::loader::{Faster, Loader, View, pack};
use crate::options::Options;
use crate::place::MapId;
use crate::tiling::{
    diagonal_groups, grouped_groups, identity_groups, natural_anchors, tile_groups,
};

/// The steps so far, and what they depend on.
pub(super) struct Planner<'a> {
    pub(super) network: &'a QuantNetwork,
    pub(super) config: &'a ArrayConfig,
    options: &'a Options,
    pub(super) shapes: Vec<Shape>,
    outputs: Vec<spec::OutputInfo>,
    /// Layers that write into a concatenation.
    pub(super) joins: HashMap<usize, Join>,
    /// The step that first writes into the map of a concatenation.
    pub(super) owners: HashMap<usize, usize>,
    /// How often layers read each map.
    n_reads: HashMap<TensorRef, usize>,
    loader: Option<Loader>,
    pub(super) steps: Vec<Step>,
    pub(super) notes: Vec<String>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        network: &'a QuantNetwork,
        config: &'a ArrayConfig,
        options: &'a Options,
    ) -> Self {
        let shapes = network.shapes();
        let shape = |map| match map {
            TensorRef::Input => network.input.shape(),
            TensorRef::Layer(index) => shapes[index],
        };
        let joins = joins(network, shape, config);
        Self {
            network,
            config,
            options,
            outputs: outputs(network, &shapes, config),
            shapes,
            joins,
            owners: HashMap::new(),
            n_reads: network.n_reads(),
            loader: None,
            steps: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// All steps, without blocks.
    pub(super) fn finish(self) -> Plan {
        let natural = || Loader::natural(self.network.input.shape(), self.config);
        Plan {
            loader: self.loader.unwrap_or_else(natural),
            steps: self.steps,
            outputs: self.outputs,
            problems: Vec::new(),
            notes: self.notes,
        }
    }

    pub(super) fn shape(&self, map: TensorRef) -> Shape {
        match map {
            TensorRef::Input => self.network.input.shape(),
            TensorRef::Layer(index) => self.shapes[index],
        }
    }

    /// Whether the layer is an output that others read, too, so that its map and the output are two.
    pub(super) fn is_read_output(&self, index: usize) -> bool {
        let is_read = || self.n_reads.contains_key(&TensorRef::Layer(index));
        let is_concat = matches!(self.network.layers[index].op, Op::Concat(_));
        self.network.is_output(index) && (is_concat || is_read())
    }

    /// First granule of an output in the logit memory.
    pub(super) fn output_address(&self, layer: usize) -> usize {
        let output = self.network.outputs.iter().position(|output| *output == layer);
        self.outputs[output.expect("the layer is an output")].address
    }

    pub(super) fn layer(
        &mut self,
        index: usize,
        input: MapId,
        residual: Option<StepResidual>,
    ) -> MapId {
        let layer = &self.network.layers[index];
        let shape = self.shape(layer.input);
        let output = self.shapes[index];
        let pool = matches!(&layer.op, Op::Conv(conv) if conv.max_pool);
        let target = match self.joins.get(&index).copied() {
            Some(join) => self.part(join.concat, join.slice),
            None if self.network.is_output(index) && !self.is_read_output(index) => {
                Target::Output { address: self.output_address(index) }
            }
            None => Target::Map,
        };
        let mut step = Step {
            name: layer.name.clone(),
            network_layer: Some(index),
            input,
            view: self.view(shape),
            residual,
            output,
            target,
            pool,
            window: None,
            fill: self.network.zero_point(layer.input),
            rounding: layer.requantize.rounding,
            zero_point: layer.zero_point,
            bounds: layer.bounds,
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
                let reads_alone = input == MapId::Input && self.n_reads[&TensorRef::Input] == 1;
                if reads_alone && conv.groups == 1 {
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
                    if let Some(Faster { n_words, n_passes }) = packing.faster {
                        self.notes.push(format!(
                            "the image is packed in {} words of bank 0, for the memory's sake: in {n_words} words layer {:?} takes \
                             {n_passes} passes of the array instead of {}",
                            packing.loader.n_words(),
                            layer.name,
                            packing.groups.iter().map(Vec::len).sum::<usize>()
                        ));
                    }
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
            Op::Add(_) | Op::Requantize => {
                step.groups = identity_groups(shape.channels, self.config);
            }
            Op::AveragePool(window) => self.average_pool(&mut step, window, shape),
            Op::MaxPool(window) => self.max_pool(&mut step, window, shape),
            Op::Concat(_) => unreachable!("a concatenation has no step of its own"),
        }
        self.steps.push(step);
        MapId::Step(self.steps.len() - 1)
    }

    pub(super) fn view(&self, map: Shape) -> View {
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

    /// A depthwise convolution of one output a channel takes diagonal tiles; any other one in groups ordinary ones, mostly zeros.
    fn convolution(&self, step: &mut Step, conv: &Conv, n_channels: usize) {
        let Conv { weight, groups, dilation, .. } = conv;
        let (n_outputs, _, _, n_inputs) = weight.dim();
        let kept = kept_positions(weight, conv.sparsity);
        if *groups == 1 {
            self.weights(step, weight, &kept, *dilation);
        } else if n_inputs == 1 && n_outputs == n_channels {
            let kernel = weight.index_axis(Axis(3), 0);
            let kept = kept.index_axis(Axis(3), 0);
            step.groups =
                diagonal_groups(kernel, kept, *dilation, self.config, self.options.schedule);
        } else {
            step.groups = grouped_groups(
                weight,
                &kept,
                *groups,
                *dilation,
                self.config,
                self.options.schedule,
            );
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
        let residual = layer.addend().map(|addend| addend.multiplier);
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

    /// Sum of the weights of an output channel; the pixels that are added up have weights of one.
    fn weight_sum(&self, layer: &Layer, channel: usize) -> i64 {
        match (&layer.op, layer.op.weight()) {
            (_, Some(weight)) => {
                let weights = weight.index_axis(Axis(0), channel);
                weights.iter().map(|weight| i64::from(*weight)).sum()
            }
            (Op::GlobalAveragePool, None) => self.shape(layer.input).n_pixels() as i64,
            (_, None) => 1,
        }
    }

    pub(super) fn parameter_rows(&self, mut parameters: Vec<Parameter>) -> Vec<Vec<Parameter>> {
        let lanes = self.config.lanes();
        parameters.resize(parameters.len().next_multiple_of(lanes), Parameter::default());
        parameters.into_iter().chunks(lanes).into_iter().map(Iterator::collect).collect()
    }
}

/// The outputs one after the other in the logit memory, each pixel in granules of its own.
fn outputs(
    network: &QuantNetwork,
    shapes: &[Shape],
    config: &ArrayConfig,
) -> Vec<spec::OutputInfo> {
    let mut address = 0;
    let output = |layer: &usize| {
        let Shape { height, width, channels } = shapes[*layer];
        let layer = network.layers[*layer].name.clone();
        let output = spec::OutputInfo { layer, address, height, width, channels };
        address += output.n_granules(config.lanes());
        output
    };
    network.outputs.iter().map(output).collect()
}
