//! Shapes that layout operations make, and constants that are worked out of shapes.

use super::call::Call;
use super::fault::{Fault, Outcome};
use super::operators::unsupported;
use super::reader::Reader;
use super::tensor::{Data, Tensor};
use super::value::Value;
use super::view::{n_values, shown_dims};

/// More axes than any shape has.
const MOST_AXES: usize = 64;

impl Reader<'_> {
    /// Constants with one axis, one after the other.
    pub(super) fn joined_constants(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let mut joined = Vec::new();
        for index in 0..call.inputs.len() {
            let tensor = call.constant(index)?;
            let ints = tensor.filter(|tensor| tensor.dims.len() == 1).and_then(Tensor::ints);
            let ints = ints.filter(|ints| joined.len() + ints.len() <= MOST_AXES);
            joined.extend(ints.ok_or_else(|| {
                Fault::new("it joins constants that are no shape", "fold constants: onnxsim")
            })?);
        }
        self.folded(Tensor::of_ints(joined))
    }

    /// Arithmetic on constants that are one number, or as many as each other.
    pub(super) fn constant_arithmetic(
        &mut self,
        call: &Call<'_>,
        left: &Tensor,
        right: &Tensor,
    ) -> Outcome<Value> {
        let fault = || {
            Fault::new(
                "it computes with constants",
                "fold constants: onnxsim, or onnxruntime's basic optimizations",
            )
        };
        let (n_left, n_right) = (left.n_values(), right.n_values());
        if n_left != n_right && n_left != 1 && n_right != 1 {
            return Err(fault());
        }
        let n = n_left.max(n_right);
        let dims = if n_left == n { left.dims.clone() } else { right.dims.clone() };
        let at = |index: usize, n: usize| if n == 1 { 0 } else { index };
        let operator = call.node.op_type.as_str();
        let data = match (left.floats(), right.floats(), left.ints(), right.ints()) {
            (Some(left), Some(right), ..) => {
                let value = |index| {
                    let (left, right) = (left[at(index, n_left)], right[at(index, n_right)]);
                    match operator {
                        "Add" => left + right,
                        "Sub" => left - right,
                        "Mul" => left * right,
                        _ => left / right,
                    }
                };
                Data::F32((0..n).map(value).collect())
            }
            (_, _, Some(left), Some(right)) => {
                let value = |index| {
                    let (left, right) = (left[at(index, n_left)], right[at(index, n_right)]);
                    match operator {
                        "Add" => left.checked_add(right),
                        "Sub" => left.checked_sub(right),
                        "Mul" => left.checked_mul(right),
                        _ => left.checked_div(right),
                    }
                };
                let values: Option<Vec<i64>> = (0..n).map(value).collect();
                Data::I64(values.ok_or_else(fault)?.into())
            }
            _ => return Err(fault()),
        };
        self.folded(Tensor { dims, data })
    }

    fn filled(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let dims = call.constant_ints(0)?.unwrap_or_default();
        let dims: Option<Vec<usize>> = dims.iter().map(|dim| usize::try_from(*dim).ok()).collect();
        let n = dims.as_deref().and_then(n_values);
        let (Some(dims), Some(n)) = (dims, n) else { return Err(unsupported(call, false)) };
        let value = call.node.tensor("value")?.map(|tensor| self.load(tensor)).transpose()?;
        let data = match value.map(|value| value.data) {
            None => Data::F32(vec![0.0; n].into()),
            Some(Data::F32(value)) if value.len() == 1 => Data::F32(vec![value[0]; n].into()),
            Some(Data::I8(value)) if value.len() == 1 => Data::I8(vec![value[0]; n].into()),
            Some(Data::U8(value)) if value.len() == 1 => Data::U8(vec![value[0]; n].into()),
            Some(Data::I32(value)) if value.len() == 1 => Data::I32(vec![value[0]; n].into()),
            Some(Data::I64(value)) if value.len() == 1 => Data::I64(vec![value[0]; n].into()),
            Some(_) => return Err(unsupported(call, false)),
        };
        self.folded(Tensor { dims, data })
    }

    /// Shape, Gather, Slice and ConstantOfShape, as exporters write shapes of several dimensions.
    pub(super) fn shape_arithmetic(&mut self, call: &Call<'_>) -> Outcome<Value> {
        if call.node.op_type == "Shape" {
            let dims = call.needed(0)?.dims().ok_or(Fault::Follows)?;
            let n = dims.len() as i64;
            let bound = |value: i64| {
                (if value < 0 { value.saturating_add(n) } else { value }).clamp(0, n) as usize
            };
            let start = bound(call.node.int("start")?.unwrap_or(0));
            let end = bound(call.node.int("end")?.unwrap_or(n));
            let dims = dims.get(start..end).unwrap_or_default();
            return self.folded(Tensor::of_ints(dims.iter().map(|dim| *dim as i64).collect()));
        }
        if call.node.op_type == "ConstantOfShape" {
            return self.filled(call);
        }
        let tensor = match call.needed(0)? {
            Value::Const(tensor) if tensor.dims.len() == 1 => tensor.clone(),
            _ => return Err(unsupported(call, false)),
        };
        let ints = tensor.ints().ok_or_else(|| unsupported(call, false))?;
        if call.node.op_type == "Gather" {
            let indices = call.constant(1)?.cloned().ok_or_else(|| unsupported(call, false))?;
            let picked = indices.ints().unwrap_or_default();
            let picked = picked.iter().map(|index| Ok(ints[call.axis(*index, ints.len())?]));
            let data = Data::I64(picked.collect::<Outcome<Vec<_>>>()?.into());
            return self.folded(Tensor { dims: indices.dims, data });
        }
        let one = |index| -> Outcome<Option<i64>> {
            Ok(call.constant_ints(index)?.and_then(|ints| ints.first().copied()))
        };
        let n = ints.len() as i64;
        let bound = |value: i64| {
            (if value < 0 { value.saturating_add(n) } else { value }).clamp(0, n) as usize
        };
        if self.opset < 10 || one(4)?.unwrap_or(1) != 1 {
            return Err(unsupported(call, false));
        }
        let (start, end) = (bound(one(1)?.unwrap_or(0)), bound(one(2)?.unwrap_or(n)));
        self.folded(Tensor::of_ints(ints.get(start..end).unwrap_or_default().to_vec()))
    }
}

impl Call<'_> {
    /// The dimensions that Flatten, Reshape, Squeeze or Unsqueeze makes of these.
    pub(super) fn new_dims(&self, dims: &[usize]) -> Outcome<Vec<usize>> {
        let node = self.node;
        let rank = dims.len();
        let listed = || match node.ints("axes")? {
            Some(axes) => Ok(Some(axes.to_vec())),
            None => self.constant_ints(1),
        };
        match node.op_type.as_str() {
            "Flatten" => {
                let axis = node.int("axis")?.unwrap_or(1);
                let axis = if axis == rank as i64 { rank } else { self.axis(axis, rank)? };
                Ok(vec![dims[..axis].iter().product(), dims[axis..].iter().product()])
            }
            "Squeeze" => {
                let axes = match listed()? {
                    Some(axes) => {
                        axes.iter().map(|axis| self.axis(*axis, rank)).collect::<Outcome<_>>()?
                    }
                    None => (0..rank).filter(|axis| dims[*axis] == 1).collect::<Vec<_>>(),
                };
                Ok((0..rank).filter(|axis| !axes.contains(axis)).map(|axis| dims[axis]).collect())
            }
            "Unsqueeze" => {
                let axes = listed()?.unwrap_or_default();
                let rank = rank + axes.len();
                if rank > 16 {
                    return Err(Fault::new("it has too many axes", "export the model again"));
                }
                let axes =
                    axes.iter().map(|axis| self.axis(*axis, rank)).collect::<Outcome<Vec<_>>>()?;
                let mut left = dims.iter();
                let dim = |axis| {
                    if axes.contains(&axis) { Ok(1) } else { left.next().copied().ok_or(()) }
                };
                let dims: Result<Vec<usize>, ()> = (0..rank).map(dim).collect();
                dims.map_err(|()| Fault::attribute("axes", "given twice"))
            }
            _ => {
                let keeps_zeros = node.flag("allowzero", false)?;
                let target = self.constant_ints(1)?.unwrap_or_default();
                let fault = || {
                    Fault::new(
                        format!("it makes {target:?} of {}", shown_dims(dims)),
                        "export the model again",
                    )
                };
                let n: usize = dims.iter().product();
                let mut new = Vec::with_capacity(target.len().min(16));
                for (index, dim) in target.iter().enumerate() {
                    let is_copied = *dim == 0 && !keeps_zeros;
                    let copied = || dims.get(index).copied();
                    let dim =
                        if is_copied { copied() } else { usize::try_from((*dim).max(0)).ok() };
                    new.push(dim.filter(|_| index < 16).ok_or_else(fault)?);
                }
                if let Some(index) = target.iter().position(|dim| *dim == -1) {
                    new[index] = 1;
                    let others = n_values(&new).filter(|others| *others > 0);
                    let others =
                        others.filter(|others| n.is_multiple_of(*others)).ok_or_else(fault)?;
                    new[index] = n / others;
                }
                Ok(new)
            }
        }
    }
}
