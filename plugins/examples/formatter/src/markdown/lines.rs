//! What a line of Markdown is, as CommonMark 0.31 has it.

/// Only white space.
pub(super) fn is_blank(line: &str) -> bool {
    line.trim_matches([' ', '\t']).is_empty()
}

/// Columns of white space that a line begins with; tabs go to every fourth column.
pub(super) fn indent(line: &str) -> usize {
    let mut column = 0;
    for byte in line.bytes() {
        match byte {
            b' ' => column += 1,
            b'\t' => column += 4 - column % 4,
            _ => break,
        }
    }
    column
}

/// A line without so many columns of white space; what is left of them is spaces.
pub(super) fn dedent(line: &str, columns: usize) -> String {
    let left = indent(line).saturating_sub(columns);
    let bare = line.trim_start_matches([' ', '\t']);
    if bare.is_empty() { String::new() } else { format!("{}{bare}", " ".repeat(left)) }
}

/// A line without as many of these spaces as it has.
pub(super) fn dedent_at_most(line: &str, columns: usize) -> String {
    let spaces = line.bytes().take(columns).take_while(|&byte| byte == b' ').count();
    line[spaces..].to_owned()
}

/// `# Heading`.
pub(super) fn is_heading(line: &str) -> bool {
    let bare = line.trim_start_matches(' ');
    let level = bare.bytes().take_while(|&byte| byte == b'#').count();
    indent(line) < 4 && (1..=6).contains(&level) && bare[level..].chars().next().is_none_or(|c| c == ' ' || c == '\t')
}

/// `===` or `---` below text that is a heading then.
pub(super) fn is_underline(line: &str) -> bool {
    let bare = line.trim();
    let all = |mark: u8| bare.bytes().all(|byte| byte == mark);
    indent(line) < 4 && !bare.is_empty() && (all(b'=') || all(b'-'))
}

/// `---`, `* * *` or `___`.
pub(super) fn is_rule(line: &str) -> bool {
    let marks: Vec<u8> = line.bytes().filter(|byte| !matches!(byte, b' ' | b'\t')).collect();
    let first = marks.first().copied().unwrap_or_default();
    indent(line) < 4
        && marks.len() >= 3
        && matches!(first, b'-' | b'*' | b'_')
        && marks.iter().all(|&mark| mark == first)
}

/// What begins a block of code, or of mathematics.
pub(super) struct Fence {
    mark: u8,
    length: usize,
}

impl Fence {
    pub(super) fn open(line: &str) -> Option<Self> {
        let bare = line.trim_start_matches([' ', '\t']);
        let mark = *bare.as_bytes().first().filter(|mark| b"`~$".contains(mark))?;
        let length = bare.bytes().take_while(|&byte| byte == mark).count();
        let info = &bare[length..];
        let is_fence = match mark {
            b'`' => length >= 3 && !info.contains('`'),
            b'~' => length >= 3,
            b'$' => length == 2 && info.trim().is_empty(),
            _ => false,
        };
        (indent(line) < 4 && is_fence).then_some(Self { mark, length })
    }

    pub(super) fn is_closed_by(&self, line: &str) -> bool {
        let bare = line.trim();
        indent(line) < 4 && bare.len() >= self.length && bare.bytes().all(|byte| byte == self.mark)
    }
}

/// What ends the HTML that a line begins: a text, or an empty line where there is none.
pub(super) fn html_end(line: &str) -> Option<&'static str> {
    let bare = line.trim_start_matches(' ').to_ascii_lowercase();
    let tag = bare.strip_prefix('<')?;
    let ends = [
        ("script", "</script>"),
        ("pre", "</pre>"),
        ("style", "</style>"),
        ("textarea", "</textarea>"),
        ("!--", "-->"),
        ("?", "?>"),
        ("![cdata[", "]]>"),
        ("!", ">"),
    ];
    if let Some((_, end)) = ends.into_iter().find(|(begin, _)| tag.starts_with(begin)) {
        return Some(end);
    }
    tag.starts_with(|c: char| c == '/' || c.is_ascii_alphabetic()).then_some("")
}

/// How many lines a block of HTML takes.
pub(super) fn rest_of_html(lines: &[String], end: &str) -> usize {
    let last = if end.is_empty() {
        lines.iter().position(|line| is_blank(line))
    } else {
        lines.iter().position(|line| line.to_ascii_lowercase().contains(end)).map(|at| at + 1)
    };
    last.unwrap_or(lines.len())
}
