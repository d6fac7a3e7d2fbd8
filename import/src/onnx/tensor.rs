//! Constants of a file: where their bytes are, and what they say.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use spec::files::read_inside;
use spec::{shown, shown_path};

use super::proto::{self, data_type};
use super::view::{n_values, shown_dims};
use crate::Error;

/// The most bytes that are read of files beside the model.
const MOST_EXTERNAL_BYTES: u64 = 1 << 30;

/// A constant.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) dims: Vec<usize>,
    pub(super) data: Data,
}

/// Its values, row-major. Types that no quantized network needs are not decoded.
#[derive(Clone, Debug)]
pub(super) enum Data {
    F32(Rc<[f32]>),
    I8(Rc<[i8]>),
    U8(Rc<[u8]>),
    I32(Rc<[i32]>),
    I64(Rc<[i64]>),
    Bool(Rc<[u8]>),
    /// A `TensorProto.DataType`.
    Other(i32),
}

/// Where external data may lie.
pub(super) struct External<'a> {
    folder: Option<&'a Path>,
    left: Cell<u64>,
}

impl<'a> External<'a> {
    /// Of a model in this folder; none may be named where there is no folder.
    pub(super) fn new(folder: Option<&'a Path>) -> Self {
        Self { folder, left: Cell::new(MOST_EXTERNAL_BYTES) }
    }

    /// The bytes of a tensor.
    fn read(&self, tensor: &proto::Tensor, n_bytes: usize) -> Result<Vec<u8>, Error> {
        let place = || format!("the tensor {:?}", shown(&tensor.name));
        let key = |name: &str| {
            let entry = tensor.external_data.iter().find(|entry| entry.key == name);
            entry.map(|entry| entry.value.as_str())
        };
        let number = |name| match key(name).map(|text| (text, text.parse::<u64>())) {
            None => Ok(None),
            Some((_, Ok(number))) => Ok(Some(number)),
            Some((text, Err(_))) => {
                Err(Error::damaged(place(), format!("its external {name} is {:?}", shown(text))))
            }
        };
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        let n_bytes = n_bytes as u64;
        if let Some(length) = length.filter(|length| *length != n_bytes) {
            let fault =
                format!("it has {length} bytes of external data where {n_bytes} are needed");
            return Err(Error::damaged(place(), fault));
        }
        let location = key("location").unwrap_or_default();
        let refused = |reason: String| {
            let what =
                format!("{}: its data in {:?} cannot be read: {reason}", place(), shown(location));
            let help = "put the file that the model names into the model's folder, or save the model with its data inside";
            Error::refused(what, help)
        };
        let Some(folder) = self.folder else {
            return Err(refused("only the model itself was given".to_owned()));
        };
        let left = self.left.get().checked_sub(n_bytes);
        self.left
            .set(left.ok_or_else(|| refused("there is more than a gibibyte of it".to_owned()))?);
        read_inside(folder, Path::new(location), offset, n_bytes)
            .map_err(|error| refused(format!("{error} (in the folder {})", shown_path(folder))))
    }
}

impl Data {
    /// The number of its type.
    pub(super) fn data_type(&self) -> i32 {
        match self {
            Self::F32(_) => data_type::FLOAT,
            Self::I8(_) => data_type::INT8,
            Self::U8(_) => data_type::UINT8,
            Self::I32(_) => data_type::INT32,
            Self::I64(_) => data_type::INT64,
            Self::Bool(_) => data_type::BOOL,
            Self::Other(data_type) => *data_type,
        }
    }
}

impl Tensor {
    /// Decodes a tensor of the file.
    ///
    /// # Errors
    /// Dimensions and data that do not fit, external data that cannot be read.
    pub(super) fn load(tensor: &proto::Tensor, external: &External<'_>) -> Result<Self, Error> {
        let place = || format!("the tensor {:?}", shown(&tensor.name));
        let damaged = |fault: String| Error::damaged(place(), fault);
        let dims: Option<Vec<usize>> =
            tensor.dims.iter().map(|dim| usize::try_from(*dim).ok()).collect();
        let dims =
            dims.ok_or_else(|| damaged(format!("a dimension of {:?} is negative", tensor.dims)))?;
        let n = n_values(&dims).ok_or_else(|| {
            Error::refused(
                format!("{}: {} values are too many", place(), shown_dims(&dims)),
                "it is larger than any network that fits the accelerator",
            )
        })?;
        let size = match tensor.data_type {
            data_type::FLOAT | data_type::INT32 => 4,
            data_type::INT8 | data_type::UINT8 | data_type::BOOL => 1,
            data_type::INT64 => 8,
            other => return Ok(Self { dims, data: Data::Other(other) }),
        };
        let typed = |found: usize| {
            let fault = format!("{} have {n} values, and {found} are there", shown_dims(&dims));
            if found == n { Ok(()) } else { Err(damaged(fault)) }
        };
        let external_bytes;
        let raw: Option<&[u8]> = if tensor.data_location == 1 {
            external_bytes = external.read(tensor, n * size)?;
            Some(&external_bytes)
        } else {
            (!tensor.raw_data.is_empty()).then_some(&tensor.raw_data)
        };
        if let Some(raw) = raw {
            if raw.len() != n * size {
                return Err(damaged(format!(
                    "{} of {} take {} bytes, and {} are there",
                    shown_dims(&dims),
                    data_type::name(tensor.data_type),
                    n * size,
                    raw.len()
                )));
            }
            let data = match tensor.data_type {
                data_type::FLOAT => Data::F32(of_chunks(raw, f32::from_le_bytes)),
                data_type::INT32 => Data::I32(of_chunks(raw, i32::from_le_bytes)),
                data_type::INT64 => Data::I64(of_chunks(raw, i64::from_le_bytes)),
                data_type::INT8 => Data::I8(of_chunks(raw, i8::from_le_bytes)),
                data_type::BOOL => Data::Bool(raw.into()),
                _ => Data::U8(raw.into()),
            };
            return Ok(Self { dims, data });
        }
        let ints = &tensor.int32_data;
        let out_of_range =
            || damaged(format!("a value is no {}", data_type::name(tensor.data_type)));
        let data = match tensor.data_type {
            data_type::FLOAT => {
                typed(tensor.float_data.len())?;
                Data::F32(tensor.float_data.as_slice().into())
            }
            data_type::INT64 => {
                typed(tensor.int64_data.len())?;
                Data::I64(tensor.int64_data.as_slice().into())
            }
            data_type::INT32 => {
                typed(ints.len())?;
                Data::I32(ints.as_slice().into())
            }
            data_type::INT8 => {
                typed(ints.len())?;
                let data: Option<Rc<[i8]>> =
                    ints.iter().map(|value| i8::try_from(*value).ok()).collect();
                Data::I8(data.ok_or_else(out_of_range)?)
            }
            _ => {
                typed(ints.len())?;
                let data: Option<Rc<[u8]>> =
                    ints.iter().map(|value| u8::try_from(*value).ok()).collect();
                let data = data.ok_or_else(out_of_range)?;
                if tensor.data_type == data_type::BOOL { Data::Bool(data) } else { Data::U8(data) }
            }
        };
        Ok(Self { dims, data })
    }

    /// An array of int64 with one axis.
    pub(super) fn of_ints(values: Vec<i64>) -> Self {
        Self { dims: vec![values.len()], data: Data::I64(values.into()) }
    }

    /// Number of values.
    pub(super) fn n_values(&self) -> usize {
        self.dims.iter().product()
    }

    /// The floating-point values.
    pub(super) fn floats(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(values) => Some(values),
            _ => None,
        }
    }

    /// The integers of whatever type.
    pub(super) fn ints(&self) -> Option<Vec<i64>> {
        Some(match &self.data {
            Data::I8(values) => values.iter().map(|value| i64::from(*value)).collect(),
            Data::U8(values) => values.iter().map(|value| i64::from(*value)).collect(),
            Data::I32(values) => values.iter().map(|value| i64::from(*value)).collect(),
            Data::I64(values) => values.to_vec(),
            Data::Bool(values) => values.iter().map(|value| i64::from(*value)).collect(),
            Data::F32(_) | Data::Other(_) => return None,
        })
    }

    /// The same values under other dimensions of as many.
    pub(super) fn reshaped(&self, dims: Vec<usize>) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), self.n_values());
        Self { dims, data: self.data.clone() }
    }

    /// With the axes in another order.
    pub(super) fn transposed(&self, order: &[usize]) -> Self {
        let dims: Vec<usize> = order.iter().map(|axis| self.dims[*axis]).collect();
        let at = source_indices(&self.dims, order);
        let data = match &self.data {
            Data::F32(values) => Data::F32(at.map(|index| values[index]).collect()),
            Data::I8(values) => Data::I8(at.map(|index| values[index]).collect()),
            Data::U8(values) => Data::U8(at.map(|index| values[index]).collect()),
            Data::I32(values) => Data::I32(at.map(|index| values[index]).collect()),
            Data::I64(values) => Data::I64(at.map(|index| values[index]).collect()),
            Data::Bool(values) => Data::Bool(at.map(|index| values[index]).collect()),
            Data::Other(data_type) => Data::Other(*data_type),
        };
        Self { dims, data }
    }
}

/// Where the values of a transposed array come from, in their order.
fn source_indices(dims: &[usize], order: &[usize]) -> impl Iterator<Item = usize> + use<> {
    let n: usize = dims.iter().product();
    let stride = |axis: usize| dims[axis + 1..].iter().product::<usize>();
    let axes: Vec<(usize, usize)> = order.iter().map(|axis| (dims[*axis], stride(*axis))).collect();
    (0..n).map(move |mut index| {
        let mut source = 0;
        for (size, stride) in axes.iter().rev() {
            source += index % size * stride;
            index /= size;
        }
        source
    })
}

fn of_chunks<const N: usize, T>(raw: &[u8], of: impl Fn([u8; N]) -> T) -> Rc<[T]> {
    raw.as_chunks().0.iter().map(|chunk| of(*chunk)).collect()
}
