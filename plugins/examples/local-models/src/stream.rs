//! Answers that come as server-sent events.

use coditect_plugin_sdk::prelude::*;
use serde::Deserialize;

use crate::chat::{self, Message};
use crate::thoughts::{Apart, Told};

/// What the last event says.
const DONE: &str = "[DONE]";

#[derive(Deserialize)]
#[serde(untagged)]
enum Event {
    Wrong(chat::Wrong),
    Chunk { choices: Vec<Choice> },
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Message,
    finish_reason: Option<String>,
}

/// Whether an answer comes as events.
pub(crate) fn is_one(exchange: &http::Exchange) -> bool {
    exchange.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// Passes on what comes while it comes; whether the answer was cut off at the most tokens.
pub(crate) fn pass_on(lines: http::Lines, reply: &mut Reply) -> Result<bool> {
    let (mut apart, mut told) = (Apart::default(), Told::default());
    let ended = gather(lines, reply, &mut apart, &mut told);
    // What came before an error is said before it.
    apart.end(&mut told);
    told.say(reply)?;
    let finish = ended?.ok_or_else(|| Error::Unavailable("the answer of the model broke off".to_owned()))?;
    Ok(finish == chat::CUT_OFF)
}

/// Why the answer ended; none where it does not say.
fn gather(mut lines: http::Lines, reply: &mut Reply, apart: &mut Apart, told: &mut Told) -> Result<Option<String>> {
    let mut finish = None;
    loop {
        // What came at once is said at once, before more is waited for.
        if !lines.is_ready() {
            told.say(reply)?;
        }
        let Some(line) = lines.next().transpose()? else { return Ok(finish) };
        // Comments, and what else may be said of an event, are nothing here.
        let Some(data) = line.strip_prefix("data:").map(str::trim) else { continue };
        if data == DONE {
            return Ok(finish.or_else(|| Some(String::new())));
        }
        for choice in read(data)? {
            told.thought.push_str(choice.delta.thought());
            apart.push(&choice.delta.content.unwrap_or_default(), told);
            finish = choice.finish_reason.or(finish);
        }
    }
}

fn read(data: &str) -> Result<Vec<Choice>> {
    let event = serde_json::from_str(data);
    match event.map_err(|error| Error::Invalid(format!("the answer cannot be read: {error}")))? {
        Event::Wrong(wrong) => Err(Error::Failed(wrong.message())),
        Event::Chunk { choices } => Ok(choices),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is thought and said of an answer of these pieces, and how it ends.
    fn of(pieces: &[&str]) -> (String, String, Result<bool>) {
        let pieces: Vec<String> = pieces.iter().map(|&piece| piece.to_owned()).collect();
        let host = testing::Host::new().stream(move |_| Ok(testing::Streamed::new(200, pieces.clone()))).enter();
        let lines = http::get("").open().unwrap().lines();
        let end = pass_on(lines, &mut testing::reply());
        (host.thoughts(), host.reply(), end)
    }

    fn said(thought: &str, text: &str, end: Result<bool>) -> (String, String, Result<bool>) {
        (thought.to_owned(), text.to_owned(), end)
    }

    #[test]
    fn events_are_read_however_they_are_cut() {
        let events = [
            ": a comment\r\n\r\nevent: x\r\n",
            r#"data: {"choices":[{"delta":{"role":"assistant","content":null,"reasoning_content":"h"}}]}"#,
            "\n\n",
            r#"data:{"choices":[{"delta":{"reasoning":"m","content":""}}]}"#,
            "\n",
            r#"data: {"choices":[{"delta":{"content":"S"},"finish_reason":null}]}"#,
            "\n\n",
            r#"data: {"choices":[{"delta":{"content":"ö."},"finish_reason":"stop"}]}"#,
            "\n\n",
            r#"data: {"choices":[],"usage":{"total_tokens":3}}"#,
            "\n\ndata: [DONE]\n\ndata: never",
        ];
        assert_eq!(of(&events), said("hm", "Sö.", Ok(false)));
        let whole = events.concat();
        let letters: Vec<&str> = whole.split_inclusive(|_: char| true).collect();
        assert_eq!(of(&letters), said("hm", "Sö.", Ok(false)));
    }

    #[test]
    fn how_an_answer_ends_is_told() {
        let event = |content: &str, rest: &str| {
            format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{content}\"}}{rest}}}]}}\n\n")
        };
        let cut = event("<think>hm</think>So", r#","finish_reason":"length""#);
        assert_eq!(of(&[&cut]), said("hm", "So", Ok(true)), "also without a last event");
        let (_, text, end) = of(&[&event("So", "")]);
        assert!(text == "So" && matches!(end, Err(Error::Unavailable(_))), "{end:?}");
        let wrong = "data: {\"error\":{\"message\":\"out of memory\"}}\n\n";
        assert_eq!(of(&[&event("So", ""), wrong]), said("", "So", Err(Error::failed("out of memory"))));
        let at_once = event("So", "") + wrong;
        assert_eq!(of(&[&at_once]), said("", "So", Err(Error::failed("out of memory"))));
        assert!(matches!(of(&["data: x\n"]).2, Err(Error::Invalid(_))));
    }
}
