//! What two descriptions of a run differ in, for the message that refuses to mix them.

use serde_json::Value;

/// The first difference, as `KEY is A there and B here`; keys of objects within objects are joined by dots.
pub(crate) fn first(there: &Value, here: &Value) -> Option<String> {
    within("", there, here)
}

fn within(path: &str, there: &Value, here: &Value) -> Option<String> {
    if let (Value::Object(a), Value::Object(b)) = (there, here) {
        let only_here = b.keys().filter(|key| !a.contains_key(*key));
        return a.keys().chain(only_here).find_map(|key| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let of = |side: &serde_json::Map<String, Value>| side.get(key).cloned();
            within(&path, &of(a).unwrap_or_default(), &of(b).unwrap_or_default())
        });
    }
    (there != here).then(|| format!("{path} is {} there and {} here", shown(there), shown(here)))
}

/// Lists and long texts are told by their beginning.
fn shown(value: &Value) -> String {
    const N_SHOWN: usize = 60;
    let text = match value {
        Value::Null => "not given".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(N_SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_told_with_its_path() {
        let there = json!({ "options": { "epochs": 3, "seed": 1 }, "teacher": null });
        assert_eq!(first(&there, &there), None);
        let here = json!({ "options": { "epochs": 3, "seed": 2 }, "teacher": "x".repeat(99) });
        assert_eq!(first(&there, &here).unwrap(), "options.seed is 1 there and 2 here");
        let here = json!({ "options": { "epochs": 3, "seed": 1 }, "teacher": "x".repeat(99) });
        let long = first(&there, &here).unwrap();
        assert_eq!(long, format!("teacher is not given there and {}... here", "x".repeat(60)));
        let more = json!({ "options": { "epochs": 3, "seed": 1, "views": 2 }, "teacher": null });
        assert_eq!(first(&there, &more).unwrap(), "options.views is not given there and 2 here");
    }
}
