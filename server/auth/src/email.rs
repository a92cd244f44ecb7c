//! E-mail addresses: what may be one, and when two are the same.

/// Longest address, in bytes (RFC 5321 §4.5.3.1.3).
const MAX_LEN: usize = 254;
/// Longest part before the `@`, in bytes.
const MAX_LOCAL_LEN: usize = 64;
/// Longest part between two dots of a domain, in bytes.
const MAX_LABEL_LEN: usize = 63;

/// What is wrong with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmailFault {
    /// Not of the shape `name@domain`.
    #[error("An e-mail address has the form name@example.org.")]
    Shape,
    /// Longer than mail allows.
    #[error("This e-mail address is too long; 254 characters are the most, 64 before the @.")]
    TooLong,
    /// A letter outside of ASCII. Two such addresses can look the same and be different, or the other way round.
    #[error("Only unaccented letters, digits and the usual signs can stand in an e-mail address here.")]
    Letters,
}

/// A checked address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Email {
    /// As typed, without the spaces around it.
    pub(crate) typed: String,
    /// What addresses are compared by: lower case.
    pub(crate) key: String,
}

impl Email {
    pub(crate) fn parse(text: &str) -> Result<Self, EmailFault> {
        let typed = text.trim();
        if typed.len() > MAX_LEN {
            return Err(EmailFault::TooLong);
        }
        if !typed.is_ascii() {
            return Err(EmailFault::Letters);
        }
        let (local, domain) = typed.split_once('@').ok_or(EmailFault::Shape)?;
        if local.len() > MAX_LOCAL_LEN {
            return Err(EmailFault::TooLong);
        }
        let well_formed = local.split('.').all(is_atom) && domain.split('.').all(is_label);
        // An address as a number is for mail servers, not for people.
        let named = domain.bytes().any(|byte| byte.is_ascii_alphabetic());
        if !(well_formed && named) {
            return Err(EmailFault::Shape);
        }
        Ok(Self { typed: typed.to_owned(), key: typed.to_ascii_lowercase() })
    }

    /// The part before the `@`, in lower case.
    pub(crate) fn local(&self) -> &str {
        self.key.split('@').next().unwrap_or_default()
    }
}

/// Letters between two dots before the `@` (RFC 5322 `atext`); quoted forms are not taken.
fn is_atom(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_LABEL_LEN
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_addresses_are_taken() {
        for text in
            ["a@b.org", " Ada.Lovelace+ide@Example.org ", "o'brien@example.co.uk", "admin@localhost", "x_y@1and1.de"]
        {
            assert!(Email::parse(text).is_ok(), "{text}");
        }
        let email = Email::parse(" Ada@Example.ORG\n").unwrap();
        assert_eq!((email.typed.as_str(), email.key.as_str()), ("Ada@Example.ORG", "ada@example.org"));
        assert_eq!(email.local(), "ada");
    }

    #[test]
    fn others_are_refused() {
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long = format!("a@{}.org", "a.".repeat(150));
        let label = format!("a@{}.org", "a".repeat(64));
        for text in [
            "",
            "@",
            "a",
            "a@",
            "@b.org",
            "a@b@c.org",
            "a b@c.org",
            "a@b..org",
            ".a@b.org",
            "a.@b.org",
            "a..b@c.org",
            "a@-b.org",
            "a@b-.org",
            "a@b.org.",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "\"a\"@b.org",
            "a\0@b.org",
            "a\n@b.org",
            "a@b.org\r\nBcc: c@d.org",
            "<a@b.org>",
            "a@b_c.org",
            "jos\u{e9}@b.org",
            "\u{212a}@b.org",
            &long_local,
            &long,
            &label,
        ] {
            assert!(Email::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_keys_are_stable(text in "\\PC{0,300}") {
            if let Ok(email) = Email::parse(&text) {
                let again = Email::parse(&email.typed.to_uppercase()).unwrap();
                prop_assert_eq!(again.key, email.key);
            }
        }
    }
}
