//! Finds secrets in texts before they are saved or reach a language model: a plugin of Coditect.

mod rules;

use std::collections::HashMap;

use coditect_plugin_sdk::prelude::*;

use crate::rules::Secret;

/// Whoever writes this on a line says that what stands there is no secret.
const ALLOW: &str = "secrets:allow";

struct Secrets;

plugin!(Secrets: Diagnostics, Hooks, Filters);

impl Diagnostics for Secrets {
    fn check(document: Document) -> Result<Vec<Diagnostic>> {
        let guess = settings::get("guess")?;
        Ok(diagnostics(&document.text, &in_document(&document.text, guess)))
    }
}

impl Hooks for Secrets {
    fn will_save(document: Document) -> Result<BeforeSave> {
        let secrets = in_document(&document.text, settings::get("guess")?);
        let objects = settings::get::<bool>("object")? && !secrets.is_empty();
        Ok(BeforeSave {
            edits: Vec::new(),
            diagnostics: diagnostics(&document.text, &secrets),
            objection: objects.then(|| objection(&document, &secrets)),
        })
    }
}

impl Filters for Secrets {
    fn question(_model: &str, messages: Vec<Message>) -> Result<Verdict> {
        if !settings::get::<bool>("replace")? {
            return Ok(Verdict::Pass);
        }
        let guess = settings::get("guess")?;
        let mut names = Names::default();
        let texts: Vec<String> = messages.iter().map(|message| names.replaced(&message.text, guess)).collect();
        if names.known.is_empty() {
            return Ok(Verdict::Pass);
        }
        log::info!("{} secrets were replaced in a question", names.known.len());
        Ok(Verdict::Replace(texts))
    }
}

/// Secrets of a document, without those that somebody allowed.
fn in_document(text: &str, guess: bool) -> Vec<Secret> {
    let index = LineIndex::new(text);
    let mut secrets = rules::find(text, guess);
    secrets.retain(|secret| {
        let line = index.position(secret.at.start).line as usize;
        !index.line(line).is_some_and(|line| line.contains(ALLOW))
    });
    secrets
}

fn diagnostics(text: &str, secrets: &[Secret]) -> Vec<Diagnostic> {
    let index = LineIndex::new(text);
    let diagnostic = |secret: &Secret| {
        let message = format!("Here stands {}. Take it out and revoke it, or write {ALLOW} on the line.", secret.what);
        Diagnostic::warning(index.range(secret.at.clone()), message).with_code(secret.rule)
    };
    secrets.iter().map(diagnostic).collect()
}

fn objection(document: &Document, secrets: &[Secret]) -> String {
    let line = LineIndex::new(&document.text).position(secrets[0].at.start).line + 1;
    let first = secrets[0].what;
    match secrets.len() {
        1 => format!("{} has {first} in line {line}.", document.path),
        count => format!("{} has {count} secrets, the first of them {first} in line {line}.", document.path),
    }
}

/// Names for secrets: the same one has the same name in all texts.
#[derive(Default)]
struct Names {
    known: HashMap<String, String>,
}

impl Names {
    /// A text with names in place of secrets. What it says stays understandable: `[secret 1: a token of GitHub]`.
    fn replaced(&mut self, text: &str, guess: bool) -> String {
        let mut replaced = String::with_capacity(text.len());
        let mut end = 0;
        for secret in rules::find(text, guess) {
            replaced.push_str(&text[end..secret.at.start]);
            replaced.push_str(self.name(&text[secret.at.clone()], secret.what));
            end = secret.at.end;
        }
        replaced.push_str(&text[end..]);
        replaced
    }

    fn name(&mut self, secret: &str, what: &str) -> &str {
        let number = self.known.len() + 1;
        self.known.entry(secret.to_owned()).or_insert_with(|| format!("[secret {number}: {what}]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = concat!("gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17");

    fn host() -> testing::Host {
        testing::Host::new().setting("guess", true).setting("object", true).setting("replace", true)
    }

    fn document(text: &str) -> Document {
        Document { path: "a.env".into(), language: "properties".into(), text: text.into() }
    }

    #[test]
    fn saving_a_secret_is_objected_to() {
        let _host = host().enter();
        let before = Secrets::will_save(document(&format!("é\nkey: {TOKEN}\n"))).unwrap();
        assert_eq!(before.objection.as_deref(), Some("a.env has a token of GitHub in line 2."));
        assert_eq!(before.diagnostics[0].range, Range::new(Position::new(1, 5), Position::new(1, 45)));
        assert!(!format!("{before:?}").contains(TOKEN));
        assert_eq!(Secrets::will_save(document("key: 1")).unwrap(), BeforeSave::default());
    }

    #[test]
    fn what_is_allowed_is_passed_over() {
        let _host = host().setting("object", false).enter();
        assert_eq!(Secrets::check(document(&format!("{TOKEN} # {ALLOW}"))), Ok(vec![]));
        let before = Secrets::will_save(document(TOKEN)).unwrap();
        assert_eq!((before.objection, before.diagnostics.len()), (None, 1));
    }

    #[test]
    fn a_model_sees_names_in_place_of_secrets() {
        let host = host().enter();
        let other = "postgres://a:q7!hVz02@b";
        let messages = vec![Message::system("Help."), Message::user(format!("{TOKEN} {other}")), Message::user(TOKEN)];
        let name = "[secret 1: a token of GitHub]";
        let texts =
            vec!["Help.".into(), format!("{name} postgres://a:[secret 2: a password in an address]@b"), name.into()];
        assert_eq!(Secrets::question("m", messages), Ok(Verdict::Replace(texts)));
        assert!(!format!("{:?}", host.log()).contains(TOKEN));
        assert_eq!(Secrets::question("m", vec![Message::user("hello")]), Ok(Verdict::Pass));
    }

    #[test]
    fn the_person_can_let_models_see_everything() {
        let _host = host().setting("replace", false).enter();
        assert_eq!(Secrets::question("m", vec![Message::user(TOKEN)]), Ok(Verdict::Pass));
    }
}
