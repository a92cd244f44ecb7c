//! What people do about their own accounts: password, logins, second factor.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use coditect_api::settings::Mailing;
use coditect_protocol::auth::{
    Ended, RecoveryCodes, SecondFactorChallenge, SecondFactorStatus, SessionEntry, TokenAnswer, TotpSetup,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha1::Sha1;
use support::{PASSWORD, Person, TestServer, Tokens, refusal, server};

const OTHER_PASSWORD: &str = "green kettle 4 dances";
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// The code of an authenticator, so many steps of 30 s from now.
fn code(secret: &str, steps: u64) -> String {
    let key = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let step = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 30 + steps;
    let mut mac = Hmac::<Sha1>::new_from_slice(&key).unwrap();
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let at = usize::from(digest[19] & 15);
    let number = u32::from_be_bytes(digest[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// The cookies that an answer sets, as a browser sends them back.
fn cookies(response: &reqwest::Response) -> String {
    let set = response.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    set.map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

fn csrf(response: &reqwest::Response) -> String {
    let cookies = cookies(response);
    cookies.split("; ").find_map(|cookie| cookie.strip_prefix("coditect_csrf=")).unwrap().to_owned()
}

#[tokio::test]
async fn changing_the_password_ends_every_other_login() {
    let server = server(|_| {}).await;
    let ada = server.person("ada").await;
    let other = server.log_in("ada", PASSWORD).await;
    let mut page = other.page().await;
    let change = |current: &str, new: &str| json!({"current_password": current, "new_password": new});
    assert_eq!(
        ada.refused_to("POST", "/auth/password", change("not the password", OTHER_PASSWORD)).await,
        (403, "auth.wrong_password".to_owned())
    );
    assert_eq!(
        ada.refused_to("POST", "/auth/password", change(PASSWORD, "short")).await,
        (400, "auth.weak_password".to_owned())
    );
    let now: Tokens = ada.ask("POST", "/auth/password", change(PASSWORD, OTHER_PASSWORD)).await;
    assert_eq!(now.session.session_id, ada.token.session.session_id);
    // Copies of the tokens until now are worth nothing, and end nothing.
    let refresh = async |token: &str| server.post("/auth/refresh", &json!({ "refresh_token": token })).await;
    assert_eq!(refusal(refresh(&ada.token.refresh_token).await).await, (401, "auth.invalid_token".to_owned()));
    assert_eq!(refresh(&now.refresh_token).await.status(), 200);
    ada.ask::<Value>("GET", "/auth/me", Value::Null).await;
    assert_eq!(page.farewell().await.code, "auth.session_ended");
    assert_eq!(other.refused_to("GET", "/auth/me", Value::Null).await, (401, "auth.session_ended".to_owned()));
    assert_eq!(refusal(server.try_log_in("ada", PASSWORD).await).await.1, "auth.bad_credentials");
    server.log_in("ada", OTHER_PASSWORD).await;
    server.stop().await;
}

#[tokio::test]
async fn a_page_that_changes_the_password_goes_on_with_new_cookies_and_sees_no_token() {
    let server = server(|_| {}).await;
    let here = server.url("");
    let login = json!({"login": "ada", "password": PASSWORD});
    let page = |request: reqwest::RequestBuilder| request.header("origin", &here);
    let http = reqwest::Client::new();
    let registered = page(http.post(server.url("/api/v5/auth/register"))).json(&login).send().await.unwrap();
    let (before, csrf) = (cookies(&registered), csrf(&registered));
    let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    let changed = page(http.post(server.url("/api/v5/auth/password")))
        .header("cookie", &before)
        .header("x-coditect-csrf", &csrf)
        .json(&change);
    let changed = changed.send().await.unwrap();
    assert_eq!(changed.status(), 200);
    let after = cookies(&changed);
    let told: Value = changed.json().await.unwrap();
    assert!(told.get("access_token").is_none() && told.get("refresh_token").is_none(), "{told}");
    let refresh = async |cookies: &str| {
        page(http.post(server.url("/api/v5/auth/refresh"))).header("cookie", cookies).send().await.unwrap().status()
    };
    assert_eq!((refresh(&before).await.as_u16(), refresh(&after).await.as_u16()), (401, 200));
    server.stop().await;
}

#[tokio::test]
async fn logins_are_listed_and_ended() {
    let server = server(|_| {}).await;
    let ada = server.person("ada").await;
    let (second, third) = (server.log_in("ada", PASSWORD).await, server.log_in("ada", PASSWORD).await);
    let eve = server.person("eve").await;
    let sessions: Vec<SessionEntry> = ada.ask("GET", "/auth/sessions", Value::Null).await;
    assert_eq!(sessions.len(), 3);
    let current: Vec<_> = sessions.iter().filter(|entry| entry.current).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0].id, ada.token.session.session_id);
    assert_eq!(current[0].address.as_deref(), Some("127.0.0.1"));
    let path = format!("/auth/sessions/{}", second.token.session.session_id);
    let unknown = (404, "auth.no_such_session".to_owned());
    assert_eq!(eve.refused_to("DELETE", &path, Value::Null).await, unknown);
    for id in [NOBODY, "not-an-id"] {
        assert_eq!(ada.refused_to("DELETE", &format!("/auth/sessions/{id}"), Value::Null).await, unknown);
    }
    ada.ask::<()>("DELETE", &path, Value::Null).await;
    assert_eq!(second.refused_to("GET", "/auth/me", Value::Null).await, (401, "auth.session_ended".to_owned()));
    let ended: Ended = ada.ask("DELETE", "/auth/sessions", Value::Null).await;
    assert_eq!(ended.ended, 1);
    assert_eq!(third.refused_to("GET", "/auth/me", Value::Null).await.1, "auth.session_ended");
    ada.ask::<Value>("GET", "/auth/me", Value::Null).await;
    eve.ask::<Value>("GET", "/auth/me", Value::Null).await;
    server.stop().await;
}

#[tokio::test]
async fn a_forgotten_password_is_reset_with_a_mailed_code() {
    let server = server(|settings| settings.mail = Mailing::File).await;
    let admin = server.person("admin").await;
    let ada = server.person("ada@example.org").await;
    // The same answer for whom there is not.
    for login in ["nobody@example.org", "ada@example.org", "not a login"] {
        let answer = server.post("/auth/password/forgot", &json!({"login": login})).await;
        assert_eq!(answer.status(), 202, "{login}");
        assert_eq!(answer.text().await.unwrap(), "");
    }
    let folder = server.dir.path().join("data/mail");
    let mails = || {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
        let whole = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "eml"));
        whole.map(|path| std::fs::read_to_string(path).unwrap()).collect::<Vec<_>>()
    };
    support::until(|| !mails().is_empty()).await;
    assert_eq!(mails().len(), 1);
    let reset = |code: &str| json!({"login": "ada@example.org", "code": code, "new_password": OTHER_PASSWORD});
    let wrong = server.post("/auth/password/reset", &reset("AAAA-AAAA-AAAA-AAAA")).await;
    assert_eq!(refusal(wrong).await, (400, "auth.reset_code_wrong".to_owned()));
    // An admin's code does it as well, and ends what was before.
    let path = format!("/admin/people/{}/reset-code", ada.token.session.user.id);
    let made: coditect_protocol::auth::ResetCode = admin.ask("POST", &path, Value::Null).await;
    assert_eq!(server.post("/auth/password/reset", &reset(&made.code)).await.status(), 204);
    assert_eq!(refusal(server.post("/auth/password/reset", &reset(&made.code)).await).await.1, "auth.reset_code_wrong");
    assert_eq!(ada.refused_to("GET", "/auth/me", Value::Null).await.1, "auth.session_ended");
    server.log_in("ada@example.org", OTHER_PASSWORD).await;
    server.stop().await;
}

/// Somebody whose logins ask for a second factor, its secret and the recovery codes.
async fn with_second_factor(server: &TestServer) -> (Person, String, Vec<String>) {
    let ada = server.person("ada").await;
    let again = json!({"password": PASSWORD});
    assert_eq!(
        ada.refused_to("POST", "/auth/second-factor/totp", json!({"password": "wrong"})).await,
        (403, "auth.wrong_password".to_owned())
    );
    assert_eq!(
        ada.refused_to("POST", "/auth/second-factor/totp/confirm", json!({"code": "000000"})).await.1,
        "auth.second_factor_missing"
    );
    let setup: TotpSetup = ada.ask("POST", "/auth/second-factor/totp", again.clone()).await;
    assert!(setup.uri.starts_with("otpauth://totp/") && setup.qr_svg.contains("<svg"));
    let status: SecondFactorStatus = ada.ask("GET", "/auth/second-factor", Value::Null).await;
    assert!(!status.enabled);
    let codes: RecoveryCodes =
        ada.ask("POST", "/auth/second-factor/totp/confirm", json!({"code": code(&setup.secret, 0)})).await;
    let status: SecondFactorStatus = ada.ask("GET", "/auth/second-factor", Value::Null).await;
    assert!(status.enabled && usize::try_from(status.recovery_codes_left).unwrap() == codes.codes.len());
    assert_eq!(
        ada.refused_to("POST", "/auth/second-factor/totp", json!({"password": PASSWORD, "code": codes.codes[0]})).await,
        (409, "auth.second_factor_enabled".to_owned())
    );
    (ada, setup.secret, codes.codes)
}

async fn challenge(server: &TestServer) -> SecondFactorChallenge {
    let response = server.try_log_in("ada", PASSWORD).await;
    assert_eq!(response.status(), 202);
    assert!(!response.headers().contains_key("set-cookie"));
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.json().await.unwrap()
}

#[tokio::test]
async fn a_login_asks_for_the_second_factor() {
    let server = server(|_| {}).await;
    let (ada, secret, codes) = with_second_factor(&server).await;
    let answer = async |ticket: &str, code: &str| {
        server.post("/auth/login/second-factor", &json!({"ticket": ticket, "code": code})).await
    };
    let waiting = challenge(&server).await;
    assert_eq!(refusal(answer(&waiting.ticket, "000000").await).await, (401, "auth.second_factor_wrong".to_owned()));
    assert_eq!(refusal(answer("forged", "000000").await).await, (401, "auth.second_factor_ticket".to_owned()));
    // The code of this step was used to confirm it; the next one is taken a little early.
    let done = answer(&waiting.ticket, &code(&secret, 1)).await;
    assert_eq!(done.status(), 200);
    assert!(done.headers().contains_key("set-cookie"));
    let token: TokenAnswer = done.json().await.unwrap();
    assert_eq!(token.session.user.id, ada.token.session.user.id);
    let waiting = challenge(&server).await;
    let replayed = answer(&waiting.ticket, &code(&secret, 1)).await;
    assert_eq!(refusal(replayed).await, (401, "auth.second_factor_wrong".to_owned()));
    assert_eq!(answer(&waiting.ticket, &codes[1]).await.status(), 200);
    let waiting = challenge(&server).await;
    assert_eq!(refusal(answer(&waiting.ticket, &codes[1]).await).await.1, "auth.second_factor_wrong");
    server.stop().await;
}

#[tokio::test]
async fn the_second_factor_is_changed_only_with_itself() {
    let server = server(|_| {}).await;
    let (ada, _, codes) = with_second_factor(&server).await;
    let proof = |code: &str| json!({"password": PASSWORD, "code": code});
    for path in ["/auth/second-factor/recovery-codes", "/auth/second-factor/disable"] {
        assert_eq!(
            ada.refused_to("POST", path, json!({"password": PASSWORD})).await,
            (401, "auth.second_factor_wrong".to_owned()),
            "{path}"
        );
    }
    let renewed: RecoveryCodes = ada.ask("POST", "/auth/second-factor/recovery-codes", proof(&codes[2])).await;
    assert_eq!(ada.refused_to("POST", "/auth/second-factor/disable", proof(&codes[3])).await.0, 401);
    ada.ask::<()>("POST", "/auth/second-factor/disable", proof(&renewed.codes[0])).await;
    assert_eq!(
        ada.refused_to("POST", "/auth/second-factor/disable", json!({"password": PASSWORD})).await,
        (409, "auth.second_factor_missing".to_owned())
    );
    server.log_in("ada", PASSWORD).await;
    server.stop().await;
}
