//! Programs that wait to be let in with a device code.

use std::net::IpAddr;

use coditect_protocol::{SessionId, UserId};
use coditect_store::tuple::Bytes;
use coditect_store::{Range, Record, StoreError, Transaction};
use serde::{Deserialize, Serialize};

use super::passing::{self, Passing};
use super::{ROOT, number};
use crate::secret::SecretHash;

const MINUTE_MILLIS: u64 = 60 * 1000;

/// A program that waits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceLoginRow {
    /// What the person enters, without the dash.
    pub(crate) user_code: String,
    pub(crate) client_name: String,
    pub(crate) address: Option<IpAddr>,
    pub(crate) created_at: u64,
    pub(crate) expires_at: u64,
    /// Least time between two questions, in seconds.
    pub(crate) interval: u64,
    pub(crate) polled_at: Option<u64>,
    pub(crate) decision: Decision,
}

/// What a person said to it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Decision {
    /// Nothing yet.
    Pending,
    /// No.
    Denied,
    /// Yes, in this session of theirs, which must still be there when the program comes.
    Approved { user: UserId, session: SessionId },
}

impl Record for DeviceLoginRow {
    const VERSION: u8 = 1;
}

impl Passing for DeviceLoginRow {
    fn expires_at(&self) -> u64 {
        self.expires_at
    }

    fn indexes(&self) -> Vec<Vec<u8>> {
        vec![user_code_key(&self.user_code)]
    }
}

fn device_key(code: &SecretHash) -> Vec<u8> {
    ROOT.pack(&("device", Bytes::from(code.as_slice())))
}

fn user_code_key(code: &str) -> Vec<u8> {
    ROOT.pack(&("user_code", code))
}

/// The program with this device code, also if its time is over and it was not swept yet.
pub(crate) async fn device_login(tx: &Transaction, code: &SecretHash) -> Result<Option<DeviceLoginRow>, StoreError> {
    tx.get_record(device_key(code)).await
}

/// The program with this user code, if its time is not over.
pub(crate) async fn device_login_of(
    tx: &Transaction,
    user_code: &str,
    now: u64,
) -> Result<Option<(SecretHash, DeviceLoginRow)>, StoreError> {
    let Some(hash) = tx.get(user_code_key(user_code)).await? else { return Ok(None) };
    let hash: SecretHash = hash
        .as_ref()
        .try_into()
        .map_err(|_| StoreError::RecordCorrupt { detail: "a user code names no device".to_owned() })?;
    let row = passing::live(tx, &device_key(&hash), now).await?;
    Ok(row.map(|row| (hash, row)))
}

pub(crate) async fn set_device_login(
    tx: &Transaction,
    code: &SecretHash,
    row: &DeviceLoginRow,
) -> Result<(), StoreError> {
    passing::set(tx, &device_key(code), row).await?;
    tx.set(user_code_key(&row.user_code), code)
}

pub(crate) fn clear_device_login(tx: &Transaction, code: &SecretHash, row: &DeviceLoginRow) -> Result<(), StoreError> {
    passing::clear(tx, &device_key(code), row)
}

fn count_key(at: u64) -> Vec<u8> {
    ROOT.pack(&("devices_begun", number(at / MINUTE_MILLIS)))
}

/// How many device codes were given out since a moment, to the minute. Counted by the minute, so that a flood of them does not make the
/// question slow; whoever asks conflicts with nobody.
pub(crate) async fn device_logins_counted(tx: &Transaction, since: u64) -> Result<u64, StoreError> {
    let all = ROOT.sub(&("devices_begun",)).range();
    let minutes = tx.range_all(Range::new(count_key(since), &all.end).snapshot()).await?;
    Ok(minutes.iter().filter_map(|row| row.value[..].try_into().ok()).map(u64::from_le_bytes).sum())
}

/// Counts one more now, and takes away the counts of before `since`.
pub(crate) fn count_device_login(tx: &Transaction, since: u64, now: u64) -> Result<(), StoreError> {
    let all = ROOT.sub(&("devices_begun",)).range();
    tx.clear_range(&Range::new(&all.begin, count_key(since)))?;
    tx.add(count_key(now), 1)
}
