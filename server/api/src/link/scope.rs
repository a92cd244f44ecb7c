//! What a personal access token must have been made for to ask something over a link.

use coditect_protocol::auth::Scope;
use coditect_protocol::call::Request;

/// The scope that a call demands. Whoever adds a call has to say it here.
pub(super) fn demanded_by(request: &Request) -> Scope {
    match request {
        Request::Session => Scope::AccountRead,
        Request::OpenWorkspace { .. } => Scope::WorkspacesRead,
        Request::Stat(_)
        | Request::ReadFolder { .. }
        | Request::ReadFile { .. }
        | Request::Watch { .. }
        | Request::FindFiles { .. }
        | Request::SearchText { .. }
        | Request::ListTrash { .. }
        | Request::Usage { .. }
        | Request::Presence { .. }
        | Request::Show { .. } => Scope::FilesRead,
        Request::WriteFile { .. }
        | Request::MakeFolder(_)
        | Request::Delete { .. }
        | Request::Rename { .. }
        | Request::Copy { .. }
        | Request::Restore { .. }
        | Request::EmptyTrash { .. }
        | Request::SetPermissions { .. }
        | Request::ReplaceText { .. } => Scope::FilesWrite,
        Request::Git { request, .. } => {
            // Hooks are programs: whoever may not start any may not have git start them.
            if request.is_reading() { Scope::FilesRead } else { Scope::Terminals }
        }
        Request::ListTerminalProfiles { .. }
        | Request::ListTerminals { .. }
        | Request::CreateTerminal { .. }
        | Request::AttachTerminal { .. }
        | Request::WriteTerminal { .. }
        | Request::ResizeTerminal { .. }
        | Request::RenameTerminal { .. }
        | Request::CloseTerminal { .. } => Scope::Terminals,
        Request::ListModels { .. } | Request::Chat(_) => Scope::Llm,
        Request::FollowPlugins { .. } | Request::CallPlugin { .. } => Scope::Plugins,
    }
}
