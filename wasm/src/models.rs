//! Language models.

use coditect_protocol::call::{Item, Reply, Request};
use coditect_protocol::chat::{ChatDelta, ChatEnd, ChatRequest, ModelList};

use crate::abort::Abort;
use crate::core::Core;
use crate::error::{ShellError, expect_reply};
use crate::link::Step;

impl Core {
    /// Models that can be talked to.
    pub(crate) async fn list_models(&self, refresh: bool) -> Result<ModelList, ShellError> {
        let reply = self.link.call(Request::ListModels { refresh, workspace: self.workspace_id().ok() }).await?;
        expect_reply!(reply, Reply::Models(models) => models)
    }

    /// One turn of a conversation.
    pub(crate) async fn chat(
        &self,
        mut request: ChatRequest,
        abort: &Abort,
        mut on_delta: impl FnMut(&ChatDelta),
    ) -> Result<ChatEnd, ShellError> {
        // For its budget, and the record of the call.
        request.workspace = request.workspace.or(self.workspace_id().ok());
        let call = self.link.start(Request::Chat(request))?;
        let reply = call
            .finish(abort, |step| match step {
                Step::Item(Item::Delta(delta)) => {
                    on_delta(&delta);
                    Ok(())
                }
                // A chat is never sent a second time.
                Step::Item(_) | Step::Restarted => Err(ShellError::UnexpectedReply),
            })
            .await?;
        expect_reply!(reply, Reply::ChatEnded(end) => end)
    }
}
