//! What a page asks over its link, carried out by the features.

mod files;
mod git;
mod models;
mod plugins;
mod presence;
mod search;
mod terminals;
mod trash;

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use coditect_auth::Identity;
use coditect_protocol::call::{CallId, ClientMessage, Item, Reply, Request};
use coditect_protocol::files::{Place, Root};
use coditect_protocol::{Coded as _, Problem, UserId, WorkspaceId};
use coditect_workspace::WorkspaceError;
use coditect_workspace::registry::Access;
use coditect_workspace::tree::Tree;
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Instant, sleep};

use super::budget::Held;
use super::state::{Call, Gone, Link, Refused};
use super::{rights, scope};
use crate::AppState;
use crate::denials::Denied;
use crate::error::{ApiError, ApiFault};

/// What the log calls the route of a call.
const LINK_ROUTE: &str = "/api/v5/ws";
/// How long results are gathered that go in one message: less than anybody sees, and long beside what a message costs.
const GATHERING: Duration = Duration::from_millis(5);
/// How often it is looked meanwhile whether there are more: being woken for each takes longer than finding it.
const GATHERING_STEP: Duration = Duration::from_millis(1);

/// What a call is carried out with.
pub(super) struct Context {
    state: AppState,
    user: UserId,
    call: Arc<Call>,
    /// To the workspace that the call is about, where it is about one.
    access: Option<Access>,
    _held: Held,
}

/// Takes in a message that takes so many bytes in memory; a new call runs in a task of its own. Fails where the page overdoes it and must be cut off.
pub(super) fn accept(state: &AppState, link: &Arc<Link>, message: ClientMessage, weight: usize) -> Result<(), Problem> {
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
        ClientMessage::Call { id, request } => match link.begin_call(id, weight) {
            Ok((call, held)) => {
                let context = Context { state: state.clone(), user: link.user_id(), call, access: None, _held: held };
                tokio::spawn(run(context, link.clone(), id, *request));
                Ok(())
            }
            // Who would get the answer?
            Err(Refused::IdInUse) => Err(ApiFault::CallInUse.problem()),
            // Without a task: a flood of refused calls must not become a flood of tasks.
            Err(Refused::TooMany) => refuse(link, id, &ApiFault::TooManyCalls),
            Err(Refused::TooLarge) => refuse(link, id, &ApiFault::TooMuchContent),
        },
    }
}

fn refuse(link: &Link, id: CallId, fault: &ApiFault) -> Result<(), Problem> {
    if link.refuse(id, fault.problem()) { Ok(()) } else { Err(fault.problem()) }
}

async fn run(context: Context, link: Arc<Link>, id: u32, request: Request) {
    let (cancel, denials) = (context.call.cancel.clone(), context.state.denials.clone());
    // A call that panics ends as well, and its page learns of it.
    let carried_out = AssertUnwindSafe(Box::pin(carry_out(context, &link, request))).catch_unwind();
    let outcome = tokio::select! {
        outcome = carried_out => outcome.unwrap_or_else(|_| Err(ApiError::internal())),
        () = cancel.cancelled() => Err(ApiError::cancelled()),
    };
    let (outcome, held) = match outcome {
        Ok((reply, held)) => (Ok(reply), held),
        Err(error) => {
            let problem = error.into_problem();
            tracing::debug!(link = %link.id, call = id, code = problem.code, "call failed");
            denials.note(&Denied {
                problem: &problem,
                method: None,
                route: Some(LINK_ROUTE),
                user: Some(link.user_id()),
                address: None,
                request_id: None,
            });
            let held = link.person.answers.hold(encoded_bytes(&problem));
            (Err(problem), held)
        }
    };
    link.finish(id, outcome, held).await;
}

/// Answers a call, with what its answer weighs.
async fn carry_out(mut context: Context, link: &Link, mut request: Request) -> Result<(Reply, Held), ApiError> {
    let identity = context.state.auth.check_again(&link.opened_by).await?;
    models::settle(&mut request, &identity);
    identity.require_in(scope::demanded_by(&request), rights::workspace_of(&request))?;
    let _place = link.person.place(&request).await?;
    // After the wait for a place: what the person may do now counts.
    if let Some((workspace, role)) = rights::demanded_by(&request) {
        context.access = Some(context.state.workspaces.access(context.user, workspace, role).await?);
    }
    let lost = async {
        match &context.access {
            Some(access) => access.lost().await,
            None => std::future::pending().await,
        }
    };
    let reply = tokio::select! {
        reply = answer(&context, &identity, request) => reply?,
        () = lost => return Err(WorkspaceError::AccessEnded.into()),
    };
    // Before the place is given to the next.
    let held = link.person.answers.hold(encoded_bytes(&reply));
    Ok((reply, held))
}

/// Bytes of a message on the wire, counted and not kept.
fn encoded_bytes(message: &impl Serialize) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // What cannot be encoded is told where it is sent.
    let _ = rmp_serde::encode::write_named(&mut counter, message);
    counter.0
}

async fn answer(context: &Context, identity: &Identity, request: Request) -> Result<Reply, ApiError> {
    match request {
        Request::Session => Ok(Reply::Session(identity.session_info())),
        Request::OpenWorkspace { workspace } => {
            Ok(Reply::Workspace(context.state.workspaces.touch_opened(context.user, workspace).await?))
        }

        Request::Stat(place) => files::stat(context, &place).await,
        Request::ReadFolder { place, page } => files::read_folder(context, &place, page).await,
        Request::ReadFile { place, offset, length } => files::read(context, &place, offset, length).await,
        Request::WriteFile { place, content, mode } => files::write(context, &place, content, mode).await,
        Request::MakeFolder(place) => files::make_folder(context, &place).await,
        Request::Delete { place, recursive, trash } => files::delete(context, &place, recursive, trash).await,
        Request::ListTrash { workspace } => trash::list(context, workspace).await,
        Request::Restore { workspace, entry, to } => trash::restore(context, workspace, entry, to).await,
        Request::EmptyTrash { workspace, entries } => trash::empty(context, workspace, entries).await,
        Request::SetPermissions { place, permissions } => files::set_permissions(context, &place, permissions).await,
        Request::Usage { workspace, fresh } => files::usage(context, workspace, fresh).await,
        Request::Rename { from, to, overwrite } => files::rename(context, &from, &to, overwrite).await,
        Request::Copy { from, to, overwrite } => files::copy(context, &from, &to, overwrite).await,
        Request::Watch { root } => files::watch(context, root).await,

        Request::FindFiles { workspace, query } => search::find_files(context, workspace, query).await,
        Request::SearchText { workspace, query } => search::search_text(context, workspace, query).await,
        Request::ReplaceText { workspace, query } => search::replace_text(context, workspace, query).await,

        Request::Git { workspace, repository, request } => {
            git::carry_out(context, workspace, repository, request).await
        }

        Request::Presence { workspace } => presence::follow(context, workspace).await,
        Request::Show { workspace, showing } => presence::show(context, workspace, showing).await,

        Request::ListTerminalProfiles { .. } => terminals::profiles(context).await,
        Request::ListTerminals { workspace } => terminals::list(context, workspace).await,
        Request::CreateTerminal { workspace, spec } => terminals::create(context, workspace, spec).await,
        Request::AttachTerminal { terminal, from } => terminals::attach(context, terminal, from).await,
        Request::WriteTerminal { terminal, data } => terminals::write(context, terminal, &data).await,
        Request::ResizeTerminal { terminal, cols, rows } => terminals::resize(context, terminal, cols, rows).await,
        Request::RenameTerminal { terminal, title } => terminals::rename(context, terminal, &title).await,
        Request::CloseTerminal { terminal } => terminals::close(context, terminal).await,

        Request::ListModels { refresh, workspace } => models::list(context, identity, refresh, workspace).boxed().await,
        Request::Chat(request) => models::chat(context, identity, request).boxed().await,

        Request::FollowPlugins { workspace } => plugins::follow(context, workspace).boxed().await,
        Request::CallPlugin { workspace, plugin, call } => {
            plugins::call(context, workspace, plugin, *call).boxed().await
        }
    }
}

impl Context {
    /// The access to the workspace that the call is about, with the role that [`rights::demanded_by`] demands for it.
    fn access(&self, workspace: WorkspaceId) -> Result<&Access, ApiError> {
        let access = self.access.as_ref().filter(|access| access.workspace == workspace);
        access.ok_or_else(|| WorkspaceError::WorkspaceNotFound.into())
    }

    /// The tree a place is in, if the person may do there what the call is about.
    async fn tree(&self, root: Root) -> Result<Arc<Tree>, ApiError> {
        Ok(match root {
            Root::Workspace(workspace) => self.state.workspaces.tree_of(self.access(workspace)?).await?,
            Root::Home => self.state.workspaces.home(self.user).await?,
        })
    }

    /// Sends what a feature produces as items of the call while it works; answers the feature's own outcome.
    async fn forward<R, E>(
        &self,
        working: impl Future<Output = Result<R, E>>,
        produced: impl Stream<Item = Item>,
    ) -> Result<R, ApiError>
    where
        ApiError: From<E>,
    {
        let sending = async {
            let mut produced = pin!(produced);
            while let Some(item) = produced.next().await {
                self.call.item(item).await?;
            }
            Ok::<_, ApiError>(())
        };
        let (outcome, sent) = tokio::join!(working, sending);
        sent?;
        Ok(outcome?)
    }

    /// The name that others see of the person.
    async fn shown_name(&self) -> String {
        self.state.auth.names(&[self.user]).await.remove(&self.user).unwrap_or_default()
    }

    /// The tree that both places are in.
    async fn shared_tree(&self, from: &Place, to: &Place) -> Result<Arc<Tree>, ApiError> {
        if from.root != to.root {
            return Err(ApiFault::AcrossRoots.into());
        }
        self.tree(from.root).await
    }
}

/// What a feature produces, each as an item.
fn each<T>(produced: mpsc::Receiver<T>, item: impl Fn(T) -> Item) -> impl Stream<Item = Item> {
    stream::unfold(produced, async |mut produced| produced.recv().await.map(|part| (part, produced))).map(item)
}

/// What a feature produces: the first at once, then in items of what comes within [`GATHERING`], up to `bytes` of `cost` and what
/// the last one has beyond it.
fn batches<T>(
    produced: mpsc::Receiver<T>,
    bytes: usize,
    cost: fn(&T) -> usize,
    item: impl Fn(Vec<T>) -> Item,
) -> impl Stream<Item = Item> {
    let next = move |(mut produced, gathering): (mpsc::Receiver<T>, Duration)| async move {
        let mut batch = vec![produced.recv().await?];
        let mut taken = cost(&batch[0]);
        let end = Instant::now() + gathering;
        while taken < bytes {
            match produced.try_recv() {
                Ok(more) => {
                    taken += cost(&more);
                    batch.push(more);
                }
                Err(TryRecvError::Empty) if Instant::now() < end => sleep(GATHERING_STEP).await,
                Err(_) => break,
            }
        }
        Some((batch, (produced, GATHERING)))
    };
    stream::unfold((produced, Duration::ZERO), next).map(item)
}

impl From<Gone> for ApiError {
    fn from(_: Gone) -> Self {
        Self::cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_goes_at_once_and_then_what_comes_together() {
        let (sink, produced) = mpsc::channel(10);
        let batches = batches(produced, 10, |part: &Vec<u8>| part.len(), |parts| Item::Bytes(parts.concat()));
        let mut batches = pin!(batches);
        let begin = Instant::now();
        let mut expect = async |sent: &[u8], told: &[usize]| {
            for length in sent {
                sink.send(vec![*length; (*length).into()]).await.unwrap();
            }
            for length in told {
                let Some(Item::Bytes(bytes)) = batches.next().await else { panic!("no more bytes") };
                assert_eq!(bytes.len(), *length);
            }
            begin.elapsed()
        };
        assert_eq!(expect(&[4], &[4]).await, Duration::ZERO);
        // What is large enough waits for nothing either.
        assert_eq!(expect(&[4, 4, 4, 30, 1], &[12, 30, 1]).await, GATHERING);
        drop(sink);
        assert_eq!(batches.next().await, None);
    }
}
