//! How much workspaces and homes may take.

use super::*;

const MIB: u64 = 1024 * 1024;

/// Not zeros, which some file systems do not store.
fn bytes(size: u64) -> Vec<u8> {
    vec![1; usize::try_from(size).unwrap()]
}

#[tokio::test]
async fn programs_are_told_of_the_limit_that_is_nearest() {
    let f = Fixture::with(|settings| {
        settings.quota_bytes = Some(8 * MIB);
        settings.home_quota_bytes = Some(2 * MIB);
        settings.max_entries = Some(20);
    });
    let (f, owner) = (f.await, user());
    let id = f.workspaces.create(owner, empty("W")).await.unwrap().id;
    let paths = f.workspaces.access(owner, id, WorkspaceRole::Read).await.unwrap().paths;
    let quota = f.workspaces.program_quota_bytes().unwrap();
    assert_eq!(quota, 2 * MIB);
    let taken = || f.workspaces.program_bytes(owner, id);
    assert!(taken().await < MIB);
    for (folder, most) in [(&paths.home, 2 * MIB), (&paths.files, 8 * MIB)] {
        let file = folder.join("large");
        // Half a megabyte less than the limit is left.
        std::fs::write(&file, bytes(most - MIB / 2)).unwrap();
        let almost = taken().await;
        assert!(almost > quota - MIB && almost <= quota, "{almost}");
        std::fs::write(&file, bytes(most + 1)).unwrap();
        assert!(taken().await > quota);
        std::fs::remove_file(&file).unwrap();
        assert!(taken().await < MIB);
        for number in 0..21 {
            std::fs::write(folder.join(number.to_string()), "").unwrap();
        }
        assert!(taken().await > quota);
        for number in 0..21 {
            std::fs::remove_file(folder.join(number.to_string())).unwrap();
        }
    }
    // What is not there cannot be counted, and nobody may write to it.
    assert!(f.workspaces.program_bytes(owner, WorkspaceId(Uuid::new_v4())).await > quota);
}

#[tokio::test]
async fn a_home_takes_no_more_than_it_may() {
    let f = Fixture::with(|settings| settings.home_quota_bytes = Some(2 * MIB)).await;
    let home = f.workspaces.home(user()).await.unwrap();
    let path = |name| RelPath::parse(name).unwrap();
    let write = async |name, size| home.write(&path(name), bytes(size).into(), WriteMode::Overwrite).await;
    write("a", MIB + 1).await.unwrap();
    assert_eq!(code(home.copy(&path("a"), &path("b"), false).await), "home.quota");
    assert_eq!(code(write("b", MIB).await), "home.quota");
    home.delete(&path("a"), crate::tree::Deletion::default()).await.unwrap();
    write("b", MIB).await.unwrap();
}

#[tokio::test]
async fn limits_are_told_to_programs_only_where_there_are_some() {
    let none = |settings: &mut RegistrySettings| {
        (settings.quota_bytes, settings.home_quota_bytes, settings.max_entries) = (None, None, None);
    };
    let f = Fixture::with(none).await;
    assert_eq!(f.workspaces.program_quota_bytes(), None);
    let f = Fixture::with(|settings| {
        none(settings);
        settings.max_entries = Some(20);
    });
    let (f, owner) = (f.await, user());
    let id = f.workspaces.create(owner, empty("W")).await.unwrap().id;
    f.workspaces.home(owner).await.unwrap();
    assert_eq!(f.workspaces.program_bytes(owner, id).await, 0);
    assert!(f.workspaces.program_quota_bytes().unwrap() < u64::MAX);
}

#[tokio::test]
async fn imports_leave_the_reserve_of_the_disk() {
    let f = Fixture::with(|settings| settings.disk_reserve_bytes = u64::MAX / 2).await;
    let made = f.workspaces.create_from_archive(user(), "Up", "up.tar", upload(archive(&["a"])));
    assert_eq!(code(made.await), "files.disk_reserve");
    assert_eq!(f.entries("workspaces"), 0);
}
