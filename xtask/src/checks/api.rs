//! The API against its own description: every route is called with what the description allows and with what it does not, and may answer
//! only what is described, and never with a fault of the server.
//!
//! The fuzzer (schemathesis, in Python) is kept in the target folder, taken only with the checksums in `tests/api/requirements.txt`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::pip;
use super::report::Went;
use crate::children::Running;
use crate::repo::Repo;
use crate::setup::{self, Tool};
use crate::{exec, server};

/// What fetches and runs the fuzzer.
pub(super) const TOOLS: [Tool; 2] = [setup::PIP, setup::LIBCLANG];
/// Cases for each route, in each kind of data, unless the variable says otherwise.
const DEFAULT_CASES: &str = "25";
/// How many cases for each route: more find more, and take longer.
const CASES: &str = "CODITECT_API_CASES";
/// What an answer must be. Left out: whether odd input is refused and plain input accepted, which our own tests say more exactly, for what
/// may be a name, a path or a code is not said by a schema.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth";

fn inputs(repo: &Repo) -> PathBuf {
    repo.root.join("tests/api")
}

/// Fetches the fuzzer where it is not there yet.
pub(super) fn install(repo: &Repo) -> Result<PathBuf> {
    pip::install(&inputs(repo).join("requirements.txt"), &repo.target.join("xtask-schemathesis"))
}

/// Starts the server on data of its own, and lets the fuzzer at it.
pub(super) fn fuzz(repo: &Repo, program: &Path, fuzzer: &Path) -> Result<Went> {
    let work = tempfile::tempdir()?;
    let (server, address) = start(program, work.path())?;
    let login = server::first_login(&work.path().join("data")).context("the server made no first login")?;
    let outcome = exec::run(
        Command::new("python3")
            .current_dir(work.path())
            .env("PYTHONPATH", fuzzer)
            .env("CODITECT_API_LOGIN", &login.login)
            .env("CODITECT_API_PASSWORD", &login.password)
            .args(["-m", "schemathesis.cli", "--config-file"])
            .arg(inputs(repo).join("schemathesis.toml"))
            .arg("run")
            .arg(format!("http://{address}/api/v5/openapi.json"))
            .args(["--phases", "examples,coverage,fuzzing", "--checks", CHECKS, "--generation-database", "none"])
            .args(["--warnings", "off", "--suppress-health-check", "all", "--request-timeout", "30"])
            .args(["--max-examples", &std::env::var(CASES).unwrap_or_else(|_| DEFAULT_CASES.to_owned())]),
    );
    // Its log is shown only where the fuzzer found something.
    server.stop();
    if outcome.is_err() {
        let log = fs::read_to_string(work.path().join("server.log")).unwrap_or_default();
        log.lines().filter(|line| line.contains("ERROR")).for_each(|line| eprintln!("{line}"));
    }
    outcome.map(|()| Went::Well(super::count::Count::ONE_PASSED))
}

fn start(program: &Path, work: &Path) -> Result<(Running, std::net::SocketAddr)> {
    let listen = server::free_address()?;
    let log = fs::File::create(work.join("server.log"))?;
    let flags = [
        // The fuzzer logs in and registers more often than a person may.
        ("--login-address-burst", "1000000"),
        ("--login-account-burst", "1000000"),
        ("--first-login", "admin@example.org"),
        ("--log", "warn"),
        ("--llm-discover", "off"),
    ];
    let options = server::Options {
        program: program.to_owned(),
        listen,
        data: work.join("data"),
        web: work.join("web"),
        theia: work.join("theia"),
        flags: flags.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]).collect(),
    };
    let mut command = options.command();
    command.stderr(log.try_clone()?).stdout(log);
    let mut running = Running::start(&mut command)?;
    server::wait(&mut running, "the server", listen, "/health")?;
    Ok((running, listen))
}
