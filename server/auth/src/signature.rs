//! Ed25519 for `jsonwebtoken`, and no other algorithm.
//!
//! The library asks one provider of the process for the cryptography of every algorithm. This one knows EdDSA alone: what asks
//! for another is refused, so that no confusion of algorithms can get past it. The cryptography is ring's, which TLS brings along anyway.

use std::fmt::Display;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::AuthError;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(EdSigner::new(*algorithm, key)?) as Box<dyn JwtSigner>),
    verifier_factory: |algorithm, key| Ok(Box::new(EdVerifier::new(*algorithm, key)?) as Box<dyn JwtVerifier>),
    // Keys of other kinds and keys in JSON are never read; where somebody tries, it is an error and no panic.
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(refused()),
        rsa_pub_components_from_public_key: |_| Err(refused()),
        ec_pub_components_from_private_key: |_, _| Err(refused()),
        ed_pub_components_from_private_key: |_, _| Err(refused()),
        compute_digest: |_, _| Err(refused()),
    },
};

fn refused() -> Error {
    ErrorKind::InvalidAlgorithm.into()
}

fn unusable(error: impl Display) -> AuthError {
    AuthError::Internal(format!("a signing key is unusable ({error})"))
}

/// Lets `jsonwebtoken` work with this module. Nobody else in the process chooses another provider.
pub(crate) fn install() {
    // Refused where it was installed before.
    let _ = PROVIDER.install_default();
}

/// A pair of keys from its seed (RFC 8032), in the library's form, and the public key.
pub(crate) fn keys(seed: &[u8]) -> Result<(EncodingKey, DecodingKey, [u8; 32]), AuthError> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(unusable)?;
    let public: [u8; 32] = pair.public_key().as_ref().try_into().map_err(unusable)?;
    // The library keeps the bytes as they are; only this module reads them.
    Ok((EncodingKey::from_ed_der(seed), DecodingKey::from_ed_der(&public), public))
}

struct EdSigner(Ed25519KeyPair);

impl EdSigner {
    fn new(algorithm: Algorithm, key: &EncodingKey) -> Result<Self, Error> {
        if algorithm != Algorithm::EdDSA || key.family() != AlgorithmFamily::Ed {
            return Err(refused());
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(key.as_bytes());
        pair.map(Self).map_err(|_| ErrorKind::InvalidEddsaKey.into())
    }
}

impl Signer<Vec<u8>> for EdSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl JwtSigner for EdSigner {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct EdVerifier(Vec<u8>);

impl EdVerifier {
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, Error> {
        if algorithm != Algorithm::EdDSA || key.family() != AlgorithmFamily::Ed {
            return Err(refused());
        }
        Ok(Self(key.try_get_as_bytes()?.to_vec()))
    }
}

impl Verifier<Vec<u8>> for EdVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for EdVerifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// RFC 8032 §7.1, test 3.
    #[test]
    fn it_is_the_ed25519_of_the_rfc() {
        install();
        let seed = bytes("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
        let (signing, verifying, public) = keys(&seed).unwrap();
        assert_eq!(public[..], bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"));
        let signer = (PROVIDER.signer_factory)(&Algorithm::EdDSA, &signing).unwrap();
        let signature = signer.try_sign(&[0xaf, 0x82]).unwrap();
        let expected = concat!(
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac",
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        );
        assert_eq!(signature, bytes(expected));
        let verifier = (PROVIDER.verifier_factory)(&Algorithm::EdDSA, &verifying).unwrap();
        verifier.verify(&[0xaf, 0x82], &signature).unwrap();
        assert!(verifier.verify(&[0xaf, 0x83], &signature).is_err());
        assert!(verifier.verify(&[0xaf, 0x82], &signature[..63].to_vec()).is_err());
    }

    #[test]
    fn every_other_algorithm_and_kind_of_key_is_refused() {
        let (signing, verifying, _) = keys(&[7; 32]).unwrap();
        for algorithm in [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::PS512] {
            assert!((PROVIDER.signer_factory)(&algorithm, &signing).is_err());
            assert!((PROVIDER.verifier_factory)(&algorithm, &verifying).is_err());
        }
        assert!((PROVIDER.signer_factory)(&Algorithm::EdDSA, &EncodingKey::from_secret(&[7; 32])).is_err());
        assert!((PROVIDER.verifier_factory)(&Algorithm::EdDSA, &DecodingKey::from_secret(&[7; 32])).is_err());
        assert!(keys(&[7; 31]).is_err());
        assert!((PROVIDER.key_utils.compute_digest)(b"", jsonwebtoken::jwk::ThumbprintHash::SHA256).is_err());
    }
}
