//! Everything that can go wrong here, with its stable code.

use coditect_protocol::{Coded, Kind};
use coditect_store::StoreError;

use crate::email::EmailFault;
use crate::password::Weakness;

/// Why an account, a session or a token was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// No such account, or another password. Which of the two is never said.
    #[error("The e-mail address or the password is wrong.")]
    BadCredentials,
    /// Somebody registered with this address before.
    #[error("This e-mail address is registered already; log in instead.")]
    EmailTaken,
    /// The password breaks a rule.
    #[error("{0}")]
    WeakPassword(Weakness),
    /// The e-mail address cannot be one.
    #[error("{0}")]
    InvalidEmail(EmailFault),
    /// Forged, damaged, or made for something else.
    #[error("This token is not valid; log in again.")]
    InvalidToken,
    /// The access token is past its time.
    #[error("This token has expired; refresh it or log in again.")]
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
    /// The operator closed the registration.
    #[error("Registration is closed on this server; ask who runs it for an account.")]
    RegistrationClosed,
    /// Too many attempts from there.
    #[error("Too many attempts; try again in {seconds} s.")]
    TooManyAttempts {
        /// Time to wait, in seconds.
        seconds: u64,
    },
    /// As many passwords are being checked as the server takes on.
    #[error("The server is busy with other logins; try again in a few seconds.")]
    Busy,
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
            Self::EmailTaken => "auth.email_taken",
            Self::WeakPassword(_) => "auth.weak_password",
            Self::InvalidEmail(_) => "auth.invalid_email",
            Self::InvalidToken => "auth.invalid_token",
            Self::ExpiredToken => "auth.expired_token",
            Self::SessionEnded => "auth.session_ended",
            Self::RefreshReused => "auth.refresh_reused",
            Self::Csrf => "auth.csrf",
            Self::RegistrationClosed => "auth.registration_closed",
            Self::TooManyAttempts { .. } => "auth.too_many_attempts",
            Self::Busy => "auth.busy",
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
            | Self::RefreshReused => Kind::Unauthenticated,
            Self::EmailTaken => Kind::Conflict,
            Self::WeakPassword(_) | Self::InvalidEmail(_) | Self::Settings(_) => Kind::Invalid,
            Self::Csrf | Self::RegistrationClosed => Kind::Forbidden,
            Self::TooManyAttempts { .. } => Kind::TooManyRequests,
            Self::Busy => Kind::Unavailable,
            Self::Internal(_) => Kind::Internal,
            Self::Store(error) => error.kind(),
        }
    }
}
