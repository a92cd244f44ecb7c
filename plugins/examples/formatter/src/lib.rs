//! Puts Markdown, TOML and JSON in order: a plugin of Coditect.

mod json;
mod markdown;
mod style;
mod toml;

use coditect_plugin_sdk::prelude::*;

use crate::style::Style;

struct Formatter;

impl Formatters for Formatter {
    fn format(document: Document, range: Option<Range>, options: FormatOptions) -> Result<Vec<TextEdit>> {
        let edits = edits(&document, &style(options)?)?;
        let Some(range) = range else { return Ok(edits) };
        Ok(edits.into_iter().flat_map(by_line).filter(|edit| touches(range, edit.range)).collect())
    }
}

plugin!(Formatter: Formatters);

/// Columns of a line, unless the person says otherwise.
const WIDTHS: std::ops::RangeInclusive<f64> = 40.0..=400.0;

fn style(options: FormatOptions) -> Result<Style> {
    let width: f64 = settings::get("width")?;
    let steps = usize::try_from(options.tab_size.clamp(1, 8))?;
    let indent = if options.insert_spaces { " ".repeat(steps) } else { "\t".to_owned() };
    // Clamped, it is a whole number that fits.
    let width = width.clamp(*WIDTHS.start(), *WIDTHS.end()) as usize;
    Ok(Style { indent, width })
}

/// What puts a text in order. One that cannot be read is an error that says where.
fn edits(document: &Document, style: &Style) -> Result<Vec<TextEdit>> {
    let has_returns = document.text.lines().next().is_some_and(|line| document.text[line.len()..].starts_with("\r\n"));
    let text = document.text.replace("\r\n", "\n");
    let formatted = match document.language.as_str() {
        "json" | "jsonc" => Some(json::format(&text, style).map_err(|at| unreadable("JSON", &text, at))?),
        "toml" => Some(toml::format(&text, style).map_err(|at| unreadable("TOML", &text, at))?),
        "markdown" => markdown::format(&text, style),
        _ => None,
    };
    let Some(formatted) = formatted else { return Ok(Vec::new()) };
    let formatted = if has_returns { formatted.replace('\n', "\r\n") } else { formatted };
    Ok(edits::between(&document.text, &formatted))
}

/// Where a text stops being what its language says.
fn unreadable(language: &str, text: &str, at: usize) -> Error {
    let place = LineIndex::new(text).position(at);
    Error::invalid(format!("Line {}, column {}: this is no {language}.", place.line + 1, place.column + 1))
}

/// An edit of each line, where one replaces whole lines by as many.
fn by_line(edit: TextEdit) -> Vec<TextEdit> {
    let Range { start, end } = edit.range;
    let lines: Vec<&str> = edit.text.split_inclusive('\n').collect();
    if start.column > 0 || end.column > 0 || usize::try_from(end.line - start.line) != Ok(lines.len()) {
        return vec![edit];
    }
    let line = |(text, line)| TextEdit::replace(Range::new(Position::new(line, 0), Position::new(line + 1, 0)), text);
    lines.into_iter().zip(start.line..).map(line).collect()
}

/// Whether an edit of whole lines lies on lines of a range.
fn touches(range: Range, edit: Range) -> bool {
    let last = if edit.end.column == 0 && edit.end.line > edit.start.line { edit.end.line - 1 } else { edit.end.line };
    range.start.line <= last && edit.start.line <= range.end.line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(language: &str, text: &str, range: Option<Range>) -> String {
        let _host = testing::Host::new().setting("width", 100).enter();
        let document = Document { path: "a".into(), language: language.into(), text: text.into() };
        let edits = Formatter::format(document, range, FormatOptions { tab_size: 2, insert_spaces: true }).unwrap();
        edits::apply(text, &edits).unwrap()
    }

    #[test]
    fn a_text_is_put_in_order_as_its_language_wants() {
        assert_eq!(formatted("json", "{\n\"a\":1}", None), "{\n  \"a\": 1\n}\n");
        assert_eq!(formatted("toml", "a=1", None), "a = 1\n");
        assert_eq!(formatted("markdown", "* a", None), "- a\n");
        assert_eq!(formatted("rust", "fn  x(){}", None), "fn  x(){}");
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let _host = testing::Host::new().setting("width", 100).enter();
        let wrong = |language: &str, text: &str| {
            let document = Document { path: "a".into(), language: language.into(), text: text.into() };
            Formatter::format(document, None, FormatOptions { tab_size: 2, insert_spaces: true }).unwrap_err()
        };
        let json = wrong("json", "{\r\n  \"a\": 1,\r\n  \"b\": [1 2]\r\n}");
        assert_eq!(json, Error::invalid("Line 3, column 11: this is no JSON."));
        assert_eq!(wrong("toml", "a = 1\nb c"), Error::invalid("Line 2, column 3: this is no TOML."));
    }

    #[test]
    fn a_range_is_all_that_changes() {
        let second = Range::new(Position::new(1, 0), Position::new(1, 2));
        assert_eq!(formatted("toml", "a=1\nb=2\nc=3\n", Some(second)), "a=1\nb = 2\nc=3\n");
    }

    #[test]
    fn line_breaks_stay_what_they_are() {
        assert_eq!(formatted("toml", "a=1\r\nb = 2\r\n", None), "a = 1\r\nb = 2\r\n");
    }
}
