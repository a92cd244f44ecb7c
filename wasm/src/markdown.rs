//! Markdown as a tree that a page draws without ever taking anything of it for HTML. Pure.
//!
//! HTML in it is shown as the text that it is. Pictures are shown as the words that stand for them, so that nobody learns who reads
//! what. Links lead to the web or to a file of the workspace, and nowhere else.

use coditect_protocol::RelPath;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag};
use serde::Serialize;
use tsify::Tsify;

/// Longest text that is read, in bytes; the rest is left out.
const MAX_BYTES: usize = 512 * 1024;
/// Most parts within each other; what lies deeper is shown as plain text.
const MAX_DEPTH: usize = 24;
/// Longest address of a link, in bytes.
const MAX_ADDRESS_BYTES: usize = 2048;

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Tsify)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// A paragraph.
    Paragraph {
        /// What stands in it.
        spans: Vec<Span>,
    },
    /// A heading.
    Heading {
        /// 1 to 6.
        level: u8,
        /// What stands in it.
        spans: Vec<Span>,
    },
    /// Program text.
    Code {
        /// The text.
        text: String,
        /// Its language, where that is named.
        #[tsify(optional)]
        language: Option<String>,
    },
    /// What somebody else said.
    Quote {
        /// The parts.
        blocks: Vec<Block>,
    },
    /// A list.
    List {
        /// The first number, where it is numbered.
        #[tsify(optional)]
        start: Option<u32>,
        /// The entries.
        items: Vec<Vec<Block>>,
    },
    /// A table.
    Table {
        /// The heads of its columns.
        head: Vec<Vec<Span>>,
        /// Its rows.
        rows: Vec<Vec<Vec<Span>>>,
    },
    /// A line between parts.
    Rule,
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Tsify)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Span {
    /// As it is.
    Text {
        /// The text.
        text: String,
    },
    /// Program text.
    Code {
        /// The text.
        text: String,
    },
    /// Important.
    Strong {
        /// What stands in it.
        spans: Vec<Span>,
    },
    /// Stressed.
    Emphasis {
        /// What stands in it.
        spans: Vec<Span>,
    },
    /// Crossed out.
    Deleted {
        /// What stands in it.
        spans: Vec<Span>,
    },
    /// Leads to a page of the web.
    WebLink {
        /// What stands in it.
        spans: Vec<Span>,
        /// `https://` or `http://` …
        address: String,
    },
    /// Leads to a file of the workspace.
    FileLink {
        /// What stands in it.
        spans: Vec<Span>,
        /// Its path below the workspace.
        path: String,
    },
    /// A new line.
    Break,
}

/// Reads Markdown.
pub(crate) fn read(text: &str) -> Vec<Block> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let text = &text[..text.floor_char_boundary(MAX_BYTES)];
    Reader { events: Parser::new_ext(text, options) }.blocks(0)
}

struct Reader<'t> {
    events: Parser<'t>,
}

impl Reader<'_> {
    /// The parts up to the end of what has begun. Spans without a paragraph, as in narrow lists, make one.
    fn blocks(&mut self, depth: usize) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut loose = Vec::new();
        while let Some(event) = self.events.next() {
            let block = match event {
                Event::End(_) => break,
                Event::Rule => Block::Rule,
                Event::Start(tag) if is_block(&tag) => {
                    flush(&mut loose, &mut blocks);
                    if let Some(block) = self.block(tag, depth + 1) {
                        blocks.push(block);
                    }
                    continue;
                }
                event => {
                    self.span(event, depth, &mut loose);
                    continue;
                }
            };
            flush(&mut loose, &mut blocks);
            blocks.push(block);
        }
        flush(&mut loose, &mut blocks);
        blocks
    }

    fn block(&mut self, tag: Tag<'_>, depth: usize) -> Option<Block> {
        if depth > MAX_DEPTH {
            let text = self.plain();
            return (!text.is_empty()).then(|| Block::Paragraph { spans: vec![Span::Text { text }] });
        }
        Some(match tag {
            Tag::Heading { level, .. } => Block::Heading { level: level as u8, spans: self.spans(depth) },
            Tag::CodeBlock(kind) => {
                let language = match kind {
                    CodeBlockKind::Fenced(info) => info.split([' ', ',', '{']).next().map(str::to_owned),
                    CodeBlockKind::Indented => None,
                };
                let language = language.filter(|language| !language.is_empty());
                Block::Code { text: self.plain().trim_end_matches('\n').to_owned(), language }
            }
            Tag::HtmlBlock => {
                let html = self.plain();
                let text = html.trim().to_owned();
                if text.is_empty() || text.starts_with("<!--") {
                    return None;
                }
                Block::Paragraph { spans: vec![Span::Text { text }] }
            }
            Tag::List(start) => {
                Block::List { start: start.map(|start| u32::try_from(start).unwrap_or(1)), items: self.items(depth) }
            }
            Tag::Table(_) => self.table(depth),
            Tag::BlockQuote(_) => Block::Quote { blocks: self.blocks(depth) },
            Tag::Paragraph => Block::Paragraph { spans: self.spans(depth) },
            _ => Block::Quote { blocks: self.blocks(depth) },
        })
    }

    fn items(&mut self, depth: usize) -> Vec<Vec<Block>> {
        let mut items = Vec::new();
        while let Some(Event::Start(_)) = self.events.next() {
            items.push(self.blocks(depth));
        }
        items
    }

    fn table(&mut self, depth: usize) -> Block {
        let (mut head, mut rows) = (Vec::new(), Vec::new());
        while let Some(Event::Start(tag)) = self.events.next() {
            let mut cells = Vec::new();
            while let Some(Event::Start(_)) = self.events.next() {
                cells.push(self.spans(depth));
            }
            if matches!(tag, Tag::TableHead) { head = cells } else { rows.push(cells) }
        }
        Block::Table { head, rows }
    }

    fn spans(&mut self, depth: usize) -> Vec<Span> {
        let mut spans = Vec::new();
        while let Some(event) = self.events.next() {
            if matches!(event, Event::End(_)) {
                break;
            }
            self.span(event, depth, &mut spans);
        }
        spans
    }

    fn span(&mut self, event: Event<'_>, depth: usize, into: &mut Vec<Span>) {
        match event {
            Event::Text(text) => push_text(into, &text),
            Event::Html(html) | Event::InlineHtml(html) if !html.starts_with("<!--") => push_text(into, &html),
            Event::Code(text) => into.push(Span::Code { text: text.into_string() }),
            Event::SoftBreak => push_text(into, " "),
            Event::HardBreak => into.push(Span::Break),
            Event::TaskListMarker(done) => push_text(into, if done { "☑ " } else { "☐ " }),
            Event::Start(tag) => self.enclosed(tag, depth + 1, into),
            _ => {}
        }
    }

    fn enclosed(&mut self, tag: Tag<'_>, depth: usize, into: &mut Vec<Span>) {
        if depth > MAX_DEPTH {
            let text = self.plain();
            return push_text(into, &text);
        }
        let mut spans = self.spans(depth);
        match tag {
            Tag::Strong => into.push(Span::Strong { spans }),
            Tag::Emphasis => into.push(Span::Emphasis { spans }),
            Tag::Strikethrough => into.push(Span::Deleted { spans }),
            Tag::Link { dest_url, .. } => match target(&dest_url) {
                Target::Web => into.push(Span::WebLink { spans, address: dest_url.into_string() }),
                Target::File(path) => into.push(Span::FileLink { spans, path }),
                Target::Nowhere => into.append(&mut spans),
            },
            _ => into.append(&mut spans),
        }
    }

    /// The text up to the end of what has begun, whatever lies within it.
    fn plain(&mut self) -> String {
        let mut text = String::new();
        let mut open = 1_usize;
        for event in self.events.by_ref() {
            match event {
                Event::Start(_) => open += 1,
                Event::End(_) => {
                    open -= 1;
                    if open == 0 {
                        break;
                    }
                }
                Event::Text(piece) | Event::Code(piece) | Event::Html(piece) | Event::InlineHtml(piece) => {
                    text.push_str(&piece);
                }
                Event::SoftBreak | Event::HardBreak => text.push(' '),
                _ => {}
            }
        }
        text
    }
}

fn is_block(tag: &Tag<'_>) -> bool {
    !matches!(tag, Tag::Strong | Tag::Emphasis | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. })
}

fn flush(loose: &mut Vec<Span>, blocks: &mut Vec<Block>) {
    if !loose.is_empty() {
        blocks.push(Block::Paragraph { spans: std::mem::take(loose) });
    }
}

fn push_text(into: &mut Vec<Span>, more: &str) {
    if let Some(Span::Text { text }) = into.last_mut() {
        text.push_str(more);
    } else {
        into.push(Span::Text { text: more.to_owned() });
    }
}

enum Target {
    Web,
    File(String),
    Nowhere,
}

fn target(address: &str) -> Target {
    let has_control = address.chars().any(|char| char.is_control() || char.is_whitespace());
    if address.len() > MAX_ADDRESS_BYTES || has_control {
        return Target::Nowhere;
    }
    let starts = |scheme: &str| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if starts("https://") || starts("http://") {
        return Target::Web;
    }
    let path = address.split(['#', '?']).next().unwrap_or_default();
    let path = path.strip_prefix("./").unwrap_or(path);
    // A colon may be a scheme's, whatever stands before it.
    if path.is_empty() || path.starts_with(['/', '\\']) || path.contains([':', '\\', '%']) {
        return Target::Nowhere;
    }
    RelPath::parse(path).map_or(Target::Nowhere, |path| Target::File(path.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Span {
        Span::Text { text: text.to_owned() }
    }

    fn paragraph(spans: &[Span]) -> Block {
        Block::Paragraph { spans: spans.to_vec() }
    }

    #[test]
    fn the_usual_parts() {
        let blocks = read(
            "# A *b*\n\n- one\n- [x] two\n\n```rust ignore\nlet x;\n```\n\n> said\n\n---\n\n|h|i|\n|-|-|\n|1|`2`|\n",
        );
        let emphasis = Span::Emphasis { spans: vec![text("b")] };
        let expected = [
            Block::Heading { level: 1, spans: vec![text("A "), emphasis] },
            Block::List {
                start: None,
                items: vec![vec![paragraph(&[text("one")])], vec![paragraph(&[text("☑ two")])]],
            },
            Block::Code { text: "let x;".to_owned(), language: Some("rust".to_owned()) },
            Block::Quote { blocks: vec![paragraph(&[text("said")])] },
            Block::Rule,
            Block::Table {
                head: vec![vec![text("h")], vec![text("i")]],
                rows: vec![vec![vec![text("1")], vec![Span::Code { text: "2".to_owned() }]]],
            },
        ];
        assert_eq!(blocks, expected);
    }

    #[test]
    fn html_and_pictures_are_words() {
        assert_eq!(read("a <img src=x onerror=alert(1)> b"), [paragraph(&[text("a <img src=x onerror=alert(1)> b")])]);
        assert_eq!(read("<script>alert(1)</script>\n"), [paragraph(&[text("<script>alert(1)</script>")])]);
        assert_eq!(read("![a cat](https://tracker.example/cat.png)"), [paragraph(&[text("a cat")])]);
        assert_eq!(read("<!-- unseen -->\n\nb"), [paragraph(&[text("b")])]);
    }

    #[test]
    fn links_lead_to_the_web_or_the_workspace() {
        let link = |address: &str| match read(&format!("[x](<{address}>)")).remove(0) {
            Block::Paragraph { mut spans } => spans.remove(0),
            other => panic!("{other:?}"),
        };
        let spans = vec![text("x")];
        let web = |address: &str| Span::WebLink { spans: spans.clone(), address: address.to_owned() };
        assert_eq!(link("https://a.example/b?c#d"), web("https://a.example/b?c#d"));
        assert_eq!(link("HTTP://a.example"), web("HTTP://a.example"));
        assert_eq!(link("./docs/a.md#part"), Span::FileLink { spans: spans.clone(), path: "docs/a.md".to_owned() });
        for nowhere in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "//evil.example",
            "/etc/passwd",
            "../up",
            "#part",
            "vbscript:x",
            "command:evil",
            "\\\\host\\share",
            "java%0Ascript:x",
            "a%2f..%2f..%2fb",
        ] {
            assert_eq!(link(nowhere), text("x"), "{nowhere}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        fn depth(blocks: &[Block]) -> usize {
            let below = |block: &Block| match block {
                Block::Quote { blocks } => depth(blocks),
                Block::List { items, .. } => items.iter().map(|item| depth(item)).max().unwrap_or_default(),
                _ => 0,
            };
            1 + blocks.iter().map(below).max().unwrap_or_default()
        }
        let blocks = read(&format!("{} end", "> ".repeat(20_000)));
        assert!(depth(&blocks) <= MAX_DEPTH + 2);
        assert!(format!("{blocks:?}").contains("end"));
        let long = read(&"ä".repeat(MAX_BYTES));
        let Block::Paragraph { spans } = &long[0] else { panic!() };
        assert!(matches!(&spans[0], Span::Text { text } if text.len() == MAX_BYTES));
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(text in "[-#>*_`|<>\\[\\]()!a:/\\\\\n 1.~x]{0,200}") {
            let shown = format!("{:?}", read(&text));
            prop_assert!(!shown.contains("address: \"javascript:"));
        }
    }
}
