//! Our host: each call in an instance of its own, on threads of low priority, with its limits, its rights and its border.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use coditect_plugin_host::{Call, CallFigures, Caller, Host, HostSettings, Outcome, Plugin, Rights, ports::Ports};
use coditect_plugin_package::manifest;
use coditect_protocol::plugin::{Manifest, PluginCall, PluginOutcome};
use tokio_util::sync::CancellationToken;

/// A plugin with the tools that are measured.
const MANIFEST: &str = r#"
[plugin]
id = "bench.component"
version = "1.0.0"
contract = "1.0"
title = "What is measured"
description = "Tools that do next to nothing."
license = "Apache-2.0"

[[tools]]
id = "echo"
description = "What came in goes out."
parameters = '{"type": "object"}'

[[tools]]
id = "ask"
description = "Asks its host."
parameters = '{"type": "object"}'

[[tools]]
id = "spin"
description = "Never ends."
parameters = '{"type": "object"}'

[[settings]]
id = "mode"
title = "Mode"
kind = "text"
default = "quick"
"#;

pub(crate) struct Ours {
    plugin: Plugin,
    caller: Caller,
}

/// The manifest under a name.
pub(crate) fn manifest_text(name: &str) -> String {
    MANIFEST.replace("bench.component", name)
}

fn manifest(name: &str) -> Result<Manifest> {
    Ok(manifest::parse(&manifest_text(name))?)
}

impl Ours {
    pub(crate) fn new(component: &[u8], settings: HostSettings) -> Result<Self> {
        let host = Host::new(settings)?;
        let plugin = host.load(Arc::new(manifest("bench.component")?), &host.compile(component)?)?;
        Ok(Self { plugin, caller: caller(0) })
    }

    /// One call, for somebody of this number.
    pub(crate) async fn call_for(&self, who: u64, tool: &str, arguments: &str) -> Result<CallFigures> {
        let call = PluginCall::Tool { tool: tool.to_owned(), arguments: arguments.to_owned() };
        let caller = Caller { who, ..self.caller.clone() };
        let called = self.plugin.call(Call::Page(Box::new(call)), caller, CancellationToken::new()).await;
        match called.outcome.with_context(|| format!("the tool `{tool}`"))? {
            Outcome::Page(PluginOutcome::Text { .. }) => Ok(called.figures),
            other => bail!("it answered {other:?}"),
        }
    }

    /// One call.
    pub(crate) async fn call(&self, tool: &str, arguments: &str) -> Result<CallFigures> {
        self.call_for(0, tool, arguments).await
    }
}

fn caller(who: u64) -> Caller {
    Caller {
        who,
        rights: Arc::new(Rights::new(Vec::new())),
        ports: Ports::default(),
        settings: Arc::default(),
        private_hosts: false,
        items: None,
    }
}
