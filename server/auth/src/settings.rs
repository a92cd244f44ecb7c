//! Everything about accounts and sessions that an operator may set.

use std::path::PathBuf;
use std::time::Duration;

use coditect_protocol::auth::RegistrationPolicy;

use crate::AuthError;
use crate::login_name::LoginName;

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
/// Age at which a signing key gets a successor, unless set.
pub const DEFAULT_KEY_ROTATION: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Days that a personal access token may be good for, unless set: a year.
pub const DEFAULT_TOKEN_MAX_DAYS: u32 = 366;
/// Personal access tokens that one person may have, unless set.
pub const DEFAULT_TOKENS_PER_PERSON: usize = 100;
/// Longest password, in characters, unless set: a sentence fits.
pub const DEFAULT_PASSWORD_MAX_CHARS: usize = 256;
/// Logins that may wait for their turn to be checked, unless set: at a few dozen checks a second, what a person waits for.
pub const DEFAULT_HASH_QUEUE: usize = 64;
/// Failed attempts at one account from one address, unless set: enough for somebody who tries the passwords they know, too few for
/// guessing.
pub const DEFAULT_ATTEMPTS_PER_ACCOUNT: Rate = Rate { burst: 10, refill: Duration::from_secs(30) };
/// Failed attempts from one address, and registrations, unless set: enough for an office behind one address.
pub const DEFAULT_ATTEMPTS_PER_ADDRESS: Rate = Rate { burst: 60, refill: Duration::from_secs(2) };
/// Failed attempts at one account from all addresses together, unless set: a hundred in an hour (NIST SP 800-63B §3.2.2). Known
/// devices are not among them.
pub const DEFAULT_ATTEMPTS_PER_ACCOUNT_ANYWHERE: Rate = Rate { burst: 100, refill: Duration::from_secs(36) };
/// Wrong codes at the second factor of one person, unless set: of a million codes three are right at any time, so that guessing
/// takes years.
pub const DEFAULT_ATTEMPTS_PER_SECOND_FACTOR: Rate = Rate { burst: 10, refill: Duration::from_secs(300) };
/// Mails with a code to one account, unless set.
pub const DEFAULT_MAILED_CODES_PER_ACCOUNT: Rate = Rate { burst: 3, refill: Duration::from_secs(600) };
/// Passwords that one address may have in work and in the queue while the server is busy, unless set: a quarter of the default queue.
pub const DEFAULT_HASH_SHARE: usize = 16;
/// How long a code to reset a password is good, unless set.
pub const DEFAULT_RESET_CODE_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// Most days that an invitation can be good for, unless set.
pub const DEFAULT_INVITE_MAX_DAYS: u32 = 30;
/// How long a program may wait for the approval of its device code, unless set.
pub const DEFAULT_DEVICE_CODE_LIFETIME: Duration = Duration::from_secs(600);
/// The longest such time that can be set: what is approved out of band must not stay open for longer.
pub const MAX_DEVICE_CODE_LIFETIME: Duration = Duration::from_secs(600);
/// Device codes that can be open at once, unless set: some 500 bytes each, 5 MiB.
pub const DEFAULT_DEVICE_CODES_OPEN: u64 = 10_000;
/// Attempts that are remembered, unless set: with about 50 bytes each, 3 MiB.
pub const DEFAULT_ATTEMPTS_REMEMBERED: usize = 65_536;

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

/// Where mail goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MailDelivery {
    /// Nowhere: an admin hands out the codes for forgotten passwords.
    #[default]
    Off,
    /// The log says that a mail is due, without what it says.
    Log,
    /// Into files of this directory.
    Files(PathBuf),
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
    /// A new signing key is made when the newest is older than this. Default [`DEFAULT_KEY_ROTATION`].
    pub key_rotation: Duration,
    /// Days that a personal access token may be good for at the most. Default [`DEFAULT_TOKEN_MAX_DAYS`].
    pub token_max_days: u32,
    /// Personal access tokens that one person may have. Default [`DEFAULT_TOKENS_PER_PERSON`].
    pub tokens_per_person: usize,
    /// Who may register. Default: everybody.
    pub registration: RegistrationPolicy,
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
    /// Places, working and waiting, that one address may hold while less than half of all are free; so a flood from there leaves
    /// places for others. Default [`DEFAULT_HASH_SHARE`].
    pub hash_share: usize,
    /// Failed attempts at one account from one address, or from one known device; failed confirmations of one person. Default
    /// [`DEFAULT_ATTEMPTS_PER_ACCOUNT`].
    pub attempts_per_account: Rate,
    /// Failed attempts from one address (IPv6: one /64), and registrations. Default [`DEFAULT_ATTEMPTS_PER_ADDRESS`].
    pub attempts_per_address: Rate,
    /// Failed attempts at one account from everywhere but its known devices. Default [`DEFAULT_ATTEMPTS_PER_ACCOUNT_ANYWHERE`].
    pub attempts_per_account_anywhere: Rate,
    /// Wrong codes of one person's second factor. Default [`DEFAULT_ATTEMPTS_PER_SECOND_FACTOR`].
    pub attempts_per_second_factor: Rate,
    /// Mails with a code to one account. Default [`DEFAULT_MAILED_CODES_PER_ACCOUNT`].
    pub mailed_codes_per_account: Rate,
    /// Attempts that are remembered. Default [`DEFAULT_ATTEMPTS_REMEMBERED`].
    pub attempts_remembered: usize,
    /// How long a code to reset a password is good. Default [`DEFAULT_RESET_CODE_LIFETIME`].
    pub reset_code_lifetime: Duration,
    /// Most days that an invitation can be good for. Default [`DEFAULT_INVITE_MAX_DAYS`].
    pub invite_max_days: u32,
    /// How long a program may wait for the approval of its device code. Default [`DEFAULT_DEVICE_CODE_LIFETIME`].
    pub device_code_lifetime: Duration,
    /// Device codes that can be open at once, of all addresses together. Counted are those of the last ten minutes, whatever came of
    /// them. Default [`DEFAULT_DEVICE_CODES_OPEN`].
    pub device_codes_open: u64,
    /// Where mail goes. Default: nowhere.
    pub mail: MailDelivery,
    /// Address that mail comes from. Default `coditect@localhost`.
    pub mail_from: String,
    /// Address of the front, for mails to name: `https://ide.example.org`. Default: empty, and mails name none.
    pub public_url: String,
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
            key_rotation: DEFAULT_KEY_ROTATION,
            token_max_days: DEFAULT_TOKEN_MAX_DAYS,
            tokens_per_person: DEFAULT_TOKENS_PER_PERSON,
            registration: RegistrationPolicy::Open,
            password_min_chars: 12,
            password_max_chars: DEFAULT_PASSWORD_MAX_CHARS,
            hash_cost: HashCost::default(),
            hashes_at_once: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            hash_queue: DEFAULT_HASH_QUEUE,
            hash_share: DEFAULT_HASH_SHARE,
            attempts_per_account: DEFAULT_ATTEMPTS_PER_ACCOUNT,
            attempts_per_address: DEFAULT_ATTEMPTS_PER_ADDRESS,
            attempts_per_account_anywhere: DEFAULT_ATTEMPTS_PER_ACCOUNT_ANYWHERE,
            attempts_per_second_factor: DEFAULT_ATTEMPTS_PER_SECOND_FACTOR,
            mailed_codes_per_account: DEFAULT_MAILED_CODES_PER_ACCOUNT,
            attempts_remembered: DEFAULT_ATTEMPTS_REMEMBERED,
            reset_code_lifetime: DEFAULT_RESET_CODE_LIFETIME,
            invite_max_days: DEFAULT_INVITE_MAX_DAYS,
            device_code_lifetime: DEFAULT_DEVICE_CODE_LIFETIME,
            device_codes_open: DEFAULT_DEVICE_CODES_OPEN,
            mail: MailDelivery::Off,
            mail_from: "coditect@localhost".to_owned(),
            public_url: String::new(),
            issuer: "coditect".to_owned(),
            audience: "coditect-api".to_owned(),
        }
    }
}

impl AuthSettings {
    /// Refuses settings that would weaken or break the logins without anybody noticing.
    pub(crate) fn validate(&self) -> Result<(), AuthError> {
        let whole_seconds = |time: Duration| time.as_secs() >= 1 && time.as_secs() <= 10 * 366 * 24 * 60 * 60;
        let short = |time: Duration| (1..=24 * 60 * 60).contains(&time.as_secs());
        let rate = |rate: Rate| rate.burst >= 1 && rate.refill.as_millis() >= 1;
        let rules = [
            (whole_seconds(self.access_lifetime), "the lifetime of access tokens must be between 1 s and 10 years"),
            (whole_seconds(self.refresh_idle_lifetime), "the idle lifetime must be between 1 s and 10 years"),
            (whole_seconds(self.absolute_lifetime), "the absolute lifetime must be between 1 s and 10 years"),
            (self.reuse_grace <= MAX_REUSE_GRACE, "the reuse grace must be at most 60 s"),
            (self.sessions_per_user >= 1, "the number of sessions for each person must be at least 1"),
            (self.key_rotation.as_secs() >= 60 * 60, "signing keys must not be rotated more often than every hour"),
            ((1..=3660).contains(&self.token_max_days), "tokens must be good for 1 to 3660 days"),
            ((1..=10_000).contains(&self.tokens_per_person), "the tokens for each person must be between 1 and 10000"),
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
            (self.hash_share >= 1, "the share of one address in the queue of password hashes must be at least 1"),
            (
                rate(self.attempts_per_account_anywhere),
                "the attempts for each account anywhere need a burst and a refill time",
            ),
            (
                rate(self.attempts_per_second_factor),
                "the attempts for each second factor need a burst and a refill time",
            ),
            (rate(self.mailed_codes_per_account), "the mails for each account need a burst and a refill time"),
            (short(self.reset_code_lifetime), "the lifetime of reset codes must be between 1 s and 1 day"),
            (
                self.device_code_lifetime.as_secs() >= 1 && self.device_code_lifetime <= MAX_DEVICE_CODE_LIFETIME,
                "the lifetime of device codes must be between 1 s and 600 s",
            ),
            (self.device_codes_open >= 1, "the number of open device codes must be at least 1"),
            (
                (1..=366).contains(&self.invite_max_days),
                "the longest life of an invitation must be between 1 and 366 days",
            ),
            (
                LoginName::parse(&self.mail_from).is_ok_and(|from| from.is_address() && from.typed == self.mail_from),
                "mail must come from an e-mail address",
            ),
            (is_web_address(&self.public_url), "the public address must be empty or begin with https:// or http://"),
            (self.attempts_remembered >= 16, "the number of attempts remembered must be at least 16"),
            (!self.issuer.is_empty() && !self.audience.is_empty(), "issuer and audience must not be empty"),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(AuthError::Settings(rule.to_owned())),
            None => Ok(()),
        }
    }
}

/// Nothing, or an address that can stand in a mail and have a path put after it.
fn is_web_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>?#".contains(&byte));
    text.is_empty() || (rest.is_some_and(|host| !host.is_empty() && !host.starts_with('/')) && printable)
}

/// A time in milliseconds, as the store keeps them.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
