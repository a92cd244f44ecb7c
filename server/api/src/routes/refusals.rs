//! What routes refuse with, for the description of the API: statuses by their class, each with its stable codes.

use coditect_protocol::Kind;

/// Statuses and codes.
pub(crate) type Refusals = &'static [(Kind, &'static [&'static str])];

/// Everywhere: the layers around all routes, and what the server itself depends on.
pub(super) const ANYWHERE: Refusals = &[
    (Kind::Invalid, &["api.bad_request"]),
    (Kind::Forbidden, &["api.unknown_host"]),
    (Kind::Conflict, &["store.conflict"]),
    (Kind::Internal, &["api.internal"]),
    (
        Kind::Unavailable,
        &[
            "store.unavailable",
            "store.busy",
            "store.connection_lost",
            "store.fdb_unreachable",
            "store.commit_unknown",
            "store.closed",
            "auth.busy",
            "server.draining",
        ],
    ),
    (Kind::Timeout, &["api.timeout", "store.transaction_too_old"]),
    (Kind::OutOfSpace, &["store.out_of_space"]),
];
/// A page of another site.
pub(super) const OTHER_SITE: Refusals = &[(Kind::Forbidden, &["auth.other_site"])];
/// Wherever somebody must be known.
pub(super) const UNKNOWN_CALLER: Refusals = &[
    (Kind::Unauthenticated, &["auth.not_logged_in", "auth.invalid_token", "auth.expired_token", "auth.session_ended"]),
    (Kind::Forbidden, &["auth.disabled"]),
];
/// Where cookies may speak for a person, and something changes.
pub(super) const CSRF: Refusals = &[(Kind::Forbidden, &["auth.csrf"])];
/// A personal access token where only a login will do.
pub(super) const NEEDS_LOGIN: Refusals = &[(Kind::Forbidden, &["auth.needs_login"])];
/// A personal access token that was not made for it.
pub(super) const SCOPE: Refusals = &[(Kind::Forbidden, &["auth.scope", "auth.other_workspace"])];
/// At a door of the gateway: whatever an upstream may say comes on top of it.
pub(super) const DOOR: Refusals = &[
    (Kind::Forbidden, &["auth.scope", "llm.not_allowed", "llm.budget_exhausted", "llm.no_price", "llm.no_key"]),
    (Kind::NotFound, &["api.no_such_route", "llm.unknown_model", "workspace.not_found"]),
    (Kind::TooManyRequests, &["llm.rate_limited", "llm.too_many_questions"]),
    (
        Kind::Upstream,
        &["llm.upstream_error", "llm.unreachable", "llm.bad_stream", "llm.refused_key", "llm.upstream_out_of_money"],
    ),
    (Kind::Unavailable, &["llm.usage_behind", "llm.policy_unknown", "llm.resting"]),
    (Kind::Timeout, &["llm.timeout_first_token", "llm.timeout_whole"]),
];
/// No admin.
pub(super) const NOT_ADMIN: Refusals = &[(Kind::Forbidden, &["auth.scope", "auth.not_admin"])];
/// No admin's login.
pub(super) const NO_ADMIN_LOGIN: Refusals = &[(Kind::Forbidden, &["auth.needs_login", "auth.not_admin"])];
/// A JSON body.
pub(super) const BODY: Refusals =
    &[(Kind::Invalid, &["api.bad_body", "api.bad_json", "api.media_type"]), (Kind::TooLarge, &["api.too_large"])];

/// Attempts are counted.
pub(super) const COUNTED: Refusals = &[(Kind::TooManyRequests, &["auth.too_many_attempts"])];
/// A password that is given.
pub(super) const NEW_PASSWORD: Refusals = &[(Kind::Invalid, &["auth.weak_password"])];
/// The person is asked again who they are.
pub(super) const ASKED_AGAIN: Refusals = &[
    (Kind::Forbidden, &["auth.wrong_password"]),
    (Kind::Unauthenticated, &["auth.second_factor_wrong"]),
    (Kind::TooManyRequests, &["auth.too_many_attempts"]),
];
