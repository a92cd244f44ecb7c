use super::*;
use coditect_protocol::Coded as _;
use futures_util::FutureExt as _;
use uuid::Uuid;

fn workspace() -> WorkspaceId {
    WorkspaceId(Uuid::new_v4())
}

fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

fn page(number: u128) -> LinkId {
    LinkId(Uuid::from_u128(number))
}

fn paths(names: &[&str]) -> Vec<RelPath> {
    names.iter().map(|name| RelPath::parse(name).unwrap()).collect()
}

fn showing(open: &[&str], unsaved: &[&str]) -> Showing {
    Showing { open: paths(open), unsaved: paths(unsaved), active: paths(open).into_iter().next() }
}

/// Says it, as if time enough had passed since the last time.
fn show(presence: &Presence, room: WorkspaceId, id: LinkId, user: UserId, what: Showing) -> Result<(), WorkspaceError> {
    if let Some(room) = presence.lock().by_workspace.get(&room)
        && let Some(page) = lock(&room.pages).get_mut(&id)
    {
        page.next_at = Instant::now();
    }
    presence.show(room, id, user, what).now_or_never().unwrap()
}

fn now(following: &mut Following) -> Option<Vec<Present>> {
    following.next().now_or_never()
}

#[test]
fn people_see_each_other_and_what_they_show() {
    let (presence, room) = (Presence::default(), workspace());
    let mut ada = presence.follow(room, page(1), user(1)).unwrap();
    assert_eq!(now(&mut ada), Some(vec![]));
    assert_eq!(now(&mut ada), None);
    let mut bob = presence.follow(room, page(2), user(2)).unwrap();
    let bobs = now(&mut ada).unwrap();
    assert_eq!((bobs.len(), bobs[0].user, bobs[0].own), (1, user(2), false));
    assert_eq!(now(&mut bob).unwrap()[0].user, user(1));
    show(&presence, room, page(2), user(2), showing(&["a", "b"], &["b"])).unwrap();
    assert_eq!(now(&mut ada).unwrap()[0].showing, showing(&["a", "b"], &["b"]));
    // The same again is no news, and neither is what one shows oneself.
    show(&presence, room, page(2), user(2), showing(&["a", "b"], &["b"])).unwrap();
    assert_eq!((now(&mut ada), now(&mut bob)), (None, None));
    drop(bob);
    assert_eq!(now(&mut ada), Some(vec![]));
    drop(ada);
    assert_eq!((presence.pages_count(), presence.lock().pages_of.len()), (0, 0));
}

#[test]
fn the_pages_of_a_person_are_one() {
    let (presence, room) = (Presence::default(), workspace());
    let mut ada = presence.follow(room, page(1), user(1)).unwrap();
    let mut second = presence.follow(room, page(2), user(1)).unwrap();
    let _bob = [3, 4].map(|id| presence.follow(room, page(id), user(2)).unwrap());
    show(&presence, room, page(3), user(2), showing(&["a"], &[])).unwrap();
    show(&presence, room, page(4), user(2), showing(&["a", "b"], &["b"])).unwrap();
    show(&presence, room, page(2), user(1), showing(&["mine"], &[])).unwrap();
    let told = now(&mut ada).unwrap();
    assert_eq!(
        told.iter().map(|person| (person.user, person.own)).collect::<Vec<_>>(),
        [(user(1), true), (user(2), false)]
    );
    assert_eq!((&told[0].showing.open, &told[1].showing.open), (&paths(&["mine"]), &paths(&["a", "b"])));
    assert_eq!(told[1].showing.unsaved, paths(&["b"]));
    assert!(now(&mut second).unwrap()[0].showing.open.is_empty());
}

#[test]
fn rooms_are_apart() {
    let (presence, one, two) = (Presence::default(), workspace(), workspace());
    let mut ada = presence.follow(one, page(1), user(1)).unwrap();
    assert_eq!(now(&mut ada), Some(vec![]));
    let _eve = presence.follow(two, page(2), user(2)).unwrap();
    show(&presence, two, page(2), user(2), showing(&["a"], &[])).unwrap();
    // A page that only shows, without following, stands in no room.
    show(&presence, one, page(3), user(3), showing(&["a"], &[])).unwrap();
    assert_eq!(now(&mut ada), None);
}

#[test]
fn a_page_that_is_cut_off_goes_and_comes_back() {
    let (presence, room) = (Presence::default(), workspace());
    let mut ada = presence.follow(room, page(1), user(1)).unwrap();
    let bob = presence.follow(room, page(2), user(2)).unwrap();
    show(&presence, room, page(2), user(2), showing(&["a"], &[])).unwrap();
    assert_eq!(now(&mut ada).unwrap().len(), 1);
    let bob_is = |standing| presence.look(|link| if link == page(2) { standing } else { Standing::There });
    bob_is(Standing::There);
    assert_eq!(now(&mut ada), None);
    bob_is(Standing::Away);
    assert_eq!(now(&mut ada), Some(vec![]));
    bob_is(Standing::There);
    assert_eq!(now(&mut ada).unwrap()[0].showing, showing(&["a"], &[]));
    bob_is(Standing::Gone);
    assert_eq!(now(&mut ada), Some(vec![]));
    drop(bob);
    show(&presence, room, page(9), user(2), showing(&["a"], &[])).unwrap();
    presence.look(|link| if link == page(9) { Standing::Gone } else { Standing::There });
    assert_eq!((presence.pages_count(), presence.lock().pages_of.len()), (1, 1));
}

#[test]
fn everything_is_bounded() {
    let (presence, room) = (Presence::default(), workspace());
    let many: Vec<_> = (0..=MAX_SHOWN_FILES).map(|number| RelPath::parse(&number.to_string()).unwrap()).collect();
    let code = |showing| show(&presence, room, page(1), user(1), showing).unwrap_err().code();
    assert_eq!(code(Showing { open: many, ..Showing::default() }), "presence.too_much");
    let long = |number: usize| RelPath::parse(&format!("{number}{}", "/x".repeat(400))).unwrap();
    assert_eq!(code(Showing { unsaved: (0..50).map(long).collect(), ..Showing::default() }), "presence.too_much");
    let followers: Vec<_> = (0..)
        .map_while(|number| presence.follow(workspace(), page(number), user(1)).ok())
        .take(MAX_PAGES_OF_PERSON * 2)
        .collect();
    assert_eq!(followers.len(), MAX_PAGES_OF_PERSON);
    drop(followers);
    let count = u128::try_from(MAX_PAGES).unwrap();
    let all: Vec<_> = (0..count).map(|number| presence.follow(room, page(number), user(number)).unwrap()).collect();
    assert_eq!(presence.follow(room, page(count), user(count)).unwrap_err().code(), "presence.full");
    drop(all);
    assert_eq!(presence.pages_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_often_is_seen_less_often_and_the_last_of_it() {
    let (presence, room) = (Presence::default(), workspace());
    let mut ada = presence.follow(room, page(1), user(1)).unwrap();
    let _bob = presence.follow(room, page(2), user(2)).unwrap();
    now(&mut ada).unwrap();
    let names: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    let said = names.iter().map(|name| presence.show(room, page(2), user(2), showing(&[name], &[])));
    let mut said = Box::pin(futures_util::future::join_all(said));
    let mut seen = Vec::new();
    loop {
        tokio::select! {
            biased;
            present = ada.next() => seen.push(present[0].showing.open[0].to_string()),
            all = &mut said => break assert!(all.iter().all(Result::is_ok)),
        }
    }
    seen.extend(now(&mut ada).map(|present| present[0].showing.open[0].to_string()));
    assert_eq!(seen, ["0", "49"]);
    // Others are not held up.
    let third = showing(&["third"], &[]);
    presence.show(room, page(3), user(3), third).now_or_never().unwrap().unwrap();
}

#[test]
fn many_pages_of_one_person_are_merged_once() {
    let paths: Vec<_> = (0..MAX_SHOWN_FILES).map(|number| RelPath::parse(&format!("f{number}")).unwrap()).collect();
    let all = Arc::new(Showing { open: paths.clone(), unsaved: paths.clone(), active: None });
    let seen: Vec<_> =
        (0..3).map(|number| Seen { page: page(number), user: user(7), showing: Arc::clone(&all) }).collect();
    let people = merged(&seen, page(9), user(1));
    assert_eq!(people.len(), 1);
    assert_eq!((&people[0].showing.open, &people[0].showing.unsaved), (&paths, &paths));
}
