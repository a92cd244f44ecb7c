//! What a writer writes, the reader of the same dialect reads.

use proptest::prelude::*;
use serde_json::Value;

use super::{label, origin, read, recorded, write};
use crate::{Call, CallKind, Dialect, Framing, Gathered, Part, Piece, Stop, Tokens};

/// Goes before an encrypted thought in a response.
const REDACTED: &str = "redacted\n";

/// An answer, without what every dialect names anew.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    parts: Vec<Part>,
    refusal: Option<String>,
    stop: Stop,
    tokens: Option<Tokens>,
}

impl Answer {
    fn of(pieces: &[Piece]) -> Self {
        let all = Gathered::all(pieces.iter().cloned()).unwrap();
        Self { parts: all.parts, refusal: all.refusal, stop: all.stop.unwrap(), tokens: all.tokens }
    }

    fn called(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Call(_)))
    }
}

/// The answer as far as a dialect can say it, in the way in which its reader finds it.
fn sayable(mut answer: Answer, dialect: Dialect) -> Answer {
    let is_gemini = dialect == Dialect::Gemini;
    let (chat, responses) = (dialect == Dialect::Chat, dialect == Dialect::Responses);
    let parts = std::mem::take(&mut answer.parts);
    let mut kept: Vec<Part> = Vec::new();
    for part in parts {
        let part = match part {
            Part::Text { text, signature } => {
                Part::Text { text, signature: signature.filter(|_| is_gemini).map(|text| origin().mark(&text)) }
            }
            Part::Thought { text, signature } => {
                Part::Thought { text, signature: signature.filter(|_| !chat).map(|text| origin().mark(&text)) }
            }
            Part::Redacted(data) if dialect == Dialect::Anthropic => Part::Redacted(origin().mark(&data)),
            Part::Redacted(data) if responses => {
                let signature = Some(origin().mark(&format!("{REDACTED}{data}")));
                Part::Thought { text: String::new(), signature }
            }
            Part::Redacted(_) => continue,
            Part::Call(call) => {
                let signature = call.signature.filter(|_| chat || is_gemini).map(|text| origin().mark(&text));
                let knows_custom = chat || responses;
                let kind = if knows_custom { call.kind } else { CallKind::Function };
                let mut arguments = call.arguments;
                if is_gemini {
                    arguments = crate::json::arguments(&arguments).to_string();
                }
                Part::Call(Call { arguments, kind, signature, ..call })
            }
            other => other,
        };
        if matches!(&part, Part::Text { text, signature: None } if text.is_empty()) {
            continue;
        }
        if matches!(&part, Part::Thought { text, signature: None } if text.is_empty()) {
            continue;
        }
        match (kept.last_mut(), part) {
            (Some(Part::Text { text, signature: signed @ None }), Part::Text { text: more, signature }) => {
                text.push_str(&more);
                *signed = signature;
            }
            (Some(Part::Thought { text, signature: signed @ None }), Part::Thought { text: more, signature }) => {
                text.push_str(&more);
                *signed = signature;
            }
            (_, part) => kept.push(part),
        }
    }
    answer.parts = kept;
    answer.stop = sayable_stop(answer.stop.clone(), dialect, answer.called(), answer.refusal.is_some());
    // These two have no words of their own for it.
    if let Some(refusal) = answer.refusal.take_if(|_| is_gemini || dialect == Dialect::Anthropic) {
        let is_text = matches!(answer.parts.last(), Some(Part::Text { signature: None, .. }));
        match answer.parts.last_mut() {
            Some(Part::Text { text, .. }) if is_text => text.push_str(&refusal),
            _ => answer.parts.push(Part::text(refusal)),
        }
    }
    answer.tokens = Some(answer.tokens.unwrap_or_default());
    if is_gemini {
        answer.tokens = answer.tokens.map(|tokens| Tokens { cache_write: 0, ..tokens });
    }
    answer
}

fn sayable_stop(stop: Stop, dialect: Dialect, called: bool, refused: bool) -> Stop {
    let stop = match (dialect, stop) {
        (Dialect::Anthropic | Dialect::Gemini, Stop::End) if refused => Stop::Filter,
        (Dialect::Anthropic, Stop::BadCall) => Stop::End,
        (Dialect::Anthropic, stop) | (Dialect::Gemini, stop @ Stop::BadCall) => stop,
        (_, Stop::ContextFull) => Stop::Length,
        (_, stop @ (Stop::Length | Stop::Filter)) => stop,
        (Dialect::Chat, Stop::Tools) => Stop::Tools,
        _ => Stop::End,
    };
    stop.after(called)
}

fn check(pieces: &[Piece], what: &str) {
    let answer = Answer::of(pieces);
    for dialect in Dialect::ALL {
        if dialect == Dialect::Responses && answer.stop == Stop::BadCall {
            continue;
        }
        let expected = sayable(answer.clone(), dialect);
        for framing in [Framing::Events, Framing::Array] {
            let bytes = write(dialect, framing, pieces);
            let is_stream = dialect != Dialect::Gemini || framing == Framing::Events;
            let again = Answer::of(&read(dialect, is_stream, [&bytes[..]]));
            assert_eq!(again, expected, "{what} as {} {framing:?}", dialect.name());
        }
        let whole = dialect.whole(&Gathered::all(pieces.iter().cloned()).unwrap(), &label());
        let again = Answer::of(&read(dialect, false, [whole.to_string().as_bytes()]));
        let again = Answer { parts: normal(again.parts), ..again };
        let expected = Answer { parts: normal(expected.parts), ..expected };
        assert_eq!(again, expected, "{what} as a whole {}", dialect.name());
    }
}

/// Chat has one place for all thoughts and one for all texts, and whole calls are written anew.
fn normal(parts: Vec<Part>) -> Vec<Part> {
    let (mut thoughts, mut texts, mut calls) = (String::new(), String::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text { text, .. } => texts.push_str(&text),
            Part::Thought { text, .. } => thoughts.push_str(&text),
            Part::Call(call) => {
                let arguments = match call.kind {
                    CallKind::Function => crate::json::arguments(&call.arguments).to_string(),
                    CallKind::Custom => call.arguments,
                };
                calls.push(Part::Call(Call { arguments, ..call }));
            }
            _ => {}
        }
    }
    let thought = Part::Thought { text: thoughts, signature: None };
    [thought, Part::text(texts)].into_iter().chain(calls).collect()
}

#[test]
fn every_recorded_answer_through_every_writer() {
    for file in recorded() {
        let pieces = read(file.dialect, file.is_stream, [&file.bytes[..]]);
        if pieces.iter().any(|piece| matches!(piece, Piece::Failed(_))) {
            continue;
        }
        check(&pieces, &file.name);
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z \\\\\"\n\r\u{2028}äß😀]{1,12}", ".{1,8}"]
}

fn object() -> impl Strategy<Value = String> {
    let object = prop::collection::btree_map("[a-z]{1,3}", text().prop_map(Value::from), 0..4);
    object.prop_map(|fields| Value::Object(fields.into_iter().collect()).to_string())
}

/// Text in pieces, the whole of which is this.
fn split(text: &str, sizes: &[usize], piece: fn(String) -> Piece) -> Vec<Piece> {
    let mut rest = text;
    let mut pieces = Vec::new();
    for size in sizes {
        let (head, tail) = rest.split_at(rest.floor_char_boundary((*size).min(rest.len())));
        pieces.extend(Some(head).filter(|head| !head.is_empty()).map(|head| piece(head.to_owned())));
        rest = tail;
    }
    pieces.extend(Some(rest).filter(|rest| !rest.is_empty()).map(|rest| piece(rest.to_owned())));
    pieces
}

fn part() -> impl Strategy<Value = Vec<Piece>> {
    let sizes = || prop::collection::vec(1..5usize, 0..4);
    let signature = || prop::option::of("[a-zA-Z0-9+/=\n]{1,20}");
    prop_oneof![
        (text(), sizes(), signature()).prop_map(|(text, sizes, signature)| {
            let mut pieces = split(&text, &sizes, Piece::Text);
            pieces.extend(signature.map(Piece::TextSignature));
            pieces
        }),
        (text(), sizes(), signature()).prop_map(|(text, sizes, signature)| {
            let mut pieces = split(&text, &sizes, Piece::Thought);
            pieces.extend(signature.map(Piece::ThoughtSignature));
            pieces
        }),
        text().prop_map(|data| vec![Piece::Redacted(data)]),
        (object(), sizes(), signature(), "[a-zA-Z_]{1,9}").prop_map(|(arguments, sizes, signature, name)| {
            let mut pieces = vec![Piece::Call { id: String::new(), name, kind: CallKind::Function, signature }];
            pieces.extend(split(&arguments, &sizes, Piece::Arguments));
            pieces
        }),
    ]
}

fn stop() -> impl Strategy<Value = Stop> {
    prop_oneof![
        Just(Stop::End),
        text().prop_map(Stop::Sequence),
        Just(Stop::Length),
        Just(Stop::ContextFull),
        Just(Stop::Tools),
        Just(Stop::Filter),
        Just(Stop::Pause),
        Just(Stop::BadCall),
    ]
}

prop_compose! {
    fn tokens()(
        (fresh, cached, cache_write) in (0..1000u64, 0..1000u64, 0..1000u64),
        (said, reasoning) in (0..1000u64, 0..1000u64),
    ) -> Tokens {
        let (input, output) = (fresh + cached + cache_write, said + reasoning);
        Tokens { input, cached, cache_write, cache_write_hour: 0, output, reasoning }
    }
}

prop_compose! {
    fn answer()(
        parts in prop::collection::vec(part(), 0..8),
        refusal in prop::option::weighted(0.2, text()),
        tokens in prop::collection::vec((tokens(), any::<prop::sample::Index>()), 0..3),
        stop in stop(),
    ) -> Vec<Piece> {
        let mut pieces = vec![Piece::Start { id: Some("x".to_owned()), model: None }];
        for (number, mut part) in parts.into_iter().enumerate() {
            if let Some(Piece::Call { id, .. }) = part.first_mut() {
                *id = format!("call_{number}");
            }
            pieces.extend(part);
        }
        pieces.extend(refusal.map(Piece::Refusal));
        for (tokens, place) in tokens {
            pieces.insert(place.index(pieces.len() + 1), Piece::Tokens(tokens));
        }
        let called = pieces.iter().any(|piece| matches!(piece, Piece::Call { .. }));
        pieces.push(Piece::Stop(stop.after(called)));
        pieces
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_answer_through_every_writer(pieces in answer()) {
        check(&pieces, "random");
    }
}
