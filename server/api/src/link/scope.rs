//! What a personal access token must have been made for to ask something over a link.

use coditect_protocol::auth::Scope;
use coditect_protocol::call::Request;

/// The scope that a call demands. Whoever adds a call has to say it here.
pub(super) fn demanded_by(request: &Request) -> Scope {
    match request {
        Request::Session => Scope::AccountRead,
        Request::OpenWorkspace { .. } => Scope::WorkspacesRead,
        Request::Stat(_)
        | Request::ReadFolder(_)
        | Request::ReadFile { .. }
        | Request::Watch { .. }
        | Request::FindFiles { .. }
        | Request::SearchText { .. } => Scope::FilesRead,
        Request::WriteFile { .. }
        | Request::MakeFolder(_)
        | Request::Delete { .. }
        | Request::Rename { .. }
        | Request::Copy { .. } => Scope::FilesWrite,
        Request::ListTerminals { .. }
        | Request::CreateTerminal { .. }
        | Request::AttachTerminal { .. }
        | Request::WriteTerminal { .. }
        | Request::ResizeTerminal { .. }
        | Request::CloseTerminal { .. } => Scope::Terminals,
        Request::ListModels { .. } | Request::Chat(_) => Scope::Llm,
    }
}
