//! The environment of a program: built from nothing.

use std::collections::BTreeMap;

use crate::SandboxSettings;

/// Name of the person inside, which `/etc/passwd` there knows.
pub(crate) const USER: &str = "coditect";

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The shell of a person who named none.
#[must_use]
pub fn default_shell() -> &'static str {
    if std::path::Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" }
}

/// The variables that all programs of a sandbox have: the basic ones, then the walls' own, then the operator's.
pub(crate) fn build(
    settings: &SandboxSettings,
    home: &str,
    of_walls: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let mut path = format!("{home}/.local/bin:{home}/bin");
    for tools in &settings.read_only_paths {
        let bin = tools.join("bin");
        if bin.is_dir() {
            path.push(':');
            path.push_str(&bin.to_string_lossy());
        }
    }
    path.push(':');
    path.push_str(SYSTEM_PATH);
    let basic = [
        ("PATH", path.as_str()),
        ("HOME", home),
        ("USER", USER),
        ("LOGNAME", USER),
        ("SHELL", default_shell()),
        ("TERM", "xterm-256color"),
        ("COLORTERM", "truecolor"),
        ("LANG", "C.UTF-8"),
    ];
    let mut env: BTreeMap<_, _> = basic.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    env.extend(of_walls);
    env.extend(settings.env.iter().cloned());
    env
}
