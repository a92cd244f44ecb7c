//! What admins do about people and invitations.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use coditect_api::settings::Registering;
use coditect_protocol::auth::{Ended, InviteEntry, InviteMade, People, PersonEntry, Role};
use coditect_protocol::call::Request;
use serde_json::{Value, json};
use support::{PASSWORD, Person, refusal, server};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

fn path(person: &Person, rest: &str) -> String {
    format!("/admin/people/{}{rest}", person.token.session.user.id)
}

#[tokio::test]
async fn only_admins_reach_it() {
    let server = server(|_| {}).await;
    let ada = server.person("ada").await;
    let eve = server.person("eve").await;
    let invite = json!({"role": "member", "expires_in_days": 1});
    for (method, path, body) in [
        ("GET", "/admin/people".to_owned(), Value::Null),
        ("PATCH", path(&eve, ""), json!({"role": "admin"})),
        ("POST", path(&ada, "/reset-code"), Value::Null),
        ("DELETE", path(&ada, "/second-factor"), Value::Null),
        ("DELETE", path(&ada, "/sessions"), Value::Null),
        ("GET", "/admin/invites".to_owned(), Value::Null),
        ("POST", "/admin/invites".to_owned(), invite),
        ("DELETE", format!("/admin/invites/{NOBODY}"), Value::Null),
        ("POST", "/admin/keys/rotate".to_owned(), Value::Null),
    ] {
        assert_eq!(eve.refused_to(method, &path, body).await, (403, "auth.not_admin".to_owned()), "{method} {path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn people_are_listed_page_by_page() {
    let server = server(|_| {}).await;
    let ada = server.person("ada").await;
    for name in ["bob", "cid", "dan"] {
        server.person(name).await;
    }
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let people: People = ada.ask("GET", &format!("/admin/people?limit=3{after}"), Value::Null).await;
        seen.extend(people.people.iter().map(|entry| entry.user.login.clone()));
        let Some(next) = people.next else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen, ["ada", "bob", "cid", "dan"]);
    for query in ["limit=0", "limit=201", "limit=x", "after=x", "other=1"] {
        let refused = ada.refused_to("GET", &format!("/admin/people?{query}"), Value::Null).await;
        assert_eq!(refused, (400, "api.bad_query".to_owned()), "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_person_is_kept_out_at_once_and_let_in_again() {
    let server = server(|_| {}).await;
    let ada = server.person("ada").await;
    let bob = server.person("bob").await;
    let token = bob.with_token(&["account:read"]).await;
    let (mut page, mut token_page) = (bob.page().await, token.page().await);
    page.call(Request::Session).await.unwrap();
    let changed: PersonEntry = ada.ask("PATCH", &path(&bob, ""), json!({"disabled": true})).await;
    assert!(changed.disabled && changed.sessions == 0);
    assert_eq!(page.farewell().await.code, "auth.session_ended");
    token_page.farewell().await;
    assert_eq!(bob.refused_to("GET", "/auth/me", Value::Null).await.0, 401);
    assert_eq!(token.refused_to("GET", "/auth/me", Value::Null).await.0, 401);
    assert_eq!(refusal(server.try_log_in("bob", PASSWORD).await).await, (403, "auth.disabled".to_owned()));
    // Only who has the password learns it.
    assert_eq!(refusal(server.try_log_in("bob", "a wrong password").await).await.1, "auth.bad_credentials");
    ada.ask::<PersonEntry>("PATCH", &path(&bob, ""), json!({"disabled": false})).await;
    server.log_in("bob", PASSWORD).await;
    for (method, rest, body) in [
        ("PATCH", "", json!({"role": "admin"})),
        ("POST", "/reset-code", Value::Null),
        ("DELETE", "/second-factor", Value::Null),
        ("DELETE", "/sessions", Value::Null),
    ] {
        for id in [NOBODY, "x"] {
            let refused = ada.refused_to(method, &format!("/admin/people/{id}{rest}"), body.clone()).await;
            assert_eq!(refused, (404, "auth.no_such_person".to_owned()), "{method} {rest} {id}");
        }
    }
    assert_eq!(
        ada.refused_to("DELETE", &path(&bob, "/second-factor"), Value::Null).await,
        (409, "auth.second_factor_missing".to_owned())
    );
    server.stop().await;
}

#[tokio::test]
async fn the_last_admin_stays() {
    let server = server(|_| {}).await;
    let ada = server.person("ada").await;
    for change in [json!({"role": "member"}), json!({"disabled": true})] {
        assert_eq!(ada.refused_to("PATCH", &path(&ada, ""), change).await, (409, "auth.last_admin".to_owned()));
    }
    server.stop().await;
}

#[tokio::test]
async fn an_admin_ends_somebodys_logins() {
    let server = server(|_| {}).await;
    let ada = server.person("ada").await;
    let bob = server.person("bob").await;
    server.log_in("bob", PASSWORD).await;
    let ended: Ended = ada.ask("DELETE", &path(&bob, "/sessions"), Value::Null).await;
    assert_eq!(ended.ended, 2);
    assert_eq!(bob.refused_to("GET", "/auth/me", Value::Null).await.1, "auth.session_ended");
    server.stop().await;
}

#[tokio::test]
async fn who_is_invited_registers_once() {
    let server = server(|settings| {
        settings.registration = Registering::Invite;
        settings.first_login = "root".to_owned();
    })
    .await;
    let text = std::fs::read_to_string(server.dir.path().join("data/first-login.json")).unwrap();
    let first: Value = serde_json::from_str(&text).unwrap();
    let admin = server.log_in("root", first["password"].as_str().unwrap()).await;
    let register = async |login: &str, invite: Option<&str>| {
        let body = json!({"login": login, "password": PASSWORD, "invite": invite});
        server.post("/auth/register", &body).await
    };
    assert_eq!(refusal(register("ada", None).await).await, (400, "auth.invite_needed".to_owned()));
    assert_eq!(refusal(register("ada", Some("forged")).await).await, (400, "auth.invite_invalid".to_owned()));
    let make = async |body: Value| admin.ask::<InviteMade>("POST", "/admin/invites", body).await;
    let made = make(json!({"role": "admin", "expires_in_days": 1, "login": "ada"})).await;
    let open: Vec<InviteEntry> = admin.ask("GET", "/admin/invites", Value::Null).await;
    assert_eq!(open, std::slice::from_ref(&made.entry));
    assert_eq!(refusal(register("eve", Some(&made.code)).await).await.1, "auth.invite_invalid");
    let registered = register("ADA", Some(&made.code)).await;
    assert_eq!(registered.status(), 201);
    let token: coditect_protocol::auth::TokenAnswer = registered.json().await.unwrap();
    assert_eq!(token.session.user.role, Role::Admin);
    assert_eq!(refusal(register("bob", Some(&made.code)).await).await.1, "auth.invite_invalid");
    let revoked = make(json!({"role": "member", "expires_in_days": 1})).await;
    admin.ask::<()>("DELETE", &format!("/admin/invites/{}", revoked.entry.id), Value::Null).await;
    assert_eq!(refusal(register("bob", Some(&revoked.code)).await).await.1, "auth.invite_invalid");
    for id in [revoked.entry.id.to_string(), "x".to_owned()] {
        let refused = admin.refused_to("DELETE", &format!("/admin/invites/{id}"), Value::Null).await;
        assert_eq!(refused, (404, "auth.no_such_invite".to_owned()));
    }
    for body in [
        json!({"role": "member", "expires_in_days": 0}),
        json!({"role": "member", "expires_in_days": 400}),
        json!({"role": "member", "expires_in_days": 1, "login": "no name at all"}),
    ] {
        assert_eq!(admin.refused_to("POST", "/admin/invites", body.clone()).await.0, 400, "{body}");
    }
    server.stop().await;
}
