//! Names of layers.

use std::collections::HashMap;

/// Most bytes of a name.
const MAX_BYTES: usize = 80;
/// What no layer may be called.
const INPUT: &str = "input";

/// Names that were given, and the number that the next layer of the same name gets.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, usize>);

impl Names {
    /// The first part of a name of the file, or else the kind of the operation, with a number where that is taken.
    ///
    /// Converters join the names of what they fuse by semicolons.
    pub(super) fn layer(&mut self, name: &str, kind: &str, index: usize) -> String {
        let first = name.split(';').next().unwrap_or_default().trim();
        let mut base: String = first.chars().filter(|c| !c.is_control()).collect();
        while base.len() > MAX_BYTES {
            base.pop();
        }
        if base.is_empty() || base == INPUT {
            base = format!("{} {index}", kind.to_lowercase());
        }
        let mut name = base.clone();
        while self.0.contains_key(&name) {
            let number = self.0.entry(base.clone()).or_insert(2);
            name = format!("{base} {number}");
            *number += 1;
        }
        self.0.insert(name.clone(), 2);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_unique() {
        let mut names = Names::default();
        let mut name = |name: &str| names.layer(name, "CONV_2D", 3);
        assert_eq!(name("model/relu;model/bn;model/conv"), "model/relu");
        assert_eq!(name("model/relu"), "model/relu 2");
        assert_eq!(name("model/relu;x"), "model/relu 3");
        assert_eq!(name(""), "conv_2d 3");
        assert_eq!(name("input"), "conv_2d 3 2");
        assert_eq!(name("a\nb"), "ab");
        assert_eq!(name(&"ä".repeat(100)).len(), 80);
    }
}
