//! Steps that move a map: into a concatenation, to the output, away from bank 0.

use std::collections::HashMap;

use spec::{Bounds, Op, Parameter, Rounding, Shape, TensorRef};

use super::join::{Slice, parts};
use super::planner::Planner;
use super::{Step, StepResidual, Target};
use crate::place::MapId;
use crate::tiling::{identity_groups, shifted_groups};

/// Leaves a sum as it is.
pub(super) const UNIT: Parameter =
    Parameter { bias: 0, multiplier: 1 << 14, shift: 14, residual_multiplier: 0 };

impl Planner<'_> {
    /// A step that copies the input map to a bank of its own, because `reader` needs it twice at a time.
    pub(super) fn copy_input(&mut self, reader: &str) -> MapId {
        let shape = self.network.input.shape();
        self.notes.push(format!(
            "layer {reader:?} reads the input and adds it: a copy of the input is made first; \
             help: take the residual from a layer to save it"
        ));
        let name = format!("{reader} (copy of the input)");
        self.steps.push(self.copy(name, MapId::Input, shape, Target::Map));
        MapId::Step(self.steps.len() - 1)
    }

    /// A step that sends a map which other layers read, too.
    pub(super) fn copy_to_output(&mut self, layer: usize, map: MapId) {
        let name = &self.network.layers[layer].name;
        let why = match self.network.layers[layer].op {
            Op::Concat(_) => "a concatenation",
            _ => "read by layers",
        };
        self.notes.push(format!(
            "layer {name:?} is an output and {why}: a copy of it is sent, which takes 2 cycles a pixel and word; help: leave it \
             out of the outputs to save it"
        ));
        let name = format!("{name} (output)");
        let target = Target::Output { address: self.output_address(layer) };
        let step = self.copy(name, map, self.shapes[layer], target);
        self.steps.push(step);
    }

    /// Copies the parts of a concatenation that do not write into it themselves.
    pub(super) fn concat(&mut self, concat: usize, maps: &HashMap<TensorRef, MapId>) -> MapId {
        let name = &self.network.layers[concat].name;
        let n_channels = self.shapes[concat].channels;
        let lanes = self.config.lanes();
        let mut copied = Vec::new();
        for (map, first_channel) in parts(self.network, |map| self.shape(map), concat) {
            let joined = matches!(map, TensorRef::Layer(index) if self.joins.get(&index).is_some_and(|join| join.concat == concat));
            if joined {
                continue;
            }
            let source = self.shape(map);
            let label = match map {
                TensorRef::Input => "input",
                TensorRef::Layer(index) => &self.network.layers[index].name,
            };
            copied.push(format!("{label:?}"));
            let lead = first_channel % lanes;
            let slice = Slice { first_channel: first_channel - lead, n_channels };
            let target = self.part(concat, slice);
            let mut step =
                self.copy(format!("{name} (copy of {label})"), maps[&map], source, target);
            if lead > 0 {
                self.keep_leading(&mut step, lead, slice);
            }
            self.steps.push(step);
        }
        if !copied.is_empty() {
            self.notes.push(format!(
                "layer {name:?} copies {}, which takes 2 cycles a pixel and word; help: a layer that no other reads, with a \
                 multiple of {lanes} channels before it, writes into the concatenation itself",
                copied.join(", ")
            ));
        }
        MapId::Step(self.owners[&concat])
    }

    /// Where a part of a concatenation is written, by the step that comes next.
    pub(super) fn part(&mut self, concat: usize, slice: Slice) -> Target {
        let owner = *self.owners.entry(concat).or_insert(self.steps.len());
        Target::Part { owner, slice }
    }

    /// Moves the channels of a copy up by `lead`: those before them, of the same granule, are added from where they lie.
    fn keep_leading(&self, step: &mut Step, lead: usize, slice: Slice) {
        let Shape { height, width, channels } = step.output;
        let Target::Part { owner, .. } = step.target else { return };
        step.output.channels += lead;
        step.groups = shifted_groups(channels, lead, self.config);
        let parameters = (0..lead + channels)
            .map(|channel| Parameter { residual_multiplier: u32::from(channel < lead), ..UNIT });
        step.parameters = self.parameter_rows(parameters.collect());
        step.residual = Some(StepResidual {
            map: MapId::Step(owner),
            stride: 1,
            shape: Shape { height, width, channels: slice.n_channels },
            after: false,
            zero_point: 0,
            first_word: slice.first_channel / self.config.word_channels(),
        });
    }

    fn copy(&self, name: String, map: MapId, shape: Shape, target: Target) -> Step {
        Step {
            name,
            network_layer: None,
            input: map,
            view: self.view(shape),
            residual: None,
            output: shape,
            target,
            pool: false,
            window: None,
            fill: 0,
            rounding: Rounding::default(),
            zero_point: 0,
            bounds: Bounds::INT8,
            sum: false,
            groups: identity_groups(shape.channels, self.config),
            blocks: Vec::new(),
            parameters: self.parameter_rows(vec![UNIT; shape.channels]),
            n_useful_macs: 0,
            n_dense_macs: 0,
        }
    }
}
