//! Who is measured, and how each is set up.

mod others;
mod ours;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::chat::{self, Model};
use crate::figures::{Cell, Kind};
use crate::http;
use crate::load::Job;
use crate::memory::Memory;
use crate::process::Running;

/// How long a gateway may take until its first right answer: some are seconds of Python.
const READY_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// What a server answers that is there and not ready yet.
const NOT_READY: u16 = 503;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Who {
    /// No gateway at all.
    Direct,
    /// A proxy that knows nothing about models.
    Nginx,
    Ours,
    Crabllm,
    #[value(name = "tensorzero")]
    TensorZero,
    #[value(name = "litellm")]
    LiteLlm,
}

impl Who {
    pub(crate) const ALL: [Self; 6] =
        [Self::Direct, Self::Nginx, Self::Ours, Self::Crabllm, Self::TensorZero, Self::LiteLlm];

    pub(crate) fn title(self) -> String {
        match self {
            Self::Direct => "direct".to_owned(),
            Self::Nginx => "nginx".to_owned(),
            Self::Ours => "ours".to_owned(),
            Self::Crabllm => format!("crabllm {}", others::CRABLLM),
            Self::TensorZero => format!("TensorZero {}", others::TENSORZERO),
            Self::LiteLlm => format!("LiteLLM {}", others::LITELLM),
        }
    }

    /// Whether it is installed for the measurement.
    pub(crate) fn is_peer(self) -> bool {
        matches!(self, Self::Crabllm | Self::TensorZero | Self::LiteLlm)
    }
}

/// What a gateway is started with.
pub(crate) struct Place<'a> {
    pub(crate) upstream: SocketAddr,
    /// For all that it writes.
    pub(crate) dir: PathBuf,
    /// Our server.
    pub(crate) server: Option<&'a Path>,
}

impl Place<'_> {
    /// Where the upstream's API begins.
    fn base_url(&self) -> String {
        format!("http://{}/v1", self.upstream)
    }

    /// Writes a file for the gateway to read.
    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let file = self.dir.join(name);
        fs::write(&file, text)?;
        Ok(file)
    }

    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }
}

/// A gateway that runs, and how it is asked.
pub(crate) struct Gateway {
    pub(crate) who: Who,
    address: SocketAddr,
    /// Of chat completions.
    path: &'static str,
    authorization: Option<String>,
    /// Before the name of a model of the upstream.
    prefix: &'static str,
    running: Option<Running>,
}

impl Gateway {
    /// Installs it where that is needed, starts it, and waits for its first right answer.
    pub(crate) async fn start(who: Who, place: &Place<'_>) -> Result<Self> {
        fs::create_dir_all(&place.dir)?;
        let mut gateway = match who {
            Who::Direct => Self::direct(place.upstream),
            Who::Nginx => others::nginx(place)?,
            Who::Ours => ours::start(place).await?,
            Who::Crabllm => others::crabllm(place)?,
            Who::TensorZero => others::tensorzero(place).await?,
            Who::LiteLlm => others::litellm(place)?,
        };
        gateway.wait().await?;
        Ok(gateway)
    }

    fn direct(address: SocketAddr) -> Self {
        Self { who: Who::Direct, address, path: "/v1/chat/completions", authorization: None, prefix: "", running: None }
    }

    /// What asks it for a cell of the table.
    pub(crate) fn job(&self, cell: Cell, seconds: f64) -> Job {
        let model = if cell.kind == Kind::Paced { Model::Paced } else { Model::Fast };
        let is_stream = cell.kind != Kind::Json;
        Job {
            address: self.address,
            path: self.path.to_owned(),
            authorization: self.authorization.clone(),
            body: chat::request(&format!("{}{}", self.prefix, model.name()), is_stream),
            is_stream,
            clients: cell.clients,
            seconds,
        }
    }

    /// Nothing where there is no gateway, whose memory could be looked at.
    pub(crate) fn memory(&self) -> Option<Memory> {
        self.running.as_ref().map(|running| Memory::of(running.id()))
    }

    async fn wait(&mut self) -> Result<()> {
        let request = self.job(Cell { kind: Kind::Json, clients: 1 }, 1.0).request();
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            let problem = match http::ask(self.address, &request).await {
                Ok((NOT_READY, _)) => anyhow::anyhow!("it answers {NOT_READY}"),
                Ok((status, body)) => return chat::check(status, &body, false),
                Err(error) => error,
            };
            if let Some(running) = &mut self.running {
                running.require_alive()?;
            }
            if Instant::now() > deadline {
                bail!("it is not ready after {} s: {problem:#}", READY_LIMIT.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
