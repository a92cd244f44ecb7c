//! The second factor: codes of an authenticator (TOTP, RFC 6238), and recovery codes for when it is lost.

use serde::{Deserialize, Serialize};

use super::shows_nothing;

/// Answer (202) of a login whose password was right, where the account has a second factor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecondFactorChallenge {
    /// To send with the code to `POST /auth/login/second-factor`.
    pub ticket: String,
    /// What can be answered with.
    pub methods: Vec<SecondFactorMethod>,
    /// Seconds until the ticket ends.
    pub expires_in: u64,
}

/// What a challenge can be answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SecondFactorMethod {
    /// Six digits of an authenticator.
    Totp,
    /// One of the codes that were written down.
    RecoveryCode,
}

/// Body of `POST /auth/login/second-factor`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SecondFactorAnswer {
    /// Of the challenge.
    pub ticket: String,
    /// Six digits, or a recovery code.
    pub code: String,
}

/// Answer of `GET /auth/second-factor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecondFactorStatus {
    /// Whether logins ask for it.
    pub enabled: bool,
    /// Since when, milliseconds since 1970.
    #[cfg_attr(feature = "js", tsify(optional))]
    pub enabled_at: Option<u64>,
    /// Recovery codes that are not used yet.
    pub recovery_codes_left: u32,
}

/// Body of what asks again who somebody is.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Reauthentication {
    /// The person's password.
    pub password: String,
    /// Six digits or a recovery code, where the account has a second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "js", tsify(optional))]
    pub code: Option<String>,
}

/// Answer of `POST /auth/second-factor/totp`: what an authenticator needs. It counts once a code has confirmed it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TotpSetup {
    /// The secret in Base32, to be typed.
    pub secret: String,
    /// The same as `otpauth://` address.
    pub uri: String,
    /// The address as a picture (SVG) to be scanned.
    pub qr_svg: String,
    /// When the set-up ends unless it is confirmed, milliseconds since 1970.
    pub expires_at: u64,
}

/// Body of `POST /auth/second-factor/totp/confirm`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TotpCode {
    /// Six digits.
    pub code: String,
}

/// Recovery codes, told only here; each is good once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoveryCodes {
    /// The codes.
    pub codes: Vec<String>,
}

shows_nothing!(SecondFactorChallenge, SecondFactorAnswer, Reauthentication, TotpSetup, TotpCode, RecoveryCodes);
