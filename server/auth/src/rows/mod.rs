//! What the store keeps, and under which keys.
//!
//! | key below `auth` | value |
//! |---|---|
//! | `user`, id | [`UserRow`] |
//! | `password`, id of a person | [`PasswordRow`]: apart, so that no other read carries it and other ways to log in stand beside it |
//! | `email`, address or name in lower case | id of the person |
//! | `admin`, id of a person | nothing, for each admin who is not kept out |
//! | `admins_known` | nothing, once the former are all there |
//! | `first` | id of who registered first; stays when they are gone, so that nobody becomes admin by being next |
//! | `session`, id | [`SessionRow`] |
//! | `sessions`, id of a person, id of a session | nothing |
//! | `expiry`, milliseconds, id of a session | nothing |
//! | `key`, name of the key | [`KeyRow`] |
//! | `totp`, id of a person | [`SecondFactorRow`]; another method gets a name of its own beside it |
//! | `totp_setup`, id of a person | [`SetupRow`] |
//! | `challenge`, digest of a ticket | [`ChallengeRow`] |
//! | `reset`, id of a person, `mail` or `admin` | [`ResetRow`] |
//! | `invite`, id | [`InviteRow`] |
//! | `invite_code`, digest of a code | id of the invitation |
//! | `device`, digest of a device code | [`DeviceLoginRow`] |
//! | `user_code`, code | digest of the device code |
//! | `devices_begun`, minutes since 1970 | how many device codes were given out in it, eight bytes little-endian |
//! | `passing`, milliseconds, key of a row that ends then | keys of the indexes that end with it |
//! | `master_key` | a known text, sealed: whether the master key is still the same |
//! | `token`, id | [`TokenRow`] |
//! | `tokens`, id of a person, id of a token | nothing; for a terminal's, the ids of its host and of the terminal, 16 bytes each |
//! | `terminal_token`, id of a host of terminals, id of a terminal | id of its token |
//! | `token_expiry`, milliseconds, id of a token | nothing |
//! | `token_used`, id of a token | when it was last used, milliseconds to the hour, eight bytes little-endian |
//! | `logged_out`, id of a person | when all their logins were ended at once, milliseconds, eight bytes little-endian |
//! | `ending`, versionstamp, kind, id | nothing: an entry of the log of endings |
//! | `endings` | versionstamp of the last ending; the one key that each server watches |

mod device_logins;
mod invites;
mod keys;
mod logged_out;
mod master;
mod passing;
mod people;
mod resets;
mod revocation;
mod second_factor;
mod sessions;
mod tokens;

use std::sync::LazyLock;

use coditect_protocol::UserId;
use coditect_store::{StoreError, Subspace};
use uuid::Uuid;

pub(crate) use device_logins::{
    Decision, DeviceLoginRow, clear_device_login, count_device_login, device_login, device_login_of,
    device_logins_counted, set_device_login,
};
pub(crate) use invites::{InviteRow, clear_invite, invite, invite_of, invites, set_invite};
#[cfg(test)]
pub(crate) use keys::KeyRow1;
pub(crate) use keys::{KeyRow, NamedKey, Rotation, add_key, load_keys, reseal_keys};
pub(crate) use logged_out::{log_out_everywhere, logged_out_at};
pub(crate) use master::{master_check, set_master_check};
pub(crate) use passing::sweep_passing;
pub(crate) use people::{
    PasswordRow, UserRow, add_user, first_user, has_other_admin, index_admins, password, people, set_password,
    set_user, user, user_of,
};
pub(crate) use resets::{ResetKind, ResetRow, clear_reset, clear_resets, reset, set_reset};
pub(crate) use revocation::{endings_after, last_ending, note_ended, sweep_endings, watch_endings};
pub(crate) use second_factor::{
    ChallengeRow, SecondFactorRow, SetupRow, challenge, clear_challenge, clear_second_factor, clear_setup,
    second_factor, set_challenge, set_second_factor, set_setup, setup,
};
pub(crate) use sessions::{
    SessionRow, Superseded, clear_session, end_sessions_of, make_room, purge, session, sessions, sessions_count,
    set_session,
};
pub(crate) use tokens::{
    TokenRow, clear_token, end_terminal_tokens_of, end_tokens_of, has_token_for, note_token_use, purge_tokens,
    set_terminal_token, set_token, terminal_token, terminal_tokens, token, token_used_at, tokens, tokens_count,
};

static ROOT: LazyLock<Subspace> = LazyLock::new(|| Subspace::root("auth"));

/// Tuples hold signed numbers.
fn number(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

fn id_of(value: &[u8]) -> Result<UserId, StoreError> {
    Uuid::from_slice(value).map(UserId).map_err(|error| StoreError::RecordCorrupt { detail: error.to_string() })
}
