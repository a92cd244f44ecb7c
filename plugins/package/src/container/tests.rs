use coditect_protocol::Coded as _;
use proptest::prelude::*;

use super::*;
use crate::{MAX_THEME_BYTES, MAX_THEMES_BYTES};

const MANIFEST: &str = r#"
[plugin]
id = "acme.tidy"
version = "1.0.0"
contract = "1.0"
title = "Tidy"
description = "Puts texts in order."
license = "MIT"
icon = "assets/icon.svg"
[[commands]]
id = "tidy"
title = "Tidy"
[[themes]]
id = "dusk"
title = "Dusk"
path = "assets/dusk.json"
"#;

fn files() -> Files {
    let all: [(&str, &[u8]); 6] = [
        ("plugin.toml", MANIFEST.as_bytes()),
        ("plugin.wasm", b"\0asm\x0d\0\x01\0 some component"),
        ("README.md", b"# Tidy"),
        ("assets/icon.svg", b"<svg/>"),
        ("assets/dusk.json", b"{\"colors\": {}}"),
        ("assets/deep/er/x_1-2.bin", &[7; 300]),
    ];
    all.into_iter().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect()
}

fn signed() -> (Package, SigningKey) {
    let key = SigningKey::generate().unwrap();
    let mut package = Package::build(files()).unwrap();
    package.sign(&key);
    (package, key)
}

/// A file of this payload, before it is pressed, that nobody signed.
fn file_of(plain: &[u8]) -> Vec<u8> {
    // Not by flate2: what that makes depends on what else is built.
    let payload = miniz_oxide::deflate::compress_to_vec_zlib(plain, COMPRESSION_LEVEL);
    [MAGIC.as_slice(), &[0; 4], &payload].concat()
}

/// A payload of this index and these bytes.
fn plain_of(index: &str, bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(index.len()).unwrap().to_le_bytes(), index.as_bytes(), bytes].concat()
}

fn code(file: &[u8]) -> &'static str {
    Package::read(file).unwrap_err().code()
}

#[test]
fn a_package_comes_back_as_it_was() {
    let (package, key) = signed();
    let file = package.to_bytes();
    let read = Package::read(&file).unwrap();
    assert_eq!(read.files().collect::<Vec<_>>(), package.files().collect::<Vec<_>>());
    assert_eq!(read.manifest(), package.manifest());
    assert_eq!(read.to_bytes(), file);
    assert_eq!(read.verify().unwrap(), Some(key.public().id()));
    assert_eq!(read.signature().unwrap().key(), &key.public());
    assert_eq!(read.readme(), Some("# Tidy"));
    assert!(read.component().unwrap().starts_with(b"\0asm") && read.file("assets/none").is_none());
}

#[test]
fn the_same_contents_are_the_same_bytes() {
    let (one, other) = (Package::build(files()).unwrap(), Package::build(files()).unwrap());
    assert_eq!(one.to_bytes(), other.to_bytes());
    let again = Package::build(Package::read(&one.to_bytes()).unwrap().files).unwrap();
    assert_eq!(again.to_bytes(), one.to_bytes());
}

#[test]
fn without_its_signature_nobody_signed_it() {
    let (package, _) = signed();
    let file = package.to_bytes();
    let length = u32::from_le_bytes(file[8..12].try_into().unwrap()) as usize;
    let stripped = [&file[..8], &[0; 4], &file[12 + length..]].concat();
    let read = Package::read(&stripped).unwrap();
    assert!(read.signature().is_none());
    assert_eq!(read.verify().unwrap(), None);
    assert_eq!(read.digest(), package.digest());
}

#[test]
fn a_signature_of_other_contents_is_refused() {
    let (package, key) = signed();
    let mut others = files();
    others.insert("README.md".to_owned(), b"# Other".to_vec());
    let mut forged = Package::build(others).unwrap();
    forged.signature = package.signature;
    let read = Package::read(&forged.to_bytes()).unwrap();
    assert_eq!(read.verify().unwrap_err(), PackageError::BadSignature);
    forged.sign(&key);
    assert!(Package::read(&forged.to_bytes()).unwrap().verify().unwrap().is_some());
}

#[test]
fn what_is_no_package_is_refused() {
    let (package, _) = signed();
    let file = package.to_bytes();
    assert_eq!(code(b""), "plugins.package_unknown");
    assert_eq!(code(b"PK\x03\x04 a zip"), "plugins.package_unknown");
    assert_eq!(code(&vec![0; MAX_FILE_BYTES + 1]), "plugins.package_too_large");
    for end in 8..file.len() {
        // Little of a payload allows little to be in it.
        assert!(
            ["plugins.package_damaged", "plugins.package_too_large"].contains(&code(&file[..end])),
            "cut off at {end}"
        );
    }
    assert_eq!(code(&[file.as_slice(), b"x"].concat()), "plugins.package_damaged");
    let long = [MAGIC.as_slice(), &4097_u32.to_le_bytes(), &[b' '; 5000]].concat();
    assert_eq!(code(&long), "plugins.package_damaged");
    let mut block = file.clone();
    block[12] = b' ';
    assert_eq!(code(&block), "plugins.package_damaged");
}

#[test]
fn odd_indexes_are_refused() {
    let entry = |path: &str, bytes: &[u8]| {
        format!(r#"{{"path":"{path}","bytes":{},"sha256":"{}"}}"#, bytes.len(), crate::sha256_hex(bytes))
    };
    let of = |entries: &[String], bytes: &[u8]| file_of(&plain_of(&format!("[{}]", entries.join(",")), bytes));
    assert_eq!(code(&of(&[entry("README.md", b"x"), entry("README.md", b"x")], b"xx")), "plugins.package_damaged");
    assert_eq!(code(&of(&[entry("plugin.toml", b"x"), entry("README.md", b"x")], b"xx")), "plugins.package_damaged");
    assert_eq!(code(&of(&[entry("README.md", b"x").replace(":1", ": 1")], b"x")), "plugins.package_damaged");
    assert_eq!(code(&of(&[entry("README.md", b"x").replace('}', ",\"y\":1}")], b"x")), "plugins.package_damaged");
    assert_eq!(code(&of(&[entry("README.md", b"x")], b"y")), "plugins.package_damaged");
    assert_eq!(code(&of(&[entry("README.md", b"x")], b"xy")), "plugins.package_damaged");
    assert_eq!(code(&of(&[entry("README.md", b"xy")], b"x")), "plugins.package_damaged");
    assert_eq!(code(&of(&[], b"")), "plugins.package_incomplete");
    for path in [
        "",
        "/etc/passwd",
        "assets/",
        "assets",
        "assets//x",
        "assets/../x",
        "assets/.hidden",
        "assets/a b",
        "src/x",
        "assets/ä",
        "assets\\\\x",
        "Plugin.toml",
        "plugin.wasm/x",
        &format!("assets/{}", "x".repeat(200)),
    ] {
        assert_eq!(code(&of(&[entry(path, b"x")], b"x")), "plugins.package_path", "{path}");
    }
    let many: Vec<_> = (0..=MAX_FILES).map(|n| entry(&format!("assets/{n:05}"), b"")).collect();
    assert_eq!(code(&of(&many, b"")), "plugins.package_too_large");
}

#[test]
fn what_announces_too_much_is_refused_before_it_is_made() {
    let huge = |bytes: u64| {
        let index = format!(r#"[{{"path":"README.md","bytes":{bytes},"sha256":"{}"}}]"#, "0".repeat(64));
        file_of(&plain_of(&index, b"x"))
    };
    assert_eq!(code(&huge(u64::MAX)), "plugins.package_too_large");
    assert_eq!(code(&huge(MAX_UNPACKED_BYTES as u64)), "plugins.package_too_large");
    // Within the bound, but not there.
    assert_eq!(code(&huge(1000)), "plugins.package_damaged");
    let index = [u32::MAX.to_le_bytes().as_slice(), b"[]"].concat();
    assert_eq!(code(&file_of(&index)), "plugins.package_too_large");
    // A bomb: it presses to a thousandth.
    let zeros = vec![0; 4 << 20];
    let index = format!(r#"[{{"path":"README.md","bytes":{},"sha256":"{}"}}]"#, zeros.len(), crate::sha256_hex(&zeros));
    assert_eq!(code(&file_of(&plain_of(&index, &zeros))), "plugins.package_too_large");
    let mut bomb = files();
    bomb.insert("assets/zeros".to_owned(), zeros);
    assert_eq!(Package::build(bomb).unwrap_err().code(), "plugins.package_too_large");
}

#[test]
fn what_the_manifest_names_must_be_there_and_be_that() {
    let change = |path: &str, bytes: Option<&[u8]>| {
        let mut all = files();
        match bytes {
            Some(bytes) => all.insert(path.to_owned(), bytes.to_vec()),
            None => all.remove(path),
        };
        Package::build(all).unwrap_err().code()
    };
    for path in ["plugin.toml", "plugin.wasm", "assets/icon.svg", "assets/dusk.json"] {
        assert_eq!(change(path, None), "plugins.package_incomplete", "{path}");
    }
    assert_eq!(change("assets/icon.svg", Some(b"<svg onload='x'/>")), "plugins.package_file_invalid");
    assert_eq!(change("assets/icon.svg", Some(&[b' '; 65 << 10])), "plugins.package_file_too_large");
    assert_eq!(change("assets/dusk.json", Some(b"// a comment\n{")), "plugins.package_file_invalid");
    assert_eq!(change("assets/dusk.json", Some(b"[]")), "plugins.package_file_invalid");
    assert_eq!(change("README.md", Some(b"\xff")), "plugins.package_file_invalid");
    assert_eq!(change("README.md", Some(&[b' '; 513 << 10])), "plugins.package_file_too_large");
    assert_eq!(change("plugin.toml", Some(b"x = 1")), "plugins.manifest_unknown_key");
    assert_eq!(change("other", Some(b"")), "plugins.package_path");
}

#[test]
fn a_plugin_of_themes_needs_no_component() {
    let mut all = files();
    all.remove("plugin.wasm");
    let manifest = MANIFEST.replace("[[commands]]\nid = \"tidy\"\ntitle = \"Tidy\"\n", "");
    all.insert("plugin.toml".to_owned(), manifest.into_bytes());
    let package = Package::build(all).unwrap();
    assert!(Package::read(&package.to_bytes()).unwrap().component().is_none());
}

#[test]
fn themes_are_written_with_comments_as_well() {
    let mut all = files();
    let theme = "{ // at dusk\n\"colors\": { \"editor.background\": \"#101010\", /* dark */ }, }";
    all.insert("assets/dusk.json".to_owned(), theme.into());
    assert_eq!(
        Package::build(all).unwrap().files().find(|(path, _)| *path == "assets/dusk.json").unwrap().1,
        theme.as_bytes()
    );
}

#[test]
fn themes_are_bounded_together() {
    let of = |themes: usize, same: bool| {
        let (mut all, mut manifest) = (files(), MANIFEST.to_owned());
        // What is pressed by more than a bomb may be is refused before.
        let noise = (0..20_000_u64).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        all.insert("assets/noise".to_owned(), noise.collect());
        for n in 0..themes {
            let path = format!("assets/{}.json", if same { 0 } else { n });
            manifest.push_str(&format!("[[themes]]\nid = \"t{n}\"\ntitle = \"T\"\npath = \"{path}\"\n"));
            all.insert(path, format!("{{}}{}", " ".repeat(MAX_THEME_BYTES - 2)).into_bytes());
        }
        all.insert("plugin.toml".to_owned(), manifest.into_bytes());
        Package::build(all).map(|_| ()).map_err(|error| error.code())
    };
    // There is a small one too.
    let most = MAX_THEMES_BYTES / MAX_THEME_BYTES;
    assert_eq!(of(most - 1, false), Ok(()));
    assert_eq!(of(most, false), Err("plugins.package_too_large"));
    assert_eq!(of(most, true), Ok(()), "one file counts once");
}

/// What somebody does to a file on its way.
#[derive(Debug, Clone)]
enum Change {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Add(Vec<u8>),
    Insert(prop::sample::Index, u8),
    Swap(prop::sample::Index, prop::sample::Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let at = any::<prop::sample::Index>;
    let one = prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => at().prop_map(Change::Cut),
        1 => prop::collection::vec(any::<u8>(), 1..20).prop_map(Change::Add),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        1 => (at(), at()).prop_map(|(a, b)| Change::Swap(a, b)),
    ];
    prop::collection::vec(one, 1..4)
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Set(at, byte) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Swap(a, b) if !bytes.is_empty() => {
            let (a, b) = (a.index(bytes.len()), b.index(bytes.len()));
            bytes.swap(a, b);
        }
        Change::Set(..) | Change::Swap(..) => {}
        Change::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
        Change::Add(more) => bytes.extend_from_slice(more),
        Change::Insert(at, byte) => bytes.insert(at.index(bytes.len() + 1), *byte),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_changed_file_passes_as_signed(changes in changes()) {
        let (package, key) = signed();
        let mut file = package.to_bytes();
        changes.iter().for_each(|change| apply(&mut file, change));
        if let Ok(read) = Package::read(&file) {
            prop_assert_eq!(read.to_bytes(), file);
            if let Ok(Some(by)) = read.verify() {
                prop_assert_eq!(by, key.public().id());
                prop_assert_eq!(read.digest(), package.digest());
                prop_assert!(read.files().eq(package.files()));
            }
        }
    }

    #[test]
    fn no_changed_content_passes_as_signed(changes in changes()) {
        let (package, _) = signed();
        let mut plain = flatten(&package.files).unwrap();
        let before = plain.clone();
        changes.iter().for_each(|change| apply(&mut plain, change));
        let file = file_of(&plain);
        let block = package.signature.unwrap().to_block();
        let length = u32::try_from(block.len()).unwrap().to_le_bytes();
        let signed = [MAGIC.as_slice(), &length, &block, &file[12..]].concat();
        match Package::read(&signed).and_then(|read| read.verify()) {
            Ok(Some(_)) => prop_assert_eq!(plain, before),
            Ok(None) => prop_assert!(false, "the signature was lost"),
            Err(_) => {}
        }
    }

    #[test]
    fn nothing_that_comes_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Package::read(&bytes);
        let _ = Package::read(&[MAGIC.as_slice(), &[0; 4], &bytes].concat());
        let _ = Package::read(&file_of(&bytes));
        let _ = crate::manifest::parse(&String::from_utf8_lossy(&bytes));
    }
}
