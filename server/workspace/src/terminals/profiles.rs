//! The shells of this machine.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use coditect_protocol::terminal::TerminalProfile;
use coditect_sandbox::environment::default_shell;

/// Where the system says which programs are shells.
const LIST: &str = "/etc/shells";
/// Shells that people install beside those.
const KNOWN: [&str; 10] = ["bash", "dash", "elvish", "fish", "ksh", "nu", "pwsh", "sh", "tcsh", "zsh"];
/// Folders of the system's that sandboxes see and whose programs are found by their names.
const FOLDERS: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
/// What some systems list beside shells: programs that hold a person in, or hold other shells.
const NO_SHELLS: [&str; 7] = ["false", "git-shell", "nologin", "rbash", "rsh", "screen", "tmux"];
/// Bits of a mode of which a program has one.
const EXECUTABLE_BITS: u32 = 0o111;

/// Each shell once, by its name; the default one first. `tools` are directories whose folder `bin` is on `PATH`.
pub(super) fn find(tools: &[PathBuf]) -> Vec<TerminalProfile> {
    let listed = std::fs::read_to_string(LIST).unwrap_or_default();
    choose(default_shell(), &listed, tools, is_program)
}

fn choose(default: &str, listed: &str, tools: &[PathBuf], exists: impl Fn(&Path) -> bool) -> Vec<TerminalProfile> {
    let bins: Vec<_> = tools.iter().map(|tools| tools.join("bin")).chain(FOLDERS.map(PathBuf::from)).collect();
    let listed = listed.lines().map(str::trim).filter(|line| line.starts_with('/')).map(PathBuf::from);
    // Others would not be there inside.
    let listed = listed.filter(|path| path.parent().is_some_and(|folder| bins.iter().any(|bin| bin == folder)));
    let known = KNOWN.iter().flat_map(|name| bins.iter().map(move |bin| bin.join(name)));
    let mut profiles: Vec<TerminalProfile> = Vec::new();
    for path in std::iter::once(PathBuf::from(default)).chain(listed).chain(known) {
        let (Some(name), Some(program)) = (path.file_name().and_then(|name| name.to_str()), path.to_str()) else {
            continue;
        };
        let is_new = profiles.iter().all(|profile| profile.name != name);
        if is_new && !NO_SHELLS.contains(&name) && exists(&path) {
            let (name, program) = (name.to_owned(), program.to_owned());
            profiles.push(TerminalProfile { name, program, args: Vec::new(), is_default: profiles.is_empty() });
        }
    }
    profiles.sort_by(|a, b| b.is_default.cmp(&a.is_default).then_with(|| a.name.cmp(&b.name)));
    profiles
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & EXECUTABLE_BITS != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_is_there_once_and_no_other_program() {
        let there = [
            "/bin/bash",
            "/usr/bin/bash",
            "/bin/sh",
            "/usr/bin/tmux",
            "/opt/x/bin/fish",
            "/srv/odd/shell",
            "/usr/bin/zsh",
        ];
        let listed = "# comment\n/bin/sh\n/usr/bin/sh\n/bin/bash\n/usr/bin/tmux\n/srv/odd/shell\n/usr/bin/gone\n";
        let found =
            choose("/bin/bash", listed, &["/opt/x".into()], |path| there.iter().any(|one| path == Path::new(one)));
        let found: Vec<_> =
            found.iter().map(|profile| (profile.name.as_str(), profile.program.as_str(), profile.is_default)).collect();
        assert_eq!(
            found,
            [
                ("bash", "/bin/bash", true),
                ("fish", "/opt/x/bin/fish", false),
                ("sh", "/bin/sh", false),
                ("zsh", "/usr/bin/zsh", false)
            ]
        );
    }

    #[test]
    fn this_machine_has_a_default() {
        let found = find(&[]);
        assert_eq!(found.iter().filter(|profile| profile.is_default).count(), 1);
        assert_eq!(found[0].program, default_shell());
    }
}
