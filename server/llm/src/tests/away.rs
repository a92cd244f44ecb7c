//! A store that is away for a while.

use std::path::Path;

use coditect_protocol::llm::CallOutcome;
use coditect_store::StoreServer;

use super::words::*;
use super::*;

/// A store behind a socket that can be taken away and come back.
pub(super) struct Far {
    inner: Store,
    directory: tempfile::TempDir,
    serving: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Far {
    pub(super) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut far = Self { inner: Store::open("memory:").await.unwrap(), directory, serving: None };
        far.comes_back().await;
        far
    }

    fn path(&self) -> std::path::PathBuf {
        Path::join(self.directory.path(), "s/store.sock")
    }

    pub(super) async fn open(&self) -> Store {
        Store::open(&format!("socket://{}", self.path().display())).await.unwrap()
    }

    pub(super) async fn comes_back(&mut self) {
        let server = StoreServer::bind(self.inner.clone(), self.path()).await.unwrap();
        let stop = CancellationToken::new();
        let token = stop.clone();
        let serving = tokio::spawn(async move { server.run(token.cancelled_owned()).await });
        self.serving = Some((stop, serving));
    }

    pub(super) async fn goes_away(&mut self) {
        let (stop, serving) = self.serving.take().unwrap();
        stop.cancel();
        serving.await.unwrap();
    }
}

/// A budget of which no call leaves anything for the next one without asking the store.
fn tight() -> Value {
    json!({
        "prices": [{ "model": "*", "input": 1, "output": 10, "max_output_tokens": 10 }],
        "budgets": [{ "scope": "person", "limit": 1, "period": "total" }],
    })
}

async fn far_house(far: &Far, upstream: UpstreamSettings) -> House {
    let house = House::over(far.open().await, settings_of(vec![upstream]), &[], LIST_TIMEOUT).await;
    house.policy(tight()).await;
    house
}

#[tokio::test]
async fn calls_under_way_go_on_and_are_written_down_later() {
    let mut far = Far::new().await;
    let (more, rest) = mpsc::unbounded_channel::<Bytes>();
    let rest = Arc::new(Mutex::new(Some(rest)));
    let script = Script::start(move |_, guard| {
        let mut rest = rest.lock().unwrap().take().unwrap();
        std::future::ready(events(stream::poll_fn(move |context| rest.poll_recv(context)), guard))
    })
    .await;
    let house = far_house(&far, script.settings()).await;
    let all = streamed(Dialect::Chat, &["one ", "two"]);
    for event in &all[..2] {
        more.send(event.clone()).unwrap();
    }
    let mut body = house.gateway.converse(asking(Dialect::Chat, true)).await.into_body();
    body.frame().await.unwrap().unwrap();
    far.goes_away().await;
    for event in &all[2..] {
        more.send(event.clone()).unwrap();
    }
    drop(more);
    let read =
        tokio::time::timeout(PATIENCE, body.collect()).await.expect("it waits for the store").unwrap().to_bytes();
    assert!(read.ends_with(b"data: [DONE]\n\n"));
    far.comes_back().await;
    let call = house.close().await.only();
    assert_eq!((call.outcome, call.cost), (CallOutcome::Ok, price(INPUT, OUTPUT)), "{call:?}");
}

#[tokio::test]
async fn what_would_have_to_be_paid_for_is_refused_meanwhile() {
    let mut far = Far::new().await;
    let script = good(Dialect::Chat, &["hi"]).await;
    let house = far_house(&far, script.settings()).await;
    far.goes_away().await;
    for door in Dialect::ALL {
        for stream in [false, true] {
            let refused = house.converse(asking(door, stream)).await;
            assert!(
                matches!(refused.status, 503 | 529) && refused.code().starts_with("store."),
                "{door:?}: {refused:?}"
            );
        }
    }
    let (_, result) = house.ask(request()).await;
    let error = result.unwrap_err();
    assert!(error.code().starts_with("store."), "{error:?}");
    assert!(script.seen().is_empty(), "nobody was asked");
    far.comes_back().await;
    let back = async {
        while house.converse(asking(Dialect::Chat, true)).await.status != 200 {
            tokio::time::sleep(SHORT).await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("it does not come back");
    let call = house.close().await.only();
    assert_eq!((call.outcome, call.cost), (CallOutcome::Ok, price(INPUT, OUTPUT)), "{call:?}");
}

#[tokio::test]
async fn an_answer_that_needs_more_money_meanwhile_is_cut_and_paid() {
    let mut far = Far::new().await;
    for (door, upstream) in [(Dialect::Chat, Dialect::Chat), (Dialect::Anthropic, Dialect::Chat)] {
        let (more, rest) = mpsc::unbounded_channel::<Bytes>();
        let rest = Arc::new(Mutex::new(Some(rest)));
        let mut script = Script::start(move |_, guard| {
            let mut rest = rest.lock().unwrap().take().unwrap();
            std::future::ready(events(stream::poll_fn(move |context| rest.poll_recv(context)), guard))
        })
        .await;
        let house = far_house(&far, script.speaking(upstream)).await;
        for event in begins(upstream, &["one"]) {
            more.send(event).unwrap();
        }
        let mut body = house.gateway.converse(asking(door, true)).await.into_body();
        body.frame().await.unwrap().unwrap();
        far.goes_away().await;
        // What was set aside is used up, and what was taken ahead as well.
        let many = begins(upstream, &["word"]).last().unwrap().repeat(2000);
        for _ in 0..20 {
            more.send(many.clone().into()).unwrap();
        }
        let read =
            tokio::time::timeout(PATIENCE, body.collect()).await.expect("it waits for the store").unwrap().to_bytes();
        script.client_went().await;
        assert!(String::from_utf8_lossy(&read).contains("store"), "it says why: {:?}", read.len());
        far.comes_back().await;
        let books = house.close().await;
        let call = books.calls.into_iter().next_back().unwrap();
        assert_eq!(call.outcome, CallOutcome::OutOfMoney, "{call:?}");
        assert!(call.code.as_deref().unwrap().starts_with("store."), "{call:?}");
    }
}

#[tokio::test]
async fn nothing_is_left_behind() {
    leaving_nothing(async {
        let mut far = Far::new().await;
        let script = good(Dialect::Chat, &["hi"]).await;
        let house = far_house(&far, script.settings()).await;
        assert_eq!(house.converse(asking(Dialect::Chat, true)).await.status, 200);
        far.goes_away().await;
        let asked = house.converse(asking(Dialect::Chat, true)).await;
        assert!(asked.status == 200 || asked.code().starts_with("store."), "{asked:?}");
        far.comes_back().await;
        let books = house.close().await;
        assert_eq!(books.calls.len(), if asked.status == 200 { 2 } else { 1 });
        far.goes_away().await;
    })
    .await;
}
