//! How well a floating-point network does on labeled images.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::data::Labeled;
use crate::forward::Mode;
use crate::model::Model;
use crate::prune::Masks;

/// Images of a batch.
const BATCH: i64 = 256;

/// How well a network does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Part of the images that is classified rightly.
    pub accuracy: f64,
    /// Mean cross-entropy, in nats.
    pub cross_entropy: f64,
}

impl Evaluation {
    /// From logits `[n, classes]` and labels `[n]`.
    pub fn of(logits: &Tensor, labels: &Tensor) -> Self {
        let right = logits.argmax(-1, false).eq_tensor(labels).to_kind(Kind::Double);
        Self {
            accuracy: right.mean(Kind::Double).double_value(&[]),
            cross_entropy: logits
                .to_kind(Kind::Double)
                .cross_entropy_for_logits(labels)
                .double_value(&[]),
        }
    }
}

/// Runs the network over labeled images in evaluation mode; no masks: dense.
pub fn evaluate(model: &Model, masks: Option<&Masks>, labeled: &Labeled) -> Evaluation {
    let none = Masks::new();
    let logits = logits(model, masks.unwrap_or(&none), &labeled.images);
    Evaluation::of(&logits, &labeled.labels)
}

/// Logits of many images, `[n, classes]`, in evaluation mode and in ordinary memory.
pub fn logits(model: &Model, masks: &Masks, images: &Tensor) -> Tensor {
    let _guard = tch::no_grad_guard();
    let forward =
        |batch: &Tensor| model.forward(batch, masks, Mode::Evaluation).to_device(Device::Cpu);
    Tensor::cat(&images.split(BATCH, 0).iter().map(forward).collect::<Vec<_>>(), 0)
}
