//! Changing and resetting passwords, and the mails about it.

use async_trait::async_trait;
use coditect_protocol::auth::{NewToken, PasswordChange, PasswordForgotten, PasswordReset, PersonChange, Scope};
use tokio::sync::Notify;

use super::*;
use crate::settings::Rate;
use crate::{Mail, MailError, Mailer, rows};

const NEW: &str = "lamp otter nine quartz";

/// Keeps the mails.
#[derive(Default)]
struct Outbox {
    mails: Mutex<Vec<Mail>>,
    arrived: Notify,
}

#[async_trait]
impl Mailer for Outbox {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        self.mails.lock().unwrap().push(mail.clone());
        self.arrived.notify_one();
        Ok(())
    }
}

impl Outbox {
    /// The next mail.
    async fn next(&self) -> Mail {
        loop {
            let arrived = self.arrived.notified();
            if let Some(mail) = self.mails.lock().unwrap().pop() {
                return mail;
            }
            arrived.await;
        }
    }

    fn is_empty(&self) -> bool {
        self.mails.lock().unwrap().is_empty()
    }
}

async fn with_mail() -> (Server, Arc<Outbox>) {
    let mut server = Server::new().await;
    let outbox = Arc::new(Outbox::default());
    server.auth = server.auth.with_mailer(Arc::<Outbox>::clone(&outbox));
    (server, outbox)
}

/// The code in a mail.
fn code_in(mail: &Mail) -> String {
    let is_code = |word: &&str| word.len() == 35 && word.split('-').count() == 6;
    mail.text.split_whitespace().find(is_code).unwrap_or_else(|| panic!("{}", mail.text)).to_owned()
}

fn change(current: &str, new: &str) -> PasswordChange {
    PasswordChange { current_password: current.to_owned(), new_password: new.to_owned(), code: None }
}

fn reset_with(login: &str, code: &str, new: &str) -> PasswordReset {
    PasswordReset { login: login.to_owned(), code: code.to_owned(), new_password: new.to_owned() }
}

async fn forgot(server: &Server, login: &str) {
    server.auth.forgot_password(&PasswordForgotten { login: login.to_owned() }, &device()).await.unwrap();
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions_and_is_told_by_mail() {
    let (server, outbox) = with_mail().await;
    let here = server.register("ada@example.org").await.unwrap();
    let elsewhere = server.login("ada@example.org", PASSWORD).await.unwrap();
    let identity = server.identity(&here).await;
    server.events();
    let wrong = server.auth.change_password(&identity, &change("another password", NEW), &device()).await;
    assert_eq!(code(wrong), "auth.wrong_password");
    for new in ["short", PASSWORD] {
        let changed = server.auth.change_password(&identity, &change(PASSWORD, new), &device()).await;
        assert_eq!(code(changed), "auth.weak_password", "{new}");
    }
    server.auth.change_password(&identity, &change(PASSWORD, NEW), &device()).await.unwrap();
    assert_eq!(server.events(), [AuditAction::ConfirmationFailed, AuditAction::PasswordChanged]);
    let mail = outbox.next().await;
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), ("ada@example.org", "Your password was changed"));
    assert!(!mail.text.contains(NEW) && !mail.text.contains(PASSWORD));
    server.auth.check(&here.access_token).await.unwrap();
    assert_eq!(code(server.auth.check(&elsewhere.access_token).await), "auth.session_ended");
    assert_eq!(code(server.refresh(&elsewhere.refresh_token).await), "auth.session_ended");
    assert_eq!(code(server.login("ada@example.org", PASSWORD).await), "auth.bad_credentials");
    server.login("ada@example.org", NEW).await.unwrap();
}

#[tokio::test]
async fn after_a_change_the_session_goes_on_with_tokens_that_nobody_has_copied() {
    let server = Server::new().await;
    let other = server.other(cheap()).await;
    let before = server.register("ada@example.org").await.unwrap();
    server.wait(Duration::from_secs(60));
    let identity = other.auth.check(&before.access_token).await.unwrap();
    let following = tokio::spawn(other.auth.clone().run_maintenance(std::future::pending()));
    let after = server.auth.change_password(&identity, &change(PASSWORD, NEW), &device()).await.unwrap();
    assert_eq!(after.session.session_id, before.session.session_id);
    // The thief's copy lets nobody in, and does not end the session of its person either.
    assert_eq!(code(server.refresh(&before.refresh_token).await), "auth.invalid_token");
    let next = server.refresh(&after.refresh_token).await.unwrap();
    server.auth.check(&next.access_token).await.unwrap();
    assert_ne!(after.csrf_token, before.csrf_token);
    let (token, stale) = (after.access_token.as_str(), before.csrf_token.as_str());
    let refused = async |auth: &Auth| {
        let identity = auth.check(token).await.unwrap();
        code(auth.check_csrf(&identity, Some(stale))) == "auth.csrf"
    };
    assert!(refused(&server.auth).await);
    until(|| refused(&other.auth)).await;
    let from = Device { known: after.device_token.clone(), ..device() };
    let again = done(server.auth.login(&credentials("ada@example.org", NEW), &from).await.unwrap()).unwrap();
    assert_eq!(again.device_token, None, "the device is known under the new password");
    following.abort();
}

#[tokio::test]
async fn a_session_that_ended_meanwhile_changes_no_password() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    let identity = server.identity(&login).await;
    server.auth.logout(login.session.session_id, &device()).await.unwrap();
    let changed = server.auth.change_password(&identity, &change(PASSWORD, NEW), &device()).await;
    assert_eq!(code(changed), "auth.session_ended");
    server.login("ada@example.org", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_reset_revokes_the_tokens_and_a_change_keeps_them() {
    let (server, outbox) = with_mail().await;
    let other = server.other(cheap()).await;
    let login = server.register("ada@example.org").await.unwrap();
    let identity = server.identity(&login).await;
    let new = NewToken {
        name: "backup".to_owned(),
        scopes: vec![Scope::Llm],
        expires_in_days: 1,
        password: PASSWORD.to_owned(),
        code: None,
    };
    let made = server.auth.make_token(&identity, &new, &device()).await.unwrap();
    server.auth.change_password(&identity, &change(PASSWORD, NEW), &device()).await.unwrap();
    assert_eq!(outbox.next().await.subject, "Your password was changed");
    server.auth.check(&made.token).await.unwrap();
    other.auth.check(&made.token).await.unwrap();
    forgot(&server, "ada@example.org").await;
    let typed = code_in(&outbox.next().await);
    server.auth.reset_password(&reset_with("ada@example.org", &typed, PASSWORD), &device()).await.unwrap();
    assert_eq!(code(server.auth.check(&made.token).await), "auth.invalid_token");
    server.wait(Duration::from_secs(1));
    assert_eq!(code(other.auth.check(&made.token).await), "auth.invalid_token");
    let login = server.login("ada@example.org", PASSWORD).await.unwrap();
    assert_eq!(server.auth.tokens(&server.identity(&login).await).await.unwrap(), []);
}

#[tokio::test]
async fn a_stolen_session_cannot_guess_the_password_for_ever() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    let identity = server.identity(&login).await;
    let burst = server.auth.settings().attempts_per_account.burst;
    for n in 0..burst {
        let from = device_at(&format!("203.0.113.{n}"));
        let changed = server.auth.change_password(&identity, &change("a wrong guess", NEW), &from).await;
        assert_eq!(code(changed), "auth.wrong_password");
    }
    let before = server.auth.inner.hasher.computed();
    let changed = server.auth.change_password(&identity, &change(PASSWORD, NEW), &device()).await;
    assert_eq!(code(changed), "auth.too_many_attempts");
    assert_eq!(server.auth.inner.hasher.computed(), before, "nothing is hashed for who is throttled");
    server.login("ada@example.org", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_forgotten_password_is_reset_with_the_code_of_a_mail_once() {
    let (server, outbox) = with_mail().await;
    let login = server.register("Ada@example.org").await.unwrap();
    forgot(&server, "ada@example.org").await;
    let mail = outbox.next().await;
    assert_eq!(mail.to, "ada@example.org");
    let typed = code_in(&mail);
    for (login, code_typed) in
        [("ada@example.org", "aaaaa-aaaaa"), ("eve@example.org", &typed), ("nonsense", ""), ("bob", &typed)]
    {
        let wrong = server.auth.reset_password(&reset_with(login, code_typed, NEW), &device()).await;
        assert_eq!(code(wrong), "auth.reset_code_wrong");
    }
    let weak = server.auth.reset_password(&reset_with("ada@example.org", &typed, "Password1234"), &device()).await;
    assert_eq!(code(weak), "auth.weak_password", "which does not use up the code");
    let sloppy = format!(" {} ", typed.to_uppercase().replace('-', " "));
    server.events();
    server.auth.reset_password(&reset_with(" ADA@example.org", &sloppy, NEW), &device()).await.unwrap();
    assert_eq!(server.events(), [AuditAction::PasswordReset]);
    assert_eq!(outbox.next().await.subject, "Your password was reset");
    assert_eq!(code(server.auth.check(&login.access_token).await), "auth.session_ended");
    let again = server.auth.reset_password(&reset_with("ada@example.org", &typed, PASSWORD), &device()).await;
    assert_eq!(code(again), "auth.reset_code_wrong");
    server.login("ada@example.org", NEW).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_use_one_code_at_once_on_two_servers_one_sets_the_password() {
    let (server, outbox) = with_mail().await;
    let other = server.other(cheap()).await;
    server.register("ada@example.org").await.unwrap();
    forgot(&server, "ada@example.org").await;
    let typed = code_in(&outbox.next().await);
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let auth = if n % 2 == 0 { server.auth.clone() } else { other.auth.clone() };
            let reset = reset_with("ada@example.org", &typed, &format!("lamp otter quartz {n}{n}"));
            tokio::spawn(async move { code(auth.reset_password(&reset, &device()).await) })
        })
        .collect();
    let mut codes = Vec::new();
    for task in tasks {
        codes.push(task.await.unwrap());
    }
    let count = |wanted: &str| codes.iter().filter(|code| **code == wanted).count();
    assert_eq!((count("ok"), count("auth.reset_code_wrong")), (1, 7), "{codes:?}");
}

#[tokio::test]
async fn a_code_ends_by_time_by_tries_by_another_code_and_with_the_password_it_replaces() {
    let (server, outbox) = with_mail().await;
    let many = Rate { burst: 1000, refill: Duration::from_secs(1) };
    let settings = AuthSettings {
        attempts_per_account: many,
        attempts_per_address: many,
        mailed_codes_per_account: many,
        ..cheap()
    };
    let mut server = server.other(settings).await;
    server.auth = server.auth.with_mailer(Arc::<Outbox>::clone(&outbox));
    let login = server.register("ada@example.org").await.unwrap();
    let identity = server.identity(&login).await;
    let try_code = |typed: String| {
        let auth = server.auth.clone();
        async move { code(auth.reset_password(&reset_with("ada@example.org", &typed, NEW), &device()).await) }
    };
    let fresh = || async {
        forgot(&server, "ada@example.org").await;
        code_in(&outbox.next().await)
    };
    let late = fresh().await;
    server.wait(server.auth.settings().reset_code_lifetime);
    assert_eq!(try_code(late).await, "auth.reset_code_wrong");

    let replaced = fresh().await;
    let next = fresh().await;
    assert_eq!(try_code(replaced).await, "auth.reset_code_wrong");

    // Tries that begin otherwise cost nothing: nobody who has not seen the code can void it.
    for _ in 0..50 {
        assert_eq!(try_code("bbbbb-bbbbb-bbbbb-bbbbb-bbbbb-bbbbb".to_owned()).await, "auth.reset_code_wrong");
    }
    for n in 0..5 {
        assert_eq!(try_code(format!("{}-{n}", &next[..29])).await, "auth.reset_code_wrong");
    }
    assert_eq!(try_code(next).await, "auth.reset_code_wrong", "five tries were the most");

    let outdated = fresh().await;
    server.auth.change_password(&identity, &change(PASSWORD, "gravel lamp orbit otter"), &device()).await.unwrap();
    assert_eq!(outbox.next().await.subject, "Your password was changed");
    assert_eq!(try_code(outdated).await, "auth.reset_code_wrong");
    let good = fresh().await;
    assert_eq!(try_code(good).await, "ok");
}

#[tokio::test]
async fn an_admins_code_does_the_same_and_a_mail_does_not_void_it() {
    let (server, outbox) = with_mail().await;
    let admin = server.register("admin@example.org").await.unwrap();
    let admin = server.identity(&admin).await;
    let person = server.register("ada@example.org").await.unwrap();
    let member = server.identity(&person).await;
    let id = person.session.user.id;
    assert_eq!(code(server.auth.issue_reset_code(&member, id, &device()).await), "auth.not_admin");
    let unknown = coditect_protocol::UserId(uuid::Uuid::nil());
    assert_eq!(code(server.auth.issue_reset_code(&admin, unknown, &device()).await), "auth.no_such_person");
    server.events();
    let issued = server.auth.issue_reset_code(&admin, id, &device()).await.unwrap();
    assert_eq!(issued.expires_at, START + 30 * 60 * 1000);
    let event = server.events.0.lock().unwrap().pop().unwrap();
    assert_eq!((event.action, event.user, event.actor), (AuditAction::ResetCodeIssued, Some(id), Some(admin.user.id)));
    forgot(&server, "ada@example.org").await;
    let mailed = code_in(&outbox.next().await);
    server.auth.reset_password(&reset_with("ada@example.org", &issued.code, NEW), &device()).await.unwrap();
    let second = server.auth.reset_password(&reset_with("ada@example.org", &mailed, PASSWORD), &device()).await;
    assert_eq!(code(second), "auth.reset_code_wrong", "the other one ends with the password");
    for bytes in server.dump().await {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains(&issued.code[6..]) && !text.contains(&mailed.replace('-', "")));
    }
}

#[tokio::test]
async fn asking_for_a_code_tells_nobody_whether_there_is_an_account() {
    let (server, outbox) = with_mail().await;
    let person = server.register("ada@example.org").await.unwrap();
    server.register("Grace").await.unwrap();
    for login in ["eve@example.org", "Grace", "", "no login", "a@b@c"] {
        forgot(&server, login).await;
    }
    // The account's own mails are the last to come, so that others would have come before.
    for _ in 0..3 {
        forgot(&server, "ada@example.org").await;
        assert_eq!(outbox.next().await.to, "ada@example.org");
        assert!(outbox.is_empty());
    }
    // More than three at once are not sent, and nobody is told.
    forgot(&server, "ada@example.org").await;
    assert!(outbox.is_empty());
    assert!(!server.events().contains(&AuditAction::LoginThrottled));
    let hashes = server.auth.inner.hasher.computed();
    let id = person.session.user.id;
    let row = server.store.transact(|tx| async move { rows::user(&tx, id).await }).await;
    let row: Result<_, StoreError> = row;
    assert_eq!(row.unwrap().unwrap().login, "ada@example.org");
    assert_eq!(server.auth.inner.hasher.computed(), hashes, "no password is hashed for it");
}

#[tokio::test]
async fn a_disabled_person_gets_no_mail_and_nobody_is_mailed_where_mail_is_off() {
    let (server, outbox) = with_mail().await;
    let admin = server.register("admin@example.org").await.unwrap();
    let admin = server.identity(&admin).await;
    let person = server.register("ada@example.org").await.unwrap();
    let change = PersonChange { role: None, disabled: Some(true) };
    server.auth.change_person(&admin, person.session.user.id, &change, &device()).await.unwrap();
    forgot(&server, "ada@example.org").await;
    forgot(&server, "admin@example.org").await;
    assert_eq!(outbox.next().await.to, "admin@example.org");
    assert!(server.auth.config().sends_mail);
    let without = server.other(cheap()).await;
    assert!(!without.auth.config().sends_mail);
    forgot(&without, "admin@example.org").await;
    assert!(outbox.is_empty());
}

#[tokio::test]
async fn a_mail_names_only_the_address_of_the_settings() {
    let (server, outbox) = with_mail().await;
    let mut server = server.other(AuthSettings { public_url: "https://ide.example.org".to_owned(), ..cheap() }).await;
    server.auth = server.auth.with_mailer(Arc::<Outbox>::clone(&outbox));
    server.register("ada@example.org").await.unwrap();
    forgot(&server, "ada@example.org").await;
    let mail = outbox.next().await;
    assert!(mail.text.contains("Enter it at https://ide.example.org."), "{}", mail.text);
    assert!(mail.text.is_ascii() && mail.text.contains("30 minutes"), "{}", mail.text);
}

#[tokio::test]
async fn another_master_key_is_refused_at_the_start_and_a_new_one_in_front_is_not() {
    let server = Server::new().await;
    let open = |key: MasterKey| {
        let store = server.store.clone();
        async move { Auth::open(store, cheap(), key).await }
    };
    let other = MasterKey::from_bytes([8; 32]);
    let error = open(other.clone()).await.unwrap_err();
    assert_eq!(error.code(), "auth.master_key");
    assert!(error.to_string().contains("key file"), "{error}");
    let both = MasterKey::parse(format!("{}{}", *other.reveal(), *master().reveal()).as_bytes()).unwrap();
    open(both).await.unwrap();
    open(other).await.unwrap();
    assert_eq!(code(open(master()).await), "auth.master_key", "everything has been sealed again");
}
