//! A node with the values that it reads.

use spec::shown;

use super::fault::{Fault, Outcome};
use super::proto::{self, data_type};
use super::tensor::Tensor;
use super::value::{Host, Site, Value};

/// A node, where it is, and what it reads.
pub(super) struct Call<'a> {
    pub(super) node: &'a proto::Node,
    pub(super) site: Site,
    pub(super) inputs: Vec<Option<Value>>,
}

impl<'a> Call<'a> {
    /// The value of an input; `None` where it is left out.
    pub(super) fn input(&self, index: usize) -> Outcome<Option<&Value>> {
        match self.inputs.get(index) {
            Some(Some(Value::Gone)) => Err(Fault::Follows),
            Some(Some(Value::Host(host))) => Err(Self::behind(host)),
            Some(value) => Ok(value.as_ref()),
            None => Ok(None),
        }
    }

    /// The value of an input that must be there.
    pub(super) fn needed(&self, index: usize) -> Outcome<&Value> {
        self.input(index)?.ok_or_else(|| {
            Fault::new(
                format!("its input {index} is missing"),
                "export the model again, and run `onnx.checker.check_model` on it",
            )
        })
    }

    /// A constant, if it is there.
    pub(super) fn constant(&self, index: usize) -> Outcome<Option<&Tensor>> {
        match self.input(index)? {
            None => Ok(None),
            Some(Value::Const(tensor)) => Ok(Some(tensor)),
            Some(_) => Err(Fault::new(
                format!("its input {index} is computed, and has to be a constant"),
                "export the model with constants folded: onnxsim, or onnxruntime's basic optimizations",
            )),
        }
    }

    /// The constant integers, if they are there.
    pub(super) fn constant_ints(&self, index: usize) -> Outcome<Option<Vec<i64>>> {
        let tensor = self.constant(index)?;
        let ints = tensor.map(|tensor| {
            let found = data_type::name(tensor.data.data_type());
            tensor.ints().ok_or_else(|| {
                Fault::new(format!("its input {index} is {found}"), "export the model again")
            })
        });
        ints.transpose()
    }

    /// One constant number, if it is there.
    pub(super) fn constant_float(&self, index: usize) -> Outcome<Option<f64>> {
        let Some(tensor) = self.constant(index)? else { return Ok(None) };
        match (tensor.floats(), tensor.ints().as_deref()) {
            (Some(&[value]), _) => Ok(Some(value.into())),
            (None, Some(&[value])) => Ok(Some(value as f64)),
            _ => Err(Fault::new(
                format!("its input {index} has {} values", tensor.n_values()),
                "give one value for all",
            )),
        }
    }

    /// What the host computes is read by something that it does not compute.
    fn behind(host: &Host) -> Fault {
        let (site, _) = &host.steps[host.steps.len() - 1];
        let what = format!("{} {:?}", shown(&site.kind), shown(&site.name));
        Fault::new(
            format!("it reads what {what} computes, which the accelerator cannot"),
            "the host computes that at the end of a network alone; leave it out between layers, or train with Relu in its place",
        )
    }
}
