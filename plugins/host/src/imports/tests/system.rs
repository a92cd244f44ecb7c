//! Clocks, random bytes, and WASI.

use wasmtime_wasi::cli::WasiCliView as _;
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::filesystem::WasiFilesystemView as _;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random as wasi_random, sockets};
use wasmtime_wasi::random::WasiRandomView as _;
use wasmtime_wasi::sockets::WasiSocketsView as _;

use super::*;
use crate::contract::v1_bindings::coditect::plugin::{clock, random};

#[tokio::test]
async fn time_and_chance_take_their_capabilities() {
    let mut call = call(vec![Capability::Clock, Capability::Random]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let told = u128::from(clock::Host::now(&mut call.state).await.unwrap().unwrap());
    assert!((now..now + 60_000).contains(&told));
    let first = clock::Host::monotonic(&mut call.state).await.unwrap().unwrap();
    let second = clock::Host::monotonic(&mut call.state).await.unwrap().unwrap();
    assert!(first <= second && second < 60_000, "it counts from the call's beginning");
    let bytes = random::Host::bytes(&mut call.state, 32).await.unwrap().unwrap();
    let others = random::Host::bytes(&mut call.state, 32).await.unwrap().unwrap();
    assert!(bytes.len() == 32 && bytes != others);
    assert_eq!(random::Host::bytes(&mut call.state, 64 << 10).await.unwrap().unwrap().len(), 64 << 10);
    assert_eq!(word(&random::Host::bytes(&mut call.state, (64 << 10) + 1).await), "limit");
}

#[tokio::test(start_paused = true)]
async fn clocks_of_languages_stand_still_without_the_capability() {
    let mut call = call(Vec::new());
    let wall = |state: &mut State| clocks::wall_clock::Host::now(&mut state.clocks()).unwrap();
    let since = |state: &mut State| clocks::monotonic_clock::Host::now(&mut state.clocks()).unwrap();
    let begun = wall(&mut call.state);
    tokio::time::advance(Duration::from_micros(12_345_678)).await;
    let later = wall(&mut call.state);
    assert_eq!((begun.seconds, begun.nanoseconds), (later.seconds, later.nanoseconds));
    assert_eq!(begun.seconds, 946_684_800, "it does not even tell the day");
    assert_eq!(since(&mut call.state), 12_345_000_000, "steps of a millisecond");
    call.rights.set(vec![Capability::Clock]);
    assert_eq!(since(&mut call.state), 12_345_678_000);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((now - 60..=now + 13).contains(&wall(&mut call.state).seconds), "12 s after the call's beginning");
    call.rights.set(Vec::new());
    assert_eq!(wall(&mut call.state).seconds, begun.seconds);
}

#[tokio::test]
async fn there_is_nothing_behind_wasi() {
    let mut call = call(Vec::new());
    let state = &mut call.state;
    assert!(cli::environment::Host::get_environment(&mut state.cli()).unwrap().is_empty());
    assert!(cli::environment::Host::get_arguments(&mut state.cli()).unwrap().is_empty());
    assert!(filesystem::preopens::Host::get_directories(&mut state.filesystem()).unwrap().is_empty());
    let refused = |error: wasmtime_wasi::p2::SocketError| matches!(error.downcast(), Ok(ErrorCode::AccessDenied));
    let tcp = sockets::tcp_create_socket::Host::create_tcp_socket(&mut state.sockets(), IpAddressFamily::Ipv4);
    assert!(tcp.is_err_and(refused));
    let udp = sockets::udp_create_socket::Host::create_udp_socket(&mut state.sockets(), IpAddressFamily::Ipv4).await;
    assert!(udp.is_err_and(refused));
    let network = sockets::instance_network::Host::instance_network(&mut state.sockets()).unwrap();
    let names = sockets::ip_name_lookup::Host::resolve_addresses(&mut state.sockets(), network, "localhost".into());
    assert!(names.is_err_and(|error| matches!(error.downcast(), Ok(ErrorCode::PermanentResolverFailure))));
    // Random bytes are real, and of one size at the most.
    let random = |state: &mut State, length| wasi_random::random::Host::get_random_bytes(state.random(), length);
    assert_ne!(random(state, 32).unwrap(), random(state, 32).unwrap());
    assert!(random(state, (64 << 10) + 1).is_err());
}

#[tokio::test]
async fn what_is_printed_goes_to_the_log() {
    let mut call = call(Vec::new());
    let state = &mut call.state;
    let out = cli::stdout::Host::get_stdout(&mut state.cli()).unwrap();
    let err = cli::stderr::Host::get_stderr(&mut state.cli()).unwrap();
    let mut print = |stream: &wasmtime::component::Resource<wasmtime_wasi::p2::DynOutputStream>, text: &str| {
        state.table.get_mut(stream).unwrap().write(text.to_owned().into()).unwrap();
    };
    print(&out, "one\ntw");
    print(&err, "panicked\r\n\n");
    print(&out, "o\u{1b}\n");
    print(&out, &"x".repeat(9000));
    assert_eq!(
        call.world.heard(),
        ["info: one", "error: panicked", "info: two\\u{1b}", &format!("info: {}", "x".repeat(8192))]
    );
    for _ in 0..100 {
        state.table.get_mut(&out).unwrap().write("y".repeat(8191).into()).unwrap();
    }
    let bytes: usize = call.world.heard().iter().map(String::len).sum();
    assert!(bytes < 66 << 10, "it counts as what is logged: {bytes}");
}

#[tokio::test]
async fn the_last_line_is_not_lost() {
    let Call { mut state, world, .. } = call(Vec::new());
    let out = cli::stdout::Host::get_stdout(&mut state.cli()).unwrap();
    state.table.get_mut(&out).unwrap().write("no end of line".into()).unwrap();
    assert!(world.heard().is_empty());
    drop(state);
    assert_eq!(world.heard(), ["info: no end of line"]);
}
