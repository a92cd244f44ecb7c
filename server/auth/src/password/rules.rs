//! Which passwords are too easy to guess.
//!
//! Length comes first; a list alone would not catch `Password1234!`. So a password is weighed: what stands in the list of
//! common words (also written with digits and signs for letters, or with shift held down), walks along the keyboard or the
//! alphabet, repeats, or is a year counts little, however long it is, and so do the person's own name and the service's; what
//! stands in the list of passwords from breaches counts a little more; everything else counts one for each character. No kind of
//! character is asked for and none is refused.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::AuthSettings;
use crate::login_name::LoginName;

use super::breached;
use super::hasher::normal;

/// Why a password was refused. Its text says what to do instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Weakness {
    /// Fewer characters than the operator asks for.
    #[error("This password is too short; take at least {min} characters.")]
    TooShort {
        /// Least number of characters.
        min: usize,
    },
    /// More characters than are taken.
    #[error("This password is too long; take at most {max} characters.")]
    TooLong {
        /// Largest number of characters.
        max: usize,
    },
    /// Contains the e-mail address or the name.
    #[error("This password contains your name or e-mail address; take one that has nothing to do with it.")]
    LikeLogin,
    /// The password that is to be changed.
    #[error("This is your present password; take another one.")]
    Same,
    /// Stands in the list of passwords from breaches, perhaps with something before or after it.
    #[error("This password stands in lists that attackers have; take several unrelated words instead.")]
    Breached,
    /// One character, a repeated piece, or a row of the keyboard.
    #[error("This password only repeats or counts; take one with more variety, such as several unrelated words.")]
    Repetitive,
    /// Made of the words and patterns that are tried first.
    #[error("This password is made of common words or patterns; take several unrelated words instead.")]
    Common,
}

/// From this many characters on, the name, or the part of an e-mail address before the @, may not appear anywhere in the password; a shorter one may
/// only not make up the password by itself.
const LOCAL_PART_MIN_CHARS: usize = 4;
/// Least weight of a password that is good enough.
const MIN_WEIGHT: usize = 8;
/// Weight of a common word, a run or a year.
const PIECE_WEIGHT: usize = 2;
/// Weight of what stands in the list from breaches: one of some 2¹⁶, as three random characters.
const BREACHED_WEIGHT: usize = 3;
/// Shortest part of a login that counts as a word, in characters.
const CONTEXT_MIN_CHARS: usize = 3;
/// Shortest run (`abc`, `123`, `qwe`, `aaa`) that counts as one piece.
const MIN_RUN_CHARS: usize = 3;
/// Only so much of a long password is weighed: with this many characters, what comes after changes nothing.
const WEIGHED_CHARS: usize = 96;

/// Rows that fingers walk along, in both directions.
const ROWS: [&str; 8] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop[]",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "!@#$%^&*()_+",
];

static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common.txt").split_whitespace().collect());
static LONGEST_COMMON: LazyLock<usize> = LazyLock::new(|| COMMON.iter().map(|word| word.len()).max().unwrap_or(0));

/// Checks a new password.
pub(crate) fn check(password: &str, login: &LoginName, settings: &AuthSettings) -> Result<(), Weakness> {
    let password = normal(password);
    let length = password.chars().count();
    if length < settings.password_min_chars {
        return Err(Weakness::TooShort { min: settings.password_min_chars });
    }
    if length > settings.password_max_chars {
        return Err(Weakness::TooLong { max: settings.password_max_chars });
    }
    let lower: Vec<char> = password.chars().take(WEIGHED_CHARS).map(lower).collect();
    if is_repetitive(&lower) || is_repetitive(&keys(&lower)) {
        return Err(Weakness::Repetitive);
    }
    if is_like_login(&lower, login) {
        return Err(Weakness::LikeLogin);
    }
    if is_breached(&lower) {
        return Err(Weakness::Breached);
    }
    if weight(&lower, login) < MIN_WEIGHT {
        return Err(Weakness::Common);
    }
    Ok(())
}

/// Whether it stands in the list from breaches, in any spelling, also without the few digits and signs around it.
fn is_breached(lower: &[char]) -> bool {
    spellings(lower).iter().any(|text| breached::contains(text) || breached::contains(without_ends(text)))
        || breached::contains(without_ends(lower))
}

/// A password without digits and signs at its ends, if they are less than half of it.
fn without_ends(text: &[char]) -> &[char] {
    let first = text.iter().position(|character| character.is_alphabetic()).unwrap_or(0);
    let last = text.iter().rposition(|character| character.is_alphabetic()).map_or(0, |last| last + 1);
    let middle = text.get(first..last).unwrap_or_default();
    if middle.len() * 2 > text.len() { middle } else { text }
}

fn lower(character: char) -> char {
    character.to_lowercase().next().unwrap_or(character)
}

/// The letter that a digit or sign stands for. `1` and `!` stand for two, of which `one` is taken.
fn letter(character: char, one: char) -> char {
    match character {
        '0' => 'o',
        '1' | '!' | '|' => one,
        '2' => 'z',
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '6' | '9' => 'g',
        '7' | '+' => 't',
        '8' => 'b',
        other => other,
    }
}

/// The key of a sign that needs shift (on the keyboard of the United States, which lists of passwords were mostly typed on).
fn unshifted(character: char) -> char {
    const SHIFTED: &str = "~!@#$%^&*()_+{}|:\"<>?";
    const PLAIN: &str = "`1234567890-=[]\\;',./";
    SHIFTED.chars().zip(PLAIN.chars()).find(|(shifted, _)| *shifted == character).map_or(character, |(_, plain)| plain)
}

/// The keys that were typed, without shift: `!qaz@wsx` is `1qaz2wsx`.
fn keys(lower: &[char]) -> Vec<char> {
    lower.iter().map(|&character| unshifted(character)).collect()
}

/// The spellings in which words are looked for; all as long as the password itself.
fn spellings(lower: &[char]) -> [Vec<char>; 4] {
    let with = |one| lower.iter().map(|&character| letter(character, one)).collect();
    [lower.to_vec(), with('i'), with('l'), keys(lower)]
}

fn is_like_login(lower: &[char], login: &LoginName) -> bool {
    let [text, ..] = spellings(lower).map(String::from_iter);
    if login.is_address() && text.contains(&login.key) {
        return true;
    }
    let plain = |text: &[char]| -> String { text.iter().filter(|character| character.is_alphanumeric()).collect() };
    let local: Vec<char> = login.local().chars().collect();
    // With and without the digits read as letters, and without the signs between: `Ada.L0velace` is `adalovelace`.
    spellings(lower).into_iter().zip(spellings(&local)).any(|(text, local)| {
        let (text, local) = (plain(&text), plain(&local));
        if local.len() >= LOCAL_PART_MIN_CHARS { text.contains(&local) } else { text == local }
    })
}

/// Parts of a login that count as common words: `ada`, `lovelace`, `example`.
fn context(login: &LoginName) -> HashSet<&str> {
    let parts = login.key.split(|character: char| !character.is_alphanumeric());
    parts.filter(|part| part.len() >= CONTEXT_MIN_CHARS).collect()
}

/// One character, a piece repeated to the end, or hardly any step that is not along a row.
fn is_repetitive(lower: &[char]) -> bool {
    let repeats =
        (1..=lower.len() / 2).any(|period| lower.iter().skip(period).eq(lower.iter().take(lower.len() - period)));
    let steps = lower.windows(2).filter(|pair| step(pair[0], pair[1]).is_some()).count();
    // An accidental pair is common, a password of nothing else is not: three steps in four.
    repeats || steps * 4 >= lower.len().saturating_sub(1) * 3
}

/// The direction of a step along a row of the keyboard or alphabet, or none.
fn step(from: char, to: char) -> Option<(usize, i8)> {
    if from == to {
        return Some((ROWS.len(), 0));
    }
    ROWS.iter().enumerate().find_map(|(row, keys)| {
        let pairs = || keys.chars().zip(keys.chars().skip(1));
        if pairs().any(|pair| pair == (from, to)) {
            Some((row, 1))
        } else if pairs().any(|pair| pair == (to, from)) {
            Some((row, -1))
        } else {
            None
        }
    })
}

/// The least weight over all ways to cut the password into pieces.
fn weight(lower: &[char], login: &LoginName) -> usize {
    let spellings = spellings(lower);
    let keys = keys(lower);
    let context = context(login);
    let longest = context.iter().map(|word| word.len()).max().unwrap_or(0).max(*LONGEST_COMMON);
    let mut least = vec![usize::MAX; lower.len() + 1];
    least[0] = 0;
    for start in 0..lower.len() {
        let so_far = least[start];
        let mut reach = |length: usize, weight: usize| {
            let end = start + length;
            least[end] = least[end].min(so_far + weight);
        };
        reach(1, 1);
        let run = run_length(&lower[start..]).max(run_length(&keys[start..]));
        for length in MIN_RUN_CHARS..=run {
            reach(length, PIECE_WEIGHT);
        }
        if is_year(&lower[start..]) {
            reach(4, PIECE_WEIGHT);
        }
        for spelling in &spellings {
            let mut word = String::new();
            for (count, character) in spelling[start..].iter().take(longest).enumerate() {
                word.push(*character);
                if COMMON.contains(word.as_str()) || context.contains(word.as_str()) {
                    reach(count + 1, PIECE_WEIGHT);
                }
            }
            for length in breached::prefixes(&spelling[start..]) {
                if length >= breached::MIN_CHARS {
                    reach(length, BREACHED_WEIGHT);
                }
            }
        }
    }
    least[lower.len()]
}

/// Length of the run that starts here: the same character, or one row in one direction.
fn run_length(text: &[char]) -> usize {
    let mut steps = text.windows(2).map(|pair| step(pair[0], pair[1]));
    match steps.next() {
        Some(Some(first)) => 2 + steps.take_while(|step| *step == Some(first)).count(),
        _ => text.len().min(1),
    }
}

fn is_year(text: &[char]) -> bool {
    matches!(text, ['1', '9', third, fourth, ..] | ['2', '0', third, fourth, ..]
        if third.is_ascii_digit() && fourth.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict(password: &str) -> Option<Weakness> {
        let login = LoginName::parse("Ada.Lovelace@example.org").unwrap();
        check(password, &login, &AuthSettings::default()).err()
    }

    #[test]
    fn the_list_is_large_sorted_and_clean() {
        let words: Vec<&str> = include_str!("common.txt").split_whitespace().collect();
        assert!(words.len() >= 500, "{}", words.len());
        assert!(words.is_sorted(), "keep the list sorted");
        assert_eq!(words.len(), COMMON.len(), "a word stands twice");
        for word in words {
            assert!(word.len() >= 3 && *word == *word.to_lowercase() && word.is_ascii(), "{word}");
        }
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(verdict("kV9#mQ2!xR7"), Some(Weakness::TooShort { min: 12 }));
        assert_eq!(verdict("kV9#mQ2!xR7z"), None);
        assert_eq!(verdict("ключиотдвери"), None);
        assert_eq!(verdict("ключиотдвер"), Some(Weakness::TooShort { min: 12 }));
        let long = "kV9#mQ2!".repeat(32);
        assert_eq!(verdict(&format!("{long}x")), Some(Weakness::TooLong { max: 256 }));
        assert_eq!(verdict(&"x".repeat(1 << 20)), Some(Weakness::TooLong { max: 256 }));
    }

    #[test]
    fn the_address_may_not_be_in_it() {
        for password in [
            "Ada.Lovelace-7k",
            "zz-adalovelace-zz",
            "my ada.lovelace@example.org",
            "4d4.L0v3l4ce!kq",
            "xADA_LOVELACEx9",
        ] {
            assert_eq!(verdict(password), Some(Weakness::LikeLogin), "{password}");
        }
        let short = LoginName::parse("al@example.org").unwrap();
        assert_eq!(check("medal of tin and lace", &short, &AuthSettings::default()), Ok(()));
    }

    #[test]
    fn what_repeats_or_counts_is_refused() {
        for password in [
            "aaaaaaaaaaaa",
            "abcdefghijkl",
            "lkjihgfedcba",
            "123456789012",
            "qwertyuiop[]",
            "abababababab",
            "Ab1!Ab1!Ab1!",
            "asdfghjklzxcvbnm",
            "111122223333",
            "............",
            "zyxwvutsrqponm",
        ] {
            assert_eq!(verdict(password), Some(Weakness::Repetitive), "{password}");
        }
    }

    #[test]
    fn what_is_tried_first_is_refused() {
        for password in [
            "Password1234",
            "Password1234!",
            "P@ssw0rd!2023#x",
            "Summer2024!!!!",
            "iloveyou123456",
            "admin@dmin2025",
            "1qaz2wsx3edc4rfv",
            "!qaz@wsx#edc",
            "!QAZ2wsx#EDC4rfv",
            "1@3$5^7*9)qwer",
            "!1@2#3$4%5^6",
            "qwerty123456789",
            "letmein!letmein",
            "Welcome2024!!",
            "CoditectAdmin1",
            "footballdragon1",
            "Passw0rdPassw0rd1",
            "monkey1234567",
            "princess123456",
            "q1w2e3r4t5y6",
            "baseball2020!",
            "superman12345",
            "trustno1trustno1x",
            "ChangeMe!2026",
            "passwort12345",
            "motdepasse1234",
            "contrasena123!",
            "1234567890qwerty",
            "starwars1977!!",
        ] {
            assert!(
                matches!(verdict(password), Some(Weakness::Common | Weakness::Repetitive | Weakness::Breached)),
                "{password}"
            );
        }
    }

    #[test]
    fn what_was_in_a_breach_is_refused_also_with_a_little_around_it() {
        for password in [
            "californication",
            "Californication",
            "C4lif0rnicati0n",
            "powerpuffgirls",
            "liverpool4life",
            "!!californication99",
            "chamillionaire1",
            "00fergalicious00",
        ] {
            assert_eq!(verdict(password), Some(Weakness::Breached), "{password}");
        }
        for password in ["chocolate2024!", "butterfly-99887", "x.liverpool.x", "lovelace-example7", "example-ada-1"] {
            assert!(matches!(verdict(password), Some(Weakness::Common | Weakness::Breached)), "{password}");
        }
    }

    #[test]
    fn what_looks_the_same_is_weighed_the_same() {
        assert_eq!(verdict("\u{ff43}\u{ff41}\u{ff4c}\u{ff49}fornication"), Some(Weakness::Breached));
        // Eleven characters, typed with twelve.
        assert_eq!(verdict("xkq\u{301} vbnwz\u{e9}j"), verdict("xkq\u{301} vbnwze\u{301}j"));
    }

    #[test]
    fn good_ones_are_taken() {
        for password in [
            "correct horse battery staple",
            "vF4#kLp9wQz!",
            "tin gravel orbit seven",
            "mein-Hund frisst 9 Socken",
            "xkcd-needs-more-entropy",
            "ab3de-fgh7j-kmnp2-qrs4t",
            "夏は夜月のころはさらなり闇",
            "This is the winter of our discontent",
            "8Trombones&aKite",
            "jumping over lazy fences",
        ] {
            assert_eq!(verdict(password), None, "{password}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(password in "\\PC{0,300}") {
            let _ = verdict(&password);
        }

        #[test]
        fn random_passwords_are_taken(bytes in proptest::array::uniform16(any::<u8>())) {
            // Base64 of 16 random bytes has 22 characters; that pieces make it light is as good as impossible.
            let password = crate::secret::encode(&bytes);
            let distinct = password.chars().collect::<HashSet<_>>().len();
            prop_assume!(distinct >= 10);
            prop_assert_eq!(verdict(&password), None);
        }
    }
}
