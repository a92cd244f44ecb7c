//! What a plugin offers, and what people may set.

use coditect_protocol::plugin::{
    BuildStep, Command, Conversations, FileHooks, LanguageOffer, Offers, Participant, Provider, Setting, SettingKind,
    StatusItem, Theme, Tool, View, ViewPlace,
};
use serde_json::Value;
use toml::de::DeValue;

use super::error::{ManifestError, ManifestFault};
use super::section::{Item, Section};
use super::words::{ManifestPlace, once};

/// Longest title, in characters.
const MAX_TITLE_CHARS: usize = 80;
/// Longest description that people read, in characters.
pub(super) const MAX_DESCRIPTION_CHARS: usize = 300;
/// Longest description of a tool, in bytes.
const MAX_TOOL_BYTES: usize = 4 << 10;
/// Longest JSON Schema of a tool's arguments, in bytes.
const MAX_SCHEMA_BYTES: usize = 16 << 10;
/// Longest text of a setting, in bytes.
const MAX_TEXT_BYTES: usize = 4 << 10;
const TITLE: &str = "title = \"What people read\"";
const ID: &str = "id = \"lower-case-words\"";

type Read<T> = Result<T, ManifestError>;

/// Everything that is offered.
pub(super) fn read(root: &Section<'_>) -> Read<Offers> {
    Ok(Offers {
        commands: list(root, "commands", &["id", "title", "editor-menu", "keybinding"], command, |one| &one.id)?,
        formatters: languages(root, "formatters")?,
        diagnostics: languages(root, "diagnostics")?,
        tools: list(root, "tools", &["id", "description", "parameters", "changes"], tool, |one| &one.id)?,
        participants: list(root, "participants", &["id", "title", "description"], participant, |one| &one.id)?,
        conversations: conversations(root)?,
        providers: list(root, "providers", &["id", "title"], provider, |one| &one.id)?,
        hooks: hooks(root)?,
        build_steps: list(root, "build-steps", &["id", "title"], build_step, |one| &one.id)?,
        views: list(root, "views", &["id", "title", "place", "globs"], view, |one| &one.id)?,
        status_items: list(root, "status-items", &["id", "title"], status_item, |one| &one.id)?,
        themes: list(root, "themes", &["id", "title", "dark", "path"], theme, |one| &one.id)?,
    })
}

/// All `[[key]]`, whose identifiers are all different.
fn list<T>(
    root: &Section<'_>,
    key: &'static str,
    keys: &'static [&'static str],
    read: impl Fn(&Section<'_>) -> Read<T>,
    id: impl Fn(&T) -> &str,
) -> Read<Vec<T>> {
    let sections = root.tables(key, keys)?;
    let all = sections.iter().map(read).collect::<Read<Vec<T>>>()?;
    let placed = all.iter().zip(&sections).map(|(one, section)| {
        let place: ManifestPlace<'_> = Box::new(|fault| section.fault(fault));
        (id(one), place)
    });
    once(placed)?;
    Ok(all)
}

fn id_and_title(section: &Section<'_>) -> Read<(String, String)> {
    Ok((section.need("id", ID)?.id('-')?, section.need("title", TITLE)?.line(MAX_TITLE_CHARS)?))
}

fn command(section: &Section<'_>) -> Read<Command> {
    let (id, title) = id_and_title(section)?;
    let editor_menu = section.get("editor-menu").map_or(Ok(Vec::new()), |item| item.words(Item::language))?;
    let keybinding = section.get("keybinding").map(|item| item.keybinding()).transpose()?;
    Ok(Command { id, title, editor_menu, keybinding })
}

fn languages(root: &Section<'_>, key: &'static str) -> Read<Vec<LanguageOffer>> {
    let read = |section: &Section<'_>| {
        let languages = section.need("languages", "languages = [\"markdown\"]")?.words(Item::language)?;
        Ok(LanguageOffer { languages })
    };
    root.tables(key, &["languages"])?.iter().map(read).collect()
}

fn tool(section: &Section<'_>) -> Read<Tool> {
    let id = section.need("id", "id = \"lower_case_words\"")?.id('_')?;
    let description = section.need("description", "description = \"What it does, for the model\"")?;
    let parameters = section.need("parameters", "parameters = '{\"type\": \"object\", \"properties\": {}}'")?;
    Ok(Tool {
        id,
        description: description.lines(MAX_TOOL_BYTES)?,
        parameters: schema(&parameters)?,
        changes: section.get("changes").map_or(Ok(false), |item| item.flag())?,
    })
}

/// A JSON Schema of an object, as JSON text or as a table of TOML.
fn schema(item: &Item<'_>) -> Read<String> {
    let wrong =
        "is the JSON Schema of an object: '{\"type\": \"object\", \"properties\": {…}}', or the same as a table";
    let value = match item.value() {
        DeValue::Table(_) => json(item.value()).ok_or_else(|| item.wrong(wrong))?,
        _ => serde_json::from_str(item.text()?)
            .map_err(|error| item.wrong(format!("{wrong}; it is no JSON: {error}")))?,
    };
    let is_object = value.get("type") == Some(&Value::from("object"));
    let has_properties = value.get("properties").is_none_or(Value::is_object);
    let text = value.to_string();
    if !is_object || !has_properties || text.len() > MAX_SCHEMA_BYTES {
        return Err(item.wrong(format!("{wrong}, at most {MAX_SCHEMA_BYTES} bytes")));
    }
    Ok(text)
}

/// A value of TOML as JSON; dates have none.
fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => Value::from(i64::from_str_radix(number.as_str(), number.radix()).ok()?),
        DeValue::Float(number) => Value::from(number.as_str().parse::<f64>().ok().filter(|number| number.is_finite())?),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Datetime(_) => return None,
        DeValue::Array(items) => Value::Array(items.iter().map(|item| json(item.get_ref())).collect::<Option<_>>()?),
        DeValue::Table(table) => {
            let entries = table.iter().map(|(key, value)| Some((key.get_ref().to_string(), json(value.get_ref())?)));
            Value::Object(entries.collect::<Option<_>>()?)
        }
    })
}

fn participant(section: &Section<'_>) -> Read<Participant> {
    let (id, title) = id_and_title(section)?;
    let description = section.need("description", "description = \"What it is good for\"")?;
    Ok(Participant { id, title, description: description.line(MAX_DESCRIPTION_CHARS)? })
}

fn conversations(root: &Section<'_>) -> Read<Conversations> {
    let Some(section) = root.table("conversations", &["questions", "answers"])? else {
        return Ok(Conversations::default());
    };
    let flag = |key| section.get(key).map_or(Ok(false), |item| item.flag());
    Ok(Conversations { questions: flag("questions")?, answers: flag("answers")? })
}

fn provider(section: &Section<'_>) -> Read<Provider> {
    id_and_title(section).map(|(id, title)| Provider { id, title })
}

fn hooks(root: &Section<'_>) -> Read<FileHooks> {
    let Some(section) = root.table("hooks", &["will-save", "changed"])? else { return Ok(FileHooks::default()) };
    let globs = |key| section.get(key).map_or(Ok(Vec::new()), |item| item.words(Item::glob));
    Ok(FileHooks { will_save: globs("will-save")?, changed: globs("changed")? })
}

fn build_step(section: &Section<'_>) -> Read<BuildStep> {
    id_and_title(section).map(|(id, title)| BuildStep { id, title })
}

fn view(section: &Section<'_>) -> Read<View> {
    let (id, title) = id_and_title(section)?;
    let place = section.need("place", "place = \"side\", or \"file\" with globs")?;
    let globs = section.get("globs");
    let (place, globs) = match (place.text()?, globs) {
        ("side", None) => (ViewPlace::Side, Vec::new()),
        ("side", Some(globs)) => return Err(globs.wrong("belongs to views with place = \"file\"; take it out")),
        ("file", _) => (ViewPlace::File, section.need("globs", "globs = [\"**/*.csv\"]")?.words(Item::glob)?),
        _ => return Err(place.wrong("is \"side\" or \"file\"")),
    };
    Ok(View { id, title, place, globs })
}

fn status_item(section: &Section<'_>) -> Read<StatusItem> {
    id_and_title(section).map(|(id, title)| StatusItem { id, title })
}

fn theme(section: &Section<'_>) -> Read<Theme> {
    let (id, title) = id_and_title(section)?;
    let dark = section.get("dark").map_or(Ok(false), |item| item.flag())?;
    Ok(Theme { id, title, dark, path: section.need("path", "path = \"assets/theme.json\"")?.asset(&[".json"])? })
}

/// `[[settings]]`.
pub(super) fn settings(root: &Section<'_>) -> Read<Vec<Setting>> {
    const KEYS: &[&str] = &["id", "title", "description", "kind", "default", "choices"];
    list(root, "settings", KEYS, setting, |one| &one.id)
}

fn setting(section: &Section<'_>) -> Read<Setting> {
    let (id, title) = id_and_title(section)?;
    let description = section.get("description").map_or(Ok(String::new()), |item| item.line(MAX_DESCRIPTION_CHARS))?;
    let kind = kind(&section.need("kind", "kind = \"boolean\", \"number\", \"text\", \"secret\" or \"choice\"")?)?;
    let choices = choices(kind, section)?;
    let default = default(kind, &choices, section)?;
    Ok(Setting { id, title, description, kind, default, choices })
}

fn kind(item: &Item<'_>) -> Read<SettingKind> {
    Ok(match item.text()? {
        "boolean" => SettingKind::Boolean,
        "number" => SettingKind::Number,
        "text" => SettingKind::Text,
        "secret" => SettingKind::Secret,
        "choice" => SettingKind::Choice,
        _ => return Err(item.wrong("is \"boolean\", \"number\", \"text\", \"secret\" or \"choice\"")),
    })
}

/// What can be chosen, in the author's order.
fn choices(kind: SettingKind, section: &Section<'_>) -> Read<Vec<String>> {
    if kind != SettingKind::Choice {
        return match section.get("choices") {
            Some(item) => Err(item.wrong("belongs to settings with kind = \"choice\"; take it out")),
            None => Ok(Vec::new()),
        };
    }
    let item = section.need("choices", "choices = [\"one\", \"another\"]")?;
    let choices = item.list()?.iter().map(|item| item.line(MAX_TITLE_CHARS)).collect::<Read<Vec<_>>>()?;
    if choices.is_empty() {
        return Err(item.wrong("names nothing; add what can be chosen"));
    }
    once(choices.iter().map(|choice| {
        let place: ManifestPlace<'_> = Box::new(|fault: ManifestFault| item.fault(fault));
        (choice.as_str(), place)
    }))?;
    Ok(choices)
}

/// What a setting is unless somebody says otherwise, as JSON. A secret has none.
fn default(kind: SettingKind, choices: &[String], section: &Section<'_>) -> Read<String> {
    if kind == SettingKind::Secret {
        return match section.get("default") {
            Some(item) => Err(item.wrong("would be a secret that everybody can read; take it out")),
            None => Ok(Value::Null.to_string()),
        };
    }
    let item = section.need("default", "default = …, what it is unless somebody says otherwise")?;
    let value = match kind {
        SettingKind::Boolean => Value::from(item.flag()?),
        SettingKind::Number => number(&item)?,
        _ => Value::from(item.text()?),
    };
    if kind == SettingKind::Choice && !choices.iter().any(|choice| value == choice.as_str()) {
        return Err(item.wrong("is none of the `choices`"));
    }
    if value.as_str().is_some_and(|text| text.len() > MAX_TEXT_BYTES) {
        return Err(item.wrong(format!("has more than {MAX_TEXT_BYTES} bytes")));
    }
    Ok(value.to_string())
}

/// A number as it was written: whole ones stay whole.
fn number(item: &Item<'_>) -> Read<Value> {
    let number = item.number()?;
    Ok(json(item.value()).unwrap_or_else(|| Value::from(number)))
}
