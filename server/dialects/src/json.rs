//! Reading JSON that others wrote: what is missing or of another type is absent.

use serde_json::Value;

/// A field that is there and not null.
pub(crate) fn given<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|value| !value.is_null())
}

/// Text.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// Text that is not empty.
pub(crate) fn some_text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    text(value, name).filter(|text| !text.is_empty())
}

/// Owned text; empty where there is none.
pub(crate) fn owned(value: &Value, name: &str) -> String {
    text(value, name).unwrap_or_default().to_owned()
}

/// A number that is not negative. Some servers and clients write whole numbers with a point.
pub(crate) fn whole(value: &Value, name: &str) -> Option<u64> {
    let value = value.get(name)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; the cast saturates")]
    value.as_u64().or_else(|| value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64))
}

/// Any number.
pub(crate) fn number(value: &Value, name: &str) -> Option<f64> {
    value.get(name).and_then(Value::as_f64)
}

/// Yes or no.
pub(crate) fn flag(value: &Value, name: &str) -> Option<bool> {
    value.get(name).and_then(Value::as_bool)
}

/// The items of a list; none where there is no list.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Arguments of a tool as an object, for dialects that write them so. What is no object is kept as text.
pub(crate) fn arguments(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => value,
        _ if text.trim().is_empty() => Value::Object(serde_json::Map::new()),
        _ => serde_json::json!({ "_raw": text }),
    }
}

/// The two halves of `data:image/png;base64,…`.
pub(crate) fn data_url(url: &str) -> Option<(&str, &str)> {
    let (kind, data) = url.strip_prefix("data:")?.split_once(',')?;
    let mime = kind.strip_suffix(";base64")?;
    Some((mime.split(';').next().unwrap_or_default(), data))
}
