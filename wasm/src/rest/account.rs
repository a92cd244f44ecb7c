//! Logging in, and the routes whose bodies and answers pass through as they are.

use std::rc::Rc;

use coditect_protocol::auth::{SecondFactorChallenge, SessionInfo, TokenAnswer};
use gloo_net::http::{Method, Response};
use js_sys::JSON;
use wasm_bindgen::JsValue;

use super::{Body, REFRESH_AT_SHARE, Rest, read};
use crate::account::LoginStep;
use crate::error::ShellError;

/// Status of the answer to a login whose password was right and which a second factor must still confirm.
const SECOND_FACTOR_WANTED: u16 = 202;

impl Rest {
    /// Registers a person and logs them in.
    pub(crate) async fn register(&self, registration: JsValue) -> Result<SessionInfo, ShellError> {
        let answer = self.enter("auth/register", registration).await?;
        self.entered(answer).await
    }

    /// Logs a person in, or answers what else is wanted of them.
    pub(crate) async fn login(&self, credentials: JsValue) -> Result<LoginStep, ShellError> {
        let answer = self.enter("auth/login", credentials).await?;
        if answer.status() == SECOND_FACTOR_WANTED {
            let challenge = read::<SecondFactorChallenge>(answer).await?;
            return Ok(LoginStep::SecondFactor { challenge });
        }
        Ok(LoginStep::Done { session: self.entered(answer).await? })
    }

    /// Ends a login with its second factor.
    pub(crate) async fn answer_second_factor(&self, answer: JsValue) -> Result<SessionInfo, ShellError> {
        let answer = self.enter("auth/login/second-factor", answer).await?;
        self.entered(answer).await
    }

    /// Sets another password. The page stays its person's, under the tokens that come with the answer.
    pub(crate) async fn change_password(self: &Rc<Self>, change: JsValue) -> Result<SessionInfo, ShellError> {
        let answer = self.send(&Method::POST, "auth/password", as_given(&change)?).await?;
        self.logged_in(read(answer).await?)
    }

    async fn enter(&self, route: &str, body: JsValue) -> Result<Response, ShellError> {
        self.send_once(&Method::POST, route, as_given(&body)?, &[]).await
    }

    async fn entered(&self, answer: Response) -> Result<SessionInfo, ShellError> {
        let tokens = read(answer).await?;
        self.person.set(None);
        self.logged_in(tokens)
    }

    pub(super) fn logged_in(&self, answer: TokenAnswer) -> Result<SessionInfo, ShellError> {
        let life = answer.expires_in as f64 * 1000.0;
        self.refresh_at.set(js_sys::Date::now() + life * REFRESH_AT_SHARE);
        self.know(Some(answer.session.clone()));
        Ok(answer.session)
    }

    /// Hands a body of JavaScript to the server and the answer back, both as they are: the server checks the one and made the other,
    /// and a reader for each type would make the module larger for nothing. Nothing for an answer without a body.
    pub(crate) async fn pass(
        self: &Rc<Self>,
        method: &Method,
        route: &str,
        body: &JsValue,
    ) -> Result<JsValue, ShellError> {
        as_answered(self.send(method, route, as_given(body)?).await?).await
    }

    /// The same for a body of bytes, which may take as long as the network needs.
    pub(crate) async fn pass_blob(
        self: &Rc<Self>,
        method: &Method,
        route: &str,
        body: web_sys::Blob,
    ) -> Result<JsValue, ShellError> {
        let headers = [("content-type", "application/octet-stream".to_owned())];
        as_answered(self.send_with(method, route, Body::Blob(body), &headers).await?).await
    }

    /// A document that is text.
    pub(crate) async fn text(self: &Rc<Self>, route: &str) -> Result<String, ShellError> {
        let answer = self.send(&Method::GET, route, Body::None).await?;
        answer.text().await.map_err(|_| ShellError::Unreachable)
    }

    /// The address of a route.
    pub(crate) fn url(&self, route: &str) -> String {
        [&self.api, route].concat()
    }

    /// The same for what is asked without a login: a refusal is none that a renewed token would change.
    pub(crate) async fn pass_openly(
        &self,
        method: &Method,
        route: &str,
        body: &JsValue,
    ) -> Result<JsValue, ShellError> {
        as_answered(self.send_once(method, route, as_given(body)?, &[]).await?).await
    }
}

fn as_given(body: &JsValue) -> Result<Body, ShellError> {
    if body.is_undefined() {
        return Ok(Body::None);
    }
    let text = JSON::stringify(body).map_err(|_| ShellError::Arguments("a plain object is wanted".to_owned()))?;
    Ok(Body::Json(text.into()))
}

async fn as_answered(answer: Response) -> Result<JsValue, ShellError> {
    let text = answer.text().await.map_err(|_| ShellError::Unreachable)?;
    if text.is_empty() {
        return Ok(JsValue::UNDEFINED);
    }
    JSON::parse(&text).map_err(|_| ShellError::UnexpectedReply)
}
