//! The parts of one shell together. Each feature adds its methods in its own module.

use std::cell::RefCell;
use std::rc::Rc;

use coditect_protocol::call::{Reply, Request};
use coditect_protocol::files::Root;
use coditect_protocol::workspace::Workspace;
use coditect_protocol::{Kind, WorkspaceId};

use crate::error::{ShellError, expect_reply};
use crate::link::Link;
use crate::paths::Mounts;
use crate::plugins::Plugins;
use crate::presence::Presence;
use crate::rest::Rest;
use crate::status::StatusBoard;
use crate::terminals::{TerminalSizes, TerminalWriters};
use crate::watch::Watches;

/// One shell.
pub(crate) struct Core {
    pub(crate) rest: Rc<Rest>,
    pub(crate) link: Rc<Link>,
    pub(crate) status: Rc<StatusBoard>,
    pub(crate) watches: Watches,
    pub(crate) presence: Presence,
    pub(crate) plugins: Plugins,
    pub(crate) writers: Rc<TerminalWriters>,
    pub(crate) sizes: Rc<TerminalSizes>,
    mounts: RefCell<Mounts>,
}

impl Core {
    /// For the server whose root is at `base`.
    pub(crate) fn new(base: &str) -> Rc<Self> {
        let base = format!("{}/", base.trim_end_matches('/'));
        let status = Rc::new(StatusBoard::default());
        let rest = Rc::new(Rest::new(&base, Rc::clone(&status)));
        let link = Rc::new(Link::new(&base, Rc::clone(&rest), Rc::clone(&status)));
        let writers = Rc::new(TerminalWriters::new(Rc::clone(&link)));
        let sizes = Rc::new(TerminalSizes::new(Rc::clone(&link)));
        Rc::new(Self {
            rest,
            link,
            status,
            watches: Watches::default(),
            presence: Presence::default(),
            plugins: Plugins::default(),
            writers,
            sizes,
            mounts: RefCell::default(),
        })
    }

    /// Waits for the link, which must have been opened, and opens the workspace where one is named.
    pub(crate) async fn connect(self: &Rc<Self>, workspace: Option<&str>) -> Result<Option<Workspace>, ShellError> {
        let wanted = workspace.map(parse_workspace_id).transpose()?;
        let session = self.link.call(Request::Session);
        let opened = async {
            match wanted {
                Some(workspace) => self.link.call(Request::OpenWorkspace { workspace }).await.map(Some),
                None => Ok(None),
            }
        };
        let (session, opened) = futures_util::future::join(session, opened).await;
        let session = expect_reply!(session?, Reply::Session(session) => session)?;
        self.rest.know(Some(session));
        let opened = opened?.map(|reply| expect_reply!(reply, Reply::Workspace(workspace) => workspace)).transpose()?;
        if let Some(workspace) = &opened {
            self.mount(workspace);
        }
        Watches::adjust(self);
        Presence::adjust(self);
        Plugins::adjust(self);
        Ok(opened)
    }

    fn mount(&self, workspace: &Workspace) {
        *self.mounts.borrow_mut() = Mounts::with_workspace(Root::Workspace(workspace.id), &workspace.folder);
        let workspace = workspace.clone();
        self.status.change(|status| status.workspace = Some(workspace));
    }

    /// Ends the link.
    pub(crate) fn disconnect(&self) {
        self.watches.stop();
        self.presence.followed.stop();
        self.plugins.followed.stop();
        self.link.close();
    }

    /// Where the roots are mounted now.
    pub(crate) fn mounts(&self) -> Mounts {
        self.mounts.borrow().clone()
    }

    /// The open workspace.
    pub(crate) fn workspace_id(&self) -> Result<WorkspaceId, ShellError> {
        match self.mounts.borrow().workspace_root() {
            Some(Root::Workspace(id)) => Ok(id),
            _ => Err(ShellError::NoWorkspace),
        }
    }

    /// Looks again at the open workspace: what the person may do in it may have changed. Whether it is still theirs at all.
    pub(crate) async fn look_at_workspace(&self) -> Result<bool, ShellError> {
        let id = self.workspace_id()?;
        let found = self.rest.get_workspace(&id.to_string()).await;
        let is_gone = matches!(&found, Err(ShellError::Problem(problem)) if problem.kind == Kind::NotFound);
        let found = if is_gone { None } else { Some(found?) };
        self.status.change(|status| status.workspace.clone_from(&found));
        Ok(!is_gone)
    }

    /// Follows a change of the open workspace's name.
    pub(crate) fn renamed(&self, workspace: &Workspace) {
        self.status.change(|status| {
            if let Some(open) = status.workspace.as_mut().filter(|open| open.id == workspace.id) {
                open.name.clone_from(&workspace.name);
            }
        });
    }
}

fn parse_workspace_id(text: &str) -> Result<WorkspaceId, ShellError> {
    text.parse().map_err(|_| ShellError::Arguments(format!("{text:?} is not the id of a workspace")))
}
