//! Registering and logging in.

use std::collections::HashSet;

use coditect_protocol::auth::{RegistrationPolicy, Role, TokenAnswer};
use coditect_protocol::{Coded as _, Kind};

use super::*;
use crate::login_name::LoginName;
use crate::rows::PasswordRow;
use crate::settings::{PASSWORD_MAX_BYTES, Rate};
use crate::{Weakness, rows};

#[tokio::test]
async fn the_first_person_is_admin_and_the_others_are_members() {
    let server = Server::new().await;
    let first = server.register(" Ada@Example.org ").await.unwrap();
    let second = server.register("bob@example.org").await.unwrap();
    assert_eq!(first.session.user.role, Role::Admin);
    assert_eq!(first.session.user.login, "Ada@Example.org");
    assert_eq!(first.session.user.created_at, START);
    assert_eq!(second.session.user.role, Role::Member);
    assert_eq!(server.events(), [AuditAction::Registered, AuditAction::Registered]);
    let identity = server.auth.check(&first.access_token).await.unwrap();
    assert_eq!(identity.session_info(), first.session);
    assert_eq!(first.expires_in, 600);
    let answer = TokenAnswer::from(first);
    assert_eq!((answer.token_type.as_str(), answer.expires_in), ("Bearer", 600));
}

#[tokio::test]
async fn an_address_is_registered_once_whatever_its_case() {
    let server = Server::new().await;
    server.register("ada@example.org").await.unwrap();
    let again = server.register("ADA@Example.ORG ").await.unwrap_err();
    assert_eq!((again.code(), again.kind()), ("auth.login_taken", Kind::Conflict));
    let login = server.login("  aDa@exaMple.org", PASSWORD).await.unwrap();
    assert_eq!(login.session.user.login, "ada@example.org");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_registrations_at_once_one_wins_the_address_and_one_is_admin() {
    let server = Arc::new(Server::new().await);
    let same: Vec<_> = (0..12)
        .map(|n| {
            let server = Arc::clone(&server);
            let email = if n % 2 == 0 { "ada@example.org" } else { "Ada@Example.org" };
            tokio::spawn(async move { server.register(email).await })
        })
        .collect();
    let others: Vec<_> = (0..12)
        .map(|n| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { server.register(&format!("person{n}@example.org")).await })
        })
        .collect();
    let mut logins = Vec::new();
    for task in same {
        match task.await.unwrap() {
            Ok(login) => logins.push(login),
            Err(error) => assert_eq!(error.code(), "auth.login_taken"),
        }
    }
    assert_eq!(logins.len(), 1);
    for task in others {
        logins.push(task.await.unwrap().unwrap());
    }
    assert_eq!(logins.iter().filter(|login| login.session.user.role == Role::Admin).count(), 1);
    let ids: HashSet<_> = logins.iter().map(|login| login.session.user.id).collect();
    assert_eq!(ids.len(), 13);
    for login in &logins {
        server.auth.check(&login.access_token).await.unwrap();
    }
}

#[tokio::test]
async fn adding_a_person_again_after_an_unknown_commit_is_no_conflict_with_oneself() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    let id = login.session.user.id;
    let email = &LoginName::parse("ada@example.org").unwrap();
    let again = server
        .store
        .transact(|tx| async move {
            let password = rows::password(&tx, id).await?.unwrap();
            rows::add_user(&tx, id, email, Role::Member, &password).await
        })
        .await
        .unwrap();
    assert_eq!(again.role, Role::Admin);
}

#[tokio::test]
async fn bad_addresses_and_weak_passwords_are_refused_with_the_reason() {
    let server = Server::new().await;
    let bad = server.auth.register(&registration("not@an address", PASSWORD), &device()).await.unwrap_err();
    assert_eq!((bad.code(), bad.kind()), ("auth.invalid_login", Kind::Invalid));
    assert!(bad.to_string().contains("name@example.org"));
    let weak = |password: &'static str| {
        let auth = server.auth.clone();
        async move { auth.register(&registration("ada@example.org", password), &device()).await.unwrap_err() }
    };
    let short = weak("short").await;
    assert_eq!((short.code(), short.kind()), ("auth.weak_password", Kind::Invalid));
    assert!(short.to_string().contains("at least 12"), "{short}");
    assert!(matches!(weak("Password1234!").await, AuthError::WeakPassword(Weakness::Breached)));
    assert!(matches!(weak("Summer2024!!!!").await, AuthError::WeakPassword(Weakness::Common)));
    assert!(matches!(weak("aaaaaaaaaaaaaa").await, AuthError::WeakPassword(Weakness::Repetitive)));
    assert!(matches!(weak("ada@example.org!").await, AuthError::WeakPassword(Weakness::LikeLogin)));
    assert_eq!(code(server.login("ada@example.org", "Password1234!").await), "auth.bad_credentials");
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_look_the_same() {
    let server = Server::new().await;
    server.register("ada@example.org").await.unwrap();
    server.events();
    let huge = "x".repeat(PASSWORD_MAX_BYTES + 1);
    let long_name = format!("{}@example.org", "ä".repeat(10_000));
    let attempts = [
        ("ada@example.org", "tin gravel orbit eight"),
        ("ada@example.org", ""),
        ("ada@example.org", huge.as_str()),
        ("eve@example.org", PASSWORD),
        ("not an address", PASSWORD),
        ("", ""),
        (long_name.as_str(), PASSWORD),
    ];
    let mut answers = HashSet::new();
    for (email, password) in attempts {
        let error = server.login(email, password).await.unwrap_err();
        answers.insert(format!("{:?}", error.problem()));
        assert_eq!(server.events(), [AuditAction::LoginFailed]);
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    // Both go through the same hash function: with all of its places taken, both are told so.
    let full = server.auth.inner.hasher.fill();
    for (email, password) in attempts {
        let error = server.login(email, password).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), ("auth.busy", Kind::Unavailable));
    }
    drop(full);
    server.login("ada@example.org", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn what_was_typed_for_an_unknown_account_reaches_no_event() {
    let server = Server::new().await;
    let _ = server.login("my secret passphrase", PASSWORD).await;
    let events = format!("{:?}", server.events.0.lock().unwrap());
    assert!(events.contains("LoginFailed") && events.contains("192.0.2.7"), "{events}");
    assert!(!events.contains("passphrase") && !events.contains(PASSWORD), "{events}");
}

#[tokio::test]
async fn a_closed_registration_refuses_everybody_but_the_operator() {
    let server = Server::with(AuthSettings { registration: RegistrationPolicy::Closed, ..cheap() }).await;
    let error = server.register("ada@example.org").await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("auth.registration_closed", Kind::Forbidden));
    let (email, password) = server.auth.create_first_login("admin@localhost").await.unwrap().unwrap();
    let login = server.login(&email, &password).await.unwrap();
    assert_eq!(login.session.user.role, Role::Admin);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_login_is_made_once_and_only_where_nobody_is() {
    let server = Arc::new(Server::new().await);
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let auth = server.auth.clone();
            tokio::spawn(async move { auth.create_first_login(&format!("admin{n}@localhost")).await.unwrap() })
        })
        .collect();
    let mut made = Vec::new();
    for task in tasks {
        made.extend(task.await.unwrap());
    }
    assert_eq!(made.len(), 1);
    assert_eq!(server.events(), [AuditAction::FirstLoginCreated]);
    let (email, password) = &made[0];
    assert_eq!(server.login(email, password).await.unwrap().session.user.role, Role::Admin);
    assert_eq!(server.register("ada@example.org").await.unwrap().session.user.role, Role::Member);

    let taken = Server::new().await;
    taken.register("ada@example.org").await.unwrap();
    assert_eq!(taken.auth.create_first_login("admin@localhost").await.unwrap(), None);
    assert_eq!(code(taken.auth.create_first_login("no login").await), "auth.invalid_login");
}

#[tokio::test]
async fn a_victim_is_never_locked_out_by_who_guesses() {
    let settings = AuthSettings {
        attempts_per_account: Rate { burst: 3, refill: Duration::from_secs(30) },
        attempts_per_address: Rate { burst: 5, refill: Duration::from_secs(2) },
        ..cheap()
    };
    let server = Server::with(settings).await;
    let register = registration("victim@example.org", PASSWORD);
    server.auth.register(&register, &device_at("198.51.100.1")).await.unwrap();
    server.events();
    let guess = |email: &'static str, from: &'static str| {
        let auth = server.auth.clone();
        async move { auth.login(&credentials(email, "some guessed thing"), &device_at(from)).await.unwrap_err() }
    };
    for _ in 0..3 {
        assert_eq!(guess("victim@example.org", "203.0.113.9").await.code(), "auth.bad_credentials");
    }
    // Another spelling of the address is the same account.
    let refused = guess(" Victim@EXAMPLE.org ", "203.0.113.9").await;
    assert_eq!((refused.code(), refused.kind()), ("auth.too_many_attempts", Kind::TooManyRequests));
    assert!(matches!(refused, AuthError::TooManyAttempts { seconds: 30 }), "{refused}");
    assert_eq!(refused.to_string(), "Too many attempts; try again in 30 s.");
    assert_eq!(server.events().last(), Some(&AuditAction::LoginThrottled));
    let right = credentials("victim@example.org", PASSWORD);
    server.auth.login(&right, &device_at("198.51.100.1")).await.unwrap();
    // Even the right password is refused where the guesses came from: otherwise waiting would tell nothing apart.
    assert_eq!(code(server.auth.login(&right, &device_at("203.0.113.9")).await), "auth.too_many_attempts");
    // Guessing one password at many accounts is slowed down by the address.
    assert_eq!(guess("a@example.org", "203.0.113.9").await.code(), "auth.bad_credentials");
    assert_eq!(guess("b@example.org", "203.0.113.9").await.code(), "auth.bad_credentials");
    assert_eq!(guess("c@example.org", "203.0.113.9").await.code(), "auth.too_many_attempts");
    server.wait(Duration::from_secs(30));
    server.auth.login(&right, &device_at("203.0.113.9")).await.unwrap();
}

#[tokio::test]
async fn a_person_who_logs_in_often_is_not_throttled_but_mass_registration_is() {
    let server = Server::with(AuthSettings {
        attempts_per_address: Rate { burst: 4, refill: Duration::from_secs(2) },
        ..cheap()
    })
    .await;
    for n in 0..4 {
        server.register(&format!("person{n}@example.org")).await.unwrap();
    }
    assert_eq!(code(server.register("one.more@example.org").await), "auth.too_many_attempts");
    server.wait(Duration::from_secs(8));
    for _ in 0..30 {
        server.login("person1@example.org", PASSWORD).await.unwrap();
    }
}

#[tokio::test]
async fn a_login_renews_a_hash_of_another_cost() {
    let server = Server::new().await;
    let id = server.register("ada@example.org").await.unwrap().session.user.id;
    let hash = || async {
        let row = server.store.transact(|tx| async move { rows::password(&tx, id).await }).await;
        let row: Result<_, StoreError> = row;
        row.unwrap().unwrap().hash
    };
    let before = hash().await;
    server.login("ada@example.org", PASSWORD).await.unwrap();
    assert_eq!(hash().await, before, "nothing to renew");
    let dearer =
        server.other(AuthSettings { hash_cost: HashCost { memory_kib: 32, passes: 2, lanes: 1 }, ..cheap() }).await;
    assert_eq!(code(dearer.login("ada@example.org", "a wrong password").await), "auth.bad_credentials");
    assert_eq!(hash().await, before, "a wrong password renews nothing");
    dearer.login("ada@example.org", PASSWORD).await.unwrap();
    let after = hash().await;
    assert!(after.starts_with("$argon2id$v=19$m=32,t=2,p=1$"), "{after}");
    dearer.login("ada@example.org", PASSWORD).await.unwrap();
    assert_eq!(hash().await, after);
    server.login("ada@example.org", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let bad: Vec<fn(&mut AuthSettings)> = vec![
        |s| s.access_lifetime = Duration::ZERO,
        |s| s.refresh_idle_lifetime = Duration::ZERO,
        |s| s.absolute_lifetime = Duration::from_secs(u64::MAX),
        |s| s.reuse_grace = Duration::from_secs(61),
        |s| s.sessions_per_user = 0,
        |s| s.password_min_chars = 7,
        |s| s.password_max_chars = 63,
        |s| s.password_max_chars = 1025,
        |s| s.hashes_at_once = 0,
        |s| s.hash_queue = usize::MAX,
        |s| s.hash_share = 0,
        |s| s.attempts_per_account_anywhere.burst = 0,
        |s| s.attempts_per_second_factor.refill = Duration::ZERO,
        |s| s.mailed_codes_per_account.burst = 0,
        |s| s.reset_code_lifetime = Duration::from_secs(2 * 24 * 60 * 60),
        |s| s.device_code_lifetime = Duration::ZERO,
        |s| s.device_code_lifetime = Duration::from_secs(601),
        |s| s.device_codes_open = 0,
        |s| s.invite_max_days = 0,
        |s| s.mail_from = "a@b.org\r\nBcc: c@d.org".to_owned(),
        |s| s.public_url = "javascript:alert(1)".to_owned(),
        |s| s.public_url = "https://".to_owned(),
        |s| s.hash_cost.memory_kib = 1,
        |s| s.hash_cost.lanes = 0,
        |s| s.attempts_per_address.burst = 0,
        |s| s.attempts_per_account.refill = Duration::ZERO,
        |s| s.attempts_remembered = 0,
        |s| s.issuer.clear(),
    ];
    let store = Store::open("memory:").await.unwrap();
    for (n, change) in bad.into_iter().enumerate() {
        let mut settings = cheap();
        change(&mut settings);
        let error = Auth::open(store.clone(), settings, master()).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), ("auth.settings", Kind::Invalid), "{n}");
    }
    Auth::open(store, cheap(), master()).await.unwrap();
}

#[tokio::test]
async fn a_password_that_was_changed_during_a_login_lets_nobody_in() {
    let server = Server::new().await;
    let id = server.register("ada@example.org").await.unwrap().session.user.id;
    let known = server.auth.known("ada@example.org").await.unwrap().unwrap();
    let changed = PasswordRow { hash: known.password.hash.clone(), changed_at: START + 1 };
    let row = &changed;
    let set: Result<(), StoreError> = server.store.transact(|tx| async move { rows::set_password(&tx, id, row) }).await;
    set.unwrap();
    assert_eq!(code(server.auth.begin_session(&known, None, None, &device()).await), "auth.bad_credentials");
    let known = server.auth.known("ada@example.org").await.unwrap().unwrap();
    assert_eq!(code(server.auth.begin_session(&known, None, None, &device()).await), "ok");
}

#[tokio::test]
async fn a_login_that_nobody_waits_for_any_more_gives_its_place_back() {
    let many = Rate { burst: 100_000, refill: Duration::from_secs(1) };
    let settings = AuthSettings { attempts_per_account: many, attempts_per_address: many, ..cheap() };
    let server = Server::with(AuthSettings { hashes_at_once: 1, hash_queue: 0, ..settings }).await;
    server.register("ada@example.org").await.unwrap();
    for _ in 0..20 {
        let auth = server.auth.clone();
        let login = tokio::spawn(async move { auth.login(&credentials("ada@example.org", PASSWORD), &device()).await });
        tokio::task::yield_now().await;
        login.abort();
        let _ = login.await;
    }
    // The last of them may still be at work.
    while code(server.login("bob@example.org", PASSWORD).await) == "auth.busy" {
        tokio::task::yield_now().await;
    }
    server.login("ada@example.org", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_busy_server_counts_against_nobody() {
    let server = Server::new().await;
    server.register("ada@example.org").await.unwrap();
    let full = server.auth.inner.hasher.fill();
    for _ in 0..100 {
        assert_eq!(code(server.login("ada@example.org", PASSWORD).await), "auth.busy");
    }
    drop(full);
    server.login("ada@example.org", PASSWORD).await.unwrap();
}
