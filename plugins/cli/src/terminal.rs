//! What people read and are asked.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use coditect_protocol::plugin::{Asked, Capability};

/// Somebody else's text for a terminal: no character of it may command the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|&c| c == '\n' || c == '\t' || !c.is_control()).collect()
}

/// Columns below each other.
pub(crate) fn table(rows: &[(String, String)]) {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, text) in rows {
        let pad = " ".repeat(width - name.chars().count());
        let indented = printable(text).replace('\n', &format!("\n  {}", " ".repeat(width + 2)));
        println!("  {name}{pad}  {indented}");
    }
}

/// What a capability reaches, in one line.
pub(crate) fn bounds(capability: &Capability) -> String {
    match capability {
        Capability::Documents { globs }
        | Capability::FilesRead { globs }
        | Capability::FilesWrite { globs }
        | Capability::Search { globs } => globs.join(", "),
        Capability::Http { hosts, private } => {
            format!("{}{}", hosts.join(", "), if *private { " (also in private networks)" } else { "" })
        }
        Capability::Models { models, usd_per_day } => {
            format!("{}, up to {} US dollars a day", models.join(", "), f64::from(*usd_per_day))
        }
        Capability::Storage { bytes } => format!("{bytes} bytes"),
        _ => String::new(),
    }
}

/// What is asked for, for a table.
pub(crate) fn asked_rows(asked: &[Asked]) -> Vec<(String, String)> {
    let row = |asked: &Asked| {
        let bounds = bounds(&asked.capability);
        let separator = if bounds.is_empty() { "" } else { "\n" };
        (asked.capability.name().to_string(), format!("{}{separator}{bounds}", asked.reason))
    };
    asked.iter().map(row).collect()
}

/// Whether somebody at the terminal says yes. Nobody there says nothing.
pub(crate) fn confirm(question: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    eprint!("{question} [y/N] ");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).is_ok() && matches!(line.trim(), "y" | "Y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_commands_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\r\n\tc\u{9b}d"), "a[2Jb\n\tcd");
    }
}
