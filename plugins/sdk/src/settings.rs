//! What the person chose in the settings that the manifest declares.

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::host::settings as host;

/// A setting: a `bool`, a number or a `String`, by its kind; the manifest's default where nothing was chosen. `not-found` for one that
/// the manifest does not have, `invalid` where it is of another kind. A secret has no default: it is an `Option<String>`.
///
/// ```
/// use coditect_plugin_sdk::prelude::*;
///
/// # let _host = testing::Host::new().setting("page-size", 50).enter();
/// let rows: usize = settings::get("page-size")?;
/// # assert_eq!(rows, 50);
/// # Ok::<(), Error>(())
/// ```
pub fn get<T: DeserializeOwned>(name: &str) -> Result<T> {
    let json = host::get(name).ok_or_else(|| Error::unknown("setting", name))?;
    crate::json::read(&format!("the setting {name:?}"), &json)
}

/// The words of a text setting: what stands between commas, spaces and line breaks.
pub fn words(name: &str) -> Result<Vec<String>> {
    let text: String = get(name)?;
    let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
    Ok(words.map(str::to_owned).collect())
}
