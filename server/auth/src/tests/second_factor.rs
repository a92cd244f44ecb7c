//! The second factor, and everybody who tries to get round it.

use coditect_protocol::auth::{
    NewToken, PasswordChange, PersonChange, Reauthentication, Role, Scope, SecondFactorAnswer, SecondFactorChallenge,
    SecondFactorMethod, TotpCode,
};

use super::*;
use crate::second_factor::code_of;
use crate::settings::Rate;

const STEP: Duration = Duration::from_secs(30);

fn shown(password: &str, code: Option<&str>) -> Reauthentication {
    Reauthentication { password: password.to_owned(), code: code.map(str::to_owned) }
}

fn generous() -> AuthSettings {
    let many = Rate { burst: 10_000, refill: Duration::from_secs(1) };
    AuthSettings {
        attempts_per_account: many,
        attempts_per_address: many,
        attempts_per_account_anywhere: many,
        attempts_per_second_factor: many,
        ..cheap()
    }
}

/// A person with a second factor.
struct Person {
    server: Server,
    identity: Identity,
    secret: String,
    recovery: Vec<String>,
    device_token: String,
}

impl Person {
    async fn with(settings: AuthSettings) -> Self {
        let server = Server::with(settings).await;
        let login = server.register("ada@example.org").await.unwrap();
        let identity = server.identity(&login).await;
        let setup = server.auth.begin_totp(&identity, &shown(PASSWORD, None), &device()).await.unwrap();
        let first = TotpCode { code: code_of(&setup.secret, server.clock.now()) };
        let recovery = server.auth.confirm_totp(&identity, &first, &device()).await.unwrap().codes;
        // The code of the set-up is used.
        server.wait(STEP);
        server.events();
        let device_token = login.device_token.unwrap();
        Self { server, identity, secret: setup.secret, recovery, device_token }
    }

    fn code(&self) -> String {
        code_of(&self.secret, self.server.clock.now())
    }

    async fn ticket(&self) -> SecondFactorChallenge {
        challenge(&self.server, &device()).await
    }

    async fn answer(&self, ticket: &str, typed: &str) -> Result<Login, AuthError> {
        answer(&self.server, ticket, typed, &device()).await
    }
}

async fn challenge(server: &Server, from: &Device) -> SecondFactorChallenge {
    match server.auth.login(&credentials("ada@example.org", PASSWORD), from).await.unwrap() {
        LoginStep::SecondFactor(challenge) => challenge,
        LoginStep::Done(_) => panic!("no second factor was asked for"),
    }
}

async fn answer(server: &Server, ticket: &str, typed: &str, from: &Device) -> Result<Login, AuthError> {
    let answer = SecondFactorAnswer { ticket: ticket.to_owned(), code: typed.to_owned() };
    server.auth.answer_second_factor(&answer, from).await
}

#[tokio::test]
async fn a_login_needs_the_password_and_a_code() {
    let person = Person::with(cheap()).await;
    let challenge = person.ticket().await;
    assert_eq!(challenge.methods, [SecondFactorMethod::Totp, SecondFactorMethod::RecoveryCode]);
    assert_eq!(challenge.expires_in, 300);
    assert_eq!(person.server.events(), [], "nobody has logged in yet");
    let wrong = if person.code() == "000000" { "000001" } else { "000000" };
    for typed in [wrong, "", "nonsense", "12345", &"9".repeat(1 << 16)] {
        let error = person.answer(&challenge.ticket, typed).await.unwrap_err();
        assert!(matches!(error.code(), "auth.second_factor_wrong" | "auth.second_factor_ticket"), "{error}");
    }
    let challenge = person.ticket().await;
    let typed = format!(" {} {}", &person.code()[..3], &person.code()[3..]);
    let login = person.answer(&challenge.ticket, &typed).await.unwrap();
    person.server.auth.check(&login.access_token).await.unwrap();
    assert!(login.device_token.is_some());
    assert_eq!(person.server.last_means(), Some(LoginMeans::Totp));
    assert_eq!(person.server.events().last(), Some(&AuditAction::LoggedIn));
    let status = person.server.auth.second_factor(&person.identity).await.unwrap();
    assert_eq!((status.enabled, status.recovery_codes_left, status.enabled_at), (true, 10, Some(START)));
}

#[tokio::test]
async fn a_code_and_a_ticket_are_good_once_on_every_server() {
    let person = Person::with(generous()).await;
    let other = person.server.other(generous()).await;
    let typed = person.code();
    let (one, two) = (person.ticket().await, person.ticket().await);
    person.answer(&one.ticket, &typed).await.unwrap();
    assert_eq!(
        code(answer(&other, &two.ticket, &typed, &device()).await),
        "auth.second_factor_wrong",
        "a replayed code"
    );
    let earlier = code_of(&person.secret, person.server.clock.now() - millis(STEP));
    assert_eq!(
        code(answer(&other, &two.ticket, &earlier, &device()).await),
        "auth.second_factor_wrong",
        "an older one"
    );
    let next = code_of(&person.secret, person.server.clock.now() + millis(STEP));
    assert_eq!(code(answer(&other, &one.ticket, &next, &device()).await), "auth.second_factor_ticket", "a used ticket");
    answer(&other, &two.ticket, &next, &device()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_uses_of_one_code_at_once_one_gets_in() {
    for recovery in [false, true] {
        let person = Person::with(generous()).await;
        let other = person.server.other(generous()).await;
        let typed = if recovery { person.recovery[3].clone() } else { person.code() };
        let mut tasks = Vec::new();
        for n in 0..10 {
            let ticket = person.ticket().await.ticket;
            let auth = if n % 2 == 0 { person.server.auth.clone() } else { other.auth.clone() };
            let answer = SecondFactorAnswer { ticket, code: typed.clone() };
            tasks.push(tokio::spawn(async move { code(auth.answer_second_factor(&answer, &device()).await) }));
        }
        let mut codes = Vec::new();
        for task in tasks {
            codes.push(task.await.unwrap());
        }
        let count = |wanted: &str| codes.iter().filter(|code| **code == wanted).count();
        assert_eq!((count("ok"), count("auth.second_factor_wrong")), (1, 9), "{codes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_uses_of_one_ticket_at_once_one_gets_in() {
    let person = Person::with(generous()).await;
    let ticket = person.ticket().await.ticket;
    let tasks: Vec<_> = person
        .recovery
        .iter()
        .map(|code| SecondFactorAnswer { ticket: ticket.clone(), code: code.clone() })
        .map(|answer| {
            let auth = person.server.auth.clone();
            tokio::spawn(async move { auth.answer_second_factor(&answer, &device()).await.is_ok() })
        })
        .collect();
    let mut let_in = 0;
    for task in tasks {
        let_in += usize::from(task.await.unwrap());
    }
    assert_eq!(let_in, 1);
    let left = person.server.auth.second_factor(&person.identity).await.unwrap().recovery_codes_left;
    assert_eq!(left, 9, "only one code was used up");
}

#[tokio::test]
async fn a_ticket_bears_five_wrong_codes_and_five_minutes_and_no_other_password() {
    let person = Person::with(generous()).await;
    let challenge = person.ticket().await;
    for _ in 0..5 {
        assert_eq!(code(person.answer(&challenge.ticket, "no code").await), "auth.second_factor_wrong");
    }
    assert_eq!(code(person.answer(&challenge.ticket, &person.code()).await), "auth.second_factor_ticket");
    let challenge = person.ticket().await;
    person.server.wait(Duration::from_secs(300));
    assert_eq!(code(person.answer(&challenge.ticket, &person.code()).await), "auth.second_factor_ticket");
    for ticket in ["", "x", &challenge.ticket[1..], &"A".repeat(1 << 20)] {
        assert_eq!(code(person.answer(ticket, &person.code()).await), "auth.second_factor_ticket");
    }
    let challenge = person.ticket().await;
    let change = PasswordChange {
        current_password: PASSWORD.to_owned(),
        new_password: "lamp otter nine quartz".to_owned(),
        code: Some(person.code()),
    };
    person.server.auth.change_password(&person.identity, &change, &device()).await.unwrap();
    assert_eq!(code(person.answer(&challenge.ticket, &person.code()).await), "auth.second_factor_ticket");
}

#[tokio::test]
async fn who_knows_the_password_cannot_guess_codes_for_ever_and_the_victim_gets_in_from_their_device() {
    let person = Person::with(AuthSettings {
        attempts_per_second_factor: Rate { burst: 6, refill: Duration::from_secs(300) },
        ..generous()
    })
    .await;
    let mut wrong = 0;
    for n in 1..=100 {
        let from = device_at(&format!("203.0.113.{n}"));
        let ticket = challenge(&person.server, &from).await.ticket;
        match code(answer(&person.server, &ticket, "no code", &from).await) {
            "auth.second_factor_wrong" => wrong += 1,
            other => assert_eq!(other, "auth.too_many_attempts"),
        }
    }
    assert_eq!(wrong, 6, "new tickets and new addresses give no new tries");
    let own = Device { known: Some(person.device_token.clone()), ..device_at("198.51.100.1") };
    let ticket = challenge(&person.server, &own).await.ticket;
    let login = answer(&person.server, &ticket, &person.code(), &own).await.unwrap();
    assert_eq!(login.device_token, None);
    let from = device_at("203.0.113.1");
    let ticket = challenge(&person.server, &from).await.ticket;
    assert_eq!(code(answer(&person.server, &ticket, "no code", &from).await), "auth.too_many_attempts");
}

#[tokio::test]
async fn a_right_password_alone_does_not_clear_the_count_of_failures() {
    let person = Person::with(AuthSettings {
        attempts_per_account: Rate { burst: 4, refill: Duration::from_secs(30) },
        ..generous()
    })
    .await;
    for _ in 0..4 {
        person.ticket().await;
    }
    assert_eq!(code(person.server.login("ada@example.org", PASSWORD).await), "auth.too_many_attempts");
}

#[tokio::test]
async fn a_new_password_and_a_token_ask_for_both_factors() {
    let person = Person::with(generous()).await;
    let (auth, identity) = (&person.server.auth, &person.identity);
    let change = |code: Option<String>| {
        let change = PasswordChange {
            current_password: PASSWORD.to_owned(),
            new_password: "lamp otter nine quartz".to_owned(),
            code,
        };
        async move { auth.change_password(identity, &change, &device()).await }
    };
    let token = |code: Option<String>| {
        let new = NewToken {
            name: "backup".to_owned(),
            scopes: vec![Scope::Llm],
            expires_in_days: 1,
            password: PASSWORD.to_owned(),
            code,
        };
        async move { auth.make_token(identity, &new, &device()).await }
    };
    for wrong in [None, Some(String::new()), Some("no code".to_owned())] {
        assert_eq!(code(token(wrong.clone()).await), "auth.second_factor_wrong");
        assert_eq!(code(change(wrong).await), "auth.second_factor_wrong");
    }
    let typed = person.code();
    token(Some(typed.clone())).await.unwrap();
    assert_eq!(code(change(Some(typed)).await), "auth.second_factor_wrong", "a code that was used");
    change(Some(person.recovery[0].clone())).await.unwrap();
}

#[tokio::test]
async fn a_password_that_is_refused_uses_up_no_code() {
    let person = Person::with(generous()).await;
    let change = |new_password: &str| PasswordChange {
        current_password: PASSWORD.to_owned(),
        new_password: new_password.to_owned(),
        code: Some(person.recovery[0].clone()),
    };
    let auth = &person.server.auth;
    assert_eq!(code(auth.change_password(&person.identity, &change("short"), &device()).await), "auth.weak_password");
    auth.change_password(&person.identity, &change("lamp otter nine quartz"), &device()).await.unwrap();
}

#[tokio::test]
async fn a_right_password_forgives_no_wrong_code_of_a_confirmation() {
    let few = Rate { burst: 6, refill: Duration::from_secs(300) };
    // By the count of codes alone, and by that of confirmations alone.
    for settings in [
        AuthSettings { attempts_per_second_factor: few, ..generous() },
        AuthSettings { attempts_per_account: few, ..generous() },
    ] {
        let person = Person::with(settings).await;
        let mut wrong = 0;
        for n in 1..=40 {
            // The thief knows the password, and comes from everywhere, also with the browser of the person.
            let known = (n % 2 == 0).then(|| person.device_token.clone());
            let from = Device { known, ..device_at(&format!("203.0.113.{n}")) };
            let proof = shown(PASSWORD, Some("no code"));
            match code(person.server.auth.disable_second_factor(&person.identity, &proof, &from).await) {
                "auth.second_factor_wrong" => wrong += 1,
                other => assert_eq!(other, "auth.too_many_attempts"),
            }
        }
        assert!((6..=12).contains(&wrong), "{wrong}");
        let proof = shown(PASSWORD, Some(&person.code()));
        let off = person.server.auth.disable_second_factor(&person.identity, &proof, &device()).await;
        assert_eq!(code(off), "auth.too_many_attempts");
    }
}

#[tokio::test]
async fn recovery_codes_are_good_once_each_and_new_ones_void_the_old() {
    let person = Person::with(generous()).await;
    assert_eq!(person.recovery.len(), 10);
    assert!(person.recovery.iter().all(|code| code.len() == 29));
    let ticket = person.ticket().await.ticket;
    let typed = person.recovery[0].to_uppercase().replace('-', " ");
    person.answer(&ticket, &typed).await.unwrap();
    assert_eq!(person.server.last_means(), Some(LoginMeans::RecoveryCode));
    assert!(person.server.events().contains(&AuditAction::RecoveryCodeUsed));
    let ticket = person.ticket().await.ticket;
    assert_eq!(code(person.answer(&ticket, &person.recovery[0]).await), "auth.second_factor_wrong");
    let auth = &person.server.auth;
    let renew = |code: String| {
        let (proof, identity) = (shown(PASSWORD, Some(&code)), &person.identity);
        async move { auth.renew_recovery_codes(identity, &proof, &device()).await }
    };
    assert_eq!(code(renew(String::new()).await), "auth.second_factor_wrong");
    let new = renew(person.recovery[1].clone()).await.unwrap();
    assert_eq!(auth.second_factor(&person.identity).await.unwrap().recovery_codes_left, 10);
    assert_eq!(code(person.answer(&ticket, &person.recovery[2]).await), "auth.second_factor_wrong");
    person.answer(&ticket, &new.codes[0]).await.unwrap();
}

#[tokio::test]
async fn setting_up_needs_the_password_and_a_first_code_in_time() {
    let server = Server::with(generous()).await;
    let login = server.register("ada@example.org").await.unwrap();
    let identity = server.identity(&login).await;
    let auth = &server.auth;
    let begin = |password: &'static str| {
        let identity = &identity;
        async move { auth.begin_totp(identity, &shown(password, None), &device()).await }
    };
    let confirm = |code: String| {
        let identity = &identity;
        async move { auth.confirm_totp(identity, &TotpCode { code }, &device()).await }
    };
    assert_eq!(code(confirm("123456".to_owned()).await), "auth.second_factor_missing");
    assert_eq!(code(begin("a wrong password").await), "auth.wrong_password");
    let setup = begin(PASSWORD).await.unwrap();
    assert!(setup.uri.contains(&setup.secret) && setup.uri.contains("ada%40example%2Eorg"), "{}", setup.uri);
    assert!(setup.qr_svg.contains("<svg"));
    assert_eq!(code(confirm("no code".to_owned()).await), "auth.second_factor_wrong");
    server.login("ada@example.org", PASSWORD).await.unwrap();
    server.wait(Duration::from_secs(600));
    let late = code_of(&setup.secret, server.clock.now());
    assert_eq!(code(confirm(late).await), "auth.second_factor_missing");
    let (first, second) = (begin(PASSWORD).await.unwrap(), begin(PASSWORD).await.unwrap());
    assert_ne!(first.secret, second.secret);
    assert_eq!(code(confirm(code_of(&first.secret, server.clock.now())).await), "auth.second_factor_wrong");
    confirm(code_of(&second.secret, server.clock.now())).await.unwrap();
    assert_eq!(code(confirm(code_of(&second.secret, server.clock.now())).await), "auth.second_factor_enabled");
    server.wait(STEP);
    let proof = shown(PASSWORD, Some(&code_of(&second.secret, server.clock.now())));
    assert_eq!(code(auth.begin_totp(&identity, &proof, &device()).await), "auth.second_factor_enabled");
}

#[tokio::test]
async fn switching_off_needs_password_and_code_and_an_admin_can_do_it_too() {
    let person = Person::with(generous()).await;
    let auth = &person.server.auth;
    let off = |password: &str, code: Option<&str>| {
        let (proof, identity) = (shown(password, code), &person.identity);
        async move { auth.disable_second_factor(identity, &proof, &device()).await }
    };
    assert_eq!(code(off("a wrong password", Some(&person.code())).await), "auth.wrong_password");
    assert_eq!(code(off(PASSWORD, None).await), "auth.second_factor_wrong");
    assert_eq!(code(off(PASSWORD, Some("no code")).await), "auth.second_factor_wrong");
    off(PASSWORD, Some(&person.code())).await.unwrap();
    assert_eq!(person.server.events().last(), Some(&AuditAction::SecondFactorDisabled));
    assert_eq!(code(off(PASSWORD, None).await), "auth.second_factor_missing");
    person.server.login("ada@example.org", PASSWORD).await.unwrap();

    let person = Person::with(generous()).await;
    let ticket = person.ticket().await.ticket;
    let (auth, id) = (&person.server.auth, person.identity.user.id);
    // Their own is not taken away without password and code, whatever the role: a stolen session must not be enough.
    assert_eq!(code(auth.remove_second_factor(&person.identity, id, &device()).await), "auth.own_account");
    assert_eq!(code(auth.issue_reset_code(&person.identity, id, &device()).await), "auth.own_account");
    let admin = person.server.register("bob").await.unwrap();
    let promote = PersonChange { role: Some(Role::Admin), disabled: None };
    auth.change_person(&person.identity, admin.session.user.id, &promote, &device()).await.unwrap();
    let admin = person.server.identity(&admin).await;
    person.server.events();
    auth.remove_second_factor(&admin, id, &device()).await.unwrap();
    assert_eq!(person.server.events(), [AuditAction::SecondFactorRemoved]);
    assert_eq!(code(person.answer(&ticket, &person.code()).await), "auth.second_factor_ticket");
    person.server.login("ada@example.org", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn the_secret_is_sealed_for_its_person_and_nothing_of_it_is_told() {
    let person = Person::with(cheap()).await;
    let secret = data_encoding::BASE32_NOPAD.decode(person.secret.as_bytes()).unwrap();
    for bytes in person.server.dump().await {
        assert!(!bytes.windows(secret.len()).any(|part| part == secret));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains(&person.secret) && person.recovery.iter().all(|code| !text.contains(code)));
    }
    let events = format!("{:?}", person.server.events.0.lock().unwrap());
    assert!(!events.contains(&person.secret) && !events.contains(&person.recovery[0]));
    let id = person.identity.user.id;
    let now = person.server.clock.now();
    assert_eq!(person.server.auth.totp_code(id, now).await, person.code());
}
