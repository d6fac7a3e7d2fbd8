//! JSON as it was written, and the taking of keys out of it: what is wrong is collected, not stumbled over.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use super::error::NetworkError;
use super::key_fault::KeyFault;

const PAIR: &str = "a list of 2 whole numbers, of rows and of columns";
const FLAG: &str = "true or false";
/// What is expected of a zero point.
pub(super) const INT8: &str = "a whole number, -128 to 127";

/// A JSON value whose objects keep every key, given twice or not.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// Parses a text.
///
/// # Errors
/// What is no JSON, with line and column.
pub(super) fn parse(json: &str) -> Result<Tree, NetworkError> {
    // Editors of some systems begin a file with a byte-order mark.
    let json = json.strip_prefix('\u{feff}').unwrap_or(json);
    serde_json::from_str(json).map_err(|error| NetworkError::Json { message: error.to_string() })
}

impl Tree {
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(number) => Value::Number(number),
            Self::Text(text) => Value::String(text),
            Self::List(items) => items.into_iter().map(Self::into_value).collect(),
            Self::Object(entries) => {
                entries.into_iter().map(|(key, value)| (key, value.into_value())).collect()
            }
        }
    }

    /// The first value of a key of an object.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(entries) => {
                entries.iter().find(|(known, _)| known == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// Itself, if it is an object.
    pub(super) fn object(&self) -> Option<&Self> {
        matches!(self, Self::Object(_)).then_some(self)
    }

    fn flag(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn size(&self) -> Option<usize> {
        match self {
            Self::Number(number) => number.as_u64().and_then(|value| usize::try_from(value).ok()),
            _ => None,
        }
    }

    /// As many sizes.
    pub(super) fn sizes<const N: usize>(&self) -> Option<[usize; N]> {
        let sizes: Vec<usize> = self.list()?.iter().map(Self::size).collect::<Option<_>>()?;
        sizes.try_into().ok()
    }

    /// A whole number of this type.
    pub(super) fn integer<T: TryFrom<i64>>(&self) -> Option<T> {
        match self {
            Self::Number(number) => T::try_from(number.as_i64()?).ok(),
            _ => None,
        }
    }

    /// A list of strings.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        self.list()?.iter().map(|item| item.text().map(str::to_owned)).collect()
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            _ => None,
        }
    }

    /// For a message: what it is, short.
    pub(super) fn describe(&self) -> String {
        const LONGEST: usize = 60;
        const MOST: usize = 8;
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) if text.chars().count() <= LONGEST => format!("{text:?}"),
            Self::Text(text) => {
                format!("{:?}...", text.chars().take(LONGEST).collect::<String>())
            }
            Self::List(items) if items.len() <= MOST => {
                let items: Vec<_> = items.iter().map(Self::describe).collect();
                format!("[{}]", items.join(", "))
            }
            Self::List(items) => format!("a list of {}", items.len()),
            Self::Object(_) => "an object".to_owned(),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
        Number::from_f64(value).map(Tree::Number).ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Object(entries))
    }
}

/// An object whose keys are taken one by one.
pub(super) struct Fields<'t, 'e> {
    place: String,
    /// Put before a key in messages: `residual.` and the like.
    prefix: &'static str,
    is_object: bool,
    entries: &'t [(String, Tree)],
    errors: &'e mut Vec<NetworkError>,
}

impl<'t, 'e> Fields<'t, 'e> {
    /// Reports keys that are not `known`, and known ones that are given twice.
    pub(super) fn new(
        tree: &'t Tree,
        place: &str,
        prefix: &'static str,
        known: &'static [&'static str],
        errors: &'e mut Vec<NetworkError>,
    ) -> Self {
        let entries: &[(String, Tree)] = match tree {
            Tree::Object(entries) => entries,
            _ => &[],
        };
        let is_object = matches!(tree, Tree::Object(_));
        let mut fields = Self { place: place.to_owned(), prefix, is_object, entries, errors };
        if !is_object {
            let key = prefix.trim_end_matches('.').to_owned();
            fields.push(key, KeyFault::Value { found: tree.describe(), expected: "an object" });
            return fields;
        }
        let mut counts = vec![0; known.len()];
        for (key, _) in entries {
            match known.iter().position(|known| known == key) {
                Some(index) => counts[index] += 1,
                None => fields.fault(key, KeyFault::Unknown { known }),
            }
        }
        for (key, _) in known.iter().zip(counts).filter(|(_, n)| *n > 1) {
            fields.fault(key, KeyFault::Repeated);
        }
        fields
    }

    /// An object once more whose keys were looked at by [`Self::new`].
    pub(super) fn again(tree: &'t Tree, place: &str, errors: &'e mut Vec<NetworkError>) -> Self {
        let entries: &[(String, Tree)] = match tree {
            Tree::Object(entries) => entries,
            _ => &[],
        };
        Self { place: place.to_owned(), prefix: "", is_object: true, entries, errors }
    }

    /// A key that may be left out.
    pub(super) fn optional(&self, key: &str) -> Option<&'t Tree> {
        self.entries.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    fn required(&mut self, key: &str) -> Option<&'t Tree> {
        let found = self.optional(key);
        // Of what is no object, that was said.
        if found.is_none() && self.is_object {
            self.fault(key, KeyFault::Missing);
        }
        found
    }

    /// A key's value as `read` understands it.
    pub(super) fn take<T>(
        &mut self,
        key: &str,
        expected: &'static str,
        read: impl Fn(&'t Tree) -> Option<T>,
    ) -> Option<T> {
        let tree = self.required(key)?;
        let value = read(tree);
        if value.is_none() {
            self.fault(key, KeyFault::Value { found: tree.describe(), expected });
        }
        value
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.take(key, "a string", |tree| tree.text().map(str::to_owned))
    }

    pub(super) fn size(&mut self, key: &str) -> Option<usize> {
        self.take(key, "a whole number, 0 or more", Tree::size)
    }

    /// A size that may be left out.
    pub(super) fn size_or(&mut self, key: &str, default: usize) -> Option<usize> {
        if self.optional(key).is_some() { self.size(key) } else { Some(default) }
    }

    /// A key's value as `read` understands it, or what stands for it where the key is left out.
    pub(super) fn take_or<T>(
        &mut self,
        key: &str,
        default: T,
        expected: &'static str,
        read: impl Fn(&'t Tree) -> Option<T>,
    ) -> Option<T> {
        if self.optional(key).is_some() { self.take(key, expected, read) } else { Some(default) }
    }

    /// Numbers of rows and of columns.
    pub(super) fn pair(&mut self, key: &str) -> Option<[usize; 2]> {
        self.take(key, PAIR, Tree::sizes)
    }

    /// Numbers of rows and of columns that may be left out.
    pub(super) fn pair_or(&mut self, key: &str, default: [usize; 2]) -> Option<[usize; 2]> {
        self.take_or(key, default, PAIR, Tree::sizes)
    }

    pub(super) fn number(&mut self, key: &str) -> Option<f64> {
        self.take(key, "a number", Tree::number)
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        self.take(key, FLAG, Tree::flag)
    }

    /// A flag that is false where it is left out.
    pub(super) fn flag_or_false(&mut self, key: &str) -> Option<bool> {
        self.take_or(key, false, FLAG, Tree::flag)
    }

    fn fault(&mut self, key: &str, fault: KeyFault) {
        self.push(format!("{}{key}", self.prefix), fault);
    }

    fn push(&mut self, key: String, fault: KeyFault) {
        self.errors.push(NetworkError::Key { place: self.place.clone(), key, fault });
    }
}
