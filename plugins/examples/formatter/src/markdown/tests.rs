use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use pulldown_cmark::{Event, Options, Parser};

use super::*;

fn of(text: &str) -> String {
    format(text, &Style { indent: "  ".into(), width: 60 }).unwrap_or_else(|| text.to_owned())
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(of(text), expected);
    assert_eq!(of(expected), expected, "twice");
    assert_eq!(rendered(text), rendered(expected), "what is rendered");
}

#[test]
fn tables_get_columns() {
    check(
        "Name|Größe|n\n-|:-:|--:\n`a\\|b`|日本|1\nlonger name\n\ntext | no table\n",
        "| Name        | Größe |   n |\n| ----------- | :---: | --: |\n| `a\\|b`      | 日本  |   1 |\n| longer name |       |     |\n\ntext | no table\n",
    );
    let wide = format!("|a|b|\n|-|-|\n|{}|x|\n", "w".repeat(70));
    assert_eq!(of(&wide), format!("| a   | b   |\n| --- | --- |\n| {} | x   |\n", "w".repeat(70)));
}

#[test]
fn lists_get_one_kind_of_bullet() {
    check("*   one\n    more\n\n    * inner\n*   two\n", "- one\n  more\n\n  - inner\n- two\n");
    check("* a\n* b\n\n+ c\n", "- a\n- b\n\n* c\n");
    check("3. a\n3. b\n7. c\n", "3. a\n3. b\n3. c\n");
    check("9. a\n   text\n1. b\n", "9. a\n   text\n10. b\n");
    check("* - -\n* x\n", "- * -\n- x\n");
}

#[test]
fn what_is_not_prose_stays() {
    let text = "---\ntitle:   x\n---\n\n```sh\n*  a\n\n\n|b|\n|-|\n```\n\n<pre>\n*  a\n\n\n</pre>\n\n    * code\n\n> *  quote\n\n* * *\n\n$$\n*  x\n$$\n";
    check(text, text);
}

#[test]
fn empty_lines_are_one_and_hard_breaks_stay() {
    check("\n\n# A  \n\n\n\ntext   \nmore\t\nend  \n\n\n", "# A\n\ntext  \nmore\nend\n");
    assert_eq!(of(""), "");
    assert_eq!(of(" \n \n"), "");
}

/// What a reader sees, without the space that nobody sees.
fn rendered(text: &str) -> Vec<String> {
    let options = Options::ENABLE_TABLES;
    let mut events: Vec<String> = Vec::new();
    let mut text_so_far = String::new();
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => text_so_far.push_str(&text),
            other => {
                events.push(std::mem::take(&mut text_so_far).trim().to_owned());
                events.push(match other {
                    // Numbers of lists are put in order on purpose, their first one stays.
                    Event::SoftBreak => String::new(),
                    other => format!("{other:?}"),
                });
            }
        }
    }
    events.push(text_so_far);
    events.retain(|event| !event.is_empty());
    events
}

fn line() -> impl Strategy<Value = String> {
    let content = prop_oneof![
        Just("text"),
        Just("🎈 é"),
        Just("* a"),
        Just("- b"),
        Just("+ c"),
        Just("*   d"),
        Just("1. e"),
        Just("2) f"),
        Just("7.  g"),
        Just("# h"),
        Just("---"),
        Just("- - -"),
        Just("```"),
        Just("> q"),
        Just("|a|b|"),
        Just("|-|:-:|"),
        Just("a|b"),
        Just("<b>"),
        Just("<!-- c"),
        Just("-->"),
        Just("-"),
        Just("===="),
        Just("text  "),
        Just("~~~"),
        Just("* # h"),
        Just("*"),
        Just("- ---"),
    ];
    prop_oneof![
        3 => (0usize..7, content).prop_map(|(indent, content)| format!("{}{content}", " ".repeat(indent))),
        1 => Just(String::new()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, rng_seed: RngSeed::Fixed(6), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn twice_is_once_and_readers_see_the_same(lines in prop::collection::vec(line(), 0..9)) {
        let text = lines.join("\n") + "\n";
        // What stands between rules at the beginning is front matter here, which the reader of these tests does not know.
        let texts: Vec<String> = text.lines().map(str::to_owned).collect();
        prop_assume!(front_matter(&texts) == 0);
        let once = of(&text);
        prop_assert_eq!(rendered(&text), rendered(&once), "{}=====\n{}", text, once);
        prop_assert_eq!(of(&once), once.clone(), "{}=====\n{}", text, once);
    }
}
