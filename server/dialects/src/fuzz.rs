//! What is thrown at everything that reads what others wrote: by the fuzzer (`server/dialects/fuzz`) without end, and by the tests
//! a little each time. Each function takes any bytes, and panics where a rule is broken.

use serde_json::Value;

use crate::{
    Decoder, Dialect, Disguised, Framing, Gathered, Habits, Label, Names, Origin, Piece, Reading, Target, Translation,
    count, embeddings, failure,
};

fn origin() -> Origin {
    Origin { upstream: "up".to_owned(), model: "claude-opus-4-6".to_owned() }
}

fn label() -> Label {
    Label {
        model: "m".to_owned(),
        names: Names::default(),
        origin: origin(),
        created: 1,
        wants_usage: true,
        id: "0".to_owned(),
    }
}

/// A dialect by the first byte, and the rest.
fn dialect(data: &[u8]) -> Option<(Dialect, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((Dialect::ALL[usize::from(*first) % Dialect::ALL.len()], rest))
}

/// Requests: whatever is taken is written in every dialect, the same each time, and can be read again.
pub fn request(data: &[u8]) {
    let Some((from, rest)) = dialect(data) else { return };
    let Ok(body) = serde_json::from_slice::<Value>(rest) else { return };
    let Ok((turn, losses)) = from.read(&body, &origin()) else { return };
    let _ = count::estimate(&turn);
    for to in Dialect::ALL {
        for is_openai in [false, true] {
            let habits = Habits { is_openai, wants_thoughts_back: !is_openai };
            let target = Target { origin: origin(), max_output_tokens: 4096, habits };
            let ask = || to.ask(turn.clone(), &target, &mut losses.clone());
            let Ok((written, disguised)) = ask() else { continue };
            assert!(ask().is_ok_and(|again| again == (written.clone(), disguised)), "not the same: {body}");
            assert!(is_bare(&written) || to.read(&written, &origin()).is_ok(), "not read again: {written}");
        }
    }
}

/// It holds encrypted thoughts only, and those of the upstream itself are not marked as such.
pub(crate) fn is_bare(body: &Value) -> bool {
    let items = body.get("input").and_then(Value::as_array);
    items.is_some_and(|items| items.iter().all(|item| item["type"] == "reasoning"))
}

/// Streams: an answer ends once, the chunks in which it comes do not matter, and every dialect can say it.
pub fn stream(data: &[u8]) {
    let Some((from, rest)) = dialect(data) else { return };
    for to in Dialect::ALL {
        let Some(reading) = Reading::new(from, "text/event-stream", Disguised::default()) else { return };
        let mut translation = Translation::new(reading, to, label(), Framing::Events);
        let mut out = Vec::new();
        for chunk in rest.chunks(7) {
            translation.feed(chunk, &mut out);
        }
        translation.end(&mut out);
        assert!(translation.ending().is_some() && std::str::from_utf8(&out).is_ok());
        check_own(to, &out);
    }
    let pieces = |length: usize| {
        let mut pieces = Vec::new();
        let Some(mut reading) = Reading::new(from, "text/event-stream", Disguised::default()) else { return pieces };
        rest.chunks(length).for_each(|chunk| reading.feed(chunk, &mut pieces));
        reading.end(&mut pieces);
        // Made up anew each time.
        pieces.iter_mut().for_each(|piece| {
            if let Piece::Call { id, .. } = piece {
                id.clear();
            }
        });
        pieces
    };
    let whole = pieces(rest.len().max(1));
    assert!(whole == pieces(1) && whole == pieces(5));
    let ends = whole.iter().filter(|piece| matches!(piece, Piece::Stop(_) | Piece::Failed(_))).count();
    assert!(ends == 1 && matches!(whole.last(), Some(Piece::Stop(_) | Piece::Failed(_))));
}

/// What a writer writes is a whole answer for the reader of its dialect, or a failure.
fn check_own(dialect: Dialect, bytes: &[u8]) {
    let Some(mut reading) = Reading::new(dialect, "text/event-stream", Disguised::default()) else { return };
    let mut pieces = Vec::new();
    reading.feed(bytes, &mut pieces);
    reading.end(&mut pieces);
    let unreadable = pieces.iter().any(|piece| match piece {
        Piece::Failed(failure) => failure.code.as_deref() == Some("llm.bad_stream"),
        _ => false,
    });
    assert!(!unreadable || String::from_utf8_lossy(bytes).contains("could not be read"), "{pieces:?}");
}

/// Whole answers and failures.
pub fn answer(data: &[u8]) {
    let Some((from, rest)) = dialect(data) else { return };
    let Ok(value) = serde_json::from_slice::<Value>(rest) else { return };
    failure::read(Some(u16::from(data[0]) + 300), &value);
    let _ = from.tokens(&value, None);
    let _ = count::read_answer(from, &value);
    for to in Dialect::ALL {
        let Ok((written, _)) = crate::whole(from, &value, Disguised::default(), to, &label()) else { continue };
        let mut reader = to.reader();
        let mut pieces = Vec::new();
        reader.whole(&written, &mut pieces);
        reader.end(&mut pieces);
        let is_failed = written.get("status").is_some_and(|status| status == "failed");
        assert!(Gathered::all(pieces).is_ok() || is_failed, "not read again: {written}");
    }
}

/// Embeddings, requests and answers.
pub fn embedding(data: &[u8]) {
    use embeddings::Form;
    let Some((first, rest)) = data.split_first() else { return };
    let forms = [Form::OpenAi, Form::GeminiOne, Form::GeminiMany];
    let from = forms[usize::from(*first) % forms.len()];
    let Ok(value) = serde_json::from_slice::<Value>(rest) else { return };
    let Ok(asked) = from.read(&value) else {
        for to in forms {
            drop(to.read_answer(&value, &embeddings::Asked::default()));
        }
        return;
    };
    let _ = asked.estimate();
    for to in forms {
        let Ok(written) = to.write(&asked, "m") else { continue };
        let again = to.read(&written).map(|again| again.inputs);
        assert!(again.as_ref() == Ok(&asked.inputs), "not read again: {written}");
    }
}

/// Bytes of any type: what is kept of them is bounded.
pub fn bytes(data: &[u8]) {
    for content_type in ["", "application/json", "text/event-stream; charset=utf-8"] {
        let Some(mut decoder) = Decoder::for_type(content_type) else { return };
        let mut rest = data;
        while let Ok(Some(event)) = decoder.next(&mut rest) {
            assert!(event.data.len() <= data.len());
        }
        while let Some(event) = decoder.finish() {
            assert!(event.data.len() <= data.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::{recorded, requests};

    /// Good bytes with a few bad ones over them, or some missing.
    fn broken(good: &[u8], cuts: &[(prop::sample::Index, Vec<u8>, usize)]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for (place, more, fewer) in cuts {
            let begin = place.index(bytes.len() + 1);
            let end = (begin + fewer).min(bytes.len());
            bytes.splice(begin..end, more.iter().copied());
        }
        bytes
    }

    fn cuts() -> impl Strategy<Value = Vec<(prop::sample::Index, Vec<u8>, usize)>> {
        let more = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..4),
            Just(b"\n\n".to_vec()),
            Just(b"null".to_vec()),
            Just(b"\"x\"".to_vec()),
            Just(b"data: {}\n\n".to_vec()),
            Just(b"{}".to_vec()),
            Just(b"[]".to_vec()),
            Just(b"-1".to_vec()),
        ];
        prop::collection::vec((any::<prop::sample::Index>(), more, 0..12usize), 0..4)
    }

    /// All places in a document.
    fn places(value: &Value, here: &str, out: &mut Vec<String>) {
        out.push(here.to_owned());
        match value {
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| places(item, &format!("{here}/{at}"), out));
            }
            Value::Object(fields) => {
                fields.iter().for_each(|(name, field)| places(field, &format!("{here}/{name}"), out));
            }
            _ => {}
        }
    }

    fn strange() -> impl Strategy<Value = Value> {
        let strange = ["null", "true", "-1", "1e99", "0.5", "\"\"", "\"auto\"", "[]", "{}", "[{}]", "[[]]", "[null]"];
        prop::sample::select(strange.map(|text| serde_json::from_str(text).unwrap()).to_vec())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn anything(data in prop::collection::vec(any::<u8>(), 0..200)) {
            for target in [request, stream, answer, embedding, bytes] {
                target(&data);
            }
        }

        #[test]
        fn requests_that_are_almost_good(
            which in 0..4usize,
            changes in prop::collection::vec((any::<prop::sample::Index>(), strange()), 1..5),
        ) {
            let (_, mut body) = requests::bodies()[which].clone();
            for (place, strange) in changes {
                let mut all = Vec::new();
                places(&body, "", &mut all);
                if let Some(value) = body.pointer_mut(&all[place.index(all.len())]) {
                    *value = strange;
                }
            }
            let mut data = vec![u8::try_from(which).unwrap()];
            data.extend(body.to_string().into_bytes());
            request(&data);
            embedding(&data);
        }

        #[test]
        fn answers_that_are_almost_good(which in any::<prop::sample::Index>(), cuts in cuts()) {
            let all = recorded();
            let file = which.get(&all);
            if file.bytes.len() > 6_000 {
                return Ok(());
            }
            let number = Dialect::ALL.iter().position(|dialect| *dialect == file.dialect).unwrap();
            let mut data = vec![u8::try_from(number).unwrap()];
            data.extend(broken(&file.bytes, &cuts));
            if file.is_stream { stream(&data) } else { answer(&data) }
            bytes(&data);
        }
    }
}
