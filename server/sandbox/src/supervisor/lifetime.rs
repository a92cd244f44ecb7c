//! When the supervisor ends by itself.

use std::time::Duration;

use super::host::Host;

/// How long it waits for the server that started it.
const FIRST_PATIENCE: Duration = Duration::from_secs(30);
/// How long it waits for a server with nothing that is worth being kept: the next one starts as fast without it.
const IDLE_PATIENCE: Duration = Duration::from_secs(5);

/// Returns when it is time to end, and says why.
pub(super) async fn run(host: &Host) -> &'static str {
    let mut servers = host.servers();
    loop {
        let alone = *servers.borrow_and_update() == 0;
        tokio::select! {
            () = host.told_to_end() => return "it was told to",
            changed = servers.changed() => if changed.is_err() { return "nobody is left" },
            () = tokio::time::sleep(patience(host)), if alone => return "no server came",
        }
    }
}

fn patience(host: &Host) -> Duration {
    match host.keep() {
        None => FIRST_PATIENCE,
        Some(keep) if host.is_idle() => keep.min(IDLE_PATIENCE),
        Some(keep) => keep,
    }
}
