//! The tensors of a container, handed to the layers of a draft.

use std::collections::{BTreeMap, HashMap};

use ndarray::{Array1, Array4};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::draft::{Draft, DraftLayer};
use super::error::NetworkError;
use super::foreign::foreign;
use super::view::OpKind;

/// Takes tensors out of a container and collects what is wrong with them.
struct Reader<'data> {
    tensors: BTreeMap<String, TensorView<'data>>,
    errors: Vec<NetworkError>,
}

/// Gives each layer the tensors of its name, and says what is wrong with the container's tensors.
pub(super) fn attach(draft: &mut Draft, bytes: &[u8]) -> Vec<NetworkError> {
    let container = match SafeTensors::deserialize(bytes) {
        Ok(container) => container,
        Err(error) => {
            let other = foreign(bytes).filter(|other| other.kind != "a safetensors file");
            let message = other.map_or_else(
                || error.to_string(),
                |other| format!("it is {}, not safetensors", other.kind),
            );
            return vec![NetworkError::Container { message }];
        }
    };
    let mut reader =
        Reader { tensors: container.tensors().into_iter().collect(), errors: Vec::new() };
    let mut n_layers: HashMap<String, usize> = HashMap::new();
    for name in draft.layers.iter().filter_map(|layer| layer.name.clone()) {
        *n_layers.entry(name).or_default() += 1;
    }
    for layer in &mut draft.layers {
        match layer.name.clone() {
            // Whose tensors they are is not known: the layers are reported, not the tensors.
            Some(name) if n_layers[&name] > 1 || layer.op.is_none() => reader.skip(&name),
            Some(name) => reader.layer(layer, &name),
            None => {}
        }
    }
    // A layer without a name may be the one that the rest belongs to.
    if draft.has_layers && draft.layers.iter().all(|layer| layer.name.is_some()) {
        let rest = reader.tensors.into_keys();
        reader.errors.extend(rest.map(|tensor| NetworkError::ExtraTensor { tensor }));
    }
    reader.errors
}

impl<'data> Reader<'data> {
    fn skip(&mut self, layer: &str) {
        let prefix = format!("{layer}.");
        let own = self.tensors.range(prefix.clone()..).map(|(name, _)| name);
        let own: Vec<String> = own.take_while(|name| name.starts_with(&prefix)).cloned().collect();
        for name in own {
            self.tensors.remove(&name);
        }
    }

    fn layer(&mut self, layer: &mut DraftLayer, name: &str) {
        if layer.op.is_some_and(OpKind::has_constants) {
            layer.bias = self.vector(name, "bias");
            layer.multiplier = self.vector(name, "multiplier");
            layer.shift = self.vector(name, "shift");
        }
        if layer.op.is_some_and(OpKind::has_weight) {
            layer.weight = self.weight(name);
        }
        if let Some(addend) = &mut layer.addend {
            addend.multiplier = self.vector(name, "residual_multiplier");
        }
    }

    fn take(
        &mut self,
        tensor: String,
        dtype: Dtype,
        axes: &'static str,
    ) -> Option<TensorView<'data>> {
        let Some(view) = self.tensors.remove(&tensor) else {
            self.errors.push(NetworkError::MissingTensor { tensor });
            return None;
        };
        if view.dtype() != dtype {
            let expected = if dtype == Dtype::I8 { "I8" } else { "I32" };
            self.errors.push(NetworkError::TensorType {
                tensor,
                expected,
                found: format!("{:?}", view.dtype()),
            });
            return None;
        }
        if view.shape().len() != axes.split(", ").count() {
            self.errors.push(NetworkError::TensorRank {
                tensor,
                expected: axes,
                found: view.shape().to_vec(),
            });
            return None;
        }
        Some(view)
    }

    fn vector(&mut self, layer: &str, suffix: &str) -> Option<Array1<i32>> {
        let view = self.take(format!("{layer}.{suffix}"), Dtype::I32, "[out_channels]")?;
        let (words, _) = view.data().as_chunks::<4>();
        Some(words.iter().map(|word| i32::from_le_bytes(*word)).collect())
    }

    fn weight(&mut self, layer: &str) -> Option<Array4<i8>> {
        let view = self.take(
            format!("{layer}.weight"),
            Dtype::I8,
            "[out_channels, kernel_height, kernel_width, in_channels]",
        )?;
        let &[n, height, width, channels] = view.shape() else {
            unreachable!("the rank was checked")
        };
        let values = view.data().iter().map(|byte| *byte as i8).collect();
        Some(
            Array4::from_shape_vec((n, height, width, channels), values)
                .expect("the container checked the length"),
        )
    }
}
