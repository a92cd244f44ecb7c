//! The encodings in which text is replaced. What a file does not need to be told apart stays bytes.

use coditect_protocol::RelPath;

use crate::WorkspaceError;

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const LITTLE_ENDIAN_MARK: &[u8] = b"\xff\xfe";
const BIG_ENDIAN_MARK: &[u8] = b"\xfe\xff";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Encoding {
    /// UTF-8, or an encoding of single bytes that has ASCII in it.
    Bytes,
    MarkedUtf8,
    LittleEndian,
    BigEndian,
}

/// A file's content as the search sees it: as UTF-8, without a mark.
#[derive(Debug)]
pub(super) struct Text {
    encoding: Encoding,
    content: Vec<u8>,
}

impl Text {
    /// Refuses what is no text, or would not come out of [`Self::encode`] as it went in.
    pub(super) fn decode(bytes: Vec<u8>, path: &RelPath) -> Result<Self, WorkspaceError> {
        let wide = |rest: &[u8], read: fn([u8; 2]) -> u16| {
            let (pairs, odd) = rest.as_chunks::<2>();
            let text = odd.is_empty().then(|| char::decode_utf16(pairs.iter().map(|pair| read(*pair))));
            let text = text.and_then(|units| units.collect::<Result<String, _>>().ok());
            text.map(String::into_bytes).ok_or_else(|| WorkspaceError::ReplaceEncoding(path.clone()))
        };
        let (encoding, content) = if let Some(rest) = bytes.strip_prefix(LITTLE_ENDIAN_MARK) {
            (Encoding::LittleEndian, wide(rest, u16::from_le_bytes)?)
        } else if let Some(rest) = bytes.strip_prefix(BIG_ENDIAN_MARK) {
            (Encoding::BigEndian, wide(rest, u16::from_be_bytes)?)
        } else if let Some(rest) = bytes.strip_prefix(UTF8_MARK) {
            (Encoding::MarkedUtf8, rest.to_vec())
        } else {
            (Encoding::Bytes, bytes)
        };
        if content.contains(&0) {
            return Err(WorkspaceError::ReplaceBinary(path.clone()));
        }
        Ok(Self { encoding, content })
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    /// Whether letters other than those of ASCII can be put into it.
    pub(super) fn takes_any_letter(&self) -> bool {
        self.encoding != Encoding::Bytes || std::str::from_utf8(&self.content).is_ok()
    }

    /// New content in the encoding of this text.
    pub(super) fn encode(&self, content: Vec<u8>) -> Vec<u8> {
        let wide = |mark: &[u8], write: fn(u16) -> [u8; 2]| {
            let text = String::from_utf8_lossy(&content);
            mark.iter().copied().chain(text.encode_utf16().flat_map(write)).collect()
        };
        match self.encoding {
            Encoding::Bytes => content,
            Encoding::MarkedUtf8 => [UTF8_MARK, &content].concat(),
            Encoding::LittleEndian => wide(LITTLE_ENDIAN_MARK, u16::to_le_bytes),
            Encoding::BigEndian => wide(BIG_ENDIAN_MARK, u16::to_be_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coditect_protocol::Coded as _;

    #[test]
    fn comes_out_as_it_went_in() {
        let check = |bytes: &[u8], text: &[u8]| {
            let decoded = Text::decode(bytes.to_vec(), &RelPath::root()).unwrap();
            assert_eq!(decoded.content(), text);
            assert_eq!(decoded.encode(decoded.content().to_vec()), bytes);
        };
        check(b"", b"");
        check("ä\r\n".as_bytes(), "ä\r\n".as_bytes());
        check(b"\xe4 latin", b"\xe4 latin");
        check(b"\xef\xbb\xbfa", b"a");
        check(b"\xff\xfea\0=\xd8\0\xde", "a😀".as_bytes());
        check(b"\xfe\xff\0a", b"a");
    }

    #[test]
    fn refuses_what_would_be_damaged() {
        let code = |bytes: &[u8]| Text::decode(bytes.to_vec(), &RelPath::root()).unwrap_err().code();
        assert_eq!(code(b"a\0b"), "search.binary_file");
        assert_eq!(code(b"\xff\xfea"), "search.encoding");
        assert_eq!(code(b"\xff\xfe\0\xdc"), "search.encoding");
    }
}
