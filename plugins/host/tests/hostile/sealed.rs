//! Packages and translations that somebody changed on the way.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use coditect_plugin_host::{CompiledCache, Host};
use coditect_plugin_package::{MAGIC, Package, PackageError, SigningKey};

use crate::guest::Guest;

const MANIFEST: &str = "[plugin]\nid = \"acme.tidy\"\nversion = \"1.0.0\"\ncontract = \"1.0\"\ntitle = \"Tidy\"\n\
    description = \"Puts texts in order.\"\nlicense = \"MIT\"\n[[commands]]\nid = \"tidy\"\ntitle = \"Tidy\"\n";

fn package(component: &[u8]) -> Package {
    let files = [("plugin.toml", MANIFEST.as_bytes()), ("plugin.wasm", component)];
    Package::build(files.map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).into()).unwrap()
}

/// Where the payload begins, behind the signature.
fn payload_at(file: &[u8]) -> usize {
    let length = u32::from_le_bytes(file[8..12].try_into().unwrap());
    12 + usize::try_from(length).unwrap()
}

/// The signature of one file before the payload of another.
fn spliced(head: &[u8], payload: &[u8]) -> Vec<u8> {
    [&head[..payload_at(head)], &payload[payload_at(payload)..]].concat()
}

pub(crate) fn signatures() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let (mut good, evil) = (package(b"\0asm\x0d\0\x01\0 good"), package(b"\0asm\x0d\0\x01\0 evil"));
    good.sign(&key);
    let (file, evil) = (good.to_bytes(), evil.to_bytes());
    assert_eq!(Package::read(&file).unwrap().verify(), Ok(Some(key.public().id())));
    // Without its signature it is unsigned, and never of anybody.
    let stripped = Package::read(&[MAGIC.as_slice(), &[0; 4], &file[payload_at(&file)..]].concat()).unwrap();
    assert!(stripped.signature().is_none() && stripped.verify() == Ok(None));
    // Another content under a good signature.
    assert_eq!(Package::read(&spliced(&file, &evil)).unwrap().verify(), Err(PackageError::BadSignature));
    // Another key's name over it: as many bytes, so that nothing else is wrong.
    let (named, by) = (key.public().to_string(), other.public().to_string());
    let at = file.windows(named.len()).position(|part| part == named.as_bytes()).unwrap();
    let mut renamed = file.clone();
    renamed[at..at + by.len()].copy_from_slice(by.as_bytes());
    assert_eq!(Package::read(&renamed).unwrap().verify(), Err(PackageError::BadSignature));
    // Signed by somebody else, it is somebody else's.
    let mut taken = Package::read(&file).unwrap();
    taken.sign(&other);
    assert_eq!(taken.verify(), Ok(Some(other.public().id())));
    // Whatever bit is changed, the result is not taken for the publisher's.
    for at in (8..file.len()).step_by(7) {
        let mut changed = file.clone();
        changed[at] ^= 0x10;
        let verified = Package::read(&changed).and_then(|package| package.verify());
        assert!(verified != Ok(Some(key.public().id())), "byte {at}");
    }
}

/// Files that are small, and hold much; none of them is unpacked.
pub(crate) fn bombs() {
    let pressed = |plain: &[u8]| {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(plain).unwrap();
        [MAGIC.as_slice(), &[0; 4], &packer.finish().unwrap()].concat()
    };
    let index = |entries: &str| [&u32::try_from(entries.len()).unwrap().to_le_bytes(), entries.as_bytes()].concat();
    let entry = |bytes: u64| format!(r#"[{{"path":"plugin.toml","bytes":{bytes},"sha256":"{}"}}]"#, "0".repeat(64));
    let mut zeros = index(&entry(150 << 20));
    zeros.resize(zeros.len() + (150 << 20), 0);
    for (name, plain) in [
        ("zeros", zeros),
        ("an index that never ends", u32::MAX.to_le_bytes().to_vec()),
        ("a file larger than there are numbers", index(&entry(u64::MAX))),
        ("a file that is announced and not there", index(&entry(100 << 20))),
        ("deep", index(&"[".repeat(200_000))),
    ] {
        assert!(Package::read(&pressed(&plain)).is_err(), "{name}");
    }
}

/// Machine code that was changed where it is kept is never loaded.
pub(crate) fn cache(host: &Host, directory: &Path) {
    let compiled = host.compile(&Guest::tool("(call $digit (i32.const 1))").component()).unwrap();
    let cache = CompiledCache::open(directory, &[7; 32], 1 << 30).unwrap();
    let kept = |name: &str| {
        cache.put(name, &compiled).unwrap();
        let mut entries = fs::read_dir(directory).unwrap();
        entries.next().unwrap().unwrap().path()
    };
    let path = kept("good");
    assert!(cache.get(host, "good").is_some());
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 97) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(kept("good"), changed).unwrap();
        assert!(cache.get(host, "good").is_none(), "byte {at}");
    }
    for length in [0, 8, 40, whole.len() / 2, whole.len() - 1] {
        fs::write(kept("good"), &whole[..length]).unwrap();
        assert!(cache.get(host, "good").is_none(), "{length} bytes");
    }
    // What somebody else sealed, and what belongs to another component.
    let foreign = CompiledCache::open(directory, &[8; 32], 1 << 30).unwrap();
    foreign.put("good", &compiled).unwrap();
    assert!(cache.get(host, "good").is_none());
    fs::write(kept("evil"), &whole).unwrap();
    assert!(cache.get(host, "evil").is_none());
}
