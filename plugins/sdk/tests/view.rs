//! Trees are what the host reads and what the contract's schema describes.

use std::collections::BTreeSet;

use coditect_plugin_sdk::prelude::*;
use serde_json::Value;

/// Every kind of node twice: with all it can have, and with as little.
fn nodes() -> Vec<Node> {
    let everything = column((
        row("beside"),
        heading("heading"),
        text("text").muted(),
        markdown("**markdown**"),
        code("let code;").language("rust"),
        (link("link", "a.rs").at_line(3), button("button").primary().disabled_if(true).on_click("button")),
        input("input").value("value").placeholder("placeholder").on_change("input"),
        select("select", [("a", "A"), ("b", "B")]).value("b").on_change("select"),
        checkbox("checkbox", true).on_change("checkbox"),
        list(["entry"]),
        tree("tree")
            .detail("detail")
            .icon("file")
            .opens("a.rs", Some(1))
            .expanded(true)
            .children("leaf")
            .on_select("tree"),
        (table(["a", "b"]).row(["1"]).on_select("table"), progress("progress").percent(150), separator()),
    ));
    let little = column((
        row(()),
        (
            text("text"),
            code("code"),
            link("link", "a.rs"),
            button("button").on_click("b"),
            input("input").on_change("i"),
        ),
        select("select", [("", ""); 0]).on_change("s"),
        checkbox("checkbox", false).on_change("c"),
        (list(Vec::<Node>::new()), tree("tree"), table(["a"]).rows([["1"]; 2]), progress(""), None::<Node>),
    ));
    vec![everything, little]
}

fn each<'a>(node: &'a Value, see: &mut impl FnMut(&'a Value)) {
    see(node);
    node["children"].as_array().into_iter().flatten().for_each(|child| each(child, see));
}

#[test]
fn the_host_reads_every_node() {
    for node in nodes() {
        let json = serde_json::to_string(&node).unwrap();
        let read: coditect_protocol::plugin::Node = serde_json::from_str(&json).unwrap();
        // Written again by the host, it has nothing that was not said here, besides what has a default.
        let (ours, theirs): (Value, Value) =
            (serde_json::from_str(&json).unwrap(), serde_json::to_value(&read).unwrap());
        assert_said(&ours, &theirs);
    }
}

fn assert_said(ours: &Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Object(mine), Value::Object(others)) => {
            for (key, value) in others {
                let is_default =
                    matches!(value, Value::Null | Value::Bool(false)) || value == "" || value == &Value::Array(vec![]);
                match mine.get(key) {
                    Some(said) => assert_said(said, value),
                    None => assert!(is_default, "{key} is {value} without having been said"),
                }
            }
        }
        (Value::Array(mine), Value::Array(others)) => {
            assert_eq!(mine.len(), others.len());
            mine.iter().zip(others).for_each(|(mine, other)| assert_said(mine, other));
        }
        _ => assert_eq!(ours, theirs),
    }
}

#[test]
fn the_schema_describes_every_node() {
    let schema: Value = serde_json::from_str(include_str!("../../wit/schema/view.json")).unwrap();
    let mut kinds = BTreeSet::new();
    let mut said = BTreeSet::new();
    for node in nodes() {
        let json = serde_json::to_value(&node).unwrap();
        let mut check = |node: &Value| {
            let kind = node["type"].as_str().unwrap();
            let described = &schema["$defs"][kind];
            let keys: BTreeSet<&str> = node.as_object().unwrap().keys().map(String::as_str).collect();
            for key in &keys {
                assert!(described["properties"][key].is_object(), "the schema has no {key} of {kind}");
                said.insert((kind.to_owned(), (*key).to_owned()));
            }
            for key in described["required"].as_array().unwrap() {
                assert!(keys.contains(key.as_str().unwrap()), "{kind} lacks {key}");
            }
            kinds.insert(kind.to_owned());
        };
        each(&json, &mut check);
    }
    let described = schema["$defs"]["node"]["oneOf"].as_array().unwrap();
    let named: BTreeSet<String> =
        described.iter().map(|kind| kind["$ref"].as_str().unwrap().trim_start_matches("#/$defs/").to_owned()).collect();
    assert_eq!(named, kinds);
    for kind in named {
        for key in schema["$defs"][&kind]["properties"].as_object().unwrap().keys() {
            assert!(said.contains(&(kind.clone(), key.clone())), "nothing here has the schema's {key} of {kind}");
        }
    }
}
