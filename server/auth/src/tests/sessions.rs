//! Sessions from login to end.

use std::collections::HashSet;

use coditect_protocol::{Coded as _, Kind, SessionId};
use coditect_store::Subspace;
use uuid::Uuid;

use super::*;
use crate::rows;
use crate::secret::RefreshToken;

const GRACE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_session_goes_from_login_over_refresh_to_logout() {
    let server = Server::new().await;
    server.register("ada@example.org").await.unwrap();
    let login = server.login("ada@example.org", PASSWORD).await.unwrap();
    server.wait(Duration::from_secs(300));
    let next = server.refresh(&login.refresh_token).await.unwrap();
    assert_eq!(next.session.session_id, login.session.session_id);
    assert_eq!(next.csrf_token, login.csrf_token);
    assert_ne!(next.refresh_token, login.refresh_token);
    assert_eq!(next.session.expires_at, START + millis(Duration::from_secs(300) + 14 * DAY));
    assert!(server.auth.check(&login.access_token).await.is_ok(), "the older access token is good until its end");
    server.auth.check(&next.access_token).await.unwrap();
    server.auth.check_session(next.session.session_id).await.unwrap();

    server.auth.logout(login.session.session_id, &device_at("198.51.100.3")).await.unwrap();
    let event = server.events.0.lock().unwrap().last().unwrap().clone();
    assert_eq!((event.action, event.address), (AuditAction::LoggedOut, device_at("198.51.100.3").address));
    server.auth.logout(login.session.session_id, &device()).await.unwrap();
    for token in [&login.access_token, &next.access_token] {
        let error = server.auth.check(token).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), ("auth.session_ended", Kind::Unauthenticated));
    }
    assert_eq!(code(server.refresh(&next.refresh_token).await), "auth.session_ended");
    assert_eq!(code(server.auth.check_session(next.session.session_id).await), "auth.session_ended");
    assert_eq!(code(server.auth.check_session(SessionId(Uuid::nil())).await), "auth.session_ended");
    assert_eq!(server.last_means(), Some(LoginMeans::Password));
    let events = server.events();
    assert_eq!(events, [AuditAction::Registered, AuditAction::LoggedIn, AuditAction::LoggedOut]);
}

#[tokio::test]
async fn ending_one_session_leaves_the_others() {
    let server = Server::new().await;
    let one = server.register("ada@example.org").await.unwrap();
    let two = server.login("ada@example.org", PASSWORD).await.unwrap();
    server.auth.logout(one.session.session_id, &device()).await.unwrap();
    assert_eq!(code(server.auth.check(&one.access_token).await), "auth.session_ended");
    server.auth.check(&two.access_token).await.unwrap();
}

#[tokio::test]
async fn a_used_refresh_token_ends_the_session_after_the_grace() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    let next = server.refresh(&login.refresh_token).await.unwrap();
    server.events();
    server.wait(GRACE);
    let reused = server.refresh(&login.refresh_token).await.unwrap_err();
    assert_eq!((reused.code(), reused.kind()), ("auth.refresh_reused", Kind::Unauthenticated));
    assert_eq!(server.events(), [AuditAction::RefreshReused, AuditAction::SessionRevoked]);
    // Ended for both: who has the good token cannot be told from who has the copied one.
    assert_eq!(code(server.refresh(&next.refresh_token).await), "auth.session_ended");
    assert_eq!(code(server.auth.check(&next.access_token).await), "auth.session_ended");
    server.login("ada@example.org", PASSWORD).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tabs_that_refresh_at_the_same_moment_all_go_on() {
    let server = Arc::new(Server::new().await);
    let login = server.register("ada@example.org").await.unwrap();
    let tabs: Vec<_> = (0..12)
        .map(|_| {
            let (server, token) = (Arc::clone(&server), login.refresh_token.clone());
            tokio::spawn(async move { server.refresh(&token).await.unwrap() })
        })
        .collect();
    let mut answers = Vec::new();
    for tab in tabs {
        answers.push(tab.await.unwrap());
    }
    let tokens: HashSet<_> = answers.iter().map(|answer| answer.refresh_token.clone()).collect();
    assert_eq!(tokens.len(), 12);
    server.wait(Duration::from_secs(600));
    // Whichever answer reached the cookie last is good.
    let kept = &answers[5].refresh_token;
    let next = server.refresh(kept).await.unwrap();
    server.auth.check(&next.access_token).await.unwrap();
    server.wait(GRACE);
    // Its siblings are used tokens from then on.
    assert_eq!(code(server.refresh(&answers[0].refresh_token).await), "auth.refresh_reused");
}

#[tokio::test]
async fn the_grace_counts_from_the_first_use_and_is_not_prolonged() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    server.refresh(&login.refresh_token).await.unwrap();
    server.wait(Duration::from_millis(9_999));
    server.refresh(&login.refresh_token).await.unwrap();
    server.wait(Duration::from_millis(1));
    assert_eq!(code(server.refresh(&login.refresh_token).await), "auth.refresh_reused");
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_prolong_the_grace() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    server.refresh(&login.refresh_token).await.unwrap();
    server.clock.0.fetch_sub(millis(GRACE), Ordering::SeqCst);
    assert_eq!(code(server.refresh(&login.refresh_token).await), "auth.refresh_reused");
}

#[tokio::test]
async fn a_slow_tab_may_lag_behind_by_several_turns_within_the_grace() {
    let server = Server::new().await;
    let first = server.register("ada@example.org").await.unwrap();
    let second = server.refresh(&first.refresh_token).await.unwrap();
    let third = server.refresh(&second.refresh_token).await.unwrap();
    server.refresh(&first.refresh_token).await.unwrap();
    server.refresh(&third.refresh_token).await.unwrap();
}

#[tokio::test]
async fn a_thief_within_the_grace_is_found_out_at_the_next_turn() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    let person = server.refresh(&login.refresh_token).await.unwrap();
    let thief = server.refresh(&login.refresh_token).await.unwrap();
    server.wait(Duration::from_secs(600));
    let thief = server.refresh(&thief.refresh_token).await.unwrap();
    server.wait(GRACE);
    assert_eq!(code(server.refresh(&person.refresh_token).await), "auth.refresh_reused");
    assert_eq!(code(server.auth.check(&thief.access_token).await), "auth.session_ended");
    assert_eq!(code(server.refresh(&thief.refresh_token).await), "auth.session_ended");
}

#[tokio::test]
async fn without_a_grace_every_second_use_ends_the_session() {
    let server = Server::with(AuthSettings { reuse_grace: Duration::ZERO, ..cheap() }).await;
    let login = server.register("ada@example.org").await.unwrap();
    server.refresh(&login.refresh_token).await.unwrap();
    assert_eq!(code(server.refresh(&login.refresh_token).await), "auth.refresh_reused");
}

#[tokio::test]
async fn one_token_gives_a_bounded_number_of_successors() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    for _ in 0..32 {
        server.refresh(&login.refresh_token).await.unwrap();
    }
    let refused = server.refresh(&login.refresh_token).await.unwrap_err();
    assert_eq!(refused.code(), "auth.too_many_attempts");
    server.auth.check(&login.access_token).await.unwrap();
    // A loop that refreshes as fast as it can keeps the row small.
    let mut token = server.login("ada@example.org", PASSWORD).await.unwrap().refresh_token;
    for _ in 0..200 {
        token = server.refresh(&token).await.unwrap().refresh_token;
    }
    let longest = server.dump().await.iter().map(Vec::len).max().unwrap();
    assert!(longest < 16_000, "{longest}");
}

#[tokio::test]
async fn who_only_knows_a_sessions_id_can_neither_use_nor_end_it() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    let forged = RefreshToken::first(login.session.session_id).unwrap().reveal();
    assert_eq!(code(server.refresh(&forged).await), "auth.invalid_token");
    let unknown = RefreshToken::first(SessionId(Uuid::now_v7())).unwrap().reveal();
    assert_eq!(code(server.refresh(&unknown).await), "auth.session_ended");
    for text in ["", "x", &login.access_token, &login.csrf_token, &"A".repeat(86), &"A".repeat(1 << 20)] {
        let code = code(server.refresh(text).await);
        assert!(["auth.invalid_token", "auth.session_ended"].contains(&code), "{code}");
    }
    server.refresh(&login.refresh_token).await.unwrap();
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_at_the_latest_after_its_whole_lifetime() {
    let server = Server::new().await;
    let idle = server.register("ada@example.org").await.unwrap();
    let mut used = server.login("ada@example.org", PASSWORD).await.unwrap();
    server.wait(14 * DAY - Duration::from_millis(1));
    used = server.refresh(&used.refresh_token).await.unwrap();
    server.auth.check_session(idle.session.session_id).await.unwrap();
    server.wait(Duration::from_millis(1));
    assert_eq!(code(server.auth.check_session(idle.session.session_id).await), "auth.session_ended");
    assert_eq!(code(server.refresh(&idle.refresh_token).await), "auth.session_ended");
    for _ in 0..5 {
        server.wait(13 * DAY);
        used = server.refresh(&used.refresh_token).await.unwrap();
    }
    // 79 days have passed; the last refresh leaves 11, not 14.
    assert_eq!(used.session.expires_at, START + millis(90 * DAY));
    server.wait(11 * DAY - Duration::from_secs(60));
    used = server.refresh(&used.refresh_token).await.unwrap();
    assert_eq!(used.expires_in, 60, "no access token outlives its session");
    server.wait(Duration::from_secs(60));
    assert_eq!(code(server.refresh(&used.refresh_token).await), "auth.session_ended");
    assert_eq!(code(server.auth.check(&used.access_token).await), "auth.expired_token");
}

#[tokio::test]
async fn shorter_lifetimes_hold_for_the_sessions_there_are() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    server.wait(2 * DAY);
    server.auth.check_session(login.session.session_id).await.unwrap();
    let stricter = server.other(AuthSettings { refresh_idle_lifetime: DAY, ..cheap() }).await;
    assert_eq!(code(stricter.auth.check_session(login.session.session_id).await), "auth.session_ended");
    assert_eq!(code(stricter.refresh(&login.refresh_token).await), "auth.session_ended");
}

#[tokio::test]
async fn ended_sessions_are_purged_with_their_indexes_and_live_ones_stay() {
    let server = Server::with(AuthSettings { sessions_per_user: 1000, ..cheap() }).await;
    server.register("ada@example.org").await.unwrap();
    for _ in 0..299 {
        server.login("ada@example.org", PASSWORD).await.unwrap();
    }
    server.wait(7 * DAY);
    let live = server.login("ada@example.org", PASSWORD).await.unwrap();
    assert_eq!(server.auth.purge_expired().await.unwrap(), 0);
    let before = server.dump().await.len();
    server.wait(7 * DAY);
    assert_eq!(server.auth.purge_expired().await.unwrap(), 300);
    assert_eq!(server.auth.purge_expired().await.unwrap(), 0);
    // Three rows with a key and a value each.
    assert_eq!(server.dump().await.len(), before - 300 * 6);
    let live = server.refresh(&live.refresh_token).await.unwrap();
    server.auth.logout(live.session.session_id, &device()).await.unwrap();
    // The log has an entry of it, and the key that the servers watch.
    assert_eq!(server.dump().await.len(), before - 301 * 6 + 2 * 2);
}

#[tokio::test]
async fn a_further_login_ends_the_oldest_session() {
    let server = Server::with(AuthSettings { sessions_per_user: 3, ..cheap() }).await;
    server.register("bob@example.org").await.unwrap();
    let mut logins = vec![server.register("ada@example.org").await.unwrap()];
    for _ in 0..4 {
        logins.push(server.login("ada@example.org", PASSWORD).await.unwrap());
    }
    assert_eq!(server.events().iter().filter(|action| **action == AuditAction::SessionRevoked).count(), 2);
    for (n, login) in logins.iter().enumerate() {
        let expected = if n < 2 { "auth.session_ended" } else { "ok" };
        assert_eq!(code(server.auth.check(&login.access_token).await), expected, "{n}");
    }
}

#[tokio::test]
async fn the_csrf_token_belongs_to_the_session() {
    let server = Server::new().await;
    let one = server.register("ada@example.org").await.unwrap();
    let two = server.login("ada@example.org", PASSWORD).await.unwrap();
    let identity = server.auth.check(&one.access_token).await.unwrap();
    assert_eq!(identity.csrf_token(), one.csrf_token);
    server.auth.check_csrf(&identity, Some(&one.csrf_token)).unwrap();
    let cut = &one.csrf_token[1..];
    let long = format!("{}A", one.csrf_token);
    for header in [None, Some(""), Some(two.csrf_token.as_str()), Some(cut), Some(&long)] {
        let error = server.auth.check_csrf(&identity, header).unwrap_err();
        assert_eq!((error.code(), error.kind()), ("auth.csrf", Kind::Forbidden));
    }
}

#[tokio::test]
async fn the_store_and_the_debug_forms_hold_no_secret() {
    let server = Server::new().await;
    let first = server.register("ada@example.org").await.unwrap();
    let login = server.refresh(&first.refresh_token).await.unwrap();
    let identity = server.auth.check(&login.access_token).await.unwrap();
    let texts = format!("{login:?} {identity:?} {:?} {:?}", server.auth, credentials("a", PASSWORD));
    let secrets = [&login.access_token, &login.refresh_token, &first.refresh_token, &login.csrf_token, PASSWORD];
    for secret in secrets {
        assert!(!texts.contains(secret), "{texts}");
    }
    let token = RefreshToken::parse(&login.refresh_token).unwrap();
    let held = async |part: &[u8]| server.dump_contains(part).await;
    assert!(held(b"ada@example.org").await, "the search itself finds what is there");
    assert!(!held(PASSWORD.as_bytes()).await);
    assert!(!held(&token.family).await);
    assert!(!held(login.refresh_token.as_bytes()).await);
    assert!(!held(login.access_token.as_bytes()).await);
}

impl Server {
    async fn dump_contains(&self, part: &[u8]) -> bool {
        self.dump().await.iter().any(|bytes| bytes.windows(part.len()).any(|window| window == part))
    }
}

#[tokio::test]
async fn who_is_gone_has_no_session_left() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    let people = Subspace::root("auth").sub(&("user",)).range();
    let people = &people;
    let gone: Result<(), StoreError> = server.store.transact(|tx| async move { tx.clear_range(people) }).await;
    gone.unwrap();
    assert_eq!(code(server.auth.check(&login.access_token).await), "auth.session_ended");
    assert_eq!(code(server.refresh(&login.refresh_token).await), "auth.session_ended");
    assert_eq!(code(server.login("ada@example.org", PASSWORD).await), "auth.bad_credentials");
}

#[tokio::test]
async fn where_a_session_comes_from_is_kept_within_bounds() {
    let server = Server::new().await;
    let device = Device { user_agent: "é".repeat(100_000), ..device_at("2001:db8::1") };
    let login = server.auth.register(&registration("ada@example.org", PASSWORD), &device).await.unwrap();
    let id = login.session.session_id;
    let row = || async {
        let row = server.store.transact(|tx| async move { rows::session(&tx, id).await }).await;
        let row: Result<_, StoreError> = row;
        row.unwrap().unwrap()
    };
    assert_eq!(row().await.user_agent, "é".repeat(256));
    assert_eq!(row().await.address, device.address);
    server.refresh(&login.refresh_token).await.unwrap();
    assert_eq!((row().await.user_agent.as_str(), row().await.address), ("Browser/1.0", super::device().address));
}

#[tokio::test]
async fn faults_of_the_store_keep_their_code() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    server.store.close().await;
    for error in [
        server.auth.check(&login.access_token).await.unwrap_err(),
        server.refresh(&login.refresh_token).await.unwrap_err(),
        server.login("ada@example.org", PASSWORD).await.unwrap_err(),
        server.register("bob@example.org").await.unwrap_err(),
    ] {
        assert_eq!((error.code(), error.kind()), ("store.closed", Kind::Unavailable));
    }
}
