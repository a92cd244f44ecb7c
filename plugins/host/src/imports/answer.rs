//! Pieces of the answer that is being given.

use std::sync::atomic::Ordering;

use coditect_protocol::plugin::PluginItem;

use super::{Error, MAX_ANSWER_BYTES, Settled, Told, path, settle, wit};
use crate::state::{Around, State};
use wit::answer::Host;

/// Largest piece that goes to a page at once, in bytes: larger ones are split.
const MAX_PIECE_BYTES: usize = 32 * 1024;
/// What each piece counts for beside its text, in bytes.
const PIECE_BYTES: usize = 16;

impl Host for State {
    async fn text(&mut self, text: String) -> Settled<()> {
        settle(pieces(&self.around, &text, |text| PluginItem::Text { text }).await)
    }

    async fn thought(&mut self, text: String) -> Settled<()> {
        settle(pieces(&self.around, &text, |text| PluginItem::Thought { text }).await)
    }

    async fn reference(&mut self, path: String, line: Option<u32>) -> Settled<()> {
        settle(reference(&self.around, &path, line).await)
    }
}

async fn pieces(around: &Around, text: &str, item: impl Fn(String) -> PluginItem) -> Told<()> {
    begin(around, text.len())?;
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(MAX_PIECE_BYTES));
        rest = behind;
        // Markdown has no use for control characters beside those of lines; what they would do to a terminal is not wanted.
        send(around, item(piece.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect())).await?;
    }
    Ok(())
}

async fn reference(around: &Around, text: &str, line: Option<u32>) -> Told<()> {
    begin(around, text.len())?;
    let path = path(text)?.to_string();
    Ok(send(around, PluginItem::Reference { path, line }).await?)
}

/// Goes on only where an answer is being given, and there is room left in it.
fn begin(around: &Around, bytes: usize) -> Told<()> {
    around.enter()?;
    if !around.is_answering {
        return Err(
            Error::Failed("Only chat participants and model providers give an answer in pieces.".to_owned()).into()
        );
    }
    let take = |left: usize| left.checked_sub(bytes + PIECE_BYTES);
    let taken = around.says.answer_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
    taken.map_err(|_| Error::Limit(format!("An answer has at most {} MiB.", MAX_ANSWER_BYTES >> 20)))?;
    Ok(())
}

/// Waits until there is room for it: who reads slowly is written to slowly.
async fn send(around: &Around, item: PluginItem) -> Result<(), Error> {
    let nobody = || Error::Failed("Nobody listens any more.".to_owned());
    let items = around.caller.items.as_ref().ok_or_else(nobody)?;
    items.send(item).await.map_err(|_| nobody())
}
