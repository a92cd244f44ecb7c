//! Logging in programs by device code.

use coditect_protocol::Kind;
use coditect_protocol::auth::{DeviceCode, DeviceCodeRequest, PasswordChange, PersonChange};

use super::*;
use crate::settings::Rate;

const INTERVAL: Duration = Duration::from_secs(5);

async fn begin(server: &Server) -> DeviceCode {
    let request = DeviceCodeRequest { client_name: "coditect CLI".to_owned() };
    server.auth.begin_device_login(&request, &device_at("198.51.100.20"), "https://ide.example.org").await.unwrap()
}

async fn poll(server: &Server, code: &DeviceCode) -> Result<Login, AuthError> {
    server.wait(INTERVAL);
    server.auth.poll_device_login(&code.device_code, &device_at("198.51.100.20")).await
}

async fn decide(server: &Server, identity: &Identity, user_code: &str, approve: bool) -> Result<(), AuthError> {
    server.auth.decide_device_login(identity, user_code, approve, &device()).await
}

async fn server() -> (Server, Identity) {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    let identity = server.identity(&login).await;
    server.events();
    (server, identity)
}

#[tokio::test]
async fn a_program_is_let_in_once_its_person_says_so() {
    let (server, identity) = server().await;
    let other = server.other(cheap()).await;
    let asked = begin(&server).await;
    assert_eq!((asked.expires_in, asked.interval, asked.user_code.len()), (600, 5, 9));
    assert_eq!(asked.verification_uri, "https://ide.example.org/device");
    assert_eq!(asked.verification_uri_complete, format!("https://ide.example.org/device?code={}", asked.user_code));
    assert_eq!(code(poll(&server, &asked).await), "auth.authorization_pending");
    let typed = asked.user_code.to_lowercase().replace('-', "");
    let shown = other.auth.device_request(&identity, &typed).await.unwrap();
    assert_eq!((shown.client_name.as_str(), shown.address.as_deref()), ("coditect CLI", Some("198.51.100.20")));
    assert_eq!(shown.expires_at - shown.created_at, 600_000);
    decide(&other, &identity, &typed, true).await.unwrap();
    assert_eq!(other.events(), [AuditAction::DeviceApproved]);
    let login = poll(&server, &asked).await.unwrap();
    assert_eq!(login.session.user, identity.user);
    assert_ne!(Some(login.session.session_id), identity.session_id());
    assert_eq!(server.last_means(), Some(LoginMeans::DeviceCode));
    assert_eq!((login.device_token.clone(), server.events()), (None, vec![AuditAction::LoggedIn]));
    server.auth.check(&login.access_token).await.unwrap();
    assert_eq!(code(poll(&server, &asked).await), "auth.no_such_device_code", "one use");
    assert_eq!(code(decide(&server, &identity, &asked.user_code, true).await), "auth.no_such_device_code");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_questions_at_once_on_two_servers_one_is_let_in() {
    let (server, identity) = server().await;
    let other = server.other(cheap()).await;
    let asked = begin(&server).await;
    decide(&server, &identity, &asked.user_code, true).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let auth = if n % 2 == 0 { server.auth.clone() } else { other.auth.clone() };
            let device_code = asked.device_code.clone();
            tokio::spawn(async move { code(auth.poll_device_login(&device_code, &device()).await) })
        })
        .collect();
    let mut codes = Vec::new();
    for task in tasks {
        codes.push(task.await.unwrap());
    }
    let count = |wanted: &str| codes.iter().filter(|code| **code == wanted).count();
    assert_eq!((count("ok"), count("auth.no_such_device_code")), (1, 7), "{codes:?}");
}

#[tokio::test]
async fn who_asks_too_often_is_slowed_down_for_good() {
    let (server, identity) = server().await;
    let asked = begin(&server).await;
    let ask = || async { code(server.auth.poll_device_login(&asked.device_code, &device()).await) };
    assert_eq!(ask().await, "auth.authorization_pending");
    assert_eq!(ask().await, "auth.slow_down");
    server.wait(INTERVAL);
    assert_eq!(ask().await, "auth.slow_down", "now it is ten seconds");
    server.wait(Duration::from_secs(15));
    assert_eq!(ask().await, "auth.authorization_pending");
    decide(&server, &identity, &asked.user_code, true).await.unwrap();
    assert_eq!(ask().await, "ok");
}

#[tokio::test]
async fn a_refused_and_a_late_program_stay_out() {
    let (server, identity) = server().await;
    let refused = begin(&server).await;
    decide(&server, &identity, &refused.user_code, false).await.unwrap();
    assert_eq!(server.events(), [AuditAction::DeviceDenied]);
    assert_eq!(code(decide(&server, &identity, &refused.user_code, true).await), "auth.no_such_device_code");
    assert_eq!(code(poll(&server, &refused).await), "auth.device_denied");
    assert_eq!(code(poll(&server, &refused).await), "auth.no_such_device_code");
    let late = begin(&server).await;
    decide(&server, &identity, &late.user_code, true).await.unwrap();
    server.wait(Duration::from_secs(600));
    assert_eq!(code(poll(&server, &late).await), "auth.device_expired");
    assert_eq!(code(server.auth.device_request(&identity, &late.user_code).await), "auth.no_such_device_code");
    assert_eq!(code(decide(&server, &identity, &late.user_code, true).await), "auth.no_such_device_code");
    for wrong in ["", "x", &"A".repeat(1 << 20), &late.user_code] {
        assert_eq!(code(server.auth.poll_device_login(wrong, &device()).await), "auth.no_such_device_code");
    }
    server.auth.maintain().await;
    assert_eq!(code(poll(&server, &late).await), "auth.no_such_device_code", "swept");
}

#[tokio::test]
async fn an_approval_ends_with_the_session_it_was_given_in() {
    let (server, identity) = server().await;
    let asked = begin(&server).await;
    decide(&server, &identity, &asked.user_code, true).await.unwrap();
    server.auth.logout(identity.session_id().unwrap(), &device()).await.unwrap();
    assert_eq!(code(poll(&server, &asked).await), "auth.device_denied");
    assert_eq!(code(poll(&server, &asked).await), "auth.no_such_device_code");

    let person = server.register("bob@example.org").await.unwrap();
    let bob = server.identity(&person).await;
    let asked = begin(&server).await;
    decide(&server, &bob, &asked.user_code, true).await.unwrap();
    let admin = server.login("ada@example.org", PASSWORD).await.unwrap();
    let admin = server.identity(&admin).await;
    let off = PersonChange { role: None, disabled: Some(true) };
    server.auth.change_person(&admin, bob.user.id, &off, &device()).await.unwrap();
    assert_eq!(code(poll(&server, &asked).await), "auth.device_denied");
}

#[tokio::test]
async fn an_approval_ends_with_the_password_it_was_given_under() {
    let (server, identity) = server().await;
    let asked = begin(&server).await;
    decide(&server, &identity, &asked.user_code, true).await.unwrap();
    server.wait(Duration::from_secs(1));
    let change = PasswordChange {
        current_password: PASSWORD.to_owned(),
        new_password: "lamp otter nine quartz".to_owned(),
        code: None,
    };
    server.auth.change_password(&identity, &change, &device()).await.unwrap();
    assert_eq!(code(poll(&server, &asked).await), "auth.device_denied");
}

#[tokio::test]
async fn no_more_codes_are_open_at_once_than_the_server_keeps() {
    let settings = AuthSettings { device_codes_open: 3, ..cheap() };
    let server = Server::with(settings.clone()).await;
    let other = server.other(settings).await;
    let ask = |server: &Server, from: &str| {
        let (auth, from) = (server.auth.clone(), device_at(from));
        let request = DeviceCodeRequest { client_name: "x".to_owned() };
        async move { auth.begin_device_login(&request, &from, "https://ide.example.org").await }
    };
    for n in 0..3 {
        ask(if n == 0 { &server } else { &other }, &format!("203.0.113.{n}")).await.unwrap();
    }
    for n in 3..9 {
        let error = ask(&server, &format!("203.0.113.{n}")).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), ("auth.too_many_device_codes", Kind::Unavailable));
    }
    server.wait(Duration::from_secs(660));
    for _ in 0..3 {
        ask(&server, "203.0.113.1").await.unwrap();
    }
    assert_eq!(code(ask(&other, "203.0.113.1").await), "auth.too_many_device_codes");
}

#[tokio::test]
async fn user_codes_cannot_be_tried_out_not_even_with_a_good_one_between() {
    let (server, _) = server().await;
    let settings = AuthSettings { attempts_per_account: Rate { burst: 6, refill: Duration::from_secs(30) }, ..cheap() };
    let server = server.other(settings).await;
    let login = server.login("ada@example.org", PASSWORD).await.unwrap();
    let identity = server.identity(&login).await;
    let own = begin(&server).await;
    let mut refused = 0;
    for n in 0..40 {
        // The attacker's own request is always right.
        let typed = if n % 2 == 0 { own.user_code.as_str() } else { "BCDF-GHJK" };
        match code(server.auth.device_request(&identity, typed).await) {
            "auth.too_many_attempts" => refused += 1,
            "auth.no_such_device_code" => assert_ne!(n % 2, 0),
            other => assert_eq!((other, n % 2), ("ok", 0)),
        }
    }
    assert!(refused >= 28, "{refused}");
    assert_eq!(code(decide(&server, &identity, &own.user_code, true).await), "auth.too_many_attempts");
}

#[tokio::test]
async fn a_program_cannot_call_itself_what_it_likes_nor_ask_without_end() {
    let (server, _) = server().await;
    for name in ["", "a\nb", "safe\u{202e}txt.exe", &"x".repeat(65)] {
        let request = DeviceCodeRequest { client_name: name.to_owned() };
        let begun = server.auth.begin_device_login(&request, &device(), "https://ide.example.org").await;
        assert_eq!(code(begun), "auth.bad_client_name");
    }
    let few = AuthSettings { attempts_per_address: Rate { burst: 3, refill: Duration::from_secs(2) }, ..cheap() };
    let server = server.other(few).await;
    for _ in 0..3 {
        begin(&server).await;
    }
    let request = DeviceCodeRequest { client_name: "x".to_owned() };
    let begun = server.auth.begin_device_login(&request, &device_at("198.51.100.20"), "https://ide.example.org").await;
    assert_eq!(code(begun), "auth.too_many_attempts");
}

#[tokio::test]
async fn the_address_of_the_settings_goes_before_that_of_the_request() {
    let settings = AuthSettings { public_url: "https://public.example.org/".to_owned(), ..cheap() };
    let server = Server::with(settings).await;
    let asked = begin(&server).await;
    assert_eq!(asked.verification_uri, "https://public.example.org/device");
    let shown = format!("{asked:?}");
    assert!(!shown.contains(&asked.device_code) && !shown.contains(&asked.user_code));
    for bytes in server.dump().await {
        assert!(!String::from_utf8_lossy(&bytes).contains(&asked.device_code));
    }
}
