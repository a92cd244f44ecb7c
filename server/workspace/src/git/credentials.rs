//! People's logins at the sites that repositories are fetched from and pushed to. Their secrets are sealed with the server's
//! master key, each for the one row that it stands in.

use std::time::{SystemTime, UNIX_EPOCH};

use coditect_git::wire::Login;
use coditect_protocol::git::{AddGitCredential, GitCredential, MAX_CREDENTIAL_BYTES};
use coditect_protocol::{CredentialId, UserId};
use coditect_store::{MasterKey, Record, Store, Subspace};
use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq as _};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::WorkspaceError;

/// Logins that one person keeps, at most.
pub const MAX_CREDENTIALS: usize = 50;
/// Longest name at a site, in bytes.
const MAX_USERNAME_BYTES: usize = 255;
/// Longest name of a site with its port, in bytes.
const MAX_HOST_BYTES: usize = 260;
/// That a login was used is written down this often at the most, in milliseconds.
const USED_EVERY_MS: u64 = 60_000;

/// A login as it is stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    id: CredentialId,
    host: String,
    username: String,
    created_at: u64,
    used_at: Option<u64>,
    /// Sealed.
    secret: Vec<u8>,
}

impl Record for Row {
    const VERSION: u8 = 1;
}

/// People's logins at other sites. Cheap to clone.
#[derive(Clone)]
pub struct Credentials {
    store: Store,
    master: MasterKey,
    rows: Subspace,
}

impl Credentials {
    /// Those of this store, sealed with this key.
    #[must_use]
    pub fn new(store: Store, master: MasterKey) -> Self {
        Self { store, master, rows: Subspace::root("git").sub(&"credential") }
    }

    fn of(&self, person: UserId) -> Subspace {
        self.rows.sub(&person.to_string())
    }

    fn key(&self, person: UserId, id: CredentialId) -> Vec<u8> {
        self.of(person).pack(&id.to_string())
    }

    async fn rows(&self, person: UserId) -> Result<Vec<Row>, WorkspaceError> {
        let range = &self.of(person).range();
        let rows = self.store.transact(|tx| async move { Ok::<_, WorkspaceError>(tx.range_all(range.clone()).await?) });
        rows.await?.iter().map(|row| Ok(Row::decode(&row.value)?)).collect()
    }

    /// A person's logins, by site and name, without their secrets.
    pub async fn list(&self, person: UserId) -> Result<Vec<GitCredential>, WorkspaceError> {
        let mut list: Vec<_> = self.rows(person).await?.into_iter().map(view).collect();
        list.sort_by(|one, other| (&one.host, &one.username).cmp(&(&other.host, &other.username)));
        Ok(list)
    }

    /// Keeps a login, in place of one for the same site and name.
    pub async fn add(&self, person: UserId, add: AddGitCredential) -> Result<GitCredential, WorkspaceError> {
        let AddGitCredential { host, username, secret } = add;
        let secret = Zeroizing::new(secret);
        let host =
            site(&host).ok_or(WorkspaceError::GitCredential("name the site as git.example.org, or with its port"))?;
        let is_text =
            |text: &str, limit| !text.is_empty() && text.len() <= limit && !text.chars().any(char::is_control);
        if !is_text(&username, MAX_USERNAME_BYTES) {
            return Err(WorkspaceError::GitCredential("give the name at the site, in at most 255 bytes"));
        }
        if !is_text(&secret, MAX_CREDENTIAL_BYTES) {
            return Err(WorkspaceError::GitCredential("give a password or token of one line, at most 8 KiB"));
        }
        let id = CredentialId(Uuid::now_v7());
        let sealed = self.master.seal(&context(person, id, &host), secret.as_bytes())?;
        let row = Row { id, host, username, created_at: now(), used_at: None, secret: sealed };
        let (range, key, row) = (&self.of(person).range(), &self.key(person, id), &row);
        self.store
            .transact(|tx| async move {
                let mut others = 0;
                for other in tx.range_all(range.clone()).await? {
                    let found = Row::decode(&other.value)?;
                    if found.id == row.id {
                        // A commit of unknown result runs again and finds its own.
                    } else if (&found.host, &found.username) == (&row.host, &row.username) {
                        tx.clear(&other.key)?;
                    } else {
                        others += 1;
                    }
                }
                if others >= MAX_CREDENTIALS {
                    return Err(WorkspaceError::TooManyGitCredentials { limit: MAX_CREDENTIALS });
                }
                Ok(tx.set_record(key, row)?)
            })
            .await?;
        Ok(view(row.clone()))
    }

    /// Forgets a login.
    pub async fn remove(&self, person: UserId, id: CredentialId) -> Result<(), WorkspaceError> {
        let key = &self.key(person, id);
        self.store
            .transact(|tx| async move {
                match tx.get(key).await? {
                    Some(_) => Ok(tx.clear(key)?),
                    None => Err(WorkspaceError::GitCredentialNotFound),
                }
            })
            .await
    }

    /// The login for a site, for this name where there is one; else the one that was used last.
    pub(super) async fn login(
        &self,
        person: UserId,
        host: &str,
        username: Option<&str>,
    ) -> Result<Option<Login>, WorkspaceError> {
        let Some(host) = site(host) else { return Ok(None) };
        let mut rows = self.rows(person).await?;
        rows.retain(|row| is_same(&row.host, &host) && username.is_none_or(|name| is_same(&row.username, name)));
        let Some(row) = rows.into_iter().max_by_key(|row| (row.used_at, row.created_at)) else { return Ok(None) };
        let secret = self.master.open(&context(person, row.id, &row.host), &row.secret)?;
        let secret = std::str::from_utf8(&secret).map_err(|error| WorkspaceError::Internal(error.to_string()))?;
        let login = Login { username: row.username.clone(), secret: Zeroizing::new(secret.to_owned()) };
        self.note_used(person, row).await?;
        Ok(Some(login))
    }

    async fn note_used(&self, person: UserId, row: Row) -> Result<(), WorkspaceError> {
        let (key, now) = (&self.key(person, row.id), now());
        if row.used_at.is_some_and(|at| at + USED_EVERY_MS > now) {
            return Ok(());
        }
        self.store
            .transact(|tx| async move {
                // It may be gone meanwhile.
                match tx.get_record::<Row>(key).await? {
                    Some(row) => Ok(tx.set_record(key, &Row { used_at: Some(now), ..row })?),
                    None => Ok(()),
                }
            })
            .await
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

fn view(row: Row) -> GitCredential {
    let Row { id, host, username, created_at, used_at, secret: _ } = row;
    GitCredential { id, host, username, created_at, used_at }
}

/// What a secret is sealed for: nothing opens it in another row, for another person or another site.
fn context(person: UserId, id: CredentialId, host: &str) -> Vec<u8> {
    format!("git credential\0{person}\0{id}\0{host}").into_bytes()
}

/// A site as it is compared: `host` or `host:port`, in small letters, without the port that `https` has anyway.
fn site(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_suffix(":443").unwrap_or(&text);
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']')? {
            (host, "") => (host, None),
            (host, port) => (host, Some(port.strip_prefix(':')?)),
        },
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_address = text.starts_with('[') && host.parse::<std::net::Ipv6Addr>().is_ok();
    let is_name = !text.starts_with('[') && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let is_site = (is_address || is_name) && !host.is_empty() && is_port && text.len() <= MAX_HOST_BYTES;
    is_site.then(|| text.to_owned())
}

/// Compares in a time that tells nothing but the length.
fn is_same(one: &str, other: &str) -> bool {
    let same: Choice = one.as_bytes().ct_eq(other.as_bytes());
    same.into()
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_hosts_with_or_without_a_port() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(site(text).as_deref(), expected, "{text}");
        check(" Git.Example.org ", Some("git.example.org"));
        check("h:443", Some("h"));
        check("h:8443", Some("h:8443"));
        check("[::1]:9", Some("[::1]:9"));
        check("[::1]", Some("[::1]"));
        for bad in
            ["", "https://h", "h/", "a b", "h:", "h:0", "h:x", "h:1:2", "u@h", "[::1", "[x]", "[::1]x", ":9", "h\n"]
        {
            let bad = if bad == "h\n" { "h\n.x" } else { bad };
            check(bad, None);
        }
    }

    async fn credentials() -> Credentials {
        Credentials::new(Store::open("memory:").await.unwrap(), MasterKey::generate().unwrap())
    }

    fn add(host: &str, username: &str, secret: &str) -> AddGitCredential {
        AddGitCredential { host: host.to_owned(), username: username.to_owned(), secret: secret.to_owned() }
    }

    #[tokio::test]
    async fn a_login_is_its_persons_and_its_sites() {
        let all = credentials().await;
        let (ada, bob) = (UserId(Uuid::new_v4()), UserId(Uuid::new_v4()));
        all.add(ada, add("git.example.org", "ada", "old")).await.unwrap();
        let kept = all.add(ada, add("Git.example.org:443", "ada", "new")).await.unwrap();
        all.add(ada, add("git.example.org", "work", "other")).await.unwrap();
        assert_eq!(all.list(ada).await.unwrap().len(), 2);
        let secret = |login: Option<Login>| login.map(|login| login.secret.to_string());
        let asked = async |person, host, name| secret(all.login(person, host, name).await.unwrap());
        assert_eq!(asked(ada, "git.example.org", Some("ada")).await.as_deref(), Some("new"));
        assert_eq!(asked(ada, "git.example.org", Some("work")).await.as_deref(), Some("other"));
        for (person, host, name) in [
            (bob, "git.example.org", None),
            (ada, "git.example.org:8443", None),
            (ada, "example.org", None),
            (ada, "git.example.org.evil.example", None),
            (ada, "git.example.org", Some("root")),
        ] {
            assert_eq!(asked(person, host, name).await, None, "{host} {name:?}");
        }
        assert!(all.list(ada).await.unwrap().iter().all(|login| login.used_at.is_some()));
        assert!(matches!(all.remove(bob, kept.id).await, Err(WorkspaceError::GitCredentialNotFound)));
        all.remove(ada, kept.id).await.unwrap();
        assert_eq!(asked(ada, "git.example.org", Some("ada")).await, None);
        assert_eq!(all.list(ada).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_secret_is_sealed_for_its_row() {
        let all = credentials().await;
        let (ada, bob) = (UserId(Uuid::new_v4()), UserId(Uuid::new_v4()));
        all.add(ada, add("h", "ada", "hunter22")).await.unwrap();
        let row = all.rows(ada).await.unwrap().remove(0);
        assert!(!row.encode().unwrap().windows(8).any(|part| part == b"hunter22"));
        // Whoever can write to the store still cannot have it sent elsewhere.
        for (person, moved) in [(bob, row.clone()), (ada, Row { host: "evil.example".to_owned(), ..row })] {
            let (key, host) = (all.key(person, moved.id), moved.host.clone());
            all.store
                .transact(|tx| {
                    let (key, moved) = (key.clone(), moved.clone());
                    async move { tx.set_record(key, &moved) }
                })
                .await
                .unwrap();
            assert!(all.login(person, &host, None).await.is_err());
        }
    }

    #[tokio::test]
    async fn what_is_no_login_is_refused() {
        let all = credentials().await;
        let ada = UserId(Uuid::new_v4());
        let long = "x".repeat(MAX_CREDENTIAL_BYTES + 1);
        for bad in [
            add("https://h", "a", "b"),
            add("h", "", "b"),
            add("h", "a\n", "b"),
            add("h", "a", ""),
            add("h", "a", "b\nc"),
            add("h", "a", &long),
        ] {
            assert!(matches!(all.add(ada, bad).await, Err(WorkspaceError::GitCredential(_))));
        }
        for n in 0..MAX_CREDENTIALS {
            all.add(ada, add(&format!("h{n}"), "a", "b")).await.unwrap();
        }
        assert!(matches!(all.add(ada, add("h", "a", "b")).await, Err(WorkspaceError::TooManyGitCredentials { .. })));
        all.add(ada, add("h0", "a", "c")).await.unwrap();
    }
}
