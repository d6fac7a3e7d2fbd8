//! The layers of a random network.

use codegen::Feature;
use rand::seq::IndexedRandom;
use spec::{Pattern, Shape, Sparsity, TensorRef, Window};

use super::super::ConvSpec;
use super::Random;

impl Random<'_> {
    /// A convolution, perhaps with an earlier map added.
    pub(super) fn conv(&mut self, index: usize, map: TensorRef) -> TensorRef {
        let mut spec = self.kernel(map);
        let shape = output(self.builder.shape(map), &spec);
        spec.channels = self.channels(shape);
        spec.sparsity = self.sparsity();
        spec.max_pool = self.pick(0..=3) == 0 && shape.height > 1 && shape.width > 1;
        self.group(map, &mut spec);
        if self.flip() {
            spec.residual = self.residual(shape);
            spec.after = self.draws(Feature::ResidualAfter, 3);
        }
        self.builder.conv(&format!("conv{index}"), map, &spec)
    }

    /// Two convolutions of one map, the first added to the second.
    pub(super) fn fork(&mut self, index: usize, map: TensorRef) -> TensorRef {
        let mut spec = self.kernel(map);
        let shape = output(self.builder.shape(map), &spec);
        spec.channels = self.channels(shape);
        spec.sparsity = self.sparsity();
        let side = self.builder.conv(&format!("side{index}"), map, &spec);
        spec.relu = self.flip();
        spec.sparsity = self.sparsity();
        spec.residual = Some((side, 1));
        spec.after = self.draws(Feature::ResidualAfter, 3);
        self.corners();
        self.builder.conv(&format!("fork{index}"), map, &spec)
    }

    /// Groups the input channels now and then; output channels become as many as the groups allow.
    fn group(&mut self, map: TensorRef, spec: &mut ConvSpec) {
        let n_inputs = self.builder.shape(map).channels;
        let divisors: Vec<usize> = (2..n_inputs).filter(|n| n_inputs.is_multiple_of(*n)).collect();
        let groups = if n_inputs > 1 && self.draws(Feature::Depthwise, 4) {
            n_inputs
        } else if !divisors.is_empty() && self.draws(Feature::Grouped, 6) {
            *divisors.choose(self.builder.rng()).unwrap_or(&1)
        } else {
            return;
        };
        let most = (spec.channels / groups).clamp(1, 3);
        spec.groups = groups;
        spec.channels = groups * self.pick(1..=most);
        spec.sparsity = Sparsity {
            pattern: if self.flip() { Pattern::Dense } else { Pattern::Unstructured },
            group: 0,
        };
    }

    fn kernel(&mut self, map: TensorRef) -> ConvSpec {
        let Shape { height, width, .. } = self.builder.shape(map);
        let square = self.pick(1..=7);
        let kernel = match self.pick(0..=5) {
            0 => [self.pick(1..=7), self.pick(1..=7)],
            1 => [square; 2],
            2 => [1; 2],
            _ => [3; 2],
        };
        let kernel = if self.draws(Feature::LargeKernel, 8) {
            let sides = [self.pick(1..=4), self.pick(8..=16)];
            if self.flip() { sides } else { [sides[1], sides[0]] }
        } else {
            kernel
        };
        let dilation = if self.draws(Feature::Dilation, 6) {
            [self.pick(1..=4), self.pick(1..=4)]
        } else {
            [1; 2]
        };
        let extent = [0, 1].map(|axis| (kernel[axis] - 1) * dilation[axis] + 1);
        let mut padding = match self.pick(0..=5) {
            0 => [self.pick(0..=7), self.pick(0..=7), self.pick(0..=7), self.pick(0..=7)],
            1 => [0; 4],
            2 => [self.pick(0..=15); 4],
            _ => [extent[0] / 2, extent[0] / 2, extent[1] / 2, extent[1] / 2],
        };
        padding[1] += extent[0].saturating_sub(height + padding[0] + padding[1]);
        padding[3] += extent[1].saturating_sub(width + padding[2] + padding[3]);
        let stride = if self.flip() { 1 } else { self.pick(1..=4) };
        let stride = if self.draws(Feature::StridePerAxis, 4) {
            [stride, self.pick(1..=4)]
        } else {
            [stride; 2]
        };
        ConvSpec {
            kernel,
            padding,
            stride,
            dilation,
            relu: self.flip(),
            ..ConvSpec::same(1, 1, Sparsity::default())
        }
    }

    /// An earlier map that covers an output of `shape`, with a stride.
    fn residual(&mut self, shape: Shape) -> Option<(TensorRef, usize)> {
        let covers = |map: TensorRef, stride: usize| {
            let Shape { height, width, .. } = self.builder.shape(map);
            height > (shape.height - 1) * stride && width > (shape.width - 1) * stride
        };
        let choices: Vec<(TensorRef, usize)> = self
            .maps
            .iter()
            .flat_map(|map| (1..=4).map(move |stride| (*map, stride)))
            .filter(|(map, stride)| covers(*map, *stride))
            .collect();
        choices.choose(self.builder.rng()).copied()
    }

    /// Channels for a map, no more than it has room for.
    pub(super) fn channels(&mut self, shape: Shape) -> usize {
        let n_words = (self.words / shape.n_pixels().max(1)).max(1);
        self.pick(1..=self.size.channels.min(n_words * self.word_channels))
    }

    pub(super) fn sparsity(&mut self) -> Sparsity {
        let patterns = [
            Pattern::Dense,
            Pattern::Unstructured,
            Pattern::UhpFixed,
            Pattern::UhpShared,
            Pattern::UhpShared,
            Pattern::UhpFree,
        ];
        let pattern = *patterns.choose(self.builder.rng()).unwrap_or(&Pattern::Dense);
        let group = if self.flip() { self.mask_channels } else { self.pick(1..=40) };
        Sparsity { pattern, group: if pattern == Pattern::UhpShared { group } else { 0 } }
    }

    /// A layer that format 1 does not have, if one is drawn.
    pub(super) fn of_format_2(&mut self, index: usize, map: TensorRef) -> Option<TensorRef> {
        let ops = [
            Feature::AveragePool,
            Feature::MaxPool,
            Feature::Add,
            Feature::Requantize,
            Feature::Concat,
        ];
        let op = *ops.choose(self.builder.rng())?;
        if !self.draws(op, 2) {
            return None;
        }
        match op {
            Feature::AveragePool => {
                let window = self.average_window(map);
                Some(self.builder.average_pool(&format!("mean{index}"), map, window))
            }
            Feature::MaxPool => {
                let window = self.window(map);
                Some(self.builder.max_pool(&format!("max{index}"), map, window))
            }
            Feature::Add => {
                let shape = self.builder.shape(map);
                let other = self.another(|builder, other| builder.shape(other) == shape)?;
                Some(self.builder.add(&format!("add{index}"), map, other))
            }
            Feature::Requantize => Some(self.builder.requantized(&format!("scaled{index}"), map)),
            _ => self.concat(index, map),
        }
    }

    fn another(&mut self, fits: impl Fn(&super::Builder, TensorRef) -> bool) -> Option<TensorRef> {
        let fitting = self.maps.iter().copied().filter(|map| fits(&self.builder, *map));
        let fitting: Vec<TensorRef> = fitting.collect();
        fitting.choose(self.builder.rng()).copied()
    }

    /// As many channels as a map may have; maps of other zero points only where copies of them can be made.
    fn concat(&mut self, index: usize, map: TensorRef) -> Option<TensorRef> {
        let Shape { height, width, mut channels } = self.builder.shape(map);
        let zero_point = self.builder.zero_point(map);
        let may_copy = (self.has)(Feature::Requantize);
        let mut others = Vec::new();
        for part in 0..self.pick(1..=3) {
            let room = (2 * self.size.channels).saturating_sub(channels);
            let other = self.another(|builder, other| {
                let shape = builder.shape(other);
                (shape.height, shape.width) == (height, width)
                    && shape.channels <= room
                    && (may_copy || builder.zero_point(other) == zero_point)
            });
            let Some(mut other) = other else { break };
            if self.builder.zero_point(other) != zero_point {
                other = self.builder.requantized(&format!("part{index}.{part}"), other);
                self.builder.last_mut()?.zero_point = zero_point;
            }
            channels += self.builder.shape(other).channels;
            others.push(other);
        }
        if others.is_empty() {
            return None;
        }
        Some(self.builder.concat(&format!("concat{index}"), map, others))
    }

    fn average_window(&mut self, map: TensorRef) -> Window {
        let Shape { height, width, .. } = self.builder.shape(map);
        if self.pick(0..=3) > 0 {
            return self.window(map);
        }
        Window { kernel: [height, width], stride: [1; 2], padding: [0; 4] }
    }

    fn window(&mut self, map: TensorRef) -> Window {
        let Shape { height, width, .. } = self.builder.shape(map);
        let kernel = [height, width].map(|side| self.pick(1..=side.min(3)));
        let stride = [self.pick(1..=3), self.pick(1..=3)];
        // SAME as TFLite has it, or anything.
        let padding = if self.flip() {
            let same = |axis: usize, side: usize| {
                let reach = (side.div_ceil(stride[axis]) - 1) * stride[axis] + kernel[axis];
                let n = reach.saturating_sub(side);
                [n / 2, n.div_ceil(2)]
            };
            let ([top, bottom], [left, right]) = (same(0, height), same(1, width));
            [top, bottom, left, right]
        } else {
            [0, 0, 1, 1].map(|axis: usize| self.pick(0..=kernel[axis] - 1))
        };
        Window { kernel, stride, padding }
    }
}

fn output(input: Shape, spec: &ConvSpec) -> Shape {
    let extent = |axis: usize| (spec.kernel[axis] - 1) * spec.dilation[axis] + 1;
    let [top, bottom, left, right] = spec.padding;
    Shape {
        height: (input.height + top + bottom - extent(0)) / spec.stride[0] + 1,
        width: (input.width + left + right - extent(1)) / spec.stride[1] + 1,
        channels: spec.channels,
    }
}
