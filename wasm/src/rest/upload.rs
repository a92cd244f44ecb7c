//! Upload of an archive with progress, which `fetch` cannot tell.

use std::cell::RefCell;
use std::rc::Rc;

use coditect_protocol::auth::CSRF_HEADER;
use coditect_protocol::workspace::Workspace;
use futures_channel::oneshot;
use gloo_events::EventListener;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{File, ProgressEvent, XmlHttpRequest};

use super::{Rest, csrf_token, parse, problem_of};
use crate::abort::Abort;
use crate::error::ShellError;
use crate::listeners::report;
use crate::paths::percent_encode;

/// An archive to make a workspace of.
pub(crate) struct Upload {
    /// Name of the workspace.
    pub(crate) name: String,
    /// The archive.
    pub(crate) file: File,
    /// Gets the bytes sent and the bytes in all.
    pub(crate) on_progress: js_sys::Function,
}

/// Ends the request when dropped before it is done.
struct Running(XmlHttpRequest);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.ready_state() != XmlHttpRequest::DONE {
            let _ = self.0.abort();
        }
    }
}

impl Rest {
    /// Sends an archive and answers the workspace that is made of it.
    pub(crate) async fn upload_workspace(
        self: &Rc<Self>,
        upload: Upload,
        abort: &Abort,
    ) -> Result<Workspace, ShellError> {
        // So that a token that has ended does not cost the whole upload.
        abort.guard(self.session()).await??;
        let refused = |_: JsValue| ShellError::Unreachable;
        let request = XmlHttpRequest::new().map_err(refused)?;
        let route = format!(
            "{}workspaces/upload?name={}&file_name={}",
            self.api,
            percent_encode(&upload.name),
            percent_encode(&upload.file.name())
        );
        request.open_with_async("POST", &route, true).map_err(refused)?;
        let set = |name: &str, value: &str| request.set_request_header(name, value).map_err(refused);
        set("accept", "application/json")?;
        set("content-type", "application/octet-stream")?;
        if let Some(token) = csrf_token() {
            set(CSRF_HEADER, &token)?;
        }
        let _progress = follow(&request, upload.on_progress).map_err(refused)?;
        let (ended, _listeners) = ending(&request);
        request.send_with_opt_blob(Some(&upload.file)).map_err(refused)?;
        let running = Running(request);
        let answered = abort.guard(ended).await?;
        if !matches!(answered, Ok(true)) {
            return Err(ShellError::Unreachable);
        }
        answer(&running.0)
    }
}

fn answer(request: &XmlHttpRequest) -> Result<Workspace, ShellError> {
    let status = request.status().map_err(|_| ShellError::Unreachable)?;
    let body = request.response_text().ok().flatten();
    if !(200..300).contains(&status) {
        return Err(problem_of(status, body));
    }
    body.and_then(|text| parse(&text)).ok_or(ShellError::UnexpectedReply)
}

fn follow(request: &XmlHttpRequest, on_progress: js_sys::Function) -> Result<EventListener, JsValue> {
    let upload = request.upload()?;
    Ok(EventListener::new(&upload, "progress", move |event| {
        let event = event.unchecked_ref::<ProgressEvent>();
        report(on_progress.call2(&JsValue::UNDEFINED, &event.loaded().into(), &event.total().into()));
    }))
}

/// Resolves with whether an answer came.
fn ending(request: &XmlHttpRequest) -> (oneshot::Receiver<bool>, Vec<EventListener>) {
    let (sender, receiver) = oneshot::channel();
    let sender = Rc::new(RefCell::new(Some(sender)));
    let listeners = [("load", true), ("error", false), ("abort", false), ("timeout", false)].map(|(name, answered)| {
        let sender = Rc::clone(&sender);
        EventListener::new(request, name, move |_| {
            if let Some(sender) = sender.borrow_mut().take() {
                let _ = sender.send(answered);
            }
        })
    });
    (receiver, listeners.into())
}
