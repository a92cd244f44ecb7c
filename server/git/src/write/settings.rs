//! Which of a repository's settings hold while a login may be given.

use crate::names;

/// Variables of a repository's own `http` configuration that cannot lead a login elsewhere.
const HARMLESS_HTTP: &[&str] = &[
    "postbuffer",
    "version",
    "lowspeedlimit",
    "lowspeedtime",
    "maxrequests",
    "minsessions",
    "maxrequestbuffer",
    "useragent",
    "noepsv",
    "keepaliveidle",
    "keepaliveinterval",
    "keepalivecount",
];
/// What holds beside those, by section. All other settings are left out: above all what names programs, files and further places.
const KEPT: &[(&str, &[&str])] = &[
    (
        "core",
        &[
            "repositoryformatversion",
            "filemode",
            "symlinks",
            "ignorecase",
            "precomposeunicode",
            "sharedrepository",
            "logallrefupdates",
            "compression",
            "loosecompression",
            "bigfilethreshold",
            "packedgitlimit",
            "packedgitwindowsize",
            "fsync",
            "fsyncmethod",
        ],
    ),
    ("extensions", &["noop", "objectformat", "compatobjectformat", "partialclone", "preciousobjects", "refstorage"]),
    ("remote", &["url", "pushurl", "fetch", "tagopt", "prune", "prunetags", "promisor", "partialclonefilter"]),
    ("branch", &["remote", "merge"]),
    ("url", &["insteadof", "pushinsteadof"]),
    ("fetch", &["prune", "prunetags", "parallel", "unpacklimit", "fsckobjects", "negotiationalgorithm"]),
    ("transfer", &["unpacklimit", "fsckobjects"]),
    ("push", &["followtags", "pushoption"]),
    ("pack", &["compression", "depth", "packsizelimit", "threads", "window", "windowmemory"]),
    ("protocol", &["version"]),
];

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    section: String,
    subsection: Option<Vec<u8>>,
    variable: String,
    /// None for one that is there and says nothing, which means yes.
    value: Option<Vec<u8>>,
}

/// What was read of a configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// What holds.
    pub(super) kept: Vec<Entry>,
    /// The first that forbids logins.
    pub(super) refused_by: Option<String>,
}

impl Settings {
    /// Of `git config --list --show-scope -z`: the repository's own. Those of the person are theirs, and git reads them itself.
    pub(super) fn parse(output: &[u8]) -> Self {
        let mut settings = Self::default();
        let mut fields = output.split(|byte| *byte == 0);
        while let (Some(scope), Some(entry)) = (fields.next(), fields.next()) {
            let Some(entry) = Entry::parse(entry).filter(|_| matches!(scope, b"local" | b"worktree")) else { continue };
            if settings.refused_by.is_none() && entry.is_unsafe() {
                settings.refused_by = Some(entry.shown());
            }
            if entry.is_kept() {
                settings.kept.push(entry);
            }
        }
        settings
    }
}

impl Entry {
    /// `section.subsection.variable`, and the value on the next line where there is one.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = text.splitn(2, |byte| *byte == b'\n');
        let (key, value) = (parts.next()?, parts.next());
        let (first, last) = (key.iter().position(|byte| *byte == b'.')?, key.iter().rposition(|byte| *byte == b'.')?);
        let word = |bytes: &[u8]| Some(std::str::from_utf8(bytes).ok()?.to_ascii_lowercase());
        Some(Self {
            section: word(&key[..first])?,
            subsection: (first < last).then(|| key[first + 1..last].to_vec()),
            variable: word(&key[last + 1..])?,
            value: value.map(<[u8]>::to_vec),
        })
    }

    /// Whether it could lead a login elsewhere: through a proxy, past the check of a certificate, to a program. It would be left
    /// out; that it is there is told all the same, since without it nothing may be reached at all.
    fn is_unsafe(&self) -> bool {
        let variable = self.variable.as_str();
        match self.section.as_str() {
            "http" => !HARMLESS_HTTP.contains(&variable),
            "remote" => matches!(variable, "vcs" | "proxy" | "proxyauthmethod"),
            "core" => matches!(variable, "alternaterefscommand" | "gitproxy"),
            _ => false,
        }
    }

    fn is_kept(&self) -> bool {
        let variable = self.variable.as_str();
        let listed = KEPT.iter().any(|(section, variables)| self.section == *section && variables.contains(&variable));
        listed || (self.section == "http" && HARMLESS_HTTP.contains(&variable))
    }

    fn shown(&self) -> String {
        let subsection = self.subsection.as_deref().map(String::from_utf8_lossy);
        let parts = [Some(self.section.as_str()), subsection.as_deref(), Some(self.variable.as_str())];
        names::shown(&parts.into_iter().flatten().collect::<Vec<_>>().join("."))
    }

    /// As it stands in a file.
    pub(super) fn text(&self) -> Vec<u8> {
        let Self { section, subsection, variable, value } = self;
        let mut text = format!("[{section}").into_bytes();
        if let Some(subsection) = subsection {
            text.extend_from_slice(b" \"");
            text.extend(subsection.iter().flat_map(|byte| escaped(*byte, false)));
            text.push(b'"');
        }
        text.extend_from_slice(format!("]\n\t{variable}").as_bytes());
        if let Some(value) = value {
            text.extend_from_slice(b" = \"");
            text.extend(value.iter().flat_map(|byte| escaped(*byte, true)));
            text.push(b'"');
        }
        text.push(b'\n');
        text
    }
}

/// A byte within quotes. Names of sections know fewer signs, and have no line breaks.
fn escaped(byte: u8, is_value: bool) -> Vec<u8> {
    match byte {
        b'"' | b'\\' => vec![b'\\', byte],
        b'\n' if is_value => b"\\n".to_vec(),
        b'\t' if is_value => b"\\t".to_vec(),
        0x08 if is_value => b"\\b".to_vec(),
        _ => vec![byte],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str) -> Entry {
        Entry::parse(key.as_bytes()).unwrap()
    }

    #[test]
    fn what_could_lead_a_login_elsewhere_is_known() {
        for key in [
            "http.proxy",
            "http.https://h/.sslVerify",
            "http.sslcainfo",
            "HTTP.CurloptResolve",
            "http.extraHeader",
            "remote.origin.vcs",
            "remote.a.b.proxy",
            "core.alternateRefsCommand",
            "http.somethingnew",
            "http.https://a.b/c.d.cookieFile",
        ] {
            assert!(of(key).is_unsafe() && !of(key).is_kept(), "{key}");
        }
        for key in ["http.postBuffer", "http.https://h/.version", "remote.origin.url", "url.x.insteadof"] {
            assert!(!of(key).is_unsafe() && of(key).is_kept(), "{key}");
        }
        for key in [
            "core.worktree",
            "core.sshCommand",
            "core.hooksPath",
            "include.path",
            "includeif.gitdir:/.path",
            "credential.helper",
            "remote.origin.uploadpack",
            "remote.origin.receivepack",
            "fetch.bundleURI",
            "alias.fetch",
            "extensions.worktreeConfig",
        ] {
            assert!(!of(key).is_kept(), "{key}");
        }
    }

    #[test]
    fn only_the_repositorys_own_is_taken() {
        let output =
            b"global\0http.proxy\nx\0local\0core.bare\nfalse\0worktree\0fetch.prune\0local\0http.a.b.proxy\ny\0";
        let Settings { kept, refused_by } = Settings::parse(output);
        assert_eq!(kept, [of("fetch.prune")]);
        assert_eq!(refused_by.as_deref(), Some("http.a.b.proxy"));
    }

    #[test]
    fn git_reads_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        let entries =
            ["remote.a \"b\\.c.url\n h\t\"x\\\n;#\u{8} ", "fetch.prune", "push.pushoption\n", "core.fsync\nall"];
        let entries = entries.map(of);
        std::fs::write(&file, entries.iter().flat_map(Entry::text).collect::<Vec<_>>()).unwrap();
        let git = std::process::Command::new("git").args(["config", "--list", "-z", "-f"]).arg(&file).output().unwrap();
        let listed = git.stdout.split(|byte| *byte == 0).filter_map(Entry::parse).collect::<Vec<_>>();
        assert_eq!(listed, entries);
    }
}
