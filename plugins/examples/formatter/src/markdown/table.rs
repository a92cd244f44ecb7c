//! Tables, as GitHub's Markdown has them.

use super::lines::indent;
use super::list::begins_block;
use crate::style::{Style, width};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Align {
    None,
    Left,
    Right,
    Centre,
}

/// The table that begins with the first line: how many lines it takes, and how it is written. None where there is no table, and where a
/// row has more cells than columns, which nobody sees.
pub(super) fn read(lines: &[String], style: &Style) -> Option<(usize, Vec<String>)> {
    let head = cells(lines.first()?).filter(|_| indent(&lines[0]) == 0 && !begins_block(&lines[0]))?;
    let aligns: Vec<Align> = cells(lines.get(1)?)
        .filter(|_| indent(&lines[1]) < 4)?
        .iter()
        .map(|cell| align(cell))
        .collect::<Option<_>>()?;
    if head.len() != aligns.len() {
        return None;
    }
    let mut rows = vec![head];
    for line in lines.iter().skip(2).take_while(|line| !begins_block(line) && indent(line) < 4) {
        let mut row = cells(line).unwrap_or_else(|| vec![line.trim().to_owned()]);
        if row.len() > aligns.len() {
            return None;
        }
        row.resize(aligns.len(), String::new());
        rows.push(row);
    }
    Some((rows.len() + 1, write(&rows, &aligns, style)))
}

/// The cells of a line; none where it has no `|`.
fn cells(line: &str) -> Option<Vec<String>> {
    let line = line.trim();
    let bare = line.strip_prefix('|').unwrap_or(line);
    let (mut cells, mut cell, mut is_escaped) = (Vec::new(), String::new(), false);
    for character in bare.chars() {
        if character == '|' && !is_escaped {
            cells.push(std::mem::take(&mut cell));
        } else {
            cell.push(character);
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    if !cell.trim().is_empty() {
        cells.push(cell);
    }
    let has_bar = cells.len() > 1 || bare.len() < line.len() || (!cells.is_empty() && line.ends_with('|'));
    (has_bar && !cells.is_empty()).then(|| cells.iter().map(|cell| cell.trim().to_owned()).collect())
}

fn align(cell: &str) -> Option<Align> {
    let (left, right) = (cell.starts_with(':'), cell.len() > 1 && cell.ends_with(':'));
    let dashes = cell.strip_prefix(':').unwrap_or(cell);
    let dashes = dashes.strip_suffix(':').unwrap_or(dashes);
    let is_rule = !dashes.is_empty() && dashes.bytes().all(|byte| byte == b'-');
    is_rule.then_some(match (left, right) {
        (true, true) => Align::Centre,
        (true, false) => Align::Left,
        (false, true) => Align::Right,
        (false, false) => Align::None,
    })
}

fn write(rows: &[Vec<String>], aligns: &[Align], style: &Style) -> Vec<String> {
    let widest = |column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or_default().max(3);
    let mut widths: Vec<usize> = (0..aligns.len()).map(widest).collect();
    // A table that does not fit is easier to read without all that space.
    if widths.iter().map(|width| width + 3).sum::<usize>() + 1 > style.width {
        widths = vec![3; aligns.len()];
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).zip(aligns).map(|((cell, width), align)| padded(cell, *width, *align));
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    let rule: Vec<String> = widths.iter().zip(aligns).map(|(width, align)| rule(*width, *align)).collect();
    lines.insert(1, format!("| {} |", rule.join(" | ")));
    lines
}

fn padded(cell: &str, columns: usize, align: Align) -> String {
    let space = columns.saturating_sub(width(cell));
    let before = match align {
        Align::None | Align::Left => 0,
        Align::Right => space,
        Align::Centre => space / 2,
    };
    format!("{}{cell}{}", " ".repeat(before), " ".repeat(space - before))
}

fn rule(width: usize, align: Align) -> String {
    let dashes = |less: usize| "-".repeat(width - less);
    match align {
        Align::None => dashes(0),
        Align::Left => format!(":{}", dashes(1)),
        Align::Right => format!("{}:", dashes(1)),
        Align::Centre => format!(":{}:", dashes(2)),
    }
}
