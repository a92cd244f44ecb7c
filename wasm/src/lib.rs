//! The Rust that runs in the page: session, the one resumable WebSocket, files, watch, search, terminals, models and the tools a
//! model uses. The React front and the Theia extension only adapt their interfaces to [`Shell`].
//!
//! **May know:** the protocol crate and the browser. **Invariants:**
//! * No borrow of a `RefCell` is held while JavaScript of others runs or over an await: a listener may call the shell.
//! * Whatever fails rejects with an `Error` named `CoditectError` with a stable `code` (see [`error`]); nothing panics on what
//!   JavaScript or the server hands over.
//! * Paths are those of the IDE's URIs; [`paths`](self) maps them to the server's roots and refuses everything else.
//! * What decides (reconnecting, calls, paths, edits) is pure and tested on the host; what touches the browser is thin.

mod abort;
pub mod account;
mod core;
pub mod error;
pub mod files;
mod followed;
pub mod git;
mod link;
mod listeners;
pub mod markdown;
mod models;
mod paths;
pub mod plugins;
pub mod presence;
mod rest;
pub mod search;
pub mod status;
pub mod storage;
mod terminals;
mod tools;
mod uploads;
mod value;
pub mod watch;

use std::cell::RefCell;
use std::rc::Rc;

use coditect_protocol::chat::ChatRequest;
use coditect_protocol::files::WriteMode;
use coditect_protocol::search::{FindFiles, SearchText};
use coditect_protocol::terminal::TerminalSpec;
use coditect_protocol::workspace::{AddMember, CreateWorkspace, WorkspaceRole};
use futures_util::future::LocalBoxFuture;
use js_sys::{Function, Promise, Reflect, Uint8Array};
use serde::Serialize;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::{AbortSignal, File};

use crate::abort::Abort;
use crate::core::Core;
use crate::error::ShellError;
use crate::listeners::{Listeners, report, report_settled};
use crate::presence::{PageShowing, Presence};
use crate::rest::Upload;
use crate::status::ShellStatus;
use crate::value::Value;
use crate::watch::Watches;

/// Largest integer that a JavaScript number holds exactly.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// One page's shell: everything that the IDE and the front ask of the server goes through it.
#[wasm_bindgen]
pub struct Shell {
    core: Rc<Core>,
}

/// A listener's registration. It lasts until `cancel`, also when this object is collected.
#[wasm_bindgen]
pub struct Subscription {
    cancel: RefCell<Option<Box<dyn FnOnce()>>>,
}

#[wasm_bindgen]
impl Subscription {
    fn new(cancel: impl FnOnce() + 'static) -> Self {
        Self { cancel: RefCell::new(Some(Box::new(cancel))) }
    }

    /// Ends it; further calls do nothing.
    pub fn cancel(&self) {
        let cancel = self.cancel.borrow_mut().take();
        if let Some(cancel) = cancel {
            cancel();
        }
    }
}

/// Workspaces, over REST.
#[wasm_bindgen]
impl Shell {
    /// A shell for the server whose root is at `base`.
    pub fn create(base: &str) -> Self {
        Self { core: Core::new(base) }
    }

    /// The person's workspaces.
    #[wasm_bindgen(js_name = listWorkspaces, unchecked_return_type = "Promise<Workspace[]>")]
    pub fn list_workspaces(&self) -> Promise {
        self.run(|core| async move { to_js(&core.rest.list_workspaces().await?) })
    }

    /// One workspace.
    #[wasm_bindgen(js_name = getWorkspace, unchecked_return_type = "Promise<Workspace>")]
    pub fn get_workspace(&self, id: String) -> Promise {
        self.run(|core| async move { to_js(&core.rest.get_workspace(&id).await?) })
    }

    /// Makes a workspace; its state tells when it is ready.
    #[wasm_bindgen(js_name = createWorkspace, unchecked_return_type = "Promise<Workspace>")]
    pub fn create_workspace(&self, create: Ts<CreateWorkspace>) -> Promise {
        self.run(|core| async move { to_js(&core.rest.create_workspace(&from_js(create.into())?).await?) })
    }

    /// Makes a workspace of an archive.
    #[wasm_bindgen(js_name = uploadWorkspace, unchecked_return_type = "Promise<Workspace>")]
    pub fn upload_workspace(
        &self,
        name: String,
        file: File,
        #[wasm_bindgen(js_name = onProgress, unchecked_param_type = "(sent: number, total: number) => void")]
        on_progress: Function,
        signal: Option<AbortSignal>,
    ) -> Promise {
        self.run(|core| async move {
            let upload = Upload { name, file, on_progress };
            to_js(&core.rest.upload_workspace(upload, &Abort::of(signal)).await?)
        })
    }

    /// Gives a workspace another name.
    #[wasm_bindgen(js_name = renameWorkspace, unchecked_return_type = "Promise<Workspace>")]
    pub fn rename_workspace(&self, id: String, name: String) -> Promise {
        self.run(|core| async move {
            let workspace = core.rest.rename_workspace(&id, &name).await?;
            core.renamed(&workspace);
            to_js(&workspace)
        })
    }

    /// Deletes a workspace with all its files.
    #[wasm_bindgen(js_name = deleteWorkspace, unchecked_return_type = "Promise<void>")]
    pub fn delete_workspace(&self, id: String) -> Promise {
        self.run(|core| async move { core.rest.delete_workspace(&id).await.map(|()| JsValue::UNDEFINED) })
    }
}

/// The members of workspaces, over REST.
#[wasm_bindgen]
impl Shell {
    /// Everybody who may use a workspace, the owner first.
    #[wasm_bindgen(js_name = listMembers, unchecked_return_type = "Promise<WorkspaceMember[]>")]
    pub fn list_members(&self, id: String) -> Promise {
        self.run(|core| async move { to_js(&core.rest.list_members(&id).await?) })
    }

    /// Lets somebody use a workspace who logs in with this name.
    #[wasm_bindgen(js_name = addMember, unchecked_return_type = "Promise<WorkspaceMember>")]
    pub fn add_member(&self, id: String, login: String, role: Ts<WorkspaceRole>) -> Promise {
        self.run(|core| async move {
            let add = AddMember { login, role: from_js(role.into())? };
            to_js(&core.rest.add_member(&id, &add).await?)
        })
    }

    /// Changes what a member may do.
    #[wasm_bindgen(js_name = changeMember, unchecked_return_type = "Promise<WorkspaceMember>")]
    pub fn change_member(&self, id: String, user: String, role: Ts<WorkspaceRole>) -> Promise {
        self.run(|core| async move { to_js(&core.rest.change_member(&id, &user, from_js(role.into())?).await?) })
    }

    /// Ends a membership; one's own as well.
    #[wasm_bindgen(js_name = removeMember, unchecked_return_type = "Promise<void>")]
    pub fn remove_member(&self, id: String, user: String) -> Promise {
        self.run(|core| async move { core.rest.remove_member(&id, &user).await.map(|()| JsValue::UNDEFINED) })
    }
}

/// The link.
#[wasm_bindgen]
impl Shell {
    /// Opens the link, which keeps itself connected from then on, and the workspace.
    #[wasm_bindgen(unchecked_return_type = "Promise<Workspace | undefined>")]
    pub fn connect(&self, workspace: Option<String>) -> Promise {
        // At once, so that a `disconnect` right after this one wins.
        self.core.link.open();
        self.run(|core| async move {
            match core.connect(workspace.as_deref()).await? {
                Some(workspace) => to_js(&workspace),
                None => Ok(JsValue::UNDEFINED),
            }
        })
    }

    /// Ends the link; calls under way reject.
    pub fn disconnect(&self) {
        self.core.disconnect();
    }

    /// The status now.
    pub fn status(&self) -> Result<Ts<ShellStatus>, ShellError> {
        Ok(self.core.status.get().into_ts()?)
    }

    /// Tells each change of the status.
    #[wasm_bindgen(js_name = onStatus)]
    pub fn on_status(
        &self,
        #[wasm_bindgen(unchecked_param_type = "(status: ShellStatus) => void")] listener: Function,
    ) -> Subscription {
        subscribe(self.core.status.listeners(), listener, || {})
    }
}

/// Files, by absolute path.
#[wasm_bindgen]
impl Shell {
    /// Most bytes of a file that can be read or written as a whole.
    #[wasm_bindgen(js_name = maxFileBytes)]
    pub fn max_file_bytes() -> f64 {
        // 64 MiB, which a JavaScript number holds exactly.
        coditect_protocol::files::MAX_CALL_FILE_BYTES as f64
    }

    /// Facts of a file or folder.
    #[wasm_bindgen(unchecked_return_type = "Promise<FileStat>")]
    pub fn stat(&self, path: String) -> Promise {
        self.run(|core| async move { to_js(&core.stat(&path).await?) })
    }

    /// Entries of a folder.
    #[wasm_bindgen(js_name = readFolder, unchecked_return_type = "Promise<FolderEntry[]>")]
    pub fn read_folder(&self, path: String) -> Promise {
        self.run(|core| async move { to_js(&core.read_folder(&path).await?) })
    }

    /// Reads a file, or a part of it.
    #[wasm_bindgen(js_name = readFile, unchecked_return_type = "Promise<FileContent>")]
    pub fn read_file(&self, path: String, offset: Option<f64>, length: Option<f64>) -> Promise {
        self.run(|core| async move {
            let offset = offset.map_or(Ok(0), whole_number)?;
            let length = length.map(whole_number).transpose()?;
            to_js(&core.read_file(&path, offset, length).await?)
        })
    }

    /// Writes a file, whole.
    #[wasm_bindgen(js_name = writeFile, unchecked_return_type = "Promise<FileStat>")]
    pub fn write_file(&self, path: String, bytes: Uint8Array, mode: Ts<WriteMode>) -> Promise {
        self.run(|core| async move { to_js(&core.write_file(&path, &bytes, from_js(mode.into())?).await?) })
    }

    /// Makes a folder and those above it.
    #[wasm_bindgen(js_name = makeFolder, unchecked_return_type = "Promise<FileStat>")]
    pub fn make_folder(&self, path: String) -> Promise {
        self.run(|core| async move { to_js(&core.make_folder(&path).await?) })
    }

    /// Deletes a file, or a folder with everything below it where `recursive`: into the workspace's trash where `trash`, else for good.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn delete(&self, path: String, recursive: bool, trash: Option<bool>) -> Promise {
        self.run(|core| async move {
            core.delete(&path, recursive, trash.unwrap_or(false)).await.map(|()| JsValue::UNDEFINED)
        })
    }

    /// Moves a file or folder.
    #[wasm_bindgen(unchecked_return_type = "Promise<FileStat>")]
    pub fn rename(&self, from: String, to: String, overwrite: bool) -> Promise {
        self.run(|core| async move { to_js(&core.rename(&from, &to, overwrite).await?) })
    }

    /// Copies a file or folder.
    #[wasm_bindgen(unchecked_return_type = "Promise<FileStat>")]
    pub fn copy(&self, from: String, to: String, overwrite: bool) -> Promise {
        self.run(|core| async move { to_js(&core.copy(&from, &to, overwrite).await?) })
    }

    /// Tells changes below the workspace and the home.
    #[wasm_bindgen(js_name = onChanges)]
    pub fn on_changes(
        &self,
        #[wasm_bindgen(unchecked_param_type = "(event: ChangeEvent) => void")] listener: Function,
    ) -> Subscription {
        let core = Rc::clone(&self.core);
        let subscription = subscribe(self.core.watches.listeners(), listener, move || Watches::adjust(&core));
        Watches::adjust(&self.core);
        Watches::tell_states(&self.core);
        subscription
    }

    /// Tells who else has the workspace open, and in which files.
    #[wasm_bindgen(js_name = onPresence)]
    pub fn on_presence(
        &self,
        #[wasm_bindgen(unchecked_param_type = "(people: PersonPresent[]) => void")] listener: Function,
    ) -> Subscription {
        let core = Rc::clone(&self.core);
        let subscription =
            subscribe(self.core.presence.followed.listeners(), listener, move || Presence::adjust(&core));
        Presence::adjust(&self.core);
        subscription
    }

    /// Tells the others what this page shows, while it listens to who they are. What is outside the workspace is nobody's business.
    pub fn show(&self, showing: Ts<PageShowing>) -> Result<(), ShellError> {
        Presence::show(&self.core, &from_js(showing.into())?);
        Ok(())
    }

    /// Finds files by name.
    #[wasm_bindgen(js_name = findFiles, unchecked_return_type = "Promise<FoundFiles>")]
    pub fn find_files(&self, query: Ts<FindFiles>, signal: Option<AbortSignal>) -> Promise {
        self.run(|core| async move {
            let query = core.relative(&query.js_value(), "folder")?;
            to_js(&core.find_files(from_js(query)?, &Abort::of(signal)).await?)
        })
    }

    /// Finds text in files; hands on the matches of some files at a time, as they are found.
    #[wasm_bindgen(js_name = searchText, unchecked_return_type = "Promise<SearchSummary>")]
    pub fn search_text(
        &self,
        query: Ts<SearchText>,
        #[wasm_bindgen(js_name = onMatches, unchecked_param_type = "(files: FoundMatches[]) => void")]
        on_matches: Function,
        signal: Option<AbortSignal>,
    ) -> Promise {
        self.run(|core| async move {
            let query = core.relative(&query.js_value(), "folders")?;
            let hand_on = |files| {
                if let Ok(value) = many_to_js(&core.found_matches(files)) {
                    report(on_matches.call1(&JsValue::UNDEFINED, &value));
                }
            };
            to_js(&core.search_relative(from_js(query)?, &Abort::of(signal), hand_on).await?)
        })
    }
}

/// Terminals.
#[wasm_bindgen]
impl Shell {
    /// Programs that terminals can be started with, the one first that is taken where none is named.
    #[wasm_bindgen(js_name = listTerminalProfiles, unchecked_return_type = "Promise<TerminalProfile[]>")]
    pub fn list_terminal_profiles(&self) -> Promise {
        self.run(|core| async move { to_js(&core.list_terminal_profiles().await?) })
    }

    /// Terminals of the workspace.
    #[wasm_bindgen(js_name = listTerminals, unchecked_return_type = "Promise<TerminalInfo[]>")]
    pub fn list_terminals(&self) -> Promise {
        self.run(|core| async move { to_js(&core.list_terminals().await?) })
    }

    /// Starts a terminal. Its folder may be relative to the workspace or absolute below it.
    #[wasm_bindgen(js_name = createTerminal, unchecked_return_type = "Promise<TerminalInfo>")]
    pub fn create_terminal(&self, spec: Ts<TerminalSpec>) -> Promise {
        self.run(|core| async move {
            let spec = core.relative(&spec.js_value(), "folder")?;
            to_js(&core.create_terminal(from_js(spec)?).await?)
        })
    }

    /// Hands on a terminal's output from an offset on; resolves when its program has ended. A promise that `onOutput` answers with is
    /// waited for before the next output comes, and the server stops sending meanwhile.
    #[wasm_bindgen(js_name = attachTerminal, unchecked_return_type = "Promise<TerminalExit>")]
    pub fn attach_terminal(
        &self,
        id: String,
        from: f64,
        #[wasm_bindgen(js_name = onOutput, unchecked_param_type = "(data: Uint8Array, offset: number) => void | Promise<void>")]
        on_output: Function,
        signal: Option<AbortSignal>,
    ) -> Promise {
        self.run(|core| async move {
            let hand_on = async |data: Vec<u8>, offset: u64| {
                let (data, offset) = (Uint8Array::from(data.as_slice()), offset as f64);
                report_settled(on_output.call2(&JsValue::UNDEFINED, &data, &offset.into())).await;
            };
            to_js(&core.attach_terminal(&id, whole_number(from)?, &Abort::of(signal), hand_on).await?)
        })
    }

    /// Hands what the person typed to the terminal's program; keeps the order of calls. Rejects when not all of it got there.
    #[wasm_bindgen(js_name = writeTerminal, unchecked_return_type = "Promise<void>")]
    pub fn write_terminal(&self, id: String, data: Vec<u8>) -> Promise {
        self.run(|core| async move { core.write_terminal(&id, &data).await.map(|()| JsValue::UNDEFINED) })
    }

    /// Tells a terminal its size. Of several that wait for one terminal only the latest counts.
    #[wasm_bindgen(js_name = resizeTerminal, unchecked_return_type = "Promise<void>")]
    pub fn resize_terminal(&self, id: String, cols: u16, rows: u16) -> Promise {
        self.run(|core| async move { core.resize_terminal(&id, cols, rows).await.map(|()| JsValue::UNDEFINED) })
    }

    /// Gives a terminal another title, kept on the server; that of the beginning again where it is empty.
    #[wasm_bindgen(js_name = renameTerminal, unchecked_return_type = "Promise<void>")]
    pub fn rename_terminal(&self, id: String, title: String) -> Promise {
        self.run(|core| async move { core.rename_terminal(&id, title).await.map(|()| JsValue::UNDEFINED) })
    }

    /// Ends a terminal's processes and forgets it.
    #[wasm_bindgen(js_name = closeTerminal, unchecked_return_type = "Promise<void>")]
    pub fn close_terminal(&self, id: String) -> Promise {
        self.run(|core| async move { core.close_terminal(&id).await.map(|()| JsValue::UNDEFINED) })
    }
}

/// Models and the tools they use.
#[wasm_bindgen]
impl Shell {
    /// Models that can be talked to.
    #[wasm_bindgen(js_name = listModels, unchecked_return_type = "Promise<ModelList>")]
    pub fn list_models(&self, refresh: bool) -> Promise {
        self.run(|core| async move { to_js(&core.list_models(refresh).await?) })
    }

    /// One turn of a conversation; hands on the answer as it comes.
    #[wasm_bindgen(unchecked_return_type = "Promise<ChatEnd>")]
    pub fn chat(
        &self,
        request: Ts<ChatRequest>,
        #[wasm_bindgen(js_name = onDelta, unchecked_param_type = "(delta: ChatDelta) => void")] on_delta: Function,
        signal: Option<AbortSignal>,
    ) -> Promise {
        self.run(|core| async move {
            let hand_on = |delta: &coditect_protocol::chat::ChatDelta| {
                if let Ok(value) = delta.into_js() {
                    report(on_delta.call1(&JsValue::UNDEFINED, &value));
                }
            };
            to_js(&core.chat(from_js(request.into())?, &Abort::of(signal), hand_on).await?)
        })
    }

    /// The workspace tools of the default chat agent.
    #[wasm_bindgen(unchecked_return_type = "ToolSpec[]")]
    pub fn tools(&self) -> Result<JsValue, ShellError> {
        to_js(&tools::specs())
    }

    /// Runs a tool with arguments in JSON; resolves with what the model gets to read, problems included.
    #[wasm_bindgen(js_name = runTool, unchecked_return_type = "Promise<string>")]
    pub fn run_tool(&self, name: String, args: String, signal: Option<AbortSignal>) -> Promise {
        self.run(|core| async move { core.run_tool(&name, &args, &Abort::of(signal)).await.map(JsValue::from) })
    }
}

impl Shell {
    /// Lets `make`'s future run; its outcome settles the promise.
    fn run<F>(&self, make: impl FnOnce(Rc<Core>) -> F) -> Promise
    where
        F: Future<Output = Result<JsValue, ShellError>> + 'static,
    {
        promise(Box::pin(make(Rc::clone(&self.core))))
    }
}

/// Compiled once for all futures, which keeps the module small.
fn promise(future: LocalBoxFuture<'static, Result<JsValue, ShellError>>) -> Promise {
    future_to_promise(async move { future.await.map_err(JsValue::from) })
}

impl Core {
    /// `query` with the paths of one field made relative to the workspace.
    fn relative(&self, query: &JsValue, field: &str) -> Result<JsValue, ShellError> {
        let unusable = |_| ShellError::Arguments(format!("an object with {field:?} is wanted"));
        let mounts = self.mounts();
        let given = Reflect::get(query, &field.into()).map_err(unusable)?;
        let mapped: JsValue = if let Some(path) = given.as_string() {
            mounts.in_workspace(&path)?.as_str().into()
        } else if js_sys::Array::is_array(&given) {
            let relative = |path: JsValue| match path.as_string() {
                Some(path) => Ok(JsValue::from(mounts.in_workspace(&path)?.as_str())),
                None => Ok::<_, ShellError>(path),
            };
            js_sys::Array::from(&given).iter().map(relative).collect::<Result<js_sys::Array, _>>()?.into()
        } else {
            return Ok(query.clone());
        };
        let copy = js_sys::Object::assign(&js_sys::Object::new(), query.unchecked_ref());
        Reflect::set(&copy, &field.into(), &mapped).map_err(unusable)?;
        Ok(copy.into())
    }
}

/// Whether a person has to agree before a tool runs.
#[wasm_bindgen(js_name = toolNeedsConfirmation)]
#[must_use]
pub fn tool_needs_confirmation(name: &str) -> bool {
    tools::needs_confirmation(name)
}

fn subscribe(listeners: &Rc<Listeners>, listener: Function, afterwards: impl FnOnce() + 'static) -> Subscription {
    let id = listeners.add(listener);
    let listeners = Rc::clone(listeners);
    Subscription::new(move || {
        listeners.remove(id);
        afterwards();
    })
}

fn to_js(value: &impl Serialize) -> Result<JsValue, ShellError> {
    Ok(serde_wasm_bindgen::to_value(value)?)
}

/// For what has very many small parts: its JSON, which the browser reads in one go, much faster than it takes them one by one.
fn many_to_js(value: &impl Serialize) -> Result<JsValue, ShellError> {
    let json = serde_json::to_string(value).ok().and_then(|json| js_sys::JSON::parse(&json).ok());
    json.ok_or(ShellError::Protocol("what was found has no JSON"))
}

fn from_js<T: serde::de::DeserializeOwned>(value: JsValue) -> Result<T, ShellError> {
    let value: Value = serde_wasm_bindgen::from_value(value)?;
    value.read().map_err(|error| ShellError::Arguments(error.to_string()))
}

/// A byte offset or length out of a JavaScript number.
fn whole_number(number: f64) -> Result<u64, ShellError> {
    if number.fract() == 0.0 && (0.0..=MAX_SAFE_INTEGER).contains(&number) {
        return Ok(number as u64);
    }
    Err(ShellError::Arguments("an offset or a length is a whole number from 0 on".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::whole_number;

    #[test]
    fn takes_only_whole_numbers() {
        assert_eq!(whole_number(0.0).unwrap(), 0);
        assert_eq!(whole_number(9_007_199_254_740_991.0).unwrap(), 9_007_199_254_740_991);
        for wrong in [-1.0, 0.5, f64::NAN, f64::INFINITY, 1e300] {
            assert!(whole_number(wrong).is_err(), "{wrong}");
        }
    }
}
