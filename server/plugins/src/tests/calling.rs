//! Calls: loading once, resting, giving up, rights that are taken away, filters.

use std::cell::RefCell;
use std::sync::Once;

use coditect_protocol::plugin::{CallContext, CapabilityName, PluginState, Said, SaidBy, SettingsChange};

use super::*;

#[tokio::test]
async fn a_package_is_translated_once_for_everybody() {
    let server = Server::new().await;
    server.publish("1.0.0", STORAGE).await;
    for who in 2..6 {
        server.install(user(who)).await;
    }
    let calls: Vec<_> = (2..6).map(|who| server.tool(user(who), "hello")).collect();
    for called in futures_util::future::join_all(calls).await {
        assert_eq!(text(&called.unwrap()), "hello");
    }
    assert_eq!(server.translator.count.load(Ordering::SeqCst), 1);
    assert_eq!(server.listed(user(2)).await[0].figures.calls, 1);
    // What each of them keeps is theirs.
    assert_eq!(text(&server.tool(user(2), "s").await.unwrap()), "0");
    let metrics = server.plugins.metrics();
    assert!(metrics.contains("coditect_plugin_calls_total{plugin=\"acme.guest\"} 5\n"), "{metrics}");
    assert!(metrics.contains("coditect_plugins_loaded 1\n"), "{metrics}");
}

#[tokio::test]
async fn one_that_fails_rests_and_is_given_up_and_told() {
    let server = Server::new().await;
    server.publish("1.0.0", STORAGE).await;
    server.install(user(2)).await;
    server.install(user(3)).await;
    let mut following = server.plugins.follow(user(2), workspace(1)).await.unwrap();
    following.next().await.unwrap();
    // The time passes at once here: the supervisor's own tests tell how long it is. Two rests are over: the third is long enough to be seen
    // on a busy machine.
    let fail = async || {
        tokio::time::pause();
        tokio::time::advance(LONGEST_REST).await;
        tokio::time::resume();
        assert_eq!(code(server.tool(user(2), "trap").await), "plugins.trapped");
    };
    let seen = FAULTS_IN_A_ROW as usize + 2;
    for _ in 0..seen {
        fail().await;
    }
    let resting = server.tool(user(2), "hello").await.unwrap_err();
    assert_eq!(coditect_protocol::Coded::code(&resting), "plugins.resting");
    assert!(resting.retry_at().is_some());
    assert!(matches!(server.listed(user(2)).await[0].state, PluginState::Resting { .. }));
    assert_eq!(text(&server.tool(user(3), "hello").await.unwrap()), "hello", "nobody else's rests");
    for _ in seen..FAULTS_AT_MOST {
        fail().await;
    }
    assert_eq!(code(server.tool(user(2), "hello").await), "plugins.failed");
    loop {
        let coditect_protocol::plugin::PluginItem::Installed(list) = following.next().await.unwrap() else { continue };
        if matches!(&list.plugins[0].state, PluginState::Failed { reason } if reason.contains("crashed")) {
            break;
        }
    }
    let log = server.plugins.log(user(2), workspace(1), &id("acme.guest")).await.unwrap();
    assert!(log.lines.len() > FAULTS_AT_MOST && log.lines.iter().all(|line| line.level == "host"));
    assert_eq!(code(server.other().await.tool(user(2), "hello").await), "plugins.failed", "on every server");
    let on = SettingsChange { enabled: Some(true), ..SettingsChange::default() };
    server.plugins.change(user(2), workspace(1), &id("acme.guest"), &on).await.unwrap();
    assert_eq!(text(&server.tool(user(2), "hello").await.unwrap()), "hello");
    assert_eq!(server.listed(user(2)).await[0].figures.failures, 10);
}

thread_local! {
    /// What this thread logs, from when it first listens.
    static LOGGED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Keeps what the thread that writes has logged, where it listens.
struct Lines;

impl std::io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.iter_mut().for_each(|logged| logged.extend_from_slice(line)));
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Listens to what this thread logs. One subscriber serves the whole process: with one of a thread alone, `tracing`
/// notes for good that nobody wants an event which another thread's test comes to first.
fn listen() {
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(|| Lines);
        tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
        tracing::callsite::rebuild_interest_cache();
    });
    LOGGED.set(Some(Vec::new()));
}

#[tokio::test]
async fn what_a_plugin_says_is_for_its_person_and_not_for_the_operators_log() {
    let server = Server::new().await;
    server.publish("1.0.0", "[[views]]\nid='v'\ntitle='V'\nplace='side'\n").await;
    server.install(user(2)).await;
    listen();
    let open = async || {
        let call = PluginCall::OpenView { view: "v".into(), context: CallContext::default() };
        server.plugins.call(user(2), workspace(1), &id("acme.guest"), call, None, CancellationToken::new()).await
    };
    for _ in 0..FAULTS_AT_MOST {
        tokio::time::pause();
        tokio::time::advance(LONGEST_REST).await;
        tokio::time::resume();
        assert_eq!(code(open().await), "plugins.malformed");
    }
    let logged = String::from_utf8(LOGGED.take().unwrap()).unwrap();
    let PluginState::Failed { reason } = &server.listed(user(2)).await[0].state else { panic!("it goes on") };
    assert!(reason.contains("words of the plugin"), "{reason}");
    assert!(logged.contains("plugins.failed") && logged.contains("plugins.malformed"), "{logged}");
    assert!(!logged.contains("words of the plugin"), "{logged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_away_is_taken_from_calls_under_way() {
    let server = Arc::new(Server::new().await);
    server.publish("1.0.0", STORAGE).await;
    server.install(user(2)).await;
    assert_eq!(text(&server.tool(user(2), "s").await.unwrap()), "0");
    let plugin = id("acme.guest");
    let begin = |server: &Arc<Server>| {
        let server = server.clone();
        tokio::spawn(async move { server.tool(user(2), "wait").await.map(|answered| text(&answered).to_owned()) })
    };
    let waiting = begin(&server);
    let none = SettingsChange { granted: Some(Vec::new()), ..SettingsChange::default() };
    server.plugins.change(user(2), workspace(1), &plugin, &none).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), "1", "it is denied in the middle of a call");
    let log = server.plugins.log(user(2), workspace(1), &plugin).await.unwrap();
    assert_eq!(log.denials[0].capability, CapabilityName::Storage);
    assert!(server.listed(user(2)).await[0].figures.denials > 0);
    // Switched off on another server: the call ends here.
    let all = SettingsChange { granted: Some(vec![CapabilityName::Storage]), ..SettingsChange::default() };
    server.plugins.change(user(2), workspace(1), &plugin, &all).await.unwrap();
    let waiting = begin(&server);
    let off = SettingsChange { enabled: Some(false), ..SettingsChange::default() };
    server.other().await.plugins.change(user(2), workspace(1), &plugin, &off).await.unwrap();
    match waiting.await.unwrap() {
        Ok(denied) => assert_eq!(denied, "1"),
        Err(error) => {
            let code = coditect_protocol::Coded::code(&error);
            assert!(["call.cancelled", "plugins.disabled"].contains(&code), "{error}");
        }
    }
    assert_eq!(code(server.tool(user(2), "hello").await), "plugins.disabled");
}

#[tokio::test]
async fn a_newer_version_takes_the_place_of_the_former_one() {
    let server = Server::new().await;
    server.publish("1.0.0", STORAGE).await;
    server.install(user(2)).await;
    server.tool(user(2), "s").await.unwrap();
    server.publish_marked("1.1.0", "new").await;
    assert_eq!(server.listed(user(2)).await[0].manifest.version, "1.1.0");
    assert_eq!(text(&server.tool(user(2), "hello").await.unwrap()), "hello");
    assert_eq!(server.translator.count.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_end_in_the_version_that_they_began_in() {
    let server = Arc::new(Server::new().await);
    server.publish_marked("1.0.0", "1").await;
    server.install(user(2)).await;
    let begin = || {
        let server = server.clone();
        tokio::spawn(async move { server.tool(user(2), "mark").await.map(|answered| text(&answered).to_owned()) })
    };
    let is_kept = async || {
        let kept = server.plugins.inner.keys.values(&(user(2), workspace(1), id("acme.guest")));
        !server.store.begin().range_all(kept.range()).await.unwrap().is_empty()
    };
    let former = begin();
    until("it is under way", is_kept).await;
    server.publish_marked("2.0.0", "2").await;
    assert_eq!(server.listed(user(2)).await[0].manifest.version, "2.0.0");
    assert_eq!(text(&server.tool(user(2), "hello").await.unwrap()), "hello");
    assert!(!former.is_finished(), "the update ended a call");
    let newer = begin();
    let none = SettingsChange { granted: Some(Vec::new()), ..SettingsChange::default() };
    server.plugins.change(user(2), workspace(1), &id("acme.guest"), &none).await.unwrap();
    assert_eq!(former.await.unwrap().unwrap(), "1");
    assert_eq!(newer.await.unwrap().unwrap(), "2");
}

#[tokio::test]
async fn a_filter_that_cannot_be_asked_lets_nothing_pass() {
    let server = Server::new().await;
    let looks =
        "[conversations]\nquestions=true\nanswers=true\n[[capability]]\nname='conversations'\nreason='To look.'\n";
    let said = vec![Said { by: SaidBy::User, text: "hello".into() }];
    let ask = async || {
        let cancel = CancellationToken::new();
        server.plugins.filter_question(user(2), workspace(1), "up/m", said.clone(), cancel).await
    };
    assert_eq!(ask().await.unwrap(), Filtered::Passed(said.clone()), "nobody looks");
    server.publish("1.0.0", looks).await;
    server.install(user(2)).await;
    assert_eq!(ask().await.unwrap(), Filtered::Passed(said.clone()));
    let answer = server.plugins.filter_answer(user(2), workspace(1), "up/m", "hi".into(), CancellationToken::new());
    assert_eq!(answer.await.unwrap(), Filtered::Passed("hi".into()));
    let mut package = package_of("acme.guest", "1.0.1", looks, &component("", true));
    package.sign(&server.key);
    server.registry().publish(member(1), package.to_bytes().into()).await.unwrap();
    assert_eq!(server.listed(user(2)).await[0].manifest.version, "1.0.1");
    for _ in 0..FAULTS_IN_A_ROW + 1 {
        assert_eq!(code(ask().await), "plugins.filter", "also while it rests");
    }
    let offers = server.plugins.offers(user(2), workspace(1)).await.unwrap();
    assert!(offers.conversations().questions && offers.tools.len() == 1);
    let change = async |change: SettingsChange| {
        server.plugins.change(user(2), workspace(1), &id("acme.guest"), &change).await.unwrap()
    };
    change(SettingsChange { granted: Some(Vec::new()), ..SettingsChange::default() }).await;
    assert_eq!(ask().await.unwrap(), Filtered::Passed(said.clone()), "it may not look any more");
    let again = Some(vec![CapabilityName::Conversations]);
    change(SettingsChange { granted: again, ..SettingsChange::default() }).await;
    assert_eq!(code(ask().await), "plugins.filter");
    change(SettingsChange { enabled: Some(false), ..SettingsChange::default() }).await;
    assert_eq!(ask().await.unwrap(), Filtered::Passed(said.clone()), "its person can do without it");
    let offers = server.plugins.offers(user(2), workspace(1)).await.unwrap();
    assert!(offers.tools.is_empty() && !offers.conversations().questions);
}

#[tokio::test]
async fn tools_are_for_agents_too() {
    let server = Server::new().await;
    server.publish("1.0.0", "").await;
    server.install(user(2)).await;
    let tools = server.plugins.tools(user(2), workspace(1)).await.unwrap();
    assert_eq!((tools[0].plugin.as_str(), tools[0].tool.id.as_str()), ("acme.guest", "t"));
    let (plugin, cancel) = (id("acme.guest"), CancellationToken::new());
    let answer = server.plugins.call_tool(user(2), workspace(1), &plugin, "t", "{}".into(), cancel).await.unwrap();
    assert_eq!(answer, "{}");
    assert!(server.plugins.tools(user(3), workspace(1)).await.unwrap().is_empty());
    assert!(server.plugins.steps(user(2), workspace(1)).await.unwrap().is_empty());
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let call = server.plugins.call_tool(user(2), workspace(1), &plugin, "t", "{}".into(), cancelled);
    assert_eq!(code(call.await), "call.cancelled");
}
