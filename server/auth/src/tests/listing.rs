//! Listing sessions and ending those one chooses.

use coditect_protocol::{Kind, SessionId, UserId};
use uuid::Uuid;

use super::*;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

#[tokio::test]
async fn a_person_sees_their_own_sessions_with_device_and_place() {
    let server = Server::new().await;
    let first = server.register("ada@example.org").await.unwrap();
    server.register("bob@example.org").await.unwrap();
    server.wait(Duration::from_secs(60));
    let device = Device { user_agent: FIREFOX.to_owned(), ..device_at("2001:db8::7") };
    let second = done(server.auth.login(&credentials("ada@example.org", PASSWORD), &device).await.unwrap()).unwrap();
    let sessions = server.auth.sessions(&server.identity(&first).await).await.unwrap();
    let seen: Vec<_> = sessions
        .iter()
        .map(|entry| (entry.id, entry.current, entry.device.as_str(), entry.address.as_deref().unwrap()))
        .collect();
    let expected = [
        (second.session.session_id, false, "Firefox on Linux", "2001:db8::7"),
        (first.session.session_id, true, "Browser", "192.0.2.7"),
    ];
    assert_eq!(seen, expected);
    assert_eq!((sessions[0].created_at, sessions[0].used_at), (START + 60_000, START + 60_000));
    assert_eq!(sessions[0].user_agent, FIREFOX);
    assert_eq!(sessions[1].expires_at, first.session.expires_at);
    // What has timed out is not shown, even before it is swept.
    server.wait(14 * DAY - Duration::from_secs(60));
    let sessions = server.auth.sessions(&server.identity(&second).await).await.unwrap();
    assert_eq!(sessions.len(), 1);
}

#[tokio::test]
async fn one_session_or_all_others_can_be_ended() {
    let server = Server::new().await;
    let mut logins = vec![server.register("ada@example.org").await.unwrap()];
    for _ in 0..3 {
        logins.push(server.login("ada@example.org", PASSWORD).await.unwrap());
    }
    let bob = server.register("bob@example.org").await.unwrap();
    let ada = server.identity(&logins[0]).await;
    server.events();
    server.auth.end_session(&ada, logins[3].session.session_id, &device()).await.unwrap();
    assert_eq!(code(server.auth.check(&logins[3].access_token).await), "auth.session_ended");
    assert_eq!(code(server.refresh(&logins[3].refresh_token).await), "auth.session_ended");
    // Somebody else's, one that has ended and one that never was are all the same.
    for id in [bob.session.session_id, logins[3].session.session_id, SessionId(Uuid::nil())] {
        let error = server.auth.end_session(&ada, id, &device()).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), ("auth.no_such_session", Kind::NotFound));
    }
    assert_eq!(server.auth.end_other_sessions(&ada, &device()).await.unwrap().ended, 2);
    assert_eq!(server.auth.end_other_sessions(&ada, &device()).await.unwrap().ended, 0);
    for (n, login) in logins.iter().enumerate() {
        let expected = if n == 0 { "ok" } else { "auth.session_ended" };
        assert_eq!(code(server.auth.check(&login.access_token).await), expected);
    }
    server.auth.check(&bob.access_token).await.unwrap();
    use AuditAction::{OtherSessionsEnded, SessionEnded};
    assert_eq!(server.events(), [SessionEnded, OtherSessionsEnded, OtherSessionsEnded]);
}

#[tokio::test]
async fn only_an_admin_ends_somebody_elses_sessions() {
    let server = Server::new().await;
    let ada = server.register("ada@example.org").await.unwrap();
    let bob = server.register("bob@example.org").await.unwrap();
    let (admin, member) = (server.identity(&ada).await, server.identity(&bob).await);
    let refused = server.auth.end_sessions_of(&member, admin.user.id, &device()).await.unwrap_err();
    assert_eq!((refused.code(), refused.kind()), ("auth.not_admin", Kind::Forbidden));
    server.auth.check(&ada.access_token).await.unwrap();
    server.events();
    assert_eq!(server.auth.end_sessions_of(&admin, bob.session.user.id, &device()).await.unwrap().ended, 1);
    assert_eq!(code(server.auth.check(&bob.access_token).await), "auth.session_ended");
    server.auth.check(&ada.access_token).await.unwrap();
    let event = server.events.0.lock().unwrap().pop().unwrap();
    assert_eq!(event.action, AuditAction::SessionsEndedByAdmin);
    assert_eq!((event.user, event.actor), (Some(bob.session.user.id), Some(admin.user.id)));
    let nobody = server.auth.end_sessions_of(&admin, UserId(Uuid::nil()), &device()).await.unwrap_err();
    assert_eq!((nobody.code(), nobody.kind()), ("auth.no_such_person", Kind::NotFound));
}
