use coditect_protocol::plugin::Manifest;

use super::*;
use crate::plugins::testing::{installed, manifest};

fn surfaces(offers: &[Offer]) -> Vec<String> {
    let kind = |offer: &Offer| serde_json::to_value(&offer.surface).unwrap()["kind"].as_str().unwrap().to_owned();
    offers.iter().map(kind).collect()
}

fn everything() -> Manifest {
    manifest(
        "acme.all",
        r#"{
            "offers": {
                "commands": [{"id": "go", "title": "Go", "editor_menu": ["rust"], "keybinding": null}],
                "formatters": [{"languages": ["rust"]}],
                "diagnostics": [{"languages": ["*"]}],
                "tools": [{"id": "count", "description": "Counts.", "parameters": "{}", "changes": true}],
                "participants": [{"id": "helper", "title": "Helper", "description": "Helps."}],
                "build_steps": [{"id": "lint", "title": "Lint"}],
                "hooks": {"will_save": ["**/*.rs"], "changed": []},
                "views": [
                    {"id": "list", "title": "List", "place": "side"},
                    {"id": "table", "title": "Table", "place": "file", "globs": ["**/*.csv"]}
                ],
                "status_items": [{"id": "count", "title": "Count"}],
                "themes": [{"id": "night", "title": "Night", "dark": true, "path": "night.json"}]
            },
            "capabilities": [{"name": "documents", "globs": ["src/**"], "reason": "To format."}]
        }"#,
    )
}

#[test]
fn what_is_off_adds_nothing_and_what_rests_starts_nothing() {
    let with = |state| surfaces(&of(&[installed(everything(), state, &[CapabilityName::Documents])]));
    let all = [
        "command",
        "formatter",
        "tool",
        "participant",
        "build_step",
        "view",
        "view",
        "theme",
        "save_hook",
        "check",
        "status_item",
    ];
    assert_eq!(with(PluginState::Ready), all);
    assert_eq!(
        with(PluginState::Preparing),
        all[..9],
        "what runs by itself would end at its deadline, and not be asked again"
    );
    assert_eq!(with(PluginState::Resting { until: 0, reason: String::new() }), all[..8]);
    for state in [PluginState::Disabled, PluginState::Blocked, PluginState::Failed { reason: String::new() }] {
        assert!(with(state).is_empty());
    }
}

#[test]
fn whoever_may_not_see_texts_is_not_asked_about_them() {
    let offers = of(&[installed(everything(), PluginState::Ready, &[])]);
    assert_eq!(surfaces(&offers), ["command", "tool", "participant", "build_step", "view", "theme", "status_item"]);
}

#[test]
fn texts_are_found_by_language_path_and_grant() {
    let offers = of(&[installed(everything(), PluginState::Ready, &[CapabilityName::Documents])]);
    let fitting = |path, language| {
        let found: Vec<Offer> = offers.iter().filter(|offer| fits(offer, path, language)).cloned().collect();
        surfaces(&found)
    };
    assert_eq!(fitting("src/a.rs", "rust"), ["command", "formatter", "save_hook", "check"]);
    assert_eq!(fitting("a.rs", "rust"), ["command"], "what was not granted");
    assert_eq!(fitting("src/deep/er/a.csv", "csv"), ["view", "check"]);
    assert_eq!(fitting("docs/a.md", "markdown"), [""; 0]);
    assert!(matches_any(&["**/*.{md,txt}".to_owned()], "a.md") && !matches_any(&["*.md".to_owned()], "b/a.md"));
}

#[test]
fn a_hot_update_touches_only_what_changed() {
    let now = |version: &str, title: &str| {
        let mut manifest = everything();
        version.clone_into(&mut manifest.version);
        title.clone_into(&mut manifest.offers.commands[0].title);
        of(&[installed(manifest, PluginState::Ready, &[CapabilityName::Documents])])
    };
    let old = now("1.0.0", "Go");
    assert_eq!(changes(&old, &now("1.0.0", "Go")), OfferChanges::default());
    assert_eq!(surfaces(&changes(&old, &now("1.0.1", "Go")).added), ["theme"], "its asset has another address");
    let changed = changes(&old, &now("1.0.0", "Go now"));
    assert_eq!((changed.removed, surfaces(&changed.added)), (vec![old[0].key.clone()], vec!["command".to_owned()]));
    let gone = changes(&old, &[]);
    assert_eq!((gone.removed.len(), gone.added.len()), (old.len(), 0));
    let keys: std::collections::BTreeSet<_> = old.iter().map(|offer| &offer.key).collect();
    assert_eq!(keys.len(), old.len());
}

#[test]
fn a_tool_runs_unasked_only_where_it_can_do_no_harm() {
    let tool = r#"{"offers": {"tools": [{"id": "x", "description": "", "parameters": "{}"}]},
        "capabilities": [{"name": "http", "hosts": ["example.org"], "reason": "To ask."}]}"#;
    let asks = |granted: &[CapabilityName]| {
        let offers = of(&[installed(manifest("a.b", tool), PluginState::Ready, granted)]);
        offers.iter().any(|offer| matches!(offer.surface, Surface::Tool { changes: true, .. }))
    };
    assert!(!asks(&[]) && !asks(&[CapabilityName::Search]));
    assert!(asks(&[CapabilityName::Http]) && asks(&[CapabilityName::FilesWrite]));
}

#[test]
fn nobody_passes_for_another() {
    let helper = |plugin: &str, id: &str| {
        let offers = format!(
            r#"{{"offers": {{"participants": [{{"id": "{id}", "title": "", "description": ""}}],
                "tools": [{{"id": "x", "description": "", "parameters": "{{}}"}}]}}}}"#
        );
        installed(manifest(plugin, &offers), PluginState::Ready, &[])
    };
    let long = format!("{0}.{0}", "a".repeat(40));
    let plugins = [helper("a-b.c", "same"), helper("a.b-c", "same"), helper(&long, "own"), helper("x.y", "coditect")];
    let offers = of(&plugins);
    let names: Vec<&str> = offers
        .iter()
        .filter_map(|offer| match &offer.surface {
            Surface::Participant { name, .. } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["a-b.c.same", "a.b-c.same", "own", "x.y.coditect"]);
    let tools: Vec<&str> = offers
        .iter()
        .filter_map(|offer| match &offer.surface {
            Surface::Tool { name, .. } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    assert!(tools[0].starts_with("a_b_c_x_") && tools[1].starts_with("a_b_c_x_") && tools[0] != tools[1]);
    assert_eq!(tools[2].len(), MAX_TOOL_NAME_BYTES);
    assert_eq!(tools[3], "x_y_x");
    let is_plain =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    assert!(tools.into_iter().all(is_plain));
}
