//! Backups that a server makes by itself.

use super::Summary;
use super::source::offload;
use crate::embedded::io_error;
use crate::error::StoreError;
use crate::limits::{BACKUP_KEEP, BACKUP_RETRY};
use crate::store::Store;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const PREFIX: &str = "coditect-";
const ENDING: &str = ".backup";
const SECONDS_A_DAY: u64 = 24 * 60 * 60;

/// Where backups go, how often they are made, and how many stay. The directory is this schedule's own: it takes away what is
/// named like its files.
#[derive(Debug, Clone)]
pub struct BackupSchedule {
    directory: PathBuf,
    every: Duration,
    keep: usize,
}

impl BackupSchedule {
    /// A backup each `every`, of which the newest `keep` stay; at least one does, and no more than [`BACKUP_KEEP`] says.
    #[must_use]
    pub fn new(directory: PathBuf, every: Duration, keep: usize) -> Self {
        Self { directory, every, keep: keep.clamp(*BACKUP_KEEP.start(), *BACKUP_KEEP.end()) }
    }

    /// Makes backups without end, the first when the newest there is is old enough. What fails is logged, and tried again after
    /// [`BACKUP_RETRY`]. Who drops the future ends it; a backup under way leaves nothing behind.
    pub async fn run(&self, store: &Store) -> std::convert::Infallible {
        loop {
            let schedule = self.clone();
            let wait = offload(move || schedule.until_due(SystemTime::now())).await.unwrap_or(self.every);
            tokio::time::sleep(wait).await;
            match self.make(store).await {
                Ok((file, summary)) => {
                    tracing::info!(file = %file.display(), rows = summary.rows, bytes = summary.bytes, "a backup was made");
                }
                Err(error) => {
                    tracing::error!(%error, directory = %self.directory.display(), "no backup could be made");
                    tokio::time::sleep(BACKUP_RETRY.min(self.every)).await;
                }
            }
        }
    }

    /// Makes a backup now, and takes away those that are too many.
    pub async fn make(&self, store: &Store) -> Result<(PathBuf, Summary), StoreError> {
        let schedule = self.clone();
        offload(move || schedule.prepare()).await?.map_err(|error| io_error(&error))?;
        let file = self.directory.join(file_name(SystemTime::now()));
        let summary = store.backup(&file, |_| {}).await?;
        let schedule = self.clone();
        offload(move || schedule.remove_old()).await?.map_err(|error| io_error(&error))?;
        Ok((file, summary))
    }

    /// How long until the next one.
    fn until_due(&self, now: SystemTime) -> Duration {
        let newest = self.backups().ok().and_then(|backups| backups.into_iter().next_back());
        let made = newest.and_then(|file| fs::metadata(file).ok()?.modified().ok());
        // A clock that was put back makes none wait longer than the interval.
        made.map_or(Duration::ZERO, |made| self.every.saturating_sub(now.duration_since(made).unwrap_or_default()))
    }

    /// Makes the directory, and takes away what a crash left of a backup.
    fn prepare(&self) -> std::io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        for name in names(&self.directory)? {
            if name.starts_with(PREFIX) && name.contains(ENDING) && name.ends_with(super::file::UNFINISHED) {
                fs::remove_file(self.directory.join(name))?;
            }
        }
        Ok(())
    }

    fn remove_old(&self) -> std::io::Result<()> {
        let backups = self.backups()?;
        let too_many = backups.len().saturating_sub(self.keep);
        backups.into_iter().take(too_many).try_for_each(fs::remove_file)
    }

    /// The backups there are, oldest first.
    fn backups(&self) -> std::io::Result<Vec<PathBuf>> {
        let mut names: Vec<_> = names(&self.directory)?.into_iter().filter(|name| is_backup(name)).collect();
        names.sort_unstable();
        Ok(names.into_iter().map(|name| self.directory.join(name)).collect())
    }
}

fn names(directory: &Path) -> std::io::Result<Vec<String>> {
    let names = fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name()));
    let names: Result<Vec<_>, std::io::Error> = names.collect();
    Ok(names?.iter().filter_map(|name| OsStr::to_str(name)).map(str::to_owned).collect())
}

fn is_backup(name: &str) -> bool {
    let time = name.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(ENDING));
    time.is_some_and(|time| time.len() == 16 && time.chars().all(|c| c.is_ascii_digit() || c == 'T' || c == 'Z'))
}

/// `coditect-20260131T235959Z.backup`: names sort as their times, which are UTC.
fn file_name(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (year, month, day) = date(seconds / SECONDS_A_DAY);
    let second = seconds % SECONDS_A_DAY;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{PREFIX}{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z{ENDING}")
}

/// Year, month and day of a day since 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut rest) = (1970, days);
    while rest >= 365 + u64::from(is_leap(year)) {
        rest -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_after_their_time() {
        for (seconds, name) in [
            (0, "coditect-19700101T000000Z.backup"),
            (951_868_799, "coditect-20000229T235959Z.backup"),
            (951_868_800, "coditect-20000301T000000Z.backup"),
            (1_798_761_599, "coditect-20261231T235959Z.backup"),
            (4_107_542_400, "coditect-21000301T000000Z.backup"),
        ] {
            assert_eq!(file_name(UNIX_EPOCH + Duration::from_secs(seconds)), name);
            assert!(is_backup(name));
        }
        for name in ["coditect-x.backup", "coditect-20261231T235959Z.backup.0a0b0c0d.new", "letter"] {
            assert!(!is_backup(name));
        }
    }

    #[tokio::test]
    async fn the_newest_stay_and_strangers_too() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("backups");
        let store = Store::open("memory:").await.unwrap();
        let schedule = BackupSchedule::new(directory.clone(), Duration::from_secs(3_600), 2);
        assert_eq!(schedule.until_due(SystemTime::now()), Duration::ZERO);
        schedule.make(&store).await.unwrap();
        let old = ["coditect-20200101T000000Z.backup", "coditect-20210101T000000Z.backup", "letter.txt"];
        let left = "coditect-20220101T000000Z.backup.0a0b0c0d.new";
        old.into_iter().chain([left]).for_each(|name| fs::write(directory.join(name), "").unwrap());
        let (file, summary) = schedule.make(&store).await.unwrap();
        assert_eq!(summary.rows, 0);
        let found = names(&directory).unwrap();
        assert!(found.contains(&"letter.txt".to_owned()) && !found.contains(&left.to_owned()), "{found:?}");
        assert!(!found.contains(&old[0].to_owned()) && found.iter().filter(|name| is_backup(name)).count() == 2);
        let due = schedule.until_due(SystemTime::now());
        assert!(due > Duration::from_secs(3_500) && due <= Duration::from_secs(3_600), "{due:?}");
        let later = fs::metadata(&file).unwrap().modified().unwrap() + Duration::from_secs(4_000);
        assert_eq!(schedule.until_due(later), Duration::ZERO);
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_due_backup_is_made_and_a_failure_does_not_end_it() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open("memory:").await.unwrap();
        let schedule = BackupSchedule::new(root.path().join("b"), Duration::from_millis(2), 1);
        // A file stands where the directory shall be.
        fs::write(root.path().join("b"), "").unwrap();
        let made = async {
            tokio::task::yield_now().await;
            fs::remove_file(root.path().join("b")).unwrap();
            while schedule.backups().map_or(0, |backups| backups.len()) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            never = schedule.run(&store) => match never {},
            () = made => {}
        }
    }
}
