//! What an admin does about people.

use std::collections::HashSet;

use coditect_protocol::UserId;
use coditect_protocol::auth::{PersonChange, Role};
use uuid::Uuid;

use super::*;

fn role(role: Role) -> PersonChange {
    PersonChange { role: Some(role), disabled: None }
}

fn disabled(disabled: bool) -> PersonChange {
    PersonChange { role: None, disabled: Some(disabled) }
}

/// A server with an admin and a member.
async fn server() -> (Server, Identity, Login) {
    let server = Server::new().await;
    let admin = server.register("admin").await.unwrap();
    let admin = server.identity(&admin).await;
    let member = server.register("ada@example.org").await.unwrap();
    server.events();
    (server, admin, member)
}

async fn change(server: &Server, by: &Identity, id: UserId, change: &PersonChange) -> Result<(), AuthError> {
    server.auth.change_person(by, id, change, &device()).await.map(drop)
}

#[tokio::test]
async fn people_are_listed_in_pages_in_the_order_of_registration() {
    let (server, admin, _) = server().await;
    for n in 0..5 {
        server.register(&format!("person{n}")).await.unwrap();
    }
    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = server.auth.people(&admin, after, 3).await.unwrap();
        assert!(page.people.len() <= 3);
        seen.extend(page.people.into_iter().map(|person| (person.user.login, person.sessions)));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let logins: Vec<_> = seen.iter().map(|(login, _)| login.as_str()).collect();
    assert_eq!(logins, ["admin", "ada@example.org", "person0", "person1", "person2", "person3", "person4"]);
    assert!(pages <= 4 && seen.iter().all(|(_, sessions)| *sessions == 1), "{pages} {seen:?}");
    for limit in [0, usize::MAX] {
        assert!(!server.auth.people(&admin, None, limit).await.unwrap().people.is_empty());
    }
    let beyond = server.auth.people(&admin, Some(UserId(Uuid::max())), 3).await.unwrap();
    assert_eq!((beyond.people.len(), beyond.next), (0, None));
}

#[tokio::test]
async fn a_disabled_person_is_out_at_once_and_told_why_only_with_the_password() {
    let (server, admin, member) = server().await;
    let other = server.other(cheap()).await;
    let id = member.session.user.id;
    let entry = server.auth.change_person(&admin, id, &disabled(true), &device()).await.unwrap();
    assert!(entry.disabled && entry.sessions == 0);
    assert_eq!(server.events(), [AuditAction::PersonDisabled]);
    assert_eq!(code(server.auth.check(&member.access_token).await), "auth.session_ended");
    assert_eq!(code(other.auth.check(&member.access_token).await), "auth.session_ended");
    assert_eq!(code(other.refresh(&member.refresh_token).await), "auth.session_ended");
    assert_eq!(code(server.login("ada@example.org", PASSWORD).await), "auth.disabled");
    assert_eq!(server.events(), [AuditAction::LoginDisabled]);
    assert_eq!(code(server.login("ada@example.org", "a wrong password").await), "auth.bad_credentials");
    change(&server, &admin, id, &disabled(false)).await.unwrap();
    assert_eq!(server.events(), [AuditAction::LoginFailed, AuditAction::PersonEnabled]);
    other.login("ada@example.org", PASSWORD).await.unwrap();
    change(&server, &admin, id, &PersonChange::default()).await.unwrap();
    assert_eq!(server.events(), []);
}

#[tokio::test]
async fn the_last_admin_who_can_log_in_stays() {
    let (server, admin, member) = server().await;
    let (me, id) = (admin.user.id, member.session.user.id);
    for impossible in [role(Role::Member), disabled(true)] {
        assert_eq!(code(change(&server, &admin, me, &impossible).await), "auth.last_admin");
    }
    change(&server, &admin, id, &PersonChange { role: Some(Role::Admin), disabled: Some(true) }).await.unwrap();
    assert_eq!(
        code(change(&server, &admin, me, &role(Role::Member)).await),
        "auth.last_admin",
        "the other cannot log in"
    );
    change(&server, &admin, id, &disabled(false)).await.unwrap();
    change(&server, &admin, me, &role(Role::Member)).await.unwrap();
    // The identity was an admin's when it was checked, and is none's any more.
    for change_by_former in [role(Role::Admin), disabled(false)] {
        assert_eq!(code(change(&server, &admin, me, &change_by_former).await), "auth.not_admin");
    }
    let second = server.login("ada@example.org", PASSWORD).await.unwrap();
    let second = server.identity(&second).await;
    assert_eq!(code(change(&server, &second, second.user.id, &disabled(true)).await), "auth.last_admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_admins_who_demote_each_other_at_once_one_stays() {
    for _ in 0..20 {
        let (server, admin, member) = server().await;
        let other = server.other(cheap()).await;
        let (me, id) = (admin.user.id, member.session.user.id);
        change(&server, &admin, id, &role(Role::Admin)).await.unwrap();
        let second = server.identity(&member).await;
        let (one, two) = (server.auth.clone(), other.auth.clone());
        let one =
            tokio::spawn(async move { code(one.change_person(&admin, id, &role(Role::Member), &device()).await) });
        let two = tokio::spawn(async move { code(two.change_person(&second, me, &disabled(true), &device()).await) });
        let codes = HashSet::from([one.await.unwrap(), two.await.unwrap()]);
        assert!(codes.contains("ok") && codes.len() == 2, "{codes:?}");
    }
}

#[tokio::test]
async fn members_and_strangers_change_nobody() {
    let (server, admin, member) = server().await;
    let (me, id) = (admin.user.id, member.session.user.id);
    let member = server.identity(&member).await;
    let auth = &server.auth;
    assert_eq!(code(auth.people(&member, None, 10).await), "auth.not_admin");
    assert_eq!(code(change(&server, &member, id, &role(Role::Admin)).await), "auth.not_admin");
    assert_eq!(code(change(&server, &member, me, &disabled(true)).await), "auth.not_admin");
    assert_eq!(code(auth.remove_second_factor(&member, me, &device()).await), "auth.not_admin");
    assert_eq!(code(auth.issue_reset_code(&member, id, &device()).await), "auth.not_admin");
    assert_eq!(code(auth.end_sessions_of(&member, me, &device()).await), "auth.not_admin");
    let nobody = UserId(Uuid::nil());
    assert_eq!(code(change(&server, &admin, nobody, &role(Role::Admin)).await), "auth.no_such_person");
    assert_eq!(code(auth.remove_second_factor(&admin, nobody, &device()).await), "auth.no_such_person");
    assert_eq!(code(auth.remove_second_factor(&admin, id, &device()).await), "auth.second_factor_missing");
    assert_eq!(server.events(), []);
}

#[tokio::test]
async fn a_new_role_counts_with_the_next_request() {
    let (server, admin, member) = server().await;
    let id = member.session.user.id;
    assert_eq!(server.auth.check(&member.access_token).await.unwrap().user.role, Role::Member);
    change(&server, &admin, id, &role(Role::Admin)).await.unwrap();
    let event = server.events.0.lock().unwrap().pop().unwrap();
    assert_eq!((event.action, event.user, event.actor), (AuditAction::RoleChanged, Some(id), Some(admin.user.id)));
    assert_eq!(server.auth.check(&member.access_token).await.unwrap().user.role, Role::Admin);
}
