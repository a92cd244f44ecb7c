//! Asking language models through the gateway, as the person: their rights, budgets and limits hold. Capability `models`.
//!
//! ```
//! use coditect_plugin_sdk::prelude::*;
//!
//! # let _host = testing::Host::new().model(|_| Ok(vec!["It adds ".into(), "one.".into()])).enter();
//! let question = Question::new("What does this do? x + 1").with_system("Answer in one sentence.");
//! for piece in models::ask(&question)? {
//!     print!("{}", piece?);
//! }
//! assert_eq!(models::ask(&question)?.text()?, "It adds one.");
//! # Ok::<(), Error>(())
//! ```

use crate::bindings::coditect::plugin::types::{Message, Model, Question, Role};
use crate::error::{Error, Result};
use crate::host::models as host;

/// The models that may be asked.
pub fn list() -> Result<Vec<Model>> {
    host::list().map_err(Error::from_wire)
}

/// Asks, and answers piece by piece. Dropping the answer ends the question.
pub fn ask(question: &Question) -> Result<Answer> {
    let answer = host::ask(question).map_err(Error::from_wire)?;
    Ok(Answer(Some(answer)))
}

/// An answer that is being given: its pieces. What follows an error is nothing.
#[derive(Debug)]
pub struct Answer(Option<host::Answer>);

impl Answer {
    /// All of it.
    pub fn text(self) -> Result<String> {
        self.collect()
    }
}

impl Iterator for Answer {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.0.as_ref()?.next().map_err(Error::from_wire).transpose();
        if !matches!(next, Some(Ok(_))) {
            self.0 = None;
        }
        next
    }
}

impl Message {
    /// Instructions.
    #[must_use]
    pub fn system(text: impl Into<String>) -> Self {
        Self { role: Role::System, text: text.into() }
    }

    /// Of the person.
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, text: text.into() }
    }

    /// Of the model.
    #[must_use]
    pub fn assistant(text: impl Into<String>) -> Self {
        Self { role: Role::Assistant, text: text.into() }
    }
}

impl Question {
    /// One thing, of the first model that both manifest and person allow.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self::about([Message::user(text)])
    }

    /// A whole conversation.
    #[must_use]
    pub fn about(messages: impl IntoIterator<Item = Message>) -> Self {
        Self { model: None, messages: messages.into_iter().collect(), max_tokens: None, temperature: None }
    }

    /// With instructions before everything.
    #[must_use]
    pub fn with_system(mut self, text: impl Into<String>) -> Self {
        self.messages.insert(0, Message::system(text));
        self
    }

    /// Of this model: `upstream/model` or an alias.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// With an answer of at most so many tokens.
    #[must_use]
    pub fn with_max_tokens(mut self, tokens: u32) -> Self {
        self.max_tokens = Some(tokens);
        self
    }

    /// With a sampling temperature.
    #[must_use]
    pub fn with_temperature(mut self, temperature: f32) -> Self {
        self.temperature = Some(temperature);
        self
    }
}
