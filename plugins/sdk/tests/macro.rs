//! `plugin!` takes every interface, also all at once.
#![forbid(unsafe_code)]

use coditect_plugin_sdk::prelude::*;

struct Everything;

impl Commands for Everything {
    fn run(command: &str, _context: Context) -> Result<Outcome> {
        Err(Error::unknown("command", command))
    }
}

impl Formatters for Everything {
    fn format(document: Document, range: Option<Range>, _options: FormatOptions) -> Result<Vec<TextEdit>> {
        Ok(edits::between(&document.text, document.slice(range)?))
    }
}

impl Diagnostics for Everything {
    fn check(_document: Document) -> Result<Vec<Diagnostic>> {
        Ok(Vec::new())
    }
}

impl Tools for Everything {
    fn call(_tool: &str, arguments: Arguments) -> Result<String> {
        arguments.read()
    }
}

impl Participants for Everything {
    fn respond(request: Request, reply: &mut Reply) -> Result<()> {
        reply.think("so")?;
        reply.refer_to("a.rs", Some(1))?;
        reply.write_all(models::ask(&Question::new(request.text))?)
    }
}

impl Filters for Everything {}

impl Providers for Everything {
    fn models(_provider: &str) -> Result<Vec<Model>> {
        models::list()
    }

    fn respond(_provider: &str, question: Question, reply: &mut Reply) -> Result<()> {
        reply.write(question.messages.iter().map(|message| message.text.as_str()).collect::<String>())
    }
}

impl Hooks for Everything {}

impl BuildSteps for Everything {
    fn run(_step: &str, _arguments: Arguments) -> Result<Report> {
        Ok(Report::passed("Well."))
    }
}

impl Views for Everything {
    type State = u32;

    fn open(_view: &str, _context: Context) -> Result<View<u32>> {
        Ok(View::new(0, text("opened")))
    }

    fn handle(_view: &str, state: u32, action: Action, _context: Context) -> Result<View<u32>> {
        Ok(View::new(state + action.value::<u32>()?, text("handled")))
    }
}

impl StatusItems for Everything {
    fn show(_item: &str, _context: Context) -> Result<Option<StatusItem>> {
        Ok(None)
    }
}

plugin!(
    Everything: Commands, Formatters, Diagnostics, Tools, Participants, Filters, Providers, Hooks, BuildSteps, Views, StatusItems,
);

#[test]
fn an_answer_goes_through_the_host() {
    let host = testing::Host::new().model(|_| Ok(vec!["a".into(), "b".into()])).enter();
    let request =
        Request { participant: String::new(), text: "?".into(), history: vec![], context: Context::default() };
    <Everything as Participants>::respond(request, &mut testing::reply()).unwrap();
    assert_eq!((host.reply().as_str(), host.thoughts().as_str()), ("ab", "so"));
    assert_eq!(host.references(), [("a.rs".into(), Some(1))]);
}

#[test]
fn what_is_not_granted_is_denied_and_what_is_not_said_unavailable() {
    let _host = testing::Host::new().denies("models").enter();
    assert!(matches!(models::list(), Err(Error::Denied(_))));
    assert!(matches!(http::get("https://example.org").send(), Err(Error::Unavailable(_))));
    drop(_host);
    assert!(matches!(clock::now(), Err(Error::Unavailable(_))));
}

#[test]
fn files_are_kept_apart_by_their_versions() {
    let host = testing::Host::new().file("a/b.txt", "1").file("c.txt", "2").enter();
    let version = files::read("a/b.txt").unwrap().version;
    let next = files::replace("a/b.txt", "3", &version).unwrap();
    assert!(matches!(files::replace("a/b.txt", "4", &version), Err(Error::Conflict(_))));
    assert!(matches!(files::create("a/b.txt", "4"), Err(Error::Conflict(_))));
    files::replace("a/b.txt", "5", &next).unwrap();
    assert_eq!(host.file("a/b.txt").as_deref(), Some(&b"5"[..]));
    let names: Result<Vec<String>> = files::list("").map(|entry| Ok(entry?.name)).collect();
    assert_eq!(names, Ok(vec!["a".into(), "c.txt".into()]));
    assert_eq!(search::paths(&["**/*.txt"], &["c*"], 10), Ok(vec!["a/b.txt".into()]));
}
