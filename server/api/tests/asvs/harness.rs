//! What all chapters share: a server, whoever calls it, and an authenticator.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coditect_api::server::Server;
use coditect_api::settings::{Discover, Settings};
use coditect_auth::{Auth, AuthSettings, Device, HashCost, Login, LoginStep};
use coditect_protocol::auth::{CSRF_COOKIE, CSRF_HEADER, Credentials, Registration};
use coditect_store::{MasterKey, Range, Store, StoreError};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sha1::Sha1;
use tokio_util::sync::CancellationToken;

use crate::support::{self, LIMIT, PASSWORD, TestServer};

/// Another good password.
pub const OTHER_PASSWORD: &str = "seven lanterns under oak";
/// What is no password of anybody.
pub const WRONG_PASSWORD: &str = "not what anybody took";

/// A server that believes the addresses which the callers of a test claim, so that each can come from elsewhere.
pub async fn site(change: impl FnOnce(&mut Settings)) -> TestServer {
    support::server(|settings| {
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        change(settings);
    })
    .await
}

/// The code with which a server does not start because of a setting; none where it does.
pub async fn refused_setting(change: impl FnOnce(&mut Settings)) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        data: dir.path().join("data"),
        store: "memory:".to_owned(),
        llm_discover: Discover::Off,
        ..Settings::default()
    };
    change(&mut settings);
    let started = Server::start(settings, CancellationToken::new()).await;
    started.err().map(|error| error.code().to_owned())
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Code of a problem; empty where it is none. The doors of the gateway have it in a header.
    pub fn code(&self) -> String {
        if let Some(code) = self.headers.get("x-coditect-code") {
            return code.to_str().unwrap_or_default().to_owned();
        }
        let body: Value = serde_json::from_str(&self.text).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert!((200..300).contains(&self.status), "{self:?}");
        self
    }

    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{self:?}");
    }

    /// The cookies it sets, as a browser would send them back.
    pub fn cookies(&self) -> Vec<(String, String)> {
        let pair =
            |value: &str| value.split(';').next()?.split_once('=').map(|(name, value)| (name.into(), value.into()));
        self.headers.get_all("set-cookie").iter().filter_map(|value| pair(value.to_str().ok()?)).collect()
    }
}

/// Somebody who calls the API: a program with a bearer token, a browser with cookies, or a stranger with neither.
#[derive(Clone)]
pub struct Caller {
    http: reqwest::Client,
    root: String,
    address: String,
    headers: Vec<(String, String)>,
    /// The answer of the login.
    pub login: Value,
}

impl Caller {
    pub fn stranger(server: &TestServer, address: &str) -> Self {
        Self::of(&server.url(""), address)
    }

    /// A stranger to whoever serves there.
    pub fn of(root: &str, address: &str) -> Self {
        Self {
            http: support::client(),
            root: root.to_owned(),
            address: address.to_owned(),
            headers: Vec::new(),
            login: Value::Null,
        }
    }

    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn with_bearer(self, token: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {token}"))
    }

    /// A browser with these cookies that shows its CSRF token.
    pub fn with_cookies(self, cookies: &[(String, String)]) -> Self {
        let csrf = cookies.iter().find(|(name, _)| name.ends_with(CSRF_COOKIE)).map_or("", |(_, value)| value.as_str());
        let line: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.with_header("cookie", &line.join("; ")).with_header(CSRF_HEADER, csrf)
    }

    pub fn at(mut self, address: &str) -> Self {
        self.address = address.to_owned();
        self
    }

    /// `path` is taken below the API unless it begins with a `/.` or is `/` itself.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let prefix = if path.starts_with("/.") || path == "/" { "" } else { "/api/v5" };
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http.request(method, format!("{}{prefix}{path}", self.root));
        let request = request.header("x-forwarded-for", &self.address);
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = tokio::time::timeout(LIMIT, request.send()).await.expect("no answer").unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request("POST", path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(self.request("PATCH", path).json(&body)).await
    }

    pub async fn try_login(&self, login: &str, password: &str) -> Answer {
        self.post("/auth/login", json!({ "login": login, "password": password })).await
    }

    /// Logs in and goes on with the bearer token.
    pub async fn logged_in(&self, login: &str, password: &str) -> Self {
        self.taking(&self.try_login(login, password).await.ok())
    }

    /// Goes on with the bearer token of an answer.
    pub fn taking(&self, answer: &Answer) -> Self {
        let login = answer.json();
        let token = login["access_token"].as_str().unwrap_or_else(|| panic!("no token: {login}")).to_owned();
        Self { login, ..self.clone().with_bearer(&token) }
    }

    pub fn access_token(&self) -> &str {
        self.login["access_token"].as_str().unwrap()
    }

    pub fn refresh_token(&self) -> &str {
        self.login["refresh_token"].as_str().unwrap()
    }

    pub fn user_id(&self) -> String {
        self.login["session"]["user"]["id"].as_str().unwrap().to_owned()
    }

    pub fn session_id(&self) -> String {
        self.login["session"]["session_id"].as_str().unwrap().to_owned()
    }

    pub async fn is_in(&self) -> bool {
        self.get("/auth/me").await.status == 200
    }

    /// A personal access token, as its text.
    pub async fn token(&self, scopes: &[&str]) -> String {
        let body = json!({ "name": "t", "scopes": scopes, "expires_in_days": 7, "password": PASSWORD });
        self.post("/auth/tokens", body).await.ok().json()["token"].as_str().unwrap().to_owned()
    }

    pub async fn workspace(&self, name: &str) -> String {
        let body = json!({ "name": name, "source": { "type": "empty" } });
        self.post("/workspaces", body).await.ok().json()["id"].as_str().unwrap().to_owned()
    }
}

/// Registers somebody; the first on a server is its admin.
pub async fn person(server: &TestServer, login: &str) -> Caller {
    let stranger = Caller::stranger(server, "198.51.100.7");
    let answer = stranger.post("/auth/register", json!({ "login": login, "password": PASSWORD })).await;
    stranger.taking(&answer.ok())
}

/// An admin and a member.
pub async fn admin_and_member(server: &TestServer) -> (Caller, Caller) {
    (person(server, "admin@example.org").await, person(server, "bob@example.org").await)
}

/// A browser that logged in.
pub async fn browser(server: &TestServer, login: &str) -> Caller {
    let stranger = Caller::stranger(server, "198.51.100.8");
    let cookies = stranger.try_login(login, PASSWORD).await.ok().cookies();
    stranger.with_cookies(&cookies)
}

/// Waits until something is so.
pub async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let waiting = async {
        while !holds().await {
            tick.tick().await;
        }
    };
    tokio::time::timeout(LIMIT, waiting).await.expect("it never became so");
}

pub fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Seconds for which one code of an authenticator stands.
const STEP_SECONDS: u64 = 30;

/// An authenticator that was set up.
pub struct Authenticator {
    key: Vec<u8>,
    used: HashSet<u64>,
    pub recovery_codes: Vec<String>,
}

impl Authenticator {
    pub fn new(secret: &str) -> Self {
        let key = data_encoding::BASE32_NOPAD.decode(secret.trim_end_matches('=').as_bytes()).unwrap();
        Self { key, used: HashSet::new(), recovery_codes: Vec::new() }
    }

    /// The code of so many steps from now (RFC 6238).
    pub fn code_at(&self, offset: i64) -> String {
        self.code_of((now_ms() / 1000 / STEP_SECONDS).checked_add_signed(offset).unwrap())
    }

    fn code_of(&self, step: u64) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.key).unwrap();
        mac.update(&step.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        let start = usize::from(digest[19] & 15);
        let word = u32::from_be_bytes(digest[start..start + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", word % 1_000_000)
    }

    /// A code that was not used yet and is good, without waiting for the next one: the one before, now, or next.
    pub fn fresh(&mut self) -> String {
        let now_ms = now_ms();
        let step = now_ms / 1000 / STEP_SECONDS;
        // A code of the step before must not grow too old on its way.
        let ends_soon = now_ms % (STEP_SECONDS * 1000) > (STEP_SECONDS - 5) * 1000;
        let first = if ends_soon { step } else { step - 1 };
        let next = self.used.iter().max().map_or(first, |last| first.max(last + 1));
        assert!(next <= step + 1, "a test uses at most two codes of one authenticator");
        self.used.insert(next);
        self.code_of(next)
    }
}

/// Switches on the second factor of somebody.
pub async fn with_second_factor(caller: &Caller) -> Authenticator {
    let setup = caller.post("/auth/second-factor/totp", json!({ "password": PASSWORD })).await.ok().json();
    let mut authenticator = Authenticator::new(setup["secret"].as_str().unwrap());
    let code = authenticator.fresh();
    let codes = caller.post("/auth/second-factor/totp/confirm", json!({ "code": code })).await.ok().json();
    authenticator.recovery_codes =
        codes["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    authenticator
}

/// The ticket of a login that waits for its second factor.
pub async fn ticket(stranger: &Caller, login: &str) -> String {
    let answer = stranger.try_login(login, PASSWORD).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()["ticket"].as_str().unwrap().to_owned()
}

/// Every key and value of the store, one after the other.
pub async fn dump(store: &Store) -> Vec<u8> {
    let rows: Result<_, StoreError> = store.transact(|tx| async move { tx.range_all(Range::prefix(b"")).await }).await;
    rows.unwrap().into_iter().flat_map(|row| [row.key.to_vec(), row.value.to_vec()].concat()).collect()
}

pub fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Bits that a secret can hold at most: its characters without the signs between, by the kinds of characters that stand in it.
pub fn bits(secret: &str) -> f64 {
    let plain: Vec<char> = secret.chars().filter(char::is_ascii_alphanumeric).collect();
    let kind = |stands: bool, count: f64| if stands { count } else { 0.0 };
    let letters = kind(plain.iter().any(char::is_ascii_digit), 10.0)
        + kind(plain.iter().any(char::is_ascii_lowercase), 26.0)
        + kind(plain.iter().any(char::is_ascii_uppercase), 26.0);
    f64::from(u32::try_from(plain.len()).unwrap()) * letters.max(1.0).log2()
}

/// Secrets that a good generator made: no two are the same, and at each place they differ from one another.
#[track_caller]
pub fn assert_random(secrets: &[String]) {
    assert!(secrets.len() >= 8, "too few to tell");
    assert_eq!(secrets.iter().collect::<HashSet<_>>().len(), secrets.len(), "two are the same");
    let length = secrets.iter().map(String::len).min().unwrap();
    let fixed = (0..length).filter(|&place| {
        let letters: HashSet<u8> = secrets.iter().map(|secret| secret.as_bytes()[place]).collect();
        letters.len() == 1 && letters.iter().all(u8::is_ascii_alphanumeric)
    });
    let fixed = fixed.count();
    assert!(fixed * 4 <= length, "{fixed} of {length} places are the same in all of them");
}

/// Accounts without HTTP, with a cheap hash, for lifetimes that no setting of the server can make short enough for a test.
pub async fn accounts(store: &Store, change: impl FnOnce(&mut AuthSettings)) -> Auth {
    let mut settings =
        AuthSettings { hash_cost: HashCost { memory_kib: 16, passes: 1, lanes: 1 }, ..AuthSettings::default() };
    change(&mut settings);
    Auth::open(store.clone(), settings, MasterKey::from_bytes([7; 32])).await.unwrap()
}

pub async fn registered(auth: &Auth, login: &str) -> Login {
    let registration = Registration { login: login.to_owned(), password: PASSWORD.to_owned(), invite: None };
    auth.register(&registration, &Device::default()).await.unwrap()
}

pub async fn logged_in(auth: &Auth, login: &str) -> Login {
    let credentials = Credentials { login: login.to_owned(), password: PASSWORD.to_owned() };
    match auth.login(&credentials, &Device::default()).await.unwrap() {
        LoginStep::Done(login) => login,
        LoginStep::SecondFactor(_) => panic!("there is no second factor"),
    }
}
