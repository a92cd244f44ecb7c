//! Schemas: this dialect has its own subset of OpenAPI beside JSON Schema, with types in capitals.

use serde_json::{Map, Value};

/// Deepest schema that is looked into. What lies deeper is left as it is.
const MAX_DEPTH: usize = 64;

/// JSON Schema of either.
pub(super) fn to_json_schema(schema: &Value) -> Value {
    lower(schema, 0)
}

fn lower(schema: &Value, depth: usize) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    if depth > MAX_DEPTH {
        return schema.clone();
    }
    let mut out = Map::with_capacity(fields.len());
    for (name, value) in fields {
        let value = match (name.as_str(), value) {
            ("type", Value::String(word)) => word.to_ascii_lowercase().into(),
            ("properties" | "$defs" | "definitions", Value::Object(inner)) => {
                let inner = inner.iter().map(|(name, value)| (name.clone(), lower(value, depth + 1)));
                Value::Object(inner.collect())
            }
            ("items" | "additionalProperties" | "not", value) => lower(value, depth + 1),
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(list)) => {
                list.iter().map(|value| lower(value, depth + 1)).collect()
            }
            ("nullable" | "propertyOrdering" | "property_ordering", _) => continue,
            _ => value.clone(),
        };
        let name = match name.as_str() {
            "any_of" => "anyOf",
            other => other,
        };
        out.insert(name.to_owned(), value);
    }
    if fields.get("nullable") == Some(&Value::Bool(true))
        && let Some(kind) = out.get_mut("type")
    {
        *kind = Value::Array(vec![kind.take(), "null".into()]);
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_become_small() {
        let schema = json!({
            "type": "OBJECT",
            "properties": {
                "type": { "type": "STRING", "nullable": true, "enum": ["A"] },
                "list": { "type": "ARRAY", "items": { "type": "INTEGER" } },
            },
            "required": ["type"],
            "propertyOrdering": ["type", "list"],
        });
        let expected = json!({
            "type": "object",
            "properties": {
                "type": { "type": ["string", "null"], "enum": ["A"] },
                "list": { "type": "array", "items": { "type": "integer" } },
            },
            "required": ["type"],
        });
        assert_eq!(to_json_schema(&schema), expected);
        assert_eq!(to_json_schema(&expected), expected);
    }

    #[test]
    fn very_deep_ones_are_left_alone() {
        let mut schema = json!({ "type": "STRING" });
        for _ in 0..100 {
            schema = json!({ "type": "ARRAY", "items": schema });
        }
        assert_eq!(to_json_schema(&schema)["type"], "array");
    }
}
