//! Conversations over a store in memory.

use std::path::Path;

use coditect_store::Record as _;
use proptest::prelude::*;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::rows::Head;
use super::seal::Text;
use super::*;

/// How long a test waits for what must come.
const COMES_WITHIN: Duration = Duration::from_secs(20);

struct Server {
    history: History,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

fn server(store: &Store, master: &MasterKey) -> Server {
    let (history, stop) =
        (History::open(store.clone(), master.clone(), DEFAULT_HISTORY_DAYS), CancellationToken::new());
    let running = tokio::spawn(history.clone().run(stop.clone()));
    Server { history, stop, running }
}

async fn memory() -> Store {
    Store::open("memory:").await.unwrap()
}

async fn one_server() -> Server {
    server(&memory().await, &master(1))
}

fn master(byte: u8) -> MasterKey {
    MasterKey::from_bytes([byte; 32])
}

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn call() -> CallId {
    CallId(Uuid::now_v7())
}

fn kept(user: UserId, question: &str, answer: &str) -> Kept {
    Kept {
        user,
        id: call(),
        at_ms: now(),
        door: Door::Chat,
        model: "a/b".to_owned(),
        question: Bytes::copy_from_slice(question.as_bytes()),
        answer: Bytes::copy_from_slice(answer.as_bytes()),
    }
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(COMES_WITHIN, waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

impl Server {
    /// Keeps a conversation and waits until it is there.
    async fn keep(&self, kept: Kept) -> CallId {
        let (user, id) = (kept.user, kept.id);
        self.history.keep(kept);
        until("it was not kept", async || self.history.show(user, id).await.unwrap().is_some()).await;
        id
    }

    async fn listed(&self, user: UserId) -> Vec<CallId> {
        self.history.list(user, None, PAGE_MAX).await.unwrap().entries.iter().map(|entry| entry.id).collect()
    }

    async fn stop(self) {
        self.stop.cancel();
        timeout(COMES_WITHIN, self.running).await.unwrap().unwrap();
    }

    fn consent_of(&self, user: UserId) -> Uuid {
        self.history.0.consents.load()[&user]
    }

    /// Rows of all conversations, whosever they are.
    async fn rows(&self) -> Vec<KeyValue> {
        let root = coditect_store::Subspace::root("llm-history");
        let mut all = Vec::new();
        for part in ["head", "part"] {
            let range = &root.sub(&part).range();
            let store = self.history.0.table.store();
            all.extend(store.transact(|tx| async move { tx.range_all(range.clone()).await }).await.unwrap());
        }
        all
    }
}

#[tokio::test]
async fn conversations_are_kept_for_those_who_want_it_and_nobody_else() {
    let server = one_server().await;
    let (ada, bob) = (user(1), user(2));
    assert!(!server.history.terms(ada).await.unwrap().keeps_content && !server.history.consent(ada));
    server.history.keep(kept(ada, "before", "it was wanted"));
    server.history.set_consent(ada, true).await.unwrap();
    server.history.set_consent(ada, true).await.unwrap();
    assert!(server.history.terms(ada).await.unwrap().keeps_content && server.history.consent(ada));
    server.history.keep(kept(bob, "never", "wanted"));
    let asked = kept(ada, "what is 6 × 7?", "forty-two");
    let id = server.keep(asked.clone()).await;
    let item = server.history.show(ada, id).await.unwrap().unwrap();
    assert_eq!((item.question.as_str(), item.answer.as_str()), ("what is 6 × 7?", "forty-two"));
    assert_eq!(server.history.list(ada, None, 10).await.unwrap().entries, vec![item.entry.clone()]);
    assert_eq!((item.entry.at, item.entry.door, item.entry.bytes), (asked.at_ms, Door::Chat, 24));
    assert!(server.listed(bob).await.is_empty() && server.history.show(bob, id).await.unwrap().is_none());
    assert!(!format!("{item:?} {asked:?} {:?}", server.history).contains("forty"));
    server.history.delete(bob, id).await.unwrap();
    assert_eq!(server.listed(ada).await, [id], "nobody deletes another's");
    server.history.delete(ada, id).await.unwrap();
    server.history.delete(ada, id).await.unwrap();
    assert!(server.rows().await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn whoever_withdraws_the_consent_leaves_nothing_behind() {
    let store = memory().await;
    let [server, other] = [(); 2].map(|()| server(&store, &master(1)));
    let (ada, bob) = (user(1), user(2));
    for person in [ada, bob] {
        server.history.set_consent(person, true).await.unwrap();
        server.keep(kept(person, "q", "a")).await;
    }
    until("the other server never knew", async || other.history.consent(ada)).await;
    let consent = server.consent_of(ada);
    other.history.set_consent(ada, false).await.unwrap();
    assert!(!other.history.consent(ada) && !other.history.terms(ada).await.unwrap().keeps_content);
    assert_eq!(server.rows().await.len(), 3, "a head and two parts of the other's");
    // What was queued before is not written after it, nor after a new consent.
    let table = &server.history.0.table;
    table.put(&kept(ada, "late", "late"), consent, &master(1)).await.unwrap();
    assert!(server.listed(ada).await.is_empty());
    until("the first server never knew", async || !server.history.consent(ada)).await;
    server.history.set_consent(ada, true).await.unwrap();
    table.put(&kept(ada, "late", "late"), consent, &master(1)).await.unwrap();
    assert_eq!((server.listed(ada).await.len(), server.listed(bob).await.len()), (0, 1));
    assert_eq!(server.rows().await.len(), 3);
}

#[tokio::test]
async fn deleting_all_takes_what_still_waits_as_well() {
    let server = one_server().await;
    let ada = user(1);
    server.history.set_consent(ada, true).await.unwrap();
    server.keep(kept(ada, "q", "a")).await;
    let consent = server.consent_of(ada);
    server.history.delete_all(ada).await.unwrap();
    server.history.0.table.put(&kept(ada, "q", "a"), consent, &master(1)).await.unwrap();
    assert!(server.rows().await.is_empty());
    assert!(server.history.consent(ada), "the consent stays");
    let id = server.keep(kept(ada, "new", "")).await;
    assert_eq!(server.listed(ada).await, [id]);
    server.history.delete_all(user(2)).await.unwrap();
    assert!(!server.history.consent(user(2)));
}

#[tokio::test]
async fn pages_go_from_the_latest_to_the_first() {
    let server = one_server().await;
    let ada = user(1);
    server.history.set_consent(ada, true).await.unwrap();
    let mut expected = Vec::new();
    for n in 0..7 {
        expected.insert(0, server.keep(kept(ada, &n.to_string(), "")).await);
    }
    let (mut cursor, mut found, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = server.history.list(ada, cursor, 3).await.unwrap();
        found.extend(page.entries.iter().map(|entry| entry.id));
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((found, pages), (expected, 3));
}

#[tokio::test]
async fn long_conversations_come_back_in_whole_or_with_a_mark() {
    let server = one_server().await;
    let ada = user(1);
    server.history.set_consent(ada, true).await.unwrap();
    let (question, answer) = ("ä".repeat(400_000), "b".repeat(300_001));
    let id = server.keep(kept(ada, &question, &answer)).await;
    let item = server.history.show(ada, id).await.unwrap().unwrap();
    assert!(item.question == question && item.answer == answer && item.entry.bytes == 1_100_001);
    let id = server.keep(kept(ada, &"q".repeat(5 << 20), "short")).await;
    let item = server.history.show(ada, id).await.unwrap().unwrap();
    assert!(item.question.ends_with("[cut here: 5242880 bytes in all]") && item.answer == "short");
    assert_eq!(item.entry.bytes, MAX_CONVERSATION_BYTES as u64);
}

#[tokio::test]
async fn nothing_of_it_can_be_read_or_moved_in_the_store() {
    let server = one_server().await;
    let (ada, eve) = (user(1), user(2));
    for person in [ada, eve] {
        server.history.set_consent(person, true).await.unwrap();
    }
    let id = server.keep(kept(ada, &format!("my secret{}", "q".repeat(100_000)), "an answer")).await;
    for row in server.rows().await {
        assert!(![&b"my secret"[..], b"an answer"].iter().any(|word| row.value.windows(9).any(|part| part == *word)));
    }
    let table = &server.history.0.table;
    let stored = table.get(ada, id).await.unwrap().unwrap();
    let (place, key) = (stored.head.place(ada, id), stored.consent.open(ada, &master(1)).unwrap());
    let parts: Vec<&[u8]> = stored.parts.iter().map(|part| &part[..]).collect();
    assert_eq!(parts.len(), 3);
    place.open(&key, parts.iter().copied()).await.unwrap();
    let moved = [
        ("a part is gone", place, vec![parts[0], parts[1]]),
        ("the order is another", place, vec![parts[1], parts[0], parts[2]]),
        ("it is another's", seal::Place { user: eve, ..place }, parts.clone()),
        ("it is another call", seal::Place { id: call(), ..place }, parts.clone()),
        ("the border is moved", seal::Place { question_bytes: 9, answer_bytes: 100_009, ..place }, parts.clone()),
    ];
    for (what, place, parts) in moved {
        assert_eq!(place.open(&key, parts.into_iter()).await, Err(StoreError::SealBroken), "{what}");
    }
    // Each person has a key of their own, which opens in their row alone.
    assert_eq!(stored.consent.open(eve, &master(1)).unwrap_err(), StoreError::SealBroken);
}

#[tokio::test]
async fn a_new_master_key_seals_peoples_keys_again() {
    let store = memory().await;
    let ada = user(1);
    let before = server(&store, &master(1));
    before.history.set_consent(ada, true).await.unwrap();
    let id = before.keep(kept(ada, "q", "a")).await;
    before.stop().await;
    let both = MasterKey::parse(format!("{}{}", *master(2).reveal(), *master(1).reveal()).as_bytes()).unwrap();
    let between = server(&store, &both);
    let table = &between.history.0.table;
    until("it was not sealed again", async || {
        let (rows, _) = table.consents(None).await.unwrap();
        rows.iter().all(|row| !both.is_outdated(&table.decode_consent(row).unwrap().1.key))
    })
    .await;
    between.stop().await;
    let alone = server(&store, &master(2));
    assert_eq!(alone.history.show(ada, id).await.unwrap().unwrap().answer, "a");
    until("the consent is gone", async || alone.history.consent(ada)).await;
    alone.keep(kept(ada, "q", "a")).await;
}

#[tokio::test]
async fn what_has_no_room_is_dropped_and_counted() {
    let store = memory().await;
    let ada = user(1);
    // It knows who wants it, and does not write yet.
    let history = History::open(store.clone(), master(1), DEFAULT_HISTORY_DAYS);
    history.0.table.consent(ada, &master(1)).await.unwrap();
    history.read_consents().await.unwrap();
    let long = Bytes::from(vec![b'q'; 8 << 20]);
    for _ in 0..10 {
        history.keep(Kept { question: long.clone(), ..kept(ada, "", "a") });
    }
    assert_eq!(history.dropped(), 3, "seven times 8 MiB, with what each counts beside, fill 64 MiB");
    history.keep(kept(user(2), "not", "wanted"));
    assert_eq!(history.dropped(), 3);
    let stop = CancellationToken::new();
    let running = tokio::spawn(history.clone().run(stop.clone()));
    until("the queue was not written", async || history.list(ada, None, 20).await.unwrap().entries.len() == 7).await;
    // At most those that are written at once hold room now.
    history.keep(Kept { question: long, ..kept(ada, "", "a") });
    assert_eq!(history.dropped(), 3);
    stop.cancel();
    running.await.unwrap();
    assert_eq!(history.list(ada, None, 20).await.unwrap().entries.len(), 8);
    history.keep(kept(ada, "after", "the stop"));
    assert_eq!(history.dropped(), 4);
}

#[tokio::test]
async fn what_waits_is_written_before_the_stop() {
    let store = memory().await;
    let running = server(&store, &master(1));
    let ada = user(1);
    running.history.set_consent(ada, true).await.unwrap();
    for n in 0..100 {
        running.history.keep(kept(ada, &n.to_string(), "a"));
    }
    let history = running.history.clone();
    running.stop().await;
    assert_eq!(history.list(ada, None, PAGE_MAX).await.unwrap().entries.len(), 100);
    assert_eq!(history.dropped(), 0);
}

#[tokio::test]
async fn what_is_old_or_too_much_is_deleted() {
    let server = one_server().await;
    let (ada, bob) = (user(1), user(2));
    for person in [ada, bob] {
        server.history.set_consent(person, true).await.unwrap();
    }
    let now = now();
    let days_ago = |days: u64| now - days * DAY_MS;
    let aged = |days: u64| Kept { at_ms: days_ago(days), ..kept(ada, "q", "a") };
    for days in [40, 31] {
        server.keep(aged(days)).await;
    }
    let young = [server.keep(aged(29)).await, server.keep(aged(0)).await];
    let large = server.keep(kept(bob, "q", "a")).await;
    server.history.sweep(now).await.unwrap();
    assert_eq!(server.listed(ada).await, [young[1], young[0]]);
    assert_eq!(server.rows().await.len(), 9, "a head and two parts of each of three");
    // As if much had been written since.
    let heads = coditect_store::Subspace::root("llm-history").sub(&"head").sub(&bob.0);
    let (first, then) = (call(), call());
    let head = &Head {
        at: now,
        door: Door::Ide,
        model: "a/b".to_owned(),
        question_bytes: MAX_BYTES_OF_A_PERSON / 2,
        answer_bytes: 0,
    };
    for id in [first, then] {
        let key = &heads.pack(&id.0);
        server.history.0.table.store().transact(|tx| async move { tx.set_record(key, head) }).await.unwrap();
    }
    assert_eq!(server.listed(bob).await, [then, first, large]);
    server.history.sweep(now).await.unwrap();
    assert_eq!(server.listed(bob).await, [then, first]);
    assert_eq!(server.listed(ada).await.len(), 2);
}

#[tokio::test]
async fn a_broken_consent_holds_up_nobody_else() {
    let server = one_server().await;
    let ada = user(1);
    server.history.set_consent(ada, true).await.unwrap();
    let key = &coditect_store::Subspace::root("llm-history").sub(&"consent").pack(&Uuid::nil());
    server.history.0.table.store().transact(|tx| async move { tx.set(key, [1, 2]) }).await.unwrap();
    server.history.read_consents().await.unwrap();
    assert!(server.history.consent(ada) && !server.history.consent(UserId(Uuid::nil())));
}

#[test]
fn the_forms_of_rows_are_written_down() {
    let forms = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms");
    let consent = Consent { id: Uuid::from_u128(1), since: 1_700_000_000_000, key: vec![1, 2, 250] };
    coditect_store::check_form(&forms, "history_consent", &consent).unwrap();
    let model = "a/b".to_owned();
    let head = Head { at: 1_700_000_000_001, door: Door::Gemini, model, question_bytes: 7, answer_bytes: 8 };
    coditect_store::check_form(&forms, "history_head", &head).unwrap();
    assert!(Consent::decode(&consent.encode().unwrap()).unwrap() == consent);
}

proptest! {
    #[test]
    fn whatever_was_said_comes_back(question: Vec<u8>, answer: Vec<u8>) {
        let text = Text::new(&question, &answer);
        let place = seal::Place {
            user: user(1),
            id: CallId(Uuid::from_u128(2)),
            question_bytes: text.question_bytes(),
            answer_bytes: text.answer_bytes(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let sealed = runtime.block_on(place.seal(&master(1), text.parts())).unwrap();
        let opened = runtime.block_on(place.open(&master(1), sealed.iter().map(|part| &part[..]))).unwrap();
        prop_assert_eq!(opened.0, String::from_utf8_lossy(&question));
        prop_assert_eq!(opened.1, String::from_utf8_lossy(&answer));
    }
}
