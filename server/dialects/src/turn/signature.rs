//! What an upstream signs, carried through clients of other dialects.
//!
//! A signature is opaque, and good only at the upstream and for the model that made it: another refuses the whole conversation because
//! of it. So in a foreign dialect it travels with its origin in front, and only its origin is given it back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Begins every signature that has its origin in front.
const MARK: &str = "coditect1";

/// Where a signature is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Name of the upstream.
    pub upstream: String,
    /// The model's name there.
    pub model: String,
}

impl Origin {
    /// The signature with this origin in front, as base64, which is what every dialect takes.
    #[must_use]
    pub fn mark(&self, signature: &str) -> String {
        BASE64.encode(format!("{MARK}\n{}\n{}\n{signature}", self.upstream, self.model).as_bytes())
    }

    /// The signature, where this origin made it.
    #[must_use]
    pub fn own(&self, marked: &str) -> Option<String> {
        let text = String::from_utf8(BASE64.decode(marked.as_bytes()).ok()?).ok()?;
        let mut parts = text.splitn(4, '\n');
        let is_own = parts.next() == Some(MARK)
            && parts.next() == Some(self.upstream.as_str())
            && parts.next() == Some(self.model.as_str());
        parts.next().filter(|_| is_own).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_origin_gets_it_back() {
        let origin = |upstream: &str, model: &str| Origin { upstream: upstream.to_owned(), model: model.to_owned() };
        let own = origin("a", "m/1:x");
        let marked = own.mark("sig+/=\nwith lines");
        assert_eq!(own.own(&marked).as_deref(), Some("sig+/=\nwith lines"));
        assert_eq!(origin("b", "m/1:x").own(&marked), None);
        assert_eq!(origin("a", "m/2").own(&marked), None);
        for foreign in ["", "ErUBCkYIBRgC", "!!", &BASE64.encode(b"coditect1\na\nm/1:x")] {
            assert_eq!(own.own(foreign), None, "{foreign}");
        }
    }
}
