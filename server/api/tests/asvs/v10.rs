//! V10 OAuth and OIDC: what of it there is, which is device logins (RFC 8628), bearer tokens and refresh tokens.

use std::time::Duration;

use coditect_auth::Device;
use coditect_protocol::Coded as _;
use coditect_protocol::call::Request;
use coditect_protocol::files::{Place, Root, WriteMode};
use coditect_protocol::path::RelPath;
use coditect_store::Store;
use serde_json::{Value, json};

use crate::forge::payload;
use crate::harness::{Answer, Caller, accounts, admin_and_member, browser, logged_in, person, registered, site, until};
use crate::support::{PASSWORD, Page, connect};
use crate::v9::other_service;

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn device_code(stranger: &Caller, name: &str) -> Value {
    stranger.post("/auth/device/code", json!({ "client_name": name })).await.ok().json()
}

fn page_of(code: &Value) -> String {
    format!("/auth/device/{}", code["user_code"].as_str().unwrap())
}

async fn poll(stranger: &Caller, code: &Value) -> Answer {
    stranger.post("/auth/device/token", json!({ "device_code": code["device_code"] })).await
}

/// A login by device code, approved.
async fn program(stranger: &Caller, person: &Caller, name: &str) -> Caller {
    let code = device_code(stranger, name).await;
    person.post(&page_of(&code), json!({ "approve": true })).await.ok();
    stranger.taking(&poll(stranger, &code).await.ok())
}

#[tokio::test]
async fn v10_1_1_no_script_of_a_page_gets_hold_of_a_token() {
    let server = site(|_| {}).await;
    let page = Caller::stranger(&server, "203.0.113.95").with_header("origin", &server.url(""));
    let login = json!({ "login": "ada@example.org", "password": PASSWORD });
    let registered = page.post("/auth/register", login.clone()).await.ok();
    let again = page.post("/auth/login", login).await.ok();
    let at_home = page.clone().with_cookies(&again.cookies());
    let refreshed = at_home.send(at_home.request("POST", "/auth/refresh")).await.ok();
    // Nor does one that leaves out what tells a page's request from a program's: the cookie alone.
    let bare = Caller::stranger(&server, "203.0.113.95").with_cookies(&refreshed.cookies());
    let bare = bare.send(bare.request("POST", "/auth/refresh")).await.ok();
    for answer in [registered, again, refreshed, bare] {
        for (name, value) in answer.cookies().into_iter().filter(|(name, _)| !name.ends_with("coditect_csrf")) {
            assert!(!answer.text.contains(&value), "the body shows what the cookie {name} hides");
        }
        let hidden = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
        for cookie in hidden.filter(|cookie| !cookie.starts_with("coditect_csrf")) {
            assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"), "{cookie}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn v10_3_1_only_tokens_for_this_service_are_taken_by_its_routes_and_its_link() {
    let server = site(|_| {}).await;
    let ada = person(&server, "ada@example.org").await;
    let workspace = ada.workspace("W").await;
    let other = other_service(&server).await;
    let login = logged_in(&other, "ada@example.org").await;
    let caller = Caller::stranger(&server, "203.0.113.96").with_bearer(&login.access_token);
    for path in [format!("/workspaces/{workspace}"), format!("/workspaces/{workspace}/files"), "/llm/models".to_owned()]
    {
        caller.get(&path).await.refused(401, "auth.invalid_token");
    }
    assert!(connect(&server.url("/api/v5"), &login.access_token, None).await.is_err());
    server.stop().await;
}

fn place(workspace: &str, path: &str) -> Place {
    Place { root: Root::Workspace(workspace.parse().unwrap()), path: RelPath::parse(path).unwrap() }
}

#[tokio::test]
async fn v10_3_2_a_token_does_what_its_scopes_say_and_nothing_else() {
    let server = site(|_| {}).await;
    let (admin, _) = admin_and_member(&server).await;
    let workspace = admin.workspace("W").await;
    let file = format!("/workspaces/{workspace}/files/f.txt");
    admin.send(admin.request("PUT", &file).body("content")).await.ok();
    let reader = admin.token(&["files:read"]).await;
    let reader = Caller::stranger(&server, "203.0.113.97").with_bearer(&reader);
    assert_eq!(reader.get(&file).await.ok().text, "content");
    for (method, path) in
        [("PUT", &*file), ("DELETE", &*file), ("GET", "/workspaces"), ("GET", "/admin/people"), ("GET", "/llm/models")]
    {
        let refused = reader.send(reader.request(method, path).body("x")).await;
        refused.refused(403, "auth.scope");
    }
    // The same over the link, call by call.
    let token = admin.token(&["files:read"]).await;
    let mut page = Page::open(&server.url("/api/v5"), &token).await;
    page.call(Request::Stat(place(&workspace, "f.txt"))).await.expect("what the scope allows");
    let id = workspace.parse().unwrap();
    let spec = serde_json::from_value(json!({ "cols": 80, "rows": 24 })).unwrap();
    let overwrite = WriteMode::Overwrite;
    for call in [
        Request::WriteFile { place: place(&workspace, "f.txt"), content: b"x".to_vec(), mode: overwrite },
        Request::MakeFolder(place(&workspace, "d")),
        Request::Delete { place: place(&workspace, "f.txt"), recursive: false, trash: false },
        Request::Rename { from: place(&workspace, "f.txt"), to: place(&workspace, "g.txt"), overwrite: false },
        Request::Copy { from: place(&workspace, "f.txt"), to: place(&workspace, "g.txt"), overwrite: false },
        Request::ListTerminals { workspace: id },
        Request::CreateTerminal { workspace: id, spec },
        Request::ListModels { refresh: false, workspace: None },
    ] {
        let what = format!("{call:?}");
        assert_eq!(page.call(call).await.expect_err(&what).code, "auth.scope", "{what}");
    }
    // Nor is the link of a wider credential taken over by a narrower one, or by another person's.
    let mut wide = Page::open(&server.url("/api/v5"), admin.access_token()).await;
    wide.cut();
    wide.use_token(&token);
    assert!(!wide.come_back().await, "a token went on with the link of a login");
    assert_eq!(admin.get(&file).await.ok().text, "content");
    server.stop().await;
}

#[tokio::test]
async fn v10_3_3_a_token_names_its_person_by_what_is_never_given_to_another() {
    let server = site(|_| {}).await;
    let ada = person(&server, "ada@example.org").await;
    let claims = payload(ada.access_token());
    assert_eq!(claims["sub"], json!(ada.user_id()));
    let text = claims.to_string();
    assert!(!text.contains("ada@") && !text.contains("admin"), "{text}");
    // The id cannot be chosen, and a name stays its person's.
    let stranger = Caller::stranger(&server, "203.0.113.98");
    for login in ["ada@example.org", "ADA@example.org", " ada@EXAMPLE.org "] {
        let body = json!({ "login": login, "password": PASSWORD });
        stranger.post("/auth/register", body).await.refused(409, "auth.login_taken");
    }
    let body = json!({ "login": ada.user_id(), "password": PASSWORD });
    let posing = stranger.post("/auth/register", body).await;
    if posing.status == 201 {
        assert_ne!(stranger.taking(&posing).user_id(), ada.user_id());
    }
    server.stop().await;
}

#[tokio::test]
async fn v10_4_4_no_grant_but_the_one_that_programs_need() {
    let server = site(|_| {}).await;
    person(&server, "ada@example.org").await;
    let stranger = Caller::stranger(&server, "203.0.113.99");
    let code = device_code(&stranger, "p").await;
    let device = code["device_code"].as_str().unwrap();
    let form = async |body: String| {
        let request = stranger.request("POST", "/auth/device/token");
        stranger.send(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
    };
    let encoded = DEVICE_GRANT.replace(':', "%3A");
    for grant in ["password", "client_credentials", "implicit", "authorization_code", "refresh_token", "token", ""] {
        let body = format!("grant_type={grant}&device_code={device}&username=ada%40example.org&password=violet");
        let answer = form(body).await;
        assert_eq!(answer.status, 400, "{grant}: {answer:?}");
        let error = answer.json()["error"].clone();
        assert!(
            ["unsupported_grant_type", "invalid_request"].contains(&error.as_str().unwrap()),
            "{grant}: {answer:?}"
        );
    }
    let answer = form(format!("device_code={device}")).await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_request")), "{answer:?}");
    let answer = form(format!("grant_type={encoded}&device_code={device}")).await;
    assert_eq!(answer.json()["error"], "authorization_pending", "{answer:?}");
    for path in ["/auth/token", "/oauth/token", "/auth/authorize", "/oauth/authorize", "/token"] {
        assert_eq!(stranger.post(path, json!({ "grant_type": "password" })).await.status, 404, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn v10_4_5_a_refresh_token_that_comes_twice_ends_its_whole_family() {
    let store = Store::open("memory:").await.unwrap();
    let auth = accounts(&store, |settings| settings.reuse_grace = Duration::ZERO).await;
    let first = registered(&auth, "ada@example.org").await;
    let second = auth.refresh(&first.refresh_token, &Device::default()).await.unwrap();
    let third = auth.refresh(&second.refresh_token, &Device::default()).await.unwrap();
    auth.check(&third.access_token).await.expect("the newest is good");
    let reused = auth.refresh(&first.refresh_token, &Device::default()).await;
    assert_eq!(reused.err().map(|error| error.code()), Some("auth.refresh_reused"));
    for login in [&first, &second, &third] {
        assert!(auth.check(&login.access_token).await.is_err(), "an access token outlives its family");
        assert!(auth.refresh(&login.refresh_token, &Device::default()).await.is_err());
    }
    // Over HTTP, and as programs got it.
    let server = site(|_| {}).await;
    let ada = person(&server, "ada@example.org").await;
    let mut current = ada.refresh_token().to_owned();
    let thief = Caller::stranger(&server, "203.0.113.100");
    let stolen = current.clone();
    for _ in 0..2 {
        let next = ada.post("/auth/refresh", json!({ "refresh_token": current })).await.ok().json();
        current = next["refresh_token"].as_str().unwrap().to_owned();
    }
    // What was given out for a moment to tabs of one browser is not for ever.
    until(async || thief.post("/auth/refresh", json!({ "refresh_token": stolen })).await.status == 401).await;
    let after = ada.post("/auth/refresh", json!({ "refresh_token": current })).await;
    assert_eq!(after.status, 401, "{after:?}");
    server.stop().await;
}

#[tokio::test]
async fn v10_4_8_refreshing_again_and_again_does_not_make_a_login_last() {
    let store = Store::open("memory:").await.unwrap();
    let auth = accounts(&store, |settings| settings.absolute_lifetime = Duration::from_secs(1)).await;
    let mut login = registered(&auth, "ada@example.org").await;
    let ends = login.session.expires_at;
    let code = loop {
        match auth.refresh(&login.refresh_token, &Device::default()).await {
            Ok(next) => login = next,
            Err(error) => break error.code(),
        }
        assert!(login.session.expires_at <= ends, "a refresh moved the end");
        assert!(payload(&login.access_token)["exp"].as_u64().unwrap() * 1000 <= ends + 1000);
        tokio::task::yield_now().await;
    };
    assert_eq!(code, "auth.session_ended");
}

#[tokio::test]
async fn v10_4_9_a_person_revokes_what_programs_hold() {
    let server = site(|_| {}).await;
    let ada = person(&server, "ada@example.org").await;
    let program = program(&Caller::stranger(&server, "203.0.113.101"), &ada, "a program").await;
    assert!(program.is_in().await);
    ada.delete(&format!("/auth/sessions/{}", program.session_id())).await.ok();
    assert!(!program.is_in().await);
    let refreshed = program.post("/auth/refresh", json!({ "refresh_token": program.refresh_token() })).await;
    assert_eq!(refreshed.status, 401, "{refreshed:?}");
    let token = ada.token(&["account:read"]).await;
    let holder = Caller::stranger(&server, "203.0.113.102").with_bearer(&token);
    let mut page = Page::open(&server.url("/api/v5"), &token).await;
    let listed = ada.get("/auth/tokens").await.ok().json();
    assert!(!listed.to_string().contains(&token), "the list shows a token");
    assert!(holder.is_in().await);
    ada.delete(&format!("/auth/tokens/{}", listed[0]["id"].as_str().unwrap())).await.ok();
    holder.get("/auth/me").await.refused(401, "auth.invalid_token");
    page.farewell().await;
    server.stop().await;
}

#[tokio::test]
async fn v10_4_11_a_token_has_the_scopes_that_were_asked_for_and_none_by_itself() {
    let server = site(|_| {}).await;
    let bob = person(&server, "bob@example.org").await;
    let with = |scopes: Value| json!({ "name": "t", "scopes": scopes, "expires_in_days": 7, "password": PASSWORD });
    for (scopes, code) in [
        (json!([]), "auth.bad_token_request"),
        (json!(["*"]), "api.bad_body"),
        (json!(["files"]), "api.bad_body"),
        (json!(["FILES:READ"]), "api.bad_body"),
        (json!("files:read"), "api.bad_body"),
        (Value::Null, "api.bad_body"),
    ] {
        bob.post("/auth/tokens", with(scopes.clone())).await.refused(400, code);
    }
    let mut endless = with(json!(["llm"]));
    endless["expires_in_days"] = json!(100_000);
    bob.post("/auth/tokens", endless).await.refused(400, "auth.bad_token_request");
    let made = bob.post("/auth/tokens", with(json!(["llm"]))).await.ok().json();
    assert_eq!(made["entry"]["scopes"], json!(["llm"]));
    // Nobody gets by a token what they are not.
    let eve = person(&server, "eve@example.org").await;
    eve.post("/auth/tokens", with(json!(["llm", "admin"]))).await.refused(403, "auth.not_admin");
    // A token makes no other.
    let all = bob.token(&["account:read", "files:write", "admin"]).await;
    let holder = Caller::stranger(&server, "203.0.113.103").with_bearer(&all);
    holder.post("/auth/tokens", with(json!(["llm"]))).await.refused(403, "auth.needs_login");
    server.stop().await;
}

#[tokio::test]
async fn v10_7_1_every_program_is_let_in_by_a_decision_of_its_own() {
    let server = site(|_| {}).await;
    let bob = person(&server, "bob@example.org").await;
    let stranger = Caller::stranger(&server, "203.0.113.104");
    program(&stranger, &bob, "the same program").await;
    // The same program again, from the same place, for the same person.
    let again = device_code(&stranger, "the same program").await;
    assert_eq!(poll(&stranger, &again).await.code(), "auth.authorization_pending");
    // Looking at the request is no consent, nor is a token that acts for the person.
    bob.get(&page_of(&again)).await.ok();
    let token = bob.token(&["account:read", "admin"]).await;
    let acting = stranger.clone().with_bearer(&token);
    acting.post(&page_of(&again), json!({ "approve": true })).await.refused(403, "auth.needs_login");
    stranger.post(&page_of(&again), json!({ "approve": true })).await.refused(401, "auth.not_logged_in");
    bob.post(&page_of(&again), json!({})).await.refused(400, "api.bad_body");
    let other = stranger.clone().at("203.0.113.105");
    let refused = device_code(&other, "p").await;
    bob.post(&page_of(&refused), json!({ "approve": false })).await.ok();
    let answer = poll(&other, &refused).await;
    assert_eq!((answer.code().as_str(), &answer.json()["error"]), ("auth.device_denied", &json!("access_denied")));
    server.stop().await;
}

#[tokio::test]
async fn v10_7_2_the_person_sees_who_asks_from_where_and_until_when() {
    let server = site(|_| {}).await;
    let bob = person(&server, "bob@example.org").await;
    let stranger = Caller::stranger(&server, "203.0.113.106");
    let code = device_code(&stranger, "Backup <b>of</b> the night").await;
    let shown = bob.get(&page_of(&code)).await.ok().json();
    assert_eq!(shown["client_name"], "Backup <b>of</b> the night");
    assert_eq!(shown["address"], "203.0.113.106");
    let (asked, ends) = (shown["created_at"].as_u64().unwrap(), shown["expires_at"].as_u64().unwrap());
    assert!(asked < ends && ends <= asked + 600_000, "{shown}");
    // A name that hides or turns around what stands beside it.
    for name in ["", "line\nbreak", "turned \u{202e} around", "\u{0}", &"long".repeat(200)] {
        let answer = stranger.post("/auth/device/code", json!({ "client_name": name })).await;
        let kept = answer.json()["user_code"].as_str().map(str::to_owned);
        if let Some(user_code) = kept {
            let shown = bob.get(&format!("/auth/device/{user_code}")).await.ok().json();
            let shown = shown["client_name"].as_str().unwrap().to_owned();
            assert!(shown != name && !shown.is_empty() && shown.chars().count() <= 100, "{shown:?}");
        }
    }
    // The page that asks says what is granted.
    let page = crate::document::source("web/src/pages/Device.tsx");
    for words in ["everything", "until you end it"] {
        assert!(page.contains(words), "the page does not say what the program may do, and for how long");
    }
    server.stop().await;
}

#[tokio::test]
async fn v10_7_3_a_person_reviews_and_ends_what_they_consented_to() {
    let server = site(|_| {}).await;
    person(&server, "bob@example.org").await;
    let bob = browser(&server, "bob@example.org").await;
    let stranger = Caller::stranger(&server, "203.0.113.107").with_header("user-agent", "backup/1.2");
    let program = program(&stranger, &bob, "Backup").await;
    let listed = bob.get("/auth/sessions").await.ok().json();
    let entry = listed.as_array().unwrap().iter().find(|entry| entry["id"] == json!(program.session_id())).cloned();
    let entry = entry.expect("what was let in is not in the list");
    assert_eq!((entry["address"].as_str(), &entry["current"]), (Some("203.0.113.107"), &json!(false)));
    assert!(entry["user_agent"].as_str().unwrap().contains("backup"), "{entry}");
    bob.delete("/auth/sessions").await.ok();
    assert!(!program.is_in().await && bob.is_in().await);
    server.stop().await;
}
