use std::sync::Arc;

use coditect_protocol::plugin::PluginId;
use coditect_protocol::{UserId, WorkspaceId};
use uuid::Uuid;

use super::*;

async fn values_of(store: &Store, user: u128, plugin: &str) -> Values {
    let (keys, id) = (Keys::new(), PluginId::parse(plugin).unwrap());
    let whose = (UserId(Uuid::from_u128(user)), WorkspaceId(Uuid::nil()), id);
    let key = &keys.install(&whose);
    store.transact(|tx| async move { tx.set(key, "there") }).await.unwrap();
    Values::new(store.clone(), keys, whose, Arc::new(WriteRates::new()))
}

async fn used(values: &Values) -> u64 {
    number(values.store.begin().get(values.keys.used(&values.whose)).await.unwrap().as_deref()).unwrap()
}

#[tokio::test]
async fn what_is_kept_is_counted_to_the_byte() {
    let store = Store::open("memory:").await.unwrap();
    let values = values_of(&store, 1, "a.b").await;
    values.set("key", vec![1; 7], 110).await.unwrap();
    assert_eq!(used(&values).await, 110);
    assert!(matches!(values.set("key", vec![1; 8], 110).await, Err(Refused::Limit(_))));
    // Nothing at all takes its place too.
    assert!(matches!(values.set("k", Vec::new(), 210).await, Err(Refused::Limit(_))));
    values.set("key", vec![2; 3], 110).await.unwrap();
    assert_eq!((used(&values).await, values.get("key").await.unwrap()), (106, Some(vec![2; 3])));
    // Where less is granted now, what is there stays, and can be made smaller.
    values.set("key", vec![2; 2], 1).await.unwrap();
    values.delete("nothing").await.unwrap();
    values.delete("key").await.unwrap();
    assert_eq!((used(&values).await, values.get("key").await.unwrap()), (0, None));
    for bad in [String::new(), "x".repeat(MAX_VALUE_KEY_BYTES + 1)] {
        assert!(values.set(&bad, vec![1], 1_000).await.is_err());
    }
    assert!(values.set("k", vec![0; MAX_VALUE_BYTES + 1], u64::MAX).await.is_err());
    values.set(&"\0".repeat(MAX_VALUE_KEY_BYTES), vec![0; MAX_VALUE_BYTES], u64::MAX).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_counted_too() {
    let store = Store::open("memory:").await.unwrap();
    let values = Arc::new(values_of(&store, 1, "a.b").await);
    let tasks: Vec<_> = (0..16_u8)
        .map(|n| {
            let values = values.clone();
            tokio::spawn(async move { values.set(&format!("key{:02}", n % 8), vec![n; 5], 445).await })
        })
        .collect();
    let mut kept = 0;
    for task in tasks {
        kept += usize::from(task.await.unwrap().is_ok());
    }
    // Each of eight keys takes 110 bytes: four fit, whoever came first.
    assert_eq!((used(&values).await, values.list("", None, 100).await.unwrap().len()), (440, 4));
    assert!(kept >= 4);
}

#[tokio::test]
async fn keys_are_listed_in_order_by_what_they_begin_with() {
    let store = Store::open("memory:").await.unwrap();
    let values = values_of(&store, 1, "a.b").await;
    for key in ["a", "ab", "ab\0c", "abc", "b", "ä"] {
        values.set(key, vec![1], 1_000).await.unwrap();
    }
    let list = |prefix: &'static str, after: Option<&'static str>, limit| {
        let values = &values;
        async move { values.list(prefix, after, limit).await.unwrap() }
    };
    assert_eq!(list("", None, 100).await, ["a", "ab", "ab\0c", "abc", "b", "ä"]);
    assert_eq!(list("ab", None, 100).await, ["ab", "ab\0c", "abc"]);
    assert_eq!(list("ab", Some("ab"), 1).await, ["ab\0c"]);
    assert_eq!(list("ab", Some("a"), 100).await, ["ab", "ab\0c", "abc"]);
    assert_eq!(list("ab", Some("b"), 100).await, [""; 0]);
    assert_eq!(list("", Some("abc"), 100).await, ["b", "ä"]);
    assert_eq!(list("x", None, 100).await, [""; 0]);
}

#[tokio::test]
async fn nobody_reaches_what_is_anothers() {
    let store = Store::open("memory:").await.unwrap();
    let mine = values_of(&store, 1, "a.b").await;
    mine.set("key", vec![1], 1_000).await.unwrap();
    for other in [values_of(&store, 2, "a.b").await, values_of(&store, 1, "a.bc").await] {
        assert_eq!(other.get("key").await.unwrap(), None);
        assert_eq!(other.list("", None, 100).await.unwrap(), [""; 0]);
        other.delete("key").await.unwrap();
    }
    assert_eq!(mine.get("key").await.unwrap(), Some(vec![1]));
    // What is not installed any more keeps nothing.
    let key = &mine.keys.install(&mine.whose);
    store.transact(|tx| async move { tx.clear(key) }).await.unwrap();
    assert!(matches!(mine.set("key", vec![2], 1_000).await, Err(Refused::Denied(_))));
}

#[tokio::test]
async fn what_is_written_again_and_again_has_a_rate() {
    let store = Store::open("memory:").await.unwrap();
    let values = values_of(&store, 1, "a.b").await;
    let refused = async |delete: bool| {
        for written in 0..100_000 {
            let done = if delete { values.delete("k").await } else { values.set("k", vec![7; 60_000], 100_000).await };
            if let Err(Refused::Limit(text)) = done {
                assert!(text.contains("too fast"), "{text}");
                return written;
            }
        }
        panic!("it may write as much as it likes")
    };
    assert!(refused(false).await > 100);
    assert!(values.get("k").await.unwrap().is_some(), "it may be read");
    refused(true).await;
}
