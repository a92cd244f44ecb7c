//! The functions of the contract's imports, with the same signatures, answered by the host of the thread.

use super::{ENTERED, Host};
use crate::bindings::coditect::plugin::types::Error as Wire;

type Answer<T> = Result<T, Wire>;

/// Asks the host of this thread for what a capability takes.
fn granted<T>(capability: &str, ask: impl FnOnce(&mut Host) -> Answer<T>) -> Answer<T> {
    ENTERED.with_borrow_mut(|entered| match entered {
        None => Err(Wire::Unavailable("there is no host here: a test enters one, see testing::Host".into())),
        Some(host) if host.denied.contains(capability) => Err(Wire::Denied(format!("{capability} was not granted"))),
        Some(host) => ask(host),
    })
}

/// What is always granted, and is nothing where there is no host.
fn always(tell: impl FnOnce(&mut Host)) {
    ENTERED.with_borrow_mut(|entered| entered.as_mut().map(tell));
}

fn scripted<Asked, T>(
    capability: &str,
    script: impl FnOnce(&Host) -> super::Script<Asked, T>,
    asked: &Asked,
) -> Answer<T> {
    let script = granted(capability, |host| Ok(script(host)))?;
    let script = script.ok_or_else(|| Wire::Unavailable(format!("the test does not say what {capability} answers")))?;
    script(asked).map_err(crate::error::Error::into_wire)
}

fn missing(what: &str) -> Wire {
    Wire::NotFound(format!("there is no {what}"))
}

/// Names after one of them, at most so many.
fn page<'a, T>(items: impl Iterator<Item = (&'a str, T)>, after: Option<&str>, limit: u32) -> Vec<T> {
    let rest = items.filter(|(name, _)| after.is_none_or(|after| *name > after));
    rest.map(|(_, item)| item).take(limit.min(1000) as usize).collect()
}

pub(crate) mod log {
    use super::always;
    use crate::log::Level;

    pub(crate) fn write(level: Level, text: &str) {
        always(|host| host.heard.log.push((level, text.into())));
    }
}

pub(crate) mod settings {
    use super::super::Entered;

    pub(crate) fn get(name: &str) -> Option<String> {
        Entered::ask(|host| host.settings.get(name).cloned())
    }
}

pub(crate) mod storage {
    use super::{Answer, granted, page};

    pub(crate) fn get(key: &str) -> Answer<Option<Vec<u8>>> {
        granted("storage", |host| Ok(host.storage.get(key).cloned()))
    }

    pub(crate) fn set(key: &str, value: &[u8]) -> Answer<()> {
        granted("storage", |host| {
            host.storage.insert(key.into(), value.into());
            Ok(())
        })
    }

    pub(crate) fn delete(key: &str) -> Answer<()> {
        granted("storage", |host| {
            host.storage.remove(key);
            Ok(())
        })
    }

    pub(crate) fn list(prefix: &str, after: Option<&str>, limit: u32) -> Answer<Vec<String>> {
        granted("storage", |host| {
            let keys = host.storage.keys().filter(|key| key.starts_with(prefix));
            Ok(page(keys.map(|key| (key.as_str(), key.clone())), after, limit))
        })
    }
}

pub(crate) mod files {
    use std::collections::BTreeMap;

    use super::{Answer, Wire, granted, missing, page};
    use crate::files::{Content, Entry, Kind};

    pub(crate) fn read(path: &str, max_bytes: u32) -> Answer<Content> {
        granted("files.read", |host| {
            let (bytes, version) = host.files.get(path).cloned().ok_or_else(|| missing(path))?;
            if bytes.len() > max_bytes as usize {
                return Err(Wire::Limit(format!("{path} has more than {max_bytes} bytes")));
            }
            Ok(Content { bytes, version: version.to_string() })
        })
    }

    pub(crate) fn write(path: &str, bytes: &[u8], version: Option<&str>) -> Answer<String> {
        granted("files.write", |host| {
            let there = host.files.get(path).map(|(_, version)| *version);
            if there.map(|version| version.to_string()).as_deref() != version {
                return Err(Wire::Conflict(format!("{path} is at another version")));
            }
            let next = there.unwrap_or_default() + 1;
            host.files.insert(path.into(), (bytes.into(), next));
            Ok(next.to_string())
        })
    }

    pub(crate) fn delete(path: &str) -> Answer<()> {
        granted("files.write", |host| host.files.remove(path).map(|_| ()).ok_or_else(|| missing(path)))
    }

    pub(crate) fn stat(path: &str) -> Answer<Entry> {
        granted("files.read", |host| {
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            if let Some((bytes, version)) = host.files.get(path) {
                let size = bytes.len() as u64;
                return Ok(Entry { name, kind: Kind::File, size, version: version.to_string() });
            }
            let below = format!("{path}/");
            let is_directory = path.is_empty() || host.files.keys().any(|path| path.starts_with(&below));
            let directory = Entry { name, kind: Kind::Directory, size: 0, version: String::new() };
            is_directory.then_some(directory).ok_or_else(|| missing(path))
        })
    }

    pub(crate) fn list(path: &str, after: Option<&str>, limit: u32) -> Answer<Vec<Entry>> {
        granted("files.read", |host| {
            let below = if path.is_empty() { String::new() } else { format!("{path}/") };
            let mut entries = BTreeMap::new();
            for (path, (bytes, version)) in &host.files {
                let Some(rest) = path.strip_prefix(&below) else { continue };
                let entry = match rest.split_once('/') {
                    Some((name, _)) => {
                        Entry { name: name.into(), kind: Kind::Directory, size: 0, version: String::new() }
                    }
                    None => {
                        let (size, version) = (bytes.len() as u64, version.to_string());
                        Entry { name: rest.into(), kind: Kind::File, size, version }
                    }
                };
                entries.insert(entry.name.clone(), entry);
            }
            if entries.is_empty() && !path.is_empty() {
                return Err(missing(path));
            }
            Ok(page(entries.iter().map(|(name, entry)| (name.as_str(), entry.clone())), after, limit))
        })
    }
}

pub(crate) mod search {
    use super::super::glob;
    use super::{Answer, granted, scripted};
    use crate::search::{Found, Query};

    pub(crate) fn text(query: &Query) -> Answer<Found> {
        let mut matches = scripted("search", |host| host.search.clone(), query)?;
        let most = query.max_matches as usize;
        let limit_reached = matches.len() > most;
        matches.truncate(most);
        Ok(Found { matches, limit_reached })
    }

    pub(crate) fn paths(includes: &[String], excludes: &[String], max_paths: u32) -> Answer<Vec<String>> {
        granted("search", |host| {
            let any = |globs: &[String], path: &str| globs.iter().any(|glob| glob::matches(glob, path));
            let is_meant = |path: &&String| (includes.is_empty() || any(includes, path)) && !any(excludes, path);
            Ok(host.files.keys().filter(is_meant).take(max_paths as usize).cloned().collect())
        })
    }
}

pub(crate) mod http {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use super::super::Streamed;
    use super::{Answer, Wire, granted, scripted};
    use crate::http::{Request, Response};

    #[derive(Debug)]
    pub(crate) struct Exchange {
        status: u16,
        headers: Vec<(String, String)>,
        pieces: RefCell<VecDeque<Answer<Vec<u8>>>>,
    }

    impl Exchange {
        pub(crate) fn status(&self) -> u16 {
            self.status
        }

        pub(crate) fn headers(&self) -> Vec<(String, String)> {
            self.headers.clone()
        }

        pub(crate) fn read(&self) -> Answer<Option<Vec<u8>>> {
            self.pieces.borrow_mut().pop_front().transpose()
        }
    }

    pub(crate) fn send(request: &Request) -> Answer<Response> {
        if has_only_a_stream()? {
            let Streamed { status, headers, pieces, fails } = streamed(request)?;
            return fails.map_or(Ok(Response { status, headers, body: pieces.concat() }), |why| Err(why.into_wire()));
        }
        scripted("http", |host| host.http.clone(), request)
    }

    pub(crate) fn open(request: &Request) -> Answer<Exchange> {
        let Streamed { status, headers, pieces, fails } = streamed(request)?;
        let fails = fails.map(|why| Err::<_, Wire>(why.into_wire()));
        Ok(Exchange { status, headers, pieces: RefCell::new(pieces.into_iter().map(Ok).chain(fails).collect()) })
    }

    fn has_only_a_stream() -> Answer<bool> {
        granted("http", |host| Ok(host.http.is_none() && host.stream.is_some()))
    }

    /// What a test does not say comes whole comes in one piece.
    fn streamed(request: &Request) -> Answer<Streamed> {
        if granted("http", |host| Ok(host.stream.is_some()))? {
            return scripted("http", |host| host.stream.clone(), request);
        }
        let Response { status, headers, body } = scripted("http", |host| host.http.clone(), request)?;
        let pieces = if body.is_empty() { Vec::new() } else { vec![body] };
        Ok(Streamed { status, headers, pieces, fails: None })
    }
}

pub(crate) mod models {
    use std::cell::RefCell;
    use std::vec::IntoIter;

    use super::{granted, scripted};
    use crate::bindings::coditect::plugin::types::{Model, Question};

    #[derive(Debug)]
    pub(crate) struct Answer(RefCell<IntoIter<String>>);

    impl Answer {
        pub(crate) fn next(&self) -> super::Answer<Option<String>> {
            Ok(self.0.borrow_mut().next())
        }
    }

    pub(crate) fn list() -> super::Answer<Vec<Model>> {
        granted("models", |host| Ok(host.models.clone()))
    }

    pub(crate) fn ask(question: &Question) -> super::Answer<Answer> {
        let pieces = scripted("models", |host| host.model.clone(), question)?;
        Ok(Answer(RefCell::new(pieces.into_iter())))
    }
}

pub(crate) mod git {
    use super::{Answer, Host, granted, missing};
    use crate::git::{Commit, WorkTree};

    fn repository<T>(ask: impl FnOnce(&Host) -> T) -> Answer<T> {
        granted("git.read", |host| match &host.work_tree {
            Some(_) => Ok(ask(host)),
            None => Err(missing("git repository")),
        })
    }

    pub(crate) fn status() -> Answer<WorkTree> {
        repository(|host| host.work_tree.clone())?.ok_or_else(|| missing("git repository"))
    }

    pub(crate) fn diff(staged: bool) -> Answer<String> {
        repository(|host| if staged { host.staged.clone() } else { host.unstaged.clone() })
    }

    pub(crate) fn log(max_commits: u32) -> Answer<Vec<Commit>> {
        repository(|host| host.commits.iter().take(max_commits as usize).cloned().collect())
    }
}

pub(crate) mod ui {
    use super::{Answer, always, granted};
    use crate::bindings::coditect::plugin::types::Severity;

    pub(crate) fn notify(severity: Severity, text: &str) -> Answer<()> {
        granted("notify", |host| {
            host.heard.notices.push((severity, text.into()));
            Ok(())
        })
    }

    pub(crate) fn progress(text: &str, percent: Option<u32>) {
        always(|host| host.heard.progress.push((text.into(), percent)));
    }
}

pub(crate) mod clock {
    use super::{Answer, granted};

    pub(crate) fn now() -> Answer<u64> {
        granted("clock", |host| Ok(u64::try_from(host.now.as_millis()).unwrap_or(u64::MAX)))
    }

    pub(crate) fn monotonic() -> Answer<u64> {
        now()
    }
}

pub(crate) mod random {
    use super::{Answer, granted};

    /// The same ones in every test: SplitMix64.
    pub(crate) fn bytes(length: u32) -> Answer<Vec<u8>> {
        granted("random", |host| {
            let words = (length as usize).div_ceil(8);
            let mut bytes: Vec<u8> = (0..words).flat_map(|_| next(&mut host.random).to_le_bytes()).collect();
            bytes.truncate(length as usize);
            Ok(bytes)
        })
    }

    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

pub(crate) mod answer {
    use super::{Answer, granted};

    // No capability: nothing denies it.
    const ANSWER: &str = "";

    pub(crate) fn text(text: &str) -> Answer<()> {
        granted(ANSWER, |host| {
            host.heard.reply.push_str(text);
            Ok(())
        })
    }

    pub(crate) fn thought(text: &str) -> Answer<()> {
        granted(ANSWER, |host| {
            host.heard.thoughts.push_str(text);
            Ok(())
        })
    }

    pub(crate) fn reference(path: &str, line: Option<u32>) -> Answer<()> {
        granted(ANSWER, |host| {
            host.heard.references.push((path.into(), line));
            Ok(())
        })
    }
}
