//! Who gets a terminal, with what, and for how long. How terminals behave is tested where they live, in `coditect-sandbox`.

use std::time::Duration;

use coditect_protocol::Coded as _;
use coditect_protocol::workspace::{CreateWorkspace, WorkspaceRole, WorkspaceSource};
use coditect_sandbox::client::KeepTerminals;
use coditect_sandbox::{SandboxMode, SandboxSettings};
use coditect_store::Store;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::registry::RegistrySettings;

/// Longest wait for anything before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

struct Stage {
    _dir: TempDir,
    settings: SandboxSettings,
    workspaces: Workspaces,
    terminals: Terminals,
    owner: UserId,
    workspace: WorkspaceId,
}

async fn terminals(settings: &SandboxSettings) -> Terminals {
    Terminals::new(Sandboxes::start(settings.clone(), None).await.unwrap(), Vec::new())
}

fn user() -> UserId {
    UserId(Uuid::new_v4())
}

impl Stage {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let settings = SandboxSettings {
            mode: SandboxMode::None,
            helper: Some(crate::needs::helper("coditect-sandbox")),
            run_dir: dir.path().join("run"),
            keep: PATIENCE,
            ..SandboxSettings::default()
        };
        let store = Store::open("memory:").await.unwrap();
        let workspaces = Workspaces::open(store, RegistrySettings::new(dir.path().join("data"))).await.unwrap();
        let terminals = terminals(&settings).await;
        terminals.follow_rights(&workspaces).await;
        let owner = user();
        let create = CreateWorkspace { name: Some("W".to_owned()), source: WorkspaceSource::Empty };
        let workspace = workspaces.create(owner, create).await.unwrap().id;
        Self { _dir: dir, settings, workspaces, terminals, owner, workspace }
    }

    async fn create(&self, user: UserId, spec: TerminalSpec) -> Result<TerminalInfo, WorkspaceError> {
        let access = self.workspaces.access(user, self.workspace, WorkspaceRole::Read).await?;
        self.terminals.create(&access, spec).await
    }

    async fn member(&self, role: WorkspaceRole) -> UserId {
        let member = user();
        self.workspaces.add_member(self.owner, self.workspace, member, role).await.unwrap();
        member
    }

    async fn end(self) {
        self.terminals.shut_down(KeepTerminals::No).await;
        self.workspaces.close().await;
    }
}

fn sh(script: &str) -> TerminalSpec {
    let args = vec!["-c".to_owned(), script.to_owned()];
    TerminalSpec { program: "/bin/sh".to_owned(), args, ..TerminalSpec::default() }
}

/// All output, and how it ended.
async fn finish(mut attachment: Attachment) -> (String, coditect_protocol::terminal::TerminalExit) {
    let mut seen = String::new();
    while let Some(chunk) = tokio::time::timeout(PATIENCE, attachment.next()).await.unwrap() {
        seen.push_str(&String::from_utf8_lossy(&chunk.data));
    }
    (seen, attachment.exit())
}

#[tokio::test]
async fn a_terminal_is_its_persons_and_knows_its_folders() {
    let stage = Stage::new().await;
    let member = stage.member(WorkspaceRole::Write).await;
    let info = stage.create(member, TerminalSpec::default()).await.unwrap();
    assert_eq!((info.number, info.profile.as_str(), info.title.as_str()), (1, "bash", "bash"));
    assert!(info.workspace_folder.contains(&stage.workspace.to_string()), "{}", info.workspace_folder);
    assert!(info.started_at > 0 && info.home_folder.contains(&member.to_string()));
    assert_eq!(stage.terminals.list(member, stage.workspace).await.unwrap(), std::slice::from_ref(&info));
    assert!(stage.terminals.list(stage.owner, stage.workspace).await.unwrap().is_empty());
    // Not even the workspace's owner reaches it.
    let refused = stage.terminals.write(stage.owner, info.id, b"x").await.unwrap_err();
    assert_eq!(refused.code(), "terminal.not_found");
    let unknown = TerminalSpec { profile: "no such".to_owned(), ..TerminalSpec::default() };
    assert_eq!(stage.create(member, unknown).await.unwrap_err().code(), "terminal.no_such_profile");
    assert_eq!(stage.create(user(), TerminalSpec::default()).await.unwrap_err().code(), "workspace.not_found");
    stage.end().await;
}

#[tokio::test]
async fn what_ran_by_a_right_ends_with_it() {
    let stage = Stage::new().await;
    let (removed, lowered) = (stage.member(WorkspaceRole::Write).await, stage.member(WorkspaceRole::Admin).await);
    let mut views = Vec::new();
    for person in [removed, lowered, stage.owner] {
        let info = stage.create(person, sh("echo up; sleep 1000")).await.unwrap();
        views.push(stage.terminals.attach(person, info.id, 0).await.unwrap());
    }
    let owners = views.pop().unwrap();
    // Less, but still all that a terminal needs.
    stage.workspaces.change_member(stage.owner, stage.workspace, lowered, WorkspaceRole::Write).await.unwrap();
    stage.workspaces.remove_member(stage.owner, stage.workspace, removed).await.unwrap();
    let (_, exit) = finish(views.remove(0)).await;
    assert_eq!(exit.cause, Some(EndCause::AccessEnded));
    assert_eq!(stage.terminals.list(lowered, stage.workspace).await.unwrap().len(), 1);
    stage.workspaces.change_member(stage.owner, stage.workspace, lowered, WorkspaceRole::Read).await.unwrap();
    let (_, exit) = finish(views.remove(0)).await;
    assert_eq!(exit.cause, Some(EndCause::AccessEnded));
    assert!(owners.exit().cause.is_none());
    assert_eq!(stage.terminals.list(stage.owner, stage.workspace).await.unwrap().len(), 1);
    stage.terminals.close_workspace(stage.workspace).await;
    assert!(stage.terminals.list(stage.owner, stage.workspace).await.unwrap().is_empty());
    stage.end().await;
}

#[tokio::test]
async fn what_was_left_in_the_background_ends_with_the_right() {
    let stage = Stage::new().await;
    for lowered in [false, true] {
        let member = stage.member(WorkspaceRole::Write).await;
        let access = stage.workspaces.access(member, stage.workspace, WorkspaceRole::Write).await.unwrap();
        // As a hook of git may, which has no terminal at all.
        let script = "rm -f left; setsid sh -c 'echo $$ > left; sleep 1000' < /dev/null > /dev/null 2>&1 &
            until test -s left; do sleep 0.01; done";
        let args = vec!["-c".to_owned(), script.to_owned()];
        let program = Program { program: "/bin/sh".to_owned(), args, ..Program::default() };
        let (streams, _pipes) = Streams::piped().unwrap();
        let mut child = stage.terminals.spawn(&access, program, streams).await.unwrap();
        tokio::time::timeout(PATIENCE, child.wait()).await.unwrap();
        let left = std::fs::read_to_string(access.paths.files.join("left")).unwrap();
        let process = std::path::Path::new("/proc").join(left.trim());
        assert!(process.exists() && stage.terminals.list(member, stage.workspace).await.unwrap().is_empty());
        let id = SandboxId { person: member, workspace: stage.workspace };
        let running = stage.terminals.sandboxes().running(Scope::Sandbox(id)).await.unwrap();
        assert_eq!(running.iter().map(|running| (running.id, running.read_only)).collect::<Vec<_>>(), [(id, false)]);
        if lowered {
            stage.workspaces.change_member(stage.owner, stage.workspace, member, WorkspaceRole::Read).await.unwrap();
        } else {
            stage.workspaces.remove_member(stage.owner, stage.workspace, member).await.unwrap();
        }
        let ended = async {
            while process.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.unwrap();
    }
    stage.end().await;
}

#[tokio::test]
async fn the_next_server_ends_what_lost_its_right_meanwhile() {
    let stage = Stage::new().await;
    let member = stage.member(WorkspaceRole::Write).await;
    let lost = stage.create(member, sh("sleep 1000")).await.unwrap();
    let kept = stage.create(stage.owner, sh("sleep 1000")).await.unwrap();
    stage.terminals.shut_down(KeepTerminals::Yes).await;
    stage.workspaces.remove_member(stage.owner, stage.workspace, member).await.unwrap();
    let next = terminals(&stage.settings).await;
    let view = next.attach(member, lost.id, 0).await.unwrap();
    next.follow_rights(&stage.workspaces).await;
    let (_, exit) = finish(view).await;
    assert_eq!(exit.cause, Some(EndCause::AccessEnded));
    assert_eq!(next.list(stage.owner, stage.workspace).await.unwrap(), [kept]);
    Stage { terminals: next, ..stage }.end().await;
}

#[derive(Default)]
struct Tokens {
    given: Mutex<Vec<TerminalId>>,
    ended: Mutex<Vec<EndedTerminals>>,
}

impl TerminalEnvironment for Tokens {
    fn variables<'a>(
        &'a self,
        access: &'a Access,
        terminal: TerminalId,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, WorkspaceError>> {
        Box::pin(async move {
            self.given.lock().unwrap().push(terminal);
            Ok(vec![("TOKEN".to_owned(), format!("of {}", access.user)), ("OWN".to_owned(), "no".to_owned())])
        })
    }

    fn ended(&self, terminals: EndedTerminals) {
        self.ended.lock().unwrap().push(terminals);
    }
}

#[tokio::test]
async fn the_environment_is_the_persons_and_its_end_is_told() {
    let stage = Stage::new().await;
    let tokens = Arc::new(Tokens::default());
    stage.terminals.set_environment(tokens.clone());
    let spec = TerminalSpec { env: vec![("OWN".to_owned(), "yes".to_owned())], ..sh("echo \"<$TOKEN $OWN>\"") };
    let info = stage.create(stage.owner, spec).await.unwrap();
    let (seen, _) = finish(stage.terminals.attach(stage.owner, info.id, 0).await.unwrap()).await;
    assert!(seen.contains(&format!("<of {} yes>", stage.owner)), "{seen}");
    let told = |id| tokens.ended.lock().unwrap().contains(&EndedTerminals::One(id));
    let wait = async {
        while !told(info.id) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
    // One that could not be started needs nothing either.
    let missing = TerminalSpec { program: "no-such-program".to_owned(), ..TerminalSpec::default() };
    assert_eq!(stage.create(stage.owner, missing).await.unwrap_err().code(), "terminal.start_failed");
    let last = *tokens.given.lock().unwrap().last().unwrap();
    assert!(last != info.id && told(last));
    stage.end().await;
}
