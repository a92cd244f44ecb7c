//! Errors of the features, in the words of the contract.

use coditect_plugin_host::ports::Refused;
use coditect_protocol::{Coded, Kind};

/// What a feature refused with, for a plugin. What is inside the server is in its log, and nowhere else.
pub(super) fn refused<E: Coded>(error: &E) -> Refused {
    let kind = error.kind();
    if error.is_inside() {
        tracing::warn!(code = error.code(), %error, "a plugin could not be served");
    }
    let said = error.problem().message;
    match kind {
        Kind::Unauthenticated | Kind::Forbidden => Refused::Denied(said),
        Kind::TooLarge | Kind::TooManyRequests | Kind::OutOfSpace => Refused::Limit(said),
        Kind::NotFound => Refused::NotFound(said),
        Kind::Invalid | Kind::RangeNotSatisfiable => Refused::Invalid(said),
        Kind::Conflict | Kind::PreconditionFailed => Refused::Conflict(said),
        Kind::Upstream | Kind::Unavailable | Kind::Timeout => Refused::Unavailable(said),
        Kind::Cancelled | Kind::Internal => Refused::Failed(said),
    }
}

#[cfg(test)]
mod tests {
    use coditect_protocol::RelPath;
    use coditect_workspace::WorkspaceError;

    use super::*;

    #[test]
    fn what_is_inside_is_told_to_no_plugin() {
        let path = RelPath::parse("a").unwrap();
        assert!(matches!(refused(&WorkspaceError::ReadOnly), Refused::Denied(_)));
        assert!(matches!(refused(&WorkspaceError::NotFound(path.clone())), Refused::NotFound(_)));
        assert!(matches!(refused(&WorkspaceError::Changed(path.clone())), Refused::Conflict(_)));
        assert!(matches!(refused(&WorkspaceError::Exists(path.clone())), Refused::Conflict(_)));
        assert!(matches!(refused(&WorkspaceError::TooLarge { path, limit: 1 }), Refused::Limit(_)));
        let Refused::Failed(said) = refused(&WorkspaceError::Internal("/srv/inside".to_owned())) else {
            panic!("a fault of the server is no other refusal");
        };
        assert!(!said.contains("inside"), "{said}");
    }
}
