//! Every rule of a network that does not depend on the array.

use std::collections::HashMap;

use ndarray::Array4;

use super::pattern::first_violation;
use super::{Conv, Layer, NetworkError, Op, QuantNetwork, Residual, Shape, TensorRef};
use crate::{MAX_MULTIPLIER, MAX_RESIDUAL_MULTIPLIER, MAX_SHIFT, Pattern, Sparsity};

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
        let mut errors = Vec::new();
        let input = self.check_input(&mut errors);
        self.check_names(&mut errors);
        let mut shapes: Vec<Option<Shape>> = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let mut check =
                Check { network: self, layer, input, shapes: &shapes, errors: &mut errors };
            let shape = check.layer(index + 1 == self.layers.len());
            shapes.push(shape);
        }
        self.check_unused(&mut errors);
        self.check_classes(&mut errors);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The shape that the first layer sees, `None` if it is unknown.
    fn check_input(&self, errors: &mut Vec<NetworkError>) -> Option<Shape> {
        let input = &self.input;
        let before = errors.len();
        let block = input.space_to_depth;
        for (field, value, max) in [
            ("height", input.height, MAX_INPUT),
            ("width", input.width, MAX_INPUT),
            ("channels", input.channels, MAX_INPUT),
            ("space_to_depth", block, MAX_BLOCK),
        ] {
            if !(1..=max).contains(&value) {
                errors.push(NetworkError::InputSize { field, value, min: 1, max });
            }
        }
        if block > 0 && !(input.height.is_multiple_of(block) && input.width.is_multiple_of(block)) {
            errors.push(NetworkError::SpaceToDepth {
                block,
                height: input.height,
                width: input.width,
            });
        }
        let shape = (errors.len() == before).then(|| input.shape());
        check_scale("input", input.scale, errors);
        if let Some(preprocess) = &input.preprocess {
            if let Err(error) = preprocess.validate() {
                errors.push(NetworkError::Preprocess { error });
            }
            let found = [preprocess.height, preprocess.width, preprocess.channels];
            let expected = [input.height, input.width, input.channels];
            if found != expected {
                errors.push(NetworkError::PreprocessShape { expected, found });
            }
        }
        shape
    }

    fn check_names(&self, errors: &mut Vec<NetworkError>) {
        if self.layers.is_empty() {
            errors.push(NetworkError::NoLayer);
        }
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (index, layer) in self.layers.iter().enumerate() {
            match layer.name.as_str() {
                "" => errors.push(NetworkError::EmptyName { index }),
                "input" => errors.push(NetworkError::ReservedName { index }),
                name => {
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

    fn check_unused(&self, errors: &mut Vec<NetworkError>) {
        let mut used = vec![false; self.layers.len()];
        let references = self
            .layers
            .iter()
            .flat_map(|layer| [Some(layer.input), layer.residual().map(|r| r.from)]);
        for reference in references.flatten() {
            if let TensorRef::Layer(index) = reference
                && let Some(used) = used.get_mut(index)
            {
                *used = true;
            }
        }
        let inner = self.layers.len().saturating_sub(1);
        for (layer, _) in self.layers[..inner].iter().zip(used).filter(|(_, used)| !used) {
            errors.push(NetworkError::Unused { layer: layer.name.clone() });
        }
    }

    fn check_classes(&self, errors: &mut Vec<NetworkError>) {
        if let Some(layer) = self.layers.last() {
            let (n_classes, n_logits) = (self.classes.len(), layer.requantize.bias.len());
            if n_classes != n_logits {
                errors.push(NetworkError::ClassCount { n_classes, n_logits });
            }
        }
        for (index, name) in self.classes.iter().enumerate() {
            if name.is_empty() || self.classes[..index].contains(name) {
                errors.push(NetworkError::ClassName { index, name: name.clone() });
            }
        }
    }
}

impl Layer {
    /// What is added to the accumulators before requantization.
    pub fn residual(&self) -> Option<&Residual> {
        match &self.op {
            Op::Conv(Conv { residual, .. }) => residual.as_ref(),
            _ => None,
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
    network: &'a QuantNetwork,
    layer: &'a Layer,
    input: Option<Shape>,
    shapes: &'a [Option<Shape>],
    errors: &'a mut Vec<NetworkError>,
}

impl Check<'_> {
    fn name(&self) -> String {
        self.layer.name.clone()
    }

    fn tensor(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.layer.name)
    }

    /// Output shape after pooling, `None` if it is unknown.
    fn layer(&mut self, is_last: bool) -> Option<Shape> {
        check_scale(&format!("layer {:?}", self.layer.name), self.layer.scale, self.errors);
        let input = self.shape_of("input", self.layer.input);
        let shape = match &self.layer.op {
            Op::Conv(conv) => self.conv(conv, input),
            Op::FullyConnected(fc) => {
                self.weight_sizes(&fc.weight);
                if let Some(Shape { height, width, channels }) = input {
                    self.weight_shape(&fc.weight, [fc.weight.dim().0, height, width, channels]);
                }
                Some(Shape { height: 1, width: 1, channels: fc.weight.dim().0 })
            }
            Op::GlobalAveragePool => input.map(|input| Shape { height: 1, width: 1, ..input }),
        };
        let channels = match self.layer.op.weight() {
            Some(weight) => Some(weight.dim().0),
            None => input.map(|input| input.channels),
        };
        if let Some(channels) = channels {
            self.constants(channels);
            self.accumulators(channels, input);
        }
        match &self.layer.op {
            Op::Conv(Conv { weight, sparsity, .. }) => self.pattern(weight, *sparsity),
            Op::FullyConnected(fc) => self.pattern(&fc.weight, fc.sparsity),
            Op::GlobalAveragePool => {}
        }
        if is_last {
            if let Some(Shape { height, width, .. }) = shape
                && (height, width) != (1, 1)
            {
                self.errors.push(NetworkError::LogitShape { layer: self.name(), height, width });
            }
            if matches!(&self.layer.op, Op::Conv(conv) if conv.max_pool) {
                self.errors.push(NetworkError::LogitPool { layer: self.name() });
            }
        }
        shape
    }

    fn shape_of(&mut self, field: &'static str, tensor: TensorRef) -> Option<Shape> {
        match tensor {
            TensorRef::Input => self.input,
            TensorRef::Layer(index) if index < self.shapes.len() => self.shapes[index],
            TensorRef::Layer(index) => {
                let found = match self.network.layers.get(index) {
                    Some(layer) => layer.name.clone(),
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

    fn conv(&mut self, conv: &Conv, input: Option<Shape>) -> Option<Shape> {
        let (channels, kernel_height, kernel_width, _) = conv.weight.dim();
        self.weight_sizes(&conv.weight);
        let mut fits = self.size("kernel_height", kernel_height, 1, MAX_KERNEL);
        fits &= self.size("kernel_width", kernel_width, 1, MAX_KERNEL);
        fits &= self.size("stride", conv.stride, 1, MAX_STRIDE);
        for (side, padding) in ["padding top", "padding bottom", "padding left", "padding right"]
            .iter()
            .zip(conv.padding)
        {
            fits &= self.size(side, padding, 0, MAX_PADDING);
        }
        let from = conv.residual.as_ref().and_then(|residual| {
            let fits = self.size("residual.stride", residual.stride, 1, MAX_STRIDE);
            let from = self.shape_of("residual.from", residual.from)?;
            fits.then_some((residual, from))
        });
        let input = input?;
        self.weight_shape(&conv.weight, [channels, kernel_height, kernel_width, input.channels]);
        if !fits {
            return None;
        }
        let [top, bottom, left, right] = conv.padding;
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
        let Shape { height, width, .. } = self.layer.conv_shape(input);
        if let Some((residual, from)) = from {
            let (needed_height, needed_width) =
                ((height - 1) * residual.stride + 1, (width - 1) * residual.stride + 1);
            if from.height < needed_height || from.width < needed_width {
                self.errors.push(NetworkError::ResidualShape {
                    layer: self.name(),
                    from: self.network.tensor_name(residual.from).to_owned(),
                    height: from.height,
                    width: from.width,
                    needed_height,
                    needed_width,
                });
            }
        }
        if conv.max_pool && (height < 2 || width < 2) {
            self.errors.push(NetworkError::PoolTooSmall { layer: self.name(), height, width });
            return None;
        }
        Some(self.layer.output_shape(input))
    }

    fn constants(&mut self, channels: usize) {
        let layer = self.layer;
        let mut vectors = vec![
            ("bias", &layer.requantize.bias, i32::MIN, i32::MAX),
            ("multiplier", &layer.requantize.multiplier, 0, MAX_MULTIPLIER),
            ("shift", &layer.requantize.shift, 0, MAX_SHIFT as i32),
        ];
        if let Some(residual) = layer.residual() {
            vectors.push(("residual_multiplier", &residual.multiplier, 0, MAX_RESIDUAL_MULTIPLIER));
        }
        for (suffix, values, min, max) in vectors {
            let tensor = self.tensor(suffix);
            if values.len() != channels {
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
        let residual = self.layer.residual();
        for channel in 0..channels {
            let weights: u64 = match self.layer.op.weight() {
                Some(weight) => {
                    let weights = weight.index_axis(ndarray::Axis(0), channel);
                    weights.iter().map(|weight| u64::from(weight.unsigned_abs())).sum()
                }
                None => input.map_or(0, |input| input.n_pixels() as u64),
            };
            let bias = self
                .layer
                .requantize
                .bias
                .get(channel)
                .map_or(0, |bias| u64::from(bias.unsigned_abs()));
            let multiplier = residual
                .and_then(|residual| residual.multiplier.get(channel))
                .map_or(0, |multiplier| u64::from(multiplier.unsigned_abs()));
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
        } else if let Some(error) = first_violation(&self.layer.name, weight, sparsity) {
            self.errors.push(error);
        }
    }
}
