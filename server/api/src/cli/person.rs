//! `person`: what the operator of the machine may do about people, straight in the store: somebody must be let in again when the
//! only admin has lost the password. The embedded store is in use while the server runs; stop that first.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, arg, value_parser};
use coditect_auth::{Auth, Device, Identity};
use coditect_protocol::auth::{PersonChange, PersonEntry, Role};
use coditect_store::Store;

use super::command::{CommandError, block_on};
use crate::error::ServerError;
use crate::features::auth_settings;
use crate::master_key;
use crate::settings::{Given, VARIABLE_PREFIX, load_given};

/// People read at a time.
const PAGE: usize = 200;

pub(super) fn command() -> Command {
    let one = |name: &'static str, about: &'static str| {
        Command::new(name).about(about).arg(arg!(<LOGIN> "E-mail address or name of the account"))
    };
    let place = |name: &'static str, value: &'static str, help: &'static str| {
        let variable = format!("{VARIABLE_PREFIX}{}", name.replace('-', "_").to_uppercase());
        Arg::new(name).long(name).value_name(value).help(help).env(variable).global(true)
    };
    Command::new("person")
        .about("Lists people and lets them in again, in the store of a server that is stopped")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(place("config", "FILE", "Configuration file of the server").value_parser(value_parser!(PathBuf)))
        .arg(place("data", "DIR", "Data directory of the server").value_parser(value_parser!(PathBuf)))
        .arg(place("store", "URL", "Store of the server"))
        .arg(place("master-key-file", "FILE", "Master key of the store").value_parser(value_parser!(PathBuf)))
        .arg(place("master-key-command", "PROGRAM,ARG…", "Program that prints the master key").value_delimiter(','))
        .subcommand(Command::new("list").about("Lists everybody"))
        .subcommand(one("reset-code", "Makes a one-time code with which a person sets a new password"))
        .subcommand(one("disable", "Keeps a person out and ends their logins"))
        .subcommand(one("enable", "Lets a person in again"))
        .subcommand(one("make-admin", "Makes a person an admin"))
}

pub(super) fn run(matches: &ArgMatches) -> Result<String, CommandError> {
    let Some((what, matches)) = matches.subcommand() else { return Ok(String::new()) };
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let given = Given {
        data: path("data"),
        store: matches.get_one::<String>("store").cloned(),
        master_key_file: path("master-key-file"),
        master_key_command: matches.get_many("master-key-command").map(|words| words.cloned().collect()),
        ..Given::default()
    };
    let settings = load_given(given, path("config").as_deref())?;
    // Nothing is made here: whoever names the wrong place learns it.
    let master_key = master_key::source(&settings)?;
    let not_there = |place: PathBuf| {
        let reason = "it is not there; give the data directory of a server that has been started";
        Err(ServerError::MasterKey(format!("{}: {reason}", place.display())).into())
    };
    if !master_key.is_there() {
        return not_there(settings.master_key_path());
    }
    if let Some(place) = settings.store_dir().filter(|place| !place.is_dir()) {
        return not_there(place);
    }
    let login = matches.try_get_one::<String>("LOGIN").ok().flatten().cloned();
    block_on(async move {
        let master_key = master_key.read().await?;
        let store = Store::open(&settings.store_url()).await.map_err(told)?;
        let outcome = match Auth::open(store.clone(), auth_settings(&settings), master_key).await {
            Ok(auth) => Operator::new(auth).await,
            Err(error) => Err(told(error)),
        };
        let outcome = match outcome {
            Ok(operator) => operator.carry_out(what, login.as_deref().unwrap_or_default()).await,
            Err(error) => Err(error),
        };
        store.close().await;
        outcome
    })
}

/// At the machine, an operator wants the detail.
#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn told(error: impl coditect_protocol::Coded) -> CommandError {
    crate::error::at_start(&error).into()
}

/// Who runs the machine.
struct Operator {
    auth: Auth,
    identity: Identity,
    device: Device,
}

impl Operator {
    async fn new(auth: Auth) -> Result<Self, CommandError> {
        let identity = auth.operator().await.map_err(told)?;
        let device = Device { user_agent: "coditect-v5-api person".to_owned(), ..Device::default() };
        Ok(Self { auth, identity, device })
    }

    async fn carry_out(&self, what: &str, login: &str) -> Result<String, CommandError> {
        match what {
            "list" => self.list().await,
            "reset-code" => self.reset_code(login).await,
            "disable" => self.change(login, PersonChange { disabled: Some(true), ..PersonChange::default() }).await,
            "enable" => self.change(login, PersonChange { disabled: Some(false), ..PersonChange::default() }).await,
            _ => self.change(login, PersonChange { role: Some(Role::Admin), ..PersonChange::default() }).await,
        }
    }

    async fn everybody(&self) -> Result<Vec<PersonEntry>, CommandError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.auth.people(&self.identity, after, PAGE).await.map_err(told)?;
            all.extend(page.people);
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    async fn named(&self, login: &str) -> Result<PersonEntry, CommandError> {
        let named = |entry: &PersonEntry| entry.user.login.to_lowercase() == login.trim().to_lowercase();
        let everybody = self.everybody().await?;
        everybody.into_iter().find(named).ok_or_else(|| CommandError::NoSuchAccount(login.to_owned()))
    }

    async fn list(&self) -> Result<String, CommandError> {
        let lines: Vec<_> = self.everybody().await?.iter().map(line).collect();
        Ok(lines.join("\n"))
    }

    async fn reset_code(&self, login: &str) -> Result<String, CommandError> {
        let person = self.named(login).await?;
        let made = self.auth.issue_reset_code(&self.identity, person.user.id, &self.device).await.map_err(told)?;
        let minutes = self.auth.settings().reset_code_lifetime.as_secs() / 60;
        Ok(format!("{}\nGood once, for {minutes} minutes, at /reset-password.", made.code))
    }

    async fn change(&self, login: &str, change: PersonChange) -> Result<String, CommandError> {
        let person = self.named(login).await?;
        let changed = self.auth.change_person(&self.identity, person.user.id, &change, &self.device).await;
        Ok(line(&changed.map_err(told)?))
    }
}

fn line(entry: &PersonEntry) -> String {
    let role = if entry.user.role == Role::Admin { "admin" } else { "member" };
    let state = if entry.disabled { ", disabled" } else { "" };
    format!("{} ({role}{state}) {}", entry.user.login, entry.user.id)
}
