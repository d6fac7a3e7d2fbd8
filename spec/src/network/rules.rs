//! Every rule of a network that does not depend on the array, as far as the network is known.

mod constants;
mod layer;

use std::collections::{HashMap, HashSet};

use super::draft::{INPUT, layer_name};
use super::error::NetworkError;
use super::layers::{QuantNetwork, TensorRef};
use super::shapes::Shape;
use super::view::{InputView, LayerView, View};
use layer::{Check, Use};

/// Largest side of the image and largest number of its channels.
const MAX_INPUT: usize = 2047;
/// Largest space-to-depth block.
const MAX_BLOCK: usize = 8;
/// Most outputs.
const MAX_OUTPUTS: usize = 64;

impl QuantNetwork {
    /// Checks every rule of docs/network.md.
    ///
    /// # Errors
    /// All problems, in the order input, layers, outputs, classes; of the channels of a layer that break one rule, the first.
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
        check_class_names(view, &mut errors);
        return errors;
    };
    let names: Vec<String> =
        layers.iter().enumerate().map(|(index, layer)| layer_name(index, layer.name)).collect();
    check_names(layers, &mut errors);
    let uses = Uses::of(view, layers);
    let mut shapes: Vec<Option<Shape>> = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        let place = uses.of_layer(index);
        let mut check = Check {
            view,
            names: &names,
            index,
            layer,
            input,
            shapes: &shapes,
            errors: &mut errors,
        };
        let shape = check.layer(place);
        shapes.push(shape);
    }
    check_unused(&uses, &names, &mut errors);
    check_outputs(view, &names, &mut errors);
    check_classes(view, layers, &shapes, &mut errors);
    check_class_names(view, &mut errors);
    errors
}

/// Who takes the outputs of layers.
struct Uses {
    /// Whether another layer reads it.
    is_read: Vec<bool>,
    /// Whether every reference is known; else it may be to any layer.
    knows_reads: bool,
    is_output: Vec<bool>,
    /// Whether every output is known.
    knows_outputs: bool,
    /// Whether outputs are logits as far as is known, one a class.
    has_classes: bool,
}

impl Uses {
    fn of(view: &View, layers: &[LayerView]) -> Self {
        let mut uses = Self {
            is_read: vec![false; layers.len()],
            knows_reads: true,
            is_output: vec![false; layers.len()],
            knows_outputs: view.outputs.as_ref().is_some_and(|outputs| !outputs.contains(&None)),
            has_classes: view.classes != Some(None)
                && view.outputs.as_ref().is_none_or(|outputs| outputs.len() == 1),
        };
        for (_, map) in layers.iter().flat_map(LayerView::reads) {
            match map {
                None => uses.knows_reads = false,
                Some(TensorRef::Layer(index)) if index < layers.len() => uses.is_read[index] = true,
                Some(_) => {}
            }
        }
        for index in view.outputs.iter().flatten().flatten().filter(|index| **index < layers.len())
        {
            uses.is_output[*index] = true;
        }
        uses
    }

    fn of_layer(&self, index: usize) -> Use {
        Use {
            is_output: self.is_output[index],
            is_read: self.is_read[index],
            is_logits: self.is_output[index] && self.has_classes,
        }
    }
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

fn check_unused(uses: &Uses, names: &[String], errors: &mut Vec<NetworkError>) {
    if !(uses.knows_reads && uses.knows_outputs) {
        return;
    }
    let used = uses.is_read.iter().zip(&uses.is_output).map(|(read, output)| *read || *output);
    for (name, _) in names.iter().zip(used).filter(|(_, used)| !used) {
        errors.push(NetworkError::Unused { layer: name.clone() });
    }
}

fn check_outputs(view: &View, names: &[String], errors: &mut Vec<NetworkError>) {
    let Some(outputs) = &view.outputs else { return };
    let (n_outputs, max) = (outputs.len(), MAX_OUTPUTS);
    if !(1..=max).contains(&n_outputs) && !names.is_empty() {
        errors.push(NetworkError::OutputCount { n_outputs, max });
    }
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for index in outputs.iter().flatten() {
        let count = counts.entry(*index).or_default();
        *count += 1;
        match (names.get(*index), *count) {
            // Of a network without layers, that was said.
            (None, 1) if !names.is_empty() => {
                errors.push(NetworkError::OutputName { found: format!("layer number {index}") });
            }
            (Some(name), 2) => errors.push(NetworkError::OutputTwice { name: name.clone() }),
            _ => {}
        }
    }
}

/// Classes are the entries of one output.
fn check_classes(
    view: &View,
    layers: &[LayerView],
    shapes: &[Option<Shape>],
    errors: &mut Vec<NetworkError>,
) {
    let (Some(Some(classes)), Some(outputs)) = (view.classes, &view.outputs) else { return };
    let &[output] = &outputs[..] else {
        if outputs.len() > 1 {
            errors.push(NetworkError::ClassOutputs { n_outputs: outputs.len() });
        }
        return;
    };
    let Some((layer, shape)) = output.and_then(|index| Some((layers.get(index)?, shapes[index])))
    else {
        return;
    };
    let of_bias = layer.bias.map(|bias| bias.len()).filter(|n| *n > 0);
    let n_classes = classes.len();
    if let Some(n_logits) = of_bias.or(shape.map(|shape| shape.channels))
        && n_classes != n_logits
    {
        errors.push(NetworkError::ClassCount { n_classes, n_logits });
    }
}

fn check_class_names(view: &View, errors: &mut Vec<NetworkError>) {
    let Some(Some(classes)) = view.classes else { return };
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
