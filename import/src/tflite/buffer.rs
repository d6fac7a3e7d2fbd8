//! Checked reading of a flatbuffer: tables, vectors, scalars, nothing that trusts an offset.
//!
//! The layout is that of <https://flatbuffers.dev/internals/>: a table begins with the signed distance to its vtable, which
//! holds 16-bit offsets of the fields, 0 for one that has its default; vectors, strings and tables are reached by an unsigned distance
//! from where the distance stands.

use crate::error::Error;

/// Bytes of a name that are read: many tables may share one long text.
const MAX_TEXT: usize = 256;

/// A number of a fixed size, little-endian.
pub(super) trait Scalar: Copy {
    /// Its bytes.
    const SIZE: usize;
    /// The number in exactly so many bytes.
    fn from_bytes(bytes: &[u8]) -> Self;
}

macro_rules! scalars {
    ($($kind:ty),*) => {
        $(impl Scalar for $kind {
            const SIZE: usize = size_of::<$kind>();
            fn from_bytes(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("the caller gives as many bytes"))
            }
        })*
    };
}

scalars!(u8, i8, u16, i32, u32, i64, u64, f32);

/// A table. `place` says which one, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Offsets of the fields, two bytes each.
    vtable: &'a [u8],
    place: &'static str,
}

/// Elements of a fixed size that lie one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vector<'a> {
    bytes: &'a [u8],
    /// Where the first element stands.
    at: usize,
    len: usize,
    place: &'static str,
}

/// The number at `at`, if the bytes reach that far.
fn scalar<T: Scalar>(bytes: &[u8], at: usize) -> Option<T> {
    let end = at.checked_add(T::SIZE)?;
    bytes.get(at..end).map(T::from_bytes)
}

/// Where the unsigned distance at `at` leads.
fn follow(bytes: &[u8], at: usize) -> Option<usize> {
    let distance: u32 = scalar(bytes, at)?;
    at.checked_add(usize::try_from(distance).ok()?).filter(|target| *target < bytes.len())
}

impl<'a> Table<'a> {
    /// The root table.
    pub(super) fn root(bytes: &'a [u8], place: &'static str) -> Result<Self, Error> {
        let at = follow(bytes, 0).ok_or_else(|| beyond(place))?;
        Self::at(bytes, at, place)
    }

    fn at(bytes: &'a [u8], at: usize, place: &'static str) -> Result<Self, Error> {
        let vtable = || {
            let distance: i32 = scalar(bytes, at)?;
            let start = i64::try_from(at).ok()? - i64::from(distance);
            let start = usize::try_from(start).ok()?;
            let size = usize::from(scalar::<u16>(bytes, start)?);
            // Its own size and that of the table come first.
            bytes.get(start.checked_add(4)?..start.checked_add(size)?)
        };
        let vtable = vtable().ok_or_else(|| beyond(place))?;
        Ok(Self { bytes, at, vtable, place })
    }

    /// Where the field with this index stands, `None` where it has its default.
    fn field(&self, index: usize) -> Option<usize> {
        let offset: u16 = scalar(self.vtable, index * 2)?;
        (offset != 0).then(|| self.at.saturating_add(offset.into()))
    }

    fn beyond(&self) -> Error {
        beyond(self.place)
    }

    /// Whether the field is there.
    pub(super) fn has(&self, index: usize) -> bool {
        self.field(index).is_some()
    }

    /// A number.
    pub(super) fn number<T: Scalar>(&self, index: usize, default: T) -> Result<T, Error> {
        match self.field(index) {
            Some(at) => scalar(self.bytes, at).ok_or_else(|| self.beyond()),
            None => Ok(default),
        }
    }

    /// A table.
    pub(super) fn table(&self, index: usize, place: &'static str) -> Result<Option<Self>, Error> {
        let Some(at) = self.field(index) else { return Ok(None) };
        let target = follow(self.bytes, at).ok_or_else(|| self.beyond())?;
        Self::at(self.bytes, target, place).map(Some)
    }

    /// A vector whose elements have `size` bytes; one that is not there is empty.
    fn vector(&self, index: usize, size: usize) -> Result<Vector<'a>, Error> {
        let Some(at) = self.field(index) else {
            return Ok(Vector { bytes: self.bytes, at: 0, len: 0, place: self.place });
        };
        let vector = || {
            let target = follow(self.bytes, at)?;
            let len = usize::try_from(scalar::<u32>(self.bytes, target)?).ok()?;
            let first = target + 4;
            let end = first.checked_add(len.checked_mul(size)?)?;
            (end <= self.bytes.len()).then_some((first, len))
        };
        let (at, len) = vector().ok_or_else(|| self.beyond())?;
        Ok(Vector { bytes: self.bytes, at, len, place: self.place })
    }

    /// Bytes.
    pub(super) fn bytes(&self, index: usize) -> Result<&'a [u8], Error> {
        let Vector { bytes, at, len, .. } = self.vector(index, 1)?;
        Ok(&bytes[at..at + len])
    }

    /// The beginning of a text, [`MAX_TEXT`] bytes at most; bytes that are no UTF-8 are replaced.
    pub(super) fn text(&self, index: usize) -> Result<String, Error> {
        let bytes = self.bytes(index)?;
        Ok(String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT)]).into_owned())
    }

    /// Numbers, at most `max` of them.
    pub(super) fn numbers<T: Scalar>(&self, index: usize, max: usize) -> Result<Vec<T>, Error> {
        let Vector { bytes, at, len, .. } = self.vector(index, T::SIZE)?;
        if len > max {
            return Err(Error::damaged(
                self.place,
                format!("a list of {len} numbers, of at most {max}"),
            ));
        }
        Ok(bytes[at..at + len * T::SIZE].chunks_exact(T::SIZE).map(T::from_bytes).collect())
    }

    /// Tables.
    pub(super) fn tables(&self, index: usize, place: &'static str) -> Result<Vector<'a>, Error> {
        Ok(Vector { place, ..self.vector(index, 4)? })
    }
}

impl<'a> Vector<'a> {
    /// How many elements.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The table with this index.
    pub(super) fn get(&self, index: usize) -> Result<Table<'a>, Error> {
        if index >= self.len {
            let fault = format!("index {index}, but there are {}", self.len);
            return Err(Error::damaged(self.place, fault));
        }
        let target = follow(self.bytes, self.at + index * 4).ok_or_else(|| beyond(self.place))?;
        Table::at(self.bytes, target, self.place)
    }
}

fn beyond(place: &str) -> Error {
    Error::damaged(place, "an offset or a length leads out of the file")
}
