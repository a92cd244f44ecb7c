//! Everything that can be asked over the link.
//!
//! A call has an id that its caller chose. It ends with exactly one [`ServerMessage::End`]; a streaming call sends
//! [`ServerMessage::Item`]s before. Items cost credit: their size in bytes, of what the caller granted with the call and with
//! [`ClientMessage::Credit`]; the server waits when it is used up.

use serde::{Deserialize, Serialize};

use crate::auth::SessionInfo;
use crate::chat::{ChatDelta, ChatEnd, ChatRequest, ModelList};
use crate::files::{FileChange, FileStat, FolderListing, Page, Place, Root, TrashEntry, Usage, WatchState, WriteMode};
use crate::git::{GitProgress, GitReply, GitRequest};
use crate::id::{TerminalId, TrashId, WorkspaceId};
use crate::path::RelPath;
use crate::plugin::{Answered, PluginCall, PluginId, PluginItem};
use crate::presence::{Present, Showing};
use crate::problem::Problem;
use crate::search::{FileMatches, FileReplacements, FindFiles, ReplaceSummary, ReplaceText, SearchSummary, SearchText};
use crate::terminal::{TerminalExit, TerminalInfo, TerminalProfile, TerminalSpec};
use crate::workspace::Workspace;

/// Identifier of a call on its link.
pub type CallId = u32;

/// Credit with which a call starts, in bytes.
pub const INITIAL_CREDIT_BYTES: u32 = 512 * 1024;
/// What each part of an item costs beside its texts, so that a flood of tiny ones is bounded too.
pub(crate) const OVERHEAD_BYTES: usize = 32;

/// From the page to the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ClientMessage {
    /// Starts a call with [`INITIAL_CREDIT_BYTES`] of credit.
    Call {
        /// Not in use on this link.
        id: CallId,
        /// What is asked.
        request: Box<Request>,
    },
    /// Ends a call early. The server still answers with one `End`.
    Cancel {
        /// The call.
        id: CallId,
    },
    /// The caller has taken in so many bytes of items.
    Credit {
        /// The call.
        id: CallId,
        /// Bytes.
        bytes: u32,
    },
}

/// From the server to the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ServerMessage {
    /// A part of a streaming call's answer.
    Item {
        /// The call.
        id: CallId,
        /// The part.
        item: Item,
    },
    /// The end of a call.
    End {
        /// The call.
        id: CallId,
        /// Its outcome.
        outcome: Result<Reply, Problem>,
    },
}

/// What can be asked. The comment names the items, then the reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// → [`Reply::Session`].
    Session,
    /// Opens a workspace (marks it as opened) → [`Reply::Workspace`].
    OpenWorkspace {
        /// Which.
        workspace: WorkspaceId,
    },

    /// → [`Reply::Stat`].
    Stat(Place),
    /// → [`Reply::Folder`].
    ReadFolder {
        /// The folder.
        place: Place,
        /// Which entries.
        page: Page,
    },
    /// [`Item::Bytes`] … → [`Reply::Stat`] of the version that was read.
    ReadFile {
        /// The file.
        place: Place,
        /// First byte.
        offset: u64,
        /// Most bytes; to the end where absent.
        length: Option<u64>,
    },
    /// Safe to send again: a write that finds its own bytes in place succeeds → [`Reply::Stat`].
    WriteFile {
        /// The file.
        place: Place,
        /// Its new content, whole.
        #[serde(with = "serde_bytes")]
        content: Vec<u8>,
        /// What may be there.
        mode: WriteMode,
    },
    /// With the folders above it → [`Reply::Stat`].
    MakeFolder(Place),
    /// → [`Reply::Done`].
    Delete {
        /// File, link or folder.
        place: Place,
        /// A folder with everything below it.
        recursive: bool,
        /// Into the workspace's trash, from where it can be had back. What is below the home is always gone.
        trash: bool,
    },
    /// What is in the trash, the newest first → [`Reply::Trash`].
    ListTrash {
        /// Of which.
        workspace: WorkspaceId,
    },
    /// Puts something back from the trash, with the folders above it → [`Reply::Stat`].
    Restore {
        /// Of which.
        workspace: WorkspaceId,
        /// What.
        entry: TrashId,
        /// Where to; where it was, if absent.
        to: Option<RelPath>,
    },
    /// Deletes things in the trash for good → [`Reply::Done`].
    EmptyTrash {
        /// Of which.
        workspace: WorkspaceId,
        /// Only these; all where empty.
        entries: Vec<TrashId>,
    },
    /// Changes the permissions of a file or folder → [`Reply::Stat`].
    SetPermissions {
        /// Which.
        place: Place,
        /// As `chmod` has them: the lowest nine bits.
        permissions: u32,
    },
    /// What a workspace takes on the disk; counted anew where `fresh` → [`Reply::Usage`].
    Usage {
        /// Which.
        workspace: WorkspaceId,
        /// Counts now instead of telling what was counted last.
        fresh: bool,
    },
    /// Within one root → [`Reply::Stat`].
    Rename {
        /// From.
        from: Place,
        /// To.
        to: Place,
        /// Replace what is there.
        overwrite: bool,
    },
    /// File or folder → [`Reply::Stat`].
    Copy {
        /// From.
        from: Place,
        /// To.
        to: Place,
        /// Replace what is there.
        overwrite: bool,
    },

    /// [`Item::Rescan`] once the watch stands, for what changed before, then [`Item::Changes`], [`Item::Rescan`], [`Item::Watching`] …
    /// until cancelled → [`Reply::Done`].
    Watch {
        /// The tree.
        root: Root,
    },
    /// → [`Reply::Paths`].
    FindFiles {
        /// Where.
        workspace: WorkspaceId,
        /// What.
        query: FindFiles,
    },
    /// [`Item::Matches`] … → [`Reply::Searched`].
    SearchText {
        /// Where.
        workspace: WorkspaceId,
        /// What.
        query: SearchText,
    },

    /// [`Item::Replaced`] … → [`Reply::Replaced`].
    ReplaceText {
        /// Where.
        workspace: WorkspaceId,
        /// What, and with what.
        query: ReplaceText,
    },

    /// [`Item::Git`] … → [`Reply::Git`].
    Git {
        /// Where.
        workspace: WorkspaceId,
        /// Folder of the repository's work tree.
        repository: RelPath,
        /// What.
        request: GitRequest,
    },

    /// [`Item::Presence`] at first and on each change, until cancelled → [`Reply::Done`].
    Presence {
        /// Where.
        workspace: WorkspaceId,
    },
    /// Tells the others what this page shows; told until it says otherwise or its link ends → [`Reply::Done`].
    Show {
        /// Where.
        workspace: WorkspaceId,
        /// What.
        showing: Showing,
    },

    /// → [`Reply::Profiles`].
    ListTerminalProfiles {
        /// Where.
        workspace: WorkspaceId,
    },
    /// → [`Reply::Terminals`].
    ListTerminals {
        /// Where.
        workspace: WorkspaceId,
    },
    /// → [`Reply::Terminal`].
    CreateTerminal {
        /// Where.
        workspace: WorkspaceId,
        /// What to start.
        spec: TerminalSpec,
    },
    /// [`Item::Output`] from `from` on, as far as the server still has it, … → [`Reply::TerminalEnded`].
    AttachTerminal {
        /// Which.
        terminal: TerminalId,
        /// Offset in the terminal's whole output; 0 for all that is kept.
        from: u64,
    },
    /// → [`Reply::Done`].
    WriteTerminal {
        /// Which.
        terminal: TerminalId,
        /// What the person typed.
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    /// → [`Reply::Done`].
    ResizeTerminal {
        /// Which.
        terminal: TerminalId,
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// → [`Reply::Done`].
    RenameTerminal {
        /// Which.
        terminal: TerminalId,
        /// Its new title; that of the beginning where empty.
        title: String,
    },
    /// Ends its processes and forgets it → [`Reply::Done`].
    CloseTerminal {
        /// Which.
        terminal: TerminalId,
    },

    /// → [`Reply::Models`].
    ListModels {
        /// Ask the upstreams again.
        refresh: bool,
        /// With those of the person's plugins there.
        #[serde(default)]
        workspace: Option<WorkspaceId>,
    },
    /// [`Item::Delta`] … → [`Reply::ChatEnded`].
    Chat(ChatRequest),

    /// [`PluginItem::Installed`] at first and on each change, and [`PluginItem::Notice`]s, until cancelled → [`Reply::Done`].
    FollowPlugins {
        /// Where.
        workspace: WorkspaceId,
    },
    /// [`Item::Plugin`] … → [`Reply::Plugin`].
    CallPlugin {
        /// Where.
        workspace: WorkspaceId,
        /// Which.
        plugin: PluginId,
        /// What.
        call: Box<PluginCall>,
    },
}

/// Part of a streaming answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Item {
    /// Bytes of a file.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Changes in a watched tree.
    Changes(Vec<FileChange>),
    /// Changes may have been missed: look again at everything.
    Rescan,
    /// How well the tree is watched from here on.
    Watching(WatchState),
    /// Matches of a text search, in files that were searched one after the other.
    Matches(Vec<FileMatches>),
    /// What was replaced in files, or would be.
    Replaced(Vec<FileReplacements>),
    /// Progress of a git request.
    Git(GitProgress),
    /// Everybody who has the workspace open.
    Presence(Vec<Present>),
    /// Output of a terminal.
    Output {
        /// Offset of the first byte in the terminal's whole output. A jump shows that older output was no longer kept.
        offset: u64,
        /// The bytes.
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    /// Part of a model's answer.
    Delta(ChatDelta),
    /// What comes of plugins.
    Plugin(Box<PluginItem>),
}

/// How a call ended well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Nothing to tell.
    Done,
    /// Who is logged in.
    Session(SessionInfo),
    /// A workspace.
    Workspace(Workspace),
    /// Facts of a file.
    Stat(FileStat),
    /// Entries of a folder.
    Folder(FolderListing),
    /// Paths found, best first.
    Paths {
        /// The paths.
        paths: Vec<String>,
        /// There are more.
        limit_reached: bool,
    },
    /// A text search ended.
    Searched(SearchSummary),
    /// A replacement ended.
    Replaced(ReplaceSummary),
    /// What is in the trash.
    Trash(Vec<TrashEntry>),
    /// What a workspace takes on the disk.
    Usage(Usage),
    /// A git request ended.
    Git(GitReply),
    /// Programs that terminals can be started with.
    Profiles(Vec<TerminalProfile>),
    /// Terminals of a workspace.
    Terminals(Vec<TerminalInfo>),
    /// A terminal.
    Terminal(TerminalInfo),
    /// A terminal's program ended.
    TerminalEnded(TerminalExit),
    /// Models.
    Models(ModelList),
    /// A model's answer ended.
    ChatEnded(ChatEnd),
    /// A plugin answered.
    Plugin(Box<Answered>),
}

impl Request {
    /// Whether it may be sent again when the link was lost and nobody knows if it was carried out: doing it twice equals doing it
    /// once.
    #[must_use]
    pub const fn is_repeatable(&self) -> bool {
        match self {
            Self::Session
            | Self::OpenWorkspace { .. }
            | Self::Stat(_)
            | Self::ReadFolder { .. }
            | Self::ReadFile { .. }
            | Self::WriteFile { .. }
            | Self::MakeFolder(_)
            | Self::ListTrash { .. }
            | Self::EmptyTrash { .. }
            | Self::SetPermissions { .. }
            | Self::Usage { .. }
            | Self::Watch { .. }
            | Self::Presence { .. }
            | Self::Show { .. }
            | Self::ListTerminalProfiles { .. }
            | Self::FindFiles { .. }
            | Self::SearchText { .. }
            | Self::ListTerminals { .. }
            | Self::AttachTerminal { .. }
            | Self::ResizeTerminal { .. }
            | Self::RenameTerminal { .. }
            | Self::ListModels { .. }
            | Self::FollowPlugins { .. } => true,
            Self::Git { request, .. } => request.is_repeatable(),
            Self::Delete { .. }
            | Self::Rename { .. }
            | Self::Copy { .. }
            | Self::Restore { .. }
            | Self::ReplaceText { .. }
            | Self::CreateTerminal { .. }
            | Self::WriteTerminal { .. }
            | Self::CloseTerminal { .. }
            | Self::Chat(_)
            | Self::CallPlugin { .. } => false,
        }
    }
}

impl Item {
    /// What the item costs of its call's credit, in bytes.
    #[must_use]
    pub fn cost(&self) -> u32 {
        let payload = match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Output { data, .. } => data.len(),
            Self::Changes(changes) => {
                let paths = changes.iter().flat_map(|change| [Some(&change.path), change.from.as_ref()]).flatten();
                paths.map(|path| path.as_str().len() + OVERHEAD_BYTES).sum()
            }
            Self::Rescan | Self::Watching(_) => 0,
            Self::Matches(files) => files.iter().map(FileMatches::cost).sum(),
            Self::Replaced(files) => files.iter().map(FileReplacements::cost).sum(),
            Self::Git(GitProgress::Step { step: text, .. } | GitProgress::Line { text }) => text.len(),
            Self::Presence(people) => people.iter().map(Present::cost).sum(),
            Self::Delta(ChatDelta::Text { text } | ChatDelta::Reasoning { text }) => text.len(),
            Self::Delta(ChatDelta::ToolCall(call)) => call.name.len() + call.arguments.len(),
            Self::Plugin(item) => item.weight(),
        };
        u32::try_from(payload + OVERHEAD_BYTES).unwrap_or(u32::MAX)
    }
}
