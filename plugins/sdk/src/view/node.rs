//! The nodes, as the host reads them: `schema/view.json` of the contract.

use serde::Serialize;

use super::nodes::Nodes;

/// A part of a view. Texts are shown as they are; only [`markdown`] and [`code`] are more than that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Node {
    /// See [`column()`].
    Column(Parts),
    /// See [`row`].
    Row(Parts),
    /// See [`heading`].
    Heading(Plain),
    /// See [`text`].
    Text(Text),
    /// See [`markdown`].
    Markdown(Plain),
    /// See [`code`].
    Code(Code),
    /// See [`link`].
    Link(Link),
    /// See [`button`].
    Button(Button),
    /// See [`input`].
    Input(Input),
    /// See [`select`].
    Select(Select),
    /// See [`checkbox`].
    Checkbox(Checkbox),
    /// See [`list`].
    List(Parts),
    /// See [`tree`].
    Tree(Tree),
    /// See [`table`].
    Table(Table),
    /// See [`progress`].
    Progress(Progress),
    /// See [`separator`].
    Separator(Nothing),
}

impl Node {
    /// All texts that people read in it, in order: for tests.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        let mut texts = Vec::new();
        self.collect(&mut texts);
        texts
    }

    fn collect<'a>(&'a self, texts: &mut Vec<&'a str>) {
        let mut parts: &[Self] = &[];
        match self {
            Self::Column(inner) | Self::Row(inner) | Self::List(inner) => parts = &inner.children,
            Self::Heading(plain) | Self::Markdown(plain) => texts.push(&plain.text),
            Self::Text(node) => texts.push(&node.text),
            Self::Code(node) => texts.push(&node.text),
            Self::Link(node) => texts.push(&node.text),
            Self::Button(node) => texts.push(&node.text),
            Self::Input(node) => texts.extend([node.label.as_str(), &node.value]),
            Self::Select(node) => texts.extend([node.label.as_str(), &node.value]),
            Self::Checkbox(node) => texts.push(&node.label),
            Self::Tree(node) => {
                texts.push(&node.text);
                texts.extend((!node.detail.is_empty()).then_some(node.detail.as_str()));
                parts = &node.children;
            }
            Self::Table(table) => {
                let cells = table.columns.iter().chain(table.rows.iter().flatten());
                texts.extend(cells.map(String::as_str));
            }
            Self::Progress(node) => texts.push(&node.text),
            Self::Separator(_) => {}
        }
        parts.iter().for_each(|part| part.collect(texts));
    }
}

fn parts(nodes: impl Nodes) -> Parts {
    let mut children = Vec::new();
    nodes.put(&mut children);
    Parts { children }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Nodes in a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parts {
    children: Vec<Node>,
}

/// A text and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plain {
    text: String,
}

/// Nothing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Nothing {}

/// Parts below each other.
#[must_use]
pub fn column(nodes: impl Nodes) -> Node {
    Node::Column(parts(nodes))
}

/// Parts beside each other.
#[must_use]
pub fn row(nodes: impl Nodes) -> Node {
    Node::Row(parts(nodes))
}

/// Entries below each other.
#[must_use]
pub fn list(nodes: impl Nodes) -> Node {
    Node::List(parts(nodes))
}

/// A heading.
#[must_use]
pub fn heading(text: impl Into<String>) -> Node {
    Node::Heading(Plain { text: text.into() })
}

/// Markdown without HTML, pictures or links to anywhere but the web and the workspace.
#[must_use]
pub fn markdown(text: impl Into<String>) -> Node {
    Node::Markdown(Plain { text: text.into() })
}

/// A line between parts.
#[must_use]
pub fn separator() -> Node {
    Node::Separator(Nothing {})
}

/// A paragraph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Text {
    text: String,
    #[serde(skip_serializing_if = "is_false")]
    muted: bool,
}

/// A paragraph.
#[must_use]
pub fn text(text: impl Into<String>) -> Text {
    Text { text: text.into(), muted: false }
}

impl Text {
    /// Less important than others.
    #[must_use]
    pub fn muted(mut self) -> Self {
        self.muted = true;
        self
    }
}

/// Program text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Code {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
}

/// Program text.
#[must_use]
pub fn code(text: impl Into<String>) -> Code {
    Code { text: text.into(), language: None }
}

impl Code {
    /// In the colours of a language, by the editor's identifier.
    #[must_use]
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.language = Some(language.into());
        self
    }
}

/// Leads to a place in the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    text: String,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

/// Leads to a file of the workspace.
#[must_use]
pub fn link(text: impl Into<String>, path: impl Into<String>) -> Link {
    Link { text: text.into(), path: path.into(), line: None }
}

impl Link {
    /// To this line, from 0.
    #[must_use]
    pub fn at_line(mut self, line: u32) -> Self {
        self.line = Some(line);
        self
    }
}

/// A button, which is a node once it is said what a click does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Button {
    id: String,
    text: String,
    #[serde(skip_serializing_if = "is_false")]
    primary: bool,
    #[serde(skip_serializing_if = "is_false")]
    disabled: bool,
}

/// A button.
#[must_use]
pub fn button(text: impl Into<String>) -> Button {
    Button { id: String::new(), text: text.into(), primary: false, disabled: false }
}

impl Button {
    /// It is what people most likely want.
    #[must_use]
    pub fn primary(mut self) -> Self {
        self.primary = true;
        self
    }

    /// It cannot be used where this is so.
    #[must_use]
    pub fn disabled_if(mut self, is_disabled: bool) -> Self {
        self.disabled = is_disabled;
        self
    }

    /// A click is an action `Click` with this identifier.
    #[must_use]
    pub fn on_click(mut self, id: impl Into<String>) -> Node {
        self.id = id.into();
        Node::Button(self)
    }
}

/// A line of text, which is a node once it is said what a change does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Input {
    id: String,
    label: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    placeholder: String,
}

/// A line of text with what people read beside it.
#[must_use]
pub fn input(label: impl Into<String>) -> Input {
    Input { id: String::new(), label: label.into(), value: String::new(), placeholder: String::new() }
}

impl Input {
    /// What stands there.
    #[must_use]
    pub fn value(mut self, text: impl Into<String>) -> Self {
        self.value = text.into();
        self
    }

    /// What stands there while it is empty.
    #[must_use]
    pub fn placeholder(mut self, text: impl Into<String>) -> Self {
        self.placeholder = text.into();
        self
    }

    /// Leaving it is an action `Change` with this identifier and the text, Enter is `Submit`.
    #[must_use]
    pub fn on_change(mut self, id: impl Into<String>) -> Node {
        self.id = id.into();
        Node::Input(self)
    }
}

/// One of several, which is a node once it is said what a change does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Select {
    id: String,
    label: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    choices: Vec<Choice>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Choice {
    value: String,
    label: String,
}

/// One of several: pairs of a value and what people read.
#[must_use]
pub fn select<V: Into<String>, L: Into<String>>(
    label: impl Into<String>,
    choices: impl IntoIterator<Item = (V, L)>,
) -> Select {
    let choices = choices.into_iter().map(|(value, label)| Choice { value: value.into(), label: label.into() });
    Select { id: String::new(), label: label.into(), value: String::new(), choices: choices.collect() }
}

impl Select {
    /// The value that is chosen.
    #[must_use]
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    /// Choosing is an action `Change` with this identifier and the value chosen.
    #[must_use]
    pub fn on_change(mut self, id: impl Into<String>) -> Node {
        self.id = id.into();
        Node::Select(self)
    }
}

/// Yes or no, which is a node once it is said what a change does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checkbox {
    id: String,
    label: String,
    #[serde(skip_serializing_if = "is_false")]
    checked: bool,
}

/// Yes or no, with what people read beside it.
#[must_use]
pub fn checkbox(label: impl Into<String>, is_checked: bool) -> Checkbox {
    Checkbox { id: String::new(), label: label.into(), checked: is_checked }
}

impl Checkbox {
    /// Checking and clearing it is an action `Change` with this identifier and a `bool`.
    #[must_use]
    pub fn on_change(mut self, id: impl Into<String>) -> Node {
        self.id = id.into();
        Node::Checkbox(self)
    }
}

/// Something with parts that can be folded away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tree {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "is_false")]
    expanded: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    children: Vec<Node>,
}

/// Something with parts that can be folded away.
///
/// ```
/// use coditect_plugin_sdk::prelude::*;
///
/// let file = tree("main.rs").detail("2").icon("file").expanded(true).children([
///     tree("write the parser").opens("src/main.rs", Some(11)),
///     tree("rename this").opens("src/main.rs", Some(40)),
/// ]);
/// assert_eq!(Node::from(file).texts(), ["main.rs", "2", "write the parser", "rename this"]);
/// ```
#[must_use]
pub fn tree(text: impl Into<String>) -> Tree {
    Tree {
        id: None,
        text: text.into(),
        detail: String::new(),
        icon: None,
        path: None,
        line: None,
        expanded: false,
        children: Vec::new(),
    }
}

impl Tree {
    /// Beside it, less important.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = text.into();
        self
    }

    /// Name of a codicon.
    #[must_use]
    pub fn icon(mut self, name: impl Into<String>) -> Self {
        self.icon = Some(name.into());
        self
    }

    /// A click leads to this file, and there to a line from 0.
    #[must_use]
    pub fn opens(mut self, path: impl Into<String>, line: Option<u32>) -> Self {
        self.path = Some(path.into());
        self.line = line;
        self
    }

    /// Its parts are shown where this is so.
    #[must_use]
    pub fn expanded(mut self, is_expanded: bool) -> Self {
        self.expanded = is_expanded;
        self
    }

    /// With these parts more.
    #[must_use]
    pub fn children(mut self, nodes: impl Nodes) -> Self {
        nodes.put(&mut self.children);
        self
    }

    /// A click is an action `Select` with this identifier, folding is `Collapse` and unfolding `Expand`.
    #[must_use]
    pub fn on_select(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// A table with these heads.
///
/// ```
/// use coditect_plugin_sdk::prelude::*;
///
/// let table = table(["Name", "Lines"]).row(["main.rs", "12"]).on_select("files");
/// assert_eq!(Node::from(table).texts(), ["Name", "Lines", "main.rs", "12"]);
/// ```
#[must_use]
pub fn table<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Table {
    Table { id: None, columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
}

impl Table {
    /// With a row more. It is made as long as there are columns.
    #[must_use]
    pub fn row<S: Into<String>>(mut self, cells: impl IntoIterator<Item = S>) -> Self {
        let mut row: Vec<String> = cells.into_iter().map(Into::into).collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
        self
    }

    /// With these rows more.
    #[must_use]
    pub fn rows<S: Into<String>, R: IntoIterator<Item = S>>(self, rows: impl IntoIterator<Item = R>) -> Self {
        rows.into_iter().fold(self, Self::row)
    }

    /// Clicking a row is an action `Select` with this identifier and the number of the row from 0, clicking the head of a column is
    /// `Change` with the number of the column.
    #[must_use]
    pub fn on_select(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }
}

/// How far something is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
}

/// That something is under way, with what people read beside it.
#[must_use]
pub fn progress(text: impl Into<String>) -> Progress {
    Progress { text: text.into(), percent: None }
}

impl Progress {
    /// 0 to 100; more is 100.
    #[must_use]
    pub fn percent(mut self, percent: u8) -> Self {
        self.percent = Some(percent.min(100));
        self
    }
}

macro_rules! into_node {
    ($($kind:ident),+) => {$(
        impl From<$kind> for Node {
            fn from(node: $kind) -> Self {
                Self::$kind(node)
            }
        }
    )+};
}

into_node!(Text, Code, Link, Tree, Table, Progress);
