//! What agents and SDKs of others find in a terminal: the server's models, behind the names that they look for themselves.
//!
//! Most read variables. Some want a file in the home as well: it is written where there is none, and as long as its first line says that
//! it is ours, kept true.

use bytes::Bytes;
use coditect_protocol::RelPath;
use coditect_protocol::files::WriteMode;
use coditect_workspace::WorkspaceError;
use coditect_workspace::tree::Tree;
use serde_json::{Map, Value, json};

/// Where the doors of the gateway are below the server.
const DOORS: &str = "/api/v5/llm";
/// First line of a file that is ours; the sign of a comment stands before it.
const OURS: &str = "Written by Coditect and kept true by it. Take this line away, and the file is yours.";
/// Most models that a file lists.
const MAX_MODELS: usize = 200;
/// Largest file that can be ours, in bytes.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// The variables that SDKs read, and agents that are made with them. The token is the terminal's own.
pub(super) fn variables(url: &str, token: &str) -> [(String, String); 6] {
    let doors = format!("{url}{DOORS}");
    [
        ("OPENAI_BASE_URL", format!("{doors}/v1")),
        ("OPENAI_API_KEY", token.to_owned()),
        ("ANTHROPIC_BASE_URL", doors.clone()),
        ("ANTHROPIC_AUTH_TOKEN", token.to_owned()),
        ("GOOGLE_GEMINI_BASE_URL", doors),
        ("GEMINI_API_KEY", token.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

/// Writes what agents look for in a home. No file holds a token: each terminal has another one.
pub(super) async fn configure(home: &Tree, url: &str, models: &[String]) -> Result<(), WorkspaceError> {
    keep(home, &[".codex"], "config.toml", codex(url)).await?;
    keep(home, &[".gemini"], "settings.json", gemini()).await?;
    keep(home, &[".config", ".config/opencode"], "opencode.json", opencode(url, models)).await
}

fn codex(url: &str) -> String {
    format!(
        "# {OURS}\nmodel_provider = \"coditect\"\n\n[model_providers.coditect]\nname = \"Coditect\"\nbase_url = \
         \"{url}{DOORS}/v1\"\nenv_key = \"OPENAI_API_KEY\"\nwire_api = \"responses\"\nsupports_websockets = true\n"
    )
}

fn gemini() -> String {
    let settings = json!({ "security": { "auth": { "selectedType": "gemini-api-key" } } });
    format!("// {OURS}\n{settings:#}\n")
}

fn opencode(url: &str, models: &[String]) -> String {
    let models: Map<String, Value> =
        models.iter().take(MAX_MODELS).map(|model| (model.clone(), json!({ "name": model }))).collect();
    let provider = json!({
        "npm": "@ai-sdk/openai-compatible",
        "name": "Coditect",
        "options": { "baseURL": format!("{url}{DOORS}/v1"), "apiKey": "{env:OPENAI_API_KEY}" },
        "models": models,
    });
    let settings = json!({ "$schema": "https://opencode.ai/config.json", "provider": { "coditect": provider } });
    format!("// {OURS}\n{settings:#}\n")
}

/// Writes a file below these folders where there is none, or where the one that is there is ours and says something else.
async fn keep(home: &Tree, folders: &[&str], name: &str, content: String) -> Result<(), WorkspaceError> {
    let folder = folders.last().copied().unwrap_or_default();
    let path = rel(&format!("{folder}/{name}"))?;
    let mode = match home.read(&path, 0, None, MAX_FILE_BYTES).await {
        Ok((_, found)) if !is_ours(&found) || found == content.as_bytes() => return Ok(()),
        Ok((stat, _)) => WriteMode::Replace(stat.etag),
        Err(WorkspaceError::NotFound(_)) => {
            for folder in folders {
                home.make_folder(&rel(folder)?).await?;
            }
            WriteMode::CreateNew
        }
        Err(error) => return Err(error),
    };
    home.write(&path, Bytes::from(content), mode).await.map(drop)
}

fn rel(path: &str) -> Result<RelPath, WorkspaceError> {
    RelPath::parse(path).map_err(WorkspaceError::from)
}

fn is_ours(found: &[u8]) -> bool {
    let first = found.split(|byte| *byte == b'\n').next().unwrap_or_default();
    first.ends_with(OURS.as_bytes())
}
