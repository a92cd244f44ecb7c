//! Chat completions, as most servers of local models speak them.

use coditect_plugin_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::thoughts::{Apart, Told};

/// Why an answer ended that was cut off at the most tokens.
pub(crate) const CUT_OFF: &str = "length";

#[derive(Serialize)]
struct Asked<'a> {
    model: &'a str,
    messages: Vec<Said<'a>>,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    stream: bool,
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Answered {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

/// What a model says, or a part of that.
#[derive(Deserialize, Default)]
pub(crate) struct Message {
    pub(crate) content: Option<String>,
    // Servers have one of them, or both with the same in them.
    reasoning_content: Option<String>,
    reasoning: Option<String>,
}

impl Message {
    /// What it thought, as far as that was kept apart.
    pub(crate) fn thought(&self) -> &str {
        let thought = self.reasoning_content.as_deref().filter(|thought| !thought.is_empty());
        thought.or(self.reasoning.as_deref()).unwrap_or_default()
    }
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) told: Told,
    /// It was cut off at the most tokens.
    pub(crate) is_cut_off: bool,
}

/// The body of a request. An answer has at most `max_tokens`, also where the question allows more.
pub(crate) fn request(question: &Question, max_tokens: u32, stream: bool) -> Result<impl Serialize> {
    let role = |role| match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    Ok(Asked {
        model: question.model.as_deref().ok_or_else(|| Error::invalid("the question names no model"))?,
        messages: question.messages.iter().map(|said| Said { role: role(said.role), content: &said.text }).collect(),
        max_tokens: question.max_tokens.unwrap_or(max_tokens).min(max_tokens),
        temperature: question.temperature,
        stream,
    })
}

/// What an answer says.
pub(crate) fn answer(response: &http::Response) -> Result<Answer> {
    let answered: Answered = response.json()?;
    let choice = answered.choices.into_iter().next().ok_or_else(|| Error::failed("the server gave no answer"))?;
    let mut told = Told { thought: choice.message.thought().to_owned(), text: String::new() };
    let mut apart = Apart::default();
    apart.push(&choice.message.content.unwrap_or_default(), &mut told);
    apart.end(&mut told);
    Ok(Answer { told, is_cut_off: choice.finish_reason.as_deref() == Some(CUT_OFF) })
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    #[serde(alias = "max_model_len", alias = "max_context_length")]
    context_length: Option<u64>,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    n_ctx_train: Option<u64>,
}

/// The models that a server lists.
pub(crate) fn models(response: &http::Response) -> Result<Vec<Model>> {
    let listed: Models = response.json()?;
    let model = |listed: Listed| {
        let trained = listed.meta.and_then(|meta| meta.n_ctx_train);
        Model { id: listed.id, context_tokens: listed.context_length.or(trained) }
    };
    Ok(listed.data.into_iter().map(model).collect())
}

/// What servers say where something went wrong.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Wrong {
    /// As most do.
    Object {
        /// What.
        error: Detail,
    },
    /// As some do.
    Text {
        /// What.
        error: String,
    },
}

/// A sentence.
#[derive(Deserialize)]
pub(crate) struct Detail {
    message: String,
}

impl Wrong {
    pub(crate) fn message(self) -> String {
        match self {
            Self::Object { error: Detail { message } } | Self::Text { error: message } => message,
        }
    }
}

/// What a server says went wrong; the beginning of what it sent where it does not say.
pub(crate) fn checked(response: http::Response) -> Result<http::Response> {
    if (200..300).contains(&response.status) {
        return Ok(response);
    }
    match (response.status, response.json::<Wrong>()) {
        (404, Ok(wrong)) => Err(Error::NotFound(wrong.message())),
        (_, Ok(wrong)) => Err(Error::Failed(wrong.message())),
        (_, Err(_)) => response.ok(),
    }
}

/// Whether a server says that it does not answer in pieces.
pub(crate) fn refuses_streams(response: &http::Response) -> bool {
    let is_about_streams = |wrong: Wrong| wrong.message().to_lowercase().contains("stream");
    (400..600).contains(&response.status) && response.json().is_ok_and(is_about_streams)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> http::Response {
        http::Response { status, headers: vec![], body: body.into() }
    }

    #[test]
    fn a_question_is_written_as_servers_read_it() {
        let question =
            Question::new("Why?").with_system("Be short.").with_model("m").with_max_tokens(900).with_temperature(0.5);
        let body = serde_json::to_value(request(&question, 500, false).unwrap()).unwrap();
        let expected = serde_json::json!({
            "model": "m", "max_tokens": 500, "temperature": 0.5, "stream": false,
            "messages": [{ "role": "system", "content": "Be short." }, { "role": "user", "content": "Why?" }],
        });
        assert_eq!(body, expected);
        assert!(request(&Question::new("Why?"), 1, true).is_err());
    }

    #[test]
    fn thoughts_are_told_apart() {
        let of = |message: &str| {
            answer(&response(200, &format!(r#"{{"choices":[{{"message":{message},"finish_reason":"stop"}}]}}"#)))
                .unwrap()
        };
        let plain = |thought: &str, text: &str| Answer {
            told: Told { thought: thought.into(), text: text.into() },
            is_cut_off: false,
        };
        assert_eq!(of(r#"{"content":"So."}"#), plain("", "So."));
        assert_eq!(of(r#"{"content":"So.","reasoning":"hm"}"#), plain("hm", "So."));
        assert_eq!(of(r#"{"content":"So.","reasoning":"hm","reasoning_content":"hm"}"#), plain("hm", "So."));
        assert_eq!(of(r#"{"content":"<think>\nhm\n</think>\n\nSo."}"#), plain("hm", "So."));
        assert_eq!(of(r#"{"content":"<think>hm"}"#), plain("hm", ""));
        assert_eq!(of(r#"{"content":null}"#), plain("", ""));
    }

    #[test]
    fn what_went_wrong_is_told() {
        let of = |status, body| checked(response(status, body)).err();
        assert_eq!(of(200, ""), None);
        assert_eq!(of(404, r#"{"error":{"message":"no such model"}}"#), Some(Error::not_found("no such model")));
        assert_eq!(of(500, r#"{"error":"out of memory"}"#), Some(Error::failed("out of memory")));
        assert!(matches!(of(503, "<html>"), Some(Error::Unavailable(_))));
        for (status, body, refuses) in [
            (400, r#"{"error":{"message":"Streaming is not supported"}}"#, true),
            (501, r#"{"error":"no streams"}"#, true),
            (400, r#"{"error":"the context is too long"}"#, false),
            (200, r#"{"error":"stream"}"#, false),
            (400, "stream", false),
        ] {
            assert_eq!(refuses_streams(&response(status, body)), refuses, "{status} {body}");
        }
    }

    #[test]
    fn models_are_listed_with_their_context() {
        let body = r#"{"data":[{"id":"a","max_model_len":8192},{"id":"b","meta":{"n_ctx_train":4096}},{"id":"c"}]}"#;
        let models = models(&response(200, body)).unwrap();
        let told: Vec<_> = models.iter().map(|model| (model.id.as_str(), model.context_tokens)).collect();
        assert_eq!(told, [("a", Some(8192)), ("b", Some(4096)), ("c", None)]);
    }
}
