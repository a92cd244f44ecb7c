//! Our server with its embedded store: a person's token, prices, budgets, limits and accounting, all of it on.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{Gateway, Place, Who};
use crate::http;
use crate::process::{Running, free_address};

/// How long the server may take until it answers.
const READY_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// Of the one person, who as the first one is an admin.
const LOGIN: &str = "bench@example.org";
const PASSWORD: &str = "violet teapot 9 marches";

pub(super) async fn start(place: &Place<'_>) -> Result<Gateway> {
    let server = place.server.context("`--server` names the program")?;
    let address = free_address()?;
    let text = format!("[[llm_upstream]]\nname = \"bench\"\nbase_url = \"{}\"\n", place.base_url());
    let config = place.write("coditect.toml", &text)?;
    let mut command = Command::new(server);
    command.args(["serve", "--llm-discover", "off", "--listen"]).arg(address.to_string());
    for (flag, name) in [("--data", "data"), ("--web-dir", "web"), ("--theia-dir", "theia")] {
        command.arg(flag).arg(place.dir.join(name));
    }
    let mut running = Running::start(command.arg("--config").arg(config), &place.log(), None)?;
    ready(address, &mut running).await?;
    let token = set_up(address).await?;
    Ok(Gateway {
        who: Who::Ours,
        path: "/api/v5/llm/v1/chat/completions",
        authorization: Some(format!("Bearer {token}")),
        prefix: "bench/",
        running: Some(running),
        ..Gateway::direct(address)
    })
}

async fn ready(address: SocketAddr, running: &mut Running) -> Result<()> {
    let request = http::bytes("GET", "/health", None, "");
    let deadline = Instant::now() + READY_LIMIT;
    while !matches!(http::ask(address, &request).await, Ok((200, _))) {
        running.require_alive()?;
        if Instant::now() > deadline {
            bail!("it is not ready after {} s", READY_LIMIT.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// A person and what holds for them; gives their token.
async fn set_up(address: SocketAddr) -> Result<String> {
    let person = json!({"login": LOGIN, "password": PASSWORD});
    let login = call(address, "POST", "auth/register", None, &person).await?;
    let access = format!("Bearer {}", text(&login, "access_token")?);
    let wanted = json!({"name": "bench", "scopes": ["llm"], "expires_in_days": 1, "password": PASSWORD});
    let made = call(address, "POST", "auth/tokens", Some(&access), &wanted).await?;
    call(address, "PUT", "admin/llm/policy", Some(&access), &policy()).await?;
    Ok(text(&made, "token")?.to_owned())
}

/// Everything is counted and held against limits, none of which is reached.
fn policy() -> Value {
    json!({
        "version": 0,
        "policy": {
            "prices": [{"model": "bench/*", "input": 1.0, "output": 2.0, "max_output_tokens": 100}],
            "budgets": [
                {"scope": "instance", "limit": 1_000_000, "period": "month"},
                {"scope": "person", "limit": 100_000, "period": "day"},
                {"scope": "token", "limit": 100_000, "period": "total"},
            ],
            "limits": [{
                "scope": "person",
                "requests_per_minute": 100_000_000,
                "tokens_per_minute": 100_000_000_000_u64,
            }],
        },
    })
}

async fn call(
    address: SocketAddr,
    method: &str,
    route: &str,
    authorization: Option<&str>,
    body: &Value,
) -> Result<Value> {
    let request = http::bytes(method, &format!("/api/v5/{route}"), authorization, &body.to_string());
    let (status, answer) = http::ask(address, &request).await.with_context(|| format!("{method} {route}"))?;
    if !(200..300).contains(&status) {
        bail!("{method} {route} answers {status}: {}", String::from_utf8_lossy(&answer));
    }
    if answer.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&answer)?) }
}

fn text<'a>(answer: &'a Value, name: &str) -> Result<&'a str> {
    answer[name].as_str().with_context(|| format!("the answer has no `{name}`"))
}
