//! `/metrics`: the numbers of this server, for a monitoring system.

use std::fmt::{Display, Write as _};

use axum::extract::State;
use http::header;

use crate::AppState;

/// Text format of Prometheus.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Numbers of this server since its start, in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "server",
    responses((status = 200, description = "The numbers.", content_type = "text/plain", body = String)))]
pub(super) async fn show(State(state): State<AppState>) -> ([(header::HeaderName, &'static str); 1], String) {
    let mut text = state.gateway.metering().metrics();
    let dropped = state.gateway.history().dropped();
    let up = state.started.elapsed().as_secs_f64();
    add(
        &mut text,
        "coditect_llm_conversations_dropped_total counter",
        "Conversations that could not be kept although their people want it.",
        dropped,
    );
    add(&mut text, "coditect_uptime_seconds gauge", "Time since the server started.", up);
    add(&mut text, "coditect_connections gauge", "Connections there are now.", state.connections_count());
    add(
        &mut text,
        "coditect_links gauge",
        "Links of pages that are kept, those of pages on their way back included.",
        state.links_count(),
    );
    if let Ok(plugged) = state.plugged() {
        text.push_str(&plugged.plugins.metrics());
        add(
            &mut text,
            "coditect_plugins_told gauge",
            "Workspaces of people whose plugins are told what happens to files.",
            plugged.hooks.count(),
        );
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text)
}

/// Adds one number. `named` is its name and its type.
fn add(text: &mut String, named: &str, help: &str, value: impl Display) {
    let name = named.split(' ').next().unwrap_or_default();
    // A String takes everything.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {named}\n{name} {value}");
}
