//! Shows what the code says is still to be done: a plugin of Coditect.

mod remarks;

use coditect_plugin_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::remarks::{Count, Remark, Remarks};

/// Most remarks that the view shows; a view has at most 5000 nodes.
const MAX_SHOWN: usize = 2000;

struct TodoTree;

plugin!(TodoTree: Views, StatusItems, Commands, Hooks);

/// What the view remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Shown {
    group: Group,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Group {
    #[default]
    File,
    Tag,
}

impl Views for TodoTree {
    type State = Shown;

    fn open(_view: &str, _context: Context) -> Result<View<Shown>> {
        shown(Shown::default())
    }

    fn handle(_view: &str, mut state: Shown, action: Action, _context: Context) -> Result<View<Shown>> {
        if (action.kind, action.id.as_str()) == (ActionKind::Change, "group") {
            state.group = action.value()?;
        }
        // Everything else, `refresh` too, is answered by looking again.
        shown(state)
    }
}

impl StatusItems for TodoTree {
    fn show(_item: &str, _context: Context) -> Result<Option<StatusItem>> {
        let count = match Count::stored()? {
            Some(count) => count,
            None => counted(&Remarks::find()?)?,
        };
        Ok((count.total() > 0).then(|| {
            let by_tag: Vec<String> = count.by_tag.iter().map(|(tag, count)| format!("{count} {tag}")).collect();
            StatusItem::new(format!("{}{} to do", count.total(), if count.is_cut_off { "+" } else { "" }))
                .with_tooltip(by_tag.join(", "))
                .on_click("show")
        }))
    }
}

impl Commands for TodoTree {
    fn run(command: &str, _context: Context) -> Result<Outcome> {
        match command {
            "show" => Ok(Outcome::view("todos")),
            _ => Err(Error::unknown("command", command)),
        }
    }
}

impl Hooks for TodoTree {
    fn changed(events: Vec<FileEvent>) -> Result<()> {
        log::debug!("{} files changed: counting again", events.len());
        counted(&Remarks::find()?).map(|_| ())
    }
}

/// Counts, and keeps it for the status bar.
fn counted(remarks: &Remarks) -> Result<Count> {
    let count = remarks.count();
    count.store()?;
    Ok(count)
}

fn shown(state: Shown) -> Result<View<Shown>> {
    let remarks = Remarks::find()?;
    let count = counted(&remarks)?;
    let is_partly = remarks.is_cut_off || remarks.list.len() > MAX_SHOWN;
    let list = &remarks.list[..remarks.list.len().min(MAX_SHOWN)];
    let group = match state.group {
        Group::File => "file",
        Group::Tag => "tag",
    };
    let tree = column((
        row((
            select("By", [("file", "File"), ("tag", "Tag")]).value(group).on_change("group"),
            button("Look again").on_click("again"),
        )),
        list.is_empty().then(|| text("Nothing is left to do here.").muted()),
        is_partly.then(|| text(format!("Only the first {} are shown.", list.len())).muted()),
        grouped(list, state.group),
    ));
    Ok(View::new(state, tree).titled(format!("To do ({})", count.total())))
}

/// A tree of each file or tag, in the order in which they come first.
fn grouped(list: &[Remark], group: Group) -> Vec<Node> {
    let key = |remark: &Remark| match group {
        Group::File => remark.path.clone(),
        Group::Tag => remark.tag.clone(),
    };
    let mut sorted: Vec<&Remark> = list.iter().collect();
    sorted.sort_by_key(|remark| key(remark));
    let groups = sorted.chunk_by(|one, other| key(one) == key(other));
    groups
        .map(|remarks| {
            let leaves: Vec<Node> = remarks.iter().map(|remark| leaf(remark, group)).collect();
            let name = key(remarks[0]);
            let icon = if group == Group::File { "file" } else { "tag" };
            tree(name).detail(remarks.len().to_string()).icon(icon).expanded(true).children(leaves).into()
        })
        .collect()
}

fn leaf(remark: &Remark, group: Group) -> Node {
    let detail = match group {
        Group::File => remark.tag.clone(),
        Group::Tag => format!("{}:{}", remark.path, remark.line + 1),
    };
    tree(&remark.text).detail(detail).opens(&remark.path, Some(remark.line)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, line: u32, text: &str, tag: &str) -> search::Match {
        let at = text.find(tag).unwrap() as u32;
        let range = Range::new(Position::new(line, at), Position::new(line, at + tag.len() as u32));
        search::Match::new(path, range, text)
    }

    fn host() -> testing::Host {
        testing::Host::new().setting("tags", "TODO, FIXME").setting("exclude", "vendor/**").search(|query| {
            assert_eq!(
                (query.pattern.as_str(), &query.excludes[..]),
                (r"\b(TODO|FIXME)\b", &["vendor/**".to_owned()][..])
            );
            Ok(vec![
                found("b.rs", 4, "// TODO: two", "TODO"),
                found("a.rs", 9, "// FIXME one", "FIXME"),
                found("b.rs", 1, "// TODO: three TODO", "TODO"),
                found("b.rs", 2, "let TODO = 1;", "TODO"),
            ])
        })
    }

    #[test]
    fn the_view_groups_by_file_and_by_tag() {
        let _host = host().enter();
        let view = TodoTree::open("todos", Context::default()).unwrap();
        assert_eq!(view.title.as_deref(), Some("To do (3)"));
        assert_eq!(
            view.tree.texts()[3..],
            ["a.rs", "1", "one", "FIXME", "b.rs", "2", "three TODO", "TODO", "two", "TODO"]
        );
        let by_tag = Action::new("group", ActionKind::Change, "tag").unwrap();
        let view = TodoTree::handle("todos", view.state, by_tag, Context::default()).unwrap();
        assert_eq!(
            view.tree.texts()[3..],
            ["FIXME", "1", "one", "a.rs:10", "TODO", "2", "three TODO", "b.rs:2", "two", "b.rs:5"]
        );
    }

    #[test]
    fn the_status_bar_shows_what_was_counted_last() {
        let host = host().stores("count", Count { by_tag: [("TODO".into(), 9)].into(), is_cut_off: true }).enter();
        let item = TodoTree::show("count", Context::default()).unwrap().unwrap();
        assert_eq!((item.text.as_str(), item.tooltip.as_deref()), ("9+ to do", Some("9 TODO")));
        TodoTree::changed(vec![]).unwrap();
        assert_eq!(host.stored::<Count>("count").unwrap().total(), 3);
        let item = TodoTree::show("count", Context::default()).unwrap().unwrap();
        assert_eq!((item.text.as_str(), item.command.as_deref()), ("3 to do", Some("show")));
    }

    #[test]
    fn odd_tags_are_refused() {
        let _host = testing::Host::new().setting("tags", "TO.DO").setting("exclude", "").enter();
        assert!(matches!(TodoTree::open("todos", Context::default()), Err(Error::Invalid(_))));
    }
}
