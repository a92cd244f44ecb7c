//! V16 Security Logging and Error Handling.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::document::{plain, source, table};
use crate::harness::{
    Caller, OTHER_PASSWORD, WRONG_PASSWORD, admin_and_member, person, site, ticket, until, with_second_factor,
};
use crate::program::Program;
use crate::support::{PASSWORD, TestServer};

/// Registers somebody with the program.
async fn registered(program: &Program, login: &str) -> Caller {
    let stranger = program.stranger("198.51.100.20");
    let answer = stranger.post("/auth/register", json!({ "login": login, "password": PASSWORD })).await;
    stranger.taking(&answer.ok())
}

#[test]
fn v16_1_1_every_event_that_can_be_logged_is_in_the_inventory() {
    let names = |text: &str| -> BTreeSet<String> {
        let quoted = text.split('"').skip(1).step_by(2);
        quoted.filter(|name| name.starts_with("auth.") && !name.contains(' ')).map(str::to_owned).collect()
    };
    let declared = names(&source("server/auth/src/audit.rs"));
    let documented: BTreeSet<String> = table("Events").iter().map(|row| plain(&row[0]).to_owned()).collect();
    let missing: Vec<_> = declared.difference(&documented).collect();
    assert!(declared.len() > 20 && missing.is_empty(), "not in the inventory: {missing:?}");
    let unknown: Vec<_> =
        documented.iter().filter(|name| name.starts_with("auth.") && !declared.contains(*name)).collect();
    assert!(unknown.is_empty(), "in the inventory, and nowhere else: {unknown:?}");
}

#[tokio::test]
async fn v16_2_1_an_entry_says_when_what_who_and_from_where() {
    let program = Program::start("json", "info", &[]).await;
    let ada = registered(&program, "ada@example.org").await;
    let answer = ada.clone().at("203.0.113.70").try_login("ada@example.org", PASSWORD).await.ok();
    let entry = program.action("auth.logged_in").await;
    let fields = &entry["fields"];
    assert_eq!(fields["user"], json!(ada.user_id()));
    assert_eq!(fields["session"], answer.json()["session"]["session_id"]);
    assert_eq!(fields["address"], "203.0.113.70");
    assert_eq!(entry["target"], "audit");
    assert!(entry["timestamp"].is_string() && entry["level"].is_string());
    // The id with which the person can ask about it, and under which everything of the request stands.
    assert_eq!(entry["span"]["request_id"].as_str(), answer.headers["x-request-id"].to_str().ok());
    assert_eq!((&entry["span"]["method"], &entry["span"]["path"]), (&json!("POST"), &json!("/api/v5/auth/login")));
    program.stop().await;
}

/// The moment in UTC, as logs write it, to the minute.
fn utc_minute() -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    let words: Vec<_> = date.split(' ').collect();
    let month = MONTHS.iter().position(|month| *month == words[2]).unwrap() + 1;
    format!("{}-{month:02}-{}T{}", words[3], words[1], &words[4][..5])
}

#[tokio::test]
async fn v16_2_2_times_are_utc_and_those_of_the_moment() {
    let before = utc_minute();
    // Its service manager may have any zone.
    let program = Program::start("json", "info", &[]).await;
    registered(&program, "ada@example.org").await;
    let entry = program.action("auth.registered").await;
    let time = entry["timestamp"].as_str().unwrap();
    assert!(time.ends_with('Z'), "{time}");
    let minute = &time[..16];
    assert!(*before <= *minute && *minute <= *utc_minute(), "{time} is not the time in UTC, which is {before}");
    let entries = program.entries();
    assert!(entries.is_sorted_by_key(|entry| entry["timestamp"].as_str().unwrap().to_owned()), "{entries:?}");
    assert!(entries.iter().all(|entry| entry["timestamp"].as_str().unwrap().ends_with('Z')));
    program.stop().await;
}

#[tokio::test]
async fn v16_2_3_the_log_goes_where_the_document_says_and_nowhere_else() {
    let program = Program::start("text", "info", &[]).await;
    let ada = registered(&program, "ada@example.org").await;
    let id = ada.user_id();
    let mut folders = vec![program.dir.path().to_owned()];
    let mut looked = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                looked += 1;
                let bytes = std::fs::read(&path).unwrap();
                assert!(!crate::harness::contains(&bytes, b"auth.registered"), "{} holds a log", path.display());
            }
        }
    }
    assert!(looked > 0);
    let (lines, out) = program.stop().await;
    assert!(lines.iter().any(|line| line.contains("auth.registered") && line.contains(&id)), "{lines:?}");
    assert_eq!(out, "", "the standard output is not a place of the log");
}

#[tokio::test]
async fn v16_2_4_every_line_of_a_log_in_json_is_json() {
    let program = Program::start("json", "debug", &[]).await;
    let ada = registered(&program, "ada@example.org").await;
    ada.try_login("ada@example.org\"}\n{\"level\":\"INFO\"}", "\n").await;
    ada.get("/workspaces/%0a%22").await;
    program.action("auth.login_failed").await;
    for entry in program.entries() {
        assert!(entry["level"].is_string() && entry["target"].is_string(), "{entry}");
    }
    program.stop().await;
}

#[tokio::test]
async fn v16_2_5_no_secret_reaches_the_log_at_whatever_level() {
    let program = Program::start("text", "trace", &[]).await;
    let ada = registered(&program, "ada@example.org").await;
    let mut secrets = vec![PASSWORD.to_owned(), ada.access_token().to_owned(), ada.refresh_token().to_owned()];
    let stranger = program.stranger("203.0.113.71");
    let login = stranger.try_login("ada@example.org", PASSWORD).await.ok();
    secrets.extend(login.cookies().into_iter().map(|(_, value)| value));
    // People type their password where their name goes.
    stranger.try_login(OTHER_PASSWORD, "x").await;
    stranger.post("/auth/login", json!({ "login": 5, "password": WRONG_PASSWORD })).await;
    secrets.extend([OTHER_PASSWORD.to_owned(), WRONG_PASSWORD.to_owned()]);
    secrets.push(ada.token(&["account:read"]).await);
    let refreshed = ada.post("/auth/refresh", json!({ "refresh_token": ada.refresh_token() })).await.ok().json();
    secrets.push(refreshed["refresh_token"].as_str().unwrap().to_owned());
    let device = stranger.post("/auth/device/code", json!({ "client_name": "p" })).await.ok().json();
    secrets.push(device["device_code"].as_str().unwrap().to_owned());
    let invite = ada.post("/admin/invites", json!({ "role": "member", "expires_in_days": 1 })).await.ok().json();
    secrets.push(invite["code"].as_str().unwrap().to_owned());
    let bob = registered(&program, "bob@example.org").await;
    let reset = ada.post(&format!("/admin/people/{}/reset-code", bob.user_id()), json!({})).await.ok().json();
    secrets.push(reset["code"].as_str().unwrap().to_owned());
    let authenticator = with_second_factor(&ada).await;
    secrets.extend(authenticator.recovery_codes.iter().cloned());
    secrets.push(ticket(&stranger, "ada@example.org").await);
    let (lines, _) = program.stop().await;
    let log = lines.join("\n");
    assert!(log.len() > 10_000 && log.contains("auth.second_factor_enabled"), "the log is too short to tell");
    for secret in secrets {
        assert!(!log.contains(&secret), "the log holds a secret of {} characters: {}…", secret.len(), &secret[..4]);
    }
}

#[tokio::test]
async fn v16_3_1_logins_are_logged_whether_they_succeed_or_not_with_their_factors() {
    let program = Program::start("json", "info", &[]).await;
    let ada = registered(&program, "ada@example.org").await;
    let stranger = program.stranger("203.0.113.72");
    stranger.try_login("ada@example.org", WRONG_PASSWORD).await;
    stranger.try_login("nobody@example.org", WRONG_PASSWORD).await;
    stranger.logged_in("ada@example.org", PASSWORD).await;
    let authenticator = with_second_factor(&ada).await;
    let waiting = ticket(&stranger, "ada@example.org").await;
    let answer = |code: &str| json!({ "ticket": waiting, "code": code });
    stranger.post("/auth/login/second-factor", answer("000000")).await;
    stranger.post("/auth/login/second-factor", answer(&authenticator.recovery_codes[0])).await.ok();
    ada.post("/auth/logout", json!({})).await.ok();
    for action in [
        "auth.registered",
        "auth.login_failed",
        "auth.logged_in",
        "auth.second_factor_enabled",
        "auth.second_factor_failed",
        "auth.recovery_code_used",
        "auth.logged_out",
    ] {
        let entry = program.action(action).await;
        assert!(entry["fields"]["address"].is_string(), "{entry}");
        assert_eq!(entry["fields"]["user"], json!(ada.user_id()), "{entry}");
    }
    let of_nobody =
        |entry: &Value| entry["fields"]["action"] == "auth.login_failed" && entry["fields"]["user"].is_null();
    let entry = program.entry("a login of nobody", of_nobody).await;
    assert!(!entry.to_string().contains("nobody@"), "what was typed as a name may be a password: {entry}");
    program.stop().await;
}

#[tokio::test]
async fn v16_3_2_refused_authorisations_are_logged() {
    let program = Program::start("json", "info", &[]).await;
    let admin = registered(&program, "admin@example.org").await;
    let bob = registered(&program, "bob@example.org").await;
    let token = bob.token(&["llm"]).await;
    let narrow = program.stranger("203.0.113.73").with_bearer(&token);
    let workspace = admin.workspace("W").await;
    let refused = [
        (bob.get("/admin/people").await, 403),
        (narrow.get("/workspaces").await, 403),
        (narrow.get("/auth/sessions").await, 403),
        (bob.get(&format!("/workspaces/{workspace}")).await, 404),
    ];
    for (answer, status) in refused {
        assert_eq!(answer.status, status, "{answer:?}");
        let entry = program.refusal(&answer).await;
        assert!(entry.to_string().contains(&bob.user_id()), "it does not say who: {entry}");
        assert!(["INFO", "WARN"].contains(&entry["level"].as_str().unwrap()), "{entry}");
    }
    program.stop().await;
}

#[tokio::test]
async fn v16_3_2_refusals_that_were_only_counted_are_told_before_the_server_stops() {
    const TOLD: u64 = 30;
    const MORE: u64 = 7;
    let program = Program::start("json", "info", &[]).await;
    registered(&program, "admin@example.org").await;
    let bob = registered(&program, "bob@example.org").await.at("203.0.113.75");
    for _ in 0..TOLD + MORE {
        bob.get("/admin/people").await.refused(403, "auth.not_admin");
    }
    let (lines, _) = program.stop().await;
    let entries: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |action: &str| -> Vec<&Value> {
        let fields = entries.iter().map(|entry| &entry["fields"]);
        fields.filter(|fields| fields["action"] == action && fields["address"] == "203.0.113.75").collect()
    };
    assert_eq!(of("api.denied").len() as u64, TOLD);
    assert_eq!(of("api.denied_more").iter().map(|fields| fields["count"].as_u64().unwrap()).sum::<u64>(), MORE);
}

#[tokio::test]
async fn v16_3_3_attempts_to_get_round_a_control_are_logged() {
    let program = Program::start("json", "info", &["--login-account-burst", "2"]).await;
    registered(&program, "ada@example.org").await;
    let stranger = program.stranger("203.0.113.74");
    let cookies = stranger.try_login("ada@example.org", PASSWORD).await.ok().cookies();
    let mut last = stranger.try_login("ada@example.org", WRONG_PASSWORD).await;
    for _ in 0..3 {
        last = stranger.try_login("ada@example.org", WRONG_PASSWORD).await;
    }
    last.refused(429, "auth.too_many_attempts");
    program.action("auth.login_throttled").await;
    let at_home = stranger.clone().with_cookies(&cookies).with_header("x-coditect-csrf", "guess");
    let forged = at_home.post("/workspaces", json!({ "source": { "type": "empty" } })).await;
    forged.refused(403, "auth.csrf");
    program.refusal(&forged).await;
    let elsewhere = stranger.clone().with_header("origin", "https://evil.example");
    let foreign = elsewhere.try_login("ada@example.org", PASSWORD).await;
    foreign.refused(403, "auth.other_site");
    program.refusal(&foreign).await;
    let token = stranger.clone().with_bearer("eyJhbGciOiJub25lIn0.e30.").get("/auth/me").await;
    token.refused(401, "auth.invalid_token");
    program.refusal(&token).await;
    program.stop().await;
}

/// A file stands where the workspaces are: whatever makes one fails.
fn break_workspaces(data: &std::path::Path) {
    let folder = data.join("workspaces");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(folder, "in the way").unwrap();
}

#[tokio::test]
async fn v16_3_4_faults_of_the_server_are_logged_with_what_happened() {
    let program = Program::start("json", "info", &["--llm-upstream", "dead=http://127.0.0.1:9/v1"]).await;
    let ada = registered(&program, "ada@example.org").await;
    break_workspaces(&program.dir.path().join("data"));
    let answer = ada.post("/workspaces", json!({ "name": "W", "source": { "type": "empty" } })).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    let id = answer.headers["x-request-id"].to_str().unwrap();
    let entry =
        program.entry("the fault", |entry| entry["level"] == "ERROR" && entry["span"]["request_id"] == id).await;
    assert!(entry["fields"]["error"].as_str().unwrap().len() > 10, "{entry}");
    program.stop().await;
}

#[tokio::test]
async fn v16_4_1_nothing_that_somebody_sends_makes_a_line_of_its_own() {
    const FORGED: &str = "2026-01-01T00:00:00Z  INFO audit: action=\"auth.forged\"";
    for format in ["text", "json"] {
        let program = Program::start(format, "debug", &["--import-http", "true"]).await;
        let ada = registered(&program, "ada@example.org").await;
        let evil = format!("x\n{FORGED}\r\n\u{1b}[2J{FORGED}");
        ada.try_login(&evil, &evil).await;
        ada.post("/auth/device/code", json!({ "client_name": evil })).await;
        ada.post("/auth/register", json!({ "login": evil, "password": evil })).await;
        ada.post(
            "/auth/tokens",
            json!({ "name": evil, "scopes": ["llm"], "expires_in_days": 1, "password": PASSWORD }),
        )
        .await;
        ada.post("/workspaces", json!({ "name": evil, "source": { "type": "empty" } })).await;
        let git = json!({ "type": "git", "url": format!("https://nowhere.invalid/{evil}") });
        ada.post("/workspaces", json!({ "name": "g", "source": git })).await;
        ada.get(&format!("/workspaces/%0a{}", FORGED.replace(' ', "%20"))).await;
        ada.clone()
            .with_header("user-agent", "x\tINFO auth.forged")
            .with_header("x-request-id", "a b\"c")
            .get("/auth/me")
            .await;
        let (lines, _) = program.stop().await;
        assert!(lines.iter().any(|line| line.contains("auth.registered")));
        for line in lines {
            assert!(!line.starts_with("2026-01-01") && !line.contains('\u{1b}'), "{format}: {line:?}");
            assert!(!line.trim_start().starts_with("action=\"auth.forged"), "{format}: {line:?}");
        }
    }
}

#[tokio::test]
async fn v16_5_1_a_fault_tells_nothing_of_the_inside() {
    let server = site(|_| {}).await;
    let ada = person(&server, "ada@example.org").await;
    let data = server.dir.path().join("data");
    break_workspaces(&data);
    let fault = ada.post("/workspaces", json!({ "name": "W", "source": { "type": "empty" } })).await;
    assert_eq!(fault.status, 500, "{fault:?}");
    let odd = [
        fault,
        ada.send(ada.request("POST", "/auth/login").header("content-type", "application/json").body("{")).await,
        ada.send(ada.request("POST", "/auth/login").body("x")).await,
        ada.post("/auth/login", json!([1, 2])).await,
        ada.get("/workspaces/not-an-id").await,
        ada.get("/nothing/here").await,
        ada.send(ada.request("BREW", "/auth/me")).await,
    ];
    let inside = [data.to_str().unwrap(), "panicked", "src/", ".rs", "os error", "redb", "argon2", "stack", "thread '"];
    for answer in odd {
        assert!(answer.status >= 400 && !answer.code().is_empty(), "{answer:?}");
        for word in inside {
            assert!(!answer.text.contains(word), "it tells of `{word}`: {answer:?}");
        }
        assert!(answer.json()["request_id"].is_string(), "nobody can find it in the log: {answer:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn v16_5_2_what_the_server_depends_on_may_be_gone() {
    let dead = |settings: &mut coditect_api::settings::Settings| {
        settings.llm_upstream = vec![coditect_api::settings::UpstreamGiven::new("dead", "http://127.0.0.1:9/v1")];
    };
    let server = site(dead).await;
    let ada = person(&server, "ada@example.org").await;
    let models = ada.get("/llm/models").await.ok();
    assert!(!models.text.contains("127.0.0.1:9/v1") || models.text.contains("dead"), "{models:?}");
    ada.workspace("W").await;
    Caller::stranger(&server, "203.0.113.75").logged_in("ada@example.org", PASSWORD).await;
    server.stop().await;
}

async fn all_closed(server: &TestServer, callers: &[&Caller]) {
    for caller in callers {
        for (method, path) in
            [("GET", "/auth/me"), ("GET", "/workspaces"), ("GET", "/admin/people"), ("POST", "/auth/refresh")]
        {
            let answer = caller.send(caller.request(method, path)).await;
            assert!(answer.status >= 400, "{method} {path} passes though nothing can be checked: {answer:?}");
            assert!(answer.cookies().is_empty(), "{answer:?}");
        }
    }
    let stranger = Caller::stranger(server, "203.0.113.76");
    let login = stranger.try_login("admin@example.org", PASSWORD).await;
    assert!(login.status >= 500 && login.cookies().is_empty(), "{login:?}");
}

#[tokio::test]
async fn v16_5_3_where_nothing_can_be_checked_nothing_passes() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    let token = admin.token(&["account:read", "workspaces:read", "admin"]).await;
    let program = Caller::stranger(&server, "203.0.113.77").with_bearer(&token);
    assert!(program.is_in().await);
    // Credentials that were just found good must not stay so from memory alone.
    server.state.store.close().await;
    // Longer than the moment for which what was just read is believed.
    until(async || admin.get("/auth/me").await.status >= 400).await;
    all_closed(&server, &[&admin, &bob, &program]).await;
    server.stop().await;
}
