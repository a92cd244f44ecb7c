//! How much of anything one request may take.

use std::time::Duration;

/// Requests at once; more are refused.
pub(crate) const MAX_REQUESTS: u32 = 64;
/// Of those, how many work at once. The others wait.
pub(crate) const MAX_WORKING: usize = 8;
/// Frames that wait to be written.
pub(crate) const QUEUED_FRAMES: usize = 64;

/// Paths that one request names.
pub(crate) const MAX_PATHS: usize = 10_000;
/// Bytes of paths that stand in one command line; Linux takes 128 KiB for one word and 2 MiB in all.
pub(crate) const ARGUMENT_BYTES: usize = 256 * 1024;

/// A file's content in one answer, in bytes.
pub(crate) const MAX_CONTENT_BYTES: u64 = 8 * 1024 * 1024;
/// Differences in one answer, in bytes.
pub(crate) const MAX_DIFF_BYTES: usize = 4 * 1024 * 1024;
/// Files in one answer of differences.
pub(crate) const MAX_DIFF_FILES: usize = 2_000;
/// Files of a commit that are listed.
pub(crate) const MAX_COMMIT_FILES: usize = 5_000;
/// What `git` may write where a list is asked of it, in bytes.
pub(crate) const MAX_OUTPUT_BYTES: usize = 16 * 1024 * 1024;
/// A message of a commit in one answer, in bytes.
pub(crate) const MAX_SHOWN_MESSAGE_BYTES: usize = 64 * 1024;
/// Branches, and tags, and branches of remotes in one answer.
pub(crate) const MAX_REFS: usize = 5_000;
/// Messages of the commits of one answer of blame or log, in bytes; where they are longer, only summaries are told.
pub(crate) const MAX_MESSAGES_BYTES: usize = 4 * 1024 * 1024;

/// Repositories that are found in a workspace.
pub(crate) const MAX_REPOSITORIES: usize = 200;
/// Folders below the workspace's own in which repositories are looked for.
pub(crate) const REPOSITORY_DEPTH: usize = 5;
/// Folders that are looked into for repositories.
pub(crate) const MAX_FOLDERS: usize = 20_000;

/// After a status that took no less, the index is looked at: it may not fit its files any more.
pub(crate) const REFRESH_AFTER: Duration = Duration::from_millis(200);
/// Files by which an index is judged.
pub(crate) const SAMPLED_FILES: usize = 32;
/// Largest index that is refreshed, in bytes; about two million files.
pub(crate) const MAX_REFRESHED_BYTES: u64 = 256 * 1024 * 1024;
/// Repositories that are remembered because refreshing their index is of no use; of more, the last ones.
pub(crate) const MAX_GIVEN_UP: usize = 200;

/// Lines of what `git`, a hook or the other side wrote that a message tells.
pub(crate) const TOLD_LINES: usize = 20;
/// What is kept of an output for messages, in bytes.
pub(crate) const TOLD_BYTES: usize = 8 * 1024;
/// Longest line of an output, in bytes; the rest of it is dropped.
pub(crate) const MAX_LINE_BYTES: usize = 2 * 1024;

/// Reading takes no longer.
pub(crate) const READING_TIME: Duration = Duration::from_secs(120);
/// Changing something takes no longer, hooks included.
pub(crate) const WRITING_TIME: Duration = Duration::from_secs(30 * 60);
/// Fetching and pushing takes no longer.
pub(crate) const NETWORK_TIME: Duration = Duration::from_secs(2 * 60 * 60);
/// A transfer slower than a byte a second for so long is given up, in seconds.
pub(crate) const STALL_SECONDS: u32 = 120;
/// How long `git` may tidy up (its lock files) when it is told to end.
pub(crate) const END_GRACE: Duration = Duration::from_secs(2);
/// How long everything that runs may take to end when the program does.
pub(crate) const STOP_TIME: Duration = Duration::from_secs(5);
/// How long output is waited for after `git` has ended: a hook may have left something running that holds the stream.
pub(crate) const DRAIN_GRACE: Duration = Duration::from_millis(500);
/// How long a lock of another `git` is waited for.
pub(crate) const LOCK_WAITS: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(150), Duration::from_millis(400), Duration::from_secs(1)];

/// Threads that read repositories.
pub const BLOCKING_THREADS: usize = 6;
/// Stack of each thread, in bytes.
pub const THREAD_STACK_BYTES: usize = 2 * 1024 * 1024;
