//! Whatever servers do and whatever happens to them, no budget is overspent; and where none was killed, nothing of it is lost.

use std::time::{Duration, SystemTime};

use coditect_protocol::llm::{BudgetPeriod, BudgetScope, Usd};
use coditect_store::{Store, StoreError, Subspace};
use futures_util::future::join_all;
use proptest::prelude::*;
use uuid::Uuid;

use crate::money::{AccountId, Hold, Ledger, Of, Period, Refused, Unwritten};

const SERVERS: usize = 3;
const INSTANCE: u64 = 2_000;
const PERSON: u64 = 700;

/// What happens. Servers and calls are meant modulo how many there are.
#[derive(Debug, Clone)]
enum Step {
    /// Calls at once, of this and the next servers, each for so much, while this one writes down and gives back.
    Hold { server: usize, calls: usize, person: u64, amount: u64, beside: (bool, bool) },
    /// A call that is given up after it was polled so often.
    GiveUp { server: usize, person: u64, amount: u64, polls: usize },
    /// A call gets so much more, or not.
    Extend { call: usize, amount: u64 },
    /// A call ends and costs this part of what it holds, in percent.
    Settle { call: usize, percent: u64 },
    /// A server writes down, and is perhaps cut off after it was polled so often.
    Write { server: usize, polls: usize },
    /// A server gives back what is idle, and is perhaps cut off.
    GiveBack { server: usize, polls: usize },
    /// A server is told that limits changed.
    Changed { server: usize },
    /// A server is killed with all its calls, and another one starts.
    Crash { server: usize },
    /// A server stops, some of its calls end later, and another one starts.
    Stop { server: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (server, person, amount, call) = (0..SERVERS, 0_u64..3, 1_u64..150, any::<usize>());
    let polls = prop_oneof![0_usize..12, Just(usize::MAX)];
    let step = prop_oneof![
        6 => (server.clone(), 1_usize..12, person.clone(), amount.clone(), any::<(bool, bool)>())
            .prop_map(|(server, calls, person, amount, beside)| Step::Hold { server, calls, person, amount, beside }),
        2 => (server.clone(), person, amount.clone(), 0_usize..12)
            .prop_map(|(server, person, amount, polls)| Step::GiveUp { server, person, amount, polls }),
        2 => (call, amount).prop_map(|(call, amount)| Step::Extend { call, amount }),
        8 => (call, 0_u64..101).prop_map(|(call, percent)| Step::Settle { call, percent }),
        3 => (server.clone(), polls.clone()).prop_map(|(server, polls)| Step::Write { server, polls }),
        3 => (server.clone(), polls).prop_map(|(server, polls)| Step::GiveBack { server, polls }),
        1 => server.clone().prop_map(|server| Step::Changed { server }),
        1 => server.clone().prop_map(|server| Step::Crash { server }),
        1 => server.prop_map(|server| Step::Stop { server }),
    ];
    proptest::collection::vec(step, 1..60)
}

/// A call under way.
struct Call {
    server: Uuid,
    person: u64,
    hold: Hold,
}

struct World {
    store: Store,
    servers: Vec<(Uuid, Ledger)>,
    calls: Vec<Call>,
    /// Of everybody, then of each person.
    spent: [u64; 4],
    /// No server went while it held something.
    is_lossless: bool,
}

fn budgets(person: u64) -> Vec<(AccountId, Usd)> {
    let period = Period::at(BudgetPeriod::Month, SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let of = Of::Id(Uuid::from_u64_pair(1, person));
    vec![
        (AccountId { period, scope: BudgetScope::Person, of }, Usd::from_nanos(PERSON)),
        (AccountId { period, scope: BudgetScope::Instance, of: Of::Instance }, Usd::from_nanos(INSTANCE)),
    ]
}

/// Polls something so often; then nobody waits for it any more.
async fn cut_off<T>(polls: usize, work: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(work);
    if polls == usize::MAX {
        return Some(work.await);
    }
    for _ in 0..polls {
        if let std::task::Poll::Ready(done) = futures_util::poll!(&mut work) {
            return Some(done);
        }
        tokio::task::yield_now().await;
    }
    None
}

async fn write(store: &Store, ledger: &Ledger) {
    let unwritten = ledger.unwritten(100);
    let some = &unwritten;
    let written: Result<(), StoreError> = store.transact(|tx| async move { ledger.write(&tx, some).await }).await;
    written.unwrap();
    unwritten.into_iter().for_each(Unwritten::done);
}

impl World {
    async fn new() -> Self {
        let store = Store::open("memory:").await.unwrap();
        let servers = (0..SERVERS).map(|_| Self::server(&store)).collect();
        Self { store, servers, calls: Vec::new(), spent: [0; 4], is_lossless: true }
    }

    fn server(store: &Store) -> (Uuid, Ledger) {
        (Uuid::new_v4(), Ledger::new(store.clone(), Subspace::root("metering").sub(&"money")))
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Hold { server, calls, person, amount, beside } => {
                let (_, ledger) = self.servers[server].clone();
                let store = self.store.clone();
                let write = async {
                    if beside.0 {
                        write(&store, &ledger).await;
                    }
                };
                let give_back = async {
                    if beside.1 {
                        ledger.give_back(Duration::ZERO).await.unwrap();
                    }
                };
                tokio::join!(give_back, self.hold(server, calls, person, amount), write);
            }
            Step::GiveUp { server, person, amount, polls } => {
                drop(cut_off(polls, self.servers[server].1.hold(budgets(person), Usd::from_nanos(amount))).await);
            }
            Step::Extend { call, amount } => self.extend(call, amount).await,
            Step::Settle { call, percent } => self.settle(call, percent),
            Step::Write { server, polls } => drop(cut_off(polls, write(&self.store, &self.servers[server].1)).await),
            Step::GiveBack { server, polls } => {
                let given_back = cut_off(polls, self.servers[server].1.give_back(Duration::ZERO)).await;
                assert!(given_back.is_none_or(|result| result.is_ok()));
            }
            Step::Changed { server } => self.servers[server].1.limits_changed(),
            Step::Crash { server } => {
                let (gone, _) = std::mem::replace(&mut self.servers[server], Self::server(&self.store));
                self.calls.retain(|call| call.server != gone);
                self.is_lossless = false;
            }
            Step::Stop { server } => {
                let (gone, ledger) = std::mem::replace(&mut self.servers[server], Self::server(&self.store));
                ledger.stop().await.unwrap();
                // What its calls held counts as spent.
                self.is_lossless &= self.calls.iter().all(|call| call.server != gone);
            }
        }
    }

    async fn hold(&mut self, server: usize, calls: usize, person: u64, amount: u64) {
        let asked = (0..calls).map(|n| (n, (person + n as u64) % 3));
        let holding = asked.map(|(n, person)| {
            let (id, ledger) = &self.servers[(server + n) % SERVERS];
            async move { (*id, person, ledger.hold(budgets(person), Usd::from_nanos(amount)).await) }
        });
        for (server, person, held) in join_all(holding).await {
            match held {
                Ok(hold) => self.calls.push(Call { server, person, hold }),
                Err(Refused::OutOfMoney { left, .. }) => assert!(left.nanos() < amount),
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    async fn extend(&mut self, call: usize, amount: u64) {
        let Some(at) = call.checked_rem(self.calls.len()) else { return };
        let call = &mut self.calls[at];
        let Some((_, ledger)) = self.servers.iter().find(|(id, _)| *id == call.server) else { return };
        if let Ok(more) = ledger.hold_more(call.hold.budgets(), Usd::from_nanos(amount)).await {
            call.hold.join(more);
        }
    }

    fn settle(&mut self, call: usize, percent: u64) {
        let Some(at) = call.checked_rem(self.calls.len()) else { return };
        let Call { person, hold, .. } = self.calls.swap_remove(at);
        let cost = hold.amount().nanos() * percent / 100;
        hold.settle(Usd::from_nanos(cost));
        self.spent[0] += cost;
        self.spent[1 + usize::try_from(person).unwrap()] += cost;
    }

    /// What was spent and what is set aside together are never more than the limit.
    fn check(&self) {
        let held = |person: Option<u64>| {
            let calls = self.calls.iter().filter(|call| person.is_none_or(|person| call.person == person));
            calls.map(|call| call.hold.amount().nanos()).sum::<u64>()
        };
        assert!(self.spent[0] + held(None) <= INSTANCE);
        for person in 0..3 {
            assert!(self.spent[1 + usize::try_from(person).unwrap()] + held(Some(person)) <= PERSON);
        }
    }

    /// In the end all is given back: a new server finds what was spent, and can spend the rest.
    async fn end(mut self) {
        self.calls.clear();
        for (_, ledger) in &self.servers {
            ledger.stop().await.unwrap();
        }
        // Commits that nobody waits for any more come before this one.
        let last: Result<(), StoreError> = self.store.transact(|tx| async move { tx.set("last", []) }).await;
        last.unwrap();
        let (_, ledger) = Self::server(&self.store);
        for person in 0..3 {
            for ((id, limit), spent) in
                budgets(person).into_iter().zip([self.spent[1 + usize::try_from(person).unwrap()], self.spent[0]])
            {
                let (consumed, reserved) = ledger.state(&id).await.unwrap();
                assert!(consumed.plus(reserved) <= limit);
                assert!(consumed.plus(reserved).nanos() >= spent);
                if self.is_lossless {
                    assert_eq!((consumed.nanos(), reserved), (spent, Usd::ZERO), "{id:?}");
                }
                let left = limit.minus(consumed).minus(reserved);
                let only = || vec![(id.clone(), limit)];
                let rest = ledger.hold(only(), left).await.unwrap();
                assert!(ledger.hold(only(), Usd::from_nanos(1)).await.is_err());
                drop(rest);
                ledger.give_back(Duration::ZERO).await.unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_overspent_and_nothing_lost(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in steps {
                world.step(step).await;
                world.check();
            }
            world.end().await;
        });
    }
}
