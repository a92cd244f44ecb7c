//! All calls of a time as one document, part by part.

use std::borrow::Cow;
use std::fmt::Write as _;

use coditect_protocol::llm::CallRecord;

use super::calls::PAGE_MAX;
use crate::time::iso;
use crate::{CallFilter, Metering, MeteringError};

/// How calls are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportForm {
    /// Comma-separated values (RFC 4180), with a line of names. Texts that a spreadsheet would take for a formula begin with `'`.
    Csv,
    /// A JSON array of [`CallRecord`].
    Json,
}

impl ExportForm {
    /// What it is called in HTTP.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json => "application/json",
        }
    }
}

/// How far an export is.
#[derive(Debug)]
enum Stage {
    Begin,
    /// At this page.
    At(String),
    End,
}

/// All calls of a time, the latest first.
pub struct Export {
    metering: Metering,
    filter: CallFilter,
    form: ExportForm,
    stage: Stage,
    /// Something was written already.
    is_begun: bool,
}

impl Export {
    pub(crate) fn new(metering: Metering, filter: CallFilter, form: ExportForm) -> Self {
        Self { metering, filter, form, stage: Stage::Begin, is_begun: false }
    }

    /// The next part of the document, about a megabyte at the most; nothing at its end. It may be empty. After an error it can be asked
    /// again, and goes on.
    pub async fn next(&mut self) -> Result<Option<String>, MeteringError> {
        let cursor = match &self.stage {
            Stage::Begin => None,
            Stage::At(cursor) => Some(cursor.as_str()),
            Stage::End => return Ok(None),
        };
        let page = self.metering.calls(&self.filter, cursor, PAGE_MAX).await?;
        let mut part = String::new();
        if cursor.is_none() {
            part.push_str(if self.form == ExportForm::Csv { HEADER } else { "[" });
        }
        for call in &page.calls {
            match self.form {
                ExportForm::Csv => csv_line(&mut part, call),
                ExportForm::Json => json_line(&mut part, call, self.is_begun),
            }
            self.is_begun = true;
        }
        if page.next.is_none() && self.form == ExportForm::Json {
            part.push_str("\n]\n");
        }
        self.stage = page.next.map_or(Stage::End, Stage::At);
        Ok(Some(part))
    }
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { filter, form, stage, .. } = self;
        f.debug_struct("Export")
            .field("filter", filter)
            .field("form", form)
            .field("stage", stage)
            .finish_non_exhaustive()
    }
}

fn json_line(part: &mut String, call: &CallRecord, is_begun: bool) {
    // Nothing in a record has no JSON.
    let line = serde_json::to_string(call).unwrap_or_default();
    part.push_str(if is_begun { ",\n" } else { "\n" });
    part.push_str(&line);
}

const HEADER: &str = "id,at,user,token,workspace,agent,door,asked,model,input_tokens,cached_tokens,cache_write_tokens,\
    output_tokens,reasoning_tokens,estimated,cost_usd,own_key,first_token_us,total_us,retries,outcome,code\r\n";

fn csv_line(part: &mut String, call: &CallRecord) {
    let optional = |id: Option<String>| id.unwrap_or_default();
    let tokens = &call.tokens;
    let cells: [Cow<'_, str>; 22] = [
        call.id.to_string().into(),
        iso(call.at).into(),
        call.user.to_string().into(),
        optional(call.token.map(|id| id.to_string())).into(),
        optional(call.workspace.map(|id| id.to_string())).into(),
        cell(&call.agent),
        call.door.name().into(),
        cell(&call.asked),
        cell(&call.model),
        tokens.input.to_string().into(),
        tokens.cached.to_string().into(),
        tokens.cache_write.to_string().into(),
        tokens.output.to_string().into(),
        tokens.reasoning.to_string().into(),
        call.estimated.to_string().into(),
        dollars(call.cost.nanos()).into(),
        call.own_key.to_string().into(),
        optional(call.first_token_us.map(|time| time.to_string())).into(),
        call.total_us.to_string().into(),
        call.retries.to_string().into(),
        call.outcome.name().into(),
        cell(call.code.as_deref().unwrap_or_default()),
    ];
    part.push_str(&cells.join(","));
    part.push_str("\r\n");
}

/// An exact number of dollars.
fn dollars(nanos: u64) -> String {
    format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

/// A text that no spreadsheet takes for a formula, quoted where it has to be.
fn cell(text: &str) -> Cow<'_, str> {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    if !is_formula && !text.contains(['"', ',', '\r', '\n']) {
        return text.into();
    }
    let mut quoted = String::with_capacity(text.len() + 4);
    let guard = if is_formula { "'" } else { "" };
    // A String takes everything.
    let _ = write!(quoted, "\"{guard}{}\"", text.replace('"', "\"\""));
    quoted.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::record;

    #[test]
    fn cells_are_quoted_and_no_formula() {
        for (text, expected) in [
            ("codex", "codex"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\r\nb", "\"a\r\nb\""),
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@x", "\"'@x\""),
            ("\t=1", "\"'\t=1\""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_line_has_a_cell_for_each_name() {
        let mut line = String::new();
        let mut call = record(1, 1_709_251_199_999, "up/model");
        call.cost = coditect_protocol::llm::Usd::from_nanos(1_000_000_001);
        csv_line(&mut line, &call);
        assert_eq!(line.matches(',').count(), HEADER.matches(',').count());
        assert!(
            line.contains(",2024-02-29T23:59:59.999Z,") && line.contains(",1.000000001,") && line.ends_with("\r\n")
        );
    }
}
