//! What the tests of the server install: does what its commands are named after, and tells how it went.

#![allow(unsafe_code, reason = "what is made of the contract has it")]

wit_bindgen::generate!({
    path: "../../../../plugins/wit/v1",
    inline: "
        package test:plugin;
        world plugin {
            include coditect:plugin/imports@1.0.0;
            export coditect:plugin/commands@1.0.0;
            export coditect:plugin/filters@1.0.0;
            export coditect:plugin/providers@1.0.0;
            export coditect:plugin/hooks@1.0.0;
        }
    ",
    generate_all,
});

use coditect::plugin::types::{Context, Document, Error, Message, Model, Question, Role};
use coditect::plugin::{answer, files, git, models, search, ui};
use exports::coditect::plugin::commands::{self, Outcome};
use exports::coditect::plugin::filters::{self, Verdict};
use exports::coditect::plugin::hooks::{self, BeforeSave, FileEvent};
use exports::coditect::plugin::providers;

struct Plugin;

export!(Plugin);

fn told(message: String) -> Outcome {
    Outcome { message: Some(message), edits: Vec::new(), open_view: None }
}

/// Each command takes a JSON string.
impl commands::Guest for Plugin {
    fn run(command: String, context: Context) -> Result<Outcome, Error> {
        let argument = context.arguments.trim_matches('"').to_owned();
        let done = match command.as_str() {
            "read" => String::from_utf8_lossy(&files::read(&argument, 1 << 20)?.bytes).into_owned(),
            "write" => files::write(&argument, b"made by a plugin", None)?,
            "delete" => {
                files::delete(&argument)?;
                "deleted".to_owned()
            }
            "list" => {
                let entries = files::list(&argument, None, 1000)?;
                entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>().join(" ")
            }
            "find" => search::paths(&[argument], &[], 100)?.join(" "),
            "search" => {
                let query = search::Query {
                    pattern: argument,
                    is_regex: false,
                    is_case_sensitive: true,
                    includes: Vec::new(),
                    excludes: Vec::new(),
                    max_matches: 10,
                };
                let found = search::text(&query)?.matches;
                let places = found.into_iter().map(|found| {
                    format!("{}:{}:{}", found.path, found.range.start.line, found.range.start.column)
                });
                places.collect::<Vec<_>>().join(" ")
            }
            "ask" => ask(&argument)?,
            "commits" => git::log(10)?.into_iter().map(|commit| commit.message).collect::<Vec<_>>().join("\n"),
            "notify" => {
                ui::notify(coditect::plugin::types::Severity::Information, &argument)?;
                "told".to_owned()
            }
            "trap" => panic!("it was asked to"),
            "spin" => loop {
                std::hint::spin_loop();
            },
            _ => return Err(Error::NotFound(command)),
        };
        Ok(told(done))
    }
}

fn ask(model: &str) -> Result<String, Error> {
    let message = Message { role: Role::User, text: "What is the answer?".to_owned() };
    let question = Question {
        model: Some(model.to_owned()),
        messages: vec![message],
        max_tokens: Some(500),
        temperature: None,
    };
    let answer = models::ask(&question)?;
    let mut text = String::new();
    while let Some(piece) = answer.next()? {
        text.push_str(&piece);
    }
    Ok(text)
}

impl filters::Guest for Plugin {
    fn question(_model: String, messages: Vec<Message>) -> Result<Verdict, Error> {
        let has = |word: &str| messages.iter().any(|message| message.text.contains(word));
        if has("trap") {
            panic!("it was asked to");
        }
        if has("refuse") {
            return Ok(Verdict::Refuse("It holds what nobody may say.".to_owned()));
        }
        if !has("secret") {
            return Ok(Verdict::Pass);
        }
        Ok(Verdict::Replace(messages.into_iter().map(|message| message.text.replace("secret", "[hidden]")).collect()))
    }

    fn answer(_model: String, text: String) -> Result<Verdict, Error> {
        Ok(Verdict::Replace(vec![text.to_uppercase()]))
    }
}

impl providers::Guest for Plugin {
    fn models(_provider: String) -> Result<Vec<Model>, Error> {
        Ok(vec![Model { id: "parrot".to_owned(), context_tokens: Some(1000) }])
    }

    fn respond(_provider: String, question: Question) -> Result<(), Error> {
        answer::thought("Hm.")?;
        for word in question.messages.last().map(|message| message.text.as_str()).unwrap_or_default().split(' ') {
            answer::text(&format!("{word} "))?;
        }
        Ok(())
    }
}

impl hooks::Guest for Plugin {
    fn will_save(_document: Document) -> Result<BeforeSave, Error> {
        Ok(BeforeSave { edits: Vec::new(), diagnostics: Vec::new(), objection: None })
    }

    fn changed(events: Vec<FileEvent>) -> Result<(), Error> {
        for event in events {
            let name = event.path.replace('/', "-");
            files::write(&format!("out/seen-{name}"), b"seen", None)?;
        }
        Ok(())
    }
}
