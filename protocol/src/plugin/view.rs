//! Views of plugins: what they show is data, and the page draws it. Nothing of it is ever taken for HTML.

use serde::{Deserialize, Serialize};

/// A view as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct ViewShown {
    /// Its title now, where it is another than the manifest's.
    #[serde(default)]
    pub title: Option<String>,
    /// What the plugin wants to be given again with the next action.
    pub state: String,
    /// What it shows.
    pub tree: Node,
}

/// What a person did in a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct ViewAction {
    /// Of the node; empty for `refresh`.
    pub id: String,
    /// `click`, `change`, `submit`, `select`, `expand`, `collapse` or `refresh`.
    pub kind: String,
    /// What was entered or chosen: JSON.
    pub value: String,
}

/// A choice of a `select`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What people read.
    pub label: String,
}

/// A part of a view. Texts are shown as they are; only `markdown` and `code` are more than that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Node {
    /// Below each other.
    Column {
        /// The parts.
        children: Vec<Node>,
    },
    /// Beside each other.
    Row {
        /// The parts.
        children: Vec<Node>,
    },
    /// A heading.
    Heading {
        /// The text.
        text: String,
    },
    /// A paragraph.
    Text {
        /// The text.
        text: String,
        /// Less important than others.
        #[serde(default)]
        muted: bool,
    },
    /// Markdown without HTML, pictures or links to anywhere but the web and the workspace.
    Markdown {
        /// The text.
        text: String,
    },
    /// Program text.
    Code {
        /// The text.
        text: String,
        /// Its language.
        #[serde(default)]
        language: Option<String>,
    },
    /// Leads to a place in the workspace.
    Link {
        /// What people read.
        text: String,
        /// The file.
        path: String,
        /// The line, from 0.
        #[serde(default)]
        line: Option<u32>,
    },
    /// `click`.
    Button {
        /// Identifier.
        id: String,
        /// What people read.
        text: String,
        /// It is what people most likely want.
        #[serde(default)]
        primary: bool,
        /// It cannot be used now.
        #[serde(default)]
        disabled: bool,
    },
    /// A line of text: `change` when it is left, `submit` with Enter; the value is the text.
    Input {
        /// Identifier.
        id: String,
        /// What people read beside it.
        label: String,
        /// What stands there.
        #[serde(default)]
        value: String,
        /// What stands there while it is empty.
        #[serde(default)]
        placeholder: String,
    },
    /// One of several: `change`; the value is the choice's.
    Select {
        /// Identifier.
        id: String,
        /// What people read beside it.
        label: String,
        /// What is chosen.
        #[serde(default)]
        value: String,
        /// What can be chosen.
        choices: Vec<Choice>,
    },
    /// Yes or no: `change`; the value is a boolean.
    Checkbox {
        /// Identifier.
        id: String,
        /// What people read beside it.
        label: String,
        /// Yes.
        #[serde(default)]
        checked: bool,
    },
    /// Entries below each other.
    List {
        /// The entries.
        children: Vec<Node>,
    },
    /// Something with parts that can be folded away. `select` where it has an identifier, `expand` and `collapse` too.
    Tree {
        /// Identifier, where it has actions.
        #[serde(default)]
        id: Option<String>,
        /// What people read.
        text: String,
        /// Beside it, less important.
        #[serde(default)]
        detail: String,
        /// Name of a codicon.
        #[serde(default)]
        icon: Option<String>,
        /// Where a click leads to.
        #[serde(default)]
        path: Option<String>,
        /// The line there, from 0.
        #[serde(default)]
        line: Option<u32>,
        /// Its parts are shown.
        #[serde(default)]
        expanded: bool,
        /// Its parts.
        #[serde(default)]
        children: Vec<Node>,
    },
    /// A table. `select` with the number of the row where it has an identifier, `change` with the number of a column whose head was clicked.
    Table {
        /// Identifier, where it has actions.
        #[serde(default)]
        id: Option<String>,
        /// Heads of the columns.
        columns: Vec<String>,
        /// The rows, each as long as `columns`.
        rows: Vec<Vec<String>>,
    },
    /// How far something is.
    Progress {
        /// What people read beside it.
        #[serde(default)]
        text: String,
        /// 0 to 100, where it is known.
        #[serde(default)]
        percent: Option<u8>,
    },
    /// A line between parts.
    Separator {},
}

impl Node {
    /// The parts, where it has any.
    #[must_use]
    pub fn children(&self) -> &[Self] {
        match self {
            Self::Column { children }
            | Self::Row { children }
            | Self::List { children }
            | Self::Tree { children, .. } => children,
            _ => &[],
        }
    }
}
