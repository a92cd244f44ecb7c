//! Work on megabytes, which would hold up all other calls of its thread.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

/// From how many bytes on: they take about a millisecond to be read.
const LARGE_BYTES: usize = 256 * 1024;

/// Does it here; where there are many bytes to it, another thread takes over the other calls of this one.
pub(super) fn heavy<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let has_threads = || Handle::try_current().is_ok_and(|here| here.runtime_flavor() == RuntimeFlavor::MultiThread);
    if bytes >= LARGE_BYTES && has_threads() { block_in_place(work) } else { work() }
}
