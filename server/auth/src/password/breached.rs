//! Passwords that attackers have, for they were in breaches before: `breached.fst`, of which `breached.md` tells the origin.
//!
//! The list is a finite state set over the bytes of the passwords in lower case, read where it lies in the program: nothing is
//! unpacked.

use std::sync::LazyLock;

use fst::Set;

/// Shortest password of the list, in characters.
pub(super) const MIN_CHARS: usize = 5;

static LIST: LazyLock<Option<Set<&'static [u8]>>> =
    LazyLock::new(|| Set::new(include_bytes!("breached.fst").as_slice()).ok());

/// Whether this stands in the list, in lower case.
pub(super) fn contains(text: &[char]) -> bool {
    prefixes(text).last() == Some(&text.len())
}

/// Lengths, in characters and ascending, of the beginnings of a text that stand in the list.
pub(super) fn prefixes(text: &[char]) -> Vec<usize> {
    let Some(list) = LIST.as_ref().map(Set::as_fst) else { return Vec::new() };
    let mut found = Vec::new();
    let mut node = list.root();
    for (count, character) in text.iter().enumerate() {
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            let Some(index) = node.find_input(byte) else { return found };
            node = list.node(node.transition_addr(index));
        }
        if node.is_final() {
            found.push(count + 1);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn the_list_is_whole_and_holds_what_it_should() {
        let list = LIST.as_ref().unwrap();
        list.as_fst().verify().unwrap();
        assert!(list.len() > 60_000, "{}", list.len());
        for password in ["password", "qwerty", "iloveyou", "1qaz2wsx3edc", "californication", "motherfucker"] {
            assert!(contains(&chars(password)), "{password}");
        }
        for other in ["", "pass", "gravel orbit", "passwordpasswordx", "Password", "\u{0}"] {
            assert!(!contains(&chars(other)), "{other}");
        }
        assert_eq!(prefixes(&chars("passwords!")).last(), Some(&9));
        assert!(prefixes(&chars("passwords!")).contains(&8));
    }
}
