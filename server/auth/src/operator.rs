//! Who runs the machine, and reaches the store itself.

use coditect_protocol::SessionId;

use crate::rows;
use crate::{Auth, AuthError, Credential, Identity};

/// People read at a time while an admin is looked for.
const PAGE: usize = 200;

/// The session that the operator acts under, of which there is none.
const NO_SESSION: SessionId = SessionId(uuid::Uuid::nil());

impl Identity {
    /// Whether this is who runs the machine, and not somebody who has logged in.
    pub(crate) fn is_operator(&self) -> bool {
        self.session_id() == Some(NO_SESSION)
    }
}

impl Auth {
    /// The operator: acts with the rights of the first admin who is not kept out, under a session that is none. For commands that run
    /// beside the store; whoever can call this could read and write the store as well.
    pub async fn operator(&self) -> Result<Identity, AuthError> {
        let mut after = None;
        loop {
            let (people, more) = self
                .store
                .transact(|tx| async move { Ok::<_, AuthError>(rows::people(&tx, after, PAGE).await?) })
                .await?;
            after = people.last().map(|(id, _)| *id);
            if let Some((id, row)) = people.into_iter().find(|(_, row)| row.is_admin()) {
                let credential = Credential::Session(NO_SESSION);
                return Ok(Identity { user: row.info(id), credential, expires_at: u64::MAX, csrf: None });
            }
            if !more {
                return Err(AuthError::NoSuchPerson);
            }
        }
    }
}
