//! What people learn of each other where they work together: the name of who shares a workspace with them, and whether somebody can be
//! added to one.
//!
//! The second tells who has an account, as registering does, and cannot be answered otherwise: whoever adds somebody has to see whether
//! it worked. So it is asked for by people who are logged in only, a person who is kept out is nobody, and names that nobody has are
//! counted: who goes on guessing has to wait as at a login.

use std::collections::HashMap;

use coditect_protocol::auth::UserInfo;
use coditect_protocol::workspace::WorkspaceRole;
use coditect_protocol::{UserId, WorkspaceId};

use crate::audit::{AuditAction, AuditEvent};
use crate::login_name::LoginName;
use crate::rows;
use crate::throttle::Counter;
use crate::{Auth, AuthError, Device, Identity};

impl Auth {
    /// The names under which people are known to each other. Those who are not there, or cannot be read at the moment, have none.
    pub async fn names(&self, people: &[UserId]) -> HashMap<UserId, String> {
        let at = self.inner.clock.elapsed();
        let mut names = HashMap::with_capacity(people.len());
        for &id in people {
            match self.person(id, at).await {
                Ok(Some(person)) => drop(names.insert(id, person.info.login.clone())),
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, "the names of people cannot be read at the moment");
                    break;
                }
            }
        }
        names
    }

    /// Who logs in with a name, for somebody who wants to work with them.
    pub async fn find_person(&self, identity: &Identity, login: &str, device: &Device) -> Result<UserInfo, AuthError> {
        let counter = Counter::Acquaintance(self.inner.throttle.person(identity.user.id));
        let attempt = self.attempt(device, vec![counter])?;
        let login = LoginName::parse(login).map_err(|_| AuthError::NoSuchPerson)?;
        let login = &login;
        let found = self.store.transact(|tx| async move {
            let Some(id) = rows::user_of(&tx, login).await? else { return Ok::<_, AuthError>(None) };
            Ok(rows::user(&tx, id).await?.filter(|row| !row.disabled).map(|row| row.info(id)))
        });
        match found.await {
            Ok(Some(person)) => {
                self.inner.throttle.succeeded(&attempt, self.now());
                Ok(person)
            }
            Ok(None) => Err(AuthError::NoSuchPerson),
            Err(error) => {
                self.inner.throttle.not_made(&attempt, self.now());
                Err(error)
            }
        }
    }

    /// Tells the audit log of a change among the members of a workspace.
    pub fn tell_of_member(
        &self,
        action: AuditAction,
        identity: &Identity,
        (workspace, user): (WorkspaceId, UserId),
        role: Option<WorkspaceRole>,
        device: &Device,
    ) {
        self.record(&AuditEvent {
            user: Some(user),
            actor: Some(identity.user.id).filter(|actor| *actor != user),
            workspace: Some(workspace),
            workspace_role: role,
            address: device.address,
            ..self.event(action)
        });
    }
}
