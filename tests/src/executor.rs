//! One suite of cases, several executors: what each of them makes of a [`Subject`], and whether all agree.
//!
//! [`Reference`] defines every bit; the others are held against it. An executor tells what it can see: a simulator every map
//! and logit, a runtime of a foreign format perhaps the logits alone. What runs RTL cycle by cycle is a [`sim::RtlExecutor`];
//! an executor here wraps one and forgets the cycles.

mod exclusion;
mod rtl;
mod software;

use std::time::Duration;

use ndarray::Array3;
use spec::Logits;

use crate::subject::Subject;

pub use exclusion::{Exclusion, Exclusions, ExclusionsError, Kind, MOST_TIME};
pub use rtl::{IcarusRtl, NativeRtl, VerilatedRtl, machine};
pub use software::{Interpreter, Reference};

/// What an executor tells of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Logits and class.
    pub logits: Logits,
    /// The map of each layer of the network; `None` for logits, and for what the executor does not show.
    pub maps: Vec<Option<Array3<i8>>>,
}

/// Something that computes what a network says of images.
pub trait Executor {
    /// As exclusions name it.
    fn name(&self) -> &'static str;

    /// Why it cannot run on this machine at all, such as a tool that is not there.
    fn missing(&self) -> Option<String> {
        None
    }

    /// About how long it takes for all images of `subject`.
    fn time(&self, subject: &Subject) -> Duration;

    /// One answer an image.
    ///
    /// # Errors
    /// What went wrong, in words.
    fn run(&self, subject: &Subject) -> Result<Vec<Answer>, String>;
}

/// Every executor that there is, the reference first.
pub fn executors() -> Vec<Box<dyn Executor>> {
    vec![
        Box::new(Reference),
        Box::new(Interpreter),
        Box::new(NativeRtl),
        Box::new(VerilatedRtl),
        Box::new(IcarusRtl),
    ]
}

/// The first difference between what the reference says and what another executor does, `None` if there is none.
pub fn first_difference(
    subject: &Subject,
    expected: &[Answer],
    found: &[Answer],
) -> Option<String> {
    if expected.len() != found.len() {
        return Some(format!("{} answers to {} images", found.len(), expected.len()));
    }
    for (image, (expected, found)) in expected.iter().zip(found).enumerate() {
        for ((layer, expected), found) in
            subject.network.layers.iter().zip(&expected.maps).zip(&found.maps)
        {
            let (Some(expected), Some(found)) = (expected, found) else { continue };
            let place = format!("image {image}, layer {:?}", layer.name);
            if expected.dim() != found.dim() {
                return Some(format!("{place}: shape {:?}, not {:?}", found.dim(), expected.dim()));
            }
            let differing = expected.indexed_iter().zip(found).find(|((_, a), b)| a != b);
            if let Some(((at, expected), found)) = differing {
                return Some(format!("{place}, pixel and channel {at:?}: {found}, not {expected}"));
            }
        }
        if expected.logits != found.logits {
            return Some(format!("image {image}: {:?}, not {:?}", found.logits, expected.logits));
        }
    }
    None
}
