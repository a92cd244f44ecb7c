//! Ids in the path of an address.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use coditect_auth::AuthError;
use coditect_protocol::{InviteId, SessionId, TokenId, UserId, WorkspaceId};
use coditect_workspace::WorkspaceError;
use http::request::Parts;

use crate::error::ApiError;

/// An id in the path; one that is no id at all names nothing, like any other unknown one.
pub(crate) struct Named<T>(pub(crate) T);

/// What an id may name.
pub(crate) trait Nameable: FromStr {
    /// There is none of that name.
    fn unknown() -> ApiError;
}

macro_rules! nameable {
    ($($id:ty: $unknown:expr;)+) => {$(
        impl Nameable for $id {
            fn unknown() -> ApiError {
                $unknown.into()
            }
        }
    )+};
}
nameable! {
    WorkspaceId: WorkspaceError::WorkspaceNotFound;
    SessionId: AuthError::NoSuchSession;
    TokenId: AuthError::NoSuchToken;
    UserId: AuthError::NoSuchPerson;
    InviteId: AuthError::NoSuchInvite;
}

impl<S: Send + Sync, T: Nameable> FromRequestParts<S> for Named<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state).await.ok();
        let id = params
            .iter()
            .flat_map(|params| params.iter())
            .find(|(name, _)| *name == "id")
            .and_then(|(_, value)| value.parse().ok());
        id.map(Self).ok_or_else(T::unknown)
    }
}
