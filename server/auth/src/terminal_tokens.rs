//! Tokens of terminals: what programs in a terminal act for its person with.
//!
//! Each is a personal access token like those that people make, with a name that says which terminal has it, listed among them and
//! revoked like them. It does not count towards the number that a person may make, and does not keep its person "there". It ends with
//! its terminal, and is never prolonged: who looks into a terminal that was left open for days finds nothing that is still good.
//!
//! Terminals outlive servers, so that a token can outlive its terminal when no server is there to see the end. The store therefore knows
//! which terminal of which [`TerminalHost`] each belongs to, and whoever looks after that host takes away what is left over.

use std::time::Duration;

use coditect_protocol::auth::Scope;
use coditect_protocol::{TerminalId, TokenId, UserId, WorkspaceId};
use uuid::Uuid;

use crate::audit::{AuditAction, AuditEvent};
use crate::revocation::Ending;
use crate::rows::{self, TokenRow};
use crate::secret::sha256;
use crate::settings::millis;
use crate::tokens::{SHOWN_CHARS, id_of, new_token};
use crate::{Auth, AuthError, TOKEN_NAME_MAX_CHARS};

/// What runs terminals over the lives of several servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TerminalHost(pub Uuid);

/// A token for a terminal that is about to be started.
#[derive(Debug, Clone)]
pub struct NewTerminalToken {
    /// Whose the terminal is.
    pub user: UserId,
    /// Which one.
    pub terminal: TerminalId,
    /// The workspace it is in, and the only one that the token is good for.
    pub workspace: WorkspaceId,
    /// What runs it.
    pub host: TerminalHost,
    /// For people; longer ones are cut.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it ends at the latest.
    pub lifetime: Duration,
}

/// A terminal that has a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalToken {
    /// Which terminal.
    pub terminal: TerminalId,
    /// When the token was made, milliseconds since 1970.
    pub made_at: u64,
}

impl Auth {
    /// Makes the token of a terminal for somebody who was just found to be allowed one.
    pub async fn make_terminal_token(&self, new: NewTerminalToken) -> Result<String, AuthError> {
        let token = new_token()?;
        let hash = sha256(token.as_bytes());
        let (id, now) = (id_of(&hash), self.now());
        let mut scopes = new.scopes;
        scopes.sort_unstable();
        let name = new.name.chars().filter(|character| !character.is_control()).take(TOKEN_NAME_MAX_CHARS).collect();
        let row = TokenRow {
            hash,
            user: new.user,
            name,
            scopes,
            ends_with: token[token.len() - SHOWN_CHARS..].to_owned(),
            created_at: now,
            expires_at: now.saturating_add(millis(new.lifetime)),
            workspace: Some(new.workspace),
        };
        let (row, place) = (&row, (new.host, new.terminal));
        self.store
            .transact(|tx| async move {
                // What a check told may be a second old, and a token must not outlive that second.
                rows::user(&tx, row.user).await?.filter(|user| !user.disabled).ok_or(AuthError::SessionEnded)?;
                if !self.is_here(&tx, row.user).await? {
                    return Err(AuthError::SessionEnded);
                }
                Ok(rows::set_terminal_token(&tx, id, row, place)?)
            })
            .await?;
        self.tell_of_terminal(AuditAction::TokenMade, new.user, id);
        Ok(token)
    }

    /// The terminals there that have a token.
    pub async fn terminal_tokens(&self, host: TerminalHost) -> Result<Vec<TerminalToken>, AuthError> {
        self.store
            .transact(|tx| async move {
                let mut all = Vec::new();
                for (terminal, id) in rows::terminal_tokens(&tx, host).await? {
                    let made_at = rows::token(&tx, id).await?.map_or(0, |row| row.created_at);
                    all.push(TerminalToken { terminal, made_at });
                }
                Ok(all)
            })
            .await
    }

    /// Revokes the token of a terminal that has ended, on every server within a second. One that has none is no error.
    pub async fn end_terminal_token(&self, host: TerminalHost, terminal: TerminalId) -> Result<(), AuthError> {
        let ended = self
            .store
            .transact(|tx| async move {
                let Some(id) = rows::terminal_token(&tx, host, terminal).await? else { return Ok(None) };
                let Some(row) = rows::token(&tx, id).await? else { return Ok(None) };
                rows::clear_token(&tx, id, &row).await?;
                Ok::<_, AuthError>(Some((id, row.user)))
            })
            .await?;
        if let Some((id, user)) = ended {
            self.forget(&[Ending::Token(id)]);
            self.tell_of_terminal(AuditAction::TokenRevoked, user, id);
        }
        Ok(())
    }

    fn tell_of_terminal(&self, action: AuditAction, user: UserId, token: TokenId) {
        self.record(&AuditEvent { user: Some(user), token: Some(token), ..self.event(action) });
    }
}
