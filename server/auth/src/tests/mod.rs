//! Accounts and sessions as a whole, on the memory store, with a clock that the tests move.

mod accounts;
mod admin;
mod device_login;
mod invites;
mod keys;
mod listing;
mod passwords;
mod personal_tokens;
mod revocation;
mod second_factor;
mod sessions;
mod throttling;
mod tokens;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coditect_protocol::Coded as _;
use coditect_protocol::auth::{Credentials, Registration};
use coditect_store::{MasterKey, Range, Store, StoreError};

use crate::audit::{AuditAction, AuditEvent, AuditSink, LoginMeans};
use crate::clock::Clock;
use crate::settings::{AuthSettings, HashCost, millis};
use crate::{Auth, AuthError, Device, Identity, Login, LoginStep};

/// The tests begin in 2027.
const START: u64 = 1_800_000_000_000;
const PASSWORD: &str = "tin gravel orbit seven";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.now())
    }
}

#[derive(Default)]
struct Recorder(Mutex<Vec<AuditEvent>>);

impl AuditSink for Recorder {
    fn record(&self, event: &AuditEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// One server on a store of its own or shared.
struct Server {
    auth: Auth,
    store: Store,
    clock: Arc<TestClock>,
    events: Arc<Recorder>,
}

/// What protects secrets in the stores of the tests.
fn master() -> MasterKey {
    MasterKey::from_bytes([7; 32])
}

/// Settings with a cheap hash.
fn cheap() -> AuthSettings {
    AuthSettings {
        hash_cost: HashCost { memory_kib: 16, passes: 1, lanes: 1 },
        hashes_at_once: 2,
        ..AuthSettings::default()
    }
}

impl Server {
    async fn new() -> Self {
        Self::with(cheap()).await
    }

    async fn with(settings: AuthSettings) -> Self {
        let store = Store::open("memory:").await.unwrap();
        Self::on(store, Arc::new(TestClock(AtomicU64::new(START))), settings).await
    }

    async fn on(store: Store, clock: Arc<TestClock>, settings: AuthSettings) -> Self {
        let events = Arc::new(Recorder::default());
        let auth = Auth::open_at(store.clone(), settings, master(), Arc::<TestClock>::clone(&clock)).await.unwrap();
        Self { auth: auth.with_audit(Arc::<Recorder>::clone(&events)), store, clock, events }
    }

    /// A second server on the same store.
    async fn other(&self, settings: AuthSettings) -> Self {
        Self::on(self.store.clone(), Arc::clone(&self.clock), settings).await
    }

    fn wait(&self, time: Duration) {
        self.clock.0.fetch_add(millis(time), Ordering::SeqCst);
    }

    async fn register(&self, email: &str) -> Result<Login, AuthError> {
        self.auth.register(&registration(email, PASSWORD), &device()).await
    }

    async fn login(&self, email: &str, password: &str) -> Result<Login, AuthError> {
        done(self.auth.login(&credentials(email, password), &device()).await?)
    }

    /// Who is logged in, by the id of the session.
    async fn identity(&self, login: &Login) -> Identity {
        self.auth.check_session(login.session.session_id).await.unwrap()
    }

    async fn refresh(&self, token: &str) -> Result<Login, AuthError> {
        self.auth.refresh(token, &device()).await
    }

    /// What happened since the last time.
    fn events(&self) -> Vec<AuditAction> {
        self.events.0.lock().unwrap().drain(..).map(|event| event.action).collect()
    }

    /// With what somebody logged in, the last time anybody did.
    fn last_means(&self) -> Option<LoginMeans> {
        let events = self.events.0.lock().unwrap();
        events.iter().rev().find(|event| event.action == AuditAction::LoggedIn).and_then(|event| event.means)
    }

    /// Every key and value of the store.
    async fn dump(&self) -> Vec<Vec<u8>> {
        let rows = self.store.transact(|tx| async move { tx.range_all(Range::prefix(b"")).await }).await;
        let rows: Result<_, StoreError> = rows;
        rows.unwrap().into_iter().flat_map(|row| [row.key.to_vec(), row.value.to_vec()]).collect()
    }
}

fn credentials(email: &str, password: &str) -> Credentials {
    Credentials { login: email.to_owned(), password: password.to_owned() }
}

fn registration(login: &str, password: &str) -> Registration {
    Registration { login: login.to_owned(), password: password.to_owned(), invite: None }
}

/// The login of somebody who has no second factor.
fn done(step: LoginStep) -> Result<Login, AuthError> {
    match step {
        LoginStep::Done(login) => Ok(login),
        LoginStep::SecondFactor(_) => Err(AuthError::Internal("a second factor is asked for".to_owned())),
    }
}

fn device() -> Device {
    device_at("192.0.2.7")
}

fn device_at(address: &str) -> Device {
    Device { address: Some(address.parse().unwrap()), user_agent: "Browser/1.0".to_owned(), known: None }
}

/// The code of an error.
fn code<T>(result: Result<T, AuthError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(error) => error.code(),
    }
}

/// Waits until something has come about behind the scenes.
async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let holds = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), holds).await.expect("it did not come about in time");
}
