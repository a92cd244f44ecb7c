//! Second factors, those being set up, and logins that wait for one.

use coditect_protocol::UserId;
use coditect_store::tuple::Bytes;
use coditect_store::{Record, StoreError, Transaction};
use serde::{Deserialize, Serialize};

use super::ROOT;
use super::passing::{self, Passing};
use crate::secret::SecretHash;

/// A person's authenticator.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecondFactorRow {
    /// The secret, sealed.
    pub(crate) secret: Vec<u8>,
    pub(crate) enabled_at: u64,
    /// Of the last code that was used: none before or at it is good any more.
    pub(crate) last_step: u64,
    /// Digests of the recovery codes that are left.
    pub(crate) recovery: Vec<SecretHash>,
}

impl Record for SecondFactorRow {
    const VERSION: u8 = 1;
}

/// An authenticator that waits to be confirmed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SetupRow {
    /// The secret, sealed.
    pub(crate) secret: Vec<u8>,
    pub(crate) expires_at: u64,
}

impl Record for SetupRow {
    const VERSION: u8 = 1;
}

impl Passing for SetupRow {
    fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

/// A login whose password was right.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ChallengeRow {
    pub(crate) user: UserId,
    /// The password that was right: when it was set.
    pub(crate) password_changed_at: u64,
    pub(crate) expires_at: u64,
    pub(crate) tries_left: u8,
}

impl Record for ChallengeRow {
    const VERSION: u8 = 1;
}

impl Passing for ChallengeRow {
    fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

fn factor_key(user: UserId) -> Vec<u8> {
    ROOT.pack(&("totp", user.0))
}

fn setup_key(user: UserId) -> Vec<u8> {
    ROOT.pack(&("totp_setup", user.0))
}

fn challenge_key(ticket: &SecretHash) -> Vec<u8> {
    ROOT.pack(&("challenge", Bytes::from(ticket.as_slice())))
}

pub(crate) async fn second_factor(tx: &Transaction, user: UserId) -> Result<Option<SecondFactorRow>, StoreError> {
    tx.get_record(factor_key(user)).await
}

pub(crate) fn set_second_factor(tx: &Transaction, user: UserId, row: &SecondFactorRow) -> Result<(), StoreError> {
    tx.set_record(factor_key(user), row)
}

pub(crate) fn clear_second_factor(tx: &Transaction, user: UserId) -> Result<(), StoreError> {
    tx.clear(factor_key(user))
}

pub(crate) async fn setup(tx: &Transaction, user: UserId, now: u64) -> Result<Option<SetupRow>, StoreError> {
    passing::live(tx, &setup_key(user), now).await
}

pub(crate) async fn set_setup(tx: &Transaction, user: UserId, row: &SetupRow) -> Result<(), StoreError> {
    passing::set(tx, &setup_key(user), row).await
}

pub(crate) async fn clear_setup(tx: &Transaction, user: UserId) -> Result<(), StoreError> {
    let key = setup_key(user);
    if let Some(row) = tx.get_record::<SetupRow>(&key).await? {
        passing::clear(tx, &key, &row)?;
    }
    Ok(())
}

pub(crate) async fn challenge(
    tx: &Transaction,
    ticket: &SecretHash,
    now: u64,
) -> Result<Option<ChallengeRow>, StoreError> {
    passing::live(tx, &challenge_key(ticket), now).await
}

pub(crate) async fn set_challenge(tx: &Transaction, ticket: &SecretHash, row: &ChallengeRow) -> Result<(), StoreError> {
    passing::set(tx, &challenge_key(ticket), row).await
}

pub(crate) fn clear_challenge(tx: &Transaction, ticket: &SecretHash, row: &ChallengeRow) -> Result<(), StoreError> {
    passing::clear(tx, &challenge_key(ticket), row)
}
