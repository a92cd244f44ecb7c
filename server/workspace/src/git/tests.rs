use super::*;
use crate::registry::{RegistrySettings, Workspaces};
use coditect_git::wire::{self, FromHelper, ToHelper};
use coditect_protocol::Coded as _;
use coditect_protocol::git::{AddGitCredential, PushRequest};
use coditect_protocol::workspace::{CreateWorkspace, WorkspaceSource};
use coditect_store::{MasterKey, Store};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::sync::Mutex as StdMutex;
use tempfile::TempDir;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PIPE_BYTES: usize = 64 * 1024;

/// What stands in for a helper: given its ends of the streams.
type Play = Box<dyn Fn(DuplexStream, DuplexStream, &Access) -> BoxFuture<'static, ()> + Send + Sync>;

struct Stage {
    play: Play,
    /// Ends all that were started.
    kill: StdMutex<CancellationToken>,
}

impl Launcher for Stage {
    fn launch<'a>(&'a self, access: &'a Access) -> BoxFuture<'a, Result<Launched, WorkspaceError>> {
        let (stdin, input) = tokio::io::duplex(PIPE_BYTES);
        let (output, stdout) = tokio::io::duplex(PIPE_BYTES);
        let playing = tokio::spawn((self.play)(input, output, access));
        let kill = self.kill.lock().unwrap().clone();
        let ended = async move {
            let abort = playing.abort_handle();
            tokio::select! {
                _ = playing => {}
                () = kill.cancelled() => abort.abort(),
            }
        };
        async move { Ok(Launched { stdin: Box::new(stdin), stdout: Box::new(stdout), ended: ended.boxed() }) }.boxed()
    }
}

struct Fixture {
    _data: TempDir,
    workspaces: Workspaces,
    access: Access,
    git: Git,
    stage: Arc<Stage>,
}

impl Fixture {
    async fn new(play: Play) -> Self {
        let data = tempfile::tempdir().unwrap();
        let store = Store::open("memory:").await.unwrap();
        let workspaces = Workspaces::open(store.clone(), RegistrySettings::new(data.path().to_owned())).await.unwrap();
        let user = UserId(Uuid::new_v4());
        let create = CreateWorkspace { name: Some("work".to_owned()), source: WorkspaceSource::Empty };
        let workspace = workspaces.create(user, create).await.unwrap().id;
        let access = workspaces.access(user, workspace, WorkspaceRole::Read).await.unwrap();
        let stage = Arc::new(Stage { play, kill: StdMutex::default() });
        let git = Git::new(stage.clone(), Credentials::new(store, MasterKey::generate().unwrap()));
        Self { _data: data, workspaces, access, git, stage }
    }

    async fn run(&self, request: GitRequest) -> Result<Result<GitReply, Problem>, WorkspaceError> {
        let (progress, _keep) = mpsc::channel(8);
        self.git.run(&self.access, RelPath::root(), request, progress).await
    }

    fn kill(&self) {
        std::mem::take(&mut *self.stage.kill.lock().unwrap()).cancel();
    }
}

/// The helper itself, in this process.
fn real() -> Play {
    Box::new(|input, output, access| {
        let settings = coditect_git::Settings {
            root: access.paths.files.clone(),
            program: "git".into(),
            helper: "/nowhere/coditect-git".into(),
        };
        coditect_git::serve(input, output, settings).map(drop).boxed()
    })
}

/// Answers each message with what `answer` makes of it.
fn scripted(answer: impl Fn(ToHelper) -> Vec<FromHelper> + Send + Sync + Clone + 'static) -> Play {
    Box::new(move |mut input, mut output, _| {
        let answer = answer.clone();
        async move {
            while let Ok(Some(message)) = wire::read::<ToHelper>(&mut input).await {
                for frame in answer(message) {
                    output.write_all(&wire::encode(&frame).unwrap()).await.unwrap();
                }
            }
        }
        .boxed()
    })
}

fn done(id: u32) -> FromHelper {
    FromHelper::Ended { id, result: Ok(GitReply::Done) }
}

#[tokio::test]
async fn requests_reach_a_repository_and_a_lost_helper_is_started_again() {
    let fixture = Fixture::new(real()).await;
    let problem = fixture.run(GitRequest::Status).await.unwrap().unwrap_err();
    assert_eq!(problem.code, "git.not_a_repository");
    assert_eq!(fixture.run(GitRequest::Init { branch: "main".to_owned() }).await.unwrap(), Ok(GitReply::Done));
    let Ok(GitReply::Status(status)) = fixture.run(GitRequest::Status).await.unwrap() else { panic!() };
    assert_eq!(status.head.branch.as_deref(), Some("main"));
    assert_eq!(fixture.git.helpers_count(), 1);
    fixture.kill();
    assert!(matches!(fixture.run(GitRequest::Status).await, Ok(Ok(GitReply::Status(_)))));
    assert_eq!(fixture.git.helpers_count(), 1);
}

#[tokio::test]
async fn who_may_only_look_changes_nothing() {
    let fixture = Fixture::new(real()).await;
    let reader = UserId(Uuid::new_v4());
    let (owner, id) = (fixture.access.user, fixture.access.workspace);
    fixture.run(GitRequest::Init { branch: String::new() }).await.unwrap().unwrap();
    fixture.workspaces.add_member(owner, id, reader, WorkspaceRole::Read).await.unwrap();
    let access = fixture.workspaces.access(reader, id, WorkspaceRole::Read).await.unwrap();
    let run = async |request| fixture.git.run(&access, RelPath::root(), request, mpsc::channel(1).0).await;
    assert!(run(GitRequest::Status).await.unwrap().is_ok());
    let refused = run(GitRequest::Stage { paths: vec![RelPath::root()] }).await.unwrap_err();
    assert_eq!(refused.code(), "workspace.read_only");
    // The helper goes with the role that it was started for.
    fixture.workspaces.remove_member(owner, id, reader).await.unwrap();
    while fixture.git.helpers_count() > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_change_that_was_interrupted_is_not_done_twice() {
    let seen = Arc::new(StdMutex::new(Vec::new()));
    let noted = seen.clone();
    // Leaves with the first request unanswered.
    let play: Play = Box::new(move |mut input, output, _| {
        let noted = noted.clone();
        async move {
            if let Ok(Some(ToHelper::Request { request, .. })) = wire::read::<ToHelper>(&mut input).await {
                noted.lock().unwrap().push(request);
            }
            drop(output);
        }
        .boxed()
    });
    let fixture = Fixture::new(play).await;
    assert_eq!(fixture.run(GitRequest::UndoCommit).await.unwrap_err().code(), "git.interrupted");
    assert_eq!(seen.lock().unwrap().len(), 1);
    assert_eq!(fixture.run(GitRequest::Refs).await.unwrap_err().code(), "git.interrupted");
    assert_eq!(seen.lock().unwrap().len(), 3, "what only reads is asked again, once");
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_is_cancelled() {
    let (told, mut cancelled) = mpsc::channel(1);
    let play = scripted(move |message| {
        if let ToHelper::Cancel { id } = message {
            told.try_send(id).unwrap();
        }
        Vec::new()
    });
    let fixture = Fixture::new(play).await;
    let mut waiting = Box::pin(fixture.run(GitRequest::UndoCommit));
    while fixture.git.helpers_count() == 0 {
        tokio::select! {
            _ = &mut waiting => panic!("nobody answers"),
            () = tokio::task::yield_now() => {}
        }
    }
    // The request itself is on its way before it is given up.
    assert!(futures_util::poll!(&mut waiting).is_pending());
    drop(waiting);
    assert_eq!(cancelled.recv().await, Some(1));
}

#[tokio::test]
async fn a_helper_that_is_idle_leaves() {
    let play = scripted(|message| match message {
        ToHelper::Request { id, .. } => vec![done(id)],
        _ => Vec::new(),
    });
    let fixture = Fixture::new(play).await;
    tokio::time::pause();
    for _ in 0..3 {
        assert!(fixture.run(GitRequest::UndoCommit).await.unwrap().is_ok());
        assert_eq!(fixture.git.helpers_count(), 1);
        tokio::time::sleep(Duration::from_secs(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(80)).await;
    assert_eq!(fixture.git.helpers_count(), 0);
    assert!(fixture.run(GitRequest::UndoCommit).await.unwrap().is_ok());
}

/// A helper that names hosts, asks for a login at others, and tells how many it was given.
fn asking(named: &'static [&'static str], hosts: &'static [&'static str]) -> Play {
    let state = Arc::new(StdMutex::new((0, 0, 0)));
    scripted(move |message| {
        let mut state = state.lock().unwrap();
        match message {
            ToHelper::Request { id, .. } => {
                *state = (id, 0, 0);
                let told = |hosts: &[&str]| FromHelper::Hosts {
                    id,
                    hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
                };
                let ask = |(ask, host): (usize, &&str)| FromHelper::Ask {
                    ask: u32::try_from(ask).unwrap(),
                    id,
                    host: (*host).to_owned(),
                    username: None,
                };
                let first = told(named);
                // What is said later counts no more.
                let more = std::iter::once(told(hosts));
                std::iter::once(first).chain(more).chain(hosts.iter().enumerate().map(ask)).collect()
            }
            ToHelper::Login { login, .. } => {
                state.1 += 1;
                state.2 += usize::from(login.is_some());
                let told = format!("{} given", state.2);
                if state.1 == hosts.len() {
                    vec![FromHelper::Ended { id: state.0, result: Ok(GitReply::Committed(told)) }]
                } else {
                    Vec::new()
                }
            }
            ToHelper::Cancel { .. } => Vec::new(),
        }
    })
}

#[tokio::test]
async fn logins_are_given_to_what_speaks_with_remotes_alone() {
    let named = &["h1", "other", "h2", "h1.evil", "h4"];
    let fixture = Fixture::new(asking(named, &["h1", "h1", "other", "h1.evil", "h2", "h3", "h4"])).await;
    for host in ["h1", "h2", "h3", "h4"] {
        let add = AddGitCredential { host: host.to_owned(), username: "ada".to_owned(), secret: "secret".to_owned() };
        fixture.git.credentials().add(fixture.access.user, add).await.unwrap();
    }
    let told = async |request| match fixture.run(request).await {
        Ok(Ok(GitReply::Committed(told))) => told,
        other => panic!("{other:?}"),
    };
    // The fifth site is one too many, and one that was not named is none at all.
    assert_eq!(told(GitRequest::Push(PushRequest::default())).await, "3 given");
    assert_eq!(told(GitRequest::UndoCommit).await, "0 given");
}

#[tokio::test]
async fn a_helper_that_sends_nonsense_is_let_go() {
    let play: Play = Box::new(|_input, mut output, _| {
        async move {
            output.write_all(&[0xff; 64]).await.unwrap();
            std::future::pending::<()>().await;
        }
        .boxed()
    });
    let fixture = Fixture::new(play).await;
    assert_eq!(fixture.run(GitRequest::UndoCommit).await.unwrap_err().code(), "git.interrupted");
    while fixture.git.helpers_count() > 0 {
        tokio::task::yield_now().await;
    }
}

/// A helper that answers nothing for as long as it runs.
fn silent() -> Play {
    Box::new(|input, output, _| {
        async move {
            let _open = (input, output);
            std::future::pending::<()>().await;
        }
        .boxed()
    })
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_not_waited_for() {
    let play: Play = Box::new(|_input, mut output, _| {
        async move {
            output.write_all(&[9, 0, 0, 0, 1]).await.unwrap();
            std::future::pending::<()>().await;
        }
        .boxed()
    });
    let fixture = Fixture::new(play).await;
    tokio::time::pause();
    assert_eq!(fixture.run(GitRequest::UndoCommit).await.unwrap_err().code(), "git.interrupted");
}

#[tokio::test]
async fn one_start_that_hangs_holds_up_nobody_else() {
    struct Slow(Stage, UserId);
    impl Launcher for Slow {
        fn launch<'a>(&'a self, access: &'a Access) -> BoxFuture<'a, Result<Launched, WorkspaceError>> {
            if access.user == self.1 { std::future::pending().boxed() } else { self.0.launch(access) }
        }
    }
    let fixture = Fixture::new(real()).await;
    let (owner, id) = (fixture.access.user, fixture.access.workspace);
    let slow = UserId(Uuid::new_v4());
    fixture.workspaces.add_member(owner, id, slow, WorkspaceRole::Write).await.unwrap();
    let access = fixture.workspaces.access(slow, id, WorkspaceRole::Read).await.unwrap();
    let answers = scripted(|message| match message {
        ToHelper::Request { id, .. } => vec![done(id)],
        _ => Vec::new(),
    });
    let stage = Stage { play: answers, kill: StdMutex::default() };
    let git = Git::new(Arc::new(Slow(stage, slow)), fixture.git.credentials().clone());
    let run = async |access| git.run(access, RelPath::root(), GitRequest::UndoCommit, mpsc::channel(1).0).await;
    let mut hanging = Box::pin(run(&access));
    assert!(futures_util::poll!(&mut hanging).is_pending());
    assert!(run(&fixture.access).await.unwrap().is_ok());
    tokio::time::pause();
    assert_eq!(hanging.await.unwrap_err().code(), "git.start_timeout");
    assert_eq!(lock(&git.0.cells).len(), 1, "nothing of it is left");
}

#[tokio::test]
async fn a_person_has_a_limited_number_of_helpers() {
    let fixture = Fixture::new(silent()).await;
    let mut accesses = Vec::new();
    for number in 0..=MAX_HELPERS_OF_PERSON {
        let create = CreateWorkspace { name: Some(format!("work {number}")), source: WorkspaceSource::Empty };
        let id = fixture.workspaces.create(fixture.access.user, create).await.unwrap().id;
        accesses.push(fixture.workspaces.access(fixture.access.user, id, WorkspaceRole::Read).await.unwrap());
    }
    let run = async |access| fixture.git.run(access, RelPath::root(), GitRequest::UndoCommit, mpsc::channel(1).0).await;
    let last = accesses.pop().unwrap();
    let mut busy: Vec<_> = accesses.iter().map(|access| Box::pin(run(access))).collect();
    for (number, waiting) in busy.iter_mut().enumerate() {
        while fixture.git.helpers_count() <= number {
            assert!(futures_util::poll!(&mut *waiting).is_pending());
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(run(&last).await.unwrap_err().code(), "git.too_many_workspaces");
    // One that has nothing to do any more makes room.
    drop(busy.pop());
    let mut waiting = Box::pin(run(&last));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    assert_eq!(fixture.git.helpers_count(), MAX_HELPERS_OF_PERSON);
    assert!(lock(&fixture.git.0.cells).contains_key(&(last.user, last.workspace)));
}

#[tokio::test]
async fn helpers_that_have_nothing_to_do_make_room() {
    let answers = scripted(|message| match message {
        ToHelper::Request { id, .. } => vec![done(id)],
        _ => Vec::new(),
    });
    let fixture = Fixture::new(answers).await;
    let make_room = fixture.git.room_maker();
    assert!(fixture.run(GitRequest::UndoCommit).await.unwrap().is_ok());
    make_room(UserId(Uuid::new_v4()));
    assert_eq!(fixture.git.helpers_count(), 1, "somebody else's");
    make_room(fixture.access.user);
    assert_eq!(fixture.git.helpers_count(), 0);
    assert!(fixture.run(GitRequest::UndoCommit).await.unwrap().is_ok());
    let busy = Fixture::new(silent()).await;
    let mut waiting = Box::pin(busy.run(GitRequest::UndoCommit));
    while busy.git.helpers_count() == 0 {
        assert!(futures_util::poll!(&mut waiting).is_pending());
        tokio::task::yield_now().await;
    }
    busy.git.room_maker()(busy.access.user);
    assert_eq!(busy.git.helpers_count(), 1, "it has something to do");
}
