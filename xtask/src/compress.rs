//! Brotli copies of static files, made ahead of time.
//!
//! A copy depends only on the content and the quality, so it is kept under both in the target directory: a bundler that empties its
//! output directory costs no second compression.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};

use crate::repo::Repo;
use crate::stamp;
use crate::ui::{self, Done};

/// How hard to press.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quality {
    /// For tests and quick turns.
    Quick,
    /// For what is shipped or measured.
    Best,
}

impl Quality {
    pub(crate) fn level(self) -> u32 {
        match self {
            Self::Quick => 5,
            Self::Best => 11,
        }
    }
}

/// Smaller files fit in one packet anyway.
const MIN_BYTES: u64 = 1024;
/// A copy must be below this share of its original, in percent.
const WORTH_PERCENT: usize = 95;
/// Window of the compressor, as a power of two: the largest that every browser takes.
const WINDOW_BITS: u32 = 24;
/// Buffer of the compressor, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;
/// Kept copies that nobody used for so long are dropped.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);
/// Kinds of files that compress.
const EXTENSIONS: [&str; 16] =
    ["css", "csv", "eot", "html", "ico", "js", "json", "map", "md", "mjs", "otf", "plist", "svg", "ttf", "txt", "wasm"];

struct Job {
    file: PathBuf,
    bytes: u64,
}

/// Compresses what changed in the given directories, and takes away copies whose original is gone.
pub(crate) fn trees(repo: &Repo, dirs: &[(&str, &Path)], quality: Quality) -> Result<Done> {
    let cache = repo.target.join("xtask-brotli");
    fs::create_dir_all(&cache)?;
    let mut jobs = Vec::new();
    for (name, dir) in dirs {
        collect(dir, &mut jobs).with_context(|| format!("the files of {name} cannot be read"))?;
    }
    // The largest first, so that no worker is left with it at the end.
    jobs.sort_by_key(|job| std::cmp::Reverse(job.bytes));
    let done = work(&jobs, &cache, quality)?;
    forget_unused(&cache);
    if done.compressed == 0 && done.copied == 0 {
        return Ok(Done::UpToDate);
    }
    Ok(Done::did(format!(
        "{} files, {} compressed now; {} become {}",
        done.files,
        done.compressed,
        ui::bytes(done.plain),
        ui::bytes(done.small)
    )))
}

fn collect(dir: &Path, jobs: &mut Vec<Job>) -> Result<()> {
    let walk = ignore::WalkBuilder::new(dir).standard_filters(false).build();
    let files: BTreeSet<PathBuf> = walk
        .flatten()
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .map(ignore::DirEntry::into_path)
        .collect();
    for file in &files {
        let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if extension == "br" && !files.contains(&file.with_extension("")) {
            fs::remove_file(file)?;
        }
        let bytes = fs::metadata(file).map_or(0, |metadata| metadata.len());
        if EXTENSIONS.contains(&extension) && bytes >= MIN_BYTES {
            jobs.push(Job { file: file.clone(), bytes });
        }
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Tally {
    files: usize,
    compressed: usize,
    copied: usize,
    plain: u64,
    small: u64,
}

/// What happened to one file.
enum Outcome {
    Same(u64),
    Copied(u64),
    Compressed(u64),
}

fn work(jobs: &[Job], cache: &Path, quality: Quality) -> Result<Tally> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = one(&job.file, cache, quality).map(|outcome| (job.bytes, outcome));
                    results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                }
            });
        }
    });
    let mut tally = Tally::default();
    for result in results.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let (plain, outcome) = result?;
        let small = match outcome {
            Outcome::Same(small) => small,
            Outcome::Copied(small) => {
                tally.copied += 1;
                small
            }
            Outcome::Compressed(small) => {
                tally.compressed += 1;
                small
            }
        };
        tally.files += 1;
        tally.plain += plain;
        tally.small += small;
    }
    Ok(tally)
}

fn one(file: &Path, cache: &Path, quality: Quality) -> Result<Outcome> {
    let content =
        fs::read(file).with_context(|| format!("{} went away meanwhile: is another build running?", file.display()))?;
    let hash = stamp::sha256(&content);
    let copy = beside(file);
    let kept = |quality: Quality| cache.join(format!("{hash}.q{}", quality.level()));
    // A better copy than the one asked for is as good.
    let ready = [Quality::Best, quality].map(kept).into_iter().find(|path| path.exists());
    let (packed, fresh) = match ready {
        Some(path) => {
            let _unimportant = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
            (fs::read(&path)?, false)
        }
        None => {
            let packed = pack(&content, quality.level())?;
            stamp::write(&kept(quality), &packed)?;
            (packed, true)
        }
    };
    if packed.len() * 100 >= content.len() * WORTH_PERCENT {
        if copy.exists() {
            fs::remove_file(&copy)?;
        }
        return Ok(Outcome::Same(content.len() as u64));
    }
    let small = packed.len() as u64;
    if fs::read(&copy).is_ok_and(|there| there == packed) {
        return Ok(Outcome::Same(small));
    }
    stamp::write(&copy, &packed)?;
    Ok(if fresh { Outcome::Compressed(small) } else { Outcome::Copied(small) })
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".br");
    name.into()
}

fn pack(content: &[u8], level: u32) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut packed, BUFFER_BYTES, level, WINDOW_BITS);
    writer.write_all(content)?;
    drop(writer);
    Ok(packed)
}

fn forget_unused(cache: &Path) {
    let Ok(entries) = fs::read_dir(cache) else { return };
    for entry in entries.flatten() {
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > KEEP) {
            let _next_time = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(file: &Path) -> Vec<u8> {
        let mut out = Vec::new();
        brotli::BrotliDecompress(&mut fs::File::open(file).unwrap(), &mut out).unwrap();
        out
    }

    #[test]
    fn copies_follow_their_originals() {
        let dir = tempfile::tempdir().unwrap();
        let mut repo = Repo::at(dir.path());
        repo.target = dir.path().join("target");
        let site = dir.path().join("site");
        let script = site.join("deep/app.js");
        let text = "export const answer = 42;\n".repeat(400);
        stamp::write(&script, text.as_bytes()).unwrap();
        stamp::write(&site.join("small.js"), b"1").unwrap();
        stamp::write(&site.join("gone.js.br"), b"old").unwrap();
        let run = |quality| trees(&repo, &[("site", &site)], quality).unwrap();

        assert!(matches!(run(Quality::Quick), Done::Did(_)));
        assert_eq!(unpack(&site.join("deep/app.js.br")), text.as_bytes());
        assert!(!site.join("small.js.br").exists() && !site.join("gone.js.br").exists());
        assert_eq!(run(Quality::Quick), Done::UpToDate);

        assert!(matches!(run(Quality::Best), Done::Did(_)), "a better quality is made anew");
        assert_eq!(run(Quality::Quick), Done::UpToDate, "and is kept where a lesser one would do");

        fs::remove_file(site.join("deep/app.js.br")).unwrap();
        assert!(matches!(run(Quality::Best), Done::Did(note) if note.contains("0 compressed now")));

        stamp::write(&script, text.replace("42", "43").as_bytes()).unwrap();
        run(Quality::Quick);
        assert!(String::from_utf8(unpack(&site.join("deep/app.js.br"))).unwrap().contains("43"));
    }
}
