//! OWASP ASVS 5.0, chapters V6 to V10 and V16, levels 1 and 2: each test is named by the row that it proves, by attack, on a whole
//! server. `docs/asvs.md` says for every row whether it holds and by which test; `table` sees to it that both say the same.

#![allow(unreachable_pub, reason = "what the files of this test share is public to them")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

#[path = "asvs/document.rs"]
mod document;
#[path = "asvs/forge.rs"]
mod forge;
#[path = "asvs/harness.rs"]
mod harness;
#[path = "asvs/program.rs"]
mod program;
#[path = "asvs/table.rs"]
mod table;

#[path = "asvs/v10.rs"]
mod v10;
#[path = "asvs/v16.rs"]
mod v16;
#[path = "asvs/v6.rs"]
mod v6;
#[path = "asvs/v6_factors.rs"]
mod v6_factors;
#[path = "asvs/v7.rs"]
mod v7;
#[path = "asvs/v8.rs"]
mod v8;
#[path = "asvs/v9.rs"]
mod v9;
