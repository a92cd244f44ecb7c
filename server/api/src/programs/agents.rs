//! What agents and SDKs of others find in a terminal: the server's models, behind the names that they look for themselves.
//!
//! Most read variables. Some want a file in the home as well: it is written where there is none, and as long as its first line says that
//! it is ours, kept true.

use bytes::Bytes;
use coditect_metering::fits;
use coditect_protocol::RelPath;
use coditect_protocol::chat::{ModelInfo, ModelList};
use coditect_protocol::files::WriteMode;
use coditect_protocol::llm::Alias;
use coditect_workspace::WorkspaceError;
use coditect_workspace::tree::Tree;
use serde_json::{Map, Value, json};

/// Where the doors of the gateway are below the server.
const DOORS: &str = "/api/v5/llm";
/// First line of a file that is ours; the sign of a comment stands before it.
const OURS: &str = "Written by Coditect and kept true by it. Take this line away, and the file is yours.";
/// Our provider in codex's file.
const PROVIDER: &str = "[model_providers.coditect]";
/// How the line with the address begins there.
const ADDRESS: &str = "base_url = ";
/// How the line with the model begins there, and what stands between the model and its name again.
const MODEL: &str = "model = ";
const CHOSEN: &str = " # As Coditect chose it, until another is named: ";
/// codex would ask for a search that has a price of its own, which is refused where budgets count.
const SEARCH: &str = "web_search = \"disabled\"";
/// Most models that a file lists.
const MAX_MODELS: usize = 200;
/// Largest file that can be ours, in bytes.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// A maker of models whose agent asks for its own ones unless it is told of another.
struct Maker {
    /// The well-known upstream.
    upstream: &'static str,
    /// How the names begin that the agent asks for.
    beginning: &'static str,
}

const OPENAI: Maker = Maker { upstream: "openai", beginning: "gpt-5" };
const ANTHROPIC: Maker = Maker { upstream: "anthropic", beginning: "claude-" };
const GOOGLE: Maker = Maker { upstream: "gemini", beginning: "gemini-" };

/// The variables that claude-code takes models from: for the conversation, for each of its own names, and for small work.
const ANTHROPIC_MODELS: [&str; 5] = [
    "ANTHROPIC_MODEL",
    "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL",
];

/// What agents are told of the models that their person may ask.
#[derive(Debug, Default)]
pub(super) struct Models {
    ids: Vec<String>,
    /// The model for an agent whose maker's models are not to be had here.
    for_codex: Option<String>,
    for_claude: Option<String>,
    for_gemini: Option<String>,
}

impl Models {
    /// Of those that the person may ask. `has_key` tells whether there is a key for them at an upstream, even if it rests at the moment.
    pub(super) fn new(list: &ModelList, aliases: &[Alias], has_key: impl Fn(&str) -> bool) -> Self {
        // One that is loaded answers at once.
        let loaded = list.models.iter().find(|model| model.loaded == Some(true));
        // No file and no variable can hold every character.
        let there = loaded.or(list.models.first()).filter(|model| !model.id.chars().any(char::is_control));
        let instead = |maker: &Maker| {
            let is_served = maker.is_served(list, &has_key) || maker.is_led_elsewhere(aliases);
            there.filter(|_| !is_served).map(|model| model.id.clone())
        };
        Self {
            ids: list.models.iter().map(|model| model.id.clone()).collect(),
            for_codex: instead(&OPENAI),
            for_claude: instead(&ANTHROPIC),
            for_gemini: instead(&GOOGLE),
        }
    }
}

impl Maker {
    fn is_served(&self, list: &ModelList, has_key: impl Fn(&str) -> bool) -> bool {
        let is_own = |model: &ModelInfo| model.upstream == self.upstream || model.name.starts_with(self.beginning);
        if list.models.iter().any(is_own) {
            return true;
        }
        // One that cannot tell its models now may answer all the same.
        match list.upstreams.iter().find(|status| status.name == self.upstream) {
            Some(status) => status.models == 0,
            None => has_key(self.upstream),
        }
    }

    fn is_led_elsewhere(&self, aliases: &[Alias]) -> bool {
        aliases.iter().any(|alias| alias.name.starts_with(self.beginning) || fits(&alias.name, self.beginning))
    }
}

/// The variables that SDKs read, and agents that are made with them. The token is the terminal's own.
pub(super) fn variables(url: &str, token: &str, models: &Models) -> Vec<(String, String)> {
    let doors = format!("{url}{DOORS}");
    let mut variables = vec![
        ("OPENAI_BASE_URL", format!("{doors}/v1")),
        ("OPENAI_API_KEY", token.to_owned()),
        ("ANTHROPIC_BASE_URL", doors.clone()),
        ("ANTHROPIC_AUTH_TOKEN", token.to_owned()),
        ("GOOGLE_GEMINI_BASE_URL", doors),
        ("GEMINI_API_KEY", token.to_owned()),
    ];
    if let Some(model) = &models.for_claude {
        variables.extend(ANTHROPIC_MODELS.map(|name| (name, model.clone())));
    }
    if let Some(model) = &models.for_gemini {
        variables.push(("GEMINI_MODEL", model.clone()));
    }
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Writes what agents look for in a home. No file holds a token: each terminal has another one.
pub(super) async fn configure(home: &Tree, url: &str, models: &Models) -> Result<(), WorkspaceError> {
    keep(home, &[".codex"], "config.toml", &codex(url, models.for_codex.as_deref()), with_ours).await?;
    keep(home, &[".gemini"], "settings.json", &gemini(), as_it_is).await?;
    keep(home, &[".config", ".config/opencode"], "opencode.json", &opencode(url, &models.ids), anew).await
}

/// codex writes into its file as well, and so do people: only the address of our provider is ours to change, and the model as long as nobody
/// chose another. Whether there is a search is said where nobody said it.
fn with_ours(found: &str, wanted: &str) -> String {
    let address = wanted.lines().find(|line| line.starts_with(ADDRESS));
    let choice = wanted.lines().find(|line| is_choice(line));
    let mut lines: Vec<&str> = found.lines().filter(|line| !is_choice(line)).collect();
    let mut table = "";
    for line in &mut lines {
        if line.starts_with('[') {
            table = line.trim_end();
        } else if table == PROVIDER && line.starts_with(ADDRESS) {
            *line = address.unwrap_or(line);
        }
    }
    for (key, ours) in [("web_search", Some(SEARCH)), ("model", choice)] {
        // Above the first table, or it would be a key of that.
        let names_it = |line: &&str| line.split_once('=').is_some_and(|(name, _)| name.trim() == key);
        if !lines.iter().take_while(|line| !line.starts_with('[')).any(names_it) {
            let below_ours = lines.len().min(1);
            lines.splice(below_ours..below_ours, ours);
        }
    }
    lines.join("\n") + "\n"
}

/// The line that names codex's model. It says the name twice: whoever changes it changes the first only.
fn choice(model: &str) -> String {
    let name = Value::from(model);
    format!("{MODEL}{name}{CHOSEN}{name}")
}

fn is_choice(line: &str) -> bool {
    let names = line.strip_prefix(MODEL).and_then(|names| names.split_once(CHOSEN));
    names.is_some_and(|(named, chosen)| named == chosen)
}

fn as_it_is(found: &str, _: &str) -> String {
    found.to_owned()
}

fn anew(_: &str, wanted: &str) -> String {
    wanted.to_owned()
}

fn codex(url: &str, model: Option<&str>) -> String {
    let model = model.map(|model| choice(model) + "\n").unwrap_or_default();
    format!(
        "# {OURS}\n{model}model_provider = \"coditect\"\n{SEARCH}\n\n{PROVIDER}\nname = \"Coditect\"\nbase_url = \
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
    use coditect_protocol::chat::UpstreamStatus;
    use coditect_workspace::tree::TreeSettings;

    use super::*;

    async fn home(dir: &std::path::Path) -> Tree {
        Tree::open(dir.to_owned(), TreeSettings::default()).await.unwrap()
    }

    fn model(upstream: &str, name: &str, loaded: Option<bool>) -> ModelInfo {
        let (upstream, name) = (upstream.to_owned(), name.to_owned());
        ModelInfo { id: format!("{upstream}/{name}"), name, upstream, context_tokens: None, loaded }
    }

    fn list(models: Vec<ModelInfo>) -> ModelList {
        ModelList { models, upstreams: Vec::new(), advice: None }
    }

    fn local(names: &[&str]) -> Models {
        Models::new(&list(names.iter().map(|name| model("up", name, None)).collect()), &[], |_| false)
    }

    /// For codex, claude-code and gemini-cli.
    fn chosen(models: &Models) -> [Option<&str>; 3] {
        [&models.for_codex, &models.for_claude, &models.for_gemini].map(Option::as_deref)
    }

    #[test]
    fn agents_are_told_of_a_model_where_their_makers_are_not_to_be_had() {
        assert_eq!(chosen(&local(&[])), [None; 3], "there is none to tell of");
        assert_eq!(chosen(&local(&["gpt-oss", "b"])), [Some("up/gpt-oss"); 3]);
        let loaded = list(vec![model("a", "x", Some(false)), model("b", "y", None), model("c", "z", Some(true))]);
        assert_eq!(chosen(&Models::new(&loaded, &[], |_| false)), [Some("c/z"); 3], "that is loaded");
        // Some have a key, and know no other names.
        let own = |key: &'static str| Models::new(&loaded, &[], move |upstream| upstream == key);
        assert_eq!(chosen(&own("openai")), [None, Some("c/z"), Some("c/z")]);
        assert_eq!(chosen(&own("anthropic")), [Some("c/z"), None, Some("c/z")]);
        assert_eq!(chosen(&own("gemini")), [Some("c/z"), Some("c/z"), None]);
        // An operator named them otherwise.
        let named = list(vec![model("up", "m", None), model("work", "claude-opus-4", None)]);
        assert_eq!(chosen(&Models::new(&named, &[], |_| false)), [Some("up/m"), None, Some("up/m")]);
        // One that is there by its name tells no models at the moment.
        let status = |models| UpstreamStatus { name: "openai".to_owned(), configured: true, models, problem: None };
        let mut silent = ModelList { upstreams: vec![status(0)], ..loaded.clone() };
        assert_eq!(chosen(&Models::new(&silent, &[], |_| false))[0], None);
        // It has some, and the person may ask none of them.
        silent.upstreams = vec![status(3)];
        assert_eq!(chosen(&Models::new(&silent, &[], |_| true))[0], Some("c/z"));
    }

    #[test]
    fn what_an_admin_leads_elsewhere_is_left_to_that() {
        let there = list(vec![model("up", "m", None)]);
        let under = |name: &str| {
            let alias = Alias { name: name.to_owned(), targets: Vec::new(), fallbacks: Vec::new() };
            chosen(&Models::new(&there, &[alias], |_| false)).map(|model| model.is_some())
        };
        assert_eq!(under("claude-*"), [true, false, true]);
        assert_eq!(under("claude-sonnet-4-5"), [true, false, true]);
        assert_eq!(under("gpt-*"), [false, true, true]);
        assert_eq!(under("gemini-3-pro"), [true, true, false]);
        assert_eq!(under("*"), [false; 3]);
        assert_eq!(under("fast"), [true; 3]);
    }

    #[test]
    fn variables_name_a_model_only_where_one_is_needed() {
        let names = |models: &Models| -> Vec<String> {
            let all = variables("http://one", "t", models).into_iter();
            all.filter(|(_, value)| value == "up/m").map(|(name, _)| name).collect()
        };
        assert!(names(&Models::default()).is_empty());
        let told = names(&local(&["m"]));
        assert!(
            ["ANTHROPIC_MODEL", "GEMINI_MODEL"].iter().all(|name| told.iter().any(|told| told == name)),
            "{told:?}"
        );
        assert_eq!(told.len(), 6);
    }

    #[test]
    fn codex_keeps_the_model_that_somebody_chose() {
        let wanted = |name: &str| codex("http://one", local(&[name]).for_codex.as_deref());
        let none = codex("http://one", None);
        let model = |file: &str| toml::from_str::<toml::Table>(file).unwrap().remove("model");
        let named = |name: &str| Some(toml::Value::from(format!("up/{name}")));
        // A name may hold anything.
        for name in ["m", "a\"b\\c", "a # As Coditect chose it, until another is named: b"] {
            assert_eq!(model(&wanted(name)), named(name));
        }
        let first = wanted("m");
        assert_eq!(model(&with_ours(&first, &wanted("n"))), named("n"));
        assert_eq!(with_ours(&first, &none), none, "the maker's own are to be had now");
        assert_eq!(with_ours(&none, &first), first);
        // codex keeps what stands behind.
        let other = first.replacen("up/m", "up/other", 1);
        assert_eq!(with_ours(&other, &wanted("n")), other);
        assert_eq!(with_ours(&other, &none), other);
        let in_a_table = format!("{none}[profiles.x]\nmodel = \"y\"\n");
        assert_eq!(model(&with_ours(&in_a_table, &first)), named("m"));
    }

    #[test]
    fn codex_keeps_what_people_wrote_beside_ours() {
        let wanted = codex("http://two", None);
        // As it was before searches were spoken of.
        let old = codex("http://one", None).replacen(&format!("{SEARCH}\n"), "", 1);
        let mended = with_ours(&old, &wanted);
        assert!(mended.contains(SEARCH) && mended.contains("http://two/"), "{mended}");
        assert_eq!(with_ours(&mended, &wanted), mended);
        let live = old.replacen("model_provider", "web_search = \"live\"\nmodel_provider", 1);
        assert!(!with_ours(&live, &wanted).contains(SEARCH));
        let beside = format!("{wanted}\n[model_providers.mine]\nbase_url = \"https://mine/v1\"\n");
        assert_eq!(with_ours(&beside, &wanted), beside);
    }

    #[tokio::test]
    async fn files_are_written_once_and_kept_true() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(dir.path()).await;
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        configure(&home, "http://one", &local(&["m"])).await.unwrap();
        assert!(read(".codex/config.toml").contains("base_url = \"http://one/api/v5/llm/v1\""));
        assert!(read(".gemini/settings.json").contains("gemini-api-key"));
        assert!(read(".config/opencode/opencode.json").contains("\"up/m\""));
        // codex adds what it is told to trust.
        let own = read(".codex/config.toml") + "[projects.\"/workspace\"]\ntrust_level = \"trusted\"\n";
        std::fs::write(dir.path().join(".codex/config.toml"), own).unwrap();
        configure(&home, "http://two", &local(&["n"])).await.unwrap();
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
        let _ = configure(&home, "http://one", &Models::default()).await;
        assert_eq!(std::fs::read_to_string(dir.path().join(".codex/config.toml")).unwrap(), "model = \"mine\"\n");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
