//! What filters of conversations see of a question: the texts of it, in order, and nothing else.

use coditect_protocol::chat::ChatMessage;
use coditect_protocol::plugin::{Said, SaidBy};

/// The texts that are put to a model. What a tool answered was read for the person, and counts as said by them.
pub(crate) fn texts(messages: &[ChatMessage]) -> Vec<Said> {
    let said = |message: &ChatMessage| match message {
        ChatMessage::System { text } => Said { by: SaidBy::System, text: text.clone() },
        ChatMessage::User { text, .. } | ChatMessage::Tool { text, .. } => {
            Said { by: SaidBy::User, text: text.clone() }
        }
        ChatMessage::Assistant { text, .. } => Said { by: SaidBy::Assistant, text: text.clone() },
    };
    messages.iter().map(said).collect()
}

/// Puts other texts in their places. As many as [`texts`] told, or nothing is changed; whether they were enough.
#[must_use]
pub(crate) fn put_back(messages: &mut [ChatMessage], texts: Vec<Said>) -> bool {
    if messages.len() != texts.len() {
        return false;
    }
    for (message, other) in messages.iter_mut().zip(texts) {
        match message {
            ChatMessage::System { text }
            | ChatMessage::User { text, .. }
            | ChatMessage::Assistant { text, .. }
            | ChatMessage::Tool { text, .. } => *text = other.text,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_seen_and_can_be_replaced() {
        let mut messages = vec![
            ChatMessage::System { text: "a".to_owned() },
            ChatMessage::User { text: "b".to_owned(), images: vec!["i".to_owned()] },
            ChatMessage::Assistant { text: "c".to_owned(), tool_calls: Vec::new() },
            ChatMessage::Tool { call_id: "1".to_owned(), text: "d".to_owned() },
        ];
        let said =
            |messages: &[ChatMessage]| texts(messages).into_iter().map(|said| said.text).collect::<Vec<_>>().concat();
        assert_eq!(said(&messages), "abcd");
        let others = |texts: &[&str]| {
            texts.iter().map(|&text| Said { by: SaidBy::User, text: text.to_owned() }).collect::<Vec<_>>()
        };
        assert!(!put_back(&mut messages, others(&["", "", ""])));
        assert_eq!(said(&messages), "abcd");
        assert!(put_back(&mut messages, others(&["A", "B", "C", "D"])));
        assert_eq!(said(&messages), "ABCD");
        assert!(matches!(&messages[1], ChatMessage::User { images, .. } if images.len() == 1));
    }
}
