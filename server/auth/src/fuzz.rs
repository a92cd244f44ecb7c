//! What is thrown at everything that reads a token from outside: by the fuzzer (`server/auth/fuzz`) without end, and by the tests a
//! little each time. Each function takes any bytes, and panics where something is taken that should not be.

use std::sync::LazyLock;

use coditect_store::MasterKey;

use crate::keys::Sample;
use crate::known_device::KnownDevice;
use crate::secret::RefreshToken;
use crate::tokens::{self, TOKEN_PREFIX};

static SAMPLE: LazyLock<Option<Sample>> = LazyLock::new(|| Sample::new().ok());

/// Puts bytes over a part of a good text: the first byte says where. So an attempt gets past the first checks.
fn spliced(good: &str, data: &[u8]) -> Option<String> {
    let (place, bytes) = data.split_first()?;
    let mut text = good.as_bytes().to_vec();
    let begin = usize::from(*place) * text.len() / 256;
    let end = (begin + bytes.len()).min(text.len());
    text.splice(begin..end, bytes.iter().copied());
    String::from_utf8(text).ok()
}

/// Access tokens: only the very text that was signed is taken.
pub fn access_token(data: &[u8]) {
    let Some(sample) = &*SAMPLE else { panic!("there is no sample to compare with") };
    let text = String::from_utf8_lossy(data);
    assert!(text == sample.token || !sample.takes(&text), "taken: {text}");
    if let Some(text) = spliced(&sample.token, data) {
        assert!(text == sample.token || !sample.takes(&text), "taken: {text}");
    }
}

/// Personal access tokens: what is taken has the documented form, and the same digest only for the same text.
pub fn personal_token(data: &[u8]) {
    const GOOD: &str = "cdt_pat_0000000000000000000000000000000nAs1q";
    for text in [Some(String::from_utf8_lossy(data).into_owned()), spliced(GOOD, data)].into_iter().flatten() {
        if let Ok(digest) = tokens::parse(&text) {
            let rest = text.strip_prefix(TOKEN_PREFIX).unwrap_or_default();
            assert!(rest.len() == 36 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()), "taken: {text}");
            assert_eq!(digest, crate::secret::sha256(text.as_bytes()));
        }
    }
}

/// Refresh tokens: what is read is written again as the same text, so that no token has two of them.
pub fn refresh_token(data: &[u8]) {
    let good = crate::secret::encode(&[7; 64]);
    for text in [Some(String::from_utf8_lossy(data).into_owned()), spliced(&good, data)].into_iter().flatten() {
        if let Ok(token) = RefreshToken::parse(&text) {
            assert_eq!(token.reveal(), text);
        }
    }
}

/// Device tokens: only what was sealed is taken.
pub fn device_token(data: &[u8]) {
    static GOOD: LazyLock<(MasterKey, String)> = LazyLock::new(|| {
        let master = MasterKey::from_bytes([7; 32]);
        let sample = KnownDevice::sample(&master).unwrap_or_default();
        (master, sample)
    });
    let (master, good) = &*GOOD;
    for text in [Some(String::from_utf8_lossy(data).into_owned()), spliced(good, data)].into_iter().flatten() {
        assert!(text == *good || KnownDevice::parse(master, &text).is_none(), "taken: {text}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_samples_themselves_are_taken() {
        let sample = SAMPLE.as_ref().unwrap();
        assert!(sample.takes(&sample.token));
        let master = MasterKey::from_bytes([7; 32]);
        assert!(KnownDevice::parse(&master, &KnownDevice::sample(&master).unwrap()).is_some());
        assert!(RefreshToken::parse(&crate::secret::encode(&[7; 64])).is_ok());
    }

    /// Bytes as a fuzzer makes them: letters of tokens more often than others.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            "[0-9A-Za-z_.=-]{0,300}".prop_map(String::into_bytes),
            (any::<u8>(), "[0-9A-Za-z_-]{1,3}").prop_map(|(place, text)| [&[place], text.as_bytes()].concat()),
        ]
    }

    proptest! {
        #[test]
        fn nothing_forged_is_taken(data in bytes()) {
            access_token(&data);
            personal_token(&data);
            refresh_token(&data);
            device_token(&data);
        }
    }
}
