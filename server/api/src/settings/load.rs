//! From flags, variables and the file to [`Settings`].

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command, FromArgMatches};
use coditect_protocol::{Coded, Kind};

use super::check::out_of_bounds;
use super::{Given, Settings, UpstreamGiven, VARIABLE_PREFIX, rows};

/// Why the settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key that is no setting.
    #[error("{path}, line {line}: there is no setting `{name}`{hint}; `coditect-v5-api settings` lists them all")]
    UnknownSetting {
        /// The file.
        path: PathBuf,
        /// Line in it.
        line: usize,
        /// The key.
        name: String,
        /// `, did you mean …?`
        hint: String,
    },
    /// A setting of an older version.
    #[error("{place} has `{old}`, which is not taken any more: {instead}")]
    Renamed {
        /// Where it was found.
        place: String,
        /// Its name.
        old: &'static str,
        /// What to write instead.
        instead: &'static str,
    },
    /// Not TOML, or a value of the wrong kind.
    #[error("{path}, line {line}: {message}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line in it.
        line: usize,
        /// What and where.
        message: String,
    },
    /// A flag or variable with a value of the wrong kind.
    #[error(transparent)]
    Flags(#[from] clap::Error),
    /// A value of the right kind that cannot work.
    #[error("the setting `{name}` cannot be used: {reason}")]
    BadValue {
        /// The setting.
        name: &'static str,
        /// Why.
        reason: String,
    },
    /// `api_key_env` names a variable that is not set.
    #[error("the upstream `{upstream}` takes its key from the variable {variable}, which is not set")]
    KeyVariable {
        /// The upstream.
        upstream: String,
        /// The variable.
        variable: String,
    },
}

impl Coded for LoadError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "config.unreadable",
            Self::UnknownSetting { .. } => "config.unknown_setting",
            Self::Renamed { .. } => "config.renamed",
            Self::Malformed { .. } => "config.malformed",
            Self::Flags(_) => "config.flags",
            Self::BadValue { .. } => "config.bad_value",
            Self::KeyVariable { .. } => "config.key_variable",
        }
    }
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// Settings of older versions, and what to write instead. Left alone, a server could be open that was meant to be closed.
const RENAMED: [(&str, &str); 1] = [(
    "registration_open",
    "write registration = \"open\" instead of true, and registration = \"closed\" instead of false",
)];

/// Adds the variable of each setting, and its default, to the flags.
pub(crate) fn with_variables(command: Command) -> Command {
    let rows = rows();
    command.mut_args(|arg| {
        let Some(row) = rows.iter().find(|row| arg.get_id() == row.name) else { return arg };
        let arg = arg.env(format!("{VARIABLE_PREFIX}{}", row.name.to_uppercase())).hide_env_values(true);
        let arg = if row.default.starts_with('[') { arg.value_delimiter(',') } else { arg };
        let help = format!("{} [default: {}]", row.doc, row.default);
        arg.help(help)
    })
}

/// The settings from parsed flags and variables, and the file they name.
pub fn load(matches: &ArgMatches, file: Option<&Path>) -> Result<Settings, LoadError> {
    load_given(Given::from_arg_matches(matches)?, file)
}

/// The same from some of them, for commands that take only those.
pub(crate) fn load_given(flags: Given, file: Option<&Path>) -> Result<Settings, LoadError> {
    refuse_renamed_variables(|name| std::env::var_os(name).is_some())?;
    let given = file.map(read).transpose()?.unwrap_or_default();
    let mut settings = Settings::from_given(flags, given);
    settings.config_file = file.map(Path::to_owned);
    for upstream in &mut settings.llm_upstream {
        resolve_key(upstream)?;
    }
    match out_of_bounds(&settings) {
        Some((name, reason)) => Err(LoadError::BadValue { name, reason }),
        None => Ok(settings),
    }
}

fn refuse_renamed_variables(is_set: impl Fn(&str) -> bool) -> Result<(), LoadError> {
    for (old, instead) in RENAMED {
        let variable = format!("{VARIABLE_PREFIX}{}", old.to_uppercase());
        if is_set(&variable) {
            return Err(LoadError::Renamed { place: format!("the environment ({variable})"), old, instead });
        }
    }
    Ok(())
}

fn resolve_key(upstream: &mut UpstreamGiven) -> Result<(), LoadError> {
    if let Some(variable) = upstream.api_key_env.take() {
        let key = std::env::var(&variable)
            .map_err(|_| LoadError::KeyVariable { upstream: upstream.name.clone(), variable: variable.clone() })?;
        upstream.api_key = Some(key);
    }
    Ok(())
}

fn read(path: &Path) -> Result<Given, LoadError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| malformed(path, &text, &error))?;
    if let Some((old, instead)) = RENAMED.into_iter().find(|(old, _)| table.contains_key(*old)) {
        return Err(LoadError::Renamed { place: path.display().to_string(), old, instead });
    }
    if let Some(name) = table.keys().find(|key| !rows().iter().any(|row| row.name == key.as_str())) {
        return Err(LoadError::UnknownSetting {
            path: path.to_owned(),
            line: text
                .lines()
                .position(|line| line.trim_start().trim_start_matches('[').starts_with(name.as_str()))
                .map_or(1, |index| index + 1),
            name: name.clone(),
            hint: nearest(name).map(|near| format!(", did you mean `{near}`?")).unwrap_or_default(),
        });
    }
    toml::from_str(&text).map_err(|error| malformed(path, &text, &error))
}

/// Without the excerpt of the file, which may hold a key.
fn malformed(path: &Path, text: &str, error: &toml::de::Error) -> LoadError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    LoadError::Malformed {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        message: error.message().to_owned(),
    }
}

fn nearest(name: &str) -> Option<&'static str> {
    /// More changed letters than this are no typing error.
    const MAX_DISTANCE: usize = 4;
    rows()
        .into_iter()
        .map(|row| (distance(name, row.name), row.name))
        .filter(|&(far, _)| far <= MAX_DISTANCE)
        .min()
        .map(|(_, near)| near)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.chars().enumerate() {
            let substituted = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use clap::Args as _;

    use super::*;
    use crate::settings::Discover;

    fn settings(args: &[&str], file: Option<&str>) -> Result<Settings, LoadError> {
        let command = with_variables(Given::augment_args(Command::new("test")));
        let matches = command.try_get_matches_from([&["test"], args].concat())?;
        let mut on_disk = tempfile::NamedTempFile::new().unwrap();
        on_disk.write_all(file.unwrap_or_default().as_bytes()).unwrap();
        load(&matches, file.map(|_| on_disk.path()))
    }

    #[test]
    fn a_flag_beats_the_file_and_the_file_the_default() {
        let file = "access_token_seconds = 5\nsession_idle_days = 3";
        let settings = settings(&["--access-token-seconds", "7"], Some(file)).unwrap();
        assert_eq!(
            (settings.access_token_seconds, settings.session_idle_days, settings.session_absolute_days),
            (7, 3, 90)
        );
    }

    #[test]
    fn lists_and_upstreams() {
        let settings = settings(
            &["--llm-upstream", "a=http://a/v1", "--llm-upstream", "b=http://b/v1", "--import-path", "/x,/y"],
            None,
        )
        .unwrap();
        assert_eq!(settings.llm_upstream.len(), 2);
        assert_eq!(settings.import_path, [PathBuf::from("/x"), PathBuf::from("/y")]);
    }

    #[test]
    fn discovery_is_a_word_or_as_before_yes_or_no() {
        let check = |args: &[&str], file: Option<&str>, expected: Discover| {
            assert_eq!(settings(args, file).unwrap().llm_discover, expected, "{args:?} {file:?}");
        };
        check(&[], None, Discover::Auto);
        for (word, expected) in [
            ("auto", Discover::Auto),
            ("on", Discover::On),
            ("off", Discover::Off),
            ("true", Discover::On),
            ("false", Discover::Off),
        ] {
            check(&["--llm-discover", word], None, expected);
            check(&[], Some(&format!("llm_discover = \"{word}\"")), expected);
        }
        check(&[], Some("llm_discover = true"), Discover::On);
        check(&[], Some("llm_discover = false"), Discover::Off);
        assert_eq!(settings(&["--llm-discover", "maybe"], None).unwrap_err().code(), "config.flags");
        let error = settings(&[], Some("log = \"info\"\nllm_discover = \"maybe\"")).unwrap_err();
        assert!(error.to_string().contains("line 2") && error.to_string().contains("`maybe`"), "{error}");
    }

    #[test]
    fn an_upstream_may_have_headers_of_its_own() {
        let file = "[[llm_upstream]]\nname = \"x\"\nbase_url = \"http://x\"\nheaders = { x-team = \"hunter2\" }";
        let settings = settings(&[], Some(file)).unwrap();
        assert_eq!(settings.llm_upstream[0].headers["x-team"], "hunter2");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn an_unknown_setting_is_named_with_its_line_and_the_nearest() {
        let error = settings(&[], Some("log = \"info\"\nacess_token_seconds = 5")).unwrap_err();
        assert_eq!(error.code(), "config.unknown_setting");
        let text = error.to_string();
        assert!(text.contains("line 2") && text.contains("did you mean `access_token_seconds`"), "{text}");
    }

    #[test]
    fn a_setting_of_an_older_version_is_refused_with_the_new_one() {
        let error = settings(&[], Some("registration_open = false")).unwrap_err();
        assert_eq!(error.code(), "config.renamed");
        assert!(error.to_string().contains("registration = \"closed\""), "{error}");
        let error = refuse_renamed_variables(|name| name == "CODITECT_REGISTRATION_OPEN").unwrap_err();
        assert!(error.to_string().contains("CODITECT_REGISTRATION_OPEN"), "{error}");
        refuse_renamed_variables(|_| false).unwrap();
    }

    #[test]
    fn words_are_taken_from_flags_and_files() {
        use crate::settings::{Mailing, Registering};
        let given = settings(&["--registration", "invite"], Some("mail = \"file\"")).unwrap();
        assert_eq!((given.registration, given.mail), (Registering::Invite, Mailing::File));
        let error = settings(&[], Some("registration = \"maybe\"")).unwrap_err();
        assert!(error.to_string().contains("`open`, `invite`, `closed`"), "{error}");
    }

    #[test]
    fn a_wrong_value_does_not_show_the_file() {
        let error =
            settings(&[], Some("[[llm_upstream]]\nname = 3\nbase_url = \"x\"\napi_key = \"hunter2\"")).unwrap_err();
        assert_eq!(error.code(), "config.malformed");
        assert!(!error.to_string().contains("hunter2"));
        assert!(error.to_string().contains("line 2"), "{error}");
    }

    #[test]
    fn values_that_cannot_work_are_refused_with_their_bounds() {
        let check = |args: &[&str], name: &str| {
            let error = settings(args, None).unwrap_err();
            assert_eq!(error.code(), "config.bad_value", "{args:?}");
            assert!(error.to_string().contains(name), "{error}");
        };
        check(&["--link-buffer-bytes", "0"], "`link_buffer_bytes`");
        check(&["--link-max-calls", "0"], "`link_max_calls`");
        check(&["--session-idle-days", "18446744073709551615"], "between 1 and");
        check(&["--clone-timeout-minutes", "18446744073709551615"], "`clone_timeout_minutes`");
        check(&["--files-max-call-bytes", "99999999999"], "67108864");
        check(&["--login-account-burst", "0"], "`login_account_burst`");
        check(&["--chats-per-person", "0"], "`chats_per_person`");
        check(&["--plugin-save-seconds", "4"], "between 1 and 3");
        check(&["--plugin-stack-bytes", "1"], "`plugin_stack_bytes`");
        check(&["--password-min-chars", "7"], "`password_min_chars`");
        check(&["--password-min-chars", "100", "--password-max-chars", "64"], "`password_min_chars`");
        for url in ["ide.example.org", "https://", "https://a/b", "https://a?b", "ftp://a", "https://u@a"] {
            check(&["--public-url", url], "`public_url`");
        }
        settings(&["--public-url", "http://127.0.0.1:8700/"], None).unwrap();
        check(&["--allowed-hosts", "https://ide.example.org"], "`allowed_hosts`");
        let defaults = settings(&[], None).unwrap();
        assert!(out_of_bounds(&defaults).is_none());
    }

    #[test]
    fn a_missing_key_variable_is_named() {
        let file = "[[llm_upstream]]\nname = \"x\"\nbase_url = \"http://x\"\napi_key_env = \"CODITECT_SURELY_UNSET\"";
        assert_eq!(settings(&[], Some(file)).unwrap_err().code(), "config.key_variable");
    }
}
