//! Every rule of a network that does not depend on the array, as far as the network is known.

use std::collections::{HashMap, HashSet};

use ndarray::{Array1, Array4};

use super::draft::{INPUT, layer_name};
use super::error::NetworkError;
use super::layers::{QuantNetwork, Shape, TensorRef};
use super::pattern::first_violation;
use super::quant::{MAX_MULTIPLIER, MAX_RESIDUAL_MULTIPLIER, MAX_SHIFT};
use super::sparsity::{Pattern, Sparsity};
use super::view::{InputView, LayerView, OpKind, View};

/// Largest side of the image and largest number of its channels.
const MAX_INPUT: usize = 2047;
/// Largest space-to-depth block.
const MAX_BLOCK: usize = 8;
/// Largest kernel side of a convolution.
const MAX_KERNEL: usize = 7;
/// Largest stride of a convolution or a residual.
const MAX_STRIDE: usize = 4;
/// Most zero rows or columns on one side.
const MAX_PADDING: usize = 15;
/// Largest magnitude of an int8 activation.
const MAX_ACTIVATION: u64 = 128;

impl QuantNetwork {
    /// Checks every rule of docs/network.md.
    ///
    /// # Errors
    /// All problems, in the order input, layers, classes; of the channels of a layer that break one rule, the first.
    pub fn validate(&self) -> Result<(), Vec<NetworkError>> {
        let errors = check(&self.view());
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// All problems of what is known.
pub(super) fn check(view: &View) -> Vec<NetworkError> {
    let mut errors = Vec::new();
    let input = check_input(&view.input, &mut errors);
    let Some(layers) = &view.layers else {
        check_classes(view, &mut errors);
        return errors;
    };
    let names: Vec<String> =
        layers.iter().enumerate().map(|(index, layer)| layer_name(index, layer.name)).collect();
    check_names(layers, &mut errors);
    let mut shapes: Vec<Option<Shape>> = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        let mut check =
            Check { names: &names, index, layer, input, shapes: &shapes, errors: &mut errors };
        let shape = check.layer(index + 1 == layers.len());
        shapes.push(shape);
    }
    check_unused(layers, &names, &mut errors);
    check_classes(view, &mut errors);
    errors
}

/// The shape that the first layer sees, `None` if it is unknown.
fn check_input(input: &InputView, errors: &mut Vec<NetworkError>) -> Option<Shape> {
    let before = errors.len();
    for (field, value, max) in [
        ("height", input.height, MAX_INPUT),
        ("width", input.width, MAX_INPUT),
        ("channels", input.channels, MAX_INPUT),
        ("space_to_depth", input.space_to_depth, MAX_BLOCK),
    ] {
        if let Some(value) = value.filter(|value| !(1..=max).contains(value)) {
            errors.push(NetworkError::InputSize { field, value, min: 1, max });
        }
    }
    let shape = image_shape(input);
    if let Some(([height, width, _], block)) = shape
        && block > 0
        && !(height.is_multiple_of(block) && width.is_multiple_of(block))
    {
        errors.push(NetworkError::SpaceToDepth { block, height, width });
    }
    let is_valid = errors.len() == before;
    if let Some(scale) = input.scale {
        check_scale(INPUT, scale, errors);
    }
    if let Some(preprocess) = input.preprocess {
        if let Err(broken) = preprocess.validate() {
            errors.extend(broken.into_iter().map(|error| NetworkError::Preprocess { error }));
        }
        let found = [preprocess.height, preprocess.width, preprocess.channels];
        if let Some((expected, _)) = shape.filter(|(expected, _)| *expected != found) {
            errors.push(NetworkError::PreprocessShape { expected, found });
        }
    }
    let ([height, width, channels], block) = shape.filter(|_| is_valid)?;
    Some(Shape { height: height / block, width: width / block, channels: channels * block * block })
}

/// The image's rows, columns and channels, and the space-to-depth block.
fn image_shape(input: &InputView) -> Option<([usize; 3], usize)> {
    Some(([input.height?, input.width?, input.channels?], input.space_to_depth?))
}

fn check_names(layers: &[LayerView], errors: &mut Vec<NetworkError>) {
    if layers.is_empty() {
        errors.push(NetworkError::NoLayer);
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (index, layer) in layers.iter().enumerate() {
        match layer.name {
            None => {}
            Some("") => errors.push(NetworkError::EmptyName { index }),
            Some(INPUT) => errors.push(NetworkError::ReservedName { index }),
            Some(name) => {
                if let Some(&first) = seen.get(name) {
                    errors.push(NetworkError::DuplicateName {
                        name: name.to_owned(),
                        first,
                        second: index,
                    });
                }
                seen.entry(name).or_insert(index);
            }
        }
    }
}

fn check_unused(layers: &[LayerView], names: &[String], errors: &mut Vec<NetworkError>) {
    let mut used = vec![false; layers.len()];
    for layer in layers {
        let residual = layer.residual.as_ref().map(|residual| residual.from);
        for map in [Some(layer.input), residual].into_iter().flatten() {
            match map {
                // It may be any of them.
                None => return,
                Some(TensorRef::Layer(index)) if index < used.len() => used[index] = true,
                Some(_) => {}
            }
        }
    }
    let inner = layers.len().saturating_sub(1);
    for (name, _) in names[..inner].iter().zip(used).filter(|(_, used)| !used) {
        errors.push(NetworkError::Unused { layer: name.clone() });
    }
}

fn check_classes(view: &View, errors: &mut Vec<NetworkError>) {
    let Some(classes) = view.classes else { return };
    let last = view.layers.as_ref().and_then(|layers| layers.last());
    if let Some(bias) = last.and_then(|layer| layer.bias) {
        let (n_classes, n_logits) = (classes.len(), bias.len());
        if n_classes != n_logits {
            errors.push(NetworkError::ClassCount { n_classes, n_logits });
        }
    }
    let mut seen = HashSet::new();
    for (index, name) in classes.iter().enumerate() {
        if !seen.insert(name) || name.is_empty() {
            errors.push(NetworkError::ClassName { index, name: name.clone() });
        }
    }
}

fn check_scale(place: &str, value: f64, errors: &mut Vec<NetworkError>) {
    if !(value.is_finite() && value > 0.0) {
        errors.push(NetworkError::Scale { place: place.to_owned(), value });
    }
}

/// The check of one layer.
struct Check<'a> {
    names: &'a [String],
    index: usize,
    layer: &'a LayerView<'a>,
    input: Option<Shape>,
    shapes: &'a [Option<Shape>],
    errors: &'a mut Vec<NetworkError>,
}

impl Check<'_> {
    fn name(&self) -> String {
        self.names[self.index].clone()
    }

    fn tensor(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.names[self.index])
    }

    /// Output shape after pooling, `None` if it is unknown.
    fn layer(&mut self, is_last: bool) -> Option<Shape> {
        if let Some(scale) = self.layer.scale {
            check_scale(&format!("layer {:?}", self.name()), scale, self.errors);
        }
        let input = self.shape_of("input", self.layer.input);
        let weight = self.layer.weight;
        let shape = match self.layer.op {
            Some(OpKind::Conv) => self.conv(input),
            Some(OpKind::FullyConnected) => {
                if let Some(weight) = weight {
                    self.weight_sizes(weight);
                    if let Some(Shape { height, width, channels }) = input {
                        self.weight_shape(weight, [weight.dim().0, height, width, channels]);
                    }
                }
                weight.map(|weight| Shape { height: 1, width: 1, channels: weight.dim().0 })
            }
            Some(OpKind::GlobalAveragePool) => {
                input.map(|input| Shape { height: 1, width: 1, ..input })
            }
            None => None,
        };
        let channels = match self.layer.op {
            Some(OpKind::GlobalAveragePool) => input.map(|input| input.channels),
            _ => weight.map(|weight| weight.dim().0),
        };
        self.constants(channels);
        if let Some(channels) = channels {
            self.accumulators(channels, input);
        }
        if let (Some(weight), Some(sparsity)) = (weight, self.layer.sparsity) {
            self.pattern(weight, sparsity);
        }
        if is_last {
            if let Some(Shape { height, width, .. }) = shape
                && (height, width) != (1, 1)
            {
                self.errors.push(NetworkError::LogitShape { layer: self.name(), height, width });
            }
            if self.layer.max_pool == Some(true) {
                self.errors.push(NetworkError::LogitPool { layer: self.name() });
            }
        }
        shape
    }

    fn shape_of(&mut self, field: &'static str, tensor: Option<TensorRef>) -> Option<Shape> {
        match tensor? {
            TensorRef::Input => self.input,
            TensorRef::Layer(index) if index < self.shapes.len() => self.shapes[index],
            TensorRef::Layer(index) => {
                let found = match self.names.get(index) {
                    Some(name) => name.clone(),
                    None => format!("layer number {index}"),
                };
                self.errors.push(NetworkError::Reference { layer: self.name(), field, found });
                None
            }
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

    fn weight_sizes(&mut self, weight: &Array4<i8>) {
        let (out_channels, _, _, _) = weight.dim();
        self.size("out_channels", out_channels, 1, usize::from(u16::MAX));
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

    fn conv(&mut self, input: Option<Shape>) -> Option<Shape> {
        let layer = self.layer;
        let mut fits = true;
        if let Some(weight) = layer.weight {
            let (_, kernel_height, kernel_width, _) = weight.dim();
            self.weight_sizes(weight);
            fits &= self.size("kernel_height", kernel_height, 1, MAX_KERNEL);
            fits &= self.size("kernel_width", kernel_width, 1, MAX_KERNEL);
        }
        if let Some(stride) = layer.stride {
            fits &= self.size("stride", stride, 1, MAX_STRIDE);
        }
        let sides = ["padding top", "padding bottom", "padding left", "padding right"];
        for (side, padding) in sides.iter().zip(layer.padding.into_iter().flatten()) {
            fits &= self.size(side, padding, 0, MAX_PADDING);
        }
        let from = layer.residual.as_ref().and_then(|residual| {
            let fits = residual
                .stride
                .filter(|stride| self.size("residual.stride", *stride, 1, MAX_STRIDE));
            let from = self.shape_of("residual.from", residual.from)?;
            Some((fits?, residual.from?, from))
        });
        let (input, weight) = (input?, layer.weight?);
        let (channels, kernel_height, kernel_width, _) = weight.dim();
        self.weight_shape(weight, [channels, kernel_height, kernel_width, input.channels]);
        let (stride, padding) = (layer.stride?, layer.padding?);
        if !fits {
            return None;
        }
        let [top, bottom, left, right] = padding;
        let (height, width) = (input.height + top + bottom, input.width + left + right);
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
        let shape = input.convolved(weight, stride, padding);
        let Shape { height, width, .. } = shape;
        if let Some((stride, map, from)) = from {
            self.residual_shape(shape, stride, map, from);
        }
        let max_pool = layer.max_pool?;
        if max_pool && (height < 2 || width < 2) {
            self.errors.push(NetworkError::PoolTooSmall { layer: self.name(), height, width });
            return None;
        }
        Some(if max_pool { shape.pooled() } else { shape })
    }

    /// The map must reach as far as the output does.
    fn residual_shape(&mut self, output: Shape, stride: usize, map: TensorRef, from: Shape) {
        let (needed_height, needed_width) =
            ((output.height - 1) * stride + 1, (output.width - 1) * stride + 1);
        if from.height < needed_height || from.width < needed_width {
            let name = match map {
                TensorRef::Input => INPUT.to_owned(),
                TensorRef::Layer(index) => self.names[index].clone(),
            };
            self.errors.push(NetworkError::ResidualShape {
                layer: self.name(),
                from: name,
                height: from.height,
                width: from.width,
                needed_height,
                needed_width,
            });
        }
    }

    /// Their number, if `channels` is known, and their values.
    fn constants(&mut self, channels: Option<usize>) {
        let layer = self.layer;
        let residual = layer.residual.as_ref().and_then(|residual| residual.multiplier);
        let vectors = [
            ("bias", layer.bias, i32::MIN, i32::MAX),
            ("multiplier", layer.multiplier, 0, MAX_MULTIPLIER),
            ("shift", layer.shift, 0, MAX_SHIFT as i32),
            ("residual_multiplier", residual, 0, MAX_RESIDUAL_MULTIPLIER),
        ];
        for (suffix, values, min, max) in vectors {
            let Some(values) = values else { continue };
            let tensor = self.tensor(suffix);
            if let Some(channels) = channels.filter(|channels| *channels != values.len()) {
                let (expected, found) = (vec![channels], vec![values.len()]);
                self.errors.push(NetworkError::TensorShape {
                    tensor: tensor.clone(),
                    expected,
                    found,
                });
            }
            if let Some((channel, &value)) =
                values.indexed_iter().find(|(_, value)| !(min..=max).contains(*value))
            {
                self.errors.push(NetworkError::Constant { tensor, channel, value, max });
            }
        }
    }

    /// No order of additions can leave 32 bits if the magnitudes of all terms fit together.
    fn accumulators(&mut self, channels: usize, input: Option<Shape>) {
        let residual = self.layer.residual.as_ref().and_then(|residual| residual.multiplier);
        for channel in 0..channels {
            let weights: u64 = match self.layer.weight {
                Some(weight) => {
                    let weights = weight.index_axis(ndarray::Axis(0), channel);
                    weights.iter().map(|weight| u64::from(weight.unsigned_abs())).sum()
                }
                None => input.map_or(0, |input| input.n_pixels() as u64),
            };
            let of = |values: Option<&Array1<i32>>| {
                values
                    .and_then(|values| values.get(channel))
                    .map_or(0, |value| u64::from(value.unsigned_abs()))
            };
            let (bias, multiplier) = (of(self.layer.bias), of(residual));
            let worst = (weights + multiplier) * MAX_ACTIVATION + bias;
            let max = i32::MAX as u64;
            if worst > max {
                self.errors.push(NetworkError::Accumulator {
                    layer: self.name(),
                    channel,
                    worst,
                    max,
                });
                return;
            }
        }
    }

    /// The first weight that breaks the pattern.
    fn pattern(&mut self, weight: &Array4<i8>, sparsity: Sparsity) {
        if sparsity.pattern == Pattern::UhpShared && sparsity.group == 0 {
            self.errors.push(NetworkError::PatternGroup { layer: self.name() });
        } else if let Some(error) = first_violation(&self.names[self.index], weight, sparsity) {
            self.errors.push(error);
        }
    }
}
