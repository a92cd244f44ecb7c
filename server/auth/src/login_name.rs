//! What people log in with: an e-mail address or a name; what may be one, and when two are the same.

/// Longest e-mail address, in bytes (RFC 5321 §4.5.3.1.3).
const MAX_LEN: usize = 254;
/// Longest part before the `@`, in bytes.
const MAX_LOCAL_LEN: usize = 64;
/// Longest part between two dots of a domain, in bytes.
const MAX_LABEL_LEN: usize = 63;
/// Lengths of a name without `@`, in characters.
const NAME_LEN: std::ops::RangeInclusive<usize> = 3..=64;

/// What is wrong with an e-mail address or a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginFault {
    /// With `@`, but not of the shape `name@domain`.
    #[error("An e-mail address has the form name@example.org.")]
    Shape,
    /// An address longer than mail allows.
    #[error("This e-mail address is too long; 254 characters are the most, 64 before the @.")]
    TooLong,
    /// A letter outside of ASCII. Two such logins can look the same and be different, or the other way round.
    #[error("Only unaccented letters, digits and the usual signs can stand here.")]
    Letters,
    /// Without `@`, and no name.
    #[error(
        "A name has 3 to 64 letters, digits, dots, dashes and underscores, and begins with a letter; or give an e-mail address."
    )]
    Name,
}

/// A checked e-mail address or name. A name has no `@`, so that neither can be taken for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoginName {
    /// As typed, without the spaces around it.
    pub(crate) typed: String,
    /// What logins are compared by: lower case.
    pub(crate) key: String,
}

impl LoginName {
    pub(crate) fn parse(text: &str) -> Result<Self, LoginFault> {
        let typed = text.trim();
        if typed.len() > MAX_LEN {
            return Err(LoginFault::TooLong);
        }
        if !typed.is_ascii() {
            return Err(LoginFault::Letters);
        }
        match typed.split_once('@') {
            Some((local, domain)) => check_address(local, domain)?,
            None => check_name(typed)?,
        }
        Ok(Self { typed: typed.to_owned(), key: typed.to_ascii_lowercase() })
    }

    /// The name, or the part of the address before the `@`, in lower case.
    pub(crate) fn local(&self) -> &str {
        self.key.split('@').next().unwrap_or_default()
    }

    /// Whether mail can be sent there.
    pub(crate) fn is_address(&self) -> bool {
        self.key.contains('@')
    }
}

fn check_name(name: &str) -> Result<(), LoginFault> {
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let signs = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if begins && signs && NAME_LEN.contains(&name.len()) { Ok(()) } else { Err(LoginFault::Name) }
}

fn check_address(local: &str, domain: &str) -> Result<(), LoginFault> {
    if local.len() > MAX_LOCAL_LEN {
        return Err(LoginFault::TooLong);
    }
    let well_formed = local.split('.').all(is_atom) && domain.split('.').all(is_label);
    // An address as a number is for mail servers, not for people.
    let named = domain.bytes().any(|byte| byte.is_ascii_alphabetic());
    if well_formed && named { Ok(()) } else { Err(LoginFault::Shape) }
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
    fn usual_addresses_and_names_are_taken() {
        for text in
            ["a@b.org", " Ada.Lovelace+ide@Example.org ", "o'brien@example.co.uk", "admin@localhost", "x_y@1and1.de"]
        {
            assert!(LoginName::parse(text).unwrap().is_address(), "{text}");
        }
        let sixty_four = "a".repeat(64);
        for text in ["ada", " Ada.Lovelace-2_x ", "A-1", &sixty_four] {
            assert!(!LoginName::parse(text).unwrap().is_address(), "{text}");
        }
        let address = LoginName::parse(" Ada@Example.ORG\n").unwrap();
        assert_eq!((address.typed.as_str(), address.key.as_str()), ("Ada@Example.ORG", "ada@example.org"));
        assert_eq!(address.local(), "ada");
        let name = LoginName::parse("Ada.L").unwrap();
        assert_eq!((name.key.as_str(), name.local()), ("ada.l", "ada.l"));
    }

    #[test]
    fn others_are_refused() {
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long = format!("a@{}.org", "a.".repeat(150));
        let label = format!("a@{}.org", "a".repeat(64));
        let long_name = "a".repeat(65);
        for text in [
            "",
            "@",
            "a",
            "ab",
            "1ada",
            ".ada",
            "-ada",
            "ada lovelace",
            "ada\0x",
            "ada\tx",
            "ada/x",
            "ad\u{430}",
            "\u{ff41}da",
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
            &long_name,
        ] {
            assert!(LoginName::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_keys_are_stable(text in "\\PC{0,300}") {
            if let Ok(login) = LoginName::parse(&text) {
                let again = LoginName::parse(&login.typed.to_uppercase()).unwrap();
                prop_assert_eq!(again.key, login.key);
            }
        }

        #[test]
        fn what_is_taken_can_stand_in_the_head_of_a_mail(text in "[ -~\\r\\n\\t]{1,80}") {
            if let Ok(login) = LoginName::parse(&text) {
                prop_assert!(!login.typed.contains(|c: char| c.is_control() || c == ' ' || c == ',' || c == '<'));
            }
        }
    }
}
