//! Everything that can go wrong here, with its stable code.

use coditect_protocol::auth::Scope;
use coditect_protocol::{Coded, Kind};
use coditect_store::StoreError;

use crate::login_name::LoginFault;
use crate::password::Weakness;

/// Why an account, a session or a token was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// No such account, or another password. Which of the two is never said.
    #[error("The name or the password is wrong.")]
    BadCredentials,
    /// The password was right, but an admin keeps the person out.
    #[error("This account is disabled; ask who runs the server.")]
    Disabled,
    /// Somebody registered with this address or name before.
    #[error("This name is registered already; log in instead.")]
    LoginTaken,
    /// The password breaks a rule.
    #[error("{0}")]
    WeakPassword(Weakness),
    /// This cannot be an e-mail address or a name.
    #[error("{0}")]
    InvalidLogin(LoginFault),
    /// Forged, damaged, or made for something else.
    #[error("This token is not valid; log in again.")]
    InvalidToken,
    /// The token is past its time.
    #[error("This token has expired; refresh it, log in again or make a new one.")]
    ExpiredToken,
    /// Logged out, revoked or timed out.
    #[error("This login has ended; log in again.")]
    SessionEnded,
    /// A refresh token came a second time, which ends its session.
    #[error("This login was ended because its refresh token was used twice; log in again.")]
    RefreshReused,
    /// The CSRF token is missing or another session's.
    #[error("The request did not come from the page of this login; reload the page.")]
    Csrf,
    /// The personal access token was not made for this.
    #[error("This token lacks the scope {}; make one that has it.", .0.name())]
    MissingScope(Scope),
    /// The token is good for one workspace alone.
    #[error("This token is good for the workspace of its terminal alone; make a personal access token for others.")]
    OtherWorkspace,
    /// A personal access token cannot do this.
    #[error("This needs a login; a personal access token cannot do it.")]
    NeedsLogin,
    /// Only for admins.
    #[error("Only an admin of this server can do this.")]
    NotAdmin,
    /// An admin would get round what is asked of everybody else about their own account.
    #[error("Do this for your own account with your password, or let another admin do it.")]
    OwnAccount,
    /// An instance must keep one admin who can log in.
    #[error("This is the last admin; make somebody else admin first.")]
    LastAdmin,
    /// The operator closed the registration.
    #[error("Registration is closed on this server; ask who runs it for an account.")]
    RegistrationClosed,
    /// Only who was invited can register.
    #[error("Registration needs an invitation on this server; ask an admin for one.")]
    InviteNeeded,
    /// No such invitation, used, past its time, or for somebody else.
    #[error("This invitation is not valid; ask an admin for a new one.")]
    InviteInvalid,
    /// An invitation was asked for that cannot be.
    #[error("{0}.")]
    BadInviteRequest(String),
    /// A program called itself something that cannot be shown.
    #[error("A program's name has 1 to 64 visible characters; choose another.")]
    BadClientName,
    /// Too many attempts from there.
    #[error("Too many attempts; try again in {seconds} s.")]
    TooManyAttempts {
        /// Time to wait, in seconds.
        seconds: u64,
    },
    /// As many passwords are being checked as the server takes on.
    #[error("The server is busy with other logins; try again in a few seconds.")]
    Busy,
    /// Who is logged in gave another password than theirs.
    #[error("The password is wrong.")]
    WrongPassword,
    /// The code to reset a password is wrong, used or past its time.
    #[error("This code is not valid; ask for a new one.")]
    WrongResetCode,
    /// The code of the second factor is wrong or was used before.
    #[error("The code is wrong or was used before; wait for the next one.")]
    WrongSecondFactor,
    /// The ticket of a login that waits for its second factor is wrong or past its time.
    #[error("This login took too long; begin it again.")]
    SecondFactorTicket,
    /// There is a second factor already.
    #[error("The second factor is on already; switch it off first.")]
    SecondFactorEnabled,
    /// There is no second factor, or none that waits to be confirmed.
    #[error("There is no second factor to do this with; set one up first.")]
    SecondFactorMissing,
    /// Not one of the person's sessions.
    #[error("There is no such login; it may have ended already.")]
    NoSuchSession,
    /// Not one of the person's tokens.
    #[error("There is no such token; it may have been revoked already.")]
    NoSuchToken,
    /// No such person.
    #[error("There is no such person.")]
    NoSuchPerson,
    /// No such invitation.
    #[error("There is no such invitation; it may have been used or revoked already.")]
    NoSuchInvite,
    /// No such device or user code.
    #[error("There is no such code; look whether it was typed correctly, or begin again.")]
    NoSuchDeviceCode,
    /// As many programs wait to be let in as the server keeps.
    #[error("Too many programs wait to be let in at the moment; try again in some minutes.")]
    TooManyDeviceCodes,
    /// The person has not decided yet.
    #[error("The login was not approved yet; ask again after the interval.")]
    AuthorizationPending,
    /// The program asks more often than it may.
    #[error("Asked too soon; wait five seconds longer between two questions.")]
    SlowDown,
    /// The device code is past its time.
    #[error("The code has expired; begin again.")]
    DeviceExpired,
    /// The person said no.
    #[error("The login was refused.")]
    DeviceDenied,
    /// As many personal access tokens as a person may have.
    #[error("You have {max} tokens, which is the most; revoke one first.")]
    TooManyTokens {
        /// Most tokens of a person.
        max: usize,
    },
    /// A token was asked for that cannot be.
    #[error("{0}.")]
    BadTokenRequest(String),
    /// The key that protects secrets in the store cannot be used.
    #[error("The master key cannot be used: {0}.")]
    MasterKey(String),
    /// A setting makes no sense.
    #[error("The settings of accounts cannot be used: {0}.")]
    Settings(String),
    /// The cryptography or a stored record failed; the text is for the log.
    #[error("Accounts failed: {0}.")]
    Internal(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for AuthError {
    fn code(&self) -> &'static str {
        match self {
            Self::BadCredentials => "auth.bad_credentials",
            Self::Disabled => "auth.disabled",
            Self::LoginTaken => "auth.login_taken",
            Self::WeakPassword(_) => "auth.weak_password",
            Self::InvalidLogin(_) => "auth.invalid_login",
            Self::InvalidToken => "auth.invalid_token",
            Self::ExpiredToken => "auth.expired_token",
            Self::SessionEnded => "auth.session_ended",
            Self::RefreshReused => "auth.refresh_reused",
            Self::Csrf => "auth.csrf",
            Self::MissingScope(_) => "auth.scope",
            Self::OtherWorkspace => "auth.other_workspace",
            Self::NeedsLogin => "auth.needs_login",
            Self::NotAdmin => "auth.not_admin",
            Self::OwnAccount => "auth.own_account",
            Self::LastAdmin => "auth.last_admin",
            Self::RegistrationClosed => "auth.registration_closed",
            Self::InviteNeeded => "auth.invite_needed",
            Self::InviteInvalid => "auth.invite_invalid",
            Self::BadInviteRequest(_) => "auth.bad_invite_request",
            Self::BadClientName => "auth.bad_client_name",
            Self::TooManyAttempts { .. } => "auth.too_many_attempts",
            Self::Busy => "auth.busy",
            Self::WrongPassword => "auth.wrong_password",
            Self::WrongResetCode => "auth.reset_code_wrong",
            Self::WrongSecondFactor => "auth.second_factor_wrong",
            Self::SecondFactorTicket => "auth.second_factor_ticket",
            Self::SecondFactorEnabled => "auth.second_factor_enabled",
            Self::SecondFactorMissing => "auth.second_factor_missing",
            Self::NoSuchSession => "auth.no_such_session",
            Self::NoSuchToken => "auth.no_such_token",
            Self::NoSuchPerson => "auth.no_such_person",
            Self::NoSuchInvite => "auth.no_such_invite",
            Self::NoSuchDeviceCode => "auth.no_such_device_code",
            Self::TooManyDeviceCodes => "auth.too_many_device_codes",
            Self::AuthorizationPending => "auth.authorization_pending",
            Self::SlowDown => "auth.slow_down",
            Self::DeviceExpired => "auth.device_expired",
            Self::DeviceDenied => "auth.device_denied",
            Self::TooManyTokens { .. } => "auth.too_many_tokens",
            Self::BadTokenRequest(_) => "auth.bad_token_request",
            Self::MasterKey(_) => "auth.master_key",
            Self::Settings(_) => "auth.settings",
            Self::Internal(_) => "auth.internal",
            Self::Store(error) => error.code(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::BadCredentials
            | Self::InvalidToken
            | Self::ExpiredToken
            | Self::SessionEnded
            | Self::RefreshReused
            | Self::WrongSecondFactor
            | Self::SecondFactorTicket => Kind::Unauthenticated,
            Self::LoginTaken
            | Self::LastAdmin
            | Self::SecondFactorEnabled
            | Self::SecondFactorMissing
            | Self::TooManyTokens { .. } => Kind::Conflict,
            Self::WeakPassword(_)
            | Self::InvalidLogin(_)
            | Self::Settings(_)
            | Self::InviteNeeded
            | Self::InviteInvalid
            | Self::WrongResetCode
            | Self::AuthorizationPending
            | Self::SlowDown
            | Self::DeviceExpired
            | Self::DeviceDenied
            | Self::BadTokenRequest(_)
            | Self::BadInviteRequest(_)
            | Self::BadClientName => Kind::Invalid,
            Self::Csrf
            | Self::RegistrationClosed
            | Self::Disabled
            | Self::MissingScope(_)
            | Self::OtherWorkspace
            | Self::NeedsLogin
            | Self::NotAdmin
            | Self::OwnAccount
            | Self::WrongPassword => Kind::Forbidden,
            Self::NoSuchSession
            | Self::NoSuchToken
            | Self::NoSuchPerson
            | Self::NoSuchInvite
            | Self::NoSuchDeviceCode => Kind::NotFound,
            Self::TooManyAttempts { .. } => Kind::TooManyRequests,
            Self::Busy | Self::TooManyDeviceCodes => Kind::Unavailable,
            Self::Internal(_) | Self::MasterKey(_) => Kind::Internal,
            Self::Store(error) => error.kind(),
        }
    }

    fn is_inside(&self) -> bool {
        match self {
            Self::Store(error) => error.is_inside(),
            _ => self.kind() == Kind::Internal,
        }
    }
}
