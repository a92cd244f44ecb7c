//! The table.

mod border;
mod cpu;
mod files;
mod handles;
mod host;
mod memory;
mod network;
mod waiting;

use crate::row::Row;
use crate::web::Web;

/// All of it. `web` is what listens where nobody should come by.
pub(crate) fn all(web: &Web) -> Vec<Row> {
    [
        cpu::rows(),
        memory::rows(),
        handles::rows(),
        host::rows(),
        waiting::rows(),
        files::rows(),
        border::rows(),
        network::rows(web),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A loop without an end.
const LOOP: &str = "(loop $on (br $on)) (unreachable)";
