//! `cargo xtask run`: from a fresh checkout to a working address.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::children::Running;
use crate::compress::Quality;
use crate::history::History;
use crate::repo::{Profile, Repo};
use crate::setup::{self, Needs};
use crate::ui::{self, Done};
use crate::{exec, model, nginx, pages, server};

/// Address of the first administrator.
const FIRST_LOGIN: &str = "admin@localhost.test";

#[derive(Args)]
pub(crate) struct RunArgs {
    /// Address and port to open in the browser.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8700")]
    listen: SocketAddr,
    /// Directory for everything that lasts [default: .coditect-data in the checkout].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Puts nginx in front of the server, as in production.
    #[arg(long)]
    nginx: bool,
    /// Fetches and starts a small real language model, so that the chat answers on a bare machine.
    #[arg(long)]
    model: bool,
    /// Builds the server without optimisation, which is quicker.
    #[arg(long)]
    dev: bool,
    /// Flags for the server, after `--`: `cargo xtask run -- --log debug`. The README lists them.
    #[arg(last = true, value_name = "SERVER FLAGS")]
    server_flags: Vec<String>,
}

pub(crate) fn run(repo: &Repo, args: &RunArgs, started: Instant) -> Result<()> {
    // What would fail at the end is said at the beginning.
    server::require_free(args.listen)?;
    let mut needs = Needs::pages(&[setup::LIBCLANG, setup::BUBBLEWRAP, setup::GIT]);
    if args.nginx {
        needs.tools.push(setup::NGINX);
    }
    if args.model {
        needs.tools.extend(model::tools());
    }
    // The IDE works without the others, and says what it lacks.
    setup::require(&setup::prepare(repo, &needs)?, &[setup::LIBCLANG, setup::NGINX])?;
    let history = History::open(repo, "run");
    let data = data_dir(repo, args)?;
    let profile = if args.dev { Profile::Dev } else { Profile::Release };
    // A page that is pressed quickly is good enough on the loopback, and saves most of a minute.
    pages::build(repo, Quality::Quick)?;
    let mut program = PathBuf::new();
    ui::step("server", &format!("compiles the server ({})", profile.name()), || {
        program = exec::server(repo, profile)?;
        Ok(Done::did(""))
    })?;
    let running = Everything::start(repo, args, program, &data)?;
    announce(args, &data, &history.succeeded(ui::since_typed(started)));
    running.wait()
}

fn data_dir(repo: &Repo, args: &RunArgs) -> Result<PathBuf> {
    let data = std::path::absolute(args.data.clone().unwrap_or_else(|| repo.root.join(".coditect-data")))?;
    fs::create_dir_all(&data)
        .with_context(|| format!("the data directory {} cannot be made: choose another with --data", data.display()))?;
    Ok(data)
}

/// All that was started. The order of the fields is the order in which it ends.
struct Everything {
    nginx: Option<Running>,
    server: Running,
    model: Option<model::Model>,
}

impl Everything {
    fn start(repo: &Repo, args: &RunArgs, program: PathBuf, data: &std::path::Path) -> Result<Self> {
        let model = if args.model { optional_model(repo, data) } else { None };
        let mut flags = vec!["--first-login".to_owned(), FIRST_LOGIN.to_owned()];
        if let Some(home) = import_path(args.listen) {
            flags.extend(["--import-path".to_owned(), home.to_string_lossy().into_owned()]);
        }
        if let Some(model) = &model {
            flags.extend(["--llm-upstream".to_owned(), format!("{}={}", model::UPSTREAM, model.url())]);
        }
        if args.nginx && !args.server_flags.iter().any(|flag| flag.starts_with("--trusted-proxies")) {
            flags.extend(["--trusted-proxies".to_owned(), "127.0.0.1".to_owned()]);
        }
        if !args.server_flags.iter().any(|flag| flag.starts_with("--terminal-keep-minutes")) {
            // Ctrl-C stops everything, terminals included.
            flags.extend(["--terminal-keep-minutes".to_owned(), "0".to_owned()]);
        }
        flags.extend(args.server_flags.iter().cloned());
        let listen = if args.nginx { server::free_address()? } else { args.listen };
        let options = server::Options {
            program,
            listen,
            data: data.to_owned(),
            web: repo.web_dir(),
            theia: repo.theia_dir(),
            flags,
        };
        ui::headline("start", &format!("server on {listen}"));
        let server = server::start(&options)?;
        let nginx = if args.nginx {
            ui::headline("start", &format!("nginx on {} in front of {listen}", args.listen));
            Some(nginx::start(repo, &data.join("nginx"), args.listen, listen)?)
        } else {
            None
        };
        Ok(Self { nginx, server, model })
    }

    /// Until the server ends by itself: an interruption ends everything elsewhere.
    fn wait(self) -> Result<()> {
        let status = self.server.wait()?;
        if let Some(nginx) = self.nginx {
            nginx.stop();
        }
        if let Some(model) = self.model {
            model.stop();
        }
        if !status.success() {
            bail!("the server ended ({status})");
        }
        Ok(())
    }
}

/// Repositories below the home directory may be cloned by path, as long as only this machine can ask for it.
fn import_path(listen: SocketAddr) -> Option<PathBuf> {
    std::env::home_dir().filter(|home| listen.ip().is_loopback() && home.is_dir())
}

/// The IDE works without the small model: why it is not there is said, and the rest goes on.
fn optional_model(repo: &Repo, data: &std::path::Path) -> Option<model::Model> {
    match model::start(repo, &data.join("model-server.log")) {
        Ok(model) => Some(model),
        Err(error) => {
            ui::warn(&format!("{error:#}"));
            None
        }
    }
}

fn announce(args: &RunArgs, data: &std::path::Path, took: &str) {
    let address = server::reachable(args.listen);
    println!("\n  Coditect is ready: http://{address}/   (the IDE: http://{address}/theia/)");
    match server::first_login(data) {
        Some(login) => println!("  First login:       {}   password: {}", login.login, login.password),
        None => println!("  Log in with the account you made before, or register a new one."),
    }
    println!("  Data:              {}", data.display());
    if let Some(home) = import_path(args.listen) {
        println!("  Import by path:    repositories below {} (only on a loopback address)", home.display());
    }
    println!("  {took}. Ctrl-C stops everything.\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_home_directory_are_offered_on_the_loopback_alone() {
        let offered = |listen: &str| import_path(listen.parse().unwrap());
        assert_eq!(offered("127.0.0.1:8700"), std::env::home_dir().filter(|home| home.is_dir()));
        assert_eq!(offered("0.0.0.0:8700"), None);
        assert_eq!(offered("[::]:8700"), None);
        assert_eq!(offered("192.0.2.1:8700"), None);
    }
}
