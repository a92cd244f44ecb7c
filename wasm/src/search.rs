//! Search for files and for text, and replacement, with absolute paths.

mod document;

use coditect_protocol::call::{Item, Reply, Request};
use coditect_protocol::files::Root;
use coditect_protocol::path::RelPath;
use coditect_protocol::problem::Problem;
use coditect_protocol::search::{
    ContextLine, FileMatches, FileReplacements, FindFiles, ReplaceFile, ReplaceSummary, ReplaceText, ReplacedLines,
    SearchSummary, SearchText, TextMatch,
};
use js_sys::{Function, Promise};
use serde::{Deserialize, Serialize};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use self::document::Document;
use crate::abort::Abort;
use crate::core::Core;
use crate::error::{ShellError, expect_reply};
use crate::link::Step;
use crate::listeners::report;
use crate::{Shell, from_js, to_js};

/// Files found, best first.
#[derive(Debug, Serialize, Tsify)]
pub struct FoundFiles {
    /// Their absolute paths.
    pub paths: Vec<String>,
    /// There are more.
    pub limit_reached: bool,
}

/// Matches in one file.
#[derive(Debug, Serialize, Tsify)]
pub struct FoundMatches {
    /// The file's absolute path.
    pub path: String,
    /// The version of it that was looked at.
    pub etag: String,
    /// Its matches in order.
    pub matches: Vec<TextMatch>,
    /// Lines around them that were asked for, in order.
    pub context: Vec<ContextLine>,
}

/// What takes the place of matches, and where.
#[derive(Debug, Deserialize, Tsify)]
pub struct Replacement {
    /// The text; with a regular expression, `$1` and `${name}` stand for its groups and `$$` for a dollar.
    pub text: String,
    /// Keeps the match's case: all small, all capital, or capital first.
    pub preserve_case: bool,
    /// Writes nothing, and tells what would change.
    pub preview: bool,
    /// Only these files, by their absolute paths; all that match, where empty.
    pub files: Vec<NamedVersion>,
}

/// A file, and the version of it that is meant.
#[derive(Debug, Deserialize, Tsify)]
pub struct NamedVersion {
    /// The file's absolute path.
    pub path: String,
    /// Its version; any where empty.
    pub etag: String,
}

/// What was, or would be, replaced in one file.
#[derive(Debug, Serialize, Tsify)]
pub struct Replaced {
    /// The file's absolute path.
    pub path: String,
    /// Of the version that was looked at for a preview, else of the new one.
    pub etag: String,
    /// How many matches.
    pub replacements: u64,
    /// The lines concerned, for a preview.
    pub lines: Vec<ReplacedLines>,
    /// Why the file was left as it is, where it was.
    #[tsify(type = "{ code: string, message: string }")]
    pub problem: Option<Problem>,
}

impl Core {
    /// Finds files of the workspace; paths relative to it.
    pub(crate) async fn find_relative(
        &self,
        query: FindFiles,
        abort: &Abort,
    ) -> Result<(Vec<String>, bool), ShellError> {
        let workspace = self.workspace_id()?;
        let call = self.link.start(Request::FindFiles { workspace, query })?;
        let reply = call.finish(abort, |_| Ok(())).await?;
        expect_reply!(reply, Reply::Paths { paths, limit_reached } => (paths, limit_reached))
    }

    /// Finds files of the workspace.
    pub(crate) async fn find_files(&self, query: FindFiles, abort: &Abort) -> Result<FoundFiles, ShellError> {
        let root = Root::Workspace(self.workspace_id()?);
        let (paths, limit_reached) = self.find_relative(query, abort).await?;
        let mounts = self.mounts();
        let absolute = |path: &String| mounts.absolute(root, &RelPath::parse(path).ok()?);
        Ok(FoundFiles { paths: paths.iter().filter_map(absolute).collect(), limit_reached })
    }

    /// Searches text; hands on the matches of some files at a time, as the server finds them.
    pub(crate) async fn search_relative(
        &self,
        query: SearchText,
        abort: &Abort,
        mut on_matches: impl FnMut(Vec<FileMatches>),
    ) -> Result<SearchSummary, ShellError> {
        let workspace = self.workspace_id()?;
        let call = self.link.start(Request::SearchText { workspace, query })?;
        let reply = call
            .finish(abort, |step| {
                match step {
                    Step::Item(Item::Matches(files)) => on_matches(files),
                    Step::Item(_) => return Err(ShellError::UnexpectedReply),
                    // Only where nothing was handed on yet.
                    Step::Restarted => {}
                }
                Ok(())
            })
            .await?;
        expect_reply!(reply, Reply::Searched(summary) => summary)
    }

    /// Matches with their absolute paths.
    pub(crate) fn found_matches(&self, files: Vec<FileMatches>) -> Vec<FoundMatches> {
        let mounts = self.mounts();
        let Some(root) = mounts.workspace_root() else { return Vec::new() };
        let absolute = |found: FileMatches| {
            let path = mounts.absolute(root, &found.path)?;
            Some(FoundMatches { path, etag: found.etag, matches: found.matches, context: found.context })
        };
        files.into_iter().filter_map(absolute).collect()
    }

    /// Replaces text; hands on what was done as the server does it.
    async fn replace_text(
        &self,
        search: SearchText,
        replacement: Replacement,
        abort: &Abort,
        mut on_replaced: impl FnMut(Replaced),
    ) -> Result<ReplaceSummary, ShellError> {
        let workspace = self.workspace_id()?;
        let named =
            |file: NamedVersion| Ok(ReplaceFile { path: self.mounts().in_workspace(&file.path)?, etag: file.etag });
        let query = ReplaceText {
            search,
            replacement: replacement.text,
            preserve_case: replacement.preserve_case,
            preview: replacement.preview,
            files: replacement.files.into_iter().map(named).collect::<Result<_, ShellError>>()?,
        };
        let call = self.link.start(Request::ReplaceText { workspace, query })?;
        let reply = call
            .finish(abort, |step| {
                match step {
                    Step::Item(Item::Replaced(files)) => {
                        files.into_iter().filter_map(|file| self.replaced(file)).for_each(&mut on_replaced);
                    }
                    Step::Item(_) => return Err(ShellError::UnexpectedReply),
                    Step::Restarted => {}
                }
                Ok(())
            })
            .await?;
        expect_reply!(reply, Reply::Replaced(summary) => summary)
    }

    fn replaced(&self, file: FileReplacements) -> Option<Replaced> {
        let FileReplacements { path, etag, replacements, lines, problem } = file;
        let root = self.mounts().workspace_root()?;
        Some(Replaced { path: self.mounts().absolute(root, &path)?, etag, replacements, lines, problem })
    }
}

/// Replacement, and results as a document.
#[wasm_bindgen]
impl Shell {
    /// Puts another text in place of each match, or tells what that would change.
    #[wasm_bindgen(js_name = replaceText, unchecked_return_type = "Promise<ReplaceSummary>")]
    pub fn replace_text(
        &self,
        search: Ts<SearchText>,
        replacement: Ts<Replacement>,
        #[wasm_bindgen(js_name = onReplaced, unchecked_param_type = "(replaced: Replaced) => void")]
        on_replaced: Function,
        signal: Option<AbortSignal>,
    ) -> Promise {
        self.run(|core| async move {
            let search = from_js(core.relative(&search.js_value(), "folders")?)?;
            let hand_on = |file: Replaced| {
                if let Ok(value) = file.into_js() {
                    report(on_replaced.call1(&JsValue::UNDEFINED, &value));
                }
            };
            to_js(&core.replace_text(search, from_js(replacement.into())?, &Abort::of(signal), hand_on).await?)
        })
    }

    /// Searches text, and resolves with all results and the lines around them as one text.
    #[wasm_bindgen(js_name = searchDocument, unchecked_return_type = "Promise<string>")]
    pub fn search_document(&self, query: Ts<SearchText>, signal: Option<AbortSignal>) -> Promise {
        self.run(|core| async move {
            let query: SearchText = from_js(core.relative(&query.js_value(), "folders")?)?;
            let mut document = Document::new(&query);
            let summary = core
                .search_relative(query, &Abort::of(signal), |files| {
                    files.into_iter().for_each(|found| document.add(found));
                })
                .await?;
            Ok(document.finish(&summary).into())
        })
    }
}

/// `text` in small letters, capital ones, or with a capital one first, as `model` is.
#[must_use]
#[wasm_bindgen(js_name = inCaseOf)]
pub fn in_case_of(model: &str, text: &str) -> String {
    coditect_protocol::search::in_case_of(model, text)
}

/// A text with groups of lines replaced, as a preview told them. Groups that are not in the text as they were told, because they
/// were too long to be told whole or the text is another one by now, are left out.
#[wasm_bindgen(js_name = applyReplacedLines)]
pub fn apply_replaced_lines(
    text: &str,
    #[wasm_bindgen(unchecked_param_type = "ReplacedLines[]")] lines: JsValue,
) -> Result<String, ShellError> {
    Ok(apply(text, &from_js::<Vec<ReplacedLines>>(lines)?))
}

fn apply(text: &str, groups: &[ReplacedLines]) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut at, mut line) = (0, 1_u64);
    for group in groups {
        while line < group.line {
            let Some(end) = text[at..].find('\n') else { break };
            out.push_str(&text[at..=at + end]);
            at += end + 1;
            line += 1;
        }
        // An editor may hold the text with other ends of line than the file has.
        let (before, after) = if text.contains("\r\n") || !group.before.contains('\r') {
            (group.before.clone(), group.after.clone())
        } else {
            (group.before.replace("\r\n", "\n"), group.after.replace("\r\n", "\n"))
        };
        if line == group.line && text[at..].starts_with(&before) {
            out.push_str(&after);
            at += before.len();
            line += before.matches('\n').count() as u64;
        }
    }
    out.push_str(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_lines_are_put_in_place() {
        let group =
            |line, before: &str, after: &str| ReplacedLines { line, before: before.into(), after: after.into() };
        let check = |text: &str, groups: &[ReplacedLines], expected: &str| assert_eq!(apply(text, groups), expected);
        check("a\nb\nc\n", &[group(1, "a", "x"), group(3, "c", "y\nz")], "x\nb\ny\nz\n");
        check("a\nb\nc", &[group(1, "a\nb", "ab"), group(3, "c", "")], "ab\n");
        check("a\nb\nc", &[group(1, "other", "x"), group(2, "b", "y"), group(9, "c", "z")], "a\ny\nc");
        check("a\nb\n", &[group(1, "a\r\nb", "x\r\ny")], "x\ny\n");
        check("a\n\nb", &[group(1, "a\n", ""), group(3, "b", "c")], "\nc");
    }
}
