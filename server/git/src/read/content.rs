//! A file in a version.

use coditect_protocol::RelPath;
use coditect_protocol::git::Version;
use gix::ObjectId;
use gix::bstr::BStr;
use gix::index::entry::Stage;
use serde_bytes::ByteBuf;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use crate::error::GitError;
use crate::limits::MAX_CONTENT_BYTES;
use crate::repository;
use crate::work::Work;

pub(super) async fn content(work: &Work, path: RelPath, version: Version) -> Result<Option<ByteBuf>, GitError> {
    let file = work.folder.join(path.as_str());
    work.read(move |repository| {
        let id = match &version {
            Version::Empty => None,
            Version::WorkTree => return from_disk(&file).map(|bytes| bytes.map(ByteBuf::from)),
            Version::Revision(revision) => in_commit(repository, revision, &path)?,
            Version::Index => in_index(repository, &path, Stage::Unconflicted)?,
            Version::Base => in_index(repository, &path, Stage::Base)?,
            Version::Ours => in_index(repository, &path, Stage::Ours)?,
            Version::Theirs => in_index(repository, &path, Stage::Theirs)?,
        };
        id.map(|id| bytes_of(repository, id).map(ByteBuf::from)).transpose()
    })
    .await
}

fn in_commit(repository: &gix::Repository, revision: &str, path: &RelPath) -> Result<Option<ObjectId>, GitError> {
    let commit = repository.find_commit(repository::commit_id(repository, revision)?)?;
    let entry = commit.tree()?.lookup_entry_by_path(path.as_str())?;
    Ok(entry.filter(|entry| entry.mode().is_blob_or_symlink()).map(|entry| entry.object_id()))
}

fn in_index(repository: &gix::Repository, path: &RelPath, stage: Stage) -> Result<Option<ObjectId>, GitError> {
    let index = repository.index_or_empty()?;
    let entry = index.entry_by_path_and_stage(BStr::new(path.as_str()), stage);
    Ok(entry.filter(|entry| !entry.mode.is_submodule()).map(|entry| entry.id))
}

fn bytes_of(repository: &gix::Repository, id: ObjectId) -> Result<Vec<u8>, GitError> {
    if repository.find_header(id)?.size() > MAX_CONTENT_BYTES {
        return Err(GitError::TooLarge { limit: MAX_CONTENT_BYTES });
    }
    Ok(repository.find_object(id)?.detach().data)
}

/// The file as it is now; of a link, where it leads, which is what git records of it.
fn from_disk(file: &Path) -> Result<Option<Vec<u8>>, GitError> {
    let Ok(facts) = file.symlink_metadata() else { return Ok(None) };
    if facts.is_symlink() {
        return Ok(Some(std::fs::read_link(file)?.into_os_string().into_vec()));
    }
    if !facts.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(MAX_CONTENT_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_CONTENT_BYTES {
        return Err(GitError::TooLarge { limit: MAX_CONTENT_BYTES });
    }
    Ok(Some(bytes))
}
