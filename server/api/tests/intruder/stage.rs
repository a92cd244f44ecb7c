//! Two people and a server that runs as an operator would start it; one of them brings the hostile program.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use coditect_protocol::call::{ClientMessage, Item, Reply, Request, ServerMessage};
use coditect_protocol::files::{Page as FolderPage, Place, Root, WriteMode};
use coditect_protocol::terminal::{EndCause, TerminalExit, TerminalInfo, TerminalSpec};
use coditect_protocol::workspace::Workspace;
use coditect_protocol::{RelPath, TerminalId, WorkspaceId};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::{LIMIT, Page, Person, until};

/// The limits that are set for the tests: small, so that they are reached soon.
pub(crate) const PROCESSES: u64 = 64;
pub(crate) const MEMORY_BYTES: u64 = 256 * 1024 * 1024;
pub(crate) const OPEN_FILES: u64 = 256;
pub(crate) const QUOTA_BYTES: u64 = 64 * 1024 * 1024;
/// What every secret carries.
const MARKER: &str = "INTRUDER-SECRET";
/// How long an attack may take.
const ATTACK_LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walls {
    Bubblewrap,
    Landlock,
}

/// The server, in a directory of its own, and two people who use it.
pub(crate) struct Stage {
    server: Child,
    dir: tempfile::TempDir,
    pub(crate) ada: Actor,
    pub(crate) bob: Actor,
}

/// One of them, with a workspace and a page.
pub(crate) struct Actor {
    files: PathBuf,
    home: PathBuf,
    workspace: Workspace,
    person: Person,
    page: Page,
    exits: Vec<(TerminalId, TerminalExit)>,
    slowest: Duration,
}

impl Stage {
    pub(crate) async fn set(walls: Walls) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut server, base) = start(dir.path(), walls).await;
        let (ada, bob) = tokio::join!(Actor::enter(dir.path(), &base, "ada"), Actor::enter(dir.path(), &base, "bob"));
        assert!(server.try_wait().unwrap().is_none());
        Self { server, dir, ada, bob }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.server.try_wait().unwrap().is_none()
    }

    fn id(&self) -> u32 {
        self.server.id().unwrap()
    }

    /// The server, what holds the sandboxes, this test, and everything they have started.
    pub(crate) fn processes_outside(&self) -> Vec<u32> {
        let mut all = vec![self.id(), std::process::id()];
        all.extend(supervisor(self.dir.path()));
        all
    }

    pub(crate) fn memory_of_the_server(&self) -> u64 {
        resident(self.id()) + supervisor(self.dir.path()).map_or(0, resident)
    }

    /// Waits until what a bomb has left behind is gone.
    pub(crate) async fn until_calm(&self) {
        let holder = self.holder();
        until(|| below(holder).len() < 16).await;
    }

    /// Processes of `intruder trace-leader`.
    pub(crate) fn attackers(&self) -> usize {
        let command = |id: &u32| std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        below(self.holder()).iter().filter(|id| command(id).contains("trace-leader")).count()
    }

    pub(crate) async fn until_no_attackers(&self) {
        until(|| self.attackers() == 0).await;
    }

    /// Doors of the machine and the server, with somebody who counts visitors where that can be.
    pub(crate) fn open_doors(&self) -> Doors {
        let visitors = Arc::new(AtomicUsize::new(0));
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
        let mut targets = vec![
            format!("port:{}", tcp.local_addr().unwrap().port()),
            format!("port:{}", everywhere.local_addr().unwrap().port()),
            format!("port:{}", self.ada.person.base.split(':').nth(2).unwrap().split('/').next().unwrap()),
        ];
        for listener in [tcp, everywhere] {
            count(&visitors, move || listener.accept().is_ok());
        }
        let name = format!("intruder-door-{}", std::process::id());
        if let Ok(listener) = UnixListener::bind_addr(&UnixAddress::from_abstract_name(&name).unwrap()) {
            count(&visitors, move || listener.accept().is_ok());
        }
        targets.push(format!("abstract:{name}"));
        let path = self.dir.path().join("door");
        let listener = UnixListener::bind(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
        count(&visitors, move || listener.accept().is_ok());
        targets.push(format!("path:{}", path.display()));
        for entry in std::fs::read_dir(self.dir.path().join("data/run")).into_iter().flatten().flatten() {
            targets.push(format!("path:{}", entry.path().display()));
        }
        Doors { targets, visitors }
    }

    /// The process that holds the sandboxes.
    pub(crate) fn holder(&self) -> u32 {
        supervisor(self.dir.path()).expect("nothing holds the sandboxes")
    }

    /// Ends everything that was started.
    pub(crate) async fn strike(mut self) {
        let holder = supervisor(self.dir.path());
        self.server.kill().await.unwrap();
        if let Some(holder) = holder {
            end(holder);
            until(|| !Path::new(&format!("/proc/{holder}")).exists() || is_dead(holder)).await;
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        supervisor(self.dir.path()).into_iter().for_each(end);
    }
}

/// See [`Stage::open_doors`].
pub(crate) struct Doors {
    pub(crate) targets: Vec<String>,
    visitors: Arc<AtomicUsize>,
}

impl Doors {
    pub(crate) fn visitors(&self) -> usize {
        self.visitors.load(Ordering::SeqCst)
    }
}

fn count(visitors: &Arc<AtomicUsize>, mut accept: impl FnMut() -> bool + Send + 'static) {
    let visitors = visitors.clone();
    std::thread::spawn(move || {
        while accept() {
            visitors.fetch_add(1, Ordering::SeqCst);
        }
    });
}

async fn start(dir: &Path, walls: Walls) -> (Child, String) {
    let at = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    for folder in ["web", "theia"] {
        std::fs::create_dir(at(folder)).unwrap();
        std::fs::write(dir.join(folder).join("index.html"), "<!doctype html><title>page</title>").unwrap();
    }
    let sandbox = if walls == Walls::Bubblewrap { "bubblewrap" } else { "landlock" };
    let limits = [
        ("--sandbox-processes", PROCESSES),
        ("--sandbox-memory-bytes", MEMORY_BYTES),
        ("--sandbox-open-files", OPEN_FILES),
        ("--sandbox-temporary-bytes", MEMORY_BYTES / 4),
        ("--workspace-quota-bytes", QUOTA_BYTES),
        ("--home-quota-bytes", QUOTA_BYTES),
    ];
    let mut server = Command::new(env!("CARGO_BIN_EXE_coditect-v5-api"))
        .args(["serve", "--listen", "127.0.0.1:0", "--store", "memory:", "--llm-discover", "off", "--log", "info"])
        .args(["--data", &at("data"), "--web-dir", &at("web"), "--theia-dir", &at("theia"), "--sandbox", sandbox])
        .args(limits.iter().flat_map(|(flag, value)| [(*flag).to_owned(), value.to_string()]))
        .env("OF_THE_SERVER", format!("{MARKER}-environment"))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap()).lines();
    let mut said = String::new();
    let address = loop {
        let line = log.next_line().await.unwrap().unwrap_or_else(|| panic!("the server ended:\n{said}"));
        said.push_str(&line);
        said.push('\n');
        if let Some((_, port)) = line.split_once("127.0.0.1:").filter(|_| line.contains("ready_ms")) {
            break port.chars().take_while(char::is_ascii_digit).collect::<String>();
        }
    };
    // What is not read would stop it sooner or later.
    tokio::spawn(async move {
        while let Ok(Some(line)) = log.next_line().await {
            println!("{line}");
        }
    });
    (server, format!("http://127.0.0.1:{address}/api/v5"))
}

impl Actor {
    async fn enter(dir: &Path, base: &str, name: &str) -> Self {
        let person = Person::register(base, name).await;
        let workspace = person.workspace(name).await;
        let page = person.page().await;
        let files = dir.join("data/workspaces").join(workspace.id.to_string()).join("files");
        let home = dir.join("data/homes").join(person.token.session.user.id.to_string());
        std::fs::create_dir_all(&home).unwrap();
        let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("intruder");
        // By another program: what is open for writing here, processes inherit for a moment that are started meanwhile.
        let copied = std::process::Command::new("cp").args([&program, &files.join("intruder")]).status().unwrap();
        assert!(copied.success(), "`cargo build --package intruder` makes {}", program.display());
        Self { files, home, workspace, person, page, exits: Vec::new(), slowest: Duration::ZERO }
    }

    fn workspace(&self) -> WorkspaceId {
        self.workspace.id
    }

    fn place(&self, path: &str) -> Place {
        Place { root: Root::Workspace(self.workspace()), path: RelPath::parse(path).unwrap() }
    }

    /// Files that nobody else may read: in the workspace, in the home.
    pub(crate) async fn leave_secrets(&mut self) -> Vec<PathBuf> {
        let content = format!("{MARKER} of somebody\n").into_bytes();
        self.page.call(Request::MakeFolder(self.place("private"))).await.unwrap();
        let write = Request::WriteFile {
            place: self.place("private/secret"),
            content: content.clone(),
            mode: WriteMode::Overwrite,
        };
        self.page.call(write).await.unwrap();
        std::fs::write(self.home.join("secret"), content).unwrap();
        vec![self.files.join("private/secret"), self.home.join("secret")]
    }

    /// The folders that are this person's own, as their programs see them.
    pub(crate) async fn folders(&mut self) -> String {
        let info = self.create(&["true"], &[]).await;
        format!("{} {}", info.workspace_folder, info.home_folder)
    }

    async fn create(&mut self, command: &[&str], env: &[(&str, &str)]) -> TerminalInfo {
        let spec = TerminalSpec {
            program: "/bin/sh".to_owned(),
            args: ["-c"].iter().chain(command).map(|&word| word.to_owned()).collect(),
            env: env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            ..TerminalSpec::default()
        };
        match self.page.call(Request::CreateTerminal { workspace: self.workspace(), spec }).await.unwrap() {
            Reply::Terminal(info) => info,
            other => panic!("{other:?}"),
        }
    }

    /// Starts a line of the shell in a terminal of its own.
    pub(crate) async fn run(&mut self, line: &str) -> TerminalId {
        self.create(&[line], &[]).await.id
    }

    pub(crate) async fn start(&mut self, attack: &str) -> TerminalId {
        self.start_with(attack, &[]).await
    }

    pub(crate) async fn start_with(&mut self, attack: &str, env: &[(&str, &str)]) -> TerminalId {
        self.create(&[&format!("exec ./intruder {attack}")], env).await.id
    }

    pub(crate) async fn type_in(&mut self, terminal: TerminalId, text: &str) {
        let data = text.as_bytes().to_vec();
        self.page.call(Request::WriteTerminal { terminal, data }).await.unwrap();
    }

    /// Closes a terminal, which must not take long.
    pub(crate) async fn close(&mut self, terminal: TerminalId) {
        let closing = self.page.call(Request::CloseTerminal { terminal });
        tokio::time::timeout(LIMIT, closing).await.expect("it does not close").unwrap();
    }

    /// Deletes the workspace: nobody has a right to anything in it any more.
    pub(crate) async fn leave_the_workspace(&self) {
        let deleting = self.person.request("DELETE", &format!("/workspaces/{}", self.workspace())).send();
        let answer = tokio::time::timeout(LIMIT, deleting).await.expect("it is not deleted").unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// Takes the terminal's output in until it holds the text, and answers all of it.
    pub(crate) async fn until_told(&mut self, terminal: TerminalId, text: &str) -> String {
        self.follow(terminal, Some(text)).await.1
    }

    /// The number after a text in the terminal's output.
    pub(crate) async fn number_after(&mut self, terminal: TerminalId, text: &str) -> u64 {
        let output = self.until_told(terminal, text).await;
        let digits = |output: &str| {
            let rest = output.split_once(text)?.1.split_once(|c: char| !c.is_ascii_digit())?;
            rest.0.parse().ok()
        };
        match digits(&output) {
            Some(number) => number,
            None => digits(&self.until_told(terminal, "\n").await).expect("no number"),
        }
    }

    /// Takes all output in; the code of the exit, and the output.
    pub(crate) async fn finish(&mut self, terminal: TerminalId) -> (Option<i32>, String) {
        let (exit, output) = self.follow(terminal, None).await;
        let exit = exit.expect("it ended");
        self.exits.push((terminal, exit));
        (exit.code, output)
    }

    pub(crate) fn cause(&self, terminal: TerminalId) -> Option<EndCause> {
        self.exits.iter().find(|(id, _)| *id == terminal).and_then(|(_, exit)| exit.cause)
    }

    /// Lets it run, whatever becomes of it; most memory that all processes below `holder` had meanwhile, in bytes, and the
    /// longest that it was more than `limit_bytes`.
    pub(crate) async fn most_memory(&mut self, holder: u32, terminal: TerminalId, limit_bytes: u64) -> (u64, Duration) {
        let (mut highest, mut longest) = (0, Duration::ZERO);
        let mut over_since: Option<Instant> = None;
        let mut ended = std::pin::pin!(self.finish(terminal));
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                _ = &mut ended => return (highest, longest),
                _ = tick.tick() => {
                    let taken: u64 = below(holder).into_iter().map(resident).sum();
                    highest = highest.max(taken);
                    over_since = (taken > limit_bytes).then(|| over_since.unwrap_or_else(Instant::now));
                    longest = longest.max(over_since.map_or(Duration::ZERO, |since| since.elapsed()));
                }
            }
        }
    }

    /// Lets an attack on the disk run, whatever becomes of it; most bytes that it had in the two folders, and the limit
    /// by which it was ended. Then takes away what it left.
    pub(crate) async fn most_on_the_disk(&mut self, attack: &str) -> (u64, Option<EndCause>) {
        let folders = [self.files.clone(), self.home.clone()];
        let terminal = self.start(attack).await;
        let mut highest = 0;
        {
            let mut ended = std::pin::pin!(self.finish(terminal));
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            loop {
                tokio::select! {
                    _ = &mut ended => break,
                    _ = tick.tick() => highest = highest.max(filling(&folders).iter().map(|(_, bytes)| bytes).sum()),
                }
            }
        }
        filling(&folders).iter().for_each(|(path, _)| drop(std::fs::remove_file(path)));
        (highest, self.cause(terminal))
    }

    async fn follow(&mut self, terminal: TerminalId, until: Option<&str>) -> (Option<TerminalExit>, String) {
        let following = async {
            let call = self.page.begin(Request::AttachTerminal { terminal, from: 0 }).await;
            let mut output = Vec::new();
            loop {
                match self.page.next().await.unwrap().expect("the socket ended") {
                    ServerMessage::Item { id, item } if id == call => {
                        self.page.send(&ClientMessage::Credit { id, bytes: item.cost() }).await;
                        if let Item::Output { data, .. } = item {
                            output.extend_from_slice(&data);
                        }
                        if until.is_some_and(|text| String::from_utf8_lossy(&output).contains(text)) {
                            self.page.send(&ClientMessage::Cancel { id: call }).await;
                            return (None, output);
                        }
                    }
                    ServerMessage::End { id, outcome } if id == call => match outcome {
                        Ok(Reply::TerminalEnded(exit)) => return (Some(exit), output),
                        other => panic!("{other:?}"),
                    },
                    _ => {}
                }
                self.page.acknowledge().await;
            }
        };
        let (exit, output) = tokio::time::timeout(ATTACK_LIMIT, following).await.expect("it goes on and on");
        let output = String::from_utf8_lossy(&output).replace("\r\n", "\n");
        assert!(until.is_none_or(|text| output.contains(text)), "{until:?} is not in {output}");
        (exit, output)
    }

    /// Runs an attack that must get nowhere.
    pub(crate) async fn finds_nothing(&mut self, attack: &str) {
        let terminal = self.start(attack).await;
        let (code, output) = self.finish(terminal).await;
        let reached: Vec<&str> = output.lines().filter(|line| line.starts_with("REACHED")).collect();
        let end = output.lines().last().unwrap_or_default();
        assert!(reached.is_empty() && code == Some(0), "{attack}: {code:?}\n{}\n{end}", reached.join("\n"));
    }

    /// What the server gives out for a path, by each of its doors.
    pub(crate) async fn read_in_every_way(&mut self, path: &str) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let read = self.page.begin(Request::ReadFile { place: self.place(path), offset: 0, length: None }).await;
        let (items, _) = self.page.finish(read).await;
        let bytes = items.into_iter().filter_map(|item| if let Item::Bytes(bytes) = item { Some(bytes) } else { None });
        all.push(bytes.flatten().collect());
        let folder = self.place(path.split_once('/').unwrap().0);
        let listed = self.page.call(Request::ReadFolder { place: folder.clone(), page: FolderPage::default() }).await;
        all.push(format!("{listed:?}").into_bytes());
        let copied = self.page.call(Request::Copy { from: folder, to: self.place("copy"), overwrite: true }).await;
        if copied.is_ok() {
            all.push(std::fs::read(self.files.join("copy/secret")).unwrap_or_default());
        }
        let _cleared =
            self.page.call(Request::Delete { place: self.place("copy"), recursive: true, trash: false }).await;
        let url = format!("/workspaces/{}/files/{path}", self.workspace());
        all.push(self.person.request("GET", &url).send().await.unwrap().bytes().await.unwrap().to_vec());
        all
    }

    /// The code with which a write over the API was refused; empty where it was not.
    pub(crate) async fn write_through_the_server(&mut self, path: &str, bytes: usize) -> String {
        let write = Request::WriteFile { place: self.place(path), content: vec![1; bytes], mode: WriteMode::Overwrite };
        self.page.call(write).await.map_or_else(|problem| problem.code, |_| String::new())
    }

    /// Asks the server something again and again while something goes on, and keeps how long the slowest answer took.
    pub(crate) async fn watched<T>(&mut self, going_on: impl Future<Output = T>) -> T {
        let mut going_on = std::pin::pin!(going_on);
        loop {
            let begin = Instant::now();
            let place = self.place("intruder");
            let answered = async {
                tokio::time::timeout(LIMIT, self.page.call(Request::Stat(place))).await.expect("no answer").unwrap();
                self.slowest = self.slowest.max(begin.elapsed());
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            tokio::select! {
                biased;
                ended = &mut going_on => return ended,
                () = answered => {}
            }
        }
    }

    pub(crate) const fn slowest(&self) -> Duration {
        self.slowest
    }
}

/// What an attack on the disk left, with its size.
fn filling(folders: &[PathBuf]) -> Vec<(PathBuf, u64)> {
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap().flatten());
    let fills = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("intruder.fill"));
    fills.map(|entry| (entry.path(), entry.metadata().map_or(0, |facts| facts.len()))).collect()
}

/// The process that holds the sandboxes of this server.
fn supervisor(dir: &Path) -> Option<u32> {
    let file = std::fs::read(dir.join("data/run/supervisor.json")).ok()?;
    let told: serde_json::Value = serde_json::from_slice(&file).ok()?;
    u32::try_from(told["pid"].as_u64()?).ok()
}

fn end(id: u32) {
    let Some(id) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw) else { return };
    let _ended = rustix::process::kill_process(id, rustix::process::Signal::KILL);
}

fn status(id: u32, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(field)).map(|value| value.trim().to_owned())
}

fn is_dead(id: u32) -> bool {
    status(id, "State:").is_none_or(|state| state.starts_with('Z') || state.starts_with('X'))
}

fn resident(id: u32) -> u64 {
    let kilobytes = status(id, "VmRSS:").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// The processes that one has started, and those that they have.
fn below(root: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let all: Vec<(u32, u32)> = entries
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            Some((id, status(id, "PPid:")?.parse().ok()?))
        })
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(all.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id));
        next += 1;
    }
    found.split_off(1)
}
