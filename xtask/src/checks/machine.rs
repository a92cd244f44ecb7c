//! What this machine has for the tests: none of them may pass in silence because of something that it could not try.

use std::cell::OnceCell;
use std::fs;
use std::process::Command;

use anyhow::{Result, bail};

use super::count::Count;
use super::report::{Report, Went};
use crate::exec;
use crate::model::{self, Model};
use crate::repo::Repo;
use crate::setup::{self, Tool};

/// Variable with the words for what is there for certain, separated by commas: `bwrap`, `rg`, `nginx`, `mount` (this user may mount a
/// tmpfs), `model`. A test that needs one of them must not skip.
const REQUIRE: &str = "CODITECT_TEST_REQUIRE";
/// Base URL of the model server, for the tests in Rust and those in the browser.
const MODEL_URLS: [&str; 2] = ["CODITECT_TEST_MODEL_URL", "CODITECT_E2E_MODEL"];
/// Programs whose names are such words.
const WORDS: [Tool; 3] = [setup::BUBBLEWRAP, setup::RIPGREP, setup::NGINX];
const MODEL_ROW: &str = "setup: model";

/// What is there, and whether the tests may do without the rest.
pub(super) struct Machine {
    /// What is missing is a failure, not a reason to skip.
    strict: bool,
    words: OnceCell<Vec<&'static str>>,
    model: Option<Model>,
}

impl Machine {
    /// Each missing program gets a row of its own in the report.
    pub(super) fn new(strict: bool, missing: &[Tool], report: &mut Report) -> Self {
        let machine = Self { strict, words: OnceCell::new(), model: None };
        for &tool in missing {
            report.check(&row(tool), &[], |_| machine.without(tool.advice()));
        }
        machine
    }

    fn without(&self, why: String) -> Result<Went> {
        if self.strict { bail!("{why}") } else { Ok(Went::Skipped(why)) }
    }

    /// Sees to the one model server of this run: whoever asks first starts it.
    pub(super) fn start_model(&mut self, repo: &Repo, report: &mut Report) {
        if report.has(MODEL_ROW) {
            return;
        }
        report.check(MODEL_ROW, &[&row(setup::PIP)], |_| match model::start(repo, &model::log(repo)) {
            Ok(model) => {
                self.model = Some(model);
                Ok(Went::Well(Count::default()))
            }
            Err(error) => self.without(format!("{error:#}")),
        });
    }

    /// Tells tests what they may rely on.
    pub(super) fn tell(&self, repo: &Repo, command: &mut Command) {
        let mut words = self.words.get_or_init(|| words(repo)).clone();
        if let Some(model) = &self.model {
            words.push("model");
            command.envs(MODEL_URLS.map(|name| (name, model.url())));
        }
        command.env(REQUIRE, words.join(","));
    }

    /// Ends what was started for the tests.
    pub(super) fn stop(self) {
        if let Some(model) = self.model {
            model.stop();
        }
    }
}

/// Name of the check that a program is there; it is in the report only where the program is missing.
pub(super) fn row(tool: Tool) -> String {
    format!("setup: {}", tool.package)
}

fn words(repo: &Repo) -> Vec<&'static str> {
    let mut words: Vec<&str> = WORDS.into_iter().filter(|tool| tool.works()).map(|tool| tool.program).collect();
    if can_mount(repo) {
        words.push("mount");
    }
    words
}

/// Whether small disks can be had that a test may fill up.
fn can_mount(repo: &Repo) -> bool {
    let dir = repo.target.join("xtask-mount");
    if !rustix::process::geteuid().is_root() || fs::create_dir_all(&dir).is_err() {
        return false;
    }
    let mount = ["-t", "tmpfs", "-o", "size=64k", "coditect-test"];
    exec::succeeds(Command::new("mount").args(mount).arg(&dir))
        && exec::succeeds(Command::new("umount").arg("-l").arg(&dir))
}

/// Whether the run that this test is part of has seen to it.
#[cfg(test)]
pub(crate) fn is_required(word: &str) -> bool {
    std::env::var(REQUIRE).is_ok_and(|words| words.split(',').any(|there| there == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_fails_a_strict_run_and_is_skipped_in_another() {
        for (strict, last_line) in [(true, "0 passed, 1 failed, 1 skipped"), (false, "0 passed, 0 failed, 2 skipped")] {
            let mut report = Report::default();
            let _machine = Machine::new(strict, &[setup::CHROMIUM], &mut report);
            report.check("browser", &[&row(setup::CHROMIUM), &row(setup::GIT)], |_| panic!("must not run"));
            assert_eq!(report.last_line(), last_line);
            assert!(report.table().contains("apt-get install chromium"), "{}", report.table());
        }
    }

    #[test]
    fn tests_are_told_what_is_there() {
        let machine = Machine { strict: true, words: OnceCell::from(vec!["bwrap", "mount"]), model: None };
        let mut command = Command::new("true");
        machine.tell(&Repo::find(), &mut command);
        let told: Vec<_> = command.get_envs().collect();
        assert_eq!(told, [(REQUIRE.as_ref(), Some("bwrap,mount".as_ref()))]);
    }
}
