//! People and their passwords.

use coditect_protocol::UserId;
use coditect_protocol::auth::{Role, UserInfo};
use coditect_store::{Record, Store, StoreError, Subspace, Transaction};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ROOT, id_of};
use crate::AuthError;
use crate::login_name::LoginName;

/// People that one transaction looks at when the index of admins is made.
const INDEX_BATCH: usize = 500;

/// A person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserRow {
    /// E-mail address or name, as it was typed.
    pub(crate) login: String,
    pub(crate) role: Role,
    pub(crate) created_at: u64,
    /// Kept out by an admin.
    pub(crate) disabled: bool,
}

/// The first form: everybody had an e-mail address, and nobody could be kept out.
#[derive(Serialize, Deserialize)]
struct UserRow1 {
    email: String,
    role: Role,
    created_at: u64,
}

impl Record for UserRow1 {
    const VERSION: u8 = 1;
}

impl Record for UserRow {
    const VERSION: u8 = 2;

    fn upgrade(_version: u8, body: &[u8]) -> Result<Self, StoreError> {
        let UserRow1 { email, role, created_at } = UserRow1::decode_body(body)?;
        Ok(Self { login: email, role, created_at, disabled: false })
    }
}

impl UserRow {
    /// Whether they may do what admins may.
    pub(crate) fn is_admin(&self) -> bool {
        self.role == Role::Admin && !self.disabled
    }

    pub(crate) fn info(self, id: UserId) -> UserInfo {
        UserInfo { id, login: self.login, role: self.role, created_at: self.created_at }
    }
}

/// A person's password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PasswordRow {
    /// PHC string.
    pub(crate) hash: String,
    pub(crate) changed_at: u64,
}

impl Record for PasswordRow {
    const VERSION: u8 = 1;
}

fn user_key(id: UserId) -> Vec<u8> {
    ROOT.pack(&("user", id.0))
}

fn password_key(id: UserId) -> Vec<u8> {
    ROOT.pack(&("password", id.0))
}

fn login_key(login: &LoginName) -> Vec<u8> {
    ROOT.pack(&("email", login.key.as_str()))
}

fn first_key() -> Vec<u8> {
    ROOT.pack(&("first",))
}

fn admins() -> Subspace {
    ROOT.sub(&("admin",))
}

fn admins_known_key() -> Vec<u8> {
    ROOT.pack(&("admins_known",))
}

/// Who registered with an address or a name.
pub(crate) async fn user_of(tx: &Transaction, login: &LoginName) -> Result<Option<UserId>, StoreError> {
    tx.get(login_key(login)).await?.map(|value| id_of(&value)).transpose()
}

pub(crate) async fn user(tx: &Transaction, id: UserId) -> Result<Option<UserRow>, StoreError> {
    tx.get_record(user_key(id)).await
}

/// Sets a person with their place among the admins.
pub(crate) fn set_user(tx: &Transaction, id: UserId, row: &UserRow) -> Result<(), StoreError> {
    let admin = admins().pack(&(id.0,));
    if row.is_admin() {
        tx.set(admin, [])?;
    } else {
        tx.clear(admin)?;
    }
    tx.set_record(user_key(id), row)
}

/// Whether somebody else than this person is an admin who can log in. Conflicts with whoever changes an admin meanwhile.
pub(crate) async fn has_other_admin(tx: &Transaction, id: UserId) -> Result<bool, StoreError> {
    let admins = admins();
    for row in tx.range(admins.range().limit(2)).await? {
        let (admin,): (Uuid,) = admins.unpack(&row.key)?;
        if admin != id.0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// People in the order in which they registered, which is that of their ids, after one of them; and whether there are more.
pub(crate) async fn people(
    tx: &Transaction,
    after: Option<UserId>,
    limit: usize,
) -> Result<(Vec<(UserId, UserRow)>, bool), StoreError> {
    let users = ROOT.sub(&("user",));
    let all = users.range();
    let range = after.map_or(all.clone(), |id| all.after(user_key(id)));
    let rows = tx.range(range.limit(limit).snapshot()).await?;
    let more = rows.more;
    let mut people = Vec::with_capacity(rows.len());
    for row in rows {
        let (id,): (Uuid,) = users.unpack(&row.key)?;
        people.push((UserId(id), UserRow::decode(&row.value)?));
    }
    Ok((people, more))
}

/// Writes down who is admin, where a version that did not know this index wrote the people.
pub(crate) async fn index_admins(store: &Store) -> Result<(), AuthError> {
    let mut after = None;
    loop {
        let next = store
            .transact(|tx| async move {
                if tx.get(admins_known_key()).await?.is_some() {
                    return Ok::<_, AuthError>(None);
                }
                let (batch, more) = people(&tx, after, INDEX_BATCH).await?;
                for (id, row) in batch.iter().filter(|(_, row)| row.is_admin()) {
                    // Read again with a conflict, in case somebody changes them just now.
                    if user(&tx, *id).await?.is_some_and(|now| now.is_admin() && row.is_admin()) {
                        tx.set(admins().pack(&(id.0,)), [])?;
                    }
                }
                if !more {
                    tx.set(admins_known_key(), [])?;
                    return Ok(None);
                }
                Ok(batch.last().map(|(id, _)| *id))
            })
            .await?;
        match next {
            None => return Ok(()),
            after_batch => after = after_batch,
        }
    }
}

pub(crate) async fn password(tx: &Transaction, id: UserId) -> Result<Option<PasswordRow>, StoreError> {
    tx.get_record(password_key(id)).await
}

pub(crate) fn set_password(tx: &Transaction, id: UserId, row: &PasswordRow) -> Result<(), StoreError> {
    tx.set_record(password_key(id), row)
}

/// Who registered first.
pub(crate) async fn first_user(tx: &Transaction) -> Result<Option<UserId>, StoreError> {
    tx.get(first_key()).await?.map(|value| id_of(&value)).transpose()
}

/// Adds a person with the index of their login. Who comes first becomes admin, whatever `role` says.
///
/// Safe to run again with the same id: what this very call wrote before is not in its own way.
pub(crate) async fn add_user(
    tx: &Transaction,
    id: UserId,
    login: &LoginName,
    role: Role,
    password: &PasswordRow,
) -> Result<UserRow, AuthError> {
    if user_of(tx, login).await?.is_some_and(|other| other != id) {
        return Err(AuthError::LoginTaken);
    }
    let first = first_user(tx).await?;
    let role = if first.is_none_or(|first| first == id) { Role::Admin } else { role };
    let row = UserRow { login: login.typed.clone(), role, created_at: password.changed_at, disabled: false };
    if first.is_none() {
        tx.set(first_key(), id.0.as_bytes())?;
    }
    tx.set(login_key(login), id.0.as_bytes())?;
    set_user(tx, id, &row)?;
    set_password(tx, id, password)?;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A person of the first form, as a server wrote it that had no second one.
    const FIRST_FORM: &[u8] =
        b"\x01\x83\xa5email\xafAda@example.org\xa4role\xa5admin\xaacreated_at\xcf\x00\x00\x01\xa3\x18\x4c\xc0\x00";

    #[test]
    fn the_first_form_of_a_person_stays_readable() {
        let row = UserRow::decode(FIRST_FORM).unwrap();
        assert_eq!((row.login.as_str(), row.role, row.disabled), ("Ada@example.org", Role::Admin, false));
        assert_eq!(row.created_at, 0x01a3_184c_c000);
        let written = UserRow1 { email: row.login.clone(), role: row.role, created_at: row.created_at };
        assert_eq!(written.encode().unwrap(), FIRST_FORM);
        let again = row.encode().unwrap();
        assert_eq!(again[0], 2);
        assert_eq!(UserRow::decode(&again).unwrap().login, "Ada@example.org");
    }

    #[tokio::test]
    async fn admins_of_an_older_version_are_known_as_such() {
        let store = Store::open("memory:").await.unwrap();
        let (ada, bob) = (UserId(Uuid::now_v7()), UserId(Uuid::now_v7()));
        let old: Result<(), StoreError> = store
            .transact(|tx| async move {
                tx.set(user_key(ada), FIRST_FORM)?;
                for _ in 0..INDEX_BATCH * 2 {
                    let row = UserRow1 { email: "x@example.org".to_owned(), role: Role::Member, created_at: 1 };
                    tx.set(user_key(UserId(Uuid::now_v7())), row.encode()?)?;
                }
                tx.set(user_key(bob), FIRST_FORM)
            })
            .await;
        old.unwrap();
        let others = |id| {
            let store = &store;
            async move {
                let others: Result<_, StoreError> =
                    store.transact(|tx| async move { has_other_admin(&tx, id).await }).await;
                others.unwrap()
            }
        };
        assert!(!others(bob).await);
        for _ in 0..2 {
            index_admins(&store).await.unwrap();
            assert!(others(ada).await && others(bob).await && others(UserId(Uuid::nil())).await);
        }
    }
}
