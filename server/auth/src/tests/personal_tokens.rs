//! Personal access tokens, good and bad.

use coditect_protocol::auth::{NewToken, PersonChange, Role, Scope, TokenMade};
use coditect_protocol::{Kind, TerminalId, TokenId, UserId, WorkspaceId};
use uuid::Uuid;

use super::*;
use crate::{Credential, Ending, NewTerminalToken, TerminalHost};

fn new_token(scopes: &[Scope]) -> NewToken {
    NewToken {
        name: " backup script ".to_owned(),
        scopes: scopes.to_vec(),
        expires_in_days: 30,
        password: PASSWORD.to_owned(),
        code: None,
    }
}

/// A server, its admin, and a token of theirs.
async fn with_token(scopes: &[Scope]) -> (Server, Identity, TokenMade) {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    let ada = server.identity(&login).await;
    let made = server.auth.make_token(&ada, &new_token(scopes), &device()).await.unwrap();
    (server, ada, made)
}

#[tokio::test]
async fn a_token_acts_for_its_person_within_its_scopes() {
    let (server, ada, made) = with_token(&[Scope::Llm, Scope::FilesRead, Scope::Llm]).await;
    assert_eq!(made.entry.name, "backup script");
    assert_eq!(made.entry.scopes, [Scope::FilesRead, Scope::Llm]);
    assert!(made.token.ends_with(&made.entry.ends_with) && made.entry.ends_with.len() == 4);
    assert_eq!(made.entry.expires_at, START + millis(30 * DAY));
    let identity = server.auth.check(&made.token).await.unwrap();
    assert_eq!(identity.user, ada.user);
    assert_eq!(identity.expires_at, made.entry.expires_at);
    assert_eq!(
        identity.credential,
        Credential::Token { id: made.entry.id, scopes: made.entry.scopes.clone(), workspace: None }
    );
    identity.require(Scope::Llm).unwrap();
    let error = identity.require(Scope::FilesWrite).unwrap_err();
    assert_eq!((error.code(), error.kind()), ("auth.scope", Kind::Forbidden));
    assert!(error.to_string().contains("files:write"), "{error}");
    assert_eq!(server.auth.check_again(&identity).await.unwrap(), identity);
    let all: Vec<_> = Scope::ALL.into_iter().filter(|scope| ada.require(*scope).is_err()).collect();
    assert!(all.is_empty(), "a session may do everything");
    let events = server.events();
    assert_eq!(events.last(), Some(&AuditAction::TokenMade));
}

#[tokio::test]
async fn a_token_never_does_what_only_a_login_may() {
    let (server, _, made) = with_token(&Scope::ALL).await;
    let token = server.auth.check(&made.token).await.unwrap();
    assert_eq!((token.session_id(), token.csrf_token().as_str()), (None, ""));
    for header in [None, Some("")] {
        assert_eq!(code(server.auth.check_csrf(&token, header)), "auth.csrf");
    }
    let new = new_token(&[Scope::Llm]);
    let session = token.session_info().session_id;
    for outcome in [
        code(token.require_session()),
        code(server.auth.sessions(&token).await),
        code(server.auth.end_session(&token, session, &device()).await),
        code(server.auth.end_other_sessions(&token, &device()).await),
        code(server.auth.tokens(&token).await),
        code(server.auth.make_token(&token, &new, &device()).await),
        code(server.auth.revoke_token(&token, made.entry.id, &device()).await),
    ] {
        assert_eq!(outcome, "auth.needs_login");
    }
    assert_eq!(code(server.auth.check_session(session).await), "auth.session_ended", "its id is no session's");
}

#[tokio::test]
async fn an_admins_token_needs_the_scope_and_a_member_gets_none() {
    let (server, ada, made) = with_token(&[Scope::Llm]).await;
    let bob = server.register("bob@example.org").await.unwrap();
    let plain = server.auth.check(&made.token).await.unwrap();
    assert_eq!(code(plain.require_admin()), "auth.scope");
    let made = server.auth.make_token(&ada, &new_token(&[Scope::Admin]), &device()).await.unwrap();
    let admin = server.auth.check(&made.token).await.unwrap();
    admin.require_admin().unwrap();
    assert_eq!(server.auth.end_sessions_of(&admin, bob.session.user.id, &device()).await.unwrap().ended, 1);
    let bob = server.login("bob@example.org", PASSWORD).await.unwrap();
    let member = server.identity(&bob).await;
    let refused = server.auth.make_token(&member, &new_token(&[Scope::Admin]), &device()).await;
    assert_eq!(code(refused), "auth.not_admin");
}

#[tokio::test]
async fn what_cannot_be_a_token_is_refused_with_the_reason() {
    let (server, ada, _) = with_token(&[Scope::Llm]).await;
    type Change = fn(&mut NewToken);
    let changes: [(Change, &str); 9] = [
        (|new| new.name = "  ".to_owned(), "name"),
        (|new| new.name = "x".repeat(101), "name"),
        (|new| new.name = "a\nb".to_owned(), "name"),
        (|new| new.scopes.clear(), "scope"),
        (|new| new.expires_in_days = 0, "366"),
        (|new| new.expires_in_days = 367, "366"),
        (|new| new.expires_in_days = u32::MAX, "366"),
        (|new| new.password = "tin gravel orbit eight".to_owned(), "password"),
        (|new| new.password = String::new(), "password"),
    ];
    for (n, (change, word)) in changes.into_iter().enumerate() {
        let mut new = new_token(&[Scope::Llm]);
        change(&mut new);
        let error = server.auth.make_token(&ada, &new, &device()).await.unwrap_err();
        let (code, kind) = if word == "password" {
            ("auth.wrong_password", Kind::Forbidden)
        } else {
            ("auth.bad_token_request", Kind::Invalid)
        };
        assert_eq!((error.code(), error.kind()), (code, kind), "{n}");
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(server.auth.tokens(&ada).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_person_has_a_bounded_number_of_tokens() {
    let server = Server::with(AuthSettings { tokens_per_person: 3, ..cheap() }).await;
    let ada = server.identity(&server.register("ada@example.org").await.unwrap()).await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(server.auth.make_token(&ada, &new_token(&[Scope::Llm]), &device()).await.unwrap());
    }
    let error = server.auth.make_token(&ada, &new_token(&[Scope::Llm]), &device()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("auth.too_many_tokens", Kind::Conflict));
    server.auth.revoke_token(&ada, made[0].entry.id, &device()).await.unwrap();
    server.auth.make_token(&ada, &new_token(&[Scope::Llm]), &device()).await.unwrap();
    let bob = server.identity(&server.register("bob@example.org").await.unwrap()).await;
    server.auth.make_token(&bob, &new_token(&[Scope::Llm]), &device()).await.unwrap();
    assert_eq!((server.auth.tokens(&ada).await.unwrap().len(), server.auth.tokens(&bob).await.unwrap().len()), (3, 1));
}

#[tokio::test]
async fn a_revoked_token_is_refused_everywhere_and_only_its_person_revokes_it() {
    let (server, ada, made) = with_token(&[Scope::Llm]).await;
    let other = server.other(cheap()).await;
    let following = tokio::spawn(other.auth.clone().run_maintenance(std::future::pending()));
    let bob = server.identity(&server.register("bob@example.org").await.unwrap()).await;
    let identity = other.auth.check(&made.token).await.unwrap();
    for id in [made.entry.id, TokenId(Uuid::nil())] {
        let error = server.auth.revoke_token(&bob, id, &device()).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), ("auth.no_such_token", Kind::NotFound));
    }
    assert!(server.auth.tokens(&bob).await.unwrap().is_empty());
    let mut listening = server.auth.ended();
    server.auth.revoke_token(&ada, made.entry.id, &device()).await.unwrap();
    assert_eq!(listening.recv().await.unwrap(), Ending::Token(made.entry.id));
    assert_eq!(code(server.auth.check(&made.token).await), "auth.invalid_token");
    until(|| async { code(other.auth.check(&made.token).await) == "auth.invalid_token" }).await;
    assert_eq!(code(other.auth.check_again(&identity).await), "auth.invalid_token");
    assert_eq!(code(server.auth.revoke_token(&ada, made.entry.id, &device()).await), "auth.no_such_token");
    assert_eq!(server.events().last(), Some(&AuditAction::TokenRevoked));
    following.abort();
}

#[tokio::test]
async fn a_token_ends_to_the_millisecond_and_is_swept() {
    let (server, _, made) = with_token(&[Scope::Llm]).await;
    let rows = server.dump().await.len();
    server.wait(30 * DAY - Duration::from_millis(1));
    server.auth.check(&made.token).await.unwrap();
    server.wait(Duration::from_millis(1));
    let error = server.auth.check(&made.token).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("auth.expired_token", Kind::Unauthenticated));
    let login = server.login("ada@example.org", PASSWORD).await.unwrap();
    assert!(server.auth.tokens(&server.identity(&login).await).await.unwrap().is_empty());
    server.auth.maintain().await;
    server.wait(Duration::from_secs(1));
    assert_eq!(code(server.auth.check(&made.token).await), "auth.invalid_token");
    assert!(server.dump().await.len() <= rows, "nothing is left of it but its entry in the log");
}

#[tokio::test]
async fn the_last_use_is_known_to_the_hour_and_written_once_an_hour() {
    let (server, _, made) = with_token(&[Scope::Llm]).await;
    let hour = Duration::from_secs(3600);
    let used = async || {
        let login = server.login("ada@example.org", PASSWORD).await.unwrap();
        server.auth.tokens(&server.identity(&login).await).await.unwrap()[0].used_at
    };
    assert_eq!(used().await, None);
    server.wait(hour / 2);
    for _ in 0..100 {
        server.auth.check(&made.token).await.unwrap();
    }
    let first = START - START % millis(hour);
    until(|| async { used().await == Some(first) }).await;
    server.wait(hour / 4);
    server.auth.check(&made.token).await.unwrap();
    server.wait(hour);
    server.auth.check(&made.token).await.unwrap();
    until(|| async { used().await == Some(first + millis(hour)) }).await;
}

#[tokio::test]
async fn forged_and_damaged_tokens_are_refused() {
    let (server, _, made) = with_token(&[Scope::Llm]).await;
    let mut texts = vec![
        "cdt_pat_".to_owned(),
        "cdt_pat_000000000000000000000000000000000000".to_owned(),
        made.token.to_lowercase(),
        format!("{} ", made.token),
        format!("{0}{0}", made.token),
        format!("cdt_pat_{}", "A".repeat(1 << 20)),
        format!("cdt_pat_{}", "ä".repeat(18)),
    ];
    // Formed as it should be, with the right checksum: only the store knows that it is none.
    let (_, _, strangers) = with_token(&[Scope::Llm]).await;
    texts.push(strangers.token);
    for text in texts {
        assert_eq!(code(server.auth.check(&text).await), "auth.invalid_token");
    }
    server.auth.check(&made.token).await.unwrap();
}

#[tokio::test]
async fn the_store_and_the_debug_forms_hold_no_token() {
    let (server, _, made) = with_token(&[Scope::Llm]).await;
    let secret = &made.token[8..38];
    let found =
        server.dump().await.iter().any(|bytes| bytes.windows(10).any(|part| secret.as_bytes().starts_with(part)));
    assert!(!found);
    let identity = server.auth.check(&made.token).await.unwrap();
    let shown = format!("{identity:?} {made:?} {:?}", new_token(&[Scope::Llm]));
    assert!(!shown.contains(&made.token) && !shown.contains(PASSWORD), "{shown}");
    let events = format!("{:?}", server.events.0.lock().unwrap());
    assert!(!events.contains(secret), "{events}");
}

#[tokio::test]
async fn who_is_gone_has_no_token_left() {
    let (server, _, made) = with_token(&[Scope::Llm]).await;
    server.wait(Duration::from_secs(1));
    let people = &coditect_store::Subspace::root("auth").sub(&("user",)).range();
    let gone: Result<(), StoreError> = server.store.transact(|tx| async move { tx.clear_range(people) }).await;
    gone.unwrap();
    assert_eq!(code(server.auth.check(&made.token).await), "auth.invalid_token");
}

#[tokio::test]
async fn a_session_that_has_just_ended_elsewhere_makes_no_token() {
    let (server, ada, _) = with_token(&[Scope::Llm]).await;
    let other = server.other(cheap()).await;
    // This server still believes in it.
    server.auth.check_again(&ada).await.unwrap();
    other.auth.logout(ada.require_session().unwrap(), &device()).await.unwrap();
    let refused = server.auth.make_token(&ada, &new_token(&[Scope::Llm]), &device()).await;
    assert_eq!(code(refused), "auth.session_ended");
}

#[tokio::test]
async fn who_is_kept_out_is_kept_out_with_every_token_and_session() {
    let server = Server::new().await;
    let admin = server.identity(&server.register("ada@example.org").await.unwrap()).await;
    let login = server.register("bob@example.org").await.unwrap();
    let bob = server.identity(&login).await;
    let made = server.auth.make_token(&bob, &new_token(&[Scope::Llm]), &device()).await.unwrap();
    let other = server.other(cheap()).await;
    let following = tokio::spawn(other.auth.clone().run_maintenance(std::future::pending()));
    other.auth.check(&made.token).await.unwrap();
    other.auth.check(&login.access_token).await.unwrap();
    let change = |disabled| PersonChange { disabled: Some(disabled), ..PersonChange::default() };
    server.auth.change_person(&admin, bob.user.id, &change(true), &device()).await.unwrap();
    assert_eq!(code(server.auth.check(&made.token).await), "auth.invalid_token");
    assert_eq!(code(server.auth.check(&login.access_token).await), "auth.session_ended");
    assert_eq!(code(server.refresh(&login.refresh_token).await), "auth.session_ended");
    until(|| async { code(other.auth.check(&made.token).await) == "auth.invalid_token" }).await;
    until(|| async { code(other.auth.check(&login.access_token).await) == "auth.session_ended" }).await;
    // Let in again, the tokens count again; the sessions are gone.
    server.auth.change_person(&admin, bob.user.id, &change(false), &device()).await.unwrap();
    server.auth.check(&made.token).await.unwrap();
    assert_eq!(code(server.auth.check(&login.access_token).await), "auth.session_ended");
    following.abort();
}

#[tokio::test]
async fn who_is_no_admin_any_more_has_no_admins_token() {
    let (server, ada, _) = with_token(&[Scope::Llm]).await;
    let made = server.auth.make_token(&ada, &new_token(&[Scope::Admin]), &device()).await.unwrap();
    let bob = server.register("bob@example.org").await.unwrap().session.user.id;
    let role = |role| PersonChange { role: Some(role), ..PersonChange::default() };
    let token = server.auth.check(&made.token).await.unwrap();
    server.auth.change_person(&token, bob, &role(Role::Admin), &device()).await.unwrap();
    server.auth.change_person(&token, ada.user.id, &role(Role::Member), &device()).await.unwrap();
    assert_eq!(code(server.auth.check(&made.token).await.unwrap().require_admin()), "auth.not_admin");
    // And what was checked a moment before does not help either.
    assert_eq!(code(server.auth.end_sessions_of(&token, bob, &device()).await), "auth.not_admin");
}

fn of_terminal(user: UserId, host: TerminalHost) -> NewTerminalToken {
    let name = format!("Terminal\n{}", "x".repeat(200));
    let terminal = TerminalId(Uuid::new_v4());
    let (workspace, scopes) = (WorkspaceId(Uuid::new_v4()), vec![Scope::Llm, Scope::FilesRead]);
    NewTerminalToken { user, terminal, workspace, host, name, scopes, lifetime: DAY }
}

#[tokio::test]
async fn a_terminals_token_is_listed_and_ends_with_it() {
    let server = Server::with(AuthSettings { tokens_per_person: 1, ..cheap() }).await;
    let ada = server.identity(&server.register("ada@example.org").await.unwrap()).await;
    let (host, other) = (TerminalHost(Uuid::new_v4()), TerminalHost(Uuid::new_v4()));
    let (one, two, three) =
        (of_terminal(ada.user.id, host), of_terminal(ada.user.id, host), of_terminal(ada.user.id, other));
    let token = server.auth.make_terminal_token(one.clone()).await.unwrap();
    let identity = server.auth.check(&token).await.unwrap();
    assert_eq!(code(identity.require(Scope::Terminals)), "auth.scope");
    // Good in its own workspace, in no other and not for what is about all of them.
    let (own, other_one) = (Some(one.workspace), Some(two.workspace));
    assert_eq!(code(identity.require_in(Scope::Terminals, own)), "auth.scope");
    identity.require_in(Scope::FilesRead, own).unwrap();
    identity.require_in(Scope::Llm, None).unwrap();
    identity.require_in(Scope::Llm, own).unwrap();
    assert_eq!(code(identity.require_in(Scope::Llm, other_one)), "auth.other_workspace", "what plugins add there");
    for elsewhere in [other_one, None] {
        assert_eq!(code(identity.require_in(Scope::FilesRead, elsewhere)), "auth.other_workspace");
        ada.require_in(Scope::FilesRead, elsewhere).unwrap();
    }
    let second = server.auth.make_terminal_token(two.clone()).await.unwrap();
    let elsewhere = server.auth.make_terminal_token(three.clone()).await.unwrap();
    // They take no place of those that the person makes.
    server.auth.make_token(&ada, &new_token(&[Scope::Llm]), &device()).await.unwrap();
    let listed = server.auth.tokens(&ada).await.unwrap();
    assert_eq!(listed.len(), 4);
    assert!(listed.iter().any(|entry| entry.name.starts_with("Terminalx") && entry.name.len() == 100));
    assert_eq!(server.auth.terminal_tokens(host).await.unwrap().len(), 2);
    for _ in 0..2 {
        server.auth.end_terminal_token(host, one.terminal).await.unwrap();
    }
    assert_eq!(code(server.auth.check(&token).await), "auth.invalid_token");
    // Of another host nothing is known here.
    server.auth.end_terminal_token(host, three.terminal).await.unwrap();
    server.auth.check(&elsewhere).await.unwrap();
    // Revoked by hand, and past its time.
    let Credential::Token { id, .. } = server.auth.check(&second).await.unwrap().credential else { panic!() };
    server.auth.revoke_token(&ada, id, &device()).await.unwrap();
    assert!(server.auth.terminal_tokens(host).await.unwrap().is_empty());
    server.wait(DAY);
    assert_eq!(code(server.auth.check(&elsewhere).await), "auth.expired_token");
    server.auth.maintain().await;
    assert!(server.auth.terminal_tokens(other).await.unwrap().is_empty(), "nothing is left behind");
}

#[tokio::test]
async fn who_is_logged_out_everywhere_leaves_no_terminals_token() {
    let server = Server::new().await;
    let ada = server.identity(&server.register("ada@example.org").await.unwrap()).await;
    let host = TerminalHost(Uuid::new_v4());
    let made = server.auth.make_token(&ada, &new_token(&[Scope::Llm]), &device()).await.unwrap();
    let token = server.auth.make_terminal_token(of_terminal(ada.user.id, host)).await.unwrap();
    let mut told = server.auth.ended();
    server.auth.end_other_sessions(&ada, &device()).await.unwrap();
    assert_eq!(told.recv().await.unwrap(), Ending::LoggedOutEverywhere(ada.user.id));
    assert_eq!(code(server.auth.check(&token).await), "auth.invalid_token");
    server.auth.check(&made.token).await.unwrap();
    let found = server.auth.whereabouts(ada.user.id).await.unwrap();
    assert!(found.is_let_in && found.is_here && found.logged_out_at == START);
    // Neither what was made for models nor a terminal's token keeps somebody there.
    server.auth.make_terminal_token(of_terminal(ada.user.id, host)).await.unwrap();
    server.auth.logout(ada.session_id().unwrap(), &device()).await.unwrap();
    let found = server.auth.whereabouts(ada.user.id).await.unwrap();
    assert!(found.is_let_in && !found.is_here);
    assert_eq!(code(server.auth.make_terminal_token(of_terminal(ada.user.id, host)).await), "auth.session_ended");
    let nobody = server.auth.whereabouts(UserId(Uuid::nil())).await.unwrap();
    assert!(!nobody.is_let_in && !nobody.is_here);
}
