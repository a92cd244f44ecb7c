//! Access tokens taken apart and put together again, by hand: no library stands between the attack and the server.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::Sha256;

fn read(part: &str) -> Value {
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

fn write(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

/// Head, claims and signature of a token.
pub fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().expect("a token has three parts")
}

pub fn head(token: &str) -> Value {
    read(parts(token)[0])
}

pub fn payload(token: &str) -> Value {
    read(parts(token)[1])
}

/// The token with other claims, and the signature that it had.
pub fn tampered(token: &str, change: impl FnOnce(&mut Value)) -> String {
    let [head, _, signature] = parts(token);
    let mut claims = payload(token);
    change(&mut claims);
    format!("{head}.{}.{signature}", write(&claims))
}

/// A token signed by whatever makes of its text.
pub fn signed(head: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let text = format!("{}.{}", write(head), write(claims));
    let signature = BASE64URL_NOPAD.encode(&sign(text.as_bytes()));
    format!("{text}.{signature}")
}

/// HS256 with this secret.
pub fn hs256(secret: &[u8]) -> impl FnOnce(&[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    move |text| {
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    }
}

/// A key of the attacker's own.
pub struct OwnKey(Ed25519KeyPair);

impl OwnKey {
    pub fn new() -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[42; 32]).unwrap())
    }

    pub fn sign(&self, text: &[u8]) -> Vec<u8> {
        self.0.sign(text).as_ref().to_vec()
    }

    pub fn jwk(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64URL_NOPAD.encode(self.0.public_key().as_ref()) })
    }
}
