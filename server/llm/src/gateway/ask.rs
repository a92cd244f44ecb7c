//! What must be known of a question that is passed on as it is: found in its bytes, and changed there without touching the rest.
//!
//! Numbers, the order of keys and fields that nobody here knows stay as they were written: prompts are cached by their bytes.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use coditect_dialects::{Dialect, Failure};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::hosted;
use super::unseen::Unseen;

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

/// What takes the place of a part of a body.
type Change = (Range<usize>, Cow<'static, str>);

/// What bounds an answer whose question does not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// Tokens of each answer.
    pub(crate) most: u64,
    /// The upstream knows the newer name of the chat dialect.
    pub(crate) is_new: bool,
}

/// A question in some dialect, looked at.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The model, as whoever asks wrote it.
    pub(crate) model: String,
    /// Whether the answer comes in pieces.
    pub(crate) stream: bool,
    /// Whether it wants several answers.
    pub(crate) wants_several: bool,
    /// How many.
    pub(crate) answers: u64,
    /// Most tokens of all answers together, where it says.
    pub(crate) max_output: Option<u64>,
    /// No more tokens than these are read: no tokenizer makes more than one of a byte.
    pub(crate) max_input: u64,
    /// How many of these are only for what stands behind addresses and identifiers.
    pub(super) linked: u64,
    /// Something of it is to be kept in the upstream's cache for an hour.
    pub(crate) caches_for_hour: bool,
    dialect: Dialect,
    /// Where bounds of the answer stand in the body that bound nothing: `null`, or no number that counts. For the chat dialect, the newer
    /// name's and the older one's.
    bounds_at: [Option<Range<usize>>; 2],
    /// Where Gemini's settings stand.
    config_at: Option<Range<usize>>,
    /// Where the tools stand.
    tools_at: Option<Range<usize>>,
    /// Where the items of a conversation in the Responses dialect stand.
    input_at: Option<Range<usize>>,
    /// The first of what has a price of its own.
    uncounted: Option<&'static str>,
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
    #[serde(borrow, default, deserialize_with = "written")]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "written")]
    max_completion_tokens: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "written")]
    max_output_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    n: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "written")]
    stream_options: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "written", rename = "generationConfig", alias = "generation_config")]
    generation_config: Option<&'a RawValue>,
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
    #[serde(borrow, alias = "serviceTier")]
    service_tier: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    mcp_servers: Option<&'a RawValue>,
    #[serde(borrow)]
    container: Option<&'a RawValue>,
    #[serde(borrow)]
    web_search_options: Option<&'a RawValue>,
    #[serde(borrow)]
    search_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    plugins: Option<&'a RawValue>,
    #[serde(borrow)]
    speed: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig<'a> {
    #[serde(borrow, default, deserialize_with = "written", alias = "max_output_tokens")]
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
        let config = fields.generation_config()?;
        // What another dialect calls its bound is none here: whoever wrote it would have less set aside than is spent.
        let (written, count) = match dialect {
            Dialect::Chat => ([fields.max_completion_tokens, fields.max_tokens], fields.n),
            Dialect::Responses => ([fields.max_output_tokens, None], None),
            Dialect::Anthropic => ([fields.max_tokens, None], None),
            Dialect::Gemini => ([config.max_output_tokens, None], config.candidate_count),
        };
        let bounds =
            written.into_iter().flatten().map(|raw| number("max_tokens", raw)).collect::<Result<Vec<_>, _>>()?;
        // Most servers take 0 for no bound; Anthropic's fills its cache then, and writes nothing.
        let bounds = bounds.into_iter().flatten().filter(|most| *most > 0 || dialect == Dialect::Anthropic);
        let count = count.map(|raw| number("n", raw)).transpose()?.flatten().unwrap_or(1).max(1);
        let goes_on = [fields.previous_response_id, fields.conversation, fields.prompt, fields.cached_content];
        let unseen = if goes_on.iter().flatten().any(|raw| raw.get() != "null") { MAX_UNSEEN_TOKENS } else { 0 };
        let cost = Unseen::look(body);
        let linked = cost.links.saturating_mul(MAX_MEDIA_TOKENS);
        Ok(Self {
            model,
            dialect,
            answers: count,
            caches_for_hour: cost.caches_for_hour,
            bounds_at: written.map(|raw| raw.map(|raw| place(body, raw))),
            config_at: fields.generation_config.map(|raw| place(body, raw)),
            tools_at: fields.tools.map(|raw| place(body, raw)),
            input_at: fields.input.map(|raw| place(body, raw)),
            uncounted: fields.uncounted(),
            stream: stream.or(fields.stream).unwrap_or(false),
            wants_several: count > 1,
            max_output: bounds.max().map(|most| most.saturating_mul(count)),
            max_input: most_tokens(body).saturating_add(unseen).saturating_add(linked),
            linked,
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

    /// Refuses what has a price of its own, beside that of the tokens.
    pub(crate) fn refuse_uncounted(&self, body: &[u8]) -> Result<(), Failure> {
        if let Some(field) = self.uncounted {
            return Err(hosted::refusal(field, field));
        }
        if let Some(at) = &self.tools_at {
            hosted::refuse(self.dialect, &body[at.clone()])?;
        }
        self.input_at.as_ref().map_or(Ok(()), |at| hosted::refuse_in_items(self.dialect, &body[at.clone()]))
    }

    /// The body with another model, and asking for the count of tokens where `count` says so. Nothing else changes.
    pub(crate) fn body(&self, body: &Bytes, model: &str, count: bool) -> Bytes {
        self.bounded(body, model, count, None)
    }

    /// The same, bounding the answer where there is a `bound`.
    pub(crate) fn bounded(&self, body: &Bytes, model: &str, count: bool, bound: Option<Bound>) -> Bytes {
        let mut changes: Vec<Change> = bound.map(|bound| self.bounding(body, bound)).unwrap_or_default();
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
        changes.sort_by_key(|(at, _)| (at.start, at.end));
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

    /// What bounds the answer, and where it belongs.
    fn bounding(&self, body: &[u8], Bound { most, is_new }: Bound) -> Vec<Change> {
        let number = || Cow::Owned(most.to_string());
        let (name, wanted) = match self.dialect {
            Dialect::Chat if is_new => ("max_completion_tokens", 0),
            Dialect::Chat => ("max_tokens", 1),
            Dialect::Responses => ("max_output_tokens", 0),
            Dialect::Anthropic => ("max_tokens", 0),
            Dialect::Gemini => ("maxOutputTokens", 0),
        };
        let other = self.bounds_at[1 - wanted].iter().filter(|at| &body[(*at).clone()] != b"null");
        let mut changes: Vec<Change> = other.map(|at| (at.clone(), number())).collect();
        let config = self.config_at.as_ref().filter(|at| body[at.start] == b'{');
        changes.push(match (&self.bounds_at[wanted], self.dialect, config) {
            (Some(at), ..) => (at.clone(), number()),
            (None, Dialect::Gemini, Some(config)) => first_field(body, config.start, name, &number()),
            (None, Dialect::Gemini, None) => {
                let config = format!(r#"{{"{name}":{most}}}"#);
                match &self.config_at {
                    Some(at) => (at.clone(), config.into()),
                    None => first_field(body, 0, "generationConfig", &config),
                }
            }
            (None, ..) => first_field(body, 0, name, &number()),
        });
        changes
    }

    /// What asks for the count of tokens, and where it belongs.
    fn counting(&self, body: &[u8]) -> Change {
        if let Some((at, _)) = &self.stream_options {
            let mut options: serde_json::Map<_, _> = serde_json::from_slice(&body[at.clone()]).unwrap_or_default();
            options.insert("include_usage".to_owned(), true.into());
            return (at.clone(), Cow::Owned(serde_json::Value::from(options).to_string()));
        }
        first_field(body, 0, "stream_options", r#"{"include_usage":true}"#)
    }
}

/// A field that an object gets, which begins behind `from`.
fn first_field(body: &[u8], from: usize, name: &str, value: &str) -> Change {
    let start = body[from..].iter().position(|byte| *byte == b'{').map_or(from, |at| from + at + 1);
    let is_empty = body[start..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'}');
    (start..start, format!(r#""{name}":{value}{}"#, if is_empty { "" } else { "," }).into())
}

/// Where a value stands in the body that it was read from.
pub(super) fn place(body: &[u8], raw: &RawValue) -> Range<usize> {
    let start = raw.get().as_ptr().addr() - body.as_ptr().addr();
    start..start + raw.get().len()
}

impl<'a> Fields<'a> {
    fn generation_config(&self) -> Result<GenerationConfig<'a>, Failure> {
        let config = self.generation_config.map(|raw| serde_json::from_str::<Option<GenerationConfig<'a>>>(raw.get()));
        let config = config.transpose().map_err(|error| {
            Failure::refused("generationConfig", format!("The field `generationConfig` cannot be read: {error}."))
        })?;
        Ok(config.flatten().unwrap_or_default())
    }

    /// The first of what has a price of its own, beside that of the tokens.
    fn uncounted(&self) -> Option<&'static str> {
        let speed = self.speed.filter(|speed| speed.get() != r#""standard""#);
        let all = [
            ("mcp_servers", self.mcp_servers),
            ("container", self.container),
            ("web_search_options", self.web_search_options),
            ("search_parameters", self.search_parameters),
            ("plugins", self.plugins),
            ("speed", speed),
        ];
        all.into_iter().find_map(|(name, raw)| is_given(raw).then_some(name))
    }

    /// Refuses what would be made or paid for behind the back of whoever counts.
    fn refuse_what_nobody_counts(&self) -> Result<(), Failure> {
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
        let tier = self.service_tier.as_deref().unwrap_or_default().to_ascii_lowercase();
        if tier.ends_with("priority") || tier == "fast" {
            return Err(Failure::refused("service_tier", "This tier costs more than prices here say: leave it out."));
        }
        Ok(())
    }
}

fn is_given(raw: Option<&RawValue>) -> bool {
    raw.is_some_and(|raw| !matches!(raw.get(), "null" | "false" | "[]"))
}

/// A whole number, however it is written; nothing where there is none.
fn number(name: &'static str, raw: &RawValue) -> Result<Option<u64>, Failure> {
    let number: Option<f64> = serde_json::from_str(raw.get()).map_err(|_| {
        Failure::refused(name, format!("The field `{name}` and what bounds an answer beside it must be numbers."))
    })?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; the cast saturates")]
    Ok(number.filter(|number| *number >= 0.0).map(|number| number.ceil() as u64))
}

/// The most tokens that a body can be read as, without what it only points to.
fn most_tokens(body: &[u8]) -> u64 {
    let text = body.len() as u64 + ADDED_TOKENS;
    if body.len() < MIN_BASE64_BYTES {
        return text;
    }
    text - runs(body).map(|run| (run as u64).saturating_sub(MAX_MEDIA_TOKENS)).sum::<u64>()
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
            r#"{"model":"m","serviceTier":"SERVICE_TIER_PRIORITY"}"#,
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
    fn an_answer_is_bounded_in_the_words_of_its_dialect() {
        let bounded = |dialect, written: &str, is_new| {
            let asked = Asked::look(dialect, written.as_bytes(), Some("m".to_owned()), None).unwrap();
            assert_eq!(asked.max_output, None, "{written}");
            let bound = Some(Bound { most: 9, is_new });
            let body = asked.bounded(&Bytes::copy_from_slice(written.as_bytes()), "m", true, bound);
            let read = Asked::look(dialect, &body, Some("m".to_owned()), None).unwrap();
            assert_eq!(read.max_output, Some(9 * asked.answers), "{body:?}");
            String::from_utf8(body.to_vec()).unwrap()
        };
        let chat = |written: &str, is_new| bounded(Dialect::Chat, written, is_new);
        assert_eq!(chat(r#" { "x": 1.0 }"#, false), r#" {"max_tokens":9, "x": 1.0 }"#);
        assert_eq!(chat(r#"{"n":2}"#, true), r#"{"max_completion_tokens":9,"n":2}"#);
        assert_eq!(chat(r#"{"max_tokens": -1 ,"x":1}"#, false), r#"{"max_tokens": 9 ,"x":1}"#);
        assert_eq!(chat(r#"{"max_tokens":null}"#, true), r#"{"max_completion_tokens":9,"max_tokens":null}"#);
        assert_eq!(chat(r#"{"max_completion_tokens":0}"#, false), r#"{"max_tokens":9,"max_completion_tokens":9}"#);
        assert_eq!(bounded(Dialect::Responses, "{}", false), r#"{"max_output_tokens":9}"#);
        assert_eq!(bounded(Dialect::Anthropic, r#"{"max_tokens":null}"#, true), r#"{"max_tokens":9}"#);
        let gemini = |written: &str| bounded(Dialect::Gemini, written, false);
        assert_eq!(gemini("{}"), r#"{"generationConfig":{"maxOutputTokens":9}}"#);
        assert_eq!(gemini(r#"{"x":1}"#), r#"{"generationConfig":{"maxOutputTokens":9},"x":1}"#);
        assert_eq!(gemini(r#"{"generationConfig":null}"#), r#"{"generationConfig":{"maxOutputTokens":9}}"#);
        assert_eq!(gemini(r#"{"generation_config":{ }}"#), r#"{"generation_config":{"maxOutputTokens":9 }}"#);
        let with =
            |bound: &str| format!(r#"{{"generationConfig":{{"max_output_tokens":{bound},"candidateCount":3}}}}"#);
        assert_eq!(gemini(&with("0")), with("9"));
    }

    #[test]
    fn what_has_a_price_of_its_own_is_named() {
        let refused = |body: &str| {
            let asked = Asked::look(Dialect::Anthropic, body.as_bytes(), Some("m".to_owned()), None).unwrap();
            asked.refuse_uncounted(body.as_bytes()).err().and_then(|failure| failure.param)
        };
        for field in ["mcp_servers", "container", "web_search_options", "search_parameters", "plugins", "speed"] {
            assert_eq!(refused(&format!(r#"{{"{field}":["x"]}}"#)).as_deref(), Some(field));
            assert_eq!(refused(&format!(r#"{{"{field}":null}}"#)), None);
        }
        assert_eq!(refused(r#"{"speed":"standard","tools":[{"name":"f"}]}"#), None);
        assert_eq!(refused(r#"{"web_search_options":{}}"#).as_deref(), Some("web_search_options"));
        assert_eq!(refused(r#"{"tools":[{"type":"web_fetch_20250910"}]}"#).as_deref(), Some("tools"));
        let items = br#"{"tools":[],"input":[{"type":"additional_tools","tools":[{"type":"web_search"}]}]}"#;
        let asked = Asked::look(Dialect::Responses, items, Some("m".to_owned()), None).unwrap();
        assert!(asked.refuse_uncounted(items).is_err());
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
        let asked =
            |body: Value| Asked::look(Dialect::Chat, body.to_string().as_bytes(), Some("m".to_owned()), None).unwrap();
        let of = |body: Value| asked(body).max_input;
        let text = |text: &str| of(json!({ "model": "m", "text": text }));
        assert!(text("hello") < 2100);
        assert!(text(&"word ".repeat(100_000)) > 500_000);
        assert!(text(&format!("data:image/png;base64,{}", "iVBORw0K".repeat(100_000))) < 60_000);
        assert!(text(&"iVBORw0K".repeat(100_000)) > 800_000, "only where pictures stand");
        assert!(of(json!({ "source": { "type": "base64", "data": "iVBORw0K".repeat(100_000) } })) < 60_000);
        assert!(of(json!({ "image_url": { "url": "https://x.example/a.png" } })) > 50_000);
        assert!(of(json!({ "fileData": { "fileUri": "https://x.example/a.png" } })) > 50_000);
        assert!(text(&format!("data:application/pdf;base64,{}", "JVBERi0x".repeat(10_000))) > 70_000);
        // What an address leads to is not what is likely.
        assert_eq!(asked(json!({ "image_url": { "url": "https://x.example/a.png" } })).linked, 50_000);
        assert_eq!(asked(json!({ "text": "https://x.example/a.png" })).linked, 0);
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
