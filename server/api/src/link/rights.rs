//! What somebody must be allowed in a workspace to ask something over a link.

use coditect_protocol::WorkspaceId;
use coditect_protocol::call::Request;
use coditect_protocol::chat::ChatRequest;
use coditect_protocol::files::Root;
use coditect_protocol::workspace::WorkspaceRole;

/// The workspace that a call is about, and the role that it demands there; nothing where it is about none. Whoever adds a call has to
/// say it here. Terminals are asked for by their own ids, and know themselves whose they are.
pub(super) fn demanded_by(request: &Request) -> Option<(WorkspaceId, WorkspaceRole)> {
    use WorkspaceRole::{Read, Write};
    match request {
        Request::Stat(place) | Request::ReadFolder { place, .. } | Request::ReadFile { place, .. } => {
            at(place.root, Read)
        }
        Request::Watch { root } => at(*root, Read),
        Request::WriteFile { place, .. }
        | Request::MakeFolder(place)
        | Request::Delete { place, .. }
        | Request::SetPermissions { place, .. } => at(place.root, Write),
        // Both ends lie below the same root; anything else is refused before either is touched.
        Request::Rename { from, .. } | Request::Copy { from, .. } => at(from.root, Write),
        Request::ListTrash { workspace }
        | Request::Usage { workspace, .. }
        | Request::FindFiles { workspace, .. }
        | Request::SearchText { workspace, .. }
        | Request::Presence { workspace }
        | Request::Show { workspace, .. }
        | Request::ListTerminalProfiles { workspace }
        | Request::ListTerminals { workspace }
        | Request::CreateTerminal { workspace, .. }
        // What a plugin does is bounded by what its person may do.
        | Request::FollowPlugins { workspace }
        | Request::CallPlugin { workspace, .. }
        | Request::ListModels { workspace: Some(workspace), .. } => Some((*workspace, Read)),
        Request::Restore { workspace, .. } | Request::EmptyTrash { workspace, .. } => Some((*workspace, Write)),
        Request::ReplaceText { workspace, query } => Some((*workspace, if query.preview { Read } else { Write })),
        Request::Chat(ChatRequest { workspace: Some(workspace), .. }) => Some((*workspace, Read)),
        Request::Git { workspace, request, .. } => Some((*workspace, if request.is_reading() { Read } else { Write })),
        // Opening answers of itself whether it may be.
        Request::Session
        | Request::OpenWorkspace { .. }
        | Request::AttachTerminal { .. }
        | Request::WriteTerminal { .. }
        | Request::ResizeTerminal { .. }
        | Request::RenameTerminal { .. }
        | Request::CloseTerminal { .. }
        | Request::ListModels { .. }
        | Request::Chat(_) => None,
    }
}

/// The workspace that a call is about, where it is about one.
pub(super) fn workspace_of(request: &Request) -> Option<WorkspaceId> {
    match request {
        Request::OpenWorkspace { workspace } => Some(*workspace),
        other => demanded_by(other).map(|(workspace, _)| workspace),
    }
}

fn at(root: Root, role: WorkspaceRole) -> Option<(WorkspaceId, WorkspaceRole)> {
    match root {
        Root::Workspace(id) => Some((id, role)),
        Root::Home => None,
    }
}
