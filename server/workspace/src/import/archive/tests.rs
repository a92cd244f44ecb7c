use super::*;
use cap_std::ambient_authority;
use coditect_protocol::Coded;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;
use tokio::sync::watch;
use zip::write::SimpleFileOptions;

/// An entry of a tar archive; names go in as they are, however wrong.
fn entry(name: &[u8], kind: tar::EntryType, link: &[u8], content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    entry(name.as_bytes(), tar::EntryType::Regular, b"", content)
}

fn link(name: &str, target: &str) -> Vec<u8> {
    entry(name.as_bytes(), tar::EntryType::Symlink, target.as_bytes(), b"")
}

fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut out = entries.concat();
    out.resize(out.len() + 1024, 0);
    out
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn small() -> ImportSettings {
    ImportSettings { max_unpacked_bytes: 1 << 20, max_entries: 100, ..ImportSettings::default() }
}

async fn unpack_bytes(archive: &[u8], settings: &ImportSettings) -> (Result<(), WorkspaceError>, TempDir) {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("in")).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(archive).unwrap();
    let target = Dir::open_ambient_dir(dir.path().join("in"), ambient_authority()).unwrap();
    let (progress, _) = watch::channel(Progress::step(""));
    let result = unpack(file, target, settings, progress, CancellationToken::new()).await;
    // Whatever was in it, nothing lies beside the folder.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    (result, dir)
}

async fn refused(archive: &[u8]) -> &'static str {
    unpack_bytes(archive, &small()).await.0.unwrap_err().code()
}

#[tokio::test]
async fn unpacks_tar_and_gzip() {
    let long = format!("top/{}/{}", "d".repeat(90), "f".repeat(90));
    let pax = |name: &str| {
        let fact = format!(" path={name}\n");
        let length = fact.len() + 3;
        format!("{length}{fact}").into_bytes()
    };
    let archive = tar(&[
        entry(b"pax_global_header", tar::EntryType::XGlobalHeader, b"", b"14 comment=abc\n"),
        entry(b"./top/", tar::EntryType::Directory, b"", b""),
        file("./top/run", b"#!/bin/sh"),
        file("./top/run", b"#!/bin/bash"),
        link("top/link", "../top/run"),
        entry(b"top/hard", tar::EntryType::Link, b"top/run", b""),
        entry(b"././@LongLink", tar::EntryType::GNULongName, b"", format!("{long}\0").as_bytes()),
        file("cut", b"long"),
        entry(b"x", tar::EntryType::XHeader, b"", &pax(&format!("top/{}", "ä".repeat(50)))),
        file("cut", b"pax"),
        file("__MACOSX/top/._run", b"junk"),
    ]);
    for archive in [archive.clone(), gzip(&archive)] {
        let (result, dir) = unpack_bytes(&archive, &small()).await;
        result.unwrap();
        let root = dir.path().join("in");
        let text = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
        assert_eq!(text("top/link"), "#!/bin/bash");
        assert_eq!(text("top/hard"), "#!/bin/bash");
        assert_eq!(text(&long), "long");
        assert_eq!(text(&format!("top/{}", "ä".repeat(50))), "pax");
        assert_eq!(std::fs::metadata(root.join("top/run")).unwrap().permissions().mode() & 0o111, 0o111);
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1);
    }
}

#[tokio::test]
async fn entries_that_would_lie_or_lead_outside_are_refused() {
    for name in ["../evil", "a/../../evil", "/evil", "a/../b"] {
        assert_eq!(refused(&tar(&[file(name, b"x")])).await, "import.entry_refused", "{name}");
    }
    assert_eq!(refused(&tar(&[entry(b"a\xff", tar::EntryType::Regular, b"", b"")])).await, "import.entry_refused");
    for target in ["/etc/passwd", "../x", "a/../../x", ""] {
        assert_eq!(refused(&tar(&[link("link", target)])).await, "import.entry_refused", "{target}");
    }
    for kind in [tar::EntryType::Char, tar::EntryType::Block, tar::EntryType::Fifo] {
        assert_eq!(refused(&tar(&[entry(b"dev", kind, b"", b"")])).await, "import.entry_refused");
    }
    let hard = entry(b"hard", tar::EntryType::Link, b"../../etc/passwd", b"");
    assert_eq!(refused(&tar(&[hard])).await, "import.entry_refused");
}

#[tokio::test]
async fn a_chain_of_links_leads_nowhere() {
    // Each alone stays inside by its text; through each other they would climb out.
    let archive = tar(&[link("a", "."), link("b", "a/.."), file("b/evil", b"x")]);
    assert!(unpack_bytes(&archive, &small()).await.0.is_err());
    let archive = tar(&[
        entry(b"d/e", tar::EntryType::Directory, b"", b""),
        link("short", "d/e"),
        link("up", "short/../../.."),
        file("up/evil", b"x"),
    ]);
    assert!(unpack_bytes(&archive, &small()).await.0.is_err());
}

#[tokio::test]
async fn bombs_are_refused() {
    let zeros = vec![0; 2 << 20];
    assert_eq!(refused(&gzip(&tar(&[file("zeros", &zeros)]))).await, "import.archive_too_large");
    let many: Vec<_> = (0..101).map(|number| file(&format!("f{number}"), b"")).collect();
    assert_eq!(refused(&tar(&many)).await, "import.archive_too_large");
    // A name that unpacks to more than memory should hold, and a gzip stream that never becomes an archive.
    let name = entry(b"././@LongLink", tar::EntryType::GNULongName, b"", &zeros);
    assert_eq!(refused(&gzip(&tar(&[name]))).await, "import.archive_invalid");
    let facts = entry(b"x", tar::EntryType::XHeader, b"", &zeros);
    assert_eq!(refused(&gzip(&tar(&[facts]))).await, "import.archive_invalid");
    let skipped: Vec<_> = (0..4).map(|_| entry(b"g", tar::EntryType::XGlobalHeader, b"", &zeros)).collect();
    assert_eq!(refused(&gzip(&tar(&skipped))).await, "import.archive_invalid");
    let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    zip.start_file("zeros", SimpleFileOptions::default()).unwrap();
    zip.write_all(&zeros).unwrap();
    assert_eq!(refused(&zip.finish().unwrap().into_inner()).await, "import.archive_too_large");
    let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for number in 0..101 {
        zip.start_file(format!("f{number}"), SimpleFileOptions::default()).unwrap();
    }
    assert_eq!(refused(&zip.finish().unwrap().into_inner()).await, "import.archive_too_large");
}

/// A zip archive without a file, with the larger record; `end` has the numbers of the smaller one: entries, bytes, place.
fn zip64(entries: u64, list_bytes: u64, record_at: Option<u64>, end: (u16, u32, u32)) -> Vec<u8> {
    let mut out = b"PK\x03\x04".to_vec();
    out.resize(64, 0);
    let at = out.len() as u64;
    out.extend_from_slice(b"PK\x06\x06");
    out.extend_from_slice(&44_u64.to_le_bytes());
    out.extend_from_slice(&[0; 12]);
    for number in [entries, entries, list_bytes, 4] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(b"PK\x06\x07\0\0\0\0");
    out.extend_from_slice(&record_at.unwrap_or(at).to_le_bytes());
    out.extend_from_slice(&1_u32.to_le_bytes());
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&end.0.to_le_bytes());
    out.extend_from_slice(&end.0.to_le_bytes());
    out.extend_from_slice(&end.1.to_le_bytes());
    out.extend_from_slice(&end.2.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out
}

#[tokio::test]
async fn the_larger_record_of_a_zip_archive_counts_where_the_library_reads_it() {
    for end in [(0xffff, 0, 0), (0, u32::MAX, 0), (0, 0, u32::MAX), (1, 46, u32::MAX)] {
        assert_eq!(refused(&zip64(1_000_000, 46, None, end)).await, "import.archive_too_large", "{end:?}");
        assert_eq!(refused(&zip64(1, 1 << 30, None, end)).await, "import.archive_too_large", "{end:?}");
        for place in [0, 1 << 40, u64::MAX] {
            let error = unpack_bytes(&zip64(1, 46, Some(place), end), &small()).await.0.unwrap_err();
            assert!(error.to_string().contains("record of its list"), "{place} {end:?} {error}");
        }
    }
    // Where nothing names a larger record the numbers are meant as they are.
    let mut lone = zip64(1, 46, None, (0xffff, u32::MAX, 0));
    let locator = lone.len() - 22 - 20;
    lone[locator] = 0;
    assert_eq!(refused(&lone).await, "import.archive_too_large");
    // Far from the end of the file, behind which the library allows a little more than a comment.
    let mut far = zip64(1_000_000, 46, None, (0, 0, u32::MAX));
    far.resize(far.len() + 65_535, 0);
    assert_eq!(refused(&far).await, "import.archive_too_large");
}

#[tokio::test]
async fn a_list_that_is_not_where_it_should_be_is_not_looked_for() {
    let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    zip.start_file("a", SimpleFileOptions::default()).unwrap();
    let whole = zip.finish().unwrap().into_inner();
    let mut shifted = b"PK\x03\x04".to_vec();
    shifted.extend_from_slice(&whole);
    assert_eq!(refused(&shifted).await, "import.archive_invalid");
}

#[tokio::test]
async fn unpacks_zip() {
    let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    zip.add_directory("top", SimpleFileOptions::default()).unwrap();
    zip.start_file("top/run", SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
    zip.write_all(b"#!").unwrap();
    zip.add_symlink("top/link", "run", SimpleFileOptions::default()).unwrap();
    let (result, dir) = unpack_bytes(&zip.finish().unwrap().into_inner(), &small()).await;
    result.unwrap();
    let root = dir.path().join("in/top");
    assert_eq!(std::fs::read_to_string(root.join("link")).unwrap(), "#!");
    assert_eq!(std::fs::metadata(root.join("run")).unwrap().permissions().mode() & 0o777, 0o755);
    for (name, target) in [("../evil", None), ("/evil", None), ("link", Some("../../x")), ("link", Some("/etc"))] {
        let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default();
        match target {
            Some(target) => zip.add_symlink(name, target, options).unwrap(),
            None => zip.start_file(name, options).unwrap(),
        }
        assert_eq!(refused(&zip.finish().unwrap().into_inner()).await, "import.entry_refused", "{name} {target:?}");
    }
}

#[tokio::test]
async fn what_is_no_archive_is_refused_without_a_panic() {
    for bytes in [&b""[..], b"hello", b"PK\x03\x04 and then nothing", b"\x1f\x8b\x08 and then nothing", &[0; 2048]] {
        assert_eq!(refused(bytes).await, "import.archive_invalid");
    }
    let whole = tar(&[file("a", &[7; 3000]), file("b", b"x")]);
    for end in [600, 1500, 3000, 3600, 4200] {
        assert!(unpack_bytes(&whole[..end], &small()).await.0.is_err(), "{end}");
    }
    let packed = gzip(&whole);
    assert!(unpack_bytes(&packed[..packed.len() / 2], &small()).await.0.is_err());
}

#[tokio::test]
async fn uploads_are_bounded() {
    let dir = TempDir::new().unwrap();
    let settings = ImportSettings { max_archive_bytes: 10, ..ImportSettings::default() };
    let stream = |bytes: usize| futures_util::stream::iter([Ok::<_, io::Error>(Bytes::from(vec![0; bytes]))]);
    receive(stream(10), &dir.path().join("a"), &settings).await.unwrap();
    let error = receive(stream(11), &dir.path().join("b"), &settings).await.unwrap_err();
    assert_eq!(error.code(), "import.archive_too_large");
}
