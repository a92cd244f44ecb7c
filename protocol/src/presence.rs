//! Who else is in a workspace, and in which files.

use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::path::RelPath;

/// Most files that one page tells of.
pub const MAX_SHOWN_FILES: usize = 200;

/// What a page has open, as it tells the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(default)]
pub struct Showing {
    /// Files in its editors, at most [`MAX_SHOWN_FILES`].
    pub open: Vec<RelPath>,
    /// Those of them with changes that are not saved.
    pub unsaved: Vec<RelPath>,
    /// The one that the person looks at.
    pub active: Option<RelPath>,
}

/// Somebody who has the workspace open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct Present {
    /// Who.
    pub user: UserId,
    /// The name that others see.
    pub name: String,
    /// It is oneself, in another page.
    pub own: bool,
    /// What their pages show, together.
    pub showing: Showing,
}

impl Present {
    /// Bytes of it on the wire, about.
    pub(crate) fn cost(&self) -> usize {
        const EACH: usize = 32;
        let Showing { open, unsaved, active } = &self.showing;
        let paths = open.iter().chain(unsaved).chain(active).map(|path| path.as_str().len() + EACH);
        self.name.len() + EACH + paths.sum::<usize>()
    }
}
