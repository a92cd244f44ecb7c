//! Keys over a store in memory, with one server or two.

use std::collections::HashMap;
use std::path::Path;

use coditect_store::Record as _;
use tokio::time::{advance, pause, sleep, timeout};
use tokio_util::sync::DropGuard;

use super::*;

const UPSTREAMS: &[&str] = &["openai", "mistral"];

/// How long a test waits for what must come.
const COMES_WITHIN: Duration = Duration::from_secs(20);

/// A server that runs until it is dropped.
struct Server {
    keys: ModelKeys,
    _stop: DropGuard,
}

fn server(store: &Store, master: &MasterKey) -> Server {
    let (keys, stop) = (ModelKeys::open(store.clone(), master.clone()), CancellationToken::new());
    tokio::spawn(keys.clone().run(stop.clone()));
    Server { keys, _stop: stop.drop_guard() }
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

/// Master keys of which the first seals.
fn masters(bytes: &[u8]) -> MasterKey {
    let file: String = bytes.iter().map(|byte| master(*byte).reveal().to_string()).collect();
    MasterKey::parse(file.as_bytes()).unwrap()
}

fn new(key: &str, weight: u32) -> NewModelKey {
    let (upstream, name) = ("openai".to_owned(), format!("of {weight}"));
    NewModelKey { upstream, name, key: key.to_owned(), weight, owner: None }
}

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn team(n: u128) -> TeamId {
    TeamId(Uuid::from_u128(n))
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
    async fn add(&self, owner: KeyOwner, key: &str, weight: u32) -> ModelKeyId {
        self.keys.add(owner, new(key, weight), UPSTREAMS).await.unwrap().id
    }

    fn chosen(&self, of: UserId, team: Option<TeamId>) -> Option<String> {
        self.keys.choose("openai", Some("m"), of, team).map(|chosen| chosen.secret.expose().to_owned())
    }

    async fn rows(&self) -> Vec<(KeyValue, Name, Row)> {
        let (rows, _) = self.keys.0.table.batch(None).await.unwrap();
        let decode = |stored: KeyValue| {
            let (name, row) = self.keys.0.table.decode(&stored).unwrap();
            (stored, name, row)
        };
        rows.into_iter().map(decode).collect()
    }
}

#[tokio::test]
async fn own_keys_come_first_then_the_teams_then_everybodys() {
    let server = one_server().await;
    let (ada, bob, crew) = (user(1), user(2), team(1));
    assert!(server.chosen(ada, Some(crew)).is_none() && !server.keys.has_any("openai", ada, Some(crew)));
    server.add(KeyOwner::Everybody, "everybody", 1).await;
    server.add(KeyOwner::Team(crew), "crew", 1).await;
    let own = server.add(KeyOwner::Person(ada), "ada", 1).await;
    let check = |of, team, expected: &str| assert_eq!(server.chosen(of, team).as_deref(), Some(expected));
    check(ada, Some(crew), "ada");
    check(bob, Some(crew), "crew");
    check(bob, Some(team(2)), "everybody");
    check(bob, None, "everybody");
    let chosen = server.keys.choose("openai", None, ada, None).unwrap();
    assert!(chosen.own && chosen.id == own && !server.keys.choose("openai", None, bob, None).unwrap().own);
    assert!(server.keys.choose("mistral", None, ada, Some(crew)).is_none());
    assert!(server.keys.has_any("openai", bob, None) && !server.keys.has_any("mistral", ada, None));
}

#[tokio::test]
async fn what_rests_is_passed_over_until_it_may_go_on() {
    let server = one_server().await;
    let (ada, crew) = (user(1), team(1));
    let everybodys = server.add(KeyOwner::Everybody, "everybody", 1).await;
    let crews = server.add(KeyOwner::Team(crew), "crew", 1).await;
    let own = server.add(KeyOwner::Person(ada), "ada", 1).await;
    let state = async || server.keys.list_own(ada).await.unwrap()[0].state;
    assert_eq!(state().await, KeyState::Ready);
    server.keys.limited(own, "m", Duration::from_secs(20));
    assert_eq!(state().await, KeyState::Limited);
    server.keys.refused(crews);
    pause();
    let chosen = || server.chosen(ada, Some(crew));
    assert_eq!(chosen().as_deref(), Some("everybody"));
    server.keys.refused(everybodys);
    assert_eq!(chosen(), None);
    assert!(server.keys.has_any("openai", ada, Some(crew)), "a key that rests is there");
    let ready_in = |model| server.keys.ready_in("openai", model, ada, Some(crew)).unwrap();
    assert!((19..=20).contains(&ready_in("m").as_millis().div_ceil(1000)) && ready_in("other") == Duration::ZERO);
    assert_eq!(server.keys.ready_in("mistral", "m", ada, None), None);
    let other = server.keys.choose("openai", Some("other"), ada, None).unwrap();
    assert_eq!(other.id, own, "a limit is one of a model");
    // A success lifts a refusal, and tells nothing of a limit.
    server.keys.worked(everybodys);
    server.keys.worked(own);
    assert_eq!(chosen().as_deref(), Some("everybody"));
    advance(Duration::from_millis(20_010)).await;
    assert_eq!(chosen().as_deref(), Some("ada"));
    server.keys.limited(own, "m", Duration::MAX);
    server.keys.limited(own, "m", Duration::from_secs(1));
    assert_eq!(chosen().as_deref(), Some("everybody"));
    advance(REFUSED_REST).await;
    assert_eq!(chosen().as_deref(), Some("crew"));
    advance(LONGEST_REST).await;
    assert_eq!(chosen().as_deref(), Some("ada"));
    // What many share is kept from them for a minute.
    for key in [own, crews, everybodys] {
        server.keys.limited(key, "m", Duration::MAX);
    }
    assert_eq!((chosen(), ready_in("m")), (None, LONGEST_SHARED_REST));
    advance(LONGEST_SHARED_REST).await;
    assert_eq!(chosen().as_deref(), Some("crew"));
}

#[tokio::test]
async fn a_rest_outlives_reading_again() {
    let server = one_server().await;
    let ada = user(1);
    let first = server.add(KeyOwner::Person(ada), "first", 1).await;
    server.keys.refused(first);
    server.add(KeyOwner::Person(ada), "second", 1).await;
    for _ in 0..50 {
        assert_eq!(server.chosen(ada, None).as_deref(), Some("second"));
    }
    let states: Vec<_> = server.keys.list_own(ada).await.unwrap().into_iter().map(|key| key.state).collect();
    assert_eq!(states, [KeyState::Ready, KeyState::Refused]);
}

#[tokio::test]
async fn weights_say_how_often_a_key_is_taken() {
    let server = one_server().await;
    let ada = user(1);
    for (key, weight) in [("never", 0), ("seldom", 1), ("often", 3)] {
        server.add(KeyOwner::Person(ada), key, weight).await;
    }
    let mut counts = HashMap::new();
    for _ in 0..8_000 {
        *counts.entry(server.chosen(ada, None).unwrap()).or_insert(0) += 1;
    }
    // 2,000 are expected, with a standard deviation of 39.
    assert!((1_700..2_300).contains(&counts["seldom"]), "{counts:?}");
    assert_eq!(counts["seldom"] + counts["often"], 8_000);
    let bob = user(2);
    server.add(KeyOwner::Person(bob), "never", 0).await;
    assert!(server.chosen(bob, None).is_none() && !server.keys.has_any("openai", bob, None));
    assert_eq!(server.keys.list_own(bob).await.unwrap().len(), 1);
}

#[tokio::test]
async fn servers_of_one_store_see_each_others_changes() {
    let store = memory().await;
    let (one, other) = (server(&store, &master(1)), server(&store, &master(1)));
    let ada = user(1);
    let first = one.add(KeyOwner::Person(ada), "first", 1).await;
    assert_eq!(one.chosen(ada, None).as_deref(), Some("first"), "at once where it was added");
    until("the other server never saw it", async || other.chosen(ada, None).as_deref() == Some("first")).await;
    // What one server saw of a key is its own.
    one.keys.refused(first);
    assert!(one.chosen(ada, None).is_none() && other.chosen(ada, None).is_some());
    other.keys.remove_own(ada, first).await.unwrap();
    assert!(other.chosen(ada, None).is_none(), "at once where it was removed");
    until("the key stayed", async || !one.keys.has_any("openai", ada, None)).await;
}

#[tokio::test]
async fn what_was_read_stays_while_the_store_is_away() {
    let store = memory().await;
    let server = server(&store, &master(1));
    server.add(KeyOwner::Everybody, "k", 1).await;
    store.close().await;
    assert!(matches!(server.keys.list_all().await, Err(KeyError::Store(_))));
    assert!(server.keys.read().await.is_err());
    assert_eq!(server.chosen(user(1), None).as_deref(), Some("k"));
}

#[tokio::test]
async fn a_new_master_key_seals_all_again() {
    let store = memory().await;
    let ada = user(1);
    let before = server(&store, &master(1));
    before.add(KeyOwner::Person(ada), "kept", 1).await;
    before.add(KeyOwner::Everybody, "never-taken", 0).await;
    let both = masters(&[2, 1]);
    let after = server(&store, &both);
    until("it was not sealed again", async || {
        after.rows().await.iter().all(|(_, _, row)| !both.is_outdated(&row.secret))
    })
    .await;
    assert_eq!(after.rows().await.len(), 2);
    // The former key is not needed any more.
    let alone = server(&store, &master(2));
    until("it does not open", async || alone.chosen(ada, None).as_deref() == Some("kept")).await;
    // A server that only has the former one goes on with what it had open.
    before.keys.read().await.unwrap();
    assert_eq!(before.chosen(ada, None).as_deref(), Some("kept"));
}

#[tokio::test]
async fn a_key_that_was_moved_does_not_open() {
    let store = memory().await;
    let [server, fresh] = [(); 2].map(|()| server(&store, &master(1)));
    let (ada, eve) = (user(1), user(2));
    server.add(KeyOwner::Person(ada), "sk-of-ada", 1).await;
    let (stored, name, row) = server.rows().await.remove(0);
    assert!(!stored.value.windows(9).any(|part| part == b"sk-of-ada"));
    assert_eq!(name.open(&master(1), &row).unwrap().as_slice(), b"sk-of-ada");
    // Whoever can write to the store still cannot use it as theirs, or have it sent elsewhere.
    let other_id = Name { id: ModelKeyId(Uuid::now_v7()), ..name };
    let moved = [
        (Name { owner: KeyOwner::Person(eve), ..name }, row.clone()),
        (Name { owner: KeyOwner::Everybody, ..name }, row.clone()),
        (Name { owner: KeyOwner::Team(TeamId(ada.0)), ..name }, row.clone()),
        (other_id, row.clone()),
        (name, Row { upstream: "mistral".to_owned(), ..row }),
    ];
    for (name, row) in &moved {
        assert_eq!(name.open(&master(1), row).unwrap_err(), StoreError::SealBroken);
        server.keys.0.table.add(*name, row, MAX_KEYS).await.unwrap();
    }
    fresh.keys.read().await.unwrap();
    assert_eq!(fresh.keys.0.ring.load().len(), 0, "the last one stands in the place of the true one");
    assert_eq!(server.keys.list_all().await.unwrap().len(), 5);
}

#[tokio::test]
async fn what_is_no_key_is_refused_and_nothing_tells_of_it() {
    let server = one_server().await;
    let owner = KeyOwner::Person(user(1));
    let long = "k".repeat(MAX_KEY_BYTES);
    let named = |name: &str| NewModelKey { name: name.to_owned(), ..new("sk-secret", 1) };
    for bad in [
        new("", 1),
        new(&format!("{long}k"), 1),
        new("two words", 1),
        new("sk\r\nx-other: 1", 1),
        new("schlüssel", 1),
        new("sk\u{7f}", 1),
        new("sk", MAX_WEIGHT + 1),
        named(""),
        named("  "),
        named("a\nb"),
        named(&"n".repeat(MAX_NAME_CHARS + 1)),
    ] {
        let shown = format!("{bad:?}");
        let error = server.keys.add(owner, bad, UPSTREAMS).await.unwrap_err();
        assert_eq!(coditect_protocol::Coded::code(&error), "llm.key_invalid", "{shown}");
        assert!(!format!("{shown} {error} {error:?}").contains("sk"), "{shown}");
    }
    let elsewhere = NewModelKey { upstream: "nowhere".to_owned(), ..new("sk", 1) };
    assert_eq!(server.keys.add(owner, elsewhere, UPSTREAMS).await, Err(KeyError::UnknownUpstream));
    server.keys.add(owner, new(&long, MAX_WEIGHT), UPSTREAMS).await.unwrap();
    server.keys.add(owner, NewModelKey { name: "ü".repeat(MAX_NAME_CHARS), ..new("k", 1) }, UPSTREAMS).await.unwrap();
    let chosen = server.keys.choose("openai", None, user(1), None).unwrap();
    assert!(!format!("{chosen:?} {:?}", server.keys).contains("kk"));
}

#[tokio::test]
async fn a_hint_tells_little() {
    let server = one_server().await;
    for (key, expected) in [("12345678901", ""), ("123456789012", "9012")] {
        let added = server.keys.add(KeyOwner::Everybody, new(key, 1), UPSTREAMS).await.unwrap();
        assert_eq!((added.hint.as_str(), added.state), (expected, KeyState::Ready));
        assert_eq!(server.keys.list_all().await.unwrap()[0], added, "the latest first");
    }
}

#[tokio::test]
async fn so_many_and_no_more() {
    let server = one_server().await;
    let (ada, bob) = (KeyOwner::Person(user(1)), KeyOwner::Person(user(2)));
    for (owner, most) in [(ada, 20), (KeyOwner::Team(team(1)), 200), (KeyOwner::Everybody, 500)] {
        let row = |n: usize| Row {
            upstream: "openai".to_owned(),
            name: n.to_string(),
            hint: String::new(),
            weight: 1,
            created_at: 0,
            secret: Vec::new(),
        };
        for n in 1..most {
            let name = Name { owner, id: ModelKeyId(Uuid::now_v7()) };
            server.keys.0.table.add(name, &row(n), most).await.unwrap();
        }
        server.add(owner, "last", 1).await;
        let error = server.keys.add(owner, new("k", 1), UPSTREAMS).await.unwrap_err();
        assert_eq!(error, KeyError::TooMany { limit: most });
    }
    server.add(bob, "k", 1).await;
    let last = server.keys.list_own(user(1)).await.unwrap()[0].id;
    server.keys.remove_own(user(1), last).await.unwrap();
    server.add(ada, "again", 1).await;
}

#[tokio::test]
async fn more_keys_than_one_read_answers_are_all_there() {
    let server = one_server().await;
    let long = "k".repeat(MAX_KEY_BYTES);
    for _ in 0..MAX_KEYS_OF_EVERYBODY {
        let name = Name { owner: KeyOwner::Everybody, id: ModelKeyId(Uuid::now_v7()) };
        let secret = name.seal(&master(1), "openai", long.as_bytes()).unwrap();
        let row =
            Row { upstream: "openai".into(), name: "n".into(), hint: "h".into(), weight: 1, created_at: 0, secret };
        server.keys.0.table.add(name, &row, MAX_KEYS).await.unwrap();
    }
    let (first, _) = server.keys.0.table.batch(None).await.unwrap();
    assert!(first.more && first.len() < MAX_KEYS_OF_EVERYBODY, "one read is not enough");
    server.keys.read().await.unwrap();
    assert_eq!(server.keys.0.ring.load().len(), MAX_KEYS_OF_EVERYBODY);
    assert_eq!(server.keys.list_all().await.unwrap().len(), MAX_KEYS_OF_EVERYBODY);
    assert_eq!(server.keys.0.table.list_all(7).await.unwrap().len(), 7);
}

#[tokio::test]
async fn people_remove_their_own_and_admins_any() {
    let server = one_server().await;
    let (ada, bob) = (user(1), user(2));
    let own = server.add(KeyOwner::Person(ada), "ada", 1).await;
    let everybodys = server.add(KeyOwner::Everybody, "everybody", 1).await;
    for id in [own, everybodys, ModelKeyId(Uuid::now_v7())] {
        assert_eq!(server.keys.remove_own(bob, id).await, Err(KeyError::NotFound));
    }
    assert_eq!(server.chosen(ada, None).as_deref(), Some("ada"));
    server.keys.remove_any(own).await.unwrap();
    assert_eq!(server.keys.remove_any(own).await, Err(KeyError::NotFound));
    assert_eq!(server.chosen(ada, None).as_deref(), Some("everybody"));
    server.keys.remove_any(everybodys).await.unwrap();
    assert_eq!(server.chosen(ada, None), None);
}

#[tokio::test]
async fn nothing_is_left_of_whoever_is_forgotten() {
    let server = one_server().await;
    let (ada, bob) = (user(1), user(2));
    for owner in [KeyOwner::Person(ada), KeyOwner::Person(ada), KeyOwner::Person(bob), KeyOwner::Everybody] {
        server.add(owner, "k", 1).await;
    }
    server.keys.forget_user(ada).await.unwrap();
    assert!(server.keys.list_own(ada).await.unwrap().is_empty());
    assert!(!server.keys.choose("openai", None, ada, None).unwrap().own);
    let left: Vec<_> = server.keys.list_all().await.unwrap().into_iter().map(|key| key.owner).collect();
    assert_eq!(left, [KeyOwner::Everybody, KeyOwner::Person(bob)]);
    let places = coditect_store::Subspace::root("llm-keys").sub(&"place").range();
    let store = server.keys.0.table.store();
    let left = store.transact(|tx| {
        let places = places.clone();
        async move { tx.range_all(places).await }
    });
    assert_eq!(left.await.unwrap().len(), 2);
}

#[test]
fn the_form_of_a_row_is_written_down() {
    let row = Row {
        upstream: "openai".to_owned(),
        name: "mine".to_owned(),
        hint: "9012".to_owned(),
        weight: 2,
        created_at: 1_700_000_000_000,
        secret: vec![1, 2, 250],
    };
    let forms = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms");
    coditect_store::check_form(&forms, "model_key", &row).unwrap();
    assert!(Row::decode(&row.encode().unwrap()).unwrap() == row);
}
