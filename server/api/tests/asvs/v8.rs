//! V8 Authorization.

use std::collections::BTreeSet;

use coditect_protocol::call::Request;
use coditect_protocol::files::{Place, Root, WriteMode};
use coditect_protocol::path::RelPath;
use coditect_protocol::terminal::TerminalSpec;
use serde_json::{Value, json};

use crate::document::{plain, table};
use crate::harness::{Caller, admin_and_member, browser, person, site};
use crate::support::{PASSWORD, Page, TestServer};

const SCOPES: [&str; 11] = [
    "account:read",
    "workspaces:read",
    "workspaces:write",
    "files:read",
    "files:write",
    "terminals",
    "llm",
    "usage:read",
    "plugins",
    "metrics",
    "admin",
];

/// One documented rule.
struct Rule {
    method: String,
    path: String,
    who: String,
    scope: Option<String>,
}

fn rules() -> Vec<Rule> {
    let rule = |row: Vec<String>| {
        let (method, path) = plain(&row[0]).split_once(' ').expect("a method and a path");
        let scope = plain(&row[2]);
        Rule {
            method: method.to_owned(),
            path: path.to_owned(),
            who: row[1].clone(),
            scope: SCOPES.contains(&scope).then(|| scope.to_owned()),
        }
    };
    table("Who may call what").into_iter().map(rule).collect()
}

impl Rule {
    /// An address that names nothing that there is.
    fn address(&self) -> String {
        let path = self.path.strip_prefix("/api/v5").unwrap_or(&self.path);
        path.replace("{id}", "01890000-0000-7000-8000-000000000000")
            .replace("{user}", "01890000-0000-7000-8000-000000000000")
            .replace("{upload}", "01890000-0000-7000-8000-000000000000")
            .replace("{user_code}", "BCDF-GHJK")
            .replace("{path}", "x")
            .replace("{call}", "x:generateContent")
    }

    fn is_open(&self) -> bool {
        self.who.starts_with("everybody")
    }
}

async fn described(server: &TestServer) -> Value {
    Caller::stranger(server, "203.0.113.80").get("/openapi.json").await.ok().json()
}

#[tokio::test]
async fn v8_1_1_every_route_has_a_documented_rule_and_the_description_says_the_same() {
    let server = site(|_| {}).await;
    let described = described(&server).await;
    let mut routes = BTreeSet::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let who = operation["description"].as_str().unwrap_or_default();
            let who = who.rsplit("\n\n").next().unwrap_or_default();
            routes.insert((format!("{} {path}", method.to_uppercase()), who.to_owned()));
        }
    }
    let rules = rules();
    for (route, said) in &routes {
        let rule = rules.iter().find(|rule| format!("{} {}", rule.method, rule.path) == *route);
        let rule = rule.unwrap_or_else(|| panic!("{route} has no rule in the document"));
        let fits = match (rule.who.as_str(), &rule.scope) {
            (who, None) if who.starts_with("everybody") => said.starts_with("Open to everybody"),
            ("a login", None) => said.contains("personal access tokens are refused"),
            ("a login or a token", Some(scope)) => said.contains(&format!("`{scope}`")),
            ("a login or a token", None) => said.contains("each call demands its own scope"),
            ("an admin's login", None) => said.contains("Needs an admin's login; personal access tokens are refused"),
            ("an admin", Some(scope)) => said.contains("Needs an admin") && said.contains(&format!("`{scope}`")),
            _ => false,
        };
        assert!(fits, "{route}: the document says `{}`, the description `{said}`", rule.who);
    }
    assert_eq!(rules.len(), routes.len(), "the document has rules for routes that there are not");
    server.stop().await;
}

#[tokio::test]
async fn v8_1_2_every_field_of_people_and_their_things_has_a_documented_rule() {
    let server = site(|_| {}).await;
    let described = described(&server).await;
    let documented: BTreeSet<String> = table("Fields").iter().map(|row| plain(&row[0]).to_owned()).collect();
    let mut fields = BTreeSet::new();
    for schema in [
        "UserInfo",
        "PersonEntry",
        "SessionEntry",
        "TokenEntry",
        "InviteEntry",
        "Workspace",
        "WorkspaceMember",
        "GitCredential",
        "ModelKey",
        "CallRecord",
        "HistoryEntry",
        "HistoryItem",
    ] {
        let properties = &described["components"]["schemas"][schema]["properties"];
        for field in properties.as_object().unwrap_or_else(|| panic!("{schema}: {properties}")).keys() {
            fields.insert(format!("{schema}.{field}"));
        }
    }
    let missing: Vec<_> = fields.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&fields).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "without a rule: {missing:?}; rules for nothing: {unknown:?}");
    server.stop().await;
}

#[tokio::test]
async fn v8_2_1_every_route_refuses_whoever_its_rule_does_not_name() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    let stranger = Caller::stranger(&server, "203.0.113.81");
    // A token with every scope, of somebody who was an admin when it was made.
    let of_bob = format!("/admin/people/{}", bob.user_id());
    admin.patch(&of_bob, json!({ "role": "admin" })).await.ok();
    let demoted = stranger.clone().with_bearer(&bob.token(&SCOPES).await);
    admin.patch(&of_bob, json!({ "role": "member" })).await.ok();
    let all = stranger.clone().with_bearer(&admin.token(&SCOPES).await);
    // For each scope, a token with all the others.
    let mut narrow = Vec::new();
    for scope in SCOPES {
        let others: Vec<_> = SCOPES.into_iter().filter(|other| *other != scope).collect();
        narrow.push((scope, stranger.clone().with_bearer(&admin.token(&others).await)));
    }
    for rule in rules().iter().filter(|rule| !rule.is_open()) {
        let (route, address) = (format!("{} {}", rule.method, rule.path), rule.address());
        let call = async |caller: &Caller| caller.send(caller.request(&rule.method, &address).json(&json!({}))).await;
        assert_eq!(call(&stranger).await.status, 401, "{route} without a login");
        if rule.who.starts_with("an admin") {
            call(&bob).await.refused(403, "auth.not_admin");
        }
        let Some(scope) = &rule.scope else {
            // Every scope there is, of an admin.
            if ["a login", "an admin's login"].contains(&rule.who.as_str()) {
                call(&all).await.refused(403, "auth.needs_login");
            }
            continue;
        };
        let narrow = narrow.iter().find(|(lacks, _)| lacks == scope).map(|(_, holder)| holder).expect("a known scope");
        call(narrow).await.refused(403, "auth.scope");
        if rule.who == "an admin" {
            call(&demoted).await.refused(403, "auth.not_admin");
        }
    }
    server.stop().await;
}

fn place(workspace: &str, path: &str) -> Place {
    Place { root: Root::Workspace(workspace.parse().unwrap()), path: RelPath::parse(path).unwrap() }
}

/// What would read, change, watch or run in a workspace, over the link.
fn calls(workspace: &str) -> Vec<Request> {
    let id = workspace.parse().unwrap();
    let spec: TerminalSpec = serde_json::from_value(json!({ "cols": 80, "rows": 24 })).unwrap();
    vec![
        Request::OpenWorkspace { workspace: id },
        Request::Stat(place(workspace, "secret.txt")),
        Request::ReadFolder { place: place(workspace, ""), page: coditect_protocol::files::Page::default() },
        Request::ReadFile { place: place(workspace, "secret.txt"), offset: 0, length: None },
        Request::WriteFile { place: place(workspace, "new.txt"), content: b"x".to_vec(), mode: WriteMode::Overwrite },
        Request::MakeFolder(place(workspace, "folder")),
        Request::Delete { place: place(workspace, "secret.txt"), recursive: false, trash: false },
        Request::Watch { root: Root::Workspace(id) },
        Request::ListTerminals { workspace: id },
        Request::CreateTerminal { workspace: id, spec },
    ]
}

#[tokio::test]
async fn v8_2_2_nobody_reaches_what_belongs_to_another_person() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    let workspace = bob.workspace("Diary").await;
    let file = format!("/workspaces/{workspace}/files/secret.txt");
    bob.send(bob.request("PUT", &file).body("of nobody else")).await.ok();
    let token = json!({ "name": "t", "scopes": ["llm"], "expires_in_days": 7, "password": PASSWORD });
    let token = bob.post("/auth/tokens", token).await.ok().json()["entry"]["id"].as_str().unwrap().to_owned();
    // An admin runs the instance, and reads nobody's files for that.
    for other in [person(&server, "eve@example.org").await, admin] {
        for (method, path, body) in [
            ("GET", format!("/workspaces/{workspace}"), Value::Null),
            ("PATCH", format!("/workspaces/{workspace}"), json!({ "name": "Mine" })),
            ("DELETE", format!("/workspaces/{workspace}"), Value::Null),
            ("GET", file.clone(), Value::Null),
            ("PUT", file.clone(), json!("x")),
            ("DELETE", file.clone(), Value::Null),
            ("GET", format!("/workspaces/{workspace}/files"), Value::Null),
            ("DELETE", format!("/auth/sessions/{}", bob.session_id()), Value::Null),
            ("DELETE", format!("/auth/tokens/{token}"), Value::Null),
        ] {
            let answer = other.send(other.request(method, &path).json(&body)).await;
            assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
            assert!(!answer.text.contains("of nobody else") && !answer.text.contains("Diary"), "{answer:?}");
        }
        let mut page = Page::open(&server.url("/api/v5"), other.access_token()).await;
        for call in calls(&workspace) {
            let what = format!("{call:?}");
            let refused = page.call(call).await.expect_err(&what);
            assert_eq!(refused.code, "workspace.not_found", "{what}");
        }
        for path in ["/workspaces", "/auth/sessions", "/auth/tokens"] {
            let listed = other.get(path).await.ok().text;
            assert!(![&workspace, &bob.session_id(), &token].iter().any(|id| listed.contains(*id)), "{path}: {listed}");
        }
    }
    assert_eq!(bob.get(&file).await.ok().text, "of nobody else");
    assert!(bob.is_in().await);
    server.stop().await;
}

#[tokio::test]
async fn v8_2_3_nobody_sets_or_reads_a_field_that_is_not_theirs() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    let stranger = Caller::stranger(&server, "203.0.113.82");
    for (field, value) in [("role", json!("admin")), ("id", json!(bob.user_id())), ("disabled", json!(false))] {
        let mut body = json!({ "login": "eve@example.org", "password": PASSWORD });
        body[field] = value;
        stranger.post("/auth/register", body).await.refused(400, "api.bad_body");
    }
    let of_bob = format!("/admin/people/{}", bob.user_id());
    for (field, value) in [("login", json!("x@example.org")), ("created_at", json!(0)), ("password", json!(PASSWORD))] {
        let answer = admin.patch(&of_bob, json!({ field: value })).await;
        answer.refused(400, "api.bad_body");
    }
    bob.patch(&of_bob, json!({ "role": "admin" })).await.refused(403, "auth.not_admin");
    let token =
        json!({ "name": "t", "scopes": ["llm"], "expires_in_days": 7, "password": PASSWORD, "user": admin.user_id() });
    bob.post("/auth/tokens", token).await.refused(400, "api.bad_body");
    let workspace = bob.workspace("W").await;
    let renamed =
        bob.patch(&format!("/workspaces/{workspace}"), json!({ "name": "V", "owner": admin.user_id() })).await;
    assert!(renamed.status == 400 || bob.get(&format!("/workspaces/{workspace}")).await.status == 200);
    // Nothing that checks a password or opens a session is told, to the person or to an admin.
    let listed = admin.get("/admin/people").await.ok().text;
    let own = bob.get("/auth/me").await.ok().text + &bob.get("/auth/sessions").await.ok().text;
    for secret in ["argon2", "hash", "secret", "family", "csrf", "refresh"] {
        assert!(!listed.contains(secret) && !own.contains(secret), "{secret}: {listed} {own}");
    }
    server.stop().await;
}

#[tokio::test]
async fn v8_3_1_the_server_decides_whatever_the_client_says() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    // Other spellings of the address, and what proxies and frameworks let override it.
    for path in [
        "/admin/people/",
        "//admin/people",
        "/./admin/people",
        "/auth/../admin/people",
        "/%61dmin/people",
        "/ADMIN/people",
        "/admin/people?role=admin",
        "/admin/people;x=1",
        "/admin/people%00",
    ] {
        let answer = bob.get(path).await;
        // Below the API it is refused; elsewhere it is a page of the front, which holds nobody's data.
        let is_page = answer.status == 200 && answer.text.contains("<title>front");
        assert!([403, 404].contains(&answer.status) || is_page, "{path}: {answer:?}");
        assert!(!answer.text.contains("admin@example.org"), "{path}: {answer:?}");
    }
    for (name, value) in [
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/api/v5/auth/me"),
        ("x-rewrite-url", "/api/v5/auth/me"),
        ("x-role", "admin"),
        ("x-user-id", admin.user_id().as_str()),
        ("x-forwarded-user", "admin@example.org"),
    ] {
        bob.clone().with_header(name, value).get("/admin/people").await.refused(403, "auth.not_admin");
    }
    // A role that changes counts with the next request, whatever the tokens in hand were made for.
    let of_bob = format!("/admin/people/{}", bob.user_id());
    admin.patch(&of_bob, json!({ "role": "admin" })).await.ok();
    let token = bob.token(&["admin"]).await;
    let program = Caller::stranger(&server, "203.0.113.83").with_bearer(&token);
    assert!(program.get("/admin/people").await.status == 200 && bob.get("/admin/people").await.status == 200);
    admin.patch(&of_bob, json!({ "role": "member" })).await.ok();
    program.get("/admin/people").await.refused(403, "auth.not_admin");
    bob.get("/admin/people").await.refused(403, "auth.not_admin");
    // A browser's request needs what only its own page can add.
    let at_home = browser(&server, "bob@example.org").await.with_header("x-coditect-csrf", "");
    at_home.post("/workspaces", json!({ "source": { "type": "empty" } })).await.refused(403, "auth.csrf");
    server.stop().await;
}

#[tokio::test]
async fn v8_4_1_what_one_instance_gave_opens_nothing_on_another() {
    let (one, other) = (site(|_| {}).await, site(|_| {}).await);
    let ada = person(&one, "ada@example.org").await;
    person(&other, "ada@example.org").await;
    let token = ada.token(&SCOPES).await;
    let there = Caller::stranger(&other, "203.0.113.84");
    for credential in [ada.access_token(), token.as_str()] {
        assert_eq!(there.clone().with_bearer(credential).get("/auth/me").await.status, 401);
    }
    assert_eq!(there.post("/auth/refresh", json!({ "refresh_token": ada.refresh_token() })).await.status, 401);
    let workspace = ada.workspace("W").await;
    let ada_there = there.logged_in("ada@example.org", PASSWORD).await;
    assert_eq!(ada_there.get(&format!("/workspaces/{workspace}")).await.status, 404);
    one.stop().await;
    other.stop().await;
}
