//! Where events of accounts are told to: the seam for the audit log.

use std::net::IpAddr;

use coditect_protocol::workspace::WorkspaceRole;
use coditect_protocol::{InviteId, SessionId, TokenId, UserId, WorkspaceId};

/// Declares the actions with their stable names.
macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $name:literal,)+) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum AuditAction {
            $($(#[$doc])* $action,)+
        }

        impl AuditAction {
            /// Stable dotted name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$action => $name,)+
                }
            }
        }
    };
}

actions! {
    /// Somebody registered.
    Registered = "auth.registered",
    /// The first login of a new instance was made.
    FirstLoginCreated = "auth.first_login_created",
    /// Somebody logged in.
    LoggedIn = "auth.logged_in",
    /// A login failed: unknown account or wrong password.
    LoginFailed = "auth.login_failed",
    /// The password was right, but an admin keeps the person out.
    LoginDisabled = "auth.login_disabled",
    /// A login or registration was not even tried, because too many came from there.
    LoginThrottled = "auth.login_throttled",
    /// Somebody logged out.
    LoggedOut = "auth.logged_out",
    /// A used refresh token came again.
    RefreshReused = "auth.refresh_reused",
    /// A session was ended by the server: reuse of its refresh token, or too many sessions.
    SessionRevoked = "auth.session_revoked",
    /// A person ended one of their sessions.
    SessionEnded = "auth.session_ended",
    /// A person ended all of their other sessions.
    OtherSessionsEnded = "auth.other_sessions_ended",
    /// An admin ended all sessions of a person.
    SessionsEndedByAdmin = "auth.sessions_ended_by_admin",
    /// A new signing key was made.
    KeysRotated = "auth.keys_rotated",
    /// Somebody did not show again who they are, where that was asked: wrong password or code.
    ConfirmationFailed = "auth.confirmation_failed",
    /// Somebody changed their password.
    PasswordChanged = "auth.password_changed",
    /// A code to reset a password was sent.
    PasswordForgotten = "auth.password_forgotten",
    /// A password was reset with a code.
    PasswordReset = "auth.password_reset",
    /// A code to reset a password was wrong.
    PasswordResetFailed = "auth.password_reset_failed",
    /// An admin issued a code to reset a password.
    ResetCodeIssued = "auth.reset_code_issued",
    /// A second factor was switched on.
    SecondFactorEnabled = "auth.second_factor_enabled",
    /// A second factor was switched off by its person.
    SecondFactorDisabled = "auth.second_factor_disabled",
    /// A second factor was taken away by an admin.
    SecondFactorRemoved = "auth.second_factor_removed",
    /// A code of the second factor was wrong.
    SecondFactorFailed = "auth.second_factor_failed",
    /// A recovery code was used in place of the authenticator.
    RecoveryCodeUsed = "auth.recovery_code_used",
    /// New recovery codes were made.
    RecoveryCodesRenewed = "auth.recovery_codes_renewed",
    /// A personal access token was made.
    TokenMade = "auth.token_made",
    /// A personal access token was revoked.
    TokenRevoked = "auth.token_revoked",
    /// A program was let in by device code.
    DeviceApproved = "auth.device_approved",
    /// A program was refused by device code.
    DeviceDenied = "auth.device_denied",
    /// An invitation was made.
    InviteMade = "auth.invite_made",
    /// An invitation was revoked.
    InviteRevoked = "auth.invite_revoked",
    /// Somebody registered with an invitation.
    InviteUsed = "auth.invite_used",
    /// An admin changed a person's role.
    RoleChanged = "auth.role_changed",
    /// An admin keeps a person out.
    PersonDisabled = "auth.person_disabled",
    /// An admin lets a person in again.
    PersonEnabled = "auth.person_enabled",
    /// Somebody was made a member of a workspace.
    MemberAdded = "workspace.member_added",
    /// A member of a workspace got another role.
    MemberChanged = "workspace.member_changed",
    /// Somebody is no member of a workspace any more; without an actor they left.
    MemberRemoved = "workspace.member_removed",
}

/// What somebody logged in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoginMeans {
    /// The password alone.
    Password,
    /// The password and a code of the authenticator.
    Totp,
    /// The password and a recovery code.
    RecoveryCode,
    /// A program that its person let in with a code.
    DeviceCode,
}

impl LoginMeans {
    /// Stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
            Self::DeviceCode => "device_code",
        }
    }
}

/// One event. It names accounts by their id only: people type passwords into the field for their name, so that what
/// was typed for an unknown account must not reach a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// What happened.
    pub action: AuditAction,
    /// Milliseconds since 1970.
    pub at: u64,
    /// Whose account, where there is one.
    pub user: Option<UserId>,
    /// Who did it, where it was done to somebody else's account or to the instance.
    pub actor: Option<UserId>,
    /// Which session, where there is one.
    pub session: Option<SessionId>,
    /// Which personal access token, where there is one.
    pub token: Option<TokenId>,
    /// Which invitation, where there is one.
    pub invite: Option<InviteId>,
    /// Which workspace, where it is about one.
    pub workspace: Option<WorkspaceId>,
    /// What they may do there from now on.
    pub workspace_role: Option<WorkspaceRole>,
    /// How, where somebody logged in.
    pub means: Option<LoginMeans>,
    /// From where.
    pub address: Option<IpAddr>,
}

impl AuditEvent {
    /// An event of which nothing is known but what and when.
    #[must_use]
    pub const fn new(action: AuditAction, at: u64) -> Self {
        Self {
            action,
            at,
            user: None,
            actor: None,
            session: None,
            token: None,
            invite: None,
            workspace: None,
            workspace_role: None,
            means: None,
            address: None,
        }
    }
}

/// Takes the events. Called on the async runtime: implementations must be quick and must not block.
pub trait AuditSink: Send + Sync {
    /// Takes one event.
    fn record(&self, event: &AuditEvent);
}

/// Writes events to the log, target `audit`.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogSink;

impl AuditSink for LogSink {
    fn record(&self, event: &AuditEvent) {
        tracing::info!(
            target: "audit",
            action = event.action.name(),
            user = event.user.map(tracing::field::display),
            actor = event.actor.map(tracing::field::display),
            session = event.session.map(tracing::field::display),
            token = event.token.map(tracing::field::display),
            invite = event.invite.map(tracing::field::display),
            workspace = event.workspace.map(tracing::field::display),
            workspace_role = event.workspace_role.map(tracing::field::debug),
            means = event.means.map(LoginMeans::name),
            address = event.address.map(tracing::field::display),
        );
    }
}
