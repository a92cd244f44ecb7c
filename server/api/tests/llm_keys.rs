//! Keys of model servers: added, used for what their owners ask, and never shown.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use coditect_protocol::llm::{CallPage, KeyList, KeyOwner, KeyState, ModelKey};
use serde_json::{Value, json};
use support::upstream::{Upstream, ask, eventually, govern};
use support::{Person, TestServer, server};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
const TEAM: &str = "01890000-0000-7000-8000-000000000001";

fn key(name: &str, key: &str) -> Value {
    json!({"upstream": "up", "name": name, "key": key})
}

fn owned(name: &str, secret: &str, owner: &Value) -> Value {
    let mut key = key(name, secret);
    key["owner"] = owner.clone();
    key
}

async fn site() -> (Upstream, TestServer, Person, Person) {
    let (upstream, mut given) = Upstream::start("up").await;
    given.api_key = Some("sk-operator-12345678".to_owned());
    let server = server(|settings| settings.llm_upstream = vec![given]).await;
    let ada = server.person("ada@example.org").await;
    let eve = server.person("eve@example.org").await;
    (upstream, server, ada, eve)
}

async fn removed(person: &Person, path: &str) {
    let _: Value = person.ask("DELETE", path, Value::Null).await;
}

#[tokio::test]
async fn a_question_goes_with_the_nearest_key() {
    let (upstream, server, ada, eve) = site().await;
    let team = json!({"id": TEAM, "name": "Physics", "members": [eve.token.session.user.id]});
    govern(&ada, json!({"teams": [team]})).await;
    let (everybody, of_team) = (json!({"kind": "everybody"}), json!({"kind": "team", "id": TEAM}));
    let add_any = async |body: Value| ada.ask::<ModelKey>("POST", "/admin/llm/keys", body).await;
    let shared = add_any(owned("Ours", "sk-everybody-12345678", &everybody)).await;
    assert_eq!((shared.owner, shared.state, &*shared.hint), (KeyOwner::Everybody, KeyState::Ready, "5678"));
    let used = async |person: &Person| {
        ask(person, "up/small", "codex").await;
        upstream.last_key()
    };
    let bearer = |key: &str| Some(format!("Bearer {key}"));
    assert_eq!(used(&eve).await, bearer("sk-everybody-12345678"));
    let teams = add_any(owned("Physics", "sk-physics-12345678", &of_team)).await;
    assert_eq!((used(&eve).await, used(&ada).await), (bearer("sk-physics-12345678"), bearer("sk-everybody-12345678")));
    let own: ModelKey = eve.ask("POST", "/llm/keys", key("Mine", "sk-eves-own-12345678")).await;
    assert_eq!(own.owner, KeyOwner::Person(eve.token.session.user.id));
    assert_eq!(used(&eve).await, bearer("sk-eves-own-12345678"));
    let calls: CallPage = eventually(&eve, "/llm/calls", |page: &CallPage| page.calls.len() == 3).await;
    assert_eq!(calls.calls.iter().map(|call| call.own_key).collect::<Vec<_>>(), [true, false, false]);
    // Each is listed to whom it concerns, without what is secret.
    let listed = async |person: &Person, path: &str| {
        let text = person.request("GET", path).send().await.unwrap().text().await.unwrap();
        assert!(!text.contains("sk-"), "{text}");
        let list: KeyList = serde_json::from_str(&text).unwrap();
        assert!(list.upstreams.contains(&"up".to_owned()));
        list.keys.into_iter().map(|key| key.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(&eve, "/llm/keys").await, [own.id]);
    assert_eq!(listed(&ada, "/llm/keys").await, []);
    assert_eq!(listed(&ada, "/admin/llm/keys").await, [own.id, teams.id, shared.id]);
    // Once they are gone, the one of the settings is sent.
    removed(&eve, &format!("/llm/keys/{}", own.id)).await;
    assert_eq!(used(&eve).await, bearer("sk-physics-12345678"));
    removed(&ada, &format!("/admin/llm/keys/{}", teams.id)).await;
    removed(&ada, &format!("/admin/llm/keys/{}", shared.id)).await;
    assert_eq!(used(&eve).await, bearer("sk-operator-12345678"));
    server.stop().await;
}

#[tokio::test]
async fn nobody_reaches_the_keys_of_others() {
    let (_, server, ada, eve) = site().await;
    let own: ModelKey = eve.ask("POST", "/llm/keys", key("Mine", "sk-eves-own-12345678")).await;
    let not_found = (404, "llm.key_not_found".to_owned());
    for id in [&own.id.to_string(), NOBODY, "not-an-id"] {
        assert_eq!(ada.refused_to("DELETE", &format!("/llm/keys/{id}"), Value::Null).await, not_found, "{id}");
    }
    assert_eq!(ada.refused_to("DELETE", &format!("/admin/llm/keys/{NOBODY}"), Value::Null).await, not_found);
    // A secret is no program's business.
    let program = ada.with_token(&["llm", "admin", "account:read"]).await;
    let needs_login = (403, "auth.needs_login".to_owned());
    let everybody = owned("x", "sk-12345678", &json!({"kind": "everybody"}));
    for (method, path, body) in [
        ("GET", "/llm/keys", Value::Null),
        ("POST", "/llm/keys", key("x", "sk-12345678")),
        ("DELETE", &format!("/llm/keys/{}", own.id), Value::Null),
        ("POST", "/admin/llm/keys", everybody.clone()),
        ("DELETE", &format!("/admin/llm/keys/{}", own.id), Value::Null),
    ] {
        assert_eq!(program.refused_to(method, path, body).await, needs_login, "{method} {path}");
    }
    let listed: KeyList = program.ask("GET", "/admin/llm/keys", Value::Null).await;
    assert_eq!(listed.keys.len(), 1);
    for (method, path, body) in [
        ("GET", "/admin/llm/keys", Value::Null),
        ("POST", "/admin/llm/keys", everybody),
        ("DELETE", &format!("/admin/llm/keys/{}", own.id), Value::Null),
    ] {
        assert_eq!(eve.refused_to(method, path, body).await, (403, "auth.not_admin".to_owned()), "{method} {path}");
    }
    removed(&ada, &format!("/admin/llm/keys/{}", own.id)).await;
    let list: KeyList = eve.ask("GET", "/llm/keys", Value::Null).await;
    assert_eq!(list.keys, []);
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_key_or_nobodys_is_refused() {
    let (_, server, ada, eve) = site().await;
    let of = |kind: &str, id: &str| json!({"kind": kind, "id": id});
    let of_ada = of("person", &ada.token.session.user.id.to_string());
    let of_eve = of("person", &eve.token.session.user.id.to_string());
    let everybody = json!({"kind": "everybody"});
    for (body, code) in [
        (key("", "sk-12345678"), "llm.key_invalid"),
        (key("x", ""), "llm.key_invalid"),
        (key("x", "two words"), "llm.key_invalid"),
        (json!({"upstream": "other", "name": "x", "key": "sk-12345678"}), "llm.unknown_upstream"),
        (json!({"upstream": "up", "name": "x", "key": "sk-1", "weight": 1_000_000}), "llm.key_invalid"),
        (json!({"upstream": "up", "name": "x", "key": "sk-1", "id": NOBODY}), "api.bad_body"),
        (owned("x", "sk-12345678", &everybody), "llm.key_owner"),
        (owned("x", "sk-12345678", &of_ada), "llm.key_owner"),
    ] {
        assert_eq!(eve.refused_to("POST", "/llm/keys", body.clone()).await, (400, code.to_owned()), "{body}");
    }
    for (body, refused) in [
        (key("x", "sk-12345678"), (400, "llm.key_owner")),
        (owned("x", "sk-12345678", &of("team", TEAM)), (404, "llm.team_not_found")),
        (owned("x", "sk-12345678", &of("person", NOBODY)), (404, "auth.no_such_person")),
        (owned("x", "", &everybody), (400, "llm.key_invalid")),
    ] {
        let expected = (refused.0, refused.1.to_owned());
        assert_eq!(ada.refused_to("POST", "/admin/llm/keys", body.clone()).await, expected, "{body}");
    }
    let given: ModelKey = ada.ask("POST", "/admin/llm/keys", owned("For Eve", "sk-12345678", &of_eve)).await;
    let listed: KeyList = eve.ask("GET", "/llm/keys", Value::Null).await;
    assert_eq!(listed.keys, [given]);
    let said_twice: ModelKey = eve.ask("POST", "/llm/keys", owned("Mine", "sk-87654321", &of_eve)).await;
    assert_eq!(said_twice.owner, KeyOwner::Person(eve.token.session.user.id));
    server.stop().await;
}
