//! Values that are of the right kind and yet cannot be used.

use super::Settings;

/// Longest time that any setting may name, in seconds: ten years.
const MAX_SECONDS: u64 = 10 * 366 * 24 * 60 * 60;
const MAX_DAYS: u64 = MAX_SECONDS / (24 * 60 * 60);
const MAX_MINUTES: u64 = MAX_SECONDS / 60;
/// Most of anything that is counted or kept in memory.
const MAX_COUNT: u64 = 1 << 30;
/// Least buffer of a link: a smaller one would stop at every item.
const MIN_LINK_BUFFER_BYTES: u64 = 64 * 1024;
/// Least size of small request bodies: a login must fit.
const MIN_REQUEST_BYTES: u64 = 1024;

/// The first setting whose value lies outside of what can work, and why.
pub(super) fn out_of_bounds(settings: &Settings) -> Option<(&'static str, String)> {
    macro_rules! bounds {
        ($($name:ident: $least:expr, $most:expr;)+) => {
            [$((stringify!($name), u64::try_from(settings.$name).unwrap_or(u64::MAX), $least, $most)),+]
        };
    }
    let bounds = bounds! {
        max_connections: 1, MAX_COUNT;
        hsts_seconds: 0, MAX_SECONDS;
        header_timeout_seconds: 1, MAX_SECONDS;
        client_idle_seconds: 1, MAX_SECONDS;
        request_timeout_seconds: 1, MAX_SECONDS;
        drain_grace_seconds: 0, MAX_SECONDS;
        drain_timeout_seconds: 0, MAX_SECONDS;
        request_max_bytes: MIN_REQUEST_BYTES, MAX_COUNT;
        files_max_upload_bytes: 1, u64::MAX;
        files_max_call_bytes: 1, coditect_protocol::files::MAX_CALL_FILE_BYTES;
        watch_max_folders: 1, MAX_COUNT;
        access_token_seconds: 2, MAX_SECONDS;
        session_idle_days: 1, MAX_DAYS;
        session_absolute_days: 1, MAX_DAYS;
        password_checks_at_once: 0, MAX_COUNT;
        login_account_burst: 1, MAX_COUNT;
        login_account_refill_seconds: 1, MAX_SECONDS;
        login_address_burst: 1, MAX_COUNT;
        login_address_refill_seconds: 1, MAX_SECONDS;
        link_keep_seconds: 0, MAX_SECONDS;
        link_buffer_bytes: MIN_LINK_BUFFER_BYTES, MAX_COUNT;
        link_max_calls: 1, MAX_COUNT;
        link_content_bytes: 1, u64::MAX;
        links_per_person: 1, MAX_COUNT;
        chats_per_person: 1, MAX_COUNT;
        workspaces_per_person: 1, MAX_COUNT;
        imports_per_person: 1, MAX_COUNT;
        archive_max_bytes: 1, u64::MAX;
        archive_max_unpacked_bytes: 1, u64::MAX;
        archive_max_entries: 1, u64::MAX;
        clone_timeout_minutes: 1, MAX_MINUTES;
        terminals_per_workspace: 0, MAX_COUNT;
        terminals_per_person: 0, MAX_COUNT;
        terminal_scrollback_bytes: 1, MAX_COUNT;
        llm_first_token_seconds: 1, MAX_SECONDS;
        llm_idle_seconds: 1, MAX_SECONDS;
    };
    let wrong = bounds.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value));
    if let Some((name, value, least, most)) = wrong {
        return Some((name, format!("it is {value} and must lie between {least} and {most}")));
    }
    let wrong = settings.allowed_hosts.iter().find(|host| !is_host(host))?;
    Some(("allowed_hosts", format!("`{wrong}` is not a name like ide.example.org, without scheme and port")))
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}
