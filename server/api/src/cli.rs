//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, Args as _, Command, arg, value_parser};
use coditect_protocol::Coded as _;

use crate::settings::{Given, VARIABLE_PREFIX, load, rows};
use crate::{server, settings};

/// Exit status for wrong flags, variables or configuration.
const EXIT_CONFIGURATION: u8 = 2;

fn command() -> Command {
    let config = arg!(--config <FILE> "Configuration file (TOML)")
        .env(format!("{VARIABLE_PREFIX}CONFIG"))
        .value_parser(value_parser!(PathBuf))
        .required(false);
    let serve = Given::augment_args(Command::new("serve").about("Serves the front, the IDE and the API")).arg(config);
    Command::new("coditect-v5-api")
        .about("The Coditect server")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(settings::with_variables(serve))
        .subcommand(Command::new("settings").about("Lists every setting with its default, as a configuration file"))
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let matches = command().get_matches();
    match matches.subcommand() {
        Some(("serve", serve)) => run_serve(serve),
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
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail("server.runtime", &error, 1),
    };
    match runtime.block_on(server::serve(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.code(), &error, 1),
    }
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
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
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
