//! Tests that are written down in TOML, for authors in every language: `tests/*.toml` in a plugin's folder.
//!
//! ```toml
//! [[test]]
//! name = "greets by name"
//! call = { command = "greet" }            # what is asked: see below
//! settings = { name = "Ada" }             # what the person chose
//! files = { "notes/a.md" = "# A\n" }      # the workspace; or workspace = "tests/fixture", a folder that is copied
//! granted = ["files.read"]                # all that the manifest asks for where absent
//! expect = { outcome = { message = "Hello, Ada!" } }
//! ```
//!
//! **Calls** have one of these keys: `command`, `format`, `check`, `will-save`, `tool`, `status`, `participant`, `view`, `build-step`,
//! `changed`, `filter-question`, `filter-answer`, `models`, `provider`; see [`CallOf`] for what stands beside each.
//!
//! **Surroundings**: `files`, `workspace`, `settings`, `granted`, `storage`, `git`, `models` (scripted answers, of which the first that
//! fits the last message counts), `http` (a server on this machine; `{{http}}` in texts becomes its address).
//!
//! **Expectations** are subsets: what is not named may be anything, except errors and denials, which must be expected. A text is expected
//! by `"equal"`, `{ contains = "…" }`, `{ regex = "…" }`, `{ any = true }` or `{ absent = true }`; a list entry by entry, or by
//! `{ has = […] }`. See [`Expect`].

mod calls;
mod format;
mod matching;
mod run;

pub use calls::CallOf;
pub use format::{Commit, Declared, Expect, FileContent, Git, GitChange, Http, Scripted, TestFile, read_folder};
pub use matching::{Mismatch, Pattern};
pub use run::{TestReport, run};
