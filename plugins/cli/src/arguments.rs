//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  not done; the message says why and what to do
  2  the command line is wrong
  3  tests failed
  4  a tool is missing; the message says what to install";

/// Makes, tests and publishes plugins of Coditect
#[derive(Debug, Parser)]
#[command(name = "coditect-plugin", version, about, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// The plugin's folder
    #[arg(short = 'C', long, global = true, default_value = ".", value_name = "DIR")]
    pub(crate) folder: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Writes the folder of a new plugin
    New(New),
    /// Makes the component and the package, dist/NAME-VERSION.coditect-plugin
    Build {
        /// Small and fast, as it is published
        #[arg(long)]
        release: bool,
    },
    /// Builds, and runs the tests of tests/*.toml in the real host
    #[command(after_long_help = include_str!("tests.txt"))]
    Test {
        /// Only tests with this in their names
        #[arg(long, value_name = "WORD")]
        filter: Option<String>,
    },
    /// Builds, sends it to a workspace of yours, and follows its log
    Run(Run),
    /// Keys that packages are signed with
    #[command(subcommand)]
    Key(KeyCommand),
    /// Signs a package
    Sign {
        /// The package; its file is replaced by the signed one
        file: PathBuf,
        /// The key's file
        #[arg(long, value_name = "FILE", env = "CODITECT_PLUGIN_KEY")]
        key: Option<PathBuf>,
    },
    /// Builds, signs, and publishes in a server's registry
    Publish(Publish),
    /// Shows what a package is, asks for and holds
    Inspect {
        /// The package
        file: PathBuf,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// Its name: lower-case words with hyphens
    pub(crate) name: String,
    /// What it is written in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    pub(crate) language: Language,
    /// Who publishes it: the first part of its full name
    #[arg(long, default_value = "example", value_name = "NAME")]
    pub(crate) publisher: String,
}

/// What plugins are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    #[value(alias = "js")]
    Javascript,
    #[value(alias = "ts")]
    Typescript,
    Python,
    C,
}

/// A server, and who asks.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Its address, such as https://ide.example.org
    #[arg(long, value_name = "URL", env = "CODITECT_SERVER")]
    pub(crate) server: String,
    /// A personal access token of the scopes plugins and, to run, workspaces:read; better given in the variable, which others on this
    /// machine do not see
    #[arg(long, value_name = "TOKEN", env = "CODITECT_TOKEN", hide_env_values = true)]
    pub(crate) token: String,
    /// Send the token over an unencrypted line
    #[arg(long)]
    pub(crate) allow_http: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Identifier or name of a workspace
    #[arg(long, value_name = "ID|NAME")]
    pub(crate) workspace: String,
    /// Build and send again whenever a file of the plugin changes
    #[arg(long)]
    pub(crate) watch: bool,
    /// Grant all that it asks for, without being asked
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// End once it was sent, and follow nothing
    #[arg(long, conflicts_with = "watch")]
    pub(crate) once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    #[command(flatten)]
    pub(crate) server: Server,
    /// The key's file
    #[arg(long, value_name = "FILE", env = "CODITECT_PLUGIN_KEY")]
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Makes a key, in a file that only you can read
    New {
        /// Where
        #[arg(long, value_name = "FILE", env = "CODITECT_PLUGIN_KEY")]
        key: Option<PathBuf>,
        /// In place of the one that is there; what it signed stays signed, but nothing new can be
        #[arg(long)]
        force: bool,
    },
    /// Tells the public key and its identifier
    Show {
        /// The key's file
        #[arg(long, value_name = "FILE", env = "CODITECT_PLUGIN_KEY")]
        key: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
