//! The keys that access tokens are signed with, and the tokens themselves.
//!
//! The keys live in the store, sealed with the master key. A new one is published for [`PUBLISHED_AHEAD`] before anything is signed
//! with it and kept until the last token of its predecessor has expired, so that every server knows every key that another one uses
//! without asking anew for each name it does not know: a forged token costs no read.
//!
//! A signature is verified once for each token: who passed is remembered by the SHA-256 of the whole token until it ends or the keys
//! change. The same digest is the same token, and with it the same answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use coditect_protocol::{Coded as _, Kind, SessionId, UserId};
use coditect_store::{MasterKey, Store, StoreError};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cache::Cache;
use crate::rows::{self, KeyRow, NamedKey, Rotation};
use crate::secret::{SecretHash, encode, random, sha256};
use crate::settings::millis;
use crate::{AuthError, AuthSettings, signature};

/// How long a server goes on with the keys it read.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Pause between two attempts to read the keys while a server has none, because it was started without its store.
const READ_FIRST_AFTER: Duration = Duration::from_secs(1);
/// How long a key is published before it signs: twice the time in which every server reads it.
const PUBLISHED_AHEAD: Duration = Duration::from_secs(120);
/// How long beyond the last token's expiry a key is kept, for clocks that differ.
const KEPT_LONGER: Duration = Duration::from_secs(600);
/// Most keys that are kept at once.
const MAX_KEYS: usize = 16;
/// Longest access token that is looked at, in bytes; ours have some 500.
const MAX_TOKEN_BYTES: usize = 2048;
/// Tokens that are remembered as verified. Some 120 bytes each.
const VERIFIED_TOKENS: usize = 65_536;
/// `typ` of our access tokens (RFC 9068), so that no other token of this instance is taken for one.
const TOKEN_TYPE: &str = "at+jwt";

/// The public keys, for `/.well-known/jwks.json` (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwks {
    /// All keys that tokens may be signed with now or soon.
    pub keys: Vec<PublicKey>,
}

/// One public key (RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublicKey {
    /// Always `OKP`.
    pub kty: &'static str,
    /// Always `Ed25519`.
    pub crv: &'static str,
    /// Always `EdDSA`.
    pub alg: &'static str,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: &'static str,
    /// Name of the key: its thumbprint (RFC 7638).
    pub kid: String,
    /// The key.
    pub x: String,
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// Whose it is.
    pub(crate) sub: UserId,
    /// Of which session.
    pub(crate) sid: SessionId,
    /// Made at, seconds since 1970.
    pub(crate) iat: u64,
    /// Good until, seconds since 1970.
    pub(crate) exp: u64,
    /// Made by.
    pub(crate) iss: String,
    /// Made for.
    pub(crate) aud: String,
}

/// What counts of a token whose signature and claims are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
    exp: u64,
}

/// A key with all that is derived from it.
struct Key {
    created_at: u64,
    signing: EncodingKey,
    verifying: DecodingKey,
    public: PublicKey,
}

/// All keys, oldest first. Empty only on a server that was started while its store was away.
struct Ring(Vec<Key>);

/// Signs and verifies.
pub(crate) struct Keys {
    store: Store,
    master: MasterKey,
    access_lifetime: u64,
    rotation: u64,
    validation: Validation,
    issuer: String,
    audience: String,
    ring: RwLock<Arc<Ring>>,
    /// When the ring is read again, milliseconds since 1970.
    next_read: AtomicU64,
    verified: Cache<SecretHash, Verified>,
}

impl Keys {
    /// Reads the keys; makes the first where there is none. Where the store is away, they are read when it is back.
    pub(crate) async fn open(
        store: Store,
        settings: &AuthSettings,
        master: MasterKey,
        now: u64,
    ) -> Result<Self, AuthError> {
        signature::install();
        let keys = Self {
            store,
            master,
            access_lifetime: millis(settings.access_lifetime),
            rotation: millis(settings.key_rotation),
            validation: validation(settings),
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            ring: RwLock::new(Arc::new(Ring(Vec::new()))),
            next_read: AtomicU64::new(0),
            verified: Cache::new(VERIFIED_TOKENS),
        };
        match keys.read(now).await {
            Ok(()) => keys.next_read.store(now.saturating_add(millis(READ_AGAIN_AFTER)), Ordering::Relaxed),
            Err(error) if error.kind() == Kind::Unavailable => {
                tracing::warn!(%error, "the store is away; logins work once it is back");
            }
            Err(error) => return Err(error),
        }
        Ok(keys)
    }

    /// Makes an access token and says when it ends, in seconds since 1970. It never outlives its session.
    pub(crate) async fn sign(
        &self,
        user: UserId,
        session: SessionId,
        session_ends_at: u64,
        now: u64,
    ) -> Result<(String, u64), AuthError> {
        let ring = self.current(now).await?;
        let key = ring.signing(now)?;
        let exp = now.saturating_add(self.access_lifetime).min(session_ends_at) / 1000;
        let claims = Claims {
            sub: user,
            sid: session,
            iat: now / 1000,
            exp,
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
        };
        Ok((key.sign(&claims)?, exp))
    }

    /// Verifies an access token. `at` is the time on the clock that never goes back.
    pub(crate) async fn verify(&self, token: &str, now: u64, at: Duration) -> Result<Verified, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::InvalidToken);
        }
        // Before the keys are looked at: what one key verified is not remembered once the keys have changed.
        let ticket = self.verified.ticket(at);
        let ring = self.current(now).await?;
        let digest = sha256(token.as_bytes());
        let verified = match self.verified.get(&digest, at) {
            Some(verified) => verified,
            None => {
                let verified = verify_with(&ring, &self.validation, token)?;
                let left = Duration::from_secs(verified.exp.saturating_sub(now / 1000));
                self.verified.put(digest, verified, ticket, left);
                verified
            }
        };
        if verified.exp <= now / 1000 { Err(AuthError::ExpiredToken) } else { Ok(verified) }
    }

    /// Publishes a new key, which signs from [`PUBLISHED_AHEAD`] on, and forgets keys of which no token is left.
    pub(crate) async fn rotate(&self, now: u64) -> Result<(), AuthError> {
        self.add(now, u64::MAX).await.map(drop)
    }

    /// The same where the newest key has reached its age; says whether.
    pub(crate) async fn rotate_if_due(&self, now: u64) -> Result<bool, AuthError> {
        let ring = self.current(now).await?;
        let if_older_than = now.saturating_sub(self.rotation);
        if ring.0.last().is_some_and(|newest| newest.created_at > if_older_than) {
            return Ok(false);
        }
        self.add(now, if_older_than).await
    }

    async fn add(&self, now: u64, if_older_than: u64) -> Result<bool, AuthError> {
        let new = self.new_key(now)?;
        let name = new.0.clone();
        let keep = millis(PUBLISHED_AHEAD + READ_AGAIN_AFTER + KEPT_LONGER).saturating_add(self.access_lifetime);
        let rotation = Rotation { if_older_than, forget_before: now.saturating_sub(keep), max: MAX_KEYS };
        let rows = rows::add_key(&self.store, new, rotation).await?;
        self.replace(&rows)?;
        Ok(rows.iter().any(|(other, _)| *other == name))
    }

    pub(crate) fn jwks(&self) -> Jwks {
        Jwks { keys: self.ring().0.iter().map(|key| key.public.clone()).collect() }
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, rows: &[NamedKey]) -> Result<(), AuthError> {
        let ring = Ring::new(rows, &self.master)?;
        let mut place = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        let same = place.0.iter().map(|key| &key.public.kid).eq(ring.0.iter().map(|key| &key.public.kid));
        if !same {
            *place = Arc::new(ring);
            drop(place);
            self.verified.drop_all();
        }
        Ok(())
    }

    /// Reads the keys. Where this server has none yet, it also makes the very first and seals what was never sealed, or with a
    /// former master key.
    async fn read(&self, now: u64) -> Result<(), AuthError> {
        if !self.ring().0.is_empty() {
            return self.replace(&rows::load_keys(&self.store, None).await?);
        }
        let rows = rows::load_keys(&self.store, Some(self.new_key(now)?)).await?;
        self.replace(&rows)?;
        let outdated = |row: &KeyRow| row.plain.is_some() || self.master.is_outdated(&row.sealed);
        let mut resealed = Vec::new();
        for (name, row) in rows.into_iter().filter(|(_, row)| outdated(row)) {
            let sealed = seal(&self.master, &name, open(&self.master, &name, &row)?.as_slice())?;
            let after = KeyRow { sealed, plain: None, created_at: row.created_at };
            resealed.push(((name, row), after));
        }
        if resealed.is_empty() { Ok(()) } else { rows::reseal_keys(&self.store, &resealed).await }
    }

    /// The keys, read again when it is time. One caller reads; the others go on with what is there meanwhile.
    async fn current(&self, now: u64) -> Result<Arc<Ring>, AuthError> {
        let ring = self.ring();
        let pause = if ring.0.is_empty() { READ_FIRST_AFTER } else { READ_AGAIN_AFTER };
        let due = self.next_read.load(Ordering::Relaxed);
        let next = now.saturating_add(millis(pause));
        // Also when the clock was set back: the time of the next read never lies further ahead than it should.
        let time = due <= now || due > next;
        if !time || self.next_read.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return if ring.0.is_empty() { Err(not_read_yet()) } else { Ok(ring) };
        }
        match self.read(now).await {
            Ok(()) => Ok(self.ring()),
            Err(error) if ring.0.is_empty() => Err(error),
            Err(error) => {
                tracing::warn!(%error, "the signing keys could not be read again; going on with those known");
                Ok(ring)
            }
        }
    }

    /// A new key with its name.
    fn new_key(&self, now: u64) -> Result<NamedKey, AuthError> {
        let seed = Zeroizing::new(random::<32>()?);
        let (.., public) = signature::keys(seed.as_slice())?;
        let name = thumbprint(&encode(&public));
        let sealed = seal(&self.master, &name, seed.as_slice())?;
        Ok((name, KeyRow { sealed, created_at: now, plain: None }))
    }

    /// Signs anything with the current key, for forgeries in tests.
    #[cfg(test)]
    pub(crate) fn forge(&self, header: &Header, claims: &impl Serialize, now: u64) -> String {
        jsonwebtoken::encode(header, claims, &self.ring().signing(now).unwrap().signing).unwrap()
    }

    /// As if the store had been away at the start.
    #[cfg(test)]
    pub(crate) fn forget_all(&self) {
        *self.ring.write().unwrap() = Arc::new(Ring(Vec::new()));
        self.next_read.store(0, Ordering::Relaxed);
    }
}

impl Ring {
    fn new(rows: &[NamedKey], master: &MasterKey) -> Result<Self, AuthError> {
        let mut keys = rows.iter().map(|(name, row)| Key::new(name, row, master)).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(AuthError::Internal("the store holds no signing key".to_owned()));
        }
        keys.sort_by(|one, other| (one.created_at, &one.public.kid).cmp(&(other.created_at, &other.public.kid)));
        Ok(Self(keys))
    }

    /// The newest key that has been published for long enough; the very first has no one to be published to.
    fn signing(&self, now: u64) -> Result<&Key, AuthError> {
        let ready = |key: &&Key| key.created_at.saturating_add(millis(PUBLISHED_AHEAD)) <= now;
        self.0
            .iter()
            .rev()
            .find(ready)
            .or_else(|| self.0.first())
            .ok_or_else(|| AuthError::Internal("there is no signing key".to_owned()))
    }
}

impl Key {
    fn new(name: &str, row: &KeyRow, master: &MasterKey) -> Result<Self, AuthError> {
        let seed = open(master, name, row)?;
        let (signing, verifying, public) = signature::keys(seed.as_slice())?;
        let x = encode(&public);
        let kid = thumbprint(&x);
        if kid != name {
            return Err(AuthError::Internal(format!("the signing key {name} is another one")));
        }
        let public = PublicKey { kty: "OKP", crv: "Ed25519", alg: "EdDSA", usage: "sig", kid, x };
        Ok(Self { created_at: row.created_at, signing, verifying, public })
    }

    fn sign(&self, claims: &Claims) -> Result<String, AuthError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(self.public.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.signing)
            .map_err(|error| AuthError::Internal(format!("a token could not be signed ({error})")))
    }
}

/// What is asked of the claims of a token.
fn validation(settings: &AuthSettings) -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[&settings.issuer]);
    validation.set_audience(&[&settings.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Compared with our own clock in `verify`, to the second and without leeway: we both make and check the tokens.
    validation.validate_exp = false;
    validation
}

/// Reads a token that one of the keys signed. Whether its time is past is not looked at.
fn verify_with(ring: &Ring, validation: &Validation, token: &str) -> Result<Verified, AuthError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(AuthError::InvalidToken);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| AuthError::InvalidToken)?;
    // `crit` names extensions that must be understood; we know none.
    let ours = header.alg == Algorithm::EdDSA && header.typ.as_deref() == Some(TOKEN_TYPE) && header.crit.is_none();
    let Some(name) = header.kid.filter(|_| ours) else { return Err(AuthError::InvalidToken) };
    let key = ring.0.iter().find(|key| key.public.kid == name).ok_or(AuthError::InvalidToken)?;
    let data = jsonwebtoken::decode::<Claims>(token, &key.verifying, validation);
    let claims = data.map_err(|_| AuthError::InvalidToken)?.claims;
    Ok(Verified { user: claims.sub, session: claims.sid, exp: claims.exp })
}

/// Keys and a token of them that are always the same, for those who try to get past them.
#[cfg(any(test, fuzzing))]
pub(crate) struct Sample {
    ring: Ring,
    validation: Validation,
    pub(crate) token: String,
}

#[cfg(any(test, fuzzing))]
impl Sample {
    pub(crate) fn new() -> Result<Self, AuthError> {
        signature::install();
        let settings = AuthSettings::default();
        let seed = [7; 32];
        let (.., public) = signature::keys(&seed)?;
        let name = thumbprint(&encode(&public));
        let row = KeyRow { sealed: Vec::new(), created_at: 0, plain: Some(seed) };
        let ring = Ring::new(&[(name, row)], &MasterKey::from_bytes(seed))?;
        let id = uuid::Uuid::from_bytes([7; 16]);
        let (iss, aud) = (settings.issuer.clone(), settings.audience.clone());
        let claims = Claims { sub: UserId(id), sid: SessionId(id), iat: 0, exp: u64::MAX, iss, aud };
        let token = ring.signing(0)?.sign(&claims)?;
        Ok(Self { ring, validation: validation(&settings), token })
    }

    pub(crate) fn takes(&self, token: &str) -> bool {
        verify_with(&self.ring, &self.validation, token).is_ok()
    }
}

/// Name of a key: the thumbprint (RFC 7638) of its public part.
fn thumbprint(x: &str) -> String {
    encode(&sha256(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes()))
}

/// What a seed is sealed for: it opens under its own name only.
fn context(name: &str) -> Vec<u8> {
    format!("auth key {name}").into_bytes()
}

fn seal(master: &MasterKey, name: &str, seed: &[u8]) -> Result<Vec<u8>, AuthError> {
    Ok(master.seal(&context(name), seed)?)
}

fn open(master: &MasterKey, name: &str, row: &KeyRow) -> Result<Zeroizing<Vec<u8>>, AuthError> {
    match row.plain {
        Some(seed) => Ok(Zeroizing::new(seed.to_vec())),
        None => Ok(master.open(&context(name), &row.sealed)?),
    }
}

fn not_read_yet() -> AuthError {
    StoreError::Unavailable { reason: "the signing keys could not be read from it yet".to_owned() }.into()
}
