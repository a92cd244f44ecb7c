use super::*;
use WorkspaceRole::{Admin, Owner, Read, Write};
use futures_util::FutureExt as _;

/// A workspace with somebody of each role, and a stranger.
struct Team {
    fixture: Fixture,
    id: WorkspaceId,
    /// Owner, admin, writer, reader, stranger.
    people: [UserId; 5],
}

impl Team {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let people = std::array::from_fn(|_| user());
        let id = fixture.workspaces.create(people[0], empty("ours")).await.unwrap().id;
        for (person, role) in people[1..4].iter().zip([Admin, Write, Read]) {
            fixture.workspaces.add_member(people[0], id, *person, role).await.unwrap();
        }
        Self { fixture, id, people }
    }

    fn workspaces(&self) -> &Workspaces {
        &self.fixture.workspaces
    }

    async fn roles(&self) -> Vec<Option<WorkspaceRole>> {
        let roles = self.people.map(|person| self.workspaces().role(person, self.id));
        futures_util::future::try_join_all(roles).await.unwrap()
    }
}

fn outcome<T>(result: Result<T, WorkspaceError>) -> &'static str {
    result.err().map_or("", |error| error.code())
}

const GONE: &str = "workspace.not_found";
const LOW: &str = "workspace.role_too_low";
const LOOK: &str = "workspace.read_only";

/// Each call with its outcome for the owner, an admin, a writer, a reader and a stranger.
const CALLS: [(&str, [&str; 5]); 12] = [
    ("get", ["", "", "", "", GONE]),
    ("open", ["", "", "", "", GONE]),
    ("read", ["", "", "", "", GONE]),
    ("write", ["", "", "", LOOK, GONE]),
    ("administer", ["", "", LOW, LOW, GONE]),
    ("own", ["", LOW, LOW, LOW, GONE]),
    ("rename", ["", "", LOW, LOW, GONE]),
    ("members", ["", "", "", "", GONE]),
    ("add", ["", "", LOW, LOW, GONE]),
    ("change", ["", "", LOW, LOW, GONE]),
    ("remove", ["", "", LOW, LOW, GONE]),
    ("delete", ["", LOW, LOW, LOW, GONE]),
];

async fn call(team: &Team, name: &str, index: usize, third: UserId) -> &'static str {
    let (all, id, who) = (team.workspaces(), team.id, team.people[index]);
    let other = if index == 3 { team.people[2] } else { team.people[3] };
    match name {
        "get" => outcome(all.get(who, id).await),
        "open" => outcome(all.touch_opened(who, id).await),
        "read" => outcome(all.access(who, id, Read).await),
        "write" => outcome(all.tree(who, Root::Workspace(id), Write).await),
        "administer" => outcome(all.access(who, id, Admin).await),
        "own" => outcome(all.access(who, id, Owner).await),
        "rename" => outcome(all.rename(who, id, "x").await),
        "members" => outcome(all.members(who, id).await),
        "add" => outcome(all.add_member(who, id, third, Read).await),
        "change" => outcome(all.change_member(who, id, other, Write).await),
        "remove" => outcome(all.remove_member(who, id, other).await),
        "delete" => outcome(all.delete(who, id).await),
        _ => unreachable!(),
    }
}

#[tokio::test]
async fn every_role_may_do_what_it_may_and_nothing_more() {
    for (name, expected) in CALLS {
        for (index, expected) in expected.into_iter().enumerate() {
            let (team, third) = (Team::new().await, user());
            assert_eq!(call(&team, name, index, third).await, expected, "{name} by {index}");
            if !expected.is_empty() {
                assert_eq!(team.roles().await, [Some(Owner), Some(Admin), Some(Write), Some(Read), None], "{name}");
                assert_eq!(team.workspaces().role(third, team.id).await.unwrap(), None);
            }
        }
    }
}

#[tokio::test]
async fn members_see_what_is_shared_with_them() {
    let team = Team::new().await;
    let (all, [owner, admin, writer, reader, stranger]) = (team.workspaces(), team.people);
    let seen = all.list(reader).await.unwrap();
    assert_eq!(seen.iter().map(|seen| (seen.id, seen.role, seen.members)).collect::<Vec<_>>(), [(team.id, Read, 3)]);
    assert_eq!(all.list(owner).await.unwrap()[0].role, Owner);
    assert!(all.list(stranger).await.unwrap().is_empty());
    // Each person has a time and a home of their own.
    let opened = all.touch_opened(reader, team.id).await.unwrap().opened_at;
    assert!(opened > 0 && all.get(admin, team.id).await.unwrap().opened_at == 0);
    let mine = all.access(owner, team.id, Read).await.unwrap();
    let theirs = all.access(reader, team.id, Read).await.unwrap();
    assert!(mine.paths.files == theirs.paths.files && mine.paths.home != theirs.paths.home);
    assert!(theirs.is_read_only() && !mine.is_read_only() && theirs.owner == owner);
    let members = all.members(reader, team.id).await.unwrap();
    let members: Vec<_> = members.iter().map(|member| (member.user, member.role)).collect();
    assert_eq!(members, [(owner, Owner), (admin, Admin), (writer, Write), (reader, Read)]);
    all.delete(owner, team.id).await.unwrap();
    assert!(all.list(reader).await.unwrap().is_empty());
    assert_eq!(team.roles().await, [None; 5]);
}

#[tokio::test]
async fn nobody_touches_the_owner_and_everybody_may_leave() {
    let team = Team::new().await;
    let (all, id, [owner, admin, writer, reader, stranger]) = (team.workspaces(), team.id, team.people);
    for who in [owner, admin] {
        assert_eq!(outcome(all.remove_member(who, id, owner).await), "workspace.one_owner");
        assert_eq!(outcome(all.change_member(who, id, owner, Read).await), "workspace.one_owner");
        assert_eq!(outcome(all.change_member(who, id, writer, Owner).await), "workspace.one_owner");
        assert_eq!(outcome(all.add_member(who, id, stranger, Owner).await), "workspace.one_owner");
        assert_eq!(outcome(all.add_member(who, id, owner, Read).await), "workspace.is_member");
        assert_eq!(outcome(all.add_member(who, id, reader, Write).await), "workspace.is_member");
        assert!(!all.add_member(who, id, reader, Read).await.unwrap().changed);
        assert_eq!(outcome(all.change_member(who, id, stranger, Read).await), "workspace.no_such_member");
        assert_eq!(outcome(all.remove_member(who, id, stranger).await), "workspace.no_such_member");
    }
    for who in [reader, writer, admin] {
        all.remove_member(who, id, who).await.unwrap();
        assert_eq!(outcome(all.get(who, id).await), GONE);
        assert_eq!(outcome(all.remove_member(who, id, who).await), GONE);
        assert!(all.list(who).await.unwrap().is_empty());
    }
    assert_eq!(all.get(owner, id).await.unwrap().members, 0);
}

#[tokio::test]
async fn members_are_bounded_also_when_many_are_added_at_once() {
    let f = Fixture::with(|settings| settings.max_members = 3).await;
    let owner = user();
    let id = f.workspaces.create(owner, empty("ours")).await.unwrap().id;
    let adding = (0..8).map(|_| f.workspaces.add_member(owner, id, user(), Read));
    let added = futures_util::future::join_all(adding).await;
    assert_eq!(added.iter().filter(|added| added.is_ok()).count(), 3);
    assert!(added.into_iter().filter_map(Result::err).all(|error| error.code() == "workspace.too_many_members"));
    assert_eq!(f.workspaces.members(owner, id).await.unwrap().len(), 4);
}

#[tokio::test]
async fn what_is_held_learns_on_every_server_that_it_is_lost() {
    let team = Team::new().await;
    let (all, id, [owner, admin, writer, reader, _]) = (team.workspaces(), team.id, team.people);
    // Another server of the same store.
    let settings = RegistrySettings::new(team.fixture.dir.path().join("data"));
    let elsewhere = Workspaces::open(team.fixture.store.clone(), settings).await.unwrap();
    let access = |person, role| elsewhere.access(person, id, role);
    let (writing, looking) = (access(writer, Write).await.unwrap(), access(writer, Read).await.unwrap());
    let (other, own) = (access(reader, Read).await.unwrap(), access(owner, Owner).await.unwrap());
    let soon = async |lost: futures_util::future::BoxFuture<'_, ()>| {
        tokio::time::timeout(Duration::from_secs(20), lost).await.expect("it was not told");
    };
    all.change_member(admin, id, writer, Read).await.unwrap();
    soon(writing.lost().boxed()).await;
    soon(looking.lowered().boxed()).await;
    soon(looking.changed().boxed()).await;
    assert!(looking.lost().now_or_never().is_none() && own.lost().now_or_never().is_none());
    all.remove_member(admin, id, writer).await.unwrap();
    soon(looking.lost().boxed()).await;
    assert!(other.lost().now_or_never().is_none());
    // Who comes back is let in, whatever was told before.
    all.add_member(owner, id, writer, Write).await.unwrap();
    let again = access(writer, Write).await.unwrap();
    assert!(again.lost().now_or_never().is_none());
    all.delete(owner, id).await.unwrap();
    for access in [&again, &other, &own] {
        soon(access.lost().boxed()).await;
    }
    drop((writing, looking, other, own, again));
    assert!(lock(&elsewhere.0.holds).is_empty(), "what nobody holds takes no room");
    elsewhere.close().await;
}

#[tokio::test]
async fn the_two_views_of_a_membership_agree() {
    let team = Team::new().await;
    let (all, id, [owner, .., stranger]) = (team.workspaces(), team.id, team.people);
    for _ in 0..20 {
        let both = tokio::join!(all.add_member(owner, id, stranger, Write), all.remove_member(owner, id, stranger));
        both.0.unwrap();
        let listed = all.list(stranger).await.unwrap().len();
        let is_member = all.members(owner, id).await.unwrap().iter().any(|member| member.user == stranger);
        assert_eq!(listed == 1, is_member);
        assert_eq!(all.role(stranger, id).await.unwrap().is_some(), is_member);
    }
}
