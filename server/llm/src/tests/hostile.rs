//! Whatever comes in, from either side: nothing panics or hangs, every call that was sent is recorded once, and what is said here is
//! in the words of whoever asked.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tokio::runtime::Builder;

use super::words::*;
use super::*;
use crate::{Events, ResponsesSession};

/// What hides in places where it means something.
const PIECES: [&[u8]; 16] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\\",
    b"null",
    b"1e999",
    b"-1",
    b"\n\n",
    b"\r\ndata: ",
    b"event: error\n",
    b"\xff\xfe",
    b"\\ud800",
    b"\"data\":",
    b"data: [DONE]\n\n",
];

/// Something done to bytes at a place.
#[derive(Debug, Clone)]
enum Edit {
    Flip(Index, u8),
    Drop(Index, usize),
    Repeat(Index, usize),
    Insert(Index, &'static [u8]),
    Cut(Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, by)| Edit::Flip(at, by)),
        3 => (any::<Index>(), 1..64_usize).prop_map(|(at, count)| Edit::Drop(at, count)),
        2 => (any::<Index>(), 1..200_usize).prop_map(|(at, count)| Edit::Repeat(at, count)),
        4 => (any::<Index>(), select(&PIECES[..])).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        1 => any::<Index>().prop_map(Edit::Cut),
    ]
}

fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        let place = |at: &Index| at.index(bytes.len() + 1);
        match edit {
            Edit::Flip(at, by) => {
                let at = place(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= by;
                }
            }
            Edit::Drop(at, count) => {
                let at = place(at);
                bytes.drain(at..(at + count).min(bytes.len()));
            }
            Edit::Repeat(at, count) => {
                let at = place(at);
                let some = bytes[at..(at + count).min(bytes.len())].to_vec();
                bytes.splice(at..at, some);
            }
            Edit::Insert(at, piece) => {
                let at = place(at);
                bytes.splice(at..at, piece.iter().copied());
            }
            Edit::Cut(at) => bytes.truncate(place(at)),
        }
    }
    bytes
}

fn run(test: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(Box::pin(test));
}

/// Every event of a stream, and every answer at once, is JSON.
fn speaks(answered: &Answered, what: &str) {
    let text = answered.text();
    let kind = answered.header("content-type");
    if kind.starts_with("text/event-stream") {
        for data in text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim) {
            let is_json = serde_json::from_str::<Value>(data).is_ok();
            assert!(is_json || data == "[DONE]", "{what}: {data}");
        }
    } else {
        assert!(serde_json::from_str::<Value>(&text).is_ok(), "{what}: {text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn upstreams(
        door in select(&Dialect::ALL[..]), upstream in select(&Dialect::ALL[..]), stream in any::<bool>(),
        edits in vec(edit(), 1..4), size in 1..400_usize, breaks in any::<bool>(), status in select(&[200_u16, 200, 200, 400, 503][..]),
    ) {
        run(async move {
            let words = &["one ", "gr\u{fc}n", " three"];
            let genuine = if stream { streamed(upstream, words).concat() } else { whole(upstream, "one").to_string().into() };
            let said = edited(genuine, &edits);
            let kind = if stream { "text/event-stream" } else { "application/json" };
            let chunks: Vec<Bytes> = said.chunks(size).map(Bytes::copy_from_slice).collect();
            let script = Script::start(move |_, guard| {
                let mut response =
                    if breaks { broken(chunks.clone()) } else { events(stream::iter(chunks.clone()), guard) };
                response.headers_mut().insert("content-type", kind.parse().unwrap());
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                std::future::ready(response)
            })
            .await;
            let house = house(vec![script.speaking(upstream)]).await;
            house.policy(plenty()).await;
            let what = format!("{door:?} from {upstream:?}: {}", String::from_utf8_lossy(&said));
            let answered = house.converse(asking(door, stream)).await;
            assert!(answered.status == 200 || answered.status >= 400, "{what}: {answered:?}");
            // What is passed on is the upstream's own.
            if door != upstream {
                speaks(&answered, &what);
            }
            house.close().await.only();
        });
    }

    #[test]
    fn clients(door in select(&Dialect::ALL[..]), upstream in select(&Dialect::ALL[..]), stream in any::<bool>(), edits in vec(edit(), 1..4)) {
        run(async move {
            let script = good(upstream, &["one"]).await;
            let house = house(vec![script.speaking(upstream)]).await;
            house.policy(plenty()).await;
            let mut asked = asking(door, stream);
            asked.call.body = edited(asked.call.body.to_vec(), &edits).into();
            let what = format!("{door:?} to {upstream:?}: {}", String::from_utf8_lossy(&asked.call.body));
            let answered = house.converse(asked).await;
            assert!(answered.status == 200 || answered.status >= 400, "{what}: {answered:?}");
            speaks(&answered, &what);
            let calls = house.close().await.calls;
            let is_question = |seen: &&Seen| seen.path != "/v1/models" && !seen.path.starts_with("/v1/models?");
            let asked = script.seen().iter().filter(is_question).count();
            assert!(calls.len() <= 1 && asked <= calls.len(), "{what}: {calls:?}");
        });
    }

    #[test]
    fn lists_of_models(edits in vec(edit(), 1..4)) {
        run(async move {
            let list = json!({ "object": "list", "data": [
                { "id": "org/a", "owned_by": "organization_owner", "max_model_len": 4096, "state": "loaded", "type": "llm" },
                { "id": "b", "owned_by": "library", "capabilities": ["completion"] },
            ] });
            let script = Script::always(200, &[("content-type", "application/json")], edited(list.to_string().into_bytes(), &edits)).await;
            let house = script.house().await;
            let list = house.list(true).await;
            assert_eq!(list.upstreams.len(), 1);
            assert!(list.models.iter().all(|model| model.upstream == "u" && model.id.starts_with("u/")), "{list:?}");
        });
    }

    #[test]
    fn sockets(edits in vec(edit(), 1..4)) {
        struct Counted(usize);
        impl Events for Counted {
            fn send(&mut self, event: String) -> impl Future<Output = bool> + Send {
                assert!(serde_json::from_str::<Value>(&event).is_ok_and(|event| event.is_object()), "{event}");
                self.0 += 1;
                std::future::ready(true)
            }
        }
        run(async move {
            let script = good(Dialect::Responses, &["one"]).await;
            let house = house(vec![script.speaking(Dialect::Responses)]).await;
            let message = json!({
                "type": "response.create", "model": "u/m", "stream_id": "a", "generate": true, "previous_response_id": null,
                "input": [{ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hello" }] }],
            });
            let message = edited(message.to_string().into_bytes(), &edits);
            let message = String::from_utf8_lossy(&message);
            let mut session = ResponsesSession::new(house.gateway.clone(), HeaderMap::new());
            let mut events = Counted(0);
            let answering = session.message(asker(), &message, &mut events);
            tokio::time::timeout(PATIENCE, answering).await.expect("it hangs");
            assert!(events.0 > 0, "somebody waits for an answer");
        });
    }
}
