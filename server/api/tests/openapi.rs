//! The description of the API: it names every route, and each route does what it says.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use coditect_protocol::auth::Scope;
use serde_json::{Value, json};
use support::{client, refusal, server};

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];
/// An id that names nothing.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// Every operation of the description, with its path and method.
fn operations(document: &Value) -> Vec<(String, &'static str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &'_ Value)| (path.clone(), item.as_object().unwrap().clone());
    let all = paths.iter().map(of).flat_map(|(path, item)| {
        METHODS.into_iter().filter(move |method| item.contains_key(*method)).map(move |method| (path.clone(), method))
    });
    all.map(|(path, method)| {
        let operation = &document["paths"][&path][method];
        (path, method, operation)
    })
    .collect()
}

/// The path with something in place of its parameters.
fn filled(path: &str) -> String {
    path.replace("{id}", NOBODY)
        .replace("{user}", NOBODY)
        .replace("{upload}", NOBODY)
        .replace("{workspace}", NOBODY)
        .replace("{path}", "a.txt")
        .replace("{call}", "a:generateContent")
        .replace("{user_code}", "BCDF-GHJK")
}

/// What a personal access token needs for it: a scope, any, or nothing because none will do.
#[derive(Debug, PartialEq, Eq)]
enum Need {
    Nobody,
    Login,
    Scope(String),
    Any,
}

/// Says by itself that only a WebSocket can be opened there.
const UPGRADE_REQUIRED: u16 = 426;

/// Whether it is a door of the gateway: what it says it says in the dialect of who asks, and cookies count for nothing there.
fn is_door(operation: &Value) -> bool {
    operation["tags"][0] == "gateway"
}

fn need(operation: &Value) -> Need {
    let security = operation["security"].as_array().expect("security is said of each operation");
    let bearer = security.iter().find_map(|way| way.get("bearer"));
    let Some(scopes) = bearer else { return Need::Nobody };
    match scopes.as_array().unwrap().first() {
        Some(scope) => Need::Scope(scope.as_str().unwrap().to_owned()),
        None if operation["operationId"] == "open_link" => Need::Any,
        None => Need::Login,
    }
}

#[tokio::test]
async fn it_is_whole_and_its_references_lead_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let server = server(|_| {}).await;
    let document = server.description().await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let said = format!("{method} {path}");
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{said}: {name} names two");
        assert!(operation["description"].as_str().is_some_and(|text| text.len() > 20), "{said}");
        assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{said}");
        for (status, response) in operation["responses"].as_object().unwrap() {
            let is_refusal = status.starts_with(['4', '5']) && !path.ends_with("/health");
            let is_other = path.ends_with("device/token") && status == "400" || *status == UPGRADE_REQUIRED.to_string();
            if is_refusal && !is_other {
                let schema = &response["content"]["application/json"]["schema"];
                if is_door(operation) {
                    assert!(response["headers"]["x-coditect-code"].is_object(), "{said} {status}");
                } else {
                    assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{said} {status}");
                }
                assert!(response["description"].as_str().unwrap().contains('`'), "{said} {status}");
            }
        }
        for parameter in path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
            let named = |entry: &Value| entry["name"] == parameter && entry["in"] == "path";
            assert!(operation["parameters"].as_array().unwrap().iter().any(named), "{said}: {parameter}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn every_route_is_there_and_takes_no_other_method() {
    let server = server(|_| {}).await;
    let document = server.description().await;
    let mut methods = BTreeMap::<String, BTreeSet<&str>>::new();
    for (path, method, _) in operations(&document) {
        methods.entry(path).or_default().insert(method);
    }
    assert!(methods.len() > 30);
    for (path, known) in methods {
        let url = server.url(&filled(&path));
        for method in METHODS {
            let name = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let response = client().request(name, &url).send().await.unwrap();
            let status = response.status().as_u16();
            if known.contains(method) {
                assert!(status != 405 && status != 404, "{method} {path} is described and answers {status}");
            } else if path.starts_with("/api/") {
                assert_eq!(refusal(response).await, (405, "api.method".to_owned()), "{method} {path}");
            } else {
                assert_eq!(status, 405, "{method} {path}");
            }
        }
    }
    server.stop().await;
}

/// Every code with which accounts can refuse something is described at some operation.
#[tokio::test]
async fn every_refusal_of_accounts_is_described() {
    // They say that the server cannot start or has a fault, which the description has for everything.
    const NEVER_A_REFUSAL: [&str; 3] = ["auth.master_key", "auth.settings", "auth.internal"];
    let errors = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../auth/src/error.rs");
    let errors = std::fs::read_to_string(errors).unwrap();
    let codes: BTreeSet<_> =
        errors.split('"').skip(1).step_by(2).filter(|text| text.starts_with("auth.") && !text.contains(' ')).collect();
    assert!(codes.len() > 35, "{codes:?}");
    let server = server(|_| {}).await;
    let document = server.description().await;
    let described: BTreeSet<String> = operations(&document)
        .into_iter()
        .flat_map(|(_, _, operation)| operation["responses"].as_object().unwrap().values().cloned().collect::<Vec<_>>())
        .flat_map(|response| {
            let text = response["description"].as_str().unwrap_or_default().to_owned();
            text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let missing: Vec<_> =
        codes.into_iter().filter(|code| !described.contains(*code) && !NEVER_A_REFUSAL.contains(code)).collect();
    assert!(missing.is_empty(), "no operation describes {missing:?}");
    server.stop().await;
}

/// Routes come in by `Routes::add` alone, which takes who may call them and describes them.
#[test]
fn no_route_goes_around_the_table() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/routes");
    let text = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
    // What answers 404 for whatever else others look for.
    assert_eq!(text.matches(".route(").count(), text.matches("any(absent)").count(), "mod.rs");
    let mut left = vec![folder];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if !path.ends_with("routes/mod.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(!text.contains(".route(") && !text.contains(".route_service("), "{}", path.display());
            }
        }
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_login() {
    let server = server(|_| {}).await;
    let document = server.description().await;
    let mut open = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let name = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let request = client().request(name, server.url(&filled(&path)));
        if need(operation) == Need::Nobody {
            open.insert(format!("{method} {}", path.replace("/api/v5", "…")));
            continue;
        }
        let response = request.send().await.unwrap();
        assert_eq!(refusal(response).await, (401, "auth.not_logged_in".to_owned()), "{method} {path}");
    }
    let expected = [
        "get /.well-known/change-password",
        "get /.well-known/jwks.json",
        "get /health",
        "get …/auth/config",
        "get …/health",
        "get …/openapi.json",
        "post …/auth/device/code",
        "post …/auth/device/token",
        "post …/auth/login",
        "post …/auth/login/second-factor",
        "post …/auth/password/forgot",
        "post …/auth/password/reset",
        "post …/auth/refresh",
        "post …/auth/register",
    ];
    assert_eq!(open, expected.map(str::to_owned).into(), "what is open to everybody");
    server.stop().await;
}

/// Each route with a token of each scope: it is let in where the description says so, and nowhere else.
#[tokio::test]
async fn a_token_reaches_what_its_scopes_name_and_nothing_else() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let document = server.description().await;
    let mut let_in = 0;
    for scope in Scope::ALL {
        let token = ada.with_token(&[scope.name()]).await;
        for (path, method, operation) in operations(&document) {
            let need = need(operation);
            let Some(route) = path.strip_prefix("/api/v5").filter(|_| need != Need::Nobody) else { continue };
            let request = token.request(&method.to_uppercase(), &filled(route)).json(&json!({}));
            let said = format!("{method} {path} with {}", scope.name());
            let response = request.send().await.unwrap();
            let documented = operation["responses"].get(response.status().as_str()).is_some();
            assert!(documented, "{said}: {} is not described", response.status());
            let admitted = match &need {
                Need::Any => true,
                Need::Scope(needed) => needed == scope.name(),
                Need::Login | Need::Nobody => false,
            };
            if admitted {
                let_in += 1;
                if !response.status().is_success() && ![304, UPGRADE_REQUIRED].contains(&response.status().as_u16()) {
                    let (status, code) = refusal(response).await;
                    assert!(!code.starts_with("auth.") || code.starts_with("auth.no_such"), "{said}: {status} {code}");
                }
            } else {
                let expected = if need == Need::Login { "auth.needs_login" } else { "auth.scope" };
                assert_eq!(refusal(response).await, (403, expected.to_owned()), "{said}");
            }
        }
    }
    assert!(let_in > 25, "{let_in}");
    server.stop().await;
}

#[tokio::test]
async fn a_browser_changes_nothing_without_the_csrf_token() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let document = server.description().await;
    let cookie = format!("coditect_access={}", ada.token.access_token);
    for (path, method, operation) in operations(&document) {
        if need(operation) == Need::Nobody || method == "get" {
            continue;
        }
        let name = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        for guess in [None, Some(""), Some("guess")] {
            let mut request = client().request(name.clone(), server.url(&filled(&path))).header("cookie", &cookie);
            if let Some(guess) = guess {
                request = support::csrf(request, guess);
            }
            let response = request.send().await.unwrap();
            let expected = if is_door(operation) { (401, "auth.not_logged_in") } else { (403, "auth.csrf") };
            assert_eq!(refusal(response).await, (expected.0, expected.1.to_owned()), "{method} {path} {guess:?}");
        }
    }
    server.stop().await;
}

/// What schema-driven tests would try, in small: odd ids, no body, another type, no JSON, another shape.
#[tokio::test]
async fn odd_requests_get_described_answers() {
    let server = server(|settings| settings.request_timeout_seconds = 20).await;
    let ada = server.person("ada@example.org").await;
    let document = server.description().await;
    for (path, method, operation) in operations(&document) {
        // Either would end what the others need.
        if ["logout", "rotate_keys"].contains(&operation["operationId"].as_str().unwrap()) || path.ends_with("/ws") {
            continue;
        }
        let name = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        for odd in ["not-an-id", "%00", "%ff", NOBODY, &"x".repeat(300)] {
            let path = ["{id}", "{path}", "{call}", "{user_code}"]
                .iter()
                .fold(path.clone(), |path, name| path.replace(name, odd));
            for (kind, body) in [
                ("", ""),
                ("text/plain", "x"),
                ("application/json", "{"),
                ("application/json", "[1]"),
                ("application/json", "{}"),
            ] {
                let mut request = client()
                    .request(name.clone(), server.url(&path))
                    .bearer_auth(&ada.token.access_token)
                    .body(body.to_owned());
                if !kind.is_empty() {
                    request = request.header("content-type", kind);
                }
                let response = request.send().await.unwrap();
                let status = response.status();
                let said = format!("{method} {path} {kind} {body}");
                assert!(!status.is_server_error(), "{said}: {status}");
                assert!(operation["responses"].get(status.as_str()).is_some(), "{said}: {status} is not described");
            }
            if !operation["parameters"].is_array() {
                break;
            }
        }
    }
    server.stop().await;
}
