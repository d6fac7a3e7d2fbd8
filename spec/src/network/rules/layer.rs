//! The rules of one layer.

use ndarray::Array4;

use super::super::draft::INPUT;
use super::super::error::NetworkError;
use super::super::layers::TensorRef;
use super::super::pattern::first_violation;
use super::super::quant::Bounds;
use super::super::shapes::{Shape, Sweep, kernel_of};
use super::super::sparsity::{Pattern, Sparsity};
use super::super::view::{LayerView, OpKind, View};
use super::check_scale;

/// Largest stride of a convolution or a residual.
const MAX_STRIDE: usize = 4;
/// Largest dilation of a convolution.
const MAX_DILATION: usize = 4;
/// Most rows or columns around a convolution's input on one side.
const MAX_PADDING: usize = 15;
/// Largest side of a pool's window, and its largest stride.
const MAX_WINDOW: usize = 3;
/// Most channels of a map.
const MAX_CHANNELS: usize = u16::MAX as usize;
const SIDES: [&str; 4] = ["padding top", "padding bottom", "padding left", "padding right"];

/// Who takes the output of a layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    /// It leaves the accelerator.
    pub(super) is_output: bool,
    /// Another layer reads it.
    pub(super) is_read: bool,
    /// Its entries are classes.
    pub(super) is_logits: bool,
}

/// The check of one layer.
pub(super) struct Check<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) names: &'a [String],
    pub(super) index: usize,
    pub(super) layer: &'a LayerView<'a>,
    pub(super) input: Option<Shape>,
    pub(super) shapes: &'a [Option<Shape>],
    pub(super) errors: &'a mut Vec<NetworkError>,
}

impl Check<'_> {
    pub(super) fn name(&self) -> String {
        self.names[self.index].clone()
    }

    pub(super) fn tensor(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.names[self.index])
    }

    /// Output shape after pooling, `None` if it is unknown.
    pub(super) fn layer(&mut self, place: Use) -> Option<Shape> {
        if let Some(scale) = self.layer.scale {
            check_scale(&format!("layer {:?}", self.name()), scale, self.errors);
        }
        let layer = self.layer;
        let maps: Vec<Option<Shape>> =
            layer.reads().map(|(field, map)| self.shape_of(field, map)).collect();
        let input = maps[0];
        let shape = match self.layer.op {
            Some(OpKind::Conv) => self.conv(input, maps.get(1).copied().flatten()),
            Some(OpKind::FullyConnected) => self.fully_connected(input),
            Some(OpKind::GlobalAveragePool) => {
                input.map(|input| Shape { height: 1, width: 1, ..input })
            }
            Some(OpKind::AveragePool | OpKind::MaxPool) => self.window(input),
            Some(OpKind::Add) => {
                if let (Some(input), [_, Some(other), ..]) = (input, &maps[..]) {
                    self.map_shape(self.layer.reads().nth(1), *other, input);
                }
                input
            }
            Some(OpKind::Requantize) => input,
            Some(OpKind::Concat) => self.concat(&maps),
            None => None,
        };
        let channels = match self.layer.op {
            Some(op) if op.has_weight() => self.layer.weight.map(|weight| weight.dim().0),
            Some(op) if op.has_constants() => input.map(|input| input.channels),
            Some(_) => Some(0),
            None => None,
        };
        self.constants(channels);
        if let Some(channels) = channels {
            self.accumulators(channels, input);
        }
        if let (Some(weight), Some(sparsity)) = (self.layer.weight, self.layer.sparsity) {
            self.pattern(weight, sparsity);
        }
        self.keeps_values();
        self.place(place, shape);
        shape
    }

    fn shape_of(&mut self, field: &'static str, tensor: Option<TensorRef>) -> Option<Shape> {
        match tensor? {
            TensorRef::Input => self.input,
            TensorRef::Layer(index) if index < self.shapes.len() => self.shapes[index],
            map => {
                let (layer, found) = (self.name(), self.map_name(map));
                self.errors.push(NetworkError::Reference { layer, field, found });
                None
            }
        }
    }

    fn map_name(&self, map: TensorRef) -> String {
        match map {
            TensorRef::Input => INPUT.to_owned(),
            TensorRef::Layer(index) => match self.names.get(index) {
                Some(name) => name.clone(),
                None => format!("layer number {index}"),
            },
        }
    }

    fn size(&mut self, field: &'static str, value: usize, min: usize, max: usize) -> bool {
        let fits = (min..=max).contains(&value);
        if !fits {
            self.errors.push(NetworkError::LayerSize {
                layer: self.name(),
                field,
                value,
                min,
                max,
            });
        }
        fits
    }

    /// Of rows and of columns; what is wrong with both alike is said once.
    fn pair(&mut self, field: &'static str, [rows, columns]: [usize; 2], max: usize) -> bool {
        let fits = self.size(field, rows, 1, max);
        if rows == columns { fits } else { self.size(field, columns, 1, max) && fits }
    }

    fn weight_shape(&mut self, weight: &Array4<i8>, expected: [usize; 4]) -> bool {
        let fits = weight.shape() == expected;
        if !fits {
            let (tensor, found) = (self.tensor("weight"), weight.shape().to_vec());
            self.errors.push(NetworkError::TensorShape {
                tensor,
                expected: expected.to_vec(),
                found,
            });
        }
        fits
    }

    fn fully_connected(&mut self, input: Option<Shape>) -> Option<Shape> {
        let weight = self.layer.weight?;
        let channels = weight.dim().0;
        self.size("out_channels", channels, 1, MAX_CHANNELS);
        if let Some(Shape { height, width, channels: n_inputs }) = input {
            self.weight_shape(weight, [channels, height, width, n_inputs]);
        }
        Some(Shape { height: 1, width: 1, channels })
    }

    fn conv(&mut self, input: Option<Shape>, from: Option<Shape>) -> Option<Shape> {
        let layer = self.layer;
        let mut fits = true;
        if let Some(weight) = layer.weight {
            let [kernel_height, kernel_width] = kernel_of(weight);
            self.size("out_channels", weight.dim().0, 1, MAX_CHANNELS);
            let max = self.view.version.max_kernel();
            fits &= self.size("kernel_height", kernel_height, 1, max);
            fits &= self.size("kernel_width", kernel_width, 1, max);
        }
        if let Some(stride) = layer.stride {
            fits &= self.pair("stride", stride, MAX_STRIDE);
        }
        if let Some(dilation) = layer.dilation {
            fits &= self.pair("dilation", dilation, MAX_DILATION);
        }
        let groups = layer.groups.filter(|groups| self.size("groups", *groups, 1, MAX_CHANNELS));
        for (side, padding) in SIDES.iter().zip(layer.padding.into_iter().flatten()) {
            fits &= self.size(side, padding, 0, MAX_PADDING);
        }
        let addend = layer.addend.as_ref();
        let residual_stride = addend
            .and_then(|addend| addend.stride)
            .filter(|stride| self.size("residual.stride", *stride, 1, MAX_STRIDE));
        let (input, weight) = (input?, layer.weight?);
        let kernel = kernel_of(weight);
        let n_outputs = weight.dim().0;
        if let Some(groups) = groups {
            let n_inputs = input.channels;
            if n_inputs.is_multiple_of(groups) && n_outputs.is_multiple_of(groups) {
                self.weight_shape(weight, [n_outputs, kernel[0], kernel[1], n_inputs / groups]);
            } else {
                let layer = self.name();
                self.errors.push(NetworkError::Groups { layer, groups, n_inputs, n_outputs });
            }
        }
        let (stride, dilation, padding) = (layer.stride?, layer.dilation?, layer.padding?);
        if !fits {
            return None;
        }
        let sweep = Sweep::of_kernel(kernel, dilation, stride, padding);
        let shape = Shape { channels: n_outputs, ..self.swept(input, sweep)? };
        if let Some(((addend, stride), from)) = addend.zip(residual_stride).zip(from) {
            self.residual_shape(shape, stride, addend.from?, from);
        }
        let max_pool = layer.max_pool?;
        let Shape { height, width, .. } = shape;
        if max_pool && (height < 2 || width < 2) {
            self.errors.push(NetworkError::PoolTooSmall { layer: self.name(), height, width });
            return None;
        }
        Some(if max_pool { shape.pooled() } else { shape })
    }

    /// Where a kernel of valid sizes stops, if it fits the padded map.
    fn swept(&mut self, input: Shape, sweep: Sweep) -> Option<Shape> {
        let [height, width] = input.padded(sweep.padding);
        let [kernel_height, kernel_width] = sweep.extent;
        if kernel_height > height || kernel_width > width {
            self.errors.push(NetworkError::KernelTooLarge {
                layer: self.name(),
                kernel_height,
                kernel_width,
                height,
                width,
            });
            return None;
        }
        Some(input.swept(sweep))
    }

    fn window(&mut self, input: Option<Shape>) -> Option<Shape> {
        let (kernel, stride, padding) =
            (self.layer.kernel?, self.layer.stride?, self.layer.padding?);
        let mut fits = self.pair("stride", stride, MAX_WINDOW);
        let is_whole = self.layer.op == Some(OpKind::AveragePool)
            && padding == [0; 4]
            && input.is_none_or(|input| kernel == [input.height, input.width]);
        if !is_whole {
            fits &= self.size("kernel_height", kernel[0], 1, MAX_WINDOW);
            fits &= self.size("kernel_width", kernel[1], 1, MAX_WINDOW);
            // A window beyond that would see no pixel.
            for (index, side) in SIDES.iter().enumerate() {
                fits &= self.size(side, padding[index], 0, kernel[index / 2].max(1) - 1);
            }
        }
        let sweep = Sweep::of_kernel(kernel, [1; 2], stride, padding);
        self.swept(input.filter(|_| fits)?, sweep)
    }

    fn concat(&mut self, maps: &[Option<Shape>]) -> Option<Shape> {
        self.layer.others.as_ref()?;
        self.size("inputs", maps.len(), 2, MAX_CHANNELS);
        let maps: Vec<Shape> = maps.iter().copied().collect::<Option<_>>()?;
        let (first, parts) = maps.split_first()?;
        for (part, read) in parts.iter().zip(self.layer.reads().skip(1)) {
            self.map_shape(Some(read), *part, Shape { channels: part.channels, ..*first });
        }
        let channels = maps.iter().map(|part| part.channels).sum();
        self.size("out_channels", channels, 1, MAX_CHANNELS).then_some(Shape { channels, ..*first })
    }

    fn map_shape(
        &mut self,
        read: Option<(&'static str, Option<TensorRef>)>,
        found: Shape,
        needed: Shape,
    ) {
        if let Some((_, Some(map))) = read.filter(|_| found != needed) {
            let sizes = |shape: Shape| [shape.height, shape.width, shape.channels];
            self.errors.push(NetworkError::MapShape {
                layer: self.name(),
                from: self.map_name(map),
                found: sizes(found),
                needed: sizes(needed),
            });
        }
    }

    /// The map must reach as far as the output does.
    fn residual_shape(&mut self, output: Shape, stride: usize, map: TensorRef, from: Shape) {
        let (needed_height, needed_width) =
            ((output.height - 1) * stride + 1, (output.width - 1) * stride + 1);
        if from.height < needed_height || from.width < needed_width {
            self.errors.push(NetworkError::ResidualShape {
                layer: self.name(),
                from: self.map_name(map),
                height: from.height,
                width: from.width,
                needed_height,
                needed_width,
            });
        }
    }

    /// What has no constants moves values as they are, so they must mean the same before and after.
    fn keeps_values(&mut self) {
        let layer = self.layer;
        if layer.op.is_none_or(OpKind::has_constants) {
            return;
        }
        let (Some(zero_point), Some(scale)) = (layer.zero_point, layer.scale) else { return };
        for (_, map) in layer.reads() {
            let Some(map) = map else { continue };
            let (of_map, scale_of_map) = match map {
                TensorRef::Input => (self.view.input.zero_point, self.view.input.scale),
                TensorRef::Layer(index) => {
                    let layers = self.view.layers.as_deref().unwrap_or_default();
                    let Some(read) = layers[..self.index].get(index) else { continue };
                    (read.zero_point, read.scale)
                }
            };
            let (Some(from_zero_point), Some(from_scale)) = (of_map, scale_of_map) else {
                continue;
            };
            if zero_point != from_zero_point || scale.total_cmp(&from_scale).is_ne() {
                self.errors.push(NetworkError::Quantization {
                    layer: self.name(),
                    from: self.map_name(map),
                    zero_point,
                    scale,
                    from_zero_point,
                    from_scale,
                });
            }
        }
    }

    /// What its place in the network asks of its output.
    fn place(&mut self, place: Use, shape: Option<Shape>) {
        if let Some(Bounds { low, high }) = self.layer.bounds {
            let is_concat = self.layer.op == Some(OpKind::Concat);
            let all = if place.is_read { Bounds::INT8 } else { Bounds::INT16 };
            let (min, max) = (all.low, all.high);
            if is_concat && self.layer.bounds != Some(Bounds::INT8) {
                let layer = self.name();
                self.errors.push(NetworkError::ConcatBounds { layer, low, high });
            } else if low > high || low < min || high > max {
                let layer = self.name();
                self.errors.push(NetworkError::Bounds { layer, low, high, min, max });
            }
        }
        if let Some(Shape { height, width, .. }) = shape.filter(|_| place.is_logits)
            && (height, width) != (1, 1)
        {
            self.errors.push(NetworkError::LogitShape { layer: self.name(), height, width });
        }
        if place.is_output && self.layer.max_pool == Some(true) {
            self.errors.push(NetworkError::OutputPool { layer: self.name() });
        }
    }

    /// The first weight that breaks the pattern.
    fn pattern(&mut self, weight: &Array4<i8>, sparsity: Sparsity) {
        let layer = self.name();
        match self.layer.groups {
            Some(groups) if groups > 1 && sparsity.pattern.is_half() => {
                self.errors.push(NetworkError::GroupedPattern { layer, groups });
            }
            _ if sparsity.pattern == Pattern::UhpShared && sparsity.group == 0 => {
                self.errors.push(NetworkError::PatternGroup { layer });
            }
            _ => self.errors.extend(first_violation(&layer, weight, sparsity)),
        }
    }
}
