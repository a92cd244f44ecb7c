//! A store that is away for longer than anything waits for it.

use coditect_protocol::llm::CallOutcome;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::away::Far;
use super::words::*;
use super::*;

/// How long the store is away. It is real time: the socket and whoever waits for it go by that.
const AWAY: Duration = Duration::from_secs(11);
/// What calls cost, and nothing that they are held up by.
fn unbounded() -> Value {
    json!({ "prices": [{ "model": "*", "input": 1, "output": 10, "max_output_tokens": 50 }] })
}

/// The same with budgets: of each the server has some calls' worth taken ahead, for which the store is not needed.
fn bounded() -> Value {
    let mut policy = unbounded();
    policy["budgets"] = json!([
        { "scope": "person", "limit": 1000, "period": "total" },
        { "scope": "instance", "limit": 5000, "period": "total" },
    ]);
    policy
}

/// Asks at each door in turn for as long as the store is away, and answers how often.
async fn ask_on(house: &House, every: Duration) -> usize {
    let end = Instant::now() + AWAY;
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut doors = Dialect::ALL.into_iter().cycle();
    let mut asked = 0;
    while Instant::now() < end {
        tick.tick().await;
        let door = doors.next().unwrap();
        let answered = house.converse(asking(door, asked % 8 < 4)).await;
        assert_eq!(answered.status, 200, "{door:?}, question {asked}: {answered:?}");
        asked += 1;
    }
    asked
}

/// Whoever asks so often is answered all the while, and all of it is there once the store is back.
async fn outlives(policy: Value, every: Duration) {
    leaving_nothing(async {
        let mut far = Far::new().await;
        let script = good(Dialect::Chat, &["hi"]).await;
        let house = House::over(far.open().await, settings_of(vec![script.settings()]), &[], LIST_TIMEOUT).await;
        house.policy(policy).await;
        assert_eq!(house.converse(asking(Dialect::Chat, true)).await.status, 200);
        far.goes_away().await;
        let asked = 1 + ask_on(&house, every).await;
        far.comes_back().await;
        let books = house.close().await;
        assert_eq!(books.calls.len(), asked);
        let cost = price(INPUT, OUTPUT);
        for call in &books.calls {
            assert_eq!((call.outcome, call.cost), (CallOutcome::Ok, cost), "{call:?}");
        }
        let all = Usd::from_nanos(cost.nanos() * u64::try_from(asked).unwrap());
        assert!(books.budgets.iter().all(|budget| budget.spent == all), "{:?}", books.budgets);
        far.goes_away().await;
    })
    .await;
}

#[tokio::test]
async fn questions_are_answered_all_the_while_and_recorded_once_it_is_back() {
    outlives(unbounded(), Duration::from_millis(20)).await;
}

#[tokio::test]
async fn questions_with_budgets_are_answered_all_the_while_and_paid_for_once_it_is_back() {
    outlives(bounded(), Duration::from_millis(200)).await;
}
