//! Why something was not done.

use std::fmt;

use crate::bindings::coditect::plugin::types::Error as Wire;

/// What most functions here answer with.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done. Each text is a sentence that can be shown to a person.
///
/// `?` makes one of every error of the standard library and of other crates:
///
/// ```
/// use coditect_plugin_sdk::prelude::*;
///
/// fn port(text: &str) -> Result<u16> {
///     Ok(text.trim().parse()?)
/// }
///
/// assert_eq!(port("http"), Err(Error::failed("invalid digit found in string")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Not in the manifest, or not granted here. The text names the capability that it takes.
    Denied(String),
    /// A limit was reached. The text says which, and how large it is.
    Limit(String),
    /// There is no such thing.
    NotFound(String),
    /// What was asked makes no sense.
    Invalid(String),
    /// Somebody else changed it meanwhile: read again, and try again.
    Conflict(String),
    /// It cannot be had now; later it may.
    Unavailable(String),
    /// Anything else.
    Failed(String),
}

impl Error {
    /// An [`Error::Failed`].
    #[must_use]
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// An [`Error::Invalid`].
    #[must_use]
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }

    /// An [`Error::NotFound`].
    #[must_use]
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::NotFound(text.into())
    }

    /// For what comes by a name that the plugin does not know: `no command is called "x"`.
    #[must_use]
    pub fn unknown(kind: &str, name: &str) -> Self {
        Self::NotFound(format!("no {kind} is called {name:?}"))
    }

    /// The sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Denied(text)
            | Self::Limit(text)
            | Self::NotFound(text)
            | Self::Invalid(text)
            | Self::Conflict(text)
            | Self::Unavailable(text)
            | Self::Failed(text) => text,
        }
    }

    pub(crate) fn from_wire(wire: Wire) -> Self {
        match wire {
            Wire::Denied(text) => Self::Denied(text),
            Wire::Limit(text) => Self::Limit(text),
            Wire::NotFound(text) => Self::NotFound(text),
            Wire::Invalid(text) => Self::Invalid(text),
            Wire::Conflict(text) => Self::Conflict(text),
            Wire::Unavailable(text) => Self::Unavailable(text),
            Wire::Failed(text) => Self::Failed(text),
        }
    }

    pub(crate) fn into_wire(self) -> Wire {
        match self {
            Self::Denied(text) => Wire::Denied(text),
            Self::Limit(text) => Wire::Limit(text),
            Self::NotFound(text) => Wire::NotFound(text),
            Self::Invalid(text) => Wire::Invalid(text),
            Self::Conflict(text) => Wire::Conflict(text),
            Self::Unavailable(text) => Wire::Unavailable(text),
            Self::Failed(text) => Wire::Failed(text),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

// It is no `std::error::Error` itself, so that it can be made of all that are.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            source = cause.source();
        }
        Self::Failed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the port is no number")
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn causes_are_told() {
        let error = Error::from(Outer("x".parse::<u8>().unwrap_err()));
        assert_eq!(error, Error::failed("the port is no number: invalid digit found in string"));
    }

    #[test]
    fn the_border_keeps_what_it_is() {
        let text = || "x".to_owned();
        for error in [
            Error::Denied(text()),
            Error::Limit(text()),
            Error::NotFound(text()),
            Error::Invalid(text()),
            Error::Conflict(text()),
            Error::Unavailable(text()),
            Error::Failed(text()),
        ] {
            assert_eq!(Error::from_wire(error.clone().into_wire()), error);
        }
    }
}
