//! Tools that take free text, where a dialect knows only such as take JSON.
//!
//! Such a tool becomes a function with one argument, and the call of it a call with free text again.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::cut::Cut;
use super::{CallKind, Part, Piece, Stop, Turn};

/// The one argument.
const INPUT: &str = "input";

/// How a turn was changed for an upstream that cannot do all of it; its answer is changed back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disguised {
    /// Names of the tools that were made functions.
    tools: HashSet<String>,
    cut: Cut,
}

impl Turn {
    /// Makes functions of all tools that take free text, and of their calls so far.
    pub fn disguise_custom_tools(&mut self) -> Disguised {
        let mut disguised = Disguised::default();
        for tool in self.tools.iter_mut().filter(|tool| tool.kind == CallKind::Custom) {
            tool.kind = CallKind::Function;
            let mut input = json!({ "type": "string" });
            if let Some(definition) = tool.format.take().as_ref().and_then(|format| format.get("definition")?.as_str())
            {
                input["description"] = format!("It follows this grammar:\n{definition}").into();
            }
            tool.parameters = Some(json!({
                "type": "object",
                "properties": { INPUT: input },
                "required": [INPUT],
                "additionalProperties": false,
            }));
            disguised.tools.insert(tool.name.clone());
        }
        for part in self.messages.iter_mut().flat_map(|message| &mut message.parts) {
            match part {
                Part::Call(call) if call.kind == CallKind::Custom => {
                    call.kind = CallKind::Function;
                    call.arguments = json!({ INPUT: call.arguments }).to_string();
                }
                Part::Outcome(outcome) => outcome.kind = CallKind::Function,
                _ => {}
            }
        }
        disguised
    }
}

impl Disguised {
    /// The answer ends at the first of these texts, because the upstream was not told of them ([`Losses`](super::Losses) name
    /// `stop`). Most that are looked for: 16, of 1,024 bytes each.
    pub fn cut_at(&mut self, stops: &[String]) {
        self.cut = Cut::new(stops);
    }
}

/// Shows an answer as whoever asked expects it: calls of disguised tools as what they are, and nothing behind a text that ends it.
#[derive(Debug, Default)]
pub struct Unmasking {
    disguised: Disguised,
    /// Arguments so far of a disguised call: the text in them can be told once they are whole.
    held: Option<String>,
    is_cut: bool,
}

impl Unmasking {
    /// For the answers to a turn.
    #[must_use]
    pub fn new(disguised: Disguised) -> Self {
        Self { disguised, held: None, is_cut: false }
    }

    /// The pieces as whoever asked expects them.
    pub fn pieces(&mut self, pieces: Vec<Piece>) -> Vec<Piece> {
        if self.disguised == Disguised::default() {
            return pieces;
        }
        let mut out = Vec::with_capacity(pieces.len());
        let mut pieces = pieces.into_iter();
        while let Some(piece) = pieces.next().filter(|_| !self.is_cut) {
            let Some(stop) = self.piece(piece, &mut out) else { continue };
            self.is_cut = true;
            out.extend(pieces.by_ref().filter(|piece| matches!(piece, Piece::Tokens(_))));
            out.push(Piece::Stop(Stop::Sequence(stop)));
        }
        out
    }

    fn piece(&mut self, piece: Piece, out: &mut Vec<Piece>) -> Option<String> {
        if let Piece::Text(text) = piece {
            self.let_go(out);
            let (text, stop) = self.disguised.cut.take(&text);
            out.extend(Some(text).filter(|text| !text.is_empty()).map(Piece::Text));
            return stop;
        }
        if matches!(piece, Piece::Tokens(_)) {
            out.push(piece);
            return None;
        }
        let rest = self.disguised.cut.rest();
        out.extend(Some(rest).filter(|rest| !rest.is_empty()).map(Piece::Text));
        match (piece, &mut self.held) {
            (Piece::Arguments(more), Some(held)) => held.push_str(&more),
            (Piece::Call { id, name, signature, .. }, _) if self.disguised.tools.contains(&name) => {
                self.let_go(out);
                out.push(Piece::Call { id, name, kind: CallKind::Custom, signature });
                self.held = Some(String::new());
            }
            (piece, _) => {
                self.let_go(out);
                out.push(piece);
            }
        }
        None
    }

    fn let_go(&mut self, out: &mut Vec<Piece>) {
        let Some(held) = self.held.take() else { return };
        let text = match serde_json::from_str::<Value>(&held) {
            Ok(Value::Object(mut fields)) => match fields.remove(INPUT) {
                Some(Value::String(text)) => text,
                _ => held,
            },
            Ok(Value::String(text)) => text,
            _ => held,
        };
        out.push(Piece::Arguments(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_it_holds_free_text_again() {
        let tools = HashSet::from(["apply_patch".to_owned()]);
        let disguised = Disguised { tools, ..Disguised::default() };
        let mut unmasking = Unmasking::new(disguised);
        let call = |name: &str, kind| Piece::Call { id: "1".to_owned(), name: name.to_owned(), kind, signature: None };
        let arguments = |text: &str| Piece::Arguments(text.to_owned());
        let first = unmasking.pieces(vec![call("apply_patch", CallKind::Function), arguments("{\"inp")]);
        assert_eq!(first, [call("apply_patch", CallKind::Custom)]);
        let second = unmasking.pieces(vec![
            arguments("ut\":\"*** a\\n\"}"),
            call("other", CallKind::Function),
            arguments("{}"),
            Piece::Stop(Stop::Tools),
        ]);
        let expected =
            [arguments("*** a\n"), call("other", CallKind::Function), arguments("{}"), Piece::Stop(Stop::Tools)];
        assert_eq!(second, expected);
    }

    #[test]
    fn an_answer_ends_at_a_text() {
        let text = "one two <end> three";
        for split in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            for (stops, expected, stop) in [
                (vec!["<end>", " three"], "one two ", Stop::Sequence("<end>".to_owned())),
                (vec!["two <", "two"], "one ", Stop::Sequence("two".to_owned())),
                (vec!["threes", "<end >", ""], text, Stop::End),
            ] {
                let mut disguised = Disguised::default();
                disguised.cut_at(&stops.iter().map(|stop| (*stop).to_owned()).collect::<Vec<_>>());
                let mut unmasking = Unmasking::new(disguised);
                let tokens = Piece::Tokens(crate::turn::Tokens::default());
                let mut pieces = unmasking.pieces(vec![Piece::Text(text[..split].to_owned())]);
                pieces.extend(unmasking.pieces(vec![
                    Piece::Text(text[split..].to_owned()),
                    tokens,
                    Piece::Stop(Stop::End),
                ]));
                let gathered = crate::turn::Gathered::all(pieces).unwrap();
                assert_eq!((gathered.text().as_str(), gathered.stop), (expected, Some(stop)), "{split}");
            }
        }
    }
}
