//! V7 Session Management.

use std::time::Duration;

use coditect_auth::Device;
use coditect_protocol::Coded as _;
use coditect_store::Store;
use serde_json::{Value, json};

use crate::document::{number, source};
use crate::forge::{payload, tampered};
use crate::harness::{
    Caller, OTHER_PASSWORD, WRONG_PASSWORD, accounts, admin_and_member, assert_random, bits, browser, logged_in,
    now_ms, person, registered, site, until, with_second_factor,
};
use crate::support::{PASSWORD, Page};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

#[tokio::test]
async fn v7_1_1_the_documented_lifetimes_are_those_of_a_login() {
    let server = site(|_| {}).await;
    let ada = person(&server, "ada@example.org").await;
    let ends = ada.login["session"]["expires_at"].as_u64().unwrap();
    let idle = number("Limits", "Days after which an unused login ends") * DAY_MS;
    assert!(ends.abs_diff(now_ms() + idle) < 60_000, "{ends}");
    let access = number("Limits", "Seconds that an access token is good") * 1000;
    assert_eq!(ada.login["expires_in"].as_u64().unwrap().div_ceil(10) * 10_000, access);
    let settings = server.state.auth.settings();
    let absolute = number("Limits", "Days after which every login ends");
    assert_eq!(settings.absolute_lifetime, Duration::from_secs(absolute * 24 * 60 * 60));
    server.stop().await;
}

#[tokio::test]
async fn v7_1_2_a_login_beyond_the_documented_number_ends_the_oldest() {
    let documented = number("Limits", "Logins of one person");
    let defaults = coditect_api::settings::Settings::default();
    assert_eq!(defaults.sessions_per_person as u64, documented);
    let server = site(|settings| settings.sessions_per_person = 3).await;
    let first = person(&server, "ada@example.org").await;
    let stranger = Caller::stranger(&server, "198.51.100.9");
    let mut later = Vec::new();
    for _ in 0..3 {
        later.push(stranger.logged_in("ada@example.org", PASSWORD).await);
    }
    assert!(!first.is_in().await, "the oldest login went on");
    for caller in &later {
        assert!(caller.is_in().await);
    }
    let listed = later[0].get("/auth/sessions").await.ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 3);
    server.stop().await;
}

#[tokio::test]
async fn v7_2_1_what_a_client_says_of_its_session_is_checked_by_the_server() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    let mine = payload(bob.access_token());
    for (claim, value) in [
        ("sub", json!(admin.user_id())),
        ("sid", json!(admin.session_id())),
        ("exp", json!(mine["exp"].as_u64().unwrap() + 1_000_000)),
        ("role", json!("admin")),
    ] {
        let forged = tampered(bob.access_token(), |claims| claims[claim] = value.clone());
        bob.clone().with_bearer(&forged).get("/auth/me").await.refused(401, "auth.invalid_token");
    }
    // The session of the token counts, and no other that is named beside it.
    let asking = bob.clone().with_header("cookie", &format!("coditect_access={}", admin.access_token()));
    let asking = asking.with_header("x-session-id", &admin.session_id()).with_header("x-user-id", &admin.user_id());
    assert_eq!(asking.get("/auth/me").await.ok().json()["user"]["login"], "bob@example.org");
    server.stop().await;
}

#[tokio::test]
async fn v7_2_2_no_login_gets_what_another_one_got() {
    let server = site(|_| {}).await;
    let ada = person(&server, "ada@example.org").await;
    let token = ada.token(&["account:read"]).await;
    let mut seen = vec![ada.access_token().to_owned(), ada.refresh_token().to_owned(), ada.session_id()];
    for _ in 0..4 {
        let again = Caller::stranger(&server, "198.51.100.10").logged_in("ada@example.org", PASSWORD).await;
        for secret in [again.access_token().to_owned(), again.refresh_token().to_owned(), again.session_id()] {
            assert!(!seen.contains(&secret));
            seen.push(secret);
        }
    }
    // A static secret is no session, and cannot be turned into one.
    let program = Caller::stranger(&server, "198.51.100.11").with_bearer(&token);
    program.get("/auth/sessions").await.refused(403, "auth.needs_login");
    let refreshed = program.post("/auth/refresh", json!({ "refresh_token": token })).await;
    assert_eq!(refreshed.status, 401, "{refreshed:?}");
    assert!(refreshed.cookies().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn v7_2_3_refresh_tokens_cannot_be_made_up() {
    let server = site(|_| {}).await;
    let ada = person(&server, "ada@example.org").await;
    let stranger = Caller::stranger(&server, "198.51.100.12");
    let mut secrets = vec![ada.refresh_token()[44..].to_owned()];
    let mut current = ada.refresh_token().to_owned();
    for _ in 0..8 {
        let next = stranger.post("/auth/refresh", json!({ "refresh_token": current })).await.ok().json();
        current = next["refresh_token"].as_str().unwrap().to_owned();
        secrets.push(current[44..].to_owned());
    }
    assert_random(&secrets);
    assert!(bits(&secrets[0]) >= 128.0, "{}", secrets[0]);
    // Who knows the session's id, which lists and logs show, cannot end the session or go on with it.
    let bytes = data_encoding::BASE64URL_NOPAD.decode(current.as_bytes()).unwrap();
    let mut made_up = bytes[..16].to_vec();
    made_up.resize(bytes.len(), 7);
    let made_up = data_encoding::BASE64URL_NOPAD.encode(&made_up);
    assert_eq!(stranger.post("/auth/refresh", json!({ "refresh_token": made_up })).await.status, 401);
    assert!(ada.is_in().await, "a made-up token ended a session");
    server.stop().await;
}

#[tokio::test]
async fn v7_2_4_who_logs_in_again_gets_a_new_session_and_the_old_one_ends() {
    let server = site(|_| {}).await;
    person(&server, "ada@example.org").await;
    let stranger = Caller::stranger(&server, "198.51.100.8");
    let first = stranger.try_login("ada@example.org", PASSWORD).await.ok();
    let before = stranger.clone().with_cookies(&first.cookies());
    let again = before.try_login("ada@example.org", PASSWORD).await.ok();
    let after = stranger.clone().with_cookies(&again.cookies());
    assert!(after.is_in().await);
    let id = |answer: &crate::harness::Answer| answer.json()["session"]["session_id"].clone();
    let (old, new) = (id(&first), id(&again));
    assert!(old != new, "the session was not renewed");
    assert!(!before.is_in().await, "the session before goes on, although nobody sees it any more");
    // A session that somebody planted in the browser is not taken over by the login.
    let planted = stranger.clone().with_cookies(&[("coditect_access".to_owned(), "planted".to_owned())]);
    let fresh = planted.try_login("ada@example.org", PASSWORD).await.ok();
    assert!(fresh.cookies().iter().any(|(name, value)| name.ends_with("coditect_access") && value != "planted"));
    server.stop().await;
}

#[tokio::test]
async fn v7_3_1_an_unused_session_ends() {
    let store = Store::open("memory:").await.unwrap();
    let auth = accounts(&store, |settings| settings.refresh_idle_lifetime = Duration::from_secs(1)).await;
    let login = registered(&auth, "ada@example.org").await;
    let session = login.session.session_id;
    auth.check_session(session).await.expect("it has only begun");
    let code = async || auth.check_session(session).await.err().map(|error| error.code());
    until(async || code().await.is_some()).await;
    assert_eq!(code().await, Some("auth.session_ended"));
    assert!(auth.check(&login.access_token).await.is_err());
    let refreshed = auth.refresh(&login.refresh_token, &Device::default()).await;
    assert_eq!(refreshed.err().map(|error| error.code()), Some("auth.session_ended"));
}

#[tokio::test]
async fn v7_3_2_a_session_that_is_always_used_ends_too() {
    let store = Store::open("memory:").await.unwrap();
    let auth = accounts(&store, |settings| {
        settings.refresh_idle_lifetime = Duration::from_secs(60);
        settings.absolute_lifetime = Duration::from_secs(2);
    })
    .await;
    let mut login = registered(&auth, "ada@example.org").await;
    let mut refreshed = 0;
    let code = loop {
        match auth.refresh(&login.refresh_token, &Device::default()).await {
            Ok(next) => login = next,
            Err(error) => break error.code(),
        }
        refreshed += 1;
        tokio::task::yield_now().await;
    };
    assert!(refreshed > 0);
    assert_eq!(code, "auth.session_ended");
    assert!(auth.check(&login.access_token).await.is_err(), "the last access token outlives its session");
    logged_in(&auth, "ada@example.org").await;
}

#[tokio::test]
async fn v7_4_1_nothing_of_a_session_is_good_after_its_end() {
    let server = site(|_| {}).await;
    let ada = person(&server, "ada@example.org").await;
    let ada_at_home = browser(&server, "ada@example.org").await;
    let mut page = Page::open(&server.url("/api/v5"), ada.access_token()).await;
    ada.post("/auth/logout", json!({})).await.ok();
    ada.get("/auth/me").await.refused(401, "auth.session_ended");
    let refreshed = ada.post("/auth/refresh", json!({ "refresh_token": ada.refresh_token() })).await;
    assert_eq!(refreshed.status, 401, "{refreshed:?}");
    assert_eq!(page.farewell().await.code, "auth.session_ended");
    assert!(crate::support::connect(&server.url("/api/v5"), ada.access_token(), None).await.is_err());
    // A browser that keeps its cookies although it was told to drop them.
    let gone = ada_at_home.post("/auth/logout", json!({})).await.ok();
    assert!(gone.headers.get_all("set-cookie").iter().all(|cookie| cookie.to_str().unwrap().contains("Max-Age=0")));
    assert_eq!(ada_at_home.get("/auth/me").await.status, 401);
    assert_eq!(ada_at_home.send(ada_at_home.request("POST", "/auth/refresh")).await.status, 401);
    server.stop().await;
}

#[tokio::test]
async fn v7_4_2_a_disabled_person_is_out_everywhere_at_once() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    let token = bob.token(&["account:read", "workspaces:read"]).await;
    let program = Caller::stranger(&server, "198.51.100.13").with_bearer(&token);
    let at_home = browser(&server, "bob@example.org").await;
    assert!(program.is_in().await && at_home.is_in().await);
    let mut page = Page::open(&server.url("/api/v5"), bob.access_token()).await;
    let stranger = Caller::stranger(&server, "198.51.100.14");
    let device = stranger.post("/auth/device/code", json!({ "client_name": "p" })).await.ok().json();
    let approval = format!("/auth/device/{}", device["user_code"].as_str().unwrap());
    bob.post(&approval, json!({ "approve": true })).await.ok();
    let path = format!("/admin/people/{}", bob.user_id());
    let code = admin.post(&format!("{path}/reset-code"), json!({})).await.ok().json()["code"].clone();
    admin.patch(&path, json!({ "disabled": true })).await.ok();
    for caller in [&bob, &at_home, &program] {
        let answer = caller.get("/workspaces").await;
        assert!([401, 403].contains(&answer.status), "{answer:?}");
    }
    page.farewell().await;
    let refreshed = bob.post("/auth/refresh", json!({ "refresh_token": bob.refresh_token() })).await;
    assert!(refreshed.status >= 400 && refreshed.cookies().is_empty(), "{refreshed:?}");
    let fetched = stranger.post("/auth/device/token", json!({ "device_code": device["device_code"] })).await;
    assert!(fetched.status >= 400, "a login that was approved before: {fetched:?}");
    let reset = json!({ "login": "bob@example.org", "code": code, "new_password": OTHER_PASSWORD });
    stranger.post("/auth/password/reset", reset).await;
    for password in [PASSWORD, OTHER_PASSWORD] {
        assert!(stranger.try_login("bob@example.org", password).await.status >= 400);
    }
    // Only who knows the password learns that the account is disabled.
    stranger.try_login("bob@example.org", WRONG_PASSWORD).await.refused(401, "auth.bad_credentials");
    server.stop().await;
}

#[tokio::test]
async fn v7_4_3_a_new_password_or_factor_ends_the_other_sessions() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    let stranger = Caller::stranger(&server, "198.51.100.15");
    let thief = stranger.logged_in("bob@example.org", PASSWORD).await;
    let change = json!({ "current_password": PASSWORD, "new_password": OTHER_PASSWORD });
    bob.post("/auth/password", change).await.ok();
    assert!(!thief.is_in().await, "another session outlives the password that it began with");
    let refreshed = thief.post("/auth/refresh", json!({ "refresh_token": thief.refresh_token() })).await;
    assert_eq!(refreshed.status, 401);
    // A reset ends all of them.
    let now = stranger.logged_in("bob@example.org", OTHER_PASSWORD).await;
    let path = format!("/admin/people/{}/reset-code", bob.user_id());
    let code = admin.post(&path, json!({})).await.ok().json()["code"].clone();
    let reset = json!({ "login": "bob@example.org", "code": code, "new_password": PASSWORD });
    stranger.post("/auth/password/reset", reset).await.ok();
    assert!(!now.is_in().await && !bob.is_in().await);
    // With a second factor switched on, the person can end the others.
    let bob = stranger.logged_in("bob@example.org", PASSWORD).await;
    let thief = stranger.logged_in("bob@example.org", PASSWORD).await;
    with_second_factor(&bob).await;
    if thief.is_in().await {
        bob.delete("/auth/sessions").await.ok();
    }
    assert!(!thief.is_in().await && bob.is_in().await);
    server.stop().await;
}

#[test]
fn v7_4_4_every_page_that_needs_a_login_offers_to_log_out() {
    let ide = source("theia-app/extension/src/browser/views/coditect-widget.tsx");
    assert!(ide.contains("Log out"), "the IDE does not offer to log out");
    assert!(source("web/src/parts/PersonMenu.tsx").contains("Log out"), "the menu does not offer to log out");
    // What reads the session shows the menu.
    let mut needing = 0;
    for folder in ["web/src/pages", "web/src/pages/account", "web/src/pages/admin", "web/src/parts"] {
        for entry in std::fs::read_dir(crate::document::root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let is_page = path.to_str().unwrap().ends_with(".tsx") && !path.to_str().unwrap().contains(".test.");
            let text = if is_page { std::fs::read_to_string(&path).unwrap() } else { continue };
            if ["= useWorkspaces(", "= useSession("].iter().any(|hook| text.contains(hook)) {
                needing += 1;
                assert!(text.contains("<PersonMenu"), "{} does not offer to log out", path.display());
            }
        }
    }
    assert!(needing >= 2, "hardly a page was looked at");
}

#[tokio::test]
async fn v7_4_5_an_admin_ends_the_sessions_of_a_person_and_nobody_else_can() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    let eve = person(&server, "eve@example.org").await;
    let path = |person: &Caller| format!("/admin/people/{}/sessions", person.user_id());
    eve.delete(&path(&bob)).await.refused(403, "auth.not_admin");
    assert!(bob.is_in().await);
    let second = Caller::stranger(&server, "198.51.100.16").logged_in("bob@example.org", PASSWORD).await;
    let ended = admin.delete(&path(&bob)).await.ok().json();
    assert_eq!(ended["ended"], 2);
    assert!(!bob.is_in().await && !second.is_in().await && eve.is_in().await && admin.is_in().await);
    server.stop().await;
}

#[tokio::test]
async fn v7_5_1_a_stolen_session_cannot_change_how_its_person_logs_in() {
    let server = site(|_| {}).await;
    let (_, bob) = admin_and_member(&server).await;
    let authenticator = with_second_factor(&bob).await;
    let token = json!({ "name": "t", "scopes": ["files:read"], "expires_in_days": 7 });
    let with = |mut body: Value, password: &str| {
        body["password"] = json!(password);
        body
    };
    // Without the password, with a wrong one, and with the password but without the second factor.
    for path in ["/auth/second-factor/totp", "/auth/second-factor/recovery-codes", "/auth/second-factor/disable"] {
        for body in [json!({}), with(json!({}), WRONG_PASSWORD), with(json!({}), PASSWORD)] {
            let answer = bob.post(path, body.clone()).await;
            assert_eq!(answer.status / 100, 4, "{path} {body}: {answer:?}");
        }
    }
    for body in [token.clone(), with(token.clone(), WRONG_PASSWORD), with(token, PASSWORD)] {
        assert_eq!(bob.post("/auth/tokens", body).await.status / 100, 4, "a token without both factors");
    }
    let change = json!({ "current_password": PASSWORD, "new_password": OTHER_PASSWORD });
    assert_eq!(bob.post("/auth/password", change).await.status / 100, 4, "a new password without the second factor");
    let status = bob.get("/auth/second-factor").await.ok().json();
    assert_eq!(status["enabled"], true);
    assert_eq!(status["recovery_codes_left"].as_u64().unwrap(), authenticator.recovery_codes.len() as u64);
    server.stop().await;
}

#[tokio::test]
async fn v7_5_1_an_admins_stolen_session_does_not_become_their_account() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    let authenticator = with_second_factor(&admin).await;
    let own = format!("/admin/people/{}", admin.user_id());
    // What an admin may do for others would let a thief in who knows neither the password nor has the authenticator.
    let code = admin.post(&format!("{own}/reset-code"), json!({})).await;
    assert_eq!(code.status, 403, "an admin's own password can be reset without the one they have: {code:?}");
    let removed = admin.delete(&format!("{own}/second-factor")).await;
    assert_eq!(removed.status, 403, "an admin's own second factor can be taken away without it: {removed:?}");
    // A program's token makes no logins of others.
    let token = json!({
        "name": "t", "scopes": ["admin"], "expires_in_days": 7, "password": PASSWORD,
        "code": authenticator.recovery_codes[0],
    });
    let token = admin.post("/auth/tokens", token).await.ok().json()["token"].as_str().unwrap().to_owned();
    let program = Caller::stranger(&server, "198.51.100.18").with_bearer(&token);
    let of_bob = format!("/admin/people/{}", bob.user_id());
    program.post(&format!("{of_bob}/reset-code"), json!({})).await.refused(403, "auth.needs_login");
    program.delete(&format!("{of_bob}/second-factor")).await.refused(403, "auth.needs_login");
    server.stop().await;
}

#[tokio::test]
async fn v7_5_2_people_see_their_sessions_and_end_any_of_them() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    let phone = Caller::stranger(&server, "203.0.113.77")
        .with_header("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0");
    let phone = phone.logged_in("bob@example.org", PASSWORD).await;
    let listed = bob.get("/auth/sessions").await.ok().json();
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert_eq!(listed.iter().filter(|entry| entry["current"] == true).count(), 1);
    let other = listed.iter().find(|entry| entry["id"] == json!(phone.session_id())).unwrap();
    assert_eq!(other["address"], "203.0.113.77");
    assert!(other["device"].as_str().unwrap().contains("Firefox"), "{other}");
    bob.delete(&format!("/auth/sessions/{}", admin.session_id())).await.refused(404, "auth.no_such_session");
    assert!(admin.is_in().await, "somebody ended another person's session");
    bob.delete(&format!("/auth/sessions/{}", phone.session_id())).await.ok();
    assert!(!phone.is_in().await && bob.is_in().await);
    server.stop().await;
}

#[tokio::test]
async fn v7_6_2_no_session_begins_unless_its_person_did_something() {
    let server = site(|_| {}).await;
    person(&server, "ada@example.org").await;
    let stranger = Caller::stranger(&server, "198.51.100.17");
    // A page of another site logs a browser in as somebody of its choice.
    let forced = stranger.clone().with_header("origin", "https://evil.example");
    let forms =
        [("/auth/login", json!({ "login": "ada@example.org", "password": PASSWORD })), ("/auth/refresh", json!({}))];
    for (path, body) in forms {
        let answer = forced.post(path, body).await;
        assert!(answer.status >= 400 && answer.cookies().is_empty(), "{path}: {answer:?}");
    }
    // Nor can a form without a script: the API takes none.
    let form = stranger.request("POST", "/auth/login").header("content-type", "text/plain");
    let form = stranger.send(form.body(format!("{{\"login\":\"ada@example.org\",\"password\":\"{PASSWORD}\"}}"))).await;
    assert!(form.status >= 400 && form.cookies().is_empty(), "{form:?}");
    // Looking at things begins no session.
    for path in ["/auth/config", "/auth/me", "/health", "/"] {
        assert!(stranger.get(path).await.cookies().is_empty(), "{path}");
    }
    // A page of another site approves a device in the name of who is logged in.
    let device = stranger.post("/auth/device/code", json!({ "client_name": "p" })).await.ok().json();
    let approval = format!("/auth/device/{}", device["user_code"].as_str().unwrap());
    let ada = browser(&server, "ada@example.org").await.with_header(coditect_protocol::auth::CSRF_HEADER, "guess");
    ada.post(&approval, json!({ "approve": true })).await.refused(403, "auth.csrf");
    let polled = stranger.post("/auth/device/token", json!({ "device_code": device["device_code"] })).await;
    assert_eq!(polled.code(), "auth.authorization_pending");
    server.stop().await;
}
