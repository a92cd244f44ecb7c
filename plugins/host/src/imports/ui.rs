//! Telling the person something.

use std::time::Duration;

use coditect_protocol::plugin::{CapabilityName, FindingSeverity, PluginItem};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::{Error, Settled, Told, settle, text, wit};
use crate::state::{Around, State};
use wit::types::Severity;
use wit::ui::Host;

/// Longest notice, in bytes.
const MAX_NOTICE_BYTES: usize = 1024;
/// Longest text of how far a call is, in bytes.
const MAX_PROGRESS_BYTES: usize = 256;
/// How long each word of how far a call is stands at least: twenty a second.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(50);

/// How far a call is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    text: String,
    percent: Option<u32>,
}

impl Host for State {
    async fn notify(&mut self, severity: Severity, text: String) -> Settled<()> {
        settle(notify(&self.around, severity, &text))
    }

    async fn progress(&mut self, text: String, percent: Option<u32>) -> wasmtime::Result<()> {
        let around = &self.around;
        around.enter()?;
        let Some(items) = &around.caller.items else { return Ok(()) };
        let (last, _) = around.says.progress.get_or_init(|| {
            let (last, said) = watch::channel(Progress::default());
            (last, AbortOnDropHandle::new(around.outside.spawn(bring(said, items.clone()))))
        });
        let text = text::clean_line(&text, MAX_PROGRESS_BYTES);
        last.send_replace(Progress { text, percent: percent.map(|percent| percent.min(100)) });
        Ok(())
    }
}

/// Brings what was said last to the page, at most so often.
async fn bring(mut said: watch::Receiver<Progress>, items: mpsc::Sender<PluginItem>) {
    while said.changed().await.is_ok() {
        let item = {
            let last = said.borrow_and_update();
            PluginItem::Progress { text: last.text.clone(), percent: last.percent }
        };
        if items.send(item).await.is_err() {
            return;
        }
        sleep(PROGRESS_INTERVAL).await;
    }
}

fn notify(around: &Around, severity: Severity, text: &str) -> Told<()> {
    around.enter()?;
    around.need(CapabilityName::Notify)?;
    let text = text::clean(text::head(text).trim(), MAX_NOTICE_BYTES);
    if text.is_empty() {
        return Err(Error::Invalid("There is nothing to tell.".to_owned()).into());
    }
    let Some(ears) = &around.caller.ports.ears else {
        return Err(Error::Unavailable("There is nobody to tell.".to_owned()).into());
    };
    if !around.caller.rights.may_notify() {
        return Err(Error::Limit("A plugin tells a person at most ten things a minute.".to_owned()).into());
    }
    let severity = match severity {
        Severity::Error => FindingSeverity::Error,
        Severity::Warning => FindingSeverity::Warning,
        Severity::Information => FindingSeverity::Information,
        Severity::Hint => FindingSeverity::Hint,
    };
    Ok(ears.notify(severity, text)?)
}
