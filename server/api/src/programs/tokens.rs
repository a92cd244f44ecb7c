//! What terminals are given: where the server's API is, a token for it that is theirs alone, and which workspace they are in.
//!
//! The token acts for the terminal's person in that one workspace, with fewer scopes than they have: no terminals and no account, so that
//! who copies it cannot give themselves what lasts longer. It ends with the terminal. Of terminals that ended while no server was there to see it, the next
//! server on the same data directory takes the tokens away.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coditect_auth::{Auth, AuthError, NewTerminalToken, TerminalHost};
use coditect_llm::Gateway;
use coditect_protocol::auth::{Role, Scope};
use coditect_protocol::{Coded as _, TerminalId, UserId};
use coditect_workspace::WorkspaceError;
use coditect_workspace::registry::{Access, Workspaces};
use coditect_workspace::sandbox::SandboxError;
use coditect_workspace::sandbox::client::{Sandboxes, Scope as Terminals};
use coditect_workspace::terminals::{EndedTerminals, TerminalEnvironment};
use futures_util::future::BoxFuture;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::agents::{self, Models};

/// What a terminal's token may be used for.
const SCOPES: [Scope; 4] = [Scope::FilesRead, Scope::FilesWrite, Scope::Llm, Scope::WorkspacesRead];
/// Characters of a terminal's id that tell it apart in a list.
const SHOWN_ID_CHARS: usize = 8;
/// How often is looked for tokens whose terminal is gone, should its end have been missed.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// A terminal is started within so long; until then it is not gone, only not yet there.
const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// How long the server waits for the last tokens to be taken away when it stops.
const FINISHES_WITHIN: Duration = Duration::from_secs(2);
/// How long a terminal waits for agents to be told where models are.
const CONFIGURED_WITHIN: Duration = Duration::from_secs(3);
/// File in the run directory that says which host of terminals this is.
const HOST_FILE: &str = "terminal-host";

/// What terminals are given something of.
pub(crate) struct Given {
    /// Who may do what.
    pub(crate) auth: Auth,
    /// Where people's homes are.
    pub(crate) workspaces: Workspaces,
    /// Where models are.
    pub(crate) gateway: Gateway,
}

/// Gives terminals their environment, and takes their tokens away.
pub(crate) struct TerminalTokens {
    auth: Auth,
    workspaces: Workspaces,
    gateway: Gateway,
    sandboxes: Sandboxes,
    host: TerminalHost,
    /// Nothing where terminals get no token.
    lifetime: Option<Duration>,
    ending: TaskTracker,
}

impl TerminalTokens {
    /// Those of the terminals that are run from this directory. Blocks for a look at a small file.
    pub(crate) fn open(
        given: Given,
        sandboxes: Sandboxes,
        run_dir: &Path,
        lifetime: Option<Duration>,
    ) -> io::Result<Arc<Self>> {
        let host = host_of(run_dir)?;
        let Given { auth, workspaces, gateway } = given;
        Ok(Arc::new(Self { auth, workspaces, gateway, sandboxes, host, lifetime, ending: TaskTracker::new() }))
    }

    async fn token(&self, access: &Access, terminal: TerminalId, lifetime: Duration) -> Result<String, AuthError> {
        let mut id = terminal.to_string();
        id.truncate(SHOWN_ID_CHARS);
        let new = NewTerminalToken {
            user: access.user,
            terminal,
            workspace: access.workspace,
            host: self.host,
            name: format!("Terminal {id} in {}", access.paths.folder),
            scopes: SCOPES.to_vec(),
            lifetime,
        };
        self.auth.make_terminal_token(new).await
    }

    /// Tells agents in the person's home where models are, and answers what there is to tell. A home that cannot be written to is no
    /// reason to have no terminal.
    async fn configure_agents(&self, user: UserId, role: Role, url: &str) -> Models {
        let mut models = Models::default();
        let configured = async {
            models = self.models(user, role).await;
            let home = self.workspaces.home(user).await?;
            agents::configure(&home, url, &models).await
        };
        match timeout(CONFIGURED_WITHIN, configured).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "agents in a home could not be told where models are"),
            Err(_) => tracing::debug!("agents in a home could not be told in time where models are"),
        }
        models
    }

    async fn models(&self, user: UserId, role: Role) -> Models {
        let rules = self.gateway.metering().rules();
        let team = rules.team(user).map(|team| team.id);
        let has_key = |upstream: &str| self.gateway.keys().has_any(upstream, user, team);
        Models::new(&self.gateway.list(false, user, role).await, rules.aliases(), has_key)
    }

    /// Takes tokens away whose terminal is gone, until it is dropped.
    pub(crate) async fn look_after(&self) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            if let Err(error) = self.look().await {
                tracing::debug!(%error, "what terminals were given could not be looked after; it is tried again");
            }
        }
    }

    async fn look(&self) -> Result<(), WorkspaceError> {
        // In this order: what is listed after its token was read has been started.
        let given = self.auth.terminal_tokens(self.host).await.map_err(told)?;
        if given.is_empty() {
            return Ok(());
        }
        let listed = match self.sandboxes.terminals(Terminals::Everything).await {
            Ok(listed) => listed,
            // Nothing runs where nothing can.
            Err(SandboxError::Unavailable { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let ended: HashMap<_, _> =
            listed.into_iter().map(|listed| (listed.info.id, listed.info.exit.is_some())).collect();
        let starting = now_millis().saturating_sub(u64::try_from(STARTS_WITHIN.as_millis()).unwrap_or(u64::MAX));
        for token in given {
            if ended.get(&token.terminal).copied().unwrap_or(token.made_at < starting) {
                self.auth.end_terminal_token(self.host, token.terminal).await.map_err(told)?;
            }
        }
        Ok(())
    }

    /// The server stops: waits for the tokens of what has just ended.
    pub(crate) async fn finish(&self) {
        self.ending.close();
        if timeout(FINISHES_WITHIN, self.ending.wait()).await.is_err() {
            tracing::warn!("tokens of terminals are left over; the next server takes them away");
        }
    }
}

async fn end(auth: Auth, host: TerminalHost, terminals: EndedTerminals) {
    let ended = async {
        match terminals {
            EndedTerminals::One(terminal) => auth.end_terminal_token(host, terminal).await?,
            EndedTerminals::All => {
                for token in auth.terminal_tokens(host).await? {
                    auth.end_terminal_token(host, token.terminal).await?;
                }
            }
        }
        Ok::<_, AuthError>(())
    };
    if let Err(error) = ended.await {
        tracing::warn!(%error, "the token of a terminal that ended could not be taken away; it is tried again");
    }
}

impl TerminalEnvironment for TerminalTokens {
    fn variables<'a>(
        &'a self,
        access: &'a Access,
        terminal: TerminalId,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, WorkspaceError>> {
        Box::pin(async move {
            let mut variables = vec![("CODITECT_WORKSPACE".to_owned(), access.workspace.to_string())];
            // A token is worth nothing where nobody takes it.
            if let (Some(url), Some(lifetime)) = (self.sandboxes.api_url(), self.lifetime) {
                let token = self.token(access, terminal, lifetime).await.map_err(told)?;
                let role = self.auth.check(&token).await.map_err(told)?.user.role;
                let models = self.configure_agents(access.user, role, &url).await;
                variables.extend(agents::variables(&url, &token, &models));
                variables.push(("CODITECT_URL".to_owned(), url));
                variables.push(("CODITECT_TOKEN".to_owned(), token));
            }
            Ok(variables)
        })
    }

    fn ended(&self, terminals: EndedTerminals) {
        // Without a runtime the server is gone already.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.ending.spawn_on(end(self.auth.clone(), self.host, terminals), &runtime);
        }
    }
}

fn told(error: AuthError) -> WorkspaceError {
    match error {
        AuthError::Store(error) => WorkspaceError::Store(error),
        AuthError::SessionEnded => WorkspaceError::AccessEnded,
        other => WorkspaceError::Internal(format!("{}: {other}", other.code())),
    }
}

fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The host of terminals whose supervisor uses this directory, named at the first look. Servers that look at once agree.
fn host_of(run_dir: &Path) -> io::Result<TerminalHost> {
    let path = run_dir.join(HOST_FILE);
    let read = || match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().parse::<Uuid>().ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    if let Some(id) = read()? {
        return Ok(TerminalHost(id));
    }
    let made = Uuid::new_v4();
    let new = run_dir.join(format!("{HOST_FILE}.{made}"));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(made.to_string().as_bytes())?;
    // What cannot be read as an id names nobody.
    if std::fs::symlink_metadata(&path).is_ok() && read()?.is_none() {
        std::fs::remove_file(&path)?;
    }
    let linked = std::fs::hard_link(&new, &path);
    std::fs::remove_file(&new)?;
    match linked {
        Ok(()) => Ok(TerminalHost(made)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            read()?.map(TerminalHost).ok_or_else(|| io::Error::other("the id of the host of terminals cannot be read"))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_keeps_its_id_and_servers_agree_on_it() {
        let dir = tempfile::tempdir().unwrap();
        let ids: Vec<_> = std::thread::scope(|scope| {
            let looks: Vec<_> = (0..8).map(|_| scope.spawn(|| host_of(dir.path()).unwrap())).collect();
            looks.into_iter().map(|look| look.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left over");
        std::fs::write(dir.path().join(HOST_FILE), "no id").unwrap();
        let other = host_of(dir.path()).unwrap();
        assert!(other != ids[0] && other == host_of(dir.path()).unwrap());
    }
}
