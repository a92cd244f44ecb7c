//! What a page asks over its link, carried out by the features.

mod files;
mod models;
mod search;
mod terminals;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use coditect_protocol::call::{ClientMessage, Item, Reply, Request};
use coditect_protocol::files::{Place, Root};
use coditect_protocol::{Kind, Problem, UserId};
use coditect_workspace::tree::Tree;
use futures_util::FutureExt as _;
use tokio::sync::mpsc;

use super::state::{Call, Content, Gone, Link, Refused};
use crate::AppState;
use crate::error::ApiError;

/// What a call is carried out with.
pub(super) struct Context {
    state: AppState,
    user: UserId,
    call: Arc<Call>,
    _content: Content,
}

/// Takes in a message of so many bytes; a new call runs in a task of its own. Fails where the page overdoes it and must be cut off.
pub(super) fn accept(state: &AppState, link: &Arc<Link>, message: ClientMessage, size: usize) -> Result<(), Problem> {
    match message {
        ClientMessage::Credit { id, bytes } => {
            if let Some(call) = link.call(id) {
                call.grant(bytes);
            }
            Ok(())
        }
        ClientMessage::Cancel { id } => {
            if let Some(call) = link.call(id) {
                call.cancel.cancel();
            }
            Ok(())
        }
        ClientMessage::Call { id, request } => match link.begin_call(id, size) {
            Ok((call, content)) => {
                let context = Context { state: state.clone(), user: link.user_id, call, _content: content };
                tokio::spawn(run(context, link.clone(), id, *request));
                Ok(())
            }
            Err(Refused::IdInUse) => {
                Err(Problem::new(Kind::Invalid, "link.call_in_use", "Two calls of one page have the same number."))
            }
            // Without a task: a flood of refused calls must not become a flood of tasks.
            Err(refused) if link.refuse(id, refusal(&refused)) => Ok(()),
            Err(refused) => Err(refusal(&refused)),
        },
    }
}

fn refusal(refused: &Refused) -> Problem {
    let (code, message) = match refused {
        Refused::TooLarge => {
            ("link.too_much_content", "The calls under way are too large together; wait for some to end.")
        }
        Refused::TooMany | Refused::IdInUse => {
            ("link.too_many_calls", "Too many calls are under way; wait for some to end.")
        }
    };
    Problem::new(Kind::TooManyRequests, code, message)
}

async fn run(context: Context, link: Arc<Link>, id: u32, request: Request) {
    let cancel = context.call.cancel.clone();
    // A call that panics ends as well, and its page learns of it.
    let carried_out = AssertUnwindSafe(Box::pin(carry_out(context, &link, request))).catch_unwind();
    let outcome = tokio::select! {
        outcome = carried_out => outcome.unwrap_or_else(|_| Err(ApiError::internal())).map_err(ApiError::into_problem),
        () = cancel.cancelled() => Err(Problem::cancelled()),
    };
    if let Err(problem) = &outcome {
        tracing::debug!(link = %link.id, call = id, code = problem.code, "call failed");
    }
    link.finish(id, outcome).await;
}

/// Whether a call's answer may be large, in one piece or in many.
fn is_bulk(request: &Request) -> bool {
    matches!(
        request,
        Request::ReadFolder(_) | Request::ReadFile { .. } | Request::FindFiles { .. } | Request::SearchText { .. }
    )
}

async fn carry_out(context: Context, link: &Link, request: Request) -> Result<Reply, ApiError> {
    let identity = context.state.auth.check_session(link.session_id).await?;
    // It is never closed, so that there is a place sooner or later.
    let _place = if is_bulk(&request) { link.bulk.acquire().await.ok() } else { None };
    match request {
        Request::Session => Ok(Reply::Session(identity.session_info())),
        Request::OpenWorkspace { workspace } => {
            Ok(Reply::Workspace(context.state.workspaces.touch_opened(context.user, workspace).await?))
        }

        Request::Stat(place) => files::stat(&context, &place).await,
        Request::ReadFolder(place) => files::read_folder(&context, &place).await,
        Request::ReadFile { place, offset, length } => files::read(&context, &place, offset, length).await,
        Request::WriteFile { place, content, mode } => files::write(&context, &place, content, mode).await,
        Request::MakeFolder(place) => files::make_folder(&context, &place).await,
        Request::Delete { place, recursive } => files::delete(&context, &place, recursive).await,
        Request::Rename { from, to, overwrite } => files::rename(&context, &from, &to, overwrite).await,
        Request::Copy { from, to, overwrite } => files::copy(&context, &from, &to, overwrite).await,
        Request::Watch { root } => files::watch(&context, root).await,

        Request::FindFiles { workspace, query } => search::find_files(&context, workspace, query).await,
        Request::SearchText { workspace, query } => search::search_text(&context, workspace, query).await,

        Request::ListTerminals { workspace } => terminals::list(&context, workspace).await,
        Request::CreateTerminal { workspace, spec } => terminals::create(&context, workspace, spec).await,
        Request::AttachTerminal { terminal, from } => terminals::attach(&context, terminal, from).await,
        Request::WriteTerminal { terminal, data } => terminals::write(&context, terminal, &data).await,
        Request::ResizeTerminal { terminal, cols, rows } => terminals::resize(&context, terminal, cols, rows).await,
        Request::CloseTerminal { terminal } => terminals::close(&context, terminal).await,

        Request::ListModels { refresh } => Ok(Reply::Models(context.state.models.list(refresh).await)),
        Request::Chat(request) => models::chat(&context, request).await,
    }
}

impl Context {
    /// The tree a place is in, if it is this person's.
    async fn tree(&self, root: Root) -> Result<Arc<Tree>, ApiError> {
        Ok(self.state.workspaces.tree(self.user, root).await?)
    }

    /// Sends what a feature produces as items of the call while it works; answers the feature's own outcome.
    async fn forward<T, R, E>(
        &self,
        working: impl Future<Output = Result<R, E>>,
        mut produced: mpsc::Receiver<T>,
        item: impl Fn(T) -> Item,
    ) -> Result<R, ApiError>
    where
        ApiError: From<E>,
    {
        let sending = async {
            while let Some(part) = produced.recv().await {
                self.call.item(item(part)).await?;
            }
            Ok::<_, ApiError>(())
        };
        let (outcome, sent) = tokio::join!(working, sending);
        sent?;
        Ok(outcome?)
    }

    /// The tree that both places are in.
    async fn shared_tree(&self, from: &Place, to: &Place) -> Result<Arc<Tree>, ApiError> {
        if from.root != to.root {
            return Err(ApiError::new(
                Kind::Invalid,
                "files.across_roots",
                "A file cannot be moved or copied between a workspace and the home in one step.",
            ));
        }
        self.tree(from.root).await
    }
}

impl From<Gone> for ApiError {
    fn from(_: Gone) -> Self {
        let cancelled = Problem::cancelled();
        Self::new(cancelled.kind, &cancelled.code, cancelled.message)
    }
}
