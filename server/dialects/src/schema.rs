//! JSON Schemas of tools and answers.

use serde_json::Value;

/// Deepest schema that is looked into.
const MAX_DEPTH: usize = 64;

/// Whether OpenAI follows the schema to the letter: it does so only where every object names all its fields, needs all of them and
/// allows no others. Asked to follow another so, it refuses.
pub(crate) fn can_be_strict(schema: &Value) -> bool {
    is_closed(schema, 0)
}

fn is_closed(schema: &Value, depth: usize) -> bool {
    let Value::Object(fields) = schema else { return true };
    if depth > MAX_DEPTH {
        return false;
    }
    let properties = fields.get("properties").and_then(Value::as_object);
    let is_object = fields.get("type").is_some_and(|kind| {
        kind == "object" || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "object"))
    });
    if is_object || properties.is_some() {
        let required = fields.get("required").and_then(Value::as_array);
        let required: std::collections::HashSet<&str> =
            required.into_iter().flatten().filter_map(Value::as_str).collect();
        let is_full = properties.into_iter().flatten().all(|(name, _)| required.contains(name.as_str()));
        if !is_full || fields.get("additionalProperties") != Some(&Value::Bool(false)) {
            return false;
        }
    }
    let inner = ["$defs", "definitions"].iter().filter_map(|name| fields.get(*name)?.as_object()).chain(properties);
    let lists = ["anyOf", "oneOf", "allOf", "prefixItems"].iter().filter_map(|name| fields.get(*name)?.as_array());
    inner
        .flat_map(|fields| fields.values())
        .chain(lists.flatten())
        .chain(fields.get("items"))
        .all(|inner| is_closed(inner, depth + 1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_closed_ones() {
        let closed = json!({
            "type": "object",
            "properties": { "a": { "type": "array", "items": { "type": "string" } } },
            "required": ["a"],
            "additionalProperties": false,
        });
        assert!(can_be_strict(&closed));
        for (pointer, value) in [
            ("/required", json!([])),
            ("/additionalProperties", json!(true)),
            ("/properties/a/items", json!({ "type": "object" })),
        ] {
            let mut open = closed.clone();
            *open.pointer_mut(pointer).unwrap() = value;
            assert!(!can_be_strict(&open), "{open}");
        }
        let mut deep = closed;
        for _ in 0..100 {
            deep = json!({ "anyOf": [deep] });
        }
        assert!(!can_be_strict(&deep));
    }
}
