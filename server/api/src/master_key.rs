//! The key that protects secrets in the store, kept apart from it: whoever gets hold of the store alone learns none of them.
//!
//! It comes from one of several places, of which the operator names one: a file, a variable, or what a program prints that asks a key
//! management service. Wherever it comes from, it has the form of [`MasterKey::parse`]: a new key stands in front of those it follows.

mod command;
mod file;
mod variable;

use std::ffi::OsString;

use coditect_store::MasterKey;
use futures_util::future::BoxFuture;

use self::command::KeyCommand;
use self::file::KeyFile;
use self::variable::KeyVariable;
use crate::error::ServerError;
use crate::settings::{MASTER_KEY_VARIABLE, Settings};

/// Nothing that is longer can be a key with those that it follows, in bytes.
const MAX_KEY_BYTES: usize = 16 * 1024;

/// Where the key comes from.
pub(crate) trait MasterKeySource: Send + Sync {
    /// The key that seals, and those before it that still open. No error shows anything of them.
    fn read(&self) -> BoxFuture<'_, Result<MasterKey, ServerError>>;

    /// Whether there is a key without reading making one.
    fn is_there(&self) -> bool {
        true
    }
}

/// The place that the operator named. More than one is refused: which of them counts would be a guess.
pub(crate) fn source(settings: &Settings) -> Result<Box<dyn MasterKeySource>, ServerError> {
    choose(settings, std::env::var_os(MASTER_KEY_VARIABLE))
}

fn choose(settings: &Settings, variable: Option<OsString>) -> Result<Box<dyn MasterKeySource>, ServerError> {
    let file = &settings.master_key_file;
    let named = [
        (!file.as_os_str().is_empty(), "the setting `master_key_file`".to_owned()),
        (!settings.master_key_command.is_empty(), "the setting `master_key_command`".to_owned()),
        (variable.is_some(), format!("the variable {MASTER_KEY_VARIABLE}")),
    ];
    let named: Vec<_> = named.into_iter().filter_map(|(is_named, place)| is_named.then_some(place)).collect();
    if named.len() > 1 {
        return Err(ServerError::MasterKey(format!("{} each name one; keep one of them", named.join(" and "))));
    }
    if let Some(text) = variable {
        return Ok(Box::new(KeyVariable::new(text)));
    }
    Ok(match KeyCommand::new(&settings.master_key_command) {
        Some(command) => Box::new(command),
        None => Box::new(KeyFile(settings.master_key_path())),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;

    fn line(byte: u8) -> String {
        MasterKey::from_bytes([byte; 32]).reveal().to_string()
    }

    /// Each source of these lines.
    fn sources(dir: &Path, lines: &str) -> Vec<Box<dyn MasterKeySource>> {
        let file = dir.join("key");
        fs::write(&file, lines).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let command = ["cat", file.to_str().unwrap()].map(str::to_owned).to_vec();
        let given = |settings: Settings, variable| choose(&settings, variable).unwrap();
        vec![
            given(Settings { master_key_command: command, ..Settings::default() }, None),
            given(Settings { master_key_file: file, ..Settings::default() }, None),
            given(Settings::default(), Some(lines.into())),
        ]
    }

    #[tokio::test]
    async fn keys_rotate_wherever_they_come_from() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (MasterKey::from_bytes([1; 32]), MasterKey::from_bytes([2; 32]));
        let sealed = old.seal(b"c", b"x").unwrap();
        for source in sources(dir.path(), &line(1)) {
            assert!(source.is_there() && source.read().await.unwrap() == old);
        }
        for source in sources(dir.path(), &format!("# newest first\n{}{}", line(2), line(1))) {
            let both = source.read().await.unwrap();
            assert_eq!(both.open(b"c", &sealed).unwrap().as_slice(), b"x");
            assert!(both.is_outdated(&sealed));
            assert_eq!(new.open(b"c", &both.seal(b"c", b"y").unwrap()).unwrap().as_slice(), b"y");
        }
        for source in sources(dir.path(), &line(2)) {
            assert!(source.read().await.unwrap().open(b"c", &sealed).is_err(), "the old one is gone");
        }
    }

    #[tokio::test]
    async fn what_is_no_key_is_refused_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "\n", "hunter2-hunter2-hunter2", &line(1)[..40], &line(1).repeat(9)] {
            for source in sources(dir.path(), text) {
                let error = source.read().await.unwrap_err();
                assert_eq!(error.code(), "auth.master_key");
                let shown = format!("{error} {error:?}");
                assert!(shown.contains("Base64") && !shown.contains("hunter2"), "{shown}");
                assert!(!shown.contains(&line(1)[..40]), "{shown}");
            }
        }
    }

    #[test]
    fn the_operator_names_one_place() {
        let file = || Settings { master_key_file: "/k".into(), ..Settings::default() };
        let command = || Settings { master_key_command: vec!["secret-tool".to_owned()], ..Settings::default() };
        let both = Settings { master_key_file: "/k".into(), ..command() };
        let variable = || Some(OsString::from(line(1)));
        for (settings, variable, named) in [
            (file(), variable(), ["`master_key_file`", MASTER_KEY_VARIABLE]),
            (command(), variable(), ["`master_key_command`", MASTER_KEY_VARIABLE]),
            (both, None, ["`master_key_file`", "`master_key_command`"]),
            // One that is empty was meant to be one.
            (file(), Some(OsString::new()), ["`master_key_file`", MASTER_KEY_VARIABLE]),
        ] {
            let error = choose(&settings, variable).err().unwrap();
            assert_eq!(error.code(), "auth.master_key");
            let told = error.to_string();
            assert!(named.iter().all(|name| told.contains(name)) && !told.contains(&line(1)[..40]), "{told}");
        }
    }
}
