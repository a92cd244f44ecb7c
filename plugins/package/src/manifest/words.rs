//! Texts of a manifest, each with its rule.

use globset::GlobBuilder;
use url::Host;

use super::error::{ManifestError, ManifestFault};
use super::section::{Item, printable};

/// Longest identifier, in bytes.
const MAX_ID_BYTES: usize = 64;
/// Longest glob, pattern of models, or name of a host with its port, in bytes.
const MAX_WORD_BYTES: usize = 253 + 6;

/// Whether a character commands what shows it, or lets texts look as they are not.
pub(super) fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl<'a> Item<'a> {
    /// A line that people read, of 1 to `most` characters.
    pub(super) fn line(&self, most: usize) -> Result<String, ManifestError> {
        let text = self.text()?.trim();
        if text.is_empty() || text.chars().count() > most || text.chars().any(is_odd) {
            return Err(self.wrong(format!("is one line of 1 to {most} characters, without control characters")));
        }
        Ok(text.to_owned())
    }

    /// Text of several lines, of at most `most` bytes.
    pub(super) fn lines(&self, most: usize) -> Result<String, ManifestError> {
        let text = self.text()?.trim();
        if text.is_empty() || text.len() > most || text.chars().any(|c| c != '\n' && is_odd(c)) {
            return Err(self.wrong(format!("is a text of 1 to {most} bytes, without control characters")));
        }
        Ok(text.to_owned())
    }

    /// Lower-case words with `joint` between them.
    pub(super) fn id(&self, joint: char) -> Result<String, ManifestError> {
        let text = self.text()?;
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if text.len() > MAX_ID_BYTES || !text.split(joint).all(is_word) {
            let what = format!(
                "is lower-case letters and digits with single `{joint}` between them, at most {MAX_ID_BYTES}, such as \"sort{joint}lines\""
            );
            return Err(self.wrong(what));
        }
        Ok(text.to_owned())
    }

    /// A list of words, each of which `check` takes, sorted and without doubles; not empty.
    pub(super) fn words(
        &self,
        check: impl Fn(&Self) -> Result<String, ManifestError>,
    ) -> Result<Vec<String>, ManifestError> {
        let mut words = self.list()?.iter().map(check).collect::<Result<Vec<_>, _>>()?;
        if words.is_empty() {
            return Err(self.wrong("names nothing; add an entry, or leave it out with its table"));
        }
        words.sort();
        words.dedup();
        Ok(words)
    }

    /// Identifier of a language, as editors have it; `*` for all.
    pub(super) fn language(&self) -> Result<String, ManifestError> {
        let text = self.text()?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'#' | b'.');
        let is_good = text == "*" || ((1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(plain));
        if is_good {
            Ok(text.to_owned())
        } else {
            Err(self.wrong("names languages as editors do, such as \"markdown\""))
        }
    }

    /// A glob below the workspace's root.
    pub(super) fn glob(&self) -> Result<String, ManifestError> {
        let text = self.text()?;
        let is_below = !text.is_empty()
            && text.len() <= MAX_WORD_BYTES
            && !text.starts_with('/')
            && !text.contains('\\')
            && !text.chars().any(is_odd)
            && text.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
        if !is_below {
            return Err(self.wrong(format!(
                "has the glob `{}`; globs count from the workspace's root, without a leading `/`, `.`, `..` or `\\`, such as \"src/**/*.rs\"",
                printable(text)
            )));
        }
        let built = GlobBuilder::new(text).literal_separator(true).build();
        match built {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => {
                Err(self.wrong(format!("has a glob that cannot be used, `{}`: {}", printable(text), error.kind())))
            }
        }
    }

    /// `host`, `host:port` or `*.host`.
    pub(super) fn host(&self) -> Result<String, ManifestError> {
        let text = self.text()?;
        match host_fault(text) {
            None => Ok(text.to_owned()),
            Some(what) => Err(self.wrong(format!("has the host `{}`: {what}", printable(text)))),
        }
    }

    /// `upstream/model`, an alias, or a pattern with `*`.
    pub(super) fn model(&self) -> Result<String, ManifestError> {
        let text = self.text()?;
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'`' | b'\\' | b'<' | b'>');
        if !(1..=MAX_WORD_BYTES).contains(&text.len()) || !text.bytes().all(plain) {
            return Err(
                self.wrong("names models as `upstream/model`, by an alias, or by a pattern such as \"openai/*\"")
            );
        }
        Ok(text.to_owned())
    }

    /// Path of an asset with one of these endings.
    pub(super) fn asset(&self, endings: &[&str]) -> Result<String, ManifestError> {
        let text = self.text()?;
        let is_asset = text.starts_with("assets/") && endings.iter().any(|ending| text.ends_with(ending));
        if !is_asset || text.chars().any(is_odd) {
            return Err(self.wrong(format!("is a path such as \"assets/name{}\"", endings.join("\" or \"assets/name"))));
        }
        Ok(text.to_owned())
    }

    /// Keys of a command, as editors write them; two strokes may follow each other.
    pub(super) fn keybinding(&self) -> Result<String, ManifestError> {
        const MODIFIERS: [&str; 7] = ["ctrlcmd", "ctrl", "cmd", "shift", "alt", "meta", "win"];
        let text = self.text()?;
        let is_key = |key: &str| {
            !MODIFIERS.contains(&key)
                && (key.len() == 1 && key.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase())
                    || (2..=12).contains(&key.len())
                        && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
        };
        let is_stroke = |stroke: &str| {
            let parts: Vec<&str> = stroke.split('+').collect();
            parts.split_last().is_some_and(|(key, modifiers)| {
                is_key(key) && modifiers.iter().all(|modifier| MODIFIERS.contains(modifier))
            })
        };
        let strokes: Vec<&str> = text.split(' ').collect();
        if strokes.len() > 2 || !strokes.iter().all(|stroke| is_stroke(stroke)) {
            return Err(self.wrong("is keys as editors write them, such as \"ctrlcmd+alt+f\""));
        }
        Ok(text.to_owned())
    }
}

fn host_fault(text: &str) -> Option<String> {
    let only = "write the host alone, such as \"api.example.org\", \"api.example.org:8443\" or \"*.example.org\"";
    if text.is_empty() || text.len() > MAX_WORD_BYTES || text.contains("://") || text.contains(['/', '@', '?', '#']) {
        return Some(only.to_owned());
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok();
    if !port.is_none_or(is_port) {
        return Some("a port is a number from 1 to 65535".to_owned());
    }
    let (name, is_pattern) = name.strip_prefix("*.").map_or((name, false), |rest| (rest, true));
    if name.contains('*') {
        return Some(format!("`*` stands alone for the first part; {only}"));
    }
    match Host::parse(name) {
        Ok(Host::Domain(domain)) if is_pattern && !domain.contains('.') => {
            Some("that would be nearly every host; name at least two parts behind `*.`".to_owned())
        }
        Ok(Host::Ipv4(_) | Host::Ipv6(_)) if is_pattern => Some("an address has no hosts below it".to_owned()),
        Ok(parsed) if parsed.to_string() != name => Some(format!("write \"{}\"", printable(&parsed.to_string()))),
        Ok(Host::Domain(domain)) if !is_domain(&domain) => Some(only.to_owned()),
        Ok(_) => None,
        Err(error) => Some(format!("{error}; {only}")),
    }
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
    };
    domain.split('.').all(is_label)
}

/// Refuses the second of two things by the same name.
pub(super) fn once<'n>(mut names: impl Iterator<Item = (&'n str, ManifestPlace<'n>)>) -> Result<(), ManifestError> {
    let mut seen = std::collections::BTreeSet::new();
    match names.find(|(name, _)| !seen.insert((*name).to_owned())) {
        None => Ok(()),
        Some((name, place)) => Err(place(ManifestFault::Double(name.to_owned()))),
    }
}

/// Says where something stands, for a fault.
pub(super) type ManifestPlace<'n> = Box<dyn Fn(ManifestFault) -> ManifestError + 'n>;

/// Whether a text is an SPDX expression: names joined by `AND`, `OR` and `WITH`, with brackets.
pub(super) fn is_license(text: &str) -> bool {
    const MOST: usize = 200;
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let is_name = |word: &str| {
        !matches!(word, "AND" | "OR" | "WITH")
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+' | b':'))
    };
    let (mut depth, mut wants_name) = (0_usize, true);
    for word in spaced.split_whitespace() {
        match (word, wants_name) {
            ("(", true) => depth += 1,
            (")", false) if depth > 0 => depth -= 1,
            ("AND" | "OR" | "WITH", false) => wants_name = true,
            (name, true) if is_name(name) => wants_name = false,
            _ => return false,
        }
    }
    text.len() <= MOST && depth == 0 && !wants_name
}
