//! Models, storage, git, and what nobody granted.

use super::*;
use crate::contract::v1_bindings::coditect::plugin::models::{self, Host as _, HostAnswer};
use crate::contract::v1_bindings::coditect::plugin::types::{Message, Question, Role, Severity};
use crate::contract::v1_bindings::coditect::plugin::{clock, files, git, http, random, search, storage, ui};
use crate::ports::Refused;

fn question(model: Option<&str>) -> Question {
    let message = Message { role: Role::User, text: "why?".into() };
    Question { model: model.map(str::to_owned), messages: vec![message], max_tokens: None, temperature: None }
}

#[tokio::test]
async fn nothing_is_granted_by_itself() {
    let mut call = call(Vec::new());
    let state = &mut call.state;
    let request = || http::Request {
        method: "GET".into(),
        url: "https://a.test/".into(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout_ms: 0,
    };
    let query = search::Query {
        pattern: "x".into(),
        is_regex: false,
        is_case_sensitive: false,
        includes: Vec::new(),
        excludes: Vec::new(),
        max_matches: 1,
    };
    let denials = [
        ("files.read", denied(files::Host::read(state, "a".into(), 1).await)),
        ("files.read", denied(files::Host::stat(state, "a".into()).await)),
        ("files.read", denied(files::Host::list(state, String::new(), None, 1).await)),
        ("files.write", denied(files::Host::write(state, "a".into(), Vec::new(), None).await)),
        ("files.write", denied(files::Host::delete(state, "a".into()).await)),
        ("search", denied(search::Host::text(state, query).await)),
        ("search", denied(search::Host::paths(state, Vec::new(), Vec::new(), 1).await)),
        ("http", denied(http::Host::send(state, request()).await)),
        ("http", denied(http::Host::open(state, request()).await)),
        ("models", denied(state.list().await)),
        ("models", denied(state.ask(question(None)).await)),
        ("git.read", denied(git::Host::status(state).await)),
        ("git.read", denied(git::Host::diff(state, false).await)),
        ("git.read", denied(git::Host::log(state, 1).await)),
        ("notify", denied(ui::Host::notify(state, Severity::Hint, "x".into()).await)),
        ("storage", denied(storage::Host::get(state, "a".into()).await)),
        ("storage", denied(storage::Host::set(state, "a".into(), Vec::new()).await)),
        ("storage", denied(storage::Host::delete(state, "a".into()).await)),
        ("storage", denied(storage::Host::list(state, String::new(), None, 1).await)),
        ("clock", denied(clock::Host::now(state).await)),
        ("clock", denied(clock::Host::monotonic(state).await)),
        ("random", denied(random::Host::bytes(state, 1).await)),
    ];
    let heard = call.world.heard();
    assert_eq!(heard.len(), denials.len(), "each is told: {heard:?}");
    for ((name, text), heard) in denials.iter().zip(heard) {
        assert!(text.contains(&format!("the capability {name}, which was not granted")), "{text}");
        assert!(text.contains(&format!("[[capability]] name = \"{name}\"")), "{text}");
        assert!(heard.starts_with(&format!("denied {name} ")), "{heard}");
    }
    assert!(call.world.asked().is_empty(), "no port is asked");
    assert_eq!(call.state.around.meter.host_calls(), denials.len() as u64);
}

#[tokio::test]
async fn a_request_to_a_host_that_was_not_granted_is_told() {
    let mut call = call(vec![Capability::Http { hosts: words(&["a.test", "10.0.0.1"]), private: false }]);
    let mut send = async |url: &str| {
        let request = http::Request {
            method: "GET".into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: 0,
        };
        http::Host::send(&mut call.state, request).await
    };
    assert!(denied(send("https://b.test:8443/").await).contains("hosts = [\"b.test:8443\"]"));
    assert!(denied(send("https://10.0.0.1/").await).contains("private = true"));
    assert_eq!(word(&send("ftp://a.test/").await), "invalid");
    assert_eq!(call.world.heard(), ["denied http b.test:8443", "denied http 10.0.0.1"]);
}

#[tokio::test]
async fn only_granted_models_are_asked() {
    let mut call = call(vec![models(&["b/*", "alias"])]);
    *call.world.pieces.lock().unwrap() = words(&["be", "cause"]);
    let listed = call.state.list().await.unwrap().unwrap();
    assert_eq!(listed.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["b/cheap", "b/small"]);
    assert!(denied(call.state.ask(question(Some("a/dear"))).await).contains("models = [\"a/dear\"]"));
    assert_eq!(call.world.heard(), ["denied models a/dear"]);
    for model in [None, Some("alias")] {
        let answer = call.state.ask(question(model)).await.unwrap().unwrap();
        let mut text = Vec::new();
        while let Some(piece) =
            call.state.next(wasmtime::component::Resource::new_borrow(answer.rep())).await.unwrap().unwrap()
        {
            text.push(piece);
        }
        assert_eq!(text, ["be", "cause"]);
        HostAnswer::drop(&mut call.state, answer).await.unwrap();
    }
    let asked = call.world.asked();
    assert!(asked[0].starts_with("b/cheap 1 ") && asked[1].starts_with("alias 1 "), "{asked:?}");
    assert!(asked[0].contains("0.5"), "{asked:?}");
}

#[tokio::test]
async fn a_question_ends_with_its_answer() {
    let mut call = call(vec![models(&["*"])]);
    *call.world.pieces.lock().unwrap() = vec!["x".to_owned(); 1000];
    let answer = call.state.ask(question(None)).await.unwrap().unwrap();
    let borrow = || wasmtime::component::Resource::new_borrow(answer.rep());
    assert_eq!(call.state.next(borrow()).await.unwrap().unwrap().as_deref(), Some("x"));
    // What is taken back is gone at once, in the middle of an answer too.
    call.rights.set(Vec::new());
    assert_eq!(word(&call.state.next(borrow()).await), "denied");
    call.rights.set(vec![models(&["*"])]);
    assert!(matches!(call.state.next(borrow()).await, Ok(Ok(_))), "what came before is there");
    // Dropping one ends the question, however much it has to say.
    for _ in 0..3 {
        call.state.ask(question(None)).await.unwrap().unwrap();
    }
    assert_eq!(word(&call.state.ask(question(None)).await), "limit", "four at the same time");
    HostAnswer::drop(&mut call.state, answer).await.unwrap();
    assert_eq!(word(&call.state.ask(question(None)).await), "done");
}

#[tokio::test]
async fn what_a_model_says_is_bounded_and_its_failure_told() {
    let mut call = call(vec![models(&["*"])]);
    *call.world.pieces.lock().unwrap() = vec!["x".repeat(400 << 10); 4];
    let answer = call.state.ask(question(None)).await.unwrap().unwrap();
    let borrow = |answer: &wasmtime::component::Resource<models::Answer>| {
        wasmtime::component::Resource::new_borrow(answer.rep())
    };
    for expected in ["done", "done", "limit"] {
        assert_eq!(word(&call.state.next(borrow(&answer)).await), expected);
    }
    *call.world.pieces.lock().unwrap() = words(&["x"]);
    *call.world.fails.lock().unwrap() = Some(Refused::Limit("No more today.".into()));
    let answer = call.state.ask(question(None)).await.unwrap().unwrap();
    assert_eq!(word(&call.state.next(borrow(&answer)).await), "done");
    assert_eq!(word(&call.state.next(borrow(&answer)).await), "limit");
    assert_eq!(call.state.next(borrow(&answer)).await.unwrap().unwrap(), None, "told once");
    let mut empty = question(None);
    empty.messages.clear();
    let mut hot = question(None);
    hot.temperature = Some(f32::NAN);
    let mut long = question(None);
    long.messages[0].text = "x".repeat((1 << 20) + 1);
    let named = question(Some(&"x".repeat(300)));
    for (question, expected) in [(empty, "invalid"), (hot, "invalid"), (long, "limit"), (named, "limit")] {
        assert_eq!(word(&call.state.ask(question).await), expected);
    }
}

#[tokio::test]
async fn values_are_bounded() {
    let mut call = call(vec![Capability::Storage { bytes: 1234 }]);
    let state = &mut call.state;
    assert_eq!(word(&storage::Host::set(state, "a".into(), vec![1]).await), "done");
    assert_eq!(storage::Host::get(state, "a".into()).await.unwrap().unwrap(), Some(vec![1]));
    assert_eq!(storage::Host::list(state, String::new(), None, 5000).await.unwrap().unwrap(), ["a"]);
    assert_eq!(word(&storage::Host::set(state, "k".repeat(256), vec![0; 64 << 10]).await), "done");
    assert_eq!(word(&storage::Host::set(state, "k".repeat(257), vec![]).await), "limit");
    assert_eq!(word(&storage::Host::set(state, "k".into(), vec![0; (64 << 10) + 1]).await), "limit");
    assert_eq!(word(&storage::Host::get(state, String::new()).await), "invalid");
    assert_eq!(word(&storage::Host::list(state, "p".repeat(257), None, 1).await), "limit");
    assert_eq!(storage::Host::list(state, String::new(), None, 1).await.unwrap().unwrap().len(), 1);
    assert_eq!(word(&storage::Host::delete(state, "a".into()).await), "done");
    assert_eq!(storage::Host::get(state, "a".into()).await.unwrap().unwrap(), None);
    assert!(call.world.asked().contains(&"set a 1234".to_owned()));
}

#[tokio::test]
async fn git_tells_so_much_and_no_more() {
    let mut call = call(vec![Capability::GitRead]);
    let state = &mut call.state;
    let tree = git::Host::status(state).await.unwrap().unwrap();
    assert_eq!((tree.branch.as_deref(), tree.changes.len()), (Some("main"), 10_000));
    assert_eq!(git::Host::diff(state, true).await.unwrap().unwrap().len(), 1 << 20);
    let commits = git::Host::log(state, u32::MAX).await.unwrap().unwrap();
    assert_eq!((commits.len(), commits[0].message.len(), commits[0].author.len()), (200, 16 << 10, 256));
    assert_eq!(git::Host::log(state, 3).await.unwrap().unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_not_there_is_unavailable() {
    let granted = vec![
        Capability::GitRead,
        Capability::Notify,
        Capability::Storage { bytes: 1 },
        read_globs(&["**"]),
        search_globs(&["**"]),
        models(&["*"]),
    ];
    let (items, _) = mpsc::channel(1);
    let around = around(Arc::new(Rights::new(granted)), HostSettings::default(), Ports::default(), items);
    let mut state = State::new(Arc::new(around));
    assert_eq!(word(&git::Host::status(&mut state).await), "unavailable");
    assert_eq!(word(&storage::Host::get(&mut state, "a".into()).await), "unavailable");
    assert_eq!(word(&files::Host::read(&mut state, "a".into(), 1).await), "unavailable");
    assert_eq!(word(&state.list().await), "unavailable");
    assert_eq!(word(&search::Host::paths(&mut state, Vec::new(), Vec::new(), 1).await), "unavailable");
    assert_eq!(word(&ui::Host::notify(&mut state, Severity::Hint, "x".into()).await), "unavailable");
}
