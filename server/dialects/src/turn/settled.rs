//! A conversation in which every call of a tool is answered right after it, as all upstreams demand.

use std::collections::{HashMap, VecDeque};

use super::{CallKind, Message, Outcome, Part, Role, Turn};

/// Stands where nothing was said, which not all upstreams allow.
pub(crate) const NOTHING: &str = "(empty)";
/// Stands for what a tool never answered.
const NO_RESULT: &str = "[no result]";

impl Turn {
    /// The messages, where nobody says what only others can; where those that one side says one after another are one; where whatever answers the calls of a message comes
    /// next, first and in the order of the calls; where what was never answered has an answer that says so; and where an answer
    /// without its call is a text. There is at least one.
    pub(crate) fn settled(&self) -> Vec<Message> {
        let merged = merged(&self.messages);
        let mut settled: Vec<Message> = Vec::with_capacity(merged.len());
        let mut stretch: Vec<Message> = Vec::new();
        let mut called: Vec<(String, CallKind)> = Vec::new();
        for message in merged {
            if message.role == Role::Assistant {
                settled.extend(answered(&called, std::mem::take(&mut stretch)));
                called = calls(&message);
                settled.push(message);
            } else {
                stretch.push(message);
            }
        }
        settled.extend(answered(&called, stretch));
        if settled.is_empty() {
            settled.push(Message { role: Role::User, parts: vec![Part::text(NOTHING)] });
        }
        settled
    }
}

fn merged(messages: &[Message]) -> Vec<Message> {
    let mut merged: Vec<Message> = Vec::with_capacity(messages.len());
    for message in messages {
        let role = message.role;
        let parts = message.parts.iter().filter(|part| can_say(role, part)).cloned();
        match merged.last_mut() {
            Some(last) if last.role == role && role != Role::System => last.parts.extend(parts),
            _ => merged.push(Message { role, parts: parts.collect() }),
        }
    }
    merged
}

/// Whether a part stands in a message of this role. What stands elsewhere, no upstream takes.
fn can_say(role: Role, part: &Part) -> bool {
    match part {
        Part::Text { .. } => true,
        Part::Image(_) | Part::Document { .. } | Part::Outcome(_) => role == Role::User,
        Part::Thought { .. } | Part::Redacted(_) | Part::Call(_) => role == Role::Assistant,
    }
}

fn calls(message: &Message) -> Vec<(String, CallKind)> {
    let calls = message.parts.iter().filter_map(|part| match part {
        Part::Call(call) => Some((call.id.clone(), call.kind)),
        _ => None,
    });
    calls.collect()
}

/// What stands between two messages of the model, the first of which called these.
fn answered(called: &[(String, CallKind)], mut stretch: Vec<Message>) -> Vec<Message> {
    // How many calls have an identifier, and what answers them.
    let mut given: HashMap<&str, (usize, VecDeque<Outcome>)> = HashMap::new();
    for (id, _) in called {
        given.entry(id).or_default().0 += 1;
    }
    for message in &mut stretch {
        let parts = std::mem::take(&mut message.parts);
        for part in parts {
            match part {
                Part::Outcome(outcome) => match given.get_mut(outcome.id.as_str()) {
                    Some((calls, outcomes)) if outcomes.len() < *calls => outcomes.push_back(outcome),
                    _ => message.parts.extend(outcome.parts),
                },
                other => message.parts.push(other),
            }
        }
    }
    stretch.retain(|message| !message.parts.is_empty());
    if called.is_empty() {
        return stretch;
    }
    let outcomes = called.iter().map(|(id, kind)| {
        let told = given.get_mut(id.as_str()).and_then(|(_, outcomes)| outcomes.pop_front());
        let nothing =
            || Outcome { id: id.clone(), name: None, parts: vec![Part::text(NO_RESULT)], is_error: true, kind: *kind };
        Part::Outcome(told.unwrap_or_else(nothing))
    });
    let mut outcomes: Vec<Part> = outcomes.collect();
    match stretch.first_mut() {
        Some(first) if first.role == Role::User => {
            outcomes.append(&mut first.parts);
            first.parts = outcomes;
        }
        _ => stretch.insert(0, Message { role: Role::User, parts: outcomes }),
    }
    stretch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::Call;

    fn call(id: &str) -> Part {
        let (id, name, arguments) = (id.to_owned(), "f".to_owned(), "{}".to_owned());
        Part::Call(Call { id, name, arguments, kind: CallKind::Function, signature: None })
    }

    fn outcome(id: &str, text: &str) -> Part {
        let parts = vec![Part::text(text)];
        Part::Outcome(Outcome { id: id.to_owned(), name: None, parts, is_error: false, kind: CallKind::Function })
    }

    fn said(role: Role, parts: &[Part]) -> Message {
        Message { role, parts: parts.to_vec() }
    }

    fn settled(messages: Vec<Message>) -> Vec<Message> {
        let settled = Turn { messages, ..Turn::default() }.settled();
        let again = Turn { messages: settled.clone(), ..Turn::default() }.settled();
        assert_eq!(again, settled);
        settled
    }

    #[test]
    fn outcomes_follow_their_calls() {
        let (system, user, model) = (Role::System, Role::User, Role::Assistant);
        let got = settled(vec![
            said(user, &[outcome("0", "nobody asked")]),
            said(model, &[call("1")]),
            said(model, &[call("2"), call("3")]),
            said(system, &[Part::text("be quick")]),
            said(user, &[Part::text("well?"), outcome("3", "c")]),
            said(user, &[outcome("1", "a"), outcome("1", "twice")]),
        ]);
        let Part::Outcome(missing) = &got[2].parts[1] else { panic!("no outcome") };
        assert!(missing.is_error && missing.id == "2");
        let missing = Part::Outcome(missing.clone());
        let expected = [
            said(user, &[Part::text("nobody asked")]),
            said(model, &[call("1"), call("2"), call("3")]),
            said(user, &[outcome("1", "a"), missing, outcome("3", "c")]),
            said(system, &[Part::text("be quick")]),
            said(user, &[Part::text("well?"), Part::text("twice")]),
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn nobody_says_what_only_others_can() {
        let got =
            settled(vec![said(Role::System, &[call("1")]), said(Role::User, &[call("2")]), said(Role::Assistant, &[])]);
        assert_eq!(got, [said(Role::Assistant, &[])]);
        let nothing = settled(vec![said(Role::User, &[call("2")])]);
        assert_eq!(nothing, [said(Role::User, &[Part::text(NOTHING)])]);
    }

    #[test]
    fn one_identifier_for_two_calls() {
        let got = settled(vec![
            said(Role::User, &[Part::text("go")]),
            said(Role::Assistant, &[call("x"), call("x")]),
            said(Role::User, &[outcome("x", "first"), outcome("x", "second")]),
            said(Role::Assistant, &[call("y")]),
        ]);
        assert_eq!(got[2].parts, [outcome("x", "first"), outcome("x", "second")]);
        assert!(matches!(&got[4].parts[..], [Part::Outcome(Outcome { is_error: true, .. })]));
    }
}
