//! Questions to the sandbox's name server and its answers, as bytes (RFC 1035, 6891, 8914).

use std::net::Ipv4Addr;

/// How long an answer may be remembered, in seconds. An address keeps its name for longer.
const TTL_SECONDS: u32 = 60;
/// Bytes of the header of a message.
const HEADER_BYTES: usize = 12;
/// Most bytes of a name as it stands in a message.
const MAX_NAME_BYTES: usize = 255;
/// Largest datagram that is said to be taken, in bytes.
const DATAGRAM_BYTES: u16 = 1232;

const TYPE_A: u16 = 1;
const TYPE_PTR: u16 = 12;
const TYPE_OPT: u16 = 41;
const CLASS_IN: u16 = 1;
const CLASS_ANY: u16 = 255;

const IS_ANSWER: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const RECURSION_DESIRED: u16 = 0x0100;
const RECURSION_AVAILABLE: u16 = 0x0080;
/// Place of the first name of a message, as a reference to it.
const FIRST_NAME: u16 = 0xc00c;
/// Option with which an answer says more about why it is one of failure, and its value "Prohibited".
const EXTENDED_ERROR: u16 = 15;
const PROHIBITED: u16 = 18;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// The IPv4 address of a name.
    Address(String),
    /// The name of an IPv4 address.
    Name(Ipv4Addr),
    /// Something else about a name.
    Other(String),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// This address.
    Address(Ipv4Addr),
    /// This name.
    Name(String),
    /// There is such a name, but not what was asked about it.
    Nothing,
    /// There is no such name.
    NoSuchName,
    /// There is none here, because it may not be reached.
    Prohibited,
    /// It cannot be said at the moment.
    Failed,
}

impl Reply {
    const fn code(&self) -> u16 {
        match self {
            Self::Address(_) | Self::Name(_) | Self::Nothing => 0,
            Self::Failed => 2,
            Self::NoSuchName | Self::Prohibited => 3,
        }
    }
}

/// A message that asks something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query<'a> {
    id: u16,
    flags: u16,
    /// The question as it stands in the message, to be repeated in the answer.
    raw: &'a [u8],
    extended: bool,
    pub(super) question: Question,
}

/// What a message is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// One that is answered.
    Query(Query<'a>),
    /// One that is answered with this and nothing else.
    Malformed([u8; HEADER_BYTES]),
    /// None that is answered.
    Ignored,
}

/// Understands a message.
pub(super) fn parse(bytes: &[u8]) -> Message<'_> {
    const FORMAT_ERROR: u16 = 1;
    const NOT_IMPLEMENTED: u16 = 4;
    let (Some(id), Some(flags)) = (word(bytes, 0), word(bytes, 2)) else { return Message::Ignored };
    if flags & IS_ANSWER != 0 || bytes.len() < HEADER_BYTES {
        return Message::Ignored;
    }
    if flags & OPCODE != 0 {
        return Message::Malformed(header(id, flags, NOT_IMPLEMENTED, [0; 4]));
    }
    match parse_query(bytes, id, flags) {
        Some(query) => Message::Query(query),
        None => Message::Malformed(header(id, flags, FORMAT_ERROR, [0; 4])),
    }
}

fn parse_query(bytes: &[u8], id: u16, flags: u16) -> Option<Query<'_>> {
    let [questions, answers, authorities, additional] = [4, 6, 8, 10].map(|at| word(bytes, at));
    if (questions, answers, authorities) != (Some(1), Some(0), Some(0)) {
        return None;
    }
    let (name, end) = parse_name(bytes, HEADER_BYTES)?;
    let (kind, class) = (word(bytes, end)?, word(bytes, end + 2)?);
    let raw = bytes.get(HEADER_BYTES..end + 4)?;
    // What follows is one record that belongs to the root and says what the asker understands.
    let extended = additional? > 0 && bytes.get(end + 4) == Some(&0) && word(bytes, end + 5) == Some(TYPE_OPT);
    let question = match kind {
        _ if class != CLASS_IN && class != CLASS_ANY => Question::Other(name),
        TYPE_A => Question::Address(name),
        TYPE_PTR => reverse(&name).map_or(Question::Other(name), Question::Name),
        _ => Question::Other(name),
    };
    Some(Query { id, flags, raw, extended, question })
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A name in its usual form, and where it ends. References have no place in a question.
fn parse_name(bytes: &[u8], start: usize) -> Option<(String, usize)> {
    let (mut name, mut at) = (String::new(), start);
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        let label = bytes.get(at..at + length).filter(|_| length < 64 && at + length - start < MAX_NAME_BYTES)?;
        at += length;
        if !name.is_empty() {
            name.push('.');
        }
        // Whatever is no letter of a name becomes one that is in no name: it must not become a different name.
        name.extend(
            label.iter().map(|byte| if byte.is_ascii_graphic() && *byte != b'.' { char::from(*byte) } else { '?' }),
        );
    }
}

/// The address in a name of the tree of addresses.
fn reverse(name: &str) -> Option<Ipv4Addr> {
    let octets = name.to_ascii_lowercase();
    let octets: Vec<u8> =
        octets.strip_suffix(".in-addr.arpa")?.split('.').map(|octet| octet.parse().ok()).collect::<Option<_>>()?;
    let [d, c, b, a]: [u8; 4] = octets.try_into().ok()?;
    Some(Ipv4Addr::new(a, b, c, d))
}

fn header(id: u16, flags: u16, code: u16, counts: [u16; 4]) -> [u8; HEADER_BYTES] {
    let flags = IS_ANSWER | (flags & (OPCODE | RECURSION_DESIRED)) | RECURSION_AVAILABLE | code;
    let mut bytes = [0; HEADER_BYTES];
    let words = [id, flags].into_iter().chain(counts);
    for (room, value) in bytes.chunks_exact_mut(2).zip(words) {
        room.copy_from_slice(&value.to_be_bytes());
    }
    bytes
}

/// The bytes of an answer.
pub(super) fn answer(query: &Query<'_>, reply: &Reply) -> Vec<u8> {
    let record = match reply {
        Reply::Address(address) => Some((TYPE_A, address.octets().to_vec())),
        Reply::Name(name) => Some((TYPE_PTR, name_bytes(name))),
        _ => None,
    };
    let counts = [1, u16::from(record.is_some()), 0, u16::from(query.extended)];
    let mut bytes = header(query.id, query.flags, reply.code(), counts).to_vec();
    bytes.extend_from_slice(query.raw);
    if let Some((kind, data)) = record {
        for value in [FIRST_NAME, kind, CLASS_IN] {
            bytes.extend_from_slice(&value.to_be_bytes());
        }
        bytes.extend_from_slice(&TTL_SECONDS.to_be_bytes());
        bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&data);
    }
    if query.extended {
        let options: &[u16] = if *reply == Reply::Prohibited { &[EXTENDED_ERROR, 2, PROHIBITED] } else { &[] };
        bytes.push(0);
        let fixed = [TYPE_OPT, DATAGRAM_BYTES, 0, 0, (options.len() * 2) as u16];
        for value in fixed.iter().chain(options) {
            bytes.extend_from_slice(&value.to_be_bytes());
        }
    }
    bytes
}

fn name_bytes(name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(name: &str, kind: u16, extended: bool) -> Vec<u8> {
        let mut bytes = vec![0xab, 0xcd, 1, 0x20, 0, 1, 0, 0, 0, 0, 0, u8::from(extended)];
        bytes.extend(name_bytes(name));
        bytes.extend([0, kind as u8, 0, 1]);
        if extended {
            bytes.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        }
        bytes
    }

    fn parsed(bytes: &[u8]) -> Query<'_> {
        match parse(bytes) {
            Message::Query(query) => query,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn questions_are_understood() {
        assert_eq!(
            parsed(&query("Git.example.org", 1, false)).question,
            Question::Address("Git.example.org".to_owned())
        );
        assert_eq!(parsed(&query("a.org", 28, true)).question, Question::Other("a.org".to_owned()));
        let address = Ipv4Addr::new(198, 18, 1, 2);
        assert_eq!(parsed(&query("2.1.18.198.IN-ADDR.arpa", 12, false)).question, Question::Name(address));
        let name = "300.1.18.198.in-addr.arpa";
        assert_eq!(parsed(&query(name, 12, false)).question, Question::Other(name.to_owned()));
    }

    #[test]
    fn a_dot_within_a_label_makes_no_other_name() {
        let mut bytes = query("a.b", 1, false);
        bytes.splice(12..17, [5, b'x', b'.', b'o', b'r', b'g', 0]);
        assert_eq!(parsed(&bytes).question, Question::Address("x?org".to_owned()));
    }

    #[test]
    fn answers_repeat_the_question_and_add_what_was_asked() {
        let bytes = query("a.org", 1, false);
        let answer = answer(&parsed(&bytes), &Reply::Address(Ipv4Addr::new(198, 18, 1, 2)));
        assert_eq!(answer[..12], [0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        assert_eq!(answer[12..bytes.len()], bytes[12..]);
        assert_eq!(answer[bytes.len()..], [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 18, 1, 2]);
    }

    #[test]
    fn a_prohibited_name_is_none_and_says_why() {
        let bytes = query("a.org", 1, true);
        let answer = answer(&parsed(&bytes), &Reply::Prohibited);
        assert_eq!(answer[2..12], [0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 1]);
        assert!(answer.ends_with(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 6, 0, 15, 0, 2, 0, 18]));
    }

    #[test]
    fn what_is_no_question_is_refused_or_ignored() {
        let good = query("a.org", 1, false);
        assert_eq!(parse(&good[..11]), Message::Ignored);
        let changed = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            bytes
        };
        assert_eq!(parse(&changed(2, 0x81)), Message::Ignored, "answers are not answered");
        for (at, value, code) in [(2, 0x28, 4), (5, 2, 1), (7, 1, 1), (12, 0xc0, 1), (12, 63, 1)] {
            let bytes = changed(at, value);
            let Message::Malformed(answer) = parse(&bytes) else { panic!("byte {at}") };
            assert_eq!((answer[0], answer[3] & 15), (0xab, code), "byte {at}");
        }
        let long = vec!["a".repeat(60); 5].join(".");
        assert!(matches!(parse(&query(&long, 1, false)), Message::Malformed(_)));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..20, value: u8) {
            let mut near = query("some.name.org", 1, true);
            near[at] = value;
            for bytes in [&bytes, &near] {
                if let Message::Query(query) = parse(bytes) {
                    prop_assert!(answer(&query, &Reply::Prohibited).len() <= bytes.len() + 64);
                }
            }
        }
    }
}
