//! The command line.

mod command;
mod credentials;
mod person;
pub(crate) mod plugin_compile;
mod remote;
mod store_data;
mod store_serve;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgMatches, Args as _, Command, arg, value_parser};
use coditect_protocol::Coded as _;
use tokio::runtime::Runtime;

use crate::settings::{Given, VARIABLE_PREFIX, load, rows};
use crate::{server, settings};
use store_serve::StoreServe;

/// Exit status for wrong flags, variables or configuration.
const EXIT_CONFIGURATION: u8 = 2;
/// Threads for work that blocks. Half of them are more than files ever take, with what is counted, searched and downloaded: passwords
/// and the store find one whatever people do with their files.
const BLOCKING_THREADS: usize = 2 * coditect_workspace::tree::FILE_WORK_AT_ONCE;
/// How long work that cannot be broken off, such as a read from a disk that hangs, may hold up a server that has stopped.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

fn command() -> Command {
    let config = arg!(--config <FILE> "Configuration file (TOML)")
        .env(format!("{VARIABLE_PREFIX}CONFIG"))
        .value_parser(value_parser!(PathBuf))
        .required(false);
    // Said last: the table describes itself too.
    let serve = Given::augment_args(Command::new("serve")).about("Serves the front, the IDE and the API").arg(config);
    Command::new("coditect-v5-api")
        .about("The Coditect server")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(settings::with_variables(serve))
        .subcommand(store_command())
        .subcommand(Command::new("settings").about("Lists every setting with its default, as a configuration file"))
        .subcommand(person::command())
        .subcommand(plugin_compile::command())
        .subcommands(remote::commands())
}

fn store_command() -> Command {
    Command::new("store")
        .about("Backs up, restores, copies, checks or serves a store")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(store_data::commands())
        .subcommand(store_serve::command())
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return explain(&error),
    };
    match matches.subcommand() {
        Some(("serve", serve)) => run_serve(serve),
        Some(("plugin-compile", plugin)) => plugin_compile::run(plugin),
        Some(("person", person)) => command::told(person::run(person)),
        Some((name @ ("login" | "whoami" | "logout"), matches)) => command::told(remote::run(name, matches)),
        Some(("store", store)) => run_store(store),
        _ => {
            println!("{}", documented_file());
            ExitCode::SUCCESS
        }
    }
}

fn run_serve(matches: &ArgMatches) -> ExitCode {
    let file = matches.get_one::<PathBuf>("config");
    let settings = match load(matches, file.map(PathBuf::as_path)) {
        Ok(settings) => settings,
        Err(error) => return fail(error.code(), &error, EXIT_CONFIGURATION),
    };
    if let Err(message) = server::init_logging(&settings) {
        return fail("config.log", &message, EXIT_CONFIGURATION);
    }
    finish(async { server::serve(settings).await.map_err(|error| (error.code().to_owned(), error.to_string())) })
}

fn run_store(matches: &ArgMatches) -> ExitCode {
    match matches.subcommand() {
        Some(("serve", serve)) => run_store_serve(&StoreServe::new(serve)),
        Some((name, data)) => store_data::run(name, data),
        // The parser asks for one of them.
        None => ExitCode::from(EXIT_CONFIGURATION),
    }
}

fn run_store_serve(serve: &StoreServe) -> ExitCode {
    match serve.init_logging() {
        Ok(()) => finish(async { serve.run().await.map_err(|error| (error.code().to_owned(), error.to_string())) }),
        Err(message) => fail("config.log", &message, EXIT_CONFIGURATION),
    }
}

/// Runs something to its end and says how it went: its failure has a code and a sentence.
fn finish(work: impl Future<Output = Result<(), (String, String)>>) -> ExitCode {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = match builder.enable_all().max_blocking_threads(BLOCKING_THREADS).build() {
        Ok(runtime) => runtime,
        Err(error) => return fail("server.runtime", &error, 1),
    };
    match run_to_the_end(runtime, SHUTDOWN_LIMIT, work) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, error)) => fail(&code, &error, 1),
    }
}

fn run_to_the_end<T>(runtime: Runtime, limit: Duration, work: impl Future<Output = T>) -> T {
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(limit);
    outcome
}

/// What the parser of the command line has to say: help and version, or what is wrong, in the form of every other failure.
fn explain(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    let is_wrong = error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if is_wrong {
        eprint!("{}", wrong_flags(&error.render().to_string()));
    } else if error.print().is_err() {
        // Nobody reads it any more.
        return ExitCode::FAILURE;
    }
    if error.use_stderr() { ExitCode::from(EXIT_CONFIGURATION) } else { ExitCode::SUCCESS }
}

/// Puts the code behind the sentence, ahead of the parser's hints.
fn wrong_flags(rendered: &str) -> String {
    let text = rendered.strip_prefix("error: ").unwrap_or(rendered);
    let (sentence, hints) = text.split_once('\n').unwrap_or((text, ""));
    format!("coditect-v5-api: {sentence} (config.flags)\n{hints}")
}

fn fail(code: &str, error: &dyn std::fmt::Display, status: u8) -> ExitCode {
    eprintln!("coditect-v5-api: {error} ({code})");
    ExitCode::from(status)
}

/// The configuration file with every setting at its default, commented out.
#[must_use]
pub fn documented_file() -> String {
    let mut out = String::from("# Configuration of coditect-v5-api. Every line shows the default.\n");
    out.push_str("# Each setting is also a flag (--log-format) and a variable (CODITECT_LOG_FORMAT).\n");
    for row in rows() {
        out.push_str(&format!("\n# {}\n# {} = {}\n", row.doc, row.name, row.default));
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    /// Long enough that only a real hang is one.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn stuck_work_does_not_keep_the_server_from_stopping() {
        let (release, stuck) = mpsc::channel::<()>();
        let (started, under_way) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
            let work = async move {
                tokio::task::spawn_blocking(move || {
                    started.send(()).unwrap();
                    stuck.recv()
                });
                under_way.recv().unwrap();
                7
            };
            tell.send(super::run_to_the_end(runtime, Duration::from_millis(1), work)).unwrap();
        });
        assert_eq!(told.recv_timeout(PATIENCE), Ok(7));
        drop(release);
    }

    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }

    #[test]
    fn a_wrong_flag_is_told_with_its_code() {
        for (flag, value, named) in [
            ("--listen", "nowhere", "'nowhere'"),
            ("--terminals-per-workspace", "many", "'many'"),
            ("--lisen", "", "'--lisen'"),
        ] {
            let error = super::command().try_get_matches_from(["x", "serve", flag, value]).unwrap_err();
            let text = super::wrong_flags(&error.render().to_string());
            let (sentence, hints) = text.split_once('\n').unwrap();
            assert!(sentence.starts_with("coditect-v5-api: ") && sentence.ends_with(" (config.flags)"), "{text}");
            assert!(sentence.contains(named) && hints.contains("--help"), "{text}");
        }
    }

    #[test]
    fn the_documented_file_is_valid_once_uncommented() {
        let text: String = super::documented_file()
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')))
            .map(|line| format!("{line}\n"))
            .collect();
        let given: super::Given = toml::from_str(&text).unwrap();
        assert_eq!(given.log.as_deref(), Some("info"));
        assert_eq!(given.terminals_per_workspace, Some(32));
    }
}
