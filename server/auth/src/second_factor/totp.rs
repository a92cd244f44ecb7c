//! Time-based one-time codes (RFC 6238): SHA-1, six digits, steps of 30 s, which is what every authenticator knows.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::AuthError;
use crate::secret::random;

/// Bytes of a secret: those of the hash (RFC 4226 §4).
const SECRET_BYTES: usize = 20;
/// Length of a step, in milliseconds.
const STEP_MILLIS: u64 = 30_000;
/// Codes of so many steps before and after the present one are taken, for clocks that differ and people who type slowly.
const STEPS_AROUND: u64 = 1;
const DIGITS: usize = 6;
/// Least width and height of the picture, in pixels.
const QR_PIXELS: u32 = 200;

/// The secret that an authenticator shares with the server. Shows nothing of itself.
pub(crate) struct TotpSecret(Zeroizing<Vec<u8>>);

impl TotpSecret {
    pub(crate) fn generate() -> Result<Self, AuthError> {
        Ok(Self(Zeroizing::new(random::<SECRET_BYTES>()?.to_vec())))
    }

    /// As it was unsealed.
    pub(crate) fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// To be typed into an authenticator.
    pub(crate) fn base32(&self) -> String {
        BASE32_NOPAD.encode(&self.0)
    }

    /// Which step a code belongs to, if it belongs to one around now that comes after `last_step`: each code is good once.
    pub(crate) fn step_of(&self, code: &str, now: u64, last_step: Option<u64>) -> Option<u64> {
        let present = now / STEP_MILLIS;
        let around = present.saturating_sub(STEPS_AROUND)..=present + STEPS_AROUND;
        // Every step is compared, whichever fits, so that the time tells nothing.
        around.fold(None, |found, step| {
            let fits = bool::from(self.code(step).as_bytes().ct_eq(code.as_bytes()));
            let fresh = last_step.is_none_or(|last| step > last);
            if fits && fresh { Some(step) } else { found }
        })
    }

    /// The code of a step (RFC 4226 §5.3).
    fn code(&self, step: u64) -> String {
        let mac = Hmac::<Sha1>::new_from_slice(&self.0).map(|mac| mac.chain_update(step.to_be_bytes()).finalize());
        // An HMAC takes keys of any length.
        let Ok(mac) = mac else { return String::new() };
        let digest = mac.into_bytes();
        let offset = usize::from(digest[digest.len() - 1] & 0x0f);
        let word = digest[offset..offset + 4].iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
        format!("{:0width$}", (word & 0x7fff_ffff) % 10_u32.pow(6), width = DIGITS)
    }

    /// The code that an authenticator shows now.
    #[cfg(test)]
    pub(crate) fn code_at(&self, now: u64) -> String {
        self.code(now / STEP_MILLIS)
    }

    #[cfg(test)]
    pub(crate) fn from_base32(text: &str) -> Self {
        Self(Zeroizing::new(BASE32_NOPAD.decode(text.as_bytes()).unwrap()))
    }
}

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TotpSecret").finish_non_exhaustive()
    }
}

/// Whether something typed is a code of an authenticator, as opposed to a recovery code; spaces do not count.
pub(crate) fn digits(typed: &str) -> Option<String> {
    if typed.len() > 4 * DIGITS {
        return None;
    }
    let code: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    (code.len() == DIGITS && code.bytes().all(|byte| byte.is_ascii_digit())).then_some(code)
}

/// The address that an authenticator scans.
pub(crate) fn uri(service: &str, login: &str, secret: &TotpSecret) -> String {
    let quoted = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let (service, login, secret) = (quoted(service), quoted(login), secret.base32());
    format!("otpauth://totp/{service}:{login}?secret={secret}&issuer={service}&algorithm=SHA1&digits=6&period=30")
}

/// A text as a picture (SVG, black on white, with the quiet zone that scanners need).
pub(crate) fn qr_svg(text: &str) -> Result<String, AuthError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)
        .map_err(|error| AuthError::Internal(format!("a QR code could not be made ({error})")))?;
    Ok(code.render::<svg::Color<'_>>().min_dimensions(QR_PIXELS, QR_PIXELS).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rfc_secret() -> TotpSecret {
        TotpSecret::from_bytes(Zeroizing::new(b"12345678901234567890".to_vec()))
    }

    #[test]
    fn the_codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B; the last six of the eight digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(rfc_secret().code_at(seconds * 1000), code);
        }
    }

    #[test]
    fn a_code_is_good_one_step_around_and_once() {
        let secret = rfc_secret();
        let now = 59_000;
        let code = |step: u64| secret.code(step);
        assert_eq!(secret.step_of(&code(1), now, None), Some(1));
        assert_eq!(secret.step_of(&code(0), now, None), Some(0));
        assert_eq!(secret.step_of(&code(2), now, None), Some(2));
        assert_eq!(secret.step_of(&code(3), now, None), None);
        assert_eq!(secret.step_of(&code(4), 120_000 + 60_000, None), None);
        assert_eq!(secret.step_of(&code(1), now, Some(1)), None);
        assert_eq!(secret.step_of(&code(0), now, Some(1)), None, "an older one after a newer one");
        assert_eq!(secret.step_of(&code(2), now, Some(1)), Some(2));
        for wrong in ["", "28708", "2870820", "28708x", "٢٨٧٠٨٢"] {
            assert_eq!(secret.step_of(wrong, now, None), None, "{wrong}");
        }
        assert_eq!(secret.step_of(&code(0), 0, None), Some(0), "nothing before 1970");
    }

    #[test]
    fn digits_are_told_from_recovery_codes() {
        assert_eq!(digits(" 123 456\n"), Some("123456".to_owned()));
        for other in ["12345", "1234567", "abcde-fghij", "12345a", "", "１２３４５６", &"1".repeat(1 << 20)] {
            assert_eq!(digits(other), None, "{other:.20}");
        }
    }

    #[test]
    fn the_address_says_everything_and_quotes_what_was_typed() {
        let secret = rfc_secret();
        assert_eq!(secret.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            uri("Coditect", "a&b=c?@example.org", &secret),
            "otpauth://totp/Coditect:a%26b%3Dc%3F%40example%2Eorg?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&\
             issuer=Coditect&algorithm=SHA1&digits=6&period=30"
        );
        let longest = format!("{}@{}.org", "a".repeat(64), "b.".repeat(90));
        let svg = qr_svg(&uri("Coditect", &longest, &secret)).unwrap();
        assert!(svg.contains("<svg") && svg.ends_with("</svg>") && svg.len() < 200_000, "{}", svg.len());
        assert_eq!(format!("{secret:?}"), "TotpSecret { .. }");
    }

    #[test]
    fn secrets_differ() {
        let (one, other) = (TotpSecret::generate().unwrap(), TotpSecret::generate().unwrap());
        assert_eq!(one.bytes().len(), 20);
        assert_ne!(one.base32(), other.base32());
        assert_eq!(TotpSecret::from_base32(&one.base32()).bytes(), one.bytes());
    }
}
