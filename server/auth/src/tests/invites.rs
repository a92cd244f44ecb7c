//! Invitations and who may register.

use coditect_protocol::auth::{InviteMade, NewInvite, PersonChange, RegistrationPolicy, Role};

use super::*;

async fn server() -> (Server, Identity) {
    let server = Server::with(AuthSettings { registration: RegistrationPolicy::Invite, ..cheap() }).await;
    let (login, password) = server.auth.create_first_login("admin").await.unwrap().unwrap();
    let admin = server.login(&login, &password).await.unwrap();
    let identity = server.identity(&admin).await;
    server.events();
    (server, identity)
}

fn invite_for(login: Option<&str>, role: Role) -> NewInvite {
    NewInvite { login: login.map(str::to_owned), role, expires_in_days: 7 }
}

async fn make(server: &Server, admin: &Identity, new: NewInvite) -> InviteMade {
    server.auth.make_invite(admin, &new, &device()).await.unwrap()
}

async fn register(server: &Server, login: &str, invite: Option<&str>) -> Result<Login, AuthError> {
    let registration = Registration { invite: invite.map(str::to_owned), ..registration(login, PASSWORD) };
    server.auth.register(&registration, &device()).await
}

#[tokio::test]
async fn who_has_no_invitation_stays_out_and_who_has_one_gets_its_role() {
    let (server, admin) = server().await;
    assert_eq!(server.auth.config().registration, RegistrationPolicy::Invite);
    assert_eq!(code(register(&server, "ada", None).await), "auth.invite_needed");
    for wrong in ["", "x", "aaaaa-aaaaa-aaaaa-aaaaa-aaaaa-aaaaa", "käse", &"a".repeat(1 << 16)] {
        assert_eq!(code(register(&server, "ada", Some(wrong)).await), "auth.invite_invalid");
    }
    let made = make(&server, &admin, invite_for(None, Role::Admin)).await;
    assert_eq!(server.events(), [AuditAction::InviteMade]);
    let typed = format!(" {} ", made.code.to_uppercase());
    let login = register(&server, "ada", Some(&typed)).await.unwrap();
    assert_eq!(login.session.user.role, Role::Admin);
    assert_eq!(server.events(), [AuditAction::InviteUsed, AuditAction::Registered]);
    assert_eq!(code(register(&server, "bob", Some(&made.code)).await), "auth.invite_invalid", "one use");
    let made = make(&server, &admin, invite_for(None, Role::Member)).await;
    assert_eq!(register(&server, "bob", Some(&made.code)).await.unwrap().session.user.role, Role::Member);
    assert!(server.auth.invites(&admin).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_invitation_for_somebody_is_for_nobody_else_and_a_bad_try_does_not_use_it_up() {
    let (server, admin) = server().await;
    let made = make(&server, &admin, invite_for(Some("Ada@Example.org"), Role::Member)).await;
    assert_eq!(made.entry.login.as_deref(), Some("Ada@Example.org"));
    assert_eq!(code(register(&server, "eve@example.org", Some(&made.code)).await), "auth.invite_invalid");
    let weak = Registration { invite: Some(made.code.clone()), ..registration("ada@example.org", "short") };
    assert_eq!(code(server.auth.register(&weak, &device()).await), "auth.weak_password");
    register(&server, "ADA@example.org", Some(&made.code)).await.unwrap();
}

#[tokio::test]
async fn an_invitation_ends_by_time_by_revocation_and_with_its_makers_rights() {
    let (server, admin) = server().await;
    let old = make(&server, &admin, invite_for(None, Role::Member)).await;
    server.wait(Duration::from_secs(7 * 24 * 60 * 60));
    assert_eq!(code(register(&server, "ada", Some(&old.code)).await), "auth.invite_invalid");
    assert!(server.auth.invites(&admin).await.unwrap().is_empty());
    assert_eq!(code(server.auth.revoke_invite(&admin, old.entry.id, &device()).await), "auth.no_such_invite");

    let revoked = make(&server, &admin, invite_for(None, Role::Member)).await;
    assert_eq!(server.auth.invites(&admin).await.unwrap(), std::slice::from_ref(&revoked.entry));
    server.auth.revoke_invite(&admin, revoked.entry.id, &device()).await.unwrap();
    assert_eq!(server.events().last(), Some(&AuditAction::InviteRevoked));
    assert_eq!(code(register(&server, "ada", Some(&revoked.code)).await), "auth.invite_invalid");
    assert_eq!(code(server.auth.revoke_invite(&admin, revoked.entry.id, &device()).await), "auth.no_such_invite");

    let second = make(&server, &admin, invite_for(None, Role::Admin)).await;
    let second = register(&server, "second", Some(&second.code)).await.unwrap();
    let second = server.identity(&second).await;
    let left_behind = make(&server, &second, invite_for(None, Role::Admin)).await;
    let change = PersonChange { role: Some(Role::Member), disabled: None };
    server.auth.change_person(&admin, second.user.id, &change, &device()).await.unwrap();
    assert_eq!(code(register(&server, "eve", Some(&left_behind.code)).await), "auth.invite_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_use_one_invitation_at_once_on_two_servers_one_gets_in() {
    let (server, admin) = server().await;
    let other = server.other(server.auth.settings().clone()).await;
    let made = make(&server, &admin, invite_for(None, Role::Member)).await;
    let tasks: Vec<_> = (0..10)
        .map(|n| {
            let auth = if n % 2 == 0 { server.auth.clone() } else { other.auth.clone() };
            let login = format!("person{n}");
            let registration = Registration { invite: Some(made.code.clone()), ..registration(&login, PASSWORD) };
            tokio::spawn(async move { code(auth.register(&registration, &device()).await) })
        })
        .collect();
    let mut codes = Vec::new();
    for task in tasks {
        codes.push(task.await.unwrap());
    }
    assert_eq!(codes.iter().filter(|code| **code == "ok").count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == "auth.invite_invalid").count(), 9, "{codes:?}");
}

#[tokio::test]
async fn only_admins_invite_and_only_within_the_limits() {
    let (server, admin) = server().await;
    let made = make(&server, &admin, invite_for(None, Role::Member)).await;
    let member = register(&server, "ada", Some(&made.code)).await.unwrap();
    let member = server.identity(&member).await;
    let new = invite_for(None, Role::Admin);
    assert_eq!(code(server.auth.make_invite(&member, &new, &device()).await), "auth.not_admin");
    assert_eq!(code(server.auth.invites(&member).await), "auth.not_admin");
    assert_eq!(code(server.auth.revoke_invite(&member, made.entry.id, &device()).await), "auth.not_admin");
    for days in [0, 31, u32::MAX] {
        let new = NewInvite { expires_in_days: days, ..invite_for(None, Role::Member) };
        assert_eq!(code(server.auth.make_invite(&admin, &new, &device()).await), "auth.bad_invite_request");
    }
    let new = invite_for(Some("ADA"), Role::Member);
    assert_eq!(code(server.auth.make_invite(&admin, &new, &device()).await), "auth.login_taken");
    let new = invite_for(Some("no login"), Role::Member);
    assert_eq!(code(server.auth.make_invite(&admin, &new, &device()).await), "auth.invalid_login");
}

#[tokio::test]
async fn a_code_is_not_in_the_store_nor_in_an_event_and_what_is_over_is_swept() {
    let (server, admin) = server().await;
    let made = make(&server, &admin, invite_for(Some("ada@example.org"), Role::Member)).await;
    let code = made.code.replace('-', "");
    for bytes in server.dump().await {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains(&made.code) && !text.contains(&code));
    }
    assert!(!format!("{:?}", server.events.0.lock().unwrap()).contains(&made.code[..5]));
    assert!(!format!("{made:?}").contains(&made.code[..5]));
    let before = server.dump().await.len();
    server.wait(8 * DAY);
    server.auth.maintain().await;
    let after = server.dump().await;
    // The row, its code and its place in the order of ends: three keys with their values. The admin's session stays.
    assert_eq!(before - after.len(), 6, "{before} {}", after.len());
}

#[tokio::test]
async fn names_and_addresses_are_logins_and_a_closed_registration_takes_no_invitation() {
    let server = Server::new().await;
    let ada = server.register("Ada.Lovelace").await.unwrap();
    assert_eq!(ada.session.user.login, "Ada.Lovelace");
    server.login(" ada.lovelace ", PASSWORD).await.unwrap();
    assert_eq!(code(server.register("ADA.lovelace").await), "auth.login_taken");
    server.register("ada.lovelace@example.org").await.unwrap();
    let admin = server.identity(&ada).await;
    let made = make(&server, &admin, invite_for(None, Role::Admin)).await;
    let login = register(&server, "bob", Some(&made.code)).await.unwrap();
    assert_eq!(login.session.user.role, Role::Admin, "an invitation counts where registration is open, too");
    let made = make(&server, &admin, invite_for(None, Role::Admin)).await;
    let closed = server.other(AuthSettings { registration: RegistrationPolicy::Closed, ..cheap() }).await;
    assert_eq!(code(register(&closed, "eve", Some(&made.code)).await), "auth.registration_closed");
}
