//! A server's REST interface, as far as authors of plugins need it.

pub(crate) mod publish;
pub(crate) mod run;
#[cfg(test)]
mod tests;
mod watch;

use std::net::IpAddr;
use std::time::Duration;

use coditect_protocol::{API_PREFIX, Problem};
use reqwest::{Method, RequestBuilder, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::arguments::Server;
use crate::error::CliError;

/// Longest that one answer may take: a large plugin is translated before it is answered.
const ANSWER_LIMIT: Duration = Duration::from_secs(180);
/// The largest answer that is taken, in bytes.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// A server, as somebody.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Zeroizing<String>,
}

impl Client {
    pub(crate) fn new(server: Server) -> Result<Self, CliError> {
        let url = server.server.trim_end_matches('/').to_owned();
        if !server.allow_http && !is_private_line(&url) {
            return Err(CliError::Unencrypted(url));
        }
        // Another part of the process may have chosen the same before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder();
        if Url::parse(&url).is_ok_and(|url| is_local(&url)) {
            // A token for this machine is no business of a proxy elsewhere.
            http = http.no_proxy();
        }
        let http = http
            .timeout(ANSWER_LIMIT)
            // A redirection would carry the token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("coditect-plugin/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| CliError::Unreachable(error.to_string()))?;
        Ok(Self { http, base: format!("{url}{API_PREFIX}"), token: Zeroizing::new(server.token) })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.answered(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CliError> {
        self.answered(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn send<T: DeserializeOwned>(&self, path: &str, package: Vec<u8>) -> Result<T, CliError> {
        let request = self.request(Method::POST, path).header("content-type", "application/octet-stream");
        self.answered(request.body(package)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/{path}", self.base)).bearer_auth(self.token.as_str())
    }

    /// What was asked for, or the problem instead.
    async fn answered<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CliError> {
        let unreachable = |error: reqwest::Error| CliError::Unreachable(error.without_url().to_string());
        let mut response = request.send().await.map_err(unreachable)?;
        let is_success = response.status().is_success();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(unreachable)? {
            if body.len() + piece.len() > MAX_ANSWER_BYTES {
                return Err(self.not_a_server());
            }
            body.extend_from_slice(&piece);
        }
        if is_success {
            return serde_json::from_slice(&body).map_err(|_| self.not_a_server());
        }
        let problem: Problem = serde_json::from_slice(&body).map_err(|_| self.not_a_server())?;
        Err(CliError::Told(problem))
    }

    fn not_a_server(&self) -> CliError {
        CliError::NotAServer(self.base.clone())
    }
}

/// Whether nobody on the way can read along: encrypted, or within this machine.
fn is_private_line(server: &str) -> bool {
    let Ok(url) = Url::parse(server) else { return false };
    url.scheme() == "https" || (url.scheme() == "http" && is_local(&url))
}

/// Whether a server is on this machine.
fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
