//! Which tools a model may choose from.

use std::collections::HashSet;

use super::{CallKind, Tool, ToolChoice, Turn};

impl Turn {
    /// The tools that the choice leaves, for dialects that cannot say “one of these”.
    pub(crate) fn choosable(&self) -> Vec<&Tool> {
        match &self.tool_choice {
            Some(ToolChoice::Among { names, .. }) => {
                let names: HashSet<&str> = names.iter().map(String::as_str).collect();
                self.tools.iter().filter(|tool| names.contains(tool.name.as_str())).collect()
            }
            _ => self.tools.iter().collect(),
        }
    }

    /// Names of those that take free text.
    pub(crate) fn custom_tools(&self) -> HashSet<&str> {
        let custom = self.tools.iter().filter(|tool| tool.kind == CallKind::Custom);
        custom.map(|tool| tool.name.as_str()).collect()
    }

    /// Whether the model must call a tool.
    pub(crate) fn must_call(&self) -> bool {
        let must = matches!(
            self.tool_choice,
            Some(ToolChoice::Required | ToolChoice::One(_) | ToolChoice::Among { required: true, .. })
        );
        must && !self.tools.is_empty()
    }
}
