//! REST with the browser's cookies: people, workspaces, uploads and large files.

mod account;
mod files;
mod upload;

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;

use coditect_protocol::auth::{CSRF_COOKIE, CSRF_HEADER, RefreshRequest, SessionInfo};
use coditect_protocol::files::{FileStat, Place, Root, WriteMode};
use coditect_protocol::workspace::{
    AddMember, ChangeMember, CreateWorkspace, RenameWorkspace, Workspace, WorkspaceMember, WorkspaceRole,
};
use coditect_protocol::{Kind, Problem, UserId};
use futures_util::future::{Either, FutureExt, LocalBoxFuture, Shared, select};
use gloo_net::http::{Method, RequestBuilder, Response};
use gloo_timers::future::TimeoutFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{AbortController, RequestCredentials};

use crate::error::ShellError;
use crate::paths::percent_encode_path;
use crate::status::StatusBoard;
use crate::value::Value;

pub(crate) use upload::Upload;

/// Longest that an answer may take, except for uploads, in seconds.
const TIMEOUT_SECONDS: u32 = 60;
/// Share of the access token's life after which it is renewed.
const REFRESH_AT_SHARE: f64 = 0.8;
/// When to renew a token whose end is not known, counted from connecting, in milliseconds.
const REFRESH_UNKNOWN_AFTER_MS: f64 = 60_000.0;
/// When to try again after a renewal did not get through, in milliseconds.
const REFRESH_RETRY_MS: f64 = 15_000.0;

type Refreshing = Shared<LocalBoxFuture<'static, Result<SessionInfo, ShellError>>>;

/// The REST side of one shell.
pub(crate) struct Rest {
    /// Address of the API, ends in `/`.
    api: String,
    status: Rc<StatusBoard>,
    /// The renewal under way; everyone who needs one waits for the same.
    refreshing: RefCell<Option<Refreshing>>,
    /// When to renew, milliseconds since 1970.
    refresh_at: Cell<f64>,
    /// Who the page belongs to: the first one it heard of, until somebody logs in or out here. In other pages of the browser somebody
    /// else may have logged in since, with whom what this page shows has nothing to do.
    person: Cell<Option<UserId>>,
}

/// What to send.
enum Body {
    None,
    Json(JsValue),
    Bytes(js_sys::Uint8Array),
    Blob(web_sys::Blob),
}

impl Rest {
    /// For the server whose root is at `base`.
    pub(crate) fn new(base: &str, status: Rc<StatusBoard>) -> Self {
        let prefix = coditect_protocol::API_PREFIX.trim_start_matches('/');
        Self {
            api: format!("{base}{prefix}/"),
            status,
            refreshing: RefCell::default(),
            refresh_at: Cell::new(f64::INFINITY),
            person: Cell::default(),
        }
    }

    /// Who the page belongs to.
    pub(crate) fn person(&self) -> Option<UserId> {
        self.person.get()
    }

    /// Somebody is logged in, or nobody is.
    pub(crate) fn know(&self, session: Option<SessionInfo>) {
        let heard_of = session.as_ref().map(|session| session.user.id);
        self.person.set(self.person.get().or(heard_of));
        self.status.change(|status| status.session = session);
    }

    /// Ends the login on the server and here.
    pub(crate) async fn logout(&self) -> Result<(), ShellError> {
        let outcome = self.send_once(&Method::POST, "auth/logout", Body::None, &[]).await;
        match outcome {
            // Already over is as good.
            Err(error) if !error.is_unauthenticated() => Err(error),
            _ => {
                self.refresh_at.set(f64::INFINITY);
                self.know(None);
                self.person.set(None);
                Ok(())
            }
        }
    }

    /// Who is logged in; renews an access token that ended.
    pub(crate) async fn session(self: &Rc<Self>) -> Result<SessionInfo, ShellError> {
        let outcome = match self.send(&Method::GET, "auth/me", Body::None).await {
            Ok(answer) => read::<SessionInfo>(answer).await,
            Err(error) => Err(error),
        };
        match &outcome {
            Ok(session) => self.know(Some(session.clone())),
            Err(error) if error.is_unauthenticated() => self.know(None),
            Err(_) => {}
        }
        outcome
    }

    /// Renews the access token; one renewal at a time serves everyone who asks.
    pub(crate) async fn refresh(self: &Rc<Self>) -> Result<SessionInfo, ShellError> {
        let running = self.refreshing.borrow().clone();
        let shared = running.unwrap_or_else(|| {
            let rest = Rc::clone(self);
            let renewal: Refreshing = async move {
                let outcome = rest.refresh_once().await;
                drop(rest.refreshing.borrow_mut().take());
                outcome
            }
            .boxed_local()
            .shared();
            *self.refreshing.borrow_mut() = Some(renewal.clone());
            renewal
        });
        shared.await
    }

    async fn refresh_once(&self) -> Result<SessionInfo, ShellError> {
        let outcome = self.send_once(&Method::POST, "auth/refresh", json(&RefreshRequest::default())?, &[]).await;
        match outcome {
            Ok(answer) => self.logged_in(read(answer).await?),
            Err(error) => {
                if error.is_unauthenticated() {
                    self.know(None);
                }
                Err(error)
            }
        }
    }

    /// When the access token should be renewed, milliseconds since 1970.
    pub(crate) fn refresh_at(&self) -> f64 {
        self.refresh_at.get()
    }

    /// A renewal by the clock starts; should it not get through, the next comes soon.
    pub(crate) fn refresh_started(&self) {
        self.refresh_at.set(js_sys::Date::now() + REFRESH_RETRY_MS);
    }

    /// After a page was loaded nobody knows when its token ends.
    pub(crate) fn refresh_when_unknown(&self, now: f64) {
        if self.refresh_at.get().is_infinite() {
            self.refresh_at.set(now + REFRESH_UNKNOWN_AFTER_MS);
        }
    }

    /// The person's workspaces.
    pub(crate) async fn list_workspaces(self: &Rc<Self>) -> Result<Vec<Workspace>, ShellError> {
        read(self.send(&Method::GET, "workspaces", Body::None).await?).await
    }

    /// One workspace.
    pub(crate) async fn get_workspace(self: &Rc<Self>, id: &str) -> Result<Workspace, ShellError> {
        read(self.send(&Method::GET, &workspace_route(id), Body::None).await?).await
    }

    /// Makes a workspace.
    pub(crate) async fn create_workspace(self: &Rc<Self>, create: &CreateWorkspace) -> Result<Workspace, ShellError> {
        read(self.send(&Method::POST, "workspaces", json(create)?).await?).await
    }

    /// Renames a workspace.
    pub(crate) async fn rename_workspace(self: &Rc<Self>, id: &str, name: &str) -> Result<Workspace, ShellError> {
        let body = json(&RenameWorkspace { name: name.to_owned() })?;
        read(self.send(&Method::PATCH, &workspace_route(id), body).await?).await
    }

    /// Deletes a workspace with all its files.
    pub(crate) async fn delete_workspace(self: &Rc<Self>, id: &str) -> Result<(), ShellError> {
        self.send(&Method::DELETE, &workspace_route(id), Body::None).await.map(drop)
    }

    /// Everybody who may use a workspace.
    pub(crate) async fn list_members(self: &Rc<Self>, id: &str) -> Result<Vec<WorkspaceMember>, ShellError> {
        read(self.send(&Method::GET, &members_route(id), Body::None).await?).await
    }

    /// Lets somebody use a workspace.
    pub(crate) async fn add_member(self: &Rc<Self>, id: &str, add: &AddMember) -> Result<WorkspaceMember, ShellError> {
        read(self.send(&Method::POST, &members_route(id), json(add)?).await?).await
    }

    /// Changes what a member may do.
    pub(crate) async fn change_member(
        self: &Rc<Self>,
        id: &str,
        user: &str,
        role: WorkspaceRole,
    ) -> Result<WorkspaceMember, ShellError> {
        let body = json(&ChangeMember { role })?;
        read(self.send(&Method::PATCH, &member_route(id, user), body).await?).await
    }

    /// Ends a membership.
    pub(crate) async fn remove_member(self: &Rc<Self>, id: &str, user: &str) -> Result<(), ShellError> {
        self.send(&Method::DELETE, &member_route(id, user), Body::None).await.map(drop)
    }

    /// Writes a file of a workspace as a stream.
    pub(crate) async fn put_file(
        self: &Rc<Self>,
        place: &Place,
        bytes: &js_sys::Uint8Array,
        mode: &WriteMode,
    ) -> Result<FileStat, ShellError> {
        let Root::Workspace(workspace) = place.root else {
            return Err(ShellError::Outside { path: place.path.to_string() });
        };
        let route = format!("workspaces/{workspace}/files/{}", percent_encode_path(place.path.as_str()));
        let content_type = ("content-type", "application/octet-stream".to_owned());
        let headers: Vec<_> = [content_type].into_iter().chain(write_condition(mode)).collect();
        read(self.send_with(&Method::PUT, &route, Body::Bytes(bytes.clone()), &headers).await?).await
    }

    /// Sends; where the access token has ended, renews it and sends again.
    async fn send(self: &Rc<Self>, method: &Method, route: &str, body: Body) -> Result<Response, ShellError> {
        self.send_with(method, route, body, &[]).await
    }

    async fn send_with(
        self: &Rc<Self>,
        method: &Method,
        route: &str,
        body: Body,
        headers: &[(&str, String)],
    ) -> Result<Response, ShellError> {
        let again = match &body {
            Body::None => Body::None,
            Body::Json(value) => Body::Json(value.clone()),
            Body::Bytes(bytes) => Body::Bytes(bytes.clone()),
            Body::Blob(blob) => Body::Blob(blob.clone()),
        };
        match self.send_once(method, route, body, headers).await {
            Err(error) if error.is_unauthenticated() => {
                self.refresh().await?;
                self.send_once(method, route, again, headers).await
            }
            outcome => outcome,
        }
    }

    async fn send_once(
        &self,
        method: &Method,
        route: &str,
        body: Body,
        headers: &[(&str, String)],
    ) -> Result<Response, ShellError> {
        let controller = AbortController::new().ok();
        let mut request = RequestBuilder::new(&format!("{}{route}", self.api))
            .method(method.clone())
            .credentials(RequestCredentials::SameOrigin)
            .abort_signal(controller.as_ref().map(AbortController::signal).as_ref())
            .header("accept", "application/json");
        if *method != Method::GET {
            request = with_csrf(request);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let limited = !matches!(body, Body::Bytes(_) | Body::Blob(_));
        let request = match body {
            Body::None => request.build(),
            Body::Json(text) => request.header("content-type", "application/json").body(text),
            Body::Bytes(bytes) => request.body(bytes),
            Body::Blob(blob) => request.body(blob),
        };
        let sending = request.map_err(|_| ShellError::Unreachable)?.send();
        let answer = if limited {
            match select(pin!(sending), TimeoutFuture::new(TIMEOUT_SECONDS * 1000)).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => {
                    controller.inspect(AbortController::abort);
                    return Err(ShellError::TimedOut { seconds: TIMEOUT_SECONDS });
                }
            }
        } else {
            sending.await
        };
        let answer = answer.map_err(|_| ShellError::Unreachable)?;
        if answer.ok() { Ok(answer) } else { Err(problem_of(answer.status(), answer.text().await.ok())) }
    }
}

/// The condition of a write, as a header.
fn write_condition(mode: &WriteMode) -> Option<(&'static str, String)> {
    match mode {
        WriteMode::CreateNew => Some(("if-none-match", "*".to_owned())),
        WriteMode::Replace(etag) => Some(("if-match", format!("\"{etag}\""))),
        WriteMode::Overwrite => None,
    }
}

fn workspace_route(id: &str) -> String {
    format!("workspaces/{}", crate::paths::percent_encode(id))
}

fn members_route(id: &str) -> String {
    format!("{}/members", workspace_route(id))
}

fn member_route(id: &str, user: &str) -> String {
    format!("{}/{}", members_route(id), crate::paths::percent_encode(user))
}

fn json(value: &impl Serialize) -> Result<Body, ShellError> {
    let value = value.serialize(&serde_wasm_bindgen::Serializer::json_compatible())?;
    let text = js_sys::JSON::stringify(&value).map_err(|_| ShellError::UnexpectedReply)?;
    Ok(Body::Json(text.into()))
}

async fn read<T: DeserializeOwned>(answer: Response) -> Result<T, ShellError> {
    let text = answer.text().await.map_err(|_| ShellError::Unreachable)?;
    parse(&text).ok_or(ShellError::UnexpectedReply)
}

fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    let value: Value = serde_wasm_bindgen::from_value(js_sys::JSON::parse(text).ok()?).ok()?;
    value.read().ok()
}

/// The problem in an answer's body, or one made from its status where a proxy answered.
fn problem_of(status: u16, body: Option<String>) -> ShellError {
    let told = body.and_then(|text| parse::<Problem>(&text));
    ShellError::Problem(told.unwrap_or_else(|| problem_of_status(status)))
}

fn problem_of_status(status: u16) -> Problem {
    let message = match status {
        502..=504 => "The server is not there at the moment; try again soon.".to_owned(),
        413 => "This is larger than the server takes.".to_owned(),
        _ => format!("The server refused this with HTTP status {status}."),
    };
    Problem::new(kind_of_status(status), &format!("http.{status}"), message)
}

fn kind_of_status(status: u16) -> Kind {
    match status {
        401 => Kind::Unauthenticated,
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        409 => Kind::Conflict,
        412 => Kind::PreconditionFailed,
        413 => Kind::TooLarge,
        416 => Kind::RangeNotSatisfiable,
        429 => Kind::TooManyRequests,
        502 | 503 => Kind::Unavailable,
        504 => Kind::Timeout,
        507 => Kind::OutOfSpace,
        400..=499 => Kind::Invalid,
        _ => Kind::Internal,
    }
}

fn with_csrf(request: RequestBuilder) -> RequestBuilder {
    match csrf_token() {
        Some(token) => request.header(CSRF_HEADER, &token),
        None => request,
    }
}

fn csrf_token() -> Option<String> {
    let document = web_sys::window()?.document()?.dyn_into::<web_sys::HtmlDocument>().ok()?;
    cookie_value(&document.cookie().ok()?, CSRF_COOKIE)
}

/// One cookie's value out of `document.cookie`.
fn cookie_value(cookies: &str, name: &str) -> Option<String> {
    cookies.split(';').find_map(|cookie| {
        let (key, value) = cookie.trim().split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use coditect_protocol::SessionId;
    use coditect_protocol::auth::{Role, UserInfo};

    use super::*;

    #[test]
    fn reads_one_cookie() {
        let cookies = "a=1; coditect_csrf=to=ken; xcoditect_csrf=2";
        assert_eq!(cookie_value(cookies, CSRF_COOKIE).as_deref(), Some("to=ken"));
        assert_eq!(cookie_value("", CSRF_COOKIE), None);
        assert_eq!(cookie_value("xcoditect_csrf=2", CSRF_COOKIE), None);
    }

    #[test]
    fn a_page_stays_with_the_person_it_first_heard_of() {
        let session = |id: u128| SessionInfo {
            user: UserInfo {
                id: UserId(uuid::Uuid::from_u128(id)),
                login: String::new(),
                role: Role::Member,
                created_at: 0,
            },
            session_id: SessionId(uuid::Uuid::nil()),
            expires_at: 0,
        };
        let rest = Rest::new("http://localhost/", Rc::default());
        assert_eq!(rest.person(), None);
        rest.know(Some(session(1)));
        rest.know(None);
        rest.know(Some(session(2)));
        assert_eq!(rest.person(), Some(session(1).user.id));
    }

    #[test]
    fn a_proxy_without_a_server_counts_as_unreachable() {
        assert!(ShellError::Problem(problem_of_status(502)).is_unreachable());
        assert!(ShellError::Problem(problem_of_status(503)).is_unreachable());
        assert!(ShellError::Problem(problem_of_status(401)).is_unauthenticated());
        assert!(!ShellError::Problem(problem_of_status(404)).is_unreachable());
        assert_eq!(problem_of_status(418).code, "http.418");
    }
}
