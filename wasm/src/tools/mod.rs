//! The tools that a model may use on the workspace.
//!
//! They see the workspace and nothing else: not the home, where keys may lie, and nothing above. Whatever goes wrong is told to the
//! model as text, so that it can do better; only the person's own cancelling ends the call.

mod text;

use std::rc::Rc;

use coditect_protocol::Kind;
use coditect_protocol::call::{Reply, Request};
use coditect_protocol::chat::ToolSpec;
use coditect_protocol::files::{FileKind, Page, Place, Root, WriteMode};
use coditect_protocol::search::{FileMatches, FindFiles, SearchText};
use coditect_protocol::{Coded, RelPath};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::abort::Abort;
use crate::core::Core;
use crate::error::{ShellError, expect_reply};
use text::Lines;

/// Most entries of a folder in one answer.
const MAX_ENTRIES: usize = 500;
/// Most files found in one answer.
const MAX_FOUND_FILES: u32 = 100;
/// Most matches of a text search in one answer.
const MAX_FOUND_MATCHES: u32 = 200;
/// Longest line of a match that is shown, in bytes.
const MAX_MATCH_LINE_BYTES: usize = 300;
/// Largest file that a tool reads or writes, in bytes.
const MAX_TOOL_FILE_BYTES: u64 = 1024 * 1024;

struct Tool {
    name: &'static str,
    description: &'static str,
    /// JSON Schema.
    parameters: &'static str,
    /// It changes something: a person has to agree.
    changes: bool,
}

const TOOLS: [Tool; 6] = [
    Tool {
        name: "list_files",
        description: "Lists the files and folders in one folder of the workspace.",
        parameters: r#"{"type":"object","properties":{"path":{"type":"string","description":"Folder, relative to the workspace; the workspace itself where left out."}},"required":[]}"#,
        changes: false,
    },
    Tool {
        name: "find_files",
        description: "Finds files of the workspace by a fuzzy pattern on their path, best first.",
        parameters: r#"{"type":"object","properties":{"pattern":{"type":"string","description":"Part of the path or its letters in order."},"include":{"type":"array","items":{"type":"string"},"description":"Globs; only matching paths are answered."}},"required":["pattern"]}"#,
        changes: false,
    },
    Tool {
        name: "read_file",
        description: "Reads a text file of the workspace, or some of its lines.",
        parameters: r#"{"type":"object","properties":{"path":{"type":"string","description":"File, relative to the workspace."},"start_line":{"type":"integer","minimum":1,"description":"First line; 1 where left out."},"end_line":{"type":"integer","minimum":1,"description":"Last line; the end where left out."}},"required":["path"]}"#,
        changes: false,
    },
    Tool {
        name: "search_text",
        description: "Searches the text of the workspace's files. Answers path:line: text.",
        parameters: r#"{"type":"object","properties":{"query":{"type":"string","description":"Text to find."},"regex":{"type":"boolean","description":"query is a regular expression."},"case_sensitive":{"type":"boolean"},"include":{"type":"array","items":{"type":"string"},"description":"Globs; only matching files are searched."},"path":{"type":"string","description":"Folder to search, relative to the workspace."}},"required":["query"]}"#,
        changes: false,
    },
    Tool {
        name: "write_file",
        description: "Writes a whole text file of the workspace; makes it and its folders where they are missing.",
        parameters: r#"{"type":"object","properties":{"path":{"type":"string","description":"File, relative to the workspace."},"content":{"type":"string","description":"The whole new content."}},"required":["path","content"]}"#,
        changes: true,
    },
    Tool {
        name: "edit_file",
        description: "Replaces one piece of text in a file of the workspace. old_text must stand there exactly once.",
        parameters: r#"{"type":"object","properties":{"path":{"type":"string","description":"File, relative to the workspace."},"old_text":{"type":"string","description":"The text to replace, copied exactly, with enough around it to be unique."},"new_text":{"type":"string","description":"What to put in its place."}},"required":["path","old_text","new_text"]}"#,
        changes: true,
    },
];

/// The tools, for a model.
pub(crate) fn specs() -> Vec<ToolSpec> {
    let spec = |tool: &Tool| ToolSpec {
        name: tool.name.to_owned(),
        description: tool.description.to_owned(),
        parameters: tool.parameters.to_owned(),
    };
    TOOLS.iter().map(spec).collect()
}

/// Whether a person has to agree before the tool runs. Of a tool nobody knows nothing good is assumed.
pub(crate) fn needs_confirmation(name: &str) -> bool {
    TOOLS.iter().find(|tool| tool.name == name).is_none_or(|tool| tool.changes)
}

/// Why a tool did not do it: what the model is told, or the person's wish to stop.
enum Failure {
    Told(String),
    Cancelled,
}

impl From<ShellError> for Failure {
    fn from(error: ShellError) -> Self {
        match error {
            ShellError::Cancelled => Self::Cancelled,
            other => Self::Told(other.problem().message),
        }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Told(message)
    }
}

type Outcome = Result<String, Failure>;

#[derive(Deserialize)]
struct PathArgs {
    #[serde(default)]
    path: Option<String>,
}

#[derive(Deserialize)]
struct FindArgs {
    pattern: String,
    #[serde(default)]
    include: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct ReadArgs {
    path: String,
    #[serde(default)]
    start_line: Option<u64>,
    #[serde(default)]
    end_line: Option<u64>,
}

#[derive(Deserialize)]
struct SearchArgs {
    query: String,
    #[serde(default)]
    regex: Option<bool>,
    #[serde(default)]
    case_sensitive: Option<bool>,
    #[serde(default)]
    include: Option<Vec<String>>,
    #[serde(default)]
    path: Option<String>,
}

#[derive(Deserialize)]
struct WriteArgs {
    path: String,
    content: String,
}

#[derive(Deserialize)]
struct EditArgs {
    path: String,
    old_text: String,
    new_text: String,
}

fn arguments<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    let value = js_sys::JSON::parse(text).map_err(|_| Failure::Told("the arguments are not JSON".to_owned()))?;
    crate::from_js(value).map_err(|error| Failure::Told(format!("the arguments do not fit: {error}")))
}

impl Core {
    /// Runs a tool; answers what the model gets to read.
    pub(crate) async fn run_tool(self: &Rc<Self>, name: &str, args: &str, abort: &Abort) -> Result<String, ShellError> {
        let outcome = match name {
            "list_files" => self.tool_list(args, abort).await,
            "find_files" => self.tool_find(args, abort).await,
            "read_file" => self.tool_read(args, abort).await,
            "search_text" => self.tool_search(args, abort).await,
            "write_file" => self.tool_write(args, abort).await,
            "edit_file" => self.tool_edit(args, abort).await,
            _ => Err(Failure::Told(format!("there is no tool {name:?}"))),
        };
        match outcome {
            Ok(text) => Ok(text),
            Err(Failure::Told(message)) => Ok(format!("Error: {message}")),
            Err(Failure::Cancelled) => Err(ShellError::Cancelled),
        }
    }

    /// The place a model means. Absolute paths of the workspace are understood, the home is out of reach.
    fn tool_place(&self, path: &str) -> Result<Place, Failure> {
        let root = Root::Workspace(self.workspace_id()?);
        Ok(Place { root, path: self.mounts().in_workspace(path)? })
    }

    async fn tool_call(&self, request: Request, abort: &Abort) -> Result<Reply, Failure> {
        Ok(self.link.start(request)?.finish(abort, |_| Ok(())).await?)
    }

    async fn tool_list(&self, args: &str, abort: &Abort) -> Outcome {
        let args: PathArgs = arguments(args)?;
        let place = self.tool_place(args.path.as_deref().unwrap_or_default())?;
        let reply = self.tool_call(Request::ReadFolder { place, page: Page::default() }, abort).await?;
        let listing = expect_reply!(reply, Reply::Folder(listing) => listing)?;
        let mut lines = Lines::default();
        for entry in listing.entries.iter().take(MAX_ENTRIES) {
            match entry.kind {
                FileKind::Folder => lines.push(&format!("{}/", entry.name)),
                FileKind::File => lines.push(&format!("{} ({} bytes)", entry.name, entry.size)),
                FileKind::BrokenLink => lines.push(&format!("{} (broken link)", entry.name)),
                FileKind::Other => lines.push(&format!("{} (not a file)", entry.name)),
            }
        }
        if listing.entries.len() > MAX_ENTRIES {
            lines.push(&format!("[… {} entries in all; use find_files]", listing.entries.len()));
        }
        Ok(lines.finish("The folder is empty."))
    }

    async fn tool_find(&self, args: &str, abort: &Abort) -> Outcome {
        let args: FindArgs = arguments(args)?;
        let query = FindFiles {
            pattern: args.pattern,
            fuzzy: true,
            limit: MAX_FOUND_FILES,
            use_ignore_files: true,
            include: args.include.unwrap_or_default(),
            ..FindFiles::default()
        };
        let (paths, limit_reached) = self.find_relative(query, abort).await?;
        let mut lines = Lines::default();
        paths.iter().for_each(|path| lines.push(path));
        if limit_reached {
            lines.push("[… there are more; use a longer pattern]");
        }
        Ok(lines.finish("No file was found."))
    }

    async fn tool_read(&self, args: &str, abort: &Abort) -> Outcome {
        let args: ReadArgs = arguments(args)?;
        let (text, _) = self.tool_text(&args.path, abort).await?;
        Ok(text::show_lines(&args.path, &text, args.start_line, args.end_line)?)
    }

    /// A text file and the tag of the version that was read.
    async fn tool_text(&self, path: &str, abort: &Abort) -> Result<(String, String), Failure> {
        let place = self.tool_place(path)?;
        // One byte more shows that there is more than fits.
        let content = self.read_place(place, 0, Some(MAX_TOOL_FILE_BYTES + 1), abort).await?;
        if content.bytes.len() as u64 > MAX_TOOL_FILE_BYTES {
            return Err(Failure::Told(format!(
                "{path} has {} bytes, more than the {MAX_TOOL_FILE_BYTES} that a tool reads; use search_text",
                content.stat.size
            )));
        }
        Ok((text::as_text(content.bytes).map_err(str::to_owned)?, content.stat.etag))
    }

    async fn tool_search(&self, args: &str, abort: &Abort) -> Outcome {
        let args: SearchArgs = arguments(args)?;
        let folder = args.path.filter(|path| !path.is_empty());
        let folders = folder.map(|path| self.mounts().in_workspace(&path)).transpose()?;
        let query = SearchText {
            query: args.query,
            regex: args.regex.unwrap_or_default(),
            case_sensitive: args.case_sensitive.unwrap_or_default(),
            include: args.include.unwrap_or_default(),
            max_matches: MAX_FOUND_MATCHES,
            max_file_bytes: MAX_TOOL_FILE_BYTES,
            folders: folders.into_iter().filter(|folder: &RelPath| !folder.is_root()).collect(),
            ..SearchText::default()
        };
        let mut lines = Lines::default();
        let summary = self
            .search_relative(query, abort, |files| files.iter().for_each(|found| push_matches(&mut lines, found)))
            .await?;
        if summary.limit_reached {
            lines.push("[… there are more; search for something more specific]");
        }
        Ok(lines.finish("Nothing was found."))
    }

    async fn tool_write(&self, args: &str, abort: &Abort) -> Outcome {
        let args: WriteArgs = arguments(args)?;
        let place = self.tool_place(&args.path)?;
        check_size(args.content.len())?;
        // Tied to what is there now, so that a change meanwhile is not lost.
        let mode = match self.tool_call(Request::Stat(place.clone()), abort).await {
            Ok(Reply::Stat(stat)) if stat.kind == FileKind::File => WriteMode::Replace(stat.etag),
            Ok(_) => return Err(Failure::Told(format!("{} is not a file", args.path))),
            Err(_) => WriteMode::CreateNew,
        };
        if abort.is_aborted() {
            return Err(Failure::Cancelled);
        }
        self.tool_store(&args.path, place, args.content, mode).await
    }

    async fn tool_edit(&self, args: &str, abort: &Abort) -> Outcome {
        let args: EditArgs = arguments(args)?;
        let (text, etag) = self.tool_text(&args.path, abort).await?;
        let changed = text::replace_once(&text, &args.old_text, &args.new_text)?;
        check_size(changed.len())?;
        if abort.is_aborted() {
            return Err(Failure::Cancelled);
        }
        let place = self.tool_place(&args.path)?;
        self.tool_store(&args.path, place, changed, WriteMode::Replace(etag)).await
    }

    async fn tool_store(&self, path: &str, place: Place, content: String, mode: WriteMode) -> Outcome {
        let bytes = content.len();
        match self.write_place(place, content.into_bytes(), mode).await {
            Ok(_) => Ok(format!("Wrote {path} ({bytes} bytes).")),
            Err(error) if matches!(error.kind(), Kind::PreconditionFailed | Kind::Conflict) => {
                Err(Failure::Told(format!("{path} was changed by someone else meanwhile; read it again first")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn check_size(bytes: usize) -> Result<(), Failure> {
    if bytes as u64 <= MAX_TOOL_FILE_BYTES {
        return Ok(());
    }
    Err(Failure::Told(format!(
        "the file would have {bytes} bytes, more than the {MAX_TOOL_FILE_BYTES} that a tool writes"
    )))
}

fn push_matches(lines: &mut Lines, found: &FileMatches) {
    for one in &found.matches {
        let text = text::clip(one.text.trim_end(), MAX_MATCH_LINE_BYTES);
        lines.push(&format!("{}:{}: {text}", found.path, one.line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changing_needs_a_person() {
        for tool in ["write_file", "edit_file", "rm -rf", ""] {
            assert!(needs_confirmation(tool), "{tool}");
        }
        for tool in ["list_files", "find_files", "read_file", "search_text"] {
            assert!(!needs_confirmation(tool), "{tool}");
        }
    }

    #[test]
    fn schemas_are_json_and_name_what_is_required() {
        for spec in specs() {
            let schema: serde_json::Value = serde_json::from_str(&spec.parameters).unwrap();
            assert_eq!(schema["type"], "object", "{}", spec.name);
            for name in schema["required"].as_array().unwrap() {
                assert!(schema["properties"][name.as_str().unwrap()].is_object(), "{}: {name}", spec.name);
            }
        }
    }
}
