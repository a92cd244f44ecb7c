//! What all links of one person share: places and budgets, so that more pages do not mean more memory.

use std::sync::Arc;

use coditect_protocol::call::Request;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Limits;
use super::budget::Budget;
use crate::error::ApiFault;

/// Large frames of one person that arrive at the same time; whoever sends one more is cut off and comes back.
const LARGE_FRAMES_AT_ONCE: usize = 4;
/// Calls of one person that read much and are answered in parts as the page takes them; further ones wait.
const STREAMS_AT_ONCE: usize = 64;
/// Answers of git made at once for a person; the next ones wait.
const GIT_READS_AT_ONCE: usize = 4;
/// Calls of one person whose answer comes in one piece that may be large, while it is made; further ones wait.
const WHOLE_ANSWERS_AT_ONCE: usize = 16;
/// Searches by name of one person, while they go on; further ones wait. Their answers are the largest, and they take the longest: the
/// rest must not wait for them.
const SEARCHES_BY_NAME_AT_ONCE: usize = 4;
/// Calls of plugins of one person, while they go on; further ones wait. The host bounds those of each plugin beside that.
const PLUGIN_CALLS_AT_ONCE: usize = 32;

/// Lists of plugins that one person follows at the same time, one for each page with a workspace; as many as the pages that one may have.
const PLUGIN_LISTS_AT_ONCE: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Person {
    /// Places for large frames that arrive.
    pub(super) large_frames: Arc<Semaphore>,
    /// Bytes of the calls under way.
    pub(super) calls: Arc<Budget>,
    /// Bytes of the answers that their pages have not acknowledged. A budget of its own: calls wait for room among the answers, and
    /// room among the answers never waits for a call.
    pub(super) answers: Arc<Budget>,
    streams: Semaphore,
    whole_answers: Semaphore,
    searches_by_name: Semaphore,
    git_reads: Semaphore,
    plugin_calls: Semaphore,
    plugin_lists: Semaphore,
    chats: Semaphore,
    max_chats: usize,
}

/// Where the memory of a call's answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Nowhere: it is small.
    Small,
    /// Into parts, one after the other.
    Streamed,
    /// Into one piece.
    Whole,
    /// Into one piece of paths, which takes long.
    Paths,
    /// Into one piece that git makes, which may take long.
    Git,
    /// Into one piece that a plugin makes, which may take long.
    Plugin,
    /// Into a list that is told anew for as long as the page is open.
    PluginList,
    /// Into a conversation, which is held as long as the model takes.
    Chat,
}

impl Answer {
    fn to(request: &Request) -> Self {
        match request {
            Request::ReadFile { .. } | Request::SearchText { .. } | Request::ReplaceText { .. } => Self::Streamed,
            Request::ReadFolder { .. }
            | Request::ListTrash { .. }
            | Request::ListTerminals { .. }
            | Request::ListModels { .. } => Self::Whole,
            Request::Git { request, .. } if request.is_reading() => Self::Git,
            Request::FindFiles { .. } => Self::Paths,
            Request::CallPlugin { .. } => Self::Plugin,
            Request::FollowPlugins { .. } => Self::PluginList,
            Request::Chat(_) => Self::Chat,
            _ => Self::Small,
        }
    }
}

impl Person {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            large_frames: Arc::new(Semaphore::new(LARGE_FRAMES_AT_ONCE)),
            calls: Arc::new(Budget::new(limits.content_bytes)),
            answers: Arc::new(Budget::new(limits.content_bytes)),
            streams: Semaphore::new(STREAMS_AT_ONCE),
            whole_answers: Semaphore::new(WHOLE_ANSWERS_AT_ONCE),
            git_reads: Semaphore::new(GIT_READS_AT_ONCE),
            searches_by_name: Semaphore::new(SEARCHES_BY_NAME_AT_ONCE),
            plugin_calls: Semaphore::new(PLUGIN_CALLS_AT_ONCE),
            plugin_lists: Semaphore::new(PLUGIN_LISTS_AT_ONCE),
            chats: Semaphore::new(limits.chats),
            max_chats: limits.chats,
        }
    }

    /// The place that a call needs while it is carried out, once there is one and room for the answer.
    pub(super) async fn place(&self, request: &Request) -> Result<Option<SemaphorePermit<'_>>, ApiFault> {
        // No semaphore is ever closed, so that there is a place sooner or later.
        match Answer::to(request) {
            Answer::Small => Ok(None),
            Answer::Streamed => Ok(self.streams.acquire().await.ok()),
            Answer::Whole => Ok(self.place_and_room(&self.whole_answers).await),
            Answer::Git => Ok(self.place_and_room(&self.git_reads).await),
            Answer::Paths => Ok(self.place_and_room(&self.searches_by_name).await),
            Answer::Plugin => Ok(self.place_and_room(&self.plugin_calls).await),
            Answer::PluginList => {
                let place = self.plugin_lists.try_acquire();
                place.map(Some).map_err(|_| ApiFault::TooManyPluginLists { limit: PLUGIN_LISTS_AT_ONCE })
            }
            Answer::Chat => {
                let place = self.chats.try_acquire();
                place.map(Some).map_err(|_| ApiFault::TooManyChats { limit: self.max_chats })
            }
        }
    }

    async fn place_and_room<'a>(&self, places: &'a Semaphore) -> Option<SemaphorePermit<'a>> {
        let place = places.acquire().await.ok();
        self.answers.room().await;
        place
    }
}
