//! `login`, `whoami`, `logout`: a person's own login at a server, over its API.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use clap::{ArgMatches, Command, arg};
use coditect_protocol::auth::{
    DeviceCode, DeviceCodeRequest, DeviceTokenRequest, RefreshRequest, SessionInfo, TokenAnswer,
};
use coditect_protocol::{API_PREFIX, Problem};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::command::{CommandError, block_on};
use super::credentials::{Credentials, Tokens};

/// Longest that one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Least time between two questions, whatever the server says.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
/// What is added to it where the server asks to slow down (RFC 8628 §3.5).
const SLOW_DOWN: Duration = Duration::from_secs(5);

pub(super) fn commands() -> [Command; 3] {
    let server = || arg!(--server <URL> "Address of the server, such as https://ide.example.org").required(false);
    [
        Command::new("login")
            .about("Logs in to a server: shows a code to enter in the browser")
            .arg(server().required(true))
            .arg(arg!(--name <NAME> "What this login is called in the person's list").required(false))
            .arg(arg!(--"allow-http" "Log in over an unencrypted line").required(false)),
        Command::new("whoami").about("Tells who is logged in").arg(server()),
        Command::new("logout").about("Ends the login").arg(server()),
    ]
}

pub(super) fn run(name: &str, matches: &ArgMatches) -> Result<String, CommandError> {
    // Another part of the process may have chosen the same before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let path = Credentials::path()?;
    let server = matches.get_one::<String>("server").map(|url| url.trim_end_matches('/').to_owned());
    match (name, server) {
        ("login", Some(server)) => {
            let name = matches.get_one::<String>("name").cloned().unwrap_or_else(own_name);
            let over_http = matches.get_flag("allow-http");
            block_on(login(&path, &server, &name, over_http))
        }
        ("logout", server) => block_on(logout(&path, server)),
        (_, server) => block_on(whoami(&path, server)),
    }
}

fn own_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("coditect-v5-api on {host}")
}

async fn login(path: &Path, server: &str, name: &str, over_http: bool) -> Result<String, CommandError> {
    if !over_http && !is_private_line(server) {
        return Err(CommandError::Unencrypted(server.to_owned()));
    }
    let client = Client::new(server)?;
    let code: DeviceCode = client.post("auth/device/code", &DeviceCodeRequest { client_name: name.to_owned() }).await?;
    eprintln!("Open {} and enter the code {}", printable(&code.verification_uri), printable(&code.user_code));
    let answer = client.poll(&code).await?;
    let user = answer.session.user.login.clone();
    let mut credentials = Credentials::read(path)?;
    credentials.servers.insert(server.to_owned(), client.tokens(answer)?);
    credentials.current = Some(server.to_owned());
    credentials.write(path)?;
    Ok(format!("Logged in to {server} as {}.", printable(&user)))
}

async fn whoami(path: &Path, server: Option<String>) -> Result<String, CommandError> {
    let mut login = Login::of(path, server)?;
    let info: SessionInfo = login.ask(reqwest::Method::GET, "auth/me").await?.ok_or(CommandError::NotLoggedIn)?;
    Ok(format!("{} at {}", printable(&info.user.login), login.server))
}

async fn logout(path: &Path, server: Option<String>) -> Result<String, CommandError> {
    let mut login = Login::of(path, server)?;
    let ended = login.ask::<serde_json::Value>(reqwest::Method::POST, "auth/logout").await;
    match ended {
        // A login that has ended already is no reason to keep its tokens.
        Ok(_) => {}
        Err(CommandError::Told(problem)) if problem.kind.status() == 401 => {}
        Err(error) => return Err(error),
    }
    login.credentials.servers.remove(&login.server);
    if login.credentials.current.as_ref() == Some(&login.server) {
        login.credentials.current = None;
    }
    login.credentials.write(path)?;
    Ok(format!("Logged out of {}.", login.server))
}

/// A server's text for a terminal: no character of it may command the terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

/// Whether nobody on the way can read along: encrypted, or within this machine.
fn is_private_line(server: &str) -> bool {
    let Ok(uri) = server.parse::<http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && is_local)
}

/// One server.
struct Client {
    http: reqwest::Client,
    base: String,
}

/// A refusal with the word of OAuth, where there is one.
#[derive(Deserialize)]
struct Refusal {
    #[serde(flatten)]
    problem: Problem,
    error: Option<String>,
}

impl Client {
    fn new(server: &str) -> Result<Self, CommandError> {
        let http = reqwest::Client::builder()
            .timeout(ANSWER_LIMIT)
            // A redirection would carry tokens elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("coditect-v5-api/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| CommandError::Unreachable(error.to_string()))?;
        Ok(Self { http, base: format!("{server}{API_PREFIX}") })
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CommandError> {
        let request = self.http.post(format!("{}/{path}", self.base)).json(body);
        self.taken(self.send(request).await?).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, CommandError> {
        request.send().await.map_err(|error| CommandError::Unreachable(error.without_url().to_string()))
    }

    /// What was asked for, or the problem instead.
    async fn taken<T: DeserializeOwned>(&self, response: reqwest::Response) -> Result<T, CommandError> {
        if !response.status().is_success() {
            return Err(self
                .refusal(response)
                .await
                .map_or_else(|error| error, |refusal| CommandError::Told(refusal.problem)));
        }
        response.json().await.map_err(|_| CommandError::NotAServer(self.base.clone()))
    }

    async fn refusal(&self, response: reqwest::Response) -> Result<Refusal, CommandError> {
        response.json().await.map_err(|_| CommandError::NotAServer(self.base.clone()))
    }

    /// Asks until the person has decided.
    async fn poll(&self, code: &DeviceCode) -> Result<TokenAnswer, CommandError> {
        let end = Instant::now() + Duration::from_secs(code.expires_in);
        let mut interval = Duration::from_secs(code.interval).max(LEAST_INTERVAL);
        let body = DeviceTokenRequest { device_code: code.device_code.clone() };
        loop {
            tokio::time::sleep(interval).await;
            let request = self.http.post(format!("{}/auth/device/token", self.base)).json(&body);
            let response = self.send(request).await?;
            if response.status().is_success() {
                return self.taken(response).await;
            }
            let refusal = self.refusal(response).await?;
            match refusal.error.as_deref() {
                Some("authorization_pending") if Instant::now() < end => {}
                Some("slow_down") if Instant::now() < end => interval += SLOW_DOWN,
                _ => return Err(CommandError::Told(refusal.problem)),
            }
        }
    }
}

/// A login that is kept.
struct Login<'a> {
    path: &'a Path,
    credentials: Credentials,
    server: String,
    client: Client,
}

impl<'a> Login<'a> {
    fn of(path: &'a Path, server: Option<String>) -> Result<Self, CommandError> {
        let credentials = Credentials::read(path)?;
        let server = server.or_else(|| credentials.current.clone()).ok_or(CommandError::NotLoggedIn)?;
        let client = Client::new(&server)?;
        Ok(Self { path, credentials, server, client })
    }

    /// Asks with the access token, and once more with a new one where that has ended. Nothing where the answer has no body.
    async fn ask<T: DeserializeOwned>(
        &mut self,
        method: reqwest::Method,
        path: &str,
    ) -> Result<Option<T>, CommandError> {
        let mut response = self.send(method.clone(), path).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.refresh().await?;
            response = self.send(method, path).await?;
        }
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        self.client.taken(response).await.map(Some)
    }

    fn tokens(&self) -> Result<&Tokens, CommandError> {
        self.credentials.servers.get(&self.server).ok_or(CommandError::NotLoggedIn)
    }

    async fn send(&self, method: reqwest::Method, path: &str) -> Result<reqwest::Response, CommandError> {
        let request = self.client.http.request(method, format!("{}/{path}", self.client.base));
        self.client.send(request.bearer_auth(&self.tokens()?.access_token)).await
    }

    /// Each refresh token is good once: the next pair is kept before it is used.
    async fn refresh(&mut self) -> Result<(), CommandError> {
        let body = RefreshRequest { refresh_token: Some(self.tokens()?.refresh_token.clone()) };
        let answer: TokenAnswer = self.client.post("auth/refresh", &body).await?;
        self.credentials.servers.insert(self.server.clone(), self.client.tokens(answer)?);
        Ok(self.credentials.write(self.path)?)
    }
}

impl Client {
    /// The tokens of an answer, which every program gets.
    fn tokens(&self, answer: TokenAnswer) -> Result<Tokens, CommandError> {
        match (answer.access_token, answer.refresh_token) {
            (Some(access_token), Some(refresh_token)) => Ok(Tokens { access_token, refresh_token }),
            _ => Err(CommandError::NotAServer(self.base.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_over_encrypted_lines_or_stay_on_the_machine() {
        for private in ["https://a.example", "http://localhost:1", "http://127.0.0.1", "http://[::1]:8700"] {
            assert!(is_private_line(private), "{private}");
        }
        for open in
            ["http://a.example", "http://192.168.1.5:8700", "ftp://localhost", "localhost", "http://localhost.evil"]
        {
            assert!(!is_private_line(open), "{open}");
        }
    }

    #[test]
    fn a_server_cannot_command_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\r\n\u{9b}"), "a[31mb");
    }
}
