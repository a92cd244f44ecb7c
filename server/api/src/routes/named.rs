//! Ids in the path of an address.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use coditect_auth::AuthError;
use coditect_llm::keys::KeyError;
use coditect_plugins::PluginsError;
use coditect_protocol::plugin::PluginId;
use coditect_protocol::{
    CallId, CredentialId, InviteId, ModelKeyId, SessionId, TokenId, UploadId, UserId, WorkspaceId,
};
use coditect_workspace::WorkspaceError;
use http::request::Parts;

use crate::error::{ApiError, ApiFault};

/// An id in the path; one that is no id at all names nothing, like any other unknown one.
pub(crate) struct Named<T>(pub(crate) T);

/// A member's id in the path, behind that of their workspace.
pub(crate) struct NamedMember(pub(crate) UserId);

impl<S: Send + Sync> FromRequestParts<S> for NamedMember {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let user = parameter(parts, state, "user").await;
        user.map(Self).ok_or_else(|| WorkspaceError::NoSuchMember.into())
    }
}

/// A workspace's id in the path, before that of something in it.
pub(crate) struct NamedWorkspace(pub(crate) WorkspaceId);

impl<S: Send + Sync> FromRequestParts<S> for NamedWorkspace {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let workspace = parameter(parts, state, "workspace").await;
        workspace.map(Self).ok_or_else(|| WorkspaceError::WorkspaceNotFound.into())
    }
}

/// An upload's id in the path, behind that of its workspace.
pub(crate) struct NamedUpload(pub(crate) UploadId);

impl<S: Send + Sync> FromRequestParts<S> for NamedUpload {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let upload = parameter(parts, state, "upload").await;
        upload.map(Self).ok_or_else(|| WorkspaceError::UploadNotFound.into())
    }
}

/// A parameter of the path, where it is what it should be.
async fn parameter<S: Send + Sync, T: FromStr>(parts: &mut Parts, state: &S, name: &str) -> Option<T> {
    let params = RawPathParams::from_request_parts(parts, state).await.ok()?;
    let found = params.iter().find(|(key, _)| *key == name);
    found.and_then(|(_, value)| value.parse().ok())
}

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
    CredentialId: WorkspaceError::GitCredentialNotFound;
    ModelKeyId: KeyError::NotFound;
    CallId: ApiFault::NoSuchConversation;
    PluginId: PluginsError::NoPlugin("of that name".to_owned());
}

impl<S: Send + Sync, T: Nameable> FromRequestParts<S> for Named<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        parameter(parts, state, "id").await.map(Self).ok_or_else(T::unknown)
    }
}
