//! Paths of calls and answers: absolute in the page, below the workspace on the server. Pure.

use coditect_protocol::RelPath;
use coditect_protocol::plugin::{
    Answered, CallContext, Document, Finding, Node, PluginCall, PluginItem, PluginOutcome,
};

use super::offers::MAX_UNASKED_TEXT;
use super::view;
use crate::error::ShellError;
use crate::paths::Mounts;

/// A call as the server takes it. A text that only stands beside what is asked is left out where it is not of the workspace, or large.
pub(super) fn to_server(mounts: &Mounts, mut call: PluginCall) -> Result<PluginCall, ShellError> {
    match &mut call {
        PluginCall::Format { document, .. } | PluginCall::Check { document } | PluginCall::WillSave { document } => {
            place(mounts, document)?;
        }
        PluginCall::Command { context, .. }
        | PluginCall::Respond { context, .. }
        | PluginCall::OpenView { context, .. }
        | PluginCall::ViewAction { context, .. }
        | PluginCall::Status { context, .. } => place_beside(mounts, context),
        PluginCall::Tool { .. } | PluginCall::BuildStep { .. } => {}
    }
    Ok(call)
}

/// An answer as the page takes it.
pub(super) fn to_page(mounts: &Mounts, mut answered: Answered) -> Result<Answered, &'static str> {
    match &mut answered.outcome {
        PluginOutcome::Findings { findings }
        | PluginOutcome::WillSave { findings, .. }
        | PluginOutcome::Report { findings, .. } => {
            for Finding { path, .. } in findings {
                absolute_where_there_is_one(mounts, path)?;
            }
        }
        PluginOutcome::View(shown) => {
            view::check(&mut shown.tree)?;
            map_view(mounts, &mut shown.tree)?;
        }
        PluginOutcome::Done
        | PluginOutcome::Command { .. }
        | PluginOutcome::Edits { .. }
        | PluginOutcome::Text { .. }
        | PluginOutcome::Status { .. } => {}
    }
    Ok(answered)
}

/// What comes before the answer, as the page takes it.
pub(super) fn item_to_page(mounts: &Mounts, mut item: PluginItem) -> Result<PluginItem, &'static str> {
    if let PluginItem::Reference { path, .. } = &mut item {
        *path = absolute(mounts, path)?;
    }
    Ok(item)
}

fn place(mounts: &Mounts, document: &mut Document) -> Result<(), ShellError> {
    mounts.in_workspace(&document.path)?.as_str().clone_into(&mut document.path);
    Ok(())
}

fn place_beside(mounts: &Mounts, context: &mut CallContext) {
    let is_small = |document: &&mut Document| document.text.len() <= MAX_UNASKED_TEXT;
    let placed = context.document.as_mut().filter(is_small).is_some_and(|document| place(mounts, document).is_ok());
    if !placed {
        context.document = None;
        context.selection = None;
    }
}

fn map_view(mounts: &Mounts, node: &mut Node) -> Result<(), &'static str> {
    match node {
        Node::Link { path, .. } => *path = absolute(mounts, path)?,
        Node::Tree { path, .. } => absolute_where_there_is_one(mounts, path)?,
        _ => {}
    }
    match node {
        Node::Column { children } | Node::Row { children } | Node::List { children } | Node::Tree { children, .. } => {
            children.iter_mut().try_for_each(|child| map_view(mounts, child))
        }
        _ => Ok(()),
    }
}

fn absolute_where_there_is_one(mounts: &Mounts, path: &mut Option<String>) -> Result<(), &'static str> {
    if let Some(path) = path {
        *path = absolute(mounts, path)?;
    }
    Ok(())
}

fn absolute(mounts: &Mounts, path: &str) -> Result<String, &'static str> {
    let below = RelPath::parse(path).map_err(|_| "a path that leads out of the workspace")?;
    let root = mounts.workspace_root().ok_or("a path, and no workspace is open")?;
    mounts.absolute(root, &below).ok_or("a path, and no workspace is open")
}

#[cfg(test)]
mod tests {
    use coditect_protocol::WorkspaceId;
    use coditect_protocol::files::Root;
    use coditect_protocol::plugin::{EditRange, FindingSeverity, Point, ViewShown};

    use super::*;

    fn mounts() -> Mounts {
        Mounts::with_workspace(Root::Workspace(WorkspaceId(uuid::Uuid::nil())), "mine")
    }

    fn document(path: &str, text: &str) -> Document {
        Document { path: path.to_owned(), language: "rust".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn only_texts_of_the_workspace_leave_the_page() {
        let check = |path: &str| to_server(&mounts(), PluginCall::Check { document: document(path, "") });
        let Ok(PluginCall::Check { document: placed }) = check("/workspace/mine/src/a.rs") else { panic!() };
        assert_eq!(placed.path, "src/a.rs");
        for outside in ["/home/coditect/.ssh/id", "/workspace/other/a", "/workspace/mine/../x", "/etc/passwd"] {
            assert!(check(outside).is_err(), "{outside}");
        }
    }

    #[test]
    fn what_stands_beside_is_left_out_where_it_is_nobodys_business() {
        let range = EditRange { start: Point { line: 0, column: 0 }, end: Point { line: 0, column: 1 } };
        let command = |document| {
            let context = CallContext { document: Some(document), selection: Some(range), arguments: String::new() };
            match to_server(&mounts(), PluginCall::Command { command: "go".to_owned(), context }) {
                Ok(PluginCall::Command { context, .. }) => (context.document, context.selection),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(command(document("/workspace/mine/a", "x")), (Some(document("a", "x")), Some(range)));
        assert_eq!(command(document("/home/coditect/a", "x")), (None, None));
        assert_eq!(command(document("/workspace/mine/a", &"x".repeat(MAX_UNASKED_TEXT + 1))), (None, None));
    }

    #[test]
    fn paths_of_answers_lead_into_the_workspace_or_nowhere() {
        let range = EditRange { start: Point { line: 0, column: 0 }, end: Point { line: 0, column: 0 } };
        let finding = |path: Option<&str>| Finding {
            path: path.map(str::to_owned),
            range,
            severity: FindingSeverity::Hint,
            message: String::new(),
            code: None,
        };
        let findings = |paths: &[Option<&str>]| {
            let findings = paths.iter().map(|path| finding(*path)).collect();
            to_page(&mounts(), Answered { outcome: PluginOutcome::Findings { findings }, micros: 0 })
        };
        let Ok(Answered { outcome: PluginOutcome::Findings { findings: told }, .. }) = findings(&[None, Some("a/b")])
        else {
            panic!()
        };
        assert_eq!(told[1].path.as_deref(), Some("/workspace/mine/a/b"));
        assert!(findings(&[Some("../x")]).is_err());

        let link = |path: &str| {
            let link = Node::Link { text: String::new(), path: path.to_owned(), line: None };
            let tree = Node::Column { children: vec![Node::List { children: vec![link] }] };
            let shown = ViewShown { title: None, state: String::new(), tree };
            to_page(&mounts(), Answered { outcome: PluginOutcome::View(shown), micros: 0 })
        };
        assert!(format!("{:?}", link("a").unwrap()).contains("/workspace/mine/a"));
        assert!(link("/etc/passwd").is_err());
        let reference =
            |path: &str| item_to_page(&mounts(), PluginItem::Reference { path: path.to_owned(), line: None });
        assert!(reference("a").is_ok() && reference("..").is_err());
    }
}
