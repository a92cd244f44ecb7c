//! What a large message is, found out without building it: a list of empty texts takes many times its size in memory.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Larger messages must be files to write, whose content takes no more memory than it has bytes, in bytes.
pub(super) const MAX_STRUCTURED_BYTES: usize = 16 * 1024 * 1024;

/// Whether a message may be built.
pub(super) fn is_bearable(body: &[u8]) -> bool {
    body.len() <= MAX_STRUCTURED_BYTES || rmp_serde::from_slice::<Message>(body).is_ok()
}

/// [`coditect_protocol::call::ClientMessage`], as far as it may be large.
#[derive(Deserialize)]
enum Message {
    Call {
        #[serde(rename = "id")]
        _id: u32,
        #[serde(rename = "request")]
        _request: Request,
    },
}

#[derive(Deserialize)]
enum Request {
    WriteFile {
        #[serde(rename = "place")]
        _place: IgnoredAny,
        #[serde(rename = "content")]
        _content: IgnoredAny,
        #[serde(rename = "mode")]
        _mode: IgnoredAny,
    },
}

#[cfg(test)]
mod tests {
    use coditect_protocol::RelPath;
    use coditect_protocol::call::{self, ClientMessage};
    use coditect_protocol::files::{Place, Root, WriteMode};
    use coditect_protocol::search::FindFiles;

    use super::*;

    #[test]
    fn only_files_may_be_large() {
        let check = |request: call::Request, expected: bool| {
            let message = ClientMessage::Call { id: 1, request: Box::new(request) };
            let body = rmp_serde::to_vec_named(&message).unwrap();
            assert!(body.len() > MAX_STRUCTURED_BYTES);
            assert_eq!(is_bearable(&body), expected);
        };
        let place = Place { root: Root::Home, path: RelPath::parse("f").unwrap() };
        let content = vec![1; MAX_STRUCTURED_BYTES];
        check(call::Request::WriteFile { place, content, mode: WriteMode::Overwrite }, true);
        let query = FindFiles { pattern: "x".repeat(MAX_STRUCTURED_BYTES), ..FindFiles::default() };
        let workspace = coditect_protocol::WorkspaceId(uuid::Uuid::nil());
        check(call::Request::FindFiles { workspace, query }, false);
        assert!(!is_bearable(&vec![0xc1; MAX_STRUCTURED_BYTES + 1]));
        assert!(is_bearable(b"anything small"));
    }
}
