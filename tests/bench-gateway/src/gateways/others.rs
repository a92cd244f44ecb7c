//! What others offer, set up as their makers advise for production: no log of requests, one login where there are logins, no database.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Gateway, Place, Who};
use crate::chat::Model;
use crate::install;
use crate::process::{Running, first_line, free_address};

/// Versions that were tried.
pub(super) const CRABLLM: &str = "0.0.25";
pub(super) const TENSORZERO: &str = "2026.6.0";
pub(super) const LITELLM: &str = "1.106.2";

/// The login of those that have logins.
const KEY: &str = "sk-bench";
/// How long TensorZero may take until it says where it listens.
const LISTEN_LIMIT: Duration = Duration::from_secs(60);

/// TensorZero comes to Python as a gateway within the program.
const TENSORZERO_PROGRAM: &str = r#"
import signal, sys
from tensorzero.tensorzero import _start_http_gateway
gateway = _start_http_gateway(config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False)
print(gateway.base_url.split("/")[2], file=open(sys.argv[2], "w"), flush=True)
signal.pause()
"#;

/// A proxy that keeps its connections and passes on at once what comes.
pub(super) fn nginx(place: &Place<'_>) -> Result<Gateway> {
    let address = free_address()?;
    let Place { upstream, dir, .. } = place;
    let dir = dir.display();
    let text = format!(
        r#"worker_processes auto;
pid {dir}/pid;
error_log {dir}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    upstream bench {{
        server {upstream};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {address};
        location / {{
            proxy_pass http://bench;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"#
    );
    let config = place.write("nginx.conf", &text)?;
    // Ordinary users do not have it on their path.
    let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].into_iter().find(|program| Path::new(program).exists());
    let mut command = Command::new(program.unwrap_or("nginx"));
    command.arg("-e").arg(place.dir.join("error.log")).arg("-p").arg(&place.dir).arg("-c").arg(config);
    let running = Running::start(command.args(["-g", "daemon off;"]), &place.log(), None)
        .context("on Debian: sudo apt-get install nginx-light")?;
    Ok(Gateway { who: Who::Nginx, address, running: Some(running), ..Gateway::direct(address) })
}

pub(super) fn crabllm(place: &Place<'_>) -> Result<Gateway> {
    let program = install::of_cargo("crabllm", CRABLLM)?;
    let address = free_address()?;
    let models = Model::ALL.map(Model::name);
    // As its `init` writes it.
    let text = format!(
        "listen = \"{address}\"\nadmin_token = \"admin-bench\"\n\n\
         [[keys]]\nname = \"default\"\nkey = \"{KEY}\"\nmodels = [\"*\"]\n\n\
         [providers.bench]\nkind = \"openai\"\napi_key = \"upstream\"\nbase_url = \"{}\"\nmodels = {models:?}\n",
        place.base_url()
    );
    let config = place.write("crabllm.toml", &text)?;
    let mut command = Command::new(program);
    // By itself it writes a line for each request.
    command.env("RUST_LOG", "warn").args(["serve", "--config"]).arg(config);
    let running = Running::start(&mut command, &place.log(), None)?;
    Ok(Gateway { who: Who::Crabllm, authorization: bearer(), running: Some(running), ..Gateway::direct(address) })
}

pub(super) async fn tensorzero(place: &Place<'_>) -> Result<Gateway> {
    let packages = install::of_pip("tensorzero", "", TENSORZERO)?;
    let mut text = "[gateway]\nobservability.enabled = false\n".to_owned();
    for model in Model::ALL.map(Model::name) {
        text.push_str(&format!(
            "\n[models.{model}]\nrouting = [\"bench\"]\n\n[models.{model}.providers.bench]\ntype = \"openai\"\n\
             model_name = \"{model}\"\napi_base = \"{}/\"\napi_key_location = \"none\"\n",
            place.base_url()
        ));
    }
    let config = place.write("tensorzero.toml", &text)?;
    let program = place.write("gateway.py", TENSORZERO_PROGRAM)?;
    let listens = place.write("listens", "")?;
    let mut command = python(&packages);
    command.arg(program).arg(config).arg(&listens);
    let mut running = Running::start(&mut command, &place.log(), None)?;
    let address = first_line(&mut running, &listens, LISTEN_LIMIT).await?.parse()?;
    Ok(Gateway {
        who: Who::TensorZero,
        path: "/openai/v1/chat/completions",
        prefix: "tensorzero::model_name::",
        running: Some(running),
        ..Gateway::direct(address)
    })
}

pub(super) fn litellm(place: &Place<'_>) -> Result<Gateway> {
    let packages = install::of_pip("litellm", "[proxy]", LITELLM)?;
    let address = free_address()?;
    let mut text = format!("general_settings:\n  master_key: {KEY}\nmodel_list:\n");
    for model in Model::ALL.map(Model::name) {
        text.push_str(&format!(
            "  - model_name: {model}\n    litellm_params:\n      model: openai/{model}\n      api_base: {}\n      \
             api_key: upstream\n",
            place.base_url()
        ));
    }
    let config = place.write("config.yaml", &text)?;
    let mut command = python(&packages);
    // The list of prices that came with it, and no more than errors in its log.
    command.envs([("LITELLM_LOCAL_MODEL_COST_MAP", "True"), ("LITELLM_LOG", "ERROR"), ("LITELLM_MODE", "PRODUCTION")]);
    command.arg(packages.join("bin/litellm")).args(["--num_workers", "1", "--host", "127.0.0.1", "--config"]);
    command.arg(config).arg("--port").arg(address.port().to_string());
    let running = Running::start(&mut command, &place.log(), None)?;
    Ok(Gateway { who: Who::LiteLlm, authorization: bearer(), running: Some(running), ..Gateway::direct(address) })
}

fn python(packages: &Path) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages);
    command
}

fn bearer() -> Option<String> {
    Some(format!("Bearer {KEY}"))
}
