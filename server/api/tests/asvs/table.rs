//! The table of `docs/asvs.md` and the tests say the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{plain, root, table};

/// Every row of the chapters at level 1 and 2, by its section: the last numbers, each with its level.
const ROWS: [(&str, &[(u8, u8)]); 31] = [
    ("6.1", &[(1, 1), (2, 2), (3, 2)]),
    ("6.2", &[(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (9, 2), (10, 2), (11, 2), (12, 2)]),
    ("6.3", &[(1, 1), (2, 1), (3, 2), (4, 2)]),
    ("6.4", &[(1, 1), (2, 1), (3, 2), (4, 2)]),
    ("6.5", &[(1, 2), (2, 2), (3, 2), (4, 2), (5, 2)]),
    ("6.6", &[(1, 2), (2, 2), (3, 2)]),
    ("6.8", &[(1, 2), (2, 2), (3, 2), (4, 2)]),
    ("7.1", &[(1, 2), (2, 2), (3, 2)]),
    ("7.2", &[(1, 1), (2, 1), (3, 1), (4, 1)]),
    ("7.3", &[(1, 2), (2, 2)]),
    ("7.4", &[(1, 1), (2, 1), (3, 2), (4, 2), (5, 2)]),
    ("7.5", &[(1, 2), (2, 2)]),
    ("7.6", &[(1, 2), (2, 2)]),
    ("8.1", &[(1, 1), (2, 2)]),
    ("8.2", &[(1, 1), (2, 1), (3, 2)]),
    ("8.3", &[(1, 1)]),
    ("8.4", &[(1, 2)]),
    ("9.1", &[(1, 1), (2, 1), (3, 1)]),
    ("9.2", &[(1, 1), (2, 2), (3, 2), (4, 2)]),
    ("10.1", &[(1, 2), (2, 2)]),
    ("10.2", &[(1, 2), (2, 2)]),
    ("10.3", &[(1, 2), (2, 2), (3, 2), (4, 2)]),
    ("10.4", &[(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 2), (7, 2), (8, 2), (9, 2), (10, 2), (11, 2)]),
    ("10.5", &[(1, 2), (2, 2), (3, 2), (4, 2), (5, 2)]),
    ("10.6", &[(1, 2), (2, 2)]),
    ("10.7", &[(1, 2), (2, 2), (3, 2)]),
    ("16.1", &[(1, 2)]),
    ("16.2", &[(1, 2), (2, 2), (3, 2), (4, 2), (5, 2)]),
    ("16.3", &[(1, 2), (2, 2), (3, 2), (4, 2)]),
    ("16.4", &[(1, 2), (2, 2), (3, 2)]),
    ("16.5", &[(1, 2), (2, 2), (3, 2)]),
];

/// Fewest tests that attack.
const LEAST_TESTS: usize = 45;

/// Ids with their levels, in the order of the standard.
fn ids() -> Vec<(String, u8)> {
    let of = |(section, rows): &(&str, &'static [(u8, u8)])| {
        let section = (*section).to_owned();
        rows.iter().map(move |(row, level)| (format!("{section}.{row}"), *level))
    };
    ROWS.iter().flat_map(of).collect()
}

/// Every test of the chapters' files, with the row in its name.
fn tests() -> BTreeMap<String, String> {
    let mut tests = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("server/api/tests/asvs")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let marked = text.split("#[tokio::test]").skip(1).chain(text.split("#[test]").skip(1));
        for after in marked {
            let (_, rest) = after.split_once("fn ").unwrap();
            let name = rest.split('(').next().unwrap();
            let Some(numbers) = name.strip_prefix('v') else { continue };
            let numbers: Vec<_> = numbers.split('_').take_while(|word| word.parse::<u8>().is_ok()).take(3).collect();
            assert_eq!(numbers.len(), 3, "{name} does not begin with its row");
            tests.insert(name.to_owned(), numbers.join("."));
        }
    }
    tests
}

#[test]
fn the_table_has_every_row_once_with_its_level() {
    let rows: Vec<(String, u8)> = table("Rows").iter().map(|row| (row[0].clone(), row[1].parse().unwrap())).collect();
    let expected = ids();
    let missing: Vec<_> = expected.iter().filter(|row| !rows.contains(row)).collect();
    assert!(missing.is_empty(), "rows that are not in the table: {missing:?}");
    assert_eq!(rows, expected, "the table is not in the order of the standard, or has rows too many");
}

#[test]
fn the_table_and_the_tests_name_one_another() {
    let tests = tests();
    assert!(tests.len() >= LEAST_TESTS, "{} tests", tests.len());
    let mut named = BTreeSet::new();
    for row in table("Rows") {
        let [id, _, about, state, why] = <[String; 5]>::try_from(row).expect("five cells");
        assert!(!about.is_empty() && about.len() < 100, "{id}: {about}");
        match state.as_str() {
            "holds" => {
                for name in why.split(", ").map(plain) {
                    let of = tests.get(name).unwrap_or_else(|| panic!("{id}: there is no test `{name}`"));
                    assert_eq!(*of, id, "`{name}` is named by another row");
                    named.insert(name.to_owned());
                }
            }
            "does not apply" | "open" => {
                assert!(why.len() >= 20 && why.ends_with('.'), "{id}: say why in a sentence");
                // What is there of an open row is tested too.
                let words =
                    why.split('`').skip(1).step_by(2).filter(|name| tests.get(*name).is_some_and(|of| *of == id));
                named.extend(words.map(str::to_owned));
            }
            other => panic!("{id}: `{other}` is no state"),
        }
    }
    let unnamed: Vec<_> = tests.keys().filter(|name| !named.contains(*name)).collect();
    assert!(unnamed.is_empty(), "tests that no row names: {unnamed:?}");
}
