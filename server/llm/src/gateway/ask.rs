//! What must be known of a question that is passed on as it is: found in its bytes, and changed there without touching the rest.
//!
//! Numbers, the order of keys and fields that nobody here knows stay as they were written: prompts are cached by their bytes.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use coditect_dialects::{Dialect, Failure};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Most tokens that one picture or sound costs, whatever its bytes are.
const MAX_MEDIA_TOKENS: u64 = 50_000;
/// Shortest run of Base64 that counts as one, in bytes.
const MIN_BASE64_BYTES: usize = 4096;
/// What servers add to a question of their own, in tokens: the form of the conversation, and how tools are called.
pub(super) const ADDED_TOKENS: u64 = 2000;
/// How many bytes before a run of Base64 tell what it is.
const LONGEST_BEFORE: usize = 32;
/// Most tokens of what an upstream keeps and a question only points to: as many as a model can read.
const MAX_UNSEEN_TOKENS: u64 = 400_000;
/// Longest name of a model, in bytes.
const MAX_MODEL_BYTES: usize = 512;

/// A question in some dialect, looked at.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The model, as whoever asks wrote it.
    pub(crate) model: String,
    /// Whether the answer comes in pieces.
    pub(crate) stream: bool,
    /// Whether it wants several answers.
    pub(crate) wants_several: bool,
    /// Most tokens of all answers together, where it says.
    pub(crate) max_output: Option<u64>,
    /// No more tokens than these are read: no tokenizer makes more than one of a byte.
    pub(crate) max_input: u64,
    /// Where the model stands in the body.
    model_at: Option<Range<usize>>,
    /// The options of the stream, and where they stand in the body.
    stream_options: Option<(Range<usize>, bool)>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(borrow)]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    max_completion_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    max_output_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    n: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "written")]
    stream_options: Option<&'a RawValue>,
    #[serde(borrow, rename = "generationConfig", alias = "generation_config")]
    generation_config: Option<GenerationConfig<'a>>,
    #[serde(borrow)]
    previous_response_id: Option<&'a RawValue>,
    #[serde(borrow)]
    conversation: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow, rename = "cachedContent", alias = "cached_content")]
    cached_content: Option<&'a RawValue>,
    #[serde(borrow)]
    background: Option<&'a RawValue>,
    #[serde(borrow)]
    models: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig<'a> {
    #[serde(borrow, alias = "max_output_tokens")]
    max_output_tokens: Option<&'a RawValue>,
    #[serde(borrow, alias = "candidate_count")]
    candidate_count: Option<&'a RawValue>,
}

/// A field that is there, be it as `null`: it has a place that something else can take.
fn written<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

impl Asked {
    /// Looks at a question of a dialect. The model and whether it streams are not in the body of every one.
    pub(crate) fn look(
        dialect: Dialect,
        body: &[u8],
        model: Option<String>,
        stream: Option<bool>,
    ) -> Result<Self, Failure> {
        let fields: Fields<'_> = serde_json::from_slice(body)
            .map_err(|error| Failure::refused("", format!("The body is not a question in JSON: {error}.")))?;
        let model_at = fields.model.map(|raw| place(body, raw));
        let model = match (model, fields.model) {
            (Some(model), _) => model,
            (None, Some(raw)) => serde_json::from_str(raw.get())
                .map_err(|_| Failure::refused("model", "The field `model` must be the name of a model."))?,
            (None, None) => return Err(Failure::refused("model", "The field `model` is missing: name a model.")),
        };
        if model.is_empty() || model.len() > MAX_MODEL_BYTES || model.chars().any(char::is_control) {
            let message = format!("The name of a model has 1 to {MAX_MODEL_BYTES} bytes and no control characters.");
            return Err(Failure::refused("model", message));
        }
        fields.refuse_what_nobody_counts()?;
        let config = fields.generation_config.as_ref();
        // What another dialect calls its bound is none here: whoever wrote it would have less set aside than is spent.
        let (bounds, count) = match dialect {
            Dialect::Chat => ([fields.max_completion_tokens, fields.max_tokens], fields.n),
            Dialect::Responses => ([fields.max_output_tokens, None], None),
            Dialect::Anthropic => ([fields.max_tokens, None], None),
            Dialect::Gemini => {
                let bound = config.and_then(|config| config.max_output_tokens);
                ([bound, None], config.and_then(|config| config.candidate_count))
            }
        };
        let bounds =
            bounds.into_iter().flatten().map(|raw| number("max_tokens", raw)).collect::<Result<Vec<_>, _>>()?;
        let count = count.map(|raw| number("n", raw)).transpose()?.flatten().unwrap_or(1).max(1);
        let goes_on = [fields.previous_response_id, fields.conversation, fields.prompt, fields.cached_content];
        let unseen = if goes_on.iter().flatten().any(|raw| raw.get() != "null") { MAX_UNSEEN_TOKENS } else { 0 };
        Ok(Self {
            model,
            stream: stream.or(fields.stream).unwrap_or(false),
            wants_several: count > 1,
            max_output: bounds.into_iter().flatten().max().map(|most| most.saturating_mul(count)),
            max_input: most_tokens(body) + unseen,
            model_at,
            stream_options: fields.stream_options.map(|raw| {
                let options = serde_json::from_str::<StreamOptions>(raw.get());
                (place(body, raw), options.is_ok_and(|options| options.include_usage))
            }),
        })
    }

    /// Whether a stream of the chat dialect tells its tokens at the end.
    pub(crate) fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|(_, wants)| *wants)
    }

    /// The body with another model, and asking for the count of tokens where `count` says so. Nothing else changes.
    pub(crate) fn body(&self, body: &Bytes, model: &str, count: bool) -> Bytes {
        let mut changes: Vec<(Range<usize>, Cow<'_, str>)> = Vec::new();
        if let Some(at) = &self.model_at
            && model != self.model
        {
            changes.push((at.clone(), Cow::Owned(serde_json::Value::from(model).to_string())));
        }
        if count && self.stream && !self.wants_usage() {
            changes.push(self.counting(body));
        }
        if changes.is_empty() {
            return body.clone();
        }
        changes.sort_by_key(|(at, _)| at.start);
        let mut changed = Vec::with_capacity(body.len() + changes.iter().map(|(_, text)| text.len()).sum::<usize>());
        let mut done = 0;
        for (at, text) in changes {
            changed.extend_from_slice(&body[done..at.start]);
            changed.extend_from_slice(text.as_bytes());
            done = at.end;
        }
        changed.extend_from_slice(&body[done..]);
        changed.into()
    }

    /// What asks for the count of tokens, and where it belongs.
    fn counting(&self, body: &[u8]) -> (Range<usize>, Cow<'static, str>) {
        if let Some((at, _)) = &self.stream_options {
            let mut options: serde_json::Map<_, _> = serde_json::from_slice(&body[at.clone()]).unwrap_or_default();
            options.insert("include_usage".to_owned(), true.into());
            return (at.clone(), Cow::Owned(serde_json::Value::from(options).to_string()));
        }
        // It is an object with at least one field, or it would have no model.
        let start = body.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
        (start..start, Cow::Borrowed(r#""stream_options":{"include_usage":true},"#))
    }
}

/// Where a value stands in the body that it was read from.
fn place(body: &[u8], raw: &RawValue) -> Range<usize> {
    let start = raw.get().as_ptr().addr() - body.as_ptr().addr();
    start..start + raw.get().len()
}

impl Fields<'_> {
    /// Refuses what would be made or paid for behind the back of whoever counts.
    fn refuse_what_nobody_counts(&self) -> Result<(), Failure> {
        let is_given = |raw: Option<&RawValue>| raw.is_some_and(|raw| !matches!(raw.get(), "null" | "false" | "[]"));
        if is_given(self.background) {
            return Err(Failure::refused(
                "background",
                "Answers in the background are not offered here: ask for a stream.",
            ));
        }
        if is_given(self.models) {
            let message = "One question is for one model here: name others as fallbacks behind another name.";
            return Err(Failure::refused("models", message));
        }
        if matches!(self.service_tier.as_deref(), Some("priority" | "fast")) {
            return Err(Failure::refused("service_tier", "This tier costs more than prices here say: leave it out."));
        }
        Ok(())
    }
}

/// A whole number, however it is written; nothing where there is none.
fn number(name: &'static str, raw: &RawValue) -> Result<Option<u64>, Failure> {
    let number: Option<f64> = serde_json::from_str(raw.get()).map_err(|_| {
        Failure::refused(name, format!("The field `{name}` and what bounds an answer beside it must be numbers."))
    })?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; the cast saturates")]
    Ok(number.filter(|number| *number >= 0.0).map(|number| number.ceil() as u64))
}

/// The most tokens that a body can be read as.
fn most_tokens(body: &[u8]) -> u64 {
    let text = body.len() as u64 + ADDED_TOKENS + links(body) * MAX_MEDIA_TOKENS;
    if body.len() < MIN_BASE64_BYTES {
        return text;
    }
    text - runs(body).map(|run| (run as u64).saturating_sub(MAX_MEDIA_TOKENS)).sum::<u64>()
}

/// How many pictures and documents stand behind addresses.
fn links(body: &[u8]) -> u64 {
    let is_link = |at: usize| {
        let mut rest = body[at..].iter().skip_while(|byte| byte.is_ascii_alphanumeric());
        let value = rest.by_ref().find(|byte| !matches!(byte, b'"' | b':' | b' '));
        value == Some(&b'h')
    };
    let names = [&b"url\""[..], b"fileUri\"", b"file_uri\""];
    names.into_iter().map(|name| memchr::memmem::find_iter(body, name).filter(|at| is_link(*at)).count() as u64).sum()
}

/// Lengths of the long runs of Base64 that stand where pictures and sounds do. PDFs are left as what they are: their text may be packed
/// as tightly as one token a byte.
fn runs(body: &[u8]) -> impl Iterator<Item = usize> {
    const PDF: &[u8] = b"JVBERi";
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_');
    let is_media = move |run: &[u8]| {
        let before = &body[..run.as_ptr().addr() - body.as_ptr().addr()];
        let before = &before[before.len().saturating_sub(LONGEST_BEFORE)..];
        let bare: Vec<u8> = before.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        bare.ends_with(b";base64,") || bare.ends_with(b"\"data\":\"") || bare.ends_with(b"_data\":\"")
    };
    body.split(move |byte| !is_base64(byte))
        .filter(move |run| run.len() >= MIN_BASE64_BYTES && !run.starts_with(PDF) && is_media(run))
        .map(<[u8]>::len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn look(body: &str) -> Asked {
        Asked::look(Dialect::Chat, body.as_bytes(), None, None).unwrap()
    }

    #[test]
    fn what_is_asked() {
        let asked = look(r#"{"messages":[],"model":"a/b\u0041","stream":true,"max_tokens":7.0,"n":3}"#);
        assert_eq!((asked.model.as_str(), asked.stream, asked.max_output), ("a/bA", true, Some(21)));
        let bound = |dialect, body: &str| Asked::look(dialect, body.as_bytes(), None, None).unwrap().max_output;
        assert_eq!(bound(Dialect::Responses, r#"{"model":"m","max_output_tokens":9,"max_tokens":1,"n":3}"#), Some(9));
        assert_eq!(bound(Dialect::Anthropic, r#"{"model":"m","max_tokens":8,"max_output_tokens":1,"n":3}"#), Some(8));
        assert_eq!(bound(Dialect::Chat, r#"{"model":"m","max_output_tokens":1}"#), None);
        assert_eq!(bound(Dialect::Chat, r#"{"model":"m","max_completion_tokens":1,"max_tokens":7}"#), Some(7));
        assert_eq!(bound(Dialect::Chat, r#"{"model":"m","max_tokens":1e300,"n":9}"#), Some(u64::MAX));
        let body = br#"{"generationConfig":{"maxOutputTokens":5,"candidateCount":2},"contents":[]}"#;
        let asked = Asked::look(Dialect::Gemini, body, Some("g".to_owned()), Some(true)).unwrap();
        assert_eq!((asked.model.as_str(), asked.stream, asked.max_output), ("g", true, Some(10)));
        assert_eq!(look(r#"{"model":"m","max_tokens":null,"stream":null}"#).max_output, None);
        assert_eq!(look(r#"{"model":"m","max_completion_tokens":0,"max_tokens":64}"#).max_output, Some(64));
        for bad in [
            r#"{"model":"m","n":"8"}"#,
            r#"{"model":"m","max_tokens":"8"}"#,
            r#"{"model":"m","background":true}"#,
            r#"{"model":"m","models":["x"]}"#,
            r#"{"model":"m","service_tier":"priority"}"#,
        ] {
            assert!(Asked::look(Dialect::Chat, bad.as_bytes(), None, None).is_err(), "{bad}");
        }
        assert!(look(r#"{"model":"m","previous_response_id":"resp_1"}"#).max_input > 400_000);
        for bad in
            ["", "[]", "{}", r#"{"model":""}"#, r#"{"model":7}"#, r#"{"model":"a","model":"b"}"#, "{\"model\":\"a\"} x"]
        {
            assert!(Asked::look(Dialect::Chat, bad.as_bytes(), None, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_model_changes() {
        let written = r#" { "big":12345678901234567890123, "model" : "alias", "x":1.0, "y":{"model":"alias"} } "#;
        let body = Bytes::copy_from_slice(written.as_bytes());
        let asked = look(written);
        assert_eq!(asked.body(&body, "alias", true), body);
        assert_eq!(asked.body(&body, "new\"", false), written.replacen("\"alias\"", r#""new\"""#, 1));
    }

    #[test]
    fn the_count_of_tokens_is_asked_for() {
        let counted = |written: &str| {
            let body = look(written).body(&Bytes::copy_from_slice(written.as_bytes()), "b", true);
            serde_json::from_slice::<Value>(&body).unwrap()
        };
        let expected = json!({ "model": "b", "stream": true, "stream_options": { "include_usage": true } });
        assert_eq!(counted(r#"{"model":"a","stream":true}"#), expected);
        assert_eq!(counted(r#"{"stream":true,"stream_options":{"include_usage":false},"model":"a"}"#), expected);
        assert_eq!(counted(r#"{"stream":true,"stream_options":null,"model":"a"}"#), expected);
        assert_eq!(counted(r#"{"stream":true,"stream_options":{"include_usage":true},"model":"a"}"#), expected);
        let kept = counted(r#"{"stream":true,"stream_options":{"x":1},"model":"a"}"#);
        assert_eq!(kept["stream_options"], json!({ "x": 1, "include_usage": true }));
        assert_eq!(counted(r#"{"model":"a"}"#), json!({ "model": "b" }));
    }

    #[test]
    fn pictures_do_not_count_by_the_byte() {
        let text = |text: &str| most_tokens(json!({ "model": "m", "text": text }).to_string().as_bytes());
        assert!(text("hello") < 2100);
        assert!(text(&"word ".repeat(100_000)) > 500_000);
        assert!(text(&format!("data:image/png;base64,{}", "iVBORw0K".repeat(100_000))) < 60_000);
        assert!(text(&"iVBORw0K".repeat(100_000)) > 800_000, "only where pictures stand");
        let of = |body: Value| most_tokens(body.to_string().as_bytes());
        assert!(of(json!({ "source": { "type": "base64", "data": "iVBORw0K".repeat(100_000) } })) < 60_000);
        assert!(of(json!({ "image_url": { "url": "https://x.example/a.png" } })) > 50_000);
        assert!(of(json!({ "fileData": { "fileUri": "https://x.example/a.png" } })) > 50_000);
        assert!(text(&format!("data:application/pdf;base64,{}", "JVBERi0x".repeat(10_000))) > 70_000);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_looked_at(body in any::<Vec<u8>>()) {
            for dialect in Dialect::ALL {
                let _ = Asked::look(dialect, &body, Some("m".to_owned()), None);
            }
        }

        #[test]
        fn changed_bodies_say_what_they_said(key in "[a-z]{1,5}", value in any::<i64>(), before in any::<bool>(), model in "\\PC{1,20}") {
            prop_assume!(!["model", "stream", "n"].contains(&key.as_str()));
            let fields = [format!("{:?}:{value}", key), r#""model":"old""#.to_owned(), r#""stream":true"#.to_owned()];
            let mut fields = fields.to_vec();
            if before { fields.reverse(); }
            let written = format!("{{{}}}", fields.join(","));
            let asked = Asked::look(Dialect::Chat, written.as_bytes(), None, None).unwrap();
            let changed: Value = serde_json::from_slice(&asked.body(&Bytes::from(written), &model, true)).unwrap();
            prop_assert_eq!(&changed["model"], &model);
            prop_assert_eq!(&changed[&key], value);
            prop_assert_eq!(&changed["stream_options"]["include_usage"], true);
        }
    }
}
