//! What plugins may do, in plain words, for the page where people agree to it and for the page where they take it back. Pure.
//!
//! There is one text for each right, so that the front and the IDE never say it differently. What weighs most comes first.

use coditect_protocol::plugin::{
    Asked, Capability, CapabilityName, Denial, Installed, Manifest, PluginState, Review, SignatureState,
};
use serde::{Deserialize, Serialize};
use tsify::Tsify;

const TAKEN_BACK: &str = "This version was taken back, or the key that signed it was revoked: nobody can install it anew. Take another version, or uninstall it.";

/// How much harm a right can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Tsify)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// It changes files, sends data away or spends money.
    High,
    /// It sees what people work on.
    Medium,
    /// Hardly any.
    Low,
}

/// A right in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Tsify)]
pub struct RightInWords {
    /// Which.
    pub name: CapabilityName,
    /// How much harm it can do.
    pub weight: Weight,
    /// What it lets the plugin do.
    pub title: String,
    /// A sentence more, where there is one to say.
    pub detail: String,
    /// Which files, hosts or models; the whole of it where empty.
    pub subjects: Vec<Subject>,
    /// Why its author wants it, in their words.
    pub reason: String,
    /// It goes beyond what was agreed to before.
    pub is_new: bool,
    /// It is granted now.
    pub granted: bool,
}

/// What a right is bounded to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Tsify)]
pub struct Subject {
    /// As the plugin wrote it.
    pub text: String,
    /// It was not agreed to before.
    pub is_new: bool,
}

/// What a person reads before they agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Tsify)]
pub struct Consent {
    /// What it is about.
    pub title: String,
    /// What happens to what is there.
    pub summary: String,
    /// The rights, what is new first and then what weighs most.
    pub rights: Vec<RightInWords>,
    /// What follows from several of them together.
    pub warnings: Vec<String>,
    /// Where it comes from.
    pub origin: String,
    /// Its publisher is known by this server.
    pub is_known_publisher: bool,
    /// What it adds.
    pub adds: Vec<String>,
    /// What agreeing is called.
    pub agree: String,
}

/// How it is with a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Tsify)]
pub struct StateInWords {
    /// One or two words.
    pub label: String,
    /// What happened, and what to do about it.
    pub detail: String,
    /// Something is wrong.
    pub is_bad: bool,
}

/// Something that was denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Tsify)]
pub struct DenialInWords {
    /// Which right it takes.
    pub capability: CapabilityName,
    /// What was denied.
    pub text: String,
    /// What to do about it.
    pub advice: String,
    /// Granting that right is what helps.
    pub can_grant: bool,
}

/// What a person reads before they agree to what is reviewed; `installed` is what there is so far.
pub(crate) fn consent(review: &Review, installed: Option<&Installed>) -> Consent {
    let Review { manifest, asks_more, .. } = review;
    let Manifest { title, version, .. } = manifest;
    let is_update = review.installed.is_some();
    let is_more = |name| is_update && asks_more.iter().any(|asked| asked.capability.name() == name);
    let mut rights: Vec<_> = sorted(&manifest.capabilities)
        .map(|asked| {
            let before = installed.and_then(|installed| granted_before(installed, asked.capability.name()));
            let mut right = in_words(asked, true, before);
            right.is_new = is_more(right.name);
            if !right.is_new {
                right.subjects.iter_mut().for_each(|subject| subject.is_new = false);
            }
            right
        })
        .collect();
    rights.sort_by_key(|right| !right.is_new);
    let (origin, is_known_publisher) = origin(manifest, &review.signature);
    let (summary, agree) = match (&review.installed, asks_more.is_empty()) {
        (None, _) if rights.is_empty() => ("It asks for no rights at all.".to_owned(), "Install"),
        (None, _) => ("It gets these rights in this workspace, and no others.".to_owned(), "Agree and install"),
        (Some(old), true) => (format!("It takes the place of {old} and asks for nothing more."), "Update"),
        (Some(old), false) => (
            format!(
                "It takes the place of {old} and asks for more than that: what is new is marked. Until you agree, {old} goes on."
            ),
            "Agree and update",
        ),
    };
    Consent {
        title: format!("{title} {version}"),
        summary,
        warnings: warnings(manifest.capabilities.iter().map(|asked| &asked.capability)),
        rights,
        origin,
        is_known_publisher,
        adds: adds(manifest),
        agree: agree.to_owned(),
    }
}

/// The rights that a plugin asks for, with those that it has.
pub(crate) fn grants(installed: &Installed) -> Vec<RightInWords> {
    let is_granted = |asked: &Asked| installed.granted.contains(&asked.capability.name());
    sorted(&installed.manifest.capabilities).map(|asked| in_words(asked, is_granted(asked), None)).collect()
}

/// How it is with a plugin.
pub(crate) fn state(installed: &Installed) -> StateInWords {
    let (label, detail, is_bad) = match &installed.state {
        PluginState::Ready if installed.taken_back => ("Taken back", String::new(), true),
        PluginState::Ready => ("Ready", String::new(), false),
        PluginState::Preparing => ("Preparing", "It is being translated for this server.".to_owned(), false),
        PluginState::Disabled => ("Off", "You switched it off.".to_owned(), false),
        PluginState::Resting { reason, .. } => {
            ("Rests", format!("It failed ({}) and is tried again by itself in a while.", within(reason)), true)
        }
        PluginState::Failed { reason } => (
            "Failed",
            format!("It failed too often ({}). Switch it on again to give it another try.", within(reason)),
            true,
        ),
        PluginState::Blocked => ("Blocked", "An admin does not allow it; ask who runs this server.".to_owned(), true),
    };
    let label = label.to_owned();
    if installed.taken_back {
        let detail = format!("{TAKEN_BACK} {detail}").trim_end().to_owned();
        return StateInWords { label, detail, is_bad: true };
    }
    StateInWords { label, detail, is_bad }
}

/// A sentence as a part of another one.
fn within(sentence: &str) -> &str {
    sentence.trim_end_matches('.')
}

/// What a plugin was denied, and what to do about it.
pub(crate) fn denial(denial: &Denial, installed: &Installed) -> DenialInWords {
    let name = denial.capability;
    let asked = installed.manifest.capabilities.iter().find(|asked| asked.capability.name() == name);
    let title = asked.map_or_else(|| name.to_string(), |asked| title_of(&asked.capability).to_owned());
    let (advice, can_grant) = match asked {
        None => ("It never asked for that, so nobody can grant it.".to_owned(), false),
        Some(_) if !installed.granted.contains(&name) => (format!("Grant “{title}” to let it."), true),
        Some(asked) if is_private_host(&asked.capability, &denial.subject) => (
            "It asked for that and you agreed, but this server lets no plugin into private networks: ask an admin to allow it.".to_owned(),
            false,
        ),
        Some(_) => ("That is more than it asked for; only its author can change what it asks for.".to_owned(), false),
    };
    let subject = if denial.subject.is_empty() { String::new() } else { format!(" {}", denial.subject) };
    let times = if denial.count > 1 { format!(", {} times", denial.count) } else { String::new() };
    DenialInWords { capability: name, text: format!("Was denied: {name}{subject}{times}."), advice, can_grant }
}

/// Whether a host is among those that a plugin names to reach them in private networks too.
fn is_private_host(capability: &Capability, host: &str) -> bool {
    let is_named = |named: &String| {
        let with_port = named.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let name = with_port.map_or(named.as_str(), |(name, _)| name);
        name == host || name.strip_prefix('*').is_some_and(|end| host.ends_with(end))
    };
    matches!(capability, Capability::Http { hosts, private: true } if hosts.iter().any(is_named))
}

/// In the order of the consent screen.
fn sorted(asked: &[Asked]) -> impl Iterator<Item = &Asked> {
    let of = |name| asked.iter().filter(move |asked: &&Asked| asked.capability.name() == name);
    CapabilityName::ALL.into_iter().flat_map(of)
}

fn granted_before(installed: &Installed, name: CapabilityName) -> Option<&Capability> {
    let asked = installed.manifest.capabilities.iter().find(|asked| asked.capability.name() == name)?;
    installed.granted.contains(&name).then_some(&asked.capability)
}

fn in_words(asked: &Asked, granted: bool, before: Option<&Capability>) -> RightInWords {
    let capability = &asked.capability;
    let known = before.map(subjects_of).unwrap_or_default();
    let subject = |text: &String| Subject { text: text.clone(), is_new: !known.contains(text) };
    RightInWords {
        name: capability.name(),
        weight: weight_of(capability.name()),
        title: title_of(capability).to_owned(),
        detail: detail_of(capability),
        subjects: subjects_of(capability).iter().map(subject).collect(),
        reason: asked.reason.clone(),
        is_new: false,
        granted,
    }
}

const fn weight_of(name: CapabilityName) -> Weight {
    match name {
        CapabilityName::FilesWrite | CapabilityName::Http | CapabilityName::Conversations | CapabilityName::Models => {
            Weight::High
        }
        CapabilityName::FilesRead | CapabilityName::Documents | CapabilityName::Search | CapabilityName::GitRead => {
            Weight::Medium
        }
        CapabilityName::Storage | CapabilityName::Notify | CapabilityName::Clock | CapabilityName::Random => {
            Weight::Low
        }
    }
}

const fn title_of(capability: &Capability) -> &'static str {
    match capability {
        Capability::FilesWrite { .. } => "Change and delete files of this workspace",
        Capability::Http { private: false, .. } => "Exchange data with other computers over the internet",
        Capability::Http { private: true, .. } => "Exchange data with other computers, also in your own network",
        Capability::Conversations => "Read and change what you ask language models and what they answer",
        Capability::Models { .. } => "Ask language models at your expense",
        Capability::FilesRead { .. } => "Read files of this workspace",
        Capability::Documents { .. } => "See the texts in your editors, saved or not",
        Capability::Search { .. } => "Search the files of this workspace",
        Capability::GitRead => "See the branch, the changes and the history of your repository",
        Capability::Storage { .. } => "Keep data of its own on this server",
        Capability::Notify => "Show you messages unasked",
        Capability::Clock => "Know what time it is",
        Capability::Random => "Use unpredictable numbers",
    }
}

fn detail_of(capability: &Capability) -> String {
    match capability {
        Capability::FilesWrite { .. } => "What it deletes goes into the trash; what it overwrites does not.".to_owned(),
        Capability::Http { private: true, .. } => {
            "Among them may be machines that only you can reach, and it may talk to them without encryption.".to_owned()
        }
        Capability::Models { usd_per_day, .. } => {
            format!("It may spend up to {} a day of what you may spend.", dollars(usd_per_day.nanos()))
        }
        Capability::Storage { bytes } => format!("Up to {}; it is deleted when you uninstall it.", size(*bytes)),
        Capability::Conversations => "All of them, with whatever model. It may also refuse them.".to_owned(),
        Capability::Notify => "At most ten a minute.".to_owned(),
        Capability::FilesRead { .. }
        | Capability::Documents { .. }
        | Capability::Search { .. }
        | Capability::Http { .. }
        | Capability::GitRead
        | Capability::Clock
        | Capability::Random => String::new(),
    }
}

fn subjects_of(capability: &Capability) -> &[String] {
    match capability {
        Capability::Documents { globs }
        | Capability::FilesRead { globs }
        | Capability::FilesWrite { globs }
        | Capability::Search { globs } => globs,
        Capability::Http { hosts, .. } => hosts,
        Capability::Models { models, .. } => models,
        Capability::Conversations
        | Capability::GitRead
        | Capability::Notify
        | Capability::Storage { .. }
        | Capability::Clock
        | Capability::Random => &[],
    }
}

/// One right alone says little: what is read can be sent where there is a way out.
fn warnings<'c>(capabilities: impl Iterator<Item = &'c Capability> + Clone) -> Vec<String> {
    let mut warnings = Vec::new();
    let sees = capabilities.clone().any(|capability| {
        weight_of(capability.name()) == Weight::Medium || matches!(capability, Capability::Conversations)
    });
    let hosts: Vec<&str> = capabilities
        .clone()
        .filter_map(|capability| match capability {
            Capability::Http { hosts, .. } => Some(hosts.iter().map(String::as_str)),
            _ => None,
        })
        .flatten()
        .collect();
    if sees && !hosts.is_empty() {
        warnings.push(format!("Together, these let it send what it sees of your work to {}.", hosts.join(", ")));
    }
    if capabilities.clone().any(|capability| matches!(capability, Capability::Models { .. })) && sees {
        warnings.push("What it sees of your work may go to the language models that it asks.".to_owned());
    }
    if capabilities.into_iter().any(|capability| matches!(capability, Capability::FilesWrite { globs } if globs.iter().any(|glob| reaches_tools(glob)))) {
        warnings.push("It may write what your tools run by themselves, such as tasks of the editor and workflows.".to_owned());
    }
    warnings
}

/// Whether a glob lets a plugin write what an editor or a forge starts. What is git's own, no plugin gets.
fn reaches_tools(glob: &str) -> bool {
    [".vscode/tasks.json", ".github/workflows/x.yml"].iter().any(|path| fast_glob::glob_match(glob, path))
}

fn origin(manifest: &Manifest, signature: &SignatureState) -> (String, bool) {
    let publisher = manifest.id.publisher();
    match signature {
        SignatureState::Publisher { key } => {
            (format!("Signed by {publisher} (key {key}), whom this server knows."), true)
        }
        SignatureState::Unknown { key } => (
            format!(
                "Signed with the key {key}, which this server does not know: whether it really comes from {publisher} is for you to find out."
            ),
            false,
        ),
        SignatureState::None => {
            (format!("Not signed: whether it really comes from {publisher} is for you to find out."), false)
        }
    }
}

/// What a plugin adds, a line each.
pub(crate) fn adds(manifest: &Manifest) -> Vec<String> {
    let offers = &manifest.offers;
    let titles = |name: &str, titles: Vec<&str>| (!titles.is_empty()).then(|| format!("{name}: {}", titles.join(", ")));
    let languages = |name: &str, offers: &[coditect_protocol::plugin::LanguageOffer]| {
        titles(name, offers.iter().flat_map(|offer| offer.languages.iter().map(String::as_str)).collect())
    };
    let said = |said: bool, text: &str| said.then(|| text.to_owned());
    let hooks = &offers.hooks;
    [
        titles("Commands", offers.commands.iter().map(|command| command.title.as_str()).collect()),
        languages("Puts in order", &offers.formatters),
        languages("Checks", &offers.diagnostics),
        titles("Tools for language models", offers.tools.iter().map(|tool| tool.id.as_str()).collect()),
        titles("To talk to", offers.participants.iter().map(|participant| participant.title.as_str()).collect()),
        said(offers.conversations.questions, "Looks at what you ask in the chat before it goes to a language model"),
        said(offers.conversations.answers, "Looks at what a language model answers in the chat before you see it"),
        titles("Language models of", offers.providers.iter().map(|provider| provider.title.as_str()).collect()),
        titles("Looks at files before they are saved", hooks.will_save.iter().map(String::as_str).collect()),
        titles("Looks at files that change", hooks.changed.iter().map(String::as_str).collect()),
        titles("Steps of builds", offers.build_steps.iter().map(|step| step.title.as_str()).collect()),
        titles("Views", offers.views.iter().map(|view| view.title.as_str()).collect()),
        titles("In the status bar", offers.status_items.iter().map(|item| item.title.as_str()).collect()),
        titles("Colour themes", offers.themes.iter().map(|theme| theme.title.as_str()).collect()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `$0.50`; with more digits where it is little.
fn dollars(nanos: u64) -> String {
    const NANOS_PER_CENT: u64 = 10_000_000;
    if nanos.is_multiple_of(NANOS_PER_CENT) {
        let cents = nanos / NANOS_PER_CENT;
        return format!("${}.{:02}", cents / 100, cents % 100);
    }
    format!("${}", nanos as f64 / 1e9)
}

fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) if bytes.is_multiple_of(*unit) => format!("{} {name}", bytes / unit),
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests;
