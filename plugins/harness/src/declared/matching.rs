//! Comparing what was with what was expected.

use regex::Regex;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// How a text is expected to be.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// This one.
    Equal(String),
    /// One with this in it.
    Contains(String),
    /// One that matches.
    Regex(Regex),
    /// Any.
    Any,
    /// None.
    Absent,
}

impl Pattern {
    /// Reads a text, or a table with `contains`, `regex`, `any` or `absent`.
    pub fn of(value: &Value) -> Result<Self, String> {
        if let Value::String(text) = value {
            return Ok(Self::Equal(text.clone()));
        }
        value.as_object().and_then(Self::of_table).unwrap_or_else(|| Err(format!("{value} is no text; write \"…\", {{ contains = \"…\" }}, {{ regex = \"…\" }}, {{ any = true }} or {{ absent = true }}")))
    }

    /// None where the table is no pattern.
    fn of_table(table: &Map<String, Value>) -> Option<Result<Self, String>> {
        let (key, value) = table.iter().next().filter(|_| table.len() == 1)?;
        match (key.as_str(), value) {
            ("contains", Value::String(text)) => Some(Ok(Self::Contains(text.clone()))),
            ("regex", Value::String(text)) => {
                Some(Regex::new(text).map(Self::Regex).map_err(|error| format!("a regex cannot be read: {error}")))
            }
            ("any", Value::Bool(true)) => Some(Ok(Self::Any)),
            ("absent", Value::Bool(true)) => Some(Ok(Self::Absent)),
            _ => None,
        }
    }

    /// Whether a text is as expected.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Equal(wanted) => text == wanted,
            Self::Contains(part) => text.contains(part),
            Self::Regex(regex) => regex.is_match(text),
            Self::Any => true,
            Self::Absent => false,
        }
    }

    fn matches_value(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Self::Absent, value) => value.is_none_or(Value::is_null),
            (Self::Any, value) => value.is_some_and(|value| !value.is_null()),
            (_, Some(Value::String(text))) => self.matches(text),
            _ => false,
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Equal(text) => f.write_str(text),
            Self::Contains(part) => write!(f, "a text that contains {part:?}"),
            Self::Regex(regex) => write!(f, "a text that matches /{regex}/"),
            Self::Any => f.write_str("anything"),
            Self::Absent => f.write_str("nothing"),
        }
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Something that is not as it was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Where: `outcome.edits[0].text`, `files.a.md` …
    pub place: String,
    /// What was expected.
    pub wanted: String,
    /// What was there.
    pub was: String,
}

impl Mismatch {
    pub(super) fn new(place: impl Into<String>, wanted: impl Into<String>, was: impl Into<String>) -> Self {
        Self { place: place.into(), wanted: wanted.into(), was: was.into() }
    }
}

/// A value for people: texts as they are, all else as JSON.
pub(super) fn shown(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

/// What of an expected value is not in the actual one.
pub(super) fn compare(place: &str, wanted: &Value, actual: Option<&Value>, out: &mut Vec<Mismatch>) {
    match wanted {
        Value::Object(table) => compare_table(place, table, actual, out),
        Value::Array(entries) => compare_list(place, entries, actual, out),
        wanted if is_same(wanted, actual) => {}
        wanted => out.push(Mismatch::new(place, shown(Some(wanted)), shown(actual))),
    }
}

/// Whether both are the same; whole numbers may be written with a point.
fn is_same(wanted: &Value, actual: Option<&Value>) -> bool {
    actual.is_some_and(|actual| actual == wanted || (wanted.is_number() && wanted.as_f64() == actual.as_f64()))
}

fn compare_table(place: &str, table: &Map<String, Value>, actual: Option<&Value>, out: &mut Vec<Mismatch>) {
    match Pattern::of_table(table) {
        Some(Ok(pattern)) if pattern.matches_value(actual) => return,
        Some(Ok(pattern)) => return out.push(Mismatch::new(place, pattern.to_string(), shown(actual))),
        Some(Err(error)) => return out.push(Mismatch::new(place, error, shown(actual))),
        None => {}
    }
    if let (Some(Value::Array(wanted)), 1, Some(Value::Array(all))) = (table.get("has"), table.len(), actual) {
        for entry in wanted.iter().filter(|entry| !all.iter().any(|one| fits(entry, one))) {
            out.push(Mismatch::new(place, format!("an entry such as {}", shown(Some(entry))), shown(actual)));
        }
        return;
    }
    if !actual.is_some_and(Value::is_object) {
        return out.push(Mismatch::new(place, Value::Object(table.clone()).to_string(), shown(actual)));
    }
    for (key, wanted) in table {
        compare(&format!("{place}.{key}"), wanted, actual.and_then(|actual| actual.get(key)), out);
    }
}

fn compare_list(place: &str, entries: &[Value], actual: Option<&Value>, out: &mut Vec<Mismatch>) {
    let Some(all) = actual.and_then(Value::as_array).filter(|all| all.len() == entries.len()) else {
        let wanted = format!("{} entries: {}", entries.len(), Value::from(entries.to_vec()));
        return out.push(Mismatch::new(place, wanted, shown(actual)));
    };
    for (number, (wanted, actual)) in entries.iter().zip(all).enumerate() {
        compare(&format!("{place}[{number}]"), wanted, Some(actual), out);
    }
}

/// Whether a value has all that is expected of it.
pub(super) fn fits(wanted: &Value, actual: &Value) -> bool {
    let mut out = Vec::new();
    compare("", wanted, Some(actual), &mut out);
    out.is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_named_may_be_anything() {
        let actual = json!({"a": 1, "b": {"c": "text", "d": null}, "e": [{"f": 1, "g": 2}, {"f": 3}]});
        for good in [
            json!({}),
            json!({"a": 1.0}),
            json!({"b": {"c": "text"}}),
            json!({"b": {"c": {"contains": "ex"}, "d": {"absent": true}, "x": {"absent": true}}}),
            json!({"b": {"c": {"regex": "^t.*t$"}}}),
            json!({"b": {"any": true}}),
            json!({"e": [{"f": 1}, {}]}),
            json!({"e": {"has": [{"f": 3}]}}),
        ] {
            assert!(fits(&good, &actual), "{good}");
        }
    }

    #[test]
    fn what_differs_is_told_with_its_place() {
        let actual = json!({"b": {"c": "text"}, "e": [{"f": 1}, {"f": 3}]});
        for (bad, place) in [
            (json!({"a": 1}), ".a"),
            (json!({"b": {"c": "tex"}}), ".b.c"),
            (json!({"b": {"c": {"contains": "x "}}}), ".b.c"),
            (json!({"b": {"c": {"regex": "("}}}), ".b.c"),
            (json!({"b": {"c": {"absent": true}}}), ".b.c"),
            (json!({"b": {"d": {"any": true}}}), ".b.d"),
            (json!({"b": "text"}), ".b"),
            (json!({"e": [{"f": 1}]}), ".e"),
            (json!({"e": [{"f": 1}, {"f": 4}]}), ".e[1].f"),
            (json!({"e": {"has": [{"f": 5}]}}), ".e"),
        ] {
            let mut out = Vec::new();
            compare("", &bad, Some(&actual), &mut out);
            assert_eq!(out.iter().map(|one| one.place.as_str()).collect::<Vec<_>>(), [place], "{bad}");
        }
    }
}
