//! Who asks at a door: the token in whichever header the client's dialect puts it, the program, and the workspace.

use std::sync::Arc;

use coditect_auth::{Credential, Identity};
use coditect_metering::Asker;
use coditect_protocol::WorkspaceId;
use coditect_protocol::auth::Scope;
use coditect_protocol::workspace::WorkspaceRole;
use http::request::Parts;
use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;

use crate::error::{ApiError, ApiFault};
use crate::identity::{bearer, text};
use crate::problem;
use crate::state::AppState;

/// Where Anthropic's clients put their key.
const ANTHROPIC_KEY: &str = "x-api-key";
/// Where Gemini's clients put theirs.
const GEMINI_KEY: &str = "x-goog-api-key";
/// Where Gemini's older clients put theirs: in the query.
const QUERY_KEY: &str = "key";
/// By which an agent names itself, where its user agent does not.
const AGENT: &str = "x-coditect-agent";
/// By which a program names the workspace that it works in.
const WORKSPACE: &str = "x-coditect-workspace";
/// Longest name of an agent, in characters.
const MAX_AGENT_CHARS: usize = 64;

/// Checks the token. Cookies count for nothing here: no page calls these.
pub(crate) async fn identify(parts: &Parts, state: &AppState) -> Result<Identity, ApiError> {
    let headers = &parts.headers;
    // In the query only where Gemini's older clients put it: addresses are written down in many places.
    let path = parts.uri.path();
    let is_gemini = path.contains("/llm/v1beta/") || path.contains("/llm/v1/models");
    let in_query = key_in_query(parts.uri.query()).filter(|_| is_gemini);
    let token = bearer(headers)
        .or_else(|| text(headers, ANTHROPIC_KEY))
        .or_else(|| text(headers, GEMINI_KEY))
        .or(in_query.as_deref())
        .ok_or(ApiFault::NotLoggedIn)?;
    let identity = state.auth.check(token.trim()).await?;
    if let Some(asker) = parts.extensions.get::<problem::Asker>() {
        asker.is(identity.user.id);
    }
    identity.require(Scope::Llm)?;
    Ok(identity)
}

/// The key in a query.
pub(super) fn key_in_query(query: Option<&str>) -> Option<String> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let found = pairs.into_iter().find(|(name, _)| *name == QUERY_KEY)?;
    percent_decode_str(found.1).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Who asks, for the gateway.
pub(super) async fn asker(identity: &Identity, headers: &HeaderMap, state: &AppState) -> Result<Asker, ApiError> {
    let (token, bound) = match &identity.credential {
        Credential::Session(_) => (None, None),
        Credential::Token { id, workspace, .. } => (Some(*id), *workspace),
    };
    let workspace = match (bound, text(headers, WORKSPACE)) {
        (Some(bound), _) => Some(bound),
        (None, None) => None,
        (None, Some(named)) => Some(member_of(named, identity, state).await?),
    };
    let (user, role) = (identity.user.id, identity.user.role);
    Ok(Asker { user, role, token, workspace, agent: agent(headers), allowance: None })
}

/// The workspace, where the person is a member.
async fn member_of(named: &str, identity: &Identity, state: &AppState) -> Result<WorkspaceId, ApiError> {
    let id = named.parse().map_err(|_| ApiFault::BadRequest("The header x-coditect-workspace names no workspace."))?;
    state.workspaces.access(identity.user.id, id, WorkspaceRole::Write).await?;
    Ok(id)
}

/// The program, as it names itself.
fn agent(headers: &HeaderMap) -> Arc<str> {
    let named = text(headers, AGENT).or_else(|| text(headers, header::USER_AGENT.as_str())).unwrap_or_default();
    let product = named.split(['/', ' ', '(']).next().unwrap_or_default();
    let known = match product {
        "claude-cli" => "claude-code",
        "GeminiCLI" => "gemini-cli",
        product if product.starts_with("codex_") => "codex",
        "" => "unknown",
        product => product,
    };
    known.chars().filter(|c| !c.is_control()).take(MAX_AGENT_CHARS).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_by_what_they_say() {
        for (said, expected) in [
            ("claude-cli/2.1.330 (external, cli)", "claude-code"),
            ("codex_cli_rs/0.169.0 (Debian)", "codex"),
            ("GeminiCLI/0.61.0/gemini-3 (linux)", "gemini-cli"),
            ("OpenAI/Python 3.54.0", "OpenAI"),
            ("opencode/1.2", "opencode"),
            ("", "unknown"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, said.parse().unwrap());
            assert_eq!(&*agent(&headers), expected, "{said}");
            headers.insert(AGENT, "mine".parse().unwrap());
            assert_eq!(&*agent(&headers), "mine");
        }
    }

    #[test]
    fn keys_in_queries() {
        assert_eq!(key_in_query(Some("alt=sse&key=a%2Bb")).as_deref(), Some("a+b"));
        assert_eq!(key_in_query(Some("alt=sse&monkey=1&key")), None);
        assert_eq!(key_in_query(None), None);
    }
}
