use std::collections::BTreeMap;

use coditect_protocol::TerminalId;
use coditect_protocol::call::{ClientMessage, Item, Reply, Request, ServerMessage};
use coditect_protocol::files::{Place, Root, WriteMode};
use coditect_protocol::path::RelPath;
use coditect_protocol::problem::Coded;
use coditect_protocol::search::{FileMatches, SearchText};
use coditect_protocol::{LinkId, WorkspaceId};
use proptest::prelude::*;

use super::*;

/// The other end: takes frames in as a server does.
#[derive(Default)]
struct Server {
    session: Session,
    link: u128,
    max_calls: Option<u32>,
    messages: Vec<ClientMessage>,
}

impl Server {
    fn take(&mut self, frames: impl IntoIterator<Item = Bytes>) {
        for frame in frames {
            let Frame::Data { seq, body } = Frame::decode(&frame).unwrap() else { panic!("not data") };
            self.messages.extend(self.session.receive::<ClientMessage>(seq, &body).unwrap());
        }
    }

    fn welcome(&self, resumed: bool) -> Welcome {
        let link = LinkId(uuid::Uuid::from_u128(self.link));
        let server_version = "1".to_owned();
        let max_calls = self.max_calls;
        Welcome { link, resumed, received: self.session.received(), keep_ms: 1, max_calls, server_version }
    }

    /// Loses everything, as a restarted server.
    fn restart(&mut self) {
        *self = Self { link: self.link + 1, max_calls: self.max_calls, ..Self::default() };
    }

    fn say(&mut self, registry: &mut Registry, message: &ServerMessage) {
        let Frame::Data { seq, body } = Frame::decode(&self.session.send(message).unwrap()).unwrap() else { panic!() };
        registry.receive(seq, &body).unwrap();
    }

    fn item(&mut self, registry: &mut Registry, id: CallId, item: Item) {
        self.say(registry, &ServerMessage::Item { id, item });
    }

    fn calls(&self) -> Vec<CallId> {
        let id = |message: &ClientMessage| match message {
            ClientMessage::Call { id, .. } => Some(*id),
            _ => None,
        };
        self.messages.iter().filter_map(id).collect()
    }
}

fn online() -> (Registry, Server) {
    let (mut registry, mut server) = (Registry::default(), Server { link: 1, ..Server::default() });
    server.take(registry.welcomed(&server.welcome(false)).unwrap());
    (registry, server)
}

fn place() -> Place {
    Place { root: Root::Home, path: RelPath::root() }
}

fn read() -> Request {
    Request::ReadFile { place: place(), offset: 0, length: None }
}

fn delete() -> Request {
    Request::Delete { place: place(), recursive: false, trash: false }
}

fn write(bytes: usize) -> Request {
    Request::WriteFile { place: place(), content: vec![7; bytes], mode: WriteMode::Overwrite }
}

fn attach() -> Request {
    Request::AttachTerminal { terminal: TerminalId(uuid::Uuid::nil()), from: 0 }
}

fn search() -> Request {
    Request::SearchText { workspace: WorkspaceId(uuid::Uuid::nil()), query: SearchText::default() }
}

fn matches() -> Item {
    let found = FileMatches { path: RelPath::root(), etag: String::new(), matches: Vec::new(), context: Vec::new() };
    Item::Matches(vec![found])
}

fn events(receiver: &mut UnboundedReceiver<CallEvent>) -> Vec<String> {
    let mut seen = Vec::new();
    while let Ok(event) = receiver.try_recv() {
        seen.push(match event {
            CallEvent::Item { epoch, .. } => format!("item {epoch}"),
            CallEvent::Restarted => "restarted".to_owned(),
            CallEvent::End(Ok(_)) => "done".to_owned(),
            CallEvent::End(Err(error)) => error.problem().code,
        });
    }
    seen
}

#[test]
fn calls_wait_for_the_link_and_keep_their_order() {
    let (mut registry, mut server) = (Registry::default(), Server::default());
    let ids: Vec<CallId> = [read(), delete(), read()].map(|call| registry.start(call).unwrap().0).into();
    assert!(registry.pump().is_empty());
    server.take(registry.welcomed(&server.welcome(false)).unwrap());
    assert_eq!(server.calls(), ids);
    assert_eq!(registry.pending(), 3);
}

#[test]
fn answers_reach_the_caller() {
    let (mut registry, mut server) = online();
    let (id, mut answers) = registry.start(read()).unwrap();
    server.take(registry.pump());
    server.item(&mut registry, id, Item::Bytes(vec![1]));
    server.say(&mut registry, &ServerMessage::End { id, outcome: Ok(Reply::Done) });
    // A second end, or one of a call nobody made, is ignored.
    server.say(&mut registry, &ServerMessage::End { id, outcome: Ok(Reply::Done) });
    server.say(&mut registry, &ServerMessage::End { id: 999, outcome: Ok(Reply::Done) });
    assert_eq!(events(&mut answers), ["item 0", "done"]);
    assert_eq!(registry.pending(), 0);
}

#[test]
fn a_resumed_link_loses_nothing() {
    let (mut registry, mut server) = online();
    let (_, mut answers) = registry.start(delete()).unwrap();
    drop(registry.pump());
    registry.lost();
    let (_, _later) = registry.start(read()).unwrap();
    assert!(registry.pump().is_empty());
    assert_eq!(registry.hello(None).resume.unwrap().received, 0);
    server.take(registry.welcomed(&server.welcome(true)).unwrap());
    assert_eq!(server.calls().len(), 2);
    assert!(events(&mut answers).is_empty());
}

#[test]
fn a_new_link_repeats_only_what_is_safe() {
    let (mut registry, mut server) = online();
    let (_, mut deleted) = registry.start(delete()).unwrap();
    let (reading, mut read_events) = registry.start(read()).unwrap();
    server.take(registry.pump());
    server.item(&mut registry, reading, Item::Bytes(vec![1]));
    registry.lost();
    // Never sent, so it may go on even though it is not repeatable.
    let (waiting, mut waits) = registry.start(delete()).unwrap();
    server.restart();
    server.take(registry.welcomed(&server.welcome(false)).unwrap());
    assert_eq!(server.calls(), [reading, waiting]);
    assert_eq!(events(&mut deleted), ["link.interrupted"]);
    assert_eq!(events(&mut read_events), ["item 0", "restarted"]);
    assert!(events(&mut waits).is_empty());
    server.item(&mut registry, reading, Item::Bytes(vec![1]));
    assert_eq!(events(&mut read_events), ["item 1"]);
}

#[test]
fn a_server_that_claims_another_link_is_not_resumed() {
    let (mut registry, mut server) = online();
    let (_, mut deleted) = registry.start(delete()).unwrap();
    server.take(registry.pump());
    registry.lost();
    server.restart();
    assert!(registry.welcomed(&server.welcome(true)).unwrap().is_empty());
    assert_eq!(events(&mut deleted), ["link.interrupted"]);
}

#[test]
fn a_terminal_goes_on_where_it_was() {
    let (mut registry, mut server) = online();
    let (id, mut output) = registry.start(attach()).unwrap();
    server.take(registry.pump());
    server.item(&mut registry, id, Item::Output { offset: 100, data: vec![b'x'; 20] });
    registry.lost();
    server.restart();
    server.take(registry.welcomed(&server.welcome(false)).unwrap());
    let [ClientMessage::Call { request, .. }] = &server.messages[..] else { panic!() };
    assert!(matches!(**request, Request::AttachTerminal { from: 120, .. }), "{request:?}");
    assert_eq!(events(&mut output), ["item 0", "restarted"]);
    // It lasts, so it does not count as pending.
    assert_eq!(registry.pending(), 0);
}

#[test]
fn a_search_is_repeated_only_before_its_first_match() {
    let (mut registry, mut server) = online();
    let (_, mut silent) = registry.start(search()).unwrap();
    let (shown, mut showed) = registry.start(search()).unwrap();
    server.take(registry.pump());
    server.item(&mut registry, shown, matches());
    registry.lost();
    server.restart();
    server.take(registry.welcomed(&server.welcome(false)).unwrap());
    assert_eq!(server.calls().len(), 1);
    assert_eq!(events(&mut silent), ["restarted"]);
    assert_eq!(events(&mut showed), ["item 0", "link.interrupted"]);
}

#[test]
fn credit_is_granted_in_batches_and_never_to_a_later_life() {
    let (mut registry, mut server) = online();
    let (id, _events) = registry.start(read()).unwrap();
    server.take(registry.pump());
    assert!(registry.consumed(id, 0, CREDIT_BATCH_BYTES - 1).is_none());
    server.take(registry.consumed(id, 0, 1));
    assert_eq!(server.messages.last(), Some(&ClientMessage::Credit { id, bytes: CREDIT_BATCH_BYTES }));
    registry.lost();
    server.restart();
    server.take(registry.welcomed(&server.welcome(false)).unwrap());
    assert!(registry.consumed(id, 0, u32::MAX).is_none());
    assert!(registry.consumed(id, 1, CREDIT_BATCH_BYTES).is_some());
}

#[test]
fn cancelling_tells_the_server_only_what_it_knows() {
    let (mut registry, mut server) = online();
    let (sent, _a) = registry.start(read()).unwrap();
    server.take(registry.pump());
    registry.lost();
    let (waiting, _b) = registry.start(write(10)).unwrap();
    assert!(registry.cancel(waiting).is_none());
    assert_eq!(registry.queued_bytes, 0);
    // The frame goes with the resume.
    assert!(registry.cancel(sent).is_none());
    server.take(registry.welcomed(&server.welcome(true)).unwrap());
    assert_eq!(server.messages.last(), Some(&ClientMessage::Cancel { id: sent }));
    assert_eq!(server.calls(), [sent]);
    assert!(registry.cancel(sent).is_none());
}

#[test]
fn calls_wait_while_too_much_is_unacknowledged() {
    let (mut registry, mut server) = online();
    let big = DEFAULT_BUFFER_BYTES + 1;
    let (_, _a) = registry.start(write(big)).unwrap();
    let (_, _b) = registry.start(read()).unwrap();
    server.take(registry.pump());
    assert_eq!(server.calls().len(), 1);
    registry.acknowledged(1).unwrap();
    server.take(registry.pump());
    assert_eq!(server.calls().len(), 2);
}

#[test]
fn what_waits_is_bounded() {
    let mut registry = Registry::default();
    let mut kept = vec![registry.start(write(MAX_QUEUED_BYTES + 1)).unwrap()];
    assert_eq!(registry.start(write(1)).unwrap_err().code(), "link.busy");
    while registry.calls.len() < MAX_CALLS {
        kept.push(registry.start(read()).unwrap());
    }
    assert_eq!(registry.start(read()).unwrap_err().code(), "link.busy");
}

#[test]
fn no_more_calls_are_under_way_than_the_server_takes() {
    let (mut registry, mut server) = (Registry::default(), Server { max_calls: Some(2), ..Server::default() });
    let (_, _terminal) = registry.start(attach()).unwrap();
    let (first, _a) = registry.start(read()).unwrap();
    let (second, _b) = registry.start(read()).unwrap();
    server.take(registry.welcomed(&server.welcome(false)).unwrap());
    assert_eq!(server.calls().len(), 2);
    // Given up, it is under way all the same until the server says otherwise.
    server.take(registry.cancel(first));
    server.take(registry.pump());
    assert_eq!(server.calls().len(), 2);
    server.say(&mut registry, &ServerMessage::End { id: first, outcome: Ok(Reply::Done) });
    assert!(registry.is_waiting());
    server.take(registry.pump());
    assert_eq!(server.calls().last(), Some(&second));
    // A server that was started anew has none of them.
    registry.lost();
    server.restart();
    server.take(registry.welcomed(&server.welcome(false)).unwrap());
    assert_eq!(server.calls().len(), 2);
}

#[test]
fn calls_do_not_wait_for_what_never_ends() {
    let (mut registry, mut server) = (Registry::default(), Server { max_calls: Some(2), ..Server::default() });
    let _lasting = [attach(), attach(), read()].map(|call| registry.start(call).unwrap());
    server.take(registry.welcomed(&server.welcome(false)).unwrap());
    // The server refuses it, which says more than waiting for ever.
    assert_eq!(server.calls().len(), 3);
}

#[test]
fn a_call_that_is_too_large_ends_and_the_link_goes_on() {
    let (mut registry, mut server) = online();
    let query = SearchText { query: "x".repeat(MAX_STRUCTURED_BYTES), ..SearchText::default() };
    let (_, mut refused) =
        registry.start(Request::SearchText { workspace: WorkspaceId(uuid::Uuid::nil()), query }).unwrap();
    assert!(registry.pump().is_empty());
    assert_eq!(events(&mut refused), ["call.too_large"]);
    let (_, mut refused) = registry.start(write(MAX_MESSAGE_BYTES)).unwrap();
    assert!(registry.pump().is_empty());
    assert_eq!(events(&mut refused), ["call.too_large"]);
    assert_eq!((registry.queued_bytes, registry.pending()), (0, 0));
    // Files may be as large as a frame.
    let (_, mut taken) = registry.start(write(MAX_STRUCTURED_BYTES + 1)).unwrap();
    server.take(registry.pump());
    assert_eq!(server.calls().len(), 1);
    assert!(events(&mut taken).is_empty());
}

#[test]
fn a_hello_says_whose_page_it_is() {
    let user = UserId(uuid::Uuid::max());
    assert_eq!(Registry::default().hello(Some(user)).user, Some(user));
}

#[test]
fn closing_ends_every_call() {
    let (mut registry, mut server) = online();
    let (_, mut sent) = registry.start(read()).unwrap();
    server.take(registry.pump());
    registry.lost();
    let (_, mut waiting) = registry.start(read()).unwrap();
    registry.close(&ShellError::NotConnected);
    assert_eq!(events(&mut sent), ["link.not_connected"]);
    assert_eq!(events(&mut waiting), ["link.not_connected"]);
    assert_eq!((registry.hello(None).resume, registry.queued_bytes, registry.pending()), (None, 0, 0));
}

#[test]
fn a_message_that_cannot_be_read_is_an_error_not_a_panic() {
    let (mut registry, _) = online();
    assert!(matches!(registry.receive(1, &[0xc1]), Err(LinkError::Decode(_))));
    assert!(matches!(registry.receive(5, &[]), Err(LinkError::Gap { .. })));
    assert!(matches!(registry.acknowledged(1), Err(LinkError::AckBeyond { .. })));
}

/// What happens, seen from the page.
#[derive(Debug, Clone)]
enum Happens {
    Start,
    Break,
    Restart,
    /// The server answers this one of its calls.
    Answer(usize),
    Cancel(usize),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => Just(Happens::Start),
        1 => Just(Happens::Break),
        1 => Just(Happens::Restart),
        4 => any::<prop::sample::Index>().prop_map(|index| Happens::Answer(index.index(8))),
        1 => any::<prop::sample::Index>().prop_map(|index| Happens::Cancel(index.index(8))),
    ]
}

proptest! {
    /// Whatever breaks, each call ends exactly once: answered, cancelled or interrupted, and none is carried out twice that
    /// must not be.
    #[test]
    fn every_call_ends_once(story in prop::collection::vec(happens(), 0..80)) {
        let (mut registry, mut server) = online();
        let mut open: BTreeMap<CallId, UnboundedReceiver<CallEvent>> = BTreeMap::new();
        let mut carried_out: BTreeMap<CallId, u32> = BTreeMap::new();
        let mut seen = 0;
        for (step, what) in story.into_iter().enumerate() {
            match what {
                Happens::Start => {
                    let request = if step % 2 == 0 { delete() } else { read() };
                    let (id, receiver) = registry.start(request).unwrap();
                    open.insert(id, receiver);
                    server.take(registry.pump());
                }
                Happens::Break => {
                    registry.lost();
                    server.take(registry.welcomed(&server.welcome(true)).unwrap());
                }
                Happens::Restart => {
                    registry.lost();
                    server.restart();
                    seen = 0;
                    server.take(registry.welcomed(&server.welcome(false)).unwrap());
                }
                Happens::Answer(index) => if let Some(id) = server.calls().get(index).copied() {
                    server.say(&mut registry, &ServerMessage::End { id, outcome: Ok(Reply::Done) });
                },
                Happens::Cancel(index) => if let Some(id) = open.keys().nth(index).copied() {
                    open.remove(&id);
                    server.take(registry.cancel(id));
                },
            }
            for message in &server.messages[seen..] {
                if let ClientMessage::Call { id, request } = message
                    && !request.is_repeatable()
                {
                    let times = carried_out.entry(*id).or_default();
                    *times += 1;
                    prop_assert_eq!(*times, 1);
                }
            }
            seen = server.messages.len();
        }
        registry.close(&ShellError::NotConnected);
        for (_, mut receiver) in open {
            let ends = events(&mut receiver).iter().filter(|event| !event.starts_with("item") && *event != "restarted").count();
            prop_assert_eq!(ends, 1);
        }
    }
}
