//! How well a floating-point network does on labeled images.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::network::data::Labeled;
use crate::network::forward::Mode;
use crate::network::masks::Masks;
use crate::network::model::Model;

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
            cross_entropy: logits.log_softmax(-1, Kind::Double).nll_loss(labels).double_value(&[]),
        }
    }
}

/// Runs the network over labeled images in evaluation mode; no masks: dense.
pub fn evaluate(model: &Model, masks: Option<&Masks>, labeled: &Labeled) -> Evaluation {
    evaluate_as(model, masks, labeled, Mode::Evaluation)
}

/// As [`evaluate`], in a mode that changes nothing in the network.
pub fn evaluate_as(
    model: &Model,
    masks: Option<&Masks>,
    labeled: &Labeled,
    mode: Mode,
) -> Evaluation {
    let _guard = tch::no_grad_guard();
    let none = Masks::new();
    let forward =
        |batch: &Tensor| model.forward(batch, masks.unwrap_or(&none), mode).to_device(Device::Cpu);
    let logits = labeled.images.split(BATCH, 0).iter().map(forward).collect::<Vec<_>>();
    Evaluation::of(&Tensor::cat(&logits, 0), &labeled.labels)
}
