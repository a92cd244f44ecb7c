//! The variable [`MASTER_KEY_VARIABLE`]. No program that the server starts inherits it: each is given an environment made for it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use coditect_store::MasterKey;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use super::MasterKeySource;
use crate::error::ServerError;
use crate::settings::MASTER_KEY_VARIABLE;

/// What stood in the variable when the server started.
pub(super) struct KeyVariable(Zeroizing<Vec<u8>>);

impl KeyVariable {
    pub(super) fn new(text: OsString) -> Self {
        let mut text = text.into_vec();
        // Always lines: 32 letters that somebody typed are not the 32 bytes of a key.
        text.push(b'\n');
        Self(Zeroizing::new(text))
    }
}

impl MasterKeySource for KeyVariable {
    fn read(&self) -> BoxFuture<'_, Result<MasterKey, ServerError>> {
        let read = MasterKey::parse(&self.0);
        let read = read.map_err(|error| ServerError::MasterKey(format!("the variable {MASTER_KEY_VARIABLE}: {error}")));
        async { read }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn letters_are_not_bytes() {
        let words = "correct horse battery staple 123";
        assert_eq!(words.len(), 32);
        let error = KeyVariable::new(words.into()).read().await.unwrap_err();
        assert!(error.to_string().contains("Base64") && !error.to_string().contains("horse"), "{error}");
    }
}
