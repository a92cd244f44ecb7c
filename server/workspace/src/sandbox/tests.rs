//! What must hold inside the sandbox, tried from inside.

use std::fs;
use std::path::Path;

use coditect_protocol::Coded as _;
use tempfile::TempDir;

use super::*;

/// A server's data directory with two people in it.
struct Machine {
    dir: TempDir,
    sandbox: Sandbox,
}

impl Machine {
    /// `None`, with a note, where the machine has no bubblewrap that works.
    async fn new() -> Option<Self> {
        Self::with(|_| SandboxSettings::default()).await
    }

    async fn with(settings: impl FnOnce(&Path) -> SandboxSettings) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        for name in ["files-a", "home-a", "files-b", "home-b"] {
            fs::create_dir_all(dir.path().join("data").join(name)).unwrap();
            fs::write(dir.path().join("data").join(name).join("note"), format!("secret of {name}")).unwrap();
        }
        fs::write(dir.path().join("data/keys"), "secret of the server").unwrap();
        let settings = SandboxSettings {
            mode: SandboxMode::Bubblewrap,
            hidden_paths: vec![dir.path().join("data"), dir.path().join("settings")],
            ..settings(dir.path())
        };
        match Sandbox::detect(settings).await {
            Ok(sandbox) => Some(Self { dir, sandbox }),
            Err(WorkspaceError::SandboxUnavailable { reason }) => {
                crate::needs::missing("bwrap", reason);
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn spec(&self, script: &str) -> SandboxSpec {
        SandboxSpec {
            files: self.data().join("files-a"),
            folder: "project".to_owned(),
            home: self.data().join("home-a"),
            program: "/bin/sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            ..SandboxSpec::default()
        }
    }

    async fn run(&self, spec: SandboxSpec) -> String {
        let child = self.sandbox.spawn(spec, Streams::captured()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    }

    async fn sh(&self, script: &str) -> String {
        self.run(self.spec(script)).await
    }

    async fn refusal(&self, spec: SandboxSpec) -> WorkspaceError {
        self.sandbox.spawn(spec, Streams::captured()).await.err().unwrap()
    }
}

#[tokio::test]
async fn shows_the_workspace_and_the_home() {
    let Some(machine) = Machine::new().await else { return };
    let out = machine.sh("pwd; cat note; echo; echo $HOME; cat ~/note; echo new > made; id -un; hostname").await;
    assert_eq!(out, "/workspace/project\nsecret of files-a\n/home/coditect\nsecret of home-acoditect\ncoditect\n");
    assert_eq!(fs::read_to_string(machine.data().join("files-a/made")).unwrap(), "new\n");
    fs::create_dir(machine.data().join("files-a/sub")).unwrap();
    let spec = SandboxSpec { start_in: RelPath::parse("sub").unwrap(), ..machine.spec("pwd") };
    assert_eq!(machine.run(spec).await, "/workspace/project/sub\n");
}

#[tokio::test]
async fn hides_everybody_else() {
    let Some(machine) = Machine::new().await else { return };
    let data = machine.data();
    let data = data.display();
    let out = machine
        .sh(&format!(
            "ln -s {data} link; ln -s {data}/keys key
             cat {data}/keys {data}/files-b/note {data}/home-b/note link/keys key /proc/1/root{data}/keys /proc/1/cwd/{data}/keys
             ls {data} /workspace/project/../.. /home /root /var /workspace
             find / -xdev \\( -name keys -o -name files-b -o -name home-b \\) -path '*data*' 2>/dev/null"
        ))
        .await;
    assert!(!out.contains("secret of"), "{out}");
    assert!(!out.contains("\nfiles-b") && !out.contains("\nhome-b"), "{out}");
    assert!(out.contains("/home:\ncoditect") && out.contains("/workspace:\nproject"), "{out}");
}

#[tokio::test]
async fn a_shown_directory_does_not_show_what_is_hidden_in_it() {
    let settings = |dir: &Path| {
        fs::create_dir_all(dir.join("bin")).unwrap();
        fs::write(dir.join("tool"), "a tool").unwrap();
        fs::write(dir.join("settings"), "secret of the operator").unwrap();
        SandboxSettings { read_only_paths: vec![dir.to_owned()], ..SandboxSettings::default() }
    };
    let Some(machine) = Machine::with(settings).await else { return };
    let dir = machine.dir.path().canonicalize().unwrap();
    let out = machine
        .sh(&format!(
            "cat {0}/tool {0}/settings; ls -A {0}/data; cat {0}/data/keys; echo x > {0}/tool; echo x > {0}/data/x; echo $PATH",
            dir.display()
        ))
        .await;
    assert!(out.starts_with("a tool") && !out.contains("secret of") && !out.contains("files-b"), "{out}");
    assert!(out.contains(&format!(":{}/bin:", dir.display())), "{out}");
    assert_eq!(fs::read_to_string(dir.join("tool")).unwrap(), "a tool");
    assert!(!dir.join("data/x").exists());

    let spec = SandboxSpec { read_only_paths: vec![dir.join("data/files-b")], ..machine.spec("true") };
    assert_eq!(machine.refusal(spec).await.code(), "sandbox.invalid");
}

#[tokio::test]
async fn shows_no_other_process() {
    let Some(machine) = Machine::new().await else { return };
    let server = std::process::id();
    let out = machine
        .sh(&format!(
            "for p in /proc/[0-9]*; do echo pid ${{p#/proc/}}; done
             kill -0 {server} && echo reached; kill -9 {server} && echo killed; kill -9 -1; cat /proc/{server}/environ; echo end"
        ))
        .await;
    let pids = out.lines().filter(|line| line.starts_with("pid ")).count();
    assert!((1..=3).contains(&pids), "{out}");
    assert!(!out.contains("reached") && !out.contains("killed"), "{out}");
}

#[tokio::test]
async fn the_settings_of_the_machine_cannot_be_changed() {
    let Some(machine) = Machine::new().await else { return };
    let out = machine
        .sh("for f in sys/kernel/core_pattern sys/vm/drop_caches sysrq-trigger; do (: >> /proc/$f) && echo open $f; done
             echo end")
        .await;
    assert!(!out.contains("open ") && out.contains("end"), "{out}");
}

#[tokio::test]
async fn passes_no_variable_and_no_descriptor_of_the_server() {
    let Some(machine) = Machine::new().await else { return };
    let mut spec = machine
        .spec("env | sed 's/=.*//' | sort | tr '\\n' ' '; cat /proc/[0-9]*/environ | tr '\\0' '\\n'; ls /proc/$$/fd");
    spec.env = vec![("TOKEN".to_owned(), "for the person".to_owned()), ("LANG".to_owned(), "de_DE.UTF-8".to_owned())];
    let out = machine.run(spec).await;
    assert!(out.starts_with("COLORTERM HOME LANG LOGNAME PATH PWD SHELL TERM TOKEN USER "), "{out}");
    assert!(out.contains("LANG=de_DE.UTF-8") && !out.contains("CARGO"), "{out}");
    let descriptors: Vec<_> = out.lines().rev().take_while(|line| line.parse::<u32>().is_ok()).collect();
    assert!(descriptors.iter().all(|number| ["0", "1", "2"].contains(number)), "{out}");
}

#[tokio::test]
async fn variables_take_effect_only_inside_and_are_on_no_command_line() {
    let Some(machine) = Machine::new().await else { return };
    let mut spec = machine.spec("echo ready; cat");
    let trace = machine.data().join("trace");
    spec.env = [("LD_DEBUG", "libs"), ("LD_DEBUG_OUTPUT", trace.to_str().unwrap()), ("TOKEN", "very-secret-token")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let streams = Streams { stdin: Stdio::piped(), stdout: Stdio::piped(), stderr: Stdio::null() };
    let mut child = machine.sandbox.spawn(spec, streams).await.unwrap();
    let mut line = [0; 6];
    tokio::io::AsyncReadExt::read_exact(child.stdout.as_mut().unwrap(), &mut line).await.unwrap();
    let command_line = fs::read_to_string(format!("/proc/{}/cmdline", child.id().unwrap())).unwrap();
    assert!(command_line.contains("bwrap") && !command_line.contains("very-secret-token"), "{command_line}");
    drop(child.stdin.take());
    assert!(child.wait().await.unwrap().success());
    let written: Vec<_> = fs::read_dir(machine.data()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!written.iter().any(|name| name.to_string_lossy().starts_with("trace")), "{written:?}");
}

#[tokio::test]
async fn nothing_outside_can_be_written() {
    let Some(machine) = Machine::new().await else { return };
    let out = machine
        .sh("for p in / /usr /etc /dev /usr/bin /workspace /home /proc/sys/kernel; do
               (echo x > $p/hack) 2>/dev/null && echo wrote $p; done
             for p in /tmp /dev/shm ~ .; do echo x > $p/fine || echo failed $p; done
             mount -t tmpfs none /tmp && echo mounted; umount /proc && echo unmounted; mknod n b 8 0 && echo made
             chown 0 note && echo owned; unshare -Ur true && echo nested; grep -c . /etc/passwd; cat /etc/shadow")
        .await;
    for word in ["wrote", "failed", "unmounted", "made", "owned", "nested", "root:*"] {
        assert!(!out.contains(&format!("\n{word}")) && !out.starts_with(word), "{word}: {out}");
    }
    assert!(out.lines().any(|line| line == "2"), "a passwd of its own: {out}");
    assert!(!Path::new("/usr/hack").exists());
}

#[tokio::test]
async fn temporary_space_is_bounded() {
    let settings = |_: &Path| SandboxSettings { temporary_bytes: 1024 * 1024, ..SandboxSettings::default() };
    let Some(machine) = Machine::with(settings).await else { return };
    let out = machine.sh("for p in /tmp /dev/shm; do head -c 3000000 /dev/zero > $p/big; wc -c < $p/big; done").await;
    let sizes: Vec<u64> = out.lines().filter_map(|line| line.parse().ok()).collect();
    assert!(sizes.len() == 2 && sizes.iter().all(|size| *size <= 1024 * 1024), "{out}");
}

#[tokio::test]
async fn a_closed_network_has_no_way_out() {
    let Some(machine) = Machine::new().await else { return };
    let spec = SandboxSpec { network: NetworkPolicy::Closed, ..machine.spec("tail -n +3 /proc/net/dev | cut -d: -f1") };
    assert_eq!(machine.run(spec).await.trim(), "lo");
}

#[tokio::test]
async fn refuses_what_would_break_out() {
    let Some(machine) = Machine::new().await else { return };
    let base = || machine.spec("true");
    let check = async |what: &str, spec: SandboxSpec, code: &str| {
        assert_eq!(machine.refusal(spec).await.code(), code, "{what}");
    };
    let bind = "x\0--bind\0/\0/mnt".to_owned();
    check("value", SandboxSpec { env: vec![("A".to_owned(), bind.clone())], ..base() }, "sandbox.invalid").await;
    check("name", SandboxSpec { env: vec![(bind.clone(), String::new())], ..base() }, "sandbox.invalid").await;
    check("equals", SandboxSpec { env: vec![("A=B".to_owned(), String::new())], ..base() }, "sandbox.invalid").await;
    check("argument", SandboxSpec { args: vec![bind.clone()], ..base() }, "sandbox.invalid").await;
    check("program", SandboxSpec { program: bind, ..base() }, "sandbox.invalid").await;
    check("huge", SandboxSpec { args: vec!["x".repeat(MAX_COMMAND_BYTES + 1)], ..base() }, "sandbox.invalid").await;
    for folder in ["", ".", "..", "../..", "a/b", "/etc"] {
        check(folder, SandboxSpec { folder: folder.to_owned(), ..base() }, "sandbox.invalid").await;
    }
    check("missing", SandboxSpec { program: "no-such-program".to_owned(), ..base() }, "terminal.start_failed").await;
    let outside = machine.data().join("tool").display().to_string();
    fs::copy("/bin/sh", machine.data().join("tool")).unwrap();
    check("hidden program", SandboxSpec { program: outside, ..base() }, "terminal.start_failed").await;
    let start = |path: &str| SandboxSpec { start_in: RelPath::parse(path).unwrap(), ..base() };
    check("no folder", start("nowhere"), "files.not_found").await;
    check("a file", start("note"), "files.not_a_folder").await;
    std::os::unix::fs::symlink(machine.data(), machine.data().join("files-a/out")).unwrap();
    check("link out", start("out"), "files.outside").await;
    // A program that looks like an option is a program.
    let spec = SandboxSpec { args: vec!["--bind".to_owned(), "/".to_owned()], program: "echo".to_owned(), ..base() };
    assert_eq!(machine.run(spec).await, "--bind /\n");
}

#[tokio::test]
async fn finds_programs_of_the_person() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(machine) = Machine::new().await else { return };
    let tool = machine.data().join("home-a/.local/bin/tool");
    fs::create_dir_all(tool.parent().unwrap()).unwrap();
    fs::write(&tool, "#!/bin/sh\necho from home\n").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(&tool, machine.data().join("files-a/tool")).unwrap();
    for program in ["tool", "./tool", "/home/coditect/.local/bin/tool"] {
        let spec = SandboxSpec { program: program.to_owned(), args: Vec::new(), ..machine.spec("") };
        assert_eq!(machine.run(spec).await, "from home\n", "{program}");
    }
}

#[tokio::test]
async fn everything_inside_ends_with_the_child() {
    let Some(machine) = Machine::new().await else { return };
    let streams = Streams { stdin: Stdio::null(), stdout: Stdio::piped(), stderr: Stdio::null() };
    let script = "setsid sh -c 'trap \"\" HUP TERM INT; echo up; while :; do sleep 60; done' & sleep 60";
    let mut child = machine.sandbox.spawn(machine.spec(script), streams).await.unwrap();
    let mut out = child.stdout.take().unwrap();
    tokio::io::AsyncReadExt::read_exact(&mut out, &mut [0; 3]).await.unwrap();
    drop(child);
    // The pipe ends when its last writer is gone.
    let mut rest = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut out, &mut rest);
    tokio::time::timeout(std::time::Duration::from_secs(10), read).await.unwrap().unwrap();
}

#[tokio::test]
async fn without_walls_the_environment_is_still_empty() {
    let dir = TempDir::new().unwrap();
    let settings = SandboxSettings { mode: SandboxMode::None, ..SandboxSettings::default() };
    let sandbox = Sandbox::detect(settings).await.unwrap();
    assert!(sandbox.warning().unwrap().contains("without a sandbox"));
    let spec = SandboxSpec {
        files: dir.path().to_owned(),
        folder: "x".to_owned(),
        home: dir.path().to_owned(),
        program: "sh".to_owned(),
        args: vec!["-c".to_owned(), "echo $HOME; pwd; env".to_owned()],
        ..SandboxSpec::default()
    };
    let closed = SandboxSpec { network: NetworkPolicy::Closed, ..spec.clone() };
    assert_eq!(sandbox.spawn(closed, Streams::captured()).await.err().unwrap().code(), "sandbox.invalid");
    let missing = SandboxSpec { program: "no-such-program".to_owned(), ..spec.clone() };
    assert_eq!(sandbox.spawn(missing, Streams::captured()).await.err().unwrap().code(), "terminal.start_failed");
    let output = sandbox.spawn(spec, Streams::captured()).await.unwrap().wait_with_output().await.unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let place = dir.path().display();
    assert!(out.starts_with(&format!("{place}\n{place}\n")) && !out.contains("CARGO"), "{out}");
}

#[test]
fn reads_its_setting() {
    let check = |text: &str, expected| assert_eq!(text.parse::<SandboxMode>().ok(), expected);
    check("auto", Some(SandboxMode::Auto));
    check("bubblewrap", Some(SandboxMode::Bubblewrap));
    check("none", Some(SandboxMode::None));
    check("off", None);
}

#[test]
fn shows_no_secret_when_printed() {
    let spec = SandboxSpec { env: vec![("TOKEN".to_owned(), "very-secret".to_owned())], ..SandboxSpec::default() };
    assert!(!format!("{spec:?}").contains("very-secret"));
}
