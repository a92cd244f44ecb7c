//! Bodies of `/api/v5/auth` and of what an admin does below `/api/v5/admin`.
//!
//! Types that carry a secret show nothing of it by `Debug`.

mod account;
mod device;
mod people;
mod second_factor;
mod session;
mod token;

pub use account::{
    AuthConfig, Credentials, PasswordChange, PasswordForgotten, PasswordReset, Registration, RegistrationPolicy,
};
pub use device::{DeviceCode, DeviceCodeRequest, DeviceDecision, DeviceRequest, DeviceTokenRequest};
pub use people::{InviteEntry, InviteMade, NewInvite, People, PersonChange, PersonEntry, ResetCode, Role, UserInfo};
pub use second_factor::{
    Reauthentication, RecoveryCodes, SecondFactorAnswer, SecondFactorChallenge, SecondFactorMethod, SecondFactorStatus,
    TotpCode, TotpSetup,
};
pub use session::{Ended, RefreshRequest, SessionEntry, SessionInfo, TokenAnswer};
pub use token::{NewToken, Scope, TokenEntry, TokenMade};

/// Cookie that carries the access token (`HttpOnly`).
pub const ACCESS_COOKIE: &str = "coditect_access";
/// Cookie that carries the refresh token (`HttpOnly`, only sent to `/api/v5/auth`).
pub const REFRESH_COOKIE: &str = "coditect_refresh";
/// Cookie that the page may read and must repeat in [`CSRF_HEADER`] on every request that changes something.
pub const CSRF_COOKIE: &str = "coditect_csrf";
/// See [`CSRF_COOKIE`].
pub const CSRF_HEADER: &str = "x-coditect-csrf";
/// Cookie that tells a browser from which somebody has logged in before (`HttpOnly`, only sent to `/api/v5/auth`). It lets in nobody;
/// failed logins elsewhere do not slow such a browser down.
pub const DEVICE_COOKIE: &str = "coditect_device";

/// Shows the name of a type that carries a secret, and nothing else of it.
macro_rules! shows_nothing {
    ($($name:ident),+ $(,)?) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+};
}
use shows_nothing;
