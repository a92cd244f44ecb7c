//! Values that outlive a call, for this person in this workspace. Capability `storage`. At most 64 KiB a value, 256 bytes a key.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::host::storage as host;

/// Keys that are asked for at once.
const PAGE_KEYS: u32 = 1000;

/// A value that [`set`] put there. `invalid` where it is of another type now.
///
/// ```
/// use coditect_plugin_sdk::prelude::*;
///
/// # let _host = testing::Host::new().enter();
/// storage::set("visits", &(storage::get("visits")?.unwrap_or(0) + 1))?;
/// assert_eq!(storage::get("visits")?, Some(1));
/// # Ok::<(), Error>(())
/// ```
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    let Some(bytes) = bytes(key)? else { return Ok(None) };
    let value = serde_json::from_slice(&bytes);
    value.map(Some).map_err(|error| Error::Invalid(format!("the value of {key:?} cannot be read: {error}")))
}

/// Puts a value there, as JSON.
pub fn set<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<()> {
    set_bytes(key, &serde_json::to_vec(value)?)
}

/// A value as it is.
pub fn bytes(key: &str) -> Result<Option<Vec<u8>>> {
    host::get(key).map_err(Error::from_wire)
}

/// Puts a value there as it is.
pub fn set_bytes(key: &str, value: &[u8]) -> Result<()> {
    host::set(key, value).map_err(Error::from_wire)
}

/// Forgets a value; also well where there is none.
pub fn delete(key: &str) -> Result<()> {
    host::delete(key).map_err(Error::from_wire)
}

/// All keys that begin with `prefix`, in order. They come page by page: what follows an error is nothing.
pub fn keys(prefix: &str) -> impl Iterator<Item = Result<String>> {
    let prefix = prefix.to_owned();
    crate::pages::all(PAGE_KEYS, move |after: Option<&String>, limit| {
        host::list(&prefix, after.map(String::as_str), limit).map_err(Error::from_wire)
    })
}
