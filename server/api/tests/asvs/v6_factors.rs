//! V6 Authentication: second factors, recovery, and logins that another device approves.

use serde_json::{Value, json};

use crate::harness::{
    Answer, Caller, OTHER_PASSWORD, admin_and_member, assert_random, bits, contains, dump, person, refused_setting,
    site, ticket, with_second_factor,
};
use crate::support::{PASSWORD, TestServer};

const BOB: &str = "bob@example.org";

async fn answer(stranger: &Caller, ticket: &str, code: &str) -> Answer {
    stranger.post("/auth/login/second-factor", json!({ "ticket": ticket, "code": code })).await
}

async fn device_code(stranger: &Caller) -> Value {
    stranger.post("/auth/device/code", json!({ "client_name": "a program" })).await.ok().json()
}

async fn poll(stranger: &Caller, code: &Value) -> Answer {
    stranger.post("/auth/device/token", json!({ "device_code": code["device_code"] })).await
}

async fn decide(person: &Caller, code: &Value, approve: bool) -> Answer {
    let path = format!("/auth/device/{}", code["user_code"].as_str().unwrap());
    person.post(&path, json!({ "approve": approve })).await
}

#[tokio::test]
async fn v6_4_3_resetting_a_password_leaves_the_second_factor_in_force() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    let mut authenticator = with_second_factor(&bob).await;
    let code = admin.post(&format!("/admin/people/{}/reset-code", bob.user_id()), json!({})).await.ok().json();
    let stranger = Caller::stranger(&server, "203.0.113.30");
    let reset = json!({ "login": BOB, "code": code["code"], "new_password": OTHER_PASSWORD });
    stranger.post("/auth/password/reset", reset).await.ok();
    assert!(!bob.is_in().await, "sessions from before the reset go on");
    let challenge = stranger.try_login(BOB, OTHER_PASSWORD).await;
    assert_eq!(challenge.status, 202, "the reset took the second factor away: {challenge:?}");
    let ticket = challenge.json()["ticket"].as_str().unwrap().to_owned();
    assert_eq!(answer(&stranger, &ticket, "000000").await.code(), "auth.second_factor_wrong");
    answer(&stranger, &ticket, &authenticator.fresh()).await.ok();
    // The answer to who forgot is the same for everybody, so that it tells of nobody.
    let forgot = async |login: &str| stranger.post("/auth/password/forgot", json!({ "login": login })).await;
    let (known, unknown) = (forgot(BOB).await, forgot("nobody@example.org").await);
    assert_eq!((known.status, known.text), (202, unknown.text));
    server.stop().await;
}

#[tokio::test]
async fn v6_4_4_a_lost_factor_is_replaced_only_by_who_shows_as_much_or_by_an_admin() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    let eve = person(&server, "eve@example.org").await;
    let authenticator = with_second_factor(&bob).await;
    // The password alone takes nothing away, nor does a stolen session.
    for body in [json!({ "password": PASSWORD }), json!({ "password": PASSWORD, "code": "000000" })] {
        assert_eq!(bob.post("/auth/second-factor/disable", body.clone()).await.status / 100, 4);
        assert_eq!(bob.post("/auth/second-factor/recovery-codes", body.clone()).await.status / 100, 4);
        assert_eq!(bob.post("/auth/second-factor/totp", body).await.status / 100, 4);
    }
    let removal = format!("/admin/people/{}/second-factor", bob.user_id());
    for nobody in [&eve, &bob, &Caller::stranger(&server, "203.0.113.31")] {
        assert!([401, 403].contains(&nobody.delete(&removal).await.status));
    }
    let stranger = Caller::stranger(&server, "203.0.113.32");
    let waiting = ticket(&stranger, BOB).await;
    answer(&stranger, &waiting, &authenticator.recovery_codes[0]).await.ok();
    admin.delete(&removal).await.ok();
    stranger.logged_in(BOB, PASSWORD).await;
    server.stop().await;
}

#[tokio::test]
async fn v6_5_1_every_code_is_good_once() {
    let server = site(|_| {}).await;
    let (_, bob) = admin_and_member(&server).await;
    let mut authenticator = with_second_factor(&bob).await;
    let stranger = Caller::stranger(&server, "203.0.113.33");
    let code = authenticator.fresh();
    // The same code for two logins at the same moment, and once more afterwards.
    let (one, other) = (ticket(&stranger, BOB).await, ticket(&stranger, BOB).await);
    let answers = tokio::join!(answer(&stranger, &one, &code), answer(&stranger, &other, &code));
    let let_in = [&answers.0, &answers.1].iter().filter(|answer| answer.status == 200).count();
    assert_eq!(let_in, 1, "{answers:?}");
    let late = ticket(&stranger, BOB).await;
    assert_eq!(answer(&stranger, &late, &code).await.status, 401);
    // Recovery codes.
    let code = authenticator.recovery_codes[0].clone();
    let (one, other) = (ticket(&stranger, BOB).await, ticket(&stranger, BOB).await);
    let answers = tokio::join!(answer(&stranger, &one, &code), answer(&stranger, &other, &code));
    let let_in = [&answers.0, &answers.1].iter().filter(|answer| answer.status == 200).count();
    assert_eq!(let_in, 1, "{answers:?}");
    // A ticket that was answered is gone.
    let used = if answers.0.status == 200 { &one } else { &other };
    assert_eq!(answer(&stranger, used, &authenticator.recovery_codes[1]).await.status, 401);
    let left = bob.get("/auth/second-factor").await.ok().json()["recovery_codes_left"].as_u64().unwrap();
    assert!(left >= authenticator.recovery_codes.len() as u64 - 2, "{left}");
    server.stop().await;
}

#[tokio::test]
async fn v6_5_1_a_code_that_switched_the_factor_on_lets_nobody_in() {
    let server = site(|_| {}).await;
    let (_, bob) = admin_and_member(&server).await;
    let setup = bob.post("/auth/second-factor/totp", json!({ "password": PASSWORD })).await.ok().json();
    let mut authenticator = crate::harness::Authenticator::new(setup["secret"].as_str().unwrap());
    let code = authenticator.fresh();
    bob.post("/auth/second-factor/totp/confirm", json!({ "code": code })).await.ok();
    let stranger = Caller::stranger(&server, "203.0.113.34");
    let waiting = ticket(&stranger, BOB).await;
    assert_eq!(answer(&stranger, &waiting, &code).await.status, 401, "the code was seen when it was confirmed");
    server.stop().await;
}

#[tokio::test]
async fn v6_5_2_recovery_codes_are_long_and_the_store_holds_none() {
    let server = site(|_| {}).await;
    let (_, bob) = admin_and_member(&server).await;
    let authenticator = with_second_factor(&bob).await;
    let setup = person(&server, "eve@example.org").await;
    let secret =
        setup.post("/auth/second-factor/totp", json!({ "password": PASSWORD })).await.ok().json()["secret"].clone();
    let stored = dump(&server.state.store).await;
    for code in &authenticator.recovery_codes {
        let bare: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
        assert!(bits(code) >= 112.0, "{code} is short, and its digest can be searched for");
        for form in [code.clone(), bare.clone(), bare.to_lowercase(), bare.to_uppercase()] {
            assert!(!contains(&stored, form.as_bytes()), "the store holds a recovery code");
        }
    }
    // Nor the secret of an authenticator: neither as text nor as bytes.
    let secret = secret.as_str().unwrap();
    let bytes = data_encoding::BASE32_NOPAD.decode(secret.trim_end_matches('=').as_bytes()).unwrap();
    assert!(!contains(&stored, secret.as_bytes()) && !contains(&stored, &bytes), "the store holds a secret in clear");
    server.stop().await;
}

#[tokio::test]
async fn v6_5_3_codes_and_secrets_come_from_a_good_generator() {
    let server = site(|settings| settings.login_account_burst = 100).await;
    let (_, bob) = admin_and_member(&server).await;
    let mut secrets = Vec::new();
    for _ in 0..8 {
        let setup = bob.post("/auth/second-factor/totp", json!({ "password": PASSWORD })).await.ok().json();
        secrets.push(setup["secret"].as_str().unwrap().to_owned());
    }
    assert_random(&secrets);
    assert!(bits(&secrets[0]) >= 128.0, "{}", secrets[0]);
    let authenticator = with_second_factor(&bob).await;
    assert_random(&authenticator.recovery_codes);
    let stranger = Caller::stranger(&server, "203.0.113.35");
    let mut tickets = Vec::new();
    for _ in 0..8 {
        tickets.push(ticket(&stranger, BOB).await);
    }
    assert!(bits(&tickets[0]) >= 128.0, "{}", tickets[0]);
    assert_random(&tickets);
    server.stop().await;
}

#[tokio::test]
async fn v6_5_4_codes_that_another_device_takes_hold_more_than_twenty_bits() {
    let server = site(|_| {}).await;
    let stranger = Caller::stranger(&server, "203.0.113.36");
    let mut users = Vec::new();
    let mut devices = Vec::new();
    for n in 0..10 {
        let code = device_code(&stranger.clone().at(&format!("203.0.113.{}", 150 + n))).await;
        users.push(code["user_code"].as_str().unwrap().to_owned());
        devices.push(code["device_code"].as_str().unwrap().to_owned());
    }
    assert_random(&users);
    assert_random(&devices);
    assert!(users.iter().all(|code| bits(code) >= 20.0), "{users:?}");
    assert!(devices.iter().all(|code| bits(code) >= 128.0), "{devices:?}");
    server.stop().await;
}

#[tokio::test]
async fn v6_5_5_codes_end_in_time() {
    let server = site(|_| {}).await;
    let (_, bob) = admin_and_member(&server).await;
    let authenticator = with_second_factor(&bob).await;
    let stranger = Caller::stranger(&server, "203.0.113.37");
    for offset in [-20, -3, -2, 2, 3, 20] {
        let stranger = stranger.clone().at(&format!("203.0.113.{}", 180 + offset));
        let waiting = ticket(&stranger, BOB).await;
        let code = authenticator.code_at(offset);
        assert_eq!(answer(&stranger, &waiting, &code).await.status, 401, "a code of {offset} steps from now is taken");
    }
    let challenge = stranger.clone().at("203.0.113.209").try_login(BOB, PASSWORD).await.json();
    assert!((1..=600).contains(&challenge["expires_in"].as_u64().unwrap()), "{challenge}");
    let code = device_code(&stranger).await;
    assert!((1..=600).contains(&code["expires_in"].as_u64().unwrap()), "{code}");
    server.stop().await;
    // Nobody can set longer ones.
    let code = refused_setting(|settings| settings.device_code_seconds = 601).await;
    assert!(code.is_some(), "device codes of more than ten minutes can be set");
}

#[tokio::test]
async fn v6_5_5_a_device_code_past_its_time_is_refused() {
    let server = site(|settings| settings.device_code_seconds = 1).await;
    let bob = person(&server, BOB).await;
    let stranger = Caller::stranger(&server, "203.0.113.38");
    let code = device_code(&stranger).await;
    let path = format!("/auth/device/{}", code["user_code"].as_str().unwrap());
    crate::harness::until(async || bob.get(&path).await.status != 200).await;
    assert!(decide(&bob, &code, true).await.status >= 400);
    assert!(poll(&stranger, &code).await.status >= 400);
    server.stop().await;
}

#[tokio::test]
async fn v6_6_2_an_approval_is_good_for_the_request_that_was_shown_alone() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    let programs = ["203.0.113.40", "203.0.113.41", "203.0.113.42"].map(|address| Caller::stranger(&server, address));
    let [one, two, three] = &programs;
    let (first, second) = (device_code(one).await, device_code(two).await);
    decide(&bob, &second, true).await.ok();
    let codes =
        [poll(one, &first).await.code(), poll(three, &json!({ "device_code": second["user_code"] })).await.code()];
    assert_eq!(codes[0], "auth.authorization_pending");
    assert_ne!(codes[1], "", "the code that people see is taken in place of the program's");
    let let_in = poll(two, &second).await.ok();
    assert_eq!(let_in.json()["session"]["user"]["login"], BOB);
    assert!(poll(two, &second).await.status >= 400, "an approval was used twice");
    // What was decided stays so, whoever comes later with the same code.
    assert!(decide(&admin, &second, true).await.status >= 400);
    decide(&bob, &first, false).await.ok();
    assert!(decide(&admin, &first, true).await.status >= 400);
    // The ticket of one person's login with the code of another's authenticator.
    let mut of_admin = with_second_factor(&admin).await;
    with_second_factor(&bob).await;
    let waiting = ticket(three, BOB).await;
    assert_eq!(answer(three, &waiting, &of_admin.fresh()).await.status, 401);
    assert_eq!(answer(three, &waiting, &of_admin.recovery_codes[0]).await.status, 401);
    server.stop().await;
}

/// Statuses of so many guesses.
async fn guesses(count: u32, mut guess: impl AsyncFnMut(u32) -> Answer) -> Vec<u16> {
    let mut statuses = Vec::new();
    for n in 0..count {
        statuses.push(guess(n).await.status);
    }
    statuses
}

async fn second_factor_guesses(server: &TestServer) -> Vec<u16> {
    // From a new address each time, with a new ticket each time: what is counted is the account.
    guesses(40, async |n| {
        let stranger = Caller::stranger(server, &format!("192.0.2.{n}"));
        let login = stranger.try_login(BOB, PASSWORD).await;
        if login.status != 202 {
            return login;
        }
        answer(&stranger, login.json()["ticket"].as_str().unwrap(), &format!("{n:06}")).await
    })
    .await
}

#[tokio::test]
async fn v6_6_3_codes_cannot_be_guessed_one_after_the_other() {
    let server = site(|_| {}).await;
    let (_, bob) = admin_and_member(&server).await;
    let authenticator = with_second_factor(&bob).await;
    // One ticket.
    let stranger = Caller::stranger(&server, "203.0.113.43");
    let waiting = ticket(&stranger, BOB).await;
    let statuses = guesses(12, async |n| answer(&stranger, &waiting, &format!("{n:06}")).await).await;
    assert!(statuses.iter().all(|status| *status >= 400), "{statuses:?}");
    let after = answer(&stranger, &waiting, &authenticator.code_at(1)).await;
    assert!(after.status >= 400, "a ticket takes guesses without end");
    // Many tickets from many addresses.
    let statuses = second_factor_guesses(&server).await;
    assert_eq!(statuses.last(), Some(&429), "an account takes guesses without end: {statuses:?}");
    // Codes of device logins, typed by somebody who is logged in.
    let eve = person(&server, "eve@example.org").await;
    let letters = b"BCDFGHJKLMNPQRSTVWXZ";
    let statuses = guesses(200, async |n| {
        let letter = |place: u32| char::from(letters[(n as usize / 20_usize.pow(place)) % 20]);
        eve.get(&format!("/auth/device/BCDF-{}{}{}{}", letter(3), letter(2), letter(1), letter(0))).await
    })
    .await;
    assert_eq!(statuses.last(), Some(&429), "user codes can be tried without end");
    // Codes to reset a password.
    let statuses = guesses(100, async |n| {
        let reset = json!({ "login": BOB, "code": format!("aaaaa-bbbbb-{n:05}"), "new_password": OTHER_PASSWORD });
        stranger.post("/auth/password/reset", reset).await
    })
    .await;
    assert_eq!(statuses.last(), Some(&429), "codes to reset a password can be tried without end");
    server.stop().await;
}
