//! Members of workspaces: what each role may do over HTTP and over the link, and that what was taken away is gone at once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use coditect_protocol::call::{Item, Reply, Request, ServerMessage};
use coditect_protocol::files::{Page as Entries, Place, Root, WriteMode};
use coditect_protocol::git::GitRequest;
use coditect_protocol::presence::{Present, Showing};
use coditect_protocol::search::{FindFiles, ReplaceText, SearchText};
use coditect_protocol::terminal::TerminalSpec;
use coditect_protocol::workspace::{Workspace, WorkspaceMember, WorkspaceRole};
use coditect_protocol::{RelPath, TrashId, WorkspaceId};
use coditect_store::Store;
use serde_json::{Value, json};
use support::{Page, Person, TestServer, server, server_over};

const GONE: &str = "workspace.not_found";
const LOOK: &str = "workspace.read_only";
const LOW: &str = "workspace.role_too_low";

/// A workspace with somebody of each role, and a stranger.
struct Team {
    server: TestServer,
    id: WorkspaceId,
    /// Owner, admin, writer, reader, stranger.
    people: Vec<Person>,
}

impl Team {
    async fn new() -> Self {
        let server = server(|_| {}).await;
        let mut people = Vec::new();
        for login in ["owner", "admin", "writer", "reader", "stranger"] {
            people.push(server.person(login).await);
        }
        let id = people[0].workspace("ours").await.id;
        for (login, role) in [("admin", "admin"), ("writer", "write"), ("reader", "read")] {
            add(&people[0], id, login, role).await;
        }
        Self { server, id, people }
    }

    fn members(&self) -> String {
        members(self.id)
    }
}

fn members(id: WorkspaceId) -> String {
    format!("/workspaces/{id}/members")
}

fn member(id: WorkspaceId, person: &Person) -> String {
    format!("{}/{}", members(id), person.token.session.user.id)
}

async fn add(owner: &Person, id: WorkspaceId, login: &str, role: &str) -> WorkspaceMember {
    owner.ask("POST", &members(id), json!({ "login": login, "role": role })).await
}

/// Status and code; a good answer has no code.
async fn outcome(person: &Person, method: &str, path: &str, body: &Value) -> (u16, String) {
    let request = person.request(method, path);
    let request = if body.is_null() { request } else { request.json(body) };
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let code = if status < 400 { String::new() } else { response.json::<Value>().await.unwrap()["code"].to_string() };
    (status, code.trim_matches('"').to_owned())
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

fn place(id: WorkspaceId, text: &str) -> Place {
    Place { root: Root::Workspace(id), path: path(text) }
}

#[tokio::test]
async fn each_role_may_do_over_http_what_it_may() {
    let team = Team::new().await;
    let (id, people) = (team.id, &team.people);
    let (own, file) = (format!("/workspaces/{id}"), format!("/workspaces/{id}/files/a.txt"));
    let eve = team.server.person("eve").await;
    // Refused ones first, then those that are allowed, from the least to the most.
    let calls: [(&str, &str, Value, [&str; 5]); 7] = [
        ("GET", &own, Value::Null, ["", "", "", "", GONE]),
        ("GET", &team.members(), Value::Null, ["", "", "", "", GONE]),
        ("PATCH", &own, json!({ "name": "ours" }), ["", "", LOW, LOW, GONE]),
        ("POST", &team.members(), json!({ "login": "eve", "role": "read" }), ["", "", LOW, LOW, GONE]),
        ("PATCH", &member(id, &people[3]), json!({ "role": "read" }), ["", "", LOW, LOW, GONE]),
        ("DELETE", &member(id, &eve), Value::Null, ["", "workspace.no_such_member", LOW, LOW, GONE]),
        ("DELETE", &own, Value::Null, ["", LOW, LOW, LOW, GONE]),
    ];
    for (method, path, body, expected) in calls {
        // The owner last but for the removal, which works once.
        let order: &[usize] = if path == member(id, &eve) { &[4, 3, 2, 0, 1] } else { &[4, 3, 2, 1, 0] };
        for &index in order {
            let (status, code) = outcome(&people[index], method, path, &body).await;
            assert_eq!(code, expected[index], "{method} {path} by {index}: {status}");
        }
        if method == "PATCH" && path == own {
            for (index, expected) in ["", "", "", LOOK, GONE].into_iter().enumerate() {
                let put = people[index].request("PUT", &file).body(format!("{index}")).send().await.unwrap();
                let code = if put.status().is_success() {
                    Value::Null
                } else {
                    put.json::<Value>().await.unwrap()["code"].clone()
                };
                assert_eq!(code.as_str().unwrap_or_default(), expected, "PUT by {index}");
                let read = people[index].request("GET", &file).send().await.unwrap();
                assert_eq!(read.status().is_success(), index < 4, "GET by {index}");
                let deleted = outcome(&people[index], "DELETE", &format!("{file}.none"), &Value::Null).await.1;
                assert_eq!(
                    deleted,
                    if expected.is_empty() { "files.not_found" } else { expected },
                    "DELETE by {index}"
                );
            }
        }
    }
    team.server.stop().await;
}

/// Every call that is about a workspace, and whether it needs the right to write.
fn calls(id: WorkspaceId) -> Vec<(bool, Request)> {
    let spec = TerminalSpec::default();
    let (query, replace) = (SearchText { query: "x".to_owned(), ..SearchText::default() }, ReplaceText::default());
    let replace = |preview| ReplaceText { search: query.clone(), preview, ..replace.clone() };
    let git = |request| Request::Git { workspace: id, repository: RelPath::root(), request };
    let trash = TrashId(uuid::Uuid::nil());
    vec![
        (false, Request::OpenWorkspace { workspace: id }),
        (false, Request::Stat(place(id, "a"))),
        (false, Request::ReadFolder { place: place(id, ""), page: Entries::default() }),
        (false, Request::ReadFile { place: place(id, "a"), offset: 0, length: None }),
        (true, Request::WriteFile { place: place(id, "b"), content: vec![1], mode: WriteMode::Overwrite }),
        (true, Request::MakeFolder(place(id, "folder"))),
        (true, Request::Delete { place: place(id, "b"), recursive: false, trash: false }),
        (true, Request::Rename { from: place(id, "none"), to: place(id, "c"), overwrite: false }),
        (true, Request::Copy { from: place(id, "none"), to: place(id, "c"), overwrite: false }),
        (true, Request::SetPermissions { place: place(id, "a"), permissions: 0o644 }),
        (false, Request::ListTrash { workspace: id }),
        (true, Request::Restore { workspace: id, entry: trash, to: None }),
        (true, Request::EmptyTrash { workspace: id, entries: vec![trash] }),
        (false, Request::Usage { workspace: id, fresh: false }),
        (false, Request::Watch { root: Root::Workspace(id) }),
        (false, Request::FindFiles { workspace: id, query: FindFiles::default() }),
        (false, Request::SearchText { workspace: id, query: query.clone() }),
        (false, Request::ReplaceText { workspace: id, query: replace(true) }),
        (true, Request::ReplaceText { workspace: id, query: replace(false) }),
        (true, git(GitRequest::Init { branch: String::new() })),
        (true, git(GitRequest::Stage { paths: Vec::new() })),
        (false, Request::Presence { workspace: id }),
        (false, Request::Show { workspace: id, showing: Showing::default() }),
        (false, Request::ListTerminals { workspace: id }),
        (false, Request::CreateTerminal { workspace: id, spec }),
    ]
}

/// The code with which a call ends, or nothing where it goes on or ends well.
async fn code_of(page: &mut Page, request: Request) -> String {
    let goes_on = matches!(request, Request::Watch { .. } | Request::Presence { .. });
    let call = page.begin(request).await;
    loop {
        match page.next().await.unwrap().expect("the socket ended") {
            ServerMessage::Item { id, .. } if id == call && goes_on => return String::new(),
            ServerMessage::End { id, outcome } if id == call => {
                return outcome.err().map_or_else(String::new, |problem| problem.code);
            }
            _ => {}
        }
        page.acknowledge().await;
    }
}

#[tokio::test]
async fn each_role_may_do_over_the_link_what_it_may() {
    let team = Team::new().await;
    team.people[0].page().await.call(calls(team.id)[4].1.clone()).await.unwrap();
    for (index, person) in team.people.iter().enumerate() {
        let mut page = person.page().await;
        for (writes, request) in calls(team.id) {
            let name = format!("{request:?} by {index}");
            let code = code_of(&mut page, request).await;
            match (index, writes) {
                (4, _) => assert_eq!(code, GONE, "{name}"),
                (3, true) => assert_eq!(code, LOOK, "{name}"),
                _ => assert!(!["workspace.not_found", LOOK, LOW].contains(&code.as_str()), "{name}: {code}"),
            }
        }
    }
    team.server.stop().await;
}

#[tokio::test]
async fn another_workspace_is_not_reached_through_ones_own() {
    let team = Team::new().await;
    let stranger = &team.people[4];
    let own = stranger.workspace("mine").await.id;
    let mut page = stranger.page().await;
    for (from, to) in [(own, team.id), (team.id, own)] {
        let rename = Request::Rename { from: place(from, "a"), to: place(to, "b"), overwrite: true };
        let copy = Request::Copy { from: place(from, "a"), to: place(to, "b"), overwrite: true };
        for request in [rename, copy] {
            let code = code_of(&mut page, request).await;
            assert!(["files.across_roots", GONE].contains(&code.as_str()), "{code}");
        }
    }
    // Nor may an admin of one do anything in another.
    for (method, path, body) in [
        ("PATCH", member(own, &team.people[3]), json!({ "role": "admin" })),
        ("DELETE", member(own, stranger), Value::Null),
        ("POST", members(own), json!({ "login": "admin", "role": "admin" })),
    ] {
        assert_eq!(outcome(&team.people[1], method, &path, &body).await.1, GONE, "{method} {path}");
    }
    team.server.stop().await;
}

#[tokio::test]
async fn members_are_told_apart_from_those_who_are_not_there() {
    let team = Team::new().await;
    let [owner, .., reader, stranger] = &team.people[..] else { panic!() };
    let listed: Vec<WorkspaceMember> = reader.ask("GET", &team.members(), Value::Null).await;
    let names: Vec<_> = listed.iter().map(|member| (member.name.as_str(), member.role)).collect();
    use WorkspaceRole::{Admin, Owner, Read, Write};
    assert_eq!(names, [("owner", Owner), ("admin", Admin), ("writer", Write), ("reader", Read)]);
    let shared: Vec<Workspace> = reader.ask("GET", "/workspaces", Value::Null).await;
    assert_eq!((shared[0].role, shared[0].owner.as_str(), shared[0].members), (Read, "owner", 3));
    let own: Vec<Workspace> = stranger.ask("GET", "/workspaces", Value::Null).await;
    assert!(own.is_empty());

    let add = |login: &str, role: &str| json!({ "login": login, "role": role });
    for (body, expected) in [
        (add("nobody", "read"), (404, "auth.no_such_person")),
        (add("not a name", "read"), (404, "auth.no_such_person")),
        (add("stranger", "owner"), (409, "workspace.one_owner")),
        (add("owner", "read"), (409, "workspace.is_member")),
        (add("reader", "write"), (409, "workspace.is_member")),
        (add("stranger", "boss"), (400, "api.bad_body")),
    ] {
        let (status, code) = owner.refused_to("POST", &team.members(), body.clone()).await;
        assert_eq!((status, code.as_str()), expected, "{body}");
    }
    // Whoever asks for names that nobody has must wait; those who may not add anybody learn nothing at all.
    let mut codes = Vec::new();
    for number in 0..20 {
        codes.push(owner.refused_to("POST", &team.members(), add(&format!("guess{number}"), "read")).await.1);
        assert_eq!(reader.refused_to("POST", &team.members(), add("stranger", "read")).await.1, LOW);
    }
    assert_eq!(codes.last().unwrap(), "auth.too_many_attempts");
    assert_eq!(stranger.refused_to("DELETE", &member(team.id, reader), Value::Null).await.1, GONE);
    assert_eq!(owner.refused_to("DELETE", &member(team.id, owner), Value::Null).await.1, "workspace.one_owner");
    reader.ask::<()>("DELETE", &member(team.id, reader), Value::Null).await;
    assert_eq!(reader.refused_to("GET", &team.members(), Value::Null).await.1, GONE);
    team.server.stop().await;
}

/// What ends a call, dropping its items.
async fn end_of(page: &mut Page, call: u32) -> String {
    match page.finish(call).await.1 {
        Ok(reply) => format!("{reply:?}"),
        Err(problem) => problem.code,
    }
}

#[tokio::test]
async fn what_is_under_way_ends_with_the_membership_on_every_server() {
    let store = Store::open("memory:").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (data, key) = (dir.path().join("data"), dir.path().join("master.key"));
    let first = server_over(&store, &key, |settings| settings.data.clone_from(&data)).await;
    let second = server_over(&store, &key, |settings| settings.data.clone_from(&data)).await;
    let (ada, bob) = (first.person("ada").await, second.person("bob").await);
    let id = ada.workspace("ours").await.id;
    add(&ada, id, "bob", "write").await;
    let mut page = bob.page().await;
    let watch = page.begin(Request::Watch { root: Root::Workspace(id) }).await;
    let home = page.begin(Request::Watch { root: Root::Home }).await;
    // Both stand.
    let mut standing = std::collections::BTreeSet::new();
    while standing.len() < 2 {
        if let ServerMessage::Item { id, .. } = page.next().await.unwrap().unwrap() {
            standing.insert(id);
        }
    }
    ada.ask::<()>("DELETE", &member(id, &bob), Value::Null).await;
    assert_eq!(end_of(&mut page, watch).await, "workspace.access_ended");
    assert_eq!(page.call(Request::Stat(place(id, ""))).await.unwrap_err().code, GONE);
    // What is one's own goes on.
    page.send(&coditect_protocol::call::ClientMessage::Cancel { id: home }).await;
    assert_eq!(end_of(&mut page, home).await, "call.cancelled");
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn an_upload_under_way_ends_with_the_right_to_write() {
    let team = Team::new().await;
    let [owner, _, writer, ..] = &team.people[..] else { panic!() };
    let (sender, parts) = tokio::sync::mpsc::channel::<Result<&'static str, std::io::Error>>(1);
    let parts = futures_util::stream::unfold(parts, |mut parts| async { Some((parts.recv().await?, parts)) });
    let file = format!("/workspaces/{}/files/big", team.id);
    let request = writer.request("PUT", &file).body(reqwest::Body::wrap_stream(parts));
    let uploading = tokio::spawn(request.send());
    sender.send(Ok("begin")).await.unwrap();
    sender.send(Ok("middle")).await.unwrap();
    owner.ask::<WorkspaceMember>("PATCH", &member(team.id, writer), json!({ "role": "read" })).await;
    // It ends though the client never ends it.
    let answered = tokio::time::timeout(support::LIMIT, uploading).await.expect("the upload goes on").unwrap();
    if let Ok(answer) = answered {
        assert_eq!(support::refusal(answer).await.1, "workspace.access_ended");
    }
    drop(sender);
    assert_eq!(owner.refused_to("GET", &file, Value::Null).await.1, "files.not_found");
    team.server.stop().await;
}

#[tokio::test]
async fn writes_and_a_role_that_is_lowered_have_one_order() {
    let team = Team::new().await;
    let [owner, _, writer, ..] = &team.people[..] else { panic!() };
    let mut page = writer.page().await;
    let write = |number: u32| Request::WriteFile {
        place: place(team.id, "a"),
        content: number.to_string().into_bytes(),
        mode: WriteMode::Overwrite,
    };
    for round in 0..10 {
        let bob = member(team.id, writer);
        let lower = owner.ask::<WorkspaceMember>("PATCH", &bob, json!({ "role": "read" }));
        let writes = async {
            let mut last = None;
            for number in 0..50 {
                match page.call(write(round * 100 + number)).await {
                    Ok(_) => last = Some(number),
                    Err(problem) => {
                        assert!([LOOK, "workspace.access_ended"].contains(&problem.code.as_str()), "{problem}");
                        break;
                    }
                }
            }
            last
        };
        let (_, _) = tokio::join!(lower, writes);
        // Once it is answered that they may only read, no write gets through any more.
        assert_eq!(page.call(write(9999)).await.unwrap_err().code, LOOK);
        owner.ask::<WorkspaceMember>("PATCH", &member(team.id, writer), json!({ "role": "write" })).await;
        page.call(write(round)).await.unwrap();
    }
    team.server.stop().await;
}

/// The next list of people in a follow call.
async fn people(page: &mut Page, call: u32) -> Vec<Present> {
    loop {
        match page.next().await.unwrap().expect("the socket ended") {
            ServerMessage::Item { id, item: Item::Presence(people) } if id == call => {
                page.acknowledge().await;
                return people;
            }
            ServerMessage::End { id, outcome } if id == call => panic!("{outcome:?}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn people_in_a_workspace_are_told_of_each_other() {
    let team = Team::new().await;
    let [owner, _, writer, reader, _] = &team.people[..] else { panic!() };
    let (mut ada, mut bob) = (owner.page().await, writer.page().await);
    let following = ada.begin(Request::Presence { workspace: team.id }).await;
    assert!(people(&mut ada, following).await.is_empty());
    let bobs = bob.begin(Request::Presence { workspace: team.id }).await;
    let seen = people(&mut ada, following).await;
    assert_eq!((seen[0].name.as_str(), seen[0].own, seen[0].showing.open.len()), ("writer", false, 0));
    assert_eq!(people(&mut bob, bobs).await[0].name, "owner");
    let showing = Showing { open: vec![path("a"), path("b")], unsaved: vec![path("b")], active: Some(path("b")) };
    let show = Request::Show { workspace: team.id, showing: showing.clone() };
    assert_eq!(bob.call(show).await.unwrap(), Reply::Done);
    assert_eq!(people(&mut ada, following).await[0].showing, showing);
    // Another page of the same person is the same person, told apart to themselves alone.
    let mut second = owner.page().await;
    let own = second.begin(Request::Presence { workspace: team.id }).await;
    assert_eq!(people(&mut second, own).await.iter().filter(|person| person.own).count(), 1);
    // A role that changes ends the call, for the page to look again; the membership's end takes the person away.
    owner.ask::<WorkspaceMember>("PATCH", &member(team.id, writer), json!({ "role": "admin" })).await;
    assert_eq!(end_of(&mut bob, bobs).await, "Done");
    let readers = reader.page().await.begin(Request::Presence { workspace: team.id }).await;
    assert!(readers > 0);
    drop(second);
    loop {
        let now = people(&mut ada, following).await;
        if now.iter().all(|person| person.name != "writer") {
            break;
        }
    }
    bob.cut();
    team.server.stop().await;
}

#[tokio::test]
async fn a_page_that_is_cut_off_goes_and_comes_back_where_it_was() {
    let team = Team::new().await;
    let [owner, _, writer, ..] = &team.people[..] else { panic!() };
    let (mut ada, mut bob) = (owner.page().await, writer.page().await);
    let following = ada.begin(Request::Presence { workspace: team.id }).await;
    assert!(people(&mut ada, following).await.is_empty());
    bob.begin(Request::Presence { workspace: team.id }).await;
    let showing = Showing { open: vec![path("a")], ..Showing::default() };
    bob.call(Request::Show { workspace: team.id, showing: showing.clone() }).await.unwrap();
    while people(&mut ada, following).await.first().map(|person| &person.showing) != Some(&showing) {}
    bob.cut();
    assert!(people(&mut ada, following).await.is_empty(), "it is out of sight");
    assert!(bob.come_back().await);
    assert_eq!(people(&mut ada, following).await[0].showing, showing);
    team.server.stop().await;
}
