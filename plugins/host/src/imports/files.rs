//! Files of the workspace.

use std::sync::Arc;

use coditect_protocol::RelPath;
use coditect_protocol::plugin::CapabilityName;

use super::{Error, Settled, Told, at_most, path, present, settle, wit};
use crate::ports::{self, EntryKind, Files, Refused};
use crate::rights::is_git;
use crate::state::{Around, State};
use wit::files::{Content, Entry, Host, Kind};

/// Largest file that is read or written whole, in bytes.
const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;
/// Longest version of a file that somebody could have been told, in bytes.
const MAX_VERSION_BYTES: usize = 256;
/// Most entries of a list.
const MAX_ENTRIES: usize = 1000;
/// Most pages of a folder that are looked through for entries that may be seen.
const MAX_PAGES: usize = 20;

impl Host for State {
    async fn read(&mut self, path: String, max_bytes: u32) -> Settled<Content> {
        settle(read(&self.around, &path, at_most(max_bytes, MAX_FILE_BYTES)).await)
    }

    async fn write(&mut self, path: String, bytes: Vec<u8>, version: Option<String>) -> Settled<String> {
        settle(write(&self.around, &path, bytes, version).await)
    }

    async fn delete(&mut self, path: String) -> Settled<()> {
        settle(delete(&self.around, &path).await)
    }

    async fn stat(&mut self, path: String) -> Settled<Entry> {
        settle(stat(&self.around, &path).await)
    }

    async fn list(&mut self, path: String, after: Option<String>, limit: u32) -> Settled<Vec<Entry>> {
        settle(list(&self.around, &path, after, at_most(limit, MAX_ENTRIES)).await)
    }
}

/// What may be done with a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// A file is read.
    Read,
    /// A file is written or deleted.
    Write,
    /// Something is looked at, also on the way to what may be read.
    Look,
    /// A folder is listed.
    List,
}

impl Use {
    const fn capability(self) -> CapabilityName {
        match self {
            Self::Write => CapabilityName::FilesWrite,
            Self::Read | Self::Look | Self::List => CapabilityName::FilesRead,
        }
    }
}

/// The path and the port, where that may be done with it.
fn granted(around: &Around, text: &str, what: Use) -> Told<(RelPath, Arc<dyn Files>)> {
    around.enter()?;
    let rights = around.caller.rights.now();
    let name = what.capability();
    if !rights.has(name) {
        return Err(around.denied(name, text).into());
    }
    let path = path(text)?;
    if is_git(&path) {
        let why = "What git keeps in .git is not for plugins, whatever their globs say: it names programs that git starts. \
                   The capability git.read shows changes and commits.";
        return Err(around.denied_for(name, path.as_str(), why).into());
    }
    let is_granted = match what {
        Use::Read => rights.reads().matches(&path),
        Use::Write => rights.writes().matches(&path),
        Use::Look => rights.reads().matches(&path) || rights.reads().lead_below(&path),
        Use::List => rights.reads().lead_below(&path),
    };
    if !is_granted {
        let text = if what == Use::List { format!("{path}/*") } else { path.to_string() };
        return Err(around.denied(name, text.trim_start_matches('/')).into());
    }
    Ok((path, present(around.caller.ports.files.as_ref(), "no workspace")?))
}

/// Has nothing done by way of a symbolic link: what it leads to is another path, which was not asked about. Where `itself`, also where
/// the path itself is one. A plugin cannot make links, so none comes in between by its doing; the port keeps all within the workspace.
async fn without_links(around: &Around, port: &Arc<dyn Files>, path: &RelPath, what: Use, itself: bool) -> Told<()> {
    let mut on_the_way: Vec<RelPath> = std::iter::successors(path.parent(), RelPath::parent).collect();
    on_the_way.retain(|folder| !folder.is_root());
    on_the_way.reverse();
    on_the_way.extend(Some(path.clone()).filter(|_| itself));
    let port = port.clone();
    let found = around.ask(async move {
        for part in on_the_way {
            match port.stat(&part).await {
                Ok(entry) if entry.kind == EntryKind::Symlink => return Ok(Some(part)),
                // What is not there is told by what is asked next.
                Err(Refused::NotFound(_)) => return Ok(None),
                Ok(_) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(None)
    });
    match found.await? {
        None => Ok(()),
        Some(link) => {
            let why = format!("{link} is a symbolic link, which plugins are not led by: name the file itself.");
            Err(around.denied_for(what.capability(), path.as_str(), why).into())
        }
    }
}

async fn read(around: &Around, text: &str, most: usize) -> Told<Content> {
    let (path, port) = granted(around, text, Use::Read)?;
    without_links(around, &port, &path, Use::Read, true).await?;
    let (bytes, version) = around.ask(async move { port.read(&path, most).await }).await?;
    if bytes.len() > most {
        return Err(Error::Limit(format!("The file is larger than the {most} bytes that were asked for.")).into());
    }
    Ok(Content { bytes, version })
}

async fn write(around: &Around, text: &str, bytes: Vec<u8>, version: Option<String>) -> Told<String> {
    let (path, port) = granted(around, text, Use::Write)?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(Error::Limit(format!("A file that is written has at most {} MiB.", MAX_FILE_BYTES >> 20)).into());
    }
    if version.as_ref().is_some_and(|version| version.len() > MAX_VERSION_BYTES) {
        return Err(Error::Conflict("There is no such version of the file: read it again.".to_owned()).into());
    }
    without_links(around, &port, &path, Use::Write, true).await?;
    around.ask(async move { port.write(&path, bytes, version).await }).await
}

async fn delete(around: &Around, text: &str) -> Told<()> {
    let (path, port) = granted(around, text, Use::Write)?;
    without_links(around, &port, &path, Use::Write, false).await?;
    let (asked, of) = (port.clone(), path.clone());
    // What lies in a folder is at other paths, for each of which it would have to be asked.
    if around.ask(async move { asked.stat(&of).await }).await?.kind == EntryKind::Directory {
        return Err(Error::Invalid(format!("{path} is a folder: delete the files in it.")).into());
    }
    around.ask(async move { port.delete(&path).await }).await
}

async fn stat(around: &Around, text: &str) -> Told<Entry> {
    let (path, port) = granted(around, text, Use::Look)?;
    without_links(around, &port, &path, Use::Look, false).await?;
    let of = path.clone();
    let entry = around.ask(async move { port.stat(&of).await }).await?;
    if entry.kind != EntryKind::Directory && !around.caller.rights.files_read(&path) {
        return Err(around.denied(CapabilityName::FilesRead, path.as_str()).into());
    }
    Ok(told(entry))
}

async fn list(around: &Around, text: &str, after: Option<String>, limit: usize) -> Told<Vec<Entry>> {
    let (path, port) = granted(around, text, Use::List)?;
    without_links(around, &port, &path, Use::List, true).await?;
    let (mut seen, mut after) = (Vec::new(), after);
    if limit == 0 {
        return Ok(seen);
    }
    for _ in 0..MAX_PAGES {
        let (port, folder, from) = (port.clone(), path.clone(), after.clone());
        let page = around.ask(async move { port.list(&folder, from.as_deref(), MAX_ENTRIES).await }).await?;
        let is_last = page.len() < MAX_ENTRIES;
        after = page.last().map(|entry| entry.name.clone());
        seen.extend(page.into_iter().filter(|entry| is_seen(around, &path, entry)).map(told));
        if is_last || seen.len() >= limit {
            seen.truncate(limit);
            return Ok(seen);
        }
    }
    if seen.is_empty() {
        let most = MAX_PAGES * MAX_ENTRIES;
        return Err(Error::Limit(format!("None of the next {most} entries of {path} may be seen.")).into());
    }
    Ok(seen)
}

/// Whether an entry of a folder is for the plugin: what nothing granted leads to is not there.
fn is_seen(around: &Around, folder: &RelPath, entry: &ports::Entry) -> bool {
    let path = format!("{folder}/{}", entry.name);
    let Ok(path) = RelPath::parse(path.trim_start_matches('/')) else { return false };
    let rights = around.caller.rights.now();
    rights.reads().matches(&path) || entry.kind == EntryKind::Directory && rights.reads().lead_below(&path)
}

fn told(entry: ports::Entry) -> Entry {
    let kind = match entry.kind {
        EntryKind::File => Kind::File,
        EntryKind::Directory => Kind::Directory,
        EntryKind::Symlink => Kind::Symlink,
        EntryKind::Other => Kind::Other,
    };
    Entry { name: entry.name, kind, size: entry.size, version: entry.version }
}
