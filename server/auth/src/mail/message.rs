//! A mail as text (RFC 5322).

use std::time::{Duration, UNIX_EPOCH};

use uuid::Uuid;

use super::{Mail, MailError};
use crate::login_name::LoginName;

/// Longest line of a mail, in bytes (RFC 5322 §2.1.1).
const MAX_LINE: usize = 998;

/// The text of a mail, with its head. `now` is in milliseconds since 1970.
pub(super) fn message(mail: &Mail, from: &str, now: u64) -> Result<String, MailError> {
    let (from, to) = (address(from)?, address(&mail.to)?);
    let domain = from.split('@').next_back().unwrap_or_default();
    let subject = &mail.subject;
    if subject.len() > MAX_LINE / 2 || !subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(MailError("the subject is not of printable ASCII".to_owned()));
    }
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(now)).replace("GMT", "+0000");
    let head = [
        format!("Date: {date}"),
        format!("From: Coditect <{from}>"),
        format!("To: <{to}>"),
        format!("Message-ID: <{}@{domain}>", Uuid::new_v4()),
        format!("Subject: {subject}"),
        "MIME-Version: 1.0".to_owned(),
        "Content-Type: text/plain; charset=utf-8".to_owned(),
        "Content-Transfer-Encoding: 8bit".to_owned(),
        // No answers by machines, and none to this (RFC 3834).
        "Auto-Submitted: auto-generated".to_owned(),
    ];
    Ok(format!("{}\r\n\r\n{}", head.join("\r\n"), body(&mail.text)))
}

/// An address that can stand in a head: [`LoginName`] takes no spaces, no line ends and no quotes.
fn address(text: &str) -> Result<String, MailError> {
    let parsed = LoginName::parse(text).ok().filter(|login| login.is_address() && login.typed == text);
    parsed.map(|login| login.typed).ok_or_else(|| MailError("an address is not one".to_owned()))
}

/// Lines that end as mail wants it, none of them too long, and no lone carriage return.
fn body(text: &str) -> String {
    let mut lines = String::with_capacity(text.len() + 64);
    for line in text.split('\n') {
        let mut rest = line.trim_end_matches('\r');
        while rest.len() > MAX_LINE {
            let (line, next) = rest.split_at(rest.floor_char_boundary(MAX_LINE));
            lines.push_str(&clean(line));
            lines.push_str("\r\n");
            rest = next;
        }
        lines.push_str(&clean(rest));
        lines.push_str("\r\n");
    }
    lines
}

fn clean(line: &str) -> String {
    line.replace(|c: char| c.is_control() && c != '\t', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &str, subject: &str, text: &str) -> Mail {
        Mail { to: to.to_owned(), subject: subject.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_mail_has_the_form_of_the_rfc() {
        let text =
            message(&mail("Ada@example.org", "Hello", "One\nTwo é"), "no-reply@example.com", 784_111_777_000).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("Date: Sun, 06 Nov 1994 08:49:37 +0000\r\nFrom: Coditect <no-reply@example.com>\r\n"));
        assert!(
            head.contains("\r\nTo: <Ada@example.org>\r\nMessage-ID: <") && head.contains("@example.com>\r\n"),
            "{head}"
        );
        assert_eq!(body, "One\r\nTwo é\r\n");
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
    }

    #[test]
    fn nothing_typed_can_become_a_line_of_the_head() {
        let bad = [
            mail("ada@example.org\r\nBcc: eve@example.org", "Hello", ""),
            mail("ada@example.org, eve@example.org", "Hello", ""),
            mail("ada", "Hello", ""),
            mail("", "Hello", ""),
            mail("ada@example.org", "Hello\r\nBcc: eve@example.org", ""),
            mail("ada@example.org", "Hällo", ""),
        ];
        for mail in bad {
            assert!(message(&mail, "no-reply@example.com", 0).is_err(), "{}", mail.to);
        }
        let good = mail("ada@example.org", "Hello", "");
        assert!(message(&good, "no-reply@example.com\nX: y", 0).is_err());
        assert!(message(&good, "localhost", 0).is_err());
    }

    #[test]
    fn long_lines_and_control_characters_do_no_harm() {
        let text = message(&mail("a@b.org", "S", &"é".repeat(2000)), "a@b.org", 0).unwrap();
        assert!(text.split("\r\n").all(|line| line.len() <= MAX_LINE));
        assert_eq!(text.matches('é').count(), 2000);
        let text = message(&mail("a@b.org", "S", "a\rb\0c\r\nd"), "a@b.org", 0).unwrap();
        assert!(text.ends_with("a\u{fffd}b\u{fffd}c\r\nd\r\n"), "{text:?}");
    }
}
