//! Makes `src/password/breached.fst` from lists of passwords, one a line, in the files named:
//!
//!     cargo run -p coditect-auth --example breached_list -- server/auth/src/password/breached.fst LIST…
//!
//! `src/password/breached.md` says which lists those were.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{BufRead as _, BufReader, BufWriter};

/// Shorter passwords are refused for their length, and shorter words are in every sentence. In characters.
const MIN_CHARS: usize = 5;
/// Longer lines are no passwords that people chose. In bytes.
const MAX_BYTES: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let mut names = std::env::args().skip(1);
    let target = names.next().ok_or("name the file to write, then the lists to read")?;
    let mut words = BTreeSet::new();
    for name in names {
        for line in BufReader::new(std::fs::File::open(name)?).split(b'\n') {
            let Ok(line) = String::from_utf8(line?) else { continue };
            let word = line.trim().to_lowercase();
            if word.chars().count() >= MIN_CHARS && word.len() <= MAX_BYTES && !word.contains(char::is_control) {
                words.insert(word);
            }
        }
    }
    let count = words.len();
    let long = words.iter().filter(|word| word.chars().count() >= 12).count();
    let mut set = fst::SetBuilder::new(BufWriter::new(std::fs::File::create(target)?))?;
    set.extend_iter(words)?;
    set.finish()?;
    println!("{count} passwords, {long} of them with 12 characters or more");
    Ok(())
}
