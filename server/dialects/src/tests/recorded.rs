//! Every recorded answer is read as `tests/recorded/expected.txt` says, however its bytes arrive.

use std::fmt::Write as _;

use super::{read, recorded, translate, write};
use crate::{Call, Dialect, Framing, Gathered, Part, Piece};

/// The first characters of a text, and how many bytes it has.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    if short == text { format!("{text:?}") } else { format!("{short:?}… {} bytes", text.len()) }
}

fn summary(pieces: &[Piece]) -> String {
    let mut out = String::new();
    let mut gathered = Gathered::default();
    let failed = pieces.iter().find_map(|piece| gathered.take(piece.clone()).err());
    let mut line = |what: &str, said: &str| writeln!(out, "{what}: {said}").unwrap();
    line("start", &format!("{} {}", gathered.id.unwrap_or_default(), gathered.model.unwrap_or_default()));
    for part in gathered.parts {
        match part {
            Part::Text { text, signature } => {
                line("text", &shown(&text));
                signature.iter().for_each(|signature| line("  signed", &shown(signature)));
            }
            Part::Thought { text, signature } => {
                line("thought", &shown(&text));
                signature.iter().for_each(|signature| line("  signed", &shown(signature)));
            }
            Part::Redacted(data) => line("redacted", &shown(&data)),
            Part::Call(Call { id, name, arguments, kind, signature }) => {
                line("call", &format!("{kind:?} {id} {name} {}", shown(&arguments)));
                signature.iter().for_each(|signature| line("  signed", &shown(signature)));
            }
            Part::Image(_) | Part::Document { .. } | Part::Outcome(_) => panic!("no model says {part:?}"),
        }
    }
    gathered.refusal.iter().for_each(|refusal| line("refusal", &shown(refusal)));
    if let Some(tokens) = gathered.tokens {
        let (input, output) = (tokens.input, tokens.output);
        let inner = (tokens.cached, tokens.cache_write, tokens.reasoning);
        line(
            "tokens",
            &format!("{input} in ({} cached, {} to cache), {output} out ({} thought)", inner.0, inner.1, inner.2),
        );
    }
    match failed {
        None => line("stop", &format!("{:?}", gathered.stop.unwrap())),
        Some(failure) => {
            let code = failure.code.unwrap_or_default();
            line("failed", &format!("{:?} {code} {:?} {:?}", failure.kind, failure.message, failure.retry_after));
        }
    }
    out
}

#[test]
fn every_answer_is_read_as_expected() {
    let expected = include_str!("../../tests/recorded/expected.txt");
    let mut all = String::new();
    for file in recorded() {
        let section =
            format!("== {}\n{}\n", file.name, summary(&read(file.dialect, file.is_stream, [&file.bytes[..]])));
        assert!(expected.contains(&section), "not expected:\n{section}");
        all.push_str(&section);
    }
    assert_eq!(all, expected);
}

/// Lengths of chunks: all of the small ones, and some of the others.
fn lengths(len: usize) -> Vec<usize> {
    let all = if len <= 2_000 { len } else { 24 };
    let some = [97, 128, 255, 256, 257, 1000, 1024, 4096, 8191];
    (1..=all).chain(some.into_iter().filter(|some| *some > all && *some < len)).collect()
}

#[test]
fn any_chunks_give_the_same_pieces() {
    for file in recorded() {
        let whole = read(file.dialect, file.is_stream, [&file.bytes[..]]);
        for length in lengths(file.bytes.len()) {
            let pieces = read(file.dialect, file.is_stream, file.bytes.chunks(length));
            assert!(pieces == whole, "{} in chunks of {length}", file.name);
        }
    }
}

#[test]
fn any_chunks_give_the_same_bytes_through_every_writer() {
    for file in recorded() {
        let pieces = read(file.dialect, file.is_stream, [&file.bytes[..]]);
        let has_made_up =
            pieces.iter().any(|piece| matches!(piece, Piece::Call { id, .. } if id.starts_with("made_up")));
        for to in Dialect::ALL {
            let expected = write(to, Framing::Events, &pieces);
            for length in [1, 7, 64, 1000, file.bytes.len()] {
                let out = translate(file.dialect, to, file.is_stream, file.bytes.chunks(length));
                assert!(has_made_up || out == expected, "{} to {} in chunks of {length}", file.name, to.name());
            }
        }
    }
}
