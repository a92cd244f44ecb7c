//! Everything about accounts and sessions that an operator may set.

use std::time::Duration;

use crate::AuthError;

/// Nobody may have a longer password than this, whatever [`AuthSettings::password_max_chars`] says: the bound on what
/// a login may give to the hash function, in bytes.
pub const PASSWORD_MAX_BYTES: usize = 4096;

/// The shortest minimum length of a password that can be set, in characters.
pub const PASSWORD_MIN_CHARS_FLOOR: usize = 8;

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registration {
    /// Everybody who reaches the server.
    #[default]
    Open,
    /// Nobody; accounts are made by the operator.
    Closed,
}

/// Cost of one password hash (argon2id).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCost {
    /// Memory, in KiB. Default 19456 (OWASP's figure).
    pub memory_kib: u32,
    /// Passes over the memory. Default 2.
    pub passes: u32,
    /// Lanes. Default 1.
    pub lanes: u32,
}

impl Default for HashCost {
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

/// A token bucket: this many attempts at once, and one more each time `refill` has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Attempts that may follow each other without a pause.
    pub burst: u32,
    /// Time until one more attempt is allowed.
    pub refill: Duration,
}

/// Settings of accounts and sessions. `Default` is safe for a server that the internet reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthSettings {
    /// How long an access token is good for. Default 10 min.
    pub access_lifetime: Duration,
    /// A session ends when it was not refreshed for this long. Default 14 days.
    pub refresh_idle_lifetime: Duration,
    /// A session ends this long after its login, however often it is refreshed. Default 90 days.
    pub absolute_lifetime: Duration,
    /// How long a refresh token that was used already is still taken from a tab that used it at the same moment.
    /// Default 10 s.
    pub reuse_grace: Duration,
    /// Sessions one person may have at once; a further login ends the oldest. Default 64.
    pub sessions_per_user: usize,
    /// Who may register. Default: everybody.
    pub registration: Registration,
    /// Shortest password, in characters. Default 12.
    pub password_min_chars: usize,
    /// Longest password, in characters. Default 256.
    pub password_max_chars: usize,
    /// Cost of one password hash. Default m=19456 KiB, t=2, p=1.
    pub hash_cost: HashCost,
    /// Password hashes computed at once. Default: the number of cores, at least 1.
    pub hashes_at_once: usize,
    /// Logins that may wait for a free place among [`hashes_at_once`](Self::hashes_at_once); further ones are refused
    /// with `auth.busy`. Default 64.
    pub hash_queue: usize,
    /// Failed attempts at one account from one address. Default: 10 at once, then one each 30 s.
    pub attempts_per_account: Rate,
    /// Failed attempts from one address (IPv6: one /64), and registrations. Default: 60 at once, then one each 2 s.
    pub attempts_per_address: Rate,
    /// Attempts that are remembered, in entries of about 50 bytes. Default 65536.
    pub attempts_remembered: usize,
    /// `iss` of the access tokens. Default `coditect`.
    pub issuer: String,
    /// `aud` of the access tokens. Default `coditect-api`.
    pub audience: String,
}

impl Default for AuthSettings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            access_lifetime: Duration::from_secs(10 * 60),
            refresh_idle_lifetime: 14 * DAY,
            absolute_lifetime: 90 * DAY,
            reuse_grace: Duration::from_secs(10),
            sessions_per_user: 64,
            registration: Registration::Open,
            password_min_chars: 12,
            password_max_chars: 256,
            hash_cost: HashCost::default(),
            hashes_at_once: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            hash_queue: 64,
            attempts_per_account: Rate { burst: 10, refill: Duration::from_secs(30) },
            attempts_per_address: Rate { burst: 60, refill: Duration::from_secs(2) },
            attempts_remembered: 65_536,
            issuer: "coditect".to_owned(),
            audience: "coditect-api".to_owned(),
        }
    }
}

impl AuthSettings {
    /// Refuses settings that would weaken or break the logins without anybody noticing.
    pub(crate) fn validate(&self) -> Result<(), AuthError> {
        let whole_seconds = |time: Duration| time.as_secs() >= 1 && time.as_secs() <= 10 * 366 * 24 * 60 * 60;
        let rate = |rate: Rate| rate.burst >= 1 && rate.refill.as_millis() >= 1;
        let rules = [
            (whole_seconds(self.access_lifetime), "the lifetime of access tokens must be between 1 s and 10 years"),
            (whole_seconds(self.refresh_idle_lifetime), "the idle lifetime must be between 1 s and 10 years"),
            (whole_seconds(self.absolute_lifetime), "the absolute lifetime must be between 1 s and 10 years"),
            (self.reuse_grace <= Duration::from_secs(60), "the reuse grace must be at most 60 s"),
            (self.sessions_per_user >= 1, "the number of sessions for each person must be at least 1"),
            (self.password_min_chars >= PASSWORD_MIN_CHARS_FLOOR, "the minimum password length must be at least 8"),
            (
                (64..=PASSWORD_MAX_BYTES / 4).contains(&self.password_max_chars),
                "the maximum password length must be between 64 and 1024",
            ),
            (
                self.password_min_chars <= self.password_max_chars,
                "the minimum password length must not exceed the maximum",
            ),
            (self.hashes_at_once >= 1, "the number of password hashes at once must be at least 1"),
            (
                self.hashes_at_once.saturating_add(self.hash_queue) <= tokio::sync::Semaphore::MAX_PERMITS,
                "the queue of password hashes is too long",
            ),
            (rate(self.attempts_per_account), "the attempts for each account need a burst and a refill time"),
            (rate(self.attempts_per_address), "the attempts for each address need a burst and a refill time"),
            (self.attempts_remembered >= 16, "the number of attempts remembered must be at least 16"),
            (!self.issuer.is_empty() && !self.audience.is_empty(), "issuer and audience must not be empty"),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(AuthError::Settings(rule.to_owned())),
            None => Ok(()),
        }
    }
}

/// A time in milliseconds, as the store keeps them.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
