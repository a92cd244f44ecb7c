//! Guessing, alone and from many addresses, and what it does to the victim.

use super::*;
use crate::settings::Rate;

/// A server on which an account bears five failures from everywhere and three from one place.
async fn server() -> Server {
    Server::with(AuthSettings {
        attempts_per_account: Rate { burst: 3, refill: Duration::from_secs(30) },
        attempts_per_account_anywhere: Rate { burst: 5, refill: Duration::from_secs(60) },
        ..cheap()
    })
    .await
}

fn known_device(address: &str, token: &str) -> Device {
    Device { known: Some(token.to_owned()), ..device_at(address) }
}

async fn guess(server: &Server, login: &str, from: &Device) -> &'static str {
    code(server.auth.login(&credentials(login, "some guessed thing"), from).await)
}

/// Guesses from five addresses.
async fn guess_from_everywhere(server: &Server, login: &str) {
    for n in 1..=5 {
        assert_eq!(guess(server, login, &device_at(&format!("203.0.113.{n}"))).await, "auth.bad_credentials");
    }
    assert_eq!(guess(server, login, &device_at("203.0.113.200")).await, "auth.too_many_attempts");
}

#[tokio::test]
async fn guessing_from_many_addresses_is_slowed_down_and_does_not_lock_out_the_victims_own_device() {
    let server = server().await;
    let victim = server.auth.register(&registration("victim", PASSWORD), &device_at("198.51.100.1")).await.unwrap();
    let token = victim.device_token.unwrap();
    guess_from_everywhere(&server, "victim").await;
    let right = credentials("Victim", PASSWORD);
    // From anywhere else the right password is refused too: otherwise guessing would go on.
    assert_eq!(code(server.auth.login(&right, &device_at("198.51.100.2")).await), "auth.too_many_attempts");
    for address in ["198.51.100.1", "198.51.100.99"] {
        let login = done(server.auth.login(&right, &known_device(address, &token)).await.unwrap()).unwrap();
        assert_eq!(login.device_token, None, "the one it has will do");
    }
    // On another server as well: the token says it all.
    let other = server.other(server.auth.settings().clone()).await;
    guess_from_everywhere(&other, "victim").await;
    done(other.auth.login(&right, &known_device("198.51.100.1", &token)).await.unwrap()).unwrap();
    // The victim's logins have forgiven no guess.
    assert_eq!(guess(&server, "victim", &device_at("203.0.113.77")).await, "auth.too_many_attempts");
    server.wait(Duration::from_secs(60));
    done(server.auth.login(&right, &device_at("198.51.100.2")).await.unwrap()).unwrap();
}

#[tokio::test]
async fn a_known_device_may_not_guess_for_ever_nor_at_other_accounts() {
    let server = server().await;
    let eve = server.register("eve").await.unwrap().device_token.unwrap();
    let victim = server.register("victim").await.unwrap().device_token.unwrap();
    for _ in 0..3 {
        assert_eq!(guess(&server, "victim", &known_device("203.0.113.9", &victim)).await, "auth.bad_credentials");
    }
    assert_eq!(guess(&server, "victim", &known_device("203.0.113.9", &victim)).await, "auth.too_many_attempts");
    let right = credentials("victim", PASSWORD);
    done(server.auth.login(&right, &device()).await.unwrap()).unwrap();
    // Somebody else's device is a stranger's.
    server.wait(Duration::from_secs(600));
    for n in 1..=5 {
        let from = known_device(&format!("203.0.113.{n}"), &eve);
        assert_eq!(guess(&server, "victim", &from).await, "auth.bad_credentials");
    }
    assert_eq!(guess(&server, "victim", &known_device("203.0.113.8", &eve)).await, "auth.too_many_attempts");
}

#[tokio::test]
async fn a_device_token_that_is_forged_old_or_from_before_the_password_counts_for_nothing() {
    let server = server().await;
    let login = server.register("victim").await.unwrap();
    let token = login.device_token.clone().unwrap();
    guess_from_everywhere(&server, "victim").await;
    let right = credentials("victim", PASSWORD);
    let mut forged = token.clone().into_bytes();
    let last = forged.len() - 5;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    for bad in ["", "x", "ä", &forged, &token[1..], &"A".repeat(1 << 20), &format!("{token}A")] {
        let from = known_device("198.51.100.1", bad);
        assert_eq!(code(server.auth.login(&right, &from).await), "auth.too_many_attempts");
    }
    server.wait(Duration::from_secs(1));
    let change = coditect_protocol::auth::PasswordChange {
        current_password: PASSWORD.to_owned(),
        new_password: "lamp otter nine quartz".to_owned(),
        code: None,
    };
    let identity = server.identity(&login).await;
    server.auth.change_password(&identity, &change, &device()).await.unwrap();
    let stale = known_device("198.51.100.1", &token);
    let new = credentials("victim", "lamp otter nine quartz");
    assert_eq!(code(server.auth.login(&new, &stale).await), "auth.too_many_attempts");
    server.wait(Duration::from_secs(600));
    let again = done(server.auth.login(&new, &stale).await.unwrap()).unwrap();
    let renewed = again.device_token.unwrap();
    guess_from_everywhere(&server, "victim").await;
    let from = known_device("198.51.100.1", &renewed);
    assert!(done(server.auth.login(&new, &from).await.unwrap()).unwrap().device_token.is_none());
    server.wait(40 * DAY);
    assert!(done(server.auth.login(&new, &from).await.unwrap()).unwrap().device_token.is_some(), "renewed in use");
    server.wait(400 * DAY);
    guess_from_everywhere(&server, "victim").await;
    assert_eq!(code(server.auth.login(&new, &from).await), "auth.too_many_attempts", "a year is the most");
}

#[tokio::test]
async fn what_is_throttled_looks_the_same_for_an_unknown_account_and_hashes_nothing() {
    let server = server().await;
    server.register("victim").await.unwrap();
    guess_from_everywhere(&server, "victim").await;
    guess_from_everywhere(&server, "nobody").await;
    let before = server.auth.inner.hasher.computed();
    let mut answers = std::collections::HashSet::new();
    for login in ["victim", "nobody"] {
        let error = server.auth.login(&credentials(login, PASSWORD), &device_at("192.0.2.1")).await.unwrap_err();
        answers.insert(format!("{:?}", error.problem()));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(server.auth.inner.hasher.computed(), before);
}

#[tokio::test]
async fn a_login_hashes_once_whatever_was_typed() {
    let server = Server::new().await;
    server.register("victim").await.unwrap();
    let hashes = || server.auth.inner.hasher.computed();
    for (login, password) in [
        ("victim", PASSWORD),
        ("victim", "a wrong password"),
        ("nobody", PASSWORD),
        ("nobody@example.org", ""),
        ("not a login", PASSWORD),
        ("", ""),
    ] {
        let before = hashes();
        let _ = server.login(login, password).await;
        assert_eq!(hashes() - before, 1, "{login}");
    }
}

#[tokio::test]
async fn a_device_token_shows_nothing_and_lets_in_nobody() {
    let server = Server::new().await;
    let login = server.register("victim").await.unwrap();
    let token = login.device_token.clone().unwrap();
    assert_eq!(code(server.auth.check(&token).await), "auth.invalid_token");
    assert_eq!(code(server.refresh(&token).await), "auth.invalid_token");
    assert!(!format!("{login:?}").contains(&token[..20]));
    assert!(!format!("{:?}", known_device("192.0.2.1", &token)).contains(&token[..20]));
    let id = login.session.user.id.to_string().replace('-', "");
    assert!(!token.contains(&id) && !token.contains("victim"));
}
