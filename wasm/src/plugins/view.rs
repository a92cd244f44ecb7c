//! Views of plugins before they are drawn: the server has checked them, and whoever draws checks them again. Pure.

use coditect_protocol::plugin::Node;

/// Most parts of a view.
const MAX_NODES: usize = 5000;
/// Most parts within each other.
const MAX_DEPTH: usize = 32;

/// What is wrong with a view; an icon whose name is none is left out.
pub(super) fn check(tree: &mut Node) -> Result<(), &'static str> {
    let mut left = MAX_NODES;
    check_node(tree, 1, &mut left)
}

fn check_node(node: &mut Node, depth: usize, left: &mut usize) -> Result<(), &'static str> {
    if depth > MAX_DEPTH {
        return Err("a view with too many parts within each other");
    }
    *left = left.checked_sub(1).ok_or("a view with too many parts")?;
    match node {
        Node::Column { children } | Node::Row { children } | Node::List { children } => {
            check_all(children, depth, left)
        }
        Node::Tree { children, icon, .. } => {
            if icon.as_deref().is_some_and(|name| !is_icon(name)) {
                *icon = None;
            }
            check_all(children, depth, left)
        }
        Node::Table { columns, rows, .. } if rows.iter().any(|row| row.len() != columns.len()) => {
            Err("a table whose rows are not as long as its head")
        }
        Node::Select { choices, .. } if choices.is_empty() => Err("a choice of nothing"),
        Node::Progress { percent: Some(101..), .. } => Err("more than all of something"),
        _ => Ok(()),
    }
}

fn check_all(children: &mut [Node], depth: usize, left: &mut usize) -> Result<(), &'static str> {
    children.iter_mut().try_for_each(|child| check_node(child, depth + 1, left))
}

/// Whether it may stand in the name of a class.
fn is_icon(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(depth: usize) -> Node {
        (1..depth).fold(Node::Separator {}, |inner, _| Node::Column { children: vec![inner] })
    }

    fn tree(icon: &str) -> Node {
        serde_json::from_value(serde_json::json!({"type": "tree", "text": "t", "icon": icon})).unwrap()
    }

    #[test]
    fn only_what_can_be_drawn_passes() {
        assert_eq!(check(&mut within(MAX_DEPTH)), Ok(()));
        assert!(check(&mut within(MAX_DEPTH + 1)).is_err());
        let flat = |count| Node::List { children: vec![Node::Separator {}; count] };
        assert_eq!(check(&mut flat(MAX_NODES - 1)), Ok(()));
        assert!(check(&mut flat(MAX_NODES)).is_err());
        let table = |cells: usize| Node::Table {
            id: None,
            columns: vec![String::new(); 2],
            rows: vec![vec![String::new(); cells]],
        };
        assert_eq!(check(&mut table(2)), Ok(()));
        assert!(check(&mut table(3)).is_err());
        assert!(check(&mut Node::Progress { text: String::new(), percent: Some(101) }).is_err());
    }

    #[test]
    fn an_icon_is_a_name_and_nothing_else() {
        let icon = |name: &str| {
            let mut tree = tree(name);
            check(&mut tree).unwrap();
            match tree {
                Node::Tree { icon, .. } => icon,
                _ => None,
            }
        };
        assert_eq!(icon("symbol-file").as_deref(), Some("symbol-file"));
        for wrong in ["", "a b", "x\" onload", "theia-button"] {
            assert_eq!(icon(wrong).is_some(), wrong == "theia-button", "{wrong}");
        }
    }
}
