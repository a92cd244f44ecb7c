//! What views show: a tree of nodes, which the page draws.
//!
//! ```
//! use coditect_plugin_sdk::prelude::*;
//! use serde::{Deserialize, Serialize};
//!
//! struct Counter;
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Count(u32);
//!
//! impl Views for Counter {
//!     type State = Count;
//!
//!     fn open(_view: &str, _context: Context) -> Result<View<Count>> {
//!         Ok(drawn(Count::default()))
//!     }
//!
//!     fn handle(_view: &str, state: Count, action: Action, _context: Context) -> Result<View<Count>> {
//!         match (action.kind, action.id.as_str()) {
//!             (ActionKind::Click, "more") => Ok(drawn(Count(state.0 + 1))),
//!             _ => Ok(drawn(state)),
//!         }
//!     }
//! }
//!
//! fn drawn(count: Count) -> View<Count> {
//!     let tree = column((
//!         heading("Counter"),
//!         (count.0 == 0).then(|| text("Nothing was counted yet.").muted()),
//!         row((format!("{} so far", count.0), button("One more").primary().on_click("more"))),
//!     ));
//!     View::new(count, tree)
//! }
//!
//! let view = Counter::open("counter", Context::default())?;
//! assert_eq!(view.tree.texts(), ["Counter", "Nothing was counted yet.", "0 so far", "One more"]);
//! # Ok::<(), Error>(())
//! ```
//!
//! A tree may have 5000 nodes, be 32 deep, and take 512 KiB.

mod node;
mod nodes;

use std::fmt;

pub use node::{
    Button, Checkbox, Code, Input, Link, Node, Progress, Select, Table, Text, Tree, button, checkbox, code, column,
    heading, input, link, list, markdown, progress, row, select, separator, table, text, tree,
};
pub use nodes::Nodes;
use serde::de::DeserializeOwned;

use crate::bindings::views as wire;
use crate::error::Result;

/// A view as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct View<S> {
    /// Its title now, where it is another than the manifest's.
    pub title: Option<String>,
    /// What is given again with the next action.
    pub state: S,
    /// What it shows.
    pub tree: Node,
}

impl<S> View<S> {
    /// A state, and how it is shown.
    #[must_use]
    pub fn new(state: S, tree: impl Into<Node>) -> Self {
        Self { title: None, state, tree: tree.into() }
    }

    /// With another title than the manifest's.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }
}

/// What a person did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionKind {
    /// A button was pressed.
    Click,
    /// Something else was entered or chosen, or the head of a table's column was clicked.
    Change,
    /// Enter was pressed in an input.
    Submit,
    /// A row of a table or a tree's node was clicked.
    Select,
    /// A tree's node was unfolded.
    Expand,
    /// A tree's node was folded.
    Collapse,
    /// The view is to be made anew. It has no identifier.
    Refresh,
    /// Of a newer version of the contract.
    Other,
}

impl ActionKind {
    fn of(name: &str) -> Self {
        match name {
            "click" => Self::Click,
            "change" => Self::Change,
            "submit" => Self::Submit,
            "select" => Self::Select,
            "expand" => Self::Expand,
            "collapse" => Self::Collapse,
            "refresh" => Self::Refresh,
            _ => Self::Other,
        }
    }
}

/// What a person did, and with what.
#[derive(Clone, PartialEq, Eq)]
pub struct Action {
    /// Of the node.
    pub id: String,
    /// What was done.
    pub kind: ActionKind,
    value: String,
}

// The value may be what a person typed.
impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Action").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Action {
    /// For tests: something that was done to a node. `value` is what was entered or chosen, `()` for nothing.
    pub fn new(id: &str, kind: ActionKind, value: impl serde::Serialize) -> Result<Self> {
        Ok(Self { id: id.into(), kind, value: serde_json::to_string(&value)? })
    }

    pub(crate) fn from_wire(action: wire::Action) -> Self {
        Self { id: action.id, kind: ActionKind::of(&action.kind), value: action.value }
    }

    /// What was entered or chosen: a text of inputs and selects, a `bool` of checkboxes, a number of tables (of the row for
    /// [`ActionKind::Select`], of the column for [`ActionKind::Change`]).
    pub fn value<T: DeserializeOwned>(&self) -> Result<T> {
        crate::json::read("the action's value", &self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn values_are_typed() {
        let action = Action::new("rows", ActionKind::Select, 7).unwrap();
        assert_eq!(action.value(), Ok(7_usize));
        assert!(matches!(action.value::<String>(), Err(Error::Invalid(_))));
        let nothing = Action { id: String::new(), kind: ActionKind::Refresh, value: String::new() };
        assert!(nothing.value::<u8>().is_err());
        assert!(!format!("{action:?}").contains('7'));
    }

    #[test]
    fn kinds_are_those_of_the_contract() {
        let contract = include_str!("../../wit/exports.wit");
        let named = contract.lines().find(|line| line.contains("`click`, `change`")).unwrap();
        for (at, name) in named.split('`').enumerate().filter(|(at, _)| at % 2 == 1) {
            assert_ne!(ActionKind::of(name), ActionKind::Other, "{at}: {name}");
        }
        assert_eq!(ActionKind::of("hover"), ActionKind::Other);
    }
}
