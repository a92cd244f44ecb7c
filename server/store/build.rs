//! Lets the program be linked without FoundationDB's client library, which is looked for when a store is opened.
//!
//! The crate `foundationdb-sys` asks the linker for `fdb_c`. It finds an empty archive of that name here; the functions
//! themselves are defined in `src/foundationdb/loader_symbols.rs`.

use std::path::PathBuf;
use std::{env, fs, io};

/// An archive of the `ar` format without members.
const EMPTY_ARCHIVE: &[u8] = b"!<arch>\n";

fn main() -> io::Result<()> {
    let directory = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    fs::write(directory.join("libfdb_c.a"), EMPTY_ARCHIVE)?;
    println!("cargo:rustc-link-search=native={}", directory.display());
    println!("cargo:rerun-if-changed=build.rs");
    Ok(())
}
