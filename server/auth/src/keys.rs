//! The keys that access tokens are signed with, and the tokens themselves.
//!
//! The keys live in the store. A new one is published for [`PUBLISHED_AHEAD`] before anything is signed with it and kept
//! until the last token of its predecessor has expired, so that every server knows every key that another one uses without
//! asking anew for each name it does not know: a forged token costs no read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use coditect_protocol::{SessionId, UserId};
use coditect_store::Store;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::rows::{self, KeyRow};
use crate::secret::random;
use crate::settings::millis;
use crate::{AuthError, AuthSettings};

/// How long a server goes on with the keys it read.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// How long a key is published before it signs: twice the time in which every server reads it.
const PUBLISHED_AHEAD: Duration = Duration::from_secs(120);
/// How long beyond the last token's expiry a key is kept, for clocks that differ.
const KEPT_LONGER: Duration = Duration::from_secs(600);
/// Most keys that are kept at once.
const MAX_KEYS: usize = 16;
/// Longest access token that is looked at, in bytes; ours have some 500.
const MAX_TOKEN_BYTES: usize = 2048;
/// `typ` of our access tokens (RFC 9068), so that no other token of this instance is taken for one.
const TOKEN_TYPE: &str = "at+jwt";
/// What stands before the 32 bytes of an Ed25519 key in PKCS#8 (RFC 8410 §7).
const PKCS8_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

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

/// A key with all that is derived from it.
struct Key {
    created_at: u64,
    signing: EncodingKey,
    verifying: DecodingKey,
    public: PublicKey,
}

/// All keys, oldest first; never empty.
struct Ring(Vec<Key>);

/// Signs and verifies.
pub(crate) struct Keys {
    store: Store,
    access_lifetime: u64,
    validation: Validation,
    issuer: String,
    audience: String,
    ring: RwLock<Arc<Ring>>,
    /// When the ring is read again, milliseconds since 1970.
    next_read: AtomicU64,
}

impl Keys {
    /// Reads the keys; makes the first where there is none.
    pub(crate) async fn open(store: Store, settings: &AuthSettings, now: u64) -> Result<Self, AuthError> {
        let spare = new_row(now)?;
        let name = Key::new(&spare)?.public.kid;
        let rows = rows::load_keys(&store, Some((name, spare))).await?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Compared with our own clock in `verify`, to the second and without leeway: we both make and check the tokens.
        validation.validate_exp = false;
        Ok(Self {
            store,
            access_lifetime: millis(settings.access_lifetime),
            validation,
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            ring: RwLock::new(Arc::new(Ring::new(&rows)?)),
            next_read: AtomicU64::new(now.saturating_add(millis(READ_AGAIN_AFTER))),
        })
    }

    /// Makes an access token and says when it ends, in seconds since 1970. It never outlives its session.
    pub(crate) async fn sign(
        &self,
        user: UserId,
        session: SessionId,
        session_ends_at: u64,
        now: u64,
    ) -> Result<(String, u64), AuthError> {
        let ring = self.current(now).await;
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
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(key.public.kid.clone());
        let token = jsonwebtoken::encode(&header, &claims, &key.signing)
            .map_err(|error| AuthError::Internal(format!("a token could not be signed ({error})")))?;
        Ok((token, exp))
    }

    /// Verifies an access token.
    pub(crate) async fn verify(&self, token: &str, now: u64) -> Result<Claims, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::InvalidToken);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| AuthError::InvalidToken)?;
        // `crit` names extensions that must be understood; we know none.
        let ours = header.alg == Algorithm::EdDSA && header.typ.as_deref() == Some(TOKEN_TYPE) && header.crit.is_none();
        let Some(name) = header.kid.filter(|_| ours) else { return Err(AuthError::InvalidToken) };
        let ring = self.current(now).await;
        let key = ring.0.iter().find(|key| key.public.kid == name).ok_or(AuthError::InvalidToken)?;
        let data = jsonwebtoken::decode::<Claims>(token, &key.verifying, &self.validation)
            .map_err(|_| AuthError::InvalidToken)?;
        if data.claims.exp <= now / 1000 {
            return Err(AuthError::ExpiredToken);
        }
        Ok(data.claims)
    }

    /// Publishes a new key, which signs from [`PUBLISHED_AHEAD`] on, and forgets keys of which no token is left.
    pub(crate) async fn rotate(&self, now: u64) -> Result<(), AuthError> {
        let row = new_row(now)?;
        let name = Key::new(&row)?.public.kid;
        let keep = millis(PUBLISHED_AHEAD + READ_AGAIN_AFTER + KEPT_LONGER).saturating_add(self.access_lifetime);
        let rows = rows::add_key(&self.store, (name, row), now.saturating_sub(keep), MAX_KEYS).await?;
        self.replace(&rows)
    }

    pub(crate) fn jwks(&self) -> Jwks {
        Jwks { keys: self.ring().0.iter().map(|key| key.public.clone()).collect() }
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, rows: &[KeyRow]) -> Result<(), AuthError> {
        let ring = Arc::new(Ring::new(rows)?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(())
    }

    /// The keys, read again when it is time. One caller reads; the others go on with what is there meanwhile.
    async fn current(&self, now: u64) -> Arc<Ring> {
        let due = self.next_read.load(Ordering::Relaxed);
        let next = now.saturating_add(millis(READ_AGAIN_AFTER));
        // Also when the clock was set back: the time of the next read never lies further ahead than it should.
        let time = due <= now || due > next;
        if time && self.next_read.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let read = rows::load_keys(&self.store, None).await;
            if let Err(error) = read.and_then(|rows| self.replace(&rows)) {
                tracing::warn!(%error, "the signing keys could not be read again; going on with those known");
            }
        }
        self.ring()
    }

    /// Signs anything with the current key, for forgeries in tests.
    #[cfg(test)]
    pub(crate) fn forge(&self, header: &Header, claims: &impl Serialize, now: u64) -> String {
        jsonwebtoken::encode(header, claims, &self.ring().signing(now).unwrap().signing).unwrap()
    }
}

impl Ring {
    fn new(rows: &[KeyRow]) -> Result<Self, AuthError> {
        let mut keys = rows.iter().map(Key::new).collect::<Result<Vec<_>, _>>()?;
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
    fn new(row: &KeyRow) -> Result<Self, AuthError> {
        let unusable = |error| AuthError::Internal(format!("a signing key is unusable ({error})"));
        let signing = EncodingKey::from_ed_der(&[PKCS8_HEAD.as_slice(), row.seed.as_slice()].concat());
        let jwk = Jwk::from_encoding_key(&signing, Algorithm::EdDSA).map_err(unusable)?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(unusable)?;
        let verifying = DecodingKey::from_jwk(&jwk).map_err(unusable)?;
        let AlgorithmParameters::OctetKeyPair(pair) = jwk.algorithm else {
            return Err(AuthError::Internal("a signing key is of another kind".to_owned()));
        };
        let public = PublicKey { kty: "OKP", crv: "Ed25519", alg: "EdDSA", usage: "sig", kid, x: pair.x };
        Ok(Self { created_at: row.created_at, signing, verifying, public })
    }
}

fn new_row(now: u64) -> Result<KeyRow, AuthError> {
    Ok(KeyRow { seed: random()?, created_at: now })
}
