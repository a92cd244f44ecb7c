//! Loading: who waits for whom, and what is loaded and told for nobody.

use coditect_protocol::plugin::PluginState;

use super::*;
use crate::running::{LOADING_PER_PERSON, TOO_LARGE_REST};
use crate::settings::MAX_RESTORES;

impl Server {
    /// Works on a plugin `dev.<name>` with a component of its own; the SHA-256 of that.
    async fn develop(&self, who: UserId, name: &str, mark: &str) -> String {
        let component = component(mark, false);
        let package = package_of(&format!("dev.{name}"), "1.0.0", "", &component).to_bytes().into();
        self.plugins.develop(who, workspace(1), package, None).await.unwrap();
        sha256_hex(&component)
    }

    async fn call(&self, who: UserId, plugin: &str) -> Result<Answered, PluginsError> {
        let call = PluginCall::Tool { tool: "t".into(), arguments: "hello".into() };
        self.plugins.call(who, workspace(1), &id(plugin), call, None, CancellationToken::new()).await
    }

    fn begun(&self) -> Vec<String> {
        self.translator.begun.lock().unwrap().clone()
    }

    /// Holds the only turn with a component of this person.
    async fn hold(&self, who: UserId) -> String {
        self.translator.is_held.send_replace(true);
        let held = self.develop(who, "held", "held").await;
        until("the translation begins", || async { self.begun() == [held.clone()] }).await;
        held
    }

    fn go_on(&self) {
        self.translator.is_held.send_replace(false);
    }
}

#[tokio::test]
async fn what_was_translated_waits_for_no_translation() {
    let server = Server::with(PluginSettings { loaded_bytes: 1, ..PluginSettings::default() }).await;
    server.publish("1.0.0", "").await;
    server.install(user(2)).await;
    server.tool(user(2), "hello").await.unwrap();
    // There is room for one: the other is not loaded any more.
    server.develop(user(2), "other", "other").await;
    server.call(user(2), "dev.other").await.unwrap();
    server.translator.begun.lock().unwrap().clear();
    server.hold(user(3)).await;
    let called = tokio::time::timeout(Duration::from_secs(60), server.tool(user(2), "hello")).await;
    assert_eq!(text(&called.unwrap().unwrap()), "hello");
}

#[tokio::test]
async fn people_come_one_after_the_other_and_nobody_takes_all() {
    let server = Server::new().await;
    let held = server.hold(user(2)).await;
    let last = LOADING_PER_PERSON - 1;
    let mut waiting = Vec::new();
    for n in 1..=last {
        waiting.push(server.develop(user(2), &format!("p{n}"), &n.to_string()).await);
        until("it waits", || async { server.plugins.inner.running.waiting() == n }).await;
    }
    server.develop(user(2), "beyond", "beyond").await;
    assert_eq!(code(server.call(user(2), "dev.beyond").await), "plugins.busy");
    let quick = server.develop(user(3), "quick", "quick").await;
    // It does not wait for the others of whoever was the first to want it.
    let same = server.develop(user(4), &format!("p{last}"), &last.to_string()).await;
    until("all wait", || async { server.plugins.inner.running.waiting() == LOADING_PER_PERSON }).await;
    server.go_on();
    assert_eq!(waiting.pop(), Some(same.clone()));
    let order = [vec![held, same, quick], waiting].concat();
    until("all are translated", || async { server.begun().len() == order.len() }).await;
    assert_eq!(server.begun(), order);
}

#[tokio::test]
async fn what_nobody_has_any_more_is_not_translated() {
    let server = Server::new().await;
    let held = server.hold(user(3)).await;
    for mark in ["a", "b", "c"] {
        server.develop(user(2), "mine", mark).await;
    }
    let (mine, theirs) = (server.develop(user(2), "mine", "d").await, server.develop(user(4), "gone", "gone").await);
    until("two wait", || async { server.plugins.inner.running.waiting() == 2 }).await;
    server.plugins.uninstall(user(4), workspace(1), &id("dev.gone")).await.unwrap();
    until("one waits", || async { server.plugins.inner.running.waiting() == 1 }).await;
    // What is under way ends too.
    server.plugins.uninstall(user(3), workspace(1), &id("dev.held")).await.unwrap();
    until("the next one begins", || async { server.begun() == [held.clone(), mine.clone()] }).await;
    server.go_on();
    assert_eq!(text(&server.call(user(2), "dev.mine").await.unwrap()), "hello");
    assert!(!server.begun().contains(&theirs) && server.begun().len() == 2);
}

#[tokio::test]
async fn what_takes_too_much_is_not_tried_again_soon() {
    let pass = async |time: Duration| {
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    };
    let server = Server::new().await;
    server.translator.is_too_much.store(true, Ordering::SeqCst);
    server.develop(user(2), "large", "large").await;
    for minutes in [0, 2, 60] {
        pass(Duration::from_secs(60 * minutes)).await;
        assert_eq!(code(server.call(user(2), "dev.large").await), "plugins.translation_too_large");
        assert_eq!(server.begun().len(), 1, "after {minutes} minutes");
        let state = server.listed(user(2)).await.remove(0).state;
        assert!(matches!(&state, PluginState::Resting { reason, .. } if reason.contains("1 seconds")), "{state:?}");
    }
    server.translator.is_too_much.store(false, Ordering::SeqCst);
    pass(TOO_LARGE_REST).await;
    assert_eq!(text(&server.call(user(2), "dev.large").await.unwrap()), "hello");
    assert_eq!(server.listed(user(2)).await[0].state, PluginState::Ready);
}

#[tokio::test]
async fn lists_are_looked_at_again_by_those_whose_plugins_change() {
    let server = Server::new().await;
    server.run();
    server.publish("1.0.0", "").await;
    server.install(user(2)).await;
    server.tool(user(2), "hello").await.unwrap();
    let [two, four] = [2, 4].map(|n| server.plugins.place(user(n), workspace(1)));
    let (two, four) = (two.await.unwrap(), four.await.unwrap());
    let (mut changes, mut others) = (two.changes(), four.changes());
    // What was told before the last of several times was told to all.
    let settle = async |others: &mut watch::Receiver<()>| {
        for _ in 0..3 {
            others.mark_unchanged();
            server.plugins.inner.running.news().tell(["dev.other".to_owned()]);
            others.changed().await.unwrap();
        }
    };
    server.develop(user(4), "other", "first").await;
    settle(&mut others).await;
    changes.mark_unchanged();
    server.develop(user(4), "other", "second").await;
    server.call(user(4), "dev.other").await.unwrap();
    let key = SigningKey::generate().unwrap();
    server.take_name(user(1), "others", &key).await.unwrap();
    server.registry().publish(member(1), signed("others.guest", "1.0.0", "", &key)).await.unwrap();
    server.registry().publish(member(1), signed("acme.more", "1.0.0", "", &server.key)).await.unwrap();
    settle(&mut others).await;
    assert!(!changes.has_changed().unwrap(), "nothing of theirs changed");
    server.publish("1.1.0", "").await;
    changes.changed().await.unwrap();
    server.registry().revoke_key(member(1), "acme", server.key.public().id().as_str()).await.unwrap();
    changes.mark_unchanged();
    changes.changed().await.unwrap();
}

#[tokio::test]
async fn a_version_is_offered_again_a_number_of_times_and_taken_back_always() {
    let server = Server::new().await;
    server.publish("1.0.0", "").await;
    let plugin = id("acme.guest");
    let turn = async |yanked| server.registry().yank(member(1), &plugin, "1.0.0", yanked).await;
    for _ in 0..MAX_RESTORES {
        turn(true).await.unwrap();
        turn(false).await.unwrap();
    }
    turn(true).await.unwrap();
    let length = server.registry().log(0, 1).await.unwrap().length;
    assert_eq!(code(turn(false).await), "plugins.too_many");
    turn(true).await.unwrap();
    assert_eq!(server.registry().log(0, 1).await.unwrap().length, length, "nothing new stands in the log");
}

#[tokio::test]
async fn manifests_in_memory_weigh_what_they_have() {
    let server = Server::new().await;
    let choices: Vec<_> = (0..100).map(|n| format!("'choice {n}'")).collect();
    let setting = |n| {
        format!(
            "[[settings]]\nid='s{n}'\ntitle='S'\nkind='choice'\ndefault='choice 1'\nchoices=[{}]\n",
            choices.join(",")
        )
    };
    let package = package_of("dev.large", "1.0.0", &(0..20).map(setting).collect::<String>(), &COMPONENT);
    let json = serde_json::to_vec(package.manifest()).unwrap().len() as u64;
    server.plugins.develop(user(2), workspace(1), package.to_bytes().into(), None).await.unwrap();
    assert_eq!(server.plugins.inner.packages.manifests_weight(), 2 * json);
}
