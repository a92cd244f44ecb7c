//! The answer that a chat participant or a model provider gives.

use crate::error::{Error, Result};
use crate::host::answer as host;

/// The answer that is being given; what is written to it is shown at once.
///
/// It takes formatted text too:
///
/// ```
/// use coditect_plugin_sdk::prelude::*;
///
/// struct Counter;
///
/// impl Participants for Counter {
///     fn respond(request: Request, reply: &mut Reply) -> Result<()> {
///         reply.write(format!("{} words.", request.text.split_whitespace().count()))
///     }
/// }
/// # let host = testing::Host::new().enter();
/// # let request = Request { participant: "c".into(), text: "a b".into(), history: vec![], context: Context::default() };
/// # Counter::respond(request, &mut testing::reply())?;
/// # assert_eq!(host.reply(), "2 words.");
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Reply(pub(crate) ());

impl Reply {
    /// More text, as Markdown. `failed` once nobody listens any more: end then.
    pub fn write(&mut self, text: impl AsRef<str>) -> Result<()> {
        host::text(text.as_ref()).map_err(Error::from_wire)
    }

    /// What is thought before the answer.
    pub fn think(&mut self, text: impl AsRef<str>) -> Result<()> {
        host::thought(text.as_ref()).map_err(Error::from_wire)
    }

    /// That a place in the workspace is meant; the line from 0.
    pub fn refer_to(&mut self, path: &str, line: Option<u32>) -> Result<()> {
        host::reference(path, line).map_err(Error::from_wire)
    }

    /// Everything that an iterator gives, such as [`crate::models::ask`].
    pub fn write_all(&mut self, pieces: impl IntoIterator<Item = Result<String>>) -> Result<()> {
        pieces.into_iter().try_for_each(|piece| self.write(piece?))
    }
}
