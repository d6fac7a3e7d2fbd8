//! Attributes of a node, by name and type.

use super::fault::{Fault, Outcome};
use super::proto::{Attribute, Node, Tensor, attribute_type};

/// The largest kernel, stride or padding that is looked at.
pub(super) const MOST: usize = 65_535;

impl Node {
    /// An integer, if it has the attribute.
    pub(super) fn int(&self, name: &str) -> Outcome<Option<i64>> {
        Ok(self.typed(name, attribute_type::INT, "an integer")?.map(|attribute| attribute.i))
    }

    /// An integer that means yes or no; `default` if it has not the attribute.
    pub(super) fn flag(&self, name: &str, default: bool) -> Outcome<bool> {
        Ok(self.int(name)?.map_or(default, |value| value != 0))
    }

    /// A floating-point number, if it has the attribute.
    pub(super) fn float(&self, name: &str) -> Outcome<Option<f32>> {
        Ok(self.typed(name, attribute_type::FLOAT, "a number")?.map(|attribute| attribute.f))
    }

    /// Text, if it has the attribute.
    pub(super) fn text(&self, name: &str) -> Outcome<Option<&str>> {
        let Some(attribute) = self.typed(name, attribute_type::STRING, "text")? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&attribute.s);
        text.map(Some).map_err(|_| Fault::attribute(name, "no text"))
    }

    /// A list of integers, if it has the attribute.
    pub(super) fn ints(&self, name: &str) -> Outcome<Option<&[i64]>> {
        let attribute = self.typed(name, attribute_type::INTS, "a list of integers")?;
        Ok(attribute.map(|attribute| attribute.ints.as_slice()))
    }

    /// A list of numbers of rows and columns, or of columns alone; `default` for each if it has not the attribute.
    pub(super) fn sizes(&self, name: &str, rank: usize, default: usize) -> Outcome<[usize; 2]> {
        let Some(ints) = self.ints(name)? else { return Ok([default; 2]) };
        let sizes: Option<Vec<usize>> = ints
            .iter()
            .map(|size| usize::try_from(*size).ok().filter(|size| (1..=MOST).contains(size)))
            .collect();
        match (rank, sizes.as_deref()) {
            (2, Some(&[rows, columns])) => Ok([rows, columns]),
            (1, Some(&[columns])) => Ok([1, columns]),
            _ => Err(Fault::attribute(name, &format!("{ints:?}"))),
        }
    }

    /// A tensor, if it has the attribute.
    pub(super) fn tensor(&self, name: &str) -> Outcome<Option<&Tensor>> {
        let attribute = self.typed(name, attribute_type::TENSOR, "a tensor")?;
        Ok(attribute.and_then(|attribute| attribute.t.as_ref()))
    }

    fn typed(&self, name: &str, r#type: i32, what: &str) -> Outcome<Option<&Attribute>> {
        let found = self.attribute.iter().find(|attribute| attribute.name == name);
        match found {
            // The oldest files do not say the type.
            Some(attribute) if attribute.r#type != r#type && attribute.r#type != 0 => {
                Err(Fault::attribute(name, &format!("not {what}")))
            }
            found => Ok(found),
        }
    }
}
