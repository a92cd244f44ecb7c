//! What a message from a page will take in memory, found out without building it: a list of empty texts takes many times its size.

use coditect_protocol::link::MAX_STRUCTURED_BYTES;
use coditect_protocol::shape::count_values;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Most values of one message: texts, numbers, lists and what is in them. The longest conversation has fewer.
pub(super) const MAX_VALUES: usize = 200_000;
/// What one value takes at most beside its own bytes, in bytes: its place in a list, and once more while it is sorted out.
const VALUE_BYTES: usize = 64;

/// Bytes that a message takes once it is built; nothing for one that must not be built. What is larger than
/// [`MAX_STRUCTURED_BYTES`] must be a file to write, whose content takes no more memory than it has bytes.
pub(super) fn weight(body: &[u8]) -> Option<usize> {
    let values = count_values(body, MAX_VALUES);
    let bearable =
        values <= MAX_VALUES && (body.len() <= MAX_STRUCTURED_BYTES || rmp_serde::from_slice::<Message>(body).is_ok());
    bearable.then(|| body.len().saturating_add(values * VALUE_BYTES))
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

    fn find(query: FindFiles) -> Vec<u8> {
        let workspace = coditect_protocol::WorkspaceId(uuid::Uuid::nil());
        encoded(call::Request::FindFiles { workspace, query })
    }

    fn encoded(request: call::Request) -> Vec<u8> {
        rmp_serde::to_vec_named(&ClientMessage::Call { id: 1, request: Box::new(request) }).unwrap()
    }

    #[test]
    fn only_files_may_be_large() {
        let place = Place { root: Root::Home, path: RelPath::parse("f").unwrap() };
        let content = vec![1; MAX_STRUCTURED_BYTES];
        let file = encoded(call::Request::WriteFile { place, content, mode: WriteMode::Overwrite });
        let weight_of_file = weight(&file).unwrap();
        assert!((file.len()..file.len() + 10_000).contains(&weight_of_file), "{weight_of_file}");
        let search = find(FindFiles { pattern: "x".repeat(MAX_STRUCTURED_BYTES), ..FindFiles::default() });
        assert_eq!(weight(&search), None);
        assert_eq!(weight(&vec![0xc1; MAX_STRUCTURED_BYTES + 1]), None);
        assert!(weight(b"anything small").is_some());
    }

    #[test]
    fn lists_weigh_what_they_take_in_memory() {
        let with = |count: usize| find(FindFiles { include: vec![String::new(); count], ..FindFiles::default() });
        let (none, some) = (weight(&with(0)).unwrap(), weight(&with(1000)).unwrap());
        assert!(some - none >= 1000 * size_of::<String>(), "{none} {some}");
        assert_eq!(weight(&with(MAX_VALUES)), None);
        // Whatever comes before the data break off was built by then.
        let mut cut = with(MAX_VALUES);
        cut.pop();
        assert_eq!(weight(&cut), None);
        assert_eq!(weight(&[0x91; MAX_VALUES + 2]), None);
    }
}
