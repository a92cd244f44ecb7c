//! Shows CSV and TSV files as tables: a plugin of Coditect.

mod columns;
mod csv;

use coditect_plugin_sdk::prelude::*;
use coditect_plugin_sdk::view;
use serde::{Deserialize, Serialize};

use crate::columns::Table;

/// Most columns that are shown.
const MAX_COLUMNS: usize = 60;

/// Rows of a page, fewest and most.
const PAGE_ROWS: (f64, f64) = (10.0, 200.0);

/// About as many bytes may the fields of a page take, of the 512 KiB that a tree may; and the most of one field.
const TABLE_BYTES: usize = 300 * 1024;
const FIELD_BYTES: usize = 400;

/// The same for a row that is shown with all that is in it.
const DETAIL_BYTES: usize = 1024;

/// What a field takes besides itself: quotes, a comma, a mark that it was cut off.
const FIELD_EXTRA_BYTES: usize = 6;

struct CsvTable;

plugin!(CsvTable: Views);

/// What the view remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Shown {
    /// A column, and whether the largest comes first.
    sort: Option<(usize, bool)>,
    page: usize,
    filter: String,
    /// A row of the file.
    selected: Option<usize>,
}

impl Views for CsvTable {
    type State = Shown;

    fn open(_view: &str, context: Context) -> Result<View<Shown>> {
        let table = table(&context)?;
        shown(Shown::default(), &table)
    }

    fn handle(_view: &str, mut state: Shown, action: Action, context: Context) -> Result<View<Shown>> {
        let table = table(&context)?;
        match (action.kind, action.id.as_str()) {
            (ActionKind::Click, "next") => state.page += 1,
            (ActionKind::Click, "previous") => state.page = state.page.saturating_sub(1),
            (ActionKind::Click, "close") => state.selected = None,
            (ActionKind::Change | ActionKind::Submit, "filter") => {
                (state.filter, state.page, state.selected) = (action.value()?, 0, None);
            }
            (ActionKind::Change, "rows") => {
                let column = action.value()?;
                // The first click sorts up, the second down, the third not at all.
                state.sort = match state.sort {
                    Some((same, false)) if same == column => Some((column, true)),
                    Some((same, true)) if same == column => None,
                    _ => Some((column, false)),
                };
                state.page = 0;
            }
            (ActionKind::Select, "rows") => {
                let order = table.order(&state.filter, state.sort);
                let at = state.page.saturating_mul(rows_a_page()?).saturating_add(action.value()?);
                state.selected = order.get(at).copied();
            }
            _ => {}
        }
        shown(state, &table)
    }
}

fn table(context: &Context) -> Result<Table> {
    let document = context.active()?;
    let delimiter = csv::delimiter(&document.path, &document.text);
    Ok(Table::new(csv::read(&document.text, delimiter)))
}

fn rows_a_page() -> Result<usize> {
    let rows: f64 = settings::get("rows")?;
    // Clamped, it is a whole number that fits.
    Ok(rows.clamp(PAGE_ROWS.0, PAGE_ROWS.1) as usize)
}

fn shown(mut state: Shown, table: &Table) -> Result<View<Shown>> {
    let rows_a_page = rows_a_page()?;
    let order = table.order(&state.filter, state.sort);
    let pages = order.len().div_ceil(rows_a_page).max(1);
    state.page = state.page.min(pages - 1);
    let first = state.page * rows_a_page;
    let page = &order[first..order.len().min(first + rows_a_page)];
    let range = match page.len() {
        0 => "No rows".to_owned(),
        count => format!("Rows {} to {} of {}", first + 1, first + count, order.len()),
    };
    let tree = column((
        row((
            input("Find").value(&state.filter).placeholder("text in any column").on_change("filter"),
            button("Previous").disabled_if(state.page == 0).on_click("previous"),
            button("Next").disabled_if(state.page + 1 == pages).on_click("next"),
            text(range).muted(),
        )),
        state.selected.and_then(|at| details(table, at)),
        page_of(table, page, state.sort),
        text(summary(table)).muted(),
    ));
    Ok(View::new(state, tree))
}

fn page_of(table: &Table, page: &[usize], sort: Option<(usize, bool)>) -> Node {
    let columns = table.names.len().min(MAX_COLUMNS);
    // The heads are fields too.
    let fields = (page.len() + 1) * columns.max(1);
    let most = (TABLE_BYTES / fields - FIELD_EXTRA_BYTES).min(FIELD_BYTES);
    let mark = |column: usize| match sort {
        Some((same, is_down)) if same == column => {
            if is_down {
                " ▼"
            } else {
                " ▲"
            }
        }
        _ => "",
    };
    let heads = (0..columns).map(|column| on_a_line(&table.names[column], most) + mark(column));
    let rows = page.iter().map(|at| table.rows[*at][..columns].iter().map(|field| on_a_line(field, most)));
    view::table(heads).rows(rows).on_select("rows").into()
}

/// A row with all that is in it.
fn details(table: &Table, at: usize) -> Option<Node> {
    let row = table.rows.get(at)?;
    let pairs = table.names.iter().zip(row).take(MAX_COLUMNS);
    let pairs = pairs.map(|(name, field)| [on_a_line(name, FIELD_BYTES), on_a_line(field, DETAIL_BYTES)]);
    Some(column((
        view::row((heading(format!("Row {}", at + 1)), button("Close").on_click("close"))),
        view::table(["Column", "Value"]).rows(pairs),
        separator(),
    )))
}

fn summary(table: &Table) -> String {
    let column = |(name, kind): (&String, &columns::Kind)| format!("{} ({})", on_a_line(name, 40), kind.name());
    let columns: Vec<String> = table.names.iter().zip(&table.kinds).take(MAX_COLUMNS).map(column).collect();
    let more = table.names.len().saturating_sub(MAX_COLUMNS);
    let more = if more > 0 { format!(" and {more} more that are not shown") } else { String::new() };
    format!("{} rows, {} columns: {}{more}", table.rows.len(), table.names.len(), columns.join(", "))
}

/// A text without breaks and other characters that nobody sees, cut off where it takes more bytes of JSON.
fn on_a_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut bytes = 0;
    for character in text.trim_end_matches(['\r', '\n']).replace("\r\n", "\n").chars() {
        let seen = match character {
            '\n' | '\r' => '↵',
            '\t' => ' ',
            control if control.is_control() => '\u{fffd}',
            other => other,
        };
        bytes += seen.len_utf8() + usize::from(matches!(seen, '"' | '\\'));
        if bytes > most {
            line.push('…');
            break;
        }
        line.push(seen);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(text: &str) -> Context {
        let document = Document { path: "a.csv".into(), language: "csv".into(), text: text.into() };
        Context { document: Some(document), ..Context::default() }
    }

    fn after(state: &Shown, id: &str, kind: ActionKind, value: impl Serialize, text: &str) -> View<Shown> {
        let action = Action::new(id, kind, value).unwrap();
        CsvTable::handle("table", state.clone(), action, context(text)).unwrap()
    }

    const TEXT: &str = "name,lines\nb.rs,20\n\"a\nb.rs\",3\nc.rs,100\n";

    #[test]
    fn a_file_is_shown_and_sorted() {
        let _host = testing::Host::new().setting("rows", 10).enter();
        let view = CsvTable::open("table", context(TEXT)).unwrap();
        let texts = view.tree.texts();
        assert_eq!(
            texts[4..],
            [
                "Rows 1 to 3 of 3",
                "name",
                "lines",
                "b.rs",
                "20",
                "a↵b.rs",
                "3",
                "c.rs",
                "100",
                "3 rows, 2 columns: name (text), lines (number)"
            ]
        );
        let up = after(&view.state, "rows", ActionKind::Change, 1, TEXT);
        assert_eq!(up.tree.texts()[5..9], ["name", "lines ▲", "a↵b.rs", "3"]);
        let down = after(&up.state, "rows", ActionKind::Change, 1, TEXT);
        assert_eq!(down.tree.texts()[5..9], ["name", "lines ▼", "c.rs", "100"]);
        let none = after(&down.state, "rows", ActionKind::Change, 1, TEXT);
        assert_eq!(none.state, view.state);
        // The row that is shown, not that of the file.
        let selected = after(&down.state, "rows", ActionKind::Select, 0, TEXT);
        assert_eq!(selected.state.selected, Some(2));
        assert!(selected.tree.texts().contains(&"Row 3"));
    }

    #[test]
    fn pages_are_turned_within_bounds() {
        let _host = testing::Host::new().setting("rows", 10).enter();
        let text: String = (0..25).map(|number| format!("{number},x\n")).collect();
        let mut state = Shown { page: 99, ..Shown::default() };
        let view = after(&state, "", ActionKind::Refresh, (), &text);
        assert_eq!((view.state.page, view.tree.texts()[4]), (2, "Rows 21 to 25 of 25"));
        state = after(&view.state, "previous", ActionKind::Click, (), &text).state;
        assert_eq!(state.page, 1);
        let found = after(&state, "filter", ActionKind::Submit, "24", &text);
        assert_eq!(found.tree.texts()[4], "Rows 1 to 1 of 1");
        assert_eq!(after(&state, "filter", ActionKind::Submit, "nothing", &text).tree.texts()[4], "No rows");
    }

    #[test]
    fn a_tree_stays_within_its_limit() {
        let _host = testing::Host::new().setting("rows", 500).enter();
        for field in ["\u{1f600}".repeat(300), "\"\"\\".repeat(300)] {
            let line = vec![format!("\"{field}\""); 150].join(",");
            let text = format!("{line}\n").repeat(250);
            let view = CsvTable::open("table", context(&text)).unwrap();
            let view = after(&view.state, "rows", ActionKind::Select, 7, &text);
            let bytes = serde_json::to_string(&view.tree).unwrap().len();
            assert!((300 * 1024..512 * 1024).contains(&bytes), "{bytes}");
        }
    }

    #[test]
    fn an_empty_file_is_a_table_without_rows() {
        let _host = testing::Host::new().setting("rows", 10).enter();
        assert_eq!(CsvTable::open("table", context("")).unwrap().tree.texts()[4], "No rows");
        assert!(matches!(CsvTable::open("table", Context::default()), Err(Error::NotFound(_))));
    }
}
