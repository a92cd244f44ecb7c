//! One tree for everything that comes in, from MessagePack or from JavaScript, and from it the typed value. Pure.
//!
//! The detour makes the module small: a format's reader is compiled once, for [`Value`], and not anew for each of the protocol's
//! types; what is compiled for each is this file's short way from the tree. For the same reason errors here say what was expected
//! but do not show what was found, which also keeps secrets out of them.

use std::fmt;
use std::vec::IntoIter;

use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};

/// Most room that is made on the word of a sender, in elements; more comes as they arrive.
const MAX_TRUSTED_LENGTH: usize = 1024;

/// What a message consists of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Nothing.
    Nil,
    /// A truth.
    Bool(bool),
    /// An integer from 0 on.
    Unsigned(u64),
    /// An integer.
    Signed(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A sequence.
    List(Vec<Self>),
    /// Keys and values in their order.
    Map(Vec<(Self, Self)>),
}

/// Why a tree is not the wanted value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ReadError(String);

impl serde::de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::wanted(expected)
    }
    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::wanted(expected)
    }
    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::wanted(expected)
    }
    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self("unknown variant".to_owned())
    }
    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self("unknown field".to_owned())
    }
    fn missing_field(field: &'static str) -> Self {
        Self(["missing field `", field, "`"].concat())
    }
}

impl ReadError {
    fn wanted(expected: &dyn Expected) -> Self {
        Self(format!("expected {expected}"))
    }
}

impl Value {
    /// The typed value.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T, ReadError> {
        T::deserialize(self)
    }

    fn unsigned(&self) -> Option<u64> {
        match *self {
            Self::Unsigned(value) => Some(value),
            Self::Signed(value) => u64::try_from(value).ok(),
            _ => None,
        }
    }

    fn signed(&self) -> Option<i64> {
        match *self {
            Self::Unsigned(value) => i64::try_from(value).ok(),
            Self::Signed(value) => Some(value),
            _ => None,
        }
    }

    fn float(&self) -> Option<f64> {
        match *self {
            Self::Unsigned(value) => Some(value as f64),
            Self::Signed(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            _ => None,
        }
    }

    /// The name and the content of an enum's variant.
    fn variant(self) -> Option<(String, Self)> {
        match self {
            Self::Text(name) => Some((name, Self::Nil)),
            Self::Map(mut map) if map.len() == 1 => match map.pop() {
                Some((Self::Text(name), content)) => Some((name, content)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Builder)
    }
}

struct Builder;

impl<'de> Visitor<'de> for Builder {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
    /// An extension of MessagePack; the protocol has none.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<Value, D::Error> {
        Ok(Value::Nil)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Unsigned(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Signed(value))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }
    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(value.to_owned()))
    }
    fn visit_byte_buf<E>(self, value: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::with_capacity(access.size_hint().unwrap_or_default().min(MAX_TRUSTED_LENGTH));
        while let Some(value) = access.next_element()? {
            list.push(value);
        }
        Ok(Value::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Vec::with_capacity(access.size_hint().unwrap_or_default().min(MAX_TRUSTED_LENGTH));
        while let Some(entry) = access.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}

struct List(IntoIter<Value>);

impl<'de> SeqAccess<'de> for List {
    type Error = ReadError;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        self.0.next().map(|value| seed.deserialize(value)).transpose()
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Map {
    entries: IntoIter<(Value, Value)>,
    /// Content of the key that was read last.
    content: Value,
}

impl<'de> MapAccess<'de> for Map {
    type Error = ReadError;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some((key, content)) = self.entries.next() else { return Ok(None) };
        self.content = content;
        seed.deserialize(key).map(Some)
    }
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        seed.deserialize(std::mem::replace(&mut self.content, Value::Nil))
    }
}

macro_rules! numbers {
    ($($read:ident => $visit:ident: $($name:ident)+;)+) => {$($(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            match self.$read() {
                Some(value) => visitor.$visit(value),
                None => Err(ReadError::wanted(&visitor)),
            }
        }
    )+)+};
}

macro_rules! same {
    ($($name:ident($($argument:ty),*) as $other:ident;)+) => {$(
        fn $name<V: Visitor<'de>>(self, $(_: $argument,)* visitor: V) -> Result<V::Value, ReadError> {
            self.$other(visitor)
        }
    )+};
}

/// Each method serves what its type takes and refuses the rest; only `deserialize_any` serves all.
impl<'de> Deserializer<'de> for Value {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Nil => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Unsigned(value) => visitor.visit_u64(value),
            Self::Signed(value) => visitor.visit_i64(value),
            Self::Float(value) => visitor.visit_f64(value),
            Self::Text(value) => visitor.visit_string(value),
            Self::Bytes(value) => visitor.visit_byte_buf(value),
            list @ Self::List(_) => list.deserialize_seq(visitor),
            map @ Self::Map(_) => map.deserialize_map(visitor),
        }
    }

    numbers! {
        unsigned => visit_u64: deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64;
        signed => visit_i64: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64;
        float => visit_f64: deserialize_f32 deserialize_f64;
    }

    same! {
        deserialize_char() as deserialize_string;
        deserialize_byte_buf() as deserialize_bytes;
        deserialize_unit_struct(&'static str) as deserialize_unit;
        deserialize_tuple(usize) as deserialize_seq;
        deserialize_tuple_struct(&'static str, usize) as deserialize_seq;
        deserialize_struct(&'static str, &'static [&'static str]) as deserialize_map;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Bool(value) => visitor.visit_bool(value),
            _ => Err(ReadError::wanted(&visitor)),
        }
    }

    /// Identifiers of things are text in JavaScript and bytes in MessagePack.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Text(value) => visitor.visit_str(&value),
            Self::Bytes(value) => visitor.visit_bytes(&value),
            _ => Err(ReadError::wanted(&visitor)),
        }
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Text(value) => visitor.visit_string(value),
            _ => Err(ReadError::wanted(&visitor)),
        }
    }
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Text(value) => visitor.visit_str(&value),
            _ => Err(ReadError::wanted(&visitor)),
        }
    }
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Bytes(value) => visitor.visit_byte_buf(value),
            _ => Err(ReadError::wanted(&visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Nil => visitor.visit_none(),
            other => visitor.visit_some(other),
        }
    }
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Nil => visitor.visit_unit(),
            _ => Err(ReadError::wanted(&visitor)),
        }
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::List(list) => visitor.visit_seq(List(list.into_iter())),
            _ => Err(ReadError::wanted(&visitor)),
        }
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::Map(map) => visitor.visit_map(Map { entries: map.into_iter(), content: Self::Nil }),
            _ => Err(ReadError::wanted(&visitor)),
        }
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.variant() {
            Some((name, content)) => visitor.visit_enum(Variant { name: Self::Text(name), content }),
            None => Err(ReadError::wanted(&visitor)),
        }
    }
}

struct Variant {
    name: Value,
    content: Value,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = ReadError;
    type Variant = Value;
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Value), ReadError> {
        Ok((seed.deserialize(self.name)?, self.content))
    }
}

impl<'de> VariantAccess<'de> for Value {
    type Error = ReadError;
    fn unit_variant(self) -> Result<(), ReadError> {
        match self {
            Self::Nil => Ok(()),
            _ => Err(ReadError::custom("this variant has no content")),
        }
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        seed.deserialize(self)
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }
    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coditect_protocol::auth::Credentials;
    use coditect_protocol::call::{Item, Reply, ServerMessage};
    use coditect_protocol::chat::{ChatDelta, ChatEnd, ChatRequest, ModelInfo, ModelList, StopReason, ToolCall, Usage};
    use coditect_protocol::files::{ChangeKind, FileChange, FileKind, FileStat, FolderEntry, FolderListing, WriteMode};
    use coditect_protocol::problem::{Kind, Problem};
    use coditect_protocol::search::{FileMatches, FindFiles, SearchSummary, TextMatch};
    use coditect_protocol::terminal::{TerminalExit, TerminalInfo};
    use coditect_protocol::workspace::{CreateWorkspace, Workspace, WorkspaceRole, WorkspaceSource, WorkspaceState};
    use coditect_protocol::{RelPath, TerminalId, WorkspaceId};
    use proptest::prelude::*;

    fn from_wire(bytes: &[u8]) -> ServerMessage {
        let mut session = coditect_protocol::link::Session::new();
        session.receive::<Value>(1, bytes).unwrap().unwrap().read().unwrap()
    }

    fn to_wire(message: &ServerMessage) -> Vec<u8> {
        let frame = coditect_protocol::link::Session::new().send(message).unwrap();
        frame[9..].to_vec()
    }

    fn path(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    fn items() -> Vec<Item> {
        let found = TextMatch { line: 1, column: 2, length: 3, text: "ä".into(), text_column: 4 };
        let call = ToolCall { id: "1".into(), name: "n".into(), arguments: "{}".into() };
        vec![
            Item::Bytes(vec![0, 255, 7]),
            Item::Bytes(Vec::new()),
            Item::Changes(vec![FileChange { kind: ChangeKind::Deleted, path: path("a/b"), from: None }]),
            Item::Rescan,
            Item::Matches(vec![FileMatches {
                path: path("f"),
                etag: String::new(),
                matches: vec![found],
                context: Vec::new(),
            }]),
            Item::Output { offset: u64::MAX, data: vec![27] },
            Item::Delta(ChatDelta::Text { text: "hello".into() }),
            Item::Delta(ChatDelta::ToolCall(call)),
        ]
    }

    fn replies() -> Vec<Reply> {
        let uuid = uuid::Uuid::from_u128(0x0123_4567_89ab_cdef);
        let stat = FileStat {
            kind: FileKind::BrokenLink,
            is_link: true,
            size: 1 << 40,
            modified: 1,
            created: 2,
            etag: "e".into(),
            writable: false,
            permissions: 0o644,
            link_target: None,
        };
        let entry = FolderEntry { name: "n".into(), kind: FileKind::File, is_link: false, size: 0, modified: 300 };
        let exit = TerminalExit { code: Some(-1), signal: None, cause: None };
        let terminal = TerminalInfo {
            id: TerminalId(uuid),
            number: 1,
            title: String::new(),
            renamed: false,
            program: "sh".into(),
            args: vec!["-l".into()],
            profile: "bash".into(),
            pid: 70_000,
            started_at: 1_700_000_000_000,
            workspace_folder: "/workspace".into(),
            home_folder: "/home/coditect".into(),
            cols: 80,
            rows: 24,
            exit: Some(exit),
        };
        let workspace = |state| Workspace {
            id: WorkspaceId(uuid),
            name: "w".into(),
            folder: "w".into(),
            source: WorkspaceSource::Git { url: "https://x".into() },
            state,
            created_at: 1,
            opened_at: 2,
            role: WorkspaceRole::Write,
            owner: "Ada".into(),
            members: 1,
        };
        let model = ModelInfo {
            id: "u/m".into(),
            name: "m".into(),
            upstream: "u".into(),
            context_tokens: Some(131_072),
            loaded: None,
        };
        vec![
            Reply::Done,
            Reply::Stat(stat),
            Reply::Folder(FolderListing { entries: vec![entry], more: true }),
            Reply::Paths { paths: vec!["a".into()], limit_reached: true },
            Reply::Searched(SearchSummary { files_searched: 1, matches: 2, limit_reached: false }),
            Reply::Terminals(vec![terminal]),
            Reply::TerminalEnded(exit),
            Reply::Workspace(workspace(WorkspaceState::Ready)),
            Reply::Workspace(workspace(WorkspaceState::Creating { step: "s".into(), percent: Some(3) })),
            Reply::Models(ModelList { models: vec![model], upstreams: Vec::new(), advice: None }),
            Reply::ChatEnded(ChatEnd { reason: StopReason::ToolCalls, usage: Some(Usage::default()) }),
        ]
    }

    #[test]
    fn reads_every_message_of_the_server() {
        let outcomes = replies().into_iter().map(Ok).chain([Err(Problem::new(Kind::TooLarge, "a.b", "c"))]);
        let ends = outcomes.map(|outcome| ServerMessage::End { id: 1, outcome });
        let items = items().into_iter().map(|item| ServerMessage::Item { id: u32::MAX, item });
        for message in ends.chain(items) {
            assert_eq!(from_wire(&to_wire(&message)), message);
        }
    }

    fn object(entries: &[(&str, Value)]) -> Value {
        Value::Map(entries.iter().map(|(key, value)| (text(key), value.clone())).collect())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    /// As `serde_wasm_bindgen` hands JavaScript's objects over: integers signed, `undefined` as nothing.
    #[test]
    fn reads_what_javascript_hands_over() {
        let replace = object(&[("type", text("replace")), ("etag", text("e"))]);
        assert_eq!(replace.read::<WriteMode>().unwrap(), WriteMode::Replace("e".into()));
        let overwrite = object(&[("type", text("overwrite"))]);
        assert_eq!(overwrite.read::<WriteMode>().unwrap(), WriteMode::Overwrite);
        let query = object(&[("pattern", text("p")), ("limit", Value::Signed(5)), ("unknown", Value::Nil)]);
        let expected = FindFiles { pattern: "p".into(), limit: 5, ..FindFiles::default() };
        assert_eq!(query.read::<FindFiles>().unwrap(), expected);
        let message = object(&[("role", text("user")), ("text", text("t")), ("images", Value::List(Vec::new()))]);
        let chat = object(&[
            ("model", text("m")),
            ("messages", Value::List(vec![message])),
            ("max_tokens", Value::Nil),
            ("temperature", Value::Signed(1)),
        ]);
        let chat = chat.read::<ChatRequest>().unwrap();
        assert_eq!((chat.messages.len(), chat.max_tokens, chat.temperature), (1, None, Some(1.0)));
        let create = object(&[("source", object(&[("type", text("empty"))]))]);
        assert_eq!(create.read::<CreateWorkspace>().unwrap().source, WorkspaceSource::Empty);
        let id = "00000000-0000-0000-0000-000000000007";
        assert_eq!(text(id).read::<WorkspaceId>().unwrap().0.as_u128(), 7);
    }

    #[test]
    fn refuses_what_does_not_fit_and_tells_no_secret() {
        assert!(object(&[("limit", Value::Signed(-1))]).read::<FindFiles>().is_err());
        assert!(object(&[("folder", text("../x"))]).read::<FindFiles>().is_err());
        assert!(text("nothing").read::<FileKind>().is_err());
        assert!(Value::Map(Vec::new()).read::<FileKind>().is_err());
        let error = text("hunter2").read::<Credentials>().unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut session = coditect_protocol::link::Session::new();
            if let Ok(Some(value)) = session.receive::<Value>(1, &bytes) {
                let _ = value.read::<ServerMessage>();
            }
        }
    }
}
