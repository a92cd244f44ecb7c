//! Git: requests to the repositories of the workspace, and what a page shows of the answers.

mod conflicts;
mod patch;
mod state;

use coditect_protocol::call::{Item, Reply, Request};
use coditect_protocol::files::Root;
use coditect_protocol::git::{
    AddGitCredential, FileDiff, GitProgress, GitReply, GitRequest, MAX_PATCH_BYTES, PatchTarget, Version,
};
use coditect_protocol::path::RelPath;
use coditect_protocol::{Coded, Kind, Problem};
use gloo_net::http::Method;
use js_sys::{Function, Promise};
use serde::{Deserialize, Serialize};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use crate::abort::Abort;
use crate::core::Core;
use crate::error::{ShellError, expect_reply};
use crate::link::Step;
use crate::listeners::report;
use crate::paths::percent_encode;
use crate::{Shell, from_js, to_js};

pub use conflicts::ConflictRegion;
pub use patch::{ChosenLines, LineRange};
pub use state::{GitResource, GitState};

/// Lines around each change of a patch, as `git` itself takes.
const PATCH_CONTEXT_LINES: u32 = 3;
/// Codes of the refusal of `HEAD` before the first commit.
const NO_HEAD: [&str; 2] = ["git.bad_revision", "git.no_commits"];

/// What is done with single lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Tsify)]
#[serde(rename_all = "snake_case")]
pub enum LineAction {
    /// Their change goes into the index.
    Stage,
    /// Their change leaves the index.
    Unstage,
    /// Their change leaves the file.
    Discard,
}

/// Which lines, and what is done with them.
#[derive(Debug, Clone, Serialize, Deserialize, Tsify)]
pub struct LineChange {
    /// The file, below the repository.
    pub path: RelPath,
    /// What is done.
    pub action: LineAction,
    /// The lines.
    pub lines: ChosenLines,
}

/// Repositories of the workspace. A repository is named by the folder of its work tree, absolute or below the workspace.
#[wasm_bindgen]
impl Shell {
    /// Asks a repository for something, or changes it.
    #[wasm_bindgen(unchecked_return_type = "Promise<GitReply>")]
    pub fn git(
        &self,
        repository: String,
        request: Ts<GitRequest>,
        #[wasm_bindgen(js_name = onProgress, unchecked_param_type = "((progress: GitProgress) => void) | undefined")]
        on_progress: Option<Function>,
        signal: Option<AbortSignal>,
    ) -> Promise {
        self.run(|core| async move {
            let hand_on = |progress: GitProgress| {
                if let (Some(listener), Ok(value)) = (&on_progress, to_js(&progress)) {
                    report(listener.call1(&JsValue::UNDEFINED, &value));
                }
            };
            to_js(&core.git(&repository, from_js(request.into())?, &Abort::of(signal), hand_on).await?)
        })
    }

    /// State of a work tree, in the groups that are shown.
    #[wasm_bindgen(js_name = gitState, unchecked_return_type = "Promise<GitState>")]
    pub fn git_state(&self, repository: String, signal: Option<AbortSignal>) -> Promise {
        self.run(|core| async move {
            let reply = core.git(&repository, GitRequest::Status, &Abort::of(signal), drop).await?;
            to_js(&GitState::of(expect_reply!(reply, GitReply::Status(status) => status)?))
        })
    }

    /// Stages, unstages or discards single lines of a file as it is on the server.
    #[wasm_bindgen(js_name = changeLines, unchecked_return_type = "Promise<void>")]
    pub fn change_lines(&self, repository: String, change: Ts<LineChange>) -> Promise {
        self.run(|core| async move {
            core.change_lines(&repository, from_js(change.into())?).await.map(|()| JsValue::UNDEFINED)
        })
    }

    /// The person's logins at other sites, without their secrets.
    #[wasm_bindgen(js_name = listGitCredentials, unchecked_return_type = "Promise<GitCredential[]>")]
    pub fn list_git_credentials(&self) -> Promise {
        self.credentials(Method::GET, String::new(), JsValue::UNDEFINED)
    }

    /// Keeps a login for a site; it takes the place of one for the same site and name.
    #[wasm_bindgen(js_name = addGitCredential, unchecked_return_type = "Promise<GitCredential>")]
    pub fn add_git_credential(&self, credential: Ts<AddGitCredential>) -> Promise {
        self.credentials(Method::POST, String::new(), credential.into())
    }

    /// Forgets a login.
    #[wasm_bindgen(js_name = removeGitCredential, unchecked_return_type = "Promise<void>")]
    pub fn remove_git_credential(&self, id: &str) -> Promise {
        self.credentials(Method::DELETE, ["/", &percent_encode(id)].concat(), JsValue::UNDEFINED)
    }

    fn credentials(&self, method: Method, below: String, body: JsValue) -> Promise {
        self.run(|core| async move { core.rest.pass(&method, &["git/credentials", &below].concat(), &body).await })
    }
}

/// The places in a file where a merge left both sides in it.
#[wasm_bindgen(js_name = findConflicts, unchecked_return_type = "ConflictRegion[]")]
pub fn find_conflicts(text: &str) -> Result<JsValue, ShellError> {
    to_js(&conflicts::find(text))
}

impl Core {
    /// Asks a repository for something.
    pub(crate) async fn git(
        &self,
        repository: &str,
        request: GitRequest,
        abort: &Abort,
        mut on_progress: impl FnMut(GitProgress),
    ) -> Result<GitReply, ShellError> {
        let workspace = self.workspace_id()?;
        let repository = self.mounts().in_workspace(repository)?;
        self.watches.reads(Root::Workspace(workspace));
        let call = self.link.start(Request::Git { workspace, repository, request })?;
        let reply = call
            .finish(abort, |step| {
                match step {
                    Step::Item(Item::Git(progress)) => on_progress(progress),
                    Step::Item(_) => return Err(ShellError::UnexpectedReply),
                    // What was told is still true: the request runs once more from its beginning.
                    Step::Restarted => {}
                }
                Ok(())
            })
            .await?;
        expect_reply!(reply, Reply::Git(reply) => reply)
    }

    async fn change_lines(&self, repository: &str, change: LineChange) -> Result<(), ShellError> {
        let LineChange { path, action, lines } = change;
        let diff = self.diff_for(repository, path, action).await?;
        let reverse = action != LineAction::Stage;
        let diff = diff.ok_or_else(nothing_chosen)?;
        let patch = patch::of_lines(&diff, lines, reverse)?.ok_or_else(nothing_chosen)?;
        if patch.len() > MAX_PATCH_BYTES {
            return Err(ShellError::CallTooLarge { limit_bytes: MAX_PATCH_BYTES });
        }
        let target = if action == LineAction::Discard { PatchTarget::WorkTree } else { PatchTarget::Index };
        let request = GitRequest::Apply { patch, target, reverse };
        expect_reply!(self.git(repository, request, &Abort::never(), drop).await?, GitReply::Done => ())
    }

    /// The difference that the action chooses from.
    async fn diff_for(
        &self,
        repository: &str,
        path: RelPath,
        action: LineAction,
    ) -> Result<Option<FileDiff>, ShellError> {
        if action != LineAction::Unstage {
            return self.diff_of(repository, path, Version::Index, Version::WorkTree).await;
        }
        let head = Version::Revision("HEAD".to_owned());
        match self.diff_of(repository, path.clone(), head, Version::Index).await {
            Err(error) if NO_HEAD.contains(&error.problem().code.as_str()) => {
                self.diff_of(repository, path, Version::Empty, Version::Index).await
            }
            outcome => outcome,
        }
    }

    async fn diff_of(
        &self,
        repository: &str,
        path: RelPath,
        from: Version,
        to: Version,
    ) -> Result<Option<FileDiff>, ShellError> {
        let request = GitRequest::Diff { from, to, paths: vec![path.clone()], context: PATCH_CONTEXT_LINES };
        let reply = self.git(repository, request, &Abort::never(), drop).await?;
        let diff = expect_reply!(reply, GitReply::Diff(diff) => diff)?;
        Ok(diff.files.into_iter().find(|file| file.path == path))
    }
}

fn nothing_chosen() -> ShellError {
    let message = "None of the chosen lines is changed; put the cursor into a change, or select some of its lines.";
    ShellError::Problem(Problem::new(Kind::Invalid, "git.no_change_chosen", message))
}
