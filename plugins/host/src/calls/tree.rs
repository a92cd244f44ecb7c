//! Views of strangers: JSON that is bounded before it is read, and looked at as a whole after.

use coditect_protocol::RelPath;
use coditect_protocol::plugin::Node;

use super::check::malformed;
use super::ending::is_active;
use crate::CallError;

/// Largest tree, in bytes of JSON.
const MAX_TREE_BYTES: usize = 512 << 10;
/// Deepest nesting of nodes.
const MAX_DEPTH: usize = 32;
/// A node is an object within an array, and the innermost table has rows of cells.
const MAX_JSON_DEPTH: usize = 2 * MAX_DEPTH + 2;
/// Most nodes.
const MAX_NODES: usize = 5_000;
/// Most choices of selects and cells of tables together.
const MAX_CELLS: usize = 20_000;
/// Longest identifier of a node, in bytes.
const MAX_ID_BYTES: usize = 200;
/// Longest name of an icon or a language, in bytes.
const MAX_WORD_BYTES: usize = 64;

/// Reads and checks a tree.
pub(crate) fn read(json: &str) -> Result<Node, CallError> {
    if json.len() > MAX_TREE_BYTES {
        return Err(malformed(&format!("its view is larger than {MAX_TREE_BYTES} bytes")));
    }
    if is_deeper(json, MAX_JSON_DEPTH) {
        return Err(malformed("the parts of its view are nested too deeply"));
    }
    let mut tree: Node = serde_json::from_str(json).map_err(|error| malformed(&format!("its view: {error}")))?;
    let mut counts = Counts::default();
    counts.visit(&mut tree, 1)?;
    Ok(tree)
}

/// Whether arrays and objects are nested more deeply than that. Told without recursion, and without reading what is in them.
fn is_deeper(json: &str, most: usize) -> bool {
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            return true;
        }
    }
    false
}

#[derive(Default)]
struct Counts {
    nodes: usize,
    cells: usize,
}

impl Counts {
    /// The JSON was not deep, so that this is not either.
    fn visit(&mut self, node: &mut Node, depth: usize) -> Result<(), CallError> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(malformed(&format!(
                "its view has more than {MAX_NODES} parts, or {MAX_DEPTH} within each other"
            )));
        }
        match node {
            Node::Column { children } | Node::Row { children } | Node::List { children } => {
                return self.visit_all(children, depth);
            }
            Node::Tree { id, icon, path, children, .. } => {
                id.as_deref().map_or(Ok(()), is_id)?;
                icon.as_deref().map_or(Ok(()), is_word)?;
                path.as_mut().map_or(Ok(()), keep_path)?;
                return self.visit_all(children, depth);
            }
            Node::Link { path, .. } => keep_path(path)?,
            Node::Code { language, .. } => language.as_deref().map_or(Ok(()), is_word)?,
            Node::Button { id, .. } | Node::Input { id, .. } | Node::Checkbox { id, .. } => is_id(id)?,
            Node::Select { id, choices, .. } => {
                is_id(id)?;
                self.cells += choices.len();
            }
            Node::Table { id, columns, rows } => {
                id.as_deref().map_or(Ok(()), is_id)?;
                if rows.iter().any(|row| row.len() != columns.len()) {
                    return Err(malformed("a row of a table in its view is not as long as its columns"));
                }
                self.cells += columns.len() * (rows.len() + 1) + rows.len();
            }
            Node::Progress { percent: Some(percent), .. } if *percent > 100 => {
                return Err(malformed("something in its view is further than 100 percent"));
            }
            Node::Heading { .. }
            | Node::Text { .. }
            | Node::Markdown { .. }
            | Node::Progress { .. }
            | Node::Separator {} => {}
        }
        if self.cells > MAX_CELLS {
            return Err(malformed(&format!("its view has more than {MAX_CELLS} cells and choices")));
        }
        Ok(())
    }

    fn visit_all(&mut self, nodes: &mut [Node], depth: usize) -> Result<(), CallError> {
        nodes.iter_mut().try_for_each(|node| self.visit(node, depth + 1))
    }
}

fn is_id(id: &str) -> Result<(), CallError> {
    let is_good = (1..=MAX_ID_BYTES).contains(&id.len()) && !id.chars().any(is_active);
    if is_good {
        Ok(())
    } else {
        Err(malformed(&format!("an identifier in its view is not of 1 to {MAX_ID_BYTES} bytes")))
    }
}

/// Names of icons and languages become part of class names.
fn is_word(word: &str) -> Result<(), CallError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'#' | b'.');
    let is_good = (1..=MAX_WORD_BYTES).contains(&word.len()) && word.bytes().all(is_plain);
    if is_good { Ok(()) } else { Err(malformed("an icon or language in its view is not a plain word")) }
}

/// A path in the workspace, in its one form.
pub(super) fn keep_path(path: &mut String) -> Result<(), CallError> {
    let good = RelPath::parse(path).ok().filter(|path| !path.is_root());
    let good = good.ok_or_else(|| malformed("a path does not lead to something in the workspace"))?;
    good.as_str().clone_into(path);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> String {
        read(json).unwrap_err().to_string()
    }

    fn column(children: &str) -> String {
        format!(r#"{{"type":"column","children":[{children}]}}"#)
    }

    #[test]
    fn a_view_is_read() {
        let tree = read(&column(
            r#"{"type":"heading","text":"[{\"]"},{"type":"link","text":"a","path":"./src//main.rs","line":3},
               {"type":"table","columns":["a","b"],"rows":[["1","2"]]},{"type":"separator"}"#,
        ))
        .unwrap();
        assert_eq!(tree.children().len(), 4);
        assert!(matches!(&tree.children()[1], Node::Link { path, .. } if path == "src/main.rs"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (part, word) in [
            (r#"{"type":"link","text":"a","path":"../../etc/passwd"}"#, "path"),
            (r#"{"type":"link","text":"a","path":"/etc"}"#, "path"),
            (r#"{"type":"link","text":"a","path":""}"#, "path"),
            (r#"{"type":"table","columns":["a"],"rows":[["1","2"]]}"#, "row"),
            (r#"{"type":"progress","percent":101}"#, "100"),
            (r#"{"type":"button","id":"","text":"a"}"#, "identifier"),
            (r#"{"type":"tree","text":"a","icon":"a b"}"#, "plain word"),
            (r#"{"type":"script","text":"a"}"#, "unknown variant"),
            (r#"{"type":"text","text":"a","onclick":"b"}"#, "unknown field"),
            ("", "expected"),
        ] {
            let json = if part.is_empty() { String::new() } else { column(part) };
            let refusal = refusal(&json);
            assert!(refusal.contains(word) || part.is_empty(), "{part}: {refusal}");
        }
    }

    #[test]
    fn a_view_is_bounded() {
        let part = r#"{"type":"separator"}"#;
        let many = |count: usize| column(&vec![part; count].join(","));
        assert!(read(&many(MAX_NODES - 1)).is_ok());
        assert!(refusal(&many(MAX_NODES)).contains("parts"));
        let deep = |depth: usize| (1..depth).fold(part.to_owned(), |inner, _| column(&inner));
        assert!(read(&deep(MAX_DEPTH)).is_ok());
        assert!(refusal(&deep(MAX_DEPTH + 1)).contains("within each other"));
        assert!(refusal(&"[".repeat(MAX_TREE_BYTES)).contains("nested"));
        assert!(refusal(&" ".repeat(MAX_TREE_BYTES + 1)).contains("larger"));
        let cells = format!(r#"{{"type":"table","columns":["a"],"rows":[{}]}}"#, vec![r#"[""]"#; MAX_CELLS].join(","));
        assert!(refusal(&cells).contains("cells"));
    }
}
