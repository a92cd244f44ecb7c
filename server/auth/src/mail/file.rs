//! Mail as files, for an operator who hands them on and for tests.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::message::message;
use super::{Mail, MailError, Mailer};
use crate::clock::{Clock as _, SystemClock};

/// Files that a [`FileMailer`] keeps unless told otherwise; the oldest go first.
pub const MAIL_FILES_KEPT: usize = 1000;

const SUFFIX: &str = "eml";

/// Writes each mail to a file of its own, which only the server's own user can read: `<time>-<id>.eml`.
#[derive(Debug, Clone)]
pub struct FileMailer {
    directory: Arc<Path>,
    from: String,
    kept: usize,
}

impl FileMailer {
    /// Writes to this directory, which is made if need be.
    #[must_use]
    pub fn new(directory: PathBuf, from: String) -> Self {
        Self { directory: directory.into(), from, kept: MAIL_FILES_KEPT }
    }

    /// Keeps at most so many files.
    #[must_use]
    pub fn keep(mut self, files: usize) -> Self {
        self.kept = files.max(1);
        self
    }
}

#[async_trait]
impl Mailer for FileMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let now = SystemClock.now();
        let text = message(mail, &self.from, now)?;
        let (directory, kept) = (Arc::clone(&self.directory), self.kept);
        let written = tokio::task::spawn_blocking(move || write(&directory, now, &text, kept)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(MailError(error.to_string())),
            Err(error) => Err(MailError(error.to_string())),
        }
    }
}

fn write(directory: &Path, now: u64, text: &str, kept: usize) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    let name = format!("{now:015}-{}", Uuid::now_v7().simple());
    let temporary = directory.join(format!(".{name}"));
    let result = write_whole(&temporary, text)
        .and_then(|()| fs::rename(&temporary, directory.join(&name).with_extension(SUFFIX)));
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result.and_then(|()| forget_oldest(directory, kept))
}

fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Names begin with the time, so that the order of the names is that of the mails.
fn forget_oldest(directory: &Path, kept: usize) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
            names.push(path);
        }
    }
    names.sort();
    names.truncate(names.len().saturating_sub(kept));
    // Another server may have taken it away.
    for path in names {
        let _ = fs::remove_file(path);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(text: &str) -> Mail {
        Mail { to: "ada@example.org".to_owned(), subject: "Hello".to_owned(), text: text.to_owned() }
    }

    fn files(directory: &Path) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    #[tokio::test]
    async fn each_mail_is_a_file_for_the_server_alone_and_the_oldest_go() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("data/mail");
        let mailer = FileMailer::new(directory.clone(), "no-reply@localhost".to_owned()).keep(3);
        for n in 0..5 {
            mailer.send(&mail(&format!("number {n}"))).await.unwrap();
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        let files = files(&directory);
        assert_eq!(files.len(), 3, "{files:?}");
        for file in &files {
            assert_eq!(mode(file), 0o600);
        }
        let texts: Vec<_> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        for n in 2..5 {
            assert_eq!(texts.iter().filter(|text| text.contains(&format!("number {n}"))).count(), 1, "{texts:?}");
        }
    }

    #[tokio::test]
    async fn a_mail_that_cannot_be_written_is_an_error_and_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let taken = parent.path().join("mail");
        fs::write(&taken, "a file").unwrap();
        let mailer = FileMailer::new(taken, "no-reply@localhost".to_owned());
        assert!(mailer.send(&mail("x")).await.is_err());
        let mailer = FileMailer::new(parent.path().join("other"), "no address".to_owned());
        assert!(mailer.send(&mail("x")).await.is_err());
        assert_eq!(files(parent.path()).len(), 1);
    }
}
