//! Colour themes of plugins: of their documents only colours and styles are taken. Pure.

use coditect_protocol::plugin::plain_json;
use serde_json::{Map, Value, json};

/// Most colours, and most rules for tokens, of a theme.
const MAX_ENTRIES: usize = 4000;

/// The theme in a document, as VS Code's are written: JSON that may have comments. None where it is no theme.
pub(super) fn read(text: &str) -> Option<Value> {
    let document: Map<String, Value> = serde_json::from_str(&plain_json(text)).ok()?;
    let colors: Map<String, Value> = match document.get("colors") {
        Some(Value::Object(colors)) => {
            let known = colors.iter().filter(|(_, value)| value.as_str().is_some_and(is_color));
            known.take(MAX_ENTRIES).map(|(name, value)| (name.clone(), value.clone())).collect()
        }
        _ => Map::new(),
    };
    let tokens: Vec<Value> = match document.get("tokenColors") {
        Some(Value::Array(rules)) => rules.iter().filter_map(rule).take(MAX_ENTRIES).collect(),
        _ => Vec::new(),
    };
    (!colors.is_empty() || !tokens.is_empty()).then(|| json!({ "colors": colors, "tokenColors": tokens }))
}

fn rule(rule: &Value) -> Option<Value> {
    let scope: Vec<&str> = match rule.get("scope")? {
        Value::String(scope) => scope.split(',').map(str::trim).collect(),
        Value::Array(scopes) => scopes.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let given = rule.get("settings")?;
    let text = |name: &str| given.get(name).and_then(Value::as_str);
    let mut settings = Map::new();
    for name in ["foreground", "background"] {
        if let Some(color) = text(name).filter(|color| is_color(color)) {
            settings.insert(name.to_owned(), color.into());
        }
    }
    let is_style = |style: &&str| {
        style.split_whitespace().all(|word| ["bold", "italic", "underline", "strikethrough"].contains(&word))
    };
    if let Some(style) = text("fontStyle").filter(is_style) {
        settings.insert("fontStyle".to_owned(), style.into());
    }
    (!settings.is_empty()).then(|| json!({ "scope": scope, "settings": settings }))
}

fn is_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or_default();
    [3, 4, 6, 8].contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_and_styles_are_taken() {
        let theme = read(
            r##"{
                // what stands at the top
                "name": "Night", "type": "dark", "include": "../../secret.json",
                "colors": { "editor.background": "#101010", "evil": "url(x)", "x": 1, "url": "#https://a", },
                /* and the tokens */
                "tokenColors": [
                    { "scope": "comment, string", "settings": { "foreground": "#abc", "fontStyle": "italic bold" } },
                    { "scope": ["keyword"], "settings": { "fontStyle": "expression(x)" } },
                    { "settings": { "foreground": "#fff" } },
                ],
            }"##,
        );
        let expected = json!({
            "colors": { "editor.background": "#101010" },
            "tokenColors": [{ "scope": ["comment", "string"], "settings": { "foreground": "#abc", "fontStyle": "italic bold" } }]
        });
        assert_eq!(theme, Some(expected));
        for none in ["", "[]", "{}", "{", r#"{"colors": []}"#, "/*", "\"", "//"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
