//! Tensors of a model: types, shapes, quantization, constants.

use ndarray::Array4;
use spec::Shape;

use super::buffer::{Scalar, Table};
use super::model::Model;
use super::operators::Fault;
use crate::error::Error;

/// The types of the schema that are told apart, by number; the names of all of them are in [`type_name`].
pub(super) const FLOAT32: i8 = 0;
pub(super) const FLOAT16: i8 = 1;
pub(super) const INT32: i8 = 2;
pub(super) const UINT8: i8 = 3;
pub(super) const INT64: i8 = 4;
pub(super) const INT8: i8 = 9;

const TYPES: [&str; 20] = [
    "float32",
    "float16",
    "int32",
    "uint8",
    "int64",
    "string",
    "bool",
    "int16",
    "complex64",
    "int8",
    "float64",
    "complex128",
    "uint64",
    "resource",
    "variant",
    "uint32",
    "uint16",
    "int4",
    "bfloat16",
    "int2",
];
/// Most axes of a shape that is read.
const MAX_AXES: usize = 8;
/// The largest axis of a map, and the most weights of a layer.
const MAX_AXIS: i32 = u16::MAX as i32;

/// The name of a type.
pub(super) fn type_name(kind: i8) -> &'static str {
    usize::try_from(kind)
        .ok()
        .and_then(|kind| TYPES.get(kind))
        .copied()
        .unwrap_or("an unknown type")
}

/// A tensor as the file has it.
pub(super) struct TensorInfo<'a> {
    pub(super) name: String,
    pub(super) shape: Vec<i32>,
    /// The number of its type.
    pub(super) kind: i8,
    table: Table<'a>,
    /// The bytes of a constant; empty for what is computed.
    data: &'a [u8],
}

/// The scale and zero point of an int8 map.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct MapScale {
    pub(super) scale: f32,
    pub(super) zero_point: i64,
}

/// Bytes that may still be copied: operators may share one constant, a copy for each must not fill the memory.
pub(super) struct Budget(usize);

impl Budget {
    /// Four times the file and a little more.
    pub(super) fn of_file(n_bytes: usize) -> Self {
        Self(n_bytes.saturating_mul(4).saturating_add(1 << 20))
    }

    fn take(&mut self, n_bytes: usize) -> Result<(), Error> {
        let left = self.0.checked_sub(n_bytes);
        self.0 = left.ok_or_else(|| {
            Error::refused(
                "the operators' constants are together more than four times the file",
                "a converter writes no such file: convert the model again",
            )
        })?;
        Ok(())
    }
}

impl<'a> TensorInfo<'a> {
    /// The tensor with this index.
    pub(super) fn read(model: &Model<'a>, index: usize) -> Result<Self, Error> {
        let table = model.tensors.get(index)?;
        let data = model.buffer(table.number(2, 0u32)?)?;
        Ok(Self {
            name: table.text(3)?,
            shape: table.numbers(0, MAX_AXES)?,
            kind: table.number(1, 0i8)?,
            table,
            data,
        })
    }

    /// Whether it is a constant.
    pub(super) fn is_constant(&self) -> bool {
        !self.data.is_empty() || self.table.has(10)
    }

    /// `1x32x32x3 int8`.
    pub(super) fn description(&self) -> String {
        let axes: Vec<_> = self.shape.iter().map(ToString::to_string).collect();
        let shape = if axes.is_empty() { "scalar".to_owned() } else { axes.join("x") };
        format!("{shape} {}", type_name(self.kind))
    }

    /// Rows, columns and channels of a map with a batch of 1.
    pub(super) fn map_shape(&self) -> Result<Shape, Fault> {
        let fault = |what: &str, help: &str| {
            Fault::problem(format!("a map of shape {} has {what}", self.description()), help)
        };
        let axes: &[i32] = match self.shape.len() {
            0 | 1 => &self.shape,
            _ if self.shape[0] == 1 => &self.shape[1..],
            _ => {
                return Err(fault(
                    "another batch than 1",
                    "convert the model with a batch of 1, images then come one after another",
                ));
            }
        };
        if let Some(axis) = axes.iter().find(|axis| !(1..=MAX_AXIS).contains(*axis)) {
            return Err(fault(
                &format!("an axis of {axis}"),
                "convert the model with fixed sizes from 1 to 65,535",
            ));
        }
        let axes: Vec<usize> = axes.iter().map(|axis| *axis as usize).collect();
        match axes[..] {
            [] => Ok(Shape { height: 1, width: 1, channels: 1 }),
            [channels] => Ok(Shape { height: 1, width: 1, channels }),
            [width, channels] => Ok(Shape { height: 1, width, channels }),
            [height, width, channels] => Ok(Shape { height, width, channels }),
            _ => Err(fault(
                "more than three axes beside the batch",
                "keep maps of height, width and channels",
            )),
        }
    }

    fn quantization(&self) -> Result<Option<Table<'a>>, Error> {
        self.table.table(4, "quantization")
    }

    /// Scale and zero point of a map.
    pub(super) fn map_scale(&self) -> Result<MapScale, Fault> {
        let (mut scales, mut zero_points) = (Vec::new(), Vec::new());
        if let Some(table) = self.quantization()? {
            scales = table.numbers::<f32>(2, 1 << 16)?;
            zero_points = table.numbers::<i64>(3, 1 << 16)?;
        }
        let &[scale] = &scales[..] else {
            let fault = format!("map {:?} has {} scales, not one", self.name, scales.len());
            return Err(Fault::problem(
                fault,
                "convert the model with full-integer quantization, one scale a map",
            ));
        };
        let zero_point = zero_points.first().copied().unwrap_or(0);
        check_scale(&self.name, scale)?;
        Ok(MapScale { scale, zero_point })
    }

    /// The scales of weights whose output channels are `axis`: one, or one a channel.
    pub(super) fn weight_scales(
        &self,
        axis: usize,
        channels: usize,
        budget: &mut Budget,
    ) -> Result<Vec<f32>, Fault> {
        let table = self.quantization()?;
        let Some(table) = table.filter(|table| table.has(2)) else {
            let fault = format!("weights {:?} have no scale", self.name);
            return Err(Fault::problem(fault, "convert the model with full-integer quantization"));
        };
        if table.number(4, 0u8)? != 0 {
            let fault = format!("weights {:?} are quantized in blocks", self.name);
            return Err(Fault::problem(
                fault,
                "convert the model with one scale a tensor or output channel",
            ));
        }
        budget.take(channels.saturating_mul(12))?;
        let scales = table.numbers::<f32>(2, 1 << 16)?;
        let zero_points = table.numbers::<i64>(3, 1 << 16)?;
        if zero_points.iter().any(|zero_point| *zero_point != 0) {
            let fault = format!("weights {:?} have zero points", self.name);
            return Err(Fault::problem(
                fault,
                "convert the model with symmetric int8 weights, as TensorFlow 2 does",
            ));
        }
        for scale in &scales {
            check_scale(&self.name, *scale)?;
        }
        let dimension = table.number(6, 0i32)?;
        // Of one scale, the axis says nothing: old converters left any number there.
        let fits = scales.len() == 1 || (scales.len() == channels && dimension == axis as i32);
        if !fits {
            let fault = format!(
                "weights {:?} have {} scales along axis {dimension} for {channels} output channels of axis {axis}",
                self.name,
                scales.len()
            );
            return Err(Fault::problem(
                fault,
                "convert the model with one scale a tensor or output channel",
            ));
        }
        Ok(scales)
    }

    /// The elements of a constant, as many as its shape says.
    fn elements<T: Scalar>(&self, budget: &mut Budget) -> Result<Vec<T>, Fault> {
        if self.table.has(6) {
            let fault = format!("constant {:?} is stored sparsely", self.name);
            return Err(Fault::problem(
                fault,
                "convert the model without sparse storage: zeros are found in dense weights",
            ));
        }
        if self.table.has(10) && self.table.number(10, 0u32)? != 0 {
            let fault = format!("constant {:?} lies in another file", self.name);
            return Err(Fault::problem(fault, "convert the model into a single file"));
        }
        let mut n_elements = Some(1usize);
        for axis in &self.shape {
            n_elements = usize::try_from(*axis).ok().and_then(|axis| n_elements?.checked_mul(axis));
        }
        let n_bytes = n_elements.and_then(|n| n.checked_mul(T::SIZE));
        if n_bytes != Some(self.data.len()) {
            let fault = format!(
                "constant {:?} of {} has {} bytes",
                self.name,
                self.description(),
                self.data.len()
            );
            return Err(Error::damaged("buffer", fault).into());
        }
        budget.take(self.data.len())?;
        Ok(self.data.chunks_exact(T::SIZE).map(T::from_bytes).collect())
    }

    /// int8 weights of four axes.
    pub(super) fn weight(&self, budget: &mut Budget) -> Result<Array4<i8>, Fault> {
        if self.kind != INT8 {
            return Err(Fault::Type { kind: self.kind, what: "weights" });
        }
        let values = self.elements::<i8>(budget)?;
        let axes: Vec<usize> = self.shape.iter().map(|axis| *axis as usize).collect();
        let shape = match axes[..] {
            [outputs, inputs] => [outputs, 1, 1, inputs],
            [outputs, height, width, inputs] => [outputs, height, width, inputs],
            _ => {
                let fault =
                    format!("weights {:?} have the shape {}", self.name, self.description());
                return Err(Fault::problem(
                    fault,
                    "convert the model with weights of two or four axes",
                ));
            }
        };
        Ok(Array4::from_shape_vec(shape, values).expect("as many elements as the shape says"))
    }

    /// int32 biases.
    pub(super) fn bias(&self, channels: usize, budget: &mut Budget) -> Result<Vec<i32>, Fault> {
        if self.kind != INT32 {
            return Err(Fault::Type { kind: self.kind, what: "biases" });
        }
        let bias = self.elements::<i32>(budget)?;
        if bias.len() != channels {
            let fault = format!("{} biases for {channels} output channels", bias.len());
            return Err(Error::damaged("bias", fault).into());
        }
        Ok(bias)
    }

    /// Integers of either size, for axes and sizes.
    pub(super) fn integers(&self, budget: &mut Budget) -> Result<Vec<i64>, Fault> {
        match self.kind {
            INT32 => Ok(self.elements::<i32>(budget)?.into_iter().map(i64::from).collect()),
            INT64 => self.elements::<i64>(budget),
            kind => Err(Fault::Type { kind, what: "sizes" }),
        }
    }

    /// int8 values.
    pub(super) fn values(&self, budget: &mut Budget) -> Result<Vec<i8>, Fault> {
        if self.kind != INT8 {
            return Err(Fault::Type { kind: self.kind, what: "constants" });
        }
        self.elements(budget)
    }
}

fn check_scale(name: &str, scale: f32) -> Result<(), Fault> {
    if scale.is_finite() && scale > 0.0 {
        return Ok(());
    }
    Err(Fault::problem(
        format!("tensor {name:?} has the scale {scale}"),
        "convert the model again with a representative data set: scales are finite and above 0",
    ))
}
