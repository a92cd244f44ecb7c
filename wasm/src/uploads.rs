//! Uploads of files of any size, in parts that survive a lost connection and a restart of the server.

use std::pin::pin;
use std::rc::Rc;

use coditect_protocol::call::Request;
use coditect_protocol::files::{FileStat, Upload, WriteMode};
use coditect_protocol::{RelPath, WorkspaceId};
use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use js_sys::{Function, Promise};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File};

use crate::abort::Abort;
use crate::core::Core;
use crate::error::ShellError;
use crate::listeners::report;

/// Files up to this size go in one piece; in bytes.
const WHOLE_BYTES: u64 = 1024 * 1024;
/// Smallest part, in bytes.
const LEAST_PART_BYTES: u64 = 256 * 1024;
/// Largest part, in bytes: what a server that is killed costs at most.
const MOST_PART_BYTES: u64 = 16 * 1024 * 1024;
/// Longest that a part may take, in seconds.
const PART_TIMEOUT_SECONDS: u32 = 120;
/// A part that takes less is followed by a larger one, in milliseconds.
const QUICK_MS: f64 = 1_000.0;
/// A part that takes more is followed by a smaller one, in milliseconds.
const SLOW_MS: f64 = 8_000.0;
/// Failures in a row, with nothing sent in between, after which it is given up.
const MAX_FAILURES: u32 = 20;
/// Pause after the first failure; each further one doubles it, up to [`MOST_PAUSE_MS`].
const LEAST_PAUSE_MS: u32 = 250;
const MOST_PAUSE_MS: u32 = 10_000;

/// A file to upload.
pub(crate) struct FileUpload {
    pub(crate) file: File,
    /// What may be there.
    pub(crate) mode: WriteMode,
    /// Gets the bytes that arrived and the bytes in all.
    pub(crate) on_progress: Function,
    /// Answers whether what is there is replaced.
    pub(crate) on_conflict: Function,
}

impl FileUpload {
    fn part(&self, from: u64, to: u64) -> Result<Blob, ShellError> {
        // Sizes of files are numbers of JavaScript.
        let blob = self.file.slice_with_f64_and_f64(from as f64, to as f64);
        blob.map_err(|_| ShellError::Arguments("the file cannot be read".to_owned()))
    }

    fn tell(&self, sent: u64, size: u64) {
        report(self.on_progress.call2(&JsValue::UNDEFINED, &(sent as f64).into(), &(size as f64).into()));
    }

    async fn may_replace(&self) -> bool {
        let Ok(answer) = self.on_conflict.call0(&JsValue::UNDEFINED) else { return false };
        match answer.dyn_into::<Promise>() {
            Ok(promise) => JsFuture::from(promise).await.is_ok_and(|answer| answer.is_truthy()),
            Err(answer) => answer.is_truthy(),
        }
    }
}

/// How large the next part is, and how long to wait after a failure. Without the browser, to be tested on the host.
#[derive(Debug)]
struct Pace {
    part_bytes: u64,
    failures: u32,
}

impl Pace {
    const fn new() -> Self {
        Self { part_bytes: 4 * LEAST_PART_BYTES, failures: 0 }
    }

    /// A part arrived after so many milliseconds.
    fn arrived(&mut self, took: f64) {
        self.failures = 0;
        if took < QUICK_MS {
            self.part_bytes = (self.part_bytes * 2).min(MOST_PART_BYTES);
        } else if took > SLOW_MS {
            self.part_bytes = (self.part_bytes / 2).max(LEAST_PART_BYTES);
        }
    }

    /// It did not arrive: how long to wait, unless it failed too often.
    fn failed(&mut self) -> Option<u32> {
        self.failures += 1;
        self.part_bytes = (self.part_bytes / 2).max(LEAST_PART_BYTES);
        let pause = LEAST_PAUSE_MS.saturating_mul(1 << (self.failures - 1).min(16)).min(MOST_PAUSE_MS);
        (self.failures < MAX_FAILURES).then_some(pause)
    }
}

impl Core {
    /// Uploads a file of any size. Cancelled, or refused, it leaves nothing.
    pub(crate) async fn upload_file(
        self: Rc<Self>,
        path: &str,
        upload: FileUpload,
        abort: &Abort,
    ) -> Result<FileStat, ShellError> {
        let path = self.mounts().in_workspace(path)?;
        let workspace = self.workspace_id()?;
        let size = upload.file.size() as u64;
        if size <= WHOLE_BYTES {
            return self.upload_whole(workspace, &path, &upload, abort).await;
        }
        let begun = abort.guard(self.begin(workspace, &path, size)).await??;
        let id = begun.id;
        let sent = async {
            abort.guard(self.send_parts(workspace, begun, &upload)).await??;
            self.finish(workspace, id, &upload, abort).await
        };
        let outcome = sent.await;
        if outcome.is_err() {
            // What is left of it would count for the workspace; the server gives it up by itself where this does not get through.
            let _ = self.rest.cancel_upload(workspace, id).await;
        }
        outcome
    }

    async fn upload_whole(
        &self,
        workspace: WorkspaceId,
        path: &RelPath,
        upload: &FileUpload,
        abort: &Abort,
    ) -> Result<FileStat, ShellError> {
        let size = upload.file.size() as u64;
        let mut mode = upload.mode.clone();
        let mut pace = Pace::new();
        loop {
            let blob = upload.part(0, size)?;
            match abort.guard(self.rest.put_blob(workspace, path, &blob, &mode)).await? {
                Ok(stat) => {
                    upload.tell(size, size);
                    return Ok(stat);
                }
                Err(error) => mode = self.after(error, &mut pace, upload, mode, abort).await?,
            }
        }
    }

    async fn begin(&self, workspace: WorkspaceId, path: &RelPath, size: u64) -> Result<Upload, ShellError> {
        let mut pace = Pace::new();
        loop {
            match self.rest.begin_upload(workspace, path, size).await {
                Err(error) if error.is_unreachable() => self.wait(error, &mut pace).await?,
                outcome => return outcome,
            }
        }
    }

    async fn send_parts(&self, workspace: WorkspaceId, begun: Upload, upload: &FileUpload) -> Result<(), ShellError> {
        let Upload { id, size, mut received, .. } = begun;
        let mut pace = Pace::new();
        while received < size {
            let to = size.min(received + pace.part_bytes);
            let started = js_sys::Date::now();
            let part = upload.part(received, to)?;
            let sending = self.rest.continue_upload(workspace, id, received..to, &part);
            let sent = match select(pin!(sending), TimeoutFuture::new(PART_TIMEOUT_SECONDS * 1000)).await {
                Either::Left((sent, _)) => sent,
                // On a line that is gone, which the browser has not noticed. The next part takes over.
                Either::Right(_) => Err(ShellError::TimedOut { seconds: PART_TIMEOUT_SECONDS }),
            };
            match sent {
                Ok(now) => {
                    received = now.received;
                    pace.arrived(js_sys::Date::now() - started);
                }
                Err(error) if error.is_unreachable() || is_out_of_step(&error) => {
                    self.wait(error, &mut pace).await?;
                    // As far as it came, which may be further than was told.
                    match self.rest.upload(workspace, id).await {
                        Ok(now) => received = now.received,
                        Err(error) if error.is_unreachable() => {}
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
            upload.tell(received, size);
        }
        Ok(())
    }

    async fn finish(
        &self,
        workspace: WorkspaceId,
        id: coditect_protocol::UploadId,
        upload: &FileUpload,
        abort: &Abort,
    ) -> Result<FileStat, ShellError> {
        let mut mode = upload.mode.clone();
        let mut pace = Pace::new();
        loop {
            match abort.guard(self.rest.finish_upload(workspace, id, &mode)).await? {
                Ok(stat) => return Ok(stat),
                Err(error) => mode = self.after(error, &mut pace, upload, mode, abort).await?,
            }
        }
    }

    /// What to try next after a failure: the same where it did not get through, replacing where the person says so.
    async fn after(
        &self,
        error: ShellError,
        pace: &mut Pace,
        upload: &FileUpload,
        mode: WriteMode,
        abort: &Abort,
    ) -> Result<WriteMode, ShellError> {
        if error.is_unreachable() {
            abort.guard(self.wait(error, pace)).await??;
            return Ok(mode);
        }
        if mode != WriteMode::Overwrite && is_conflict(&error) && abort.guard(upload.may_replace()).await? {
            return Ok(WriteMode::Overwrite);
        }
        Err(error)
    }

    /// Waits after a failure until the server is there again.
    async fn wait(&self, error: ShellError, pace: &mut Pace) -> Result<(), ShellError> {
        let Some(pause) = pace.failed() else { return Err(error) };
        TimeoutFuture::new(pause).await;
        // Answered as soon as the link is back.
        self.link.call(Request::Session).await.map(drop)
    }
}

fn code(error: &ShellError) -> &str {
    match error {
        ShellError::Problem(problem) => &problem.code,
        _ => "",
    }
}

/// Page and server disagree on how far it is, or the part was cut off.
fn is_out_of_step(error: &ShellError) -> bool {
    matches!(code(error), "upload.offset" | "files.interrupted")
}

fn is_conflict(error: &ShellError) -> bool {
    matches!(code(error), "files.exists" | "files.changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_the_line() {
        let mut pace = Pace::new();
        for _ in 0..20 {
            pace.arrived(10.0);
        }
        assert_eq!(pace.part_bytes, MOST_PART_BYTES);
        for _ in 0..20 {
            pace.arrived(60_000.0);
        }
        assert_eq!(pace.part_bytes, LEAST_PART_BYTES);
        pace.arrived(2_000.0);
        assert_eq!(pace.part_bytes, LEAST_PART_BYTES);
    }

    #[test]
    fn it_is_given_up_only_after_many_failures_in_a_row() {
        let mut pace = Pace::new();
        let pauses: Vec<_> = std::iter::from_fn(|| pace.failed()).collect();
        assert_eq!(pauses[..4], [250, 500, 1000, 2000]);
        assert_eq!((pauses.len(), pauses.last()), (MAX_FAILURES as usize - 1, Some(&MOST_PAUSE_MS)));
        pace.arrived(1.0);
        assert_eq!(pace.failed(), Some(LEAST_PAUSE_MS));
    }
}
