//! `run`: a plugin that is being worked on, in a workspace of its author.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use coditect_plugin_package::{asks_more, consent, sha256_hex};
use coditect_protocol::WorkspaceId;
use coditect_protocol::plugin::{Capability, Denial, Installed, LogLine, PluginLog, PluginState};
use coditect_protocol::workspace::Workspace;
use tokio::time::{MissedTickBehavior, interval};

use super::Client;
use super::watch::Snapshot;
use crate::arguments::Run;
use crate::build;
use crate::error::CliError;
use crate::project::Project;
use crate::terminal::{asked_rows, confirm, printable, table};

/// How often files and the log are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(700);

pub(crate) async fn run(folder: &Path, run: Run) -> Result<(), CliError> {
    let mut project = Project::open(folder)?;
    let client = Client::new(run.server)?;
    let workspace = find(&client, &run.workspace).await?;
    let mut sent = Sent { client, workspace, yes: run.yes, granted: Vec::new(), sha256: String::new() };
    let mut seen = Snapshot::of(&project.folder);
    sent.send(&project).await?;
    if run.once {
        return Ok(());
    }
    println!("Following its log; Ctrl-C ends that, and leaves it there.");
    let mut log = Followed::default();
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let now = Snapshot::of(&project.folder);
        if run.watch && now != seen {
            seen = now;
            // A mistake in a file is no reason to stop: the next change may mend it.
            match again(folder, &mut sent).await {
                Ok(changed) => project = changed,
                Err(error) => eprintln!("error: {error}\n[{}]", error.code()),
            }
        }
        let path = format!("plugins/installed/{}/{}/log", sent.workspace, project.manifest.id);
        match sent.client.get::<PluginLog>(&path).await {
            Ok(news) => log.tell(news),
            Err(CliError::Unreachable(why)) => log.lost(&why),
            Err(error) => return Err(error),
        }
    }
}

async fn again(folder: &Path, sent: &mut Sent) -> Result<Project, CliError> {
    let project = Project::open(folder)?;
    sent.send(&project).await?;
    Ok(project)
}

/// The workspace with this identifier or name.
async fn find(client: &Client, wanted: &str) -> Result<WorkspaceId, CliError> {
    let all: Vec<Workspace> = client.get("workspaces").await?;
    let found = all.iter().find(|workspace| workspace.id.to_string() == wanted || workspace.name == wanted);
    let names = || printable(&all.iter().map(|workspace| workspace.name.as_str()).collect::<Vec<_>>().join(", "));
    found.map(|workspace| workspace.id).ok_or_else(|| CliError::NoWorkspace(wanted.to_owned(), names()))
}

/// What was sent where, and what its author agreed to.
struct Sent {
    client: Client,
    workspace: WorkspaceId,
    yes: bool,
    granted: Vec<Capability>,
    sha256: String,
}

impl Sent {
    /// Builds and sends; once for each content.
    async fn send(&mut self, project: &Project) -> Result<(), CliError> {
        let package = build::package(project, false).await?;
        let bytes = package.to_bytes();
        let sha256 = sha256_hex(&bytes);
        if sha256 == self.sha256 {
            return Ok(());
        }
        let more = asks_more(&self.granted, package.manifest());
        if !more.is_empty() {
            println!("{} asks for", package.manifest().id);
            table(&asked_rows(&more));
            if !self.yes && !confirm("Grant that in this workspace?") {
                return Err(CliError::NoConsent);
            }
        }
        let mut path = format!("plugins/develop?workspace={}", self.workspace);
        if !more.is_empty() {
            // It grants all that is asked for. Without it, what was taken away in the workspace meanwhile stays away.
            path.push_str(&format!("&consent={}", consent(package.manifest())));
        }
        let installed: Installed = self.client.send(&path, bytes).await?;
        self.granted = package.manifest().capabilities.iter().map(|asked| asked.capability.clone()).collect();
        self.sha256 = sha256;
        println!("Sent {} {}: {}.", installed.manifest.id, installed.manifest.version, state(&installed.state));
        Ok(())
    }
}

fn state(state: &PluginState) -> String {
    match state {
        PluginState::Ready => "it can be called".to_owned(),
        PluginState::Preparing => "it is being translated".to_owned(),
        PluginState::Disabled => "it is switched off; switch it on in the workspace".to_owned(),
        PluginState::Resting { reason, .. } | PluginState::Failed { reason } => {
            format!("it failed: {}", printable(reason))
        }
        PluginState::Blocked => "an admin does not allow it".to_owned(),
    }
}

/// What was shown of a log.
#[derive(Debug, Default)]
struct Followed {
    last: Option<LogLine>,
    denials: BTreeMap<(String, String), u64>,
    is_lost: bool,
}

impl Followed {
    /// Prints what is new.
    fn tell(&mut self, log: PluginLog) {
        self.is_lost = false;
        for line in self.new_lines(log.lines) {
            println!("{:<5} {}", printable(&line.level), printable(&line.text));
        }
        for denial in self.new_denials(log.denials) {
            println!("denied {} {} ({} times)", denial.capability, printable(&denial.subject), denial.count);
        }
    }

    fn new_lines(&mut self, lines: Vec<LogLine>) -> Vec<LogLine> {
        let known = self.last.as_ref().and_then(|last| lines.iter().rposition(|line| line == last));
        let new: Vec<LogLine> = lines.into_iter().skip(known.map_or(0, |at| at + 1)).collect();
        if let Some(last) = new.last() {
            self.last = Some(last.clone());
        }
        new
    }

    fn new_denials(&mut self, denials: Vec<Denial>) -> Vec<Denial> {
        let mut new = denials;
        new.retain(|denial| {
            let key = (denial.capability.to_string(), denial.subject.clone());
            self.denials.insert(key, denial.count) != Some(denial.count)
        });
        new
    }

    /// The server is away; said once.
    fn lost(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_lost, true) {
            eprintln!("The server does not answer ({}); trying again.", printable(why));
        }
    }
}

#[cfg(test)]
mod tests {
    use coditect_protocol::plugin::CapabilityName;

    use super::*;

    #[test]
    fn only_news_are_told() {
        let line = |at, text: &str| LogLine { at, level: "info".into(), text: text.into() };
        let mut followed = Followed::default();
        assert_eq!(followed.new_lines(vec![line(1, "a"), line(2, "b")]).len(), 2);
        assert_eq!(followed.new_lines(vec![line(1, "a"), line(2, "b")]), []);
        assert_eq!(followed.new_lines(vec![line(2, "b"), line(2, "c")]), [line(2, "c")]);
        assert_eq!(followed.new_lines(vec![line(9, "x")]), [line(9, "x")], "what was shown last was dropped");
        let denial = |count| Denial { at: 1, capability: CapabilityName::Http, subject: "a.org".into(), count };
        assert_eq!(followed.new_denials(vec![denial(1)]).len(), 1);
        assert_eq!(followed.new_denials(vec![denial(1)]).len(), 0);
        assert_eq!(followed.new_denials(vec![denial(2)]).len(), 1);
    }
}
