//! A row of the table: a component that means harm, what it is asked, and what has to come of it.

use coditect_plugin_host::Call;
use coditect_protocol::plugin::{CallContext, Capability, Document, FormatOptions, PluginCall};
use serde_json::{Value, json};

use crate::guest::Guest;
use crate::world::World;

/// Under which limits a row runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Under {
    /// Deadlines that are short enough to wait for.
    Brief,
    /// Limits that nothing here comes near to: whatever ends the call is another one.
    Calm,
}

/// What has to come of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Comes {
    /// It ends with this code.
    Ends(&'static str),
    /// The tool answers this.
    Answers(String),
    /// It comes to a good end, whatever is answered.
    Done,
}

/// What is done with the items that a call gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// There is nobody.
    Nobody,
    /// Somebody who never reads.
    Asleep,
    /// Somebody who reads all of it.
    Awake,
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) component: Vec<u8>,
    pub(crate) offers: Value,
    pub(crate) memory_mib: Option<u32>,
    pub(crate) capabilities: Vec<Capability>,
    /// Manifest, person and operator allow private networks.
    pub(crate) private: bool,
    pub(crate) under: Under,
    pub(crate) reader: Reader,
    /// Whoever asks lets go of it while it runs.
    pub(crate) cancels: bool,
    /// The component must be refused with this code, by looking at it, by translating it, or by loading it.
    pub(crate) refused: Option<&'static str>,
    /// What it is asked, one after the other.
    pub(crate) asks: Vec<(Call, Comes)>,
    /// What must be true of the surroundings afterwards.
    pub(crate) after: fn(&World),
}

fn offers_of(exports: &str) -> Value {
    match exports {
        "tools" => json!({"tools": [{"id": "t", "description": "A tool.", "parameters": "{}"}]}),
        "commands" => json!({"commands": [{"id": "c", "title": "C"}]}),
        "views" => json!({"views": [{"id": "v", "title": "V", "place": "side"}]}),
        "formatters" => json!({"formatters": [{"languages": ["*"]}]}),
        "participants" => json!({"participants": [{"id": "p", "title": "P", "description": "P."}]}),
        "build-steps" => json!({"build_steps": [{"id": "b", "title": "B"}]}),
        "filters" => json!({"conversations": {"questions": true, "answers": true}}),
        other => panic!("nothing is known of {other}"),
    }
}

/// What a component that exports this is asked.
fn call_of(exports: &str, told: &str) -> Call {
    let context = || CallContext { document: None, selection: None, arguments: told.to_owned() };
    let document = || Document { path: "a.rs".into(), language: "rust".into(), text: "0123456789".into() };
    Call::Page(Box::new(match exports {
        "tools" => PluginCall::Tool { tool: "t".into(), arguments: told.into() },
        "commands" => {
            let context = CallContext { document: Some(document()), ..context() };
            PluginCall::Command { command: "c".into(), context }
        }
        "views" => PluginCall::OpenView { view: "v".into(), context: context() },
        "formatters" => {
            let options = FormatOptions { tab_size: 4, insert_spaces: true };
            PluginCall::Format { document: document(), range: None, options }
        }
        "participants" => {
            PluginCall::Respond { participant: "p".into(), text: told.into(), history: Vec::new(), context: context() }
        }
        "build-steps" => PluginCall::BuildStep { step: "b".into(), arguments: told.into() },
        "filters" => return Call::FilterAnswer { model: "m".into(), text: told.into() },
        other => panic!("nothing is known of {other}"),
    }))
}

impl Row {
    fn new(name: &'static str, component: Vec<u8>, exports: &'static str) -> Self {
        Self {
            name,
            component,
            offers: offers_of(exports),
            memory_mib: None,
            capabilities: Vec::new(),
            private: false,
            under: Under::Brief,
            reader: Reader::Nobody,
            cancels: false,
            refused: None,
            asks: Vec::new(),
            after: |_| {},
        }
    }

    /// The component must not even be loaded.
    pub(crate) fn refused(name: &'static str, component: Vec<u8>, code: &'static str) -> Self {
        Self { refused: Some(code), ..Self::new(name, component, "tools") }
    }

    /// A component in its own words whose tool is called once.
    pub(crate) fn raw(name: &'static str, component: Vec<u8>, comes: Comes) -> Self {
        Self { asks: vec![(call_of("tools", ""), comes)], ..Self::new(name, component, "tools") }
    }

    /// The guest is called once.
    pub(crate) fn once(name: &'static str, guest: &Guest, comes: Comes) -> Self {
        Self::told(name, guest, vec![(String::new(), comes)])
    }

    /// It is called once, and must end with this code.
    pub(crate) fn ends(name: &'static str, guest: &Guest, code: &'static str) -> Self {
        Self::once(name, guest, Comes::Ends(code))
    }

    /// It is told one thing after the other.
    pub(crate) fn told(name: &'static str, guest: &Guest, told: Vec<(String, Comes)>) -> Self {
        let asks = told.into_iter().map(|(told, comes)| (call_of(guest.exports, &told), comes)).collect();
        Self { asks, ..Self::new(name, guest.component(), guest.exports) }
    }

    pub(crate) fn granted(self, capabilities: &[Capability]) -> Self {
        Self { capabilities: capabilities.to_vec(), ..self }
    }

    pub(crate) fn memory_mib(self, mib: u32) -> Self {
        Self { memory_mib: Some(mib), ..self }
    }

    pub(crate) fn calm(self) -> Self {
        Self { under: Under::Calm, ..self }
    }

    pub(crate) fn reader(self, reader: Reader) -> Self {
        Self { reader, ..self }
    }

    pub(crate) fn cancelled(self) -> Self {
        Self { cancels: true, ..self }
    }

    pub(crate) fn private(self) -> Self {
        Self { private: true, ..self }
    }

    pub(crate) fn after(self, after: fn(&World)) -> Self {
        Self { after, ..self }
    }
}

pub(crate) const CPU: &str = "plugins.cpu_deadline";
pub(crate) const DEADLINE: &str = "plugins.deadline";
pub(crate) const MALFORMED: &str = "plugins.malformed";
pub(crate) const MEMORY: &str = "plugins.memory";
pub(crate) const STACK: &str = "plugins.stack";
pub(crate) const TABLES: &str = "plugins.tables";
pub(crate) const TRAPPED: &str = "plugins.trapped";
pub(crate) const OUTPUT: &str = "plugins.output";
pub(crate) const HOST_BYTES: &str = "plugins.host_bytes";
pub(crate) const HOST_CALLS: &str = "plugins.host_calls";
pub(crate) const REFUSED: &str = "plugins.component_refused";
pub(crate) const TOO_LARGE: &str = "plugins.component_too_large";
pub(crate) const NO_COMPONENT: &str = "plugins.not_a_component";

/// What `$told` answers with, by what an import said.
pub(crate) fn digit(word: &str) -> Comes {
    let words = ["denied", "limit", "not found", "invalid", "conflict", "unavailable", "failed"];
    let at = words.iter().position(|own| *own == word);
    Comes::Answers(at.map_or_else(|| "9".to_owned(), |at| at.to_string()))
}
