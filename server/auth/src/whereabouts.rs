//! Whether somebody is there, for what goes on without them.

use coditect_protocol::UserId;
use coditect_protocol::auth::{Role, Scope};
use coditect_store::Transaction;

use crate::{Auth, AuthError, rows};

/// What decides whether that which somebody started may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whereabouts {
    /// They have an account and are not kept out.
    pub is_let_in: bool,
    /// They are logged in somewhere, or a token that they made may use terminals.
    pub is_here: bool,
    /// When all their logins were last ended at once, milliseconds since 1970; 0 where that never was.
    pub logged_out_at: u64,
}

impl Auth {
    /// Whether somebody is there, as the store knows it now.
    pub async fn whereabouts(&self, id: UserId) -> Result<Whereabouts, AuthError> {
        self.store
            .transact(|tx| async move {
                let is_let_in = rows::user(&tx, id).await?.is_some_and(|row| !row.disabled);
                let is_here = is_let_in && self.is_here(&tx, id).await?;
                Ok(Whereabouts { is_let_in, is_here, logged_out_at: rows::logged_out_at(&tx, id).await? })
            })
            .await
    }

    /// What somebody is now; nothing where they have no account, or are kept out.
    pub async fn role_of(&self, id: UserId) -> Result<Option<Role>, AuthError> {
        self.store
            .transact(
                |tx| async move { Ok(rows::user(&tx, id).await?.filter(|row| !row.disabled).map(|row| row.role)) },
            )
            .await
    }

    pub(crate) async fn is_here(&self, tx: &Transaction, id: UserId) -> Result<bool, AuthError> {
        let (now, settings) = (self.now(), &self.inner.settings);
        let is_logged_in = rows::sessions(tx, id).await?.iter().any(|(_, row)| row.ends_at(settings) > now);
        Ok(is_logged_in || rows::has_token_for(tx, id, Scope::Terminals, now).await?)
    }
}
