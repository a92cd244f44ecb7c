//! Who may call a route. Every route is added with an [`Access`], and the check runs before its handler: a handler that asks for a
//! [`crate::identity::Caller`] without one being checked fails, so that nothing is open by omission.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{FromRequestParts as _, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use coditect_auth::Identity;
use coditect_protocol::auth::Scope;
use coditect_protocol::{Problem, WorkspaceId};
use http::StatusCode;
use http::request::Parts;

use super::named::Named;
use crate::AppState;
use crate::doors;
use crate::error::{ApiError, ApiFault};
use crate::identity::{Origin, identify, same_origin};

/// How the path of a route about one workspace goes on below the API.
const IN_WORKSPACE: &str = "/workspaces/{id}";

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody.
    Everybody,
    /// Everybody but pages of other sites: what comes before a login must not be forced upon a browser (login CSRF).
    OwnSite,
    /// Who is logged in; no personal access token.
    Login,
    /// Who is logged in, and personal access tokens with the scope.
    Scoped(Scope),
    /// At a door of the gateway: who has a token with the scope `llm`, in whichever header the client puts it.
    Door,
    /// An admin who is logged in, or their personal access token with the scope `admin`.
    Admin,
    /// An admin who is logged in; no personal access token: what would let its holder log in as others.
    AdminLogin,
    /// An admin who is logged in, or their personal access token with the scope `metrics`, which a monitoring system holds.
    Metrics,
    /// Who is logged in, and every personal access token: what is asked later demands its own scope.
    AnyCredential,
}

impl Access {
    /// Of a route about this workspace, where it is about one.
    fn demand(self, identity: &Identity, workspace: Option<WorkspaceId>) -> Result<(), ApiError> {
        match self {
            Self::Everybody | Self::OwnSite | Self::AnyCredential => Ok(()),
            Self::Login => Ok(identity.require_session().map(drop)?),
            Self::Scoped(scope) => Ok(identity.require_in(scope, workspace)?),
            Self::Door => Ok(identity.require(Scope::Llm)?),
            Self::Admin => Ok(identity.require_admin()?),
            Self::AdminLogin => {
                identity.require_session()?;
                Ok(identity.require_admin()?)
            }
            Self::Metrics => Ok(identity.require_admin_with(Scope::Metrics)?),
        }
    }

    async fn admit(self, state: &AppState, parts: &mut Parts) -> Result<(), ApiError> {
        match self {
            Self::Everybody => Ok(()),
            Self::OwnSite => {
                let origin = Origin::of(parts, state);
                let own = same_origin(&parts.headers, origin.secure, &state.settings.cors_origins);
                if own { Ok(()) } else { Err(ApiFault::OtherSite.into()) }
            }
            Self::Door => {
                let identity = doors::identify(parts, state).await?;
                parts.extensions.insert(identity);
                Ok(())
            }
            Self::Login | Self::Scoped(_) | Self::Admin | Self::AdminLogin | Self::Metrics | Self::AnyCredential => {
                let identity = identify(parts, state).await?;
                self.demand(&identity, workspace_of(parts, state).await)?;
                parts.extensions.insert(identity);
                Ok(())
            }
        }
    }
}

/// The workspace that a route is about, by the first part of its path.
async fn workspace_of(parts: &mut Parts, state: &AppState) -> Option<WorkspaceId> {
    let route = parts.extensions.get::<MatchedPath>()?.as_str();
    if !route.contains(IN_WORKSPACE) {
        return None;
    }
    Named::<WorkspaceId>::from_request_parts(parts, state).await.ok().map(|named| named.0)
}

/// What stands before one route.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) access: Access,
    /// Statuses that the description names, each with its codes.
    pub(super) described: BTreeMap<u16, BTreeSet<&'static str>>,
}

impl Rule {
    /// In builds with debug assertions, an answer that the description does not name is a fault: the tests find what it lacks.
    fn assert_described(&self, response: &Response) {
        let status = response.status();
        let Some(codes) = self.described.get(&status.as_u16()) else {
            debug_assert!(false, "the description of the API does not name the status {status}");
            return;
        };
        // Faults of the server and of its store may strike anywhere.
        let anywhere = status.is_server_error();
        if let Some(problem) = response.extensions().get::<Problem>().filter(|_| !anywhere) {
            debug_assert!(codes.contains(problem.code.as_str()), "{status}: the description lacks {}", problem.code);
        }
    }
}

/// Layer of one route.
pub(super) async fn guard(
    State((state, rule)): State<(AppState, Arc<Rule>)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let response = match rule.access.admit(&state, &mut parts).await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(error) => error.into_response(),
    };
    // A WebSocket has no answer but the change of protocol.
    // At a door, an upstream may say anything.
    let may_say_anything = rule.access == Access::Door || response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if cfg!(debug_assertions) && !may_say_anything {
        rule.assert_described(&response);
    }
    response
}
