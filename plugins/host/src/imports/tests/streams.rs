//! Exchanges of a call.

use super::*;
use crate::contract::v1_bindings::coditect::plugin::http::{Host as _, HostExchange, Request};
use crate::http::tests::Stream;
use wasmtime::component::Resource;

fn local(port: u16) -> Capability {
    Capability::Http { hosts: vec![format!("127.0.0.1:{port}")], private: true }
}

fn allowing() -> HostSettings {
    HostSettings { private_hosts: true, ..HostSettings::default() }
}

fn get(port: u16) -> Request {
    let url = format!("http://127.0.0.1:{port}/");
    Request { method: "GET".into(), url, headers: Vec::new(), body: Vec::new(), timeout_ms: 0 }
}

#[tokio::test]
async fn an_answer_is_read_while_its_host_is_granted() {
    let stream = Stream::start().await;
    let port = stream.port;
    let mut call = call_with(vec![local(port)], allowing());
    stream.begin("x-a: b\r\n");
    let exchange = call.state.open(get(port)).await.unwrap().unwrap();
    let borrow = || Resource::new_borrow(exchange.rep());
    assert_eq!(call.state.status(borrow()).await.unwrap(), 200);
    assert!(call.state.headers(borrow()).await.unwrap().contains(&("x-a".into(), "b".into())));
    stream.say("one");
    assert_eq!(call.state.read(borrow()).await.unwrap().unwrap().unwrap(), b"one");
    // What is taken back is gone at once, and with it the connection.
    stream.say("two");
    call.rights.set(vec![local(1)]);
    assert!(denied(call.state.read(borrow()).await).contains(&format!("hosts = [\"127.0.0.1:{port}\"]")));
    assert_eq!(call.world.heard(), [format!("denied http 127.0.0.1:{port}")]);
    stream.until_left().await;
    call.rights.set(vec![local(port)]);
    assert_eq!(call.state.read(borrow()).await.unwrap().unwrap(), None, "it has ended");
    assert_eq!(call.state.around.meter.host_calls(), 6);
}

#[tokio::test]
async fn a_right_that_is_taken_back_meanwhile_counts() {
    let stream = Stream::start().await;
    let mut call = call_with(vec![local(stream.port)], allowing());
    stream.begin("");
    let exchange = call.state.open(get(stream.port)).await.unwrap().unwrap();
    let (rights, state) = (call.rights.clone(), &mut call.state);
    let reading = state.read(Resource::new_borrow(exchange.rep()));
    let (read, ()) = tokio::join!(reading, async {
        rights.set(Vec::new());
        stream.say("too late");
    });
    assert_eq!(word(&read), "denied");
    stream.until_left().await;
}

#[tokio::test]
async fn a_call_has_so_many_exchanges_and_ends_them_all() {
    let mut streams = Vec::new();
    for _ in 0..9 {
        let stream = Stream::start().await;
        stream.begin("");
        streams.push(stream);
    }
    let mut call = call_with(streams.iter().map(|stream| local(stream.port)).collect(), allowing());
    let all = streams.iter().map(|stream| format!("127.0.0.1:{}", stream.port)).collect();
    call.rights.set(vec![Capability::Http { hosts: all, private: true }]);
    let last = streams.pop().unwrap();
    let mut exchanges = Vec::new();
    for stream in &streams {
        exchanges.push(call.state.open(get(stream.port)).await.unwrap().unwrap());
    }
    assert_eq!(word(&call.state.open(get(last.port)).await), "limit");
    HostExchange::drop(&mut call.state, exchanges.remove(0)).await.unwrap();
    streams.remove(0).until_left().await;
    assert_eq!(word(&call.state.open(get(last.port)).await), "done");
    streams.push(last);
    drop(call);
    for stream in streams {
        stream.until_left().await;
    }
}
