//! Everything about accounts and sessions that an operator may set.

use std::time::Duration;

use crate::AuthError;

/// Nobody may have a longer password than this, whatever [`AuthSettings::password_max_chars`] says: the bound on what
/// a login may give to the hash function, in bytes.
pub const PASSWORD_MAX_BYTES: usize = 4096;

/// The shortest minimum length of a password that can be set, in characters.
pub const PASSWORD_MIN_CHARS_FLOOR: usize = 8;

/// How long a refresh token that was used already is still taken from a tab that used it at the same moment, unless set.
pub const DEFAULT_REUSE_GRACE: Duration = Duration::from_secs(10);
/// The longest such time that can be set: a stolen token must not be of use for long.
pub const MAX_REUSE_GRACE: Duration = Duration::from_secs(60);
/// Sessions one person may have at once, unless set.
pub const DEFAULT_SESSIONS_PER_USER: usize = 64;
/// Longest password, in characters, unless set: a sentence fits.
pub const DEFAULT_PASSWORD_MAX_CHARS: usize = 256;
/// Logins that may wait for their turn to be checked, unless set: at a few dozen checks a second, what a person waits for.
pub const DEFAULT_HASH_QUEUE: usize = 64;
/// Failed attempts at one account from one address, unless set: enough for somebody who tries the passwords they know, too few for
/// guessing.
pub const DEFAULT_ATTEMPTS_PER_ACCOUNT: Rate = Rate { burst: 10, refill: Duration::from_secs(30) };
/// Failed attempts from one address, and registrations, unless set: enough for an office behind one address.
pub const DEFAULT_ATTEMPTS_PER_ADDRESS: Rate = Rate { burst: 60, refill: Duration::from_secs(2) };
/// Attempts that are remembered, unless set: with about 50 bytes each, 3 MiB.
pub const DEFAULT_ATTEMPTS_REMEMBERED: usize = 65_536;

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
    /// Default [`DEFAULT_REUSE_GRACE`].
    pub reuse_grace: Duration,
    /// Sessions one person may have at once; a further login ends the oldest. Default [`DEFAULT_SESSIONS_PER_USER`].
    pub sessions_per_user: usize,
    /// Who may register. Default: everybody.
    pub registration: Registration,
    /// Shortest password, in characters. Default 12.
    pub password_min_chars: usize,
    /// Longest password, in characters. Default [`DEFAULT_PASSWORD_MAX_CHARS`].
    pub password_max_chars: usize,
    /// Cost of one password hash. Default m=19456 KiB, t=2, p=1.
    pub hash_cost: HashCost,
    /// Password hashes computed at once. Default: the number of cores, at least 1.
    pub hashes_at_once: usize,
    /// Logins that may wait for a free place among [`hashes_at_once`](Self::hashes_at_once); further ones are refused
    /// with `auth.busy`. Default [`DEFAULT_HASH_QUEUE`].
    pub hash_queue: usize,
    /// Failed attempts at one account from one address. Default [`DEFAULT_ATTEMPTS_PER_ACCOUNT`].
    pub attempts_per_account: Rate,
    /// Failed attempts from one address (IPv6: one /64), and registrations. Default [`DEFAULT_ATTEMPTS_PER_ADDRESS`].
    pub attempts_per_address: Rate,
    /// Attempts that are remembered. Default [`DEFAULT_ATTEMPTS_REMEMBERED`].
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
            reuse_grace: DEFAULT_REUSE_GRACE,
            sessions_per_user: DEFAULT_SESSIONS_PER_USER,
            registration: Registration::Open,
            password_min_chars: 12,
            password_max_chars: DEFAULT_PASSWORD_MAX_CHARS,
            hash_cost: HashCost::default(),
            hashes_at_once: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            hash_queue: DEFAULT_HASH_QUEUE,
            attempts_per_account: DEFAULT_ATTEMPTS_PER_ACCOUNT,
            attempts_per_address: DEFAULT_ATTEMPTS_PER_ADDRESS,
            attempts_remembered: DEFAULT_ATTEMPTS_REMEMBERED,
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
            (self.reuse_grace <= MAX_REUSE_GRACE, "the reuse grace must be at most 60 s"),
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
