//! What is ended on one server is ended on every one.

use coditect_protocol::{Kind, UserId};
use tokio::task::JoinHandle;

use super::*;
use crate::Ending;
use crate::check::CACHED_FOR;
use crate::revocation::{ENDINGS_KEPT, Follower, MISSED_AFTER};

/// Follows the log like a running server, until the test ends.
struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn follow(auth: &Auth) -> Following {
    Following(tokio::spawn(auth.clone().run_maintenance(std::future::pending())))
}

fn log_rows(dump: &[Vec<u8>]) -> usize {
    dump.iter().filter(|bytes| bytes.windows(8).any(|part| part == b"\x02ending\0")).count()
}

#[tokio::test]
async fn an_ending_is_heard_of_on_the_other_server() {
    let server = Server::new().await;
    let other = server.other(cheap()).await;
    let _following = follow(&other.auth);
    // The clock stands still, so that nothing but the log can tell.
    for _ in 0..20 {
        let login = server.register("ada@example.org").await;
        let login = match login {
            Ok(login) => login,
            Err(_) => server.login("ada@example.org", PASSWORD).await.unwrap(),
        };
        other.auth.check(&login.access_token).await.unwrap();
        server.auth.logout(login.session.session_id, &device()).await.unwrap();
        assert_eq!(
            code(server.auth.check(&login.access_token).await),
            "auth.session_ended",
            "at once where it was ended"
        );
        until(|| async { code(other.auth.check(&login.access_token).await) == "auth.session_ended" }).await;
    }
}

/// With the system's clock, as in production.
#[tokio::test(flavor = "multi_thread")]
async fn an_ending_counts_everywhere_within_a_second() {
    let store = Store::open("memory:").await.unwrap();
    let one = Auth::open(store.clone(), cheap(), master()).await.unwrap();
    let two = Auth::open(store, cheap(), master()).await.unwrap();
    let _following = (follow(&one), follow(&two));
    let login = one.register(&registration("ada@example.org", PASSWORD), &device()).await.unwrap();
    for _ in 0..5 {
        let login = done(one.login(&credentials("ada@example.org", PASSWORD), &device()).await.unwrap()).unwrap();
        two.check(&login.access_token).await.unwrap();
        let ended = std::time::Instant::now();
        one.logout(login.session.session_id, &device()).await.unwrap();
        until(|| async { two.check(&login.access_token).await.is_err() }).await;
        assert!(ended.elapsed() < Duration::from_secs(1), "{:?}", ended.elapsed());
    }
    two.check(&login.access_token).await.unwrap();
}

#[tokio::test]
async fn without_the_log_a_row_is_believed_for_a_second_at_the_longest() {
    let server = Server::new().await;
    // It does not follow the log, as if its watch had failed.
    let other = server.other(cheap()).await;
    let login = server.register("ada@example.org").await.unwrap();
    other.auth.check(&login.access_token).await.unwrap();
    server.wait(CACHED_FOR / 2);
    other.auth.check(&login.access_token).await.unwrap();
    server.auth.logout(login.session.session_id, &device()).await.unwrap();
    server.wait(CACHED_FOR / 2);
    // One second after it was read; the check in between has not prolonged it.
    assert_eq!(code(other.auth.check(&login.access_token).await), "auth.session_ended");
}

#[tokio::test]
async fn a_store_that_is_away_lets_in_nobody_beyond_that_second() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    server.auth.check(&login.access_token).await.unwrap();
    server.store.close().await;
    server.auth.check(&login.access_token).await.unwrap();
    server.wait(CACHED_FOR);
    let error = server.auth.check(&login.access_token).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("store.closed", Kind::Unavailable));
}

#[tokio::test]
async fn who_listens_is_told_on_every_server() {
    let server = Server::new().await;
    let other = server.other(cheap()).await;
    let (mut here, mut there) = (server.auth.ended(), other.auth.ended());
    let _following = follow(&other.auth);
    assert_eq!(there.recv().await.unwrap(), Ending::All, "where it begins to follow");
    let login = server.register("ada@example.org").await.unwrap();
    let session = login.session.session_id;
    server.auth.logout(session, &device()).await.unwrap();
    assert_eq!(here.recv().await.unwrap(), Ending::Session(session));
    assert_eq!(there.recv().await.unwrap(), Ending::Session(session));
    // Whoever is told finds it ended.
    assert_eq!(code(other.auth.check_session(session).await), "auth.session_ended");
}

#[tokio::test]
async fn a_reused_refresh_token_ends_its_session_on_every_server() {
    let server = Server::new().await;
    let other = server.other(cheap()).await;
    let _following = follow(&other.auth);
    let login = server.register("ada@example.org").await.unwrap();
    let next = server.refresh(&login.refresh_token).await.unwrap();
    server.wait(Duration::from_secs(10));
    other.auth.check(&next.access_token).await.unwrap();
    assert_eq!(code(server.refresh(&login.refresh_token).await), "auth.refresh_reused");
    until(|| async { code(other.auth.check(&next.access_token).await) == "auth.session_ended" }).await;
}

#[tokio::test]
async fn the_log_is_read_in_order_and_swept_when_everybody_has_read_it() {
    let server = Server::new().await;
    server.register("ada@example.org").await.unwrap();
    let mut follower = Follower::default();
    drop(server.auth.read_endings(&mut follower).await.unwrap());
    let mut listening = server.auth.ended();
    let mut sessions = Vec::new();
    for _ in 0..5 {
        let login = server.login("ada@example.org", PASSWORD).await.unwrap();
        sessions.push(login.session.session_id);
        let id = login.session.session_id;
        let ended: Result<(), AuthError> = server
            .store
            .transact(|tx| async move {
                let row = crate::rows::session(&tx, id).await?.unwrap();
                Ok(crate::rows::clear_session(&tx, id, &row)?)
            })
            .await;
        ended.unwrap();
    }
    drop(server.auth.read_endings(&mut follower).await.unwrap());
    for session in sessions {
        assert_eq!(listening.recv().await.unwrap(), Ending::Session(session));
    }
    assert_eq!(log_rows(&server.dump().await), 5);
    let step = Duration::from_secs(60);
    for _ in 0..ENDINGS_KEPT.as_secs() / step.as_secs() {
        server.wait(step);
        drop(server.auth.read_endings(&mut follower).await.unwrap());
    }
    assert_eq!(log_rows(&server.dump().await), 5, "not all of them are old enough yet");
    server.wait(step);
    drop(server.auth.read_endings(&mut follower).await.unwrap());
    assert_eq!(log_rows(&server.dump().await), 0);
    assert!(listening.try_recv().is_err(), "nothing was told twice");
}

#[tokio::test]
async fn a_server_that_was_cut_off_for_long_drops_everything() {
    let server = Server::new().await;
    let other = server.other(cheap()).await;
    let login = server.register("ada@example.org").await.unwrap();
    let mut follower = Follower::default();
    drop(other.auth.read_endings(&mut follower).await.unwrap());
    let mut listening = other.auth.ended();
    server.wait(MISSED_AFTER);
    other.auth.check_session(login.session.session_id).await.unwrap();
    server.auth.logout(login.session.session_id, &device()).await.unwrap();
    drop(other.auth.read_endings(&mut follower).await.unwrap());
    assert_eq!(listening.recv().await.unwrap(), Ending::All);
    assert_eq!(code(other.auth.check_session(login.session.session_id).await), "auth.session_ended");
}

#[tokio::test]
async fn an_entry_of_a_newer_program_means_everything() {
    let server = Server::new().await;
    let mut follower = Follower::default();
    drop(server.auth.read_endings(&mut follower).await.unwrap());
    let mut listening = server.auth.ended();
    let log = coditect_store::Subspace::root("auth").sub(&("ending",));
    let stamp = coditect_store::tuple::Versionstamp::incomplete(0);
    let key = &log.pack_with_versionstamp(&(stamp, 99_i64, "something")).unwrap();
    let set: Result<(), StoreError> =
        server.store.transact(|tx| async move { tx.set_versionstamped_key(key, []) }).await;
    set.unwrap();
    drop(server.auth.read_endings(&mut follower).await.unwrap());
    assert_eq!(listening.recv().await.unwrap(), Ending::All);
}

/// A check that is under way while its session ends must not bring the row back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn checks_that_race_with_an_ending_never_bring_a_session_back() {
    let server = Arc::new(Server::new().await);
    server.register("ada@example.org").await.unwrap();
    for _ in 0..50 {
        let login = server.login("ada@example.org", PASSWORD).await.unwrap();
        let id = login.session.session_id;
        let checks: Vec<_> = (0..4)
            .map(|_| {
                let auth = server.auth.clone();
                tokio::spawn(async move { while auth.check_session(id).await.is_ok() {} })
            })
            .collect();
        server.auth.logout(id, &device()).await.unwrap();
        assert_eq!(code(server.auth.check_session(id).await), "auth.session_ended");
        for check in checks {
            tokio::time::timeout(Duration::from_secs(10), check).await.expect("it goes on letting in").unwrap();
        }
        assert_eq!(code(server.auth.check_session(id).await), "auth.session_ended");
    }
}

#[tokio::test]
async fn endings_conflict_with_nobody() {
    let server = Server::new().await;
    let (one, two) = (server.store.begin(), server.store.begin());
    for tx in [&one, &two] {
        tx.read_version().await.unwrap();
        crate::rows::note_ended(tx, Ending::Person(UserId(uuid::Uuid::now_v7()))).unwrap();
    }
    one.commit().await.unwrap();
    two.commit().await.unwrap();
    assert_eq!(log_rows(&server.dump().await), 2);
}
