//! Logs, notices, progress and answers.

use super::*;
use crate::contract::v1_bindings::coditect::plugin::types::Severity;
use crate::contract::v1_bindings::coditect::plugin::{answer, log, settings, ui};

#[tokio::test]
async fn a_log_is_bounded_and_can_be_shown() {
    let mut call = call(Vec::new());
    log::Host::write(&mut call.state, log::Level::Warn, "a\u{1b}[31m\r\0b\u{202e}c\n\td".into()).await.unwrap();
    assert_eq!(call.world.heard(), ["warn: a\\u{1b}[31m\\u{d}\\u{0}b\\u{202e}c\n\td"]);
    for _ in 0..1000 {
        log::Host::write(&mut call.state, log::Level::Info, "é".repeat(100_000)).await.unwrap();
    }
    let heard = call.world.heard();
    let bytes: usize = heard.iter().map(String::len).sum();
    assert!((60 << 10..66 << 10).contains(&bytes), "{bytes}");
    assert!(heard[0].ends_with('…') && heard[0].len() <= 8 * 1024 + 6, "a long text is cut off");
    assert!(heard.last().unwrap().contains("64 KiB are allowed"), "and what is left out is told, once");
}

#[tokio::test]
async fn many_empty_lines_are_not_free() {
    let mut call = call(Vec::new());
    for _ in 0..10_000 {
        log::Host::write(&mut call.state, log::Level::Debug, String::new()).await.unwrap();
    }
    assert!((1000..=2048).contains(&call.world.heard().len()));
}

#[tokio::test]
async fn more_host_calls_than_allowed_end_the_call() {
    let mut call = call_with(Vec::new(), HostSettings { host_calls: 3, ..HostSettings::default() });
    for _ in 0..3 {
        settings::Host::get(&mut call.state, "size".into()).await.unwrap();
    }
    assert!(settings::Host::get(&mut call.state, "size".into()).await.is_err());
    let told = crate::contract::v1_bindings::coditect::plugin::clock::Host::now(&mut call.state).await;
    let error = told.unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&crate::CallError::HostCalls { most: 3 }), "not answered, but ended");
}

#[tokio::test]
async fn settings_are_the_persons_or_the_manifests() {
    let mut call = call(Vec::new());
    let mut get = async |name: &str| settings::Host::get(&mut call.state, name.into()).await.unwrap();
    assert_eq!(get("size").await.as_deref(), Some("7"));
    assert_eq!(get("name").await.as_deref(), Some("\"none\""));
    assert_eq!(get("other").await, None, "what the manifest does not declare is not there");
}

#[tokio::test(start_paused = true)]
async fn ten_notices_a_minute() {
    let mut call = call(vec![Capability::Notify]);
    let tell =
        async |call: &mut Call, text: &str| ui::Host::notify(&mut call.state, Severity::Warning, text.into()).await;
    for number in 0..10 {
        assert_eq!(word(&tell(&mut call, &format!(" {number} \u{7}")).await), "done");
    }
    assert_eq!(word(&tell(&mut call, "x").await), "limit");
    let heard = call.world.heard();
    assert_eq!((heard.len(), heard[0].as_str()), (10, "Warning: 0 \\u{7}"));
    // Another call of the plugin has the same rights, and no more of them.
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(!call.rights.may_notify());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(word(&tell(&mut call, "x").await), "done");
    assert_eq!(word(&tell(&mut call, " \n").await), "invalid");
    call.world.heard();
    let long = tell(&mut call, &"x".repeat(5000)).await;
    assert_eq!((word(&long), call.world.heard()[0].len()), ("done", "Warning: ".len() + 1024));
    call.rights.set(Vec::new());
    assert!(denied(tell(&mut call, "x").await).contains("name = \"notify\""));
}

#[tokio::test(start_paused = true)]
async fn of_progress_the_last_counts() {
    let mut call = call(Vec::new());
    for number in 0..1000 {
        ui::Host::progress(&mut call.state, format!("step\n {number}"), Some(number)).await.unwrap();
    }
    let item = call.items.recv().await.unwrap();
    assert_eq!(item, PluginItem::Progress { text: "step 999".into(), percent: Some(100) });
    // For five seconds, as often as it likes: twenty a second at the most come.
    let mut came = 0;
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        ui::Host::progress(&mut call.state, "more".into(), None).await.unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
        while call.items.try_recv().is_ok() {
            came += 1;
        }
    }
    assert!((75..=101).contains(&came), "{came}");
}

#[tokio::test]
async fn an_answer_is_given_in_pieces() {
    let mut call = call(Vec::new());
    answer::Host::text(&mut call.state, "a\u{1b}b\n".into()).await.unwrap().unwrap();
    answer::Host::thought(&mut call.state, "t".into()).await.unwrap().unwrap();
    answer::Host::reference(&mut call.state, "src/./a.rs".into(), Some(3)).await.unwrap().unwrap();
    assert_eq!(call.items.recv().await, Some(PluginItem::Text { text: "ab\n".into() }));
    assert_eq!(call.items.recv().await, Some(PluginItem::Thought { text: "t".into() }));
    assert_eq!(call.items.recv().await, Some(PluginItem::Reference { path: "src/a.rs".into(), line: Some(3) }));
    let outside = answer::Host::reference(&mut call.state, "../a".into(), None).await;
    assert_eq!(word(&outside), "invalid");
}

#[tokio::test]
async fn an_answer_waits_for_who_reads_it_and_has_an_end() {
    let mut call = call(Vec::new());
    let text = "é".repeat(300 << 10);
    {
        let sent = answer::Host::text(&mut call.state, text.clone());
        tokio::pin!(sent);
        let mut came = String::new();
        // Not more than what fits is waiting, and nothing is lost.
        loop {
            tokio::select! {
                biased;
                done = &mut sent => break assert_eq!(word(&done), "done"),
                item = call.items.recv() => match item {
                    Some(PluginItem::Text { text }) => {
                        assert!(text.len() <= 32 << 10);
                        came.push_str(&text);
                    }
                    other => panic!("{other:?}"),
                },
            }
        }
        while let Ok(PluginItem::Text { text }) = call.items.try_recv() {
            came.push_str(&text);
        }
        assert_eq!(came, text);
    }
    assert_eq!(word(&answer::Host::text(&mut call.state, text).await), "limit");
    call.items.close();
    assert_eq!(word(&answer::Host::text(&mut call.state, "x".into()).await), "failed");
}
