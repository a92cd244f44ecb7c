//! Logins for the `git` that fetches or pushes.
//!
//! While such a `git` runs there is a folder that only its person's programs see, with a pipe in it. `coditect-git credential`, the
//! only credential helper it has, writes there what `git` asks, with the name of a second pipe that it made for the answer. The
//! question goes on to the server, which decides: here, what is not for the very host of the remote is not even asked.

use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use crate::error::GitError;
use crate::wire::{FromHelper, Login};

/// Where `coditect-git credential` finds the pipe.
const FOLDER_VARIABLE: &str = "CODITECT_GIT_ASK";
/// Name of the pipe for questions.
const QUESTIONS: &str = "ask";
/// Longest question, in bytes: what a pipe takes in one piece (`PIPE_BUF`).
const MAX_QUESTION_BYTES: usize = 4096;
/// Longest answer, in bytes; a name and a secret of 8 KiB.
const MAX_ANSWER_BYTES: usize = 32 * 1024;

/// Questions to the server that are not answered.
pub(crate) struct Asks {
    frames: mpsc::Sender<FromHelper>,
    next: AtomicU32,
    waiting: Mutex<HashMap<u32, oneshot::Sender<Option<Login>>>>,
}

impl Asks {
    pub(crate) fn new(frames: mpsc::Sender<FromHelper>) -> Self {
        Self { frames, next: AtomicU32::new(1), waiting: Mutex::default() }
    }

    async fn ask(&self, id: u32, host: String, username: Option<String>) -> Option<Login> {
        let ask = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().ok()?.insert(ask, sender);
        self.frames.send(FromHelper::Ask { ask, id, host, username }).await.ok()?;
        receiver.await.ok()?
    }

    /// Names the sites that a request may log in to.
    pub(crate) async fn announce(&self, id: u32, hosts: Vec<String>) {
        // Where the server is gone, there are no logins either.
        let _ = self.frames.send(FromHelper::Hosts { id, hosts }).await;
    }

    /// The server's answer.
    pub(crate) fn answer(&self, ask: u32, login: Option<Login>) {
        let waiting = self.waiting.lock().ok().and_then(|mut waiting| waiting.remove(&ask));
        if let Some(waiting) = waiting {
            let _ = waiting.send(login);
        }
    }
}

/// The folder with the pipe, as long as one `git` runs; removed with it.
pub(crate) struct Desk {
    folder: PathBuf,
    questions: pipe::Receiver,
    given: AtomicBool,
}

impl Desk {
    pub(crate) fn open() -> Result<Self, GitError> {
        let folder = std::env::temp_dir().join(format!("coditect-git-{}", unique()));
        DirBuilder::new().mode(0o700).create(&folder)?;
        let questions = folder.join(QUESTIONS);
        let made = make_pipe(&questions)
            // Writing as well, so that it does not end when one asker does.
            .and_then(|()| pipe::OpenOptions::new().read_write(true).open_receiver(&questions));
        match made {
            Ok(questions) => Ok(Self { folder, questions, given: AtomicBool::new(false) }),
            Err(error) => {
                let _ = std::fs::remove_dir_all(&folder);
                Err(error.into())
            }
        }
    }

    /// The environment by which the helper finds it.
    pub(crate) fn variable(&self) -> (&'static str, &Path) {
        (FOLDER_VARIABLE, &self.folder)
    }

    /// Whether a login was given.
    pub(crate) fn has_given(&self) -> bool {
        self.given.load(Ordering::Relaxed)
    }

    /// Answers questions about these hosts until dropped.
    pub(crate) async fn serve(&mut self, id: u32, hosts: &[String], asks: &Asks) {
        let (mut pending, mut buffer) = (Vec::new(), vec![0; MAX_QUESTION_BYTES]);
        while let Ok(count @ 1..) = self.questions.read(&mut buffer).await {
            pending.extend_from_slice(&buffer[..count]);
            while let Some(end) = pending.windows(2).position(|pair| pair == b"\n\n") {
                let question: Vec<u8> = pending.drain(..end + 2).collect();
                let Some((reply, question)) = Question::parse(&question) else { continue };
                let login = match question.host.filter(|host| hosts.contains(host)) {
                    Some(host) => asks.ask(id, host, question.username).await,
                    None => None,
                };
                if self.reply(&reply, login.as_ref()).await {
                    self.given.store(true, Ordering::Relaxed);
                }
            }
            if pending.len() > MAX_QUESTION_BYTES {
                pending.clear();
            }
        }
    }

    /// Writes the answer; whether there was a login to write.
    async fn reply(&self, name: &str, login: Option<&Login>) -> bool {
        let mut answer = Zeroizing::new(String::with_capacity(MAX_ANSWER_BYTES));
        let login =
            login.filter(|login| !login.username.contains(['\n', '\0']) && !login.secret.contains(['\n', '\0']));
        if let Some(login) = login {
            answer.push_str("username=");
            answer.push_str(&login.username);
            answer.push_str("\npassword=");
            answer.push_str(&login.secret);
            answer.push('\n');
        }
        answer.push('\n');
        // Nobody waits where it cannot be opened.
        let Ok(mut pipe) = pipe::OpenOptions::new().open_sender(self.folder.join(name)) else { return false };
        pipe.write_all(answer.as_bytes()).await.is_ok() && login.is_some()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What `git` asks for, in the format of its credential helpers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Question {
    /// Set for `https` only.
    host: Option<String>,
    username: Option<String>,
}

impl Question {
    /// The name of the pipe for the answer, and the question.
    fn parse(bytes: &[u8]) -> Option<(String, Self)> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (reply, attributes) = text.split_once('\n')?;
        if reply.is_empty() || !reply.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return None;
        }
        let mut question = Self::default();
        let mut is_https = false;
        for line in attributes.lines() {
            match line.split_once('=') {
                Some(("protocol", value)) => is_https = value == "https",
                Some(("host", value)) => {
                    let host = value.to_ascii_lowercase();
                    question.host = Some(host.strip_suffix(":443").unwrap_or(&host).to_owned());
                }
                Some(("username", value)) => question.username = Some(value.to_owned()),
                _ => {}
            }
        }
        question.host = question.host.filter(|_| is_https);
        Some((reply.to_owned(), question))
    }
}

/// `coditect-git credential <operation>`: asks on standard input, answers on standard output, in the format of git's credential
/// helpers. What `git` wants to be kept or forgotten is not its to say.
pub fn answer(operation: &str) -> std::io::Result<()> {
    let (Some(folder), "get") = (std::env::var_os(FOLDER_VARIABLE), operation) else { return Ok(()) };
    let folder = PathBuf::from(folder);
    let mut attributes = Vec::new();
    std::io::stdin().lock().take(MAX_QUESTION_BYTES as u64).read_to_end(&mut attributes)?;
    let reply = unique();
    let mut question = format!("{reply}\n").into_bytes();
    for line in attributes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        question.extend_from_slice(line);
        question.push(b'\n');
    }
    question.push(b'\n');
    if question.len() > MAX_QUESTION_BYTES {
        return Ok(());
    }
    let pipe = folder.join(&reply);
    make_pipe(&pipe)?;
    let answers = OpenOptions::new().read(true).write(true).open(&pipe)?;
    OpenOptions::new().write(true).open(folder.join(QUESTIONS))?.write_all(&question)?;
    let answer = read_answer(answers);
    let _ = std::fs::remove_file(&pipe);
    std::io::stdout().lock().write_all(answer?.as_bytes())
}

/// Reads up to the empty line.
fn read_answer(pipe: File) -> std::io::Result<Zeroizing<String>> {
    let mut reader = BufReader::with_capacity(1, pipe).take(MAX_ANSWER_BYTES as u64);
    let mut answer = Zeroizing::new(String::with_capacity(MAX_ANSWER_BYTES));
    loop {
        let start = answer.len();
        if reader.read_line(&mut answer)? == 0 || answer[start..].trim().is_empty() {
            return Ok(answer);
        }
    }
}

fn make_pipe(path: &Path) -> std::io::Result<()> {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).map_err(Into::into)
}

/// A name that nothing else has: the folder is made new, so guessing it gains nothing.
pub(crate) fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{}-{now:x}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The words of git's configuration that make this program its only helper.
pub(crate) fn settings(program: &Path) -> [String; 2] {
    let quoted = program.display().to_string().replace('\'', "'\\''");
    ["credential.helper=".to_owned(), format!("credential.helper=!exec '{quoted}' credential")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_has_a_host() {
        let parse = |text: &str| Question::parse(text.as_bytes());
        let (reply, question) = parse("12-ab\nprotocol=https\nhost=Git.example.org:443\nusername=ada\n\n").unwrap();
        assert_eq!(reply, "12-ab");
        let expected = Question { host: Some("git.example.org".to_owned()), username: Some("ada".to_owned()) };
        assert_eq!(question, expected);
        assert_eq!(parse("1\nprotocol=http\nhost=h\n\n").unwrap().1.host, None);
        assert_eq!(parse("1\nhost=h\n\n").unwrap().1.host, None);
        assert!(parse("../x\nprotocol=https\n\n").is_none() && parse("\n\n").is_none());
    }

    #[test]
    fn the_program_is_quoted() {
        let [none, ours] = settings(Path::new("/o'p t/coditect-git"));
        assert_eq!(
            (none.as_str(), ours.as_str()),
            ("credential.helper=", "credential.helper=!exec '/o'\\''p t/coditect-git' credential")
        );
    }
}
