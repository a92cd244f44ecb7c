//! Personal access tokens: how programs act for a person.
//!
//! # Form
//!
//! ```text
//! cdt_pat_ ‖ 30 random characters ‖ 6 characters of checksum          \bcdt_pat_[0-9A-Za-z]{36}\b
//! ```
//!
//! The random characters and the checksum are digits, capitals and small letters, in this order the digits of numbers to the base of
//! 62. The checksum is the CRC-32 (IEEE) of everything before it, filled up with `0` in front to six characters. So a scanner for
//! leaked secrets finds a token by its prefix and tells a real one from an example without asking anybody. 30 random characters are
//! 178 bits: nobody guesses one, with or without the checksum.
//!
//! # Keeping
//!
//! The store has the SHA-256 of a token and nothing else of it but its last four characters. A fast hash does, because the token is
//! random and long. The token's id is made of the first bytes of that digest, so that one read finds it; the digest is then
//! compared whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coditect_protocol::auth::{NewToken, Role, Scope, TokenEntry, TokenMade};
use coditect_protocol::{TokenId, UserId, WorkspaceId};
use subtle::ConstantTimeEq as _;

use crate::audit::{AuditAction, AuditEvent};
use crate::check::CACHED_FOR;
use crate::revocation::Ending;
use crate::rows::{self, TokenRow};
use crate::secret::{SecretHash, random, sha256};
use crate::{Auth, AuthError, Credential, Device, Identity};

/// What every personal access token begins with.
pub const TOKEN_PREFIX: &str = "cdt_pat_";
/// Longest name of a token, in characters.
pub const TOKEN_NAME_MAX_CHARS: usize = 100;
const RANDOM_CHARS: usize = 30;
const CHECKSUM_CHARS: usize = 6;
const TOKEN_BYTES: usize = TOKEN_PREFIX.len() + RANDOM_CHARS + CHECKSUM_CHARS;
pub(crate) const SHOWN_CHARS: usize = 4;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The last use of a token is known to this, in milliseconds.
const USE_GRAIN: u64 = 60 * 60 * 1000;
/// Notes of last uses that are written at the same time; further ones are left to a later use.
pub(crate) const USES_NOTED_AT_ONCE: usize = 16;
const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// A token as the cache has it.
#[derive(Clone)]
pub(crate) struct CachedToken {
    hash: SecretHash,
    user: UserId,
    scopes: Arc<[Scope]>,
    expires_at: u64,
    workspace: Option<WorkspaceId>,
    /// Last use that is noted or being noted.
    used_at: Arc<AtomicU64>,
}

/// Makes a token.
pub(crate) fn new_token() -> Result<String, AuthError> {
    let mut token = String::with_capacity(TOKEN_BYTES);
    token.push_str(TOKEN_PREFIX);
    while token.len() < TOKEN_PREFIX.len() + RANDOM_CHARS {
        let bytes: [u8; RANDOM_CHARS] = random()?;
        // Six bits each; those beyond 61 are thrown away, so that every character is as likely as any other.
        let characters = bytes.iter().filter_map(|byte| BASE62.get(usize::from(byte & 63)));
        let missing = TOKEN_PREFIX.len() + RANDOM_CHARS - token.len();
        token.extend(characters.take(missing).map(|character| char::from(*character)));
    }
    let checksum = checksum(token.as_bytes());
    token.extend(checksum.map(char::from));
    Ok(token)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_CHARS] {
    let mut number = crc32fast::hash(bytes);
    let mut characters = [BASE62[0]; CHECKSUM_CHARS];
    for character in characters.iter_mut().rev() {
        *character = BASE62[usize::try_from(number % 62).unwrap_or(0)];
        number /= 62;
    }
    characters
}

/// Digest of a text of the form of a token, with the right checksum.
pub(crate) fn parse(text: &str) -> Result<SecretHash, AuthError> {
    let bytes = text.as_bytes();
    let formed = bytes.len() == TOKEN_BYTES
        && text.starts_with(TOKEN_PREFIX)
        && bytes[TOKEN_PREFIX.len()..].iter().all(u8::is_ascii_alphanumeric);
    let (body, sum) = bytes.split_at(bytes.len().saturating_sub(CHECKSUM_CHARS));
    // The checksum is no secret: whoever has the rest can work it out.
    if formed && sum == checksum(body) { Ok(sha256(bytes)) } else { Err(AuthError::InvalidToken) }
}

/// Version 8 (RFC 9562): bytes of our own choice.
pub(crate) fn id_of(hash: &SecretHash) -> TokenId {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    TokenId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

fn entry(id: TokenId, row: TokenRow, used_at: Option<u64>) -> TokenEntry {
    TokenEntry {
        id,
        name: row.name,
        scopes: row.scopes,
        ends_with: row.ends_with,
        created_at: row.created_at,
        expires_at: row.expires_at,
        used_at,
    }
}

impl Auth {
    /// The person's tokens that have not ended, oldest first.
    pub async fn tokens(&self, identity: &Identity) -> Result<Vec<TokenEntry>, AuthError> {
        identity.require_session()?;
        let (user, now) = (identity.user.id, self.now());
        let tokens =
            self.store.transact(|tx| async move { Ok::<_, AuthError>(rows::tokens(&tx, user).await?) }).await?;
        let live = tokens.into_iter().filter(|(_, row, _)| row.expires_at > now);
        Ok(live.map(|(id, row, used_at)| entry(id, row, used_at)).collect())
    }

    /// Makes a token for the person, who shows once more that it is them: a token outlives the session that makes it.
    pub async fn make_token(
        &self,
        identity: &Identity,
        new: &NewToken,
        device: &Device,
    ) -> Result<TokenMade, AuthError> {
        let session = identity.require_session()?;
        let (name, scopes) = self.checked(identity, new)?;
        self.confirm_person(identity, &new.password, new.code.as_deref(), device).await?;
        let token = new_token()?;
        let hash = sha256(token.as_bytes());
        let (id, now, max) = (id_of(&hash), self.now(), self.inner.settings.tokens_per_person);
        let row = TokenRow {
            hash,
            user: identity.user.id,
            name,
            scopes,
            ends_with: token[TOKEN_BYTES - SHOWN_CHARS..].to_owned(),
            created_at: now,
            expires_at: now.saturating_add(u64::from(new.expires_in_days) * DAY_MILLIS),
            workspace: None,
        };
        let added = &row;
        self.store
            .transact(|tx| async move {
                // Asked in the transaction: what a check told may be a second old, and a token must not outlive that second.
                rows::session(&tx, session).await?.ok_or(AuthError::SessionEnded)?;
                rows::user(&tx, added.user).await?.filter(|user| !user.disabled).ok_or(AuthError::SessionEnded)?;
                if rows::tokens_count(&tx, added.user, id).await? >= max {
                    return Err(AuthError::TooManyTokens { max });
                }
                rows::set_token(&tx, id, added)?;
                Ok(())
            })
            .await?;
        self.tell_of_token(AuditAction::TokenMade, identity, id, device);
        Ok(TokenMade { token, entry: entry(id, row, None) })
    }

    /// Name and scopes of a token that may be made.
    fn checked(&self, identity: &Identity, new: &NewToken) -> Result<(String, Vec<Scope>), AuthError> {
        let max_days = self.inner.settings.token_max_days;
        let refused = |reason: String| Err(AuthError::BadTokenRequest(reason));
        let name = new.name.trim();
        if name.is_empty() || name.chars().count() > TOKEN_NAME_MAX_CHARS || name.chars().any(char::is_control) {
            return refused(format!("A token needs a name of 1 to {TOKEN_NAME_MAX_CHARS} characters"));
        }
        if new.scopes.is_empty() {
            return refused("A token needs at least one scope; choose what it is used for".to_owned());
        }
        if new.expires_in_days == 0 || new.expires_in_days > max_days {
            return refused(format!("A token is good for 1 to {max_days} days"));
        }
        // Otherwise it would lie in wait until its person becomes admin.
        if new.scopes.iter().any(|scope| scope.is_for_admins()) && identity.user.role != Role::Admin {
            return Err(AuthError::NotAdmin);
        }
        let mut scopes = new.scopes.clone();
        scopes.sort_unstable();
        scopes.dedup();
        Ok((name.to_owned(), scopes))
    }

    /// Revokes one of the person's tokens, on every server within a second.
    pub async fn revoke_token(&self, identity: &Identity, id: TokenId, device: &Device) -> Result<(), AuthError> {
        identity.require_session()?;
        let user = identity.user.id;
        self.store
            .transact(|tx| async move {
                let row = rows::token(&tx, id).await?.filter(|row| row.user == user).ok_or(AuthError::NoSuchToken)?;
                rows::clear_token(&tx, id, &row).await?;
                Ok::<_, AuthError>(())
            })
            .await?;
        self.forget(&[Ending::Token(id)]);
        self.tell_of_token(AuditAction::TokenRevoked, identity, id, device);
        Ok(())
    }

    /// Who a personal access token belongs to.
    pub(crate) async fn check_token(&self, text: &str) -> Result<Identity, AuthError> {
        let hash = parse(text)?;
        self.token_identity(id_of(&hash), Some(&hash)).await
    }

    /// Who a token belongs to, as the store knows it now. Without a digest it was compared before.
    pub(crate) async fn token_identity(&self, id: TokenId, hash: Option<&SecretHash>) -> Result<Identity, AuthError> {
        let at = self.inner.clock.elapsed();
        let caches = &self.inner.caches;
        let cached = caches.tokens.get(&id, at);
        let token = match cached {
            Some(token) => token,
            None => {
                let ticket = caches.tokens.ticket(at);
                let token = self.read_token(id).await?;
                caches.tokens.put(id, token.clone(), ticket, CACHED_FOR);
                token
            }
        };
        if hash.is_some_and(|hash| !bool::from(hash.ct_eq(&token.hash))) {
            return Err(AuthError::InvalidToken);
        }
        let now = self.now();
        if token.expires_at <= now {
            return Err(AuthError::ExpiredToken);
        }
        let person = self.person(token.user, at).await?.filter(|person| !person.disabled);
        let person = person.ok_or(AuthError::InvalidToken)?;
        self.note_use(id, &token, now);
        Ok(Identity {
            user: person.info.clone(),
            credential: Credential::Token { id, scopes: token.scopes.to_vec(), workspace: token.workspace },
            expires_at: token.expires_at,
            csrf: None,
        })
    }

    async fn read_token(&self, id: TokenId) -> Result<CachedToken, AuthError> {
        self.store
            .transact(|tx| async move {
                let row = rows::token(&tx, id).await?.ok_or(AuthError::InvalidToken)?;
                let used_at = rows::token_used_at(&tx, id).await?.unwrap_or(0);
                Ok(CachedToken {
                    hash: row.hash,
                    user: row.user,
                    scopes: row.scopes.into(),
                    expires_at: row.expires_at,
                    workspace: row.workspace,
                    used_at: Arc::new(AtomicU64::new(used_at)),
                })
            })
            .await
    }

    /// Notes the use of a token, once an hour and behind the request's back. Should it fail, the next use tries again.
    fn note_use(&self, id: TokenId, token: &CachedToken, now: u64) {
        let hour = now - now % USE_GRAIN;
        if token.used_at.fetch_max(hour, Ordering::Relaxed) >= hour {
            return;
        }
        let Ok(place) = Arc::clone(&self.inner.token_uses).try_acquire_owned() else { return };
        let store = self.store.clone();
        tokio::spawn(async move {
            let noted = store
                .transact(|tx| async move { Ok::<_, AuthError>(rows::note_token_use(&tx, id, hour).await?) })
                .await;
            if let Err(error) = noted {
                tracing::debug!(%error, "the last use of a token could not be noted");
            }
            drop(place);
        });
    }

    fn tell_of_token(&self, action: AuditAction, identity: &Identity, id: TokenId, device: &Device) {
        self.record(&AuditEvent {
            user: Some(identity.user.id),
            session: identity.session_id(),
            token: Some(id),
            address: device.address,
            ..self.event(action)
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_has_the_documented_form_and_is_never_the_same() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_ne!(one, other);
        for token in [&one, &other] {
            assert_eq!(token.len(), 44);
            let rest = token.strip_prefix("cdt_pat_").unwrap();
            assert!(rest.len() == 36 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            assert_eq!(parse(token).unwrap(), sha256(token.as_bytes()));
        }
        let all: String = (0..200).map(|_| new_token().unwrap()[8..38].to_owned()).collect();
        assert!(BASE62.iter().all(|character| all.as_bytes().contains(character)), "every character comes up");
    }

    #[test]
    fn a_scanner_can_work_out_the_checksum() {
        // Worked out once by another program: CRC-32 of the first 38 characters, to the base of 62.
        let token = "cdt_pat_000000000000000000000000000000";
        let sum = checksum(token.as_bytes());
        let value = sum.iter().fold(0_u64, |value, character| {
            value * 62 + BASE62.iter().position(|other| other == character).unwrap() as u64
        });
        assert_eq!(value, u64::from(crc32fast::hash(token.as_bytes())));
        assert_eq!(checksum(b"123456789"), *b"3jZRME");
    }

    #[test]
    fn every_change_of_one_character_is_noticed_offline() {
        let token = new_token().unwrap();
        for place in 0..token.len() {
            for character in ["0", "A", "z", "_", "-", " ", "\0"] {
                let mut changed = token.clone();
                changed.replace_range(place..=place, character);
                assert!(changed == token || parse(&changed).is_err(), "{place} {character:?}");
            }
            assert!(parse(&token[..place]).is_err());
        }
        assert!(parse(&format!("{token}0")).is_err());
        assert!(parse(&token.to_uppercase()).is_err());
        assert!(parse(&token.replace("cdt_pat_", "ghp_pat_")).is_err());
        assert!(parse(&"ä".repeat(22)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            prop_assert!(parse(&text).is_err());
            let prefixed = format!("{TOKEN_PREFIX}{text}");
            prop_assert!(parse(&prefixed).is_err());
        }
    }
}
