//! A person works over a network that breaks a thousand times: what they wrote, typed and saw is all there, once, and in order.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use coditect_protocol::call::{CallId, ClientMessage, Item, Reply, Request, ServerMessage};
use coditect_protocol::files::{Place, Root, WriteMode};
use coditect_protocol::terminal::TerminalSpec;
use coditect_protocol::{RelPath, TerminalId, WorkspaceId};
use support::roaming::{Network, Roaming};
use support::{Person, server, until};
use tokio::time::timeout;

/// Connections that break; the environment can ask for more.
const CUTS: u64 = 1_000;
const CUTS_VARIABLE: &str = "CODITECT_CUT_ROUNDS";
/// Bytes after which a connection breaks: at the least little more than what it begins with; at the most what holds the largest message.
const CUT_AFTER_BYTES: Range<u64> = 2_000..50_000;
const LIMIT: Duration = Duration::from_secs(300);
/// What the terminal that is watched prints, in lines that are numbered. What it prints before anybody watches would soon be more than is
/// kept.
const COUNTER: &str = "until [ -e go ]; do sleep 0.02; done; n=0; while [ ! -e stop ]; do n=$((n+1)); echo \"line $n of what was told\"; done; echo \"end $n\"";

/// What one page does at once, without end: writes new files, edits one, types into a terminal, watches another.
struct Work {
    page: Roaming,
    workspace: WorkspaceId,
    counting: TerminalId,
    typing: TerminalId,
    calls: CallId,
    watch: CallId,
    new_file: CallId,
    edit: CallId,
    typed: CallId,
    new_files: u32,
    edits: u32,
    lines_typed: u32,
    etag: String,
    seen: Vec<u8>,
    offset: u64,
    ended: bool,
}

impl Work {
    fn place(&self, path: &str) -> Place {
        Place { root: Root::Workspace(self.workspace), path: RelPath::parse(path).unwrap() }
    }

    async fn begin(&mut self, request: Request) -> CallId {
        self.calls += 1;
        let (id, request) = (self.calls, Box::new(request));
        self.page.send(&ClientMessage::Call { id, request }).await;
        id
    }

    async fn write_new_file(&mut self) {
        let place = self.place(&format!("new-{}", self.new_files));
        let content = content("new", self.new_files);
        self.new_file = self.begin(Request::WriteFile { place, content, mode: WriteMode::CreateNew }).await;
    }

    /// As an editor saves: only over the version it knows.
    async fn edit(&mut self) {
        let place = self.place("edited");
        let mode = if self.edits == 0 { WriteMode::CreateNew } else { WriteMode::Replace(self.etag.clone()) };
        self.edit = self.begin(Request::WriteFile { place, content: content("edit", self.edits), mode }).await;
    }

    async fn type_a_line(&mut self) {
        let data = format!("typed {}\n", self.lines_typed).into_bytes();
        self.typed = self.begin(Request::WriteTerminal { terminal: self.typing, data }).await;
    }

    async fn start(&mut self) {
        self.watch = self.begin(Request::AttachTerminal { terminal: self.counting, from: 0 }).await;
        self.write_new_file().await;
        self.edit().await;
        self.type_a_line().await;
    }

    /// Takes in what comes; goes on with the next of its kind where `more`.
    async fn step(&mut self, more: bool) {
        match self.page.next().await {
            ServerMessage::Item { id, item } => {
                let bytes = item.cost();
                let Item::Output { offset, data } = item else { panic!("{item:?}") };
                assert_eq!((id, offset), (self.watch, self.offset), "output was lost or came twice");
                self.offset += data.len() as u64;
                self.seen.extend(data);
                self.page.send(&ClientMessage::Credit { id, bytes }).await;
            }
            ServerMessage::End { id, outcome } => self.ended(id, outcome.unwrap(), more).await,
        }
    }

    async fn ended(&mut self, id: CallId, reply: Reply, more: bool) {
        match reply {
            Reply::Stat(_) if id == self.new_file => {
                (self.new_files, self.new_file) = (self.new_files + 1, 0);
                if more {
                    self.write_new_file().await;
                }
            }
            Reply::Stat(stat) if id == self.edit => {
                (self.edits, self.edit, self.etag) = (self.edits + 1, 0, stat.etag);
                if more {
                    self.edit().await;
                }
            }
            Reply::Done if id == self.typed => {
                (self.lines_typed, self.typed) = (self.lines_typed + 1, 0);
                if more {
                    self.type_a_line().await;
                }
            }
            Reply::TerminalEnded(exit) if id == self.watch => {
                assert_eq!(exit.code, Some(0));
                self.ended = true;
            }
            other => panic!("{id}: {other:?}"),
        }
    }

    /// Enough was done for something to be lost.
    const fn is_worth_it(&self) -> bool {
        self.new_files > 5 && self.edits > 5 && self.lines_typed > 5
    }

    const fn is_idle(&self) -> bool {
        self.new_file == 0 && self.edit == 0 && self.typed == 0 && self.ended
    }
}

fn content(what: &str, number: u32) -> Vec<u8> {
    format!("{what} {number}\n").repeat(1 + number as usize % 200).into_bytes()
}

async fn terminal(person: &Person, workspace: WorkspaceId, line: &str) -> TerminalId {
    let spec = TerminalSpec {
        program: "/bin/sh".to_owned(),
        args: vec!["-c".to_owned(), line.to_owned()],
        ..TerminalSpec::default()
    };
    let mut page = person.page().await;
    match page.call(Request::CreateTerminal { workspace, spec }).await.unwrap() {
        Reply::Terminal(info) => info.id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_broken_connections_lose_nothing_of_what_was_acknowledged() {
    let rounds = std::env::var(CUTS_VARIABLE).ok().and_then(|count| count.parse().ok()).unwrap_or(CUTS);
    let server = server(|_| {}).await;
    let ada = server.person("ada").await;
    let workspace = ada.workspace("W").await.id;
    let files = server.dir.path().join("data/workspaces").join(workspace.to_string()).join("files");
    let counting = terminal(&ada, workspace, COUNTER).await;
    let typing = terminal(&ada, workspace, "stty -echo; cat > typed; touch typed-end").await;
    let network = Network::to(server.address, 7, CUT_AFTER_BYTES).await;
    let mut work = Work {
        page: Roaming::new(network.address, &ada.token.access_token, 7),
        workspace,
        counting,
        typing,
        calls: 0,
        watch: 0,
        new_file: 0,
        edit: 0,
        typed: 0,
        new_files: 0,
        edits: 0,
        lines_typed: 0,
        etag: String::new(),
        seen: Vec::new(),
        offset: 0,
        ended: false,
    };
    let working = async {
        work.start().await;
        // It was asked for after the terminal was.
        while work.new_files == 0 {
            work.step(true).await;
        }
        std::fs::write(files.join("go"), "").unwrap();
        while network.cuts() < rounds || !work.is_worth_it() {
            work.step(true).await;
        }
        network.mend();
        std::fs::write(files.join("stop"), "").unwrap();
        while !work.is_idle() {
            work.step(false).await;
        }
    };
    timeout(LIMIT, working).await.expect("it does not come to an end");
    // Ends what is typed into.
    let mut page = ada.page().await;
    page.call(Request::WriteTerminal { terminal: typing, data: vec![4] }).await.unwrap();
    until(|| files.join("typed-end").exists()).await;
    check(&work, &files, rounds);
    server.stop().await;
}

fn check(work: &Work, files: &Path, rounds: u64) {
    assert!(work.page.resumed * 10 >= rounds * 5, "it came back only {} times", work.page.resumed);
    for number in 0..work.new_files {
        assert_eq!(std::fs::read(files.join(format!("new-{number}"))).unwrap(), content("new", number));
    }
    assert_eq!(std::fs::read(files.join("edited")).unwrap(), content("edit", work.edits - 1));
    let typed = (0..work.lines_typed).fold(String::new(), |mut all, number| {
        let _written = writeln!(all, "typed {number}");
        all
    });
    assert!(std::fs::read_to_string(files.join("typed")).unwrap() == typed, "not what was typed");
    let seen = String::from_utf8(work.seen.clone()).unwrap();
    let (lines, end) = seen.trim_end().rsplit_once("\r\n").unwrap();
    let count = lines.split("\r\n").zip(1..).map(|(line, number)| {
        assert_eq!(line, format!("line {number} of what was told"));
    });
    assert_eq!(end, format!("end {}", count.count()));
    println!(
        "{rounds} cuts: {} files, {} edits, {} lines typed, {} bytes of output",
        work.new_files,
        work.edits,
        work.lines_typed,
        work.seen.len()
    );
}
