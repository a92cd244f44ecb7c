//! Values that are of the right kind and yet cannot be used.

use coditect_protocol::plugin;

use super::Settings;

/// Longest time that any setting may name, in seconds: ten years.
const MAX_SECONDS: u64 = 10 * 366 * 24 * 60 * 60;
const MAX_DAYS: u64 = MAX_SECONDS / (24 * 60 * 60);
const MAX_MINUTES: u64 = MAX_SECONDS / 60;
const MAX_HOURS: u64 = MAX_MINUTES / 60;
/// Most backups that a server keeps.
const MAX_BACKUPS: u64 = *coditect_store::limits::BACKUP_KEEP.end() as u64;
/// Most of anything that is counted or kept in memory.
const MAX_COUNT: u64 = 1 << 30;
/// Least buffer of a link: a smaller one would stop at every item.
const MIN_LINK_BUFFER_BYTES: u64 = 64 * 1024;
/// Least size of small request bodies: a login must fit.
const MIN_REQUEST_BYTES: u64 = 1024;

/// Least memory of a sandbox, in bytes, and its least processes, open files and temporary bytes: a shell with a few programs.
const MIN_SANDBOX_MEMORY_BYTES: u64 = 64 * 1024 * 1024;
const MIN_SANDBOX_PROCESSES: u64 = 16;
const MIN_SANDBOX_OPEN_FILES: u64 = 64;
const MIN_TEMPORARY_BYTES: u64 = 1024 * 1024;

/// Most tokens of one person: they are listed whole.
const MAX_PER_PERSON: u64 = 1000;
/// Longest life of a code to reset a password, in minutes: a day.
const MAX_RESET_MINUTES: u64 = 24 * 60;
/// Bounds of the time to let a program in, in seconds: long enough for a person, too short for guessing.
const MIN_DEVICE_SECONDS: u64 = 30;
const MAX_DEVICE_SECONDS: u64 = coditect_auth::MAX_DEVICE_CODE_LIFETIME.as_secs();
/// Bounds of the longest password, in characters.
const MIN_LONGEST_PASSWORD_CHARS: u64 = 64;
const MAX_PASSWORD_CHARS: u64 = (coditect_auth::PASSWORD_MAX_BYTES / 4) as u64;

/// Most memory of a call of a plugin, in MiB: its addresses have 32 bits.
const MAX_PLUGIN_MEMORY_MIB: u64 = 4096;
/// Most calls of plugins at once: each has a place of its own among the addresses.
const MAX_PLUGIN_CALLS: u64 = 1000;
const MAX_PLUGIN_WORKERS: u64 = 256;
/// Longest deadline of a call of a plugin, in seconds.
const MAX_PLUGIN_SECONDS: u64 = 60 * 60;
/// Bounds of the stack of a call of a plugin, in bytes.
const MIN_PLUGIN_STACK_BYTES: u64 = 64 * 1024;
const MAX_PLUGIN_STACK_BYTES: u64 = 64 * 1024 * 1024;
/// Most modules and tables of a plugin, most of its memories, and most elements of a table: each call has a place for all of them among the
/// addresses.
const MAX_PLUGIN_PARTS: u64 = 256;
const MAX_PLUGIN_MEMORIES: u64 = 8;
const MAX_PLUGIN_TABLE: u64 = 1_000_000;
/// Most of what is read at once whenever a person adds to it.
const MAX_LISTED: u64 = 10_000;
/// Largest package, in bytes: what a package may be at all.
const MAX_PACKAGE_BYTES: u64 = 64 * 1024 * 1024;
/// Least memory in which any plugin is translated, in MiB.
const MIN_COMPILE_MEMORY_MIB: u64 = 256;
/// Longest translation, in seconds of a core.
const MAX_COMPILE_SECONDS: u64 = 60 * 60;

/// The first setting whose value lies outside of what can work, and why.
#[expect(clippy::too_many_lines, reason = "a table, with a line for each")]
pub(super) fn out_of_bounds(settings: &Settings) -> Option<(&'static str, String)> {
    macro_rules! bounds {
        ($($name:ident: $least:expr, $most:expr;)+) => {
            [$((stringify!($name), u64::try_from(settings.$name).unwrap_or(u64::MAX), $least, $most)),+]
        };
    }
    let bounds = bounds! {
        backup_hours: 0, MAX_HOURS;
        backup_keep: 1, MAX_BACKUPS;
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
        watch_trees_per_person: 1, MAX_COUNT;
        watch_folders_per_person: 1, MAX_COUNT;
        access_token_seconds: 2, MAX_SECONDS;
        session_idle_days: 1, MAX_DAYS;
        session_absolute_days: 1, MAX_DAYS;
        sessions_per_person: 1, MAX_COUNT;
        key_rotation_days: 1, MAX_DAYS;
        token_max_days: 1, MAX_DAYS;
        tokens_per_person: 0, MAX_PER_PERSON;
        invite_max_days: 1, MAX_DAYS;
        reset_code_minutes: 1, MAX_RESET_MINUTES;
        device_code_seconds: MIN_DEVICE_SECONDS, MAX_DEVICE_SECONDS;
        password_min_chars: coditect_auth::PASSWORD_MIN_CHARS_FLOOR as u64, MAX_PASSWORD_CHARS;
        password_max_chars: MIN_LONGEST_PASSWORD_CHARS, MAX_PASSWORD_CHARS;
        password_checks_at_once: 0, MAX_COUNT;
        password_checks_waiting: 0, MAX_COUNT;
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
        workspace_quota_bytes: 0, u64::MAX;
        home_quota_bytes: 0, u64::MAX;
        workspace_max_entries: 0, u64::MAX;
        trash_days: 0, MAX_DAYS;
        imports_per_person: 1, MAX_COUNT;
        members_per_workspace: 0, coditect_workspace::registry::MAX_MEMBERS_LIMIT as u64;
        archive_max_bytes: 1, u64::MAX;
        archive_max_unpacked_bytes: 1, u64::MAX;
        archive_max_entries: 1, u64::MAX;
        clone_timeout_minutes: 1, MAX_MINUTES;
        sandbox_memory_bytes: MIN_SANDBOX_MEMORY_BYTES, u64::MAX;
        sandbox_processes: MIN_SANDBOX_PROCESSES, MAX_COUNT;
        sandbox_open_files: MIN_SANDBOX_OPEN_FILES, MAX_COUNT;
        sandbox_cpus: 0, MAX_COUNT;
        sandbox_temporary_bytes: MIN_TEMPORARY_BYTES, u64::MAX;
        sandboxes_per_person: 1, MAX_COUNT;
        sandboxes_memory_percent: 1, 100;
        terminals_per_workspace: 0, MAX_COUNT;
        terminals_per_person: 0, MAX_COUNT;
        terminal_scrollback_bytes: 1, MAX_COUNT;
        terminal_keep_minutes: 0, MAX_MINUTES;
        terminal_token_hours: 0, MAX_HOURS;
        llm_first_token_seconds: 1, MAX_SECONDS;
        llm_idle_seconds: 1, MAX_SECONDS;
        llm_whole_seconds: 1, MAX_SECONDS;
        llm_retries: 0, 20;
        llm_request_max_bytes: 1024, MAX_COUNT;
        llm_requests_bytes: 1024 * 1024, MAX_COUNT;
        llm_calls_per_person: 1, MAX_COUNT;
        llm_sockets_per_person: 0, MAX_COUNT;
        llm_usage_queue: 1, MAX_COUNT;
        llm_usage_days: 1, MAX_DAYS;
        llm_history_days: 1, MAX_DAYS;
        plugin_memory_mib: 1, MAX_PLUGIN_MEMORY_MIB;
        plugin_memory_max_mib: 1, MAX_PLUGIN_MEMORY_MIB;
        plugin_calls_at_once: 1, MAX_PLUGIN_CALLS;
        plugin_queue: 1, MAX_COUNT;
        plugin_calls_per_person: 1, MAX_PLUGIN_CALLS;
        plugin_queue_per_person: 1, MAX_COUNT;
        plugin_workers: 0, MAX_PLUGIN_WORKERS;
        plugin_cpu_percent: 1, 100;
        plugin_command_seconds: 1, MAX_PLUGIN_SECONDS;
        plugin_format_seconds: 1, plugin::FORMAT_SECONDS.into();
        plugin_check_seconds: 1, plugin::CHECK_SECONDS.into();
        plugin_tool_seconds: 1, MAX_PLUGIN_SECONDS;
        plugin_respond_seconds: 1, MAX_PLUGIN_SECONDS;
        plugin_filter_seconds: 1, MAX_PLUGIN_SECONDS;
        plugin_models_seconds: 1, MAX_PLUGIN_SECONDS;
        plugin_save_seconds: 1, plugin::SAVE_SECONDS.into();
        plugin_events_seconds: 1, MAX_PLUGIN_SECONDS;
        plugin_build_seconds: 1, MAX_PLUGIN_SECONDS;
        plugin_view_seconds: 1, MAX_PLUGIN_SECONDS;
        plugin_status_seconds: 1, plugin::STATUS_SECONDS.into();
        plugin_output_max_bytes: 1024, MAX_COUNT;
        plugin_host_calls: 1, u64::MAX;
        plugin_host_max_bytes: 1024, MAX_COUNT;
        plugin_call_log_bytes: 0, MAX_COUNT;
        plugin_stack_bytes: MIN_PLUGIN_STACK_BYTES, MAX_PLUGIN_STACK_BYTES;
        plugin_core_modules: 1, MAX_PLUGIN_PARTS;
        plugin_memories: 1, MAX_PLUGIN_MEMORIES;
        plugin_tables: 1, MAX_PLUGIN_PARTS;
        plugin_table_elements: 1, MAX_PLUGIN_TABLE;
        plugin_installs_per_workspace: 0, MAX_LISTED;
        plugin_files_per_person: 0, MAX_LISTED;
        plugin_file_bytes_per_person: 0, u64::MAX;
        plugin_upload_minutes: 1, MAX_MINUTES;
        plugin_publishers_per_person: 0, MAX_LISTED;
        plugins_per_publisher: 0, MAX_COUNT;
        plugin_versions_per_plugin: 1, MAX_COUNT;
        plugin_publisher_bytes: 0, u64::MAX;
        plugin_registry_plugins: 0, MAX_COUNT;
        plugin_registry_versions: 0, MAX_COUNT;
        plugin_packages_at_once: 1, MAX_COUNT;
        plugin_mirror_seconds: 1, MAX_SECONDS;
        plugin_loaded_bytes: 0, u64::MAX;
        plugin_lists: 1, MAX_COUNT;
        plugin_list_idle_minutes: 1, MAX_MINUTES;
        plugin_followers: 0, MAX_COUNT;
        plugin_log_bytes: 0, MAX_COUNT;
        plugin_compiles_at_once: 1, MAX_PLUGIN_WORKERS;
        plugin_package_max_bytes: 1024, MAX_PACKAGE_BYTES;
        plugin_cache_bytes: 0, u64::MAX;
        plugin_compile_memory_mib: MIN_COMPILE_MEMORY_MIB, MAX_COUNT;
        plugin_compile_seconds: 1, MAX_COMPILE_SECONDS;
    };
    let wrong = bounds.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value));
    if let Some((name, value, least, most)) = wrong {
        return Some((name, format!("it is {value} and must lie between {least} and {most}")));
    }
    if settings.plugin_memory_mib > settings.plugin_memory_max_mib {
        return Some(("plugin_memory_mib", "it exceeds `plugin_memory_max_mib`".to_owned()));
    }
    if settings.password_min_chars > settings.password_max_chars {
        return Some(("password_min_chars", "it exceeds `password_max_chars`".to_owned()));
    }
    if !settings.public_url.is_empty() && !is_base_url(&settings.public_url) {
        let reason =
            format!("`{}` is not an address like https://ide.example.org, without a path", settings.public_url);
        return Some(("public_url", reason));
    }
    let wrong = settings.allowed_hosts.iter().find(|host| !is_host(host))?;
    Some(("allowed_hosts", format!("`{wrong}` is not a name like ide.example.org, without scheme and port")))
}

fn is_base_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        authority.bytes().all(plain) && authority.parse::<http::uri::Authority>().is_ok()
    })
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}
