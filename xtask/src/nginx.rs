//! nginx in front of the server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::children::{Running, service};
use crate::exec;
use crate::repo::Repo;
use crate::{server, stamp};

/// Largest upload unless the server was told otherwise: its default of `files_max_upload_bytes`.
const MAX_BODY: &str = "4g";
const AFFINITY: &str = "#affinity ";

/// What the template leaves open.
pub(crate) struct Values<'a> {
    pub(crate) listen: &'a str,
    pub(crate) upstream: &'a str,
    pub(crate) prefix: &'a Path,
    pub(crate) max_body: &'a str,
    /// Whether a browser stays with one of several servers.
    pub(crate) affinity: bool,
}

/// The configuration; an open variable is an error.
pub(crate) fn render(template: &str, values: &Values<'_>) -> Result<String> {
    let prefix = values.prefix.to_str().context("the data directory's name must be UTF-8 for nginx")?;
    if let Some(odd) = prefix.chars().find(|c| c.is_whitespace() || "\"'\\;{}$#".contains(*c)) {
        bail!("nginx takes no `{odd}` in a path: choose another data directory with --data");
    }
    // Comments explain the variables and stay as they are.
    let lines = template.lines().filter(|line| !line.starts_with('#'));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let text = if values.affinity { text.replace(AFFINITY, "") } else { text };
    let pairs =
        [("LISTEN", values.listen), ("UPSTREAM", values.upstream), ("PREFIX", prefix), ("MAX_BODY", values.max_body)];
    let text =
        pairs.iter().fold(text, |text, (name, value)| text.replace(&format!("${{CODITECT_NGINX_{name}}}"), value));
    if let Some((_, open)) = text.split_once("${CODITECT_NGINX_") {
        bail!("the nginx template has a variable that nothing fills: {}", open.split('}').next().unwrap_or_default());
    }
    Ok(text)
}

/// Starts nginx on `listen` in front of `upstream`, with everything it writes below `dir`, and waits until it passes requests on.
pub(crate) fn start(repo: &Repo, dir: &Path, listen: SocketAddr, upstream: SocketAddr) -> Result<Running> {
    let config = configure(repo, dir, &listen.to_string(), &upstream.to_string(), false)?;
    let mut command = nginx(dir, &config)?;
    command.args(["-g", "daemon off;"]);
    let mut running = Running::start(&mut command)?;
    server::wait(&mut running, "nginx", listen, "/health")
        .with_context(|| format!("what nginx says is in {}", dir.join("error.log").display()))?;
    Ok(running)
}

fn configure(repo: &Repo, dir: &Path, listen: &str, upstream: &str, affinity: bool) -> Result<PathBuf> {
    let template = std::fs::read_to_string(repo.nginx_template()).context("the nginx template cannot be read")?;
    let dir = std::path::absolute(dir)?;
    let text = render(&template, &Values { listen, upstream, prefix: &dir, max_body: MAX_BODY, affinity })?;
    let config = dir.join("nginx.conf");
    stamp::write(&config, text.as_bytes())?;
    Ok(config)
}

fn nginx(dir: &Path, config: &Path) -> Result<std::process::Command> {
    let program =
        exec::find("nginx").context("`nginx` is not installed; on Debian: sudo apt-get install nginx-light")?;
    let mut command = service(program);
    // Without -e the log that was compiled in would be opened first, and an ordinary user may not.
    command.arg("-e").arg(dir.join("error.log")).arg("-p").arg(dir).arg("-c").arg(config);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(prefix: &Path) -> Values<'_> {
        Values { listen: "127.0.0.1:1", upstream: "127.0.0.1:2", prefix, max_body: "1m", affinity: false }
    }

    #[test]
    fn an_open_variable_and_an_odd_path_are_refused() {
        assert_eq!(render("a ${CODITECT_NGINX_LISTEN};", &values(Path::new("/x"))).unwrap(), "a 127.0.0.1:1;\n");
        let error = render("a ${CODITECT_NGINX_OTHER};", &values(Path::new("/x"))).unwrap_err();
        assert!(error.to_string().contains("OTHER"));
        assert!(render("", &values(Path::new("/x; evil"))).unwrap_err().to_string().contains("--data"));
    }

    #[test]
    fn nginx_accepts_the_template() {
        if !exec::on_path("nginx") {
            assert!(!crate::checks::is_required("nginx"), "nginx is not on the PATH");
            return;
        }
        let repo = Repo::find();
        for affinity in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let config = configure(&repo, dir.path(), "127.0.0.1:8700", "127.0.0.1:8701", affinity).unwrap();
            let mut command = nginx(dir.path(), &config).unwrap();
            let output = command.arg("-t").output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!text.contains("[warn]"), "{text}");
        }
    }
}
