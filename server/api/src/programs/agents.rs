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
/// How the line with the address begins in codex's file.
const ADDRESS: &str = "base_url = ";
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
    keep(home, &[".codex"], "config.toml", &codex(url), with_address).await?;
    keep(home, &[".gemini"], "settings.json", &gemini(), as_it_is).await?;
    keep(home, &[".config", ".config/opencode"], "opencode.json", &opencode(url, models), anew).await
}

/// codex writes into its file as well, so that only the address in it is ours to change.
fn with_address(found: &str, wanted: &str) -> String {
    let address = |line: &&str| line.starts_with(ADDRESS);
    let Some(wanted) = wanted.lines().find(address) else { return found.to_owned() };
    let lines = found.lines().map(|line| if address(&line) { wanted } else { line });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn as_it_is(found: &str, _: &str) -> String {
    found.to_owned()
}

fn anew(_: &str, wanted: &str) -> String {
    wanted.to_owned()
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

/// Writes a file below these folders where there is none. Of one that is ours, `mend` makes what it should be.
async fn keep(
    home: &Tree,
    folders: &[&str],
    name: &str,
    wanted: &str,
    mend: fn(&str, &str) -> String,
) -> Result<(), WorkspaceError> {
    let folder = folders.last().copied().unwrap_or_default();
    let path = rel(&format!("{folder}/{name}"))?;
    let (content, mode) = match home.read(&path, 0, None, MAX_FILE_BYTES).await {
        Ok((stat, found)) => match std::str::from_utf8(&found).ok().filter(|found| is_ours(found)) {
            Some(found) => {
                let mended = mend(found, wanted);
                if mended == found {
                    return Ok(());
                }
                (mended, WriteMode::Replace(stat.etag))
            }
            None => return Ok(()),
        },
        Err(WorkspaceError::NotFound(_)) => {
            for folder in folders {
                home.make_folder(&rel(folder)?).await?;
            }
            (wanted.to_owned(), WriteMode::CreateNew)
        }
        Err(error) => return Err(error),
    };
    home.write(&path, Bytes::from(content), mode).await.map(drop)
}

fn rel(path: &str) -> Result<RelPath, WorkspaceError> {
    RelPath::parse(path).map_err(WorkspaceError::from)
}

fn is_ours(found: &str) -> bool {
    found.lines().next().is_some_and(|first| first.ends_with(OURS))
}

#[cfg(test)]
mod tests {
    use coditect_workspace::tree::TreeSettings;

    use super::*;

    async fn home(dir: &std::path::Path) -> Tree {
        Tree::open(dir.to_owned(), TreeSettings::default()).await.unwrap()
    }

    #[tokio::test]
    async fn files_are_written_once_and_kept_true() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(dir.path()).await;
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        configure(&home, "http://one", &["up/m".to_owned()]).await.unwrap();
        assert!(read(".codex/config.toml").contains("base_url = \"http://one/api/v5/llm/v1\""));
        assert!(read(".gemini/settings.json").contains("gemini-api-key"));
        assert!(read(".config/opencode/opencode.json").contains("\"up/m\""));
        // codex adds what it is told to trust.
        let own = read(".codex/config.toml") + "[projects.\"/workspace\"]\ntrust_level = \"trusted\"\n";
        std::fs::write(dir.path().join(".codex/config.toml"), own).unwrap();
        configure(&home, "http://two", &["up/n".to_owned()]).await.unwrap();
        let codex = read(".codex/config.toml");
        assert!(
            codex.contains("http://two/") && !codex.contains("http://one/") && codex.contains("trust_level"),
            "{codex}"
        );
        let opencode = read(".config/opencode/opencode.json");
        assert!(opencode.contains("up/n") && opencode.contains("http://two/"), "{opencode}");
    }

    #[tokio::test]
    async fn what_is_the_persons_own_stays() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".codex")).unwrap();
        std::fs::write(dir.path().join(".codex/config.toml"), "model = \"mine\"\n").unwrap();
        // A link is never followed, wherever it leads.
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join(".gemini")).unwrap();
        let home = home(dir.path()).await;
        let _ = configure(&home, "http://one", &[]).await;
        assert_eq!(std::fs::read_to_string(dir.path().join(".codex/config.toml")).unwrap(), "model = \"mine\"\n");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
