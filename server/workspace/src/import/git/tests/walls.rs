//! What a clone sees and reaches, and that it ends, with all walls that the machine has.

use super::*;
use std::net::TcpListener;
use tokio::io::AsyncWriteExt as _;

const WALLS: [SandboxMode; 2] = [SandboxMode::Bubblewrap, SandboxMode::Landlock];
/// Longest wait for anything before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// Names the directory in which [`server`] clones, and the walls.
const SERVER: &str = "CODITECT_TEST_CLONING_SERVER";

/// A program that stands in for git where walls are; they show it.
async fn pretending(mode: SandboxMode, script: &str) -> Option<Run> {
    let mut run = Run::behind(mode, |settings| {
        let tools = settings.run_dir.with_file_name("tools");
        std::fs::create_dir(&tools).unwrap();
        settings.read_only_paths = vec![tools];
    })
    .await?;
    run.pretend(script);
    let place = run.dir.path().join("tools/git");
    std::fs::rename(&run.settings.git_program, &place).unwrap();
    run.settings.git_program = place;
    Some(run)
}

/// Answers each request with a file below `root`, and `/elsewhere` with a redirection to that port. Its own port.
async fn serve_files(root: PathBuf, elsewhere: u16) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let path =
                head.split(['/', '?', ' ']).skip(2).take_while(|part| !part.is_empty() && !part.contains("HTTP"));
            let path: PathBuf = path.take_while(|part| !part.contains('=')).collect();
            let (status, body) = match std::fs::read(root.join(&path)) {
                _ if path.starts_with("elsewhere") => {
                    (format!("302 Found\r\nLocation: http://127.0.0.1:{elsewhere}/{}", path.display()), Vec::new())
                }
                Ok(body) => ("200 OK".to_owned(), body),
                Err(_) => ("404 Not Found".to_owned(), Vec::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        }
    });
    port
}

/// Listens for who should not come.
fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn git_in(folder: &Path, args: &[&str]) {
    let done = std::process::Command::new("git").args(args).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[tokio::test]
async fn clones_behind_walls() {
    for mode in WALLS {
        let Some(run) = Run::behind(mode, |_| {}).await else { continue };
        let open = run.dir.path().join("open");
        let own = repository(&open);
        git_in(&own, &["worktree", "add", "../tree"]);
        git_in(&own, &["clone", "--shared", "--bare", ".", "../borrows"]);
        git_in(&own, &["update-server-info"]);
        let port = serve_files(open.clone(), 0).await;
        let paths = ["repo", "tree", "borrows"].map(|name| open.join(name).display().to_string());
        let addresses = ["127.0.0.1", "localhost"].map(|host| format!("http://{host}:{port}/repo/.git"));
        for address in paths.iter().chain(&addresses) {
            run.clone(address).await.unwrap_or_else(|error| panic!("{mode:?} {address}: {error}"));
            assert_eq!(std::fs::read_to_string(run.target().join("README.md")).unwrap(), "hello", "{address}");
            std::fs::remove_dir_all(run.target()).unwrap();
        }
        assert!(!run.dir.path().join("work").exists());
    }
}

#[tokio::test]
async fn ssh_reaches_its_host_behind_walls() {
    if std::process::Command::new("ssh").arg("-V").output().is_err() {
        return needs::missing("ssh", "ssh is not installed");
    }
    for mode in WALLS {
        let Some(run) = Run::behind(mode, |_| {}).await else { continue };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("ssh://git@localhost:{}/x.git", listener.local_addr().unwrap().port());
        let server = async {
            let mut greeting = [0; 4];
            listener.accept().await.unwrap().0.read_exact(&mut greeting).await.unwrap();
            greeting
        };
        let (greeting, clone) = tokio::join!(server, run.clone(&address));
        assert_eq!((&greeting, clone.unwrap_err().code()), (b"SSH-", "import.git_failed"), "{mode:?}");
    }
}

#[tokio::test]
async fn git_sees_and_reaches_its_repository_alone() {
    let ((_other, other_port), (_host, port)) = (listen(), listen());
    for mode in WALLS {
        let (host, api) = match mode {
            SandboxMode::Bubblewrap => ("198.18.0.2", "198.18.0.1/80 coditect.internal/80"),
            _ => ("127.0.0.1", ""),
        };
        let script = format!(
            "#!/bin/bash
             data=$(cat ${{0%/*}}/place)
             for file in $data/secret $data/home/.ssh/id_ed25519 $data/open/repo /proc/*/root$data/secret; do
               cat $file && echo \"read $file\"; done
             echo x > $data/open/changed && echo written
             ls $data
             cat $HOME/gitconfig
             for place in {host}/{port} {host}/{other_port} 127.0.0.1/{other_port} {api}; do
               (exec 3<>/dev/tcp/$place) && echo \"reached $place\"; done"
        );
        // Only standard error comes back.
        let Some(run) = pretending(mode, "exec /bin/bash ${0%/*}/script > seen 2>&1").await else {
            continue;
        };
        let dir = run.dir.path();
        std::fs::write(dir.join("tools/script"), script).unwrap();
        std::fs::write(dir.join("tools/place"), dir.display().to_string()).unwrap();
        std::fs::create_dir_all(dir.join("home/.ssh")).unwrap();
        for secret in ["secret", "home/.ssh/id_ed25519", "open/repo"] {
            std::fs::write(dir.join(secret), "a secret of the server").unwrap();
        }
        let clone = run.clone(&format!("http://me:credentials@127.0.0.1:{port}/x.git")).await;
        assert!(clone.is_ok() || clone.as_ref().is_err_and(|error| error.code() == "import.git_failed"), "{clone:?}");
        let seen = std::fs::read_to_string(run.target().join("seen")).unwrap();
        for word in ["a secret", "read /", "written"] {
            assert!(!seen.contains(word), "{mode:?} {word}: {seen}");
        }
        assert!(!seen.lines().any(|line| line == "home" || line == "secret"), "{mode:?}: {seen}");
        let reached: Vec<_> = seen.lines().filter_map(|line| line.strip_prefix("reached ")).collect();
        assert_eq!(reached, [format!("{host}/{port}")], "{mode:?}: {seen}");
        assert!(seen.contains("Authorization: Basic"), "its own credentials are there: {seen}");
        assert!(!dir.join("open/changed").exists());
    }
}

#[tokio::test]
async fn a_hostile_repository_runs_nothing() {
    for mode in [SandboxMode::None, SandboxMode::Bubblewrap, SandboxMode::Landlock] {
        let Some(run) = Run::behind(mode, |_| {}).await else { continue };
        let marker = run.dir.path().join("open/marker");
        let source = repository(&run.dir.path().join("open"));
        let evil = format!("touch {}", marker.display());
        std::fs::write(source.join(".gitattributes"), "* filter=evil diff=evil\n").unwrap();
        let module = format!("[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c '{evil}'\n\tupdate = !{evil}\n");
        std::fs::write(source.join(".gitmodules"), module).unwrap();
        git_in(&source, &["add", "."]);
        git_in(&source, &["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-m", "evil"]);
        let hook = source.join(".git/hooks/post-checkout");
        std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
        std::fs::write(&hook, format!("#!/bin/sh\n{evil}\n")).unwrap();
        git_in(&source, &["config", "core.hooksPath", ".git/hooks"]);
        for key in [
            "core.sshCommand",
            "core.fsmonitor",
            "core.alternateRefsCommand",
            "core.gitProxy",
            "credential.helper",
            "uploadpack.packObjectsHook",
            "filter.evil.smudge",
            "filter.evil.process",
        ] {
            git_in(&source, &["config", key, &format!("!{evil}")]);
        }
        run.clone(&source.display().to_string()).await.unwrap();
        assert!(run.target().join(".gitmodules").exists() && !marker.exists(), "{mode:?}");
    }
}

#[tokio::test]
async fn a_hostile_server_leads_nowhere_else() {
    for mode in [SandboxMode::None, SandboxMode::Bubblewrap, SandboxMode::Landlock] {
        let Some(run) = Run::behind(mode, |_| {}).await else { continue };
        let (canary, elsewhere) = listen();
        let own = repository(&run.dir.path().join("open"));
        git_in(&own, &["update-server-info"]);
        let objects = own.join(".git/objects");
        let list = format!("http://127.0.0.1:{elsewhere}/objects\n");
        std::fs::write(objects.join("info/http-alternates"), &list).unwrap();
        // What is missing here would be looked for there.
        for entry in std::fs::read_dir(&objects).unwrap().flatten().filter(|entry| entry.file_name().len() == 2) {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
        let port = serve_files(run.dir.path().join("open"), elsewhere).await;
        for path in ["repo/.git", "elsewhere"] {
            let error = run.clone(&format!("http://127.0.0.1:{port}/{path}")).await.unwrap_err();
            assert_eq!(error.code(), "import.git_failed", "{mode:?} {path}");
        }
        assert_eq!(canary.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "{mode:?}");
    }
}

/// Processes of the machine that have this argument.
fn running(argument: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|one| one == argument.as_bytes())).count()
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what}");
}

/// Settings that two servers share.
fn shared_settings(dir: &Path, mode: SandboxMode) -> SandboxSettings {
    let read_only_paths = vec![dir.join("tools")];
    SandboxSettings { read_only_paths, keep: PATIENCE * 4, ..needs::sandbox_settings(dir, mode) }
}

/// The server of the next test: a process that clones until it is killed.
#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn server() {
    let Some((dir, mode)) =
        std::env::var(SERVER).ok().and_then(|told| serde_json::from_str::<(PathBuf, _)>(&told).ok())
    else {
        return;
    };
    let mut run = Run::new().await;
    run.sandboxes = Sandboxes::start(shared_settings(&dir, mode), None).await.unwrap();
    run.settings.git_program = dir.join("tools/git");
    std::fs::create_dir(run.dir.path().join("open/x")).unwrap();
    run.clone(&run.dir.path().join("open/x").display().to_string()).await.unwrap();
}

#[tokio::test]
async fn a_clone_ends_with_its_server() {
    use std::os::unix::fs::PermissionsExt as _;
    for mode in [SandboxMode::None, SandboxMode::Bubblewrap, SandboxMode::Landlock] {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("tools")).unwrap();
        // A second server keeps the supervisor: it is not its end that ends the clone.
        let Some(next) = needs::sandboxes(shared_settings(dir.path(), mode)).await else { continue };
        let seconds = format!("1000.{}", Uuid::new_v4().as_u128() % 1_000_000_007);
        let program = dir.path().join("tools/git");
        // The second of them leaves the session.
        std::fs::write(&program, format!("#!/bin/sh\nsetsid sleep {seconds} &\nsleep {seconds}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut server = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "import::git::tests::walls::server", "--ignored", "--nocapture"])
            .env(SERVER, serde_json::to_string(&(dir.path(), mode)).unwrap())
            .spawn()
            .unwrap();
        until("git runs", || running(&seconds) == 2).await;
        server.kill().unwrap();
        server.wait().unwrap();
        until("nothing of it runs", || running(&seconds) == 0).await;
        assert!(next.check_available().is_ok());
        next.shut_down(coditect_sandbox::client::KeepTerminals::No).await;
    }
}
