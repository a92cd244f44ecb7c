//! Greets people, and takes spaces from the ends of lines.

use coditect_plugin_sdk::prelude::*;

struct Plugin;

impl Commands for Plugin {
    fn run(command: &str, _context: Context) -> Result<Outcome> {
        match command {
            "greet" => {
                let name: String = settings::get("name")?;
                log::info!("greeted {name}");
                Ok(Outcome::message(format!("Hello, {name}!")))
            }
            _ => Err(Error::unknown("command", command)),
        }
    }
}

impl Formatters for Plugin {
    fn format(document: Document, _range: Option<Range>, _options: FormatOptions) -> Result<Vec<TextEdit>> {
        Ok(edits::between(&document.text, &trimmed(&document.text)))
    }
}

/// The text without spaces at the ends of its lines.
fn trimmed(text: &str) -> String {
    text.split('\n').map(str::trim_end).collect::<Vec<_>>().join("\n")
}

// Every interface that plugin.toml offers.
plugin!(Plugin: Commands, Formatters);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_greets_by_name() {
        let _host = testing::Host::new().setting("name", "Ada").enter();
        let outcome = Plugin::run("greet", Context::default());
        assert_eq!(outcome, Ok(Outcome::message("Hello, Ada!")));
    }

    #[test]
    fn only_the_ends_of_lines_change() {
        assert_eq!(trimmed(" a \n\tb\t\n"), " a\n\tb\n");
    }
}
