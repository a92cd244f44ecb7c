//! The cluster file: where a cluster's coordinators are.
//!
//! The client library reads it by itself, and writes it when the coordinators change. It is looked at here first because
//! the library would answer a wrong one late and darkly.

use crate::error::StoreError;
use crate::limits::FDB_CLUSTER_FILE_MAX_BYTES;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Checks that the file can be read and names coordinators. Blocks.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    read(path).and_then(|text| parse(&text)).map_err(|detail| fault(path, detail))
}

/// The error of a cluster file.
pub(super) fn fault(path: &Path, detail: impl Into<String>) -> StoreError {
    StoreError::FdbClusterFile { place: path.display().to_string(), detail: detail.into() }
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(FDB_CLUSTER_FILE_MAX_BYTES + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > FDB_CLUSTER_FILE_MAX_BYTES {
        return Err(format!("it has more than {FDB_CLUSTER_FILE_MAX_BYTES} bytes"));
    }
    String::from_utf8(text).map_err(|_| "it is not text".to_owned())
}

/// Reads `description:id@host:port,...`, with blanks and comments anywhere.
fn parse(text: &str) -> Result<(), String> {
    let bare: String = text
        .split(['\n', '\r'])
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(|line| line.chars().filter(|c| !matches!(c, ' ' | '\t')))
        .collect();
    if bare.is_empty() {
        return Err("it is empty".to_owned());
    }
    let (key, addresses) = bare.split_once('@').ok_or("there is no @ in it")?;
    let (description, id) = key.split_once(':').ok_or("there is no : before its @")?;
    let is_word = |word: &str, also: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
    };
    if !is_word(description, "_") || !is_word(id, "") {
        return Err("the part before its @ has other characters than letters, digits and _".to_owned());
    }
    let mut seen = BTreeSet::new();
    for address in addresses.split(',') {
        if !is_address(address) {
            return Err(format!("{address:?} is no host:port"));
        }
        if !seen.insert(address) {
            return Err(format!("{address:?} stands in it twice"));
        }
    }
    Ok(())
}

/// Whether this is `host:port`, the host a name or an address, with what the library may append: `:tls` and
/// `(fromHostname)`.
fn is_address(address: &str) -> bool {
    let address = address.strip_suffix("(fromHostname)").unwrap_or(address);
    let address = address.strip_suffix(":tls").unwrap_or(address);
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) || !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return false;
    }
    if let Some(host) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return host.parse::<Ipv6Addr>().is_ok();
    }
    let is_number = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    !host.is_empty() && if is_number { host.parse::<Ipv4Addr>().is_ok() } else { is_name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_that_the_library_takes() {
        for text in [
            "docker:docker@127.0.0.1:4500",
            "# written by hand\n a_b:Cd9@10.0.0.1:4500,\n\t10.0.0.2:4500:tls # the second\r\n",
            "x:y@[::1]:4500,[fe80::1]:4501:tls(fromHostname)",
            "x:y@fdb-0.fdb.default.svc.cluster.local:4500,fdb_1:4500:tls",
        ] {
            assert_eq!(parse(text), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn others_are_refused_with_what_is_wrong() {
        for (text, part) in [
            ("", "empty"),
            ("# only a comment", "empty"),
            ("docker:docker", "no @"),
            ("docker@127.0.0.1:4500", "no :"),
            (":id@127.0.0.1:4500", "characters"),
            ("dock-er:id@127.0.0.1:4500", "characters"),
            ("docker:i_d@127.0.0.1:4500", "characters"),
            ("docker:docker@", "host:port"),
            ("docker:docker@127.0.0.1", "host:port"),
            ("docker:docker@127.0.0.1:0", "host:port"),
            ("docker:docker@127.0.0.1:+45", "host:port"),
            ("docker:docker@127.0.0.1:70000", "host:port"),
            ("docker:docker@127.0.0.300:4500", "host:port"),
            ("docker:docker@[::g]:4500", "host:port"),
            ("docker:docker@127.0.0.1:4500,", "host:port"),
            ("docker:docker@a:1,a:1", "twice"),
        ] {
            assert!(parse(text).unwrap_err().contains(part), "{text:?}: {:?}", parse(text));
        }
    }
}
