//! Tests of the dialects together. `tests/recorded/` beside `src/` holds answers as servers gave them.

mod answers;
mod bounds;
mod failures;
mod recorded;
pub(crate) mod requests;
mod rows;
mod written;

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Dialect, Disguised, Framing, Habits, Label, Names, Origin, Piece, Reading, Target, Translation};

pub(super) fn origin() -> Origin {
    Origin { upstream: "up".to_owned(), model: "model".to_owned() }
}

pub(super) fn label() -> Label {
    Label {
        model: "asked-for".to_owned(),
        names: Names::default(),
        origin: origin(),
        created: 1_700_000_000,
        wants_usage: true,
        id: "0123abcd".to_owned(),
    }
}

pub(super) fn target(model: &str) -> Target {
    let origin = Origin { model: model.to_owned(), ..origin() };
    Target { origin, max_output_tokens: 4096, habits: Habits::default() }
}

/// The content type under which the bytes come.
pub(super) fn content_type(is_stream: bool) -> &'static str {
    if is_stream { "text/event-stream; charset=utf-8" } else { "application/json" }
}

/// Reads an answer that arrives in these chunks.
pub(super) fn read<'a>(from: Dialect, is_stream: bool, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Piece> {
    let mut reading = Reading::new(from, content_type(is_stream), Disguised::default()).unwrap();
    let mut pieces = Vec::new();
    for chunk in chunks {
        reading.feed(chunk, &mut pieces);
    }
    reading.end(&mut pieces);
    let ends = pieces.iter().filter(|piece| matches!(piece, Piece::Stop(_) | Piece::Failed(_))).count();
    assert_eq!(ends, 1, "{pieces:?}");
    assert!(matches!(pieces.last(), Some(Piece::Stop(_) | Piece::Failed(_))), "{pieces:?}");
    known_ids(&mut pieces);
    pieces
}

/// Identifiers that were made up are the same each time.
fn known_ids(pieces: &mut [Piece]) {
    let calls = pieces.iter_mut().filter_map(|piece| if let Piece::Call { id, .. } = piece { Some(id) } else { None });
    for (number, id) in calls.enumerate() {
        let is_made_up = |rest: &str| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if id.rsplit_once('_').is_some_and(|(_, rest)| is_made_up(rest)) {
            *id = format!("made_up_{number}");
        }
    }
}

/// Writes pieces.
pub(super) fn write(to: Dialect, framing: Framing, pieces: &[Piece]) -> Vec<u8> {
    let mut writer = to.writer(label(), framing);
    let mut out = Vec::new();
    for piece in pieces {
        writer.piece(piece, &mut out);
    }
    out
}

/// Translates an answer that arrives in these chunks.
pub(super) fn translate<'a>(
    from: Dialect,
    to: Dialect,
    is_stream: bool,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let reading = Reading::new(from, content_type(is_stream), Disguised::default()).unwrap();
    let mut translation = Translation::new(reading, to, label(), Framing::Events);
    let mut out = Vec::new();
    for chunk in chunks {
        translation.feed(chunk, &mut out);
    }
    translation.end(&mut out);
    assert!(translation.is_done() && translation.ending().is_some());
    out
}

/// An answer as a server gave it.
pub(crate) struct Recorded {
    pub(crate) name: String,
    pub(crate) dialect: Dialect,
    pub(crate) is_stream: bool,
    pub(crate) bytes: Vec<u8>,
}

/// All of them, in order.
pub(crate) fn recorded() -> Vec<Recorded> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let mut all = Vec::new();
    for dialect in Dialect::ALL {
        let files = fs::read_dir(root.join(dialect.name())).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = files.collect();
        files.sort();
        all.extend(files.iter().map(|file| Recorded {
            name: file.strip_prefix(&root).unwrap().to_string_lossy().into_owned(),
            dialect,
            is_stream: file.extension().unwrap() == "sse",
            bytes: fs::read(file).unwrap(),
        }));
    }
    assert!(all.len() > 100);
    all
}
