//! Whether the master key is the one that the store was written with.
//!
//! The first server writes a known text, sealed. One that is started with another key cannot open it, and says so instead of
//! refusing everybody later.

use coditect_protocol::{Coded as _, Kind};
use coditect_store::{MasterKey, Store, StoreError};

use crate::rows;
use crate::{Auth, AuthError};

const CONTEXT: &[u8] = b"auth: master key";
const KNOWN: &[u8] = b"coditect";

/// Makes the store ready. Answers whether it is: a store that is away is no error, and is made ready later.
pub(crate) async fn prepare(store: &Store, master: &MasterKey) -> Result<bool, AuthError> {
    let prepared = async {
        check(store, master).await?;
        rows::index_admins(store).await
    };
    match prepared.await {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == Kind::Unavailable => Ok(false),
        Err(error) => Err(error),
    }
}

async fn check(store: &Store, master: &MasterKey) -> Result<(), AuthError> {
    let fresh = master.seal(CONTEXT, KNOWN)?;
    let fresh = &fresh;
    store
        .transact(|tx| async move {
            let Some(sealed) = rows::master_check(&tx).await? else { return Ok(rows::set_master_check(&tx, fresh)?) };
            match master.open(CONTEXT, &sealed) {
                Ok(known) if known.as_slice() == KNOWN => {}
                Ok(_) | Err(StoreError::SealedElsewhere | StoreError::SealBroken) => {
                    let text = "the data were written with another one; start the server with the key file that belongs to them";
                    return Err(AuthError::MasterKey(text.to_owned()));
                }
                Err(error) => return Err(error.into()),
            }
            if master.is_outdated(&sealed) {
                rows::set_master_check(&tx, fresh)?;
            }
            Ok(())
        })
        .await
}

impl Auth {
    /// The key that protects secrets in the store.
    pub(crate) fn master(&self) -> &MasterKey {
        &self.inner.master
    }

    /// Makes a store ready that was away when the server started.
    pub(crate) async fn prepare_later(&self) -> Result<(), AuthError> {
        use std::sync::atomic::Ordering;
        if !self.inner.prepared.load(Ordering::Relaxed) {
            let prepared = prepare(&self.store, &self.inner.master).await?;
            self.inner.prepared.store(prepared, Ordering::Relaxed);
        }
        Ok(())
    }
}
