//! The environment of a program: built from nothing.

use std::collections::BTreeMap;

use super::{SandboxSettings, SandboxSpec};

/// Name of the person inside, which `/etc/passwd` there knows.
pub(super) const USER: &str = "coditect";

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The shell of a person who named none.
pub(crate) fn default_shell() -> &'static str {
    if std::path::Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" }
}

/// All variables of a program: the basic ones, then the operator's, then the caller's.
pub(super) fn build(spec: &SandboxSpec, settings: &SandboxSettings, home: &str) -> BTreeMap<String, String> {
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
    env.extend(settings.env.iter().cloned());
    env.extend(spec.env.iter().cloned());
    env
}
