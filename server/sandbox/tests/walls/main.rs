//! What must hold inside a sandbox, tried from inside, with all walls that the machine has.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod limits;
#[path = "../walls_support/mod.rs"]
mod walls_support;

use std::fs;
use std::path::Path;

use coditect_protocol::{Coded as _, RelPath};
use coditect_sandbox::agent::{Agent, Stdio};
use coditect_sandbox::net::{NetworkMode, NetworkPolicy};
use coditect_sandbox::walls::Walls;
use coditect_sandbox::{Limits, Place, Program, SandboxError, SandboxMode, SandboxSettings, SingleUse};
use rustix::process::Signal;

use self::walls_support::{Machine, copy_program, helper, on_all_walls, on_bubblewrap, on_landlock, script};

#[tokio::test]
async fn shows_the_workspace_and_the_home() {
    on_all_walls(
        |_| {},
        async |machine| {
            let sandbox = machine.start().await;
            let out = sandbox.sh("pwd; cat note; echo; echo $HOME; cat ~/note; echo; echo new > made").await;
            let inside = machine.walls.inside(&machine.place());
            let (folder, home) = (inside.workspace_folder, inside.home_folder);
            assert_eq!(out, format!("{folder}\nsecret of files-a\n{home}\nsecret of home-a\n"));
            assert_eq!(fs::read_to_string(machine.data().join("files-a/made")).unwrap(), "new\n");
            fs::create_dir_all(machine.data().join("files-a/sub")).unwrap();
            let program = Program { start_in: RelPath::parse("sub").unwrap(), ..script("pwd") };
            assert_eq!(sandbox.run(&program).await, format!("{folder}/sub\n"));
        },
    )
    .await;
}

#[tokio::test]
async fn hides_everybody_else() {
    on_all_walls(
        |_| {},
        async |machine| {
            let data = machine.data();
            let data = data.display();
            let out = machine
                .start()
                .await
                .sh(&format!(
                    "ln -s {data} link; ln -s {data}/keys key
                 cat {data}/keys {data}/files-b/note {data}/home-b/note link/keys key
                 cat /proc/1/root{data}/keys /proc/1/cwd/{data}/keys /proc/$PPID/root{data}/keys
                 ln {data}/keys hard; cat hard; mv {data}/keys stolen; cat stolen; cp {data}/keys copy
                 echo changed > {data}/keys; rm {data}/keys; touch {data}/files-b/new; : > {data}/files-b/note
                 ls {data} {data}/files-b; mkdir {data}/made; ln -s x {data}/linked; rmdir {data}/home-b
                 find / -xdev \\( -name keys -o -name files-b -o -name home-b \\) -path '*data*' 2>/dev/null"
                ))
                .await;
            assert!(!out.contains("secret of"), "{out}");
            assert!(!out.lines().any(|line| line.ends_with("files-b") || line.ends_with("home-b")), "{out}");
            assert_eq!(fs::read_to_string(machine.data().join("keys")).unwrap(), "secret of the server");
            assert_eq!(fs::read_to_string(machine.data().join("files-b/note")).unwrap(), "secret of files-b");
            for made in ["made", "linked", "files-b/new"] {
                assert!(machine.data().join(made).symlink_metadata().is_err(), "{made}");
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_shown_directory_does_not_show_what_is_hidden_in_it() {
    let prepare = |settings: &mut SandboxSettings| {
        let dir = settings.run_dir.parent().unwrap().to_owned();
        fs::create_dir_all(dir.join("bin")).unwrap();
        fs::write(dir.join("tool"), "a tool").unwrap();
        fs::write(dir.join("settings"), "secret of the operator").unwrap();
        std::os::unix::fs::symlink("tool", dir.join("link")).unwrap();
        fs::create_dir(dir.join("vault")).unwrap();
        settings.hidden_paths.extend([dir.join("later"), dir.join("vault")]);
        settings.read_only_paths = vec![dir];
    };
    on_all_walls(prepare, async |machine| {
        let dir = machine.dir.path().canonicalize().unwrap();
        let script = format!(
            "cat {0}/tool {0}/settings; ls -A {0}/data; cat {0}/data/keys; echo x > {0}/tool; echo x > {0}/data/x; echo $PATH",
            dir.display()
        );
        let out = machine.start().await.sh(&script).await;
        assert!(out.starts_with("a tool") && !out.contains("secret of") && !out.contains("files-b"), "{out}");
        assert!(out.contains(&format!(":{}/bin:", dir.display())), "{out}");
        assert_eq!(fs::read_to_string(dir.join("tool")).unwrap(), "a tool");
        assert!(!dir.join("data/x").exists());
        // Another file that takes the name of a hidden one is as hidden, in sandboxes that run, too; so is a new
        // folder.
        let running = machine.start().await;
        for secret in ["settings", "later"] {
            fs::write(dir.join("new"), "secret of the operator").unwrap();
            fs::rename(dir.join("new"), dir.join(secret)).unwrap();
        }
        fs::rename(dir.join("vault"), dir.join("moved")).unwrap();
        fs::create_dir(dir.join("vault")).unwrap();
        fs::write(dir.join("vault/key"), "secret of the operator").unwrap();
        let look = format!("cat {0}/settings {0}/later {0}/vault/key; cat {0}/tool {0}/link", dir.display());
        let out = running.sh(&look).await;
        assert!(!out.contains("secret of") && out.ends_with("a toola tool"), "{out}");
        let within = SandboxSettings { read_only_paths: vec![dir.join("data/files-b")], ..machine.settings() };
        assert_eq!(Walls::detect(&within).await.unwrap_err().code(), "sandbox.invalid");
    })
    .await;
}

#[tokio::test]
async fn a_sandbox_for_one_program_sees_what_it_is_for() {
    on_all_walls(
        |_| {},
        async |machine| {
            let dir = machine.dir.path().canonicalize().unwrap();
            fs::create_dir(dir.join("for-one")).unwrap();
            fs::write(dir.join("for-one/file"), "for one").unwrap();
            let place = |shown: &str| {
                let single_use = SingleUse { shown: vec![dir.join(shown)], network: NetworkPolicy::none() };
                Place { single_use: Some(single_use), ..machine.place() }
            };
            let script =
                format!("cd {}/for-one; cat file; echo x > file; touch new; ls; cat ../settings", dir.display());
            let out = machine.start_at(&place("for-one")).await.sh(&script).await;
            assert!(out.starts_with("for one") && out.contains("file\n") && !out.contains("new\n"), "{out}");
            assert_eq!(fs::read_to_string(dir.join("for-one/file")).unwrap(), "for one");
            assert!(!machine.start().await.sh(&script).await.contains("for one"), "others do not see it");
            let refused = Agent::start(&machine.walls, &place("data/files-b")).await.unwrap_err();
            assert_eq!(refused.code(), "sandbox.invalid");
        },
    )
    .await;
}

#[tokio::test]
async fn shows_certificates_and_no_keys() {
    on_all_walls(
        |_| {},
        async |machine| {
            let out = machine
                .start()
                .await
                .sh("ls -d /etc/ssl/private /etc/pki/tls/private /etc/shadow /etc/ssh; ls /etc/ssl/certs | wc -l")
                .await;
            let outside = fs::read_dir("/etc/ssl/certs").map_or(0, Iterator::count);
            let (keys, certificates): (Vec<_>, Vec<_>) = out.lines().partition(|line| line.contains("/etc"));
            // Behind Landlock it can be seen that they are there, as of any path.
            let seen = keys.iter().filter(|line| !line.contains("ls:")).count();
            assert!(seen == 0 || machine.walls.name() == "landlock", "{out}");
            assert_eq!(certificates, [outside.to_string()], "{out}");
            let read = machine.start().await.sh("cat /etc/ssl/private/* /etc/pki/tls/private/* /etc/shadow").await;
            assert!(read.lines().all(|line| line.starts_with("cat:")), "{read}");
        },
    )
    .await;
}

#[tokio::test]
async fn reaches_no_other_process() {
    on_all_walls(|_| {}, async |machine| {
        let mut other = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let (server, pid) = (std::process::id(), other.id());
        let out = machine
            .start()
            .await
            .sh(&format!(
                "for p in {pid} {server}; do
                   kill -0 $p && echo reached; kill -9 $p && echo killed; cat /proc/$p/environ /proc/$p/cmdline
                   cat /proc/$p/maps /proc/$p/fd/0; readlink /proc/$p/cwd; ls /proc/$p/root
                   prlimit --pid $p --nofile=1:1 && echo limited; renice -n 5 -p $p && echo reniced; taskset -p 1 $p && echo bound
                   chrt -b -p 0 $p && echo scheduled; ionice -c 3 -p $p && echo slowed; done; echo end"
            ))
            .await;
        assert!(out.contains("end"), "{out}");
        for word in ["reached", "killed", "sleep\0", "limited", "reniced", "bound\n", "scheduled", "slowed", "/usr/bin/sleep"] {
            assert!(!out.contains(word), "{word}: {out}");
        }
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    })
    .await;
}

#[tokio::test]
async fn programs_of_one_sandbox_reach_each_other_and_no_others() {
    on_all_walls(
        |_| {},
        async |machine| {
            let (one, two) = (machine.start().await, machine.start_for("files-b", "home-b").await);
            let mut first = one.spawn(&script("sleep 600"), Stdio::Fds(walls_support::null_streams())).await;
            let mut second = two.spawn(&script("sleep 600"), Stdio::Fds(walls_support::null_streams())).await;
            let out = one.sh(&format!("kill -9 {} && echo reached", first.pid)).await;
            assert_eq!(out, "reached\n");
            assert_eq!(first.exit().await.unwrap().signal, Some(9));
            let outside = two.host_pid("sleep").await;
            let out = one.sh(&format!("kill -9 {outside} && echo reached")).await;
            assert!(!out.contains("reached"), "{out}");
            two.agent.signal(&second, Signal::TERM).await.unwrap();
            assert_eq!(second.exit().await.unwrap().signal, Some(15));
        },
    )
    .await;
}

#[tokio::test]
async fn passes_no_variable_and_no_descriptor_of_the_server() {
    on_all_walls(|_| {}, async |machine| {
        let env = [("TOKEN", "for the person"), ("LANG", "de_DE.UTF-8")];
        let program = Program {
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..script("env | sort; for fd in 0 1 2 3 4 5 6 7 8 9 63 255; do [ -e /proc/self/fd/$fd ] && echo fd $fd; done")
        };
        let out = machine.start().await.run(&program).await;
        let names: Vec<_> = out.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
        let added = ["TMPDIR", "TMP", "TEMP", "CHOKIDAR_USEPOLLING", "WATCHPACK_POLLING", "OLDPWD", "_", "SHLVL"];
        let names: Vec<_> = names.into_iter().filter(|name| !added.contains(name)).collect();
        let expected = ["COLORTERM", "HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TOKEN", "USER"];
        assert_eq!(names, expected, "{out}");
        assert!(out.contains("LANG=de_DE.UTF-8"), "{out}");
        let descriptors: Vec<_> = out.lines().filter(|line| line.starts_with("fd ")).collect();
        assert_eq!(descriptors, ["fd 0", "fd 1", "fd 2"], "{out}");
    })
    .await;
}

#[tokio::test]
async fn nothing_outside_can_be_written() {
    on_all_walls(|_| {}, async |machine| {
        let out = machine
            .start()
            .await
            .sh("for p in / /usr /etc /dev /usr/bin /workspace /home /proc/sys/kernel /sys /var/tmp /root; do
                   (echo x > $p/hack) 2>/dev/null && echo wrote $p; done
                 for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/overcommit_memory \\
                   /proc/sys/kernel/pid_max /proc/sysrq-trigger /proc/sys/kernel/hostname /sys/kernel/uevent_helper; do
                   (: >> $f) 2>/dev/null && echo opened $f; done
                 for p in ${TMPDIR:-/tmp} ~ .; do echo x > $p/fine || echo failed $p; done
                 mount -t tmpfs none /tmp && echo mounted; umount /proc && echo unmounted; mknod n b 8 0 && echo made
                 chown 0 note && echo owned; unshare -Ur true && echo nested; unshare -n true && echo net; cat /etc/shadow
                 chmod 777 /usr/bin/env && echo moded; setpriv --reuid 0 true && echo rooted; grep -i capeff /proc/self/status")
            .await;
        for word in ["wrote", "opened", "mounted", "unmounted", "made", "nested", "net", "moded", "root:*", "failed"] {
            assert!(!out.lines().any(|line| line.starts_with(word)), "{word}: {out}");
        }
        assert!(!Path::new("/usr/hack").exists());
    })
    .await;
}

#[tokio::test]
async fn has_no_privilege_and_cannot_get_one() {
    on_bubblewrap(
        |_| {},
        async |machine| {
            let out = machine.start().await.sh("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status").await;
            let nothing = "0000000000000000";
            let expected =
                ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(|set| format!("{set}:\t{nothing}\n")).concat();
            assert_eq!(out, format!("{expected}NoNewPrivs:\t1\nSeccomp:\t2\n"));
        },
    )
    .await;
}

#[tokio::test]
async fn a_place_to_read_only_cannot_be_changed() {
    on_all_walls(
        |_| {},
        async |machine| {
            let place = Place { read_only: true, ..machine.place() };
            let sandbox = machine.start_at(&place).await;
            let out =
                sandbox.sh("cat note; echo x > note; rm note; touch new; mkdir made; touch ~/fine && echo wrote").await;
            assert!(out.starts_with("secret of files-a") && out.ends_with("wrote\n"), "{out}");
            let names: Vec<_> =
                fs::read_dir(machine.data().join("files-a")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, ["note"]);
        },
    )
    .await;
}

#[tokio::test]
async fn refuses_system_calls_that_lead_out() {
    on_all_walls(|_| {}, async |machine| {
        let place = machine.place();
        let out = machine.start_at(&place).await.probe(&place, "probe_calls").await;
        let expected = "memfd_create ENOSYS\nio_uring_setup ENOSYS\nclone3 ENOSYS\nkeyctl ENOSYS\nuserfaultfd ENOSYS\n\
             fanotify_init ENOSYS\nbpf EPERM\nperf_event_open EPERM\nunshare EPERM\nsetns EPERM\nclone EPERM\nmount EPERM\n\
             fsopen EPERM\nsched_setaffinity EPERM\nchroot EPERM\nopen_by_handle_at EPERM\nsyslog EPERM\nptrace_1 EPERM\n\
             vsock EAFNOSUPPORT\nalg EAFNOSUPPORT\npacket EAFNOSUPPORT\nnetlink_audit EPROTONOSUPPORT\nx32 ENOSYS\n\
             tiocsti EPERM\ntiocsetd EPERM\nlease EPERM\npersonality EPERM\nfixed_addresses ok\nfallocate EOPNOTSUPP\n\
             hole ok\nresvsp EOPNOTSUPP\nresvsp_upper EOPNOTSUPP\nresvsp64 EOPNOTSUPP\nresvsp64_upper EOPNOTSUPP\n\
             zero_range EOPNOTSUPP\nzero_range_upper EOPNOTSUPP\nunresvsp ok\nsubvolume EOPNOTSUPP\n\
             snapshot EOPNOTSUPP\nvmsplice ENOSYS\nio_setup ENOSYS\nmptcp EPROTONOSUPPORT\nsctp EPROTONOSUPPORT\n\
             seqpacket EPROTONOSUPPORT\nthread ok\n";
        let (common, _) = out.split_at(out.find("unix ").unwrap_or(out.len()));
        assert_eq!(common, expected, "{out}");
    })
    .await;
}

#[tokio::test]
async fn landlock_leaves_no_way_around_itself() {
    on_landlock(|_| {}, async |machine| {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let place = machine.place();
        std::os::unix::fs::symlink(machine.data().join("keys"), place.files.join("out")).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        let keys = machine.data().join("keys");
        let before = (mode(&keys), keys.metadata().unwrap().mtime());
        let out = machine.start_at(&place).await.probe(&place, "probe_calls").await;
        let (_, own) = out.split_at(out.find("unix ").unwrap());
        let expected = "unix EAFNOSUPPORT\nsocketpair ok\nsocketpair_dgram EPROTONOSUPPORT\nraw EPROTONOSUPPORT\n\
             bind EACCES\nlisten EPERM\nfastopen EOPNOTSUPP\nconnect_other EACCES\nshmget ENOSYS\nmq_open ENOSYS\n\
             inotify_init ENOSYS\ninotify_add_watch ENOSYS\n\
             chmod_own ok\nfchmodat_own ok\nutimensat_own ok\nfchmod_own ok\nfutimens_own ok\nchown_own_own ok\nchown_own EPERM\n\
             chmod_other EPERM\nfchmodat_other EPERM\nutimensat_other EPERM\nchown_own_other ok\nchown_other EPERM\n\
             chmod_link EPERM\nfchmodat_link EPERM\nutimensat_link EPERM\nchown_own_link ok\nchown_link EPERM\n\
             chmod_system EPERM\nfchmodat_system EPERM\nutimensat_system EPERM\nfchmod_system EPERM\nfutimens_system EPERM\n\
             chown_own_system ok\nchown_system EPERM\n\
             setxattr EOPNOTSUPP\nprlimit_other EPERM\nhide_memory EPERM\nsetpriority_user EPERM\n";
        assert_eq!(own, expected, "{out}");
        assert_eq!(before, (mode(&keys), keys.metadata().unwrap().mtime()));
        assert_eq!((mode(&place.files.join("note")), place.files.join("note").metadata().unwrap().mtime()), (0o755, 1));
    })
    .await;
}

#[tokio::test]
async fn landlock_without_a_network_has_no_sockets() {
    let without = |settings: &mut SandboxSettings| settings.network.mode = NetworkMode::None;
    on_landlock(without, async |machine| {
        let place = machine.place();
        let out = machine.start_at(&place).await.probe(&place, "probe_inet").await;
        assert_eq!(out, "inet EAFNOSUPPORT\ninet6 EAFNOSUPPORT\n");
    })
    .await;
    let settings = |dir: &Path| SandboxSettings {
        mode: SandboxMode::Landlock,
        network: NetworkPolicy { mode: NetworkMode::Hosts, ..NetworkPolicy::default() },
        ..walls_support::settings(dir)
    };
    let dir = walls_support::folder();
    assert_eq!(Walls::detect(&settings(dir.path())).await.unwrap_err().code(), "sandbox.invalid");
}

#[tokio::test]
async fn a_closed_network_has_no_way_out() {
    let closed = |settings: &mut SandboxSettings| settings.network.mode = NetworkMode::None;
    on_bubblewrap(closed, async |machine| {
        let sandbox = machine.start().await;
        assert!(sandbox.agent.take_tun().is_none());
        assert_eq!(sandbox.sh("tail -n +3 /proc/net/dev | cut -d: -f1").await.trim(), "lo");
    })
    .await;
}

#[tokio::test]
async fn a_network_has_one_way_out() {
    on_bubblewrap(
        |_| {},
        async |machine| {
            let sandbox = machine.start().await;
            let out = sandbox
                .sh("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; cat /etc/resolv.conf; cat /dev/net/tun")
                .await;
            if sandbox.agent.take_tun().is_some() {
                assert!(out.starts_with("lo\ntun0\nnameserver 10.0.2.3\n"), "{out}");
                assert!(!sandbox.agent.notes().iter().any(|note| note.contains("/dev/net/tun")));
            } else {
                assert!(sandbox.agent.notes().iter().any(|note| note.contains("/dev/net/tun")));
            }
            assert!(sandbox.agent.take_tun().is_none());
        },
    )
    .await;
}

#[tokio::test]
async fn refuses_what_would_break_out() {
    on_all_walls(
        |_| {},
        async |machine| {
            let sandbox = machine.start().await;
            let check = async |what: &str, program: Program, code: &str| {
                assert_eq!(sandbox.refusal(&program).await.code(), code, "{what}");
            };
            let base = || script("true");
            let bind = "x\0--bind\0/\0/mnt".to_owned();
            check("value", Program { env: vec![("A".to_owned(), bind.clone())], ..base() }, "sandbox.invalid").await;
            check("name", Program { env: vec![(bind.clone(), String::new())], ..base() }, "sandbox.invalid").await;
            check("equals", Program { env: vec![("A=B".to_owned(), String::new())], ..base() }, "sandbox.invalid")
                .await;
            check("argument", Program { args: vec![bind.clone()], ..base() }, "sandbox.invalid").await;
            check("program", Program { program: bind, ..base() }, "sandbox.invalid").await;
            check("huge", Program { args: vec!["x".repeat(128 * 1024)], ..base() }, "sandbox.invalid").await;
            check("missing", Program { program: "no-such-program".to_owned(), ..base() }, "terminal.start_failed")
                .await;
            check("a folder", Program { program: "/usr".to_owned(), ..base() }, "terminal.start_failed").await;
            let start = |path: &str| Program { start_in: RelPath::parse(path).unwrap(), ..base() };
            check("no folder", start("nowhere"), "files.not_found").await;
            check("a file", start("note"), "files.not_a_folder").await;
            for (name, target) in [("out", machine.data()), ("etc", "/etc".into()), ("up", "..".into())] {
                std::os::unix::fs::symlink(target, machine.data().join("files-a").join(name)).unwrap();
                check("link out", start(name), "files.outside").await;
            }
            // A program that looks like an option is a program.
            let args = vec!["--bind".to_owned(), "/".to_owned()];
            let program = Program { args, program: "echo".to_owned(), ..base() };
            assert_eq!(sandbox.run(&program).await, "--bind /\n");
            // As large as may be, in the form that takes the most room on the way.
            let program = Program { args: vec![String::new(); 128 * 1024 - 5], program: "true".to_owned(), ..base() };
            assert_eq!(sandbox.run(&program).await, "");
        },
    )
    .await;
    let Some(machine) = Machine::new(SandboxMode::Auto, |_| {}).await else { return };
    for folder in ["", ".", "..", "../..", "a/b", "/etc"] {
        let place = Place { folder: folder.to_owned(), ..machine.place() };
        let refused = Agent::start(&machine.walls, &place).await.unwrap_err();
        assert_eq!(refused.code(), "sandbox.invalid", "{folder}");
    }
}

#[tokio::test]
async fn finds_programs_of_the_person() {
    use std::os::unix::fs::PermissionsExt as _;
    on_all_walls(
        |_| {},
        async |machine| {
            let tool = machine.data().join("home-a/.local/bin/tool");
            fs::create_dir_all(tool.parent().unwrap()).unwrap();
            fs::write(&tool, "#!/bin/sh\necho from home\n").unwrap();
            fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
            fs::copy(&tool, machine.data().join("files-a/tool")).unwrap();
            let sandbox = machine.start().await;
            for program in ["tool", "./tool"] {
                let program = Program { program: program.to_owned(), ..Program::default() };
                assert_eq!(sandbox.run(&program).await, "from home\n", "{program:?}");
            }
        },
    )
    .await;
}

/// Where new processes wait for the guard, one that ends meanwhile must not have the other's beginning fail.
#[tokio::test]
async fn processes_begin_while_others_end() {
    on_all_walls(
        |_| {},
        async |machine| {
            let out = machine
                .start()
                .await
                .sh("i=0; while [ $i -lt 3000 ]; do true & i=$((i+1)); [ $((i % 100)) = 0 ] && wait; done; wait; echo $i")
                .await;
            assert_eq!(out, "3000\n");
        },
    )
    .await;
}

#[tokio::test]
async fn everyday_tools_work() {
    on_all_walls(
        |_| {},
        async |machine| {
            let out = machine
                .start()
                .await
                .sh("set -e; git init -q repo; cd repo; git config user.name x; git config user.email x@example.org
                 echo one > file; git add file; git commit -qm one; git clone -q . ../copy; cat ../copy/file
                 printf '#!/bin/sh\\necho ran\\n' > tool; chmod +x tool; ./tool; touch -d '2001-01-01' file
                 tar cf ../all.tar .; mkdir out; tar xf ../all.tar -C out; cp -a tool other; install -m 600 file mine
                 stat -c %a tool mine; stat -c %y out/file | cut -c 1-10; mktemp >/dev/null; ln tool hard; mv hard out/
                 bash -c 'cat <(echo via)'; echo here <<END
text
END
                 [ $(nproc) -ge 1 ] && echo done")
                .await;
            assert_eq!(out, "one\nran\n755\n600\n2001-01-01\nvia\nhere\ndone\n");
        },
    )
    .await;
}

#[tokio::test]
async fn tells_how_programs_end_and_signals_whole_sessions() {
    on_all_walls(
        |_| {},
        async |machine| {
            let sandbox = machine.start().await;
            let mut running = sandbox.spawn(&script("exit 7"), Stdio::Fds(walls_support::null_streams())).await;
            assert_eq!(running.exit().await.unwrap().code, Some(7));
            assert_eq!(running.exit().await.unwrap().code, Some(7), "told again");
            let program = script("trap '' HUP; (trap - HUP; sleep 600) & setsid sleep 601 & wait");
            let mut running = sandbox.spawn(&program, Stdio::Fds(walls_support::null_streams())).await;
            sandbox.wait_for_host("sleep", 2).await;
            sandbox.agent.signal(&running, Signal::HUP).await.unwrap();
            // The one that left the session goes on.
            sandbox.wait_for_host("sleep", 1).await;
            sandbox.agent.signal(&running, Signal::KILL).await.unwrap();
            assert_eq!(running.exit().await.unwrap().signal, Some(9));
            assert_eq!(sandbox.host_pids("sleep").len(), 1);
        },
    )
    .await;
}

#[tokio::test]
async fn everything_inside_ends_with_the_sandbox() {
    on_all_walls(
        |_| {},
        async |machine| {
            let sandbox = machine.start().await;
            let (streams, mut out) = walls_support::captured();
            let program =
                script("setsid sh -c 'trap \"\" HUP TERM INT; echo up; while :; do sleep 60; done' & sleep 61");
            let mut running = sandbox.spawn(&program, Stdio::Fds(streams)).await;
            out.expect("up\n").await;
            let root = sandbox.agent.pid();
            sandbox.agent.close().await;
            assert!(running.exit().await.is_none());
            // The pipe ends when its last writer is gone.
            assert_eq!(out.rest().await, "");
            assert!(!Path::new(&format!("/proc/{root}")).exists());
            assert_eq!(sandbox.refusal(&script("true")).await, SandboxError::Ended);
            let left = fs::read_dir(machine.settings().run_dir.join("tmp")).map_or(0, Iterator::count);
            assert_eq!(left, 0, "folders for temporary files");
        },
    )
    .await;
}

#[tokio::test]
async fn a_sandbox_ends_when_nobody_holds_it() {
    on_all_walls(
        |_| {},
        async |machine| {
            let sandbox = machine.start().await;
            let (streams, mut out) = walls_support::captured();
            sandbox.spawn(&script("setsid sleep 600 & echo up; sleep 600"), Stdio::Fds(streams)).await;
            out.expect("up\n").await;
            drop(sandbox);
            assert_eq!(out.rest().await, "");
        },
    )
    .await;
}

#[tokio::test]
async fn a_sandbox_ends_with_its_outermost_process() {
    on_bubblewrap(
        |_| {},
        async |machine| {
            let sandbox = machine.start().await;
            let (streams, mut out) = walls_support::captured();
            sandbox.spawn(&script("setsid sleep 600 & echo up; sleep 600"), Stdio::Fds(streams)).await;
            out.expect("up\n").await;
            walls_support::kill(sandbox.agent.pid());
            sandbox.agent.ended().await;
            assert_eq!(out.rest().await, "");
        },
    )
    .await;
}

#[tokio::test]
async fn killing_all_ends_no_more_than_the_sandbox() {
    on_all_walls(
        |_| {},
        async |machine| {
            let (one, two) = (machine.start().await, machine.start_for("files-b", "home-b").await);
            // Behind Landlock the agent is among them, and may not even tell that the program started.
            let started = one.agent.spawn(&script("kill -9 -1"), Stdio::Fds(walls_support::null_streams())).await;
            if let Ok(mut running) = started {
                tokio::time::timeout(walls_support::PATIENCE, running.exit()).await.unwrap();
            }
            assert_eq!(two.sh("echo fine").await, "fine\n");
        },
    )
    .await;
}

#[tokio::test]
async fn a_terminal_is_the_programs_own() {
    on_all_walls(
        |_| {},
        async |machine| {
            let sandbox = machine.start().await;
            let (mut master, pts) = walls_support::terminal();
            let mut running = sandbox
                .spawn(&script("[ -t 0 ] && echo yes; echo via > /dev/tty; ls /dev/pts"), Stdio::Terminal(pts))
                .await;
            assert_eq!(running.exit().await.unwrap().signal, None);
            let out = walls_support::read_terminal(&mut master);
            assert!(out.starts_with("yes\r\nvia\r\n"), "{out}");
            assert!(!out.lines().any(|line| line.trim().parse::<u32>().is_ok()), "no terminal of others: {out}");
        },
    )
    .await;
}

#[tokio::test]
async fn without_walls_the_environment_is_still_empty() {
    let Some(machine) = Machine::new(SandboxMode::None, |_| {}).await else { return };
    assert!(machine.walls.warnings()[0].contains("without a sandbox"));
    let out = machine.start().await.sh("echo $HOME; pwd; env").await;
    let data = machine.data();
    assert!(out.starts_with(&format!("{0}/home-a\n{0}/files-a\n", data.display())) && !out.contains("CARGO"), "{out}");
    let settings = SandboxSettings {
        network: NetworkPolicy { mode: NetworkMode::None, ..NetworkPolicy::default() },
        ..machine.settings()
    };
    let refused = Walls::detect(&settings).await.unwrap_err();
    assert!(refused.to_string().contains("network"), "{refused}");
}

#[tokio::test]
async fn says_why_nothing_works() {
    let dir = walls_support::folder();
    let settings = SandboxSettings { helper: Some("/usr/bin/false".into()), ..walls_support::settings(dir.path()) };
    let walls = Walls::detect(&settings).await.unwrap();
    assert_eq!((walls.name(), walls.check_available().unwrap_err().code()), ("unavailable", "sandbox.unavailable"));
    let missing = SandboxSettings { helper: Some("/no/such/program".into()), ..settings };
    assert_eq!(Walls::detect(&missing).await.unwrap_err().code(), "sandbox.unavailable");
}

#[test]
#[ignore = "runs inside a sandbox"]
fn probe_calls() {
    walls_support::probe::calls();
}

#[test]
#[ignore = "runs inside a sandbox"]
fn probe_in_flight() {
    walls_support::probe::in_flight();
}

#[test]
#[ignore = "runs inside a sandbox"]
fn probe_pools() {
    walls_support::probe::pools();
}

#[test]
#[ignore = "runs inside a sandbox"]
fn probe_kernel_memory() {
    walls_support::probe::kernel_memory();
}

#[test]
#[ignore = "runs inside a sandbox"]
fn probe_inet() {
    walls_support::probe::inet();
}

/// Everything above once more for a server that is not root. The test program is copied to where everybody may read.
#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    use std::os::unix::fs::PermissionsExt as _;
    let dir = walls_support::folder();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let (tests, program) = (dir.path().join("tests"), dir.path().join("coditect-sandbox"));
    copy_program(&std::env::current_exe().unwrap(), &tests);
    copy_program(&helper(), &program);
    let run = std::process::Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&tests)
        .args(["--test-threads", "2"])
        .env("CODITECT_TEST_HELPER", &program)
        .env("TMPDIR", dir.path())
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
}
