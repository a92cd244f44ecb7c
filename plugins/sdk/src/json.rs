//! JSON at the border.

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

pub(crate) fn read<T: DeserializeOwned>(what: &str, json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| Error::Invalid(format!("{what} cannot be read: {error}")))
}

/// Arguments that a model or a build gives: a JSON object, as the manifest's schema describes it.
///
/// ```
/// use coditect_plugin_sdk::prelude::*;
///
/// #[derive(serde::Deserialize)]
/// struct Wanted { path: String }
///
/// let wanted: Wanted = Arguments::new(r#"{"path": "a.rs"}"#).read()?;
/// assert_eq!(wanted.path, "a.rs");
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments(String);

impl Arguments {
    /// Of JSON text.
    #[must_use]
    pub fn new(json: impl Into<String>) -> Self {
        Self(json.into())
    }

    /// What is in them; `invalid`, with the place, where they are something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        read("the arguments", &self.0)
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
